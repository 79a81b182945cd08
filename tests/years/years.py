#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two simulated years of derp-acme, with everything going wrong that can: see docs/OPERATIONS.md.

    tests/years/years.py --seeds 1-200        a line for each seed; 0 when all are well
    tests/years/years.py --seed 17 --show     one again, with its log as it happens
    tests/years/years.py --seeds 1-200 --table   and what came of each kind of fault
"""
import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "acme")]

import simulation  # noqa: E402
from ca import stamp  # noqa: E402
from machine import Unit  # noqa: E402
from wire import CaPort, NameServer, RelayPort, self_signed  # noqa: E402

SHORT = 5  # each fifth seed has 160-hour certificates
MEMORY = pathlib.Path("/dev/shm")  # noqa: S108 - below it each has a folder of its own
ROOM = 256 << 20  # more than all that is written at a time


class Ports:
    """One set for all seeds of this process."""

    def __init__(self, folder):
        self.ca, self.relay, self.dns = CaPort(folder), RelayPort(), NameServer()
        self.temporary = self_signed(folder, "temporary", names=["derp.sim.test"])


def prefer_memory():
    """Each start of derp-acme waits for its disk a few times, and which disk is of no interest here."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        tempfile.tempdir = str(MEMORY)


def build_shim(folder):
    shim = folder / "shim.so"
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-shared", "-fPIC", "-O1",
                    f"-I{ROOT}/tests/acme", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
    return shim


class Summary:
    """What is left of a seed when it is over; goes from one process to another."""

    def __init__(self, s, seconds):
        self.seed, self.profile, self.seconds = s.seed, s.profile, seconds
        self.problems, self.log = s.problems, s.log
        self.days = (s.end - s.begin) / 86400
        self.renewals, self.least_left = s.renewals, s.least_left
        self.failed, self.excused, self.runs = s.failed, s.excused, s.machine.runs
        self.counts = s.counts()
        self.turns, self.trials = s.turns, s.trials_failed
        self.cas = "+".join(ca.prefix for ca in s.cas[1:])
        self.kills = sum(1 for _, kind, _ in s.log if kind == "killed")
        self.episodes = [e for e in s.episodes if e.end is not None]

    def line(self):
        verdict = "FAILED" if self.problems else "ok"
        return (f"seed {self.seed:4} {verdict:6} {self.profile:10} {self.renewals:3} certificates, least left "
                f"{self.least_left:4.0%}, {len(self.episodes):3} faults, {self.kills:2} kills, {self.runs:5} runs, "
                f"{self.counts['requests']:5} requests, {self.excused / 3600:5.0f} h excused, {self.seconds:.0f} s"
                + (f", {self.turns} orders at the second CA" if "second" in self.cas else "")
                + (f", {self.trials} trials failed" if "staging" in self.cas else ""))


ports = None


def simulate(seed, program, shim, args, show=None):
    global ports
    with tempfile.TemporaryDirectory(prefix=f"{seed}-", dir=shim.parent) as name:
        folder = pathlib.Path(name)
        if ports is None:
            ports = Ports(pathlib.Path(tempfile.mkdtemp(prefix="ports-", dir=shim.parent)))
        start = time.monotonic()
        s = simulation.Simulation(seed, folder, ports, program, shim, Unit(ROOT / "packaging/systemd"),
                                  seed % SHORT == 0, args.days, args.every_tick, show)
        try:
            s.run()
        except Exception as e:  # the log up to here is what helps
            s.problem(f"the simulation stopped: {type(e).__name__}: {e}")
            if show:
                raise
        finally:
            s.close()
        return Summary(s, time.monotonic() - start)


def report_failure(one, args):
    folder = pathlib.Path(args.logs)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{one.seed}.log"
    path.write_text("".join(f"{stamp(t)} {kind:9} {text}\n" for t, kind, text in one.log))
    print("".join(f"    {problem}\n" for problem in one.problems[:12])
          + f"    log: {path}\n    again: tests/years/years.py --seed {one.seed} --show", flush=True)


def table(summaries):
    """A row for each kind of fault: how often, what derp-acme did, what came of it."""
    rows = {}
    for s in summaries:
        for e in s.episodes:
            rows.setdefault(e.name, []).append(e)
    print("\n| Fault | Times | Failed runs | Longest wait | Orders | Failed validations | Well after its end: median, "
          "longest | Least of the lifetime left |\n|---|---|---|---|---|---|---|---|")
    for name, episodes in sorted(rows.items()):
        hit = [e for e in episodes if e.failed]
        healed = [e.healed for e in hit if e.healed is not None]
        left = [e.left for e in hit if e.left is not None]
        spent = {k: sum(e.after[k] - e.before[k] for e in episodes) for k in ("orders", "failed validations")}
        words = simulation.words
        print(f"| {name} | {len(episodes)} | {sum(e.failed for e in hit)} "
              f"| {words(max((e.longest for e in hit), default=0)) if hit else '–'} | {spent['orders']} "
              f"| {spent['failed validations']} "
              f"| {f'{words(statistics.median(healed))}, {words(max(healed))}' if healed else '–'} "
              f"| {f'{min(left):.0%}' if left else '–'} |")


def summary(summaries):
    years = sum(s.days for s in summaries) / 365.25
    bad = [s for s in summaries if s.problems]
    print(f"\n{len(summaries)} seeds, {years:.0f} simulated years, {sum(s.renewals for s in summaries)} certificates, "
          f"{sum(len(s.episodes) for s in summaries)} faults, {sum(s.kills for s in summaries)} times kill -9, "
          f"{sum(s.runs for s in summaries)} starts, {sum(s.counts['requests'] for s in summaries)} requests\n"
          f"{sum('second' in s.cas for s in summaries)} seeds with a second CA, which got "
          f"{sum(s.turns for s in summaries)} orders; {sum('staging' in s.cas for s in summaries)} with a staging "
          f"directory, where {sum(s.trials for s in summaries)} trials failed\n"
          f"seconds with an expired certificate that was owed: {sum(s.failed for s in summaries):.0f}; "
          f"excused (the CA was not usable): {sum(s.excused for s in summaries):.0f}\n"
          f"least of the lifetime left at a renewal: {min(s.least_left for s in summaries):.1%}\n"
          f"{len(summaries) - len(bad)} seeds as promised, {len(bad)} not")


def many(seeds, args, shim, summaries):
    """Some at a time, each added to summaries. False: Ctrl-C has ended it before all were done."""
    with concurrent.futures.ProcessPoolExecutor(args.jobs, initializer=signal.signal,
                                                initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        futures = [pool.submit(simulate, seed, args.program, shim, args) for seed in seeds]
        try:
            for future in concurrent.futures.as_completed(futures):
                one = future.result()
                print(one.line(), flush=True)
                if one.problems:
                    report_failure(one, args)
                one.log = []
                summaries.append(one)
        except KeyboardInterrupt:
            print("\nEnded before all were done. Up to here:", flush=True)
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            return False
    return True


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-20", metavar="A-B")
    parser.add_argument("--seed", type=int, help="only this one, in this process")
    parser.add_argument("--show", action="store_true", help="its log as it happens")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="what came of each kind of fault")
    parser.add_argument("--days", type=int, help="shorter, or longer, than two years")
    parser.add_argument("--every-tick", action="store_true", help="leave out no tick of the timer")
    parser.add_argument("--program", default=str(ROOT / "build/years/derp-acme"))
    parser.add_argument("--logs", default=str(ROOT / "build/years/logs"), help="logs of seeds that failed")
    return parser.parse_args()


def main():
    args = parse_args()
    first, _, last = args.seeds.partition("-")
    seeds = [args.seed] if args.seed is not None else range(int(first), int(last or first) + 1)
    if not os.access(args.program, os.X_OK):
        sys.exit(f"{args.program} is missing: make build/years/derp-acme")
    prefer_memory()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    summaries, whole = [], True
    with tempfile.TemporaryDirectory(prefix="years-", ignore_cleanup_errors=True) as name:
        shim = build_shim(pathlib.Path(name))
        if args.seed is not None:
            one = simulate(args.seed, args.program, shim, args, sys.stdout if args.show else None)
            summaries.append(one)
            print(one.line())
            if one.problems:
                report_failure(one, args)
        else:
            whole = many(seeds, args, shim, summaries)
    if args.table and summaries:
        table(summaries)
    if summaries:
        summary(summaries)
    return 1 if not whole or any(s.problems for s in summaries) else 0


if __name__ == "__main__":
    sys.exit(main())
