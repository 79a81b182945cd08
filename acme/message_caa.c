/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/caa.h"

#include <jansson.h>
#include <stdlib.h>

#include "acme/identifier.h"
#include "base/mem.h"

static json_t *entry(const struct caa *caa, const struct caa_entry *e)
{
    json_t *names = json_array(), *records = json_array();
    for (size_t i = 0; i < e->count; i++) {
        json_array_append_new(names, json_string(e->names[i]));
        if (!e->account || identifier_is_ip(caa->domain))
            continue;
        char *value = caa_value(caa, e, e->names[i]);
        json_array_append_new(
            records, json_pack("{s:i, s:s, s:s}", "flags", 0, "tag", "issue", "value", value));
        free(value);
    }
    return json_pack("{s:s, s:s?, s:o, s:s, s:o, s:s?}", "directory", e->directory, "accounturi",
                     e->account, "names", names, "validationmethods", caa->challenge, "records",
                     records, "problem", e->problem);
}

char *caa_json(const struct caa *caa)
{
    json_t *list = json_array();
    for (size_t i = 0; i < caa->count; i++)
        json_array_append_new(list, entry(caa, &caa->list[i]));
    json_t *root =
        json_pack("{s:i, s:s, s:o}", "schema", 1, "domain", caa->domain, "authorities", list);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text ? text : mem_strdup("{}");
}
