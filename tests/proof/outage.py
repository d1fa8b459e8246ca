#!/usr/bin/python3
"""A long outage: a spool that is filled at full speed while nobody takes anything, a start on it,
and the way back. FG_SPOOL_MIB (1024) is its size; live records have their turn in a second part."""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

fg.need("mosquitto", "mosquitto_sub")

MIB = int(os.environ.get("FG_SPOOL_MIB", "1024"))
START_MAX_MS = 20
PSS_MAX_KIB = 8 << 10
FASTER = 5
LIVE_MAX_S = 1
POINTS = 100


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


class Field:
    """A broker of this test's own, at QoS 0 as fast as the gateway reads."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sock, self.turn = None, threading.Lock()

    def accept(self):
        sock, _ = self.listener.accept()
        reader = fg.Reader(sock)
        reader.packet()
        sock.sendall(b"\x20\x03\x00\x00\x00")
        _, body = reader.packet()
        sock.sendall(b"\x90\x04" + body[:2] + b"\x00\x00")
        self.sock = sock
        threading.Thread(target=self.answer, args=(sock, reader), daemon=True).start()

    def answer(self, sock, reader):
        """PINGREQ, as long as this client is there."""
        try:
            while reader.packet()[0] & 0xf0 == 0xc0:
                with self.turn:
                    sock.sendall(b"\xd0\x00")
        except (OSError, EOFError):
            pass

    def publish(self, device, values):
        payload = json.dumps(values).encode()
        with self.turn:
            self.sock.sendall(fg.packet(0x30, fg.text16(f"d/{device}") + b"\0" + payload))


def config(field, upstream, **more):
    return {
        "spool": {"limit": f"{MIB}MiB", "segment": "4MiB", "when_full": "refuse"},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"], "qos": 0}},
        "bridges": {"up": dict({"type": "mqtt", "url": upstream.url,
                                "batch": {"records": 1000, "linger": "50ms"}}, **more)}}


def fill(gateway, field):
    """Until the spool is nine tenths full. Returns records a second that were taken."""
    begun, number, full = time.monotonic(), 0, 0.9 * (MIB << 20)
    accepted = gateway.ledger()["accepted"]
    while True:
        for _ in range(500):
            number += 1
            values = {f"point{n}": number * 1.001 + n for n in range(POINTS)}
            field.publish(f"plc{number % 50}", values)
        if gateway.status()["spool"]["bytes"] >= full:
            break
    taken = gateway.ledger()["accepted"] - accepted
    return taken / (time.monotonic() - begun)


def start_ms(gateway, field):
    """From exec to `ready`, as it is read in the log."""
    answers = threading.Thread(target=field.accept)
    answers.start()
    begun = time.monotonic()
    gateway.start(ready=False)
    while not gateway.is_ready():
        time.sleep(0.0005)
        gateway.look()
    took = (time.monotonic() - begun) * 1000
    answers.join()
    return took


class Judge:
    """What arrives at the upstream goes to `fieldgate audit` as it comes."""

    def __init__(self, upstream):
        self.sub = subprocess.Popen(["mosquitto_sub", "-p", str(upstream.port), "-q", "1", "-i",
                                     "judge", "-t", "fieldgate/gw/records"],
                                    stdout=subprocess.PIPE)
        self.upstream = upstream
        upstream.wait_subscribed("judge")

    def begin(self, until):
        self.audit = subprocess.Popen([fg.FIELDGATE, "audit", "--until", until],
                                      stdin=self.sub.stdout, stdout=subprocess.PIPE)

    def end(self):
        fg.wait_for("the last to be delivered", self.delivered, 120)
        self.sub.terminate()
        out = self.audit.communicate(timeout=120)[0]
        answer = json.loads(out)
        fg.check(answer["complete"], f"audit: {out[:500]}")
        return fg.total(answer)

    def delivered(self):
        """The broker has nothing more for it: an empty one has passed all before it."""
        stat = fg.read(f"/proc/{self.upstream.process.pid}/stat").split()
        now = int(stat[13]) + int(stat[14])
        time.sleep(0.5)
        stat = fg.read(f"/proc/{self.upstream.process.pid}/stat").split()
        return int(stat[13]) + int(stat[14]) - now <= 2


def test_outage():
    fg.check(shutil.disk_usage(".").free > (MIB << 20) * 2, "no room for the spool")
    field, upstream = Field(), fg.Broker("upstream")
    upstream.stop()
    gateway = fg.Gateway(config(field, upstream))
    start_ms(gateway, field)
    memory = Memory(gateway)
    intake = fill(gateway, field)
    fullest = memory.close()
    gateway.stop()
    starts = []
    for _ in range(3):
        starts.append(start_ms(gateway, field))
        gateway.stop()
    start_ms(gateway, field)
    memory = Memory(gateway)
    before = gateway.ledger()
    upstream.start()
    judge = Judge(upstream)
    judge.begin(fg.until(before))
    fg.wait_for("the way back", lambda: gateway.account("up")["acknowledged"] > 0)
    begun, first = time.monotonic(), gateway.account("up")["acknowledged"]
    ledger = gateway.wait_drained(seconds=600)
    drain = (ledger["accepted"] - first) / (time.monotonic() - begun)
    fg.wait_for("the segments to be freed",
                lambda: gateway.status()["spool"]["bytes"] <= 2 * (4 << 20))
    most = max(fullest, memory.close())
    gateway.stop()
    records = judge.end()
    fg.equal(records, ledger["accepted"], "records that arrived")
    fg.check(min(starts) <= START_MAX_MS, f"starts {starts} ms")
    fg.check(drain >= FASTER * intake or drain >= 300000, f"drain {drain:.0f}, intake {intake:.0f}")
    return (f"{MIB} MiB, {ledger['accepted']} records taken at {intake:.0f} a second, ready after "
            f"{min(starts):.1f} ms (best of 3), back at {drain:.0f} a second, PSS {most} KiB at "
            f"most, 0 lost")


def test_live_first():
    field, upstream = Field(), fg.Broker("upstream")
    upstream.stop()
    gateway = fg.Gateway(config(field, upstream, order="live-first", rate=200000))
    start_ms(gateway, field)
    fill(gateway, field)
    upstream.start()
    seen = upstream.collector(topic="fieldgate/gw/records")
    judge = Judge(upstream)
    waits, number = [], 0
    fg.wait_for("the way back", lambda: gateway.account("up")["acknowledged"] > 0)
    while gateway.account("up")["waiting"] > 20000 and number < 200:
        number += 1
        sent = time.monotonic()
        field.publish("live", {"seq": number})
        mark = '"gw/d/live/"'.encode()
        fg.wait_for("the live record", lambda: any(
            mark in m["payload"] and b'"v":%d' % number in m["payload"]
            for m in seen.messages[-400:]), 10)
        waits.append(time.monotonic() - sent)
        with seen.lock:
            del seen.messages[:-400]
    waits.sort()
    fg.check(len(waits) >= 20, f"only {len(waits)} live records while the backlog drained")
    ledger = gateway.ledger()
    judge.begin(fg.until(ledger))
    ledger = gateway.wait_drained(seconds=600)
    gateway.stop()
    records = judge.end()
    fg.equal(records, ledger["accepted"], "records that arrived")
    late = waits[len(waits) * 99 // 100]
    fg.check(late <= LIVE_MAX_S, f"p99 {late:.3f} s")
    return (f"{len(waits)} live records while {ledger['accepted']} drained: p50 "
            f"{waits[len(waits) // 2] * 1000:.0f} ms, p99 {late * 1000:.0f} ms, all tile")


fg.main(globals())
