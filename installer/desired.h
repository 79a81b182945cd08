/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the flags, earlier runs and the config that is there add up to: the config as it should be,
 * and what differs. A setting that no flag names keeps its value. Pure.
 */
#ifndef INSTALLER_DESIRED_H
#define INSTALLER_DESIRED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "base/fault.h"
#include "installer/journal.h"
#include "installer/options.h"

/* Where Debian's and Tailscale's packages put tailscaled's socket. */
#define DESIRED_TAILSCALED "/var/run/tailscale/tailscaled.sock"

#define DESIRED_STAGING_DIRECTORY "https://acme-staging-v02.api.letsencrypt.org/directory"

struct desired {
    char *text;           /* the whole config */
    struct config config; /* the same, parsed */
    char *changes;        /* "uplink off -> 4mbit, email a@b"; "" when nothing differs */
    bool relay_changed; /* something differs that is read at a start only: derpd has to be restarted
                           for it */
    bool acme_changed;  /* the domain, the CA, or whether there is one */
    bool accounts_changed; /* something in [acme] differs */
    bool was_self_signed;  /* the config had a certificate of the relay's own for the same name */
    bool domain_changed;   /* the config was for another domain, old_domain */
    char *old_domain;      /* NULL when there was none */
};

/*
 * old_text: the present config, NULL when there is none. kernel_has_ipv6: sockets of that family
 * can be had. false with file and line when the present config is broken, or when the result
 * would be. Without a domain and without a config it holds defaults. Free with desired_free in both
 * cases.
 */
bool desired_make(const struct options *o, const struct journal *j, const char *old_text,
                  bool kernel_has_ipv6, struct desired *w, struct fault *f);
void desired_free(struct desired *w);

/* Merges the flags into the settings that only the journal keeps. */
void desired_settings(const struct options *o, struct journal_settings *s);

/* A relay whose name is its address (--ip). */
bool desired_has_no_domain(const struct config *c);

/* TCP port that clients connect to, UDP port of STUN (0: off). */
uint16_t desired_port(const struct config *c);
uint16_t desired_stun_port(const struct config *c);

#endif
