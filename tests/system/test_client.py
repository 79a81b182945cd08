# SPDX-License-Identifier: Apache-2.0
"""derp/client, which derp-setup's proof and the doctor rest on, against the real derpd."""
import datetime
import signal
import socket
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

import prober
import relays


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return prober.build(tmp_path_factory.mktemp("probe"))


@pytest.fixture
def probe(program, relay):
    return prober.Prober(program, relay)


@pytest.mark.parametrize("size", [1, 2, 1280, 16379, 16384, 65535, 65536])
@pytest.mark.parametrize("fast", [True, False])
def test_a_packet_there_and_back(probe, size, fast):
    options = [] if fast else ["--no-fast-start"]
    answer = probe.derp("--require-verified", "--size", str(size), *options)
    assert answer["fault"] is None
    assert answer["relayed"] and answer["logged_in"] and answer["sent"] == 1
    assert answer["fast_start"] == fast
    assert 0 < answer["login_us"] < 10e6 and 0 < answer["rtt_us"] < 5e6


def test_facts_of_tls(probe, relay):
    answer = probe.derp()
    tls = answer["tls"]
    leaf = x509.load_pem_x509_certificate(relay.chain.read_bytes())
    assert tls["sha256"] == leaf.fingerprint(hashes.SHA256()).hex()
    assert tls["not_after"] == leaf.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert tls["verified"] and tls["verify_error"] == ""
    assert tls["tls13"] and tls["meta"]
    assert tls["chain_length"] == 3  # leaf, intermediate, meta certificate
    assert tls["issuer"] == "Interop Intermediate"
    assert answer["server_key"] != "0" * 64


def test_an_unknown_authority(probe):
    answer = probe.derp(ca=False)
    assert answer["fault"] is None and answer["relayed"]  # told, not demanded
    assert not answer["tls"]["verified"]
    assert "certificate" in answer["tls"]["verify_error"]
    answer = probe.derp("--require-verified", ca=False)
    assert "cannot be verified" in answer["fault"] and not answer["relayed"]


def test_by_address_the_default_certificate_answers(probe):
    """No SNI for an IP literal; the name in the certificate is another one."""
    answer = probe.derp(name="127.0.0.1")
    assert answer["relayed"]
    assert not answer["tls"]["verified"]
    assert "mismatch" in answer["tls"]["verify_error"]


def test_a_foreign_name_is_refused(probe):
    answer = probe.derp(name="somebody.else.test")
    assert "cannot connect to somebody.else.test" in answer["fault"]
    assert "unrecognized name" in answer["fault"]


def test_over_ipv6(probe):
    if not relays.has_ipv6():
        pytest.skip("no IPv6 here")
    assert probe.derp("--require-verified", address="[::1]")["relayed"]
    mapped = probe.stun(address="[::1]")["mapped"]
    assert mapped.startswith("[::1]:")


def test_stun(probe):
    answer = probe.stun()
    assert answer["fault"] is None
    assert answer["mapped"].startswith("127.0.0.1:")
    assert 0 < answer["rtt_us"] < 300e3


def test_nobody_there(probe, relay):
    relay.stop()
    answer = probe.derp()
    assert "refused" in answer["fault"] and answer["tls"] is None
    assert "refused" in probe.stun()["fault"]


def test_a_relay_that_stalls(probe, relay):
    relay.process.send_signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert "no DERP login within" in probe.derp("--timeout", "700")["fault"]
        assert "did not answer within 400 ms" in probe.stun("--timeout", "400")["fault"]
        assert time.monotonic() - start < 10
    finally:
        relay.process.send_signal(signal.SIGCONT)
    assert probe.derp()["relayed"]


def test_it_can_be_interrupted(probe, relay):
    relay.process.send_signal(signal.SIGSTOP)
    try:
        process = subprocess.Popen(probe.command("--timeout", "60000"), text=True,
                                   stdout=subprocess.PIPE)
        # It has connected once the kernel of the stopped relay has taken its connection.
        deadline = time.monotonic() + 20
        while not has_connection(relay.port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert time.monotonic() - start < 5
        assert '"fault":"interrupted"' in out
    finally:
        relay.process.send_signal(signal.SIGCONT)


def has_connection(port):
    """A TCP connection on the loopback address whose remote end is this port."""
    wanted = "%02X%02X%02X%02X:%04X" % (*reversed(socket.inet_aton("127.0.0.1")), port)
    with open("/proc/net/tcp", encoding="ascii") as f:
        return any(line.split()[2] == wanted and line.split()[3] == "01" for line in f)
