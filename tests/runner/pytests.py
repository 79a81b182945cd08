# SPDX-License-Identifier: Apache-2.0
"""Runs of pytest: over a folder, or a run per file and some of them at a time."""
import concurrent.futures
import contextlib
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

from .programs import LOGS, ROOT, programs
from .result import Result, here, indent, say

PYTEST_JOBS = 4  # files of system tests at a time
# Files whose tests take long, the longest first; size is a fair guess about the others.
LONGEST = ["test_interrupts.py", "test_uninstall.py", "test_reboots.py", "test_lockout.py",
           "test_firewall.py", "test_hostile.py", "test_acme_policy.py", "test_mistakes.py",
           "test_acme_protocol.py", "test_package.py", "test_acme_faults.py", "test_acme_crash.py",
           "test_upgrade.py", "test_floods.py", "test_acme.py"]
QUIET = ["test_thin_line.py", "test_reload_load.py"]  # a load that must keep up: nothing else runs meanwhile


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
        say(indent(output), flush=True)


def pytest_files(result, name, deadline, files, *args, env=None, jobs=PYTEST_JOBS):
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
        say(f"{path.name}: {found.counts()} in {seconds:.0f} s"
              + ("\n" + indent(output) if found.failed else ""), flush=True)
        result.add(found)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # The longest first, so that none is left to run alone at the end.
        runs = [pool.submit(one, f) for f in sorted(files, key=length)]
        for future in concurrent.futures.as_completed(runs):
            judge(*future.result())


def test_files(folder, quiet=False):
    return [f for f in (ROOT / "tests" / folder).rglob("test_*.py") if (f.name in QUIET) == quiet]
