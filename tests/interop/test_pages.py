# SPDX-License-Identifier: Apache-2.0
"""Pages that the owner chooses, in derpd and in derper."""
import http.client
import json
import os
import socket
import ssl
import time

import pytest
import relays
from conftest import SERVERS

REDIRECT = "https://www.example.com/derp?x=y"
# derpd binds its own host to HTTPS and no sub-domains; both say when they speak.
DIFFERING = {"date", "strict-transport-security"}
# derper's redirects have a body for old browsers.
OF_THE_BODY = {"content-length", "content-type"}


# What RFC 9110 wants and derper leaves out.
LEFT_OUT = {"allow", "upgrade"}

PATHS = ["/", "/no/such/page", "/derp", "/derp/probe", "/derp/latency-check", "/generate_204",
         "/robots.txt", "/bootstrap-dns", "/bootstrap-dns?q=x.example", "/derp/", "/DERP"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"]
# Request line and headers, with the method, the path and the host.
FORMS = {
    "usual": "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n",
    "close": "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
    "whole URL": "%s https://other.example%s HTTP/1.1\r\nHost: %s\r\n\r\n",
    "1.0": "%s %s HTTP/1.0\r\nHost: %s\r\n\r\n",
    "1.0 kept": "%s %s HTTP/1.0\r\nHost: %s\r\nConnection: keep-alive\r\n\r\n",
    "bare LF": "%s %s HTTP/1.1\nHost: %s\n\n",
}


def ask(relay, method, request, plain=False):
    """(status, headers, body, whether the connection ends) of one request, written as it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(relay.folder / "ca.pem"))
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(("127.0.0.1", relay.ports[2 if plain else 0]), relays.PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not plain:
            s = context.wrap_socket(s, server_hostname=relays.HOST)
        with s:
            s.sendall(request.encode())
            answer = http.client.HTTPResponse(s, method=method)
            answer.begin()
            headers = {k.lower(): v for k, v in answer.getheaders()}
            return answer.status, headers, answer.read(), answer.will_close


def fetch(relay, method, path):
    """(status, headers, body) of one request."""
    return ask(relay, method, FORMS["usual"] % (method, path, relays.HOST))[:3]


def without(headers, names):
    return {k: v for k, v in headers.items() if k not in names}


@pytest.fixture(scope="module")
def pair(make_relay):
    with make_relay("derpd", home="blank") as ours, make_relay("derper", home="blank") as theirs:
        yield ours, theirs


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("plain", [False, True], ids=["tls", "plain"])
def test_every_page_by_every_method(pair, form, plain):
    for path in PATHS:
        for method in METHODS:
            if plain and path == "/":
                continue  # derper has its debugging there, for loopback
            if plain and form == "whole URL":
                continue  # derper puts it behind its own name
            seen = []
            for relay in pair:
                status, headers, body, ends = ask(relay, method, FORMS[form] % (method, path, relays.HOST),
                                                  plain)
                left = without(headers, DIFFERING | OF_THE_BODY | LEFT_OUT | {"connection"})
                kind = None if plain and status == 302 else headers.get("content-type")
                if status in (302, 400, 405, 426) or path.startswith("/bootstrap-dns"):
                    body = b""  # in other words
                seen.append((status, left, kind, body, ends))
            assert seen[0] == seen[1], (method, path)


@pytest.mark.parametrize("home", ["blank", REDIRECT])
def test_home_page(make_relay, home):
    seen = {}
    for server in SERVERS:
        with make_relay(server, home=home) as relay:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                for path in ("/", "/no/such/page", "/index.html?x"):
                    status, headers, body = fetch(relay, method, path)
                    assert headers["strict-transport-security"].startswith("max-age=63072000")
                    kept = DIFFERING | (OF_THE_BODY if home == REDIRECT else set())
                    seen.setdefault((method, path), []).append(
                        (status, without(headers, kept), b"" if home == REDIRECT else body))
    for request, (ours, theirs) in seen.items():
        assert ours == theirs, request
    status, headers, body = seen["GET", "/"][0]
    if home == "blank":
        assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"")
    else:
        assert (status, headers["location"]) == (302, REDIRECT)


def test_bootstrap_dns(make_relay):
    if os.geteuid() != 0:
        pytest.skip("needs root: names are looked up in a mount namespace of their own")
    hosts = {"a.example": ["192.0.2.1", "192.0.2.2", "2001:db8::1"], "b.example": ["198.51.100.1"]}
    names = [*hosts, "missing.example"]
    seen = []
    for server in SERVERS:
        with make_relay(server, names=names, hosts=hosts) as relay:
            told = answered(relay)
            for path in ("/bootstrap-dns?q=b.example", "/bootstrap-dns?q=other.example"):
                status, headers, body = fetch(relay, "GET", path)
                assert json.loads(body) == told
            headers = without(headers, DIFFERING)
            assert headers["content-type"] == "application/json" and headers["connection"] == "close"
            seen.append((status, without(headers, OF_THE_BODY),
                         {name: sorted(told[name]) for name in told}))
    assert seen[0] == seen[1]
    assert seen[0][2] == hosts


def answered(relay):
    """What /bootstrap-dns tells, once the names have been looked up."""
    deadline = time.monotonic() + relays.PATIENCE
    while time.monotonic() < deadline:
        body = fetch(relay, "GET", "/bootstrap-dns")[2]
        if body and json.loads(body):
            return json.loads(body)
        time.sleep(0.02)
    pytest.fail("no name has been looked up:\n" + relay.text())
