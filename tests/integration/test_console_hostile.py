#!/usr/bin/python3
"""Hostile HTTP clients: what they get is refused, bounded, and delays nobody."""
import json
import os
import re
import select
import socket
import threading

import console_world as world
import fg
from console_world import ask, bearer, raw

API = "/api/v1"


def head(*lines):
    return "\r\n".join((*lines, "", "")).encode()


def refused(answer, what):
    """Closed without a word, or an error."""
    status = re.match(rb"HTTP/1\.\d (\d+)", answer)
    fg.check(not answer or (status and 400 <= int(status[1]) < 600), f"{what}: {answer[:200]}")
    fg.check(b"root:" not in answer, what)


def alive(gateway):
    fg.equal(ask(gateway.port, "GET", "/healthz").status, 200, "the next request")


def test_garbage():
    gateway = world.gateway().start()
    host = "Host: 127.0.0.1"
    answers = {}

    def send(what, data):
        answers[what] = raw(gateway.port, data)
    threads = [threading.Thread(target=send, args=case) for case in {
            "no HTTP": b"\x00\xff\x16\x03\x01 nonsense\r\n\r\n",
            "a TLS hello": bytes.fromhex("16030100fd010000f9") + b"\0" * 240,
            "no version": head("GET /", host),
            "no host": head("GET / HTTP/1.1"),
            "two hosts": head("GET /api/v1/status HTTP/1.1", "Host: evil.example", host),
            "long line": b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n",
            "long header": head("GET / HTTP/1.1", host, "X: " + "y" * 100000),
            "many headers": head("GET / HTTP/1.1", host, *(f"X{i}: y" for i in range(20000))),
            "another method": head("BREW /api/v1/status HTTP/1.1", host, "Connection: close"),
            "negative length": head("POST /api/v1/reload HTTP/1.1", host, "Content-Length: -1",
                                    "Content-Type: application/json"),
            "huge length": head("POST /api/v1/reload HTTP/1.1", host, "Connection: close",
                                "Content-Length: 99999999999999999999", "Content-Type: application/json"),
            "bad chunks": head("POST /api/v1/reload HTTP/1.1", host, "Transfer-Encoding: chunked",
                               "Content-Type: application/json") + b"zz\r\n\r\n",
            "endless chunks": head("POST /api/v1/dead/discard HTTP/1.1", host,
                                   "Transfer-Encoding: chunked", "Content-Type: application/json")
            + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 64,
    }.items()]
    for thread in threads:
        thread.start()
        alive(gateway)
    for thread in threads:
        thread.join(fg.DEADLINE_S)
    fg.equal(len(answers), len(threads), "clients that were told of an end")
    for what, answer in answers.items():
        refused(answer, what)
    gateway.stop()


def test_path_tricks():
    """A path is one of the table's or nothing: none is decoded, and none is a file's."""
    gateway = world.gateway(token=True).start()
    for path in ("/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "//", "/%00", "/healthz%00", "/healthz/",
                 "/HEALTHZ", "/api/v1/./status", "/api/v1//status", "/%61pi/v1/status", "/index.html/..",
                 "/app.js/../api/v1/status", "http://127.0.0.1/api/v1/status", "*", "/api/v1/status;x",
                 "/api/v1/status%20", "/files.c", "/.git/config"):
        refused(raw(gateway.port, head(f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close")),
                path)
    for query in ("?bridge=../lock", "?bridge=%2e%2e%2flock", "?bridge=local%00", "?bridge=", "",
                  "?bridge=" + "a" * 3000):
        answer = ask(gateway.port, "GET", f"{API}/dead{query}", headers=bearer())
        fg.check(answer.status in (400, 404), f"{query}: {answer.status} {answer.text}")
    alive(gateway)
    gateway.stop()


def test_who_may_not():
    """Wrong tokens, sites from elsewhere, names that are not ours."""
    gateway = world.gateway(token=True).start()
    for given in ("", "Bearer", "Bearer ", "Bearer x", "Basic " + world.TOKEN, world.TOKEN,
                  "Bearer " + world.TOKEN[:-1], "Bearer " + world.TOKEN + "x",
                  "Bearer " + world.TOKEN * 2, "Bearer " + "a" * 8000):
        answer = ask(gateway.port, "GET", f"{API}/status", headers={"Authorization": given})
        fg.equal(answer.status, 401, given[:60])
        fg.equal(answer.headers["WWW-Authenticate"], "Bearer", given[:60])
    for cookie in ("fieldgate=", "fieldgate=" + "0" * 32, "fieldgate", "fieldgate=" + world.TOKEN,
                   ";;;=;fieldgate=;fieldgate=" + "f" * 32):
        fg.equal(ask(gateway.port, "GET", f"{API}/status", headers={"Cookie": cookie}).status, 401,
                 cookie)
    session = ask(gateway.port, "POST", f"{API}/session", {"token": world.TOKEN})
    cookie = {"Cookie": session.headers["Set-Cookie"].split(";")[0]}
    ours = f"http://127.0.0.1:{gateway.port}"
    for origin, site, want in (("https://evil.example", None, 403), ("null", None, 403),
                               (ours + ".evil.example", None, 403), ("http://127.0.0.1", None, 403),
                               (None, "cross-site", 403), (None, "same-site", 403),
                               (ours, "cross-site", 403), (ours, "same-origin", 200), (None, None, 200)):
        headers = dict(cookie)
        headers.update({"Origin": origin} if origin else {})
        headers.update({"Sec-Fetch-Site": site} if site else {})
        answer = ask(gateway.port, "POST", f"{API}/dead/discard", {"bridge": "local"}, headers)
        fg.equal(answer.status, want, f"origin {origin}, site {site}")
    form = dict(cookie, **{"Content-Type": "application/x-www-form-urlencoded"})
    fg.equal(ask(gateway.port, "POST", f"{API}/reload", "a=b", form).status, 400, "a form")
    fg.equal(ask(gateway.port, "OPTIONS", f"{API}/reload").status, 405, "a preflight")
    gateway.stop()
    os.mkdir("bare")
    os.chdir("bare")
    gateway = world.gateway().start()
    for name, want in (("evil.example", 403), (f"evil.example:{gateway.port}", 403), ("127.0.0.1.evil", 403),
                       ("0.0.0.0", 403), ("192.0.2.1", 403), ("localhost", 200), ("[::1]:1", 200),
                       (f"127.0.0.1:{gateway.port}", 200)):
        answer = ask(gateway.port, "GET", f"{API}/status", headers={"Host": name})
        fg.equal(answer.status, want, f"host {name}")
    gateway.stop()
    os.chdir("..")


def test_slow():
    """A head, a body that come byte by byte: ended by us, and nobody waits for them."""
    gateway = world.gateway().start()
    sockets = []
    for data in (b"GET /healthz HT", b"", head("POST /api/v1/reload HTTP/1.1", "Host: 127.0.0.1",
                                               "Content-Length: 1000", "Content-Type: application/json")):
        sockets.append(socket.create_connection(("127.0.0.1", gateway.port)))
        sockets[-1].sendall(data)
    ended = set()

    def all_ended():
        for sock in sockets:
            if sock in ended:
                continue
            try:
                if not select.select([sock], [], [], 0.05)[0]:
                    sock.sendall(b"x")
                elif not sock.recv(4096):
                    ended.add(sock)
            except OSError:
                ended.add(sock)
        alive(gateway)
        return len(ended) == len(sockets)
    fg.wait_for("slow clients to be ended", all_ended)
    gateway.stop()


def test_a_thousand():
    """A thousand connections that say nothing: as many as may are held, the rest waits; when the
    first are ended, others are served. The field notices nothing."""
    gateway = world.gateway().start()
    before = len(os.listdir(f"/proc/{gateway.pid()}/fd"))
    sockets, held = [], 0
    for _ in range(1000):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", gateway.port))
        sockets.append(sock)
        held = max(held, len(os.listdir(f"/proc/{gateway.pid()}/fd")) - before)
    fg.check(held <= 16 + 32 + 2, f"{held} connections at a time")
    done = fg.fieldgate("simulate", "--coap", f"coap://127.0.0.1:{gateway.coap}", "--devices", 10,
                        "--count", 500, "--rate", 0)
    fg.equal(json.loads(done.out)["coap"]["acknowledged"], 500, "what the field sent meanwhile")
    for sock in sockets:
        sock.close()
    alive(gateway)
    gateway.wait_drained("local")
    gateway.stop()


def turns(gateway):
    return gateway.status()["loop"]["turns"]


def test_half_handshake():
    """TLS clients that stop in the middle of their handshake do not turn the loop without end."""
    fg.certificates()
    here, port = os.getcwd(), fg.free_port()
    gateway = world.gateway({"listen": f"https://127.0.0.1:{port}", "tls": {
        "cert": f"{here}/server.crt", "key": f"{here}/server.key"}}, token=True).start()
    before = turns(gateway)
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    for sock in sockets:
        sock.sendall(bytes.fromhex("16030102000100"))
    for number in range(5):
        fg.equal(ask(port, "GET", f"{API}/ledger", headers=bearer(), tls=True).status, 200,
                 f"request {number} beside them")
    for sock in sockets:    # until they are ended by the other side
        sock.settimeout(fg.DEADLINE_S)
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
        sock.close()
    taken = turns(gateway) - before
    fg.check(taken < 20000, f"{taken} turns while they stood still")
    gateway.stop()
    return f"{taken} turns"


def test_half_handshakes_take_no_place():
    """More of them than there are connections: who comes to ask does not wait for their end."""
    fg.certificates()
    here, port = os.getcwd(), fg.free_port()
    gateway = world.gateway({"listen": f"https://127.0.0.1:{port}", "viewers": 4, "tls": {
        "cert": f"{here}/server.crt", "key": f"{here}/server.key"}}, token=True).start()
    viewer = world.Viewer(port, headers=bearer(), tls=True)
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    for sock in sockets:
        sock.sendall(bytes.fromhex("16030102000100"))
    fg.equal(ask(port, "GET", "/healthz", tls=True).status, 200, "beside them")
    ended = len(select.select(sockets, [], [], 0)[0])
    # 28 places and what was asked for; had it waited for their time to be over, all that had one
    fg.check(ended <= 20, f"{ended} were ended before it was answered")
    fg.equal(ask(port, "GET", f"{API}/ledger", headers=bearer(), tls=True).status, 200, "and more")
    fg.check(viewer.thread.is_alive(), f"a viewer lost its place: {viewer.error}")
    viewer.close()
    for sock in sockets:
        sock.close()
    gateway.stop()
    return f"{ended} of 40 were ended for it"


if __name__ == "__main__":
    fg.main(globals())
