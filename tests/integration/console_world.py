"""A gateway with a console, and who talks to it."""
import http.client
import json
import os
import socket
import ssl
import threading

import fg

TOKEN = "a token of more than 16 bytes"
JSON = {"Content-Type": "application/json"}
PROFILES = {"lamp": {"match": "lamps/{device}", "format": "json", "points": {"*": {}},
                     "write": {"power": {"timeout": "5s"}}}}


def gateway(console=None, token=False, **more):
    """One that takes CoAP (at .coap) and writes a file; its console is at .port."""
    port, coap = fg.free_port(), fg.free_port(socket.SOCK_DGRAM)
    os.makedirs("secrets", exist_ok=True)
    with open(f"{os.getcwd()}/secrets/console", "w", encoding="ascii") as file:
        file.write(TOKEN + "\n")
    os.chmod(f"{os.getcwd()}/secrets/console", 0o600)
    conf = {"listen": f"http://127.0.0.1:{port}"}
    if token:
        conf["token"] = {"secret": "console"}
    conf.update(console or {})
    config = {"drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{coap}"}},
              "bridges": {"local": {"type": "file", "path": f"{os.getcwd()}/records.jsonl",
                                    "batch": {"linger": "10ms"}}},
              "profiles": PROFILES, "console": conf}
    config.update(more)
    made = fg.Gateway(config, env={"CREDENTIALS_DIRECTORY": f"{os.getcwd()}/secrets"})
    made.port, made.coap = port, coap
    return made


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


def connect(port, tls=False, timeout=fg.DEADLINE_S):
    if not tls:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    context = ssl.create_default_context(cafile="ca.crt")
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)


def ask(port, method, path, body=None, headers=None, tls=False):
    connection = connect(port, tls)
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    given = dict(JSON if method == "POST" else {}, **(headers or {}))
    connection.request(method, path, body, given)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def bearer(token=TOKEN):
    return {"Authorization": "Bearer " + token}


def raw(port, data, until_closed=True):
    """Bytes to the port and all that comes back, until the other end closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=fg.DEADLINE_S) as sock:
        got = b""
        try:
            sock.sendall(data)
            while until_closed or b"\r\n\r\n" not in got:
                part = sock.recv(65536)
                if not part:
                    break
                got += part
        except ConnectionError:
            pass
        return got


class Viewer:
    """Server-sent events, read as they come: (event, data) in .events."""

    def __init__(self, port, query="", headers=None, tls=False):
        self.events, self.pings, self.error = [], 0, None
        self.connection = connect(port, tls)
        self.connection.request("GET", "/api/v1/stream" + query, headers=headers or {})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        if self.status != 200:
            self.response.read()
            return
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        event = None
        try:
            for line in self.response:
                line = line.decode("utf-8").rstrip("\n")
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: "):
                    self.events.append((event, line[6:]))
                elif line.startswith(":"):
                    self.pings += 1
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            self.error = error

    def of(self, event):
        return [json.loads(data) for name, data in list(self.events) if name == event]

    def close(self):
        sock = self.connection.sock or self.response.fp.raw._sock  # pylint: disable=protected-access
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()
