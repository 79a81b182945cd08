# SPDX-License-Identifier: Apache-2.0
"""A relay behind something else, and what people put there: nginx and HAProxy, each run from a folder
of its own, on free ports, by an unprivileged user, and ended with the `with` block."""
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import conftest
import relays
from test_derpd import metric

PATIENCE = 60
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header_v2(source=None, port=0, family=None, tlvs=b"", command=0x21):
    """A PROXY protocol v2 header for a client at source; None: LOCAL, as of a health check."""
    if source is None:
        command, kind, body = 0x20, 0, b""
    else:
        six = ":" in source
        kind = 0x21 if six else 0x11
        pack = (lambda a: socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, a))
        body = pack(source) + pack("::1" if six else "127.0.0.1") + struct.pack(">HH", port, 443)
    body += tlvs
    return SIGNATURE + bytes([command, kind if family is None else family]) + struct.pack(">H", len(body)) + body


def header_v1(source, port):
    return b"PROXY TCP%d %s %s %d 443\r\n" % (6 if ":" in source else 4, source.encode(),
                                             b"::1" if ":" in source else b"127.0.0.1", port)


class FrontedRelay(conftest.Relay):
    """derpd with an address for load balancers, and its debug log."""

    proxy_from, more = "127.0.0.1 ::1", ""

    def command(self):
        command = super().command()
        self.proxy_port = relays.free_ports(1)[0]
        six = " [::1]:%d" % self.proxy_port if relays.has_ipv6() else ""
        self.config.write_text(self.config.read_text().replace(
            "[relay]\n", "[relay]\nlisten-proxy = 127.0.0.1:%d%s\nproxy-from = %s\n"
            % (self.proxy_port, six, self.proxy_from)) + self.more)
        return command + ["--verbose"]

    def behind(self, header=b"", source="127.0.0.1", to=None, flags=0, **options):
        """A client of which the relay sees the header first."""
        raw = self.connect(source, to)
        raw.send(header, flags)
        return self.client(raw=raw, **options)

    def connect(self, source="127.0.0.1", to=None):
        address = ("::1" if ":" in source else "127.0.0.1", to or self.proxy_port)
        raw = socket.create_connection(address, 10, (source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return raw

    def count(self, outcome):
        return metric(self, 'derp_proxy_connections_total{outcome="%s"}' % outcome)

    def logins(self):
        """Addresses of the clients that logged in, as logged, in order."""
        return re.findall(r"logged in from (\S+) \(", self.text())


class Front:
    """A program in front of a relay. configure(port) gives the text of its configuration."""

    program = None

    def __init__(self, configure):
        self.configure = configure
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="front-"))
        self.process = None

    def __enter__(self):
        try:
            for _ in range(3):  # the port may be taken in between
                self.port = relays.free_ports(1)[0]
                if self._start():
                    return self
            raise RuntimeError("%s did not start:\n%s" % (self.program, self.text()))
        except BaseException:
            self.__exit__()
            raise

    def _start(self):
        (self.folder / "conf").write_text(self.configure(self.port))
        root = os.geteuid() == 0
        if root:
            for path in (self.folder, self.folder / "conf"):
                shutil.chown(path, "nobody", "nogroup")
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                **({"user": "nobody", "group": "nogroup", "extra_groups": []} if root else {}))
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        self._stop()
        return False

    def _stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def __exit__(self, *_):
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def text(self):
        return (self.folder / "log").read_text(errors="replace")


class Nginx(Front):
    program = "nginx"

    def command(self):
        return ["/usr/sbin/nginx", "-p", str(self.folder), "-c", "conf", "-e", "stderr"]


NGINX_HEAD = """load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; pid pid; error_log stderr;
events { worker_connections 256; }
"""


def nginx_stream(to, proxy_protocol):
    """Passes TCP through to a port of this host, as in derp.conf(5): by the name in the ClientHello."""
    def configure(port):
        return NGINX_HEAD + """stream {
    map $ssl_preread_server_name $to {
        %s 127.0.0.1:%d;
        default 127.0.0.1:1;
    }
    server {
        listen 127.0.0.1:%d;
        ssl_preread on;
        proxy_pass $to;
        proxy_protocol %s;
    }
}
""" % (relays.HOST, to, port, "on" if proxy_protocol else "off")
    return Nginx(configure)


def nginx_http(to, chain, key, *lines):
    """Ends TLS and passes requests on, as a site's nginx does; lines go into its location."""
    def configure(port):
        temp = "".join("    %s_temp_path temp_%s;\n" % (n, n)
                       for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return NGINX_HEAD + """http {
    access_log off;
%s    server {
        listen 127.0.0.1:%d ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        location / {
            proxy_pass https://127.0.0.1:%d;
            %s
        }
    }
}
""" % (temp, port, chain, key, to, "\n            ".join(lines))
    return Nginx(configure)


class Haproxy(Front):
    program = "haproxy"

    def command(self):
        return ["/usr/sbin/haproxy", "-db", "-f", "conf"]


def haproxy(to, server_options):
    """Passes TCP through to a port of this host, with these options of its `server` line."""
    def configure(port):
        return """defaults
    mode tcp
    maxconn 200
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen relay
    bind 127.0.0.1:%d
    server one 127.0.0.1:%d %s
""" % (port, to, server_options)
    return Haproxy(configure)
