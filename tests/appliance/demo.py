#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole appliance, from package to renewal, in a private internet on this machine: a first run
that finds what is wrong, the second one that works, clients, a renewal, a look at its health.

    sudo make demo

Nothing leaves the machine but the download of Debian packages, and everything made is removed.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

from testbed import clients, rootfs, tidy
from testbed.network import SERVER
from testbed.shell import Failed, run
from testbed.world import DOMAIN, World, unwind_on_signals

STALE = "2001:db8:99::1"  # of a server that is long gone
TOP = pathlib.Path(__file__).resolve().parents[2]
BEGAN = time.monotonic()
FANCY = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
PLAIN_COLOR = "NO_COLOR" in os.environ or not FANCY


def paint(code, text):
    return text if PLAIN_COLOR else f"\033[{code}m{text}\033[0m"


def elapsed():
    seconds = int(time.monotonic() - BEGAN)
    return f"{seconds // 60}:{seconds % 60:02}"


def title(text):
    print(f"\n{paint('1', text)}", flush=True)


def block(text):
    for line in text.rstrip().splitlines():
        print("        " + line, flush=True)


class Step:
    """A line that says what is being done, how it ended and when. As a context manager it notes
    failure by itself; note() says what came out."""

    def __init__(self, name):
        self._name, self._note, self._done = name, "", threading.Event()

    def note(self, text):
        self._note = text

    def _line(self, mark):
        return f"  {mark} {elapsed():>5}  {self._name:<26} {self._note}".rstrip()

    def _spin(self):
        for mark in self._marks():
            if self._done.wait(0.1):
                return
            print("\r\033[K" + self._line(mark), end="", flush=True)

    @staticmethod
    def _marks():
        while True:
            yield from "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __enter__(self):
        if FANCY:
            self._thread = threading.Thread(target=self._spin, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind, _value, _trace):
        self._done.set()
        if FANCY:
            self._thread.join()
            print("\r\033[K", end="")
        print(self._line(paint("32", "✓") if kind is None else paint("31", "✗")), flush=True)


def build_package():
    run("make", "-C", TOP, "-s", "deb", timeout=600)
    version = re.search(r"^VERSION := (\S+)", (TOP / "Makefile").read_text(), re.M)[1]
    arch = run("dpkg", "--print-architecture").out.strip()
    return TOP / f"build/derp-relay_{version}_{arch}.deb"


def prepare(suite):
    """Package, server and clients, all at once: (deb, talker)."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        deb = pool.submit(build_package)
        root = pool.submit(rootfs.get, suite)
        talker = pool.submit(clients.talker)
        with Step("build the package") as step:
            path = deb.result()
            step.note(f"{path.relative_to(TOP)}, {path.stat().st_size // 1024} KiB")
        with Step("a bare server's disk") as step:
            step.note(f"Debian {suite}, kept in {root.result().parent}")
        with Step("build the clients") as step:
            step.note(talker.result().kind)
        return path, talker.result()


def make_world(suite):
    with Step("a private internet") as step:
        world = World(suite, records=[f"derp 600 IN A {SERVER}", f"derp 600 IN AAAA {STALE}"])
        step.note(f"DNS root, CA, two client hosts, a booted server at {SERVER}")
    return world


def install(world, deb):
    with Step("apt install ./derp-relay…") as step:
        world.server.install(deb)
        state = world.server.run("systemctl", "is-active", "derpd", check=False).out.strip()
        step.note(f"without a network; derpd is {state} until it is set up")


def run_setup(world, *more):
    """derp-setup as a person would run it: on a terminal it draws on that, and elsewhere its lines
    are shown as they come. Returns its exit code and what it wrote to standard output."""
    flags = ["--yes", "--no-input", *world.setup_flags(), *more]
    title(f"derp-setup {DOMAIN} {' '.join(more)}".rstrip())
    block("\n".join(["with, for this private internet,", *("  " + f for f in flags)]))
    process = world.server.popen("derp-setup", DOMAIN, *flags, stdout=subprocess.PIPE, text=True,
                                 stderr=None if FANCY else subprocess.PIPE,
                                 env={"TERM": os.environ.get("TERM", "dumb")})
    shown = threading.Thread(target=lambda: [block(s) for s in process.stderr or []])
    shown.start()
    out = process.stdout.read()
    shown.join()
    return process.wait(), out


def fail_first(world):
    """What most often goes wrong: an AAAA record that an earlier server has left behind."""
    code, out = run_setup(world)
    if code != 3 or out or world.server.path("/etc/derp/derp.conf").exists():
        raise Failed(f"derp-setup ended with {code} and not 3, or has changed something")
    print()
    with Step("exit 3, nothing was changed") as step:
        world.dns.set(f"derp 600 IN A {SERVER}")
        step.note("so the stale AAAA record is taken out of the DNS")


def set_up(world):
    """Once more, and it works; returns the derpMap."""
    code, out = run_setup(world, "--wait-dns=1m")
    if code != 0:
        raise Failed(f"derp-setup ended with {code}; the server's journal:\n"
                     + world.server.journal("derpd", "derp-acme", lines=40))
    region = next(iter(json.loads(out)["derpMap"]["Regions"].values()))
    if region["Nodes"][0]["HostName"] != DOMAIN:
        raise Failed(f"a derpMap of another server:\n{out}")
    return out


def ask_doctor(world):
    title("derp-setup doctor")
    began = time.monotonic()
    done = world.server.run("derp-setup", "doctor", check=False)
    block(done.out)
    if done.code != 0:
        raise Failed(f"doctor ended with {done.code}")
    block(f"(exit 0, after {time.monotonic() - began:.1f} s)")


def ask_stun(world):
    with Step("STUN") as step:
        answers = [clients.stun(c) for c in world.clients]
        if not all(answers):
            raise Failed("STUN does not answer")
        step.note(" and ".join(f"{c.name} is {a}" for c, a in zip(world.clients, answers)))


def look(world, root):
    """The chain as a client sees it, verified, and without Tailscale's meta certificate."""
    shown = clients.chain(world.clients[0], root=root)
    return [c for c in shown if c.names or "Intermediate" in c.subject]


def talk_through_renewal(world, talker, root):
    """Clients on both hosts talk while the certificate is renewed: (before, after, reports)."""
    talks = []
    with Step("a pair of clients per host") as step:
        talks = [talker.start(c, SERVER, root) for c in world.clients]
        for talk in talks:
            talk.wait_ready()
        step.note(f"talking through the relay: {talker.kind}")
    before = look(world, root)
    with Step("derp-setup renew --force") as step:
        world.server.run("derp-setup", "renew", "--force")
        after = look(world, root)
        if before[0].serial == after[0].serial:
            raise Failed("the relay still serves the old certificate")
        step.note("while they talk; new connections get the new certificate")
    with Step("packets counted") as step:
        reports = [talk.stop() for talk in talks]
        sent, lost = (sum(r[k] for r in reports) for k in ("sent", "lost"))
        step.note(f"{sent} sent, {lost} lost")
    return before, after, reports


def show_chain(when, certificates):
    block(f"{when:<8}{certificates[0]}")
    for certificate in certificates[1:]:
        block(f"        └ {certificate}")
    block(f"          └ {certificates[-1].issuer.removeprefix('CN=')}")


def report(world, derp_map, before, after, reports):
    title("Certificate chain, verified by a client")
    show_chain("before", before)
    show_chain("after", after)
    title("Packets across the renewal")
    for host, r in zip(world.clients, reports):
        block(f"{host.name}: {r['clients']} clients, {r['sent']} packets sent, "
              f"{r['returned']} came back, {r['lost']} lost, {r['reconnects']} reconnects")
    block(f"packets lost: {sum(r['lost'] for r in reports)}")
    title("ufw status verbose")
    block(world.server.run("ufw", "status", "verbose").out)
    title("The derpMap for the tailnet policy file")
    block(derp_map)


def demo():
    suite = rootfs.SUITES[0]
    title("derp-relay: a bare server becomes a DERP relay that Tailscale clients trust")
    block("A private internet on this machine stands for the real one; names, addresses and\n"
          "certificates are of this demo only.")
    print()
    deb, talker = prepare(suite)
    if talker.note:
        block(f"note: {talker.note}; they prove the same, but are not Tailscale's code")
    with make_world(suite) as world:
        install(world, deb)
        fail_first(world)
        derp_map = set_up(world)
        print()
        root = world.folder / "issuing-root.pem"
        root.write_text(world.ca.issuing_root())
        ask_stun(world)
        before, after, reports = talk_through_renewal(world, talker, root)
        report(world, derp_map, before, after, reports)
        ask_doctor(world)
        lost = sum(r["lost"] for r in reports)
        with Step("tidy up") as step:
            world.close()
            step.note("servers, networks and processes are gone")
    title(f"Done in {elapsed()}: {lost} packets lost." if lost == 0 else
          f"{lost} packets were lost.")
    return 0 if lost == 0 else 1


def main():
    if os.geteuid() != 0:
        print("demo: network namespaces and containers need root: sudo make demo", file=sys.stderr)
        return 2
    unwind_on_signals()
    try:
        return demo()
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything has been removed", file=sys.stderr)
        return 130
    except (Failed, OSError) as e:
        print(f"\ndemo: {e}", file=sys.stderr)
        return 1
    finally:
        tidy.remove_leftovers()


if __name__ == "__main__":
    sys.exit(main())
