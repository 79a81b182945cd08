# SPDX-License-Identifier: Apache-2.0
"""A CA as strict as Let's Encrypt, in the simulation's time: it checks signatures and nonces, validates, keeps
Let's Encrypt's limits and notes each time that they were not kept. It opens no socket; wire.py does."""
import dataclasses
import datetime
import email.utils
import hashlib
import json
import random

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

from acme_wire import CUT, Answer, b64, problem, unb64
from limits import DAY, HOUR, PROFILES, Limits, authorization_reuse, lifetime, order_life, renewal_window

SILENT = object()  # never answers
STAGING = "staging"


class Refusal(Exception):
    def __init__(self, status, kind, detail, headers=None):
        super().__init__(detail)
        self.answer = Answer(status, problem(kind, detail), headers)
        self.kind = kind


def kind_of(r):
    """The kind of a request: "/new-order", whichever CA it goes to."""
    return "/" + r.path.split("/")[2] if r.path.count("/") > 1 else r.path


@dataclasses.dataclass
class Account:
    number: int
    key: object
    thumbprint: str


@dataclasses.dataclass
class Order:
    number: int
    account: Account
    names: list
    profile: str
    made: float
    expires: float
    status: str = "pending"
    token: str = ""
    authorization: str = "pending"
    error: dict = None
    certificate: str = None
    done_at: float = 0      # end of processing
    csr: bytes = None
    replaces: str = None
    exempt: bool = False
    told: bool = True       # the client has heard of it
    fetched: bool = False   # the certificate was downloaded
    forgivable: str = ""    # why giving it up is right


@dataclasses.dataclass
class Issued:
    order: Order
    begin: float
    end: float
    serial: int
    window: tuple
    replaced: bool = False
    revoked_at: float = None


class Ca:
    """One directory, at URL/PREFIX/directory."""

    identity = "ca.test"     # in CAA records
    default_profile = "classic"
    trial = False            # a staging directory: orders are not meant to become certificates
    reuse_orders = False     # newOrder returns an order under way, as Boulder does
    processing = 0           # seconds that issuing takes
    ari = True
    empty_authorizations = False

    def __init__(self, prefix, clock, seed, world):
        self.prefix, self.clock, self.world = prefix, clock, world
        self.random = random.Random(f"ca {prefix} {seed}")
        self.url = None      # set by wire.py
        self.accounts, self.orders, self.issued, self.nonces = {}, {}, {}, set()
        self.numbers = 0
        self.limits = Limits()
        self.authorized = {}  # (account, name) -> until
        self.violations, self.abandoned = [], []
        self.quiet_until = 0  # a Retry-After that we gave
        self.excused_until = 0  # the same, before the client's clock jumped
        self.polled = {}      # path -> not before
        self.counts = {"requests": 0, "orders": 0, "certificates": 0, "failed validations": 0, "accounts": 0}
        self._make_root()

    def now(self):
        return self.clock.now()

    def number(self):
        self.numbers += 1
        return self.numbers

    def violation(self, text):
        self.violations.append(text)
        self.world.note("VIOLATION", f"{self.prefix}: {text}")

    # --- Certificates -----------------------------------------------------------------------------

    def _make_root(self):
        key = CA_KEYS.setdefault(self.prefix, ec.generate_private_key(ec.SECP256R1()))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Root {self.prefix} of a simulation")])
        self.root_key, self.root_name = key, name
        self.key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        begin = datetime.datetime(2020, 1, 1)
        self.root = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                     .serial_number(1).not_valid_before(begin).not_valid_after(datetime.datetime(2049, 1, 1))
                     .add_extension(x509.BasicConstraints(True, None), True)
                     .add_extension(self.key_id, False).sign(key, hashes.SHA256()))
        self.root_pem = self.root.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, order):
        csr = x509.load_der_x509_csr(order.csr)
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        serial = self.random.getrandbits(127) | 1 << 127  # the high bit is set: DER needs a leading 00
        begin = int(self.now()) - HOUR
        end = begin + int(lifetime(order.profile, self.now()))
        stamp = lambda t: datetime.datetime.utcfromtimestamp(t)  # noqa: E731
        cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(self.root_name)
                .public_key(csr.public_key()).serial_number(serial)
                .not_valid_before(stamp(begin)).not_valid_after(stamp(end - 1))
                .add_extension(x509.SubjectAlternativeName(list(names)), True)
                .add_extension(x509.AuthorityKeyIdentifier(self.key_id.digest, None, None), False)
                .add_extension(x509.BasicConstraints(False, None), True).sign(self.root_key, hashes.SHA256()))
        der = serial.to_bytes((serial.bit_length() + 8) // 8, "big")
        cert_id = f"{b64(self.key_id.digest)}.{b64(der)}"
        self.issued[cert_id] = Issued(order, begin, end, serial, renewal_window(begin, end))
        order.certificate = cert.public_bytes(serialization.Encoding.PEM).decode() + self.root_pem
        order.status = "valid"
        self.counts["certificates"] += 1
        if not order.exempt:
            for name in ("certificates of a domain", "certificates of a name set"):
                self.limits[name].take(self.now())
        self.limits["consecutive failures"].reset()
        if order.replaces:
            self.issued[order.replaces].replaced = True

    def by_serial(self, serial):
        return next((c for c in self.issued.values() if c.serial == serial), None)

    # --- Who asks ---------------------------------------------------------------------------------

    def verify(self, r):
        """The account, or the key of a new one; RFC 8555 6.2 to 6.5."""
        if r.jws is None or r.header.get("alg") != "ES256" or ("kid" in r.header) == ("jwk" in r.header):
            raise Refusal(400, "malformed", "this is not a JWS as RFC 8555 wants it")
        if r.header.get("url") != self.url + r.path:
            raise Refusal(401, "unauthorized", "the JWS is for another URL")
        if r.header.get("nonce") not in self.nonces:
            raise Refusal(400, "badNonce", "this nonce is unknown")
        self.nonces.discard(r.header["nonce"])
        account = None
        if "kid" in r.header:
            account = self.accounts.get(r.header["kid"])
            if account is None:
                raise Refusal(400, "accountDoesNotExist", f"Account {r.header['kid']!r} not found")
            key = account.key
        else:
            jwk = r.header["jwk"]
            point = [int.from_bytes(unb64(jwk[c]), "big") for c in "xy"]
            key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
        signature = unb64(r.jws["signature"])
        halves = [int.from_bytes(signature[i:i + 32], "big") for i in (0, 32)]
        try:
            key.verify(utils.encode_dss_signature(*halves), f"{r.jws['protected']}.{r.jws['payload']}".encode(),
                       ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Refusal(400, "malformed", "the signature is wrong") from None
        return account, key

    def new_account(self, r, key):
        jwk = r.header["jwk"]
        text = json.dumps({k: jwk[k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        thumbprint = b64(hashlib.sha256(text.encode()).digest())
        for url, account in self.accounts.items():
            if account.thumbprint == thumbprint:
                return Answer(200, {"status": "valid"}, {"Location": url})
        if r.payload.get("onlyReturnExisting"):
            raise Refusal(400, "accountDoesNotExist", "no account has this key")
        if not self.limits["accounts"].take(self.now()):
            self.limit("accounts", 3 * HOUR)
        account = Account(self.number(), key, thumbprint)
        url = f"{self.url}/{self.prefix}/account/{account.number}"
        self.accounts[url] = account
        self.counts["accounts"] += 1
        return Answer(201, {"status": "valid"}, {"Location": url})

    def limit(self, name, wait):
        self.violation(f"limit passed: {name}")
        self.quiet_until = self.now() + wait
        raise Refusal(429, "rateLimited", f"too many {name}", {"Retry-After": str(int(wait))})

    # --- Orders -----------------------------------------------------------------------------------

    def new_order(self, account, payload):
        now, names = self.now(), [i["value"] for i in payload["identifiers"]]
        profile = payload.get("profile", self.default_profile)
        if profile not in PROFILES:
            raise Refusal(400, "invalidProfile", f"no profile {profile}")
        replaces = payload.get("replaces")
        exempt = self.check_replaces(account, replaces)
        under_way = [o for o in self.orders.values() if o.account is account and o.names == names and self.alive(o)]
        for old in under_way:
            if self.reuse_orders and old.status in ("pending", "ready") and old.profile == profile:
                old.told = True
                return old
        if not exempt:
            for name, wait in (("certificates of a domain", 12 * HOUR), ("certificates of a name set", 34 * HOUR)):
                if not self.limits[name].room(now):  # taken when one is issued
                    self.limit(name, wait)
            if not self.limits["orders"].take(now):
                self.limit("orders", HOUR)
        if not self.limits["failed validations"].room(now):
            self.limit("failed validations", 12 * 60)
        if not self.limits["consecutive failures"].room(now):
            self.limit("consecutive failures", DAY)
        for old in under_way:
            self.abandon(old)
        order = Order(self.number(), account, names, profile, now, now + order_life(profile),
                      replaces=replaces, exempt=exempt)
        order.token = b64(self.random.randbytes(32))
        if self.authorized.get((account.number, names[0]), 0) > now:
            order.authorization, order.status = "valid", "ready"
        self.orders[order.number] = order
        self.counts["orders"] += 1
        self.world.ordered(self)
        return order

    def check_replaces(self, account, replaces):
        """True when the order is exempt from limits (RFC 9773 5; Boulder's validateReplacementOrder)."""
        if replaces is None:
            return False
        old = self.issued.get(replaces)
        if old is None or old.order.account is not account:
            raise Refusal(404, "malformed", "replaces: no such certificate of this account")
        waiting = any(o.replaces == replaces and self.alive(o) for o in self.orders.values())
        if old.replaced or waiting:
            raise Refusal(409, "alreadyReplaced", "an order replaces this certificate already")
        return old.window[0] <= self.now() < old.window[1]

    def alive(self, order):
        """Could it still become a certificate that its client has not got?"""
        return order.status != "invalid" and not order.fetched and self.now() < order.expires

    def spent_on_useless(self):
        """Has the limit of a name set been used up by certificates that were of no use?"""
        lately = sorted(self.issued.values(), key=lambda i: i.begin)[-5:]
        return (not self.limits["certificates of a name set"].room(self.now())
                and any(i.order.forgivable for i in lately))

    def abandon(self, order):
        age = (self.now() - order.made) / HOUR
        if age > min(24, lifetime(order.profile, self.now()) / HOUR / 10) - 1:  # our clock may be an hour off
            return
        if order.told and not order.forgivable and not self.trial:
            text = f"order {order.number} ({order.status}, {age:.1f} h old) was given up for a new one"
            self.abandoned.append(text)
            self.world.note("ABANDONED", text)

    def find(self, account, number):
        order = self.orders.get(number)
        if order is None or order.account is not account:
            raise Refusal(404, "malformed", f"No order for ID {number}")
        if order.status == "processing" and self.now() >= order.done_at:
            self.issue(order)
        if self.now() >= order.expires and order.status != "valid":
            order.status = "invalid"
            raise Refusal(404, "malformed", f"No order for ID {number}: expired")
        return order

    def show(self, order):
        base = f"{self.url}/{self.prefix}"
        body = {"status": order.status, "expires": stamp(order.expires),
                "identifiers": [{"type": "dns", "value": n} for n in order.names],
                "authorizations": [] if self.empty_authorizations and order.authorization == "valid"
                else [f"{base}/authz/{order.number}"],
                "finalize": f"{base}/finalize/{order.number}"}
        if order.error:
            body["error"] = order.error
        if order.certificate:
            body["certificate"] = f"{base}/certificate/{order.number}"
        headers = {"Location": f"{base}/order/{order.number}"}
        if order.status == "processing":
            headers["Retry-After"] = "3"
        return body, headers

    def show_challenge(self, order):
        challenge = {"type": "tls-alpn-01", "url": f"{self.url}/{self.prefix}/challenge/{order.number}",
                     "token": order.token, "status": order.authorization}
        if order.error:
            challenge["error"] = order.error
        return challenge

    def validate(self, order):
        """The CA looks at our server, as the world is now."""
        error = self.world.validation(self, order)
        if error is None:
            order.authorization, order.status = "valid", "ready"
            reuse = authorization_reuse(order.profile, self.now())
            self.authorized[(order.account.number, order.names[0])] = self.now() + reuse
            return
        self.counts["failed validations"] += 1
        if not self.limits["failed validations"].take(self.now()):
            self.violation("limit passed: failed validations")
        if not self.limits["consecutive failures"].take(self.now()):
            self.violation("limit passed: consecutive failures, the account is paused")
        order.authorization = order.status = "invalid"
        order.error = error
        self.world.validation_failed(self, error)

    def deactivate(self, order):
        """RFC 8555 7.5.2: the authorization is not reused any more."""
        self.authorized.pop((order.account.number, order.names[0]), None)
        for other in self.orders.values():
            if other.account is order.account and other.names == order.names and other.status in ("pending", "ready"):
                other.authorization, other.status = "deactivated", "invalid"

    def finalize(self, order, payload):
        if order.status != "ready":
            raise Refusal(403, "orderNotReady", f"Order's status (\"{order.status}\") is not acceptable")
        order.csr = unb64(payload["csr"])
        order.status, order.done_at = "processing", self.now() + self.processing
        if self.processing == 0:
            self.issue(order)

    def key_digest(self, order):
        """What tls-alpn-01 must show (RFC 8737 3)."""
        return hashlib.sha256(f"{order.token}.{order.account.thumbprint}".encode()).digest()

    # --- Answers ----------------------------------------------------------------------------------

    def directory(self):
        base = f"{self.url}/{self.prefix}"
        body = {"newNonce": base + "/nonce", "newAccount": base + "/new-account", "newOrder": base + "/new-order",
                "revokeCert": base + "/revoke", "keyChange": base + "/key-change",
                "Kq1ZbX9aT4s": "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417",
                "meta": {"website": "https://example.test", "caaIdentities": [self.identity],
                         "termsOfService": "https://example.test/terms", "profiles": {p: "" for p in PROFILES}}}
        if self.ari:
            body["renewalInfo"] = base + "/renewal-info"
        return Answer(200, body)

    def renewal_info(self, cert_id):
        issued = self.issued.get(cert_id)
        if issued is None:
            raise Refusal(404, "malformed", "no such certificate")
        begin, end = issued.window
        headers = {"Retry-After": str(int(6 * HOUR * self.random.uniform(0.8, 1.2)))}
        return Answer(200, {"suggestedWindow": {"start": stamp(begin), "end": stamp(end)}}, headers)

    def default(self, r):
        kind, rest = kind_of(r), r.path.split("/")[3:]
        if kind == "/directory":
            return self.directory()
        if kind == "/nonce":
            return Answer(200 if r.method == "HEAD" else 204)
        if kind == "/renewal-info" and rest:
            return self.renewal_info(rest[0])
        account, key = self.verify(r)
        if kind == "/new-account":
            return self.new_account(r, key)
        if account is None:
            raise Refusal(400, "malformed", "this needs a kid")
        if kind == "/new-order":
            body, headers = self.show(self.new_order(account, r.payload))
            return Answer(201, body, headers)
        if not rest or not rest[0].isdigit():
            raise Refusal(404, "malformed", "no such thing here")
        return self.about_order(r, self.find(account, int(rest[0])))

    def about_order(self, r, order):
        kind = kind_of(r)
        if kind == "/authz":
            if r.payload and r.payload.get("status") == "deactivated":
                self.deactivate(order)
            return Answer(200, {"status": order.authorization, "identifier": {"type": "dns", "value": order.names[0]},
                                "expires": stamp(order.expires), "challenges": [self.show_challenge(order)]})
        if kind == "/challenge":
            if order.authorization == "pending" and r.payload is not None:
                self.validate(order)
            return Answer(200, self.show_challenge(order))
        if kind == "/certificate" and order.certificate:
            return Answer(200, order.certificate, kind="application/pem-certificate-chain")
        if kind == "/finalize":
            self.finalize(order, r.payload)
        elif kind != "/order":
            raise Refusal(404, "malformed", "no such thing here")
        body, headers = self.show(order)
        return Answer(200, body, headers)

    def answer(self, r):
        """An Answer, CUT or SILENT. Faults of the world come before and after what a CA does."""
        self.counts["requests"] += 1
        self.keep_away(r)
        answer = self.world.before(self, r)
        if answer is None:
            try:
                answer = self.default(r)
            except Refusal as refusal:
                answer = refusal.answer
            answer = self.world.after(self, r, answer)
        if answer is CUT or answer is SILENT:
            return answer
        wait = answer.headers.get("Retry-After")
        if wait and answer.status in (429, 503):
            until = email.utils.parsedate_to_datetime(wait).timestamp() if "," in wait else self.now() + int(wait)
            self.quiet_until = max(self.quiet_until, until)
        if wait and kind_of(r) == "/order":
            self.polled[r.path] = self.now() + int(wait)
        if "Replay-Nonce" not in answer.headers:
            nonce = b64(self.random.randbytes(16))
            self.nonces.add(nonce)
            answer.headers["Replay-Nonce"] = nonce
        return answer

    def keep_away(self, r):
        """Retry-After is asked for by those who then look whether it is kept."""
        now = self.now()
        if now < self.quiet_until - 1 and self.quiet_until != self.excused_until:
            self.violation(f"{r} came {self.quiet_until - now:.0f} s before the end of Retry-After")
        if now < self.polled.get(r.path, 0) - 0.1:
            self.violation(f"{r} was polled {self.polled[r.path] - now:.1f} s too early")

    def forget(self):
        """The CA's database is lost."""
        self.accounts.clear()
        self.orders.clear()
        self.authorized.clear()


def stamp(t):
    return datetime.datetime.utcfromtimestamp(int(t)).strftime("%Y-%m-%dT%H:%M:%SZ")


CA_KEYS = {}  # prefix -> key: one for all seeds of a process
