# SPDX-License-Identifier: Apache-2.0
"""A whole private internet, made and removed as one:

    with World("trixie") as world:
        world.server.install(deb)
        world.server.run("derp-setup", "derp.demo.com", *world.setup_flags())
"""

import atexit
import signal
import sys

from . import rootfs, tidy
from .ca import DIRECTORY, Ca
from .dns import Dns
from .network import SERVER, SERVER6, Network
from .server import Server

DOMAIN = "derp.demo.com"

# Where the server finds what makes this internet private.
CA_FILE = "/etc/private-internet/ca.pem"
ROOT_HINTS = "/etc/private-internet/root.hints"


def _end_by_signal(signum, _frame):
    sys.exit(128 + signum)


def unwind_on_signals():
    """Makes SIGTERM and SIGHUP unwind the stack as Ctrl-C does, and Ctrl-C do so even where it is
    ignored, as in a shell's background jobs; call it early in a program."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _end_by_signal)


class World:
    """layers: see Server; by default the root file system of suite alone."""

    def __init__(self, suite="trixie", server4=SERVER, server6=SERVER6, records=None, layers=None,
                 say=lambda text: None):
        tidy.remove_leftovers()
        self.suite = suite
        layers = layers or [rootfs.get(suite, say)]
        self._claim = tidy.Claim()
        atexit.register(self.close)
        try:
            folder = self._claim.folder
            self.network = Network(self._claim.world, folder, server4, server6)
            if records is None:
                records = [f"derp 600 IN A {server4}"]
            self.dns = Dns(self.network.inet, folder / "dns", records)
            self.ca = Ca(self.network.inet, folder / "ca")
            self.server = Server(self._claim, self.network.server, layers)
            self.server.boot()
            self._introduce()
        except BaseException:
            self.close()
            raise

    def _introduce(self):
        """Tells the server of this internet's resolver, root and CA."""
        self.server.put(self._claim.folder / "resolv.conf", "/etc/resolv.conf")
        self.server.put(self._claim.folder / "dns/root.hints", ROOT_HINTS)
        self.server.put(self.ca.ca_file, CA_FILE)

    def setup_flags(self):
        """What derp-setup must be told in a private network, and nothing else."""
        return [f"--acme-directory={DIRECTORY}", f"--acme-ca-file={CA_FILE}",
                f"--dns-root-hints={ROOT_HINTS}"]

    @property
    def clients(self):
        return self.network.clients

    @property
    def inet(self):
        return self.network.inet

    @property
    def folder(self):
        """A folder for files of this world; it goes away with it."""
        return self._claim.folder

    def close(self):
        """Removes everything; safe to call again."""
        atexit.unregister(self.close)
        self._claim.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
