/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/directory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ACCOUNT_MAX 512

static void add_name(struct directory *d, const char *name)
{
    char lower[256];
    if (d->count == DIRECTORY_MAX_NAMES || !text_is_hostname(name, NULL))
        return;
    text_lower(name, lower, sizeof lower);
    d->names[d->count++] = mem_strdup(lower);
}

bool directory_parse(const char *text, struct directory *d, struct fault *f)
{
    json_error_t e;
    size_t i;
    json_t *name;
    memset(d, 0, sizeof *d);
    json_t *root = json_loads(text, 0, &e);
    if (!root)
        return fault_set(f, "not JSON (line %d: %s)", e.line, e.text);
    bool acme = json_is_string(json_object_get(root, "newNonce")) &&
                json_is_string(json_object_get(root, "newAccount")) &&
                json_is_string(json_object_get(root, "newOrder"));
    json_array_foreach(json_object_get(json_object_get(root, "meta"), "caaIdentities"), i,
                       name) if (json_is_string(name)) add_name(d, json_string_value(name));
    const json_t *profiles = json_object_get(json_object_get(root, "meta"), "profiles");
    d->shortlived = json_object_get(profiles, DIRECTORY_SHORTLIVED) != NULL;
    json_decref(root);
    if (!acme) {
        ca_directory_free(d);
        return fault_set(f, "newNonce, newAccount or newOrder is missing");
    }
    return true;
}

void directory_guess(const char *url, struct directory *d)
{
    char host[256];
    memset(d, 0, sizeof *d);
    const char *start = strstr(url, "://");
    if (!start)
        return;
    start += 3;
    size_t n = strcspn(start, ":/?#");
    if (n >= sizeof host)
        return;
    memcpy(host, start, n);
    host[n] = '\0';
    for (const char *name = host; name; name = strchr(name, '.')) {
        if (*name == '.')
            name++;
        add_name(d, name); /* a top-level domain alone is no host name */
    }
}

/* Root prints what derp-acme's user could have written. */
static bool is_printable_url(const char *url)
{
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return text_starts(url, "https://") && strlen(url) < ACCOUNT_MAX;
}

char *directory_account(const char *text, const char *url)
{
    char *account = NULL;
    json_t *root = json_loads(text, 0, NULL);
    const char *directory = json_string_value(json_object_get(root, "directory"));
    const char *found = json_string_value(json_object_get(root, "url"));
    if (directory && found && strcmp(directory, url) == 0 && is_printable_url(found))
        account = mem_strdup(found);
    json_decref(root);
    return account;
}

void ca_directory_free(struct directory *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->names[i]);
    memset(d, 0, sizeof *d);
}
