# SPDX-License-Identifier: Apache-2.0
"""A zoo of domains, each broken or odd in its own way, behind real name servers: what
`derp-setup check` says about each, and with which exit code it ends."""

import json
import os
import subprocess
import textwrap

import pytest

import dnslab
from test_setup import ENTER, SETUP

OURS4, OURS6 = "203.0.113.10", "2001:db8::10"

pytestmark = pytest.mark.skipif(dnslab.missing() is not None, reason=str(dnslab.missing()))

# What else `check` looks at on a booted server with the package: made to be there.
SERVER = textwrap.dedent("""\
    mkdir -p "$BOX/usr/upper" "$BOX/usr/work" /run/systemd/system
    mount -t overlay box -o "lowerdir=/usr,upperdir=$BOX/usr/upper,workdir=$BOX/usr/work" /usr
    echo '#!/bin/sh' | tee /usr/sbin/derpd >/usr/sbin/derp-acme
    chmod 755 /usr/sbin/derpd /usr/sbin/derp-acme
    cd /usr/lib/systemd/system
    touch derpd.service derp-acme.service derp-acme.timer derp-fw-guard.service
    echo '_derp:x:901:901::/:/bin/false' >>/etc/passwd
    echo '_derp-acme:x:902:902::/:/bin/false' >>/etc/passwd
    """)

ROOT = """
@ NS ns.root.
ns.root. A 127.0.1.1
com. NS ns.com.
ns.com. A 127.0.1.2
net. NS ns.com.
"""

# 127.0.1.3 and .4 serve the zones, .9 is nobody, the others have a fault each (dnslab.serve_odd).
ODD = {
    "servfail": "127.0.1.21",
    "refused": "127.0.1.22",
    "late": "127.0.1.23",
    "tcp": "127.0.1.24",
    "unlike": "127.0.1.25",
    "caa-servfail": "127.0.1.26",
}


def address_record(address):
    return f"{'AAAA' if ':' in address else 'A'} {address}"


def delegation(zone, *addresses):
    """Records of com for a zone whose servers, ns1 and so on, are at these addresses."""
    return "".join(
        f"{zone} NS ns{i}.{zone}\nns{i}.{zone} {address_record(address)}\n"
        for i, address in enumerate(addresses, 1)
    )


def apex(*addresses):
    return "".join(
        f"@ NS ns{i}\nns{i} {address_record(address)}\n"
        for i, address in enumerate(addresses, 1)
    )


GOOD, OTHER, NOBODY = "127.0.1.3", "127.0.1.4", "127.0.1.9"
FAR = "198.51.100.53"  # the network has no route there
SIX, CHANGING = "fd00::53", "127.0.1.30"

# zone of com -> its records at GOOD; one server unless COM says otherwise.
ZONES = {
    "healthy": apex(GOOD, OTHER) + "derp A 203.0.113.10\nderp AAAA 2001:db8::10",
    "sixserver": apex(SIX) + "derp A 203.0.113.10",
    "changing": apex(CHANGING) + "derp A 198.51.100.7",
    "stale": apex(GOOD) + "derp A 203.0.113.10\nderp AAAA 2001:db8::99",
    "moved": apex(GOOD) + "derp A 198.51.100.7",
    "crowd": apex(GOOD) + "derp A 203.0.113.10\n"
    + "".join(f"derp A 198.51.100.{i}\n" for i in range(1, 90)),
    "private": apex(GOOD) + "derp A 192.168.1.7",
    "carrier": apex(GOOD) + "derp A 100.100.100.100",
    "proxied": apex(GOOD) + "derp A 104.21.5.6\nderp A 172.67.9.9",
    "fronted": apex(GOOD) + "derp CNAME d111.cloudfront.net.",
    "six": apex(GOOD) + "derp AAAA 2001:db8::10",
    "empty": apex(GOOD) + 'derp TXT "nothing here"',
    "apexonly": apex(GOOD) + "@ A 203.0.113.10",
    "wild": apex(GOOD) + "* A 198.51.100.7",
    "wildours": apex(GOOD) + "* A 203.0.113.10",
    "loop": apex(GOOD) + "derp CNAME two\ntwo CNAME derp",
    "dangling": apex(GOOD) + "derp CNAME gone",
    "chain": apex(GOOD) + "derp CNAME two\ntwo CNAME three\nthree A 203.0.113.10",
    "patient": apex(GOOD) + "derp 604800 A 203.0.113.10",
    "caaother": apex(GOOD) + 'derp A 203.0.113.10\nderp CAA 0 issue "digicert.com"',
    "caanobody": apex(GOOD) + 'derp A 203.0.113.10\nderp CAA 0 issue ";"',
    "caaparent": apex(GOOD) + 'derp A 203.0.113.10\n@ CAA 0 issue "digicert.com"',
    "caaopen": apex(GOOD) + 'derp A 203.0.113.10\nderp CAA 0 issue "letsencrypt.org"\n'
    '@ CAA 0 issue "digicert.com"',
    "caaalias": apex(GOOD) + "derp CNAME two\ntwo A 203.0.113.10\n"
    'two CAA 0 issue "digicert.com"',
    "caamethod": apex(GOOD) + "derp A 203.0.113.10\n"
    'derp CAA 0 issue "letsencrypt.org; validationmethods=dns-01"',
    "caaaccount": apex(GOOD) + "derp A 203.0.113.10\n"
    'derp CAA 0 issue "letsencrypt.org; accounturi=https://ca.example/1"',
    "caacritical": apex(GOOD) + 'derp A 203.0.113.10\nderp CAA 128 tbs "unknown"',
    "disagree": apex(GOOD, OTHER) + "derp A 203.0.113.10",
    "fresh": apex(GOOD, OTHER) + "derp A 203.0.113.10",
    "onedown": apex(GOOD, NOBODY) + "derp A 203.0.113.10",
    "onelame": apex(GOOD, ODD["refused"]) + "derp A 203.0.113.10",
    "onefar": apex(GOOD, FAR) + "derp A 203.0.113.10",
    "many": apex(*[GOOD] * 11) + "derp A 203.0.113.10",
    "homeless": "@ NS ns1\nns1 A 127.0.1.3\n@ NS gone.healthy.com.\nderp A 203.0.113.10",
    "undelegated": apex(GOOD, OTHER) + "derp A 203.0.113.10",
    "unsigned": apex(GOOD) + "derp A 203.0.113.10",
    "bogus": apex(GOOD) + "derp A 203.0.113.10",
    "expired": apex(GOOD) + "derp A 203.0.113.10",
    "wrongds": apex(GOOD) + "derp A 203.0.113.10",
    "stripped": apex(GOOD) + "derp A 203.0.113.10",
    "signed": apex(GOOD) + "derp A 203.0.113.10",
}
SERVERS = {
    "healthy": [GOOD, OTHER],
    "disagree": [GOOD, OTHER],
    "fresh": [GOOD, OTHER],
    "sixserver": [SIX],
    "changing": [CHANGING],
    "onedown": [GOOD, NOBODY],
    "onelame": [GOOD, ODD["refused"]],
    "onefar": [GOOD, FAR],
    "far": [FAR],
    "many": [GOOD] * 11,
    "lame": [GOOD],  # which does not have it
    "broken": [ODD["servfail"]],
    "late": [ODD["late"]],
    "tcponly": [ODD["tcp"]],
    "caafail": [ODD["caa-servfail"]],
}
SPECIAL = """
parked NS ns1.sedoparking
ns1.sedoparking A 127.0.1.25
glueless NS ns1.glueless
homeless NS ns1.homeless
ns1.homeless A 127.0.1.3
homeless NS gone.healthy
"""

# domain, what is found about it ("status id"), words of the first of these, exit code
OK, FAILED = 0, 3
CASES = [
    ("derp.healthy.com", ["ok dns.ok", "ok dns.ns.ok"], ["203.0.113.10", "2001:db8::10"], OK),
    ("derp.sixserver.com", ["ok dns.ok", "ok dns.ns.ok"], ["points to this server"], OK),
    ("derp.chain.com", ["ok dns.ok"], ["an alias of three.chain.com"], OK),
    ("derp.signed.com", ["ok dns.ok"], ["validated by DNSSEC"], OK),
    ("derp.unsigned.com", ["ok dns.ok"], ["points to this server"], OK),  # signed, but no DS
    ("derp.late.com", ["ok dns.ok", "ok dns.ns.ok"], [], OK),
    ("derp.tcponly.com", ["ok dns.ok", "ok dns.ns.ok"], [], OK),
    ("derp.wildours.com", ["ok dns.ok"], [], OK),
    ("derp.patient.com", ["warn dns.ttl", "ok dns.ok"], ["604800"], OK),
    ("derp.onedown.com", ["warn dns.ns.silent", "ok dns.ok"],
     ["ns2.onedown.com (127.0.1.9)", "does not answer"], OK),
    ("derp.onelame.com", ["warn dns.ns.lame", "ok dns.ok"], ["ns2.onelame.com", "REFUSED"], OK),
    ("derp.onefar.com", ["ok dns.ns.ok", "ok dns.ok"],
     ["1 of 2", "could not be asked from here"], OK),
    ("derp.many.com", ["ok dns.ns.ok", "ok dns.ok"], ["all the same"], OK),
    ("derp.homeless.com", ["warn dns.ns.address", "ok dns.ok"], ["gone.healthy.com"], OK),
    ("derp.undelegated.com", ["warn dns.ns.delegation", "ok dns.ok"],
     ["ns2.undelegated.com stands only in the zone"], OK),
    ("derp.stale.com", ["fail dns.aaaa.stray"], ["2001:db8::99", OURS6, "IPv6 first"], FAILED),
    ("derp.moved.com", ["fail dns.a.mismatch"], ["198.51.100.7", OURS4], FAILED),
    ("derp.crowd.com", ["fail dns.a."], ["198.51.100."], FAILED),
    ("derp.private.com", ["fail dns.a.mismatch"], ["192.168.1.7", "private address"], FAILED),
    ("derp.carrier.com", ["fail dns.a.mismatch"], ["100.100.100.100", "carrier-NAT"], FAILED),
    ("derp.proxied.com", ["fail dns.cdn"], ["Cloudflare", "104.21.5.6"], FAILED),
    ("derp.fronted.com", ["fail dns.cdn"], ["CloudFront", "d111.cloudfront.net"], FAILED),
    ("derp.parked.com", ["fail dns.a.mismatch"], ["parked", "ns1.sedoparking.com"], FAILED),
    ("derp.wild.com", ["fail dns.a.mismatch"], ["*.wild.com", "no record of its own"], FAILED),
    ("derp.six.com", ["fail dns.a.missing"], [OURS4], FAILED),
    ("derp.empty.com", ["fail dns.a.missing"], [OURS4], FAILED),
    ("derp.apexonly.com", ["fail dns.nxdomain"],
     ["does not exist", "remember that for up to"], FAILED),
    ("derp.absent.com", ["fail dns.nxdomain"], ["not registered"], FAILED),
    ("derp.dangling.com", ["fail dns.nxdomain"], ["alias of gone.dangling.com"], FAILED),
    ("derp.loop.com", ["fail dns.cname.loop"], ["two.loop.com is an alias of derp.loop.com again"],
     FAILED),
    ("derp.disagree.com", ["fail dns.ns.disagree"],
     ["ns1.disagree.com (127.0.1.3) points to this server",
      "ns2.disagree.com (127.0.1.4) says 198.51.100.7"], FAILED),
    ("derp.fresh.com", ["fail dns.ns.disagree"],
     ["ns2.fresh.com (127.0.1.4) says that there is no such name"], FAILED),
    ("derp.lame.com", ["fail dns.servfail"],
     ["ns1.lame.com (127.0.1.3) answers REFUSED"], FAILED),
    ("derp.broken.com", ["fail dns.servfail"],
     ["ns1.broken.com (127.0.1.21) answers SERVFAIL"], FAILED),
    ("derp.far.com", ["fail dns.unreachable"], ["no route", "ns1.far.com has 198.51.100.53"],
     FAILED),
    ("derp.glueless.com", ["fail dns.servfail"], ["ns1.glueless.com has no address"], FAILED),
    ("derp.bogus.com", ["fail dns.bogus"], ["DNSSEC", "signature"], FAILED),
    ("derp.expired.com", ["fail dns.bogus"], ["expired"], FAILED),
    ("derp.wrongds.com", ["fail dns.bogus"], ["DNSSEC"], FAILED),
    ("derp.stripped.com", ["fail dns.bogus"], ["DNSSEC"], FAILED),
    ("derp.caaopen.com", ["ok dns.caa.ok"], ["derp.caaopen.com"], OK),
    ("derp.caaaccount.com", ["warn dns.caa.unchecked"], ["accounturi=https://ca.example/1"], OK),
    ("derp.caaother.com", ["fail dns.caa.forbidden"], ["digicert.com", "letsencrypt.org"], FAILED),
    ("derp.caanobody.com", ["fail dns.caa.forbidden"], ["nobody"], FAILED),
    ("derp.caaparent.com", ["fail dns.caa.forbidden"], ["CAA record of caaparent.com"], FAILED),
    ("derp.caaalias.com", ["fail dns.caa.forbidden"], ["CAA record of two.caaalias.com"], FAILED),
    ("derp.caamethod.com", ["fail dns.caa.forbidden"], ["tls-alpn-01", "dns-01"], FAILED),
    ("derp.caacritical.com", ["fail dns.caa.forbidden"], ["critical", "tbs"], FAILED),
    ("derp.caafail.com", ["fail dns.caa.servfail"], ["SERVFAIL"], FAILED),
]


class Zoo:
    """A network with the server, the name servers and the root above them."""

    def __init__(self, folder):
        self.folder = folder
        self.zones = dnslab.Zones(folder)
        (folder / "mount").mkdir()
        self.network = dnslab.Namespace("zoo", [f"{OURS4}/24", f"{OURS6}/64"])
        self.public = dnslab.Public()

    def up(self):
        zones = self.zones
        for name, records in ZONES.items():
            zones.write(f"{name}.com", records)
        zones.write("disagree.com", apex(GOOD, OTHER) + "derp A 198.51.100.7", version=".old")
        zones.write("fresh.com", apex(GOOD, OTHER) + "other A 203.0.113.10", version=".old")
        zones.write("cloudfront.net", "@ NS ns.com.\nd111 A 198.51.100.7")
        zones.write("net", "@ NS ns.com.\ncloudfront NS ns.com.")
        served = [f"{name}.com" for name in ZONES]
        com = "@ NS ns\nns A 127.0.1.2\n" + SPECIAL + self.sign_zones()
        for name in {*ZONES, *SERVERS} - {"homeless"}:
            com += delegation(name, *SERVERS.get(name, [GOOD]))
        zones.write("com", com)
        zones.write(".", ROOT + zones.sign("com"))
        self.anchor = self.public.write("anchor", zones.sign(".") + "\n")
        self.hints = self.public.write(
            "hints", ". 3600 IN NS ns.root.\nns.root. 3600 IN A 127.0.1.1\n"
        )
        dnslab.serve(self.network, zones, "127.0.1.1", ["."])
        dnslab.serve(self.network, zones, "127.0.1.2", ["com", "net", "cloudfront.net"])
        dnslab.serve(self.network, zones, GOOD, served)
        dnslab.serve(self.network, zones, OTHER, served, version=".old")
        self.network._ip("addr", "add", f"{SIX}/128", "dev", "lo", "nodad")
        dnslab.serve(self.network, zones, SIX, ["sixserver.com"])
        self.changing = dnslab.serve(self.network, zones, CHANGING, ["changing.com"])
        for manner, address in ODD.items():
            dnslab.serve_odd(self.network, address, manner)

    def sign_zones(self):
        """DS records of the zones with DNSSEC, most of which are wrong in some way."""
        zones = self.zones
        records = [zones.sign("signed.com"), zones.sign("bogus.com")]
        zones.tamper("bogus.com", "203.0.113.10", "203.0.113.66")
        records.append(zones.sign("expired.com", expired=True))
        zones.sign("unsigned.com")
        wrong = zones.sign("wrongds.com")
        records.append(wrong[:-1] + ("0" if wrong[-1] != "0" else "1"))
        plain = zones.path("stripped.com").read_text()
        records.append(zones.sign("stripped.com"))
        zones.path("stripped.com").write_text(plain)
        return "\n".join(records) + "\n"

    def command(self, *args):
        return self.network.command(
            "unshare", "-m", "sh", "-c", ENTER, "sh", SETUP, "check", *args,
            f"--dns-root-hints={self.hints}", f"--dns-trust-anchor={self.anchor}",
            "--firewall=none",
        )

    def change(self):
        """changing.com points here from now on."""
        self.zones.write("changing.com", apex(CHANGING) + "derp A 203.0.113.10")
        self.changing.terminate()
        self.changing.wait()
        dnslab.serve(self.network, self.zones, CHANGING, ["changing.com"])

    def start(self, *args):
        env = {**os.environ, "BOX": str(self.folder / "mount"), "PREPARE": SERVER}
        return subprocess.Popen(
            self.command(*args), env=env, stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL,
        )

    def check(self, *args, prepare=""):
        env = {**os.environ, "BOX": str(self.folder / "mount"), "PREPARE": SERVER + prepare}
        p = subprocess.run(
            self.command(*args, "--json"), env=env, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, check=False,
        )
        answer = json.loads(p.stdout)
        assert answer["exit"] == p.returncode, p
        return answer


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    zoo = Zoo(tmp_path_factory.mktemp("zoo"))
    try:
        zoo.up()
        yield zoo
    finally:
        zoo.network.close()
        zoo.public.close()


@pytest.mark.pitfall(11)
@pytest.mark.parametrize("domain, found, words, code", CASES, ids=[c[0] for c in CASES])
def test_domain(zoo, domain, found, words, code):
    answer = zoo.check(domain)
    said = {f"{c['status']} {c['id']}": c for c in answer["checks"]}
    assert answer["exit"] == code, said
    for wanted in found:
        assert any(line.startswith(wanted) for line in said), said
    fails = [line for line in said if line.startswith("fail")]
    assert len(fails) == (code == FAILED), fails
    first = next(c for line, c in said.items() if line.startswith(found[0]))
    for word in words:
        assert word in first["message"], first
    if first["status"] in ("warn", "fail"):
        assert first["fix"], first
    if first["status"] == "fail":
        assert f"derp-setup check {domain}" in first["fix"], first


def accounts(*files):
    """Puts the files in place of derp-acme's: (folder below account/, directory, account's URL)."""
    return "".join(f"""
        mkdir -p /var/lib/derp-acme/account/{folder}
        echo '{json.dumps({"schema": 1, "url": url, "directory": directory})}' \\
            >/var/lib/derp-acme/account/{folder}/account.json""" for folder, directory, url in files)


LETSENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
OTHER_CA = ("ca.test-89abcdef", "https://ca.test/directory", "https://ca.test/1")


@pytest.mark.parametrize("number, status, code", [(1, "ok dns.caa.ok", OK),
                                                  (2, "fail dns.caa.forbidden", FAILED)])
@pytest.mark.parametrize("folder", ["acme-v02.api.letsencrypt.org-01234567",
                                    "."])  # before each CA had a folder
def test_caa_is_compared_with_the_account_that_derp_acme_has(zoo, folder, number, status, code):
    answer = zoo.check("derp.caaaccount.com", prepare=accounts(
        OTHER_CA, (folder, LETSENCRYPT, f"https://ca.example/{number}")))
    assert status in [f"{c['status']} {c['id']}" for c in answer["checks"]], answer
    assert answer["exit"] == code


def test_waits_for_the_domain_and_ends_with_4(zoo):
    answer = zoo.check("derp.moved.com", "--wait-dns=1s")
    assert answer["exit"] == 4
    assert "dns.a.mismatch" in [c["id"] for c in answer["checks"] if c["status"] == "fail"]


@pytest.mark.pitfall(13)
def test_waits_until_the_domain_points_here(zoo):
    with zoo.start("derp.changing.com", "--wait-dns=50s") as child:
        said = ""
        for line in child.stderr:
            said += line
            if "waiting for derp.changing.com to point here, 0:" in line:
                break
        zoo.change()
        said += child.communicate(timeout=40)[1]
    assert child.returncode == 0, said
    assert "derp.changing.com points to this server" in said
