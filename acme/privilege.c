/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/privilege.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

bool privilege_match(const char *dir, struct fault *f)
{
    struct stat st;
    if (geteuid() != 0 || stat(dir, &st) < 0 || st.st_uid == 0)
        return true;
    struct passwd *user = getpwuid(st.st_uid);
    if (!user)
        return fault_set(f, "%s belongs to user %u, who does not exist", dir, (unsigned)st.st_uid);
    if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
        setuid(st.st_uid) < 0)
        return fault_errno(f, "cannot become %s, the owner of %s", user->pw_name, dir);
    return true;
}
