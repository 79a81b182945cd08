# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a run, what it made goes away.

Each world has an id, and everything of it can be found again from the id alone: namespaces and
control groups carry it in their names, files and mounts are below RUN/ID. A reaper process per
world waits for the end of the run (a pipe that closes even on kill -9) and then removes it all.

    python3 -m testbed.tidy       removes what runs that are no more have left
"""

import ctypes
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import time

RUN = pathlib.Path("/run/derp-testbed")
PREFIX = "dr"
NETNS = pathlib.Path("/run/netns")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For preexec_fn: the child ends when the thread that started it does."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def cgroup_roots():
    """Where a group must be made so that a container has its own: systemd's own hierarchies."""
    roots = []
    for line in open("/proc/self/mounts"):
        _, where, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            roots.append(pathlib.Path(where))
    return roots


def cgroups(world):
    """The control groups of a world, one per hierarchy; made by the server, removed here."""
    return [root / f"testbed-{world}" for root in cgroup_roots()]


def _pids(world):
    """Processes in its control groups and network namespaces."""
    pids = set()
    for group in cgroups(world):
        for path in group.glob("**/cgroup.procs") if group.is_dir() else ():
            try:
                pids.update(int(p) for p in path.read_text().split())
            except OSError:
                pass
    for ns in NETNS.glob(f"{world}-*"):
        out = subprocess.run(["ip", "netns", "pids", ns.name], capture_output=True, text=True)
        pids.update(int(p) for p in out.stdout.split())
    return pids - {os.getpid()}


def _kill_all(world):
    end = time.monotonic() + 10
    while pids := _pids(world):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() > end:
            print(f"testbed: processes {sorted(pids)} of {world} do not end", file=sys.stderr)
            return
        time.sleep(0.02)


def _unmount(folder):
    mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
    for where in reversed([m for m in mounts if m == str(folder) or m.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", where], stderr=subprocess.DEVNULL)


def _remove_group(group):
    if not group.is_dir():
        return
    for path in sorted((p for p in group.glob("**/") if p.is_dir()), reverse=True):
        for _ in range(100):
            try:
                path.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # killed processes take a moment to leave
                time.sleep(0.02)


def remove(world):
    """Removes everything of a world; harmless when there is nothing."""
    _kill_all(world)
    _unmount(RUN / world)
    for ns in NETNS.glob(f"{world}-*"):
        subprocess.run(["ip", "netns", "delete", ns.name], stderr=subprocess.DEVNULL)
    for group in cgroups(world):
        _remove_group(group)
    shutil.rmtree(RUN / world, ignore_errors=True)


def _start_time(pid):
    """Tells a process from a later one with the same number; None when there is none."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def remove_leftovers():
    """Removes worlds whose owner is gone, such as after a power cut of the reaper itself."""
    for folder in RUN.glob(f"{PREFIX}*") if RUN.is_dir() else ():
        try:
            pid, start = (folder / "owner").read_text().split()
        except (OSError, ValueError):
            continue
        if _start_time(pid) != start:
            remove(folder.name)


class Claim:
    """A fresh id with its folder, and the reaper that watches over it until release()."""

    def __init__(self):
        self.world = f"{PREFIX}{secrets.token_hex(3)}"
        self.folder = RUN / self.world
        self.folder.mkdir(parents=True)
        (self.folder / "owner").write_text(f"{os.getpid()} {_start_time(os.getpid())}\n")
        self._pid = os.getpid()
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", "testbed.tidy", self.world], stdin=subprocess.PIPE,
            cwd=pathlib.Path(__file__).parent.parent, start_new_session=True)

    def release(self):
        """Has the reaper remove everything and waits for it."""
        if self._reaper is None or os.getpid() != self._pid:
            return
        self._reaper.stdin.close()
        self._reaper.wait()
        self._reaper = None


def _main():
    if len(sys.argv) == 1:
        remove_leftovers()
        return
    sys.stdin.buffer.read()  # ends with the run, however that ends
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    remove(sys.argv[1])


if __name__ == "__main__":
    _main()
