# SPDX-License-Identifier: Apache-2.0
"""A narrow link between the relay and its clients that the relay has not been told of: what waits for it
must wait in the relay. The link is tc's token bucket between two network namespaces, with room for seconds
in front of it. By amounts and order, not by time."""
import os
import re
import subprocess
import sys

import derp
import pytest
import relays
from conftest import ROOT, Relay
from test_derpd import eventually, metric

sys.path.append(str(ROOT / "tests" / "bench"))
import networks  # noqa: E402

BULK, SMALL = 1300, 100
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


def test_what_waits_can_still_be_passed(thin):
    with thin.client() as a, thin.client() as r:
        came, most = 0, 0
        while came < 800:  # 8 s of this line; more than it carries comes all the time
            for _ in range(2):
                a.send(r.key, b"bulk" + bytes(BULK - 4))
            came += r.receive()[1].startswith(b"bulk")
            if came > 150:  # it has been found to be slow
                most = max(most, thin.in_kernel())
        assert most < 40000  # a third of a second; nobody else leaves less than seconds
        for _ in range(50):
            a.send(r.key, b"bulk" + bytes(BULK - 4))
        a.send(r.key, b"small" + bytes(SMALL - 5))
        passed_by = 0
        while r.receive()[1].startswith(b"bulk"):
            passed_by += 1
        assert passed_by < 30
        assert thin.stalled() == 0


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
