# SPDX-License-Identifier: Apache-2.0
"""The relays that are measured, each started alone, on one core, with the same certificate."""
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "interop")]

import gobuild  # noqa: E402
import pki  # noqa: E402
import relays  # noqa: E402

HOST, PORT, STUN_PORT = "relay.bench.test", 443, 3478
CIPHER = "TLS_AES_128_GCM_SHA256"  # what every contender must have agreed upon
PATIENCE = 20.0


def derpd(folder, options):
    lines = ["[relay]", "domain = " + HOST, "listen = 0.0.0.0:%d" % PORT, "stun = 0.0.0.0:%d" % STUN_PORT,
             "metrics = off", "workers = 1", "state-dir = %s" % (folder / "state"),
             *("%s = %s" % o for o in options.items()),
             *relays.derpd_certificate(folder / (HOST + ".crt"), folder / (HOST + ".key"))]
    config = folder / "derp.conf"
    config.write_text("\n".join(lines) + "\n")
    return [str(ROOT / "build" / "derpd"), "--config", str(config)]


def derper(folder, _):
    return relays.derper_command(gobuild.OUT / "derper", folder, HOST, folder / "derper.key", PORT, STUN_PORT, -1)


def floor(_, options):
    """tests/bench/floor/relay.c: no relay, but what any one pays."""
    return [str(ROOT / "build" / "bench" / "floor"), str(PORT), str(STUN_PORT),
            *(["cipher"] if "cipher" in options else [])]


COMMANDS = {"derpd": derpd, "derper": derper, "floor": floor}


class Contender:
    """One of them at work. network says where: a prefix for commands, and the server's address."""

    def __init__(self, kind, network, cpu=0, **options):
        self.kind, self.network, self.cpu, self.options = kind, network, cpu, options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        self.process = None

    def __enter__(self):
        try:
            authority = pki.Authority()
            chain, key = authority.leaf(HOST)
            (self.folder / (HOST + ".crt")).write_bytes(chain)
            (self.folder / (HOST + ".key")).write_bytes(key)
            (self.folder / "ca.pem").write_bytes(pki.cert_pem(authority.root))
            (self.folder / "state").mkdir(mode=0o700)
            command = COMMANDS[self.kind](self.folder, self.options)
            pin = [] if self.cpu is None else ["taskset", "-c", str(self.cpu)]
            with (self.folder / "log").open("w") as log:
                # exec throughout: the process that is measured is the relay itself
                self.process = subprocess.Popen([*self.network.server, *pin, *command], cwd=self.folder,
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None:
            relays.end_process(self.process, signal.SIGTERM, 10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_ready(self):
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            if self._is_ready():
                return
            time.sleep(0.05)
        raise RuntimeError("%s did not start:\n%s" % (self.kind, self.log()))

    def _is_ready(self):
        if self.kind == "floor":  # it pairs clients as they come: nobody else may
            return self.log() == "ready\n"
        cipher = self.network.call(self._cipher)
        if cipher not in (None, CIPHER):
            raise RuntimeError("%s has agreed upon %s" % (self.kind, cipher))
        return cipher is not None

    def _cipher(self):
        """What TLS agrees upon with a client that does not mind; None: nobody answers yet."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        try:
            with socket.create_connection((self.network.address, PORT), 2) as s, \
                 context.wrap_socket(s, server_hostname=HOST) as tls:
                return tls.cipher()[0]
        except OSError:
            return None

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-3000:]
