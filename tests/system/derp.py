# SPDX-License-Identifier: Apache-2.0
"""A small DERP client of the tests' own, written from docs/PROTOCOL.md, on NaCl's Python binding."""
import base64
import hashlib
import json
import os
import socket
import ssl
import struct

import nacl.bindings as nacl

SERVER_KEY, CLIENT_INFO, SERVER_INFO, SEND_PACKET, RECV_PACKET, KEEP_ALIVE = 1, 2, 3, 4, 5, 6
NOTE_PREFERRED, PEER_GONE, PING, PONG, HEALTH, RESTARTING = 7, 8, 0x12, 0x13, 0x14, 0x15
PEER_PRESENT, FORWARD_PACKET, WATCH_CONNS, CLOSE_PEER = 9, 0x0a, 0x10, 0x11
MAGIC = b"DERP\xf0\x9f\x94\x91"
DISCO = b"TS\xf0\x9f\x92\xac"


def frame(kind, payload=b""):
    return struct.pack(">BI", kind, len(payload)) + payload


def tls_context(ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the system's roots, slow to load
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Client:
    """A logged-in client. `with Client(relay) as c: c.send(other.key, b"hello")`."""

    def __init__(self, address, host, ca=None, secret=None, info=None, login=True, timeout=10,
                 raw=None):
        self.secret = secret or os.urandom(32)
        self.key = nacl.crypto_scalarmult_base(self.secret)
        raw = raw or socket.create_connection(address, timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go's clients
        self.socket = self.wrap(raw, host, ca)
        self.buffer = b""
        if login:
            self.upgrade(host)
            self.login(info)

    def wrap(self, raw, host, ca):
        tls = tls_context(ca).wrap_socket(raw, server_hostname=host)
        self.leaf = tls.getpeercert(binary_form=True)
        return tls

    def upgrade(self, host, fast=True):
        self.socket.sendall(b"GET /derp HTTP/1.1\r\nHost: %s\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n%s\r\n"
                            % (host.encode(), b"Derp-Fast-Start: 1\r\n" if fast else b""))

    def login(self, info=None):
        kind, payload = self.read()
        assert kind == SERVER_KEY and payload[:8] == MAGIC
        self.server_key = payload[8:40]
        body = json.dumps(info if info is not None else {"version": 2, "CanAckPings": True}).encode()
        nonce = os.urandom(24)
        box = nacl.crypto_box(body, nonce, self.server_key, self.secret)
        self.socket.sendall(frame(CLIENT_INFO, self.key + nonce + box))
        kind, payload = self.read()
        assert kind == SERVER_INFO, kind
        opened = nacl.crypto_box_open(payload[24:], payload[:24], self.server_key, self.secret)
        assert json.loads(opened)["version"] == 2

    def read_exactly(self, n):
        while len(self.buffer) < n:
            got = self.socket.recv(65536)
            if not got:
                raise EOFError("closed by the relay")
            self.buffer += got
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def read(self):
        """The next frame: (type, payload)."""
        kind, n = struct.unpack(">BI", self.read_exactly(5))
        return kind, self.read_exactly(n)

    def read_until(self, wanted):
        """Payload of the next frame of a type; others are passed over."""
        while True:
            kind, payload = self.read()
            if kind == wanted:
                return payload

    def send(self, key, packet):
        self.socket.sendall(frame(SEND_PACKET, key + packet))

    def receive(self):
        """The next packet: (source key, bytes)."""
        payload = self.read_until(RECV_PACKET)
        return payload[:32], payload[32:]

    def ping(self):
        data = os.urandom(8)
        self.socket.sendall(frame(PING, data))
        assert self.read_until(PONG) == data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class WebSocketClient(Client):
    """The same through WebSocket messages of at most `piece` bytes."""

    piece = 30000

    def upgrade(self, host, fast=True):
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(b"GET /derp HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                            b"Sec-WebSocket-Protocol: derp\r\n\r\n" % (host.encode(), key))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        assert head.startswith(b"HTTP/1.1 101 ") and base64.b64encode(accept) in head
        assert b"Sec-WebSocket-Protocol: derp\r\n" in head
        self.socket, self.raw = Messages(self.socket, self.piece), self.socket


class Messages:
    """Binary WebSocket messages that look like a socket."""

    def __init__(self, raw, piece):
        self.raw, self.piece, self.control = raw, piece, []

    def sendall(self, data):
        for i in range(0, len(data), self.piece):
            self.send_frame(0x82, data[i:i + self.piece])

    def send_frame(self, first, payload):
        n = len(payload)
        head = (bytes([first, 0x80 | n]) if n <= 125 else
                bytes([first, 0x80 | 126]) + struct.pack(">H", n) if n < 65536 else
                bytes([first, 0x80 | 127]) + struct.pack(">Q", n))
        mask = os.urandom(4)
        body = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.raw.sendall(head + mask + body)

    def exactly(self, n):
        out = b""
        while len(out) < n:
            got = self.raw.recv(n - len(out))
            if not got:
                raise EOFError("closed by the relay")
            out += got
        return out

    def recv(self, _):
        while True:
            first, n = self.exactly(2)
            assert n < 127
            if n == 126:
                n = struct.unpack(">H", self.exactly(2))[0]
            payload = self.exactly(n)
            if first == 0x82:
                return payload
            self.control.append((first, payload))
            if first == 0x88:
                return b""

    def close(self):
        self.raw.close()
