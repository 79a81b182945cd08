/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/text.h"
#include "derp/net/identity_private.h"

#define PEM_FILE_MAX  (256 * 1024)
#define CHAIN_MAX     16
#define DAY_SECONDS   86400
#define META_DAYS     30
#define META_CN_START "derpkey"

bool identity_openssl_fault(struct fault *f, const char *what)
{
    char text[160];
    unsigned long e = ERR_peek_last_error();

    ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return fault_set(f, "%s: %s", what, e == 0 ? "unknown error" : text);
}

static struct identity *identity_new(void)
{
    struct identity *id = mem_alloc(1, sizeof *id);

    id->chain = sk_X509_new_null();
    if (id->chain == NULL)
        abort();
    return id;
}

void identity_free(struct identity *id)
{
    if (id == NULL)
        return;
    EVP_PKEY_free(id->key);
    X509_free(id->leaf);
    sk_X509_pop_free(id->chain, X509_free);
    X509_free(id->meta);
    free(id);
}

/* An encrypted key must not make OpenSSL ask on a terminal. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* Takes every CERTIFICATE block of the text; another kind of block is an error unless allow_key. */
static bool read_certificates(struct identity *id, const struct buf *pem, bool allow_key,
                              const char *path, struct fault *f)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n;
    bool ok = true;

    while (ok && PEM_read_bio(bio, &name, &header, &der, &n)) {
        const unsigned char *p = der;
        X509 *x = strcmp(name, PEM_STRING_X509) == 0 ? d2i_X509(NULL, &p, n) : NULL;

        if (x == NULL && !(allow_key && strstr(name, "PRIVATE KEY") != NULL))
            ok = fault_set(f, "%s: a block \"%s\" is not a readable certificate", path, name);
        else if (x != NULL && id->leaf == NULL)
            id->leaf = x;
        else if (x != NULL && (sk_X509_num(id->chain) >= CHAIN_MAX || !sk_X509_push(id->chain, x)))
            ok = fault_set(f, "%s: more than %d certificates", path, CHAIN_MAX);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)n);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is an error to PEM_read_bio */
    if (ok && id->leaf == NULL)
        return fault_set(f, "%s: there is no certificate in it", path);
    return ok;
}

static bool read_key(struct identity *id, const struct buf *pem, const char *path, struct fault *f)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);

    id->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (id->key == NULL) {
        ERR_clear_error();
        return fault_set(f, "%s: there is no readable private key without password in it", path);
    }
    return true;
}

/* Each certificate must have been issued by the next: clients do not sort. */
static bool check_chain_order(const struct identity *id, const char *path, struct fault *f)
{
    const X509 *below = id->leaf;

    for (int i = 0; i < sk_X509_num(id->chain); i++) {
        X509 *above = sk_X509_value(id->chain, i);
        if (X509_NAME_cmp(X509_get_issuer_name(below), X509_get_subject_name(above)) != 0)
            return fault_set(f,
                             "%s: certificate %d was not issued by certificate %d; the file must "
                             "hold the leaf first, then its issuers in order",
                             path, i + 1, i + 2);
        below = above;
    }
    return true;
}

static bool check_pair(const struct identity *id, const char *chain_path, const char *key_path,
                       struct fault *f)
{
    if (X509_check_private_key(id->leaf, id->key) == 1)
        return true;
    ERR_clear_error();
    return fault_set(f, "the key in %s does not belong to the first certificate in %s", key_path,
                     chain_path);
}

struct identity *identity_load(const char *chain_path, const char *key_path, const char *domain,
                               struct fault *f)
{
    struct identity *id = identity_new();
    struct buf chain, key;
    bool ok;

    buf_init(&chain, PEM_FILE_MAX);
    buf_init(&key, PEM_FILE_MAX);
    ok = file_read(chain_path, &chain, f) && file_read(key_path, &key, f) &&
         read_certificates(id, &chain, strcmp(chain_path, key_path) == 0, chain_path, f) &&
         read_key(id, &key, key_path, f) && check_pair(id, chain_path, key_path, f) &&
         check_chain_order(id, chain_path, f);
    if (ok && domain != NULL && !identity_covers(id, domain))
        ok = fault_set(f, "the certificate in %s is not for %s", chain_path, domain);
    buf_free(&chain);
    buf_wipe(&key);
    if (ok)
        return id;
    identity_free(id);
    return NULL;
}

struct identity *identity_load_single(const char *path, struct fault *f)
{
    struct identity *id = identity_new();
    struct buf pem;
    bool ok;

    buf_init(&pem, PEM_FILE_MAX);
    ok = file_read(path, &pem, f) && read_certificates(id, &pem, true, path, f) &&
         read_key(id, &pem, path, f) && check_pair(id, path, path, f);
    buf_wipe(&pem);
    if (ok)
        return id;
    identity_free(id);
    return NULL;
}

/* Subject and issuer CN, serial, dates around now, X.509 v3. The CN is given as it is, since that
 * of the meta certificate is longer than the 64 characters that OpenSSL would enforce. */
static X509 *certificate_new(const char *cn, uint64_t serial, int days_back, int days_ahead,
                             EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name;

    if (x == NULL)
        return NULL;
    name = X509_get_subject_name(x);
    if (X509_set_version(x, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(x), -(long)days_back * DAY_SECONDS) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(x), days_ahead, 0, NULL) == NULL ||
        X509_set_pubkey(x, key) != 1 ||
        X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                   (const unsigned char *)cn, -1, -1, 0) != 1 ||
        X509_set_issuer_name(x, name) != 1) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok = e != NULL && X509_add_ext(x, e, -1) == 1;

    X509_EXTENSION_free(e);
    return ok;
}

/* Takes the key, which is NULL when there was none to be had. */
static struct identity *sign_itself(EVP_PKEY *key, const char *name, int days, struct fault *f)
{
    struct identity *id = identity_new();
    struct endpoint ip;
    char san[300];
    uint64_t serial;

    snprintf(san, sizeof san, "%s:%s", endpoint_parse_ip(name, &ip) ? "IP" : "DNS", name);
    id->key = key;
    if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1)
        abort();
    /* A common name holds 64 characters; longer domains stand in the SAN alone. */
    if (id->key != NULL)
        id->leaf = certificate_new(strlen(name) <= 64 ? name : "derp-relay", serial >> 1, 1, days,
                                   id->key);
    if (id->leaf != NULL && add_extension(id->leaf, NID_subject_alt_name, san) &&
        add_extension(id->leaf, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(id->leaf, NID_ext_key_usage, "serverAuth") &&
        X509_sign(id->leaf, id->key, EVP_sha256()) > 0)
        return id;
    identity_openssl_fault(f, "cannot make a self-signed certificate");
    identity_free(id);
    return NULL;
}

struct identity *identity_self_signed(const char *name, int days, struct fault *f)
{
    return sign_itself(EVP_EC_gen("P-256"), name, days, f);
}

struct identity *identity_renewed(const struct identity *old, const char *name, int days,
                                  struct fault *f)
{
    EVP_PKEY_up_ref(old->key);
    return sign_itself(old->key, name, days, f);
}

static bool write_pem(BIO *bio, const char *path, mode_t mode, struct fault *f)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    bool ok = file_write(path, data, (size_t)n, mode, f);

    mem_wipe(data, (size_t)n);
    return ok;
}

bool identity_save_chain(const struct identity *id, const char *path, struct fault *f)
{
    BIO *chain = BIO_new(BIO_s_mem());
    bool ok = chain != NULL && PEM_write_bio_X509(chain, id->leaf) == 1;

    for (int i = 0; ok && i < sk_X509_num(id->chain); i++)
        ok = PEM_write_bio_X509(chain, sk_X509_value(id->chain, i)) == 1;
    if (!ok)
        identity_openssl_fault(f, "cannot encode the certificate");
    ok = ok && write_pem(chain, path, 0644, f);
    BIO_free(chain);
    return ok;
}

bool identity_save(const struct identity *id, const char *chain_path, const char *key_path,
                   struct fault *f)
{
    BIO *key = BIO_new(BIO_s_mem());
    bool ok =
        key != NULL && PEM_write_bio_PKCS8PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL) == 1;

    if (!ok)
        identity_openssl_fault(f, "cannot encode the key");
    /* The key first: a chain without its key would be refused at the next start. */
    ok = ok && write_pem(key, key_path, 0600, f) && identity_save_chain(id, chain_path, f);
    BIO_free(key);
    return ok;
}

time_t identity_time(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

static void first_name(const X509 *x, char *out, size_t cap)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *g = sk_GENERAL_NAME_num(names) > 0 ? sk_GENERAL_NAME_value(names, 0) : NULL;
    char cn[128] = "";

    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof cn);
    if (g != NULL && g->type == GEN_DNS)
        text_printable(ASN1_STRING_get0_data(g->d.dNSName),
                       (size_t)ASN1_STRING_length(g->d.dNSName), out, cap);
    else
        text_printable(cn, strlen(cn), out, cap);
    GENERAL_NAMES_free(names);
}

void identity_info(const struct identity *id, struct identity_info *info)
{
    char cn[128] = "";
    unsigned int n = sizeof info->sha256;

    memset(info, 0, sizeof *info);
    X509_digest(id->leaf, EVP_sha256(), info->sha256, &n);
    info->not_before = identity_time(X509_get0_notBefore(id->leaf));
    info->not_after = identity_time(X509_get0_notAfter(id->leaf));
    info->chain_length = 1 + (size_t)sk_X509_num(id->chain);
    first_name(id->leaf, info->subject, sizeof info->subject);
    X509_NAME_get_text_by_NID(X509_get_issuer_name(id->leaf), NID_commonName, cn, sizeof cn);
    text_printable(cn, strlen(cn), info->issuer, sizeof info->issuer);
}

bool identity_covers(const struct identity *id, const char *name)
{
    if (X509_check_host(id->leaf, name, 0, 0, NULL) == 1)
        return true;
    return X509_check_ip_asc(id->leaf, name, 0) == 1;
}

bool identity_add_meta(struct identity *id, const struct node_key *server_key, struct fault *f)
{
    char cn[sizeof META_CN_START + 2 * KEY_LEN] = META_CN_START;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *x = NULL;
    bool ok;

    text_hex(server_key->bytes, KEY_LEN, cn + strlen(META_CN_START));
    if (key != NULL)
        x = certificate_new(cn, 2, META_DAYS, META_DAYS, key);
    ok = x != NULL && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
         X509_sign(x, key, NULL) > 0;
    EVP_PKEY_free(key);
    if (!ok) {
        X509_free(x);
        return identity_openssl_fault(f, "cannot make the meta certificate");
    }
    X509_free(id->meta);
    id->meta = x;
    return true;
}
