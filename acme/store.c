/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/chain.h"
#include "acme/key.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define STATE_FILE    "order.json"
#define STATE_COPY    "order.json.copy"
#define METRICS_FILE  "metrics.prom"
#define PENDING_KEY   "pending/privkey.pem"
#define PENDING_CHAIN "pending/fullchain.pem"
#define KEY_BYTES_MAX 16384

char *store_path(const struct store *s, const char *name)
{
    return file_join(s->dir, name);
}

/* --- Folders ---------------------------------------------------------------------------------- */

static bool make_folder(const char *path, unsigned mode, struct fault *f)
{
    struct stat st;
    if (mkdir(path, mode) == 0) {
        char *copy = mem_strdup(path);
        char *slash = strrchr(copy, '/');
        if (slash)
            slash[slash == copy] = '\0';
        bool ok = file_sync_dir(slash ? copy : ".", f);
        free(copy);
        return ok;
    }
    if (errno != EEXIST)
        return fault_errno(f, "cannot create folder %s", path);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return fault_set(f, "%s exists and is not a folder", path);
    return true;
}

bool store_mkdir(const struct store *s, const char *name, unsigned mode, struct fault *f)
{
    char *path = store_path(s, name);
    bool ok = make_folder(path, mode, f);
    free(path);
    return ok;
}

/* ".NAME.0123456789abcdef": what a crash in the middle of file_write or file_link leaves. */
static bool is_temporary(const char *name)
{
    size_t n = strlen(name);
    return name[0] == '.' && n > 18 && name[n - 17] == '.' &&
           strspn(name + n - 16, "0123456789abcdef") == 16;
}

/* Removes files of a folder: all, or temporary ones only. */
static void sweep(const struct store *s, const char *name, bool all)
{
    struct dirent *entry;
    char *path = name ? store_path(s, name) : mem_strdup(s->dir);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if ((all && !dots) || is_temporary(entry->d_name))
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    free(path);
}

void store_sweep(const struct store *s, const char *name)
{
    sweep(s, name, false);
}

static bool make_folders(const struct store *s, struct fault *f)
{
    return store_mkdir(s, "account", 0700, f) && store_mkdir(s, "pending", 0700, f) &&
           store_mkdir(s, "challenge", 0750, f);
}

bool store_open(struct store *s, const char *dir, bool *busy, struct fault *f)
{
    *busy = false;
    *s = (struct store){.dir = mem_strdup(dir), .lock = -1};
    if (!make_folder(dir, 0750, f))
        return false;
    char *path = store_path(s, "lock");
    s->lock = file_lock(path, busy, f);
    free(path);
    if (s->lock < 0 || !make_folders(s, f))
        return false;
    futimens(s->lock, NULL); /* store_locked_at */
    sweep(s, NULL, false);
    sweep(s, "account", false);
    sweep(s, "pending", false);
    sweep(s, "challenge", false);
    return true;
}

time_t store_locked_at(const struct store *s)
{
    struct stat st;
    char *path = store_path(s, "lock");
    time_t at = stat(path, &st) == 0 ? st.st_mtime : 0;
    free(path);
    return at;
}

void store_peek(struct store *s, const char *dir)
{
    *s = (struct store){.dir = mem_strdup(dir), .lock = -1};
}

void store_close(struct store *s)
{
    if (s->lock >= 0)
        close(s->lock);
    free(s->dir);
    *s = (struct store){.lock = -1};
}

/* --- Small files ------------------------------------------------------------------------------ */

static bool write_text(const struct store *s, const char *name, const char *text, unsigned mode,
                       struct fault *f)
{
    char *path = store_path(s, name);
    bool ok = file_write(path, text, strlen(text), mode, f);
    free(path);
    return ok;
}

static bool read_bytes(const struct store *s, const char *name, struct buf *b, struct fault *f)
{
    char *path = store_path(s, name);
    bool ok = file_read(path, b, f);
    free(path);
    return ok;
}

static bool has(const struct store *s, const char *name)
{
    char *path = store_path(s, name);
    bool is = file_exists(path);
    free(path);
    return is;
}

static bool remove_file(const struct store *s, const char *name, struct fault *f)
{
    char *path = store_path(s, name);
    bool ok = file_remove(path, f);
    free(path);
    return ok;
}

/* --- State ------------------------------------------------------------------------------------ */

/* Under its own name there is always a file: without one the copy would not count in the next run.
 */
static void replace_by_copy(const struct store *s, const char *path, const char *aside,
                            const struct state *copy)
{
    struct fault why;
    unlink(aside);
    /* A file of somebody else's cannot be linked (fs.protected_hardlinks), but renamed. */
    if (link(path, aside) < 0 && rename(path, aside) < 0)
        log_errno("cannot keep %s", path);
    if (!store_save_state(s, copy, &why))
        log_warning("%s", why.text);
}

static void put_aside(const struct store *s, const struct fault *why, const struct state *copy)
{
    char *path = store_path(s, STATE_FILE);
    log_warning("%s is damaged (%s); it is kept as %s.bad and %s", path, why->text, path,
                copy ? "its copy counts" : "an order under way is forgotten");
    char *aside = mem_printf("%s.bad", path);
    if (s->lock >= 0 && copy)
        replace_by_copy(s, path, aside, copy);
    else if (s->lock >= 0 && rename(path, aside) < 0)
        log_errno("cannot rename %s", path);
    free(aside);
    free(path);
}

/* The copy counts only when the original is damaged; whoever removes that means it. */
static bool load_copy(const struct store *s, struct state *state)
{
    struct buf b;
    struct fault ignored;
    bool newer;
    buf_init(&b, STATE_BYTES_MAX);
    bool ok = has(s, STATE_COPY) && read_bytes(s, STATE_COPY, &b, &ignored) &&
              state_parse(b.data, b.len, state, &newer, &ignored);
    buf_free(&b);
    return ok;
}

/* Nothing that was written here is that large. */
static bool is_overgrown(const struct store *s)
{
    struct stat st;
    char *path = store_path(s, STATE_FILE);
    bool is = stat(path, &st) == 0 && st.st_size > STATE_BYTES_MAX;
    free(path);
    return is;
}

/* The file cannot be read, and will not be readable in the next run: a bad sector, an owner of a
 * backup, something else in its place. Only the one who may mend that says so: without the lock it
 * may be a matter of who asks. */
static bool is_lost(const struct store *s, int error)
{
    bool passing = error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR;
    return is_overgrown(s) || (s->lock >= 0 && !passing);
}

bool store_load_state(const struct store *s, struct state *state, struct fault *f)
{
    struct buf b;
    bool newer = false;
    *state = (struct state){0};
    if (!has(s, STATE_FILE))
        return true;
    buf_init(&b, STATE_BYTES_MAX);
    errno = 0;
    bool read = read_bytes(s, STATE_FILE, &b, f), lost = !read && is_lost(s, errno);
    bool ok = read || lost;
    if (lost || (read && !state_parse(b.data, b.len, state, &newer, f))) {
        if (newer) {
            char why[sizeof f->text];
            memcpy(why, f->text, sizeof why);
            ok = fault_set(f, "%s/%s: %.300s; install that version again, or move the file away",
                           s->dir, STATE_FILE, why);
        } else {
            put_aside(s, f, load_copy(s, state) ? state : NULL);
        }
    }
    buf_free(&b);
    return ok;
}

bool store_save_state(const struct store *s, const struct state *state, struct fault *f)
{
    struct fault why;
    char *text = state_print(state);
    bool ok = write_text(s, STATE_FILE, text, 0640, f);
    if (ok && !write_text(s, STATE_COPY, text, 0640, &why))
        log_debug("%s", why.text);
    free(text);
    return ok;
}

/* --- Keys ------------------------------------------------------------------------------------- */

static EVP_PKEY *load_key(const struct store *s, const char *name, struct fault *f)
{
    struct buf pem;
    EVP_PKEY *key = NULL;
    struct fault why;
    buf_init(&pem, KEY_BYTES_MAX);
    if (read_bytes(s, name, &pem, f)) {
        key = key_from_pem(pem.data, pem.len, &why);
        if (!key)
            fault_set(f, "%s/%s: %.300s", s->dir, name, why.text);
    }
    buf_wipe(&pem);
    return key;
}

static EVP_PKEY *new_key(const struct store *s, const char *name, struct fault *f)
{
    struct buf pem;
    EVP_PKEY *key = key_generate(f);
    buf_init(&pem, KEY_BYTES_MAX);
    char *path = store_path(s, name);
    if (key && (!key_to_pem(key, &pem, f) || !file_write(path, pem.data, pem.len, 0600, f))) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    free(path);
    buf_wipe(&pem);
    return key;
}

EVP_PKEY *store_new_pending_key(const struct store *s, struct fault *f)
{
    /* A chain of an earlier order must not meet the new key. */
    if (!remove_file(s, PENDING_CHAIN, f))
        return NULL;
    return new_key(s, PENDING_KEY, f);
}

EVP_PKEY *store_pending_key(const struct store *s, struct fault *f)
{
    return load_key(s, PENDING_KEY, f);
}

bool store_save_metrics(const struct store *s, const struct buf *text, struct fault *f)
{
    return write_text(s, METRICS_FILE, buf_text(text), 0640, f);
}

/* --- The order under way ---------------------------------------------------------------------- */

bool store_save_pending_chain(const struct store *s, const struct buf *pem, struct fault *f)
{
    return write_text(s, PENDING_CHAIN, buf_text(pem), 0600, f);
}

bool store_load_pending_chain(const struct store *s, struct buf *pem, struct fault *f)
{
    buf_init(pem, CHAIN_BYTES_MAX);
    return read_bytes(s, PENDING_CHAIN, pem, f);
}

void store_clear_pending(const struct store *s)
{
    sweep(s, "pending", true);
}

bool store_put_challenge(const struct store *s, const char *file, const struct buf *content,
                         struct fault *f)
{
    char *path = store_path(s, "challenge");
    char *full = file_join(path, file);
    bool ok = file_write(full, content->data, content->len, 0640, f);
    free(full);
    free(path);
    return ok;
}

void store_clear_challenges(const struct store *s)
{
    sweep(s, "challenge", true);
}
