#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs coffer-lincheck over histories whose verdict is known.

usage: check_files.py COFFER-LINCHECK FOLDER

In FOLDER, good-*.jsonl must be true; bad-*.jsonl must be false for every key but /fine, and true
for that, or have a bad order of revisions if the name begins with bad-revorder; wrong-*.jsonl
must be refused as input. Where COFFER_HISTORIES names a folder, the histories there are checked
too: good.jsonl, bad.jsonl, bad-revorder.jsonl and jepsen/*.{true,false}.jsonl.
"""

import os
import pathlib
import subprocess
import sys

faults = []
checked = 0


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def verdicts(output):
    """{key: verdict} of the lines that are neither indented nor a comment."""
    found = {}
    for line in output.splitlines():
        if line and line[0] not in " #":
            key, _, verdict = line.rpartition(": ")
            found[key] = verdict
    return found


def expect(condition, name, what):
    global checked
    checked += 1
    if not condition:
        faults.append(f"{name}: {what}")


def check_good(program, path):
    code, output, errors = run(program, path)
    found = verdicts(output)
    expect(code == 0, path, f"exit {code}: {errors}{output}")
    expect(len(found) >= 2 and set(found.values()) == {"true"}, path, f"verdicts {found}")


def check_bad(program, path):
    code, output, errors = run(program, path)
    found = verdicts(output)
    found.pop("rev order", None)
    fine = found.pop("/fine", "true")
    expect(code == 1, path, f"exit {code}: {errors}{output}")
    expect(fine == "true", path, "/fine is not true")
    expect(found and set(found.values()) == {"false"}, path, f"verdicts {found}")
    expect(output.count("cannot be placed: ") == len(found), path, f"explanations: {output}")


def check_revorder(program, path):
    code, output, errors = run(program, path)
    found = verdicts(output)
    order = found.pop("rev order", None)
    expect(code == 1 and order == "false", path, f"exit {code}: {errors}{output}")
    expect(found and set(found.values()) == {"true"}, path, f"verdicts {found}")
    for option in ("-no-rev-order", "--no-rev-order"):
        code, output, errors = run(program, option, path)
        expect(code == 0 and "rev order" not in output, path, f"{option}: exit {code}: {errors}")


def check_wrong(program, path):
    code, output, errors = run(program, path)
    expect(code == 2, path, f"exit {code}: {output}")
    expect(errors.count("\n") == 1 and "line " in errors, path, f"says: {errors}")


def check_folder(program, folder):
    kinds = {"good": check_good, "bad": check_bad, "wrong": check_wrong}
    paths = sorted(folder.glob("*.jsonl"))
    for kind, check in kinds.items():
        mine = [p for p in paths if p.name.startswith(kind)]
        for path in mine:
            (check_revorder if path.name.startswith("bad-revorder") else check)(program, path)
    expect(len(paths) > 0, folder, "no histories")
    return paths


def check_jepsen(program, folder):
    paths = sorted(folder.glob("*.jsonl"))
    for path in paths:
        code, output, errors = run(program, path)
        wanted = 0 if path.name.endswith(".true.jsonl") else 1
        expect(code == wanted, path, f"exit {code}: {errors}{output}")
    expect(len(paths) > 0, folder, "no histories")


def check_bounds(program, folder):
    hard = folder / "slow.jsonl.in"
    code, output, errors = run(program, "--timeout", "0.05", hard)
    expect(code == 3 and "unknown" in output, hard, f"exit {code}: {errors}{output}")
    code, _, _ = run(program, folder / "no such file")
    expect(code == 2, "no such file", f"exit {code}")
    code, _, _ = run(program, "--no-such-option")
    expect(code == 2, "--no-such-option", f"exit {code}")


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    paths = check_folder(program, folder)
    for kind in ("good", "bad", "bad-revorder", "wrong"):
        expect(any(p.name.startswith(kind) for p in paths), folder, f"no {kind} history")
    check_bounds(program, folder)
    others = os.environ.get("COFFER_HISTORIES")
    if others:
        check_folder(program, pathlib.Path(others))
        check_jepsen(program, pathlib.Path(others) / "jepsen")
    for fault in faults:
        print(fault)
    print(f"{checked} checks, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
