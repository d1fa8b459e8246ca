#!/usr/bin/python3
"""So many gateways on one machine (FG_GATEWAYS), real processes, one device each, into a cluster of
three nats-servers. The node that leads the stream is killed, and with it a third of the gateways; then
all three nodes are gone for a while (FG_OUTAGE_S), and come back. Nothing is lost, the stream holds each
record once, each gateway is small, and they do not come back all at once.

FG_PICTURE: where figures and picture go (PATH.json, PATH.svg)."""
import collections
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

FOLDER = os.path.dirname(os.path.realpath(__file__))
sys.path += [FOLDER + "/../integration", FOLDER + "/../bench"]
import fg            # noqa: E402  pylint: disable=wrong-import-position
import nats_world as nats    # noqa: E402  pylint: disable=wrong-import-position
import plot          # noqa: E402  pylint: disable=wrong-import-position

COUNT = int(os.environ.get("FG_GATEWAYS", "1000"))
EVERY_S = float(os.environ.get("FG_EVERY_S", "8"))    # between two readings of one device
OUTAGE_S = int(os.environ.get("FG_OUTAGE_S", "30"))
STEADY_S = int(os.environ.get("FG_STEADY_S", "20"))
LIMIT_KIB = 3072
PATIENCE_S = 60 + COUNT // 4
PICTURE = os.environ.get("FG_PICTURE")


def name_of(n):
    return f"g{n:04}"


def address_of(n):
    """Each has an address of its own on the loopback, and the usual port."""
    return f"127.77.{n // 250}.{n % 250 + 1}"


class Fleet:
    """The gateways. Each has a folder of its own."""

    def __init__(self, nodes):
        self.processes, self.urls = {}, [node.url for node in nodes]
        for n in range(COUNT):
            os.mkdir(name_of(n))
            with open(f"{name_of(n)}/gateway.json", "w", encoding="utf-8") as file:
                json.dump(self.config(n), file)

    def config(self, n):
        folder = os.path.realpath(name_of(n))
        return {
            "gateway": {"id": name_of(n)}, "run": {"socket": folder + "/sock", "log": "warn"},
            "clock": {"trust": "always"},
            "spool": {"dir": folder + "/spool", "limit": "1MiB", "segment": "64KiB",
                      "commit": "never"},
            "limits": {"devices": 16, "payload": "16KiB"},
            "drivers": {"field": {"type": "coap", "listen": f"coap://{address_of(n)}:5683",
                                  "clients": 16}},
            "bridges": {"up": {"type": "nats", "url": self.urls, "replicas": 3, "window": 4,
                               "batch": {"records": 50, "bytes": "16KiB", "linger": "200ms"}}}}

    def start(self, n):
        with open(f"{name_of(n)}/log", "ab") as log:
            self.processes[n] = subprocess.Popen(
                [fg.FIELDGATE, "run", "-c", f"{name_of(n)}/gateway.json"], stderr=log,
                stdin=subprocess.DEVNULL)

    def start_all(self, which):
        """Not faster than the machine takes them: so many wait to be ready at a time."""
        starting = []
        for n in which:
            self.start(n)
            starting.append(n)
            if len(starting) >= 16:
                self.wait_ready(starting.pop(0))
        for n in starting:
            self.wait_ready(n)

    def wait_ready(self, n):
        fg.wait_for(f"{name_of(n)} to be ready", lambda: os.path.exists(f"{name_of(n)}/sock")
                    and self.answers(n), PATIENCE_S)

    def answers(self, n):
        fg.check(self.processes[n].poll() is None,
                 f"{name_of(n)} ended: " + fg.read(f"{name_of(n)}/log")[-500:])
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(f"{name_of(n)}/sock") == 0

    def kill(self, which):
        for n in which:
            self.processes[n].kill()
        for n in which:
            self.processes[n].wait()

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for n, process in self.processes.items():
            fg.equal(process.wait(PATIENCE_S), 0, f"exit status of {name_of(n)}")

    def pss_kib(self):
        """Of each: pages that it shares count by its share."""
        return [int(re.search(r"^Pss: +(\d+) kB", fg.read(f"/proc/{p.pid}/smaps_rollup"), re.M)[1])
                for p in self.processes.values()]

    def ledger(self, n):
        return json.loads(fg.fieldgate("ledger", "--spool", f"{name_of(n)}/spool").out)

    def waiting(self, n):
        return json.loads(fg.fieldgate("ledger", "-c", f"{name_of(n)}/gateway.json").out)[
            "bridges"]["up"]["waiting"]


class Devices(threading.Thread):
    """One for each gateway: a confirmable POST every so often, sent again until it is answered."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind(("127.0.0.1", 0))
        self.going, self.error = True, None
        self.acknowledged = collections.Counter()    # readings, by gateway
        self.of = {address_of(n): n for n in range(COUNT)}
        self.pending = {}

    def post(self, n, seq):
        head = struct.pack(">BBH", 0x40, 2, seq & 0xffff)
        packet = head + b"\xb1d" + b"\x11\x32" + b"\xff" + b'{"seq":%d}' % seq
        self.sock.sendto(packet, (address_of(n), 5683))

    def receive(self):
        while select.select([self.sock], [], [], 0)[0]:
            try:
                data, peer = self.sock.recvfrom(2048)
            except ConnectionRefusedError:
                continue
            n = self.of.get(peer[0])
            if n in self.pending and len(data) >= 4:
                seq = self.pending[n][0]
                if struct.unpack(">H", data[2:4])[0] == seq & 0xffff and data[1] >> 5 == 2:
                    del self.pending[n]
                    self.acknowledged[n] = seq + 1

    def run(self):
        try:
            begin = time.monotonic()
            due = [begin + n * EVERY_S / COUNT for n in range(COUNT)]
            while self.going or self.pending:
                now = time.monotonic()
                for n in range(COUNT):
                    if n in self.pending:
                        if now >= self.pending[n][1]:
                            self.post(n, self.pending[n][0])
                            self.pending[n] = (self.pending[n][0], now + 2)
                    elif self.going and now >= due[n]:
                        due[n] = max(due[n] + EVERY_S, now)
                        self.pending[n] = (self.acknowledged[n], now + 2)
                        self.post(n, self.acknowledged[n])
                self.receive()
                time.sleep(0.02)
        except OSError as error:
            self.error = error

    def total(self):
        return sum(self.acknowledged.values())


class Knocks(threading.Thread):
    """In the places of nodes that are gone: hangs up at once, and counts who came."""

    def __init__(self, ports):
        super().__init__(daemon=True)
        self.count, self.going = 0, True
        self.servers = [socket.create_server(("127.0.0.1", p), backlog=1024) for p in ports]
        self.start()

    def run(self):
        while self.going:
            for server in select.select(self.servers, [], [], 0.05)[0]:
                sock, _ = server.accept()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
                self.count += 1

    def close(self):
        self.going = False
        self.join()
        for server in self.servers:
            server.close()


class Watch(threading.Thread):
    """Each second: who is connected, who has come, who knocked in vain, what was taken of devices."""

    def __init__(self, nodes, devices):
        super().__init__(daemon=True)
        self.nodes, self.devices, self.knocks = nodes, devices, None
        self.rows, self.going, self.begin = [], True, time.time()
        self.marks, self.last = [], {node.name: (0, 0) for node in nodes}
        self.start()

    def varz(self, node):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{node.watch}/varz", timeout=1) as answer:
                found = json.load(answer)
                self.last[node.name] = found["connections"], found["total_connections"]
                return self.last[node.name]
        except (OSError, ValueError, KeyError):    # gone, or only busy
            return self.last[node.name] if node.process.poll() is None else (0, 0)

    def run(self):
        came_before, knocks_before = {}, 0
        while self.going:
            now, connected, came = time.time() - self.begin, 0, 0
            for node in self.nodes:
                here, total = self.varz(node)
                connected += here
                before = came_before.get(node.name, 0)
                came += total - before if total >= before else total
                came_before[node.name] = total
            knocked = self.knocks.count if self.knocks else 0
            knocks = knocked - knocks_before if knocked >= knocks_before else knocked
            knocks_before = knocked
            self.rows.append({"at": round(now, 1), "connected": connected, "came": came,
                              "knocks": knocks, "taken": self.devices.total()})
            time.sleep(max(0.0, 1 - (time.time() - self.begin - now)))

    def mark(self, text):
        self.marks.append((round(time.time() - self.begin, 1), text))
        print(f"  {self.marks[-1][0]:6.1f} s  {text}", flush=True)

    def stop(self):
        self.going = False
        self.join()


class Cluster:
    def __init__(self):
        watches = [fg.free_port() for _ in range(3)]
        routes = [fg.free_port() for _ in range(3)]
        self.nodes = []
        for i in range(3):
            node = nats.Server(f"n{i + 1}", f"http: 127.0.0.1:{watches[i]}",
                               cluster=(routes[i], routes), start=False)
            node.watch = watches[i]
            self.nodes.append(node)
        self.start()
        client = self.client()
        client.make_stream(num_replicas=3)
        client.close()

    def start(self):
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait()

    def client(self):
        def first():
            for node in self.nodes:
                try:
                    return node.client()
                except (OSError, ValueError, IndexError, fg.Failed):
                    pass
            return None
        return fg.wait_for("a node that answers", first, PATIENCE_S)

    def leader(self):
        client = self.client()
        name = fg.wait_for("a leader", client.leader, PATIENCE_S)
        client.close()
        return next(n for n in self.nodes if n.name == name)

    def rss_kib(self):
        return [int(re.search(r"^VmRSS:\s+(\d+) kB", fg.read(f"/proc/{n.process.pid}/status"), re.M)[1])
                for n in self.nodes]


def drained(fleet):
    """Everything that was taken is acknowledged."""
    left = set(range(COUNT))

    def all_drained():
        for n in list(left)[:64]:
            if fleet.waiting(n) == 0:
                left.discard(n)
        return not left
    fg.wait_for("all to be drained", all_drained, PATIENCE_S)


def disturb(cluster, fleet, watch):
    third = list(range(0, COUNT, 3))[:COUNT * 3 // 10]
    node = cluster.leader()
    watch.mark(f"the node that leads is killed, and {len(third)} gateways are")
    node.kill()
    fleet.kill(third)
    fleet.start_all(third)
    watch.mark(f"these {len(third)} are back")
    node.start()
    time.sleep(STEADY_S)
    watch.mark("all three nodes are gone")
    for node in cluster.nodes:
        node.kill()
    watch.knocks = Knocks([n.port for n in cluster.nodes])
    time.sleep(OUTAGE_S)
    watch.knocks.close()
    cluster.start()
    watch.mark("they are back")
    fg.wait_for("everyone to be connected",
                lambda: watch.rows[-1]["connected"] >= COUNT, PATIENCE_S)
    watch.mark("every gateway is connected")
    time.sleep(STEADY_S)


def check(cluster, fleet, devices):
    """What the stream holds is what the gateways have accepted, each once, and all that devices were
    told is safe. Returns when each message was stored."""
    accepted = 0
    for n in range(COUNT):
        ledger = fleet.ledger(n)
        account = ledger["bridges"]["up"]
        fg.equal((account["acknowledged"], account["dead"], account["dropped"]),
                 (ledger["accepted"], 0, {}), f"account of {name_of(n)}")
        accepted += ledger["accepted"]
    servers = ",".join(n.url for n in cluster.nodes)
    done = subprocess.run([fg.FIELDGATE, "audit", "--nats", servers], capture_output=True, text=True,
                          timeout=300, check=False, stdin=subprocess.DEVNULL)
    answer = json.loads(done.stdout or "{}")
    fg.equal((done.returncode, answer.get("complete")), (0, True), done.stderr[-1500:])
    fg.equal(len(answer["gateways"]), COUNT, "gateways in the stream")
    totals = [sum(e[k] for g in answer["gateways"].values() for e in g["epochs"].values())
              for k in ("records", "duplicates")]
    fg.equal(totals, [accepted, 0], "records and repeats in the stream, by the audit")
    client = cluster.client()
    have = collections.defaultdict(set)
    for _, _, pack in client.stored():
        for _, point, value in fg.records([pack], json.loads(pack)[0]["bn"].split("/")[0]):
            if point == "seq":
                have[json.loads(pack)[0]["bn"].split("/")[0]].add(value)
    for n, count in devices.acknowledged.items():
        fg.check(set(range(count)) <= have[name_of(n)], f"readings of {name_of(n)}")
    return accepted


def stored_by_second(cluster, begin):
    """Records that the stream took, by second."""
    client, found = cluster.client(), collections.Counter()
    last = client.stream()["state"]["messages"]
    into = client.prefix + ".times"
    box = client.subscribe(into)
    client.api("CONSUMER.CREATE.FIELDGATE", {"stream_name": "FIELDGATE", "config": {
        "deliver_subject": into, "ack_policy": "none", "deliver_policy": "all", "max_deliver": 1,
        "num_replicas": 1, "mem_storage": True}})
    for _ in range(last):
        _, reply, _, data = box.get(timeout=60)
        found[int(int(reply.split(".")[-2]) / 1e9 - begin)] += len(json.loads(data))
    return found


def picture(watch, stored, figures):
    """Three strips over one time: who is connected, who comes or knocks, what is stored."""
    end = watch.rows[-1]["at"]
    strips = [("connected", [(r["at"], r["connected"]) for r in watch.rows], plot.OURS),
              ("attempts a second, the nodes being gone", [(r["at"], r["knocks"]) for r in watch.rows],
               plot.LINE),
              ("connections made a second", [(r["at"], r["came"]) for r in watch.rows], plot.OURS),
              ("records stored a second", sorted((s, n) for s, n in stored.items() if s >= 0), "#3b6fb6")]
    parts = [plot.text(16, 26, f"{COUNT} gateways, a cluster of three nodes", 17, weight="bold"),
             plot.text(16, 46, f"{figures['pss_mean_kib']} KiB each; 0 of {figures['records']} records lost, "
                       "0 twice", 12, color="#57606a")]
    height, left, right = 110, 60, plot.WIDTH - 20
    for i, (what, points, color) in enumerate(strips):
        top, foot = 84 + i * height, 84 + i * height + 74
        high = max([v for _, v in points] + [1])
        known = dict((int(t), v) for t, v in points)
        line = " ".join(f"{left + (right - left) * t / end:.1f},{foot - (foot - top) * known.get(t, 0) / high:.1f}"
                        for t in range(int(end)))
        parts += [plot.text(left, top - 6, what, 12), plot.text(left - 6, top + 8, str(high), 11, "end"),
                  plot.text(left - 6, foot, "0", 11, "end"),
                  f"<path d='M{left} {foot}H{right}' stroke='#d0d7de'/>",
                  f"<polyline points='{line}' fill='none' stroke='{color}' stroke-width='1.5'/>"]
    for n, (at, what) in enumerate(watch.marks):
        x = left + (right - left) * at / end
        parts.append(f"<path d='M{x:.1f} 84V{84 + 3 * height + 74}' stroke='{plot.INK}' opacity='0.3' "
                     "stroke-dasharray='3 3'/>")
        near = x > 0.7 * plot.WIDTH
        parts.append(plot.text(x + (-2 if near else 2), 84 + 3 * height + 92 + 13 * (n % 4), what, 10,
                               "end" if near else "start"))
    plot.save(PICTURE, 84 + 4 * height + 40, parts)


def figures_of(watch, stored, fleet_kib, nodes_kib, accepted):
    marks = dict((text, at) for at, text in watch.marks)
    gone, back = marks["all three nodes are gone"], marks["they are back"]
    return {
        "gateways": COUNT, "records": accepted, "every_s": EVERY_S,
        "pss_mean_kib": sum(fleet_kib) // len(fleet_kib), "pss_max_kib": max(fleet_kib),
        "node_rss_kib": nodes_kib, "outage_s": OUTAGE_S,
        "knocks_per_s": round(sum(r["knocks"] for r in watch.rows if gone + 10 < r["at"] < back)
                              / max(back - gone - 10, 1), 1),
        "knocks_max": max(r["knocks"] for r in watch.rows),
        "came_max": max(r["came"] for r in watch.rows if r["at"] > back),
        "all_connected_after_s": round(marks["every gateway is connected"] - back, 1),
        "stored_per_s_max": max(n for s, n in stored.items() if s >= back),
        "stored_per_s_before": round(sum(n for s, n in stored.items() if gone - 15 < s < gone) / 15, 1),
        "marks": watch.marks, "rows": watch.rows,
        "stored": sorted(stored.items()),
    }


def test_scale():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8 * COUNT + 1000)), hard))
    cluster = Cluster()
    fleet, devices = Fleet(cluster.nodes), Devices()
    watch = Watch(cluster.nodes, devices)
    try:
        fleet.start_all(range(COUNT))
        watch.mark(f"{COUNT} gateways are ready")
        fg.wait_for("everyone to be connected", lambda: watch.rows
                    and watch.rows[-1]["connected"] >= COUNT, PATIENCE_S)
        devices.start()
        watch.mark("devices begin")
        time.sleep(STEADY_S + EVERY_S)
        fleet_kib = fleet.pss_kib()
        disturb(cluster, fleet, watch)
        fleet_kib = [max(a, b) for a, b in zip(fleet_kib, fleet.pss_kib())]
        nodes_kib = cluster.rss_kib()
        devices.going = False
        devices.join()
        fg.check(devices.error is None, str(devices.error))
        drained(fleet)
        watch.stop()
        fleet.stop()
        accepted = check(cluster, fleet, devices)
        stored = stored_by_second(cluster, watch.begin)
        figures = figures_of(watch, stored, fleet_kib, nodes_kib, accepted)
        print("  " + json.dumps({k: v for k, v in figures.items() if k not in ("rows", "stored", "marks")}),
              flush=True)
        if PICTURE:
            with open(PICTURE + ".json", "w", encoding="utf-8") as file:
                json.dump(figures, file)
            picture(watch, stored, figures)
        fg.check(figures["pss_mean_kib"] <= LIMIT_KIB or COUNT < 100,
                 f"{figures['pss_mean_kib']} KiB each, more than {LIMIT_KIB}")
    finally:
        for process in fleet.processes.values():
            if process.poll() is None:
                process.kill()


if __name__ == "__main__":
    fg.need("nats-server")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fg.main(globals())
