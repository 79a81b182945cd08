/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/sshtext.c"

#include "tests/unit/firewall_fixture.h"

/* "22 2200", the ports of the set, to compare. */
static void expect(struct ssh_ports *all, const char *ports)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < all->count; i++)
        buf_printf(&b, "%s%u", i ? " " : "", all->list[i].port);
    assert_string_equal(buf_text(&b), ports);
    buf_free(&b);
    free(all->list);
    *all = (struct ssh_ports){0};
}

static void test_set(void **state)
{
    (void)state;
    struct ssh_ports all = {0};
    ssh_ports_add(&all, 2222, FIREWALL_SSH_CONFIG);
    ssh_ports_add(&all, 22, FIREWALL_SSH_LISTENER);
    ssh_ports_add(&all, 2222, FIREWALL_SSH_OPTION);
    ssh_ports_add(&all, 0, FIREWALL_SSH_OPTION);
    ssh_ports_add(&all, 65535, FIREWALL_SSH_ENVIRONMENT);
    assert_true(ssh_ports_has(&all, 22));
    assert_false(ssh_ports_has(&all, 23));
    assert_int_equal(all.list[1].sources, FIREWALL_SSH_CONFIG | FIREWALL_SSH_OPTION);
    char *text = ssh_ports_print(all.list, all.count);
    assert_string_equal(text,
                        "22 (listening now), 2222 (sshd_config, --ssh-port), 65535 (this login)");
    free(text);
    expect(&all, "22 2222 65535");
}

/* Pitfall 4. */
static void test_config(void **state)
{
    (void)state;
    struct ssh_ports all = {0};
    char *text = recorded(SEEDS "firewall_ssh/default");
    ssh_parse_config(text, &all);
    expect(&all, "22");
    free(text);
    /* Port 22, Port 2222, ListenAddress 0.0.0.0, ListenAddress [::]:2200 */
    text = recorded(SEEDS "firewall_ssh/several-addresses");
    ssh_parse_config(text, &all);
    expect(&all, "22 2200 2222");
    free(text);
    ssh_parse_config("port 22\nport 2222\n", &all);
    expect(&all, "22 2222");
    /* Only on loopback: nothing to open; the port line repeats the same. */
    ssh_parse_config("port 22\nlistenaddress 127.0.0.1:22\nlistenaddress [::1]:22\n", &all);
    expect(&all, "");
    ssh_parse_config("port 0\nport 65536\nport x\nport\nlistenaddressx [::]:23\n", &all);
    expect(&all, "");
    ssh_parse_config("port 22\nlistenaddress host.example:2022\n", &all);
    expect(&all, "2022");
}

/* Pitfall 4. */
static void test_unit(void **state)
{
    (void)state;
    struct ssh_ports all = {0};
    char *text = recorded(SEEDS "firewall_ssh/socket-unit");
    assert_true(ssh_parse_unit(text, &all));
    assert_int_equal(all.list[0].sources, FIREWALL_SSH_SOCKET);
    expect(&all, "22");
    free(text);
    /* Debian ships ssh.socket, switched off. */
    assert_false(ssh_parse_unit(
        "ActiveState=inactive\nUnitFileState=disabled\nListen=[::]:22 (Stream)\n", &all));
    expect(&all, "");
    /* Started at boot only: what it will listen on counts. */
    assert_true(ssh_parse_unit("Listen=[::]:2022 (Stream)\nListen=/run/x (Stream)\n"
                               "Listen=127.0.0.1:23 (Stream)\nListen=vsock::22 (Stream)\n"
                               "Listen=0.0.0.0:24 (Datagram)\nActiveState=inactive\n"
                               "UnitFileState=enabled\n",
                               &all));
    expect(&all, "2022");
    assert_true(ssh_parse_unit("ActiveState=active\nUnitFileState=disabled\n", &all));
    assert_false(ssh_parse_unit("", &all));
    expect(&all, "");
}

static void test_connection(void **state)
{
    (void)state;
    assert_int_equal(ssh_parse_connection("198.51.100.7 50022 203.0.113.10 2222"), 2222);
    assert_int_equal(ssh_parse_connection("2001:db8::7 50022 2001:db8::10 22"), 22);
    assert_int_equal(ssh_parse_connection("fe80::1%lo 50022 fe80::2%lo 22"), 22);
    static const char *const bad[] = {"",
                                      "22",
                                      "a 1 b 22",
                                      "192.0.2.1 1 192.0.2.2",
                                      "192.0.2.1 1 192.0.2.2 0",
                                      "192.0.2.1 1 192.0.2.2 22 x",
                                      "192.0.2.1 1 192.0.2.2 -22",
                                      "192.0.2.1 1 192.0.2.2 99999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ssh_parse_connection(bad[i]), 0);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(ssh_is_server("sshd"));
    assert_true(ssh_is_server("sshd-session"));
    assert_true(ssh_is_server("dropbear"));
    assert_false(ssh_is_server("ssh"));
    assert_false(ssh_is_server("sshdx"));
}

/* Pitfall 2. */
static void test_titles(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        enum ssh_title kind;
    } cases[] = {
        {"sshd: root@pts/0", SSH_TITLE_LOGIN},
        {"sshd: bob@corp.example@pts/12,pts/13", SSH_TITLE_LOGIN},
        {"sshd-session: bob@notty", SSH_TITLE_LOGIN},
        {"sshd: git@notty", SSH_TITLE_LOGIN},
        {"sshd: bob [priv]", SSH_TITLE_CONNECTION},
        {"sshd: bob@corp [priv]", SSH_TITLE_CONNECTION},
        {"sshd: bob@pts/0 [net]", SSH_TITLE_CONNECTION},
        {"sshd: bob", SSH_TITLE_CONNECTION},
        {"sshd: @pts/0", SSH_TITLE_CONNECTION},
        {"sshd: bob@", SSH_TITLE_CONNECTION},
        {"sshd: [accepted]", SSH_TITLE_CONNECTION},
        {"sshd-session: unknown [priv]", SSH_TITLE_CONNECTION},
        {"sshd-auth: root [net]", SSH_TITLE_CONNECTION},
        {"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", SSH_TITLE_OTHER},
        {"sshd: a@b [listener] 1 of 10-100 startups", SSH_TITLE_OTHER},
        {"/usr/sbin/sshd", SSH_TITLE_OTHER},
        {"", SSH_TITLE_OTHER},
        {"root@pts/0", SSH_TITLE_OTHER},
        {"dropbear", SSH_TITLE_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ssh_title_parse(cases[i].title) != cases[i].kind)
            fail_msg("%s", cases[i].title);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),   cmocka_unit_test(test_config),
        cmocka_unit_test(test_unit),  cmocka_unit_test(test_connection),
        cmocka_unit_test(test_names), cmocka_unit_test(test_titles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
