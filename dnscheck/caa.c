/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/caa.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/translate.h"

/* Bit 0 is the critical flag (RFC 8659 4.1). Let's Encrypt takes the lowest bit as well, because
 * many a zone sets that one by mistake. */
#define FLAGS_CRITICAL (128 | 1)

struct span {
    const char *p;
    size_t n;
};

static bool is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct span trim(struct span s)
{
    while (s.n > 0 && is_wsp(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_wsp(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Takes the part before the first c off the front of rest; false when there is no c. */
static bool cut(struct span *rest, char c, struct span *part)
{
    const char *end = rest->n ? memchr(rest->p, c, rest->n) : NULL;
    *part = *rest;
    if (!end) {
        *rest = (struct span){NULL, 0};
        return false;
    }
    part->n = (size_t)(end - rest->p);
    rest->p += part->n + 1;
    rest->n -= part->n + 1;
    return true;
}

static bool equals(struct span s, const char *text)
{
    return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}

static bool equals_any_case(struct span s, const char *text)
{
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

bool caa_read(const uint8_t *rdata, size_t len, struct caa_record *out)
{
    if (len < 2)
        return false;
    size_t tag_len = rdata[1];
    if (tag_len == 0 || tag_len > len - 2)
        return false;
    const char *tag = (const char *)rdata + 2;
    for (size_t i = 0; i < tag_len; i++) {
        if (!is_alnum(tag[i]))
            return false;
    }
    *out = (struct caa_record){.flags = rdata[0],
                               .tag = tag,
                               .tag_len = tag_len,
                               .value = tag + tag_len,
                               .value_len = len - 2 - tag_len};
    return true;
}

/* Letters, digits and inner hyphens: a label of a domain name and a parameter's tag alike. */
static bool is_label(struct span s)
{
    if (s.n == 0 || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    }
    return true;
}

static bool is_domain(struct span s)
{
    struct span label;
    bool more;
    do {
        more = cut(&s, '.', &label);
        if (!is_label(label))
            return false;
    } while (more);
    return true;
}

static bool is_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return false;
    }
    return true;
}

/* An issue value (RFC 8659 4.2). Malformed ones count as naming nobody, as the RFC demands. */
struct issue {
    struct span issuer; /* n 0: nobody */
    struct span account;
    struct span methods;
    unsigned accounts; /* how often each was given */
    unsigned methods_count;
};

static bool read_parameter(struct span part, struct issue *out)
{
    struct span tag;
    if (!cut(&part, '=', &tag))
        return false;
    struct span value = trim(part);
    tag = trim(tag);
    if (!is_label(tag) || !is_value(value))
        return false;
    if (equals(tag, "accounturi")) {
        out->account = value;
        out->accounts++;
    } else if (equals(tag, "validationmethods")) {
        out->methods = value;
        out->methods_count++;
    }
    return true;
}

static bool read_issue(struct span value, struct issue *out)
{
    struct span rest = value, part;
    bool more = cut(&rest, ';', &part);

    *out = (struct issue){.issuer = trim(part)};
    if (out->issuer.n > 0 && !is_domain(out->issuer))
        return false;
    if (!more || trim(rest).n == 0)
        return true;
    do {
        more = cut(&rest, ';', &part);
        if (!read_parameter(trim(part), out))
            return false;
    } while (more);
    return true;
}

/* RFC 8657 4: a list of exact method names; a malformed list names none. */
static bool method_listed(struct span list, const char *challenge)
{
    struct span one;
    bool more, found = false;
    do {
        more = cut(&list, ',', &one);
        if (one.n == 0)
            return false;
        for (size_t i = 0; i < one.n; i++) {
            if (!is_alnum(one.p[i]) && one.p[i] != '-')
                return false;
        }
        found = found || equals(one, challenge);
    } while (more);
    return found;
}

static enum caa_verdict judge_issue(const struct issue *issue, const struct caa_request *want)
{
    bool named = false, exact = false;
    if (issue->issuer.n == 0)
        return CAA_NOT_NAMED;
    if (want->ca_count == 0)
        return CAA_CA_UNKNOWN;
    for (size_t i = 0; i < want->ca_count; i++) {
        named = named || equals_any_case(issue->issuer, want->ca_names[i]);
        exact = exact || equals(issue->issuer, want->ca_names[i]);
    }
    if (!named)
        return CAA_NOT_NAMED;
    if (issue->methods_count > 1)
        return CAA_METHOD;
    if (issue->methods_count == 1 && want->challenge &&
        !method_listed(issue->methods, want->challenge))
        return CAA_METHOD;
    const enum caa_verdict fine = exact ? CAA_PERMITTED : CAA_PERMITTED_CASE;
    if (issue->accounts == 0)
        return fine;
    if (issue->accounts > 1)
        return CAA_ACCOUNT; /* unsatisfiable, RFC 8657 3 */
    if (!want->account_uri)
        return CAA_ACCOUNT_UNKNOWN;
    return equals(issue->account, want->account_uri) ? fine : CAA_ACCOUNT;
}

/* One property suffices, so the kindest verdict wins; among refusals the nearest miss explains. */
static int kindness(enum caa_verdict v)
{
    switch (v) {
    case CAA_PERMITTED:
        return 7;
    case CAA_PERMITTED_CASE:
        return 6;
    case CAA_ACCOUNT_UNKNOWN:
        return 5;
    case CAA_CA_UNKNOWN:
        return 4;
    case CAA_ACCOUNT:
        return 3;
    case CAA_METHOD:
        return 2;
    case CAA_NOT_NAMED:
        return 1;
    case CAA_CRITICAL:
        return 0;
    }
    return 0;
}

static void append(char detail[static CAA_DETAIL], const char *between, struct span s)
{
    size_t used = strlen(detail);
    int n = snprintf(detail + used, CAA_DETAIL - used, "%s\"", used ? between : "");
    if (n < 0 || used + (size_t)n + 2 >= CAA_DETAIL)
        return;
    used += (size_t)n;
    text_printable(s.p, s.n, detail + used, CAA_DETAIL - used - 1);
    used = strlen(detail);
    snprintf(detail + used, CAA_DETAIL - used, "\"");
}

/* Nearest verdict over the issue properties; *any tells whether there are any. */
static enum caa_verdict judge_all(const struct answer *set, const struct caa_request *want,
                                  bool *any, char detail[static CAA_DETAIL])
{
    enum caa_verdict best = CAA_CRITICAL;
    char named[CAA_DETAIL] = "";

    *any = false;
    for (size_t i = 0; i < set->count; i++) {
        struct caa_record r;
        struct issue issue = {0};
        if (!caa_read(set->records[i].data, set->records[i].len, &r) ||
            !equals_any_case((struct span){r.tag, r.tag_len}, "issue"))
            continue;
        struct span value = {r.value, r.value_len};
        enum caa_verdict v = CAA_NOT_NAMED;
        bool well_formed = read_issue(value, &issue);
        if (well_formed)
            v = judge_issue(&issue, want);
        *any = true;
        if (!well_formed || issue.issuer.n > 0)
            append(named, " and ", value);
        if (kindness(v) > kindness(best)) {
            best = v;
            detail[0] = '\0';
            append(detail, "", value);
        }
    }
    if (best == CAA_NOT_NAMED || best == CAA_CA_UNKNOWN)
        memcpy(detail, named, sizeof named);
    return best;
}

/* Properties that CAs know; what follows from them is for others to say. "issuemail" (RFC 9495) is
 * about other certificates than ours. */
static bool is_known(struct span tag)
{
    return equals_any_case(tag, "issue") || equals_any_case(tag, "issuewild") ||
           equals_any_case(tag, "iodef") || equals_any_case(tag, "issuemail");
}

static bool find_critical(const struct answer *set, char detail[static CAA_DETAIL])
{
    for (size_t i = 0; i < set->count; i++) {
        struct caa_record r;
        const struct answer_record *raw = &set->records[i];
        if (!caa_read(raw->data, raw->len, &r)) {
            /* Nobody can say what it means; with the flag set nobody may pass over it. */
            if (raw->len == 0 || !(raw->data[0] & FLAGS_CRITICAL))
                continue;
            snprintf(detail, CAA_DETAIL, N_("a malformed record"));
            return true;
        }
        struct span tag = {r.tag, r.tag_len};
        if (!(r.flags & FLAGS_CRITICAL) || is_known(tag))
            continue;
        append(detail, "", tag);
        return true;
    }
    return false;
}

enum caa_verdict caa_judge(const struct answer *set, const struct caa_request *want,
                           char detail[static CAA_DETAIL])
{
    bool any;
    detail[0] = '\0';
    if (find_critical(set, detail))
        return CAA_CRITICAL;
    enum caa_verdict v = judge_all(set, want, &any, detail);
    return any ? v : CAA_PERMITTED;
}

const char *caa_parent(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot && dot[1] != '\0' ? dot + 1 : NULL;
}
