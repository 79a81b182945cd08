/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "firewall/ufw.h"

/* How ufw hooks its chains into the kernel's, and in which order (ufw-init-functions). */
static bool add_skeleton(enum family family, enum ufw_policy incoming, struct rules *table,
                         struct fault *f)
{
    static const char *const chains[] = {"before-logging-input", "before-input", "after-input",
                                         "after-logging-input",  "reject-input", "track-input"};
    const char *p = family == FAMILY_IP4 ? "ufw" : "ufw6";
    const char *policy = incoming == UFW_POLICY_ALLOW ? "ACCEPT" : "DROP";
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b, "-P INPUT %s\n", policy);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        buf_printf(&b, "-N %s-%s\n-A INPUT -j %s-%s\n", p, chains[i], p, chains[i]);
    if (incoming == UFW_POLICY_REJECT)
        buf_printf(&b, "-A %s-reject-input -j REJECT\n", p);
    buf_printf(&b, "-A %s-skip-to-policy-input -j %s\n", p, policy);
    buf_printf(&b, "-N %s-logging-deny\n-N %s-logging-allow\n-N %s-user-logging-input\n", p, p, p);
    bool ok = rules_parse(buf_text(&b), table, f);
    buf_free(&b);
    return ok;
}

bool ufw_assemble(enum family family, const char *before, const char *user, const char *after,
                  enum ufw_policy incoming, struct rules *table, struct fault *f)
{
    const char *hook = family == FAMILY_IP4 ? "-A ufw-before-input -j ufw-user-input"
                                            : "-A ufw6-before-input -j ufw6-user-input";
    return add_skeleton(family, incoming, table, f) && rules_parse(before, table, f) &&
           rules_parse(after, table, f) && rules_parse(user, table, f) &&
           rules_append(table, hook, f);
}
