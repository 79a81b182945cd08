/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/order.h"

#include <stdlib.h>
#include <string.h>

#include "acme/account.h"
#include "acme/attempts.h"
#include "acme/authorize.h"
#include "acme/chain.h"
#include "acme/csr.h"
#include "acme/download.h"
#include "acme/identifier.h"
#include "acme/install.h"
#include "acme/leftover.h"
#include "acme/preflight.h"
#include "acme/publish.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define DOWNLOADS_MAX 5 /* chains of one order that may be of no use */
#define STALLS_MAX    8 /* runs, about as many hours: CAs lose orders on the way */
#define AGE_MAX       (24 * 3600)

/* --- Beginning -------------------------------------------------------------------------------- */

/* What the CA offers, for messages. */
static void list_profiles(const struct directory *d, struct buf *list)
{
    for (size_t i = 0; i < d->profile_count; i++) {
        char name[64];
        text_printable(d->profiles[i], strlen(d->profiles[i]), name, sizeof name);
        buf_printf(list, "%s%s", i ? ", " : "", name);
    }
    if (d->profile_count == 0)
        buf_puts(list, "none");
}

/* The CA does not offer the configured profile, or not to us: a certificate of its default one is
 * better than none, unless the config says otherwise. false: it does. */
static bool without_profile(struct session *s, const char **profile, struct failure *fail)
{
    struct buf list;
    buf_init(&list, 2048);
    list_profiles(&s->client.directory, &list);
    attempts_of(&s->state, s->ca->directory)->profile_denied = true;
    bool must = s->config->profile_required;
    if (must)
        failure_set(fail, FAILURE_CONFIGURATION,
                    "the CA has no profile %s for us; profile in [acme] may be one of: %s",
                    *profile, buf_text(&list));
    else
        log_warning("the CA has no profile %s for us (it offers: %s); the certificate is ordered "
                    "in its default one",
                    *profile, buf_text(&list));
    buf_free(&list);
    *profile = NULL;
    return !must;
}

/* The configured profile when the CA offers it (draft-ietf-acme-profiles 4). */
static bool choose_profile(struct session *s, const char **profile, struct failure *fail)
{
    const struct directory *d = &s->client.directory;
    *profile = s->ca->profile;
    if (!*profile)
        return true;
    for (size_t i = 0; i < d->profile_count; i++) {
        if (strcmp(d->profiles[i], *profile) == 0)
            return true;
    }
    return without_profile(s, profile, fail);
}

/* A CA that takes a profile says so in the order (draft-ietf-acme-profiles 4). A certificate of
 * another profile is better than none. */
static void check_profile(const struct response *r, const char *profile)
{
    struct order o;
    struct fault ignored;
    if (!profile || !message_order(r->body.data, r->body.len, &o, &ignored))
        return;
    if (!text_same(o.profile, profile))
        log_warning(
            "the CA's order does not confirm the profile %s (it says %.64s); the certificate "
            "may be of another one",
            profile, o.profile ? o.profile : "none");
    order_free(&o);
}

/* A fresh key. On a full disk it fails, before the CA has been asked anything. */
static bool make_key(struct session *s, struct failure *fail)
{
    struct fault why;
    EVP_PKEY *key = store_new_pending_key(&s->store, &why);
    if (!key)
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    EVP_PKEY_free(key);
    return true;
}

/* PHASE_IDLE: the key is there. */
static bool begin(struct session *s, struct failure *fail)
{
    leftover_deactivate(s);
    state_set(&s->state.directory, s->ca->directory);
    state_set(&s->state.domain, s->config->domain);
    state_set(&s->state.profile, s->ca->profile);
    return session_enter(s, PHASE_ORDERING, fail);
}

static bool send_order(struct session *s, const char *profile, const char *replaces,
                       struct response *r, struct failure *fail)
{
    char *payload = message_new_order(s->config->domain, profile, replaces);
    bool ok =
        client_post(&s->client, s->client.directory.new_order, payload, CLIENT_KID, NULL, r, fail);
    free(payload);
    return ok;
}

/* The certID of the certificate in use, when this account of this CA ordered it and the CA speaks
 * RFC 9773; NULL otherwise. */
static const char *replaced(const struct session *s)
{
    bool ours = text_same(s->state.issued_by, s->ca->directory) &&
                text_same(s->state.issued_account, s->client.kid);
    return ours && s->client.directory.renewal_info ? s->replaces : NULL;
}

/* Let's Encrypt counts no order that replaces a certificate inside the window that it suggested. */
static bool is_exempt(const struct session *s, const char *replaces)
{
    const struct ari *a = &s->state.ari;
    time_t now = clock_wall();
    return replaces && a->cert_id && strcmp(a->cert_id, replaces) == 0 && a->start <= now &&
           now < a->end;
}

/* PHASE_ORDERING: newOrder (RFC 8555 7.4). */
static bool place(struct session *s, struct failure *fail)
{
    struct response r;
    const char *profile, *replaces = replaced(s);
    if (!publish_possible(s->config, fail) || !choose_profile(s, &profile, fail) ||
        !preflight(s, fail))
        return false;
    bool ok = send_order(s, profile, replaces, &r, fail);
    if (!ok && profile && failure_is(fail, "invalidProfile") &&
        without_profile(s, &profile, fail)) {
        response_free(&r);
        ok = send_order(s, NULL, replaces, &r, fail);
    }
    if (!ok && replaces && classify_may_be_replaces(fail)) {
        log_warning("%s; ordering again without naming the certificate that is replaced",
                    fail->text);
        response_free(&r);
        replaces = NULL;
        ok = send_order(s, profile, NULL, &r, fail);
    }
    if (ok && !r.location)
        ok = failure_set(fail, FAILURE_PROTOCOL, "the CA does not tell the order's URL");
    if (ok) {
        state_set(&s->state.order, r.location);
        state_set(&s->state.account, s->client.kid);
        s->state.ordered_at = clock_wall();
        s->state.exempt = is_exempt(s, replaces);
        log_info("order %s", s->state.order);
        check_profile(&r, profile);
        if (profile || !s->ca->profile)
            attempts_of(&s->state, s->ca->directory)->profile_denied = false;
        ok = session_enter(s, PHASE_AUTHORIZING, fail);
    }
    response_free(&r);
    return ok;
}

/* --- Following the order's status ------------------------------------------------------------- */

static bool for_domain(const struct order *o, const char *domain)
{
    for (size_t i = 0; i < o->name_count; i++) {
        if (identifier_same(o->names[i], domain))
            return o->name_count == 1;
    }
    return o->name_count == 0;
}

/* What was asked for is not there. */
static bool is_unknown(const struct failure *fail)
{
    return fail->status == 404 || fail->status == 410;
}

static bool fetch(struct session *s, struct response *r, struct order *o, struct failure *fail)
{
    struct fault why;
    *o = (struct order){0};
    bool ok = client_post(&s->client, s->state.order, "", CLIENT_KID, NULL, r, fail);
    s->order_gone = !ok && is_unknown(fail);
    if (!ok)
        return false;
    if (!message_order(r->body.data, r->body.len, o, &why))
        return failure_set(fail, FAILURE_PROTOCOL, "%s", why.text);
    return for_domain(o, s->config->domain) ||
           failure_set(fail, FAILURE_PROTOCOL, "the CA's order is for other names");
}

/* An order that failed is given up; the reason is the CA's. */
static bool dead(struct session *s, const struct order *o, struct failure *fail)
{
    struct failure ignored;
    if (o->error.class != FAILURE_NONE)
        *fail = o->error;
    else
        failure_set(fail, FAILURE_PROTOCOL, "the CA has made the order invalid without a reason");
    session_drop_order(s, &ignored);
    return false;
}

static bool authorize_all(struct session *s, const struct order *o, struct failure *fail)
{
    for (size_t i = 0; i < o->authorization_count; i++) {
        if (!authorize(s, o->authorizations[i], fail))
            return false;
    }
    return true;
}

/* Sends the CSR. "Not ready" is no failure: the order is looked at again. */
static bool finalize(struct session *s, const struct order *o, struct failure *fail)
{
    struct response r = {0};
    struct fault why;
    EVP_PKEY *key = store_pending_key(&s->store, &why);
    if (!key)
        key = store_new_pending_key(&s->store, &why);
    char *csr = key ? csr_make(key, s->config->domain, &why) : NULL;
    EVP_PKEY_free(key);
    if (!csr)
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    char *payload = message_finalize(csr);
    log_info("asking for the certificate");
    bool ok = client_post(&s->client, o->finalize, payload, CLIENT_KID, NULL, &r, fail) ||
              failure_is(fail, "orderNotReady");
    free(payload);
    free(csr);
    response_free(&r);
    return ok;
}

/* One look at the order and what its status asks for. */
static bool step(struct session *s, const struct order *o, bool *wait, struct failure *fail)
{
    *wait = false;
    switch (o->status) {
    case MESSAGE_PENDING:
        *wait = true;
        return session_enter(s, PHASE_AUTHORIZING, fail) && authorize_all(s, o, fail);
    case MESSAGE_READY:
        *wait = true;
        return session_enter(s, PHASE_FINALIZING, fail) && finalize(s, o, fail);
    case MESSAGE_PROCESSING:
        *wait = true;
        return true;
    case MESSAGE_VALID:
        if (!o->certificate)
            return failure_set(fail, FAILURE_PROTOCOL,
                               "the CA's order is valid and has no "
                               "certificate");
        if (!s->state.exempt)
            attempts_issued(&s->state, s->ca->directory, s->config->domain, clock_wall());
        return session_enter(s, PHASE_DOWNLOADING, fail);
    default:
        return dead(s, o, fail);
    }
}

/* PHASE_AUTHORIZING and PHASE_FINALIZING: until the certificate is issued. */
static bool follow(struct session *s, struct failure *fail)
{
    struct poll p;
    bool ok = true, wait = true;
    poll_begin(&p, s->deadline_ms);
    while (ok && s->state.phase != PHASE_DOWNLOADING) {
        struct response r;
        struct order o;
        enum phase before = s->state.phase;
        ok = fetch(s, &r, &o, fail) && step(s, &o, &wait, fail);
        if (s->state.phase != before)
            poll_begin(&p, s->deadline_ms);
        if (ok && wait)
            ok = poll_wait(&p, &r, "the order", fail);
        order_free(&o);
        response_free(&r);
    }
    return ok;
}

/* --- Downloading ------------------------------------------------------------------------------ */

/* What was issued is of no use without its key; a new order is made, once a run. */
static bool lost_key(struct session *s, const struct fault *why, struct failure *fail)
{
    if (s->restarted)
        return failure_set(fail, FAILURE_LOCAL, "%s", why->text);
    s->restarted = true;
    log_warning("the key of the order is lost (%s); a new order is made", why->text);
    return session_drop_order(s, fail);
}

/* PHASE_DOWNLOADING. */
static bool download(struct session *s, struct failure *fail)
{
    struct response r;
    struct order o;
    struct buf pem;
    struct fault why;
    buf_init(&pem, CHAIN_BYTES_MAX);
    EVP_PKEY *key = store_pending_key(&s->store, &why);
    if (!key)
        return lost_key(s, &why, fail);
    bool ok = fetch(s, &r, &o, fail);
    if (ok && o.status != MESSAGE_VALID)
        ok = session_enter(s, PHASE_AUTHORIZING, fail);
    else if (ok && o.certificate)
        ok = download_chain(s, o.certificate, key, &pem, fail) &&
             (store_save_pending_chain(&s->store, &pem, &why) ||
              failure_set(fail, FAILURE_LOCAL, "%s", why.text)) &&
             session_enter(s, PHASE_INSTALLING, fail);
    else if (ok)
        ok = failure_set(fail, FAILURE_PROTOCOL, "the CA's order has no certificate");
    EVP_PKEY_free(key);
    buf_free(&pem);
    order_free(&o);
    response_free(&r);
    return ok;
}

/* --- Driving ---------------------------------------------------------------------------------- */

/* Another account has no way to an order; some CAs say "unauthorized" for ever. */
static bool drop_if_foreign(struct session *s, struct failure *fail)
{
    if (!s->state.account || text_same(s->state.account, s->client.kid))
        return true;
    log_warning("the order under way is of account %s, and this is %s; it is given up",
                s->state.account, s->client.kid);
    return session_drop_order(s, fail);
}

/* Phases that talk to the CA need the directory and the account. */
static bool online(struct session *s, struct failure *fail)
{
    if (s->client.kid)
        return true;
    return client_directory(&s->client, fail) && account_ready(s, fail) && drop_if_foreign(s, fail);
}

static bool advance(struct session *s, struct failure *fail)
{
    enum phase phase = s->state.phase;
    if (phase == PHASE_IDLE && !make_key(s, fail))
        return false;
    if (phase < PHASE_INSTALLING && !online(s, fail))
        return false;
    if (s->state.phase != phase)
        return true; /* the order was given up: from the top */
    switch (phase) {
    case PHASE_IDLE:
        return begin(s, fail);
    case PHASE_ORDERING:
        return place(s, fail);
    case PHASE_AUTHORIZING:
    case PHASE_FINALIZING:
        return follow(s, fail);
    case PHASE_DOWNLOADING:
        return download(s, fail);
    case PHASE_INSTALLING:
        return install_pending(s, fail);
    case PHASE_PROVING:
        return install_prove(s, fail);
    default:
        return failure_set(fail, FAILURE_LOCAL, "no such phase");
    }
}

/* The CA has forgotten the account or the order (both happen when it was set up anew): begin
 * again, once a run. */
static bool start_over(struct session *s, struct failure *fail)
{
    bool account = failure_is(fail, "accountDoesNotExist");
    /* A certificate that is not there yet was issued all the same: the order is kept. */
    bool order = s->state.order && is_unknown(fail) &&
                 (s->state.phase < PHASE_DOWNLOADING ||
                  (s->state.phase == PHASE_DOWNLOADING && s->order_gone));
    if (s->restarted || (!account && !order))
        return false;
    s->restarted = true;
    log_warning("starting over: %s", fail->text);
    return session_drop_order(s, fail) && (!account || account_again(s, fail));
}

/* For long the CA has answered, and refused this order: another may go better. Its own life may be
 * a week. */
static bool is_outlived(const struct session *s, const struct failure *fail)
{
    const struct state *state = &s->state;
    int64_t most = state->lifetime ? state->lifetime / 10 : AGE_MAX;
    bool refused = s->client.kid && fail->status >= 400 && fail->status != 429;
    return refused && state->phase >= PHASE_AUTHORIZING && state->phase <= PHASE_DOWNLOADING &&
           state->ordered_at != 0 &&
           clock_wall() - state->ordered_at > (most < AGE_MAX ? most : AGE_MAX);
}

/* Orders that cannot come to a good end are given up; all others are gone on with. */
static void give_up_if_hopeless(struct session *s, const struct failure *fail)
{
    struct failure ignored;
    bool later = fail->class == FAILURE_OVERLOAD || fail->class == FAILURE_RATE_LIMIT;
    bool refused = s->state.phase == PHASE_ORDERING && fail->status >= 400 && !later;
    bool useless = s->state.phase == PHASE_DOWNLOADING && fail->class == FAILURE_PROTOCOL &&
                   ++s->state.downloads >= DOWNLOADS_MAX;
    /* client.c's poll_wait: the CA has answered, and is still at work. */
    bool waits = (s->state.phase == PHASE_AUTHORIZING || s->state.phase == PHASE_FINALIZING) &&
                 fail->class == FAILURE_OVERLOAD && fail->status == 0;
    bool stuck = (waits && ++s->state.stalls >= STALLS_MAX) || is_outlived(s, fail);
    if (stuck)
        log_warning("the CA does not get on with %s; it is given up", s->state.order);
    if (stuck)
        order_give_up(s, &ignored);
    else if (refused || useless)
        session_drop_order(s, &ignored);
}

bool order_drive(struct session *s, struct failure *fail)
{
    do {
        while (!advance(s, fail)) {
            if (start_over(s, fail))
                continue;
            give_up_if_hopeless(s, fail);
            return false;
        }
    } while (s->state.phase != PHASE_IDLE || !s->changed);
    return true;
}

/* One order of a trial. *proved tells whether the CA has come and looked, and not remembered an
 * earlier look. What it remembers then is taken back, so that the next trial proves something. */
static bool rehearse(struct session *s, bool *proved, struct failure *fail)
{
    struct response r = {0};
    struct order o = {0};
    bool ok = place(s, fail) && fetch(s, &r, &o, fail);
    *proved = ok && o.status == MESSAGE_PENDING;
    if (ok && o.status == MESSAGE_INVALID)
        ok = dead(s, &o, fail);
    if (*proved)
        ok = authorize_all(s, &o, fail);
    for (size_t i = 0; ok && i < o.authorization_count; i++)
        leftover_renounce(s, o.authorizations[i]);
    order_free(&o);
    response_free(&r);
    return ok;
}

bool order_rehearse(struct session *s, struct failure *fail)
{
    bool proved = false;
    if (!online(s, fail))
        return false;
    for (int i = 0; i < 3 && !proved; i++) {
        /* Staging directories forget their accounts now and then. */
        if (!rehearse(s, &proved, fail) && !start_over(s, fail))
            return false;
    }
    return proved || failure_set(fail, FAILURE_PROTOCOL,
                                 "it does not validate, but remembers to have done so");
}

/* A record of a run that was cut off, unless it serves still, and those that could not be taken
 * away. */
static void tidy(struct session *s, bool all)
{
    if (s->state.hook_name && s->state.phase != PHASE_AUTHORIZING)
        publish_withdraw(s);
    publish_tidy(s, all);
}

bool order_give_up(struct session *s, struct failure *fail)
{
    if (s->state.phase == PHASE_AUTHORIZING)
        leftover_note(&s->state);
    return session_drop_order(s, fail);
}

bool order_reconcile(struct session *s, const struct authority *list, size_t count, bool all,
                     struct failure *fail)
{
    const struct state *state = &s->state;
    const struct authority *ca = authority_find(list, count, state->directory);
    tidy(s, all);
    if (state->phase == PHASE_IDLE || (ca && text_same(state->domain, s->config->domain) &&
                                       text_same(state->profile, ca->profile)))
        return true;
    log_warning("the order under way was for %s at %s; the configuration has changed, so it is "
                "given up",
                state->domain, state->directory);
    return order_give_up(s, fail);
}
