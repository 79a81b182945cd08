# SPDX-License-Identifier: Apache-2.0
"""Nobody is locked out: real logins to a real sshd, on ports of all kinds, while the firewall is
switched on. The run that does it goes on by itself only once somebody has logged in anew."""

import json
import os
import signal

import pytest

from testbed import clients, rootfs
from testbed.network import SERVER
from testbed.shell import wait_for
from testbed.ssh import Ssh
from testbed.world import DOMAIN, World

PENDING = "/var/lib/derp-setup/fw-pending"
TIMER = "derp-fw-rollback.timer"


# Versions of OpenSSH differ in their processes and the titles of these.
@pytest.fixture(params=rootfs.SUITES)
def world(request, installed):
    yield from make_world(installed, request.param)


@pytest.fixture
def trixie(installed):
    yield from make_world(installed, rootfs.SUITES[0])


def make_world(installed, suite):
    with World(suite, layers=installed(suite)) as world:
        world.ssh = Ssh(world)
        world.before = hashes(world)
        yield world


def hashes(world):
    """Of ufw's files, but for the one that comes and goes with the package."""
    return world.server.sh("find /etc/ufw /etc/default/ufw -type f ! -path '*/applications.d/derp-relay' | sort "
                           "| xargs sha256sum")


class Run:
    """derp-setup in a login with a terminal, as a person starts it; says yes to the plan."""

    def __init__(self, world, *flags, port=22, answer="y", options=("-tt",), client=0, around=()):
        self.world, self.said = world, ""
        command = [*around, "derp-setup", DOMAIN, *world.setup_flags(), "--no-color", "--clients=anyone",
                   "--uplink=off", *flags]
        self.process = world.ssh.start(*command, port=port, options=options, client=client)
        os.set_blocking(self.process.stdout.fileno(), False)
        if answer:
            self.until("Proceed?")
            self.write(answer + "\n")

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def _read(self):
        try:
            self.said += os.read(self.process.stdout.fileno(), 65536).decode(errors="replace")
        except BlockingIOError:
            pass

    def until(self, text, seconds=90):
        def there():
            self._read()
            assert text in self.said or self.process.poll() is None, self.said
            return text in self.said
        wait_for(f"{text!r}", seconds, there)
        return self

    def waits(self):
        """Waits until it waits for a new login."""
        self.until("SECOND terminal")
        self.until("left")
        return self

    def end(self, seconds=120):
        def over():
            self._read()
            return self.process.poll() is not None
        wait_for("the end of the run", seconds, over)
        self._read()
        return self.process.returncode


def assert_restored(world):
    assert not world.server.path(PENDING).exists()
    assert hashes(world) == world.before
    assert "Status: inactive" in world.server.sh("ufw status")
    assert "-P INPUT ACCEPT" in world.server.sh("iptables -S")


def assert_kept(world, *ports):
    assert not world.server.path(PENDING).exists()
    assert "inactive" in world.server.sh(f"systemctl is-active {TIMER} || true")
    assert "Default: deny (incoming)" in world.server.sh("ufw status verbose")
    for port in ports:
        assert world.ssh.run("true", port=port).code == 0, port


# --- The plain way ----------------------------------------------------------------------------------


@pytest.mark.pitfall(2)
def test_a_new_login_confirms(world):
    run = Run(world).waits()
    assert f"ssh -p 22 root@{SERVER}" in run.said
    assert world.server.sh(f"systemctl is-active {TIMER}") == "active"
    login = world.ssh.start()
    assert run.end() == 0, run.said
    assert "confirmed by a new login from 198.51.100.12" in run.said
    login.communicate(timeout=20)
    assert_kept(world, 22)


def test_confirm_in_a_new_login(trixie):
    world = trixie
    run = Run(world).waits()
    confirmed = world.ssh.run("derp-setup", "confirm")
    assert confirmed.code == 0, confirmed
    assert run.end() == 0, run.said
    assert_kept(world, 22)
    # Both have written down what they did, and neither over the other.
    changes = json.loads(world.server.read("/var/lib/derp-setup/journal.json"))["changes"]
    assert "/etc/derp/derp.conf" in [c["detail"] for c in changes], changes
    assert world.server.run("derp-setup", "uninstall", "--yes").code == 0
    assert_restored(world)


def test_a_login_of_somebody_else_confirms(world):
    """Of a user who is not root: another process of sshd's serves it."""
    world.ssh.add_user("bob")
    run = Run(world).waits()
    login = world.ssh.start(user="bob")
    assert run.end() == 0, run.said
    login.communicate(timeout=20)


# --- What is no new login -----------------------------------------------------------------------------


@pytest.mark.pitfall(2)
def test_nobody_logs_in(trixie):
    """Sessions that go on, connections without a login, logins over old connections: none counts."""
    world, ssh = trixie, trixie.ssh
    ssh.add_user("bob")
    old, through_old = ssh.master()
    slow, log_in = ssh.start_slowly(user="bob")
    run = Run(world, "--confirm-timeout=20").waits()
    for _ in range(2):
        refused = ssh.run("derp-setup", "confirm", options=through_old)
        assert refused.code == 5 and "older than the change" in refused.err, refused
    assert clients.connects(world.clients[1], SERVER, 22) == "open"
    log_in()
    wait_for("the slow login", 10, lambda: "bob@" in world.server.sh("ps -eo args"))
    assert run.end() == 5, run.said
    assert "nobody has logged in anew" in run.said and "former firewall rules are back" in run.said
    assert_restored(world)
    for process in (old, slow):
        process.communicate(timeout=20)


@pytest.mark.pitfall(2)
def test_confirm_in_a_tmux_of_an_older_login(trixie):
    """No sshd is above, the session is another one than the run's, and sudo has stripped the variables."""
    old, through_old = trixie.ssh.master()
    run = Run(trixie).waits()
    trixie.ssh.run("setsid -f env -i PATH=$PATH script -qec 'derp-setup confirm' /root/said", options=through_old)
    wait_for("its end", 30, lambda: trixie.server.path("/root/said").exists()
             and "COMMAND_EXIT_CODE" in trixie.server.read("/root/said"))
    said = trixie.server.read("/root/said")
    assert 'COMMAND_EXIT_CODE="5"' in said and "cannot be told" in said, said
    run.write("\x03")
    assert run.end() == 130, run.said
    assert_restored(trixie)
    old.communicate(timeout=20)


def test_rollback_from_another_login(trixie):
    """An older one will do: a new one would confirm the change by itself."""
    other, through_other = trixie.ssh.master()
    run = Run(trixie).waits()
    undone = trixie.ssh.run("derp-setup", "rollback", options=through_other)
    assert undone.code == 0 and "former firewall rules are back" in undone.err, undone
    assert run.end() == 5, run.said
    assert_restored(trixie)
    other.communicate(timeout=20)


@pytest.mark.parametrize("way", ["while the run waits", "after the run's end"])
def test_the_package_is_removed_meanwhile(trixie, way):
    """The timer could not take the change back any more."""
    run = Run(trixie).waits()
    if way == "after the run's end":
        trixie.server.run("pkill", "-KILL", "-x", "derp-setup")
        run.end()
        assert trixie.server.path(PENDING).exists()
    said = trixie.server.sh("apt-get purge -qqy derp-relay 2>&1")
    assert "former firewall rules are back" in said, said
    assert_restored(trixie)
    assert "inactive" in trixie.server.sh(f"systemctl is-active {TIMER} || true")
    if way == "while the run waits":
        assert run.end() == 5, run.said


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("way", ["Ctrl-C", "closed terminal", "lost connection", "reboot",
                                 "power loss"])
def test_the_session_ends_while_it_waits(trixie, way):
    world = trixie
    run = Run(world).waits()
    if way == "Ctrl-C":
        run.write("\x03")
        assert run.end() == 130, run.said
    elif way == "reboot":
        world.server.reboot()
    elif way == "power loss":
        world.server.cut()
        world.server.start()
    else:
        run.process.send_signal(signal.SIGTERM if way == "closed terminal" else signal.SIGKILL)
        run.process.wait(20)
    wait_for("the former rules", 20, lambda: not world.server.path(PENDING).exists())
    assert_restored(world)
    assert world.ssh.run("true").code == 0
    run.process.kill()
    run.process.wait(20)


# --- Ports --------------------------------------------------------------------------------------------


@pytest.mark.pitfall(4)
def test_several_ports_none_of_them_22(trixie):
    world = trixie
    config = ("Port 2222", "Port 2200", "AllowUsers root bob")
    world.ssh.sshd(*config)
    run = Run(world, port=2200).waits()
    assert f"ssh -p 2200 root@{SERVER}" in run.said
    login = world.ssh.start(port=2222)
    assert run.end() == 0, run.said
    login.communicate(timeout=20)
    assert_kept(world, 2200, 2222)
    assert clients.connects(world.clients[1], SERVER, 22) == "dropped"
    # AllowUsers is the owner's business.
    assert world.server.read("/etc/ssh/sshd_config.d/test.conf").splitlines() == list(config)


@pytest.mark.pitfall(4)
def test_socket_activation(world):
    """systemd listens, and on another port than sshd's own config says."""
    world.ssh.sshd("Port 2022", socket=(2222, 2200))
    run = Run(world, port=2222).waits()
    login = world.ssh.start(port=2200)
    assert run.end() == 0, run.said
    login.communicate(timeout=20)
    assert_kept(world, 2222, 2200)
    rules = world.server.sh("ufw show added")
    assert "2022/tcp" in rules, "what sshd would use without the socket stays open, too"
    world.server.reboot()
    assert world.ssh.run("true", port=2222).code == 0


@pytest.mark.pitfall(4)
def test_a_port_of_the_next_boot(trixie):
    """The config was changed and sshd not restarted: both ports stay open."""
    world = trixie
    world.server.write("/etc/ssh/sshd_config.d/test.conf", "Port 2222\n")
    run = Run(world).waits()
    login = world.ssh.start()
    assert run.end() == 0, run.said
    login.communicate(timeout=20)
    world.server.reboot()
    assert world.ssh.run("true", port=2222).code == 0


@pytest.mark.pitfall(4)
def test_no_trace_of_ssh_around_the_run(trixie):
    """As inside tmux or after a sudo that strips the environment: no ancestor is an sshd, no variable
    tells of a connection, and the port is one that nobody would guess."""
    world = trixie
    world.ssh.sshd("Port 2222")
    run = Run(world, "--yes", "--confirm-timeout=1m", answer=None, port=2222, options=("-T",),
              around=("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--")).waits()
    assert "2222/tcp" in world.server.sh("ufw status")
    login = world.ssh.start(port=2222)
    assert run.end() == 0, run.said
    login.communicate(timeout=20)
    assert_kept(world, 2222)


# --- --yes --------------------------------------------------------------------------------------------


def test_yes_without_a_terminal_does_not_wait(trixie):
    world = trixie
    run = Run(world, "--yes", answer=None, options=("-T",))
    assert run.end() == 0 and "SECOND" not in run.said, run.said
    assert_kept(world, 22)


def test_yes_waits_where_it_is_asked_to(trixie):
    run = Run(trixie, "--yes", "--confirm-timeout=1m", answer=None, options=("-T",)).waits()
    confirmed = trixie.ssh.run("derp-setup", "confirm")
    assert confirmed.code == 0 and run.end() == 0, (confirmed, run.said)


def test_yes_with_rules_for_some_sources(trixie):
    """Only where somebody can be told to log in again."""
    world = trixie
    world.server.sh("ufw allow from 198.51.100.0/24 to any port 22 proto tcp")
    world.before = hashes(world)
    run = Run(world, "--yes", "--no-ipv6", answer=None).waits()
    run.write("\x03")
    assert run.end() == 130, run.said
    assert_restored(world)
    run = Run(world, "--yes", "--no-ipv6", answer=None, options=("-T",))
    assert run.end() == 0 and "firewall.ssh.restricted" in run.said, run.said
    assert world.ssh.run("true").code == 0


# --- Attempts -----------------------------------------------------------------------------------------


@pytest.mark.pitfall(2)
def test_nobody_can_log_in_any_more(trixie):
    """What the proof by the filter tables does not see (packets dropped before they come there): the
    new login fails, and after the timeout everything is as before."""
    world = trixie
    rule = "PREROUTING -t mangle -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP"
    world.server.write("/etc/ufw/after.init", "#!/bin/sh\ncase $1 in\n"
                       f"start) iptables -A {rule} ;;\nstop) iptables -D {rule} ;;\nesac\n",
                       0o755)
    world.before = hashes(world)
    run = Run(world, "--confirm-timeout=10").waits()
    assert world.ssh.run("true").code == 255
    assert run.end() == 5, run.said
    assert_restored(world)
    assert world.ssh.run("true").code == 0


@pytest.mark.pitfall(3)
def test_ctrl_c_twice(trixie):
    """The second one comes while the former rules are on their way back, and ufw takes its time to stop.
    One can log in again at once."""
    world = trixie
    world.server.write("/etc/ufw/before.init", "#!/bin/sh\n[ $1 != stop ] || { >/root/stopping; sleep 15; }\n",
                       0o755)
    world.before = hashes(world)
    run = Run(world).waits()
    assert "-P INPUT DROP" in world.server.sh("iptables -S")
    run.write("\x03")
    wait_for("ufw's end", 30, world.server.path("/root/stopping").exists)
    run.write("\x03")
    assert world.ssh.run("true").code == 0
    assert world.server.sh(f"systemctl is-active {TIMER}") == "active"
    assert run.end() == 130, run.said
    assert_restored(world)
    assert "inactive" in world.server.sh(f"systemctl is-active {TIMER} || true")
