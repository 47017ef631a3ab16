#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   deploy/examples do what they say.
Method: nginx of the machine, configured by files of a cluster; services that register, and die."""

import os
import pathlib
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import harness
from cluster import Kernel
from harness import Process, Skip, check, wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples"
CONFIG = """
daemon off;
pid nginx.pid;
error_log nginx.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp;
  uwsgi_temp_path temp; scgi_temp_path temp;
  server {{ listen {address}; include {folder}/*.conf; }}
}}
"""


class World:
    def __init__(self, tools):
        self.tools = tools
        self.cluster = Kernel(tools, 3, relayed=False).up()
        self.folder = self.cluster.folder
        path = f"{tools.coffer.parent}:{os.environ.get('PATH', '')}:/usr/sbin"
        self.environment = {**self.cluster.environment(), "PATH": path}

    def run(self, program, *arguments, expect=0):
        done = self.tools.run([program, *map(str, arguments)], env=self.environment,
                              stdin=subprocess.DEVNULL)
        check(done.returncode == expect, f"{program} {arguments}", done.returncode, done.stderr)
        return done.stdout

    def start(self, name, *arguments):
        return Process(self.tools, name, arguments, self.folder, environment=self.environment)


def page(address, path):
    """What is served, or None."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.read()
    except (OSError, urllib.error.HTTPError):
        return None


def test_nginx(tools):
    """A changed file is served; a bad one is told, and what was good goes on."""
    if shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        raise Skip("nginx is not installed (deploy/dependencies long)")
    world = World(tools)
    address = f"{world.cluster.net}.200:8080"
    (world.folder / "nginx.conf").write_text(
        CONFIG.format(address=address, folder=world.folder / "sites"))
    options = ("-p", str(world.folder), "-c", str(world.folder / "nginx.conf"))
    place = 'location /%s { return 200 "%s"; }'
    world.run("coffer", "set", "/nginx/a.conf", place % ("a", "one"))
    world.run("coffer", "sync", world.folder / "sites", "/nginx/*.conf", "--once")
    nginx = world.start("nginx", "nginx", *options)
    wait_for("nginx serves", lambda: page(address, "/a") == b"one")
    sync = world.start("sync", EXAMPLES / "nginx-from-coffer", world.folder / "sites",
                       "/nginx/*.conf", *options)
    world.run("coffer", "set", "/nginx/a.conf", place % ("a", "two"))
    wait_for("the change is served", lambda: page(address, "/a") == b"two")
    world.run("coffer", "set", "/nginx/b.conf", "no such word;")
    wait_for("what is wrong is told", lambda: "no such word" in sync.errors() or
             'unknown directive "no"' in sync.errors())
    # Workers of before may answer for a moment yet.
    wait_for("what was good goes on", lambda: page(address, "/a") == b"two")
    world.run("coffer", "set", "/nginx/b.conf", place % ("b", "three"))
    wait_for("it is mended", lambda: page(address, "/b") == b"three")
    world.run("coffer", "del", "/nginx/a.conf")
    wait_for("what is removed goes", lambda: page(address, "/a") is None)
    wait_for("the rest stays", lambda: page(address, "/b") == b"three")
    sync.kill()
    nginx.signal(signal.SIGTERM)
    check(nginx.wait() == 0, "nginx ends", nginx.errors())
    world.cluster.down()


def test_naming(tools):
    """Who registered is found; who ended is not; who died is not for long."""
    world = World(tools)
    world.environment["TTL"] = "1s"
    register = str(EXAMPLES / "register")

    def living():
        return world.run(EXAMPLES / "living", "web").split()

    first = world.start("first", register, "web", "one", "10.0.0.1:80")
    other = world.start("other", register, "web", "two", "10.0.0.2:80", "sleep", "1000")
    wait_for("both are found", lambda: living() == ["10.0.0.1:80", "10.0.0.2:80"])
    world.run(register, "web", "one", "10.0.0.3:80", "true", expect=1)
    other.signal(signal.SIGTERM)
    check(other.wait() == 128 + signal.SIGTERM and living() == ["10.0.0.1:80"],
          "who ends is gone at once", living())
    first.kill()
    wait_for("who died is gone after a while", lambda: living() == [])
    second = world.start("second", register, "web", "one", "10.0.0.3:80", "sleep", "1000")
    wait_for("the ID is taken over", lambda: living() == ["10.0.0.3:80"])
    session = world.run("coffer", "stat", "/services/web/one").split()[-1]
    world.run("coffer", "session", "kill", session)
    check(second.wait() == 6 and living() == [], "who lost it ends", second.errors())
    check(world.run(register, "web", "one", "10.0.0.4:80", "echo", "it", "runs") == "it runs\n",
          "its command")
    world.cluster.down()


if __name__ == "__main__":
    harness.run([test_naming, test_nginx])
