/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay's pages hold: the home page, the answer of /bootstrap-dns, and http-01 challenges.
 * Each is replaced as a whole while workers answer with it.
 */
#ifndef DERP_RELAY_SITE_H
#define DERP_RELAY_SITE_H

#include <stdbool.h>

#include "base/fault.h"
#include "derp/relay/http_answer.h"

/* A home page, ready to be served. */
struct site_home;

/*
 * The home page that the config's value stands for: NULL (the default page), "blank", a URL to
 * redirect to, or the path of a file, which is read now. NULL with a reason otherwise.
 */
struct site_home *site_home_load(const char *home, struct fault *f);
void site_home_free(struct site_home *h);

struct site;
struct site *site_new(void);
void site_free(struct site *s);

/* Another home page from now on; takes over h. */
void site_set_home(struct site *s, struct site_home *h);
/* Another answer for /bootstrap-dns (JSON, copied); longer than HTTP_PAGE_MAX: the old one stays.
 */
void site_set_names(struct site *s, const char *json);

/* The folder in which derp-acme leaves answers to http-01, one file "http-01.TOKEN" each; copied;
 * NULL: there is none. */
void site_set_challenges(struct site *s, const char *folder);
/* Reads the answer for a token of http_challenge_token: false when none is pending. On any thread.
 */
bool site_key_authorization(struct site *s, const char *token, struct buf *text);

/* What is there now, for one answer: fills home and names, which are good until site_leave. On any
 * thread. */
struct site_visit {
    struct site_home *home;
    struct site_names *names;
};
void site_enter(struct site *s, struct site_visit *v, struct http_site *site);
void site_leave(struct site *s, struct site_visit *v);

#endif
