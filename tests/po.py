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
FILES = ["acme/schedule.c"]  # what derp-acme does next: derp-setup's status shows it

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
    "installer/options.c": {"HEADING": (0, 0), "OPTIONAL": (5, 5), "SWITCH": (4, 4), "VALUE": (4, 4),
                            "say": (1, 1)},
    "installer/preflight.c": {"check_ports": (2, 2)},
    "installer/screen.c": {"put": (2, 3)},
}
# Functions whose strings nobody reads: they compare, or write to the services' journal.
UNSHOWN = {"after", "log_debug", "log_error", "log_info", "log_warning", "memmem", "strcasestr",
           "strcmp", "strlen", "strncmp", "strstr", "text_starts"}
# File -> beginnings of sentences in it that are for files, other programs, or in English on purpose.
HIDDEN = {
    "base/log.c": ["unknown error", " (%llu more"],  # the journal
    "dnscheck/trace.c": ["] fatal error"],
    "firewall/marker.c": ["derp-setup changes the firewall;"],
    "firewall/nft.c": ["list ruleset"],
    "firewall/since.c": ["allow tcp "],  # ufw's
    "firewall/walk.c": ["partly open"],  # tests
    "installer/bundle.c": [""],  # the report is for those who help
    "installer/confedit.c": ["# Made by derp-setup;"],
}
COMMAND = re.compile(r"(?:apt-get|systemctl|ufw) ")

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
    paths = sorted(p for folder in FOLDERS for p in glob.glob(f"{folder}/*.[ch]")) + FILES
    sources = {p: Path(p).read_text(encoding="utf-8") for p in paths}
    macros = {"PRId64": "ld"}  # of the 64-bit machines that there are packages for
    for text in sources.values():
        macros.update(string_macros(text))
    return sources, macros


def extract(path, text, macros, all_literals=None):
    """(literal, context or None) of what is shown."""
    sinks = {**SINKS, **LOCAL.get(path, {})}
    all_literals = literals(text, macros) if all_literals is None else all_literals
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


# --- What is wrong ---------------------------------------------------------------------------------

def looks_shown(text):
    """Two words of a language beside each other."""
    return re.search(r"(?:^| )[A-Za-z'’]{2,},? [a-z'’]{2,}(?:$|[ ,.;:?!])",
                     CONVERSION.sub("", text)) is not None


def check_literals(path, text, macros):
    """A sentence that reaches nobody's terminal, as far as this script can see."""
    allowed = HIDDEN.get(path, [])
    everything = literals(text, macros)
    shown = {id(one) for one, _ in extract(path, text, macros, everything)}
    for one in everything:
        if (id(one) not in shown and one.call not in UNSHOWN and looks_shown(one.text)
                and not COMMAND.match(one.text) and not any(one.text.startswith(a) for a in allowed)):
            yield (f'{path}:{one.line}: "{one.text[:60]}" is not translated: give it to a function '
                   f"of SINKS, mark it with N_(), or list it in tests/po.py")


def check_template(wanted, found):
    if wanted == found:
        return
    old, new = (set(re.findall(r'^msgid (?:""\n)?(".*")$', t, re.M)) for t in (found, wanted))
    for text in sorted(new - old):
        yield f"{POT} lacks {text[:90]}"
    for text in sorted(old - new):
        yield f"{POT} still has {text[:90]}"
    yield f"{POT} is not what the sources say: make po, then fill in po/*.po"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.returncode, done.stdout + done.stderr


def entries(po):
    """(msgid, msgstr) of what is translated, unescaped no more than PO is."""
    _, text = run("msgattrib", "--translated", "--no-wrap", "--no-obsolete", po)
    for m in re.finditer(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|$))+)', text, re.M):
        msgid, msgstr = ("".join(re.findall(r'^"(.*)"$', part, re.M)) for part in m.groups())
        if msgid:
            yield msgid, msgstr


def check_entry(msgid, msgstr):
    """What must stand in the translation as it is: flags, commands, paths, and the blanks around a
    part of a sentence whose neighbours rely on them."""
    for token in re.findall(r"`[^`]+`|(?<![\w-])--[a-z][a-z-]+|(?<![\w.])/(?:etc|usr|var|run)/[\w./-]+",
                            msgid):
        if token.rstrip(".") not in msgstr:
            yield f'"{msgstr[:60]}" lacks {token}'


def check_translation(po, pot):
    status, output = run("msgfmt", "--check-format", "--check-domain", "-o", "/dev/null", po)
    if status != 0:
        yield from (line for line in output.splitlines() if line)
    status, output = run("msgcmp", po, pot)  # complains of gaps, fuzzy ones and strangers
    if status != 0:
        yield from (line for line in output.splitlines() if line)
    _, output = run("msgattrib", "--only-obsolete", "--no-wrap", po)
    for msgid in re.findall(r'^#~ msgid (".+")', output, re.M):
        yield f"{po}: nothing says {msgid[:70]} any more: take it out"
    for msgid, msgstr in entries(po):
        for complaint in check_entry(msgid, msgstr):
            yield f"{po}: {complaint}"


def check():
    sources, macros = read_sources()
    found = []
    for path, text in sources.items():
        if path.endswith(".c"):
            found += check_literals(path, text, macros)
    found += check_template(template(), Path(POT).read_text(encoding="utf-8"))
    for po in sorted(glob.glob("po/*.po")):
        found += check_translation(po, POT)
    print("\n".join(found + [f"po: {len(messages())} texts, "
                             + (f"{len(found)} complaints" if found else "ok")]))
    return 1 if found else 0


# --- Self-test -------------------------------------------------------------------------------------

SNIPPETS = [  # source, what is taken from it: (context, msgid)
    ('finding_add(all, S, "an.id", "two %s", "of them" );', [(None, "two %s"), (None, "of them")]),
    ('finding_fix(all, i, a ? "one %d" : b ? "two" : "three", f("not this"));',
     [(None, "one %d"), (None, "two"), (None, "three")]),
    ('finding_fix(all, i, "is %s", ok ? "free" : "taken");',
     [(None, "is %s"), ("is %s", "free"), ("is %s", "taken")]),
    ('report_found(r, S, "an.id", fix ? "try this" : NULL, "no %s", "key");',
     [(None, "try this"), (None, "no %s")]),
    ('#define AGAIN "run it " \\\n    "again"\nfault_set(f, "then " AGAIN " (%d)", 1);',
     [(None, "then run it again (%d)")]),
    ('const char *t[] = {N_("word"), "other words"}; /* N_("comment") */', [(None, "word")]),
    ('report_item(r, "label", "text %s", "/a/path");', [(None, "label"), (None, "text %s")]),
    ('fault_set(f, "%s: %" PRId64 " bytes", a, n);', [(None, "%s: %ld bytes")]),
    ('fault_set(f, "%s", why); snprintf(t, n, "not shown at all");', []),
]
HIDE_AND_SEEK = [  # source, is it complained of
    ('const char *s = "nobody will see this";', True),
    ('snprintf(t, n, "cannot read %s", p);', True),
    ('translate_print(t, n, "cannot read %s", p);', False),
    ('strcmp(s, "not for people at all");', False),
    ('const char *s = "/usr/sbin/ufw -f";', False),
    ('log_error("for the journal only");', False),
]
CATALOGUES = [  # entry, part of the complaint; the template has "take %s `a b` --flag"
    ('msgid "take %s `a b` --flag"\nmsgstr "取 %s `a b` --flag"\n', None),
    ('msgid "take %s `a b` --flag"\nmsgstr "取 %d `a b` --flag"\n', "format"),
    ('msgid "take %s `a b` --flag"\nmsgstr "取 %s `甲` --flag"\n', "lacks `a b`"),
    ('msgid "take %s `a b` --flag"\nmsgstr "取 %s `a b`"\n', "lacks --flag"),
    ('msgid "take %s `a b` --flag"\nmsgstr ""\n', "not"),
    ('msgid "another"\nmsgstr "别的"\n', "not"),
    ('#, fuzzy, c-format\nmsgid "take %s `a b` --flag"\nmsgstr "取 %s `a b` --flag"\n', "reviewed"),
    ('msgid "take %s `a b` --flag"\nmsgstr "取 %s `a b` --flag"\n'
     '#~ msgid "gone"\n#~ msgstr "没了"\n', "any more"),
]


def self_test():
    wrong = []
    for text, wanted in SNIPPETS:
        macros = {"PRId64": "ld", **dict(string_macros(text))}
        found = [(context, one.text) for one, context in extract("x.c", text, macros)]
        if sorted(map(str, found)) != sorted(map(str, wanted)):
            wrong.append(f"{text}: found {found}")
    for text, complains in HIDE_AND_SEEK:
        if bool(list(check_literals("x.c", text, {}))) != complains:
            wrong.append(f"{text}: {'nothing was' if complains else 'something was'} said")
    if not list(check_template('msgid "a"\n', 'msgid "b"\n')):
        wrong.append("a stale template went unnoticed")
    with tempfile.TemporaryDirectory() as folder:
        head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
        pot, po = Path(folder, "t.pot"), Path(folder, "t.po")
        pot.write_text(head + '#, c-format\nmsgid "take %s `a b` --flag"\nmsgstr ""\n',
                       encoding="utf-8")
        for entry, complaint in CATALOGUES:
            flag = "" if entry.startswith("#") else "#, c-format\n"
            po.write_text(head + flag + entry, encoding="utf-8")
            found = list(check_translation(str(po), str(pot)))
            if bool(found) != bool(complaint) or not any((complaint or "") in f for f in found or [""]):
                wrong.append(f"{entry}: {found}")
    cases = len(SNIPPETS) + len(HIDE_AND_SEEK) + len(CATALOGUES) + 1
    print("\n".join(wrong + [f"po self-test: {cases} cases, "
                             + (f"{len(wrong)} wrong" if wrong else "ok")]))
    return 1 if wrong else 0


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    sys.exit({"--update": update, "--self-test": self_test}.get("".join(sys.argv[1:]), check)())
