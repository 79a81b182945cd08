/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/readable.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

/* The bits (4 read, 1 execute or enter) that this user has, not counting further groups. */
static bool has_bits(const struct stat *st, const struct passwd *user, unsigned bits)
{
    unsigned mode = st->st_mode;
    if (st->st_uid == user->pw_uid)
        mode >>= 6;
    else if (st->st_gid == user->pw_gid)
        mode >>= 3;
    return (mode & bits) == bits;
}

bool readable_by_user(const char *path, const char *user, bool execute, struct fault *f)
{
    const struct passwd *entry = getpwnam(user);
    struct stat st;
    char *part = mem_strdup(path);
    bool fine = true;
    for (char *slash = strchr(part + 1, '/'); fine && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (entry && stat(part, &st) == 0 && !has_bits(&st, entry, 1))
            fine = fault_set(f, "%s may not enter %s", user, part);
        *slash = '/';
    }
    if (fine && stat(part, &st) != 0)
        fine = fault_errno(f, "%s", part);
    else if (fine && !S_ISREG(st.st_mode))
        fine = fault_set(f, "%s is not a file", part);
    else if (fine && !execute && st.st_mode & 0137)
        fine = fault_set(f, "others may read or change %s, which holds a secret", part);
    else if (fine && entry && !has_bits(&st, entry, execute ? 5 : 4))
        fine = execute ? fault_set(f, "%s may not execute %s", user, part)
                       : fault_set(f, "%s may not read %s", user, part);
    free(part);
    return fine;
}

bool readable_by_services(const char *path, struct fault *f)
{
    struct stat st;
    char *part = mem_strdup(path);
    bool fine = true;
    for (char *slash = strchr(part + 1, '/'); fine && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (stat(part, &st) == 0 && !(st.st_mode & S_IXOTH))
            fine = fault_set(f, "the services may not enter %s", part);
        *slash = '/';
    }
    if (fine && stat(part, &st) != 0)
        fine = fault_errno(f, "%s", part);
    else if (fine && !S_ISREG(st.st_mode))
        fine = fault_set(f, "%s is not a file", part);
    else if (fine && !(st.st_mode & S_IROTH))
        fine = fault_set(f, "the services may not read %s", part);
    free(part);
    return fine;
}
