/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acme/header.h"
#include "acme/jws.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define NONCE_TRIES 20
#define CLOCK_SLACK 300 /* seconds between our clock and the CA's Date that nobody need know of */
#define CLOCK_MOST                                                                                 \
    3600 /* and with which nothing is decided wrongly (chain.c, derp/ops/certificate.c) */
#define POLL_TOTAL_MS 90000
#define POLL_FIRST_MS 250
#define POLL_MOST_MS  5000

bool client_open(struct client *c, const char *url, const char *ca_file, int64_t deadline_ms,
                 struct failure *fail)
{
    *c = (struct client){.url = url};
    if (!header_is_url(url))
        return failure_set(fail, FAILURE_CONFIGURATION, "directory in [acme] is not an https URL");
    c->net = transport_new(ca_file, deadline_ms, fail);
    return c->net != NULL;
}

void client_close(struct client *c)
{
    while (c->nonce_count > 0)
        free(c->nonces[--c->nonce_count]);
    free(c->kid);
    directory_free(&c->directory);
    transport_free(c->net);
    *c = (struct client){0};
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* A nonce is good for one request (RFC 8555 6.5); the newest are kept. */
static void keep_nonce(struct client *c, struct response *r)
{
    if (!r->nonce || c->nonce_count == CLIENT_NONCES)
        return;
    c->nonces[c->nonce_count++] = r->nonce;
    r->nonce = NULL;
}

static int64_t apart(time_t a, time_t b)
{
    return a > b ? (int64_t)a - (int64_t)b : (int64_t)b - (int64_t)a;
}

/* Which terms a person has to agree to (RFC 8555 7.3.3) belongs into what `status` shows. */
static void add_terms(const struct response *r, struct failure *fail)
{
    char *terms = r->links ? header_link(r->links, "terms-of-service", 0) : NULL;
    size_t n = strlen(fail->text);
    if (terms && header_is_url(terms))
        snprintf(fail->text + n, sizeof fail->text - n, " — the terms: %s", terms);
    free(terms);
}

bool client_retry_after(const struct response *r, int64_t *seconds)
{
    time_t now = clock_wall();
    /* A time of day is the CA's, as its Date is. */
    bool dated = r->date != 0 && apart(r->date, now) <= CLOCK_MOST;
    return r->retry_after && header_retry_after(r->retry_after, dated ? r->date : now, seconds);
}

static bool refusal(const struct response *r, struct failure *fail)
{
    int64_t seconds;
    if (!message_problem(r->body.data, r->body.len, r->status, CLASSIFY_REQUEST, fail)) {
        char start[160];
        text_printable(r->body.data, r->body.len, start, sizeof start);
        failure_set(fail, classify_problem(CLASSIFY_REQUEST, "", r->status, NULL),
                    "the CA answered with HTTP status %ld and no ACME problem: %s", r->status,
                    start[0] ? start : "(nothing)");
        fail->status = r->status;
    }
    if (client_retry_after(r, &seconds))
        fail->retry_after = seconds;
    if (fail->class == FAILURE_TERMS)
        add_terms(r, fail);
    return false;
}

static bool is_success(const struct response *r)
{
    return r->status >= 200 && r->status < 300;
}

/* --- Directory -------------------------------------------------------------------------------- */

/* newNonce is never answered out of a cache (RFC 8555 7.2), whose Date would be an old one. */
static time_t date_of_nonce(struct client *c)
{
    struct response r;
    struct failure ignored;
    if (transport_request(c->net, TRANSPORT_HEAD, c->directory.new_nonce, NULL, NULL, &r, &ignored))
        keep_nonce(c, &r);
    time_t date = r.date;
    response_free(&r);
    return date;
}

static bool check_clock(struct client *c, time_t theirs, struct failure *fail)
{
    char ours[CLOCK_TEXT], date[CLOCK_TEXT];
    if (theirs == 0 || apart(theirs, clock_wall()) > CLOCK_SLACK) {
        time_t second = date_of_nonce(c);
        theirs = second ? second : theirs;
    }
    time_t now = clock_wall();
    c->dated = theirs != 0 && apart(theirs, now) <= CLOCK_MOST;
    if (theirs == 0 || apart(theirs, now) <= CLOCK_SLACK)
        return true;
    clock_print(now, ours);
    clock_print(theirs, date);
    if (!c->dated)
        return failure_set(fail, FAILURE_CLOCK,
                           "this server's clock says %s, the CA's %s; set the clock (timedatectl "
                           "set-ntp true)",
                           ours, date);
    log_warning("this server's clock says %s, the CA's %s; beyond an hour no certificate would be "
                "ordered any more: set the clock (timedatectl set-ntp true)",
                ours, date);
    return true;
}

bool client_directory(struct client *c, struct failure *fail)
{
    struct response r;
    struct fault why;
    bool ok = transport_request(c->net, TRANSPORT_GET, c->url, NULL, "application/json", &r, fail);
    ok = ok && (is_success(&r) || refusal(&r, fail));
    if (ok) {
        directory_free(&c->directory);
        ok = message_directory(r.body.data, r.body.len, &c->directory, &why) ||
             failure_set(fail, FAILURE_PROTOCOL, "%s: %s", c->url, why.text);
    }
    ok = ok && check_clock(c, r.date, fail);
    response_free(&r);
    return ok;
}

bool client_get(struct client *c, const char *url, struct response *r, struct failure *fail)
{
    *r = (struct response){0};
    return transport_request(c->net, TRANSPORT_GET, url, NULL, "application/json", r, fail) &&
           (is_success(r) || refusal(r, fail));
}

/* --- Signed requests -------------------------------------------------------------------------- */

/* A nonce to free(): the newest kept one, or one asked for (RFC 8555 7.2). */
static char *take_nonce(struct client *c, struct failure *fail)
{
    struct response r;
    char *nonce = NULL;
    if (c->nonce_count > 0)
        return c->nonces[--c->nonce_count];
    if (transport_request(c->net, TRANSPORT_HEAD, c->directory.new_nonce, NULL, NULL, &r, fail)) {
        nonce = r.nonce;
        r.nonce = NULL;
        if (!nonce && is_success(&r))
            failure_set(fail, FAILURE_PROTOCOL, "the CA gives no nonce (Replay-Nonce)");
        else if (!nonce)
            refusal(&r, fail);
    }
    response_free(&r);
    return nonce;
}

static char *sign(struct client *c, const char *url, const char *payload, const char *nonce,
                  enum client_signer signer, struct failure *fail)
{
    struct fault why;
    char *jwk = jws_jwk(c->key);
    char *protected = message_protected(nonce, url, jwk, signer == CLIENT_KID ? c->kid : NULL);
    char *body = jws_body(c->key, protected, payload, &why);
    if (!body)
        failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    free(protected);
    free(jwk);
    return body;
}

/* One try. The nonce of the answer is kept on top, so that a retry takes just that one. */
static bool post_once(struct client *c, const char *url, const char *payload,
                      enum client_signer signer, const char *accept, struct response *r,
                      struct failure *fail)
{
    *r = (struct response){0};
    char *nonce = take_nonce(c, fail);
    char *body = nonce ? sign(c, url, payload, nonce, signer, fail) : NULL;
    bool ok = body && transport_request(c->net, TRANSPORT_POST, url, body, accept, r, fail);
    if (ok)
        keep_nonce(c, r);
    free(body);
    free(nonce);
    return ok && (is_success(r) || refusal(r, fail));
}

bool client_post(struct client *c, const char *url, const char *payload, enum client_signer signer,
                 const char *accept, struct response *r, struct failure *fail)
{
    for (int tries = 1;; tries++) {
        *fail = (struct failure){0};
        if (post_once(c, url, payload, signer, accept, r, fail))
            return true;
        if (!failure_is(fail, "badNonce") || tries == NONCE_TRIES)
            return false;
        log_debug("the CA wants another nonce");
        response_free(r);
    }
}

/* --- Patience --------------------------------------------------------------------------------- */

void poll_begin(struct poll *p, int64_t deadline_ms)
{
    int64_t own = clock_mono_ms() + POLL_TOTAL_MS;
    *p = (struct poll){.deadline_ms = own < deadline_ms ? own : deadline_ms,
                       .wait_ms = POLL_FIRST_MS};
}

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

bool poll_wait(struct poll *p, const struct response *r, const char *what, struct failure *fail)
{
    int64_t seconds = 0, wait = p->wait_ms;
    if (client_retry_after(r, &seconds) && seconds * 1000 > wait)
        wait = seconds * 1000;
    if (clock_mono_ms() + wait > p->deadline_ms) {
        failure_set(fail, FAILURE_OVERLOAD,
                    "the CA is still working on %s; this is gone on with at the next try", what);
        fail->retry_after = seconds;
        return false;
    }
    sleep_ms(wait);
    p->wait_ms = p->wait_ms * 2 < POLL_MOST_MS ? p->wait_ms * 2 : POLL_MOST_MS;
    return true;
}
