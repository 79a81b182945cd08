/* SPDX-License-Identifier: Apache-2.0 */
/* What each connection owns while it is idle. Who makes it larger should know that he does: ten
 * thousand of them are on a server with 2 GiB. */
#include "derp/net/record.c"

#include "derp/net/conn_private.h"
#include "derp/net/tls_private.h"
#include "derp/relay/internal.h"

#include "tests/unit/unit.h"

static void test_idle_connections_are_small(void **state)
{
    (void)state;

    assert_in_range(sizeof(struct session), 1, 432);
    assert_in_range(sizeof(struct conn), 1, 416);
    assert_in_range(sizeof(struct tls), 1, 72);
    assert_in_range(sizeof(struct record), 1, 320);
    assert_in_range(sizeof(struct slot), 1, 32);
    assert_in_range(sizeof(struct registry_member), 1, 72);
}

static void test_a_packet_has_little_around_it(void **state)
{
    (void)state;

    assert_in_range(sizeof(struct packet), 1, 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connections_are_small),
        cmocka_unit_test(test_a_packet_has_little_around_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
