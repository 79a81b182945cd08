# SPDX-License-Identifier: Apache-2.0
"""A scripted ACME server, and a fake: it believes every client and validates nothing.

It is for what a real CA cannot be made to do: rate limits, nonsense, cut connections. By default it issues
certificates as RFC 8555 describes; a test replaces single answers:

    ca.script["/order"] = lambda ca, request: Answer(429, problem("rateLimited", "too many"), {"Retry-After": "60"})

A script that returns None leaves the answer to the default; CUT closes the connection instead of answering.
"""
import datetime
import email.utils
import http.server
import itertools
import pathlib
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pebble import self_signed

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "acme"))

from acme_wire import CUT, Answer, Request, b64, problem, unb64  # noqa: E402


class FakeCa:
    def __init__(self, folder, lifetime=90 * 86400):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.lifetime = lifetime
        self.clock = 0  # seconds that this CA's clock is ahead
        self.dated = True  # answers bear a Date
        self.script = {}
        self.seen = []  # Request objects in order
        self.numbers, self.nonces = itertools.count(1), itertools.count(1)
        self.orders = {}  # number -> {"status", "names", "certificate"}
        self.accounts = 0
        self.order_status = "pending"  # of new orders
        self.backdate = 3600
        self.serial = None  # of the next certificates; None: random
        self.window = None  # renewalInfo: (start, end) in seconds from now, or whole documents; None: not offered
        self.ca_age = 3650 * 86400
        self._make_ca()
        self.ca_file, key = self_signed(self.folder, stem="fake")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.directory = self.url + "/directory"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def count(self, path):
        return sum(1 for r in self.seen if r.path == path)

    # --- Certificates ---------------------------------------------------------------------------

    def now(self):
        return datetime.datetime.utcnow() + datetime.timedelta(seconds=self.clock)

    def _make_ca(self):
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fake CA of a test")])
        self.ca_cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                        .public_key(self.ca_key.public_key()).serial_number(x509.random_serial_number())
                        .not_valid_before(self.now() - datetime.timedelta(seconds=self.ca_age))
                        .not_valid_after(self.now() + datetime.timedelta(days=3650))
                        .add_extension(x509.BasicConstraints(True, None), True)
                        .sign(self.ca_key, hashes.SHA256()))

    def issue(self, csr_der, key=None):
        csr = x509.load_der_x509_csr(csr_der)
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        begin = self.now() - datetime.timedelta(seconds=self.backdate)
        cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(self.ca_cert.subject)
                .public_key(key or csr.public_key()).serial_number(self.serial or x509.random_serial_number())
                .not_valid_before(begin).not_valid_after(begin + datetime.timedelta(seconds=self.lifetime))
                .add_extension(x509.SubjectAlternativeName(names), False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.public_key()), False)
                .add_extension(x509.BasicConstraints(False, None), True).sign(self.ca_key, hashes.SHA256()))
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (cert, self.ca_cert)).decode()

    def cert_id(self, cert):
        """certID of RFC 9773 4.1, by another way than the client's."""
        key_id = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        serial = cert.serial_number.to_bytes(cert.serial_number.bit_length() // 8 + 1, "big")
        return ".".join(b64(part) for part in (key_id, serial))

    def renewal_info(self):
        if isinstance(self.window, Answer):
            return self.window
        start, end = (f"{self.now() + datetime.timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}" for s in self.window)
        return Answer(200, {"suggestedWindow": {"start": start, "end": end},
                            "explanationURL": self.url + "/why"}, {"Retry-After": "21600"})

    # --- Answers --------------------------------------------------------------------------------

    def order(self, number):
        order = self.orders[number]
        body = {"status": order["status"], "identifiers": [{"type": "dns", "value": n} for n in order["names"]],
                "authorizations": [f"{self.url}/authz/{number}"], "finalize": f"{self.url}/finalize/{number}"}
        if order["status"] == "valid":
            body["certificate"] = f"{self.url}/certificate/{number}"
        return body

    def default(self, r):
        """What an obliging CA answers."""
        _, what, *rest = r.path.split("/")
        if what == "ari" and self.window:
            return self.renewal_info()
        number = int(rest[0]) if rest else None
        order = self.orders.get(number)
        if what == "directory":
            return Answer(200, {
                **({"renewalInfo": self.url + "/ari"} if self.window else {}),
                "newNonce": self.url + "/nonce", "newAccount": self.url + "/account", "newOrder": self.url + "/order",
                "revokeCert": self.url + "/revoke", "keyChange": self.url + "/key",
                "meta": {"website": "this is a fake CA for tests", "caaIdentities": ["fake.test"]}})
        if what == "nonce":
            return Answer(200 if r.method == "HEAD" else 204)
        if what == "revoke":
            return Answer(200)
        if what == "account":
            if not self.accounts and (r.payload or {}).get("onlyReturnExisting"):
                return Answer(400, problem("accountDoesNotExist", "no account with this key"))
            known, self.accounts = self.accounts, 1
            return Answer(200 if known else 201, {"status": "valid"}, {"Location": self.url + "/account/1"})
        if what == "order" and number is None:
            number = next(self.numbers)
            self.orders[number] = {"status": self.order_status,
                                   "names": [i["value"] for i in r.payload["identifiers"]]}
            return Answer(201, self.order(number), {"Location": f"{self.url}/order/{number}"})
        if number is None or not order:
            return Answer(404, problem("malformed", "no such thing here"))
        if what == "order":
            return Answer(200, self.order(number))
        if what == "authz":
            status = "pending" if order["status"] == "pending" else "valid"
            return Answer(200, {"status": status, "identifier": {"type": "dns", "value": order["names"][0]},
                                "challenges": [{"type": "tls-alpn-01", "url": f"{self.url}/challenge/{number}",
                                                "token": "fake_token_0123456789ab", "status": status}]})
        if what == "challenge":
            order["status"] = "ready"
            return Answer(200, {"type": "tls-alpn-01", "url": self.url + r.path, "status": "processing"})
        if what == "finalize":
            order["certificate"] = self.issue(unb64(r.payload["csr"]))
            order["status"] = "valid"
            return Answer(200, self.order(number))
        if what == "certificate":
            return Answer(200, order["certificate"], kind="application/pem-certificate-chain")
        return Answer(404, problem("malformed", "no such thing here"))

    def answer(self, r):
        self.seen.append(r)
        what = "/" + r.path.split("/")[1]
        script = self.script.get(r.path) or self.script.get(what)
        return (script(self, r) if script else None) or self.default(r)

    def _handler(ca):  # noqa: N805 - the handler's self is another
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def date_time_string(self, timestamp=None):
                return email.utils.format_datetime(ca.now().replace(tzinfo=datetime.timezone.utc), usegmt=True)

            def respond(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = ca.answer(Request(self.command, self.path, raw))
                if answer is CUT:
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                if ca.dated:
                    self.send_header("Date", self.date_time_string())
                headers = {"Replay-Nonce": f"nonce{next(ca.nonces)}", **answer.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_POST = do_HEAD = respond  # noqa: N815
        return Handler
