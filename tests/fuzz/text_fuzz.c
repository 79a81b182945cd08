/* SPDX-License-Identifier: Apache-2.0 */
/* The small strict parsers: the first byte chooses one, the rest is its text. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void numbers(const char *s)
{
    uint64_t v;
    char again[32];
    if (text_number(s, 1, UINT64_MAX, &v) && s[0] != '0') {
        snprintf(again, sizeof again, "%llu", (unsigned long long)v);
        assert(strcmp(again, s) == 0);
    }
    if (text_duration(s, 1000000, &v))
        assert(v <= 1000000);
    if (text_rate(s, &v))
        assert(v > 0 && v % 1000 == 0);
}

static void hostname(const char *s)
{
    const char *why = NULL;
    char lower[256];
    if (text_is_hostname(s, &why)) {
        text_lower(s, lower, sizeof lower);
        assert(strlen(lower) <= 253 && strchr(lower, '.'));
        assert(text_is_hostname(lower, NULL));
    } else {
        assert(why);
    }
}

static void base64url(const char *s)
{
    uint8_t bytes[256];
    size_t n;
    if (!text_unbase64url(s, bytes, sizeof bytes, &n))
        return;
    char *again = text_base64url(bytes, n);
    assert(strcmp(again, s) == 0); /* one text per value */
    free(again);
}

static void hex(const char *s)
{
    uint8_t bytes[16];
    char again[33];
    if (!text_unhex(s, bytes, sizeof bytes))
        return;
    text_hex(bytes, sizeof bytes, again);
    assert(strlen(s) == strlen(again));
}

static void endpoint(const char *s)
{
    struct endpoint e;
    struct endpoint again;
    char text[ENDPOINT_TEXT];
    if (!endpoint_parse(s, 443, &e))
        return;
    assert(endpoint_parse(endpoint_print(&e, text), 0, &again));
    assert(endpoint_same_ip(&e, &again) && endpoint_port(&e) == endpoint_port(&again));
    endpoint_unmap(&again);
    assert(endpoint_same_ip(&e, &again));
}

static void date(const char *s)
{
    time_t t;
    time_t again;
    char text[CLOCK_TEXT];
    if (!clock_parse(s, &t))
        return;
    assert(clock_parse(clock_print(t, text), &again) && again == t);
}

static void render(const uint8_t *data, size_t size)
{
    char out[64];
    text_printable(data, size, out, sizeof out);
    assert(strlen(out) < sizeof out);
    for (const char *p = out; *p; p++)
        assert(*p >= 0x20 && *p < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(const char *) = {numbers, hostname, base64url,
                                                    hex,     endpoint, date};
    if (size == 0)
        return 0;
    char *s = mem_alloc(size, 1);
    memcpy(s, data + 1, size - 1);
    parsers[data[0] % (sizeof parsers / sizeof *parsers)](s);
    render(data + 1, size - 1);
    text_trim(s);
    free(s);
    return 0;
}
