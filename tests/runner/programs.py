# SPDX-License-Identifier: Apache-2.0
"""The programs that stages start, each of which can be ended as a whole."""
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOGS = ROOT / "build" / "check"  # what tests leave for reading after a failure
JOBS = 2    # compilers and unit tests at a time
GRACE = 30  # seconds that tests get for tidying up after an interruption

# Linux may weigh sessions first, then the processes in each.
GENTLY = ["sh", "-c", "echo 10 2>/dev/null >/proc/self/autogroup; exec nice -n 10 \"$@\"", "sh"]


class Programs:
    """Starts programs in process groups of their own, so that each can be ended as a whole."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.stopping = False

    def run(self, command, deadline, env=None, show=False, gently=False):
        """(exit status or None when it was too late, output). With show, the output is not kept
        but goes where ours goes. gently: it gets what the others leave of the processors."""
        if self.stopping:
            return None, ""
        left = deadline - time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [str(c) for c in (GENTLY if gently else []) + list(command)], cwd=ROOT, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=None if show else output,
                stderr=None if show else subprocess.STDOUT, start_new_session=True)
            with self.lock:
                self.running.add(process)
            try:
                if self.stopping:
                    self.end(process)
                status = process.wait(max(left, 1))
            except subprocess.TimeoutExpired:
                self.end(process)
                status = None
            finally:
                if process.poll() is not None:
                    # Whatever it forgot goes with it.
                    signal_group(process, signal.SIGKILL)
                    with self.lock:
                        self.running.discard(process)
            output.seek(0)
            text = output.read().decode(errors="replace")
        return status, text

    def end(self, process):
        """Ctrl-C first: tests then remove the networks and containers they made."""
        for number, patience in ((signal.SIGINT, GRACE), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            signal_group(process, number)
            try:
                process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        signal_group(process, signal.SIGKILL)

    def stop(self):
        """Ends everything, and lets nothing start any more: other threads may be about to."""
        self.stopping = True
        for process in list(self.running):
            threading.Thread(target=self.end, args=(process,)).start()


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


programs = Programs()


def make(result, name, deadline, *args):
    """Runs make; false, and a failure, when it did not succeed."""
    status, output = programs.run(["make", "--no-print-directory", f"-j{JOBS}", *args], deadline)
    if status == 0:
        return True
    result.fail(name, output if status is not None else output + "\nnot done in time")
    return False
