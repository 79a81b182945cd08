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
#define MAX_ARGS    100
#define MISSING_FIX "apt-get update && apt-get install ufw; then run again"

static const char *const environment[] = {"DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1",
                                          NULL};

/* --- The simulation's text (pure) --------------------------------------------------------------
 */

static void add_name(char **names, const char *name)
{
    char *longer = *names && **names ? mem_printf("%s %s", *names, name) : mem_strdup(name);
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
        if (strcmp(verb, "Inst") == 0) {
            s->installs = s->installs || strcmp(name, package) == 0;
            /* "Inst NAME [1.0] (1.1 …": an older one is there. */
            if (!line || *line != '[')
                add_name(&s->brings, name);
        } else if (strcmp(verb, "Remv") == 0 || strcmp(verb, "Purg") == 0) {
            add_name(&s->removes, name);
        }
    }
    free(copy);
}

void apt_simulation_free(struct apt_simulation *s)
{
    free(s->brings);
    free(s->removes);
    *s = (struct apt_simulation){0};
}

static bool has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == n && strncmp(at, name, n) == 0)
            return true;
    return false;
}

static char *pick(const char *a, const char *b, bool wanted)
{
    char *copy = mem_strdup(a ? a : ""), *picked = NULL;
    for (char *rest = copy, *name; (name = strsep(&rest, " ")) != NULL;)
        if (*name && has_name(b, name) == wanted)
            add_name(&picked, name);
    free(copy);
    return picked;
}

char *apt_names_in(const char *a, const char *b)
{
    return pick(a, b, true);
}

char *apt_names_not_in(const char *a, const char *b)
{
    return pick(a, b, false);
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

/* packages: what would come, may be NULL. */
static enum apt_answer simulate(const struct lists *lists, const volatile int *stop, char **why,
                                char **packages)
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
        *why = mem_strdup(s.removes);
    } else if (run_ok(&r) && s.installs) {
        answer = APT_READY;
        if (packages)
            *packages = mem_strdup(s.brings ? s.brings : PACKAGE);
    } else {
        *why = complaint(&r);
    }
    apt_simulation_free(&s);
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
        answer = simulate(&lists, stop, why, NULL);
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
    enum apt_answer answer = simulate(&system, stop, &why, NULL);
    if (answer == APT_UNABLE && !(stop && *stop))
        answer = simulate_fresh(stop, &why);
    report(answer, why ? why : "apt-get does not say why", all);
    free(why);
    return answer;
}

bool apt_prepare(bool fresh, const volatile int *stop, char **packages, struct findings *all)
{
    struct lists system = {0};
    struct call call = {.lists = &system, .stop = stop};
    char *why = NULL;
    enum apt_answer answer = APT_UNABLE;
    *packages = NULL;
    if (!fresh || update(&system, &call, &why))
        answer = simulate(&system, stop, &why, packages);
    if (answer != APT_READY)
        report(answer, why ? why : "apt-get does not say why", all);
    free(why);
    return answer == APT_READY;
}

bool apt_install(const volatile int *stop, void (*on_line)(void *arg, const char *), void *arg,
                 struct findings *all)
{
    static const char *const words[] = {
        "-y",    "-o", "Dpkg::Options::=--force-confold", "install", "--no-install-recommends",
        PACKAGE, NULL};
    struct lists system = {0};
    struct call call = {.lists = &system, .timeout_ms = INSTALL_MS, .on_line = on_line, .arg = arg};
    struct run_result r = {0};
    struct fault f;
    char *why = NULL;
    if (stop && *stop)
        return false;
    /* From here on it is not stopped: a package manager that is cut off leaves a mess. */
    if (!apt_get(&call, words, &r, &f))
        why = mem_strdup(f.text);
    else if (!run_ok(&r))
        why = complaint(&r);
    if (why)
        report(APT_UNABLE, why, all);
    bool ok = !why;
    run_free(&r);
    free(why);
    return ok;
}

bool apt_has_left_files(const volatile int *stop)
{
    static const char *const argv[] = {"dpkg-query",          "-W",    "-f",
                                       "${db:Status-Status}", PACKAGE, NULL};
    struct run_options opt = {.timeout_ms = SIMULATE_MS, .stop = stop};
    struct run_result r = {0};
    /* 1: it does not know the package at all. */
    bool left = !run(argv, &opt, &r, NULL) ||
                !(r.exit_code == 1 || strcmp(buf_text(&r.out), "not-installed") == 0);
    run_free(&r);
    return left;
}

/* --- Taking away ---------------------------------------------------------------------------------
 */

/* apt-get -s WORD --purge NAMES. What others merely suggest (iproute2 does Python) they do not
 * need. */
static bool simulate_removal(const char *word, const char *names, const volatile int *stop,
                             struct apt_simulation *s, struct fault *f)
{
    struct lists system = {0};
    struct call call = {.lists = &system, .stop = stop, .timeout_ms = SIMULATE_MS};
    const char *words[MAX_ARGS - 10] = {"-o", "APT::AutoRemove::SuggestsImportant=false", "-s",
                                        "--purge", word};
    size_t n = 5;
    struct run_result r = {0};
    char *copy = mem_strdup(names ? names : "");
    for (char *rest = copy, *name; (name = strsep(&rest, " ")) && n + 1 < MAX_ARGS - 10;)
        if (*name)
            words[n++] = name;
    bool ok = apt_get(&call, words, &r, f);
    if (ok && !run_ok(&r)) {
        char *why = complaint(&r);
        ok = fault_set(f, "apt-get cannot say what would go: %s", why);
        free(why);
    }
    if (ok)
        apt_parse_simulation(buf_text(&r.out), PACKAGE, s);
    run_free(&r);
    free(copy);
    return ok;
}

/* Those that dpkg knows, if only by their configuration. */
static char *present(const char *packages, const volatile int *stop, struct fault *f)
{
    const char *argv[MAX_ARGS] = {"dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"};
    size_t n = 4;
    struct run_options opt = {.timeout_ms = SIMULATE_MS, .stop = stop};
    struct run_result r = {0};
    char *copy = mem_strdup(packages), *found = NULL;
    for (char *rest = copy, *name; (name = strsep(&rest, " ")) && n + 1 < MAX_ARGS;)
        if (*name)
            argv[n++] = name;
    if (run(argv, &opt, &r, f)) { /* exits with 1 when it does not know one of them */
        found = mem_strdup("");
        char *text = mem_strdup(buf_text(&r.out));
        for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
            char *status = strsep(&line, " ");
            if (line && *line && strcmp(status, "not-installed") != 0)
                add_name(&found, line);
        }
        free(text);
    }
    run_free(&r);
    free(copy);
    return found;
}

/* names, or as much of them as goes alone. */
static char *alone(char *names, const volatile int *stop, struct fault *f)
{
    struct apt_simulation s = {0};
    char *only = apt_names_in(names, PACKAGE);
    const char *const tries[] = {names, only};
    char *good = mem_strdup("");
    for (size_t i = 0; good && *good == '\0' && i < 2; i++) {
        if (!tries[i])
            continue;
        bool told = simulate_removal("purge", tries[i], stop, &s, f);
        char *others = apt_names_not_in(s.removes, tries[i]);
        free(good);
        good = told ? mem_strdup(others ? "" : tries[i]) : NULL;
        free(others);
        apt_simulation_free(&s);
    }
    free(only);
    return good;
}

char *apt_unneeded(const char *packages, const volatile int *stop, struct fault *f)
{
    struct apt_simulation s = {0};
    char *here = present(packages, stop, f), *go = NULL;
    if (!here)
        return NULL;
    char *first = apt_names_in(here, PACKAGE);
    if (*here && simulate_removal("autoremove", first, stop, &s, f)) {
        char *both = apt_names_in(here, s.removes);
        go = both ? alone(both, stop, f) : mem_strdup("");
        free(both);
    } else if (*here == '\0') {
        go = mem_strdup("");
    }
    apt_simulation_free(&s);
    free(first);
    free(here);
    return go;
}
