"""NATS servers and a client by hand, for the tests of the bridge and of the audit."""
import base64
import hashlib
import io
import json
import os
import queue
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import fg

SERVER = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/bin")


class Server:
    """nats-server with JetStream. `more`: lines of its configuration."""

    def __init__(self, name="n1", more="", port=None, cluster=None, start=True, jetstream=True):
        self.name, self.port = name, port or fg.free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.process = None
        with open(name + ".conf", "w", encoding="utf-8") as conf:
            conf.write(f"server_name: {name}\nlisten: 127.0.0.1:{self.port}\n{more}\n")
            if jetstream:
                conf.write(f'jetstream {{ store_dir: "{os.path.realpath(name)}.js", '
                           "max_mem: 64MB, max_file: 4GB }\n")
            if cluster:
                own, routes = cluster
                conf.write("cluster { name: fg, listen: 127.0.0.1:%d, routes: [ %s ] }\n" % (
                    own, ", ".join(f"nats://127.0.0.1:{r}" for r in routes)))
        if start:
            self.start()

    def start(self, wait=True):
        with open(self.name + ".log", "ab") as log:
            self.process = subprocess.Popen([SERVER, "-c", self.name + ".conf"], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            self.wait()
        return self

    def wait(self):
        fg.wait_for(f"{self.name} to listen", self.listens)

    def listens(self):
        fg.check(self.process.poll() is None,
                 f"{self.name} ended: " + fg.read(self.name + ".log")[-800:])
        with socket.socket() as s:
            s.settimeout(5)
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, signo):
        self.process.send_signal(signo)
        if signo == signal.SIGSTOP:    # each of its threads has to hear of it
            wait_stopped = f"/proc/{self.process.pid}/status"
            fg.wait_for("it to stand still", lambda: "T (stopped)" in fg.read(wait_stopped))

    def client(self, **options):
        return Client(self.port, **options)


def cluster(n=3, more=""):
    ports = [fg.free_port() for _ in range(n)]
    nodes = [Server(f"n{i + 1}", more, cluster=(ports[i], ports), start=False) for i in range(n)]
    for node in nodes:
        node.start(wait=False)
    for node in nodes:
        node.wait()
    return nodes


class Tls(io.RawIOBase):
    """One thread reads while others write: a TLS connection bears only one of them at a time."""

    def __init__(self, sock):
        super().__init__()
        self.sock, self.turn = sock, threading.Lock()
        sock.setblocking(False)

    def readable(self):
        return True

    def readinto(self, room):
        while True:
            if not self.sock.pending():
                select.select([self.sock], [], [])
            with self.turn:
                try:
                    return self.sock.recv_into(room)
                except ssl.SSLWantReadError:    # a session ticket, say
                    pass

    def sendall(self, data):
        view = memoryview(data)
        while view:
            with self.turn:
                try:
                    view = view[self.sock.send(view):]
                    continue
                except ssl.SSLWantWriteError:
                    pass
            select.select([], [self.sock], [])

    def close(self):
        super().close()
        self.sock.close()


class Client:
    """Speaks the protocol by hand: https://docs.nats.io/reference/reference-protocols/nats-protocol"""

    def __init__(self, port, connect=None, tls=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=fg.DEADLINE_S)
        self.file = self.sock.makefile("rb")
        self.info = json.loads(self.file.readline().split(b" ", 1)[1])
        if tls:
            self.sock = Tls(tls.wrap_socket(self.sock, server_hostname="127.0.0.1"))
            self.file = io.BufferedReader(self.sock)
        options = dict({"verbose": False, "headers": True, "no_responders": True, "protocol": 1},
                       **(connect or {}))
        self.lock, self.inbox, self.sids, self.n = threading.Lock(), {}, {}, 0
        self.write(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        line = self.file.readline()
        fg.check(line == b"PONG\r\n", f"refused: {line}")
        self.prefix = "_INBOX.test" + os.urandom(6).hex()
        threading.Thread(target=self.run, daemon=True).start()
        self.subscribe(self.prefix + ".*", None)

    def write(self, data):
        with self.lock:
            self.sock.sendall(data)

    def run(self):
        try:
            while True:
                line = self.file.readline()
                if not line:
                    return
                parts = line.split()
                if parts[0] == b"PING":
                    self.write(b"PONG\r\n")
                if parts[0] not in (b"MSG", b"HMSG"):
                    continue
                data = self.file.read(int(parts[-1]) + 2)[:-2]
                head = b""
                reply = parts[3] if len(parts) == (6 if parts[0] == b"HMSG" else 5) else b""
                if parts[0] == b"HMSG":
                    head, data = data[:int(parts[-2])], data[int(parts[-2]):]
                message = (parts[1].decode(), reply.decode(), head.decode(), data)
                into = self.sids[parts[2]] or self.inbox.get(message[0])
                if into is not None:
                    into.put(message)
        except (OSError, ValueError):
            pass

    def subscribe(self, subject, into="new"):
        self.n += 1
        box = queue.Queue() if into == "new" else into
        sid = str(self.n).encode()
        self.sids[sid] = box
        self.write(b"SUB " + subject.encode() + b" " + sid + b"\r\n")
        return box

    def publish(self, subject, data=b"", reply=""):
        data = data.encode() if isinstance(data, str) else data
        self.write(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def request(self, subject, data=b"", seconds=fg.DEADLINE_S):
        self.n += 1
        reply = f"{self.prefix}.{self.n}"
        box = self.inbox[reply] = queue.Queue()
        try:
            self.publish(subject, data, reply)
            return box.get(timeout=seconds)
        finally:
            del self.inbox[reply]

    def api(self, call, data=None):
        """An answer of JetStream's, asked again while there is no leader."""
        def ask():
            try:
                _, _, head, body = self.request("$JS.API." + call,
                                                json.dumps(data) if data else b"", 5)
            except queue.Empty:
                return None
            answer = json.loads(body) if body else None
            late = not answer or answer.get("error", {}).get("code") == 503
            return None if late or "503" in head else answer
        return fg.wait_for(call, ask)

    def make_stream(self, name="FIELDGATE", subjects=("fieldgate.*.records",), **more):
        answer = self.api(f"STREAM.CREATE.{name}", dict({
            "name": name, "subjects": list(subjects), "retention": "limits", "storage": "file",
            "discard": "old", "num_replicas": 1, "max_consumers": -1, "max_msgs": -1,
            "max_bytes": -1, "max_age": 0, "duplicate_window": 120 * 10**9}, **more))
        fg.check("error" not in answer, f"stream {name}: {answer}")
        return answer

    def stream(self, name="FIELDGATE"):
        return self.api(f"STREAM.INFO.{name}")

    def leader(self, name="FIELDGATE"):
        return self.stream(name).get("cluster", {}).get("leader")

    def stored(self, name="FIELDGATE", seconds=fg.DEADLINE_S):
        """Every message of the stream, by a consumer: (subject, headers, payload). queue.Empty, if
        for so many seconds the next one does not come."""
        last = self.stream(name)["state"]
        if last["messages"] == 0:
            return []
        into = f"{self.prefix}.stored{self.n}"
        box = self.subscribe(into)
        answer = self.api(f"CONSUMER.CREATE.{name}", {
            "stream_name": name, "config": {"deliver_subject": into, "ack_policy": "none",
                                            "deliver_policy": "all", "max_deliver": 1,
                                            "num_replicas": 1, "mem_storage": True}})
        fg.check("error" not in answer, f"consumer: {answer}")
        got = []
        while len(got) < last["messages"]:
            subject, _, head, data = box.get(timeout=seconds)
            got.append((subject, head, data.decode()))
        self.api(f"CONSUMER.DELETE.{name}.{answer['name']}")
        return got

    def packs(self, name="FIELDGATE"):
        return [data for _, _, data in self.stored(name)]

    def close(self):
        self.sock.close()


# -- users: https://docs.nats.io, nkeys and JWTs --

def base32(data):
    return base64.b32encode(data).decode().rstrip("=")


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc.to_bytes(2, "little")


class Key:
    """An Ed25519 key of one of the kinds O, A, U; signing is openssl's."""
    KINDS = {"O": 14 << 3, "A": 0, "U": 20 << 3}

    def __init__(self, kind):
        self.seed = os.urandom(32)
        prefix = self.KINDS[kind]
        self.path = f"key-{kind}-{self.seed.hex()[:8]}.der"
        with open(self.path, "wb") as file:
            file.write(bytes.fromhex("302e020100300506032b657004220420") + self.seed)
        public = self.openssl("pkey", "-inform", "DER", "-in", self.path, "-pubout",
                              "-outform", "DER")[-32:]
        self.public = self.text(bytes([prefix]) + public)
        first = 18 << 3 | prefix >> 5
        self.secret = self.text(bytes([first, (prefix & 31) << 3]) + self.seed)

    @staticmethod
    def text(data):
        return base32(data + crc16(data))

    @staticmethod
    def openssl(*args):
        return subprocess.run(["openssl", *args], check=True, capture_output=True).stdout

    def sign(self, data):
        with open(self.path + ".in", "wb") as file:
            file.write(data)
        return self.openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-keyform", "DER",
                            "-in", self.path + ".in")


def jwt(signer, subject, name, nats):
    def part(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    claims = {"iat": 1700000000, "iss": signer.public, "name": name, "sub": subject.public,
              "nats": nats}
    text = json.dumps(claims, separators=(",", ":"))
    claims["jti"] = base32(hashlib.sha256(text.encode()).digest())
    head = part(b'{"typ":"JWT","alg":"ed25519-nkey"}')
    body = head + "." + part(json.dumps(claims, separators=(",", ":")).encode())
    return body + "." + part(signer.sign(body.encode()))


def credentials(path):
    """Operator, account, user. Returns the server's lines; the user's file is at `path`."""
    operator, account, system, user = Key("O"), Key("A"), Key("A"), Key("U")
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
              "wildcards": True, "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1,
              "streams": -1, "consumer": -1}
    op = jwt(operator, operator, "op", {"type": "operator", "version": 2})
    acc = jwt(operator, account, "acc", {"type": "account", "version": 2, "limits": limits})
    small = {k: v for k, v in limits.items() if "storage" not in k and k not in ("streams", "consumer")}
    sys = jwt(operator, system, "sys", {"type": "account", "version": 2, "limits": small})
    us = jwt(account, user, "gw", {"type": "user", "version": 2, "subs": -1, "data": -1,
                                   "payload": -1, "pub": {}, "sub": {}})
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"-----BEGIN NATS USER JWT-----\n{us}\n------END NATS USER JWT------\n\n"
                   f"-----BEGIN USER NKEY SEED-----\n{user.secret}\n"
                   "------END USER NKEY SEED------\n")
    return (f"operator: {op}\nresolver: MEMORY\nsystem_account: {system.public}\n"
            f"resolver_preload: {{ {account.public}: {acc}, {system.public}: {sys} }}\n")


def tls_client(ca, cert=None, key=None):
    context = fg.tls_context(ca)
    context.check_hostname = False
    if cert:
        context.load_cert_chain(cert, key)
    return context


def ids(stored):
    """The Nats-Msg-Ids of what stored() gave."""
    found = []
    for _, head, _ in stored:
        for line in head.split("\r\n"):
            if line.startswith("Nats-Msg-Id:"):
                found.append(line.split(":", 1)[1].strip())
    return found
