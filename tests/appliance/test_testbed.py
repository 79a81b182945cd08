# SPDX-License-Identifier: Apache-2.0
"""The private internet goes away whatever happens to the run that made it."""

import os
import signal
import subprocess
import sys

import pytest

from conftest import HERE
from testbed import rootfs, tidy
from testbed.shell import wait_for
from testbed.world import World

_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from testbed.world import World, unwind_on_signals
unwind_on_signals()
with World(sys.argv[2], layers=[sys.argv[3]]) as world:
    print(world.folder.name, flush=True)
    sys.stdin.read()
"""


def traces(name):
    """What is left of a world: folders, namespaces, control groups, mounts, processes."""
    found = [p for p in [tidy.RUN / name, *tidy.cgroups(name)] if p.exists()]
    found += tidy.NETNS.glob(f"{name}-*")
    found += [line for line in open("/proc/self/mountinfo") if f"/{name}/" in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline").read()
        except OSError:
            continue
        if name in command:
            found.append(f"process {pid}: {command}")
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left(disk, how):
    suite = rootfs.SUITES[0]
    with subprocess.Popen([sys.executable, "-c", _RUN, HERE, suite, disk(suite)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        name = process.stdout.readline().strip()
        assert name and len(traces(name)) > 8
        process.send_signal(how)
        process.wait(20)
        wait_for("the end of everything", 20, lambda: not traces(name))


def test_two_at_once_do_not_meet(disk):
    suite = rootfs.SUITES[0]
    with World(suite, layers=[disk(suite)]) as one, World(suite, layers=[disk(suite)]) as two:
        one.server.write("/root/whose", "one")
        two.server.write("/root/whose", "two")
        one.dns.set("derp 600 IN A 203.0.113.77")
        assert one.server.sh("cat /root/whose; getent ahostsv4 derp.demo.com | head -n 1 | "
                             "cut -d ' ' -f 1") == "one203.0.113.77"
        assert two.server.sh("cat /root/whose; getent ahostsv4 derp.demo.com | head -n 1 | "
                             "cut -d ' ' -f 1") == "two203.0.113.10"


def test_what_is_not_in_this_internet_is_unreachable_at_once(disk):
    suite = rootfs.SUITES[0]
    with World(suite, layers=[disk(suite)]) as world:
        r = world.server.run("curl", "-sS", "--max-time", "5", "http://192.0.2.200/", check=False)
        assert r.code == 7, r  # could not connect, and not 28, timed out
