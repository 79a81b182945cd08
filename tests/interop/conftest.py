# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the interop tests. DERPD and DERPER name other programs than those in build/."""
import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gobuild  # noqa: E402

try:
    import pki
    import relays
except ImportError as e:  # the whole folder skips, with this reason
    relays, MISSING = None, str(e)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = ["derpd", "derper"]


@pytest.fixture(scope="session")
def programs():
    """Paths of the Go programs by name, built when first asked for."""
    built = {}

    def get(name):
        if name not in built:
            try:
                built[name] = gobuild.build(name)[0]
            except (gobuild.NoGo, gobuild.BuildFailed) as e:
                built[name] = e
        if isinstance(built[name], gobuild.NoGo):
            pytest.skip(str(built[name]))
        if isinstance(built[name], gobuild.BuildFailed):
            pytest.fail(str(built[name]), pytrace=False)
        return built[name]
    return get


@pytest.fixture(scope="session")
def authority():
    if relays is None:
        pytest.skip("python3-cryptography is missing: " + MISSING)
    return pki.Authority()


@pytest.fixture(scope="session")
def make_relay(programs, authority):
    """make_relay("derpd", …) is a relay to be started by `with`."""
    def make(kind, **options):
        if kind == "derper":
            return relays.Derper(os.environ.get("DERPER") or programs("derper"), authority, **options)
        binary = pathlib.Path(os.environ.get("DERPD") or ROOT / "build" / "derpd")
        if not binary.exists():
            pytest.skip("%s is not built" % binary)
        return relays.Derpd(binary, authority, **options)
    return make


class Pool:
    """The relays that cases share: one of each kind, started when first asked for. The slow cases
    begin with the relay, beside all others."""

    def __init__(self, make, programs, stack):
        self.make, self.programs, self.stack = make, programs, stack
        self.running = {}
        self.slow = {}

    def get(self, kind, pinned=False):
        if (kind, pinned) not in self.running:
            relay = self.stack.enter_context(self.make(kind, pinned=pinned))
            self.running[kind, pinned] = relay
            if not pinned:
                self.slow[kind] = self._start_slow(relay)
        return self.running[kind, pinned]

    def _start_slow(self, relay):
        command = [self.programs("cases"), "-target", relay.target_file(), "-test.v",
                   "-test.parallel", "64", "-test.run", "^TestSlow"]
        process = subprocess.Popen(command, cwd=relay.folder, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.stack.callback(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture(scope="session")
def pool(make_relay, programs):
    with contextlib.ExitStack() as stack:
        yield Pool(make_relay, programs, stack)
