# SPDX-License-Identifier: Apache-2.0
"""folders - data folders of servers that are down: looked at, kept, put back, damaged"""

import os
import shutil
import struct

from harness import Failed, check, parse_json

SECTOR = 512
BLOCK = 4096
FRAME = b"CFJF"  # what the first sector of a frame begins with
FRAMES_MIN, MORE = 20, 150
COUNT, LENGTH = 28, 112  # in it: records; length of the log behind them, then decided, then low


def data_of(cluster, number):
    return cluster.folder / f"data{number}"


def verify(cluster, number):
    """What cofferctl says of the folder of a server that is down: exit code and report, or None."""
    done = cluster.tools.run([cluster.tools.cofferctl, "verify", data_of(cluster, number), "-o",
                              "json"], cwd=cluster.folder)
    return done.returncode, parse_json(done.stdout, "the report") if done.stdout else None


def noted(cluster, number):
    """What the first copy of its superblock says: the configuration, and who votes in it."""
    text = (data_of(cluster, number) / "superblock").read_bytes()
    configuration, voters = struct.unpack_from("<II", text, 40)
    return configuration, [node + 1 for node in range(32) if voters >> node & 1]


def keep(cluster, number, name):
    """A copy of the folder of a server, to be put back."""
    copy = cluster.folder / f"{name}{number}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(data_of(cluster, number), copy, symlinks=True)
    return copy


def put_back(cluster, number, copy):
    shutil.rmtree(data_of(cluster, number))
    shutil.copytree(copy, data_of(cluster, number), symlinks=True)


def change(path, offset, size=1):
    """Every byte of a part is another one."""
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(size)
        check(len(old) == size, "there is something to damage", path, offset, size)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5a for byte in old))


def segments(cluster, number):
    """Those with frames in them, lowest first."""
    folder = data_of(cluster, number) / "journal"
    return [path for path in sorted(folder.iterdir()) if frames_of(path)]


def frames_of(segment):
    """Offsets of the blocks that begin a frame."""
    text = segment.read_bytes()
    return [at for at in range(0, len(text), BLOCK) if text[at:at + 4] == FRAME]


def live_frames_of(segment):
    """Those with entries that no later frame writes again: damaged, they are missed."""
    text = segment.read_bytes()
    heads = [(at, *struct.unpack_from("<Q8xQ", text, at + LENGTH)) for at in frames_of(segment)
             if struct.unpack_from("<I", text, at + COUNT)[0] != 0]
    live = []
    stands = heads[-1][1] if heads else 0  # up to here the log is as it was before all later frames
    for (_, former, _), (at, length, low) in reversed(list(zip(heads, heads[1:]))):
        if former < length <= stands:
            live.append(at)
        stands = min(stands, low)
    return live[::-1]


def kill_with_entries(cluster, recorder, numbers):
    """
    Kills them, with live frames in the last segment of each. There are few right behind the begin
    of a segment, or a change of the leader; then all go on for a while.
    """
    for _ in range(10):
        for number in numbers:
            cluster.kill(number)
        if all(len(live_frames_of(segments(cluster, n)[-1])) > FRAMES_MIN for n in numbers):
            return
        for number in numbers:
            cluster.start(number, wait=False)
        for number in numbers:
            cluster.wait_caught_up(number)
        recorder.wait_more(MORE)
    raise Failed("there are never enough frames")


def snapshots(cluster, number):
    return sorted(data_of(cluster, number).glob("snapshot-*"))


def aside(cluster, number):
    """What was set aside as damaged."""
    return sorted(data_of(cluster, number).glob("damaged-*"))


def cut(path, size):
    os.truncate(path, size)
