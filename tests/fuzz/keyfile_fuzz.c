/* SPDX-License-Identifier: Apache-2.0 */
/* Key files: derper's JSON and the mesh key. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "derp/wire/key.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return sodium_init() < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct keypair pair;
    struct keypair again;
    uint8_t mesh[KEY_LEN];

    mesh_key_parse((const char *)data, n, mesh, NULL);
    if (!keypair_parse_file((const char *)data, n, &pair, NULL))
        return 0;
    char *text = keypair_print_file(&pair);
    if (!keypair_parse_file(text, strlen(text), &again, NULL) ||
        memcmp(&pair, &again, sizeof(pair)) != 0)
        abort();
    free(text);
    return 0;
}
