# SPDX-License-Identifier: Apache-2.0
"""Who may use the relay: a tailscaled on the server decides when nobody says otherwise."""

import pytest

from testbed import rootfs
from testbed.appliance import derp_setup, derp_verb
from testbed.world import World

SUITE = rootfs.SUITES[0]
CONF = "/etc/derp/derp.conf"

# Answers as tailscaled does about a key that is not of its tailnet.
FAKE = """\
import http.server, os, socketserver
class Answer(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "local"
    def do_GET(self):
        self.send_response(404 if "whois?addr=nodekey:" in self.path else 500)
        self.end_headers()
os.makedirs("/run/tailscale", exist_ok=True)
server = socketserver.UnixStreamServer("/run/tailscale/tailscaled.sock", Answer)
os.chmod("/run/tailscale/tailscaled.sock", 0o666)
server.serve_forever()
"""


@pytest.fixture
def world(installed):
    with World(SUITE, layers=installed(SUITE)) as world:
        yield world


def test_the_tailscaled_on_the_server_decides(world):
    server = world.server
    server.write("/root/fake.py", FAKE)
    server.popen("python3", "/root/fake.py", unit="fake-tailscaled")
    server.until("it", "test -S /run/tailscale/tailscaled.sock")
    run = derp_setup(world)
    assert run.code == 0, run
    assert "allow = tailscaled:/var/run/tailscale/tailscaled.sock" in server.read(CONF)
    assert run.status("clients.found") == "ok" and run.status("clients.anyone") is None
    assert run.status("proof.derp") == "skip"  # our own clients are strangers
    run = derp_setup(world)
    assert run.code == 0 and run.json["changes"] == [], run  # and it is not asked again
    doctor = derp_verb(world, "doctor")
    assert doctor.code == 0 and doctor.status("clients.ok") == "ok", doctor
    server.run("systemctl", "stop", "fake-tailscaled")
    doctor = derp_verb(world, "doctor")
    assert doctor.code == 1 and doctor.failures == ["clients.tailscaled"], doctor
    run = derp_setup(world, "--clients=anyone")
    assert run.code == 0 and "allow = anyone" in server.read(CONF), run


def test_unattended_it_is_anyone_and_said_loudly(world):
    run = derp_setup(world)
    assert run.code == 0, run
    assert "ANYONE" in run.get("clients.anyone")["message"]
    assert "ANYONE" in run.result.err.split("Plan")[1]
    assert derp_verb(world, "status").status("clients.anyone") == "warn"
