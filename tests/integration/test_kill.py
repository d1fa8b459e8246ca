#!/usr/bin/python3
"""kill -9 at random instants under load from three drivers: whatever was acknowledged to a device
arrives upstream, in order, and so does what is known to be kept of a line on which nobody waits for
an answer; the chain of epochs proves it. FG_SEED repeats a run's instants, FG_KILLS and FG_VALUES
(values a payload) make it longer."""
import json
import os
import random
import re
import threading
import time

import fg

fg.need("mosquitto")

KILLS = int(os.environ.get("FG_KILLS", "100")) // 2    # for each way to commit
VALUES = int(os.environ.get("FG_VALUES", "1"))
WINDOW, BATCH, FIELD = 4, 20 * VALUES, 64
SEED = int(os.environ.get("FG_SEED", random.randrange(1 << 32)))
MORE = "".join(f',"v{n}":{n}' for n in range(1, VALUES))


def reading(n):
    return f'{{"seq":{n}{MORE}}}'


class Thing(threading.Thread):
    """Posts its count, again and again until it is answered; then the next."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.coap, self.name_, self.taken, self.unsure, self.end = fg.Coap(port), name, 0, 0, False
        self.start()

    def run(self):
        n = 0
        while not self.end:
            code, _ = self.coap.post(self.name_, reading(n), 50, tries=1, timeout=0.5)
            if code == "2.04":
                self.taken = n = n + 1
            else:
                self.unsure += 1
                time.sleep(0.01)


class Meter(threading.Thread):
    """Prints lines at a steady rate into a pseudo-terminal whose other end stays open, so that what
    a dead gateway has not read waits for the next one. Nobody answers a line, but the last value of
    the point can be asked for, and what is posted after that is kept after that. So of each life of
    the gateway a stretch of lines is known to be kept."""

    def __init__(self, port, path="meter"):
        super().__init__(daemon=True)
        self.line = fg.Line(path).plug_in()
        self.open_end = os.open(self.line.path, os.O_RDWR | os.O_NOCTTY)
        self.coap, self.said, self.end, self.kept = fg.Coap(port), 0, threading.Event(), []
        self.begun = None
        self.start()

    def run(self):
        while not self.end.is_set():
            self.line.say(reading(self.said) + "\n")
            self.said += 1
            self.end.wait(0.004)

    def ask(self):
        answer = self.coap.get("meter", tries=1, timeout=0.5)
        found = answer and re.search(rb'"n":"seq"[^}]*"v":(\d+)', answer)
        return int(found.group(1)) if found else None

    def look(self):
        """Between the first and the last look of a life."""
        value = self.ask()
        if value is None or self.coap.post("after", "1", 0, tries=1, timeout=0.5)[0] != "2.04":
            return
        if self.begun is None:
            self.begun = value
            self.kept.append((value, value))
        self.kept[-1] = (self.begun, value)

    def close(self):
        self.end.set()
        self.join()
        os.close(self.open_end)


def feeder(field, stop, device, rate):
    """Puts messages into the field broker's session at a steady rate, never far ahead."""
    n = 0
    while not stop.is_set():
        if len(field.given) - len(field.kept) < 400:
            for _ in range(rate // 50):
                field.give(device, reading(n))
                n += 1
        stop.wait(0.02)


def kill_once(rng, gateway, field, meter):
    before = len(field.kept)
    fg.wait_for("some to be acknowledged", lambda: len(field.kept) > before + 20)
    meter.begun = None
    meter.look()
    end = time.monotonic() + rng.random() * 0.1
    fg.wait_for("the instant", lambda: time.monotonic() >= end)
    meter.look()
    gateway.kill()
    if rng.random() < 0.3:    # and once more while it starts
        gateway.start(ready=False)
        end = time.monotonic() + rng.random() * 0.05
        fg.wait_for("the instant", lambda: time.monotonic() >= end)
        gateway.kill()
    gateway.start()


def check_meter(meter, got):
    """All of each stretch that was known to be kept; the order; and no line that was not said."""
    first = fg.first_times(got)
    fg.equal(first, sorted(first), "the order of the lines")
    there, known = set(got), 0
    for begin, end in meter.kept:
        fg.equal([n for n in range(begin, end + 1) if n not in there], [], f"lines that are missing of {begin} .. {end} of {meter.kept}")
        known += end - begin + 1
    fg.check(known > 0 and max(first) < meter.said, f"{known} lines known, {meter.said} said")
    return known


def kill_under_load(commit):
    rng = random.Random(f"{SEED} {commit}")
    field, upstream = fg.Script(window=FIELD), fg.Broker("upstream")
    collector = upstream.collector()
    port = fg.free_port(2)
    meter = Meter(port)
    gateway = fg.Gateway({
        "spool": {"commit": commit, "limit": "64MiB"},
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]},
            "things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"},
            "meter": {"type": "serial", "port": meter.line.path},
        },
        "bridges": {"up": {"type": "mqtt", "url": upstream.url, "window": WINDOW,
                           "batch": {"records": BATCH, "linger": "20ms"}}}}).start()
    stop, things = threading.Event(), [Thing(port, f"t{n}") for n in range(2)]
    feed = threading.Thread(target=feeder, args=(field, stop, "d/a", 2000), daemon=True)
    feed.start()
    for _ in range(KILLS):
        kill_once(rng, gateway, field, meter)
    stop.set()
    feed.join()
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == len(field.given))
    for thing in things:
        thing.end = True
    for thing in things:
        thing.join()
    meter.close()
    ledger = gateway.wait_drained()
    gateway.stop()
    fg.equal(fg.check_ledger(gateway.ledger())["accepted"], ledger["accepted"], "after the stop")

    lines = collector.payloads()
    fg.wait_for("all packs", lambda: any(
        p[0].get("epoch") == ledger["epoch"] and p[0]["last"] == ledger["last"]
        for p in map(json.loads, collector.payloads()[-50:])))
    lines = collector.payloads()
    answer = fg.audit(lines, fg.until(ledger))
    fg.equal(fg.lost(answer), {}, "announced as lost")
    fg.check(len(answer["gateways"]["gw"]["epochs"]) >= KILLS, "an epoch for each unclean end")
    chain(lines, ledger)

    values = fg.series(lines)
    repeats = sum(len(v) - len(set(v)) for v in values.values())
    fg.equal(fg.first_times(values["d/a"]), list(range(len(field.given))), "what MQTT brought")
    for thing in things:
        got = fg.first_times(values.get(thing.name_, []))
        fg.equal(got[:thing.taken], list(range(thing.taken)), f"what {thing.name_} sent")
        fg.check(len(got) <= thing.taken + 1, f"{thing.name_}: more than it sent")
    known = check_meter(meter, values["meter"])
    # twice upstream: the window of each kill; twice from the field: what was not acknowledged
    bound = KILLS * 2 * (WINDOW * BATCH + FIELD + len(things)) + sum(t.unsure for t in things)
    fg.check(repeats <= bound, f"{repeats} came twice, more than {bound}")
    window = KILLS * 2 * WINDOW * BATCH
    fg.check(fg.total(answer, "duplicates") <= window,
             f"{fg.total(answer, 'duplicates')} numbers came twice, more than {window}")
    told = len(field.kept) + sum(t.taken for t in things) + known
    return (f"{KILLS} kills, {told * VALUES} records acknowledged, 0 lost, "
            f"{repeats} readings twice, seed {SEED}")


def chain(lines, ledger):
    """Each epoch names the one before it and where that ended, back to the first."""
    prev, last = {}, {}
    for head in (json.loads(line)[0] for line in lines):
        if "epoch" not in head:
            continue
        epoch = head["epoch"]
        last[epoch] = max(last.get(epoch, 0), head["last"])
        if head["first"] == 1:
            prev[epoch] = head.get("prev")
    at, seen = ledger["epoch"], 0
    while at:
        seen += 1
        fg.check(at in prev, f"nothing of epoch {at} begins with 1")
        link = prev[at]
        if link is None:
            break
        before, end = link.split(":")
        if int(end) == 0 and before not in last:    # an epoch without a record
            break
        fg.equal(last.get(before), int(end), f"the end of {before}")
        at = before
    fg.equal(seen, len(last), "epochs in the chain")


def test_commit_1s():
    return kill_under_load("1s")


def test_commit_each():
    return kill_under_load("each")


fg.main(globals())
