/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/marker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

char *marker_print(const struct marker *m)
{
    return mem_printf("derp-setup changes the firewall; the former rules are in fw/\n"
                      "boot %s\npid %d\nstarted %" PRIu64 "\nlogin %d\nsince %" PRIu64
                      "\nrestoring %d\n",
                      m->boot, (int)m->pid, m->started, m->wants_login, m->since, m->restoring);
}

static uint64_t number(const char *value, uint64_t most)
{
    uint64_t n;
    return text_number(value, 0, most, &n) ? n : 0;
}

static void take(struct marker *m, const char *name, const char *value)
{
    if (strcmp(name, "boot") == 0)
        snprintf(m->boot, sizeof m->boot, "%s", value);
    else if (strcmp(name, "pid") == 0)
        m->pid = (pid_t)number(value, INT32_MAX);
    else if (strcmp(name, "started") == 0)
        m->started = number(value, INT64_MAX);
    else if (strcmp(name, "login") == 0)
        m->wants_login = number(value, 1) == 1;
    else if (strcmp(name, "since") == 0)
        m->since = number(value, INT64_MAX);
    else if (strcmp(name, "restoring") == 0)
        m->restoring = number(value, 1) == 1;
}

void marker_parse(const char *text, struct marker *m)
{
    char *copy = mem_strdup(text);
    *m = (struct marker){0};
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        const char *name = strsep(&line, " ");
        if (line)
            take(m, name, line);
    }
    free(copy);
}
