/* SPDX-License-Identifier: Apache-2.0 */
/* The sources that the config names, with the key files read. Used by one thread at a time. */
#ifndef DERP_RELAY_ADMISSION_LIST_H
#define DERP_RELAY_ADMISSION_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/fault.h"
#include "derp/relay/admission_source.h"

struct admission_source {
    enum config_allow kind;
    char *where;                /* path or URL */
    struct admission_keys keys; /* of a key file */
    struct stat seen;           /* the file that they were read from */
};

/* One set of sources; replaced as a whole. */
struct admission_list {
    struct admission_source list[CONFIG_MAX_SOURCES];
    size_t count;
    bool fail_open;
    int64_t patrol_ms; /* how often those who are logged in are asked about; 0: never */
    unsigned refs;     /* who uses it: admission, and each lookup */
};

/* Reads the key files. NULL with a reason when one cannot be read. The caller holds one reference.
 */
struct admission_list *admission_list_new(const struct config *c, struct fault *f);
/* Gives a reference back. NULL: no-op. */
void admission_list_unref(struct admission_list *l);

/* Is everybody admitted? */
bool admission_list_is_open(const struct admission_list *l);

/* The path of the key file that has the key, or NULL. */
const char *admission_list_find(const struct admission_list *l, const struct node_key *key);

/* Reads the key files that have changed; one that cannot be read keeps its last good content.
 * Returns whether a list changed. */
bool admission_list_follow(struct admission_list *l);

#endif
