/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A firewall change that is whole or undone. Before the first change a copy of ufw's files is
 * kept and a marker is written; as long as the marker stands, the copy is the truth. In the
 * folder state_dir:
 *   fw/ufw, fw/default   copies of /etc/ufw and /etc/default/ufw
 *   fw/active            "yes" or "no": whether ufw was at work
 *   fw/boot              "no" when ufw.service was disabled
 *   fw/forward           the families in which the policy of FORWARD was DROP
 *   fw-pending           the marker (marker.h)
 *   fw-answer            what another login has said to a run that waits for one
 *   origin/              fw/ of the first change that was kept: the files as their owner left them
 *   fw.lock              held by whoever changes the firewall
 */
#ifndef FIREWALL_TRANSACTION_H
#define FIREWALL_TRANSACTION_H

#include "firewall/firewall.h"
#include "firewall/marker.h"

struct transaction {
    char *dir;    /* state_dir/fw */
    char *marker; /* state_dir/fw-pending */
    char *origin; /* state_dir/origin */
    char *answer; /* state_dir/fw-answer */
    char *lock;   /* state_dir/fw.lock */
    int lock_fd;  /* -1: not held */
};

void transaction_init(struct transaction *t, const struct firewall_options *o);
/* Gives the lock back and frees; what is pending stays pending. */
void transaction_free(struct transaction *t);

/* Takes the lock; *busy when another process has it. */
bool transaction_lock(struct transaction *t, bool *busy, struct fault *f);

bool transaction_pending(const struct transaction *t);

/* Copies, makes the copy durable, then writes the marker. state: as it is now. wants_login: the
 * change is kept only once somebody has logged in anew. */
bool transaction_begin(const struct transaction *t, const struct firewall_state *state,
                       bool wants_login, struct fault *f);

/* Notes that the change waits for a login that begins after since (process.started). */
bool transaction_wait(const struct transaction *t, uint64_t since, struct fault *f);

/* What another login says to the run that waits; hearing it takes it away, so that who said it can
 * tell that it was heard. */
enum transaction_answer { ANSWER_NONE, ANSWER_CONFIRM, ANSWER_UNDO };
bool transaction_say(const struct transaction *t, enum transaction_answer answer, struct fault *f);
enum transaction_answer transaction_hear(const struct transaction *t);

/* The marker's content, its numbers 0 unless it is of this boot; false: nothing is pending. */
bool transaction_marker(const struct transaction *t, struct marker *m);

/* Makes ufw's files durable, then removes the marker: the change stands. The first copy is kept. */
bool transaction_commit(const struct transaction *t, struct fault *f);

/* Removes marker and copy alone: nothing was changed, or all of it was undone. */
bool transaction_forget(const struct transaction *t, struct fault *f);

/*
 * Brings the copy and the former state back, in the files, the kernel and systemd, without asking
 * ufw; then removes marker and copy. On failure the marker stays; a ufw that was off has open
 * policies even if the disk fails.
 */
bool transaction_restore(const struct transaction *t, struct fault *f);

#endif
