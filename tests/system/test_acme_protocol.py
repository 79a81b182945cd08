# SPDX-License-Identifier: Apache-2.0
"""The whole of ACME against a recent Pebble: accounts and their keys, challenges, profiles, chains."""
import base64
import http.client
import http.server
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from acme_home import (DOMAIN, fake, leaf_der, make_home, make_pebble, relay_home, shim,  # noqa: F401
                       world)
from fake_acme import CUT, Answer, problem, unb64
from pebble import ADDRESS, ROOT, Gate, Process, accepts, free_port, new_pebble, wait_for

HOOKS = ROOT / "packaging" / "dns-hooks"

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.fixture
def recent_home(make_pebble, make_home):  # noqa: F811
    """recent_home(**pebble options): a home with a running derpd and Pebble PEBBLE_VERSION."""
    program, why = new_pebble()
    if not program:
        pytest.skip(why)

    def make(relay=True, **options):
        port = free_port()
        home = make_home(make_pebble(port, program=program, **options), port=port)
        if relay:
            home.start_relay()
        return home
    return make


def secret_file(home, text=SECRET, mode=0o640):
    path = home.folder / "eab.key"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


# --- Accounts -------------------------------------------------------------------------------------

def test_external_account_binding(recent_home):
    home = recent_home(eab={"kid-1": SECRET})
    said = home.expect(1, "issue")
    assert "external account binding" in said and "eab-key-id" in said and "derp-acme issue" in said
    home.configure(**{"eab-key-id": "kid-1", "eab-key-file": secret_file(home)})
    said = home.expect(0, "issue")
    assert "(created)" in said and SECRET not in said
    # Once bound, the account needs the keys no more: they expire, the account does not.
    home.configure()
    (home.certs / home.account("account.json")).unlink()
    assert "known already" in home.expect(0, "renew")


def test_binding_that_the_ca_refuses(recent_home):
    home = recent_home(eab={"kid-1": SECRET})
    for kid, text in (("kid-2", SECRET), ("kid-1", "A" * 64)):
        home.configure(**{"eab-key-id": kid, "eab-key-file": secret_file(home, text)})
        said = home.expect(1, "issue")
        assert f"does not take the external account binding {kid}" in said and "fresh pair" in said
        assert text not in said


def test_binding_file_that_is_open_to_others(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.configure(**{"eab-key-id": "k", "eab-key-file": secret_file(home, mode=0o644)})
    assert "chmod 0640" in home.expect(1, "issue")
    assert fake.count("/account") == 0
    home.configure(**{"eab-key-id": "k"})
    assert "eab-key-file is missing" in home.expect(1, "issue")


def test_account_of_an_earlier_version_moves(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.expect(0, "issue")
    new = home.certs / home.account()
    key = (new / "account.key").read_bytes()
    for name in ("account.key", "account.json"):
        (new / name).rename(home.certs / "account" / name)
    new.rmdir()
    before = fake.count("/account")
    assert "is kept in" in home.expect(0, "renew")
    assert (new / "account.key").read_bytes() == key and fake.count("/account") == before


def test_each_ca_has_an_account_of_its_own(recent_home, make_pebble):  # noqa: F811
    home = recent_home()
    home.expect(0, "issue")
    first, key = home.account(), (home.certs / home.account("account.key")).read_bytes()
    home.ca = make_pebble(home.port, program=new_pebble()[0])
    home.configure()
    home.expect(0, "issue")
    assert home.account() != first
    assert (home.certs / home.account("account.key")).read_bytes() != key
    assert (home.certs / first / "account.key").read_bytes() == key


def test_account_is_made_anew_only_when_the_ca_says_so(fake, make_home):  # noqa: F811
    """A lost URL is asked for by the key; any refusal but accountDoesNotExist creates nothing."""
    home = make_home(fake)
    home.expect(0, "issue")
    (home.certs / home.account("account.json")).unlink()
    fake.script["/account"] = lambda ca, r: Answer(403, problem("unauthorized", "this account is closed"))
    assert "this account is closed" in home.expect(1, "renew")
    assert [r.payload for r in fake.seen if r.path == "/account"][1:] == [{"onlyReturnExisting": True}]
    fake.script.clear()
    fake.accounts = 0
    assert "(created)" in home.expect(0, "renew")
    assert fake.seen[-1] and [r.payload for r in fake.seen if r.path == "/account"][-1]["termsOfServiceAgreed"]


def test_order_of_another_account_is_given_up(fake, make_home):  # noqa: F811
    """The account's key is lost: its order is out of reach, and that is no reason to fail for ever."""
    home = make_home(fake)
    fake.script["/finalize"] = lambda ca, r: CUT
    home.expect(1, "issue")
    assert home.state()["account"] == fake.url + "/account/1"
    (home.certs / home.account("account.key")).unlink()
    fake.script = {"/account": lambda ca, r: Answer(201, {"status": "valid"}, {"Location": ca.url + "/account/2"}),
                   "/order/1": lambda ca, r: Answer(403, problem("unauthorized", "not your order"))}
    assert "is given up" in home.expect(0, "issue")
    assert len(fake.orders) == 2 and home.state()["issued_account"] == fake.url + "/account/2"


# --- http-01 --------------------------------------------------------------------------------------

def http_home(recent_home, **options):
    port = free_port()
    home = recent_home(relay=False, http_port=port, **options)
    home.http = f"{ADDRESS}:{port} [::1]:{port}"
    home.http_port = port
    home.configure(challenge="http-01")
    return home


def plain(port, path, address=ADDRESS):
    connection = http.client.HTTPConnection(address, port, timeout=10)
    connection.request("GET", path, headers={"Host": DOMAIN})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_http_01(recent_home):
    home = http_home(recent_home, PEBBLE_WFE_NONCEREJECT=50)
    home.start_relay()
    assert "the relay serves gen-1" in home.expect(0, "issue")
    assert home.usable() and home.served() == leaf_der(home.chain())
    assert home.challenges() == []


def test_http_01_answers(recent_home):
    """The file's content and nothing else, over both families; never a file beside it."""
    home = http_home(recent_home)
    home.start_relay()
    folder = home.certs / "challenge"
    folder.mkdir(parents=True)
    (folder / "http-01.abcdefghijklmnop").write_text("abcdefghijklmnop.thumb")
    (folder / "secret.pem").write_text("secret")
    path = "/.well-known/acme-challenge/"
    for address in (ADDRESS, "::1"):
        assert plain(home.http_port, path + "abcdefghijklmnop", address) == (200, b"abcdefghijklmnop.thumb")
    for other in ("qrstuvwxyz", "..", "../secret.pem", "secret.pem", "%2e%2e/secret.pem", "a/b", ""):
        status, body = plain(home.http_port, path + other)
        assert status in (302, 404) and b"secret" not in body, other


def test_http_01_without_derpd(recent_home):
    """A validation that cannot succeed is not spent."""
    home = http_home(recent_home)
    said = home.expect(1, "issue")
    assert "preflight" in said and "nothing answers HTTP on" in said and "restart derpd" in said
    assert home.challenges() == []
    assert home.ca.log_count("Pulled a task") == 0


def test_http_01_with_somebody_else_on_the_port(recent_home, tmp_path):
    home = http_home(recent_home)
    (tmp_path / "www").mkdir()
    other = Process(["/usr/bin/python3", "-m", "http.server", "-b", ADDRESS, "-d", tmp_path / "www",
                     str(home.http_port)], tmp_path / "other.log")
    try:
        wait_for(lambda: accepts(ADDRESS, home.http_port), "the other server")
        said = home.expect(1, "issue")
        assert "instead of our key authorization" in said and "status 404" in said
    finally:
        other.stop()


# --- dns-01 ---------------------------------------------------------------------------------------

def hook_file(home, text, mode=0o755):
    path = home.folder / "hook"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_server_hook(home, before="", after=""):
    """A hook that changes pebble-challtestsrv, and writes down what it was called with."""
    return hook_file(home, f"""#!/bin/sh
echo "$@" >>{home.folder}/calls
{before}
case $1 in
present) what=set-txt ;;
cleanup) what=clear-txt ;;
esac
curl -sS --fail -o /dev/null -d "{{\\"host\\": \\"$2.\\", \\"value\\": \\"$3\\"}}" \\
    http://127.0.0.1:{home.dns.management}/$what
{after}
""")


test_server_hook.__test__ = False


def calls(home):
    path = home.folder / "calls"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def dns_home(recent_home, hook=test_server_hook, **options):
    home = recent_home(relay=False, **options)
    home.configure(challenge="dns-01", **{"dns-hook": hook(home), "dns-wait": "3s"})
    return home


def test_dns_01(recent_home):
    home = dns_home(recent_home, PEBBLE_WFE_NONCEREJECT=50)
    home.expect(0, "issue")
    assert home.usable()
    (present, cleanup) = calls(home)
    assert present[:2] == ["present", f"_acme-challenge.{DOMAIN}"] and len(present[2]) == 43
    assert cleanup == ["cleanup", *present[1:]]
    assert "hook_name" not in home.state()


def test_dns_01_hook_that_fails(recent_home):
    home = dns_home(recent_home, lambda h: hook_file(
        h, f'#!/bin/sh\necho "$@" >>{h.folder}/calls\necho no such zone >&2\n[ $1 = cleanup ]\n'))
    said = home.expect(1, "issue")
    assert "no such zone" in said and "exit code 1" in said
    assert [c[0] for c in calls(home)] == ["present", "cleanup"]
    assert home.ca.log_count("Pulled a task") == 0
    home.configure(challenge="dns-01", **{"dns-hook": hook_file(home, "#!/bin/sh\n", 0o775)})
    assert "chmod go-w" in home.expect(1, "issue")


def test_dns_01_record_that_does_not_appear(recent_home):
    home = dns_home(recent_home, lambda h: hook_file(h, f'#!/bin/sh\necho "$@" >>{h.folder}/calls\n'))
    home.dns.set("set-txt", {"host": f"_acme-challenge.{DOMAIN}.", "value": "of somebody else"})
    try:
        said = home.expect(1, "issue")
    finally:
        home.dns.set("clear-txt", {"host": f"_acme-challenge.{DOMAIN}."})
    assert "after 3 s" in said and "dns-wait" in said
    assert home.ca.log_count("Pulled a task") == 0
    assert [c[0] for c in calls(home)] == ["present", "cleanup"]


def test_dns_01_killed_after_present(recent_home):
    """What a killed run left in the DNS is taken away by the next one."""
    home = dns_home(recent_home, lambda h: test_server_hook(h, after="[ $1 = cleanup ] || kill -9 $(ps -o ppid= -p $PPID)"))
    done = home.acme("issue")
    assert done.returncode == -9
    assert home.state()["hook_name"] == f"_acme-challenge.{DOMAIN}"
    first = calls(home)[0][2]
    home.configure(challenge="dns-01", **{"dns-hook": test_server_hook(home), "dns-wait": "3s"})
    home.expect(0, "issue")
    assert ["cleanup", f"_acme-challenge.{DOMAIN}", first] in calls(home)
    assert "hook_name" not in home.state()


def test_dns_01_killed_at_each_change_of_the_disk(recent_home, shim, tmp_path):  # noqa: F811
    """Whatever was presented is taken away in the end."""
    home = dns_home(recent_home)
    home.expect(0, "issue")
    count = tmp_path / "count"
    home.expect(0, "renew", env={"LD_PRELOAD": shim, "SHIM_COUNT": str(count)})
    steps = int(count.read_text())
    assert steps >= 12
    for step in range(0, steps, 2):
        if home.acme("renew", env={"LD_PRELOAD": shim, "SHIM_KILL": str(step)}).returncode == -signal.SIGKILL:
            home.expect(2 if home.state()["phase"] == "idle" else 0, "run")
        assert home.usable() and "hook_name" not in home.state(), step
        seen = calls(home)
        presented = {c[2] for c in seen if c[0] == "present"}
        assert presented == {c[2] for c in seen if c[0] == "cleanup"}, step
        assert seen[-1][0] == "cleanup", step


def test_dns_01_cleanup_that_fails_is_tried_again(recent_home):
    """By the next run, also when that has nothing else to do."""
    home = dns_home(recent_home, lambda h: test_server_hook(
        h, before=f"[ $1 = present ] || [ -e {h.folder}/healed ] || exit 1"))
    said = home.expect(0, "issue")
    assert "the next run tries again" in said and home.usable()
    first = home.state()["stale"][0]["value"]
    assert "hook_name" not in home.state()
    shown = home.acme("status").stdout
    assert f'TXT record   "{first}" of _acme-challenge.{DOMAIN} could not be taken away' in shown
    assert home.status()["stale_records"][0]["value"] == first
    home.leave_account()
    home.expect(0, "renew")  # another record takes nothing of it away
    second = home.state()["stale"][1]["value"]
    assert first != second and home.state()["stale"][0] == {**home.state()["stale"][0], "value": first, "tries": 2}
    tried = len(calls(home))
    home.expect(2, "run")  # the second one, for the first time again
    home.expect(2, "run")  # and both wait
    assert [c[2] for c in calls(home)[tried:]] == [second]
    (home.folder / "healed").touch()
    home.expect(2, "issue")  # a person asks: all of them, at once
    assert {c[2] for c in calls(home)[tried + 1:] if c[0] == "cleanup"} == {first, second}
    assert "stale" not in home.state() and home.status()["stale_records"] == []


def test_dns_01_cleanup_is_given_up_and_said(recent_home):
    home = dns_home(recent_home, lambda h: test_server_hook(h, before="[ $1 = present ] || exit 1"))
    home.expect(0, "issue")
    state = home.state()
    state["stale"][0]["tries"] = 19
    (home.certs / "order.json").write_text(json.dumps(state))
    assert "given up after 20 tries: remove the TXT record" in home.expect(2, "run")
    tried = len(calls(home))
    home.expect(2, "run")
    assert len(calls(home)) == tried
    assert "remove it by hand" in home.acme("status").stdout
    assert home.status()["stale_records"][0]["given_up"]


class Knot:
    """A real name server, authoritative for derp.test, that takes updates signed with a key (RFC 2136)."""

    def __init__(self, folder, record=None):
        """record: what the challenge's name is an alias of."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.record = record or f"_acme-challenge.{DOMAIN}"
        alias = f"_acme-challenge.{DOMAIN}. 60 CNAME {record}.\n" if record else ""
        self.port = free_port()
        self.server = f"127.0.0.1:{self.port}"
        secret = base64.b64encode(b"a secret of 32 bytes for a test.").decode()
        (self.folder / "db").mkdir()
        self.key = self.folder / "tsig.key"
        self.key.write_text(f'key "acme" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
        (self.folder / "zone").write_text(
            f"{DOMAIN}. 60 SOA ns.{DOMAIN}. x.{DOMAIN}. 1 60 60 60 1\n{DOMAIN}. 60 NS ns.{DOMAIN}.\n"
            f"ns.{DOMAIN}. 60 A 127.0.0.1\n{DOMAIN}. 60 A {ADDRESS}\n"
            f'{alias}{self.record}. 60 TXT "of somebody else"\n')
        conf = self.folder / "knot.conf"
        conf.write_text(f"""
server:
    rundir: {self.folder}
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
control:
    listen: {self.folder}/knot.sock
database:
    storage: {self.folder}/db
key:
  - id: acme
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: update
    key: acme
    action: update
zone:
  - domain: {DOMAIN}
    storage: {self.folder}
    file: zone
    acl: update
""")
        self.process = Process(["knotd", "-c", conf], self.folder / "knot.log")
        wait_for(lambda: accepts("127.0.0.1", self.port) and self.texts(), "knotd", 30)

    def texts(self):
        done = subprocess.run(["dig", "+short", "-p", str(self.port), "@127.0.0.1", self.record,
                               "TXT"], capture_output=True, text=True, timeout=20)
        return sorted(line.strip('"') for line in done.stdout.splitlines())

    def stop(self):
        self.process.stop()


@pytest.fixture
def make_knot(world, tmp_path):  # noqa: F811
    for tool in ("knotd", "nsupdate", "dig"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    started = []

    def make(*arguments):
        started.append(Knot(tmp_path / "knot", *arguments))
        return started[-1]
    yield make
    for server in started:
        server.stop()


def test_rfc2136_hook_through_an_alias(recent_home, make_pebble, make_knot):  # noqa: F811
    knot = make_knot(f"keys.{DOMAIN}")
    home = recent_home(relay=False)
    home.ca, home.dns = make_pebble(home.port, program=new_pebble()[0], dns=knot), knot
    conf = home.folder / "dns-hook.conf"
    conf.write_text(f'SERVER="127.0.0.1 {knot.port}"\nKEY_FILE={knot.key}\nRECORD={knot.record}\nZONE={DOMAIN}\n')
    hook = hook_file(home, f"#!/bin/sh\nDNS_HOOK_CONF={conf} exec {HOOKS}/rfc2136 \"$@\"\n")
    home.configure(challenge="dns-01", **{"dns-hook": hook})
    home.expect(0, "issue")
    assert home.usable() and knot.texts() == ["of somebody else"]


def test_rfc2136_hook_with_a_real_name_server(recent_home, make_pebble, make_knot):  # noqa: F811
    knot = make_knot()
    home = recent_home(relay=False)
    home.ca, home.dns = make_pebble(home.port, program=new_pebble()[0], dns=knot), knot
    conf = home.folder / "dns-hook.conf"
    conf.write_text(f'SERVER="127.0.0.1 {knot.port}"\nKEY_FILE={knot.key}\n')
    hook = hook_file(home, f"#!/bin/sh\nDNS_HOOK_CONF={conf} exec {HOOKS}/rfc2136 \"$@\"\n")
    home.configure(challenge="dns-01", **{"dns-hook": hook})
    home.expect(0, "issue")
    assert home.usable()
    assert knot.texts() == ["of somebody else"]  # ours is gone, another's stays
    # A key that the server does not know: said, nothing left behind.
    knot.key.write_text(knot.key.read_text().replace("acme", "other"))
    home.leave_account()
    said = home.expect(1, "renew")
    assert "rfc2136" in said or "hook present" in said
    assert "TSIG" in said or "BADKEY" in said or "NOTAUTH" in said, said


class Cloudflare:
    """As much of Cloudflare's API as the hook uses."""

    def __init__(self, dns):
        api = self
        self.dns, self.records, self.seen = dns, {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def say(self, status, result, errors=()):
                body = json.dumps({"success": status == 200, "result": result, "errors": list(errors)}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_any(self):
                api.seen.append((self.command, self.path))
                if self.headers["Authorization"] != "Bearer right-token":
                    return self.say(403, None, [{"code": 9109, "message": "Invalid access token"}])
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "POST":
                    record = json.loads(body)
                    number = str(len(api.seen))
                    api.records[number] = record
                    api.publish()
                    return self.say(200, {"id": number, **record})
                if self.command == "DELETE":
                    api.records.pop(self.path.rsplit("/", 1)[1])
                    api.publish()
                    return self.say(200, {})
                return self.say(200, [{"id": n, **r} for n, r in api.records.items()])
            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/client/v4"

    def publish(self):
        self.dns.set("clear-txt", {"host": f"_acme-challenge.{DOMAIN}."})
        for record in self.records.values():
            self.dns.set("set-txt", {"host": record["name"] + ".", "value": record["content"].strip('"')})

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def test_cloudflare_hook(recent_home):
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    home = recent_home(relay=False)
    api = Cloudflare(home.dns)
    try:
        conf = home.folder / "dns-hook.conf"
        conf.write_text(f"TOKEN=right-token\nZONE_ID=zone1\nAPI={api.url}\n")
        hook = hook_file(home, f"#!/bin/sh\nDNS_HOOK_CONF={conf} exec {HOOKS}/cloudflare \"$@\"\n")
        home.configure(challenge="dns-01", **{"dns-hook": hook})
        home.expect(0, "issue")
        assert home.usable() and api.records == {}
        assert [m for m, _ in api.seen] == ["GET", "POST", "GET", "DELETE"]
        assert all(p.startswith("/client/v4/zones/zone1/dns_records") for _, p in api.seen)
        # Twice the same is a success, and one record.
        for _ in range(2):
            subprocess.run([hook, "present", f"_acme-challenge.{DOMAIN}", "A" * 43], check=True)
        assert len(api.records) == 1
        for _ in range(2):
            subprocess.run([hook, "cleanup", f"_acme-challenge.{DOMAIN}", "A" * 43], check=True)
        assert api.records == {}
        conf.write_text(f"TOKEN=wrong-token\nZONE_ID=zone1\nAPI={api.url}\n")
        home.leave_account()
        said = home.expect(1, "renew")
        assert "Invalid access token" in said and "wrong-token" not in said
    finally:
        api.stop()


# --- IP addresses (RFC 8738) ----------------------------------------------------------------------

@pytest.mark.parametrize("address", [ADDRESS, "::1"])
@pytest.mark.parametrize("challenge", ["tls-alpn-01", "http-01"])
def test_certificate_for_an_address(recent_home, challenge, address):
    """By tls-alpn-01 the CA asks for the reversed address, by http-01 with brackets around IPv6."""
    port = free_port()
    home = recent_home(relay=False, http_port=port)
    home.domain = home.address = address
    home.http = home.listen().rsplit(":", 1)[0] + f":{port}"
    home.configure(challenge=challenge)
    home.start_relay()
    assert "the relay serves gen-1" in home.expect(0, "issue")
    assert home.usable() and home.challenges() == []
    # Clients that name no server get it, too.
    context = ssl.create_default_context(cadata=home.chain().decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with socket.create_connection((address, home.port), timeout=5) as raw, \
            context.wrap_socket(raw, server_hostname=address) as tls:
        assert [kind for kind, _ in tls.getpeercert()["subjectAltName"]] == ["IP Address"]
    assert home.status()["served"] == "same"
    home.expect(2, "run")


def test_dns_01_cannot_validate_an_address(recent_home):
    home = dns_home(recent_home)
    home.domain = ADDRESS
    home.configure(challenge="dns-01", **{"dns-hook": test_server_hook(home)})
    assert "RFC 8738" in home.expect(1, "issue")
    assert calls(home) == []


# --- Profiles -------------------------------------------------------------------------------------

PROFILES = {"classic": {"description": "x", "validityPeriod": 90 * 86400},
            "shortlived": {"description": "x", "validityPeriod": 160 * 3600}}


def lifetime(home):
    leaf = home.leaf()
    return round((leaf.not_valid_after - leaf.not_valid_before).total_seconds())


def test_profiles(recent_home):
    home = recent_home(profiles=PROFILES)
    for name in ("shortlived", "classic"):
        home.configure(profile=name)
        said = home.expect(0, "renew")
        assert "does not confirm" not in said
        assert abs(lifetime(home) - PROFILES[name]["validityPeriod"]) <= 3600
    home.configure(profile="tlsclient", **{"profile-required": "yes"})
    said = home.expect(1, "renew")
    assert "no profile tlsclient" in said and "classic" in said and "shortlived" in said
    assert home.state()["class"] == "configuration"
    home.configure(profile="tlsclient")
    assert "in its default one" in home.expect(0, "renew")


def test_profile_that_the_order_does_not_confirm(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.configure(profile="shortlived")
    fake.script["/directory"] = lambda ca, r: Answer(
        200, {**json.loads(ca.default(r).body), "meta": {"profiles": {"shortlived": "x"}}})
    assert "does not confirm the profile shortlived (it says none)" in home.expect(0, "issue")


# --- Chains ---------------------------------------------------------------------------------------

def common_name(name):
    return name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def uppermost(home):
    return x509.load_pem_x509_certificate(b"-----BEGIN" + home.chain().rsplit(b"-----BEGIN", 1)[1])


def test_preferred_chain(recent_home):
    home = recent_home(PEBBLE_ALTERNATE_ROOTS=3, PEBBLE_CHAIN_LENGTH=2)
    roots = [common_name(x509.load_pem_x509_certificate(home.ca.manage(f"/roots/{n}")).subject) for n in range(4)]
    for root in (roots[2], roots[0]):
        home.configure(**{"preferred-chain": root})
        assert "no chain of the CA" not in home.expect(0, "renew")
        assert common_name(uppermost(home).issuer) == root
    home.configure(**{"preferred-chain": "Another Root"})
    assert 'no chain of the CA leads to "Another Root"' in home.expect(0, "renew")
    assert common_name(uppermost(home).issuer) == roots[0]


# --- Account keys ---------------------------------------------------------------------------------

def test_rollover(recent_home):
    home = recent_home(PEBBLE_WFE_NONCEREJECT=50)
    home.expect(0, "issue")
    path = home.certs / home.account("account.key")
    key, url = path.read_bytes(), (home.certs / home.account("account.json")).read_bytes()
    assert "has another key" in home.expect(0, "rollover")
    assert path.read_bytes() != key and not (home.certs / home.account("account.key.new")).exists()
    home.expect(0, "renew")
    assert (home.certs / home.account("account.json")).read_bytes() == url
    # The CA knows the account by its new key, and no longer by the old one.
    (home.certs / home.account("account.json")).unlink()
    assert "known already" in home.expect(0, "renew")
    path.write_bytes(key)
    (home.certs / home.account("account.json")).unlink()
    assert "(created)" in home.expect(0, "renew")


@pytest.mark.parametrize("where", ["before", "after"])
def test_rollover_that_is_cut_off(recent_home, where):
    """Killed before or after the CA changes the key: the next run finds out which one holds."""
    home = recent_home()
    home.expect(0, "issue")
    gate = Gate(home.ca)
    pebble, home.ca = home.ca, gate
    gate.ca_file = pebble.ca_file
    try:
        home.configure()
        home.expect(0, "issue")  # the account of this "other" CA, found by a key of its own
        path = home.certs / home.account("account.key")
        old = path.read_bytes()
        gate.reset()
        home.expect(0, "rollover")
        number = [i for i, r in enumerate(gate.requests) if r[1] == "/rollover-account-key"]
        assert number and path.read_bytes() != old
        old = path.read_bytes()
        gate.reset((number[-1], where))
        child = subprocess.Popen(home.command("rollover"), stderr=subprocess.DEVNULL)
        assert gate.held.wait(20)
        child.kill()
        child.wait()
        assert (home.certs / home.account("account.key.new")).exists() and path.read_bytes() == old
        gate.reset()
        said = home.expect(0, "renew")
        assert ("had not come through" if where == "before" else "had come through") in said
        assert (path.read_bytes() == old) == (where == "before")
        assert not (home.certs / home.account("account.key.new")).exists()
        home.expect(0, "renew")
    finally:
        gate.stop()


def test_rollover_whose_new_key_is_damaged(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.expect(0, "issue")
    (home.certs / home.account("account.key.new")).write_text("nonsense")
    said = home.expect(0, "renew")
    assert "the account keeps its key" in said and "account.key.new.bad" in said
    assert not (home.certs / home.account("account.key.new")).exists()
    assert (home.certs / home.account("account.key.new.bad")).read_text() == "nonsense"
    (home.certs / home.account("account.key.new")).write_text("again")
    home.expect(0, "renew")
    assert (home.certs / home.account("account.key.new.bad")).read_text() == "nonsense"
    assert (home.certs / home.account("account.key.new.bad2")).read_text() == "again"


def test_rollover_to_a_key_of_another_account(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.expect(0, "issue")
    path = home.certs / home.account("account.key")
    key = path.read_bytes()
    fake.script["/key"] = lambda ca, r: Answer(409, problem("malformed", "the key is in use"),
                                               {"Location": ca.url + "/account/9"})
    said = home.expect(1, "rollover")
    assert "belongs to another account" in said and "run derp-acme rollover again" in said
    assert path.read_bytes() == key and not (home.certs / home.account("account.key.new")).exists()
    fake.script["/key"] = lambda ca, r: CUT
    assert "had come through" in home.expect(0, "rollover")  # this CA knows every key
    fake.script["/key"] = lambda ca, r: Answer(200, {})
    home.expect(0, "rollover")
    change = [r for r in fake.seen if r.path == "/key"][-1]
    inner = json.loads(unb64(change.payload["protected"]))
    assert set(inner) == {"alg", "jwk", "url"} and inner["url"] == fake.url + "/key"
    body = json.loads(unb64(change.payload["payload"]))
    assert set(body) == {"account", "oldKey"} and body["account"] == fake.url + "/account/1"
    assert body["oldKey"] != inner["jwk"] and set(change.header) == {"alg", "nonce", "url", "kid"}


def test_rollover_at_a_ca_with_words_of_its_own(fake, make_home):  # noqa: F811
    """A CA that refuses unknown keys in its own way: the old key is asked about as well. Renewals go on."""
    home = make_home(fake)
    home.expect(0, "issue")
    path = home.certs / home.account("account.key")
    key = path.read_bytes()
    jwk = [r for r in fake.seen if r.path == "/account"][0].header["jwk"]
    fake.script = {"/key": lambda ca, r: CUT, "/account": lambda ca, r: None if r.header["jwk"] == jwk else Answer(
        403, problem("externalAccountRequired", "this key is new here"))}
    home.expect(1, "rollover")
    assert not (home.certs / home.account("account.key.new")).exists()
    assert path.read_bytes() == key
    home.expect(0, "renew")


def test_rollover_with_an_answer_of_a_proxy(fake, make_home):  # noqa: F811
    """A refusal that is no ACME problem proves nothing: the new key may hold already."""
    home = make_home(fake)
    home.expect(0, "issue")
    path = home.certs / home.account("account.key")
    key = path.read_bytes()
    fake.script["/key"] = lambda ca, r: Answer(408, b"<h1>Request Timeout</h1>", kind="text/html")
    assert "had come through" in home.expect(0, "rollover")  # this CA knows every key
    assert path.read_bytes() != key


# --- Revocation -----------------------------------------------------------------------------------

@pytest.mark.parametrize("lost", [False, True])
def test_revoke(recent_home, lost):
    """By the account's key, and when that account is another one, by the certificate's own."""
    home = recent_home()
    home.expect(0, "issue")
    if lost:
        (home.certs / home.account("account.key")).unlink()
        (home.certs / home.account("account.json")).unlink()
    serial = format(home.leaf().serial_number, "x")
    said = home.expect(0, "revoke")
    assert ("certificate's own key" in said) == lost
    assert home.ca.certificate_status(serial)["Status"] == "Revoked"
    home.expect(0, "run")
    assert home.current() == "gen-2"


# --- CAA ------------------------------------------------------------------------------------------

def test_caa(recent_home):
    """What is printed is what lets us, and only us, issue: put into the DNS it does."""
    home = recent_home()
    done = home.acme("caa")
    assert done.returncode == 0 and "(created)" in done.stderr  # before the first certificate
    account = json.loads((home.certs / home.account("account.json")).read_text())["url"]
    value = f"pebble.test; accounturi={account}; validationmethods=tls-alpn-01"
    assert done.stdout == f'; {home.ca.directory}\n{DOMAIN}. IN CAA 0 issue "{value}"\n'
    shown = json.loads(home.acme("caa", "--json").stdout)
    assert shown["domain"] == DOMAIN
    assert shown["authorities"] == [{
        "directory": home.ca.directory, "accounturi": account, "names": ["pebble.test"],
        "validationmethods": "tls-alpn-01", "problem": None,
        "records": [{"flags": 0, "tag": "issue", "value": value}]}]
    home.dns.set("add-caa", {"host": f"{DOMAIN}.", "policies": [{"tag": "issue", "value": value}]})
    try:
        home.expect(0, "issue")
        home.dns.set("clear-caa", {"host": f"{DOMAIN}."})
        home.dns.set("add-caa", {"host": f"{DOMAIN}.", "policies": [
            {"tag": "issue", "value": value.replace("tls-alpn-01", "dns-01")}]})
        assert "dns.caa.forbidden" in home.expect(1, "renew")
    finally:
        home.dns.set("clear-caa", {"host": f"{DOMAIN}."})


def test_caa_and_rollover_with_two_cas(recent_home, make_pebble):  # noqa: F811
    home = recent_home()
    second = make_pebble(home.port, program=new_pebble()[0])
    home.configure(**{"fallback-directory": second.directory, "fallback-ca-file": second.ca_file})
    first = json.loads(home.acme("caa", "--json").stdout)["authorities"]
    assert [a["directory"] for a in first] == [home.ca.directory, second.directory]
    assert all(len(a["records"]) == 1 for a in first)
    assert home.expect(0, "rollover").count("has another key") == 2
    assert json.loads(home.acme("caa", "--json").stdout)["authorities"] == first  # the records hold
    home.expect(0, "issue")


def test_caa_without_the_ca(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.stop()
    done = home.acme("caa")
    assert done.returncode == 1 and "the account is not known" in done.stdout
    assert json.loads(home.acme("caa", "--json").stdout)["authorities"][0]["accounturi"] is None


# --- Orders and authorizations --------------------------------------------------------------------

def test_authorizations_of_an_order_that_was_given_up(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.script["/challenge"] = lambda ca, r: CUT
    home.expect(1, "issue")
    fake.script.clear()
    home.domain = "derp2.test"
    home.configure()
    assert "is deactivated" in home.expect(0, "issue")
    sent = [(r.path, r.payload) for r in fake.seen if (r.payload or {}).get("status") == "deactivated"]
    assert sent == [("/authz/1", {"status": "deactivated"})]
    assert "leftover" not in home.state()


def test_everything_reused(recent_home):
    """Authorizations born valid, an order born ready, small Retry-After: still one order, one certificate."""
    home = recent_home(PEBBLE_AUTHZREUSE=100, retry_after=1)
    home.expect(0, "issue")
    for _ in range(2):
        home.expect(0, "renew")
    assert home.current() == "gen-3"


def test_challenges_that_we_do_not_know_are_passed_over(recent_home):
    """This Pebble offers dns-persist-01, which has no token."""
    home = recent_home()
    home.expect(0, "issue")
    home.configure(challenge="dns-01", **{"dns-hook": test_server_hook(home), "dns-wait": "3s"})
    home.leave_account()
    home.expect(0, "renew")


def test_challenge_that_the_ca_does_not_offer(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.configure(challenge="dns-01", **{"dns-hook": "/bin/true"})
    said = home.expect(1, "issue")
    assert "does not offer the challenge dns-01" in said and "it offers: tls-alpn-01" in said


ODD = {
    "NUL bytes": Answer(200, b"\0" * 5000),
    "JSON with a NUL": Answer(200, b'{"status": "val\0id"}'),
    "not UTF-8": Answer(200, b'{"status": "\xff\xfe"}'),
}


@pytest.mark.parametrize("where", ["/directory", "/account", "/order", "/authz", "/certificate"])
def test_bodies_of_nothing(fake, make_home, where):  # noqa: F811
    home = make_home(fake)
    for what, answer in ODD.items():
        fake.script = {where: lambda ca, r, answer=answer: answer}
        # An account needs no more than its Location.
        said = home.acme("issue").stderr if where == "/account" else home.expect(1, "issue")
        assert "Sanitizer" not in said and "\0" not in said, what
        assert where == "/account" or not (home.certs / "current").exists(), what
    fake.script = {}
    assert home.acme("issue").returncode in (0, 2)
    assert home.usable()


def test_wrong_content_types_are_forgiven(fake, make_home):  # noqa: F811
    """What counts is what is in it."""
    home = make_home(fake)
    default = fake.default

    def odd(r):
        answer = default(r)
        answer.headers["Content-Type"] = "text/html; charset=utf-8"
        return answer
    fake.default = odd
    home.expect(0, "issue")
    assert home.usable()


def test_members_that_nobody_knows(fake, make_home):  # noqa: F811
    home = make_home(fake)
    default = fake.default

    def more(r):
        answer = default(r)
        if answer.headers["Content-Type"] == "application/json" and answer.body[:1] == b"{":
            answer.body = json.dumps({"kGl2mTn7Fz0": "https://x/", "zero": None, "list": [None, {}],
                                      **json.loads(answer.body)}).encode()
        return answer
    fake.default = more
    fake.script["/directory"] = lambda ca, r: Answer(200, {
        **json.loads(default(r).body), "renewalInfo": None, "newAuthz": None, "keyChange": None,
        "meta": {"termsOfService": None, "website": None, "caaIdentities": None, "profiles": None,
                 "externalAccountRequired": None}})
    home.expect(0, "issue")
    assert "offers no change of keys" in home.expect(1, "rollover")
