# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: one class or row for each. A fault begins, changes what the world answers, and ends."""
import contextlib
import email.utils
import json
import shutil

from acme_wire import CUT, Answer, problem
from ca import Order, kind_of
from clock import DISK_FULL, DISK_GOOD, DISK_READ_ONLY
from limits import DAY, HOUR, MINUTE

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


class Fault:
    name = ""
    blocks = True  # while it lasts no certificate can be got: the CA is not usable
    of_ca = False  # it is a CA's, and another may be well
    most = 1000 * DAY
    target = None  # CAs (their prefixes) that it is about; None: all

    def hits(self, ca):
        return self.target is None or ca.prefix in self.target

    def hinders(self, w, ca):
        """Can this CA be used?"""
        return self.blocks and self.hits(ca)

    def begin(self, w):
        pass

    def end(self, w):
        pass

    def before(self, w, ca, r):
        """An answer instead of the CA's, or None."""

    def after(self, w, ca, r, answer):
        """What becomes of the CA's answer."""
        return answer


class OfCa(Fault):
    of_ca = True


# --- The way to the CA ----------------------------------------------------------------------------

class Network(Fault):
    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        if kind == "silent":  # costs the test more time than it tells
            self.most = 6 * DAY

    def begin(self, w):
        w.network = self.kind

    def end(self, w):
        w.network = "good"


class CutOnce(OfCa):
    """Each request is done by the CA, and its first answer is lost on the way."""
    name = "connection cut after each request"
    blocks = False

    def begin(self, w):
        self.cut = set()

    def after(self, w, ca, r, answer):
        key = (ca.prefix, kind_of(r), r.payload is None)
        if key in self.cut or kind_of(r) in ("/directory", "/nonce"):
            return answer
        self.cut.add(key)
        return CUT


class CutAlways(OfCa):
    name = "connection cut at one kind of request"

    def begin(self, w):
        self.what = w.random.choice(["/new-order", "/finalize", "/certificate", "/authz", "/challenge", "/new-account"])

    def after(self, w, ca, r, answer):
        return CUT if kind_of(r) == self.what else answer


# --- The CA ---------------------------------------------------------------------------------------

def retry_after(w, least, most):
    """Retry-After in one of its forms (RFC 9110 10.2.3), or not at all."""
    seconds = int(w.random.uniform(least, most))
    form = w.random.choice(["seconds", "date", "none"])
    if form == "none":
        return {}
    return {"Retry-After": str(seconds) if form == "seconds"
            else email.utils.formatdate(int(w.clock.now()) + seconds, usegmt=True)}


class Overload(OfCa):
    name = "CA overloaded (503)"

    def begin(self, w):
        self.all = w.random.random() < 0.5

    def before(self, w, ca, r):
        if self.all or r.method == "POST":
            return Answer(503, problem("rateLimited", "Service busy; retry later."), retry_after(w, 60, 2 * HOUR))
        return None


class Broken(OfCa):
    name = "CA answers 500"

    def before(self, w, ca, r):
        body = w.random.choice([b"", problem("serverInternal", "Error creating new order")])
        return Answer(500, body) if kind_of(r) in ("/new-order", "/finalize", "/order", "/nonce") else None


class RateLimit(OfCa):
    name = "rate limit (429)"

    def before(self, w, ca, r):
        if kind_of(r) != "/new-order":
            return None
        return Answer(429, problem("rateLimited", "too many certificates (5) already issued for this exact set of "
                                   "identifiers in the last 168h0m0s"), retry_after(w, HOUR, 34 * HOUR))


class Paused(OfCa):
    name = "account paused"

    def before(self, w, ca, r):
        if kind_of(r) != "/new-order":
            return None
        return Answer(429, problem("rateLimited", "Your account is temporarily prevented from requesting certificates "
                                   "for derp.sim.test and possibly others. Please visit: https://ca.test/unpause"))


class Terms(OfCa):
    name = "terms changed"

    def before(self, w, ca, r):
        if kind_of(r) != "/new-order":
            return None
        return Answer(403, problem("userActionRequired", "You must agree to the new terms", instance="https://ca.test/t"),
                      {"Link": '<https://ca.test/terms-2>;rel="terms-of-service"'})


class Gone(OfCa):
    name = "CA gone"

    def before(self, w, ca, r):
        return CUT


class Sluggish(OfCa):
    """Each answer comes just before a client gives up: a run must end before systemd ends it."""
    name = "CA answers after 55 seconds"
    most = 3 * DAY

    def before(self, w, ca, r):
        w.clock.pass_time(55)


class NoProfile(OfCa):
    """The profile is offered no more, in one of two ways."""
    name = "profile withdrawn"
    blocks = False

    def begin(self, w):
        self.listed = w.random.random() < 0.5

    def before(self, w, ca, r):
        if kind_of(r) == "/new-order" and r.payload and "profile" in r.payload:
            return Answer(400, problem("invalidProfile", "this account may not use the profile"))
        return None

    def after(self, w, ca, r, answer):
        if kind_of(r) == "/directory" and answer is not CUT and answer.status == 200 and not self.listed:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # another fault may have spoiled it
                body = json.loads(answer.body)
                body["meta"]["profiles"] = {"another": ""}
                return Answer(200, body)
        return answer


class Withdrawn(OfCa):
    name = "CA withdraws the account"

    def before(self, w, ca, r):
        if "jwk" in r.header or "kid" in r.header:
            return Answer(403, problem("unauthorized", "Account is not valid, has status \"deactivated\""))
        return None


class Refused(OfCa):
    name = "CA refuses the name"

    def before(self, w, ca, r):
        if kind_of(r) != "/new-order":
            return None
        return Answer(400, problem("rejectedIdentifier", "The ACME server refuses to issue a certificate for this "
                                   "domain name, because it is forbidden by policy"))


class Database(OfCa):
    name = "CA forgets account and orders"
    blocks = False

    def begin(self, w):
        for ca in w.cas:
            if self.hits(ca):
                ca.forget()


class BadNonces(OfCa):
    name = "half of the nonces refused"
    blocks = False

    def before(self, w, ca, r):
        if r.method == "POST" and w.random.random() < 0.5:
            ca.nonces.discard(r.header.get("nonce"))
            return Answer(400, problem("badNonce", "JWS has an invalid anti-replay nonce"))
        return None


class Slow(OfCa):
    """Issuing takes its time."""
    blocks = False

    def __init__(self, name, draw):
        self.name, self.draw = name, draw

    def begin(self, w):
        drawn = self.draw(w)
        for ca in w.cas:
            if self.hits(ca):
                ca.processing = drawn

    def end(self, w):
        for ca in w.cas:
            ca.processing = 0


class Born(OfCa):
    name = "orders born ready, without authorizations"
    blocks = False

    def before(self, w, ca, r):
        if kind_of(r) == "/new-order" and r.header.get("kid") in ca.accounts:
            account = ca.accounts[r.header["kid"]]
            for identifier in r.payload["identifiers"]:
                ca.authorized[(account.number, identifier["value"])] = w.clock.now() + HOUR
        ca.empty_authorizations = True

    def end(self, w):
        for ca in w.cas:
            ca.empty_authorizations = False


class Replaced(OfCa):
    name = "409 alreadyReplaced"
    blocks = False

    def before(self, w, ca, r):
        if kind_of(r) == "/new-order" and r.payload and "replaces" in r.payload:
            return Answer(409, problem("alreadyReplaced", "an order replaces this certificate already"))
        return None


class Garbage(OfCa):
    """Answers that are none: each kind at some of the requests."""
    name = "garbage instead of answers"

    def begin(self, w):
        self.kind = w.random.choice(["html", "cut", "zeros", "empty", "huge", "list", "redirect", "short", "null"])

    def after(self, w, ca, r, answer):
        if kind_of(r) == "/nonce" or answer is CUT:
            return answer
        if kind_of(r) == "/certificate":
            w.spoil(ca, r)
        return self.spoil(answer)

    def spoil(self, answer):
        body, status = answer.body, answer.status
        if self.kind == "html":
            return Answer(502, HTML, kind="text/html")
        if self.kind == "redirect":
            return Answer(302, b"", {"Location": "https://127.0.0.1:1/elsewhere"})
        if self.kind == "short":
            return Answer(status, body[:-10], {"Content-Length": str(len(body) + 100)})
        spoiled = {"cut": body[:len(body) // 2], "zeros": bytes(len(body)), "empty": b"", "huge": b"x" * (3 << 20),
                   "list": b"[[[[]]]]", "null": b'{"status": null, "newNonce": null, "identifiers": null}'}[self.kind]
        headers = {k: v for k, v in answer.headers.items() if k in ("Location", "Content-Type")}
        return Answer(status, spoiled, headers)


class WrongChain(OfCa):
    name = "a chain that is not ours"

    def begin(self, w):
        self.kind = w.random.choice(["key", "cut", "other block", "foreign"])

    def after(self, w, ca, r, answer):
        if kind_of(r) != "/certificate" or answer.status != 200:
            return answer
        w.spoil(ca, r)
        body = {"key": b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n" + answer.body,
                "cut": answer.body[:len(answer.body) // 3], "other block": answer.body + HTML,
                "foreign": ca.root_pem.encode()}[self.kind]
        return Answer(200, body, kind="application/pem-certificate-chain")


# --- Our side -------------------------------------------------------------------------------------

class Attribute(Fault):
    """Something of the world is so while the fault lasts."""

    def __init__(self, name, attribute, value, good=None):
        self.name, self.attribute, self.value, self.good = name, attribute, value, good

    def begin(self, w):
        setattr(w, self.attribute, self.value)

    def end(self, w):
        setattr(w, self.attribute, self.good)


class OtherCaa(Attribute):
    """CAA records let only the second CA issue. That is our own mistake: it is asked when it becomes urgent."""

    def __init__(self):
        super().__init__("CAA forbids the first CA", "dns_state", "caa second", "good")

    def hinders(self, w, ca):
        return ca is w.ca or not w.emergency()


class OwnView(Attribute):
    """The DNS is right, and we see another one. In an emergency the CA is asked all the same."""

    def __init__(self):
        super().__init__("DNS moved away, as only we see", "dns_state", "moved for us", "good")

    def hinders(self, w, ca):
        return not w.emergency()


class RelayDown(Fault):
    name = "derpd does not run"

    def begin(self, w):
        w.ports.relay.port.close()

    def end(self, w):
        w.ports.relay.port.open()
        w.machine.relay.restart()


class Stubborn(Fault):
    name = "derpd takes no new certificate"

    def begin(self, w):
        w.machine.relay.stubborn = True

    def end(self, w):
        w.machine.relay.stubborn = False


class Disk(Fault):
    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    def begin(self, w):
        w.shared.disk = self.kind
        # Within the next run, or before it.
        w.shared.disk_at = w.random.choice([0, 0, w.random.randrange(60)])

    def end(self, w):
        w.shared.disk, w.shared.disk_at = DISK_GOOD, 0


CLOCK_MOST = HOUR  # within it everything goes on


class ClockJump(Fault):
    name = "clock wrong"

    def begin(self, w):
        sign = w.random.choice([-1, 1])
        jump = sign * 10 ** w.random.uniform(2.7, 8)
        if w.random.random() < 0.15:
            jump = -w.clock.now() + 3600  # 1 January 1970, as without a battery
        self.name = ("clock behind" if jump < 0 else "clock ahead") + (", within an hour" if abs(jump) < CLOCK_MOST else "")
        self.blocks = abs(jump) >= CLOCK_MOST
        w.jump(jump)

    def end(self, w):
        w.jump(0)


class Lost(Fault):
    """Something is gone from our disk, at once; the rest of the time shows what becomes of it."""
    blocks = False
    most = DAY

    def __init__(self, what):
        self.what, self.name = what, f"lost: {what}"

    def begin(self, w):
        certs = w.machine.certs
        if self.what == "the link":
            (certs / "current").unlink(missing_ok=True)
        elif self.what == "the generation in use":
            shutil.rmtree((certs / "current").resolve(), ignore_errors=True)
        elif self.what == "a byte of the certificate":
            self.flip(certs / "current" / "fullchain.pem")
        elif self.what == "account.json":
            for path in certs.glob("account/*/account.json"):
                path.unlink()
        elif self.what == "the state":
            w.forgive("its state was lost")
            self.scribble(w, certs / "order.json")
        elif self.what == "the pending key":
            w.forgive("its key was lost")
            shutil.rmtree(certs / "pending", ignore_errors=True)
        elif self.what == "everything":
            w.forgive("everything was lost")
            shutil.rmtree(certs, ignore_errors=True)

    @staticmethod
    def flip(path):
        if path.exists():
            data = bytearray(path.read_bytes())
            data[len(data) // 5] ^= 1
            path.write_bytes(data)

    @staticmethod
    def scribble(w, path):
        if path.exists():
            data = path.read_bytes()
            path.write_bytes(w.random.choice([b"", bytes(len(data)), data[:len(data) // 2], b"{}"]))


class DamagedKey(Fault):
    """A byte of each account.key changes; a copy is put back at the end, unless another account was made before."""
    name = "account.key damaged"

    def begin(self, w):
        w.forgive("its account was lost")
        self.good = {path: path.read_bytes() for path in w.machine.certs.glob("account/*/account.key")}
        for path in self.good:
            Lost.flip(path)
        self.bad = {path: path.read_bytes() for path in self.good}

    def end(self, w):
        for path, data in self.bad.items():
            if path.exists() and path.read_bytes() == data:
                path.write_bytes(self.good[path])

    def hinders(self, w, ca):
        return not w.emergency()


LOST = ["the link", "the generation in use", "a byte of the certificate", "account.json", "the state",
        "the pending key", "everything"]

# How often each is drawn in comparison with the others.
FAULTS = [
    (3, lambda: Network("network down", "down")),
    (1, lambda: Network("network silent", "silent")),
    (1, lambda: Network("somebody else's certificate (portal)", "portal")),
    (2, CutOnce), (2, CutAlways), (3, Overload), (2, Broken), (3, RateLimit), (2, Paused), (2, Terms), (1, Database),
    (1, Sluggish), (1, NoProfile), (2, Gone), (2, Withdrawn), (2, Refused), (1, OtherCaa),
    (1, BadNonces), (1, Born), (1, Replaced), (2, Garbage), (2, WrongChain),
    (1, lambda: Slow("issuing takes hours", lambda w: w.random.uniform(0.05, 6) * HOUR)),
    (1, lambda: Slow("issuing takes seconds", lambda w: w.random.uniform(1, 60))),
    (3, lambda: Attribute("port not reachable", "reach", "port")),
    (1, lambda: Attribute("some perspectives blocked", "reach", "secondary")),
    (2, lambda: Attribute("DNS moved away", "dns_state", "moved", "good")),
    (1, lambda: Attribute("DNS broken (SERVFAIL)", "dns_state", "servfail", "good")),
    (1, lambda: Attribute("name deleted", "dns_state", "nxdomain", "good")),
    (2, OwnView),
    (2, lambda: Attribute("CAA forbids", "dns_state", "caa", "good")),
    (1, lambda: Attribute("CAA forbids, as only the CA sees", "dns_state", "caa unseen", "good")),
    (2, RelayDown), (2, Stubborn),
    (2, lambda: Disk("disk full", DISK_FULL)), (2, lambda: Disk("disk read-only", DISK_READ_ONLY)),
    (1, DamagedKey), (3, ClockJump),
] + [(1 if what != "everything" else 0.3, lambda what=what: Lost(what)) for what in LOST]


def deck(random):
    """Makers of faults without end: each seed meets many kinds before one comes again."""
    while True:
        keyed = [(random.random() ** (1 / weight), i, make) for i, (weight, make) in enumerate(FAULTS)]
        for _, _, make in sorted(keyed, reverse=True)[:len(keyed) * 2 // 3]:
            yield make()


__all__ = ["DAY", "FAULTS", "HOUR", "MINUTE", "Order", "deck"]
