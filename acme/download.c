/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/download.h"

#include <stdlib.h>
#include <string.h>

#include "acme/chain.h"
#include "acme/header.h"
#include "acme/install.h"
#include "base/log.h"

#define ALTERNATES_MAX 8 /* other chains that are looked at */

static bool get(struct session *s, const char *url, EVP_PKEY *key, struct buf *pem, char **links,
                struct failure *fail)
{
    struct response r;
    bool ok =
        client_post(&s->client, url, "", CLIENT_KID, "application/pem-certificate-chain", &r, fail);
    if (ok && links) {
        *links = r.links;
        r.links = NULL;
    }
    ok = ok && install_check(s, &r.body, key, pem, fail);
    response_free(&r);
    return ok;
}

/* Does the chain lead where the config wants it to? */
static bool is_preferred(const struct session *s, const struct buf *pem)
{
    struct chain c;
    struct fault ignored;
    if (!s->ca->preferred_chain)
        return true;
    bool yes = chain_parse(pem->data, pem->len, &c, &ignored) &&
               chain_has_issuer(&c, s->ca->preferred_chain);
    chain_free(&c);
    return yes;
}

static void take(struct buf *to, struct buf *from)
{
    buf_free(to);
    *to = *from;
    *from = (struct buf){0};
}

/* Looks through the alternates for a better chain; true with one in pem, which leads where it
 * should or, when there was none before, at least verifies. */
static bool improve(struct session *s, const char *links, EVP_PKEY *key, struct buf *pem, bool have)
{
    for (size_t i = 0; i < ALTERNATES_MAX; i++) {
        struct failure ignored;
        struct buf other;
        char *url = header_link(links, "alternate", i);
        if (!url)
            break;
        buf_init(&other, CHAIN_BYTES_MAX);
        bool ok = header_is_url(url) && get(s, url, key, &other, NULL, &ignored);
        bool best = ok && is_preferred(s, &other);
        if (best || (ok && !have)) {
            take(pem, &other);
            have = true;
        }
        buf_free(&other);
        free(url);
        if (best)
            break;
    }
    return have;
}

bool download_chain(struct session *s, const char *url, EVP_PKEY *key, struct buf *pem,
                    struct failure *fail)
{
    char *links = NULL;
    bool ok = get(s, url, key, pem, &links, fail);
    bool useless = !ok && fail->class == FAILURE_PROTOCOL;
    if (links && (useless || (ok && !is_preferred(s, pem))))
        ok = improve(s, links, key, pem, ok);
    if (ok && !is_preferred(s, pem))
        log_warning(
            "no chain of the CA leads to \"%s\" (preferred-chain in [acme]); its default is "
            "taken",
            s->ca->preferred_chain);
    free(links);
    return ok;
}
