/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/doctor.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "installer/bundle.h"
#include "installer/ca.h"
#include "installer/clients.h"
#include "installer/configfile.h"
#include "installer/health.h"
#include "installer/outside.h"
#include "installer/preflight.h"
#include "installer/proof.h"
#include "installer/server.h"
#include "installer/stop.h"

/* Together less than five seconds, with what ending a look that is late takes. */
#define LOOKS_MS 3700
#define PROOF_MS 800
#define CA_MS    1800 /* then the DNS is judged by a guess at the CA's name */

struct doctor;
typedef void (*look)(struct doctor *d, struct findings *all);

/* Looks of one chain are made one after the other, the chains at the same time. */
enum chain { CHAIN_RELAY, CHAIN_FIREWALL, CHAIN_CA, CHAIN_DNS, CHAIN_CERTIFICATE, CHAIN_COUNT };

struct task {
    const char *label;
    enum chain chain;
    look look;
};

#define MAX_TASKS 16

struct doctor {
    struct setup *s;
    const struct task *tasks;
    size_t count;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t ended; /* signalled when something is done */
    bool done[MAX_TASKS];
    bool ca_done;
    struct findings found[MAX_TASKS];
};

/* --- The looks ---------------------------------------------------------------------------------
 */

static void look_at_server(struct doctor *d, struct findings *all)
{
    (void)d;
    server_check(all);
    server_judge_age(clock_build(), clock_wall(), all);
}

static void look_at_service(struct doctor *d, struct findings *all)
{
    health_service(d->s, all);
}

static void look_at_limits(struct doctor *d, struct findings *all)
{
    health_limits(d->s, all);
}

static void look_at_ports(struct doctor *d, struct findings *all)
{
    preflight_ports(d->s, all);
}

static void look_at_relay(struct doctor *d, struct findings *all)
{
    health_relay(d->s, all);
}

static void look_at_clients(struct doctor *d, struct findings *all)
{
    clients_ask(&d->s->desired.config, all);
    if (!findings_get(all, "clients.keys")) /* derpd would say the same again */
        configfile_check(d->s, all);
}

static void look_at_firewall(struct doctor *d, struct findings *all)
{
    struct setup *s = d->s;
    if (s->oracle)
        finding_add(all, SEVERITY_SKIP, "firewall.none",
                    "left alone on a server of Oracle's cloud, which has rules of its own");
    else if (!s->use_firewall)
        finding_add(all, SEVERITY_SKIP, "firewall.none", "left alone, as --firewall=none said");
    else if (firewall_inspect(&s->firewall, &s->firewall_state, all))
        firewall_verify(&s->firewall, &s->firewall_state, all);
}

static void look_outside(struct doctor *d, struct findings *all)
{
    outside_console(&d->s->desired.config, whereabouts_cloud(), SEVERITY_SKIP, all);
}

static void look_at_ca(struct doctor *d, struct findings *all)
{
    ca_check(&d->s->desired.config, &d->s->ca, all);
    pthread_mutex_lock(&d->lock);
    d->ca_done = true;
    pthread_cond_broadcast(&d->ended);
    pthread_mutex_unlock(&d->lock);
}

static void look_at_certificate(struct doctor *d, struct findings *all)
{
    health_certificate(d->s, all);
}

static void look_at_renewal(struct doctor *d, struct findings *all)
{
    health_renewal(d->s, all);
}

static void look_at_proof(struct doctor *d, struct findings *all)
{
    proof_check(d->s, all);
}

/* --- Waiting -----------------------------------------------------------------------------------
 */

/* Waits for a signal of ended until a point of the monotonic clock, with the lock held; returns in
 * between, so that Ctrl-C is seen. false: it has come. */
static bool wait_until(struct doctor *d, int64_t deadline)
{
    int64_t now = clock_mono_ms();
    int64_t until = deadline < now + 100 ? deadline : now + 100;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    if (now >= deadline)
        return false;
    pthread_cond_timedwait(&d->ended, &d->lock, &at);
    return true;
}

/* The CA says what it is called in CAA records. */
static bool ca_is_known(struct doctor *d)
{
    int64_t deadline = clock_mono_ms() + CA_MS;
    pthread_mutex_lock(&d->lock);
    while (!d->ca_done && !stop_wanted() && wait_until(d, deadline))
        ;
    bool known = d->ca_done;
    pthread_mutex_unlock(&d->lock);
    return known;
}

static void look_at_dns(struct doctor *d, struct findings *all)
{
    struct directory guess = {0};
    preflight_own(d->s, all);
    if (ca_is_known(d)) {
        preflight_domain(d->s, &d->s->ca, all);
        return;
    }
    directory_guess(d->s->desired.config.acme_directory, &guess);
    preflight_domain(d->s, &guess, all);
    ca_directory_free(&guess);
}

/* --- At the same time --------------------------------------------------------------------------
 */

struct chain_arg {
    struct doctor *d;
    enum chain chain;
};

static void *run_chain(void *arg)
{
    const struct chain_arg *mine = arg;
    struct doctor *d = mine->d;
    for (size_t i = 0; i < d->count; i++) {
        if (d->tasks[i].chain != mine->chain || stop_wanted())
            continue;
        d->tasks[i].look(d, &d->found[i]);
        pthread_mutex_lock(&d->lock);
        d->done[i] = !stop_wanted();
        pthread_cond_broadcast(&d->ended);
        pthread_mutex_unlock(&d->lock);
    }
    return NULL;
}

static bool all_done(const struct doctor *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (!d->done[i])
            return false;
    return true;
}

static void report_late(struct doctor *d, size_t i, long ms)
{
    char id[40];
    findings_free(&d->found[i]);
    snprintf(id, sizeof id, "%s.late", d->tasks[i].label);
    size_t at = finding_add(&d->found[i], SEVERITY_WARN, id, "there was no answer within %ld.%ld s",
                            ms / 1000, ms % 1000 / 100);
    finding_fix(&d->found[i], at,
                "`derp-setup check %s` takes the time it needs; `derp-setup doctor` again",
                d->s->desired.config.domain ? d->s->desired.config.domain : "DOMAIN");
}

/* Runs the tasks and reports what they found, in their order. */
static void look_at_all(struct doctor *d, const struct task *tasks, size_t count, long ms)
{
    pthread_t threads[CHAIN_COUNT];
    bool started[CHAIN_COUNT];
    struct chain_arg args[CHAIN_COUNT];
    int64_t deadline = clock_mono_ms() + ms;
    report_begin(&d->s->report, "doctor", NULL);
    d->tasks = tasks;
    d->count = count;
    memset(d->done, 0, sizeof d->done);
    for (size_t i = 0; i < CHAIN_COUNT; i++) {
        args[i] = (struct chain_arg){d, (enum chain)i};
        started[i] = pthread_create(&threads[i], NULL, run_chain, &args[i]) == 0;
        if (!started[i])
            run_chain(&args[i]);
    }
    pthread_mutex_lock(&d->lock);
    while (!all_done(d) && !stop_wanted() && wait_until(d, deadline))
        ;
    pthread_mutex_unlock(&d->lock);
    stop_expire();
    for (size_t i = 0; i < CHAIN_COUNT; i++)
        if (started[i])
            pthread_join(threads[i], NULL);
    stop_resume();
    report_end(&d->s->report);
    for (size_t i = 0; i < count; i++) {
        if (!d->done[i] && !stop_wanted())
            report_late(d, i, ms);
        report_findings(&d->s->report, &d->found[i]);
    }
}

enum setup_exit doctor_run(struct setup *s)
{
    static const struct task looks[] = {
        {"server", CHAIN_RELAY, look_at_server},
        {"service", CHAIN_RELAY, look_at_service},
        {"limits", CHAIN_RELAY, look_at_limits},
        {"ports", CHAIN_RELAY, look_at_ports},
        {"relay", CHAIN_RELAY, look_at_relay},
        {"clients", CHAIN_CERTIFICATE, look_at_clients},
        {"firewall", CHAIN_FIREWALL, look_at_firewall},
        {"outside", CHAIN_RELAY, look_outside},
        {"ca", CHAIN_CA, look_at_ca},
        {"dns", CHAIN_DNS, look_at_dns},
        {"certificate", CHAIN_CERTIFICATE, look_at_certificate},
        {"renewal", CHAIN_CERTIFICATE, look_at_renewal},
    };
    static const struct task proof[] = {{"proof", CHAIN_RELAY, look_at_proof}};
    struct doctor d = {.s = s, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t monotonic;
    enum setup_exit code;
    code = bundle_admit(s);
    if (code != EXIT_DONE || !health_is_set_up(s, &code))
        return code;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d.ended, &monotonic);
    look_at_all(&d, looks, sizeof looks / sizeof *looks, LOOKS_MS);
    if (!stop_wanted())
        look_at_all(&d, proof, 1, PROOF_MS);
    if (s->opt->report && !stop_wanted())
        bundle_write(s);
    return health_verdict(s);
}
