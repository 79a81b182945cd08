# SPDX-License-Identifier: Apache-2.0
"""derpd told to end: its clients are told first, and nobody holds it up for longer than its bound."""
import signal
import socket
import struct
import threading
import time

import pytest

import derp
import fronts
import hostile
import relays
from fronts import FrontedRelay
from test_derpd import PATIENCE, ask_stun, eventually, metric, status
from verifier import Source

BOUND = 3    # seconds that derpd gives its clients
SLACK = 2.5  # and a busy machine takes


class EndsInOrder(derp.Client):
    """A client that tells the end of TLS (close_notify) from the mere end of the stream."""

    def wrap(self, raw, host, ca):
        return derp.tls_context(ca).wrap_socket(raw, server_hostname=host, suppress_ragged_eofs=False)


def terminate(relay, signals=(signal.SIGTERM,)):
    """Seconds until it has ended, with 0."""
    began = time.monotonic()
    for s in signals:
        relay.process.send_signal(s)
    assert relay.process.wait(PATIENCE) == 0, relay.text()
    return time.monotonic() - began


@pytest.mark.tsan
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_everybody_is_told_and_it_ends_when_they_have_gone(relay, how):
    address, ca = ("127.0.0.1", relay.port), str(relay.folder / "ca.pem")
    clients = [EndsInOrder(address, relays.HOST, ca) for _ in range(10)]
    clients += [derp.WebSocketClient(address, relays.HOST, ca) for _ in range(5)]
    for a, b in zip(clients, clients[1:] + clients[:1]):
        a.send(b.key, b"before the end")
    eventually(lambda: status(relay)["packets"]["other"]["sent"] == len(clients), "the relay has them")
    began = time.monotonic()
    relay.process.send_signal(how)
    for c in clients:
        got = []
        while len(got) < 2:
            kind, payload = c.read()
            if kind in (derp.RESTARTING, derp.RECV_PACKET):
                got.append((kind, payload[-14:]))
        assert sorted(got) == [(derp.RECV_PACKET, b"before the end"), (derp.RESTARTING, struct.pack(">II", 0, 10000))]
    for c in clients:
        try:
            with pytest.raises(EOFError):
                while True:
                    c.read()
        finally:
            c.close()
    assert relay.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < BOUND  # nobody was waited for
    assert relay.text().count("draining: clients are told to come back") == 1
    assert relay.text().rstrip().endswith("stopped")


def half_open(relay):
    """Connections that stand still at each stage before the login."""
    target = hostile.Target("127.0.0.1", relay.port, relays.HOST)
    hello = target.client_hello()

    def sent(data, port=relay.port):
        s = socket.create_connection(("127.0.0.1", port), 10)
        s.sendall(data)
        return s

    idle = target.tls()
    request = target.tls()
    request.sendall(b"GET /derp HTTP/1.1\r\nHos")
    login = target.upgraded().socket
    login.sendall(struct.pack(">BI", derp.CLIENT_INFO, 300) + bytes(100))
    return [sent(b""), sent(hello[:3]), sent(hello[:-1]), sent(hello), idle, request, target.upgraded().socket,
            login, sent(b"", relay.ports[2]), sent(b"GET / HT", relay.ports[2]), sent(b"", relay.ports[3]),
            sent(b"GET /met", relay.ports[3]), sent(b"", relay.proxy_port),
            sent(fronts.header_v2("203.0.113.7", 7)[:20], relay.proxy_port),
            sent(fronts.header_v2("203.0.113.7", 7), relay.proxy_port)]


@pytest.fixture
def front(derpd_binary, authority):
    with FrontedRelay(derpd_binary, authority) as r:
        yield r


@pytest.mark.tsan
def test_half_open_connections_do_not_hold_it_up(front):
    """Those that have no frame to wait for go at once; idle ones of HTTP within the bound."""
    held = half_open(front)
    eventually(lambda: status(front)["connections"]["open"] >= len(held) - 2, "they are open")
    assert terminate(front) < BOUND + SLACK
    for s in held:
        s.close()


@pytest.mark.tsan
def test_clients_that_do_not_go_are_closed_at_the_bound(front):
    """One that never reads and has much waiting, one that reads all and does not close, and others."""
    held = half_open(front)
    with front.client() as a, front.client() as stuck, front.client() as stays:
        for _ in range(1500):
            a.send(stuck.key, b"x" * 10000)
        front.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert len(stays.read_until(derp.RESTARTING)) == 8
        assert len(a.read_until(derp.RESTARTING)) == 8
        # It takes no new connections meanwhile, and sends nobody here by STUN.
        eventually(lambda: "draining" in front.text(), "it drains")
        with pytest.raises(OSError):
            front.client()
        for _ in range(5):  # for longer than a look at the certificate takes to come
            assert ask_stun(front) is None
        assert front.process.wait(PATIENCE) == 0
        assert BOUND - 1 < time.monotonic() - began < BOUND + SLACK
    for s in held:
        s.close()


@pytest.mark.tsan
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_asked_twice_it_ends_at_once(relay, second):
    with relay.client() as a, relay.client() as b:
        relay.process.send_signal(signal.SIGTERM)
        assert len(a.read_until(derp.RESTARTING)) == 8
        assert relay.process.poll() is None  # it waits for us to go
        assert terminate(relay, [second]) < 1.5
        assert len(b.read_until(derp.RESTARTING)) == 8


def fails_to_log_in(client):
    try:
        client.login()
    except (OSError, EOFError):
        return True
    return False


def test_admission_under_way_does_not_hold_it_up(derpd_binary, authority):
    """A source that does not answer, and a client that waits for it."""
    with Source() as source:
        source.delay.clear()
        relay = FrontedRelay(derpd_binary, authority)
        relay.more = "[admission]\nallow = %s\n" % source.where
        with relay as r, r.client(login=False) as c:
            c.upgrade(relays.HOST)
            refused = []
            waits = threading.Thread(target=lambda: refused.append(fails_to_log_in(c)))
            waits.start()
            eventually(lambda: source.asked, "the source is asked")
            assert terminate(r) < BOUND + SLACK
            waits.join()
            assert refused == [True]


def test_a_hundred_clients_come_back(relay):
    """The ports are free again at once, and the numbers begin anew."""
    clients = [relay.client() for _ in range(100)]
    relay.process.send_signal(signal.SIGTERM)
    for c in clients:
        c.read_until(derp.RESTARTING)
        c.close()
    assert relay.stop() == 0
    relay.start()
    again = [relay.client(secret=c.secret) for c in clients]
    again[0].send(again[-1].key, b"here again")
    assert again[-1].receive() == (again[0].key, b"here again")
    assert metric(relay, 'derp_logins_total{outcome="ok"}') == 100
    for c in again:
        c.close()
