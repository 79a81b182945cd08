# SPDX-License-Identifier: Apache-2.0
"""derp-setup in Simplified Chinese: people read it, programs, the log and JSON stay in English. The
server has generated no Chinese locale, as is usual. And terminals that are narrow or slow."""

import fcntl
import json
import os
import re
import struct
import subprocess
import termios
import unicodedata

import pytest

from test_setup import CA, DOMAIN, OURS, SETUP, Conversation, box  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="derp-setup wants root")

LOCALE = ("LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG", "LANGUAGE")
CHINESE = {"LANG": "zh_CN.UTF-8"}
CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


def environment(**wanted):
    return {**{k: v for k, v in os.environ.items() if k not in LOCALE}, **wanted}


def setup(*args, **wanted):
    return subprocess.run([SETUP, *args], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=environment(**wanted))


@pytest.mark.parametrize("wanted, chinese", [
    ({"LANG": "zh_CN.UTF-8"}, True),
    ({"LANG": "zh_CN.utf8"}, True),
    ({"LANG": "zh_SG.UTF-8"}, True),
    ({"LC_ALL": "zh_CN.UTF-8", "LANG": "C"}, True),
    ({"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "C.UTF-8"}, True),
    ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN:en"}, True),
    ({"LANG": "zh_CN.UTF-8", "LC_CTYPE": "UTF-8"}, True),  # from a Mac
    ({}, False),
    ({"LANG": "C.UTF-8"}, False),
    ({"LANG": "C", "LANGUAGE": "zh_CN"}, False),
    ({"LANG": "zh_TW.UTF-8"}, False),
    ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}, False),
    ({"LANG": "zh_CN.GB18030"}, False),  # such a terminal could not show it
    ({"LC_CTYPE": "C", "LC_MESSAGES": "zh_CN.UTF-8"}, False),
])
def test_the_environment_chooses(wanted, chinese):
    p = setup("--help", **wanted)
    assert p.returncode == 0 and p.stderr == ""
    assert bool(CJK.search(p.stdout)) == chinese
    assert ("Usage:" in p.stdout) != chinese
    p = setup("derp.demo.com", "--no-such-flag", **wanted)
    assert p.returncode == 2 and "--no-such-flag" in p.stderr and "derp-setup --help" in p.stderr
    assert bool(CJK.search(p.stderr)) == chinese


def columns(text):
    return sum(0 if unicodedata.combining(c) else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_help_keeps_its_columns():
    """The explanations stand below each other, and no line is wider than a terminal."""
    english, chinese = setup("--help").stdout, setup("--help", **CHINESE).stdout
    flags = r"(?m)^  (?:-\w, |    )--[a-z0-9-]+"
    assert len(re.findall(flags, english)) > 50
    assert re.findall(flags, english) == re.findall(flags, chinese)
    lines = chinese.splitlines()
    for line, below in zip(lines, lines[1:]):
        assert columns(line) <= 90, line
        row = re.match(r"  (?:-\w, |    )--\S+( +(?=\S))?", line)
        if row and row.group(1):
            assert columns(row.group()) == 30, line
        elif row:
            assert re.match(r" {30}\S", below), line


def test_what_was_not_set_up():
    p = setup("map", **CHINESE)
    assert p.returncode == 3 and p.stdout == ""
    assert re.search(r"\[fail\] setup\.missing: .*中继", p.stderr), p.stderr
    assert "fix: derp-setup DOMAIN" in p.stderr


# --- A whole check ----------------------------------------------------------------------------------

class Terminal(Conversation):
    """One that can move its cursor, and has a width."""

    def __init__(self, box, width, *args, prepare="", **wanted):
        self.wanted, self.size = wanted, struct.pack("HHHH", 24, width, 0, 0)
        super().__init__(box, *args, prepare=prepare)

    def environment(self, box, prepare):
        return {**box.env(prepare), "TERM": "xterm", "NO_COLOR": "1", **self.wanted}

    def prepare_slave(self, slave):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self.size)


def read_all(talk):
    code = talk.end()
    return code, talk.text.replace("\r\n", "\n")


def english_sentences(text):
    """Four words in a row that are no command, path or flag, nor another program's."""
    text = re.sub(r"`[^`]*`|Failed to connect.*|Could not .*", "", re.sub(r"\s*\n\s+", " ", text))
    return re.findall(r"(?:\b[a-z]{2,} ){3,}[a-z]{2,}", text)


ARGS = ("check", DOMAIN, CA, "--firewall=none")


def test_a_check_is_chinese_on_the_terminal(box):
    hints = box.serve(f"derp A {OURS}\nderp AAAA 2001:db8:99::1")
    code, text = read_all(Terminal(box, 76, *ARGS, hints, **CHINESE))
    assert code == 3
    assert "[dns.aaaa.stray]" in text and "✗" in text
    assert len(CJK.findall(text)) > 200
    assert english_sentences(text) == []


@pytest.mark.parametrize("args, told", [
    ([f"--ip={OURS}"], "没有声明可以为 IP 地址签发证书"),
    ([f"--ip={OURS}", "--port=8443"], "CA 只能在 443 或 80 端口上验证 IP 地址"),
    ([f"--ip={OURS}", "--certificate=acme"], "证书即为该地址签发"),
    ([DOMAIN, "--acme-eab-key-id=x", "--acme-eab-key-file=/etc/passwd"], "/etc/passwd 含有机密"),
    ([DOMAIN, "--acme-hook=/nowhere"], "/nowhere: 没有那个文件或目录"),
])
def test_a_check_of_what_is_rare(box, args, told):
    hints = box.serve(f"derp A {OURS}")
    _, text = read_all(Terminal(box, 200, "check", *args, CA, "--firewall=none", hints, **CHINESE))
    assert told in re.sub(r"\s*\n\s+", "", text), text
    assert english_sentences(text) == []


def test_json_and_log_stay_english(box):
    hints = box.serve(f"derp A {OURS}\nderp AAAA 2001:db8:99::1")
    for wanted in ({"LANG": "C.UTF-8"}, CHINESE):
        p = subprocess.run(box.argv(*ARGS, hints, "--json"), env={**box.env(""), **wanted},
                           capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        checks = json.loads(p.stdout)["checks"]
        assert not CJK.search(json.dumps(checks, ensure_ascii=False))
        assert bool(CJK.search(p.stderr)) == (wanted == CHINESE)
    show_log = "trap 'cat /run/log >&2' EXIT; \"$@\" || exit $?; exit 0"
    p = subprocess.run(box.argv(DOMAIN, CA, hints, "--firewall=none", "--yes", "--quiet",
                                "--log-file=/run/log"),
                       env={**box.env(show_log), **CHINESE}, capture_output=True, text=True,
                       timeout=60, stdin=subprocess.DEVNULL)
    shown, log = re.split(r"(?m)^(?=\d{4}-\d\d-\d\dT)", p.stderr, maxsplit=1)
    assert CJK.search(shown) and "[fail] dns.aaaa.stray:" in log
    assert not CJK.search(log), CJK.search(log)


@pytest.mark.parametrize("width", [36, 60])
@pytest.mark.parametrize("wanted", [{"LANG": "C.UTF-8"}, CHINESE])
def test_lines_are_as_wide_as_the_terminal(box, width, wanted):
    hints = box.serve(f"derp A {OURS}\nderp AAAA 2001:db8:99::1")
    _, text = read_all(Terminal(box, width, *ARGS, hints, **wanted))
    text = re.sub(r"\r[^\r\n]*\x1b\[K\r?|\r?\x1b\[K", "", text)
    lines = [l for l in text.splitlines() if columns(l) > width]
    # Only what must stay whole is wider: a path, a URL, an address, alone on its line.
    assert all(re.fullmatch(r"\s*(?:[→>] )?\S+", l) for l in lines), lines


def test_plain_redraws_nothing(box):
    hints = box.serve(f"derp A {OURS}")
    for flags, moves in (([], True), (["--plain"], False)):
        _, text = read_all(Terminal(box, 80, *ARGS, hints, *flags, **CHINESE))
        assert ("\x1b[K" in text) == moves
        assert ("[ok] dns.ok:" in text) != moves
