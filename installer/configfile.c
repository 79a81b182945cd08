/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/configfile.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/run.h"
#include "installer/paths.h"
#include "installer/stop.h"

#define PATH_NEW CONFIG_PATH ".new"

bool configfile_is_needed(const struct setup *s)
{
    return !s->old_text || strcmp(s->old_text, s->desired.text) != 0;
}

void configfile_describe(const struct setup *s, struct buf *text)
{
    buf_printf(text, "%s %s: %s", s->old_text ? "change in" : "write", CONFIG_PATH,
               s->desired.changes);
}

static bool judged_good(struct fault *f)
{
    const char *const argv[] = {"derpd", "--config", PATH_NEW, "--check", NULL};
    struct run_options opt = {.timeout_ms = 20000, .stop = stop_flag()};
    struct run_result r;
    char why[300];
    bool fine = run(argv, &opt, &r, f);
    if (fine && !run_ok(&r)) {
        run_explain(&r, why, sizeof why);
        fine = fault_set(f, "derpd refuses the new config: %s", why);
    }
    run_free(&r);
    return fine;
}

static bool put_in_place(struct setup *s, struct fault *f)
{
    const char *text = s->desired.text;
    if (!file_mkdir(PATH_CONFIG_DIR, 0755, f) || !file_write(PATH_NEW, text, strlen(text), 0644, f))
        return false;
    if (!judged_good(f)) {
        remove(PATH_NEW);
        return false;
    }
    if (rename(PATH_NEW, CONFIG_PATH) != 0) {
        fault_errno(f, "cannot replace %s", CONFIG_PATH);
        remove(PATH_NEW);
        return false;
    }
    return file_sync_dir(PATH_CONFIG_DIR, f);
}

enum setup_exit configfile_run(struct setup *s)
{
    struct fault f;
    if (!s->old_text)
        journal_add(&s->journal, "file", CONFIG_PATH, "");
    journal_set(&s->journal.domain, s->desired.config.domain);
    /* From here on a running derpd has an old config, also for a later run. */
    journal_mark(&s->journal, "service", JOURNAL_STARTED);
    if (!setup_save(s))
        return EXIT_UNEXPECTED;
    if (!put_in_place(s, &f)) {
        if (stop_wanted())
            return EXIT_INTERRUPTED;
        report_found(&s->report, SEVERITY_FAIL, "config.refused",
                     "the old config stands; correct the flag and run this again", "%s", f.text);
        return EXIT_SERVICE;
    }
    s->changed = true;
    report_change(&s->report, "%s: %s", CONFIG_PATH, s->desired.changes);
    report_found(&s->report, SEVERITY_OK, "config.ok", NULL, "%s written (%s)", CONFIG_PATH,
                 s->desired.changes);
    return EXIT_DONE;
}
