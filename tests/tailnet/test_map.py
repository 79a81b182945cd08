# SPDX-License-Identifier: Apache-2.0
"""What `derp-setup map` prints, read by those it is for: headscale loads it, and Tailscale's clients
use the relay that it describes. All tests of this folder use such a map; here it has everything
that may go wrong in one: another port, a name that YAML has to quote."""

import json
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "Größe \"1\": #x 'y' \\ {z}"


def make(program, **options):
    from tailnet import Tailnet
    derpd = pathlib.Path(os.environ.get("DERPD") or ROOT / "build" / "derpd")
    with Tailnet(derpd, program, **options) as tailnet:
        yield tailnet
        tailnet.derpd.stop()


@pytest.fixture(scope="module")
def odd(program):
    yield from make(program, port=8443, map_flags=[f"--region-name={NAME}", "--region-id=987"])


@pytest.fixture
def pinned(program):
    yield from make(program, pinned=True)


def test_headscale_hands_it_to_clients_as_it_was_written(odd):
    for node in odd.nodes:
        regions = json.loads(node.cli("debug", "derp-map"))["Regions"]
        assert list(regions) == ["987"]
        region = regions["987"]
        assert (region["RegionCode"], region["RegionName"]) == ("test", NAME)
        relay, = region["Nodes"]
        assert relay["DERPPort"] == 8443 and relay["HostName"] == "relay.tailnet.test"
        assert (relay["IPv4"], relay["IPv6"]) == ("203.0.113.10", "2001:db8:113::10")
        assert "STUNPort" not in relay and "CertName" not in relay


def test_clients_use_that_relay(odd):
    one, other, _ = odd.nodes
    report = json.loads(one.cli("netcheck", "--format=json"))
    assert report["UDP"] and report["PreferredDERP"] == 987, report
    pong = one.cli("ping", "-c", "1", "--until-direct=false", other.address)
    assert "via DERP(test)" in pong, pong


def test_clients_use_a_relay_without_a_domain(pinned):
    """By its address and the fingerprint of its certificate, both from the map alone."""
    one, other, _ = pinned.nodes
    region = json.loads(one.cli("debug", "derp-map"))["Regions"]["900"]
    relay, = region["Nodes"]
    assert relay["HostName"] == relay["IPv4"] == "203.0.113.10"
    assert relay["CertName"].startswith("sha256-raw:")
    pong = one.cli("ping", "-c", "1", "--until-direct=false", other.address)
    assert "via DERP(test)" in pong, pong
    assert pinned.derpd.status()["connections"]["home"] == 3
