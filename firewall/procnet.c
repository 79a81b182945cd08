/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/procnet.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_SOCKETS 200000U

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly n digits; -1 on anything else. */
static long hex_number(const char *s, size_t n)
{
    long value = 0;
    for (size_t i = 0; i < n; i++) {
        int digit = hex_digit(s[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return s[n] == '\0' || s[n] == ':' ? value : -1;
}

/* The address is printed as 32-bit words in the host's byte order. */
static bool parse_address(const char *s, size_t words, uint32_t *address)
{
    for (size_t i = 0; i < words; i++) {
        uint32_t word = 0;
        for (size_t j = 0; j < 8; j++) {
            int digit = hex_digit(s[i * 8 + j]);
            if (digit < 0)
                return false;
            word = word << 4 | (uint32_t)digit;
        }
        address[i] = word;
    }
    return true;
}

/* "0100007F:0016" or 32 digits, a colon and the port. */
static bool parse_local(const char *s, struct endpoint *e)
{
    uint32_t address[4];
    const char *colon = strchr(s, ':');
    *e = (struct endpoint){0};
    if (!colon)
        return false;
    long port = hex_number(colon + 1, 4);
    size_t digits = (size_t)(colon - s);
    if (port < 0 || (digits != 8 && digits != 32) || !parse_address(s, digits / 8, address))
        return false;
    if (digits == 8) {
        e->in4.sin_family = AF_INET;
        e->in4.sin_addr.s_addr = address[0];
    } else {
        e->in6.sin6_family = AF_INET6;
        memcpy(&e->in6.sin6_addr, address, sizeof e->in6.sin6_addr);
    }
    endpoint_set_port(e, (uint16_t)port);
    return true;
}

#define COLUMNS 10 /* sl local rem st queues timer retransmits uid timeout inode */

static bool parse_line(char *line, struct procnet_socket *one)
{
    char *column[COLUMNS];
    size_t n = 0;
    uint64_t inode;
    for (char *word; n < COLUMNS && (word = strsep(&line, " ")) != NULL;)
        if (*word)
            column[n++] = word;
    if (n < COLUMNS || !text_number(column[9], 0, UINT32_MAX, &inode))
        return false;
    long state = hex_number(column[3], 2);
    one->state = (unsigned)state;
    one->inode = (unsigned long)inode;
    return state >= 0 && parse_local(column[1], &one->local) &&
           parse_local(column[2], &one->remote);
}

void procnet_parse(const char *text, enum ports_proto proto, struct procnet *all)
{
    char *copy = mem_strdup(text);
    size_t room = all->count;
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        struct procnet_socket one = {.proto = proto};
        if (!parse_line(line, &one) || all->count >= MAX_SOCKETS)
            continue;
        if (all->count == room) {
            room = room < 32 ? 64 : room * 2;
            all->list = mem_resize(all->list, room, sizeof *all->list);
        }
        all->list[all->count++] = one;
    }
    free(copy);
}

bool procnet_inode(const char *link, unsigned long *inode)
{
    char digits[24];
    uint64_t value;
    size_t n = strlen(link);
    if (!text_starts(link, "socket:[") || link[n - 1] != ']' || n - 9 >= sizeof digits)
        return false;
    memcpy(digits, link + 8, n - 9);
    digits[n - 9] = '\0';
    if (!text_number(digits, 1, UINT32_MAX, &value))
        return false;
    *inode = (unsigned long)value;
    return true;
}

void procnet_free(struct procnet *all)
{
    free(all->list);
    *all = (struct procnet){0};
}
