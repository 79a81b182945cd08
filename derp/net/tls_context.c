/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "derp/net/identity_private.h"
#include "derp/net/tls_private.h"

#define NAME_MAX_LEN 253

static const unsigned char alpn_http[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
static const char acme_alpn[] = "acme-tls/1";

/* --- Names and ALPN in the ClientHello ------------------------------------------------------ */

/* Does the ClientHello offer acme-tls/1? (RFC 7301 3.1: two length bytes, then names.) */
static bool hello_offers_acme(SSL *ssl)
{
    const unsigned char *p;
    size_t n;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p,
                                  &n) != 1 ||
        n < 2)
        return false;
    for (p += 2, n -= 2; n > 0;) {
        size_t len = p[0];
        if (len + 1 > n)
            return false;
        if (len == strlen(acme_alpn) && memcmp(p + 1, acme_alpn, len) == 0)
            return true;
        p += len + 1;
        n -= len + 1;
    }
    return false;
}

/* The host name of the SNI extension (RFC 6066 3), lower-cased; "" when there is none. */
static bool hello_name(SSL *ssl, char name[static NAME_MAX_LEN + 1])
{
    const unsigned char *p;
    size_t n, len;
    char raw[NAME_MAX_LEN + 1];

    name[0] = '\0';
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1)
        return true;
    if (n < 5 || p[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    len = (size_t)p[3] << 8 | p[4];
    if (len == 0 || len > NAME_MAX_LEN || len + 5 > n || memchr(p + 5, '\0', len) != NULL)
        return false;
    memcpy(raw, p + 5, len);
    raw[len] = '\0';
    text_lower(raw, name, NAME_MAX_LEN + 1);
    return true;
}

/* Swaps in the certificate that derp-acme left for this name (RFC 8737 3). */
static bool use_challenge(SSL *ssl, const struct tls_context *ctx, const char *name)
{
    static struct log_kind unknown, broken;
    struct identity *id;
    struct fault f;
    char *path;
    bool ok;

    /* The name becomes part of a path: only real host names pass. */
    if (ctx->challenge_dir == NULL || !text_is_hostname(name, NULL)) {
        log_limited(&unknown, LOG_LEVEL_DEBUG, "acme-tls/1 asked for without a usable name");
        return false;
    }
    path = mem_printf("%s/%s.pem", ctx->challenge_dir, name);
    if (!file_exists(path)) {
        log_limited(&unknown, LOG_LEVEL_INFO, "acme-tls/1 asked for %s: no challenge is pending",
                    name);
        free(path);
        return false;
    }
    id = identity_load_single(path, &f);
    /* All key types go first: one of another type would be preferred by some clients. */
    SSL_certs_clear(ssl);
    ok = id != NULL && SSL_use_certificate(ssl, id->leaf) == 1 &&
         SSL_use_PrivateKey(ssl, id->key) == 1;
    if (!ok)
        log_limited(&broken, LOG_LEVEL_ERROR, "challenge certificate cannot be used: %s",
                    id == NULL ? f.text : path);
    identity_free(id);
    free(path);
    return ok;
}

static bool name_is_ours(const struct tls_context *ctx, const char *name)
{
    return name[0] == '\0' || ctx->domain == NULL || strcmp(name, ctx->domain) == 0 ||
           identity_covers(ctx->id, name);
}

static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    struct tls *t = SSL_get_app_data(ssl);
    char name[NAME_MAX_LEN + 1];

    (void)arg;
    if (!hello_name(ssl, name)) {
        *alert = SSL_AD_DECODE_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (hello_offers_acme(ssl)) {
        if (!use_challenge(ssl, t->ctx, name)) {
            *alert = SSL_AD_UNRECOGNIZED_NAME;
            return SSL_CLIENT_HELLO_ERROR;
        }
        t->is_challenge = true;
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    if (!name_is_ours(t->ctx, name)) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned int in_len, void *arg)
{
    static const unsigned char acme[] = "\012acme-tls/1";
    const struct tls *t = SSL_get_app_data(ssl);
    const unsigned char *ours = t->is_challenge ? acme : alpn_http;
    unsigned int ours_len = t->is_challenge ? sizeof acme - 1 : sizeof alpn_http;

    (void)arg;
    if (SSL_select_next_proto((unsigned char **)out, out_len, ours, ours_len, in, in_len) ==
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return t->is_challenge ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* OpenSSL answers as many KeyUpdates as come; somebody has to count them. */
static void on_message(int is_sent, int version, int type, const void *p, size_t n, SSL *ssl,
                       void *arg)
{
    (void)version;
    (void)arg;
    struct tls *t = SSL_get_app_data(ssl);

    if (is_sent || type != SSL3_RT_HANDSHAKE || n == 0 || *(const uint8_t *)p != SSL3_MT_KEY_UPDATE)
        return;
    t->key_updates++;
    t->updates_left--;
}

/*
 * OpenSSL tells the secrets of a connection in the lines of NSS's key log: label, client random,
 * secret in hexadecimal. Here they go nowhere but to the record layer of that connection.
 */
static void on_secret(const SSL *ssl, const char *line)
{
    struct tls *t = SSL_get_app_data(ssl);
    bool reads = text_starts(line, "CLIENT_TRAFFIC_SECRET_0 ");
    const char *hex = strrchr(line, ' ');
    size_t n;

    if (t->is_challenge || hex == NULL ||
        (!reads && !text_starts(line, "SERVER_TRAFFIC_SECRET_0 ")))
        return;
    if (t->secrets == NULL)
        t->secrets = mem_alloc(1, sizeof *t->secrets);
    t->secrets->suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
    n = record_secret_size(t->secrets->suite);
    if (n > 0 && text_unhex(hex + 1, reads ? t->secrets->read : t->secrets->write, n))
        t->secrets_known |= reads ? TLS_SECRETS_READ : TLS_SECRETS_WRITE;
}

/* --- Contexts ------------------------------------------------------------------------------- */

static struct tls_context *context_new(const SSL_METHOD *method)
{
    struct tls_context *ctx = mem_alloc(1, sizeof *ctx);

    ctx->refs = 1;
    ctx->ssl_ctx = SSL_CTX_new(method);
    if (ctx->ssl_ctx == NULL || SSL_CTX_set_min_proto_version(ctx->ssl_ctx, TLS1_2_VERSION) != 1)
        abort();
    SSL_CTX_set_mode(ctx->ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_options(ctx->ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                          SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
#ifdef SSL_OP_NO_RECORD_SIZE_LIMIT_EXT /* RFC 8449, which later OpenSSL may agree to by itself */
    SSL_CTX_set_options(ctx->ssl_ctx, SSL_OP_NO_RECORD_SIZE_LIMIT_EXT);
#endif
    SSL_CTX_set_session_cache_mode(ctx->ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx->ssl_ctx, 0);
    SSL_CTX_set_msg_callback(ctx->ssl_ctx, on_message);
    SSL_CTX_set_cipher_list(ctx->ssl_ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    /* The relay cannot read the packets: AES-128 is enough around them, and the fastest. */
    SSL_CTX_set_ciphersuites(ctx->ssl_ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                           "TLS_CHACHA20_POLY1305_SHA256");
    return ctx;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
    ctx->refs++;
    return ctx;
}

void tls_context_free(struct tls_context *ctx)
{
    if (ctx == NULL || --ctx->refs > 0)
        return;
    SSL_CTX_free(ctx->ssl_ctx);
    record_pool_free(ctx->records);
    identity_free(ctx->id);
    free(ctx->domain);
    free(ctx->challenge_dir);
    free(ctx);
}

/* A second owner of the leaf, for SNI after the caller's identity is gone. */
static struct identity *identity_view(const struct identity *id)
{
    struct identity *view = mem_alloc(1, sizeof *view);

    X509_up_ref(id->leaf);
    view->leaf = id->leaf;
    return view;
}

static bool present(SSL_CTX *ssl_ctx, const struct identity *id, struct fault *f)
{
    bool ok = SSL_CTX_use_certificate(ssl_ctx, id->leaf) == 1 &&
              SSL_CTX_use_PrivateKey(ssl_ctx, id->key) == 1;

    for (int i = 0; ok && i < sk_X509_num(id->chain); i++)
        ok = SSL_CTX_add1_chain_cert(ssl_ctx, sk_X509_value(id->chain, i)) == 1;
    if (ok && id->meta != NULL)
        ok = SSL_CTX_add1_chain_cert(ssl_ctx, id->meta) == 1;
    return ok || identity_openssl_fault(f, "OpenSSL refuses the certificate");
}

struct tls_context *tls_context_server(const struct identity *id,
                                       const struct tls_server_options *opt, struct fault *f)
{
    struct tls_context *ctx = context_new(TLS_server_method());

    ctx->id = identity_view(id);
    ctx->records = record_pool_new();
    ctx->domain = mem_strdup(opt->domain);
    ctx->challenge_dir = mem_strdup(opt->challenge_dir);
    SSL_CTX_set_client_hello_cb(ctx->ssl_ctx, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ctx->ssl_ctx, on_alpn, NULL);
    SSL_CTX_set_keylog_callback(ctx->ssl_ctx, on_secret);
    if (present(ctx->ssl_ctx, id, f))
        return ctx;
    tls_context_free(ctx);
    return NULL;
}

struct tls_context *tls_context_client(const char *ca_file, enum tls_verify verify, struct fault *f)
{
    struct tls_context *ctx = context_new(TLS_client_method());
    int ok = ca_file != NULL ? SSL_CTX_load_verify_file(ctx->ssl_ctx, ca_file)
                             : SSL_CTX_set_default_verify_paths(ctx->ssl_ctx);

    if (ok != 1 || SSL_CTX_set_alpn_protos(ctx->ssl_ctx, alpn_http, sizeof alpn_http) != 0) {
        identity_openssl_fault(f, ca_file != NULL ? ca_file : "system roots");
        tls_context_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx->ssl_ctx,
                       verify == TLS_VERIFY_REQUIRE ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return ctx;
}
