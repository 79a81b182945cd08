# SPDX-License-Identifier: Apache-2.0
"""A line that is full: what waits for it is ordered, shared and kept short. By order and amounts, never
by how fast something is."""
import os
import signal
import socket
import ssl
import time

import derp
import pytest
from conftest import Relay
from test_derpd import eventually, metric

BULK = 1300
SMALL = 100


@pytest.fixture
def slow(derpd_binary, authority):
    """A relay on a line of 1 Mbit/s: 119 bytes a millisecond."""
    class Slow(Relay):
        def command(self):
            command = super().command()
            self.config.write_text(self.config.read_text().replace("[relay]", "[relay]\nuplink = 1mbit"))
            return command

    with Slow(derpd_binary, authority) as r:
        yield r


def fill(sender, receiver, count):
    for i in range(count):
        sender.send(receiver.key, b"bulk %4d" % i + bytes(BULK - 9))


def fill_up(relay, sender, receiver, count=150):
    """So much that it must wait, for seconds; it is there when this returns."""
    before = metric(relay, 'derp_packets_received_total{kind="other"}')
    fill(sender, receiver, count)
    eventually(lambda: metric(relay, 'derp_packets_received_total{kind="other"}') >= before + count,
               "all has come")


def until(client, *packets):
    """How many bulk packets come before all of these have come, in any order."""
    bulk, left = 0, set(packets)
    while left:
        got = client.receive()[1]
        left.discard(got)
        bulk += got.startswith(b"bulk")
    return bulk


@pytest.mark.tsan
def test_small_packets_pass_bulk(slow):
    """Of the same pair, to the same receiver, and to others."""
    with slow.client() as a, slow.client() as b, slow.client() as r, slow.client() as other:
        fill_up(slow, a, r)
        a.send(r.key, b"of the same pair" + bytes(SMALL - 16))
        b.send(r.key, b"to the same receiver" + bytes(SMALL - 20))
        b.send(other.key, b"to another" + bytes(SMALL - 10))
        assert until(other, b"to another" + bytes(SMALL - 10)) == 0
        # 150 packets take 1.6 s: by then some have come, but by far not all.
        assert until(r, b"of the same pair" + bytes(SMALL - 16),
                     b"to the same receiver" + bytes(SMALL - 20)) < 75


def test_control_passes_bulk(slow):
    with slow.client() as a, slow.client() as r:
        fill_up(slow, a, r)
        data = os.urandom(8)
        r.socket.sendall(derp.frame(derp.PING, data))
        before = 0
        while (frame := r.read()) != (derp.PONG, data):
            before += frame[0] == derp.RECV_PACKET
        assert before < 75


def test_pings_are_answered_while_bulk_stands(slow):
    """Each of them, not the first one alone: a client that gets no pong gives its connection up."""
    with slow.client() as a, slow.client() as r:
        fill_up(slow, a, r)
        for _ in range(5):
            r.ping()
        a.send(r.key, b"end" + bytes(SMALL))
        until(r, b"end" + bytes(SMALL))


def test_no_more_than_the_uplink(slow):
    """Whatever comes for it. (How much of the line is used is for the benchmark to say.)"""
    with slow.client() as a, slow.client() as r:
        fill_up(slow, a, r)
        begin = time.monotonic()
        got = 0
        while time.monotonic() < begin + 2:
            got += 5 + 32 + len(r.receive()[1])
            fill(a, r, 2)
        assert got < 125000 * (time.monotonic() - begin) + 10000


def test_receivers_share(slow):
    """One for whom more comes gets no more of the line than the other while both wait."""
    with slow.client() as a, slow.client() as b, slow.client() as r, slow.client() as q:
        fill_up(slow, a, r, 150)
        fill_up(slow, b, q, 40)
        got = {r: 0, q: 0}
        for c in (r, q):
            c.socket.settimeout(0.5)
        while got[q] < 15:  # more of them could be too old
            q.receive()
            got[q] += 1
        r.socket.setblocking(False)
        try:
            while True:
                r.receive()
                got[r] += 1
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        assert got[r] < 40


def test_what_is_too_old_is_dropped(slow):
    """150 packets would take 1.6 s; nothing waits for much longer than half a second."""
    with slow.client() as a, slow.client() as r:
        fill_up(slow, a, r)
        a.send(r.key, bytes(SMALL))
        seen = until(r, bytes(SMALL))
        r.socket.settimeout(1.5)
        with pytest.raises(TimeoutError):
            while True:
                seen += r.receive()[1].startswith(b"bulk")
        late = metric(slow, 'derp_packets_dropped_total{reason="queue_time",kind="other"}')
        assert seen + late == 150 and late > 20
        a.ping()
        r.socket.settimeout(10)
        r.ping()


def test_pages_and_logins_are_not_held_back(slow):
    with slow.client() as a, slow.client() as r:
        fill_up(slow, a, r)
        for _ in range(5):
            with slow.client() as c:
                c.ping()


def test_the_end_comes_in_time(slow):
    with slow.client() as a, slow.client() as r:
        fill_up(slow, a, r)
        slow.process.send_signal(signal.SIGTERM)
        slow.process.wait(10)
        assert slow.process.returncode == 0


@pytest.mark.tsan
def test_order_on_a_line_that_the_receiver_blocks(relay):
    """Without an uplink: what a receiver does not take waits in the same order of urgency."""
    with relay.client() as a, relay.client(login=False) as r:
        r.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        r.upgrade("h")
        r.login()
        read = 0
        for _ in range(13):  # 520 KB in all: more than the kernel holds
            fill_up(relay, a, r, 30)
            r.receive()  # it must take something from time to time, or it is closed
            read += 1
        a.send(r.key, b"small" + bytes(SMALL - 5))
        a.ping()
        assert read + until(r, b"small" + bytes(SMALL - 5)) < 385
