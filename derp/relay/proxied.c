/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that come through a TCP load balancer, which says by a PROXY header whose they are.
 */
#include <unistd.h>

#include "base/log.h"
#include "derp/relay/internal.h"
#include "derp/wire/proxy.h"

void relay_set_proxies(struct relay *r, const struct config_networks *from)
{
    r->proxies = *from;
}

bool proxied_may_connect(struct relay *r, const struct endpoint *peer)
{
    static struct log_kind kind;
    char text[ENDPOINT_TEXT];

    for (size_t i = 0; i < r->proxies.count; i++)
        if (network_has(&r->proxies.list[i], peer))
            return true;
    count(&r->counters, COUNTER_PROXY_STRANGER, 1);
    log_limited(&kind, LOG_LEVEL_NOTICE,
                "%s is refused: only the addresses of proxy-from may connect to listen-proxy",
                endpoint_print_ip(peer, text));
    return false;
}

static void refuse(struct session *s)
{
    static struct log_kind kind;
    char peer[ENDPOINT_TEXT];

    count(&s->worker->counters, COUNTER_PROXY_BAD, 1);
    log_limited(&kind, LOG_LEVEL_WARNING,
                "the load balancer %s sends no PROXY header: switch it on there "
                "(nginx: proxy_protocol on; HAProxy: send-proxy-v2), or let it use another "
                "address of listen",
                endpoint_print_ip(&s->peer, peer));
    session_close(s, CONN_END_LOCAL, "no PROXY header");
}

static void accept_header(struct session *s, const struct proxy_header *h)
{
    char proxy[ENDPOINT_TEXT], client[ENDPOINT_TEXT];

    count(&s->worker->counters, COUNTER_PROXY_OK, 1);
    s->state = SESSION_HANDSHAKE;
    if (!h->has_client)
        return;
    if (log_shows(LOG_LEVEL_DEBUG))
        log_debug("%s: connected through %s", endpoint_print(&h->client, client),
                  endpoint_print(&s->peer, proxy));
    s->peer = h->client;
}

size_t proxied_preface(void *owner, const uint8_t *data, size_t n)
{
    struct session *s = owner;
    struct proxy_header h;
    size_t used = 0;

    switch (proxy_read_header(data, n, &h, &used)) {
    case PROXY_OK:
        accept_header(s, &h);
        return used;
    case PROXY_BAD:
        refuse(s);
        return 0;
    default:
        return 0;
    }
}
