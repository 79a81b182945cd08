/* SPDX-License-Identifier: Apache-2.0 */
/* What a process has used. */
#ifndef TESTS_BENCH_LOAD_USAGE_H
#define TESTS_BENCH_LOAD_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds of CPU time of all its threads; pid 0: our own. 0 when there is no such process. */
int64_t usage_cpu_ns(pid_t pid);

/* Its share of memory in KiB: pages that several processes map are divided between them (Pss). */
int64_t usage_pss_kib(pid_t pid);

#endif
