"""What is measured of a gateway without a peer: memory, start, wake-ups, serial lines, bytes sent
upstream, and how cost grows with lines and with what the spool holds."""
import json
import os
import pty
import select
import shutil
import socket
import subprocess
import threading
import time
import tty

import counts
import fg


def cpu_ns(pid):
    """Of all threads, by the scheduler."""
    return sum(int(fg.read(f"/proc/{pid}/task/{task}/schedstat").split()[0])
               for task in os.listdir(f"/proc/{pid}/task"))


def switches(pid):
    return sum(int(line.split()[1]) for task in os.listdir(f"/proc/{pid}/task")
               for line in fg.read(f"/proc/{pid}/task/{task}/status").splitlines()
               if line.startswith("voluntary_ctxt"))


def value(what, number, unit, limit=None):
    found = {"what": what, "value": number, "unit": unit}
    return dict(found, limit=limit) if limit is not None else found


class Lines:
    """Pseudo-terminals as serial lines."""

    def __init__(self, count):
        self.masters, self.drivers = [], {}
        for n in range(count):
            master, slave = pty.openpty()
            tty.setraw(slave)
            self.masters.append(master)
            self.drivers[f"line{n}"] = {"type": "serial", "port": os.ttyname(slave), "baud": 115200,
                                        "framer": "line"}

    def close(self):
        for master in self.masters:
            os.close(master)


def stop(gateway):
    """The account has to be right in a measurement too."""
    gateway.wait_drained()
    gateway.stop()
    shutil.rmtree(gateway.spool)


# -- standing there --

def stripped(build):
    shutil.copy(build + "/fieldgate", "stripped")
    subprocess.run(["strip", "stripped"], check=True)
    return os.path.getsize("stripped")


def start_ms(gateway):
    begun = time.monotonic()
    gateway.start(ready=False)
    while not gateway.is_ready():
        time.sleep(0.0003)
    return (time.monotonic() - begun) * 1000


def footprint(build):
    field, upstream, lines = fg.Broker("field"), fg.Broker("upstream"), Lines(1)
    port = fg.free_port(socket.SOCK_DGRAM)
    gateway = fg.Gateway({
        "spool": {"limit": "64MiB", "segment": "4MiB"},
        "drivers": dict(lines.drivers, field={"type": "mqtt", "url": f"mqtt://127.0.0.1:{field.port}",
                                              "subscribe": ["devices/#"]},
                        things={"type": "coap", "listen": f"coap://127.0.0.1:{port}"}),
        "bridges": {"up": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{upstream.port}"}}})
    starts = []
    for _ in range(5):
        starts.append(start_ms(gateway))
        gateway.stop()
    gateway.start()
    fg.wait_for("both brokers", lambda: field.connections("gw") and upstream.connections("gw")
                or gateway.said().count('msg="up"') >= 3)
    time.sleep(2)   # what a start leaves behind is done
    idle = gateway.pss_kib()
    before = switches(gateway.pid())
    time.sleep(5)
    wakes = (switches(gateway.pid()) - before) / 5
    fg.fieldgate("simulate", "--coap", f"coap://127.0.0.1:{port}", "--devices", "1000", "--count",
                 "5000", "--rate", "0")
    gateway.wait_drained()
    time.sleep(3)   # what the burst took is given back
    many = gateway.pss_kib()
    stop(gateway)
    for broker in (field, upstream):
        broker.stop()
    lines.close()
    return [value("program, stripped, without its modules", stripped(build), "bytes", 400 << 10),
            value("memory idle, three drivers and a bridge (PSS)", idle, "KiB", 3584),
            value("memory after 5,000 readings of 1,000 devices (PSS)", many, "KiB", 4096),
            value("wake-ups while idle", round(wakes, 1), "a second", 1),
            value("start to ready, part of the 10 ms it may take (median of 5)",
                  round(sorted(starts)[2] / 10, 2), "of it", 1)]


# -- serial lines --

def serial_ports(seconds):
    """64 lines, each full: 11,520 bytes a second."""
    upstream, lines = fg.Broker("upstream"), Lines(64)
    gateway = fg.Gateway({
        "spool": {"limit": "64MiB", "segment": "4MiB"}, "drivers": lines.drivers,
        "bridges": {"up": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{upstream.port}",
                           "batch": {"records": 1000, "linger": "50ms"}}}})
    gateway.start()
    text = b"".join(counts.payload(n) + b"\n" for n in range(200))
    turn = 11520 // 50
    at = [0] * 64
    begun, cpu = time.monotonic(), cpu_ns(gateway.pid())
    for tick in range(seconds * 50):
        for n, master in enumerate(lines.masters):
            piece = (text + text)[at[n]:at[n] + turn]
            at[n] = (at[n] + os.write(master, piece)) % len(text)
        time.sleep(max(0, begun + (tick + 1) / 50 - time.monotonic()))
    took, cpu = time.monotonic() - begun, cpu_ns(gateway.pid()) - cpu
    stop(gateway)
    upstream.stop()
    lines.close()
    return [value("64 serial lines at 115,200 baud, all full: part of one core",
                  round(cpu / took / 1e7, 1), "%", 10)]


def cpu_of_lines(count, payloads):
    """CPU a payload; the same bytes over so many lines."""
    lines = Lines(count)
    gateway = fg.Gateway({"spool": {"limit": "256MiB", "segment": "4MiB", "commit": "never"},
                          "drivers": lines.drivers,
                          "bridges": {"out": {"type": "file", "path": "/dev/null"}}})
    gateway.start()
    piece = b"".join(counts.payload(n) + b"\n" for n in range(16))
    cpu, sent = cpu_ns(gateway.pid()), 0
    while sent < payloads:
        for n in range(64):
            os.write(lines.masters[n % count], piece)
        sent += 64 * 16
    fg.wait_for("all of it", lambda: gateway.ledger()["accepted"] == sent * counts.POINTS)
    cpu = cpu_ns(gateway.pid()) - cpu
    stop(gateway)
    lines.close()
    return cpu / sent


# -- a spool that fills --

class Flood(threading.Thread):
    """A broker that sends prepared publications at QoS 0 as fast as they are taken."""

    def __init__(self):
        super().__init__(daemon=True)
        self.broker = counts.MqttField(0)
        self.data = b""

    def prepare(self):
        self.broker.broker.accept()
        counts.until("the subscription", lambda: self.broker.broker.pump()
                     or self.broker.broker.filters)
        catcher = self.broker.broker.sock
        kept = []
        self.broker.broker.sock = type("Catch", (), {"sendall": lambda _, d: kept.append(d)})()
        for n in range(0, 2000, self.broker.burst):
            self.broker.send(None, n)
        self.broker.broker.sock = catcher
        self.data = b"".join(kept)

    def burst(self):
        """2,000 payloads."""
        self.broker.broker.sock.sendall(self.data)
        if select.select([self.broker.broker.sock], [], [], 0)[0]:
            self.broker.broker.pump()


def cpu_of_fill(mib):
    """CPU a record in each quarter of a spool that fills, and beyond, where the oldest is dropped."""
    flood = Flood()
    gateway = fg.Gateway({
        "spool": {"limit": f"{mib}MiB", "segment": "1MiB", "commit": "1s"},
        "drivers": {"field": flood.broker.driver},
        "bridges": {"up": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{fg.free_port()}"}}})
    gateway.start(ready=False)
    flood.prepare()
    found, taken, cpu = {}, 0, cpu_ns(gateway.pid())
    for quarter in ("to 25 %", "to 50 %", "to 75 %", "to full", "beyond"):
        goal = taken + int((mib << 20) / 4 / 100) * counts.POINTS
        while taken < goal:
            for _ in range(4):
                flood.burst()
            taken += 4 * 2000 * counts.POINTS
        fg.wait_for("all of it", lambda: gateway.ledger()["accepted"] == taken)  # noqa: B023
        now = cpu_ns(gateway.pid())
        found[quarter] = (now - cpu) / 1e3
        cpu = cpu_ns(gateway.pid())
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    shutil.rmtree(gateway.spool)
    return found


# -- more than one process --

VALUES = 200    # a payload's: so much that the broker has little to do beside


def of_processes(processes, messages):
    """Messages a second that wait in the broker, so that nobody else needs a core meanwhile; and a
    second of CPU of the process that has most to do, which is what counts where each has a core."""
    broker = fg.Broker(f"broker{processes}")
    gateway = fg.Gateway({
        "run": {"socket": os.path.abspath("bench.sock"), "processes": processes},
        "spool": {"limit": "1GiB", "segment": "4MiB"},
        "drivers": {"field": {"type": "mqtt", "url": broker.url, "subscribe": ["tele/+"]}},
        "bridges": {"local": {"type": "file", "path": os.path.abspath("bench.jsonl")}}},
        name=f"processes{processes}")
    gateway.start()
    gateway.stop()
    client = fg.Mqtt(broker.port, "load")
    text = json.dumps({f"p{n}": n + 0.5 for n in range(VALUES)})
    for n in range(0, messages, 1000):
        client.publish(f"tele/d{n // 1000 % 50}", [text] * 1000, window=500)
    begun = time.monotonic()
    gateway.start()
    fg.wait_for("all of it", lambda: gateway.ledger()["accepted"] == messages * VALUES, 300)
    seconds = time.monotonic() - begun
    gateway.wait_drained(seconds=300)
    pids = [p["pid"] for p in gateway.status().get("processes", [{"pid": gateway.pid()}])]
    busiest = max(cpu_ns(pid) for pid in pids) / 1e9
    stop(gateway)
    broker.stop()
    for path in os.listdir("."):
        if path.startswith("bench"):
            os.unlink(path)
    return {"rate": messages / seconds, "capacity": messages / busiest}


# -- bytes upstream --

def one_publish_each(records):
    """Bytes a record of one MQTT 3.1.1 PUBLISH at QoS 1 for so many of its values, as SenML JSON."""
    values = [("temperature", "Cel", 21.5), ("humidity", "%RH", 40.2), ("battery", "%EL", 93),
              ("seq", None, 100123)][:records]
    pack = [{"n": n, **({"u": u} if u else {}), "v": v} for n, u, v in values]
    pack[0] = {"bn": "gw/devices/d0001/telemetry/", "bt": 1795465578.417, **pack[0]}
    body = fg.text16("up/devices/d0001/telemetry") + b"\0\1" + json.dumps(
        pack, separators=(",", ":")).encode()
    return len(fg.packet(0x32, body)) / records


def upstream_bytes():
    each, reading = one_publish_each(1), one_publish_each(4)
    rows = []
    for name, form, wanted in (("JSON", "senml+json", 0.333), ("CBOR", "senml+cbor", 0.2)):
        sent = [counts.drive([], n, lambda: counts.MqttField(1), 1, form) for n in (1000, 3000)]
        mine = (sent[1] - sent[0]) / 2000 / counts.POINTS
        rows.append(value(f"bytes sent upstream a record, SenML {name}, beside a PUBLISH a value",
                          round(mine / each, 3), "of it", wanted))
        rows.append(value(f"the same beside a PUBLISH a payload of {counts.POINTS} values",
                          round(mine / reading, 3), "of it"))
    return rows


# -- DTLS --

KEY = "sesame-open"


def dtls_cpu(build, server, count):
    """CPU a request of a server behind DTLS; "fieldgate" keeps each, "libcoap" is its own server."""
    port = fg.free_port(socket.SOCK_DGRAM)
    gateway = process = None
    if server == "fieldgate":
        with open("key1", "w", encoding="utf-8") as file:
            file.write(KEY)
        os.chmod("key1", 0o600)
        gateway = fg.Gateway({"drivers": {"things": {
            "type": "coap", "listen": f"coaps://127.0.0.1:{port}", "psk": {"one": {"secret": "key1"}}}},
            "spool": {"limit": "64MiB"}, "bridges": {}}, env={"CREDENTIALS_DIRECTORY": os.getcwd()})
        gateway.start()
        pid, path, method = gateway.pid(), "telemetry", "post"
    else:
        process = subprocess.Popen(["coap-server-openssl", "-A", "127.0.0.1", "-p", str(port - 1), "-k",
                                    KEY, "-v", "0"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        fg.wait_for("libcoap's server", lambda: f":{port:04X} " in fg.read("/proc/net/udp"))
        pid, path, method = process.pid, "example_data", "put"
    with subprocess.Popen([build + "/tests/bench/bench_dtls_load", str(port), KEY, path, method,
                           str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as load:
        fg.equal(load.stdout.readline(), "ready\n", "the handshakes")
        cpu = cpu_ns(pid)
        load.stdin.write("\n")
        load.stdin.close()
        fg.equal(load.stdout.readline(), f"{count}\n", "answers")
        cpu = cpu_ns(pid) - cpu
    if gateway:
        gateway.stop()
        shutil.rmtree(gateway.spool)
    else:
        process.terminate()
        process.wait()
    return cpu / count
