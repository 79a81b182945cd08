/* SPDX-License-Identifier: Apache-2.0 */
/* A CA's ACME directory (RFC 8555 7.1.1), as far as preflight wants to know it. Pure. */
#ifndef INSTALLER_DIRECTORY_H
#define INSTALLER_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

#define DIRECTORY_MAX_NAMES  16
#define DIRECTORY_SHORTLIVED "shortlived"

/* What it says in meta; issuer names that a CAA record may have for it (RFC 8659). Strings are
 * owned. */
struct directory {
    char *names[DIRECTORY_MAX_NAMES];
    size_t count;
    bool shortlived; /* it offers the profile of that name, which certificates for addresses have
                        at Let's Encrypt (meta.profiles, draft-ietf-acme-profiles) */
};

/*
 * Reads a directory's JSON; its meta.caaIdentities go into d (overwritten; names that are no host
 * names are left out). false: not an ACME directory. Free with ca_directory_free in both cases.
 */
bool directory_parse(const char *text, struct directory *d, struct fault *f);

/*
 * What a CA without caaIdentities, or one that cannot be asked, most likely is called: the host
 * of its URL and the domains above it ("acme-v02.api.letsencrypt.org" … "letsencrypt.org").
 */
void directory_guess(const char *url, struct directory *d);

/*
 * The URL of the account in the text of derp-acme's account.json, when it is one at the CA with
 * this directory URL and printable; else NULL. free() it.
 */
char *directory_account(const char *text, const char *url);

void ca_directory_free(struct directory *d);

#endif
