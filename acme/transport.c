/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/transport.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "acme/budget.h"
#include "acme/header.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define CONNECT_SECONDS 20L
#define REQUEST_MS      60000
#define HEADER_MAX      8192 /* bytes kept of one header's values */

struct transport {
    CURL *curl;
    char *ca_file;
    int64_t deadline_ms;
    char error[CURL_ERROR_SIZE];
};

/* --- Collecting an answer --------------------------------------------------------------------- */

/* Returning less than given makes curl end the transfer with CURLE_WRITE_ERROR. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct response *r = arg;
    return buf_append(&r->body, data, size * count) ? size * count : 0;
}

static void set_once(char **field, char *value)
{
    if (*field)
        free(value);
    else
        *field = value;
}

static void add_link(struct response *r, const char *value)
{
    size_t old = r->links ? strlen(r->links) : 0;
    if (old + strlen(value) + 2 > HEADER_MAX)
        return;
    char *joined = old ? mem_printf("%s, %s", r->links, value) : mem_strdup(value);
    free(r->links);
    r->links = joined;
}

static void take_header(struct response *r, const char *name, char *value)
{
    if (strcasecmp(name, "content-type") == 0) {
        char type[128];
        value[strcspn(value, "; \t")] = '\0';
        text_lower(value, type, sizeof type);
        set_once(&r->type, mem_strdup(type));
    } else if (strcasecmp(name, "location") == 0 && header_is_url(value)) {
        set_once(&r->location, mem_strdup(value));
    } else if (strcasecmp(name, "replay-nonce") == 0 && header_is_nonce(value)) {
        set_once(&r->nonce, mem_strdup(value));
    } else if (strcasecmp(name, "retry-after") == 0) {
        set_once(&r->retry_after, mem_strdup(value));
    } else if (strcasecmp(name, "link") == 0) {
        add_link(r, value);
    } else if (strcasecmp(name, "date") == 0 && !header_date(value, &r->date)) {
        r->date = 0;
    }
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    size_t n = size * count;
    char line[HEADER_MAX];
    if (n < sizeof line && !memchr(data, '\0', n)) {
        memcpy(line, data, n);
        line[n] = '\0';
        char *colon = strchr(line, ':');
        if (colon) {
            *colon = '\0';
            take_header(arg, line, text_trim(colon + 1));
        }
    }
    return n;
}

void response_free(struct response *r)
{
    free(r->type);
    free(r->location);
    free(r->nonce);
    free(r->retry_after);
    free(r->links);
    buf_free(&r->body);
    *r = (struct response){0};
}

/* --- Handles ---------------------------------------------------------------------------------- */

static CURL *handle_new(void)
{
    static bool ready;
    if (!ready)
        ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    CURL *curl = ready ? curl_easy_init() : NULL;
    if (!curl) {
        log_error("libcurl cannot be initialised");
        abort();
    }
    return curl;
}

/* What holds for every transfer: curl_easy_reset() keeps connections and forgets the rest. */
static void handle_reset(CURL *curl)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "derp-relay/" DERP_RELAY_VERSION " (derp-acme)");
}

struct transport *transport_new(const char *ca_file, int64_t deadline_ms, struct failure *fail)
{
    if (ca_file && access(ca_file, R_OK) < 0) {
        failure_set(fail, FAILURE_CONFIGURATION, "ca-file %s cannot be read: %m", ca_file);
        return NULL;
    }
    struct transport *t = mem_alloc(1, sizeof *t);
    t->curl = handle_new();
    t->ca_file = mem_strdup(ca_file);
    t->deadline_ms = deadline_ms;
    return t;
}

void transport_free(struct transport *t)
{
    if (!t)
        return;
    curl_easy_cleanup(t->curl);
    free(t->ca_file);
    free(t);
}

/* --- Requests to the CA ----------------------------------------------------------------------- */

static struct curl_slist *request_headers(enum transport_method method, const char *accept)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Language: en");
    if (method == TRANSPORT_POST) {
        list = curl_slist_append(list, "Content-Type: application/jose+json");
        list = curl_slist_append(list, "Expect:");
    }
    if (accept) {
        char *line = mem_printf("Accept: %s", accept);
        list = curl_slist_append(list, line);
        free(line);
    }
    return list;
}

static void request_setup(struct transport *t, enum transport_method method, const char *url,
                          const char *body, long timeout_ms, struct curl_slist *headers,
                          struct response *r)
{
    CURL *curl = t->curl;
    handle_reset(curl);
    t->error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (t->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, t->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
    if (method == TRANSPORT_HEAD)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (method == TRANSPORT_POST) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    }
}

/* Why curl failed, in words that name the CA's host and what to look at. */
static bool explain(const struct transport *t, CURLcode code, const char *url, struct failure *fail)
{
    const char *reason = t->error[0] ? t->error : curl_easy_strerror(code);
    int host = (int)strcspn(url + strlen("https://"), "/?#") + (int)strlen("https://");
    switch (code) {
    case CURLE_SSL_CACERT_BADFILE:
        return failure_set(fail, FAILURE_CONFIGURATION,
                           "ca-file %s holds no usable certificate: %s",
                           t->ca_file ? t->ca_file : "of the system", reason);
    case CURLE_PEER_FAILED_VERIFICATION:
        return failure_set(fail, FAILURE_NETWORK,
                           "the certificate of %.*s is not trusted (%s); a private CA needs "
                           "ca-file in [acme]",
                           host, url, reason);
    case CURLE_WRITE_ERROR:
        return failure_set(fail, FAILURE_PROTOCOL, "the answer of %.*s is larger than %d bytes",
                           host, url, TRANSPORT_BODY_MAX);
    default:
        return failure_set(fail, FAILURE_NETWORK, "%.*s cannot be reached: %s", host, url, reason);
    }
}

bool transport_request(struct transport *t, enum transport_method method, const char *url,
                       const char *body, const char *accept, struct response *r,
                       struct failure *fail)
{
    int64_t left = t->deadline_ms - clock_mono_ms();
    *r = (struct response){0};
    buf_init(&r->body, TRANSPORT_BODY_MAX);
    if (left <= 0)
        return failure_set(fail, FAILURE_NETWORK,
                           "the time of this run is up (%d minutes); the next one goes on",
                           BUDGET_MS / 60000);
    struct curl_slist *headers = request_headers(method, accept);
    request_setup(t, method, url, body, left < REQUEST_MS ? (long)left : REQUEST_MS, headers, r);
    CURLcode code = curl_easy_perform(t->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return explain(t, code, url, fail);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &r->status);
    log_debug("%s %s: %ld", method == TRANSPORT_POST ? "POST" : "GET", url, r->status);
    return true;
}

/* --- A look at our own port ------------------------------------------------------------------- */

struct echo {
    char wanted[64]; /* "response <challenge>" */
    bool seen;
};

static size_t drop_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data, (void)arg;
    return size * count;
}

static size_t on_echo(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "x-tailscale-response:";
    struct echo *echo = arg;
    size_t n = size * count;
    char line[256];
    if (n < sizeof line && n > strlen(name) && strncasecmp(data, name, strlen(name)) == 0) {
        memcpy(line, data, n);
        line[n] = '\0';
        if (strcmp(text_trim(line + strlen(name)), echo->wanted) == 0)
            echo->seen = true;
    }
    return n;
}

/* The captive-portal check of Tailscale clients: only a DERP relay repeats the challenge. */
static struct curl_slist *echo_headers(struct echo *echo)
{
    uint8_t random[8] = {0};
    char hex[2 * sizeof random + 1];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        log_debug("no random bytes for the relay's echo");
    text_hex(random, sizeof random, hex);
    snprintf(echo->wanted, sizeof echo->wanted, "response %s", hex);
    char *line = mem_printf("X-Tailscale-Challenge: %s", hex);
    struct curl_slist *list = curl_slist_append(NULL, line);
    free(line);
    return list;
}

/* A wildcard is no address to connect to; loopback stands behind it. */
static struct endpoint reachable(const struct endpoint *at)
{
    struct endpoint e = *at;
    if (e.any.sa_family == AF_INET && e.in4.sin_addr.s_addr == htonl(INADDR_ANY))
        e.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (e.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&e.in6.sin6_addr))
        e.in6.sin6_addr = in6addr_loopback;
    return e;
}

/* A host as it stands in a URL. */
static char *url_host(const char *name)
{
    return mem_printf(strchr(name, ':') ? "[%s]" : "%s", name);
}

/* Everything goes to this address, whatever the URL says. */
static struct curl_slist *route_to(const struct endpoint *at)
{
    char text[ENDPOINT_TEXT];
    char *line = mem_printf("::%s", endpoint_print(at, text));
    struct curl_slist *route = curl_slist_append(NULL, line);
    free(line);
    return route;
}

static size_t on_plain_body(char *data, size_t size, size_t count, void *arg)
{
    struct buf *body = arg;
    return buf_append(body, data, size * count) ? size * count : 0;
}

bool transport_plain(const struct endpoint *at, const char *host, const char *path, long timeout_ms,
                     struct buf *body, long *status, char *error, size_t cap)
{
    char reason[CURL_ERROR_SIZE] = "";
    struct endpoint to = reachable(at);
    CURL *curl = handle_new();
    char *name = url_host(host);
    char *url = mem_printf("http://%s:%u%s", name, endpoint_port(&to), path);
    struct curl_slist *route = route_to(&to);
    handle_reset(curl);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, route);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_plain_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    *status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    bool ok = code == CURLE_OK || (code == CURLE_WRITE_ERROR && *status > 0);
    snprintf(error, cap, "%s", ok ? "" : reason[0] ? reason : curl_easy_strerror(code));
    curl_easy_cleanup(curl);
    curl_slist_free_all(route);
    free(url);
    free(name);
    return ok;
}

static void look_setup(CURL *curl, const char *url, struct curl_slist *route, long timeout_ms,
                       struct curl_slist *headers, struct echo *echo, char *error)
{
    handle_reset(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, route);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_echo);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, echo);
}

/* The first certificate that curl wrote down, in PEM. */
static char *leaf_of(CURL *curl)
{
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
        info->num_of_certs < 1)
        return NULL;
    for (struct curl_slist *one = info->certinfo[0]; one; one = one->next) {
        if (text_starts(one->data, "Cert:"))
            return mem_strdup(one->data + strlen("Cert:"));
    }
    return NULL;
}

static enum transport_peer judge(CURL *curl, CURLcode code, bool leaf)
{
    curl_off_t connected = 0;
    if (leaf)
        return TRANSPORT_TLS;
    curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
    if (code == CURLE_OPERATION_TIMEDOUT && connected > 0)
        return TRANSPORT_SILENT;
    return connected > 0 ? TRANSPORT_NO_TLS : TRANSPORT_CLOSED;
}

void transport_look(const struct endpoint *at, const char *name, long timeout_ms,
                    struct transport_look *look)
{
    char error[CURL_ERROR_SIZE] = "";
    struct endpoint to = reachable(at);
    struct echo echo = {0};
    *look = (struct transport_look){0};

    CURL *curl = handle_new();
    char *host = url_host(name);
    char *url = mem_printf("https://%s:%u/generate_204", host, endpoint_port(&to));
    struct curl_slist *route = route_to(&to);
    struct curl_slist *headers = echo_headers(&echo);
    look_setup(curl, url, route, timeout_ms, headers, &echo, error);

    CURLcode code = curl_easy_perform(curl);
    look->leaf = leaf_of(curl);
    look->peer = judge(curl, code, look->leaf != NULL);
    look->relay = echo.seen;
    if (code != CURLE_OK)
        snprintf(look->error, sizeof look->error, "%s",
                 error[0] ? error : curl_easy_strerror(code));
    curl_easy_cleanup(curl);
    curl_slist_free_all(route);
    curl_slist_free_all(headers);
    free(url);
    free(host);
}

void transport_look_free(struct transport_look *look)
{
    free(look->leaf);
    *look = (struct transport_look){0};
}
