/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/payload.h"

#include <pthread.h>
#include <string.h>

#define NUMBER    0xd0 /* the byte before the number */
#define MAGIC_LEN 6
#define HEAD_MAX  (MAGIC_LEN + 5)
#define SHIFTS    4096

static const uint8_t magic[MAGIC_LEN] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
static uint8_t noise[65536 + SHIFTS];
static pthread_once_t noise_once = PTHREAD_ONCE_INIT;

static void make_noise(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t)(x >> 24);
    }
}

/* The first bytes of a packet, as far as it has them; the rest is noise from *at. */
static size_t make_head(uint8_t head[static HEAD_MAX], size_t n, uint32_t seq, bool has_magic)
{
    size_t at = has_magic ? MAGIC_LEN : 0;

    pthread_once(&noise_once, make_noise);
    if (has_magic)
        memcpy(head, magic, MAGIC_LEN);
    if (n < at + 5)
        return has_magic && n < MAGIC_LEN ? n : at;
    head[at] = NUMBER;
    for (int i = 0; i < 4; i++)
        head[at + 1 + (size_t)i] = (uint8_t)(seq >> 8 * i);
    return at + 5;
}

void payload_make(uint8_t *out, size_t n, uint32_t seq, bool has_magic)
{
    uint8_t head[HEAD_MAX];
    size_t used = make_head(head, n, seq, has_magic);

    memcpy(out, head, used);
    memcpy(out + used, noise + seq % SHIFTS, n - used);
}

bool payload_is(const uint8_t *p, size_t n, uint32_t seq, bool has_magic)
{
    uint8_t head[HEAD_MAX];
    size_t used = make_head(head, n, seq, has_magic);

    return memcmp(p, head, used) == 0 && memcmp(p + used, noise + seq % SHIFTS, n - used) == 0;
}

bool payload_seq(const uint8_t *p, size_t n, uint32_t *seq)
{
    size_t at = n >= MAGIC_LEN && memcmp(p, magic, MAGIC_LEN) == 0 ? MAGIC_LEN : 0;

    if (n < at + 5 || p[at] != NUMBER)
        return false;
    *seq = 0;
    for (int i = 0; i < 4; i++)
        *seq |= (uint32_t)p[at + 1 + (size_t)i] << 8 * i;
    return true;
}
