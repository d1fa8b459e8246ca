#!/usr/bin/python3
"""What a network does to a gateway: links that flap, peers that fall silent without a FIN, brokers
that are stopped, slow, busy or full. The gateway lives in a network namespace of its own; here, in
another one, are its field and its upstream, and in between a pair of virtual Ethernets.
FG_FLAPS (500) flaps; FG_ROUNDS (0) silences and minutes, with 0 the short form, in which nothing
is said of times; FG_SEED repeats a run's instants."""
import collections
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

fg.need("mosquitto", "ip", "nsenter", "unshare")

FLAPS = int(os.environ.get("FG_FLAPS", "500"))
ROUNDS = int(os.environ.get("FG_ROUNDS", "0"))
SEED = int(os.environ.get("FG_SEED", random.randrange(1 << 32)))
HERE, THERE = "10.77.0.1", "10.77.0.2"
KEEPALIVE_S = 5
PSS_MAX_KIB = 8 << 10
PROGRAM = fg.FIELDGATE


def ip(*args, inside=None):
    where = ["nsenter", "-t", str(inside), "-n"] if inside else []
    subprocess.run([*where, "ip", *args], check=True)


class Link:
    """The namespace of the gateway and the way to it: one at a time, since the addresses are the same. A
    test that failed leaves its own behind, and the next takes it down; its interfaces have names of
    their own, in case the kernel is not done with those."""
    made, numbers = [], itertools.count()

    def __init__(self):
        for link in list(Link.made):
            link.close()
        Link.made.append(self)
        number = next(Link.numbers)
        self.here, self.there = f"here{number}", f"there{number}"
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "3600"])
        mine = os.readlink("/proc/self/ns/net")
        pid = self.pid = self.holder.pid
        fg.wait_for("the namespace", lambda: os.readlink(f"/proc/{pid}/ns/net") != mine)
        ip("link", "add", self.here, "type", "veth", "peer", "name", self.there, "netns", str(pid))
        ip("addr", "add", HERE + "/24", "dev", self.here)
        ip("link", "set", self.here, "up")
        for words in (f"addr add {THERE}/24 dev {self.there}", f"link set {self.there} up", "link set lo up"):
            ip(*words.split(), inside=pid)
        path = os.path.abspath("inside")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec nsenter -t {pid} -n -- "{PROGRAM}" "$@"\n')
        os.chmod(path, 0o755)
        fg.FIELDGATE = path

    def set(self, up, far=False):
        """The near end, or the far one, which takes the routes of the gateway along."""
        word = "up" if up else "down"
        if far:
            ip("link", "set", self.there, word, inside=self.pid)
        else:
            ip("link", "set", self.here, word)

    @staticmethod
    def silence(on):
        """What is sent either way is gone, and nobody is told."""
        ip("route", "add" if on else "del", "blackhole", THERE + "/32")

    def close(self):
        if self not in Link.made:
            return
        Link.made.remove(self)
        self.holder.kill()
        self.holder.wait()
        for words in (f"link del {self.here}", f"route del blackhole {THERE}/32"):
            subprocess.run(["ip", *words.split()], check=False, stderr=subprocess.DEVNULL)
        fg.FIELDGATE = PROGRAM


class Memory(threading.Thread):
    """PSS of a gateway, four times a second."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway, self.end, self.seen = gateway, threading.Event(), [gateway.pss_kib()]
        self.start()

    def run(self):
        while not self.end.wait(0.25):
            self.seen.append(self.gateway.pss_kib())

    def close(self):
        self.end.set()
        self.join()
        fg.check(max(self.seen) <= PSS_MAX_KIB, f"PSS {max(self.seen)} KiB")
        return f"PSS {self.seen[0]} KiB at first, {max(self.seen)} at most, {self.seen[-1]} at last"


def pause(seconds):
    end = time.monotonic() + seconds
    fg.wait_for("the instant", lambda: time.monotonic() >= end, seconds + 60)


def gateway_for(field, upstream, **more):
    up = {"type": "mqtt", "url": upstream.url, "batch": {"records": 20, "linger": "20ms"}}
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "spool": {"limit": "64MiB"},
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"],
                      "keepalive": f"{KEEPALIVE_S}s"},
            "things": {"type": "coap", "listen": f"coap://{THERE}:{port}", "open": True},
        },
        "bridges": {"up": dict(up, **more)}})
    gateway.port = port
    return gateway.start()


class Thing(threading.Thread):
    """Posts its count until it is answered, then the next."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.coap, self.taken, self.end = fg.Coap(port, THERE), 0, False
        self.start()

    def run(self):
        while not self.end:
            try:
                code, _ = self.coap.post("t", f'{{"seq":{self.taken}}}', 50, tries=1, timeout=0.3)
            except OSError:    # no route
                code = time.sleep(0.02)
            self.taken += code == "2.04"


class Feed(threading.Thread):
    """Puts messages into the field broker's session, never far ahead."""

    def __init__(self, field, rate):
        super().__init__(daemon=True)
        self.field, self.rate, self.end = field, rate, threading.Event()
        self.start()

    def run(self):
        while not self.end.wait(0.05):
            if len(self.field.given) - len(self.field.kept) < 400:
                for _ in range(max(1, self.rate // 20)):
                    self.field.give("d/a", f'{{"seq":{len(self.field.given)}}}')

    def close(self):
        self.end.set()
        self.join()


def account(gateway, field, lines, seconds=60):
    """Everything is acknowledged to the field and upstream, the ledger adds up, the audit says that
    nothing is missing. `lines` gives the packs as upstream has them."""
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == len(field.given), seconds)
    ledger = gateway.wait_drained(seconds=seconds)
    up = ledger["bridges"]["up"]
    fg.wait_for("the last pack", lambda: any(
        p.get("epoch") == ledger["epoch"] and p["last"] == ledger["last"]
        for p in (json.loads(line)[0] for line in lines()[-100:])), seconds)
    gateway.stop()
    fg.equal(fg.check_ledger(gateway.ledger())["accepted"], ledger["accepted"], "after the stop")
    answer = fg.audit(lines(), fg.until(ledger), want=(1,) if up["dead"] else (0,))
    gaps = [e["gaps"] for e in answer["gateways"]["gw"]["epochs"].values() if e["gaps"]]
    fg.equal((gaps, up["dropped"]), ([], {}), "what is lost")
    fg.equal(fg.lost(answer), {"refused": up["dead"]} if up["dead"] else {}, "announced as lost")
    had = set(fg.series(lines())["d/a"])
    if not up["dead"]:
        fg.equal(len(set(range(len(field.given))) - had), 0, "acknowledged, not upstream")
    return ledger, answer


def test_flaps():
    """The link goes down and comes back, at the near end or at the far one, for an instant or for
    longer than a connection lives."""
    rng, link = random.Random(SEED), Link()
    field, upstream = fg.Script(host=HERE), fg.Broker("upstream", host=HERE)
    collector = upstream.collector()
    gateway = gateway_for(field, upstream)
    fg.wait_for("the field", lambda: field.subscribes)
    thing, feed = Thing(gateway.port), Feed(field, 400)
    fg.wait_for("some", lambda: len(field.kept) > 400 and thing.taken > 20)
    memory = Memory(gateway)
    long_ones, down_s = 0, 0.0
    for n in range(FLAPS):
        far = rng.random() < 0.5
        seconds = rng.uniform(0.005, 0.15)
        if n % 50 == 25:
            seconds, long_ones = 1.6 * KEEPALIVE_S + rng.random() * 2, long_ones + 1
        down_s += seconds
        link.set(False, far)
        pause(seconds)
        link.set(True, far)
        pause(rng.uniform(0.02, 0.3))
    feed.close()
    thing.end = True
    thing.join()
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == len(field.given), 60)
    gateway.wait_drained(seconds=60)
    said = memory.close()
    ledger, answer = account(gateway, field, collector.payloads)
    got = fg.first_times(fg.series(collector.payloads())["t"])
    fg.equal(got[:thing.taken], list(range(thing.taken)), "what CoAP brought")
    link.close()
    return (f"{FLAPS} flaps ({long_ones} longer than 1.5 keepalives, {down_s:.0f} s down in all), "
            f"{len(field.connects)} field connections, {len(upstream.connections('gw-up'))} upstream; "
            f"{ledger['accepted']} records accepted, 0 lost, "
            f"{fg.total(answer, 'duplicates')} twice; {said}; seed {SEED}")


def is_up(gateway):
    status = gateway.status()
    return status["links"]["up"]["state"] == "up", status["drivers"]["field"]["state"] == "up"


def silent_once(link, gateway, busy):
    """Seconds until bridge and driver have noticed."""
    fg.wait_for("both to be up", lambda: is_up(gateway) == (True, True), 60)
    feed = Feed(busy, 200) if busy else None
    pause(1.5)
    begun, seen = time.monotonic(), [None, None]
    link.silence(True)

    def noticed():
        for at, up in enumerate(is_up(gateway)):
            if not up and seen[at] is None:
                seen[at] = time.monotonic() - begun
        return None not in seen
    fg.wait_for("the silence to be noticed", noticed, 4 * KEEPALIVE_S)
    link.silence(False)
    if feed:
        feed.close()
    return seen


def test_silent_link():
    """No FIN, no RST, no carrier lost: packets are gone. While nothing is to be sent, and under
    load."""
    link = Link()
    field, upstream = fg.Script(host=HERE), fg.Broker("upstream", host=HERE)
    collector = upstream.collector()
    gateway = gateway_for(field, upstream, keepalive=f"{KEEPALIVE_S}s")
    fg.wait_for("the field", lambda: field.subscribes)
    memory, times = Memory(gateway), []
    for n in range(max(1, 2 * ROUNDS)):
        times += silent_once(link, gateway, field if n % 2 == 0 else None)
        fg.wait_for("all to be acknowledged", lambda: len(field.kept) == len(field.given), 60)
    gateway.wait_drained(seconds=60)
    said = memory.close()
    if ROUNDS:
        fg.check(max(times) <= 1.5 * KEEPALIVE_S, f"noticed only after {times}")
    ledger, _ = account(gateway, field, collector.payloads)
    link.close()
    return (f"{len(times) // 2} silences, noticed after {min(times):.1f} to {max(times):.1f} s "
            f"(keepalive {KEEPALIVE_S} s) by driver and bridge; {ledger['accepted']} records, "
            f"0 lost; {said}")


def test_back_off():
    """An upstream that accepts and hangs up: each bridge comes again, later and later, and not all
    at once."""
    bridges, tries = (40, 6) if ROUNDS else (10, 4)
    times = collections.defaultdict(list)

    def hang_up(_, client):
        times[client["id"]].append(time.monotonic())
        return False
    link, field = Link(), fg.Script(host=HERE)
    upstream = fg.Script(host=HERE, on_connack=hang_up)
    up = {"type": "mqtt", "url": upstream.url, "batch": {"linger": "10ms"}}
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {f"up{n}": up for n in range(bridges)}}).start()
    fg.wait_for("the field", lambda: field.subscribes)
    for n in range(100):
        field.give("d/a", f'{{"seq":{n}}}')
    fg.wait_for("every bridge to come back", lambda: len(times) == bridges and
                min(map(len, times.values())) > tries, 120)
    waits = [sorted(t[n + 1] - t[n] for t in times.values()) for n in range(tries)]
    upstream.on_connack = None
    ledger = gateway.wait_drained(seconds=120)
    gateway.stop()
    for name in ledger["bridges"]:
        lines = [p["payload"].decode() for p in upstream.packs() if p["client"] == "gw-" + name]
        fg.equal(fg.total(fg.audit(lines, fg.until(ledger))), 100, f"records of {name}")
    link.close()
    if ROUNDS:
        means = [sum(w) / len(w) for w in waits]
        fg.check(means[-1] > 4 * means[0], f"the mean wait hardly grows: {means}")
        # none is below a tenth of a second, which is half of the longest first wait
        fg.check(all(w[-1] - w[0] > 0.3 * w[-1] for w in waits), f"no jitter in {waits}")
    return (f"{bridges} bridges hung up on; waits before attempt 2, 3 … (least, mean, most): " + "; ".join(
        f"{w[0]:.2f} {sum(w) / len(w):.2f} {w[-1]:.2f} s" for w in waits) + "; 0 lost")


class SlowAcks(threading.Thread):
    """Acknowledges the packs of a scripted broker one by one, so many seconds apart."""

    def __init__(self, script, seconds):
        super().__init__(daemon=True)
        self.script, self.seconds, self.left = script, seconds, collections.deque()
        script.answer = self.answer
        self.end = threading.Event()
        self.flight = 0
        self.start()

    def answer(self, message):
        if not message["topic"].endswith("/records"):
            return 0
        self.left.append(message)
        self.flight = max(self.flight, len(self.left))
        return None

    def run(self):
        while not self.end.wait(self.seconds):
            if self.left:
                with self.script.lock:
                    message = self.left.popleft()
                    sock = self.script.active.get(message["client"])
                    if sock:
                        sock.sendall(fg.packet(0x40, message["mid"].to_bytes(2, "big")))

    def close(self):
        self.end.set()
        self.join()


def test_slow_acks():
    """One acknowledgement a second, with each waiting longer than `stall`: no reason to leave."""
    link = Link()
    field, upstream = fg.Script(host=HERE), fg.Script(host=HERE)
    acks = SlowAcks(upstream, 1.0 if ROUNDS else 0.1)
    gateway = gateway_for(field, upstream, stall="5s" if ROUNDS else "1s")
    fg.wait_for("the field", lambda: field.subscribes)
    memory, packs = Memory(gateway), 40
    for n in range(20 * packs):
        field.give("d/a", f'{{"seq":{n}}}')
    fg.wait_for("all to be acknowledged", lambda: gateway.account("up")["waiting"] == 0, 180)
    acks.close()
    said = memory.close()
    came = [c["id"] for c in upstream.connects].count("gw-up")
    fg.equal(came, 1, "connections")
    fg.check(acks.flight <= 16, f"{acks.flight} packs in flight")
    upstream.answer = lambda message: 0
    ledger, answer = account(gateway, field,
                             lambda: [p["payload"].decode() for p in upstream.packs()])
    link.close()
    return (f"{ledger['accepted']} records, one pack each {acks.seconds:g} s, up to {acks.flight} in "
            f"flight, 1 connection, 0 lost, {fg.total(answer, 'duplicates')} twice; {said}")


def test_stopped():
    """The upstream is stopped (SIGSTOP): its kernel goes on to accept and to take bytes."""
    link = Link()
    field, upstream = fg.Script(host=HERE), fg.Broker("upstream", host=HERE)
    collector = upstream.collector()
    gateway = gateway_for(field, upstream, stall="1s")
    fg.wait_for("the field", lambda: field.subscribes)
    feed = Feed(field, 2000)
    fg.wait_for("some", lambda: gateway.account("up")["acknowledged"] > 1000)
    memory = Memory(gateway)
    upstream.process.send_signal(19)
    fg.wait_for("it to be noticed", lambda: not is_up(gateway)[0], 60)
    pause(60 if ROUNDS else 1)
    feed.close()
    waiting = gateway.account("up")["waiting"]
    faults = gateway.status()["links"]["up"]["faults"]
    upstream.process.send_signal(18)
    gateway.wait_drained(seconds=90)
    said = memory.close()
    ledger, answer = account(gateway, field, collector.payloads)
    link.close()
    return (f"stopped until {waiting} of {ledger['accepted']} records waited, {faults} faults, "
            f"0 lost, {fg.total(answer, 'duplicates')} twice; {said}")


def test_limits():
    """Receive Maximum 1, and an upstream that now and then is busy (0x97, 0x96 once in a while) and
    for one pack always says no (0x99): that one is set aside, the rest flows."""
    rng, busy, poison = random.Random(SEED), collections.Counter(), 333
    link, field = Link(), fg.Script(host=HERE)
    flying, most = set(), [0]

    def answer(message):
        if not message["topic"].endswith("/records"):
            return 0
        most[0] = max(most[0], len(flying) + 1)
        values = [r[2] for r in fg.records([message["payload"]])]
        if poison in values:
            return 0x99
        if rng.random() < 0.04:
            reason = rng.choice((0x96, 0x97))
            busy[reason] += 1
            return reason
        return 0
    upstream = fg.Script(host=HERE, answer=answer, receive_max=1)
    gateway = gateway_for(field, upstream)
    fg.wait_for("the field", lambda: field.subscribes)
    memory, count = Memory(gateway), 20000 if ROUNDS else 2000
    for n in range(count):
        field.give("d/a", f'{{"seq":{n}}}')
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == count, 60)
    gateway.wait_drained(seconds=200)
    said = memory.close()
    good = [p["payload"].decode() for p in upstream.packs()
            if poison not in [r[2] for r in fg.records([p["payload"]])]]
    ledger, _ = account(gateway, field, lambda: good)
    dead = ledger["bridges"]["up"]["dead"]
    fg.check(0 < dead <= 20, f"{dead} dead")
    had = set(fg.series(good)["d/a"])
    fg.equal(len(had) + dead, count, "upstream and dead")
    link.close()
    return (f"{count} records, {sum(busy.values())} times busy ({dict(busy)}), {dead} dead with the one "
            f"that was refused, the rest upstream, 0 lost; {said}")


if os.getuid() != 0:
    print("skipped: only root can make network namespaces")
    sys.exit(77)
if not os.environ.get("OWN_NETWORK"):
    if subprocess.run(["unshare", "-n", "ip", "link", "add", "x", "type", "veth"], check=False,
                      stderr=subprocess.DEVNULL).returncode != 0:
        print("skipped: no network namespaces with virtual Ethernets here")
        sys.exit(77)
    os.environ["OWN_NETWORK"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
fg.main(globals())
