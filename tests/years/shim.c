/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into derp-acme by tests/years: a clock that the test owns, a disk that can fill up,
 * death at a chosen change of the disk, and starts that cost no exec.
 *
 *   SHIM_SHARED=FILE   `struct shared`, mapped; machine.py writes it
 *   SHIM_SERVER=3      a SOCK_SEQPACKET descriptor: each message is one start of the program,
 * argv[1…] separated by NUL; answered by the pid, and by the wait status at its end
 *
 * Time stands still while the program works, and moves by what it sleeps; so a run's timing does
 * not depend on the machine that the test runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#define SECOND    1000000000LL
#define LOOK_COST 100LL /* ns that pass with each look at the clock, so that it always goes on */

enum disk { DISK_GOOD, DISK_FULL, DISK_READ_ONLY };

/* All int64_t, in this order, also in machine.py. */
struct shared {
    int64_t world;   /* ns since 1970, of the world */
    int64_t skew;    /* ns that this machine's wall clock is ahead of it */
    int64_t mono;    /* ns since this machine began, without suspend */
    int64_t kill_at; /* die before this change of the disk (0, 1, …); -1: never */
    int64_t changes; /* of the disk so far in this start */
    int64_t disk;    /* enum disk, from change disk_at on */
    int64_t disk_at;
    int64_t stall; /* nobody answers: waits end at once, and the clock moves by them */
    int64_t seed;  /* of getrandom() */
};

static struct shared *shared;
static uint64_t drawn;

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("SHIM_SHARED");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        abort();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        abort();
}

/* --- Time ------------------------------------------------------------------------------------- */

static void pass(int64_t ns)
{
    shared->world += ns;
    shared->mono += ns;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    bool mono = id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME;
    if (!shared || (!wall && !mono))
        return ((int (*)(clockid_t, struct timespec *))real("clock_gettime"))(id, t);
    pass(LOOK_COST);
    int64_t now = wall ? shared->world + shared->skew : shared->mono;
    *t = (struct timespec){.tv_sec = now / SECOND, .tv_nsec = now % SECOND};
    return 0;
}

int nanosleep(const struct timespec *want, struct timespec *left)
{
    pass(want->tv_sec * SECOND + want->tv_nsec);
    if (left)
        *left = (struct timespec){0};
    return 0;
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *want, struct timespec *left)
{
    struct timespec now = {0};
    if (flags & TIMER_ABSTIME)
        clock_gettime(id, &now);
    int64_t ns = (want->tv_sec - now.tv_sec) * SECOND + want->tv_nsec - now.tv_nsec;
    pass(ns > 0 ? ns : 0);
    if (left)
        *left = (struct timespec){0};
    return 0;
}

int usleep(useconds_t us)
{
    pass((int64_t)us * 1000);
    return 0;
}

unsigned sleep(unsigned s)
{
    pass(s * SECOND);
    return 0;
}

/* --- Waiting for others ----------------------------------------------------------------------- */

/* Answers are on this machine, hence quick; when nobody will answer, the wait is over at once. */
#define STALLED_MS 1

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    int (*wait)(struct pollfd *, nfds_t, int) = (int (*)(struct pollfd *, nfds_t, int))real("poll");
    if (!shared || !shared->stall || ms <= 0)
        return wait(fds, n, ms);
    int ready = wait(fds, n, STALLED_MS);
    if (ready == 0)
        pass(ms * 1000000LL);
    return ready;
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size)
{
    (void)size;
    return poll(fds, n, ms);
}

/* --- The disk --------------------------------------------------------------------------------- */

/* Before each change: death at the chosen one, and from another on no change any more. */
static bool refused(void)
{
    if (!shared)
        return false;
    int64_t change = shared->changes++;
    if (change == shared->kill_at)
        kill(getpid(), SIGKILL);
    if (shared->disk == DISK_GOOD || change < shared->disk_at)
        return false;
    errno = shared->disk == DISK_FULL ? ENOSPC : EROFS;
    return true;
}

static bool read_only(void)
{
    bool is = refused();
    return is && errno == EROFS;
}

int rename(const char *from, const char *to)
{
    return read_only() ? -1 : ((int (*)(const char *, const char *))real("rename"))(from, to);
}

int link(const char *from, const char *to)
{
    return refused() ? -1 : ((int (*)(const char *, const char *))real("link"))(from, to);
}

int symlink(const char *target, const char *path)
{
    return refused() ? -1 : ((int (*)(const char *, const char *))real("symlink"))(target, path);
}

int mkdir(const char *path, mode_t mode)
{
    struct stat st;
    if (stat(path, &st) == 0) { /* no change */
        errno = EEXIST;
        return -1;
    }
    return refused() ? -1 : ((int (*)(const char *, mode_t))real("mkdir"))(path, mode);
}

int unlink(const char *path)
{
    return read_only() ? -1 : ((int (*)(const char *))real("unlink"))(path);
}

int unlinkat(int dir, const char *path, int flags)
{
    return read_only() ? -1 : ((int (*)(int, const char *, int))real("unlinkat"))(dir, path, flags);
}

int rmdir(const char *path)
{
    return read_only() ? -1 : ((int (*)(const char *))real("rmdir"))(path);
}

ssize_t write(int fd, const void *data, size_t n)
{
    struct stat st;
    if (fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && refused())
        return -1;
    return ((ssize_t(*)(int, const void *, size_t))real("write"))(fd, data, n);
}

/* A file that is opened for writing: on a disk that has become read-only not even the lock can be.
 */
static bool open_refused(int flags)
{
    if (!shared || (flags & O_ACCMODE) == O_RDONLY || shared->disk != DISK_READ_ONLY ||
        shared->changes < shared->disk_at)
        return false;
    errno = EROFS;
    return true;
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        __builtin_va_list args;
        __builtin_va_start(args, flags);
        mode = __builtin_va_arg(args, mode_t);
        __builtin_va_end(args);
    }
    if (strncmp(path, "/dev/", 5) != 0 && open_refused(flags))
        return -1;
    return ((int (*)(const char *, int, ...))real("open"))(path, flags, mode);
}

/* --- Chance, and where we are ----------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014), so that a seed tells all. */
static uint64_t draw(void)
{
    uint64_t z = (shared ? (uint64_t)shared->seed : 0) + /* libraries draw before we are attached */
                 0x9e3779b97f4a7c15u * ++drawn;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

ssize_t getrandom(void *to, size_t n, unsigned flags)
{
    (void)flags;
    for (size_t at = 0; at < n; at += sizeof(uint64_t)) {
        uint64_t word = draw();
        memcpy((char *)to + at, &word, n - at < sizeof word ? n - at : sizeof word);
    }
    return (ssize_t)n;
}

/* The server has one public address, 203.0.113.10 (RFC 5737). */
int getifaddrs(struct ifaddrs **all)
{
    struct block {
        struct ifaddrs ifaddrs;
        struct sockaddr_in address;
        char name[8];
    } *b = calloc(1, sizeof *b);
    if (!b)
        return -1;
    strcpy(b->name, "eth0");
    b->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xcb00710a)};
    b->ifaddrs = (struct ifaddrs){.ifa_name = b->name,
                                  .ifa_flags = IFF_UP | IFF_RUNNING,
                                  .ifa_addr = (struct sockaddr *)&b->address};
    *all = &b->ifaddrs;
    return 0;
}

void freeifaddrs(struct ifaddrs *all)
{
    free(all);
}

/* --- Starts ----------------------------------------------------------------------------------- */

#define ARGS_MAX 16

typedef int main_function(int argc, char **argv, char **env);
static main_function *program;

/* In the child: the program itself, with the arguments of the message. */
static int begin(char *name, char *message, size_t n, char **env)
{
    char *argv[ARGS_MAX + 1] = {name};
    int argc = 1;
    for (char *at = message; at < message + n && argc < ARGS_MAX; at += strlen(at) + 1)
        argv[argc++] = at;
    shared->changes = 0;
    drawn = 0;
    return program(argc, argv, env);
}

static int serve(int argc, char **argv, char **env)
{
    const char *number = getenv("SHIM_SERVER");
    int channel = number ? atoi(number) : -1;
    static char message[4096];
    ssize_t n;
    if (channel < 0)
        return program(argc, argv, env);
    while ((n = recv(channel, message, sizeof message - 1, 0)) > 0) {
        int status = 0;
        message[n] = '\0';
        pid_t child = fork();
        if (child == 0) {
            close(channel);
            return begin(argv[0], message, (size_t)n, env);
        }
        send(channel, &child, sizeof child, 0);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        send(channel, &status, sizeof status, 0);
    }
    return 0;
}

int __libc_start_main(main_function *entry, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(main_function *entry, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    int (*start)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void),
                 void *) = (int (*)(main_function *, int, char **, void (*)(void), void (*)(void),
                                    void (*)(void), void *))real("__libc_start_main");
    program = entry;
    return start(serve, argc, argv, init, fini, rtld_fini, stack_end);
}
