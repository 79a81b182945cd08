#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house (CONTRIBUTING.md), checked by reading the sources.

    tests/lint.py               one line per violation, then "lint: N files, ok" or "N violations"
    tests/lint.py --self-test   feeds it bad snippets and sees that it complains
"""
import fnmatch
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import readme

FUNCTION_LINES = 60
FILE_LINES = 600

# Folder -> folders whose headers it may include. Everything may include its own and base.
FOLDERS = {
    "base": [],
    "derp": [],
    "acme": ["dnscheck/dnscheck.h"],
    "dnscheck": [],
    "firewall": [],
    "installer": ["dnscheck/dnscheck.h", "firewall/firewall.h", "derp/client/*.h"],
}

# Layers inside derp: main -> ops, relay, net -> wire. Each may include itself, these, and base.
LAYERS = {
    "wire": [],
    "net": ["wire"],
    "client": ["net", "wire"],
    "relay": ["client", "net", "wire"],
    "ops": ["relay", "net", "wire"],
}

# One wall per library: header -> the only files that may include it.
WALLS = {
    "openssl/ssl.h": ["derp/net/tls.c", "derp/net/tls_context.c", "derp/net/tls_private.h"],
    "ev.h": ["derp/net/*"],
    "curl/*": ["acme/transport.c", "derp/net/web.c", "installer/transport.c"],
    "jansson.h": [
        "base/finding.c",
        "acme/message*.c",
        "derp/ops/status.c",
        "derp/ops/who.c",
        "derp/relay/admission_source.c",
        "derp/wire/hello.c",
        "derp/wire/key.c",
        "firewall/nftjson.c",
        "installer/acmestatus.c",
        "installer/caarecords.c",
        "installer/clientsjudge.c",
        "installer/derpmap.c",
        "installer/directory.c",
        "installer/journal.c",
        "installer/relaystatus.c",
        "installer/report.c",
    ],
    "unbound.h": ["dnscheck/resolve.c"],
    "nftables/*": ["firewall/nft.c"],
    "ini.h": ["base/settings.c"],
    "systemd/*": ["base/journal.c", "derp/ops/notify.c"],
    "zlib.h": ["derp/wire/stun.c"],
    "wslay/*": ["derp/wire/websocket.c"],
}

# Calls that have a safer sibling here: word -> what to use.
FORBIDDEN = {
    "strcpy": "mem_strdup or snprintf",
    "stpcpy": "mem_strdup or snprintf",
    "strcat": "buf_puts or snprintf",
    "strncpy": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "strtok": "strcspn, or strtok_r",
    "atoi": "text_number",
    "atol": "text_number",
    "atoll": "text_number",
    "alloca": "mem_alloc",
    "gettext": "translate_text (base/translate.h)",
    "system": "run (base/run.h)",
    "popen": "run (base/run.h)",
}
PROCESS_START = ["fork", "vfork", "_Fork", "clone", "posix_spawn", "posix_spawnp", "execl",
                 "execlp", "execle", "execv", "execve", "execvp", "execvpe", "fexecve"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
MACHINE_PATH = re.compile(rb"(?<![\w.$}-])/(?:work|root)/")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def blank(text, strings=True):
    """The code without comments (and strings), every line where it was."""
    def replace(match):
        token = match.group()
        if token[0] in "\"'" and not strings:
            return token
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(replace, text)


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, p) for p in patterns)


def includes(text):
    """(line, is a system header, path) of every include."""
    for m in INCLUDE.finditer(blank(text, strings=False)):
        yield line_of(text, m.start()), m.group(1) == "<", m.group(2)


# --- Rules: each yields (line, message) ------------------------------------------------------------

def rule_licence(path, text):
    if not text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"):
        yield 1, "the first line is not /* SPDX-License-Identifier: Apache-2.0 */"


def rule_guard(path, text):
    if not path.endswith(".h"):
        return
    guard = re.sub(r"[^A-Z0-9]", "_", path.upper())
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        yield 1, f"no include guard {guard}"


def rule_lengths(path, text):
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES:
        yield len(lines) - 1, f"the file has {len(lines) - 1} lines; {FILE_LINES} is the ceiling"
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line.startswith("}"):
            if start is not None and i - start - 1 > FUNCTION_LINES:
                yield start, f"the function has {i - start - 1} lines; {FUNCTION_LINES} is the ceiling"
            start = None


def rule_folders(path, text):
    folder = path.split("/")[0]
    if folder not in FOLDERS:
        return
    for line, is_system, header in includes(text):
        if is_system:
            continue
        if "/" not in header:
            yield line, f'"{header}" is not relative to the root of the tree'
            continue
        other = header.split("/")[0]
        if other not in (folder, "base") and not matches(header, FOLDERS[folder]):
            yield line, f"{folder} may not include {header}"


def rule_layers(path, text):
    parts = path.split("/")
    if parts[0] != "derp" or len(parts) < 3:
        return
    for line, is_system, header in includes(text):
        other = header.split("/")
        if is_system or other[0] != "derp" or len(other) < 3:
            continue
        if other[1] != parts[1] and other[1] not in LAYERS.get(parts[1], []):
            yield line, f"derp/{parts[1]} may not include derp/{other[1]}"


def rule_walls(path, text):
    if path.startswith("tests/"):
        return
    for line, _, header in includes(text):
        for pattern, allowed in WALLS.items():
            if matches(header, [pattern]) and not matches(path, allowed):
                yield line, f"<{header}> belongs to {', '.join(allowed)} only"


def rule_calls(path, text):
    if path.startswith("tests/"):
        return
    code = blank(text)
    for m in re.finditer(r"(?<![\w.>])(\w+)\s*\(", code):
        word = m.group(1)
        if word in FORBIDDEN:
            yield line_of(code, m.start()), f"{word}() is forbidden; use {FORBIDDEN[word]}"
        if word in PROCESS_START and path != "base/run.c":
            yield line_of(code, m.start()), f"{word}(): processes are started in base/run.c only"


def rule_ufw(path, text):
    if path.startswith("tests/") or path == "firewall/ufw.c":
        return
    code = blank(text, strings=False)
    for m in re.finditer(r'"[^"\n]*bin/ufw"', code):
        yield line_of(code, m.start()), "ufw is called in firewall/ufw.c only"


RULES = [rule_licence, rule_guard, rule_lengths, rule_folders, rule_layers, rule_walls, rule_calls,
         rule_ufw]


# --- Whole-tree checks: each yields "path:line: message" -----------------------------------------------

def check_source(path, text):
    for rule in RULES:
        for line, message in rule(path, text):
            yield f"{path}:{line}: {message}"


def check_format(paths):
    if not paths:
        return
    command = ["clang-format", "--dry-run", "-Werror", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seen = set()
    for m in re.finditer(r"^(.+?):(\d+):\d+: (?:error|warning): code should be clang-formatted",
                         done.stderr, re.M):
        if m.group(1) not in seen:
            seen.add(m.group(1))
            yield f"{m.group(1)}:{m.group(2)}: not formatted; run clang-format -i {m.group(1)}"
    if done.returncode != 0 and not seen:
        yield f"clang-format failed: {done.stderr.strip()}"


def check_machine_paths(paths):
    for path in paths:
        if path.startswith("tests/appliance/"):  # the booted servers have a /root of their own
            continue
        for number, line in enumerate(Path(path).read_bytes().split(b"\n"), 1):
            if MACHINE_PATH.search(line):
                yield f"{path}:{number}: names a path of one machine"


def tree_files():
    """What git would put into a commit of this tree; everything where there is no git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        names = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(folder, name))
                 for folder, _, files in os.walk(".") for name in files]
        names = [n for n in names if not n.startswith(("build/", ".git/"))]
    return sorted(n for n in names if n and os.path.isfile(n) and not os.path.islink(n))


def lint():
    files = tree_files()
    sources = [f for f in files if f.endswith((".c", ".h"))]
    found = []
    for path in sources:
        found += check_source(path, Path(path).read_text(encoding="utf-8"))
    found += check_format(sources)
    found += check_machine_paths(files)
    found += readme.check(*(Path(p).read_text(encoding="utf-8")
                            for p in (readme.ENGLISH, readme.CHINESE)))
    print("\n".join(found + [f"lint: {len(sources)} files, "
                             + (f"{len(found)} violations" if found else "ok")]))
    return 1 if found else 0


# --- Self-test -------------------------------------------------------------------------------------------

HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n"
BAD = [  # path, text, part of the complaint
    ("acme/x.c", "int x;\n", "SPDX"),
    ("acme/x.h", HEAD + "#ifndef X_H\n#define X_H\n#endif\n", "guard ACME_X_H"),
    ("acme/x.c", HEAD + "void f(void)\n{\n" + "    g();\n" * 61 + "}\n", "61 lines"),
    ("acme/x.c", HEAD + "\n" * 600, "601 lines"),
    ("acme/x.c", HEAD + '#include "derp/wire/http.h"\n', "acme may not include derp/wire/http.h"),
    ("acme/x.c", HEAD + '#include "dnscheck/verdict.h"\n', "acme may not include"),
    ("base/x.c", HEAD + '#include "acme/key.h"\n', "base may not include"),
    ("installer/x.c", HEAD + '#include "derp/net/conn.h"\n', "installer may not include"),
    ("derp/x.c", HEAD + '#include "x.h"\n', "not relative"),
    ("derp/net/x.c", HEAD + '#include "derp/relay/relay.h"\n', "derp/net may not include derp/relay"),
    ("derp/wire/x.c", HEAD + ' # include "derp/net/tls.h"\n', "derp/wire may not include derp/net"),
    ("derp/relay/x.c", HEAD + "#include <openssl/ssl.h>\n", "derp/net/tls.c, derp/net/tls_context.c, derp/net/tls_private.h only"),
    ("derp/relay/x.c", HEAD + "#include <ev.h>\n", "derp/net/* only"),
    ("acme/order.c", HEAD + "#include <curl/curl.h>\n", "transport.c"),
    ("base/x.c", HEAD + "void f(char *s)\n{\n    strcpy(s, s);\n}\n", "strcpy() is forbidden"),
    ("acme/x.c", HEAD + 'int f(void)\n{\n    return system ("ls");\n}\n', "system() is forbidden"),
    ("acme/x.c", HEAD + "int f(void)\n{\n    return fork();\n}\n", "base/run.c only"),
    ("installer/x.c", HEAD + 'const char *a = "/usr/sbin/ufw";\n', "firewall/ufw.c only"),
]
GOOD = [
    ("derp/net/tls.c", HEAD + "#include <openssl/ssl.h>\n"),
    ("installer/x.c", HEAD + '#include "derp/client/probe.h"\n#include "firewall/firewall.h"\n'),
    ("derp/relay/x.c", HEAD + '#include "derp/net/loop.h"\n#include "base/buf.h"\n'),
    ("acme/x.c", HEAD + '/* strcpy(a, b), fork() */\nconst char *s = "system(1)";\n'),
    ("acme/x.c", HEAD + "int f(struct x *x)\n{\n    return x->system(1) + x.fork();\n}\n"),
    ("acme/x.c", HEAD + "void f(void)\n{\n" + "    g();\n" * 60 + "}\n"),
]


def self_test():
    wrong = []
    for path, text, complaint in BAD:
        found = list(check_source(path, text))
        if not any(complaint in line for line in found):
            wrong.append(f"{path}: expected \"{complaint}\", got {found}")
    for path, text in GOOD:
        found = list(check_source(path, text))
        if found:
            wrong.append(f"{path}: is fine, got {found}")
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder, "bad.c")
        bad.write_text(HEAD + "int  f(void){return 1;}\n", encoding="utf-8")
        if not list(check_format([str(bad)])):
            wrong.append("bad formatting went unnoticed")
        bad.write_bytes(b"see /" + b"work/main\n")
        if not list(check_machine_paths([str(bad)])):
            wrong.append("a machine's path went unnoticed")
    wrong += readme.self_test()
    cases = len(BAD) + len(GOOD) + 2 + len(readme.CASES) + 2
    print("\n".join(wrong + [f"lint self-test: {cases} cases, "
                             + (f"{len(wrong)} wrong" if wrong else "ok")]))
    return 1 if wrong else 0


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else lint())
