#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients at work on a relay that others attack: packets at a steady pace, and how late they come.

As a program: bystanders.py ADDRESS PORT NAME CA [SECRET...]. It answers "look" on standard input by a line of
JSON with counts, "phase" by one with the delays since the last phase as well; the end of input ends
it. It is a process of its own because in the tests' process its threads would wait for those of the
attackers.

A packet's delay counts from when it was due, not from when it could be sent, and is noted in windows
of two seconds: a short disturbance is not averaged away by a long calm."""
import contextlib
import json
import os
import pathlib
import re
import select
import ssl
import struct
import subprocess
import sys
import time

CLIENTS = 4
PACE = 0.004   # seconds from one packet to the next
SIZE = 1200    # bytes
WINDOW = 2.0   # seconds
CALM = 1.5     # seconds without attack, to compare with
P99 = 20       # ms
LAME = 100     # times as many under a sanitizer, or where others may go first
ATTEMPTS = 3
PATIENCE = 20
MIB = 1024 * 1024


# --- The program ------------------------------------------------------------------------------------

class Clients:
    """Each sends to each other, in turn. One thread: OpenSSL lets only one use a connection."""

    def __init__(self, address, name, ca, secrets):
        import derp
        self.clients = [derp.Client(address, name, ca, secret) for secret in secrets]
        self.pairs = [(a, b) for a in self.clients for b in self.clients if a is not b]
        self.begin = self.due = time.monotonic()
        self.sent = self.received = 0
        self.windows = {}  # number of the window in which it was due -> delays
        self.failure = None
        self.poll = select.poll()
        self.poll.register(sys.stdin.fileno(), select.POLLIN)
        for client in self.clients:
            client.socket.setblocking(False)
            client.waiting = b""  # what the kernel has not taken
            self.poll.register(client.socket.fileno(), select.POLLIN)

    def send(self):
        while self.due <= time.monotonic():
            a, b = self.pairs[self.sent % len(self.pairs)]
            payload = b.key + struct.pack("d", self.due).ljust(SIZE)
            a.waiting += struct.pack(">BI", 4, len(payload)) + payload
            self.sent += 1
            self.due += PACE
        for client in self.clients:
            with contextlib.suppress(ssl.SSLWantWriteError):
                while client.waiting:
                    client.waiting = client.waiting[client.socket.send(client.waiting):]

    def receive(self, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                got = client.socket.recv(65536)
                if not got:
                    raise EOFError("closed by the relay")
                client.buffer += got
        now = time.monotonic()
        while len(client.buffer) >= 5:
            kind, n = struct.unpack(">BI", client.buffer[:5])
            if len(client.buffer) < 5 + n:
                break
            if kind == 5:
                self.note(struct.unpack("d", client.buffer[37:45])[0], now)
            client.buffer = client.buffer[5 + n:]

    def note(self, due, now):
        self.received += 1
        self.windows.setdefault(int((due - self.begin) / WINDOW), []).append(now - due)

    def work(self):
        for client in self.clients:
            self.receive(client)
        self.send()

    def run(self):
        while True:
            wait = 1000 if self.failure else max(self.due - time.monotonic(), 0) * 1000
            asked = any(fd == sys.stdin.fileno() for fd, _ in self.poll.poll(wait))
            try:
                if not self.failure:
                    self.work()
            except (EOFError, OSError) as e:  # told to who asks
                self.failure = repr(e)
                for client in self.clients:
                    self.poll.unregister(client.socket.fileno())
            if asked and not self.answer(os.read(sys.stdin.fileno(), 100)):
                return

    def answer(self, question):
        if question:
            print(json.dumps(self.phase() if question == b"phase\n" else self.look()), flush=True)
        return question

    def look(self):
        return {"sent": self.sent, "received": self.received, "failure": self.failure}

    def phase(self):
        """The windows since the last phase; one of a few packets only is left out."""
        windows, self.windows = [sorted(w) for w in self.windows.values()], {}
        enough = WINDOW / PACE / 4
        if any(len(w) >= enough for w in windows):
            windows = [w for w in windows if len(w) >= enough]
        return {**self.look(), "count": sum(map(len, windows)),
                "p99": max((share(w, 0.99) for w in windows), default=0),
                "worst": max((share(w, 1) for w in windows), default=0)}


def share(ordered, part):
    """The delay in ms that this part of the packets kept."""
    return round(ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000, 2)


def main():
    address, port, name, ca, *secrets = sys.argv[1:]
    Clients((address, int(port)), name, ca,
            [bytes.fromhex(s) for s in secrets] or [None] * CLIENTS).run()


# --- For tests --------------------------------------------------------------------------------------

class Process:
    """What the kernel says of a process."""

    def __init__(self, pid):
        self.pid = pid

    def memory(self, what="VmRSS"):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return int(re.search(r"^%s:\s+(\d+) kB" % what, f.read(), re.M).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def cpu(self):
        """Seconds of all its threads."""
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_sanitized(self):
        """Built with a sanitizer, whose memory and speed are its own affair."""
        with open("/proc/%d/maps" % self.pid, encoding="utf-8") as f:
            return re.search(r"lib[at]san", f.read()) is not None

    def reset_peak(self):
        with open("/proc/%d/clear_refs" % self.pid, "w", encoding="ascii") as f:
            f.write("5")

    def urge(self):
        """Before whatever else this machine does: what is measured shall be the relay and not its
        neighbours. False where we may not say so."""
        try:
            for thread in os.listdir("/proc/%d/task" % self.pid):
                os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(1))
        except PermissionError:
            return False
        return True


class Bystanders:
    """The program above, at work on a relay."""

    def __init__(self, relay, secrets=()):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "127.0.0.1", str(relay.port), relay.name,
             str(relay.folder / "ca.pem"), *[s.hex() for s in secrets]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.look()  # they have logged in
        process = Process(relay.process.pid)
        alone = not process.is_sanitized() and process.urge() and Process(self.process.pid).urge()
        self.limit = P99 if alone else LAME * P99

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the bystanders are gone"
        return json.loads(line)

    def look(self):
        return self.ask("look")

    def phase(self):
        return self.ask("phase")

    def settle(self):
        """Waits until all that was sent has arrived: nothing may be lost."""
        sent = self.look()["sent"]
        wait_until(lambda: self.look()["received"] >= sent or self.look()["failure"],
                   "the packets of bystanders arrive")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Disturbed(Exception):
    """Bystanders had to wait."""


def wait_until(question, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not question():
        assert time.monotonic() < deadline, "waited %d s in vain: %s" % (patience, what)
        time.sleep(0.05)


def try_beside(relay, attack, secrets):
    with Bystanders(relay, secrets) as bystanders:
        bystanders.phase()
        wait_until(lambda: bystanders.look()["received"] * PACE > CALM, "bystanders talk")
        calm = bystanders.phase()
        attack(Process(relay.process.pid))
        bystanders.settle()
        attacked = bystanders.phase()
    assert attacked["failure"] is None, attacked
    print("calm: %s\nunder attack: %s" % (calm, attacked))
    if attacked["p99"] >= bystanders.limit:
        raise Disturbed("a bystander's packet in a hundred needed %s ms or more; %s ms before the "
                        "attack" % (attacked["p99"], calm["p99"]))


def beside(relay, attack, secrets=()):
    """Runs attack(process of the relay) beside bystanders, of whose packets 99 in 100 must arrive
    within 20 ms in each window, and all at some time. When they come late it is tried again, twice
    at most: this machine may have been busy with something else just then. secrets are those of the
    bystanders, where not everyone is admitted."""
    for attempt in range(ATTEMPTS):
        try:
            return try_beside(relay, attack, secrets)
        except Disturbed as e:
            print("attempt %d: %s" % (attempt + 1, e))
            if attempt + 1 == ATTEMPTS:
                raise


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    main()
