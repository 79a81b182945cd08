/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/translate.h"
#include "firewall/cgroup.h"
#include "firewall/sockets.h"

const char *ports_proto_name(enum ports_proto proto)
{
    return proto == PORTS_TCP ? "tcp" : "udp";
}

static bool is_listener(const struct procnet_socket *s)
{
    if (s->proto == PORTS_TCP)
        return s->state == PROCNET_LISTEN;
    return s->state == PROCNET_CLOSE && endpoint_port(&s->local) != 0;
}

static bool is_public(const struct endpoint *e)
{
    struct endpoint plain = *e;
    endpoint_unmap(&plain);
    if (endpoint_is_loopback(&plain))
        return false;
    if (plain.any.sa_family == AF_INET6)
        return !IN6_IS_ADDR_LINKLOCAL(&plain.in6.sin6_addr);
    return (ntohl(plain.in4.sin_addr.s_addr) >> 16) != 0xa9fe; /* 169.254/16, RFC 3927 */
}

/* docker-proxy holds the port in the place of a container; its arguments say of which. */
static void name_docker_proxy(pid_t pid, char *out, size_t cap)
{
    char path[64];
    struct buf b;
    const char *ip = "?", *port = "?";
    buf_init(&b, 64U << 10);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (file_read(path, &b, NULL)) {
        const char *end = buf_text(&b) + b.len;
        for (const char *s = buf_text(&b); s < end; s += strlen(s) + 1) {
            const char *next = s + strlen(s) + 1;
            if (strcmp(s, "-container-ip") == 0 && next < end)
                ip = next;
            else if (strcmp(s, "-container-port") == 0 && next < end)
                port = next;
        }
        char text[96], address[64], number[32];
        snprintf(text, sizeof text, "%.40s", ip);
        text_printable(text, strlen(text), address, sizeof address);
        snprintf(text, sizeof text, "%.5s", port);
        text_printable(text, strlen(text), number, sizeof number);
        translate_print(out, cap, "docker container at %s:%s", address, number);
    }
    buf_free(&b);
}

static void describe(struct ports_owner *owner)
{
    char path[64];
    struct buf b;
    buf_init(&b, 64U << 10);
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)owner->pid);
    if (file_read(path, &b, NULL))
        cgroup_parse(buf_text(&b), owner->unit, sizeof owner->unit, owner->container,
                     sizeof owner->container);
    buf_free(&b);
    if (strcmp(owner->comm, "docker-proxy") == 0)
        name_docker_proxy(owner->pid, owner->container, sizeof owner->container);
}

/* Of several holders the one to name: systemd (pid 1) only holds sockets for others. */
static const struct sockets_holder *pick(const struct sockets_holder *first, size_t n)
{
    return n > 1 && first->pid == 1 ? first + 1 : first;
}

static void add(struct ports_list *all, const struct sockets *s,
                const struct procnet_socket *socket)
{
    struct ports_owner owner = {.proto = socket->proto,
                                .local = socket->local,
                                .public_address = is_public(&socket->local)};
    size_t n;
    const struct sockets_holder *first = sockets_holders(s, socket->inode, &n);
    if (first) {
        const struct sockets_holder *holder = pick(first, n);
        owner.pid = holder->pid;
        memcpy(owner.comm, holder->comm, sizeof owner.comm);
        describe(&owner);
    } else {
        memcpy(owner.comm, "kernel", sizeof "kernel");
    }
    all->list = mem_resize(all->list, all->count + 1, sizeof *all->list);
    all->list[all->count++] = owner;
}

void ports_from_sockets(const struct sockets *s, struct ports_list *all)
{
    for (size_t i = 0; i < s->all.count; i++)
        if (is_listener(&s->all.list[i]))
            add(all, s, &s->all.list[i]);
}

bool ports_owner(enum ports_proto proto, uint16_t port, struct ports_list *found, struct fault *f)
{
    struct sockets s;
    *found = (struct ports_list){0};
    bool ok = sockets_read(&s, f);
    for (size_t i = 0; ok && i < s.all.count; i++) {
        const struct procnet_socket *socket = &s.all.list[i];
        if (socket->proto == proto && endpoint_port(&socket->local) == port && is_listener(socket))
            add(found, &s, socket);
    }
    sockets_free(&s);
    return ok;
}

char *ports_owner_print(const struct ports_owner *owner, char *text, size_t cap)
{
    if (owner->pid == 0) {
        translate_print(text, cap, "the kernel");
        return text;
    }
    translate_print(text, cap, "%s (pid %d%s%s%s%s)", owner->comm, (int)owner->pid,
                    *owner->unit ? ", " : "", owner->unit, *owner->container ? ", " : "",
                    owner->container);
    return text;
}

void ports_free(struct ports_list *all)
{
    free(all->list);
    *all = (struct ports_list){0};
}
