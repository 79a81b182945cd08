# SPDX-License-Identifier: Apache-2.0
"""A server's whole life, in order: installed, set up, used, rebooted, renewed, removed, purged."""

import json

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup, derp_verb, fingerprint
from testbed.network import SERVER, SERVER6
from testbed.world import DOMAIN, World


@pytest.fixture(scope="module", params=rootfs.SUITES)
def world(request, disk):
    with World(request.param, layers=[disk(request.param)]) as world:
        yield world


@pytest.fixture(scope="module")
def root(world):
    """The root that the CA's certificates hang from, as a file for clients."""
    path = world.folder / "issuing-root.pem"
    path.write_text(world.ca.issuing_root())
    return path


def active(server, unit):
    return server.run("systemctl", "is-active", unit, check=False).out.strip()


def failed_units(server):
    return server.sh("systemctl --failed --no-legend --plain")


def test_installs_without_a_network_and_stays_dormant(world, deb):
    server = world.server
    before = server.sh("ufw status; nft list ruleset")
    server.install(deb)
    units = ("derpd.service", "derp-acme.timer", "derp-fw-guard.service")
    assert server.sh("systemctl is-enabled " + " ".join(units)) == "enabled\nenabled\nenabled"
    for unit in (*units, "derp-acme.service"):
        assert active(server, unit) == "inactive"
    assert failed_units(server) == ""
    assert server.sh("ufw status; nft list ruleset") == before
    assert server.sh("stat -c '%a %U:%G' /var/lib/derp /var/lib/derp-acme "
                     "/var/lib/derp-acme/challenge /var/lib/derp-acme/account "
                     "/var/lib/derp-setup").splitlines() == [
        "700 _derp:_derp", "2750 _derp-acme:_derp", "2750 _derp-acme:_derp",
        "700 _derp-acme:_derp-acme", "700 root:root"]
    assert not server.path("/etc/derp/derp.conf").exists()
    assert derp_verb(world, "status").code == 3  # not set up


def test_units_are_hardened(world):
    for unit in ("derpd.service", "derp-acme.service"):
        text = world.server.sh(f"systemd-analyze security --no-pager {unit}")
        exposure = float(text.splitlines()[-1].split()[-3])
        assert exposure <= 1.6, text


@pytest.mark.pitfall(10)
def test_sets_up(world):
    run = derp_setup(world)
    assert run.code == 0, f"{run}\n{world.server.journal('derpd', 'derp-acme')}"
    assert run.failures == []
    console = run.get("outside.console")  # nobody's eyes pass over the provider's firewall
    assert console["status"] == "warn" and "443/tcp, 3478/udp" in console["fix"]
    region = run.json["derpMap"]["Regions"]["900"]
    assert region["Nodes"][0]["HostName"] == DOMAIN
    assert region["Nodes"][0]["IPv4"] == SERVER
    assert active(world.server, "derpd") == "active"
    assert active(world.server, "derp-acme.timer") == "active"
    assert failed_units(world.server) == ""


def test_privileges_and_files(world):
    server = world.server
    status = server.sh("cat /proc/$(systemctl show -P MainPID derpd)/status")
    assert "CapEff:\t0000000000000400" in status  # CAP_NET_BIND_SERVICE alone
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    assert server.sh("ps -o user= -p $(systemctl show -P MainPID derpd)") == "_derp"
    assert server.sh("stat -c '%a %U:%G' /etc/derp/derp.conf") == "644 root:root"
    assert server.sh("stat -Lc '%a %U:%G' /var/lib/derp-acme/current "
                     "/var/lib/derp-acme/current/privkey.pem /var/lib/derp/derp.key"
                     ).splitlines() == ["2750 _derp-acme:_derp", "640 _derp-acme:_derp",
                                        "600 _derp:_derp"]
    # derpd reads its certificate and nothing else of derp-acme's.
    assert server.run("runuser", "-u", "_derp", "--", "ls", "/var/lib/derp-acme/account",
                      check=False).code != 0
    assert server.run("runuser", "-u", "_derp-acme", "--", "ls", "/var/lib/derp",
                      check=False).code != 0


def test_firewall_from_outside(world):
    client = world.clients[0]
    verbose = world.server.sh("ufw status verbose")
    assert "Status: active" in verbose and "Default: deny (incoming), allow (outgoing)" in verbose
    world.server.popen("python3", "-m", "http.server", "8080",
                       unit="other-listener")
    world.server.until("another listener", "ss -Hlnt 'sport = 8080' | grep -q .")
    for address in (SERVER, SERVER6):
        assert clients.connects(client, address, 443) == "open"
        assert clients.connects(client, address, 22) == "open"
        assert clients.connects(client, address, 8080) == "dropped"
        assert clients.connects(client, address, 3340) == "dropped"
    world.server.run("systemctl", "stop", "other-listener")


def test_certificate_verifies_at_a_client(world, root):
    leaf = clients.chain(world.clients[0], root=root)[0]
    assert leaf.names == [DOMAIN]


def test_clients_talk_and_ask_stun(world, talker, root):
    talks = [talker.start(c, SERVER, root) for c in world.clients]
    for talk in talks:
        talk.wait_ready()
    assert clients.stun(world.clients[0]).startswith("198.51.100.11:")
    assert clients.stun(world.clients[1], SERVER6).startswith("2001:db8:51::12:")
    for talk in talks:
        report = talk.stop()
        assert report["sent"] > 0 and report["lost"] == 0, report


def test_second_run_changes_nothing(world):
    before = fingerprint(world.server)
    run = derp_setup(world)
    assert run.code == 0, run
    assert run.json["changes"] == [], run
    assert fingerprint(world.server) == before
    shown = world.server.run("derp-setup", DOMAIN, "--yes", *world.setup_flags())
    assert "othing" in shown.err and "change" in shown.err, shown
    assert fingerprint(world.server) == before


def test_status_doctor_and_map(world):
    assert derp_verb(world, "status").code == 0
    doctor = derp_verb(world, "doctor")
    assert doctor.code == 0 and doctor.failures == [], doctor
    out = world.server.run("derp-setup", "map").out
    assert json.loads(out)["derpMap"]["Regions"]["900"]["Nodes"][0]["IPv4"] == SERVER


def test_comes_back_after_a_reboot(world, talker, root):
    serial = clients.chain(world.clients[0], root=root)[0].serial
    world.server.reboot()
    assert active(world.server, "derpd") == "active"
    assert active(world.server, "derp-acme.timer") == "active"
    assert "Status: active" in world.server.sh("ufw status")
    assert clients.chain(world.clients[0], root=root)[0].serial == serial
    assert clients.stun(world.clients[0])
    talk = talker.start(world.clients[0], SERVER, root).wait_ready()
    assert talk.stop()["lost"] == 0


@pytest.mark.pitfall(19)
def test_renews_while_clients_talk(world, talker, root):
    before = clients.chain(world.clients[0], root=root)[0].serial
    talk = talker.start(world.clients[0], SERVER, root).wait_ready()
    run = derp_verb(world, "renew", "--force")
    assert run.code == 0, run
    assert clients.chain(world.clients[0], root=root)[0].serial != before
    report = talk.stop()
    assert report["sent"] > 0 and report["lost"] == 0 and report["reconnects"] == 0, report


def test_timer_finds_nothing_to_do(world):
    world.server.run("systemctl", "start", "derp-acme.service")
    assert world.server.sh("systemctl show -P Result derp-acme.service") == "success"
    assert world.server.sh("systemctl show -P ExecMainStatus derp-acme.service") == "2"


def test_upgrade_restarts_the_relay(world, deb, root):
    pid = world.server.sh("systemctl show -P MainPID derpd")
    world.server.run("apt-get", "install", "-y", "--reinstall", f"./{deb.name}")
    assert active(world.server, "derpd") == "active"
    assert world.server.sh("systemctl show -P MainPID derpd") != pid
    assert clients.chain(world.clients[0], root=root)[0].names == [DOMAIN]


@pytest.mark.pitfall(17)
def test_remove_keeps_state_and_firewall(world):
    server = world.server
    rules = server.sh("ufw status verbose")
    server.run("apt-get", "remove", "-y", "derp-relay")
    assert active(server, "derpd") == "inactive"
    # The port stays allowed and is answered with a reset, so clients need not wait for a timeout.
    assert clients.connects(world.clients[0], SERVER, 443) == "refused"
    for path in ("/etc/derp/derp.conf", "/var/lib/derp/derp.key", "/var/lib/derp-acme/account",
                 "/var/lib/derp-setup"):
        assert server.path(path).exists(), path
    assert server.sh("ufw status verbose") == rules


def test_reinstall_goes_on(world, deb, root):
    world.server.run("apt-get", "install", "-y", f"./{deb.name}")
    world.server.until("the relay", "systemctl is-active --quiet derpd")
    assert clients.chain(world.clients[0], root=root)[0].names == [DOMAIN]


def test_purge_removes_all_but_the_firewall(world):
    server = world.server
    rules = server.sh("ufw status verbose")
    out = server.run("apt-get", "purge", "-y", "derp-relay").out
    for port in ("443/tcp", "3478/udp"):
        assert f"ufw delete allow {port}" in out, out
    # ufw stays on: pasting the list must not lock anybody out.
    assert "22/tcp" in rules and "delete allow 22/tcp" not in out, out
    assert "rules for SSH are not among them" in out
    assert server.sh("ls -d /etc/derp /var/lib/derp* /var/log/derp-setup.log "
                     "/etc/ufw/applications.d/derp-relay 2>/dev/null; true") == ""
    assert server.sh("ufw status verbose") == rules
    assert failed_units(server) == ""
