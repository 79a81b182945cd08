/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/clients.h"

#include <sys/stat.h>

#include "installer/readable.h"

static bool is_socket(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool check_source(const struct config_allow_source *source, struct findings *all)
{
    struct fault f;
    size_t at;
    if (source->kind == CONFIG_ALLOW_KEYS && !readable_by_services(source->where, &f)) {
        at = finding_add(all, SEVERITY_FAIL, "clients.keys", "%s", f.text);
        finding_fix(all, at, "put the node keys there, one a line, and chmod 0644 the file");
        return false;
    }
    if (source->kind == CONFIG_ALLOW_TAILSCALED && !is_socket(source->where)) {
        at = finding_add(all, SEVERITY_FAIL, "clients.tailscaled",
                         "there is no tailscaled on this server to say who is of its tailnet (%s)",
                         source->where);
        finding_fix(all, at,
                    "install Tailscale and run `tailscale up`, or choose --clients=keys:…, "
                    "url:… or anyone");
        return false;
    }
    return true;
}

void clients_check(const struct config *c, struct findings *all)
{
    bool fine = true;
    if (c->allow_count == 0) {
        size_t at = finding_add(all, SEVERITY_WARN, "clients.anyone",
                                "anyone who knows the relay's name may use it and its bandwidth");
        finding_fix(all, at,
                    "--clients=tailscaled, url:… or keys:… restricts it, --uplink=RATE "
                    "keeps it in bounds");
        return;
    }
    for (size_t i = 0; i < c->allow_count; i++)
        fine &= check_source(&c->allow[i], all);
    if (fine)
        finding_add(all, SEVERITY_OK, "clients.ok", "who may use it is restricted");
}
