#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   every rule of tidy.py can fail, says where, and leaves good code alone.
Method: a small bad input for each rule, and beside it the good one that differs in one place."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import tidy  # noqa: E402

HEAD = "/* SPDX-License-" "Identifier: Apache-2.0 */\n"


def errors_of(path, text, head=HEAD):
    errors = []
    tidy.check_file(path, head + text, errors)
    return errors


class TestOneFile(unittest.TestCase):
    def bad(self, path, text, says, line=None, head=HEAD):
        errors = errors_of(path, text, head)
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(says, errors[0])
        if line is not None:
            self.assertTrue(errors[0].startswith(f"{path}:{line}:"), errors[0])

    def good(self, path, text, head=HEAD):
        self.assertEqual(errors_of(path, text, head), [])

    def test_floor_below_may_not_include_above(self):
        self.bad("store/x.c", '#include "consensus/ballot.h"\n', "may not include consensus/", 2)
        self.bad("store/base/x.c", '#include "store/path.h"\n', "may not include store/")
        self.bad("consensus/x.c", '#include "dataplane/port.h"\n', "may not include dataplane/")
        self.good("consensus/x.c", '#include "store/path.h"\n')

    def test_shells_never_meet(self):
        self.bad("control/x.c", '#include "dataplane/dataplane.h"\n', "may not include dataplane/")
        self.bad("dataplane/x.c", '#include "control/config.h"\n', "may not include control/")
        self.good("control/bin/cofferd.c", '#include "dataplane/dataplane.h"\n')

    def test_client_and_simulator_are_narrow(self):
        self.bad("control/client/x.c", '#include "consensus/ballot.h"\n', "may include only")
        self.bad("control/bin/coffer.c", '#include "control/config.h"\n', "may include only")
        self.bad("tests/sim/x.c", '#include "control/config.h"\n', "may include only")
        self.good("control/bin/coffer.c", '#include "control/client/client.h"\n')

    def test_dpdk_stays_in_dataplane(self):
        self.bad("store/x.c", "#include <rte_ring.h>\n", "only dataplane/ may include DPDK")
        self.bad("bench/x.c", "#include <rte_ring.h>\n", "only dataplane/ may include DPDK")
        self.bad("dataplane/link.c", "#include <rte_ring.h>\n", "only dataplane/")
        self.bad("dataplane/dataplane.h", "#pragma once\n#include <rte_mbuf.h>\n", "DPDK")
        self.good("dataplane/port.c", "#include <rte_ring.h>\n")

    def test_pure_floors_have_no_clock_and_no_file(self):
        self.bad("store/x.c", "#include <time.h>\n", "is pure")
        self.bad("consensus/x.c", "#include <sys/socket.h>\n", "is pure")
        self.bad("store/x.c", "static int count;\n", "a variable that lives on")
        self.good("store/x.c", "static const int count = 1;\nstatic int f(int a);\n")
        self.good("control/x.c", "#include <time.h>\nstatic int count;\n")

    def test_include_says_the_whole_path(self):
        self.bad("store/x.c", '#include "path.h"\n', "from the top of the tree")
        self.bad("store/x.c", '#include "../control/config.h"\n', "from the top of the tree")

    def test_name_of_a_floor_above(self):
        self.bad("store/x.c", "void f(void)\n{\n\tpaxos_step();\n}\n", "floor above", 4)
        self.good("store/x.c", "void f(void)\n{\n\t/* paxos_step() */\n\tg(\"dp_run()\");\n}\n")

    def test_long_function(self):
        body = "\tf();\n"
        self.good("control/x.c", "void f(void)\n{\n" + body * 68 + "}\n")
        self.bad("control/x.c", "void f(void)\n{\n" + body * 69 + "}\n", "71 lines", 3)

    def test_if_inside_a_function(self):
        self.bad("control/x.c", "void f(void)\n{\n#ifdef X\n#endif\n}\n", "#if inside", 4)
        self.good("control/x.c", "#ifdef X\nvoid f(void)\n{\n}\n#endif\n")

    def test_comments(self):
        self.bad("control/x.c", "int a; // why\n", "a // comment", 2)
        self.bad("control/x.c", "#if 0\n#endif\n", "#if 0")
        self.good("control/x.c", 'const char *a = "http://b"; /* see http://c */\n')

    def test_words_that_say_unfinished(self):
        self.bad("control/x.c", "/* TO" "DO: later */\n", "what is left to do", 2)
        self.bad("deploy/x.sh", "# FIX" "ME\n", "what is left to do", head="# SPDX-License-"
                 "Identifier: Apache-2.0\n")
        self.good("control/x.c", "int TO" "DO_COUNT; /* mkstemp wants /tmp/a.XX" "XXXX */\n")

    def test_functions_that_are_not_used(self):
        self.bad("control/x.c", "void f(void)\n{\n\tassert(1);\n}\n", "must(), which stays")
        self.bad("control/x.c", "void f(void)\n{\n\tstrcpy(a, b);\n}\n", "how much room")
        self.good("control/x.c", "static_assert(1, \"\");\nvoid f(void)\n{\n\tdebug_must(1);\n}\n")

    def test_header_is_read_once(self):
        self.bad("store/x.h", "int f(void);\n", "#pragma once")

    def test_lines(self):
        self.bad("control/x.c", "int a; \n", "space at the end", 2)
        self.bad("store/README.md", "a \n", "space at the end", head="")
        self.good("control/x.c", "/*" + "a" * 98 + "\n*/\n")
        self.bad("control/x.c", "/*" + "a" * 99 + "\n*/\n", "101 columns")
        self.bad("control/x.c", "\t/*" + "a" * 91 + "\n*/\n", "101 columns")
        self.bad("control/x.c", "int a;", "no newline")
        self.bad("control/x.c", "\n" * 600, "beyond 600")
        self.good("control/x.c", "\n" * 599)

    def test_licence(self):
        self.bad("control/x.c", "int a;\n", "SPDX", head="")
        self.bad("control/x.c", HEAD, "SPDX")
        self.bad("deploy/x", "#!/bin/bash\n", "SPDX", head="")

    def test_path_of_one_machine(self):
        self.bad("deploy/README.md", "See /ho" "me/anna/coffer.\n", "path of one machine", 1, "")
        self.good("deploy/README.md", "Look in /var/lib/coffer and build/work/x.\n", "")


class TestTree(unittest.TestCase):
    def sources(self, **texts):
        return {path.replace("__", "/").replace("_dot_", "."): tidy.Source(text, True)
                for path, text in texts.items()}

    def test_circle(self):
        sources = self.sources(store__a_dot_h='#include "store/b.h"\n',
                               store__b_dot_h='#include "store/c.h"\n',
                               store__c_dot_c='#include "store/a.h"\n')
        errors = []
        tidy.check_circles(sources, errors)
        self.assertEqual(len(errors), 1, errors)
        self.assertIn("store/a -> store/b -> store/c -> store/a", errors[0])

    def test_line_of_modules_is_no_circle(self):
        sources = self.sources(store__a_dot_h='#include "store/b.h"\n#include "store/c.h"\n',
                               store__b_dot_h='#include "store/c.h"\n',
                               store__b_dot_c='#include "store/b.h"\n#include "store/c.h"\n',
                               store__c_dot_h="")
        errors = []
        tidy.check_circles(sources, errors)
        self.assertEqual(errors, [])

    def test_header_that_is_not_there(self):
        errors = []
        tidy.check_headers_exist(self.sources(store__a_dot_c='#include "store/b.h"\n'), errors)
        self.assertEqual(len(errors), 1)

    def units(self, sources):
        errors = []
        tidy.check_unit_tests(sources, errors)
        return errors

    def test_pure_module_has_a_unit_test(self):
        sources = self.sources(store__tree_dot_c="", store__tree_dot_h="",
                               store__tree_walk_dot_c="", store__tree_walk_dot_h="",
                               control__x_dot_c="")
        self.assertEqual(len(self.units(sources)), 2)
        sources["tests/unit/test_tree.c"] = tidy.Source("", True)
        self.assertEqual(len(self.units(sources)), 2)
        sources["tests/unit/test_tree.c"] = tidy.Source('#include "store/tree.h"\n', True)
        self.assertEqual(self.units(sources), [])

    def test_modules_of_one_name_have_a_unit_test_each(self):
        sources = self.sources(store__answer_dot_c="", store__answer_dot_h="",
                               consensus__config_dot_c="", consensus__config_dot_h="")
        sources["tests/unit/test_answer.c"] = tidy.Source('#include "store/answer.h"\n', True)
        sources["tests/unit/test_config.c"] = tidy.Source('#include "control/config.h"\n', True)
        self.assertEqual(len(self.units(sources)), 1)
        sources["tests/unit/test_consensus_config.c"] = \
            tidy.Source('#include "consensus/config.h"\n', True)
        self.assertEqual(self.units(sources), [])

    def test_file_without_a_header_belongs_to_the_one_it_implements(self):
        sources = self.sources(store__snapshot_dot_h="int restore(void *a,\n\tint b);\n",
                               store__path_dot_h="int path(void);\n",
                               store__restore_dot_c="")
        sources["tests/unit/test_snapshot.c"] = tidy.Source('#include "store/snapshot.h"\n', True)
        code = '#include "store/path.h"\n#include "store/snapshot.h"\n'
        body = "int restore(void *a,\n\tint b)\n{\n\treturn path();\n}\n"
        sources["store/restore.c"] = tidy.Source(code + body, True)
        self.assertEqual(self.units(sources), [])
        sources["store/restore.c"] = tidy.Source(code + "static " + body, True)
        self.assertIn("implements none", self.units(sources)[0])

    def test_fuzz_target_has_a_corpus(self):
        sources = {"tests/fuzz/fuzz_op.c": tidy.Source("", True)}
        errors = []
        tidy.check_fuzz_corpora(sources, errors, {"tests/fuzz/corpus/fuzz_op"})
        self.assertEqual(errors, [])
        tidy.check_fuzz_corpora(sources, errors, set())
        self.assertEqual(len(errors), 1)

    def test_top_level_is_fixed(self):
        errors = []
        tidy.check_top(tidy.TOP | {".git", "build-clang"}, errors)
        self.assertEqual(errors, [])
        tidy.check_top((tidy.TOP | {"utils"}) - {"LICENSE"}, errors)
        self.assertEqual(len(errors), 2, errors)

    def test_whole_tree_is_read_and_reported(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "store"))
            os.makedirs(os.path.join(root, "build"))
            for path, text in (("store/a.c", HEAD + "int a; \n"), ("build/b.c", "int b; \n")):
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            errors, count = tidy.check_tree(root)
            self.assertEqual(count, 1)
            self.assertIn("store/a.c:2: space at the end of the line", errors)
            self.assertIn("README.md: is missing at the top level", errors)
            self.assertFalse([error for error in errors if error.startswith("build/")])
            self.assertEqual(tidy.main(["tidy.py", root]), 1)
        self.assertEqual(tidy.main(["tidy.py"]), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
