/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/hook.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/run.h"
#include "base/text.h"

#define OUTPUT_MAX 8192
#define LINES_MAX  20 /* logged of each stream */

static const char *const verbs[] = {[HOOK_PRESENT] = "present", [HOOK_CLEANUP] = "cleanup"};

bool hook_may_run(const char *key, const char *program, struct fault *f)
{
    struct stat st;
    if (stat(program, &st) < 0)
        return fault_errno(f, "%s %s", key, program);
    if (!S_ISREG(st.st_mode) || access(program, X_OK) < 0)
        return fault_set(f, "%s %s is not a program that this user may start: chmod 0755 %s", key,
                         program, program);
    if (st.st_mode & 022)
        return fault_set(f, "%s %s may be changed by others (mode %04o): chmod go-w %s", key,
                         program, (unsigned)st.st_mode & 07777, program);
    return true;
}

static void log_output(const char *what, struct buf *b)
{
    const char *line = buf_text(b);
    for (unsigned i = 0; i < LINES_MAX && *line; i++) {
        char text[400];
        size_t n = strcspn(line, "\n");
        text_printable(line, n, text, sizeof text);
        log_warning("%s: %s", what, text);
        line += n + (line[n] == '\n');
    }
}

bool hook_run(const char *program, enum hook_verb verb, const char *name, const char *value,
              struct fault *f)
{
    const char *const argv[] = {program, verbs[verb], name, value, NULL};
    const struct run_options opt = {.timeout_ms = HOOK_TIMEOUT_MS, .max_output = OUTPUT_MAX};
    struct run_result r;
    char how[300];
    if (!hook_may_run("dns-hook", program, f))
        return false;
    log_debug("%s %s %s %s", program, verbs[verb], name, value);
    bool started = run(argv, &opt, &r, f);
    bool ok = started && run_ok(&r);
    if (started && !ok) {
        log_output("hook", &r.out);
        log_output("hook", &r.err);
        run_explain(&r, how, sizeof how);
        fault_set(f, "%s %s %s: %s", program, verbs[verb], name, how);
    }
    run_free(&r);
    return ok;
}
