# SPDX-License-Identifier: Apache-2.0
"""Runs derp-load against a contender."""
import json
import pathlib
import subprocess

import contenders

PROGRAM = contenders.ROOT / "build" / "bench" / "derp-load"


class LoadFailed(Exception):
    """derp-load did not come to its end."""


def pairs(count, first=0):
    """Clients 0 → 1, 2 → 3, …"""
    return [[first + 2 * i, first + 2 * i + 1] for i in range(count)]


def fan_in(count):
    return [[i + 1, 0] for i in range(count)]


def fan_out(count):
    return [[0, i + 1] for i in range(count)]


def zipf(count):
    """Pairs of which the first one has most, the second half of that, the third a third, …"""
    return [[2 * i, 2 * i + 1, 1.0 / (i + 1)] for i in range(count)]


def group(name, size, rate, who, **more):
    return {"name": name, "size": size, "rate": float(rate), "pairs": who, **more}


def make_plan(contender, groups, seconds, clients=None, **more):
    most = max((max(p[:2]) for g in groups for p in g["pairs"]), default=0)
    plan = {"to": "%s:%d" % (contender.network.address, contenders.PORT), "name": contenders.HOST,
            "ca": str(contender.folder / "ca.pem"), "server": contender.process.pid,
            "clients": clients or most + 1, "spin": True, "seconds": float(seconds), "groups": groups}
    plan.update({k: float(v) if k in ("settle", "warm_up", "drain") else v for k, v in more.items()})
    return plan


def start(contender, plan, cpu=1, name="plan", idle=False):
    """idle: it gets the core only while nobody else wants it."""
    path = pathlib.Path(contender.folder) / (name + ".json")
    path.write_text(json.dumps(plan))
    pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
    pin += ["chrt", "--idle", "0"] if idle else []
    return subprocess.Popen([*contender.network.clients, *pin, str(PROGRAM), str(path)], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process, contender, within):
    """Its report; and its end, whatever happens."""
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        raise LoadFailed("derp-load took longer than %d s\n%s" % (within, contender.log())) from None
    finally:
        end(process)
    if process.returncode != 0:
        raise LoadFailed("derp-load: %s\n%s" % (err.strip(), contender.log()))
    report = json.loads(out.splitlines()[-1])
    if report["corrupt"] > 0:
        raise LoadFailed("%d packets were not as they had been sent" % report["corrupt"])
    return report


def end(process):
    """Ends one that may still run."""
    if process.poll() is None:
        process.kill()
        process.communicate()


def run(contender, groups, seconds, cpu=1, **more):
    """The report of derp-load, a dictionary."""
    plan = make_plan(contender, groups, seconds, **more)
    within = 90 + sum(plan.get(k, 2.0) for k in ("settle", "warm_up", "seconds", "drain"))
    return finish(start(contender, plan, cpu), contender, within)


def run_floor(contender, size, pair_count, rate, seconds, burst=1, share="nothing", cpu=1):
    """The report of floor-load: the same packets through tests/bench/floor/relay.c."""
    command = [*contender.network.clients, "taskset", "-c", str(cpu), str(PROGRAM.with_name("floor-load")),
               "%s:%d" % (contender.network.address, contenders.PORT), str(size), str(pair_count), str(rate),
               str(burst), share, str(seconds), str(contender.process.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + seconds, check=False)
    if done.returncode != 0:
        raise LoadFailed("floor-load: %s\n%s" % (done.stderr.strip(), contender.log()))
    return json.loads(done.stdout)


# --- What a report says ----------------------------------------------------------------------------------

def loss(report, name):
    """The share of a group's packets that never came."""
    g = report["groups"][name]
    return 1 - g["received"] / g["due"] if g["due"] else 0.0


def arrival_rate(report):
    return sum(g["arrived"] for g in report["groups"].values()) / report["window"]["seconds"]


def cpu_per_packet(report):
    """Microseconds of the server's CPU time for each packet that arrived."""
    arrived = sum(g["arrived"] for g in report["groups"].values())
    return 1e6 * report["window"]["server_cpu"] / arrived if arrived else None


def server_busy(report):
    """Share of one core."""
    return report["window"]["server_cpu"] / report["window"]["seconds"]


def jain(values):
    """Jain's index of fairness: 1 when all have the same."""
    return sum(values) ** 2 / (len(values) * sum(v * v for v in values)) if any(values) else 0.0
