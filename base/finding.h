/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check found: the one type that every check of the appliance returns.
 * Ids are stable and dotted ("dns.aaaa.stray"): scripts and tests rely on them.
 */
#ifndef BASE_FINDING_H
#define BASE_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum severity {
    SEVERITY_OK,   /* checked and fine */
    SEVERITY_SKIP, /* not checked, and why */
    SEVERITY_WARN, /* works, or cannot be told; worth knowing */
    SEVERITY_FAIL, /* the relay would not work, or the server would be harmed */
};

struct finding {
    enum severity severity;
    char *id;      /* stable, dotted, lower case */
    char *message; /* what was found and what was expected, one sentence or two */
    char *fix;     /* what to do next, often a command; NULL when nothing is to be done */
    /* Both in the reader's language, for the terminal (base/translate.h); NULL: English is his. */
    char *shown_message, *shown_fix;
};

struct findings {
    struct finding *list;
    size_t count;
};

/* Appends a finding; copies id; message is formatted. Returns its index for finding_fix. */
size_t finding_add(struct findings *all, enum severity severity, const char *id, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* Sets the fix of the finding at this index. */
void finding_fix(struct findings *all, size_t index, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Moves all of from to the end of all; from is empty afterwards. */
void findings_move(struct findings *all, struct findings *from);

/* The worst severity (SEVERITY_OK when empty); the first finding with this id or NULL. */
enum severity findings_worst(const struct findings *all);
const struct finding *findings_get(const struct findings *all, const char *id);

/* "ok", "skip", "warn", "fail". */
const char *severity_name(enum severity severity);

/* What a person reads: the translation, else the English text. The fix may be NULL. */
const char *finding_shown_message(const struct finding *one);
const char *finding_shown_fix(const struct finding *one);

/* One finding as plain text lines ("[fail] id: message" and an indented fix) to out: for a person,
 * and in English for a file. */
void finding_show(const struct finding *one, FILE *out);
void finding_print(const struct finding *one, FILE *out);

/* All of them as a JSON array of {"id","status","message","fix"}; free() the string. */
char *findings_json(const struct findings *all);

/* Frees all; the list is empty and usable. */
void findings_free(struct findings *all);

#endif
