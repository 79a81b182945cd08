# SPDX-License-Identifier: Apache-2.0
"""A relay without a domain: `derp-setup --ip`. No DNS, no CA; clients know it by address and fingerprint."""

import json

import pytest

from testbed import clients, rootfs
from testbed.appliance import Setup, derp_setup, derp_verb
from testbed.network import SERVER
from testbed.shell import wait_for
from testbed.world import DOMAIN, World

SUITE = rootfs.SUITES[0]


@pytest.fixture(scope="module")
def world(installed):
    """No name leads to the server, and the CA is down."""
    with World(SUITE, layers=installed(SUITE), records=["derp 600 IN A 203.0.113.99"]) as world:
        world.ca.stop()
        yield world


def set_up(world, *flags):
    return Setup(world.server.run("derp-setup", "--ip", "--yes", "--json", *flags, check=False,
                                  timeout=180))


def node(run):
    return run.json["derpMap"]["Regions"]["900"]["Nodes"][0]


def talk(world, talker, derp_map):
    """Two clients of Tailscale's library that know no more than the map."""
    path = world.folder / "derpmap.json"
    path.write_text(json.dumps(derp_map))
    done = world.clients[0].run(talker.program, "--map", path, "--clients", "2", "--rate", "50",
                                "--duration", "1s", check=False)
    return done


def test_sets_up(world):
    run = set_up(world)
    assert run.code == 0 and run.failures == [], run
    found = node(run)
    assert found["HostName"] == found["IPv4"] == SERVER
    assert found["CertName"].startswith("sha256-raw:") and len(found["CertName"]) == 11 + 64
    assert run.status("dns.skipped") == "skip" and run.status("ca.skipped") == "skip"
    assert run.status("proof.derp") == "ok"
    conf = world.server.read("/etc/derp/derp.conf")
    assert f"domain = {SERVER}" in conf and "source = self-signed" in conf
    assert world.server.run("systemctl", "is-active", "derp-acme.timer", check=False).out.strip() \
        == "inactive"


def test_clients_use_it(world, talker):
    if talker.note:
        pytest.skip(f"only Tailscale's client knows pins: {talker.note}")
    derp_map = json.loads(world.server.run("derp-setup", "map").out)
    done = talk(world, talker, derp_map)
    report = json.loads(done.out)
    assert done.code == 0 and report["sent"] > 20 and report["lost"] == 0, done
    assert clients.stun(world.clients[0])
    pin = derp_map["derpMap"]["Regions"]["900"]["Nodes"][0]
    pin["CertName"] = "sha256-raw:" + "0" * 64
    assert talk(world, talker, derp_map).code != 0  # the pin is looked at


def test_second_run_and_restart_keep_the_fingerprint(world):
    before = node(set_up(world))
    world.server.run("systemctl", "restart", "derpd")
    run = set_up(world)
    assert run.code == 0 and run.json["changes"] == [] and node(run) == before, run


def test_status_and_doctor(world):
    for verb in ("status", "doctor"):
        run = derp_verb(world, verb)
        assert run.code == 0 and run.failures == [], run
        assert "sha256-raw:" in run.get("certificate.ok")["message"]
    assert run.status("proof.tls") == "ok"
    assert derp_verb(world, "renew").code == 0  # there is nothing to renew


def test_another_address(world):
    server = world.server
    before = node(set_up(world))
    server.run("ip", "address", "add", "203.0.113.77/24", "dev", "eth0")
    run = set_up(world, "--ip4=203.0.113.77")
    assert run.code == 0, run
    assert node(run)["HostName"] == "203.0.113.77" and node(run)["CertName"] != before["CertName"]
    server.run("ip", "address", "del", "203.0.113.77/24", "dev", "eth0")
    run = set_up(world, "--ip4=auto")
    assert run.code == 3 and "--ip=" in run.get("address.mismatch")["fix"], run
    run = set_up(world, f"--ip4={SERVER}")
    assert run.code == 0 and node(run)["HostName"] == SERVER, run


def pin(text):
    return json.loads(text)["derpMap"]["Regions"]["900"]["Nodes"][0]["CertName"]


def test_the_next_fingerprint_is_told_and_taken(world, talker):
    server = world.server
    none = server.run("derp-setup", "map", "--next", check=False)
    assert none.code == 3 and none.out == "" and "certificate.next" in none.err, none
    server.sh("cd /var/lib/derp && openssl req -x509 -key self-signed.key -days 300 -subj /CN=relay "
              f"-addext subjectAltName=IP:{SERVER} -out new && chown _derp: new && mv new self-signed.crt")
    server.run("systemctl", "restart", "derpd")
    run = derp_verb(world, "status")
    told = run.get("certificate.pin")
    assert run.code == 0 and told["status"] == "warn" and "renew --force" in told["fix"], run
    now, following = (server.run("derp-setup", "map", *flags) for flags in ([], ["--next"]))
    assert pin(now.out) != pin(following.out)
    assert pin(following.out) in now.err and pin(following.out) in told["message"], now
    assert pin(following.out) in server.journal("derpd")
    assert "certname: " + json.dumps(pin(following.out)) in \
        server.run("derp-setup", "map", "--next", "--format=headscale").out
    assert derp_verb(world, "renew").get("certificate.pin") == told  # it is not due yet
    run = derp_verb(world, "renew", "--force")
    assert run.code == 0 and run.json["result"] == "changed", run
    assert pin(server.run("derp-setup", "map").out) == pin(following.out)
    if not talker.note:
        wait_for("clients with the next map", 30,
                 lambda: talk(world, talker, json.loads(following.out)).code == 0)
    assert derp_verb(world, "doctor").failures == []


def test_later_there_is_a_domain(world):
    world.dns.set(f"derp 600 IN A {SERVER}")
    world.ca.start()
    run = derp_setup(world)
    assert run.code == 0, f"{run.failures} {run}"
    assert node(run)["HostName"] == DOMAIN and "CertName" not in node(run)
    root = world.folder / "root.pem"
    root.write_text(world.ca.issuing_root())
    assert clients.chain(world.clients[0], root=root)[0].names == [DOMAIN]
