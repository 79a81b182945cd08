/* SPDX-License-Identifier: Apache-2.0 */
/* What ufw prints, and the settings it reads. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/ufwtext.h"
#include "firewall/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ufw_status status;
    struct ufw_rules rules;
    struct words words;
    struct fault f;
    char *text = mem_alloc(n + 1, 1);
    memcpy(text, data, n);
    if (ufw_parse_status(text, &status, &f) && status.active &&
        (!status.incoming || !status.outgoing))
        abort();
    if (!ufw_same_rules(text, text))
        abort();
    if (ufw_parse_added(text, &rules, &f)) {
        for (size_t i = 0; i < rules.count; i++) {
            const struct ufw_rule *rule = &rules.list[i];
            bool matches = ufw_rule_matches(rule, PORTS_TCP, 443);
            if (matches && (!rule->understood || !rule->incoming || strncmp(rule->text, "ufw ", 4)))
                abort();
            if (!ufw_rules_find(&rules, rule->text))
                abort();
        }
        ufw_rules_free(&rules);
    }
    if (words_split(text, &words))
        words_free(&words);
    free(words_setting(text, "IPV6"));
    free(words_setting(text, "DEFAULT_INPUT_POLICY"));
    free(text);
    return 0;
}
