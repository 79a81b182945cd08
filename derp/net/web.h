/* SPDX-License-Identifier: Apache-2.0 */
/* Asks other servers over HTTP without waiting: many requests at once on one thread. The only
 * file of derpd that knows libcurl. */
#ifndef DERP_NET_WEB_H
#define DERP_NET_WEB_H

#include <stdbool.h>
#include <stddef.h>

struct web;

struct web_request {
    const char *url;         /* http:// or https:// (verified against the system's roots) */
    const char *unix_socket; /* connect to this path instead of the URL's host; NULL: no */
    const char *post;        /* JSON body of a POST; NULL: a GET */
    int timeout_ms;          /* for all of it */
    size_t max_body;         /* a longer answer is an error */
};

struct web_answer {
    int status;       /* HTTP status, 0 when there was no whole answer */
    const char *body; /* terminated; "" without */
    size_t n;
    const char *reason; /* why there was none, in words */
};

/* Called by web_turn for each finished request. */
typedef void (*web_done)(void *arg, const struct web_answer *a);

struct web *web_new(void);
/* Drops unfinished requests without calling back. */
void web_free(struct web *w);

/* Starts a request; everything is copied. Redirects are not followed. */
void web_ask(struct web *w, const struct web_request *r, web_done done, void *arg);

/* Works for up to timeout_ms, until something is done or web_wake is called. */
void web_turn(struct web *w, int timeout_ms);

/* Ends a web_turn of another thread early. */
void web_wake(struct web *w);

#endif
