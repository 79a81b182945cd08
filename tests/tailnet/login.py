# SPDX-License-Identifier: Apache-2.0
"""Logs in to a relay with the secret key (hex) on standard input, or a fresh one when it is empty;
prints "admitted" or "refused", and the public key.

    login.py ADDRESS PORT NAME CA-FILE
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import derp  # noqa: E402


def main(address, port, name, ca):
    secret = bytes.fromhex(sys.stdin.read().strip())
    client = derp.Client((address, int(port)), name, ca, secret=secret or None, login=False)
    with client:
        client.upgrade(name)
        try:
            client.login()
            client.ping()
            verdict = "admitted"
        except EOFError:
            verdict = "refused"
    print(verdict, client.key.hex())


if __name__ == "__main__":
    main(*sys.argv[1:])
