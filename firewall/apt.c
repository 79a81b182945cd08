/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/apt.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/run.h"
#include "base/text.h"

#define PACKAGE     "ufw"
#define LOCK_OPTION "DPkg::Lock::Timeout=300" /* seconds; first boot keeps apt busy */
#define SIMULATE_MS 60000
#define UPDATE_MS   180000
#define INSTALL_MS  900000
#define MAX_ARGS    20
#define MISSING_FIX "apt-get update && apt-get install ufw; then run again"

static const char *const environment[] = {"DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1",
                                          NULL};

/* --- The simulation's text (pure) --------------------------------------------------------------
 */

static void add_name(char **names, const char *name)
{
    char *longer = *names ? mem_printf("%s %s", *names, name) : mem_strdup(name);
    free(*names);
    *names = longer;
}

void apt_parse_simulation(const char *text, const char *package, struct apt_simulation *s)
{
    *s = (struct apt_simulation){0};
    char *copy = mem_strdup(text);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *verb = strsep(&line, " ");
        char *name = line ? strsep(&line, " ") : NULL;
        if (!name || *name == '\0')
            continue;
        if (strcmp(verb, "Inst") == 0 && strcmp(name, package) == 0)
            s->installs = true;
        else if (strcmp(verb, "Remv") == 0 || strcmp(verb, "Purg") == 0)
            add_name(&s->removes, name);
    }
    free(copy);
}

/* --- Asking apt ----------------------------------------------------------------------------------
 */

/* A private folder for package lists, so that asking leaves the system's alone. */
struct lists {
    char folder[40];
    char *state;
    char *cache;
    bool private;
};

struct call {
    const struct lists *lists;
    const volatile int *stop;
    int timeout_ms;
    void (*on_line)(void *arg, const char *line);
    void *arg;
};

static bool apt_get(const struct call *call, const char *const words[], struct run_result *r,
                    struct fault *f)
{
    const char *argv[MAX_ARGS] = {"apt-get", "-q", "-o", LOCK_OPTION};
    size_t n = 4;
    if (call->lists->private) {
        argv[n++] = "-o";
        argv[n++] = call->lists->state;
        argv[n++] = "-o";
        argv[n++] = call->lists->cache;
        argv[n++] = "-o";
        argv[n++] = "Debug::NoLocking=1";
    }
    for (; *words && n < MAX_ARGS - 1; words++)
        argv[n++] = *words;
    struct run_options opt = {.timeout_ms = call->timeout_ms,
                              .env = environment,
                              .stop = call->stop,
                              .on_line = call->on_line,
                              .on_line_arg = call->arg};
    return run(argv, &opt, r, f);
}

/* The last line of apt's complaint, which is the telling one. */
static char *complaint(const struct run_result *r)
{
    const char *found = NULL;
    const char *text = buf_text(&r->err);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (text_starts(line, "E: "))
            found = line + 3;
    }
    char how[300];
    if (found)
        text_printable(found, strcspn(found, "\n"), how, sizeof how);
    else
        run_explain(r, how, sizeof how);
    return mem_strdup(how);
}

static enum apt_answer simulate(const struct lists *lists, const volatile int *stop, char **why)
{
    static const char *const words[] = {"-s", "install", "--no-install-recommends", PACKAGE, NULL};
    struct call call = {.lists = lists, .stop = stop, .timeout_ms = SIMULATE_MS};
    struct run_result r = {0};
    struct fault f;
    struct apt_simulation s = {0};
    enum apt_answer answer = APT_UNABLE;
    free(*why);
    *why = NULL;
    if (!apt_get(&call, words, &r, &f)) {
        *why = mem_strdup(f.text);
        return answer;
    }
    apt_parse_simulation(buf_text(&r.out), PACKAGE, &s);
    if (s.removes) {
        answer = APT_CONFLICT;
        *why = s.removes;
    } else if (run_ok(&r) && s.installs) {
        answer = APT_READY;
    } else {
        *why = complaint(&r);
    }
    run_free(&r);
    return answer;
}

static bool update(const struct lists *lists, const struct call *like, char **why)
{
    static const char *const words[] = {"update", NULL};
    struct call call = *like;
    struct run_result r = {0};
    struct fault f;
    call.lists = lists;
    call.timeout_ms = UPDATE_MS;
    bool ok = apt_get(&call, words, &r, &f);
    if (!ok || !run_ok(&r)) {
        free(*why);
        *why = ok ? complaint(&r) : mem_strdup(f.text);
        ok = false;
    }
    run_free(&r);
    return ok;
}

static bool open_lists(struct lists *lists)
{
    *lists = (struct lists){.folder = "/tmp/derp-setup-apt-XXXXXX", .private = true};
    if (!mkdtemp(lists->folder))
        return false;
    /* apt fetches as its own user. */
    char *part = mem_printf("%s/lists", lists->folder);
    bool ok = chmod(lists->folder, 0755) == 0 && file_mkdir(part, 0755, NULL);
    free(part);
    lists->state = mem_printf("Dir::State::Lists=%s/lists", lists->folder);
    lists->cache = mem_printf("Dir::Cache=%s", lists->folder);
    return ok;
}

static void close_lists(struct lists *lists)
{
    const char *const argv[] = {"rm", "-rf", "--", lists->folder, NULL};
    struct run_options opt = {.timeout_ms = SIMULATE_MS};
    struct run_result r = {0};
    if (lists->state)
        run(argv, &opt, &r, NULL);
    run_free(&r);
    free(lists->state);
    free(lists->cache);
}

/* The simulation with fresh lists of its own. */
static enum apt_answer simulate_fresh(const volatile int *stop, char **why)
{
    struct lists lists;
    struct call call = {.stop = stop};
    enum apt_answer answer = APT_UNABLE;
    if (!open_lists(&lists)) {
        close_lists(&lists);
        return answer;
    }
    if (update(&lists, &call, why)) {
        answer = simulate(&lists, stop, why);
        if (answer == APT_READY)
            answer = APT_NEEDS_LISTS;
    }
    close_lists(&lists);
    return answer;
}

/* --- Findings
 * -------------------------------------------------------------------------------------- */

static void report(enum apt_answer answer, const char *why, struct findings *all)
{
    size_t i;
    switch (answer) {
    case APT_READY:
    case APT_NEEDS_LISTS:
        finding_add(all, SEVERITY_WARN, "firewall.ufw.missing",
                    "ufw is not installed; it will be installed with apt%s",
                    answer == APT_READY ? "" : " (after apt-get update)");
        break;
    case APT_CONFLICT:
        i = finding_add(all, SEVERITY_FAIL, "firewall.ufw.conflict",
                        "installing ufw would remove: %s. A firewall of yours may be among them, "
                        "so nothing was changed",
                        why);
        finding_fix(all, i,
                    "either keep them, allow 443/tcp and 3478/udp there and run again with "
                    "--firewall=none; or replace them yourself: apt-get install ufw");
        break;
    case APT_UNABLE:
        i = finding_add(all, SEVERITY_FAIL, "firewall.ufw.missing",
                        "ufw is not installed, and apt cannot install it: %s", why);
        finding_fix(all, i, MISSING_FIX);
        break;
    }
}

enum apt_answer apt_ask(const volatile int *stop, struct findings *all)
{
    struct lists system = {0};
    char *why = NULL;
    enum apt_answer answer = simulate(&system, stop, &why);
    if (answer == APT_UNABLE && !(stop && *stop))
        answer = simulate_fresh(stop, &why);
    report(answer, why ? why : "apt-get does not say why", all);
    free(why);
    return answer;
}

bool apt_install(bool fresh, const volatile int *stop, void (*on_line)(void *arg, const char *),
                 void *arg, struct findings *all)
{
    static const char *const words[] = {
        "-y",    "-o", "Dpkg::Options::=--force-confold", "install", "--no-install-recommends",
        PACKAGE, NULL};
    struct lists system = {0};
    struct call call = {
        .lists = &system, .stop = stop, .timeout_ms = INSTALL_MS, .on_line = on_line, .arg = arg};
    struct run_result r = {0};
    struct fault f;
    char *why = NULL;
    enum apt_answer answer = APT_UNABLE;
    if (!fresh || update(&system, &call, &why))
        answer = simulate(&system, stop, &why);
    if (answer == APT_READY) {
        call.stop = NULL; /* a package manager that is cut off leaves a mess */
        if (!apt_get(&call, words, &r, &f))
            why = mem_strdup(f.text);
        else if (!run_ok(&r))
            why = complaint(&r);
        answer = why ? APT_UNABLE : APT_READY;
    }
    if (answer != APT_READY)
        report(answer, why ? why : "apt-get does not say why", all);
    run_free(&r);
    free(why);
    return answer == APT_READY;
}
