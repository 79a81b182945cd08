/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/key_hash.h"

#include <pthread.h>
#include <sodium.h>
#include <stdint.h>

#include "derp/wire/key.h"

static unsigned char hash_key[crypto_shorthash_KEYBYTES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void draw(void)
{
    crypto_shorthash_keygen(hash_key);
}

void key_hash_init(void)
{
    pthread_once(&once, draw);
}

unsigned key_hash(const void *key)
{
    uint64_t h;

    crypto_shorthash((unsigned char *)&h, key, KEY_LEN, hash_key);
    return (unsigned)(h ^ h >> 32);
}
