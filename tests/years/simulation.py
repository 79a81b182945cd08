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
from acme_wire import CUT, PREFIX
from ca import STAGING, Ca, kind_of, stamp
from clock import Clock, Shared
from limits import DAY, HOUR, MINUTE, Promise, renewal_due, utc
from machine import DOMAIN, Machine
from wire import A, CAA, caa_record

BEGIN = utc(2026, 12, 20)
ADDRESS, ELSEWHERE = bytes([203, 0, 113, 10]), bytes([198, 51, 100, 7])
RESTARTS = 6         # in a row, a minute from each other, with the same words
ORDERS_IN_A_RUN = 3  # each beyond the first needs a reason: another was lost, or is of no use
SECOND_EACH = 2      # each second seed has a second CA,
STAGING_EACH = 3     # each third a staging directory
LASTING = 0.06       # of the renewals meet what stands in the way until a tenth of the lifetime is left
TRIAL_AFTER = 3      # failed validations in a row (acme/trial.h)
CAA_STATES = {"caa": "other-ca.test", "caa second": "second-ca.test"}  # dns_state -> who may issue
UNWRITTEN = re.compile(r"cannot write \S+/order\.json: ")
TURNED = re.compile(r"the order at \S+/(\w+)/directory is given up; turning to")
NUMBER = re.compile(r"\d+|[0-9a-f]{16}")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def parse(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Episode:
    """What came of one fault: the row that it adds to the table."""

    def __init__(self, w, name):
        self.name, self.begin, self.end = name, w.clock.now(), None
        self.before = w.counts()
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
        self.make_cas(seed)
        for port in (ports.ca, ports.relay, ports.dns):
            port.world = self
        ports.relay.port.open()
        self.machine = Machine(self, folder, program, shim, ports, unit)
        ports.relay.world = self
        self.configure()
        self.asked, self.orders_of_run, self.trial_due = [], {}, False
        self.turns = 0          # orders at the second CA
        self.trials_failed = 0  # validations that failed at staging
        self.trouble = False    # something has gone wrong since the certificate came

    def make_cas(self, seed):
        """The CAs of this seed: the first, perhaps a second and a staging directory."""
        self.cas = [Ca("acme", self.clock, seed, self)]
        self.second = self.staging = None
        if seed % SECOND_EACH == 0:
            self.second = Ca("second", self.clock, seed, self)
            self.second.identity = "second-ca.test"
            self.cas.append(self.second)
        if seed % STAGING_EACH == 0:
            self.staging = Ca(STAGING, self.clock, seed, self)
            self.staging.trial = True
            self.cas.append(self.staging)
        self.ca = self.cas[0]
        for ca in self.cas:
            ca.url = self.ports.ca.url
            ca.default_profile = self.profile
            ca.reuse_orders = self.random.random() < 0.5

    def configure(self):
        base = self.ports.ca.url
        keys = {"profile": "shortlived"} if self.profile == "shortlived" else {}
        if self.second:
            keys |= {"fallback-directory": f"{base}/second/directory", "fallback-ca-file": self.ports.ca.ca_file}
        if self.staging:
            keys["staging-directory"] = f"{base}/{STAGING}/directory"
        self.machine.configure(f"{base}/acme/directory", **keys)

    def counts(self):
        """What all CAs have counted, together."""
        return {key: sum(ca.counts[key] for ca in self.cas) for key in self.ca.counts}

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
        ca = next((ca for ca in self.cas if r.path.startswith(f"/{ca.prefix}/")), self.ca)
        self.asked.append((ca.prefix, kind_of(r)))
        plan = self.kill_plan if self.kill_plan and self.kill_plan[0] == "request" else None
        hit = plan and plan[1] == self.requests - 1
        if hit and plan[2] == "before":
            self.machine.kill()
            return CUT
        quiet, polled = ca.quiet_until, dict(ca.polled)
        answer = ca.answer(r)
        if hit:
            self.machine.kill()
            answer, ca.quiet_until, ca.polled = CUT, quiet, polled  # nobody has heard of a Retry-After
        if answer is CUT and kind_of(r) == "/new-order" and ca.orders:
            ca.orders[max(ca.orders)].told = False
        return answer

    def before(self, ca, r):
        for fault in filter(lambda f: f.hits(ca), self.active):
            answer = fault.before(self, ca, r)
            if answer is not None:
                return answer
        return None

    def after(self, ca, r, answer):
        for fault in filter(lambda f: f.hits(ca), self.active):
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
            return 0, [ELSEWHERE if self.dns_state in ("moved", "moved for us") else ADDRESS]
        if kind == CAA and self.dns_state in CAA_STATES and name == DOMAIN:
            return 0, [caa_record(CAA_STATES[self.dns_state])]
        return 0, []

    def validation(self, ca, order):
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
        if self.dns_state == "caa unseen" or CAA_STATES.get(self.dns_state, ca.identity) != ca.identity:
            return bad("caa", f"CAA record for {DOMAIN} prevents issuance", 403)
        if not self.ports.relay.port.listener:
            return bad("connection", "Connection refused")
        if self.machine.challenge_digest() != ca.key_digest(order):
            self.problem("a validation was asked for and the answer to it is not published")
            return bad("unauthorized", "Incorrect validation certificate for tls-alpn-01 challenge", 403)
        return None

    def spoil(self, ca, r):
        """What this request wanted is of no use, so its order may be given up."""
        order = ca.orders.get(int(r.path.split("/")[-1]))
        if order:
            order.forgivable = "its chain was of no use"

    def forgive(self, why, cas=None):
        for ca in cas or self.cas:
            for order in ca.orders.values():
                order.forgivable = order.forgivable or why

    # --- Which CA is asked ------------------------------------------------------------------------

    def emergency(self):
        """Is less than a tenth left of what is served?"""
        return self.leaf is None or self.clock.now() >= self.leaf.end - (self.leaf.end - self.leaf.begin) / 10

    def ordered(self, ca):
        """An order was placed: was this its turn?"""
        self.orders_of_run[ca.prefix] = self.orders_of_run.get(ca.prefix, 0) + 1
        if ca is self.second:
            self.turns += 1
            if not self.trouble:
                self.problem("the second CA is asked, and nothing was wrong with the first")
        if ca is self.ca and self.trial_due and (STAGING, "/directory") not in self.asked:
            self.problem(f"the CA is asked after {TRIAL_AFTER} failed validations, and no trial was made")

    def validation_failed(self, ca, error):
        if error["type"].endswith(":caa"):  # a record may name the account at the CA: no evidence of a trial
            return
        if ca is self.staging:
            self.trials_failed += 1
            self.failed_on_staging = True
        elif ca is self.ca and self.trial_due and not any(f.of_ca and f.hits(self.staging) for f in self.active):
            self.problem("a validation was spent although the trial could not but fail")

    def look_before(self):
        """Of a run that begins: must it make a trial before it asks the first CA?"""
        self.asked, self.orders_of_run, self.failed_on_staging = [], {}, False
        self.trouble = self.trouble or not self.usable(self.ca) or bool(self.active)
        self.trial_due = False
        if not self.staging or self.leaf is None or abs(self.shared.skew) > 0:
            return
        state = self.machine.state()
        record = next((r for r in state.get("cas", []) if r["directory"].endswith("/acme/directory")), {})
        left = (self.leaf.end - self.clock.now()) / (self.leaf.end - self.leaf.begin)
        self.trial_due = (record.get("failures", {}).get("reachability", 0) >= TRIAL_AFTER and left > 0.11
                          and state.get("phase") in ("idle", "ordering")
                          and self.machine.installed() == self.machine.relay.leaf  # not damaged
                          and not self.staging_waits(state))

    def staging_waits(self, state):
        """Has staging asked to be left in peace, or has it failed just before?"""
        record = next((r for r in state.get("cas", []) if r["directory"].endswith(f"/{STAGING}/directory")), {})
        return "next_try" in record and parse(record["next_try"]) > self.clock.now() - MINUTE

    def look_behind(self):
        """Of a run that has ended: what must not have been."""
        for prefix, made in self.orders_of_run.items():
            if made > ORDERS_IN_A_RUN:
                self.problem(f"{made} orders at {prefix} in one run")
        if self.failed_on_staging and self.orders_of_run.get(self.ca.prefix):
            self.problem("the trial on staging has failed, and the CA was asked all the same")

    # --- Time -------------------------------------------------------------------------------------

    def at(self, when, what, *args):
        heapq.heappush(self.events, (math.ceil(when), next(self.order), what, args))

    def usable(self, ca):
        return (self.machine.on and self.machine.awake and abs(self.shared.skew) <= faults.CLOCK_MOST * 10**9
                and not any(f.hinders(self, ca) for f in self.active) and self.clock.now() >= ca.quiet_until
                and not ca.spent_on_useless())

    def next_change(self, until):
        """Time passes in pieces in which no CA becomes usable by itself."""
        now = self.clock.now()
        times = [ca.quiet_until for ca in self.cas]
        if self.leaf:
            times.append(self.leaf.end - (self.leaf.end - self.leaf.begin) / 10)
        return min([t for t in times if now < t < until], default=until)

    def advance(self, until):
        """Lets the time pass, in pieces in which nothing changes."""
        while self.clock.now() < until:
            now = self.clock.now()
            stop = self.next_change(until)
            self.account(now, stop)
            self.clock.pass_time(stop - now, self.machine.awake)
            if stop == until:
                return

    def account(self, start, stop):
        self.machine.relay.look()
        self.notice_leaf()
        if self.promise is None:
            self.promise = Promise(start, start)
        self.trouble = self.trouble or not self.usable(self.ca)
        failed, excused = self.promise.pass_time(start, stop, self.usable(self.ca),
                                                 self.second is not None and self.usable(self.second))
        if self.machine.on and self.machine.awake and self.ports.relay.port.listener:
            if failed and not self.failed:
                self.problem(f"the served certificate is not good, and was to be renewed by "
                             f"{stamp(self.promise.owed_since)}")
            self.failed += failed
            self.excused += excused

    def by_serial(self, serial):
        return next((issued for issued in (ca.by_serial(serial) for ca in self.cas) if issued), None)

    def notice_leaf(self):
        """Does the relay serve another certificate than before?"""
        leaf = self.machine.relay.leaf
        if leaf is None or (self.leaf and self.leaf.serial == leaf.serial_number):
            if leaf is None and self.leaf:
                self.leaf = self.promise = None
            return
        old, self.leaf = self.leaf, self.by_serial(leaf.serial_number)
        now = self.clock.now()
        if old is not None and old.end > self.leaf.end:
            self.promise = Promise(renewal_due(self.leaf.begin, self.leaf.end), self.leaf.end)
            return  # gone back
        left = (old.end - now) / (old.end - old.begin) if old else 0
        self.renewals += 1
        self.trouble = bool(self.active)
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
        began = self.clock.wall()
        code, now = self.start(), self.clock.now()
        if not (self.machine.on and self.machine.awake):
            return
        if code in (0, 2):
            self.next_tick(None if self.every_tick or code == 0 else self.interesting(began))
            return
        self.next_tick()
        if self.repeats <= RESTARTS:  # else it says the same each minute: one an hour will do
            self.tick_at = min(self.tick_at, now + self.unit.restart)

    def interesting(self, began):
        """derp-acme has said that there is nothing to do. The wall clock's time, an hour before anything may
        change: what it says itself and has noted, or the world's next event. The ticks until then are left out.
        What came due while it ran, it has not seen."""
        wall, skew = self.clock.wall(), self.shared.skew / 1e9
        state = self.machine.state()
        if not self.attentive:  # the CA would say again what it has said
            state.get("ari", {}).pop("next_look", None)
        text = self.said + " ".join(str(v) for v in state.values())
        if self.second and any("failing_since" in record for record in state.get("cas", [])):
            return None  # when patience ends is not written down
        future = [t for t in map(parse, STAMP.findall(text)) if t >= int(began)]
        if not future:
            return None
        event = self.events[0][0] + skew if self.events else math.inf
        return max(wall, min(min(future) - self.unit.period, event))

    def start(self):
        """Starts derp-acme as the timer does; its exit code."""
        self.requests, plan = 0, self.kill_plan
        kill_at = plan[1] if plan and plan[0] == "disk" else -1
        before, orders = self.clock.now(), {ca.prefix: ca.counts["orders"] for ca in self.cas}
        quiet = {ca.prefix: ca.quiet_until for ca in self.cas}
        self.look_before()
        left = (self.promise.end - before) / (self.leaf.end - self.leaf.begin) if self.leaf else None
        code, text = self.machine.acme("run", kill_at=kill_at)
        # How long it took depends a little on this machine: nothing after it may.
        took = self.clock.now() - before
        self.clock.settle()
        self.machine.runs += 1
        self.look_after(code)
        for prefix in TURNED.findall(text):  # as documented
            self.forgive("turned to another CA", [ca for ca in self.cas if ca.prefix == prefix])
        said = (code, NUMBER.sub("#", text))
        self.repeats = self.repeats + 1 if said == self.former and code not in (0, 2) else 0
        if self.repeats == RESTARTS and self.requests:
            self.problem("asks the CA each minute")
        self.former, self.said = said, text
        self.look_behind()
        if took > self.unit.timeout:
            self.problem(f"a run of {took:.0f} s: systemd would have ended it")
        if code != 2 or self.requests:
            self.note("run", f"exit {code}, {self.requests} requests, {took:.1f} s")
            for line in text.split("\n") if self.repeats < 2 else ["(as before)"]:
                self.note("", line)
        if code == -9 or UNWRITTEN.search(text):
            self.forget_unwritten(orders, quiet)
        if code == -9:
            self.kill_plan = None
            self.note("killed", f"at {plan[0]} {plan[1]}" if plan else "")
        elif code not in (0, 1, 2):
            self.problem(f"derp-acme ended with {code}")
        elif plan and code == 0:
            self.kill_plan = None
        self.count_try(code, before, left)
        return code

    def forget_unwritten(self, orders, quiet):
        """An order, or a Retry-After, that had just come when we were killed, or the disk was full, is known to
        nobody. What is noted is at least as long; much longer is what a wrong clock has left."""
        noted = {one["directory"]: one.get("next_try") for one in self.machine.state().get("cas", [])}
        for ca in self.cas:
            until = next((next_try for url, next_try in noted.items() if f"/{ca.prefix}/" in url), None)
            if not until or not -120 <= parse(until) - self.shared.skew / 1e9 - ca.quiet_until <= DAY:
                ca.quiet_until = quiet[ca.prefix]
            newest = max(ca.orders, default=0)
            if ca.counts["orders"] > orders[ca.prefix] and f"/{ca.prefix}/order/{newest}\"" not in self.machine.notes():
                ca.orders[newest].told = False

    def look_after(self, code):
        """What must hold whenever derp-acme has ended, or was killed."""
        self.account(self.clock.now(), self.clock.now())
        if self.machine.link_is_good() is False and not any(e.name.startswith("lost") for e in self.episodes[-3:]):
            self.problem("the link leads to a pair that is not whole")
        serial = self.machine.installed_serial()
        issued = serial and self.by_serial(serial)
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
        episode.after = self.counts()
        self.note("over", fault.name)

    def tail(self):
        """The last part of a seed is quiet, so that its end can be judged."""
        return (self.leaf.end - self.leaf.begin) / 2 if self.leaf else 10 * DAY

    def jump(self, seconds):
        self.shared.skew = int(seconds) * 10**9
        for ca in self.cas:  # how long it has been since cannot be told any more
            ca.excused_until = ca.quiet_until
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
        if leaf is not self.leaf or leaf.order.number not in self.ca.orders:
            return
        now = self.clock.now()
        leaf.window = (now - HOUR, now - HOUR / 2)
        notice = min(self.random.uniform(1, 5) * DAY, (leaf.end - now) * 0.9)
        end = now + notice
        # It is known when the CA is next asked: at its Retry-After (6 h and a fifth), at a tick of the timer.
        self.promise = Promise(now + 8.5 * HOUR, end, first_only=True)  # the others do not know
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
                self.at(when, *((what, seconds) if what else (self.fault, self.draw(), seconds)))
        if r.random() < 0.1:
            when = now + (due - now) * r.uniform(0.1, 0.9)
            self.at(when - DAY, self.watch, True)
            self.at(when, self.incident, self.leaf)
            self.at(when + 5 * DAY, self.watch, False)
        if r.random() < 0.4:
            self.at(due - r.uniform(0, 0.1) * left, self.die)
        if self.second and r.random() < 0.3:
            self.at(due - 0.1 * left, self.fault, self.of_first(), left * 10 ** r.uniform(-1, 0.5))
        if self.staging and r.random() < 0.2:
            unreachable = faults.Attribute("port not reachable", "reach", "port")
            self.at(due - 0.01 * left, self.fault, unreachable, left * r.uniform(0.02, 0.6))
        if r.random() < LASTING:  # nothing but the emergency ends what it does
            self.at(due - 0.01 * left, self.fault, r.choice([faults.OwnView, faults.DamagedKey])(), 1.1 * left)
        kind = r.random()
        if kind < 0.25:
            return
        if kind < 0.6:
            self.at(due - r.uniform(-0.02, 0.15) * left, self.fault, self.draw(), left * 10 ** r.uniform(-3, -0.2))
        elif kind < 0.75:
            when = due - 0.1 * left
            for _ in range(r.randrange(2, 5)):
                self.at(when, self.fault, self.draw(), left * r.uniform(0.02, 0.2))
                when += left * r.uniform(0.03, 0.25)
        else:
            self.last_chance(due, end, left, beyond=kind > 0.9)

    def last_chance(self, due, end, left, beyond):
        """Nothing but one usable stretch, as short as the promise allows; then nothing until the end, or not even
        that one."""
        r = self.random
        second = self.second is not None and r.random() < 0.5  # it is the second CA's chance, not the first's
        chance = due + left * r.uniform(0, 0.95)
        length = max((end - chance) / Promise.SHARES[second], Promise.LEAST) * 1.01 + 2 * MINUTE
        start = due - 0.2 * left
        after = left * r.uniform(0.05, 0.2)
        if beyond:
            self.at(start, self.fault, self.blocking(), end - start + after)
            return
        self.at(start, self.fault, self.blocking(), chance - start)
        if second:
            self.at(chance - 1, self.fault, self.of_first(), length + 2)
        if chance + length < end:
            self.at(chance + length, self.fault, self.blocking(), end - chance - length + after)

    def draw(self):
        """The next fault of the deck. With several CAs most of those that are a CA's leave the others alone."""
        fault, r = next(self.deck), self.random
        others = [ca.prefix for ca in self.cas[1:]]
        if fault.of_ca and others:
            kind = r.random()
            if kind < 0.6:
                fault.target = {self.ca.prefix}
            elif kind < 0.75:
                fault.target = {r.choice(others)}
                fault.name = f"{min(fault.target)} CA: any of a CA's faults"
        return fault

    def of_first(self):
        """A fault of the first CA alone, with which nothing can be got from it."""
        fault = next(f for f in self.deck if f.blocks and f.of_ca)
        fault.target = {self.ca.prefix}
        return fault

    def blocking(self):
        """One with which nothing can be got from any CA."""
        return next(f for f in self.deck
                    if f.blocks and not isinstance(f, (faults.ClockJump, faults.OtherCaa, faults.OwnView, faults.DamagedKey)))

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
        for ca in self.cas:
            self.problems += ca.violations + ca.abandoned
        if self.staging and any(i.order.certificate for i in self.staging.issued.values()):
            self.problems.append("staging has issued a certificate")
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
