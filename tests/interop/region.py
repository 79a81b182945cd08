# SPDX-License-Identifier: Apache-2.0
"""A region of several relays that mesh with each other, and clients on them."""
import contextlib
import time

import relays

import derp

PATIENCE = 60.0


class Region:
    """with Region(make_relay, ["derpd", "derper"]) as region: region.nodes[0] …

    Each node has the list of all of them, itself included, as a region's config would."""

    def __init__(self, make, kinds):
        self.nodes = [make(kind, mesh=True) for kind in kinds]
        for node in self.nodes:
            node.ports = relays.free_ports(4)
            node.mesh_with = self.nodes

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self.wait_linked()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def client(self, index, **options):
        node = self.nodes[index]
        return derp.Client(("127.0.0.1", node.port), node.name, str(node.folder / "ca.pem"), **options)

    def wait_linked(self):
        """Until a client on each node is known to every other."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.client(i)) for i in range(len(self.nodes))]
            for a in clients:
                for b in clients:
                    if a is not b:
                        reach(a, b)


def reach(a, b, patience=PATIENCE):
    """Sends from a until b has it: until a's node knows where b is. Seconds that it took."""
    begin = time.monotonic()
    probe = b"reach" + a.key[:8]
    while time.monotonic() - begin < patience:
        a.send(b.key, probe)
        if arrives(b, a.key, probe, 0.1):
            drain(b, a.key, probe)
            return time.monotonic() - begin
    raise AssertionError("no packet arrives within %g s" % patience)


def arrives(client, source, packet, patience):
    """Does the packet come within so many seconds? Others are passed over."""
    deadline = time.monotonic() + patience
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            client.socket.settimeout(left)
            if client.receive() == (source, packet):
                return True
    except TimeoutError:
        return False
    finally:
        client.socket.settimeout(10)


def drain(client, source, packet):
    """Reads over what `reach` sent too much."""
    while arrives(client, source, packet, 0.15):
        pass
