/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/hello.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

#define NONCE_LEN 24
#define VALUES_MAX                                                                                 \
    4096 /* of a ClientInfo's JSON; it has five members. Each costs memory and time */
#define MAC_LEN crypto_box_MACBYTES

_Static_assert(NONCE_LEN == crypto_box_NONCEBYTES, "nonce of NaCl's box");
_Static_assert(HELLO_CLIENT_INFO_MIN == KEY_LEN + NONCE_LEN, "key and nonce");
_Static_assert(HELLO_SECRET_LEN == crypto_box_BEFORENMBYTES, "secret of NaCl's box");

static const uint8_t magic[8] = {0x44, 0x45, 0x52, 0x50, 0xf0, 0x9f, 0x94, 0x91};

/* --- ServerKey ------------------------------------------------------------------------------- */

void hello_write_server_key(uint8_t out[static HELLO_SERVER_KEY_LEN], const struct node_key *key)
{
    frame_put_header(out, FRAME_SERVER_KEY, sizeof(magic) + KEY_LEN);
    memcpy(out + FRAME_HEADER_LEN, magic, sizeof(magic));
    memcpy(out + FRAME_HEADER_LEN + sizeof(magic), key->bytes, KEY_LEN);
}

bool hello_read_server_key(const uint8_t *payload, size_t n, struct node_key *key)
{
    if (n < sizeof(magic) + KEY_LEN || n > 1024 || memcmp(payload, magic, sizeof(magic)) != 0)
        return false;
    memcpy(key->bytes, payload + sizeof(magic), KEY_LEN);
    return !node_key_is_zero(key);
}

/* --- Boxes ----------------------------------------------------------------------------------- */

bool hello_secret(const struct keypair *ours, const struct node_key *theirs,
                  uint8_t secret[static HELLO_SECRET_LEN])
{
    return crypto_box_beforenm(secret, theirs->bytes, ours->secret) == 0;
}

/* Opens nonce + box. The text is terminated; wipe and free it. NULL when it does not open. */
static char *open_box(const uint8_t *sealed, size_t n,
                      const uint8_t secret[static HELLO_SECRET_LEN], size_t *text_len)
{
    char *text;

    if (n < NONCE_LEN + MAC_LEN)
        return NULL;
    *text_len = n - NONCE_LEN - MAC_LEN;
    text = mem_alloc(*text_len + 1, 1);
    if (crypto_box_open_easy_afternm((unsigned char *)text, sealed + NONCE_LEN, n - NONCE_LEN,
                                     sealed, secret) == 0)
        return text;
    free(text);
    return NULL;
}

static void free_secret(char *text, size_t n)
{
    if (text)
        mem_wipe(text, n);
    free(text);
}

/* Appends nonce + box of text; false when out is full. */
static bool append_box(struct buf *out, const char *text,
                       const uint8_t secret[static HELLO_SECRET_LEN],
                       const uint8_t nonce[static NONCE_LEN])
{
    size_t n = strlen(text);
    uint8_t *room = buf_reserve(out, NONCE_LEN + MAC_LEN + n);

    if (!room)
        return false;
    memcpy(room, nonce, NONCE_LEN);
    if (crypto_box_easy_afternm(room + NONCE_LEN, (const unsigned char *)text, n, nonce, secret) !=
        0)
        return false;
    out->len += NONCE_LEN + MAC_LEN + n;
    return true;
}

/* --- JSON as Go's encoding/json reads it ------------------------------------------------------ */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Length of the valid UTF-8 sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] > 0xf4 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

/* The code unit of a \uXXXX escape at p, -1 when there is none. */
static int unicode_escape(const char *p, size_t n)
{
    uint8_t unit[2];
    char hex[5];

    if (n < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    memcpy(hex, p + 2, 4);
    hex[4] = '\0';
    return text_unhex(hex, unit, sizeof(unit)) ? unit[0] << 8 | unit[1] : -1;
}

/*
 * Copies one unit of JSON text, replacing what jansson refuses and Go reads as U+FFFD: invalid
 * UTF-8 and halves of surrogate pairs. Whole pairs and \u0000 go the same way: no member that we
 * read may hold them, and jansson has no NUL in names. Returns how much of p was taken.
 */
static size_t copy_unit(const char *p, size_t n, struct buf *out)
{
    size_t len = utf8_len((const uint8_t *)p, n);
    int unit;

    if (len == 0) {
        buf_puts(out, replacement);
        return 1;
    }
    if (p[0] != '\\' || n < 2 || (unsigned char)p[1] >= 0x80) {
        buf_append(out, p, len);
        return len;
    }
    unit = unicode_escape(p, n);
    if (unit == 0 || (unit >= 0xd800 && unit < 0xe000)) {
        buf_puts(out, replacement);
        return 6;
    }
    buf_append(out, p, 2); /* the digits of \u follow by themselves */
    return 2;
}

/* copy_unit over all of the text. False when it has too many values: each but the first of its
 * list stands behind one of "[{:,". */
static bool clean_json(const char *text, size_t n, struct buf *out)
{
    bool in_string = false;
    size_t values = 0;

    for (size_t at = 0; at < n; at += copy_unit(text + at, n - at, out)) {
        if (text[at] == '"')
            in_string = !in_string;
        else if (!in_string && text[at] != '\0' && strchr("[{:,", text[at]))
            values++;
    }
    return values <= VALUES_MAX;
}

/* Parses n bytes of JSON; NULL when they are none. Nesting is bounded by jansson (2048). */
static json_t *parse_json(const char *text, size_t n, struct fault *f)
{
    struct buf clean;
    json_error_t error;
    json_t *root;

    buf_init(&clean, 3 * n + 1);
    if (!clean_json(text, n, &clean)) {
        buf_wipe(&clean);
        fault_set(f, "JSON with more than %d values", VALUES_MAX);
        return NULL;
    }
    root = json_loadb(buf_text(&clean), clean.len, JSON_DECODE_ANY, &error);
    buf_wipe(&clean);
    if (!root) {
        char shown[2 * sizeof(error.text)]; /* jansson quotes the peer's text */

        text_printable(error.text, strlen(error.text), shown, sizeof(shown));
        fault_set(f, "not JSON: %s (byte %d)", shown, error.position);
    }
    return root;
}

static bool read_mesh_key(const json_t *value, struct client_info *info)
{
    char *hex = (char *)(uintptr_t)json_string_value(value); /* ours to wipe */

    if (!hex || !text_unhex(hex, info->mesh_key, KEY_LEN))
        return false;
    mem_wipe(hex, strlen(hex));
    info->has_mesh_key = sodium_is_zero(info->mesh_key, KEY_LEN) == 0;
    return true;
}

static bool is_app_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (*c < ' ' || *c > '~')
            return false;
    return strlen(name) <= HELLO_APP_NAME_MAX;
}

static bool read_app_name(const json_t *value, struct client_info *info)
{
    const char *name = json_string_value(value);

    if (!name || !is_app_name(name))
        return false;
    memcpy(info->app_name, name, strlen(name) + 1);
    return true;
}

static bool read_bool(const json_t *value, bool *target)
{
    if (json_is_boolean(value))
        *target = json_is_true(value);
    return json_is_boolean(value);
}

static bool read_integer(const json_t *value, int64_t *target)
{
    if (json_is_integer(value))
        *target = json_integer_value(value);
    return json_is_integer(value);
}

/* One member, its name in any case; null leaves a plain member as it is, as in Go. */
static bool read_member(const char *name, const json_t *value, struct client_info *info)
{
    if (strcasecmp(name, "meshKey") == 0)
        return read_mesh_key(value, info);
    if (json_is_null(value))
        return true;
    if (strcasecmp(name, "version") == 0)
        return read_integer(value, &info->version);
    if (strcasecmp(name, "CanAckPings") == 0)
        return read_bool(value, &info->can_ack_pings);
    if (strcasecmp(name, "IsProber") == 0)
        return read_bool(value, &info->is_prober);
    if (strcasecmp(name, "AppName") == 0)
        return read_app_name(value, info);
    return true;
}

bool hello_parse_client_info(const char *text, size_t n, struct client_info *info, struct fault *f)
{
    json_t *root = parse_json(text, n, f);
    const char *name;
    json_t *value;
    bool ok;

    if (!root)
        return false;
    ok = json_is_object(root) || json_is_null(root);
    if (!ok)
        fault_set(f, "ClientInfo is not a JSON object");
    json_object_foreach(root, name, value)
    {
        char shown[64];

        if (read_member(name, value, info))
            continue;
        text_printable(name, strlen(name), shown, sizeof(shown));
        ok = fault_set(f, "ClientInfo has a bad value for \"%s\"", shown);
        break;
    }
    json_decref(root);
    return ok;
}

/* --- ClientInfo ------------------------------------------------------------------------------ */

bool hello_read_client_info(const uint8_t *payload, size_t n, const struct keypair *server,
                            struct client_info *info, struct fault *f)
{
    char *text = NULL;
    size_t text_len = 0;
    bool ok;

    memset(info, 0, sizeof(*info));
    if (n < HELLO_CLIENT_INFO_MIN || n > HELLO_CLIENT_INFO_MAX)
        return fault_set(f, "ClientInfo of %zu bytes (%d to %d are allowed)", n,
                         HELLO_CLIENT_INFO_MIN, HELLO_CLIENT_INFO_MAX);
    memcpy(info->key.bytes, payload, KEY_LEN);
    if (node_key_is_zero(&info->key))
        return fault_set(f, "ClientInfo with a client key of zeros");
    if (hello_secret(server, &info->key, info->secret))
        text = open_box(payload + KEY_LEN, n - KEY_LEN, info->secret, &text_len);
    ok = text != NULL ? hello_parse_client_info(text, text_len, info, f)
                      : fault_set(f, "ClientInfo's box does not open with our key");
    free_secret(text, text_len);
    if (!ok)
        mem_wipe(info, sizeof(*info));
    return ok;
}

/* The JSON, its members in the order of Go's struct; empty ones are left out. */
static char *print_client_info(const struct client_info *info)
{
    json_t *root = json_object();
    char hex[2 * KEY_LEN + 1];
    char *text;

    if (info->has_mesh_key) {
        text_hex(info->mesh_key, KEY_LEN, hex);
        json_object_set_new(root, "meshKey", json_string(hex));
        mem_wipe(hex, sizeof(hex));
    }
    if (info->version != 0)
        json_object_set_new(root, "version", json_integer(info->version));
    json_object_set_new(root, "CanAckPings", json_boolean(info->can_ack_pings));
    if (info->is_prober)
        json_object_set_new(root, "IsProber", json_true());
    if (info->app_name[0])
        json_object_set_new(root, "AppName", json_string(info->app_name));
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

bool hello_write_client_info(struct buf *out, const struct client_info *info,
                             const struct keypair *client, const struct node_key *server,
                             const uint8_t nonce[static NONCE_LEN])
{
    size_t before = out->len;
    uint8_t head[FRAME_HEADER_LEN], secret[HELLO_SECRET_LEN];
    char *text;
    bool ok;

    if (!is_app_name(info->app_name) || !hello_secret(client, server, secret))
        return false;
    text = print_client_info(info);
    frame_put_header(head, FRAME_CLIENT_INFO, KEY_LEN + NONCE_LEN + MAC_LEN + strlen(text));
    ok = buf_append(out, head, sizeof(head)) &&
         buf_append(out, client->public_key.bytes, KEY_LEN) && append_box(out, text, secret, nonce);
    if (!ok)
        out->len = before;
    mem_wipe(secret, sizeof(secret));
    free_secret(text, strlen(text));
    return ok;
}

/* --- ServerInfo ------------------------------------------------------------------------------ */

bool hello_write_server_info(struct buf *out, const uint8_t secret[static HELLO_SECRET_LEN],
                             const uint8_t nonce[static NONCE_LEN])
{
    char text[32];
    size_t before = out->len;
    uint8_t head[FRAME_HEADER_LEN];
    bool ok;

    snprintf(text, sizeof(text), "{\"version\":%d}", HELLO_PROTOCOL_VERSION);
    frame_put_header(head, FRAME_SERVER_INFO, NONCE_LEN + MAC_LEN + strlen(text));
    ok = buf_append(out, head, sizeof(head)) && append_box(out, text, secret, nonce);
    if (!ok)
        out->len = before;
    return ok;
}

bool hello_read_server_info(const uint8_t *payload, size_t n, const struct keypair *client,
                            const struct node_key *server, int64_t *version, struct fault *f)
{
    struct client_info info = {0}; /* a ServerInfo's version is read the same way */
    uint8_t secret[HELLO_SECRET_LEN];
    size_t text_len = 0;
    char *text = NULL;
    bool ok;

    if (hello_secret(client, server, secret))
        text = open_box(payload, n, secret, &text_len);
    mem_wipe(secret, sizeof(secret));
    if (!text)
        return fault_set(f, "ServerInfo's box does not open: the server's key is another one");
    ok = hello_parse_client_info(text, text_len, &info, f);
    free_secret(text, text_len);
    *version = info.version;
    return ok;
}
