/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define MESSAGE_MAX 1024
#define LINE_BYTES  4096 /* PIPE_BUF: one write of a line is never torn by another writer */
#define HOLD_MS     60000

static struct {
    const char *ident;
    enum log_level max;
    bool journal;
} state = {.max = LOG_LEVEL_INFO};

/* systemd.exec(5): JOURNAL_STREAM holds "device:inode" of the stream that stderr had at start. */
static bool stderr_is_journal(void)
{
    const char *value = getenv("JOURNAL_STREAM");
    struct stat st;
    if (!value || fstat(STDERR_FILENO, &st) < 0)
        return false;
    char ours[64];
    snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return strcmp(value, ours) == 0;
}

void log_open(const char *ident, enum log_level max)
{
    state.ident = ident;
    state.max = max;
    state.journal = stderr_is_journal();
}

bool log_is_journal(void)
{
    return state.journal;
}

bool log_shows(enum log_level level)
{
    return level <= state.max;
}

static const char *level_word(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error: ";
    case LOG_LEVEL_WARNING:
        return "warning: ";
    case LOG_LEVEL_NOTICE:
    case LOG_LEVEL_INFO:
        return "";
    case LOG_LEVEL_DEBUG:
        return "debug: ";
    }
    return "";
}

/* Appends s with control characters as \xNN, so that one event is always one line. */
static size_t append_escaped(char *line, size_t len, size_t cap, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool control = c < 0x20 || c == 0x7f;
        if (len + (control ? 4 : 1) >= cap)
            break;
        if (control)
            len += (size_t)snprintf(line + len, 5, "\\x%02x", c);
        else
            line[len++] = (char)c;
    }
    return len;
}

static void write_line(enum log_level level, const char *message)
{
    char line[LINE_BYTES];
    int n;
    if (state.journal)
        n = snprintf(line, 256, "<%d>", level);
    else
        n = snprintf(line, 256, "%s: %s", state.ident ? state.ident : program_invocation_short_name,
                     level_word(level));
    size_t len = n < 0 ? 0 : n < 256 ? (size_t)n : 255;
    len = append_escaped(line, len, sizeof line - 1, message);
    line[len++] = '\n';

    /* A log that cannot be written has nowhere to say so. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

static void log_v(enum log_level level, int error, uint64_t held, const char *format, va_list args)
{
    if (!log_shows(level))
        return;
    int keep = errno;
    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof message - 128, format, args);
    size_t len = strlen(message);
    if (error) {
        const char *reason = strerrordesc_np(error);
        snprintf(message + len, sizeof message - len, ": %s", reason ? reason : "unknown error");
    } else if (held) {
        snprintf(message + len, sizeof message - len, " (%llu more like this were not shown)",
                 (unsigned long long)held);
    }
    write_line(level, message);
    errno = keep;
}

#define LOG_AT(level, error)                                                                       \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        log_v(level, error, 0, format, args);                                                      \
        va_end(args);                                                                              \
    } while (0)

void log_error(const char *format, ...)
{
    LOG_AT(LOG_LEVEL_ERROR, 0);
}

void log_warning(const char *format, ...)
{
    LOG_AT(LOG_LEVEL_WARNING, 0);
}

void log_notice(const char *format, ...)
{
    LOG_AT(LOG_LEVEL_NOTICE, 0);
}

void log_info(const char *format, ...)
{
    LOG_AT(LOG_LEVEL_INFO, 0);
}

void log_debug(const char *format, ...)
{
    LOG_AT(LOG_LEVEL_DEBUG, 0);
}

void log_errno(const char *format, ...)
{
    LOG_AT(LOG_LEVEL_ERROR, errno);
}

void log_limited(struct log_kind *kind, enum log_level level, const char *format, ...)
{
    if (!log_shows(level))
        return;

    int64_t now = clock_mono_ms();
    int64_t next = __atomic_load_n(&kind->next_ms, __ATOMIC_RELAXED);
    /* Of several threads only the one that moves the time may write. */
    if (now < next || !__atomic_compare_exchange_n(&kind->next_ms, &next, now + HOLD_MS, false,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&kind->held, 1, __ATOMIC_RELAXED);
        return;
    }
    uint64_t held = __atomic_exchange_n(&kind->held, 0, __ATOMIC_RELAXED);

    va_list args;
    va_start(args, format);
    log_v(level, 0, held, format, args);
    va_end(args);
}
