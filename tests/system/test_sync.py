#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   `coffer sync` keeps a folder equal to a part of the tree, whatever happens to it, to the
        servers, or in the folder.
Method: the program itself beside three servers; killed before each single step it takes towards
        the disk (kill_at.c), and its servers killed under it."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import harness
from cluster import Kernel
from harness import Process, check, wait_for

FILES = 1000
KEPT = 65536  # changes, by a server


class World:
    """A cluster, and a folder beside it."""

    def __init__(self, tools):
        self.tools = tools
        self.cluster = Kernel(tools, 3, relayed=False).up()
        self.environment = self.cluster.environment()
        self.folder = self.cluster.folder / "synced"
        self.count = 0

    def run(self, *arguments, expect=0, **more):
        environment = {**self.environment, **more.pop("environment", {})}
        done = self.cluster.coffer(*arguments, env=environment, stdin=subprocess.DEVNULL, **more)
        if expect is not None:
            check(done.returncode == expect, f"coffer {arguments}", done.returncode, done.stderr)
        return done

    def set(self, path, value):
        return int(self.run("set", path, value).stdout)

    def once(self, *more, expect=0, environment=None):
        return self.run("sync", self.folder, "/t/**", "--once", *more, expect=expect,
                        environment=environment or {})

    def start(self, *more, glob="/t/**"):
        self.count += 1
        return Process(self.tools, f"sync{self.count}",
                       [self.tools.coffer, "sync", self.folder, glob, *more],
                       self.cluster.folder, environment=self.environment)

    def files(self):
        """{path: bytes} of the folder, but for what is sync's own; it may change meanwhile."""
        found = {}
        for top, _, names in os.walk(self.folder):  # which passes over what is gone
            for path in (pathlib.Path(top, name) for name in names):
                name = str(path.relative_to(self.folder))
                if name.startswith(".coffer-sync"):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found[name] = b"-> link" if path.is_symlink() else path.read_bytes()
        for name in self.directories():
            if (self.folder / name).is_symlink():
                found[name] = b"-> link"
        return found

    def directories(self):
        return {str(pathlib.Path(top, name).relative_to(self.folder))
                for top, names, _ in os.walk(self.folder) for name in names} - {".coffer-sync"}

    def tree(self):
        """The same of the tree below /t."""
        names = self.run("walk", "-0", "/t/**").stdout.split("\0")[:-1]
        return {n.removeprefix("/t/"): self.run("get", n).stdout.encode() for n in names}

    def wait_equal(self, limit_s=60):
        wanted = self.tree()
        try:
            wait_for("the folder is equal", lambda: self.files() == wanted, limit_s)
        except harness.Failed as failed:
            found = self.files()
            differ = [n for n in set(found) | set(wanted) if found.get(n) != wanted.get(n)]
            raise harness.Failed(f"{failed}: {differ[:5]}") from None


def test_follows(tools):
    """Made, changed and removed; directories too; the command after each batch; restarts."""
    world = World(tools)
    told = world.cluster.folder / "told"
    command = f'echo "$COFFER_REVISION $COFFER_DIRECTORY" >> {told}; cat >> {told}'
    world.set("/t/a", "one")
    last = world.set("/t/sub/deep/b", "two")
    world.set("/other", "x")
    done = world.once("--exec", command)
    check("written 2 removed 0 passed over 0" in done.stdout, "what was done", done.stdout)
    lines = told.read_text().splitlines()
    check(int(lines[0].split()[0]) >= last and lines[0].split()[1] == str(world.folder) and
          sorted(lines[1:]) == ["set a", "set sub/deep/b"], "what the command is told", lines)
    world.wait_equal()
    told.unlink()
    check("written 0" in world.once("--exec", command).stdout and not told.exists(),
          "a second one finds nothing to do")
    process = world.start("--exec", command)
    world.set("/t/a", "one again")
    world.run("del", "/t/sub/deep/b")
    world.set("/t/sub/deep", "a file now")
    world.wait_equal()
    wait_for("the command is told of it", lambda: told.exists() and
             {"set a", "del sub/deep/b", "set sub/deep"} <= set(told.read_text().splitlines()))
    world.run("del", "/t/sub/deep")
    world.wait_equal()
    wait_for("empty directories go", lambda: world.directories() == set())
    check("another coffer sync" in world.once(expect=2).stderr, "two in one folder")
    process.kill()
    (world.folder / "a").write_text("edited")
    world.set("/t/c", "while it was away")
    world.once("--exec", "exit 3", "--stop", expect=7)
    told.unlink()
    check("written 0" in world.once("--exec", command).stdout and told.exists(),
          "a command that failed is run again by the next start")
    world.wait_equal()
    world.cluster.down()


def test_leaves_foreign_files_alone(tools):
    world = World(tools)
    outside = world.cluster.folder / "outside"
    outside.mkdir()
    (outside / "target").write_text("precious")
    world.folder.mkdir()
    (world.folder / "mine").write_text("of a person")
    (world.folder / "same").write_text("same")
    (world.folder / "link").symlink_to(outside / "target")
    (world.folder / "way").symlink_to(outside)
    (world.folder / "plain").write_text("in the way")
    (world.folder / "full").mkdir()
    (world.folder / "full/mine").write_text("x")
    before = world.files()
    for name in ("mine", "link", "way/target", "plain/below", "full", "../escaped", "./dot",
                 ".coffer-sync/state"):
        world.set(f"/t/{name}", "from the tree")
    world.set("/t/same", "same")
    world.set("/t/good", "good")
    done = world.once()
    check(world.files() == {**before, "good": b"good"}, "all is as it was", world.files())
    check((outside / "target").read_text() == "precious" and len(list(outside.iterdir())) == 1 and
          not (world.folder.parent / "escaped").exists(), "nothing left the folder")
    for name in ("mine", "link", "way/target", "plain/below", "full"):
        check(f"/{name}: something else stands there" in done.stderr, "told", name, done.stderr)
    for name in ("/t/../escaped", "/t/./dot", "/t/.coffer-sync/state"):
        check(f"{name}: cannot be a file" in done.stderr, "told", name, done.stderr)
    world.run("del", "/t/mine")
    world.set("/t/same", "changed")
    world.once()
    check(world.files() == {**before, "good": b"good", "same": b"changed"},
          "what was equal is taken over; what is not ours is not removed", world.files())
    world.cluster.down()


def test_killed_before_every_step(tools):
    """Each file is what it was or what it will be; the next start makes the rest."""
    world = World(tools)
    kill_at = {"LD_PRELOAD": str(tools.options.kill_at)}
    old = {"a": b"old", "d/b": b"old", "d/c": b"old", "gone": b"old", "x": b"old"}
    new = {"a": b"new", "d/b": b"newer", "e/f/g": b"new", "x/y": b"new"}
    saved = world.cluster.folder / "saved"
    for name, value in old.items():
        world.set(f"/t/{name}", value.decode())
    world.once()
    (world.folder / "foreign").write_text("x")
    shutil.copytree(world.folder, saved)
    for name in old:
        world.run("del", f"/t/{name}")
    for name, value in new.items():
        world.set(f"/t/{name}", value.decode())
    told = world.cluster.folder / "told"
    for number in range(1, 500):
        shutil.rmtree(world.folder)
        shutil.copytree(saved, world.folder)
        told.unlink(missing_ok=True)
        done = world.once("--exec", f"echo x >> {told}", expect=None,
                          environment={**kill_at, "KILL_AT": str(number)})
        found = world.files()
        check(found.pop("foreign") == b"x", "foreign", found)
        for name, value in found.items():
            check(value in (old.get(name), new.get(name)), f"step {number}: {name}", value)
        if done.returncode == 0:
            break
        check(done.returncode == -signal.SIGKILL, "killed", done.returncode, done.stderr)
        world.once("--exec", f"echo x >> {told}")
        check(world.files() == {**new, "foreign": b"x"}, f"after step {number}", world.files())
        check(told.exists(), f"the command is told after step {number}")
        left = {p.name for p in (world.folder / ".coffer-sync").iterdir()}
        check(left == {"state"}, f"nothing is left behind after step {number}", left)
    check(20 < number < 499, "steps", number)
    world.cluster.down()


def test_a_thousand_files(tools):
    """Leader and sync killed while a thousand files come, change and go."""
    world = World(tools)
    process = world.start()
    for number in range(FILES):
        world.set(f"/t/{number % 10}/{number}", str(number))
        if number == FILES // 3:
            process.kill()
            process = world.start()
        if number == FILES // 2:
            leader = world.cluster.leader()
            world.cluster.kill(leader)
    for number in range(0, FILES, 10):
        world.run("del", f"/t/{number % 10}/{number}")
    wanted = {f"{n % 10}/{n}": str(n).encode() for n in range(FILES) if n % 10 != 0}
    wait_for("the folder is equal", lambda: world.files() == wanted)
    check(process.is_running(), "it outlives the leader", process.errors())
    process.kill()
    check("written 0 removed 0" in world.once().stdout, "it knows what it has")
    shutil.rmtree(world.folder)
    world.once()
    check(world.files() == wanted, "a new folder")
    world.cluster.start(leader)
    world.cluster.wait_level()
    world.cluster.down()


def test_walks_again_where_the_past_is_gone(tools):
    """Stopped while more is written than the servers keep."""
    world = World(tools)
    world.set("/t/a", "one")
    world.set("/t/gone", "one")
    process = world.start()
    world.wait_equal()
    process.signal(signal.SIGSTOP)
    world.set("/t/a", "two")
    world.run("del", "/t/gone")
    done = tools.run([tools.options.bench, "write", "--clients", "8", "--outstanding", "64",
                      "--requests", str(KEPT + 5000), "--warm-up", "0"], env=world.environment)
    check(done.returncode == 0, "more is written than is kept", done.stderr)
    done = world.run("log", "/t/**", "--from", "1", expect=4)
    check("the oldest that can be read is" in done.stderr, "log --from", done.stderr)
    check(world.run("log", "/t/**").stdout == "", "log begins with the oldest there is")
    process.signal(signal.SIGCONT)
    # The first changes may have waited in its socket, the rest not.
    wait_for("it says so", lambda: "walking again" in process.errors())
    world.wait_equal()
    world.set("/t/a", "three")
    world.wait_equal()
    process.kill()
    world.cluster.down()


if __name__ == "__main__":
    harness.run([test_follows, test_leaves_foreign_files_alone, test_killed_before_every_step,
                 test_a_thousand_files, test_walks_again_where_the_past_is_gone])
