/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/message.c"

#include "tests/unit/unit.h"

#define ERROR "urn:ietf:params:acme:error:"

/* --- Directory -------------------------------------------------------------------------------- */

/* RFC 8555 7.1.1 with what Let's Encrypt adds: random members, nulls, profiles. */
static const char directory_json[] =
    "{\"kGl2mTn7Fz0\":\"https://community.letsencrypt.org/t/adding-random-entries\","
    "\"newNonce\":\"https://ca.example/nonce\",\"newAccount\":\"https://ca.example/account\","
    "\"newOrder\":\"https://ca.example/order\",\"newAuthz\":null,"
    "\"revokeCert\":\"https://ca.example/revoke\",\"keyChange\":\"https://ca.example/key\","
    "\"renewalInfo\":\"http://not.https/\","
    "\"meta\":{\"termsOfService\":\"https://ca.example/terms\",\"website\":null,"
    "\"caaIdentities\":[\"ca.example\",7,null,\"other.example\"],"
    "\"profiles\":{\"classic\":\"https://x\",\"tlsserver\":null},"
    "\"externalAccountRequired\":false}}";

static void test_directory(void **state)
{
    (void)state;
    struct directory d;
    struct fault f;
    assert_true(message_directory(directory_json, strlen(directory_json), &d, &f));
    assert_string_equal(d.new_nonce, "https://ca.example/nonce");
    assert_string_equal(d.revoke_cert, "https://ca.example/revoke");
    assert_string_equal(d.terms, "https://ca.example/terms");
    assert_null(d.renewal_info); /* no https */
    assert_int_equal(d.caa_count, 2);
    assert_string_equal(d.caa[1], "other.example");
    assert_int_equal(d.profile_count, 2);
    assert_false(d.external_account);
    directory_free(&d);
}

static void test_directory_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "<html>502 Bad Gateway</html>",
        "[]",
        "null",
        "{}",
        "{\"newNonce\":\"https://ca.example/nonce\"",
        "{\"newNonce\":null,\"newAccount\":null,\"newOrder\":null,\"revokeCert\":null}",
        "{\"newNonce\":\"http://a/\",\"newAccount\":\"https://a/\",\"newOrder\":\"https://a/\","
        "\"revokeCert\":\"https://a/\"}",
        "{\"newNonce\":\"https://a/\",\"newNonce\":\"https://b/\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct directory d;
        struct fault f = {""};
        assert_false(message_directory(bad[i], strlen(bad[i]), &d, &f));
        assert_true(strlen(f.text) > 0);
        directory_free(&d);
    }
}

static void test_size_limit(void **state)
{
    (void)state;
    size_t n = DOCUMENT_MAX + 1;
    char *large = malloc(n);
    struct directory d;
    struct fault f;
    memset(large, ' ', n);
    memcpy(large, "{}", 2);
    assert_false(message_directory(large, n, &d, &f));
    assert_non_null(strstr(f.text, "too large"));
    free(large);
}

/* --- Order and authorization ------------------------------------------------------------------ */

static bool order_of(const char *json, struct order *o)
{
    struct fault f = {""};
    bool ok = message_order(json, strlen(json), o, &f);
    assert_true(ok == (strlen(f.text) == 0));
    return ok;
}

static void test_order(void **state)
{
    (void)state;
    struct order o;
    assert_true(order_of("{\"status\":\"pending\",\"expires\":\"2016-01-05T14:09:07.99Z\","
                         "\"identifiers\":[{\"type\":\"dns\",\"value\":\"derp.demo.com\"}],"
                         "\"authorizations\":[\"https://ca.example/authz/1\"],"
                         "\"finalize\":\"https://ca.example/order/1/finalize\",\"profile\":null}",
                         &o));
    assert_int_equal(o.status, MESSAGE_PENDING);
    assert_int_equal(o.authorization_count, 1);
    assert_string_equal(o.names[0], "derp.demo.com");
    assert_null(o.certificate);
    assert_null(o.profile);
    assert_int_equal(o.error.class, FAILURE_NONE);
    order_free(&o);

    /* Born valid, without any authorization (RFC 8555 allows both). */
    assert_true(order_of("{\"status\":\"valid\",\"authorizations\":[],"
                         "\"certificate\":\"https://ca.example/cert/1\"}",
                         &o));
    assert_int_equal(o.authorization_count, 0);
    assert_string_equal(o.certificate, "https://ca.example/cert/1");
    order_free(&o);

    assert_true(order_of("{\"status\":\"invalid\",\"error\":{\"type\":\"" ERROR "caa\","
                         "\"detail\":\"CAA record for demo.com prevents issuance\"}}",
                         &o));
    assert_int_equal(o.error.class, FAILURE_CONFIGURATION);
    assert_string_equal(o.error.text, "caa: CAA record for demo.com prevents issuance");
    order_free(&o);
}

static void test_order_refused(void **state)
{
    (void)state;
    struct order o;
    assert_false(order_of("{\"status\":\"pending\"}", &o));
    assert_false(order_of("{\"status\":\"weird\",\"finalize\":\"https://a/\"}", &o));
    assert_false(order_of("{\"finalize\":\"https://a/\"}", &o));
    assert_false(order_of("{\"status\":\"ready\",\"finalize\":\"http://a/\"}", &o));
    assert_false(order_of("{\"status\":\"ready\",\"finalize\":\"https://a/\","
                          "\"authorizations\":[\"ftp://a/\"]}",
                          &o));
    assert_false(order_of("{\"status\":\"ready\",\"finalize\":\"https://a/\","
                          "\"authorizations\":[\"https://a/\",\"https://a/\",\"https://a/\","
                          "\"https://a/\",\"https://a/\",\"https://a/\",\"https://a/\","
                          "\"https://a/\",\"https://a/\"]}",
                          &o));
}

static void test_authorization(void **state)
{
    (void)state;
    static const char json[] =
        "{\"status\":\"invalid\",\"identifier\":{\"type\":\"dns\",\"value\":\"derp.demo.com\"},"
        "\"challenges\":[{\"type\":\"http-01\",\"url\":\"https://ca.example/c/0\","
        "\"token\":\"../../../../etc/passwd\"},"
        "{\"type\":\"dns-persist-01\",\"url\":\"https://ca.example/c/9\",\"issuer-domain\":[]},"
        "{\"url\":\"https://ca.example/c/8\"},null,7,{\"type\":\"x\"},"
        "{\"type\":\"tls-alpn-01\",\"url\":\"https://ca.example/c/1\",\"status\":\"invalid\","
        "\"token\":\"DGyRejmCefe7v4NfDGDKfA\",\"error\":{\"type\":\"" ERROR "connection\","
        "\"detail\":\"203.0.113.10: Connection refused\",\"status\":400}}],"
        "\"expires\":\"2026-01-02T14:09:30Z\"}";
    struct authorization a;
    struct fault f;
    assert_true(message_authorization(json, strlen(json), &a, &f));
    assert_int_equal(a.status, MESSAGE_INVALID);
    assert_string_equal(a.name, "derp.demo.com");
    assert_int_equal(a.challenge_count, 3);
    assert_null(a.challenges[0].token); /* not base64url: never used as part of a path */
    assert_null(a.challenges[1].token);
    const struct challenge *c = &a.challenges[2];
    assert_string_equal(c->token, "DGyRejmCefe7v4NfDGDKfA");
    assert_int_equal(c->error->class, FAILURE_REACHABILITY);
    assert_int_equal(c->error->status, 400);
    assert_string_equal(c->error->text, "connection: 203.0.113.10: Connection refused");
    authorization_free(&a);

    assert_false(message_authorization("{}", 2, &a, &f));
    assert_false(message_authorization("{\"status\":\"valid\"}", 18, &a, &f));
}

/* --- Problems --------------------------------------------------------------------------------- */

static void test_problem(void **state)
{
    (void)state;
    struct failure fail = {0};
    /* RFC 8555 6.7.1 */
    static const char json[] =
        "{\"type\":\"" ERROR "malformed\",\"detail\":\"Some of the identifiers requested were "
        "rejected\",\"instance\":\"https://ca.example/help\",\"subproblems\":["
        "{\"type\":\"" ERROR "malformed\",\"detail\":\"Invalid underscore in DNS name\","
        "\"identifier\":{\"type\":\"dns\",\"value\":\"_example.org\"}},"
        "{\"type\":\"" ERROR "rejectedIdentifier\",\"detail\":\"This CA will not issue\","
        "\"identifier\":null}]}";
    assert_true(message_problem(json, strlen(json), 403, CLASSIFY_REQUEST, &fail));
    assert_string_equal(fail.text,
                        "malformed: Some of the identifiers requested were rejected "
                        "(_example.org: Invalid underscore in DNS name; This CA will not issue) "
                        "— see https://ca.example/help");
    assert_string_equal(fail.type, ERROR "malformed");
    assert_int_equal(fail.status, 403);
    assert_true(failure_is(&fail, "malformed"));
}

static void test_problem_without_much(void **state)
{
    (void)state;
    struct failure fail = {0};
    static const char title[] = "{\"type\":\"about:blank\",\"title\":\"Bad Gateway\"}";
    assert_true(message_problem(title, strlen(title), 502, CLASSIFY_REQUEST, &fail));
    assert_string_equal(fail.text, "HTTP status 502: Bad Gateway");
    assert_int_equal(fail.class, FAILURE_OVERLOAD);
    assert_string_equal(fail.type, "");

    static const char *const none[] = {"",       "{}",           "[]",
                                       "<html>", "{\"type\":7}", "{\"detail\":null}"};
    fail.class = FAILURE_LOCAL;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(message_problem(none[i], strlen(none[i]), 500, CLASSIFY_REQUEST, &fail));
    assert_int_equal(fail.class, FAILURE_LOCAL); /* untouched */
}

/* What a CA writes ends up on terminals. */
static void test_problem_is_made_printable(void **state)
{
    (void)state;
    struct failure fail;
    static const char json[] = "{\"type\":\"x\\u001b[31m\",\"detail\":\"a\\nb\\u0007\"}";
    assert_true(message_problem(json, strlen(json), 400, CLASSIFY_REQUEST, &fail));
    for (const char *s = fail.text; *s; s++)
        assert_true(*s >= 0x20 && *s < 0x7f);
    assert_string_equal(fail.text, "x\\x1b[31m: a\\x0ab\\x07");
}

static void test_problem_is_bounded(void **state)
{
    (void)state;
    struct failure fail;
    struct buf b;
    buf_init(&b, DOCUMENT_MAX);
    buf_puts(&b, "{\"type\":\"t\",\"detail\":\"");
    while (buf_puts(&b, "0123456789") && b.len < DOCUMENT_MAX - 100)
        ;
    buf_puts(&b, "\",\"subproblems\":[{\"detail\":\"x\"}]}");
    assert_true(message_problem(b.data, b.len, 400, CLASSIFY_REQUEST, &fail));
    assert_true(strlen(fail.text) < sizeof fail.text);
    buf_free(&b);
}

/* --- Requests --------------------------------------------------------------------------------- */

static void expect(char *got, const char *wanted)
{
    assert_string_equal(got, wanted);
    free(got);
}

static void test_requests(void **state)
{
    (void)state;
    expect(message_protected("n0", "https://ca.example/x", "{\"kty\":\"EC\"}", NULL),
           "{\"alg\":\"ES256\",\"nonce\":\"n0\",\"url\":\"https://ca.example/x\","
           "\"jwk\":{\"kty\":\"EC\"}}");
    expect(message_protected("n0", "https://ca.example/x", "{\"kty\":\"EC\"}", "https://kid"),
           "{\"alg\":\"ES256\",\"nonce\":\"n0\",\"url\":\"https://ca.example/x\","
           "\"kid\":\"https://kid\"}");
    expect(message_new_account(NULL, NULL), "{\"termsOfServiceAgreed\":true}");
    expect(message_new_account("a@b.c", NULL),
           "{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:a@b.c\"]}");
    expect(message_new_account(NULL, "{\"payload\":\"x\"}"),
           "{\"termsOfServiceAgreed\":true,\"externalAccountBinding\":{\"payload\":\"x\"}}");
    expect(message_rollover_header("{\"kty\":\"EC\"}", "https://ca.example/key"),
           "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"},\"url\":\"https://ca.example/key\"}");
    expect(message_rollover("https://ca.example/a/1", "{\"kty\":\"EC\"}"),
           "{\"account\":\"https://ca.example/a/1\",\"oldKey\":{\"kty\":\"EC\"}}");
    expect(message_find_account(), "{\"onlyReturnExisting\":true}");
    expect(message_binding_header("kid-1", "https://ca.example/account"),
           "{\"alg\":\"HS256\",\"kid\":\"kid-1\",\"url\":\"https://ca.example/account\"}");
    expect(message_new_order("derp.demo.com", NULL, NULL),
           "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"derp.demo.com\"}]}");
    expect(message_new_order("2001:db8::5", NULL, NULL),
           "{\"identifiers\":[{\"type\":\"ip\",\"value\":\"2001:db8::5\"}]}");
    expect(message_new_order("derp.demo.com", "tlsserver", "a.b"),
           "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"derp.demo.com\"}],"
           "\"profile\":\"tlsserver\",\"replaces\":\"a.b\"}");
    expect(message_finalize("AQ"), "{\"csr\":\"AQ\"}");
    expect(message_revoke("AQ"), "{\"certificate\":\"AQ\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_directory_refused),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_order_refused),
        cmocka_unit_test(test_authorization),
        cmocka_unit_test(test_problem),
        cmocka_unit_test(test_problem_without_much),
        cmocka_unit_test(test_problem_is_made_printable),
        cmocka_unit_test(test_problem_is_bounded),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
