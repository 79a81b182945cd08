/* SPDX-License-Identifier: Apache-2.0 */
/* mesh-with: the other relays of the region. */
#include <stdlib.h>
#include <string.h>

#include "base/config_values.h"
#include "base/config_words.h"
#include "base/mem.h"
#include "base/text.h"

static bool is_address_or_name(const char *host)
{
    struct endpoint address;
    return endpoint_parse_ip(host, &address) || text_is_hostname(host, NULL);
}

/* "host", "host:port", "[2001:db8::1]:port"; changes the text. */
static bool parse_host_port(char *text, struct config_mesh_node *node)
{
    char *port = NULL;
    uint64_t number = 443;
    struct endpoint address;
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        text++;
        if (!endpoint_parse_ip(text, &address))
            return false;
    } else if (strchr(text, ':') == strrchr(text, ':')) {
        port = strchr(text, ':');
        if (port)
            *port++ = '\0';
    }
    if ((port && !text_number(port, 1, UINT16_MAX, &number)) || !is_address_or_name(text))
        return false;
    node->host = mem_strdup(text);
    node->port = (uint16_t)number;
    return true;
}

static bool parse_mesh_word(char *word, struct config_mesh_node *node, struct fault *f)
{
    char *copy = mem_strdup(word);
    char *slash = strchr(copy, '/');
    bool ok;
    if (slash)
        *slash++ = '\0';
    ok = (!slash || is_address_or_name(slash)) && parse_host_port(copy, node);
    if (ok && slash)
        node->dial = mem_strdup(slash);
    free(copy);
    return ok || config_bad_value(
                     f, "relays such as b.demo.com c.demo.com:8443 d.demo.com/10.0.0.4", word);
}

/* The row's offset is 0: it fills two fields of the config. */
bool config_value_mesh_with(const char *value, void *target, struct fault *f)
{
    struct config *c = target;
    char *copy = mem_strdup(value);
    char *rest = copy;
    char *word;
    bool ok = true;
    while (ok && (word = config_next_word(&rest))) {
        if (c->mesh_count == CONFIG_MAX_MESH)
            ok = fault_set(f, "more than %d relays", CONFIG_MAX_MESH);
        else if ((ok = parse_mesh_word(word, &c->mesh_with[c->mesh_count], f)))
            c->mesh_count++;
    }
    free(copy);
    return ok;
}
