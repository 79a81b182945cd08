/* SPDX-License-Identifier: Apache-2.0 */
/* A small CA for the tests of acme/: certificates for any name, time and key. */
#ifndef TESTS_UNIT_ACME_PKI_H
#define TESTS_UNIT_ACME_PKI_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "acme/csr.h"
#include "acme/key.h"
#include "base/buf.h"
#include "tests/unit/unit.h"

struct pki {
    EVP_PKEY *key;
    X509 *cert;
};

static inline EVP_PKEY *pki_key(void)
{
    struct fault f;
    EVP_PKEY *key = key_generate(&f);
    assert_non_null(key);
    return key;
}

/* A certificate signed by ca, or by itself when ca is NULL. name NULL: a CA without SAN. */
static inline X509 *pki_cert(const struct pki *ca, EVP_PKEY *key, const char *name, time_t from,
                             time_t until)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    char cn[64];
    snprintf(cn, sizeof cn, "%s %ld", name ? "leaf" : "ca", serial);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca->cert) : subject);
    ASN1_TIME_set(X509_getm_notBefore(cert), from);
    ASN1_TIME_set(X509_getm_notAfter(cert), until);
    X509_set_pubkey(cert, key);
    if (name) {
        GENERAL_NAMES *names = csr_san(name);
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
        GENERAL_NAMES_free(names);
    } else {
        BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
        basic->ca = 0xff;
        X509_add1_ext_i2d(cert, NID_basic_constraints, basic, 1, X509V3_ADD_DEFAULT);
        BASIC_CONSTRAINTS_free(basic);
    }
    assert_true(X509_sign(cert, ca ? ca->key : key, EVP_sha256()) > 0);
    return cert;
}

static inline struct pki pki_ca(const struct pki *parent, time_t from, time_t until)
{
    struct pki ca = {.key = pki_key()};
    ca.cert = pki_cert(parent, ca.key, NULL, from, until);
    return ca;
}

/* The same CA, certified by another one: a cross-certificate. X509_free. */
static inline X509 *pki_cross(const struct pki *ca, const struct pki *by, time_t from, time_t until)
{
    X509 *cert = X509_dup(ca->cert);
    X509_set_issuer_name(cert, X509_get_subject_name(by->cert));
    ASN1_TIME_set(X509_getm_notBefore(cert), from);
    ASN1_TIME_set(X509_getm_notAfter(cert), until);
    assert_true(X509_sign(cert, by->key, EVP_sha256()) > 0);
    return cert;
}

static inline void pki_free(struct pki *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static inline void pki_append(struct buf *pem, X509 *cert)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    long n = BIO_get_mem_data(bio, &data);
    assert_true(buf_append(pem, data, (size_t)n));
    BIO_free(bio);
}

#endif
