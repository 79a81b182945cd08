/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/sshtext.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/text.h"
#include "base/translate.h"

/* --- The set -----------------------------------------------------------------------------------
 */

void ssh_ports_add(struct ssh_ports *all, uint16_t port, enum firewall_ssh_source source)
{
    size_t at = 0;
    if (port == 0)
        return;
    while (at < all->count && all->list[at].port < port)
        at++;
    if (at < all->count && all->list[at].port == port) {
        all->list[at].sources |= source;
        return;
    }
    all->list = mem_resize(all->list, all->count + 1, sizeof *all->list);
    memmove(&all->list[at + 1], &all->list[at], (all->count - at) * sizeof *all->list);
    all->list[at] = (struct firewall_ssh_port){.port = port, .sources = source};
    all->count++;
}

bool ssh_ports_has(const struct ssh_ports *all, uint16_t port)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].port == port)
            return true;
    return false;
}

/* --- sshd -T --------------------------------------------------------------------------------- */

/* The value of a "name value" line, or NULL. */
static char *value_of(char *line, const char *name)
{
    size_t n = strlen(name);
    return strncmp(line, name, n) == 0 && line[n] == ' ' ? text_trim(line + n) : NULL;
}

/* "[::]:22", "0.0.0.0:22" or "name:22": the port, 0 for loopback or nonsense. */
static uint16_t listen_port(const char *address)
{
    struct endpoint e;
    uint64_t port;
    if (endpoint_parse(address, 0, &e))
        return endpoint_is_loopback(&e) ? 0 : endpoint_port(&e);
    const char *colon = strrchr(address, ':');
    if (!colon || !text_number(colon + 1, 1, UINT16_MAX, &port))
        return 0;
    return (uint16_t)port;
}

void ssh_parse_config(const char *text, struct ssh_ports *all)
{
    struct ssh_ports ports = {0};
    bool addresses = false;
    uint64_t port;
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        const char *address = value_of(line, "listenaddress");
        const char *number = value_of(line, "port");
        if (address) {
            addresses = true;
            ssh_ports_add(all, listen_port(address), FIREWALL_SSH_CONFIG);
        } else if (number && text_number(number, 1, UINT16_MAX, &port)) {
            ssh_ports_add(&ports, (uint16_t)port, FIREWALL_SSH_CONFIG);
        }
    }
    for (size_t i = 0; !addresses && i < ports.count; i++)
        ssh_ports_add(all, ports.list[i].port, FIREWALL_SSH_CONFIG);
    free(ports.list);
    free(copy);
}

/* --- systemctl show ----------------------------------------------------------------------------
 */

/* "[::]:22 (Stream)"; a path, a datagram socket or vsock gives 0. A bare port, as ListenStream=
 * allows, is shown with an address by systemd. */
static uint16_t stream_port(char *value)
{
    char *kind = strchr(value, ' ');
    if (!kind || strcmp(kind, " (Stream)") != 0 || *value == '/' || *value == '@' ||
        text_starts(value, "vsock:"))
        return 0;
    *kind = '\0';
    return listen_port(value);
}

bool ssh_parse_unit(const char *text, struct ssh_ports *all)
{
    struct ssh_ports ports = {0};
    bool used = false;
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strcmp(line, "ActiveState=active") == 0 || text_starts(line, "UnitFileState=enabled"))
            used = true;
        else if (text_starts(line, "Listen="))
            ssh_ports_add(&ports, stream_port(line + strlen("Listen=")), FIREWALL_SSH_SOCKET);
    }
    for (size_t i = 0; used && i < ports.count; i++)
        ssh_ports_add(all, ports.list[i].port, FIREWALL_SSH_SOCKET);
    free(ports.list);
    free(copy);
    return used;
}

/* --- The rest ------------------------------------------------------------------------------------
 */

uint16_t ssh_parse_connection(const char *value)
{
    struct endpoint e;
    uint64_t port = 0;
    char *copy = mem_strdup(value), *rest = copy;
    const char *field[5] = {NULL};
    for (size_t i = 0; i < 5; i++)
        field[i] = strsep(&rest, " ");
    if (!field[3] || field[4] || !endpoint_parse_ip(field[0], &e) ||
        !endpoint_parse_ip(field[2], &e) || !text_number(field[3], 1, UINT16_MAX, &port))
        port = 0;
    free(copy);
    return (uint16_t)port;
}

bool ssh_is_server(const char *comm)
{
    return strcmp(comm, "sshd") == 0 || text_starts(comm, "sshd-") || strcmp(comm, "dropbear") == 0;
}

/* "pts/0", "notty", "pts/0,pts/1": the terminals of a connection. */
static bool is_terminals(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789/,");
    return n > 0 && s[n] == '\0';
}

enum ssh_title ssh_title_parse(const char *title)
{
    static const char *const names[] = {"sshd: ", "sshd-session: ", "sshd-auth: "};
    const char *rest = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !rest; i++)
        if (text_starts(title, names[i]))
            rest = title + strlen(names[i]);
    if (!rest || strstr(rest, "[listener]"))
        return SSH_TITLE_OTHER;
    /* Until the login the title ends in brackets; a user's name may have an @ of its own. */
    const char *at = strrchr(rest, '@');
    return at && at > rest && is_terminals(at + 1) ? SSH_TITLE_LOGIN : SSH_TITLE_CONNECTION;
}

char *ssh_ports_print(const struct firewall_ssh_port *list, size_t count)
{
    static const struct {
        unsigned source;
        const char *name;
    } names[] = {
        {FIREWALL_SSH_LISTENER, N_("listening now")}, {FIREWALL_SSH_SOCKET, "ssh.socket"},
        {FIREWALL_SSH_CONFIG, "sshd_config"},         {FIREWALL_SSH_CONNECTION, N_("this login")},
        {FIREWALL_SSH_ENVIRONMENT, N_("this login")}, {FIREWALL_SSH_OPTION, "--ssh-port"}};
    struct buf b;
    buf_init(&b, 64U << 10);
    for (size_t i = 0; i < count; i++) {
        const char *last = "";
        translate_buf(&b, "%s%u (", i ? N_(", ") : "", list[i].port);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
            if (!(list[i].sources & names[j].source) || strcmp(last, names[j].name) == 0)
                continue;
            translate_buf(&b, "%s%s", *last ? N_(", ") : "", names[j].name);
            last = names[j].name;
        }
        translate_buf(&b, ")");
    }
    char *text = mem_strdup(buf_text(&b));
    buf_free(&b);
    return text;
}
