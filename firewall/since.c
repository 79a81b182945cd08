/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "firewall/apt.h"
#include "firewall/ufw.h"

static bool look_at_rule(const char *detail, const volatile int *stop, enum firewall_since *since,
                         struct fault *f)
{
    struct ufw_rules rules;
    bool ok = ufw_read_added(&rules, stop, f);
    const struct ufw_rule *rule = ok ? ufw_rules_find(&rules, detail) : NULL;
    *since = !rule                             ? FIREWALL_SINCE_GONE
             : strcmp(rule->text, detail) == 0 ? FIREWALL_SINCE_SAME
                                               : FIREWALL_SINCE_OTHERS;
    ufw_rules_free(&rules);
    return ok;
}

/* detail: "ufw default POLICY DIRECTION". */
static bool look_at_policy(const char *detail, enum firewall_since *since, struct fault *f)
{
    struct ufw_facts ufw = {0};
    char wanted[64];
    if (!ufw_read_settings(&ufw, f))
        return false;
    bool incoming = strstr(detail, " incoming") != NULL;
    snprintf(wanted, sizeof wanted, "ufw default %s %s",
             ufw_policy_name(incoming ? ufw.incoming : ufw.outgoing),
             incoming ? "incoming" : "outgoing");
    *since = strcmp(wanted, detail) == 0 ? FIREWALL_SINCE_SAME : FIREWALL_SINCE_OTHERS;
    return true;
}

bool firewall_since(const char *what, const char *detail, const volatile int *stop,
                    enum firewall_since *since, struct fault *f)
{
    static const char *const kinds[] = {"rule", "default", "enable", "boot"};
    bool of_ufw = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        of_ufw = of_ufw || strcmp(what, kinds[i]) == 0;
    *since = of_ufw && !ufw_installed() ? FIREWALL_SINCE_GONE : FIREWALL_SINCE_SAME;
    if (*since == FIREWALL_SINCE_GONE)
        return true;
    if (strcmp(what, "rule") == 0)
        return look_at_rule(detail, stop, since, f);
    return strcmp(what, "default") != 0 || look_at_policy(detail, since, f);
}

char *firewall_purge(const char *undo, const volatile int *stop, struct fault *f)
{
    if (!text_starts(undo, APT_PURGE " ")) {
        fault_set(f, "not a command of derp-setup's");
        return NULL;
    }
    char *names = apt_unneeded(undo + strlen(APT_PURGE " "), stop, f);
    char *command = names && *names ? mem_printf("%s %s", APT_PURGE, names) : names;
    if (command != names)
        free(names);
    return command;
}
