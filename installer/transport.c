/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/transport.h"

#include <curl/curl.h>
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

static void set_options(CURL *curl, const char *url, const char *ca_file, long timeout_ms,
                        const volatile int *stop, struct transport_answer *answer, char *error)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "derp-relay/" DERP_RELAY_VERSION " derp-setup");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)stop);
    if (ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
}

static bool is_allowed(const char *url)
{
    return text_starts(url, "https://") || text_starts(url, "http://127.0.0.1:") ||
           text_starts(url, "http://[::1]:");
}

enum transport_outcome transport_get(const char *url, const char *ca_file, long timeout_ms,
                                     const volatile int *stop, struct transport_answer *answer,
                                     struct fault *f)
{
    char error[CURL_ERROR_SIZE] = "";
    memset(answer, 0, sizeof *answer);
    buf_init(&answer->body, TRANSPORT_BODY_MAX);
    if (!is_allowed(url)) {
        fault_set(f, "%s: neither https nor an address of this machine", url);
        return TRANSPORT_UNREACHABLE;
    }
    if (ca_file && access(ca_file, R_OK) != 0) {
        fault_errno(f, "%s", ca_file);
        return TRANSPORT_BAD_CA_FILE;
    }
    CURL *curl = curl_easy_init();
    if (!curl) {
        fault_set(f, "no HTTP client");
        return TRANSPORT_UNREACHABLE;
    }
    set_options(curl, url, ca_file, timeout_ms, stop, answer, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_cleanup(curl);
    return judge(code, error, f);
}

void transport_answer_free(struct transport_answer *answer)
{
    buf_free(&answer->body);
}
