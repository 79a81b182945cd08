/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of derp-setup: what it was asked, what it found and what it will do. The parts of a run
 * (preflight, plan, steps) hand this struct from one to the next.
 */
#ifndef INSTALLER_SETUP_H
#define INSTALLER_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "dnscheck/dnscheck.h"
#include "firewall/firewall.h"
#include "installer/desired.h"
#include "installer/directory.h"
#include "installer/journal.h"
#include "installer/options.h"
#include "installer/report.h"
#include "installer/whereabouts.h"

/* Exit codes, a contract with scripts. */
enum setup_exit {
    EXIT_DONE = 0,        /* done, or healthy */
    EXIT_UNEXPECTED = 1,  /* also: status found something degraded, or the person said no */
    EXIT_USAGE = 2,       /* usage, not root, or an answer is needed */
    EXIT_PREFLIGHT = 3,   /* a check failed, nothing changed; status: not set up */
    EXIT_DNS = 4,         /* not ready within --wait-dns */
    EXIT_FIREWALL = 5,    /* refused or rolled back */
    EXIT_CERTIFICATE = 6, /* none could be had yet */
    EXIT_SERVICE = 7,     /* the relay did not become healthy */
    EXIT_LOCKED = 8,      /* another run is at work */
    EXIT_INTERRUPTED = 130,
};

#define SETUP_MAX_ALLOW (OPTIONS_MAX_PORTS + 2 * CONFIG_MAX_LISTEN)

struct setup {
    const struct options *opt; /* as given, or answers */
    struct options answers;    /* with what was found out or asked, see choose.h */
    char clients[512];         /* what answers points to */
    char uplink[512];
    struct report report;

    struct journal journal;
    bool journal_broken; /* the one on the disk could not be read: it is put aside, not lost */

    char *old_text; /* of the config; NULL: there is none */
    struct desired desired;

    struct endpoint ip4, ip6; /* given now or in an earlier run */
    struct whereabouts where;
    struct dnscheck_own own;
    struct dnscheck_result dns;
    struct directory ca;
    char *account;          /* this server's at that CA; NULL: not known */
    bool waited_for_dns;    /* in vain */
    struct findings early;  /* found before the checks began, shown with them */
    bool certificate_asked; /* --certificate or --acme-profile was given: the choice stands */

    bool use_firewall;
    bool oracle; /* it is left alone, since this is a server of Oracle's cloud */
    struct firewall_port allow[SETUP_MAX_ALLOW];
    struct firewall_options firewall; /* points into this struct */
    struct firewall_state firewall_state;
    struct firewall_plan firewall_plan;

    bool service_active;  /* derpd.service */
    unsigned service_pid; /* its process, 0: none, or nobody looked */
    bool service_enabled; /* at boot */
    bool timer_active;
    bool timer_enabled;

    bool told_to_log_in; /* how, while the firewall waits for a new login */

    bool certificate_issued; /* by this run */
    bool changed;            /* something on the server was changed by this run */
};

/*
 * Reads journal and config and makes of them what is desired. Findings config.broken and
 * config.unreadable (fail; s->desired is then what a first run would make, so that other checks
 * can go on), journal.broken (warn). false: one of the former.
 */
bool setup_load(struct setup *s);

/* Reads the config again, and makes of it what the options want now. false: it is reported. */
bool setup_reload(struct setup *s);

/* What the firewall has to do for this config. */
void setup_firewall_options(struct setup *s);

/* The derpMap of this relay as JSON, or in format; free() it. NULL: no domain is known. */
char *setup_derpmap(const struct setup *s, enum map_format format);

/* Saves the journal; a failure is reported. */
bool setup_save(struct setup *s);

/* Frees everything but the report. */
void setup_free(struct setup *s);

#endif
