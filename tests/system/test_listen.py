# SPDX-License-Identifier: Apache-2.0
"""derpd on several addresses and ports, of both families."""
import re
import socket
import subprocess

import pytest

import conftest
import derp
import relays
from test_derpd import ask_stun, reload, run

needs_ipv6 = pytest.mark.skipif(not relays.has_ipv6(), reason="no IPv6")


class SpreadRelay(conftest.Relay):
    """derpd that listens where `listen` says (A and B are free ports), with its debug log."""

    listen = ""

    def command(self):
        command = super().command()
        self.other = relays.free_ports(1)[0]
        where = self.listen.replace("A", str(self.port)).replace("B", str(self.other))
        self.config.write_text(re.sub("(?m)^listen = .*$", "listen = " + where, self.config.read_text()))
        return command + ["--verbose"]

    def at(self, address, port):
        return derp.Client((address, port), relays.HOST, str(self.folder / "ca.pem"))


@pytest.fixture
def spread(derpd_binary, authority):
    made = []

    def make(listen):
        r = SpreadRelay(derpd_binary, authority)
        made.append(r)
        r.listen = listen
        return r.__enter__()

    yield make
    for r in made:
        r.__exit__()


@needs_ipv6
def test_every_address_serves_the_same_relay(spread):
    r = spread("127.0.0.1:A 127.0.0.2:A 127.0.0.1:B [::1]:A")
    places = [("127.0.0.1", r.port), ("127.0.0.2", r.port), ("127.0.0.1", r.other), ("::1", r.port)]
    clients = [r.at(*place) for place in places]
    for a in clients:
        for b in clients:
            a.send(b.key, a.key + b.key)
            assert b.receive() == (a.key, a.key + b.key)
    assert len({c.leaf for c in clients}) == len({c.server_key for c in clients}) == 1
    for c in clients:
        c.close()
    for place in (("127.0.0.2", r.other), ("127.0.0.3", r.port), ("::1", r.other)):
        with pytest.raises(ConnectionRefusedError):
            r.at(*place)


@needs_ipv6
def test_clients_of_each_family_are_named_as_such(spread):
    r = spread("0.0.0.0:A [::]:A")
    for address, logged in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("::ffff:127.0.0.1", "127.0.0.1")):
        with r.at(address, r.port) as c:
            c.ping()
            port = c.socket.getsockname()[1]
            assert "logged in from %s:%d (" % (logged, port) in r.text()
    assert ask_stun(r) is not None


@needs_ipv6
def test_ipv6_alone_is_ipv6_alone(spread):
    r = spread("[::]:A")
    with r.at("::1", r.port) as c:
        c.ping()
    with pytest.raises(ConnectionRefusedError):
        r.at("127.0.0.1", r.port)


def test_a_mapped_address_is_the_ipv4_one(spread):
    r = spread("[::ffff:127.0.0.1]:A")
    with r.at("127.0.0.1", r.port) as c:
        c.ping()
    assert "listening on 127.0.0.1:%d/tcp for DERP" % r.port in r.text()


def test_one_address_that_cannot_be_had_is_an_error(derpd_binary, relay, tmp_path):
    free = relays.free_ports(1)[0]
    config = tmp_path / "derp.conf"
    for there, words in (("127.0.0.1:%d" % relay.port, "Address already in use"),
                         ("203.0.113.77:%d" % free, "Cannot assign requested address")):
        config.write_text(re.sub("(?m)^(listen|stun|http|metrics) = .*$", r"\1 = off",
                                 relay.config.read_text()).replace(
            "listen = off", "listen = 127.0.0.1:%d %s" % (free, there)))
        r = run(derpd_binary, "--config", str(config))
        assert r.returncode == 1
        assert "cannot listen on %s/tcp: %s" % (there, words) in r.stderr, r.stderr
    with socket.socket() as s:  # the first one was given back
        s.bind(("127.0.0.1", free))


def congestion(relay):
    """What the kernel says of the connections that the relay has accepted."""
    told = subprocess.run(["ss", "-Htin", "state", "established", "sport = :%d" % relay.port], text=True,
                          capture_output=True, check=True).stdout
    return set(re.findall(r"\t ([a-z]\w*)", told))


def test_congestion_control(relay):
    """Towards clients, from the next connection on; what the kernel does not have is said."""
    system = open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii").read().strip()
    text = relay.config.read_text()
    for option, used in (("", system), ("congestion = reno", "reno"), ("congestion = no-such", system),
                         ("congestion = reno", "reno"), ("congestion = system", system)):
        relay.config.write_text(text.replace("[relay]", "[relay]\n" + option))
        assert reload(relay)
        with relay.client() as a:
            a.ping()
            assert congestion(relay) == {used}
    assert "this kernel has no congestion control no-such; as root: modprobe tcp_no-such" in relay.text()
