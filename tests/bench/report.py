# SPDX-License-Identifier: Apache-2.0
"""Tables (Markdown) and plots (SVG) of what bench.py has measured.

    report.py build/bench/results.json     docs/PERFORMANCE.md anew, as bench.py --publish does"""
import json
import pathlib
import re
import statistics
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "PERFORMANCE.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLOURS = {"derper": "#8c8c8c", "derpd": "#3b78c3"}
UPLINK = "#1c8f5a"
FLOOR = "floor"  # how the columns begin that are no relays, but what none gets below


def values(runs, figure):
    return [r[figure] for r in runs if r.get(figure) is not None]


def number(v):
    """Three digits that count."""
    if v == 0 or abs(v) >= 100:
        return format(round(v), ",")
    return "%.2f" % v if abs(v) < 10 else "%.1f" % v


def cell(runs, figure, unit):
    known = values(runs, figure)
    if not known:
        return "–"
    text = number(statistics.median(known)) + (" " + unit if unit else "")
    if len(known) > 1 and min(known) != max(known):
        text += " (%s–%s)" % (number(min(known)), number(max(known)))
    return text


def ratio(was, now, figure, is_less_better):
    """How many times better the second one's runs are."""
    was, now = values(was, figure), values(now, figure)
    if not was or not now:
        return ""
    was, now = statistics.median(was), statistics.median(now)
    over, under = (was, now) if is_less_better else (now, was)
    if under == 0:
        return "" if over == 0 else "∞"
    return "%.2f" % (over / under)


def columns(scenario):
    """(title, how to print a figure): the relays, the last one beside the first, and what no relay gets below."""
    runs = scenario["runs"]
    relays = [n for n in runs if not n.startswith(FLOOR)]
    first = runs[relays[0]]
    found = [(n, lambda figure, unit, _, r=runs[n]: cell(r, figure, unit)) for n in relays]
    if len(relays) > 1:
        found.append(("times better", lambda figure, _, less: ratio(first, runs[relays[-1]], figure, less)))
    for n in runs:
        if n not in relays:
            found.append((n, lambda figure, unit, _, r=runs[n]: cell(r, figure, unit)))
            found.append(("%s ÷ floor" % relays[0], lambda figure, _, less, r=runs[n]: ratio(first, r, figure, less)))
    return found


def table(scenario):
    found = columns(scenario)
    lines = ["**%s**" % scenario["title"], "", "| | %s |" % " | ".join(title for title, _ in found),
             "|---" * (len(found) + 1) + "|"]
    for figure, what, unit, is_less_better in scenario["rows"]:
        lines.append("| %s | %s |" % (what, " | ".join(show(figure, unit, is_less_better) for _, show in found)))
    return "\n".join(lines)


def markdown(results):
    m = results["machine"]
    head = "Measured on %s at %s: %s, %d cores, Linux %s, %s." % (
        m["date"], m["commit"], m["cpu"], m["cores"], m["kernel"], m["openssl"])
    return "\n\n".join([head, *(table(s) for s in results["scenarios"].values())]) + "\n"


# --- Plots -----------------------------------------------------------------------------------------------

def colour(name):
    return COLOURS.get(name, UPLINK)


def median_curve(runs, figure):
    """Shares, and the median of the rounds at each."""
    curves = [r[figure] for r in runs if r.get(figure)]
    return ([p[0] for p in curves[0]],
            [statistics.median(c[i][1] for c in curves) for i in range(len(curves[0]))]) if curves else None


def plot_delays(plt, scenario, path):
    """Delay against the share of packets that had no more."""
    panels = (("same_receiver", "to the receiver of the copy"), ("same_pair", "between the two that copy"))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, (key, title) in zip(axes, panels):
        for name, runs in scenario["runs"].items():
            curve = median_curve(runs, key + "_curve")
            if curve:
                axis.plot([100 * s for s in curve[0]], curve[1], color=colour(name), label=name, lw=2)
        axis.set_yscale("log")
        axis.set_title("100-byte packets\n" + title, fontsize=10)
        axis.set_xlabel("% of those that arrived")
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("delay, ms")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def plot_cpu(plt, results, path):
    """Server CPU per packet, by shape."""
    found = [(n, s) for n, s in results["scenarios"].items() if n.startswith("cpu-") and
             all(values(r, "cpu") for r in s["runs"].values())]
    figure, axis = plt.subplots(figsize=(9, 0.6 + 0.42 * len(found)))
    for i, (_, scenario) in enumerate(found):
        for k, (name, runs) in enumerate(scenario["runs"].items()):
            v = statistics.median(values(runs, "cpu"))
            if name.startswith(FLOOR):
                axis.plot([v, v], [i - 0.18, i + 0.56], color="black", lw=1, ls="--" if k > 2 else "-",
                          label=name if name not in axis.get_legend_handles_labels()[1] else None)
                continue
            axis.barh(i + 0.38 * k, v, 0.36, color=colour(name), label=name if i == 0 else None)
            axis.text(v, i + 0.38 * k, " %s" % number(v), va="center", fontsize=7)
    axis.set_yticks([i + 0.19 for i in range(len(found))])
    axis.set_yticklabels([s["title"] for _, s in found], fontsize=7)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("server CPU per packet, µs")
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def plots(results):
    """Draws what there is; returns the files' names and what they show."""
    import matplotlib  # here: only --publish needs it
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "derp-relay"
    from matplotlib import pyplot as plt
    drawn = []
    thin = results["scenarios"].get("thin-4mbit-50ms-cubic")
    if thin:
        plot_delays(plt, thin, DOCS / "thin-line.svg")
        drawn.append(("thin-line.svg", "Delay of small packets while a copy fills a line of 4 Mbit/s"))
    if any(n.startswith("cpu-") for n in results["scenarios"]):
        plot_cpu(plt, results, DOCS / "cpu-per-packet.svg")
        drawn.append(("cpu-per-packet.svg", "Server CPU time per packet"))
    return drawn


def publish(results):
    """The part of docs/PERFORMANCE.md between the marks, and the plots."""
    images = "\n\n".join("![%s](%s)" % (title, name) for name, title in plots(results))
    text = PAGE.read_text()
    part = "%s\n\n%s\n\n%s\n%s" % (BEGIN, images, markdown(results), END)
    PAGE.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: part, text, flags=re.S))


if __name__ == "__main__":
    publish(json.loads(pathlib.Path(sys.argv[1]).read_text()))
