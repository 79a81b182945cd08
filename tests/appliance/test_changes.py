# SPDX-License-Identifier: Apache-2.0
"""Running derp-setup again with other flags, and runs that fail after something was changed."""

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup, derp_verb
from testbed.network import SERVER
from testbed.world import DOMAIN, World

SUITE = rootfs.SUITES[0]
CONF = "/etc/derp/derp.conf"


@pytest.fixture
def world(installed):
    with World(SUITE, layers=installed(SUITE)) as world:
        yield world


@pytest.fixture(scope="module")
def relay(installed):
    """One server that is set up; the tests with it go on from one another."""
    with World(SUITE, layers=installed(SUITE)) as world:
        run = derp_setup(world)
        assert run.code == 0, run
        yield world


def files(server):
    return server.sh("find /etc -xdev -type f -exec sha256sum {} + | sort -k 2")


def pid(world):
    return world.server.sh("systemctl show -P MainPID derpd")


def test_a_flag_changes_its_value_and_nothing_else(relay):
    server = relay.server
    text = server.read(CONF).replace("[certificate]", "# by hand\nworkers = 1\n\n[certificate]")
    server.write(CONF, text)
    before = pid(relay)
    run = derp_setup(relay, "--uplink=4mbit")
    assert run.code == 0, run
    assert any("uplink" in c for c in run.json["changes"]), run
    assert server.read(CONF) == text.replace("workers = 1\n", "workers = 1\nuplink = 4mbit\n")
    assert pid(relay) != before
    before = pid(relay)
    again = derp_setup(relay, "--uplink=4mbit")
    assert again.code == 0 and again.json["changes"] == [] and pid(relay) == before
    plain = derp_setup(relay)  # a flag that is not given keeps its value
    assert plain.code == 0 and plain.json["changes"] == []
    assert "uplink = 4mbit" in server.read(CONF)


def test_what_the_relay_does_not_need_to_know_does_not_restart_it(relay):
    before = pid(relay)
    run = derp_setup(relay, "--email=admin@demo.com")
    assert run.code == 0 and run.json["changes"], run
    assert pid(relay) == before


def test_region_flags_go_into_the_map_only(relay):
    text = relay.server.read(CONF)
    run = derp_setup(relay, "--region-id=901", "--region-code=fra", "--region-name=Frankfurt")
    region = run.json["derpMap"]["Regions"]["901"]
    assert (region["RegionCode"], region["RegionName"]) == ("fra", "Frankfurt")
    assert relay.server.read(CONF) == text
    assert "901" in derp_verb(relay, "map").json["derpMap"]["Regions"]


@pytest.mark.pitfall(12)
def test_another_port(relay):
    run = derp_setup(relay, "--port=8443", "--stun-port=3479")
    assert run.code == 0, run
    assert run.status("ports.challenge") == "warn"
    node = run.json["derpMap"]["Regions"]["901"]["Nodes"][0]
    assert (node["DERPPort"], node["STUNPort"]) == (8443, 3479)
    assert clients.connects(relay.clients[0], SERVER, 8443) == "open"
    assert "3479/udp" in relay.server.sh("ufw status")
    back = derp_setup(relay, "--port=443", "--stun-port=3478")
    assert back.code == 0, back
    assert "DERPPort" not in back.json["derpMap"]["Regions"]["901"]["Nodes"][0]


def test_another_domain(relay):
    relay.dns.set(f"derp 600 IN A {SERVER}", f"new 600 IN A {SERVER}")
    run = derp_setup(relay, domain="new.demo.com")
    assert run.code == 0, run
    root = relay.folder / "root.pem"
    root.write_text(relay.ca.issuing_root())
    leaf = clients.chain(relay.clients[0], root=root, domain="new.demo.com")[0]
    assert leaf.names == ["new.demo.com"]


def test_the_firewall_is_left_alone_when_asked(world):
    server = world.server
    before = server.sh("find /etc/ufw /etc/default/ufw -type f -exec sha256sum {} +; nft list ruleset")
    run = derp_setup(world, "--firewall=none")
    assert run.code == 0 and run.status("firewall.none") == "warn", run
    assert server.sh("find /etc/ufw /etc/default/ufw -type f -exec sha256sum {} +; "
                     "nft list ruleset") == before
    again = derp_setup(world)  # remembered
    assert again.code == 0 and again.json["changes"] == [], again


@pytest.mark.pitfall(8)
def test_firewall_fails_and_is_taken_back(world):
    server = world.server
    server.sh("mv /usr/sbin/ip6tables-restore /root/; ln -s /bin/false /usr/sbin/ip6tables-restore")
    before = files(server)
    run = derp_setup(world)
    assert run.code == 5, run
    assert files(server) == before
    assert server.sh("ufw status") == "Status: inactive"
    assert not server.path(CONF).exists()
    assert clients.connects(world.clients[0], SERVER, 22) == "open"
    server.sh("rm /usr/sbin/ip6tables-restore; mv /root/ip6tables-restore /usr/sbin/")
    assert derp_setup(world).code == 0


def test_apt_fails_in_the_middle(world):
    """Packages may be there by then, so it does not say that nothing was changed."""
    server = world.server
    server.sh("apt-get purge --autoremove -qqy ufw iptables python3")
    server.offer_packages()
    server.write("/etc/apt/apt.conf.d/99broken", 'DPkg::Pre-Invoke { "false"; };\n')
    run = derp_setup(world)
    assert run.code == 5 and run.failures == ["firewall.ufw.missing"], run
    assert run.json["changes"] == ["apt-get install ufw"]
    assert "Nothing was changed" not in run.result.err and "Not finished" in run.result.err
    server.sh("rm /etc/apt/apt.conf.d/99broken")
    assert derp_setup(world).code == 0


def test_relay_does_not_start(world):
    server = world.server
    server.write("/etc/systemd/system/derpd.service.d/broken.conf",
                 "[Service]\nExecStart=\nExecStart=/bin/sh -c 'echo the reason >&2; exit 1'\n")
    server.run("systemctl", "daemon-reload")
    run = derp_setup(world)
    assert run.code == 7 and run.failures == ["service.failed"], run
    assert "the reason" in run.result.err
    assert clients.connects(world.clients[0], SERVER, 22) == "open"
    server.sh("rm -r /etc/systemd/system/derpd.service.d; systemctl daemon-reload")
    again = derp_setup(world)
    assert again.code == 0, again
    assert derp_verb(world, "status").code == 0


@pytest.mark.pitfall(19)
def test_status_sees_what_is_wrong(world):
    assert derp_setup(world).code == 0
    server = world.server
    server.run("systemctl", "stop", "derpd.service", "derp-acme.timer")
    status = derp_verb(world, "status")
    assert status.code == 1 and status.failures == ["service.down", "service.timer"], status
    doctor = derp_verb(world, "doctor")
    assert doctor.code == 1 and "proof.derp" in doctor.failures, doctor
    run = derp_setup(world)  # repairs
    assert run.code == 0, run
    assert derp_verb(world, "status").code == 0
    assert derp_verb(world, "check", DOMAIN, *world.setup_flags()).code == 0
