/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/translate.h"
#include "firewall/reach.h"

#define MAX_SUMMARY (64U << 10)

/* --- Steps ----------------------------------------------------------------------------------- */

/* Takes text over; copies the words up to NULL. */
static void add_step(struct firewall_plan *plan, enum firewall_step_kind kind, char *text,
                     const char *const words[])
{
    size_t n = 0;
    while (words[n])
        n++;
    char **argv = mem_alloc(n + 1, sizeof *argv);
    for (size_t i = 0; i < n; i++)
        argv[i] = mem_strdup(words[i]);
    plan->steps = mem_resize(plan->steps, plan->count + 1, sizeof *plan->steps);
    plan->steps[plan->count++] = (struct firewall_step){.kind = kind, .text = text, .argv = argv};
}

static void add_install(struct firewall_plan *plan)
{
    static const char *const words[] = {"apt-get", "install", "ufw", NULL};
    add_step(plan, FIREWALL_STEP_INSTALL, mem_strdup(N_("install ufw (apt)")), words);
}

static void add_allow(struct firewall_plan *plan, const struct wanted *w)
{
    char port[WANTED_TEXT];
    const char *const words[] = {
        "ufw", "allow", wanted_print(&w->at, port), "comment", wanted_comment(w->kind), NULL};
    add_step(plan, FIREWALL_STEP_ALLOW, translate_new("allow %s (%s)", port, wanted_name(w->kind)),
             words);
}

static void add_default(struct firewall_plan *plan, const char *policy, const char *direction,
                        const char *text)
{
    const char *const words[] = {"ufw", "default", policy, direction, NULL};
    add_step(plan, FIREWALL_STEP_DEFAULT, mem_strdup(text), words);
}

/* --- What is missing ------------------------------------------------------------------------- */

static bool needs_rule(const struct firewall_state *state, const struct wanted *w)
{
    if (!state->ufw_installed)
        return true;
    for (int family = 0; family < FAMILIES; family++) {
        if (family == FAMILY_IP6 && !state->facts->ufw.ipv6)
            continue;
        if (!reach_suffices(reach_by_ufw(state->facts, (enum family)family, w).reach))
            return true;
    }
    return false;
}

/* A running ufw that rejects keeps doing so: it is as closed, and a change would restart it. */
static bool incoming_differs(const struct firewall_state *state)
{
    enum ufw_policy policy = state->facts->ufw.incoming;
    if (policy == UFW_POLICY_REJECT && state->ufw_active)
        return false;
    return policy != UFW_POLICY_DENY;
}

static void add_policies(const struct firewall_state *state, struct firewall_plan *plan)
{
    if (!state->ufw_installed || incoming_differs(state))
        add_default(plan, "deny", "incoming", "deny incoming by default");
    if (!state->ufw_installed || state->facts->ufw.outgoing != UFW_POLICY_ALLOW)
        add_default(plan, "allow", "outgoing", "allow outgoing by default");
}

static void add_start(const struct firewall_state *state, struct firewall_plan *plan)
{
    static const char *const enable[] = {"ufw", "--force", "enable", NULL};
    static const char *const boot[] = {"systemctl", "enable", "ufw.service", NULL};
    if (!state->ufw_active || !state->facts->ufw.enabled)
        add_step(plan, FIREWALL_STEP_ENABLE, mem_strdup(N_("enable ufw, now and at boot")), enable);
    if (state->ufw_installed && state->facts->systemd && !state->facts->unit_enabled)
        add_step(plan, FIREWALL_STEP_BOOT, mem_strdup(N_("start ufw.service at boot")), boot);
}

static char *summarise(const struct wanted_list *wanted, const struct firewall_plan *plan)
{
    struct buf b;
    char port[WANTED_TEXT];
    buf_init(&b, MAX_SUMMARY);
    if (plan->count == 0)
        translate_buf(&b, "already as wanted: ");
    translate_buf(&b, "allow ");
    for (size_t i = 0; i < wanted->count; i++)
        translate_buf(&b, "%s%s", i ? N_(", ") : "", wanted_print(&wanted->list[i].at, port));
    translate_buf(&b, "; deny other incoming, allow outgoing");
    char *text = mem_strdup(buf_text(&b));
    buf_free(&b);
    return text;
}

void firewall_plan(const struct firewall_options *o, const struct firewall_state *state,
                   struct firewall_plan *plan)
{
    struct wanted_list wanted;
    *plan = (struct firewall_plan){0};
    wanted_make(o, state->ssh, state->ssh_count, &wanted);
    if (!state->ufw_installed)
        add_install(plan);
    for (size_t i = 0; i < wanted.count; i++)
        if (needs_rule(state, &wanted.list[i]))
            add_allow(plan, &wanted.list[i]);
    add_policies(state, plan);
    add_start(state, plan);
    plan->summary = summarise(&wanted, plan);
    wanted_free(&wanted);
}

void firewall_plan_free(struct firewall_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        for (char **word = plan->steps[i].argv; *word; word++)
            free(*word);
        free(plan->steps[i].argv);
        free(plan->steps[i].text);
    }
    free(plan->steps);
    free(plan->summary);
    *plan = (struct firewall_plan){0};
}
