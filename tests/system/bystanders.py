#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients at work on a relay that others attack: packets at a steady pace, and how late they come.

As a program: bystanders.py ADDRESS PORT NAME CA [SECRET...]. It answers "look" on standard input by a line of
JSON with counts, "phase" by one with the delays since the last phase as well; the end of input ends
it. It is a process of its own because in the tests' process its threads would wait for those of the
attackers.

A packet's delay counts from when it was due, not from when it could be sent, and is noted in windows
of two seconds: a short disturbance is not averaged away by a long calm."""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import threading
import time

CLIENTS = 4
PACE = 0.004   # seconds from one packet to the next
SIZE = 1200    # bytes
WINDOW = 2.0   # seconds
CALM = 1.5     # seconds without attack, to compare with
P99 = 20       # ms
ATTEMPTS = 3
PATIENCE = 20
MIB = 1024 * 1024


# --- The program ------------------------------------------------------------------------------------

class Clients:
    """Each sends to each other, in turn."""

    def __init__(self, address, name, ca, secrets):
        import derp
        self.clients = [derp.Client(address, name, ca, secret) for secret in secrets]
        self.pairs = [(a, b) for a in self.clients for b in self.clients if a is not b]
        self.lock = threading.Lock()
        self.begin = time.monotonic()
        self.sent = self.received = 0
        self.windows = {}  # number of the window in which it was due -> delays
        self.failure = None

    def run(self, function, *args):
        def guarded():
            try:
                function(*args)
            except Exception as e:  # told to who asks
                self.failure = self.failure or repr(e)
        threading.Thread(target=guarded, daemon=True).start()

    def start(self):
        for client in self.clients:
            self.run(self.receive, client)
        self.run(self.send)

    def send(self):
        due = time.monotonic()
        while True:
            a, b = self.pairs[self.sent % len(self.pairs)]
            with self.lock:
                self.sent += 1
            a.send(b.key, struct.pack("d", due).ljust(SIZE))
            due += PACE
            time.sleep(max(due - time.monotonic(), 0))

    def receive(self, client):
        while True:
            due = struct.unpack("d", client.receive()[1][:8])[0]
            with self.lock:
                self.received += 1
                self.windows.setdefault(int((due - self.begin) / WINDOW), []).append(
                    time.monotonic() - due)

    def look(self):
        with self.lock:
            return {"sent": self.sent, "received": self.received, "failure": self.failure}

    def phase(self):
        """The windows since the last phase; one of a few packets only is left out."""
        with self.lock:
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
    clients = Clients((address, int(port)), name, ca,
                      [bytes.fromhex(s) for s in secrets] or [None] * CLIENTS)
    clients.start()
    for line in sys.stdin:
        print(json.dumps(clients.phase() if line.strip() == "phase" else clients.look()), flush=True)
    os._exit(0)  # the threads wait for packets


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
        """Before whatever else this machine does, where we may say so: what is measured shall be
        the relay and not its neighbours."""
        try:
            for thread in os.listdir("/proc/%d/task" % self.pid):
                os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(1))
        except (PermissionError, ProcessLookupError, FileNotFoundError):
            pass


class Bystanders:
    """The program above, at work on a relay."""

    def __init__(self, relay, secrets=()):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "127.0.0.1", str(relay.port), relay.name,
             str(relay.folder / "ca.pem"), *[s.hex() for s in secrets]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.look()  # they have logged in
        process = Process(relay.process.pid)
        if not process.is_sanitized():
            process.urge()
            Process(self.process.pid).urge()

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
    process = Process(relay.process.pid)
    with Bystanders(relay, secrets) as bystanders:
        bystanders.phase()
        wait_until(lambda: bystanders.look()["received"] * PACE > CALM, "bystanders talk")
        calm = bystanders.phase()
        attack(process)
        bystanders.settle()
        attacked = bystanders.phase()
    assert attacked["failure"] is None
    print("calm: %s\nunder attack: %s" % (calm, attacked))
    limit = P99 if not process.is_sanitized() else 150 * P99
    if attacked["p99"] >= limit:
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
