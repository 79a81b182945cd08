# SPDX-License-Identifier: Apache-2.0
"""DERP inside WebSocket."""
import os

import pytest

import derp
import relays
from test_admission import Source, guarded, secret_and_key  # noqa: F401 (a fixture)
from test_derpd import eventually, metric


def websocket(relay, piece=30000, **options):
    class Sized(derp.WebSocketClient):
        pass
    Sized.piece = piece
    return Sized(("127.0.0.1", relay.port), relays.HOST, str(relay.folder / "ca.pem"), **options)


@pytest.mark.tsan
@pytest.mark.parametrize("piece", [7, 125, 126, 30000, 100000])
def test_with_a_plain_client(relay, piece):
    with websocket(relay, piece) as a, relay.client() as b:
        for size in (0, 1, 100, 1300, 20000) + ((65536,) if piece > 1000 else ()):
            packet = os.urandom(size)
            a.send(b.key, packet)
            assert b.receive() == (a.key, packet)
            b.send(a.key, packet)
            assert a.receive() == (b.key, packet)
        a.ping()


def test_order_of_many(relay):
    with websocket(relay) as a, websocket(relay) as b:
        for i in range(500):
            a.send(b.key, i.to_bytes(4, "big") + bytes(1000))
        for i in range(500):
            assert b.receive()[1][:4] == i.to_bytes(4, "big")


def test_control_messages(relay):
    with websocket(relay) as a:
        a.socket.send_frame(0x89, b"are you there")
        a.ping()
        assert (0x8A, b"are you there") in a.socket.control
        a.socket.send_frame(0x88, b"\x03\xe8")
        with pytest.raises(EOFError):
            a.read()
        assert (0x88, b"\x03\xe8") in a.socket.control


@pytest.mark.parametrize("first, payload, code", [
    (0x82, bytes(128 * 1024 + 1), 1009), (0x81, b"text", 1003), (0xC2, b"x", 1002), (0x80, b"x", 1002)])
def test_what_closes(relay, first, payload, code):
    with websocket(relay) as a:
        a.socket.send_frame(first, payload)
        with pytest.raises(EOFError):
            a.read()
        assert a.socket.control == [(0x88, code.to_bytes(2, "big"))]


def test_admission_while_frames_come(guarded):  # noqa: F811
    secret, key = secret_and_key()
    with Source() as source:
        source.keys.add(key.hex())
        source.delay.clear()
        relay = guarded(source.where)
        c = websocket(relay, secret=secret, login=False)
        c.upgrade(relays.HOST)
        _, payload = c.read()
        nonce, server = os.urandom(24), payload[8:40]
        box = derp.nacl.crypto_box(b'{"version":2}', nonce, server, secret)
        c.socket.sendall(derp.frame(derp.CLIENT_INFO, key + nonce + box))
        for i in range(50):
            c.send(key, i.to_bytes(4, "big"))
        eventually(lambda: source.asked, "the source is asked")
        source.delay.set()
        assert c.read()[0] == derp.SERVER_INFO
        for i in range(50):
            assert c.receive()[1] == i.to_bytes(4, "big")
        c.close()


def test_the_end_of_the_relay_is_told(relay):
    with websocket(relay) as a:
        relay.stop()
        assert len(a.read_until(derp.RESTARTING)) == 8
        with pytest.raises((EOFError, OSError)):
            a.read()


def test_a_client_that_is_leaving_gets_nothing_more(relay):
    """Its connection stands until it has heard the end, but what comes for it now is dropped."""
    with relay.client() as a:
        c = websocket(relay)
        c.ping()
        c.socket.send_frame(0x88, b"\x03\xe8")
        while c.socket.recv(0):  # until the close frame is answered
            pass
        a.send(c.key, b"too late")
        a.ping()
        gone = 'derp_packets_dropped_total{reason="gone_disconnected",kind="other"}'
        unknown = 'derp_packets_dropped_total{reason="unknown_dest",kind="other"}'
        eventually(lambda: metric(relay, gone) + metric(relay, unknown) == 1, "it is dropped")
        c.close()
