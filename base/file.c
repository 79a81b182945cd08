/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Reads to the end; one byte more than allowed tells "too large" also when the file grows. */
static bool read_all(int fd, const char *path, struct buf *b, struct fault *f)
{
    for (;;) {
        size_t room = b->max - b->len;
        size_t want = room < 65536 ? room : 65536;
        char probe;
        void *to = want ? buf_reserve(b, want) : &probe;
        ssize_t n = read(fd, to, want ? want : 1);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_errno(f, "cannot read %s", path);
        if (!want)
            return fault_set(f, "%s is larger than %zu bytes", path, b->max);
        b->len += (size_t)n;
    }
}

bool file_read(const char *path, struct buf *b, struct fault *f)
{
    struct stat st;
    buf_free(b);
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fault_errno(f, "cannot open %s", path);

    bool ok;
    if (fstat(fd, &st) < 0)
        ok = fault_errno(f, "cannot read %s", path);
    else if (!S_ISREG(st.st_mode))
        ok = fault_set(f, "%s is not a regular file", path);
    else
        ok = read_all(fd, path, b, f);
    close(fd);
    if (!ok)
        buf_wipe(b);
    return ok;
}

/* The folder that holds path, to free(). */
static char *parent_of(const char *path)
{
    char *copy = mem_strdup(path);
    char *dir = mem_strdup(dirname(copy));
    free(copy);
    return dir;
}

/* A fresh name beside path: same folder, so that rename() is atomic; a dot, so that it is hidden.
 */
static char *temporary_name(const char *path)
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        memset(random, 0, sizeof random);
    unsigned long long number;
    memcpy(&number, random, sizeof number);

    char *dir = parent_of(path);
    const char *slash = strrchr(path, '/');
    char *name = mem_printf("%s/.%s.%016llx", dir, slash ? slash + 1 : path, number);
    free(dir);
    return name;
}

static bool write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

bool file_sync_dir(const char *path, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault_errno(f, "cannot open folder %s", path);
    bool ok = fsync(fd) == 0;
    if (!ok)
        fault_errno(f, "cannot sync folder %s", path);
    close(fd);
    return ok;
}

static bool sync_parent(const char *path, struct fault *f)
{
    char *dir = parent_of(path);
    bool ok = file_sync_dir(dir, f);
    free(dir);
    return ok;
}

/* The finished file gets its name; when *existed is asked for, only if nothing else has it. */
static bool give_name(const char *temporary, const char *path, bool *existed, struct fault *f)
{
    if (!existed)
        return rename(temporary, path) == 0 || fault_errno(f, "cannot replace %s", path);
    bool ok = link(temporary, path) == 0;
    *existed = !ok && errno == EEXIST;
    if (!ok && !*existed)
        fault_errno(f, "cannot create %s", path);
    unlink(temporary);
    return ok || *existed;
}

static bool put(const char *path, const void *data, size_t n, mode_t mode, bool *existed,
                struct fault *f)
{
    char *temporary = temporary_name(path);
    bool ok = false;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fault_errno(f, "cannot create a file beside %s", path);
        goto out;
    }

    bool whole = write_all(fd, data, n) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    if (!whole)
        fault_errno(f, "cannot write %s", path);
    /* close() is where NFS and quotas report what write() did not. */
    if (close(fd) < 0 && whole)
        whole = fault_errno(f, "cannot write %s", path);
    whole = whole && give_name(temporary, path, existed, f);
    if (!whole)
        unlink(temporary);
    ok = whole && sync_parent(path, f);
out:
    free(temporary);
    return ok;
}

bool file_write(const char *path, const void *data, size_t n, mode_t mode, struct fault *f)
{
    return put(path, data, n, mode, NULL, f);
}

bool file_create(const char *path, const void *data, size_t n, mode_t mode, bool *existed,
                 struct fault *f)
{
    return put(path, data, n, mode, existed, f);
}

bool file_link(const char *path, const char *target, struct fault *f)
{
    char *temporary = temporary_name(path);
    bool ok = false;
    if (symlink(target, temporary) < 0) {
        fault_errno(f, "cannot create a link beside %s", path);
    } else if (rename(temporary, path) < 0) {
        fault_errno(f, "cannot replace %s", path);
        unlink(temporary);
    } else {
        ok = sync_parent(path, f);
    }
    free(temporary);
    return ok;
}

bool file_mkdir(const char *path, mode_t mode, struct fault *f)
{
    struct stat st;
    if (mkdir(path, mode) == 0) {
        /* The mode asked for, whatever the umask. */
        if (chmod(path, mode) < 0)
            return fault_errno(f, "cannot set the mode of %s", path);
        return sync_parent(path, f);
    }
    if (errno != EEXIST)
        return fault_errno(f, "cannot create folder %s", path);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return fault_set(f, "%s exists and is not a folder", path);
    return true;
}

bool file_remove(const char *path, struct fault *f)
{
    if (unlink(path) < 0) {
        if (errno == ENOENT)
            return true;
        return fault_errno(f, "cannot remove %s", path);
    }
    return sync_parent(path, f);
}

bool file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int file_lock(const char *path, bool *busy, struct fault *f)
{
    if (busy)
        *busy = false;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fault_errno(f, "cannot open lock %s", path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;

    if (errno == EWOULDBLOCK) {
        if (busy)
            *busy = true;
        fault_set(f, "%s is held by another process", path);
    } else {
        fault_errno(f, "cannot lock %s", path);
    }
    close(fd);
    return -1;
}

char *file_join(const char *dir, const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

void file_guard_standard_streams(void)
{
    /* The other way round, so that reading from it, or writing to it, fails as before. */
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            abort(); /* nothing can be said, and nothing is open yet */
}
