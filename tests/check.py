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
import builtins
import concurrent.futures
import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "check"  # what tests leave for reading after a failure
JOBS = 2         # compilers and unit tests at a time
PYTEST_JOBS = 4  # files of system tests at a time
TAILNET_BUILD = 1200  # seconds for the programs of tests/tailnet, from an empty cache
TAILNET_PROGRAMS = [sys.executable, "tests/tailnet/programs.py"]
# Files whose tests take long, the longest first; size is a fair guess about the others.
LONGEST = ["test_interrupts.py", "test_uninstall.py", "test_reboots.py", "test_lockout.py",
           "test_firewall.py", "test_hostile.py", "test_acme_policy.py", "test_mistakes.py",
           "test_acme_protocol.py", "test_package.py", "test_acme_faults.py", "test_acme_crash.py",
           "test_upgrade.py", "test_floods.py", "test_acme.py"]
QUIET = ["test_thin_line.py", "test_reload_load.py"]  # a load that must keep up: nothing else runs meanwhile
MODEL_SEEDS, MODEL_GROUP, MODEL_STEPS = 50, 5, 10000  # seeds, seeds in one run, steps of each
YEARS_SEEDS = 20
GRACE = 30  # seconds that tests get for tidying up after an interruption

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


here = threading.local()  # .out: where a stage that runs beside others writes what it says


def print(*args, **options):  # pylint: disable=redefined-builtin
    builtins.print(*args, **{"file": getattr(here, "out", None), **options})


class Result:
    """What a stage found."""

    def __init__(self):
        self.passed = 0
        self.failed = []   # names
        self.skipped = []  # (name, reason)

    def ok(self):
        self.passed += 1

    def fail(self, name, detail=""):
        self.failed.append(name)
        print(f"FAILED {name}" + ("\n" + indent(detail) if detail.strip() else ""), flush=True)

    def skip(self, name, reason):
        self.skipped.append((name, reason))

    def add(self, other, prefix=""):
        self.passed += other.passed
        self.failed += [prefix + name for name in other.failed]
        self.skipped += other.skipped

    def counts(self):
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failed)} failed{skipped}"


def indent(text):
    text = re.sub(r"(?m)^  [A-Z]+ +\S+\n", "", text)  # what make was doing while all was well
    return "\n".join("    " + line for line in text.strip("\n").split("\n"))


# --- Programs that stages start -------------------------------------------------------------------

# Linux may weigh sessions first, then the processes in each.
GENTLY = ["sh", "-c", "echo 10 2>/dev/null >/proc/self/autogroup; exec nice -n 10 \"$@\"", "sh"]


class Programs:
    """Starts programs in process groups of their own, so that each can be ended as a whole."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.stopping = False

    def run(self, command, deadline, env=None, show=False, gently=False):
        """(exit status or None when it was too late, output). With show, the output is not kept
        but goes where ours goes. gently: it gets what the others leave of the processors."""
        if self.stopping:
            return None, ""
        left = deadline - time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [str(c) for c in (GENTLY if gently else []) + list(command)], cwd=ROOT, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=None if show else output,
                stderr=None if show else subprocess.STDOUT, start_new_session=True)
            with self.lock:
                self.running.add(process)
            try:
                if self.stopping:
                    self.end(process)
                status = process.wait(max(left, 1))
            except subprocess.TimeoutExpired:
                self.end(process)
                status = None
            finally:
                if process.poll() is not None:
                    # Whatever it forgot goes with it.
                    signal_group(process, signal.SIGKILL)
                    with self.lock:
                        self.running.discard(process)
            output.seek(0)
            text = output.read().decode(errors="replace")
        return status, text

    def end(self, process):
        """Ctrl-C first: tests then remove the networks and containers they made."""
        for number, patience in ((signal.SIGINT, GRACE), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            signal_group(process, number)
            try:
                process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        signal_group(process, signal.SIGKILL)

    def stop(self):
        """Ends everything, and lets nothing start any more: other threads may be about to."""
        self.stopping = True
        for process in list(self.running):
            threading.Thread(target=self.end, args=(process,)).start()


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


programs = Programs()


def make(result, name, deadline, *args):
    """Runs make; false, and a failure, when it did not succeed."""
    status, output = programs.run(["make", "--no-print-directory", f"-j{JOBS}", *args], deadline)
    if status == 0:
        return True
    result.fail(name, output if status is not None else output + "\nnot done in time")
    return False


# --- Stages ---------------------------------------------------------------------------------------

def stage_lint(result, deadline):
    for name, script, args in (("rules of the house", "lint.py", []),
                               ("lint notices bad code", "lint.py", ["--self-test"]),
                               ("every sentence is translated", "po.py", []),
                               ("po notices gaps", "po.py", ["--self-test"]),
                               ("each pitfall is held by a test", "pitfalls.py", [])):
        status, output = programs.run([sys.executable, f"tests/{script}", *args], deadline)
        if status == 0:
            result.ok()
            print(output.strip())
        else:
            result.fail(name, output)


def stage_build(result, deadline):
    if not make(result, "make all", deadline, "all"):
        return
    result.ok()
    # Unit tests and fuzz targets link all archives together.
    archives = sorted((ROOT / "build").glob("lib*.a"))
    _, output = programs.run(["nm", "--defined-only", "--extern-only", *archives], deadline)
    names = re.findall(r"^[0-9a-f]+ [TDBR] (\w+)$", output, re.M)
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        result.fail("each function's name stands for one function", "\n".join(twice))
    else:
        result.ok()


def read_tap(result, binary, status, output):
    """Counts a cmocka program's tests; returns whether all is well."""
    failed = []
    for m in re.finditer(r"^(not )?ok (\d+) (?:- |# SKIP )(.*)$", output, re.M):
        name = f"{binary}: {m.group(3)}"
        if "# SKIP" in m.group(0):
            said = re.findall(r"^skip: (.*)$", output[:m.start()], re.M)
            result.skip(name, said[-1] if said else "no reason given")
        elif m.group(1):
            failed.append(name)
        else:
            result.ok()
    if not failed and status != 0:
        why = "took too long" if status is None else f"ended with {status}"
        failed = [f"{binary}: {why}"]
    for name in failed:
        result.fail(name)
    if failed:
        print(indent(output), flush=True)
    return not failed


def stage_unit(result, deadline):
    """Every cmocka program, under AddressSanitizer and UBSan."""
    names = sorted(p.stem for p in ROOT.glob("tests/unit/*_test.c"))
    make(result, "unit tests do not build", deadline, "-k", "SAN=1", "unit")

    def one(name):
        binary = ROOT / "build/san/unit" / name
        source = ROOT / f"tests/unit/{name}.c"
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            return name, None, "", 0.0
        start = time.monotonic()
        limit = min(deadline, start + 180)
        env = {**SANITIZERS, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
        status, output = programs.run([binary], limit, env)
        return name, status, output, time.monotonic() - start

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for name, status, output, seconds in pool.map(one, names):
            (LOGS / f"unit-{name}.tap").write_text(output)
            if not output and status is None:
                result.fail(f"{name}: was not built, or never ended")
            elif read_tap(result, name, status, output) and seconds > 5:
                print(f"{name} took {seconds:.0f} s")


def stage_fuzz(result, deadline):
    """Replays the seeds of every parser's fuzz target; `make fuzz` explores."""
    names = sorted(p.name.removesuffix("_fuzz.c") for p in ROOT.glob("tests/fuzz/*_fuzz.c"))
    if not shutil.which("clang"):
        for name in names:
            result.skip(f"fuzz corpus {name}", "clang is not installed")
        return
    make(result, "fuzz targets do not build", deadline, "-k", "fuzzers")
    for name in names:
        seeds = sorted((ROOT / "tests/fuzz/corpus" / name).glob("*"))
        binary = ROOT / "build/fuzz" / name
        if not seeds or not binary.exists():
            result.fail(f"fuzz corpus {name}", "it was not built" if seeds else "it has no seeds")
            continue
        command = [binary, "-runs=0", f"-artifact_prefix={LOGS}/{name}-", *seeds]
        status, output = programs.run(command, min(deadline, time.monotonic() + 120))
        if status == 0:
            result.ok()
        else:
            result.fail(f"fuzz corpus {name}", output)


def stage_coverage(result, deadline):
    """Do unit tests and seeds reach 90 % of the lines of each parser?"""
    if not shutil.which("clang"):
        result.skip("coverage of the parsers", "clang is not installed")
        return
    status, output = programs.run([sys.executable, "tests/coverage.py"], deadline)
    last = output.strip().rpartition("\n")[2]
    if status == 0:
        result.ok()
        print(last)
    else:
        result.fail("coverage of the parsers", output if status is not None else "not done in time")


def read_junit(result, path):
    """Counts what pytest wrote; failures are named, pytest has shown them in full."""
    seen = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}: {case.get('name', '')}".removeprefix(": ")
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        # A test whose tidying up failed is listed twice.
        seen[name] = (bad or seen.get(name, (False, None))[0], skipped)
    for name, (bad, skipped) in seen.items():
        if bad:
            result.failed.append(name)
        elif skipped is not None:
            result.skip(name, skipped.get("message", "no reason given"))
        else:
            result.ok()
    return len(seen)


def pytest_command(report, *args):
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-header", "-q",
            "--tb=long", "-o", "markers=tsan: runs under ThreadSanitizer, too",
            f"--junitxml={report}", *args]


@contextlib.contextmanager
def folder_of_its_own(env=None):
    """The environment of a pytest: it closes the folder of its temporary files to other users when
    it starts, and so would close that of another one that is running."""
    with tempfile.TemporaryDirectory(prefix="check-", ignore_cleanup_errors=True) as root:
        os.chmod(root, 0o755)
        yield {**(env or {}), "PYTEST_DEBUG_TEMPROOT": root}


def judge_pytest(result, name, status, report):
    """Counts a run by its report; a run that ended without one is a failure."""
    counted = read_junit(result, report) if report.exists() else 0
    if status is None:
        result.fail(f"{name}: not done in time")
    elif status not in (0, 1, 5) or (status == 1 and not counted):
        result.fail(f"{name}: pytest ended with {status}")


def pytest(result, name, deadline, folder):
    """One run over a folder whose tests share costly fixtures; shows pytest's output as it comes, or
    after a failure when it runs beside others."""
    report = LOGS / f"{name}.xml"
    report.unlink(missing_ok=True)
    with folder_of_its_own() as own:
        status, output = programs.run(pytest_command(report, folder), deadline, own,
                                      show=not hasattr(here, "out"))
    judge_pytest(result, name, status, report)
    if result.failed and output:
        print(indent(output), flush=True)


def pytest_files(result, name, deadline, files, *args, env=None):
    """A run per file, some at a time: these tests wait more than they compute."""
    def one(path):
        report = LOGS / f"{name}-{path.stem}.xml"
        report.unlink(missing_ok=True)
        start = time.monotonic()
        with folder_of_its_own(env) as own:
            status, output = programs.run(pytest_command(report, path, *args), deadline, own)
        return path, report, status, output, time.monotonic() - start

    def length(path):
        return (LONGEST.index(path.name) if path.name in LONGEST else len(LONGEST),
                -path.stat().st_size)

    def judge(path, report, status, output, seconds):
        if status == 5:  # no test of this file was chosen
            return
        found = Result()
        judge_pytest(found, path.stem, status, report)
        print(f"{path.name}: {found.counts()} in {seconds:.0f} s"
              + ("\n" + indent(output) if found.failed else ""), flush=True)
        result.add(found)

    with concurrent.futures.ThreadPoolExecutor(PYTEST_JOBS) as pool:
        # The longest first, so that none is left to run alone at the end.
        runs = [pool.submit(one, f) for f in sorted(files, key=length)]
        for future in concurrent.futures.as_completed(runs):
            judge(*future.result())


def test_files(folder):
    return [f for f in (ROOT / "tests" / folder).rglob("test_*.py") if f.name not in QUIET]


def stage_quiet(result, deadline):
    """Tests in which a load must keep up, or a measure is taken."""
    files = [f for f in (ROOT / "tests/system").rglob("test_*.py") if f.name in QUIET]
    pytest_files(result, "quiet", deadline, files)


def stage_system(result, deadline):
    """The real programs on loopback and in network namespaces."""
    pytest_files(result, "system", deadline, test_files("system"))


def stage_tsan(result, deadline):
    """The system tests that are marked so, with derpd under ThreadSanitizer."""
    if not make(result, "derpd with TSAN=1", deadline, "TSAN=1", "build/tsan/derpd"):
        return
    reports = LOGS / "tsan"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    reports.chmod(0o1777)  # derpd may run as somebody else
    env = {"DERPD": str(ROOT / "build/tsan/derpd"),
           "TSAN_OPTIONS": f"log_path={reports}/report second_deadlock_stack=1"}
    pytest_files(result, "tsan", deadline, test_files("system"), "-m", "tsan", env=env)
    for report in sorted(reports.iterdir()):
        result.fail(f"ThreadSanitizer: {report.name}", report.read_text(errors="replace"))


def stage_model(result, deadline):
    """Random clients on real relays, held against a model of the rules, in both flavours."""
    flavours = [name for name, flag in (("san", "SAN=1"), ("tsan", "TSAN=1"))
                if make(result, f"the model test with {flag}", deadline, flag,
                        f"build/{name}/model/model")]

    def one(flavour, first):
        seeds = f"{first}-{first + MODEL_GROUP - 1}"
        command = [ROOT / "build" / flavour / "model/model", "--seeds", seeds,
                   "--steps", MODEL_STEPS, "--shrink", 60]
        status, output = programs.run(command, deadline, SANITIZERS)
        return f"model {flavour}, seeds {seeds}", status, output

    # They wait for things more than they compute.
    with concurrent.futures.ThreadPoolExecutor(2 * JOBS) as pool:
        runs = [pool.submit(one, flavour, first)
                for first in range(1, MODEL_SEEDS + 1, MODEL_GROUP) for flavour in flavours]
        for future in concurrent.futures.as_completed(runs):
            name, status, output = future.result()
            if status == 0:
                result.ok()
            else:
                result.fail(name, output if status is not None else output + "\nnot done in time")
            for line in re.findall("^seed.*not judged.*$", output, re.M):
                result.skip(f"{name}: {line.split(':')[0]}", line.split(": ", 1)[1])


def stage_years(result, deadline):
    """Two simulated years of derp-acme, a few times; `make check-years` has ten times as many seeds."""
    program = "build/years/derp-acme"
    if not make(result, program, deadline, program):
        return
    command = [sys.executable, "tests/years/years.py", "--program", program, "--seeds", f"1-{YEARS_SEEDS}",
               "--jobs", JOBS]
    status, output = programs.run(command, deadline, gently=True)
    lines = output.strip().split("\n")
    for line in re.findall(r"^seed +(\d+) ok ", output, re.M):
        result.ok()
    for seed, rest in re.findall(r"^seed +(\d+) FAILED.*\n((?:    .*\n?)*)", output, re.M):
        result.fail(f"seed {seed}", rest)
    if status is None:
        result.fail("years", output + "\nnot done in time")
    elif status != 0 and not result.failed:
        result.fail("years", output)
    print("\n".join(lines[-5:]))


def stage_interop(result, deadline):
    """Tailscale's own client library against derpd."""
    pytest(result, "interop", deadline, "tests/interop")


def stage_tailnet(result, deadline):
    """tailscaled and headscale themselves. They are built first, which takes minutes once."""
    if os.geteuid() == 0:  # else there is nothing to build them for
        limit = min(deadline, time.monotonic() + TAILNET_BUILD)
        status, output = programs.run(TAILNET_PROGRAMS, limit)
        if status == 77:
            result.skip("tests with tailscaled and headscale", output.strip().split("\n")[-1])
            return
        if status != 0:
            result.fail("tailscaled and headscale do not build",
                        output if status is not None else output + "\nnot done in time")
            return
    pytest(result, "tailnet", deadline, "tests/tailnet")


def stage_appliance(result, deadline):
    """The package in booted containers on a private network."""
    if os.geteuid() != 0:  # all of them skip
        pytest_files(result, "appliance", deadline, test_files("appliance"))
        return
    sys.path.insert(0, str(ROOT / "tests/appliance"))
    from testbed import tidy  # pylint: disable=import-outside-toplevel
    # Servers on which the package is installed, for all files of tests; gone when we are.
    claim = tidy.Claim()
    try:
        pytest_files(result, "appliance", deadline, test_files("appliance"),
                     env={"DERP_TESTBED_LAYERS": str(claim.folder)})
    finally:
        claim.release()


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
    ("lint", "rules of the house", 120, stage_lint, lambda: True),
    ("build", "the three programs", 600, stage_build, lambda: True),
    ("unit", "unit tests under sanitizers", 900, stage_unit, lambda: anything("tests/unit/*_test.c")),
    ("fuzz", "fuzz corpus replay", 900, stage_fuzz, lambda: anything("tests/fuzz/*_fuzz.c")),
    ("coverage", "what the tests of parsers reach", 600, stage_coverage, lambda: True),
    ("quiet", "the real programs, where a load must keep up", 300, stage_quiet, lambda: has_tests("system")),
    ("system", "the real programs", 900, stage_system, lambda: has_tests("system")),
    ("tsan", "derpd under ThreadSanitizer", 600, stage_tsan, has_tsan_tests),
    ("model", "random clients against the rules", 900, stage_model, lambda: True),
    ("interop", "Tailscale's own clients", 900, stage_interop, lambda: has_tests("interop")),
    ("tailnet", "tailscaled and headscale", 1500, stage_tailnet, lambda: has_tests("tailnet")),
    ("appliance", "the package on booted servers", 1500, stage_appliance,
     lambda: has_tests("appliance")),
    ("years", "the ACME client, two years at a time", 1800, stage_years, has_years),
]

# Stage: the one at whose beginning it begins. Both of a pair wait more than they compute, or one of
# them is gentle.
BESIDE = {"years": "tsan", "tailnet": "interop"}

# What takes minutes to build (once, or after a change), made while the system tests run: (the stage
# that wants it and will say what went wrong, command, seconds).
AHEAD = [
    ("tailnet", TAILNET_PROGRAMS, TAILNET_BUILD),
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
    print(f"\n=== {name}: {title}", flush=True)
    start = time.monotonic()
    result = Result()
    try:
        function(result, start + seconds)
    finally:
        total.add(result, f"{name}: ")
        print(f"--- {name}: {result.counts()} in {time.monotonic() - start:.0f} s", flush=True)
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
        print(self.out.getvalue(), end="", flush=True)
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
            print("The later stages need the programs; they did not run.")
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
        print("\nFailed:")
        for name in total.failed:
            print(f"  {name}")
    if total.skipped:
        print("\nSkipped:")
        reasons = {}
        for name, reason in total.skipped:
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            print(f"  {reason}: {', '.join(names)}")
    print(f"\n{total.counts()} in {seconds / 60:.1f} minutes", flush=True)


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
        print("\ninterrupted; ending what was started", flush=True)
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
