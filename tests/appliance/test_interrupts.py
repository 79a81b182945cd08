# SPDX-License-Identifier: Apache-2.0
"""derp-setup gets a signal at one point after the other. Each time nobody is locked out, a second run
completes, and uninstall leaves the server as it was, to the byte."""

import subprocess

import pytest

from testbed.cutoff import cases


@pytest.mark.pitfall(3)
@cases("Ctrl-C", "hangup", "kill")
def test_cut_off(trial, suite, way):
    trial(suite).try_all(way)


@pytest.mark.pitfall(3)
def test_children_end_with_a_killed_run(trial):
    world = trial().world
    server = world.server
    world.ca.freeze()
    process = server.popen("sh", "-c", "derp-setup \"$@\"; exec sleep 600", "sh", "derp.demo.com", "--yes",
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
