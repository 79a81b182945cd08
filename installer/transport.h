/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single HTTP requests: the CA's directory, the relay's own status page. The only user of libcurl
 * here. Certificate and name are always verified; no redirects, no proxies, bounded in time and
 * size.
 */
#ifndef INSTALLER_TRANSPORT_H
#define INSTALLER_TRANSPORT_H

#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "base/fault.h"

#define TRANSPORT_BODY_MAX (256 * 1024)

enum transport_outcome {
    TRANSPORT_ANSWERED,    /* an HTTP answer of any status came whole */
    TRANSPORT_UNREACHABLE, /* no connection, no answer in time, a name that does not resolve */
    TRANSPORT_UNTRUSTED,   /* its certificate is not trusted, or not for that name */
    TRANSPORT_BAD_CA_FILE, /* ca_file cannot be used */
    TRANSPORT_STOPPED,     /* *stop was set */
};

struct transport_answer {
    long status;
    time_t date; /* of the Date header, 0: none */
    struct buf body;
};

/*
 * GETs url (https, or http to a loopback address only). ca_file: PEM, the only trust; NULL: the
 * system's. *f says why it is not TRANSPORT_ANSWERED. Free the answer with transport_answer_free in
 * every case.
 */
enum transport_outcome transport_get(const char *url, const char *ca_file, long timeout_ms,
                                     const volatile int *stop, struct transport_answer *answer,
                                     struct fault *f);
void transport_answer_free(struct transport_answer *answer);

#endif
