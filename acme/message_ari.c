/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/ari.h"
#include "acme/header.h"
#include "base/clock.h"
#include "base/mem.h"

#define DOCUMENT_MAX 65536

static bool two_digits(const char *s, int most, int *value)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return false;
    *value = (s[0] - '0') * 10 + (s[1] - '0');
    return *value <= most;
}

/* RFC 3339 with any offset; clock_parse alone wants "Z". */
static bool timestamp(const char *s, time_t *t)
{
    char utc[64];
    int hours, minutes;
    size_t n = s ? strlen(s) : 0;
    if (n < 20 || n > 40)
        return false;
    bool zulu = s[n - 1] == 'Z' || s[n - 1] == 'z';
    const char *offset = s + n - (zulu ? 1 : 6);
    snprintf(utc, sizeof utc, "%.*sZ", (int)(offset - s), s);
    if (utc[10] == 't')
        utc[10] = 'T';
    if (!clock_parse(utc, t))
        return false;
    if (zulu)
        return true;
    if ((offset[0] != '+' && offset[0] != '-') || offset[3] != ':' ||
        !two_digits(offset + 1, 23, &hours) || !two_digits(offset + 4, 59, &minutes))
        return false;
    *t += (offset[0] == '+' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static bool read_window(const json_t *root, struct renewal_info *info, struct fault *f)
{
    const json_t *window = json_object_get(root, "suggestedWindow");
    const char *start = json_string_value(json_object_get(window, "start"));
    const char *end = json_string_value(json_object_get(window, "end"));
    if (!timestamp(start, &info->start) || !timestamp(end, &info->end))
        return fault_set(f, "the CA's renewal information has no window of two times");
    /* Times before 1970 are as good as none, and would make durations overflow. */
    if (info->start < 0 || info->end <= info->start)
        return fault_set(f, "the CA's renewal window ends before it begins");
    return true;
}

bool message_renewal_info(const void *json, size_t n, struct renewal_info *info, struct fault *f)
{
    json_error_t error;
    *info = (struct renewal_info){0};
    if (n > DOCUMENT_MAX)
        return fault_set(f, "the CA's renewal information is too large");
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fault_set(f, "the CA's renewal information is not JSON: %s", error.text);
    bool ok = read_window(root, info, f);
    const char *url = json_string_value(json_object_get(root, "explanationURL"));
    if (ok && url && header_is_url(url))
        info->explanation = mem_strdup(url);
    json_decref(root);
    if (!ok)
        *info = (struct renewal_info){0};
    return ok;
}

void renewal_info_free(struct renewal_info *info)
{
    free(info->explanation);
    *info = (struct renewal_info){0};
}
