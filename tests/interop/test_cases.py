# SPDX-License-Identifier: Apache-2.0
"""Runs every Go case of cases/ against derpd and against derper, each as a test of its own.

A case may say that one server differs. There it must fail, so that the note stays true; then the
test passes."""
import pathlib
import re
import subprocess

import pytest
from conftest import SERVERS

CASES = pathlib.Path(__file__).resolve().parent / "cases"
NAMES = [name for path in sorted(CASES.glob("*_test.go"))
         for name in re.findall(r"^func (Test\w+)\(t \*testing\.T\)", path.read_text(), re.M)]
SLOW = [n for n in NAMES if n.startswith("TestSlow")]
PINNED = [n for n in NAMES if n.startswith("TestPinned")]
OTHERS = [n for n in NAMES if n not in SLOW + PINNED]


def judge(status, output):
    """Turns the outcome of one case into that of the test."""
    differs = re.search(r"DIFFERS: (.*)", output)
    skipped = re.search(r"^\s*--- SKIP: .*\n\s*(?:.*?: )?(.*)", output, re.M)
    if differs and status == 0:
        pytest.fail("this server is said to differ (%s), but the case passes" % differs[1])
    if status != 0 and not differs:
        pytest.fail(output[-6000:], pytrace=False)
    if skipped:
        pytest.skip(skipped[1])


def run(relay, programs, name):
    done = subprocess.run(
        [programs("cases"), "-target", relay.target_file(), "-test.v", "-test.timeout", "60s",
         "-test.run", "^%s$" % name],
        cwd=relay.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90)
    judge(done.returncode, done.stdout)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("server", SERVERS)
def test_case(pool, programs, server, name):
    run(pool.get(server), programs, name)


@pytest.mark.parametrize("name", PINNED)
@pytest.mark.parametrize("server", SERVERS)
def test_pinned(pool, programs, server, name):
    run(pool.get(server, pinned=True), programs, name)


@pytest.fixture(scope="module")
def slow_output(pool):
    """Output of a server's slow cases, which run since it started."""
    outputs = {}

    def get(server):
        if server not in outputs:
            pool.get(server)
            outputs[server] = pool.slow[server].communicate(timeout=150)[0]
        return outputs[server]
    return get


def said(output, name):
    """What one of several cases printed that run beside each other."""
    lines, current = [], None
    for line in output.splitlines():
        heading = re.match(r"=== \w+ +(\S+)", line)
        if heading:
            current = heading[1]
        elif current == name:
            lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("server", SERVERS)
def test_slow(slow_output, server, name):
    output = slow_output(server)
    result = re.search(r"^--- (PASS|FAIL|SKIP): %s \(.*\)\n((?:    .*\n)*)" % name, output, re.M)
    if not result:
        pytest.fail("no result:\n" + output[-3000:], pytrace=False)
    judge(0 if result[1] != "FAIL" else 1, said(output, name) + "\n" + result[0])
