/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/kernel.h"

#include <string.h>

#include "base/file.h"
#include "base/run.h"

#define TIMEOUT_MS 20000
#define MAX_OUTPUT RULES_MAX_TEXT

const char *kernel_program(enum family family)
{
    return family == FAMILY_IP4 ? "iptables" : "ip6tables";
}

bool kernel_has(enum family family)
{
    return family == FAMILY_IP4 || file_exists("/proc/net/if_inet6");
}

bool kernel_installed(void)
{
    return file_exists("/usr/sbin/iptables") || file_exists("/sbin/iptables");
}

bool kernel_list(enum family family, struct buf *b, struct fault *f)
{
    const char *const argv[] = {kernel_program(family), "-S", NULL};
    struct run_options opt = {.timeout_ms = TIMEOUT_MS, .max_output = MAX_OUTPUT};
    struct run_result r = {0};
    char how[300];
    buf_free(b);
    bool ok = run(argv, &opt, &r, f);
    if (ok && (!run_ok(&r) || r.cut)) {
        run_explain(&r, how, sizeof how);
        ok = fault_set(f, "%s -S: %s", argv[0], r.cut ? "prints too much" : how);
    }
    ok = ok && (buf_puts(b, buf_text(&r.out)) || fault_set(f, "%s -S prints too much", argv[0]));
    run_free(&r);
    return ok;
}

bool kernel_read(struct firewall_facts *facts, struct fault *f)
{
    struct buf b;
    bool ok = true;
    buf_init(&b, MAX_OUTPUT);
    for (int family = 0; ok && family < FAMILIES; family++) {
        if (family == FAMILY_IP6 && !facts->has_ip6)
            continue;
        ok = kernel_list((enum family)family, &b, f) &&
             rules_parse(buf_text(&b), &facts->kernel[family], f);
    }
    buf_free(&b);
    return ok;
}

bool kernel_ask(const char *const argv[], struct buf *b)
{
    struct run_options opt = {.timeout_ms = TIMEOUT_MS, .max_output = MAX_OUTPUT};
    struct run_result r = {0};
    buf_free(b);
    bool ok = run(argv, &opt, &r, NULL) && run_ok(&r) && buf_puts(b, buf_text(&r.out));
    run_free(&r);
    return ok;
}

bool kernel_uses_nft(void)
{
    static const char *const argv[] = {"iptables", "-V", NULL};
    struct buf b;
    buf_init(&b, 4096);
    bool nft = kernel_ask(argv, &b) && strstr(buf_text(&b), "nf_tables");
    buf_free(&b);
    return nft;
}
