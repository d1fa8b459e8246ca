#!/usr/bin/python3
"""Packs to HTTP servers: taken, put off, too large, refused, unfit, nonsense, TLS, a real InfluxDB.
Nothing is lost in any of it, and what no server will take stands in the dead letters."""
import gzip
import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import fg


class Server:
    """Takes packs. `answer(request)` gives (status, headers, body), or bytes to be said instead, or
    None for a connection that is closed without a word. A request is kept if its status is 2xx."""
    running = []

    def __init__(self, answer=None, tls=None, port=0):
        self.answer = answer or (lambda request: (204, {}, b""))
        self.requests, self.kept, self.lock = [], [], threading.Lock()
        self.connections = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                outer.connections.append(self.connection)

            def take(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = {"method": self.command, "path": self.path, "headers": self.headers,
                           "body": body, "at": time.monotonic()}
                with outer.lock:
                    outer.requests.append(request)
                    said = outer.answer(request)
                if said is None or isinstance(said, bytes) or callable(said):
                    self.close_connection = True
                    if callable(said):
                        said(self.connection)
                    elif said:
                        self.wfile.write(said)
                    return
                status, headers, text = said
                if 200 <= status < 300:
                    with outer.lock:
                        outer.kept.append(request)
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_PUT = do_GET = take

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Quiet(("127.0.0.1", port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/in"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def bodies(self):
        with self.lock:
            return [r["body"].decode() for r in self.kept]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def gateway_for(field, bridge, env=None, **more):
    bridge = dict({"type": "http", "batch": {"records": 10, "linger": "5ms"}, "timeout": "2s",
                   "window": 4}, **bridge)
    return fg.Gateway(dict({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"up": bridge}}, **more), env=env)


def feed(field, first, last, text='{{"seq":{}}}', topic="d/a"):
    for n in range(first, last):
        field.give(topic.format(n), text.format(n))
    fg.wait_for("all to be kept", lambda: len(field.kept) == len(field.given))


def check_all(gateway, server, count, dead=0):
    ledger = gateway.wait_drained("up")
    account = ledger["bridges"]["up"]
    fg.equal((account["dead"], account["dropped"]), (dead, {}), "dead and dropped")
    answer = fg.audit(server.bodies(), fg.until(ledger), want=(0, 1))
    gaps = [e["gaps"] for e in answer["gateways"]["gw"]["epochs"].values() if e["gaps"]]
    fg.equal((gaps, fg.lost(answer)), ([], {"refused": dead} if dead else {}), "gaps and losses")
    values = fg.first_times(fg.series(server.bodies())["d/a"])
    fg.equal(len(values), count - dead, "readings")
    fg.equal(values, sorted(values), "the order")
    return ledger


def test_taken():
    """With what headers; a server that goes away and a gateway that is killed lose nothing."""
    server, field = Server(), fg.Script()
    gateway = gateway_for(field, {
        "url": server.url + "?org=a%20b&precision=ns", "headers": {"X-Plant": "north"},
        "secret_headers": {"X-Key": {"secret": "key"}}, "token": {"secret": "token"},
        "token_type": "Token"}, env=secrets(key="key-of-x\n", token="token-of-x")).start()
    feed(field, 0, 200)
    gateway.wait_drained("up")
    first = server.requests[0]
    fg.equal((first["method"], first["path"]), ("POST", "/in?org=a%20b&precision=ns"), "request")
    wanted = {"X-Plant": "north", "X-Key": "key-of-x",
              "Authorization": "Token token-of-x", "Expect": None,
              "Content-Type": "application/senml+json"}
    fg.equal({k: first["headers"][k] for k in wanted}, wanted, "headers")
    server.close()
    feed(field, 200, 400)
    fg.wait_for("a fault", lambda: "connect to" in gateway.said())
    gateway.kill()
    gateway.start()
    again = Server(port=server.port)
    again.kept, again.requests = server.kept, server.requests
    feed(field, 400, 600)
    check_all(gateway, again, 600)
    fg.check("-of-x" not in fg.read(gateway.log_path), "a secret in the log")
    gateway.stop()


def secrets(**values):
    os.makedirs("secrets", exist_ok=True)
    for name, value in values.items():
        pathlib.Path("secrets", name).write_text(value, encoding="utf-8")
    return {"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")}


def test_basic_and_put():
    server, field = Server(), fg.Script()
    gateway = gateway_for(field, {"url": server.url, "method": "PUT", "username": "gw",
                                  "password": {"secret": "pw"}, "format": "json",
                                  "connections": 3}, env=secrets(pw="p:w")).start()
    feed(field, 0, 300)
    account = gateway.wait_drained("up")["bridges"]["up"]
    fg.equal(account["acknowledged"], gateway.ledger()["accepted"], "acknowledged")
    first = server.requests[0]
    fg.equal((first["method"], first["headers"]["Authorization"], first["headers"]["Content-Type"]),
             ("PUT", "Basic Z3c6cDp3", "application/json"), "request")
    seqs = [r["value"] for body in server.bodies() for r in json.loads(body)
            if r["point"] == "seq"]
    fg.equal(sorted(seqs), list(range(300)), "readings")
    gateway.stop()


def compressed(how, unpack):
    server, field = Server(), fg.Script()
    gateway = gateway_for(field, {"url": server.url, "compress": how}).start()
    feed(field, 0, 300)
    gateway.wait_drained("up")
    for request in server.kept:
        fg.equal(request["headers"]["Content-Encoding"], how, "coding")
        request["body"] = unpack(request["body"])
    check_all(gateway, server, 300)
    gateway.stop()


def test_gzip():
    compressed("gzip", gzip.decompress)


def test_zstd():
    fg.need("zstd")
    compressed("zstd", lambda body: subprocess.run(["zstd", "-dc"], input=body, check=True,
                                                   stdout=subprocess.PIPE).stdout)


def test_later():
    """Busy servers are waited for as long as they say, and nothing overtakes what waits."""
    said = [(429, {"Retry-After": "1"}, b"slow down"), (503, {}, b""), (500, {}, b"oops"),
            (429, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, b""), (408, {}, b"")]
    server, field = Server(), fg.Script()
    server.answer = lambda request: said.pop(0) if said else (200, {}, b"{}")
    gateway = gateway_for(field, {"url": server.url}).start()
    feed(field, 0, 200)
    check_all(gateway, server, 200)
    first, second = server.requests[:2]
    fg.equal(first["body"], second["body"], "the pack that is sent again")
    fg.check(second["at"] - first["at"] >= 1, "it was not waited for")
    fg.check("HTTP status 429: slow down" in gateway.said(), "nothing was said")
    fg.check('msg="fault"' not in gateway.said(), "a fault")
    gateway.stop()


def test_refused():
    """A record that is never taken stands alone in the dead letters; packs that are too large go in
    parts."""
    server, field = Server(), fg.Script()

    def answer(request):
        numbers = [v for _, n, v in fg.records([request["body"].decode()]) if n == "seq"]
        if 77 in numbers:
            return 400, {}, b'{"error":"bad \x01 \xff value"}'
        return (413, {}, b"") if len(numbers) > 5 else (202, {}, b"")
    server.answer = answer
    gateway = gateway_for(field, {"url": server.url}).start()
    feed(field, 0, 200)
    check_all(gateway, server, 200, dead=1)
    dead = fg.fieldgate("dead", "up", "-c", gateway.conf).out
    fg.check("HTTP status 400" in dead and ":78-78" in dead, f"dead letters: {dead}")
    gateway.stop()


def test_unfit():
    """A wrong address or wrong credentials are nothing that a pack can help: it waits."""
    elsewhere, field = Server(), fg.Script()
    said = [(401, {}, b""), (403, {}, b"no"), (404, {}, b"database not found"), (405, {}, b""),
            (302, {"Location": elsewhere.url}, b""), (307, {"Location": elsewhere.url}, b"")]
    server = Server(lambda request: said.pop(0) if said else (204, {}, b""))
    gateway = gateway_for(field, {"url": server.url}).start()
    feed(field, 0, 100)
    check_all(gateway, server, 100)
    fg.equal(len(elsewhere.requests), 0, "requests that a redirect got elsewhere")
    fg.check("HTTP status 401" in gateway.said(), "not said")
    gateway.stop()


def test_long_answers():
    """How much a server has to say of a pack is no matter: its status counts, and each goes once."""
    server, field = Server(), fg.Script()

    def until_closed(connection):
        connection.sendall(b"HTTP/1.1 201 Created\r\n\r\n" + b"z" * (4 << 20))

    said = [(200, {}, b"[" + b"{},\r\n" * 100000 + b"{}]"), until_closed, (503, {}, b"e" * 100000),
            (200, {}, b"y" * (64 << 10)), (200, {}, b"x" * ((64 << 10) + 1))]

    def answer(request):
        if 77 in [v for _, n, v in fg.records([request["body"].decode()]) if n == "seq"]:
            return 400, {}, b"f" * 100000
        what = said.pop(0) if said else (204, {}, b"")
        if what is until_closed:
            server.kept.append(request)
        return what
    server.answer = answer
    gateway = gateway_for(field, {"url": server.url}).start()
    feed(field, 0, 200)
    check_all(gateway, server, 200, dead=1)
    fg.equal(said, [], "answers that were not given")
    bodies = server.bodies()
    fg.equal(len(bodies), len(set(bodies)), "packs that were taken, each once")
    fg.check('msg="fault"' not in gateway.said(), "a fault")
    gateway.stop()


def test_letters_of_another_format():
    """Each pack goes as what it is, also where the format was changed while some lay with the dead
    letters, and two requests are on their way at a time."""
    server, field, heals = Server(), fg.Script(), threading.Event()

    def answer(request):
        is_json = request["body"].startswith(b"[")
        if request["headers"]["Content-Type"] != f"application/senml+{'json' if is_json else 'cbor'}":
            return 415, {}, b""
        return (204, {}, b"") if not is_json or heals.is_set() else (422, {}, b"")
    server.answer = answer
    gateway = gateway_for(field, {"url": server.url, "connections": 2,
                                  "batch": {"records": 1, "linger": "0s"}}).start()
    feed(field, 0, 10)
    fg.equal(gateway.wait_drained("up")["bridges"]["up"]["dead"], 10, "dead")
    heals.set()
    gateway.config["bridges"]["up"]["format"] = "senml+cbor"
    gateway.reload()
    feed(field, 10, 20)
    gateway.wait_drained("up")
    fg.fieldgate("dead", "--requeue", "-c", gateway.conf)
    feed(field, 20, 30)
    fg.wait_for("the letters to be taken", lambda: gateway.account("up")["dead"] == 0)
    ledger = gateway.wait_drained("up")
    fg.equal(ledger["bridges"]["up"]["acknowledged"], 30, "acknowledged")
    values = fg.series([r["body"].decode() for r in server.kept if r["body"].startswith(b"[")])["d/a"]
    fg.equal(sorted(values), list(range(10)), "readings in the letters")
    fg.check('msg="fault"' not in gateway.said(), "a fault")
    gateway.stop()


def flood(chunk):
    def say(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(4000):
            connection.sendall(chunk)
    return say


def endless(connection):
    """Until the other end has had enough of it."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"z" * 100000)
        time.sleep(0.01)


def test_nonsense():
    """None of these is an acknowledgement, and none ends the gateway or fills its memory."""
    said = [
        None, b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\0" * 5000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 999\xff weird\r\nContent-Length: -1\r\n\r\n", b"<html>0.9</html>",
        flood(b"X-Header: " + b"y" * 1000 + b"\r\n"), endless,
        lambda connection: connection.shutdown(socket.SHUT_RD) or time.sleep(2.5),
        lambda connection: [connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n") for _ in range(2000)],
        lambda connection: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"),
    ]
    field = fg.Script()
    # several bridges, since each waits longer after each fault
    parts = [said[n::5] for n in range(5)]
    servers = [Server(lambda request, part=part: part.pop(0) if part else (200, {}, b"ok"))
               for part in parts]
    gateway = gateway_for(field, {"url": servers[0].url, "timeout": "1s"})
    for n, server in enumerate(servers[1:]):
        gateway.config["bridges"][f"up{n}"] = dict(gateway.config["bridges"]["up"], url=server.url)
    gateway.write()
    gateway.start()
    feed(field, 0, 100)
    fg.wait_for("all of it to be said", lambda: not any(parts), 60)
    gateway.wait_drained()
    for server in servers:
        check_all(gateway, server, 100)
    gateway.stop()


def test_silent_listener():
    """A server that takes connections and says nothing, not even in TLS, holds nothing up."""
    field = fg.Script()
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    gateway = gateway_for(field, {"url": f"https://127.0.0.1:{port}/", "timeout": "300ms"}).start()
    feed(field, 0, 50)
    fg.wait_for("two attempts", lambda: gateway.said().count('msg="fault"') >= 2)
    gateway.stop()
    silent.close()
    ledger = fg.check_ledger(gateway.ledger())
    fg.equal(ledger["bridges"]["up"]["waiting"], ledger["accepted"], "waiting")


def test_tls():
    """Who proves itself is taken; another CA, another name, and plain HTTP are not."""
    fg.certificates()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.crt", "server.key")
    context.load_verify_locations("ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server, field = Server(tls=context), fg.Script()
    here = {name: os.path.abspath(name) for name in ("ca.crt", "client.crt", "client.key")}
    tls = {"ca": here["ca.crt"], "cert": here["client.crt"], "key": here["client.key"]}
    shutil.copy("ca.crt", "other.crt")
    subprocess.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "
                   "/CN=other -keyout other.key -out other.crt", shell=True, check=True,
                   capture_output=True)
    gateway = gateway_for(field, {"url": server.url, "tls": {"ca": os.path.abspath("other.crt")}})
    gateway.start()
    feed(field, 0, 50)
    fg.wait_for("a refusal", lambda: "certificate" in gateway.said())
    fg.equal(len(server.requests), 0, "requests to a server that proved nothing")
    gateway.config["bridges"]["up"]["tls"] = {"ca": tls["ca"]}
    gateway.reload()
    fg.wait_for("its refusal of us", lambda: gateway.said().count('msg="fault"') >= 3)
    fg.equal(len(server.requests), 0, "requests of one who proved nothing")
    gateway.config["bridges"]["up"]["tls"] = dict(tls, version="1.3")
    gateway.reload()
    check_all(gateway, server, 50)
    gateway.stop()


def test_check():
    """What cannot be right is named before anything runs."""
    for bridge, place in [
            ({"url": "ftp://a/"}, "/bridges/up/url"), ({"url": "http://u:p@a/"}, "/bridges/up/url"),
            ({"url": "http:///x"}, "/bridges/up/url"), ({"url": "http://a b/"}, "/bridges/up/url"),
            ({"headers": {"A b": "x"}}, "/bridges/up/headers/A b"),
            ({"headers": {"Content-Length": "5"}}, "/bridges/up/headers/Content-Length"),
            ({"headers": {"X": "a\r\nb"}}, "/bridges/up/headers/X"),
            ({"headers": {"X": 5}}, "/bridges/up/headers/X"),
            ({"tls": {"insecure": True}}, "/bridges/up/tls"),
            ({"password": {"secret": "a"}}, "/bridges/up/password"),
            ({"conections": 2}, "/bridges/up/conections")]:
        config = {"bridges": {"up": dict({"type": "http", "url": "http://127.0.0.1/"}, **bridge)}}
        pathlib.Path("bad.json").write_text(json.dumps(config), encoding="utf-8")
        done = fg.fieldgate("check", "-c", "bad.json", want=(1,))
        fg.check(place in done.err + done.out, f"{bridge}: {done.err}{done.out}")


# -- InfluxDB 1 --

class Influx:
    def __init__(self):
        self.port, bind = fg.free_port(), fg.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        here = os.path.abspath("influx")
        pathlib.Path("influx.conf").write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{bind}"\n'
            f'[meta]\ndir = "{here}/meta"\n'
            f'[data]\ndir = "{here}/data"\nwal-dir = "{here}/wal"\nquery-log-enabled = false\n'
            "[monitor]\nstore-enabled = false\n"
            f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\n',
            encoding="utf-8")
        self.process = None

    def start(self):
        with open("influx.log", "ab") as log:
            self.process = subprocess.Popen([shutil.which("influxd") or "/usr/sbin/influxd",
                                             "-config", "influx.conf"], stdout=log, stderr=log)
        fg.wait_for("influxd", self.listens, 60)
        return self

    def listens(self):
        try:
            return urllib.request.urlopen(self.url + "/ping", timeout=5).status == 204
        except OSError:
            return False

    def ask(self, question):
        data = urllib.parse.urlencode({"db": "fg", "q": question}).encode()
        with urllib.request.urlopen(self.url + "/query", data, timeout=20) as answer:
            return json.load(answer)["results"][0].get("series", [])

    def kill(self):
        self.process.kill()
        self.process.wait()


def test_influxdb():
    """A real one: not there yet, without its database, killed, and with a field of another type."""
    fg.need("influxd")
    # a device for each reading: those of one series with the same time overwrite one another
    influx, field = Influx(), fg.Script()
    gateway = gateway_for(field, {"url": influx.url + "/write?db=fg&precision=ns",
                                  "format": "influx-line", "compress": "gzip"}).start()
    try:
        feed(field, 0, 100, topic="d/{}")
        influx.start()
        fg.wait_for("its refusal", lambda: "database not found" in gateway.said())
        influx.ask("CREATE DATABASE fg")
        gateway.wait_drained("up")
        influx.kill()
        feed(field, 100, 300, topic="d/{}")
        influx.start()
        feed(field, 300, 400, '{{"seq":{},"note":"it\\"s, so = \\\\ much"}}', "d/{}")
        ledger = gateway.wait_drained("up")
        fg.equal(ledger["bridges"]["up"]["dead"], 0, "dead")
        rows = influx.ask('SELECT value FROM "seq"')[0]["values"]
        fg.equal(sorted({row[1] for row in rows}), list(range(400)), "readings in the database")
        notes = influx.ask('SELECT text FROM "note"')[0]["values"]
        fg.equal({row[1] for row in notes}, {'it"s, so = \\ much'}, "texts in the database")
        # a field has the type of its first point for ever
        data = b"odd,device=x value=\"text\""
        urllib.request.urlopen(influx.url + "/write?db=fg", data, timeout=20).close()
        feed(field, 400, 401, '{{"odd":{}}}')
        feed(field, 401, 450, topic="d/{}")
        account = gateway.wait_drained("up")["bridges"]["up"]
        fg.equal(account["dead"], 1, "dead")
        rows = influx.ask('SELECT value FROM "seq"')[0]["values"]
        fg.equal(len({row[1] for row in rows}), 449, "readings in the database")
        gateway.stop()
    finally:
        influx.kill()


if __name__ == "__main__":
    fg.main(globals())
