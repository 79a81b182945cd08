# SPDX-License-Identifier: Apache-2.0
"""Runs of derp-setup that are cut off at the moment when they say something."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from . import clients, rootfs
from .appliance import derp_setup, derp_verb, differences, state
from .network import SERVER
from .world import DOMAIN, World

PENDING = "/var/lib/derp-setup/fw-pending"
KEPT = re.compile(r" /var/lib/derp(-acme)?/")  # what stays without --purge

# What it says at the moment when it is cut off, in the order of a run; in front the step.
POINTS = [
    ("checks", "reading ufw"),
    ("checks", "asking the name servers"),
    ("firewall", "keep a copy of the former rules"),
    ("firewall", "allow 22/tcp (SSH)"),
    ("firewall", "allow 443/tcp"),
    ("firewall", "allow 3478/udp"),
    ("firewall", "enable ufw"),
    ("firewall", "read back ufw"),
    ("config", "writing /etc/derp/derp.conf"),
    ("service", "starting derpd.service"),
    ("certificate", "checking the DNS of"),
    ("certificate", "is authorized"),
    ("certificate", "asking for the certificate"),
    ("certificate", "is in place"),
    ("timer", "starting derp-acme.timer"),
    ("proof", "two clients through the relay"),
]
ALL = [point for _, point in POINTS]
STEP = {point: step for step, point in POINTS}

# On which suite a way is tried at which points. From the first line of its handler on a hangup is what
# Ctrl-C is, and a power loss leaves what kill leaves, but for the guard at boot.
SOME = ["allow 443/tcp", "read back ufw", "writing /etc/derp/derp.conf", "asking for the certificate"]
TRIED = {
    "trixie": {"Ctrl-C": ALL, "hangup": SOME, "kill": ALL, "reboot": ALL, "power loss": SOME},
    "bookworm": {"kill": SOME, "reboot": SOME},
}

# How a run is cut off. A reboot is the one that systemd does: the run is told to end, and then made to.
WAYS = {"Ctrl-C": signal.SIGINT, "hangup": signal.SIGHUP, "kill": signal.SIGKILL,
        "reboot": None, "power loss": None}


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


def run_until(world, point, do=lambda pid: None, args=None):
    """A run of derp-setup that has just said this: (process, what it said); do gets its process id at
    that moment. (Looking for it takes longer than the steps that follow the point.)"""
    args = [DOMAIN, "--yes", *world.setup_flags()] if args is None else args
    process = world.server.popen("derp-setup", *args, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
    said, pid = "", None
    for line in process.stderr:
        said += line
        pid = pid or setup_pid(world)
        if point in line:
            do(pid)
            return process, said
    raise AssertionError(f"it never said {point!r}, and ended with {process.wait(60)}:\n{said}")


def cut_off(world, point, way, args=None):
    """(exit code, what it said) of a run that is cut off when it says point; after a reboot or a power
    loss the server is up again, and the code says nothing."""
    signum = WAYS[way] or signal.SIGSTOP
    process, said = run_until(world, point, lambda pid: os.kill(pid, signum), args)
    if way == "reboot":
        world.server.reboot()
    elif way == "power loss":
        world.server.cut()
    said += process.stderr.read()
    code = process.wait(60)
    if way == "power loss":
        world.server.start()
    return code, said


# --- One point after the other --------------------------------------------------------------------

def cases(*ways):
    """Parameters: each of these ways on each suite where it is tried."""
    return pytest.mark.parametrize("suite, way", [(s, w) for s in rootfs.SUITES for w in ways
                                                  if w in TRIED[s]])


class Trial:
    """A server on which runs are cut off."""

    def __init__(self, suite, installed, told):
        self.suite, self.told = suite, told
        self.world = World(suite, layers=installed(suite))
        self.server = self.world.server
        self.before, self.former = state(self.server), self.files()

    def files(self):
        return self.server.sh("find /etc/ufw /etc/default/ufw -type f | sort | xargs sha256sum")

    def is_reached(self):
        assert clients.connects(self.world.clients[0], SERVER, 22) == "open"

    def rules(self):
        """"former rules", "new rules", or "pending" after a kill; anything in between is an error."""
        self.is_reached()
        if self.server.path(PENDING).exists():
            return "pending"
        if self.files() == self.former:
            assert "-P INPUT ACCEPT" in self.server.sh("iptables -S; ip6tables -S")
            assert self.server.sh("ufw status") == "Status: inactive"
            return "former rules"
        verbose = self.server.sh("ufw status verbose")
        assert "Default: deny (incoming), allow (outgoing)" in verbose, verbose
        for port in ("22/tcp", "443/tcp", "3478/udp"):
            assert f"\n{port} " in verbose and f"\n{port} (v6)" in verbose, verbose
        return "new rules"

    def completes(self):
        run = derp_setup(self.world)
        assert run.code == 0, f"{run}\n{self.server.journal('derpd', 'derp-acme')}"
        assert not self.server.path(PENDING).exists()
        self.is_reached()
        assert clients.connects(self.world.clients[0], SERVER, 443) == "open"

    def is_undone(self, purge):
        """Keys and certificates may stay: the next run is quicker with them."""
        args = ["--purge", f"--confirm={DOMAIN}"] if purge else ["--yes"]
        run = derp_verb(self.world, "uninstall", *args)
        assert run.code == 0, run
        left = [line for line in differences(state(self.server), self.before)
                if purge or not KEPT.search(line)]
        assert not left, "\n".join(left)
        self.is_reached()

    def try_all(self, way):
        """Cut off, completed and undone at each point; the certificate's first, they need a fresh one."""
        points = [p for s, p in POINTS if s == "certificate"] + [p for s, p in POINTS if s != "certificate"]
        points = [p for p in points if p in TRIED[self.suite][way]]
        for n, point in enumerate(points):
            code, said = cut_off(self.world, point, way)
            if way in ("Ctrl-C", "hangup"):
                # What was nearly over when the signal came may have come to its end.
                assert code == 130 or (code == 0 and point == ALL[-1]), f"{point}: {code}\n{said}"
            rules = self.rules()
            assert rules != "pending" or way == "kill", point
            self.completes()
            self.is_undone(purge=n + 1 == len(points) or STEP[points[n + 1]] == "certificate")
            self.told(self.suite, point, way, f"{rules}; a second run completes; uninstall leaves no trace")
