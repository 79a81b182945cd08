# SPDX-License-Identifier: Apache-2.0
"""The most likely mistakes: each is named by its finding, ends with its exit code, and leaves the
server as it was. Every test starts from an installed package that was never set up."""

import contextlib

import pytest

from testbed import clients, rootfs
from testbed.appliance import derp_setup, derp_verb, fingerprint
from testbed.ca import DIRECTORY
from testbed.network import SERVER
from testbed.shell import wait_for
from testbed.world import DOMAIN, World

OWN_TABLE = """
table inet own {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established accept
        tcp dport 22 accept
    }
}
"""
OURS = f"derp 600 IN A {SERVER}"
SUITE = rootfs.SUITES[0]


@pytest.fixture(scope="module")
def shared(installed):
    """One server for the mistakes that do not need to change its packages."""
    with World(SUITE, layers=installed(SUITE)) as world:
        yield world


@pytest.fixture
def world(installed):
    """A fresh server."""
    with World(SUITE, layers=installed(SUITE)) as world:
        yield world


@contextlib.contextmanager
def nothing_changes(server):
    before = fingerprint(server)
    yield
    assert fingerprint(server) == before
    assert not server.path("/etc/derp/derp.conf").exists()
    assert server.run("systemctl", "is-active", "derpd", check=False).out.strip() == "inactive"


def refused(run, code, finding, *words):
    """The run ended with code because of this one finding, whose text has all words."""
    assert run.code == code, run
    assert run.failures == [finding], run
    told = run.get(finding)
    assert told["fix"], told
    for word in words:
        assert word in told["message"] + told["fix"], (word, told)
    assert run.json["exit"] == code and run.json["changes"] == []


# --- The config -----------------------------------------------------------------------------------

def test_a_config_that_the_relay_refuses(world):
    """derpd judges it before the firewall is touched."""
    server = world.server
    server.write("/etc/derp/keys", "nodekey:not-a-key\n")
    before = fingerprint(server)
    run = derp_setup(world, "--clients=keys:/etc/derp/keys")
    refused(run, 3, "config.refused", "/etc/derp/keys", "line 1")
    assert fingerprint(server) == before


# --- The folders ----------------------------------------------------------------------------------

FOLDERS = "/var/lib/derp /var/lib/derp-acme"


@pytest.mark.parametrize("suite", rootfs.SUITES)
def test_folders_that_were_deleted(installed, suite):
    """Setting up again makes them, and so does each unit, which without its own would not start."""
    with World(suite, layers=installed(suite)) as world:
        server = world.server
        modes = ("stat -c '%a %U:%G' /var/lib/derp /var/lib/derp-acme /var/lib/derp-acme/challenge "
                 "/var/lib/derp-acme/account")
        before = server.sh(modes)
        assert derp_setup(world).code == 0
        server.sh(f"rm -rf {FOLDERS}")
        run = derp_setup(world)
        assert run.code == 0, f"{run}\n{server.journal('derpd', 'derp-acme')}"
        assert server.sh(modes) == before

        server.sh(f"systemctl stop derpd; rm -rf {FOLDERS}; systemctl start derpd")
        assert server.sh("systemctl is-active derpd") == "active"
        server.sh(f"rm -rf {FOLDERS}; systemctl restart derpd; systemctl start derp-acme.service")
        assert server.sh(modes) == before
        assert server.sh("stat -c '%a %U:%G' /var/lib/derp/derp.key; stat -Lc '%a %U:%G' "
                         "/var/lib/derp-acme/current/privkey.pem").splitlines() == [
            "600 _derp:_derp", "640 _derp-acme:_derp"]
        assert derp_setup(world).code == 0


# --- The CA ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def without_ca(installed):
    """A server that is set up while the CA is down."""
    with World(SUITE, layers=installed(SUITE)) as world:
        world.ca.stop()
        yield world


def test_ca_is_down(without_ca):
    """The relay is there but silent; test_ca_is_back, later in this file, sees the rest."""
    world = without_ca
    run = derp_setup(world)
    assert run.code == 6, run
    assert world.server.sh("systemctl is-active derpd derp-acme.timer") == "active\nactive"
    assert "Status: active" in world.server.sh("ufw status")
    assert clients.connects(world.clients[0], SERVER, 443) == "open"
    assert clients.stun(world.clients[0]) is None  # clients shall not choose a relay that cannot
    world.ca.start()
    world.server.run("systemctl", "start", "derp-acme.service")  # not before its next try
    assert world.server.sh("systemctl show -P ExecMainStatus derp-acme.service") == "2"


@pytest.mark.pitfall(18)
def test_ca_refuses(world):
    world.ca.stop()
    world.ca.refuse(DOMAIN)
    world.ca.start()
    run = derp_setup(world)
    assert run.code == 6 and run.failures == ["certificate.failed"], run
    assert world.ca.log().count("POST /order-plz") == 1  # a run asks once, the timer later
    told = run.get("certificate.failed")["message"]
    assert "rejectedIdentifier" in told or "policy" in told.lower(), told
    assert "derp-setup renew" in run.get("certificate.failed")["fix"]
    assert world.server.sh("systemctl is-active derpd derp-acme.timer") == "active\nactive"
    assert "try at 20" in world.server.run("derp-acme", "status", check=False).out
    status = derp_verb(world, "status")
    assert status.failures == ["certificate.missing", "certificate.problem"], status
    told = status.get("certificate.problem")["message"]
    assert "rejectedIdentifier" in told or "policy" in told.lower(), told


def test_ca_is_somebody_else(shared):
    server = shared.server
    server.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
              "-subj /CN=other -keyout /dev/null -out /etc/other.pem 2>/dev/null")
    with nothing_changes(server):
        run = derp_setup(shared, "--acme-ca-file=/etc/other.pem")
    refused(run, 3, "ca.untrusted", DIRECTORY, "--acme-ca-file")


def test_ca_file_cannot_be_read_by_the_services(shared):
    server = shared.server
    server.sh("install -m 0600 /etc/private-internet/ca.pem /etc/mine.pem")
    with nothing_changes(server):
        run = derp_setup(shared, "--acme-ca-file=/etc/mine.pem")
    refused(run, 3, "ca.file", "/etc/mine.pem", "0644")


def test_directory_is_no_directory(shared):
    with nothing_changes(shared.server):
        run = derp_setup(shared, f"--acme-directory={DIRECTORY}/nothing")
    refused(run, 3, "ca.directory", "404", "--acme-directory")


# --- The domain -----------------------------------------------------------------------------------

@pytest.mark.parametrize("domain", ["derp_demo.com", "-derp.demo.com", "derp..demo.com",
                                    "https://derp.demo.com/", "demo.com:443",
                                    "x" * 64 + ".demo.com"])
def test_domain_is_not_a_host_name(shared, domain):
    with nothing_changes(shared.server):
        run = shared.server.run("derp-setup", "--yes", "--no-input", "--", domain, check=False)
    assert run.code == 2, run
    assert run.out == "" and "derp-setup" in run.err, run


@pytest.mark.pitfall(11)
@pytest.mark.parametrize("records, finding, words", [
    (["derp 600 IN A 203.0.113.99"], "dns.a.mismatch", [DOMAIN, "203.0.113.99", SERVER]),
    ([OURS, "derp 600 IN A 203.0.113.99"], "dns.a.extra", ["203.0.113.99", SERVER]),
    ([OURS, "derp 600 IN AAAA 2001:db8:99::1"], "dns.aaaa.stray", ["2001:db8:99::1"]),
    (["other 600 IN A 203.0.113.10"], "dns.nxdomain", [DOMAIN]),
    (["derp 600 IN TXT nothing"], "dns.a.missing", [DOMAIN, SERVER]),
    ([OURS, 'derp 600 IN CAA 0 issue ";"'], "dns.caa.forbidden", ["CAA"]),
    ([OURS, '@ 600 IN CAA 0 issue ";"'], "dns.caa.forbidden", ["CAA", "demo.com"]),
    ([OURS, 'derp 600 IN CAA 0 issue "other-ca.test"'], "dns.caa.forbidden", ["other-ca.test"]),
], ids=["somebody-else", "one-of-two", "stray-aaaa", "nxdomain", "no-a", "caa", "caa-above",
        "caa-other"])
def test_records(shared, records, finding, words):
    shared.dns.set(*records)
    with nothing_changes(shared.server):
        run = derp_setup(shared)
    shared.dns.set(OURS)
    refused(run, 3, finding, *words)


def test_caa_for_the_ca_is_fine(shared):
    shared.dns.set(OURS, 'derp 600 IN CAA 0 issue "ca.test"')
    run = derp_verb(shared, "check", DOMAIN, *shared.setup_flags())
    shared.dns.set(OURS)
    assert run.code == 0 and run.status("dns.caa.ok") == "ok", run


def test_name_server_down(shared):
    shared.dns.stop("zone")
    with nothing_changes(shared.server):
        run = derp_setup(shared)
    shared.dns.start("zone")
    assert run.code == 3, run
    assert len(run.failures) == 1 and run.failures[0] in ("dns.timeout", "dns.servfail"), run


def test_dns_not_ready_within_the_wait(shared):
    shared.dns.set("derp 600 IN A 203.0.113.99")
    with nothing_changes(shared.server):
        run = derp_setup(shared, "--wait-dns=2s")
    shared.dns.set(OURS)
    refused(run, 4, "dns.a.mismatch", "203.0.113.99")


# --- Ports ----------------------------------------------------------------------------------------

@pytest.mark.pitfall(14)
@pytest.mark.parametrize("kind, port, finding", [("tcp", 443, "ports.443.taken"),
                                                 ("udp", 3478, "ports.3478.taken")])
def test_port_is_taken(shared, kind, port, finding):
    code = (f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_"
            f"{'STREAM' if kind == 'tcp' else 'DGRAM'})\ns.bind(('', {port}))\n"
            + ("s.listen()\n" if kind == "tcp" else "") + "import time\ntime.sleep(600)\n")
    server = shared.server
    server.popen("python3", "-c", code, unit="squatter")
    server.until("the squatter", f"ss -Hln{kind[0]} 'sport = {port}' | grep -q .")
    with nothing_changes(server):
        run = derp_setup(shared)
    still_there = server.run("systemctl", "is-active", "squatter", check=False).out.strip()
    server.run("systemctl", "stop", "squatter")
    refused(run, 3, finding, "python3")
    assert still_there == "active"


# --- The firewall ---------------------------------------------------------------------------------

def test_ufw_is_missing_and_apt_cannot_install_it(world):
    server = world.server
    server.run("apt-get", "purge", "-y", "ufw")
    with nothing_changes(server):
        run = derp_setup(world)
    refused(run, 3, "firewall.ufw.missing", "apt")


def test_ufw_is_missing_and_is_installed(world):
    server = world.server
    server.run("apt-get", "purge", "-y", "ufw")
    server.offer_packages()
    run = derp_setup(world)
    assert run.code == 0, run
    assert "Status: active" in server.sh("ufw status")
    assert clients.connects(world.clients[0], SERVER, 443) == "open"


@pytest.mark.pitfall(9)
def test_firewalld_is_at_work(world):
    server = world.server
    server.offer_packages()
    server.run("apt-get", "install", "-y", "--no-install-recommends", "firewalld")
    server.until("firewalld", "systemctl is-active --quiet firewalld")
    with nothing_changes(server):
        run = derp_setup(world)
    refused(run, 3, "firewall.foreign.firewalld", "firewalld")


@pytest.mark.pitfall(6)
def test_iptables_persistent_would_be_removed(world):
    server = world.server
    server.run("apt-get", "purge", "-y", "ufw")
    server.offer_packages()
    server.run("apt-get", "install", "-y", "--no-install-recommends", "iptables-persistent")
    with nothing_changes(server):
        run = derp_setup(world)
    assert run.code == 3, run
    assert set(run.failures) <= {"firewall.foreign.persistent", "firewall.ufw.conflict"}, run
    assert run.failures, run


@pytest.mark.pitfall(9)
def test_foreign_nftables_rules(shared):
    server = shared.server
    server.sh("nft -f - <<'E'\ntable inet own { chain input { type filter hook input priority 0; "
              "policy drop; tcp dport 22 accept; ct state established accept; }; }\nE")
    with nothing_changes(server):
        run = derp_setup(shared)
    server.run("nft", "delete", "table", "inet", "own")
    refused(run, 3, "firewall.foreign.nftables", "own")


@pytest.mark.pitfall(9)
def test_foreign_iptables_rules(shared):
    server = shared.server
    server.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "REJECT")
    with nothing_changes(server):
        run = derp_setup(shared)
    server.run("iptables", "-F", "INPUT")
    refused(run, 3, "firewall.foreign.iptables", "INPUT")


@pytest.mark.pitfall(7)
def test_other_listener_would_be_closed(shared):
    server = shared.server
    server.popen("python3", "-m", "http.server", "9090", unit="cockpit-like")
    server.until("the listener", "ss -Hlnt 'sport = 9090' | grep -q .")
    with nothing_changes(server):
        run = derp_setup(shared)
    server.run("systemctl", "stop", "cockpit-like")
    refused(run, 3, "firewall.others.unanswered", "--allow=9090/tcp", "--close-others")
    assert "9090" in run.get("firewall.others")["message"], run


def test_forwarded_packets_would_be_dropped(shared):
    server = shared.server
    server.sh("ip link add wg0 type veth peer name other && sysctl -qw net.ipv4.ip_forward=1")
    with nothing_changes(server):
        run = derp_setup(shared)
        agreed = derp_setup(shared, "--close-others", "--dry-run")
    server.sh("sed -i s/^DEFAULT_FORWARD_POLICY=.*/DEFAULT_FORWARD_POLICY=ACCEPT/ /etc/default/ufw")
    passes = derp_setup(shared, "--dry-run")
    server.sh("sed -i s/^DEFAULT_FORWARD_POLICY=.*/DEFAULT_FORWARD_POLICY=DROP/ /etc/default/ufw; "
              "ip link del wg0; sysctl -qw net.ipv4.ip_forward=0")
    refused(run, 3, "firewall.forward.unanswered", "wg0", "--close-others", "DEFAULT_FORWARD_POLICY")
    assert agreed.code == 0 and agreed.status("firewall.forward") == "warn", agreed
    assert passes.code == 0 and passes.status("firewall.forward") is None, passes


@pytest.mark.pitfall(4)
def test_logged_in_over_ssh_by_an_unknown_port(world):
    server = world.server
    server.run("apt-get", "purge", "-y", "openssh-server")
    with nothing_changes(server):
        run = derp_setup(world, env={"SSH_TTY": "/dev/pts/0"})
    refused(run, 3, "firewall.ssh.unknown", "--ssh-port")
    run = derp_setup(world, "--ssh-port=2222", env={"SSH_TTY": "/dev/pts/0"})
    assert run.code == 0 and "2222/tcp" in server.sh("ufw status"), run


# --- The config -----------------------------------------------------------------------------------

def test_broken_config_names_file_and_line_and_the_relay_keeps_its_own(world):
    assert derp_setup(world).code == 0
    server = world.server
    good = server.read("/etc/derp/derp.conf")
    server.write("/etc/derp/derp.conf", good + "[relay]\nworkers = many\n")
    line = len(good.splitlines()) + 2
    check = server.run("derpd", "--config", "/etc/derp/derp.conf", "--check", check=False)
    assert check.code == 1 and f"derp.conf:{line}" in check.err and "many" in check.err, check
    pid = server.sh("systemctl show -P MainPID derpd")
    server.run("systemctl", "reload", "derpd", check=False)
    server.until("a word about it in the journal",
                 f"journalctl -q -u derpd --grep 'derp.conf:{line}'")
    assert server.sh("systemctl show -P MainPID derpd") == pid
    assert clients.stun(world.clients[0])
    server.write("/etc/derp/derp.conf", good)


def test_setting_up_over_a_broken_config(shared):
    server = shared.server
    server.write("/etc/derp/derp.conf", "[relay]\ndomain = derp.demo.com\nworkers = many\n")
    before = fingerprint(server)
    run = derp_setup(shared)
    assert fingerprint(server) == before
    server.path("/etc/derp/derp.conf").unlink()
    refused(run, 3, "config.broken", "derp.conf:3", "many", "derpd --check")


def test_file_of_keys_is_missing(shared):
    with nothing_changes(shared.server):
        run = derp_setup(shared, "--clients=keys:/etc/derp/no-keys")
    refused(run, 3, "clients.keys", "/etc/derp/no-keys")


# --- How it is started ----------------------------------------------------------------------------

def test_not_root(shared):
    with nothing_changes(shared.server):
        run = shared.server.run("runuser", "-u", "nobody", "--", "derp-setup", DOMAIN, "--yes",
                                check=False)
    assert run.code == 2 and "root" in run.err, run


def test_an_answer_is_needed(shared):
    with nothing_changes(shared.server):
        run = shared.server.run("derp-setup", DOMAIN, "--no-input", *shared.setup_flags(),
                                check=False)
    assert run.code == 2 and "--yes" in run.err, run


@pytest.mark.pitfall(1)
def test_dry_run_and_check_change_nothing(shared):
    with nothing_changes(shared.server):
        assert derp_setup(shared, "--dry-run").code == 0
        assert derp_verb(shared, "check", DOMAIN, *shared.setup_flags()).code == 0


@pytest.mark.pitfall(15)
def test_another_run_is_at_work(shared):
    server = shared.server
    server.popen("flock", "/run/derp-setup.lock", "sleep", "600", unit="other-run")
    server.until("the other run", "! flock -n /run/derp-setup.lock true")
    with nothing_changes(server):
        run = derp_setup(shared)
    server.run("systemctl", "stop", "other-run")
    assert run.code == 8, run


def test_ca_is_back(without_ca):
    """What the timer starts finishes the job; nobody has to do anything."""
    world = without_ca
    world.server.until("a certificate", "systemctl start derp-acme.service; "
                       "test -e /var/lib/derp-acme/current", 90)
    root = world.folder / "root.pem"
    root.write_text(world.ca.issuing_root())
    wait_for("STUN", 10, lambda: clients.stun(world.clients[0]))
    assert clients.chain(world.clients[0], root=root)[0].names == [DOMAIN]
