/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as iptables lists them and as people write them into ufw's files. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/foreign.h"
#include "firewall/rules.h"
#include "firewall/ufw.h"
#include "firewall/walk.h"

static void judge(const struct rules *all)
{
    static const uint16_t ports[] = {22, 443, 3478};
    /* INPUT comes first in real lists; a few more keep the target quick. */
    for (size_t i = 0; i < all->count && i < 6; i++) {
        for (size_t j = 0; j < 3; j++) {
            struct walk_packet p = {.proto = j == 2 ? PORTS_UDP : PORTS_TCP, .port = ports[j]};
            struct walk_result r = walk(all, all->chains[i].name, &p);
            /* Open means that nothing in the way was found. */
            if (r.verdict == WALK_OPEN && r.drops && r.accepts == r.drops)
                abort();
            if (r.verdict == WALK_CLOSED && !r.drops && all->chains[i].policy != RULES_DROP)
                abort();
            if (walk_verdict_name(r.verdict)[0] == '\0')
                abort();
        }
    }
    free(foreign_rules(all, false));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rules all = {0}, table = {0};
    struct fault f;
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, data, n);
    if (rules_parse(text, &all, &f)) {
        size_t count = 0;
        for (size_t i = 0; i < all.count; i++)
            count += all.chains[i].count;
        if (count != all.rule_count || all.count > RULES_MAX_CHAINS)
            abort();
        judge(&all);
    }
    if (ufw_assemble(FAMILY_IP4, "", text, "", UFW_POLICY_DENY, &table, &f))
        judge(&table);
    rules_free(&table);
    rules_free(&all);
    free(text);
    return 0;
}
