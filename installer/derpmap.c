/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/derpmap.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/net.h"

char *derpmap_code(const char *host, char *code, size_t cap)
{
    struct endpoint address;
    if (endpoint_parse_ip(host, &address)) {
        snprintf(code, cap, "relay");
        return code;
    }
    /* The host's own label ("derp") says little; the one after it names whose relay it is. */
    const char *first = strchr(host, '.');
    const char *start = first && strchr(first + 1, '.') ? first + 1 : host;
    size_t n = strcspn(start, ".");
    if (n >= cap)
        n = cap - 1;
    memcpy(code, start, n);
    code[n] = '\0';
    return code;
}

/* The map with nothing left open. */
struct region {
    unsigned id;
    char code[DERPMAP_CODE];
    char node[16];
    const char *name;
    const char *ipv4;
    const char *ipv6;
    int port;      /* 0: left out */
    int stun_port; /* 0: left out, -1: none */
};

static void resolve(const struct derpmap *map, struct region *r)
{
    *r = (struct region){
        .id = map->region_id ? map->region_id : DERPMAP_REGION_ID,
        .name = map->name ? map->name : map->host,
        .ipv4 = map->ipv4 ? map->ipv4 : "none",
        .ipv6 = map->ipv6 ? map->ipv6 : "none",
        .port = map->port == DERPMAP_PORT ? 0 : map->port,
        .stun_port = map->no_stun                          ? -1
                     : map->stun_port == DERPMAP_STUN_PORT ? 0
                                                           : map->stun_port,
    };
    if (map->code)
        snprintf(r->code, sizeof r->code, "%s", map->code);
    else
        derpmap_code(map->host, r->code, sizeof r->code);
    snprintf(r->node, sizeof r->node, "%ua", r->id);
}

char *derpmap_json(const struct derpmap *map)
{
    struct region r;
    char id[16];
    resolve(map, &r);
    snprintf(id, sizeof id, "%u", r.id);
    json_t *node = json_pack("{s:s, s:i, s:s, s:s, s:s}", "Name", r.node, "RegionID", (int)r.id,
                             "HostName", map->host, "IPv4", r.ipv4, "IPv6", r.ipv6);
    if (map->cert_name)
        json_object_set_new(node, "CertName", json_string(map->cert_name));
    if (r.port)
        json_object_set_new(node, "DERPPort", json_integer(r.port));
    if (r.stun_port)
        json_object_set_new(node, "STUNPort", json_integer(r.stun_port));
    json_t *all =
        json_pack("{s:{s:{s:{s:i, s:s, s:s, s:[o]}}}}", "derpMap", "Regions", id, "RegionID",
                  (int)r.id, "RegionCode", r.code, "RegionName", r.name, "Nodes", node);
    char *text = json_dumps(all, JSON_INDENT(2));
    char *line = mem_printf("%s\n", text ? text : "{}");
    json_decref(all);
    free(text);
    return line;
}

/* Double-quoted YAML takes JSON's escapes (YAML 1.2, 7.3.1). */
static void yaml_text(struct buf *b, const char *key, const char *value)
{
    json_t *string = json_string(value);
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    buf_printf(b, "%s: %s\n", key, quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(string);
}

char *derpmap_yaml(const struct derpmap *map)
{
    struct region r;
    struct buf b;
    resolve(map, &r);
    buf_init(&b, 16384);
    buf_printf(&b, "regions:\n  %u:\n    regionid: %u\n", r.id, r.id);
    yaml_text(&b, "    regioncode", r.code);
    yaml_text(&b, "    regionname", r.name);
    buf_puts(&b, "    nodes:\n");
    yaml_text(&b, "      - name", r.node);
    buf_printf(&b, "        regionid: %u\n", r.id);
    yaml_text(&b, "        hostname", map->host);
    yaml_text(&b, "        ipv4", r.ipv4);
    yaml_text(&b, "        ipv6", r.ipv6);
    if (map->cert_name)
        yaml_text(&b, "        certname", map->cert_name);
    if (r.stun_port)
        buf_printf(&b, "        stunport: %d\n", r.stun_port);
    if (r.port)
        buf_printf(&b, "        derpport: %d\n", r.port);
    char *text = mem_strdup(buf_text(&b));
    buf_free(&b);
    return text;
}
