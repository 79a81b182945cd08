# SPDX-License-Identifier: Apache-2.0
"""What an SSH session is like while somebody copies through the same relay: real clients, a real SSH
server and client, and a server whose way out is a thin line.

    copying.py [--uplink RATE|off | --derper] [--seconds N] [--json]

runs it by itself and prints what it found. Root."""
import argparse
import contextlib
import json
import os
import pathlib
import pwd
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[0] / folder) for folder in ("interop", "appliance")]

import gobuild  # noqa: E402
import programs  # noqa: E402
from tailnet import Derpd, Derper, Tailnet  # noqa: E402
from testbed.shell import wait_for  # noqa: E402

LINE, QUEUE = "4mbit", "50ms"
SSH_PORT, COPY_PORT, STREAMS = 2222, 5001, 4
EVERY = 0.05  # seconds between keystrokes

# In a mount namespace of its own: the key that lets in lies in root's home, which is another one there.
SSH_SERVER = """
mount -t tmpfs -o mode=700 none "$1" && mkdir -m 700 "$1/.ssh" && cp "$2" "$1/.ssh/authorized_keys" &&
chmod 600 "$1/.ssh/authorized_keys" && exec dropbear -F -E -s -m -r "$3" -p "$4" -P "$5" -c cat
"""
RECEIVER = """
import socket, sys, threading
def drink(c):
    while c.recv(65536):
        pass
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as s:
    print("ready", flush=True)
    while True:
        threading.Thread(target=drink, args=(s.accept()[0],), daemon=True).start()
"""
SENDER = """
import socket, sys, threading
def pour(to):
    with socket.create_connection(to, 20) as s:
        s.settimeout(None)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        while True:
            s.sendall(bytes(65536))
for _ in range(int(sys.argv[3])):
    threading.Thread(target=pour, args=((sys.argv[1], int(sys.argv[2])),), daemon=True).start()
sys.stdin.read()
"""


def thin_line(tailnet):
    """The server's way out becomes thin, and its TCP what most servers have."""
    route = tailnet.server.run("ip", "route", "show", "default").out.split()
    tailnet.server.run("ip", "route", "replace", *route, "congctl", "cubic")
    tailnet.server.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", LINE, "burst", "32k",
                       "latency", QUEUE)


@contextlib.contextmanager
def running(process):
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def ssh_server(tailnet, node):
    """dropbear on a node; whoever logs in with `key` in the tailnet's folder gets his words back."""
    folder = tailnet.folder
    key, host_key = folder / "key", folder / "hostkey"
    if not key.exists():
        tailnet.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        tailnet.server.run("dropbearkey", "-t", "ed25519", "-f", host_key)
    home = pwd.getpwnam("root").pw_dir
    log = (folder / "ssh.log").open("w")
    server = node.host.start("sh", "-c", SSH_SERVER, "sh", home, f"{key}.pub", host_key,
                             f"{node.address}:{SSH_PORT}", folder / "ssh.pid", stdout=log, stderr=log)
    with running(server):
        wait_for("the SSH server", 20,
                 lambda: "background" in (folder / "ssh.log").read_text() or
                 f":{SSH_PORT}" in node.host.run("ss", "-Hltn").out)
        yield


@contextlib.contextmanager
def copy(one, other):
    """A copy of several streams that lasts as long as the block."""
    receiver = other.host.start(sys.executable, "-c", RECEIVER, other.address, COPY_PORT,
                                stdout=subprocess.PIPE, text=True)
    with running(receiver):
        assert receiver.stdout.readline() == "ready\n"
        sender = one.host.start(sys.executable, "-c", SENDER, other.address, COPY_PORT, STREAMS,
                                stdin=subprocess.PIPE)
        with running(sender):
            yield


class Session:
    """An SSH session from one node to another."""

    def __init__(self, tailnet, one, other):
        self.process = one.host.start(
            "ssh", "-F", "none", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i", tailnet.folder / "key",
            "-p", SSH_PORT, f"root@{other.address}", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            bufsize=0)

    def __enter__(self):
        self.echo()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def echo(self):
        """Seconds until a keystroke is back."""
        begin = time.monotonic()
        self.process.stdin.write(b"x")
        if self.process.stdout.read(1) != b"x":
            raise RuntimeError("the SSH session has ended")
        return time.monotonic() - begin

    def echoes(self, seconds):
        """Milliseconds of each of them, one after the other."""
        delays, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            delays.append(1e3 * self.echo())
            time.sleep(EVERY)
        return sorted(delays)


def sent_bytes(host):
    """Out of it, on the wire."""
    return json.loads(host.run("ip", "-j", "-s", "link", "show", "eth0").out)[0]["stats64"]["tx"]["bytes"]


def measure(tailnet, seconds):
    """Echoes of a third machine's session with the receiver of a copy, and of one between the two that
    copy: {what: sorted milliseconds}; and how much of the line was used, in Mbit/s."""
    one, other, third = tailnet.nodes
    with ssh_server(tailnet, other):
        with Session(tailnet, third, other) as a, Session(tailnet, one, other) as b:
            found = {"idle": a.echoes(2)}
            with copy(one, other):
                a.echoes(5)  # until it has the line
                before = sent_bytes(tailnet.server)
                begin = time.monotonic()
                found["to the receiver of the copy"] = a.echoes(seconds)
                found["between the two that copy"] = b.echoes(seconds)
                got = sent_bytes(tailnet.server) - before
                rate = got * 8 / (time.monotonic() - begin) / 1e6
    return found, rate


def median_and_p99(delays):
    return statistics.median(delays), delays[min(len(delays) - 1, len(delays) * 99 // 100)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--uplink", default=LINE, help="of derpd: a rate, or off")
    parser.add_argument("--derper", action="store_true", help="Tailscale's relay instead of derpd")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("copying: must be root, to make network namespaces")
    derpd = pathlib.Path(os.environ.get("DERPD") or HERE.parents[1] / "build" / "derpd")
    kind = Derpd
    if args.derper:
        (derpd,), kind = gobuild.build("derper"), Derper
    with Tailnet(derpd, programs.build, kind, uplink=args.uplink) as tailnet:
        thin_line(tailnet)
        found, rate = measure(tailnet, args.seconds)
    if args.json:
        print(json.dumps({"mbit": rate, "ms": {what: median_and_p99(delays) for what, delays in found.items()}}))
        return
    for what, delays in found.items():
        print("%-30s median %.1f ms, p99 %.1f ms, most %.1f ms of %d" % (
            what, *median_and_p99(delays), delays[-1], len(delays)))
    print("the line carried %.2f Mbit/s" % rate)


if __name__ == "__main__":
    main()
