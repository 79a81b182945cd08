# SPDX-License-Identifier: Apache-2.0
"""The server: a Debian root file system booted with its own systemd, in half a second.

Its disk is an overlay, so the cached root file system below stays as it is; its network is a
namespace made by network.py. It has all capabilities but the one to set the machine's clock.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

from . import tidy
from .shell import Failed, Result, run, wait_for

# A reboot makes nspawn exit with 133. The kernel's firewall belongs to the network namespace and
# would outlive it, which it does not on a real server.
_RUN = """
for group in $GROUPS_; do echo 0 >"$group/cgroup.procs"; done
while :; do
    systemd-nspawn --quiet --register=no --keep-unit --machine="$WORLD" \
        --network-namespace-path="/run/netns/$WORLD-srv" --capability=all \
        --drop-capability=CAP_SYS_TIME --resolv-conf=off --timezone=off --link-journal=no \
        --console=pipe --boot --directory="$ROOT" && exit
    [ $? = 133 ] || exit
    ip netns exec "$WORLD-srv" nft flush ruleset
    for group in $GROUPS_; do echo 0 >"$group/cgroup.procs"; done
done
"""


class Server:
    """layers: folders of the overlay, the lowest (the root file system) last."""

    def __init__(self, claim, host, layers, hostname="derp"):
        self.host, self.hostname = host, hostname
        self._world, self._folder = claim.world, claim.folder / "server"
        self._layers = [str(p) for p in layers]
        self.root = self._folder / "root"
        self._process = None

    # --- Life -----------------------------------------------------------------------------------
    def boot(self):
        """Mounts its disk and starts it; returns when systemd has finished starting."""
        self._folder.mkdir()
        run("mount", "-t", "tmpfs", "-o", "mode=755", "testbed", self._folder)
        for name in ("root", "upper", "work"):
            (self._folder / name).mkdir()
        run("mount", "-t", "overlay", "-o", f"lowerdir={':'.join(self._layers)},upperdir="
            f"{self._folder}/upper,workdir={self._folder}/work", "testbed", self.root)
        (self.root / "etc/hostname").write_text(self.hostname + "\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.hostname}\n")
        self._start()
        return self

    def _start(self):
        groups = tidy.cgroups(self._world)
        for group in groups:
            group.mkdir(exist_ok=True)
        env = {**os.environ, "WORLD": self._world, "ROOT": str(self.root),
               "GROUPS_": " ".join(map(str, groups)), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
               "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
        log = open(self._folder / "console.log", "a")
        self._process = subprocess.Popen(["sh", "-c", _RUN], env=env, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, start_new_session=True)
        self.wait_booted()

    def _leader(self):
        """The process id of the server's systemd, as this machine sees it."""
        try:
            for nspawn in _children(self._process.pid):
                if pathlib.Path(f"/proc/{nspawn}/comm").read_text().strip() == "systemd-nspawn":
                    return next(iter(_children(nspawn)), None)
        except OSError:
            pass
        return None

    def _state(self):
        if self._process.poll() is not None:
            raise Failed("the server ended:\n" + self.console())
        leader = self._leader()
        if leader is None:
            return None
        try:
            r = run(*_enter(leader), "systemctl", "is-system-running", check=False, timeout=2)
        except Failed:  # a systemd on its way down may not answer any more
            return None
        return leader if r.out.strip() in ("running", "degraded") else None

    def wait_booted(self, other_than=None):
        """Waits until it is up; with other_than, up as another process than that one."""
        def up():
            leader = self._state()
            return leader if leader != other_than else None
        try:
            wait_for("the server's start", 60, up)
        except Failed as e:
            raise Failed(f"{e}\n{self.console()}") from None

    def reboot(self):
        """What a person's `reboot` does; returns when it is up again."""
        before = self._leader()
        self.run("systemctl", "--no-block", "reboot")
        self.wait_booted(other_than=before)

    def halt(self):
        """Stops it cleanly; its disk stays mounted, boot again with start()."""
        self.run("systemctl", "--no-block", "poweroff")
        self._process.wait(60)

    def cut(self):
        """Takes its power: everything on it ends at once. Start it again with start()."""
        os.kill(self._leader(), signal.SIGKILL)
        self._process.wait(60)

    def start(self):
        """Starts it again after halt() or cut()."""
        run("ip", "netns", "exec", self.host.netns, "nft", "flush", "ruleset")
        self._start()

    def keep_as_layer(self, folder):
        """Copies what was written since boot into folder, a layer for others. Halt it first."""
        folder.mkdir(parents=True)
        run("cp", "-a", f"{self._folder}/upper/.", folder)
        return folder

    # --- Commands and files ---------------------------------------------------------------------
    def _argv(self, argv, unit=None, env=None):
        head = [*_enter(self._leader()), "systemd-run", "--quiet", "--wait", "--pipe",
                "--collect", "-p", "WorkingDirectory=/root", "-E", "HOME=/root",
                "-E", "LANG=C.UTF-8", "-E", "DEBIAN_FRONTEND=noninteractive",
                "-E", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        head += [f"--unit={unit}"] if unit else []
        for name, value in (env or {}).items():
            head += ["-E", f"{name}={value}"]
        # systemd would put values of variables in their places.
        return head + ["--", *(str(word).replace("$", "$$") for word in argv)]

    def run(self, *argv, check=True, timeout=120, input=None, env=None):
        """Runs a program as root on the server; its exit code comes through."""
        r = run(*self._argv(argv, env=env), check=False, timeout=timeout, input=input)
        result = Result(argv, r.code, r.out, r.err)
        if check and r.code != 0:
            raise Failed(str(result))
        return result

    def sh(self, script, check=True, timeout=120):
        """Runs a shell script and returns what it wrote to standard output, stripped."""
        return self.run("sh", "-c", script, check=check, timeout=timeout).out.strip()

    def popen(self, *argv, unit=None, env=None, **options):
        """Starts a program; unit names it for `systemctl kill`."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self._argv(argv, unit, env), preexec_fn=tidy.die_with_parent,
                                **options)

    def path(self, path):
        """Where this machine sees a file of the server (not below /run, /tmp, /proc and such)."""
        return self.root / str(path).lstrip("/")

    def put(self, source, target, mode=0o644):
        """Copies a file of this machine to the server."""
        target = self.path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(mode)

    def write(self, path, text, mode=0o644):
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def read(self, path):
        return self.path(path).read_text()

    def journal(self, *units, lines=200):
        """The last lines of the journal, of these units when some are named."""
        args = [a for u in units for a in ("-u", u)]
        return self.run("journalctl", "--no-pager", "-o", "short-monotonic", "-n", lines,
                        *args).out

    def console(self):
        return (self._folder / "console.log").read_text(errors="replace")[-4000:]

    def until(self, what, script, seconds=15):
        """Waits until a shell script on the server succeeds."""
        end = time.monotonic() + seconds
        while (r := self.run("sh", "-c", script, check=False)).code != 0:
            if time.monotonic() > end:
                raise Failed(f"{what}: not after {seconds} s\n{r}")
            time.sleep(0.2)
        return r.out.strip()

    # --- apt ------------------------------------------------------------------------------------
    def install(self, deb):
        """`apt install ./x.deb`; the server has no network for apt, nor needs one."""
        self.put(deb, f"/root/{deb.name}")
        return self.run("apt-get", "install", "-y", f"./{deb.name}")

    def offer_packages(self):
        """Makes the packages of /srv/repo installable: rootfs.OFFERED, and what came with ufw."""
        self.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repo ./\n")
        self.run("apt-get", "-qq", "update")


def _enter(leader):
    """All its namespaces, and its root, which is not that of the mount namespace everywhere."""
    return ["nsenter", "-t", str(leader), "-a", "-r"]


def _children(pid):
    """Process ids of a process's children, of all its threads."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(p) for p in path.read_text().split()]
    return found
