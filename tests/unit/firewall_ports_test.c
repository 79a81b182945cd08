/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/cgroup.c"
#include "firewall/procnet.c"

#include <unistd.h>

#include "firewall/surroundings.h"
#include "tests/unit/firewall_fixture.h"

static void load(const char *name, enum ports_proto proto, struct procnet *all)
{
    char *path = mem_printf(SEEDS "firewall_procnet/%s", name);
    char *text = recorded(path);
    procnet_parse(text, proto, all);
    free(text);
    free(path);
}

static void expect(const struct procnet_socket *s, const char *local, unsigned state,
                   unsigned long inode)
{
    char text[ENDPOINT_TEXT];
    assert_string_equal(endpoint_print(&s->local, text), local);
    assert_int_equal(s->state, state);
    assert_int_equal(s->inode, inode);
}

static void test_reads_real_tables(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT];
    struct procnet all = {0};
    load("tcp", PORTS_TCP, &all);
    load("tcp6", PORTS_TCP, &all);
    load("udp", PORTS_UDP, &all);
    load("udp6", PORTS_UDP, &all);
    assert_int_equal(all.count, 8);
    expect(&all.list[0], "0.0.0.0:2222", PROCNET_LISTEN, 1079505);
    expect(&all.list[1], "127.0.0.1:2222", PROCNET_ESTABLISHED, 1079672);
    assert_string_equal(endpoint_print(&all.list[1].remote, text), "127.0.0.1:41388");
    expect(&all.list[4], "[::]:443", PROCNET_LISTEN, 1079506);
    struct endpoint mapped = all.list[5].local;
    endpoint_unmap(&mapped);
    assert_string_equal(endpoint_print_ip(&mapped, text), "127.0.0.1");
    expect(&all.list[6], "0.0.0.0:3478", PROCNET_CLOSE, 1079673);
    assert_int_equal(all.list[6].proto, PORTS_UDP);
    expect(&all.list[7], "[::1]:5353", PROCNET_CLOSE, 1079674);
    procnet_free(&all);
}

static void test_skips_odd_lines(void **state)
{
    (void)state;
    struct procnet all = {0};
    procnet_parse("0: 0100007F:0016 00000000:0000 0A 0:0 0:0 0 0 0\n"    /* no inode */
                  "0: 0100007G:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n"  /* no digit */
                  "0: 0100007F:16 00000000:0000 0A 0:0 0:0 0 0 0 1\n"    /* short port */
                  "0: 0100007F0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n"   /* no colon */
                  "0: 0100007F:0016 00000000:0000 0A 0:0 0:0 0 0 0 -1\n" /* odd inode */
                  "0: 0100007F:0016 00000000:0000 ZZ 0:0 0:0 0 0 0 1\n"  /* odd state */
                  "0: 0100007F:0016 00000000:0000 0A 0:0 0:0 0 0 0 7 new columns\n",
                  PORTS_TCP, &all);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.list[0].inode, 7);
    procnet_free(&all);
}

static void test_inode(void **state)
{
    (void)state;
    unsigned long inode = 0;
    assert_true(procnet_inode("socket:[1079505]", &inode));
    assert_int_equal(inode, 1079505);
    static const char *const bad[] = {"socket:[]", "socket:[0]", "pipe:[12]",   "/dev/null",
                                      "",          "socket:[12", "socket:[1x]", "socket:["};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(procnet_inode(bad[i], &inode));
}

static void test_cgroup(void **state)
{
    (void)state;
    static const struct {
        const char *text, *unit, *container;
    } cases[] = {
        {"0::/system.slice/nginx.service\n", "nginx.service", ""},
        {"0::/\n", "", ""},
        {"", "", ""},
        {"9:name=systemd:/system.slice/nginx.service\n8:pids:/other.service\n", "nginx.service",
         ""},
        {"0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope", ""},
        {"0::/system.slice/docker-3f2c1d0a9b8e7766.scope\n", "docker-3f2c1d0a9b8e7766.scope",
         "docker 3f2c1d0a9b8e"},
        {"0::/machine.slice/libpod-0123456789abcdef.scope/container\n",
         "libpod-0123456789abcdef.scope", "podman 0123456789ab"},
        {"0::/docker/3f2c1d0a9b8e7766\n", "", "docker 3f2c1d0a9b8e"},
        {"0::/lxc.payload.web/system.slice/x.service\n", "x.service", "lxc web"},
        {"0::/lxc/web\n", "", "lxc web"},
        {"0::/system.slice/docker-short.scope\n", "docker-short.scope", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char unit[128], container[80];
        cgroup_parse(cases[i].text, unit, sizeof unit, container, sizeof container);
        assert_string_equal(unit, cases[i].unit);
        assert_string_equal(container, cases[i].container);
    }
}

static void test_route(void **state)
{
    (void)state;
    char name[16];
    char *text = recorded(SEEDS "firewall_procnet/route");
    surroundings_parse_route(text, name);
    assert_string_equal(name, "eth0");
    free(text);
    surroundings_parse_route("eth0 00000000 1\neth1 00000000 1\n", name);
    assert_string_equal(name, "");
    surroundings_parse_route("eth0 000200C0 1\n", name);
    assert_string_equal(name, "");
}

/* A port that the kernel chose, held by this very process. */
static int bind_port(int type, uint16_t *port)
{
    struct endpoint e;
    socklen_t n = sizeof e;
    assert_true(endpoint_parse("127.0.0.1:0", 0, &e) || endpoint_parse_ip("127.0.0.1", &e));
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &e.any, endpoint_len(&e)), 0);
    assert_int_equal(getsockname(fd, &e.any, &n), 0);
    *port = endpoint_port(&e);
    return fd;
}

static void test_finds_ourselves(void **state)
{
    (void)state;
    struct fault f;
    struct ports_list found;
    char text[320];
    uint16_t port;
    int tcp = bind_port(SOCK_STREAM, &port);
    assert_true(ports_owner(PORTS_TCP, port, &found, &f));
    assert_int_equal(found.count, 0); /* bound, but it does not listen yet */
    ports_free(&found);
    assert_int_equal(listen(tcp, 1), 0);
    assert_true(ports_owner(PORTS_TCP, port, &found, &f));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].pid, getpid());
    assert_false(found.list[0].public_address);
    assert_non_null(strstr(ports_owner_print(&found.list[0], text, sizeof text), "pid "));
    ports_free(&found);
    close(tcp);

    int udp = bind_port(SOCK_DGRAM, &port);
    assert_true(ports_owner(PORTS_UDP, port, &found, &f));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].pid, getpid());
    ports_free(&found);
    close(udp);
}

static void test_prints_owners(void **state)
{
    (void)state;
    char text[320];
    struct ports_owner owner = {.pid = 90, .comm = "docker-proxy", .unit = "docker.service"};
    assert_string_equal(ports_owner_print(&owner, text, sizeof text),
                        "docker-proxy (pid 90, docker.service)");
    owner = (struct ports_owner){.comm = "kernel"};
    assert_string_equal(ports_owner_print(&owner, text, sizeof text), "the kernel");
}

static void test_session(void **state)
{
    (void)state;
    static const struct {
        const char *text, *session;
    } cases[] = {
        {"0::/user.slice/user-0.slice/session-12.scope\n", "session-12.scope"},
        {"1:name=systemd:/user.slice/user-0.slice/session-c1.scope/x\n0::/\n", "session-c1.scope"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.scope\n", ""},
        {"0::/system.slice/ssh.service\n", ""},
        {"0::/session-1.scopes\n", ""},
        {"0::/session-\n", ""},
        {"", ""},
    };
    char name[CGROUP_SESSION];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cgroup_session(cases[i].text, name);
        assert_string_equal(name, cases[i].session);
    }
}

static void test_interfaces_that_are_forwarded_for(void **state)
{
    (void)state;
    static const char *const yes[] = {"wg0",      "tun0",   "tap1", "lxdbr0",
                                      "incusbr0", "virbr0", "ppp0"};
    static const char *const no[] = {"lo",    "eth0",       "ens3",  "docker0", "br-0123",
                                     "veth1", "tailscale0", "bond0", "wlan0",   ""};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(surroundings_is_forwarded(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(surroundings_is_forwarded(no[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interfaces_that_are_forwarded_for),
        cmocka_unit_test(test_reads_real_tables),
        cmocka_unit_test(test_skips_odd_lines),
        cmocka_unit_test(test_inode),
        cmocka_unit_test(test_cgroup),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_finds_ourselves),
        cmocka_unit_test(test_prints_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
