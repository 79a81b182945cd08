# SPDX-License-Identifier: Apache-2.0
"""A CA that offers the profile shortlived and then refuses every order: what it would not do for some addresses.

    python3 refusing_ca.py CERTIFICATE KEY        at https://ca.test/dir, port 443
"""

import http.server
import json
import ssl
import sys

URL = "https://ca.test"
DIRECTORY = {"newNonce": URL + "/nonce", "newAccount": URL + "/account", "newOrder": URL + "/order",
             "revokeCert": URL + "/revoke", "keyChange": URL + "/change",
             "meta": {"profiles": {"shortlived": "for addresses"}}}
REFUSAL = {"type": "urn:ietf:params:acme:error:rejectedIdentifier",
           "detail": "addresses of this network are not served", "status": 400}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    number = 0

    def _answer(self, status, body=None, kind="application/json", **headers):
        Handler.number += 1
        text = json.dumps(body).encode() if body else b""
        self.send_response(status)
        self.send_header("Replay-Nonce", f"nonce{Handler.number:08}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_HEAD(self):
        self._answer(200)

    def do_GET(self):
        self._answer(200, DIRECTORY if self.path == "/dir" else None)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/account":
            self._answer(201, {"status": "valid"}, Location=URL + "/account/1")
        else:
            self._answer(400, REFUSAL, "application/problem+json")

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = http.server.ThreadingHTTPServer(("", 443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
