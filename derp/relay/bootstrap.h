/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /bootstrap-dns: addresses of configured names, for clients whose own DNS does not work. They are
 * looked up every ten minutes, on a thread, so that nobody waits for a resolver. Main thread only.
 */
#ifndef DERP_RELAY_BOOTSTRAP_H
#define DERP_RELAY_BOOTSTRAP_H

#include "base/config.h"
#include "derp/net/loop.h"
#include "derp/relay/site.h"

struct bootstrap;

/* Puts what it finds into the site, which must outlive it. Starts nothing until there are names. */
struct bootstrap *bootstrap_new(struct loop *loop, struct site *site);

/* Other names from now on (copied): they are looked up at once. What is known of those that stay
 * is kept. */
void bootstrap_set(struct bootstrap *b, const struct config_names *names);

/* Does not wait for a lookup that is under way. NULL: no-op. */
void bootstrap_free(struct bootstrap *b);

#endif
