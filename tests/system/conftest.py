# SPDX-License-Identifier: Apache-2.0
"""What the system tests share. DERPD names another derpd than build/derpd."""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

import derp  # noqa: E402
import pki  # noqa: E402
import relays  # noqa: E402


# Tests read English, whatever their developer does.
for variable in ("LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANGUAGE"):
    os.environ.pop(variable, None)
os.environ["LANG"] = "C.UTF-8"


def pytest_configure(config):
    config.addinivalue_line("markers", "tsan: also run with derpd built for ThreadSanitizer")
    config.addinivalue_line("markers", "pitfall(n, …): holds these pitfalls of docs/SAFETY.md")


@pytest.fixture(scope="session")
def authority():
    return pki.Authority()


@pytest.fixture(scope="session")
def derpd_binary():
    return pathlib.Path(os.environ.get("DERPD") or ROOT / "build" / "derpd")


class Relay(relays.Derpd):
    """derpd with what the tests of this folder ask of it."""

    running = []

    def __enter__(self):
        self.running.append(self)
        return super().__enter__()

    def __exit__(self, *exc):
        self.running.remove(self)
        return super().__exit__(*exc)

    def client(self, **options):
        return derp.Client(("127.0.0.1", self.port), relays.HOST, str(self.folder / "ca.pem"),
                           **options)

    @property
    def config(self):
        return self.folder / "derp.conf"


@pytest.fixture
def relay(derpd_binary, authority):
    with Relay(derpd_binary, authority) as r:
        yield r


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What relays logged is shown with a failure."""
    report = (yield).get_result()
    if report.failed and call.when == "call":
        for relay in Relay.running:
            report.sections.append(("log of derpd", relay.text()[-6000:]))
