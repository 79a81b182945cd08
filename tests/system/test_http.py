# SPDX-License-Identifier: Apache-2.0
"""The home page and its file, /bootstrap-dns across a reload, requests that outrun their answers."""
import contextlib
import json
import os
import socket

import pytest

import derp
import relays
from test_derpd import eventually, metric, reload, rss, run

HOARDERS = 400  # more than two workers have room for
PAGE = "<!doctype html><style>p{color:red}</style><p>ours</p>\n"


def connect(relay, timeout=10, narrow=False):
    """narrow: with little room for what comes and is not read."""
    raw = socket.socket()
    raw.settimeout(timeout)
    if narrow:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", relay.port))
    return derp.tls_context(str(relay.folder / "ca.pem")).wrap_socket(raw, server_hostname=relays.HOST)


def fetch(relay, path="/"):
    """Head and body of one answer."""
    with connect(relay) as s:
        s.sendall(("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path).encode())
        text = b""
        while True:
            got = s.recv(65536)
            if not got:
                break
            text += got
    head, _, body = text.partition(b"\r\n\r\n")
    return head.decode(), body


def set_line(relay, line):
    """Another value in [relay], taken at the next start or reload."""
    config, key = relay.folder / "derp.conf", line.split(" =")[0]
    lines = [x for x in config.read_text().splitlines() if not x.startswith(key + " =")]
    config.write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")


@pytest.mark.tsan
def test_own_page(relay):
    page = relay.folder / "page.html"
    page.write_text(PAGE)
    set_line(relay, "home = %s" % page)
    assert reload(relay)
    for path in ("/", "/no/such/page"):
        head, body = fetch(relay, path)
        assert head.startswith("HTTP/1.1 200 ") and "text/html; charset=utf-8" in head
        assert body == PAGE.encode()
        assert "default-src" not in head  # its own styles work
    page.write_text("changed")
    assert fetch(relay)[1] == PAGE.encode()
    assert reload(relay)
    assert fetch(relay)[1] == b"changed"
    text = relay.folder / "page.txt"
    text.write_bytes(b"\0text")
    set_line(relay, "home = %s" % text)
    assert reload(relay)
    head, body = fetch(relay)
    assert "text/plain; charset=utf-8" in head and body == b"\0text"
    set_line(relay, "home = blank")
    assert reload(relay)
    assert fetch(relay)[1] == b""
    set_line(relay, "home = https://www.example.com/")
    assert reload(relay)
    assert fetch(relay)[0].splitlines()[:2] == ["HTTP/1.1 302 Found",
                                                "Location: https://www.example.com/"]
    set_line(relay, "home = default")
    assert reload(relay)
    assert b"DERP relay" in fetch(relay)[1]


def test_page_that_cannot_be_read(relay):
    page = relay.folder / "page.html"
    page.write_text(PAGE)
    set_line(relay, "home = %s" % page)
    assert reload(relay)
    page.unlink()
    assert not reload(relay)
    assert "the old one stays: home: " in relay.text() and str(page) in relay.text()
    assert fetch(relay)[1] == PAGE.encode()
    done = run(relay.source, "--check", "--config", relay.folder / "derp.conf")
    assert done.returncode == 1 and "home: " in done.stderr and str(page) in done.stderr
    page.write_bytes(bytes(64 * 1024 + 1))
    done = run(relay.source, "--check", "--config", relay.folder / "derp.conf")
    assert done.returncode == 1 and str(page) in done.stderr
    assert not reload(relay)
    relay.stop()
    done = run(relay.source, "--config", relay.folder / "derp.conf")
    assert done.returncode == 1 and "home: " in done.stderr


@pytest.mark.tsan
def test_bootstrap_names_change_with_a_reload(derpd_binary, authority):
    if os.geteuid() != 0:
        pytest.skip("needs root: names are looked up in a mount namespace of their own")
    hosts = {"a.example": ["192.0.2.1", "2001:db8::1"], "b.example": ["192.0.2.2"]}
    with relays.Derpd(derpd_binary, authority, names=["a.example", "gone.example"], hosts=hosts) as relay:
        def told():
            return json.loads(fetch(relay, "/bootstrap-dns")[1])
        eventually(lambda: sorted(told().get("a.example", [])) == hosts["a.example"], "an answer")
        assert list(told()) == ["a.example"]
        assert relay.text().count("bootstrap-dns: gone.example: ") == 1
        set_line(relay, "bootstrap-dns = b.example")
        assert reload(relay)
        eventually(lambda: told() == {"b.example": ["192.0.2.2"]}, "the other name")
        set_line(relay, "bootstrap-dns =")
        assert reload(relay)
        eventually(lambda: told() == {}, "no names")


def test_many_who_ask_and_do_not_read(relay):
    """What waits for all of them together has a bound: who has been there for longest makes room."""
    page = relay.folder / "page.html"
    page.write_bytes(b"x" * 60 * 1024)
    set_line(relay, "home = %s" % page)
    assert reload(relay)
    out = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    with contextlib.ExitStack() as stack:
        for _ in range(HOARDERS):
            s = stack.enter_context(connect(relay, narrow=True))
            s.sendall(out)
        eventually(lambda: metric(relay, "derp_connections_evicted_total") > 0, "some make room")
        assert fetch(relay)[0].startswith("HTTP/1.1 200 OK")
    with relay.client() as a:
        a.ping()


def test_requests_that_outrun_their_answers(relay):
    """Whoever asks without reading is served in his own time, and costs no memory."""
    page = relay.folder / "page.html"
    page.write_bytes(b"x" * 60 * 1024)
    set_line(relay, "home = %s" % page)
    assert reload(relay)
    before = rss(relay)
    count = 500
    out = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * count
    with connect(relay) as s:
        s.sendall(out)  # all of it, before the first answer is read
        got = s.recv(65536)
        assert rss(relay) - before < 16 * 1024 * 1024
        answers = 0
        while answers < count:
            answers += got.count(b"HTTP/1.1 200 OK\r\n")
            got = got[-16:] if b"HTTP/1.1 200 OK\r\n" not in got[-16:] else b""
            more = s.recv(262144)
            assert more, "ended after %d answers" % answers
            got += more
        assert answers == count
    with relay.client() as a:
        a.ping()
