/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define KEY_FILE_MAX (16 * 1024 * 1024)

static bool read_keys(struct admission_source *s, struct fault *f)
{
    struct admission_keys keys;
    struct fault inner;
    struct buf text;
    bool ok;

    if (stat(s->where, &s->seen) != 0)
        memset(&s->seen, 0, sizeof s->seen);
    buf_init(&text, KEY_FILE_MAX);
    ok = file_read(s->where, &text, f);
    if (ok && !admission_keys_parse(buf_text(&text), text.len, &keys, &inner))
        ok = fault_set(f, "%s: %s", s->where, inner.text);
    buf_free(&text);
    if (!ok)
        return false;
    admission_keys_free(&s->keys);
    s->keys = keys;
    return true;
}

struct admission_list *admission_list_new(const struct config *c, struct fault *f)
{
    struct admission_list *l = mem_alloc(1, sizeof *l);

    l->refs = 1;
    l->fail_open = c->fail_open;
    l->patrol_ms = (int64_t)c->recheck * 1000;
    for (size_t i = 0; i < c->allow_count; i++) {
        struct admission_source *s = &l->list[l->count++];
        s->kind = c->allow[i].kind;
        s->where = mem_strdup(c->allow[i].where);
        if (s->kind == CONFIG_ALLOW_KEYS && !read_keys(s, f)) {
            admission_list_unref(l);
            return NULL;
        }
    }
    return l;
}

void admission_list_unref(struct admission_list *l)
{
    if (l == NULL || --l->refs > 0)
        return;
    for (size_t i = 0; i < l->count; i++) {
        free(l->list[i].where);
        admission_keys_free(&l->list[i].keys);
    }
    free(l);
}

bool admission_list_is_open(const struct admission_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->list[i].kind == CONFIG_ALLOW_ANYONE)
            return true;
    return l->count == 0;
}

const char *admission_list_find(const struct admission_list *l, const struct node_key *key)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->list[i].kind == CONFIG_ALLOW_KEYS && admission_keys_have(&l->list[i].keys, key))
            return l->list[i].where;
    return NULL;
}

static bool file_changed(const struct admission_source *s)
{
    struct stat st;

    if (stat(s->where, &st) != 0)
        memset(&st, 0, sizeof st);
    return st.st_ino != s->seen.st_ino || st.st_size != s->seen.st_size ||
           st.st_ctim.tv_sec != s->seen.st_ctim.tv_sec ||
           st.st_ctim.tv_nsec != s->seen.st_ctim.tv_nsec;
}

bool admission_list_follow(struct admission_list *l)
{
    bool changed = false;

    for (size_t i = 0; i < l->count; i++) {
        struct admission_source *s = &l->list[i];
        struct fault f;

        if (s->kind != CONFIG_ALLOW_KEYS || !file_changed(s))
            continue;
        if (read_keys(s, &f)) {
            log_info("%s: %zu keys may use the relay", s->where, s->keys.count);
            changed = true;
        } else {
            log_error("key file refused, the old list stays: %s", f.text);
        }
    }
    return changed;
}
