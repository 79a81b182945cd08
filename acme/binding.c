/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/binding.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "acme/jws.h"
#include "acme/message.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

#define FILE_MAX   4096
#define SECRET_MIN 16

static bool is_private(const char *path, struct fault *f)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return fault_errno(f, "cannot read %s", path);
    if (st.st_mode & 0137)
        return fault_set(f,
                         "%s may be read or changed by others (mode %04o), and it holds a secret: "
                         "chown root:_derp-acme %s; chmod 0640 %s",
                         path, (unsigned)st.st_mode & 07777, path, path);
    return true;
}

static bool decode(char *text, uint8_t secret[static BINDING_SECRET_MAX], size_t *n)
{
    char *word = text_trim(text);
    size_t length = strlen(word);
    while (length > 0 && word[length - 1] == '=')
        word[--length] = '\0';
    return text_unbase64url(word, secret, BINDING_SECRET_MAX, n) && *n >= SECRET_MIN;
}

bool binding_read(const char *path, uint8_t secret[static BINDING_SECRET_MAX], size_t *n,
                  struct fault *f)
{
    struct buf b;
    struct fault why;
    buf_init(&b, FILE_MAX);
    bool ok = is_private(path, f);
    if (ok && !file_read(path, &b, &why))
        ok = fault_set(f,
                       "%.300s — derp-acme reads it as its own user: chown root:_derp-acme %.100s",
                       why.text, path);
    if (ok) {
        char *text = strndup(buf_text(&b), FILE_MAX);
        ok = text && decode(text, secret, n);
        if (!ok)
            fault_set(f,
                      "%s does not hold a key in base64url of %d to %d bytes: copy it from the CA "
                      "again (\"HMAC key\" or \"EAB key\")",
                      path, SECRET_MIN, BINDING_SECRET_MAX);
        if (text)
            OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
    buf_wipe(&b);
    return ok;
}

char *binding_make(const struct authority *ca, const char *url, const EVP_PKEY *key,
                   struct failure *fail)
{
    uint8_t secret[BINDING_SECRET_MAX];
    size_t n;
    struct fault why;
    char *body = NULL;
    if (binding_read(ca->eab_key_file, secret, &n, &why)) {
        char *jwk = jws_jwk(key);
        char *protected = message_binding_header(ca->eab_key_id, url);
        body = jws_hmac_body(secret, n, protected, jwk ? jwk : "", &why);
        free(protected);
        free(jwk);
    }
    OPENSSL_cleanse(secret, sizeof secret);
    if (!body)
        failure_set(fail, FAILURE_CONFIGURATION, "eab-key-file in [acme]: %s", why.text);
    return body;
}
