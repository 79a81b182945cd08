/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/report.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/translate.h"
#include "installer/progress.h"
#include "installer/terminal.h"
#include "installer/wrap.h"

#define LABEL_WIDTH   12                /* "certificate" and room */
#define TEXT_COLUMN   (4 + LABEL_WIDTH) /* two spaces, symbol, space, label */
#define NARROW        40 /* from here on a column for labels would leave no room for text */
#define NARROW_INDENT 4
#define WIDTH_USUAL   80
#define REPORT_SCHEMA 1

/* --- Style -------------------------------------------------------------------------------------
 */

struct report_style report_style(const struct options *o, int fd)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool plain = o->plain || !term || !*term || strcmp(term, "dumb") == 0 || terminal_is_serial(fd);
    struct report_style style = {.terminal = isatty(fd) && !plain};
    style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    style.color = style.terminal && !o->no_color && !(no_color && *no_color);
    style.width = style.terminal ? terminal_width(fd, WIDTH_USUAL) : 0;
    return style;
}

struct look {
    const char *symbol, *plain, *color;
};

static const struct look looks[] = {
    [SEVERITY_OK] = {"✓", "+", "\033[32m"},
    [SEVERITY_SKIP] = {"–", "-", "\033[2m"},
    [SEVERITY_WARN] = {"!", "!", "\033[33m"},
    [SEVERITY_FAIL] = {"✗", "x", "\033[31m"},
};

/* --- Opening and the log -------------------------------------------------------------------------
 */

void report_open(struct report *r, const struct options *o, const struct report_style *style,
                 FILE *err)
{
    *r = (struct report){.style = *style,
                         .quiet = o->quiet,
                         .verbose = o->verbose,
                         .json = o->json,
                         .err = err,
                         .started_ms = clock_mono_ms()};
}

bool report_log_open(struct report *r, const char *path, struct fault *f)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return fault_errno(f, "cannot open the log %s", path);
    r->log = fdopen(fd, "a");
    if (!r->log) {
        close(fd);
        return fault_set(f, "cannot open the log %s", path);
    }
    setvbuf(r->log, NULL, _IOLBF, 0);
    return true;
}

static void log_text(struct report *r, const char *text)
{
    char now[CLOCK_TEXT];
    if (!r->log)
        return;
    clock_print(clock_wall(), now);
    fprintf(r->log, "%s %s\n", now, text);
}

/* --- Text --------------------------------------------------------------------------------------
 */

/* The running clock owns the terminal's last line: take it away before other output. */
static void write_line(struct report *r, const char *text, int indent)
{
    if (r->style.width) {
        fprintf(r->err, "%*s", indent, "");
        wrap_print(r->err, text, r->style.width, indent, indent);
    } else {
        fprintf(r->err, "%*s%s\n", indent, "", text);
    }
    fflush(r->err);
}

/* Where text goes on in further lines. */
static int text_column(const struct report *r, int usual)
{
    return r->style.width && r->style.width < NARROW ? NARROW_INDENT : usual;
}

/* Defines text, in English, for the log and for programs, and shown, for people. */
#define FORMAT(text, shown)                                                                        \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    char *shown = translate_format(format, args), *text = mem_vprintf(format, args);               \
    va_end(args);                                                                                  \
    if (!shown)                                                                                    \
    shown = mem_strdup(text)

void report_title(struct report *r, const char *format, ...)
{
    FORMAT(text, shown);
    log_text(r, text);
    if (!r->quiet) {
        fprintf(r->err, "\n%s%s%s\n", r->style.color ? "\033[1m" : "", shown,
                r->style.color ? "\033[0m" : "");
        fflush(r->err);
    }
    free(text);
    free(shown);
}

void report_line(struct report *r, const char *format, ...)
{
    FORMAT(text, shown);
    log_text(r, text);
    if (!r->quiet)
        write_line(r, shown, 2);
    free(text);
    free(shown);
}

void report_item(struct report *r, const char *label, const char *format, ...)
{
    FORMAT(text, shown);
    char *line = mem_printf("%-*s%s", LABEL_WIDTH, label, text);
    log_text(r, line);
    if (!r->quiet) {
        char *shown_label = translate_text(label);
        int pad = LABEL_WIDTH - wrap_columns(shown_label, strlen(shown_label));
        fprintf(r->err, "  %s%*s", shown_label, pad > 0 ? pad : 0, "");
        if (r->style.width)
            wrap_print(r->err, shown, r->style.width, 2 + LABEL_WIDTH,
                       text_column(r, 2 + LABEL_WIDTH));
        else
            fprintf(r->err, "%s\n", shown);
        fflush(r->err);
        free(shown_label);
    }
    free(line);
    free(text);
    free(shown);
}

void report_always(struct report *r, const char *format, ...)
{
    FORMAT(text, shown);
    log_text(r, text);
    write_line(r, shown, 0);
    free(text);
    free(shown);
}

void report_detail(struct report *r, const char *format, ...)
{
    FORMAT(text, shown);
    log_text(r, text);
    if (r->verbose && !r->progress)
        write_line(r, shown, 4);
    free(text);
    free(shown);
}

/* --- Findings ------------------------------------------------------------------------------------
 */

static void print_on_terminal(struct report *r, const struct finding *one)
{
    const struct look *look = &looks[one->severity];
    const char *color = r->style.color ? look->color : "";
    const char *off = r->style.color ? "\033[0m" : "";
    bool trouble = one->severity >= SEVERITY_WARN;
    int column = text_column(r, TEXT_COLUMN);
    char label[32];
    snprintf(label, sizeof label, "%.*s", (int)strcspn(one->id, "."), one->id);
    fprintf(r->err, "  %s%s%s %-*s", color, r->style.utf8 ? look->symbol : look->plain, off,
            LABEL_WIDTH, label);
    const char *message = finding_shown_message(one), *fix = finding_shown_fix(one);
    char *text = trouble ? mem_printf("%s [%s]", message, one->id) : mem_strdup(message);
    wrap_print(r->err, text, r->style.width, TEXT_COLUMN, column);
    free(text);
    if (!fix)
        return;
    fprintf(r->err, "%*s%s ", column, "", r->style.utf8 ? "→" : ">");
    wrap_print(r->err, fix, r->style.width, column + 2, column + 2);
}

static void show(struct report *r, const struct finding *one)
{
    char *text = mem_printf("[%s] %s: %s", severity_name(one->severity), one->id, one->message);
    log_text(r, text);
    free(text);
    if (one->fix) {
        text = mem_printf("       fix: %s", one->fix);
        log_text(r, text);
        free(text);
    }
    if (r->quiet && one->severity < SEVERITY_WARN)
        return;
    if (r->style.terminal)
        print_on_terminal(r, one);
    else
        finding_show(one, r->err);
    fflush(r->err);
}

void report_findings(struct report *r, struct findings *from)
{
    for (size_t i = 0; i < from->count; i++)
        show(r, &from->list[i]);
    findings_move(&r->findings, from);
}

void report_found(struct report *r, enum severity severity, const char *id, const char *fix,
                  const char *format, ...)
{
    struct findings one = {0};
    FORMAT(text, shown);
    translate_learn(text, shown);
    size_t i = finding_add(&one, severity, id, "%s", text);
    if (fix)
        finding_fix(&one, i, "%s", fix);
    report_findings(r, &one);
    findings_free(&one);
    free(text);
    free(shown);
}

void report_change(struct report *r, const char *format, ...)
{
    FORMAT(text, shown);
    translate_learn(text, shown);
    report_detail(r, "changed: %s", text);
    free(shown);
    r->changes = mem_resize(r->changes, r->change_count + 1, sizeof *r->changes);
    r->changes[r->change_count++] = text;
}

/* --- Long steps ----------------------------------------------------------------------------------
 */

void report_begin(struct report *r, const char *label, const char *doing)
{
    report_end(r);
    char *shown = translate_text(doing ? doing : "");
    if (doing) {
        char *text = mem_printf("%s: %s", label, doing), *line = mem_printf("%s: %s", label, shown);
        log_text(r, text);
        if (!r->style.terminal && !r->quiet)
            write_line(r, line, 2);
        free(text);
        free(line);
    }
    if (r->style.terminal && !r->quiet)
        r->progress = progress_start(r->err, r->style.width, r->style.utf8, label, shown);
    free(shown);
}

void report_progress(struct report *r, const char *doing)
{
    char *shown = translate_text(doing);
    log_text(r, doing);
    if (r->progress)
        progress_say(r->progress, shown);
    else if (!r->quiet)
        write_line(r, shown, 4);
    free(shown);
}

void report_end(struct report *r)
{
    progress_stop(r->progress);
    r->progress = NULL;
}

void report_on_line(void *arg, const char *line)
{
    char text[512];
    wrap_clean(line, text, sizeof text);
    if (*text)
        report_progress(arg, text);
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

/* The derpMap of a whole document, or an empty object. */
static json_t *inner_map(const char *derpmap)
{
    json_t *whole = derpmap ? json_loads(derpmap, 0, NULL) : NULL;
    json_t *map = json_incref(json_object_get(whole, "derpMap"));
    json_decref(whole);
    return map ? map : json_object();
}

void report_json(const struct report *r, const char *result, int exit_code, const char *derpmap,
                 FILE *out)
{
    char *checks = findings_json(&r->findings);
    json_t *changes = json_array();
    for (size_t i = 0; i < r->change_count; i++)
        json_array_append_new(changes, json_string(r->changes[i]));
    json_t *root = json_pack("{s:i, s:s, s:i, s:o, s:o, s:o}", "schema", REPORT_SCHEMA, "result",
                             result, "exit", exit_code, "checks", json_loads(checks, 0, NULL),
                             "changes", changes, "derpMap", inner_map(derpmap));
    if (r->status)
        json_object_set_new(root, "status", json_loads(r->status, 0, NULL));
    char *text = json_dumps(root, JSON_INDENT(2));
    fprintf(out, "%s\n", text ? text : "{}");
    fflush(out);
    free(text);
    json_decref(root);
    free(checks);
}

void report_close(struct report *r)
{
    report_end(r);
    if (r->log)
        fclose(r->log);
    for (size_t i = 0; i < r->change_count; i++)
        free(r->changes[i]);
    free(r->changes);
    free(r->status);
    findings_free(&r->findings);
}
