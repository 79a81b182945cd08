/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/web.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/mem.h"

struct exchange {
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    bool too_long;
    char error[CURL_ERROR_SIZE];
    web_done done;
    void *arg;
    struct exchange *prev, *next;
};

struct web {
    CURLM *multi;
    struct exchange *list;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

struct web *web_new(void)
{
    struct web *w = mem_alloc(1, sizeof *w);

    pthread_once(&once, global_init);
    w->multi = curl_multi_init();
    if (w->multi == NULL)
        abort();
    return w;
}

static void exchange_free(struct web *w, struct exchange *e)
{
    DL_DELETE(w->list, e);
    curl_multi_remove_handle(w->multi, e->easy);
    curl_easy_cleanup(e->easy);
    curl_slist_free_all(e->headers);
    buf_free(&e->body);
    free(e);
}

void web_free(struct web *w)
{
    if (w == NULL)
        return;
    while (w->list != NULL)
        exchange_free(w, w->list);
    curl_multi_cleanup(w->multi);
    free(w);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *e = arg;

    if (buf_append(&e->body, data, size * n))
        return size * n;
    e->too_long = true;
    return 0;
}

void web_ask(struct web *w, const struct web_request *r, web_done done, void *arg)
{
    struct exchange *e = mem_alloc(1, sizeof *e);

    e->easy = curl_easy_init();
    if (e->easy == NULL)
        abort();
    e->done = done;
    e->arg = arg;
    buf_init(&e->body, r->max_body);
    curl_easy_setopt(e->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(e->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e->easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(e->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(e->easy, CURLOPT_USERAGENT, "derpd/" DERP_RELAY_VERSION);
    curl_easy_setopt(e->easy, CURLOPT_ERRORBUFFER, e->error);
    curl_easy_setopt(e->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e->easy, CURLOPT_WRITEDATA, e);
    curl_easy_setopt(e->easy, CURLOPT_PRIVATE, e);
    if (r->unix_socket != NULL) {
        curl_easy_setopt(e->easy, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
        /* The path is opened anew each time: behind it may be another daemon by now. */
        curl_easy_setopt(e->easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (r->post != NULL) {
        e->headers = curl_slist_append(NULL, "Content-Type: application/json");
        curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->headers);
        curl_easy_setopt(e->easy, CURLOPT_COPYPOSTFIELDS, r->post);
    }
    DL_APPEND(w->list, e);
    curl_multi_add_handle(w->multi, e->easy); /* also makes the next poll return at once */
}

static void finish(struct web *w, CURL *easy, CURLcode code)
{
    struct web_answer a = {.reason = ""};
    struct exchange *e;
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&e);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK)
        a.status = (int)status;
    else if (e->too_long)
        a.reason = "the answer is too long";
    else
        a.reason = e->error[0] != '\0' ? e->error : curl_easy_strerror(code);
    a.body = buf_text(&e->body);
    a.n = e->body.len;
    e->done(e->arg, &a);
    exchange_free(w, e);
}

void web_turn(struct web *w, int timeout_ms)
{
    CURLMsg *m;
    int n;

    curl_multi_poll(w->multi, NULL, 0, timeout_ms, NULL);
    curl_multi_perform(w->multi, &n);
    while ((m = curl_multi_info_read(w->multi, &n)) != NULL)
        if (m->msg == CURLMSG_DONE)
            finish(w, m->easy_handle, m->data.result);
}

void web_wake(struct web *w)
{
    curl_multi_wakeup(w->multi);
}
