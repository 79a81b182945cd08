/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes wait for a new login. */
#include "firewall/confirm.c"

#include "tests/unit/firewall_server.h"

static void wanted(struct server *s, bool never, bool restricted, bool session, bool always)
{
    const bool expected[] = {never, restricted, session, always};
    firewall_plan_free(&s->plan);
    firewall_plan(&s->o, &s->state, &s->plan);
    for (int i = 0; i < 4; i++) {
        s->o.confirm = (enum firewall_confirm)i;
        if (confirm_is_wanted(&s->o, &s->state, &s->plan) != expected[i])
            fail_msg("option %d: not as expected", i);
    }
}

static void test_who_is_logged_in(void **state)
{
    struct server *s = *state;
    wanted(s, false, false, false, true);
    s->state.ssh_session = true;
    wanted(s, false, false, true, true);
}

static void test_rules_for_some_sources(void **state)
{
    struct server *s = *state;
    s->facts.ufw.ipv6 = false;
    set_files(s, "-A ufw-user-input -p tcp --dport 22 -s 192.0.2.0/24 -j ACCEPT\n", "");
    add_peer(s, "192.0.2.7:50000", "203.0.113.10:22");
    wanted(s, false, true, false, true);
}

static void test_added_rules_lock_nobody_out(void **state)
{
    struct server *s = *state;
    s->state.ssh_session = true;
    s->facts.ufw.status.active = s->facts.ufw.enabled = true;
    refresh(s);
    wanted(s, false, false, false, false);
    assert_true(s->plan.count > 0);
    s->facts.ufw.incoming = UFW_POLICY_ALLOW; /* will be deny */
    wanted(s, false, false, true, true);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {CASE(test_who_is_logged_in),
                                       CASE(test_rules_for_some_sources),
                                       CASE(test_added_rules_lock_nobody_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
