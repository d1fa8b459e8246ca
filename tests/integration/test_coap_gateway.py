#!/usr/bin/python3
"""The gateway as CoAP devices see it: what is acknowledged is kept, once; bad datagrams change
nothing; DTLS takes who has a key. Datagrams are written by hand, DTLS is libcoap's client's."""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time

PROGRAM = os.environ["FIELDGATE"]
ROOT = pathlib.Path(os.environ["SOURCE_DIR"])
CASES = ROOT / "../shared/cases/coap"
CON, NON, ACK, RST = range(4)
GET, POST, PUT = 1, 2, 3


def code(text):
    return int(text[0]) << 5 | int(text[2:])


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def nibble(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, struct.pack(">H", value - 269)


def datagram(kind, method, mid, path="", payload=b"", token=b"t", options=()):
    data = bytes([0x40 | kind << 4 | len(token), method]) + struct.pack(">H", mid) + token
    last = 0
    paths = [(11, part.encode()) for part in path.split("/") if path]
    for option, value in sorted(paths + list(options), key=lambda o: o[0]):
        (delta, more), (size, more2) = nibble(option - last), nibble(len(value))
        data += bytes([delta << 4 | size]) + more + more2 + value
        last = option
    return data + (b"\xff" + payload if payload else b"")


def payload_of(reply):
    at = 4 + (reply[0] & 15)
    while at < len(reply) and reply[at] != 0xff:
        delta, size = reply[at] >> 4, reply[at] & 15
        at += 1
        at += {13: 1, 14: 2}.get(delta, 0)
        if size == 13:
            size = 13 + reply[at]
            at += 1
        elif size == 14:
            size = 269 + (reply[at] << 8 | reply[at + 1])
            at += 2
        at += size
    return reply[at + 1:]


class Gateway:
    def __init__(self, name, driver, spool=None, env=None):
        self.dir = pathlib.Path(name).absolute()
        self.dir.mkdir()
        self.env = dict(os.environ, **(env or {}))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        driver = dict(driver, type="coap", listen=driver["listen"] % self.port)
        self.records = self.dir / "records.jsonl"
        config = {
            "gateway": {"id": "gw"},
            "run": {"socket": str(self.dir / "control.sock")},
            "spool": dict(spool or {}, dir=str(self.dir / "spool")),
            "drivers": {"things": driver},
            "bridges": {"out": {"type": "file", "path": str(self.records), "start": "oldest",
                                "batch": {"linger": "10ms"}}},
        }
        (self.dir / "gateway.json").write_text(json.dumps(config))
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(("127.0.0.1", self.port))
        self.client.settimeout(10)
        self.start()

    def start(self):
        self.log = open(self.dir / "log", "a+")
        self.log.seek(0, os.SEEK_END)
        self.process = subprocess.Popen([PROGRAM, "run", "-c", self.dir / "gateway.json"],
                                        stderr=self.log, env=self.env)
        self.log_start = self.log.tell()
        wait("ready", lambda: "ready" in self.read_log())

    def read_log(self):
        text = (self.dir / "log").read_text()[self.log_start:]
        assert self.process.poll() is None, text
        return text

    def ask(self, data):
        self.client.send(data)
        return self.client.recv(2048)

    def post(self, mid, path, payload, want="2.04", **more):
        reply = self.ask(datagram(CON, POST, mid, path, payload, **more))
        assert reply[0] >> 4 & 3 == ACK and reply[2:4] == struct.pack(">H", mid), reply
        assert reply[1] == code(want), (reply, want)
        return reply

    def values(self):
        found = []
        if self.records.exists():
            for line in self.records.read_text().splitlines():
                base = ""
                for record in json.loads(line):
                    base = record.get("bn", base)
                    if "n" in record and not base.endswith("/fieldgate/"):
                        found.append((base + record["n"], record.get("v", record.get("vs"))))
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, (self.dir / "log").read_text()


def wait(what, condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def readings(gateway):
    for _ in range(3):
        gateway.post(1, "dev/temp", b"21.5")
    gateway.post(2, "dev", b'{"hum":40,"name":"x"}', options=[(12, number(50))])
    gateway.post(3, "dev/bad", b'{"hum":', want="4.00", options=[(12, number(50))])
    gateway.post(4, "dev/fmt", b"1", want="4.15", options=[(12, number(41))])
    body = json.dumps({"long%d" % i: i for i in range(20)}).encode()
    blocks = [body[i:i + 64] for i in range(0, len(body), 64)]
    for i, block in enumerate(blocks):
        more = i < len(blocks) - 1
        gateway.post(10 + i, "blocks", block, want="2.31" if more else "2.04",
                     options=[(27, number(i << 4 | (8 if more else 0) | 2)), (12, number(50))])
    want = {("gw/dev/temp", 21.5), ("gw/dev/hum", 40), ("gw/dev/name", "x")}
    want |= {("gw/blocks/long%d" % i, i) for i in range(20)}
    wait("records", lambda: len(gateway.values()) >= len(want))
    assert sorted(gateway.values(), key=str) == sorted(want, key=str), gateway.values()


def views(gateway):
    reply = gateway.ask(datagram(CON, GET, 200, "dev/temp"))
    assert reply[1] == code("2.05"), reply
    assert json.loads(payload_of(reply))[0]["v"] == 21.5, reply
    assert gateway.ask(datagram(CON, GET, 201, "nobody"))[1] == code("4.04")
    core = payload_of(gateway.ask(datagram(CON, GET, 202, ".well-known/core"))).decode()
    assert "</dev>" in core and "</blocks>" in core, core


def refused(gateway):
    """Each reason is one of those that docs/operating.md explains."""
    gateway.post(250, "", b"1", want="4.00")
    gateway.post(251, "dev/temp", b"x" * 64, want="4.00", options=[(27, number(7))])
    answer = subprocess.run([PROGRAM, "ledger", "-c", gateway.dir / "gateway.json"],
                            stdout=subprocess.PIPE, check=True).stdout
    rejected = json.loads(answer)["rejected"]
    assert rejected == {"malformed": 2, "content-format": 1, "address": 1}, rejected
    text = (ROOT / "docs/operating.md").read_text()
    assert all("| `%s`" % reason in text for reason in rejected), rejected


def hostile(gateway):
    if not CASES.is_dir():
        print("SKIPPED: no datagrams of other projects here")
        return
    cases = json.loads((CASES / "cases.json").read_text())["cases"]
    sent = 0
    for case in cases:
        data = (CASES / case["input"]).read_bytes() if "input" in case else b""
        if case.get("address", {}).get("framing") == "UDP datagram" and data:
            gateway.client.send(data)
            sent += 1
    assert sent > 10
    # whatever they were answered, the gateway still serves
    gateway.client.close()
    gateway.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gateway.client.connect(("127.0.0.1", gateway.port))
    gateway.client.settimeout(10)
    gateway.post(300, "after/value", b"1")
    assert gateway.process.poll() is None


def killed(gateway, first):
    """What was answered before a kill is in the file after the next start."""
    for i in range(200):
        gateway.post(1000 + first + i, "kill/seq", b"%d" % (first + i))
    gateway.process.kill()
    gateway.process.wait()
    gateway.start()
    want = {("gw/kill/seq", first + i) for i in range(200)}
    wait("what was answered before the kill", lambda: want <= set(gateway.values()))


def secured():
    client = shutil.which("coap-client-openssl")
    if not client:
        print("SKIPPED: no coap-client-openssl")
        return
    os.makedirs("secrets")
    pathlib.Path("secrets/key1").write_text("first-key")
    gateway = Gateway("dtls", {"listen": "coaps://127.0.0.1:%d", "psk": {"one": {"secret": "key1"}}},
                      env={"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")})
    for identity, key, good in (("one", "first-key", True), ("one", "wrong-key", False),
                                ("two", "first-key", False)):
        path = "good" if good else "bad"
        subprocess.run([client, "-B", "2" if good else "1", "-m", "post", "-u", identity, "-k", key,
                        "-e", "7", "coaps://127.0.0.1:%d/%s/v" % (gateway.port, path)],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wait("record over DTLS", lambda: gateway.values())
    gateway.stop()
    assert gateway.values() == [("gw/good/v", 7)], gateway.values()


def main():
    gateway = Gateway("plain", {"listen": "coap://127.0.0.1:%d"})
    readings(gateway)
    views(gateway)
    refused(gateway)
    hostile(gateway)
    killed(gateway, 0)
    gateway.stop()
    gateway = Gateway("each", {"listen": "coap://127.0.0.1:%d"}, {"commit": "each"})
    readings(gateway)
    killed(gateway, 1000)
    gateway.stop()
    secured()


main()
