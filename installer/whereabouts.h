/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this server stands: in which cloud, and who says what its public IPv4 address is. A cloud's
 * metadata service is asked only when the machine's DMI says that it is that cloud; STUN servers
 * and HTTPS services only when no interface has a public address and none was given.
 */
#ifndef INSTALLER_WHEREABOUTS_H
#define INSTALLER_WHEREABOUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "dnscheck/dnscheck.h"

struct whereabouts {
    bool known; /* asked already */
    enum cloud cloud;
    char region[CLOUD_TEXT];
    struct dnscheck_witness witnesses[DNSCHECK_WITNESSES_MAX];
    size_t count;
};

/* The cloud that the machine's DMI names. */
enum cloud whereabouts_cloud(void);

/*
 * Fills w and makes o point to it, unless that was done before. o: the options of the check, by
 * which names are looked up. earlier: the address an earlier run found, or NULL. Takes some seconds
 * at most.
 */
void whereabouts_find(const struct config *c, const char *earlier, struct dnscheck_options *o,
                      struct whereabouts *w);

/* cloud.* findings for the server. public_ca: a public CA will connect to it. */
void whereabouts_judge(const struct whereabouts *w, bool public_ca, struct findings *all);

#endif
