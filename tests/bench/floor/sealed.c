/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/floor/sealed.h"

#include <openssl/evp.h>

#define TAG 16

static EVP_CIPHER_CTX *opener, *sealer;
static const uint8_t key[16], nonce[12];

bool sealed_init(void)
{
    opener = EVP_CIPHER_CTX_new();
    sealer = EVP_CIPHER_CTX_new();
    return opener != NULL && sealer != NULL &&
           EVP_CipherInit_ex(opener, EVP_aes_128_gcm(), NULL, key, nonce, 0) == 1 &&
           EVP_CipherInit_ex(sealer, EVP_aes_128_gcm(), NULL, key, nonce, 1) == 1;
}

size_t sealed_size(const uint8_t header[SEALED_HEADER])
{
    return SEALED_HEADER + ((size_t)header[3] << 8 | header[4]);
}

void sealed_write(uint8_t *content, size_t n, uint8_t *out)
{
    size_t body = n + 1 + TAG;
    int done, rest;

    out[0] = 23;
    out[1] = out[2] = 3;
    out[3] = (uint8_t)(body >> 8);
    out[4] = (uint8_t)body;
    content[n] = 23;
    EVP_CipherInit_ex(sealer, NULL, NULL, NULL, nonce, 1);
    EVP_CipherUpdate(sealer, NULL, &done, out, SEALED_HEADER);
    EVP_CipherUpdate(sealer, out + SEALED_HEADER, &done, content, (int)n + 1);
    EVP_CipherFinal_ex(sealer, out + SEALED_HEADER + done, &rest);
    EVP_CIPHER_CTX_ctrl(sealer, EVP_CTRL_GCM_GET_TAG, TAG, out + SEALED_HEADER + n + 1);
}

size_t sealed_read(const uint8_t *record, uint8_t *out)
{
    size_t size = sealed_size(record), n = size - SEALED_HEADER - TAG;
    int done, rest;

    if (size <= SEALED_HEADER + TAG || size > SEALED_MAX)
        return 0;
    EVP_CipherInit_ex(opener, NULL, NULL, NULL, nonce, 0);
    EVP_CIPHER_CTX_ctrl(opener, EVP_CTRL_GCM_SET_TAG, TAG, (void *)(record + size - TAG));
    EVP_CipherUpdate(opener, NULL, &done, record, SEALED_HEADER);
    EVP_CipherUpdate(opener, out, &done, record + SEALED_HEADER, (int)n);
    return EVP_CipherFinal_ex(opener, out + done, &rest) == 1 ? n - 1 : 0;
}
