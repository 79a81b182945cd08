# SPDX-License-Identifier: Apache-2.0
"""The list of connections: derpd --who and /connections; and what is counted of clients."""
import base64
import concurrent.futures
import json
import os
import re
import resource
import socket
import threading
import time
import urllib.error

import pytest

import derp
import relays
from test_derpd import eventually, get, metric, run, status


def connections(relay):
    return {c["key"]: c for c in json.loads(get(relay, "/connections"))["connections"]}


def short(key):
    return "[" + base64.b64encode(key).decode()[:5] + "]"


def websocket(relay):
    return derp.WebSocketClient(("127.0.0.1", relay.port), relays.HOST, str(relay.folder / "ca.pem"))


def who(relay, *options):
    return run(relay.source, "--config", str(relay.config), "--who", *options)


@pytest.mark.tsan
def test_list_of_connections(relay):
    assert connections(relay) == {}
    info = {"version": 2, "IsProber": True, "AppName": 'a "b" \\c'}
    with relay.client() as a, relay.client(info=info) as b, \
            websocket(relay) as c:
        a.socket.sendall(derp.frame(derp.NOTE_PREFERRED, b"\1"))
        for size in (0, 1, 1000):
            a.send(b.key, bytes(size))
            b.receive()
        c.send(a.key, bytes(50))
        a.receive()
        a.send(os.urandom(32), bytes(7))  # to nobody
        a.ping()
        seen = connections(relay)
        assert set(seen) == {short(x.key) for x in (a, b, c)}
        one, two, three = (seen[short(x.key)] for x in (a, b, c))
        assert one["address"] == "%s:%d" % a.socket.getsockname()
        assert (one["receivedBytes"], one["sentBytes"]) == (1008, 50)
        assert (two["receivedBytes"], two["sentBytes"]) == (0, 1001)
        assert (three["receivedBytes"], three["sentBytes"]) == (50, 0)
        assert two["app"] == 'a "b" \\c' and one["app"] == ""
        flags = ("home", "mesh", "prober", "webSocket", "notIdeal", "duplicate")
        assert [f for f in flags if one[f]] == ["home"]
        assert [f for f in flags if two[f]] == ["prober"]
        assert [f for f in flags if three[f]] == ["webSocket"]
        assert all(0 <= x["seconds"] < 20 and x["waitingBytes"] == x["droppedPackets"] == 0
                   for x in seen.values())
        with relay.client(secret=a.secret):
            assert connections(relay)[short(a.key)]["duplicate"]
        counts = status(relay)["connections"]
        assert (counts["home"], counts["probers"], counts["webSocket"], counts["notIdeal"]) == (1, 1, 1, 0)
        assert metric(relay, "derp_clients_prober") == metric(relay, "derp_clients_websocket") == 1
        assert metric(relay, "derp_logins_duplicate_total") == 1
    eventually(lambda: connections(relay) == {}, "all are gone")
    counts = status(relay)["connections"]
    assert [counts[n] for n in ("loggedIn", "home", "probers", "webSocket")] == [0] * 4


def test_what_was_dropped_is_not_sent(relay):
    with relay.client() as a, relay.client() as b:
        for _ in range(200):  # more than sockets and queue hold; b does not read
            a.send(b.key, bytes(60000))
        a.ping()
        key = short(b.key)

        def adds_up():  # the last of them may still be on their way between two workers
            one = connections(relay)[key]
            return one["sentBytes"] == (200 - one["droppedPackets"]) * 60000 and one

        one = eventually(adds_up, "all have been counted")
        assert one["droppedPackets"] > 0
        assert one["waitingBytes"] <= 512 * 1024 + 65536


@pytest.mark.tsan
def test_lists_while_clients_come_and_go(relay):
    """Several at once, over more connections than a worker lists in one turn, while they change."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    strangers = [socket.create_connection(("127.0.0.1", relay.port), 5) for _ in range(2400)]
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            with relay.client() as c:
                c.ping()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        others = [pool.submit(come_and_go) for _ in range(2)]
        clients = [relay.client() for _ in range(40)]
        keys = {short(c.key) for c in clients}
        lists = []

        def ask():
            try:
                lists.append(keys <= set(connections(relay)))
            except urllib.error.HTTPError as e:
                assert e.code == 503  # four at a time

        for _ in range(20):
            asking = [threading.Thread(target=ask) for _ in range(6)]
            for t in asking:
                t.start()
            for t in asking:
                t.join()
        stop.set()
        for o in others:
            o.result()
        assert len(lists) >= 80 and all(lists)
        for c in clients + strangers:
            c.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who(relay):
    r = who(relay)
    assert r.returncode == 0 and r.stdout == "0 connections, for 0 this is the home relay\n"
    with relay.client(info={"AppName": "talk"}) as a, relay.client() as b:
        b.socket.sendall(derp.frame(derp.NOTE_PREFERRED, b"\1"))
        a.send(b.key, bytes(12345))
        b.receive()
        b.ping()
        r = who(relay)
        head, *rows, foot = r.stdout.splitlines()
        assert r.returncode == 0 and foot == "2 connections, for 1 this is the home relay"
        assert head.split()[0] == "KEY" and len(rows) == 2
        rows = {row.split()[0]: row for row in rows}
        assert re.search(r"127\.0\.0\.1:\d+ +\d+s +12 kB +0 B +0 B +0  talk$", rows[short(a.key)])
        assert re.search(r" 0 B +12 kB +0 B +0  home$", rows[short(b.key)])
        r = who(relay, "--json")
        assert len(json.loads(r.stdout)["connections"]) == 2
        assert a.key.hex() not in r.stdout  # short keys only


def test_who_without_an_answer(relay):
    for options in (["--json"], ["--who", "--check"], ["--who", "now"]):
        r = run(relay.source, "--config", str(relay.config), *options)
        assert r.returncode == 2 and "usage: derpd" in r.stderr and r.stdout == ""
    relay.stop()
    r = who(relay)
    assert r.returncode == 1 and "is derpd running?" in r.stderr and r.stdout == ""
    relay.config.write_text(re.sub("metrics = .*", "metrics = off", relay.config.read_text()))
    r = who(relay)
    assert r.returncode == 1 and "metrics is off" in r.stderr
    relay.config.write_text("[relay]\nnonsense\n")
    r = who(relay)
    assert r.returncode == 1 and "derp.conf:2" in r.stderr


def test_home_moves(relay):
    with relay.client() as a:
        began = time.monotonic()
        home = False

        def move():
            nonlocal home
            home = not home
            a.socket.sendall(derp.frame(derp.NOTE_PREFERRED, bytes([home])))
            a.ping()
            return (metric(relay, 'derp_home_moves_total{direction="in"}') >= 1 and
                    metric(relay, 'derp_home_moves_total{direction="out"}') >= 1)

        eventually(move, "moves are counted")
        assert 5 < time.monotonic() - began  # not what a client says right after its login
        a.socket.sendall(derp.frame(derp.NOTE_PREFERRED, bytes([home])) * 5)  # no moves
        a.ping()
        assert metric(relay, 'derp_home_moves_total{direction="in"}') <= 2


def test_not_ideal(relay):
    with relay.client(login=False) as a:
        a.socket.sendall(b"GET /derp HTTP/1.1\r\nHost: relay.interop.test\r\nUpgrade: DERP\r\n"
                         b"Connection: Upgrade\r\nDerp-Fast-Start: 1\r\nIdeal-Node: 900b\r\n\r\n")
        a.login()
        assert metric(relay, "derp_clients_not_ideal") == 1
        assert connections(relay)[short(a.key)]["notIdeal"]
    eventually(lambda: metric(relay, "derp_clients_not_ideal") == 0, "it is gone")
