# SPDX-License-Identifier: Apache-2.0
"""Pages that the owner chooses, in derpd and in derper."""
import http.client
import json
import os
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


def fetch(relay, method, path):
    """(status, headers, body) of one request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(relay.folder / "ca.pem"))
    context.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection("127.0.0.1", relay.port, timeout=relays.PATIENCE,
                                             context=context)
    connection.sock = context.wrap_socket(connection._create_connection(("127.0.0.1", relay.port)),
                                          server_hostname=relays.HOST)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        headers = {k.lower(): v for k, v in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


def without(headers, names):
    return {k: v for k, v in headers.items() if k not in names}


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
