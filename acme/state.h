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

#include "acme/ari.h"
#include "acme/failure.h"
#include "base/fault.h"

#define STATE_SCHEMA    2 /* 1 had no cas, ari, told, account and last_seen; it is still read */
#define STATE_BYTES_MAX (64 * 1024)
#define STATE_CAS       4 /* CAs that are remembered: two in use, staging, and one from before */
#define STATE_NAMES     3 /* names for which it is remembered what a CA has issued */
#define STATE_STALE     4 /* TXT records that could not be taken away */

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

/* What one CA has issued for one name: its limits count by the exact set of names. */
struct issued {
    char *name;      /* NULL: not known, all of them (written by earlier versions) */
    time_t at;       /* when the last one came, 0: this place is free */
    time_t whole_at; /* when what it gives for the name is whole again (attempts_room) */
};

/* How it went with one CA (attempts.h). */
struct ca_record {
    char *directory;                    /* NULL: this place is free */
    unsigned failures[FAILURE_CLASSES]; /* of each class, since the last certificate */
    enum failure_class class;           /* of the last one */
    time_t failing_since;               /* the first of them */
    time_t failed_at;
    time_t next_try;  /* 0: at once */
    time_t issued_at; /* when it gave us a certificate last */
    struct issued issued[STATE_NAMES];
    bool enrolled;       /* we have an account there */
    bool profile_denied; /* it does not offer the profile that is configured */
};

/* A TXT record that the hook has failed to take away (stale.h). */
struct stale {
    char *name, *value; /* NULL: this place is free */
    unsigned tries;
    time_t next_try;
};

/* When people were told last (event.h). */
struct told {
    time_t expiring;
    time_t failed[FAILURE_CLASSES]; /* a failure of each class */
};

/* Strings are owned; NULL means not set, 0 is "never" for times. */
struct state {
    enum phase phase;
    char *directory; /* of the order under way */
    char *domain;
    char *profile;
    char *order;         /* its URL */
    char *account;       /* whose order it is (the kid) */
    time_t ordered_at;   /* when it was placed */
    bool suggested;      /* it was begun because the CA suggested it */
    bool exempt;         /* it was placed inside the CA's window: no limit counts it */
    unsigned downloads;  /* chains of it that were of no use */
    unsigned stalls;     /* runs that have ended while the CA was at work on it */
    unsigned unfinished; /* attempts in a row whose end could not be noted: killed, or no disk */
    time_t begun_at;     /* the last of them */
    unsigned generation; /* being proven */
    unsigned previous;   /* what the link pointed to before it, 0: nothing */

    char *leftover;         /* URL of an order that was given up with authorizations pending, */
    char *leftover_ca;      /* the directory that it is from, */
    char *leftover_account; /* and the account */
    char *hook_name;        /* TXT record that dns-01 has presented, or was about to, */
    char *hook_value;       /* until the hook has been asked to take it away; survives its order */
    struct stale stale[STATE_STALE];

    char *issued_by;      /* directory that issued the installed certificate */
    char *issued_account; /* the account that ordered it */
    char *revoked;        /* fingerprint of the leaf that was revoked last */
    time_t issued_at;     /* when it was installed and proven */
    unsigned lifetime;    /* seconds that it lives for, 0: not known */
    time_t suggested_at;  /* when a certificate came that the CA had suggested to renew */

    struct ari ari; /* of the installed certificate */
    struct ca_record cas[STATE_CAS];
    time_t last_seen; /* the latest time of day that was believed */
    struct told told;

    unsigned failures; /* the last failure: how many of this class in a row, */
    unsigned total;    /* and of any */
    enum failure_class class;
    time_t failed_at;
    time_t next_try; /* 0: at once */
    char *problem_type;
    char *problem;   /* its text; kept after a success */
    char *failed_ca; /* directory that it was with; NULL: not known */
};

/* Reads a state file. false with a reason when it is not one; *newer tells that a later version
 * of this program has written it. s must be empty and is freed with state_free. */
bool state_parse(const void *json, size_t n, struct state *s, bool *newer, struct fault *f);

/* The file's text, to free(). */
char *state_print(const struct state *s);

void state_free(struct state *s);
void state_free_ca(struct ca_record *r);

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
