# SPDX-License-Identifier: Apache-2.0
"""derp-setup as far as it goes without a booted server: its command line, its answers as JSON, its
checks in a network namespace with a private DNS, and how it ends when it is interrupted."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import dnslab

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = ROOT / "build" / "derp-setup"
OURS = "203.0.113.10"
DNS = "127.0.0.53"
DOMAIN = "derp.demo.com"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="derp-setup wants root")


def setup(*args, **options):
    return subprocess.run([SETUP, *args], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)


# --- The command line -----------------------------------------------------------------------------

def test_help_and_version():
    p = setup("--help")
    assert p.returncode == 0 and p.stderr == ""
    assert "derp-setup DOMAIN" in p.stdout
    assert setup("-V").stdout.startswith("derp-setup ")


@pytest.mark.parametrize("line, says", [
    ("", "domain is missing"),
    ("frobnicate", "neither a verb nor a domain"),
    ("derp..demo.com", "not a domain"),
    ("https://derp.demo.com", "only the host name"),
    ("203.0.113.10", "not a domain"),
    ("--ip derp.demo.com", "without a domain"),
    ("--ip=2001:db8::1", "IPv4"),
    ("derp.demo.com --certificate=own", "self-signed"),
    ("derp.demo.com --acme-challenge=dns-02", "dns-01"),
    ("derp.demo.com --acme-fallback-directory=http://ca.test/dir", "https"),
    ("derp.demo.com --acme-eab-key-file=key", "absolute"),
    ("status --acme-profile=classic", "does not belong"),
    ("dérp.demo.com", "xn--"),
    ("derp.demo.com --no-such-flag", "no such flag"),
    ("derp.demo.com --confirm-timeout=5", "10s to 1h"),
    ("check derp.demo.com --confirm-timeout=60", "does not belong"),
    ("derp.demo.com --uplink=fast", "4mbit"),
    ("derp.demo.com --uplink=-4mbit", "4mbit"),
    ("derp.demo.com --clients=nobody", "anyone"),
    ("derp.demo.com --ip4=2001:db8::1", "IPv4"),
    ("derp.demo.com --wait-dns=10", "number with s, m or h"),
    ("derp.demo.com --port=0", "1 to 65535"),
    ("derp.demo.com --region-id=1", "900 to 999"),
    ("derp.demo.com --acme-directory=http://ca.test/dir", "https"),
    ("status --yes", "does not belong"),
    ("uninstall --confirm=derp.demo.com", "--purge"),
])
def test_wrong_command_lines(line, says):
    p = setup(*line.split())
    assert p.returncode == 2 and p.stdout == "" and says in p.stderr, p
    assert "derp-setup" in p.stderr.split(":", 1)[1], "no next command: " + p.stderr
    p = setup(*line.split(), "--json")
    answer = json.loads(p.stdout)
    assert p.returncode == 2 and answer["exit"] == 2 and answer["result"] == "failed"
    assert [c["id"] for c in answer["checks"]] == ["usage.options"]
    assert says in answer["checks"][0]["message"]
    assert answer["changes"] == [] and answer["derpMap"] == {} and answer["schema"] == 1


@pytest.mark.parametrize("word", [
    b"derp\033[2J\033]0;owned\007.demo.com", b"derp.demo.com\nreboot", b"derp.demo.com\r", b"\377\376.demo.com",
    "\N{RIGHT-TO-LEFT OVERRIDE}moc.demo.com".encode(), b"derp .demo.com", b"*.demo.com", b"demo.com;reboot",
    b"$(reboot).demo.com", b"../../etc/passwd", b"-.demo.com", b".", b"..", b"a..", b"[::1]",
    b"203.0.113.10", b"0x7f.1", b"localhost", b"", b"derp.demo.com/x", b"-", b"---", b"--=", b"--ip4", b"--ip4=",
    b"--port=-1", b"--port=443x", b"--port=" + b"9" * 40, b"--ssh-port=22,", b"--ssh-port=,",
    b"--ssh-port=" + b"22," * 50 + b"22", b"--allow=443", b"--allow=443/sctp", b"--wait-dns=-1s",
    b"--wait-dns=1e9h", b"--uplink=0", b"--uplink=-4mbit", b"--clients=keys:relative",
    b"--clients=url:file:///etc/shadow", b"--region-id=0", b"--region-code=\033[2J", b"--region-name=",
    b"--region-name=\033[2J", b"--log-file=derp.log", b"--email=a@b\nc", b"--email=\033[2J@demo.com",
    b"--acme-directory=http://demo.com/", b"--confirm-timeout=1s", b"--firewall=nft", b"--yes=maybe",
    b"a" * 100000 + b".demo.com", b"--region-name=" + b"x" * 100000, b"--" + b"y" * 100000,
    b"-" + b"y" * 100000 + b"x",
], ids=lambda word: ascii(word[:30])[2:-1])
def test_hostile_words(word):
    """Whatever a word may hold, it is refused in one sentence that any terminal can bear."""
    p = setup(word, *([DOMAIN] if word[:1] == b"-" else []), "--port=0")
    assert p.returncode == 2 and p.stdout == "", p
    assert p.stderr.startswith("derp-setup: ") and p.stderr.count("\n") == 1 and len(p.stderr) < 600, p
    assert "--port=0" not in p.stderr, "it was taken"
    assert all(c == "\n" or c.isprintable() for c in p.stderr), p.stderr


def test_needs_an_answer_or_yes():
    for args in ([DOMAIN], [DOMAIN, "--no-input"]):
        p = setup(*args)
        assert p.returncode == 2 and "--yes" in p.stderr and p.stdout == ""


def test_needs_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "derp-setup"
    shutil.copy(SETUP, program)
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)
    p = subprocess.run([program, DOMAIN, "--yes"], user=65534, capture_output=True, text=True)
    assert p.returncode == 2 and "root" in p.stderr and "sudo" in p.stderr


# --- In a box: own network, own /run, and writes to /etc and /var/lib that go nowhere ---------------

ENTER = textwrap.dedent("""\
    set -e
    mount --make-rprivate /
    mount -t tmpfs box "$BOX"
    for d in etc var/lib var/log; do
        n=$(echo $d | tr / -)
        mkdir -p "$BOX/$n/upper" "$BOX/$n/work"
        mount -t overlay box -o "lowerdir=/$d,upperdir=$BOX/$n/upper,workdir=$BOX/$n/work" /$d
    done
    mount -t tmpfs run /run
    eval "$PREPARE"
    exec "$@"
    """)


class Box:
    def __init__(self, folder):
        self.folder = folder
        self.zones = dnslab.Zones(folder)
        (folder / "mount").mkdir()
        self.network = dnslab.Namespace("setup", [f"{OURS}/24"])

    def serve(self, records):
        """One server that is root and all below it."""
        self.zones.write(".", f". NS ns.root.\nns.root. A {DNS}\ncom. NS ns.root.")
        self.zones.write("com", "com. NS ns.root.\ndemo.com. NS ns.root.")
        self.zones.write("demo.com", "demo.com. NS ns.root.\n" + records)
        dnslab.serve(self.network, self.zones, DNS, [".", "com", "demo.com"])
        return self.hints(DNS)

    def hints(self, address):
        path = pathlib.Path("/tmp") / f"{self.folder.name}.{os.getpid()}.hints"
        path.write_text(f". 3600000 IN NS ns.root.\nns.root. 3600000 IN A {address}\n")
        path.chmod(0o644)
        self._hints = path
        return f"--dns-root-hints={path}"

    def argv(self, *args):
        return self.network.command("unshare", "-m", "sh", "-c", ENTER, "sh", SETUP, *args)

    def env(self, prepare):
        return {**os.environ, "BOX": str(self.folder / "mount"), "PREPARE": prepare}

    def run(self, *args, prepare=""):
        return subprocess.run(self.argv(*args), env=self.env(prepare), capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL)

    def json(self, *args, prepare=""):
        p = self.run(*args, "--json", prepare=prepare)
        answer = json.loads(p.stdout)
        assert answer["exit"] == p.returncode, p
        assert all(c["fix"] for c in answer["checks"] if c["status"] in ("warn", "fail")), answer
        return answer, {c["id"]: c for c in answer["checks"]}

    def close(self):
        self.network.close()
        if hasattr(self, "_hints"):
            self._hints.unlink()


@pytest.fixture
def box(tmp_path):
    if dnslab.missing():
        pytest.skip(dnslab.missing())
    box = Box(tmp_path)
    yield box
    box.close()


CA = "--acme-directory=https://127.0.0.9:1/dir"  # nobody is there


def test_check_finds_everything_at_once(box):
    hints = box.serve(f"derp A {OURS}\nderp AAAA 2001:db8:99::1")
    squatter = box.network.start(sys.executable, "-c", textwrap.dedent("""\
        import socket
        s = socket.socket(); s.bind(("", 443)); s.listen(); print("ready", flush=True)
        import signal; signal.pause()
        """), stdout=subprocess.PIPE, text=True)
    assert squatter.stdout.readline() == "ready\n"
    answer, found = box.json("check", DOMAIN, hints, CA, "--firewall=none")
    assert answer["exit"] == 3 and answer["result"] == "failed"
    assert found["server.systemd"]["status"] == "fail"
    assert found["ports.443.taken"]["status"] == "fail"
    assert "python3" in found["ports.443.taken"]["message"]
    assert str(squatter.pid) in found["ports.443.taken"]["message"]
    assert found["ca.unreachable"]["status"] == "warn"
    assert found["dns.aaaa.stray"]["status"] == "fail"
    assert "2001:db8:99::1" in found["dns.aaaa.stray"]["message"]
    assert found["firewall.none"]["status"] == "warn"
    assert all(c["fix"] for c in answer["checks"] if c["status"] == "fail")
    assert answer["changes"] == []


def test_check_on_a_fine_domain(box):
    hints = box.serve(f"derp A {OURS}")
    _, found = box.json("check", DOMAIN, hints, CA, "--firewall=none")
    for good in ("ports.ok", "address.ok", "dns.ok", "dns.caa.ok"):
        assert found[good]["status"] == "ok"


def test_a_broken_config_is_named_with_its_line_and_other_checks_go_on(box):
    hints = box.serve(f"derp A {OURS}")
    answer, found = box.json(
        "check", DOMAIN, hints, CA, "--firewall=none",
        prepare="mkdir -p /etc/derp; printf '[relay]\\ndomain = x.y\\nworkers = many\\n' "
                ">/etc/derp/derp.conf")
    assert answer["exit"] == 3
    assert "derp.conf:3" in found["config.broken"]["message"]
    assert found["dns.ok"]["status"] == "ok"


def test_failed_checks_leave_nothing_behind(box):
    hints = box.serve(f"derp A {OURS}")
    list_changes = ("trap 'find \"$BOX\" -path \"*/upper/*\" -newer \"$BOX\" | sort >&2' EXIT; "
                    "exec 3>&1; \"$@\" || exit $?; exit 0")
    for flags in (["--dry-run"], ["--yes"]):
        p = box.run(DOMAIN, hints, CA, "--firewall=none", "--log-file=/run/log", *flags,
                    prepare=list_changes)
        assert p.returncode == 3 and p.stdout == "", p
        assert "/upper/" not in p.stderr, p.stderr


ORACLE = ("mount -t tmpfs none /sys/class; mkdir -p /sys/class/dmi/id; "
          "echo OracleCloud.com >/sys/class/dmi/id/chassis_asset_tag")


@pytest.mark.pitfall(6)
def test_oracle_keeps_its_own_firewall(box):
    hints = box.serve(f"derp 600 A {OURS}")
    answer, found = box.json("check", DOMAIN, hints, prepare=ORACLE)
    assert found["firewall.oracle"]["status"] == "warn"
    fix = found["firewall.oracle"]["fix"]
    assert "--dport 443" in fix and "rules.v4" in fix and "-A INPUT -p udp -m udp --dport 3478 -j ACCEPT" in fix
    assert "firewall.ready" not in found and "firewall.none" not in found
    for flag in ("--firewall=none", "--firewall=ufw"):
        answer, found = box.json("check", DOMAIN, hints, flag, prepare=ORACLE)
        assert "firewall.oracle" not in found
        assert ("firewall.none" in found) == (flag == "--firewall=none")
    # Later runs say the same, as nobody has said --firewall=none.
    earlier = (f"{ORACLE}\nmkdir -p /var/lib/derp-setup\n"
               f"echo '{{\"schema\":1,\"domain\":\"{DOMAIN}\",\"settings\":{{\"no_firewall\":true}}}}'"
               " >/var/lib/derp-setup/journal.json")
    answer, found = box.json("check", DOMAIN, hints, prepare=earlier)
    assert found["firewall.oracle"]["status"] == "warn" and "firewall.none" not in found
    # A relay that was set up with ufw goes on with it.
    answer, found = box.json("check", DOMAIN, hints, prepare=f"{ORACLE}\n{CONFIGURED}")
    assert "firewall.oracle" not in found and "firewall.none" not in found


def test_another_run_holds_the_lock(box):
    answer, found = box.json(DOMAIN, "--yes", prepare="exec 9>/run/derp-setup.lock; flock 9")
    assert answer["exit"] == 8 and found["setup.locked"]["fix"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_while_it_asks_the_dns(box, signum):
    box.network._ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
    hints = box.hints("192.0.2.99")  # on our own network, where nobody answers
    process = subprocess.Popen(
        box.argv("check", DOMAIN, hints, CA, "--firewall=none"), env=box.env(""), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stderr:
        if "asking the name servers" in line:
            break
    process.send_signal(signum)  # ip, unshare and sh have all become derp-setup by exec
    began = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 5


# --- status, map: what lies on the disk -------------------------------------------------------------

CONFIGURED = textwrap.dedent("""\
    mkdir -p /etc/derp /var/lib/derp-setup
    printf '[relay]\\ndomain = derp.demo.com\\n' >/etc/derp/derp.conf
    printf '{"schema":1,"domain":"derp.demo.com","settings":{"map4":"203.0.113.7",
        "map6":"2001:db8::7","region_id":901,"region_code":"fra"}}' >/var/lib/derp-setup/journal.json
    """)


def test_map(box):
    p = box.run("map", prepare=CONFIGURED)
    assert p.returncode == 0 and p.stderr == "", p
    assert json.loads(p.stdout) == {"derpMap": {"Regions": {"901": {
        "RegionID": 901, "RegionCode": "fra", "RegionName": DOMAIN, "Nodes": [{
            "Name": "901a", "RegionID": 901, "HostName": DOMAIN, "IPv4": "203.0.113.7",
            "IPv6": "2001:db8::7"}]}}}}
    p = box.run("map", "--format=headscale", "--region-id=900", prepare=CONFIGURED)
    assert p.returncode == 0
    assert p.stdout.startswith("regions:\n  900:\n    regionid: 900\n    regioncode: \"fra\"\n")
    answer, _ = box.json("map", prepare=CONFIGURED)
    assert "901" in answer["derpMap"]["Regions"]


def test_map_and_status_before_setting_up(box):
    for verb in ("map", "status", "doctor", "renew"):
        answer, found = box.json(verb)
        assert answer["exit"] == 3 and "derp-setup DOMAIN" in found["setup.missing"]["fix"]


def test_a_journal_that_cannot_be_read_is_a_warning(box):
    broken = CONFIGURED + "echo '{' >/var/lib/derp-setup/journal.json\n"
    answer, found = box.json("map", prepare=broken)
    assert answer["exit"] == 0
    assert found["journal.broken"]["status"] == "warn"
    answer, found = box.json("uninstall", "--yes", prepare=broken)
    assert answer["exit"] == 1 and "grep changed:" in found["uninstall.unknown"]["fix"]


@pytest.mark.parametrize("args", [("map",), ("map", "--json"), ("map", "--format=headscale")])
def test_output_that_cannot_be_written(box, args):
    with open("/dev/full", "w") as full:
        p = subprocess.run(box.argv(*args), env=box.env(CONFIGURED), stdout=full,
                           stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert p.returncode == 1 and "standard output" in p.stderr and "derp-setup map" in p.stderr, p


def test_nothing_is_pending_and_nothing_to_undo(box):
    for verb in ("confirm", "rollback"):
        p = box.run(verb, prepare=CONFIGURED)
        assert p.returncode == 0 and "pending" in p.stderr
    p = box.run("uninstall", "--yes", prepare=CONFIGURED)
    assert p.returncode == 0 and "nothing to undo" in p.stderr


def test_rollback_that_comes_late_leaves_the_journal_of_the_run(box):
    """The run has kept its change, and written so, while rollback waited for it."""
    late = CONFIGURED + textwrap.dedent(f"""\
        cd /var/lib/derp-setup
        echo 'since 0' >fw-pending
        exec 9>fw.lock; flock 9
        {{ sleep 2; sed -i s/fra/sha/ journal.json; rm fw-pending; }} 9>&9 &
        exec 9>&-
        {SETUP} rollback --json
        cat journal.json >&2
        """)
    p = box.run("--version", prepare=late)
    answer = json.loads(p.stdout[:p.stdout.rindex("}") + 1])
    assert answer["result"] == "unchanged" and answer["exit"] == 0, p
    assert '"region_code":"sha"' in p.stderr, p


def test_there_is_no_map_without_the_fingerprint(box):
    own = CONFIGURED + "printf '[certificate]\\nsource = self-signed\\n' >>/etc/derp/derp.conf\n"
    p = box.run("map", prepare=own)
    assert p.returncode == 6 and p.stdout == "" and "fingerprint" in p.stderr, p
    answer, found = box.json("map", prepare=own)
    assert answer["exit"] == 6 and found["certificate.missing"]["status"] == "fail"
    assert not answer.get("derpMap")


def test_purge_wants_the_domain(box):
    for args, words in ((["--purge", "--yes"], "--confirm=DOMAIN"),
                        (["--purge", "--confirm=other.demo.com"], "domain of this relay")):
        answer, found = box.json("uninstall", *args, prepare=CONFIGURED)
        assert answer["exit"] == 2
        assert words in next(iter(found.values()))["fix"]


# In the place of systemd's two programs: what they are called with, and what is there by then.
SYSTEMD = textwrap.dedent("""\
    printf '%s\\n' '#!/bin/sh' 'echo systemctl "$*" $(ls -A /var/lib/derp*/) >>/run/calls' \\
        >/run/systemctl
    printf '%s\\n' '#!/bin/sh' 'echo systemd-tmpfiles "$*" >>/run/calls' \\
        'mkdir -p /var/lib/derp /var/lib/derp-acme/challenge' >/run/systemd-tmpfiles
    chmod +x /run/systemctl /run/systemd-tmpfiles
    for program in systemctl systemd-tmpfiles; do
        mount --bind /run/$program "$(readlink -f "$(command -v $program)")"
    done
    """)
HAS_SYSTEMD = pytest.mark.skipif(not shutil.which("systemd-tmpfiles") or not shutil.which("systemctl"),
                                 reason="there is no systemd to stand in for")
EMPTIED = ["uninstall", "--purge", f"--confirm={DOMAIN}", "--json"]


def calls_of(box, prepare, *args):
    """What derp-setup answers, and afterwards the calls and the folders."""
    prepare += f"{SETUP} {' '.join(args)} || :\necho; cat /run/calls; find /var/lib/derp /var/lib/derp-acme\n"
    p = box.run("--version", prepare=CONFIGURED + SYSTEMD + prepare)
    answer, at = json.JSONDecoder().raw_decode(p.stdout)
    lines = p.stdout[at:].splitlines()
    return answer, [n for n in lines if n.startswith("system")], [n for n in lines if n.startswith("/var")]


@HAS_SYSTEMD
def test_purge_stops_what_would_write_another_key(box):
    answer, calls, left = calls_of(box, "rm -rf /var/lib/derp /var/lib/derp-acme; mkdir /var/lib/derp-acme\n"
                                        "touch /var/lib/derp-acme/privkey.pem\n", *EMPTIED)
    assert "deleted: keys and certificates" in answer["changes"] and answer["exit"] == 0, answer
    stopped = next(c for c in calls if "derp-acme.service" in c)
    assert stopped.startswith("systemctl stop -- derp-acme.service") and "privkey.pem" in stopped, calls
    # Without the folders the units would not start; one of them was missing.
    assert left == ["/var/lib/derp", "/var/lib/derp-acme", "/var/lib/derp-acme/challenge"]


@HAS_SYSTEMD
def test_purge_says_how_to_empty_the_folders_when_it_cannot(box):
    answer, _, _ = calls_of(box, "echo false >>/run/systemctl\n", *EMPTIED)
    told = {c["id"]: c for c in answer["checks"]}["uninstall.leftovers"]
    assert told["status"] == "warn" and answer["exit"] == 0
    assert "-mindepth 1 -delete" in told["fix"] and "rm -rf" not in told["fix"]
    assert "systemctl stop derp-acme.service" in told["fix"]


@HAS_SYSTEMD
def test_folders_that_were_deleted_are_made_before_a_certificate_is_asked_for(box):
    _, calls, left = calls_of(box, "rm -rf /var/lib/derp /var/lib/derp-acme\n", "renew", "--json")
    assert "systemd-tmpfiles --create derp-relay.conf" in calls
    assert "/var/lib/derp-acme/challenge" in left


# --- Questions ------------------------------------------------------------------------------------

class Conversation:
    """derp-setup at a terminal: what it writes there, and what is typed."""

    def __init__(self, box, *args, prepare=""):
        self.master, slave = pty.openpty()
        self.prepare_slave(slave)
        self.process = subprocess.Popen(box.argv(*args), env=self.environment(box, prepare),
                                        stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.text = ""

    def environment(self, box, prepare):
        return {**box.env(prepare), "TERM": "dumb", "LANG": "C.UTF-8"}

    def prepare_slave(self, slave):
        """For those who want a terminal of their own."""

    def expect(self, words, seconds=20):
        """Reads until these words have come since the last call; returns what came with them."""
        end = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < end and self._read(end), f"no {words!r} in:\n{self.text}"
        came, self.text = self.text, ""
        return came

    def _read(self, end):
        if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
            return False
        try:
            self.text += os.read(self.master, 4096).decode(errors="replace")
        except OSError:  # the other end is closed
            return False
        return True

    def say(self, line):
        os.write(self.master, line.encode() + b"\n")

    def end(self):
        while self._read(time.monotonic() + 20):
            pass
        os.close(self.master)
        return self.process.wait(10)


def test_a_first_run_asks_who_may_use_it_and_how_fast_the_line_is(box):
    hints = box.serve(f"derp A {OURS}")
    talk = Conversation(box, DOMAIN, hints, CA, "--firewall=none")
    asked = talk.expect("Which one? [1-4]")
    for choice in ("tailscaled", "headscale", "node key", "anyone on the internet"):
        assert choice in asked
    talk.say("5")
    talk.expect("Which one? [1-4]")
    talk.say("3")
    talk.expect("Path of the file")
    talk.say("keys.txt")
    talk.expect("That is not")
    talk.say("/etc/derp-keys")
    asked = talk.expect("Enter: no limit")
    assert "small ones first" in asked
    talk.say("fast")
    talk.expect("That is not a rate")
    talk.say("4mbit")
    assert "/etc/derp-keys" in talk.expect("chmod 0644")  # the answer was taken: it is missing
    assert talk.end() == 3


def test_a_question_without_an_answer(box):
    talk = Conversation(box, DOMAIN, CA, "--firewall=none")
    talk.expect("Which one? [1-4]")
    talk.say("")
    talk.expect("--clients=anyone")
    assert talk.end() == 2
    talk = Conversation(box, DOMAIN, CA, "--firewall=none")
    talk.expect("Which one? [1-4]")
    os.killpg(talk.process.pid, signal.SIGINT)
    assert talk.end() == 130


def test_flags_and_an_earlier_config_answer_beforehand(box):
    hints = box.serve(f"derp A {OURS}")
    talk = Conversation(box, DOMAIN, hints, CA, "--firewall=none", "--clients=anyone",
                        "--uplink=off")
    assert "[1-4]" not in talk.expect("clients.anyone")
    talk.end()
    talk = Conversation(box, DOMAIN, hints, CA, "--firewall=none", prepare=CONFIGURED)
    assert "[1-4]" not in talk.expect("clients.anyone")
    talk.end()


FAKE_TAILSCALED = textwrap.dedent("""\
    mkdir -p /run/tailscale
    cat >/run/fake.py <<'END'
    import ctypes, http.server, signal, socketserver
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    class Answer(http.server.BaseHTTPRequestHandler):
        def address_string(self): return "local"
        def do_GET(self):
            ok = self.path.startswith("/localapi/v0/whois?addr=nodekey:")
            self.send_response(404 if ok else 500); self.end_headers()
    s = socketserver.UnixStreamServer("/run/tailscale/tailscaled.sock", Answer)
    open("/run/fake-is-up", "w"); s.serve_forever()
    END
    /usr/bin/python3 /run/fake.py >/dev/null 2>&1 & fake=$!
    while ! [ -e /run/fake-is-up ]; do kill -0 $fake; done
    """)


def test_a_tailscaled_on_the_server_decides(box):
    hints = box.serve(f"derp A {OURS}")
    _, found = box.json(DOMAIN, hints, CA, "--firewall=none", "--yes", "--dry-run",
                        prepare=FAKE_TAILSCALED)
    assert "tailscaled" in found["clients.found"]["message"]
    assert found["clients.ok"]["status"] == "ok"
    _, found = box.json(DOMAIN, hints, CA, "--firewall=none", "--yes", "--dry-run",
                        "--clients=anyone", prepare=FAKE_TAILSCALED)
    assert found["clients.anyone"]["status"] == "warn"


def test_a_derper_on_the_server_decides(box):
    unit = ("mkdir -p /etc/systemd/system; echo 'ExecStart=/usr/bin/derper -verify-client-url="
            "https://127.0.0.9:1/verify' >/etc/systemd/system/derper.service")
    hints = box.serve(f"derp A {OURS}")
    _, found = box.json(DOMAIN, hints, CA, "--firewall=none", "--yes", "--dry-run", prepare=unit)
    assert "https://127.0.0.9:1/verify" in found["clients.found"]["message"]
    assert found["clients.url"]["status"] == "fail"  # nobody is there


def test_unattended_it_is_anyone_and_said_loudly(box):
    hints = box.serve(f"derp A {OURS}")
    _, found = box.json(DOMAIN, hints, CA, "--firewall=none", "--yes", "--dry-run")
    assert "ANYONE" in found["clients.anyone"]["message"]
    assert found["clients.anyone"]["status"] == "warn" and "--clients=" in found["clients.anyone"]["fix"]


# --- doctor -----------------------------------------------------------------------------------------

def test_doctor_is_interrupted_while_its_threads_wait(box):
    box.network._ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
    hints = box.hints("192.0.2.99").split("=")[1]  # on our own network, where nobody answers
    config = CONFIGURED + f"printf '[dns]\\nroot-hints = {hints}\\n' >>/etc/derp/derp.conf\n"
    process = subprocess.Popen(box.argv("doctor", "--json"), env=box.env(config), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    tasks = pathlib.Path(f"/proc/{process.pid}/task")
    end = time.monotonic() + 20
    while len(list(tasks.iterdir())) < 3:
        assert time.monotonic() < end and process.poll() is None
    process.send_signal(signal.SIGINT)  # ip, unshare and sh have all become derp-setup by exec
    out, _ = process.communicate(timeout=30)
    answer = json.loads(out)
    assert process.returncode == 130 and answer["result"] == "interrupted", answer
    assert not [c for c in answer["checks"] if c["id"].endswith(".late")]


def test_doctor_keeps_its_time_where_nobody_answers(box):
    box.network._ip("addr", "add", "192.0.2.1/24", "dev", "eth0")
    hints = box.hints("192.0.2.99").split("=")[1]
    config = CONFIGURED + f"printf '[dns]\\nroot-hints = {hints}\\n' >>/etc/derp/derp.conf\n"
    began = time.monotonic()
    answer, found = box.json("doctor", prepare=config)
    assert time.monotonic() - began < 6  # doctor's five, and the box
    assert answer["exit"] == 1 and found["dns.late"]["status"] == "warn"
