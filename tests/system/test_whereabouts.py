# SPDX-License-Identifier: Apache-2.0
"""How derp-setup finds out its public address behind NAT, and what it says about the cloud it is
in. The clouds are fakes at the addresses of the real metadata services, in a network namespace."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

import dnslab
from fake_cloud import AT, MANNERS
from test_dnszoo import SERVER
from test_setup import CA, DNS, DOMAIN, ENTER, SETUP

PRIVATE, PUBLIC, OTHER = "10.0.0.5", "203.0.113.7", "198.51.100.1"
FAKE = pathlib.Path(__file__).with_name("fake_cloud.py")

DMI = {
    "alibaba": {"sys_vendor": "Alibaba Cloud", "product_name": "Alibaba Cloud ECS"},
    "tencent": {"sys_vendor": "Tencent Cloud", "product_name": "CVM"},
    "aws": {"sys_vendor": "Amazon EC2"},
    "gce": {"sys_vendor": "Google", "product_name": "Google Compute Engine"},
    "azure": {"chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"},
    "oracle": {"chassis_asset_tag": "OracleCloud.com"},
    "hetzner": {"sys_vendor": "Hetzner"},
    "digitalocean": {"sys_vendor": "DigitalOcean"},
    None: {"sys_vendor": "QEMU"},
}

pytestmark = pytest.mark.skipif(dnslab.missing() is not None, reason=str(dnslab.missing()))


class Machine:
    """A server behind 1:1 NAT, with its DNS and whoever is asked about its address."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "mount").mkdir()
        self.network = dnslab.Namespace("cloud", [f"{PRIVATE}/24"])
        self.prepare = SERVER
        zones = dnslab.Zones(folder)
        zones.write(".", f". NS ns.root.\nns.root. A {DNS}\ncom. NS ns.root.\n"
                         "echo.test. A 127.0.0.20\nsix.root. AAAA 2001:db8::53")
        zones.write("com", "com. NS ns.root.\ndemo.com. NS ns.root.")
        zones.write("demo.com", f"demo.com. NS ns.root.\n@ NS six.root.\nderp A {PUBLIC}\n"
                                "six AAAA 2001:db8::10")
        dnslab.serve(self.network, zones, DNS, [".", "com", "demo.com"])
        self.public = dnslab.Public()
        self.hints = self.public.write(
            "hints", f". 3600 IN NS ns.root.\nns.root. 3600 IN A {DNS}\n")

    def is_in(self, cloud):
        lines = ["mount -t tmpfs sys /sys/class", "mkdir -p /sys/class/dmi/id"]
        lines += [f"echo '{text}' >/sys/class/dmi/id/{name}" for name, text in DMI[cloud].items()]
        self.prepare += "\n".join(lines) + "\n"

    def has(self, address):
        self.network._ip("addr", "add", f"{address}/32", "dev", "lo")

    def fake(self, *args):
        child = self.network.start(sys.executable, FAKE, *args, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "ready\n"
        return child

    def metadata(self, cloud, *args):
        self.has(AT.get(cloud, "169.254.169.254"))
        return self.fake("metadata", cloud, *args)

    def check(self, *args, domain=DOMAIN):
        argv = self.network.command(
            "unshare", "-m", "sh", "-c", ENTER, "sh", SETUP, "check", *([domain] if domain else []), "--json",
            f"--dns-root-hints={self.hints}", "--firewall=none", *args)
        env = {**os.environ, "BOX": str(self.folder / "mount"), "PREPARE": self.prepare}
        p = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60,
                           stdin=subprocess.DEVNULL, check=False)
        answer = json.loads(p.stdout)
        assert answer["exit"] == p.returncode, p
        return p.returncode, {c["id"]: c for c in answer["checks"]}


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.network.close()
    machine.public.close()


def asked(child):
    child.terminate()
    return child.stdout.read().splitlines()


@pytest.mark.parametrize("cloud", MANNERS)
def test_metadata_and_stun_agree(machine, cloud):
    machine.is_in(cloud)
    fake = machine.metadata(cloud, PUBLIC, "there-1")
    stun = machine.fake("stun", "127.0.0.20", PUBLIC)
    code, found = machine.check(CA, "--address-from=stun:echo.test:3479")
    said = asked(fake)
    assert found["address.nat"]["status"] == "ok", (found, said)
    assert PUBLIC in found["address.nat"]["message"] and PRIVATE in found["address.nat"]["message"]
    assert found["dns.ok"]["status"] == "ok" and code == 0, found
    assert "STUN" in asked(stun)
    token, _, _, address, region = MANNERS[cloud]
    wanted = [f"PUT {token} 200"] if token else []
    wanted += [f"GET {address} 200"] + ([f"GET {region} 200"] if region else [])
    assert said == wanted
    assert ("there-1" in found["cloud.ok"]["message"]) == bool(region)


def test_oracle_has_no_metadata_about_it_but_two_others_agree(machine, certificate):
    machine.is_in("oracle")
    machine.prepare += f"cat {certificate[0]} >>/etc/ssl/certs/ca-certificates.crt\n"
    machine.fake("stun", "127.0.0.20", PUBLIC)
    machine.fake("https", "127.0.0.21:8443", PUBLIC, *certificate)
    code, found = machine.check(
        CA, "--address-from=stun:127.0.0.20:3479,https://127.0.0.21:8443/")
    assert found["address.nat"]["status"] == "ok" and code == 0, found
    assert "127.0.0.20, 127.0.0.21 agree" in found["address.nat"]["message"]


@pytest.fixture
def certificate(tmp_path):
    files = [str(tmp_path / name) for name in ("echo.pem", "echo.key")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=echo", "-addext", "subjectAltName=IP:127.0.0.21",
         "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True)
    return files


def test_an_untrusted_https_service_says_nothing(machine, certificate):
    machine.is_in(None)
    machine.fake("https", "127.0.0.21:8443", PUBLIC, *certificate)
    code, found = machine.check(CA, "--address-from=https://127.0.0.21:8443/")
    assert found["address.private"]["status"] == "fail" and code == 3
    assert PUBLIC not in found["address.private"]["message"]


def test_metadata_alone_is_believed_with_a_warning(machine):
    machine.is_in("aws")
    machine.metadata("aws", PUBLIC)
    code, found = machine.check(CA)
    assert found["address.unproven"]["status"] == "warn" and code == 0, found
    assert "metadata of Amazon EC2" in found["address.unproven"]["message"]


@pytest.mark.pitfall(11)
def test_a_nat_gateway_for_what_goes_out(machine):
    machine.is_in("aws")
    machine.metadata("aws", PUBLIC)
    machine.fake("stun", "127.0.0.20", OTHER)
    code, found = machine.check(CA, "--address-from=stun:127.0.0.20:3479")
    assert found["address.egress"]["status"] == "warn" and code == 0, found
    assert OTHER in found["address.egress"]["message"]


def test_metadata_that_name_no_address_beside_others_who_do(machine):
    machine.is_in("aws")
    machine.fake("stun", "127.0.0.20", PUBLIC)
    machine.fake("stun", "127.0.0.21", PUBLIC)
    code, found = machine.check(CA, "--address-from=stun:127.0.0.20:3479,stun:127.0.0.21:3479")
    assert found["address.nat"]["status"] == "warn" and code == 0, found
    assert "NAT gateway" in found["address.nat"]["message"]


@pytest.mark.parametrize("bridge", ["172.17.0.1/16", "169.254.7.7/16", "192.0.0.2/29"])
def test_a_server_with_ipv6_only_and_a_bridge(machine, bridge):
    machine.is_in(None)
    machine.network._ip("addr", "flush", "dev", "eth0")
    for address in bridge, "2001:db8::10/64":
        machine.network._ip("addr", "add", address, "dev", "eth0",
                            *(["nodad"] if ":" in address else []))
    code, found = machine.check(CA, "--address-from=off", domain="six.demo.com")
    own = found.get("address.private") or found["address.missing"]
    assert own["status"] == "warn" and "clients without IPv6" in own["message"], found
    assert found["dns.a.missing"]["status"] == "warn" and code == 0, found
    code, found = machine.check(CA, "--address-from=off", domain="gone.demo.com")
    assert "set the AAAA record of gone.demo.com to 2001:db8::10" in found["dns.nxdomain"]["fix"]


EARLIER = """
mkdir -p /etc/derp /var/lib/derp-setup
printf '[relay]\\ndomain = derp.demo.com\\n' >/etc/derp/derp.conf
echo '{"schema":1,"domain":"derp.demo.com","settings":{"map4":"203.0.113.7"}}' \\
    >/var/lib/derp-setup/journal.json
"""


def test_the_cloud_says_what_an_earlier_run_found(machine):
    machine.is_in("aws")
    machine.metadata("aws", PUBLIC)
    stun = machine.fake("stun", "127.0.0.20", PUBLIC)
    machine.prepare += EARLIER
    code, found = machine.check(CA, "--address-from=stun:127.0.0.20:3479")
    assert found["address.nat"]["status"] == "ok" and code == 0, found
    assert "an earlier run" in found["address.nat"]["message"]
    assert asked(stun) == []  # nobody else has to be troubled


def test_an_earlier_run_alone_is_believed_with_a_warning(machine):
    machine.is_in(None)
    machine.prepare += EARLIER
    code, found = machine.check(CA)
    assert found["address.unproven"]["status"] == "warn" and code == 0, found


def test_one_witness_is_none(machine):
    machine.is_in(None)
    machine.fake("stun", "127.0.0.20", PUBLIC)
    code, found = machine.check(CA, "--address-from=stun:127.0.0.20:3479,stun:127.0.0.22:3479")
    assert found["address.private"]["status"] == "fail" and code == 3
    assert f"--ip4={PUBLIC}" in found["address.private"]["fix"]


def test_without_an_address_nothing_is_waited_for(machine):
    machine.is_in(None)
    began = time.monotonic()
    code, found = machine.check(CA, "--ip4=224.0.0.1", "--wait-dns=50s")
    assert found["address.unusable"]["status"] == "fail" and code == 3, found
    assert found["dns.a.mismatch"]["status"] == "fail" and time.monotonic() - began < 20


def test_witnesses_that_disagree(machine):
    machine.is_in(None)
    machine.fake("stun", "127.0.0.20", PUBLIC)
    machine.fake("stun", "127.0.0.21", OTHER)
    code, found = machine.check(CA, "--address-from=stun:127.0.0.20:3479,stun:127.0.0.21:3479")
    assert found["address.disagree"]["status"] == "fail" and code == 3
    for address in (PUBLIC, OTHER):
        assert address in found["address.disagree"]["message"]


def test_nobody_is_asked_when_the_interface_shows_the_address(machine):
    machine.is_in(None)
    machine.has("169.254.169.254")
    fake = machine.fake("metadata", "aws", OTHER)  # there, but DMI does not say Amazon
    stun = machine.fake("stun", "127.0.0.20", OTHER)
    machine.network._ip("addr", "add", f"{PUBLIC}/24", "dev", "eth0")
    code, found = machine.check(CA, "--address-from=stun:127.0.0.20:3479")
    assert found["address.ok"]["status"] == "ok" and code == 0, found
    assert asked(fake) == [] and asked(stun) == []


def test_silent_metadata_cost_two_seconds_at_most(machine):
    machine.is_in("alibaba")
    machine.has("100.100.100.201")  # on that network, nobody at the service's address
    machine.network._ip("route", "add", "100.100.100.200/32", "dev", "eth0")
    code, found = machine.check(CA, f"--ip4={PUBLIC}")
    assert found["cloud.ok"]["message"] == "Alibaba Cloud" and code == 0, found


@pytest.mark.pitfall(12)
def test_mainland_china(machine):
    machine.is_in("alibaba")
    machine.metadata("alibaba", PUBLIC, "cn-hangzhou")
    machine.network._ip("link", "add", "tailscale0", "type", "veth")
    machine.prepare += "rm -f /etc/resolv.conf; echo nameserver 100.100.2.136 >/etc/resolv.conf\n"
    code, found = machine.check()  # Let's Encrypt, out of reach
    assert found["cloud.filing"]["status"] == "warn" and "ICP" in found["cloud.filing"]["message"]
    assert "cn-hangzhou" in found["cloud.filing"]["message"]
    assert "100.100.2.136" in found["cloud.tailscale"]["message"] and code == 0, found


# --- Without a domain: the address is the relay's name ----------------------------------------------

def test_ip_behind_nat_is_what_two_say(machine):
    machine.is_in("aws")
    machine.metadata("aws", PUBLIC)
    machine.fake("stun", "127.0.0.20", PUBLIC)
    code, found = machine.check("--ip", "--certificate=self-signed", "--address-from=stun:127.0.0.20:3479", domain=None)
    assert found["address.nat"]["status"] == "ok" and code == 0, found
    assert f"clients connect to {PUBLIC}" in found["dns.skipped"]["message"]


def test_ip_behind_nat_with_nobody_to_tell(machine):
    machine.is_in(None)
    code, found = machine.check("--ip", "--address-from=off", domain=None)
    assert code == 3 and found["address.unknown"]["status"] == "fail", found
    assert "--ip=ADDRESS" in found["address.unknown"]["fix"]


def test_ip_behind_nat_when_they_disagree(machine):
    machine.is_in(None)
    machine.fake("stun", "127.0.0.20", PUBLIC)
    machine.fake("stun", "127.0.0.21", OTHER)
    code, found = machine.check("--ip", "--address-from=stun:127.0.0.20:3479,stun:127.0.0.21:3479", domain=None)
    assert code == 3 and found["address.disagree"]["status"] == "fail", found


def test_ip_behind_nat_that_is_given(machine):
    machine.is_in(None)
    stun = machine.fake("stun", "127.0.0.20", OTHER)
    code, found = machine.check(f"--ip={PUBLIC}", "--certificate=self-signed", "--address-from=stun:127.0.0.20:3479", domain=None)
    assert found["address.given"]["status"] == "ok" and code == 0, found
    assert f"clients connect to {PUBLIC}" in found["dns.skipped"]["message"]
    assert asked(stun) == []


# --- Resolvers that the public uses ---------------------------------------------------------------

@pytest.mark.pitfall(13)
def test_what_resolvers_remember_is_a_warning(machine):
    machine.is_in(None)
    zones = dnslab.Zones(machine.folder / "old")
    zones.folder.mkdir()
    zones.write("demo.com", f"demo.com. NS ns.root.\nderp 212 A {OTHER}")
    dnslab.serve(machine.network, zones, "127.0.0.60", ["demo.com"])
    code, found = machine.check(
        CA, f"--ip4={PUBLIC}", f"--public-resolvers=127.0.0.60,{DNS},127.0.0.61")
    old = found["dns.resolver.old"]
    assert old["status"] == "warn" and code == 0, found
    assert f"127.0.0.60 says {OTHER} for another 212 s" in old["message"]
    assert DNS not in old["message"] and "212 s" in old["fix"]


def test_a_name_server_with_ipv6_only_is_not_asked_from_a_server_without(machine):
    machine.is_in(None)
    code, found = machine.check(CA, f"--ip4={PUBLIC}")
    assert code == 0 and not [i for i in found if i.startswith("dns.ns.") and i != "dns.ns.ok"]
    assert "1 of 2 name servers" in found["dns.ns.ok"]["message"]
    assert "could not be asked from here" in found["dns.ns.ok"]["message"]


def test_resolvers_that_know_it(machine):
    machine.is_in(None)
    code, found = machine.check(CA, f"--ip4={PUBLIC}", f"--public-resolvers={DNS}")
    assert found["dns.resolver.ok"]["status"] == "ok" and code == 0


@pytest.mark.pitfall(13)
def test_resolvers_are_not_asked_for_a_domain_that_is_not_ready(machine):
    machine.is_in(None)
    log = machine.network.start(
        sys.executable, "-c",
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.bind(('127.0.0.62', 53)); print('ready', flush=True); s.recv(9); print('asked')",
        stdout=subprocess.PIPE, text=True)
    assert log.stdout.readline() == "ready\n"
    code, found = machine.check(CA, f"--ip4={OTHER}", "--public-resolvers=127.0.0.62")
    assert found["dns.a.mismatch"]["status"] == "fail" and code == 3
    assert "dns.resolver.skip" not in found and asked(log) == []
