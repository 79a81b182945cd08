# SPDX-License-Identifier: Apache-2.0
"""The two Go programs against running relays, and what happens to Tailscale's clients when a relay
gets a new certificate, restarts or ends."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import SERVERS

import mapfile

PATIENCE = 20.0


class Talk:
    """derptalk in the background, up to the line `ready`."""

    def __init__(self, program, relay, *options):
        self.process = subprocess.Popen(
            [program, *relay.flags(), "--duration", "0", "--progress", "50ms", *options], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stderr.readline()
        assert line == "ready\n", line + self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def until(self, returned, connections=0):
        """Follows the progress until so many packets came back over so many connections."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            words = self.process.stderr.readline().replace(",", "").split()
            count = {w: int(n) for w, n in zip(words, words[1:]) if n.isdigit()}
            if count.get("returned", 0) >= returned and count.get("made", 0) >= connections:
                return count["returned"]
        pytest.fail("derptalk does not get on")

    def end(self, how="stdin"):
        """Stops it and returns its report."""
        if how == "stdin":
            self.process.stdin.close()
            self.process.stdin = None
        else:
            self.process.send_signal(how)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return json.loads(out)


def ask(program, relay, *questions, flags=None):
    done = subprocess.run([program, *(flags or relay.flags()), *questions], capture_output=True,
                          text=True, timeout=60)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_ask_everything(pool, programs, server):
    status, answers, _ = ask(programs("derpask"), pool.get(server))
    assert status == 0, answers
    assert sorted(answers) == ["http", "login", "netcheck", "stun"]
    assert answers["login"]["answer"]["tls"] == "1.3"
    assert answers["netcheck"]["answer"]["PreferredDERP"] == 900


@pytest.mark.parametrize("server", SERVERS)
def test_ask_does_not_trust_anybody(pool, programs, server):
    relay = pool.get(server)
    without_ca = relay.flags()[:relay.flags().index("--ca")]
    status, answers, _ = ask(programs("derpask"), relay, "login", flags=without_ca)
    assert status == 1
    assert "certificate" in answers["login"]["error"]


@pytest.mark.parametrize("program", ["derpask", "derptalk"])
@pytest.mark.parametrize("options", [[], ["--host"], ["--host", "a", "nonsense"], ["--map", "/nowhere"]])
def test_usage_error(programs, program, options):
    done = subprocess.run([programs(program), *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr and not done.stdout


@pytest.mark.parametrize("server", SERVERS)
def test_talk(pool, programs, server):
    relay = pool.get(server)
    done = subprocess.run([programs("derptalk"), *relay.flags(), "--map", relay.derp_map(),
                           "--clients", "5", "--rate", "200", "--duration", "2s",
                           "--sizes", "300,900,1280,9000"], capture_output=True, text=True, timeout=60)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"], done.stdout + done.stderr
    assert report["sent"] > 500
    assert report["lost"] == report["duplicated"] == report["reordered"] == report["damaged"] == 0
    assert report["reconnects"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="derp-setup wants root")
@pytest.mark.parametrize("flags", [[], ["--region-name=Größe \"1\": #x", "--region-id=999"]])
def test_talk_by_the_map_that_derp_setup_prints(pool, programs, tmp_path, flags):
    """Host, addresses and ports come from nowhere else; keys that Tailscale does not know are errors."""
    relay = pool.get("derpd")
    path = tmp_path / "derpmap.json"
    path.write_text(mapfile.derp_map(
        f"[relay]\ndomain = {relay.name}\nlisten = 0.0.0.0:{relay.ports[0]}\n"
        f"stun = 0.0.0.0:{relay.ports[1]}\n", "127.0.0.1", None, *flags))
    done = subprocess.run([programs("derptalk"), "--ca", relay.folder / "ca.pem", "--map", path,
                           "--clients", "2", "--rate", "50", "--duration", "1s"],
                          capture_output=True, text=True, timeout=60)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"], done.stdout + done.stderr
    assert report["sent"] > 20 and report["lost"] == 0
    status, answers, _ = ask(programs("derpask"), relay, "stun", flags=["--map", path])
    assert status == 0, answers


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("how", ["stdin", signal.SIGTERM, signal.SIGINT])
def test_talk_until_told(pool, programs, server, how):
    with Talk(programs("derptalk"), pool.get(server)) as talk:
        talk.until(returned=10)
        report = talk.end(how)
        assert talk.process.returncode == 0 and report["ok"], report


def test_new_certificate_disturbs_nobody(make_relay, programs, authority):
    """derper reads a manual certificate only at its start."""
    derptalk, derpask = programs("derptalk"), programs("derpask")
    with make_relay("derpd") as relay:
        def leaf():
            status, answers, _ = ask(derpask, relay, "login")
            assert status == 0, answers
            return answers["login"]["answer"]["leaf_serial"]
        before = leaf()
        with Talk(derptalk, relay, "--rate", "500") as talk:
            seen = talk.until(returned=100)
            relay.install(*authority.leaf(relay.name))
            deadline = time.monotonic() + PATIENCE
            while leaf() == before:
                assert time.monotonic() < deadline, "the new certificate is not served"
            talk.until(returned=seen + 500)
            report = talk.end()
        assert report["ok"] and report["reconnects"] == 0, report


@pytest.mark.parametrize("server", SERVERS)
def test_clients_return_after_restart(make_relay, programs, server):
    derptalk = programs("derptalk")
    with make_relay(server) as relay:
        with Talk(derptalk, relay) as talk:
            seen = talk.until(returned=20)
            assert relay.stop() == 0, relay.text()
            relay.start()
            talk.until(returned=seen + 50, connections=4)
            report = talk.end()
        assert report["reconnects"] == 2, report
        assert report["duplicated"] == report["damaged"] == 0
        assert report["lost"] < report["sent"] / 2
        # derpd says that it is about to end; derper just hangs up.
        assert report["restarting"] == (2 if server == "derpd" else 0)


@pytest.mark.parametrize("server", SERVERS)
def test_relay_keeps_its_key(make_relay, programs, server):
    derpask = programs("derpask")
    with make_relay(server) as relay:
        first = ask(derpask, relay, "login")[1]["login"]["answer"]["relay_key"]
        relay.stop()
        relay.start()
        assert ask(derpask, relay, "login")[1]["login"]["answer"]["relay_key"] == first


KEY_FILES = {"derpd": "derp.key", "derper": "derper.key"}


@pytest.mark.parametrize("old, new", [("derper", "derpd"), ("derpd", "derper")])
def test_key_file_is_derpers_own(make_relay, programs, old, new):
    """A relay can be replaced by the other: clients see the same key in the meta certificate, by
    which they start fast, and in ServerKey."""
    derpask = programs("derpask")

    def keys(relay):
        login = ask(derpask, relay, "login")[1]["login"]["answer"]
        assert login["tls"] == "1.3"
        return login["relay_key"]

    with make_relay(old) as before, make_relay(new) as after:
        key = keys(before)
        content = (before.folder / "state" / KEY_FILES[old]).read_bytes()
        after.stop()
        path = after.folder / "state" / KEY_FILES[new]
        path.write_bytes(content)
        after.start()
        assert keys(after) == key
        assert path.read_bytes() == content
