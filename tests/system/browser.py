# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven by the DevTools protocol over a pipe."""
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

PATIENCE = 30


class Browser:
    """`with Browser(ca, {name: address}) as b: page = b.open(url); page.call("f", argument)`.

    It trusts only this CA and finds only these names: nothing leaves the machine."""

    def __init__(self, ca, names):
        self.program, certutil = shutil.which("chromium"), shutil.which("certutil")
        if not self.program or not certutil:
            pytest.skip("%s is not installed" % ("libnss3-tools" if self.program else "chromium"))
        self.certutil, self.ca, self.names = certutil, ca, names
        self.number, self.buffer = 0, b""
        self.process = None

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="browser-"))
        try:
            self._trust()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _trust(self):
        """The certificate store that Chromium reads besides its own."""
        store = self.home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        for command in (["-N", "--empty-password"], ["-A", "-n", "test", "-t", "C,,", "-i", self.ca]):
            subprocess.run([self.certutil, "-d", "sql:%s" % store, *command], check=True,
                           capture_output=True, timeout=PATIENCE)

    def _start(self):
        rules = ", ".join("MAP %s %s" % pair for pair in self.names.items()) + ", MAP * ~NOTFOUND"
        options = ["--headless=new", "--remote-debugging-pipe", "--user-data-dir=%s" % self.home,
                   "--host-resolver-rules=" + rules, "--no-first-run", "--disable-gpu",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
                   # Root cannot use the sandbox, and the only page is the test's own.
                   "--no-sandbox", "about:blank"]
        commands, self.out = os.pipe()
        self.into, answers = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4, which ours may be: high
        # numbers are in nobody's way.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (commands, answers)]
        self.log = (self.home / "log").open("wb")
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % tuple(theirs), "bash", self.program, *options],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
            env={"HOME": str(self.home), "TMPDIR": str(self.home), "LC_ALL": "C.UTF-8",
                 "PATH": os.environ.get("PATH", "/usr/bin")})
        for fd in (commands, answers, *theirs):
            os.close(fd)

    def __exit__(self, *_):
        if self.process is not None:
            self._ask_to_end()
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            for fd in (self.out, self.into):
                os.close(fd)
            self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _ask_to_end(self):
        """Only so does it wait for its own children."""
        self.number += 1
        try:
            os.write(self.out, json.dumps({"id": self.number, "method": "Browser.close"}).encode() + b"\0")
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            pass

    def _message(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.into], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self.into, 1 << 20) if ready else b""
            if not got:
                said = (self.home / "log").read_text(errors="replace")
                pytest.fail("the browser %s:\n%s" % ("ended" if ready else "does not answer", said[-3000:]))
            self.buffer += got
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def command(self, method, session=None, **params):
        """The result of a command of the DevTools protocol."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(self, url):
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        went = self.command("Page.navigate", session, url=url)
        assert "errorText" not in went, went["errorText"]
        return Page(self, session)


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def evaluate(self, expression):
        """The value of an expression, or of the promise that it is."""
        done = self.browser.command("Runtime.evaluate", self.session, expression=expression,
                                    awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def call(self, function, argument):
        """What a function of the page returns, once the page has it."""
        deadline = time.monotonic() + PATIENCE
        while self.evaluate("typeof " + function) != "function":
            assert time.monotonic() < deadline, "the page has no " + function
            time.sleep(0.02)
        return self.evaluate("%s(%s)" % (function, json.dumps(argument)))
