/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/report.h"

#include <stdint.h>

static void gauge(struct buf *out, const char *name, const char *help, int64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name, help, name, name,
               (long long)value);
}

static void classes(const struct state *state, struct buf *out)
{
    const char *name = "derp_acme_last_failure";
    buf_printf(out, "# HELP %s 1 for the class of the last failure in a row\n# TYPE %s gauge\n",
               name, name);
    for (enum failure_class c = FAILURE_NONE + 1; c < FAILURE_CLASSES; c++)
        buf_printf(out, "%s{class=\"%s\"} %d\n", name, failure_name(c), state->class == c);
}

void report_print_metrics(const struct state *state, const struct facts *facts, struct buf *out)
{
    const struct schedule_facts *when = &facts->schedule;
    gauge(out, "derp_acme_last_run_seconds", "when derp-acme last ran (Unix time)", when->now);
    gauge(out, "derp_acme_not_after_seconds",
          "when the installed certificate expires (Unix time); 0: none is usable",
          when->usable ? when->not_after : 0);
    gauge(out, "derp_acme_renew_at_seconds",
          "when the installed certificate is renewed (Unix time); 0: none is usable",
          when->usable ? schedule_due_at(when) : 0);
    gauge(out, "derp_acme_next_try_seconds",
          "when the next try after a failure is due (Unix time); 0: no wait", when->next_try);
    gauge(out, "derp_acme_issued_seconds", "when the installed certificate came (Unix time)",
          state->issued_at);
    gauge(out, "derp_acme_failures", "failed attempts in a row, of any class", state->total);
    classes(state, out);
}
