/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: when a relay with a certificate of its own changes it. Clients know such a certificate by
 * its fingerprint in the derpMap, so the next one is made, and told of, long before it is served.
 */
#ifndef BASE_SELFSIGNED_H
#define BASE_SELFSIGNED_H

#include <stdbool.h>
#include <time.h>

#define SELFSIGNED_DAYS        3650 /* lifetime */
#define SELFSIGNED_NEXT_DAYS   365  /* left of the present one when the next one is made */
#define SELFSIGNED_NOTICE_DAYS 60   /* between its making and the change */

/* Names of the files in state-dir. The key serves both certificates. */
#define SELFSIGNED_CHAIN "self-signed.crt"
#define SELFSIGNED_NEXT  "self-signed.next.crt"
#define SELFSIGNED_KEY   "self-signed.key"

enum selfsigned_step {
    SELFSIGNED_KEEP,    /* nothing is due; a next one that is there stays: it may be this clock that
                           is wrong, and people were told its fingerprint */
    SELFSIGNED_PREPARE, /* make the next one, anew if there is one that is of no use */
    SELFSIGNED_CHANGE,  /* serve the next one from now on */
};

struct selfsigned_facts {
    time_t now;
    time_t not_after;       /* of the present certificate */
    bool next;              /* there is a next one that fits key and name, with these dates: */
    time_t next_not_before; /* a day before it was made */
    time_t next_not_after;
};

/*
 * What is due. *changes_at: when the change is, 0 when there is no next one yet. A notice of
 * SELFSIGNED_NOTICE_DAYS is kept where the time is left for it; after a late start the change is a
 * day before the end, and never within the hour, as the clock may just have been set.
 */
enum selfsigned_step selfsigned_decide(const struct selfsigned_facts *facts, time_t *changes_at);

#endif
