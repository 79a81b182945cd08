# SPDX-License-Identifier: Apache-2.0
"""Let's Encrypt's limits as token buckets, and what it issues when. Pure: all times are seconds since 1970.

    https://letsencrypt.org/docs/rate-limits/, https://letsencrypt.org/docs/profiles/
"""
import calendar

MINUTE, HOUR, DAY = 60, 3600, 86400


def utc(*date):
    return calendar.timegm((*date, 0, 0, 0)[:6])


class Bucket:
    """`size` events at once, and as many again evenly over `period`."""

    def __init__(self, size, period):
        self.size, self.each = size, period / size
        self.full_at = None  # when it will be full again

    def room(self, now):
        return self.full_at is None or self.full_at - now <= (self.size - 1) * self.each

    def take(self, now):
        """False when it is empty; nothing is taken then."""
        if not self.room(now):
            return False
        self.full_at = max(self.full_at or now, now) + self.each
        return True

    def reset(self):
        self.full_at = None


LIMITS = {
    "accounts": (10, 3 * HOUR),                # from one address
    "orders": (300, 3 * HOUR),                 # of an account
    "certificates of a domain": (50, 7 * DAY),
    "certificates of a name set": (5, 7 * DAY),
    "failed validations": (5, HOUR),           # of a name
    "consecutive failures": (1152, 1152 * DAY),  # then the account is paused for the name
}


class Limits:
    def __init__(self):
        self.buckets = {name: Bucket(*limit) for name, limit in LIMITS.items()}

    def __getitem__(self, name):
        return self.buckets[name]


# Profile -> (from when, lifetime, how long an authorization is reused), in order.
PROFILES = {
    "classic": [(0, 90 * DAY, 30 * DAY), (utc(2027, 2, 10), 64 * DAY, 10 * DAY), (utc(2028, 2, 16), 45 * DAY, 7 * HOUR)],
    "tlsserver": [(0, 45 * DAY, 7 * HOUR)],
    "shortlived": [(0, 160 * HOUR, 7 * HOUR)],
}


def lifetime(profile, now):
    return [row for row in PROFILES[profile] if row[0] <= now][-1][1]


def authorization_reuse(profile, now):
    return [row for row in PROFILES[profile] if row[0] <= now][-1][2]


def order_life(profile):
    return 7 * DAY if profile == "classic" else 8 * HOUR


def renewal_due(begin, end):
    """From when a certificate is to be renewed at the latest: 1/3 of its life is left, 1/2 below ten days."""
    life = end - begin
    return end - (life / 2 if life < 10 * DAY else life / 3)


def renewal_window(begin, end):
    """ARI's suggestion (RFC 9773 4.2) as Boulder makes it: 2 % of the lifetime around 2/3, or 1/2."""
    middle, half = renewal_due(begin, end), (end - begin) / 100
    return middle - half, middle + half


class Promise:
    """What is promised of one certificate, and judged here second by second.

    The CA is *usable* while it answers as it should, and we are on, reach it and are reached, with a clock
    that is right within an hour and a disk that takes what is written, and no Retry-After of the CA holds. The promise: from
    the moment that renewal is due, an uninterrupted usable stretch of a tenth of the lifetime that is left at
    the stretch's beginning, of 3 hours at the least, ends with a new certificate. Once a certificate has
    expired or is revoked, a usable stretch of a day and an hour does.

    With a second CA the same holds for a stretch in which that one is usable, but for a fifth of what is left: the
    first is given six hours, or an eighth of what is left, before the second is asked.

    So each second with an expired certificate after such a stretch is a failure; one before is excused.
    """

    LEAST, AFTER = 3 * HOUR, 25 * HOUR
    SHARES = (10, 5)  # of the first CA, of the second

    def __init__(self, due, end, first_only=False):
        self.due, self.end, self.first_only = due, end, first_only
        self.begins = [None] * len(self.SHARES)  # of the usable stretches
        self.owed_since = None

    def needs(self, begin, share=SHARES[0]):
        return max((self.end - begin) / share, self.LEAST) if begin < self.end else self.AFTER

    def pass_time(self, start, stop, *usable):
        """Time goes from start to stop, with the first CA, and the second, usable or not. Returns (failed, excused):
        seconds without a good certificate."""
        for i, it_is in enumerate(usable[:1] if self.first_only else usable):
            if not it_is:
                self.begins[i] = None
                continue
            if self.begins[i] is None:
                self.begins[i] = start
            begin = max(self.begins[i], self.due)
            owed = begin + self.needs(begin, self.SHARES[i])
            if self.owed_since is None and owed <= stop:
                self.owed_since = owed
        bad = max(0, stop - max(start, self.end))
        failed = 0 if self.owed_since is None else max(0, stop - max(start, self.end, self.owed_since))
        return failed, bad - failed
