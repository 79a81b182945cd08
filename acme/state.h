/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must survive a crash: where an order stands and when the next attempt is due. Reading and
 * printing are pure (message_state.c); store.h puts the text on disk.
 */
#ifndef ACME_STATE_H
#define ACME_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "acme/failure.h"
#include "base/fault.h"

#define STATE_SCHEMA    1
#define STATE_BYTES_MAX (64 * 1024)

/* What is done next; written before it is begun. */
enum phase {
    PHASE_IDLE,        /* nothing under way */
    PHASE_ORDERING,    /* the certificate's key exists; newOrder may or may not have been sent */
    PHASE_AUTHORIZING, /* the order's URL is known */
    PHASE_FINALIZING,  /* the order was ready; the CSR may or may not have been sent */
    PHASE_DOWNLOADING, /* the certificate is issued */
    PHASE_INSTALLING,  /* the chain is in the pending folder, checked */
    PHASE_PROVING,     /* the generation exists; the link is being switched and read back */
    PHASES,
};

/* Strings are owned; NULL means not set, 0 is "never" for times. */
struct state {
    enum phase phase;
    char *directory; /* of the order under way */
    char *domain;
    char *profile;
    char *order;         /* its URL */
    unsigned generation; /* being proven */
    unsigned previous;   /* what the link pointed to before it, 0: nothing */

    char *hook_name;  /* TXT record that dns-01 has presented, or was about to, */
    char *hook_value; /* until the hook has taken it away; survives its order */

    char *issued_by;  /* directory that issued the installed certificate */
    char *revoked;    /* fingerprint of the leaf that was revoked last */
    time_t issued_at; /* when it was installed and proven */

    unsigned failures; /* of this class, in a row */
    enum failure_class class;
    time_t failed_at;
    time_t next_try; /* 0: at once */
    char *problem_type;
    char *problem; /* the last failure's text; kept after a success */
};

/* Reads a state file. false with a reason when it is not one; *newer tells that a later version
 * of this program has written it. s must be empty and is freed with state_free. */
bool state_parse(const void *json, size_t n, struct state *s, bool *newer, struct fault *f);

/* The file's text, to free(). */
char *state_print(const struct state *s);

void state_free(struct state *s);

/* Replaces an owned string by a copy of value (may be NULL). */
void state_set(char **field, const char *value);

/* Forgets the order, but not the failures. */
void state_drop_order(struct state *s);

/* "idle", "ordering", … as in the file. */
const char *phase_name(enum phase phase);

/* account.json: where the account lives. Strings are owned. */
struct account {
    char *directory;
    char *url; /* the kid */
};

bool account_parse(const void *json, size_t n, struct account *a, struct fault *f);
char *account_print(const struct account *a);
void account_free(struct account *a);

#endif
