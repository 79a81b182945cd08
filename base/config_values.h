/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of single values of the config, for the table in config.c ([admission] and mesh-with
 * in files of their own, config_admission.c and config_mesh.c): each is a setting_parser
 * (base/settings.h) for the field of struct config that its row names; those marked "whole" fill
 * several fields and get the struct itself. */
#ifndef BASE_CONFIG_VALUES_H
#define BASE_CONFIG_VALUES_H

#include "base/config.h"

bool config_value_domain(const char *value, void *target, struct fault *f);
bool config_value_listen(const char *value, void *target, struct fault *f);
bool config_value_listen_proxy(const char *value, void *target, struct fault *f);
bool config_value_networks(const char *value, void *target, struct fault *f);
bool config_value_stun(const char *value, void *target, struct fault *f);
bool config_value_http(const char *value, void *target, struct fault *f);
bool config_value_metrics(const char *value, void *target, struct fault *f);
bool config_value_workers(const char *value, void *target, struct fault *f);
bool config_value_accept(const char *value, void *target, struct fault *f);
bool config_value_folder(const char *value, void *target, struct fault *f);
bool config_value_source(const char *value, void *target, struct fault *f);
bool config_value_challenge(const char *value, void *target, struct fault *f);
bool config_value_congestion(const char *value, void *target, struct fault *f);
bool config_value_home(const char *value, void *target, struct fault *f);
bool config_value_names(const char *value, void *target, struct fault *f);
bool config_value_directory(const char *value, void *target, struct fault *f);
bool config_value_other_directory(const char *value, void *target, struct fault *f); /* "": none */
bool config_value_email(const char *value, void *target, struct fault *f);
bool config_value_profile(const char *value, void *target, struct fault *f);
bool config_value_line(const char *value, void *target, struct fault *f);
bool config_value_resolver(const char *value, void *target, struct fault *f);
bool config_value_public_resolvers(const char *value, void *target, struct fault *f);
bool config_value_address_from(const char *value, void *target, struct fault *f);
bool config_value_allow(const char *value, void *target, struct fault *f);     /* whole */
bool config_value_mesh_with(const char *value, void *target, struct fault *f); /* whole */
bool config_value_program(const char *value, void *target, struct fault *f);
bool config_value_dns_wait(const char *value, void *target, struct fault *f);
bool config_value_recheck(const char *value, void *target, struct fault *f);
bool config_value_apps(const char *value, void *target, struct fault *f);

/* "off", or addresses separated by white space, with a port for those that have none. */
bool config_value_endpoints(const char *value, uint16_t port, struct config_endpoints *target,
                            struct fault *f);

#endif
