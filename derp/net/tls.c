/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/text.h"
#include "derp/net/identity_private.h"

#define NAME_MAX_LEN    253
#define META_PREFIX     "derpkey"
#define KEY_UPDATES_MAX 16 /* in a row, without data between: as Go's TLS, and so derper */

struct tls_context {
    SSL_CTX *ssl_ctx;
    struct identity *id; /* server: for SNI; a borrowed view into ssl_ctx's own objects */
    char *domain;
    char *challenge_dir;
    unsigned refs; /* the owner's and one per connection; all on one thread */
};

struct tls {
    SSL *ssl;
    struct tls_context *ctx;
    struct tls_io *io; /* of the call under way */
    bool is_challenge;
    bool notified;
    unsigned key_updates; /* received since the last data */
    char reason[160];
};

static const unsigned char alpn_http[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
static const char acme_alpn[] = "acme-tls/1";

/* --- BIO over the caller's buffers ---------------------------------------------------------- */

static int memory_read(BIO *bio, char *out, size_t n, size_t *got)
{
    struct tls *t = BIO_get_data(bio);
    struct tls_io *io = t->io;

    BIO_clear_retry_flags(bio);
    if (io == NULL || io->in_len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = n < io->in_len ? n : io->in_len;
    memcpy(out, io->in, *got);
    io->in += *got;
    io->in_len -= *got;
    return 1;
}

static int memory_write(BIO *bio, const char *data, size_t n, size_t *put)
{
    struct tls *t = BIO_get_data(bio);
    struct tls_io *io = t->io;
    size_t room = io == NULL ? 0 : io->out_cap - io->out_len;

    BIO_clear_retry_flags(bio);
    if (room == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    *put = n < room ? n : room;
    memcpy(io->out + io->out_len, data, *put);
    io->out_len += *put;
    return 1;
}

static long memory_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *memory_method;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;

static void memory_method_init(void)
{
    memory_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "caller's memory");
    if (memory_method == NULL || !BIO_meth_set_read_ex(memory_method, memory_read) ||
        !BIO_meth_set_write_ex(memory_method, memory_write) ||
        !BIO_meth_set_ctrl(memory_method, memory_ctrl))
        abort();
}

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
    if (!is_sent && type == SSL3_RT_HANDSHAKE && n > 0 && *(const uint8_t *)p == SSL3_MT_KEY_UPDATE)
        ((struct tls *)SSL_get_app_data(ssl))->key_updates++;
}

/* --- Contexts ------------------------------------------------------------------------------- */

static struct tls_context *context_new(const SSL_METHOD *method)
{
    struct tls_context *ctx = mem_alloc(1, sizeof *ctx);

    pthread_once(&memory_once, memory_method_init);
    ctx->refs = 1;
    ctx->ssl_ctx = SSL_CTX_new(method);
    if (ctx->ssl_ctx == NULL || SSL_CTX_set_min_proto_version(ctx->ssl_ctx, TLS1_2_VERSION) != 1)
        abort();
    SSL_CTX_set_mode(ctx->ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_options(ctx->ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                          SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
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
    ctx->domain = mem_strdup(opt->domain);
    ctx->challenge_dir = mem_strdup(opt->challenge_dir);
    SSL_CTX_set_client_hello_cb(ctx->ssl_ctx, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ctx->ssl_ctx, on_alpn, NULL);
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

/* --- Connections ---------------------------------------------------------------------------- */

static struct tls *tls_new(struct tls_context *ctx)
{
    struct tls *t = mem_alloc(1, sizeof *t);
    BIO *bio = BIO_new(memory_method);

    t->ssl = SSL_new(ctx->ssl_ctx);
    if (t->ssl == NULL || bio == NULL)
        abort();
    t->ctx = tls_context_ref(ctx);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    return t;
}

struct tls *tls_accept(struct tls_context *ctx)
{
    struct tls *t = tls_new(ctx);

    SSL_set_accept_state(t->ssl);
    return t;
}

struct tls *tls_connect(struct tls_context *ctx, const char *name)
{
    struct tls *t = tls_new(ctx);
    struct endpoint ip;

    SSL_set_connect_state(t->ssl);
    if (endpoint_parse_ip(name, &ip)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), name);
    } else {
        SSL_set_tlsext_host_name(t->ssl, name);
        SSL_set1_host(t->ssl, name);
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    tls_context_free(t->ctx);
    free(t);
}

static void remember_reason(struct tls *t, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *words = e == 0 ? NULL : ERR_reason_error_string(e);
    long verdict = SSL_get_verify_result(t->ssl);

    if (verdict != X509_V_OK && !SSL_is_server(t->ssl) && SSL_get_verify_mode(t->ssl) != 0)
        words = X509_verify_cert_error_string(verdict);
    snprintf(t->reason, sizeof t->reason, "%s: %s", what, words == NULL ? "unexpected end" : words);
    ERR_clear_error();
}

/* Turns the outcome of an SSL_ call into ours. */
static enum tls_result judge(struct tls *t, int ret, const char *what)
{
    int error = SSL_get_error(t->ssl, ret);

    t->io = NULL;
    if (ret > 0)
        return TLS_OK;
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        remember_reason(t, what);
        return TLS_FAILED;
    }
}

static void begin(struct tls *t, struct tls_io *io)
{
    t->io = io;
    t->reason[0] = '\0';
    ERR_clear_error();
}

enum tls_result tls_handshake(struct tls *t, struct tls_io *io)
{
    begin(t, io);
    return judge(t, SSL_do_handshake(t->ssl), "TLS handshake");
}

bool tls_is_challenge(const struct tls *t)
{
    return t->is_challenge;
}

enum tls_result tls_open(struct tls *t, struct tls_io *io, uint8_t *plain, size_t room, size_t *n)
{
    enum tls_result r;

    begin(t, io);
    r = judge(t, SSL_read_ex(t->ssl, plain, room, n), "TLS read");
    if (t->key_updates > KEY_UPDATES_MAX) {
        snprintf(t->reason, sizeof t->reason, "too many key updates");
        return TLS_FAILED;
    }
    if (r == TLS_OK)
        t->key_updates = 0;
    return r;
}

enum tls_result tls_seal(struct tls *t, struct tls_io *io, const uint8_t *plain, size_t n)
{
    size_t written;

    begin(t, io);
    if (SSL_write_ex(t->ssl, plain, n, &written) == 1 && written == n) {
        t->io = NULL;
        return TLS_OK;
    }
    /* The output has room for a record and the handshake is over: anything else is fatal. */
    remember_reason(t, "TLS write");
    t->io = NULL;
    return TLS_FAILED;
}

void tls_close_notify(struct tls *t, struct tls_io *io)
{
    if (t->notified || !SSL_is_init_finished(t->ssl))
        return;
    t->notified = true;
    begin(t, io);
    SSL_shutdown(t->ssl);
    t->io = NULL;
    ERR_clear_error();
}

const char *tls_reason(const struct tls *t)
{
    return t->reason;
}

void tls_describe(const struct tls *t, char *text, size_t cap)
{
    snprintf(text, cap, "%s %s", SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl));
}

static void read_meta(const STACK_OF(X509) * chain, struct tls_peer *peer)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        char cn[128] = "";

        X509_NAME_get_text_by_NID(X509_get_subject_name(sk_X509_value(chain, i)), NID_commonName,
                                  cn, sizeof cn);
        if (text_starts(cn, META_PREFIX) &&
            text_unhex(cn + strlen(META_PREFIX), peer->meta_key.bytes, KEY_LEN))
            peer->has_meta = true;
    }
}

bool tls_peer(const struct tls *t, struct tls_peer *peer)
{
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(t->ssl);
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);
    long verdict = SSL_get_verify_result(t->ssl);
    unsigned int n = sizeof peer->sha256;
    char cn[128] = "";

    memset(peer, 0, sizeof *peer);
    if (leaf == NULL)
        return false;
    peer->is_tls13 = SSL_version(t->ssl) == TLS1_3_VERSION;
    X509_digest(leaf, EVP_sha256(), peer->sha256, &n);
    peer->not_before = identity_time(X509_get0_notBefore(leaf));
    peer->not_after = identity_time(X509_get0_notAfter(leaf));
    peer->chain_length = (size_t)sk_X509_num(chain);
    peer->verified = verdict == X509_V_OK;
    if (!peer->verified)
        snprintf(peer->verify_error, sizeof peer->verify_error, "%s",
                 X509_verify_cert_error_string(verdict));
    X509_NAME_get_text_by_NID(X509_get_issuer_name(leaf), NID_commonName, cn, sizeof cn);
    text_printable(cn, strlen(cn), peer->issuer, sizeof peer->issuer);
    read_meta(chain, peer);
    return true;
}
