/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/outside.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/translate.h"
#include "installer/desired.h"

#define PROOF_HOLDS (90 * 86400) /* seconds: then somebody may have changed the way in between */

static void fix_at_others(enum cloud cloud, const char *ports, size_t at, struct findings *all)
{
    switch (cloud) {
    case CLOUD_ORACLE:
        finding_fix(all, at,
                    "allow %s in the Oracle Cloud console: Virtual cloud networks, the subnet's "
                    "security list, ingress rules from 0.0.0.0/0; `tailscale netcheck` on a client "
                    "then shows the relay",
                    ports);
        break;
    case CLOUD_HETZNER:
        finding_fix(
            all, at,
            "if a firewall applies to this server in the Hetzner Cloud console (Firewalls), "
            "allow %s there, inbound; `tailscale netcheck` on a client then shows the relay",
            ports);
        break;
    case CLOUD_DIGITALOCEAN:
        finding_fix(all, at,
                    "if a cloud firewall applies to this Droplet (Networking, Firewalls), allow %s "
                    "there, inbound; `tailscale netcheck` on a client then shows the relay",
                    ports);
        break;
    default:
        finding_fix(all, at,
                    "also allow %s in the provider's console (\"security group\", \"firewall "
                    "rules\", \"security list\"); `tailscale netcheck` on a client then shows the "
                    "relay",
                    ports);
    }
}

/* In the words of each provider's console. */
static void fix_at_provider(enum cloud cloud, const char *ports, size_t at, struct findings *all)
{
    switch (cloud) {
    case CLOUD_ALIBABA:
        finding_fix(all, at,
                    "allow %s in the console of Alibaba Cloud: ECS, Security Groups, inbound rules "
                    "(of a simple application server: Firewall), source 0.0.0.0/0; `tailscale "
                    "netcheck` on a client then shows the relay",
                    ports);
        break;
    case CLOUD_TENCENT:
        finding_fix(all, at,
                    "allow %s in the console of Tencent Cloud: CVM, Security Groups, inbound rules "
                    "(of a Lighthouse server: Firewall), source 0.0.0.0/0; `tailscale netcheck` on "
                    "a client then shows the relay",
                    ports);
        break;
    case CLOUD_AWS:
        finding_fix(all, at,
                    "allow %s in the AWS console: EC2, Security Groups, inbound rules (of a "
                    "Lightsail server: Networking, firewall), source 0.0.0.0/0 and ::/0; "
                    "`tailscale netcheck` on a client then shows the relay",
                    ports);
        break;
    case CLOUD_GCE:
        finding_fix(all, at,
                    "allow %s in the Google Cloud console: VPC network, Firewall, a rule for "
                    "ingress from 0.0.0.0/0; `tailscale netcheck` on a client then shows the relay",
                    ports);
        break;
    case CLOUD_AZURE:
        finding_fix(all, at,
                    "allow %s in the Azure portal: the virtual machine, Networking, inbound port "
                    "rules of its network security group; `tailscale netcheck` on a client then "
                    "shows the relay",
                    ports);
        break;
    default:
        fix_at_others(cloud, ports, at, all);
    }
}

void outside_console(const struct config *c, enum cloud cloud, enum severity severity,
                     struct findings *all)
{
    char ports[48];
    size_t at = finding_add(all, severity, "outside.console",
                            "a firewall of the provider in front of this server cannot be seen "
                            "from here");
    if (c->stun.count)
        translate_print(ports, sizeof ports, "%u/tcp, %u/udp", desired_port(c),
                        desired_stun_port(c));
    else
        snprintf(ports, sizeof ports, "%u/tcp", desired_port(c));
    fix_at_provider(cloud, ports, at, all);
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
