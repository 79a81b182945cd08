# SPDX-License-Identifier: Apache-2.0
"""A private DNS for the tests of dnscheck: a network namespace in which nsd serves a root, the
zones below it and their faults, each server on a loopback address of its own."""

import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PROGRAMS = ("ip", "nsd", "ldns-keygen", "ldns-signzone")
DEADLINE = 10


def missing():
    """Why the lab cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root for a network namespace"
    absent = [p for p in PROGRAMS if not shutil.which(p)]
    return f"not installed: {', '.join(absent)}" if absent else None


def wait_until(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


class Namespace:
    """A network namespace with loopback and one interface that has the given addresses."""

    def __init__(self, name, addresses=()):
        self.name = f"{name}-{os.getpid()}"
        self.children = []
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            self._ip("link", "set", "lo", "up")
            self._ip("link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
            for address in addresses:
                extra = ["nodad"] if ":" in address else []
                self._ip("addr", "add", address, "dev", "eth0", *extra)
            self._ip("link", "set", "eth0", "up")
            self._ip("link", "set", "peer0", "up")
        except BaseException:
            self.close()
            raise

    def _ip(self, *args):
        subprocess.run(["ip", "-n", self.name, *args], check=True)

    def command(self, *args):
        return ["ip", "netns", "exec", self.name, *map(str, args)]

    def start(self, *args, **options):
        child = subprocess.Popen(self.command(*args), **options)
        self.children.append(child)
        return child

    def close(self):
        for child in self.children:
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Public:
    """A folder that services may look into: pytest closes its own to others, whenever another run
    begins."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dnslab-", dir="/tmp"))
        self.folder.chmod(0o755)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def close(self):
        shutil.rmtree(self.folder)


class Zones:
    """Zone files in a folder; sign() makes a zone secure and gives its DS record."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def path(self, zone, version=""):
        """Where the zone is; servers that disagree serve different versions of it."""
        name = "root" if zone == "." else zone
        return self.folder / f"{name}{version}.zone"

    def write(self, zone, records, ttl=600, version=""):
        origin = "." if zone == "." else f"{zone}."
        head = f"$ORIGIN {origin}\n$TTL {ttl}\n"
        soa = "@ SOA ns.root. hostmaster.root. 1 3600 600 86400 60\n"
        self.path(zone, version).write_text(head + soa + records.strip() + "\n")

    def sign(self, zone, expired=False):
        run = lambda *args: subprocess.run(
            args, cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()
        key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", zone)
        when = ["-i", "20200101000000", "-e", "20200201000000"] if expired else []
        run("ldns-signzone", *when, "-f", str(self.path(zone)), str(self.path(zone)), key)
        return (self.folder / f"{key}.ds").read_text().strip()

    def tamper(self, zone, old, new):
        """Changes a signed zone without signing it again."""
        text = self.path(zone).read_text()
        assert old in text
        self.path(zone).write_text(text.replace(old, new))


def serve(namespace, zones, address, names, port=53, version=""):
    """Starts nsd for some zones (in this version, where there is one) at an address; returns its
    process when it has started."""
    name = address.replace(".", "-").replace(":", "-") + f"-{port}"
    folder = zones.folder
    log = folder / f"nsd-{name}.log"
    log.unlink(missing_ok=True)
    lines = [
        "remote-control:",
        " control-enable: no",
        "server:",
        f" ip-address: {address}@{port}",
        ' username: ""',
        f" zonesdir: {folder}",
        f" pidfile: {folder}/nsd-{name}.pid",
        f" xfrdfile: {folder}/nsd-{name}.xfrd",
        f" zonelistfile: {folder}/nsd-{name}.list",
        f" logfile: {log}",
        " server-count: 1",
    ]
    for zone in names:
        path = zones.path(zone, version)
        path = path if path.exists() else zones.path(zone)
        lines += ["zone:", f' name: "{zone}"', f" zonefile: {path.name}"]
    config = folder / f"nsd-{name}.conf"
    config.write_text("\n".join(lines) + "\n")
    child = namespace.start("nsd", "-d", "-c", config, stderr=subprocess.DEVNULL)

    def started():
        if child.poll() is not None:
            raise RuntimeError(f"nsd ended: {log.read_text()}")
        return log.exists() and "nsd started" in log.read_text()

    wait_until(f"nsd at {address}", started)
    return child


def serve_odd(namespace, address, manner):
    """Starts a server with a fault, for every zone. Its own name (ns…) has its own address, every
    other name is 203.0.113.10:

        caa-servfail, caa-silent    it has never heard of CAA
        root-silent                 the same about the root
        servfail, refused           to every question
        late                        every answer takes a second
        tcp                         over UDP every answer is truncated
        unlike                      says 198.51.100.7
    """
    child = namespace.start(
        sys.executable, __file__, address, manner, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"


RCODES = {"servfail": 2, "refused": 5}


def _reply(query, manner, own):
    end = query.index(b"\0", 12) + 1
    question = query[12 : end + 4]
    kind = struct.unpack("!H", query[end : end + 2])[0]
    head = lambda rcode, count, flags=0x8400: (
        query[:2] + struct.pack("!HHHHH", flags | rcode, 1, count, 0, 0) + question
    )
    if manner == "root-silent" and query[12] == 0:
        return None
    if manner in RCODES:
        return head(RCODES[manner], 0, 0x8000)
    if kind == 1:
        others = "198.51.100.7" if manner == "unlike" else "203.0.113.10"
        address = own if query[13:15] == b"ns" else others
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, 600, 4) + socket.inet_aton(address)
        return head(0, 1) + record
    if kind == 257 and manner.startswith("caa-"):
        return None if manner == "caa-silent" else head(2, 0)
    return head(0, 0)


def _serve_tcp(s, manner, address):
    """One connection, for as long as the peer keeps it (RFC 7766)."""
    with s:
        while len(size := s.recv(2, socket.MSG_WAITALL)) == 2:
            query = s.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL)
            reply = _reply(query, manner, address)
            s.sendall(struct.pack("!H", len(reply)) + reply)


def _main(address, manner):
    late = []  # (when, reply, peer)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
    ):
        s.bind((address, 53))
        listener.bind((address, 53))
        listener.listen()
        print("ready", flush=True)
        while True:
            wait = max(0, late[0][0] - time.monotonic()) if late else None
            for ready in select.select([s, listener], [], [], wait)[0]:
                if ready is listener:
                    s_tcp = listener.accept()[0]
                    threading.Thread(
                        target=_serve_tcp, args=(s_tcp, manner, address), daemon=True
                    ).start()
                    continue
                query, peer = s.recvfrom(4096)
                reply = _reply(query, manner, address)
                if reply and manner == "tcp":
                    reply = reply[:2] + b"\x86\0" + query[4:6] + bytes(6) + query[12:]
                    reply = reply[: query.index(b"\0", 12) + 5]
                if reply:
                    late.append((time.monotonic() + (manner == "late"), reply, peer))
            while late and late[0][0] <= time.monotonic():
                _, reply, peer = late.pop(0)
                s.sendto(reply, peer)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
