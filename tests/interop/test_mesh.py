# SPDX-License-Identifier: Apache-2.0
"""Regions of several relays: derpd with derpd, and with Tailscale's derper."""
import itertools
import os
import signal
import time

import pytest
from conftest import ROOT

import sys
sys.path.insert(0, str(ROOT / "tests" / "system"))

try:
    import derp
    from region import Region, arrives, reach
except ImportError as e:
    pytest.skip("python3-nacl is missing: %s" % e, allow_module_level=True)

BATCH = 16  # derper holds 32 packets for a client, and drops more
REGIONS = {"derpd-derpd-derpd": ["derpd"] * 3, "derpd-derpd-derper": ["derpd", "derpd", "derper"]}


@pytest.fixture(scope="module", params=REGIONS)
def region(request, make_relay):
    with Region(make_relay, REGIONS[request.param]) as r:
        yield r


def receive_all(client, n):
    return [client.receive() for _ in range(n)]


def test_any_two_clients_on_any_two_nodes(region):
    clients = [region.client(i) for i in range(3)]
    try:
        for a, b in itertools.permutations(clients, 2):
            reach(a, b)
            packets = [b"%d from a" % i + b"x" * (300 + i * 137 % 2000) for i in range(200)]
            for i in range(0, len(packets), BATCH):
                batch = packets[i:i + BATCH]
                for p in batch:
                    a.send(b.key, p)
                # Each once and in order: no loop, no second way.
                assert receive_all(b, len(batch)) == [(a.key, p) for p in batch]
            a.ping()
            b.ping()
            assert not arrives(b, a.key, packets[-1], 0.1)
    finally:
        for c in clients:
            c.close()


@pytest.mark.parametrize("size", [0, 1, 65536])
def test_sizes(region, size):
    packet = os.urandom(size)
    for a, b in itertools.permutations(range(3), 2):
        with region.client(a) as x, region.client(b) as y:
            reach(x, y)
            x.send(y.key, packet)
            assert y.receive() == (x.key, packet)


def test_disco_and_not_here(region):
    """A client that is nowhere in the region is answered by the sender's own node."""
    nobody = os.urandom(32)
    for i in range(3):
        with region.client(i) as a:
            a.send(nobody, derp.DISCO + bytes(60))
            assert a.read_until(derp.PEER_GONE) == nobody + b"\x01"


def test_gone_from_the_region(region):
    """Who heard a client of another node is told when it leaves."""
    for a, b in itertools.permutations(range(3), 2):
        with region.client(b) as y:
            x = region.client(a)
            reach(x, y)
            x.close()
            assert y.read_until(derp.PEER_GONE) == x.key + b"\x00"


def test_local_before_forwarder(region):
    """A key on two nodes: each node's clients get the one next to them, others one of both; what
    leaves one node is found on the other, without a PeerGone in between."""
    secret = os.urandom(32)
    with region.client(0) as a, region.client(1) as b, region.client(2) as c:
        first, second = region.client(0, secret=secret), region.client(1, secret=secret)
        with second:
            for sender in (a, b, c):
                reach_any(sender, [first, second])
            a.send(first.key, b"to the near one")
            assert arrives(first, a.key, b"to the near one", 5)
            b.send(first.key, b"to the near one")
            assert arrives(second, b.key, b"to the near one", 5)
            first.send(a.key, b"heard")
            assert arrives(a, first.key, b"heard", 5)
            first.close()
            reach(a, second)
            reach(c, second)
            second.send(a.key, b"still here")
            kind, payload = a.read()
            assert (kind, payload) == (derp.RECV_PACKET, second.key + b"still here")


def reach_any(sender, receivers):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        sender.send(receivers[0].key, b"any")
        if any(arrives(r, sender.key, b"any", 0.05) for r in receivers):
            return
    raise AssertionError("no packet arrives")


def outage(region, index, how):
    """Ends a node and starts it again. Seconds until packets flow to and from its clients: worst of
    all directions, each against what is allowed for it."""
    node = region.nodes[index]
    others = [i for i in range(3) if i != index]
    node.stop(how)
    with region.client(others[0]) as a, region.client(others[1]) as b:
        a.send(b.key, b"meanwhile")
        reach(a, b)
        node.start()
        took = []
        with region.client(index) as x:
            for other, client in zip(others, (a, b)):
                # derper tries every 5 s, and its clients need a try of its own.
                allowed = 12 if region.nodes[other].kind == "derper" else 2
                took += [reach(client, x) / allowed, reach(x, client) / 2]
        return max(took)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["ends", "dies"])
@pytest.mark.parametrize("index", range(3))
def test_a_node_comes_back(region, index, how):
    """Within 2 s of its return, and meanwhile the others go on. Three tries: this machine may have
    been busy with something else."""
    tries = []
    while len(tries) < 3:
        tries.append(outage(region, index, how))
        if tries[-1] < 1:
            return
    pytest.fail("of what is allowed it took %s" % tries)


def test_status_shows_the_links(make_relay):
    with Region(make_relay, ["derpd", "derpd"]) as region, region.client(1):
        a = region.nodes[0]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            links = {link["node"]: link for link in a.status()["mesh"]}
            own, other = (links["%s:%d" % (n.name, n.port)] for n in region.nodes)
            if other["clients"] >= 1 and own["state"] == "self":
                break
        assert own["state"] == "self" and own["clients"] == 0
        assert other["state"] == "up" and other["problem"] == ""
        assert 'derp_mesh_link_up{node="%s"} 1' % other["node"] in a.metrics()
        region.nodes[1].stop()
        while time.monotonic() < deadline:
            other = [k for k in a.status()["mesh"] if k["state"] != "self"][0]
            if other["state"] == "connecting" and "refused" in other["problem"]:
                break
        assert "refused" in other["problem"] and other["clients"] == 0
        assert a.text().count("no link to") <= 2 * 3  # three of each in a minute
        region.nodes[1].start()
