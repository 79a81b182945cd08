# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the appliance tests: the package, and servers that have it installed."""

import fcntl
import os
import pathlib
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from testbed import clients, former, rootfs, tidy  # noqa: E402
from testbed.shell import Failed, run  # noqa: E402
from testbed.world import World, unwind_on_signals  # noqa: E402

TOP = HERE.parents[1]


def pytest_configure(config):
    config.addinivalue_line("markers", "pitfall(n, …): holds these pitfalls of docs/SAFETY.md")
    unwind_on_signals()


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            if HERE in pathlib.Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason="needs root: containers and namespaces"))


@pytest.fixture(scope="session")
def deb():
    """The package, built if need be."""
    lines = run("make", "-C", TOP, "deb", timeout=900).out.splitlines()
    return TOP / next(word for line in lines for word in line.split() if word.endswith(".deb"))


@pytest.fixture(scope="session")
def former_deb():
    """The package of the commit before this one, with a lower version."""
    try:
        return former.build(TOP)
    except former.Unavailable as e:
        pytest.skip(str(e))


@pytest.fixture(scope="session")
def disk():
    """disk(suite): the root file system of a bare server."""
    def get(suite):
        try:
            return rootfs.get(suite, lambda text: print(f"appliance: {text}", file=sys.stderr))
        except Failed as e:
            pytest.skip(f"no root file system of {suite}: {e}")
    return get


def install_once(folder, suite, disk_, deb_):
    """The layer with the package, made by whoever of the tests that share the folder comes first."""
    done, layer = folder / f"{suite}.done", folder / suite
    with open(folder / f"{suite}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(layer, ignore_errors=True)
            with World(suite, layers=[disk_]) as world:
                world.server.install(deb_)
                world.server.halt()
                world.server.keep_as_layer(layer)
            done.touch()
    return [layer, disk_]


@pytest.fixture(scope="session")
def installed(deb, disk):
    """installed(suite): layers of a server on which the package was installed and nothing else."""
    shared = os.environ.get("DERP_TESTBED_LAYERS")  # tests/check.py's
    claim = None if shared else tidy.Claim()
    folder = pathlib.Path(shared) if shared else claim.folder
    yield lambda suite: install_once(folder, suite, disk(suite), deb)
    if claim:
        claim.release()


@pytest.fixture(scope="session")
def talker():
    """A program with DERP clients; its kind says whether they are Tailscale's own."""
    return clients.talker()


@pytest.fixture(scope="module")
def told(request):
    """told(suite, point, way, what became of it): a row of build/check/interrupts-MODULE.md."""
    rows = []
    yield lambda *row: rows.append(row)
    folder = TOP / "build/check"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"interrupts-{request.module.__name__}.md").write_text(
        "".join("| " + " | ".join(row) + " |\n" for row in rows))


@pytest.fixture
def trial(installed, told):
    """trial(suite): a server on which runs are cut off, see testbed/cutoff.py."""
    from testbed.cutoff import Trial
    made = []

    def get(suite=rootfs.SUITES[0]):
        made.append(Trial(suite, installed, told))
        return made[-1]
    yield get
    for one in made:
        one.world.close()
