/* SPDX-License-Identifier: Apache-2.0 */
/* A process told apart from a later one with the same number. */
#ifndef FIREWALL_PROCESS_H
#define FIREWALL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    pid_t parent;
    char state;       /* 'R', 'S', 'T' (stopped), … as proc(5) has them */
    unsigned tty;     /* device of its terminal, 0: none */
    uint64_t started; /* clock ticks since boot */
};

/* Pure: reads the text of /proc/PID/stat (proc(5)); false when it is something else. */
bool process_parse_stat(const char *text, struct process *p);

/* Looks at a process; false when there is none of this number. */
bool process_read(pid_t pid, struct process *p);

/* Now, on the scale of process.started. */
uint64_t process_now(void);

/* Sends a signal to exactly this process, number and start; false when it is gone. */
bool process_signal(pid_t pid, uint64_t started, int signum);

/* The kernel's name of this boot into id, "" when there is none. */
#define PROCESS_BOOT 40
void process_boot(char id[static PROCESS_BOOT]);

#endif
