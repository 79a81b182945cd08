/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/challenge.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "acme/csr.h"
#include "acme/key.h"

#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31"
#define DAY             86400L

const char *challenge_name(enum config_challenge type)
{
    static const char *const names[] = {[CONFIG_CHALLENGE_TLS_ALPN_01] = "tls-alpn-01",
                                        [CONFIG_CHALLENGE_HTTP_01] = "http-01",
                                        [CONFIG_CHALLENGE_DNS_01] = "dns-01"};
    return names[type];
}

/* The extension's value is itself an OCTET STRING in DER. */
static bool add_identifier(X509 *cert, const uint8_t digest[static JWS_DIGEST])
{
    uint8_t der[2 + JWS_DIGEST] = {0x04, JWS_DIGEST};
    memcpy(der + 2, digest, JWS_DIGEST);

    ASN1_OBJECT *oid = OBJ_txt2obj(ACME_IDENTIFIER, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    bool ok = oid && value && ASN1_OCTET_STRING_set(value, der, sizeof der) == 1 &&
              (extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value)) &&
              X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

static bool add_names(X509 *cert, const char *name)
{
    GENERAL_NAMES *names = csr_san(name);
    bool ok =
        names && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool ok = n && BN_rand(n, 64, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *name,
                 const uint8_t digest[static JWS_DIGEST])
{
    X509_NAME *subject = X509_get_subject_name(cert);
    return X509_set_version(cert, 2) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), 7 * DAY) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"ACME challenge", -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1 &&
           add_names(cert, name) && add_identifier(cert, digest) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool append_certificate(X509 *cert, struct buf *pem)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, cert) == 1;
    if (ok) {
        long n = BIO_get_mem_data(bio, &data);
        ok = buf_append(pem, data, (size_t)n);
    }
    BIO_free(bio);
    return ok;
}

bool challenge_certificate(const char *name, const uint8_t digest[static JWS_DIGEST],
                           struct buf *pem, struct fault *f)
{
    X509 *cert = X509_new();
    EVP_PKEY *key = key_generate(f);
    bool ok = false;
    if (cert && key) {
        ok = fill(cert, key, name, digest) && append_certificate(cert, pem);
        ok = ok ? key_to_pem(key, pem, f) : key_fault(f, "cannot make a challenge certificate");
    }
    EVP_PKEY_free(key);
    X509_free(cert);
    return ok;
}
