/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes secrets out of text that is going to be shown to others. Closed when unsure: what looks
 * like a key is hidden, too. Pure.
 */
#ifndef INSTALLER_SCRUB_H
#define INSTALLER_SCRUB_H

#include "base/buf.h"

/*
 * Appends text to out without PEM blocks (a broken one to the end), keys (32 hexadecimal digits or
 * more, base64 of that length), "privkey:" and "tskey-" values, values of names such as password
 * and token, Authorization and cookie headers, user names and queries of URLs, and e-mail
 * addresses. Other control characters than line feed and tab become "?". false: there was no room
 * for all of it.
 */
bool scrub(const char *text, struct buf *out);

/* Appends the options of a derp.conf whose values tell nothing secret, those of the others left
 * out, and no comments; of URLs no more than the host. false: as above. */
bool scrub_config(const char *text, struct buf *out);

#endif
