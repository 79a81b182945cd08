# SPDX-License-Identifier: Apache-2.0
"""One seed: a CA, a server and what happens to both, from one meaningful instant to the next."""
import calendar
import email.utils
import heapq
import itertools
import math
import random
import re
import time

import faults
from ca import CUT, Ca, stamp
from clock import Clock, Shared
from limits import DAY, HOUR, MINUTE, Promise, renewal_due, utc
from machine import DOMAIN, Machine
from wire import A, CAA, caa_record

BEGIN = utc(2026, 12, 20)
ADDRESS, ELSEWHERE = bytes([203, 0, 113, 10]), bytes([198, 51, 100, 7])
RESTARTS = 6         # in a row, a minute from each other, with the same words
ORDERS_IN_A_RUN = 3  # each beyond the first needs a reason: another was lost, or is of no use
NUMBER = re.compile(r"\d+|[0-9a-f]{16}")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PREFIX = "urn:ietf:params:acme:error:"


def parse(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Episode:
    """What came of one fault: the row that it adds to the table."""

    def __init__(self, w, name):
        self.name, self.begin, self.end = name, w.clock.now(), None
        self.before = dict(w.ca.counts)
        self.failed = 0         # runs while it lasted
        self.healed = None      # seconds from its end until a run found, or made, all well
        self.left = None        # of the lifetime then: a fraction
        self.longest = 0        # seconds between two tries
        self.last_try = None


class Simulation:
    def __init__(self, seed, folder, ports, program, shim, unit, short, days=None, every_tick=False, show=None):
        self.seed, self.ports, self.unit, self.show = seed, ports, unit, show
        self.random = random.Random(f"world {seed}")
        self.shared = Shared(folder / "shared")
        self.profile = "shortlived" if short else "classic"
        self.begin = BEGIN + self.random.randrange(40 * DAY) if not short else BEGIN
        self.end = self.begin + (days or (100 if short else 731)) * DAY
        self.clock = Clock(self.shared, self.begin)
        self.every_tick = every_tick
        self.delay = self.random.uniform(0, unit.random)  # FixedRandomDelay: this machine's minute
        self.network, self.dns_state, self.reach = "good", "good", None
        self.active, self.episodes, self.log = [], [], []
        self.events, self.order = [], itertools.count()
        self.deck = faults.deck(self.random)
        self.kill_plan, self.requests = None, 0
        self.attentive = False  # no question to the CA about renewal is left out
        self.failed = self.excused = 0.0
        self.problems = []
        self.renewals, self.least_left = 0, 1.0
        self.leaf = self.promise = None
        self.tick_at, self.said, self.repeats = None, "", 0
        self.ca = Ca("acme", self.clock, seed, self)
        self.ca.url = ports.ca.url
        self.ca.reuse_orders = self.random.random() < 0.5
        for port in (ports.ca, ports.relay, ports.dns):
            port.world = self
        ports.relay.port.open()
        self.machine = Machine(self, folder, program, shim, ports, unit)
        ports.relay.world = self
        profile = {"profile": "shortlived"} if short else {}
        self.machine.configure(f"{self.ca.url}/acme/directory", **profile)

    def note(self, kind, text):
        self.log.append((self.clock.now(), kind, text))
        if self.show:
            print(f"{stamp(self.clock.now())} {kind:9} {text}", file=self.show, flush=True)

    def problem(self, text):
        self.problems.append(f"{stamp(self.clock.now())}: {text}")
        self.note("FAILED", text)

    # --- What the world answers -------------------------------------------------------------------

    def http_date(self):
        return email.utils.formatdate(self.clock.now(), usegmt=True)

    def answer(self, r):
        self.requests += 1
        plan = self.kill_plan if self.kill_plan and self.kill_plan[0] == "request" else None
        hit = plan and plan[1] == self.requests - 1
        if hit and plan[2] == "before":
            self.machine.kill()
            return CUT
        answer = self.ca.answer(r)
        if hit:
            self.machine.kill()
            answer = CUT
        if answer is CUT and r.what == "/new-order" and self.ca.orders:
            self.ca.orders[max(self.ca.orders)].told = False
        return answer

    def before(self, ca, r):
        for fault in self.active:
            answer = fault.before(self, ca, r)
            if answer is not None:
                return answer
        return None

    def after(self, ca, r, answer):
        for fault in self.active:
            answer = fault.after(self, ca, r, answer)
            if answer is CUT:
                break
        return answer

    def dns(self, name, kind):
        if self.dns_state == "servfail":
            return 2, []
        if self.dns_state == "nxdomain" and name == DOMAIN:
            return 3, []
        if kind == A:
            return 0, [ELSEWHERE if self.dns_state == "moved" else ADDRESS]
        if kind == CAA and self.dns_state == "caa" and name == DOMAIN:
            return 0, [caa_record("other-ca.test")]
        return 0, []

    def validation(self, order):
        """What the CA finds at our address: a problem document, or None when all is well."""
        def bad(kind, detail, status=400):
            return {"type": PREFIX + kind, "detail": f"203.0.113.10: {detail}", "status": status}
        if self.reach:
            secondary = "During secondary validation: " if self.reach == "secondary" else ""
            return bad("connection", secondary + "Timeout during connect (likely firewall problem)")
        if self.dns_state in ("servfail", "nxdomain"):
            return bad("dns", f"{self.dns_state.upper()} looking up A for {DOMAIN}")
        if self.dns_state == "moved":
            return bad("unauthorized", "Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge", 403)
        if self.dns_state in ("caa", "caa unseen"):
            return bad("caa", f"CAA record for {DOMAIN} prevents issuance", 403)
        if not self.ports.relay.port.listener:
            return bad("connection", "Connection refused")
        if self.machine.challenge_digest() != self.ca.key_digest(order):
            self.problem("a validation was asked for and the answer to it is not published")
            return bad("unauthorized", "Incorrect validation certificate for tls-alpn-01 challenge", 403)
        return None

    def spoil(self, r):
        """What this request wanted is of no use, so its order may be given up."""
        order = self.ca.orders.get(int(r.path.split("/")[-1]))
        if order:
            order.forgivable = "its chain was of no use"

    def forgive(self, why):
        for order in self.ca.orders.values():
            order.forgivable = order.forgivable or why

    # --- Time -------------------------------------------------------------------------------------

    def at(self, when, what, *args):
        heapq.heappush(self.events, (math.ceil(when), next(self.order), what, args))

    def usable(self):
        return (self.machine.on and self.machine.awake and abs(self.shared.skew) <= 300e9
                and not any(f.blocks for f in self.active) and self.clock.now() >= self.ca.quiet_until
                and not self.ca.spent_on_useless())

    def advance(self, until):
        """Lets the time pass, in pieces in which nothing changes."""
        while self.clock.now() < until:
            now = self.clock.now()
            stop = self.ca.quiet_until if now < self.ca.quiet_until < until else until
            self.account(now, stop)
            self.clock.pass_time(stop - now, self.machine.awake)
            if stop == until:
                return

    def account(self, start, stop):
        self.machine.relay.look()
        self.notice_leaf()
        if self.promise is None:
            self.promise = Promise(start, start)
        failed, excused = self.promise.pass_time(start, stop, self.usable())
        if self.machine.on and self.machine.awake and self.ports.relay.port.listener:
            if failed and not self.failed:
                self.problem(f"the served certificate is not good, and was to be renewed by "
                             f"{stamp(self.promise.owed_since)}")
            self.failed += failed
            self.excused += excused

    def notice_leaf(self):
        """Does the relay serve another certificate than before?"""
        leaf = self.machine.relay.leaf
        if leaf is None or (self.leaf and self.leaf.serial == leaf.serial_number):
            if leaf is None and self.leaf:
                self.leaf = self.promise = None
            return
        old, self.leaf = self.leaf, self.ca.by_serial(leaf.serial_number)
        now = self.clock.now()
        if old is not None and old.end > self.leaf.end:
            self.promise = Promise(renewal_due(self.leaf.begin, self.leaf.end), self.leaf.end)
            return  # gone back
        left = (old.end - now) / (old.end - old.begin) if old else 0
        self.renewals += 1
        if old and (left > 0 or self.promise.owed_since):  # else nobody could have
            self.least_left = min(self.least_left, left)
        self.note("renewed", f"order {self.leaf.order.number}; {left:.0%} of the former lifetime was left")
        self.promise = Promise(renewal_due(self.leaf.begin, self.leaf.end), self.leaf.end)
        self.plan()

    # --- The timer --------------------------------------------------------------------------------

    def next_tick(self, soonest=None):
        """The timer's next elapse, in the world's time: by the wall clock of our server."""
        wall = self.clock.wall() if soonest is None else soonest
        period = self.unit.period
        hour = (wall // period + 1) * period + self.delay
        self.tick_at = math.ceil(max(hour - self.shared.skew / 1e9, self.clock.now() + 1))

    def boot(self):
        self.machine.on = self.machine.awake = True
        self.machine.relay.restart()
        self.note("power", "on")
        # Persistent=: what was missed is caught up with, and so is OnActiveSec=.
        self.tick_at = self.clock.now() + self.unit.after_boot

    def tick(self):
        code, now = self.start(), self.clock.now()
        if not (self.machine.on and self.machine.awake):
            return
        if code in (0, 2):
            self.next_tick(None if self.every_tick or code == 0 else self.interesting())
            return
        self.next_tick()
        if self.repeats <= RESTARTS:  # else it says the same each minute: one an hour will do
            self.tick_at = min(self.tick_at, now + self.unit.restart)

    def interesting(self):
        """derp-acme has said that there is nothing to do. The wall clock's time, an hour before anything may
        change: what it says itself and has noted, or the world's next event. The ticks until then are left out."""
        wall, skew = self.clock.wall(), self.shared.skew / 1e9
        state = self.machine.state()
        if not self.attentive:  # the CA would say again what it has said
            state.get("ari", {}).pop("next_look", None)
        text = self.said + " ".join(str(v) for v in state.values())
        future = [t for t in map(parse, STAMP.findall(text)) if t > wall]
        if not future:
            return None
        event = self.events[0][0] + skew if self.events else math.inf
        return max(wall, min(min(future) - self.unit.period, event))

    def start(self):
        """Starts derp-acme as the timer does; its exit code."""
        self.requests, plan = 0, self.kill_plan
        kill_at = plan[1] if plan and plan[0] == "disk" else -1
        before, orders = self.clock.now(), self.ca.counts["orders"]
        left = (self.promise.end - before) / (self.leaf.end - self.leaf.begin) if self.leaf else None
        code, text = self.machine.acme("run", kill_at=kill_at)
        # How long it took depends a little on this machine: nothing after it may.
        took = self.clock.now() - before
        self.clock.settle()
        self.machine.runs += 1
        self.look_after(code)
        said = (code, NUMBER.sub("#", text))
        self.repeats = self.repeats + 1 if said == self.former and code not in (0, 2) else 0
        if self.repeats == RESTARTS and self.requests:
            self.problem("asks the CA each minute")
        self.former, self.said = said, text
        made = self.ca.counts["orders"] - orders
        if made > ORDERS_IN_A_RUN:
            self.problem(f"{made} orders in one run")
        if code != 2 or self.requests:
            self.note("run", f"exit {code}, {self.requests} requests, {took:.1f} s")
            for line in text.split("\n") if self.repeats < 2 else ["(as before)"]:
                self.note("", line)
        if code == -9:
            self.kill_plan = None
            self.forget_unwritten(orders)
            self.note("killed", f"at {plan[0]} {plan[1]}" if plan else "")
        elif code not in (0, 1, 2):
            self.problem(f"derp-acme ended with {code}")
        elif plan and code == 0:
            self.kill_plan = None
        self.count_try(code, before, left)
        return code

    def forget_unwritten(self, orders):
        """An order whose address had just come when we were killed is known to nobody."""
        newest = max(self.ca.orders, default=0)
        if self.ca.counts["orders"] > orders and f"/order/{newest}\"" not in self.machine.notes():
            self.ca.orders[newest].told = False

    def look_after(self, code):
        """What must hold whenever derp-acme has ended, or was killed."""
        self.account(self.clock.now(), self.clock.now())
        if self.machine.link_is_good() is False and not any(e.name.startswith("lost") for e in self.episodes[-3:]):
            self.problem("the link leads to a pair that is not whole")
        serial = self.machine.installed_serial()
        issued = serial and self.ca.by_serial(serial)
        if issued:
            issued.order.fetched = True

    def count_try(self, code, when, left):
        state = self.machine.state()
        well = code == 0 or (code == 2 and parse(state.get("next_try", "1970-01-01T00:00:00Z")) <= self.clock.wall())
        for episode in self.episodes:
            if episode.healed is not None:
                continue
            if episode.end is None and (code != 2 or self.requests):
                if episode.last_try:
                    episode.longest = max(episode.longest, when - episode.last_try)
                episode.last_try = when
                episode.failed += code not in (0, 2)
            if well and episode.failed:
                episode.healed = max(0, when - (episode.end or when))
                episode.left = left

    # --- What happens -----------------------------------------------------------------------------

    def fault(self, fault, seconds):
        if not self.machine.on or self.clock.now() > self.end - self.tail():
            return
        fault.begin(self)
        episode = Episode(self, fault.name)
        self.active.append(fault)
        self.episodes.append(episode)
        seconds = min(seconds, fault.most)
        self.note("fault", f"{fault.name}, for {words(seconds)}")
        self.at(self.clock.now() + seconds, self.fault_end, fault, episode)

    def fault_end(self, fault, episode):
        fault.end(self)
        self.active.remove(fault)
        for other in self.active:
            if type(other) is type(fault):
                other.begin(self)
        episode.end = self.clock.now()
        episode.after = dict(self.ca.counts)
        self.note("over", fault.name)

    def tail(self):
        """The last part of a seed is quiet, so that its end can be judged."""
        return (self.leaf.end - self.leaf.begin) / 2 if self.leaf else 10 * DAY

    def jump(self, seconds):
        self.shared.skew = int(seconds) * 10**9
        self.note("clock", f"our server believes {stamp(max(self.clock.wall(), 0))}")
        if self.machine.on and self.machine.awake:  # systemd computes its calendar anew
            self.tick_at = math.ceil(self.clock.now() + self.delay)

    def power_off(self, seconds):
        if not self.machine.on or not self.machine.awake:
            return
        self.machine.on = self.machine.awake = False
        self.tick_at = None
        self.note("power", f"off, for {words(seconds)}")
        self.at(self.clock.now() + seconds, self.boot)

    def suspend(self, seconds):
        if not self.machine.on or not self.machine.awake:
            return
        self.machine.awake = False
        self.tick_at = None
        self.note("power", f"suspended, for {words(seconds)}")
        self.at(self.clock.now() + seconds, self.wake)

    def wake(self):
        self.machine.awake = True
        self.note("power", "awake")
        self.tick_at = math.ceil(self.clock.now() + self.delay)

    def incident(self, leaf):
        """The CA must revoke: it says so by a window that is past, and does it some days later."""
        self.attentive = True
        if leaf is not self.leaf:
            return
        now = self.clock.now()
        leaf.window = (now - HOUR, now - HOUR / 2)
        notice = min(self.random.uniform(1, 5) * DAY, (leaf.end - now) * 0.9)
        end = now + notice
        # It is known when the CA is next asked: at its Retry-After (6 h and a fifth), at a tick of the timer.
        self.promise = Promise(now + 8.5 * HOUR, end)
        self.note("incident", f"the CA will revoke the certificate in {words(notice)}")

    def watch(self, attentive):
        self.attentive = attentive

    def die(self):
        """kill -9 in one of the next runs that do something."""
        if self.random.random() < 0.6:
            self.kill_plan = ("disk", self.random.randrange(70))
        else:
            self.kill_plan = ("request", self.random.randrange(14), self.random.choice(["before", "after"]))

    # --- The plan ---------------------------------------------------------------------------------

    def plan(self):
        """A new certificate is served: what will happen until and around its renewal?"""
        r, now = self.random, self.clock.now()
        due, end = self.promise.due, self.promise.end
        left, unit = end - due, (end - due) / (30 * DAY)
        for what, mean in ((self.power_off, 60), (self.suspend, 120), (None, 90)):
            when = now + r.expovariate(1 / (mean * DAY * max(unit, 0.3)))
            if when < end:
                seconds = 10 ** r.uniform(1.5, 5.5) * unit
                self.at(when, *((what, seconds) if what else (self.fault, next(self.deck), seconds)))
        if r.random() < 0.1:
            when = now + (due - now) * r.uniform(0.1, 0.9)
            self.at(when - DAY, self.watch, True)
            self.at(when, self.incident, self.leaf)
            self.at(when + 5 * DAY, self.watch, False)
        if r.random() < 0.4:
            self.at(due - r.uniform(0, 0.1) * left, self.die)
        kind = r.random()
        if kind < 0.25:
            return
        if kind < 0.6:
            self.at(due - r.uniform(-0.02, 0.15) * left, self.fault, next(self.deck), left * 10 ** r.uniform(-3, -0.2))
        elif kind < 0.75:
            when = due - 0.1 * left
            for _ in range(r.randrange(2, 5)):
                self.at(when, self.fault, next(self.deck), left * r.uniform(0.02, 0.2))
                when += left * r.uniform(0.03, 0.25)
        else:
            self.last_chance(due, end, left, beyond=kind > 0.9)

    def last_chance(self, due, end, left, beyond):
        """Nothing but one usable stretch, as short as the promise allows; then nothing until the end, or not even
        that one."""
        r = self.random
        chance = due + left * r.uniform(0, 0.95)
        length = max((end - chance) / 10, Promise.LEAST) * 1.01 + 2 * MINUTE
        start = due - 0.2 * left
        after = left * r.uniform(0.05, 0.2)
        if beyond:
            self.at(start, self.fault, self.blocking(), end - start + after)
            return
        self.at(start, self.fault, self.blocking(), chance - start)
        if chance + length < end:
            self.at(chance + length, self.fault, self.blocking(), end - chance - length + after)

    def blocking(self):
        return next(f for f in self.deck if f.blocks and not isinstance(f, faults.ClockJump))

    # --- The run ----------------------------------------------------------------------------------

    def run(self):
        """Two years. Afterwards `problems` is empty, or says what was not as promised."""
        self.note("begin", f"seed {self.seed}, {self.profile}")
        self.boot()
        self.former = None
        while True:
            event = self.events[0][0] if self.events else self.end
            tick = self.tick_at if self.tick_at is not None else self.end
            when = min(event, tick, self.end)
            self.advance(max(when, self.clock.now()))
            if when >= self.end:
                break
            if event <= tick:
                _, _, what, args = heapq.heappop(self.events)
                what(*args)
                if self.tick_at and self.machine.on and self.machine.awake:
                    self.soon_after_event()
            else:
                self.tick()
        self.judge()

    def soon_after_event(self):
        """Ticks were left out because nothing would change before this event; now they count again."""
        if self.tick_at - self.clock.now() > self.unit.period:
            self.next_tick()

    def judge(self):
        if self.failed:
            self.problems.append(f"{self.failed:.0f} s with a certificate that should have been renewed")
        self.problems += self.ca.violations + self.ca.abandoned
        if self.promise.owed_since is not None:
            self.problems.append("at the end a renewal is overdue")
        if self.renewals < (self.end - self.begin) / DAY / 75:
            self.problems.append(f"only {self.renewals} renewals")

    def close(self):
        for fault in self.active:
            fault.end(self)
        self.ports.relay.port.open()
        self.machine.close()


def words(seconds):
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
