# SPDX-License-Identifier: Apache-2.0
"""The package itself: what manual pages, completion and example say, and who may read what."""

import os
import re
from pathlib import Path

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


def test_the_example_is_accepted(programs, tmp_path):
    """As it is, and with every line in force."""
    example = (TOP / "packaging/derp.conf.example").read_text()
    conf = tmp_path / "derp.conf"
    for text in (example, re.sub(r"^#(?=[a-z-]+ =)", "", example, flags=re.M)):
        conf.write_text(text.replace("/var/lib/derp", str(tmp_path)))
        r = run(programs / "derpd", "--config", conf, "--check", check=False)
        assert r.code == 0, r


def test_manual_pages_are_sound():
    pages = sorted((TOP / "packaging/man").iterdir())
    assert run("mandoc", "-Tlint", "-W", "warning", *pages, check=False).out == ""


@pytest.mark.pitfall(6)
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


@pytest.mark.pitfall(21)
@pytest.mark.parametrize("depends, found", [
    ("libc6 (>= 2.36), libssl3 (>= 3.0.0), adduser", None),
    ("libc6 (>= 2.36), libssl3 (>= 3.0.22)", "needs libssl3 >= 3.0.22, but Ubuntu 24.04 has 3.0.13"),
    ("libssl3t64 (>= 3.0.14)", "needs libssl3t64 >= 3.0.14"),
    ("libnobody1 (>= 1)", "libnobody1: no upper bound is known"),
])
def test_what_ubuntu_has_is_new_enough(tmp_path, deb, depends, found):
    """A security update of Debian's may raise what is depended on above what Ubuntu 24.04 has."""
    (tmp_path / "x/DEBIAN").mkdir(parents=True)
    (tmp_path / "x/DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@demo.com>\n"
        f"Depends: {depends}\nDescription: x\n")
    run("dpkg-deb", "--root-owner-group", "-b", tmp_path / "x", tmp_path / "x.deb")
    check = TOP / "packaging/build-deb.sh", "--check-bounds"
    done = run("sh", *check, tmp_path / "x.deb", check=False)
    assert (found or "") in done.err and bool(found) == bool(done.err), done
    if "VERSION_CODENAME=bookworm" in Path("/etc/os-release").read_text():
        assert done.code == (1 if found else 0), done  # elsewhere it is a note
    assert run("sh", *check, deb).err == ""


# What postrm may do when it is purged: read ufw's rules and print commands for somebody else.
READS_ONLY = ["command -v ufw >/dev/null", "$(timeout 20 ufw show added 2>/dev/null", "sed -n \"s/^ufw ",
              "sed 's/^/    ufw delete /'"]
FIREWALLS = r"\b(ufw|ip6?tables\S*|nft|netfilter-persistent|firewall-cmd|ipset)\b"


def test_maintainer_scripts_never_touch_the_firewall(unpacked):
    scripts = sorted(p.name for p in (unpacked / "DEBIAN").iterdir() if p.stat().st_mode & 0o111
                     and p.is_file())
    assert {"postinst", "prerm", "postrm"} <= set(scripts)
    for name in scripts:
        path = unpacked / "DEBIAN" / name
        run("sh", "-n", path)
        text = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
        for words in READS_ONLY if name == "postrm" else ():
            assert text.count(words) == 1, words
            text = text.replace(words, "")
        assert not re.search(FIREWALLS, text), f"{name}: {re.search(FIREWALLS, text)[0]}"


ADDED = """Added user rules (see 'ufw status' for running firewall):
ufw allow 80/tcp
ufw allow 22/tcp comment 'derp-relay: SSH'
ufw allow 443/tcp comment 'derp-relay: TLS'
ufw allow 3478/udp comment 'derp-relay: STUN'
ufw allow 8443/tcp comment 'derp-relay: allowed'
"""


def remaining(tmp_path, added):
    """What postrm prints on such a server; sourced without arguments it does nothing by itself."""
    fake = tmp_path / "ufw"
    fake.write_text(f"#!/bin/sh\ncat <<'END'\n{added}END\n")
    fake.chmod(0o755)
    script = TOP / "packaging/debian/derp-relay.postrm"
    return run("sh", "-c", '. "$0"; tell_remaining_rules', script,
               env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).out


def test_purge_does_not_say_how_to_lock_oneself_out(tmp_path):
    out = remaining(tmp_path, ADDED)
    assert [line.strip() for line in out.splitlines() if line.startswith(" ")] == [
        "ufw delete allow 443/tcp", "ufw delete allow 3478/udp"]
    assert "rules for SSH are not among them" in out
    only_ssh = "".join(line for line in ADDED.splitlines(True) if "SSH" in line or "80/tcp" in line)
    assert remaining(tmp_path, only_ssh) == ""


# Nothing of this may be seen in the package.
ANOTHER = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "USER": "somebody",
           "DEB_BUILD_OPTIONS": "parallel=3"}


def test_same_sources_give_the_same_package(deb, tmp_path):
    """Built elsewhere, under another umask, time zone, language and number of jobs."""
    run("make", "-C", TOP, "deb", timeout=900)  # nothing, unless somebody is editing
    first = deb.read_bytes()
    copy = tmp_path / "tree"
    copy.mkdir()
    files = run("git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard", "--",
                "Makefile", "LICENSE", "CHANGES.md", "base", "derp", "acme", "dnscheck",
                "firewall", "installer", "packaging", "po").out.split()
    run("tar", "-cf", tmp_path / "tree.tar", "-C", TOP, *[f for f in files if (TOP / f).exists()])
    run("tar", "-xf", tmp_path / "tree.tar", "-C", copy)
    run("sh", "-c", "umask 077; exec make -C \"$1\" deb", "sh", copy, timeout=900,
        env={**os.environ, **ANOTHER, "HOME": str(tmp_path)})
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
