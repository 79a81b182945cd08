#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the lines on standard input as an SVG picture of a terminal: `make demo | docs/render.py`.

Arguments: the first and the last line to draw (1-based), so that a picture stays readable."""
import html
import re
import sys

WIDTH, SIZE, LINE = 104, 13, 18
COLOURS = (("✓", "#3fb950"), ("[ok]", "#3fb950"), ("[warn]", "#d29922"), ("[fail]", "#f85149"))


def spans(line):
    """The line as SVG text, its marks coloured."""
    out = html.escape(line)
    for mark, colour in COLOURS:
        out = out.replace(mark, '<tspan fill="%s">%s</tspan>' % (colour, mark), 1)
    return re.sub(r"(\b0 (packets )?lost)", r'<tspan fill="#3fb950">\1</tspan>', out)


def main():
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", x.rstrip("\n")) for x in sys.stdin]
    first, last = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (1, len(lines))
    lines = [x if len(x) <= WIDTH else x[:WIDTH - 1] + "…" for x in lines[first - 1:last]]
    width, height = 20 + WIDTH * SIZE * 0.602, 24 + LINE * len(lines)
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-size="%d" '
          'font-family="ui-monospace, DejaVu Sans Mono, monospace">' % (width, height, SIZE))
    print('<rect width="100%" height="100%" rx="8" fill="#0d1117"/>')
    for i, line in enumerate(lines):
        print('<text xml:space="preserve" x="10" y="%d" fill="#c9d1d9">%s</text>'
              % (24 + LINE * i, spans(line)))
    print("</svg>")


main()
