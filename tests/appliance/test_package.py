# SPDX-License-Identifier: Apache-2.0
"""The package itself: what manual pages, completion and example say, and who may read what."""

import os
import re

import pytest

from conftest import TOP
from testbed import rootfs
from testbed.shell import run
from testbed.world import World

PROGRAMS = ("derpd", "derp-acme", "derp-setup")


@pytest.fixture(scope="module")
def programs():
    run("make", "-C", TOP, "-s", "all", timeout=900)
    return TOP / "build"


@pytest.fixture(scope="module")
def unpacked(deb, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deb")
    run("dpkg-deb", "-R", deb, folder)
    return folder


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_in_the_manual_and_in_the_completion(programs, program):
    options = set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]+)",
                             run(programs / program, "--help").out))
    assert {"help", "version"} <= options
    manual = (TOP / f"packaging/man/{program}.8").read_text()
    documented = {o.removeprefix("-") for line in manual.splitlines()
                  if line.startswith((".It Fl", ".Op Fl", ".Fl", ".Cm"))
                  for o in re.findall(r"(?<=[\s,])-([a-z][a-z0-9-]+)", line)}
    completed = set(re.findall(r"--([a-z][a-z0-9-]+)",
                               (TOP / f"packaging/completion/{program}").read_text()))
    assert options - documented == set(), "not in the manual page"
    assert options - completed == set(), "not in the completion"
    assert completed - options == set(), "in the completion, but not an option"


def test_every_setting_is_in_the_manual_and_in_the_example(programs, tmp_path):
    table = re.findall(r'(?:ROW\(|\{)"([a-z]+)", "([a-z-]+)", \w+',
                       (TOP / "base/config.c").read_text())
    assert len(table) > 20
    manual = (TOP / "packaging/man/derp.conf.5").read_text()
    example = (TOP / "packaging/derp.conf.example").read_text()
    for section, key in table:
        assert re.search(rf"^\.It Cm {key} No =", manual.split(f"Section {section}")[1], re.M), key
        assert re.search(rf"^#?{key} =", example.split(f"[{section}]")[1], re.M), key
    # The example, and with every line in force.
    conf = tmp_path / "derp.conf"
    for text in (example, re.sub(r"^#(?=[a-z-]+ =)", "", example, flags=re.M)):
        conf.write_text(text.replace("/var/lib/derp", str(tmp_path)))
        r = run(programs / "derpd", "--config", conf, "--check", check=False)
        assert r.code == 0, r


def test_manual_pages_are_sound():
    pages = sorted((TOP / "packaging/man").iterdir())
    assert run("mandoc", "-Tlint", "-W", "warning", *pages, check=False).out == ""


def test_modes_and_contents(unpacked, deb):
    listing = run("dpkg-deb", "-c", deb).out
    for line in listing.splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root" and "s" not in mode[1:] and mode[8] != "w", line
    assert not (unpacked / "etc/derp/derp.conf").exists()  # derp-setup makes it
    for program in PROGRAMS:
        assert (unpacked / "usr/sbin" / program).stat().st_mode & 0o777 == 0o755
    # Where it looks for what it says: minimal systems leave /usr/share/locale out.
    catalogue = unpacked / "usr/share/derp-relay/locale/zh_CN/LC_MESSAGES/derp-relay.mo"
    assert catalogue.stat().st_mode & 0o777 == 0o644
    shown = run(unpacked / "usr/sbin/derp-setup", "--help",
                env={**os.environ, "LC_ALL": "zh_CN.UTF-8"}).out
    assert "用法" in shown and "Usage" not in shown
    control = (unpacked / "DEBIAN/control").read_text()
    depends = re.search(r"^Depends: (.*)$", control, re.M)[1]
    assert "ufw" not in depends and re.search(r"^Suggests: (.*, )?ufw(,|$)", control, re.M)
    assert "Recommends" not in control
    assert (unpacked / "DEBIAN/conffiles").read_text().split() == [
        "/etc/ufw/applications.d/derp-relay"]


def test_cross_built_for_arm64(deb, tmp_path):
    """The same package; its programs run (under emulation: the build tries each of them)."""
    if "_amd64" not in deb.name:
        pytest.skip("the cross compiler is for amd64 machines")
    if not any(rootfs.CACHE.glob("cross-*")):
        pytest.skip("the cross compiler's root file system is not there; sudo make deb-arm64 makes it, in minutes")
    run("make", "-C", TOP, "deb-arm64", timeout=1500)
    other = TOP / "build" / deb.name.replace("_amd64", "_arm64")

    def names(package):
        fields = run("dpkg-deb", "-f", package, "Depends").out
        return sorted(d.split()[0] for d in fields.replace("t64", "").split(","))

    assert run("dpkg-deb", "-f", other, "Architecture").out.strip() == "arm64"
    assert names(other) == names(deb)
    run("dpkg-deb", "-x", other, tmp_path)
    for program in PROGRAMS:
        elf = run("readelf", "-hdW", tmp_path / "usr/sbin" / program).out
        assert "AArch64" in elf and "DYN" in elf and "BIND_NOW" in elf, elf


def test_maintainer_scripts_never_touch_the_firewall(unpacked):
    for name in ("postinst", "prerm", "postrm"):
        text = (unpacked / "DEBIAN" / name).read_text()
        run("sh", "-n", unpacked / "DEBIAN" / name)
        # postrm prints what somebody else may delete; nothing calls ufw.
        text = text.replace("sed 's/^/    ufw delete /'", "")
        assert not re.search(r"^[^#]*\bufw (allow|deny|delete|enable|disable|reload)\b(?!/)", text, re.M), name


def test_same_sources_give_the_same_package(deb, tmp_path):
    run("make", "-C", TOP, "deb", timeout=900)  # nothing, unless somebody is editing
    first = deb.read_bytes()
    copy = tmp_path / "tree"
    copy.mkdir()
    files = run("git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard", "--",
                "Makefile", "LICENSE", "CHANGES.md", "base", "derp", "acme", "dnscheck",
                "firewall", "installer", "packaging", "po").out.split()
    run("tar", "-cf", tmp_path / "tree.tar", "-C", TOP, *[f for f in files if (TOP / f).exists()])
    run("tar", "-xf", tmp_path / "tree.tar", "-C", copy)
    run("make", "-C", copy, "deb", timeout=900)
    assert (copy / "build" / deb.name).read_bytes() == first


@pytest.mark.parametrize("suite", rootfs.SUITES)
def test_chinese_without_a_chinese_locale(installed, suite):
    """As an SSH client brings it along (SendEnv LANG), to a server that has generated none."""
    with World(suite, layers=installed(suite)) as world:
        locales = world.server.sh("locale -a")
        assert "zh_" not in locales
        shown = world.server.sh("LANG=zh_CN.UTF-8 derp-setup status; test $? = 3")
        assert "setup.missing" in shown and "本机还没有部署为中继" in shown
        shown = world.server.sh("LANG=en_US.UTF-8 derp-setup status; test $? = 3")
        assert "was not set up" in shown
