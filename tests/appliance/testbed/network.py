# SPDX-License-Identifier: Apache-2.0
"""A small internet: hosts in network namespaces around a router that is also the internet.

    server 203.0.113.10 ─┐                ┌─ client1 198.51.100.11
                         ├─ router, DNS, ─┤
                         │  CA 192.0.2.x  └─ client2 198.51.100.12

Addresses are those reserved for documentation. What is not in this world is unreachable at once.
"""

import os
import subprocess

from . import tidy
from .shell import Result, run

ROOT_DNS, TLD_DNS, ZONE_DNS, RESOLVER, CA = (f"192.0.2.{n}" for n in (1, 2, 3, 53, 20))
ROOT_DNS6, TLD_DNS6, ZONE_DNS6, RESOLVER6, CA6 = (
    f"2001:db8:2::{n}" for n in (1, 2, 3, 53, 20))
SERVER, SERVER6 = "203.0.113.10", "2001:db8:113::10"

# In a mount namespace of its own: the host's resolver, then the program.
_ENTER = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


class Host:
    """A host is a network namespace; programs in it see the machine's files, but its resolver."""

    def __init__(self, world, name, resolv_conf):
        self.name, self.netns = name, f"{world}-{name}"
        self._resolv_conf = str(resolv_conf)
        run("ip", "netns", "add", self.netns)
        run("ip", "-n", self.netns, "link", "set", "lo", "up")

    def ip(self, *args):
        run("ip", "-n", self.netns, *args)

    def _argv(self, argv):
        return ["nsenter", f"--net=/run/netns/{self.netns}", "unshare", "--mount", "sh", "-c",
                _ENTER, "sh", self._resolv_conf, *map(str, argv)]

    def run(self, *argv, check=True, timeout=60, input=None, env=None):
        """Runs a program on this host to its end."""
        r = run(*self._argv(argv), check=check, timeout=timeout, input=input,
                env={**os.environ, **(env or {})})
        return Result(argv, r.code, r.out, r.err)

    def start(self, *argv, env=None, **options):
        """Starts a program on this host; it ends with us at the latest."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self._argv(argv), preexec_fn=tidy.die_with_parent,
                                env={**os.environ, **(env or {})}, **options)


class Network:
    """The router ("inet"), the server's place ("srv") and clients ("c1", "c2", ...)."""

    def __init__(self, world, folder, server4=SERVER, server6=SERVER6, clients=2):
        self.server4, self.server6 = server4, server6
        resolv_conf = folder / "resolv.conf"
        resolv_conf.write_text(f"nameserver {RESOLVER}\noptions timeout:1 attempts:2\n")
        self.inet = Host(world, "inet", resolv_conf)
        self.server = Host(world, "srv", resolv_conf)
        self.clients = [Host(world, f"c{n}", resolv_conf) for n in range(1, clients + 1)]
        self._router()
        self._attach(self.server, server4, server6)
        for n, client in enumerate(self.clients, 11):
            self._attach(client, f"198.51.100.{n}", f"2001:db8:51::{n}")

    def _router(self):
        inet = self.inet
        inet.ip("link", "add", "br0", "type", "bridge")
        inet.ip("link", "set", "br0", "up")
        for n in (1, 2, 3, 20, 53):
            inet.ip("addr", "add", f"192.0.2.{n}/32", "dev", "lo")
            inet.ip("addr", "add", f"2001:db8:2::{n}/128", "dev", "lo", "nodad")
        gateways = {_gateway4(self.server4), "198.51.100.1"}
        for address in gateways:
            inet.ip("addr", "add", f"{address}/24", "dev", "br0")
        for address in ("2001:db8:113::1", "2001:db8:51::1"):
            inet.ip("addr", "add", f"{address}/64", "dev", "br0", "nodad")
        inet.ip("route", "add", "unreachable", "default")
        inet.ip("-6", "route", "add", "unreachable", "default", "metric", "1")
        run("ip", "netns", "exec", inet.netns, "sysctl", "-qw", "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
            "net.ipv4.conf.br0.send_redirects=0")

    def _attach(self, host, address4, address6):
        port = f"to-{host.name}"
        self.inet.ip("link", "add", port, "type", "veth", "peer", "name", "eth0",
                     "netns", host.netns)
        self.inet.ip("link", "set", port, "master", "br0", "up")
        host.ip("addr", "add", f"{address4}/24", "dev", "eth0")
        if address6:
            host.ip("addr", "add", f"{address6}/64", "dev", "eth0", "nodad")
        host.ip("link", "set", "eth0", "up")
        host.ip("route", "add", "default", "via", _gateway4(address4))
        if address6:
            host.ip("-6", "route", "add", "default", "via", address6.rpartition("::")[0] + "::1")


def _gateway4(address):
    return address.rpartition(".")[0] + ".1"
