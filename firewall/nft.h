/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libnftables. */
#ifndef FIREWALL_NFT_H
#define FIREWALL_NFT_H

#include "base/buf.h"
#include "base/fault.h"

/* The kernel's whole nftables ruleset as JSON into b (its old content is dropped). */
bool nft_list_json(struct buf *b, struct fault *f);

#endif
