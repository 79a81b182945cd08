# SPDX-License-Identifier: Apache-2.0
"""The package's own tests (packaging/debian/tests), run as a distribution runs them: what control
says is needed is there, root, one server with systemd, the package as it was installed."""

import pytest

from conftest import TOP
from testbed import rootfs
from testbed.world import World

TESTS = TOP / "packaging/debian/tests"
# Those that a booted server of the test-bed meets.
RESTRICTIONS = {"needs-root", "isolation-container", "allow-stderr", "breaks-testbed"}


def stanzas():
    """The paragraphs of debian/tests/control as dicts of fields."""
    text = "".join(line for line in (TESTS / "control").read_text().splitlines(True)
                   if not line.startswith("#"))
    for paragraph in text.strip().split("\n\n"):
        yield dict(line.split(": ", 1) for line in paragraph.splitlines())


def named(field):
    return [word for word in field.replace(",", " ").split() if word]


CASES = [(name, stanza) for stanza in stanzas() for name in named(stanza["Tests"])]


@pytest.fixture(scope="module", params=rootfs.SUITES)
def server(request, installed):
    with World(request.param, layers=installed(request.param)) as world:
        world.server.sh("mkdir -p /root/debian/tests")
        for path in TESTS.iterdir():
            world.server.put(path, f"/root/debian/tests/{path.name}", path.stat().st_mode & 0o777)
        yield world.server


@pytest.mark.parametrize("name, stanza", CASES, ids=[name for name, _ in CASES])
def test_as_installed(server, name, stanza):
    assert set(stanza) == {"Tests", "Depends", "Restrictions"}
    restrictions = set(named(stanza["Restrictions"]))
    assert restrictions <= RESTRICTIONS, restrictions
    needed = ["derp-relay" if word == "@" else word for word in named(stanza["Depends"])]
    for package in needed:
        assert server.sh(f"dpkg-query -W -f '${{db:Status-Abbrev}}' {package}") == "ii", package
    server.sh("rm -rf /tmp/autopkgtest; mkdir /tmp/autopkgtest")
    result = server.run(f"/root/debian/tests/{name}", check=False, timeout=300,
                        env={"AUTOPKGTEST_TMP": "/tmp/autopkgtest"})
    assert result.code == 0, result
    assert "allow-stderr" in restrictions or result.err == "", result


def test_every_file_is_named():
    names = {path.name for path in TESTS.iterdir()} - {"control"}
    assert names == {name for name, _ in CASES}
    assert all((TESTS / name).stat().st_mode & 0o111 for name in names)
