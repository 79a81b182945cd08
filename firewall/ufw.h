/* SPDX-License-Identifier: Apache-2.0 */
/* The only caller of ufw and the only reader of its files. */
#ifndef FIREWALL_UFW_H
#define FIREWALL_UFW_H

#include "firewall/facts.h"

#define UFW_FOLDER   "/etc/ufw"
#define UFW_DEFAULTS "/etc/default/ufw"
#define UFW_UNIT     "ufw.service"

bool ufw_installed(void);

/* Status, rules, settings and files; changes nothing. Free with ufw_facts_free in both cases. */
bool ufw_read(struct ufw_facts *ufw, const volatile int *stop, struct fault *f);
void ufw_facts_free(struct ufw_facts *ufw);

/* The rules alone, as `ufw show added` has them; free with ufw_rules_free. */
bool ufw_read_added(struct ufw_rules *rules, const volatile int *stop, struct fault *f);

/*
 * Runs one ufw command. Its exit code says only whether it understood the command: what it did
 * is to be read back. *stop ends it early; false then, too.
 */
bool ufw_run(const char *const argv[], const volatile int *stop, struct fault *f);

/* Writes ENABLED=no, and leaves the kernel as it is: `ufw disable` would open FORWARD. */
bool ufw_write_disabled(struct fault *f);

/* Settings alone, from the files: IPV6, ENABLED and the default policies. */
bool ufw_read_settings(struct ufw_facts *ufw, struct fault *f);

/*
 * Makes the kernel follow ufw's files without ufw itself, which may hang on its lock:
 * open sets the policies of INPUT and OUTPUT to ACCEPT, in both families; stop takes all of its
 * rules away and opens all policies; load puts the user's rules back in place, as ufw does after a
 * deletion; start is for a kernel without any; restart stops and starts.
 */
bool ufw_kernel_open(struct fault *f);
bool ufw_kernel_stop(struct fault *f);
bool ufw_kernel_close_forward(enum family family, struct fault *f);
bool ufw_kernel_load(bool ipv6, struct fault *f);
bool ufw_kernel_start(struct fault *f);
bool ufw_kernel_restart(struct fault *f);

/* Was FORWARD closed in this listing? ufw opens it when it goes off. */
bool ufw_found_forward_closed(const struct rules *kernel);

/* How much of ufw the kernel has: a start or a stop that is killed leaves parts, under policies
 * that are those of either side. */
enum ufw_loaded {
    UFW_LOADED_NONE,  /* no rule in any chain of ufw's, nor a chain for the user's rules */
    UFW_LOADED_PARTS, /* or it cannot be read */
    UFW_LOADED_WHOLE  /* packets come to the user's rules in each family that ufw cares for */
};
enum ufw_loaded ufw_kernel_loaded(bool ipv6);

/*
 * Pure, for tests and fuzzing: the filter table ufw would load for one family from the texts of
 * before.rules, user.rules and after.rules, under a default policy.
 */
bool ufw_assemble(enum family family, const char *before, const char *user, const char *after,
                  enum ufw_policy incoming, struct rules *table, struct fault *f);

#endif
