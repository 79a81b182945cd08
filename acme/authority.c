/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/authority.h"

#include <string.h>

size_t authority_list(const struct config *config, struct authority list[AUTHORITY_MAX])
{
    list[0] = (struct authority){
        .directory = config->acme_directory,
        .ca_file = config->acme_ca_file,
        .eab_key_id = config->eab_key_id,
        .eab_key_file = config->eab_key_file,
        .profile = config->acme_profile,
        .preferred_chain = config->preferred_chain,
    };
    if (!config->fallback_directory)
        return 1;
    /* Names of profiles and chains are a CA's own. */
    list[1] = (struct authority){
        .directory = config->fallback_directory,
        .ca_file = config->fallback_ca_file,
        .eab_key_id = config->fallback_eab_key_id,
        .eab_key_file = config->fallback_eab_key_file,
    };
    return 2;
}

const struct authority *authority_find(const struct authority *list, size_t count,
                                       const char *directory)
{
    for (size_t i = 0; directory && i < count; i++) {
        if (strcmp(list[i].directory, directory) == 0)
            return &list[i];
    }
    return NULL;
}

struct authority authority_staging(const struct config *config)
{
    const char *directory = config->staging_directory;
    if (!directory && strcmp(config->acme_directory, CONFIG_ACME_DIRECTORY) == 0)
        directory = "https://acme-staging-v02.api.letsencrypt.org/directory";
    return (struct authority){.directory = directory, .ca_file = config->acme_ca_file};
}
