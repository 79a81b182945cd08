/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event, to the journal when stderr is connected to it
 * (JOURNAL_STREAM, systemd.exec(5)) and to stderr otherwise.
 *
 * The level follows the fault: our own failures are errors, a peer's are debug
 * or a rate-limited notice, so that strangers cannot fill the log.
 * All functions are thread-safe and keep errno.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Values are syslog's (RFC 5424 6.2.1), which the journal understands as "<N>" prefixes. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

/* Shows messages up to and including max; ident ("derpd") precedes lines on a plain stderr.
 * ident must outlive all logging. Call before starting threads. */
void log_open(const char *ident, enum log_level max);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like log_error and appends ": " and the text of errno. */
void log_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A kind of message that strangers can cause. At most one line a minute is written per kind;
 * the next line says how many were held back. Zero-initialise; one static object per kind.
 */
struct log_kind {
    int64_t next_ms; /* monotonic time from which a line may be written again */
    uint64_t held;   /* lines held back since the last one */
};

/* Writes the message at the given level unless its kind was written in the last minute. */
void log_limited(struct log_kind *kind, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True when the log goes to the journal (log_open has found it out). */
bool log_is_journal(void);

/* True when a message of this level would be shown: guards costly arguments. */
bool log_shows(enum log_level level);

#endif
