# SPDX-License-Identifier: Apache-2.0
"""The server at 100.100.100.100, which is inside the range of carriers' NAT and of tailnets."""

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup, derp_verb
from testbed.world import DOMAIN, World

ADDRESS = "100.100.100.100"
SUITE = rootfs.SUITES[0]


@pytest.fixture
def world(installed):
    with World(SUITE, server4=ADDRESS, server6=None, layers=installed(SUITE)) as world:
        yield world


@pytest.mark.pitfall(11)
def test_is_refused_unless_named(world, talker):
    run = derp_verb(world, "check", DOMAIN, *world.setup_flags())
    assert run.code == 3 and run.failures == ["address.cgnat"], run
    told = run.get("address.cgnat")
    assert ADDRESS in told["message"] and "100.64.0.0/10" in told["message"]
    assert "--ip4" in told["fix"]

    run = derp_setup(world, f"--ip4={ADDRESS}")
    assert run.code == 0, f"{run}\n{world.server.journal('derpd', 'derp-acme')}"
    assert run.status("address.cgnat") == "warn"
    node = run.json["derpMap"]["Regions"]["900"]["Nodes"][0]
    assert node["IPv4"] == ADDRESS and node["IPv6"] == "none"

    root = world.folder / "root.pem"
    root.write_text(world.ca.issuing_root())
    talks = [talker.start(c, ADDRESS, root).wait_ready() for c in world.clients]
    assert clients.stun(world.clients[0], ADDRESS).startswith("198.51.100.11:")
    for talk in talks:
        report = talk.stop()
        assert report["sent"] > 0 and report["lost"] == 0, report
