# SPDX-License-Identifier: Apache-2.0
"""What a CA, a network, a disk or a neighbour may do to derp-acme."""
import contextlib
import datetime
import email.utils
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from acme_home import (DOMAIN, fake, fill, leaf_der, make_home, make_pebble, relay_home, shim, small_disk,  # noqa: F401
                       world)
from fake_acme import CUT, Answer, problem
from pebble import ADDRESS, ROOT, self_signed, wait_for


def utc(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def seconds_to_next_try(home):
    return (utc(home.state()["next_try"]) - datetime.datetime.utcnow()).total_seconds()


# --- The CA is not there, or says no --------------------------------------------------------------

def test_ca_down(relay_home):
    home = relay_home()
    home.ca.stop()
    said = home.expect(1, "run")
    assert "cannot be reached" in said and "next try at" in said
    state = home.state()
    assert state["class"] == "network" and state["failures"] == 1
    assert seconds_to_next_try(home) <= 60
    assert "waiting" in home.acme("status", "--json").stdout
    assert "nothing to do before" in home.expect(2, "run")  # keeps to the next try
    home.expect(1, "issue")                                  # tries at once
    assert home.state()["failures"] == 2
    home.ca.start()
    home.expect(0, "issue")
    state = home.state()
    assert "failures" not in state and "next_try" not in state
    assert "cannot be reached" in state["problem"]  # what it was stays known
    assert "over since: " in home.acme("status").stdout


def test_next_try_comes(relay_home, shim):  # noqa: F811
    home = relay_home()
    home.ca.stop()
    home.expect(1, "run")
    home.expect(2, "run")
    home.expect(1, "run", env={"LD_PRELOAD": shim, "SHIM_CLOCK": "61"})


def test_ca_down_while_a_certificate_is_served(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    served = home.served()
    home.ca.stop()
    home.expect(1, "renew")
    assert home.served() == served and home.acme("status").returncode == 0


def test_ca_refuses_the_name(make_pebble, make_home):
    home = make_home(make_pebble(1, blocklist=["test"]))
    said = home.expect(1, "issue")
    assert "rejectedIdentifier" in said and "policy" in said.lower()
    state = home.state()
    assert state["class"] == "configuration" and state["phase"] == "idle"
    assert state["problem_type"] == "urn:ietf:params:acme:error:rejectedIdentifier"
    assert "rejectedIdentifier" in home.acme("status").stdout


def test_validation_fails(make_pebble, make_home):
    """Nobody answers where the CA looks: its words are shown, the order is given up, the challenge is gone."""
    home = make_home(make_pebble(1))
    said = home.expect(1, "issue")
    assert "the CA could not validate" in said and "onnect" in said
    state = home.state()
    assert state["class"] == "reachability" and state["phase"] == "idle" and "order" not in state
    assert 600 < seconds_to_next_try(home) <= 900
    assert home.challenges() == []


def test_rate_limited(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.script["/order"] = lambda ca, r: Answer(
        429, problem("rateLimited", "too many certificates (5) already issued for this exact set of identifiers"),
        {"Retry-After": "7200"})
    said = home.expect(1, "run")
    assert "too many certificates (5)" in said
    assert home.state()["class"] == "rate-limit"
    assert 7100 < seconds_to_next_try(home) <= 7200
    home.expect(2, "run")
    assert fake.count("/order") == 1

    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=10)
    fake.script["/order"] = lambda ca, r: Answer(429, problem("rateLimited", "again"), {
        "Retry-After": email.utils.format_datetime(later, usegmt=True)})
    home.expect(1, "issue")
    assert abs(seconds_to_next_try(home) - 36000) < 60

    fake.script["/order"] = lambda ca, r: Answer(429, problem("rateLimited", "again"), {"Retry-After": "999999999999"})
    home.expect(1, "issue")
    assert seconds_to_next_try(home) <= 48 * 3600
    fake.script["/order"] = lambda ca, r: Answer(429, problem("rateLimited", "again"), {"Retry-After": "\\u0000soon"})
    home.expect(1, "issue")
    assert 2000 < seconds_to_next_try(home) <= 24 * 3600


def test_paused_account(fake, make_home):  # noqa: F811
    """The way out is a link of more than a thousand characters; all of it is shown."""
    home = make_home(fake)
    link = "https://portal.example/sfe/v1/unpause?jwt=" + "x" * 1200 + "END"
    fake.script["/order"] = lambda ca, r: Answer(429, problem(
        "rateLimited", f"Your account is temporarily prevented from requesting certificates for {DOMAIN}. "
        f"Please visit: {link}"))
    said = home.expect(1, "issue")
    assert home.state()["class"] == "paused"
    assert "END" in said and link in home.state()["problem"] and link in home.acme("status").stdout


def test_overloaded(fake, make_home):  # noqa: F811
    home = make_home(fake)
    for where in ("/directory", "/nonce", "/account", "/order"):
        fake.script = {where: lambda ca, r: Answer(503, problem("serverInternal", "come back later"),
                                                   {"Retry-After": "300", "Replay-Nonce": ""})}
        home.expect(1, "issue")
        assert home.state()["class"] == "overload", where
        assert 299 <= seconds_to_next_try(home) + 2, where
    fake.script = {}
    home.expect(0, "issue")


def test_new_terms(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.script["/order"] = lambda ca, r: Answer(
        403, problem("userActionRequired", "Terms of service have changed", instance="https://ca.test/agree"),
        {"Link": '<https://ca.test/terms-2>; rel="terms-of-service"'})
    said = home.expect(1, "issue")
    assert home.state()["class"] == "terms"
    for text in (said, home.status()["problem"]["text"]):
        assert "https://ca.test/agree" in text and "https://ca.test/terms-2" in text


def test_subproblems_are_shown(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.script["/order"] = lambda ca, r: Answer(400, problem(
        "malformed", "Some of the identifiers were rejected",
        subproblems=[{"detail": "This CA will not issue", "identifier": {"type": "dns", "value": DOMAIN}}]))
    assert f"{DOMAIN}: This CA will not issue" in home.expect(1, "issue")


# --- Nonsense -------------------------------------------------------------------------------------

NONSENSE = {
    "html": Answer(200, "<html><body>Welcome to the hotel's Wi-Fi</body></html>", kind="text/html"),
    "html error": Answer(502, "<html>Bad Gateway</html>", kind="text/html"),
    "empty": Answer(200, b""),
    "null": Answer(200, b"null"),
    "list": Answer(200, []),
    "object of nulls": Answer(200, {"status": None, "finalize": None, "newNonce": None, "authorizations": None}),
    "oversized": Answer(200, b"{" + b" " * 2_000_000 + b"}"),
    "truncated": Answer(200, b'{"status": "rea', {"Content-Length": "4000", "Connection": "close"}),
    "redirect": Answer(302, b"", {"Location": "/elsewhere"}),
    "deep": Answer(200, b"[" * 100_000),
}


@pytest.mark.parametrize("where", ["/directory", "/order", "/certificate"])
def test_nonsense(fake, make_home, where):  # noqa: F811
    """An error in words, a next try, no crash; once the CA speaks sense again all comes to its end."""
    home = make_home(fake)
    for what, answer in NONSENSE.items():
        fake.script[where] = lambda ca, r, answer=answer: answer
        said = home.expect(1, "issue")
        assert "next try at" in said and home.state()["class"] in ("protocol", "network", "overload"), what
        assert not (home.certs / "current").exists(), what
    assert fake.count("/elsewhere") == 0  # no redirect was followed
    fake.script = {}
    home.expect(0, "issue")
    assert home.usable()


def test_connection_cut_everywhere(fake, make_home):  # noqa: F811
    """Cut at each kind of request in turn: each failure is one of the network, and one order is enough."""
    home = make_home(fake)
    for where in ("/directory", "/nonce", "/account", "/authz", "/challenge", "/finalize", "/certificate"):
        fake.script = {where: lambda ca, r: CUT}
        home.expect(1, "issue")
        assert home.state()["class"] == "network", where
    fake.script = {}
    home.expect(0, "issue")
    assert len(fake.orders) == 1


def test_order_born_ready_or_valid(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.order_status = "ready"
    assert "challenge" not in home.expect(0, "issue")
    assert fake.count("/authz/1") == 0


def test_order_without_authorizations(fake, make_home):  # noqa: F811
    home = make_home(fake)

    def bare(ca, r):
        answer = ca.default(r)
        if "finalize" not in r.path:
            number = list(ca.orders)[-1]
            body = ca.order(number)
            body["authorizations"] = []
            ca.orders[number]["status"] = body["status"] = {"pending": "ready"}.get(body["status"], body["status"])
            answer = Answer(answer.status, body, answer.headers)
        return answer
    fake.script["/order"] = bare
    home.expect(0, "issue")


def test_slow_ca_is_asked_again(fake, make_home):  # noqa: F811
    """Processing with a short Retry-After is waited for; a long one ends the run and sets the next try."""
    home = make_home(fake)
    polls = []

    def processing(ca, r):
        answer = ca.default(r)
        if ca.orders and list(ca.orders.values())[-1]["status"] == "valid" and r.path != "/order":
            polls.append(time.monotonic())
            if len(polls) < 3:
                body = {**ca.order(list(ca.orders)[-1]), "status": "processing"}
                body.pop("certificate", None)
                return Answer(200, body, {"Retry-After": "1"})
        return answer
    fake.script["/order"] = processing
    home.expect(0, "issue")
    assert len(polls) >= 3 and polls[1] - polls[0] >= 0.9

    def long(ca, r):
        answer = processing(ca, r)
        return Answer(200, answer.body, {"Retry-After": "1800"})
    polls.clear()
    fake.script["/order"] = lambda ca, r: ca.default(r) if r.path == "/order" else long(ca, r)
    started = time.monotonic()
    home.expect(1, "renew")
    assert time.monotonic() - started < 30
    assert home.state()["class"] == "overload" and 1700 < seconds_to_next_try(home) <= 1800
    orders = len(fake.orders)
    fake.script = {}
    home.expect(0, "issue")
    assert len(fake.orders) == orders


def test_order_that_is_stuck(fake, make_home):  # noqa: F811
    """In processing for ever: resumed for hours, then given up, long before the CA's own week is over."""
    home = make_home(fake)
    fake.script["/order/1"] = lambda ca, r: Answer(200, {**ca.order(1), "status": "processing"}, {"Retry-After": "1800"})
    for _ in range(7):
        assert "is still working on the order" in home.expect(1, "issue")
    assert home.state()["stalls"] == 7 and len(fake.orders) == 1
    assert "it is given up" in home.expect(1, "issue")
    home.expect(0, "issue")
    assert len(fake.orders) == 2


def test_order_that_has_vanished(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.script["/finalize"] = lambda ca, r: CUT
    home.expect(1, "issue")
    fake.orders.clear()
    fake.script = {}
    said = home.expect(0, "issue")
    assert "starting over" in said


def test_certificate_that_is_not_there_yet(fake, make_home):  # noqa: F811
    """Issued, but not on each of the CA's servers: it counts, so the order is gone on with."""
    home = make_home(fake)
    fake.script["/certificate"] = lambda ca, r: Answer(404, problem("malformed", "certificate not found"))
    said = home.expect(1, "issue")
    assert "starting over" not in said and home.state()["phase"] == "downloading"
    fake.script = {}
    home.expect(0, "issue")
    assert len(fake.orders) == 1


def test_certificate_that_begins_before_its_issuer(fake, make_home):  # noqa: F811
    """A private CA of today whose certificates are backdated by more than its own age."""
    home = make_home(fake)
    fake.ca_age = 60
    fake._make_ca()
    assert "damaged" not in home.expect(0, "issue")
    home.expect(2, "run")
    assert home.usable() and home.generations() == ["gen-1"]


def test_certificate_for_another_key(fake, make_home):  # noqa: F811
    """Refused, and after some tries given up for a new order."""
    from cryptography.hazmat.primitives.asymmetric import ec
    home = make_home(fake)
    issue, wrong = fake.issue, ec.generate_private_key(ec.SECP256R1()).public_key()
    fake.issue = lambda csr: issue(csr, wrong)
    for _ in range(5):
        assert "does not belong to our key" in home.expect(1, "issue")
        assert not (home.certs / "current").exists()
    assert len(fake.orders) == 1
    fake.issue = issue
    home.expect(0, "issue")
    assert len(fake.orders) == 2


def test_other_chain_when_the_first_is_of_no_use(fake, make_home):  # noqa: F811
    home = make_home(fake)

    def chains(ca, r):
        if r.path.endswith("/alternate"):
            return Answer(200, ca.orders[1]["certificate"], kind="application/pem-certificate-chain")
        leaf = ca.orders[1]["certificate"].split("-----END")[0]
        stranger = ca.ca_file.read_text()  # did not sign it
        return Answer(200, leaf + "-----END CERTIFICATE-----\n" + stranger, {
            "Link": f'<{ca.url}/directory>;rel="index", <{ca.url}/certificate/1/alternate>;rel="alternate"'})
    fake.script["/certificate"] = chains
    home.expect(0, "issue")
    assert home.usable()


def test_chain_with_a_key_in_it(fake, make_home):  # noqa: F811
    home = make_home(fake)
    key = fake.ca_file.with_suffix(".key").read_text()
    fake.script["/certificate"] = lambda ca, r: Answer(
        200, ca.orders[1]["certificate"] + key, kind="application/pem-certificate-chain")
    assert "something else than certificates" in home.expect(1, "issue")
    assert not (home.certs / "current").exists()


def test_expired_certificate_is_refused(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.backdate, fake.lifetime = 7200, 3600
    assert "expired" in home.expect(1, "issue")
    assert not (home.certs / "current").exists()


# --- Trust ----------------------------------------------------------------------------------------

def test_wrong_ca_file(relay_home, tmp_path):
    home = relay_home()
    stranger, _ = self_signed(tmp_path, stem="stranger")
    home.configure(**{"ca-file": stranger})
    said = home.expect(1, "issue")
    assert "not trusted" in said and "ca-file" in said
    assert home.ca.log_count("POST") == 0
    home.configure(**{"ca-file": tmp_path / "missing.pem"})
    assert "cannot be read" in home.expect(1, "issue")
    (tmp_path / "empty.pem").write_text("")
    home.configure(**{"ca-file": tmp_path / "empty.pem"})
    home.expect(1, "issue")
    home.configure(**{"ca-file": None})  # the system's CAs do not know it either
    assert "not trusted" in home.expect(1, "issue")


def test_ca_certificate_for_another_name(make_home, world, tmp_path):  # noqa: F811
    cert, key = self_signed(tmp_path, names=("other.test",), addresses=("192.0.2.1",), stem="other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            context.wrap_socket(listener.accept()[0], server_side=True)
        except OSError:
            pass
    threading.Thread(target=serve, daemon=True).start()

    class Other:
        directory = f"https://127.0.0.1:{listener.getsockname()[1]}/dir"
        ca_file = cert
    assert "not trusted" in make_home(Other).expect(1, "issue")
    listener.close()


def test_plain_http_is_refused(make_home, fake):  # noqa: F811
    home = make_home(fake)
    home.configure(directory=fake.directory.replace("https", "http"))
    home.expect(1, "issue")
    assert fake.seen == []


# --- What the configuration asks for ---------------------------------------------------------------

def with_meta(**meta):
    def directory(ca, r):
        answer = ca.default(r)
        return Answer(200, {**json.loads(answer.body), "meta": meta})
    return directory


def ordered_with(fake):  # noqa: F811
    return [r.payload for r in fake.seen if r.path == "/order" and r.method == "POST"][-1]


def test_profiles(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.configure(profile="tlsserver")
    assert "it offers: none" in home.expect(0, "issue")  # a CA without any: said, and left out
    assert "profile" not in ordered_with(fake) and home.status()["profile_denied"]
    fake.script["/directory"] = with_meta(profiles={"classic": "x", "tlsserver": None})
    home.expect(0, "renew")
    assert ordered_with(fake)["profile"] == "tlsserver" and not home.status()["profile_denied"]


def test_profile_that_is_withdrawn(fake, make_home):  # noqa: F811
    """A certificate of the default profile is better than none, unless the config says otherwise."""
    home = make_home(fake)
    home.configure(profile="tlsserver")
    fake.script["/directory"] = with_meta(profiles={"classic": "x", "tlsserver": "y"})
    home.expect(0, "issue")
    # Out of the directory, or there and refused.
    for profiles in ({"classic": "x"}, {"classic": "x", "tlsserver": "y"}):
        fake.script["/directory"] = with_meta(profiles=profiles)
        fake.script["/order"] = lambda ca, r: (
            Answer(400, problem("invalidProfile", "not allowed")) if "profile" in (r.payload or {}) else None)
        said = home.expect(0, "renew")
        assert "no profile tlsserver for us (it offers: " in said and "in its default one" in said
        assert "profile" not in ordered_with(fake)
        assert "profile      tlsserver is not offered" in home.acme("status").stdout
        made = len(fake.orders)
        home.configure(profile="tlsserver", **{"profile-required": "yes"})
        assert "no profile tlsserver for us" in home.expect(1, "renew")
        assert len(fake.orders) == made and home.state()["class"] == "configuration"
        home.configure(profile="tlsserver")


def test_contact_and_terms(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.configure(email="ops@derp.test")
    home.expect(0, "issue")
    account = [r for r in fake.seen if r.path == "/account"][0]
    assert account.payload == {"termsOfServiceAgreed": True, "contact": ["mailto:ops@derp.test"]}
    assert set(account.header) == {"alg", "nonce", "url", "jwk"} and account.header["alg"] == "ES256"
    order = [r for r in fake.seen if r.path == "/order"][0]
    assert set(order.header) == {"alg", "nonce", "url", "kid"}
    assert order.header["url"] == fake.url + "/order"


def test_a_nonce_is_used_once(fake, make_home):  # noqa: F811
    make_home(fake).expect(0, "issue")
    nonces = [r.header["nonce"] for r in fake.seen if r.header]
    assert len(nonces) == len(set(nonces)) >= 8


def test_external_account_binding_is_said_to_be_missing(fake, make_home):  # noqa: F811
    fake.script["/directory"] = with_meta(externalAccountRequired=True)
    assert "external account binding" in make_home(fake).expect(1, "issue")
    assert fake.count("/account") == 0


# --- Our own side ---------------------------------------------------------------------------------

def test_name_points_elsewhere(relay_home, world):
    home = relay_home()
    world.set("add-a", {"host": DOMAIN, "addresses": ["192.0.2.7"]})
    try:
        said = home.expect(1, "issue")
        assert "dns.a.mismatch" in said and "192.0.2.7" in said
        state = home.state()
        assert state["class"] == "preflight" and seconds_to_next_try(home) <= 300
        assert home.ca.log_count("Added order") == 0
    finally:
        world.set("clear-a", {"host": DOMAIN})
    home.expect(0, "issue")


@contextlib.contextmanager
def floating(address):
    """An address that leads to the server without being on an interface of it."""
    commands = ["ip route add %s/32 dev lo" % address, "nft add table ip floating",
                "nft add chain ip floating out { type nat hook output priority -100 ; }",
                "nft add rule ip floating out ip daddr %s dnat to %s" % (address, ADDRESS)]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "floating"], check=False)
        subprocess.run(["ip", "route", "del", address + "/32", "dev", "lo"], check=False)


def test_name_points_to_a_floating_address(relay_home, world):
    """It is on no interface, but our own certificate is served there."""
    home = relay_home()
    world.set("add-a", {"host": DOMAIN, "addresses": ["192.0.2.8"]})
    try:
        assert "dns.a.mismatch" in home.expect(1, "issue")
        with floating("192.0.2.8"):
            said = home.expect(0, "issue")
            assert "192.0.2.8 is on no interface here, but leads to this relay" in said
    finally:
        world.set("clear-a", {"host": DOMAIN})


def test_stray_aaaa(relay_home, world):
    home = relay_home()
    world.set("add-aaaa", {"host": DOMAIN, "addresses": ["2001:db8::7"]})
    try:
        assert "dns.aaaa.stray" in home.expect(1, "issue")
    finally:
        world.set("clear-aaaa", {"host": DOMAIN})


@pytest.mark.parametrize("allowed, code", [("fake.test", 0), ("other.test", 1), (";", 1)])
def test_caa(fake, make_home, world, allowed, code):  # noqa: F811
    """The names that count are those of the CA's directory."""
    home = make_home(fake)
    world.set("add-caa", {"host": DOMAIN, "policies": [{"tag": "issue", "value": allowed}]})
    try:
        said = home.expect(code, "issue")
        assert code == 0 or ("dns.caa.forbidden" in said and fake.count("/order") == 0)
    finally:
        world.set("clear-caa", {"host": DOMAIN})


def test_name_server_that_is_silent_does_not_stop_us(make_pebble, make_home):
    """We could not look; the CA may."""
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    text = home.config.read_text().replace(home.dns.server, "127.0.0.1:9")
    home.config.write_text(text)
    said = home.expect(0, "issue")
    assert "dns." in said and "warning" in said


class Neighbour:
    """Some other TLS server on the relay's port."""

    def __init__(self, folder, port):
        cert, key = self_signed(folder, names=("neighbour.test",), stem="neighbour")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.listener = socket.create_server((ADDRESS, port))
        self.open = True

        def serve():
            while self.open:
                try:
                    with context.wrap_socket(self.listener.accept()[0], server_side=True) as tls:
                        tls.recv(4096)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
                except OSError:
                    pass
        threading.Thread(target=serve, daemon=True).start()

    def stop(self):
        self.open = False
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_somebody_else_on_our_port(make_pebble, make_home, tmp_path):
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    neighbour = Neighbour(tmp_path, home.port)
    try:
        said = home.expect(1, "issue")
        assert "test server of neighbour" in said and "would meet it instead of derpd" in said
        assert home.state()["class"] == "preflight"
        assert home.ca.log_count("Added order") == 0
    finally:
        neighbour.stop()
    home.expect(0, "issue")


@pytest.mark.pitfall(19)
def test_relay_that_does_not_take_it(relay_home):
    """A relay that keeps serving the old certificate: the link goes back, and the new certificate is kept
    for later instead of being ordered again."""
    home = relay_home(PEBBLE_VA_ALWAYS_VALID=1)
    home.expect(0, "issue")
    first = leaf_der(home.chain())
    home.relays.pop().stop()
    kept = home.folder / "kept"
    kept.mkdir()
    for name in ("fullchain.pem", "privkey.pem"):
        (kept / name).write_bytes((home.certs / "current" / name).read_bytes())
    stubborn = home.folder / "stubborn.conf"
    home.configure(path=stubborn, certificate=f"source = files\nchain = {kept}/fullchain.pem\nkey = {kept}/privkey.pem")
    relay = home.start_relay(stubborn)

    said = home.expect(1, "renew")
    assert "does not serve the new certificate" in said and "gone back to gen-1" in said
    assert home.current() == "gen-1" and home.generations() == ["gen-1"]
    assert home.served() == first and home.acme("status").returncode == 0
    state = home.state()
    assert state["phase"] == "installing" and state["class"] == "local"
    orders = home.ca.log_count("Added order")

    relay.stop()
    home.start_relay()
    home.expect(0, "issue")
    assert home.ca.log_count("Added order") == orders
    assert home.current() == "gen-2" and home.served() == leaf_der(home.chain()) != first


def test_relay_comes_back_while_it_is_looked_for(relay_home):
    """derpd restarting at the wrong moment does not make a good certificate bad."""
    home = relay_home()
    home.expect(0, "issue")
    home.relays.pop().stop()
    home.ca.stop()
    home.ca.environment["PEBBLE_VA_ALWAYS_VALID"] = "1"
    home.ca.start()
    assert "stays in place" in home.expect(0, "renew")
    home.start_relay()
    assert home.served() == leaf_der(home.chain())


def test_full_disk(make_pebble, make_home, small_disk):
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    home.certs = small_disk / "certs"
    home.configure()
    home.expect(0, "issue")
    before = home.chain()
    fill(small_disk)
    said = home.expect(1, "renew")
    assert "No space left" in said
    assert home.chain() == before and home.usable()
    orders = home.ca.log_count("Added order")
    (small_disk / "ballast").unlink()
    home.expect(0, "renew")
    assert home.chain() != before and home.usable()
    assert home.ca.log_count("Added order") <= orders + 1


def test_read_only_disk(make_pebble, make_home, small_disk):
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    home.certs = small_disk / "certs"
    home.configure()
    home.expect(0, "issue")
    orders = home.ca.log_count("Added order")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "Read-only file system" in home.expect(1, "renew")
    assert home.acme("status").returncode == 0
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert home.ca.log_count("Added order") == orders  # no order without a place to note it
    home.expect(0, "renew")


def test_folder_cannot_be_made(make_pebble, make_home):
    home = make_home(make_pebble(1))
    home.certs = home.folder / "missing" / "certs"
    home.configure()
    assert "cannot create folder" in home.expect(1, "run")


# --- Time -----------------------------------------------------------------------------------------

@pytest.mark.pitfall(19)
def test_clock_before_the_build(make_pebble, make_home, shim):  # noqa: F811
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    said = home.expect(1, "run", env={"LD_PRELOAD": shim, "SHIM_CLOCK": str(-10 * 365 * 86400)})
    assert "set the clock" in said and "next try" not in said
    assert home.state()["class"] == "clock" and home.ca.log_count("GET") == 0
    home.expect(0, "run")  # the right time: at once


def test_clock_differs_from_the_ca(fake, make_home):  # noqa: F811
    home = make_home(fake)
    for ahead in (-4000, 4000):
        fake.clock = ahead
        said = home.expect(1, "issue")
        assert "this server's clock says" in said
        assert home.state()["class"] == "clock" and fake.count("/order") == 0
    fake.clock = 100  # seconds apart are nothing
    home.expect(0, "issue")


def test_next_try_of_a_wrong_clock_is_not_believed(relay_home, shim):  # noqa: F811
    """A failure noted by a clock years ahead must not silence us for years."""
    home = relay_home()
    home.ca.stop()
    home.expect(1, "run", env={"LD_PRELOAD": shim, "SHIM_CLOCK": str(5 * 365 * 86400)})
    home.ca.start()
    home.expect(0, "run")


# --- Who we are -----------------------------------------------------------------------------------

def test_root_leaves_no_files_of_its_own(make_pebble, make_home):
    """Started by hand as root, it becomes the folder's owner, so that the timer can go on."""
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    for folder in [home.folder, *home.folder.parents]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    home.certs.mkdir()
    nobody = 65534
    os.chown(home.certs, nobody, nobody)
    home.ca.ca_file.chmod(0o644)
    for folder in [home.ca.folder, *home.ca.folder.parents]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    home.expect(0, "issue")
    assert {p.lstat().st_uid for p in home.certs.rglob("*")} == {nobody}
