# SPDX-License-Identifier: Apache-2.0
"""http-01 and dns-01 on a booted server: users, the sandbox of the units and the firewall are the real ones."""

import pytest

from testbed import rootfs
from testbed.appliance import derp_setup
from testbed.network import SERVER
from testbed.shell import wait_for
from testbed.world import DOMAIN, World

CONF = "/etc/derp/derp.conf"
CALLS = "/var/lib/derp-acme/calls"

# As much as a hook in Python wants of its sandbox: TLS, threads, a socket, a temporary file, another program.
HOOK = f"""#!/usr/bin/python3
import socket, ssl, subprocess, sys, tempfile, threading
ssl.create_default_context()
thread = threading.Thread(target=lambda: socket.create_connection(("ca.test", 443), timeout=10).close())
thread.start()
thread.join()
with tempfile.NamedTemporaryFile() as f:
    f.write(b"x")
user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
with open("{CALLS}", "a") as f:
    print(user, *sys.argv[1:], file=f)
"""


@pytest.fixture(scope="module")
def relay(installed):
    suite = rootfs.SUITES[0]
    with World(suite, layers=installed(suite)) as world:
        run = derp_setup(world)
        assert run.code == 0, run
        yield world


def configure(server, **settings):
    """Sets options of [acme] and, as http, of [relay]."""
    lines = [line for line in server.read(CONF).splitlines()
             if line.split("=")[0].strip() not in ("challenge", "dns-hook", "dns-wait", "http")]
    http = settings.pop("http", None)
    if http:
        lines.insert(lines.index("[relay]") + 1, f"http = {http}")
    at = lines.index("[acme]") + 1
    lines[at:at] = [f"{key.replace('_', '-')} = {value}" for key, value in settings.items()]
    server.write(CONF, "\n".join(lines) + "\n")
    server.run("derpd", "--check")


def renew_in_its_unit(server, wait=True):
    """The timer's own service orders another certificate, because the one in use is revoked. By another account:
    Pebble, told to reuse no authorization of an account, still reuses one in a hundred."""
    server.run("derp-acme", "revoke")
    server.run("rm", "-r", "/var/lib/derp-acme/account")
    server.run("systemctl", "start", *([] if wait else ["--no-block"]), "derp-acme.service", check=False)


def current(server):
    return server.sh("readlink /var/lib/derp-acme/current")


def test_http_01(relay):
    server, before = relay.server, current(relay.server)
    configure(server, challenge="http-01", http="0.0.0.0:80 [::]:80")
    server.run("ufw", "allow", "80/tcp")
    server.run("systemctl", "restart", "derpd")
    renew_in_its_unit(server)
    assert current(server) != before, server.journal("derp-acme")
    assert "served       yes" in server.sh("derp-acme status")
    assert "/.well-known/acme-challenge/" in relay.ca.log()
    assert server.sh("ls /var/lib/derp-acme/challenge") == ""


def test_dns_01_hook_in_the_sandbox(relay):
    server, before = relay.server, current(relay.server)
    server.write("/etc/derp/dns-hook", HOOK, 0o755)
    configure(server, challenge="dns-01", dns_hook="/etc/derp/dns-hook", dns_wait="90s")
    server.run("ufw", "delete", "allow", "80/tcp")
    renew_in_its_unit(server, wait=False)
    calls = wait_for("the hook", 60, lambda: server.sh(f"cat {CALLS}", check=False))
    user, verb, name, value = calls.split()
    assert (user, verb, name) == ("_derp-acme", "present", f"_acme-challenge.{DOMAIN}"), calls
    relay.dns.set(f"derp 600 IN A {SERVER}", f'_acme-challenge.derp 60 IN TXT "{value}"')
    wait_for("another certificate", 90, lambda: current(server) != before)
    wait_for("the end of the run", 30, lambda: f"cleanup {name} {value}" in server.read(CALLS))
    assert "is authorized" in server.journal("derp-acme")
