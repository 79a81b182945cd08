# SPDX-License-Identifier: Apache-2.0
"""A real browser speaks DERP, through WebSocket, on a page that the relay itself serves."""
import json
import os
import pathlib
import threading

import derp
import relays
from browser import Browser

PAGE = pathlib.Path(__file__).resolve().parent / "browser_page.html"
SIZES = [0, 1, 120, 1280, 20000, 65536]


def send_back(client, count):
    """Sends packets back to whom they came from; the last word is who is gone."""
    for _ in range(count):
        key, packet = client.receive()
        client.send(key, packet)
    client.gone = client.read_until(derp.PEER_GONE)


def test_browser_speaks_derp(derpd_binary, authority):
    secret = os.urandom(32)
    key = derp.nacl.crypto_scalarmult_base(secret)
    relay = relays.Derpd(derpd_binary, authority)
    relay.home = relay.folder / "page.html"
    relay.home.write_bytes(PAGE.read_bytes())
    with relay:
        ca = relay.folder / "ca.pem"
        with Browser(ca, {relays.HOST: "127.0.0.1"}) as browser, \
                derp.Client(("127.0.0.1", relay.port), relays.HOST, str(ca)) as peer:
            nonce = os.urandom(24)
            box = derp.nacl.crypto_box(b'{"version":2,"CanAckPings":true}', nonce, peer.server_key, secret)
            returns = threading.Thread(target=send_back, args=(peer, len(SIZES)), daemon=True)
            returns.start()
            page = browser.open("https://%s:%d/any/path" % (relays.HOST, relay.port))
            saw = page.call("speak", {"login": (key + nonce + box).hex(), "peer": peer.key.hex(),
                                      "sizes": SIZES})
            returns.join(10)
        info = bytes.fromhex(saw["serverInfo"])
        opened = derp.nacl.crypto_box_open(info[24:], info[:24], peer.server_key, secret)
        assert json.loads(opened)["version"] == 2
        assert saw["serverKey"] == peer.server_key.hex()
        assert (saw["protocol"], saw["extensions"], saw["pong"]) == ("derp", "", "0102030405060708")
        assert saw["returned"] == SIZES
        assert saw["closed"] == {"code": 1000, "clean": True}
        assert peer.gone == key + b"\0"
