/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define NANOSECONDS 1000000000ULL

/* The fields after the name, which is in parentheses and may itself hold any of them. */
bool process_parse_stat(const char *text, struct process *p)
{
    int pid, parent, tty;
    uint64_t started;
    char state;
    const char *end = strrchr(text, ')');
    if (!end || sscanf(text, "%d (", &pid) != 1 ||
        sscanf(end + 1,
               " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
               "%" SCNu64,
               &state, &parent, &tty, &started) != 4)
        return false;
    *p = (struct process){
        .pid = pid, .parent = parent, .state = state, .tty = (unsigned)tty, .started = started};
    return true;
}

bool process_read(pid_t pid, struct process *p)
{
    char path[64];
    struct buf b;
    buf_init(&b, 4096);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    bool ok = file_read(path, &b, NULL) && process_parse_stat(buf_text(&b), p);
    buf_free(&b);
    return ok;
}

uint64_t process_now(void)
{
    struct timespec now;
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * ticks + (uint64_t)now.tv_nsec * ticks / NANOSECONDS;
}

/* The descriptor holds the process fast before it is looked at. */
bool process_signal(pid_t pid, uint64_t started, int signum)
{
    struct process p;
    int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (fd < 0)
        return false;
    bool ok = process_read(pid, &p) && p.started == started &&
              pidfd_send_signal(fd, signum, NULL, 0) == 0;
    close(fd);
    return ok;
}

void process_boot(char id[static PROCESS_BOOT])
{
    struct buf b;
    buf_init(&b, 256);
    id[0] = '\0';
    if (file_read("/proc/sys/kernel/random/boot_id", &b, NULL))
        snprintf(id, PROCESS_BOOT, "%.*s", (int)strcspn(buf_text(&b), "\n"), buf_text(&b));
    buf_free(&b);
}
