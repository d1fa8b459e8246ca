#!/usr/bin/python3
"""Storms: everybody comes back at once, and those who were never invited. What devices were told is
kept arrives upstream, memory is bounded, and the loop does not stall.
FG_STORM (10000) CoAP devices, a tenth of that over MQTT, within ten seconds; FG_FLOOD (12) seconds
of a flood from spoofed addresses; FG_SEED repeats a run's addresses."""
import os
import random
import resource
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

fg.need("mosquitto", "coap-client-openssl")

THINGS = int(os.environ.get("FG_STORM", "10000"))
FLOOD_S = int(os.environ.get("FG_FLOOD", "12"))
HELLOS = 65000   # a second
SEED = int(os.environ.get("FG_SEED", random.randrange(1 << 32)))
WITHIN_S = 10
LAG_MAX_MS = 100
PSS_MAX_KIB = 24 << 10
EACH = 3    # payloads of a device over MQTT, before and after


class Memory(threading.Thread):
    """PSS of a gateway, four times a second."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway, self.end, self.most = gateway, threading.Event(), gateway.pss_kib()
        self.start()

    def run(self):
        while not self.end.wait(0.25):
            self.most = max(self.most, self.gateway.pss_kib())

    def close(self):
        self.end.set()
        self.join()
        fg.check(self.most <= PSS_MAX_KIB, f"PSS {self.most} KiB")
        return self.most


def judge(gateway, what, holds):
    """What `holds` says, unless the machine was too busy to judge the loop by it: time in which others had
    the CPU that the loop wanted is lag too. Then it waited for longer than it ran."""
    ran, waited = (int(n) / 1e9 for n in fg.read(f"/proc/{gateway.pid()}/schedstat").split()[:2])
    text = f"{what}, ran {ran:.1f} s and waited {waited:.1f} s for a CPU"
    fg.check(holds or waited > ran, text)
    return text if holds else text + ": TOO BUSY TO JUDGE"


def judge_lag(gateway):
    loop = gateway.status()["loop"]
    return judge(gateway, f"loop p99 {loop['lag_p99_ms']:.1f} ms, longest turn "
                 f"{loop['longest_turn_ms']:.0f} ms", loop["lag_p99_ms"] <= LAG_MAX_MS)


# -- CoAP devices, each with an address of its own in 127/8, over one socket --

class Things(threading.Thread):
    def __init__(self, port, count):
        super().__init__(daemon=True)
        self.to, self.coap = ("127.0.0.1", port), fg.Coap(port)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.setsockopt(socket.IPPROTO_IP, 8, 1)    # IP_PKTINFO: whom an answer was for
        self.sock.bind(("0.0.0.0", 0))
        self.sock.setblocking(False)
        self.begun = time.monotonic()
        self.waiting, self.taken, self.later = {}, {}, 0
        self.left = [struct.pack(">I", (127 << 24) + (2 << 16) + n) for n in range(count)]
        self.pace, self.count = count / WITHIN_S, count
        self.start()

    def send(self, who, data):
        info = struct.pack("=I4s4s", 0, who, b"\0" * 4)
        try:
            self.sock.sendmsg([data], [(socket.IPPROTO_IP, 8, info)], 0, self.to)
        except BlockingIOError:
            pass

    def arrive(self, now):
        sent = self.count - len(self.left)
        while self.left and sent < (now - self.begun) * self.pace:
            who = self.left.pop()
            name = f"t{int.from_bytes(who, 'big') & 0xffffff}"
            data = self.coap.request(name, b'{"seq":1}', 50)
            self.waiting[who] = (data, now, name)
            self.send(who, data)
            sent += 1

    def answered(self):
        try:
            while True:
                reply, extra, _, _ = self.sock.recvmsg(2048, 64)
                who = next(d[4:8] for level, kind, d in extra if kind == 8)
                if who in self.waiting and reply[4:8] == self.waiting[who][0][4:8]:
                    name = self.waiting.pop(who)[2]
                    if reply[1] == 0x44:
                        self.taken[name] = 1
                    else:
                        self.later += 1
        except BlockingIOError:
            pass

    def run(self):
        end = time.monotonic() + 60
        while (self.left or self.waiting) and time.monotonic() < end:
            now = time.monotonic()
            self.arrive(now)
            self.answered()
            for who, (data, sent, name) in list(self.waiting.items()):
                if now - sent > 2:
                    self.waiting[who] = (data, now, name)
                    self.send(who, data)
            time.sleep(0.002)


# -- MQTT devices: come, publish, are cut off, come back --

class Swarm(threading.Thread):
    def __init__(self, port, count):
        super().__init__(daemon=True)
        self.port, self.count = port, count
        self.poll = selectors.DefaultSelector()
        self.acked = {}    # device -> last acknowledged
        self.todo, self.mine = [], {}
        self.begun = time.monotonic()
        for n in range(count):
            for again in (0, 1):
                self.todo.append((self.begun + (n / count + again) * WITHIN_S / 2, n, again))
        self.todo.sort(reverse=True)
        self.start()

    def connect(self, n, again):
        sock = socket.create_connection(("127.0.0.1", self.port))
        name = f"m{n}"
        body = fg.text16("MQTT") + bytes([4, 2]) + struct.pack(">H", 60) + fg.text16(name)
        data = fg.packet(0x10, body)
        for k in range(EACH):
            seq = again * EACH + k + 1
            data += fg.packet(0x32, fg.text16(f"d/{name}") + struct.pack(">H", k + 1)
                              + b'{"seq":%d}' % seq)
        sock.sendall(data)
        sock.setblocking(False)
        self.mine[sock] = [name, again, b""]
        self.poll.register(sock, selectors.EVENT_READ)

    def read(self, sock):
        name, again, data = self.mine[sock]
        data += sock.recv(4096)
        self.mine[sock][2] = data
        if len(data) < 4 + 4 * EACH:    # CONNACK, then a PUBACK each
            return
        self.acked[name] = (again + 1) * EACH
        self.poll.unregister(sock)
        del self.mine[sock]
        sock.close()

    def run(self):
        end = time.monotonic() + 60
        while (self.todo or self.mine) and time.monotonic() < end:
            while self.todo and self.todo[-1][0] <= time.monotonic():
                _, n, again = self.todo.pop()
                self.connect(n, again)
            for key, _ in self.poll.select(0.01) if self.mine else ():
                self.read(key.fileobj)


def test_storm():
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    field, upstream = fg.Broker("field"), fg.Broker("upstream")
    collector = upstream.collector()
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "spool": {"limit": "64MiB"},
        "limits": {"devices": 2 * THINGS},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]},
                    "things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {"up": {"type": "mqtt", "url": upstream.url}}}).start()
    field.wait_subscribed("gw-field")
    memory = Memory(gateway)
    things, swarm = Things(port, THINGS), Swarm(field.port, THINGS // 10)
    fg.wait_for("the storm to end", lambda: not things.is_alive() and not swarm.is_alive(), 120)
    fg.equal(len(things.taken) + things.later, THINGS, "answered over CoAP")
    fg.equal(len(swarm.acked), THINGS // 10, "MQTT devices that were acknowledged")
    want = len(things.taken) + 2 * EACH * (THINGS // 10)
    fg.wait_for("all to be taken", lambda: gateway.ledger()["accepted"] >= want, 60)
    ledger = gateway.wait_drained(seconds=60)
    most, lag = memory.close(), judge_lag(gateway)
    gateway.stop()
    lines = collector.payloads()
    answer = fg.audit(lines, fg.until(ledger))
    got = fg.series(lines)
    for name in things.taken:
        fg.check(got.get(name), f"{name} was answered and never arrived")
    for name, last in swarm.acked.items():
        fg.equal(fg.first_times(got.get(name.replace("m", "d/m"), [])), list(range(1, last + 1)),
                 f"records of {name}")
    return (f"{len(things.taken)} CoAP devices and {len(swarm.acked)} twice over MQTT within "
            f"{WITHIN_S} s, {things.later} told to come later, {fg.total(answer)} records, "
            f"0 lost, {lag}, PSS {most} KiB at most")


# -- those who were not invited --

class Flood(threading.Thread):
    """The same datagram from as many addresses as there are, as fast as it goes, or so many a second."""

    def __init__(self, port, data, most=None, rate=None):
        super().__init__(daemon=True)
        self.to, self.data, self.most, self.sent, self.end = port, data, most, 0, False
        self.rate = rate
        self.random = random.Random(SEED)
        self.start()

    def run(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        begin = time.monotonic()
        while not self.end and (self.most is None or self.sent < self.most):
            r = self.random
            if self.rate and self.sent % 256 == 0:
                time.sleep(max(0, begin + self.sent / self.rate - time.monotonic()))
            who = bytes([127, r.randrange(64, 255), r.randrange(256), r.randrange(1, 255)])
            sock.sendmsg([self.data], [(socket.IPPROTO_IP, 8, struct.pack("=I4s4s", 0, who,
                                                                        b"\0" * 4))],
                         0, ("127.0.0.1", self.to))
            self.sent += 1

    def close(self):
        self.end = True
        self.join()


def test_flood():
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {"file": {"type": "file", "path": os.path.abspath("records.jsonl")}}}).start()
    thing, memory = fg.Coap(port), Memory(gateway)
    flood = Flood(port, thing.request("x", b'{"v":1}', 50))
    end, asked, at_once = time.monotonic() + FLOOD_S, 0, 0
    while time.monotonic() < end:
        asked += 1
        code, _ = thing.post("honest", '{"seq":%d}' % asked, 50, tries=1, timeout=1)
        at_once += code == "2.04"
    flood.close()
    taken = 0
    for _ in range(20):    # what the kernel still holds of the flood comes before the first
        asked += 1
        code, _ = thing.post("honest", '{"seq":%d}' % asked, 50, tries=8)
        taken += code == "2.04"
    fg.equal(taken, 20, "honest requests that were answered when the flood was over")
    ledger = gateway.wait_drained(seconds=60)
    most, lag = memory.close(), judge_lag(gateway)
    gateway.stop()
    lines = fg.file_lines("records.jsonl")
    fg.audit(lines, fg.until(ledger))
    got = len(fg.first_times(fg.series(lines)["honest"]))
    fg.check(got >= taken + at_once, f"{taken + at_once} were answered, {got} arrived")
    return (f"{flood.sent} datagrams from spoofed addresses in {FLOOD_S} s, {at_once} of "
            f"{asked - 20} honest requests answered within a second meanwhile, all afterwards, "
            f"{lag}, PSS {most} KiB at most")


def client(port, seconds):
    return subprocess.run(["coap-client-openssl", "-B", str(seconds), "-u", "one", "-k",
                           "secretkey", "-m", "put", "-e", "7",
                           f"coaps://127.0.0.1:{port}/d/v"],
                          capture_output=True, timeout=60, check=False)


def hello_of():
    """The first flight of an honest client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trap:
        trap.bind(("127.0.0.1", 0))
        trap.settimeout(10)
        catch = threading.Thread(target=client, args=(trap.getsockname()[1], 1), daemon=True)
        catch.start()
        data = trap.recv(2048)
    catch.join()
    return data


def test_hellos():
    os.makedirs("secrets")
    with open("secrets/k", "w", encoding="utf-8") as file:
        file.write("secretkey")
    os.chmod("secrets/k", 0o600)
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coaps://127.0.0.1:{port}",
                               "psk": {"one": {"secret": "k"}}}},
        "bridges": {"file": {"type": "file", "path": os.path.abspath("records.jsonl")}}},
        env={"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")}).start()
    memory = Memory(gateway)
    # Beyond what one core can answer, the kernel drops newcomers' datagrams like any other.
    flood = Flood(port, hello_of(), rate=HELLOS)
    fg.wait_for("the flood to begin", lambda: flood.sent > 2000)
    end, asked, came = time.monotonic() + FLOOD_S, 0, 0
    while time.monotonic() < end:
        asked += 1
        client(port, 8)
        came = gateway.ledger()["accepted"]
    flood.close()
    newcomers = judge(gateway, f"{came} of {asked} newcomers came in meanwhile", came == asked)
    ledger = gateway.wait_drained()
    most, lag = memory.close(), judge_lag(gateway)
    gateway.stop()
    fg.audit(fg.file_lines("records.jsonl"), fg.until(ledger))
    return (f"{flood.sent} ClientHellos from spoofed addresses in {FLOOD_S} s, {newcomers}, {lag}, "
            f"PSS {most} KiB at most")


fg.main(globals())
