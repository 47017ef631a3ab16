#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   whatever happened to the files of a server while it was down: it is mended from the
        others, or refused with a sentence that says what, where and how to mend it; never wrong.
Method: real processes over kernel UDP under recorded load; bytes changed, files cut, folders
        swapped, restored, wiped; lincheck, and every acknowledged file read back."""

import os
import random
import shutil

import folders
import harness
import stories
from cluster import Kernel, Recorder
from folders import change, data_of, verify
from harness import check, wait_for


def cluster_of(tools, *settings, segment_mb=8, count=3):
    cluster = Kernel(tools, count, durability="disk", relayed=False,
                     settings=["snapshot_mb = 0"] if not settings else settings)
    cluster.segment_mb = segment_mb
    return cluster.up()


def start_all(cluster):
    for number in cluster.nodes:
        cluster.start(number, wait=False)
    for number in cluster.nodes:
        cluster.wait_ready(number)


def is_refused(cluster, number, *mentions, more=()):
    """Its start ends by itself, with one sentence."""
    done = cluster.tools.run([cluster.tools.cofferd, "-c", cluster.nodes[number].config.name,
                              *more], cwd=cluster.folder, limit_s=30)
    check(done.returncode > 0, "the start is refused", done)
    lines = [line for line in done.stderr.splitlines() if line]
    check(len(lines) == 1, "one sentence", done.stderr)
    for text in (f"data{number}", *mentions):
        check(text in done.stderr, f"the sentence names {text}", done.stderr)


# --- the superblock, and whole folders -----------------------------------------------------------


def test_superblock(tools):
    cluster = cluster_of(tools)
    cluster.expected_errors = "event=failed"
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    victim = cluster.leader()
    path = data_of(cluster, victim) / "superblock"
    cluster.kill(victim)
    for copies in ((0, 1, 2), (1, 2, 3)):
        for copy in copies:
            change(path, copy * folders.BLOCK + 9)
        code, report = verify(cluster, victim)
        check(code == 1 and sum(report["superblock"]["copies_good"]) == 1, "one is whole", report)
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        cluster.kill(victim)
        check(all(verify(cluster, victim)[1]["superblock"]["copies_good"]), "mended")
    whole = path.read_bytes()
    for copy in range(4):
        change(path, copy * folders.BLOCK + 9)
    is_refused(cluster, victim, "none of its four copies is whole", "cofferctl member replace")
    path.write_bytes(b"")
    is_refused(cluster, victim, "none of its four copies is whole", "cofferctl member replace")
    path.unlink()
    is_refused(cluster, victim, "is not there", "--new-cluster")
    path.write_bytes(whole)
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    stories.end(cluster, recorder, "superblocks damaged", 0)
    cluster.down()


def test_folders_of_others_and_of_nobody(tools):
    cluster = cluster_of(tools)
    cluster.expected_errors = "event=failed"
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    victim, other = cluster.followers()[:2]
    cluster.kill(victim)
    own = folders.keep(cluster, victim, "own")
    folders.put_back(cluster, victim, data_of(cluster, other))
    is_refused(cluster, victim, f"belongs to server {other}")
    # The journal of another server under the own name.
    folders.put_back(cluster, victim, own)
    shutil.rmtree(data_of(cluster, victim) / "journal")
    shutil.copytree(data_of(cluster, other) / "journal", data_of(cluster, victim) / "journal")
    check(verify(cluster, victim)[0] == 1, "the journal of another is seen")
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    check(folders.aside(cluster, victim), "it is set aside")
    cluster.kill(victim)
    own = folders.keep(cluster, victim, "own")
    shutil.rmtree(data_of(cluster, victim))
    is_refused(cluster, victim, "cannot be opened")
    data_of(cluster, victim).mkdir()
    is_refused(cluster, victim, "is not there")
    folders.put_back(cluster, victim, own)
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    stories.end(cluster, recorder, "folders swapped and wiped", 0)
    cluster.down()


# --- an older copy -------------------------------------------------------------------------------


def roll_back(cluster, recorder, restarts):
    """The folder is put back as it was `restarts` starts before."""
    victim = cluster.followers()[0]
    cluster.kill(victim)
    copy = folders.keep(cluster, victim, "older")
    for _ in range(restarts):
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        recorder.wait_more(stories.WARM)
        cluster.kill(victim)
    if restarts == 0:  # a copy made while it lived would do as well
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        copy = folders.keep(cluster, victim, "older")
        recorder.wait_more(stories.WARM)
        cluster.kill(victim)
    folders.put_back(cluster, victim, copy)
    cluster.start(victim, wait=False)
    process = cluster.nodes[victim].process
    process.expected_end = True
    wait_for(f"the copy from {restarts} starts ago is found out",
             lambda: not process.is_running(), 20)
    check("older copy" in process.errors(), "it says so", process.errors())
    check(folders.aside(cluster, victim), "it is set aside")
    cluster.start(victim)
    cluster.wait_caught_up(victim)


def test_older_copies(tools):
    cluster = cluster_of(tools)
    cluster.expected_errors = "event=failed|event=rolled_back|event=ends"
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    for restarts in (0, 1, 2):
        roll_back(cluster, recorder, restarts)
    stories.end(cluster, recorder, "rolled back three times", 0)
    cluster.down()


def test_journal_put_back(tools):
    """An older journal beside the superblock that knows better; nobody else remembers."""
    cluster = Kernel(tools, 4, durability="disk", relayed=False, settings=["snapshot_mb = 0"])
    cluster.segment_mb = 8
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    cluster.expected_errors = "event=failed"
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    victim, other = cluster.followers()[:2]
    check(folders.noted(cluster, victim) == (1, [1, 2, 3]), "it is of the founders", victim)
    cluster.kill(victim)
    older = folders.keep(cluster, victim, "older") / "journal"
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    cluster.start(4)
    done = cluster.ctl(victim, "member", "replace", str(other), "4", limit_s=60)
    check(done.returncode == 0, "the members change", done.stderr)
    cluster.await_removed(other)
    cluster.members = [n for n in (1, 2, 3, 4) if n != other]
    for number in cluster.members:
        wait_for(f"server {number} notes the configuration",
                 lambda n=number: folders.noted(cluster, n) == (2, cluster.members))
    recorder.wait_more(stories.WARM)
    cluster.kill_all()
    code, report = verify(cluster, victim)
    check(code == 0 and report["superblock"]["configuration"] == 2 and
          report["superblock"]["voters"] == cluster.members and
          report["journal"]["configuration"] == 2, "verify tells the configuration", report)
    shutil.rmtree(data_of(cluster, victim) / "journal")
    shutil.copytree(older, data_of(cluster, victim) / "journal")
    code, report = verify(cluster, victim)
    check(code == 1 and report["journal"]["older"] and report["journal"]["corrupt"] == 0,
          "verify finds it older", report)
    for number in cluster.members:
        cluster.start(number, wait=False)
    for number in cluster.members:
        cluster.wait_caught_up(number)
    check("an older copy was put in its place" in cluster.log_text(victim), "it says so", victim)
    check(folders.aside(cluster, victim), "it is set aside")
    wait_for("it notes the configuration anew",
             lambda: folders.noted(cluster, victim) == (2, cluster.members))
    stories.end(cluster, recorder, "a journal put back", 0)
    cluster.down()


# --- the journal ---------------------------------------------------------------------------------


def rot(cluster, number, what):
    """Damages the journal of a server that is down. True if verify must call it damaged."""
    segment = folders.segments(cluster, number)[-1]
    frames, live = folders.frames_of(segment), folders.live_frames_of(segment)
    middle, last = live[len(live) // 2], frames[-1]
    if what == "first sector":
        change(segment, frames[0], folders.SECTOR)
        return None  # of a frame that may have held nothing
    elif what == "three in a row":
        at = len(live) // 3
        change(segment, live[at], live[at + 3] - live[at])
    elif what == "a bit of each frame":
        for at in frames:
            change(segment, at + 64)
    elif what == "zeros":
        with open(segment, "r+b") as file:
            file.seek(middle)
            file.write(bytes(folders.BLOCK))
    elif what == "an old block":  # a write that went elsewhere
        data = segment.read_bytes()
        with open(segment, "r+b") as file:
            file.seek(middle)
            file.write(data[frames[3]:frames[3] + folders.BLOCK])
    elif what == "torn tail":  # what a cut write leaves: its last sectors are blank
        with open(segment, "r+b") as file:
            file.seek(last + folders.BLOCK)
            file.write(bytes(folders.BLOCK))
        return None
    elif what == "garbage behind":
        with open(segment, "r+b") as file:
            file.seek(last + 64 * folders.BLOCK)
            file.write(random.Random(7).randbytes(3 * folders.BLOCK))
        return None
    elif what == "file cut":
        folders.cut(segment, last + 100)
    elif what == "whole file":
        change(segment, 0, segment.stat().st_size)
    return True


ROTS = ("first sector", "three in a row", "a bit of each frame", "zeros", "an old block",
        "garbage behind", "file cut", "whole file")


def test_journals_rot(tools):
    cluster = cluster_of(tools)
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    for turn, what in enumerate(ROTS):
        victim = turn % 3 + 1
        folders.kill_with_entries(cluster, recorder, [victim])
        code, report = verify(cluster, victim)
        check(code == 0, "what rotted before is mended", report)
        sure = rot(cluster, victim, what)
        code, report = verify(cluster, victim)
        check(code == 1 or not sure, f"{what}: is seen", report)
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        recorder.wait_more(stories.WARM)
    stories.end(cluster, recorder, f"{len(ROTS)} kinds of rot", 0)
    cluster.down()


def test_helix(tools):
    """All are down, each is damaged elsewhere: together they have everything."""
    cluster = cluster_of(tools)
    recorder = Recorder(cluster)
    recorder.wait_more(4 * stories.WARM)
    folders.kill_with_entries(cluster, recorder, cluster.nodes)
    for number in cluster.nodes:
        segment = folders.segments(cluster, number)[-1]
        live = folders.live_frames_of(segment)
        for at in live[len(live) * number // 4:][:6:3]:
            change(segment, at + 30)
        code, report = verify(cluster, number)
        check(code == 1 and report["journal"]["corrupt"] > 0 and
              not report["journal"]["mended"], "damaged", report)
    start_all(cluster)
    recorder.wait_more(stories.MORE, "writes go on with each server damaged elsewhere")
    for number in cluster.nodes:
        cluster.wait_caught_up(number)
        check(not folders.aside(cluster, number), "nothing was set aside")
        check("event=repaired" in cluster.log_text(number), "it was repaired",
              cluster.log_text(number)[-2000:])
    victim = cluster.followers()[0]
    cluster.kill(victim)
    code, report = verify(cluster, victim)
    check(code == 0 and report["journal"]["corrupt"] > 0 and report["journal"]["mended"],
          "mended, and verify says so", report)
    done = tools.run([tools.cofferctl, "verify", data_of(cluster, victim)])
    check("mended: all that the corrupt frames held stands elsewhere" in done.stdout, "in words",
          done)
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    stories.end(cluster, recorder, "each server damaged elsewhere", 0)
    cluster.down()


# --- snapshots -----------------------------------------------------------------------------------

SNAPSHOTS = ("snapshot_mb = 1", "log_mb = 8", "log_entries = 1024")


def wait_forgotten(cluster, recorder, number, more=1):
    """Load until the server has forgotten journal behind `more` new snapshots."""
    before = cluster.status(number)["events"]["forgot"]

    def is_done():
        return cluster.status(number)["events"]["forgot"] >= before + more

    wait_for(f"server {number} forgets", is_done)
    recorder.wait_more(20)


def test_snapshots_under_load(tools):
    """All are killed while snapshots are cut; then one is away for longer than logs reach."""
    cluster = cluster_of(tools, *SNAPSHOTS, segment_mb=2)
    recorder = Recorder(cluster)
    for _ in range(8 if tools.all else 2):
        for number in cluster.nodes:
            wait_forgotten(cluster, recorder, number)
        cluster.kill_all()
        for number in cluster.nodes:
            code, report = verify(cluster, number)
            check(code == 0 and report["journal"]["needed_from"] > 1 and report["snapshots"],
                  "it stands on a snapshot", report)
        start_all(cluster)
        recorder.wait_more(stories.WARM)
    victim = cluster.followers()[0]
    length = cluster.status(victim)["length"]
    cluster.kill(victim)
    leader = cluster.leader()
    wait_for("the log begins behind what it had",
             lambda: cluster.status(leader)["log_start"] > length + 10)
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    check(cluster.status(victim)["events"]["snapshot_in"] > 0, "it got a snapshot")
    stories.end(cluster, recorder, "killed while snapshots were cut", 0)
    cluster.down()


def test_snapshot_files_rot(tools):
    cluster = cluster_of(tools, *SNAPSHOTS, segment_mb=2)
    recorder = Recorder(cluster)
    for turn, what in enumerate(("flip", "cut", "gone")):
        victim = turn % 3 + 1
        wait_forgotten(cluster, recorder, victim, 2)
        cluster.kill(victim)
        for path in folders.snapshots(cluster, victim):
            if what == "flip":
                change(path, path.stat().st_size // 2)
            elif what == "cut":
                folders.cut(path, path.stat().st_size - 1)
            else:
                path.unlink()
        code, report = verify(cluster, victim)
        check(code == 1 and not report["good"], f"snapshot {what}: is seen", report)
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        check(folders.aside(cluster, victim), "what could not be mended in place is set aside")
    stories.end(cluster, recorder, "snapshot files rot", 0)
    cluster.down()


# --- chance --------------------------------------------------------------------------------------


def test_bytes_by_chance(tools):
    """Some bytes anywhere, in any file of one server; again and again."""
    if not tools.all:
        raise harness.Skip("only with --all")
    chance = random.Random(os.environ.get("COFFER_TEST_SEED", 1))
    cluster = cluster_of(tools, *SNAPSHOTS, segment_mb=2)
    cluster.expected_errors = "event=failed|event=ends"
    recorder = Recorder(cluster)
    for _ in range(60):
        recorder.wait_more(stories.WARM)
        victim = chance.choice(list(cluster.nodes))
        cluster.kill(victim)
        whole = (data_of(cluster, victim) / "superblock").read_bytes()
        files = [p for p in data_of(cluster, victim).rglob("*")
                 if p.is_file() and p.stat().st_size > 0 and "damaged" not in str(p)]
        for _ in range(chance.choice((1, 3, 30))):
            path = chance.choice(files)
            size = min(chance.choice((1, 100, 5000)), path.stat().st_size)
            change(path, chance.randrange(path.stat().st_size - size + 1), size)
        superblock = data_of(cluster, victim) / "superblock"
        if verify(cluster, victim)[1] is None:
            is_refused(cluster, victim, "cofferctl member replace")
            superblock.write_bytes(whole)
        cluster.start(victim, wait=False)
        process = cluster.nodes[victim].process
        process.expected_end = True
        wait_for("it is level, or says why not", lambda: not process.is_running() or
                 (cluster.status(victim) or {}).get("role") in ("follower", "leader"))
        if not process.is_running():
            cluster.start(victim)
        process.expected_end = False
        cluster.wait_caught_up(victim)
    stories.end(cluster, recorder, "bytes by chance", 0)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_superblock, test_folders_of_others_and_of_nobody, test_older_copies,
                 test_journal_put_back,
                 test_journals_rot, test_helix, test_snapshots_under_load,
                 test_snapshot_files_rot, test_bytes_by_chance])
