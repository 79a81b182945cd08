# SPDX-License-Identifier: Apache-2.0
"""Hostile input, and a hostile place to run in: derp-setup says what is wrong and changes nothing, or
goes on where that is possible; it never hangs, dies, or writes where it should not."""

import contextlib
import shlex

import pytest

from testbed import rootfs
from testbed.appliance import Setup, derp_setup, differences, fingerprint
from testbed.world import DOMAIN, World

SUITE = rootfs.SUITES[0]
CONF = "/etc/derp/derp.conf"
LOOKING = ["status", "doctor", "map", "check derp.demo.com"]
VERBS = [*LOOKING, "renew", "confirm", "rollback", "uninstall --yes"]
SECONDS = 60


@pytest.fixture(scope="module")
def bare(installed):
    """A server on which nothing was set up, and nothing will be."""
    with World(SUITE, layers=installed(SUITE)) as world:
        yield world


@pytest.fixture(scope="module")
def relay(installed):
    """A server that is set up; each test leaves it so."""
    with World(SUITE, layers=installed(SUITE)) as world:
        assert derp_setup(world).code == 0
        yield world


@contextlib.contextmanager
def nothing_changes(world):
    before = fingerprint(world.server)
    yield
    assert differences(fingerprint(world.server), before) == []


def shell(world, script, **options):
    """A shell script on the server; in it, `setup` is derp-setup with all that this internet needs."""
    words = " ".join(shlex.quote(w) for w in [DOMAIN, "--yes", *world.setup_flags()])
    return world.server.run("sh", "-c", f"setup() {{ derp-setup {words} \"$@\"; }}\n{script}",
                            check=False, timeout=SECONDS, **options)


def is_clean(text):
    """No control characters, nothing broken: fit for every terminal."""
    return all(c == "\n" or (c.isprintable() and c != "\ufffd") for c in text)


def ended(r):
    """It came to an end of its own: no signal, no sanitizer, no shell's 126 or 127."""
    assert r.code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 130), r
    assert is_clean(r.out) and is_clean(r.err), r
    return r


# --- The command line -----------------------------------------------------------------------------

def test_a_domain_is_taken_as_people_write_it(bare):
    assert ended(shell(bare, "derp-setup --yes --dry-run DERP.Demo.COM --json "
                       + " ".join(bare.setup_flags()))).code == 0


def test_nobody_but_root(bare):
    for verb in VERBS:
        r = ended(shell(bare, f"runuser -u nobody -- derp-setup {verb}"))
        assert r.code == 2 and "sudo derp-setup" in r.out + r.err, r


# --- A config that is none ------------------------------------------------------------------------

BROKEN = {
    "noise": f"head -c 20000 /dev/urandom >{CONF}",
    "huge": f"yes '# a comment' | head -c 2000000 >{CONF}",
    "a long line": f"printf '[relay]\\ndomain = ' >{CONF}; head -c 60000 /dev/zero | tr '\\0' a >>{CONF}",
    "zeros": f"head -c 1000 /dev/zero >{CONF}",
    "escape sequences": f"printf '[relay]\\n\\033[2J\\033]0;owned\\007 = 1\\n' >{CONF}",
    "a folder": f"mkdir {CONF}",
    "a pipe": f"mkfifo {CONF}",
    "a device": f"ln -s /dev/zero {CONF}",
    "a link to nowhere": f"ln -s /nowhere {CONF}",
    "a link to itself": f"ln -s derp.conf {CONF}",
    "empty": f": >{CONF}",
    "half": f"printf '[relay]\\ndomain = derp.demo.com\\nuplink' >{CONF}",
    "somebody else's": f"cp /etc/passwd {CONF}",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_config_that_is_none(bare, what):
    server = bare.server
    server.sh(f"mkdir -p /etc/derp; rm -rf {CONF}; {BROKEN[what]}")
    try:
        with nothing_changes(bare):
            for verb in ["status", "renew", "uninstall --yes",
                         f"{DOMAIN} --yes --dry-run {' '.join(bare.setup_flags())}"]:
                r = ended(shell(bare, f"derp-setup {verb} --json"))
                failed = [c for c in Setup(r).checks if c["status"] == "fail"]
                if verb in ("status", "renew") or "dry-run" in verb:
                    assert r.code != 0 or what in ("empty", "half", "a link to nowhere"), (verb, r)
                assert r.code == 0 or failed, (verb, r)
                assert all(c["fix"] for c in failed), (verb, failed)
    finally:
        server.sh("rm -rf /etc/derp")


# --- A journal that is none -----------------------------------------------------------------------

@pytest.mark.parametrize("what", ["rm {0}; mkdir {0}", "rm {0}; mkfifo {0}", "echo '{{' >{0}", ": >{0}",
                                  "head -c 3000000 /dev/zero >{0}", "echo '[[[[[[' >{0}",
                                  "echo '{{\"schema\":99}}' >{0}"])
def test_a_journal_that_is_none(relay, what):
    """The relay is what matters; the record of what was done is put aside, and said to be unreadable."""
    server, journal = relay.server, "/var/lib/derp-setup/journal.json"
    server.sh(f"cp {journal} /root/journal.json; " + what.format(journal))
    try:
        for verb in ("status", "map"):
            assert ended(shell(relay, f"derp-setup {verb}")).code == 0, verb
        r = ended(shell(relay, "derp-setup uninstall --dry-run"))
        assert r.code == 1 and "journal.json" in r.err and "grep changed:" in r.err, r
        r = ended(shell(relay, "setup --json"))
        assert r.code == 0 and Setup(r).status("journal.broken") == "warn", r
        assert "Status: active" in server.sh("ufw status")
    finally:
        server.sh(f"rm -rf {journal} {journal}.broken; cp /root/journal.json {journal}")


# --- Disks ----------------------------------------------------------------------------------------

def mounted(script, *mounts):
    """The script in a mount namespace of its own."""
    inner = "; ".join(["set -e", *mounts, script])
    return f"unshare -m --propagation private sh -c {shlex.quote(inner)}"


def in_namespace(world, args, *mounts):
    words = " ".join(shlex.quote(w) for w in [DOMAIN, "--yes", "--json", *world.setup_flags(), *args])
    return ended(shell(world, mounted(f"exec derp-setup {words}", *mounts)))


READ_ONLY = {
    "/etc": ["mount --bind /etc /etc", "mount -o remount,ro,bind /etc"],
    "/var/lib/derp-setup": ["mount --bind /var/lib/derp-setup /var/lib/derp-setup",
                            "mount -o remount,ro,bind /var/lib/derp-setup"],
    "/run": ["mount --bind /run /run", "mount -o remount,ro,bind /run"],
    "/var/log": ["mount --bind /var/log /var/log", "mount -o remount,ro,bind /var/log"],
}


@pytest.mark.parametrize("folder", READ_ONLY)
def test_read_only(installed, folder):
    with World(SUITE, layers=installed(SUITE)) as world:
        before = fingerprint(world.server)
        r = in_namespace(world, [], *READ_ONLY[folder])
        run = Setup(r)
        if folder == "/var/log":  # a run without a log is better than none
            assert run.code == 0 and run.status("setup.log") == "warn", r
            return
        assert run.code != 0 and any(folder in c["message"] + c["fix"] for c in run.checks
                                     if c["status"] == "fail"), r
        assert folder != "/etc" or run.failures == ["server.readonly"], r  # before anything was tried
        assert differences(fingerprint(world.server), before) == []
        assert derp_setup(world).code == 0


FULL = {
    "/var/lib/derp-setup": ["mount -t tmpfs -o size=16k full /var/lib/derp-setup",
                            "head -c 20000 /dev/zero >/var/lib/derp-setup/x || true"],
    "/etc": ["cp -a /etc /tmp/etc", "mount -t tmpfs -o size=8m full /etc", "cp -a /tmp/etc/. /etc",
             "rm -rf /tmp/etc", "head -c 9000000 /dev/zero >/etc/x || true"],
}


@pytest.mark.parametrize("folder", ["/var/lib/derp-setup", "/etc"])
def test_full(installed, folder):
    with World(SUITE, layers=installed(SUITE)) as world:
        before = fingerprint(world.server)
        r = in_namespace(world, [], *FULL[folder])
        run = Setup(r)
        assert run.code in (1, 3, 5) and any("df " in c["fix"] or "room" in c["fix"] for c in run.checks
                                             if c["status"] == "fail"), r
        assert differences(fingerprint(world.server), before) == []
        assert derp_setup(world).code == 0


# --- What is missing ------------------------------------------------------------------------------

@pytest.mark.parametrize("mounts, found", [
    (["mount -t tmpfs none /run/systemd"], "server.systemd"),
    (["mount --bind /dev/null /usr/sbin/derpd"], "package.incomplete"),
])
def test_no_systemd_and_no_relay(bare, mounts, found):
    with nothing_changes(bare):
        run = Setup(in_namespace(bare, ["--no-input"], *mounts))
    assert run.code == 3 and found in run.failures, run


# --- Streams, terminals, the environment -----------------------------------------------------------

def test_streams_that_are_closed(relay):
    """What would be said is not written into the files that get the streams' numbers."""
    conf, journal = relay.server.read(CONF), relay.server.sh("cat /var/lib/derp-setup/journal.json")
    for streams, code in (("<&-", 0), ("2>&-", 0), (">&-", 1), ("<&- >&- 2>&-", 1), (">/dev/full", 1)):
        r = ended(shell(relay, f"setup {streams}"))
        assert r.code == code, (streams, r)
        if code and "2>&-" not in streams:
            assert "standard output" in r.err and "derp-setup map" in r.err, r
        for verb in ("map", "status --json", "doctor --json"):
            r = ended(shell(relay, f"derp-setup {verb} {streams}"))
            assert r.code == code, (verb, streams, r)
    for program in ("derpd --check", "derp-acme status"):
        assert ended(shell(relay, f"{program} <&- >&- 2>&-")).code in (0, 1)
    assert relay.server.read(CONF) == conf
    assert relay.server.sh("cat /var/lib/derp-setup/journal.json") == journal
    assert "derpMap" not in relay.server.sh("cat /run/derp-setup.lock; grep -r derpMap /var/lib/derp* || true")


def test_nobody_reads_what_it_says(relay):
    for verb in ("status", "doctor", "map"):
        assert "141" not in shell(relay, f"{{ derp-setup {verb}; echo $? >/tmp/code; }} 2>&1 | true; "
                                  "cat /tmp/code").out
    # In the middle of a change this would leave the firewall to the timer.
    r = shell(relay, "ufw delete allow 3478/udp >/dev/null; { setup; echo $? >/tmp/code; } 2>&1 | head -n 1; "
              "cat /tmp/code; ufw status")
    assert r.out.splitlines()[1] in ("0", "1") and "3478/udp" in r.out, r


PTY = """
import fcntl, os, pty, struct, sys, termios
rows, columns = int(sys.argv[1]), int(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(sys.argv[3], sys.argv[3:])
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("rows, columns, term", [
    (0, 0, "xterm"), (1, 1, "xterm"), (5, 20, "xterm"), (24, 39, "nonsense"), (24, 40, "dumb"),
    (24, 80, ""), (500, 2000, "xterm")])
def test_terminals_of_any_size(relay, rows, columns, term):
    relay.server.write("/root/terminal.py", PTY)
    for verb in (["status"], [DOMAIN, "--dry-run", *relay.setup_flags()]):
        r = relay.server.run("python3", "/root/terminal.py", rows, columns, "derp-setup", *verb,
                             check=False, timeout=SECONDS, env={"TERM": term})
        assert r.code == 0 and ("\033" in r.out) <= (term in ("xterm", "nonsense")), (term, verb, r)


@pytest.mark.parametrize("env", [
    {"LC_ALL": "C", "HOME": "", "TMPDIR": "/nowhere", "SUDO_USER": "$(reboot)"},
    {"LC_ALL": "de_DE.ISO-8859-1", "COLUMNS": "-1", "LINES": "x", "SSH_CONNECTION": "a b c d"},
    {"LC_ALL": "zh_CN.GB18030", "TZ": "../../../etc/passwd", "CURL_CA_BUNDLE": "/nowhere"},
    {"LANG": "nonsense", "LANGUAGE": "zh:xx", "http_proxy": "http://127.0.0.1:1",
     "https_proxy": "http://127.0.0.1:1", "SSL_CERT_FILE": "/nowhere",
     "SSH_CONNECTION": "203.0.113.9 1 203.0.113.10 99999999"},
    {"LC_ALL": "../../../../tmp/x"},
])
def test_environments(relay, env):
    assert ended(shell(relay, "derp-setup doctor --json", env=env)).code == 0
    r = ended(shell(relay, "setup --json", env=env))
    assert r.code == 0 and Setup(r).json["changes"] == [], r


def test_programs_of_the_caller_are_not_run(bare):
    """Neither by PATH nor from the folder it is started in."""
    r = ended(shell(bare, "mkdir -p /root/evil; cd /root/evil; for p in ufw systemctl iptables sshd apt-get derpd cp; "
                    "do printf '#!/bin/sh\\ntouch /root/evil/was-run\\n' >$p; chmod 755 $p; done; "
                    "PATH=/root/evil:.:$PATH; export PATH; setup --dry-run; c=$?; ls; exit $c"))
    assert r.code == 0 and "was-run" not in r.out, r


@pytest.mark.parametrize("limit", ["-n 24", "-f 0", "-s 1024", "-t 60", "-c 0"])
def test_limits(bare, limit):
    """Few descriptors, no files, a small stack: it may fail, not die."""
    with nothing_changes(bare):
        ended(shell(bare, f"ulimit {limit}; setup --dry-run"))
        ended(shell(bare, f"ulimit {limit}; derp-setup status"))


def test_umask_and_links(bare):
    server = bare.server
    server.sh("ln -sf /etc/important /var/log/derp-setup.log; echo kept >/etc/important")
    r = ended(shell(bare, "umask 000; setup --json"))
    assert r.code == 0 and Setup(r).status("setup.log") == "warn", r
    assert server.read("/etc/important") == "kept\n"
    assert server.sh("find /etc/derp /var/lib/derp* /run/derp-setup.lock ! -type l -perm /022; true") == ""
    assert ended(shell(bare, "umask 777; derp-setup uninstall --yes")).code == 0
    server.sh("rm -f /var/log/derp-setup.log /etc/important")


# --- At once ----------------------------------------------------------------------------------------

def test_two_at_once(installed):
    with World(SUITE, layers=installed(SUITE)) as world:
        r = shell(world, "for n in 1 2 3; do { setup >/tmp/out$n 2>&1; echo $? >/tmp/code$n; } & done; "
                  "derp-setup status >/dev/null; wait; sort /tmp/code*; cat /tmp/out*")
        codes = r.out.splitlines()[:3]
        assert codes == ["0", "8", "8"], r
        again = derp_setup(world)
        assert again.code == 0 and again.json["changes"] == [], again


def test_nohup(installed):
    """A hangup that the caller wants to be ignored is ignored."""
    with World(SUITE, layers=installed(SUITE)) as world:
        process = world.server.popen("sh", "-c", "trap '' HUP; exec derp-setup \"$@\"", "sh", DOMAIN, "--yes",
                                     *world.setup_flags(), unit="hung-up")
        world.server.until("the run", "test -e /etc/derp/derp.conf")
        world.server.run("systemctl", "kill", "--kill-whom=main", "--signal=HUP", "hung-up")
        assert process.wait(SECONDS) == 0
