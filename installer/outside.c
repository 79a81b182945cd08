/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/outside.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/translate.h"
#include "installer/desired.h"

#define PROOF_HOLDS (90 * 86400) /* seconds: then somebody may have changed the way in between */

void outside_console(const struct config *c, enum severity severity, struct findings *all)
{
    char stun[32] = "";
    size_t at = finding_add(all, severity, "outside.console",
                            "a firewall of the provider in front of this server cannot be seen "
                            "from here");
    if (c->stun.count)
        translate_print(stun, sizeof stun, " and %u/udp", desired_stun_port(c));
    finding_fix(
        all, at,
        "also allow %u/tcp%s in the provider's console (\"security group\", \"firewall "
        "rules\", \"security list\"); `tailscale netcheck` on a client then shows the relay",
        desired_port(c), stun);
}

void outside_proof(const struct config *c, const struct acmestatus *st, time_t now,
                   struct findings *all)
{
    char when[CLOCK_TEXT];
    bool challenged = c->source == CONFIG_SOURCE_ACME && c->challenge != CONFIG_CHALLENGE_DNS_01;
    unsigned port = c->challenge == CONFIG_CHALLENGE_HTTP_01 ? 80 : 443;
    if (challenged && st && st->good && st->not_before && now - st->not_before < PROOF_HOLDS) {
        finding_add(all, SEVERITY_OK, "outside.tls",
                    "the CA reached %u/tcp from outside before it gave the certificate of %s", port,
                    clock_print(st->not_before, when));
        return;
    }
    finding_add(all, SEVERITY_SKIP, "outside.tls",
                "whether %u/tcp is reached from outside was not proven by a CA lately",
                desired_port(c));
}
