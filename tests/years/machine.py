# SPDX-License-Identifier: Apache-2.0
"""Our server: derp-acme's real program, its disk, systemd's timer, and a relay that serves what derp-acme installs."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from wire import server_context

DOMAIN = "derp.sim.test"
HANG = 60  # real seconds


class Unit:
    """What packaging/systemd says about when derp-acme is started."""

    def __init__(self, folder):
        timer = (folder / "derp-acme.timer").read_text()
        service = (folder / "derp-acme.service").read_text()
        assert "OnCalendar=hourly\n" in timer and "Persistent=true\n" in timer, "another rhythm: teach machine.py"
        self.after_boot = self.seconds(timer, "OnActiveSec")
        self.random = self.seconds(timer, "RandomizedDelaySec")
        assert "FixedRandomDelay=true\n" in timer and "AccuracySec=1s\n" in timer
        assert "Restart=on-failure\n" in service and "SuccessExitStatus=2 SIGTERM\n" in service
        self.restart = self.seconds(service, "RestartSec")
        self.timeout = self.seconds(service, "TimeoutStartSec")
        self.period = 3600

    @staticmethod
    def seconds(text, key):
        number, unit = re.search(rf"^{key}=(\d+)(s|min|h)?$", text, re.M).groups()
        return int(number) * {None: 1, "s": 1, "min": 60, "h": 3600}[unit]


class Relay:
    """Serves the pair behind `current`; takes a new one some hundred milliseconds after the link changed."""

    def __init__(self, machine, temporary):
        self.machine, self.temporary = machine, temporary
        self.port = None
        self.stubborn = False  # takes no new certificate
        self.latency = 0.25
        self.restart()

    def restart(self):
        self.loaded = self.seen = self.leaf = None
        self.seen_at = 0
        self.context = server_context(self.temporary)
        self.look()

    def signature(self):
        with contextlib.suppress(OSError):
            out = []
            for name in ("fullchain.pem", "privkey.pem"):
                st = os.stat(self.machine.certs / "current" / name)
                out.append((st.st_ino, st.st_ctime_ns, st.st_size))
            return tuple(out)
        return None

    def look(self):
        now, signature = self.machine.clock.now(), self.signature()
        if signature != self.seen:
            self.seen, self.seen_at = signature, now
        first = self.loaded is None
        if signature in (None, self.loaded) or self.stubborn or (now < self.seen_at + self.latency and not first):
            return
        self.loaded = signature
        folder = self.machine.certs / "current"
        try:
            context = server_context((folder / "fullchain.pem", folder / "privkey.pem"))
            leaf = x509.load_pem_x509_certificate((folder / "fullchain.pem").read_bytes())
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if names.get_values_for_type(x509.DNSName) != [DOMAIN]:
                raise ValueError("another name")
        except (OSError, ValueError, x509.ExtensionNotFound) as e:
            self.machine.world.note("relay", f"refuses a pair, the old one stays: {e}")
            return
        if self.leaf is None or leaf.serial_number != self.leaf.serial_number:
            self.machine.world.note("relay", f"serves {os.readlink(folder)}, valid until {leaf.not_valid_after}")
        self.context, self.leaf = context, leaf


class Machine:
    """One server from its installation on."""

    def __init__(self, world, folder, program, shim, ports, unit):
        self.world, self.clock, self.shared = world, world.clock, world.shared
        self.folder, self.certs, self.unit = folder, folder / "certs", unit
        self.on = self.awake = True
        self.pid, self.killed = None, False
        self.runs, self.checked = 0, None
        self.relay = Relay(self, ports.temporary)
        self.config = folder / "derp.conf"
        self.ports = ports
        self.output = open(folder / "output", "w+b")  # noqa: SIM115 - until close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(HANG)
        self.channel = ours
        env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(shim), "SHIM_SHARED": str(folder / "shared"),
               "SHIM_SERVER": str(theirs.fileno())}
        self.server = subprocess.Popen([str(program)], env=env, stdin=subprocess.DEVNULL, stdout=self.output,
                                       stderr=self.output, pass_fds=[theirs.fileno()])
        theirs.close()

    def configure(self, directory, **acme):
        acme = {"directory": directory, "ca-file": self.ports.ca.ca_file, **acme}
        self.config.write_text(
            f"[relay]\ndomain = {DOMAIN}\nlisten = 127.0.0.1:{self.ports.relay.port.number}\nstun = off\n"
            f"metrics = off\nstate-dir = {self.folder}/relay\n[certificate]\nsource = acme\ndir = {self.certs}\n[acme]\n"
            + "".join(f"{k} = {v}\n" for k, v in acme.items())
            + f"[dns]\nresolver = 127.0.0.1:{self.ports.dns.number}\n")

    def close(self):
        self.channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.wait(5)
        if self.server.poll() is None:
            self.server.kill()
            self.server.wait()
        self.output.close()

    # --- Starting derp-acme -----------------------------------------------------------------------

    def acme(self, *verb, kill_at=-1):
        """Runs it to its end: (exit code, or -9 when it was killed, what it said)."""
        self.shared.kill_at, self.shared.seed = kill_at, self.world.random.getrandbits(62)
        self.killed = False
        at = self.output.seek(0, os.SEEK_END)
        self.channel.send("\0".join(["--config", str(self.config), *verb]).encode())
        try:
            self.pid, = struct.unpack("i", self.channel.recv(4))
            status, = struct.unpack("i", self.channel.recv(4))
        except TimeoutError:
            self.kill()
            raise AssertionError(f"derp-acme {' '.join(verb)} did not end within {HANG} s") from None
        self.pid = None
        self.shared.kill_at = -1
        self.output.seek(at)
        text = self.output.read().decode(errors="replace").strip()
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return code, text

    def kill(self):
        """kill -9, from another thread than the one that waits for it."""
        if self.pid:
            self.killed = True
            os.kill(self.pid, signal.SIGKILL)

    def status(self):
        _, text = self.acme("status", "--json")
        return json.loads(text.split("\n")[-1])

    # --- What is on its disk ----------------------------------------------------------------------

    def state(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.certs / "order.json").read_text())
        return {}

    def notes(self):
        """All that is written of the order under way."""
        return "".join(p.read_text(errors="replace") for p in self.certs.glob("order.json*"))

    def challenge_digest(self):
        """What tls-alpn-01 would be answered with: the digest in the published certificate, None without one."""
        with contextlib.suppress(OSError, ValueError, x509.ExtensionNotFound):
            pem = (self.certs / "challenge" / f"{DOMAIN}.pem").read_bytes()
            cert = x509.load_pem_x509_certificate(pem)
            oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
            return cert.extensions.get_extension_for_oid(oid).value.value[-32:]
        return None

    def link_is_good(self):
        """`current` leads to a whole pair: chain and key belong together. Whatever happened, at any instant."""
        signature = self.relay.signature()
        if not os.path.lexists(self.certs / "current") or (signature and signature == self.checked):
            return None
        self.checked = signature
        try:
            folder = self.certs / "current"
            leaf = x509.load_pem_x509_certificate((folder / "fullchain.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / "privkey.pem").read_bytes(), None)
            return key.public_key().public_numbers() == leaf.public_key().public_numbers()
        except (OSError, ValueError):
            return False

    def installed(self):
        with contextlib.suppress(OSError, ValueError):
            return x509.load_pem_x509_certificate((self.certs / "current/fullchain.pem").read_bytes())
        return None

    def installed_serial(self):
        leaf = self.installed()
        return leaf and leaf.serial_number
