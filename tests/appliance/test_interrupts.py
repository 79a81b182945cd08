# SPDX-License-Identifier: Apache-2.0
"""derp-setup is cut off at one point after the other; each time nobody is locked out, the next run
goes on, and the last one ends as if nothing had happened. And uninstall takes all of it back."""

import os
import pathlib
import signal
import subprocess

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup, derp_verb, fingerprint
from testbed.network import SERVER
from testbed.world import DOMAIN, World

SUITE = rootfs.SUITES[0]

# What it says at the moment when it is cut off; in the order of a run, so that each run comes
# further than the one before.
POINTS = [
    "reading ufw",
    "asking the name servers",
    "keep a copy of the former rules",
    "allow 22/tcp (SSH)",
    "allow 443/tcp",
    "enable ufw",
    "read back ufw",
    "starting derpd.service",
    "checking the DNS of",
    "is authorized",
    "asking for the certificate",
    "is in place",
    "two clients through the relay",
]
CA_POINTS = ["is authorized", "asking for the certificate", "is in place"]


@pytest.fixture
def world(installed):
    with World(SUITE, layers=installed(SUITE)) as world:
        yield world


def pid_of(world, comm):
    """The process of this name on the server, as this machine sees it."""
    init = world.server.run("readlink", "/proc/1/ns/net").out.strip()
    for proc in pathlib.Path("/proc").iterdir():
        try:
            if (proc.name.isdigit() and (proc / "comm").read_text().strip() == comm
                    and os.readlink(proc / "ns/net") == init):
                return int(proc.name)
        except OSError:
            pass  # it has just ended
    raise AssertionError(f"no {comm} on the server")


def cut_off(world, point, signum):
    """A run that gets the signal as soon as it says point: (exit code, what it said). When it says
    nothing of the kind, because the run before came further, it comes to its end."""
    process = world.server.popen("derp-setup", DOMAIN, "--yes", *world.setup_flags(),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said, pid = [], None
    for line in process.stderr:
        said.append(line)
        pid = pid or pid_of(world, "derp-setup")
        if point in line:
            os.kill(pid, signum)
            break
    said += list(process.stderr)
    return process.wait(60), "".join(said)


def assert_nobody_is_locked_out(world):
    assert clients.connects(world.clients[0], SERVER, 22) == "open"


def assert_whole(world):
    run = derp_setup(world)
    assert run.code == 0, f"{run}\n{world.server.journal('derpd', 'derp-acme')}"
    assert not world.server.path("/var/lib/derp-setup/fw-pending").exists()
    again = derp_setup(world)
    assert again.code == 0 and again.json["changes"] == [], again
    assert_nobody_is_locked_out(world)
    assert clients.connects(world.clients[0], SERVER, 443) == "open"
    assert clients.stun(world.clients[0])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_cut_off(world, signum):
    reached = []
    for point in POINTS:
        code, said = cut_off(world, point, signum)
        if point in said:
            reached.append(point)
            # What was nearly over when the signal came may have come to its end.
            assert code != 0 or point == POINTS[-1], f"{point}: {code}\n{said}"
        if signum != signal.SIGKILL:
            assert code in (0, 130), f"{point}: {code}\n{said}"
            assert not world.server.path("/var/lib/derp-setup/fw-pending").exists(), said
        assert_nobody_is_locked_out(world)
    # The CA may be quicker than the signal; everything else happens in this order.
    assert set(POINTS) - set(reached) <= set(CA_POINTS), reached
    assert_whole(world)


def test_children_end_with_a_killed_run(world):
    server = world.server
    world.ca.freeze()
    process = server.popen("sh", "-c", "derp-setup \"$@\"; exec sleep 600", "sh", DOMAIN, "--yes",
                           *world.setup_flags(), unit="parent", stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "certificate: https" in line:
            break
    server.until("derp-acme", "pgrep -x derp-acme")
    server.run("pkill", "-KILL", "-x", "derp-setup")
    server.until("the end of derp-acme", "! pgrep -x derp-acme", 5)
    world.ca.thaw()
    server.run("systemctl", "stop", "parent")
    process.communicate(timeout=30)


def files(text):
    """The files of a fingerprint; ufw leaves its empty chains in the kernel."""
    return [line for line in text.splitlines() if "/" in line]


def test_uninstall_leaves_the_server_as_it_was(world):
    before = fingerprint(world.server)
    assert derp_setup(world).code == 0
    assert fingerprint(world.server) != before
    shown = derp_verb(world, "uninstall", "--dry-run")
    assert shown.code == 0 and shown.json["changes"] == []
    assert derp_verb(world, "uninstall").code == 2  # a question, and nobody to ask
    run = derp_verb(world, "uninstall", "--purge", f"--confirm={DOMAIN}")
    assert run.code == 0, run
    assert files(fingerprint(world.server)) == files(before)
    assert "(None)" in world.server.sh("ufw show added")
    assert world.server.sh("ufw status") == "Status: inactive"
    assert derp_verb(world, "status").code == 3
    assert_whole(world)


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
    yours = [c["fix"] for c in run.checks if c["id"] == "uninstall.yours"]
    assert yours == ["ufw default allow incoming", "ufw delete allow 443/tcp"]
    assert 'DEFAULT_INPUT_POLICY="REJECT"' in server.read("/etc/default/ufw")
    rules = server.sh("ufw show added").splitlines()[1:]
    assert rules == ["ufw allow 8443/tcp comment 'web'", "ufw limit 2222/tcp",
                     "ufw allow 443/tcp comment 'mine'", "ufw allow 25/tcp"]


def test_uninstall_when_ufw_is_gone(world):
    server = world.server
    assert derp_setup(world).code == 0
    server.sh("apt-get purge -qqy ufw")
    run = derp_verb(world, "uninstall", "--yes")
    assert run.code == 0, run
    assert run.status("uninstall.gone") == "skip" and run.failures == []
    assert not server.path("/var/lib/derp-setup/journal.json").exists()


def test_uninstall_waits_for_another_apt(world):
    """ufw came with the setup and goes with it, although dpkg is busy at first."""
    server = world.server
    server.sh("apt-get purge -qqy ufw")
    server.offer_packages()
    assert derp_setup(world).code == 0
    lock = server.popen("python3", "-c", "import fcntl,sys; f=open('/var/lib/dpkg/lock-frontend',"
                        "'w'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); "
                        "sys.stdin.read()", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        text=True)
    assert lock.stdout.readline() == "held\n"
    process = server.popen("derp-setup", "uninstall", "--yes", stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if "apt-get purge" in line and "undo" not in line:
            break
    server.until("apt that waits", "pgrep -x apt-get")
    lock.stdin.close()
    said = process.stdout.read()
    assert process.wait(120) == 0, said
    assert not server.path("/usr/sbin/ufw").exists()
