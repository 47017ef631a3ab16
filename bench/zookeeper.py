# SPDX-License-Identifier: Apache-2.0
"""Three servers of ZooKeeper on loopback, with default settings, for bench/compare."""

import os
import shutil
import socket
import subprocess
import time

from etcd import Failure, end_all, free_port, told_by

SERVERS = 3
START_SECONDS = 60
JAR = "/usr/share/java/zookeeper.jar"  # of Debian's package; it names what it needs itself
# Those of the package's zoo.cfg; no page for operators, as three could not have the same port.
SETTINGS = "tickTime=2000\ninitLimit=10\nsyncLimit=5\nadmin.enableServer=false\n"


class Zookeeper:
    """Servers are ours: started here, ended here, by their own Popen."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = [free_port() for _ in range(SERVERS)]
        self.servers = []

    def start(self):
        if shutil.which("java") is None or not os.path.exists(JAR):
            raise Failure("there is no ZooKeeper: deploy/dependencies compare installs it")
        shutil.rmtree(self.folder, ignore_errors=True)
        peers = "".join(f"server.{i + 1}=127.0.0.1:{free_port()}:{free_port()}\n"
                        for i in range(SERVERS))
        for i in range(SERVERS):
            data = os.path.join(self.folder, f"z{i}")
            os.makedirs(data)
            with open(os.path.join(data, "myid"), "w", encoding="utf-8") as file:
                file.write(f"{i + 1}\n")
            config = os.path.join(self.folder, f"z{i}.cfg")
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"{SETTINGS}dataDir={data}\nclientPort={self.ports[i]}\n{peers}")
            with open(os.path.join(self.folder, f"z{i}.log"), "wb") as log:
                self.servers.append(subprocess.Popen(
                    ["java", "-cp", JAR, "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                     config], stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def said(self, port):
        """Version and mode of a server, or nothing."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as one:
                one.sendall(b"srvr")
                text = b"".join(iter(lambda: one.recv(4096), b"")).decode()
        except OSError:
            return {}
        return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)

    def leader(self):
        """(port, version), when there is one."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for port in self.ports:
                said = self.said(port)
                if said.get("Mode") == "leader":
                    return port, said["Zookeeper version"].split("-")[0]
            if any(server.poll() is not None for server in self.servers):
                break
            time.sleep(0.1)
        raise Failure(f"ZooKeeper did not start; see {self.folder}/z0.log")

    def stop(self):
        end_all(self.servers, self.folder)
        self.servers = []


def measure_locks(program, folder, seconds, deaths):
    """What zookeeper-lock tells, asked at the leader."""
    zookeeper = Zookeeper(folder)
    try:
        zookeeper.start()
        port, version = zookeeper.leader()
        return told_by(program, "--servers", f"127.0.0.1:{port}", "--seconds", seconds, "--deaths",
                       deaths) | {"version": version, "durability": "disk"}
    finally:
        zookeeper.stop()
