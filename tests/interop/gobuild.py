#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Go programs of the interop tests into build/interop; tests/tailnet builds its own by it.

Go 1.21 and newer fetch the toolchain that go.mod names by themselves. For an older one, as in
Debian 12, it is fetched here, as the module that it is.

    gobuild.py [derptalk] [derpask] [derper] [cases]

Without names it builds the first two. Prints the path of each program. Exit status 77 and a reason
on standard error where there is no Go to build them with.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT = pathlib.Path(os.environ.get("INTEROP_OUT") or HERE.parents[1] / "build" / "interop")

# Name: what `go` is asked to build, in this folder's module. "test" makes a test binary.
PROGRAMS = {
    "derptalk": ["build", "./cmd/derptalk"],
    "derpask": ["build", "./cmd/derpask"],
    "derper": ["build", "tailscale.com/cmd/derper"],
    # With the tag, Tailscale's client can be told to use WebSocket, as it does in browsers.
    "cases": ["test", "-c", "-tags", "ts_debug_websockets", "./cases"],
}
# From this version on, `go` fetches the toolchain that go.mod asks for by itself.
SELF_FETCHING = (1, 21)
# Older ones must at least know modules and `go mod download -json`.
OLDEST_GO = (1, 16)


class NoGo(Exception):
    """There is no Go here that can build the programs; says why."""


class BuildFailed(Exception):
    """Go is there, but the build failed; carries its output."""


def go_version(go):
    """The version of a go program as (major, minor), or None if it does not run."""
    env = dict(os.environ, GOTOOLCHAIN="local")
    try:
        done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=env,
                              cwd="/", timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def find_go(module):
    """Path of a Go that builds the programs of a module, or fetches what does; raises NoGo."""
    places = [shutil.which("go"), "/usr/local/go/bin/go"]
    places += sorted(map(str, pathlib.Path("/usr/lib").glob("go-*/bin/go")))
    seen = {p: go_version(p) for p in places if p and os.access(p, os.X_OK)}
    usable = {p: v for p, v in seen.items() if v}
    if not usable:
        raise NoGo("no Go here (install golang-go 1.21 or newer)")
    best = max(usable, key=usable.get)
    if usable[best] < OLDEST_GO:
        raise NoGo("Go %d.%d is too old (install 1.21 or newer)" % usable[best])
    return best if usable[best] >= SELF_FETCHING else fetch_toolchain(best, module)


def fetch_toolchain(old_go, module):
    """Path of the toolchain that go.mod asks for, in the module cache of an old Go. What newer ones
    do after the download is done here: programs get their execute bits, and go.mod files, which a
    module cannot contain in its folders, their names."""
    wanted = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.M)[1]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    toolchain = "golang.org/toolchain@v0.0.1-go%s.linux-%s" % (wanted, machine)
    done = subprocess.run([old_go, "mod", "download", "-json", toolchain], capture_output=True,
                          text=True, cwd="/", env=dict(os.environ, GOFLAGS="-modcacherw"), timeout=300)
    try:
        root = pathlib.Path(json.loads(done.stdout)["Dir"])
    except (ValueError, KeyError):
        raise NoGo("Go cannot fetch " + toolchain) from None
    for path in [*root.glob("bin/*"), *root.glob("pkg/tool/*/*")]:
        path.chmod(0o755)
    for path in root.rglob("_go.mod"):
        path.rename(path.with_name("go.mod"))
    return str(root / "bin" / "go")


def environment():
    """Static programs, the toolchain that go.mod names, one package at a time."""
    env = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="auto", GOFLAGS="-buildvcs=false -p=1",
               GOWORK="off")
    env.setdefault("HOME", "/root")
    return env


def make(module, out, verb, *rest):
    """Has `go` build a program in the folder of a module into the file out."""
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [find_go(module), verb, "-trimpath", "-ldflags", "-s -w", "-o", str(out), *rest]
    done = subprocess.run(command, cwd=module, env=environment(), capture_output=True, text=True)
    if done.returncode != 0:
        reason = done.stderr.strip()
        if re.search(r"(download|dial tcp|proxyconnect|lookup|reading https?:\S+) .*"
                     r"|toolchain not available", reason):
            raise NoGo("Go cannot fetch what it needs: " + reason.splitlines()[-1])
        raise BuildFailed("%s\n%s" % (" ".join(command), reason))


def build(*names):
    """Builds programs and returns their paths. Go's own cache makes a second time quick."""
    for name in names:
        make(HERE, OUT / name, *PROGRAMS[name])
    return [OUT / name for name in names]


def main(names):
    unknown = [n for n in names if n not in PROGRAMS]
    if unknown:
        print("gobuild: unknown program %s: there are %s" % (unknown[0], ", ".join(PROGRAMS)),
              file=sys.stderr)
        return 2
    try:
        for path in build(*(names or ["derptalk", "derpask"])):
            print(path)
    except NoGo as e:
        print("gobuild: skipped:", e, file=sys.stderr)
        return 77
    except BuildFailed as e:
        print("gobuild:", e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
