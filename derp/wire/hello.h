/* SPDX-License-Identifier: Apache-2.0 */
/* The login: ServerKey, ClientInfo, ServerInfo. Pure but for libsodium's NaCl boxes (main has
 * called sodium_init()) and jansson. */
#ifndef DERP_WIRE_HELLO_H
#define DERP_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "derp/wire/frame.h"
#include "derp/wire/key.h"

#define HELLO_PROTOCOL_VERSION 2
#define HELLO_CLIENT_INFO_MIN  56           /* key + nonce */
#define HELLO_CLIENT_INFO_MAX  (256 * 1024) /* payload, derper's bound */
#define HELLO_APP_NAME_MAX     FRAME_APP_NAME_MAX

/* ServerKey frame: magic and key. */
#define HELLO_SERVER_KEY_LEN (FRAME_HEADER_LEN + 8 + KEY_LEN)
void hello_write_server_key(uint8_t out[static HELLO_SERVER_KEY_LEN], const struct node_key *key);
/* Client side: payload of a ServerKey frame; up to 1 KiB of future bytes is tolerated. */
bool hello_read_server_key(const uint8_t *payload, size_t n, struct node_key *key);

/* What two key pairs have in common: most of the work of a box, the same for all boxes between
 * them (NaCl's beforenm). Its owner wipes it. False: theirs is no point of the curve. */
#define HELLO_SECRET_LEN 32
bool hello_secret(const struct keypair *ours, const struct node_key *theirs,
                  uint8_t secret[static HELLO_SECRET_LEN]);

/* What a client says of itself. */
struct client_info {
    struct node_key key;
    uint8_t secret[HELLO_SECRET_LEN]; /* of that key and the server's; set by reading */
    bool has_mesh_key;                /* false too for 64 zeros */
    uint8_t mesh_key[KEY_LEN];
    int64_t version;
    bool can_ack_pings;
    bool is_prober;
    char app_name[HELLO_APP_NAME_MAX + 1];
};

/*
 * Opens and reads a ClientInfo payload with the server's key pair. Refused, with a reason: wrong
 * size, zero key, a box that does not open, JSON that derper would refuse (see docs/PROTOCOL.md),
 * a malformed mesh key, an app name that is too long or not printable ASCII; nothing of it is left
 * in info then. Otherwise the caller wipes info, which has the secret and the mesh key.
 */
bool hello_read_client_info(const uint8_t *payload, size_t n, const struct keypair *server,
                            struct client_info *info, struct fault *f);
/* The JSON inside alone, into info's members but the key. Read as Go's encoding/json does: names in
 * any case, the last of duplicates wins, unknown members are skipped, null leaves a member as it
 * is, invalid UTF-8 becomes U+FFFD. Stricter: nesting up to 2048 levels, at
 * most 4096 values, numbers that fit into an int64 or a double. */
bool hello_parse_client_info(const char *text, size_t n, struct client_info *info, struct fault *f);
/* Client side: appends a whole ClientInfo frame to out. nonce: 24 random bytes. False when out is
 * full, the server's key is no point of the curve, or the app name is not printable ASCII. */
bool hello_write_client_info(struct buf *out, const struct client_info *info,
                             const struct keypair *client, const struct node_key *server,
                             const uint8_t nonce[static 24]);

/* Server side: appends a whole ServerInfo frame ({"version":2}) to out, sealed with the secret of
 * the client's ClientInfo. False when out is full. */
bool hello_write_server_info(struct buf *out, const uint8_t secret[static HELLO_SECRET_LEN],
                             const uint8_t nonce[static 24]);
/* Client side: opens a ServerInfo payload; *version gets its version. */
bool hello_read_server_info(const uint8_t *payload, size_t n, const struct keypair *client,
                            const struct node_key *server, int64_t *version, struct fault *f);

#endif
