/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/client/client.c"

#include "base/clock.h"
#include "tests/unit/fake_relay.h"

/* What a client's owner saw. */
struct owner {
    struct loop *loop;
    struct derp_client *client;
    struct fake_relay *relay;
    int ready, packets, pongs, gone, present, filled, restarting, health, drained;
    size_t bytes;
    bool fast;
    bool seen;
    struct tls_peer peer;
    char closed[600];
    void (*when_ready)(struct owner *o);
    int until_packets; /* close after so many */
};

static struct keypair keys;

static int make_keys(void **state)
{
    (void)state;
    uint8_t seed[KEY_LEN];

    randombytes_buf(seed, sizeof(seed));
    keypair_from_seed(seed, &keys);
    return 0;
}

static void see_ready(void *owner)
{
    struct owner *o = owner;

    o->ready++;
    o->fast = derp_client_was_fast(o->client);
    o->seen = derp_client_peer(o->client, &o->peer);
    assert_true(node_key_equal(derp_client_server_key(o->client), &o->relay->keys.public_key));
    if (o->when_ready)
        o->when_ready(o);
    else
        derp_client_close(o->client);
}

static void see_packet(void *owner, const struct node_key *src, const uint8_t *data, size_t len)
{
    struct owner *o = owner;

    assert_true(node_key_equal(src, &keys.public_key));
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], (uint8_t)(o->packets + (int)i));
    o->packets++;
    o->bytes += len;
    if (o->packets == o->until_packets)
        derp_client_close(o->client);
}

static void see_pong(void *owner, const uint8_t data[static 8])
{
    struct owner *o = owner;

    assert_memory_equal(data, "question", 8);
    o->pongs++;
    derp_client_close(o->client);
}

static void see_gone(void *owner, const struct node_key *peer, uint8_t reason)
{
    struct owner *o = owner;

    assert_true(node_key_equal(peer, &keys.public_key));
    assert_int_equal(reason, PEER_GONE_NOT_HERE);
    o->gone++;
}

static void see_present(void *owner, const struct peer_present *peer)
{
    assert_true(node_key_equal(&peer->key, &keys.public_key));
    ((struct owner *)owner)->present++;
}

/* A queue of the owner's: one NotePreferred, then one packet to itself. */
static size_t give_frames(void *owner, uint8_t *out, size_t room, bool rest_only)
{
    struct owner *o = owner;

    if (rest_only)
        return 0;
    assert_true(room >= FRAME_HEADER_LEN + KEY_LEN + 1);
    switch (o->filled++) {
    case 1:
        frame_put_header(out, FRAME_NOTE_PREFERRED, 1);
        out[FRAME_HEADER_LEN] = 1;
        return FRAME_HEADER_LEN + 1;
    case 2:
        frame_put_header(out, FRAME_SEND_PACKET, KEY_LEN + 1);
        memcpy(out + FRAME_HEADER_LEN, keys.public_key.bytes, KEY_LEN);
        out[FRAME_HEADER_LEN + KEY_LEN] = 0;
        return FRAME_HEADER_LEN + KEY_LEN + 1;
    default:
        return 0;
    }
}

/* A packet to itself, which the line takes in halves; the second one only when it must. */
static size_t give_halves(void *owner, uint8_t *out, size_t room, bool rest_only)
{
    struct owner *o = owner;
    uint8_t frame[FRAME_HEADER_LEN + KEY_LEN + 1] = {0};
    size_t half = sizeof frame / 2, n = 0;

    assert_true(room >= sizeof frame);
    frame_put_header(frame, FRAME_SEND_PACKET, KEY_LEN + 1);
    memcpy(frame + FRAME_HEADER_LEN, keys.public_key.bytes, KEY_LEN);
    if (o->filled == 0 && !rest_only)
        memcpy(out, frame, n = half);
    else if (o->filled == 1 && rest_only)
        memcpy(out, frame + half, n = sizeof frame - half);
    o->filled += n > 0;
    return n;
}

static void see_health(void *owner, const char *problem)
{
    assert_string_equal(problem, "ill");
    ((struct owner *)owner)->health++;
}

static void see_restarting(void *owner, uint32_t reconnect_in_ms, uint32_t try_for_ms)
{
    struct owner *o = owner;

    assert_int_equal(reconnect_in_ms, 5);
    assert_int_equal(try_for_ms, 6);
    o->restarting++;
    assert_true(derp_client_ping(o->client, (const uint8_t *)"question"));
}

static void see_drained(void *owner)
{
    ((struct owner *)owner)->drained++;
}

static void see_closed(void *owner, const char *reason)
{
    struct owner *o = owner;

    if (!o->seen)
        o->seen = derp_client_peer(o->client, &o->peer);
    snprintf(o->closed, sizeof(o->closed), "%s", reason);
    o->client = NULL;
    loop_stop(o->loop);
}

static const struct derp_client_events events = {
    .on_ready = see_ready,
    .on_packet = see_packet,
    .on_peer_gone = see_gone,
    .on_peer_present = see_present,
    .on_pong = see_pong,
    .on_health = see_health,
    .on_restarting = see_restarting,
    .on_drained = see_drained,
    .on_closed = see_closed,
};

/* How a run differs from the ordinary one. */
struct variant {
    enum fake_mode mode;
    bool slow_start; /* no fast start */
    bool untrusted;  /* the relay's certificate is not among the roots */
    const char *name;
    int connect_ms; /* deadlines; 0: 5 s */
    int login_ms;
    int idle_ms;
    size_t send_max;
    void (*when_ready)(struct owner *o);
    int until_packets;
    size_t (*own_queue)(void *owner, uint8_t *out, size_t room, bool rest_only);
};

/* One client against one relay, until the client is closed. */
static struct owner run(const struct variant *v)
{
    struct owner o = {.when_ready = v->when_ready, .until_packets = v->until_packets};
    struct derp_client_options opt;
    struct derp_client_events calls = events;
    struct fault f;

    calls.on_fill = v->own_queue;
    o.relay = fake_relay_start(v->mode);
    o.loop = loop_new();
    derp_client_defaults(&opt);
    opt.loop = o.loop;
    opt.scratch = conn_scratch_new();
    opt.tls = tls_context_client(v->untrusted ? NULL : o.relay->ca_file, TLS_VERIFY_REQUIRE, &f);
    opt.to = o.relay->at;
    opt.name = v->name ? v->name : "relay.test";
    opt.keys = &keys;
    opt.fast_start = !v->slow_start;
    opt.connect_timeout_ms = v->connect_ms ? v->connect_ms : 5000;
    opt.login_timeout_ms = v->login_ms ? v->login_ms : 5000;
    opt.idle_timeout_ms = v->idle_ms;
    if (v->send_max)
        opt.send_max = v->send_max;
    o.client = derp_client_connect(&opt, &calls, &o, &f);
    assert_non_null(o.client);
    assert_false(derp_client_send(o.client, &keys.public_key, "x", 1)); /* too early */
    loop_run(o.loop);
    assert_null(o.client);
    fake_relay_stop(o.relay);
    tls_context_free(opt.tls);
    conn_scratch_free(opt.scratch);
    loop_free(o.loop);
    return o;
}

static void done_with(struct owner *o)
{
    free(o->relay);
}

static void test_ways_to_log_in(void **state)
{
    (void)state;
    static const struct {
        struct variant v;
        bool fast;
        bool meta;
    } rows[] = {
        {{.mode = FAKE_GOOD}, true, true},
        {{.mode = FAKE_GOOD, .slow_start = true}, false, true},
        {{.mode = FAKE_NO_META}, false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct owner o = run(&rows[i].v);

        assert_string_equal(o.closed, "closed by us");
        assert_int_equal(o.ready, 1);
        assert_int_equal(o.fast, rows[i].fast);
        assert_true(o.seen && o.peer.is_tls13 && o.peer.verified);
        assert_int_equal(o.peer.has_meta, rows[i].meta);
        done_with(&o);
    }
}

static void stay(struct owner *o)
{
    (void)o;
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        struct variant v;
        const char *reason;
        bool ready;
        bool seen; /* TLS */
    } rows[] = {
        {{.mode = FAKE_SILENT_TCP, .connect_ms = 200}, "waiting for the connection", false, false},
        {{.mode = FAKE_SILENT_HTTP, .login_ms = 300, .slow_start = true},
         "within 300 ms while waiting for the answer to the upgrade",
         false,
         true},
        {{.mode = FAKE_SILENT_HTTP, .login_ms = 300}, "for the server's key", false, true},
        {{.mode = FAKE_SILENT_LOGIN, .login_ms = 300}, "for the admission", false, true},
        {{.mode = FAKE_GOOD, .idle_ms = 200, .when_ready = stay}, "within 200 ms", true, true},
        {{.mode = FAKE_REFUSE}, "the server closed the connection while waiting", false, true},
        {{.mode = FAKE_NOT_FOUND, .slow_start = true}, "HTTP status 404", false, true},
        {{.mode = FAKE_TOO_LONG, .when_ready = stay}, "longer than DERP allows", true, true},
        {{.mode = FAKE_GOOD, .untrusted = true}, "cannot connect to relay.test", false, false},
        {{.mode = FAKE_GOOD, .name = "other.test"}, "cannot connect to other.test", false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t start = clock_mono_ms();
        struct owner o = run(&rows[i].v);

        assert_true(clock_mono_ms() - start < 3000);
        if (!strstr(o.closed, rows[i].reason))
            fail_msg("row %zu: \"%s\" is not in \"%s\"", i, rows[i].reason, o.closed);
        assert_int_equal(o.ready, rows[i].ready);
        assert_int_equal(o.seen, rows[i].seen);
        done_with(&o);
    }
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct derp_client_options opt;
    struct owner o = {.loop = loop_new()};
    struct fault f;
    socklen_t len = sizeof(opt.to);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    derp_client_defaults(&opt);
    opt.loop = o.loop;
    opt.scratch = conn_scratch_new();
    opt.name = "127.0.0.1";
    opt.keys = &keys;
    assert_true(endpoint_parse_ip("127.0.0.1", &opt.to));
    assert_return_code(bind(fd, &opt.to.any, endpoint_len(&opt.to)), errno); /* no listen() */
    assert_return_code(getsockname(fd, &opt.to.any, &len), errno);
    o.client = derp_client_connect(&opt, &events, &o, &f);
    /* The kernel may tell at once or later. */
    if (o.client)
        loop_run(o.loop);
    assert_non_null(strstr(o.closed[0] ? o.closed : f.text, "refused"));
    close(fd);
    conn_scratch_free(opt.scratch);
    loop_free(o.loop);
}

static void test_no_such_network(void **state)
{
    (void)state;
    struct derp_client_options opt;
    struct fault f;

    derp_client_defaults(&opt);
    opt.name = "h";
    opt.keys = &keys;
    opt.to.any.sa_family = 12345;
    assert_null(derp_client_connect(&opt, &events, NULL, &f));
    assert_non_null(strstr(f.text, "cannot connect to"));
}

/* --- Packets --------------------------------------------------------------------------------- */

#define MANY 200

/* Packets of all sizes, as many at once as there is room for. */
static void send_many(struct owner *o)
{
    static uint8_t packet[FRAME_PACKET_MAX + 1];

    derp_client_cork(o->client, true);
    for (int i = 0; i < MANY; i++) {
        size_t len = i == 0 ? FRAME_PACKET_MAX : i == 1 ? 0 : (size_t)i * 37 % 3000;

        for (size_t k = 0; k < len; k++)
            packet[k] = (uint8_t)((size_t)i + k);
        assert_true(derp_client_send(o->client, &keys.public_key, packet, len));
    }
    assert_false(derp_client_send(o->client, &keys.public_key, packet, FRAME_PACKET_MAX + 1));
    assert_true(derp_client_note_preferred(o->client, true));
    derp_client_cork(o->client, false);
}

static void test_packets_come_back_in_order(void **state)
{
    (void)state;
    const struct variant v = {.mode = FAKE_GOOD, .when_ready = send_many, .until_packets = MANY};
    struct owner o = run(&v);

    assert_string_equal(o.closed, "closed by us");
    assert_int_equal(o.packets, MANY);
    assert_int_equal(o.relay->home, 1);
    assert_true(o.drained > 0);
    done_with(&o);
}

static void overfill(struct owner *o)
{
    static const uint8_t packet[5000];

    derp_client_cork(o->client, true);
    assert_false(derp_client_send(o->client, &keys.public_key, packet, 5000));
    assert_true(derp_client_send(o->client, &keys.public_key, packet, 4000));
    assert_false(derp_client_send(o->client, &keys.public_key, packet, 4000));
    derp_client_close(o->client);
    assert_false(derp_client_send(o->client, &keys.public_key, packet, 1)); /* closed */
    derp_client_close(o->client);                                           /* and again */
}

static void test_the_queue_is_bounded(void **state)
{
    (void)state;
    const struct variant v = {.mode = FAKE_GOOD, .send_max = 4500, .when_ready = overfill};
    struct owner o = run(&v);

    assert_string_equal(o.closed, "closed by us");
    done_with(&o);
}

static void test_all_events(void **state)
{
    (void)state;
    const struct variant v = {.mode = FAKE_TALKATIVE, .when_ready = stay};
    struct owner o = run(&v);

    assert_string_equal(o.closed, "closed by us"); /* by the pong */
    assert_int_equal(o.health, 1);
    assert_int_equal(o.present, 1);
    assert_int_equal(o.gone, 1);
    assert_int_equal(o.restarting, 1);
    assert_int_equal(o.pongs, 1);
    assert_int_equal(o.relay->pongs, 1); /* its ping was answered */
    done_with(&o);
}

static struct loop_wake later;

static void flush_later(void *arg)
{
    struct owner *o = arg;

    derp_client_flush(o->client);
    loop_wake_stop(&later);
}

static void watch(struct owner *o)
{
    assert_true(derp_client_watch(o->client));
    derp_client_flush(o->client); /* within a callback it would come too early */
    assert_int_equal(o->filled, 0);
    loop_wake_init(&later, o->loop, flush_later, o);
    loop_wake_send(&later);
}

static void test_watch_and_a_queue_of_the_owner(void **state)
{
    (void)state;
    const struct variant v = {
        .mode = FAKE_GOOD, .when_ready = watch, .until_packets = 1, .own_queue = give_frames};
    struct owner o = run(&v);

    assert_string_equal(o.closed, "closed by us");
    assert_int_equal(o.relay->watched, 1);
    assert_int_equal(o.relay->home, 1);
    assert_int_equal(o.packets, 1);
    done_with(&o);
}

static void ping_in_between(void *arg)
{
    struct owner *o = arg;

    derp_client_flush(o->client);
    assert_int_equal(o->filled, 1);
    assert_true(derp_client_ping(o->client, (const uint8_t *)"question"));
    loop_wake_stop(&later);
}

static void give_half_and_ping(struct owner *o)
{
    loop_wake_init(&later, o->loop, ping_in_between, o);
    loop_wake_send(&later);
}

/* Our own frames go between those of the owner, never into one. */
static void test_ping_while_a_frame_of_the_owner_is_cut(void **state)
{
    (void)state;
    const struct variant v = {.mode = FAKE_GOOD,
                              .when_ready = give_half_and_ping,
                              .own_queue = give_halves,
                              .idle_ms = 3000};
    struct owner o = run(&v);

    assert_string_equal(o.closed, "closed by us"); /* by the pong */
    assert_int_equal(o.packets, 1);
    assert_int_equal(o.pongs, 1);
    done_with(&o);
}

static struct loop_timer sign;

static void give_a_sign(void *arg)
{
    struct owner *o = arg;

    assert_true(derp_client_send(o->client, &keys.public_key, "", 0)); /* comes back */
}

static void stay_and_speak_once(struct owner *o)
{
    loop_timer_init(&sign, o->loop, give_a_sign, o);
    loop_timer_set(&sign, 300);
}

/* The server's silence counts from its last word, not from the login. */
static void test_silence_begins_anew_with_each_word(void **state)
{
    (void)state;
    const struct variant v = {
        .mode = FAKE_GOOD, .idle_ms = 1000, .when_ready = stay_and_speak_once};
    int64_t start = clock_mono_ms();
    struct owner o = run(&v);

    assert_true(clock_mono_ms() - start >= 1300);
    assert_int_equal(o.packets, 1);
    assert_non_null(strstr(o.closed, "within 1000 ms"));
    done_with(&o);
}

static void test_host_header(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t port;
        const char *header;
    } rows[] = {
        {"derp.demo.com", 443, "derp.demo.com"}, {"derp.demo.com", 8443, "derp.demo.com:8443"},
        {"192.0.2.1", 443, "192.0.2.1"},         {"2001:db8::1", 443, "[2001:db8::1]"},
        {"2001:db8::1", 1, "[2001:db8::1]:1"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *header = host_header(rows[i].name, rows[i].port);

        assert_string_equal(header, rows[i].header);
        free(header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_to_log_in),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_no_such_network),
        cmocka_unit_test(test_packets_come_back_in_order),
        cmocka_unit_test(test_the_queue_is_bounded),
        cmocka_unit_test(test_all_events),
        cmocka_unit_test(test_watch_and_a_queue_of_the_owner),
        cmocka_unit_test(test_ping_while_a_frame_of_the_owner_is_cut),
        cmocka_unit_test(test_silence_begins_anew_with_each_word),
        cmocka_unit_test(test_host_header),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
