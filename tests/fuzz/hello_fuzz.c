/* SPDX-License-Identifier: Apache-2.0 */
/* The login's messages: raw payloads, and the JSON that a client put into a proper box. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "derp/wire/hello.h"

static struct keypair client;
static struct keypair server;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    uint8_t seed[KEY_LEN];

    (void)argc;
    (void)argv;
    if (sodium_init() < 0)
        abort();
    for (size_t i = 0; i < KEY_LEN; i++)
        seed[i] = (uint8_t)(i + 1); /* the recorded seeds open with these */
    keypair_from_seed(seed, &client);
    for (size_t i = 0; i < KEY_LEN; i++)
        seed[i] = (uint8_t)(i + 128);
    keypair_from_seed(seed, &server);
    return 0;
}

static void read_payload(const uint8_t *data, size_t n)
{
    struct client_info info;
    struct node_key key;
    int64_t version;

    hello_read_client_info(data, n, &server, &info, NULL);
    hello_read_server_key(data, n, &key);
    hello_read_server_info(data, n, &client, &server.public_key, &version, NULL);
}

/* What is read can be written again and is read the same. */
static void read_json(const uint8_t *data, size_t n)
{
    static const uint8_t nonce[24];
    struct client_info info = {.version = 0};
    struct client_info again;
    struct fault f = {.text = ""};
    struct buf out;

    if (!hello_parse_client_info((const char *)data, n, &info, &f)) {
        if (f.text[0] == '\0')
            abort();
        return;
    }
    if (strlen(info.app_name) > HELLO_APP_NAME_MAX)
        abort();
    buf_init(&out, 1024);
    if (!hello_write_client_info(&out, &info, &client, &server.public_key, nonce) ||
        !hello_read_client_info(out.data + FRAME_HEADER_LEN, out.len - FRAME_HEADER_LEN, &server,
                                &again, NULL))
        abort();
    if (again.version != info.version || again.has_mesh_key != info.has_mesh_key ||
        again.can_ack_pings != info.can_ack_pings || again.is_prober != info.is_prober ||
        memcmp(again.mesh_key, info.mesh_key, KEY_LEN) != 0 ||
        strcmp(again.app_name, info.app_name) != 0)
        abort();
    buf_free(&out);
}

/* The first byte chooses: 'p' a payload, anything else JSON (the byte included). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 0 && data[0] == 'p')
        read_payload(data + 1, n - 1);
    else
        read_json(data, n);
    return 0;
}
