#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""derpd beside derper: each scenario is run with one and the other in turn, several times over.

    make bench          everything; about an hour and a half
    make bench-quick    the most telling ones, three minutes
    bench.py [--quick] [--rounds N] [--only NAME,…] [--list] [--json FILE] [--publish]

Prints a table of medians with the least and the most, and leaves everything in build/bench/results.json.
--publish makes docs/PERFORMANCE.md's tables and plots of it. Root: it makes network namespaces."""
import argparse
import fnmatch
import json
import os
import pathlib
import platform
import signal
import ssl
import subprocess
import sys
import time

import contenders
import loads
import report
import scenarios

RESULTS = contenders.ROOT / "build" / "bench" / "results.json"


def machine():
    """What it ran on, in words."""
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    version = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=contenders.ROOT, text=True,
                             capture_output=True, check=False).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "openssl": ssl.OPENSSL_VERSION, "commit": version, "date": time.strftime("%Y-%m-%d")}


def run_round(scenario, runs, number, total):
    for name, kind, options in scenario.contenders:
        begin = time.monotonic()
        try:
            runs[name].append(scenario.run(kind, options))
        except (loads.LoadFailed, RuntimeError, subprocess.SubprocessError) as e:
            runs[name].append({"failed": str(e)[-500:]})
            print("  %s failed: %s" % (name, e), file=sys.stderr)
        print("%s, round %d of %d: %s, %.0f s" % (scenario.name, number + 1, total, name,
                                                  time.monotonic() - begin), file=sys.stderr, flush=True)


def run(scenario, rounds):
    rounds = min(rounds, scenario.rounds or rounds)
    runs = {name: [] for name, _, _ in scenario.contenders}
    for number in range(rounds):
        run_round(scenario, runs, number, rounds)
    return {"title": scenario.title, "rows": list(scenario.rows), "runs": runs}


def chosen(quick, only):
    wanted = only.split(",") if only else ["*"]
    everything = scenarios.quick_scenarios() if quick else scenarios.all_scenarios()
    return [s for s in everything if any(fnmatch.fnmatch(s.name, w) for w in wanted)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer scenarios, shorter, one round")
    parser.add_argument("--rounds", type=int, help="5, or 1 with --quick")
    parser.add_argument("--only", help="names of scenarios; * stands for anything")
    parser.add_argument("--list", action="store_true", help="tells the names")
    parser.add_argument("--json", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--keep", action="store_true", help="adds to the results that are there")
    parser.add_argument("--publish", action="store_true", help="writes docs/PERFORMANCE.md anew")
    return parser.parse_args()


def main():
    args = arguments()
    todo = chosen(args.quick, args.only)
    if args.list:
        print("\n".join("%-24s %s" % (s.name, s.title) for s in todo))
        return
    if os.geteuid() != 0:
        sys.exit("bench: must be root, to make network namespaces; try: sudo make bench")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        contenders.gobuild.build("derper")
    except contenders.gobuild.NoGo as e:
        sys.exit("bench: derper cannot be built: %s" % e)
    results = {"machine": machine(), "scenarios": {}}
    if args.keep and args.json.exists():
        results["scenarios"] = json.loads(args.json.read_text())["scenarios"]
    for s in todo:
        results["scenarios"][s.name] = run(s, args.rounds or (1 if args.quick else 5))
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1))
    if args.publish:
        report.publish(results)
    print(report.markdown(results))
    failed = [s.name for s in todo if any("failed" in r for runs in results["scenarios"][s.name]["runs"].values()
                                          for r in runs)]
    if failed:
        sys.exit("bench: not every round of %s came to its end, see above" % ", ".join(failed))


if __name__ == "__main__":
    main()
