# SPDX-License-Identifier: Apache-2.0
"""The stages of check.py: each is a function of a result, which it fills, and a deadline."""
import concurrent.futures
import os
import re
import shutil
import sys
import time

from .programs import JOBS, LOGS, ROOT, make, programs
from .pytests import pytest, pytest_files, test_files
from .result import indent, say

TAILNET_BUILD = 1200  # seconds for the programs of tests/tailnet, from an empty cache
TAILNET_PROGRAMS = [sys.executable, "tests/tailnet/programs.py"]
MODEL_SEEDS, MODEL_GROUP, MODEL_STEPS = 50, 5, 10000  # seeds, seeds in one run, steps of each
YEARS_SEEDS = 20

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def lint(result, deadline):
    for name, script, args in (("rules of the house", "lint.py", []),
                               ("lint notices bad code", "lint.py", ["--self-test"]),
                               ("every sentence is translated", "po.py", []),
                               ("po notices gaps", "po.py", ["--self-test"]),
                               ("each pitfall is held by a test", "pitfalls.py", [])):
        status, output = programs.run([sys.executable, f"tests/{script}", *args], deadline)
        if status == 0:
            result.ok()
            say(output.strip())
        else:
            result.fail(name, output)


def build(result, deadline):
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
        say(indent(output), flush=True)
    return not failed


def unit(result, deadline):
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
                say(f"{name} took {seconds:.0f} s")


def fuzz(result, deadline):
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


def coverage(result, deadline):
    """Do unit tests and seeds reach 90 % of the lines of each parser?"""
    if not shutil.which("clang"):
        result.skip("coverage of the parsers", "clang is not installed")
        return
    status, output = programs.run([sys.executable, "tests/coverage.py"], deadline)
    last = output.strip().rpartition("\n")[2]
    if status == 0:
        result.ok()
        say(last)
    else:
        result.fail("coverage of the parsers", output if status is not None else "not done in time")


def quiet(result, deadline):
    """Tests in which a load must keep up, or a measure is taken."""
    pytest_files(result, "quiet", deadline, test_files("system", quiet=True), jobs=1)


def system(result, deadline):
    """The real programs on loopback and in network namespaces."""
    pytest_files(result, "system", deadline, test_files("system"))


def tsan(result, deadline):
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


def model(result, deadline):
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


def years(result, deadline):
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
    say("\n".join(lines[-5:]))


def interop(result, deadline):
    """Tailscale's own client library against derpd."""
    pytest(result, "interop", deadline, "tests/interop")


def tailnet(result, deadline):
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


def appliance(result, deadline):
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
