# SPDX-License-Identifier: Apache-2.0
"""The whole of ACME against a recent Pebble: accounts and their keys, challenges, profiles, chains."""
import pytest

from acme_home import (DOMAIN, fake, leaf_der, make_home, make_pebble, relay_home, world)  # noqa: F401
from fake_acme import Answer, problem
from pebble import PEBBLE_VERSION, free_port, new_pebble

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.fixture
def recent_home(make_pebble, make_home):  # noqa: F811
    """recent_home(**pebble options): a home with a running derpd and Pebble PEBBLE_VERSION."""
    program, why = new_pebble()
    if not program:
        pytest.skip(why)

    def make(relay=True, **options):
        port = free_port()
        home = make_home(make_pebble(port, program=program, **options), port=port)
        if relay:
            home.start_relay()
        return home
    return make


def secret_file(home, text=SECRET, mode=0o640):
    path = home.folder / "eab.key"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


# --- Accounts -------------------------------------------------------------------------------------

def test_external_account_binding(recent_home):
    home = recent_home(eab={"kid-1": SECRET})
    said = home.expect(1, "issue")
    assert "external account binding" in said and "eab-key-id" in said and "derp-acme issue" in said
    home.configure(**{"eab-key-id": "kid-1", "eab-key-file": secret_file(home)})
    said = home.expect(0, "issue")
    assert "(created)" in said and SECRET not in said
    # Once bound, the account needs the keys no more: they expire, the account does not.
    home.configure()
    (home.certs / home.account("account.json")).unlink()
    assert "known already" in home.expect(0, "renew")


def test_binding_that_the_ca_refuses(recent_home):
    home = recent_home(eab={"kid-1": SECRET})
    for kid, text in (("kid-2", SECRET), ("kid-1", "A" * 64)):
        home.configure(**{"eab-key-id": kid, "eab-key-file": secret_file(home, text)})
        said = home.expect(1, "issue")
        assert f"does not take the external account binding {kid}" in said and "fresh pair" in said
        assert text not in said


def test_binding_file_that_is_open_to_others(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.configure(**{"eab-key-id": "k", "eab-key-file": secret_file(home, mode=0o644)})
    assert "chmod 0640" in home.expect(1, "issue")
    assert fake.count("/account") == 0
    home.configure(**{"eab-key-id": "k"})
    assert "eab-key-file is missing" in home.expect(1, "issue")


def test_account_of_an_earlier_version_moves(fake, make_home):  # noqa: F811
    home = make_home(fake)
    home.expect(0, "issue")
    new = home.certs / home.account()
    key = (new / "account.key").read_bytes()
    for name in ("account.key", "account.json"):
        (new / name).rename(home.certs / "account" / name)
    new.rmdir()
    before = fake.count("/account")
    assert "is kept in" in home.expect(0, "renew")
    assert (new / "account.key").read_bytes() == key and fake.count("/account") == before


def test_each_ca_has_an_account_of_its_own(recent_home, make_pebble):  # noqa: F811
    home = recent_home()
    home.expect(0, "issue")
    first, key = home.account(), (home.certs / home.account("account.key")).read_bytes()
    home.ca = make_pebble(home.port, program=new_pebble()[0])
    home.configure()
    home.expect(0, "issue")
    assert home.account() != first
    assert (home.certs / home.account("account.key")).read_bytes() != key
    assert (home.certs / first / "account.key").read_bytes() == key


def test_account_is_made_anew_only_when_the_ca_says_so(fake, make_home):  # noqa: F811
    """A lost URL is asked for by the key; any refusal but accountDoesNotExist creates nothing."""
    home = make_home(fake)
    home.expect(0, "issue")
    (home.certs / home.account("account.json")).unlink()
    fake.script["/account"] = lambda ca, r: Answer(403, problem("unauthorized", "this account is closed"))
    assert "this account is closed" in home.expect(1, "renew")
    assert [r.payload for r in fake.seen if r.path == "/account"][1:] == [{"onlyReturnExisting": True}]
    fake.script.clear()
    fake.accounts = 0
    assert "(created)" in home.expect(0, "renew")
    assert fake.seen[-1] and [r.payload for r in fake.seen if r.path == "/account"][-1]["termsOfServiceAgreed"]
