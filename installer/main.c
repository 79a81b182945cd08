/* SPDX-License-Identifier: Apache-2.0 */
/* derp-setup: turns this server into a DERP relay, and keeps an eye on it. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/translate.h"
#include "installer/ask.h"
#include "installer/doctor.h"
#include "installer/health.h"
#include "installer/language.h"
#include "installer/paths.h"
#include "installer/setup.h"
#include "installer/steps.h"
#include "installer/stop.h"
#include "installer/verbs.h"

struct verb_entry {
    enum verb verb;
    bool changes;   /* writes the log */
    bool locks;     /* not beside another such run */
    bool on_stdout; /* what it tells is what was asked for */
    enum setup_exit (*run)(struct setup *s);
};

static const struct verb_entry entries[] = {
    {VERB_SETUP, true, true, false, steps_run},
    {VERB_CHECK, false, false, false, verb_check},
    {VERB_STATUS, false, false, true, health_status},
    {VERB_DOCTOR, false, false, true, doctor_run},
    {VERB_MAP, false, false, false, verb_map},
    {VERB_RENEW, true, true, false, verb_renew},
    /* About a run that hangs or waits: the firewall has a lock of its own. */
    {VERB_CONFIRM, true, false, false, verb_confirm},
    {VERB_ROLLBACK, true, false, false, verb_rollback},
    {VERB_UNINSTALL, true, true, false, verb_uninstall},
};

static const struct verb_entry *entry_of(enum verb verb)
{
    const struct verb_entry *e = entries;
    while (e->verb != verb)
        e++;
    return e;
}

static enum setup_exit usage(struct setup *s, const char *id, const char *fix, const char *what)
{
    report_found(&s->report, SEVERITY_FAIL, id, fix, "%s", what);
    return EXIT_USAGE;
}

/* What has to be so before anything is looked at. */
static enum setup_exit admit(struct setup *s, const struct verb_entry *e)
{
    const struct options *o = s->opt;
    if (geteuid() != 0)
        return usage(s, "usage.root", "sudo derp-setup …", "derp-setup has to run as root");
    if (e->verb == VERB_SETUP && !o->yes && !o->dry_run && !ask_is_possible(o))
        return usage(s, "usage.answer",
                     "--yes agrees to the plan beforehand, --dry-run only shows it",
                     "there will be a question, and nobody to ask: standard input is no terminal");
    return EXIT_DONE;
}

/* A dry run changes nothing, so it needs no lock and leaves no log. */
static enum setup_exit run_changing(struct setup *s, const struct verb_entry *e)
{
    const char *log = s->opt->log_file ? s->opt->log_file : PATH_LOG;
    struct fault f;
    bool busy;
    int lock = e->locks ? file_lock(PATH_LOCK, &busy, &f) : -1;
    if (e->locks && lock < 0) {
        report_found(&s->report, SEVERITY_FAIL, "setup.locked",
                     busy ? "wait for it to end, or end it" : "is /run writable? `df -h /run`",
                     "%s", busy ? "another derp-setup is at work on this server" : f.text);
        return busy ? EXIT_LOCKED : EXIT_UNEXPECTED;
    }
    if (!report_log_open(&s->report, log, &f))
        report_found(&s->report, SEVERITY_WARN, "setup.log",
                     "--log-file=FILE names another one; this run goes on without", "%s", f.text);
    report_line(&s->report, "derp-setup %s, log %s", DERP_RELAY_VERSION, log);
    enum setup_exit code = e->run(s);
    if (lock >= 0)
        close(lock);
    return code;
}

static const char *result_word(const struct setup *s, enum setup_exit code)
{
    if (code == EXIT_INTERRUPTED)
        return "interrupted";
    if (code != EXIT_DONE)
        return "failed";
    if (s->opt->dry_run)
        return "dry-run";
    return s->changed ? "changed" : "unchanged";
}

static void say_the_end(struct setup *s, enum setup_exit code)
{
    const struct verb_entry *e = entry_of(s->opt->verb);
    if (code == EXIT_INTERRUPTED)
        report_always(&s->report, "Interrupted. Run the same command again to go on from here.");
    else if (code == EXIT_PREFLIGHT && e->verb == VERB_SETUP)
        report_always(&s->report, "Nothing was changed. Mend what is marked as failed, then run "
                                  "the same command again.");
    else if (code > EXIT_USAGE && e->verb == VERB_SETUP)
        report_always(&s->report, "Not finished; run the same command again to go on. Log: %s",
                      s->opt->log_file ? s->opt->log_file : PATH_LOG);
}

static void print_json(struct setup *s, enum setup_exit code)
{
    char *map = NULL;
    bool has_map = code == EXIT_DONE && (s->opt->verb == VERB_SETUP || s->opt->verb == VERB_MAP) &&
                   !s->opt->dry_run;
    if (has_map)
        map = setup_derpmap(s, MAP_TAILSCALE);
    report_json(&s->report, result_word(s, code), code, map, stdout);
    free(map);
}

/* What was asked for may be on its way into a file on a full disk. */
static enum setup_exit see_it_written(struct setup *s, enum setup_exit code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    report_found(&s->report, SEVERITY_FAIL, "output.lost",
                 "is it closed, or its disk full? `derp-setup map` prints the map again",
                 "standard output could not be written");
    return code == EXIT_DONE ? EXIT_UNEXPECTED : code;
}

static int run_verb(struct setup *s)
{
    const struct verb_entry *e = entry_of(s->opt->verb);
    bool on_stdout = e->on_stdout && !s->opt->json;
    struct report_style style = report_style(s->opt, on_stdout ? STDOUT_FILENO : STDERR_FILENO);
    report_open(&s->report, s->opt, &style, on_stdout ? stdout : stderr);
    enum setup_exit code = admit(s, e);
    if (code == EXIT_DONE)
        code = e->changes && !s->opt->dry_run ? run_changing(s, e) : e->run(s);
    say_the_end(s, code);
    if (s->opt->json)
        print_json(s, code);
    code = see_it_written(s, code);
    setup_free(s);
    report_close(&s->report);
    return code;
}

/* A command line that cannot be read may still have asked for JSON. */
static int refuse(int argc, char **argv, const struct fault *why)
{
    struct options none = {0};
    struct setup s = {.opt = &none};
    for (int i = 1; i < argc; i++)
        none.json |= strcmp(argv[i], "--json") == 0;
    if (!none.json) {
        char *shown = translate_text(why->text);
        fprintf(stderr, "derp-setup: %s\n", shown);
        free(shown);
        return EXIT_USAGE;
    }
    struct report_style style = {0};
    report_open(&s.report, &none, &style, stderr);
    usage(&s, "usage.options", "derp-setup --help", why->text);
    report_json(&s.report, "failed", EXIT_USAGE, NULL, stdout);
    report_close(&s.report);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct options o;
    struct setup s = {.opt = &o};
    struct fault f;
    file_guard_standard_streams();
    umask(022);
    log_open("derp-setup", LOG_LEVEL_WARNING);
    language_start();
    switch (options_parse(argc, argv, &o, &f)) {
    case OPTIONS_HELP:
        options_help(stdout);
        return EXIT_DONE;
    case OPTIONS_VERSION:
        puts("derp-setup " DERP_RELAY_VERSION);
        return EXIT_DONE;
    case OPTIONS_WRONG:
        return refuse(argc, argv, &f);
    case OPTIONS_RUN:
        break;
    }
    stop_install();
    if (sodium_init() < 0) {
        log_error("libsodium cannot be used");
        return EXIT_UNEXPECTED;
    }
    return run_verb(&s);
}
