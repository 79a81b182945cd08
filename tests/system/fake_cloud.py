# SPDX-License-Identifier: Apache-2.0
"""Stands in for a cloud's metadata service, at its own address inside a network namespace, and for
those who tell a server its public address by STUN and by HTTPS. Each says on standard output what
it is ("ready") and what it was asked.

    fake_cloud.py metadata CLOUD ADDRESS [REGION]
    fake_cloud.py stun AT ADDRESS
    fake_cloud.py https AT:PORT ADDRESS CERTIFICATE KEY
"""

import http.server
import socket
import ssl
import struct
import sys

AT = {"alibaba": "100.100.100.200", "tencent": "169.254.0.23"}

# path of the token (PUT), header of the token, header of every request, address, region
MANNERS = {
    "alibaba": ("/latest/api/token", "X-aliyun-ecs-metadata-token", None,
                "/latest/meta-data/eipv4", "/latest/meta-data/region-id"),
    "tencent": (None, None, None, "/latest/meta-data/public-ipv4",
                "/latest/meta-data/placement/region"),
    "aws": ("/latest/api/token", "X-aws-ec2-metadata-token", None,
            "/latest/meta-data/public-ipv4", "/latest/meta-data/placement/region"),
    "gce": (None, None, ("Metadata-Flavor", "Google"),
            "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip", None),
    "azure": (None, None, ("Metadata", "true"),
              "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress"
              "?api-version=2021-02-01&format=text",
              "/metadata/instance/compute/location?api-version=2021-02-01&format=text"),
    "hetzner": (None, None, None, "/hetzner/v1/metadata/public-ipv4", None),
    "digitalocean": (None, None, None, "/metadata/v1/interfaces/public/0/ipv4/address", None),
}
TOKEN = "token-of-the-fake"


def say(text):
    print(text, flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    server_version = "fake-metadata"
    address = region = ""
    manner = (None, None, None, "/", None)

    def log_message(self, *args):
        pass

    def reply(self, status, body=""):
        say(f"{self.command} {self.path} {status}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self):
        token, header, *_ = self.manner
        asked = header and self.headers.get(f"{header}-ttl-seconds")
        if self.path == token and asked:
            self.reply(200, TOKEN)
        else:
            self.reply(404)

    def do_GET(self):
        _, token, header, address, region = self.manner
        if token and self.headers.get(token) != TOKEN:
            self.reply(401)
        elif header and self.headers.get(header[0]) != header[1]:
            self.reply(403)
        elif self.path == address and self.address:
            self.reply(200, self.address)
        elif self.path == region and self.region:
            self.reply(200, self.region)
        else:
            self.reply(404)


def serve_http(where, address, region="", manner=None, tls=None):
    Handler.address, Handler.region = address, region
    Handler.manner = manner or Handler.manner
    server = http.server.ThreadingHTTPServer(where, Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    say("ready")
    server.serve_forever()


def serve_stun(at, address):
    """Tells everybody who asks port 3479 the same address (RFC 8489, XOR-MAPPED-ADDRESS)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((at, 3479))
        say("ready")
        while True:
            query, peer = s.recvfrom(2048)
            cookie, txid = query[4:8], query[8:20]
            xor = bytes(a ^ b for a, b in zip(socket.inet_aton(address), cookie))
            port = struct.pack("!H", peer[1] ^ 0x2112)
            attribute = struct.pack("!HHBB", 0x0020, 8, 0, 1) + port + xor
            s.sendto(struct.pack("!HH", 0x0101, len(attribute)) + cookie + txid + attribute, peer)
            say("STUN")


def main(kind, *args):
    if kind == "metadata":
        cloud, address, *region = args
        where = (AT.get(cloud, "169.254.169.254"), 80)
        serve_http(where, address, *region, manner=MANNERS[cloud])
    elif kind == "stun":
        serve_stun(*args)
    else:
        at, address, certificate, key = args
        host, port = at.split(":")
        serve_http((host, int(port)), address, tls=(certificate, key))


if __name__ == "__main__":
    main(*sys.argv[1:])
