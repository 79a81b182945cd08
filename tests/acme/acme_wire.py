# SPDX-License-Identifier: Apache-2.0
"""What an ACME server reads and writes (RFC 8555 6), for the CAs of tests/system and tests/years. Pure."""
import base64
import json

CUT = object()  # closes the connection instead of answering
PREFIX = "urn:ietf:params:acme:error:"


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def problem(kind, detail, **more):
    return {"type": PREFIX + kind, "detail": detail, **more}


class Answer:
    def __init__(self, status, body=b"", headers=None, kind="application/json"):
        self.status, self.headers = status, dict(headers or {})
        if isinstance(body, (dict, list)):
            kind = "application/problem+json" if status >= 400 else kind
            body = json.dumps(body)
        self.body = body.encode() if isinstance(body, str) else body
        self.headers.setdefault("Content-Type", kind)


class Request:
    """What the client sent: method, path, and of a JWS (RFC 7515, flattened) the protected header and the payload;
    jws is None when it is none."""

    def __init__(self, method, path, raw):
        self.method, self.path, self.header, self.payload, self.jws = method, path, {}, None, None
        if method != "POST":
            return
        try:
            jws = json.loads(raw)
            self.header = json.loads(unb64(jws["protected"]))
            text = unb64(jws["payload"])
            self.payload = json.loads(text) if text else None
            self.jws = jws
        except (ValueError, KeyError, TypeError):
            pass

    def __str__(self):
        return f"{self.method} {self.path}"
