/* SPDX-License-Identifier: Apache-2.0 */
#include "base/selfsigned.h"

#define HOUR 3600
#define DAY  86400

enum selfsigned_step selfsigned_decide(const struct selfsigned_facts *facts, time_t *changes_at)
{
    const struct selfsigned_facts *f = facts;
    time_t made = f->next_not_before + DAY;
    *changes_at = 0;
    if (f->not_after - f->now > (time_t)SELFSIGNED_NEXT_DAYS * DAY)
        return SELFSIGNED_KEEP;
    if (!f->next || made > f->now + DAY || f->next_not_after <= f->not_after)
        return SELFSIGNED_PREPARE;
    *changes_at = made + (time_t)SELFSIGNED_NOTICE_DAYS * DAY;
    if (*changes_at > f->not_after - DAY)
        *changes_at = f->not_after - DAY;
    if (*changes_at < made + HOUR)
        *changes_at = made + HOUR;
    return f->now >= *changes_at ? SELFSIGNED_CHANGE : SELFSIGNED_KEEP;
}
