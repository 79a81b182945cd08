# SPDX-License-Identifier: Apache-2.0
"""derp-acme in ordinary life: a real CA (Pebble) that validates against a real derpd."""
import datetime
import os
import stat
import subprocess
import time

from acme_home import (DOMAIN, fake, leaf_der, make_home, make_pebble, relay_home, shim,  # noqa: F401
                       world)
from pebble import BUILD, wait_for


def mode(path):
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def test_first_certificate(relay_home):
    """Half of all good nonces are refused, and still everything comes to its end."""
    home = relay_home(PEBBLE_WFE_NONCEREJECT=50)
    said = home.expect(0, "issue")
    assert "the relay serves gen-1" in said
    assert home.usable() and home.served() == leaf_der(home.chain())
    assert home.current() == "gen-1"
    assert home.challenges() == []
    assert list((home.certs / "pending").iterdir()) == []
    # Nothing is done twice.
    assert "nothing to do" in home.expect(2, "run")
    assert "nothing to do" in home.expect(2, "issue")
    assert home.current() == "gen-1"


def test_files_and_modes(relay_home):
    home = relay_home()
    home.expect(0, "run")
    modes = {name: mode(home.certs / name) for name in (
        ".", "account", home.account("account.key"), home.account("account.json"), "pending", "challenge", "gen-1",
        "gen-1/privkey.pem", "gen-1/fullchain.pem", "order.json")}
    assert modes == {
        ".": "0o750", "account": "0o700", home.account("account.key"): "0o600", home.account("account.json"): "0o600",
        "pending": "0o700", "challenge": "0o750", "gen-1": "0o750", "gen-1/privkey.pem": "0o640",
        "gen-1/fullchain.pem": "0o640", "order.json": "0o640"}
    for path in home.certs.rglob("*"):
        if path.is_file() and "privkey" not in path.name and path.name != "account.key":
            assert b"PRIVATE" not in path.read_bytes(), path


def test_leaf_is_what_we_asked_for(relay_home):
    home = relay_home()
    home.expect(0, "run")
    assert home.leaf().public_key().curve.name == "secp256r1"
    assert home.usable()


def test_renewals_keep_three_generations_and_fresh_keys(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    keys = {(home.certs / "current" / "privkey.pem").read_bytes()}
    for number in range(2, 6):
        home.expect(0, "renew")
        assert home.current() == f"gen-{number}"
        assert home.served() == leaf_der(home.chain())
        keys.add((home.certs / "current" / "privkey.pem").read_bytes())
    assert home.generations() == ["gen-3", "gen-4", "gen-5"]
    assert len(keys) == 5


def test_renews_by_itself_in_time(relay_home):
    """Short lifetimes are renewed at half of them, and not before."""
    home = relay_home(validity=14)
    home.expect(0, "run")
    first = home.leaf()
    due = first.not_valid_before + (first.not_valid_after - first.not_valid_before) / 2
    assert "renewed from" in home.expect(2, "run")
    wait_for(lambda: home.acme("run").returncode == 0, "the renewal", 20)
    now = datetime.datetime.utcnow()
    assert due - datetime.timedelta(seconds=1) <= now < first.not_valid_after
    assert home.leaf().serial_number != first.serial_number
    assert home.served() == leaf_der(home.chain())


def test_renewal_at_a_third(relay_home, shim):  # noqa: F811
    """90 days: nothing to do on day 59; on day 61 the clock of a moved machine is refused by the CA's Date,
    which proves that the decision to renew was made."""
    home = relay_home(validity=90 * 86400)
    home.expect(0, "run")

    def at(day):
        return {"LD_PRELOAD": shim, "SHIM_CLOCK": str(day * 86400)}
    assert "nothing to do" in home.expect(2, "run", env=at(59))
    assert "due for renewal" in home.expect(1, "run", env=at(61))


def test_status(relay_home):
    home = relay_home()
    before = home.acme("status")
    assert before.returncode == 1 and "no certificate is installed" in before.stdout
    home.expect(0, "issue")
    after = home.acme("status")
    assert after.returncode == 0 and "served       yes" in after.stdout
    status = home.status()
    assert status["served"] == "same" and status["certificate"]["good"] is True
    assert int(status["certificate"]["serial"], 16) == home.leaf().serial_number
    assert int(status["served_serial"], 16) == home.leaf().serial_number
    assert status["served_not_after"] == status["certificate"]["not_after"]
    assert status["issued_by"] == home.ca.directory and status["certificate"]["days_left"] in (89, 90)
    assert status["problem"] is None and status["phase"] == "idle" and status["domain"] == DOMAIN


def test_status_writes_nothing(make_pebble, make_home):
    home = make_home(make_pebble(1))
    assert home.acme("status").returncode == 1
    assert not home.certs.exists()


def test_revoke(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    serial = format(home.leaf().serial_number, "x")
    home.expect(0, "revoke")
    assert home.ca.certificate_status(serial)["Status"] == "Revoked"
    assert home.acme("status").returncode == 1
    home.expect(2, "revoke")  # the CA says alreadyRevoked
    home.expect(0, "run")     # a revoked certificate is replaced
    assert home.current() == "gen-2" and home.acme("status").returncode == 0


def test_without_a_running_relay_the_certificate_stays(make_pebble, make_home):
    home = make_home(make_pebble(1, PEBBLE_VA_ALWAYS_VALID=1))
    said = home.expect(0, "run")
    assert "nothing answers on" in said and "stays in place" in said
    assert home.usable()


def test_authorizations_that_are_valid_already(relay_home):
    home = relay_home(PEBBLE_AUTHZREUSE=100)
    home.expect(0, "issue")
    said = home.expect(0, "renew")
    assert "challenge for" not in said
    assert home.served() == leaf_der(home.chain())


def test_other_ca_in_the_config(relay_home, make_pebble):
    home = relay_home()
    home.expect(0, "issue")
    home.ca = make_pebble(home.port)
    home.configure()
    home.expect(0, "run")
    assert home.current() == "gen-2"
    home.expect(2, "run")


def test_other_domain_in_the_config(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    home.domain = "other.test"
    home.configure()
    home.relays.pop().stop()
    home.start_relay()
    home.expect(0, "run")
    assert home.usable()


def test_lost_link_and_lost_generation_are_mended(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    home.expect(0, "renew")
    (home.certs / "current").unlink()
    assert "back to gen-2" in home.expect(0, "run")
    assert home.current() == "gen-2"
    (home.certs / "gen-2" / "privkey.pem").write_text("")
    assert "back to gen-1" in home.expect(0, "run")
    assert home.usable()
    # With nothing left to go back to, a new one is ordered.
    for name in home.generations():
        (home.certs / name / "fullchain.pem").unlink()
    home.expect(0, "run")
    assert home.usable() and home.served() == leaf_der(home.chain())


def test_damaged_state_file(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    (home.certs / "order.json").write_text('{"schema":1,"pha')
    assert "damaged" in home.expect(2, "run")
    assert (home.certs / "order.json.bad").exists()
    (home.certs / "order.json").write_text('{"schema":7,"phase":"idle"}')
    assert "later version" in home.expect(1, "run")
    assert (home.certs / "order.json").read_text() == '{"schema":7,"phase":"idle"}'


def test_a_lost_account_is_found_again_by_its_key(relay_home):
    home = relay_home()
    home.expect(0, "issue")
    before = (home.certs / home.account("account.json")).read_text()
    (home.certs / home.account("account.json")).unlink()
    assert "known already" in home.expect(0, "renew")
    assert (home.certs / home.account("account.json")).read_text() == before


def test_a_lost_account_key_makes_a_new_account(relay_home):
    """The URL alone is of no use, and neither is an order of the old account."""
    home = relay_home()
    home.expect(0, "issue")
    before = (home.certs / home.account("account.json")).read_text()
    (home.certs / home.account("account.key")).unlink()
    assert "(created)" in home.expect(0, "renew")
    assert (home.certs / home.account("account.json")).read_text() != before


def test_ca_that_has_forgotten_us(relay_home):
    """Pebble keeps everything in memory: after a restart neither account nor order exist."""
    home = relay_home()
    home.expect(0, "issue")
    home.ca.stop()
    home.ca.start()
    said = home.expect(0, "renew")
    assert said.count("does not know account") == 1 and "(created)" in said


def test_source_files_has_nothing_to_do(make_pebble, make_home):
    home = make_home(make_pebble(1))
    for source in ("source = self-signed", f"source = files\nchain = {home.folder}/c\nkey = {home.folder}/k"):
        home.configure(certificate=source)
        for verb in ("run", "issue", "renew", "status", "revoke"):
            assert "not acme" in home.expect(2, verb)
    assert not home.certs.exists()


def test_challenges_that_lack_something(make_pebble, make_home):
    home = make_home(make_pebble(1))
    for challenge, need in (("http-01", "http = 0.0.0.0:80"), ("dns-01", "dns-hook")):
        home.configure(challenge=challenge)
        assert need in home.expect(1, "run")
    assert not home.certs.exists()


def test_usage_errors(make_pebble, make_home):
    home = make_home(make_pebble(1))

    def says(*arguments):
        done = subprocess.run([BUILD / "derp-acme", *arguments], capture_output=True, text=True, timeout=10)
        assert done.returncode == 1 and done.stdout == "", done
        return done.stderr
    assert "a verb is missing" in says()
    assert "no such verb: fly" in says("fly")
    assert "--help" in says("--fly")
    assert "one verb only" in says("run", "issue")
    assert "--json is for status" in says("--json", "run")
    assert "/nonexistent" in says("--config", "/nonexistent", "run")
    home.config.write_text("[relay]\ndomain = derp.test\nnonsense = 1\n")
    assert f"{home.config.name}:3" in says("--config", str(home.config), "run")
    shown = subprocess.run([BUILD / "derp-acme", "--help"], capture_output=True, text=True, timeout=10)
    assert shown.returncode == 0 and "Exit status" in shown.stdout
    shown = subprocess.run([BUILD / "derp-acme", "--version"], capture_output=True, text=True, timeout=10)
    assert shown.returncode == 0 and shown.stdout.startswith("derp-acme ")


def test_nothing_secret_is_said(relay_home):
    home = relay_home(PEBBLE_WFE_NONCEREJECT=30)
    done = home.acme("--verbose", "issue")
    assert done.returncode == 0
    key = (home.certs / home.account("account.key")).read_text().splitlines()[1]
    for text in (key, "PRIVATE", "signature"):
        assert text not in done.stderr and text not in done.stdout


def test_quick(relay_home):
    """A renewal is a matter of seconds, so that setup may wait for it."""
    home = relay_home()
    home.expect(0, "issue")
    start = time.monotonic()
    home.expect(0, "renew")
    assert time.monotonic() - start < 15
