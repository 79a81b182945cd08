/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DESCRIPTORS_LOW 4096 /* a client takes one */
#define BACKLOG_LOW     1024
#define FREE_LOW_KIB    (64 * 1024)
#define NEARLY_FULL     80 /* per cent */

void limits_init(struct limits *l)
{
    *l = (struct limits){
        .descriptors = LIMITS_UNKNOWN,
        .descriptors_max = LIMITS_UNKNOWN,
        .tracked = LIMITS_UNKNOWN,
        .tracked_max = LIMITS_UNKNOWN,
        .backlog_max = LIMITS_UNKNOWN,
        .backlog_lost = LIMITS_UNKNOWN,
        .stun_lost = LIMITS_UNKNOWN,
        .free_kib = LIMITS_UNKNOWN,
    };
}

/* --- Reading -----------------------------------------------------------------------------------
 */

/* The number at the start of text, after blanks. */
static int64_t number_at(const char *text)
{
    char digits[24];
    uint64_t n;
    text += strspn(text, " \t");
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len >= sizeof digits)
        return LIMITS_UNKNOWN;
    memcpy(digits, text, len);
    digits[len] = '\0';
    return text_number(digits, 0, INT64_MAX, &n) ? (int64_t)n : LIMITS_UNKNOWN;
}

int64_t limits_parse_number(const char *text)
{
    size_t len = strspn(text, "0123456789");
    return text[len] == '\0' || strcmp(text + len, "\n") == 0 ? number_at(text) : LIMITS_UNKNOWN;
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

/* What follows name on the line that starts with it; NULL without such a line. */
static const char *after(const char *text, const char *name)
{
    for (const char *line = text; *line; line = next_line(line))
        if (text_starts(line, name))
            return line + strlen(name);
    return NULL;
}

void limits_parse_limits(const char *text, struct limits *l)
{
    const char *value = after(text, "Max open files");
    if (value)
        l->descriptors_max = number_at(value);
}

void limits_parse_meminfo(const char *text, struct limits *l)
{
    const char *value = after(text, "MemAvailable:");
    if (value)
        l->free_kib = number_at(value);
}

/* The word at place of a line, counted from 0; "" past its end. */
static const char *word_at(const char *line, size_t place)
{
    for (;; place--) {
        line += strspn(line, " \t");
        if (place == 0 || *line == '\n' || *line == '\0')
            return line;
        line += strcspn(line, " \t\n");
    }
}

/* Two lines: names, then their values at the same places. */
void limits_parse_netstat(const char *text, struct limits *l)
{
    const char *names = text;
    while (*names && !text_starts(names, "TcpExt:"))
        names = next_line(names);
    const char *values = next_line(names);
    if (!text_starts(values, "TcpExt:"))
        return;
    for (size_t i = 1;; i++) {
        const char *name = word_at(names, i);
        if (*name == '\n' || *name == '\0')
            return;
        if (text_starts(name, "ListenOverflows") && strchr(" \t\n", name[15])) {
            l->backlog_lost = number_at(word_at(values, i));
            return;
        }
    }
}

/* "  sl local_address … drops" and lines whose local address is hexadecimal "ADDRESS:PORT" and
 * whose last word counts the drops (proc(5)). */
void limits_parse_udp(const char *text, uint16_t port, struct limits *l)
{
    for (const char *line = next_line(text); *line; line = next_line(line)) {
        const char *local = word_at(line, 1);
        const char *colon = local + strcspn(local, ": \t\n");
        if (*colon != ':' || strtoul(colon + 1, NULL, 16) != port)
            continue;
        int64_t drops = number_at(word_at(line, 12));
        if (drops >= 0 && drops < INT64_MAX / 4096)
            l->stun_lost = (l->stun_lost < 0 ? 0 : l->stun_lost) + drops;
    }
}

/* "START-END PERMS OFFSET DEV INODE   /path/lib.so.3 (deleted)"; several lines for one library. */
void limits_parse_maps(const char *text, struct limits *l)
{
    const char *gone = " (deleted)";
    char last[LIMITS_LIBRARY] = "";
    for (const char *line = text; *line; line = next_line(line)) {
        char path[LIMITS_LIBRARY], clean[LIMITS_LIBRARY];
        const char *start = word_at(line, 5);
        size_t n = strcspn(start, "\n");
        if (*start != '/' || n <= strlen(gone) ||
            memcmp(start + n - strlen(gone), gone, strlen(gone)) != 0)
            continue;
        snprintf(path, sizeof path, "%.*s", (int)(n - strlen(gone)), start);
        if (!strstr(path, ".so") || strcmp(path, last) == 0)
            continue;
        memcpy(last, path, sizeof last);
        text_printable(path, strlen(path), clean, sizeof clean);
        if (l->libraries++ == 0)
            memcpy(l->library, clean, sizeof l->library);
    }
}

/* --- Judging -----------------------------------------------------------------------------------
 */

static bool is_nearly_full(int64_t used, int64_t max)
{
    return used >= 0 && max > 0 && used > max / 100 * NEARLY_FULL;
}

static void judge_process(const struct limits *l, struct findings *all)
{
    size_t at;
    if (l->libraries > 0) {
        at = finding_add(all, SEVERITY_WARN, "service.libraries",
                         "the relay still runs on %zu %s that an upgrade has replaced (%s)",
                         l->libraries, l->libraries == 1 ? "library" : "libraries", l->library);
        finding_fix(all, at, "systemctl restart derpd (clients come back within a second)");
    }
    if (is_nearly_full(l->descriptors, l->descriptors_max)) {
        at = finding_add(all, SEVERITY_WARN, "limits.descriptors",
                         "%" PRId64 " of the %" PRId64 " descriptors that the relay may have are "
                         "in use; each connection takes one",
                         l->descriptors, l->descriptors_max);
        finding_fix(all, at,
                    "systemctl edit derpd: [Service] LimitNOFILE=1048576; then restart it");
    } else if (l->descriptors_max >= 0 && l->descriptors_max < DESCRIPTORS_LOW) {
        at = finding_add(all, SEVERITY_WARN, "limits.descriptors",
                         "the relay may have %" PRId64 " descriptors, so about as many connections",
                         l->descriptors_max);
        finding_fix(all, at,
                    "systemctl edit derpd: [Service] LimitNOFILE=1048576; then restart it");
    }
}

static void judge_kernel(const struct limits *l, struct findings *all)
{
    size_t at;
    if (is_nearly_full(l->tracked, l->tracked_max)) {
        at = finding_add(all, SEVERITY_WARN, "limits.conntrack",
                         "the kernel tracks %" PRId64 " of at most %" PRId64 " connections; beyond "
                         "that it drops packets of new ones, STUN's too",
                         l->tracked, l->tracked_max);
        finding_fix(all, at,
                    "sysctl -w net.netfilter.nf_conntrack_max=%" PRId64
                    ", and the same in a file of /etc/sysctl.d",
                    l->tracked_max * 4);
    }
    if (l->backlog_max >= 0 && l->backlog_max < BACKLOG_LOW) {
        at = finding_add(all, SEVERITY_WARN, "limits.backlog",
                         "only %" PRId64 " new connections may wait (net.core.somaxconn); when "
                         "many clients come back at once some have to try again",
                         l->backlog_max);
        finding_fix(all, at,
                    "sysctl -w net.core.somaxconn=4096, the same in a file of "
                    "/etc/sysctl.d, then systemctl restart derpd");
    } else if (l->backlog_lost >= 1000) {
        at = finding_add(all, SEVERITY_WARN, "limits.backlog",
                         "%" PRId64 " new connections were lost on this server since it was "
                         "booted, as too many came at once",
                         l->backlog_lost);
        finding_fix(all, at,
                    "accept-limit in derp.conf(5) keeps a storm of logins in bounds; "
                    "`nstat -az TcpExtListenOverflows` shows whether it still grows");
    }
    if (l->stun_lost >= 1000) {
        at = finding_add(all, SEVERITY_WARN, "limits.stun",
                         "%" PRId64 " STUN questions were dropped, as they came faster than this "
                         "server answers",
                         l->stun_lost);
        finding_fix(all, at,
                    "`ss -unap` shows whether the queue is still full, `derp-setup status "
                    "--watch` how many questions come");
    }
    if (l->free_kib >= 0 && l->free_kib < FREE_LOW_KIB) {
        at =
            finding_add(all, SEVERITY_WARN, "server.memory.free",
                        "only %" PRId64 " MiB of memory are left for programs", l->free_kib / 1024);
        finding_fix(all, at, "`ps -eo rss,comm --sort=-rss | head` shows who has it");
    }
}

void limits_judge(const struct limits *l, struct findings *all)
{
    size_t before = all->count;
    judge_process(l, all);
    judge_kernel(l, all);
    if (all->count > before)
        return;
    if (l->descriptors < 0 || l->descriptors_max < 0)
        finding_add(all, SEVERITY_SKIP, "limits.unknown",
                    "the relay does not run, or its limits cannot be read");
    else if (l->tracked >= 0 && l->tracked_max > 0)
        finding_add(all, SEVERITY_OK, "limits.ok",
                    "%" PRId64 " of %" PRId64 " descriptors, %" PRId64 " of %" PRId64
                    " tracked connections, no queue overflows",
                    l->descriptors, l->descriptors_max, l->tracked, l->tracked_max);
    else
        finding_add(all, SEVERITY_OK, "limits.ok",
                    "%" PRId64 " of %" PRId64 " descriptors, no queue overflows", l->descriptors,
                    l->descriptors_max);
}
