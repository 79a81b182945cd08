/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/account_store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/jws.h"
#include "acme/key.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define KEY_FILE      "account.key"
#define NEXT_FILE     "account.key.new"
#define URL_FILE      "account.json"
#define KEY_BYTES_MAX 16384
#define HOST_MAX      100
#define HASH_BYTES    4
#define ASIDE_MOST    9

void account_store_folder(const char *directory, char folder[static ACCOUNT_FOLDER_MAX])
{
    uint8_t digest[JWS_DIGEST] = {0};
    char host[HOST_MAX + 1], hash[2 * HASH_BYTES + 1];
    const char *scheme = strstr(directory, "://");
    const char *s = scheme ? scheme + 3 : directory;
    size_t n = 0;
    for (; s[n] && !strchr("/?#", s[n]) && n < HOST_MAX; n++)
        host[n] = isalnum((unsigned char)s[n]) || strchr(".-", s[n])
                      ? (char)tolower((unsigned char)s[n])
                      : '_';
    host[n] = '\0';
    jws_digest(directory, strlen(directory), digest);
    text_hex(digest, HASH_BYTES, hash);
    snprintf(folder, ACCOUNT_FOLDER_MAX, "account/%s-%s", host, hash);
}

/* The path of a file in the folder of a directory, or in account/ itself for NULL; free(). */
static char *path_of(const struct store *s, const char *directory, const char *name)
{
    char folder[ACCOUNT_FOLDER_MAX] = "account";
    if (directory)
        account_store_folder(directory, folder);
    return mem_printf("%s/%s/%s", s->dir, folder, name);
}

static bool has(const struct store *s, const char *directory, const char *name)
{
    char *path = path_of(s, directory, name);
    bool is = file_exists(path);
    free(path);
    return is;
}

/* --- Folders ---------------------------------------------------------------------------------- */

/* Renames and makes both folders durable. */
static bool move(const char *from, const char *to, struct fault *f)
{
    bool ok = rename(from, to) == 0 || fault_errno(f, "cannot rename %s to %s", from, to);
    const char *const paths[] = {from, to};
    for (size_t i = 0; ok && i < 2; i++) {
        char *folder = mem_strdup(paths[i]);
        *strrchr(folder, '/') = '\0';
        ok = file_sync_dir(folder, f);
        free(folder);
    }
    return ok;
}

/* One file of an earlier version into a folder; what is there already stays. */
static bool adopt(const struct store *s, const char *directory, const char *name, struct fault *f)
{
    if (!has(s, NULL, name))
        return true;
    char *from = path_of(s, NULL, name);
    char *to = path_of(s, directory, name);
    bool ok = true;
    if (file_exists(to))
        log_warning("%s is left alone: there is %s as well", from, to);
    else
        ok = move(from, to, f);
    free(from);
    free(to);
    return ok;
}

/* Which CA an account of an earlier version is with. The key goes first, so that what a crash
 * leaves behind still tells where the rest belongs. */
static bool migrate(const struct store *s, const char *directory, struct fault *f)
{
    struct account a = {0};
    char folder[ACCOUNT_FOLDER_MAX];
    if (!has(s, NULL, KEY_FILE) && !has(s, NULL, URL_FILE))
        return true;
    const char *owner = account_store_load(s, NULL, &a) ? a.directory : directory;
    account_store_folder(owner, folder);
    bool ok = store_mkdir(s, folder, 0700, f) && adopt(s, owner, KEY_FILE, f) &&
              adopt(s, owner, URL_FILE, f);
    if (ok)
        log_notice("the account with %s is kept in %s/%s now", owner, s->dir, folder);
    account_free(&a);
    return ok;
}

bool account_store_open(const struct store *s, const char *directory, struct fault *f)
{
    char folder[ACCOUNT_FOLDER_MAX];
    account_store_folder(directory, folder);
    if (!migrate(s, directory, f) || !store_mkdir(s, folder, 0700, f))
        return false;
    store_sweep(s, folder);
    return true;
}

/* --- Keys ------------------------------------------------------------------------------------- */

static EVP_PKEY *load_key(const char *path, struct fault *f)
{
    struct buf pem;
    struct fault why;
    EVP_PKEY *key = NULL;
    buf_init(&pem, KEY_BYTES_MAX);
    if (file_read(path, &pem, f)) {
        key = key_from_pem(pem.data, pem.len, &why);
        if (!key)
            fault_set(f, "%s: %.300s", path, why.text);
    }
    buf_wipe(&pem);
    return key;
}

static EVP_PKEY *new_key(const char *path, struct fault *f)
{
    struct buf pem;
    EVP_PKEY *key = key_generate(f);
    buf_init(&pem, KEY_BYTES_MAX);
    if (key && (!key_to_pem(key, &pem, f) || !file_write(path, pem.data, pem.len, 0600, f))) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    buf_wipe(&pem);
    return key;
}

EVP_PKEY *account_store_key(const struct store *s, const char *directory, bool *made,
                            struct fault *f)
{
    char *path = path_of(s, directory, KEY_FILE);
    *made = !file_exists(path);
    struct fault why;
    EVP_PKEY *key = NULL;
    /* First the URL goes: it is the account of a key that is lost. */
    if (!*made)
        key = load_key(path, &why);
    else if (account_store_save(s, directory, NULL, f))
        key = new_key(path, f);
    if (!key && !*made)
        fault_set(f, "%.400s — put back a copy, or move it away for a new account", why.text);
    free(path);
    return key;
}

bool account_store_has_next(const struct store *s, const char *directory)
{
    return has(s, directory, NEXT_FILE);
}

EVP_PKEY *account_store_next_key(const struct store *s, const char *directory, struct fault *f)
{
    char *path = path_of(s, directory, NEXT_FILE);
    EVP_PKEY *key = file_exists(path) ? load_key(path, f) : new_key(path, f);
    free(path);
    return key;
}

bool account_store_promote(const struct store *s, const char *directory, struct fault *f)
{
    char *from = path_of(s, directory, NEXT_FILE);
    char *to = path_of(s, directory, KEY_FILE);
    bool ok = move(from, to, f);
    free(from);
    free(to);
    return ok;
}

bool account_store_drop_next(const struct store *s, const char *directory, struct fault *f)
{
    char *path = path_of(s, directory, NEXT_FILE);
    bool ok = file_remove(path, f);
    free(path);
    return ok;
}

/* Renames a file to a name that is free; that name, to free(), or NULL. */
static char *put_aside(const struct store *s, const char *directory, const char *name,
                       struct fault *f)
{
    char *from = path_of(s, directory, name);
    char *to = mem_printf("%s.bad", from);
    for (int i = 2; i <= ASIDE_MOST && file_exists(to); i++) {
        free(to);
        to = mem_printf("%s.bad%d", from, i);
    }
    if (!move(from, to, f)) {
        free(to);
        to = NULL;
    }
    free(from);
    return to;
}

bool account_store_put_next_aside(const struct store *s, const char *directory,
                                  const struct fault *why, struct fault *f)
{
    char *to = put_aside(s, directory, NEXT_FILE, f);
    if (to)
        log_warning(
            "%s: the account keeps its key, and this one is put aside as %s. If the CA should "
            "say that it does not know the account's key, mend it and rename it to account.key",
            why->text, to);
    bool ok = to != NULL;
    free(to);
    return ok;
}

bool account_store_put_key_aside(const struct store *s, const char *directory,
                                 const struct fault *why, struct fault *f)
{
    char *to = put_aside(s, directory, KEY_FILE, f);
    if (to)
        log_warning("%s: it is put aside as %s, and another account is made, for a certificate is "
                    "needed now; a CAA record that names the old account is to be changed",
                    why->text, to);
    bool ok = to != NULL;
    free(to);
    return ok;
}

/* --- account.json ----------------------------------------------------------------------------- */

bool account_store_load(const struct store *s, const char *directory, struct account *a)
{
    struct buf b;
    struct fault why;
    char *path = path_of(s, directory, URL_FILE);
    bool ok = false;
    *a = (struct account){0};
    buf_init(&b, STATE_BYTES_MAX);
    if (file_exists(path)) {
        ok = file_read(path, &b, &why) && account_parse(b.data, b.len, a, &why);
        if (!ok)
            log_warning("%s: %s; the account is looked up by its key", path, why.text);
    }
    buf_free(&b);
    free(path);
    return ok;
}

bool account_store_save(const struct store *s, const char *directory, const struct account *a,
                        struct fault *f)
{
    char *path = path_of(s, directory, URL_FILE);
    char *text = a ? account_print(a) : NULL;
    bool ok = text ? file_write(path, text, strlen(text), 0600, f) : file_remove(path, f);
    free(text);
    free(path);
    return ok;
}
