# SPDX-License-Identifier: Apache-2.0
"""A new certificate while packets flow: nothing lost, nobody reconnects, memory stays, whoever replaces the files."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
import relays
from conftest import ROOT
from test_derpd import AcmeRelay, acme_relay, eventually, leaf_hash, metric, served_leaf, status  # noqa: F401

LOAD = ROOT / "build" / "bench" / "derp-load"
RELOADS, RATE, SECONDS = 1000, 10000, 45
WATCHED = 20       # of them noticed by derpd itself
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


def test_thousand_reloads_under_load(load, acme_relay, authority):  # noqa: F811
    """Each link change brings another leaf. Most are announced by SIGHUP, as an hourly look would take longer than
    this test; the first ones derpd notices by itself, and in time."""
    relay = acme_relay
    leaves = [authority.leaf(relays.HOST) for _ in range(8)]
    for i, pair in enumerate(leaves):
        relay.generation(f"gen-{i}", *pair)
    eventually(lambda: served_leaf(relay) == leaf_hash(leaves[7][0]), "the first leaf")
    hashes = [leaf_hash(chain) for chain, _ in leaves]
    child = start_load(relay)
    try:
        eventually(lambda: status(relay)["connections"]["loggedIn"] == 8, "the clients are there")
        took, begun, first = [], None, reloads(relay)
        for n in range(RELOADS):
            point(relay, f"gen-{n % 8}")
            began = time.monotonic()
            if n < WATCHED:
                eventually(lambda want=hashes[n % 8]: served_leaf(relay) == want, "the new leaf")
                took.append(time.monotonic() - began)
            else:
                relay.process.send_signal(signal.SIGHUP)
                eventually(lambda want=n + 1: reloads(relay) - first >= want, f"reload {n}")
            if n == 4 * WATCHED:
                begun = pss(relay.process.pid)
        assert child.poll() is None, "the load ended before the last reload: this machine is too slow for this test"
        after = pss(relay.process.pid)
        assert served_leaf(relay) == hashes[(RELOADS - 1) % 8]
        out, err = child.communicate(timeout=SECONDS + 60)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    assert child.returncode == 0, err
    report = json.loads(out.splitlines()[-1])
    got = report["groups"]["all"]
    usual = sorted(took)[WATCHED * 3 // 4]
    print(f"{RELOADS} reloads, {got['received']} packets, {got['due'] - got['received']} lost, "
          f"noticed within {usual * 1000:.0f} ms ({max(took) * 1000:.0f} at most), memory {begun} to {after} KiB")
    assert got["due"] == got["sent"] == got["received"] > RATE * SECONDS * 0.9 and got["reordered"] == 0
    assert report["corrupt"] == 0 and report["connections"]["logins"] == 8
    assert usual < LATEST and max(took) < BUSY
    assert after - begun < GROWTH, "memory grows with each reload"
    assert metric(relay, 'derp_certificate_reloads_total{outcome="failed"}') == 0


def replace_by_rename(relay, chain, key):
    """acme.sh, cert-manager and others: each file beside its place, then by rename."""
    relay.install(chain, key)


def rewrite_in_place(relay, chain, key):
    """lego and scripts with `cp`: the key first, the chain when the key has been seen for long."""
    relay.key.write_bytes(key)
    yield
    relay.chain.write_bytes(chain)


def certbot(relay, chain, key):
    """live/NAME/*.pem are links into archive/NAME/; each is removed and made again, one after the other."""
    archive = relay.folder / "archive"
    archive.mkdir(exist_ok=True)
    number = len(list(archive.iterdir()))
    for path, content in ((relay.key, key), (relay.chain, chain)):
        target = archive / f"{path.name}.{number}"
        target.write_bytes(content)
        relay._give_all()
        path.unlink()
        yield
        os.symlink(target, path)


@pytest.mark.parametrize("way", [replace_by_rename, rewrite_in_place, certbot])
@pytest.mark.parametrize("slow", [False, True])
def test_ways_of_replacing_files(relay, authority, way, slow):
    """Quickly, and with derpd looking in between: then the half is refused and the old certificate stays."""
    with relay.client() as a, relay.client() as b:
        for _ in range(2):
            before = served_leaf(relay)
            chain, key = authority.leaf(relays.HOST)
            for _ in way(relay, chain, key) or ():
                refused = metric(relay, 'derp_certificate_reloads_total{outcome="failed"}')
                if slow:
                    eventually(lambda r=refused: metric(
                        relay, 'derp_certificate_reloads_total{outcome="failed"}') > r, "the half pair is refused")
                    assert served_leaf(relay) == before
            began = time.monotonic()
            eventually(lambda want=leaf_hash(chain): served_leaf(relay) == want, "the new leaf")
            assert time.monotonic() - began < BUSY
            a.send(b.key, b"still here")
            assert b.receive() == (a.key, b"still here")
        assert status(relay)["certificate"]["problem"] == ""
