# SPDX-License-Identifier: Apache-2.0
"""`derp-setup doctor`: each layer that can be broken is named with a fix, in less than five seconds."""

import re
import subprocess
import time

import pytest

from testbed import rootfs
from testbed.appliance import assert_came_back, derp_setup, derp_verb
from testbed.network import SERVER
from testbed.world import World

SUITE = rootfs.SUITES[0]
SECONDS = 5


@pytest.fixture(scope="module")
def relay(installed):
    """One server that is set up; each test repairs what it breaks."""
    with World(SUITE, layers=installed(SUITE)) as world:
        run = derp_setup(world)
        assert run.code == 0, run
        root(world).write_text(world.ca.issuing_root())
        yield world


def root(world):
    """The root of the certificate that the relay has; a CA that was stopped has another one."""
    return world.folder / "root.pem"


def doctor(world):
    began = time.monotonic()
    run = derp_verb(world, "doctor")
    assert time.monotonic() - began < SECONDS, run
    for check in run.checks:
        assert check["fix"] or check["status"] in ("ok", "skip"), check
    return run


@pytest.mark.pitfall(10)
def test_all_layers_of_a_healthy_server(relay):
    run = doctor(relay)
    assert run.code == 0 and run.failures == [], run
    for good in ("server.ok", "service.ok", "limits.ok", "ports.ok", "relay.ok", "firewall.ok", "ca.ok",
                 "dns.ok", "certificate.ok", "certificate.next", "outside.tls", "proof.tls",
                 "proof.derp", "proof.stun"):
        assert run.status(good) == "ok", f"{good}: {run}"
    assert run.status("outside.console") == "skip"
    assert "3478/udp" in run.get("outside.console")["fix"]
    assert run.status("clients.anyone") == "warn"


@pytest.mark.parametrize("servers, ca", [
    (("root", "tld", "zone"), "ca.late"),
    (("root", "tld", "zone", "resolver"), "ca.unreachable"),
])
def test_whatever_hangs_is_named_in_time(relay, servers, ca):
    """The CA takes connections and says nothing, so does the DNS, and ufw waits for its lock."""
    relay.ca.freeze()
    relay.dns.freeze(*servers)
    lock = relay.server.popen(
        "python3", "-c", "import fcntl, signal; f = open('/run/ufw.lock', 'w'); fcntl.lockf(f, "
        "fcntl.LOCK_EX); open('/run/ufw-is-locked', 'w'); signal.pause()", unit="lock-holder")
    try:
        relay.server.until("the lock", "test -e /run/ufw-is-locked")
        run = doctor(relay)
    finally:
        relay.server.run("systemctl", "stop", "lock-holder")
        lock.wait(10)
        relay.dns.thaw()
        relay.ca.thaw()
    for label in ("firewall.late", "dns.late", ca):
        assert run.status(label) == "warn", f"{label}: {run.checks}"
    for good in ("service.ok", "relay.ok", "certificate.ok", "proof.derp", "proof.stun"):
        assert run.status(good) == "ok", run


def test_a_firewall_that_was_changed_by_hand(relay):
    server = relay.server
    server.run("ufw", "delete", "allow", "443/tcp")
    run = doctor(relay)
    assert run.code == 1 and "firewall.readback" in run.failures, run
    server.run("ufw", "allow", "443/tcp")
    server.sh("sed -i s/ENABLED=yes/ENABLED=no/ /etc/ufw/ufw.conf")
    run = doctor(relay)
    server.sh("sed -i s/ENABLED=no/ENABLED=yes/ /etc/ufw/ufw.conf")
    assert run.code == 1 and "firewall.boot" in run.failures, run
    assert doctor(relay).code == 0


@pytest.mark.pitfall(20)
def test_libraries_that_an_upgrade_has_replaced(relay, talker):
    """needrestart, which Ubuntu runs after each upgrade, finds derpd, and its restart is the cure."""
    server = relay.server
    server.offer_packages()
    server.sh("apt-get install -qqy --no-install-recommends needrestart", timeout=180)
    talks = [talker.start(relay.clients[0], SERVER, root(relay)).wait_ready()] if talker.returns else []
    package = server.sh("dpkg -S /usr/lib/*/libssl.so.3").partition(":")[0]
    server.run("apt-get", "install", "-qqy", "--reinstall", package,
               env={"NEEDRESTART_SUSPEND": "1"}, timeout=180)
    run = doctor(relay)
    told = run.get("service.libraries")["message"]
    assert run.code == 0 and re.search("lib(ssl|crypto)", told), run
    assert "NEEDRESTART-SVC: derpd.service" in server.sh("needrestart -b -l").splitlines()
    pid = server.sh("systemctl show -P MainPID derpd")
    server.run("needrestart", "-q", "-l", "-r", "a")
    assert server.sh("systemctl show -P MainPID derpd") != pid
    assert_came_back(relay, talks)
    assert "derpd.service" not in server.sh("needrestart -b -l")
    run = doctor(relay)
    assert run.code == 0 and run.status("service.libraries") is None, run


def test_descriptors(relay):
    server = relay.server
    server.write("/etc/systemd/system/derpd.service.d/few.conf", "[Service]\nLimitNOFILE=1000\n")
    server.sh("systemctl daemon-reload; systemctl restart derpd")
    run = doctor(relay)
    server.sh("rm -r /etc/systemd/system/derpd.service.d; systemctl daemon-reload; "
              "systemctl restart derpd")
    assert "1000" in run.get("limits.descriptors")["message"], run


@pytest.mark.parametrize("source, found", [
    ("tailscaled:/run/nobody.sock", "clients.tailscaled"),
    ("url:https://ca.test:81/verify", "clients.url"),
    ("keys:/etc/derp/none", "clients.keys"),
])
def test_an_admission_source_that_does_not_answer(relay, source, found):
    server = relay.server
    text = server.read("/etc/derp/derp.conf")
    server.write("/etc/derp/derp.conf", text + f"\n[admission]\nallow = {source}\n"
                 if "[admission]" not in text
                 else text.replace("[admission]", f"[admission]\nallow = {source}"))
    run = doctor(relay)
    server.write("/etc/derp/derp.conf", text)
    assert run.code == 1 and found in run.failures, run


def test_an_admission_url_is_asked(relay):
    server = relay.server
    server.write("/root/verify.py", """\
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if b'"NodePublic":"nodekey:' in body else 500)
        self.end_headers()
        self.wfile.write(b'{"Allow": false}')
http.server.HTTPServer(("127.0.0.1", 8001), Answer).serve_forever()
""")
    server.popen("python3", "/root/verify.py", unit="verify")
    server.until("the source", "ss -Hlnt 'sport = 8001' | grep -q .")
    text = server.read("/etc/derp/derp.conf")
    server.write("/etc/derp/derp.conf", text.replace(
        "[admission]", "[admission]\nallow = url:http://127.0.0.1:8001/verify"))
    run = doctor(relay)
    server.write("/etc/derp/derp.conf", text)
    server.run("systemctl", "stop", "verify")
    assert run.status("clients.ok") == "ok", run


# --- The report -----------------------------------------------------------------------------------

def test_the_report_has_everything_but_secrets(relay):
    server = relay.server
    text = server.read("/etc/derp/derp.conf")
    server.write("/etc/derp/derp.conf", text.replace("[acme]", "[acme]\nemail = me@demo.com"))
    run = derp_verb(relay, "doctor", "--report=/root/report.txt")
    server.write("/etc/derp/derp.conf", text)
    assert run.code == 0 and run.status("report.written") == "ok", run
    assert server.sh("stat -c %a:%U /root/report.txt") == "600:root"
    report = server.read("/root/report.txt")
    for part in ("[ok] proof.derp", "domain = derp.demo.com", "email = (left out)", "ActiveState=active",
                 "Status: active", "443/tcp", '"loggedIn"', '"renew_at"', "somaxconn", "ready",
                 "derp-setup 0."):
        assert part in report, f"{part} is missing:\n{report}"
    keys = server.sh("cat /var/lib/derp/derp.key; grep -rhv -- ----- /var/lib/derp-acme/account "
                     "/var/lib/derp-acme/current/privkey.pem")
    secrets = re.findall(r"^[0-9A-Za-z+/=]{20,}$|(?<=privkey:)[0-9a-f]{64}", keys, re.M)
    assert len(secrets) >= 5, keys  # two lines of PEM or more for each of two keys, and the relay's
    for secret in secrets:
        assert secret not in report, secret
    assert "me@demo.com" not in report and "PRIVATE KEY" not in report
    again = derp_verb(relay, "doctor", "--report=/root/report.txt")
    assert again.code == 2 and again.failures == ["report.exists"], again
    assert server.read("/root/report.txt") == report
    assert derp_verb(relay, "doctor", "--report=/none/report.txt").failures == ["report.failed"]


# --- status ---------------------------------------------------------------------------------------

def test_status_has_its_numbers_as_numbers(relay):
    run = derp_verb(relay, "status")
    assert run.code == 0 and run.status("certificate.next") == "ok", run
    status = run.json["status"]
    assert status["certificate"]["daysLeft"] > 80 and status["connections"] == 0, status


def test_status_is_watched(relay, talker):
    talk = talker.start(relay.clients[0], SERVER, root(relay)).wait_ready()
    watch = relay.server.popen("derp-setup", "status", "--watch", unit="watch", text=True,
                               stdout=subprocess.PIPE)
    seen = ""
    while seen.count("Mbit/s") < 2:
        line = watch.stdout.readline()
        assert line, seen
        seen += line
    relay.server.run("systemctl", "kill", "--signal=INT", "watch")
    assert watch.wait(10) == 0  # Ctrl-C is how it ends
    watch.stdout.close()
    talk.stop()
    assert re.search(r"^relayed +0\.[1-9]|^relayed +[1-9]|^relayed +0\.0[1-9]", seen, re.M), seen
    assert re.search(r"^connections +[1-9]", seen, re.M) and "\033" not in seen
    assert re.search(r"^renewal +it will be renewed", seen, re.M), seen


# --- The end ---------------------------------------------------------------------------------------

def test_why_the_last_try_failed(relay):
    relay.ca.stop()
    assert derp_verb(relay, "renew", "--force").code == 6
    run = doctor(relay)
    relay.ca.start()
    assert run.code == 0, run  # the old certificate is good
    assert run.status("certificate.problem") == "warn"
    assert "unreachable" in run.get("certificate.problem")["message"].lower() or \
        "ca.test" in run.get("certificate.problem")["message"], run
    assert run.status("certificate.next") == "ok"
