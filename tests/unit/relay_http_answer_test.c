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
    "GET /derp HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade\n"                                \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n" /* RFC 6455 1.3 */

static const struct example examples[] = {
    {"GET /derp HTTP/1.1\nUpgrade: DERP\nConnection: Upgrade\n", false, HTTP_ACTION_DERP,
     "101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\n"
     "Derp-Public-Key: 0707",
     NULL},
    {"GET /derp HTTP/1.1\nUpgrade: dErP\nDerp-Fast-Start: 1\n", false, HTTP_ACTION_DERP, "", "H"},
    {"GET /derp HTTP/1.1\nUpgrade: WebSocket\n", false, HTTP_ACTION_DERP, "101 Switching", NULL},
    {"POST /derp HTTP/1.0\nUpgrade: DERP\n", false, HTTP_ACTION_DERP, "101 Switching", NULL},
    {"GET http://x/derp HTTP/1.1\nUpgrade: DERP\n", false, HTTP_ACTION_DERP, "101 ", NULL},
    {"GET /derp HTTP/1.1\n", false, HTTP_ACTION_KEEP, "426 Upgrade Required", NULL},
    {"GET /derp HTTP/1.1\nConnection: close\n", false, HTTP_ACTION_CLOSE, "426 Upgrade Required",
     NULL},
    {"GET /derp HTTP/1.1\nUpgrade: h2c\n", false, HTTP_ACTION_KEEP, "426 Upgrade Required", NULL},
    {WEBSOCKET "Sec-WebSocket-Version: 13\nSec-WebSocket-Protocol: derp\n", false,
     HTTP_ACTION_WEBSOCKET,
     "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: derp\r\n\r\n",
     "Derp-"},
    /* Not "the old client's way": it asks for a WebSocket that there is not. */
    {WEBSOCKET "Sec-WebSocket-Version: 8\nSec-WebSocket-Protocol: derp\n", false, HTTP_ACTION_KEEP,
     "426 Upgrade Required", NULL},
    {"GET /derp/probe HTTP/1.1\n", false, HTTP_ACTION_KEEP,
     "200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n", NULL},
    {"HEAD /derp/latency-check HTTP/1.1\n", false, HTTP_ACTION_KEEP, "200 OK", NULL},
    {"POST /derp/probe HTTP/1.1\n", false, HTTP_ACTION_KEEP, "405 Method Not Allowed", NULL},
    {"PUT /derp/probe HTTP/1.1\n", false, HTTP_ACTION_KEEP, "405 Method Not Allowed", NULL},
    {"DELETE /derp/latency-check HTTP/1.1\n", false, HTTP_ACTION_KEEP, "Allow: GET, HEAD", NULL},
    {"GET /generate_204 HTTP/1.1\n", false, HTTP_ACTION_KEEP,
     "204 No Content\r\nCache-Control: "
     "no-cache, no-store, must-revalidate, no-transform, max-age=0\r\n\r\n",
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
    {"GET / HTTP/1.1\n", false, HTTP_ACTION_KEEP, "200 OK", NULL},
    {"GET /nothing HTTP/1.1\n", false, HTTP_ACTION_KEEP, "<h1>DERP relay</h1>", NULL},
    {"HEAD / HTTP/1.1\n", false, HTTP_ACTION_KEEP, "200 OK", "<h1>"},
    {"GET /robots.txt HTTP/1.1\n", false, HTTP_ACTION_KEEP, "User-agent: *\nDisallow: /\n", NULL},
    {"GET /bootstrap-dns HTTP/1.1\n", false, HTTP_ACTION_KEEP,
     "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\n", NULL},
    {"GET / HTTP/1.0\n", false, HTTP_ACTION_CLOSE, "Connection: close", NULL},
    {"GET / HTTP/1.0\nConnection: Keep-Alive\n", false, HTTP_ACTION_KEEP, "keep-alive", NULL},
    {"GET / HTTP/1.1\nConnection: close\n", false, HTTP_ACTION_CLOSE, "Connection: close", NULL},
    {"POST / HTTP/1.1\nContent-Length: 5\n", false, HTTP_ACTION_CLOSE, "200 OK", NULL},
    {"POST / HTTP/1.1\nTransfer-Encoding: chunked\n", false, HTTP_ACTION_CLOSE, "200 OK", NULL},
    {"CONNECT a:443 HTTP/1.1\n", false, HTTP_ACTION_KEEP, "403 Forbidden", "200"},
    {"GET /x HTTP/1.1\n", true, HTTP_ACTION_KEEP, "302 Found\r\nLocation: https://a.test/x\r\n",
     NULL},
    {"POST /x HTTP/1.1\n", true, HTTP_ACTION_KEEP, "400 Bad Request", NULL},
    {"GET /derp HTTP/1.1\nUpgrade: DERP\n", true, HTTP_ACTION_KEEP, "302 Found", "101"},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *e = &examples[i];
        struct http_site site = {.is_plain = e->plain, .domain = "a.test"};
        struct http_request r;
        struct buf head, out;
        size_t used;

        memset(site.server_key.bytes, 7, KEY_LEN);
        buf_init(&head, 4096);
        buf_init(&out, 16384);
        buf_printf(&head, "%s\n", e->head);
        assert_int_equal(http_read_request(buf_text(&head), head.len, &r, &used), HTTP_OK);
        if (http_answer(&r, &site, &out) != e->action)
            fail_msg("example %zu: wrong action: %s", i, buf_text(&out));
        if (strstr(buf_text(&out), e->has) == NULL)
            fail_msg("example %zu: no \"%s\" in %s", i, e->has, buf_text(&out));
        if (e->has_not != NULL && strstr(buf_text(&out), e->has_not) != NULL)
            fail_msg("example %zu: \"%s\" in %s", i, e->has_not, buf_text(&out));
        buf_free(&head);
        buf_free(&out);
    }
}

static struct http_request request_of(const char *head)
{
    struct http_request r;
    size_t used;

    assert_int_equal(http_read_request(head, strlen(head), &r, &used), HTTP_OK);
    return r;
}

/* A relay that does not know its name cannot send anyone to https. */
static void test_no_domain(void **state)
{
    (void)state;
    struct http_request r = request_of("GET /x HTTP/1.1\n\n");
    struct http_site site = {.is_plain = true};
    struct buf out;

    buf_init(&out, 4096);
    assert_int_equal(http_answer(&r, &site, &out), HTTP_ACTION_KEEP);
    assert_non_null(strstr(buf_text(&out), "400 Bad Request"));
    assert_null(strstr(buf_text(&out), "Location"));
    buf_free(&out);
}

static void test_proxies_are_seen(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool proxied;
    } rows[] = {
        {"GET /derp HTTP/1.1\nUpgrade: DERP\n\n", false},
        {"GET /derp HTTP/1.1\nVia: 1.1 x\n\n", true},
        {"GET /derp HTTP/1.1\nX-Forwarded-For: 192.0.2.1\n\n", true},
        {"GET /derp HTTP/1.1\nForwarded: for=192.0.2.1\n\n", true},
        {"GET /derp/probe HTTP/1.1\nVia: 1.1 x\n\n", false}, /* that does no harm */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_request r = request_of(rows[i].head);
        assert_int_equal(http_was_proxied(&r), rows[i].proxied);
    }
}

static void test_bad_heads(void **state)
{
    (void)state;
    const enum http_result why[] = {HTTP_BAD, HTTP_TOO_LARGE, HTTP_VERSION};
    const char *const status[] = {"HTTP/1.1 400 ", "HTTP/1.1 431 ", "HTTP/1.1 505 "};

    for (int i = 0; i < 3; i++) {
        struct buf out;
        buf_init(&out, 1024);
        http_answer_bad(why[i], &out);
        assert_ptr_equal(strstr(buf_text(&out), status[i]), buf_text(&out));
        assert_non_null(strstr(buf_text(&out), "Connection: close\r\n"));
        buf_free(&out);
    }
}

static bool is_proxied(const char *line, const char *headers)
{
    struct http_request r;
    char head[400];
    size_t used;

    snprintf(head, sizeof head, "%s HTTP/1.1\r\n%s\r\n", line, headers);
    assert_int_equal(http_read_request(head, strlen(head), &r, &used), HTTP_OK);
    return http_was_proxied(&r);
}

static void test_proxies_are_noticed(void **state)
{
    (void)state;
    static const char *const marks[] = {"Via: 1.1 x\r\n", "X-Forwarded-For: 192.0.2.1\r\n",
                                        "Forwarded: for=x\r\n", "x-real-ip: 192.0.2.1\r\n"};
    char upgrade[200];

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        snprintf(upgrade, sizeof upgrade, "Upgrade: DERP\r\n%s", marks[i]);
        assert_true(is_proxied("GET /derp", upgrade));
        assert_true(is_proxied("GET /derp", marks[i]));
        assert_false(is_proxied("GET /generate_204", marks[i]));
    }
    assert_true(is_proxied("GET /derp", "User-Agent: Go-http-client/1.1\r\n"));
    assert_true(is_proxied("GET /derp", "Ideal-Node: 1a\r\n"));
    assert_true(is_proxied("GET /derp", "Derp-Fast-Start: 1\r\n"));
    /* A browser, curl, and a client as they are. */
    assert_false(is_proxied("GET /derp", "User-Agent: Mozilla/5.0\r\n"));
    assert_false(is_proxied("GET /derp", ""));
    assert_false(is_proxied("GET /derp", "User-Agent: Go-http-client/1.1\r\nUpgrade: DERP\r\n"
                                         "Derp-Fast-Start: 1\r\nIdeal-Node: 1a\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_no_domain),
        cmocka_unit_test(test_proxies_are_seen),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_proxies_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
