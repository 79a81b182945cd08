/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long one run may take. Each wait of a run has a limit of its own, but their sum has none: two
 * CAs that answer each request after a minute, a slow provider of DNS. So nothing that waits for
 * others is begun, or goes on, once BUDGET_MS are over: the run then ends as after any failure, and
 * the next one goes on with the same order. TimeoutStartSec of derp-acme.service must be longer
 * than BUDGET_MS and BUDGET_TAIL_MS together; the unit test compares them.
 */
#ifndef ACME_BUDGET_H
#define ACME_BUDGET_H

#define BUDGET_MS (20 * 60 * 1000)

/* What may come after it: a look at the name servers that had begun (publish.c), the hook that
 * takes the record away, the hooks that are told of a failure and of a certificate that expires, a
 * look at the relay's port. */
#define BUDGET_TAIL_MS (5 * 60 * 1000)

#endif
