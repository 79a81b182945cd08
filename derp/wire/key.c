/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/key.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define PUBLIC_PREFIX  "nodekey:"
#define PRIVATE_PREFIX "privkey:"
#define HEX_LEN        (2 * (size_t)KEY_LEN)

bool node_key_equal(const struct node_key *a, const struct node_key *b)
{
    return memcmp(a->bytes, b->bytes, KEY_LEN) == 0;
}

bool node_key_is_zero(const struct node_key *k)
{
    return sodium_is_zero(k->bytes, KEY_LEN) == 1;
}

char *node_key_print(const struct node_key *k, char text[static NODE_KEY_TEXT])
{
    memcpy(text, PUBLIC_PREFIX, strlen(PUBLIC_PREFIX));
    text_hex(k->bytes, KEY_LEN, text + strlen(PUBLIC_PREFIX));
    return text;
}

char *node_key_short(const struct node_key *k, char text[static NODE_KEY_SHORT])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)k->bytes[0] << 24 | (uint32_t)k->bytes[1] << 16 |
                    (uint32_t)k->bytes[2] << 8 | k->bytes[3];

    text[0] = '[';
    for (unsigned i = 0; i < 5; i++)
        text[1 + i] = alphabet[bits >> (26 - 6 * i) & 63];
    text[6] = ']';
    text[7] = '\0';
    return text;
}

/* Exactly 32 bytes from prefix + 64 hex digits and nothing more. */
static bool parse_prefixed(const char *text, const char *prefix, uint8_t bytes[static KEY_LEN])
{
    if (!text_starts(text, prefix))
        return false;
    return text_unhex(text + strlen(prefix), bytes, KEY_LEN);
}

bool node_key_parse(const char *text, struct node_key *k)
{
    return parse_prefixed(text, PUBLIC_PREFIX, k->bytes);
}

void keypair_from_seed(const uint8_t seed[static KEY_LEN], struct keypair *pair)
{
    memcpy(pair->secret, seed, KEY_LEN);
    pair->secret[0] &= 248;
    pair->secret[31] = (uint8_t)((pair->secret[31] & 127) | 64);
    crypto_scalarmult_base(pair->public_key.bytes, pair->secret);
}

void keypair_wipe(struct keypair *pair)
{
    mem_wipe(pair, sizeof(*pair));
}

/* Overwrites the text of a JSON string, which jansson would free as it is. */
static void wipe_json_string(json_t *value)
{
    if (json_is_string(value))
        sodium_memzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
}

bool keypair_parse_file(const char *text, size_t n, struct keypair *pair, struct fault *f)
{
    json_error_t error;
    json_t *root = json_loadb(text, n, 0, &error);
    uint8_t secret[KEY_LEN];
    bool ok = false;

    if (!root)
        return fault_set(f, "key file is not JSON: line %d: %s", error.line, error.text);
    json_t *value = json_object_get(root, "PrivateKey");
    if (!json_is_string(value))
        fault_set(f, "key file has no string member \"PrivateKey\"");
    else if (strlen(json_string_value(value)) != json_string_length(value) ||
             !parse_prefixed(json_string_value(value), PRIVATE_PREFIX, secret))
        fault_set(f, "\"PrivateKey\" is not \"" PRIVATE_PREFIX "\" and 64 hex digits");
    else if (sodium_is_zero(secret, KEY_LEN))
        fault_set(f, "\"PrivateKey\" is all zeros, which is no key");
    else
        ok = true;
    if (ok)
        keypair_from_seed(secret, pair);
    mem_wipe(secret, sizeof(secret));
    wipe_json_string(value);
    json_decref(root);
    return ok;
}

char *keypair_print_file(const struct keypair *pair)
{
    char hex[HEX_LEN + 1];
    char *text;

    text_hex(pair->secret, KEY_LEN, hex);
    text = mem_printf("{\n\t\"PrivateKey\": \"" PRIVATE_PREFIX "%s\"\n}\n", hex);
    mem_wipe(hex, sizeof(hex));
    return text;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool mesh_key_parse(const char *text, size_t n, uint8_t key[static KEY_LEN], struct fault *f)
{
    char hex[HEX_LEN + 1];
    bool ok;

    while (n > 0 && is_space(text[n - 1]))
        n--;
    while (n > 0 && is_space(text[0])) {
        text++;
        n--;
    }
    if (n != HEX_LEN)
        return fault_set(f, "a mesh key is 64 hex digits, this has %zu characters", n);
    memcpy(hex, text, HEX_LEN);
    hex[HEX_LEN] = '\0';
    ok = text_unhex(hex, key, KEY_LEN);
    mem_wipe(hex, sizeof(hex));
    if (!ok)
        return fault_set(f, "a mesh key is 64 hex digits, this has other characters");
    if (sodium_is_zero(key, KEY_LEN))
        return fault_set(f, "a mesh key of 64 zeros means none and is no secret");
    return true;
}
