/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/caa.c"

#include "tests/unit/unit.h"

#define LE          "letsencrypt.org"
#define MAX_RECORDS 6

/* A record as a person writes it. */
struct written {
    unsigned flags;
    const char *tag;
    const char *value;
};

static void add_raw(struct answer *set, const void *rdata, size_t len)
{
    set->records = realloc(set->records, (set->count + 1) * sizeof *set->records);
    uint8_t *exact = malloc(len ? len : 1); /* reads past the end are seen by ASan */
    if (len)
        memcpy(exact, rdata, len);
    set->records[set->count++] = (struct answer_record){.len = (uint16_t)len, .data = exact};
    set->status = ANSWER_DATA;
}

static void add(struct answer *set, const struct written *w)
{
    uint8_t rdata[512];
    size_t tag = strlen(w->tag), value = strlen(w->value);
    rdata[0] = (uint8_t)w->flags;
    rdata[1] = (uint8_t)tag;
    memcpy(rdata + 2, w->tag, tag);
    memcpy(rdata + 2 + tag, w->value, value);
    add_raw(set, rdata, 2 + tag + value);
}

static const char *const le[] = {LE};
static const char *const two[] = {"pki.goog", LE};
static const char account[] = "https://ca.example/acct/7";

static const struct caa_request usual = {
    .ca_names = le, .ca_count = 1, .challenge = "tls-alpn-01", .account_uri = account};

static const struct {
    struct written records[MAX_RECORDS];
    enum caa_verdict verdict;
    const char *detail; /* NULL: not looked at */
} cases[] = {
    /* RFC 8659 4.2 */
    {{{0, "issue", LE}}, CAA_PERMITTED, "\"" LE "\""},
    {{{0, "ISSUE", LE}}, CAA_PERMITTED, NULL},
    {{{0, "issue", "LetsEncrypt.ORG"}}, CAA_PERMITTED_CASE, "\"LetsEncrypt.ORG\""},
    {{{0, "issue", "LetsEncrypt.ORG"}, {0, "issue", LE}}, CAA_PERMITTED, "\"" LE "\""},
    {{{0, "issue", "LetsEncrypt.ORG; validationmethods=tls-alpn-01"}}, CAA_PERMITTED_CASE, NULL},
    {{{0, "issue", "LetsEncrypt.ORG; validationmethods=dns-01"}}, CAA_METHOD, NULL},
    {{{0, "issue", "  " LE "\t"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE ";"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE " ; "}}, CAA_PERMITTED, NULL},
    {{{128, "issue", LE}}, CAA_PERMITTED, NULL},
    {{{0, "issue", ";"}}, CAA_NOT_NAMED, ""},
    {{{0, "issue", ""}}, CAA_NOT_NAMED, ""},
    {{{0, "issue", "digicert.com"}}, CAA_NOT_NAMED, "\"digicert.com\""},
    {{{0, "issue", "digicert.com"}, {0, "issue", "pki.goog"}},
     CAA_NOT_NAMED,
     "\"digicert.com\" and \"pki.goog\""},
    {{{0, "issue", "digicert.com"}, {0, "issue", LE}}, CAA_PERMITTED, "\"" LE "\""},
    {{{0, "issue", ";"}, {0, "issue", LE}}, CAA_PERMITTED, NULL},
    {{{0, "issue", "www." LE}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", "org"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE "."}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", "lets encrypt.org"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", "-" LE}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE " example.net"}}, CAA_NOT_NAMED, NULL},
    /* Properties that say nothing about issuing a plain name */
    {{{0, "issuewild", ";"}}, CAA_PERMITTED, NULL},
    {{{0, "issuewild", "digicert.com"}, {0, "iodef", "mailto:a@b"}}, CAA_PERMITTED, NULL},
    {{{0, "issuewild", LE}, {0, "issue", ";"}}, CAA_NOT_NAMED, NULL},
    {{{0, "iodef", "mailto:admin@demo.com"}}, CAA_PERMITTED, NULL},
    {{{0, "tbs", "unknown"}}, CAA_PERMITTED, NULL},
    {{{0, "contactemail", "a@b"}, {0, "issue", LE}}, CAA_PERMITTED, NULL},
    /* The critical flag */
    {{{128, "tbs", "unknown"}}, CAA_CRITICAL, "\"tbs\""},
    {{{1, "tbs", "unknown"}}, CAA_CRITICAL, NULL},
    {{{2, "tbs", "unknown"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE}, {128, "tbs", "unknown"}}, CAA_CRITICAL, NULL},
    {{{128, "iodef", "mailto:admin@demo.com"}}, CAA_PERMITTED, NULL},
    {{{128, "issuewild", ";"}}, CAA_PERMITTED, NULL},
    {{{128, "issuemail", ";"}}, CAA_PERMITTED, NULL},
    {{{128, "IssueMail", ";"}, {0, "issue", "digicert.com"}}, CAA_NOT_NAMED, NULL},
    /* Parameters */
    {{{0, "issue", LE "; policy=ev"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE "; policy = ev ; x=1"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE "; policy"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE "; policy=ev;"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE "; pol icy=ev"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE "; policy=e v"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE "; policy=\x01"}}, CAA_NOT_NAMED, NULL},
    {{{0, "issue", LE "; =ev"}}, CAA_NOT_NAMED, NULL},
    /* RFC 8657 validationmethods */
    {{{0, "issue", LE "; validationmethods=tls-alpn-01"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE "; validationmethods=dns-01,tls-alpn-01"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE "; validationmethods=dns-01"}},
     CAA_METHOD,
     "\"" LE "; validationmethods=dns-01\""},
    {{{0, "issue", LE "; validationmethods=TLS-ALPN-01"}}, CAA_METHOD, NULL},
    {{{0, "issue", LE "; validationmethods="}}, CAA_METHOD, NULL},
    {{{0, "issue", LE "; validationmethods=tls-alpn-01,"}}, CAA_METHOD, NULL},
    {{{0, "issue", LE "; validationmethods=tls_alpn,tls-alpn-01"}}, CAA_METHOD, NULL},
    {{{0, "issue", LE "; validationmethods=tls-alpn-01; validationmethods=tls-alpn-01"}},
     CAA_METHOD,
     NULL},
    {{{0, "issue", LE "; validationmethods=dns-01"}, {0, "issue", LE}}, CAA_PERMITTED, NULL},
    {{{0, "issue", "digicert.com"}, {0, "issue", LE "; validationmethods=dns-01"}},
     CAA_METHOD,
     "\"" LE "; validationmethods=dns-01\""},
    /* RFC 8657 accounturi */
    {{{0, "issue", LE "; accounturi=https://ca.example/acct/7"}}, CAA_PERMITTED, NULL},
    {{{0, "issue", LE ";accounturi=https://ca.example/acct/7; validationmethods=tls-alpn-01"}},
     CAA_PERMITTED,
     NULL},
    {{{0, "issue", LE "; accounturi=https://ca.example/acct/8"}},
     CAA_ACCOUNT,
     "\"" LE "; accounturi=https://ca.example/acct/8\""},
    {{{0, "issue", LE "; accounturi=https://ca.example/acct/77"}}, CAA_ACCOUNT, NULL},
    {{{0, "issue", LE "; accounturi="}}, CAA_ACCOUNT, NULL},
    {{{0, "issue",
       LE "; accounturi=https://ca.example/acct/7; accounturi=https://ca.example/acct/7"}},
     CAA_ACCOUNT,
     NULL},
    {{{0, "issue", LE "; accounturi=https://ca.example/acct/8"},
      {0, "issue", LE "; validationmethods=dns-01"}},
     CAA_ACCOUNT,
     NULL},
};

static void judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer set = {0};
        char detail[CAA_DETAIL];
        for (size_t r = 0; r < MAX_RECORDS && cases[i].records[r].tag; r++)
            add(&set, &cases[i].records[r]);
        enum caa_verdict v = caa_judge(&set, &usual, detail);
        if (v != cases[i].verdict)
            fail_msg("case %zu (%s): verdict %d", i, cases[i].records[0].value, (int)v);
        if (cases[i].detail)
            assert_string_equal(detail, cases[i].detail);
        answer_clear(&set);
    }
}

static enum caa_verdict judge_one(const char *value, const struct caa_request *want)
{
    struct answer set = {0};
    char detail[CAA_DETAIL];
    add(&set, &(struct written){0, "issue", value});
    enum caa_verdict v = caa_judge(&set, want, detail);
    answer_clear(&set);
    return v;
}

static void any_name_of_the_ca_will_do(void **state)
{
    (void)state;
    struct caa_request want = {.ca_names = two, .ca_count = 2};
    assert_int_equal(judge_one(LE, &want), CAA_PERMITTED);
    assert_int_equal(judge_one("pki.goog", &want), CAA_PERMITTED);
    assert_int_equal(judge_one("PKI.goog", &want), CAA_PERMITTED_CASE);
    assert_int_equal(judge_one("digicert.com", &want), CAA_NOT_NAMED);
}

static void what_is_not_known_is_not_compared(void **state)
{
    (void)state;
    struct caa_request nameless = {0};
    assert_int_equal(judge_one(LE, &nameless), CAA_CA_UNKNOWN);
    assert_int_equal(judge_one(";", &nameless), CAA_NOT_NAMED);

    struct caa_request want = {.ca_names = le, .ca_count = 1};
    assert_int_equal(judge_one(LE "; validationmethods=dns-01", &want), CAA_PERMITTED);
    assert_int_equal(judge_one(LE "; accounturi=https://x/1", &want), CAA_ACCOUNT_UNKNOWN);
    assert_int_equal(judge_one(LE "; accounturi=a; accounturi=b", &want), CAA_ACCOUNT);
}

static const struct {
    const char *rdata;
    size_t len;
    bool ok;
} raw[] = {
    {"", 0, false},
    {"\0", 1, false},
    {"\0\0", 2, false},
    {"\0\1", 2, false},
    {"\0\5issu", 6, false},
    {"\0\5issue", 7, true}, /* an empty value */
    {"\0\5iss-e", 7, false},
    {"\0\5is\0ue", 7, false},
    {"\0\xffissue", 7, false},
    {"\0\5issue\0\xff;", 10, true},
};

static void reads_rdata(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        struct answer set = {0};
        struct caa_record r;
        add_raw(&set, raw[i].rdata, raw[i].len);
        assert_int_equal(caa_read(set.records[0].data, raw[i].len, &r), raw[i].ok);
        if (raw[i].ok)
            assert_int_equal(r.value_len, raw[i].len - 7);
        answer_clear(&set);
    }
}

static void malformed_records(void **state)
{
    (void)state;
    char detail[CAA_DETAIL];
    struct answer set = {0};
    add_raw(&set, "\0\0", 2);
    assert_int_equal(caa_judge(&set, &usual, detail), CAA_PERMITTED);
    add_raw(&set, "", 0);
    assert_int_equal(caa_judge(&set, &usual, detail), CAA_PERMITTED);
    add_raw(&set, "\x80\0", 2);
    assert_int_equal(caa_judge(&set, &usual, detail), CAA_CRITICAL);
    assert_string_equal(detail, "a malformed record");
    answer_clear(&set);
}

static void details_are_printable_and_bounded(void **state)
{
    (void)state;
    char detail[CAA_DETAIL], value[400];
    struct answer set = {0};
    add_raw(&set, "\0\5issue\x1b[2J", 11);
    assert_int_equal(caa_judge(&set, &usual, detail), CAA_NOT_NAMED);
    assert_string_equal(detail, "\"\\x1b[2J\"");
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 5; i++)
        add(&set, &(struct written){0, "issue", value});
    assert_int_equal(caa_judge(&set, &usual, detail), CAA_NOT_NAMED);
    assert_true(strlen(detail) < CAA_DETAIL);
    answer_clear(&set);
}

static void climbs(void **state)
{
    (void)state;
    const char *name = "derp.demo.com";
    name = caa_parent(name);
    assert_string_equal(name, "demo.com");
    name = caa_parent(name);
    assert_string_equal(name, "com");
    assert_null(caa_parent(name));
    assert_null(caa_parent("com."));
    assert_null(caa_parent(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges),
        cmocka_unit_test(any_name_of_the_ca_will_do),
        cmocka_unit_test(what_is_not_known_is_not_compared),
        cmocka_unit_test(reads_rdata),
        cmocka_unit_test(malformed_records),
        cmocka_unit_test(details_are_printable_and_bounded),
        cmocka_unit_test(climbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
