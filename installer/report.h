/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything derp-setup tells: people on standard error, the log file, and one JSON object on
 * standard output. On a terminal with symbols, colours and a running clock for long steps;
 * elsewhere plain lines ("[ok] id: message").
 */
#ifndef INSTALLER_REPORT_H
#define INSTALLER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/finding.h"
#include "installer/options.h"

/* How standard error is written. */
struct report_style {
    bool terminal; /* standard error is one that can move the cursor */
    bool color;
    bool utf8;
    int width; /* columns; 0: do not wrap */
};

struct progress; /* the running clock of a long step; private to progress.c */

struct report {
    struct report_style style;
    bool quiet;
    bool verbose;
    bool json;
    FILE *err; /* where people read: standard error, or standard output for status and doctor */
    FILE *log; /* NULL: none */
    struct findings findings; /* everything found so far, for the JSON object */
    char **changes;           /* "ufw allow 443/tcp", in order */
    size_t change_count;
    char *status; /* numbers of status as JSON, owned; NULL: none */
    int64_t started_ms;
    struct progress *progress; /* non-NULL between report_begin and report_end */
};

/* The style that fits the environment (NO_COLOR, TERM, locale), the flags and what fd is. */
struct report_style report_style(const struct options *o, int fd);

/* Starts reporting to err. The log file is opened later, if at all. */
void report_open(struct report *r, const struct options *o, const struct report_style *style,
                 FILE *err);

/* Appends to the log file at path (created 0640), starting with a line that says which run. */
bool report_log_open(struct report *r, const char *path, struct fault *f);

/* A heading; a line of text; a line that only the log and --verbose get. */
void report_title(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_line(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_detail(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line with a label in a column of its own. */
void report_item(struct report *r, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like report_line, shown with --quiet too. */
void report_always(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Shows all findings and keeps them for the JSON object; from is empty afterwards. */
void report_findings(struct report *r, struct findings *from);

/* Shows and keeps one finding. fix may be NULL. */
void report_found(struct report *r, enum severity severity, const char *id, const char *fix,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A change that was made to the server: one line now, one entry in the JSON object. */
void report_change(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A long step: its name, what it is doing just now (any number of times), its end. doing NULL:
 * worth a clock on a terminal and no line elsewhere. */
void report_begin(struct report *r, const char *label, const char *doing);
void report_progress(struct report *r, const char *doing);
void report_end(struct report *r);
/* report_progress as a callback of run() and firewall_hooks; arg is the report. */
void report_on_line(void *arg, const char *line);

/*
 * The JSON object on out: {"schema","result","exit","checks","changes","derpMap"}, and "status"
 * where there are numbers. derpmap is the text of derpmap_json, or NULL.
 */
void report_json(const struct report *r, const char *result, int exit_code, const char *derpmap,
                 FILE *out);

void report_close(struct report *r);

#endif
