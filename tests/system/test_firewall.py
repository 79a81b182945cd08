# SPDX-License-Identifier: Apache-2.0
"""The firewall library with the real ufw, the real kernel rules and real listening processes."""

import pathlib
import signal
import subprocess

import fwbox
import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
LIBS = ("libnftables", "libsodium", "jansson", "inih", "libsystemd")

pytestmark = pytest.mark.skipif(fwbox.missing() is not None, reason=str(fwbox.missing()))

STEPS = ["allow 22/tcp (SSH)", "allow 443/tcp (relay)", "allow 3478/udp (STUN)",
         "enable ufw, now and at boot"]


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """The test program, against the archives that make builds (with sanitizers)."""
    archives = ["build/san/libfirewall.a", "build/san/libbase.a"]
    subprocess.run(["make", "-s", "SAN=1", *archives], cwd=REPO, check=True)
    out = tmp_path_factory.mktemp("firewall") / "probe"
    libs = subprocess.run(["pkg-config", "--libs", *LIBS], capture_output=True, text=True,
                          check=True).stdout.split()
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I.",
                    "tests/system/firewall_probe.c", *archives, *libs, "-o", str(out)],
                   cwd=REPO, check=True)
    out.chmod(0o755)
    return out


@pytest.fixture
def box(probe):
    with fwbox.Box(probe) as one:
        yield one


# --- The plain way ----------------------------------------------------------------------------------


@pytest.mark.pitfall(17)
def test_fresh_server(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    result = box.probe("apply")
    assert result["outcome"] == "changed"
    assert result["steps"] == STEPS
    assert result["fails"] == []
    assert "firewall.ok" in result["ids"]
    status = box.status()
    assert "Status: active" in status
    assert "Default: deny (incoming), allow (outgoing)" in status
    for port in ("22/tcp", "443/tcp", "3478/udp", "22/tcp (v6)", "443/tcp (v6)", "3478/udp (v6)"):
        assert any(line.startswith(port) and "ALLOW IN" in line for line in status.splitlines())
    assert "# derp-relay: SSH" in status
    assert result["changes"] == [
        "rule | ufw allow 22/tcp comment 'derp-relay: SSH' | ufw delete allow 22/tcp",
        "rule | ufw allow 443/tcp comment 'derp-relay: TLS' | ufw delete allow 443/tcp",
        "rule | ufw allow 3478/udp comment 'derp-relay: STUN' | ufw delete allow 3478/udp",
        "enable | ufw --force enable | ufw --force disable"]
    assert box.run("ls /mnt/state").split() == ["fw.lock", "origin"]


def test_second_run_changes_nothing(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.probe("apply")
    files, kernel = box.files(), box.kernel()
    again = box.probe("apply")
    assert again["outcome"] == "unchanged"
    assert again["steps"] == [] and again["changes"] == []
    assert box.files() == files and box.kernel() == kernel
    assert box.probe("verify")["ids"] == ["firewall.ssh.ports", "firewall.ready", "firewall.ok"]


def test_packets(box):
    """What the proof says is what packets from another host meet."""
    client = box.start("unshare", "-n", "sh", "-c", "echo $$; read x")
    pid = client.stdout.readline().strip()
    box.run(f"ip link add out type veth peer name in netns {pid}; "
            "ip addr add 192.0.2.1/24 dev out; ip link set out up; "
            f"nsenter -n -t {pid} sh -c 'ip addr add 192.0.2.2/24 dev in; ip link set in up'")
    box.listen("sshd", "tcp,0.0.0.0,2222")
    box.listen("derpd", "tcp,0.0.0.0,443", "udp,0.0.0.0,3478")
    box.listen("cockpit", "tcp,0.0.0.0,9090")

    def connects(port):
        code = ("import socket,sys; s=socket.socket(); s.settimeout(1);"
                f"sys.exit(s.connect_ex(('192.0.2.1',{port})) != 0)")
        done = subprocess.run(box.enter("nsenter", "-n", "-t", pid, "python3", "-c", code),
                              check=False)
        return done.returncode == 0

    assert [connects(p) for p in (2222, 443, 9090)] == [True, True, True]
    assert box.probe("apply")["outcome"] == "changed"
    assert [connects(p) for p in (2222, 443, 9090)] == [True, True, False]


@pytest.mark.pitfall(1)
def test_plan_writes_nothing(box):
    """ufw's own --dry-run enable writes ENABLED=yes; ours must not."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before, kernel = box.files(), box.kernel()
    times = box.run("find /etc/ufw /etc/default/ufw -printf '%p %T@ %C@\n'")
    result = box.probe("inspect")
    assert result["steps"] == STEPS
    assert result["commands"][-1] == ["ufw", "--force", "enable"]
    assert box.files() == before and box.kernel() == kernel
    assert box.run("find /etc/ufw /etc/default/ufw -printf '%p %T@ %C@\n'") == times
    assert box.run("ls /mnt/state") == ""


# --- SSH -------------------------------------------------------------------------------------------


@pytest.mark.pitfall(4)
def test_ssh_on_other_ports(box):
    box.listen("sshd", "tcp,0.0.0.0,2222", "tcp,::,2200")
    result = box.probe("apply", "--ssh", "2022")
    assert result["ssh"] == {"2022": 32, "2200": 1, "2222": 1}
    assert result["outcome"] == "changed"
    status = box.status()
    for port in (2022, 2200, 2222):
        assert f"{port}/tcp" in status
    assert "\n22/tcp" not in status


def test_ssh_on_loopback_is_no_port(box):
    box.listen("sshd", "tcp,127.0.0.1,2222", "tcp,::1,2222")
    result = box.probe("inspect")
    assert result["ssh"] == {}
    assert "firewall.ssh.none" in result["ids"]


def test_ssh_login_without_a_port(box):
    before = box.files()
    result = box.probe("apply", env={"SSH_TTY": "/dev/pts/0"})
    assert result["session"] is True
    assert result["fails"] == ["firewall.ssh.unknown"]
    assert "--ssh-port" in fwbox.finding(result, "firewall.ssh.unknown")["fix"]
    assert "outcome" not in result
    assert box.files() == before
    named = box.probe("apply", "--ssh", "22", env={"SSH_TTY": "/dev/pts/0"})
    assert named["outcome"] == "changed"


def test_ssh_connection_variable(box):
    result = box.probe("inspect", env={"SSH_CONNECTION": "198.51.100.7 50022 203.0.113.10 2022"})
    assert result["ssh"] == {"2022": 16} and result["session"] is True


@pytest.mark.pitfall(4)
def test_ssh_connection_of_an_ancestor(box):
    """sudo may strip the variable; the connection itself still tells."""
    done = subprocess.run(box.enter("python3", "-c", fwbox.SESSION, "2022",
                                    *box.probe_words("inspect")),
                          capture_output=True, text=True, env=box.environment(), check=True)
    result = fwbox.answer(done.stdout, done.stderr)
    assert result["ssh"] == {"2022": 8} and result["session"] is True


SSHD = """#!/bin/sh
[ "$1" = -T ] || exit 1
[ -d /run/sshd ] || { echo 'Missing privilege separation directory: /run/sshd' >&2; exit 255; }
printf 'port 22\\nport 2222\\naddressfamily any\\nlistenaddress [::]:22\\nlistenaddress 0.0.0.0:22\\n'
printf 'listenaddress [::]:2222\\nlistenaddress 0.0.0.0:2222\\nusepam yes\\n'
"""

SYSTEMCTL = """#!/bin/sh
case "$*" in
*ssh.socket) printf 'ActiveState=active\\nUnitFileState=enabled\\nListen=0.0.0.0:22 (Stream)\\n'
    printf 'Listen=[::]:22 (Stream)\\n' ;;
*ssh.service) printf 'ActiveState=inactive\\nUnitFileState=disabled\\n' ;;
"enable ufw.service") echo enabled >/run/ufw-unit ;;
disable*ufw.servic[e]) echo disabled >/run/ufw-unit; echo "$*" >/run/ufw-disabled ;;
*ufw.service) printf 'ActiveState=active\\nUnitFileState=%s\\n' "$(cat /run/ufw-unit)" ;;
*) printf 'ActiveState=inactive\\nUnitFileState=\\n' ;;
esac
"""


@pytest.mark.pitfall(4)
def test_ssh_socket_unit_and_config(box):
    """Ubuntu 24.04: systemd listens, sshd is not running, the config changes at the next boot."""
    box.write("/run/systemd/system/.keep", "")
    box.write("/run/ufw-unit", "enabled\n")
    box.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
    box.write("/usr/sbin/sshd", SSHD, 0o755)
    result = box.probe("inspect")
    assert result["ssh"] == {"22": 2 + 4, "2222": 4}
    assert "sshd" not in box.run("ls /run").split()
    assert "sshd_config" in fwbox.finding(result, "firewall.ssh.ports")["message"]


@pytest.mark.pitfall(4)
def test_sshd_with_a_broken_config(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.write("/usr/sbin/sshd", "#!/bin/sh\necho 'line 2: Bad configuration option: Prt' >&2\n"
              "exit 255\n", 0o755)
    result = box.probe("inspect")
    assert "Bad configuration option" in fwbox.finding(result, "firewall.ssh.config")["message"]
    assert result["ssh"] == {"22": 1} and result["fails"] == []


@pytest.mark.pitfall(8)
def test_unit_disabled_at_boot(box):
    """Without the unit, protection would vanish at the next boot."""
    box.write("/run/systemd/system/.keep", "")
    box.write("/run/ufw-unit", "disabled\n")
    box.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
    result = box.probe("apply")
    assert result["steps"][-1] == "start ufw.service at boot"
    assert result["outcome"] == "changed"
    box.write("/run/ufw-unit", "disabled\n")
    assert "firewall.boot" in box.probe("verify")["fails"]


def test_enabled_but_not_loaded(box):
    """As after a boot without ufw.service: ufw itself then fails to add a rule."""
    box.run("sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf; iptables -P FORWARD DROP")
    before = box.files()
    assert box.probe("apply", "--ssh", "22", "--stop-at", "allow 443/tcp")["outcome"] == "interrupted"
    assert box.files() == before and box.is_open()
    assert box.probe("apply", "--ssh", "22")["outcome"] == "changed"


@pytest.mark.pitfall(8)
@pytest.mark.parametrize("state", ["disabled", "enabled", "active", "unknown"])
def test_unit_comes_back_as_it_was(box, state):
    """ENABLED=yes with a disabled unit: undone without the unit, the next boot would start those rules."""
    box.write("/run/systemd/system/.keep", "")
    box.write("/run/ufw-unit", {"active": "disabled", "unknown": "masked"}.get(state, state) + "\n")
    box.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
    box.run("ufw allow 22/tcp; ufw allow 443/tcp; ufw allow 3478/udp; "
            "sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf")
    if state == "active":
        box.run("ufw --force enable")
    result = box.probe("apply", "--ssh", "22", "--stop-at", "read back")
    assert result["outcome"] == "interrupted", result
    assert box.read("/run/ufw-unit") == ("enabled\n" if state in ("enabled", "unknown") else "disabled\n")
    if state == "disabled":  # nor by a boot that is under way
        assert "--now --no-block" in box.read("/run/ufw-disabled")
    elif state == "active":
        assert "--now" not in box.read("/run/ufw-disabled") and not box.is_open()


# --- What undoes a change when nobody is left to -----------------------------------------------------

TIMER_SYSTEMCTL = SYSTEMCTL.replace('*ufw.service)', """*derp-fw-guard.service) cat /run/guard ;;
*derp-fw-rollback.timer) [ -e /run/no-timer ] || echo ActiveState=active ;;
*ufw.service)""")


def with_systemd(box, guard="UnitFileState=enabled"):
    box.write("/run/systemd/system/.keep", "")
    box.write("/run/ufw-unit", "enabled\n")
    box.write("/run/guard", f"{guard}\n")
    box.write("/usr/bin/systemctl", TIMER_SYSTEMCTL, 0o755)
    box.write("/usr/bin/systemd-run", "#!/bin/sh\necho \"$@\" >/run/timer-set\n", 0o755)


def test_timer_is_set_before_the_firewall_is_enabled(box):
    with_systemd(box)
    result = box.probe("apply", "--guarded")
    assert result["outcome"] == "changed", result
    assert "--unit=derp-fw-rollback --on-active=180s" in box.read("/run/timer-set")


@pytest.mark.pitfall(3)
def test_timer_that_is_not_armed_stops(box):
    with_systemd(box)
    box.write("/run/no-timer", "")
    before = box.files()
    result = box.probe("apply", "--guarded")
    assert result["outcome"] == "refused" and result["fails"] == ["firewall.timer"]
    assert box.files() == before and box.is_open()
    assert box.run("ls /mnt/state").split() == ["fw.lock"]


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("active", [False, True])
def test_a_marker_has_a_timer(box, active):
    """Also while only files change: the guard may come long after, and the owner in between."""
    with_systemd(box)
    box.listen("sshd", "tcp,0.0.0.0,22")
    if active:
        box.run("ufw allow 22/tcp; ufw --force enable")
    # Seen from outside: each time the marker comes or goes the timer has been set and not taken back.
    box.write("/usr/bin/systemd-run", "#!/bin/sh\n: >/run/timer-set\n", 0o755)
    box.write("/usr/bin/systemctl", TIMER_SYSTEMCTL.replace('case "$*" in', """case "$*" in
"stop derp-fw-rollback.timer") rm -f /run/timer-set; ls /mnt/state >>/run/stopped-with ;;
""", 1).replace("[ -e /run/no-timer ] ||", "[ ! -e /run/timer-set ] ||"), 0o755)
    subprocess.run(box.enter(*box.probe_words("apply", "--guarded", "--die-at", "allow 443/tcp")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    assert {"fw-pending", "fw"} <= set(box.run("ls /mnt/state").split())
    box.run("test -e /run/timer-set")
    assert box.probe("rollback")["outcome"] == "restored"
    assert box.run("ls /run/timer-set 2>&1 || true").startswith("ls: ")
    box.run("rm -f /run/stopped-with")
    assert box.probe("apply", "--guarded")["outcome"] == "changed"
    last = box.read("/run/stopped-with").split()
    assert last[-1] == "origin", "kept first, then the timer is taken back"
    assert box.run("ls /run/timer-set 2>&1 || true").startswith("ls: ")
    box.run("touch /run/timer-set")  # of a run that was killed before its marker
    box.probe("forget")
    assert box.run("ls /run/timer-set 2>&1 || true").startswith("ls: ")


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("case", ["no command", "no systemd", "no guard"])
def test_nothing_is_changed_without_a_way_back(box, case):
    if case != "no systemd":
        with_systemd(box, "UnitFileState=disabled")
    if case == "no command":
        box.write("/run/guard", "UnitFileState=enabled\n")
    before = box.files()
    result = box.probe("apply", "--lost" if case == "no command" else "--guarded")
    name = "firewall.guard" if case == "no guard" else "firewall.timer"
    assert result["fails"] == [name] and "outcome" not in result
    assert fwbox.finding(result, name)["fix"]
    assert box.files() == before and box.is_open()


# --- The owner's rules -------------------------------------------------------------------------------


@pytest.mark.pitfall(5)
def test_owner_rules_stay(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("ufw limit 22/tcp comment 'mine'; ufw allow 443; ufw allow 8000:8010/tcp")
    result = box.probe("apply")
    assert result["outcome"] == "changed"
    assert result["steps"] == STEPS[2:]
    added = box.run("ufw show added")
    assert "ufw limit 22/tcp comment 'mine'" in added
    assert "ufw allow 443\n" in added and "ufw allow 443/tcp" not in added
    assert "ufw allow 8000:8010/tcp" in added


def test_profile_rule_counts(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.write("/etc/ufw/applications.d/test",
              "[OpenSSH]\ntitle=t\ndescription=d\nports=22/tcp\n")
    box.run("ufw allow OpenSSH")
    assert box.probe("inspect")["steps"] == STEPS[1:]


@pytest.mark.pitfall(17)
def test_limit_on_the_relay_is_said(box):
    box.run("ufw limit 443/tcp")
    result = box.probe("apply", "--ssh", "22")
    assert result["outcome"] == "changed"
    assert "firewall.rule.limited" in result["ids"]
    assert "ufw limit 443/tcp" in box.run("ufw show added")


@pytest.mark.pitfall(5)
@pytest.mark.parametrize("rule,delete", [
    ("ufw deny 443/tcp comment 'no web'", "ufw delete deny 443/tcp"),
    ("ufw reject 3478", "ufw delete reject 3478"),
    ("ufw deny proto tcp from any to any port 400:450", "ufw delete deny 400:450/tcp"),
    ("ufw deny 22", "ufw delete deny 22"),
])
def test_earlier_deny_stops(box, rule, delete):
    box.run(rule)
    before = box.files()
    result = box.probe("apply", "--ssh", "22")
    assert result["fails"] == ["firewall.rule.denied"]
    assert fwbox.finding(result, "firewall.rule.denied")["fix"].startswith(delete + ";")
    assert "outcome" not in result and box.files() == before and box.is_open()


def test_deny_of_one_address_is_none_of_ours(box):
    box.run("ufw deny from 192.0.2.66; ufw deny from 198.51.100.0/24 to any port 443 proto tcp")
    result = box.probe("apply", "--ssh", "22")
    assert result["outcome"] == "changed" and result["fails"] == []


@pytest.mark.pitfall(5)
def test_deny_behind_allow_is_harmless(box):
    box.run("ufw allow 443/tcp; ufw deny 443")
    assert box.probe("apply", "--ssh", "22")["outcome"] == "changed"


@pytest.mark.pitfall(5)
def test_drop_in_before_rules(box):
    box.run("sed -i 's/^# End required lines/&\\n-A ufw-before-input -p tcp --dport 443 -j DROP/' "
            "/etc/ufw/before.rules")
    result = box.probe("apply", "--ssh", "22")
    found = fwbox.finding(result, "firewall.rule.denied")
    assert "before" in found["message"] and "443/tcp" in found["message"]


def test_ssh_for_some_sources_only(box):
    """An active ufw whose owner restricts SSH stays restricted."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("ufw allow from 192.0.2.0/24 to any port 22 proto tcp; "
            "ufw allow from 2001:db8::/32 to any port 22 proto tcp; ufw --force enable")
    result = box.probe("apply")
    assert result["outcome"] == "changed"
    assert result["steps"] == STEPS[1:3]
    assert "firewall.ssh.restricted" in result["ids"]
    # While ufw is inactive nobody has proven that these sources are enough.
    box.run("ufw --force disable")
    assert box.probe("inspect")["steps"][0] == STEPS[0]


# --- An active ufw -----------------------------------------------------------------------------------


def witness(box):
    """Has ufw log each start and stop."""
    box.write("/etc/ufw/before.init", "#!/bin/sh\necho $1 >>/mnt/witness\n", 0o755)


@pytest.mark.pitfall(15)
def test_active_ufw_is_not_reloaded(box):
    witness(box)
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("ufw allow 22/tcp comment 'mine'; ufw allow from 192.0.2.7 to any port 5432; "
            "ufw --force enable")
    started = box.read("/mnt/witness")
    result = box.probe("apply")
    assert result["outcome"] == "changed"
    assert result["steps"] == STEPS[1:3]
    assert box.read("/mnt/witness") == started
    added = box.run("ufw show added")
    assert "ufw allow 22/tcp comment 'mine'" in added
    assert "ufw allow from 192.0.2.7 to any port 5432" in added


def test_active_ufw_with_other_policies(box):
    box.run("ufw default allow incoming; ufw default deny outgoing; ufw allow 22/tcp; "
            "ufw --force enable")
    result = box.probe("apply", "--ssh", "22")
    assert result["steps"] == ["allow 443/tcp (relay)", "allow 3478/udp (STUN)",
                               "deny incoming by default", "allow outgoing by default"]
    assert result["outcome"] == "changed"
    assert "default | ufw default deny incoming | ufw default allow incoming" in result["changes"]
    assert "Default: deny (incoming), allow (outgoing)" in box.status()


def test_reject_is_as_good_as_deny(box):
    box.run("ufw default reject incoming; ufw allow 22/tcp; ufw --force enable")
    result = box.probe("apply", "--ssh", "22")
    assert result["outcome"] == "changed" and result["steps"] == STEPS[1:3]
    assert "Default: reject (incoming)" in box.status()


# --- Other firewalls -----------------------------------------------------------------------------------

ORACLE = ("iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; "
          "iptables -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT; "
          "iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited")


@pytest.mark.pitfall(9)
@pytest.mark.parametrize("command,name", [
    (ORACLE, "firewall.foreign.iptables"),
    ("iptables -P INPUT DROP", "firewall.foreign.iptables"),
    ("ip6tables -A INPUT -p tcp --dport 443 -j DROP", "firewall.foreign.iptables"),
    ("nft add table inet mine; nft 'add chain inet mine in { type filter hook input priority 0; "
     "policy drop; }'", "firewall.foreign.nftables"),
    ("nft add table inet mine; nft 'add chain inet mine in { type filter hook input priority 0; "
     "}'; nft add rule inet mine in tcp dport 443 reject", "firewall.foreign.nftables"),
    ("touch /usr/sbin/netfilter-persistent", "firewall.foreign.persistent"),
])
def test_foreign_firewall_stops(box, command, name):
    box.run(command)
    files, kernel = box.files(), box.kernel()
    result = box.probe("apply", "--ssh", "22")
    assert set(result["fails"]) == {name}
    assert "--firewall=none" in fwbox.finding(result, name)["fix"]
    assert "outcome" not in result
    assert box.files() == files and box.kernel() == kernel


def test_foreign_services(box):
    box.write("/run/systemd/system/.keep", "")
    for unit in ("firewalld", "nftables"):
        box.write("/usr/bin/systemctl", f"#!/bin/sh\ncase $* in *{unit}) echo ActiveState=active; "
                  "esac\n", 0o755)
        assert box.probe("inspect")["fails"] == [f"firewall.foreign.{unit}"]


def test_harmless_neighbours(box):
    """fail2ban, tailscaled and an empty nftables table do not stop anybody."""
    box.run("iptables -N f2b-sshd; iptables -A f2b-sshd -s 192.0.2.66 -j REJECT; "
            "iptables -A f2b-sshd -j RETURN; "
            "iptables -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd; "
            "iptables -N ts-input; iptables -A ts-input -i tailscale0 -j ACCEPT; "
            "iptables -A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP; "
            "iptables -I INPUT -j ts-input; nft add table inet filter; nft 'add chain inet filter "
            "input { type filter hook input priority 0; }'")
    result = box.probe("apply", "--ssh", "22")
    assert result["outcome"] == "changed" and result["fails"] == []


@pytest.mark.pitfall(9)
def test_another_firewall_that_comes_meanwhile(box):
    """The proof looks at nftables, too, not only at the tables of ufw."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.write("/etc/ufw/after.init", "#!/bin/sh\n[ $1 != start ] || nft 'add table inet odd; add "
              "chain inet odd in { type filter hook input priority 10; policy drop; }'\n", 0o755)
    before = box.files()
    result = box.probe("apply")
    assert result["outcome"] == "restored"
    assert "firewall.foreign.nftables" in result["fails"]
    assert box.files() == before and box.is_open()


# --- What the server is like -----------------------------------------------------------------------------


@pytest.mark.pitfall(7)
def test_ipv6_off(box):
    box.run("sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw")
    result = box.probe("inspect", "--ssh", "22")
    assert fwbox.finding(result, "firewall.ipv6.off")["status"] == "warn"
    assert box.probe("apply", "--ssh", "22")["outcome"] == "changed"
    assert "firewall.ok" in box.probe("verify", "--ssh", "22")["ids"]


@pytest.mark.pitfall(7)
def test_ipv6_off_with_a_public_address(box):
    box.run("sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw; ip link add x type veth peer name y; "
            "ip link set x up; ip addr add 2001:db8::7/64 dev x nodad")
    result = box.probe("inspect", "--ssh", "22")
    assert result["fails"] == ["firewall.ipv6.off"]


def test_unreadable_rules_stop(box):
    box.run("rm /usr/sbin/ip6tables; printf '#!/bin/sh\\nexit 3\\n' >/usr/sbin/ip6tables; "
            "chmod 755 /usr/sbin/ip6tables")
    result = box.probe("inspect", "--ssh", "22")
    assert "firewall.kernel.unreadable" in result["fails"]
    assert fwbox.finding(result, "firewall.kernel.unreadable")["fix"]


@pytest.mark.pitfall(7)
def test_forwarding_is_said(box):
    box.run("sysctl -qw net.ipv4.ip_forward=1")
    forward = fwbox.finding(box.probe("inspect", "--ssh", "22"), "firewall.forward")
    assert forward["status"] == "warn" and "ufw route allow" in forward["fix"]
    box.run("sysctl -qw net.ipv4.ip_forward=0")
    assert "firewall.forward" not in box.probe("inspect", "--ssh", "22")["ids"]


@pytest.mark.pitfall(7)
def test_others_are_named(box):
    box.listen("cockpit-ws", "tcp,0.0.0.0,9090", "tcp,::,9091")
    box.listen("openvpn", "udp,0.0.0.0,1194")
    box.listen("local", "tcp,127.0.0.1,5432", "udp,127.0.0.1,53")
    box.listen("dhclient", "udp,0.0.0.0,68")
    box.listen("resolver", "udp,0.0.0.0,40123")
    result = box.probe("inspect", "--ssh", "22")
    assert sorted(result["others"]) == ["1194/udp", "9090/tcp", "9091/tcp"]
    message = fwbox.finding(result, "firewall.others")["message"]
    assert "9090/tcp cockpit-ws (pid " in message and "1194/udp openvpn (pid " in message
    assert "--allow=9090/tcp" in fwbox.finding(result, "firewall.others")["fix"]
    kept = box.probe("apply", "--ssh", "22", "--allow", "9090/tcp", "--allow", "9091/tcp")
    assert kept["others"] == ["1194/udp"]
    assert "9091/tcp (v6)" in box.status()
    # They are closed now, so there is nothing left to say.
    assert box.probe("inspect", "--ssh", "22", "--allow", "9090/tcp")["others"] == []


@pytest.mark.pitfall(14)
def test_published_ports_of_docker(box):
    box.run("iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -j DOCKER; iptables -t nat "
            "-A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80")
    assert "firewall.docker" in box.probe("inspect", "--ssh", "22")["ids"]
    box.run("iptables -t nat -F DOCKER")
    assert "firewall.docker" not in box.probe("inspect", "--ssh", "22")["ids"]
    box.listen("docker-proxy", "tcp,0.0.0.0,8081")
    result = box.probe("inspect", "--ssh", "22")
    assert "8081/tcp" in fwbox.finding(result, "firewall.docker")["message"]
    assert result["others"] == []


@pytest.mark.pitfall(14)
def test_owner_of_a_port(box):
    listener = box.listen("nginx", "tcp,0.0.0.0,443", "tcp,::1,443")
    box.listen("coturn", "udp,0.0.0.0,3478")
    tcp = box.probe("owner", "--owner", "443/tcp")["owners"]
    assert [(o["comm"], o["public"]) for o in tcp] == [("nginx", True), ("nginx", False)]
    assert tcp[0]["text"].startswith("nginx (pid ")
    assert [o["comm"] for o in box.probe("owner", "--owner", "3478/udp")["owners"]] == ["coturn"]
    assert box.probe("owner", "--owner", "3478/tcp")["owners"] == []
    listener.stop()
    assert box.probe("owner", "--owner", "443/tcp")["owners"] == []


# --- Cut off -----------------------------------------------------------------------------------------------

MOMENTS = ["keep a copy", "allow 22/tcp", "allow 3478/udp", "enable ufw", "read back"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted(box, moment):
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    result = box.probe("apply", "--stop-at", moment)
    assert result["outcome"] == "interrupted"
    assert "firewall.restored" in result["ids"]
    assert box.files() == before and box.is_open()
    assert "Status: inactive" in box.status()
    assert box.run("ls /mnt/state").split() == ["fw.lock"]
    assert box.probe("apply")["outcome"] == "changed"


@pytest.mark.parametrize("moment,verb", [
    ("allow 3478/udp", "settle"), ("enable ufw", "settle"), ("read back", "settle"),
    ("allow 22/tcp", "rollback"), ("read back", "rollback")])
def test_killed(box, moment, verb):
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    done = subprocess.run(box.enter(*box.probe_words("apply", "--die-at", moment)),
                          stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          env=box.environment())
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert "firewall.pending" in box.probe("inspect")["ids"]
    kept = moment == "read back" and verb == "settle"
    assert box.probe(verb)["outcome"] == ("changed" if kept else "restored")
    assert "firewall.pending" not in box.probe("inspect")["ids"]
    if kept:
        assert box.probe("apply")["outcome"] == "unchanged"
    else:
        assert box.files() == before and box.is_open()
        assert box.probe("apply")["outcome"] == "changed"
    assert box.probe(verb)["outcome"] == "unchanged"


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("moment", ["allow 443/tcp", "read back"])
def test_rollback_ends_the_run_that_it_overtakes(box, moment, active):
    """A run that is held up, by Ctrl-Z say, must not go on with its steps on the former files."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    if active:
        box.run("ufw limit 22/tcp comment 'mine'; ufw --force enable")
    files, kernel = box.files(), box.kernel()
    process = box.start(*box.probe_words("apply", "--freeze-at", moment))
    fwbox.wait_for_line(process.stderr, f"progress: {moment}")
    assert box.probe("rollback")["outcome"] == "restored"
    process.send_signal(signal.SIGCONT)  # nsenter stops with its child
    assert process.wait(20) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert box.files() == files and box.is_open() != active
    if active:
        assert box.kernel() == kernel
    assert box.run("ls /mnt/state").split() == ["fw.lock"]


def test_rollback_ends_only_the_run_itself(box):
    """A process that has the run's number by chance, such as after a reboot, is left alone."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "enable ufw")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    other = box.start("python3", "-c", "import fcntl,os,sys; f=open('/mnt/state/fw.lock','w'); "
                      "fcntl.flock(f,fcntl.LOCK_EX); print(os.getpid(),flush=True); "
                      "sys.stdin.read()")
    pid = other.stdout.readline().strip()
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started = box.run(f"cut -d' ' -f22 /proc/{pid}/stat").strip()
    for marker in (f"boot {boot}\npid {pid}\nstarted {int(started) + 1}\n",
                   f"boot another\npid {pid}\nstarted {started}\n", ""):
        box.write("/mnt/state/fw-pending", marker)
        box.run("cp -a /mnt/state/fw /mnt/kept")
        assert box.probe("rollback")["outcome"] == "restored"
        assert box.files() == before and other.poll() is None
        box.run("mv /mnt/kept /mnt/state/fw")
    box.write("/mnt/state/fw-pending", f"boot {boot}\npid {pid}\nstarted {started}\n")
    assert box.probe("rollback")["outcome"] == "restored"
    assert other.wait(20) != 0


@pytest.mark.parametrize("killed", [False, True])
def test_cut_off_while_active(box, killed):
    """The owner's rules are back in the kernel, too, and ufw was not restarted for it."""
    witness(box)
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("ufw limit 22/tcp comment 'mine'; ufw allow 80/tcp; ufw deny 8080; "
            "ufw --force enable")
    files, kernel, started = box.files(), box.kernel(), box.read("/mnt/witness")
    if killed:
        subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "read back")),
                       stdin=subprocess.DEVNULL, capture_output=True, check=False,
                       env=box.environment())
        assert box.kernel() != kernel
        assert box.probe("rollback")["outcome"] == "restored"
    else:
        assert box.probe("apply", "--stop-at", "read back")["outcome"] == "interrupted"
    assert box.files() == files and box.kernel() == kernel
    assert box.read("/mnt/witness") == started


def test_forward_comes_back(box):
    """Docker closes it, and ufw opens it when it stops."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("iptables -P FORWARD DROP")
    assert box.probe("apply", "--stop-at", "read back")["outcome"] == "interrupted"
    assert box.is_open()
    assert [line for line in box.kernel() if "FORWARD" in line and "-P" in line] == [
        "-P FORWARD DROP", "-P FORWARD ACCEPT"]


def test_policies_come_back(box):
    box.run("ufw default allow incoming; ufw allow 22/tcp; ufw --force enable")
    files, kernel = box.files(), sorted(box.kernel())
    result = box.probe("apply", "--ssh", "22", "--stop-at", "read back")
    assert result["outcome"] == "interrupted"
    assert box.files() == files and sorted(box.kernel()) == kernel
    assert "Default: allow (incoming)" in box.status()


def test_ufw_hangs(box):
    """Ctrl-C gets one out, and restoring does not ask ufw, which waits for its lock for ever."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    box.run("cp /usr/sbin/ufw /mnt/ufw-itself")
    box.write("/usr/sbin/ufw", "#!/bin/sh\n"
              "[ \"$1 $2\" = 'allow 443/tcp' ] && exec flock /run/ufw.lock sleep 600\n"
              "exec /mnt/ufw-itself \"$@\"\n", 0o755)
    process = box.start("sh", "-c", "echo $$; exec " + fwbox.quote(*box.probe_words("apply")))
    pid = process.stdout.readline().strip()
    fwbox.wait_for_line(process.stderr, "progress: allow 443/tcp")
    box.run(f"kill -INT {pid}")
    out, err = process.communicate(timeout=60)
    assert fwbox.answer(out, err)["outcome"] == "interrupted"
    assert box.files() == before and box.is_open()


@pytest.mark.pitfall(3)
def test_rollback_when_ufw_hangs(box):
    """From another login: neither the hanging ufw nor the run that waits for it holds it up."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    box.run("cp /usr/sbin/ufw /mnt/ufw-itself")
    box.write("/usr/sbin/ufw", "#!/bin/sh\n"
              "[ \"$1 $2\" = 'allow 443/tcp' ] && exec flock /run/ufw.lock sleep 600\n"
              "exec /mnt/ufw-itself \"$@\"\n", 0o755)
    process = box.start(*box.probe_words("apply"))
    fwbox.wait_for_line(process.stderr, "progress: allow 443/tcp")
    assert box.probe("rollback")["outcome"] == "restored"
    assert process.wait(20) != 0
    assert box.files() == before and box.is_open()
    assert "sleep 600" not in box.run("ps -eo args")


BREAKAGES = {
    "emptied rules": "truncate -s 0 /etc/ufw/user.rules; truncate -s 0 /etc/ufw/user6.rules",
    "missing files": "rm /etc/ufw/before.rules /etc/ufw/ufw.conf /etc/default/ufw",
    "folders": "rm /etc/ufw/ufw.conf /etc/default/ufw; mkdir -p /etc/ufw/ufw.conf/x "
               "/etc/default/ufw/y",
    "nonsense": "echo '[' >/etc/default/ufw; echo x >/etc/ufw/user.rules",
    "ufw itself": "printf '#!/bin/sh\\nexit 1\\n' >/usr/sbin/ufw",
}


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("what", BREAKAGES)
def test_rollback_with_broken_files(box, what):
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "read back")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    assert not box.is_open()
    box.run(BREAKAGES[what])
    assert box.probe("rollback")["outcome"] == "restored"
    assert box.files() == before and box.is_open()


def test_rollback_when_ufw_cannot_stop(box):
    """Then at least its policies are open."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "read back")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    box.run("mount --bind /bin/false /lib/ufw/ufw-init")
    assert box.probe("rollback")["outcome"] == "restored"
    assert box.files() == before
    policies = [line for line in box.kernel() if line.startswith("-P")]
    assert policies == ["-P INPUT ACCEPT", "-P FORWARD DROP", "-P OUTPUT ACCEPT"] * 2


STOPPED_HALFWAY = {
    # In the order in which ufw does it: the chains are empty before the policies are open.
    "both": "iptables -F; ip6tables -F; iptables -X; ip6tables -X; iptables -P INPUT DROP; "
            "ip6tables -P INPUT DROP",
    "IPv6": "iptables -F; iptables -X; iptables -P INPUT ACCEPT; iptables -P OUTPUT ACCEPT; "
            "ip6tables -F; ip6tables -X ufw6-user-input; ip6tables -P INPUT DROP",
    "unreadable": "ip6tables -F; ip6tables -X; ip6tables -P INPUT ACCEPT; printf '#!/bin/sh\\n[ $1 != -S ] || exit 4\\n"
                  "exec /usr/sbin/xtables-nft-multi iptables \"$@\"\\n' >/mnt/iptables; "
                  "chmod 755 /mnt/iptables; rm /usr/sbin/iptables; cp /mnt/iptables /usr/sbin/",
}


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("what", STOPPED_HALFWAY)
def test_rollback_after_one_that_was_killed(box, what):
    """What ufw was killed in the middle of stopping does not look like a ufw at work, and lets nobody in."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "read back")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    box.run(STOPPED_HALFWAY[what])
    assert box.probe("rollback")["outcome"] == "restored"
    box.run("rm /usr/sbin/iptables; ln -s xtables-nft-multi /usr/sbin/iptables")
    assert box.files() == before and box.is_open()


@pytest.mark.pitfall(3)
def test_an_active_ufw_comes_back_from_one_that_was_killed(box):
    """Its rules in place again would be reached by no packet: the chains that lead there are empty."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("ufw limit 22/tcp comment 'mine'; ufw --force enable")
    files, kernel = box.files(), sorted(box.kernel())
    subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "read back")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    box.run("iptables -S | sed -n 's/^-N //p' | xargs -n1 iptables -F; iptables -X ufw-user-input")
    assert box.probe("rollback")["outcome"] == "restored"
    assert box.files() == files and sorted(box.kernel()) == kernel


@pytest.mark.pitfall(3)
def test_rollback_without_a_disk(box):
    """It is open at once; the files follow when there is a disk again."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    subprocess.run(box.enter(*box.probe_words("apply", "--die-at", "read back")),
                   stdin=subprocess.DEVNULL, capture_output=True, check=False,
                   env=box.environment())
    box.run("mount -o remount,ro,bind /etc/ufw; mount -o remount,ro,bind /mnt/state 2>/dev/null; true")
    assert box.probe("rollback")["outcome"] == "broken"
    assert box.is_open() and box.files() != before
    box.run("mount -o remount,rw,bind /etc/ufw")
    assert box.probe("rollback")["outcome"] == "restored"
    assert box.files() == before and box.is_open()


SLOW_STOP = "#!/bin/sh\n[ $1 != stop ] || { : >/mnt/stopping; sleep 12; }\n"


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("way", ["told", "of itself"])
def test_rollback_waits_for_one_that_restores(box, way):
    """Killed in the middle of that, ufw would leave closed policies and empty chains."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.write("/etc/ufw/before.init", SLOW_STOP, 0o755)
    before = box.files()
    process = box.start(*box.probe_words("apply", *WAIT))
    fwbox.wait_for_line(process.stderr, "waiting: 60")
    if way == "of itself":
        box.run("pkill -INT -x probe; until [ -e /mnt/stopping ]; do sleep 0.1; done; "
                "for s in INT TERM HUP; do pkill -o -$s -x probe; done")
        assert "-P INPUT DROP" not in box.run("iptables -S; ip6tables -S")
    assert box.probe("rollback")["outcome"] == "restored"
    out, err = process.communicate(timeout=60)
    assert fwbox.answer(out, err)["outcome"] == ("interrupted" if way == "of itself" else "restored")
    assert box.files() == before and box.is_open()
    assert box.run("ls /mnt/state").split() == ["fw.lock"]


def test_ufw_locked_by_another(box):
    """Even reading waits for ufw's lock: the person can end it, and is told what it was."""
    holder = box.start("python3", "-c", "import fcntl,sys; f=open('/run/ufw.lock','w'); "
                       "fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); sys.stdin.read()")
    assert holder.stdout.readline() == "held\n"
    result = box.probe("inspect", "--stop-after", "1")
    assert result["known"] is False
    holder.stdin.close()
    assert box.probe("inspect")["known"] is True


@pytest.mark.pitfall(15)
def test_two_runs_at_once(box):
    first = box.start("python3", "-c", "import fcntl,sys; f=open('/mnt/state/fw.lock','w'); "
                      "fcntl.flock(f,fcntl.LOCK_EX); fcntl.lockf(f,fcntl.LOCK_EX); "
                      "print('held',flush=True); sys.stdin.read()")
    assert first.stdout.readline() == "held\n"
    before = box.files()
    result = box.probe("apply", "--ssh", "22")
    assert result["outcome"] == "refused" and result["fails"] == ["firewall.busy"]
    assert box.files() == before


@pytest.mark.pitfall(8)
def test_enabling_fails(box):
    """ufw that cannot load its rules: what was before is back, and the server is open."""
    box.run("echo '-A ufw-after-input -j NOSUCHTARGET' | sed -i '/^COMMIT/{\n"
            "i -A ufw-after-input -m nosuchmatch -j ACCEPT\n}' /etc/ufw/after.rules")
    before = box.files()
    result = box.probe("apply", "--ssh", "22")
    assert result["outcome"] == "restored"
    assert "firewall.apply" in result["fails"]
    assert box.files() == before and box.is_open()


# --- A new login ------------------------------------------------------------------------------------------

OLD_LOGIN = {"SSH_TTY": "/dev/pts/0"}  # of nobody knows when

# A process of this name that starts a command, or first a child of the same name that does, once told.
NAMED = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode())
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[2] == "fork" and os.fork():
    os.wait()
else:
    subprocess.run(sys.argv[3:], stdin=subprocess.DEVNULL)
"""


def below(box, name, how, *words):
    process = box.start("python3", "-c", NAMED, name, how, *words)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def told(process):
    out, err = process.communicate("go\n", timeout=60)
    return fwbox.answer(out, err)


def confirm_at_the_console(box):
    return told(below(box, "login", "run", *box.probe_words("confirm")))
WAIT = ("--confirm", "3", "--confirm-timeout", "60")


@pytest.fixture
def waiting(box):
    """A change that waits for a new login; box.waiting is the run."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.before = box.files()
    box.waiting = box.start(*box.probe_words("apply", *WAIT))
    fwbox.wait_for_line(box.waiting.stderr, "waiting: 60")
    assert "Status: active" in box.status()
    return box


def ended(box):
    out, err = box.waiting.communicate(timeout=30)
    return fwbox.answer(out, err)


def test_confirm(waiting):
    assert confirm_at_the_console(waiting)["outcome"] == "changed"
    result = ended(waiting)
    assert result["outcome"] == "changed" and "firewall.confirmed" in result["ids"]
    assert waiting.probe("apply")["outcome"] == "unchanged"
    assert waiting.probe("confirm")["outcome"] == "unchanged"
    assert waiting.run("ls /mnt/state").split() == ["fw.lock", "origin"]


@pytest.mark.pitfall(2)
@pytest.mark.parametrize("env", [OLD_LOGIN, None], ids=["variables", "no trace"])
def test_confirm_by_an_old_login_is_refused(waiting, env):
    """Inside tmux, with sudo, nothing tells of the connection, and the window is new."""
    refused = waiting.probe("confirm", env=env)
    assert refused["outcome"] == "refused" and refused["fails"] == ["firewall.login"]
    assert waiting.waiting.poll() is None
    waiting.probe("rollback")
    assert ended(waiting)["outcome"] == "restored"


@pytest.mark.pitfall(2)
def test_confirm_by_a_login_from_the_server_itself_is_refused(waiting):
    done = subprocess.run(waiting.enter("python3", "-c", fwbox.SESSION, "2022",
                                        *waiting.probe_words("confirm")),
                          capture_output=True, text=True, env=waiting.environment(), check=True)
    result = fwbox.answer(done.stdout, done.stderr)
    assert result["outcome"] == "refused"
    assert "from the server itself" in fwbox.finding(result, "firewall.login")["message"]


@pytest.mark.pitfall(2)
@pytest.mark.parametrize("how", ["fork", "run"])
def test_confirm_by_a_login_of_another_server(box, how):
    """Tailscale's: what counts is the process that serves the login, not the one that listens."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    confirm = box.probe_words("confirm")
    server = below(box, "tailscaled", how, *confirm)
    old = below(box, "tailscaled", "run", "sh", "-c", "echo ready >&2; read x </mnt/go; exec \"$@\"", "sh", *confirm)
    box.run("mkfifo /mnt/go")
    old.stdin.write("go\n")
    old.stdin.flush()
    fwbox.wait_for_line(old.stderr, "ready")
    run = box.start(*box.probe_words("apply", *WAIT))
    fwbox.wait_for_line(run.stderr, "waiting: 60")
    box.run("echo >/mnt/go")
    out, err = old.communicate(timeout=60)
    assert fwbox.answer(out, err)["outcome"] == "refused"
    assert told(server)["outcome"] == "changed"
    out, err = run.communicate(timeout=30)
    assert fwbox.answer(out, err)["outcome"] == "changed"


def test_rollback_while_it_waits(waiting):
    assert waiting.probe("rollback")["outcome"] == "restored"
    assert ended(waiting)["outcome"] == "restored"
    assert waiting.files() == waiting.before and waiting.is_open()
    assert waiting.run("ls /mnt/state").split() == ["fw.lock"]


def test_interrupted_while_it_waits(waiting):
    waiting.run("pkill -INT -x probe")
    assert ended(waiting)["outcome"] == "interrupted"
    assert waiting.files() == waiting.before and waiting.is_open()


def test_nobody_logs_in(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    before = box.files()
    result = box.probe("apply", "--confirm", "3", "--confirm-timeout", "1")
    assert result["outcome"] == "restored" and "firewall.unconfirmed" in result["fails"]
    assert box.files() == before and box.is_open()


def test_killed_while_it_waits(waiting):
    """The proof by rules does not stand in for the login that was wanted."""
    waiting.run("pkill -KILL -x probe")
    refused = waiting.probe("confirm", env=OLD_LOGIN)
    assert refused["outcome"] == "refused" and "Status: active" in waiting.status()
    assert waiting.probe("settle", env=OLD_LOGIN)["outcome"] == "restored"
    assert waiting.files() == waiting.before and waiting.is_open()


def test_killed_while_it_waits_and_confirmed(waiting):
    waiting.run("pkill -KILL -x probe")
    assert confirm_at_the_console(waiting)["outcome"] == "changed"
    assert waiting.probe("apply")["outcome"] == "unchanged"


def test_only_what_can_lock_out_waits(box):
    box.listen("sshd", "tcp,0.0.0.0,22")
    box.run("ufw allow 22/tcp; ufw --force enable")
    result = box.probe("apply", "--confirm", "3", "--confirm-timeout", "1")
    assert result["outcome"] == "changed" and result["steps"] == STEPS[1:3]


# --- Undone ------------------------------------------------------------------------------------------------


@pytest.mark.pitfall(16)
@pytest.mark.parametrize("owner", ["nothing", "own rules", "changed since"])
def test_all_is_undone_to_the_byte(box, owner):
    """ufw writes the files of its rules anew; the owner gets his own bytes back, if they still say
    the same."""
    box.listen("sshd", "tcp,0.0.0.0,22")
    if owner != "nothing":
        box.run("ufw allow 8080/tcp comment web; echo '# by hand' >>/etc/ufw/user.rules")
    before = box.files()
    times = box.run("stat -c '%n %y %a' /etc/ufw/user*.rules")
    result = box.probe("apply")
    assert result["outcome"] == "changed"
    if owner == "changed since":
        box.run("ufw allow 25/tcp")
    for change in reversed(result["changes"]):
        box.run(change.rsplit(" | ", 1)[1])
    assert box.files() != before
    box.probe("forget")
    if owner == "changed since":
        assert "25/tcp" in box.run("ufw show added") and box.files() != before
    else:
        assert box.files() == before
        assert box.run("stat -c '%n %y %a' /etc/ufw/user*.rules") == times
    assert box.run("ls /mnt/state") == ""


# --- ufw missing --------------------------------------------------------------------------------------------


def hide_ufw(box):
    box.run("rm /usr/sbin/ufw; mkdir /mnt/dpkg; cp -a /var/lib/dpkg/. /mnt/dpkg/; "
            "mount --bind /mnt/dpkg /var/lib/dpkg; python3 - <<'E'\n"
            "p='/var/lib/dpkg/status'\n"
            "s=open(p).read().split('\\n\\n')\n"
            "open(p,'w').write('\\n\\n'.join(x for x in s if not x.startswith('Package: ufw\\n')))\n"
            "E")


def apt_knows_ufw():
    done = subprocess.run(["apt-cache", "policy", "ufw"], capture_output=True, text=True,
                          check=False)
    return "http" in done.stdout or "file:" in done.stdout or "mirror" in done.stdout


@pytest.mark.skipif(not apt_knows_ufw(), reason="apt has no package lists here")
def test_ufw_can_be_installed(box):
    hide_ufw(box)
    result = box.probe("inspect", "--ssh", "22")
    assert result["installed"] is False and result["fails"] == []
    assert fwbox.finding(result, "firewall.ufw.missing")["status"] == "warn"
    assert result["steps"][0] == "install ufw (apt)"


@pytest.mark.pitfall(6)
@pytest.mark.skipif(not apt_knows_ufw(), reason="apt has no package lists here")
def test_ufw_would_remove_another_firewall(box):
    hide_ufw(box)
    box.run("printf '\\nPackage: netfilter-persistent\\nStatus: install ok installed\\n"
            "Version: 1.0.20\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' "
            ">>/var/lib/dpkg/status")
    result = box.probe("inspect", "--ssh", "22")
    assert result["fails"] == ["firewall.ufw.conflict"]
    assert "netfilter-persistent" in fwbox.finding(result, "firewall.ufw.conflict")["message"]


def test_ufw_cannot_be_installed(box):
    hide_ufw(box)
    box.run("mount -t tmpfs t /var/lib/apt/lists")
    look = "ls -R /var/lib/apt; ls /tmp | grep derp-setup || true"
    before = box.run(look)
    result = box.probe("apply", "--ssh", "22")
    assert result["fails"] == ["firewall.ufw.missing"]
    assert "apt-get install ufw" in fwbox.finding(result, "firewall.ufw.missing")["fix"]
    assert "outcome" not in result
    assert box.run(look) == before
