#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   what is said of the programs is what they do: a manual page has the options and verbs of
        its program, no more and no fewer; deploy/coffer.conf is what cofferd prints.
Method: --help against the page; --print-config against the file, then all of it switched on.

usage: test_papers.py ROOT FOLDER_OF_PAGES PROGRAM...
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

OPTION = re.compile(r"(?<![\w-])(-[a-zA-Z0-9?]|--[a-z][a-z-]*)(?![\w-])")
VERB_SECTIONS = ("VERBS", "COMMANDS")


def options_of_help(text):
    """argp's list: `  -o, --output=FORMAT   what it does`, two to six blanks before it."""
    options = set()
    for line in text.splitlines():
        match = re.match(r" {2,6}(-\S), (--[\w-]+)|      (--[\w-]+)", line)
        options |= {word for word in match.groups() if word} if match else set()
    return options


def verb_of(text):
    """`member add NODE` is the verb `member add`: the words before the first in capitals."""
    return re.match(r"[a-z-]*(?: [a-z-]+\b(?!\.))*", text.strip()).group()


def verbs_of_help(text):
    """From a list `Verbs:`, or from the usage: `PROGRAM [OPTION...] status|member add NODE`."""
    listed = re.search(r"^Verbs:\n((?:  .*\n)+)", text, re.M)
    if listed:
        verbs = [re.split(r"  +", line.strip())[0] for line in listed.group(1).splitlines()]
    else:
        usage = re.match(r"(?:(?:Usage:| ).*\n)+", text).group()
        alternatives = re.sub(r"(Usage:|  or:) \S+ \[OPTION\.\.\.\]", "|", usage)
        verbs = " ".join(alternatives.split()).split("|")
    return {verb_of(verb) for verb in verbs} - {""}


def plain(line):
    """A line of troff without requests, fonts and escapes."""
    line = re.sub(r"^\.(?:B|I|BR|BI|IR) ", "", line)
    return re.sub(r"\\f[A-Z]", "", line).replace("\\-", "-").replace("\\&", "")


def heads_of_page(page):
    """{section: [the line below each .TP]}"""
    sections, name, lines = {}, "", page.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(".SH "):
            name = line[4:].strip('"')
        elif line.startswith(".TP"):
            sections.setdefault(name, []).append(plain(lines[number + 1]))
    return sections


def compare(program, help_text, page):
    """Yields what is told by one of both only."""
    heads = heads_of_page(page)
    verbs = {verb_of(head) for section in VERB_SECTIONS for head in heads.get(section, ())}
    options = {word for head in heads.get("OPTIONS", ()) for word in OPTION.findall(head)}
    for said, there, where in ((options, options_of_help(help_text), "option"),
                               (verbs, verbs_of_help(help_text), "verb")):
        for word in sorted(there - said):
            yield f"{program}: {where} {word} is not in its page"
        for word in sorted(said - there):
            yield f"{program}: its page has a {where} {word} that it has not"
    if not options:
        yield f"{program}: its page has no options"


def check_itself():
    """This test can fail: a word that is missing on either side is told."""
    help_text = ("Usage: x [OPTION...] go|stop|turn\n            left PLACE\nIs x.\n\n"
                 "  -a, --all   all\n      --some=N   some\n")
    page = (".SH COMMANDS\n.TP\n.B go\n.TP\n\\fBstop\\fR\n.TP\n"
            "\\fBturn left\\fR \\fIPLACE\\fR\n"
            ".SH OPTIONS\n.TP\n\\fB\\-a\\fR, \\fB\\-\\-all\\fR\n.TP\n.B \\-\\-some \\fIN\\fR\n")
    cases = ((help_text, page, 0), (help_text, page.replace("some", "one"), 2),
             (help_text.replace("|stop", "|halt"), page, 2), (help_text, "", 7),
             (help_text + "  -z, --zero   z\n", page, 2))
    for number, (said, paper, count) in enumerate(cases):
        found = list(compare("x", said, paper))
        if len(found) != count:
            yield f"case {number} of this test itself: {found}"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False,
                          env=dict(os.environ, LC_ALL="C"))
    return done.returncode, done.stdout + done.stderr


def check_page(pages, program):
    name = os.path.basename(program)
    page = next((os.path.join(pages, f"{name}.{section}") for section in "18"
                 if os.path.exists(os.path.join(pages, f"{name}.{section}"))), None)
    if page is None:
        yield f"{name}: has no page in {pages}"
        return
    code, text = run(program, "--help")
    with open(page, encoding="utf-8") as file:
        yield from compare(name, text, file.read())
    if code != 0:
        yield f"{name} --help: exit code {code}"
    if shutil.which("groff"):
        code, text = run("groff", "-man", "-Tutf8", "-ww", "-z", page)
        if code != 0 or text:
            yield f"{page}: {text}"


def check_configuration(root, cofferd):
    code, printed = run(cofferd, "--print-config")
    if code != 0:
        yield f"cofferd --print-config: exit code {code}: {printed}"
    with open(os.path.join(root, "deploy", "coffer.conf"), encoding="utf-8") as file:
        if file.read() != printed:
            yield "deploy/coffer.conf is old; write it again: cofferd --print-config > it"
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(re.sub(r"^#(?=[a-z])", "", printed, flags=re.M))
        file.flush()
        code, text = run(cofferd, "-c", file.name, "--check")
        if code != 0:
            yield f"with every line switched on: {text}"


def main(arguments):
    root, pages, programs = arguments[1], arguments[2], arguments[3:]
    errors = list(check_itself())
    for program in programs:
        errors += check_page(pages, program)
        if os.path.basename(program) == "cofferd":
            errors += check_configuration(root, program)
    for error in errors:
        print(error)
    print(f"{len(programs)} programs, {len(errors)} differences")
    return 1 if errors or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
