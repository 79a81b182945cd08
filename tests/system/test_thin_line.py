# SPDX-License-Identifier: Apache-2.0
"""A narrow link between the relay and its clients that the relay has not been told of: what waits for it
must wait in the relay. The link is tc's token bucket between two network namespaces, with room for seconds
in front of it. By amounts and order, not by time."""
import os
import re
import statistics
import subprocess
import sys
import threading
import time

import derp
import pytest
import relays
from conftest import ROOT, Relay
from test_derpd import PATIENCE, eventually, metric

sys.path.append(str(ROOT / "tests" / "bench"))
import networks  # noqa: E402

BULK, SMALL = 1300, 100
AHEAD = 60   # packets
PROBES, PAUSES = 15, 9
END = b"the end"
MSS = 1448
MUTE = """
table inet mute {
    chain in {
        type filter hook input priority 0
        tcp dport %d drop
    }
}
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")


class ThinRelay(Relay):
    """derpd behind a link of 1 Mbit/s."""

    def __init__(self, *args, line):
        super().__init__(*args)
        self.line = line

    def command(self):
        return [*self.line.server, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                *super().command()]

    def _user(self):
        return {}  # setpriv does it, in there

    def stalled(self):
        return self.line.call(lambda: metric(self, "derp_connections_stalled_total"), 0)

    def client(self, **options):
        return self.line.call(lambda: derp.Client((self.line.address, self.port), relays.HOST,
                                                  str(self.folder / "ca.pem"), **options))

    def mute(self, client):
        """Nothing reaches this client any more."""
        rules = MUTE % client.socket.getsockname()[1]
        subprocess.run([*self.line.clients, "nft", "-f", "-"], text=True, check=True, input=rules)

    def in_kernel(self):
        """Bytes that the fullest of the relay's connections has sent, or given to be sent, and not yet
        seen acknowledged."""
        told = subprocess.run([*self.line.server, "ss", "-Htin", "sport = :%d" % self.port], text=True,
                              capture_output=True, check=True).stdout
        most = 0
        for one in told.split("\nESTAB"):
            found = [re.search(r"\b%s:(\d+)" % word, one) for word in ("unacked", "notsent")]
            unacked, notsent = (int(f[1]) if f else 0 for f in found)
            most = max(most, MSS * unacked + notsent)
        return most


@pytest.fixture(params=["cubic", "reno"])
def thin(derpd_binary, authority, request):
    with networks.Line("1mbit", "3s", request.param) as line, \
         ThinRelay(derpd_binary, authority, line=line) as r:
        yield r


class Arrivals(threading.Thread):
    """Takes what comes for a client as fast as it comes, so that nothing waits there; `order` tells it."""

    def __init__(self, client):
        super().__init__()
        self.client, self.order, self.changed, self.bulk = client, [], threading.Condition(), 0
        self.start()

    def run(self):
        packet = b""
        while packet != END:
            packet = self.client.receive()[1]
            with self.changed:
                self.bulk += packet.startswith(b"bulk")
                self.order.append(packet.rstrip(b"\0"))
                self.changed.notify()

    def bulk_until(self, name):
        return self.order[:self.order.index(name)].count(b"bulk")

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), self.order[-100:]


class Bulk:
    """Always twice as many packets as have come, and some more: the line never runs dry."""

    def __init__(self, client, key, arrivals):
        self.client, self.key, self.arrivals, self.sent = client, key, arrivals, 0

    def until(self, condition):
        while not condition():
            while self.sent < 2 * self.arrivals.bulk + AHEAD:
                self.client.send(self.key, b"bulk" + bytes(BULK - 4))
                self.sent += 1
            before = len(self.arrivals.order)
            self.arrivals.wait(lambda n=before: len(self.arrivals.order) > n)

    def probe(self, n):
        """Sends a small packet; what it is called in the order of arrivals."""
        small = b"small%d" % n
        self.client.send(self.key, small + bytes(SMALL - len(small)))
        return small


def test_what_waits_can_still_be_passed(thin):
    """A small packet, again and again; the middle of what is seen, as this machine may have other work."""
    with thin.client() as a, thin.client() as r:
        arrivals = Arrivals(r)
        bulk = Bulk(a, r.key, arrivals)
        bulk.until(lambda: arrivals.bulk > 150)  # it has been found to be slow
        held, passed_by = [], []
        for n in range(PROBES):
            bulk.until(lambda more=arrivals.bulk + 40: arrivals.bulk > more)
            held.append(thin.in_kernel())
            small, before = bulk.probe(n), arrivals.bulk
            bulk.until(lambda name=small: name in arrivals.order)
            passed_by.append(arrivals.bulk_until(small) - before)
        a.send(r.key, END)
        arrivals.join(PATIENCE)
        print("in the kernel", sorted(held), "passed by", sorted(passed_by))
        assert statistics.median(held) < 40000  # a third of a second; nobody else leaves less than seconds
        assert statistics.median(passed_by) < 30
        assert thin.stalled() == 0


def test_what_comes_after_a_pause_is_no_measure(thin):
    """In a pause the token bucket fills, as a provider's does; what comes then is let through at the speed
    of the link behind it, which says nothing of the line."""
    with thin.client() as a, thin.client() as r:
        arrivals = Arrivals(r)
        bulk = Bulk(a, r.key, arrivals)
        bulk.until(lambda: arrivals.bulk > 150)
        passed_by = []
        for n in range(PAUSES):
            time.sleep(0.5)  # this is the pause
            begun = arrivals.bulk
            for _ in range(100):
                a.send(r.key, b"bulk" + bytes(BULK - 4))
            arrivals.wait(lambda more=begun + 40: arrivals.bulk > more)  # the bucket is empty
            before = arrivals.bulk
            small = bulk.probe(n)
            arrivals.wait(lambda name=small: name in arrivals.order)
            passed_by.append(arrivals.bulk_until(small) - before)
        a.send(r.key, END)
        arrivals.join(PATIENCE)
        print("passed by", sorted(passed_by))
        assert statistics.median(passed_by) < 30


def test_one_that_takes_nothing_is_closed(thin):
    """Also while the relay itself holds back what it sends; nobody else is."""
    with thin.client() as a, thin.client() as r:
        for _ in range(300):
            for _ in range(2):
                a.send(r.key, b"bulk" + bytes(BULK - 4))
            r.receive()
        thin.mute(r)

        def is_closed():
            a.send(r.key, b"bulk" + bytes(BULK - 4))
            return thin.stalled()

        assert eventually(is_closed, "it is closed") == 1
        a.ping()
