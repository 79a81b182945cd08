# SPDX-License-Identifier: Apache-2.0
"""More strangers than derpd has room for: those who work there do not notice, newcomers get in, and
when the strangers are gone nothing of them is left."""
import signal
import socket
import time

import pytest

import conftest
import hostile
from bystanders import MIB, Process, beside, wait_until
from crowd import Strangers
from test_derpd import eventually, metric
from test_hostile import LOG_LINES, target_of

MANY = 20000
PRELOGIN = 2048     # PRELOGIN_MAX of derp/relay/internal.h: for each worker
WORKERS = 2
EACH = 80 * 1024    # what one of them may cost: OpenSSL's buffers in the middle of a handshake
LEVEL = 12 * MIB    # what a relay may be larger by afterwards
RETURN = 40         # seconds until memory is given back: it is looked after every 30 s


def login_time(relay, timeout=10):
    began = time.monotonic()
    with relay.client(timeout=timeout) as c:
        c.ping()
    return time.monotonic() - began


def test_twenty_thousand_half_open_connections(relay):
    """As many that are silent, and as many that stop somewhere in the TLS handshake. The relay keeps
    of them what it has room for, the newest, until their deadline."""
    target, process = target_of(relay), Process(relay.process.pid)
    login_time(relay)  # first use allocates
    begin, memory, held = relay.log.stat().st_size, process.memory(), process.descriptors()

    def attack(_):
        with Strangers(target, MANY) as silent, Strangers(target, MANY, target.client_hello()) as slow:
            for crowd in (silent, slow):
                crowd.wait("standing")
                wait_until(lambda: process.descriptors() <= held + WORKERS * PRELOGIN + 50,
                           "the oldest have made room")
                assert login_time(relay) < hostile.SOON
            began = time.monotonic()
            silent.wait("over")
            slow.wait("over")
            assert time.monotonic() - began < hostile.LATE
        if not process.is_sanitized():
            assert process.memory("VmHWM") < memory + WORKERS * PRELOGIN * EACH

    before = metric(relay, "derp_connections_accepted_total")
    evicted = metric(relay, "derp_connections_evicted_total")
    beside(relay, attack)
    assert metric(relay, "derp_connections_accepted_total") - before >= 2 * MANY
    assert metric(relay, "derp_connections_evicted_total") - evicted > MANY
    wait_until(lambda: process.descriptors() <= held + 2, "descriptors are given back")
    if not process.is_sanitized():
        wait_until(lambda: process.memory() < memory + LEVEL, "memory is given back", RETURN)
    lines = relay.text(begin).splitlines()
    assert len(lines) <= LOG_LINES, "\n".join(lines[:50])


# --- Descriptors --------------------------------------------------------------------------------------

class NarrowRelay(conftest.Relay):
    """derpd with few descriptors."""

    descriptors = 0

    def command(self):
        limit = "--nofile=%d:%d" % (self.descriptors, self.descriptors)
        return ["prlimit", limit, *super().command()]


@pytest.fixture
def narrow(derpd_binary, authority):
    """Makes a relay with so many descriptors."""
    made = []

    def make(descriptors):
        r = NarrowRelay(derpd_binary, authority)
        made.append(r)
        r.descriptors = descriptors
        return r.__enter__()

    yield make
    for r in made:
        r.__exit__()


def is_served(relay):
    try:
        return login_time(relay, 2) >= 0
    except (EOFError, OSError):
        return False


@pytest.mark.tsan
def test_all_descriptors_are_used(narrow):
    """Fewer than derpd reckons with: the kernel gives it none any more. It says so once, does not
    spin, takes nobody in, keeps who is there and its configuration, and recovers by itself."""
    relay = narrow(48)
    target = target_of(relay)
    begin = relay.log.stat().st_size

    def attack(process):
        with Strangers(target, 60) as crowd:
            crowd.wait("standing")  # in the kernel's queue most of them
            eventually(lambda: "out of file descriptors" in relay.text(begin), "it is said")
            began, cpu = time.monotonic(), process.cpu()
            relay.process.send_signal(signal.SIGHUP)  # the config cannot be read
            assert not is_served(relay)
            eventually(lambda: relay.text(begin).count("is refused, the old one stays") > 0,
                       "the config is not read")
            if not process.is_sanitized():
                assert process.cpu() - cpu < 0.3 * (time.monotonic() - began) + 0.5
        eventually(lambda: is_served(relay), "newcomers are served again")
        relay.process.send_signal(signal.SIGHUP)
        eventually(lambda: "config reloaded" in relay.text(begin), "the config is read again")

    beside(relay, attack)
    assert relay.text(begin).count("out of file descriptors") == 1
    assert len(relay.text(begin).splitlines()) <= LOG_LINES


@pytest.mark.tsan
def test_connections_have_a_bound(narrow):
    """What derpd may have, less what it needs itself; beyond that newcomers are turned away."""
    relay = narrow(600)
    target = target_of(relay)
    begin = relay.log.stat().st_size

    def attack(process):
        with Strangers(target, 2000) as crowd:
            crowd.wait("standing")
            eventually(lambda: "new ones are refused" in relay.text(begin), "it is said")
            assert process.descriptors() < 600 - 50
            assert not is_served(relay)
            # what it needs itself it has: the certificate is looked after
            reloads = 'derp_certificate_reloads_total{outcome="ok"}'
            before = metric(relay, reloads)
            relay.install(*relay.authority.leaf(relay.name))
            eventually(lambda: metric(relay, reloads) > before, "it is taken into use")
        eventually(lambda: is_served(relay), "newcomers are served again")

    beside(relay, attack)
    assert relay.text(begin).count("new ones are refused") == 1
    assert len(relay.text(begin).splitlines()) <= LOG_LINES


# --- systemd ------------------------------------------------------------------------------------------

class GuardedProcess(conftest.Relay):
    """derpd with a watchdog that would end it after a second of silence."""

    def start(self):
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(self.folder / "notify"))
        super().start()

    def stop(self, *args):
        self.notices.close()
        return super().stop(*args)

    def _environment(self):
        return {**super()._environment(), "NOTIFY_SOCKET": str(self.folder / "notify"),
                "WATCHDOG_USEC": "1000000"}

    def feeding(self):
        """When the watchdog was fed next."""
        self.notices.settimeout(10)
        while b"WATCHDOG=1" not in self.notices.recv(4096):
            pass
        return time.monotonic()


def test_attacks_do_not_wake_the_watchdog(derpd_binary, authority):
    with GuardedProcess(derpd_binary, authority) as relay:
        target = target_of(relay)

        def attack(process):
            last = relay.feeding()
            with Strangers(target, 3000, target.client_hello()):
                for _ in range(4):
                    hostile.random_bytes(target, 2)
                    now = relay.feeding()
                    assert now - last < 1.5 or process.is_sanitized()
                    last = now
        beside(relay, attack)
