/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answered on the way: libunbound tells failures apart only in its log ("reply from
 * <demo.com.> 203.0.113.53#53"). What is read here explains; it decides no more than
 * whether anyone answered at all. Pure.
 */
#ifndef DNSCHECK_TRACE_H
#define DNSCHECK_TRACE_H

#include <stddef.h>

#include "dnscheck/dnscheck.h"

struct trace {
    size_t replies;               /* messages that came back */
    char zone[DNSCHECK_NAME_MAX]; /* the deepest zone on the way to the domain whose servers
                                     answered; "" is the root (when replies > 0) */
    char server[64];              /* the last of them that answered */
    char error[160];              /* the first line of level error or fatal, "" if none */
};

/* Reads a log at verbosity 2 or more. Only zones that domain lies in count for zone. */
void trace_read(const char *log, const char *domain, struct trace *out);

#endif
