# SPDX-License-Identifier: Apache-2.0
"""docs/PROTOCOL.md names the case that holds each rule: every name is a case, every case is named."""
import pathlib
import re

from test_cases import CASES, NAMES

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "PROTOCOL.md").read_text()


def test_page_names_every_case():
    named = set(re.findall(r"`(Test\w+)`", PAGE))
    assert sorted(named - set(NAMES)) == [], "named on the page, but no case"
    assert sorted(set(NAMES) - named) == [], "cases that the page does not name"


def test_page_names_no_python_test_that_is_not_there():
    tests = pathlib.Path(__file__).resolve().parents[1]
    there = {name for path in tests.rglob("test_*.py")
             for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)}
    assert sorted(set(re.findall(r"`(test_\w+)`", PAGE)) - there) == []


def test_page_lists_every_difference():
    section = PAGE[PAGE.index("## Where derpd and derper differ"):]
    text = "".join(p.read_text() for p in sorted(CASES.glob("*_test.go")))
    differing = [f.group(1) for f in re.finditer(r"^func (Test\w+)\(.*?^}", text, re.M | re.S)
                 if "differs(t, " in f.group(0)]
    assert differing, "no case differs: has the way to say so changed?"
    assert sorted(differing) == sorted(re.findall(r"`(Test\w+)`", section))


def test_page_names_tests_that_exist():
    tests = pathlib.Path(__file__).resolve().parents[1]
    named = [(m[0], name) for m in re.findall(r"`(test_\w+\.py)`: (`test_\w+`(?:,\s`test_\w+`)*)", PAGE)
             for name in re.findall(r"`(test_\w+)`", m[1])]
    assert len(named) > 10, "has the way to name them changed?"
    for file, name in named:
        assert any(re.search(r"^def %s\(" % name, p.read_text(), re.M) for p in tests.rglob(file)), name
