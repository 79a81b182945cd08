# SPDX-License-Identifier: Apache-2.0
"""Root file systems of the servers, made once a week with mmdebstrap and kept in a cache.

The mirror is the one this machine's own apt uses, so no host is named here. A root file system
holds what a bare server has, the run-time dependencies of the package (it is installed without a
network), and in /srv/repo packages that some tests want to install or to miss.
"""

import fcntl
import glob
import hashlib
import os
import pathlib
import re
import shutil
import time

from .shell import Failed, run

CACHE = pathlib.Path(os.environ.get("DERP_TESTBED_CACHE", "/var/cache/derp-relay-testbed"))
SUITES = ("trixie", "bookworm")

BASE = """
    systemd systemd-sysv dbus udev kmod iproute2 procps netbase iputils-ping ca-certificates
    openssl curl openssh-server ufw iptables nftables
""".split()

# Names are those of Debian 12; in later suites the t64 packages provide them.
RUNTIME = """
    libssl3 libev4 libcurl4 libjansson4 libsodium23 libunbound8 libinih1 libwslay1 libsystemd0
    libnftables1 zlib1g dns-root-data
""".split()

# What /srv/repo offers, with dependencies, and with all that came along with ufw; see
# Server.offer_packages.
OFFERED = ("ufw", "iptables-persistent", "firewalld", "needrestart", "unattended-upgrades", "libssl3")

MAKE_REPO = r"""
set -e
mkdir -p "$1/srv/repo/partial"
along=$(chroot "$1" apt-get -s --purge autoremove ufw iptables python3 | sed -n 's/^Purg \([^ ]*\).*/\1/p')
for p in %s "$along"; do
    chroot "$1" apt-get -qq -y --no-install-recommends --reinstall --download-only \
        -o Dir::Cache::archives=/srv/repo install $p >/dev/null
done
rm -rf "$1/srv/repo/partial" "$1/srv/repo/lock"
cd "$1/srv/repo" && dpkg-scanpackages -m . 2>/dev/null >Packages
"""

LEAN = ["path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*",
        "path-exclude=/usr/share/locale/*", "force-unsafe-io"]


def mirror():
    """The URI of this machine's Debian archive, from its own apt sources."""
    given = os.environ.get("DERP_TESTBED_MIRROR")
    if given:
        return given
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")) + ["/etc/apt/sources.list"]:
        try:
            text = pathlib.Path(path).read_text()
        except OSError:
            continue
        for uri in re.findall(r"^(?:URIs:|deb(?:\s+\[.*?\])?)\s*(\S+)", text, re.M):
            if re.search(r"/debian/?$", uri):
                return uri
    raise Failed("no Debian archive in this machine's apt sources: "
                 "set DERP_TESTBED_MIRROR to the URI of one")


def _key(suite):
    """Changes with the recipe and, so that security updates arrive, with the week."""
    recipe = repr((suite, BASE, RUNTIME, OFFERED, MAKE_REPO, LEAN))
    week = int(time.time() // (7 * 86400))
    return f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}-{week}"


def _build(suite, target):
    hook = MAKE_REPO % " ".join(OFFERED)
    uri = mirror()
    argv = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt",
            "--aptopt=APT::Sandbox::User \"root\"",
            "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
            "--include=" + ",".join(BASE + RUNTIME), "--customize-hook=" + hook]
    argv += ["--dpkgopt=" + o for o in LEAN]
    # Unconfigured name and resolver: a server gets its own when it boots.
    argv += [suite, str(target), f"deb {uri} {suite} main"]
    run(*argv, timeout=600)
    for leftover in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (target / leftover).unlink(missing_ok=True)
    (target / "etc/machine-id").write_text("")


def get(suite, say=lambda text: None):
    """The folder with the root file system of suite, building it when the cache has none."""
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / _key(suite)
    with open(CACHE / f"{suite}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        older = sorted(p for p in CACHE.glob(f"{suite}-*") if p.is_dir())
        in_use = pathlib.Path("/proc/mounts").read_text()
        say(f"making the root file system of {suite} (a minute, once a week)")
        building = CACHE / f".{suite}.new"
        shutil.rmtree(building, ignore_errors=True)
        try:
            _build(suite, building)
        except Failed as e:
            shutil.rmtree(building, ignore_errors=True)
            same = [p for p in older if p.name.rsplit("-", 1)[0] == target.name.rsplit("-", 1)[0]]
            if not same:
                raise
            say(f"cannot renew it, using last week's: {str(e).strip().splitlines()[-1]}")
            return same[-1]
        for p in (p for p in older if str(p) not in in_use):
            shutil.rmtree(p, ignore_errors=True)
        building.rename(target)
    return target
