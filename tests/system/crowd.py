#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A crowd of strangers: connections that say something, or a part of it, and then nothing more.

As a program: crowd.py ADDRESS PORT COUNT, and the bytes to say in hex on standard input, one line;
each says as many of them as its number has left over. Prints "standing" when all were opened, "over"
when the peer has closed all of them; the end of input drops what is left."""
import collections
import errno
import pathlib
import select
import socket
import subprocess
import sys

TOGETHER = 400           # connections that are being made at a time
SOURCES = 8              # 127.0.0.x: one address has not ports enough
NICENESS = "15"          # strangers have machines of their own
PROCESS_MAX = 10000      # descriptors of one process


class Crowd:
    def __init__(self, address, count, words):
        self.address, self.count, self.words = address, count, words
        self.begun = self.opened = self.ended = 0
        self.epoll = select.epoll()
        self.connecting, self.open = {}, {}
        self.again = collections.deque()

    def begin(self):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        # A full queue of the listener may swallow the last part of the TCP handshake: then the peer knows
        # nothing of a connection that is open here, and says so only when it is asked.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        s.bind(("127.0.0.%d" % (2 + self.begun % SOURCES), 0))
        error = s.connect_ex(self.address)
        assert error in (0, errno.EINPROGRESS), errno.errorcode[error]
        self.connecting[s.fileno()] = (s, self.begun)
        self.epoll.register(s.fileno(), select.EPOLLOUT)
        self.begun += 1

    def on_open(self, fd):
        s, number = self.connecting.pop(fd)
        self.opened += 1
        words = self.words[:number % (len(self.words) + 1)]
        try:
            s.send(words)
        except OSError:
            pass  # thrown out already: the next event says so
        self.open[fd] = s
        self.epoll.modify(fd, select.EPOLLIN)

    def on_said(self, fd):
        """What it says is of no interest; that it closes is."""
        try:
            if self.open[fd].recv(65536):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.epoll.unregister(fd)
        self.open.pop(fd).close()
        self.ended += 1

    def turn(self, timeout):
        for fd, _ in self.epoll.poll(timeout):
            if fd == sys.stdin.fileno():
                sys.exit(0)
            if fd in self.connecting:
                self.on_open(fd)
            else:
                self.on_said(fd)

    def run(self):
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        while self.opened < self.count:
            while self.begun < self.count and len(self.connecting) < TOGETHER:
                self.begin()
            self.turn(10)
        print("standing", flush=True)
        while self.ended < self.count:
            self.turn(10)
        print("over", flush=True)
        while True:
            self.turn(10)


class Strangers:
    """A crowd in as many processes as it needs."""

    def __init__(self, target, count, words=b""):
        self.processes = []
        while count > 0:
            part = min(count, PROCESS_MAX)
            count -= part
            process = subprocess.Popen(
                ["nice", "-n", NICENESS, sys.executable, __file__, target.address, str(target.port),
                 str(part)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            process.stdin.write(words.hex() + "\n")
            process.stdin.flush()
            self.processes.append(process)

    def wait(self, word):
        """Until all of them say so."""
        for process in self.processes:
            said = process.stdout.readline().strip()
            assert said == word, "a crowd says %r" % said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            process.wait()
            process.stdout.close()


def main():
    address, port, count = sys.argv[1:]
    words = bytes.fromhex(sys.stdin.readline().strip())
    Crowd((address, int(port)), int(count), words).run()


if __name__ == "__main__":
    main()
