/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are whole or absent: every write is durable before its name appears. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fault.h"

/* Reads a regular file of at most b->max bytes into b (replacing its content). */
bool file_read(const char *path, struct buf *b, struct fault *f);

/*
 * Replaces path with n bytes: temporary file beside it, mode as given, fsync, rename, fsync of
 * the folder. On failure the old file stands and the temporary one is removed.
 */
bool file_write(const char *path, const void *data, size_t n, mode_t mode, struct fault *f);

/* The same for a file that must not be replaced: when something has the name already, also since a
 * moment, it stays, *existed is true, and that is success. */
bool file_create(const char *path, const void *data, size_t n, mode_t mode, bool *existed,
                 struct fault *f);

/* Points the symbolic link at path to target by one rename, then fsyncs the folder. */
bool file_link(const char *path, const char *target, struct fault *f);

/* Creates a folder (and not its parents); an existing folder is success. */
bool file_mkdir(const char *path, mode_t mode, struct fault *f);

/* fsyncs a folder, so that renames in it survive a power loss. */
bool file_sync_dir(const char *path, struct fault *f);

/* Removes a file and fsyncs its folder; a missing file is success. */
bool file_remove(const char *path, struct fault *f);

/* True when something (of any type, links not followed) has this name. */
bool file_exists(const char *path);

/*
 * Takes an exclusive lock on path (created 0600 when missing) without waiting.
 * Returns a descriptor that holds it until closed, -1 with a reason otherwise;
 * *busy (if given) tells "held by another process" from other failures.
 */
int file_lock(const char *path, bool *busy, struct fault *f);

/* dir + "/" + name. Free with free(). */
char *file_join(const char *dir, const char *name);

/*
 * A program may be started with standard streams that are closed. What is opened next would take
 * their numbers, and what is said be written into it. Call this first: closed ones lead nowhere
 * then, and using them stays an error.
 */
void file_guard_standard_streams(void);

#endif
