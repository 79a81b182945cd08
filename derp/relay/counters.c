/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/counters.h"

enum counter_id counter_of_wait(int64_t ms)
{
    static const int64_t up_to[] = {1, 5, 10, 25, 50, 100, 250, 500};
    int i = 0;

    while (i < COUNTER_QUEUE_MORE - COUNTER_QUEUE_1MS && ms > up_to[i])
        i++;
    return (enum counter_id)(COUNTER_QUEUE_1MS + i);
}
