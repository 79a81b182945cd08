/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/cgroup.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define SHORT_ID 12 /* as container tools print ids */

/* The text after the second colon of the line of cgroup v2 or of systemd's own v1 hierarchy. */
static char *systemd_path(char *line)
{
    char *name = strchr(line, ':');
    char *path = name ? strchr(name + 1, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    name++;
    return *name == '\0' || strcmp(name, "name=systemd") == 0 ? path : NULL;
}

/* "docker-3f2c….scope" and ".../docker/3f2c…": the id, when it is one. */
static bool container_id(const char *s, char *out, size_t cap, const char *kind)
{
    size_t n = strspn(s, "0123456789abcdef");
    if (n < SHORT_ID || (s[n] != '\0' && s[n] != '.'))
        return false;
    snprintf(out, cap, "%s %.*s", kind, SHORT_ID, s);
    return true;
}

static const struct {
    const char *prefix; /* of the last path component */
    const char *kind;
} scopes[] = {{"docker-", "docker"},
              {"libpod-", "podman"},
              {"cri-containerd-", "kubernetes"},
              {"crio-", "kubernetes"}};

static void find_container(const char *component, const char *parent, char *out, size_t cap)
{
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        if (text_starts(component, scopes[i].prefix) &&
            container_id(component + strlen(scopes[i].prefix), out, cap, scopes[i].kind))
            return;
    if (text_starts(component, "lxc.payload."))
        snprintf(out, cap, "lxc %s", component + strlen("lxc.payload."));
    else if (strcmp(parent, "lxc") == 0)
        snprintf(out, cap, "lxc %s", component);
    else if (strcmp(parent, "docker") == 0)
        container_id(component, out, cap, "docker");
}

static bool is_unit(const char *component)
{
    return text_ends(component, ".service") || text_ends(component, ".scope") ||
           text_ends(component, ".socket");
}

static void read_path(char *path, char *unit, size_t unit_cap, char *container, size_t cap)
{
    const char *parent = "";
    for (char *component; (component = strsep(&path, "/")) != NULL; parent = component) {
        if (is_unit(component))
            text_printable(component, strlen(component), unit, unit_cap);
        char clean[128];
        text_printable(component, strlen(component), clean, sizeof clean);
        if (*container == '\0')
            find_container(clean, parent, container, cap);
    }
}

void cgroup_parse(const char *text, char *unit, size_t unit_cap, char *container,
                  size_t container_cap)
{
    *unit = *container = '\0';
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *path = systemd_path(line);
        if (path)
            read_path(path, unit, unit_cap, container, container_cap);
    }
    free(copy);
}

void cgroup_session(const char *text, char name[static CGROUP_SESSION])
{
    const char *at = strstr(text, "/session-");
    size_t n = at ? strcspn(at + 1, "/\n") : 0;
    name[0] = '\0';
    if (n < CGROUP_SESSION && n > strlen(".scope") &&
        text_starts(at + 1 + n - strlen(".scope"), ".scope"))
        snprintf(name, CGROUP_SESSION, "%.*s", (int)n, at + 1);
}
