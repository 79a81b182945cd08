/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/net.h"
#include "base/text.h"
#include "derp/net/identity_private.h"
#include "derp/net/tls_private.h"

#define META_PREFIX     "derpkey"
#define KEY_UPDATES_MAX 16 /* in a row, without data between: as Go's TLS, and so derper */
#define UPDATES_MAX     64 /* as in the record layer: each with so much data */
#define UPDATE_EARNED   16384

/* --- BIO over the caller's buffers ---------------------------------------------------------- */

static bool is_updated_too_often(const struct tls *t)
{
    return t->key_updates > KEY_UPDATES_MAX || t->updates_left == 0;
}

static int memory_read(BIO *bio, char *out, size_t n, size_t *got)
{
    struct tls *t = BIO_get_data(bio);
    struct tls_io *io = t->io;

    BIO_clear_retry_flags(bio);
    /* The end of the stream, as to OpenSSL: it would go on with all that is there. */
    if (is_updated_too_often(t))
        return 0;
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

/* --- Connections ---------------------------------------------------------------------------- */

static struct tls *tls_new(struct tls_context *ctx)
{
    struct tls *t = mem_alloc(1, sizeof *t);
    BIO *bio;

    pthread_once(&memory_once, memory_method_init);
    bio = BIO_new(memory_method);
    t->ssl = SSL_new(ctx->ssl_ctx);
    if (t->ssl == NULL || bio == NULL)
        abort();
    t->ctx = tls_context_ref(ctx);
    t->updates_left = UPDATES_MAX + 1;
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
    t->hello = mem_alloc(1, sizeof *t->hello);
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

static void forget_secrets(struct tls *t)
{
    if (t->secrets != NULL)
        mem_wipe(t->secrets, sizeof *t->secrets);
    free(t->secrets);
    t->secrets = NULL;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    record_free(t->record);
    forget_secrets(t);
    free(t->hello);
    tls_context_free(t->ctx);
    free(t->reason);
    free(t);
}

static void set_reason(struct tls *t, char *reason)
{
    free(t->reason);
    t->reason = reason;
}

static void remember_reason(struct tls *t, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *words = e == 0 ? NULL : ERR_reason_error_string(e);
    long verdict = SSL_get_verify_result(t->ssl);

    if (verdict != X509_V_OK && !SSL_is_server(t->ssl) && SSL_get_verify_mode(t->ssl) != 0)
        words = X509_verify_cert_error_string(verdict);
    set_reason(t, mem_printf("%s: %s", what, words == NULL ? "unexpected end" : words));
    t->failed = true;
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

static enum tls_result refuse(struct tls *t, const char *why)
{
    set_reason(t, mem_strdup(why));
    t->failed = true;
    return TLS_FAILED;
}

static void begin(struct tls *t, struct tls_io *io)
{
    t->io = io;
    set_reason(t, NULL);
    ERR_clear_error();
}

/* A TLS 1.3 server gives its connection to the record layer and OpenSSL's memory back. Nothing was
 * sent or taken under the new keys yet: there are no tickets, and OpenSSL reads record by record. A
 * peer that wants short records (RFC 6066 4) stays with OpenSSL, which always agrees to that. */
static void hand_over(struct tls *t)
{
    if (t->secrets_known == (TLS_SECRETS_READ | TLS_SECRETS_WRITE) &&
        SSL_version(t->ssl) == TLS1_3_VERSION && SSL_has_pending(t->ssl) == 0 &&
        SSL_SESSION_get_max_fragment_length(SSL_get0_session(t->ssl)) ==
            TLSEXT_max_fragment_length_DISABLED)
        t->record = record_new(t->ctx->records, t->secrets);
    forget_secrets(t);
    free(t->hello);
    t->hello = NULL;
    if (t->record == NULL)
        return;
    SSL_free(t->ssl);
    t->ssl = NULL;
}

enum tls_result tls_handshake(struct tls *t, struct tls_io *io)
{
    enum tls_result result;

    begin(t, io);
    if (t->hello != NULL && !handshake_length_take(t->hello, io->in, io->in_len,
                                                   SSL_version(t->ssl) == TLS1_2_VERSION)) {
        t->io = NULL;
        return refuse(t, "TLS handshake: a message is too long");
    }
    result = judge(t, SSL_do_handshake(t->ssl), "TLS handshake");
    if (result == TLS_OK)
        hand_over(t);
    return result;
}

bool tls_is_challenge(const struct tls *t)
{
    return t->is_challenge;
}

static void earn_updates(struct tls *t, size_t n)
{
    t->key_updates = 0;
    t->earned += (uint16_t)n;
    if (t->earned < UPDATE_EARNED)
        return;
    t->earned = 0;
    if (t->updates_left <= UPDATES_MAX)
        t->updates_left++;
}

enum tls_result tls_open(struct tls *t, struct tls_io *io, uint8_t *plain, size_t room, size_t *n)
{
    enum tls_result r;

    if (t->record != NULL)
        return record_open(t->record, io, plain, room, n);
    if (t->failed)
        return TLS_FAILED;
    begin(t, io);
    r = judge(t, SSL_read_ex(t->ssl, plain, room, n), "TLS read");
    if (is_updated_too_often(t))
        return refuse(t, "TLS read: too many key updates");
    if (r == TLS_OK)
        earn_updates(t, *n);
    return r;
}

enum tls_result tls_seal(struct tls *t, struct tls_io *io, uint8_t *plain, size_t n)
{
    size_t written;

    if (t->record != NULL)
        return record_seal(t->record, io, plain, n);
    if (t->failed)
        return TLS_FAILED;
    begin(t, io);
    /* More than one record only when the peer wants short ones. */
    while (n > 0 && SSL_write_ex(t->ssl, plain, n, &written) == 1) {
        plain += written;
        n -= written;
    }
    if (n > 0) /* the output has room and the handshake is over: whatever it is, it is fatal */
        remember_reason(t, "TLS write");
    t->io = NULL;
    return n > 0 ? TLS_FAILED : TLS_OK;
}

void tls_close_notify(struct tls *t, struct tls_io *io)
{
    if (t->notified || (t->ssl != NULL && !SSL_is_init_finished(t->ssl)))
        return;
    t->notified = true;
    if (t->record != NULL) {
        record_close_notify(t->record, io);
        return;
    }
    begin(t, io);
    SSL_shutdown(t->ssl);
    t->io = NULL;
    ERR_clear_error();
}

const char *tls_reason(const struct tls *t)
{
    if (t->record != NULL)
        return record_reason(t->record);
    return t->reason == NULL ? "" : t->reason;
}

void tls_describe(const struct tls *t, char *text, size_t cap)
{
    if (t->record != NULL)
        snprintf(text, cap, "TLSv1.3 %s", record_suite_name(t->record));
    else
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
    const STACK_OF(X509) * chain;
    X509 *leaf;
    long verdict;
    unsigned int n = sizeof peer->sha256;
    char cn[128] = "";

    memset(peer, 0, sizeof *peer);
    if (t->ssl == NULL || SSL_is_server(t->ssl))
        return false;
    chain = SSL_get_peer_cert_chain(t->ssl);
    leaf = SSL_get0_peer_certificate(t->ssl);
    verdict = SSL_get_verify_result(t->ssl);
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
