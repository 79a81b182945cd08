/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/authority.h"

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
    return 1;
}
