# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests with real tailscaled and headscale. DERPD names another derpd than that in
build/."""
import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("interop", "appliance")]
import gobuild  # noqa: E402
import programs  # noqa: E402
from testbed.world import unwind_on_signals  # noqa: E402

try:
    from tailnet import Tailnet
except ImportError as e:  # the whole folder skips, with this reason
    Tailnet, MISSING = None, str(e)


def pytest_configure():
    unwind_on_signals()


def why_not():
    """Why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    if Tailnet is None:
        return f"python3-cryptography is missing: {MISSING}"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no TUN devices here"
    absent = [p for p in ("ip", "nft", "ping", "curl", "setpriv") if not shutil.which(p)]
    return f"not installed: {', '.join(absent)}" if absent else None


def pytest_collection_modifyitems(items):
    reason = why_not()
    for item in items if reason else ():
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def program():
    """program(name): path of a program of Tailscale's or headscale's, built if need be."""
    def get(name):
        try:
            return programs.build(name)
        except gobuild.NoGo as e:
            pytest.skip(str(e))
        except gobuild.BuildFailed as e:
            pytest.fail(str(e), pytrace=False)
    return get


@pytest.fixture(scope="module")
def tailnet(program, request):
    derpd = pathlib.Path(os.environ.get("DERPD") or ROOT / "build" / "derpd")
    with Tailnet(derpd, program) as t:
        yield t
        status = t.derpd.stop()
        t.keep_logs(ROOT / "build" / "check" / request.module.__name__)
        assert status == 0, t.derpd.log()[-4000:]
