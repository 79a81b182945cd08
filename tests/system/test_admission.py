# SPDX-License-Identifier: Apache-2.0
"""Who may use the relay: key files, URLs, tailscaled's socket; closed when unsure."""
import http.server
import json
import os
import pathlib
import signal
import socketserver
import threading
import time

import pytest

import conftest
import derp
from test_derpd import eventually, metric, run


class Source:
    """A fake of an admission source that speaks HTTP: a URL, or tailscaled's local API on a socket.

    It knows keys (hex); delay holds each answer back; status and body replace the right answer."""

    def __init__(self, path=None):
        self.keys, self.asked, self.delay = set(), [], threading.Event()
        self.delay.set()
        self.status = self.body = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return "local"

            def log_message(self, *_):
                pass

            def answer(self, admitted, body):
                outer.delay.wait(30)
                status = outer.status or (200 if admitted else 404)
                body = outer.body if outer.body is not None else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                assert self.headers["Host"] == "local-tailscaled.sock"
                assert self.path.startswith("/localapi/v0/whois?addr=nodekey:")
                key = self.path[-64:]
                outer.asked.append(key)
                known = key in outer.keys
                self.answer(known, b'{"Node":{}}' if known else b"no match for IP:port\n")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert sorted(body) == ["NodePublic", "Source"] and body["Source"] == "127.0.0.1"
                key = body["NodePublic"][len("nodekey:"):]
                outer.asked.append(key)
                self.answer(True, json.dumps({"Allow": key in outer.keys}).encode())

        if path is None:
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.where = "url:http://127.0.0.1:%d/verify" % self.server.server_address[1]
        else:
            class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
                daemon_threads = True
            self.server = UnixServer(str(path), Handler)
            os.chmod(path, 0o777)
            self.where = "tailscaled:%s" % path
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.delay.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class GuardedRelay(conftest.Relay):
    """derpd with an [admission] section."""

    allow, fail_open = (), "no"

    def command(self):
        command = super().command()
        config = self.folder / "derp.conf"
        config.write_text(config.read_text() + "[admission]\nallow = %s\nfail-open = %s\n" % (
            " ".join(self.allow), self.fail_open))
        return command


@pytest.fixture
def guarded(derpd_binary, authority):
    """Makes a relay with these sources."""
    made = []

    def make(*allow, fail_open="no"):
        r = GuardedRelay(derpd_binary, authority)
        made.append(r)
        r.allow, r.fail_open = allow, fail_open
        return r.__enter__()

    yield make
    for r in made:
        r.__exit__()


def secret_and_key():
    secret = os.urandom(32)
    return secret, derp.nacl.crypto_scalarmult_base(secret)


def admitted(relay, secret=None):
    try:
        with relay.client(secret=secret) as c:
            c.ping()
            return True
    except (EOFError, OSError):
        return False


def write_keys(path, *keys):
    fresh = pathlib.Path(str(path) + ".new")
    fresh.write_text("# who may\n\n" + "".join("nodekey:%s  # somebody\n" % k.hex() for k in keys))
    fresh.rename(path)


@pytest.mark.tsan
def test_key_file_is_followed(guarded, tmp_path):
    os.chmod(tmp_path, 0o755)
    os.chmod(tmp_path.parent, 0o755)
    os.chmod(tmp_path.parent.parent, 0o755)
    path = tmp_path / "keys"
    (one, one_key), (two, two_key) = secret_and_key(), secret_and_key()
    write_keys(path, one_key)
    relay = guarded("keys:%s" % path)
    assert admitted(relay, one) and not admitted(relay, two)
    assert "may not use this relay: no list has it" in relay.text()
    write_keys(path, one_key, two_key)
    eventually(lambda: admitted(relay, two), "the new key is admitted")
    with relay.client(secret=one) as a, relay.client(secret=two) as b:
        write_keys(path, two_key)
        began = time.monotonic()
        with pytest.raises((EOFError, OSError)):
            while True:
                a.read()
        assert time.monotonic() - began < 5
        b.ping()
        # a list that is half understood is not used
        path.write_text("nodekey:%s\nnonsense\n" % one_key.hex())
        eventually(lambda: "key file refused" in relay.text(), "the refusal is logged")
        assert "line 2" in relay.text()
        b.ping()
    assert metric(relay, 'derp_admission_total{verdict="revoked"}') == 1
    assert not admitted(relay, one)


def test_check_reads_key_files(guarded, tmp_path):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(folder, 0o755)
    path = tmp_path / "keys"
    write_keys(path)
    relay = guarded("keys:%s" % path)
    assert run(relay.source, "--check", "--config", str(relay.config)).returncode == 0
    path.write_text("everybody\n")
    r = run(relay.source, "--check", "--config", str(relay.config))
    assert r.returncode == 1 and "keys: line 1" in r.stderr
    relay.stop()
    r = run(relay.source, "--config", str(relay.config))  # nor does it start with half a list
    assert r.returncode == 1 and "keys: line 1" in r.stderr


def test_url(guarded):
    secret, key = secret_and_key()
    with Source() as source:
        relay = guarded(source.where)
        assert not admitted(relay)
        source.keys.add(key.hex())
        assert admitted(relay, secret)
        assert admitted(relay, secret)
        assert source.asked.count(key.hex()) == 1  # the second time from the cache
        for status, body in ((500, b'{"Allow":true}'), (200, b'{"Allow":"true"}'), (200, b"[true]"),
                             (200, b"x" * 200000), (302, b"")):
            source.status, source.body = status, body
            assert not admitted(relay), (status, body[:20])


def test_tailscaled(guarded, tmp_path):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(folder, 0o755)
    secret, key = secret_and_key()
    path = tmp_path / "tailscaled.sock"
    relay = guarded("tailscaled:%s" % path)
    assert not admitted(relay, secret)  # nobody there: closed
    assert "cannot be asked" in relay.text()
    with Source(path) as source:
        source.keys.add(key.hex())
        assert admitted(relay, secret) and not admitted(relay)
    path.unlink()
    other, other_key = secret_and_key()
    with Source(path) as again:  # a restarted tailscaled is found again
        again.keys.add(other_key.hex())
        assert admitted(relay, other)
        again.body = b"not json"
        assert not admitted(relay)


def test_any_source_admits(guarded, tmp_path):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(folder, 0o755)
    (one, one_key), (two, two_key), (three, three_key) = [secret_and_key() for _ in range(3)]
    path = tmp_path / "keys"
    write_keys(path, one_key)
    with Source() as a, Source(tmp_path / "sock") as b:
        a.keys.add(two_key.hex())
        b.keys.add(three_key.hex())
        relay = guarded("keys:%s" % path, a.where, b.where)
        assert admitted(relay, one) and admitted(relay, two) and admitted(relay, three)
        assert not admitted(relay)
        # a source that hangs delays nobody whom another one admits
        b.delay.clear()
        began = time.monotonic()
        four, four_key = secret_and_key()
        a.keys.add(four_key.hex())
        assert admitted(relay, four)
        assert time.monotonic() - began < 3


def test_fail_open_covers_only_what_cannot_be_asked(guarded):
    with Source() as source:
        relay = guarded(source.where, fail_open="yes")
        assert not admitted(relay)
        source.status = 500
        assert not admitted(relay)
    assert admitted(relay)  # now nobody answers there


@pytest.mark.tsan
def test_a_slow_source_delays_only_who_waits(guarded):
    (one, one_key), (two, two_key) = secret_and_key(), secret_and_key()
    with Source() as source:
        source.keys |= {one_key.hex(), two_key.hex()}
        relay = guarded(source.where)
        with relay.client(secret=one) as a:
            source.delay.clear()
            waiting = [threading.Thread(target=admitted, args=(relay, two)) for _ in range(8)]
            for t in waiting:
                t.start()
            eventually(lambda: source.asked.count(two_key.hex()) >= 1, "the source is asked")
            began = time.monotonic()
            for _ in range(50):
                a.ping()
            assert time.monotonic() - began < 1
            source.delay.set()
            for t in waiting:
                t.join()
            # those who waited together were one lookup
            assert source.asked.count(two_key.hex()) <= 2


def test_frames_sent_before_the_answer_are_kept(guarded):
    secret, key = secret_and_key()
    with Source() as source:
        source.keys.add(key.hex())
        source.delay.clear()
        relay = guarded(source.where)
        c = relay.client(secret=secret, login=False)
        c.upgrade("relay.interop.test")
        kind, payload = c.read()
        nonce, server = os.urandom(24), payload[8:40]
        box = derp.nacl.crypto_box(b'{"version":2}', nonce, server, secret)
        c.socket.sendall(derp.frame(derp.CLIENT_INFO, key + nonce + box))
        eventually(lambda: source.asked, "the source is asked")
        for i in range(100):
            c.send(key, i.to_bytes(4, "big") + bytes(1000))
        source.delay.set()
        assert c.read()[0] == derp.SERVER_INFO
        for i in range(100):
            assert c.receive()[1][:4] == i.to_bytes(4, "big")
        c.close()


def test_an_answer_of_sources_that_are_gone_admits_nobody(guarded):
    secret, key = secret_and_key()
    with Source() as old, Source() as new:
        old.keys.add(key.hex())
        old.delay.clear()
        relay = guarded(old.where)
        verdicts = []
        login = threading.Thread(target=lambda: verdicts.append(admitted(relay, secret)))
        login.start()
        eventually(lambda: old.asked, "the old source is asked")
        relay.config.write_text(relay.config.read_text().replace(old.where, new.where))
        relay.process.send_signal(signal.SIGHUP)
        eventually(lambda: new.asked, "the new source is asked instead")
        old.delay.set()
        login.join()
        assert verdicts == [False]


def test_many_unknown_keys_do_not_become_as_many_questions_at_once(guarded):
    with Source() as source:
        source.delay.clear()
        relay = guarded(source.where)
        logins = [threading.Thread(target=admitted, args=(relay,)) for _ in range(100)]
        for t in logins:
            t.start()
        eventually(lambda: len(source.asked) >= 64, "the source is asked")
        time.sleep(0.3)  # more would have come by now
        at_once = len(source.asked)
        source.delay.set()
        for t in logins:
            t.join()
        assert at_once == 64
        assert len(source.asked) == 100
