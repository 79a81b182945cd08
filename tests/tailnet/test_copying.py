# SPDX-License-Identifier: Apache-2.0
"""Somebody copies through the relay, whose way out is full of it, and somebody types. How fast that is
depends on the machine: copying.py measures it. Here it only must be of another order than without any care,
where a keystroke takes half a second and more, and a second now and then."""
import os
import pathlib

import pytest
from conftest import ROOT, Tailnet

import copying


@pytest.fixture(params=["4mbit", "off"])
def line(program, request):
    """Whether the relay was told how fast its line is, or has to find out."""
    derpd = pathlib.Path(os.environ.get("DERPD") or ROOT / "build" / "derpd")
    with Tailnet(derpd, program, uplink=request.param) as t:
        copying.thin_line(t)
        yield t
        t.keep_logs(ROOT / "build" / "check" / request.module.__name__)
        assert t.derpd.stop() == 0


def test_typing_while_somebody_copies(line):
    found, rate = copying.measure(line, 6)
    assert rate > 2.5  # of 4: the copy goes on
    for what in ("to the receiver of the copy", "between the two that copy"):
        median, p99 = copying.median_and_p99(found[what])
        assert median < 200 and p99 < 500, (what, median, p99, found)
