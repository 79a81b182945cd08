# SPDX-License-Identifier: Apache-2.0
"""What is measured. A scenario runs one contender at a time and returns its figures by name; bench.py
has the contenders take turns, and takes the medians of the rounds."""
import json
import signal
import subprocess
import sys
import time

import contenders
import loads
import networks

LOAD_LIMIT = 0.93  # of its core: above, derp-load itself is the bottleneck
MAX_LOSS = 0.001   # what "without loss" means

DERPER, DERPD = ("derper", "derper", {}), ("derpd", "derpd", {})
# What no relay with one event loop gets below; tests/bench/floor.
FLOOR = ("floor: a bare loop", "floor", {})
FLOOR_CIPHER = ("floor: the same with AES-GCM", "floor", {"cipher": "yes"})


class Scenario:
    """name, title: for people. rows: (figure, what it is, unit, whether less is better)."""

    contenders = [DERPER, DERPD]  # (column, kind, options of derp.conf)
    rounds = None                 # other than what was asked for
    rows = ()

    def __init__(self, quick):
        self.quick = quick

    def network(self):
        return networks.Loopback()

    def measure(self, contender):
        raise NotImplementedError

    def run(self, kind, options):
        with self.network() as network, contenders.Contender(kind, network, **options) as c:
            return self.measure(c)


# --- Thin line -------------------------------------------------------------------------------------------

class ThinLine(Scenario):
    """A copy that offers twice what the line carries, and keystrokes beside it."""

    # figure: (from, to); the copy goes from 0 to 2
    PROBES = {"same_receiver": ((1, 2), "to the receiver of the copy"),
              "same_pair": ((0, 2), "between the two that copy"),
              "same_source": ((0, 3), "from the sender of the copy"),
              "other": ((1, 3), "between two others")}
    COPY, PROBE, EVERY = 1300, 100, 20

    def __init__(self, quick, rate="4mbit", queue="50ms", congestion="cubic"):
        super().__init__(quick)
        self.rate, self.queue, self.congestion = rate, queue, congestion
        self.name = "thin-%s-%s-%s" % (rate, queue, congestion)
        self.title = "A line of %s with a queue of %s, full of a copy (%s); 100-byte packets 20 times a " \
            "second" % (rate.replace("mbit", " Mbit/s"), queue.replace("ms", " ms"), congestion)
        self.contenders = [DERPER, DERPD, ("derpd, uplink = " + rate, "derpd", {"uplink": rate})]
        self.rows = [row for key, (_, what) in self.PROBES.items() for row in (
            (key + "_p50", what + ": median", "ms", True), (key + "_p99", what + ": p99", "ms", True),
            (key + "_lost", what + ": lost", "%", True))]
        self.rows += [("bulk", "the copy", "Mbit/s", False), ("closed", "connections closed", "", True)]

    def network(self):
        return networks.Line(self.rate, self.queue, self.congestion)

    def measure(self, c):
        offered = 2e6 * float(self.rate.replace("mbit", "")) / 8 / self.COPY
        groups = [loads.group("bulk", self.COPY, offered, [[0, 2]])]
        groups += [loads.group(key, self.PROBE, self.EVERY, [list(pair)])
                   for key, (pair, _) in self.PROBES.items()]
        r = loads.run(c, groups, 6 if self.quick else 8, warm_up=3, drain=3)
        figures = {"bulk": r["groups"]["bulk"]["arrived_bytes"] * 8 / r["window"]["seconds"] / 1e6,
                   "closed": r["connections"]["closed"]}
        for key in self.PROBES:
            delay = r["groups"][key]["delay_ms"]
            came = r["groups"][key]["received"] > 0
            figures[key + "_p50"], figures[key + "_p99"] = (
                (delay["p50"], delay["p99"]) if came else (None, None))
            figures[key + "_lost"] = 100 * loads.loss(r, key)
            figures[key + "_curve"] = delay["curve"] if came else None
        return figures


class LongLine(ThinLine):
    """Clients that are far away, and a line that loses a packet now and then."""

    DELAY_MS, LOSS = 100, 10  # there and back; of 10,000

    def __init__(self, quick):
        super().__init__(quick)
        self.name = "long-4mbit"
        self.title = "The same, 100 ms there and back, and one of 1,000 packets is lost on the way"

    def network(self):
        return networks.LongLine(self.rate, self.queue, self.congestion, self.DELAY_MS, self.LOSS)


class ThinFairness(Scenario):
    """Ten copies to ten receivers."""

    rows = [("jain", "Jain's index over the ten", "", False),
            ("least", "the slowest of them", "kbit/s", False), ("bulk", "all together", "Mbit/s", False),
            ("closed", "connections closed", "", True)]

    def __init__(self, quick, congestion="cubic"):
        super().__init__(quick)
        self.name = "thin-ten-" + congestion
        self.title = "Ten copies to ten receivers over 4 Mbit/s (%s)" % congestion
        self.congestion = congestion
        self.contenders = [DERPER, DERPD, ("derpd, uplink = 4mbit", "derpd", {"uplink": "4mbit"})]

    def network(self):
        return networks.Line("4mbit", "50ms", self.congestion)

    def measure(self, c):
        r = loads.run(c, [loads.group("bulk", 1300, 770, loads.pairs(10))], 12,
                      warm_up=3, drain=2)
        got = r["groups"]["bulk"]["pair_bytes"]
        return {"jain": loads.jain(got), "least": min(got) * 8 / r["window"]["seconds"] / 1e3,
                "bulk": sum(got) * 8 / r["window"]["seconds"] / 1e6, "closed": r["connections"]["closed"]}


class Typing(Scenario):
    """The same with tailscaled, headscale, a copy inside the tailnet and an SSH session; tests/tailnet."""

    name = "typing"
    title = "Real clients (tailscaled) on a line of 4 Mbit/s with a queue of 50 ms: a keystroke's echo in an " \
        "SSH session while a copy of four streams goes on"
    contenders = [("derper", None, ["--derper"]), ("derpd", None, ["--uplink", "off"]),
                  ("derpd, uplink = 4mbit", None, ["--uplink", "4mbit"])]
    rows = [row for key, what in (("idle", "without the copy"),
                                  ("to the receiver of the copy", "from a third machine to the copy's receiver"),
                                  ("between the two that copy", "between the two that copy"))
            for row in ((key + "_p50", what + ": median", "ms", True), (key + "_p99", what + ": p99", "ms", True))]
    rows += [("mbit", "the line carried", "Mbit/s", False)]
    rounds = 3

    def run(self, kind, options):
        done = subprocess.run([sys.executable, str(contenders.ROOT / "tests" / "tailnet" / "copying.py"), "--json",
                               "--seconds", "15", *options], capture_output=True, text=True,
                              timeout=300, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        figures = {"mbit": found["mbit"]}
        for key, (median, p99) in found["ms"].items():
            figures[key + "_p50"], figures[key + "_p99"] = median, p99
        return figures


# --- Fat line --------------------------------------------------------------------------------------------

class Shape:
    """What packets look like, and between whom."""

    def __init__(self, name, title, size, pairs, rate, **more):
        self.name, self.title, self.size, self.pairs, self.rate, self.more = \
            name, title, size, pairs, rate, more

    def run(self, contender, rate, seconds, **more):
        return loads.run(contender, [loads.group("load", self.size, rate, self.pairs, **self.more)],
                         seconds, **more)


PAIRS = loads.pairs(10)
WITH_FLOOR = "1312", "1312-bursts", "1312-packed", "64", "64-bursts"
BURST, PACK = {"burst": 8, "share": "write"}, {"burst": 8, "share": "record"}
SINGLE = Shape("1312", "1312 bytes, evenly spaced, 10 pairs", 1312, PAIRS, 30000)
BURSTS = Shape("1312-bursts", "1312 bytes, 8 at a time, each in its own record, 10 pairs", 1312, PAIRS, 40000,
               **BURST)
PACKED = Shape("1312-packed", "1312 bytes, 8 packets per record, 10 pairs", 1312, PAIRS, 60000, **PACK)
SMALL = Shape("64-bursts", "64 bytes, 8 at a time, each in its own record, 10 pairs", 64, PAIRS, 40000, **BURST)
SHAPES = [
    SINGLE, BURSTS, PACKED, SMALL,
    Shape("64", "64 bytes, evenly spaced, 10 pairs", 64, PAIRS, 30000),
    Shape("200-bursts", "200 bytes, 8 at a time, 10 pairs", 200, PAIRS, 40000, **BURST),
    Shape("1400-packed", "1400 bytes, 8 packets per record, 10 pairs", 1400, PAIRS, 60000, **PACK),
    Shape("8192", "8192 bytes, evenly spaced, 10 pairs", 8192, PAIRS, 8000),
    Shape("65536", "65,536 bytes, evenly spaced, 10 pairs", 65536, PAIRS, 1000),
    Shape("one-pair", "1312 bytes, 8 at a time, 1 pair", 1312, loads.pairs(1), 20000, **BURST),
    Shape("fan-in", "1312 bytes, 50 senders to one", 1312, loads.fan_in(50), 20000, **BURST),
    Shape("fan-out", "1312 bytes, one sender to 50", 1312, loads.fan_out(50), 20000),
    Shape("zipf", "1312 bytes, 8 at a time, 50 pairs, a few of which have most", 1312, loads.zipf(50), 30000,
          **BURST),
    Shape("1000", "1312 bytes, 8 at a time, 100 pairs among 1,000 clients", 1312, loads.pairs(100), 30000,
          **BURST),
    Shape("10000", "1312 bytes, 8 at a time, 10 pairs among 10,000 clients", 1312, loads.pairs(10), 30000,
          **BURST),
]
CLIENTS = {"1000": 1000, "10000": 10000}


class CpuPerPacket(Scenario):
    """The server's CPU time for each packet that arrives, at the same rate for all."""

    rows = [("cpu", "server CPU per packet", "µs", True), ("p50", "delay: median", "ms", True),
            ("p99", "delay: p99", "ms", True), ("lost", "lost", "%", True),
            ("server", "server's core busy", "%", True), ("load", "load's core busy", "%", True)]

    def __init__(self, quick, shape, rate=None, name=None):
        super().__init__(quick)
        self.shape, self.rate = shape, rate or shape.rate
        self.name = name or "cpu-" + shape.name
        self.title = "%s, %s/s" % (shape.title, format(round(self.rate), ","))
        if shape.name in WITH_FLOOR and not quick:
            self.contenders = [DERPER, DERPD, FLOOR, FLOOR_CIPHER]

    def measure_floor(self, c):
        r = loads.run_floor(c, self.shape.size, len(self.shape.pairs), self.rate, 3, **self.shape.more)
        return {"cpu": 1e6 * r["server_cpu"] / r["arrived"], "p50": r["p50_ms"], "p99": r["p99_ms"],
                "lost": 100 * (1 - r["received"] / r["due"]), "server": 100 * r["server_cpu"] / r["seconds"],
                "load": 100 * r["busy"]}

    def measure(self, c):
        if c.kind == "floor":
            return self.measure_floor(c)
        clients = CLIENTS.get(self.shape.name)
        r = self.shape.run(c, self.rate, 2 if self.quick else 3, clients=clients, at_once=64)
        delay = r["groups"]["load"]["delay_ms"]
        return {"cpu": loads.cpu_per_packet(r), "p50": delay["p50"], "p99": delay["p99"],
                "lost": 100 * loads.loss(r, "load"), "server": 100 * loads.server_busy(r),
                "load": 100 * r["busy"]}


def is_sustained(report):
    return loads.loss(report, "load") <= MAX_LOSS and report["groups"]["load"]["delay_ms"]["p99"] < 50


def find_knee(contender, shape, seconds):
    """The highest rate without loss, and whether derp-load was what ended the search."""
    good, bad, limited = 0.0, None, False
    rate = shape.rate
    for _ in range(9):
        r = shape.run(contender, rate, seconds, warm_up=0.5, drain=1, settle=0.2)
        if is_sustained(r):
            good = rate
        else:
            bad, limited = rate, r["busy"] > LOAD_LIMIT > loads.server_busy(r)
        rate = good * 1.5 if bad is None else (good + bad) / 2
        if bad is not None and bad - good < 0.06 * bad:
            break
    return good, limited


class Knee(Scenario):
    """How much goes through without loss, on one core."""

    rows = [("rate", "packets without loss", "1/s", False), ("mbit", "the same", "Mbit/s", False),
            ("limited", "the load was the limit (1)", "", True)]
    rounds = 2

    def __init__(self, quick, shape):
        super().__init__(quick)
        self.shape = shape
        self.name, self.title = "knee-" + shape.name, shape.title + ": highest rate with ≤ 0.1 % loss"

    def measure(self, c):
        rate, limited = find_knee(c, self.shape, 2)
        return {"rate": rate, "mbit": rate * self.shape.size * 8 / 1e6, "limited": int(limited)}


class Overload(Scenario):
    """Ten senders that send as fast as their connections take it, and some disco packets beside."""

    name, title = "overload", "Far more offered than can be done: 1400 bytes, 8 per record, 10 pairs, as " \
        "fast as the sockets take; 100 disco packets a second between two others"
    rows = [("mbit", "delivered", "Mbit/s", False), ("lost", "lost of what the relay took", "%", True),
            ("jain", "Jain's index over the ten", "", False), ("disco_lost", "disco lost", "%", True),
            ("disco_p99", "disco: p99", "ms", True), ("cpu", "server CPU per packet", "µs", True),
            ("server", "server's core busy", "%", True)]

    def measure(self, c):
        groups = [loads.group("load", 1400, 0, PAIRS, **PACK),
                  loads.group("disco", 100, 100, [[20, 21]], disco=True)]
        r = loads.run(c, groups, 3 if self.quick else 6)
        load, disco = r["groups"]["load"], r["groups"]["disco"]
        return {"mbit": load["arrived_bytes"] * 8 / r["window"]["seconds"] / 1e6,
                "lost": 100 * (1 - load["received"] / load["sent"]) if load["sent"] else None,
                "jain": loads.jain(load["pair_bytes"]), "disco_lost": 100 * loads.loss(r, "disco"),
                "disco_p99": disco["delay_ms"]["p99"], "cpu": loads.cpu_per_packet(r), "server": 100 * loads.server_busy(r)}


# --- Others are not disturbed ----------------------------------------------------------------------------

class Disturbed(Scenario):
    """Some pairs exchange packets; then something happens beside them."""

    RATE = 5000
    rows = [("calm_p99", "p99 before", "ms", True), ("p99", "p99 meanwhile", "ms", True),
            ("times", "how many times that is", "", True), ("lost", "lost", "%", True)]

    def load(self, c, seconds):
        groups = [loads.group("load", 1312, self.RATE, PAIRS)]
        return loads.start(c, loads.make_plan(c, groups, seconds, warm_up=0.5, drain=1, spin=False),
                           name="others")

    def disturb(self, c):
        raise NotImplementedError

    def measure(self, c):
        seconds = 3 if self.quick else 5
        calm = loads.finish(self.load(c, seconds), c, 60)
        others = self.load(c, seconds)
        try:
            self.disturb(c)
            r = loads.finish(others, c, 60)
        finally:
            loads.end(others)
        was, now = (x["groups"]["load"]["delay_ms"]["p99"] for x in (calm, r))
        return {"calm_p99": was, "p99": now, "times": now / was, "lost": 100 * loads.loss(r, "load")}


class StuckReceiver(Disturbed):
    """Packets for a client that has stopped to read."""

    name = "stuck"
    title = "One receiver does not read while 2,000 packets/s come for it; 10 other pairs, 5,000 packets/s"

    def disturb(self, c):
        stuck = loads.start(c, loads.make_plan(c, [], 1, clients=1, first=100, wait_for="go",
                                               spin=False), name="stuck")
        sender = None
        try:
            assert stuck.stdout.readline() == "ready\n"
            stuck.send_signal(signal.SIGSTOP)
            group = loads.group("stuck", 1312, 2000, [[101, 100]])
            sender = loads.start(c, loads.make_plan(c, [group], 3, clients=1, first=101, warm_up=0.1, drain=0.1,
                                                    spin=False),
                                 name="sender")
            sender.communicate(timeout=60)
        finally:
            for p in (stuck, sender):
                if p is not None:
                    loads.end(p)


class Storm(Disturbed):
    """Many log in at the same time."""

    name, title = "storm", "1,000 clients log in at once; 10 pairs beside them, 5,000 packets/s"

    def disturb(self, c):
        time.sleep(1)  # they are under way; nothing depends on it
        storm = loads.start(c, loads.make_plan(c, [], 0.1, clients=1000, first=1000, at_once=64, settle=0.1,
                                               warm_up=0.1, drain=0.1, spin=False), name="storm",
                            idle=True)
        loads.finish(storm, c, 60)


class Logins(Scenario):
    """Full TLS 1.3 handshake, upgrade and login."""

    name, title = "logins", "TLS 1.3 handshakes with login, 64 at a time"
    rows = [("cpu", "server CPU each", "µs", True), ("rate", "of them in a second of CPU", "", False)]

    def measure(self, c):
        count = 500 if self.quick else 2000
        r = loads.run(c, [], 0.1, clients=count, at_once=64, settle=0.1, warm_up=0.1, drain=0.1)
        cpu = r["logins"]["server_cpu"] / count
        return {"cpu": 1e6 * cpu, "rate": 1 / cpu}


# --- Memory ----------------------------------------------------------------------------------------------

def tcp_pages(network):
    """KiB that the kernel holds for TCP sockets, as it counts them (of all namespaces)."""
    text = subprocess.run([*network.server, "cat", "/proc/net/sockstat"], text=True, check=True,
                          capture_output=True).stdout
    words = next(line for line in text.splitlines() if line.startswith("TCP:")).split()
    return 4 * int(words[words.index("mem") + 1])


class Memory(Scenario):
    """Connections that are idle."""

    rows = [("idle", "memory for each (PSS)", "KiB", True),
            ("touched", "the same after a packet for each", "KiB", True)]
    rounds = 3

    def __init__(self, quick, count):
        super().__init__(quick)
        self.count = count
        self.name, self.title = "memory-%d" % count, "%s idle TLS 1.3 connections" % format(count, ",")

    def measure(self, c):
        seconds = 2 if self.quick else 5
        touch = loads.group("touch", 100, self.count / 2 / seconds, loads.pairs(self.count // 2))
        r = loads.run(c, [touch], seconds, clients=self.count, at_once=64, settle=3, warm_up=0, drain=3)
        before, idle, after = r["pss_kib"]
        return {"idle": (idle - before) / self.count, "touched": (after - before) / self.count}


# --- STUN ------------------------------------------------------------------------------------------------

class Stun(Scenario):
    """Binding requests from many sockets."""

    rows = [("cpu", "server CPU per answer", "µs", True), ("rate", "answers", "1/s", False),
            ("lost", "not answered", "%", True), ("p99", "delay: p99", "ms", True)]

    def __init__(self, quick, rate=50000, burst=1, relaying=False):
        super().__init__(quick)
        self.rate, self.burst, self.relaying = rate, burst, relaying
        self.name = "stun-%d%s%s" % (rate, "-bursts" if burst > 1 else "", "-relaying" if relaying else "")
        self.title = "STUN, %s requests/s%s%s" % (
            format(rate, ","), ", %d at a time" % burst if burst > 1 else "", ", while 10 pairs exchange 10,000 packets/s" if relaying else "")
        if not relaying and not quick:
            self.contenders = [DERPER, DERPD, FLOOR]

    def measure(self, c):
        seconds = 2 if self.quick else 4
        load = None
        if self.relaying:
            groups = [loads.group("load", 1312, 10000, PAIRS)]
            load = loads.start(c, loads.make_plan(c, groups, seconds + 3, warm_up=0.5, drain=0.5,
                                                  spin=False), name="load")
            time.sleep(1)  # under way; nothing depends on it
        command = [*c.network.clients, "taskset", "-c", "1", str(loads.PROGRAM.with_name("stun-load")),
                   "%s:%d" % (c.network.address, contenders.STUN_PORT), str(self.rate), str(self.burst), str(seconds),
                   str(c.process.pid)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            if load is not None:
                loads.finish(load, c, 60)
        finally:
            if load is not None:
                loads.end(load)
        r = json.loads(done.stdout)
        cpu = 1e6 * r["server_cpu"] / r["answers"] if r["answers"] and not self.relaying else None
        return {"cpu": cpu, "rate": r["answers"] / r["seconds"], "p99": r["p99_ms"],
                "lost": 100 * (1 - r["answers"] / r["requests"])}


# --- What a machine can do at best -----------------------------------------------------------------------

class Limit(Scenario):
    """Deciphering, enciphering and copying between sockets, and nothing else."""

    contenders = [("limit", None, {})]
    rows = [("packed", "1312 bytes, 8 per record in, 16 KiB out", "µs", True),
            ("single", "1312 bytes, one per record in and out", "µs", True),
            ("small", "64 bytes, one per record in and out", "µs", True)]
    name, title = "limit", "The cipher in and out and a bare copy from socket to socket, per packet"

    def run(self, kind, options):
        figures = {}
        for name, size, into, out in (("packed", 1312, 8, 12), ("single", 1312, 1, 1), ("small", 64, 1, 1)):
            done = subprocess.run([str(loads.PROGRAM.with_name("limit")), str(size), str(into), str(out)],
                                  capture_output=True, text=True, timeout=60, check=True)
            figures[name] = json.loads(done.stdout)["us"]
        return figures


def quick_scenarios():
    """What tells most in three minutes."""
    return [ThinLine(True), *(CpuPerPacket(True, s) for s in (SINGLE, BURSTS, PACKED)),
            CpuPerPacket(True, SINGLE, 1000, "cpu-1312-at-1000"), Overload(True), StuckReceiver(True), Storm(True),
            Logins(True), Memory(True, 1000), Stun(True)]


def all_scenarios():
    """In the order of the report."""
    thin = [ThinLine(False), ThinLine(False, congestion="bbr"), ThinLine(False, queue="500ms"),
            ThinLine(False, rate="1mbit"), ThinFairness(False), ThinFairness(False, "bbr"), LongLine(False),
            Typing(False)]
    fat = [CpuPerPacket(False, s) for s in SHAPES]
    fat += [CpuPerPacket(False, SINGLE, rate, "cpu-1312-at-%d" % rate) for rate in (10000, 1000)]
    fat += [CpuPerPacket(False, BURSTS, 80000, "cpu-1312-bursts-at-80000"),
            CpuPerPacket(False, PACKED, 110000, "cpu-1312-packed-at-110000")]
    knees = [Knee(False, s) for s in (SINGLE, BURSTS, PACKED, SMALL)]
    rest = [Overload(False), StuckReceiver(False), Storm(False), Logins(False), Memory(False, 1000),
            Memory(False, 10000), Stun(False), Stun(False, burst=16), Stun(False, 5000, relaying=True)]
    return [*thin, Limit(False), *fat, *knees, *rest]
