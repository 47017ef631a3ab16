#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   a run of tests that broke is never counted as one that passed.
Method: logs as meson writes them, whole, cut short and missing."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tally  # noqa: E402


def result(name, word, stdout=""):
    return {"name": f"coffer:unit / {name}", "result": word, "stdout": stdout, "duration": 1.0}


class TestTally(unittest.TestCase):
    def test_each_result_is_counted_once(self):
        tests = [result("a", "OK"), result("b", "SKIP", "needs\nroot\n"),
                 result("c", "FAIL", "why\n"), result("d", "TIMEOUT"),
                 result("e", "OK", "summary: 7 leaders\nnoise\n")]
        passed, failed, skipped, lines = tally.tally(tests, 1)
        self.assertEqual((passed, failed, skipped), (2, 2, 1))
        text = "\n".join(lines)
        for words in ("skipped b: root", "FAIL c", "| why", "TIMEOUT d", "e: 7 leaders"):
            self.assertIn(words, text)
        self.assertNotIn("noise", text)

    def test_finding_of_a_sanitizer_is_shown_from_its_head(self):
        text = "[ RUN ] a\n==7==ERROR: AddressSanitizer: why\n  #0 here\n" + "Shadow\n" * 40
        lines = tally.tally([result("a", "FAIL", text)], 1)[3]
        self.assertIn("ERROR: AddressSanitizer: why", lines[1])
        self.assertIn("#0 here", lines[2])

    def test_broken_build_is_a_failure(self):
        self.assertEqual(tally.tally([], 1)[:3], (0, 1, 0))

    def test_killed_run_is_a_failure(self):
        self.assertEqual(tally.tally([result("a", "OK")], 124)[:3], (1, 1, 0))

    def test_log_cut_short_is_read_as_far_as_it_goes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"name": "a", "result": "OK"}\n{"name": "b", "res')
            self.assertEqual([test["name"] for test in tally.read_log(path)], ["a"])
            self.assertEqual(tally.read_log(path + ".not"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
