/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own key: derper's file format, so that a move from derper keeps the key. */
#ifndef DERP_OPS_KEYFILE_H
#define DERP_OPS_KEYFILE_H

#include <stdbool.h>

#include "base/fault.h"
#include "derp/wire/key.h"

/*
 * Reads <state_dir>/derp.key. When it is missing it is made, 0600, durable before it is used (the
 * folder too, 0700); of several that start at once, one makes it. A file that exists but cannot be
 * read as a key is an error: replacing it would silently change the relay's identity. Wipe pair
 * after use.
 */
bool keyfile_load(const char *state_dir, struct keypair *pair, struct fault *f);

#endif
