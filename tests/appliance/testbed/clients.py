# SPDX-License-Identifier: Apache-2.0
"""What the relay's clients do: talk DERP, ask STUN, look at the certificate."""

import json
import pathlib
import re
import subprocess
import sys
import threading

from .network import SERVER
from .shell import Failed, run, wait_for

TOP = pathlib.Path(__file__).resolve().parents[3]
_INTEROP = TOP / "tests/interop"


class Talker:
    """A program that has DERP clients talk and counts packets.

    kind: "Tailscale's own DERP client" or "our own DERP client"; note: why not the former, which
    alone comes back by itself when the connection drops (returns).
    """

    def __init__(self, program, kind, note=None):
        self.program, self.kind, self.note = program, kind, note
        self.returns = note is None

    def start(self, host, address, root, domain="derp.demo.com", rate=100):
        return Conversation(self, host, address, root, domain, rate)


def talker():
    """Builds derptalk (Go, Tailscale's client library); without Go our own client in C."""
    p = subprocess.run([sys.executable, _INTEROP / "gobuild.py", "derptalk"], text=True,
                       capture_output=True)
    if p.returncode == 0:
        return Talker(pathlib.Path(p.stdout.split()[-1]), "Tailscale's own DERP client")
    if p.returncode != 77:
        raise Failed(f"cannot build derptalk:\n{p.stderr}")
    run("make", "-C", TOP, "-s", "build/appliance/talk", timeout=600)
    return Talker(TOP / "build/appliance/talk", "our own DERP client", p.stderr.strip())


class Conversation:
    """Two clients on one host that send each other numbered packets until stop()."""

    def __init__(self, talker_, host, address, root, domain, rate):
        self.host = host
        self._process = host.start(
            talker_.program, "--host", domain, "--ip", address, "--ca", root, "--clients", "2",
            "--rate", rate, "--duration", "0", "--progress", "0s", stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._said = []
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self):
        for line in self._process.stderr:
            self._said.append(line.rstrip())

    def wait_ready(self, seconds=30):
        """Returns when all clients are connected."""
        def ready():
            if self._process.poll() is not None:
                raise Failed("the clients could not talk:\n" + "\n".join(self._said))
            return "ready" in self._said
        wait_for("the clients' connection", seconds, ready)
        return self

    def stop(self):
        """Ends the conversation; returns its report (sent, lost, …; see derptalk)."""
        self._process.stdin.close()
        out = self._process.stdout.read()
        self._process.wait(30)
        self._reader.join(5)
        if not out:
            raise Failed("the clients gave no report:\n" + "\n".join(self._said))
        return json.loads(out)


def stun(host, address=SERVER, port=3478):
    """The address that STUN tells the host, or None when it does not answer."""
    r = host.run(sys.executable, "-m", "testbed.stun", address, str(port), check=False,
                 env={"PYTHONPATH": str(pathlib.Path(__file__).parent.parent)})
    return r.out.strip() if r.code == 0 else None


class Certificate:
    """One certificate of a chain, from its PEM."""

    def __init__(self, pem):
        text = run("openssl", "x509", "-noout", "-subject", "-issuer", "-serial", "-enddate",
                   "-startdate", "-nameopt", "RFC2253", "-ext", "subjectAltName", input=pem,
                   check=False).out
        self.subject, self.issuer, self.serial, self.until, self.since = (
            (re.search(rf"^{name}=\s*(.*)$", text, re.M) or ["", ""])[1].strip()
            for name in ("subject", "issuer", "serial", "notAfter", "notBefore"))
        self.names = re.findall(r"DNS:([^\s,]+)", text)

    def __str__(self):
        name = self.names[0] if self.names else self.subject.removeprefix("CN=")
        return f"{name}  (serial …{self.serial[-8:].lower()}, until {self.until})"


def chain(host, address=SERVER, domain="derp.demo.com", port=443, root=None):
    """The certificates that the relay shows; with root, verified against it and the name."""
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    trust = []
    if root:
        trust = ["-CAfile", str(root), "-verify_hostname", domain, "-verify_return_error"]
    r = host.run("openssl", "s_client", "-connect", where, "-servername", domain, "-showcerts",
                 *trust, check=False, timeout=15)
    pems = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", r.out, re.S)
    if r.code != 0 or not pems:
        raise Failed(f"no certificate from {where}:\n{r}")
    # RFC 8446 allows extra certificates; Tailscale's "meta certificate" is one, without a name.
    return [Certificate(p) for p in pems]


def connects(host, address, port, seconds=1):
    """How a TCP connection ends: "open", "refused" or "dropped"."""
    code = ("import socket,sys\ns=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else "
            "socket.AF_INET)\ns.settimeout(float(sys.argv[3]))\n"
            "try: s.connect((sys.argv[1],int(sys.argv[2]))); print('open')\n"
            "except ConnectionRefusedError: print('refused')\n"
            "except OSError: print('dropped')")
    return host.run(sys.executable, "-c", code, address, port, seconds).out.strip()
