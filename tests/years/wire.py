# SPDX-License-Identifier: Apache-2.0
"""The sockets of the simulation: the CA's HTTPS port, a name server, and a relay that serves what `current`
leads to, as derpd does. One set for all seeds of a process; each seed plugs its world in."""
import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from acme_wire import CUT, Request
from ca import SILENT

HOST = "127.0.0.1"


def self_signed(folder, name, names=(), addresses=()):
    """A certificate that is good for as long as any simulation: (file, key file)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    san = [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(datetime.datetime(2020, 1, 1))
            .not_valid_after(datetime.datetime(2049, 1, 1)).add_extension(x509.SubjectAlternativeName(san), False)
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return cert_file, key_file


def server_context(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


class Port:
    """A TCP port whose connections get a thread each. It can stop listening and begin again on the same number."""

    def __init__(self, serve):
        self.serve, self.listener = serve, None
        self.holder = socket.socket()  # keeps the number when nobody listens
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.holder.bind((HOST, 0))
        self.number = self.holder.getsockname()[1]
        self.open()

    def open(self):
        if self.listener:
            return
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.listener.bind((HOST, self.number))
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def close(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            self.listener.close()
            self.listener = None

    def accept(self, listener):
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.guard, args=(raw,), daemon=True).start()

    def guard(self, raw):
        raw.settimeout(60)
        with contextlib.suppress(OSError), raw:
            self.serve(raw)


def read_head(stream):
    """Request line and headers (lower case names) of a request, None at the end."""
    line = stream.readline(8192)
    if not line.endswith(b"\r\n"):
        return None
    headers = {}
    while True:
        one = stream.readline(8192)
        if one in (b"\r\n", b""):
            return line.decode().split(), headers
        name, _, value = one.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()


REASONS = {200: "OK", 201: "Created", 204: "No Content"}


class CaPort:
    """HTTPS for all CAs of the world; `world.network` says what the way there is like."""

    def __init__(self, folder):
        self.world = None
        self.lock, self.stalled = threading.Lock(), 0
        files = self_signed(folder, "ca", addresses=[HOST])
        self.ca_file = files[0]
        self.good = server_context(files)
        self.foreign = server_context(self_signed(folder, "portal", ["login.portal.test"]))
        self.port = Port(self.serve)
        self.url = f"https://{HOST}:{self.port.number}"

    def serve(self, raw):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        network = self.world.network
        if network == "down":
            return
        if network == "silent":
            self.wait_for_close(raw)
            return
        context = self.foreign if network == "portal" else self.good
        with context.wrap_socket(raw, server_side=True) as tls, tls.makefile("rb") as stream:
            while True:
                head = read_head(stream)
                if head is None or not self.respond(tls, stream, *head):
                    return

    def wait_for_close(self, sock):
        """Nobody answers: the client's clock runs until it gives up."""
        self.stall(1)
        try:
            while sock.recv(65536):
                pass
        finally:
            self.stall(-1)

    def stall(self, more):
        """More or fewer connections on which nobody answers: while there are some, waits of derp-acme are short."""
        with self.lock:
            self.stalled += more
            self.world.shared.stall = self.stalled

    def respond(self, tls, stream, line, headers):
        method, path = line[0], line[1]
        body = stream.read(int(headers.get("content-length", 0)))
        answer = self.world.answer(Request(method, path, body))
        if answer is CUT:
            return False
        if answer is SILENT:
            self.wait_for_close(tls)
            return False
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Other')}", f"Date: {self.world.http_date()}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if "Content-Length" not in answer.headers:
            lines.append(f"Content-Length: {len(answer.body)}")
        tls.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else answer.body))
        # A length that is not kept shows when the connection ends.
        return "Content-Length" not in answer.headers


class RelayPort:
    """The relay's TLS port."""

    def __init__(self):
        self.world = None
        self.port = Port(self.serve)

    def serve(self, raw):
        relay = self.world.machine.relay
        relay.look()
        if relay.stubborn:  # and slow: fewer looks of derp-acme's until it gives up
            self.world.clock.pass_time(2.5)
        with relay.context.wrap_socket(raw, server_side=True) as tls, tls.makefile("rb") as stream:
            head = read_head(stream)
            if head is None:
                return
            echo = head[1].get("x-tailscale-challenge")
            line = f"X-Tailscale-Response: response {echo}\r\n" if echo else ""
            tls.sendall(f"HTTP/1.1 204 No Content\r\n{line}Connection: close\r\n\r\n".encode())


A, SOA, AAAA, CAA = 1, 6, 28, 257


class NameServer:
    """Answers for every name what world.dns(name, type) says: (rcode, [record data])."""

    def __init__(self):
        self.world = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.number = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            with contextlib.suppress(ValueError, IndexError, struct.error):
                answer = self.answer(query)
                if answer:
                    self.socket.sendto(answer, peer)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, = struct.unpack_from(">H", query, at + 1)
        question = query[12:at + 5]
        found = self.world.dns(".".join(labels).lower(), kind)
        if found is None:
            return None
        code, records = found
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for data in records)


def caa_record(value, tag="issue"):
    return bytes([0, len(tag)]) + tag.encode() + value.encode()
