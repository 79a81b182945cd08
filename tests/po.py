#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sentences that derp-setup shows to people, and their translations in po/.

    tests/po.py             what is stale, missing or badly translated; a line each, then a summary
    tests/po.py --update    writes po/derp-relay.pot and merges it into po/*.po (`make po`)
    tests/po.py --self-test feeds it bad sources and catalogues and sees that it complains

xgettext would take one text of `busy ? "a" : "b"` and none of the words that become an argument of
a sentence; so the sources are read here, by rules that fit them: base/translate.h.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

POT = "po/derp-relay.pot"
FOLDERS = ["base", "derp/client", "dnscheck", "firewall", "installer"]

# Function -> (first argument that is shown, the format). What stands before the format is shown as
# it is; what stands behind it fills it.
SINKS = {
    "N_": (0, 0),
    "ask_line": (1, 1),
    "ask_word": (1, 1),
    "ask_yes": (1, 1),
    "config_bad_value": (1, 1),
    "fault_errno": (1, 1),
    "fault_set": (1, 1),
    "finding_add": (3, 3),
    "finding_fix": (2, 2),
    "report_always": (1, 1),
    "report_begin": (2, 2),
    "report_change": (1, 1),
    "report_detail": (1, 1),
    "report_found": (3, 4),
    "report_item": (1, 2),
    "report_line": (1, 1),
    "report_progress": (1, 1),
    "report_title": (1, 1),
    "translate_append": (2, 2),
    "translate_buf": (1, 1),
    "translate_new": (0, 0),
    "translate_print": (2, 2),
}
# The same for functions and macros of one file, which pass their arguments on to one of those.
LOCAL = {
    "base/config_values.c": {"parse_choice": (2, 2)},
    "base/settings.c": {"fail": (1, 1)},
    "derp/client/client.c": {"end_with": (1, 1)},
    "derp/client/probe.c": {"connect_side": (2, 2), "finish": (1, 1)},
    "dnscheck/resolve.c": {"read_file": (0, 0)},
    "dnscheck/words.c": {"print_wanted": (1, 1)},
    "firewall/apply.c": {"fail": (2, 3), "progress": (1, 1)},
    "firewall/apt.c": {"report": (1, 1)},
    "firewall/foreign.c": {"report": (2, 3)},
    "firewall/plan.c": {"add_default": (3, 3)},
    "firewall/settle.c": {"busy": (0, 0)},
    "firewall/verify.c": {"fail": (2, 3)},
    "installer/choose.c": {"ask_value": (1, 1), "unanswered": (1, 1)},
    "installer/main.c": {"usage": (2, 3)},
    "installer/options.c": {"HEADING": (0, 0), "SWITCH": (4, 4), "VALUE": (4, 4), "say": (1, 1)},
    "installer/preflight.c": {"check_ports": (2, 2)},
    "installer/screen.c": {"put": (2, 3)},
}
# Words that are names, of programs and of keys of the config.
NAMES = {"chain", "iptables", "key", "root"}

# What libc says of errno: the other half of what fault_errno says.
LIBC = ["Address already in use", "Argument list too long", "Bad address", "Bad file descriptor",
        "Broken pipe", "Cannot allocate memory", "Connection refused", "Connection reset by peer",
        "Connection timed out", "Device or resource busy", "Directory not empty", "File exists",
        "File name too long", "File too large", "Input/output error", "Interrupted system call",
        "Invalid argument", "Invalid cross-device link", "Is a directory",
        "Network is unreachable", "No route to host", "No space left on device",
        "No such file or directory", "No such process", "Not a directory",
        "Operation not permitted", "Operation not supported", "Permission denied",
        "Read-only file system", "Resource temporarily unavailable", "Text file busy",
        "Too many levels of symbolic links", "Too many open files",
        "Address family not supported by protocol", "Exec format error", "Disk quota exceeded"]

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[A-Za-z_]\w*'
                   r'|\d\w*|[^\s\w]', re.S)
DEFINE = re.compile(r'^#[ \t]*define[ \t]+(\w+)[ \t]+((?:\\\n|[^\n])+)', re.M)
CONVERSION = re.compile(r"%(?:\d+\$)?[-+ #0']*(?:\*|\d+)?(?:\.(?:\*|\d+)?)?(?:hh|h|ll|l|j|z|t|L)?"
                        r"[diouxXeEfFgGaAcspm]|%%")
NO_CALL = {"return", "sizeof", "if", "while", "for", "switch"}


class Literal:
    """A string, its parts joined, and the call that it is a direct argument of."""

    def __init__(self, line, text, frame):
        self.line, self.text, self.frame = line, text, frame
        self.call, self.argument = frame[0], frame[1]


def string_macros(text):
    """NAME -> string, of macros that are nothing but a string."""
    for name, body in DEFINE.findall(text):
        parts = [t for t in TOKEN.findall(body) if not t.startswith(("/*", "//")) and t != "\\"]
        if parts and all(p[0] == '"' for p in parts):
            yield name, "".join(p[1:-1] for p in parts)


def literals(text, macros):
    code = re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
                  lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    stack = [["", 0]]  # [function, argument]; a parenthesis that only groups belongs to its call
    last, found = "", []
    for m in TOKEN.finditer(code):
        token = m.group()
        if token.startswith(("//", "/*")):
            continue
        if token in macros:
            token = f'"{macros[token]}"'
        if token[0] == '"' and last[:1] == '"':
            found[-1].text += token[1:-1]
        elif token[0] == '"':
            found.append(Literal(text.count("\n", 0, m.start()) + 1, token[1:-1], stack[-1]))
        elif token == "(":
            is_call = re.match(r"[A-Za-z_]", last) and last not in NO_CALL
            stack.append([last, 0] if is_call else stack[-1])
        elif token in ("[", "{"):
            stack.append(["", 0])
        elif token in (")", "]", "}") and len(stack) > 1:
            stack.pop()
        elif token == ",":
            stack[-1][1] += 1
        last = token
    return found


def has_words(text):
    """Not of names, paths and punctuation alone."""
    return re.search(r"[a-z]{2}", CONVERSION.sub("", text)) is not None


def is_word(text):
    return re.fullmatch(r"[A-Za-z]?[a-z]+", text) is not None


def read_sources():
    """path -> text, and all string macros."""
    paths = sorted(p for folder in FOLDERS for p in glob.glob(f"{folder}/*.[ch]"))
    sources = {p: Path(p).read_text(encoding="utf-8") for p in paths}
    macros = {"PRId64": "ld"}  # of the 64-bit machines that there are packages for
    for text in sources.values():
        macros.update(string_macros(text))
    return sources, macros


def extract(path, text, macros):
    """(literal, context or None) of what is shown."""
    sinks = {**SINKS, **LOCAL.get(path, {})}
    all_literals = literals(text, macros)
    formats = {}
    for one in all_literals:
        if one.call in sinks and one.argument == sinks[one.call][1]:
            formats.setdefault(id(one.frame), []).append(one.text)
    for one in all_literals:
        first, at = sinks.get(one.call, (99, 99))
        if one.argument < first:
            continue
        if one.call == "N_" or (one.argument <= at and has_words(one.text)):
            yield one, None
        elif one.argument > at and " " in one.text and has_words(one.text):
            yield one, None
        elif one.argument > at and is_word(one.text) and one.text not in NAMES:
            # One word may be a name elsewhere: it is translated in this sentence only.
            for sentence in formats.get(id(one.frame), []):
                yield one, sentence


def messages():
    """(context, msgid), as in C with its escapes -> the files that show it, in their order."""
    sources, macros = read_sources()
    found = {}
    for path, text in sources.items():
        if path.endswith(".c"):
            for one, context in extract(path, text, macros):
                if path not in found.setdefault((context, one.text), []):
                    found[context, one.text].append(path)
    for text in LIBC:
        found.setdefault((None, text), ["base/fault.c"])
    return found


# --- The template ----------------------------------------------------------------------------------

HEADER = """\
# The sentences of derp-setup. Made by tests/po.py from the sources: `make po`.
# SPDX-License-Identifier: Apache-2.0
msgid ""
msgstr ""
"Project-Id-Version: derp-relay\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""


def quoted(text):
    lines = re.split(r"(?<=\\n)(?=.)", text)
    if len(lines) == 1:
        return f'"{text}"'
    return "\n".join(['""'] + [f'"{line}"' for line in lines])


def template():
    parts = [HEADER]
    for (context, text), paths in messages().items():
        context = f"msgctxt {quoted(context)}\n" if context is not None else ""
        flag = "#, c-format\n" if any(m != "%%" for m in CONVERSION.findall(text)) else ""
        parts.append(f"#: {' '.join(paths)}\n{flag}{context}msgid {quoted(text)}\nmsgstr \"\"\n")
    return "\n".join(parts)


def update():
    Path(POT).write_text(template(), encoding="utf-8")
    for po in sorted(glob.glob("po/*.po")):
        subprocess.run(["msgmerge", "--quiet", "--update", "--backup=none", "--no-fuzzy-matching",
                        "--no-wrap", po, POT], check=True)
    print(f"{POT}: {len(messages())} texts")


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    if sys.argv[1:] == ["--update"]:
        sys.exit(update())
    for (c, t), p in messages().items():
        if c is not None: print(repr(t), repr(c)[:150])
