# SPDX-License-Identifier: Apache-2.0
"""Three members of etcd on loopback, with default settings, for bench/compare."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

MEMBERS = 3
START_SECONDS = 30
# (connections, streams on each, "leader" or "all"): what has been seen to be best somewhere.
SHAPES = [(1, 1, "leader"), (8, 125, "leader"), (100, 10, "leader"), (100, 10, "all"),
          (1000, 1, "all")]


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def told_by(program, *words, limit_s=600):
    """The report of a program that asks."""
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True,
                          timeout=limit_s, check=False)
    if done.returncode != 0:
        raise Failure(f"{os.path.basename(program)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def end_all(processes, folder):
    for process in processes:
        process.terminate()
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)


class Etcd:
    """Members are ours: started here, ended here, by their own Popen."""

    def __init__(self, folder):
        self.folder = folder
        self.client_ports = [free_port() for _ in range(MEMBERS)]
        self.peer_ports = [free_port() for _ in range(MEMBERS)]
        self.members = []

    def start(self):
        if shutil.which("etcd") is None:
            raise Failure("there is no etcd: deploy/dependencies compare installs it")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        cluster = ",".join(f"m{i}=http://127.0.0.1:{port}"
                           for i, port in enumerate(self.peer_ports))
        for i in range(MEMBERS):
            client = f"http://127.0.0.1:{self.client_ports[i]}"
            peer = f"http://127.0.0.1:{self.peer_ports[i]}"
            with open(os.path.join(self.folder, f"m{i}.log"), "wb") as log:
                self.members.append(subprocess.Popen(
                    ["etcd", "--name", f"m{i}", "--data-dir", os.path.join(self.folder, f"m{i}"),
                     "--listen-client-urls", client, "--advertise-client-urls", client,
                     "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                     "--initial-cluster", cluster, "--initial-cluster-state", "new",
                     "--initial-cluster-token", f"bench-{os.getpid()}"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        self.wait()

    def ask(self, *words):
        ends = ",".join(f"127.0.0.1:{port}" for port in self.client_ports)
        environment = dict(os.environ, ETCDCTL_API="3")
        done = subprocess.run(["etcdctl", "--endpoints", ends, *words], capture_output=True,
                              text=True, timeout=20, env=environment, check=False)
        return done.stdout if done.returncode == 0 else None

    def wait(self):
        end = time.monotonic() + START_SECONDS
        while self.ask("put", "/bench/ready", "1") is None:
            if time.monotonic() > end or any(member.poll() is not None for member in self.members):
                raise Failure(f"etcd did not start; see {self.folder}/m0.log")

    def leader_port(self):
        for one in json.loads(self.ask("endpoint", "status", "-w", "json") or "[]"):
            status = one["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return int(one["Endpoint"].rsplit(":", 1)[1])
        raise Failure("etcd has no leader")

    def stop(self):
        end_all(self.members, self.folder)
        self.members = []


def measure_locks(program, folder, seconds, deaths):
    """What etcd-lock tells of members of its own, asked at the leader."""
    etcd = Etcd(folder)
    try:
        etcd.start()
        return told_by(program, "--port", etcd.leader_port(), "--seconds", seconds, "--deaths",
                       deaths) | {"durability": "disk"}
    finally:
        etcd.stop()


def measure(program, folder, seconds, value_size, say):
    """The report of each shape; the first is one client, the best of the others is "best"."""
    etcd = Etcd(folder)
    runs = []
    try:
        etcd.start()
        version = subprocess.run(["etcd", "--version"], capture_output=True, text=True,
                                 check=False).stdout.split("\n")[0]
        for connections, streams, where in SHAPES:
            ports = [etcd.leader_port()] if where == "leader" else etcd.client_ports
            told = told_by(program, "--ports", ",".join(map(str, ports)), "--connections",
                           connections, "--streams", streams, "--seconds", seconds,
                           "--value-size", value_size, limit_s=seconds * 3 + 60)
            runs.append(told | {"asked": where})
            say(f"etcd: {connections} connections x {streams} to {where}: "
                f"{runs[-1]['throughput_per_s']:.0f} writes/s, "
                f"p50 {runs[-1]['latency']['p50_us'] / 1000:.2f} ms, "
                f"{runs[-1]['errors']} errors")
    finally:
        etcd.stop()
    return {"version": version, "durability": "disk", "members": MEMBERS, "one_client": runs[0],
            "best": max(runs[1:], key=lambda run: run["throughput_per_s"]), "runs": runs}
