# SPDX-License-Identifier: Apache-2.0
"""How derp-acme tells people: hook, journal, status, metrics."""
import json
import os
import subprocess
import urllib.request

import pytest

from acme_home import make_home, shim, world  # noqa: F401
from acme_home import fake, fill, small_disk  # noqa: F401
from fake_acme import Answer, problem
from pebble import free_port

HOUR, DAY = 3600, 86400
HOOK = """#!/bin/sh
{ echo "$# $1"; env | grep ^DERP_ | sort; printf 'stdin %s\\n' "$(cat)"; } >> FILE
"""


class Hook:
    def __init__(self, folder, text=HOOK):
        self.path, self.said = folder / "hook", folder / "hook.said"
        self.path.write_text(text.replace("FILE", str(self.said)))
        self.path.chmod(0o755)

    def calls(self):
        """[(event, environment, status)] of all calls."""
        calls = []
        for line in self.said.read_text().splitlines() if self.said.exists() else []:
            if line.startswith("1 "):
                calls.append([line[2:], {}, None])
            elif line.startswith("stdin "):
                calls[-1][2] = json.loads(line[6:])
            else:
                name, _, value = line.partition("=")
                calls[-1][1][name] = value
        return [tuple(call) for call in calls]

    def events(self):
        return [call[0] for call in self.calls()]


@pytest.fixture
def hooked(fake, make_home, tmp_path):  # noqa: F811
    home, hook = make_home(fake), Hook(tmp_path)
    home.configure(hook=hook.path)
    return home, hook


def later(seconds, shim, ca):  # noqa: F811
    ca.clock = seconds
    return {"LD_PRELOAD": shim, "SHIM_CLOCK": str(seconds)}


def test_renewed(hooked):
    home, hook = hooked
    home.expect(0, "issue")
    (event, env, status), = hook.calls()
    assert event == "renewed" == env["DERP_EVENT"] and env["DERP_DOMAIN"] == home.domain
    assert env["DERP_CA"] == home.ca.directory and env["DERP_DAYS_LEFT"] == "89"
    assert env["DERP_NOT_AFTER"] == status["certificate"]["not_after"]
    assert "DERP_PROBLEM" not in env and status["certificate"]["good"] is True
    home.expect(2, "run")
    assert hook.events() == ["renewed"]


def test_failed_once_and_then_daily(hooked, shim):  # noqa: F811
    home, hook = hooked
    home.ca.script["/order"] = lambda ca, r: Answer(403, problem("rejectedIdentifier", "not this name\nnever"))
    home.expect(1, "issue")
    home.expect(1, "issue")
    (event, env, status), = hook.calls()
    assert event == "failed" and env["DERP_CLASS"] == "configuration"
    assert "not this name" in env["DERP_PROBLEM"] and env["DERP_PROBLEM"] == status["problem"]["text"]
    assert env["DERP_NEXT_TRY"] == status["next_try"]
    home.expect(1, "issue", env=later(DAY + 60, shim, home.ca))
    assert hook.events() == ["failed", "failed"]
    home.ca.script = {}
    home.expect(0, "issue", env=later(DAY + 120, shim, home.ca))
    assert hook.events() == ["failed", "failed", "renewed"]


def test_short_outages_are_not_told(hooked):
    home, hook = hooked
    home.ca.script["/order"] = lambda ca, r: Answer(503, problem("serverInternal", "later"))
    home.expect(1, "issue")
    home.expect(1, "issue")
    assert hook.events() == []
    home.expect(1, "issue")
    assert hook.events() == ["failed"]


def test_paused(hooked):
    home, hook = hooked
    home.ca.script["/order"] = lambda ca, r: Answer(429, problem(
        "rateLimited", "Your account is temporarily prevented from requesting certificates: https://ca.test/unpause"))
    home.expect(1, "issue")
    assert hook.events() == ["paused"] and "https://ca.test/unpause" in hook.calls()[0][1]["DERP_PROBLEM"]


def test_expiring(hooked, shim):  # noqa: F811
    home, hook = hooked
    home.ca.lifetime, home.ca.backdate = 20 * DAY, 0
    home.expect(0, "issue")
    home.ca.script["/order"] = lambda ca, r: Answer(500, problem("serverInternal", "broken"))
    for hours in (17 * 24, 17 * 24 + 2, 18 * 24 + 1, 21 * 24):
        home.acme("run", env=later(hours * HOUR, shim, home.ca))
    expiring = [call for call in hook.calls() if call[0] == "expiring"]
    assert [call[1]["DERP_DAYS_LEFT"] for call in expiring] == ["2", "1", "-1"]
    assert expiring[-1][2]["certificate"]["good"] is False


@pytest.mark.parametrize("what", ["fails", "missing", "not executable", "open to others", "silent reader"])
def test_hook_never_harms(fake, make_home, tmp_path, what):  # noqa: F811
    home, hook = make_home(fake), Hook(tmp_path, "#!/bin/sh\necho oh no >&2\nexit 3\n")
    if what == "missing":
        hook.path.unlink()
    elif what == "not executable":
        hook.path.chmod(0o644)
    elif what == "open to others":
        hook.path.chmod(0o777)
    elif what == "silent reader":
        hook.path.write_text("#!/bin/sh\nexit 0\n")
    home.configure(hook=hook.path)
    said = home.expect(0, "issue")
    assert ("warning: hook" in said) == (what != "silent reader")
    assert what != "open to others" or ("chmod go-w" in said and "oh no" not in said)
    assert what != "fails" or ("exit code 3" in said and "oh no" in said)
    assert home.usable()


def test_hook_is_not_called_when_that_cannot_be_noted(hooked, small_disk):  # noqa: F811
    """Otherwise a full disk would have it called once a minute."""
    home, hook = hooked
    home.certs = small_disk / "certs"
    home.configure(hook=hook.path)
    home.expect(0, "issue")
    fill(small_disk)
    assert "the hook is not called" in home.expect(1, "renew")
    assert hook.events() == ["renewed"]


def test_journal(fake, make_home, shim, tmp_path):  # noqa: F811
    """With stderr at the journal: one entry with a MESSAGE_ID, beside the lines of the log."""
    home, journal, log = make_home(fake), tmp_path / "journal", tmp_path / "log"
    with open(log, "wb") as stream:
        st = os.fstat(stream.fileno())
        subprocess.run(home.command("issue"), stderr=stream, check=True, env={
            **os.environ, "LD_PRELOAD": shim, "SHIM_JOURNAL": str(journal),
            "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    entry = journal.read_text().splitlines()
    assert "MESSAGE_ID=956152fc6e3502583a7f01cc7c1e9b19" in entry and "PRIORITY=5" in entry
    assert "DERP_EVENT=renewed" in entry and f"DERP_DOMAIN={home.domain}" in entry
    assert "is renewed" not in log.read_text()


def test_metrics(fake, make_home):  # noqa: F811
    """What derp-acme knows is on derpd's page, beside what derpd serves."""
    home = make_home(fake)
    port = free_port()
    home.config.write_text(home.config.read_text().replace("metrics = off", f"metrics = 127.0.0.1:{port}"))
    home.start_relay()

    def page():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = [line.split(" ") for line in answer.read().decode().splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in lines}
    assert not any(name.startswith("derp_acme_") for name in page())
    home.expect(0, "issue")
    numbers = page()
    end = home.leaf().not_valid_after_utc if hasattr(home.leaf(), "not_valid_after_utc") else None
    assert numbers["derp_acme_failures"] == 0 and numbers["derp_acme_last_run_seconds"] > 1.7e9
    assert end is None or numbers["derp_acme_not_after_seconds"] == end.timestamp()
    assert numbers["derp_acme_renew_at_seconds"] < numbers["derp_acme_not_after_seconds"]
    fake.script["/order"] = lambda ca, r: Answer(503, b"")
    home.expect(1, "renew")
    numbers = page()
    assert numbers["derp_acme_failures"] == 1 and numbers['derp_acme_last_failure{class="overload"}'] == 1
    # Anything else in its place is not shown.
    (home.certs / "metrics.prom").write_text("derp_clients 7\n")
    assert not any(name.startswith("derp_acme_") for name in page())
