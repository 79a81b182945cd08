#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs all tests, stage by stage, and closes with "N passed, N failed" (", N skipped") and how long
it took.

    make check                            all stages (root: some tests make network namespaces)
    CHECK_STAGES=lint,unit make check     some of them

Each stage stands under a heading, shows failing tests in full and tells how long it took. A stage
that passes its deadline, or Ctrl-C, ends everything that the stage started. Some stages run while
others do (BESIDE), and what takes long to build is built ahead; each is shown in its own place.
"""
import io
import os
import re
import shutil
import signal
import sys
import threading
import time

from runner import stages
from runner.programs import LOGS, ROOT, programs
from runner.result import Result, here, say


def has_tests(folder):
    return any((ROOT / "tests" / folder).rglob("test_*.py"))


def has_tsan_tests():
    return any("mark.tsan" in p.read_text(encoding="utf-8")
               for p in (ROOT / "tests/system").rglob("*.py"))


def has_years():
    return shutil.which("gcc") is not None


def anything(pattern):
    return any(ROOT.glob(pattern))


# name, what it does, deadline in seconds, the function, whether there is anything to run
STAGES = [
    ("lint", "rules of the house", 120, stages.lint, lambda: True),
    ("build", "the three programs", 600, stages.build, lambda: True),
    ("unit", "unit tests under sanitizers", 900, stages.unit, lambda: anything("tests/unit/*_test.c")),
    ("fuzz", "fuzz corpus replay", 900, stages.fuzz, lambda: anything("tests/fuzz/*_fuzz.c")),
    ("coverage", "what the tests of parsers reach", 600, stages.coverage, lambda: True),
    ("quiet", "the real programs, where a load must keep up", 300, stages.quiet, lambda: has_tests("system")),
    ("system", "the real programs", 900, stages.system, lambda: has_tests("system")),
    ("tsan", "derpd under ThreadSanitizer", 600, stages.tsan, has_tsan_tests),
    ("model", "random clients against the rules", 900, stages.model, lambda: True),
    ("interop", "Tailscale's own clients", 900, stages.interop, lambda: has_tests("interop")),
    ("tailnet", "tailscaled and headscale", 1500, stages.tailnet, lambda: has_tests("tailnet")),
    ("appliance", "the package on booted servers", 1500, stages.appliance,
     lambda: has_tests("appliance")),
    ("years", "the ACME client, two years at a time", 1800, stages.years, has_years),
]

# Stage: the one at whose beginning it begins. Both of a pair wait more than they compute, or one of
# them is gentle. (Not before what is built ahead is built: that is gentle, too, and waited for.)
BESIDE = {"years": "interop", "tailnet": "interop"}

# What takes minutes to build (once, or after a change), made while the system tests run: (the stage
# that wants it and will say what went wrong, command, seconds).
AHEAD = [
    ("tailnet", stages.TAILNET_PROGRAMS, stages.TAILNET_BUILD),
    ("appliance", [sys.executable, "tests/appliance/ahead.py"], 1200),
]


# --- The run ----------------------------------------------------------------------------------------

def wanted_stages():
    known = [s[0] for s in STAGES]
    names = [n for n in re.split(r"[,\s]+", os.environ.get("CHECK_STAGES", "")) if n]
    unknown = [n for n in names if n not in known]
    if unknown:
        sys.exit(f"CHECK_STAGES: no stage {', '.join(unknown)}; there are {', '.join(known)}")
    return [s for s in STAGES if not names or s[0] in names]


def run_stage(stage, total):
    """Runs one, shows what it says, adds what it found to total."""
    name, title, seconds, function, _ = stage
    say(f"\n=== {name}: {title}", flush=True)
    start = time.monotonic()
    result = Result()
    try:
        function(result, start + seconds)
    finally:
        total.add(result, f"{name}: ")
        say(f"--- {name}: {result.counts()} in {time.monotonic() - start:.0f} s", flush=True)
    return result


class Beside(threading.Thread):
    """A stage that runs while others do."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.total, self.out = stage, Result(), io.StringIO()
        self.start()

    def run(self):
        here.out = self.out
        try:
            run_stage(self.stage, self.total)
        except Exception as e:  # pylint: disable=broad-except
            self.total.fail(f"{self.stage[0]}: {e!r}")

    def finish(self, total):
        self.join()
        say(self.out.getvalue(), end="", flush=True)
        total.add(self.total)


def build_ahead(names):
    """Whatever goes wrong here goes wrong again, and is told, in the stage itself."""
    for name, command, seconds in AHEAD:
        if name in names and os.geteuid() == 0:
            programs.run(command, time.monotonic() + seconds, gently=True)


def run_stages(total):
    stages = [stage for stage in wanted_stages() if stage[-1]()]
    names = {stage[0] for stage in stages}
    beside, ahead = {}, None
    for stage in stages:
        name = stage[0]
        starting = [other for other in stages if BESIDE.get(other[0]) == name]
        if name == "system":
            ahead = threading.Thread(target=build_ahead, args=(names,))
            ahead.start()
        elif ahead and any(s[0] == want for s in [stage, *starting] for want, _, _ in AHEAD):
            ahead.join()
        beside.update((other[0], Beside(other)) for other in starting)
        if name in beside:
            beside[name].finish(total)
            continue
        result = run_stage(stage, total)
        if name == "build" and result.failed:
            say("The later stages need the programs; they did not run.")
            return


def give_back():
    """What root built in somebody's clone belongs to that somebody."""
    owner = ROOT.stat()
    if os.getuid() != 0 or owner.st_uid == 0:
        return
    for top in (ROOT / "build", ROOT / "tests"):
        for folder, folders, files in os.walk(top):
            for entry in [folder] + [os.path.join(folder, n) for n in folders + files]:
                os.chown(entry, owner.st_uid, owner.st_gid, follow_symlinks=False)


def close(total, seconds):
    """The last lines: what failed, why tests were skipped, the counts and the time."""
    if total.failed:
        say("\nFailed:")
        for name in total.failed:
            say(f"  {name}")
    if total.skipped:
        say("\nSkipped:")
        reasons = {}
        for name, reason in total.skipped:
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            say(f"  {reason}: {', '.join(names)}")
    say(f"\n{total.counts()} in {seconds / 60:.1f} minutes", flush=True)


def interrupted(*_):
    if not programs.stopping:
        programs.stop()
        raise KeyboardInterrupt


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    os.chdir(ROOT)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
    LOGS.mkdir(parents=True, exist_ok=True)
    total = Result()
    start = time.monotonic()
    status = 1
    try:
        run_stages(total)
        status = 1 if total.failed else 0
    except KeyboardInterrupt:
        say("\ninterrupted; ending what was started", flush=True)
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
        total.failed.append("interrupted")
        status = 130
    finally:
        give_back()
    close(total, time.monotonic() - start)
    return status


if __name__ == "__main__":
    sys.exit(main())
