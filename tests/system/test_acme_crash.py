# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any instant: the next run goes on with the same order, and the link never leads to anything bad."""
import os
import re
import signal
import subprocess

import pytest

from acme_home import fake, leaf_der, make_home, make_pebble, relay_home, shim, world  # noqa: F401
from pebble import Gate, wait_for


@pytest.fixture
def gated(relay_home):  # noqa: F811
    """A home with a certificate whose CA stands behind a gate."""
    home = relay_home()
    gate = Gate(home.ca)
    home.configure(directory=gate.directory)
    home.expect(0, "issue")
    yield home, gate
    gate.stop()


def orders_at_ca(home):
    return len(set(re.findall(r"Added order \"([^\"]+)\"", home.ca.process.text())))


def start(home, *verb, env=None):
    return subprocess.Popen(home.command(*verb), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env={**os.environ, **(env or {})})


def kill_at_request(home, gate, number, where):
    """Renews until the gate holds the request, then kill -9. False when the renewal had fewer requests."""
    gate.reset((number, where))
    child = start(home, "renew")
    try:
        wait_for(lambda: gate.held.is_set() or child.poll() is not None, "the request to be held", 60)
        return gate.held.is_set()
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.wait()
        gate.reset()


@pytest.mark.pitfall(18)
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_each_request(gated, where):
    """Before the CA has seen the request, and before we have seen the answer."""
    home, gate = gated
    number, resumed = 0, 0
    while True:
        generation, orders = home.current(), orders_at_ca(home)
        held = kill_at_request(home, gate, number, where)
        if not held:
            break
        state = home.state()
        killed_in = state["phase"]
        home.expect(0 if killed_in != "idle" else 2, "run")
        if killed_in != "idle":
            made = orders_at_ca(home) - orders
            # The URL of an order is lost only if the answer to newOrder itself was.
            lost = killed_in == "ordering" and where == "after" and "order" not in state
            assert made in ((1, 2) if lost else (1,)), (number, killed_in)
            assert home.current() != generation
            resumed += "order" in state
        assert home.usable() and home.served() == leaf_der(home.chain())
        assert home.challenges() == []
        number += 1
    assert number >= 8, "the gate saw too few requests"
    assert resumed >= 6, "too few orders were gone on with"


def test_killed_at_each_change_of_the_disk(relay_home, shim, tmp_path):  # noqa: F811
    home = relay_home()
    home.expect(0, "issue")
    count = tmp_path / "count"
    home.expect(0, "renew", env={"LD_PRELOAD": shim, "SHIM_COUNT": str(count)})
    steps = int(count.read_text())
    assert steps >= 12
    before = orders_at_ca(home)
    runs = 0
    for step in range(steps):
        done = home.acme("renew", env={"LD_PRELOAD": shim, "SHIM_KILL": str(step)})
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stderr
            runs += 1
            continue
        assert home.usable(), step
        phase = home.state()["phase"]
        home.expect(2 if phase == "idle" else 0, "run")
        runs += 1
        assert home.usable() and home.served() == leaf_der(home.chain()), step
        assert home.state()["phase"] == "idle"
        assert list((home.certs / "pending").iterdir()) == [] or phase == "idle"
    # Not more orders than runs: nothing was ordered twice.
    assert orders_at_ca(home) - before <= runs


def test_killed_during_the_very_first_run(make_pebble, make_home, shim, tmp_path):  # noqa: F811
    """From an empty folder; without a relay, so that this is about the files only."""
    count = tmp_path / "count"
    ca = make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1)
    home = make_home(ca)
    home.expect(0, "run", env={"LD_PRELOAD": shim, "SHIM_COUNT": str(count)})
    for step in range(0, int(count.read_text()), 5):
        home = make_home(ca)
        assert home.acme("run", env={"LD_PRELOAD": shim, "SHIM_KILL": str(step)}).returncode == -signal.SIGKILL
        again = home.acme("run")
        assert again.returncode == 0 or (again.returncode == 2 and home.state()["phase"] == "idle"), again.stderr
        assert home.usable(), step


def test_runs_exclude_each_other(gated, shim):  # noqa: F811
    home, gate = gated
    gate.reset((2, "before"))
    child = start(home, "renew")
    try:
        wait_for(gate.held.is_set, "the first run to be held", 30)
        assert "another derp-acme is at work" in home.expect(2, "run")
        assert "another derp-acme is at work" in home.expect(1, "issue")
        assert "another derp-acme is at work" in home.expect(1, "renew")
        assert "another derp-acme is at work" in home.expect(1, "revoke")
        assert home.acme("status").returncode == 0  # reads only
        said = home.expect(2, "run", env={"LD_PRELOAD": shim, "SHIM_CLOCK": "8000"})  # as if it were stopped
        assert "warning: another derp-acme is at work" in said and "is it stopped?" in said
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        gate.reset()
    home.expect(0, "run")  # the lock went with its holder


def test_connection_cut_after_finalize(gated):
    """The CA has got the CSR, we have not got its answer: the order is gone on with, not repeated."""
    home, gate = gated
    orders = orders_at_ca(home)
    gate.reset()
    home.expect(0, "renew")
    finalize = next(i for i, (_, path, _) in enumerate(gate.requests) if "finalize" in path)
    assert orders_at_ca(home) == orders + 1
    assert kill_at_request(home, gate, finalize, "after")
    assert home.state()["phase"] == "finalizing"
    order = home.state()["order"]
    said = home.expect(0, "run")
    assert "an order is under way" in said and order not in said  # only new orders are announced
    assert orders_at_ca(home) == orders + 2
