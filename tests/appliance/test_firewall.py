# SPDX-License-Identifier: Apache-2.0
"""The timer that undoes a firewall change when derp-setup itself cannot: under a real systemd, with
a real sshd, on every suite."""

import os
import pathlib
import signal
import subprocess

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup
from testbed.network import SERVER
from testbed.world import DOMAIN, World

TIMER = "derp-fw-rollback.timer"
SERVICE = "derp-fw-rollback.service"
PENDING = "/var/lib/derp-setup/fw-pending"


@pytest.fixture(params=rootfs.SUITES)
def world(request, installed):
    with World(request.param, layers=installed(request.param)) as world:
        yield world


def setup_pid(world):
    """derp-setup on the server, as this machine sees it."""
    namespace = world.server.run("readlink", "/proc/1/ns/net").out.strip()
    for proc in pathlib.Path("/proc").iterdir():
        try:
            if (proc.name.isdigit() and (proc / "comm").read_text() == "derp-setup\n"
                    and os.readlink(proc / "ns/net") == namespace):
                return int(proc.name)
        except OSError:
            pass  # it has just ended
    raise AssertionError("no derp-setup on the server")


def kill_at(world, point):
    process = world.server.popen("derp-setup", DOMAIN, "--yes", *world.setup_flags(),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    pid = None
    for line in process.stderr:
        pid = pid or setup_pid(world)  # looking for it takes longer than the steps that follow the point
        if point in line:
            os.kill(pid, signal.SIGKILL)
            break
    process.stderr.read()
    assert process.wait(60) != 0
    assert world.server.path(PENDING).exists()


def hashes(world):
    return world.server.sh("find /etc/ufw /etc/default/ufw -type f | sort | xargs sha256sum")


def test_timer_undoes_the_change(world):
    server = world.server
    before = hashes(world)
    kill_at(world, "enable ufw")
    assert server.sh(f"systemctl is-active {TIMER}").strip() == "active"
    left = server.sh(f"systemctl show -p NextElapseUSecMonotonic --value {TIMER}").strip()
    assert left not in ("", "infinity")
    # The three minutes are systemd's business; what it runs then is ours.
    server.run("systemctl", "start", "--wait", SERVICE)
    assert not server.path(PENDING).exists()
    assert hashes(world) == before
    assert "Status: inactive" in server.sh("ufw status")
    assert clients.connects(world.clients[0], SERVER, 22) == "open"


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
