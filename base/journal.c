/* SPDX-License-Identifier: Apache-2.0 */
#include "base/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* the place in our source says nothing to readers */
#include <systemd/sd-journal.h>

#include "base/mem.h"

#define OWN_FIELDS 4

static struct iovec entry(const char *name, const char *value)
{
    char *text = mem_printf("%s=%s", name, value);
    return (struct iovec){.iov_base = text, .iov_len = strlen(text)};
}

static void to_log(enum log_level level, const char *message)
{
    if (level <= LOG_LEVEL_ERROR)
        log_error("%s", message);
    else if (level <= LOG_LEVEL_WARNING)
        log_warning("%s", message);
    else
        log_notice("%s", message);
}

bool journal_event(const char *message_id, enum log_level level, const char *message,
                   const struct journal_field *fields, size_t count)
{
    struct iovec all[OWN_FIELDS + JOURNAL_FIELDS_MAX];
    int n = 0;
    if (!log_is_journal()) {
        to_log(level, message);
        return false;
    }
    const char priority[2] = {(char)('0' + level), '\0'};
    all[n++] = entry("MESSAGE", message);
    all[n++] = entry("MESSAGE_ID", message_id);
    all[n++] = entry("PRIORITY", priority);
    all[n++] = entry("SYSLOG_IDENTIFIER", program_invocation_short_name);
    for (size_t i = 0; i < count && i < JOURNAL_FIELDS_MAX; i++) {
        if (fields[i].value)
            all[n++] = entry(fields[i].name, fields[i].value);
    }
    bool ok = sd_journal_sendv(all, n) == 0;
    for (int i = 0; i < n; i++)
        free(all[i].iov_base);
    if (!ok)
        to_log(level, message);
    return ok;
}
