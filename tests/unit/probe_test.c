/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/client/probe.c"
#include "derp/client/stun_probe.c"

#include "tests/unit/fake_relay.h"

/* One probe of a relay in this mode. */
static bool probe_of(enum fake_mode mode, const struct derp_probe_options *base, bool trusted,
                     struct derp_probe_result *r, struct fault *f)
{
    struct fake_relay *relay = fake_relay_start(mode);
    struct derp_probe_options opt = *base;

    opt.to = relay->at;
    if (!opt.name)
        opt.name = "relay.test";
    if (trusted)
        opt.ca_file = relay->ca_file;
    bool ok = derp_probe(&opt, r, f);
    if (ok)
        assert_memory_equal(r->server_key, relay->keys.public_key.bytes, KEY_LEN);
    struct identity_info info;
    identity_info(relay->id, &info);
    if (r->tls.seen) {
        assert_memory_equal(r->tls.sha256, info.sha256, 32);
        assert_true(r->tls.not_after == info.not_after && r->tls.not_before == info.not_before);
    }
    fake_relay_stop(relay);
    free(relay);
    return ok;
}

static void test_a_packet_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 1280, FRAME_PACKET_MAX};
    struct derp_probe_result r;
    struct fault f;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct derp_probe_options opt = {
            .packet_len = sizes[i], .require_verified = true, .no_fast_start = i % 2 == 1};

        if (!probe_of(FAKE_GOOD, &opt, true, &r, &f))
            fail_msg("%zu bytes: %s", sizes[i], f.text);
        assert_true(r.logged_in && r.relayed && r.sent == 1);
        assert_int_equal(r.fast_start, i % 2 == 0);
        assert_true(r.login_us > 0 && r.rtt_us > 0);
        assert_true(r.tls.verified && r.tls.is_tls13 && r.tls.has_meta);
        assert_int_equal(r.tls.chain_length, 2);
    }
}

static void test_a_lost_packet_is_sent_again(void **state)
{
    (void)state;
    const struct derp_probe_options opt = {.packet_len = 100};
    struct derp_probe_result r;
    struct fault f;

    assert_true(probe_of(FAKE_LOSSY, &opt, true, &r, &f));
    assert_int_equal(r.sent, 2);
    assert_true(r.rtt_us < RESEND_MS * 1000);
}

static void test_a_late_packet_counts_from_its_own_send(void **state)
{
    (void)state;
    const struct derp_probe_options opt = {.packet_len = 100};
    struct derp_probe_result r;
    struct fault f;

    assert_true(probe_of(FAKE_LATE, &opt, true, &r, &f));
    assert_int_equal(r.sent, 2);
    assert_true(r.rtt_us >= RESEND_MS * 1000 - 1000);
}

static void test_an_unverified_certificate(void **state)
{
    (void)state;
    struct derp_probe_options opt = {.packet_len = 100};
    struct derp_probe_result r;
    struct fault f;

    assert_true(probe_of(FAKE_GOOD, &opt, false, &r, &f)); /* told, not demanded */
    assert_false(r.tls.verified);
    assert_non_null(strstr(r.tls.verify_error, "self-signed"));
    opt.require_verified = true;
    assert_false(probe_of(FAKE_GOOD, &opt, false, &r, &f));
    assert_non_null(strstr(f.text, "the certificate for relay.test cannot be verified: self"));
    assert_true(r.tls.seen && !r.relayed);
    opt.name = "other.test";
    assert_false(probe_of(FAKE_GOOD, &opt, true, &r, &f));
    assert_non_null(strstr(f.text, "the certificate for other.test"));
    assert_false(probe_of(FAKE_REFUSE, &opt, true, &r, &f));
    assert_non_null(strstr(f.text, "the certificate for other.test"));
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        enum fake_mode mode;
        int timeout_ms;
        bool logged_in;
        bool seen;
        const char *reason;
    } rows[] = {
        {FAKE_SILENT_TCP, 300, false, false, "no DERP login within"},
        {FAKE_SILENT_LOGIN, 500, false, true, "no DERP login within"},
        {FAKE_REFUSE, 5000, false, true, "client: the server closed the connection"},
        {FAKE_BLACKHOLE, 1200, true, true, "a packet of 100 bytes did not come back"},
        {FAKE_CORRUPT, 5000, true, true, "other content"},
        {FAKE_TOO_LONG, 5000, false, true, "longer than DERP allows"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct derp_probe_options opt = {.packet_len = 100, .timeout_ms = rows[i].timeout_ms};
        struct derp_probe_result r;
        struct fault f = {.text = ""};

        assert_false(probe_of(rows[i].mode, &opt, true, &r, &f));
        if (!strstr(f.text, rows[i].reason))
            fail_msg("row %zu: %s", i, f.text);
        if (rows[i].mode != FAKE_TOO_LONG)
            assert_int_equal(r.logged_in, rows[i].logged_in);
        assert_int_equal(r.tls.seen, rows[i].seen);
        assert_false(r.relayed);
        if (rows[i].mode == FAKE_BLACKHOLE)
            assert_true(r.sent >= 2);
    }
}

static void test_the_stop_flag(void **state)
{
    (void)state;
    volatile int stop = 1;
    struct derp_probe_options opt = {.stop = &stop};
    struct derp_probe_result r;
    struct fault f;
    int64_t start = clock_mono_ms();

    assert_false(probe_of(FAKE_SILENT_TCP, &opt, true, &r, &f));
    assert_string_equal(f.text, "interrupted");
    assert_true(clock_mono_ms() - start < 5000);
    stop = 0;
    assert_true(probe_of(FAKE_GOOD, &opt, true, &r, &f));
}

static void test_no_way_there(void **state)
{
    (void)state;
    struct derp_probe_options opt = {.name = "h", .ca_file = "/nonexistent"};
    struct derp_probe_result r;
    struct fault f;

    assert_false(derp_probe(&opt, &r, &f));
    assert_non_null(strstr(f.text, "/nonexistent"));
    opt.ca_file = NULL;
    opt.to.any.sa_family = 12345;
    assert_false(derp_probe(&opt, &r, &f));
    assert_non_null(strstr(f.text, "cannot connect"));
}

/* --- STUN ------------------------------------------------------------------------------------ */

/* A STUN server on a thread: ignores so many requests, answers the next, and ends. */
struct fake_stun {
    struct endpoint at;
    int fd;
    int ignore;
    bool wrong_first; /* garbage and a wrong transaction before the answer */
    pthread_t thread;
};

static void *stun_serve(void *arg)
{
    struct fake_stun *s = arg;
    uint8_t txid[STUN_TXID_LEN];
    uint8_t data[2000];
    uint8_t out[STUN_RESPONSE_MAX];

    for (;;) {
        struct endpoint from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(s->fd, data, sizeof(data), 0, &from.any, &len);

        assert_true(n >= 0);
        if (n == 0)
            return NULL; /* asked to end */
        assert_int_equal(stun_read_request(data, (size_t)n, txid), STUN_REQUEST);
        if (s->ignore-- > 0)
            continue;
        if (s->wrong_first) {
            sendto(s->fd, "garbage", 7, 0, &from.any, len);
            txid[0] ^= 1;
            size_t m = stun_write_response(out, txid, &from);
            sendto(s->fd, out, m, 0, &from.any, len);
            txid[0] ^= 1;
        }
        size_t m = stun_write_response(out, txid, &from);
        sendto(s->fd, out, m, 0, &from.any, len);
    }
}

static int udp_socket(struct endpoint *at)
{
    socklen_t len = sizeof(*at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(endpoint_parse_ip("127.0.0.1", at));
    assert_return_code(bind(fd, &at->any, endpoint_len(at)), errno);
    assert_return_code(getsockname(fd, &at->any, &len), errno);
    return fd;
}

static void test_stun_answers(void **state)
{
    (void)state;
    for (int ignore = 0; ignore < 2; ignore++) {
        struct fake_stun s = {.ignore = ignore, .wrong_first = true};
        struct endpoint mapped;
        struct fault f;
        int64_t rtt_us = 0;

        s.fd = udp_socket(&s.at);
        assert_int_equal(pthread_create(&s.thread, NULL, stun_serve, &s), 0);
        if (!stun_probe(&s.at, 5000, NULL, &mapped, &rtt_us, &f))
            fail_msg("%s", f.text);
        assert_true(endpoint_is_loopback(&mapped));
        assert_int_not_equal(endpoint_port(&mapped), 0);
        assert_true(rtt_us > 0 && rtt_us < STUN_RESEND_MS * 1000);
        sendto(s.fd, "", 0, 0, &s.at.any, endpoint_len(&s.at));
        pthread_join(s.thread, NULL);
        close(s.fd);
    }
}

static void test_stun_silence_and_refusal(void **state)
{
    (void)state;
    struct endpoint at;
    struct endpoint mapped;
    struct fault f;
    volatile int stop = 1;
    int fd = udp_socket(&at);

    assert_false(stun_probe(&at, 400, NULL, &mapped, NULL, &f));
    assert_non_null(strstr(f.text, "did not answer within 400 ms"));
    assert_false(stun_probe(&at, 60000, &stop, &mapped, NULL, &f));
    assert_string_equal(f.text, "interrupted");
    close(fd);
    assert_false(stun_probe(&at, 5000, NULL, &mapped, NULL, &f));
    assert_non_null(strstr(f.text, "refused"));
    at.any.sa_family = 12345;
    assert_false(stun_probe(&at, 100, NULL, &mapped, NULL, &f));
    assert_non_null(strstr(f.text, "no UDP socket"));
}

static void test_stun_without_a_way(void **state)
{
    (void)state;
    struct endpoint broadcast;
    struct endpoint mapped;
    struct fault f;

    assert_true(endpoint_parse("255.255.255.255:3478", 0, &broadcast)); /* EACCES */
    assert_false(stun_probe(&broadcast, 100, NULL, &mapped, NULL, &f));
    assert_non_null(strstr(f.text, "no way to 255.255.255.255:3478"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_packet_comes_back),
        cmocka_unit_test(test_a_lost_packet_is_sent_again),
        cmocka_unit_test(test_a_late_packet_counts_from_its_own_send),
        cmocka_unit_test(test_an_unverified_certificate),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_the_stop_flag),
        cmocka_unit_test(test_no_way_there),
        cmocka_unit_test(test_stun_answers),
        cmocka_unit_test(test_stun_silence_and_refusal),
        cmocka_unit_test(test_stun_without_a_way),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
