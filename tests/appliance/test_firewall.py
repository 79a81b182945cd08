# SPDX-License-Identifier: Apache-2.0
"""What undoes a firewall change when derp-setup itself cannot: the timer, and after a reboot or a
power loss the guard. Under a real systemd, with a real sshd, on every suite."""

import os
import signal

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup
from testbed.cutoff import PENDING, run_until
from testbed.network import SERVER
from testbed.world import World

TIMER = "derp-fw-rollback.timer"
SERVICE = "derp-fw-rollback.service"


@pytest.fixture(params=rootfs.SUITES)
def world(request, installed):
    with World(request.param, layers=installed(request.param)) as world:
        yield world


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)


def kill_at(world, point):
    process, _ = run_until(world, point, lambda pid: os.kill(pid, signal.SIGKILL))
    process.stderr.read()
    assert process.wait(60) != 0
    assert world.server.path(PENDING).exists()


def hashes(world):
    return world.server.sh("find /etc/ufw /etc/default/ufw -type f | sort | xargs sha256sum")


def assert_as_before(world, before):
    """The former rules: ufw off, everything open, no file another."""
    assert not world.server.path(PENDING).exists()
    assert hashes(world) == before
    assert "Status: inactive" in world.server.sh("ufw status")
    assert "-P INPUT ACCEPT" in world.server.sh("iptables -S; ip6tables -S")
    assert clients.connects(world.clients[0], SERVER, 22) == "open"


@pytest.mark.pitfall(3)
def test_timer_undoes_the_change(world):
    server = world.server
    before = hashes(world)
    kill_at(world, "enable ufw")
    assert server.sh(f"systemctl is-active {TIMER}").strip() == "active"
    left = server.sh(f"systemctl show -p NextElapseUSecMonotonic --value {TIMER}").strip()
    assert left not in ("", "infinity")
    # The three minutes are systemd's business; what it runs then is ours.
    server.run("systemctl", "start", "--wait", SERVICE)
    assert_as_before(world, before)


# --- Reboot and power loss --------------------------------------------------------------------------

# Rules while ufw is off, ufw on, everything done but the proof.
MOMENTS = ["allow 22/tcp (SSH)", "enable ufw", "read back ufw"]


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("way", ["reboot", "power loss"])
def test_comes_back_with_the_former_rules(world, way):
    server = world.server
    before = hashes(world)
    for moment in MOMENTS if world.suite == rootfs.SUITES[0] else MOMENTS[-1:]:
        if way == "reboot":
            kill_at(world, moment)
            server.reboot()
        else:
            process, _ = run_until(world, moment, freeze)
            server.cut()
            process.stderr.read()
            process.wait(60)
            assert server.path(PENDING).exists(), moment
            server.start()
        assert_as_before(world, before)
        assert server.sh("systemctl show -P Result derp-fw-guard.service") == "success"
    assert "former firewall rules are back" in server.journal("derp-fw-guard.service")
    assert derp_setup(world).code == 0


@pytest.mark.pitfall(3)
def test_an_active_ufw_comes_back_as_it_was(world):
    """The changed rules are never at work: ufw starts only when the former ones are back."""
    server = world.server
    server.write("/etc/ufw/before.init", "#!/bin/sh\n[ \"$1\" != start ] || sha256sum "
                 "</etc/ufw/user.rules >>/var/log/ufw-starts\n", 0o755)
    server.sh("ufw limit 22/tcp comment mine; ufw allow 80/tcp; ufw --force enable")
    before, rules = hashes(world), server.sh("iptables -S; ip6tables -S")
    server.sh("rm -f /var/log/ufw-starts")
    process, _ = run_until(world, "read back ufw", freeze)
    server.cut()
    process.stderr.read()
    process.wait(60)
    assert server.path(PENDING).exists() and "443" in server.read("/etc/ufw/user.rules")
    server.start()
    assert not server.path(PENDING).exists() and hashes(world) == before
    assert server.sh("iptables -S; ip6tables -S") == rules
    former = server.sh("sha256sum </etc/ufw/user.rules")
    assert set(server.read("/var/log/ufw-starts").splitlines()) == {former}
    assert clients.connects(world.clients[0], SERVER, 22) == "open"
    assert clients.connects(world.clients[0], SERVER, 443) == "dropped"


@pytest.mark.pitfall(3)
def test_a_unit_that_was_disabled_stays_out_of_the_next_boot(world):
    """ENABLED=yes and a disabled unit: the boot in which the guard undoes the change has been told to start
    ufw already."""
    server = world.server
    server.sh("ufw allow 22/tcp; ufw allow 443/tcp; ufw allow 3478/udp; systemctl disable ufw.service; "
              "sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf")
    before = hashes(world)
    assert "Status: inactive" in server.sh("ufw status")
    kill_at(world, "read back ufw")
    assert server.sh("systemctl is-enabled ufw.service") == "enabled"
    server.reboot()
    assert_as_before(world, before)
    assert "disabled" in server.sh("systemctl is-enabled ufw.service || true")
    assert server.sh("systemctl show -P Result derp-fw-guard.service") == "success"
    server.reboot()
    assert_as_before(world, before)


@pytest.mark.pitfall(8)
def test_a_ufw_that_was_removed_does_not_come_back_by_itself(world):
    """It left its files, with ENABLED=yes, and the setup that installs it anew is interrupted."""
    server = world.server
    server.sh("ufw allow 8080/tcp; sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf; "
              "apt-get remove -qqy ufw")
    server.offer_packages()
    process, _ = run_until(world, "allow 22/tcp (SSH)", lambda pid: os.kill(pid, signal.SIGINT))
    process.stderr.read()
    assert process.wait(60) == 130
    assert "ENABLED=yes" in server.read("/etc/ufw/ufw.conf")
    server.reboot()
    assert "-P INPUT ACCEPT" in server.sh("iptables -S")
    assert clients.connects(world.clients[0], SERVER, 22) == "open"
    assert derp_setup(world).code == 0
    assert server.sh("systemctl is-enabled ufw.service") == "enabled"


def test_rollback_with_a_broken_journal_and_config(world):
    before = hashes(world)
    kill_at(world, "read back ufw")
    world.server.write("/var/lib/derp-setup/journal.json", "{")
    world.server.write("/etc/derp/derp.conf", "[relay\nnonsense")
    undone = world.server.run("derp-setup", "rollback", check=False)
    assert undone.code == 0 and "former firewall rules are back" in undone.err, undone
    assert_as_before(world, before)
    # What else there is to undo is still not known, and not for this to forget.
    assert world.server.read("/var/lib/derp-setup/journal.json") == "{"
    gone = world.server.run("derp-setup", "uninstall", "--yes", check=False)
    assert gone.code == 1 and "grep changed:" in gone.err, gone


@pytest.mark.pitfall(3)
def test_a_disabled_guard_stops_the_run(world):
    world.server.run("systemctl", "disable", "derp-fw-guard.service")
    before = hashes(world)
    run = derp_setup(world)
    assert run.code == 3 and run.failures == ["firewall.guard"]
    assert hashes(world) == before
    world.server.run("sh", "-c", run.get("firewall.guard")["fix"])
    assert derp_setup(world).code == 0


def test_next_run_disarms_the_timer(world):
    server = world.server
    kill_at(world, "read back ufw")
    run = derp_setup(world)
    assert run.code == 0, run
    assert not server.path(PENDING).exists()
    assert "inactive" in server.sh(f"systemctl is-active {TIMER} || true")
    status = server.sh("ufw status verbose")
    assert "Default: deny (incoming), allow (outgoing)" in status
    assert clients.connects(world.clients[0], SERVER, 22) == "open"
