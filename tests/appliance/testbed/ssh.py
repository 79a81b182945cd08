# SPDX-License-Identifier: Apache-2.0
"""Logins over SSH from other hosts to the server's real sshd."""

import pathlib
import subprocess
import sys

from .network import SERVER
from .shell import run, wait_for

# Connects at once, and speaks only when the file is there: a login that takes its time.
_SLOW = """
import os, pathlib, select, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
pathlib.Path(sys.argv[3]).write_text("connected")
while not pathlib.Path(sys.argv[4]).exists():
    time.sleep(0.05)
while True:
    for r in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if r == 0 else s.recv(65536)
        if not data:
            sys.exit()
        s.sendall(data) if r == 0 else os.write(1, data)
"""


class Ssh:
    """A key that the server knows, and logins with it."""

    def __init__(self, world):
        self._world, self._folder = world, world.folder / "ssh"
        self._folder.mkdir()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._folder / "key")
        self._let_in("/root")

    def _let_in(self, home, owner="root"):
        server = self._world.server
        server.put(self._folder / "key.pub", f"{home}/.ssh/authorized_keys", 0o600)
        server.sh(f"chown -R {owner}: {home}/.ssh; chmod 700 {home}/.ssh")

    def add_user(self, name):
        self._world.server.sh(f"useradd -m -s /bin/sh {name}")
        self._let_in(f"/home/{name}", name)

    def sshd(self, *lines, socket=None):
        """sshd with these lines of config, restarted; socket: ports of an ssh.socket instead."""
        server = self._world.server
        server.write("/etc/ssh/sshd_config.d/test.conf", "".join(f"{line}\n" for line in lines))
        if socket is None:
            server.sh("systemctl restart ssh.service")
            return
        server.write("/etc/systemd/system/ssh.socket.d/ports.conf", "[Socket]\nListenStream=\n" +
                     "".join(f"ListenStream={port}\n" for port in socket))
        server.sh("systemctl disable --now ssh.service; systemctl daemon-reload; "
                  "systemctl enable --now ssh.socket")

    def _argv(self, argv, port, user, options):
        # Of two values for an option ssh takes the first.
        return ["ssh", "-F", "none", *options, "-i", self._folder / "key", "-p", port, "-o",
                "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=3",
                f"{user}@{SERVER}", *argv]

    def run(self, *argv, client=1, port=22, user="root", options=(), timeout=60):
        """One command in a login of its own, to its end; code 255: no login."""
        return self._world.clients[client].run(*self._argv(argv, port, user, options), check=False,
                                               timeout=timeout)

    def start(self, *argv, client=1, port=22, user="root", options=()):
        """A login that lasts until its standard input ends, or the command does."""
        return self._world.clients[client].start(
            *self._argv(argv or ("cat",), port, user, options), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def start_slowly(self, port=22, user="root"):
        """Connects now, logs in when go() is called: (process, go)."""
        connected, gate = self._folder / "connected", self._folder / "gate"
        script = self._folder / "slow.py"
        script.write_text(_SLOW)
        proxy = f"ProxyCommand={sys.executable} {script} %h %p {connected} {gate}"
        process = self.start(port=port, user=user, options=("-o", proxy, "-o", "ConnectTimeout=0"))
        wait_for("the connection", 20, connected.exists)
        return process, lambda: gate.write_text("go")

    def master(self, port=22):
        """A login whose connection others may use: (process, options for those others)."""
        path = pathlib.Path(self._folder / "mux")
        process = self.start(port=port, options=("-M", "-S", str(path)))
        wait_for("the shared connection", 20, path.exists)
        return process, ("-S", str(path), "-o", "ControlMaster=no")
