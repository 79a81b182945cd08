/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/nft.h"

#include <nftables/libnftables.h>
#include <string.h>

bool nft_list_json(struct buf *b, struct fault *f)
{
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    buf_free(b);
    if (!ctx)
        return fault_set(f, "no memory for libnftables");
    nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_PROTO);
    bool ok = nft_ctx_buffer_output(ctx) == 0 && nft_ctx_buffer_error(ctx) == 0;
    if (!ok)
        fault_set(f, "no memory for libnftables");
    else if (nft_run_cmd_from_buffer(ctx, "list ruleset") != 0)
        ok = fault_set(f, "nftables: %.300s", nft_ctx_get_error_buffer(ctx));
    else {
        const char *text = nft_ctx_get_output_buffer(ctx);
        ok =
            buf_puts(b, text ? text : "") || fault_set(f, "the list of nftables rules is too long");
    }
    nft_ctx_free(ctx);
    return ok;
}
