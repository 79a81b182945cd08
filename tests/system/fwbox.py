# SPDX-License-Identifier: Apache-2.0
"""A server of its own for firewall tests: private mount, network and process namespaces with the
machine's real ufw on private copies of its files. Nothing outside is touched; everything in it
ends with it."""

import hashlib
import json
import os
import pathlib
import select
import shlex
import shutil
import subprocess
import time

SETUP = r"""
set -e
mount -t tmpfs box /mnt
mkdir -p /mnt/ufw /mnt/default /mnt/run /mnt/state /mnt/sbin/up /mnt/sbin/work /mnt/bin/up \
    /mnt/bin/work
chmod 700 /mnt/state
cp -a /etc/default/. /mnt/default/
cp -a /etc/ufw/. /mnt/ufw/
for f in /usr/share/ufw/iptables/*.rules; do
    [ -e "$f" ] && cp "$f" /mnt/ufw/
done
for f in /usr/share/ufw/ufw.conf /usr/share/ufw/user.rules; do [ -e "$f" ] && cp "$f" /mnt/ufw/; done
sed -i 's/^ENABLED=.*/ENABLED=no/' /mnt/ufw/ufw.conf
sed -i -e 's/^IPV6=.*/IPV6=yes/' -e 's/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY="DROP"/' \
    -e 's/^DEFAULT_OUTPUT_POLICY=.*/DEFAULT_OUTPUT_POLICY="ACCEPT"/' /mnt/default/ufw
mount --bind /mnt/ufw /etc/ufw
mount --bind /mnt/default /etc/default
mount -t tmpfs run /run
mount -t overlay -o lowerdir=/usr/sbin,upperdir=/mnt/sbin/up,workdir=/mnt/sbin/work box /usr/sbin
mount -t overlay -o lowerdir=/usr/bin,upperdir=/mnt/bin/up,workdir=/mnt/bin/work box /usr/bin
rm -f /usr/sbin/sshd
ip link set lo up
echo ready
read -r _ || true
"""

# A process with the name of another program, that listens where it is told.
LISTENER = r"""
import ctypes, os, socket, sys, time
ctypes.CDLL(None).prctl(15, sys.argv[1].encode())
held = []
for spec in sys.argv[2:]:
    proto, host, port = spec.split(",")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, int(port)))
    if proto == "tcp":
        s.listen()
    held.append(s)
print("ready", flush=True)
sys.stdin.read()
"""

# An sshd as the kernel sees it: one process listens, another serves a login, and starts a command.
SESSION = r"""
import ctypes, os, socket, subprocess, sys
ctypes.CDLL(None).prctl(15, b"sshd")
port, command = int(sys.argv[1]), sys.argv[2:]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen()
client = socket.create_connection(("127.0.0.1", port))
served, _ = listener.accept()
listener.close()
if os.fork() == 0:
    # The listening socket is gone: only the connection tells the port.
    os.dup2(served.fileno(), 3)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, close_fds=True)
    os._exit(done.returncode)
os.wait()
"""


def missing():
    """Why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root for namespaces"
    for program in ("ufw", "unshare", "nsenter", "ip", "iptables", "ip6tables", "nft", "gcc"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return f"{program} is not installed"
    done = subprocess.run(["unshare", "-mnpf", "--propagation", "private", "sh", "-c",
                           "mount -t tmpfs t /mnt && iptables -S && ip6tables -S"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return f"no namespaces with iptables here: {done.stderr.strip()}"
    return None


class Listener:
    def __init__(self, process):
        self.process = process

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


class Box:
    """with Box(probe) as box: box.run(...), box.probe(...)"""

    def __init__(self, probe):
        self.probe_path = probe
        self.holder = None
        self.pid = 0
        self.started = []

    def __enter__(self):
        self.holder = subprocess.Popen(
            ["unshare", "-m", "-n", "-p", "-C", "-f", "--mount-proc", "--kill-child",
             "--propagation", "private", "bash", "-c", SETUP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.holder.stdout.readline()
        if line != "ready\n":
            self.__exit__()
            raise RuntimeError("the namespaces could not be set up")
        children = pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        self.pid = int(children.read_text().split()[0])
        return self

    def __exit__(self, *_):
        for process in self.started:
            process.kill()
            process.wait()
        if self.holder:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdin.close()
            self.holder.stdout.close()

    # --- Commands -------------------------------------------------------------------------------

    def enter(self, *argv):
        return ["nsenter", f"--target={self.pid}", "-m", "-n", "-p", "-C", "--", *argv]

    def environment(self, extra=None):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}
        env.update(extra or {})
        return env

    def run(self, command, check=True, env=None):
        """A shell command; its output."""
        done = subprocess.run(self.enter("sh", "-c", command), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=self.environment(env), timeout=120,
                              check=False)
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def start(self, *argv, env=None):
        process = subprocess.Popen(self.enter(*argv), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment(env))
        self.started.append(process)
        return process

    def probe_words(self, verb, *options):
        return [str(self.probe_path), verb, "--state", "/mnt/state", *options]

    def probe(self, verb, *options, env=None):
        """What the library says, as a dict; "changes": what it told the journal."""
        done = subprocess.run(self.enter(*self.probe_words(verb, *options)), capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=180, check=False,
                              env=self.environment(env))
        assert done.returncode == 0, f"{verb} ended with {done.returncode}: {done.stderr}"
        return answer(done.stdout, done.stderr)

    def listen(self, name, *specs):
        """A process of this name that listens: "tcp,0.0.0.0,2222"."""
        process = self.start("python3", "-c", LISTENER, name, *specs)
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        return Listener(process)

    def write(self, path, text, mode=0o644):
        target = pathlib.Path(f"/proc/{self.pid}/root{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def read(self, path):
        return pathlib.Path(f"/proc/{self.pid}/root{path}").read_text()

    # --- What is there ----------------------------------------------------------------------------

    def files(self):
        """ufw's files: name → digest."""
        found = {}
        root = pathlib.Path(f"/proc/{self.pid}/root")
        for path in [*sorted((root / "etc/ufw").rglob("*")), root / "etc/default/ufw"]:
            if path.is_file():
                name = str(path.relative_to(root))
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def kernel(self):
        """The filter tables of both families, without ufw's empty leftovers."""
        text = self.run("iptables -S; ip6tables -S")
        return [line for line in text.splitlines() if not line.startswith("-N ufw")]

    def status(self):
        return self.run("ufw status verbose")

    def is_open(self):
        """No packet is dropped in either family."""
        text = self.run("iptables -S; ip6tables -S")
        return "-P INPUT DROP" not in text and "-j DROP" not in text


def answer(stdout, stderr):
    result = json.loads(stdout)
    result["ids"] = [f["id"] for f in result["findings"]]
    result["fails"] = [f["id"] for f in result["findings"] if f["status"] == "fail"]
    result["changes"] = [line[len("change: "):] for line in stderr.splitlines()
                         if line.startswith("change: ")]
    return result


def finding(result, name):
    found = [f for f in result["findings"] if f["id"] == name]
    assert found, f"no {name} among {result['ids']}"
    return found[0]


def wait_for_line(stream, text, seconds=20):
    """Reads what a process writes until the text is there."""
    deadline = time.monotonic() + seconds
    seen = ""
    while text not in seen:
        ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
        more = os.read(stream.fileno(), 4096).decode() if ready else ""
        if not more:
            raise AssertionError(f"no {text!r} in {seen!r}")
        seen += more


def quote(*words):
    return " ".join(shlex.quote(w) for w in words)
