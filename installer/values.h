/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of derp-setup's flags, one function each: stores the value in o, or says in f what is
 * wrong with it (options.c adds the flag's name). Strings that end up in the config hold nothing
 * that could end the value there. Pure.
 */
#ifndef INSTALLER_VALUES_H
#define INSTALLER_VALUES_H

#include <stdbool.h>

#include "base/fault.h"
#include "installer/options.h"

bool take_log_file(const char *value, struct options *o, struct fault *f);
bool take_ip4(const char *value, struct options *o, struct fault *f);
bool take_ip6(const char *value, struct options *o, struct fault *f);
bool take_ip(const char *value, struct options *o, struct fault *f);
bool take_wait_dns(const char *value, struct options *o, struct fault *f);
bool take_firewall(const char *value, struct options *o, struct fault *f);
bool take_confirm_timeout(const char *value, struct options *o, struct fault *f);
bool take_ssh_port(const char *value, struct options *o, struct fault *f);
bool take_allow(const char *value, struct options *o, struct fault *f);
bool take_port(const char *value, struct options *o, struct fault *f);
bool take_stun_port(const char *value, struct options *o, struct fault *f);
bool take_uplink(const char *value, struct options *o, struct fault *f);
bool take_clients(const char *value, struct options *o, struct fault *f);
bool take_region_id(const char *value, struct options *o, struct fault *f);
bool take_region_code(const char *value, struct options *o, struct fault *f);
bool take_region_name(const char *value, struct options *o, struct fault *f);
bool take_email(const char *value, struct options *o, struct fault *f);
bool take_acme_directory(const char *value, struct options *o, struct fault *f);
bool take_acme_ca_file(const char *value, struct options *o, struct fault *f);
bool take_certificate(const char *value, struct options *o, struct fault *f);
bool take_acme_challenge(const char *value, struct options *o, struct fault *f);
bool take_acme_profile(const char *value, struct options *o, struct fault *f);
bool take_acme_preferred_chain(const char *value, struct options *o, struct fault *f);
bool take_acme_eab_key_id(const char *value, struct options *o, struct fault *f);
bool take_acme_eab_key_file(const char *value, struct options *o, struct fault *f);
bool take_acme_dns_hook(const char *value, struct options *o, struct fault *f);
bool take_acme_hook(const char *value, struct options *o, struct fault *f);
bool take_acme_fallback_directory(const char *value, struct options *o, struct fault *f);
bool take_acme_fallback_ca_file(const char *value, struct options *o, struct fault *f);
bool take_acme_fallback_eab_key_id(const char *value, struct options *o, struct fault *f);
bool take_acme_fallback_eab_key_file(const char *value, struct options *o, struct fault *f);
bool take_dns_root_hints(const char *value, struct options *o, struct fault *f);
bool take_dns_trust_anchor(const char *value, struct options *o, struct fault *f);
bool take_dns_resolver(const char *value, struct options *o, struct fault *f);
bool take_public_resolvers(const char *value, struct options *o, struct fault *f);
bool take_address_from(const char *value, struct options *o, struct fault *f);
bool take_format(const char *value, struct options *o, struct fault *f);
bool take_report(const char *value, struct options *o, struct fault *f);
bool take_confirm(const char *value, struct options *o, struct fault *f);

#endif
