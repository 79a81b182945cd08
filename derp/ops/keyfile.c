/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/keyfile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define KEY_FILE_MAX 4096

static bool make(const char *path, struct fault *f)
{
    uint8_t seed[KEY_LEN];
    struct keypair pair;
    bool ok, existed;
    char *text;

    randombytes_buf(seed, sizeof seed);
    keypair_from_seed(seed, &pair);
    sodium_memzero(seed, sizeof seed);
    text = keypair_print_file(&pair);
    keypair_wipe(&pair);
    ok = file_create(path, text, strlen(text), 0600, &existed, f);
    mem_wipe(text, strlen(text));
    free(text);
    if (ok && !existed)
        log_info("made a new server key in %s", path);
    return ok;
}

static void warn_if_open(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        log_warning("%s can be read by others; run: chmod 600 %s", path, path);
}

bool keyfile_load(const char *state_dir, struct keypair *pair, struct fault *f)
{
    char *path = file_join(state_dir, "derp.key");
    struct fault inner;
    struct buf text;
    bool ok;

    buf_init(&text, KEY_FILE_MAX);
    ok = file_exists(path) || (file_mkdir(state_dir, 0700, f) && make(path, f));
    if (ok) {
        warn_if_open(path);
        ok = file_read(path, &text, f);
        if (ok && !keypair_parse_file((const char *)text.data, text.len, pair, &inner))
            ok = fault_set(f, "%s: %s (move the file away to have a new key made)", path,
                           inner.text);
    }
    buf_wipe(&text);
    free(path);
    return ok;
}
