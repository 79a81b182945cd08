# SPDX-License-Identifier: Apache-2.0
"""A DNS of its own: a root server, one for top-level domains, one for demo.com, a resolver.

The first three are the real chain of delegations that a recursive resolver walks from root_hints;
the "resolver" of the hosts simply has all zones, which is enough for programs that ask for names.
"""

import os
import pathlib
import signal

from .network import (CA, CA6, RESOLVER, RESOLVER6, ROOT_DNS, ROOT_DNS6, TLD_DNS, TLD_DNS6,
                      ZONE_DNS, ZONE_DNS6)
from .shell import Failed, wait_for

_SOA = "@ 600 IN SOA ns.tld.test. hostmaster.tld.test. 1 1800 900 604800 60\n"

ZONES = {
    "root": ("", f"""$ORIGIN .
{_SOA}. 86400 IN NS ns.root.test.
test. 86400 IN NS ns.tld.test.
com. 86400 IN NS ns.tld.test.
ns.root.test. 86400 IN A {ROOT_DNS}
ns.root.test. 86400 IN AAAA {ROOT_DNS6}
ns.tld.test. 86400 IN A {TLD_DNS}
ns.tld.test. 86400 IN AAAA {TLD_DNS6}
"""),
    "com": ("com", f"""$ORIGIN com.
{_SOA}@ 86400 IN NS ns.tld.test.
demo 86400 IN NS ns1.demo.com.
ns1.demo 86400 IN A {ZONE_DNS}
ns1.demo 86400 IN AAAA {ZONE_DNS6}
"""),
    "test": ("test", f"""$ORIGIN test.
{_SOA}@ 86400 IN NS ns.tld.test.
ns.root 86400 IN A {ROOT_DNS}
ns.root 86400 IN AAAA {ROOT_DNS6}
ns.tld 86400 IN A {TLD_DNS}
ns.tld 86400 IN AAAA {TLD_DNS6}
ca 600 IN A {CA}
ca 600 IN AAAA {CA6}
"""),
}

ROOT_HINTS = f""". 3600000 IN NS ns.root.test.
ns.root.test. 3600000 IN A {ROOT_DNS}
ns.root.test. 3600000 IN AAAA {ROOT_DNS6}
"""

# name: (addresses it listens on, zones it has)
_SERVERS = {
    "root": ((ROOT_DNS, ROOT_DNS6), ("root",)),
    "tld": ((TLD_DNS, TLD_DNS6), ("com", "test")),
    "zone": ((ZONE_DNS, ZONE_DNS6), ("demo",)),
    "resolver": ((RESOLVER, RESOLVER6), ("root", "com", "test", "demo")),
}


class Dns:
    """nsd four times on the internet host; demo.com's records can be changed while it runs."""

    def __init__(self, inet, folder, records):
        self._inet, self._folder, self._running = inet, folder, {}
        folder.mkdir()
        (folder / "root.hints").write_text(ROOT_HINTS)
        for name, (_, text) in ZONES.items():
            (folder / f"{name}.zone").write_text(text)
        self._write(records)
        for name in _SERVERS:
            self._launch(name)
        for name in _SERVERS:
            self._await(name)

    def _write(self, records):
        text = f"$ORIGIN demo.com.\n{_SOA}@ 86400 IN NS ns1\nns1 86400 IN A {ZONE_DNS}\n"
        text += f"ns1 86400 IN AAAA {ZONE_DNS6}\n" + "".join(r + "\n" for r in records)
        (self._folder / "demo.zone").write_text(text)

    def _configure(self, name):
        addresses, zones = _SERVERS[name]
        lines = ["server:", "username: root", 'chroot: ""', f"zonesdir: {self._folder}",
                 'pidfile: ""', f"zonelistfile: {self._folder}/{name}.list",
                 f"xfrdfile: {self._folder}/{name}.xfrd", f"xfrdir: {self._folder}",
                 "server-count: 1", "rrl-ratelimit: 0", "verbosity: 1", 'database: ""',
                 *(f"ip-address: {a}" for a in addresses), "remote-control:", "control-enable: no"]
        for zone in zones:
            lines += ["zone:", f'name: "{_origin(zone) or "."}"', f"zonefile: {zone}.zone"]
        conf = self._folder / f"{name}.conf"
        conf.write_text("\n".join(lines) + "\n")
        return conf

    def _launch(self, name):
        with open(self._folder / f"{name}.log", "a") as log:
            self._running[name] = self._inet.start("nsd", "-d", "-c", self._configure(name),
                                                   stdout=log, stderr=log, start_new_session=True)

    def _answers(self, name):
        (address, _), zones = _SERVERS[name]
        r = self._inet.run("dig", "+short", "+time=1", "+tries=1", f"@{address}",
                           _origin(zones[-1]) or ".", "SOA", check=False)
        return "hostmaster" in r.out

    def _await(self, name):
        def up():
            if self._running[name].poll() is not None:
                raise Failed(f"DNS server {name} ended:\n"
                             + (self._folder / f"{name}.log").read_text())
            return self._answers(name)
        wait_for(f"DNS server {name}", 10, up)

    def stop(self, name="zone"):
        """Takes one of root, tld, zone, resolver down: queries to it are refused by ICMP."""
        process = self._running.pop(name)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(10)
        # nsd's own children hold its sockets a moment longer.
        wait_for(f"the end of DNS server {name}", 10, lambda: not _group_runs(process.pid))

    def start(self, name="zone"):
        self._launch(name)
        self._await(name)

    def freeze(self, *names):
        """Queries to these of root, tld, zone, resolver are never answered, until thaw()."""
        for name in names:
            os.killpg(self._running[name].pid, signal.SIGSTOP)

    def thaw(self):
        for process in self._running.values():
            os.killpg(process.pid, signal.SIGCONT)

    def set(self, *records):
        """Replaces the records of demo.com, written as in a zone file ("derp 600 IN A …")."""
        self._write(records)
        for name in ("zone", "resolver"):
            if name in self._running:
                self.stop(name)
            self.start(name)


def _group_runs(group):
    """Whether a process of this group still runs; one that only waits to be reaped does not."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            return True
    return False


def _origin(zone):
    return ZONES[zone][0] if zone in ZONES else "demo.com"
