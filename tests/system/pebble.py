# SPDX-License-Identifier: Apache-2.0
"""A private world for ACME tests: a network namespace, Let's Encrypt's test CA Pebble, a DNS server.

Everything binds to addresses inside the namespace, so ports never clash and nothing leaves the machine.
"""
import contextlib
import ctypes
import datetime
import fcntl
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DERP_BUILD", ROOT / "build"))
ADDRESS = "203.0.113.10"  # of this "server" inside the namespace (documentation range)
CLONE_NEWNET = 0x40000000


PEBBLE_VERSION = "v2.10.1"  # what new_pebble() builds; Debian 12 has 2.4.0 as a package
PEBBLE_MODULE = "github.com/letsencrypt/pebble/v2/cmd/pebble"


OUTSIDE = os.open("/proc/self/ns/net", os.O_RDONLY)  # where modules can be fetched


def go_outside():
    """In a child before Go starts: out of the private network that a test may be in."""
    ctypes.CDLL(None).setns(OUTSIDE, CLONE_NEWNET)


def new_pebble():
    """Path of Pebble PEBBLE_VERSION, built by Go on first use; (None, why) where that is not possible."""
    out = ROOT / "build" / f"pebble-{PEBBLE_VERSION}"
    program = out / "pebble"
    if program.exists():
        return program, None
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.path.exists(go):
        return None, "go is not installed"
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([go, "install", f"{PEBBLE_MODULE}@{PEBBLE_VERSION}"], capture_output=True, text=True,
                              env={**os.environ, "GOBIN": str(out), "GOFLAGS": "-mod=mod"}, timeout=600, preexec_fn=go_outside)
    if done.returncode != 0:
        return None, f"Pebble {PEBBLE_VERSION} cannot be built: {done.stderr.strip().splitlines()[-1:]}"
    return program, None


def missing_tools():
    """Why the tests of this world cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root for a network namespace"
    for tool in ("pebble", "pebble-challtestsrv", "ip"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    return None


@contextlib.contextmanager
def private_network():
    """Moves this thread, and every process it starts, into a network namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for command in (
            "link set lo up",
            "link add outside type veth peer name wire",
            f"addr add {ADDRESS}/24 dev outside",
            "link set outside up",
            "link set wire up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        yield ADDRESS
    finally:
        if libc.setns(before, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(before)


def free_port():
    with socket.socket() as s:
        s.bind(("0.0.0.0", 0))
        return s.getsockname()[1]


def wait_for(predicate, what, seconds=20):
    """Polls until predicate() is true; returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def accepts(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


class Process:
    """A child with its output in a file; ended by its own pid."""

    def __init__(self, argv, log, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                [str(a) for a in argv], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})})

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(how)
        try:
            return self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def self_signed(folder, names=("localhost",), addresses=("127.0.0.1",), stem="ca"):
    """A server certificate that is its own root: (certificate file, key file)."""
    import ipaddress
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server of " + stem)])
    now = datetime.datetime.utcnow()
    san = [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName(san), False)
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    cert_file, key_file = pathlib.Path(folder) / f"{stem}.pem", pathlib.Path(folder) / f"{stem}.key"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return cert_file, key_file


def request(url, ca_file=None, data=None):
    """Body of an HTTP(S) GET, or POST of a JSON object."""
    context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
    body = json.dumps(data).encode() if data is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10, context=context) as answer:
        return answer.read()


class Dns:
    """pebble-challtestsrv as nothing but a name server: every name has this server's address."""

    def __init__(self, folder, address=ADDRESS):
        self.port, self.management = free_port(), free_port()
        self.server = f"127.0.0.1:{self.port}"
        self.process = Process(
            ["pebble-challtestsrv", "-dns01", self.server, "-management", f"127.0.0.1:{self.management}",
             "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", address, "-defaultIPv6", ""],
            pathlib.Path(folder) / "dns.log")
        wait_for(lambda: accepts("127.0.0.1", self.management), "the DNS server")

    def set(self, what, data):
        """For example set("add-caa", {"host": "derp.test", "policies": [{"tag": "issue", "value": "x"}]})."""
        request(f"http://127.0.0.1:{self.management}/{what}", data=data)

    def stop(self):
        self.process.stop()


class Pebble:
    """The real CA. environment: its PEBBLE_… variables; validations go to tls_port on every name's address."""

    def __init__(self, folder, tls_port, dns, validity=90 * 86400, blocklist=(), http_port=5002, eab=None,
                 profiles=None, retry_after=None, program="pebble", **environment):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.port, self.management_port = free_port(), free_port()
        self.ca_file, key = self_signed(self.folder, stem="pebble")
        self.directory = f"https://127.0.0.1:{self.port}/dir"
        self.config = self.folder / "pebble.json"
        self.program = program
        more = {"profiles": profiles} if profiles else {}
        if eab:  # key id -> base64url secret
            more["externalAccountMACKeys"] = eab
        if retry_after:
            more["retryAfter"] = {"authz": retry_after, "order": retry_after}
        self.config.write_text(json.dumps({"pebble": {
            **more,
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(self.ca_file), "privateKey": str(key),
            "httpPort": http_port, "tlsPort": tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(eab), "caaIdentities": ["pebble.test"], "domainBlocklist": list(blocklist),
            "certificateValidityPeriod": validity}}))
        self.dns = dns
        self.environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0",
                            **{k: str(v) for k, v in environment.items()}}
        self.start()

    def start(self):
        self.process = Process([self.program, "-config", self.config, "-strict", "-dnsserver", self.dns.server],
                               self.folder / "pebble.log", self.environment)
        wait_for(lambda: accepts("127.0.0.1", self.port), "Pebble")
        wait_for(lambda: accepts("127.0.0.1", self.management_port), "Pebble's management port")

    def manage(self, path, data=None):
        return request(f"https://127.0.0.1:{self.management_port}{path}", self.ca_file, data)

    def certificate_status(self, serial):
        return json.loads(self.manage(f"/cert-status-by-serial/{serial}"))

    def log_count(self, text):
        return self.process.text().count(text)

    def stop(self):
        self.process.stop()


class Gate:
    """A TLS proxy in front of Pebble that can hold one chosen request before or after Pebble sees it.

    Pebble builds its URLs from the Host header, so a client that begins here stays here.
    """

    def __init__(self, pebble):
        self.pebble = pebble
        self.requests = []  # (method, path, body) in order of arrival
        self.hold = None    # (number, "before" | "after")
        self.held = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.directory = f"https://127.0.0.1:{self.port}/dir"
        key = self.pebble.ca_file.with_suffix(".key")
        self.inside = ssl.create_default_context(cafile=str(self.pebble.ca_file))
        self.outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.outside.load_cert_chain(self.pebble.ca_file, key)
        self.lock = threading.Lock()
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, hold=None):
        with self.lock:
            self.requests, self.hold = [], hold
            self.held.clear()

    def stop(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(60)
            with self.outside.wrap_socket(connection, server_side=True) as client:
                while self._exchange(client):
                    pass

    @staticmethod
    def read_request(stream):
        """(method, path, headers, body) of one request, None at the end."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = stream.recv(65536)
            if not piece:
                return None
            head += piece
        head, body = head.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        while len(body) < int(headers.get("Content-Length", 0)):
            piece = stream.recv(65536)
            if not piece:
                return None
            body += piece
        return (*first.split(" ")[:2], headers, body)

    def _ask_pebble(self, method, path, headers, body):
        """Pebble's answer as bytes, its body in one piece."""
        ca = http.client.HTTPSConnection("127.0.0.1", self.pebble.port, timeout=30, context=self.inside)
        ca.request(method, path, body or None, headers)
        answer = ca.getresponse()
        content = answer.read()
        ca.close()
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}", f"Content-Length: {len(content)}"]
        lines += [f"{k}: {v}" for k, v in answer.getheaders()
                  if k.lower() not in ("content-length", "transfer-encoding")]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def _wait_if_held(self, number, where, client):
        if self.hold != (number, where):
            return False
        self.held.set()
        client.recv(1)  # until the client is killed, or gives up
        return True

    def _exchange(self, client):
        request = self.read_request(client)
        if not request:
            return False
        with self.lock:
            number = len(self.requests)
            self.requests.append((request[0], request[1], request[3]))
        if self._wait_if_held(number, "before", client):
            return False
        answer = self._ask_pebble(*request)
        if self._wait_if_held(number, "after", client):
            return False
        client.sendall(answer)
        return True
