/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller verbs, one function each; the large ones have files of their own. */
#ifndef INSTALLER_VERBS_H
#define INSTALLER_VERBS_H

#include "installer/setup.h"

enum setup_exit verb_check(struct setup *s);
enum setup_exit verb_map(struct setup *s);
enum setup_exit verb_renew(struct setup *s);
enum setup_exit verb_confirm(struct setup *s);
enum setup_exit verb_rollback(struct setup *s);
enum setup_exit verb_uninstall(struct setup *s);

#endif
