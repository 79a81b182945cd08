/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/fallback.h"

#include <string.h>

#include "installer/acmestatus.h"
#include "installer/configfile.h"
#include "installer/leaf.h"
#include "installer/service.h"

bool fallback_is_refusal(const char *type)
{
    static const char *const refusals[] = {"rejectedIdentifier", "unsupportedIdentifier",
                                           "malformed", "invalidProfile"};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strcmp(type, refusals[i]) == 0)
            return true;
    return false;
}

bool fallback_is_due(struct setup *s)
{
    const struct config *c = &s->desired.config;
    struct acmestatus st;
    struct leaf leaf;
    if (s->desired.was_self_signed)
        return true;
    if (!desired_has_no_domain(c) || s->certificate_asked || leaf_load(c, &leaf, NULL))
        return false;
    return acmestatus_read(&st, NULL) && st.failed && fallback_is_refusal(st.type);
}

static enum setup_exit change_over(struct setup *s)
{
    if (s->opt != &s->answers)
        s->answers = *s->opt;
    s->answers.certificate = CERTIFICATE_CHOICE_SELF_SIGNED;
    s->opt = &s->answers;
    if (!setup_reload(s))
        return EXIT_UNEXPECTED;
    service_look(s);
    enum setup_exit code = configfile_run(s);
    if (code == EXIT_DONE)
        code = service_run(s);
    if (code != EXIT_DONE)
        return code;
    journal_mark(&s->journal, "service", JOURNAL_DONE);
    return service_timer_is_needed(s) ? service_timer_run(s) : EXIT_DONE;
}

enum setup_exit fallback_run(struct setup *s)
{
    bool back = s->desired.was_self_signed;
    const struct config *c = &s->desired.config;
    if (back)
        report_found(&s->report, SEVERITY_WARN, "certificate.self-signed",
                     "see to the cause, then run the same command again",
                     "%s gave no certificate for %s: the relay goes back to its own, and the "
                     "derpMap that clients have stays right",
                     c->acme_directory, c->domain);
    else
        report_found(&s->report, SEVERITY_WARN, "certificate.self-signed",
                     "derp-setup --ip --certificate=acme asks the CA again; the derpMap then "
                     "changes",
                     "%s refuses a certificate for %s: the relay makes one of its own, which "
                     "clients know by its fingerprint in the derpMap",
                     c->acme_directory, c->domain);
    enum setup_exit code = change_over(s);
    return code == EXIT_DONE && s->certificate_asked ? EXIT_CERTIFICATE : code;
}
