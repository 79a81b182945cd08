/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/http_answer.c"

#include "tests/unit/unit.h"

/* A request line with headers, and what its answer must and must not contain. */
struct example {
    const char *head;
    bool plain;
    enum http_action action;
    const char *has;
    const char *has_not;
};

#define WEBSOCKET                                                                                  \
    "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Protocol: derp\n"                      \
    "Sec-WebSocket-Version: 13\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"

static const struct example examples[] = {
    {"GET /derp HTTP/1.1\nUpgrade: DERP\nConnection: Upgrade\n", false, HTTP_ACTION_DERP,
     "101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\n"
     "Derp-Public-Key: 0707",
     NULL},
    {"GET /derp HTTP/1.1\nUpgrade: dErP\nDerp-Fast-Start: 1\n", false, HTTP_ACTION_DERP, "", "H"},
    {"GET /derp HTTP/1.1\nUpgrade: DERP\nDerp-Fast-Start: 2\n", false, HTTP_ACTION_DERP, "101",
     NULL},
    {"GET /derp HTTP/1.1\nUpgrade: WebSocket\n", false, HTTP_ACTION_DERP, "101 Switching", NULL},
    {"POST /derp HTTP/1.0\nUpgrade: DERP\n", false, HTTP_ACTION_DERP, "101 Switching", NULL},
    {"GET http://x/derp HTTP/1.1\nUpgrade: DERP\n", false, HTTP_ACTION_DERP, "101 ", NULL},
    {"GET /derp HTTP/1.1\n", false, HTTP_ACTION_KEEP, "426 Upgrade Required", NULL},
    {"GET /derp HTTP/1.1\nConnection: close\n", false, HTTP_ACTION_CLOSE, "426 Upgrade Required",
     NULL},
    {"GET /derp HTTP/1.1\nUpgrade: h2c\n", false, HTTP_ACTION_KEEP, "426 Upgrade Required", NULL},
    {"GET /derp HTTP/1.1\n" WEBSOCKET KEY, false, HTTP_ACTION_WEBSOCKET,
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: derp\r\n\r\n",
     NULL},
    {"GET /derp HTTP/1.1\n" WEBSOCKET, false, HTTP_ACTION_KEEP,
     "400 Bad Request\r\nSec-WebSocket-Version: 13\r\n", NULL},
    {"GET /derp HTTP/1.0\n" WEBSOCKET KEY, false, HTTP_ACTION_CLOSE,
     "426 Upgrade Required\r\nUpgrade: websocket\r\n", NULL},
    {"POST /derp HTTP/1.1\n" WEBSOCKET KEY, false, HTTP_ACTION_KEEP,
     "405 Method Not Allowed\r\nAllow: GET\r\n", NULL},
    {"GET /derp/probe HTTP/1.1\n", false, HTTP_ACTION_KEEP,
     "200 OK\r\nAccess-Control-Allow-Origin: *\r\n"
     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n",
     NULL},
    {"HEAD /derp/latency-check HTTP/1.1\n", false, HTTP_ACTION_KEEP, "200 OK", NULL},
    {"PUT /derp/probe HTTP/1.1\n", false, HTTP_ACTION_KEEP, "405 Method Not Allowed", NULL},
    {"DELETE /derp/latency-check HTTP/1.1\n", false, HTTP_ACTION_KEEP, "Allow: GET, HEAD", NULL},
    {"POST /derp/probe HTTP/1.1\n", false, HTTP_ACTION_KEEP,
     "405 Method Not Allowed\r\nAllow: GET, HEAD\r\nX-Content-Type-Options: nosniff\r\n", NULL},
    {"GET /generate_204 HTTP/1.1\n", false, HTTP_ACTION_KEEP,
     "204 No Content\r\nCache-Control: "
     "no-cache, no-store, must-revalidate, no-transform, max-age=0\r\n",
     "X-Tailscale"},
    {"GET /generate_204 HTTP/1.1\nX-Tailscale-Challenge: ts_a.B:9-\n", true, HTTP_ACTION_KEEP,
     "X-Tailscale-Response: response ts_a.B:9-\r\n", "Content-Length"},
    {"GET /generate_204 HTTP/1.1\nX-Tailscale-Challenge:\n", true, HTTP_ACTION_KEEP,
     "204 No Content", "X-Tailscale"},
    {"GET /generate_204 HTTP/1.1\nX-Tailscale-Challenge: a b\n", true, HTTP_ACTION_KEEP,
     "204 No Content", "X-Tailscale"},
    {"GET /generate_204 HTTP/1.1\nX-Tailscale-Challenge: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaa\n",
     true, HTTP_ACTION_KEEP, "204 No Content", "X-Tailscale"},
    {"GET / HTTP/1.1\n", false, HTTP_ACTION_KEEP, "default-src 'self'", "Connection"},
    {"GET /nothing HTTP/1.1\n", false, HTTP_ACTION_KEEP, "<h1>DERP relay</h1>", NULL},
    {"HEAD / HTTP/1.1\n", false, HTTP_ACTION_KEEP, "200 OK", "<h1>"},
    {"OPTIONS * HTTP/1.1\n", false, HTTP_ACTION_KEEP, "Content-Length: 0\r\n", "<h1>"},
    {"GET /robots.txt HTTP/1.1\n", false, HTTP_ACTION_KEEP, "User-agent: *\nDisallow: /\n", NULL},
    {"GET /bootstrap-dns?q=x HTTP/1.1\n", false, HTTP_ACTION_CLOSE, "\r\n\r\n{}\n", NULL},
    {"GET / HTTP/1.0\n", false, HTTP_ACTION_CLOSE, "Connection: close", NULL},
    {"GET / HTTP/1.0\nConnection: Keep-Alive\n", false, HTTP_ACTION_KEEP, "keep-alive", NULL},
    {"GET / HTTP/1.1\nConnection: close\n", false, HTTP_ACTION_CLOSE, "Connection: close", NULL},
    {"GET / HTTP/1.1\nConnection: x\nConnection: close\n", false, HTTP_ACTION_CLOSE, "close", NULL},
    {"POST / HTTP/1.1\nContent-Length: 5\n", false, HTTP_ACTION_CLOSE, "200 OK", NULL},
    {"POST / HTTP/1.1\nTransfer-Encoding: chunked\n", false, HTTP_ACTION_CLOSE, "200 OK", NULL},
    {"CONNECT a:443 HTTP/1.1\n", false, HTTP_ACTION_CLOSE, "403 Forbidden", "200"},
    {"CONNECT a:443 HTTP/1.1\n", true, HTTP_ACTION_CLOSE, "400 Bad Request", "200"},
    {"GET /x HTTP/1.1\n", true, HTTP_ACTION_KEEP, "302 Found\r\nLocation: https://a.test/x\r\n",
     NULL},
    {"GET /x?y=z HTTP/1.1\nHost: b.test\n", true, HTTP_ACTION_KEEP,
     "Location: https://a.test/x?y=z\r\n", NULL},
    {"POST /x HTTP/1.1\n", true, HTTP_ACTION_KEEP, "400 Bad Request", NULL},
    {"GET /derp HTTP/1.1\nUpgrade: DERP\n", true, HTTP_ACTION_KEEP, "302 Found", "101"},
};

static const char moment[] = "Sun, 06 Nov 1994 08:49:37 GMT"; /* of RFC 9110 */

/* The answer to a request, in a buffer that the next call reuses. */
static const char *ask(const char *head, const struct http_site *site, enum http_action *action)
{
    static struct buf text, out;
    struct http_request r;
    size_t used;

    buf_free(&text);
    buf_free(&out);
    buf_init(&text, 2 * HTTP_HEAD_MAX);
    buf_init(&out, HTTP_PAGE_MAX + 16384);
    buf_printf(&text, "%s\n", head);
    assert_int_equal(http_read_request(buf_text(&text), text.len, &r, &used), HTTP_OK);
    *action = http_answer(&r, site, &out);
    return buf_text(&out);
}

static struct http_site a_site(void)
{
    struct http_site site = {.domain = "a.test", .now = 784111777};

    memset(site.server_key.bytes, 7, KEY_LEN);
    return site;
}

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *e = &examples[i];
        struct http_site site = a_site();
        enum http_action action;
        const char *out;

        site.is_plain = e->plain;
        out = ask(e->head, &site, &action);
        if (action != e->action)
            fail_msg("example %zu: wrong action: %s", i, out);
        if (strstr(out, e->has) == NULL)
            fail_msg("example %zu: no \"%s\" in %s", i, e->has, out);
        if (e->has_not != NULL && strstr(out, e->has_not) != NULL)
            fail_msg("example %zu: \"%s\" in %s", i, e->has_not, out);
        if (action == HTTP_ACTION_KEEP && strstr(out, moment) == NULL)
            fail_msg("example %zu: no date in %s", i, out);
    }
}

/* Without a domain of its own the plain port sends back to the name that was asked for. */
static void test_redirect_without_domain(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {
        {"b.test", "b.test"},
        {"b.test:80", "b.test"},
        {"127.0.0.1:80", "127.0.0.1"},
        {"[::1]", "[::1]"},
        {"[2001:db8::1]:80", "[2001:db8::1]"},
    };
    struct http_site site = a_site();
    enum http_action action;

    site.is_plain = true;
    site.domain = NULL;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char head[200], location[200];
        snprintf(head, sizeof head, "GET /x HTTP/1.1\nHost: %s\n", hosts[i][0]);
        snprintf(location, sizeof location, "Location: https://%s/x\r\n", hosts[i][1]);
        assert_non_null(strstr(ask(head, &site, &action), location));
    }
    assert_non_null(strstr(ask("GET /x HTTP/1.0\n", &site, &action), "400 Bad Request"));
    assert_non_null(strstr(ask("GET /x HTTP/1.0\nHost: :80\n", &site, &action), "400 Bad Request"));
}

static void test_home_pages(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/no/such"};
    const struct http_page redirect = {.location = "https://b.test/x"};
    const struct http_page blank = {.type = "text/html; charset=utf-8"};
    const struct http_page own = {.type = "text/plain", .body = "a\0b", .n = 3, .is_own = true};
    struct http_site site = a_site();
    enum http_action action;
    char head[200];

    for (int i = 0; i < 2; i++) {
        snprintf(head, sizeof head, "GET %s HTTP/1.1\n", paths[i]);
        site.home = &redirect;
        assert_non_null(
            strstr(ask(head, &site, &action), "302 Found\r\nLocation: https://b.test/x\r\n"));
        site.home = &blank;
        assert_non_null(strstr(ask(head, &site, &action), "Content-Length: 0\r\n"));
        assert_non_null(strstr(ask(head, &site, &action), "default-src 'self'"));
        site.home = &own;
        assert_non_null(
            strstr(ask(head, &site, &action), "text/plain\r\nContent-Length: 3\r\n\r\na"));
        assert_null(strstr(ask(head, &site, &action), "default-src")); /* his own styles work */
        assert_non_null(strstr(ask(head, &site, &action), "frame-ancestors 'none'"));
        assert_non_null(strstr(ask("GET /robots.txt HTTP/1.1\n", &site, &action), "Disallow: /"));
    }
    site.names = "{\n}\n";
    assert_non_null(strstr(ask("GET /bootstrap-dns HTTP/1.1\n", &site, &action), "\r\n\r\n{\n}\n"));
}

/* The largest page and the longest target fit into what http_answer is given. */
static void test_large_answers(void **state)
{
    (void)state;
    static char body[HTTP_PAGE_MAX];
    static char head[HTTP_HEAD_MAX];
    const struct http_page own = {.type = "text/plain", .body = body, .n = sizeof body};
    struct http_site site = a_site();
    enum http_action action;

    site.home = &own;
    ask("GET / HTTP/1.1\n", &site, &action);
    struct buf out;
    struct http_request r;
    size_t used;
    buf_init(&out, HTTP_PAGE_MAX + 16384);
    assert_int_equal(http_read_request("GET / HTTP/1.1\n\n", 16, &r, &used), HTTP_OK);
    http_answer(&r, &site, &out);
    assert_true(out.len > sizeof body);
    buf_free(&out);
    snprintf(head, sizeof head, "GET /%04000d?%04000d HTTP/1.1\n", 0, 0);
    site.is_plain = true;
    const char *answer = ask(head, &site, &action);
    assert_ptr_equal(strstr(answer, "\r\n\r\n"), answer + strlen(answer) - 4);
    assert_true(strlen(answer) > 8000);
}

static void test_proxy_signs(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        const char *sign;
    } rows[] = {
        {"GET /derp HTTP/1.1\nUpgrade: DERP\nUser-Agent: Go-http-client/1.1\n", NULL},
        {"GET /derp HTTP/1.1\nUpgrade: DERP\nDerp-Fast-Start: 1\nIdeal-Node: 1a\n", NULL},
        {"GET /derp HTTP/1.1\nUpgrade: DERP\nVia: 1.1 Caddy\n", "Via"},
        {"GET /derp HTTP/1.1\nUpgrade: DERP\nx-forwarded-for: 192.0.2.1\n", "X-Forwarded-For"},
        {"GET /derp HTTP/1.1\nX-Forwarded-Host: a\n", "X-Forwarded-Host"},
        {"GET /derp HTTP/1.1\nX-Forwarded-Proto: https\n", "X-Forwarded-Proto"},
        {"GET /derp HTTP/1.1\nX-Real-IP: 192.0.2.1\n", "X-Real-IP"},
        {"GET /derp HTTP/1.1\nForwarded: for=192.0.2.1\n", "Forwarded"},
        {"GET /derp HTTP/1.1\nCDN-Loop: cloudflare\n", "CDN-Loop"},
        {"GET / HTTP/1.1\nVia: 1.1 x\n", NULL},
        {"GET /derp/probe HTTP/1.1\nVia: 1.1 x\n", NULL},
        /* nginx with proxy_pass and nothing else */
        {"GET /derp HTTP/1.0\nHost: backend\nConnection: close\nUser-Agent: Go-http-client/1.1\n",
         "no Upgrade"},
        {"GET /derp HTTP/1.1\nConnection: keep-alive\nDerp-Fast-Start: 1\n", "no Upgrade"},
        {"GET /derp HTTP/1.1\nIdeal-Node: 900a\n", "no Upgrade"},
        {"GET /derp HTTP/1.1\nSec-WebSocket-Key: x\n", "no Upgrade"},
        {"GET /derp HTTP/1.1\nSec-WebSocket-Protocol: derp\n", "no Upgrade"},
        /* people, and programs that look whether somebody answers */
        {"GET /derp HTTP/1.1\nUser-Agent: Mozilla/5.0\nAccept: text/html\n"
         "Accept-Encoding: gzip\nConnection: keep-alive\n",
         NULL},
        {"GET /derp HTTP/1.1\nUser-Agent: curl/8.5.0\nAccept: */*\n", NULL},
        {"GET /derp HTTP/1.1\nUser-Agent: Go-http-client/1.1\nAccept-Encoding: gzip\n", NULL},
        {"GET /derp HTTP/1.1\n", NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_request r;
        const char *sign;
        char text[512];
        size_t used;

        snprintf(text, sizeof text, "%s\n", rows[i].head);
        assert_int_equal(http_read_request(text, strlen(text), &r, &used), HTTP_OK);
        sign = http_proxy_sign(&r);
        if ((sign == NULL) != (rows[i].sign == NULL) ||
            (sign != NULL && strcmp(sign, rows[i].sign) != 0))
            fail_msg("%s: %s", rows[i].head, sign != NULL ? sign : "no sign");
    }
}

static void test_bad_heads(void **state)
{
    (void)state;
    const enum http_result why[] = {HTTP_BAD, HTTP_TOO_LARGE, HTTP_VERSION, HTTP_CODING,
                                    HTTP_EXPECTATION};
    const char *const status[] = {"HTTP/1.1 400 ", "HTTP/1.1 431 ", "HTTP/1.1 505 ",
                                  "HTTP/1.1 501 ", "HTTP/1.1 417 "};
    struct http_site site = a_site();

    for (int i = 0; i < 5; i++) {
        struct buf out;
        buf_init(&out, 1024);
        http_answer_bad(why[i], &site, &out);
        assert_ptr_equal(strstr(buf_text(&out), status[i]), buf_text(&out));
        assert_non_null(strstr(buf_text(&out), "Connection: close\r\n"));
        buf_free(&out);
    }
}

static bool is_challenge(const char *path, char token[static HTTP_TOKEN_MAX])
{
    struct http_request r = {.path = {path, strlen(path)}};

    return http_challenge_token(&r, token);
}

#define WELL_KNOWN "/.well-known/acme-challenge/"

/* Only what may become a part of a path is a token. */
static void test_challenge_tokens(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/",
        WELL_KNOWN,
        WELL_KNOWN "../current/privkey.pem",
        WELL_KNOWN "a/b",
        WELL_KNOWN "a.b",
        WELL_KNOWN "a%2fb",
        WELL_KNOWN "a b",
        "/.well-known/acme-challeng/abc",
        "/x/.well-known/acme-challenge/abc",
    };
    char token[HTTP_TOKEN_MAX], path[300];

    assert_true(is_challenge(WELL_KNOWN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", token));
    assert_string_equal(token, "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0");
    assert_true(is_challenge(WELL_KNOWN "-_", token));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(is_challenge(bad[i], token));
    snprintf(path, sizeof path, WELL_KNOWN "%0128d", 7);
    assert_true(is_challenge(path, token));
    snprintf(path, sizeof path, WELL_KNOWN "%0129d", 7);
    assert_false(is_challenge(path, token));
}

/* The body is the key authorization and nothing else; only on the plain port. */
static void test_challenges(void **state)
{
    (void)state;
    struct http_site site = a_site();
    enum http_action action;
    const char *out;

    site.key_authorization = "abc.thumb";
    site.is_plain = true;
    out = ask("GET " WELL_KNOWN "abc HTTP/1.1\nHost: a.test\n", &site, &action);
    assert_non_null(strstr(out, "200 OK"));
    assert_non_null(strstr(out, "Content-Length: 9\r\n"));
    assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\nabc.thumb");
    out = ask("POST " WELL_KNOWN "abc HTTP/1.1\n", &site, &action);
    assert_non_null(strstr(out, "405 Method"));
    out = ask("GET " WELL_KNOWN "../abc HTTP/1.1\n", &site, &action);
    assert_non_null(strstr(out, "302 Found"));
    site.key_authorization = NULL;
    out = ask("GET " WELL_KNOWN "abc HTTP/1.1\n", &site, &action);
    assert_non_null(strstr(out, "404 Not Found"));
    site.key_authorization = "abc.thumb";
    site.is_plain = false;
    out = ask("GET " WELL_KNOWN "abc HTTP/1.1\n", &site, &action);
    assert_null(strstr(out, "abc.thumb"));
}

static void test_redirect_to_an_address(void **state)
{
    (void)state;
    struct http_site site = a_site();
    enum http_action action;

    site.is_plain = true;
    site.domain = "2001:db8::5";
    assert_non_null(
        strstr(ask("GET /x HTTP/1.1\n", &site, &action), "Location: https://[2001:db8::5]/x\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_challenge_tokens),
        cmocka_unit_test(test_challenges),
        cmocka_unit_test(test_redirect_to_an_address),
        cmocka_unit_test(test_redirect_without_domain),
        cmocka_unit_test(test_home_pages),
        cmocka_unit_test(test_large_answers),
        cmocka_unit_test(test_proxy_signs),
        cmocka_unit_test(test_bad_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
