"""What the tests of the whole program share: gateways, brokers (real and scripted), devices, and
the two questions asked at every end: does the account add up, is what arrived complete.

Nothing here waits for a time, only for a condition, with a deadline."""
import atexit
import itertools
import json
import os
import pty
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
import tty

FIELDGATE = os.environ["FIELDGATE"]
SOURCE_DIR = os.environ["SOURCE_DIR"]
MOSQUITTO = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
DEADLINE_S = 40
# a line of the log; a very long one is cut
LOGFMT = re.compile(r'\S+Z level=\w+( [\w-]+=("([^"\\]|\\.)*"|[^" ]*))+ ?|\S+Z level=.{1900,}')
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer)")


class Failed(Exception):
    pass


def wait_for(what, condition, seconds=DEADLINE_S):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        for gateway in Gateway.running:
            gateway.look()
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def check(condition, text):
    if not condition:
        raise Failed(text)


def equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: {str(got)[:1500]}\n  wanted: {str(wanted)[:1500]}")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


# -- the program --

def fieldgate(*args, text=None, want=(0,), env=None):
    """One call; its exit status must be one of `want` (None: any)."""
    data = text.encode() if isinstance(text, str) else text
    stdin = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    done = subprocess.run([FIELDGATE, *map(str, args)], capture_output=True, timeout=DEADLINE_S,
                          check=False, env=env, **stdin)
    done.out = done.stdout.decode("utf-8", "replace")
    done.err = done.stderr.decode("utf-8", "replace")
    if SANITIZER.search(done.err):
        raise Failed(f"fieldgate {' '.join(map(str, args))}:\n{done.err}")
    if want is not None and done.returncode not in want:
        raise Failed(f"fieldgate {' '.join(map(str, args))}: exit status {done.returncode}, not "
                     f"{want}: {done.err[:1000]}{done.out[:1000]}")
    return done


class Gateway:
    running = []

    def __init__(self, config, name="gateway", env=None):
        folder = os.getcwd()
        self.name, self.env = name, dict(os.environ, **(env or {}))
        self.conf = f"{folder}/{name}.json"
        self.log_path = f"{folder}/{name}.log"
        self.spool = f"{folder}/{name}.spool"
        self.process, self.begin = None, 0
        self.config = {"gateway": {"id": "gw"}, "run": {"socket": f"{folder}/{name}.sock"},
                       "clock": {"trust": "always"}}
        self.config.update(config)
        self.config["spool"] = dict({"limit": "16MiB", "segment": "1MiB"},
                                    **config.get("spool", {}))
        self.config["spool"].setdefault("dir", self.spool)
        self.spool = self.config["spool"]["dir"]
        self.write()

    def write(self):
        with open(self.conf + ".new", "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=1)
        os.rename(self.conf + ".new", self.conf)

    def start(self, ready=True):
        self.begin = len(read(self.log_path))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([FIELDGATE, "run", "-c", self.conf], stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.env)
        Gateway.running.append(self)
        if ready:
            wait_for("ready", self.is_ready)
        return self

    def is_ready(self):
        return re.search(r"\bready\b", self.said())

    def said(self):
        """Its log since it was started."""
        return read(self.log_path)[self.begin:]

    def look(self):
        if self.process and self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}: "
                         + self.said()[-3000:])

    def pid(self):
        return self.process.pid

    def _gone(self):
        Gateway.running.remove(self)
        self.process = None
        self.check_log()

    def check_log(self):
        found = SANITIZER.search(read(self.log_path))
        if found:
            raise Failed(f"{self.name}: " + read(self.log_path)[max(0, found.start() - 200):][:6000])
        for line in read(self.log_path).split("\n"):
            if re.match(r"\d{4}-\S+Z level=", line) and not LOGFMT.fullmatch(line):
                raise Failed(f"{self.name}: not logfmt: {line}")

    def stop(self, want=0, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        status = self.process.wait(timeout=DEADLINE_S)
        self._gone()
        equal(status, want, f"{self.name}: exit status; {read(self.log_path)[-2000:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._gone()

    def ledger(self):
        if self.process:
            return json.loads(fieldgate("ledger", "-c", self.conf).out)
        return json.loads(fieldgate("ledger", "--spool", self.spool).out)

    def pss_kib(self):
        return int(re.search(r"^Pss: +(\d+) kB", read(f"/proc/{self.pid()}/smaps_rollup"), re.M)[1])

    def account(self, bridge):
        return self.ledger()["bridges"][bridge]

    def status(self):
        return json.loads(fieldgate("status", "--json", "-c", self.conf).out)

    def reload(self, want=(0,)):
        self.write()
        return fieldgate("reload", "-c", self.conf, want=want)

    def wait_drained(self, *bridges, seconds=DEADLINE_S, due=None):
        """Until nothing waits any more; returns the ledger, whose equation holds."""
        def drained():
            ledger = self.ledger()
            names = bridges or ledger["bridges"]
            return all(ledger["bridges"][b]["waiting"] == 0 for b in names) and ledger
        return check_ledger(wait_for("everything to be acknowledged", drained, seconds), due)


def check_ledger(ledger, due=None):
    """accepted = acknowledged + sent + waiting + dead + dropped, for each bridge. `due`: what a
    bridge that was begun later is to have, by name."""
    equal(ledger["received"], ledger["accepted"] + ledger["suppressed"], f"received in {ledger}")
    for name, b in ledger["bridges"].items():
        parts = [b[k] for k in ("acknowledged", "sent", "waiting", "dead")]
        check(min(parts) >= 0 and all(n > 0 for n in b["dropped"].values()), f"{name}: {b}")
        equal(sum(parts) + sum(b["dropped"].values()), (due or {}).get(name, ledger["accepted"]),
              f"the account of {name}, {b}, adds up to")
    return ledger


def audit(lines, until=None, want=(0,)):
    args = ["--until", until] if until else []
    text = "".join(line if line.endswith("\n") else line + "\n" for line in lines)
    done = fieldgate("audit", *args, text=text, want=want)
    answer = json.loads(done.out)
    equal(answer["complete"], done.returncode == 0, "complete, by exit status")
    return answer


def until(ledger):
    return f"{ledger['epoch']}:{ledger['last']}"


def total(answer, key="records", gateway="gw"):
    return sum(e[key] for e in answer["gateways"][gateway]["epochs"].values())


def lost(answer, gateway="gw"):
    """What was announced as lost, by reason."""
    found = {}
    for epoch in answer["gateways"][gateway]["epochs"].values():
        for why, count in epoch["lost"].items():
            found[why] = found.get(why, 0) + count
    return found


def file_lines(path):
    """The whole lines of a file that may still grow."""
    text = read(path)
    return text[:text.rfind("\n") + 1].splitlines()


def records(lines, gateway="gw"):
    """(device, point, value) of the records of some packs, in order; what the gateway itself says
    (device `fieldgate`) left out."""
    found = []
    for line in lines:
        device = None
        for record in json.loads(line) if isinstance(line, (str, bytes)) else line:
            if "bn" in record:
                base = record["bn"]
                check(base.startswith(gateway + "/") and base.endswith("/"), f"bn {base}")
                device = base[len(gateway) + 1:-1]
            value = next((record[k] for k in ("v", "vs", "vb", "vd") if k in record), None)
            if device != "fieldgate":
                found.append((device, record["n"], value))
    return found


def series(lines, point="seq"):
    """{device: [values of a point]}, in the order of arrival."""
    found = {}
    for device, name, value in records(lines):
        if name == point:
            found.setdefault(device, []).append(value)
    return found


def first_times(values):
    return list(dict.fromkeys(values))


# -- MQTT on the wire --

def varint(n):
    out = b""
    while True:
        out += bytes([n % 128 | (128 if n > 127 else 0)])
        n //= 128
        if not n:
            return out


def text16(s):
    data = s if isinstance(s, bytes) else s.encode()
    return struct.pack(">H", len(data)) + data


def packet(head, body):
    return bytes([head]) + varint(len(body)) + body


class Reader:
    """Packets from a socket."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def take(self, n):
        while len(self.data) < n:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.data += more
        got, self.data = self.data[:n], self.data[n:]
        return got

    def packet(self):
        head, size, shift = self.take(1)[0], 0, 0
        while True:
            byte = self.take(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return head, self.take(size)


def take16(body, at):
    size = struct.unpack_from(">H", body, at)[0]
    return body[at + 2:at + 2 + size], at + 2 + size


def take_varint(body, at):
    value = shift = 0
    while True:
        byte = body[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def parse_publish(head, body, version):
    topic, at = take16(body, 0)
    mid, props = 0, b""
    if head >> 1 & 3:
        mid, at = struct.unpack_from(">H", body, at)[0], at + 2
    if version == 5:
        size, at = take_varint(body, at)
        props, at = body[at:at + size], at + size
    return {"topic": topic.decode(), "qos": head >> 1 & 3, "retain": bool(head & 1),
            "dup": bool(head & 8), "mid": mid, "props": props, "payload": body[at:]}


def tls_context(ca):
    """For a client of the tests' own. Python 3.13 would want more of a test's certificates than OpenSSL,
    and than the gateway, does."""
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Mqtt:
    """A client: what it published is in `acked` once the broker said so; what it received, in
    `messages`, acknowledged as it came."""
    clients = []

    def __init__(self, address, client_id, version=4, clean=True, tls=None, username=None,
                 password=None):
        self.version, self.client_id = version, client_id
        self.messages, self.acked, self.lock = [], set(), threading.Condition()
        self.mid, self.subacks, self.gone = 0, {}, False
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            where = address if isinstance(address, tuple) else ("127.0.0.1", address)
            self.sock = socket.create_connection(where, timeout=DEADLINE_S)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        flags = (2 if clean else 0) | (0x80 if username else 0) | (0x40 if password else 0)
        body = text16("MQTT") + bytes([version, flags]) + struct.pack(">H", 600)
        if version == 5:
            body += b"\x05\x11" + struct.pack(">I", 0 if clean else 3600)
        body += text16(client_id)
        body += text16(username) if username else b""
        body += text16(password) if password else b""
        self.sock.sendall(packet(0x10, body))
        self.reader = Reader(self.sock)
        head, body = self.reader.packet()
        check(head == 0x20 and body[1] == 0, f"{client_id}: refused with {body[1]}")
        self.sock.settimeout(None)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        Mqtt.clients.append(self)

    def run(self):
        try:
            while True:
                self.took(*self.reader.packet())
        except (EOFError, OSError, ValueError):
            with self.lock:
                self.gone = True
                self.lock.notify_all()

    def took(self, head, body):
        with self.lock:
            if head >> 4 == 3:
                message = parse_publish(head, body, self.version)
                self.messages.append(message)
                if message["qos"]:
                    self.sock.sendall(packet(0x40, struct.pack(">H", message["mid"])))
            elif head >> 4 == 4:
                self.acked.add(struct.unpack_from(">H", body)[0])
            elif head >> 4 == 9:
                self.subacks[struct.unpack_from(">H", body)[0]] = body[-1]
            self.lock.notify_all()

    def next_mid(self):
        self.mid = self.mid % 65535 + 1
        return self.mid

    def subscribe(self, topic, qos=1):
        mid = self.next_mid()
        body = struct.pack(">H", mid) + (b"\0" if self.version == 5 else b"")
        self.sock.sendall(packet(0x82, body + text16(topic) + bytes([qos])))
        with self.lock:
            check(self.lock.wait_for(lambda: mid in self.subacks, DEADLINE_S), "no SUBACK")
            equal(self.subacks[mid], qos, "granted QoS")
        return self

    def send(self, topic, payload, qos=1, retain=False):
        """Returns the packet's id, which will be in `acked`."""
        mid = self.next_mid() if qos else 0
        body = text16(topic) + (struct.pack(">H", mid) if qos else b"")
        body += b"\0" if self.version == 5 else b""
        with self.lock:
            self.acked.discard(mid)
        data = payload if isinstance(payload, bytes) else payload.encode()
        self.sock.sendall(packet(0x30 | qos << 1 | retain, body + data))
        return mid

    def publish(self, topic, payloads, qos=1, window=20):
        """All of them, and waits until the broker has acknowledged them."""
        waiting = []
        for payload in payloads:
            waiting.append(self.send(topic, payload, qos))
            if qos and len(waiting) >= window:
                self.wait_acked(waiting.pop(0))
        for mid in waiting if qos else ():
            self.wait_acked(mid)

    def wait_acked(self, mid):
        with self.lock:
            check(self.lock.wait_for(lambda: mid in self.acked or self.gone, DEADLINE_S),
                  "no PUBACK from the broker")
            check(mid in self.acked, f"{self.client_id}: the connection is gone")

    def payloads(self, topic=None):
        with self.lock:
            return [m["payload"].decode() for m in self.messages
                    if topic is None or m["topic"] == topic]

    def close(self):
        try:
            self.sock.sendall(packet(0xe0, b""))
        except OSError:
            pass
        self.drop()

    def drop(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join(5)


class Broker:
    """mosquitto. `more`: lines of its configuration for the one listener."""
    running = []

    def __init__(self, name="broker", more="", port=None, local=None, start=True,
                 host="127.0.0.1"):
        self.name, self.port, self.host = name, port or free_port(), host
        self.url = f"mqtt://{host}:{self.port}"
        self.process, self.more, self.local = None, more, local
        folder = os.path.realpath(name)
        os.makedirs(folder, exist_ok=True)
        with open(name + ".conf", "w", encoding="utf-8") as conf:
            conf.write("max_queued_messages 0\nmax_inflight_messages 0\npersistence true\n"
                       f"persistence_location {folder}/\nset_tcp_nodelay true\n")
            if os.getuid() == 0:
                conf.write("user root\n")
            conf.write(f"listener {self.port} {host}\n")
            conf.write(more if more else "allow_anonymous true\n")
            if local:
                conf.write(f"listener 0 {local}\nallow_anonymous true\n")
        if start:
            self.start()

    def start(self):
        with open(self.name + ".log", "ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-v", "-c", self.name + ".conf"],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        Broker.running.append(self)
        wait_for(f"{self.name} to listen", self.listens)
        return self

    def listens(self):
        check(self.process.poll() is None, f"{self.name} ended: " + read(self.name + ".log")[-500:])
        with socket.socket() as s:
            return s.connect_ex((self.host, self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
        Broker.running.remove(self)

    def log(self):
        return read(self.name + ".log")

    def connections(self, client_id):
        """Source ports of the connections of a client so far, in order."""
        return re.findall(r"from \S+?:(\d+) as " + re.escape(client_id) + r" ", self.log())

    def wait_subscribed(self, client_id):
        """`-v` logs `CLIENT QOS FILTER` of every subscription."""
        wait_for(f"the subscription of {client_id}",
                 lambda: re.search(rf"^\d+: {re.escape(client_id)} \d ", self.log(), re.M))

    def collector(self, topic="fieldgate/gw/records", client_id="collector", clean=False):
        return Mqtt((self.host, self.port), client_id, clean=clean).subscribe(topic)


class Script:
    """A broker that does as it is told. Southbound: give() puts a message into the session of who
    has subscribed, and it stands in `kept` when PUBACK came; a client that comes back is sent again
    what it has not acknowledged. Northbound: `taken` are the PUBLISH packets, and `answer` says
    with which reason one is acknowledged (None: not at all)."""
    running = []

    def __init__(self, answer=None, on_connack=None, receive_max=None, port=None, window=64,
                 forgetful=False, host="127.0.0.1"):
        self.answer = answer or (lambda message: 0)
        self.on_connack, self.receive_max, self.window = on_connack, receive_max, window
        self.lock = threading.Condition()
        self.connects, self.taken, self.kept, self.subscribes = [], [], set(), []
        self.sessions, self.given, self.given_at, self.flying = set(), [], 0, {}
        self.forgetful = forgetful    # knows of no session
        self.server = socket.create_server((host, port or 0), backlog=1024)
        self.port = self.server.getsockname()[1]
        self.url = f"mqtt://{host}:{self.port}"
        self.active, self.newest = {}, {}
        self.mid = 0
        Script.running.append(self)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        for turn in itertools.count():
            try:
                sock, address = self.server.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock, address, turn), daemon=True).start()

    def serve(self, sock, address, turn):
        client = None
        try:
            reader = Reader(sock)
            head, body = reader.packet()
            client = self.connected(sock, head, body, address, turn)
            if self.on_connack and not self.on_connack(sock, client):
                return
            while True:
                self.took(sock, client, *reader.packet())
        except (EOFError, OSError, IndexError, struct.error):
            pass
        finally:
            sock.close()
            with self.lock:
                if client and self.active.get(client["id"]) is sock:
                    del self.active[client["id"]]
                self.lock.notify_all()

    def connected(self, sock, head, body, address, turn):
        check(head == 0x10, "not CONNECT")
        _, at = take16(body, 0)
        version, flags = body[at], body[at + 1]
        at += 4
        if version == 5:
            size, at = take_varint(body, at)
            at += size
        client_id, at = take16(body, at)
        client = {"id": client_id.decode(), "version": version, "clean": bool(flags & 2),
                  "port": address[1]}
        with self.lock:
            # on a busy machine the thread of a connection that is dead already may come late
            if self.newest.get(client["id"], -1) > turn:
                raise EOFError
            self.newest[client["id"]] = turn
            present = (client["id"] in self.sessions and not client["clean"]
                       and not self.forgetful)
            self.sessions.add(client["id"])
            self.connects.append(client)
            self.active[client["id"]] = sock
            props = b""
            if version == 5 and self.receive_max:
                props = b"\x21" + struct.pack(">H", self.receive_max)
            tail = varint(len(props)) + props if version == 5 else b""
            sock.sendall(packet(0x20, bytes([present, 0]) + tail))
            if present:
                for mid, at in sorted(self.flying.items(), key=lambda i: i[1]):
                    self.put(sock, client["version"], mid, at, dup=True)
                self.more(sock, client)
            self.lock.notify_all()
        return client

    def put(self, sock, version, mid, at, dup=False):
        topic, payload = self.given[at]
        body = text16(topic) + struct.pack(">H", mid) + (b"\0" if version == 5 else b"")
        sock.sendall(packet(0x32 | (8 if dup else 0), body + payload))

    def more(self, sock, client):
        while self.given_at < len(self.given) and len(self.flying) < self.window:
            while True:
                self.mid = self.mid % 65535 + 1
                if self.mid not in self.flying:
                    break
            self.flying[self.mid] = self.given_at
            self.given_at += 1
            self.put(sock, client["version"], self.mid, self.given_at - 1)

    def took(self, sock, client, head, body):
        kind, v5 = head >> 4, client["version"] == 5
        with self.lock:
            if kind == 3:
                message = parse_publish(head, body, client["version"])
                message["client"] = client["id"]
                message["connection"] = client["port"]
                self.taken.append(message)
                reason = self.answer(message)
                if message["qos"] and reason is not None:
                    tail = bytes([reason]) if v5 and reason else b""
                    sock.sendall(packet(0x40, struct.pack(">H", message["mid"]) + tail))
            elif kind == 4:
                at = self.flying.pop(struct.unpack_from(">H", body)[0], None)
                if at is not None:
                    self.kept.add(at)
                self.more(sock, client)
            elif kind == 8:
                self.subscribes.append(client["id"])
                sock.sendall(packet(0x90, body[:2] + (b"\0" if v5 else b"")
                                    + bytes([1] * self.filters(body, v5))))
                self.session = client
                self.more(sock, client)
            elif kind == 10:
                tail = b"\0" + bytes(self.filters(body, v5, 0)) if v5 else b""
                sock.sendall(packet(0xb0, body[:2] + tail))
            elif kind == 12:
                sock.sendall(packet(0xd0, b""))
            self.lock.notify_all()

    def filters(self, body, v5, options=1):
        """How many there are in a SUBSCRIBE, or with no options behind each in an UNSUBSCRIBE."""
        at, n = 2, 0
        if v5:
            size, at = take_varint(body, at)
            at += size
        while at < len(body):
            _, at = take16(body, at)
            at, n = at + options, n + 1
        return n

    def give(self, topic, payload):
        """Returns the number that will be in `kept`."""
        with self.lock:
            self.given.append((topic, payload if isinstance(payload, bytes) else payload.encode()))
            client = getattr(self, "session", None)
            sock = client and self.active.get(client["id"])
            if sock:
                try:
                    self.more(sock, client)
                except OSError:
                    pass    # it is sent when the client comes back
            return len(self.given) - 1

    def packs(self):
        with self.lock:
            return [m for m in self.taken if m["topic"].endswith("/records")]

    def drop_clients(self):
        with self.lock:
            for sock in list(self.active.values()):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        """Closing alone would neither end the thread that waits in accept() nor give up the port; and
        where the next one gets the same descriptor, that thread could take its connections away."""
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # closed before
        self.thread.join(DEADLINE_S)
        check(not self.thread.is_alive(), "a scripted broker still takes connections")
        self.server.close()
        self.drop_clients()
        if self in Script.running:
            Script.running.remove(self)


# -- CoAP, by hand --

class Coap:
    def __init__(self, port, host="127.0.0.1"):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((host, port))
        while self.sock.getsockname() == self.sock.getpeername():    # it would talk to itself
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.connect((host, port))
        self.mid = struct.unpack(">H", os.urandom(2))[0]

    def request(self, path, payload, content_format=None, method=2):
        self.mid = (self.mid + 1) & 0xffff
        data = bytes([0x44, method]) + struct.pack(">HI", self.mid, self.mid)
        last = 0
        options = [(11, p.encode()) for p in path.split("/")]
        if content_format is not None:
            options.append((12, content_format.to_bytes(2, "big").lstrip(b"\0")))
        for option, value in options:
            check(len(value) < 13 and option - last < 13, "this client writes short options only")
            data += bytes([option - last << 4 | len(value)]) + value
            last = option
        return data + (b"\xff" + payload if payload else b"")

    def post(self, path, payload, content_format=None, tries=4, timeout=2.0):
        """(code, max-age or None), or (None, None) if nobody answers."""
        data = self.request(path, payload if isinstance(payload, bytes) else payload.encode(),
                            content_format)
        for _ in range(tries):
            try:
                self.sock.send(data)
                end = time.monotonic() + timeout
                while True:
                    self.sock.settimeout(max(0.001, end - time.monotonic()))
                    reply = self.sock.recv(2048)
                    if len(reply) >= 8 and reply[4:8] == data[4:8] and reply[1]:
                        return f"{reply[1] >> 5}.{reply[1] & 31:02}", self.max_age(reply)
            except (TimeoutError, ConnectionRefusedError):
                if threading.current_thread() is threading.main_thread():
                    for gateway in Gateway.running:
                        gateway.look()
        return None, None

    def get(self, path, tries=4, timeout=2.0):
        """The payload, or None if there is none or nobody answers."""
        for _ in range(tries):
            data = self.request(path, b"", method=1)
            try:
                self.sock.send(data)
                self.sock.settimeout(timeout)
                reply = self.sock.recv(65536)
                while reply[4:8] != data[4:8]:
                    reply = self.sock.recv(65536)
                return reply.partition(b"\xff")[2] if reply[1] == 0x45 else None
            except (TimeoutError, ConnectionRefusedError):
                pass
        return None

    @staticmethod
    def max_age(reply):
        at, option = 8, 0
        while at < len(reply) and reply[at] != 0xff:
            option += reply[at] >> 4
            size = reply[at] & 15
            if reply[at] >> 4 > 12 or size > 12:
                return None
            if option == 14:
                return int.from_bytes(reply[at + 1:at + 1 + size], "big")
            at += 1 + size
        return None


# -- a serial line --

class Line:
    """A pseudo-terminal behind a path that stays, as /dev/serial/by-id does."""

    def __init__(self, path="line"):
        self.path, self.master = os.path.abspath(path), None

    def plug_in(self):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        os.symlink(os.ttyname(slave), self.path + ".new")
        os.rename(self.path + ".new", self.path)
        os.close(slave)
        return self

    def unplug(self):
        os.unlink(self.path)
        os.close(self.master)
        self.master = None

    def say(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        while data:
            data = data[os.write(self.master, data):]


# -- certificates --

def certificates():
    """ca.crt, server.crt/.key for 127.0.0.1, client.crt/.key in the current folder."""
    def openssl(*args):
        done = subprocess.run(["openssl", *args], capture_output=True, check=False)
        check(done.returncode == 0, done.stderr.decode())
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-days", "2", "-subj", "/CN=test CA", "-keyout", "ca.key",
            "-out", "ca.crt")
    with open("server.ext", "w", encoding="utf-8") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        openssl("req", *new, "-subj", f"/CN={name}", "-keyout", name + ".key", "-out",
                name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", name + ".crt")


# -- running the tests of a script --

def need(*programs):
    missing = [p for p in programs if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        print("skipped: not installed: " + ", ".join(missing))
        sys.exit(77)


def clean_up():
    for client in Mqtt.clients:
        client.drop()
    Mqtt.clients.clear()
    for script in list(Script.running):
        script.close()
    for gateway in list(Gateway.running):
        gateway.process.kill()
        gateway.process.wait()
        Gateway.running.remove(gateway)
    for broker in list(Broker.running):
        broker.process.kill()
        broker.process.wait()
        Broker.running.remove(broker)


def run_one(name, function):
    os.makedirs(name)
    os.chdir(name)
    begun = time.monotonic()
    try:
        note = function()
        for log in os.listdir("."):
            if log.endswith(".log"):
                check(not SANITIZER.search(read(log)), f"{log}:\n{read(log)[-6000:]}")
        print(f"ok      {name} ({time.monotonic() - begun:.1f} s){': ' + note if note else ''}",
              flush=True)
        return True
    except BaseException as error:  # pylint: disable=broad-except
        print(f"FAILED  {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        if not isinstance(error, Failed):
            traceback.print_exc(file=sys.stdout)
        else:
            at = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
            print(f"  line {at[-1].lineno if at else '?'}: {error}")
        for log in sorted(f for f in os.listdir(".") if f.startswith("gateway") and ".log" in f):
            print(f"  {log}:\n" + read(log)[-2500:])
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    finally:
        clean_up()
        os.chdir("..")


def main(names):
    """Runs every test_ function of a script, each in a folder of its own; arguments choose some."""
    atexit.register(clean_up)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = sys.argv[1:]
    tests = [(n, f) for n, f in names.items() if n.startswith("test_") and callable(f)
             and (not wanted or n in wanted)]
    bad = sum(not run_one(n, f) for n, f in tests)
    sys.exit(1 if bad else 0)
