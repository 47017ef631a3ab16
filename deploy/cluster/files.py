# SPDX-License-Identifier: Apache-2.0
"""files.py - the build, and the folders and configuration of the servers"""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

import base
from base import Failure, numbers, run, save, say
from host import CLIENT_PORT, MEMORY_MB, NETWORK, kernel_host

PROGRAMS = ("cofferd", "coffer", "cofferctl", "coffer-bench")
PORT_BASES = range(8101, 9101, 10)
WEB_PORT_OFFSET = 1000  # from a server's UDP port to the TCP port of its page


def build():
    """Makes the release build (or takes COFFER_LOCAL_BUILD as it is). Returns {program: path}."""
    given = os.environ.get("COFFER_LOCAL_BUILD")
    folder = os.path.abspath(given) if given else os.path.join(base.ROOT, "build", "release")
    if not given:
        make(folder)
    targets = json.loads(run("meson", "introspect", folder, "--targets").stdout)
    return {target["name"]: target["filename"][0] for target in targets
            if target["name"] in PROGRAMS and target["type"] == "executable"}


def make(folder):
    log = os.path.join(base.STATE, "build.log")
    commands = []
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        shutil.rmtree(folder, ignore_errors=True)
        commands.append(["meson", "setup", folder, base.ROOT, "--buildtype=release",
                         "-Ddebug=true"])
    commands.append(["meson", "compile", "-C", folder,
                     *(f"{name}:executable" for name in PROGRAMS)])
    begin = time.monotonic()
    say("build: release, in build/release")
    with open(log, "wb") as file:
        for command in commands:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                  check=False)
            if done.returncode != 0:
                with open(log, encoding="utf-8", errors="replace") as text:
                    tail = "".join(text.readlines()[-20:])
                raise Failure(f"{' '.join(command)} failed:\n{tail}all of it: {log}")
    say(f"build: done in {time.monotonic() - begin:.0f} s")


def is_free(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind((address, port))
        except OSError:
            return False
    return True


def is_free_tcp(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, port))
        except OSError:
            return False
    return True


def gateway_of(cluster, number):
    """Where a server speaks Doozer's protocol."""
    if cluster["transport"] == "veth":
        return f"{kernel_host(number)}:{CLIENT_PORT}"
    return cluster["addresses"][str(number)]


def web_of(cluster, number):
    """Address of a server's page."""
    host, port = gateway_of(cluster, number).split(":")
    return f"{host}:{int(port) + WEB_PORT_OFFSET}"


def choose_addresses(cluster):
    if cluster["transport"] == "veth":
        return
    for base in PORT_BASES:
        if all(is_free("127.0.0.1", base + number - 1)
               and is_free_tcp("127.0.0.1", base + number - 1 + WEB_PORT_OFFSET)
               for number in numbers(cluster)):
            break
    else:
        raise Failure("no free ports on 127.0.0.1: UDP from 8101 on, TCP from 9101 on")
    if base != PORT_BASES[0]:
        say(f"ports: 8101 ... are taken by somebody else; using {base} ...")
    cluster["addresses"] = {str(number): f"127.0.0.1:{base + number - 1}"
                            for number in numbers(cluster)}


def ports_of(cluster, number):
    """The lines port.N of a server."""
    lines = []
    if cluster["transport"] == "shm":
        for peer in numbers(cluster):
            if peer != number:
                low, high = min(number, peer), max(number, peer)
                side = "first" if number == low else "second"
                lines.append(f"link links/link-{low}-{high} {side} peer {peer}")
        lines.append(f"link links/bench-{number} first clients")
    elif cluster["transport"] == "veth":
        lines.append(f"ethdev net_{cluster['pmd']}0,iface=veth1 address {NETWORK}{number}/24")
    return [f"port.{place} = {line}" for place, line in enumerate(lines, 1)]


def config_text(cluster, number):
    dpdk = cluster["transport"] != "kernel"
    lines = [
        "# Written by deploy/local. Paths are relative to build/local, where the server runs.",
        f"cluster = {cluster['id']}",
        f"node = {number}",
    ]
    lines += [f"server.{other} = {cluster['addresses'][str(other)]}" for other in numbers(cluster)]
    founders = range(1, cluster["servers"] + 1)
    lines.append("members = " + " ".join(str(founder) for founder in founders))
    listen = "none" if cluster["transport"] == "veth" else cluster["addresses"][str(number)]
    lines += [
        f"data = server-{number}/data",
        f"management = server-{number}/control.sock",
        "log = stderr",
        f"transport = {'dpdk' if dpdk else 'kernel'}",
        f"durability = {cluster['durability']}",
        "segment_mb = 16",
        f"listen = {listen}",
        f"gateway = {gateway_of(cluster, number)}",
        f"web = {web_of(cluster, number)}",
        "web_edit = yes",
    ]
    if dpdk:
        lines += [f"no_huge = {'yes' if cluster['no_huge'] else 'no'}", f"memory_mb = {MEMORY_MB}"]
    return "\n".join(lines + ports_of(cluster, number)) + "\n"


def make_folders(cluster):
    for number in numbers(cluster):
        os.makedirs(base.folder_of(number), mode=0o700, exist_ok=True)
        with open(base.config_of(number), "w", encoding="utf-8") as file:
            file.write(config_text(cluster, number))
    links = os.path.join(base.STATE, "links")
    if cluster["transport"] == "shm" and not os.path.isdir(links):
        if os.path.islink(links):
            os.unlink(links)  # what it led to went with a restart of the machine
        if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK):
            # On a disk the kernel would write the rings back now and then.
            cluster["links"] = tempfile.mkdtemp(prefix="coffer-", dir="/dev/shm")
            save(cluster)
            os.symlink(cluster["links"], links)
        else:
            os.mkdir(links, 0o700)
