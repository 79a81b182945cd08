# SPDX-License-Identifier: Apache-2.0
"""The edges of TLS and TCP, of derpd and of derper alike: KeyUpdate, both ends of a connection, and
halves of it. OpenSSL is the client, because Go's TLS can do none of this."""
import pathlib
import socket
import sys
import time

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "system"))
try:
    import derp
except ImportError as e:
    pytest.skip("python3-nacl is missing: %s" % e, allow_module_level=True)
import libssl  # noqa: E402
from conftest import SERVERS  # noqa: E402

KEY_UPDATES = 16  # in a row
PATIENCE = 30
PROBE = b"GET /derp/probe HTTP/1.1\r\nHost: x\r\n\r\n"
PROBE_AND_CLOSE = b"GET /derp/probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Client(derp.Client):
    """A DERP client over OpenSSL."""

    def __init__(self, relay, only=None, **options):
        self.only = only
        super().__init__(("127.0.0.1", relay.port), relay.name, **options)

    def wrap(self, raw, host, ca):
        return libssl.Socket(raw, host, self.only)

    def read_to_the_end(self):
        """How the relay ends this connection."""
        while self.socket.recv(65536):
            pass
        return self.socket.ended

    def read_page(self):
        """What the relay says before it ends."""
        said = b""
        while True:
            got = self.socket.recv(65536)
            if not got:
                return said
            said += got


@pytest.fixture(scope="module", params=SERVERS)
def relay(request, make_relay):
    with make_relay(request.param) as r:
        yield r


@pytest.fixture
def pair(relay):
    with Client(relay) as a, Client(relay) as b:
        yield a, b


def talk(a, b, times=3):
    for i in range(times):
        for x, y in ((a, b), (b, a)):
            packet = b"%d" % i + bytes(1000 * i)
            x.send(y.key, packet)
            assert y.receive() == (x.key, packet)


def ends_with_close_notify(relay, client):
    """derper at times closes the socket before it has said so."""
    return client.read_to_the_end() == "close_notify" or relay.kind == "derper"


def was_heard_before(relay, a, b):
    """derper notes only while it writes a packet who is to hear of its sender's end, and may come too
    late when that ends at once."""
    if relay.kind == "derper":
        talk(a, b, times=1)


def hears_the_last_of(b, a, packet=b"last words"):
    """b gets a's packet and hears that a has gone, in whatever order."""
    due = [(derp.RECV_PACKET, a.key + packet), (derp.PEER_GONE, a.key + b"\0")]
    while due:
        frame = b.read()
        if frame[0] != derp.KEEP_ALIVE:
            due.remove(frame)


# --- Versions and keys --------------------------------------------------------------------------------

@pytest.mark.parametrize("only", [libssl.TLS12, libssl.TLS13], ids=["TLS 1.2", "TLS 1.3"])
def test_one_version_only(relay, only):
    with Client(relay, only) as a, Client(relay) as b:
        assert a.socket.version == only and b.socket.version == libssl.TLS13
        talk(a, b)


@pytest.mark.parametrize("requested", [False, True], ids=["one side", "both sides"])
def test_key_update(pair, requested):
    """Packets flow on in both directions; whoever asks for the other side's new key gets it."""
    a, b = pair
    for _ in range(3 * KEY_UPDATES):
        a.socket.key_update(requested)
        talk(a, b, times=1)
    assert a.socket.key_updates == (3 * KEY_UPDATES if requested else 0)


def test_key_update_inside_a_frame(pair):
    a, b = pair
    frame = derp.frame(derp.SEND_PACKET, b.key + bytes(40000))
    for i in range(0, len(frame), 4000):
        a.socket.key_update(True)
        a.socket.sendall(frame[i:i + 4000])
    assert b.receive() == (a.key, bytes(40000))
    talk(a, b)


def test_key_updates_in_a_row(pair):
    a, b = pair
    for requested in (False, True):
        for _ in range(KEY_UPDATES):
            a.socket.key_update(requested)
        talk(a, b)


def test_key_updates_without_end(relay, pair):
    """Too many in a row, which cost the relay and say nothing, end the connection, and no other."""
    with Client(relay) as c:
        try:
            for _ in range(KEY_UPDATES + 1):
                c.socket.key_update()
            assert c.read_to_the_end()
        except ConnectionError:
            pass
    talk(*pair)


# --- The end, both ways -----------------------------------------------------------------------------------

@pytest.mark.parametrize("only", [libssl.TLS12, libssl.TLS13], ids=["TLS 1.2", "TLS 1.3"])
def test_close_notify_is_answered(relay, pair, only):
    """The client's socket is still open both ways; its packets before the end arrive, and its peers
    hear of it."""
    _, b = pair
    with Client(relay, only) as a:
        was_heard_before(relay, a, b)
        a.send(b.key, b"last words")
        a.socket.close_notify()
        assert ends_with_close_notify(relay, a)
        hears_the_last_of(b, a)


@pytest.mark.parametrize("notify", [True, False], ids=["close_notify", "FIN alone"])
def test_half_closed(relay, pair, notify):
    """A client that ends its own side only is ended whole: the relay keeps nothing for it."""
    _, b = pair
    with Client(relay) as a:
        was_heard_before(relay, a, b)
        a.send(b.key, b"last words")
        if notify:
            a.socket.close_notify()
        a.socket.raw.shutdown(socket.SHUT_WR)
        hears_the_last_of(b, a)
        b.send(a.key, derp.DISCO + bytes(56))
        assert b.read_until(derp.PEER_GONE) == a.key + b"\1"
        assert ends_with_close_notify(relay, a) if notify else a.read_to_the_end()


def test_half_closed_inside_a_frame(relay, pair):
    _, b = pair
    with Client(relay) as a:
        was_heard_before(relay, a, b)
        a.send(b.key, b"whole")
        a.socket.sendall(derp.frame(derp.SEND_PACKET, b.key + b"torn")[:-1])
        a.socket.raw.shutdown(socket.SHUT_WR)
        hears_the_last_of(b, a, b"whole")
        assert a.read_to_the_end()


def test_half_closed_in_the_handshake(relay, pair):
    with socket.create_connection(("127.0.0.1", relay.port), PATIENCE) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1000):
            pass
    talk(*pair)


@pytest.mark.parametrize("end", ["close_notify", "FIN", "both"])
def test_request_that_comes_with_its_end_is_answered(relay, end):
    """Also when all of it comes in one segment."""
    with Client(relay, login=False) as c:
        c.socket.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        c.socket.sendall(PROBE)
        if end != "FIN":
            c.socket.close_notify()
        if end != "close_notify":
            c.socket.raw.shutdown(socket.SHUT_WR)
        c.socket.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        assert c.read_page().startswith(b"HTTP/1.1 200 ")


def test_plain_request_that_comes_with_its_end_is_answered(relay):
    with socket.create_connection(("127.0.0.1", relay.ports[2]), PATIENCE) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        raw.sendall(b"GET /generate_204 HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.shutdown(socket.SHUT_WR)
        said = b""
        while got := raw.recv(1000):
            said += got
        assert said.startswith(b"HTTP/1.1 204 ")


def test_the_relay_ends_with_close_notify(relay):
    with Client(relay, login=False) as c:
        c.socket.sendall(PROBE_AND_CLOSE)
        assert c.read_page().startswith(b"HTTP/1.1 200 ")
        assert c.socket.ended == "close_notify"
