/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INSTALLER_READABLE_H
#define INSTALLER_READABLE_H

#include <stdbool.h>

#include "base/fault.h"

/*
 * A file that a config names must be readable for the service users: the reason when it is not.
 * Judged by the mode bits for others, of the file and of the folders above it. path is absolute.
 */
bool readable_by_services(const char *path, struct fault *f);

/* A secret that one user alone needs, or (execute) a program of its: by owner, group and others. */
bool readable_by_user(const char *path, const char *user, bool execute, struct fault *f);

#endif
