# SPDX-License-Identifier: Apache-2.0
"""A new certificate while packets flow, whoever replaces the files. A thousand of them: test_reload_load.py."""
import os
import time

import pytest
import relays
from test_derpd import eventually, leaf_hash, metric, served_leaf, status

BUSY = 3.0  # seconds until it is served, when other tests take the processor just then


def replace_by_rename(relay, chain, key):
    """acme.sh, cert-manager and others: each file beside its place, then by rename."""
    relay.install(chain, key)


def rewrite_in_place(relay, chain, key):
    """lego and scripts with `cp`: the key first, the chain when the key has been seen for long."""
    relay.key.write_bytes(key)
    yield
    relay.chain.write_bytes(chain)


def certbot(relay, chain, key):
    """live/NAME/*.pem are links into archive/NAME/; each is removed and made again, one after the other."""
    archive = relay.folder / "archive"
    archive.mkdir(exist_ok=True)
    number = len(list(archive.iterdir()))
    for path, content in ((relay.key, key), (relay.chain, chain)):
        target = archive / f"{path.name}.{number}"
        target.write_bytes(content)
        relay._give_all()
        path.unlink()
        yield
        os.symlink(target, path)


@pytest.mark.parametrize("way", [replace_by_rename, rewrite_in_place, certbot])
@pytest.mark.parametrize("slow", [False, True])
def test_ways_of_replacing_files(relay, authority, way, slow):
    """Quickly, and with derpd looking in between: then the half is refused and the old certificate stays."""
    with relay.client() as a, relay.client() as b:
        for _ in range(2):
            before = served_leaf(relay)
            chain, key = authority.leaf(relays.HOST)
            for _ in way(relay, chain, key) or ():
                refused = metric(relay, 'derp_certificate_reloads_total{outcome="failed"}')
                if slow:
                    eventually(lambda r=refused: metric(
                        relay, 'derp_certificate_reloads_total{outcome="failed"}') > r, "the half pair is refused")
                    assert served_leaf(relay) == before
            began = time.monotonic()
            eventually(lambda want=leaf_hash(chain): served_leaf(relay) == want, "the new leaf")
            assert time.monotonic() - began < BUSY
            a.send(b.key, b"still here")
            assert b.receive() == (a.key, b"still here")
        assert status(relay)["certificate"]["problem"] == ""
