/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP heads, both directions, and the relay's answers. What is whole must have been incomplete one
 * byte before. */
#include <stdlib.h>
#include <string.h>

#include "derp/relay/http_answer.h"
#include "derp/wire/http.h"
#include "derp/wire/websocket.h"

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void inside(const uint8_t *data, size_t used, struct http_span s)
{
    const char *base = (const char *)data;

    check(s.p >= base && s.p + s.n <= base + used);
}

static void check_headers(const uint8_t *data, size_t used, const struct http_header *headers,
                          size_t count)
{
    check(count <= HTTP_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        check(headers[i].name.n > 0);
        inside(data, used, headers[i].name);
        inside(data, used, headers[i].value);
    }
}

/* The answer is one head that our own reader understands, or nothing at all (fast start). */
static void check_answer(const struct http_request *r, const struct http_site *site)
{
    static struct http_response response;
    enum http_action action = HTTP_ACTION_CLOSE;
    const char *why = NULL;
    struct buf out;
    size_t used = 0;

    buf_init(&out, HTTP_PAGE_MAX + 16384);
    if (http_check(r) == HTTP_OK)
        action = http_answer(r, site, &out);
    else
        http_answer_bad(http_check(r), site, &out);
    if (out.len > 0) {
        check(http_read_response(buf_text(&out), out.len, &response, &used) == HTTP_OK);
        check((response.status == 101) ==
              (action == HTTP_ACTION_DERP || action == HTTP_ACTION_WEBSOCKET));
        check(action != HTTP_ACTION_WEBSOCKET || websocket_request(r, &why) == 101);
        check(!site->is_plain || response.status != 101);
        check(!http_response_header(&response, "Set-Cookie").p); /* the seed "split" has one */
    } else {
        check(action == HTTP_ACTION_DERP);
    }
    http_proxy_sign(r);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_request request;
    static struct http_response response;
    const char *text = (const char *)data;
    uint64_t length;
    size_t used = 0;

    if (http_read_request(text, n, &request, &used) == HTTP_OK) {
        check(used > 0 && used <= n && used <= HTTP_HEAD_MAX);
        check_headers(data, used, request.headers, request.header_count);
        check(http_check(&request) != HTTP_OK || request.path.n > 0);
        inside(data, used, request.method);
        http_has_token(&request, "Connection", "upgrade");
        http_body_length(&request, &length);
        check_answer(&request, &(struct http_site){.domain = "derp.demo.com"});
        check_answer(&request, &(struct http_site){.domain = "derp.demo.com", .is_plain = true});
        check_answer(&request, &(struct http_site){.is_plain = true});
        check_answer(&request, &(struct http_site){.is_plain = true, .key_authorization = "a.b"});
        char token[HTTP_TOKEN_MAX];
        if (http_challenge_token(&request, token))
            check(strlen(token) < HTTP_TOKEN_MAX && token[0] && !strpbrk(token, "./\\%"));
        check(http_read_request(text, used - 1, &request, &used) == HTTP_INCOMPLETE);
    }
    if (http_read_response(text, n, &response, &used) == HTTP_OK) {
        check(used > 0 && used <= n && used <= HTTP_HEAD_MAX);
        check(response.status >= 100 && response.status <= 999);
        check_headers(data, used, response.headers, response.header_count);
        http_response_header(&response, "Upgrade");
        check(http_read_response(text, used - 1, &response, &used) == HTTP_INCOMPLETE);
    }
    return 0;
}
