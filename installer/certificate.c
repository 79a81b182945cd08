/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/certificate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/run.h"
#include "base/text.h"
#include "base/translate.h"
#include "installer/fallback.h"
#include "installer/leaf.h"
#include "installer/service.h"
#include "installer/stop.h"
#include "installer/wrap.h"

#define ACME_MS        (30 * 60 * 1000) /* longer than a run may take (acme/budget.h) */
#define BUSY_WAIT_MS   (2 * 60 * 1000)
#define ERROR_PREFIX   "derp-acme: error: "
#define BUSY_LINE      "another derp-acme is at work"
#define ACME_UNCHANGED 2

bool certificate_is_needed(const struct setup *s)
{
    const struct config *c = &s->desired.config;
    struct leaf leaf;
    return c->source == CONFIG_SOURCE_ACME &&
           (journal_is_open(&s->journal, "certificate") || s->desired.acme_changed ||
            s->desired.accounts_changed || !leaf_load(c, &leaf, NULL) ||
            !leaf_is_good(&leaf, clock_wall()));
}

void certificate_describe(const struct setup *s, struct buf *text)
{
    const struct config *c = &s->desired.config;
    static const char *const challenges[] = {N_("TLS-ALPN-01 on port 443"),
                                             N_("HTTP-01 on port 80"), "DNS-01"};
    translate_buf(text, "certificate for %s from %s by %s", c->domain, c->acme_directory,
                  challenges[c->challenge]);
}

void certificate_reason(const char *log, char *reason, size_t cap)
{
    size_t used = 0;
    reason[0] = '\0';
    for (const char *line = log; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (!text_starts(line, ERROR_PREFIX))
            continue;
        char one[512], clean[512];
        const char *start = line + strlen(ERROR_PREFIX);
        snprintf(one, sizeof one, "%.*s", (int)strcspn(start, "\n"), start);
        wrap_clean(one, clean, sizeof clean);
        int n = snprintf(reason + used, cap - used, "%s%s", used ? "; " : "", clean);
        used += (size_t)n;
        if (used >= cap)
            return;
    }
}

const char *certificate_fix(const char *reason)
{
    /* The CA's words for what happens when something on the way has read the name and cuts off. */
    if (strcasestr(reason, "connection reset"))
        return N_("a connection that is reset right after the ClientHello, on a server in mainland "
                  "China, means that the domain has no ICP filing with the provider: file it, or "
                  "use a server elsewhere. Otherwise look at the provider's firewall. Then: "
                  "derp-setup renew");
    return N_("once the cause is gone it is asked for again by itself, at the latest within an "
              "hour; to try at once: derp-setup renew");
}

static bool run_once(struct setup *s, const char *verb, struct run_result *r, struct fault *f)
{
    const char *const argv[] = {CERTIFICATE_AS_ACME, "derp-acme", verb, NULL};
    struct run_options opt = {
        .timeout_ms = ACME_MS,
        .on_line = report_on_line,
        .on_line_arg = &s->report,
        .stop = stop_flag(),
    };
    return run(argv, &opt, r, f);
}

/* The timer may be at it just now: then its work is waited for. */
static bool run_acme(struct setup *s, const char *verb, struct run_result *r, struct fault *f)
{
    int64_t end = clock_mono_ms() + BUSY_WAIT_MS;
    for (;;) {
        if (!run_once(s, verb, r, f))
            return false;
        bool busy = r->exit_code == 1 && strstr(buf_text(&r->err), BUSY_LINE);
        if (!busy || stop_wanted() || clock_mono_ms() > end)
            return true;
        run_free(r);
        stop_sleep(1000);
    }
}

static enum setup_exit judge(struct setup *s, const struct run_result *r)
{
    char reason[900], until[CLOCK_TEXT];
    struct leaf leaf;
    struct fault f;
    bool present = leaf_load(&s->desired.config, &leaf, &f);
    if (r->exit_code == 0 || r->exit_code == ACME_UNCHANGED) {
        if (!present) {
            report_found(&s->report, SEVERITY_FAIL, "certificate.failed",
                         "derp-acme status says more", "derp-acme is content, yet: %s", f.text);
            return EXIT_CERTIFICATE;
        }
        report_found(&s->report, SEVERITY_OK, "certificate.ok", NULL, "%s, valid until %s (%s)",
                     r->exit_code == 0 ? "issued" : "nothing to do",
                     clock_print(leaf.not_after, until), leaf.issuer);
        return EXIT_DONE;
    }
    certificate_reason(buf_text(&r->err), reason, sizeof reason);
    if (!*reason)
        run_explain(r, reason, sizeof reason);
    report_found(&s->report, SEVERITY_FAIL, "certificate.failed", certificate_fix(reason),
                 "no new certificate: %s", reason);
    return EXIT_CERTIFICATE;
}

enum setup_exit certificate_ask(struct setup *s, const char *verb)
{
    struct run_result r = {0};
    struct fault f;
    enum setup_exit code;
    report_begin(&s->report, "certificate", s->desired.config.acme_directory);
    /* Its unit would make them, but derp-acme is not run by that here. */
    service_make_folders();
    bool ran = run_acme(s, verb, &r, &f);
    report_end(&s->report);
    if (stop_wanted()) {
        code = EXIT_INTERRUPTED;
    } else if (!ran) {
        report_found(&s->report, SEVERITY_FAIL, "certificate.failed",
                     "is the package whole? `apt install --reinstall ./derp-relay_*.deb`", "%s",
                     f.text);
        code = EXIT_CERTIFICATE;
    } else {
        code = judge(s, &r);
        if (r.exit_code == 0) {
            s->changed = true;
            s->certificate_issued = true;
            report_change(&s->report, "certificate for %s", s->desired.config.domain);
        }
    }
    run_free(&r);
    return code;
}

enum setup_exit certificate_run(struct setup *s)
{
    enum setup_exit code = certificate_ask(s, "issue");
    if (code == EXIT_INTERRUPTED)
        return code;
    if (code == EXIT_CERTIFICATE && fallback_is_due(s))
        return fallback_run(s);
    enum setup_exit timer = service_timer_is_needed(s) ? service_timer_run(s) : EXIT_DONE;
    return code == EXIT_DONE ? timer : code;
}
