#!/usr/bin/python3
"""kill -9 at random instants under load: whatever was acknowledged to a device arrives upstream, in
order, and the chain of epochs proves it. FG_SEED repeats a run's instants."""
import json
import os
import random
import threading
import time

import fg

fg.need("mosquitto")

KILLS = 15  # for each way to commit
WINDOW, BATCH, FIELD = 4, 20, 64
SEED = int(os.environ.get("FG_SEED", random.randrange(1 << 32)))


class Thing(threading.Thread):
    """Posts its count, again and again until it is answered; then the next."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.coap, self.name_, self.taken, self.unsure, self.end = fg.Coap(port), name, 0, 0, False
        self.start()

    def run(self):
        n = 0
        while not self.end:
            code, _ = self.coap.post(self.name_, f'{{"seq":{n}}}', 50, tries=1, timeout=0.5)
            if code == "2.04":
                self.taken = n = n + 1
            else:
                self.unsure += 1
                time.sleep(0.01)


def feeder(field, stop, device, rate):
    """Puts messages into the field broker's session at a steady rate, never far ahead."""
    n = 0
    while not stop.is_set():
        if len(field.given) - len(field.kept) < 400:
            for _ in range(rate // 50):
                field.give(device, f'{{"seq":{n}}}')
                n += 1
        stop.wait(0.02)


def kill_under_load(commit):
    rng = random.Random(f"{SEED} {commit}")
    field, upstream = fg.Script(window=FIELD), fg.Broker("upstream")
    collector = upstream.collector()
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "spool": {"commit": commit},
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]},
            "things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"},
        },
        "bridges": {"up": {"type": "mqtt", "url": upstream.url, "window": WINDOW,
                           "batch": {"records": BATCH, "linger": "20ms"}}}}).start()
    stop, things = threading.Event(), [Thing(port, f"t{n}") for n in range(2)]
    feed = threading.Thread(target=feeder, args=(field, stop, "d/a", 2000), daemon=True)
    feed.start()
    epochs = []
    for _ in range(KILLS):
        before = len(field.kept)
        fg.wait_for("some to be acknowledged", lambda n=before: len(field.kept) > n + 50)
        end = time.monotonic() + rng.random() * 0.25
        fg.wait_for("the instant", lambda e=end: time.monotonic() >= e)
        gateway.kill()
        if rng.random() < 0.3:    # and once more while it starts
            gateway.start(ready=False)
            end = time.monotonic() + rng.random() * 0.05
            fg.wait_for("the instant", lambda e=end: time.monotonic() >= e)
            gateway.kill()
        gateway.start()
        epochs.append(gateway.ledger()["epoch"])
    stop.set()
    feed.join()
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == len(field.given))
    for thing in things:
        thing.end = True
    for thing in things:
        thing.join()
    ledger = gateway.wait_drained()
    gateway.stop()

    fg.equal(len(set(epochs)), KILLS, f"epochs of {KILLS} unclean ends")
    lines = collector.payloads
    fg.wait_for("all packs", lambda: any(
        p[0].get("epoch") == ledger["epoch"] and p[0]["last"] == ledger["last"]
        for p in map(json.loads, lines())))
    answer = fg.audit(lines(), fg.until(ledger))
    fg.equal(fg.lost(answer), {}, "announced as lost")
    chain(lines(), ledger)

    values = fg.series(lines())
    repeats = sum(len(v) - len(set(v)) for v in values.values())
    fg.equal(fg.first_times(values["d/a"]), list(range(len(field.given))), "what MQTT brought")
    for thing in things:
        got = fg.first_times(values.get(thing.name_, []))
        fg.equal(got[:thing.taken], list(range(thing.taken)), f"what {thing.name_} sent")
        fg.check(len(got) <= thing.taken + 1, f"{thing.name_}: more than it sent")
    # twice upstream: the window of each kill; twice from the field: what was not acknowledged
    bound = KILLS * (WINDOW * BATCH + FIELD + len(things)) + sum(t.unsure for t in things)
    fg.check(repeats <= bound, f"{repeats} came twice, more than {bound}")
    window = KILLS * WINDOW * BATCH
    fg.check(fg.total(answer, "duplicates") <= window,
             f"{fg.total(answer, 'duplicates')} numbers came twice, more than {window}")
    return f"{sum(map(len, values.values()))} values, {repeats} of them twice, seed {SEED}"


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
