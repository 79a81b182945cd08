# SPDX-License-Identifier: Apache-2.0
"""derpd among strangers: what they send ends in bounded time, memory and log lines, and the clients
that are at work beside them do not notice."""
import contextlib
import os
import re
import resource
import threading
import time

import pytest

import hostile

LOG_LINES = 20      # one line a minute for each kind of event that strangers can cause
ROUND_TRIP = 3.0    # seconds; a packet of a bystander, on a busy machine
MIB = 1024 * 1024
CALM = 24 * MIB     # what a relay may have grown by after a test,
CROWD = 96 * MIB    # and after a crowd, whose memory the allocator keeps for the next


class Bystanders:
    """Two clients that send packets to and fro all the time."""

    def __init__(self, relay):
        self.a, self.b = relay.client(), relay.client()
        self.over = threading.Event()
        self.count, self.slowest, self.failure = 0, 0.0, None
        self.threads = [threading.Thread(target=self.guard, args=(f,)) for f in (self.ask, self.echo)]

    def guard(self, function):
        try:
            function()
        except Exception as e:  # told by the main thread
            if not self.over.is_set():
                self.failure = self.failure or repr(e)

    def ask(self):
        while not self.over.wait(0.02):
            packet = b"%d" % self.count
            start = time.monotonic()
            self.a.send(self.b.key, packet)
            assert self.a.receive() == (self.b.key, packet)
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.count += 1

    def echo(self):
        while True:
            source, packet = self.b.receive()
            self.b.send(source, packet)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.threads[0].join()
        self.b.socket.shutdown(2)
        self.threads[1].join()
        self.a.close()
        self.b.close()

    def go_on(self):
        """A few round trips more."""
        enough = self.count + 10
        wait_until(lambda: self.failure or self.count >= enough, "bystanders talk", 30)

    def were_not_disturbed(self):
        assert self.failure is None
        assert self.slowest < ROUND_TRIP


class Process:
    """What the kernel says of a process."""

    def __init__(self, pid):
        self.pid = pid
        self.allowance = CALM

    def memory(self, what="VmRSS"):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return int(re.search(r"^%s:\s+(\d+) kB" % what, f.read(), re.M).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def is_sanitized(self):
        """Built with a sanitizer, whose memory is its own affair."""
        with open("/proc/%d/maps" % self.pid, encoding="utf-8") as f:
            return re.search(r"lib[at]san", f.read()) is not None

    def reset_peak(self):
        with open("/proc/%d/clear_refs" % self.pid, "w", encoding="ascii") as f:
            f.write("5")


def wait_until(question, what, patience):
    deadline = time.monotonic() + patience
    while not question():
        if time.monotonic() > deadline:
            pytest.fail("waited %d s in vain: %s" % (patience, what))
        time.sleep(0.05)


@pytest.fixture(scope="module")
def descriptors():
    """Room for crowds, here and in the relay."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def target(relay):
    return hostile.Target("127.0.0.1", relay.ports[0], relay.name, relay.ports[1])


@pytest.fixture
def calm(relay, descriptors):
    """Watches a relay through a test: it must live, answer, and be as small and quiet after it."""
    with relay.client() as c:  # first use allocates
        c.ping()
    process = Process(relay.process.pid)
    begin = relay.log.stat().st_size
    memory, open_before = process.memory(), process.descriptors()
    with Bystanders(relay) as bystanders:
        yield process
        wait_until(lambda: process.descriptors() <= open_before + 2, "descriptors are given back",
                   hostile.LATE)
        bystanders.go_on()
    bystanders.were_not_disturbed()
    assert relay.process.poll() is None
    with relay.client() as c:
        c.ping()
    lines = relay.text(begin).splitlines()
    assert len(lines) <= LOG_LINES, "\n".join(lines[:50])
    assert process.is_sanitized() or process.memory() < memory + process.allowance


@pytest.mark.tsan
def test_every_attack_ends(calm, target):
    """All of them at once, in the middle of a crowd."""
    calm.allowance = CROWD
    hello = target.client_hello()
    silent = hostile.crowd(target, 500, lambda s, n: None)
    halves = hostile.crowd(target, 500, lambda s, n: s.sendall(hello[:n % len(hello)]))
    took = dict(hostile.run_all(target))
    assert len(took) == len(hostile.ATTACKS)
    hostile.crowd_is_closed(silent + halves, hostile.LATE)


def test_a_crowd_that_comes_again_needs_no_more_memory(calm, target):
    calm.allowance = CROWD
    hello = target.client_hello()
    after = []
    for _ in range(6):
        socks = hostile.crowd(target, 500, lambda s, n: s.sendall(hello[:n % len(hello)]))
        for s in socks:
            s.close()
        wait_until(lambda: calm.descriptors() < 100, "the crowd is gone", hostile.SOON)
        after.append(calm.memory())
    assert calm.is_sanitized() or after[-1] < after[1] + 16 * MIB, after


def test_connections_that_are_cut(calm, target):
    hostile.reset_at_once(target, 3000)


def test_logins_that_hoard_memory(calm, target):
    """150 strangers with 256 KiB each cannot take more than a bound that a small server can bear."""
    calm.allowance = CROWD
    with contextlib.suppress(PermissionError):
        calm.reset_peak()
    before = calm.memory()
    socks = hostile.hoard_memory(target, 150)
    grown = calm.memory("VmHWM") - before
    hostile.crowd_is_closed(socks, hostile.LATE)
    assert calm.is_sanitized() or grown < 64 * MIB


def test_stun_garbage(calm, target):
    hostile.stun_is_silent(target, hostile.stun_garbage())


@pytest.mark.tsan
def test_stun_and_tls_at_once(calm, target):
    """A flood on the one port does not stop the other."""
    over = threading.Event()
    failures = []

    def flood():
        try:
            while not over.is_set():
                hostile.stun_is_silent(target, hostile.stun_garbage(2, 2000))
        except hostile.Failed as e:
            failures.append(str(e))
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        took = dict(hostile.run_all(target, {"garbage", "not_http", "endless_header", "zero_key",
                                             "deep_json", "frame_too_long"}))
    finally:
        over.set()
        thread.join()
    assert not failures
    assert len(took) == 6


def test_strangers_do_not_fill_the_log(relay, target):
    """The same fault a thousand times is one line, and then how often it was."""
    begin = relay.log.stat().st_size
    fast = {name for name, _, within, _, _ in hostile.ATTACKS if within == hostile.SOON}
    for _ in range(20):
        hostile.run_all(target, fast)
    hostile.stun_is_silent(target, hostile.stun_garbage(3, 1000))
    lines = relay.text(begin).splitlines()
    assert len(lines) <= LOG_LINES, "\n".join(lines[:50])
    assert all(re.fullmatch(r"[\x20-\x7e]*", line) for line in lines)
