# SPDX-License-Identifier: Apache-2.0
"""derpd among strangers: what they send ends in bounded time, memory and log lines, and the clients
that are at work beside them do not notice."""
import contextlib
import re
import resource
import threading
import urllib.request

import pytest

import derp
import hostile
from bystanders import CLIENTS, MIB, Process, beside, wait_until
from fronts import FrontedRelay, header_v1
from test_admission import Source, guarded, open_path, secret_and_key, write_keys  # noqa: F401
from test_derpd import metric
from test_websocket import websocket

LOG_LINES = 20      # one line a minute for each kind of event that strangers can cause
CALM = 24 * MIB     # what a relay may have grown by after a test,
CROWD = 96 * MIB    # and after a crowd, whose memory the allocator keeps for the next


@pytest.fixture(scope="module")
def descriptors():
    """Room for crowds, here and in the relay."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def target_of(relay):
    tls, stun, http, metrics = relay.ports
    return hostile.Target("127.0.0.1", tls, relay.name, stun, http, metrics,
                          getattr(relay, "proxy_port", 0))


@pytest.fixture
def target(relay):
    return target_of(relay)


def watched(relay, attack, allowance=CALM):
    """Runs attack(process) beside bystanders: after it the relay must live, answer, and be as small
    and quiet as before."""
    with relay.client() as c:  # first use allocates
        c.ping()
    process = Process(relay.process.pid)
    begin = relay.log.stat().st_size
    memory, held = process.memory(), process.descriptors()
    beside(relay, attack)
    wait_until(lambda: process.descriptors() <= held + 2, "descriptors are given back", hostile.LATE)
    assert relay.process.poll() is None
    with relay.client() as c:
        c.ping()
    lines = relay.text(begin).splitlines()
    assert len(lines) <= LOG_LINES, "\n".join(lines[:50])
    assert process.is_sanitized() or process.memory() < memory + allowance


@pytest.mark.tsan
def test_every_attack_ends(relay, descriptors, target):
    """All of them at once, in the middle of a crowd."""
    def attack(_):
        hello = target.client_hello()
        silent = hostile.crowd(target, 500, lambda s, n: None)
        halves = hostile.crowd(target, 500, lambda s, n: s.sendall(hello[:n % len(hello)]))
        took = dict(hostile.run_all(target))
        assert len(took) == len(hostile.ATTACKS)
        hostile.crowd_is_closed(silent + halves, hostile.LATE)
    watched(relay, attack, CROWD)


def test_a_crowd_that_comes_again_needs_no_more_memory(relay, descriptors, target):
    def attack(process):
        hello = target.client_hello()
        after = []
        for _ in range(10):
            socks = hostile.crowd(target, 500, lambda s, n: s.sendall(hello[:n % len(hello)]))
            for s in socks:
                s.close()
            wait_until(lambda: process.descriptors() < 100, "the crowd is gone", hostile.SOON)
            after.append(process.memory())
        # at first the allocator spreads out; what leaks grows on
        assert process.is_sanitized() or after[-1] < after[4] + 12 * MIB, after
    watched(relay, attack, CROWD)


def test_connections_that_are_cut(relay, target):
    watched(relay, lambda _: hostile.reset_at_once(target, 3000))


def test_logins_that_hoard_memory(relay, target):
    """150 strangers with 256 KiB each cannot take more than a bound that a small server can bear."""
    def attack(process):
        with contextlib.suppress(PermissionError):
            process.reset_peak()
        before = process.memory()
        socks = hostile.hoard_memory(target, 150)
        grown = process.memory("VmHWM") - before
        hostile.crowd_is_closed(socks, hostile.LATE)
        assert process.is_sanitized() or grown < 64 * MIB
    watched(relay, attack, CROWD)


class EveryPort(FrontedRelay):
    def command(self):
        return super().command()[:-1]  # not --verbose


def test_random_bytes_on_every_port(derpd_binary, authority):
    with EveryPort(derpd_binary, authority) as relay:
        target = target_of(relay)

        def attack(_):
            assert hostile.random_bytes(target, 20) == 18 * 20
            hostile.stun_is_silent(target, hostile.stun_garbage(6, 5000))
            # all ports serve as before
            assert metric(relay, "derp_clients") >= 0
            page = "http://127.0.0.1:%d/generate_204" % target.http_port
            with urllib.request.urlopen(page, timeout=10) as answer:
                assert answer.status == 204
            with relay.behind(header_v1("203.0.113.7", 50000)) as c:
                c.ping()
        watched(relay, attack)


def test_stun_garbage(relay, target):
    watched(relay, lambda _: hostile.stun_is_silent(target, hostile.stun_garbage()))


@pytest.mark.tsan
def test_stun_and_tls_at_once(relay, target):
    """A flood on the one port does not stop the other."""
    def attack(_):
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
    watched(relay, attack)


def test_strangers_do_not_fill_the_log(relay, target):
    """The same fault a thousand times is one line, and then how often it was."""
    begin = relay.log.stat().st_size
    fast = {name for name, _, within, *_ in hostile.ATTACKS if within == hostile.SOON}
    for _ in range(20):
        hostile.run_all(target, fast)
    hostile.stun_is_silent(target, hostile.stun_garbage(3, 1000))
    lines = relay.text(begin).splitlines()
    assert len(lines) <= LOG_LINES, "\n".join(lines[:50])
    assert all(re.fullmatch(r"[\x20-\x7e]*", line) for line in lines)


# --- Clients, but no good ones ----------------------------------------------------------------------

def say_frames(client, size, total):
    """So many bytes of frames of an unknown type; returns how many frames that were."""
    together = derp.frame(0x7F, bytes(size)) * max(MIB // (size + 5), 1)
    frames = 0
    for _ in range(0, total, len(together)):
        client.socket.sendall(together)
        frames += len(together) // (size + 5)
    return frames


def test_a_gigabyte_of_unknown_frames(relay, target):
    def attack(process):
        whole = 1024 * MIB if not process.is_sanitized() else 64 * MIB
        name = "derp_unknown_frames_total"
        before, memory = metric(relay, name), process.memory()
        with relay.client() as long, relay.client() as empty:
            said = say_frames(long, 65568, whole * 3 // 4) + say_frames(empty, 0, whole // 4)
            for c in (long, empty):
                c.socket.settimeout(60)
                c.ping()  # they are read over, and the next frame is understood
            assert metric(relay, name) - before == said
            assert process.is_sanitized() or process.memory() < memory + CALM
    watched(relay, attack)


def test_receivers_that_stop_reading(relay, target):
    """Their senders, and everyone else, go on; they are closed when they have taken nothing for 2 s,
    and until then hold no more than their queue."""
    def attack(process):
        memory = process.memory()
        stalled = metric(relay, "derp_connections_stalled_total")
        with contextlib.ExitStack() as stack:
            sender = stack.enter_context(relay.client())
            stuck = [stack.enter_context(relay.client()) for _ in range(10)]
            most = 0
            for _ in range(40):
                for s in stuck:
                    for _ in range(10):
                        sender.send(s.key, bytes(16000))
                most = max(most, process.memory())
            sender.ping()
            wait_until(lambda: metric(relay, "derp_connections_stalled_total") == stalled + 10,
                       "all are closed", hostile.SOON)
            sender.ping()
        assert process.is_sanitized() or most < memory + 10 * 4 * MIB
    watched(relay, attack)


def test_half_a_frame_may_wait(relay, target):
    """A client may take its time with a frame, or with the WebSocket message around it. That costs
    the frame and no more, disturbs nobody, and what is completed is delivered."""
    def attack(process):
        memory = process.memory()
        with contextlib.ExitStack() as stack:
            receiver = stack.enter_context(relay.client())
            frame = derp.frame(derp.SEND_PACKET, receiver.key + bytes(65536))
            slow = []  # (key, socket, all that it says)
            for n in range(100):
                if n % 4 > 0:
                    c = stack.enter_context(relay.client())
                    slow.append((c.key, c.socket, frame))
                else:
                    c = stack.enter_context(websocket(relay))
                    slow.append((c.key, c.raw, hostile.message(2, frame)))
            for _, s, words in slow:
                s.sendall(words[:-3])
            for n in range(3, 1, -1):  # all but the last, one by one
                for _, s, words in slow:
                    s.sendall(words[-n:-n + 1])
            with relay.client() as gone:
                gone.socket.sendall(frame[:-1])
            assert process.is_sanitized() or process.memory() < memory + 100 * 150 * 1024 + CALM
            for key, s, words in slow:
                s.sendall(words[-1:])
                assert receiver.receive() == (key, bytes(65536))
    watched(relay, attack)


def test_strangers_who_wait_for_admission(guarded, open_path):  # noqa: F811 (fixtures)
    """A source that does not answer: who waits for it is read no further, and sent away in time."""
    secrets, keys = zip(*[secret_and_key() for _ in range(CLIENTS)])
    write_keys(open_path / "keys", *keys)

    def attack(process):
        memory = process.memory()
        waiting = []
        for _ in range(100):
            c = target.upgraded()
            hostile.say_client_info(c, b'{"version":2}')
            c.socket.settimeout(0.01)
            with contextlib.suppress(OSError):
                c.socket.sendall(derp.frame(derp.SEND_PACKET, keys[0] + bytes(60000)) * 20)
            waiting.append(c.socket)
        assert source.asked
        assert process.is_sanitized() or process.memory() < memory + 100 * 200 * 1024
        hostile.crowd_is_closed(waiting, hostile.LOGIN)

    with Source() as source:
        source.delay.clear()
        relay = guarded("keys:%s" % (open_path / "keys"), source.where)
        target, process = target_of(relay), Process(relay.process.pid)
        begin, memory = relay.log.stat().st_size, process.memory()
        beside(relay, attack, secrets)
    assert len(relay.text(begin).splitlines()) <= LOG_LINES
    assert process.is_sanitized() or process.memory() < memory + CALM
