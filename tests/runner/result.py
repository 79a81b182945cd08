# SPDX-License-Identifier: Apache-2.0
"""What a stage found, and where it says so."""
import re
import threading

here = threading.local()  # .out: where a stage that runs beside others writes what it says


def say(*args, **options):
    print(*args, **{"file": getattr(here, "out", None), **options})


class Result:
    """What a stage found."""

    def __init__(self):
        self.passed = 0
        self.failed = []   # names
        self.skipped = []  # (name, reason)

    def ok(self):
        self.passed += 1

    def fail(self, name, detail=""):
        self.failed.append(name)
        say(f"FAILED {name}" + ("\n" + indent(detail) if detail.strip() else ""), flush=True)

    def skip(self, name, reason):
        self.skipped.append((name, reason))

    def add(self, other, prefix=""):
        self.passed += other.passed
        self.failed += [prefix + name for name in other.failed]
        self.skipped += other.skipped

    def counts(self):
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failed)} failed{skipped}"


def indent(text):
    text = re.sub(r"(?m)^  [A-Z]+ +\S+\n", "", text)  # what make was doing while all was well
    return "\n".join("    " + line for line in text.strip("\n").split("\n"))
