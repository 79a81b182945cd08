/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firewall library by itself, for test_firewall.py:
 *   firewall_probe inspect|plan|apply|verify|settle|confirm|rollback|forget|owner [OPTION…]
 * Prints one JSON object. SIGINT sets the stop flag.
 *   --state DIR --relay PORT --stun PORT --ssh PORT --allow PORT/PROTO --stop-at TEXT
 *   --stop-after SECONDS --die-at TEXT (kill -9 of itself when progress says TEXT)
 *   --freeze-at TEXT (as Ctrl-Z does) --owner PORT/PROTO
 *   --guarded (with a timer and a guard at boot, where there is systemd; else without both)
 *   --confirm 0-3 (enum firewall_confirm) --confirm-timeout SECONDS
 *   --lost (guarded, but without a command that undoes)
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "firewall/firewall.h"

static volatile int stop_flag;
static const char *stop_at;
static const char *die_at;
static const char *freeze_at;
static const char *sep = "";

static void on_signal(int number)
{
    (void)number;
    stop_flag = 1;
}

static void on_progress(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "progress: %s\n", text);
    if (stop_at && strstr(text, stop_at))
        stop_flag = 1;
    if (die_at && strstr(text, die_at))
        kill(getpid(), SIGKILL);
    if (freeze_at && strstr(text, freeze_at))
        raise(SIGSTOP);
}

static void on_waiting(void *arg, unsigned left)
{
    (void)arg;
    fprintf(stderr, "waiting: %u\n", left);
}

static bool on_change(void *arg, const struct firewall_change *c, struct fault *f)
{
    (void)arg;
    (void)f;
    fprintf(stderr, "change: %s | %s | %s\n", c->what, c->detail, c->undo);
    return true;
}

static void key(const char *name)
{
    printf("%s\"%s\": ", sep, name);
    sep = ", ";
}

static void print_state(const struct firewall_state *s)
{
    key("active");
    printf("%s", s->ufw_active ? "true" : "false");
    key("installed");
    printf("%s", s->ufw_installed ? "true" : "false");
    key("at_boot");
    printf("%s", s->ufw_at_boot ? "true" : "false");
    key("session");
    printf("%s", s->ssh_session ? "true" : "false");
    key("ssh");
    printf("{");
    for (size_t i = 0; i < s->ssh_count; i++)
        printf("%s\"%u\": %u", i ? ", " : "", s->ssh[i].port, s->ssh[i].sources);
    printf("}");
    key("others");
    printf("[");
    for (size_t i = 0; i < s->others.count; i++)
        printf("%s\"%u/%s\"", i ? ", " : "", endpoint_port(&s->others.list[i].local),
               ports_proto_name(s->others.list[i].proto));
    printf("]");
}

static void print_plan(const struct firewall_plan *p)
{
    key("summary");
    printf("\"%s\"", p->summary);
    key("steps");
    printf("[");
    for (size_t i = 0; i < p->count; i++)
        printf("%s\"%s\"", i ? ", " : "", p->steps[i].text);
    printf("]");
    key("commands");
    printf("[");
    for (size_t i = 0; i < p->count; i++) {
        printf("%s[", i ? ", " : "");
        for (char **w = p->steps[i].argv; *w; w++)
            printf("%s\"%s\"", w == p->steps[i].argv ? "" : ", ", *w);
        printf("]");
    }
    printf("]");
}

static void print_owners(const struct firewall_port *at)
{
    struct ports_list list;
    struct fault f;
    char text[320];
    if (!ports_owner(at->proto, at->port, &list, &f))
        exit(1);
    key("owners");
    printf("[");
    for (size_t i = 0; i < list.count; i++)
        printf("%s{\"pid\": %d, \"comm\": \"%s\", \"public\": %s, \"text\": \"%s\"}", i ? ", " : "",
               (int)list.list[i].pid, list.list[i].comm,
               list.list[i].public_address ? "true" : "false",
               ports_owner_print(&list.list[i], text, sizeof text));
    printf("]");
    ports_free(&list);
}

static struct firewall_options options;
static struct firewall_port allow[16], owner;
static uint16_t ssh_ports[16];

static uint16_t number(const char *s)
{
    uint64_t value;
    if (!text_number(s, 0, UINT16_MAX, &value))
        exit(2);
    return (uint16_t)value;
}

/* What --guarded would have systemd run. */
static const char *const rollback_command[] = {"/bin/true", NULL};

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"state", 1, NULL, 's'},     {"relay", 1, NULL, 'r'},
        {"stun", 1, NULL, 'u'},      {"ssh", 1, NULL, 'h'},
        {"allow", 1, NULL, 'a'},     {"close-others", 0, NULL, 'c'},
        {"stop-at", 1, NULL, 'p'},   {"die-at", 1, NULL, 'd'},
        {"owner", 1, NULL, 'o'},     {"stop-after", 1, NULL, 't'},
        {"guarded", 0, NULL, 'g'},   {"lost", 0, NULL, 'l'},
        {"confirm", 1, NULL, 'C'},   {"confirm-timeout", 1, NULL, 'T'},
        {"freeze-at", 1, NULL, 'f'}, {NULL, 0, NULL, 0}};
    int c;
    options.unguarded = true;
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (c == 's')
            options.state_dir = optarg;
        else if (c == 'r')
            options.relay_port = number(optarg);
        else if (c == 'u')
            options.stun_port = number(optarg);
        else if (c == 'h')
            ssh_ports[options.ssh_count++] = number(optarg);
        else if (c == 'a' && firewall_port_parse(optarg, &allow[options.allow_count], NULL))
            options.allow_count++;
        else if (c == 'c')
            options.close_others = true;
        else if (c == 'p')
            stop_at = optarg;
        else if (c == 't')
            alarm(number(optarg));
        else if (c == 'C')
            options.confirm = (enum firewall_confirm)number(optarg);
        else if (c == 'T')
            options.confirm_timeout = number(optarg);
        else if (c == 'f')
            freeze_at = optarg;
        else if (c == 'd')
            die_at = optarg;
        else if (c == 'g')
            options.unguarded = false, options.rollback = rollback_command;
        else if (c == 'l')
            options.unguarded = false;
        else if (c != 'o' || !firewall_port_parse(optarg, &owner, NULL))
            exit(2);
    }
    options.allow = allow;
    options.ssh_ports = ssh_ports;
    options.stop = &stop_flag;
}

static enum firewall_outcome change(const char *verb, const struct firewall_plan *plan,
                                    struct findings *all)
{
    struct firewall_hooks hooks = {
        .progress = on_progress, .journal = on_change, .waiting = on_waiting};
    bool by_run;
    if (strcmp(verb, "confirm") == 0)
        return firewall_confirm(&options, &by_run, all);
    if (strcmp(verb, "settle") == 0)
        return firewall_settle(&options, all);
    if (strcmp(verb, "rollback") == 0)
        return firewall_rollback(&options, &by_run, all);
    return firewall_apply(&options, plan, &hooks, all);
}

int main(int argc, char **argv)
{
    struct findings all = {0};
    struct firewall_state state = {0};
    struct firewall_plan plan = {0};
    const char *verb = argc > 1 ? argv[1] : "";
    bool settles = strcmp(verb, "settle") == 0 || strcmp(verb, "rollback") == 0 ||
                   strcmp(verb, "confirm") == 0;
    bool looks = !settles && strcmp(verb, "owner") != 0 && strcmp(verb, "forget") != 0;
    bool changes = settles || strcmp(verb, "apply") == 0;
    signal(SIGINT, on_signal);
    signal(SIGALRM, on_signal);
    log_open("firewall_probe", LOG_LEVEL_INFO);
    if (argc > 1)
        read_options(argc - 1, argv + 1);
    printf("{");
    if (strcmp(verb, "forget") == 0)
        firewall_forget(&options);
    if (owner.port)
        print_owners(&owner);
    if (looks) {
        bool known = firewall_inspect(&options, &state, &all);
        key("known");
        printf("%s", known ? "true" : "false");
        print_state(&state);
        if (known) {
            firewall_plan(&options, &state, &plan);
            print_plan(&plan);
        }
        if (known && strcmp(verb, "verify") == 0)
            firewall_verify(&options, &state, &all);
        changes = changes && known && findings_worst(&all) != SEVERITY_FAIL;
    }
    if (changes) {
        enum firewall_outcome outcome = change(verb, &plan, &all);
        key("outcome");
        printf("\"%s\"", firewall_outcome_name(outcome));
    }
    char *json = findings_json(&all);
    key("findings");
    printf("%s}\n", json);
    free(json);
    firewall_plan_free(&plan);
    firewall_state_free(&state);
    findings_free(&all);
    return 0;
}
