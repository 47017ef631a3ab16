# SPDX-License-Identifier: Apache-2.0
"""
Goal:   a person sees the tree as it is, within a second, changes it only as it was shown, and is
        told when what is shown is not the present; and nobody else gets in.
Method: three real servers; page.js drives a real Chromium through the page, the command line
        changes the files, and servers are killed under it. What no browser would send is sent by
        hand.
"""

import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

import harness  # noqa: E402
from cluster import Kernel  # noqa: E402
from harness import Process, Skip, check, parse_json, wait_for  # noqa: E402

PORT = 8000
MANY = 100_000
NODES_MAX = 2500  # elements of the page, whatever the number of files
IDLE = 1000
INSTALL_LIMIT_S = 60


class Served(Kernel):
    """Three servers, each with its page."""

    def __init__(self, tools, edit=True, **secrets):
        self.edit = edit
        self.secrets = {key: tools.folder / key for key in secrets}
        super().__init__(tools, 3, [f"{key} = {path}" for key, path in self.secrets.items()],
                         relayed=False)
        for key, secret in secrets.items():
            self.tell(key, secret)
        self.writes_with = secrets.get("rw_secret")

    def tell(self, key, secret):
        self.secrets[key].write_text(secret + "\n")

    def environment(self):
        known = {} if self.writes_with is None else {"COFFER_SECRET": self.writes_with}
        return {**super().environment(), **known}

    def server_lines(self, number):
        return [*super().server_lines(number), f"web = {self.net}.{number}:{PORT}",
                f"web_edit = {'yes' if self.edit else 'no'}"]

    def url(self, number):
        return f"http://{self.net}.{number}:{PORT}/"

    def run(self, *arguments):
        done = self.coffer(*arguments)
        check(done.returncode == 0, f"coffer {arguments}", done.stderr)
        return done.stdout.strip()

    def own_files(self):
        """How many there are under /ctl."""
        return len(self.run("find", "/ctl/**").splitlines())

    def set(self, path, value):
        """The new revision."""
        return int(self.run("set", path, value))


def find_chromium():
    for name in ("chromium", "chromium-browser"):
        if path := shutil.which(name):
            return path
    raise Skip("needs chromium (deploy/dependencies test)")


def find_playwright(tools):
    """The folder whose node_modules has playwright-core; fetched once for a build directory."""
    folder = pathlib.Path(tools.options.folder).absolute() / "npm"
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]["playwright-core"]
    package = folder / "node_modules" / "playwright-core" / "package.json"
    if package.exists() and json.loads(package.read_text())["version"] == wanted:
        return folder
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Skip("needs nodejs and npm (deploy/dependencies test)")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", folder)
    try:
        done = tools.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
                         INSTALL_LIMIT_S, cwd=folder)
    except subprocess.TimeoutExpired:
        raise Skip("needs playwright-core, and npm does not answer") from None
    if done.returncode != 0:
        raise Skip(f"needs playwright-core, and npm cannot fetch it: {done.stderr[-300:]}")
    return folder


class Browser:
    def __init__(self, tools):
        chromium = find_chromium()
        modules = find_playwright(tools) / "node_modules"
        environment = {**os.environ, "NODE_PATH": str(modules)}
        self.pictures = os.environ.get("COFFER_PICTURES")  # a folder, for a person's eye
        self.process = Process(tools, "page", ["node", HERE / "page.js"], tools.folder, talks=True,
                               environment=environment)
        self.do("start", chromium=chromium)

    def do(self, step, **more):
        answer = parse_json(self.process.ask(json.dumps({"do": step, **more})), step)
        check(answer["ok"], step, answer.get("why"))
        return answer

    def picture(self, name):
        if self.pictures:
            self.do("picture", file=os.path.join(self.pictures, f"{name}.png"))

    def end(self):
        self.do("end")
        self.process.end()


def make_some(cluster):
    """A tree like one that people have. Returns two revisions."""
    cluster.set("/service/web/1/address", "10.0.0.11:80")
    cluster.set("/service/web/2/address", "10.0.0.12:80")
    cluster.set("/service/db/primary", "10.0.0.21:5432")
    workers = cluster.set("/config/nginx/workers", "4")
    cluster.set("/config/nginx/motd", "one\ntwo\nthree")
    cluster.set("/lock/backup", "host-7 1732612345")
    return workers, cluster.set("/motd", "hello")


def fetch(host, path, *headers, method="GET", limit_s=10):
    """(status, head, body) of one request by hand."""
    text = "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""])
    with socket.create_connection((host, PORT), limit_s) as connection:
        connection.sendall(text.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, head.decode("latin-1").lower(), body.decode()


def upgrade(host, *headers, path="/watch", protocol="coffer-watch"):
    """Asks for a WebSocket. Returns (status, connection)."""
    lines = [f"GET {path} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Protocol: {protocol}", *headers, "", ""]
    connection = socket.create_connection((host, PORT), 10)
    connection.sendall("\r\n".join(lines).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        try:
            piece = connection.recv(1)
        except ConnectionError:
            piece = b""
        if not piece:
            break
        head += piece
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, connection


def frame(payload, opcode=1, claimed=None):
    """A masked frame, whose head may claim another size."""
    size = len(payload) if claimed is None else claimed
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + bytes(4) + payload


def is_hung_up(connection):
    connection.settimeout(20)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_http(tools):
    cluster = Served(tools)
    cluster.up()
    leader = cluster.leader()
    for number in cluster.nodes:
        host = cluster.client_address(number)[0]
        name = f"Host: {host}:{PORT}"
        status, head, body = fetch(host, "/", name)
        check(status == 200 and "<!doctype html>" in body, "the page", status, head)
        check("content-security-policy: default-src 'none'" in head, "no policy", head)
        check("http://" not in body.replace("http://www.w3.org/", ""), "it asks others")
        wait_for("healthy", lambda host=host, name=name: fetch(host, "/health", name)[0] == 200)
        status, _, body = fetch(host, "/metrics", name)
        check(status == 200 and f"coffer_leads {int(number == leader)}\n" in body, "metrics", body)
        check('coffer_drops_total{reason="bad_crc"} 0' in body, "no drops", body)
        told = parse_json(fetch(host, "/status.json", name)[2], "status")
        check(told["node"] == number and told["leaders"][-1]["leader"] == leader, "status", told)
        check(told["cluster"] == cluster.id, "cluster", told)
        check(fetch(host, "/nowhere", name)[0] == 404, "a path that is not there")
        check(fetch(host, "/", name, method="POST")[0] == 405, "only GET")
        check(fetch(host, "/status.json", "Host: evil.example")[0] == 403, "another name")
    followers = [n for n in cluster.nodes if n != leader]
    for number in followers:
        cluster.stop(number)
    host = cluster.client_address(leader)[0]
    wait_for("ill without a majority",
             lambda: fetch(host, "/health", f"Host: {host}:{PORT}")[0] == 503)
    for number in followers:
        cluster.go_on(number)
    wait_for("healthy again", lambda: fetch(host, "/health", f"Host: {host}:{PORT}")[0] == 200)
    cluster.down()


def test_port_in_use(tools):
    cluster = Served(tools)
    with socket.socket() as other:
        other.bind((cluster.client_address(1)[0], PORT))
        other.listen()
        cluster.prepare()
        cluster.write_config(1)
        done = tools.run([tools.cofferd, "-c", cluster.nodes[1].config, "--new-cluster"],
                         cwd=cluster.folder)
    check(done.returncode == 1 and f":{PORT}`: cannot listen" in done.stderr, "it starts",
          done.stderr)


def test_hostile(tools):
    cluster = Served(tools, edit=False)
    cluster.up()
    host = cluster.client_address(1)[0]
    name = f"Host: {host}:{PORT}"
    good = (name, f"Origin: http://{host}:{PORT}")
    for words, what in (
            ((name, "Origin: http://evil.example"), "a foreign origin"),
            ((name, "Origin: null"), "a page without a home"),
            ((name, f"Origin: http://{host}:{PORT}.evil.example"), "a longer origin"),
            (("Host: evil.example", "Origin: http://evil.example"), "a name that points here"),
            ((name, "Origin: " + "x" * 3000), "a huge origin")):
        status, connection = upgrade(host, *words)
        check(status != 101, "let in", what)
        connection.close()
    refused = cluster.status(1)["drops"]["web_refused"]
    check(refused == 5, "counted", refused)
    for more in ({"path": "/other"}, {"protocol": "chat"}):
        status, connection = upgrade(host, *good, **more)
        check(status != 101, "let in", more)
        connection.close()
    for payload, what in (
            (b"", "nothing"), (b"{", "half of it"), (b"[]", "no object"), (b"\xff\xfe", "no text"),
            (b'{"do": "fly"}', "no such verb"), (b'{"do": "get", "id": 1, "path": 7}', "no path"),
            (b'{"do": "set", "id": 1, "path": "/a", "text": "x"}', "no revision"),
            (b'{"do": "watch", "glob": "/**", "from": -1}', "a negative revision"),
            (b"[" * 100_000, "a deep one"), (b"x" * 230_000, "a large one")):
        status, connection = upgrade(host, *good)
        check(status == 101, "not let in", status)
        connection.sendall(frame(payload))
        check(is_hung_up(connection), "not hung up", what)
        connection.close()
    status, connection = upgrade(host, *good)
    connection.sendall(frame(b"x", claimed=1 << 40))
    check(is_hung_up(connection), "a frame of a tebibyte")
    connection.close()
    malformed = cluster.status(1)["drops"]["web_malformed"]
    check(malformed >= 10, "counted", malformed)
    flood(cluster, host, good)
    cluster.down()


def flood(cluster, host, good):
    """Sockets that say nothing: few of them are kept, and the server goes on."""
    before = cluster.nodes[1].process.memory_kb()
    idle = []
    for i in range(IDLE):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((host, PORT))
        idle.append(connection)
    check(cluster.set("/during", "x") > 0, "the cluster goes on")
    grown = cluster.nodes[1].process.memory_kb() - before
    check(grown < 16 * 1024, "memory", grown)
    for connection in idle:
        connection.close()
    wait_for("room again", lambda: is_served(host, good[0]))
    viewers = []
    for i in range(70):
        status, connection = upgrade(host, *good)
        viewers.append((status, connection))
    taken = sum(status == 101 for status, _ in viewers)
    check(taken == 64, "browsers taken", taken)
    for _, connection in viewers:
        connection.close()
    wait_for("room again", lambda: is_served(host, good[0]))


def is_served(host, name):
    try:
        return fetch(host, "/health", name)[0] == 200
    except OSError:
        return False


WRITE, READ, WRONG = "swordfish", "minnow", "gudgeon"


def say(connection, message):
    connection.sendall(frame(json.dumps(message).encode()))


def hear(connection):
    """The next message of the server, or None if it hung up."""
    connection.settimeout(20)

    def take(size):
        data = b""
        while len(data) < size:
            try:
                piece = connection.recv(size - len(data))
            except ConnectionError:
                piece = b""
            if not piece:
                return None
            data += piece
        return data

    head = take(2)
    if head is None or head[0] & 15 == 8:
        return None
    size = head[1]
    if size == 126:
        size = struct.unpack(">H", take(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", take(8))[0]
    return hear(connection) if head[0] & 15 == 9 else json.loads(take(size))


def denied(cluster, number):
    return cluster.status(number)["drops"]["web_denied"]


def test_secrets_over_http(tools):
    """The status takes them as bearer tokens; health and numbers are open, and name nothing."""
    cluster = Served(tools, rw_secret=WRITE, ro_secret=READ).up()
    cluster.set("/private/path", "x")
    host = cluster.client_address(1)[0]
    name = f"Host: {host}:{PORT}"
    wait_for("healthy", lambda: fetch(host, "/health", name)[0] == 200)
    status, _, body = fetch(host, "/metrics", name)
    check(status == 200 and "private" not in body and host not in body, "metrics", body)
    for header, expected in (("X: y", 401), ("Authorization: Basic c3dvcmRmaXNo", 401),
                             ("Authorization: Bearer", 401), (f"Authorization: Bearer {READ}", 200),
                             (f"authorization: bearer {WRITE}", 200),
                             (f"Authorization: Bearer {'x' * 1000}", 401)):
        status, head, body = fetch(host, "/status.json", name, header)
        check(status == expected and ("peers" in body) == (expected == 200), header, status, head)
        check((status == 401) == ("www-authenticate: bearer" in head), "what is asked for", head)
    before = denied(cluster, 1)
    check(fetch(host, "/status.json", name, f"Authorization: Bearer {WRONG}")[0] == 401, "let in")
    check(denied(cluster, 1) == before + 1, "not counted", before, denied(cluster, 1))
    check(fetch(host, "/status.json", "Host: evil.example", f"Authorization: Bearer {READ}")[0]
          == 403, "another name")
    cluster.down()


def test_secrets_by_hand(tools):
    """Who does not know a secret gets nothing, keeps nobody out, and guesses slowly."""
    cluster = Served(tools, rw_secret=WRITE, ro_secret=READ).up()
    host = cluster.client_address(1)[0]
    good = (f"Host: {host}:{PORT}", f"Origin: http://{host}:{PORT}")

    def knock():
        status, connection = upgrade(host, *good)
        check(status == 101, "not let in", status)
        check(hear(connection) == {"say": "secret", "why": ""}, "not asked")
        return connection

    for message in ({"do": "watch", "glob": "/**"}, {"do": "get", "id": 1, "path": "/ctl/name"},
                    {"do": "set", "id": 1, "path": "/x", "rev": 0, "text": "x"},
                    {"do": "access", "secret": "x" * 5000}):
        connection = knock()
        say(connection, message)
        check(hear(connection) is None, "not hung up", message)
        connection.close()
    before = denied(cluster, 1)
    idle = [knock() for _ in range(40)]
    check(sum(is_hung_up(connection) for connection in idle[:24]) == 24, "all of them are kept")
    guessing, mine = idle[24:27], idle[27]
    for connection in guessing:
        say(connection, {"do": "access", "secret": WRONG})
    say(mine, {"do": "access", "secret": READ})
    for connection in guessing:
        check(hear(connection) == {"say": "secret", "why": "wrong"}, "a wrong one")
    told = hear(mine)
    check(told["say"] == "hello" and not told["edit"] and told["unlock"], "a right one", told)
    check(denied(cluster, 1) == before + 3, "not counted")
    check(cluster.set("/x", "y") > 0, "the cluster goes on")
    for connection in idle:
        connection.close()
    cluster.down()


def test_secrets_on_the_page(tools):
    browser = Browser(tools)
    cluster = Served(tools, rw_secret=WRITE, ro_secret=READ).up()
    revision = cluster.set("/private/path", "jewels")
    words = ["private", "jewels", cluster.id[:8], cluster.client_address(2)[0]]
    browser.do("open", url=cluster.url(1), shut=True)
    browser.do("is_shut", words=words)
    browser.do("roles", shut=True)
    browser.picture("door")
    browser.do("tell_secret", secret=WRONG, note="That is not the secret.")
    browser.picture("door-wrong")
    browser.do("tell_secret", secret=READ)
    browser.do("shows", path="/private/path", revision=revision, value="jewels")
    browser.do("may", edit=False, unlock=True, lock=True)
    browser.do("keeps_nothing")
    browser.do("pick", path="/private/path", value="jewels", revision=revision)
    browser.do("read_only")
    told = browser.do("raw", secret=READ,
                      message={"do": "set", "id": 5, "path": "/x", "rev": 0, "text": "x"})
    check("read-only" in told["answer"]["answer"], "written", told)
    # More than to read.
    browser.do("unlock")
    browser.picture("unlock")
    browser.do("escape")
    browser.do("unlock")
    browser.do("tell_secret", secret=READ, note="That secret is for reading.")
    browser.do("tell_secret", secret=WRITE)
    browser.do("may", edit=True, unlock=False, lock=True)
    browser.do("begin_edit", text="more jewels")
    browser.do("save")
    check(cluster.run("get", "/private/path") == "more jewels", "not saved")
    # The server dies and comes back: the tab still knows.
    cluster.kill(1)
    browser.do("lost")
    revision = cluster.set("/private/path", "while you were away")
    cluster.start(1)
    browser.do("back")
    browser.do("shows", path="/private/path", revision=revision, value="while you were away")
    browser.do("may", edit=True, unlock=False, lock=True)
    browser.do("keeps_nothing")
    # It forgets when it is told to, when it is loaded anew, and when the secret is another one.
    words += ["while you were"]
    browser.do("lock")
    browser.do("is_shut", words=words)
    browser.do("tell_secret", secret=READ)
    browser.do("shows", path="/private/path", revision=revision)
    browser.do("reload")
    browser.do("is_shut", words=words)
    browser.do("tell_secret", secret=READ)
    browser.do("shows", path="/private/path", revision=revision)
    cluster.kill(1)
    browser.do("lost")
    cluster.tell("ro_secret", "another")
    cluster.start(1)
    browser.do("is_shut", words=words, note="That is not the secret.")
    browser.do("tell_secret", secret="another")
    browser.do("shows", path="/private/path", revision=revision)
    browser.do("open", url=cluster.url(1), shut=True, dark=True, touch=True,
               viewport={"width": 390, "height": 780})
    browser.picture("door-phone")
    browser.do("tell_secret", secret="another")
    browser.do("shows", path="/private/path", revision=revision, value="while you were away")
    browser.picture("phone-read")
    browser.do("phone", path="/private/path")
    browser.end()
    cluster.down()


def test_a_secret_to_write_leaves_reads_open(tools):
    browser = Browser(tools)
    cluster = Served(tools, rw_secret=WRITE).up()
    revision = cluster.set("/a", "v")
    browser.do("open", url=cluster.url(1))
    browser.do("shows", path="/a", revision=revision, value="v")
    browser.do("may", edit=False, unlock=True, lock=False)
    browser.do("unlock")
    browser.do("tell_secret", secret=WRONG, note="That is not the secret.")
    browser.do("tell_secret", secret=WRITE)
    browser.do("may", edit=True, unlock=False, lock=True)
    cluster.kill(1)
    browser.do("lost")
    cluster.start(1)
    browser.do("back")
    browser.do("may", edit=True, unlock=False, lock=True)
    browser.do("lock")
    browser.do("shows", path="/a", revision=revision, value="v")
    browser.do("may", edit=False, unlock=True, lock=False)
    browser.end()
    cluster.down()


def test_page(tools):
    browser = Browser(tools)
    cluster = Served(tools)
    cluster.up()
    workers, revision = make_some(cluster)
    browser.do("open", url=cluster.url(1))
    browser.do("shows", path="/motd", revision=revision, value="hello")
    browser.do("roles")
    browser.picture("light")
    # A change by the command line.
    browser.do("expect_flash", path="/motd")
    revision = cluster.set("/motd", "hello again")
    told = browser.do("shows", path="/motd", revision=revision, value="hello again", limit=1000)
    print(f"# shown {told['ms']} ms after the command ended")
    browser.do("flashed", animation="fade")
    browser.do("told", text="/motd set")
    cluster.run("del", "/lock/backup")
    browser.do("gone", path="/lock/backup")
    browser.do("gone", path="/lock")
    # Filters.
    paths = browser.do("filter", text="web", files=2)["paths"]
    check("/service/web/1/address" in paths and "/motd" not in paths, "filtered", paths)
    browser.do("filter", text="/service/*/primary", files=1)
    browser.do("bad_filter", text="/a//b", told="malformed glob")
    browser.do("filter", text="", files=6 + cluster.own_files())
    # One file: value, history, a former value.
    history = browser.do("pick", path="/motd", value="hello again", revision=revision)["history"]
    check(len(history) == 2 and "hello again" in history[0], "history", history)
    browser.do("former", index=1, value="hello")
    browser.picture("detail")
    # Edits: what was shown is what is changed, or nothing is.
    browser.do("pick", path="/config/nginx/workers", value="4", revision=workers)
    browser.do("begin_edit", text="8")
    browser.do("save")
    check(cluster.run("get", "/config/nginx/workers") == "8", "not saved")
    browser.do("begin_edit", text="16")
    stale = cluster.set("/config/nginx/workers", "5")
    browser.do("save", note=f"it is at revision {stale}")
    browser.picture("refused")
    check(cluster.run("get", "/config/nginx/workers") == "5", "overwritten")
    browser.do("show_new", value="5")
    browser.do("make", path="/made/here", text="x")
    check(cluster.run("get", "/made/here") == "x", "not made")
    browser.do("remove")
    check(cluster.coffer("get", "/made/here").returncode != 0, "not deleted")
    # Keys.
    browser.do("keys", keys=["Home"], active="/config")
    browser.do("keys", keys=["ArrowLeft"], active="/config", expanded="false")
    browser.do("keys", keys=["ArrowRight", "ArrowRight", "ArrowDown"], active="/config/nginx/motd")
    browser.do("keys", keys=["ArrowLeft", "ArrowLeft", "End"], active="/service/web/2/address")
    browser.do("keys", keys=["m"], active="/motd")
    # A leader dies: the page of another server tells it.
    leader = cluster.leader()
    other = next(n for n in cluster.nodes if n != leader)
    browser.do("open", url=cluster.url(other))
    browser.do("leaders", last=leader)
    cluster.kill(leader)
    after = cluster.leader()
    told = browser.do("leaders", last=after)
    check(len(told["reigns"]) >= 2 and len(told["servers"]) == 3, "leaders", told)
    browser.picture("leaders")
    cluster.start(leader)
    cluster.wait_level()
    # The page's own server dies and comes back: nothing of what happened meanwhile is missed.
    cluster.kill(other)
    browser.do("lost")
    browser.picture("lost")
    revision = cluster.set("/motd", "while you were away")
    cluster.start(other)
    browser.do("back")
    browser.do("shows", path="/motd", revision=revision, value="while you were away")
    # Dark, still, and by phone.
    browser.do("open", url=cluster.url(1), dark=True, still=True)
    browser.do("is_dark")
    browser.do("shows", path="/motd", revision=revision)
    browser.do("expect_flash", path="/motd")
    revision = cluster.set("/motd", "without a motion")
    browser.do("flashed", animation="none")
    browser.picture("dark")
    browser.do("open", url=cluster.url(1), touch=True, viewport={"width": 390, "height": 780})
    browser.do("shows", path="/motd", revision=revision)
    browser.picture("phone")
    browser.do("phone", path="/motd")
    browser.picture("phone-detail")
    browser.do("phone_servers")
    browser.picture("phone-servers")
    browser.end()
    cluster.down()


def fill(cluster, count):
    filled = cluster.tools.run([cluster.tools.options.bench, "read", "--keys", count, "--requests",
                                1, "--clients", 4, "--outstanding", 64, "--value-size", 16],
                               env=cluster.environment())
    check(filled.returncode == 0, "not filled", filled.stderr)


def test_who_never_reads(tools):
    if not tools.all:
        raise Skip("only with --all")
    cluster = Served(tools).up()
    fill(cluster, MANY)
    host = cluster.client_address(1)[0]
    before = cluster.nodes[1].process.memory_kb()
    deaf = []
    for _ in range(20):
        status, connection = upgrade(host, f"Host: {host}:{PORT}")
        check(status == 101, "not let in", status)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        say(connection, {"do": "watch", "glob": "/**"})
        deaf.append(connection)
    for number in range(100):
        cluster.set(f"/f/{number}", "v" * 10000)
    wait_for("they are hung up", lambda: cluster.status(1)["drops"]["web_unread"] == len(deaf), 60)
    grown = cluster.nodes[1].process.memory_kb() - before
    check(grown < 16 * 1024, "memory", grown)
    check(is_served(host, f"Host: {host}:{PORT}"), "others are served")
    cluster.down()


def test_many(tools):
    browser = Browser(tools)
    cluster = Served(tools, edit=False)
    cluster.up()
    cluster.set("/motd", "hello")
    fill(cluster, MANY)
    browser.do("open", url=cluster.url(1))
    browser.do("read_only")
    told = browser.do("raw", message={"do": "set", "id": 5, "path": "/x", "rev": 0, "text": "x"})
    check("read-only" in told["answer"]["answer"], "written", told)
    told = browser.do("many", files=MANY + 1 + cluster.own_files(), nodes=NODES_MAX)
    print(f"# {MANY} files in {told['ms']} ms, {told['count']} elements")
    told = browser.do("scroll", nodes=NODES_MAX)
    print(f"# scrolling: worst two frames {told['worst']:.0f} ms")
    revision = cluster.set("/zz", "the last")
    browser.do("keys", keys=["End"], active="/zz")
    browser.do("shows", path="/zz", revision=revision, limit=1000)
    browser.picture("many")
    browser.end()
    cluster.down()


harness.run([test_http, test_port_in_use, test_hostile, test_secrets_over_http,
             test_secrets_by_hand, test_secrets_on_the_page,
             test_a_secret_to_write_leaves_reads_open, test_page, test_many,
             test_who_never_reads])
