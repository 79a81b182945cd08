# SPDX-License-Identifier: Apache-2.0
"""Asks a STUN server as Tailscale's clients do, and prints the address it has seen (RFC 8489).

    python3 -m testbed.stun ADDRESS [PORT]        exit 1: no answer
"""

import os
import socket
import struct
import sys
import zlib

_MAGIC = 0x2112A442


def request(txid):
    """A binding request with SOFTWARE "tailnode" and FINGERPRINT, 40 bytes."""
    text = struct.pack(">HHI", 1, 20, _MAGIC) + txid + struct.pack(">HH", 0x8022, 8) + b"tailnode"
    return text + struct.pack(">HHI", 0x8028, 4, zlib.crc32(text) ^ 0x5354554E)


def mapped(answer, txid):
    """The XOR-MAPPED-ADDRESS of a success response, as "address:port"; None when it is not one."""
    if len(answer) < 20 or answer[:2] != b"\x01\x01" or answer[8:20] != txid:
        return None
    at = 20
    while at + 4 <= len(answer):
        kind, length = struct.unpack_from(">HH", answer, at)
        if kind == 0x0020:
            family, port = struct.unpack_from(">xBH", answer, at + 4)
            mask = struct.pack(">I", _MAGIC) + (txid if family == 2 else b"")
            raw = bytes(a ^ b for a, b in zip(answer[at + 8:at + 4 + length], mask))
            name = socket.inet_ntop(socket.AF_INET6 if family == 2 else socket.AF_INET, raw)
            return f"{name}:{port ^ (_MAGIC >> 16)}"
        at += 4 + (length + 3) // 4 * 4
    return None


def ask(address, port=3478, timeout=1.0, tries=3):
    """Asks up to tries times; None without an answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect((address, port))
        for _ in range(tries):
            txid = os.urandom(12)
            try:
                s.send(request(txid))
                answer = mapped(s.recv(1500), txid)
            except OSError:  # nothing came, or "refused"
                continue
            if answer:
                return answer
    return None


if __name__ == "__main__":
    seen = ask(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3478)
    print(seen or "no answer")
    sys.exit(0 if seen else 1)
