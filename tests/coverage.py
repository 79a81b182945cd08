#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much of the parsers and the other pure code the unit tests and the seeds of fuzz targets reach.

    make coverage                         a table, and every line in build/coverage/html/index.html
    tests/coverage.py --missing FILE...   what of these files nothing reaches, line by line
    tests/coverage.py --derpd TESTS...    these folders or files as well, with a derpd that is counted

The last line is "coverage: N files, ok" or "N complaints". It complains of a file of the tables
below when less than FLOOR of its lines are reached, of a parser whose fuzz target never comes by,
of a file that is called pure by its header and is in neither table.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/coverage"
RAW = BUILD / "raw"
FLOOR = 90  # per cent of the lines
JOBS = 2
SECONDS = 180  # for one test

# What reads bytes from outside -> its fuzz target. Of a file that also touches the system, the pure
# functions are named.
PARSERS = {
    "acme/chain.c": "acme_chain",
    "acme/header.c": "acme_header",
    "acme/message.c": "acme_message",
    "acme/message_ari.c": "acme_ari",
    "acme/message_state.c": "acme_state",
    "base/catalogue.c": "translate",
    "base/clock.c": "text",
    "base/config.c": "config",
    "base/config_admission.c": "config",
    "base/config_mesh.c": "config",
    "base/config_values.c": "config",
    "base/config_words.c": "config",
    "base/net.c": "text",
    "base/refill.c": "translate",
    "base/settings.c": "config",
    "base/text.c": "text",
    "base/width.c": "translate",
    "derp/client/events.c": "client",
    "derp/client/handshake.c": "client",
    "derp/net/record.c": "record",
    "derp/relay/admission_source.c": "admission",
    "derp/relay/http_answer.c": "http",
    "derp/wire/frame.c": "frame",
    "derp/wire/handshake_length.c": "handshake_length",
    "derp/wire/hello.c": "hello",
    "derp/wire/http.c": "http",
    "derp/wire/key.c": "keyfile",
    "derp/wire/proxy.c": "proxy",
    "derp/wire/stun.c": "stun",
    "derp/wire/websocket.c": "websocket",
    "dnscheck/answer.c": "dnscheck_answer",
    "dnscheck/caa.c": "dnscheck_caa",
    "dnscheck/cloud.c": "dnscheck_cloud",
    "dnscheck/message.c": "dnscheck_message",
    "dnscheck/trace.c": "dnscheck_trace",
    "dnscheck/txt.c": "dnscheck_answer",
    "firewall/apt.c: apt_parse_simulation": "firewall_apt",
    "firewall/cgroup.c": "firewall_procnet",
    "firewall/marker.c": "firewall_ssh",
    "firewall/nftjson.c": "firewall_nft",
    "firewall/process.c: process_parse_stat": "firewall_ssh",
    "firewall/procnet.c": "firewall_procnet",
    "firewall/rules.c": "firewall_rules",
    "firewall/sshtext.c": "firewall_ssh",
    "firewall/surroundings.c: surroundings_parse_route": "firewall_procnet",
    "firewall/ufwtext.c": "firewall_ufw",
    "firewall/words.c": "firewall_ufw",
    "installer/acmestatus.c: acmestatus_parse acmestatus_judge": "installer_words",
    "installer/caarecords.c: clean one_ca caarecords_parse": "installer_words",
    "installer/certificate.c: certificate_reason": "installer_words",
    "installer/choose.c: next_word is_flag read_arguments choose_of_derper": "installer_words",
    "installer/clientsjudge.c": "installer_words",
    "installer/confedit.c": "installer_confedit",
    "installer/directory.c": "installer_directory",
    "installer/journal.c": "installer_journal",
    "installer/leaf.c": "installer_leaf",
    "installer/limits.c": "installer_words",
    "installer/options.c": "installer_options",
    "installer/relaystatus.c: relaystatus_parse": "installer_words",
    "installer/server.c: server_os_name": "installer_words",
    "installer/scrub.c": "installer_scrub",
    "installer/service.c: value_of service_parse": "installer_words",
    "installer/undo.c: undo_split": "installer_words",
    "installer/wrap.c": "installer_words",
}

# What judges, decides and prints. It gets nothing raw.
PURE = [
    "acme/ari.c",
    "acme/attempts.c",
    "acme/authority.c",
    "acme/choice.c",
    "acme/classify.c",
    "acme/identifier.c",
    "acme/jws.c",
    "acme/report.c",
    "acme/schedule.c",
    "acme/stale.c",
    "acme/told.c",
    "base/buf.c",
    "base/finding.c",
    "derp/ops/metrics.c",
    "derp/ops/renewals.c: renewals_sound",
    "derp/ops/status.c",
    "derp/relay/admission_cache.c",
    "derp/relay/admission_queue.c",
    "derp/relay/handle.c",
    "derp/net/line.c",
    "derp/net/record_cipher.c",
    "derp/relay/backlog.c",
    "derp/relay/outbox.c",
    "derp/relay/shaper.c",
    "derp/relay/registry.c",
    "dnscheck/address.c",
    "dnscheck/own.c",
    "dnscheck/suspects.c",
    "dnscheck/verdict.c",
    "dnscheck/verdict_addresses.c",
    "dnscheck/verdict_caa.c",
    "dnscheck/verdict_servers.c",
    "dnscheck/words.c",
    "firewall/assemble.c",
    "firewall/foreign.c: has_prefix is_harmless_jump foreign_rules foreign_nft_chain",
    "firewall/others.c",
    "firewall/plan.c",
    "firewall/reach.c",
    "firewall/report.c",
    "firewall/verify.c",
    "firewall/walk.c",
    "firewall/wanted.c",
    "base/selfsigned.c",
    "installer/derpmap.c",
    "installer/desired.c",
    "installer/outside.c",
    "installer/screen.c",
    "installer/values.c",
]


# --- Running ----------------------------------------------------------------------------------------

def tool(name):
    """A program of the same LLVM that clang is of: Debian's packages give it no plain name."""
    path = Path(shutil.which("clang")).resolve().with_name(name)
    return path if path.exists() else name


def run(program, *args):
    """Runs a test that writes its counts to RAW; returns what it said if it failed."""
    counts = RAW / f"{program.parent.name}-{program.name}.%m.profraw"
    try:
        done = subprocess.run([program, *args], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "LLVM_PROFILE_FILE": str(counts)}, check=False)
    except subprocess.TimeoutExpired:
        return "took too long"
    return "" if done.returncode == 0 else done.stdout.decode(errors="replace")


def run_all():
    """Unit tests and seeds; yields complaints."""
    tests = [[BUILD / "unit" / p.stem] for p in sorted(ROOT.glob("tests/unit/*_test.c"))]
    for p in sorted(ROOT.glob("tests/fuzz/*_fuzz.c")):
        name = p.stem.removesuffix("_fuzz")
        seeds = sorted((ROOT / "tests/fuzz/corpus" / name).glob("*"))
        tests.append([BUILD / "replay" / name, "-runs=0", *seeds])
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for test, said in zip(tests, pool.map(lambda t: run(*t), tests)):
            if said:
                yield f"{test[0].name} failed:\n{said}"


def run_derpd(tests):
    """System tests with a derpd that is counted, a run of pytest for each."""
    env = {**os.environ, "DERPD": str(BUILD / "derpd"),
           "LLVM_PROFILE_FILE": str(RAW / "derpd-%p.profraw")}
    for test in tests:
        subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", test], cwd=ROOT,
                       env=env, check=False)


# --- Counting ---------------------------------------------------------------------------------------

class Counts:
    """What a merged profile says of the sources."""

    def __init__(self, name, raw, programs):
        self.profile = BUILD / f"{name}.profdata"
        self.programs = [w for p in programs for w in ("-object", p)]
        subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *raw, "-o", self.profile], check=True)
        self.lines, self.branches, self.functions = {}, {}, {}
        self.read_lines(self.cov("export", "-format=lcov"))
        self.read_rest(json.loads(self.cov("export"))["data"][0])

    def cov(self, *args):
        return subprocess.run([tool("llvm-cov"), *args, f"-instr-profile={self.profile}",
                               *self.programs], check=True, capture_output=True, text=True).stdout

    def read_lines(self, text):
        for line in text.split("\n"):
            if line.startswith("SF:"):
                lines = self.lines.setdefault(short(line[3:]), {})
            elif line.startswith("DA:"):
                number, count = line[3:].split(",")[:2]
                lines[int(number)] = lines.get(int(number), 0) + int(count)

    def read_rest(self, data):
        """Unit tests include what they test: a static function is there several times. Their sum
        counts."""
        for source in data["files"]:
            found = self.branches.setdefault(short(source["filename"]), {})
            for l1, c1, l2, c2, yes, no, *_ in source["branches"]:
                before = found.get((l1, c1, l2, c2), (0, 0))
                found[l1, c1, l2, c2] = (before[0] + yes, before[1] + no)
        for f in data["functions"]:
            name = re.split("[:;]", f["name"])[-1]  # of a static one: its file, ":" or ";", its name
            first, _, last, *_ = f["regions"][0]
            self.functions[short(f["filenames"][0]), name] = range(first, last + 1)

    def of(self, entry):
        """(lines, branches) of an entry of the tables: {place: count}."""
        path, _, names = entry.partition(": ")
        lines, branches = self.lines.get(path, {}), self.branches.get(path, {})
        if names:
            here = {n for name in names.split() for n in self.functions[path, name]}
            lines = {n: count for n, count in lines.items() if n in here}
            branches = {at: counts for at, counts in branches.items() if at[0] in here}
        return lines, {(*at, side): counts[i] for at, counts in branches.items()
                       for i, side in enumerate(("true", "false"))}


def short(path):
    return os.path.relpath(path, ROOT)


def share(counts):
    """Per cent that are reached."""
    return 100 * sum(c > 0 for c in counts.values()) / len(counts) if counts else 100


def print_missing(counts, path):
    """The places of a file that nothing reaches."""
    text = (ROOT / path).read_text(encoding="utf-8").split("\n")
    lines, branches = counts.of(path)
    for n in sorted(n for n, count in lines.items() if not count):
        print(f"{path}:{n}: {text[n - 1]}")
    for l1, c1, l2, c2, side in sorted(at for at, count in branches.items() if not count):
        if lines.get(l1):
            what = text[l1 - 1][c1 - 1:c2 - 1 if l2 == l1 else None]
            print(f"{path}:{l1}: never {side}: {what}")


# --- Judging ----------------------------------------------------------------------------------------

def judge_share(counts):
    """Prints the table; yields complaints."""
    print(f"{'lines':>6} {'branches':>8}")
    for entry in sorted([*PARSERS, *PURE]):
        try:
            lines, branches = counts.of(entry)
        except KeyError as e:
            yield f"{entry}: no test calls {e}, or there is no such function"
            continue
        print(f"{share(lines):5.1f}% {share(branches):7.1f}%  {entry}")
        if not lines or share(lines) < FLOOR:
            missing = " ".join(str(n) for n in sorted(lines) if not lines[n])
            yield f"{entry}: {share(lines) if lines else 0:.0f} % of the lines, not {FLOOR}: {missing}"


def comes_by(counts, entry):
    try:
        return any(counts.of(entry)[0].values())
    except KeyError:
        return False


def judge_targets():
    """Does each parser's fuzz target really come by? Yields complaints."""
    for target in sorted(set(PARSERS.values())):
        program = BUILD / "replay" / target
        raw = sorted(RAW.glob(f"replay-{target}.*"))
        counts = Counts(f"replay-{target}", raw, [program]) if raw else None
        for entry in (e for e, t in PARSERS.items() if t == target):
            if counts is None or not comes_by(counts, entry):
                yield f"{entry}: the fuzz target {target} does not reach it"


def judge_tables():
    """Is everything in them that is called pure in the first comment of its header?"""
    known = {e.partition(":")[0] for e in [*PARSERS, *PURE]}
    for header in sorted(ROOT.glob("*/**/*.h")):
        path = short(header.with_suffix(".c"))
        if path.split("/")[0] in ("build", "tests") or path in known or not (ROOT / path).exists():
            continue
        comments = re.findall(r"/\*.*?\*/", header.read_text(encoding="utf-8"), re.S)
        if len(comments) > 1 and re.search(r"\bpure\b", comments[1], re.I):
            yield f"{path}: its header calls it pure, but it is in no table of tests/coverage.py"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--missing", nargs="+", metavar="FILE", default=[])
    parser.add_argument("--derpd", nargs="+", metavar="TESTS", default=[])
    options = parser.parse_args()
    shutil.rmtree(RAW, ignore_errors=True)
    RAW.mkdir(parents=True)
    RAW.chmod(0o1777)  # derpd may run as somebody else
    targets = ["covered", *(["build/coverage/derpd"] if options.derpd else [])]
    if subprocess.run(["make", "--no-print-directory", f"-j{JOBS}", "COVERAGE=1", *targets],
                      cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit("coverage: it does not build")
    complaints = list(run_all())
    programs = [p for p in sorted(BUILD.glob("unit/*_test")) + sorted(BUILD.glob("replay/*"))
                if not p.suffix]
    if options.derpd:
        run_derpd(options.derpd)
        programs.append(BUILD / "derpd")
    counts = Counts("all", sorted(RAW.iterdir()), programs)
    for path in options.missing:
        print_missing(counts, path)
    complaints += [*judge_share(counts), *judge_targets(), *judge_tables()]
    shutil.rmtree(BUILD / "html", ignore_errors=True)
    counts.cov("show", "-format=html", f"-output-dir={BUILD / 'html'}",
               "-ignore-filename-regex=(^|/)tests/|^/usr/")
    print("\n".join(complaints))
    print(f"coverage: {len(complaints)} complaints" if complaints
          else f"coverage: {len(PARSERS) + len(PURE)} files, ok")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
