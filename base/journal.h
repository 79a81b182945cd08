/* SPDX-License-Identifier: Apache-2.0 */
/* Events that programs look for: entries of the journal with a stable MESSAGE_ID
 * (systemd.journal-fields(7)). */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

#define JOURNAL_FIELDS_MAX 16

struct journal_field {
    const char *name;  /* capital letters, digits and underscores */
    const char *value; /* NULL: left out */
};

/*
 * Writes one entry: the message, its MESSAGE_ID (32 hexadecimal digits) and at most
 * JOURNAL_FIELDS_MAX fields. Where the log does not go to the journal, or the journal does not
 * take it, the message alone goes to the log, and false is returned.
 */
bool journal_event(const char *message_id, enum log_level level, const char *message,
                   const struct journal_field *fields, size_t count);

#endif
