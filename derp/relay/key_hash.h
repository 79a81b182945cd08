/* SPDX-License-Identifier: Apache-2.0 */
/* uthash tables by node key. Strangers choose their keys: only a keyed hash (SipHash) keeps them
 * from choosing collisions. Includes uthash; HASH_ADD and HASH_FIND take keys of KEY_LEN bytes. */
#ifndef DERP_RELAY_KEY_HASH_H
#define DERP_RELAY_KEY_HASH_H

/* Draws the process's hash key, once; before any table is used. */
void key_hash_init(void);

/* Of the KEY_LEN bytes at key. */
unsigned key_hash(const void *key);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = key_hash(keyptr))
#define uthash_fatal(msg)                    abort()
#include <uthash.h>

#endif
