/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/identity.c"

#include "tests/unit/unit.h"

struct files {
    char dir[64];
    char chain[128];
    char key[128];
};

static void save(struct files *f, struct identity *id)
{
    struct fault fault;

    snprintf(f->chain, sizeof f->chain, "%s/c.pem", f->dir);
    snprintf(f->key, sizeof f->key, "%s/k.pem", f->dir);
    assert_true(identity_save(id, f->chain, f->key, &fault));
}

static int set_up(void **state)
{
    struct files *f = calloc(1, sizeof *f);
    struct fault fault;
    struct identity *id = identity_self_signed("derp.test", 10, &fault);

    unit_dir(f->dir);
    save(f, id);
    identity_free(id);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct files *f = *state;

    unit_dir_remove(f->dir);
    free(f);
    return 0;
}

static void refused(struct files *f, const char *domain, const char *words)
{
    struct fault fault;
    struct identity *id = identity_load(f->chain, f->key, domain, &fault);

    if (id != NULL)
        fail_msg("accepted, expected: %s", words);
    if (strstr(fault.text, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, fault.text);
}

static void test_round_trip(void **state)
{
    struct files *f = *state;
    struct fault fault;
    struct identity_info info;
    struct identity *id = identity_load(f->chain, f->key, "derp.test", &fault);
    struct stat st;

    assert_non_null(id);
    identity_info(id, &info);
    assert_string_equal(info.subject, "derp.test");
    assert_int_equal(info.chain_length, 1);
    assert_true(info.not_after - clock_wall() > 9 * DAY_SECONDS);
    assert_true(info.not_before < clock_wall());
    assert_true(identity_covers(id, "DERP.test"));
    assert_false(identity_covers(id, "a.derp.test"));
    identity_free(id);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_ip_literal(void **state)
{
    (void)state;
    struct fault fault;
    struct identity *id = identity_self_signed("192.0.2.7", 10, &fault);

    assert_true(identity_covers(id, "192.0.2.7"));
    assert_false(identity_covers(id, "192.0.2.8"));
    identity_free(id);
    id = identity_self_signed("2001:db8::1", 10, &fault);
    assert_true(identity_covers(id, "2001:db8::1"));
    identity_free(id);
}

static void test_long_name(void **state)
{
    (void)state;
    struct fault fault;
    const char *name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                       "bbbbbbbbbb.cccccccccccccccccccc.test";
    struct identity *id = identity_self_signed(name, 10, &fault);

    assert_non_null(id);
    assert_true(identity_covers(id, name));
    identity_free(id);
}

static void test_what_is_refused(void **state)
{
    struct files *f = *state;
    struct files other = *f;
    struct fault fault;
    struct identity *id = identity_self_signed("other.test", 10, &fault);
    char good_chain[128], good_key[128];

    refused(f, "other.test", "is not for other.test");
    memcpy(good_chain, f->chain, sizeof good_chain);
    memcpy(good_key, f->key, sizeof good_key);

    snprintf(other.key, sizeof other.key, "%s/k2.pem", f->dir);
    snprintf(other.chain, sizeof other.chain, "%s/c2.pem", f->dir);
    assert_true(identity_save(id, other.chain, other.key, &fault));
    identity_free(id);
    memcpy(f->key, other.key, sizeof f->key);
    refused(f, NULL, "does not belong to");

    memcpy(f->key, good_key, sizeof f->key);
    unit_file(f->dir, "empty.pem", "", f->chain);
    refused(f, NULL, "there is no certificate in it");
    unit_file(f->dir, "junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
              f->chain);
    refused(f, NULL, "is not a readable certificate");
    unit_file(f->dir, "other.pem", "-----BEGIN X-----\nAAAA\n-----END X-----\n", f->chain);
    refused(f, NULL, "a block \"X\" is not a readable certificate");
    snprintf(f->chain, sizeof f->chain, "%s/none.pem", f->dir);
    refused(f, NULL, "none.pem");
    memcpy(f->chain, good_chain, sizeof f->chain);
    unit_file(f->dir, "nokey.pem", "hello\n", f->key);
    refused(f, NULL, "no readable private key");
}

static void test_order_of_the_chain(void **state)
{
    struct files *f = *state;
    struct fault fault;
    struct identity *a = identity_load(f->chain, f->key, NULL, &fault);
    struct identity *b = identity_self_signed("stranger.test", 10, &fault);

    sk_X509_push(a->chain, b->leaf);
    X509_up_ref(b->leaf);
    save(f, a);
    identity_free(a);
    identity_free(b);
    refused(f, NULL, "certificate 1 was not issued by certificate 2");
}

static void test_single_file(void **state)
{
    struct files *f = *state;
    struct fault fault;
    struct buf chain, key;
    char path[128];
    struct identity *id;

    buf_init(&chain, 65536);
    buf_init(&key, 65536);
    assert_true(file_read(f->chain, &chain, &fault) && file_read(f->key, &key, &fault));
    buf_puts(&chain, buf_text(&key));
    unit_file(f->dir, "single.pem", buf_text(&chain), path);
    id = identity_load_single(path, &fault);
    assert_non_null(id);
    identity_free(id);
    assert_null(identity_load_single(f->chain, &fault));
    buf_free(&chain);
    buf_wipe(&key);
}

static void test_meta(void **state)
{
    struct files *f = *state;
    struct fault fault;
    struct identity *id = identity_load(f->chain, f->key, NULL, &fault);
    struct node_key key;
    char cn[128];

    memset(key.bytes, 0xab, KEY_LEN);
    assert_true(identity_add_meta(id, &key, &fault));
    assert_true(identity_add_meta(id, &key, &fault));
    X509_NAME_get_text_by_NID(X509_get_subject_name(id->meta), NID_commonName, cn, sizeof cn);
    assert_int_equal(strlen(cn), 7 + 64);
    assert_memory_equal(cn, "derpkeyabab", 11);
    assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(id->meta)), 2);
    assert_true(identity_time(X509_get0_notAfter(id->meta)) - clock_wall() > 29 * DAY_SECONDS);
    assert_true(clock_wall() - identity_time(X509_get0_notBefore(id->meta)) > 29 * DAY_SECONDS);
    identity_free(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test(test_ip_literal),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_the_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_single_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_meta, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
