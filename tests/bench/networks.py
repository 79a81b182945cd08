# SPDX-License-Identifier: Apache-2.0
"""Where a relay and its load meet: network namespaces made for it, which end with the `with` block."""
import ctypes
import os
import pathlib
import subprocess
import threading

CLONE_NEWNET = 0x40000000
WAN = pathlib.Path(__file__).resolve().parents[2] / "build" / "bench" / "wan"


def ip(*args):
    subprocess.run(["ip", *args], check=True, stdout=subprocess.DEVNULL)


class Network:
    """Namespaces, and how to run something in them."""

    names = ()

    def __init__(self):
        self.spaces = {n: "bench-%d-%s" % (os.getpid(), n) for n in self.names}

    def __enter__(self):
        try:
            for space in self.spaces.values():
                ip("netns", "add", space)
                ip("-n", space, "link", "set", "lo", "up")
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "del", space], stderr=subprocess.DEVNULL, check=False)

    def build(self):
        pass

    def prefix(self, name):
        return ["ip", "netns", "exec", self.spaces[name]]

    @property
    def server(self):
        return self.prefix(self.names[0])

    @property
    def clients(self):
        return self.prefix(self.names[-1])

    def call(self, fn, where=-1):
        """The function's result, seen from where the clients are (or the server: 0). A thread of its own
        goes there; sockets that it makes stay there."""
        result = []

        def there():
            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open("/run/netns/" + self.spaces[self.names[where]], os.O_RDONLY)
            try:
                if libc.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                result.append((fn(), None))
            except BaseException as e:
                result.append((None, e))
            finally:
                os.close(fd)
        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        value, error = result[0]
        if error is not None:
            raise error
        return value


class Loopback(Network):
    """Both on one loopback interface."""

    names, address = ("lo",), "127.0.0.1"


class Line(Network):
    """The server's way out is a token bucket, as at a provider: `rate`, and a queue of so many
    milliseconds. The way in, and the clients, are fast."""

    names, address = ("server", "clients"), "10.211.7.1"

    def __init__(self, rate, queue="50ms", congestion="cubic"):
        super().__init__()
        self.rate, self.queue, self.congestion = rate, queue, congestion

    def build(self):
        server, clients = (self.spaces[n] for n in self.names)
        ip("link", "add", "wan", "netns", server, "type", "veth", "peer", "name", "wan", "netns", clients)
        self.address_both()
        subprocess.run([*self.server, "tc", "qdisc", "add", "dev", "wan", "root", "tbf", "rate", self.rate,
                        "burst", "32k", "latency", self.queue], check=True)

    def address_both(self):
        server, clients = (self.spaces[n] for n in self.names)
        for space, address in ((server, self.address), (clients, "10.211.7.2")):
            ip("-n", space, "addr", "add", address + "/24", "dev", "wan")
            ip("-n", space, "link", "set", "wan", "up")
        # As on the servers that people rent, whatever this machine prefers.
        ip("-n", server, "route", "replace", "10.211.7.0/24", "dev", "wan", "congctl", self.congestion)


class LongLine(Line):
    """The same with a delay (there and back) and losses, by tests/bench/wan.c."""

    def __init__(self, rate, queue="50ms", congestion="cubic", delay_ms=100, loss=0):
        """loss: of 10,000 packets."""
        super().__init__(rate, queue, congestion)
        self.delay_ms, self.loss, self.process = delay_ms, loss, None

    def build(self):
        rate, queue = 1e6 * float(self.rate.replace("mbit", "")), self.queue.replace("ms", "")
        self.process = subprocess.Popen(
            [str(WAN), *(self.spaces[n] for n in self.names), str(rate), queue, str(self.delay_ms), str(self.loss)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("wan did not start")
        self.address_both()

    def __exit__(self, *_):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(10)
        super().__exit__()
