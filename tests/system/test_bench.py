# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' load generator tells the truth: what it counts is what the relay has counted."""
import json
import socket
import subprocess

import pytest
import relays
from conftest import ROOT
from test_derpd import metric

PROGRAM = ROOT / "build" / "bench" / "derp-load"


@pytest.fixture(scope="module", autouse=True)
def program():
    subprocess.run(["make", "-s", "-C", str(ROOT), str(PROGRAM.relative_to(ROOT))], check=True, timeout=300)


def load(relay, groups, clients, **more):
    plan = {"to": "127.0.0.1:%d" % relay.port, "name": relays.HOST, "ca": str(relay.folder / "ca.pem"),
            "server": relay.process.pid, "clients": clients, "settle": 0.1, "warm_up": 0.0, "seconds": 1.0,
            "drain": 2.0, "groups": groups, **more}
    path = relay.folder / "plan.json"
    path.write_text(json.dumps(plan))
    return subprocess.run([str(PROGRAM), str(path)], text=True, capture_output=True, timeout=60, check=False)


def group(name, rate, pairs, **more):
    return {"name": name, "size": 200, "rate": float(rate), "pairs": pairs, **more}


@pytest.mark.parametrize("spin", [False, True])
def test_counts_are_the_relays(relay, spin):
    groups = [group("even", 200, [[0, 1], [2, 3]]), group("shared", 400, [[0, 2], [1, 3]], burst=4, share="write"),
              group("packed", 400, [[3, 0]], burst=8, share="record"), group("weighted", 300, [[0, 1, 2], [1, 0, 1]]),
              group("disco", 100, [[2, 0]], disco=True, poisson=True)]
    done = load(relay, groups, 4, spin=spin)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    got = report["groups"]
    assert report["corrupt"] == 0 and report["connections"]["logins"] == 4
    for name, g in got.items():
        assert g["due"] == g["sent"] == g["received"] and g["reordered"] == 0, (name, g)
        assert 0 < g["delay_ms"]["p50"] <= g["delay_ms"]["p99"] <= g["delay_ms"]["max"]
    for name, rate in (("even", 200), ("shared", 400), ("packed", 400), ("weighted", 300)):
        assert abs(got[name]["due"] - rate) <= 16, (name, got[name])  # a burst of each pair at the edges
    sent = {kind: metric(relay, 'derp_packets_received_total{kind="%s"}' % kind) for kind in ("other", "disco")}
    assert sent["disco"] == got["disco"]["sent"]
    assert sent["other"] == sum(g["sent"] for name, g in got.items() if name != "disco")
    assert report["window"]["server_cpu"] > 0 and min(report["pss_kib"]) > 0


def test_a_plan_that_makes_no_sense(relay):
    for groups, why in (([group("a", 1, [[0, 9]], size=3)], "size"), ([group("a", 1, [[7, 0]])], "another's client"),
                        ([{"name": "a"}], "a group")):
        done = load(relay, groups, 2)
        assert done.returncode == 1 and why in done.stderr


@pytest.mark.parametrize("burst, share", [(1, "nothing"), (4, "write"), (8, "record")])
@pytest.mark.parametrize("cipher", [[], ["cipher"]])
def test_the_floor_relays_all(cipher, burst, share):
    programs = [PROGRAM.with_name(name) for name in ("floor", "floor-load")]
    subprocess.run(["make", "-s", "-C", str(ROOT), *(str(p.relative_to(ROOT)) for p in programs)], check=True,
                   timeout=300)
    port, stun = relays.free_ports(2)
    with subprocess.Popen([programs[0], str(port), str(stun), *cipher], stdout=subprocess.PIPE, text=True) as floor:
        try:
            assert floor.stdout.readline() == "ready\n"
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                s.settimeout(10)
                s.sendto(relays.stun_request(), ("127.0.0.1", stun))
                assert s.recv(100)[:2] == b"\x01\x01"
            done = subprocess.run([programs[1], "127.0.0.1:%d" % port, "200", "3", "2000", str(burst), share, "1",
                                   str(floor.pid)], text=True, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            report = json.loads(done.stdout)
            assert abs(report["due"] - 2000) <= 3 * burst and report["received"] == report["due"], report
            assert report["server_cpu"] > 0 and 0 < report["p50_ms"] <= report["p99_ms"]
        finally:
            floor.terminate()
