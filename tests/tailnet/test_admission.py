# SPDX-License-Identifier: Apache-2.0
"""Who may use the relay, asked of those who know: headscale's /verify, and a tailscaled beside derpd
that is older than the clients.

The world is that of test_relay.py. Who logs in with a key is the small DERP client of the system
tests; the keys are those of the nodes, or of nobody.
"""
import base64
import re

import pytest
from testbed.shell import wait_for


def refusal(derpd, key):
    """The reason in the log for refusing a key, which stands there as Tailscale abbreviates it."""
    short = base64.b64encode(bytes.fromhex(key)).decode()[:5]
    found = re.search(rf"{re.escape(short)}\S* from \S+ may not use this relay: (.*)", derpd.log())
    assert found, derpd.log()
    return found[1]


def version(node):
    return tuple(map(int, re.findall(r"\d+", node.status()["Version"])[:3]))


def keys_of(derpd):
    return derpd.status()["connections"]["keys"]


@pytest.fixture(scope="module")
def local(tailnet):
    """A node on the relay's own host, of an older release."""
    node = tailnet.new_node("local", tailnet.server, "tailscaled-older").start()
    node.join(tailnet.headscale)
    assert version(node) < version(tailnet.nodes[0])
    return node


@pytest.fixture(scope="module")
def guarded(tailnet, local):
    """A relay that asks that node's tailscaled."""
    derpd = tailnet.new_derpd("guarded", f"tailscaled:{local.socket}", port=8443, metrics=3341,
                              stun=False)
    yield derpd.start()
    assert derpd.stop() == 0


def test_headscale_knows_its_nodes(tailnet):
    node = tailnet.nodes[0]
    assert tailnet.derpd.metric('derp_admission_total{verdict="admitted"}') >= 3
    assert tailnet.login(tailnet.derpd, node.host, node.secret())[0]
    admitted, key = tailnet.login(tailnet.derpd, node.host)
    assert not admitted
    assert "/verify does not admit" in refusal(tailnet.derpd, key)


def test_local_tailscaled_knows_its_peers(tailnet, local, guarded):
    one = tailnet.nodes[0]
    wait_for("its peers", 20, lambda: one.key in local.status()["Peer"])
    assert tailnet.login(guarded, one.host, one.secret())[0]
    admitted, key = tailnet.login(guarded, one.host)
    assert not admitted
    assert f"{local.socket} does not admit" in refusal(guarded, key)


def test_local_tailscaled_is_found_again(tailnet, local, guarded):
    other = tailnet.nodes[1]
    local.stop()
    assert not local.socket.exists()
    local.start()
    wait_for("an answer", 20, lambda: tailnet.login(guarded, other.host, other.secret())[0])


def test_deleted_node_is_refused(tailnet, local, guarded):
    """Last, for it takes a node away. An answer is believed for half a minute, or until a reload."""
    gone = tailnet.nodes[2]
    secret, key = gone.secret(), gone.key
    assert tailnet.login(tailnet.derpd, gone.host, secret)[0]
    keys = keys_of(tailnet.derpd)
    tailnet.headscale.delete(key)
    tailnet.derpd.reload()
    assert not tailnet.login(tailnet.derpd, gone.host, secret)[0]
    wait_for("its connections are closed", 5, lambda: keys_of(tailnet.derpd) < keys)
    wait_for("tailscaled hears of it", 20, lambda: key not in local.status()["Peer"])
    assert not tailnet.login(guarded, gone.host, secret)[0]
