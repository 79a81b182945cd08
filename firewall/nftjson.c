/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/nftjson.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_CHAINS 2000U

static const char *string(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static bool is_inbound(const char *hook)
{
    return strcmp(hook, "input") == 0 || strcmp(hook, "prerouting") == 0 ||
           strcmp(hook, "ingress") == 0;
}

static bool add_chain(const json_t *object, struct nft_chains *chains, struct fault *f)
{
    const char *hook = string(object, "hook");
    /* Chains of type nat and route do not decide whether a packet gets in. */
    if (!is_inbound(hook) || strcmp(string(object, "type"), "filter") != 0)
        return true;
    if (chains->count >= MAX_CHAINS)
        return fault_set(f, "more than %u nftables base chains", MAX_CHAINS);
    chains->list = mem_resize(chains->list, chains->count + 1, sizeof *chains->list);
    chains->list[chains->count++] = (struct nft_chain){
        .family = mem_strdup(string(object, "family")),
        .table = mem_strdup(string(object, "table")),
        .name = mem_strdup(string(object, "name")),
        .hook = mem_strdup(hook),
        .policy_drop = strcmp(string(object, "policy"), "drop") == 0,
    };
    return true;
}

/* Does a verdict that may keep a packet out stand anywhere inside? */
static bool has_drop(const json_t *value)
{
    static const char *const verdicts[] = {"drop", "reject", "queue", "tproxy", NULL};
    const char *key;
    json_t *inner;
    size_t i;
    for (size_t v = 0; verdicts[v] && json_is_object(value); v++)
        if (json_object_get(value, verdicts[v]))
            return true;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, inner) if (has_drop(inner)) return true;
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, inner) if (has_drop(inner)) return true;
    }
    return false;
}

static bool same_table(const struct nft_chain *chain, const json_t *object)
{
    return strcmp(chain->family, string(object, "family")) == 0 &&
           strcmp(chain->table, string(object, "table")) == 0;
}

/* A rule counts for its chain; what it may do counts for every chain of its table, since chains
 * of one table jump to each other. */
static void add_contents(const json_t *object, bool is_rule, struct nft_chains *chains)
{
    bool drops = has_drop(object);
    for (size_t i = 0; i < chains->count; i++) {
        struct nft_chain *chain = &chains->list[i];
        if (!same_table(chain, object))
            continue;
        chain->drops = chain->drops || drops;
        if (is_rule && strcmp(chain->name, string(object, "chain")) == 0)
            chain->rules++;
    }
}

bool nftjson_parse(const char *text, struct nft_chains *chains, struct fault *f)
{
    json_error_t error;
    json_t *entry, *object;
    size_t i;
    bool ok = true;
    *chains = (struct nft_chains){0};
    json_t *root = json_loads(text, 0, &error);
    const json_t *list = json_object_get(root, "nftables");
    if (!json_is_array(list)) {
        json_decref(root);
        return fault_set(f, "nftables' list is not the JSON it should be: %s",
                         root ? "no \"nftables\"" : error.text);
    }
    json_array_foreach(list, i, entry) if (ok && (object = json_object_get(entry, "chain")) != NULL)
        ok = add_chain(object, chains, f);
    json_array_foreach(list, i, entry)
    {
        if ((object = json_object_get(entry, "rule")) != NULL)
            add_contents(object, true, chains);
        else if ((object = json_object_get(entry, "map")) != NULL)
            add_contents(object, false, chains);
    }
    json_decref(root);
    if (!ok)
        nft_chains_free(chains);
    return ok;
}

void nft_chains_free(struct nft_chains *chains)
{
    for (size_t i = 0; i < chains->count; i++) {
        free(chains->list[i].family);
        free(chains->list[i].table);
        free(chains->list[i].name);
        free(chains->list[i].hook);
    }
    free(chains->list);
    *chains = (struct nft_chains){0};
}

static bool in_list(const char *const *list, const char *word)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

bool nft_chain_is_iptables(const struct nft_chain *chain)
{
    static const char *const families[] = {"ip", "ip6", NULL};
    static const char *const tables[] = {"filter", "mangle", "raw", "nat", "security", NULL};
    static const char *const names[] = {"INPUT", "PREROUTING", NULL};
    return in_list(families, chain->family) && in_list(tables, chain->table) &&
           in_list(names, chain->name);
}
