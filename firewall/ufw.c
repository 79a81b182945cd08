/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/ufw.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/run.h"
#include "firewall/kernel.h"
#include "firewall/words.h"

#define UFW            "/usr/sbin/ufw"
#define UFW_INIT       "/lib/ufw/ufw-init"
#define ASK_TIMEOUT_MS 30000
#define RUN_TIMEOUT_MS 120000 /* enabling loads modules and some 50 commands on slow servers */
#define LOCK_SECONDS   "10"
#define MAX_FILE       (4U << 20)

bool ufw_installed(void)
{
    return file_exists(UFW);
}

/* Runs a command and demands exit code 0; what it printed goes to b unless b is NULL. */
static bool run_and_read(const char *const argv[], int timeout_ms, const char *input,
                         const volatile int *stop, struct buf *b, struct fault *f)
{
    char how[300];
    struct run_options opt = {
        .timeout_ms = timeout_ms, .max_output = MAX_FILE, .input = input, .stop = stop};
    struct run_result r = {0};
    bool ok = run(argv, &opt, &r, f);
    if (ok && !run_ok(&r)) {
        run_explain(&r, how, sizeof how);
        ok = fault_set(f, "%s%s%s: %s", argv[0], argv[1] ? " " : "", argv[1] ? argv[1] : "", how);
    }
    if (ok && b)
        ok = buf_puts(b, buf_text(&r.out)) || fault_set(f, "%s prints too much", argv[0]);
    run_free(&r);
    return ok;
}

static bool ask(const char *first, const char *second, const volatile int *stop, struct buf *b,
                struct fault *f)
{
    const char *const argv[] = {UFW, first, second, NULL};
    buf_free(b);
    return run_and_read(argv, ASK_TIMEOUT_MS, NULL, stop, b, f);
}

/* --- Files -------------------------------------------------------------------------------------
 */

static enum ufw_policy policy_setting(const char *text, const char *key)
{
    char *value = words_setting(text, key);
    enum ufw_policy policy = value ? ufw_policy_parse(value) : UFW_POLICY_UNKNOWN;
    free(value);
    return policy;
}

static bool yes_setting(const char *text, const char *key)
{
    char *value = words_setting(text, key);
    bool yes = value && (strcmp(value, "yes") == 0 || strcmp(value, "YES") == 0);
    free(value);
    return yes;
}

bool ufw_read_settings(struct ufw_facts *ufw, struct fault *f)
{
    struct buf b;
    buf_init(&b, MAX_FILE);
    bool ok = file_read(UFW_DEFAULTS, &b, f);
    if (ok) {
        ufw->ipv6 = yes_setting(buf_text(&b), "IPV6");
        ufw->incoming = policy_setting(buf_text(&b), "DEFAULT_INPUT_POLICY");
        ufw->outgoing = policy_setting(buf_text(&b), "DEFAULT_OUTPUT_POLICY");
        ufw->forward = policy_setting(buf_text(&b), "DEFAULT_FORWARD_POLICY");
        ok = file_read(UFW_FOLDER "/ufw.conf", &b, f);
    }
    if (ok)
        ufw->enabled = yes_setting(buf_text(&b), "ENABLED");
    buf_free(&b);
    return ok;
}

static bool read_table(struct ufw_facts *ufw, enum family family, struct fault *f)
{
    static const char *const paths[FAMILIES][3] = {
        {UFW_FOLDER "/before.rules", UFW_FOLDER "/user.rules", UFW_FOLDER "/after.rules"},
        {UFW_FOLDER "/before6.rules", UFW_FOLDER "/user6.rules", UFW_FOLDER "/after6.rules"}};
    struct buf b[3];
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        buf_init(&b[i], MAX_FILE);
        ok = ok && file_read(paths[family][i], &b[i], f);
    }
    ok = ok && ufw_assemble(family, buf_text(&b[0]), buf_text(&b[1]), buf_text(&b[2]),
                            ufw->incoming, &ufw->files[family], f);
    for (int i = 0; i < 3; i++)
        buf_free(&b[i]);
    return ok;
}

bool ufw_read(struct ufw_facts *ufw, const volatile int *stop, struct fault *f)
{
    struct buf b;
    *ufw = (struct ufw_facts){0};
    buf_init(&b, MAX_FILE);
    bool ok = ask("status", "verbose", stop, &b, f) &&
              ufw_parse_status(buf_text(&b), &ufw->status, f) &&
              ask("show", "added", stop, &b, f) && ufw_parse_added(buf_text(&b), &ufw->added, f) &&
              ufw_read_settings(ufw, f) && read_table(ufw, FAMILY_IP4, f) &&
              (!ufw->ipv6 || read_table(ufw, FAMILY_IP6, f));
    if (ok && ufw->status.active) {
        ufw->incoming = ufw->status.incoming;
        ufw->outgoing = ufw->status.outgoing;
    }
    buf_free(&b);
    return ok;
}

bool ufw_read_added(struct ufw_rules *rules, const volatile int *stop, struct fault *f)
{
    struct buf b;
    *rules = (struct ufw_rules){0};
    buf_init(&b, MAX_FILE);
    bool ok = ask("show", "added", stop, &b, f) && ufw_parse_added(buf_text(&b), rules, f);
    buf_free(&b);
    return ok;
}

void ufw_facts_free(struct ufw_facts *ufw)
{
    ufw_rules_free(&ufw->added);
    for (int i = 0; i < FAMILIES; i++)
        rules_free(&ufw->files[i]);
    *ufw = (struct ufw_facts){0};
}

/* --- Changes -------------------------------------------------------------------------------------
 */

bool ufw_run(const char *const argv[], const volatile int *stop, struct fault *f)
{
    return run_and_read(argv, RUN_TIMEOUT_MS, NULL, stop, NULL, f);
}

bool ufw_write_disabled(struct fault *f)
{
    static const char *const argv[] = {"sed", "-i", "s/^ENABLED=.*/ENABLED=no/",
                                       UFW_FOLDER "/ufw.conf", NULL};
    return run_and_read(argv, ASK_TIMEOUT_MS, NULL, NULL, NULL, f);
}

static bool set_policy(enum family family, const char *chain, const char *policy, struct fault *f)
{
    /* Others, fail2ban say, may just have the lock of the tables. */
    const char *const argv[] = {
        kernel_program(family), "-w", LOCK_SECONDS, "-P", chain, policy, NULL};
    return run_and_read(argv, ASK_TIMEOUT_MS, NULL, NULL, NULL, f);
}

/* With open policies the rest of ufw's chains keeps nothing out that matters. */
bool ufw_kernel_open(struct fault *f)
{
    static const char *const chains[] = {"INPUT", "OUTPUT"};
    bool ok = true;
    for (int family = 0; family < FAMILIES; family++)
        for (size_t i = 0; i < 2 && kernel_has((enum family)family); i++)
            ok = set_policy((enum family)family, chains[i], "ACCEPT", ok ? f : NULL) && ok;
    return ok;
}

bool ufw_kernel_stop(struct fault *f)
{
    static const char *const argv[] = {UFW_INIT, "force-stop", NULL};
    return run_and_read(argv, RUN_TIMEOUT_MS, NULL, NULL, NULL, f) || ufw_kernel_open(f);
}

bool ufw_found_forward_closed(const struct rules *kernel)
{
    const struct rules_chain *chain = rules_chain(kernel, "FORWARD");
    return chain && chain->policy == RULES_DROP;
}

bool ufw_kernel_close_forward(enum family family, struct fault *f)
{
    return set_policy(family, "FORWARD", "DROP", f);
}

/*
 * ufw hooks the user's rules in last. It empties its chains, takes those of the user away, and only
 * then opens the policies; the others stay, empty, until the next boot.
 */
static enum ufw_loaded loaded_in(const char *rules, enum family family)
{
    static const char *const hooks[FAMILIES] = {"-A ufw-before-input -j ufw-user-input\n",
                                                "-A ufw6-before-input -j ufw6-user-input\n"};
    static const char *const rest[FAMILIES][2] = {{"-A ufw-", "-N ufw-user-input\n"},
                                                  {"-A ufw6-", "-N ufw6-user-input\n"}};
    if (strstr(rules, hooks[family]))
        return UFW_LOADED_WHOLE;
    return strstr(rules, rest[family][0]) || strstr(rules, rest[family][1]) ? UFW_LOADED_PARTS
                                                                            : UFW_LOADED_NONE;
}

enum ufw_loaded ufw_kernel_loaded(bool ipv6)
{
    struct buf b;
    enum ufw_loaded each[FAMILIES] = {UFW_LOADED_NONE, UFW_LOADED_NONE};
    buf_init(&b, RULES_MAX_TEXT);
    for (int family = 0; family < FAMILIES; family++)
        if (kernel_has((enum family)family))
            each[family] = kernel_list((enum family)family, &b, NULL)
                               ? loaded_in(buf_text(&b), (enum family)family)
                               : UFW_LOADED_PARTS;
    buf_free(&b);
    /* Without IPV6=yes ufw has no chains there. */
    if (!kernel_has(FAMILY_IP6) || (!ipv6 && each[FAMILY_IP6] == UFW_LOADED_NONE))
        return each[FAMILY_IP4];
    return each[FAMILY_IP4] == each[FAMILY_IP6] ? each[FAMILY_IP4] : UFW_LOADED_PARTS;
}

bool ufw_kernel_start(struct fault *f)
{
    static const char *const argv[] = {UFW_INIT, "start", NULL};
    return run_and_read(argv, RUN_TIMEOUT_MS, NULL, NULL, NULL, f);
}

bool ufw_kernel_restart(struct fault *f)
{
    static const char *const argv[] = {UFW_INIT, "force-reload", NULL};
    return run_and_read(argv, RUN_TIMEOUT_MS, NULL, NULL, NULL, f);
}

static bool load_file(const char *program, const char *path, struct fault *f)
{
    const char *const argv[] = {program, "-n", NULL};
    struct buf b;
    buf_init(&b, MAX_FILE);
    bool ok =
        file_read(path, &b, f) && run_and_read(argv, ASK_TIMEOUT_MS, buf_text(&b), NULL, NULL, f);
    buf_free(&b);
    return ok;
}

bool ufw_kernel_load(bool ipv6, struct fault *f)
{
    return load_file("iptables-restore", UFW_FOLDER "/user.rules", f) &&
           (!ipv6 || load_file("ip6tables-restore", UFW_FOLDER "/user6.rules", f));
}
