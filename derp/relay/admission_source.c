/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define LINE_MAX_LEN 256

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, KEY_LEN);
}

/* The line without comment and surrounding white space, terminated. */
static bool clean_line(const char *p, size_t n, char out[static LINE_MAX_LEN])
{
    const char *comment = memchr(p, '#', n);

    if (comment != NULL)
        n = (size_t)(comment - p);
    while (n > 0 && strchr(" \t\r", p[n - 1]) != NULL)
        n--;
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    if (n >= LINE_MAX_LEN || memchr(p, '\0', n) != NULL)
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

bool admission_keys_parse(const char *text, size_t n, struct admission_keys *keys, struct fault *f)
{
    size_t number = 0;

    *keys = (struct admission_keys){0};
    while (n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t len = end == NULL ? n : (size_t)(end - text);
        char line[LINE_MAX_LEN];
        struct node_key key;

        number++;
        if (!clean_line(text, len, line) || (line[0] != '\0' && !node_key_parse(line, &key))) {
            admission_keys_free(keys);
            return fault_set(f, "line %zu is not nodekey: and 64 hex digits", number);
        }
        if (line[0] != '\0') {
            keys->list = mem_resize(keys->list, keys->count + 1, sizeof *keys->list);
            keys->list[keys->count++] = key;
        }
        len += end != NULL;
        text += len;
        n -= len;
    }
    if (keys->count > 0)
        qsort(keys->list, keys->count, sizeof *keys->list, compare_keys);
    return true;
}

bool admission_keys_have(const struct admission_keys *keys, const struct node_key *key)
{
    return keys->count > 0 &&
           bsearch(key, keys->list, keys->count, sizeof *keys->list, compare_keys) != NULL;
}

void admission_keys_free(struct admission_keys *keys)
{
    free(keys->list);
    *keys = (struct admission_keys){0};
}

char *admission_whois_url(const struct node_key *key)
{
    char text[NODE_KEY_TEXT];

    return mem_printf("http://local-tailscaled.sock/localapi/v0/whois?addr=%s",
                      node_key_print(key, text));
}

enum admission_verdict admission_read_whois(int status, const char *body, size_t n)
{
    enum admission_verdict v = ADMISSION_BAD_ANSWER;
    json_t *root;

    if (status == 0)
        return ADMISSION_UNSURE;
    if (status == 404)
        return ADMISSION_REFUSE;
    root = status == 200 ? json_loadb(body, n, 0, NULL) : NULL;
    if (json_is_object(root))
        v = ADMISSION_ADMIT;
    json_decref(root);
    return v;
}

char *admission_url_body(const struct node_key *key, const char *ip)
{
    char text[NODE_KEY_TEXT];
    json_t *root = json_pack("{s:s, s:s}", "NodePublic", node_key_print(key, text), "Source", ip);
    char *body = json_dumps(root, JSON_COMPACT);

    json_decref(root);
    if (body == NULL)
        abort();
    return body;
}

enum admission_verdict admission_read_allow(int status, const char *body, size_t n)
{
    enum admission_verdict v = ADMISSION_BAD_ANSWER;
    const char *name;
    json_t *root, *value;

    if (status == 0)
        return ADMISSION_UNSURE;
    root = status == 200 ? json_loadb(body, n, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (json_is_object(root))
        v = ADMISSION_REFUSE;
    json_object_foreach(root, name, value)
    {
        if (strcasecmp(name, "Allow") != 0 || json_is_null(value))
            continue;
        v = json_is_true(value)    ? ADMISSION_ADMIT
            : json_is_false(value) ? ADMISSION_REFUSE
                                   : ADMISSION_BAD_ANSWER;
        if (v == ADMISSION_BAD_ANSWER)
            break;
    }
    json_decref(root);
    return v;
}

bool admission_has_app(const char *names, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = names;; at++) {
        size_t len = strcspn(at, ",");

        if (len == n && memcmp(at, name, n) == 0)
            return true;
        at += len;
        if (*at == '\0')
            return false;
    }
}
