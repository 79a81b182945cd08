/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/readable.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

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
