# SPDX-License-Identifier: Apache-2.0
"""derpd's own key: made safely when it is missing, and never replaced when it is there."""
import json
import os
import pathlib
import pwd
import re
import shutil
import stat
import subprocess
import tempfile

import pytest

import derp

PATIENCE = 60
GOOD = '{"PrivateKey":"privkey:%s"}' % ("7" * 64)


class Home:
    """A folder with a config, where derpd runs as somebody who is not root."""

    def __init__(self, binary, folder):
        self.folder, self.binary = folder, folder / "derpd"
        self.state, self.key = folder / "state", folder / "state" / "derp.key"
        shutil.copy(binary, self.binary)
        (folder / "derp.conf").write_text(
            "[relay]\ndomain = a.test\nlisten = 127.0.0.1:0\nstun = off\nmetrics = off\nstate-dir = %s\n"
            "[certificate]\nsource = self-signed\n" % self.state)
        self.is_root = os.geteuid() == 0
        self.give(folder, self.binary, folder / "derp.conf")

    def give(self, *paths):
        if self.is_root:
            user = pwd.getpwnam("nobody")
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def start(self, **options):
        return subprocess.Popen(
            [str(self.binary), "--config", str(self.folder / "derp.conf")], text=True, stderr=subprocess.PIPE,
            **({"user": "nobody", "group": "nogroup", "extra_groups": []} if self.is_root else {}), **options)

    def refusal(self):
        """What it says when it does not start."""
        p = self.start()
        try:
            _, said = p.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            _, said = p.communicate()
        assert p.returncode == 1, said
        return said

    def run(self, **options):
        """Starts it, asks for its key, ends it: the key of its ServerKey frame, and its log."""
        p = self.start(**options)
        try:
            said = ""
            while not said.endswith("ready\n"):
                line = p.stderr.readline()
                assert line, said
                said += line
            port = int(re.search(r"127\.0\.0\.1:(\d+)/tcp for DERP", said).group(1))
            with derp.Client(("127.0.0.1", port), "a.test") as c:
                return c.server_key, said
        finally:
            p.terminate()
            assert p.wait(PATIENCE) == 0
            p.stderr.close()

    def listing(self):
        return {str(p.relative_to(self.folder)): (stat.filemode(p.lstat().st_mode),
                                                  p.read_bytes() if p.is_file() else None)
                for p in self.folder.rglob("*")}


@pytest.fixture
def home(derpd_binary):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="key-"))
    try:
        yield Home(derpd_binary, folder)
    finally:
        shutil.rmtree(folder)


def public_half(text):
    secret = bytes.fromhex(json.loads(text)["PrivateKey"].removeprefix("privkey:"))
    return derp.nacl.crypto_scalarmult_base(secret)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_made_when_missing(home, umask):
    key, said = home.run(umask=umask)
    assert "made a new server key in %s" % home.key in said
    assert stat.S_IMODE(home.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.state.stat().st_mode) == 0o700 & ~umask
    assert [p.name for p in home.state.iterdir() if "derp.key" in p.name] == ["derp.key"]
    text = home.key.read_text()
    assert re.fullmatch(r'\{\n\t"PrivateKey": "privkey:[0-9a-f]{64}"\n\}\n', text)  # as derper writes it
    assert public_half(text) == key
    again, said = home.run()
    assert again == key and "made a new" not in said and home.key.read_text() == text


@pytest.mark.parametrize("text", [
    GOOD, GOOD + "\n", '{\n\t"PrivateKey": "privkey:%s"\n}' % ("A7" * 32),
    '{"Comment":"kept","PrivateKey":"privkey:%s","Version":2}' % ("07" * 32)])
def test_taken_over_unchanged(home, text):
    home.state.mkdir(0o700)
    home.key.write_text(text)
    home.key.chmod(0o600)
    home.give(home.state, home.key)
    key, said = home.run()
    assert key == public_half(text)
    assert home.key.read_text() == text and "can be read by others" not in said


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_open_to_others_is_said(home, mode):
    home.state.mkdir(0o700)
    home.key.write_text(GOOD)
    home.key.chmod(mode)
    home.give(home.state, home.key)
    key, said = home.run()
    assert key == public_half(GOOD)
    assert "%s can be read by others; run: chmod 600 %s" % (home.key, home.key) in said
    assert stat.S_IMODE(home.key.stat().st_mode) == mode


@pytest.mark.parametrize("content, words", [
    (b"", "is not JSON"),
    (GOOD[:-10].encode(), "is not JSON"),
    (bytes(range(256)), "is not JSON"),
    (b"[]", 'no string member "PrivateKey"'),
    (b'{"PrivateKey":7}', 'no string member "PrivateKey"'),
    (GOOD.replace("privkey:", "nodekey:").encode(), '"PrivateKey" is not "privkey:" and 64 hex digits'),
    (GOOD.replace("777", "77", 1).encode(), "64 hex digits"),
    (GOOD.replace("7", "g").encode(), "64 hex digits"),
    (GOOD.replace("7", "0").encode(), "all zeros"),
    (GOOD.encode() + b" " * 5000, "larger than 4096 bytes"),
], ids=["empty", "cut", "binary", "list", "number", "public", "short", "no hex", "zeros", "large"])
def test_broken_file_is_kept(home, content, words):
    home.state.mkdir(0o700)
    home.key.write_bytes(content)
    home.key.chmod(0o600)
    home.give(home.state, home.key)
    before = home.listing()
    said = home.refusal()
    assert words in said and str(home.key) in said, said
    assert home.listing() == before


def make_folder(home):
    home.key.mkdir()


def make_pipe(home):
    os.mkfifo(home.key)


def make_dangling(home):
    home.key.symlink_to("nowhere")


def make_unreadable(home):
    home.key.write_text(GOOD)
    home.key.chmod(0)


def make_closed_folder(home):
    home.key.write_text(GOOD)
    home.key.chmod(0o600)
    home.state.chmod(0)


def make_read_only_folder(home):
    home.state.chmod(0o500)


def make_file_for_folder(home):
    home.state.rmdir()
    home.state.write_text("no folder")


@pytest.mark.parametrize("spoil, words", [
    (make_folder, "is not a regular file"),
    (make_pipe, "is not a regular file"),
    (make_dangling, "No such file"),
    (make_unreadable, "Permission denied"),
    (make_closed_folder, "Permission denied"),
    (make_read_only_folder, "Permission denied"),
    (make_file_for_folder, "exists and is not a folder"),
], ids=lambda v: v.__name__.removeprefix("make_") if callable(v) else None)
def test_what_is_no_key_file_is_kept(home, spoil, words):
    home.state.mkdir(0o700)
    home.give(home.state)
    spoil(home)
    home.give(*home.folder.rglob("*"))
    mode = home.state.stat().st_mode
    said = home.refusal()
    assert words in said and str(home.state) in said, said
    assert home.state.stat().st_mode == mode
    home.state.chmod(0o700)
    made = sorted(p.name for p in home.folder.rglob("*"))
    assert made == sorted({"derp.conf", "derpd", "state"} | ({"derp.key"} if os.path.lexists(home.key) else set()))
    if spoil in (make_unreadable, make_closed_folder):
        home.key.chmod(0o600)
        assert home.key.read_text() == GOOD


def test_several_at_once_agree(home, authority):
    """All that start on an empty folder at the same moment serve the key that is in the file."""
    chain, key = authority.leaf("a.test")
    (home.folder / "chain").write_bytes(chain)
    (home.folder / "key").write_bytes(key)
    config = home.folder / "derp.conf"
    config.write_text(config.read_text().replace(
        "source = self-signed", "source = files\nchain = %s/chain\nkey = %s/key" % (home.folder, home.folder)))
    started = [home.start() for _ in range(8)]
    keys, made = set(), 0
    try:
        for p in started:
            said = ""
            while not said.endswith("ready\n"):
                line = p.stderr.readline()
                assert line, said
                said += line
            made += said.count("made a new server key")
            port = int(re.search(r"127\.0\.0\.1:(\d+)/tcp for DERP", said).group(1))
            with derp.Client(("127.0.0.1", port), "a.test") as c:
                keys.add(c.server_key)
    finally:
        for p in started:
            p.terminate()
            p.wait(PATIENCE)
            p.stderr.close()
    assert keys == {public_half(home.key.read_text())} and made == 1
