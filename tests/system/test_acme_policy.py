# SPDX-License-Identifier: Apache-2.0
"""What derp-acme decides: when to renew, what a wrong clock may do, which CA it turns to."""
import datetime
import email.utils
import json
import shutil

import pytest

from acme_home import DOMAIN, make_home, shim, world  # noqa: F401
from acme_home import fake, fill, make_pebble, relay_home, small_disk  # noqa: F401
from fake_acme import Answer, FakeCa, problem
from pebble import new_pebble

HOUR, DAY = 3600, 86400


def utc(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").timestamp()


def stamp(seconds):
    return f"{datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def info(start, end, **more):
    """A renewalInfo answer of a fixed window."""
    return Answer(200, {"suggestedWindow": {"start": stamp(start), "end": stamp(end)}, **more})


def ordered(ca):
    """Payloads of all newOrder requests."""
    return [r.payload for r in ca.seen if r.path == "/order" and r.method == "POST"]


@pytest.fixture
def at(shim, request):  # noqa: F811
    """at(seconds, *cas): the environment of a client whose clock is ahead by so much, like these CAs'."""
    def later(seconds, *cas):
        for ca in cas:
            ca.clock = seconds
        return {"LD_PRELOAD": shim, "SHIM_CLOCK": str(int(seconds))}
    return later


@pytest.fixture
def make_fake(tmp_path):
    made = []

    def make(**options):
        made.append(FakeCa(tmp_path / f"ca{len(made)}", **options))
        return made[-1]
    yield make
    for ca in made:
        ca.stop()


# --- The CA's suggestion (RFC 9773) ----------------------------------------------------------------

def test_suggestion_is_asked_for_right_after_issuance(fake, make_home, at):  # noqa: F811
    home = make_home(fake)
    fake.window = (10 * DAY, 12 * DAY)
    assert "the CA suggests to renew between" in home.expect(0, "issue")
    asked = [r for r in fake.seen if r.path.startswith("/ari/")]
    assert [(r.method, r.path) for r in asked] == [("GET", "/ari/" + fake.cert_id(home.leaf()))]
    assert asked[0].header == {}  # open to everybody: not signed
    ari = home.state()["ari"]
    assert utc(ari["start"]) <= utc(ari["pick"]) < utc(ari["end"])
    assert home.status()["renew_at"] == ari["pick"]
    # Not before the CA's Retry-After (6 h) again.
    home.expect(2, "run")
    assert fake.count("/ari/" + fake.cert_id(home.leaf())) == 1
    home.expect(2, "run", env=at(7 * HOUR, fake))
    assert fake.count("/ari/" + fake.cert_id(home.leaf())) == 2


def test_suggested_moment_is_kept_until_the_window_moves(fake, make_home, at):  # noqa: F811
    home = make_home(fake)
    fake.window = info(10 * DAY, 12 * DAY)
    home.expect(0, "issue")
    pick = home.state()["ari"]["pick"]
    for hours in (7, 14, 21):
        home.expect(2, "run", env=at(hours * HOUR, fake))
        assert home.state()["ari"]["pick"] == pick
    fake.window = info(3 * DAY, 4 * DAY)
    home.expect(2, "run", env=at(28 * HOUR, fake))
    assert 3 * DAY - 60 <= utc(home.state()["ari"]["pick"]) - utc(stamp(0)) <= 4 * DAY


def test_past_window_renews_at_once_and_says_what_is_replaced(fake, make_home, at):  # noqa: F811
    home = make_home(fake)
    fake.window = (10 * DAY, 12 * DAY)
    home.expect(0, "issue")
    assert "replaces" not in ordered(fake)[0]
    first = home.leaf()
    fake.window = info(-2 * DAY, -DAY, explanationURL="https://ca.test/incident")
    said = home.expect(0, "run", env=at(7 * HOUR, fake))
    assert "https://ca.test/incident" in said and "the CA suggests to renew the certificate now" in said
    assert ordered(fake)[1]["replaces"] == fake.cert_id(first)
    assert home.leaf().serial_number != first.serial_number


def test_windows_that_are_always_past_do_not_exhaust_the_limits(fake, make_home, at):  # noqa: F811
    """A CA in confusion: each new certificate is to be renewed at once."""
    home = make_home(fake)
    fake.window = (-2 * DAY, -DAY)
    home.expect(0, "issue")
    renewed = [home.acme("run", env=at(h * HOUR, fake)).returncode for h in range(1, 24)]
    assert renewed.count(0) == 2 and renewed.count(1) == 0  # the first at once, then 12 hours apart


@pytest.mark.pitfall(18)
def test_five_certificates_in_seven_days(fake, make_home, at):  # noqa: F811
    home = make_home(fake)
    for _ in range(5):
        home.expect(0, "renew")
    home.expect(0, "revoke")
    fake.clock = HOUR
    assert "five certificates in a short time" in home.expect(2, "run", env=at(HOUR, fake))
    assert len(ordered(fake)) == 5
    home.expect(2, "run", env=at(33 * HOUR, fake))
    home.expect(0, "run", env=at(34 * HOUR + 60, fake))


def test_certificates_that_get_lost_do_not_exhaust_the_limits(fake, make_home):  # noqa: F811
    home = make_home(fake)
    for _ in range(4):
        home.expect(0, "run")
        shutil.rmtree(home.certs / home.current())
    assert "five certificates in a short time" in home.expect(2, "run")
    assert len(ordered(fake)) == 4  # the fifth not before ten minutes later: the CA has another clock


def test_the_limit_is_one_of_a_name(fake, make_home, at):  # noqa: F811
    """Five certificates for another name do not hold this one up."""
    home = make_home(fake)
    for _ in range(5):
        home.expect(0, "renew")
    home.domain = "derp2.test"
    home.configure()
    home.expect(0, "run")
    home.domain = "derp.test"
    home.configure()
    (home.certs / "current").unlink()
    for path in home.certs.glob("gen-*"):
        shutil.rmtree(path)
    assert "five certificates in a short time" in home.expect(2, "run")


def test_five_short_lived_certificates_do_not_lose_the_last_one(fake, make_home, at):  # noqa: F811
    """A week is longer than 160 hours: the CA, which gives one more each 34 hours, is asked in time."""
    home = make_home(fake)
    fake.lifetime = 160 * HOUR
    for _ in range(5):
        home.expect(0, "renew")
    fake.clock = 81 * HOUR
    home.expect(0, "run", env=at(81 * HOUR, fake))


@pytest.mark.parametrize("serial", [0x87654321, (1 << 151) + 12345, 0x7f, 1])
def test_serial_of_any_form(fake, make_home, serial):  # noqa: F811
    """High bits: DER puts 00 in front, and so does the certID."""
    home = make_home(fake)
    fake.serial, fake.window = serial, (10 * DAY, 12 * DAY)
    home.expect(0, "issue")
    assert fake.count("/ari/" + fake.cert_id(home.leaf())) == 1


NO_ANSWER = {
    "inverted": lambda: info(2 * DAY, DAY),
    "empty": lambda: info(DAY, DAY),
    "nulls": lambda: Answer(200, {"suggestedWindow": None}),
    "html": lambda: Answer(200, "<html>hello</html>", kind="text/html"),
    "not found": lambda: Answer(404, problem("malformed", "no such certificate")),
    "overload": lambda: Answer(503, problem("serverInternal", "later"), {"Retry-After": "600"}),
}


@pytest.mark.parametrize("what", NO_ANSWER)
def test_no_answer_is_no_failure(fake, make_home, at, what):  # noqa: F811
    home = make_home(fake)
    fake.window = NO_ANSWER[what]()
    home.expect(0, "issue")
    state = home.state()
    assert "pick" not in state["ari"] and state["ari"]["failures"] == 1 and "class" not in state
    asked = [0]

    def run(seconds):
        before = len(fake.seen)
        home.expect(2, "run", env=at(seconds, fake))
        asked.append(sum(r.path.startswith("/ari/") for r in fake.seen[before:]))
        return asked[-1]
    assert run(120) == 0
    assert run(700) == 1
    assert run(800) == 0  # later and later
    assert home.state()["ari"]["failures"] == 2
    # The backstop holds without.
    assert "due for renewal" in home.expect(1, "run", env={**at(61 * DAY), "SHIM_CLOCK": str(61 * DAY)})


def test_question_is_noted_before_it_is_asked(fake, make_home, at):  # noqa: F811
    """A run that is killed, or has no disk for the answer, does not ask again at once."""
    home = make_home(fake)
    fake.window = (10 * DAY, 12 * DAY)
    noted = []
    fake.script["/ari"] = lambda ca, r: noted.append(home.state()["ari"])
    home.expect(0, "issue")
    assert "next_look" in noted[0] and utc(noted[0]["next_look"]) - utc(stamp(0)) > 200 and noted[0]["failures"] == 1
    assert "failures" not in home.state()["ari"] and utc(home.state()["ari"]["next_look"]) - utc(stamp(0)) > HOUR


def test_retry_after_at_renewal_info_holds_for_orders_too(fake, make_home, at):  # noqa: F811
    """And that of an order for questions: the CA is left in peace."""
    home = make_home(fake)
    fake.window = info(8 * HOUR - 60, 9 * HOUR)
    home.expect(0, "issue")
    fake.script["/directory"] = lambda ca, r: Answer(503, problem("serverInternal", "later"), {"Retry-After": "4000"})
    seen = len(fake.seen)
    assert "does not tell when to renew" in home.expect(2, "run", env=at(7 * HOUR, fake))
    assert "the CA has asked to come later" in home.expect(2, "run", env=at(8 * HOUR, fake))
    assert len(fake.seen) == seen + 1
    home.expect(1, "run", env=at(8 * HOUR + 600, fake))
    assert len(fake.seen) == seen + 2  # what is due needs no suggestion
    home.expect(2, "run", env=at(9 * HOUR, fake))
    assert len(fake.seen) == seen + 2
    fake.script = {}
    home.expect(0, "run", env=at(10 * HOUR, fake))


def test_backstop_counts_more_than_a_late_window(fake, make_home, at):  # noqa: F811
    fake.lifetime, fake.backdate = 160 * HOUR, 0
    home = make_home(fake)
    fake.window = info(130 * HOUR, 140 * HOUR)
    home.expect(0, "issue")
    home.expect(2, "run", env=at(79 * HOUR, fake))
    assert "due for renewal" in home.expect(0, "run", env=at(81 * HOUR, fake))


def test_short_lived_certificates_are_renewed_inside_their_window(fake, make_home, at):  # noqa: F811
    """160 hours, a window of 3.2: runs an hour apart hit it, renewal after renewal."""
    fake.lifetime, fake.backdate = 160 * HOUR, 0
    home = make_home(fake)
    now = 0
    fake.window = info(80 * HOUR - 5760, 80 * HOUR + 5760)
    home.expect(0, "issue", env=at(now, fake))
    for _ in range(3):
        begin = now
        now += 74 * HOUR + 1234
        for _ in range(12):
            middle = begin + 80 * HOUR
            fake.window = info(middle - 5760, middle + 5760)
            if home.acme("run", env=at(now, fake)).returncode == 0:
                break
            now += HOUR
        assert middle - 5760 <= now < middle + 5760
    assert len(ordered(fake)) == 4
    assert all("replaces" in order for order in ordered(fake)[1:])


@pytest.mark.parametrize("status, kind, again", [
    (409, "alreadyReplaced", True), (400, "malformed", True), (403, "unauthorized", True),
    (500, "serverInternal", True), (429, "rateLimited", False), (403, "caa", False),
    (400, "rejectedIdentifier", False), (403, "userActionRequired", False), (400, "invalidProfile", False)])
def test_newOrder_without_replaces(fake, make_home, status, kind, again):  # noqa: F811, N802
    home = make_home(fake)
    fake.window = (10 * DAY, 12 * DAY)
    home.expect(0, "issue")
    fake.script["/order"] = lambda ca, r: (
        Answer(status, problem(kind, "about the old one")) if r.path == "/order" and "replaces" in (r.payload or {})
        else None)
    said = home.expect(0 if again else 1, "renew")
    assert "about the old one" in said
    assert ["replaces" in order for order in ordered(fake)] == [False, True] + ([False] if again else [])


def test_replaces_only_what_this_account_has_ordered(fake, make_home):  # noqa: F811
    home = make_home(fake)
    fake.window = (10 * DAY, 12 * DAY)
    home.expect(0, "issue")
    state = home.state()
    state["issued_account"] = "https://127.0.0.1/another/account"
    (home.certs / "order.json").write_text(json.dumps(state))
    home.expect(0, "renew")
    fake.window = None
    home.expect(0, "renew")  # a CA that does not speak RFC 9773 (any more)
    assert ["replaces" in order for order in ordered(fake)] == [False, False, False]


# --- The same at the real CA -----------------------------------------------------------------------

@pytest.fixture
def recent(make_pebble, make_home):  # noqa: F811
    """A home with a certificate of Pebble 2.10.1, which speaks RFC 9773."""
    program, why = new_pebble()
    if not program:
        pytest.skip(why)
    home = make_home(make_pebble(1, program=program, PEBBLE_VA_ALWAYS_VALID=1))
    home.expect(0, "issue")
    return home


def suggest(home, text):
    home.ca.manage("/set-renewal-info/", {"Certificate": home.chain().decode(), "ARIResponse": text})


def look_again(home):
    """Lets the next run ask."""
    state = home.state()
    state["ari"].pop("next_look")
    (home.certs / "order.json").write_text(json.dumps(state))


def window(start, end):
    return json.dumps({"suggestedWindow": {"start": stamp(start), "end": stamp(end)}})


def test_pebble_suggests(recent):
    home = recent
    ari = home.state()["ari"]
    assert utc(ari["start"]) <= utc(ari["pick"]) < utc(ari["end"])
    assert home.status()["suggestion"]["picked"] == ari["pick"] == home.status()["renew_at"]
    # Nonsense first, then a window that has passed.
    suggest(home, "{")
    look_again(home)
    assert "not JSON" in home.expect(2, "run")
    assert home.state()["ari"]["pick"] == ari["pick"]
    suggest(home, window(-DAY, -HOUR))
    look_again(home)
    first = home.leaf()
    said = home.expect(0, "run")
    assert "the CA suggests to renew the certificate now" in said and "ordering again" not in said
    assert home.leaf().serial_number != first.serial_number
    assert home.ca.log_count("Added order") == 2


def test_pebble_says_already_replaced(recent):
    """The certificate in use was replaced already, by an order of which we know nothing any more."""
    home = recent
    home.expect(0, "renew")
    (home.certs / "current").unlink()
    (home.certs / "current").symlink_to("gen-1")
    said = home.expect(0, "renew")
    assert "alreadyReplaced" in said and "ordering again without naming" in said
    assert home.current() == "gen-3" and home.usable()


# --- The clock -------------------------------------------------------------------------------------

def test_clock_that_has_gone_back(fake, make_home, at):  # noqa: F811
    """Ahead by ten days once; back again the CA's Date decides which was wrong."""
    home = make_home(fake)
    home.expect(0, "issue")
    home.expect(2, "run", env=at(10 * DAY))  # nothing due: noted as the time of day
    assert utc(home.state()["last_seen"]) > utc(stamp(9 * DAY))
    fake.script["/directory"] = lambda ca, r: Answer(503, b"")
    said = home.expect(1, "run")
    assert "it was" in said and "does not confirm" in said and home.state()["class"] == "clock"
    assert "next try" not in said
    asked = len(fake.seen)
    assert "the clock is still wrong" in home.expect(2, "run")  # not each minute
    assert len(fake.seen) == asked
    fake.script = {}
    assert "the CA agrees" in home.expect(2, "issue")
    assert utc(home.state()["last_seen"]) <= utc(stamp(60))
    assert home.state()["class"] == "clock"  # until its next try would have been due
    home.expect(2, "run", env=at(HOUR, fake))
    fake.clock = 0
    assert "class" not in home.state() and home.status()["problem"]["failures_of_any_class"] == 0
    home.expect(2, "run")


def test_clock_that_has_gone_back_and_a_ca_that_asks_to_wait(fake, make_home, at):  # noqa: F811
    home = make_home(fake)
    home.expect(0, "issue")
    home.expect(2, "run", env=at(10 * DAY))
    fake.script["/directory"] = lambda ca, r: Answer(503, b"", {"Retry-After": str(2 * HOUR)})
    home.expect(1, "run")
    asked = len(fake.seen)
    assert "the clock is still wrong" in home.expect(2, "run", env=at(1.5 * HOUR))
    assert len(fake.seen) == asked


def test_answer_without_date_is_no_evidence(fake, make_home, at):  # noqa: F811
    """It does not confirm a clock that has gone back; only when a certificate is needed it is believed."""
    home = make_home(fake)
    home.expect(0, "issue")
    home.expect(2, "run", env=at(10 * DAY))
    fake.clock, fake.dated = 0, False
    said = home.expect(1, "run")
    assert "does not confirm" in said and "it sends no Date" in said and home.state()["class"] == "clock"
    shutil.rmtree(home.certs / home.current())
    said = home.expect(0, "issue")
    assert "no CA tells the time, but a certificate is needed now" in said
    assert utc(home.state()["last_seen"]) <= utc(stamp(60))


def test_date_of_a_cache_is_no_evidence_either(fake, make_home):  # noqa: F811
    """The directory may come out of a cache, with the Date of then; newNonce never does."""
    home = make_home(fake)

    def cached(ca, r):
        return Answer(200, ca.default(r).body, {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"})
    fake.script["/directory"] = cached
    home.expect(0, "issue")
    fake.clock = 2 * HOUR
    assert "this server's clock says" in home.expect(1, "renew")


@pytest.mark.parametrize("ahead", [-600, -3500, 600, 3500])
def test_clock_that_is_off_by_minutes(fake, make_home, at, ahead):  # noqa: F811
    """Without NTP a clock drifts by a second a day. It is said, and the certificate comes all the same, though by
    our clock it is not valid yet."""
    home = make_home(fake)
    fake.backdate, fake.clock = 0, DAY  # well after the build, which no clock may be before
    said = home.expect(0, "run", env=at(DAY + ahead))
    assert "this server's clock says" in said and "beyond an hour" in said
    assert home.acme("status", env=at(DAY + ahead)).returncode == 0
    assert "beyond an hour" not in home.expect(0, "renew", env=at(DAY + 200))


@pytest.mark.parametrize("ahead", [-3000, 3000])
def test_retry_after_as_a_date_is_by_the_clock_of_the_ca(fake, make_home, at, ahead):  # noqa: F811
    home = make_home(fake)
    fake.clock = DAY
    fake.script["/order"] = lambda ca, r: Answer(503, b"", {"Retry-After": email.utils.format_datetime(
        (ca.now() + datetime.timedelta(seconds=1800)).replace(tzinfo=datetime.timezone.utc), usegmt=True)})
    home.expect(1, "issue", env=at(DAY + ahead))
    state = home.state()
    assert 1790 <= utc(state["next_try"]) - utc(state["failed_at"]) <= 1810


def test_one_ca_that_tells_the_time_is_enough(two, at):
    home, first, second = two
    home.expect(0, "issue")
    home.expect(2, "run", env=at(10 * DAY))
    first.clock, first.dated = 0, False
    second.clock = 10 * DAY  # and it is not our time
    shutil.rmtree(home.certs / home.current())
    assert "does not confirm" in home.expect(1, "issue")
    second.clock = 0
    assert "the CA agrees" in home.expect(0, "issue")


def test_clock_far_ahead_renews_nothing(fake, make_home, at):  # noqa: F811
    """It sees an expired certificate; the CA's Date stops it, and nothing of that time stays."""
    home = make_home(fake)
    home.expect(0, "issue")
    before = home.chain()
    said = home.expect(1, "run", env=at(29 * DAY + 60 * DAY))
    assert len(ordered(fake)) == 1 and home.chain() == before, said
    fake.clock = 0
    home.expect(2, "run")
    fake.clock = 61 * DAY
    assert home.chain() == before


def test_next_try_of_the_future_is_not_believed(fake, make_home, at):  # noqa: F811
    home = make_home(fake)
    fake.script["/order"] = lambda ca, r: Answer(429, problem("rateLimited", "slow"), {"Retry-After": "80000"})
    home.expect(1, "run", env=at(DAY, fake))
    fake.clock = 0
    home.expect(1, "run")  # noted by a clock a day ahead: tried at once
    home.expect(2, "run")  # and then kept to
    assert len(ordered(fake)) == 2


# --- A second CA -----------------------------------------------------------------------------------

@pytest.fixture
def two(make_fake, make_home):  # noqa: F811
    """(home, first, second)"""
    first, second = make_fake(), make_fake()
    home = make_home(first)
    home.configure(**{"fallback-directory": second.directory, "fallback-ca-file": second.ca_file})
    return home, first, second


def down(ca, r):
    return Answer(503, problem("serverInternal", "closed for the day"))


def test_second_ca_is_made_ready_while_all_is_well(two):
    home, first, second = two
    assert "the second CA is ready" in home.expect(0, "issue")
    assert home.status()["issued_by"] == first.directory
    assert second.accounts == 1 and ordered(second) == []
    seen = len(second.seen)
    home.expect(2, "run")
    home.expect(0, "renew")
    assert len(second.seen) == seen  # once


def test_second_ca_that_cannot_be_made_ready_is_tried_again_later(two, at):
    home, first, second = two
    second.script["/account"] = down
    assert "not ready yet" in home.expect(0, "issue")
    assert "class" not in home.state()
    home.expect(2, "run")
    seen = len(second.seen)
    home.expect(2, "run")
    assert len(second.seen) == seen
    second.script = {}
    home.expect(2, "run", env=at(DAY, first, second))
    assert second.accounts == 1


def test_without_a_certificate_the_second_ca_is_taken_at_once(two):
    home, first, second = two
    first.script["/order"] = down
    said = home.expect(0, "run")
    assert "closed for the day" in said and "trying the other CA" in said
    assert home.usable() and home.status()["issued_by"] == second.directory
    assert f"issued by    {second.directory}" in home.acme("status").stdout
    home.expect(2, "run")  # a certificate of the second CA is as good


def test_second_ca_may_be_a_private_one(two):
    """Its chains are held against its own ca-file, not against what the first CA is trusted by."""
    home, first, second = two
    home.configure(**{"ca-file": None, "fallback-directory": second.directory, "fallback-ca-file": second.ca_file})
    said = home.expect(0, "run")
    assert "is not trusted" in said and "trying the other CA" in said
    assert home.usable() and home.status()["issued_by"] == second.directory


def test_second_ca_is_not_asked_for_what_caa_forbids(two, world):  # noqa: F811
    """The DNS is looked at for each CA, also within one run."""
    home, first, second = two
    first.script["/order"] = down

    def renamed(ca, r):
        answer = ca.default(r)
        return Answer(200, answer.body.replace(b"fake.test", b"other.test"))
    second.script["/directory"] = renamed
    world.set("add-caa", {"host": home.domain, "policies": [{"tag": "issue", "value": "fake.test"}]})
    try:
        said = home.expect(1, "run")
        assert "trying the other CA" in said and "dns.caa.forbidden" in said
        assert len(ordered(first)) == 1 and ordered(second) == []
    finally:
        world.set("clear-caa", {"host": home.domain})


def test_second_ca_is_taken_after_hours_of_failures_and_left_again(two, at):
    home, first, second = two
    home.expect(0, "issue")
    first.script["/order"] = down
    home.expect(1, "renew")  # asked for, so that the timer goes on with it
    codes = [home.acme("run", env=at(h * HOUR, first, second)).returncode for h in range(1, 8)]
    assert codes == [1, 1, 1, 1, 1, 0, 2]  # six hours of patience
    assert home.status()["issued_by"] == second.directory
    assert len(ordered(first)) == 7 and len(ordered(second)) == 1
    first.script = {}
    home.expect(0, "renew", env=at(9 * HOUR, first, second))
    assert home.status()["issued_by"] == first.directory


def test_second_ca_is_taken_when_the_first_asks_for_a_long_wait(two, at):
    """One failure, and then it is not to be asked for 34 hours: six are enough."""
    home, first, second = two
    home.expect(0, "issue")
    first.script["/order"] = lambda ca, r: Answer(429, problem("rateLimited", "later"), {"Retry-After": str(34 * HOUR)})
    home.expect(1, "renew")
    waits = utc(home.status()["next_try"]) - utc(stamp(0))
    assert 5.9 * HOUR <= waits <= 6 * HOUR
    codes = [home.acme("run", env=at(h * HOUR, first, second)).returncode for h in (1, 3, 5, 6.1, 7)]
    assert codes == [2, 2, 2, 0, 2]
    assert len(ordered(first)) == 2 and home.status()["issued_by"] == second.directory


def test_order_that_was_left_for_another_ca_is_tidied_up_on_return(two, at):
    """Its authorization is taken back at the CA, and by the account, that it is from; nowhere else."""
    home, first, second = two
    home.expect(0, "issue")
    first.script["/challenge"] = lambda ca, r: Answer(503, problem("serverInternal", "later"))
    home.expect(1, "renew")
    state = home.state()
    assert state["phase"] == "authorizing"
    shutil.rmtree(home.certs / home.current())
    said = home.expect(0, "run", env=at(2 * HOUR, first, second))
    assert "is given up; turning to" in said and home.status()["issued_by"] == second.directory
    assert home.state()["leftover_ca"] == first.directory
    renounced = [r.path for ca in (first, second) for r in ca.seen if (r.payload or {}).get("status") == "deactivated"]
    assert renounced == []
    first.script = {}
    home.expect(0, "renew", env=at(3 * HOUR, first, second))
    assert home.status()["issued_by"] == first.directory and "leftover" not in home.state()
    assert [r.path for r in first.seen if (r.payload or {}).get("status") == "deactivated"] == ["/authz/2"]


def test_in_the_last_tenth_the_second_ca_is_taken_in_the_same_run(two, at):
    home, first, second = two
    first.lifetime, first.backdate, first.window = 10 * DAY, 0, (20 * DAY, 21 * DAY)
    home.expect(0, "issue")
    first.script["/directory"] = down
    said = home.expect(0, "run", env=at(9 * DAY + HOUR, first, second))
    assert "the certificate expires soon" in said and "trying the other CA" in said
    assert home.status()["issued_by"] == second.directory
    assert sum(r.path.startswith("/ari/") for r in first.seen) == 1  # not asked again in such a hurry


def test_state_of_the_first_version_is_taken_over(fake, make_home):  # noqa: F811
    """An order is under way: it is gone on with, and what was noted then still counts."""
    home = make_home(fake)
    fake.script["/finalize"] = lambda ca, r: Answer(503, problem("serverInternal", "later"), {"Retry-After": "600"})
    home.expect(1, "issue")
    new = home.state()
    assert new["schema"] == 2 and new["phase"] == "finalizing"
    old = {key: new[key] for key in ("phase", "directory", "domain", "order", "failures", "class", "failed_at",
                                     "next_try", "problem_type", "problem")}
    (home.certs / "order.json").write_text(json.dumps({"schema": 1, **old}))
    fake.script = {}
    assert "nothing to do before" in home.expect(2, "run")
    home.expect(0, "issue")
    assert len(fake.orders) == 1 and home.state()["schema"] == 2


def test_ca_that_is_no_longer_configured(two, at):
    """Its certificate does not count; the CA that failed just before is still given its time."""
    home, first, second = two
    first.script["/order"] = down
    home.expect(0, "run")
    first.script = {}
    home.configure()
    assert "nothing to do before" in home.expect(2, "run")
    assert "from another CA" in home.expect(0, "run", env=at(HOUR, first, second))
    assert home.status()["issued_by"] == first.directory


def test_revocation_goes_to_the_ca_that_has_issued(two):
    home, first, second = two
    first.script["/order"] = down
    home.expect(0, "run")
    assert home.status()["issued_by"] == second.directory
    home.configure()
    assert f"is from {second.directory}" in home.expect(1, "revoke")
    assert first.count("/revoke") == second.count("/revoke") == 0
    home.configure(**{"fallback-directory": second.directory, "fallback-ca-file": second.ca_file})
    home.expect(0, "revoke")
    assert first.count("/revoke") == 0 and second.count("/revoke") == 1


def test_people_are_told_which_ca_fails(two, at, tmp_path):
    """Also days later, by a run that asks nobody."""
    home, first, second = two
    first.lifetime = 30 * DAY
    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\necho "$1 $DERP_CA" >>{tmp_path}/told\n')
    hook.chmod(0o755)
    home.configure(hook=hook, **{"fallback-directory": second.directory, "fallback-ca-file": second.ca_file})
    home.expect(0, "issue")
    for ca in (first, second):
        ca.script["/order"] = lambda ca, r: Answer(429, problem("rateLimited", "later"), {"Retry-After": str(2 * DAY)})
    (tmp_path / "told").unlink()
    home.expect(1, "run", env=at(27.5 * DAY, first, second))
    home.expect(2, "run", env=at(28.6 * DAY, first, second))
    last = (tmp_path / "told").read_text().splitlines()[-1]
    assert last == f"expiring {second.directory}"


# --- A trial first ---------------------------------------------------------------------------------

def refuse(ca, r):
    """The validation fails in the CA's eyes."""
    number = int(r.path.split("/")[-1])
    return Answer(200, {"status": "invalid", "identifier": {"type": "dns", "value": ca.orders[number]["names"][0]},
                        "challenges": [{"type": "tls-alpn-01", "url": f"{ca.url}/challenge/{number}",
                                        "token": "fake_token_0123456789ab", "status": "invalid",
                                        "error": problem("connection", "Timeout during connect")}]})


@pytest.mark.pitfall(18)
def test_repeated_failures_go_to_staging_first(make_fake, relay_home, make_home, at):  # noqa: F811
    ca, staging = make_fake(), make_fake()
    home = make_home(ca)
    home.configure(**{"staging-directory": staging.directory})
    (home.folder / "both.pem").write_text(ca.ca_file.read_text() + staging.ca_file.read_text())
    home.configure(**{"staging-directory": staging.directory, "ca-file": home.folder / "both.pem"})
    home.expect(0, "issue")
    home.start_relay()
    ca.script["/authz"] = staging.script["/authz"] = refuse
    for _ in range(3):
        home.expect(1, "renew")
    assert len(ordered(ca)) == 4 and ordered(staging) == []
    said = home.expect(1, "renew")
    assert "a trial" in said and "the CA itself was not asked" in said and "Timeout during connect" in said
    assert home.state()["class"] == "reachability" and home.challenges() == []
    assert len(ordered(ca)) == 4 and len(ordered(staging)) == 1
    # A staging that is out of order is no obstacle.
    staging.script["/order"] = down
    home.expect(1, "renew")
    assert len(ordered(ca)) == 5
    # It is left in peace for a while, as any CA.
    asked = len(staging.seen)
    assert "no trial" in home.expect(1, "renew") and len(staging.seen) == asked
    assert len(ordered(ca)) == 6
    staging.script = {}
    state = home.state()
    state["cas"] = [r for r in state["cas"] if r["directory"] != staging.directory]
    (home.certs / "order.json").write_text(json.dumps(state))
    # What staging remembers is no proof: it is taken back, and staging asked again.
    staging.order_status = "ready"
    said = home.expect(1, "renew")
    assert "remembers to have done so" in said and len(ordered(staging)) == 5 and len(ordered(ca)) == 7
    assert sum((r.payload or {}).get("status") == "deactivated" for r in staging.seen) == 3
    staging.order_status = "pending"
    (home.certs / "order.json").write_text(json.dumps(state))
    # It has forgotten the account, as staging directories do: there is another one, and the trial goes on.
    staging.accounts, asked = 0, len(ordered(staging))
    staging.script = {"/authz": refuse, "/order": lambda ca, r: None if ca.accounts else Answer(
        400, problem("accountDoesNotExist", "who is this?"))}
    said = home.expect(1, "renew")
    assert "starting over" in said and "the CA itself was not asked" in said
    assert len(ordered(staging)) == asked + 2 and staging.accounts == 1 and len(ordered(ca)) == 7
    (home.certs / "order.json").write_text(json.dumps(state))
    # The trial works: the CA is asked at once. Nothing of the trial is left but its account.
    ca.script, staging.script = {}, {}
    assert "the trial has worked" in home.expect(0, "renew")
    assert len(ordered(ca)) == 8 and home.status()["issued_by"] == ca.directory
    assert home.state()["phase"] == "idle"
    assert all(o["status"] != "valid" for o in staging.orders.values())


def test_validation_is_not_spent_on_a_relay_that_is_known_to_be_down(make_fake, make_home):  # noqa: F811
    ca = make_fake()
    home = make_home(ca)
    home.expect(0, "issue")  # nothing listens; the CA might see more than we do
    ca.script["/authz"] = refuse
    home.expect(1, "renew")
    orders = len(ordered(ca))
    said = home.expect(1, "renew")
    assert "the last validation failed: is derpd running?" in said and home.state()["class"] == "preflight"
    assert len(ordered(ca)) == orders


def test_own_look_does_not_have_the_last_word_in_an_emergency(make_fake, make_home, world, at):  # noqa: F811
    """What we see of the DNS may be wrong. Three times it stops a try; then the CA is asked."""
    fake = make_fake(lifetime=20 * DAY)
    home = make_home(fake)
    world.set("add-aaaa", {"host": DOMAIN, "addresses": ["2001:db8::7"]})
    try:
        for _ in range(5):  # a first certificate: nothing is spent, however often it is asked for
            assert "dns.aaaa.stray" in home.expect(1, "issue")
        assert ordered(fake) == []
        world.set("clear-aaaa", {"host": DOMAIN})
        home.expect(0, "issue")
        home.start_relay()
        world.set("add-aaaa", {"host": DOMAIN, "addresses": ["2001:db8::7"]})
        for _ in range(4):  # no emergency yet
            home.expect(1, "issue", env=at(15 * DAY, fake))
        assert len(ordered(fake)) == 1 and home.state()["class"] == "preflight"
        fake.script["/authz"] = refuse
        late = at(19 * DAY, fake)
        said = home.expect(1, "issue", env=late)
        assert "dns.aaaa.stray" in said and "going on" in said and len(ordered(fake)) == 2
        state = home.state()
        assert state["class"] == "reachability" and utc(state["next_try"]) - utc(state["failed_at"]) >= 15 * 60
        fake.script = {}
        assert "going on" in home.expect(0, "issue", env=late)
    finally:
        world.set("clear-aaaa", {"host": DOMAIN})


@pytest.mark.parametrize("where, status", [("/finalize", 403), ("/authz", 500), ("/certificate", 403)])
def test_order_that_the_ca_refuses_for_a_day_is_given_up(make_fake, make_home, at, where, status):  # noqa: F811
    ca = make_fake(lifetime=20 * DAY)
    home = make_home(ca)
    ca.script[f"{where}/1"] = lambda ca, r: Answer(status, problem("unauthorized", "not this one"))
    for later in (0, 2 * HOUR, 23 * HOUR):
        assert "given up" not in home.expect(1, "issue", env=at(later, ca))
    assert len(ordered(ca)) == 1
    assert "given up" in home.expect(1, "issue", env=at(25 * HOUR, ca))
    home.expect(0, "issue", env=at(25 * HOUR, ca))
    assert len(ordered(ca)) == 2 and "ordered_at" not in home.state()


def test_account_key_that_is_damaged_is_replaced_in_an_emergency_only(make_fake, make_home, at):  # noqa: F811
    ca = make_fake(lifetime=20 * DAY)
    home = make_home(ca)
    home.expect(0, "issue")
    path = home.certs / home.account("account.key")
    path.write_bytes(path.read_bytes()[:100])
    for _ in range(4):
        assert "put back a copy" in home.expect(1, "issue", env=at(15 * DAY, ca))
    assert home.state()["class"] == "local" and len(path.read_bytes()) == 100
    said = home.expect(0, "issue", env=at(19 * DAY, ca))
    assert "put aside" in said and "another account is made" in said
    assert len(path.with_name("account.key.bad").read_bytes()) == 100 and len(ordered(ca)) == 2


def test_disk_that_takes_nothing_asks_nobody(make_fake, make_home, small_disk):  # noqa: F811
    ca = make_fake()
    ca.window = (10 * DAY, 12 * DAY)
    home = make_home(ca)
    home.certs = small_disk / "certs"
    home.configure()
    home.expect(0, "issue")
    state = home.state()
    state["ari"].pop("next_look")
    (home.certs / "order.json").write_text(json.dumps(state))
    seen = len(ca.seen)
    fill(small_disk)
    home.expect(2, "run")
    assert "No space left" in home.expect(1, "renew")
    assert len(ca.seen) == seen


def test_clock_gone_back_and_a_full_disk_ask_nobody(make_fake, make_home, small_disk):  # noqa: F811
    ca = make_fake()
    home = make_home(ca)
    home.certs = small_disk / "certs"
    home.configure()
    home.expect(0, "issue")
    (home.certs / "order.json").write_text(json.dumps({**home.state(), "last_seen": stamp(10 * DAY)}))
    seen = len(ca.seen)
    fill(small_disk)
    assert "No space left" in home.expect(1, "run")
    assert len(ca.seen) == seen
    (small_disk / "ballast").unlink()
    assert "the CA agrees" in home.expect(2, "run")
