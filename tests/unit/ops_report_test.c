/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/metrics.c"
#include "derp/ops/status.c"

#include "tests/unit/unit.h"

/* The n-th counter has the value 1000 + n, so that none is taken for another. */
static struct report example(void)
{
    struct report r = {
        .domain = "derp.demo.com",
        .now = 1000000,
        .started = 990000,
        .workers = 3,
        .reloads_ok = 4,
        .reloads_failed = 5,
        .certificate = {.state = CERTIFICATE_GOOD,
                        .info = {.not_before = 900000,
                                 .not_after = 1000000 + 10 * 86400 + 1,
                                 .subject = "derp.demo.com",
                                 .issuer = "A \"CA\""},
                        .reloads = 6,
                        .refused = 7,
                        .problem = "no"},
        .gauges = {.connections = 11, .clients = 12, .home = 13, .keys = 14, .contested = 15},
    };

    r.mesh_count = 3;
    r.mesh[0] = (struct mesh_status){.node = "one:443", .state = MESH_UP, .keys = 21};
    r.mesh[1] = (struct mesh_status){.node = "two:443", .state = MESH_SELF};
    r.mesh[2] = (struct mesh_status){.node = "three:443", .problem = "refused"};
    memset(r.server_key.bytes, 0xab, KEY_LEN);
    for (int i = 0; i < COUNTERS; i++)
        r.counters[i] = 1000 + (uint64_t)i;
    return r;
}

static unsigned occurrences(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *p = strstr(text, what); p != NULL; p = strstr(p + 1, what))
        n++;
    return n;
}

static void has(const char *text, const char *what)
{
    if (occurrences(text, what) != 1)
        fail_msg("%u times: %s", occurrences(text, what), what);
}

/* A histogram's buckets hold what is in those below, too; counter i of the example is 1000 + i. */
static void has_queue_times(const char *text)
{
    char line[256];
    uint64_t count = 0;

    has(text, "\n# TYPE derp_queue_seconds histogram\n");
    for (int i = COUNTER_QUEUE_1MS; i <= COUNTER_QUEUE_MORE; i++) {
        count += 1000 + (uint64_t)i;
        snprintf(line, sizeof line, "\nderp_queue_seconds_bucket{le=\"%s\"} %" PRIu64 "\n",
                 rows[i].labels, count);
        has(text, line);
    }
    snprintf(line, sizeof line, "\nderp_queue_seconds_count %" PRIu64 "\n", count);
    has(text, line);
    snprintf(line, sizeof line, "\nderp_queue_seconds_sum %.15g\n",
             (1000 + COUNTER_QUEUE_SUM) / 1e3);
    has(text, line);
}

/* Prometheus refuses a page in which a name has two headings or a series two values. */
static void test_metrics(void **state)
{
    (void)state;
    struct report r = example();
    struct buf out;
    const char *text;

    buf_init(&out, 1 << 20);
    report_metrics(&r, &out);
    text = buf_text(&out);
    for (int i = 0; i < COUNTER_QUEUE_1MS; i++) {
        char line[256];
        snprintf(line, sizeof line, "# TYPE %s counter\n", rows[i].name);
        has(text, line);
        snprintf(line, sizeof line, "\n%s%s%s%s %d\n", rows[i].name,
                 rows[i].labels[0] != '\0' ? "{" : "", rows[i].labels,
                 rows[i].labels[0] != '\0' ? "}" : "", 1000 + i);
        has(text, line);
    }
    has_queue_times(text);
    has(text, "\nderp_start_time_seconds 990000\n");
    has(text, "\nderp_certificate_good 1\n");
    has(text, "\nderp_certificate_reloads_total{outcome=\"failed\"} 7\n");
    has(text, "\nderp_config_reloads_total{outcome=\"ok\"} 4\n");
    has(text, "\nderp_connections 11\n");
    has(text, "\nderp_clients_home 13\n");
    has(text, "\nderp_client_keys_contested 15\n");
    has(text, "\nderp_mesh_link_up{node=\"one:443\"} 1\n");
    has(text, "\nderp_mesh_link_up{node=\"three:443\"} 0\n");
    assert_null(strstr(text, "two:443")); /* no link to itself is expected */
    buf_free(&out);
}

static json_t *status_of(const struct report *r)
{
    struct buf out;
    json_t *root;

    buf_init(&out, 1 << 20);
    report_status(r, &out);
    root = json_loadb(buf_text(&out), out.len, 0, NULL);
    assert_non_null(root);
    buf_free(&out);
    return root;
}

static json_int_t whole(json_t *root, const char *member, const char *of)
{
    return json_integer_value(json_object_get(json_object_get(root, member), of));
}

static void test_status(void **state)
{
    (void)state;
    struct report r = example();
    json_t *root = status_of(&r);
    json_t *packets = json_object_get(root, "packets");

    assert_string_equal(json_string_value(json_object_get(root, "domain")), "derp.demo.com");
    assert_int_equal(json_integer_value(json_object_get(root, "uptimeSeconds")), 10000);
    assert_int_equal(whole(root, "certificate", "daysLeft"), 10);
    assert_int_equal(whole(root, "certificate", "refused"), 7);
    assert_null(json_object_get(json_object_get(root, "certificate"), "nextSha256"));
    assert_int_equal(whole(root, "connections", "loggedIn"), 12);
    assert_int_equal(whole(root, "stun", "answered"), 1000 + COUNTER_STUN_OK);
    assert_int_equal(whole(packets, "other", "received"), 1000 + COUNTER_IN_OTHER);
    /* dropped is the sum over the reasons */
    assert_int_equal(whole(packets, "disco", "dropped"),
                     6000 + COUNTER_DROP_UNKNOWN_DISCO + COUNTER_DROP_UNKNOWN_FWD_DISCO +
                         COUNTER_DROP_GONE_DISCO + COUNTER_DROP_HEAD_DISCO +
                         COUNTER_DROP_LATE_DISCO + COUNTER_DROP_TAIL_DISCO);
    json_t *mesh = json_object_get(root, "mesh");
    assert_int_equal(json_array_size(mesh), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(mesh, 0), "clients")), 21);
    assert_string_equal(json_string_value(json_object_get(json_array_get(mesh, 2), "problem")),
                        "refused");
    assert_true(json_is_null(json_object_get(json_object_get(root, "proxy"), "advice")));
    json_decref(root);
}

static void test_status_of_a_relay_behind_a_proxy(void **state)
{
    (void)state;
    struct report r = example();

    r.gauges.proxied = (struct relay_proxied){.sign = "Via", .at = 999999};
    assert_true(endpoint_parse("192.0.2.7:1", 0, &r.gauges.proxied.from));
    json_t *root = status_of(&r);
    json_t *proxy = json_object_get(root, "proxy");
    assert_string_equal(json_string_value(json_object_get(proxy, "last")), "192.0.2.7");
    assert_string_equal(json_string_value(json_object_get(proxy, "sign")), "Via");
    assert_non_null(strstr(json_string_value(json_object_get(proxy, "advice")), "pass TCP"));
    json_decref(root);
}

static void test_status_without_a_domain(void **state)
{
    (void)state;
    struct report r = example();
    json_t *root;

    r.domain = NULL;
    r.certificate.state = CERTIFICATE_EXPIRED;
    r.certificate.next.changes_at = 86400;
    r.certificate.next.sha256[0] = 0xab;
    r.certificate.info.not_after = r.now - 2 * 86400;
    root = status_of(&r);
    assert_true(json_is_null(json_object_get(root, "domain")));
    assert_int_equal(whole(root, "certificate", "daysLeft"), -2);
    const json_t *certificate = json_object_get(root, "certificate");
    assert_string_equal(json_string_value(json_object_get(certificate, "changesAt")),
                        "1970-01-02T00:00:00Z");
    assert_memory_equal(json_string_value(json_object_get(certificate, "nextSha256")), "ab0000", 6);
    json_decref(root);
}

static void test_status_with_a_proxy(void **state)
{
    (void)state;
    struct report r = example();
    json_t *root = status_of(&r);
    json_t *proxy = json_object_get(root, "proxy");

    assert_int_equal(whole(root, "proxy", "requests"), 1000 + COUNTER_PROXIED);
    assert_true(json_is_null(json_object_get(proxy, "last")));
    assert_true(json_is_null(json_object_get(proxy, "advice")));
    json_decref(root);
    r.gauges.proxied = (struct relay_proxied){.sign = "Via", .at = 1000000};
    assert_true(endpoint_parse("192.0.2.1:1234", 0, &r.gauges.proxied.from));
    root = status_of(&r);
    proxy = json_object_get(root, "proxy");
    assert_string_equal(json_string_value(json_object_get(proxy, "last")), "192.0.2.1");
    assert_string_equal(json_string_value(json_object_get(proxy, "at")), "1970-01-12T13:46:40Z");
    assert_string_equal(json_string_value(json_object_get(proxy, "sign")), "Via");
    assert_non_null(strstr(json_string_value(json_object_get(proxy, "advice")), "TCP"));
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_of_a_relay_behind_a_proxy),
        cmocka_unit_test(test_status_without_a_domain),
        cmocka_unit_test(test_status_with_a_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
