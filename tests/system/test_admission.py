# SPDX-License-Identifier: Apache-2.0
"""Who may use the relay: key files, URLs, tailscaled's socket; closed when unsure."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import tempfile
import threading
import time

import pytest

import conftest
import derp
import relays
from test_derpd import eventually, metric, reload, run
from verifier import Source

MANY = 400  # more than 64 at a time are asked about in 5 s, at 2 s each

class GuardedRelay(conftest.Relay):
    """derpd with an [admission] section."""

    options = {}

    def command(self):
        command = super().command()
        config = self.folder / "derp.conf"
        text = re.sub("refuse-apps = .*\n", "", config.read_text())
        config.write_text(text + "[admission]\n" + self.section())
        return command

    def section(self):
        return "".join("%s = %s\n" % option for option in self.options.items())

    def reload(self, **options):
        """With other options, as derp.conf names them but for the underscores."""
        before = self.section()
        self.options = named(options)
        self.config.write_text(self.config.read_text().replace(before, self.section()))
        assert reload(self)


def named(options):
    return {name.replace("_", "-"): value for name, value in options.items()}


@pytest.fixture
def guarded(derpd_binary, authority):
    """Makes a relay with these sources."""
    made = []

    def make(*allow, mesh=False, **options):
        r = GuardedRelay(derpd_binary, authority, mesh=mesh)
        made.append(r)
        r.options = named({"allow": " ".join(allow) or "anyone", **options})
        return r.__enter__()

    yield make
    for r in made:
        r.__exit__()


def secret_and_key():
    secret = os.urandom(32)
    return secret, derp.nacl.crypto_scalarmult_base(secret)


def admitted(relay, secret=None, info=None):
    try:
        with relay.client(secret=secret, info=info) as c:
            c.ping()
            return True
    except (EOFError, OSError):
        return False


def is_closed(client, within):
    """Does the relay close it in time? It is spoken to meanwhile, as a client in use."""
    began = time.monotonic()
    try:
        while time.monotonic() - began < within:
            client.ping()
            time.sleep(0.05)
        return False
    except (EOFError, OSError):
        return True


def write_keys(path, *keys):
    fresh = pathlib.Path(str(path) + ".new")
    fresh.write_text("# who may\n\n" + "".join("nodekey:%s  # somebody\n" % k.hex() for k in keys))
    fresh.rename(path)


@pytest.fixture
def open_path():
    """A folder that the relay's user may enter. Not one of pytest's, which another pytest closes."""
    with tempfile.TemporaryDirectory(prefix="admission-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.mark.tsan
def test_key_file_is_followed(guarded, open_path):
    path = open_path / "keys"
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


def test_check_reads_key_files(guarded, open_path):
    path = open_path / "keys"
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
    began = time.monotonic()
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
        assert time.monotonic() - began < 5  # an answer is told at once: nine logins take some tenths


def test_tailscaled(guarded, open_path):
    secret, key = secret_and_key()
    path = open_path / "tailscaled.sock"
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


def test_any_source_admits(guarded, open_path):
    secrets, keys = zip(*[secret_and_key() for _ in range(5)])
    (one, two, three, five, six), (one_key, two_key, three_key, five_key, six_key) = secrets, keys
    path = open_path / "keys"
    write_keys(path, one_key)
    with Source() as a, Source(open_path / "sock") as b, Source() as c, Source(open_path / "d") as d:
        a.keys.add(two_key.hex())
        b.keys.add(three_key.hex())
        c.keys.add(five_key.hex())
        d.keys.add(six_key.hex())
        relay = guarded("keys:%s" % path, a.where, b.where, c.where, d.where)
        assert all(admitted(relay, secret) for secret in secrets)
        assert not admitted(relay)
        # a source that hangs delays nobody whom another one admits
        b.delay.clear()
        began = time.monotonic()
        four, four_key = secret_and_key()
        a.keys.add(four_key.hex())
        assert admitted(relay, four)
        assert time.monotonic() - began < 4


def test_fail_open_covers_only_what_cannot_be_asked(guarded):
    with Source() as source:
        relay = guarded(source.where, fail_open="yes")
        assert not admitted(relay)
        source.status = 500
        assert not admitted(relay)
    assert admitted(relay)  # now nobody answers there


def test_fail_open_lets_in_nobody_who_comes_with_too_many(guarded):
    """More strangers at once than can be asked about in time: they are refused as each of them would be."""
    with Source() as source:
        source.latency = 2
        relay = guarded(source.where, fail_open="yes")
        with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
            assert not any(pool.map(lambda _: admitted(relay), range(MANY)))


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
            assert time.monotonic() - began < 4  # the source would be waited for longer
            source.delay.set()
            for t in waiting:
                t.join()
            # those who waited together were one lookup
            assert source.asked.count(two_key.hex()) == 1


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
        relay.reload(allow=new.where)
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


# --- Those who are logged in are asked about again -------------------------------------------------

@pytest.mark.tsan
def test_new_sources_throw_out_who_is_not_in_them(guarded):
    (one, one_key), (two, two_key) = secret_and_key(), secret_and_key()
    with Source() as source:
        source.keys.add(one_key.hex())
        relay = guarded()
        with relay.client(secret=one) as a, relay.client(secret=two) as b:
            relay.reload(allow=source.where)
            assert is_closed(b, within=5)
            a.ping()
            assert "may not use this relay any more: http" in relay.text()
            assert metric(relay, 'derp_admission_total{verdict="revoked"}') == 1


@pytest.mark.tsan
def test_who_was_removed_while_the_source_was_down_is_thrown_out_later(guarded):
    (one, one_key), (two, two_key) = secret_and_key(), secret_and_key()
    with Source() as source:
        source.keys |= {one_key.hex(), two_key.hex()}
        relay = guarded(source.where)
        a, b = relay.client(secret=one), relay.client(secret=two)
    with a, b:
        relay.reload(allow=source.where)
        eventually(lambda: metric(relay, "derp_admission_rechecks_waiting") == 2, "both wait")
        a.ping()  # a source that is down throws nobody out
        b.ping()
        with Source(port=source.port) as again:
            again.status = 502  # nor does one that is not itself yet
            eventually(lambda: again.asked, "asked again")
            assert not is_closed(b, within=0.5)
            again.status = None
            again.keys.add(one_key.hex())
            assert is_closed(b, within=20)
            eventually(lambda: metric(relay, "derp_admission_rechecks_waiting") == 0, "all answered")
            a.ping()
            assert again.asked.count(one_key.hex()) < 10  # not in a tight loop


def test_who_came_in_by_fail_open_is_asked_about_when_the_source_is_back(guarded):
    (one, one_key), (two, two_key) = secret_and_key(), secret_and_key()
    with Source() as source:
        pass
    relay = guarded(source.where, fail_open="yes")
    with relay.client(secret=one) as a, relay.client(secret=two) as b, contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(relay.client())
        for _ in range(20):
            assert admitted(relay)
        # those who have gone are not remembered, while all others are still to be asked about
        eventually(lambda: metric(relay, "derp_admission_rechecks_waiting") == 32, "the dead forgotten", 10)
        stack.close()
        with Source(port=source.port) as again:
            again.keys.add(one_key.hex())
            assert is_closed(b, within=20)
            a.ping()
            assert {one_key.hex(), two_key.hex()} <= set(again.asked)


@pytest.mark.tsan
def test_patrol(guarded):
    (one, one_key), (two, two_key) = secret_and_key(), secret_and_key()
    with Source() as source:
        source.keys |= {one_key.hex(), two_key.hex()}
        relay = guarded(source.where, recheck="1s")
        with relay.client(secret=one) as a, relay.client(secret=two) as b:
            # no, said once, is not believed
            source.lies = 1
            began = len(source.asked)
            eventually(lambda: len(source.asked) >= began + 6, "asked about again and again")
            assert source.lies == 0
            a.ping()
            b.ping()
            source.keys.remove(two_key.hex())
            assert is_closed(b, within=8)
            a.ping()
        relay.reload(allow=source.where, recheck="off")
        with relay.client(secret=one) as a:
            asked = eventually(lambda: source.asked[-1] == one_key.hex() and len(source.asked), "asked")
            assert not is_closed(a, within=1.5)
            assert len(source.asked) == asked


@pytest.mark.tsan
def test_a_source_that_hangs_refuses_in_time_and_delays_nobody_else(guarded, open_path):
    (one, one_key), (two, _) = secret_and_key(), secret_and_key()
    path = open_path / "keys"
    write_keys(path, one_key)
    with Source() as source:
        source.delay.clear()
        relay = guarded("keys:%s" % path, source.where)
        took = []

        def stranger():
            began = time.monotonic()
            assert not admitted(relay, two)
            took.append(time.monotonic() - began)

        waiting = threading.Thread(target=stranger)
        waiting.start()
        eventually(lambda: source.asked, "the source is asked")
        slowest = 0
        with relay.client(secret=one) as a:  # one who logs in, and one who is there, meanwhile
            while waiting.is_alive():
                began = time.monotonic()
                a.ping()
                assert admitted(relay, one)
                slowest = max(slowest, time.monotonic() - began)
                waiting.join(0.1)
        assert len(took) == 1 and 4.5 < took[0] < 8
        assert slowest < 4
        assert "cannot be asked" in relay.text()


def test_refusals_are_counted_and_do_not_fill_the_log(guarded):
    with Source() as source:
        relay = guarded(source.where)
        for _ in range(20):
            assert not admitted(relay)
        assert metric(relay, 'derp_admission_total{verdict="refused"}') == 20
        assert metric(relay, 'derp_logins_total{outcome="refused"}') == 20
        assert relay.text().count("may not use this relay") == 1


# --- Apps ------------------------------------------------------------------------------------------

def test_refused_apps(guarded):
    def info(name):
        return {"version": 2, "AppName": name}

    relay = guarded(refuse_apps="Bulk Copier, other")
    assert admitted(relay) and admitted(relay, info=info("")) and admitted(relay, info=info("Other"))
    assert not admitted(relay, info=info("other")) and not admitted(relay, info=info("Bulk Copier"))
    assert 'may not use this relay: the app "other" is refused' in relay.text()
    assert metric(relay, 'derp_admission_total{verdict="refused_app"}') == 2
    assert metric(relay, 'derp_logins_total{outcome="refused"}') == 2
    with relay.client(info=info("talk")) as a, relay.client() as b:
        relay.reload(refuse_apps="talk")
        assert is_closed(a, within=5)
        b.ping()
        assert 'any more: the app "talk" is refused' in relay.text()
    assert admitted(relay, info=info("other"))


def test_app_that_is_refused_while_its_client_waits(guarded):
    secret, key = secret_and_key()
    with Source() as source:
        source.keys.add(key.hex())
        source.delay.clear()
        relay = guarded(source.where)
        verdicts = []
        login = threading.Thread(target=lambda: verdicts.append(
            admitted(relay, secret, {"version": 2, "AppName": "talk"})))
        login.start()
        eventually(lambda: source.asked, "the source is asked")
        relay.reload(allow=source.where, refuse_apps="talk")
        eventually(lambda: len(source.asked) == 2, "asked again")
        source.delay.set()
        login.join()
        assert verdicts == [False]
        assert admitted(relay, secret)


def test_mesh_peers_are_exempt(guarded):
    info = {"version": 2, "AppName": "talk", "meshKey": relays.MESH_KEY}
    with Source() as source:
        relay = guarded(source.where, refuse_apps="talk", recheck="1s", mesh=True)
        with relay.client(info=info) as peer:
            relay.reload(allow=source.where, refuse_apps="talk", recheck="1s")
            assert not is_closed(peer, within=1.5)
            assert source.asked == []
        assert not admitted(relay, info={**info, "meshKey": "2b" * 32})
