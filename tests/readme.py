# SPDX-License-Identifier: Apache-2.0
"""README.md and README.zh-CN.md say the same: the same commands, the same sections, the same links.

tests/lint.py calls check(); CASES are what its self-test feeds in.
"""
import itertools
import re

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
HEADING = re.compile(r"^(#+) ", re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TOP_LINES = 5


def blocks(text):
    """Each line of an indented code block, without its comment and the space before that."""
    for line in text.split("\n"):
        if line.startswith("    "):
            yield re.sub(r"\s+#\s.*", "", line.strip())


def first_difference(one, other):
    for a, b in itertools.zip_longest(one, other):
        if a != b:
            return a, b
    return None


def check(english, chinese):
    """A complaint for each way in which the two texts are not the same file in two languages."""
    for path, text, other in ((ENGLISH, english, CHINESE), (CHINESE, chinese, ENGLISH)):
        if f"]({other})" not in "\n".join(text.split("\n")[:TOP_LINES]):
            yield f"{path}:1: its first {TOP_LINES} lines do not link {other}"
    different = first_difference(blocks(english), blocks(chinese))
    if different:
        yield f"{CHINESE}:1: code blocks differ from {ENGLISH}: {different[0]!r}, {different[1]!r}"
    if HEADING.findall(english) != HEADING.findall(chinese):
        yield f"{CHINESE}:1: not the same headings as in {ENGLISH}"
    for what, pattern in (("links", LINK), ("code in a line", CODE)):
        one, two = (set(pattern.findall(t)) - {ENGLISH, CHINESE} for t in (english, chinese))
        if one != two:
            yield f"{CHINESE}:1: {what} differ from {ENGLISH}: {', '.join(sorted(one ^ two))}"


GOOD_ENGLISH = """# x
**English** · [中文](README.zh-CN.md)
Run `x -y`:

    x -y z    # at once
    [a]

## More
See [x](x.md).
"""
GOOD_CHINESE = """# x
[English](README.md) · **中文**
运行 `x -y`：

    x -y z  # 立即
    [a]

## 其他
见 [某处](x.md)。
"""
CASES = [  # in the Chinese text: what is replaced, by what, part of the complaint
    ("x -y z", "x -n z", "code blocks differ"),
    ("    [a]\n", "", "code blocks differ"),
    ("## 其他", "### 其他", "headings"),
    ("## 其他\n", "", "headings"),
    ("[English](README.md)", "English", "do not link README.md"),
    ("x.md", "y.md", "links differ"),
    ("`x -y`", "`x -q`", "code in a line"),
]


def self_test():
    """What went wrong, one line each."""
    for old, new, complaint in CASES:
        found = list(check(GOOD_ENGLISH, GOOD_CHINESE.replace(old, new)))
        if not any(complaint in f for f in found):
            yield f"readme: {old!r} -> {new!r}: expected \"{complaint}\", got {found}"
    if list(check(GOOD_ENGLISH, GOOD_CHINESE)):
        yield "readme: two good ones are said to differ"
    if not any("do not link" in f for f in check("# x\n", GOOD_CHINESE)):
        yield "readme: a README without a link went unnoticed"
