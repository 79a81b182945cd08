/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where accounts live on disk. Each CA has a folder of its own below account/, named after the host
 * of its directory and a hash of the whole URL:
 *
 *   account/HOST-xxxxxxxx/   0700
 *     account.key            0600   the account's key; a CAA record may bind to its account
 *     account.json           0600   directory and URL (state.h); can be asked for again by the key
 *     account.key.new        0600   only while a key rollover is under way
 *     account.key.new.bad    0600   one that could not be read
 */
#ifndef ACME_ACCOUNT_STORE_H
#define ACME_ACCOUNT_STORE_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "acme/state.h"
#include "acme/store.h"
#include "base/fault.h"

#define ACCOUNT_FOLDER_MAX 128

/* Pure: "account/HOST-xxxxxxxx" for the URL of a directory. */
void account_store_folder(const char *directory, char folder[static ACCOUNT_FOLDER_MAX]);

/*
 * Makes the folder for a directory. An account of earlier versions, which knew one folder for all
 * CAs, moves into the folder of the CA that its account.json names, without one into this. The
 * store must be locked. A crash at any instant is mended by the next call.
 */
bool account_store_open(const struct store *s, const char *directory, struct fault *f);

/* The account's key, made and stored first when there is none; *made tells, and account.json, which
 * belongs to a key that is lost, is gone. A damaged key file is an error: it may be what a CAA
 * record binds to. EVP_PKEY_free. */
EVP_PKEY *account_store_key(const struct store *s, const char *directory, bool *made,
                            struct fault *f);

/* A key that cannot be read is renamed to account.key.bad (bad2, …, the last one replaced), so that
 * the next account_store_key makes another. why is said with it. */
bool account_store_put_key_aside(const struct store *s, const char *directory,
                                 const struct fault *why, struct fault *f);

/* account.json; missing or damaged: false. Saving NULL removes it. */
bool account_store_load(const struct store *s, const char *directory, struct account *a);
bool account_store_save(const struct store *s, const char *directory, const struct account *a,
                        struct fault *f);

/* Rollover: whether a next key is stored; the stored one, or a new one stored first; makes it the
 * account's key (one rename); forgets it. */
bool account_store_has_next(const struct store *s, const char *directory);
EVP_PKEY *account_store_next_key(const struct store *s, const char *directory, struct fault *f);
bool account_store_promote(const struct store *s, const char *directory, struct fault *f);
bool account_store_drop_next(const struct store *s, const char *directory, struct fault *f);

/* A next key that cannot be read is put aside as account.key.new.bad, or .bad2 to .bad9 when that
 * is taken: a person may still make sense of it. Logged. */
bool account_store_put_next_aside(const struct store *s, const char *directory,
                                  const struct fault *why, struct fault *f);

#endif
