/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/cloud.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/translate.h"

#define LINK_LOCAL "http://169.254.169.254"
#define ALIBABA    "http://100.100.100.200/latest"
#define TENCENT    "http://169.254.0.23/latest/meta-data"
#define AZURE      LINK_LOCAL "/metadata/instance"
#define AZURE_TAIL "?api-version=2021-02-01&format=text"

/* Tailscale's own resolver, which is in the range it defends. */
#define MAGIC_DNS "100.100.100.100"

static const struct cloud_service services[] = {
    [CLOUD_ALIBABA] = {.token = ALIBABA "/api/token",
                       .token_ask = "X-aliyun-ecs-metadata-token-ttl-seconds: 60",
                       .token_header = "X-aliyun-ecs-metadata-token: ",
                       .address = {ALIBABA "/meta-data/eipv4", ALIBABA "/meta-data/public-ipv4"},
                       .region = ALIBABA "/meta-data/region-id"},
    [CLOUD_TENCENT] = {.address = {TENCENT "/public-ipv4"}, .region = TENCENT "/placement/region"},
    [CLOUD_AWS] = {.token = LINK_LOCAL "/latest/api/token",
                   .token_ask = "X-aws-ec2-metadata-token-ttl-seconds: 60",
                   .token_header = "X-aws-ec2-metadata-token: ",
                   .address = {LINK_LOCAL "/latest/meta-data/public-ipv4"},
                   .region = LINK_LOCAL "/latest/meta-data/placement/region"},
    [CLOUD_GCE] = {.header = "Metadata-Flavor: Google",
                   .address = {LINK_LOCAL "/computeMetadata/v1/instance/network-interfaces/0/"
                                          "access-configs/0/external-ip"}},
    [CLOUD_AZURE] = {.header = "Metadata: true",
                     .address = {AZURE "/network/interface/0/ipv4/ipAddress/0/"
                                       "publicIpAddress" AZURE_TAIL},
                     .region = AZURE "/compute/location" AZURE_TAIL},
    [CLOUD_HETZNER] = {.address = {LINK_LOCAL "/hetzner/v1/metadata/public-ipv4"}},
    [CLOUD_DIGITALOCEAN] = {.address = {LINK_LOCAL
                                        "/metadata/v1/interfaces/public/0/ipv4/address"}},
};

enum cloud cloud_identify(const struct cloud_dmi *dmi)
{
    /* As cloud-init does it (tools/ds-identify). */
    static const struct {
        const char *vendor;
        enum cloud cloud;
    } vendors[] = {
        {"Alibaba Cloud", CLOUD_ALIBABA},
        {"Tencent Cloud", CLOUD_TENCENT},
        {"Amazon EC2", CLOUD_AWS},
        {"Hetzner", CLOUD_HETZNER},
        {"DigitalOcean", CLOUD_DIGITALOCEAN},
    };
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++) {
        if (strcmp(dmi->sys_vendor, vendors[i].vendor) == 0)
            return vendors[i].cloud;
    }
    if (strcmp(dmi->product_name, "Alibaba Cloud ECS") == 0)
        return CLOUD_ALIBABA;
    if (strcmp(dmi->product_name, "Google Compute Engine") == 0)
        return CLOUD_GCE;
    if (strcmp(dmi->chassis_asset_tag, "7783-7084-3265-9085-8269-3286-77") == 0)
        return CLOUD_AZURE;
    if (strcmp(dmi->chassis_asset_tag, "OracleCloud.com") == 0)
        return CLOUD_ORACLE;
    if (text_ends(dmi->bios_version, ".amazon"))
        return CLOUD_AWS; /* on Xen */
    return CLOUD_NONE;
}

const char *cloud_name(enum cloud cloud)
{
    static const char *const names[] = {
        [CLOUD_NONE] = "",
        [CLOUD_ALIBABA] = N_("Alibaba Cloud"),
        [CLOUD_TENCENT] = N_("Tencent Cloud"),
        [CLOUD_AWS] = "Amazon EC2",
        [CLOUD_GCE] = "Google Compute Engine",
        [CLOUD_AZURE] = "Microsoft Azure",
        [CLOUD_ORACLE] = "Oracle Cloud",
        [CLOUD_HETZNER] = "Hetzner Cloud",
        [CLOUD_DIGITALOCEAN] = "DigitalOcean",
    };
    return names[cloud];
}

const struct cloud_service *cloud_service(enum cloud cloud)
{
    if (cloud >= sizeof services / sizeof *services || !services[cloud].address[0])
        return NULL;
    return &services[cloud];
}

bool cloud_read_word(const char *body, size_t n, char *word, size_t cap)
{
    while (n > 0 && strchr(" \t\r\n", body[n - 1]) && body[n - 1])
        n--;
    while (n > 0 && strchr(" \t\r\n", *body) && *body) {
        body++;
        n--;
    }
    if (n == 0 || n >= cap)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (body[i] <= ' ' || body[i] > '~')
            return false;
    }
    memcpy(word, body, n);
    word[n] = '\0';
    return true;
}

bool cloud_read_address(const char *body, size_t n, struct endpoint *e)
{
    char word[ENDPOINT_TEXT];
    return cloud_read_word(body, n, word, sizeof word) && endpoint_parse_ip(word, e) &&
           e->any.sa_family == AF_INET && address_is_public(e);
}

bool cloud_is_mainland(enum cloud cloud, const char *region)
{
    static const char *const tencent[] = {
        "beijing", "changsha", "chengdu", "chongqing", "fuzhou",   "guangzhou",    "hangzhou",
        "hefei",   "jinan",    "nanjing", "qingyuan",  "shanghai", "shenyang",     "shenzhen",
        "tianjin", "wuhan",    "xian",    "zhengzhou", "xibei",    "shijiazhuang",
    };
    switch (cloud) {
    case CLOUD_ALIBABA:
        return text_starts(region, "cn-") && !text_starts(region, "cn-hongkong");
    case CLOUD_AWS:
        return text_starts(region, "cn-");
    case CLOUD_AZURE:
        return text_starts(region, "china");
    case CLOUD_TENCENT:
        for (size_t i = 0; text_starts(region, "ap-") && i < sizeof tencent / sizeof *tencent; i++)
            if (text_starts(region + 3, tencent[i]))
                return true;
        return false;
    default:
        return false;
    }
}

void cloud_nameservers(const char *resolv_conf, struct address_set *set)
{
    const char *key = "nameserver";
    for (const char *line = resolv_conf; *line; line += *line == '\n') {
        size_t n = strcspn(line, "\n");
        char ip[ENDPOINT_TEXT];
        struct endpoint e;
        size_t skip = strlen(key);
        if (text_starts(line, key) && (line[skip] == ' ' || line[skip] == '\t')) {
            skip += strspn(line + skip, " \t");
            size_t len = skip < n ? strcspn(line + skip, " \t\r\n#;") : 0;
            if (len > 0 && len < sizeof ip) {
                snprintf(ip, sizeof ip, "%.*s", (int)len, line + skip);
                if (endpoint_parse_ip(ip, &e))
                    address_set_add(set, &e);
            }
        }
        line += n;
    }
}

/* Name servers whose answers tailscaled takes for forged ones. */
static void pick_dropped(const struct address_set *from, struct address_set *to)
{
    struct endpoint magic;
    endpoint_parse_ip(MAGIC_DNS, &magic);
    for (size_t i = 0; i < from->count; i++) {
        if (address_classify(&from->list[i]) == ADDRESS_CGNAT &&
            !endpoint_same_ip(&from->list[i], &magic))
            address_set_add(to, &from->list[i]);
    }
}

static void see_tailscale(const struct cloud_facts *facts, struct findings *all)
{
    struct address_set dropped = {0};
    char text[256];
    pick_dropped(&facts->nameservers, &dropped);
    if (!facts->tailscaled || dropped.count == 0)
        return;
    size_t i =
        finding_add(all, SEVERITY_WARN, "cloud.tailscale",
                    "tailscaled on this server drops packets from 100.64.0.0/10 that do not "
                    "come out of the tailnet, and the system's name servers (%s) are in that "
                    "range: names, and with them the CA, cannot be looked up",
                    address_set_print(&dropped, text, sizeof text));
    finding_fix(all, i,
                "Let their answers pass, and see that this comes back after a restart of "
                "tailscaled: iptables -I ts-input -s %s -m conntrack --ctstate ESTABLISHED -j "
                "ACCEPT (for each of them), or use other name servers, such as 223.5.5.5",
                endpoint_print_ip(&dropped.list[0], text));
}

static void see_filing(const struct cloud_facts *facts, struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_WARN, "cloud.filing",
                           "this server is in mainland China (%s, %s): the provider resets "
                           "connections to ports 80 and 443 right after they name a domain without "
                           "an ICP filing, those of the CA and of clients alike",
                           cloud_name(facts->cloud), facts->region);
    finding_fix(all, i,
                "Have the domain filed with the provider first, or take a server outside the "
                "mainland (Hong Kong, for example); or use another port and a certificate of your "
                "own: --port=8443, and source = files in derp.conf");
}

void cloud_judge(const struct cloud_facts *facts, struct findings *all)
{
    see_tailscale(facts, all);
    if (facts->cloud == CLOUD_NONE)
        return;
    if (facts->public_ca && cloud_is_mainland(facts->cloud, facts->region))
        see_filing(facts, all);
    else
        finding_add(all, SEVERITY_OK, "cloud.ok", "%s%s%s", cloud_name(facts->cloud),
                    facts->region[0] ? ", " : "", facts->region);
}
