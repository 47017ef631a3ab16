# SPDX-License-Identifier: Apache-2.0
"""devices - a block device for each server, so that none waits for another's flush

    memory   zram: a write is done, and durable as far as such a device can be, when it is asked
    loop     loop over a file in memory (/dev/shm): with a queue and kernel threads of its own
    file     loop over a file on the disk that the state is on, past its cache, and told to be
             write-through: no flush, as of a disk whose cache outlives a loss of power

Each has an ext4. Needs root; all of it is taken away again.
"""
import contextlib
import os
import subprocess

KINDS = ("memory", "loop", "file")
SIZE_MIB = 640  # journal and snapshots of what compare writes without --fill


class Failure(Exception):
    """A sentence for a person."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout.strip()


def write(path, text):
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error


def make_zram(stack, size_mib):
    control = "/sys/class/zram-control"
    try:
        with open(f"{control}/hot_add", encoding="ascii") as file:
            number = file.read().strip()
    except OSError as error:
        raise Failure(f"{control}: {error.strerror}; this kernel has no zram, or we are not"
                      " root") from error
    stack.callback(write, f"{control}/hot_remove", number)
    write(f"/sys/block/zram{number}/disksize", f"{size_mib}M")
    return f"/dev/zram{number}"


def make_loop(stack, path, size_mib, is_direct):
    stack.callback(os.unlink, path)
    run("fallocate", "--length", f"{size_mib}MiB", path)
    if is_direct:  # what was never written would be slower
        run("dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={size_mib}", "oflag=direct",
            "conv=notrunc")
    device = run("losetup", "--find", "--show", f"--direct-io={'on' if is_direct else 'off'}", path)
    stack.callback(run, "losetup", "--detach", device)
    if is_direct:
        write(f"/sys/block/{os.path.basename(device)}/queue/write_cache", "write through")
    return device


@contextlib.contextmanager
def devices(kind, count, state, size_mib=SIZE_MIB):
    """Folders on so many devices, mounted under `state` (absolute), which is not there yet."""
    with contextlib.ExitStack() as stack:
        folders = []
        os.makedirs(state)
        stack.callback(os.rmdir, state)
        for number in range(1, count + 1):
            if kind == "memory":
                device = make_zram(stack, size_mib)
            elif kind == "loop":
                device = make_loop(stack, f"/dev/shm/coffer-device-{os.getpid()}-{number}",
                                   size_mib, False)
            else:
                device = make_loop(stack, os.path.join(state, f"device-{number}.image"),
                                   size_mib, True)
            run("mkfs.ext4", "-q", device)
            folder = os.path.join(state, f"device-{number}")
            os.mkdir(folder, 0o700)
            stack.callback(os.rmdir, folder)
            run("mount", device, folder)
            stack.callback(run, "umount", folder)
            folders.append(folder)
        yield folders
