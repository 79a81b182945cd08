/* SPDX-License-Identifier: Apache-2.0 */
/* [admission]: who may use the relay. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config_values.h"
#include "base/config_words.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/text.h"

#define MAX_RECHECK (24 * 60 * 60) /* seconds */

/* https, or http that does not leave this host. */
static bool check_admission_url(const char *url, struct fault *f)
{
    static const char *const local[] = {"127.0.0.1", "[::1]", "localhost"};
    if (config_url_is_sound(url, "https://"))
        return true;
    if (!config_url_is_sound(url, "http://"))
        return config_bad_value(f, "url:https://…", url);
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        const char *host = url + strlen("http://");
        size_t n = strlen(local[i]);
        if (text_starts(host, local[i]) && (host[n] == '\0' || host[n] == ':' || host[n] == '/'))
            return true;
    }
    return fault_set(f, "url: over http:// anybody on the way could admit clients; use https:// "
                        "(http:// is for 127.0.0.1, [::1] and localhost)");
}

static bool parse_allow_word(const char *word, struct config_allow_source *one, struct fault *f)
{
    static const struct {
        const char *prefix;
        enum config_allow kind;
    } kinds[] = {
        {"tailscaled:", CONFIG_ALLOW_TAILSCALED},
        {"url:", CONFIG_ALLOW_URL},
        {"keys:", CONFIG_ALLOW_KEYS},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!text_starts(word, kinds[i].prefix))
            continue;
        const char *where = word + strlen(kinds[i].prefix);
        if (!where[0])
            return fault_set(f, "%s needs a %s after the colon", word,
                             kinds[i].kind == CONFIG_ALLOW_URL ? "URL" : "path");
        if (kinds[i].kind == CONFIG_ALLOW_URL && !check_admission_url(where, f))
            return false;
        *one = (struct config_allow_source){kinds[i].kind, mem_strdup(where)};
        return true;
    }
    return config_bad_value(f, "anyone, or any of tailscaled:/path url:https://… keys:/path", word);
}

static bool add_allow(struct config *c, const char *word, struct fault *f)
{
    if (c->allow_count == CONFIG_MAX_SOURCES)
        return fault_set(f, "more than %d sources", CONFIG_MAX_SOURCES);
    if (!parse_allow_word(word, &c->allow[c->allow_count], f))
        return false;
    c->allow_count++;
    return true;
}

/* The row's offset is 0: it fills two fields of the config. */
bool config_value_allow(const char *value, void *target, struct fault *f)
{
    struct config *c = target;
    if (strcmp(value, "anyone") == 0)
        return true;
    if (!value[0])
        return fault_set(f, "it is empty; write anyone, or who may use the relay: "
                            "tailscaled:/path url:https://… keys:/path");

    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && (word = config_next_word(&rest))) {
        if (strcmp(word, "anyone") == 0)
            ok = fault_set(f, "anyone stands alone: with it the other sources would mean nothing");
        else
            ok = add_allow(c, word, f);
    }
    free(copy);
    return ok;
}

bool config_value_recheck(const char *value, void *target, struct fault *f)
{
    uint64_t seconds = 0;
    if (strcmp(value, "off") != 0 && (!text_duration(value, MAX_RECHECK, &seconds) || seconds == 0))
        return config_bad_value(f, "a time from 1s to 24h such as 10m, or off", value);
    *(uint64_t *)target = seconds;
    return true;
}

static bool add_app(struct buf *names, const char *name, struct fault *f)
{
    if (!name[0])
        return fault_set(f, "a name is missing before or after a comma");
    if (strlen(name) > CONFIG_MAX_APP_NAME)
        return config_bad_value(f, "names of 32 bytes at most, separated by commas", name);
    for (const char *p = name; *p; p++) {
        if (*p < ' ' || *p > '~')
            return config_bad_value(f, "names of printable ASCII, separated by commas", name);
    }
    if (names->len > 0)
        buf_puts(names, ",");
    buf_puts(names, name);
    return true;
}

/* Names may have spaces inside, so commas separate them, as in derper's option. */
bool config_value_apps(const char *value, void *target, struct fault *f)
{
    struct buf names;
    char *copy = mem_strdup(value);
    char *rest = value[0] ? copy : NULL;
    bool ok = true;

    buf_init(&names, CONFIG_MAX_BYTES);
    while (ok && rest) {
        char *name = strsep(&rest, ",");
        ok = add_app(&names, text_trim(name), f);
    }
    ok = ok && setting_string(buf_text(&names), target, f);
    buf_free(&names);
    free(copy);
    return ok;
}
