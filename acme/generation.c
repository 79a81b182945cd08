/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/ari.h"
#include "acme/key.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define PREFIX   "gen-"
#define UNNAMED  "unnamed" /* a generation before it is whole */
#define LIST_MAX 1000

/* --- Names ------------------------------------------------------------------------------------ */

/* The number in "gen-12"; 0 for anything else. */
static unsigned number_of(const char *name)
{
    uint64_t n;
    if (!text_starts(name, PREFIX) || name[strlen(PREFIX)] == '0' ||
        !text_number(name + strlen(PREFIX), 1, INT_MAX, &n))
        return 0;
    return (unsigned)n;
}

static char *path_of(const struct store *s, unsigned number, const char *file)
{
    return mem_printf("%s/" PREFIX "%u%s%s", s->dir, number, file ? "/" : "", file ? file : "");
}

static int newest_first(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* All numbers, newest first. */
static size_t list(const struct store *s, unsigned numbers[static LIST_MAX])
{
    struct dirent *entry;
    size_t count = 0;
    DIR *dir = opendir(s->dir);
    while (dir && (entry = readdir(dir)) && count < LIST_MAX) {
        unsigned n = number_of(entry->d_name);
        if (n)
            numbers[count++] = n;
    }
    if (dir)
        closedir(dir);
    qsort(numbers, count, sizeof *numbers, newest_first);
    return count;
}

unsigned generation_current(const struct store *s)
{
    char target[256];
    char *path = store_path(s, GENERATION_LINK);
    ssize_t n = readlink(path, target, sizeof target - 1);
    free(path);
    if (n < 0)
        return 0;
    target[n] = '\0';
    return number_of(target);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool load(const struct store *s, unsigned number, const char *file, struct buf *b,
                 struct fault *f)
{
    char *path = path_of(s, number, file);
    bool ok = file_read(path, b, f);
    free(path);
    return ok;
}

static bool load_chain(const struct store *s, unsigned number, struct chain *c, struct fault *f)
{
    struct buf b;
    *c = (struct chain){0};
    buf_init(&b, CHAIN_BYTES_MAX);
    bool ok = load(s, number, "fullchain.pem", &b, f) && chain_parse(b.data, b.len, c, f);
    buf_free(&b);
    return ok;
}

bool generation_chain(const struct store *s, unsigned number, struct chain *c)
{
    struct fault ignored;
    return load_chain(s, number, c, &ignored);
}

EVP_PKEY *generation_key(const struct store *s, unsigned number, struct fault *f)
{
    struct buf b;
    EVP_PKEY *key = NULL;
    buf_init(&b, CHAIN_BYTES_MAX);
    if (load(s, number, "privkey.pem", &b, f))
        key = key_from_pem(b.data, b.len, f);
    buf_wipe(&b);
    return key;
}

static void read_cert_id(const X509 *leaf, struct generation *g)
{
    char *id = ari_cert_id(leaf);
    if (id && strlen(id) < sizeof g->cert_id)
        snprintf(g->cert_id, sizeof g->cert_id, "%s", id);
    free(id);
}

void generation_read(const struct store *s, unsigned number, const char *domain,
                     struct generation *g)
{
    struct chain c = {0};
    EVP_PKEY *key = NULL;
    *g = (struct generation){.number = number};
    if (number == 0) {
        fault_set(&g->why, "no certificate is installed");
        return;
    }
    bool loaded = load_chain(s, number, &c, &g->why) && (key = generation_key(s, number, &g->why));
    if (loaded && chain_fits(&c, key, domain, &g->why))
        g->usable = chain_read_facts(c.list[0], &g->facts) ||
                    fault_set(&g->why, "its dates cannot be read");
    /* Disks change bits. Dates are not judged here. */
    if (g->usable && !chain_whole(&c, &g->why)) {
        g->usable = false;
        g->facts = (struct chain_facts){0};
    }
    if (g->usable)
        read_cert_id(c.list[0], g);
    EVP_PKEY_free(key);
    chain_free(&c);
}

unsigned generation_best(const struct store *s, const char *domain, time_t now)
{
    unsigned numbers[LIST_MAX];
    size_t count = list(s, numbers);
    for (size_t i = 0; i < count; i++) {
        struct generation g;
        generation_read(s, numbers[i], domain, &g);
        if (g.usable && g.facts.not_before <= now && now < g.facts.not_after)
            return numbers[i];
    }
    return 0;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool put(const char *folder, const char *file, const struct buf *b, struct fault *f)
{
    char *path = file_join(folder, file);
    bool ok = file_write(path, b->data, b->len, 0640, f);
    free(path);
    return ok;
}

/* Removes a folder with the plain files in it. */
static void remove_folder(const char *path)
{
    struct dirent *entry;
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    if (rmdir(path) < 0 && errno != ENOENT)
        log_errno("cannot remove %s", path);
}

static bool fill(const struct store *s, const char *folder, const struct buf *chain,
                 const struct buf *key, struct fault *f)
{
    return store_mkdir(s, UNNAMED, 0750, f) && put(folder, "privkey.pem", key, f) &&
           put(folder, "fullchain.pem", chain, f);
}

bool generation_create(const struct store *s, const struct buf *chain, const struct buf *key,
                       unsigned *number, struct fault *f)
{
    unsigned numbers[LIST_MAX];
    unsigned next = (list(s, numbers) > 0 ? numbers[0] : 0) + 1;
    char *folder = store_path(s, UNNAMED);
    char *path = path_of(s, next, NULL);
    remove_folder(folder);
    bool ok = fill(s, folder, chain, key, f);
    if (ok && rename(folder, path) < 0)
        ok = fault_errno(f, "cannot name %s", path);
    ok = ok && file_sync_dir(s->dir, f);
    if (!ok)
        remove_folder(folder);
    *number = ok ? next : 0;
    free(path);
    free(folder);
    return ok;
}

bool generation_switch(const struct store *s, unsigned number, struct fault *f)
{
    char target[32];
    snprintf(target, sizeof target, PREFIX "%u", number);
    char *path = store_path(s, GENERATION_LINK);
    bool ok = file_link(path, target, f);
    free(path);
    return ok;
}

void generation_remove(const struct store *s, unsigned number)
{
    char *path = path_of(s, number, NULL);
    remove_folder(path);
    free(path);
}

void generation_prune(const struct store *s)
{
    unsigned numbers[LIST_MAX];
    size_t count = list(s, numbers);
    unsigned current = generation_current(s);
    char *folder = store_path(s, UNNAMED);
    remove_folder(folder);
    free(folder);
    for (size_t i = GENERATION_KEEP; i < count; i++) {
        if (numbers[i] != current)
            generation_remove(s, numbers[i]);
    }
}
