#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   transactions, fences and locks by `coffer`, as its manual tells them.
Method: the program itself, against three servers over kernel UDP; a shell on a terminal where a
        session has to stay."""

import base64
import json
import os
import pathlib
import re
import signal
import subprocess

import harness
from cluster import Kernel
from harness import check, wait_for
from shell import Shell, Terminal, number


def txn(shell, text, expect=0, **more):
    """The words of the line that a transaction printed."""
    out = shell.run("txn", input=text.encode(), expect=expect, **more).decode()
    check(out == "" or out.endswith("\n"), "a line", out)
    return out.split()


def refused(shell, text, *wanted, expect=1, options=()):
    """What it said on standard error."""
    done = shell.cluster.coffer(*options, "txn", env=shell.environment, input=text)
    check(done.returncode == expect, f"txn of {text[:80]!r}: exit code", done.returncode,
          done.stderr, done.stdout)
    check(done.stdout == "" or options, "prints nothing", done.stdout)
    check(done.stderr.count("\n") == 1, "one sentence says why", done.stderr)
    for word in wanted:
        check(word in done.stderr, f"says {word!r}", done.stderr)
    return done


def transactions(shell):
    first = number(shell.run("set", "/t/a", "x"))
    words = txn(shell, f"# a move\nif rev /t/a = {first}\n\nif value /t/a = x\nthen\n"
                       'set /t/b "two words\\n\\x00\\xff"\nadd /t/n 41\nadd /t/n 1\ndel /t/a\n')
    check(words[:2] == ["then", "first"] and int(words[2]) > first and
          int(words[4]) == int(words[2]) + 3 and words[5:] == ["number", "42"],
          "the then list", words)
    told = shell.json("log", "/t/*", "--from", words[2])
    check([event["entry_last"] for event in told] == [int(words[4])] * 4, "one change", told)
    check(shell.run("get", "/t/b") == b"two words\n\0\xff", "a value in quotes")
    check(shell.run("get", "/t/n") == b"42", "a number")
    shell.run("get", "/t/a", expect=1)
    words = txn(shell, "if rev /t/a >= 1\nset /t/c then\nelse\nset /t/c else\n")
    check(words[0] == "else" and words[1::2] == ["first", "last"], "the else list", words)
    check(shell.run("get", "/t/c") == b"else", "is run")
    words = shell.run("txn", "if rev /t/b != 0", "if session 4711 gone", "set /t/c 1").split()
    check(words[0] == b"then", "lines as arguments", words)
    check(shell.run("get", "/t/c") == b"1", "are run")
    words = txn(shell, "set /t/s/ v sequence\n")
    name = f"/t/s/{int(words[4]):016x}"
    check(shell.run("get", name) == b"v", "a sequence", words)
    words = txn(shell, "lock t/free try data me\nset /t/c 2\nunlock /t/free\n")
    check(words[0] == "then" and int(words[6]) > 0, "a write if nobody has the lock", words)
    check(txn(shell, "")[:4] == ["then", "first", "0", "last"], "nothing at all")


def refusals(shell):
    """The line is named, and nothing has happened."""
    rev = number(shell.run("set", "/r/a", "x"))
    told = f"its revision is {rev}"
    refused(shell, f"if rev /r/a = {rev}\nif rev /r/a != {rev}\nset /r/b 1\n", "line 2", told)
    refused(shell, 'if value /r/a = "y"\nset /r/b 1\n', "line 1", told)
    refused(shell, "if session 4711 alive\nset /r/b 1\n", "line 1", "the condition is false")
    refused(shell, "if token r/l 3\nset /r/b 1\n", "line 1", "not held")
    refused(shell, "set /r/b 1\nset /r/a 1 if-rev 1\n", "line 2", told)
    refused(shell, "if rev /r/b = 0\nset /r/b 1\n\nset /r/a 1 if-rev 1\n", "line 4", told)
    refused(shell, "if rev /r/a = 1\nset /r/a 1 if-rev 1\n", "line 1")
    refused(shell, "if rev /r/a = 1\nset /r/a 2\nelse\nset /r/a 1 if-rev 1\n", "line 4", told)
    refused(shell, "set /r/b 1\ndel /r/c\n", "line 2", "not found")
    refused(shell, "set /r/b 1\nadd /r/a 1\n", "line 2", "not a number", expect=4)
    refused(shell, "set /ctl/lock/x 1\n", "line 1", "only locks", expect=4)
    refused(shell, "set r/b 1\n", "line 1", "malformed path", expect=4)
    refused(shell, "if rev //x = 0\nset /r/b 1\n", "line 1", "malformed path", expect=4)
    refused(shell, "kill 4711\n", "line 1", "not found")
    refused(shell, "unlock r/l\n", "line 1", "not held")
    failed = json.loads(refused(shell, "del /r/c\n", options=("-o", "json")).stdout)
    check(failed["answer"] == "not found" and failed["place"] == "line 1", "JSON", failed)
    shell.run("get", "/r/b", expect=1)
    check(shell.json("stat", "/r/a")["revision"] == rev, "nothing has happened")


MALFORMED = (
    ("set", "line 1: a path is missing"), ("\n\nset /a", "line 3: a value is missing"),
    ("frob /a", "frob: is no operation"), ("if", "line 1"), ("if frob /a", "is no condition"),
    ("if rev /a", "is missing"), ("if rev /a ~ 3", "~: must be ="),
    ("if rev /a = -1", "-1: must be"), ("if rev /a = many", "many: must be"),
    ("if value /a <= x", "must be = or !="), ("if session 3 maybe", "alive or gone"),
    ("if session 0 alive", "0: must be"), ("set /a b c", "c: is too much"),
    ("set /a b if-rev", "a revision"), ("then\nthen", "line 2: then"),
    ("set /a b\nif rev /a = 1", "line 2: conditions stand before"),
    ("else\nelse", "line 2: there is an else"), ('set /a "b', "a quote is not closed"),
    ('set /a "\\q"', "a backslash"), ('set /a "\\x1"', "a backslash"),
    ('set "/a\\x00b" c', "zero byte"), ("set /a " + "b " * 20, "too many words"),
    ("lock l permits 2000", "2000: must be permits"), ("lock l shared permits 2", "not both"),
    ("lock l priority 256", "256: must be"), ("lock l delay soon", "soon: must be a duration"),
    ("add /a 1.5", "1.5: must be"), ("add /a 9223372036854775808", "must be"),
    ("set /" + "a" * 512 + " b", "longer than 512"), ("lock " + "a" * 475, "longer than 475"),
    ("set /a " + "b" * 32769, "larger than 32768"), ("proclaim l " + "b" * 4097, "larger than"),
    ("break l any x to 0", "0: must be a session"), ("break l any x for 3", "for: is too much"),
    ("set /a b\n" * 129, "line 129: there are more than 128"),
    ("# \n" * 100000, "more than 262144 bytes"), ("\x1b[2J /a", "?[2J: is no operation"),
)


def hostile_text(shell):
    for text, wanted in MALFORMED:
        refused(shell, text, wanted, expect=2)
    refused(shell, "set /a " + "b" * 20000 + "\nset /c " + "d" * 20000, "larger than 34816",
            expect=4)


def as_json(shell):
    raw = {"base64": base64.b64encode(bytes(range(256))).decode()}
    wish = {"if": [["rev", "/j/a", "=", 0]],
            "then": [["set", "/j/a", raw], ["add", "/j/n", 5], ["set", "/j/z", "a\0b c"]],
            "else": [["set", "/j/a", "else"]]}
    done = shell.json("txn", "-i", "json", input=json.dumps(wish).encode())
    check(done["branch"] == "then" and done["number"] == 5 and
          done["revision"] == done["first"] + 2 and done["queued"] is False and
          done["durability"] == "memory", "a transaction in JSON", done)
    check(shell.run("get", "/j/a") == bytes(range(256)), "bytes")
    check(shell.run("get", "/j/z") == b"a\0b c", "a string")
    done = shell.json("txn", "-i", "json", input=json.dumps(wish).encode())
    check(done["branch"] == "else" and "number" not in done, "the else list", done)
    for text, wanted in (
            ("", "line 1"), ("{", "line 1"), ("[]", "must be an object"), ('{"or": []}', "no more"),
            ('{"then": 3}', "then: must be an array"), ('{"then": [3]}', "then 1: must be"),
            ('{"if": [["rev", "/a", "=", 1.5]]}', "if 1: a word must be"),
            ('{"then": [["set", "/a", {"base64": "?"}]]}', "then 1: that is no base 64"),
            ('{"then": [["del", "/a"], ["frob"]]}', "then 2: frob: is no operation"),
            ('{"else": [["set", "/a"]]}', "else 1: a value is missing"),
            ('{"then": [[' + ",".join(['"a"'] * 17) + "]]}", "too many words"),
            ('{"then": [], "then": []}', "line 1"), ("[" * 5000, "line 1")):
        refused(shell, text, wanted, expect=2, options=("-i", "json"))
    shell.run("txn", "set /a b", "-i", "json", expect=2)
    shell.run("txn", "-i", "xml", expect=2)


def counters(shell):
    check(shell.run("incr", "/count") == b"1\n", "incr makes a number")
    check(shell.run("incr", "/count", "41") == b"42\n", "and adds to it")
    check(shell.run("incr", "/count", "--", "-50") == b"-8\n", "or takes away")
    check(shell.run("get", "/count") == b"-8", "it is a file")
    told = shell.json("incr", "/count", "8")
    check(told["number"] == 0 and told["path"] == "/count" and told["revision"] > 0, "JSON", told)
    shell.run("set", "/words", "some")
    shell.run("incr", "/words", expect=4)
    shell.run("incr", "/count", "1.5", expect=2)
    shell.run("incr", "bad", expect=4)


def sequences(shell):
    made = [shell.run("set", "/seq/", str(n), "--sequence").decode().strip() for n in range(3)]
    check(all(re.fullmatch(r"/seq/[0-9a-f]{16}", m) for m in made) and made == sorted(made),
          "paths in order", made)
    check(shell.run("get", made[1]) == b"1", "each is a file")
    told = shell.json("set", "/seq/", "x", "--sequence")
    check(told["path"] == f"/seq/{told['revision']:016x}", "JSON", told)
    shell.run("get", "/a", "--sequence", expect=2)


class Held:
    """Locks of a shell, whose session stays."""

    def __init__(self, shell):
        self.terminal = Terminal(shell)

    def txn(self, *lines):
        words = " ".join(f"'{line}'" for line in lines).encode()
        out = self.terminal.run(b"txn " + words).decode().split()
        check(out and out[0] == "then", "a transaction in the shell", out)
        return int(out[6])

    def end(self):
        check(self.terminal.end(b"exit\n") == 0, "the shell ends")


def fences(shell, holder):
    token = holder.txn("lock f/l data holder")
    fence = f"f/l:{token}"
    number(shell.run("set", "/f/a", "1", "--if-lock", fence))
    number(shell.run("set", "/f/a", "2", "--if-lock", f"/{fence}"))
    number(shell.run("add", "/f/b", "1", "--if-lock", fence))
    check(shell.run("incr", "/f/b", "--if-lock", fence) == b"2\n", "incr under a lock")
    stands = shell.json("stat", "/f/a")["revision"]
    shell.run("set", "/f/a", "3", "--if-rev", "1", "--if-lock", fence, expect=1)
    number(shell.run("set", "/f/a", "3", "--if-rev", str(stands), "--if-lock", fence))
    shell.run("set", "/" + "f" * 600, "3", "--if-lock", fence, expect=4)
    number(shell.run("del", "/f/b", "--if-lock", fence))
    for wrong in (f"f/l:{token + 1}", f"f/m:{token}"):
        for words in (("set", "/f/a", "x"), ("add", "/f/c", "x"), ("del", "/f/a"),
                      ("incr", "/f/c")):
            shell.run(*words, "--if-lock", wrong, expect=1)
    failed = shell.json("set", "/f/a", "x", "--if-lock", "f/m:1", expect=1)
    check(failed["answer"] == "the lock is not held", "JSON", failed)
    check(shell.run("get", "/f/a") == b"3", "nothing was written")
    for wrong in ("f/l", "f/l:", ":3", "f/l:x", "f/l:0", "f" * 600 + ":3"):
        shell.run("set", "/f/a", "x", "--if-lock", wrong, expect=2)
    shell.run("get", "/f/a", "--if-lock", fence, expect=2)
    shell.run("rev", "--break", expect=2)
    return token


def listing(shell, first, second, token):
    """Who holds, and who waits in which order; and the operator's break."""
    second.txn("lock f/l priority 7 delay 500ms")
    first.txn("lock f/shared shared")
    second.txn("lock f/shared shared", "lock f/shared shared",
               "proclaim f/shared \"two words\"")
    first.txn("lock f/three permits 3 data \"\\xff\"")
    locks = {o["lock"]: o for o in shell.json("locks", "/f/*")}
    check(list(locks) == ["/f/l", "/f/shared", "/f/three"], "locks", locks)
    lock = locks["/f/l"]
    check([h["token"] for h in lock["holders"]] == [token] and
          lock["holders"][0]["value"] == "holder" and lock["holders"][0]["kind"] == "exclusive" and
          lock["holders"][0]["ttl_ms"] == 10000, "its holder", lock)
    check([(w["priority"], w["delay_ms"]) for w in lock["waiters"]] == [(7, 500)], "waiters", lock)
    shared = locks["/f/shared"]["holders"]
    check([h["count"] for h in shared] == [1, 2] and shared[1]["value"] == "two words" and
          len({h["session"] for h in shared}) == 2, "both share", shared)
    three = locks["/f/three"]["holders"][0]
    check(three["permits"] == 3 and three["value_base64"] == "/w==", "permits", three)
    text = shell.run("locks", "f/*").decode()
    rest = r"ttl 10000ms left \d+ms"
    check(re.fullmatch(
        rf"/f/l\n  holder session \d+ token \d+ exclusive {rest} data holder\n"
        rf"  waiter session \d+ ticket \d+ exclusive priority 7 delay 500ms {rest}\n"
        rf"/f/shared\n  holder session \d+ token \d+ shared {rest}\n"
        rf"  holder session \d+ token \d+ shared count 2 {rest} data \"two words\"\n"
        rf"/f/three\n  holder session \d+ token \d+ permits 3 {rest} data_base64 /w==\n",
        text), "for people", text)
    check(len(shell.json("locks")) == 3 and shell.run("locks", "/none/**") == b"", "by glob")
    shell.run("locks", "//", expect=4)
    before = number(shell.run("rev"))
    shell.run("locks", "--break", "f/l", expect=2)
    shell.run("locks", "--break", "--reason", "none", expect=2)
    shell.run("locks", "f/l", "--reason", "none", expect=2)
    shell.run("locks", "--break", "f/l", "--token", token + 1, "--reason", "none", expect=1)
    taken = number(shell.run("locks", "--break", "f/l", "--token", token, "--reason",
                             "it hangs\n"))
    check(taken == token, "which token it was", taken)
    lock = shell.json("locks", "f/l")
    check(lock["holders"][0]["token"] > token and lock["waiters"] == [], "the next has it", lock)
    check(re.search(r"T\d\d:\d\d:\d\dZ .+@.+: it hangs\n$", lock["broken"]["value"]),
          "the record", lock)
    check(b"  broken revision" in shell.run("locks", "f/l"), "and for people")
    check(shell.json("locks", "f/l", "--rev", before)["holders"][0]["token"] == token,
          "as it was before")
    broken = shell.json("locks", "--break", "/f/shared", "--reason", "x")
    check(broken["lock"] == "/f/shared" and broken["token"] == shared[0]["token"], "JSON", broken)
    shell.run("locks", "--break", "f/nobody", "--reason", "x", expect=1)
    names = [f"/many/{n:03}" for n in range(100)]
    second.txn(*[f"lock {name} data {name}" for name in names])
    many = shell.json("locks", "/many/**")
    check([(o["lock"], o["holders"][0]["value"]) for o in many] == list(zip(names, names)),
          "more than are read at once", many)


def test_transactions(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    for part in (transactions, refusals, hostile_text, as_json, counters, sequences):
        part(Shell(cluster))
    cluster.wait_level()
    cluster.down()


def test_fences_and_listing(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    shell = Shell(cluster)
    first, second = Held(shell), Held(shell)
    token = fences(shell, first)
    listing(shell, first, second, token)
    first.end()
    second.end()
    wait_for("locks go with their sessions", lambda: not any(
        lock["holders"] for lock in [shell.json("locks", name) for name in ("f/l", "f/shared")]
        if lock))
    cluster.wait_level()
    cluster.down()


class Job:
    """A `coffer` that goes on, as in a terminal of its own."""

    count = 0

    def __init__(self, shell, *arguments):
        Job.count += 1
        self.folder = shell.cluster.folder
        self.output = self.folder / f"job{Job.count}.out"
        self.errors = self.folder / f"job{Job.count}.err"
        with open(self.output, "wb") as output, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [shell.tools.coffer, *map(str, arguments)], env=shell.environment, stdout=output,
                stderr=errors, stdin=subprocess.DEVNULL, cwd=self.folder,
                preexec_fn=harness.die_with_parent)
        shell.tools.undo.append(self.process.kill)

    def said(self):
        return self.output.read_text()

    def expect(self, wanted):
        wait_for(f"{wanted!r} is said", lambda: wanted in self.said())
        return self.said()

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, code):
        try:
            self.process.wait(harness.LIMIT_S)
        except subprocess.TimeoutExpired:
            raise harness.Failed(f"job did not end: {self.said()}") from None
        check(self.process.returncode == code, "exit code of a job", self.process.returncode, code,
              self.said(), self.errors.read_text())
        return self.said()


# Tells what it hears, and goes on until it is told to end.
LISTENER = ('trap "echo term; exit 9" TERM; trap "echo usr1" USR1; trap "echo int; exit 5" INT; '
            'echo ready; while :; do sleep 0.01; done')
DEAF = 'trap "echo deaf" TERM; echo ready; while :; do sleep 0.01; done'


def commands(shell):
    """What a command gets, and how it ends."""
    words = ("lock", "demo", "--", "sh", "-c")
    text = shell.run(*words, 'echo "$COFFER_LOCK $COFFER_TOKEN $COFFER_SESSION '
                     '$COFFER_EXPIRES_NS $#" "$@"', "sh", "two words", "-x", "--").decode()
    check(re.fullmatch(r"/demo [1-9]\d* [1-9]\d* [1-9]\d* 3 two words -x --\n", text),
          "environment and arguments", text)
    tokens = [int(shell.run(*words, "echo $COFFER_TOKEN")) for _ in range(2)]
    check(tokens[1] > tokens[0], "tokens grow", tokens)
    for code in (0, 3, 6):
        shell.run(*words, f"exit {code}", expect=code, is_theirs=True)
    shell.run(*words, "kill -9 $$", expect=137, is_theirs=True)
    shell.run("lock", "demo", "--", "/no/such/program", expect=127)
    shell.run("lock", "demo", "--", "/etc/passwd", expect=126)
    check(shell.json("locks") == [], "all was given back")
    # A fence, from inside, without another word.
    shell.run(*words, f"{shell.tools.coffer} set /fenced in --if-lock demo:$COFFER_TOKEN")
    shell.run("set", "/fenced", "late", "--if-lock", f"demo:{tokens[1]}", expect=1)
    check(shell.run("get", "/fenced") == b"in", "who is late writes nothing")
    for wrong in (("lock",), ("lock", "--", "true"), ("lock", "a", "b", "--", "true"),
                  ("lock", "a", "--shared", "--permits", "3"), ("lock", "a", "--ttl", "soon"),
                  ("lock", "a", "--ttl", "1s", "--margin", "600ms"), ("lock", "a", "--wait", "-1"),
                  ("lock", "a", "--priority", "256"), ("lock", "a", "--on-lost", "run:"),
                  ("lock", "a", "--permits", "0"), ("lock", "a", "--observe"),
                  ("elect", "a"), ("elect", "a", "b", "--show"), ("elect", "a", "--show", "--try"),
                  ("elect", "a", "b", "--shared"), ("elect", "--observe", "--show", "a"),
                  ("get", "/a", "--ttl", "1s"), ("lock", "a" * 475, "--", "true")):
        shell.run(*wrong, expect=2)
    shell.run("lock", "a/.b", "--", "true", expect=4)


def two_terminals(shell):
    """The second waits; whoever is killed by -9 takes its command along, and the lock goes on."""
    first = Job(shell, "lock", "demo", "--ttl", "1s", "--data", "first", "--", "sh", "-c", LISTENER)
    first.expect("ready\n")
    shell.run("lock", "demo", "--try", "--", "true", expect=1)
    failed = shell.json("lock", "demo", "--wait", "300ms", "--", "true", expect=1)
    check(failed["answer"] == "the lock is held", "others have it", failed)
    second = Job(shell, "lock", "demo", "--ttl", "1s", "--", "sh", "-c", LISTENER)
    third = Job(shell, "lock", "demo", "--ttl", "1s", "--priority", "9", "--", "sh", "-c",
                "echo third")
    wait_for("both wait", lambda: len(shell.json("locks", "demo")["waiters"]) == 2)
    lock = shell.json("locks", "demo")
    check([w["priority"] for w in lock["waiters"]] == [9, 0] and
          lock["holders"][0]["value"] == "first" and 0 < lock["holders"][0]["left_ms"] <= 1000,
          "who holds, who waits", lock)
    first.signal(signal.SIGKILL)
    first.end(-signal.SIGKILL)
    first.expect("term\n")
    third.end(0)
    second.expect("ready\n")
    check(len(shell.json("locks", "demo")["holders"]) == 1, "one holder")
    fourth = Job(shell, "lock", "demo", "--", "true")
    wait_for("it waits", lambda: len(shell.json("locks", "demo")["waiters"]) == 1)
    fourth.signal(signal.SIGINT)
    fourth.end(130)
    wait_for("and does no more", lambda: shell.json("locks", "demo")["waiters"] == [])
    second.signal(signal.SIGUSR1)
    second.expect("usr1\n")
    second.signal(signal.SIGINT)
    second.expect("int\n")
    second.end(5)
    check(shell.run("locks") == b"", "nobody has it")


def is_running(pid):
    """Not even as a zombie, whom the first process of a container may leave."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def killed(shell):
    """kill -9 of `coffer` ends its command, and all that this has started in its group."""
    begun = 'sh -c "trap : TERM; while :; do sleep 0.01; done" & echo $!; sleep 1000 & echo $!;'
    for how in ("term", "kill", "run:true"):
        job = Job(shell, "lock", "dies", "--ttl", "2s", "--on-lost", how, "--", "sh", "-c",
                  f"{begun} echo $$; wait; wait")
        wait_for("all have begun", lambda j=job: j.said().count("\n") == 3)
        pids = [int(word) for word in job.said().split()]
        guards = [p for p in pathlib.Path("/proc").glob("[0-9]*")
                  if parent_of(p.name) == job.process.pid]
        check(len(guards) == 2 and all(map(is_running, pids)), "the command and its guard", guards)
        job.signal(signal.SIGKILL)
        job.end(-signal.SIGKILL)
        wait_for("all have ended", lambda p=pids: not any(map(is_running, p)))
        wait_for("the guard, too", lambda g=guards: not any(is_running(p.name) for p in g))
        wait_for("others have it", lambda: shell.cluster.coffer(
            "lock", "dies", "--try", "--", "true", env=shell.environment).returncode == 0)
    # What the command leaves behind on purpose, it does.
    left = int(shell.run("lock", "dies", "--", "sh", "-c",
                         "sleep 1000 >/dev/null 2>&1 & echo $!"))
    check(is_running(left), "nobody ends what outlives a command that ended")
    os.kill(left, signal.SIGKILL)


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def on_a_terminal(shell):
    """The command has it: it can read, Ctrl-C is its own, and Ctrl-Z does not make it hang."""
    terminal = Terminal(shell, "lock", "tty", "--", "sh", "-c", 'trap "echo INT; exit 4" INT; '
                        'echo ready; while :; do if read x; then echo "got $x"; fi; done')
    terminal.expect(b"ready\r\n")
    terminal.type(b"one\n")
    terminal.expect(b"got one\r\n")
    terminal.type(b"\x1a")
    terminal.expect(b"^Z")
    terminal.type(b"two\n")
    terminal.expect(b"got two\r\n")
    check(terminal.end(b"\x03") == 4, "its exit code")


def kinds(shell):
    """Shared and permits run beside each other; without a command it is held until a signal."""
    jobs = [Job(shell, "lock", "k/s", "--shared", "--", "sh", "-c", LISTENER) for _ in range(3)]
    jobs += [Job(shell, "lock", "k/p", "--permits", "2", "--", "sh", "-c", LISTENER)
             for _ in range(2)]
    for job in jobs:
        job.expect("ready\n")
    shell.run("lock", "k/s", "--try", "--", "true", expect=1)
    shell.run("lock", "k/p", "--permits", "2", "--try", "--", "true", expect=1)
    shell.run("lock", "k/s", "--shared", "--try", "--", "true")
    for job in jobs:
        job.signal(signal.SIGTERM)
        job.end(9)
    job = Job(shell, "lock", "k/n", "--delay", "30s")
    token = int(job.expect("\n"))
    check(shell.json("locks", "k/n")["holders"][0]["token"] == token, "the token is printed")
    job.signal(signal.SIGTERM)
    job.end(0)
    shell.run("lock", "k/n", "--try", "--", "true")
    job = Job(shell, "-o", "json", "lock", "k/n", "--delay", "30s", "--ttl", "500ms")
    told = json.loads(job.expect("\n"))
    check(told["lock"] == "/k/n" and told["token"] > token and told["session"] > 0 and
          told["expires_ns"] > 0, "in JSON", told)
    job.signal(signal.SIGKILL)
    job.end(-signal.SIGKILL)
    wait_for("it rests", lambda: b"  rests session" in shell.run("locks", "k/n"))
    shell.run("lock", "k/n", "--try", "--", "true", expect=1)
    shell.run("locks", "--break", "k/n", "--reason", "no need to rest")


def lost(shell):
    """The lock is broken, or slept through: the command is told, and the exit code is 6."""
    told = shell.cluster.folder / "told"
    for number_of, (how, script, wanted, broken) in enumerate((
            ("term", LISTENER, "term\n", True), ("kill", LISTENER, "", True),
            ("term", DEAF, "deaf\n", True), ("term", LISTENER, "term\n", False),
            ("kill", DEAF, "", False))):
        name = f"lost/{number_of}"
        job = Job(shell, "lock", name, "--ttl", "1s", "--on-lost", how, "--", "sh", "-c", script)
        job.expect("ready\n")
        if broken:
            shell.run("locks", "--break", name, "--reason", "a test")
        else:
            job.signal(signal.SIGSTOP)
            wait_for("others have it", lambda n=name: shell.cluster.coffer(
                "lock", n, "--try", "--", "true", env=shell.environment).returncode == 0)
            check(job.process.poll() is None and job.said() == "ready\n", "while it sleeps")
            job.signal(signal.SIGCONT)
        said = job.end(6)
        check(said == "ready\n" + wanted or wanted == "deaf\n" and wanted in said,
              "the command is told", how, said)
        check("the lock is lost" in job.errors.read_text(), "and so is who looks")
    job = Job(shell, "lock", "lost/run", "--on-lost",
              f"run:echo $COFFER_LOCK $COFFER_PID > {told}; kill -USR1 $COFFER_PID", "--", "sh",
              "-c", LISTENER)
    job.expect("ready\n")
    shell.run("locks", "--break", "lost/run", "--reason", "a test")
    job.expect("usr1\n")
    check(re.fullmatch(r"/lost/run \d+\n", told.read_text()), "run: is run", told.read_text())
    check(job.process.poll() is None, "and the command goes on")
    job.signal(signal.SIGTERM)
    job.end(6)
    job = Job(shell, "lock", "lost/alone")
    job.expect("\n")
    shell.run("locks", "--break", "lost/alone", "--reason", "a test")
    job.end(6)


def is_gone(shell, path):
    return shell.cluster.coffer("get", path, env=shell.environment).returncode == 1


def ephemeral(shell):
    """A file that is there while a command runs."""
    told = shell.run("set", "--ephemeral", "/e/a", "host:80", "--", "sh", "-c",
                     f'{shell.tools.coffer} get "$1"; echo " $COFFER_PATH $COFFER_REVISION '
                     '$COFFER_SESSION $COFFER_EXPIRES_NS"; exit 4', "sh", "/e/a",
                     expect=4, is_theirs=True).decode()
    check(re.fullmatch(r"host:80 /e/a [1-9]\d* [1-9]\d* [1-9]\d*\n", told), "while it runs", told)
    check(is_gone(shell, "/e/a"), "and no longer")
    made = shell.run("add", "--ephemeral", "/e/b", "--", "cat", input=b"its value")
    check(made == b"", "the value was read, nothing is printed", made)
    job = Job(shell, "add", "--ephemeral", "/e/c", "1", "--ttl", "1s", "--", "sh", "-c", LISTENER)
    job.expect("ready\n")
    shell.run("add", "--ephemeral", "/e/c", "2", "--", "echo", "never", expect=1)
    check(shell.run("get", "/e/c") == b"1", "it stays")
    number(shell.run("set", "/e/c", "other"))  # and goes with the session still
    job.signal(signal.SIGKILL)
    job.end(-signal.SIGKILL)
    job.expect("term\n")
    wait_for("it goes with its session", lambda: is_gone(shell, "/e/c"))
    job = Job(shell, "set", "--ephemeral", "--sequence", "/e/d-", "1")
    path = job.expect("\n").strip()
    check(re.fullmatch("/e/d-[0-9a-f]{16}", path) and shell.run("get", path) == b"1",
          "a sequence; without a command it is printed", path)
    owner = shell.json("stat", path)["session"]
    job.signal(signal.SIGTERM)
    job.end(0)
    check(is_gone(shell, path), "held until a signal")
    job = Job(shell, "set", "--ephemeral", "/e/f", "1", "--", "sh", "-c", LISTENER)
    job.expect("ready\n")
    check(shell.json("stat", "/e/f")["session"] != owner, "each has a session of its own")
    shell.run("session", "kill", shell.json("stat", "/e/f")["session"])
    check(job.end(6) == "ready\nterm\n", "the command is told")
    check("the session is lost" in job.errors.read_text(), "so is who looks")
    check(is_gone(shell, "/e/f"), "and the file is gone")
    causes = {path: [o["cause"] for o in shell.json("log", path) if o["kind"] == "del"]
              for path in ("/e/a", "/e/c", "/e/f")}
    check(causes == {"/e/a": ["released"], "/e/c": ["expired"], "/e/f": ["revoked"]},
          "each goes for a reason", causes)
    terminal = Terminal(shell)
    number(terminal.run(b"set --ephemeral /e/g 1"))
    check(shell.run("get", "/e/g") == b"1", "the shell's")
    check(terminal.end(b"exit\n") == 0, "the shell ends")
    wait_for("with the shell", lambda: is_gone(shell, "/e/g"))
    number(shell.run("set", "/e/h", "--", "-5"))
    check(shell.run("get", "/e/h") == b"-5", "a value behind --")
    for wrong in (("set", "/e/i", "1", "--ttl", "1s"), ("get", "/e/h", "--ephemeral"),
                  ("set", "/e/i", "1", "--ephemeral", "--wait", "1s"),
                  ("set", "/e/i", "1", "--ephemeral", "--ttl", "1s", "--margin", "600ms"),
                  ("set", "--ephemeral", "--", "true"), ("set", "--ephemeral", "/a", "1", "2")):
        shell.run(*wrong, expect=2)
    shell.run("set", "--ephemeral", "/e//i", "1", "--", "true", expect=4)
    shell.run("set", "--ephemeral", "/e/i", "1", "--", "/no/such/program", expect=127)
    check(is_gone(shell, "/e/i"), "nothing is left")


def elections(shell):
    check(shell.run("elect", "--show", "e", expect=1) == b"nobody\n", "nobody leads")
    onlooker = Job(shell, "elect", "--observe", "e")
    stream = Job(shell, "-o", "json", "elect", "e", "--observe")
    onlooker.expect("nobody\n")
    stream.expect("\n")
    leader = Job(shell, "elect", "e", "host a", "--ttl", "2s")
    term = int(leader.expect("\n"))
    onlooker.expect('value "host a"\n')
    text = shell.run("elect", "--show", "e").decode()
    check(re.fullmatch(rf'term {term} session \d+ valid \d+ms value "host a"\n', text), "show",
          text)
    told = shell.json("elect", "--show", "e")
    check(told["term"] == term and told["value"] == "host a" and told["ttl_ms"] == 2000 and
          0 < told["valid_ms"] <= 2000 and told["rests"] is False, "in JSON", told)
    check(number(shell.run("elect", "e", "host A", "--proclaim", "--token", term)) == term,
          "its term")
    onlooker.expect('value "host A"\n')
    shell.run("elect", "e", "x", "--proclaim", "--token", term - 1, expect=1)
    second = Job(shell, "elect", "e", "host b", "--", "sh", "-c",
                 f"{shell.tools.coffer} elect e 'host B' --proclaim >/dev/null; {LISTENER}")
    wait_for("it waits", lambda: len(shell.json("locks", "e")["waiters"]) == 1)
    leader.signal(signal.SIGTERM)
    leader.end(0)
    second.expect("ready\n")
    onlooker.expect('value "host B"\n')
    second.signal(signal.SIGTERM)
    second.end(9)
    for job in (onlooker, stream):
        wait_for("nobody leads", lambda j=job: re.search(
            r"(?s)host B.*(nobody|\"term\": 0, [^\n]*)\n$", j.said()))
    said = [line.split()[0] for line in onlooker.said().splitlines()]
    check(said == ["nobody", "term", "term", "term", "term", "nobody"], "each change once",
          onlooker.said())
    told = list(map(json.loads, stream.said().splitlines()))
    check([line.get("value") for line in told] == [None, "host a", "host A", "host b",
                                                        "host B", None] and
          not any(line["old"] for line in told), "in JSON, too", told)
    for job in (onlooker, stream):
        job.signal(signal.SIGTERM)
        job.end(-signal.SIGTERM)


def passing_on(shell):
    """Who leads is ended by another process: one that has its session, or an operator."""
    file = shell.cluster.folder / "session"

    def campaign(value, *options):
        return Job(shell, "elect", "p", value, *options, "--", "sh", "-c", LISTENER)

    def wait_for_waiters(*values):
        wait_for(f"{values} wait", lambda: [
            w["value"] for w in shell.json("locks", "p")["waiters"]] == list(values))

    def left():
        return shell.json("locks", "p")["holders"][0]["left_ms"]

    onlooker = Job(shell, "elect", "p", "--observe")
    onlooker.expect("nobody\n")
    first = campaign("a", "--session", file, "--ttl", "2s")
    first.expect("ready\n")
    check(file.stat().st_mode & 0o777 == 0o600 and re.fullmatch(r"\d+ \d+\n", file.read_text()),
          "the session's file", file.read_text())
    kept = file.read_text()
    second, third = campaign("b"), None
    wait_for_waiters("b")
    third = campaign("c", "--session", file.with_suffix(".c"))
    wait_for_waiters("b", "c")
    shell.run("elect", "--transfer", "p", "d", "--session", file, expect=1)
    shell.run("elect", "--transfer", "p", "4711", "--reason", "a test", expect=1)
    shell.run("elect", "--resign", "p", "--token", "1", "--reason", "a test", expect=1)
    check(first.process.poll() is None and first.said() == "ready\n", "nothing has happened")
    shell.run("elect", "--resign", "q", "--session", file, expect=1)
    shell.run("elect", "--transfer", "p", "a", "--session", file, expect=1)
    shell.run("elect", "--transfer", "p", "b", "--session", file.with_suffix(".c"), expect=1)
    for _ in range(2):  # its session was not gone on with, or it would end with a keep-alive
        before = left()
        wait_for("it is kept alive", lambda b=before: left() > b)
    check(first.process.poll() is None and first.said() == "ready\n", "nothing was lost")
    number(shell.run("elect", "--transfer", "p", "c", "--session", file))
    third.expect("ready\n")
    check(first.end(6) == "ready\nterm\n", "who led is told")
    check("the lock is lost: " in first.errors.read_text(), "so is who looks",
          first.errors.read_text())
    check(not file.exists(), "its file is gone")
    file.write_text(kept)
    shell.run("elect", "--resign", "p", "--session", file, expect=1)  # of one that is gone
    number(shell.run("elect", "--resign", "p", "--session", file.with_suffix(".c")))
    second.expect("ready\n")
    check(third.end(6) == "ready\nterm\n", "who resigned is told")
    others = [campaign(value) for value in "de"]
    wait_for("both wait", lambda: len(shell.json("locks", "p")["waiters"]) == 2)
    session = shell.json("locks", "p")["waiters"][1]["session"]
    last = shell.json("locks", "p")["waiters"][1]["value"]
    told = shell.json("elect", "--transfer", "p", session, "--reason", "it is better")
    check(told["lock"] == "/p" and told["token"] > 0, "in JSON", told)
    others["de".index(last)].expect("ready\n")
    second.end(6)
    number(shell.run("elect", "--resign", "p", "--reason", "enough"))
    for job in others:
        job.expect("ready\n")
    check("enough\n" in shell.json("locks", "p")["broken"]["value"] + "\n", "the record")
    others["de".index(last)].end(6)
    number(shell.run("elect", "--resign", "p", "--reason", "enough"))
    shell.run("elect", "--resign", "p", "--reason", "enough", expect=1)
    for job in others:
        job.end(6)
    wait_for("nobody leads", lambda: onlooker.said().endswith("nobody\n"))
    said = [re.sub(".* value ", "", line) for line in onlooker.said().splitlines()]
    check(said[1:] == ["a", "c", "b", last, "d" if last == "e" else "e", "nobody"],
          "nobody between two", said)
    onlooker.signal(signal.SIGTERM)
    onlooker.end(-signal.SIGTERM)
    waiter = Job(shell, "lock", "q", "--session", file, "--", "sh", "-c", LISTENER)
    waiter.expect("ready\n")
    number(shell.run("elect", "--resign", "q", "--session", file))
    waiter.end(6)
    file.write_text("none\n")
    for wrong in (("--resign", "p"), ("--transfer", "p", "--reason", "x"),
                  ("--resign", "p", "x", "--reason", "x"), ("--resign", "p", "--session", file),
                  ("--resign", "p", "--session", "/no/such/file"),
                  ("--resign", "p", "--session", file, "--reason", "x"),
                  ("--resign", "--transfer", "p", "--reason", "x"),
                  ("p", "x", "--reason", "x"), ("p", "x", "--proclaim"), ("p", "--proclaim"),
                  ("p", "x", "--proclaim", "--token", "1", "--session", file),
                  ("--show", "p", "--session", file),
                  ("--resign", "p", "--reason", "x", "--", "true")):
        shell.run("elect", *wrong, expect=2)
    shell.run("elect", "p", "x", "--session", "/no/such/folder/file", "--", "true", expect=2)


def going_on(shell):
    """A session outlives the `coffer` that kept it, and is never replaced in silence."""
    files = [shell.cluster.folder / f"kept{n}" for n in range(2)]

    def campaign(value, number_of, *options):
        return Job(shell, "elect", "g", value, "--session", files[number_of], "--ttl", "4s",
                   *options, "--", "sh", "-c", "echo $$; " + LISTENER)

    def seen(kind):
        return [(c["session"], c.get("token", c.get("ticket")), c["value"])
                for c in shell.json("locks", "g")[kind]]

    def die(*jobs):
        for job in jobs:
            job.signal(signal.SIGKILL)
            job.end(-signal.SIGKILL)

    first = campaign("a", 0)
    pid = first.expect("ready\n").split()[0]
    waiter = campaign("b", 1)
    wait_for("one waits", lambda: len(seen("waiters")) == 1)
    last = Job(shell, "elect", "g", "c", "--", "sh", "-c", LISTENER)
    wait_for("two wait", lambda: len(seen("waiters")) == 2)
    (leader,), waiting = seen("holders"), seen("waiters")
    shell.run("elect", "g", "x", "--session", files[0], "--try", "--", "true", expect=1)
    check(seen("holders") == [leader], "a session is one command's")
    die(first, waiter)
    first, waiter = campaign("new", 0), campaign("b", 1)
    first.expect("ready\n")
    check(not is_running(int(pid)), "when the one before had ended")
    wait_for("it leads on, and says something new",
             lambda: seen("holders") == [(*leader[:2], "new")])
    wait_for("the other is heard", lambda: files[1].exists())
    first.signal(signal.SIGTERM)
    first.end(9)
    waiter.expect("ready\n")
    check(seen("holders")[0][0] == waiting[0][0] and seen("waiters") == waiting[1:],
          "it kept its place", waiting)
    check(not files[0].exists(), "a session that was ended is not kept")

    die(waiter)
    shell.run("session", "kill", waiting[0][0])
    waiter = campaign("b", 1)
    wait_for("it says so", lambda: f"session {waiting[0][0]} has ended; another one begins\n" in
             waiter.errors.read_text())
    last.expect("ready\n")
    wait_for("it waits anew", lambda: [w[2] for w in seen("waiters")] == ["b"] and
             files[1].read_text().split()[0] == str(seen("waiters")[0][0]))
    die(waiter)
    waiter = campaign("b", 1, "--priority", "3")  # its place is another one: it has none
    check(waiter.end(6) == "", "it does not wait for ever for what does not come")
    last.signal(signal.SIGTERM)
    last.end(9)
    files[1].write_text("not a session\n")
    shell.run("lock", "g", "--session", files[1], "--", "true", expect=2)
    check(files[1].read_text() == "not a session\n", "nobody's file is written over")


def sessions(shell):
    job = Job(shell, "-o", "json", "lock", "s/l", "--ttl", "3s")
    told = json.loads(job.expect("\n"))
    mine = told["session"]
    one = shell.json("session", "show", mine)
    check(one["files"] == [{"lock": "/s/l", "token": told["token"]}], "its files", one)
    check(one["session"] == mine and one["ttl_ms"] == 3000 and 0 < one["left_ms"] <= 3000 and
          one["owns"] == 1, "show", one)
    listed = shell.json("session", "list")
    listed = listed if isinstance(listed, list) else [listed]
    check(mine in [o["session"] for o in listed], "list", listed)
    text = shell.run("session", "list").decode()
    check(re.search(rf"^session {mine} ttl 3000ms left \d+ms owns 1$", text, re.M), "text", text)
    held = Held(shell)
    held.txn("lock s/l", "lock s/m", *[f"set /s/f{n:03} {n} ephemeral" for n in range(100)])
    owner = shell.json("stat", "/s/f000")["session"]
    text = shell.run("session", "show", owner).decode().splitlines()
    check(re.fullmatch(rf"session {owner} ttl \d+ms left \d+ms owns 102", text[0]) and
          re.fullmatch(r"  waiter /s/l ticket \d+", text[1]) and
          re.fullmatch(r"  holder /s/m token \d+", text[2]), "text of one", text)
    check([line.split()[:2] for line in text[3:]] == [["file", f"/s/f{n:03}"] for n in range(100)],
          "more files than a page has", text)
    held.end()
    shell.run("session", "kill", mine)
    job.end(6)
    shell.run("session", "show", mine, expect=1)
    shell.run("session", "kill", mine, expect=1)
    for wrong in ((), ("list", "3"), ("show",), ("show", "x"), ("frob", "3"), ("kill", "0")):
        shell.run("session", *wrong, expect=2)


def test_commands_under_locks(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    for part in (commands, two_terminals, killed, on_a_terminal, kinds, lost, ephemeral, elections,
                 passing_on, going_on, sessions):
        part(Shell(cluster))
    cluster.wait_level()
    cluster.down()


def test_lock_while_the_leader_dies(tools):
    """A failover costs nobody the lock; a majority that is gone ends it before its time is over."""
    cluster = Kernel(tools, 3, relayed=False).up()
    shell = Shell(cluster)
    job = Job(shell, "lock", "demo", "--ttl", "4s", "--", "sh", "-c", LISTENER)
    job.expect("ready\n")
    leader = cluster.leader()
    cluster.kill(leader)
    cluster.leader(but=[leader])
    cluster.start(leader)
    cluster.wait_level()
    check(job.process.poll() is None and job.said() == "ready\n", "the lock outlives the leader")
    for number_of in cluster.followers():
        cluster.stop(number_of)
    said = job.end(6)
    check(said == "ready\nterm\n" and "ends soon" in job.errors.read_text(),
          "told before the end", said, job.errors.read_text())
    for number_of in cluster.nodes:
        cluster.go_on(number_of)
    cluster.wait_level()
    shell.run("lock", "demo", "--", "true")
    cluster.down()


if __name__ == "__main__":
    harness.run([test_transactions, test_fences_and_listing, test_commands_under_locks,
                 test_lock_while_the_leader_dies])
