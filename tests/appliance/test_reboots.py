# SPDX-License-Identifier: Apache-2.0
"""The server reboots, or loses its power, at one point of a run after the other. Each time it comes back
with one set of rules, a second run completes, and uninstall leaves it as it was, to the byte."""

import pytest

from testbed.cutoff import cases


@pytest.mark.pitfall(3)
@cases("reboot", "power loss")
def test_cut_off(trial, suite, way):
    trial(suite).try_all(way)
