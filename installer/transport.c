/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/transport.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transport_answer *answer = arg;
    return buf_append(&answer->body, data, size * n) ? size * n : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct transport_answer *answer = arg;
    char line[128];
    size_t len = size * n;
    if (len > 5 && len < sizeof line && strncasecmp(data, "date:", 5) == 0) {
        memcpy(line, data, len);
        line[len] = '\0';
        time_t t = curl_getdate(text_trim(line + 5), NULL);
        answer->date = t < 0 ? 0 : t;
    }
    return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const volatile int *stop = arg;
    (void)a, (void)b, (void)c, (void)d;
    return stop && *stop;
}

static enum transport_outcome judge(CURLcode code, const char *error, struct fault *f)
{
    char text[300];
    const char *why = *error ? error : curl_easy_strerror(code);
    text_printable(why, strlen(why), text, sizeof text);
    fault_set(f, "%s", text);
    switch (code) {
    case CURLE_OK:
        return TRANSPORT_ANSWERED;
    case CURLE_ABORTED_BY_CALLBACK:
        return TRANSPORT_STOPPED;
    case CURLE_PEER_FAILED_VERIFICATION:
        return TRANSPORT_UNTRUSTED;
    case CURLE_SSL_CACERT_BADFILE:
        return TRANSPORT_BAD_CA_FILE;
    default:
        return TRANSPORT_UNREACHABLE;
    }
}

/* Lists that have to live as long as the handle. */
struct lists {
    struct curl_slist *headers;
    struct curl_slist *connect_to;
};

static void set_bounds(CURL *curl, const struct transport_request *q)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, q->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, q->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* A resolver that hangs is not waited for beyond the deadline. */
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)q->stop);
}

static void set_options(CURL *curl, const struct transport_request *q, struct lists *lists,
                        struct transport_answer *answer, char *error)
{
    char ip[ENDPOINT_TEXT], there[ENDPOINT_TEXT + 8];
    set_bounds(curl, q);
    curl_easy_setopt(curl, CURLOPT_URL, q->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "derp-relay/" DERP_RELAY_VERSION " derp-setup");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    if (q->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
    for (size_t i = 0; i < 2; i++)
        if (q->headers[i])
            lists->headers = curl_slist_append(lists->headers, q->headers[i]);
    if (q->post) {
        lists->headers = curl_slist_append(lists->headers, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->post);
    }
    if (q->unix_socket)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, q->unix_socket);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lists->headers);
    if (q->at) {
        bool six = q->at->any.sa_family == AF_INET6;
        snprintf(there, sizeof there, "::%s%s%s:", six ? "[" : "", endpoint_print_ip(q->at, ip),
                 six ? "]" : "");
        lists->connect_to = curl_slist_append(NULL, there);
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, lists->connect_to);
    }
    if (q->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, q->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
}

static bool is_allowed(const struct transport_request *q)
{
    static const char *const near[] = {"https://", "http://169.254.169.254/",
                                       "http://169.254.0.23/", "http://100.100.100.200/"};
    static const char *const local[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        if (text_starts(q->url, near[i]))
            return true;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (text_starts(q->url, local[i]) && strchr(":/", q->url[strlen(local[i])]))
            return true;
    return q->unix_socket != NULL;
}

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum transport_outcome transport_ask(const struct transport_request *request,
                                     struct transport_answer *answer, struct fault *f)
{
    char error[CURL_ERROR_SIZE] = "";
    struct lists lists = {NULL, NULL};
    memset(answer, 0, sizeof *answer);
    buf_init(&answer->body, TRANSPORT_BODY_MAX);
    if (!is_allowed(request)) {
        fault_set(f, "%s: neither https nor an address of this machine", request->url);
        return TRANSPORT_UNREACHABLE;
    }
    if (request->ca_file && access(request->ca_file, R_OK) != 0) {
        fault_errno(f, "%s", request->ca_file);
        return TRANSPORT_BAD_CA_FILE;
    }
    pthread_once(&started, start);
    CURL *curl = curl_easy_init();
    if (!curl) {
        fault_set(f, "no HTTP client");
        return TRANSPORT_UNREACHABLE;
    }
    set_options(curl, request, &lists, answer, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(lists.headers);
    curl_slist_free_all(lists.connect_to);
    return judge(code, error, f);
}

enum transport_outcome transport_get(const char *url, const char *ca_file, long timeout_ms,
                                     const volatile int *stop, struct transport_answer *answer,
                                     struct fault *f)
{
    const struct transport_request request = {
        .url = url, .ca_file = ca_file, .timeout_ms = timeout_ms, .stop = stop};
    return transport_ask(&request, answer, f);
}

void transport_answer_free(struct transport_answer *answer)
{
    buf_free(&answer->body);
}
