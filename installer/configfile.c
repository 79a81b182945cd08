/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/configfile.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/run.h"
#include "base/text.h"
#include "base/translate.h"
#include "installer/paths.h"
#include "installer/service.h"
#include "installer/stop.h"

#define PATH_NEW CONFIG_PATH ".new"

bool configfile_is_needed(const struct setup *s)
{
    return !s->old_text || strcmp(s->old_text, s->desired.text) != 0;
}

void configfile_describe(const struct setup *s, struct buf *text)
{
    translate_buf(text, "%s %s: %s", s->old_text ? "change in" : "write", CONFIG_PATH,
                  s->desired.changes);
}

bool configfile_judge(const char *path, struct fault *f)
{
    const char *const argv[] = {"derpd", "--config", path, "--check", NULL};
    struct run_options opt = {.timeout_ms = 20000, .stop = stop_flag()};
    struct run_result r;
    char why[300];
    bool fine = run(argv, &opt, &r, f);
    if (fine && !run_ok(&r)) {
        run_explain(&r, why, sizeof why);
        fine = fault_set(f, "derpd refuses it: %s", why);
    }
    run_free(&r);
    return fine;
}

/* From memory, so that a check writes nothing. */
void configfile_check(const struct setup *s, struct findings *all)
{
    const char *text = s->desired.text;
    char path[64];
    struct fault f;
    int fd = memfd_create("derp.conf", MFD_CLOEXEC);
    if (fd < 0 || !s->desired.config.domain || access(PATH_RELAY, X_OK) != 0 ||
        write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        if (fd >= 0)
            close(fd);
        return; /* found by others, or tried again before it is put in place */
    }
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    if (!configfile_judge(path, &f) && !stop_wanted()) {
        const char *at_path = strstr(f.text, path);
        int before = at_path ? (int)(at_path - f.text) : (int)strlen(f.text);
        size_t at =
            finding_add(all, SEVERITY_FAIL, "config.refused",
                        "with these settings the relay would not start: %.*s%s%s", before, f.text,
                        at_path ? "derp.conf" : "", at_path ? at_path + strlen(path) : "");
        finding_fix(all, at, "correct the flag, or the line in %s, and run this again",
                    CONFIG_PATH);
    }
    close(fd);
}

static bool put_in_place(struct setup *s, struct fault *f)
{
    const char *text = s->desired.text;
    if (!file_mkdir(PATH_CONFIG_DIR, 0755, f) || !file_write(PATH_NEW, text, strlen(text), 0644, f))
        return false;
    if (!configfile_judge(PATH_NEW, f)) {
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

/* --- Whose is it? --------------------------------------------------------------------------------
 */

#define FINGERPRINT (2 * crypto_hash_sha256_BYTES + 1)

static void fingerprint(const char *text, char hex[static FINGERPRINT])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
    text_hex(hash, sizeof hash, hex);
}

bool configfile_is_ours(const struct setup *s)
{
    char hex[FINGERPRINT];
    if (!s->old_text || !s->journal.config)
        return false;
    fingerprint(s->old_text, hex);
    return strstr(s->journal.config, hex) != NULL;
}

/* Before a text is written: if the run dies meanwhile, either may be there. What somebody has
 * edited stays his, although we change it, too. */
static void note_texts(struct setup *s)
{
    char now[FINGERPRINT], before[FINGERPRINT];
    fingerprint(s->desired.text, now);
    if (!s->old_text) {
        journal_set(&s->journal.config, now);
    } else if (configfile_is_ours(s)) {
        fingerprint(s->old_text, before);
        char *both = mem_printf("%s %s", before, now);
        journal_set(&s->journal.config, both);
        free(both);
    } else {
        journal_set(&s->journal.config, NULL);
    }
}

static void note_text(struct setup *s)
{
    char now[FINGERPRINT];
    fingerprint(s->desired.text, now);
    if (s->journal.config)
        journal_set(&s->journal.config, now);
}

/* --- The step ------------------------------------------------------------------------------------
 */

enum setup_exit configfile_run(struct setup *s)
{
    struct fault f;
    report_begin(&s->report, "config", "writing " CONFIG_PATH);
    /* With a config, a boot that cuts this run off starts both by itself. */
    if (!s->old_text)
        journal_add(&s->journal, "file", CONFIG_PATH,
                    "systemctl stop " SERVICE_TIMER " " SERVICE_RELAY);
    note_texts(s);
    journal_set(&s->journal.domain, s->desired.config.domain);
    /* From here on a running derpd has an old config, also for a later run. */
    journal_mark(&s->journal, "service", JOURNAL_STARTED);
    bool saved = setup_save(s), fine = saved && put_in_place(s, &f);
    report_end(&s->report);
    if (!saved)
        return EXIT_UNEXPECTED;
    if (!fine) {
        if (stop_wanted())
            return EXIT_INTERRUPTED;
        report_found(&s->report, SEVERITY_FAIL, "config.refused",
                     "the old config stands; correct the flag and run this again", "%s", f.text);
        return EXIT_SERVICE;
    }
    note_text(s);
    s->changed = true;
    report_change(&s->report, "%s: %s", CONFIG_PATH, s->desired.changes);
    report_found(&s->report, SEVERITY_OK, "config.ok", NULL, "%s written (%s)", CONFIG_PATH,
                 s->desired.changes);
    return EXIT_DONE;
}
