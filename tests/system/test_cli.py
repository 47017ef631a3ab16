#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   `coffer` does what its manual says: verbs, exit codes 0 to 7, text and JSON, its shell.
Method: the program itself, against three servers over kernel UDP, none, and a minority; the shell
        on a terminal of its own."""

import base64
import socket
import subprocess

import harness
from cluster import Kernel
from harness import check, wait_for
from shell import Shell, Terminal, number

CTRL_C_ROUNDS = 1000  # one of 300 was missed by libedit's own way to read


def writes_and_reads(shell):
    first = number(shell.run("set", "/a", "one"))
    check(shell.run("get", "/a") == b"one", "get prints the value, nothing else")
    second = number(shell.run("set", "/a", "two", "--if-rev", str(first)))
    check(second > first, "revisions grow", first, second)
    shell.run("set", "/a", "three", "--if-rev", str(first), expect=1)
    check(shell.run("get", "/a") == b"two", "a set whose condition is false does nothing")
    shell.run("add", "/a", "x", expect=1)
    number(shell.run("add", "/new", "x"))
    shell.run("set", "/other", "x", "--if-rev", "0")
    shell.run("set", "/other", "x", "--if-rev", "0", expect=1)
    shell.run("del", "/a", "--if-rev", str(first), expect=1)
    shell.run("del", "/a", "--if-rev", str(second))
    shell.run("get", "/a", expect=1)
    shell.run("del", "/a", expect=1)
    shell.run("stat", "/a", expect=1)
    check(number(shell.run("rev")) > second, "the store's revision counts the delete")
    shell.run("nop")


def values_of_every_kind(shell):
    binary = bytes(range(256)) * 100
    shell.run("set", "/bin", "-", input=binary)
    check(shell.run("get", "/bin") == binary, "25,600 bytes of every value")
    path = shell.cluster.folder / "value"
    path.write_bytes(b"from a file\n")
    shell.run("set", "/file", f"@{path}")
    check(shell.run("get", "/file") == b"from a file\n", "@FILE")
    shell.run("set", "/typed", input=b"without a word\n")
    check(shell.run("get", "/typed") == b"without a word\n", "no value: standard input")
    shell.run("add", "/typed", input=b"again", expect=1)
    shell.run("set", "/empty", "")
    check(shell.run("get", "/empty") == b"", "an empty value")
    shell.run("set", "/most", "-", input=b"m" * 32768)
    check(shell.run("get", "/most") == b"m" * 32768, "the largest value")
    shell.run("set", "/more", "-", input=b"m" * 32769, expect=4)
    shell.run("set", "/none", f"@{path}.none", expect=2)


def lists(shell):
    for name in ("/d/one", "/d/two", "/d/sub/three", "/e"):
        shell.run("set", name, "v")
    text = shell.run("ls", "/d").decode().split()
    check([t.rstrip("/") for t in text] == ["one", "sub", "two"], "ls", text)
    found = shell.run("find", "/d/**").decode().split()
    check(found == ["/d/one", "/d/sub/three", "/d/two"], "find", found)
    check(shell.run("find", "/nothing/**") == b"", "find of nothing")
    walked = shell.run("walk", "/d/**").decode().split()
    check(walked == found, "walk", walked)
    below = b"/d\n/d/one\n/d/sub\n/d/sub/three\n/d/two\n"
    check(shell.run("find", "/d") == below, "find of a directory goes depth first")
    check(shell.run("find", "/d", "-0") == below.replace(b"\n", b"\0"), "find -0")
    check(shell.run("walk", "-0", "/d/*") == b"/d/one\0/d/two\0", "walk -0")
    check(shell.run("find", "/d/one") == b"/d/one\n", "find of a file")
    check(shell.run("find", "/").startswith(b"/\n/"), "find of everything")
    kinds = [(o["path"], o["type"]) for o in shell.json("find", "/d")]
    check(kinds == [("/d", "directory"), ("/d/one", "file"), ("/d/sub", "directory"),
                    ("/d/sub/three", "file"), ("/d/two", "file")], "find in JSON", kinds)
    shell.run("find", "/absent", expect=1)
    for number_of in range(300):  # in more than one page
        shell.run("set", f"/pages/{number_of % 7}/{'x' * 200}{number_of:03}", "v")
    paged = shell.run("find", "/pages").decode().split()
    check(len(paged) == 1 + 7 + 300 and len(set(paged)) == len(paged), "pages", len(paged))
    order = [p.split("/") for p in paged]
    check(order == sorted(order), "tree order over pages")
    shell.run("ls", "/d/one", expect=4)
    shell.run("get", "/d", expect=4)
    shell.run("ls", "/absent", expect=1)


def former_revisions(shell):
    first = number(shell.run("set", "/past/a", "one"))
    second = number(shell.run("set", "/past/b/c", "x"))
    third = number(shell.run("set", "/past/a", "two"))
    gone = number(shell.run("del", "/past/b/c"))
    shell.run("del", "/past/a")
    shell.run("ls", "/past", expect=1)
    check(shell.run("get", "/past/a", "--rev", first) == b"one", "the former value")
    check(shell.run("get", "/past/a", "--rev", second) == b"one", "and until it changed")
    check(shell.run("get", "/past/a", "--rev", third) == b"two", "from then on the next")
    shell.run("get", "/past/b/c", "--rev", first, expect=1)
    shell.run("get", "/past/b/c", "--rev", gone, expect=1)
    shell.run("get", "/past/b", "--rev", third, expect=4)
    check(shell.run("ls", "/past", "--rev", third) == b"a\nb/\n", "ls of a directory that is gone")
    check(shell.run("find", "/past/**", "--rev", gone) == b"/past/a\n", "find")
    check(shell.json("stat", "/past", "--rev", third)["children"] == 2, "stat")
    check(shell.json("get", "/past/a", "--rev", third)["revision"] == third, "get in JSON")
    for stale in ((), ("--stale",)):
        check(shell.run("get", "/past/a", "--rev", third, *stale) == b"two", "stale or not", stale)
    far = number(shell.run("rev")) + 1000
    shell.run("--timeout", "0.5", "get", "/past/a", "--rev", far, expect=3)


def answers_in_json(shell):
    made = shell.json("set", "/j", "text")
    check(isinstance(made["revision"], int), "set tells the revision", made)
    got = shell.json("get", "/j")
    check(got["revision"] == made["revision"], "get tells the same", got)
    self_of = shell.json("self")
    check(1 <= self_of["node"] <= 3, "self names the server", self_of)
    failed = shell.json("set", "/j", "x", "--if-rev", "1", expect=1)
    check(isinstance(failed, dict) and failed, "a refusal is JSON too", failed)
    binary = bytes(range(256))
    for size in (0, 1, 2, 3, 256):
        value = binary[-size:] if size else b""
        shell.run("set", "/j", "-", input=value)
        got = shell.json("get", "/j")
        check(got["size"] == size and (got["value_base64"] if size else got["value"]) ==
              base64.b64encode(value).decode(), "what is no UTF-8 is in base 64", got)
    for arguments in (("stat", "/j"), ("ls", "/"), ("find", "/**"), ("rev",), ("nop",),
                      ("walk", "/j"), ("touch", "/j")):
        shell.json(*arguments)


def touches(shell):
    first = number(shell.run("touch", "/touched"))
    check(shell.run("get", "/touched") == b"", "touch makes an empty file")
    shell.run("set", "/touched", "-", input=b"\0body")
    second = number(shell.run("touch", "/touched"))
    check(second > first + 1 and shell.run("get", "/touched") == b"\0body", "and keeps a body")
    check(shell.json("stat", "/touched")["revision"] == second, "at a new revision")
    shell.run("touch", "/d", expect=4)
    shell.run("touch", "bad", expect=4)


def record(path, revision, kind, value=b""):
    return b"%s %d %s %d\n%s\n" % (path.encode(), revision, kind.encode(), len(value), value)


def changes(shell):
    """wait, log, and a watch of what happened already."""
    one = number(shell.run("set", "/seen/a b", "-", input=b"one\ntwo\n"))
    shell.run("set", "/unseen", "x")
    gone = number(shell.run("del", "/seen/a b"))
    raw = bytes(range(256))
    two = number(shell.run("set", "/seen/raw", "-", input=raw))
    records = [record("/seen/a b", one, "set", b"one\ntwo\n"), record("/seen/a b", gone, "del"),
               record("/seen/raw", two, "set", raw)]
    check(shell.run("log", "/seen/**") == b"".join(records), "log, byte for byte")
    check(shell.run("log", "/seen/**", "--from", gone) == b"".join(records[1:]), "log --from")
    check(shell.run("log", "/seen/**", "--from", two + 100) == b"", "log of what will be")
    check(len(shell.run("log")) > len(b"".join(records)), "log of everything")
    check(shell.run("wait", "/seen/*", "--from", one) == records[0], "wait finds what was")
    check(shell.run("wait", "/seen/*", "--from", gone + 1) == records[2], "wait --from")
    told = shell.json("log", "/seen/**")
    check(told == [
        {"path": "/seen/a b", "revision": one, "kind": "set", "cause": "asked", "previous": 0,
         "entry_last": one, "value": "one\ntwo\n"},
        {"path": "/seen/a b", "revision": gone, "kind": "del", "cause": "asked", "previous": one,
         "entry_last": gone},
        {"path": "/seen/raw", "revision": two, "kind": "set", "cause": "asked", "previous": gone,
         "entry_last": two, "value_base64": base64.b64encode(raw).decode()}], "log in JSON", told)
    shell.run("wait", "/never", "--timeout", "0.5", expect=6)
    quiet = shell.json("wait", "/never", "--timeout", "0.5", expect=6)
    check(quiet["outcome"] == "no event" and quiet["next"] > two, "no event in JSON", quiet)
    for verb in ("wait", "watch", "log"):
        shell.run(verb, "[", expect=4)
    check(shell.json("watch", "[", expect=4)["answer"] == "malformed glob", "refused in JSON")
    command = 'printf "%s %s %s %s:" "$COFFER_PATH" $COFFER_REVISION $COFFER_KIND ' \
              f'$COFFER_PREVIOUS; cat; test $COFFER_REVISION != {two}'
    said = shell.run("watch", "/seen/**", "--from", one, "--exec", command, "--stop", expect=7)
    check(said == b"/seen/a b %d set 0:one\ntwo\n/seen/a b %d del %d:/seen/raw %d set %d:%s" %
          (one, gone, one, two, gone, raw), "--exec", said[:300])


def watches(shell):
    """What comes while it is watched; a command that fails ends nothing without --stop."""
    path = shell.cluster.folder / "watched"
    failing = f"cat >> {path}; kill -9 $$"
    output = open(path.with_suffix(".records"), "wb")
    start = number(shell.run("rev")) + 1
    running = [
        subprocess.Popen([shell.tools.coffer, "watch", "/w/*", "--from", str(start), *more],
                         env=shell.environment, stdout=output, stderr=output,
                         preexec_fn=harness.die_with_parent) for more in
        ((), ("--exec", failing))]
    made = [number(shell.run("set", f"/w/{n}", f"{n};")) for n in range(20)]
    wanted = b"".join(record(f"/w/{n}", r, "set", b"%d;" % n) for n, r in enumerate(made))
    bodies = b"".join(b"%d;" % n for n in range(20))
    try:
        wait_for("all is told", lambda: path.exists() and path.read_bytes() == bodies)
        wait_for("and printed", lambda: all(
            line in path.with_suffix(".records").read_bytes() for line in wanted.splitlines()))
        told = path.with_suffix(".records").read_bytes()
        check(b"was ended by signal 9\n" in told, "a failure is told", told)
        check(all(p.poll() is None for p in running), "and ends nothing")
    finally:
        for process in running:
            process.kill()
            process.wait()
        output.close()


def wrong_use(shell):
    for arguments in ((), ("frobnicate",), ("set",), ("get",), ("get", "/a", "/b"),
                      ("set", "/a", "v", "--if-rev", "many"), ("get", "/a", "--if-rev", "1"),
                      ("get", "/a", "--rev", "0"), ("set", "/a", "v", "--rev", "1"),
                      ("rev", "--rev", "1"), ("get", "/a", "--from", "1"), ("set", "/a", "-0"),
                      ("wait", "/a", "--exec", "true"), ("watch", "/a", "--stop"),
                      ("watch", "/a", "--from", "0"), ("wait",), ("log", "/a", "/b"),
                      ("-o", "xml", "rev"), ("--no-such-option", "rev")):
        shell.run(*arguments, expect=2)
    for path in ("a", "/a/", "//a", "/a*", ""):
        shell.run("get", path, expect=4)
    shell.run("find", "[", expect=4)
    shell.environment["COFFER_SERVERS"] = "nonsense"
    shell.run("rev", expect=2)


def test_verbs_and_exit_codes(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    for part in (writes_and_reads, values_of_every_kind, lists, former_revisions, answers_in_json,
                 touches, changes, watches, wrong_use):
        part(Shell(cluster))
    check("coffer" in tools.run([tools.coffer, "--help"]).stdout, "--help")
    cluster.wait_level()
    cluster.down()


def completes(terminal):
    terminal.type(b"ge\t")
    terminal.expect(b"get ")
    terminal.type(b"/long\t")
    terminal.expect(b"/longdirectory/")
    terminal.type(b"\t")
    terminal.expect(b"get /longdirectory/file-")  # what both have in common
    terminal.type(b"t\t")
    terminal.expect(b"wo ")
    terminal.type(b"\n")
    terminal.expect(b"\nsecondcoffer> ")


def test_shell(tools):
    """Lines typed on a terminal: verbs, errors, completion, history, Ctrl-C and Ctrl-D."""
    cluster = Kernel(tools, 3, relayed=False).up()
    shell = Shell(cluster)
    shell.run("set", "/longdirectory/file-one", "first")
    shell.run("set", "/longdirectory/file-two", "second")
    terminal = Terminal(shell)
    said = terminal.run(b"set '/with blank' \"some words\"")
    check(said.strip().isdigit(), "set in the shell", said)
    check(terminal.run(b"get '/with blank'") == b"some words", "quotes")
    terminal.run("set /letters grün".encode())
    check(shell.run("get", "/letters") == "grün".encode(), "letters beyond ASCII")
    for line, wanted in ((b"get /absent", b"not found"), (b"frobnicate", b"no such verb"),
                         (b"get", b"an argument is missing"), (b"get --frob /a", b"--frob"),
                         (b"get '/a", b"quote"), (b"rev --servers 1.2.3.4", b"belongs where")):
        said = terminal.run(line)
        check(wanted in said, "an error is told, and ends nothing", line, said)
    check(b"Verbs:" in terminal.run(b"help"), "help")
    check(b'"revision"' in terminal.run(b"-o json rev"), "options on a line")
    check(terminal.run(b"rev").strip().isdigit(), "are of that line alone")
    completes(terminal)
    terminal.type(b"watch /longdirectory/*\n")
    terminal.expect(b"watch /longdirectory/*\r\n")

    def shows_a_change():
        shell.run("touch", "/longdirectory/file-one")
        return b"/longdirectory/file-one" in terminal.read()

    wait_for("a watch in the shell", shows_a_change)
    terminal.type(b"\x03")
    terminal.prompt()
    check(terminal.run(b"rev").strip().isdigit(), "Ctrl-C ends a watch, not the shell")
    terminal.type(b"get /unfinished")
    terminal.expect(b"get /unfinished")
    terminal.type(b"\x03")
    terminal.prompt()
    check(terminal.run(b"get /longdirectory/file-one") == b"first", "Ctrl-C forgets a line")
    for _ in range(CTRL_C_ROUNDS):
        terminal.type(b"get /unfinished")
        terminal.expect(b"get /unfinished")
        terminal.type(b"\x03")
        terminal.prompt()
    check(terminal.run(b"get /longdirectory/file-one") == b"first", "none of them is missed")
    check(terminal.end(b"\x04") == 0, "Ctrl-D ends it")
    check(terminal.history.stat().st_mode & 0o777 == 0o600, "the history is for its owner")
    terminal = Terminal(shell)
    terminal.type(b"\x10\n")  # Ctrl-P: the line before
    terminal.expect(b"\nfirstcoffer> ")
    check(terminal.end(b"exit\n") == 0, "exit ends it")
    cluster.down()


def test_nobody_and_no_quorum(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    shell = Shell(cluster)
    shell.run("set", "/a", "v")
    leader = cluster.leader()
    for number_of in cluster.followers():
        cluster.kill(number_of)
    wait_for("the leader alone leads no more",
             lambda: cluster.status(leader)["role"] != "leader")
    shell.run("--timeout", "2", "get", "/a", expect=3)
    done = cluster.coffer("--timeout", "2", "set", "/a", "w", env=shell.environment)
    check(done.returncode == 3 and "no quorum" in done.stderr, "a write to a minority",
          done.returncode, done.stderr)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((f"{cluster.net}.99", 0))
    shell.environment["COFFER_SERVERS"] = "{}:{}".format(*silent.getsockname())
    shell.run("--timeout", "1", "get", "/a", expect=3)
    shell.run("--timeout", "1", "set", "/a", "v", expect=3)
    # Who takes its time (four seconds, less than the usual five) outlives who shall be quick.
    slow = subprocess.Popen(cluster.command([shell.tools.coffer, "--timeout", "4s", "get", "/a"]),
                            env=shell.environment, stderr=subprocess.DEVNULL)
    shell.run("--timeout", "100ms", "session", "list", expect=3)
    check(slow.poll() is None, "session list takes no more time than it is given")
    slow.kill()
    slow.wait()
    shell.environment.pop("COFFER_SERVERS")
    silent.close()


def test_outcome_unknown(tools):
    """The answer to a write is cut off on its way back: exit code 5."""
    cluster = Kernel(tools, 3).up()
    shell = Shell(cluster)
    shell.run("set", "/a", "v")
    leader = cluster.leader()
    for number_of in cluster.nodes:
        if number_of != leader:
            cluster.cut(leader, number_of)
    shell.environment["COFFER_SERVERS"] = "{}:{}".format(*cluster.client_address(leader))
    done = cluster.coffer("--timeout", "2", "set", "/a", "w", env=shell.environment)
    check(done.returncode in (3, 5), "a write to a leader that is cut off", done.returncode,
          done.stderr)
    check(done.stderr.count("\n") == 1, "one sentence says why", done.stderr)
    cluster.heal()
    cluster.wait_level()
    cluster.down()


if __name__ == "__main__":
    harness.run([test_verbs_and_exit_codes, test_shell, test_nobody_and_no_quorum,
                 test_outcome_unknown])
