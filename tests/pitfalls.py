#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which test holds which pitfall of docs/SAFETY.md.

    tests/pitfalls.py            is each pitfall held by a test, and does the page say so?
    tests/pitfalls.py --write    brings the tables of the page up to date
    tests/pitfalls.py --results  the same tables with what the last `make check` found, in Markdown

A Python test says it with a mark, `@pytest.mark.pitfall(3)`, or several numbers; a test in C with a
comment right above it:

    /* Pitfall 8, or: Pitfalls 8, 9. */
    static void test_…(void **state)
"""
import ast
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/SAFETY.md"
INTERRUPTS = ROOT / "tests/appliance/testbed/cutoff.py"
LOGS = ROOT / "build/check"
COUNT = 23
IN_C = re.compile(r"/\* Pitfalls? ([\d, ]+)[^*]*\*/\nstatic void (\w+)\(void \*\*state\)")


# --- The tests ------------------------------------------------------------------------------------

def marks_of(function):
    """The numbers of @pytest.mark.pitfall(…) above a function."""
    for node in function.decorator_list:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.pitfall":
            for argument in node.args:
                yield ast.literal_eval(argument)


def python_tests(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for number in marks_of(node):
                runs = node.name.startswith("test_")
                yield number, node.name if runs else f"{node.name} is no test"


def c_tests(path):
    text = path.read_text(encoding="utf-8")
    for numbers, name in IN_C.findall(text):
        for number in re.findall(r"\d+", numbers):
            runs = len(re.findall(rf"\b{name}\b", text)) > 1  # it is in a table of tests, too
            yield int(number), name if runs else f"{name} never runs"


def collect(root=ROOT):
    """(number → [(path, test), …], what is wrong with the marks)."""
    held, wrong = {n: [] for n in range(1, COUNT + 1)}, []
    files = [(p, python_tests) for p in sorted((root / "tests").rglob("test_*.py"))]
    files += [(p, c_tests) for p in sorted((root / "tests/unit").glob("*_test.c"))]
    for path, read in files:
        name = path.relative_to(root / "tests").as_posix()
        for number, test in read(path):
            if number not in held:
                wrong.append(f"{name}: {test}: there is no pitfall {number}")
            elif " " in test:
                wrong.append(f"{name}: {test}")
            else:
                held[number].append((name, test))
    wrong += [f"no test holds pitfall {n}" for n, tests in held.items() if not tests]
    return held, wrong


# --- What became of them ----------------------------------------------------------------------------

def results():
    """(path, test) → "passed", "skipped" or "failed" of the last run."""
    found = {}
    worse = ["passed", "skipped", "failed"]

    def note(key, result):
        found[key] = max(found.get(key, result), result, key=worse.index)

    for report in LOGS.glob("*.xml"):
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            kinds = {child.tag for child in case}
            result = ("failed" if kinds & {"failure", "error"} else
                      "skipped" if "skipped" in kinds else "passed")
            path = case.get("classname", "").removeprefix("tests.").replace(".", "/") + ".py"
            note((path, case.get("name", "").partition("[")[0]), result)
    for report in LOGS.glob("unit-*.tap"):
        for bad, name in re.findall(r"^(not )?ok \d+ (?:- )?(\w+)", report.read_text(), re.M):
            note((f"unit/{report.stem.removeprefix('unit-')}.c", name),
                 "failed" if bad else "passed")
    return found


# --- The tables -------------------------------------------------------------------------------------

def table_of_tests(held, found=None):
    lines = ["| # | Tests |", "| --- | --- |"]
    for number, tests in held.items():
        by_file = {}
        for path, test in tests:
            result = f" ({found.get((path, test), 'not run')})" if found is not None else ""
            by_file.setdefault(path, []).append(f"`{test.removeprefix('test_')}`{result}")
        cells = [f"{path}: {', '.join(names)}" for path, names in by_file.items()]
        lines.append(f"| {number} | {'; '.join(cells)} |")
    return lines


def table_of_interrupts():
    """Where and how runs are cut off, from the lists of these tests."""
    wanted = {"POINTS", "ALL", "SOME", "TRIED"}
    names = {}
    for node in ast.parse(INTERRUPTS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in wanted:
            exec(compile(ast.Module([node], []), str(INTERRUPTS), "exec"), names)
    ways = list(dict.fromkeys(way for tried in names["TRIED"].values() for way in tried))
    lines = [f"| Step | The run says | {' | '.join(ways)} |", "| --- | --- |" + " --- |" * len(ways)]
    for step, point in names["POINTS"]:
        cells = [", ".join(suite for suite, tried in names["TRIED"].items()
                           if point in tried.get(way, [])) for way in ways]
        lines.append(f"| {step} | {point} | {' | '.join(cells)} |")
    return lines


def replaced(text, name, lines):
    """The page with the table of that name made anew."""
    before, begin, rest = text.partition(f"<!-- {name}: made by tests/pitfalls.py --write -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has no place for the {name}")
    return before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after


def main():
    held, wrong = collect()
    if sys.argv[1:] == ["--results"]:
        print("\n".join(table_of_tests(held, results())))
        print("\n| Suite | Cut off at | By | Then |\n| --- | --- | --- | --- |")
        for rows in sorted(LOGS.glob("interrupts-*.md")):
            print(rows.read_text(), end="")
        return 0
    text = PAGE.read_text(encoding="utf-8")
    rows = [int(n) for n in re.findall(r"^\| (\d+) \| \*\*", text, re.M)]
    if rows != list(held):
        wrong.append(f"{PAGE.name} explains the pitfalls {rows}, not 1 to {COUNT}")
    made = replaced(replaced(text, "tests", table_of_tests(held)), "interrupts",
                    table_of_interrupts())
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(made, encoding="utf-8")
    elif made != text:
        wrong.append(f"the tables of {PAGE.name} are old: tests/pitfalls.py --write")
    tests = sum(len(t) for t in held.values())
    print("\n".join(wrong + [f"pitfalls: {COUNT}, held {tests} times by tests"
                             + (f", {len(wrong)} complaints" if wrong else "")]))
    return 1 if wrong else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
