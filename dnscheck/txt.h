/* SPDX-License-Identifier: Apache-2.0 */
/* TXT records (RFC 1035 3.3.14). Pure. */
#ifndef DNSCHECK_TXT_H
#define DNSCHECK_TXT_H

#include <stdbool.h>

#include "dnscheck/answer.h"

/* Is one of the records this text? A record's strings count as one, joined. */
bool txt_has(const struct answer *answer, const char *value);

#endif
