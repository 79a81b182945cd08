# SPDX-License-Identifier: Apache-2.0
"""The package on the server: runs of derp-setup, and whether anything has changed."""

import json

from .shell import wait_for
from .world import DOMAIN

# Everything of the server that a person would call its state; equal texts mean nothing changed.
_FILES = r"""
find /etc /usr/lib/systemd/system -xdev -printf '%M %u:%g %p %l\n' | LC_ALL=C sort
find /etc -xdev -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
find /var/lib/derp* -xdev -printf '%M %u:%g %p %l\n' 2>/dev/null | LC_ALL=C sort
dpkg-query -W -f '${Package} ${Version} ${Status}\n'
"""
_KERNEL = "nft --stateless list ruleset 2>/dev/null\n"
_UNITS = r"""
systemctl list-unit-files --no-legend --plain --type=service,timer,socket | grep -v '^run-'
systemctl list-units --no-legend --plain --all --type=timer,socket derp\* ufw\* ssh\* nginx\* \
    firewalld\* | awk '{ print $1, $2, $3 }'
ss -Hlntu | awk '{ print $1, $5 }' | LC_ALL=C sort
"""
# Until the next boot `ufw disable` leaves its chains in the kernel, empty, and the jumps to them.
_RULES = r"""
for unit in derpd derp-acme.timer derp-fw-rollback.timer; do echo $unit $(systemctl is-active $unit); done
ufw status
for tables in iptables ip6tables; do $tables -S | grep -Ev '^-N ufw|^-A [A-Z]+ -j ufw6?-[a-z-]+$'; done
"""


def fingerprint(server):
    """Files of /etc with content, packages, firewall, units and listeners, as one text."""
    return server.sh(_FILES + _KERNEL + _UNITS, check=False)


def state(server):
    """The same, but equal for a firewall that never was and one that was switched off again."""
    return server.sh(_FILES + _UNITS + _RULES, check=False)


def differences(now, before):
    """Lines that only one of two such texts has, each with the side that has it: [] when equal."""
    now, before = now.splitlines(), before.splitlines()
    return ([f"+ {line}" for line in now if line not in before]
            + [f"- {line}" for line in before if line not in now])


def connections(world):
    """How many connections the relay has."""
    return derp_verb(world, "status").json["status"]["connections"]


def assert_came_back(world, talks):
    """Ends conversations that a restart of the relay has interrupted: each of their clients was back
    after one reconnect."""
    wait_for("the clients' return", 30, lambda: connections(world) == 2 * len(talks), pause=0.5)
    for talk in talks:
        report = talk.stop()
        assert report["reconnects"] == report["clients"] == 2, report
        assert report["lost"] < report["sent"], report


class Setup:
    """One run of derp-setup with --json: code, the JSON object, and findings by id."""

    def __init__(self, result):
        self.result, self.code = result, result.code
        try:
            self.json = json.loads(result.out) if result.out.strip() else {}
        except ValueError:
            raise AssertionError(f"standard output is not one JSON object:\n{result}") from None
        self.checks = self.json.get("checks", [])
        for check in self.checks:  # what is wrong has a next step
            assert check["fix"] or check["status"] in ("ok", "skip") or \
                check["id"].startswith("firewall."), check

    def status(self, finding):
        """The worst status of a finding's id; None when it was not found."""
        order = ["ok", "skip", "warn", "fail"]
        found = [c["status"] for c in self.checks if c["id"] == finding]
        return max(found, key=order.index, default=None)

    def get(self, finding):
        """The finding with this id: id, status, message, fix."""
        for check in self.checks:
            if check["id"] == finding:
                return check
        raise AssertionError(f"no finding {finding}:\n{self}")

    @property
    def failures(self):
        return sorted({c["id"] for c in self.checks if c["status"] == "fail"})

    def __str__(self):
        return str(self.result)

    __repr__ = __str__


def derp_setup(world, *args, domain=DOMAIN, timeout=180, env=None):
    """`derp-setup DOMAIN --yes --no-input --json` with what this private internet needs."""
    return Setup(world.server.run("derp-setup", *([domain] if domain else []), "--yes",
                                  "--no-input", "--json", *world.setup_flags(), *args,
                                  check=False, timeout=timeout, env=env))


def derp_verb(world, verb, *args, timeout=120):
    """`derp-setup VERB --json …`."""
    return Setup(world.server.run("derp-setup", verb, "--json", *args, check=False,
                                  timeout=timeout))
