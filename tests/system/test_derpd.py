# SPDX-License-Identifier: Apache-2.0
"""derpd as a daemon: its files, its certificate, its signals, its numbers."""
import datetime
import hashlib
import ipaddress
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import derp
import pki
import relays

PATIENCE = 60


def eventually(question, what, patience=PATIENCE):
    """Asks until the answer is true; returns it."""
    deadline = time.monotonic() + patience
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail("waited %d s in vain: %s" % (patience, what))
        time.sleep(0.02)


def get(relay, path):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (relay.ports[3], path), timeout=10) as r:
        return r.read().decode()


def status(relay):
    return json.loads(get(relay, "/status"))


def metric(relay, name):
    """Value of a metric, given with its labels."""
    for line in get(relay, "/metrics").splitlines():
        if line.startswith(name + " "):
            return float(line.split()[-1])
    raise KeyError(name)


def reload(relay):
    """Whether the new config was taken."""
    took = metric(relay, 'derp_config_reloads_total{outcome="ok"}')
    refused = metric(relay, 'derp_config_reloads_total{outcome="failed"}')
    relay.process.send_signal(signal.SIGHUP)
    eventually(lambda: metric(relay, 'derp_config_reloads_total{outcome="ok"}') > took
               or metric(relay, 'derp_config_reloads_total{outcome="failed"}') > refused, "a reload")
    return metric(relay, 'derp_config_reloads_total{outcome="ok"}') > took


def served_leaf(relay, host=relays.HOST):
    with derp.Client(("127.0.0.1", relay.port), host, login=False) as c:
        return hashlib.sha256(c.leaf).hexdigest()


def leaf_hash(chain):
    der = subprocess.run(["openssl", "x509", "-outform", "der"], input=chain, capture_output=True,
                         check=True).stdout
    return hashlib.sha256(der).hexdigest()


def ask_stun(relay, address="127.0.0.1"):
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.sendto(relays.stun_request(), (address, relay.ports[1]))
        try:
            return s.recvfrom(2048)
        except socket.timeout:
            return None


# --- Packets --------------------------------------------------------------------------------------

@pytest.mark.tsan
def test_packets_between_many_clients(relay):
    clients = [relay.client() for _ in range(16)]
    by_key = {c.key: c for c in clients}
    for a in clients:
        for b in clients:
            a.send(b.key, a.key + b.key)
    for b in clients:
        heard = {b.receive() for _ in clients}
        assert heard == {(key, key + b.key) for key in by_key}
    totals = status(relay)["packets"]["other"]
    assert totals["received"] == totals["sent"] == 256 and totals["dropped"] == 0
    for c in clients:
        c.close()
    eventually(lambda: status(relay)["connections"]["loggedIn"] == 0, "all clients are gone")


@pytest.mark.tsan
def test_clients_come_and_go_while_others_talk(relay):
    with relay.client() as a, relay.client() as b:
        for i in range(200):
            with relay.client() as passing:
                passing.send(a.key, b"hello")
                a.send(b.key, i.to_bytes(4, "big"))
            assert b.receive() == (a.key, i.to_bytes(4, "big"))
        gone = 0
        while gone < 200:
            a.read_until(derp.PEER_GONE)
            gone += 1


# --- Certificate ----------------------------------------------------------------------------------

def test_new_certificate_while_clients_talk(relay, authority):
    with relay.client() as a, relay.client() as b:
        before = served_leaf(relay)
        chain, key = authority.leaf(relays.HOST)
        relay.install(chain, key)
        began = time.monotonic()
        eventually(lambda: served_leaf(relay) == leaf_hash(chain), "the new leaf is served")
        assert time.monotonic() - began < 3
        assert before != leaf_hash(chain)
        a.send(b.key, b"still here")
        assert b.receive() == (a.key, b"still here")
        assert status(relay)["certificate"]["reloads"] == 2


def test_certificate_rewritten_in_place(relay, authority):
    chain, key = authority.leaf(relays.HOST)
    relay.chain.write_bytes(chain)
    relay.key.write_bytes(key)
    eventually(lambda: served_leaf(relay) == leaf_hash(chain), "the new leaf is served")


def test_bad_pair_is_refused_and_the_old_one_stays(relay, authority):
    before = served_leaf(relay)
    chain, _ = authority.leaf(relays.HOST)
    relay.chain.write_bytes(chain)  # its key is another one
    problem = eventually(lambda: status(relay)["certificate"]["problem"], "the pair is refused")
    assert "does not belong" in problem
    assert served_leaf(relay) == before
    assert metric(relay, 'derp_certificate_reloads_total{outcome="failed"}') >= 1
    for content, words in ((b"", "no certificate in it"),
                           (b"-----BEGIN CERTIFICATE-----\nxx\n", "no certificate in it")):
        relay.chain.write_bytes(content)
        eventually(lambda w=words: w in status(relay)["certificate"]["problem"], words)
        assert served_leaf(relay) == before
    relay.install(*authority.leaf("other.test"))
    eventually(lambda: "is not for" in status(relay)["certificate"]["problem"], "a wrong name")
    assert served_leaf(relay) == before
    good_chain, good_key = authority.leaf(relays.HOST)
    relay.install(good_chain, good_key)
    eventually(lambda: served_leaf(relay) == leaf_hash(good_chain), "a good pair is taken again")
    assert status(relay)["certificate"]["problem"] == ""


def test_hangup_reloads_the_certificate(relay, authority):
    chain, key = authority.leaf(relays.HOST)
    relay.install(chain, key)
    relay.process.send_signal(signal.SIGHUP)
    eventually(lambda: served_leaf(relay) == leaf_hash(chain), "the new leaf is served")


def test_names_in_the_hello(relay, authority):
    assert served_leaf(relay, "RELAY.interop.TEST") == served_leaf(relay)
    with pytest.raises(OSError):
        served_leaf(relay, "stranger.test")
    raw = socket.create_connection(("127.0.0.1", relay.port), 10)
    context = derp.tls_context()
    with context.wrap_socket(raw) as s:  # no SNI at all
        assert hashlib.sha256(s.getpeercert(True)).hexdigest() == served_leaf(relay)


# --- The acme source: temporary certificate, the link, challenges ---------------------------------

class AcmeRelay(relays.Derpd):
    """derpd with source = acme and an empty folder."""

    def command(self):
        command = super().command()
        config = self.folder / "derp.conf"
        text = re.sub(r"source = files\nchain = .*\nkey = .*\n",
                      "source = acme\ndir = %s\n" % self.acme, config.read_text())
        config.write_text(text)
        return command

    @property
    def acme(self):
        folder = self.folder / "acme"
        (folder / "challenge").mkdir(parents=True, exist_ok=True)
        return folder

    def generation(self, name, chain, key):
        folder = self.acme / name
        folder.mkdir()
        (folder / "fullchain.pem").write_bytes(chain)
        (folder / "privkey.pem").write_bytes(key)
        self._give_all()
        link = self.acme / "current.new"
        link.symlink_to(name)
        link.rename(self.acme / "current")


@pytest.fixture
def acme_relay(derpd_binary, authority):
    with AcmeRelay(derpd_binary, authority) as r:
        yield r


def test_stun_is_silent_until_there_is_a_certificate(acme_relay, authority):
    assert status(acme_relay)["certificate"]["state"] == "temporary"
    assert ask_stun(acme_relay) is None
    chain, key = authority.leaf(relays.HOST)
    acme_relay.generation("gen-1", chain, key)
    eventually(lambda: ask_stun(acme_relay), "STUN answers")
    assert served_leaf(acme_relay) == leaf_hash(chain)
    chain2, key2 = authority.leaf(relays.HOST)
    acme_relay.generation("gen-2", chain2, key2)
    eventually(lambda: served_leaf(acme_relay) == leaf_hash(chain2), "the link's new target")
    expired = pki.Authority.leaf(authority, relays.HOST, days=-0.5)
    acme_relay.generation("gen-3", *expired)
    eventually(lambda: status(acme_relay)["certificate"]["state"] == "expired", "it has expired")
    assert ask_stun(acme_relay) is None


def test_its_own_certificate_by_a_reload(acme_relay):
    """Nobody has to restart it to give up waiting for a CA."""
    assert status(acme_relay)["certificate"]["state"] == "temporary"
    config = acme_relay.folder / "derp.conf"
    config.write_text(config.read_text().replace("source = acme", "source = self-signed"))
    assert reload(acme_relay)
    assert status(acme_relay)["certificate"]["state"] == "good"
    assert served_leaf(acme_relay) == leaf_hash((acme_relay.folder / "state" / "self-signed.crt").read_bytes())
    eventually(lambda: ask_stun(acme_relay), "STUN answers")


def test_challenge_is_answered_from_its_folder(acme_relay, authority):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["acme-tls/1"])

    def shake(name):
        raw = socket.create_connection(("127.0.0.1", acme_relay.port), 10)
        with context.wrap_socket(raw, server_hostname=name) as s:
            return s.selected_alpn_protocol(), hashlib.sha256(s.getpeercert(True)).hexdigest()

    with pytest.raises(OSError):
        shake(relays.HOST)
    _, chain, key = pki.self_signed(relays.HOST)
    path = acme_relay.acme / "challenge" / (relays.HOST + ".pem")
    path.write_bytes(chain + key)
    acme_relay._give_all()
    assert shake(relays.HOST.upper()) == ("acme-tls/1", leaf_hash(chain))
    for name in ("..", "a/../" + relays.HOST, "other.test"):
        with pytest.raises((OSError, ValueError)):
            shake(name)
    path.unlink()
    with pytest.raises(OSError):
        shake(relays.HOST)


# --- Files and options ----------------------------------------------------------------------------

def run(binary, *args):
    return subprocess.run([str(binary), *args], capture_output=True, text=True, timeout=20)


def test_options(derpd_binary, tmp_path):
    assert run(derpd_binary, "--version").stdout.startswith("derpd ")
    assert "usage" in run(derpd_binary, "--help").stdout
    for bad in (["--nonsense"], ["word"], ["--config"]):
        r = run(derpd_binary, *bad)
        assert r.returncode == 2 and "usage" in r.stderr
    r = run(derpd_binary, "--config", str(tmp_path / "none.conf"))
    assert r.returncode == 1 and "none.conf" in r.stderr


@pytest.mark.parametrize("line, words", [
    ("lissen = 1.2.3.4:443", "lissen"),
    ("listen = nowhere", "listen"),
    ("listen = 127.0.0.1:70000", "listen"),
    ("workers = 0", "workers"),
    ("metrics = 0.0.0.0:3340", "metrics"),
    ("domain = -bad-.test", "domain"),
    ("uplink = fast", "uplink"),
    ("[nonsense]", "nonsense"),
])
def test_broken_config(derpd_binary, tmp_path, line, words):
    config = tmp_path / "derp.conf"
    config.write_text("[relay]\nstate-dir = %s\n%s\n" % (tmp_path, line))
    for extra in ([], ["--check"]):
        r = run(derpd_binary, "--config", str(config), *extra)
        assert r.returncode == 1
        assert words in r.stderr and "derp.conf:" in r.stderr, r.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["derp.conf"]


def test_check_reads_the_certificate(relay):
    assert run(relay.source, "--check", "--config", str(relay.config)).returncode == 0
    relay.key.write_bytes(b"no key")
    r = run(relay.source, "--check", "--config", str(relay.config))
    assert r.returncode == 1 and "private key" in r.stderr


def test_running_daemon_keeps_its_config_when_the_new_one_is_broken(relay):
    good = relay.config.read_text()
    relay.config.write_text(good + "nonsense = 1\n")
    assert not reload(relay)
    assert "the new config is refused" in relay.text()
    assert "derp.conf:" in relay.text() and "nonsense" in relay.text()
    with relay.client() as a:
        a.ping()
    relay.config.write_text(good)
    assert reload(relay)


def test_server_key_is_made_once(relay):
    path = relay.folder / "state" / "derp.key"
    first = path.read_text()
    assert re.fullmatch(r'\{\s*"PrivateKey":\s*"privkey:[0-9a-f]{64}"\s*\}\n?', first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with relay.client() as a:
        key = a.server_key
    assert relay.stop() == 0
    relay.start()
    with relay.client() as a:
        assert a.server_key == key
    relay.stop()
    path.write_text('{"PrivateKey": "privkey:00"}')
    r = run(relay.source, "--config", str(relay.config))
    assert r.returncode == 1 and "derp.key" in r.stderr
    assert path.read_text() == '{"PrivateKey": "privkey:00"}'


def test_port_taken(relay):
    r = run(relay.source, "--config", str(relay.config))
    assert r.returncode == 1 and "cannot listen on" in r.stderr and "in use" in r.stderr


def test_port_zero_and_self_signed(derpd_binary, tmp_path):
    config = tmp_path / "derp.conf"
    config.write_text("[relay]\ndomain = pinned.test\nlisten = 127.0.0.1:0\nstun = 127.0.0.1:0\n"
                      "metrics = 127.0.0.1:0\nstate-dir = %s/state\n"
                      "[certificate]\nsource = self-signed\n" % tmp_path)
    leaves = set()
    for _ in range(2):
        p = subprocess.Popen([str(derpd_binary), "--config", str(config)], text=True,
                             stderr=subprocess.PIPE)
        try:
            lines = []
            while not lines or not lines[-1].strip().endswith("ready"):
                lines.append(p.stderr.readline())
                assert lines[-1], "".join(lines)
            port = int(re.search(r"127\.0\.0\.1:(\d+)/tcp for DERP", "".join(lines)).group(1))
            with derp.Client(("127.0.0.1", port), "pinned.test") as a:
                a.ping()
                leaves.add(a.leaf)
        finally:
            p.send_signal(signal.SIGTERM)
            assert p.wait(PATIENCE) == 0
            p.stderr.close()
    assert len(leaves) == 1  # the pin survives a restart


# --- A certificate of its own, and the one after it ------------------------------------------------

class Pinned:
    """derpd with source = self-signed; its certificates are made here, so that their dates are old."""

    def __init__(self, binary, folder):
        self.binary, self.state = binary, folder / "state"
        self.state.mkdir(mode=0o700)
        self.config = folder / "derp.conf"
        self.config.write_text(
            "[relay]\ndomain = 192.0.2.7\nlisten = 127.0.0.1:0\nstun = off\n"
            f"metrics = 127.0.0.1:0\nstate-dir = {self.state}\n[certificate]\nsource = self-signed\n")
        self.key = ec.generate_private_key(ec.SECP256R1())
        (self.state / "self-signed.key").write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def write(self, name, begins, ends):
        """Days from now; returns the fingerprint."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "192.0.2.7")])
        cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
                .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=begins))
                .not_valid_after(now + datetime.timedelta(days=ends))
                .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("192.0.2.7"))]), False)
                .sign(self.key, hashes.SHA256()))
        (self.state / name).write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        return cert.fingerprint(hashes.SHA256()).hex()

    def read(self, name):
        return x509.load_pem_x509_certificate((self.state / name).read_bytes())

    def fingerprint(self, name):
        return self.read(name).fingerprint(hashes.SHA256()).hex()

    def run(self):
        """Starts it and ends it: what it logged, and its status' certificate."""
        p = subprocess.Popen([str(self.binary), "--config", str(self.config)], text=True, stderr=subprocess.PIPE)
        try:
            lines = []
            while not lines or not lines[-1].strip().endswith("ready"):
                lines.append(p.stderr.readline())
                assert lines[-1], "".join(lines)
            said = "".join(lines)
            at = re.search(r"127\.0\.0\.1:\d+(?=/tcp for metrics)", said).group()
            with urllib.request.urlopen(f"http://{at}/status", timeout=PATIENCE) as answer:
                return said, json.load(answer)["certificate"]
        finally:
            p.send_signal(signal.SIGTERM)
            assert p.wait(PATIENCE) == 0
            p.stderr.close()


@pytest.fixture
def pinned(derpd_binary, tmp_path):
    return Pinned(derpd_binary, tmp_path)


def test_a_young_certificate_of_its_own_has_no_successor(pinned):
    pin = pinned.write("self-signed.crt", -1, 400)
    said, status = pinned.run()
    assert status["sha256"] == pin and "nextSha256" not in status and "changesAt" not in status
    assert not (pinned.state / "self-signed.next.crt").exists() and "derpMap" not in said


def test_a_year_before_the_end_the_next_is_made_and_told(pinned):
    pin = pinned.write("self-signed.crt", -3000, 364.5)
    said, status = pinned.run()
    following = pinned.read("self-signed.next.crt")
    assert status["sha256"] == pin == pinned.fingerprint("self-signed.crt")
    assert status["nextSha256"] == pinned.fingerprint("self-signed.next.crt") != pin
    assert f"sha256-raw:{status['nextSha256']}" in said and status["changesAt"] in said
    days = (datetime.datetime.fromisoformat(status["changesAt"].rstrip("Z")) - following.not_valid_before).total_seconds() / 86400
    assert abs(days - 61) < 0.01
    key = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert following.public_key().public_bytes(*key) == pinned.key.public_key().public_bytes(*key)
    assert (following.not_valid_after - following.not_valid_before).days == 3651
    assert pinned.run()[1] == status  # and not made again


def test_a_next_one_that_people_know_is_not_thrown_away(pinned):
    """A clock that is years behind, for one look."""
    pinned.write("self-signed.crt", -1, 2000)
    pin = pinned.write("self-signed.next.crt", 1600, 5200)
    said, status = pinned.run()
    assert "nextSha256" not in status and "derpMap" not in said
    assert pinned.fingerprint("self-signed.next.crt") == pin


def test_sixty_days_later_it_is_served(pinned):
    pinned.write("self-signed.crt", -3000, 300)
    pin = pinned.write("self-signed.next.crt", -62, 3588)
    said, _ = pinned.run()
    assert "another one from now on" in said
    said, status = pinned.run()
    assert status["sha256"] == pin == pinned.fingerprint("self-signed.crt") and "nextSha256" not in status
    assert not (pinned.state / "self-signed.next.crt").exists()


def test_an_expired_one_is_not_changed_within_the_hour(pinned):
    pin = pinned.write("self-signed.crt", -3650, -1)
    said, status = pinned.run()
    assert status["sha256"] == pin and status["state"] == "expired" and status["nextSha256"]
    pinned.write("self-signed.next.crt", -1.1, 3650)
    pinned.run()
    assert pinned.run()[1]["state"] == "good"


def test_a_next_one_of_another_key_is_made_anew(pinned):
    pinned.write("self-signed.crt", -3000, 300)
    key, pinned.key = pinned.key, ec.generate_private_key(ec.SECP256R1())
    foreign = pinned.write("self-signed.next.crt", -62, 3588)
    pinned.key = key
    said, status = pinned.run()
    assert status["nextSha256"] == pinned.fingerprint("self-signed.next.crt") != foreign


# --- Numbers and signals --------------------------------------------------------------------------

def test_metrics_are_prometheus_text(relay):
    with relay.client() as a, relay.client() as b:
        a.send(b.key, derp.DISCO + b"x" * 100)
        a.send(b.key, b"y" * 50)
        b.receive(), b.receive()
        text = get(relay, "/metrics")
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            assert line.split()[2] not in names  # each metric in one block
            names.add(line.split()[2])
        elif not line.startswith("#"):
            assert re.fullmatch(r'derp_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+', line)
            name = line.split("{")[0].split()[0]
            assert name in names or re.sub("_(bucket|sum|count)$", "", name) in names
    assert 'derp_packets_received_total{kind="disco"} 1\n' in text
    assert 'derp_packets_sent_total{kind="other"} 1\n' in text
    assert 'derp_sent_bytes_total{kind="other"} 50\n' in text
    assert 'derp_queue_seconds_bucket{le="+Inf"} 1\n' in text and 'derp_queue_seconds_count 1\n' in text
    with pytest.raises(urllib.error.HTTPError):
        get(relay, "/nothing")


def test_home_and_connections_are_counted(relay):
    with relay.client() as a, relay.client():
        a.socket.sendall(derp.frame(derp.NOTE_PREFERRED, b"\1"))
        eventually(lambda: status(relay)["connections"]["home"] == 1, "home relay noted")
        assert status(relay)["connections"]["loggedIn"] == 2
        a.socket.sendall(derp.frame(derp.NOTE_PREFERRED, b"\0"))
        eventually(lambda: status(relay)["connections"]["home"] == 0, "not home any more")


def test_terminate_tells_clients_and_ends(relay):
    with relay.client() as a:
        relay.process.send_signal(signal.SIGTERM)
        assert len(a.read_until(derp.RESTARTING)) == 8
        with pytest.raises(EOFError):
            a.read()
        assert relay.process.wait(PATIENCE) == 0


def test_terminate_ends_in_time_with_a_client_that_never_reads(relay):
    with relay.client() as a, relay.client() as b:
        b.socket.settimeout(0.5)
        for _ in range(2000):
            a.send(b.key, b"x" * 10000)
        began = time.monotonic()
        relay.process.send_signal(signal.SIGTERM)
        assert relay.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 6


@pytest.mark.tsan
def test_stuck_receiver_hurts_nobody(relay):
    with relay.client() as a, relay.client() as b, relay.client() as stuck:
        for i in range(3000):
            a.send(stuck.key, b"x" * 8000)
            if i % 100 == 0:
                a.send(b.key, i.to_bytes(4, "big"))
                assert b.receive() == (a.key, i.to_bytes(4, "big"))
        eventually(lambda: metric(relay, "derp_connections_stalled_total") == 1, "it was closed")
        drops = metric(relay, 'derp_packets_dropped_total{reason="queue_head",kind="other"}')
        assert drops > 0
        # everyone who was sent to from the stuck key hears of its end; a was not, and lives on
        a.ping()


def rss(relay):
    with open("/proc/%d/status" % relay.process.pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024


@pytest.mark.skipif("DERPD" in os.environ, reason="sanitizers use memory of their own")
def test_long_logins_have_a_budget(relay):
    """Strangers that send all but the end of the longest login: together they hold little."""
    before, held = rss(relay), []
    for _ in range(300):
        c = relay.client(login=False)
        c.upgrade(relays.HOST)
        try:
            c.socket.sendall(struct.pack(">BI", derp.CLIENT_INFO, 256 * 1024) + bytes(255 * 1024))
        except OSError:
            pass  # evicted already
        held.append(c)
    assert eventually(lambda: metric(relay, "derp_connections_evicted_total"), "room was made") > 100
    assert rss(relay) - before < 64 * 1024 * 1024
    with relay.client() as a:
        a.ping()
    for c in held:
        c.close()


def test_second_login_is_read_over_but_not_longer_than_others(relay):
    with relay.client() as a:
        a.socket.sendall(derp.frame(derp.CLIENT_INFO, bytes(65568)))
        a.ping()
        with pytest.raises((EOFError, OSError)):  # it may close while we still send
            a.socket.sendall(derp.frame(derp.CLIENT_INFO, bytes(65569)))
            a.read()


@pytest.mark.parametrize("header, sign", [
    ("Via: 1.1 proxy", "Via"), ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For"),
    ("Forwarded: for=x", "Forwarded"),
    # what is left of a client's request when the proxy takes the upgrade away
    ("User-Agent: Go-http-client/1.1\r\nConnection: close", "no Upgrade"),
    ("Derp-Fast-Start: 1", "no Upgrade"), ("Sec-WebSocket-Protocol: derp", "no Upgrade")])
def test_http_proxy_is_noticed(relay, header, sign):
    assert status(relay)["proxy"] == {"requests": 0, "last": None, "at": None, "sign": None,
                                      "advice": None}
    for _ in range(5):
        c = relay.client(login=False)
        c.socket.sendall(("GET /derp HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % header).encode())
        assert c.socket.recv(100).startswith(b"HTTP/1.1 426")
        c.close()
    told = status(relay)
    assert told["proxiedRequests"] == told["proxy"]["requests"] == 5
    assert (told["proxy"]["last"], told["proxy"]["sign"]) == ("127.0.0.1", sign)
    assert "let it pass TCP through" in told["proxy"]["advice"]
    assert relay.text().count("through an HTTP proxy at 127.0.0.1 (%s)" % sign) == 1


def test_browser_is_no_proxy(relay):
    c = relay.client(login=False)
    c.socket.sendall(b"GET /derp HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n"
                     b"Accept: text/html\r\nAccept-Encoding: gzip, br\r\nConnection: close\r\n\r\n")
    assert c.socket.recv(100).startswith(b"HTTP/1.1 426")
    c.close()
    assert status(relay)["proxy"]["requests"] == 0


def test_accept_limit(relay):
    """Beyond the limit connections are closed; those that are open stay, and later ones come in."""
    text = relay.config.read_text()
    with relay.client() as a:
        relay.config.write_text(text.replace("workers =", "accept-limit = 5\naccept-burst = 10\nworkers ="))
        assert reload(relay)
        began = time.monotonic()
        sockets = [socket.create_connection(("127.0.0.1", relay.port), 5) for _ in range(40)]
        refused = eventually(lambda: metric(relay, "derp_connections_refused_total"), "some are closed")
        eventually(lambda: metric(relay, "derp_connections") + metric(relay, "derp_connections_refused_total")
                   == 41, "all were judged")
        refused = metric(relay, "derp_connections_refused_total")
        assert 40 - 10 - 1 - 5 * (time.monotonic() - began) <= refused <= 30
        assert metric(relay, "derp_connections_accepted_total") == 1 + 40 - refused
        a.ping()
        for s in sockets:
            s.close()

        def another():
            try:
                with relay.client():
                    return True
            except OSError:
                return False

        eventually(another, "a token comes")
        assert "(accept-limit)" in relay.text()


# --- Health ---------------------------------------------------------------------------------------

def health_before_pong(client):
    """The texts of the Health frames that come before a ping's answer."""
    client.socket.sendall(derp.frame(derp.PING, b"12345678"))
    texts = []
    while True:
        kind, payload = client.read()
        if kind == derp.PONG:
            return texts
        if kind == derp.HEALTH:
            texts.append(payload.decode())


def test_devices_with_one_key_are_told(relay):
    """Both are, once; when one of them leaves, the other is told that it is over."""
    with relay.client() as a, relay.client(secret=a.secret) as b, relay.client() as c:
        told = {a: [], b: [], c: []}
        began = time.monotonic()

        def take_turns():
            for client, texts in told.items():
                texts += health_before_pong(client)
            return told[a] and told[b]

        eventually(take_turns, "both are told")
        assert 9 < time.monotonic() - began  # a client that changes its network is no fight
        for _ in range(10):
            take_turns()
        assert told[a] == told[b] and len(told[a]) == 1 and "node key" in told[a][0]
        assert relay.text().count("used by several devices") == 1
        b.close()
        eventually(lambda: status(relay)["connections"]["contestedKeys"] == 0, "one is left")
        assert health_before_pong(a) == [""]
        assert health_before_pong(a) == [] and told[c] == []
        assert metric(relay, "derp_health_sent_total") == 3
