/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

int64_t usage_cpu_ns(pid_t pid)
{
    clockid_t id;
    struct timespec t;

    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t usage_pss_kib(pid_t pid)
{
    char path[64], line[128];
    int64_t kib = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Pss: %" SCNd64, &kib) == 1)
            break;
    fclose(f);
    return kib;
}
