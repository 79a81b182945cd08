# SPDX-License-Identifier: Apache-2.0
"""derpd behind something else: TCP passed through by nginx and HAProxy, with and without the PROXY
protocol, and nginx as an HTTP proxy, which DERP does not survive."""
import hashlib
import re
import socket
import threading
import time

import pytest

import derp
import fronts
import pki
import relays
from fronts import FrontedRelay, header_v1, header_v2
from test_derpd import AcmeRelay, eventually, leaf_hash, metric, reload, run, status
from test_who import connections, short
from verifier import Source

WATCH_CONNS, PEER_PRESENT = 0x10, 0x09
HELLO = b"\x16\x03\x01\x02\x00"  # a TLS client begins so


def is_closed(raw, patience=5):
    """Does the relay close it, with nothing said?"""
    raw.settimeout(patience)
    try:
        return raw.recv(1000) == b""
    except ConnectionError:
        return True
    except socket.timeout:
        return False


@pytest.fixture(scope="module")
def front(derpd_binary, authority):
    with FrontedRelay(derpd_binary, authority) as r:
        yield r


@pytest.fixture(scope="module", autouse=True)
def slow_ones(front):
    """Connections whose header does not come, opened before all tests and looked at after them: one
    silent, one whose header stops, and one that sends a byte from time to time."""
    socks = [front.connect() for _ in range(3)]
    began = time.monotonic()
    socks[1].sendall(header_v2("203.0.113.9", 9)[:20])
    over = threading.Event()

    def trickle():
        for byte in header_v2("203.0.113.9", 9, tlvs=b"\4\1\0" + bytes(256)):
            if over.wait(1):
                return
            try:
                socks[2].sendall(bytes([byte]))
            except OSError:
                return
    thread = threading.Thread(target=trickle)
    thread.start()
    yield socks, began
    over.set()
    thread.join()
    for s in socks:
        s.close()


# --- The header ---------------------------------------------------------------------------------------

HEADERS = [
    (header_v2("203.0.113.7", 50000), "203.0.113.7:50000"),
    (header_v2("2001:db8::7", 50001), "[2001:db8::7]:50001"),
    (header_v2("::ffff:203.0.113.8", 50002), "203.0.113.8:50002"),
    (header_v2("203.0.113.9", 50003, tlvs=b"\2\0\4name" + b"\4\0\0"), "203.0.113.9:50003"),
    (header_v2("203.0.113.10", 50004, tlvs=b"\4\3\xe1" + bytes(993)), "203.0.113.10:50004"),  # 1,024 bytes
    (header_v1("203.0.113.11", 50005), "203.0.113.11:50005"),
    (header_v1("2001:db8::b", 50006), "[2001:db8::b]:50006"),
]


@pytest.mark.tsan
@pytest.mark.parametrize("header, client", HEADERS, ids=["v2 IPv4", "v2 IPv6", "v2 mapped", "v2 TLVs",
                                                         "v2 longest", "v1 IPv4", "v1 IPv6"])
@pytest.mark.parametrize("how", ["whole", "together", "pieces"])
def test_header_names_the_client(front, header, client, how):
    """Also in one segment with the ClientHello, and byte by byte."""
    def connect():
        if how == "pieces":
            raw = front.connect()
            for byte in header:
                raw.sendall(bytes([byte]))
            return front.client(raw=raw)
        return front.behind(header, flags=socket.MSG_MORE if how == "together" else 0)

    before, handshakes = front.count("ok"), metric(front, 'derp_tls_handshakes_total{outcome="ok"}')
    with connect() as a, front.client() as b:
        a.send(b.key, b"hello")
        assert b.receive() == (a.key, b"hello")
        assert front.logins()[-2] == client and front.logins()[-1].startswith("127.0.0.1:")
        assert "%s: connected through 127.0.0.1:" % client in front.text()
    assert front.count("ok") == before + 1
    assert metric(front, 'derp_tls_handshakes_total{outcome="ok"}') == handshakes + 2


@pytest.mark.parametrize("header", [
    header_v2(), header_v2("203.0.113.7", 1, command=0x20), header_v2("203.0.113.7", 1, family=0x12),
    header_v2("203.0.113.7", 1, family=0), b"PROXY UNKNOWN\r\n"],
    ids=["local", "local with addresses", "datagram", "no family", "unknown"])
def test_without_a_client_the_sockets_address_stands(front, header):
    with front.behind(header) as a:
        a.ping()
        assert front.logins()[-1] == "127.0.0.1:%d" % a.socket.getsockname()[1]


@pytest.mark.skipif(not relays.has_ipv6(), reason="no IPv6")
def test_from_ipv6(front):
    with front.behind(header_v2("2001:db8::66", 6), source="::1") as a:
        a.ping()
        assert front.logins()[-1] == "[2001:db8::66]:6"


def test_no_header_is_refused_at_once_and_said_once(front):
    before = front.count("bad_header")
    bad = [HELLO, b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 203.0.113.7 127.0.0.1 1\r\n",
           header_v2("203.0.113.7", 1)[:14] + b"\0\x0b" + bytes(11), b"\0", b"PROXY UNKNOWN" + b"x" * 100,
           header_v2("203.0.113.7", 1, tlvs=b"\4\0\1"), header_v2("203.0.113.7", 1, command=0x31),
           header_v2("203.0.113.7", 1, tlvs=b"\4\3\xe2" + bytes(994)),
           header_v2("203.0.113.7", 1, tlvs=b"\3\0\4" + bytes(4))]
    for first in bad:
        with front.connect() as raw:
            raw.sendall(first)
            assert is_closed(raw), first
    assert front.count("bad_header") == before + len(bad)
    assert front.text().count("the load balancer 127.0.0.1 sends no PROXY header") == 1
    assert metric(front, 'derp_tls_handshakes_total{outcome="failed"}') == 0


def test_a_header_is_no_way_in_elsewhere(front):
    with socket.create_connection(("127.0.0.1", front.port), 10) as raw:
        raw.sendall(header_v2("203.0.113.77", 1))
        raw.settimeout(5)
        try:
            assert raw.recv(1000)[:1] in (b"", b"\x15")  # the end, perhaps after an alert
        except ConnectionError:
            pass
    assert "203.0.113.77" not in front.text()


@pytest.mark.tsan
def test_strangers_are_closed_at_once_and_said_once(front):
    before = front.count("not_allowed")
    for _ in range(20):
        with front.connect("127.0.0.9") as raw:
            assert is_closed(raw)
    with pytest.raises(OSError):
        front.behind(header_v2("203.0.113.7", 1), source="127.0.0.9").ping()
    assert front.count("not_allowed") == before + 21
    assert front.text().count("127.0.0.9 is refused: only the addresses of proxy-from") == 1


def test_health_checks_that_only_connect_are_no_fault(front):
    bad, open_now = front.count("bad_header"), status(front)["connections"]["open"]
    for _ in range(5):
        front.connect().close()
    eventually(lambda: status(front)["connections"]["open"] == open_now, "they are gone")
    assert front.count("bad_header") == bad


def test_who_is_believed_can_be_reloaded(derpd_binary, authority):
    with FrontedRelay(derpd_binary, authority) as r:
        with r.behind(header_v2("203.0.113.7", 1)) as old:
            r.config.write_text(r.config.read_text().replace("127.0.0.1 ::1", "127.0.0.8/30"))
            assert reload(r)
            with r.connect() as raw:
                assert is_closed(raw)
            for source in ("127.0.0.8", "127.0.0.11"):
                with r.behind(header_v2("203.0.113.7", 1), source) as a:
                    a.ping()
            with r.connect("127.0.0.12") as raw:
                assert is_closed(raw)
            old.ping()  # whoever is here already stays


def test_listen_proxy_needs_proxy_from(front, derpd_binary, tmp_path):
    config = tmp_path / "derp.conf"
    config.write_text(re.sub("proxy-from = .*\n", "", front.config.read_text()))
    r = run(derpd_binary, "--config", str(config), "--check")
    assert r.returncode == 1 and "listen-proxy needs proxy-from" in r.stderr


# --- Where the address goes -------------------------------------------------------------------------------

def test_admission_is_asked_about_the_client(derpd_binary, authority):
    with Source() as source:
        source.anyone, source.strangers = True, {"203.0.113.66"}
        relay = FrontedRelay(derpd_binary, authority)
        relay.more = "[admission]\nallow = %s\n" % source.where
        with relay as r:
            for address in ("203.0.113.7", "2001:db8::7"):
                with r.behind(header_v2(address, 1)) as a:
                    a.ping()
            with pytest.raises((OSError, EOFError)):
                r.behind(header_v2("203.0.113.66", 1))
            assert source.addresses == ["203.0.113.7", "2001:db8::7", "203.0.113.66"]
            eventually(lambda: "from 203.0.113.66 may not use this relay" in r.text(), "it is said")


def test_the_list_and_mesh_peers_name_the_client(derpd_binary, authority):
    with FrontedRelay(derpd_binary, authority, mesh=True) as r, \
            r.client(info={"version": 2, "meshKey": relays.MESH_KEY}) as peer:
        peer.socket.sendall(derp.frame(WATCH_CONNS))
        for source, mapped in (("203.0.113.7", "::ffff:203.0.113.7"), ("2001:db8::7", "2001:db8::7")):
            with r.behind(header_v2(source, 50000)) as a:
                while (seen := peer.read_until(PEER_PRESENT))[:32] != a.key:
                    pass
                assert seen[32:50] == socket.inet_pton(socket.AF_INET6, mapped) + (50000).to_bytes(2, "big")
                listed = connections(r)[short(a.key)]["address"]
                assert listed == ("[%s]:50000" if ":" in source else "%s:50000") % source


# --- Real programs in front --------------------------------------------------------------------------------

def talk(front, port, *sources):
    """Two clients with these addresses talk through a program in front of the relay."""
    with front.behind(source=sources[0], to=port) as a, front.behind(source=sources[1], to=port) as b:
        for size in (0, 1, 1280, 65536):
            a.send(b.key, b"x" * size)
            assert b.receive() == (a.key, b"x" * size)
            b.send(a.key, b"y" * size)
            assert a.receive() == (b.key, b"y" * size)
        return [a.socket.getsockname()[1], b.socket.getsockname()[1]]


def test_nginx_stream_passes_tcp_through(front):
    with fronts.nginx_stream(front.port, proxy_protocol=False) as nginx:
        talk(front, nginx.port, "127.0.0.21", "127.0.0.22")
        assert all(a.startswith("127.0.0.1:") for a in front.logins()[-2:])  # nginx's own
        assert status(front)["proxiedRequests"] == 0


def test_nginx_stream_tells_the_clients_address(front):
    """nginx sends version 1."""
    with fronts.nginx_stream(front.proxy_port, proxy_protocol=True) as nginx:
        ports = talk(front, nginx.port, "127.0.0.31", "127.0.0.32")
        assert front.logins()[-2:] == ["127.0.0.31:%d" % ports[0], "127.0.0.32:%d" % ports[1]]


@pytest.mark.parametrize("options", ["send-proxy-v2", "send-proxy",
                                     "send-proxy-v2 proxy-v2-options crc32c,authority"])
def test_haproxy_tells_the_clients_address(front, options):
    with fronts.haproxy(front.proxy_port, options) as haproxy:
        ports = talk(front, haproxy.port, "127.0.0.41", "127.0.0.42")
        assert front.logins()[-2:] == ["127.0.0.41:%d" % ports[0], "127.0.0.42:%d" % ports[1]]


def test_haproxys_health_checks_are_local(front):
    ok, bad = front.count("ok"), front.count("bad_header")
    with fronts.haproxy(front.proxy_port, "send-proxy-v2 check inter 50ms") as haproxy:
        eventually(lambda: front.count("ok") >= ok + 3, "checks come")
        talk(front, haproxy.port, "127.0.0.51", "127.0.0.52")
    assert front.count("bad_header") == bad


class FrontedAcmeRelay(FrontedRelay, AcmeRelay):
    """With a challenge folder, as derp-acme fills it."""


def test_a_certificate_can_be_validated_through_nginx(derpd_binary, authority):
    """acme-tls/1 (RFC 8737) ends in the relay, which has no other way to get a certificate there."""
    context = derp.tls_context()
    context.set_alpn_protocols(["acme-tls/1"])
    with FrontedAcmeRelay(derpd_binary, authority) as r, \
            fronts.nginx_stream(r.proxy_port, proxy_protocol=True) as nginx:
        _, chain, key = pki.self_signed(relays.HOST)
        (r.acme / "challenge" / (relays.HOST + ".pem")).write_bytes(chain + key)
        r._give_all()
        raw = socket.create_connection(("127.0.0.1", nginx.port), 10)
        with context.wrap_socket(raw, server_hostname=relays.HOST) as tls:
            assert tls.selected_alpn_protocol() == "acme-tls/1"
            assert hashlib.sha256(tls.getpeercert(True)).hexdigest() == leaf_hash(chain)
        assert metric(r, 'derp_tls_handshakes_total{outcome="acme"}') == 1


REQUEST = (b"GET /derp HTTP/1.1\r\nHost: relay.interop.test\r\nUser-Agent: Go-http-client/1.1\r\n"
           b"Connection: Upgrade\r\nUpgrade: DERP\r\n\r\n")


@pytest.mark.parametrize("lines, answer", [
    ([], b"HTTP/1.1 426"),  # the upgrade is lost on the way
    (["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;",
      'proxy_set_header Connection "upgrade";',
      "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"], b"HTTP/1.1 101"),
    (["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;",
      'proxy_set_header Connection "upgrade";', "proxy_set_header X-Real-IP $remote_addr;"],
     b"HTTP/1.1 101"),
], ids=["plain", "X-Forwarded-For", "X-Real-IP"])
def test_nginx_as_http_proxy_is_noticed(relay, lines, answer):
    with fronts.nginx_http(relay.port, relay.chain, relay.key, *lines) as nginx:
        for _ in range(3):
            with derp.Client(("127.0.0.1", nginx.port), relays.HOST, login=False) as c:
                c.socket.sendall(REQUEST)
                assert c.socket.recv(1000).startswith(answer), nginx.text()
        assert status(relay)["proxiedRequests"] == 3
        assert relay.text().count("through an HTTP proxy at 127.0.0.1") == 1
    with relay.client() as c:  # the real ones are not taken for it
        c.ping()
        assert status(relay)["proxiedRequests"] == 3


# --- Last: the slow ones --------------------------------------------------------------------------------------

def test_slow_headers_have_the_handshakes_deadline(front, slow_ones):
    socks, began = slow_ones
    for s in socks:
        assert is_closed(s, max(1.0, began + 40 - time.monotonic()))
    assert 29 < time.monotonic() - began < 40
    assert front.count("timeout") == 3
