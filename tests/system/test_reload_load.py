# SPDX-License-Identifier: Apache-2.0
"""A thousand new certificates while packets flow: nothing lost, nobody reconnects, memory stays."""
import json
import pathlib
import signal
import subprocess
import time

import pytest
import relays
from conftest import ROOT
from test_derpd import AcmeRelay, acme_relay, eventually, leaf_hash, metric, served_leaf, status  # noqa: F401

LOAD = ROOT / "build" / "bench" / "derp-load"
RELOADS, RATE, SECONDS = 1000, 10000, 30
WATCHED = 20       # of them noticed by derpd itself
SETTLED = 80       # from here on memory is compared
LATEST = 1.0       # seconds from the link's change to the new leaf
BUSY = 3.0         # the same, when other tests take the processor just then
GROWTH = 1024      # KiB


@pytest.fixture(scope="module")
def load():
    subprocess.run(["make", "-s", "-C", str(ROOT), str(LOAD.relative_to(ROOT))], check=True, timeout=300)


def pss(pid):
    """KiB of memory that are this process's own."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))


def start_load(relay):
    plan = {"to": f"127.0.0.1:{relay.port}", "name": relays.HOST, "ca": str(relay.folder / "ca.pem"),
            "server": relay.process.pid, "clients": 8, "settle": 0.2, "warm_up": 0.0, "seconds": float(SECONDS),
            "drain": 3.0, "groups": [{"name": "all", "size": 200, "rate": float(RATE),
                                      "pairs": [[0, 1], [2, 3], [4, 5], [6, 7], [1, 0], [3, 2]]}]}
    path = relay.folder / "plan.json"
    path.write_text(json.dumps(plan))
    return subprocess.Popen([str(LOAD), str(path)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def reloads(relay):
    return metric(relay, 'derp_certificate_reloads_total{outcome="ok"}')


def point(relay, name):
    link = relay.acme / "current.new"
    link.symlink_to(name)
    link.rename(relay.acme / "current")


class Reloads:
    """Each link change brings another leaf. Most are announced by SIGHUP, as an hourly look would take longer
    than this test; the first ones derpd notices by itself, and in time."""

    def __init__(self, relay, hashes):
        self.relay, self.hashes = relay, hashes
        self.done, self.first, self.took, self.memory = 0, reloads(relay), [], []

    def one(self):
        n = self.done
        point(self.relay, f"gen-{n % len(self.hashes)}")
        if n < WATCHED:
            began = time.monotonic()
            eventually(lambda: served_leaf(self.relay) == self.hashes[n % len(self.hashes)], "the new leaf")
            self.took.append(time.monotonic() - began)
        else:
            self.relay.process.send_signal(signal.SIGHUP)
            eventually(lambda: reloads(self.relay) - self.first > n, f"reload {n}")
        self.done += 1

    def under(self, child):
        """As many as there is load for."""
        while self.done < RELOADS and child.poll() is None:
            self.one()
            if self.done >= SETTLED and child.poll() is None:
                self.memory.append(pss(self.relay.process.pid))


def load_while(relay, action):
    """Starts a load, and the action once all are logged in; what the load tells."""
    child = start_load(relay)
    try:
        eventually(lambda: status(relay)["connections"]["loggedIn"] == 8, "the clients are there")
        action(child)
        out, err = child.communicate(timeout=SECONDS + 60)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    assert child.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_thousand_reloads_under_load(load, acme_relay, authority):  # noqa: F811
    relay = acme_relay
    leaves = [authority.leaf(relays.HOST) for _ in range(8)]
    for i, pair in enumerate(leaves):
        relay.generation(f"gen-{i}", *pair)
    eventually(lambda: served_leaf(relay) == leaf_hash(leaves[7][0]), "the first leaf")
    run = Reloads(relay, [leaf_hash(chain) for chain, _ in leaves])
    while run.done < RELOADS:  # a slow machine needs more than one load
        before = run.done
        report = load_while(relay, run.under)
        got = report["groups"]["all"]
        print(f"{run.done - before} reloads, {got['received']} packets, {got['due'] - got['received']} lost")
        assert got["due"] == got["sent"] == got["received"] > RATE * SECONDS * 0.9 and got["reordered"] == 0
        assert report["corrupt"] == 0 and report["connections"]["logins"] == 8
    assert served_leaf(relay) == leaf_hash(leaves[(RELOADS - 1) % 8][0])
    usual = sorted(run.took)[WATCHED * 3 // 4]
    print(f"noticed within {usual * 1000:.0f} ms ({max(run.took) * 1000:.0f} at most), memory {run.memory[0]} to "
          f"{run.memory[-1]} KiB")
    assert usual < LATEST and max(run.took) < BUSY
    assert run.memory[-1] - run.memory[0] < GROWTH, "memory grows with each reload"
    assert metric(relay, 'derp_certificate_reloads_total{outcome="failed"}') == 0
