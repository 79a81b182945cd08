# SPDX-License-Identifier: Apache-2.0
"""A tailnet of Tailscale's own clients on a private network, with headscale to control it and derpd
as its only relay. The network is that of tests/appliance/testbed: a router stands for the
internet."""

import atexit
import base64
import concurrent.futures
import json
import pathlib
import re
import shutil
import signal
import sys

import mapfile
import pki
from testbed import tidy
from testbed.network import SERVER, SERVER6, Network
from testbed.shell import Failed, wait_for

HERE = pathlib.Path(__file__).resolve().parent
RELAY = "relay.tailnet.test"
CONTROL_PORT = 8080
PATIENCE = 20

HEADSCALE = """
server_url: http://{server}:{port}
listen_addr: 0.0.0.0:{port}
metrics_listen_addr: ""
grpc_listen_addr: 127.0.0.1:0
noise: {{private_key_path: {folder}/noise.key}}
prefixes: {{v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential}}
derp:
  server: {{enabled: false}}
  urls: []
  paths: ["{folder}/derp.yaml"]
  auto_update_enabled: false
disable_check_updates: true
database: {{type: sqlite, sqlite: {{path: {folder}/db.sqlite}}}}
dns: {{magic_dns: false, base_domain: tailnet.test, override_local_dns: false}}
unix_socket: {folder}/headscale.sock
log: {{level: info}}
"""

DERPD = """
[relay]
domain = {relay}
listen = {server4}:{port} [{server6}]:{port}
stun = {stun}
metrics = 127.0.0.1:{metrics}
workers = 2
uplink = {uplink}
state-dir = {folder}/state
[certificate]
{source}
[admission]
allow = {allow}
"""

# The program may lie where nobody has no access: so it is seen in another place, too.
AS_NOBODY = """
mount --bind "$1" "$2" && shift
exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
"""

# No peer gets in that was not spoken to first, as behind the NAT or firewall of most clients.
STATEFUL = """
table inet stateful {
    chain in {
        type filter hook input priority 0; policy drop;
        iifname != "eth0" accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
    }
}
"""
# Of UDP only STUN gets out: then there is no way but the relay.
RELAY_ONLY = """
table inet relayonly {
    chain out {
        type filter hook output priority 0;
        oifname "eth0" meta l4proto udp udp dport != 3478 drop
    }
}
"""


class Daemon:
    """A program that runs on a host until stop(), with its log in a file."""

    def __init__(self, host, log, argv, env=None):
        self.log = log
        self.begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self.process = host.start(*argv, env=env, stdout=out, stderr=out)

    def text(self):
        """What it logged since this start."""
        with self.log.open("rb") as f:
            f.seek(self.begin)
            return f.read().decode(errors="replace")

    def wait_for(self, what, test, seconds=PATIENCE):
        def done():
            if self.process.poll() is not None:
                raise Failed(f"{self.log.stem} ended with {self.process.returncode}")
            return test()
        try:
            return wait_for(what, seconds, done, pause=0.02)
        except Failed as e:
            raise Failed(f"{e}\n{self.text()[-4000:]}") from None

    def stop(self):
        """Ends it as systemd would; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE)


class Derpd:
    """derpd on a host, as nobody; folder: a new one of its own."""

    def __init__(self, binary, host, folder, authority, allow, port=443, metrics=3340, stun=True,
                 uplink="off", pinned=False):
        """pinned: without a domain, known by its address and its own certificate's fingerprint."""
        self.binary, self.host, self.folder, self.authority = binary, host, folder, authority
        self.port, self.metrics_port = port, metrics
        self.daemon = None
        folder.mkdir()
        (folder / "derpd").touch()
        (folder / "state").mkdir()
        shutil.chown(folder / "state", "nobody", "nogroup")
        endpoints = f"{SERVER}:3478 [{SERVER6}]:3478" if stun else "off"
        source = ("source = self-signed" if pinned else
                  f"source = files\nchain = {folder}/chain.pem\nkey = {folder}/key.pem")
        (folder / "derp.conf").write_text(DERPD.format(
            source=source, relay=SERVER if pinned else RELAY, server4=SERVER, server6=SERVER6, port=port, stun=endpoints,
            metrics=metrics, folder=folder, allow=allow, uplink=uplink))
        self.new_certificate()

    def new_certificate(self):
        chain, key = self.authority.leaf(RELAY)
        for name, content in (("chain.pem", chain), ("key.pem", key)):
            fresh = self.folder / (name + ".new")
            fresh.write_bytes(content)
            fresh.chmod(0o644)
            fresh.rename(self.folder / name)

    def start(self):
        self.daemon = Daemon(self.host, self.folder / "derpd.log", [
            "sh", "-c", AS_NOBODY, "sh", self.binary, self.folder / "derpd",
            "--config", self.folder / "derp.conf"])
        self.daemon.wait_for("derpd", lambda: re.search(r"ready$", self.daemon.text(), re.M))
        return self

    def stop(self):
        return self.daemon.stop()

    def reload(self):
        done = self.log().count("config reloaded")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_for("the reload", lambda: self.log().count("config reloaded") > done)

    def log(self):
        return self.daemon.text()

    def _page(self, path):
        return self.host.run("curl", "-sf", f"http://127.0.0.1:{self.metrics_port}{path}").out

    def status(self):
        return json.loads(self._page("/status"))

    def metric(self, name):
        """The value of a metric, labels included in its name."""
        found = re.search(rf"^{re.escape(name)} (\d+)$", self._page("/metrics"), re.M)
        assert found, f"no metric {name}"
        return int(found[1])


class Derper(Derpd):
    """Tailscale's own relay instead, to compare with."""

    def start(self):
        for name, file in (("crt", "chain.pem"), ("key", "key.pem")):
            (self.folder / f"{RELAY}.{name}").symlink_to(self.folder / file)
        self.daemon = Daemon(self.host, self.folder / "derper.log", [
            self.binary, "-a", f":{self.port}", "-stun-port", "3478", "-http-port", "-1", "-certmode", "manual",
            "-certdir", self.folder, "-hostname", RELAY, "-c", self.folder / "derper.key"])
        self.daemon.wait_for("derper", lambda: self.host.run(
            "curl", "-sk", "--resolve", f"{RELAY}:{self.port}:{SERVER}", f"https://{RELAY}:{self.port}/",
            check=False).code == 0)
        return self


class Headscale:
    def __init__(self, binary, host, folder, derp_map):
        self.host = host
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(HEADSCALE.format(server=SERVER, port=CONTROL_PORT, folder=folder))
        (folder / "derp.yaml").write_text(derp_map)
        self.command = [binary, "-c", config]
        self.url = f"http://{SERVER}:{CONTROL_PORT}"
        self.verify = f"http://127.0.0.1:{CONTROL_PORT}/verify"
        self.daemon = Daemon(host, folder / "headscale.log", [*self.command, "serve"])
        self.daemon.wait_for("headscale", lambda: (folder / "headscale.sock").exists())
        user = self.cli("users", "create", "somebody")
        self.key = self.cli("preauthkeys", "create", "--user", user["id"], "--reusable")["key"]

    def cli(self, *words):
        """What a command answers, as JSON."""
        return json.loads(self.host.run(*self.command, "-o", "json", *words).out)

    def delete(self, node_key):
        ids = [n["id"] for n in self.cli("nodes", "list") if n["node_key"] == node_key]
        assert len(ids) == 1
        self.cli("nodes", "delete", "--identifier", ids[0], "--force")


class Node:
    """tailscaled on a host, with a TUN device; folder: a new one of its own, named as the node."""

    def __init__(self, host, folder, ca, tailscaled, tailscale):
        self.host, self.folder = host, folder
        self.tailscaled, self.tailscale = tailscaled, tailscale
        self.socket = folder.parent / f"{folder.name}.sock"  # not in its folder, which is its own
        self.environment = {"SSL_CERT_FILE": str(ca), "TS_DEBUG_FIREWALL_MODE": "nftables",
                            "TS_NO_LOGS_NO_SUPPORT": "true",
                            # else it writes into the machine's own
                            "HOME": str(folder), "STATE_DIRECTORY": str(folder)}
        self.daemon = None
        folder.mkdir()

    def start(self):
        self.daemon = Daemon(self.host, self.folder / f"{self.folder.name}.log", [
            self.tailscaled, "--state", self.folder / "state", "--statedir", self.folder,
            "--socket", self.socket, "--tun", "tailscale0"], self.environment)
        return self

    def stop(self):
        return self.daemon.stop()

    def join(self, headscale):
        """Enters the tailnet; returns when tailscaled runs with a first map of it."""
        self.daemon.wait_for("tailscaled's socket", self.socket.exists)
        self.cli("up", "--login-server", headscale.url, "--authkey", headscale.key,
                 "--accept-dns=false", "--hostname", self.folder.name, f"--timeout={PATIENCE}s")
        return self

    def cli(self, *words):
        """What a command of `tailscale` says."""
        return self.host.run(self.tailscale, "--socket", self.socket, *words,
                             env=self.environment).out

    def status(self):
        return json.loads(self.cli("status", "--json"))

    @property
    def key(self):
        return self.status()["Self"]["PublicKey"]

    @property
    def address(self):
        return self.status()["TailscaleIPs"][0]

    def secret(self):
        """The private half of its key, in hex, from its state file."""
        state = json.loads((self.folder / "state").read_text())
        profile = next(v for k, v in state.items() if k.startswith("profile-"))
        config = json.loads(base64.b64decode(profile))["Config"]
        return config["PrivateNodeKey"].removeprefix("privkey:")

    def knows(self, count):
        """Whether it has a home relay, and knows that of so many peers."""
        status = self.status()
        homes = [peer["Relay"] for peer in status["Peer"].values()]
        return status["Self"]["Relay"] == "test" and homes == ["test"] * count


def map_of(config, *flags):
    return mapfile.derp_map(config, SERVER, SERVER6, "--format=headscale", "--region-code=test",
                            *flags)


class Tailnet:
    """All of it, with three clients whose only way to each other is the relay; use it by `with`."""

    def __init__(self, derpd, program, relay=Derpd, map_flags=(), **options):
        """derpd: the relay's program, of the kind that relay says. program: a function that gives the path
        of one of programs.py. map_flags: of `derp-setup map`, which makes the map that headscale
        hands out. options: of the relay."""
        tidy.remove_leftovers()
        self._claim = tidy.Claim()
        self.kind = relay
        atexit.register(self.close)
        try:
            self._start(derpd, program, map_flags, options)
        except BaseException:
            self.close()
            raise

    def _start(self, derpd, program, map_flags, options):
        self.folder = self._claim.folder
        self.folder.chmod(0o755)
        self.network = Network(self._claim.world, self.folder, clients=3)
        self.server = self.network.server
        self.server.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0")
        self.authority = pki.Authority()
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes(pki.cert_pem(self.authority.root))
        self.program, self.derpd_binary = program, derpd
        if options.get("pinned"):  # its fingerprint comes with its first start
            self.derpd = self.new_derpd("derpd", "anyone", **options).start()
            self.map = map_of((self.derpd.folder / "derp.conf").read_text(), *map_flags)
        else:
            self.map = map_of(f"[relay]\ndomain = {RELAY}\n"
                              f"listen = 0.0.0.0:{options.get('port', 443)}\n", *map_flags)
        self.headscale = Headscale(program("headscale"), self.server, self.folder / "headscale",
                                   self.map)
        if not options.get("pinned"):
            self.derpd = self.new_derpd("derpd", f"url:{self.headscale.verify}", **options).start()
        for client in self.network.clients:
            client.run("nft", "-f", "-", input=STATEFUL + RELAY_ONLY)
        self.nodes = [self.new_node(client.name, client).start() for client in self.network.clients]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.join(self.headscale), self.nodes))
        for node in self.nodes:
            node.daemon.wait_for("the peers' home relay", lambda: node.knows(2))

    def new_derpd(self, name, allow, **options):
        return self.kind(self.derpd_binary, self.server, self.folder / name, self.authority, allow,
                     **options)

    def new_node(self, name, host, tailscaled="tailscaled"):
        return Node(host, self.folder / name, self.ca, self.program(tailscaled),
                    self.program("tailscale"))

    def lift_filter(self):
        """Lets UDP out to everybody; the firewalls of the clients stay."""
        for client in self.network.clients:
            client.run("nft", "delete", "table", "inet", "relayonly")

    def login(self, derpd, host, secret=None):
        """Whether a DERP client on this host, with this secret or one that nobody has seen, is
        admitted; and its public key in hex."""
        ran = host.run(sys.executable, HERE / "login.py", SERVER, derpd.port, RELAY, self.ca,
                       input=secret or "")
        verdict, key = ran.out.split()
        return verdict == "admitted", key

    def keep_logs(self, target):
        """Copies what everybody logged, to be read after a failure."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for log in self.folder.glob("*/*.log"):
            shutil.copy(log, target / f"{log.parent.name}.log")

    def close(self):
        """Removes everything; safe to call again."""
        atexit.unregister(self.close)
        self._claim.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
