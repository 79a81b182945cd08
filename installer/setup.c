/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/setup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "installer/ask.h"
#include "installer/derpmap.h"
#include "installer/leaf.h"
#include "installer/paths.h"
#include "installer/stop.h"

#define PIN_PREFIX "sha256-raw:"
#define CONFIG_MAX (64 * 1024)

static void load_journal(struct setup *s)
{
    struct fault f;
    s->journal_broken = !journal_load(PATH_JOURNAL, &s->journal, &f);
    if (!s->journal_broken)
        return;
    /* Without it everything still works, only uninstall will not know what to take back. */
    report_found(&s->report, SEVERITY_WARN, "journal.broken",
                 "look at the file; `derp-setup DOMAIN` puts it aside and starts a new one",
                 "the record of earlier runs cannot be read: %s", f.text);
}

static bool load_config(struct setup *s)
{
    struct buf text;
    struct fault f;
    if (!file_exists(CONFIG_PATH))
        return true;
    buf_init(&text, CONFIG_MAX);
    bool fine = file_read(CONFIG_PATH, &text, &f);
    if (fine)
        s->old_text = mem_strdup(buf_text(&text));
    else
        report_found(&s->report, SEVERITY_FAIL, "config.unreadable",
                     "is it a regular file that root may read?", "%s", f.text);
    buf_free(&text);
    return fine;
}

/* The address that was given now, or else in an earlier run. */
static void take_address(const char *setting, struct endpoint *e)
{
    memset(e, 0, sizeof *e);
    if (setting && !endpoint_parse_ip(setting, e))
        memset(e, 0, sizeof *e);
}

/* Unless somebody has said otherwise, now or in an earlier run. */
static void choose_firewall(struct setup *s)
{
    bool *none = &s->journal.settings.no_firewall;
    if (!s->opt->firewall_given && !s->journal.domain && !*none && firewall_on_oracle())
        *none = true;
    s->oracle = *none && !s->opt->firewall_given && firewall_on_oracle();
    s->use_firewall = !*none;
}

bool setup_load(struct setup *s)
{
    struct fault f;
    bool ipv6 = file_exists("/proc/net/if_inet6");
    load_journal(s);
    desired_settings(s->opt, &s->journal.settings);
    take_address(s->journal.settings.ip4, &s->ip4);
    take_address(s->journal.settings.ip6, &s->ip6);
    choose_firewall(s);
    bool fine = load_config(s);
    if (!desired_make(s->opt, &s->journal, s->old_text, ipv6, &s->desired, &f)) {
        report_found(&s->report, SEVERITY_FAIL, "config.broken",
                     "correct that line (`derpd --check` tests it), or move the file away to start "
                     "afresh",
                     "%s", f.text);
        fine = false;
        desired_free(&s->desired);
        desired_make(s->opt, &s->journal, NULL, ipv6, &s->desired, NULL);
    }
    setup_firewall_options(s);
    return fine;
}

bool setup_reload(struct setup *s)
{
    struct fault f;
    bool ipv6 = file_exists("/proc/net/if_inet6");
    free(s->old_text);
    s->old_text = NULL;
    desired_free(&s->desired);
    if (!load_config(s))
        return false;
    if (desired_make(s->opt, &s->journal, s->old_text, ipv6, &s->desired, &f))
        return true;
    report_found(&s->report, SEVERITY_FAIL, "config.broken",
                 "correct that line (`derpd --check` tests it)", "%s", f.text);
    return false;
}

static void allow_ports(struct setup *s, const struct config_endpoints *all, size_t from, bool udp)
{
    for (size_t i = from; i < all->count; i++) {
        const struct endpoint *e = &all->list[i];
        uint16_t port = endpoint_port(e);
        if (endpoint_is_loopback(e) || (from && port == endpoint_port(&all->list[0])))
            continue;
        s->allow[s->firewall.allow_count++] =
            (struct firewall_port){.proto = udp ? PORTS_UDP : PORTS_TCP, .port = port};
    }
}

/*
 * What systemd runs when this program dies in the middle of a firewall change: this program, or
 * the one that has taken its place since. NULL when neither has a path.
 */
static const char *const *rollback_command(void)
{
    static char self[PATH_MAX];
    static const char *const command[] = {self, "rollback", NULL};
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    if (access(self, X_OK) != 0)
        snprintf(self, sizeof self, "%s", PATH_SELF);
    return access(self, X_OK) == 0 ? command : NULL;
}

/*
 * A person at a terminal can log in once more. --yes runs unattended, too: there the proof by rules
 * is enough where nobody can be told to log in, or else nobody could run it from a script.
 */
static enum firewall_confirm choose_confirm(const struct options *o)
{
    if (o->confirm_timeout_given)
        return o->confirm_timeout ? FIREWALL_CONFIRM_ALWAYS : FIREWALL_CONFIRM_NEVER;
    if (!o->yes)
        return FIREWALL_CONFIRM_SESSION;
    return ask_is_possible(o) ? FIREWALL_CONFIRM_RESTRICTED : FIREWALL_CONFIRM_NEVER;
}

void setup_firewall_options(struct setup *s)
{
    const struct config *c = &s->desired.config;
    s->firewall = (struct firewall_options){
        .relay_port = desired_port(c),
        .stun_port = desired_stun_port(c),
        .no_stun = c->stun.count == 0,
        .allow = s->allow,
        .ssh_ports = s->opt->ssh_ports,
        .ssh_count = s->opt->ssh_port_count,
        .close_others = s->opt->close_others,
        .stop = stop_flag(),
        .rollback = rollback_command(),
        .confirm = choose_confirm(s->opt),
        .confirm_timeout = (unsigned)s->opt->confirm_timeout,
    };
    for (size_t i = 0; i < s->opt->allow_count; i++)
        s->allow[s->firewall.allow_count++] = (struct firewall_port){
            .proto = s->opt->allow[i].udp ? PORTS_UDP : PORTS_TCP, .port = s->opt->allow[i].port};
    allow_ports(s, &c->listen, 1, false);
    allow_ports(s, &c->stun, 1, true);
    allow_ports(s, &c->http, 0, false);
}

char *setup_derpmap(const struct setup *s, enum map_format format)
{
    const struct journal_settings *j = &s->journal.settings;
    const struct config *c = &s->desired.config;
    struct derpmap map = {
        .region_id = j->region_id,
        .code = j->region_code,
        .name = j->region_name,
        .host = c->domain,
        .ipv4 = j->map4,
        .ipv6 = j->map6,
        .port = desired_port(c),
        .stun_port = desired_stun_port(c),
        .no_stun = c->stun.count == 0,
    };
    if (!c->domain)
        return NULL;
    struct leaf leaf;
    char pin[sizeof PIN_PREFIX + 2 * sizeof leaf.sha256] = PIN_PREFIX;
    if (c->source == CONFIG_SOURCE_SELF_SIGNED) { /* with a domain, too: no client trusts it else */
        if (s->opt->next ? !leaf_load_next(c, &leaf) : !leaf_load(c, &leaf, NULL))
            return mem_strdup(""); /* a map without the pin would lead nobody here */
        text_hex(leaf.sha256, sizeof leaf.sha256, pin + strlen(PIN_PREFIX));
        map.cert_name = pin;
    }
    return format == MAP_HEADSCALE ? derpmap_yaml(&map) : derpmap_json(&map);
}

bool setup_save(struct setup *s)
{
    struct fault f;
    if (s->journal_broken)
        rename(PATH_JOURNAL, PATH_JOURNAL ".broken");
    s->journal_broken = false;
    if (file_mkdir(PATH_STATE_DIR, 0700, &f) && journal_save(PATH_JOURNAL, &s->journal, &f))
        return true;
    report_found(&s->report, SEVERITY_FAIL, "journal.unwritable",
                 "is the disk full or read-only? (`df -h /var/lib`)",
                 "what is being done could not be written down, so it is not done: %s", f.text);
    return false;
}

void setup_free(struct setup *s)
{
    firewall_plan_free(&s->firewall_plan);
    firewall_state_free(&s->firewall_state);
    desired_free(&s->desired);
    ca_directory_free(&s->ca);
    journal_free(&s->journal);
    findings_free(&s->early);
    free(s->account);
    free(s->old_text);
}
