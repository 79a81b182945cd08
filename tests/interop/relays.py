# SPDX-License-Identifier: Apache-2.0
"""Starts the relays under test: derpd, and Tailscale's derper to compare with.

Each runs unprivileged in a folder of its own, on free ports of every address, and ends with the
`with` block."""
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
import zlib

import pki

HERE = pathlib.Path(__file__).resolve().parent
HOST = "relay.interop.test"
PATIENCE = 60.0
MESH_KEY = "1a" * 32
REFUSED_APP = "refused app"  # every relay refuses it


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def free_ports(count):
    """Ports that are free now for TCP and UDP, and not of those that outgoing connections get: a
    relay that comes back wants its own again."""
    outgoing = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    held, ports = [], []
    while len(ports) < count:
        port = random.randrange(10000, max(int(outgoing[0]), 12000))
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        held += [tcp, udp]
        try:
            tcp.bind(("0.0.0.0", port))
            udp.bind(("0.0.0.0", port))
        except OSError:
            continue
        ports.append(port)
    for s in held:
        s.close()
    return ports


def stun_request():
    """A binding request as Tailscale's clients send it."""
    head = b"\x00\x01" + struct.pack(">H", 20) + b"\x21\x12\xa4\x42" + os.urandom(12)
    body = head + b"\x80\x22\x00\x08tailnode"
    return body + b"\x80\x28\x00\x04" + struct.pack(">I", zlib.crc32(body) ^ 0x5354554E)


def derpd_certificate(chain, key):
    """Lines of derp.conf."""
    return ["[certificate]", "source = files", "chain = %s" % chain, "key = %s" % key]


def derper_command(binary, folder, name, key, tls, stun, http):
    """With the certificate NAME.crt, NAME.key of the folder; ports are numbers, http may be -1."""
    return [str(binary), "-a", ":%d" % tls, "-stun-port", str(stun), "-http-port", str(http), "-certmode", "manual",
            "-certdir", str(folder), "-hostname", name, "-c", str(key)]


def end_process(process, how, patience):
    """Ends one that may still run, by force if need be; returns its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Relay:
    """A running relay. Subclasses say how to start it and when it is ready."""

    kind = None

    def __init__(self, binary, authority, pinned=False, mesh=False, mesh_with=(), home=None, names=(),
                 hosts=None):
        """home: what `/` is. names: what /bootstrap-dns tells. hosts: {name: [address, ...]}, all that
        the relay can look up (root only)."""
        self.source = pathlib.Path(binary)
        self.authority = authority
        self.pinned, self.mesh = pinned, mesh or bool(mesh_with)
        self.mesh_with = mesh_with  # relays of the region, this one perhaps among them
        self.home, self.names, self.hosts = home, names, hosts
        self.process = None
        self.ports = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="interop-"))
        self.name = "127.0.0.1" if pinned else HOST
        self.cert_name = None
        self.log = self.folder / "log"

    def __enter__(self):
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.__exit__(RuntimeError)
            raise
        return self

    def __exit__(self, kind=None, *_):
        status, said = self.stop(), self.text()
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:  # else something went wrong already
            assert status in (None, 0), "%s ended with %s:\n%s" % (self.kind, status, said[-6000:])
            assert "Sanitizer" not in said and "runtime error" not in said, said[-12000:]

    # --- Files ---------------------------------------------------------------------------------

    def _prepare(self):
        """All that the relay needs lies in its folder, and belongs to the user it runs as."""
        self.binary = self.folder / self.source.name
        shutil.copy(self.source, self.binary)
        (self.folder / "ca.pem").write_bytes(pki.cert_pem(self.authority.root))
        self.mesh_file = self.folder / "mesh.key"
        self.mesh_file.write_text(MESH_KEY + "\n")
        (self.folder / "state").mkdir(mode=0o700)
        if self.pinned:
            cert, chain, key = pki.self_signed(self.name)
            self.cert_name = "sha256-raw:" + pki.fingerprint(cert)
            self.install(chain, key)
        else:
            self.install(*self.authority.leaf(HOST))

    def install(self, chain, key):
        """Puts a certificate in place, each file by rename."""
        for path, content in ((self.chain, chain), (self.key, key)):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(content)
            self._give(fresh)
            fresh.rename(path)

    @property
    def chain(self):
        return self.folder / (self.name + ".crt")

    @property
    def key(self):
        return self.folder / (self.name + ".key")

    def _give(self, path):
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(path, user.pw_uid, user.pw_gid)

    def _give_all(self):
        for path in [self.folder, *self.folder.rglob("*")]:
            self._give(path)

    # --- Life ------------------------------------------------------------------------------------

    def start(self):
        """Starts and waits until ready. A port may be taken in between: then tries others."""
        for attempt in range(3):
            if self.ports is None:
                self.ports = free_ports(4)
            command = self._with_hosts(self.command())
            self._give_all()
            begin = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=self._environment(), **self._user())
            if self._wait_ready(begin):
                return
            if "in use" not in self.text(begin) or self.mesh_with:
                break  # the others of a region know its ports
            self.ports = None
        raise RuntimeError("%s did not start:\n%s" % (self.kind, self.text()))

    def _user(self):
        if os.geteuid() != 0 or self.hosts is not None:
            return {}
        return {"user": "nobody", "group": "nogroup", "extra_groups": []}

    def _with_hosts(self, command):
        """The command in a mount namespace whose only names are those of hosts."""
        if self.hosts is None:
            return command
        files = {"hosts": "".join("%s %s\n" % (a, name) for name, all in self.hosts.items() for a in all),
                 "nsswitch.conf": "hosts: files\n"}
        script = ""
        for name, content in files.items():
            (self.folder / name).write_text(content)
            script += "mount --bind %s /etc/%s && " % (self.folder / name, name)
        script += 'exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", *command]

    def _environment(self):
        """Nothing of the caller's but what sanitizers and coverage are told."""
        told = {k: v for k, v in os.environ.items()
                if k.endswith("SAN_OPTIONS") or k == "LLVM_PROFILE_FILE"}
        return {"HOME": str(self.folder), "PATH": os.environ.get("PATH", "/usr/bin"),
                "SSL_CERT_FILE": str(self.folder / "ca.pem"), **told}

    def _wait_ready(self, begin):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            if self.is_ready(self.text(begin)):
                return True
            time.sleep(0.02)
        return False

    def stop(self, how=signal.SIGTERM):
        """Ends the relay and returns its exit status. One that does not end is killed."""
        if self.process is None:
            return None
        status, self.process = end_process(self.process, how, PATIENCE), None
        return status

    def text(self, begin=0):
        """What the relay logged."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as f:
            f.seek(begin)
            return f.read().decode(errors="replace")

    # --- What others see ---------------------------------------------------------------------------

    @property
    def port(self):
        return self.ports[0]

    def describe(self, **changes):
        """The target file of the Go programs."""
        target = {"server": self.kind, "host": self.name, "ip": "127.0.0.1", "port": self.ports[0],
                  "stun_port": self.ports[1], "http_port": self.ports[2],
                  "ca": str(self.folder / "ca.pem")}
        if self.mesh:
            target["mesh_key"] = MESH_KEY
        if self.cert_name:
            target["cert_name"] = self.cert_name
        if has_ipv6():
            target["ip6"] = "::1"
        target.update(changes)
        return target

    def target_file(self, **changes):
        path = self.folder / "target.json"
        path.write_text(json.dumps(self.describe(**changes)))
        return path

    def derp_map(self):
        """A derpMap file, with addresses instead of names to look up."""
        node = {"Name": "900a", "RegionID": 900, "HostName": self.name, "IPv4": "127.0.0.1",
                "IPv6": "none", "DERPPort": self.ports[0], "STUNPort": self.ports[1]}
        region = {"RegionID": 900, "RegionCode": "test", "RegionName": "Test", "Nodes": [node]}
        path = self.folder / "derpmap.json"
        path.write_text(json.dumps({"Regions": {"900": region}}))
        return path

    def flags(self):
        """The same for programs that take options."""
        return ["--host", self.name, "--ip", "127.0.0.1", "--port", str(self.ports[0]),
                "--stun-port", str(self.ports[1]), "--ca", str(self.folder / "ca.pem"),
                *(["--cert-name", self.cert_name] if self.cert_name else [])]


class Derpd(Relay):
    kind = "derpd"

    def command(self):
        tls, stun, http, metrics = self.ports
        six = has_ipv6()
        def on(port):
            return "0.0.0.0:%d" % port + (" [::]:%d" % port if six else "")
        lines = ["[relay]", *([] if self.pinned else ["domain = " + HOST]),
                 "listen = " + on(tls), "stun = " + on(stun), "http = " + on(http),
                 "metrics = 127.0.0.1:%d" % metrics, "workers = 2",
                 "state-dir = %s" % (self.folder / "state"),
                 *(["mesh-key-file = %s" % self.mesh_file,
                    "mesh-ca-file = %s" % (self.folder / "ca.pem"),
                    "mesh-with = " + " ".join("%s:%d/127.0.0.1" % (r.name, r.ports[0])
                                              for r in self.mesh_with)] if self.mesh else []),
                 *(["home = %s" % self.home] if self.home else []),
                 *(["bootstrap-dns = " + " ".join(self.names)] if self.names else []),
                 "[admission]", "refuse-apps = other, " + REFUSED_APP,
                 *derpd_certificate(self.chain, self.key)]
        config = self.folder / "derp.conf"
        config.write_text("\n".join(lines) + "\n")
        return [str(self.binary), "--config", str(config)]

    def admin(self, path):
        """A page of the metrics port."""
        url = "http://127.0.0.1:%d%s" % (self.ports[3], path)
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.admin("/status"))

    def metrics(self):
        return self.admin("/metrics")

    def is_ready(self, text):
        return any(line.strip().endswith("ready") for line in text.splitlines())


class Derper(Relay):
    kind = "derper"

    def command(self):
        tls, stun, http, _ = self.ports
        return [*derper_command(self.binary, self.folder, self.name, self.folder / "state" / "derper.key",
                                tls, stun, http),
                "-disallow-app-names", "other," + REFUSED_APP,
                *(["-mesh-psk-file", str(self.mesh_file)] if self.mesh else []),
                *(["-mesh-with", ",".join("%s:%d/127.0.0.1" % (r.name, r.ports[0])
                                          for r in self.mesh_with)] if self.mesh_with else []),
                *(["-home", self.home] if self.home else []),
                *(["-bootstrap-dns-names", ",".join(self.names)] if self.names else [])]

    def is_ready(self, _):
        """It logs nothing when it is ready: all three ports must answer."""
        try:
            for port in (self.ports[0], self.ports[2]):
                socket.create_connection(("127.0.0.1", port), 1).close()
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                s.settimeout(0.2)
                s.sendto(stun_request(), ("127.0.0.1", self.ports[1]))
                return len(s.recv(2048)) > 0
        except OSError:
            return False
