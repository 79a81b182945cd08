# SPDX-License-Identifier: Apache-2.0
"""The memory that the simulation shares with derp-acme: `struct shared` in shim.c."""
import mmap
import struct

FIELDS = ("world", "skew", "mono", "kill_at", "changes", "disk", "disk_at", "stall", "seed")
SECOND = 1_000_000_000
DISK_GOOD, DISK_FULL, DISK_READ_ONLY = range(3)


class Shared:
    """Each field is an attribute; times in nanoseconds."""

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.truncate(4096)
            self.__dict__["map"] = mmap.mmap(file.fileno(), 4096)
        self.kill_at = -1

    def __getattr__(self, name):
        return struct.unpack_from("q", self.map, 8 * FIELDS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into("q", self.map, 8 * FIELDS.index(name), int(value))


class Clock:
    """Seconds of the world since 1970; machines look at it through a skew of their own."""

    def __init__(self, shared, begin):
        self.shared = shared
        shared.world, shared.mono = begin * SECOND, 100 * SECOND

    def now(self):
        return self.shared.world / SECOND

    def wall(self):
        """What our server believes."""
        return (self.shared.world + self.shared.skew) / SECOND

    def pass_time(self, seconds, awake=True):
        ns = round(seconds * SECOND)
        self.shared.world += ns
        if awake:
            self.shared.mono += ns

    def settle(self):
        """On to a whole ten seconds: how long a run took depends a little on this machine, and nothing after it may."""
        self.pass_time(10 - self.shared.world % (10 * SECOND) / SECOND)
