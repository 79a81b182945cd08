# SPDX-License-Identifier: Apache-2.0
"""uninstall takes back exactly what setting up has changed, and what has become the owner's stays."""

import fcntl
import json
import os
import signal
import subprocess

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup, derp_verb, differences, state
from testbed.cutoff import ALL, PENDING, cut_off, setup_pid
from testbed.network import SERVER
from testbed.world import DOMAIN, World


JOURNAL = "/var/lib/derp-setup/journal.json"


@pytest.fixture
def world(installed):
    with World(rootfs.SUITES[0], layers=installed(rootfs.SUITES[0])) as world:
        yield world


def assert_whole(world):
    run = derp_setup(world)
    assert run.code == 0, f"{run}\n{world.server.journal('derpd', 'derp-acme')}"
    again = derp_setup(world)
    assert again.code == 0 and again.json["changes"] == [], again
    for port in (22, 443):
        assert clients.connects(world.clients[0], SERVER, port) == "open"
    assert clients.stun(world.clients[0])


@pytest.mark.pitfall(16)
def test_uninstall_leaves_the_server_as_it_was(world):
    before = state(world.server)
    assert derp_setup(world).code == 0
    assert state(world.server) != before
    shown = derp_verb(world, "uninstall", "--dry-run")
    assert shown.code == 0 and shown.json["changes"] == []
    assert derp_verb(world, "uninstall").code == 2  # a question, and nobody to ask
    run = derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}")
    assert run.code == 0, run
    assert differences(state(world.server), before) == []
    assert "(None)" in world.server.sh("ufw show added")
    assert world.server.sh("ufw status") == "Status: inactive"
    assert derp_verb(world, "status").code == 3
    assert_whole(world)


WRITES_KEYS = """[Service]
ExecStart=
ExecStart=/bin/sh -c 'while sleep 0.1; do mkdir -p /var/lib/derp-acme/gen-9; \\
    echo key >/var/lib/derp-acme/gen-9/privkey.pem; done'
"""


@pytest.mark.parametrize("way", ["uninstall --purge", "apt-get remove"])
def test_a_run_of_the_timer_that_is_at_work(world, way):
    """It ends before the keys are deleted, and with the package: it would write another one."""
    server = world.server
    assert derp_setup(world).code == 0
    server.write("/etc/systemd/system/derp-acme.service.d/busy.conf", WRITES_KEYS)
    server.sh("systemctl daemon-reload; systemctl start --no-block derp-acme.service")
    server.until("a key", "test -e /var/lib/derp-acme/gen-9/privkey.pem")
    if way == "apt-get remove":
        server.run("apt-get", "remove", "-y", "derp-relay")
    else:
        run = derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}")
        assert run.code == 0 and run.failures == [], run
        assert server.sh("ls -A /var/lib/derp-acme").split() == ["account", "challenge"]
    assert server.sh("systemctl is-active derp-acme.service || true") == "inactive"
    assert server.sh("pgrep -f [g]en-9 || true") == ""


@pytest.mark.pitfall(16)
def test_uninstall_closes_what_was_closed(world):
    """Docker closes FORWARD, and ufw opens it when it goes off."""
    server = world.server
    server.sh("iptables -P FORWARD DROP")
    before = state(server)
    assert derp_setup(world).code == 0
    run = derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}")
    assert run.code == 0, run
    assert "-P FORWARD DROP" in server.sh("iptables -S FORWARD")
    assert "-P FORWARD ACCEPT" in server.sh("ip6tables -S FORWARD")
    assert differences(state(server), before) == []


@pytest.mark.parametrize("ufw", ["stays", "goes"])
def test_uninstall_closes_what_was_closed_later(world, ufw):
    """FORWARD was closed between two runs: told of after what switched ufw on, and to be closed after ufw
    is off all the same, also where ufw is gone by then."""
    server = world.server
    assert derp_setup(world).code == 0
    server.sh("ufw disable; iptables -P FORWARD DROP")
    assert derp_setup(world).code == 0
    if ufw == "goes":
        server.sh("apt-get purge -qqy ufw")
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0, run
    assert "-P FORWARD DROP" in server.sh("iptables -S FORWARD")


@pytest.mark.pitfall(16)
def test_uninstall_leaves_what_has_become_the_owners(world):
    """A rule that was labelled anew is his; one that he deleted is no reason to stop."""
    server = world.server
    server.sh("ufw allow 8443/tcp comment web; ufw limit 2222/tcp; ufw default allow incoming")
    assert derp_setup(world).code == 0
    server.sh("ufw allow 443/tcp comment mine; ufw delete allow 3478/udp; ufw allow 25/tcp; "
              "ufw default reject incoming")
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0, run
    assert run.status("uninstall.yours") == "warn" and run.status("uninstall.gone") == "skip"
    assert yours(run) == ["ufw default allow incoming", "ufw delete allow 443/tcp"]
    assert 'DEFAULT_INPUT_POLICY="REJECT"' in server.read("/etc/default/ufw")
    rules = server.sh("ufw show added").splitlines()[1:]
    assert rules == ["ufw allow 8443/tcp comment 'web'", "ufw limit 2222/tcp",
                     "ufw allow 443/tcp comment 'mine'", "ufw allow 25/tcp"]


def test_uninstall_when_ufw_is_gone(world):
    server = world.server
    server.sh("systemctl disable derpd.service derp-acme.timer")
    assert derp_setup(world).code == 0
    assert server.sh("systemctl is-enabled derpd.service derp-acme.timer").split() == ["enabled"] * 2
    server.sh("apt-get purge -qqy ufw")
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0, run
    assert run.status("uninstall.gone") == "skip" and run.failures == []
    assert not server.path("/var/lib/derp-setup/journal.json").exists()
    # Enabled by us, too, and no business of ufw's.
    assert server.sh("systemctl is-enabled derpd.service derp-acme.timer || true").split() == ["disabled"] * 2


def yours(run):
    """The commands that uninstall leaves to the owner."""
    return [c["fix"] for c in run.checks if c["id"] == "uninstall.yours"]


def sshd(server, *ports):
    server.write("/etc/ssh/sshd_config.d/test.conf", "".join(f"Port {port}\n" for port in ports))


@pytest.mark.pitfall(4, 16)
def test_uninstall_leaves_the_rule_that_ssh_depends_on(world):
    """ufw was active before, so it stays so: what SSH is reached by now has to stay open, unless
    another rule lets it in."""
    server = world.server
    server.sh("ufw allow 22; ufw --force enable")
    sshd(server, 2222, 2223)
    assert derp_setup(world).code == 0
    server.sh("systemctl restart ssh; ufw delete allow 22; ufw allow 2223:2230/tcp")
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0 and run.json["result"] == "changed", run
    assert yours(run) == ["ufw delete allow 2222/tcp"]
    assert "SSH" in run.get("uninstall.yours")["message"]
    rules = server.sh("ufw show added").splitlines()[1:]
    assert rules == ["ufw allow 2222/tcp comment 'derp-relay: SSH'", "ufw allow 2223:2230/tcp"]
    for port in (2222, 2223):
        assert clients.connects(world.clients[0], SERVER, port) == "open"


@pytest.mark.pitfall(4, 16)
def test_uninstall_switches_ufw_off_before_ssh_is_shut_out(world):
    """A rule of a later run is younger than what switched ufw on, and would go first."""
    server = world.server
    assert derp_setup(world).code == 0
    sshd(server, 2222)
    assert derp_setup(world).code == 0
    server.sh("systemctl restart ssh; ufw delete allow 22/tcp")
    said = server.run("derp-setup", "uninstall", "--yes").err
    assert said.index("ufw --force disable\n") < said.index("ufw delete allow 2222/tcp\n"), said
    assert "(None)" in server.sh("ufw show added")
    assert server.sh("ufw status") == "Status: inactive"
    assert clients.connects(world.clients[0], SERVER, 2222) == "open"


def test_uninstall_leaves_a_config_that_was_edited(world):
    """By hand, that is: what flags have changed is still ours."""
    server, conf = world.server, "/etc/derp/derp.conf"
    assert derp_setup(world).code == 0 and derp_setup(world, "--uplink=4mbit").code == 0
    assert derp_verb(world, "uninstall", "--yes").code == 0
    assert not server.path(conf).exists()
    assert derp_setup(world).code == 0
    text = server.read(conf).replace("[certificate]", "# by hand\nworkers = 1\n\n[certificate]")
    server.write(conf, text)
    assert derp_setup(world, "--uplink=4mbit").code == 0  # does not make it ours again
    text = server.read(conf)
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0 and yours(run) == [f"rm {conf}"], run
    assert server.read(conf) == text
    assert server.sh("systemctl is-active derpd derp-acme.timer || true").split() == ["inactive"] * 2
    assert derp_setup(world).code == 0 and server.read(conf) == text


def test_uninstall_purges_a_config_that_was_edited(world):
    server, conf = world.server, "/etc/derp/derp.conf"
    before = state(server)
    assert derp_setup(world).code == 0
    server.write(conf, server.read(conf) + "# by hand\n")
    run = derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}")
    assert run.code == 0 and yours(run) == [], run
    assert differences(state(server), before) == []


def traces(server):
    return server.sh("find /etc/ufw /etc/default/ufw /var/lib/derp-setup -type f | sort | xargs sha256sum; "
                     "iptables -S; ip6tables -S; ls /var/log/derp-setup.log; stat -c %s /var/log/derp-setup.log")


def test_a_dry_run_leaves_a_pending_firewall_change(world):
    cut_off(world, "read back ufw", "kill")
    server = world.server
    assert server.path(PENDING).exists()
    before = traces(server)
    run = derp_verb(world, "uninstall", "--dry-run")
    assert run.code == 0 and run.status("firewall.pending") == "warn", run
    assert server.path(PENDING).exists() and traces(server) == before
    assert derp_verb(world, "uninstall", "--yes").code == 0
    assert server.sh("ufw status") == "Status: inactive"


def while_dpkg_is_busy(server, apt, *argv):
    """A run of derp-setup that finds another apt at work until its own, which looks so, is there:
    what it said."""
    with open(server.path("/var/lib/dpkg/lock-frontend"), "r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        process = server.popen("derp-setup", *argv, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
        server.until("apt that waits", f"pgrep -fx 'apt-get .*{apt}.*'", 60)
    said = process.stdout.read()
    assert process.wait(120) == 0, said
    return said


@pytest.mark.pitfall(23)
def test_ufw_and_what_comes_along_with_it(world):
    """A server without ufw, iptables and Python gets them for the setup, and is rid of them after it,
    although dpkg is busy at first, each time."""
    server = world.server
    server.sh("apt-get purge --autoremove -qqy ufw iptables python3")
    server.offer_packages()
    assert server.sh("which ufw iptables python3; true") == ""
    before = state(server)
    while_dpkg_is_busy(server, "-y .*install .*ufw", DOMAIN, "--yes", *world.setup_flags())
    assert server.sh("ufw status").startswith("Status: active")
    while_dpkg_is_busy(server, "--yes .*purge .*ufw", "uninstall", "--purge", f"--confirm={DOMAIN}")
    assert differences(state(server), before) == []


def test_uninstall_leaves_packages_that_others_need(world):
    """What came along with ufw stays where somebody asked for it since, or needs it."""
    server = world.server
    server.sh("apt-get purge --autoremove -qqy ufw iptables python3")
    server.offer_packages()
    assert derp_setup(world).code == 0
    server.sh("apt-get install -qqy --no-install-recommends iptables unattended-upgrades",
              timeout=180)
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0, run
    assert not server.path("/usr/sbin/ufw").exists()
    assert server.sh("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' iptables python3 "
                     "unattended-upgrades") == "iptables ii \npython3 ii \nunattended-upgrades ii"


def test_uninstall_leaves_the_files_of_a_ufw_that_was_removed(world):
    """A package that was removed, and not purged, has left its owner's rules."""
    server = world.server
    server.sh("ufw allow 8443/tcp comment web; apt-get remove -qqy ufw")
    server.offer_packages()
    before = state(server)
    assert "8443" in server.read("/etc/ufw/user.rules")
    assert derp_setup(world).code == 0
    run = derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}")
    assert run.code == 0, run
    assert not server.path("/usr/sbin/ufw").exists()
    assert differences(state(server), before) == []


def test_uninstall_lets_apt_come_to_its_end(world):
    """dpkg that is cut off leaves packages in a state that only a person mends."""
    server = world.server
    server.sh("apt-get purge --autoremove -qqy ufw iptables python3")
    server.offer_packages()
    before = state(server)
    assert derp_setup(world).code == 0
    server.sh("sed -i '2i sleep 7' /var/lib/dpkg/info/ufw.prerm")
    process = server.popen("derp-setup", "uninstall", "--yes", stderr=subprocess.PIPE, text=True)
    server.until("dpkg at work", "pgrep -fx 'sleep 7'", 60)
    os.kill(setup_pid(world), signal.SIGTERM)
    said = process.stderr.read()
    assert process.wait(120) == 130, said
    assert server.sh("dpkg --audit") == "" and not server.path("/usr/sbin/ufw").exists()
    assert derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}").code == 0
    assert differences(state(server), before) == []


# --- Cut off ---------------------------------------------------------------------------------------

@pytest.mark.pitfall(16)
def test_uninstall_instead_of_a_second_run(trial, told):
    """Whoever has had enough after a run that was killed gets everything back, too."""
    one = trial()
    world = one.world
    for point in ALL:
        cut_off(world, point, "kill")
        one.is_undone(purge=True)
        told(rootfs.SUITES[0], point, "kill", "uninstall at once leaves no trace")


@pytest.mark.pitfall(16)
def test_uninstall_is_cut_off_itself(trial, told):
    """After each of the changes that it undoes, on one way down."""
    one = trial()
    world = one.world
    assert derp_setup(world).code == 0
    undo, cuts = ["uninstall", "--purge", f"--confirm={DOMAIN}"], []
    while world.server.path(JOURNAL).exists():
        changes = json.loads(world.server.read(JOURNAL))["changes"]
        left = [c["undo"] or c["detail"] for c in reversed(changes)]
        left = [point for point in left if point not in cuts]  # else it would never come any further
        if not left:
            break
        cut_off(world, f"    {left[0]}\n", ("kill", "Ctrl-C")[len(cuts) % 2], undo)
        one.is_reached()
        cuts.append(left[0])
    assert len(cuts) > 2, cuts
    told(rootfs.SUITES[0], "uninstall: " + ", ".join(cuts), "kill, Ctrl-C", "a later uninstall leaves no trace")
    if world.server.path(JOURNAL).exists():
        one.is_undone(purge=True)
    assert differences(state(world.server), one.before) == []
