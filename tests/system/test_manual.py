# SPDX-License-Identifier: Apache-2.0
"""What --help, the manual pages, the completion, the example and the programs say is the same: verbs,
flags and their values, exit codes, settings and their defaults."""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["derpd", "derp-acme", "derp-setup"]
VERBS = {
    "derpd": [],
    "derp-acme": ["run", "issue", "renew", "status", "revoke", "rollover", "caa"],
    "derp-setup": ["check", "status", "doctor", "map", "renew", "confirm", "rollback", "uninstall"],
}

# Values that are words of ours: help, manual, completion and parser have the same ones.
CHOICES = {
    ("derp-setup", "firewall"): ["ufw", "none"],
    ("derp-setup", "format"): ["tailscale", "headscale"],
    ("derp-setup", "clients"): ["anyone", "tailscaled", "url:", "keys:"],
    ("derp-setup", "certificate"): ["acme", "self-signed"],
    ("derp-setup", "acme-challenge"): ["tls-alpn-01", "http-01", "dns-01"],
}


def run(program, *args):
    return subprocess.run([ROOT / "build" / program, *args], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, check=False)


def help_of(program):
    done = run(program, "--help")
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


@pytest.fixture(scope="module")
def page():
    """page(name): a manual page as text, a paragraph on a line."""
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")

    def get(name):
        text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=500", ROOT / "packaging/man" / name],
                              capture_output=True, text=True, check=True).stdout
        return re.sub(".\b", "", text)
    return get


def section(text, name):
    """What stands below a heading of a manual page."""
    return re.search(rf"^{re.escape(name)}\n(.*?)(?=^\S|\Z)", text, re.M | re.S)[1]


# --- Flags ----------------------------------------------------------------------------------------

def flags_of_help(program):
    """Long name → (letter or "", whether it takes a value)."""
    found = {}
    for line in help_of(program).splitlines():
        m = re.match(r" +(?:-(\w), |    )?--([a-z][a-z0-9-]+)((?:\[?=| (?=[A-Z]{2}))\S+)?(?: |$)", line)
        if m:
            found[m[2]] = (m[1] or "", bool(m[3]))
    assert {"help", "version"} <= set(found), found
    return found


def flags_of_page(text):
    """The same, from the tags of its lists, wherever these stand."""
    found = {}
    for line in text.splitlines():
        if not re.match(r" +-", line):
            continue
        tag = re.split(r"  |\t", line.strip())[0]
        for letter, name, value in re.findall(
                r"(?:-(\w), )?--([a-z][a-z0-9-]+)((?:\[?=| (?=file))\S+)?", tag):
            found[name] = (letter, bool(value))
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_flags(page, program):
    flags = flags_of_help(program)
    assert flags_of_page(page(f"{program}.8")) == flags
    words = completed(program, "--")
    assert sorted(w.rstrip("=") for w in words) == sorted(f"--{name}" for name in flags)
    if program == "derp-setup":  # the others leave the value to the next word
        optional = set(re.findall(r"--([a-z0-9-]+)\[=", help_of(program)))
        needed = {n for n, f in flags.items() if f[1]} - optional
        assert {w[2:-1] for w in words if w.endswith("=")} == needed


@pytest.mark.parametrize("program", PROGRAMS)
def test_flags_are_parsed_as_they_are_documented(program):
    for name, (letter, takes) in flags_of_help(program).items():
        spellings = [f"--{name}"] + [f"-{letter}"] * bool(letter)
        for spelling in spellings:
            if name in ("help", "version"):
                assert run(program, spelling).returncode == 0
                continue
            said = run(program, "no-such-word", spelling).stderr
            assert "no such flag" not in said and "unrecognized" not in said and \
                "invalid option" not in said and "bad option" not in said or takes, said
        if name in ("help", "version"):
            continue
        with_value = run(program, f"--{name}=value", "no-such-word").stderr
        refused = "takes no value" in with_value or "doesn't allow" in with_value
        assert refused != takes, with_value
    unknown = run(program, "--no-such-flag")
    assert unknown.returncode == (1 if program == "derp-acme" else 2) and "no-such-flag" in unknown.stderr


@pytest.mark.parametrize("program, flag", CHOICES)
def test_values_that_are_words(page, program, flag):
    choices = CHOICES[program, flag]
    line = next(line for line in help_of(program).splitlines() if f"--{flag}=" in line)
    tagged = section(page(f"{program}.8"), "DESCRIPTION") + section(page(f"{program}.8"), "SYNOPSIS")
    about = "\n".join(re.findall(rf"--{flag}=.*(?:\n.*)?", tagged))
    for word in choices:
        assert re.search(rf"\b{word}", line) and re.search(rf"\b{word}", about), (word, line, about)
    assert completed(program, "", before=f"--{flag}") == choices
    needs = {"format": ["map"]}.get(flag, ["derp.demo.com"])
    for word in choices:
        value = {"url:": "url:https://demo.com/verify", "keys:": "keys:/etc/keys"}.get(word, word)
        said = run(program, *needs, f"--{flag}={value}", "--port=0").stderr
        assert f"--{flag}" not in said and "--port" in said, said
    assert f"--{flag}" in run(program, *needs, f"--{flag}=nonsense").stderr


# --- Verbs ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("program", ["derp-acme", "derp-setup"])
def test_verbs(page, program):
    verbs = VERBS[program]
    usage = help_of(program).partition("\n\nHow it runs")[0]
    in_help = re.findall(rf"^  (?:{program} )?([a-z]+)(?: DOMAIN)? +[a-z]", usage, re.M)
    assert sorted(in_help) == sorted(verbs)
    text = page(f"{program}.8")
    synopsis = section(text, "SYNOPSIS")
    described = re.findall(r"^ {5}([a-z]+(?:, [a-z]+)*)(?=\n|  |\t)",
                           re.split(r"commands are:", section(text, "DESCRIPTION"))[1], re.M)
    assert sorted(v for tag in described for v in tag.split(", ")) == sorted(verbs)
    for verb in verbs:
        assert re.search(rf"\b{verb}\b", synopsis), verb
    assert sorted(completed(program, "")) == sorted(verbs)
    said = run(program, "frobnicate").stderr
    assert "verb" in said and "--help" in said


# --- Exit codes -----------------------------------------------------------------------------------

def test_exit_codes_of_derp_setup(page):
    enum = dict(re.findall(r"EXIT_(\w+) = (\d+)", (ROOT / "installer/setup.h").read_text()))
    codes = {int(n) for n in enum.values()}
    assert len(codes) == 10
    tags = re.findall(r"^ {5}(\d+)\s", section(page("derp-setup.8"), "EXIT STATUS"), re.M)
    assert {int(n) for n in tags} == codes
    said = help_of("derp-setup").partition("Exit status:")[2].replace("\n", " ")
    assert {int(n) for n in re.findall(r"(?:^|[,;] ?)\s*(\d+) ", said)} == codes


@pytest.mark.parametrize("program, codes", [("derpd", {0, 1, 2}), ("derp-acme", {0, 1, 2})])
def test_exit_codes_of_the_others(page, program, codes):
    text = section(page(f"{program}.8"), "EXIT STATUS")
    assert {int(n) for n in re.findall(r"(?:^|[;,.])\s*(\d)\b", text)} == codes, text
    said = help_of(program).partition("Exit status:")[2]
    assert {int(n) for n in re.findall(r"(?:^|,)\s*(\d) ", said.replace("\n", " "))} == codes, said


def test_exit_codes_are_what_they_say(tmp_path):
    bad = tmp_path / "derp.conf"
    bad.write_text("[relay]\nworkers = many\n")
    good = tmp_path / "good.conf"
    good.write_text(f"[relay]\nstate-dir = {tmp_path}\n[certificate]\nsource = self-signed\n")
    assert run("derpd", "--check", "--config", bad).returncode == 1
    assert run("derpd", "--check", "--config", good).returncode == 0
    assert run("derpd", "--check", "--who").returncode == 2
    assert run("derpd", "word").returncode == 2
    assert run("derp-acme").returncode == 1
    assert run("derp-acme", "--config", bad, "status").returncode == 1
    assert run("derp-acme", "--config", good, "status").returncode == 2  # nothing to do with a CA


# --- Completion -----------------------------------------------------------------------------------

# What bash-completion's own function would have found out, without that package.
COMPLETE = r"""
_init_completion() { cur=$CUR prev=$PREV words=() cword=$CWORD; }
_filedir() { COMPREPLY=(FILES); }
compopt() { :; }
source "$1"
$2
printf '%s\n' "${COMPREPLY[@]}"
"""


def completed(program, word, before=None):
    """What bash offers for a word that was begun, behind another one."""
    env = {"CUR": word, "PREV": before or program, "CWORD": "2" if before else "1",
           "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", ROOT / "packaging/completion" / program,
                           f"_{program.replace('-', '_')}"], env=env, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


def test_completion_of_files():
    files = {"derpd": ["config"], "derp-acme": ["config"],
             "derp-setup": ["log-file", "report", "acme-ca-file", "acme-eab-key-file", "acme-dns-hook",
                            "acme-hook", "acme-fallback-ca-file", "acme-fallback-eab-key-file",
                            "dns-root-hints", "dns-trust-anchor"]}
    for program, flags in files.items():
        of_files = [n for n, line in ((n, line) for line in help_of(program).splitlines()
                                      for n in re.findall(r"--([a-z-]+)[= ]FILE", line))]
        assert set(of_files) <= set(flags), program
        for flag in flags:
            assert completed(program, "", before=f"--{flag}") == ["FILES"], flag
    for program in ("derpd", "derp-acme"):
        assert completed(program, "", before="-c") == ["FILES"]


# --- Settings -------------------------------------------------------------------------------------

def table():
    """section, key of every setting that the programs know."""
    found = re.findall(r'(?:ROW\(|\{)"([a-z]+)", "([a-z-]+)", \w+',
                       (ROOT / "base/config.c").read_text())
    assert len(found) > 40
    return found


def manual_entries():
    """(section, key) → the tag and the text of its paragraph, as mdoc."""
    found = {}
    source = (ROOT / "packaging/man/derp.conf.5").read_text()
    for name, body in re.findall(r"^\.Ss Section (\w+)\n(.*?)(?=^\.Ss|^\.Sh|\Z)", source, re.M | re.S):
        for tag, text in re.findall(r"^\.It (Cm [a-z-]+ No = .*)\n((?:(?!\.It Cm [a-z-]+ No =).*\n)*)",
                                    body, re.M):
            found[name, tag.split()[1]] = (tag, text)
    return found


def test_settings_of_manual_and_example_are_those_of_the_parser():
    assert sorted(manual_entries()) == sorted(table())
    example = (ROOT / "packaging/derp.conf.example").read_text()
    shown = []
    for name, body in re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", example, re.M | re.S):
        shown += [(name, key) for key in re.findall(r"^#?([a-z-]+) =", body, re.M)]
    assert sorted(set(shown)) == sorted(table())


def check_setting(tmp_path, name, key, value):
    """What derpd --check says of one setting among what it needs."""
    lines = {("relay", "state-dir"): str(tmp_path), ("certificate", "source"): "self-signed"}
    lines[name, key] = value
    conf = tmp_path / "derp.conf"
    text = "".join(f"[{s}]\n{k} = {v}\n" for (s, k), v in sorted(lines.items()))
    text = re.sub(r"(\[relay\]\n)(.*)\n\[relay\]\n", r"\1\2\n", text)
    conf.write_text(text.replace("[certificate]\nsource", "[certificate]\nsource"))
    return run("derpd", "--check", "--config", conf)


def test_defaults_of_the_manual_are_accepted(tmp_path):
    """Each as a line of its own: the page names no default that the parser refuses."""
    tried = 0
    for (name, key), (_, text) in manual_entries().items():
        m = re.search(r"^Default:\n\.(?:Li|Pa|Cm) (\S+(?: \S+)*?)(?: [.,])?$", text, re.M)
        if not m or key in ("state-dir", "source", "dir"):
            continue
        done = check_setting(tmp_path, name, key, m[1].strip())
        assert f"{key}" not in done.stderr or done.returncode == 0, (key, m[1], done.stderr)
        tried += 1
    assert tried >= 8


def test_words_of_the_manual_are_accepted(tmp_path):
    """Alternatives in a tag, such as "acme | files | self-signed"; and a word that is none of them."""
    tried = 0
    for (name, key), (tag, _) in manual_entries().items():
        words = [p.split()[-1] for p in tag.partition("No = ")[2].split(" | ")
                 if re.fullmatch(r"(Cm|Li) [a-z0-9-]+|[a-z0-9-]+", p.strip())]
        for word in words:
            said = check_setting(tmp_path, name, key, word).stderr
            assert not re.search(rf"derp\.conf:\d+: .*\b{key}\b", said), (key, word, said)
            tried += 1
    assert tried > 15


def test_what_needs_a_restart_is_the_same_everywhere(page):
    source = (ROOT / "derp/main.c").read_text()
    said = re.search(r'log_warning\("(domain, .*?)change wholly', source, re.S)[1]
    in_program = set(re.findall(r"[a-z-]+", re.sub(r'"\s*"', "", said).replace(" and ", " ")))
    m = re.search(r"without losing connections, but for (.*?): these need", page("derp.conf.5"))
    in_manual = set(m[1].replace(" and ", ", ").replace(",", " ").split())
    assert in_program == in_manual
    code = re.search(r"static void warn_about_restart.*?\n\}", source, re.S)[0]
    compared = {name.replace("_", "-") for name in re.findall(r"was->(\w+)", code)}
    assert compared == in_program
