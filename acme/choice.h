/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: which of two CAs is asked. The first one, as long as it works; the second one after
 * six hours (an eighth of what is left, if that is less) of failures of the first that another CA
 * might not have, three or one that keeps it from being asked again, or at the first of them in an
 * emergency; the first again with the next renewal.
 */
#ifndef ACME_CHOICE_H
#define ACME_CHOICE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A CA as far as the choice is concerned. */
struct choice_ca {
    time_t due;           /* when it may be tried (attempts_next_try, attempts_room), 0: now */
    unsigned curable;     /* attempts_curable */
    time_t failing_since; /* of the first failure in a row, 0: none */
    time_t failed_at;     /* of the last one, 0: none */
};

struct choice_facts {
    time_t now;
    int64_t remaining; /* seconds that are left of the certificate in use; 0 or less: none */
    bool emergency;    /* there is no usable certificate, or it ends soon (schedule_emergency) */
    bool two;          /* there is a second CA */
    bool open;         /* an order is under way, */
    bool open_second;  /* at the second CA, */
    bool spent;        /* which the CA knows, so that another one costs something, */
    bool stay;         /* and past the point where another CA could help */
    struct choice_ca first, second;
};

struct choice {
    bool second;  /* ask the second CA */
    time_t until; /* but not before this; 0: now */
};

struct choice choice_make(const struct choice_facts *facts);

#endif
