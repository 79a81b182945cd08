#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Strangers at the door of a relay: garbage, halves, silence and slowness, each in a bounded time.

As a program it tries a running relay: hostile.py ADDRESS PORT NAME [STUN-PORT [HTTP-PORT]]. The
tests in test_hostile.py call the same attacks."""
import concurrent.futures
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import time

import nacl.bindings as nacl

import derp

SOON = 5     # what is wrong at once is closed within so many seconds, on a busy machine too
LATE = 35    # and what is slow or silent within these: the deadlines are 30 s
LOGIN = 15   # the login's is 10 s
PAGE = 8     # that of the metrics' port 5 s
STEP = 0.5   # seconds between the bytes of a slow client

ATTACKS = []


class Failed(Exception):
    """The relay did not do what it should."""


class Target:
    """Where the relay is."""

    def __init__(self, address, port, name, stun_port=0, http_port=0, metrics_port=0, proxy_port=0):
        self.address, self.port, self.name, self.proxy_port = address, port, name, proxy_port
        self.stun_port, self.http_port, self.metrics_port = stun_port, http_port, metrics_port

    def tcp(self, port=None):
        s = socket.create_connection((self.address, port or self.port), 10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def tls(self):
        return derp.tls_context().wrap_socket(self.tcp(), server_hostname=self.name)

    def upgraded(self):
        """A client whose login is next, the server's key read."""
        client = derp.Client((self.address, self.port), self.name, login=False)
        client.upgrade(self.name)
        kind, payload = client.read()
        assert kind == derp.SERVER_KEY
        client.server_key = payload[8:40]
        return client

    def client(self):
        return derp.Client((self.address, self.port), self.name)

    def client_hello(self, name=None, protocol="http/1.1"):
        """The first flight of a TLS client."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = derp.tls_context()
        context.set_alpn_protocols([protocol])
        tls = context.wrap_bio(incoming, outgoing, server_hostname=name or self.name)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()


def attack(within, at_least=0, answer=None, needs="port"):
    """Registers an attack: a function of the target that returns a socket and, maybe, bytes to be
    sent one by one. The relay must close it within these seconds; answer must be in what it said.
    needs names the port that it is for."""
    def register(function):
        ATTACKS.append((function.__name__, function, within, at_least, answer, needs))
        return function
    return register


def say(sock, data):
    """Sends; the relay may close before all of it is out."""
    try:
        sock.sendall(data)
    except OSError:
        pass


def until_closed(sock, within, drip=b""):
    """Seconds until the peer closes, and what it said. The bytes of drip go out one by one."""
    said, start = b"", time.monotonic()
    sock.settimeout(STEP)
    while time.monotonic() - start < within:
        try:
            if drip:
                sock.sendall(drip[:1])
                drip = drip[1:]
            got = sock.recv(65536)
            if not got:
                return time.monotonic() - start, said
            said += got
        except (socket.timeout, ssl.SSLWantReadError):
            continue
        except OSError:  # reset, broken pipe, TLS alert
            return time.monotonic() - start, said
    raise Failed("still open after %.0f s" % within)


def run(target, name, function, within, at_least, answer, _):
    """One attack; returns (name, seconds)."""
    try:
        sock, *drip = function(target)
        with sock:
            took, said = until_closed(sock, within, *drip)
    except Failed as e:
        raise Failed("%s: %s" % (name, e)) from None
    if took < at_least:
        raise Failed("%s: closed after %.1f s, a slow client needs %d" % (name, took, at_least))
    if answer and answer not in said:
        raise Failed("%s: answered %r" % (name, said[:200]))
    return name, took


def run_all(target, only=None):
    """All attacks at the same time; returns [(name, seconds)] or raises the first failure."""
    chosen = [a for a in ATTACKS if (not only or a[0] in only) and getattr(target, a[-1])]
    with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
        running = [pool.submit(run, target, *a) for a in chosen]
        return [r.result() for r in running]


# --- TCP and TLS ------------------------------------------------------------------------------------

@attack(LATE, at_least=20)
def silent_tcp(target):
    return (target.tcp(),)


@attack(SOON)
def garbage(target):
    s = target.tcp()
    say(s, b"\x00" + random.Random(1).randbytes(4000))
    return (s,)


@attack(SOON)
def plain_http(target):
    s = target.tcp()
    say(s, b"GET /derp HTTP/1.1\r\nHost: x\r\n\r\n")
    return (s,)


@attack(SOON)
def other_protocol(target):
    s = target.tcp()
    say(s, b"SSH-2.0-OpenSSH_9.2\r\n")
    return (s,)


@attack(LATE, at_least=20)
def half_client_hello(target):
    s = target.tcp()
    hello = target.client_hello()
    say(s, hello[:len(hello) // 2])
    return (s,)


@attack(LATE)
def half_closed_client_hello(target):
    s = target.tcp()
    say(s, target.client_hello()[:100])
    s.shutdown(socket.SHUT_WR)
    return (s,)


@attack(LATE, at_least=20)
def slow_client_hello(target):
    return target.tcp(), target.client_hello()


@attack(LATE, at_least=20)
def hello_and_no_more(target):
    s = target.tcp()
    say(s, target.client_hello())
    return (s,)


@attack(SOON)
def hello_that_claims_much(target):
    s = target.tcp()
    say(s, b"\x16\x03\x01\x00\x04\x01\x02\x00\x00")
    return (s,)


@attack(SOON)
def hello_then_garbage(target):
    s = target.tcp()
    say(s, target.client_hello() + b"\x17\x03\x03\x00\x20" + bytes(32))
    return (s,)


@attack(SOON)
def huge_record(target):
    s = target.tcp()
    say(s, b"\x16\x03\x01\xff\xff" + bytes(70000))
    return (s,)


@attack(SOON)
def garbage_inside_tls(target):
    """Records that do not decrypt, after a good handshake."""
    s = target.tls()
    raw = socket.socket(fileno=s.detach())
    say(raw, b"\x17\x03\x03\x01\x00" + bytes(256))
    return (raw,)


@attack(SOON)
def tls_of_old(target):
    s = target.tcp()
    # SSLv3 / TLS 1.0 ClientHello with one old cipher
    body = b"\x03\x01" + bytes(32) + b"\x00" + b"\x00\x02\x00\x35" + b"\x01\x00"
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    say(s, b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello)
    return (s,)


@attack(SOON)
def acme_name_that_is_a_path(target):
    """The name of an acme-tls/1 hello becomes a file name: not this one."""
    name, path = b"aaaaaaaaaaaaaaaaa.test", b"../../../../etc/passwd"
    assert len(name) == len(path)
    s = target.tcp()
    say(s, target.client_hello(name.decode(), "acme-tls/1").replace(name, path))
    return (s,)


@attack(SOON)
def acme_name_of_nobody(target):
    s = target.tcp()
    say(s, target.client_hello("nobody.test", "acme-tls/1"))
    return (s,)


# --- HTTP -------------------------------------------------------------------------------------------

@attack(LATE, at_least=20)
def silent_tls(target):
    return (target.tls(),)


@attack(LATE, at_least=20)
def half_request(target):
    s = target.tls()
    say(s, b"GET /derp HTTP/1.1\r\nHost: x\r\nUpgr")
    return (s,)


@attack(LATE, at_least=20)
def slow_request(target):
    return target.tls(), b"GET /derp HTTP/1.1\r\nHost: " + b"x" * 500


@attack(LATE)
def idle_after_a_request(target):
    s = target.tls()
    say(s, b"GET /derp/probe HTTP/1.1\r\nHost: x\r\n\r\n")
    return (s,)


@attack(SOON, answer=b" 400 ")
def not_http(target):
    s = target.tls()
    say(s, b"\x02\x00\x00\x00\x40" + bytes(64))
    return (s,)


@attack(SOON, answer=b" 431 ")
def endless_header(target):
    s = target.tls()
    say(s, b"GET / HTTP/1.1\r\nX: " + b"a" * 20000)
    return (s,)


@attack(SOON, answer=b" 431 ")
def many_headers(target):
    s = target.tls()
    say(s, b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: 1\r\n" % i for i in range(300)))
    return (s,)


@attack(SOON, answer=b" 505 ")
def http2_preface(target):
    s = target.tls()
    say(s, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    return (s,)


@attack(LATE, at_least=20)
def empty_lines(target):
    s = target.tls()
    say(s, b"\r\n" * 100)
    return (s,)


# --- The ports without TLS --------------------------------------------------------------------------

def clear(target, port, text):
    s = target.tcp(port)
    say(s, text)
    return s


@attack(LATE, at_least=20, needs="http_port")
def silent_on_the_http_port(target):
    return (target.tcp(target.http_port),)


@attack(LATE, at_least=20, needs="http_port")
def half_request_on_the_http_port(target):
    return (clear(target, target.http_port, b"GET /generate_204 HTTP/1.1\r\nHost: x\r\nX-Tail"),)


@attack(LATE, at_least=20, needs="http_port")
def slow_request_on_the_http_port(target):
    return target.tcp(target.http_port), b"GET /generate_204 HTTP/1.1\r\nHost: " + b"x" * 500


@attack(SOON, answer=b" 400 ", needs="http_port")
def tls_on_the_http_port(target):
    return (clear(target, target.http_port, target.client_hello()),)


@attack(SOON, answer=b" 431 ", needs="http_port")
def endless_header_on_the_http_port(target):
    return (clear(target, target.http_port, b"GET / HTTP/1.1\r\nX: " + b"a" * 20000),)


@attack(PAGE, at_least=3, needs="metrics_port")
def silent_on_the_metrics_port(target):
    return (target.tcp(target.metrics_port),)


@attack(PAGE, at_least=3, needs="metrics_port")
def slow_request_on_the_metrics_port(target):
    return target.tcp(target.metrics_port), b"GET /metrics HTTP/1.1\r\nHost: " + b"x" * 500


@attack(SOON, answer=b" 400 ", needs="metrics_port")
def tls_on_the_metrics_port(target):
    return (clear(target, target.metrics_port, target.client_hello()),)


# --- Login ------------------------------------------------------------------------------------------

@attack(LOGIN, at_least=5)
def silent_login(target):
    return (target.upgraded().socket,)


@attack(LOGIN, at_least=5)
def half_client_info(target):
    c = target.upgraded()
    say(c.socket, struct.pack(">BI", derp.CLIENT_INFO, 200) + bytes(100))
    return (c.socket,)


@attack(LOGIN, at_least=5)
def slow_client_info(target):
    return target.upgraded().socket, struct.pack(">BI", derp.CLIENT_INFO, 200) + bytes(200)


@attack(SOON)
def other_first_frame(target):
    c = target.upgraded()
    say(c.socket, derp.frame(derp.SEND_PACKET, bytes(100)))
    return (c.socket,)


@attack(SOON)
def long_client_info(target):
    c = target.upgraded()
    say(c.socket, struct.pack(">BI", derp.CLIENT_INFO, 256 * 1024 + 1))
    return (c.socket,)


@attack(SOON)
def short_client_info(target):
    c = target.upgraded()
    say(c.socket, derp.frame(derp.CLIENT_INFO, b"\x01" * 55))
    return (c.socket,)


@attack(SOON)
def box_that_does_not_open(target):
    c = target.upgraded()
    say(c.socket, derp.frame(derp.CLIENT_INFO, c.key + os.urandom(200)))
    return (c.socket,)


@attack(SOON)
def zero_key(target):
    c = target.upgraded()
    say(c.socket, derp.frame(derp.CLIENT_INFO, bytes(32) + os.urandom(200)))
    return (c.socket,)


def say_client_info(client, text):
    nonce = os.urandom(24)
    box = nacl.crypto_box(text, nonce, client.server_key, client.secret)
    say(client.socket, derp.frame(derp.CLIENT_INFO, client.key + nonce + box))


JSON_ROOM = 256 * 1024 - 32 - 24 - 16


@attack(SOON)
def deep_json(target):
    c = target.upgraded()
    say_client_info(c, b"[" * JSON_ROOM)
    return (c.socket,)


@attack(SOON)
def wide_json(target):
    c = target.upgraded()
    say_client_info(c, (b'{"x":[' + b"{}," * JSON_ROOM)[:JSON_ROOM])
    return (c.socket,)


@attack(SOON)
def bad_mesh_key(target):
    c = target.upgraded()
    say_client_info(c, json.dumps({"version": 2, "meshKey": "0"}).encode())
    return (c.socket,)


# --- WebSocket --------------------------------------------------------------------------------------

def websocket(target):
    """A WebSocket, its login next."""
    s = target.tls()
    s.sendall(b"GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
              b"Sec-WebSocket-Protocol: derp\r\n\r\n")
    s.settimeout(10)
    said = b""
    while b"\r\n\r\n" not in said:
        got = s.recv(4096)
        if not got:
            raise Failed("no WebSocket: %r" % said[:100])
        said += got
    if b" 101 " not in said.split(b"\r\n")[0]:
        raise Failed("no WebSocket: %r" % said[:100])
    return s


def message(opcode, payload, masked=True, final=True):
    """A WebSocket frame with a mask of zeros."""
    n = len(payload)
    size = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else \
        b"\x7f" + struct.pack(">Q", n)
    size = bytes([size[0] | (0x80 if masked else 0)]) + size[1:]
    return bytes([opcode | (0x80 if final else 0)]) + size + (bytes(4) if masked else b"") + payload


@attack(LOGIN, at_least=5)
def silent_websocket(target):
    return (websocket(target),)


@attack(LOGIN, at_least=5)
def slow_websocket(target):
    return websocket(target), message(2, struct.pack(">BI", derp.CLIENT_INFO, 200) + bytes(100))


@attack(LOGIN, at_least=5)
def half_a_message(target):
    s = websocket(target)
    say(s, message(2, derp.frame(derp.CLIENT_INFO, bytes(900)))[:500])
    return (s,)


@attack(LOGIN, at_least=5)
def empty_messages(target):
    s = websocket(target)
    say(s, message(2, b"") * 5000)
    return (s,)


@attack(SOON)
def unmasked_message(target):
    s = websocket(target)
    say(s, message(2, bytes(10), masked=False))
    return (s,)


@attack(SOON)
def long_message(target):
    s = websocket(target)
    say(s, b"\x82\xff" + struct.pack(">Q", 1 << 62) + bytes(4) + bytes(100000))
    return (s,)


@attack(SOON)
def unknown_opcode(target):
    s = websocket(target)
    say(s, message(7, b"?"))
    return (s,)


@attack(SOON)
def long_ping_message(target):
    s = websocket(target)
    say(s, message(9, bytes(200)))
    return (s,)


@attack(SOON)
def garbage_in_a_websocket(target):
    s = websocket(target)
    say(s, b"\xff" * 10000)
    return (s,)


@attack(SOON)
def wrong_login_in_a_websocket(target):
    s = websocket(target)
    say(s, message(2, derp.frame(derp.CLIENT_INFO, b"\x01" * 300)))
    return (s,)


@attack(SOON)
def flood_of_pings(target):
    """Pings that are never read the pongs of, then nonsense."""
    s = websocket(target)
    say(s, message(9, b"x" * 100) * 3000 + message(7, b"?"))
    return (s,)


# --- Logged in --------------------------------------------------------------------------------------

@attack(SOON)
def frame_too_long(target):
    c = target.client()
    say(c.socket, struct.pack(">BI", derp.SEND_PACKET, 65569))
    return (c.socket,)


@attack(SOON)
def unknown_frame_too_long(target):
    c = target.client()
    say(c.socket, struct.pack(">BI", 0x7F, 0xFFFFFFFF))
    return (c.socket,)


@attack(SOON)
def packet_too_short(target):
    c = target.client()
    say(c.socket, derp.frame(derp.SEND_PACKET, bytes(31)))
    return (c.socket,)


@attack(SOON)
def ping_too_short(target):
    c = target.client()
    say(c.socket, derp.frame(derp.PING, bytes(7)))
    return (c.socket,)


@attack(SOON)
def mesh_frame_of_a_stranger(target):
    c = target.client()
    say(c.socket, derp.frame(0x10))
    return (c.socket,)


@attack(SOON)
def garbage_after_the_login(target):
    c = target.client()
    say(c.socket, b"\xff" * 100000)
    return (c.socket,)


# --- Anything ---------------------------------------------------------------------------------------

def random_bytes(target, count, seed=4):
    """So many connections of each kind that say something senseless and then end their side."""
    rng = random.Random(seed)

    def noise(first=b""):
        return first + rng.randbytes(rng.choice([1, 2, 5, 30, 300, 4000, 40000]))

    def inside_tls(first=b""):
        s = target.tls()
        return s, noise(first)

    kinds = [lambda: (target.tcp(), noise()),
             lambda: (target.tcp(), noise(b"\x16\x03\x01")),
             lambda: (target.tcp(), noise(target.client_hello()[:rng.randrange(1, 500)])),
             inside_tls,
             lambda: inside_tls(b"GET /derp HTTP/1.1\r\n"),
             lambda: (target.upgraded().socket, noise()),
             lambda: (target.upgraded().socket, noise(b"\x02\x00\x00")),
             lambda: (target.client().socket, noise()),
             lambda: (target.client().socket, noise(b"\x04\x00\x00")),
             lambda: (websocket(target), noise()),
             lambda: (websocket(target), noise(b"\x82\xff"))]
    if target.http_port:
        kinds.append(lambda: (target.tcp(target.http_port), noise()))
        kinds.append(lambda: (target.tcp(target.http_port), noise(b"GET / HTTP/1.1\r\n")))
    if target.metrics_port:
        kinds.append(lambda: (target.tcp(target.metrics_port), noise()))
        kinds.append(lambda: (target.tcp(target.metrics_port), noise(b"GET /status HTTP/1.1\r\n")))
    if target.proxy_port:
        header = b"PROXY TCP4 203.0.113.7 127.0.0.1 50000 443\r\n"
        kinds.append(lambda: (target.tcp(target.proxy_port), noise()))
        kinds.append(lambda: (target.tcp(target.proxy_port), noise(b"\r\n\r\n\0\r\nQUIT\n\x21\x11")))
        kinds.append(lambda: (target.tcp(target.proxy_port), noise(header)))
    socks = []
    for kind in kinds:
        for _ in range(count):
            s, words = kind()
            s.settimeout(SOON)
            say(s, words)
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_WR)
            socks.append(s)
    crowd_is_closed(socks, LATE)
    return len(socks)


# --- Crowds -----------------------------------------------------------------------------------------

def crowd(target, count, greet):
    """So many connections, each greeted by greet(socket, n) and then left alone."""
    socks = []
    for n in range(count):
        s = target.tcp()
        greet(s, n)
        socks.append(s)
    return socks


def crowd_is_closed(socks, within):
    """Waits until all of them are closed by the peer."""
    deadline = time.monotonic() + within
    for s in socks:
        while True:
            s.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                if not s.recv(65536):
                    break
            except socket.timeout:
                raise Failed("a connection of a crowd of %d is open after %d s"
                             % (len(socks), within)) from None
            except OSError:
                break
    for s in socks:
        s.close()


def reset_at_once(target, count):
    """Connections that are cut as soon as they stand."""
    for _ in range(count):
        s = target.tcp()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


def hoard_memory(target, count):
    """Logins that announce the longest ClientInfo and send all of it but the last byte."""
    clients = []
    body = struct.pack(">BI", derp.CLIENT_INFO, 256 * 1024) + bytes(256 * 1024 - 1)
    for _ in range(count):
        c = target.upgraded()
        c.socket.settimeout(10)
        try:
            c.socket.sendall(body)
        except OSError:
            pass  # it may be thrown out early: that is a good answer
        clients.append(c)
    return [c.socket for c in clients]


# --- STUN -------------------------------------------------------------------------------------------

def stun_request():
    import relays
    return relays.stun_request()


def stun_garbage(seed=1, count=20000):
    """Datagrams that must not be answered."""
    rng = random.Random(seed)
    good = stun_request()
    fixed = [b"", good[:20], good[:-1], good + b"\0", good[:-4] + bytes(4), bytes(1500), bytes(9000),
             good.replace(b"tailnode", b"somebody"), b"\x01\x01" + good[2:],
             b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12) + b"\x80\x22\xff\xff"]
    yield from fixed
    for _ in range(count):
        kind = rng.randrange(3)
        if kind == 0:
            yield rng.randbytes(rng.randrange(1400))
        elif kind == 1:
            yield good[:8] + rng.randbytes(rng.randrange(200))
        else:
            at = rng.randrange(len(good))
            yield good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1:]


def stun_is_silent(target, datagrams):
    """Sends them all; anything that comes back is a failure. Ends with a good request that is
    answered: then the others have been judged too (one socket, one queue)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((target.address, target.stun_port))
        s.setblocking(False)
        good, answers = stun_request(), []
        transactions = set()
        for n, d in enumerate(datagrams):
            send_patiently(s, d)
            if n % 200 == 199:  # no faster than it can judge
                answers += ask_stun(s, stun_request(), transactions)
        answers += ask_stun(s, good, transactions)
    for a in answers:
        if a[8:20] not in transactions:
            raise Failed("STUN answered %r" % a[:40])


def send_patiently(s, data):
    try:
        s.send(data)
    except (BlockingIOError, InterruptedError, ConnectionRefusedError):
        pass


def ask_stun(s, request, transactions, patience=10):
    """Repeats a good request until it is answered; returns all that was received."""
    transactions.add(request[8:20])
    received, deadline = [], time.monotonic() + patience
    while time.monotonic() < deadline:
        send_patiently(s, request)
        s.settimeout(0.3)
        try:
            while True:
                received.append(s.recv(65536))
                if received[-1][8:20] == request[8:20]:
                    s.setblocking(False)
                    return received
        except (socket.timeout, ConnectionRefusedError):
            continue
    raise Failed("STUN does not answer a good request any more")


def main():
    if len(sys.argv) not in (4, 5, 6):
        sys.exit("usage: hostile.py ADDRESS PORT NAME [STUN-PORT [HTTP-PORT]]")
    target = Target(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
    for name, took in sorted(run_all(target), key=lambda r: r[1]):
        print("%6.1f s  %s" % (took, name))
    if target.stun_port:
        stun_is_silent(target, stun_garbage())
        print("STUN: silent to garbage")


if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../interop"))
    main()
