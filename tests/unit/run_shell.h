/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of base/run.c share. */
#ifndef TESTS_UNIT_RUN_SHELL_H
#define TESTS_UNIT_RUN_SHELL_H

#include "base/run.h"
#include "tests/unit/unit.h"

#define ARGV(...)     ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV("sh", "-c", script)

static const struct run_options plain = {.timeout_ms = 20000};

/* Runs and insists that it started. */
static void start_ok(const char *const argv[], const struct run_options *opt, struct run_result *r)
{
    struct fault f;
    if (!run(argv, opt, r, &f))
        fail_msg("%s", f.text);
}

#endif
