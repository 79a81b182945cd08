# SPDX-License-Identifier: Apache-2.0
"""A fake of what derpd asks whether a client may use it."""
import http.server
import json
import os
import socketserver
import threading
import time


class Source:
    """A fake of an admission source that speaks HTTP: a URL, or tailscaled's local API on a socket.

    It knows keys (hex); delay holds each answer back, latency for so many seconds; status and body replace the right answer;
    so many lies are told about keys that it knows; addresses collects where clients come from, and
    those in strangers are refused. With anyone set every key is known."""

    def __init__(self, path=None, port=0):
        self.keys, self.asked, self.delay = set(), [], threading.Event()
        self.delay.set()
        self.latency = 0
        self.status = self.body = None
        self.lies = 0
        self.addresses, self.strangers, self.anyone = [], set(), False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return "local"

            def log_message(self, *_):
                pass

            def answer(self, admitted, body):
                outer.delay.wait(30)
                time.sleep(outer.latency)
                status = outer.status or (200 if admitted else 404)
                body = outer.body if outer.body is not None else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def knows(self, key):
                outer.asked.append(key)
                if key in outer.keys and outer.lies > 0:
                    outer.lies -= 1
                    return False
                return outer.anyone or key in outer.keys

            def do_GET(self):
                assert self.headers["Host"] == "local-tailscaled.sock"
                assert self.path.startswith("/localapi/v0/whois?addr=nodekey:")
                known = self.knows(self.path[-64:])
                self.answer(known, b'{"Node":{}}' if known else b"no match for IP:port\n")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert sorted(body) == ["NodePublic", "Source"]
                outer.addresses.append(body["Source"])
                key = body["NodePublic"][len("nodekey:"):]
                self.answer(True, json.dumps({"Allow": self.knows(key) and body["Source"] not in outer.strangers}).encode())

        if path is None:
            class WebServer(http.server.ThreadingHTTPServer):
                request_queue_size = 128

                def handle_error(self, *_):
                    """The relay has given up the question."""
            self.server = WebServer(("127.0.0.1", port), Handler)
            self.port = self.server.server_address[1]
            self.where = "url:http://127.0.0.1:%d/verify" % self.port
        else:
            class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
                daemon_threads = True

                def handle_error(self, *_):
                    """The relay has given up the question."""
            self.server = UnixServer(str(path), Handler)
            os.chmod(path, 0o777)
            self.where = "tailscaled:%s" % path
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.delay.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
