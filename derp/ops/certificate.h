/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificate the relay presents: found by the config's source, reloaded when its files
 * change, refused when it is bad (the old one stays), temporary while there is none.
 */
#ifndef DERP_OPS_CERTIFICATE_H
#define DERP_OPS_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/config.h"
#include "derp/net/identity.h"
#include "derp/net/loop.h"
#include "derp/ops/successor.h"
#include "derp/relay/relay.h"

struct certificate_watch;

enum certificate_state {
    CERTIFICATE_TEMPORARY, /* self-signed until derp-acme has one: clients are not to come */
    CERTIFICATE_GOOD,
    CERTIFICATE_EXPIRED, /* or not yet valid */
};

struct certificate_status {
    enum certificate_state state;
    struct identity_info info;
    uint64_t reloads;      /* that changed the certificate, the first load included */
    uint64_t refused;      /* pairs that could not be used */
    struct successor next; /* of a certificate of its own; not of others */
    char problem[512];     /* why the newest pair was refused; "" when it was not */
};

/*
 * Loads (or makes) the first certificate, gives it to the relay and starts watching. config and
 * relay must outlive it. NULL with a reason when not even a temporary one can be made, or when
 * source = files and the files cannot be used: that is a mistake a person should see at once.
 */
struct certificate_watch *certificate_watch_new(const struct config *config, struct relay *relay,
                                                const struct node_key *server_key,
                                                struct loop *loop, struct fault *f);

/* Looks again now, also when nothing seems to have changed. */
void certificate_watch_reload(struct certificate_watch *w);

/* Follows another config from now on (source, paths, domain), and looks. */
void certificate_watch_config(struct certificate_watch *w, const struct config *config);

void certificate_watch_status(const struct certificate_watch *w, struct certificate_status *s);
void certificate_watch_free(struct certificate_watch *w);

/* Tries to load what the config names, without a relay: for derpd --check. */
bool certificate_check(const struct config *config, struct fault *f);

const char *certificate_state_name(enum certificate_state s);

#endif
