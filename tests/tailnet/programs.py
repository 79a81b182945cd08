#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds Tailscale's and headscale's own programs into build/tailnet.

    programs.py [NAME ...]

Without names it builds all. What is built already, of the same versions, is left as it is: a second
time costs nothing and needs no Go. Prints the path of each program. Exit status 77 and a reason on
standard error where they cannot be built here.
"""
import hashlib
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
import gobuild  # noqa: E402

OUT = HERE.parents[1] / "build" / "tailnet"

# What has nothing to do with a relay and costs half of the build.
WITHOUT = ["aws", "drive", "flashappliance", "identityfederation", "kube", "oauthkey", "ssh",
           "systray", "tap", "tpm", "webclient"]
# TUN devices are used, so the clients need no network stack of their own.
WITHOUT_STACK = [*WITHOUT, "gro", "netstack"]

# Name: module (a folder here), package, what is left out of it. The older tailscaled is of the
# version that headscale is built with.
PROGRAMS = {
    "tailscaled": ("tailscale", "tailscale.com/cmd/tailscaled", WITHOUT_STACK),
    "tailscale": ("tailscale", "tailscale.com/cmd/tailscale", WITHOUT_STACK),
    "headscale": ("headscale", "github.com/juanfont/headscale/cmd/headscale", WITHOUT),
    "tailscaled-older": ("headscale", "tailscale.com/cmd/tailscaled", WITHOUT),
}


def recipe(name):
    """Stands for all that decides what a program becomes."""
    module, *rest = PROGRAMS[name]
    parts = [(HERE / module / f).read_bytes() for f in ("go.mod", "go.sum")]
    return hashlib.sha256(b"\0".join([*parts, repr(rest).encode()])).hexdigest()


def build(name):
    """The path of a program, built if need be; raises gobuild.NoGo or gobuild.BuildFailed."""
    module, package, without = PROGRAMS[name]
    out, stamp = OUT / name, OUT / (name + ".recipe")
    if not (out.exists() and stamp.exists() and stamp.read_text() == recipe(name)):
        tags = ",".join("ts_omit_" + feature for feature in without)
        gobuild.make(HERE / module, out, "build", "-p", str(os.cpu_count()), "-tags", tags, package)
        stamp.write_text(recipe(name))
    return out


def main(names):
    try:
        for name in names or PROGRAMS:
            print(build(name), flush=True)
    except gobuild.NoGo as e:
        print("programs: skipped:", e, file=sys.stderr)
        return 77
    except gobuild.BuildFailed as e:
        print("programs:", e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
