# SPDX-License-Identifier: Apache-2.0
"""Builds and calls derp_probe_main.c: our own client against a relay."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path("build")
LIBS = ("-lev", "-lssl", "-lcrypto", "-ljansson", "-lsodium", "-lz", "-lsystemd", "-pthread")


def build(folder):
    """Compiles the program into folder against the archives of the build; returns its path."""
    archives = [str(BUILD / f"lib{name}.a") for name in ("derp", "base")]
    subprocess.run(["make", "-s", "-j2", *archives], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    out = pathlib.Path(folder) / "derp_probe"
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Werror",
                    "-I.", "-o", str(out), "tests/system/derp_probe_main.c", *archives, *LIBS],
                   cwd=ROOT, check=True)
    return out


class Prober:
    """Probes of one relay. Each answers the program's JSON; "fault" is None when all went well."""

    def __init__(self, program, relay):
        self.program, self.relay = program, relay

    def command(self, *options, address="127.0.0.1", name=None):
        return [str(self.program), *options, "%s:%d" % (address, self.relay.port),
                name or self.relay.name]

    def run(self, command, patience=60):
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
        assert done.returncode in (0, 1), done.stderr
        answer = json.loads(done.stdout)
        assert (answer["fault"] is None) == (done.returncode == 0)
        return answer

    def derp(self, *options, ca=True, **where):
        trust = ["--ca", str(self.relay.folder / "ca.pem")] if ca else []
        return self.run(self.command(*trust, *options, **where))

    def stun(self, *options, address="127.0.0.1"):
        return self.run([str(self.program), "--stun", *options,
                         "%s:%d" % (address, self.relay.ports[1])])
