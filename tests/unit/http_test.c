/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/http.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Exactly sized copy, so that ASan sees a read past the end. The views stay valid until the next
 * call. */
static enum http_result read_request(const char *text, size_t n, struct http_request *r,
                                     size_t *used)
{
    static char *exact;

    free(exact);
    exact = malloc(n > 0 ? n : 1);
    memcpy(exact, text, n);
    enum http_result result = http_read_request(exact, n, r, used);
    if (n == 0) {
        free(exact);
        exact = NULL;
    }
    return result;
}

static void assert_span(struct http_span s, const char *text)
{
    if (s.n != strlen(text) || memcmp(s.p, text, s.n) != 0)
        fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p, text);
}

static const char upgrade[] = "GET /derp?x=1 HTTP/1.1\r\n"
                              "Host: derp.demo.com\r\n"
                              "Upgrade:DERP\r\n"
                              "Connection: \t Upgrade , close \t\r\n"
                              "connection: x\r\n"
                              "Derp-Fast-Start: 1\r\n"
                              "Empty:\r\n"
                              "\r\n"
                              "\x02\x00\x00 frame bytes follow";

static void test_upgrade_request(void **state)
{
    (void)state;
    struct http_request r;
    size_t used = 0;

    assert_int_equal(read_request(upgrade, sizeof(upgrade), &r, &used), HTTP_OK);
    assert_int_equal(used, strstr(upgrade, "\r\n\r\n") + 4 - upgrade);
    assert_span(r.method, "GET");
    assert_span(r.path, "/derp");
    assert_span(r.query, "x=1");
    assert_int_equal(r.minor, 1);
    assert_int_equal(r.header_count, 6);
    assert_span(http_header(&r, "UPGRADE"), "DERP");
    assert_span(http_header(&r, "connection"), "Upgrade , close");
    assert_span(http_header(&r, "Empty"), "");
    assert_non_null(http_header(&r, "Empty").p);
    assert_null(http_header(&r, "Absent").p);
    assert_true(http_span_is(http_header(&r, "upgrade"), "derp"));
    assert_false(http_span_is(http_header(&r, "upgrade"), "der"));
    assert_false(http_span_is(http_header(&r, "upgrade"), "derpy"));
    assert_false(http_span_is(http_header(&r, "absent"), ""));
    assert_true(http_has_token(&r, "Connection", "upgrade"));
    assert_true(http_has_token(&r, "Connection", "X"));
    assert_false(http_has_token(&r, "Connection", "upgrad"));
    assert_false(http_has_token(&r, "Absent", "x"));
}

/* The decoder is run again over what has arrived, whatever its pieces: every prefix of a good head
 * is incomplete, and so is none of a head. */
static void test_every_chunking(void **state)
{
    (void)state;
    size_t whole = (size_t)(strstr(upgrade, "\r\n\r\n") + 4 - upgrade);
    struct http_request r;
    size_t used = 0;

    for (size_t n = 0; n < whole; n++)
        assert_int_equal(read_request(upgrade, n, &r, &used), HTTP_INCOMPLETE);
    assert_int_equal(used, 0);
    for (size_t n = whole; n <= sizeof(upgrade); n++) {
        assert_int_equal(read_request(upgrade, n, &r, &used), HTTP_OK);
        assert_int_equal(used, whole);
    }
}

struct row {
    const char *text;
    enum http_result result;
};

static void check_requests(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct http_request r;
        size_t used = 0;
        enum http_result got = read_request(rows[i].text, strlen(rows[i].text), &r, &used);

        if (got != rows[i].result)
            fail_msg("%s: %d instead of %d", rows[i].text, got, rows[i].result);
        if (got == HTTP_OK)
            assert_int_equal(used, strlen(rows[i].text));
    }
}

static void test_requests(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.0\n\n", HTTP_OK},
        {"GET / HTTP/1.1\nHost: x\r\nA: b\n\r\n", HTTP_OK},
        {"\r\n\n\r\nPOST /derp HTTP/1.1\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.9\r\n\r\n", HTTP_OK},
        {"OPTIONS * HTTP/1.1\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.1\r\nA: \xc3\xbc\tx\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.1\r\nA: b: c\r\n\r\n", HTTP_OK},
        {"", HTTP_INCOMPLETE},
        {"\r\n\r\n", HTTP_INCOMPLETE},
        {"GET / HTTP/1.1\r", HTTP_INCOMPLETE},
        {"GET / HTTP/1.1\r\n\r", HTTP_INCOMPLETE},
        {"GET / HTTP/2.0\r\n\r\n", HTTP_VERSION},
        {"PRI * HTTP/2.0\r\n", HTTP_VERSION},
        {"GET / HTTP/0.9\r\n\r\n", HTTP_VERSION},
        {"GET /\r\n\r\n", HTTP_BAD},
        {"GET  HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"GET / http/1.1\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1 \r\n\r\n", HTTP_BAD},
        {"GET /a b HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"GET /a\tb HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/11\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1:1\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.x\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/x.1\r\n\r\n", HTTP_BAD},
        {"GET / HTTPS1.1\r\n\r\n", HTTP_BAD},
        {" GET / HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"G(T / HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"G[T / HTTP/1.1\r\n\r\n", HTTP_BAD}, /* behind Z */
        {"G{T / HTTP/1.1\r\n\r\n", HTTP_BAD}, /* behind z */
        {"g~T / HTTP/1.1\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.1\r\nA\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\n: b\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nA : b\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\n\tA: b\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nA: \x01", HTTP_BAD}, /* refused before its line is whole */
        {"\x16\x03\x01\x02", HTTP_BAD},
        {"GET / HTTP/1.1\r\nA: b\rc", HTTP_BAD},
    };
    struct http_request r;
    size_t used;

    check_requests(rows, sizeof(rows) / sizeof(rows[0]));
    assert_int_equal(read_request("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 23, &r, &used), HTTP_BAD);
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *path;
        const char *query;
    } rows[] = {
        {"/", "/", ""},
        {"/derp", "/derp", ""},
        {"/derp?", "/derp", ""},
        {"/derp?a?b", "/derp", "a?b"},
        {"/derp#x?y", "/derp#x", "y"}, /* targets have no fragments */
        {"//derp", "//derp", ""},
        {"?a", "", "a"},
        {"*", "*", ""},
        {"host:443", "host:443", ""},
        {"http://host/derp?q", "/derp", "q"},
        {"HTTPS://host:443/derp", "/derp", ""},
        {"https://host", "/", ""},
        {"http://host?q", "/", "q"},
        {"http://", "/", ""},
        {"http:/x", "http:/x", ""},
        {"ftp://h/x", "/x", ""},
        {"a+b-c.1://h/x", "/x", ""},
        {"1a://h/x", "1a://h/x", ""},
        {"://h/x", "://h/x", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_request r;
        char text[128];
        size_t used;

        snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", rows[i].target);
        assert_int_equal(read_request(text, strlen(text), &r, &used), HTTP_OK);
        assert_span(r.path, rows[i].path);
        assert_span(r.query, rows[i].query);
        assert_int_equal(r.minor, 0);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    char *text = malloc(3 * HTTP_HEAD_MAX);
    struct http_request r;
    size_t used;
    size_t n;

    n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        n += (size_t)sprintf(text + n, "A%d: x\r\n", i);
    memcpy(text + n, "\r\n", 2);
    assert_int_equal(read_request(text, n + 2, &r, &used), HTTP_OK);
    assert_int_equal(r.header_count, HTTP_HEADERS_MAX);
    memcpy(text + n, "B: x\r\n", 6);
    assert_int_equal(read_request(text, n + 6, &r, &used), HTTP_TOO_LARGE);

    /* The longest head that passes, one byte more, and a line that never ends. */
    n = (size_t)sprintf(text, "GET /%0*d HTTP/1.1\r\n\r\n", HTTP_HEAD_MAX - 18, 0);
    assert_int_equal(n, HTTP_HEAD_MAX);
    assert_int_equal(read_request(text, n, &r, &used), HTTP_OK);
    assert_int_equal(used, HTTP_HEAD_MAX);
    assert_int_equal(read_request(text, n - 1, &r, &used), HTTP_INCOMPLETE);
    n = (size_t)sprintf(text, "GET /%0*d HTTP/1.1\r\n\r\n", HTTP_HEAD_MAX - 17, 0);
    assert_int_equal(read_request(text, n, &r, &used), HTTP_TOO_LARGE);
    memset(text, 'a', 3 * HTTP_HEAD_MAX);
    assert_int_equal(read_request(text, HTTP_HEAD_MAX - 1, &r, &used), HTTP_INCOMPLETE);
    assert_int_equal(read_request(text, HTTP_HEAD_MAX, &r, &used), HTTP_TOO_LARGE);
    assert_int_equal(read_request(text, 3 * HTTP_HEAD_MAX, &r, &used), HTTP_TOO_LARGE);
    memset(text, '\n', HTTP_HEAD_MAX); /* empty lines do not go on for ever */
    assert_int_equal(read_request(text, HTTP_HEAD_MAX, &r, &used), HTTP_TOO_LARGE);
    free(text);
}

static void test_responses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http_result result;
        int status;
    } rows[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\n\r\n", HTTP_OK, 101},
        {"HTTP/1.0 200 \n\n", HTTP_OK, 200},
        {"HTTP/1.1 404\r\n\r\n", HTTP_OK, 404},
        {"HTTP/1.1 999 a b c\r\n\r\n", HTTP_OK, 999},
        {"HTTP/1.1 101 Swi", HTTP_INCOMPLETE, 0},
        {"HTTP/2.0 200 OK\r\n\r\n", HTTP_VERSION, 0},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1  200 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1 20 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1 2000 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1 2x0 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1 x00 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1 20x OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1 099 OK\r\n\r\n", HTTP_BAD, 0},
        {"HTTP/1.1\r\n\r\n", HTTP_BAD, 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", HTTP_BAD, 0},
        {"\x01\x00\x00\x00\x28", HTTP_BAD, 0},
        {"HTTP/1.1 200 OK\r\nbad\r\n\r\n", HTTP_BAD, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response r;
        size_t used = 0;

        assert_int_equal(http_read_response(rows[i].text, strlen(rows[i].text), &r, &used),
                         rows[i].result);
        if (rows[i].result != HTTP_OK)
            continue;
        assert_int_equal(r.status, rows[i].status);
        assert_int_equal(used, strlen(rows[i].text));
    }
    struct http_response r;
    size_t used;
    assert_int_equal(http_read_response(rows[0].text, strlen(rows[0].text), &r, &used), HTTP_OK);
    assert_span(http_response_header(&r, "upgrade"), "DERP");
    for (size_t n = 0; n < used; n++)
        assert_int_equal(http_read_response(rows[0].text, n, &r, &used), HTTP_INCOMPLETE);
    char text[HTTP_HEAD_MAX + 1];
    memset(text, 'a', sizeof text);
    memcpy(text, "HTTP/1.1 200 ", 13);
    assert_int_equal(http_read_response(text, HTTP_HEAD_MAX - 1, &r, &used), HTTP_INCOMPLETE);
    assert_int_equal(http_read_response(text, sizeof text, &r, &used), HTTP_TOO_LARGE);
}

static void test_tokens(void **state)
{
    (void)state;
    const struct http_span list = {"a, b\t,,c d ,", 12};

    assert_true(http_span_has_token(list, "A"));
    assert_true(http_span_has_token(list, "b"));
    assert_true(http_span_has_token(list, "c d"));
    assert_false(http_span_has_token(list, "c"));
    assert_false(http_span_has_token(list, "d"));
    assert_false(http_span_has_token((struct http_span){0}, "a"));
}

static void test_body_length(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        bool ok;
        uint64_t n;
    } rows[] = {
        {"", true, 0},
        {"Content-Length: 0\r\n", true, 0},
        {"content-length:17\r\n", true, 17},
        {"Content-Length: 1844674407370955160\r\n", true, 1844674407370955160},
        {"Content-Length: 18446744073709551616\r\n", false, 0},
        {"Content-Length: 99999999999999999999999\r\n", false, 0},
        {"Content-Length: -1\r\n", false, 0},
        {"Content-Length: +1\r\n", false, 0},
        {"Content-Length: 1 2\r\n", false, 0},
        {"Content-Length: 0x10\r\n", false, 0},
        {"Content-Length:\r\n", false, 0},
        {"Content-Length: 5\r\nContent-Length: 5\r\n", true, 5},
        {"Content-Length: 5\r\nContent-Length: 6\r\n", false, 0},
        {"Content-Length: 5\r\nContent-Length: x\r\n", false, 0},
        {"Transfer-Encoding: chunked\r\n", false, 0},
        {"Content-Length: 5\r\nTransfer-Encoding: identity\r\n", false, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_request r;
        uint64_t n = 0;
        char text[256];
        size_t used;

        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n%s\r\n", rows[i].headers);
        assert_int_equal(http_read_request(text, strlen(text), &r, &used), HTTP_OK);
        assert_int_equal(http_body_length(&r, &n), rows[i].ok);
        if (rows[i].ok)
            assert_true(n == rows[i].n);
    }
}

static void test_check(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.1\r\nHost: [::1%25eth0]:443\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.0\r\n\r\n", HTTP_OK},
        {"GET / HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"GET http://x/ HTTP/1.1\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HTTP_BAD},
        {"GET / HTTP/1.0\r\nHost: \xc3\xbc\r\n\r\n", HTTP_BAD},
        {"OPTIONS * HTTP/1.0\r\n\r\n", HTTP_OK},
        {"GET * HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"CONNECT a:443 HTTP/1.0\r\n\r\n", HTTP_OK},
        {"GET a:443 HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET ?a HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET derp HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET /%41%2f%aF HTTP/1.0\r\n\r\n", HTTP_OK},
        {"GET /%4 HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET /% HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET /%g0 HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET /%0g HTTP/1.0\r\n\r\n", HTTP_BAD},
        {"GET /?%zz HTTP/1.0\r\n\r\n", HTTP_OK},
        {"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n", HTTP_OK},
        {"POST / HTTP/1.0\r\nContent-Length: x\r\n\r\n", HTTP_BAD},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: Chunked\r\n\r\n", HTTP_OK},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n", HTTP_CODING},
        {"POST / HTTP/1.0\r\nTransfer-Encoding:\r\n\r\n", HTTP_CODING},
        {"POST / HTTP/1.0\r\nExpect: 100-Continue\r\n\r\n", HTTP_OK},
        {"POST / HTTP/1.0\r\nExpect: x\r\n\r\n", HTTP_EXPECTATION},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_request r;
        size_t used;

        assert_int_equal(read_request(rows[i].text, strlen(rows[i].text), &r, &used), HTTP_OK);
        if (http_check(&r) != rows[i].result)
            fail_msg("%s: %d instead of %d", rows[i].text, http_check(&r), rows[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade_request), cmocka_unit_test(test_every_chunking),
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_bounds),          cmocka_unit_test(test_responses),
        cmocka_unit_test(test_tokens),          cmocka_unit_test(test_body_length),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
