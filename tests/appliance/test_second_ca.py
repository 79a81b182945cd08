# SPDX-License-Identifier: Apache-2.0
"""What derp-acme offers, by derp-setup's flags alone: a second CA with account binding, another challenge."""

import pytest

from testbed import rootfs
from testbed.appliance import derp_setup, derp_verb
from testbed.ca import DIRECTORY, Ca
from testbed.shell import wait_for
from testbed.world import World

SUITE = rootfs.SUITES[0]
CONF = "/etc/derp/derp.conf"
KEY_ID, SECRET = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.fixture(scope="module")
def world(installed):
    with World(SUITE, layers=installed(SUITE)) as world:
        world.second = Ca(world.inet, world.folder / "second", port=8443, management=15001)
        world.second.stop()
        world.second.bind_accounts({KEY_ID: SECRET})
        world.second.start()
        world.server.put(world.second.ca_file, "/etc/private-internet/second.pem")
        world.server.write("/etc/private-internet/eab", SECRET + "\n", 0o600)
        yield world
        world.second.stop()


def flags(world):
    return [f"--acme-fallback-directory={world.second.directory}",
            "--acme-fallback-ca-file=/etc/private-internet/second.pem",
            f"--acme-fallback-eab-key-id={KEY_ID}",
            "--acme-fallback-eab-key-file=/etc/private-internet/eab"]


def test_a_key_that_derp_acme_cannot_read_is_found_first(world):
    run = derp_setup(world, *flags(world))
    assert run.code == 3 and run.failures == ["ca.key"], run
    assert "install -m 0640 -g _derp-acme" in run.get("ca.key")["fix"]
    run = derp_setup(world, "--acme-challenge=dns-01", "--acme-dns-hook=/etc/private-internet/eab")
    assert run.code == 3 and run.failures == ["ca.hook"], run
    assert not world.server.sh(f"ls {CONF}", check=False)


def test_the_second_ca_is_registered_at_setup(world):
    world.server.run("chgrp", "_derp-acme", "/etc/private-internet/eab")
    world.server.run("chmod", "0640", "/etc/private-internet/eab")
    run = derp_setup(world, *flags(world))
    assert run.code == 0 and run.failures == [], run
    assert run.status("ca.fallback") == "ok"
    told = [c for c in run.checks if c["id"] == "certificate.caa"]
    assert [c["status"] for c in told] == ["ok", "ok"], told
    for directory, one in zip((DIRECTORY, world.second.directory), told):
        assert directory in one["message"] and "/my-account/" in one["message"], told
    assert len(world.server.sh("ls /var/lib/derp-acme/account").split()) == 2
    run = derp_setup(world)
    assert run.code == 0 and run.json["changes"] == [] and run.status("certificate.caa") is None, run


def test_it_gives_the_certificate_when_the_first_one_is_down(world):
    world.ca.stop()
    world.server.sh("rm -rf /var/lib/derp-acme/current")
    world.server.run("derp-acme", "issue", check=False, timeout=120)
    wait_for("a certificate", 60, lambda: "served       yes" in world.server.sh("derp-acme status", check=False))
    assert world.second.directory in world.server.sh("derp-acme --json status")
    world.ca.start()


def test_http_01_by_a_flag(world):
    run = derp_setup(world, "--acme-challenge=http-01", "--acme-preferred-chain=Some Root X1")
    assert run.code == 0 and run.failures == [], run
    conf = world.server.read(CONF)
    assert "http = 0.0.0.0:80" in conf and "preferred-chain = Some Root X1" in conf
    assert "80/tcp" in world.server.sh("ufw status")
    before = world.server.sh("readlink /var/lib/derp-acme/current")
    assert derp_verb(world, "renew", "--force").code == 0
    assert world.server.sh("readlink /var/lib/derp-acme/current") != before
    assert "/.well-known/acme-challenge/" in world.ca.log() + world.second.log()


def test_an_empty_value_takes_the_second_ca_away(world):
    run = derp_setup(world, *(flag.split("=")[0] + "=" for flag in flags(world)))
    assert run.code == 0, run
    assert "8443" not in world.server.read(CONF)


def test_a_second_ca_that_does_not_answer_only_warns(world):
    run = derp_setup(world, "--acme-fallback-directory=https://ca.test:9/dir")
    assert run.code == 0 and run.status("ca.fallback") == "warn", run
