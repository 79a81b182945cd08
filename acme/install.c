/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/install.h"

#include <string.h>

#include "acme/attempts.h"
#include "acme/chain.h"
#include "acme/generation.h"
#include "acme/key.h"
#include "acme/probe.h"
#include "base/clock.h"
#include "base/log.h"

bool install_check(const struct session *s, const struct buf *pem, EVP_PKEY *key, struct buf *out,
                   struct failure *fail)
{
    struct chain c;
    struct fault why;
    bool public_root = s->ca->ca_file == NULL;
    bool ok = chain_parse(pem->data, pem->len, &c, &why) &&
              chain_fits(&c, key, s->config->domain, &why) &&
              chain_verify(&c, clock_wall(), public_root, &why) &&
              (!out || chain_to_pem(&c, out, &why));
    chain_free(&c);
    return ok || failure_set(fail, FAILURE_PROTOCOL, "%s", why.text);
}

/* --- Installing ------------------------------------------------------------------------------- */

/* The pending key and chain, checked once more: a day may lie between download and installation. */
static bool load_pending(struct session *s, struct buf *chain, struct buf *key_pem,
                         struct failure *fail)
{
    struct fault why;
    struct buf raw;
    EVP_PKEY *key = store_pending_key(&s->store, &why);
    bool ok = store_load_pending_chain(&s->store, &raw, &why) && key;
    ok = ok ? install_check(s, &raw, key, chain, fail)
            : failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    if (ok && !key_to_pem(key, key_pem, &why))
        ok = failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    EVP_PKEY_free(key);
    buf_free(&raw);
    return ok;
}

bool install_pending(struct session *s, struct failure *fail)
{
    struct buf chain, key;
    struct fault why;
    unsigned number;
    buf_init(&chain, CHAIN_BYTES_MAX);
    buf_init(&key, CHAIN_BYTES_MAX);
    bool ok = load_pending(s, &chain, &key, fail);
    if (!ok) {
        log_warning("the downloaded certificate cannot be used (%s); it is fetched again",
                    fail->text);
        ok = session_enter(s, PHASE_DOWNLOADING, fail);
    } else if (!generation_create(&s->store, &chain, &key, &number, &why)) {
        ok = failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    } else {
        s->state.generation = number;
        s->state.previous = generation_current(&s->store);
        ok = session_enter(s, PHASE_PROVING, fail);
    }
    buf_free(&chain);
    buf_wipe(&key);
    return ok;
}

/* --- Proving ---------------------------------------------------------------------------------- */

static bool finish(struct session *s, const struct chain_facts *facts, struct failure *fail)
{
    struct state *state = &s->state;
    time_t now = clock_wall();
    state_set(&state->issued_by, state->directory);
    state_set(&state->issued_account, state->account);
    state->issued_at = now;
    state->lifetime = (unsigned)(facts->not_after - facts->not_before);
    if (state->suggested)
        state->suggested_at = now;
    attempts_succeeded(state, state->directory);
    attempts_of(state, state->directory)->enrolled = true;
    s->changed = true;
    if (!session_drop_order(s, fail))
        return false;
    generation_prune(&s->store);
    return true;
}

static bool roll_back(struct session *s, const char *served, struct failure *fail)
{
    struct fault why;
    struct state *state = &s->state;
    unsigned bad = state->generation, good = state->previous;
    struct generation g;
    generation_read(&s->store, good, s->config->domain, &g);
    if (!g.usable || g.facts.not_after <= clock_wall())
        return failure_set(fail, FAILURE_LOCAL,
                           "the relay does not serve the new certificate gen-%u: %s; there is no "
                           "good one to go back to, so it stays in place",
                           bad, served);
    if (!generation_switch(&s->store, good, &why))
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    state->generation = 0;
    state->previous = 0;
    if (!session_enter(s, PHASE_INSTALLING, fail))
        return false;
    generation_remove(&s->store, bad);
    return failure_set(fail, FAILURE_LOCAL,
                       "the relay does not serve the new certificate: %s; gone back to gen-%u. "
                       "See derpd's log for its reason",
                       served, good);
}

/* A generation that cannot be read back is made again, once a run: disks change bits. */
static bool make_again(struct session *s, const struct generation *g, struct failure *fail)
{
    if (!session_enter(s, PHASE_INSTALLING, fail))
        return false;
    if (generation_current(&s->store) != g->number)
        generation_remove(&s->store, g->number);
    if (s->remade)
        return failure_set(fail, FAILURE_LOCAL, "gen-%u cannot be used, again: %s", g->number,
                           g->why.text);
    s->remade = true;
    log_warning("gen-%u is damaged (%s); it is made again", g->number, g->why.text);
    return true;
}

bool install_prove(struct session *s, struct failure *fail)
{
    char served[512], end[CLOCK_TEXT];
    struct fault why;
    struct generation g;
    generation_read(&s->store, s->state.generation, s->config->domain, &g);
    if (!g.usable)
        return make_again(s, &g, fail);
    if (generation_current(&s->store) != g.number && !generation_switch(&s->store, g.number, &why))
        return failure_set(fail, FAILURE_LOCAL, "%s", why.text);
    log_info("gen-%u is in place (until %s); looking whether the relay serves it", g.number,
             clock_print(g.facts.not_after, end));
    switch (probe_wait(s->config, g.facts.fingerprint, served, sizeof served)) {
    case PROBE_SAME:
        log_info("the relay serves gen-%u", g.number);
        return finish(s, &g.facts, fail);
    case PROBE_NOBODY:
        log_warning("%s, so nobody proves that gen-%u is served; it stays in place", served,
                    g.number);
        return finish(s, &g.facts, fail);
    case PROBE_OTHER:
        return roll_back(s, served, fail);
    }
    return false;
}

/* --- Mending ---------------------------------------------------------------------------------- */

bool install_repair(struct session *s, struct generation *g)
{
    struct fault why;
    time_t now = clock_wall();
    unsigned number = generation_current(&s->store);
    generation_read(&s->store, number, s->config->domain, g);
    if (g->usable && now < g->facts.not_after)
        return false;
    unsigned best = generation_best(&s->store, s->config->domain, now);
    if (best == 0 || best == number || s->state.phase == PHASE_PROVING)
        return false;
    if (!generation_switch(&s->store, best, &why)) {
        log_error("%s", why.text);
        return false;
    }
    log_warning("the certificate in use was not usable (%s); back to gen-%u",
                g->usable ? "it has expired" : g->why.text, best);
    generation_read(&s->store, best, s->config->domain, g);
    return true;
}
