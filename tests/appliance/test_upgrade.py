# SPDX-License-Identifier: Apache-2.0
"""From the package of the commit before this one to this one, while clients are connected: by apt,
and by unattended-upgrades from a repository."""

import hashlib

import pytest

from testbed import clients, rootfs
from testbed.appliance import assert_came_back, derp_setup, derp_verb
from testbed.former import VERSION as FORMER
from testbed.network import SERVER
from testbed.shell import run
from testbed.world import World

# What belongs to the server's owner or to the relay, and what the firewall lets through.
STATE = r"""
find /etc/derp /etc/ufw /etc/default/ufw /var/lib/derp /var/lib/derp-acme/account \
    /var/lib/derp-acme/current/ /var/lib/derp-setup -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
find /etc/derp /var/lib/derp* -printf '%M %u:%g %p %l\n' | LC_ALL=C sort -k 3
nft --stateless list ruleset
systemctl is-enabled derpd.service derp-acme.timer derp-fw-guard.service ufw.service
"""
CONFFILE = "/etc/ufw/applications.d/derp-relay"


class Apt:
    """A person's `apt install ./derp-relay.deb`."""

    suite = rootfs.SUITES[0]

    def prepare(self, server, deb):
        server.put(deb, f"/root/{deb.name}")

    def upgrade(self, server, deb):
        server.run("apt-get", "install", "-y", f"./{deb.name}")


class Unattended:
    """unattended-upgrades, with a repository that its owner allows."""

    suite = rootfs.SUITES[1]

    def prepare(self, server, deb):
        server.offer_packages()
        server.sh("apt-get install -qqy --no-install-recommends unattended-upgrades", timeout=180)
        server.put(deb, f"/srv/ours/{deb.name}")
        packages = run("dpkg-scanpackages", "-m", ".", cwd=server.path("/srv/ours")).out
        server.write("/srv/ours/Packages", packages)
        digest = hashlib.sha256(packages.encode()).hexdigest()
        server.write("/srv/ours/Release", "Origin: derp-relay\nLabel: derp-relay\nSuite: stable\n"
                     f"SHA256:\n {digest} {len(packages.encode())} Packages\n")
        server.write("/etc/apt/sources.list.d/ours.list", "deb [trusted=yes] file:/srv/ours ./\n")
        server.write("/etc/apt/apt.conf.d/52derp-relay",
                     'Unattended-Upgrade::Origins-Pattern { "origin=derp-relay"; };\n')
        server.run("apt-get", "-qq", "update")

    def upgrade(self, server, deb):
        server.run("unattended-upgrade", "-v", timeout=180)


def version(server):
    return server.sh("dpkg-query -W -f '${Version}' derp-relay")


def forget_the_guard(server):
    """As if it had come from a package that had no guard yet."""
    server.sh("rm -f /etc/systemd/system/*.wants/derp-fw-guard.service; "
              "find /var/lib/systemd/deb-systemd-helper-enabled -name 'derp-fw-guard*' -delete")
    assert server.sh("systemctl is-enabled derp-fw-guard.service", check=False) == "disabled"


def start_talking(world, talker):
    """Two clients at each place, if they come back by themselves."""
    if not talker.returns:
        return []
    root = world.folder / "issuing-root.pem"
    root.write_text(world.ca.issuing_root())
    return [talker.start(c, SERVER, root).wait_ready() for c in world.clients]


@pytest.mark.parametrize("way", [Apt(), Unattended()], ids=["apt", "unattended-upgrades"])
def test_upgrade(way, deb, former_deb, disk, talker):
    with World(way.suite, layers=[disk(way.suite)]) as world:
        server = world.server
        server.install(former_deb)
        assert version(server) == FORMER
        first = derp_setup(world)
        assert first.code == 0, first
        server.sh(f"echo '# mine' >>{CONFFILE}")
        way.prepare(server, deb)
        before, pid = server.sh(STATE), server.sh("systemctl show -P MainPID derpd")
        forget_the_guard(server)
        talks = start_talking(world, talker)

        way.upgrade(server, deb)

        assert version(server) not in ("", FORMER)
        server.until("the relay", "systemctl is-active --quiet derpd && "
                     "systemctl is-active --quiet derp-acme.timer")
        assert server.sh("systemctl show -P MainPID derpd") != pid
        assert server.sh("systemctl --failed --no-legend --plain") == ""
        assert_came_back(world, talks)
        assert server.sh(STATE) == before
        assert server.read(CONFFILE).endswith("# mine\n")
        assert_still_understood(world)


def assert_still_understood(world):
    """What the former version has left: config, journal, certificate, orders, account."""
    assert derp_verb(world, "status").code == 0
    doctor = derp_verb(world, "doctor")
    assert doctor.code == 0 and doctor.failures == [], doctor
    assert doctor.status("service.libraries") is None, doctor
    again = derp_setup(world)
    assert again.code == 0 and again.json["changes"] == [], again
    accounts = world.server.sh("ls /var/lib/derp-acme/account")
    renewed = derp_verb(world, "renew", "--force")
    assert renewed.code == 0, renewed
    assert world.server.sh("ls /var/lib/derp-acme/account") == accounts
    assert clients.stun(world.clients[0])
    gone = derp_verb(world, "uninstall", "--yes")
    assert gone.code == 0 and gone.failures == [], gone
    assert world.server.sh("ufw status") == "Status: inactive"
