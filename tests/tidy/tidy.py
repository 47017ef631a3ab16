#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py - holds the rules of the house that a compiler does not know

usage: tidy.py ROOT

Prints one line for each broken rule, `path:line: what`, and exits with 1 if there is any.

Reads C the way clang-format leaves it (a test of its own): a function's braces stand in the first
column. Each rule is a function check_*(path, source, errors); test_tidy.py shows each of them a
small bad input. Borders between floors are in FLOORS; a rule is never switched off by a comment
in the code it is about.
"""
import os
import re
import sys

FLOORS = {  # folder -> folders its files may include
    "store/base": {"store/base"},
    "store": {"store/base", "store"},
    "consensus": {"store/base", "store", "consensus"},
    "dataplane": {"store/base", "store", "consensus", "dataplane"},
    "control": {"store/base", "store", "consensus", "control"},
    "bench": {"store/base", "store", "consensus", "dataplane", "control", "bench"},
    "tests": {"store/base", "store", "consensus", "dataplane", "control", "bench", "tests"},
}
# main() may see both sides of the house.
ROOF = {"control/bin/cofferd.c"}
# Narrower than their floor: (files that begin with, what they may include). The client and its
# command line stand on the store alone; the simulator is a shell of the pure floors.
NARROW = [
    ("control/client/", ("store/", "control/client/")),
    ("control/bin/coffer.c", ("store/", "control/client/", "control/bin/")),
    ("control/bin/coffer_", ("store/", "control/client/", "control/bin/")),
    ("tests/lincheck/", ("store/", "tests/lincheck/")),
    ("tests/oracle/", ("store/", "tests/oracle/")),
    ("tests/sim/", ("store/", "consensus/", "tests/sim/", "tests/oracle/", "tests/lincheck/")),
    ("tests/scenario/", ("store/", "consensus/", "tests/sim/", "tests/scenario/")),
]
# Stand in dataplane/ but are used where there is no DPDK.
DPDK_FREE = re.compile(r"^dataplane/(dataplane\.h|frame\.[ch]|link(_\w+)?\.[ch])$")
DPDK = re.compile(r"^(rte_|dpdk)")

PURE = ("store/", "consensus/")
IMPURE_HEADERS = re.compile(
    r"^(time|unistd|fcntl|pthread|threads|signal|poll|netdb|locale|stdio|malloc)\.h$"
    r"|^(sys|arpa|net|netinet|linux)/(?!types\.h|cdefs\.h|param\.h|queue\.h)")
# The ground's abort() has to say why; the allocator is the one place that allocates.
IMPURE_ALLOWED = {
    "store/base/check.c": {"stdio.h"},
    "store/alloc.c": {"stdio.h", "malloc.h", "sys/mman.h"},
    "store/alloc_malloc.c": {"stdio.h", "malloc.h"},
}

# Prefixes of the floors above: a name that does not belong there.
ABOVE = {
    "store/base": r"\b(store|paxos|dp|ctl)_\w+\s*\(",
    "store": r"\b(paxos|dp|ctl)_\w+\s*\(",
    "consensus": r"\b(dp|ctl)_\w+\s*\(",
    "dataplane": r"\bctl_\w+\s*\(",
}

COLUMNS_MAX, FUNCTION_LINES_MAX, FILE_LINES_MAX = 100, 70, 600
C_FILE = re.compile(r"\.(c|h|cc)$")
SCRIPT = re.compile(r"\.(py|sh|build)$")
FOLDERS = ("dataplane", "consensus", "store", "control", "bench", "tests", "deploy")
TOP = {"meson.build", "README.md", "LICENSE"} | set(FOLDERS)
# Folders of the machine a file was written on. No reader has them.
MACHINE = re.compile(r"(?<![\w.*/-])/(?:home|root|Users|work|workspace)/\w")
DEFINITION = re.compile(r"^(?!static\b)[A-Za-z_][\w \t*]*?\b(\w+)\([^;{}]*\)\n\{", re.M)
CALL = re.compile(r"\b(\w+)\(")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


class Source:
    """One file: its text, and for C the text without strings and comments, same line numbers."""

    def __init__(self, text, is_c):
        self.text = text
        self.lines = text.split("\n")
        self.code, self.comments, self.line_comments = split_c(text) if is_c else (text, "", [])


def split_c(text):
    """Returns (code with strings and comments blanked, comments alone, line numbers of //)."""
    pattern = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
    code, comments, slashes, end = [], [], [], 0
    for match in pattern.finditer(text):
        token = match.group()
        code.append(text[end:match.start()])
        comments.append(re.sub(r"[^\n]", " ", text[end:match.start()]))
        blank = re.sub(r"[^\n]", " ", token)
        if token.startswith("//"):
            slashes.append(text.count("\n", 0, match.start()) + 1)
        is_comment = token.startswith("/")
        code.append(blank if is_comment else token[0] + blank[1:-1] + token[-1])
        comments.append(token if is_comment else blank)
        end = match.end()
    code.append(text[end:])
    return "".join(code), "".join(comments), slashes


def floor_of(path):
    parts = path.split("/")
    return "store/base" if parts[:2] == ["store", "base"] else parts[0]


def module_of(path):
    """x.c, x.h and x_internal.h are one module. Tests are no floor: there a file is a module."""
    if path.startswith("tests/"):
        return path
    return re.sub(r"(_internal)?\.(c|h|cc)$", "", path)


def includes_of(source):
    """Yields (line number, name, quoted)."""
    for number, line in enumerate(source.lines, 1):
        match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def check_includes(path, source, errors):
    floor = floor_of(path)
    narrow = next((allowed for start, allowed in NARROW if path.startswith(start)), None)
    for number, name, quoted in includes_of(source):
        where = f"{path}:{number}"
        if not quoted:
            if DPDK.match(name) and (floor != "dataplane" or DPDK_FREE.match(path)):
                errors.append(f"{where}: <{name}>: only dataplane/ may include DPDK,"
                              " and not where others use it without")
            if path.startswith(PURE) and IMPURE_HEADERS.match(name) \
                    and name not in IMPURE_ALLOWED.get(path, ()):
                errors.append(f"{where}: <{name}>: {floor}/ is pure")
            continue
        if "/" not in name or name.startswith("."):
            errors.append(f"{where}: \"{name}\": say the path from the top of the tree")
        elif floor_of(name) not in FLOORS.get(floor, set()) and path not in ROOF:
            errors.append(f"{where}: \"{name}\": {floor}/ may not include {floor_of(name)}/")
        elif narrow is not None and not name.startswith(narrow):
            errors.append(f"{where}: \"{name}\": may include only {', '.join(narrow)}")


def check_names(path, source, errors):
    above = ABOVE.get(floor_of(path))
    for match in re.finditer(above, source.code) if above else ():
        number = source.code.count("\n", 0, match.start()) + 1
        errors.append(f"{path}:{number}: {match.group()[:-1].strip()}: a name of a floor above")


def functions_of(source):
    """Yields (first line, last line) of each function's body, braces included."""
    lines, start = source.code.split("\n"), None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{" and start is None:
            start = number
        elif line.rstrip() == "}" and start is not None:
            yield start, number
            start = None


def check_functions(path, source, errors):
    lines = source.code.split("\n")
    for first, last in functions_of(source):
        if last - first + 1 > FUNCTION_LINES_MAX:
            errors.append(f"{path}:{first}: a function of {last - first + 1} lines;"
                          f" at most {FUNCTION_LINES_MAX}")
        for number in range(first, last):
            if re.match(r"\s*#\s*if", lines[number - 1]):
                errors.append(f"{path}:{number}: #if inside a function; make it another file")


def check_c_words(path, source, errors):
    for number in source.line_comments:
        errors.append(f"{path}:{number}: a // comment; only /* */ here")
    for number, line in enumerate(source.code.split("\n"), 1):
        if re.match(r"\s*#\s*if\s+0\b", line):
            errors.append(f"{path}:{number}: #if 0: code that is out is deleted")
        is_test = path.startswith("tests/")
        if re.search(r"(?<!\w)(alloca|strcpy|strcat|sprintf|vsprintf|gets)\s*\(", line) \
                and not is_test:
            errors.append(f"{path}:{number}: a function that cannot know how much room there is")
        if re.search(r"(?<!\w)assert\s*\(", line) and not is_test:
            errors.append(f"{path}:{number}: must(), which stays in release, instead of assert()")
        if path.startswith(PURE) and re.match(r"static\b(?!.*\bconst\b)[^(]*(;|=)", line):
            errors.append(f"{path}:{number}: a variable that lives on; {floor_of(path)}/ is pure")
    if path.endswith(".h") and not re.search(r"^#pragma once$", source.text, re.M):
        errors.append(f"{path}:1: #pragma once is missing")


def check_lines(path, source, errors):
    is_c = C_FILE.search(path)
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip():
            errors.append(f"{path}:{number}: space at the end of the line")
        if not path.endswith(".md") and len(line.expandtabs(8)) > COLUMNS_MAX:
            errors.append(f"{path}:{number}: {len(line.expandtabs(8))} columns;"
                          f" at most {COLUMNS_MAX}")
    if source.text and not source.text.endswith("\n"):
        errors.append(f"{path}:{len(source.lines)}: no newline at the end of the file")
    if is_c and not path.startswith("tests/") and len(source.lines) - 1 > FILE_LINES_MAX:
        errors.append(f"{path}:1: {len(source.lines) - 1} lines; beyond {FILE_LINES_MAX}, split")


def check_licence(path, source, errors):
    count = source.text.count("SPDX-License-" "Identifier:")
    head = "\n".join(source.lines[:3])
    if count != 1 or "SPDX-License-" "Identifier: Apache-2.0" not in head:
        errors.append(f"{path}:1: one line SPDX-License-" "Identifier: Apache-2.0 belongs in the"
                      " first three lines")


def check_words(path, source, errors):
    for number, line in enumerate(source.lines, 1):
        if MACHINE.search(line):
            errors.append(f"{path}:{number}: a path of one machine: {MACHINE.search(line).group()}")
    text = source.comments if C_FILE.search(path) else source.text
    for match in UNFINISHED.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        errors.append(f"{path}:{number}: {match.group()}: what is left to do stands in no code")


def check_circles(sources, errors):
    """No module may reach itself through what it includes."""
    graph = {}
    for path, source in sources.items():
        if C_FILE.search(path):
            edges = graph.setdefault(module_of(path), set())
            edges |= {module_of(name) for _, name, quoted in includes_of(source) if quoted}
            edges.discard(module_of(path))
    done = set()
    for start in sorted(graph):
        # Depth first with a list of our own; `path` is the way from start to here.
        path, iterators = [start], [iter(sorted(graph[start]))]
        while path and start not in done:
            following = next(iterators[-1], None)
            if following is None:
                done.add(path.pop())
                iterators.pop()
            elif following in path:
                circle = path[path.index(following):] + [following]
                errors.append(f"{following}: a circle of includes: {' -> '.join(circle)}")
            elif following in graph and following not in done:
                path.append(following)
                iterators.append(iter(sorted(graph[following])))


def check_headers_exist(sources, errors):
    for path, source in sources.items():
        if C_FILE.search(path):
            for number, name, quoted in includes_of(source):
                if quoted and name not in sources and f"{name}.in" not in sources:
                    errors.append(f"{path}:{number}: \"{name}\": no such file")


def headers_of(path, sources):
    """
    The headers a .c file belongs to: the one of its own name, or, where there is none (the second
    half of a module, or another way to build it), those that declare what it defines.
    """
    own = f"{path[:-2]}.h"
    if own in sources:
        return [own]
    defined = set(DEFINITION.findall(sources[path].code))
    return [name for _, name, quoted in includes_of(sources[path])
            if quoted and name in sources and defined & set(CALL.findall(sources[name].code))]


def has_unit_test(header, sources):
    """Is there a unit test of its name, or of the module it is a part of (x_y.h of x.h)?"""
    folder, name = os.path.split(header[:-2])
    parts = name.split("_")
    for count in range(len(parts), 0, -1):
        said = "_".join(parts[:count])
        # Where two floors have a module of one name, the test says which it means.
        for test in (said, f"{os.path.basename(folder)}_{said}"):
            if any(reaches(f"tests/unit/test_{test}.c", wanted, sources)
                   for wanted in (header, f"{folder}/{said}.h")):
                return True
    return False


def reaches(path, header, sources, depth=2):
    """Does a test include a header, itself or by what it includes?"""
    names = [] if path not in sources else \
        [name for _, name, quoted in includes_of(sources[path]) if quoted]
    return header in names or depth > 0 and any(reaches(name, header, sources, depth - 1)
                                                for name in names)


def check_unit_tests(sources, errors):
    """Every file of a pure floor belongs to a module that has a unit test of its name."""
    for path in sources:
        pure = path.startswith(PURE) or path == "dataplane/frame.c"
        if not pure or not path.endswith(".c"):
            continue
        headers = headers_of(path, sources)
        is_tested = any(has_unit_test(header, sources) for header in headers)
        if not headers:
            errors.append(f"{path}:1: implements none of the headers it includes")
        elif not is_tested:
            errors.append(f"{path}:1: no unit test is named for {' or '.join(headers)}")


def check_fuzz_corpora(sources, errors, folders):
    for path in sources:
        match = re.match(r"tests/fuzz/(fuzz_\w+)\.c$", path)
        if match and f"tests/fuzz/corpus/{match.group(1)}" not in folders:
            errors.append(f"{path}:1: has no corpus/{match.group(1)}/ to play")


def check_top(names, errors):
    for name in sorted(names):
        if name not in TOP and not name.startswith((".", "build")):
            errors.append(f"{name}: the top level is fixed: {' '.join(sorted(TOP))}")
    for name in sorted(TOP - set(names)):
        errors.append(f"{name}: is missing at the top level")


def check_readmes(paths, errors):
    for folder in FOLDERS:
        if f"{folder}/README.md" not in paths:
            errors.append(f"{folder}: has no README.md")


def check_file(path, text, errors):
    """All rules that need one file only."""
    is_c = C_FILE.search(path) is not None
    is_script = SCRIPT.search(path) is not None or text.startswith("#!")
    source = Source(text, is_c)
    if is_c:
        check_includes(path, source, errors)
        check_names(path, source, errors)
        check_functions(path, source, errors)
        check_c_words(path, source, errors)
    if is_c or is_script:
        check_licence(path, source, errors)
    if is_c or is_script or path.endswith((".md", ".conf", ".service")):
        check_lines(path, source, errors)
        check_words(path, source, errors)
    return source


def read_tree(root):
    """Returns ({path: text} of text files, all folders), without builds and dot folders."""
    texts, folders = {}, set()
    for top, names, files in os.walk(root):
        here = os.path.relpath(top, root)
        at_top = here == "."
        names[:] = [name for name in names if name != "__pycache__"
                    and not (name.startswith(".") and name != ".ci")
                    and not (at_top and name.startswith("build"))]
        folders.add(here)
        for name in files:
            path = name if at_top else f"{here}/{name}"
            if here.startswith("tests/fuzz/corpus") or name.endswith(".pyc"):
                continue
            with open(os.path.join(top, name), "rb") as file:
                data = file.read()
            if b"\0" not in data:
                texts[path] = data.decode("utf-8", "replace")
    return texts, folders


def check_tree(root):
    errors, sources = [], {}
    texts, folders = read_tree(root)
    for path in sorted(texts):
        sources[path] = check_file(path, texts[path], errors)
    check_circles(sources, errors)
    check_headers_exist(sources, errors)
    check_fuzz_corpora(sources, errors, folders)
    check_unit_tests(sources, errors)
    check_top(set(os.listdir(root)), errors)
    check_readmes(sources, errors)
    return errors, len(sources)


def main(arguments):
    if len(arguments) != 2:
        print("usage: tidy.py ROOT", file=sys.stderr)
        return 2
    errors, count = check_tree(arguments[1])
    for error in errors:
        print(error)
    print(f"{count} files read, {len(errors)} rules broken")
    # A wrong root would be silent otherwise.
    return 1 if errors or count < 10 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
