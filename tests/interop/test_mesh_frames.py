# SPDX-License-Identifier: Apache-2.0
"""What a relay tells those who log in with the mesh key, and does for them: derpd and derper."""
import ipaddress
import json
import os
import re
import signal
import struct
import sys
import time

import pytest
from conftest import ROOT, SERVERS

sys.path.insert(0, str(ROOT / "tests" / "system"))

try:
    import derp
    import relays
except ImportError as e:
    pytest.skip("python3-nacl is missing: %s" % e, allow_module_level=True)

REGULAR, MESH, PROBER, NOT_IDEAL = 1, 2, 4, 8
INFO = {"version": 2, "CanAckPings": True}
MESH_INFO = dict(INFO, meshKey=relays.MESH_KEY)


@pytest.fixture(scope="module", params=SERVERS)
def relay(request, make_relay):
    with make_relay(request.param, mesh=True) as r:
        yield r


def client(relay, **options):
    return derp.Client(("127.0.0.1", relay.port), relay.name, str(relay.folder / "ca.pem"), **options)


def peer(relay, **options):
    """One who has the mesh key."""
    return client(relay, info=MESH_INFO, **options)


def present(payload):
    """Key, address, port, flags and app name of a PeerPresent."""
    address, port, flags, n = struct.unpack(">16sHBB", payload[32:52])
    assert len(payload) == 52 + n
    return (payload[:32], str(ipaddress.IPv6Address(address).ipv4_mapped), port, flags,
            payload[52:].decode())


def seen(c, flags, app=""):
    """How a client is told of."""
    return (c.key, *c.socket.getsockname(), flags, app)


def watch(m, count):
    """Asks to be told, and returns the first so many who are there, in any order."""
    m.socket.sendall(derp.frame(derp.WATCH_CONNS))
    return {present(m.read_until(derp.PEER_PRESENT)) for _ in range(count)}


def test_flood_of_those_who_are_there(relay):
    a = client(relay)
    prober = client(relay, info=dict(INFO, IsProber=True))
    app = client(relay, info=dict(INFO, AppName="an app: 7"))
    away = client(relay, login=False)
    away.socket.sendall(b"GET /derp HTTP/1.1\r\nHost: h\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
                        b"Ideal-Node: 900b\r\nDerp-Fast-Start: 1\r\n\r\n")
    away.login()
    with a, prober, app, away, peer(relay) as m:
        assert watch(m, 5) == {seen(a, REGULAR), seen(prober, PROBER), seen(app, REGULAR, "an app: 7"),
                               seen(away, NOT_IDEAL), seen(m, MESH)}
        m.ping()  # and nobody else
        assert watch(m, 5) == {seen(a, REGULAR), seen(prober, PROBER), seen(app, REGULAR, "an app: 7"),
                               seen(away, NOT_IDEAL), seen(m, MESH)}


def test_comings_and_goings(relay):
    with peer(relay) as m:
        watch(m, 1)
        a = client(relay)
        assert present(m.read_until(derp.PEER_PRESENT)) == seen(a, REGULAR)
        again = client(relay, secret=a.secret)
        assert present(m.read_until(derp.PEER_PRESENT)) == seen(again, REGULAR)
        again.ping()
        a.close()
        with client(relay) as b:  # a's end, of one of two, is no news
            assert present(m.read()[1]) == seen(b, REGULAR)
            again.close()
            kind, payload = m.read()
            assert (kind, payload) == (derp.PEER_GONE, a.key + b"\x00")


def test_many_comings_and_goings_in_order(relay):
    """For each key the last word is the truth, whatever worker it was on."""
    with peer(relay) as m:
        watch(m, 1)
        secrets = [os.urandom(32) for _ in range(8)]
        there = {}
        for round in range(6):
            for s in secrets:
                old, there[s] = there.get(s), client(relay, secret=s)
                if old and round % 2:
                    old.close()
                elif old:
                    there.pop(s).close()
                    there[s] = old
        for c in there.values():
            c.ping()
        keys = {c.key for c in there.values()}
        for c in list(there.values())[::2]:
            c.close()
            keys.remove(c.key)
        with client(relay) as last:
            state = set()
            while True:
                kind, payload = m.read()
                if payload[:32] == last.key:
                    break
                (state.add if kind == derp.PEER_PRESENT else state.discard)(payload[:32])
            assert keys <= state  # the ends of the others may come later
            while state != keys:
                kind, payload = m.read()
                (state.add if kind == derp.PEER_PRESENT else state.discard)(payload[:32])
        for c in there.values():
            c.close()


def test_forward(relay):
    far = os.urandom(32)
    with client(relay) as a, peer(relay) as m:
        for packet in (b"", b"hello", os.urandom(65536)):
            m.socket.sendall(derp.frame(derp.FORWARD_PACKET, far + a.key + packet))
            assert a.receive() == (far, packet)


def test_forward_to_nobody(relay):
    """Answered, if it is disco, and dropped: never forwarded again."""
    far, nobody = os.urandom(32), os.urandom(32)
    with peer(relay) as m:
        m.socket.sendall(derp.frame(derp.FORWARD_PACKET, far + nobody + b"hello"))
        m.socket.sendall(derp.frame(derp.FORWARD_PACKET, far + nobody + derp.DISCO + bytes(60)))
        kind, payload = m.read()
        assert (kind, payload) == (derp.PEER_GONE, nobody + b"\x01")
        m.ping()


def closes(relay, frame):
    with client(relay) as bystander, peer(relay) as m:
        try:
            m.socket.sendall(frame)
            m.ping()
        except (EOFError, OSError):
            bystander.ping()
            return True
        return False


@pytest.mark.parametrize("frame", [
    derp.frame(derp.WATCH_CONNS, b"x"), derp.frame(derp.CLOSE_PEER, bytes(31)),
    derp.frame(derp.CLOSE_PEER, bytes(33)), derp.frame(derp.FORWARD_PACKET, bytes(63)),
    derp.frame(derp.FORWARD_PACKET, bytes(64) + bytes(65537))],
    ids=["watch", "close-short", "close-long", "forward-short", "forward-long"])
def test_wrong_lengths_close(relay, frame):
    assert closes(relay, frame)


def test_forward_from_nobody(relay):
    """derper makes a packet without a sender of it: not copied."""
    with client(relay) as a:
        assert closes(relay, derp.frame(derp.FORWARD_PACKET, bytes(32) + a.key + b"hello")) == (
            relay.kind == "derpd")


def test_close_peer(relay):
    with client(relay) as a, client(relay) as bystander, peer(relay) as m:
        again = client(relay, secret=a.secret)
        m.socket.sendall(derp.frame(derp.CLOSE_PEER, os.urandom(32)))  # nobody: nothing happens
        m.socket.sendall(derp.frame(derp.CLOSE_PEER, a.key))
        for c in (a, again):
            with pytest.raises((EOFError, OSError)):
                c.read()
        m.ping()
        bystander.ping()


def test_own_key_is_not_told(relay):
    """A relay that has found itself in its list."""
    file = next((relay.folder / "state").glob("der*.key"))
    secret = bytes.fromhex(json.loads(file.read_text())["PrivateKey"].removeprefix("privkey:"))
    with peer(relay, secret=secret) as m:
        m.socket.sendall(derp.frame(derp.WATCH_CONNS))
        with client(relay):
            data = os.urandom(8)
            m.socket.sendall(derp.frame(derp.PING, data))
            assert m.read() == (derp.PONG, data)


def wait_for(what, patience=10):
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_link_with_another_key(make_relay):
    """Said in words, and not again and again."""
    with make_relay("derpd", mesh=True) as a:
        b = make_relay("derpd", mesh=True, mesh_with=[a])
        with b:
            wait_for(lambda: b.status()["mesh"][0]["state"] == "up")
            a.mesh_file.write_text("77" * 32)
            a.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "config reloaded" in a.text())
            a.stop()
            a.start()
            wait_for(lambda: "same mesh key?" in b.text())
            lines = re.findall(r".*no link to.*", b.text())
            assert 1 <= len(lines) <= 5, lines
            # The file is mended, SIGHUP, and the link stands.
            a.mesh_file.write_text(relays.MESH_KEY)
            a.process.send_signal(signal.SIGHUP)
            wait_for(lambda: b.status()["mesh"][0]["state"] == "up")
            wait_for(lambda: b.status()["mesh"][0]["clients"] == 0)


def test_a_changed_key_ends_its_rights(make_relay):
    """Who has the old one is closed, whatever he is doing; clients without it are left alone."""
    with make_relay("derpd", mesh=True) as r, client(r) as bystander:
        with peer(r) as m:
            watch(m, 2)
            r.process.send_signal(signal.SIGHUP)  # nothing has changed
            wait_for(lambda: "config reloaded" in r.text())
            m.ping()
            r.mesh_file.write_text("77" * 32)
            r.process.send_signal(signal.SIGHUP)
            with pytest.raises((EOFError, OSError)):
                while True:
                    m.read()
        bystander.ping()
        with peer(r) as stranger:  # a client like others, until it sends a mesh frame
            stranger.socket.sendall(derp.frame(derp.WATCH_CONNS))
            with pytest.raises((EOFError, OSError)):
                stranger.read()


def test_reload_changes_the_links(make_relay):
    with make_relay("derpd", mesh=True) as a, make_relay("derpd", mesh=True) as b:
        config = b.folder / "derp.conf"
        with_a = config.read_text().replace("mesh-with = ", "mesh-with = %s:%d/127.0.0.1 " %
                                            (a.name, a.ports[0]))
        without = config.read_text()
        config.write_text(with_a)
        b.process.send_signal(signal.SIGHUP)
        wait_for(lambda: [m["state"] for m in b.status()["mesh"]] == ["up"])
        since = b.status()["mesh"][0]["since"]
        config.write_text(with_a + "\n")
        b.process.send_signal(signal.SIGHUP)
        wait_for(lambda: b.text().count("config reloaded") == 2)
        assert b.status()["mesh"][0]["since"] == since  # not disturbed
        assert b.text().count("linked to") == 1
        with client(a) as far, client(b) as near:
            wait_for(lambda: b.status()["mesh"][0]["clients"] == 1)
            near.send(far.key, b"over the link")
            assert far.receive() == (near.key, b"over the link")
            b.mesh_file.unlink()
            b.process.send_signal(signal.SIGHUP)  # refused as a whole
            wait_for(lambda: "the old one stays" in b.text())
            assert b.status()["mesh"][0]["state"] == "up"
            b.mesh_file.write_text(relays.MESH_KEY)
            config.write_text(without)
            b.process.send_signal(signal.SIGHUP)
            wait_for(lambda: b.status()["mesh"] == [])
            near.send(far.key, derp.DISCO + bytes(60))
            assert near.read_until(derp.PEER_GONE) == far.key + b"\x01"


def test_mesh_peers_need_no_admission(make_relay):
    with make_relay("derpd", mesh=True) as r:
        keys = r.folder / "keys"
        keys.write_text("# nobody\n")
        config = r.folder / "derp.conf"
        config.write_text(config.read_text() + "[admission]\nallow = keys:%s\n" % keys)
        with peer(r) as m:
            r.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "config reloaded" in r.text())
            with pytest.raises(EOFError):
                client(r)
            with peer(r) as other:
                other.ping()
            m.ping()
