# SPDX-License-Identifier: Apache-2.0
"""dnscheck against real name servers: one case per mistake a person makes in the DNS."""

import json
import pathlib
import re
import signal
import subprocess
import time

import dnslab
import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
OURS4, OURS6 = "203.0.113.10", "2001:db8::10"
LIBS = ("-lunbound", "-ljansson", "-lsodium", "-linih", "-lsystemd", "-pthread")

pytestmark = pytest.mark.skipif(dnslab.missing() is not None, reason=str(dnslab.missing()))

ROOT = """
@ NS ns.root.
ns.root. A 127.0.1.1
com. NS ns.com.
ns.com. A 127.0.1.2
relay.test. A 203.0.113.10
"""

# Name servers: 127.0.1.3 serves the zones, 127.0.1.9 nobody, 127.0.1.4 and .5 fail on CAA, .8 says
# nothing of the root.
COM = """
@ NS ns.com.
ns A 127.0.1.2
demo NS ns.demo
ns.demo A 127.0.1.3
lame NS ns.demo
dead NS ns.dead
ns.dead A 127.0.1.9
caafail NS ns.caafail
ns.caafail A 127.0.1.4
caasilent NS ns.caasilent
ns.caasilent A 127.0.1.5
denied NS ns.demo
signed NS ns.demo
broken NS ns.demo
twice NS ns.demo
twice NS ns.twice
ns.twice A 127.0.1.7
"""

DEMO = """
@ NS ns
ns A 127.0.1.3
derp A 203.0.113.10
both A 203.0.113.10
both AAAA 2001:db8::10
six AAAA 2001:db8::10
text TXT "no address here"
wrong A 198.51.100.7
private A 10.0.0.7
several A 203.0.113.10
several A 198.51.100.7
stray A 203.0.113.10
stray AAAA 2001:db8::99
moved A 198.51.100.7
moved AAAA 2001:db8::99
alias CNAME alias2
alias2 60 CNAME derp
dangling CNAME gone.demo.com.
aliaswrong CNAME wrong
slow 3600 A 203.0.113.10
allowed A 203.0.113.10
allowed CAA 0 issue "letsencrypt.org"
others A 203.0.113.10
others CAA 0 issue "digicert.com"
nobody A 203.0.113.10
nobody CAA 0 issue ";"
method A 203.0.113.10
method CAA 0 issue "letsencrypt.org; validationmethods=dns-01"
account A 203.0.113.10
account CAA 0 issue "letsencrypt.org; accounturi=https://ca.example/acct/1"
critical A 203.0.113.10
critical CAA 128 tbs "unknown"
iodef A 203.0.113.10
iodef CAA 0 iodef "mailto:admin@demo.com"
wild A 203.0.113.10
wild CAA 0 issuewild ";"
_acme-challenge.derp TXT "of another order"
_acme-challenge.derp TXT "the value"
_acme-challenge.parts TXT "the " "value"
_acme-challenge.alias CNAME _acme-challenge.derp
_acme-challenge.away CNAME _acme-challenge.derp.twice.com.
circle CNAME circle2
circle2 CNAME circle
""" + "".join(f"crowd A 198.51.100.{i}\n" for i in range(1, 101)) + "crowd A 203.0.113.10\n"

# Two servers, of which one has not heard of the change yet.
TWICE = """
@ NS ns.demo.com.
@ NS ns.twice.com.
ns A 127.0.1.7
"""
TWICE_NEW = TWICE + '_acme-challenge.derp TXT "the value"\n'

DENIED = """
@ NS ns.demo.com.
@ CAA 0 issue "digicert.com"
derp A 203.0.113.10
open A 203.0.113.10
open CAA 0 issue "letsencrypt.org"
"""

SIGNED = """
@ NS ns.demo.com.
derp A 203.0.113.10
other A 203.0.113.10
caa A 203.0.113.10
caa CAA 0 issue "letsencrypt.org"
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    archives = [f"build/lib{name}.a" for name in ("dnscheck", "base")]
    subprocess.run(["make", "-s", *archives], cwd=REPO, check=True, stdout=subprocess.DEVNULL)
    out = tmp_path_factory.mktemp("probe") / "dnscheck_probe"
    source = "tests/system/dnscheck_probe.c"
    command = ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-o", out, source, *archives, *LIBS]
    subprocess.run(command, cwd=REPO, check=True)
    return out


class Lab:
    """The namespace with its servers, and checks run inside it."""

    def __init__(self, probe, folder):
        self.probe = probe
        self.folder = folder
        self.hints = folder / "hints"
        self.anchor = folder / "anchor"
        self.namespace = dnslab.Namespace("dnscheck", [f"{OURS4}/24", f"{OURS6}/64"])

    def up(self):
        zones = dnslab.Zones(self.folder)
        for zone, records in (("demo.com", DEMO), ("denied.com", DENIED)):
            zones.write(zone, records)
        zones.write("twice.com", TWICE_NEW)
        (self.folder / "old").mkdir()
        old = dnslab.Zones(self.folder / "old")
        old.write("twice.com", TWICE)
        delegations = []
        for zone in ("signed.com", "broken.com"):
            zones.write(zone, SIGNED)
            delegations.append(zones.sign(zone))
        zones.tamper("broken.com", "203.0.113.10", "203.0.113.66")
        zones.write("com", COM + "\n".join(delegations))
        zones.write(".", ROOT + zones.sign("com"))
        self.anchor.write_text(zones.sign(".") + "\n")
        self.hints.write_text(". 3600 IN NS ns.root.\nns.root. 3600 IN A 127.0.1.1\n")
        served = ["demo.com", "denied.com", "signed.com", "broken.com", "twice.com"]
        dnslab.serve(self.namespace, zones, "127.0.1.1", ["."])
        dnslab.serve(self.namespace, zones, "127.0.1.2", ["com"])
        dnslab.serve(self.namespace, zones, "127.0.1.3", served)
        dnslab.serve(self.namespace, old, "127.0.1.7", ["twice.com"])
        dnslab.serve(self.namespace, zones, "127.0.1.6", ["demo.com"], port=5353)
        dnslab.serve_odd(self.namespace, "127.0.1.4", "caa-servfail")
        dnslab.serve_odd(self.namespace, "127.0.1.5", "caa-silent")
        dnslab.serve_odd(self.namespace, "127.0.1.8", "root-silent")

    def command(self, domain, *options, root=True, namespace=None):
        base = ["--root-hints", self.hints, "--trust-anchor", self.anchor] if root else []
        ca = ["--ca", "letsencrypt.org", "--challenge", "tls-alpn-01"]
        return (namespace or self.namespace).command(self.probe, *base, *ca, *options, domain)

    def check(self, domain, *options, **how):
        done = subprocess.run(
            self.command(domain, *options, **how), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return Report(json.loads(done.stdout))


    def txt(self, name, value, repeat=1, *options, **how):
        command = self.command(
            name, "--txt", value, "--repeat", str(repeat), "--timeout-ms", "8000", *options, **how)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Report:
    def __init__(self, result):
        self.result = result
        self.findings = {f["id"]: f for f in result["findings"]}
        assert len(self.findings) == len(result["findings"]), "an id twice"

    def ids(self, *statuses):
        return {i for i, f in self.findings.items() if f["status"] in statuses}

    def counted_down(self, seconds, full):
        """A TTL that was full when the record came. The resolver counts on while it goes through a
        chain, in whole seconds of its clock: a second may have ended at any time."""
        return full - 1 - self.result["ms"] // 1000 <= seconds <= full

    def fails_only(self, wanted, *words):
        """Exactly this failure, with these words in its message, and a fix."""
        assert self.ids("fail") == {wanted}, self.findings
        finding = self.findings[wanted]
        for word in words:
            assert word in finding["message"], finding["message"]
        assert finding["fix"]
        assert not self.result["ready"]
        return finding

    def passes(self, warnings=()):
        assert self.ids("fail") == set(), self.findings
        assert self.ids("warn") == set(warnings), self.findings
        assert self.result["ready"] and not self.result["pending"]
        return self


@pytest.fixture(scope="module")
def lab(probe, tmp_path_factory):
    lab = Lab(probe, tmp_path_factory.mktemp("dns"))
    try:
        lab.up()
        yield lab
    finally:
        lab.namespace.close()


@pytest.mark.parametrize("domain", ["derp.demo.com", "DERP.Demo.Com", "derp.demo.com."])
def test_right(lab, domain):
    report = lab.check(domain).passes()
    assert report.result["a"] == [OURS4] and report.counted_down(report.result["ttl"], 600)
    assert f"TTL {report.result['ttl']} s" in report.findings["dns.ok"]["message"]
    assert report.findings["address.ok"]["message"].count(OURS4) == 1
    assert "dns.caa.ok" in report.findings


def test_right_with_both_families(lab):
    report = lab.check("both.demo.com").passes()
    assert report.result["aaaa"] == [OURS6]


def test_nxdomain(lab):
    report = lab.check("nope.demo.com")
    finding = report.fails_only("dns.nxdomain", "nope.demo.com does not exist", OURS4)
    assert "TTL 600" in finding["fix"] and "derp-setup check nope.demo.com" in finding["fix"]
    assert report.result["pending"]


def test_unregistered_domain(lab):
    lab.check("derp.absent.com").fails_only("dns.nxdomain", "not registered")


def test_no_a(lab):
    lab.check("text.demo.com").fails_only("dns.a.missing", OURS4)


def test_only_aaaa(lab):
    lab.check("six.demo.com").fails_only("dns.a.missing", OURS4)


def test_somebody_elses_server(lab):
    finding = lab.check("wrong.demo.com").fails_only("dns.a.mismatch", "198.51.100.7", OURS4)
    assert f"Set the A record of wrong.demo.com to {OURS4} with TTL 600" in finding["fix"]


def test_private_address_in_the_dns(lab):
    lab.check("private.demo.com").fails_only("dns.a.mismatch", "10.0.0.7", "private address")


def test_moved_away_in_both_families_is_one_failure(lab):
    report = lab.check("moved.demo.com")
    finding = report.fails_only("dns.a.mismatch", "198.51.100.7", "2001:db8::99")
    assert "remove the AAAA record 2001:db8::99" in finding["fix"]


def test_one_of_several(lab):
    finding = lab.check("several.demo.com").fails_only("dns.a.extra", OURS4, "198.51.100.7")
    assert "Remove the A record 198.51.100.7" in finding["fix"]


def test_stray_aaaa(lab):
    finding = lab.check("stray.demo.com").fails_only("dns.aaaa.stray", "2001:db8::99", OURS6)
    assert "Remove the AAAA record 2001:db8::99" in finding["fix"]


def test_our_aaaa_is_stray_without_ipv6(lab):
    lab.check("both.demo.com", "--no-ipv6").fails_only("dns.aaaa.stray", "switched off")


def test_cname_chain(lab):
    report = lab.check("alias.demo.com").passes()
    assert report.result["chain"] == ["alias2.demo.com", "derp.demo.com"]
    assert report.counted_down(report.result["ttl"], 60)
    assert "an alias of derp.demo.com" in report.findings["dns.ok"]["message"]


def test_dangling_cname(lab):
    lab.check("dangling.demo.com").fails_only("dns.nxdomain", "alias of gone.demo.com")


def test_cname_circle(lab):
    report = lab.check("circle.demo.com")
    assert len(report.ids("fail")) == 1 and report.result["ms"] < 5000, report.findings


def test_more_records_than_a_datagram_holds(lab):
    report = lab.check("crowd.demo.com")
    assert report.ids("fail") <= {"dns.a.extra", "dns.a.mismatch"} and report.ids("fail")


def test_cname_to_somebody_else(lab):
    finding = lab.check("aliaswrong.demo.com").fails_only("dns.a.mismatch", "wrong.demo.com")
    assert "Replace the CNAME record of aliaswrong.demo.com" in finding["fix"]


def test_long_ttl(lab):
    report = lab.check("slow.demo.com").passes(["dns.ttl"])
    told = int(re.search(r"(\d+) s", report.findings["dns.ttl"]["message"]).group(1))
    assert report.counted_down(told, 3600)
    assert "600" in report.findings["dns.ttl"]["fix"]


def test_names_that_resolvers_make_up(lab):
    lab.check("relay.test").passes()


@pytest.mark.parametrize("domain", ["allowed.demo.com", "iodef.demo.com", "open.denied.com",
                                    "wild.demo.com", "caa.signed.com"])
def test_caa_permits(lab, domain):
    assert "dns.caa.ok" in lab.check(domain).passes().findings


@pytest.mark.parametrize(
    "domain, words",
    [
        ("others.demo.com", ("others.demo.com", "digicert.com", "expected letsencrypt.org")),
        ("nobody.demo.com", ("nobody",)),
        ("method.demo.com", ("tls-alpn-01", "dns-01")),
        ("critical.demo.com", ("critical", "tbs")),
        ("derp.denied.com", ("CAA record of denied.com", "digicert.com")),
    ],
)
def test_caa_forbids(lab, domain, words):
    report = lab.check(domain)
    report.fails_only("dns.caa.forbidden", *words)
    assert "dns.ok" in report.findings


def test_caa_account(lab):
    ours, theirs = "https://ca.example/acct/1", "https://ca.example/acct/2"
    lab.check("account.demo.com", "--account", ours).passes()
    lab.check("account.demo.com", "--account", theirs).fails_only("dns.caa.forbidden", theirs)
    lab.check("account.demo.com").passes(["dns.caa.unchecked"])


def test_caa_servfail(lab):
    lab.check("derp.caafail.com").fails_only("dns.caa.servfail", "SERVFAIL")


def test_caa_silent(lab):
    report = lab.check("derp.caasilent.com", "--timeout-ms", 1500)
    report.fails_only("dns.caa.servfail", "silence", "derp.caasilent.com")
    assert "dns.ok" in report.findings and report.result["ms"] < 4000


def test_lame_delegation(lab):
    lab.check("derp.lame.com").fails_only("dns.servfail", "127.0.1.3", "lame.com")


def test_silent_name_servers(lab):
    report = lab.check("derp.dead.com", "--timeout-ms", 1500)
    report.fails_only("dns.timeout", "127.0.1.2", "name server of com")
    assert report.result["ms"] < 4000 and report.result["pending"]


def test_signed(lab):
    report = lab.check("derp.signed.com").passes()
    assert report.result["secure"]
    assert not lab.check("derp.demo.com").result["secure"]


def test_bogus(lab):
    report = lab.check("derp.broken.com")
    finding = report.fails_only("dns.bogus", "derp.broken.com", "signature")
    assert "sign the zone" in finding["fix"]
    assert report.result["pending"] and not report.result["local"]


def test_nxdomain_of_a_signed_zone(lab):
    lab.check("nope.signed.com").fails_only("dns.nxdomain")


def test_wrong_trust_anchor(lab):
    wrong = lab.folder / "anchor.wrong"
    fields = lab.anchor.read_text().split()
    digest = ("0" if fields[-1][0] != "0" else "1") + fields[-1][1:]
    wrong.write_text(" ".join(fields[:-1] + [digest]) + "\n")
    report = lab.check("derp.demo.com", "--trust-anchor", wrong)
    finding = report.fails_only("dns.bogus", "root")
    assert "clock" in finding["fix"] and "anchor.wrong" in finding["fix"]
    # The CA need not see what this side sees.
    assert report.result["local"] and not report.result["pending"]


def test_without_trust_anchor_nothing_is_validated(lab):
    report = lab.check("derp.broken.com", "--root-hints", lab.hints, root=False)
    report.fails_only("dns.a.mismatch")
    assert "dns.dnssec.off" in report.ids("warn")


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("empty", "", "NS record"),
        ("garbage", "; NS A\nhello world\n", "NS record"),
        ("broken", ". IN NS ns.root.\nns.root. IN A 1.2.3.4.5\n", "broken"),
        (None, None, "No such file"),
    ],
)
def test_bad_root_hints(lab, name, text, words):
    path = lab.folder / f"hints.{name}"
    if text is not None:
        path.write_text(text)
    report = lab.check("derp.demo.com", "--root-hints", path, root=False)
    report.fails_only("dns.hints", str(path), words)
    assert not report.result["pending"]


@pytest.mark.parametrize(
    "name, text, words",
    [("empty", "", "neither a DS"), ("broken", ". IN DS 1 2 nonsense\n", "parse error")],
)
def test_bad_trust_anchor(lab, name, text, words):
    path = lab.folder / f"anchor.{name}"
    path.write_text(text)
    lab.check("derp.demo.com", "--trust-anchor", path).fails_only("dns.hints", str(path), words)


def test_resolver(lab):
    report = lab.check("derp.demo.com", "--resolver", "127.0.1.6:5353", root=False)
    report.passes(["dns.dnssec.off", "dns.caa.servfail"])  # it knows nothing of com
    assert "127.0.1.6:5353" in report.findings["dns.dnssec.off"]["message"]


def test_resolver_that_refuses(lab):
    report = lab.check("derp.signed.com", "--resolver", "127.0.1.6:5353", root=False)
    report.fails_only("dns.servfail", "127.0.1.6")


@pytest.mark.parametrize("options", [["--resolver", "127.0.1.9"], ["--resolver", "192.0.2.1:53"]])
def test_resolver_that_is_silent(lab, options):
    report = lab.check("derp.demo.com", "--timeout-ms", 1500, *options, root=False)
    finding = report.fails_only("dns.unreachable", options[1])
    assert "--dns-resolver" not in finding["fix"] and not report.result["pending"]


@pytest.mark.parametrize("address", ["127.0.1.9", "203.0.113.99", "192.0.2.1"])
def test_root_out_of_reach(lab, address):
    hints = lab.folder / f"hints.{address}"
    hints.write_text(f". 3600 IN NS ns.root.\nns.root. 3600 IN A {address}\n")
    report = lab.check(
        "derp.demo.com", "--root-hints", hints, "--timeout-ms", 1500, root=False
    )
    finding = report.fails_only("dns.unreachable")
    assert "--dns-resolver" in finding["fix"] and report.result["ms"] < 4000


def test_public_root_out_of_reach(lab):
    report = lab.check("derp.demo.com", "--timeout-ms", 1500, root=False)
    report.fails_only("dns.unreachable")


def test_interrupt(lab):
    with subprocess.Popen(
        lab.command("derp.dead.com"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr.readline() == "asking\n"
        child.send_signal(signal.SIGINT)
        out = child.communicate(timeout=10)[0]
    report = Report(json.loads(out))
    assert report.result["interrupted"] and report.result["ms"] < 2000
    assert "dns.interrupted" in report.ids("skip") and not report.ids("fail")


def test_many_checks_in_one_process(lab):
    report = lab.check("derp.demo.com", "--repeat", 30).passes()
    assert report.result["ms"] < 10000


def test_name(lab):
    lab.check("nonsense", root=False).fails_only("dns.name")


def test_nat_named_by_option(lab):
    report = lab.check("wrong.demo.com", "--ip4", "198.51.100.7").passes()
    assert report.findings["address.given"]["message"].endswith(", as it was named")


# --- Own addresses: a namespace each, where no name server is reachable --------------------------


def own(lab, addresses, *options):
    namespace = dnslab.Namespace("dnsown", addresses)
    try:
        report = lab.check(
            "derp.demo.com", "--timeout-ms", 300, *options, namespace=namespace
        )
    finally:
        namespace.close()
    report.findings.pop("dns.unreachable")
    return report


@pytest.mark.parametrize(
    "addresses, options, status, wanted",
    [
        (["203.0.113.10/24"], [], "ok", "address.ok"),
        (["10.0.0.5/24", "203.0.113.10/24"], [], "ok", "address.ok"),
        (["100.100.100.100/24"], [], "fail", "address.cgnat"),
        (["100.100.100.100/24"], ["--own-optional"], "warn", "address.cgnat"),
        (["100.100.100.100/24"], ["--ip4", "100.100.100.100"], "warn", "address.cgnat"),
        (["10.0.0.5/24"], [], "fail", "address.private"),
        (["10.0.0.5/24"], ["--own-optional"], "warn", "address.private"),
        (["10.0.0.5/24"], ["--ip4", "10.0.0.5"], "warn", "address.private"),
        (["10.0.0.5/24"], ["--ip4", "203.0.113.10"], "ok", "address.given"),
        (["10.0.0.5/24"], ["--ip4", "224.0.0.1"], "fail", "address.unusable"),
        (["2001:db8::10/64"], [], "warn", "address.missing"),
        ([], [], "fail", "address.missing"),
    ],
)
def test_own_address(lab, addresses, options, status, wanted):
    report = own(lab, addresses, *options)
    assert report.ids("ok", "warn", "fail") == {wanted}
    assert report.ids(status) == {wanted}


def test_cgnat_says_why(lab):
    finding = own(lab, ["100.100.100.100/24"]).findings["address.cgnat"]
    assert "100.64.0.0/10" in finding["message"] and "Tailscale" in finding["message"]
    assert "--ip4=100.100.100.100" in finding["fix"]


def test_private_address_cannot_be_compared(lab):
    """Behind NAT without --ip4: the record is told, not judged."""
    namespace = dnslab.Namespace("dnsown", ["10.0.0.5/24"])
    zones = dnslab.Zones(lab.folder)
    try:
        dnslab.serve(namespace, zones, "127.0.2.3", ["demo.com"])
        report = lab.check(
            "derp.demo.com", "--own-optional", "--resolver", "127.0.2.3", root=False,
            namespace=namespace,
        )
    finally:
        namespace.close()
    assert report.ids("fail") == set()
    assert "--ip4=203.0.113.10 derp.demo.com" in report.findings["dns.a.unchecked"]["fix"]


# --- TXT records, for dns-01 ----------------------------------------------------------------------

@pytest.mark.parametrize("name", ["derp", "parts", "alias"])
def test_txt(lab, name):
    assert lab.txt(f"_acme-challenge.{name}.demo.com", "the value")["found"] == 1


def test_txt_that_is_not_there(lab):
    seen = lab.txt("_acme-challenge.derp.demo.com", "the valu")
    assert seen["absent"] == 1 and "has 2 TXT records, and not this one" in seen["why"]
    assert "has no TXT record" in lab.txt("_acme-challenge.wrong.demo.com", "x")["why"]


def test_txt_that_cannot_be_told(lab):
    assert lab.txt("_acme-challenge.derp.dead.com", "x")["unknown"] == 1
    assert "give no answer" in lab.txt("_acme-challenge.derp.lame.com", "x")["why"]


def test_txt_by_a_resolver_that_is_silent_about_the_root(lab):
    start = time.monotonic()
    seen = lab.txt("_acme-challenge.derp.demo.com", "x", 1, "--resolver", "127.0.1.8", root=False)
    assert seen["absent"] == 1, seen
    assert time.monotonic() - start < 8


def test_txt_at_servers_that_differ(lab):
    """Nothing is kept between two looks, and in the end each server is asked."""
    seen = lab.txt("_acme-challenge.derp.twice.com", "the value", 40)
    assert seen["found"] > 0 and seen["absent"] > 0 and seen["unknown"] == 0, seen
