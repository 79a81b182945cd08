# SPDX-License-Identifier: Apache-2.0
"""The package of the commit before this one, as an older version: what an upgrade starts from.

It is built once for each state of its sources and kept in build/former; commits that touch nothing
that the package is made of share one.
"""

import fcntl
import hashlib
import os
import re
import shutil

from .shell import Failed, run

VERSION = "0.1.0~git1"  # lower than any that was released
NO_PART = ("tests/", "docs/")  # of the package, so they may differ


class Unavailable(Exception):
    """There is no former commit here; the message says why."""


def _git(top, *args):
    return run("git", "-c", f"safe.directory={top}", "-C", top, *args, check=False)


def _parent(top):
    """The commit before this one."""
    if not (top / ".git").exists() or _git(top, "rev-parse", "HEAD").code != 0:
        raise Unavailable("no former package: this is not a git checkout")
    parent = _git(top, "rev-parse", "--verify", "--quiet", "HEAD~1^{commit}")
    if parent.code != 0:
        raise Unavailable("no former package: HEAD has no parent here (a shallow clone?)")
    return parent.out.strip()


def _replace(path, pattern, text):
    old = path.read_text()
    new = re.sub(pattern, text, old, count=1, flags=re.M)
    assert new != old, f"{path}: {pattern}"
    path.write_text(new)


def _unpack(top, commit, tree):
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    archive = tree.parent / "sources.tar"
    _git(top, "archive", "-o", archive, commit)
    run("tar", "-xf", archive, "-C", tree)
    archive.unlink()
    _replace(tree / "Makefile", r"^VERSION := .*$", f"VERSION := {VERSION}")
    _replace(tree / "packaging/debian/changelog", r"\A(\S+) \(.*?\)", rf"\1 ({VERSION})")


def build(top):
    """The .deb; raises Unavailable, or Failed when the former commit does not build."""
    commit = _parent(top)
    listing = "\n".join(line for line in _git(top, "ls-tree", "-r", commit).out.splitlines()
                        if not line.partition("\t")[2].startswith(NO_PART))
    folder = top / "build/former" / hashlib.sha256(f"{VERSION}\n{listing}".encode()).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = sorted(folder.glob("derp-relay_*.deb"))
        if found:
            return found[0]
        for older in (p for p in folder.parent.iterdir() if p.is_dir()):
            shutil.rmtree(older)
        tree = folder / "tree"
        _unpack(top, commit, tree)
        # It is only started from: compiled in a hurry. And it is no part of the repository around
        # it, whose list of files its build would ask for.
        env = {**os.environ, "OPT": "-O1 -g1 -w", "GIT_CEILING_DIRECTORIES": str(folder)}
        run("make", "-C", tree, "deb", timeout=900, env=env)
        made = sorted((tree / "build").glob("derp-relay_*.deb"))
        if not made:
            raise Failed(f"the former commit, {commit}, made no package")
        deb = made[0].rename(folder / made[0].name)
        shutil.rmtree(tree)
        return deb
