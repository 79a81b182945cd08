/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/leaf.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/selfsigned.h"
#include "base/text.h"

#define CHAIN_MAX (256 * 1024)

static bool read_time(const ASN1_TIME *from, time_t *to)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(from, &tm))
        return false;
    *to = timegm(&tm);
    return true;
}

static void read_issuer(X509 *cert, char *issuer, size_t cap)
{
    char text[512];
    X509_NAME *name = X509_get_issuer_name(cert);
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text) <= 0 &&
        X509_NAME_get_text_by_NID(name, NID_organizationName, text, sizeof text) <= 0)
        text[0] = '\0';
    text_printable(text, strlen(text), issuer, cap);
}

bool leaf_parse(const char *pem, size_t n, const char *domain, struct leaf *leaf, struct fault *f)
{
    unsigned len = 0;
    memset(leaf, 0, sizeof *leaf);
    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, (void *)"");
    BIO_free(bio);
    if (!cert)
        return fault_set(f, "no certificate in it");
    bool fine = read_time(X509_get0_notBefore(cert), &leaf->not_before) &&
                read_time(X509_get0_notAfter(cert), &leaf->not_after) &&
                X509_digest(cert, EVP_sha256(), leaf->sha256, &len);
    leaf->for_domain = domain && (X509_check_host(cert, domain, 0, 0, NULL) == 1 ||
                                  X509_check_ip_asc(cert, domain, 0) == 1);
    read_issuer(cert, leaf->issuer, sizeof leaf->issuer);
    X509_free(cert);
    return fine || fault_set(f, "its dates cannot be read");
}

static bool load(const struct config *c, const char *path, struct leaf *leaf, struct fault *f)
{
    struct buf pem;
    struct fault why;
    buf_init(&pem, CHAIN_MAX);
    bool fine = file_read(path, &pem, f);
    if (fine && !leaf_parse(buf_text(&pem), pem.len, c->domain, leaf, &why))
        fine = fault_set(f, "%s: %s", path, why.text);
    buf_free(&pem);
    return fine;
}

bool leaf_load(const struct config *c, struct leaf *leaf, struct fault *f)
{
    char *link = c->source == CONFIG_SOURCE_SELF_SIGNED
                     ? file_join(c->state_dir, SELFSIGNED_CHAIN)
                     : file_join(c->cert_dir, "current/fullchain.pem");
    bool fine = load(c, c->source == CONFIG_SOURCE_FILES ? c->chain : link, leaf, f);
    free(link);
    return fine;
}

bool leaf_load_next(const struct config *c, struct leaf *leaf)
{
    char *path = file_join(c->state_dir, SELFSIGNED_NEXT);
    bool has = c->source == CONFIG_SOURCE_SELF_SIGNED && file_exists(path) &&
               load(c, path, leaf, NULL) && leaf->for_domain;
    free(path);
    return has;
}

bool leaf_is_good(const struct leaf *leaf, time_t now)
{
    time_t life = leaf->not_after - leaf->not_before;
    return leaf->for_domain && now >= leaf->not_before && leaf->not_after - now > life / 3;
}

long leaf_days(const struct leaf *leaf, time_t now)
{
    time_t left = leaf->not_after - now;
    return (long)(left >= 0 ? left / 86400 : -((-left + 86399) / 86400));
}
