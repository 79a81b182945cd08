/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single HTTP requests: the CA's directory, the relay's own status page, a cloud's metadata,
 * services that tell one's address, who may use the relay. The only user of libcurl here.
 * Certificate and name are always verified; no redirects, no proxies, bounded in time and size.
 */
#ifndef INSTALLER_TRANSPORT_H
#define INSTALLER_TRANSPORT_H

#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/net.h"

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

/* What is asked for. Zero is a sensible value of every field but url and timeout_ms. */
struct transport_request {
    const char *url;        /* https, or http to a loopback address or a cloud's metadata service */
    const char *method;     /* NULL: GET; another one goes without a body */
    const char *headers[2]; /* "Name: value" */
    const char *ca_file;    /* PEM, the only trust; NULL: the system's */
    const struct endpoint *at; /* connect there instead of looking the name up */
    const char *unix_socket;   /* connect there instead of to the URL's host */
    const char *post;          /* JSON body of a POST */
    long timeout_ms;
    const volatile int *stop;
};

/* *f says why it is not TRANSPORT_ANSWERED. Free the answer with transport_answer_free in every
 * case. May be called from several threads at once. */
enum transport_outcome transport_ask(const struct transport_request *request,
                                     struct transport_answer *answer, struct fault *f);

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
