# SPDX-License-Identifier: Apache-2.0
"""`derp-setup --ip` with a CA that gives certificates for addresses (RFC 8738), and with one that refuses."""

import json
import pathlib
import sys

import pytest

from testbed import clients, rootfs
from testbed.appliance import Setup, derp_setup, derp_verb
from testbed.network import SERVER
from testbed.world import DOMAIN, World

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from pebble import new_pebble  # noqa: E402

SUITE = rootfs.SUITES[0]
CONF = "/etc/derp/derp.conf"
SHORT = 160 * 3600


def set_up(world, *flags):
    return Setup(world.server.run("derp-setup", "--ip", "--yes", "--json", *world.setup_flags(),
                                  *flags, check=False, timeout=180))


def node(run):
    return run.json["derpMap"]["Regions"]["900"]["Nodes"][0]


def timer(world):
    return world.server.run("systemctl", "is-active", "derp-acme.timer", check=False).out.strip()


def talk(world, talker, root):
    """Two clients of Tailscale's library with the map that `derp-setup map` prints, and this trust."""
    path = world.folder / "derpmap.json"
    path.write_text(world.server.run("derp-setup", "map").out)
    return world.clients[0].run(talker.program, "--map", path, "--ca", root, "--clients", "2",
                                "--rate", "50", "--duration", "1s", check=False)


def assert_healthy(world):
    for verb in ("status", "doctor"):
        run = derp_verb(world, verb)
        assert run.code == 0 and run.failures == [], run


@pytest.fixture(scope="module")
def world(installed):
    program, why = new_pebble()
    if not program:
        pytest.skip(why)
    with World(SUITE, layers=installed(SUITE)) as world:
        world.ca.stop()
        world.ca.offer(program, {"classic": 90 * 86400, "shortlived": SHORT})
        world.ca.start()
        yield world


@pytest.fixture(scope="module")
def pinned(world):
    """A relay with a certificate of its own, as an earlier run has left it; its node in the map."""
    run = set_up(world, "--certificate=self-signed")
    assert run.code == 0, run
    return node(run)


def test_a_first_run_takes_the_cas(world, talker):
    run = set_up(world)
    assert run.code == 0 and run.failures == [], f"{run} {world.server.journal('derp-acme')}"
    assert node(run)["HostName"] == SERVER and "CertName" not in node(run)
    assert run.status("certificate.self-signed") is None
    conf = world.server.read(CONF)
    assert f"domain = {SERVER}" in conf and "profile = shortlived" in conf
    assert timer(world) == "active"
    leaf = world.server.run("openssl", "x509", "-in", "/var/lib/derp-acme/current/fullchain.pem", "-noout",
                            "-ext", "subjectAltName", "-checkend", str(SHORT + 3600), check=False)
    assert f"IP Address:{SERVER}" in leaf.out and leaf.code == 1, leaf
    root = world.folder / "root.pem"
    root.write_text(world.ca.issuing_root())
    if not talker.note:
        done = talk(world, talker, root)
        report = json.loads(done.out)
        assert done.code == 0 and report["sent"] > 20 and report["lost"] == 0, done
    assert_healthy(world)
    run = set_up(world)
    assert run.code == 0 and run.json["changes"] == [], run


def test_to_its_own_certificate(world, talker):
    run = set_up(world, "--certificate=self-signed")
    assert run.code == 0 and node(run)["CertName"].startswith("sha256-raw:"), run
    assert "source = self-signed" in world.server.read(CONF) and timer(world) == "inactive"
    assert not talker.note and talk(world, talker, world.ca.ca_file).code == 0
    assert_healthy(world)
    again = set_up(world)  # what is there is kept, although the CA offers it
    assert again.code == 0 and again.json["changes"] == [] and node(again) == node(run), again


def test_and_back_to_the_cas(world):
    run = set_up(world, "--certificate=acme")
    assert run.code == 0 and "CertName" not in node(run), run
    assert "source = acme" in world.server.read(CONF) and timer(world) == "active"
    assert_healthy(world)


def test_a_ca_that_refuses_costs_a_pinned_relay_nothing(world):
    before = node(set_up(world, "--certificate=self-signed"))
    world.server.sh("rm -rf /var/lib/derp-acme/*")
    world.ca.stop()
    world.ca.refuse_all()
    run = set_up(world, "--certificate=acme")
    assert run.code == 6 and run.status("certificate.self-signed") == "warn", run
    assert "rejectedIdentifier" in run.get("certificate.failed")["message"] or \
        "not served" in run.get("certificate.failed")["message"], run
    assert "source = self-signed" in world.server.read(CONF) and timer(world) == "inactive"
    assert_healthy(world)
    run = set_up(world)
    assert run.code == 0 and node(run) == before, run


def test_a_refused_first_run_makes_its_own(world, talker):
    world.server.run("derp-setup", "uninstall", "--yes", "--purge", f"--confirm={SERVER}")
    run = set_up(world)
    assert run.code == 0, run
    found = run.get("certificate.self-signed")
    assert found["status"] == "warn" and "refuses" in found["message"]
    assert node(run)["CertName"].startswith("sha256-raw:") and timer(world) == "inactive"
    assert_healthy(world)
    run = set_up(world)
    assert run.code == 0 and run.json["changes"] == [], run


def test_a_domain_takes_the_profile_away(world):
    world.ca.stop()
    world.ca.start()
    world.server.sh("rm -rf /var/lib/derp-acme/*")  # the account of the CA that refused
    run = set_up(world, "--certificate=acme")
    assert run.code == 0, f"{run} {world.server.journal('derp-acme')}"
    run = derp_setup(world)
    assert run.code == 0 and node(run)["HostName"] == DOMAIN, run
    assert "profile = shortlived" not in world.server.read(CONF)
    root = world.folder / "root.pem"
    root.write_text(world.ca.issuing_root())
    assert clients.chain(world.clients[0], root=root)[0].names == [DOMAIN]
