#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tally.py - counts the results in a meson test log, and says what failed or was skipped

usage: tally.py LOG.json EXIT_CODE_OF_MESON

Prints a line for each test that failed or was skipped, the lines a test marks with `summary:` for
the reader of the run, and last `PASSED FAILED SKIPPED`. A log that is missing or says less than
meson's exit code is one failure more: a run that broke must not look like one that passed.
"""
import json
import os
import re
import sys

PASSED = ("OK", "EXPECTEDFAIL")
TAIL_LINES = 15
MARK = "summary:"
FINDING = re.compile(r"^.*(ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|: runtime error: )", re.M)


def read_log(path):
    """Returns the tests of the log. A last line cut short by a kill is left out."""
    tests = []
    if not os.path.exists(path):
        return tests
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                tests.append(json.loads(line))
            except ValueError:
                continue
    return tests


def tail_of(test, count):
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    return text.rstrip().splitlines()[-count:]


def reason_of(test):
    """The last lines; but of a sanitizer's finding the first, as it ends with a map of bytes."""
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    found = FINDING.search(text)
    if found:
        return text[found.start():].splitlines()[:TAIL_LINES]
    return tail_of(test, TAIL_LINES)


def tally(tests, exit_code):
    """Returns (passed, failed, skipped, lines to print)."""
    passed, failed, skipped, lines = 0, 0, 0, []
    for test in tests:
        name, result = test["name"].split(" / ")[-1], test["result"]
        for line in (test.get("stdout") or "").splitlines():
            if line.startswith(MARK):
                lines.append(f"{name}:{line[len(MARK):]}")
        if result in PASSED:
            passed += 1
        elif result == "SKIP":
            skipped += 1
            lines.append(f"skipped {name}: {' '.join(tail_of(test, 1))}")
        else:
            failed += 1
            lines.append(f"{result} {name} after {test.get('duration', 0):.1f} s")
            lines += [f"  | {line}" for line in reason_of(test)]
    if exit_code != 0 and failed == 0:
        failed += 1
        lines.append("the build broke, or the time was over (see the log)")
    elif not tests:
        lines.append("no tests")
    return passed, failed, skipped, lines


def main(arguments):
    if len(arguments) != 3:
        print("usage: tally.py LOG.json EXIT_CODE_OF_MESON", file=sys.stderr)
        return 2
    passed, failed, skipped, lines = tally(read_log(arguments[1]), int(arguments[2]))
    for line in lines:
        print(line)
    print(passed, failed, skipped)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
