/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACME_PRIVILEGE_H
#define ACME_PRIVILEGE_H

#include <stdbool.h>

#include "base/fault.h"

/*
 * When root starts the program by hand and dir belongs to another user, becomes that user for
 * good, so that no file of root's is left where the timer's runs could not replace it.
 */
bool privilege_match(const char *dir, struct fault *f);

#endif
