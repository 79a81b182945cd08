/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/translate.h"
#include "dnscheck/caa.h"
#include "dnscheck/verdict.h"

#define AGAIN "then run: derp-setup check %s"

/* Where the decisive records stand, and what they say. */
struct decisive {
    const char *holder; /* name at which they were found */
    char detail[CAA_DETAIL];
};

/* "letsencrypt.org" or "letsencrypt.org or example.net". */
static const char *print_names(const struct dnscheck_options *o, char *text, size_t cap)
{
    translate_print(text, cap, "%s", o->ca_count ? "" : "the CA");
    for (size_t i = 0; i < o->ca_count; i++)
        translate_append(text, cap, "%s%s", i ? " or " : "", o->ca_names[i]);
    return text;
}

static const char *first_name(const struct dnscheck_options *o)
{
    return o->ca_count ? o->ca_names[0] : "NAME-OF-THE-CA";
}

static void see_not_named(const struct verdict_input *in, const struct decisive *d,
                          struct findings *all)
{
    char names[256];
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.caa.forbidden",
                           "the CAA record of %s allows only %s to issue certificates for %s; "
                           "expected %s",
                           d->holder, d->detail[0] ? d->detail : "nobody", in->domain,
                           print_names(in->options, names, sizeof names));
    finding_fix(all, i, "Add the record '%s. CAA 0 issue \"%s\"' at your DNS provider, " AGAIN,
                d->holder, first_name(in->options), in->domain);
}

static void see_critical(const struct verdict_input *in, const struct decisive *d,
                         struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.caa.forbidden",
                           "the CAA records of %s hold a property that is marked critical and that "
                           "CAs do not know (%s): no CA may issue for %s",
                           d->holder, d->detail, in->domain);
    finding_fix(all, i, "Remove that CAA record of %s or set its flags to 0, " AGAIN, d->holder,
                in->domain);
}

static void see_method(const struct verdict_input *in, const struct decisive *d,
                       struct findings *all)
{
    const char *challenge = in->options->challenge ? in->options->challenge : N_("the one in use");
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.caa.forbidden",
                           "the CAA record of %s allows %s; the challenge %s is not among its "
                           "validationmethods",
                           d->holder, d->detail, challenge);
    finding_fix(all, i,
                "Add the record '%s. CAA 0 issue \"%s; validationmethods=%s\"' at your DNS "
                "provider, " AGAIN,
                d->holder, first_name(in->options), challenge, in->domain);
}

static void see_account(const struct verdict_input *in, const struct decisive *d,
                        struct findings *all)
{
    const char *uri = in->options->account_uri ? in->options->account_uri : "";
    size_t i = finding_add(all, SEVERITY_FAIL, "dns.caa.forbidden",
                           "the CAA record of %s allows %s, which is not this server's account %s",
                           d->holder, d->detail, uri);
    finding_fix(
        all, i,
        "Add the record '%s. CAA 0 issue \"%s; accounturi=%s\"' at your DNS provider, " AGAIN,
        d->holder, first_name(in->options), uri, in->domain);
}

static void see_account_unknown(const struct verdict_input *in, const struct decisive *d,
                                struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_WARN, "dns.caa.unchecked",
                           "the CAA record of %s allows %s; whether that is this server's account "
                           "cannot be told yet",
                           d->holder, d->detail);
    finding_fix(all, i,
                "If the CA refuses to issue for %s, remove accounturi from the record or put this "
                "server's account there (derp-acme status shows it)",
                in->domain);
}

/* A domain name is the same in any case (RFC 8659 4.2), but not every CA compares it so. */
static void see_case(const struct verdict_input *in, const struct decisive *d, struct findings *all)
{
    size_t i = finding_add(all, SEVERITY_WARN, "dns.caa.case",
                           "the CAA record of %s names %s, and some CAs, Let's Encrypt among them, "
                           "compare that letter by letter: they may refuse to issue for %s",
                           d->holder, d->detail, in->domain);
    finding_fix(all, i,
                "Write the name in lower case: '%s. CAA 0 issue \"%s\"' (parameters behind it stay "
                "as they are), " AGAIN,
                d->holder, first_name(in->options), in->domain);
}

static void judge(const struct verdict_input *in, const char *holder, const struct answer *set,
                  struct findings *all)
{
    const struct dnscheck_options *o = in->options;
    const struct caa_request want = {.ca_names = o->ca_names,
                                     .ca_count = o->ca_count,
                                     .challenge = o->challenge,
                                     .account_uri = o->account_uri};
    char names[256];
    /* Records reached through an alias stand at its end. */
    struct decisive d = {.holder = set->chain_count ? set->chain[set->chain_count - 1] : holder};

    switch (caa_judge(set, &want, d.detail)) {
    case CAA_PERMITTED:
        finding_add(all, SEVERITY_OK, "dns.caa.ok", "the CAA records of %s let %s issue for %s",
                    d.holder, print_names(o, names, sizeof names), in->domain);
        return;
    case CAA_PERMITTED_CASE:
        see_case(in, &d, all);
        return;
    case CAA_NOT_NAMED:
        see_not_named(in, &d, all);
        return;
    case CAA_CRITICAL:
        see_critical(in, &d, all);
        return;
    case CAA_METHOD:
        see_method(in, &d, all);
        return;
    case CAA_ACCOUNT:
        see_account(in, &d, all);
        return;
    case CAA_ACCOUNT_UNKNOWN:
        see_account_unknown(in, &d, all);
        return;
    case CAA_CA_UNKNOWN:
        finding_add(all, SEVERITY_SKIP, "dns.caa.unchecked",
                    "the CAA record of %s allows only %s; not compared, the CA has not said its "
                    "name",
                    d.holder, d.detail);
        return;
    }
}

/* A CA that cannot read the CAA records must not issue (RFC 8659 3, and the CAs' own rules). */
static void see_unreadable(const struct verdict_input *in, const char *holder,
                           const struct answer *set, struct findings *all)
{
    if (set->status == ANSWER_BOGUS) {
        size_t i =
            finding_add(all, SEVERITY_FAIL, "dns.bogus",
                        "DNSSEC validation of the CAA answer for %s failed: %s", holder, set->why);
        finding_fix(all, i, "Correct the signatures of the zone or its DS record, " AGAIN,
                    in->domain);
        return;
    }
    /* A resolver of a private network need not know what lies above its zones; the CA will ask
     * elsewhere. */
    bool above =
        in->options->resolver.any.sa_family != AF_UNSPEC && strcmp(holder, in->domain) != 0;
    size_t i = finding_add(all, above ? SEVERITY_WARN : SEVERITY_FAIL, "dns.caa.servfail",
                           "the name servers give no usable answer (SERVFAIL or silence) to the "
                           "CAA question for %s; a CA must then not issue for %s",
                           holder, in->domain);
    finding_fix(all, i,
                "Ask your DNS provider why the name servers of %s do not answer questions of type "
                "CAA, or move the domain to others, " AGAIN,
                holder, in->domain);
}

void verdict_caa(const struct verdict_input *in, struct findings *all)
{
    const char *name = in->domain;
    for (size_t i = 0; i < in->caa_count && name; i++, name = caa_parent(name)) {
        const struct answer *set = in->caa[i];
        if (set->status == ANSWER_NODATA || set->status == ANSWER_NXDOMAIN)
            continue;
        if (set->status == ANSWER_DATA)
            judge(in, name, set, all);
        else
            see_unreadable(in, name, set, all);
        return;
    }
    finding_add(all, SEVERITY_OK, "dns.caa.ok", "no CAA record restricts who may issue for %s",
                in->domain);
}
