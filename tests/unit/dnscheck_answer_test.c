/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/answer.c"

#include "tests/unit/unit.h"

/* A message built piece by piece. */
struct message {
    uint8_t p[4096];
    size_t n;
};

static void put(struct message *m, const void *p, size_t n)
{
    memcpy(m->p + m->n, p, n);
    m->n += n;
}

static void put16(struct message *m, unsigned v)
{
    put(m, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static void put_name(struct message *m, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        put(m, &(uint8_t){(uint8_t)len}, 1);
        put(m, name, len);
        name += len + (name[len] == '.');
    }
    put(m, "", 1);
}

/* Header and the question derp.demo.com; its name is at offset 12. */
static void begin(struct message *m, unsigned rcode, unsigned answers)
{
    *m = (struct message){.n = 0};
    put16(m, 7);
    put16(m, 0x8180 | rcode);
    put16(m, 1);
    put16(m, answers);
    put16(m, 0);
    put16(m, 0);
    put_name(m, "derp.demo.com");
    put16(m, DNS_TYPE_A);
    put16(m, CLASS_IN);
}

static void put_fixed(struct message *m, unsigned type, uint32_t ttl, unsigned len)
{
    put16(m, type);
    put16(m, CLASS_IN);
    put16(m, ttl >> 16);
    put16(m, ttl & 0xffff);
    put16(m, len);
}

static void put_a(struct message *m, const char *owner, uint32_t ttl, const char *address)
{
    struct endpoint e;
    assert_true(endpoint_parse_ip(address, &e));
    put_name(m, owner);
    if (e.any.sa_family == AF_INET) {
        put_fixed(m, DNS_TYPE_A, ttl, 4);
        put(m, &e.in4.sin_addr, 4);
    } else {
        put_fixed(m, DNS_TYPE_AAAA, ttl, 16);
        put(m, &e.in6.sin6_addr, 16);
    }
}

static void put_cname(struct message *m, const char *owner, uint32_t ttl, const char *target)
{
    put_name(m, owner);
    put_fixed(m, DNS_TYPE_CNAME, ttl, (unsigned)strlen(target) + 2);
    put_name(m, target);
}

static struct answer read_exact(const void *p, size_t n, uint16_t type)
{
    struct answer a = {0};
    uint8_t *exact = mem_copy(p, n);
    answer_read(exact, n, "Derp.Demo.com", type, &a);
    free(exact);
    return a;
}

static struct answer read_all(const struct message *m)
{
    return read_exact(m->p, m->n, DNS_TYPE_A);
}

static void one_address(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 1);
    put_a(&m, "DERP.demo.COM", 600, "203.0.113.10");
    struct answer a = read_all(&m);
    struct address_set set = {0};
    char text[64];
    assert_int_equal(a.status, ANSWER_DATA);
    assert_int_equal(a.ttl, 600);
    answer_addresses(&a, &set);
    assert_string_equal(address_set_print(&set, text, sizeof text), "203.0.113.10");
    answer_clear(&a);
}

static void compressed_owner(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 1);
    put16(&m, 0xc00c);
    put_fixed(&m, DNS_TYPE_A, 60, 4);
    put(&m, "\xcb\0\x71\x0a", 4);
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_DATA);
    answer_clear(&a);
}

static void chain_in_any_order(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 5);
    put_a(&m, "end.example.net", 500, "203.0.113.11");
    put_cname(&m, "two.example.net", 40, "End.Example.net");
    put_cname(&m, "derp.demo.com", 300, "two.example.net");
    put_a(&m, "end.example.net", 400, "203.0.113.10");
    put_a(&m, "stranger.example.net", 1, "203.0.113.12");
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_DATA);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.ttl, 40);
    assert_int_equal(a.chain_count, 2);
    assert_string_equal(a.chain[0], "two.example.net");
    assert_string_equal(a.chain[1], "end.example.net");
    answer_clear(&a);
}

static void circles_end(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 2);
    put_cname(&m, "derp.demo.com", 300, "a.demo.com");
    put_cname(&m, "a.demo.com", 300, "derp.demo.com");
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NODATA);
    assert_int_equal(a.chain_count, DNSCHECK_CHAIN_MAX);
    answer_clear(&a);
}

static void nothing_there(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 0);
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NODATA);
    begin(&m, 3, 0);
    a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NXDOMAIN);
    begin(&m, 3, 1);
    put_cname(&m, "derp.demo.com", 5, "gone.demo.com");
    a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NXDOMAIN);
    assert_string_equal(a.chain[0], "gone.demo.com");
    for (unsigned rcode = 1; rcode < 16; rcode++) {
        begin(&m, rcode, 1);
        put_a(&m, "derp.demo.com", 600, "203.0.113.10");
        a = read_all(&m);
        assert_int_equal(a.status, rcode == 3 ? ANSWER_DATA : ANSWER_SERVFAIL);
        answer_clear(&a);
    }
}

static void other_types_and_classes_are_passed_over(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 2);
    put_a(&m, "derp.demo.com", 600, "2001:db8::1");
    put_a(&m, "derp.demo.com", 600, "203.0.113.10");
    m.p[m.n - 4 - 7] = 3; /* class CHAOS */
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NODATA);
    a = read_exact(m.p, m.n, DNS_TYPE_AAAA);
    assert_int_equal(a.status, ANSWER_DATA);
    answer_clear(&a);
}

static void addresses_of_odd_length_are_left_out(void **state)
{
    (void)state;
    struct message m;
    struct address_set set = {0};
    begin(&m, 0, 1);
    put_name(&m, "derp.demo.com");
    put_fixed(&m, DNS_TYPE_A, 600, 5);
    put(&m, "12345", 5);
    struct answer a = read_all(&m);
    answer_addresses(&a, &set);
    assert_int_equal(set.count, 0);
    answer_clear(&a);
}

static void negative_ttl_is_zero(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 1);
    put_a(&m, "derp.demo.com", 0x80000000u, "203.0.113.10");
    struct answer a = read_all(&m);
    assert_int_equal(a.ttl, 0);
    answer_clear(&a);
}

static void cut_anywhere(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 2);
    put_cname(&m, "derp.demo.com", 300, "two.example.net");
    put_a(&m, "two.example.net", 600, "203.0.113.10");
    for (size_t n = 0; n < m.n; n++) {
        struct answer a = read_exact(m.p, n, DNS_TYPE_A);
        assert_int_equal(a.status, ANSWER_SERVFAIL);
        assert_int_equal(a.count, 0);
        assert_int_equal(a.chain_count, 0);
    }
}

static void questions_are_no_answers(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 1);
    put_a(&m, "derp.demo.com", 600, "203.0.113.10");
    m.p[2] = 0x01;
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_SERVFAIL);
}

static void pointers_lead_backwards(void **state)
{
    (void)state;
    static const unsigned targets[] = {31, 33, 0x3fff}; /* itself, ahead, beyond the end */
    struct message m;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        begin(&m, 0, 1);
        assert_int_equal(m.n, 31);
        put16(&m, 0xc000 | targets[i]);
        put_fixed(&m, DNS_TYPE_A, 60, 4);
        put(&m, "\xcb\0\x71\x0a", 4);
        struct answer a = read_all(&m);
        assert_int_equal(a.status, ANSWER_SERVFAIL);
    }
}

/* Reads an answer whose first record holds a chain of pointers, each to the one before it, of which
 * the owner of the second is the last. */
static enum answer_status read_chain(unsigned pointers)
{
    struct message m;
    begin(&m, 0, 2);
    put_name(&m, "x.demo.com");
    put_fixed(&m, DNS_TYPE_TXT, 60, 2 * (pointers - 1));
    unsigned before = HEADER_LEN;
    for (unsigned i = 0; i < pointers; i++) {
        unsigned at = (unsigned)m.n;
        put16(&m, 0xc000 | before);
        before = at;
    }
    put_fixed(&m, DNS_TYPE_A, 60, 4);
    put(&m, "\xcb\0\x71\x0a", 4);
    struct answer a = read_all(&m);
    enum answer_status status = a.status;
    answer_clear(&a);
    return status;
}

/* 8192 pointers fit into a message, and a name for each few bytes of it. */
static void chains_of_pointers_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(read_chain(1), ANSWER_DATA);
    assert_int_equal(read_chain(127), ANSWER_DATA);
    assert_int_equal(read_chain(128), ANSWER_SERVFAIL);
}

/* Reads an answer whose only record belongs to a name of len bytes. */
static enum answer_status read_long_name(size_t len)
{
    char name[300];
    struct message m = {.n = 0};
    struct answer a = {0};
    memset(name, 'a', len);
    name[63] = name[127] = name[191] = '.';
    name[len] = '\0';
    put(&m, "\0\7\x81\x80\0\0\0\1\0\0\0\0", 12);
    put_a(&m, name, 600, "203.0.113.10");
    answer_read(m.p, m.n, name, DNS_TYPE_A, &a);
    enum answer_status status = a.status;
    answer_clear(&a);
    return status;
}

static void longest_name(void **state)
{
    (void)state;
    assert_int_equal(read_long_name(253), ANSWER_DATA);
    assert_int_equal(read_long_name(254), ANSWER_SERVFAIL);
}

static void names_are_printed_safely(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 1);
    put_name(&m, "derp.demo.com");
    put_fixed(&m, DNS_TYPE_CNAME, 60, 9);
    put(&m, "\2\x1b.\4_a-9\0", 9);
    struct answer a = read_all(&m);
    assert_int_equal(a.chain_count, 1);
    assert_string_equal(a.chain[0], "\\027\\046._a-9");
    answer_clear(&a);
}

static void records_are_bounded(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, ANSWER_RECORDS_MAX + 5);
    for (int i = 0; i < ANSWER_RECORDS_MAX + 5; i++) {
        put16(&m, 0xc00c);
        put_fixed(&m, DNS_TYPE_A, 60, 4);
        put(&m, "\xcb\0\x71\x0a", 4);
    }
    struct answer a = read_all(&m);
    assert_int_equal(a.count, ANSWER_RECORDS_MAX);
    answer_clear(&a);
}

static void put_ns(struct message *m, const char *zone, const char *server)
{
    put_name(m, zone);
    put_fixed(m, DNS_TYPE_NS, 3600, (unsigned)strlen(server) + 2);
    put_name(m, server);
}

static void put_soa(struct message *m, uint32_t ttl, uint32_t minimum)
{
    put_name(m, "demo.com");
    put_fixed(m, DNS_TYPE_SOA, ttl, 2 + 20);
    put(m, "\0\0", 2); /* both names are the root */
    put(m, "0123456789abcdef", 16);
    put16(m, minimum >> 16);
    put16(m, minimum & 0xffff);
}

static void set_counts(struct message *m, unsigned answers, unsigned authority, unsigned additional)
{
    m->p[7] = (uint8_t)answers;
    m->p[9] = (uint8_t)authority;
    m->p[11] = (uint8_t)additional;
}

static void name_servers_are_printed(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 0, 2);
    put_ns(&m, "derp.demo.com", "NS1.Demo.com");
    put_name(&m, "derp.demo.com");
    put_fixed(&m, DNS_TYPE_NS, 60, 6);
    put(&m, "\3ns2\xc0\x11", 6); /* compressed: demo.com of the question */
    struct answer a = read_exact(m.p, m.n, DNS_TYPE_NS);
    assert_int_equal(a.count, 2);
    assert_string_equal((char *)a.records[0].data, "ns1.demo.com");
    assert_string_equal((char *)a.records[1].data, "ns2.demo.com");
    assert_int_equal(a.ttl, 60);
    answer_clear(&a);
}

static void remembered_absence(void **state)
{
    (void)state;
    struct message m;
    begin(&m, 3, 0);
    put_soa(&m, 900, 60);
    set_counts(&m, 0, 1, 0);
    struct answer a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NXDOMAIN);
    assert_int_equal(a.ttl, 60); /* the minimum */
    begin(&m, 0, 0);
    put_soa(&m, 30, 60);
    set_counts(&m, 0, 1, 0);
    a = read_all(&m);
    assert_int_equal(a.status, ANSWER_NODATA);
    assert_int_equal(a.ttl, 30); /* what is left of it */
    m.n -= 3;
    a = read_all(&m);
    assert_int_equal(a.ttl, 0);
}

static void referrals(void **state)
{
    (void)state;
    struct message m;
    struct referral r;
    begin(&m, 0, 0);
    put_ns(&m, "Demo.com", "ns1.demo.com");
    put_ns(&m, "demo.com", "ns2.example.net");
    put_ns(&m, "other.com", "ns3.example.net"); /* not of this zone */
    put_a(&m, "ns1.demo.com", 60, "203.0.113.53");
    put_a(&m, "ns1.demo.com", 60, "2001:db8::53");
    put_a(&m, "ns9.example.net", 60, "203.0.113.99");
    set_counts(&m, 0, 3, 3);
    assert_true(answer_referral(m.p, m.n, &r));
    assert_string_equal(r.zone, "demo.com");
    assert_int_equal(r.count, 2);
    assert_string_equal(r.names[1], "ns2.example.net");
    assert_int_equal(r.glue_count, 2);
    assert_int_equal(r.glue[0].name, 0);
    assert_int_equal(r.glue[1].at.any.sa_family, AF_INET6);
    for (size_t n = 0; n < m.n; n++)
        assert_false(answer_referral(m.p, n, &r));
    set_counts(&m, 1, 2, 3); /* an answer is no referral */
    assert_false(answer_referral(m.p, m.n, &r));
    set_counts(&m, 0, 3, 3);
    m.p[3] |= 5;
    assert_false(answer_referral(m.p, m.n, &r));
    begin(&m, 0, 0);
    put_soa(&m, 900, 60);
    set_counts(&m, 0, 1, 0);
    assert_false(answer_referral(m.p, m.n, &r));
}

static void long_referrals(void **state)
{
    (void)state;
    for (unsigned count = 7; count < 11; count++) {
        struct message m;
        struct referral r;
        begin(&m, 0, 0);
        for (unsigned i = 0; i < count; i++) {
            char name[32];
            snprintf(name, sizeof name, "ns%u.demo.com", i);
            put_ns(&m, "demo.com", name);
        }
        put_ns(&m, "other.com", "ns3.example.net");
        set_counts(&m, 0, count + 1, 0);
        assert_true(answer_referral(m.p, m.n, &r));
        assert_int_equal(r.count, count < REFERRAL_NAMES_MAX ? count : REFERRAL_NAMES_MAX);
        assert_int_equal(r.cut, count > REFERRAL_NAMES_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address),
        cmocka_unit_test(compressed_owner),
        cmocka_unit_test(chain_in_any_order),
        cmocka_unit_test(circles_end),
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(other_types_and_classes_are_passed_over),
        cmocka_unit_test(addresses_of_odd_length_are_left_out),
        cmocka_unit_test(negative_ttl_is_zero),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(questions_are_no_answers),
        cmocka_unit_test(pointers_lead_backwards),
        cmocka_unit_test(chains_of_pointers_are_bounded),
        cmocka_unit_test(longest_name),
        cmocka_unit_test(names_are_printed_safely),
        cmocka_unit_test(records_are_bounded),
        cmocka_unit_test(name_servers_are_printed),
        cmocka_unit_test(remembered_absence),
        cmocka_unit_test(referrals),
        cmocka_unit_test(long_referrals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
