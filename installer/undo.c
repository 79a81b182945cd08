/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/undo.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/run.h"
#include "base/translate.h"
#include "installer/ask.h"
#include "installer/configfile.h"
#include "installer/paths.h"
#include "installer/service.h"
#include "installer/stop.h"

#define UNDO_MS     180000
#define UNDO_APT_MS 1200000 /* the wait for another apt included; killing it leaves a mess */

/* --- One command -------------------------------------------------------------------------------
 */

/* The one command of iptables that is derp-setup's. */
static bool closes_forward(char *words[], size_t n)
{
    return n == 4 && (strcmp(words[0], "iptables") == 0 || strcmp(words[0], "ip6tables") == 0) &&
           strcmp(words[1], "-P") == 0 && strcmp(words[2], "FORWARD") == 0 &&
           strcmp(words[3], "DROP") == 0;
}

bool undo_split(char *text, char *words[static UNDO_WORDS], struct fault *f)
{
    static const char *const programs[] = {"ufw", "systemctl", "apt-get"};
    size_t n = 0;
    char *at = text;
    while (*(at += strspn(at, " "))) {
        char stop = *at == '\'' ? '\'' : ' ';
        at += stop == '\'';
        char *end = strchr(at, stop);
        if (!end && stop == '\'')
            return fault_set(f, "a quote is open");
        if (n + 1 == UNDO_WORDS)
            return fault_set(f, "too many words");
        words[n++] = at;
        if (!end)
            break;
        *end = '\0';
        at = end + 1;
    }
    words[n] = NULL;
    for (size_t i = 0; n > 0 && i < sizeof programs / sizeof *programs; i++)
        if (strcmp(words[0], programs[i]) == 0)
            return true;
    return closes_forward(words, n) || fault_set(f, "not a command of derp-setup's");
}

static bool run_command(const char *command, struct fault *f)
{
    char *text = mem_strdup(command);
    char *words[UNDO_WORDS];
    const char *argv[UNDO_WORDS + 3];
    const char *const env[] = {"DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", NULL};
    struct run_options opt = {.timeout_ms = UNDO_MS, .env = env, .stop = stop_flag()};
    struct run_result r = {0};
    char why[300];
    bool fine = undo_split(text, words, f);
    if (fine) {
        size_t n = 0;
        argv[n++] = words[0];
        if (strcmp(words[0], "apt-get") == 0) {
            /* Another apt, such as the daily one, may be at work. And once it works, it is not
             * stopped: packages would be left half removed. */
            argv[n++] = "--yes";
            argv[n++] = "-o";
            argv[n++] = "DPkg::Lock::Timeout=300";
            opt.timeout_ms = UNDO_APT_MS;
            opt.stop = NULL;
        }
        for (size_t i = 1; words[i]; i++)
            argv[n++] = words[i];
        argv[n] = NULL;
        fine = run(argv, &opt, &r, f);
    }
    if (fine && !run_ok(&r)) {
        run_explain(&r, why, sizeof why);
        fine = fault_set(f, "%s: %s", command, why);
    }
    run_free(&r);
    free(text);
    return fine;
}

/* --- The journal, backwards --------------------------------------------------------------------
 */

/* Says why a change is left as it is; true when it is not ours to undo any more. */
static bool is_left(struct setup *s, const struct journal_change *c, enum firewall_since since)
{
    if (since == FIREWALL_SINCE_OTHERS)
        report_found(&s->report, SEVERITY_WARN, "uninstall.yours", c->undo,
                     "left as it is, since you have changed it (its comment, or the policy): %s",
                     c->detail);
    else if (since == FIREWALL_SINCE_NEEDED)
        report_found(&s->report, SEVERITY_WARN, "uninstall.yours", c->undo,
                     "left as it is, since nobody could log in over SSH by that port without it: "
                     "%s",
                     c->detail);
    else if (since == FIREWALL_SINCE_GONE)
        report_found(&s->report, SEVERITY_SKIP, "uninstall.gone", NULL, "already gone: %s",
                     c->detail);
    return since != FIREWALL_SINCE_SAME;
}

/* What came of the owner's own hand is not deleted, unless everything goes. */
static bool undo_file(struct setup *s, const struct journal_change *c, struct fault *f)
{
    if (s->opt->purge || !file_exists(c->detail) || configfile_is_ours(s))
        return file_remove(c->detail, f);
    char *command = mem_printf("rm %s", c->detail);
    report_found(&s->report, SEVERITY_WARN, "uninstall.yours", command,
                 "left as it is, since it may have been edited after derp-setup wrote it: %s",
                 c->detail);
    free(command);
    return true;
}

/* ufw and what came along with it; what something else needs by now stays. */
static bool undo_packages(struct setup *s, const struct journal_change *c, struct fault *f)
{
    char *command = firewall_purge(c->undo, stop_flag(), f);
    bool fine = command != NULL;
    if (fine && *command == '\0')
        report_found(&s->report, SEVERITY_SKIP, "uninstall.packages", NULL,
                     "already gone, or needed by something else: %s", c->undo);
    else if (fine)
        fine = run_command(command, f);
    free(command);
    return fine;
}

static const struct journal_change *newest(const struct setup *s)
{
    return &s->journal.changes[s->journal.change_count - 1];
}

/* Is it to come after ufw is off? Should it shut SSH out; and ufw opens FORWARD then. */
static bool comes_later(const struct journal_change *c, enum firewall_since since)
{
    return since == FIREWALL_SINCE_NEEDED || strcmp(c->what, "forward") == 0;
}

/* The newest; but ufw goes off before what is to come later. */
static bool undo_change(struct setup *s, struct fault *f)
{
    const struct journal_change *c = newest(s);
    enum firewall_since since;
    if (!firewall_since(&s->firewall, c->what, c->detail, &since, f))
        return false;
    if (comes_later(c, since) && journal_raise(&s->journal, "enable", "ufw ")) {
        c = newest(s);
        if (!firewall_since(&s->firewall, c->what, c->detail, &since, f))
            return false;
    }
    report_progress(&s->report, *c->undo ? c->undo : c->detail);
    if (is_left(s, c, since))
        return true;
    if (strcmp(c->what, "file") == 0 && !undo_file(s, c, f))
        return false;
    bool packages = strcmp(c->what, "package") == 0;
    if (*c->undo && !(packages ? undo_packages(s, c, f) : run_command(c->undo, f)))
        return false;
    if (strcmp(c->what, "file") == 0 && file_exists(c->detail))
        return true;
    s->changed = true;
    report_change(&s->report, "undone: %s", c->detail);
    return true;
}

/* Each is taken off the list once it is undone, so that a run that was cut off goes on there. */
static enum setup_exit undo_all(struct setup *s)
{
    struct journal *j = &s->journal;
    struct fault f;
    report_begin(&s->report, "uninstall", "undoing, newest change first");
    while (j->change_count && !stop_wanted()) {
        if (!undo_change(s, &f)) {
            report_end(&s->report);
            if (stop_wanted())
                return EXIT_INTERRUPTED;
            report_found(&s->report, SEVERITY_FAIL, "uninstall.failed",
                         "mend it, then run `derp-setup uninstall` again: it goes on from there",
                         "“%s” could not be undone: %s", newest(s)->detail, f.text);
            return EXIT_UNEXPECTED;
        }
        journal_drop(j);
        if (!setup_save(s))
            return EXIT_UNEXPECTED;
    }
    report_end(&s->report);
    return stop_wanted() ? EXIT_INTERRUPTED : EXIT_DONE;
}

/* Everything in the two folders; the folders themselves belong to the package, and its units want
 * them. */
static bool empty_folders(void)
{
    const char *const argv[] = {
        "find", "/var/lib/derp", "/var/lib/derp-acme", "-xdev", "-mindepth", "1", "-delete", NULL};
    struct run_options opt = {.timeout_ms = 60000, .stop = stop_flag()};
    struct run_result r;
    service_make_folders(); /* find wants both */
    bool fine = run(argv, &opt, &r, NULL) && run_ok(&r);
    run_free(&r);
    service_make_folders(); /* those within */
    return fine;
}

static void purge(struct setup *s)
{
    /* The timer is stopped by now; what it has started would write another key. */
    bool quiet = service_do("stop", SERVICE_ACME, NULL);
    if (empty_folders() && quiet)
        report_change(&s->report, "deleted: keys and certificates");
    else
        report_found(&s->report, SEVERITY_WARN, "uninstall.leftovers",
                     "systemctl stop " SERVICE_ACME
                     "; find /var/lib/derp /var/lib/derp-acme -xdev -mindepth 1 -delete",
                     "not all keys and certificates could be deleted");
}

/* --- The verb ----------------------------------------------------------------------------------
 */

/* The relay's name; "" when a first run was cut off before it had one. */
static const char *domain_of(const struct setup *s)
{
    const char *domain = s->journal.domain ? s->journal.domain : s->desired.config.domain;
    return domain ? domain : "";
}

static enum setup_exit agree(struct setup *s)
{
    const char *domain = domain_of(s);
    char *question;
    bool fine;
    if (s->opt->confirm && *domain && strcmp(s->opt->confirm, domain) != 0) {
        report_found(&s->report, SEVERITY_FAIL, "usage.confirm", "give the domain of this relay",
                     "--confirm=%s is not what this server is the relay of", s->opt->confirm);
        return EXIT_USAGE;
    }
    if (s->opt->confirm || (s->opt->yes && !s->opt->purge))
        return EXIT_DONE;
    if (!ask_is_possible(s->opt)) {
        report_found(&s->report, SEVERITY_FAIL, "usage.answer",
                     s->opt->purge ? "derp-setup uninstall --purge --confirm=DOMAIN"
                                   : "derp-setup uninstall --yes",
                     "uninstall has a question and nobody can be asked");
        return EXIT_USAGE;
    }
    if (s->opt->purge && *domain) {
        question = translate_new(
            "Keys and certificates will be deleted. Type the domain %s to go on:", domain);
        fine = ask_word(&s->report, question, domain);
        free(question);
    } else {
        fine = ask_yes(&s->report, "Proceed? [y/N]");
    }
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    if (!fine)
        report_always(&s->report, "Nothing was changed.");
    return fine ? EXIT_DONE : EXIT_UNEXPECTED;
}

/* What a run was about to write when it was killed. */
static void sweep(void)
{
    static const char *const patterns[] = {CONFIG_PATH ".new", PATH_CONFIG_DIR "/.derp.conf.*",
                                           PATH_STATE_DIR "/.journal.json.*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++)
            file_remove(found.gl_pathv[k], NULL);
        globfree(&found);
    }
}

static void forget(struct setup *s)
{
    sweep();
    firewall_forget(&s->firewall);
    file_remove(PATH_JOURNAL, NULL);
}

enum setup_exit undo_run(struct setup *s)
{
    struct journal *j = &s->journal;
    if (s->journal_broken) {
        report_found(&s->report, SEVERITY_FAIL, "uninstall.unknown",
                     "the log lists each change: grep changed: " PATH_LOG
                     "; take them back by hand, then move the record away",
                     "what is to be undone is not known: %s cannot be read", PATH_JOURNAL);
        return EXIT_UNEXPECTED;
    }
    report_title(&s->report, "Plan");
    for (size_t i = j->change_count; i-- > 0;)
        report_item(&s->report, "undo", "%s", j->changes[i].detail);
    if (s->opt->purge)
        report_item(&s->report, "delete",
                    "the keys and certificates in /var/lib/derp and "
                    "/var/lib/derp-acme");
    if (j->change_count == 0 && !s->opt->purge) {
        report_always(&s->report, "Nothing is listed in %s, so there is nothing to undo.",
                      PATH_JOURNAL);
        if (!s->opt->dry_run)
            forget(s);
        return EXIT_DONE;
    }
    if (s->opt->dry_run) {
        report_always(&s->report, "This was a dry run: nothing was changed.");
        return EXIT_DONE;
    }
    enum setup_exit code = agree(s);
    if (code == EXIT_DONE)
        code = undo_all(s);
    if (code != EXIT_DONE)
        return code;
    if (s->opt->purge)
        purge(s);
    forget(s);
    report_always(&s->report, "Undone. The package is still installed: apt purge derp-relay");
    return EXIT_DONE;
}
