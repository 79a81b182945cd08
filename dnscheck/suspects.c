/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/suspects.h"

#include <string.h>

#include "base/translate.h"

struct range {
    const char *cdn;
    const char *network;
};

/* Networks that serve nothing but the CDN, as their owners publish them: cloudflare.com/ips,
 * api.fastly.com/public-ip-list. */
static const struct range ranges[] = {
    {"Cloudflare", "173.245.48.0/20"},  {"Cloudflare", "103.21.244.0/22"},
    {"Cloudflare", "103.22.200.0/22"},  {"Cloudflare", "103.31.4.0/22"},
    {"Cloudflare", "141.101.64.0/18"},  {"Cloudflare", "108.162.192.0/18"},
    {"Cloudflare", "190.93.240.0/20"},  {"Cloudflare", "188.114.96.0/20"},
    {"Cloudflare", "197.234.240.0/22"}, {"Cloudflare", "198.41.128.0/17"},
    {"Cloudflare", "162.158.0.0/15"},   {"Cloudflare", "104.16.0.0/13"},
    {"Cloudflare", "104.24.0.0/14"},    {"Cloudflare", "172.64.0.0/13"},
    {"Cloudflare", "131.0.72.0/22"},    {"Cloudflare", "2400:cb00::/32"},
    {"Cloudflare", "2606:4700::/32"},   {"Cloudflare", "2803:f800::/32"},
    {"Cloudflare", "2405:b500::/32"},   {"Cloudflare", "2405:8100::/32"},
    {"Cloudflare", "2a06:98c0::/29"},   {"Cloudflare", "2c0f:f248::/32"},
    {"Fastly", "23.235.32.0/20"},       {"Fastly", "43.249.72.0/22"},
    {"Fastly", "103.244.50.0/24"},      {"Fastly", "103.245.222.0/23"},
    {"Fastly", "103.245.224.0/24"},     {"Fastly", "104.156.80.0/20"},
    {"Fastly", "140.248.64.0/18"},      {"Fastly", "140.248.128.0/17"},
    {"Fastly", "146.75.0.0/17"},        {"Fastly", "151.101.0.0/16"},
    {"Fastly", "157.52.64.0/18"},       {"Fastly", "167.82.0.0/17"},
    {"Fastly", "167.82.128.0/20"},      {"Fastly", "167.82.160.0/20"},
    {"Fastly", "167.82.224.0/20"},      {"Fastly", "172.111.64.0/18"},
    {"Fastly", "185.31.16.0/22"},       {"Fastly", "199.27.72.0/21"},
    {"Fastly", "199.232.0.0/16"},       {"Fastly", "2a04:4e40::/32"},
    {"Fastly", "2a04:4e42::/32"},
};

struct suffix {
    const char *who;
    const char *name;
};

/* Other CDNs share their networks with servers of customers: only the name tells. */
static const struct suffix aliases[] = {
    {"Cloudflare", "cdn.cloudflare.net"},
    {"Cloudflare", "cdn.cloudflarecn.net"},
    {"Amazon CloudFront", "cloudfront.net"},
    {"Fastly", "fastly.net"},
    {"Fastly", "fastlylb.net"},
    {"Akamai", "edgekey.net"},
    {"Akamai", "edgesuite.net"},
    {"Akamai", "akamaiedge.net"},
    {"Azure Front Door", "azurefd.net"},
    {"Azure CDN", "azureedge.net"},
    {"bunny.net", "b-cdn.net"},
    {N_("Alibaba Cloud CDN"), "kunlunsl.com"},
    {N_("Alibaba Cloud CDN"), "kunlunca.com"},
    {N_("Alibaba Cloud CDN"), "kunluncan.com"},
    {N_("Alibaba Cloud CDN"), "kunlungr.com"},
    {N_("Alibaba Cloud CDN"), "kunlunaq.com"},
    {N_("Alibaba Cloud CDN"), "alikunlun.com"},
    {N_("Tencent Cloud CDN"), "cdn.dnsv1.com"},
    {N_("Tencent Cloud CDN"), "cdn.dnsv1.com.cn"},
    {"Tencent EdgeOne", "eo.dnse1.com"},
};

static const struct suffix parkings[] = {
    {N_("Sedo, a market for domains"), "sedoparking.com"},
    {N_("Afternic, a market for domains"), "afternic.com"},
    {N_("Dan, a market for domains"), "dan.com"},
    {N_("Bodis, which parks domains"), "bodis.com"},
    {N_("ParkingCrew, which parks domains"), "parkingcrew.net"},
    {N_("ParkLogic, which parks domains"), "parklogic.com"},
    {N_("Above, which parks domains"), "above.com"},
    {N_("CashParking, which parks domains"), "cashparking.com"},
    {N_("HiChina (Alibaba Cloud), which puts expired domains there"), "expirens3.hichina.com"},
    {N_("HiChina (Alibaba Cloud), which puts expired domains there"), "expirens4.hichina.com"},
    {N_("the registrar, which puts expired domains there"), "pendingrenewaldeletion.com"},
};

const char *suspect_cdn_address(const struct endpoint *e)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct network n;
        if (network_parse(ranges[i].network, &n) && network_has(&n, e))
            return ranges[i].cdn;
    }
    return NULL;
}

static const char *look_up(const struct suffix *table, size_t count, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < count; i++) {
        size_t s = strlen(table[i].name);
        if (n >= s && strcmp(name + n - s, table[i].name) == 0 &&
            (n == s || name[n - s - 1] == '.'))
            return table[i].who;
    }
    return NULL;
}

const char *suspect_cdn_alias(const char *name)
{
    return look_up(aliases, sizeof aliases / sizeof *aliases, name);
}

const char *suspect_parking(const char *name_server)
{
    return look_up(parkings, sizeof parkings / sizeof *parkings, name_server);
}
