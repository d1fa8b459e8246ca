#!/usr/bin/python3
"""The time of day that is not there yet, and that jumps. It is faked for the gateway only (see
fake_clock.c): true times are those that this script sees."""
import json
import os
import struct
import subprocess
import time

import fg

fg.need("mosquitto")

HOUR, YEAR = 3600, 365 * 86400


class Clock:
    """The gateway's."""

    def __init__(self, off_s=0.0, synced=False):
        self.path = os.path.abspath("clock")
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT)
        self.boot("11111111")
        self.set(off_s, synced)

    def set(self, off_s, synced):
        """How much it is ahead of the true time."""
        os.pwrite(self.file, struct.pack("=qq", int(off_s * 1e9), synced), 0)

    def boot(self, name):
        with open("boot", "w", encoding="utf-8") as file:
            file.write(f"{name}-2222-3333-4444-555555555555\n")

    def env(self):
        asan = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": os.path.join(os.environ["BUILD_DIR"],
                                           "tests/integration/fake_clock.so"),
                "FAKE_CLOCK": self.path, "FAKE_BOOT_ID": os.path.abspath("boot"),
                "ASAN_OPTIONS": asan + ":verify_asan_link_order=0"}


def resolve(packs):
    """(device, point, value, time or None, marked) of every record, in order."""
    found = []
    for pack in packs:
        base, at = None, None
        for record in json.loads(pack):
            base, at = record.get("bn", base), record.get("bt", at)
            when = None if at is None else at + record.get("t", 0)
            value = next((record[k] for k in ("v", "vs", "vb") if k in record), None)
            found.append((base[3:-1], record["n"], value, when, record.get("clock") == "unsynced"))
    return found


def of_upstream(script):
    return [m["payload"].decode() for m in script.packs()]


def values(found, device):
    return [f[2] for f in found if f[0] == device]


def gateway_at(clock, config, **more):
    return fg.Gateway(dict({"clock": {"trust": "kernel"}}, **config), env=clock.env(), **more)


def clock_is(gateway, wanted):
    fg.wait_for(f"the clock to be {wanted}", lambda: gateway.status()["clock"] == wanted)


def test_born_in_1970():
    """Records that wait, in the spool and in packs already cut, when the clock becomes right."""
    clock = Clock(300 - time.time())
    broker = fg.Broker("field")
    gate = {"open": True, "acknowledges": False}
    script = fg.Script(on_connack=lambda sock, client: gate["open"], answer=lambda m:
                       0 if gate["acknowledges"] or m["topic"].endswith("/status") else None)
    gateway = gateway_at(clock, {
        "drivers": {"field": {"type": "mqtt", "url": broker.url, "subscribe": ["d/+", "p/+"]}},
        "profiles": {"pack": {"match": "p/{device}", "format": "senml"}},
        "bridges": {"up": {"type": "mqtt", "url": script.url, "window": 3,
                           "batch": {"records": 4, "linger": "10ms"}},
                    "local": {"type": "file", "path": os.path.abspath("local.jsonl"),
                              "batch": {"linger": "10ms"}}}}).start()
    broker.wait_subscribed("gw-field")
    device = fg.Mqtt(broker.port, "device")
    begun = time.time()
    times = []
    for n in range(40):
        times.append(time.time())
        device.publish("d/a", [str(n)])
        clock.set(300 - time.time() + (-1) ** n * n, False)    # forty small steps
    # a SenML time that counts from the arrival, and one that the device knows by itself
    device.publish("p/b", ['[{"n":"ago","v":1,"t":-60},{"n":"known","v":2,"t":1700000000}]'])
    device.publish("d/c", ['{"v":1}'])
    ended = time.time()
    fg.wait_for("the file", lambda: len(resolve(fg.file_lines("local.jsonl"))) >= 43)
    fg.wait_for("packs on their way", lambda: len(script.packs()) == 3)
    early = resolve(of_upstream(script))
    fg.check(all(mark and when is None for _, _, _, when, mark in early), early)
    gate["open"] = False
    script.drop_clients()
    fg.wait_for("the fault", lambda: gateway.status()["links"]["up"]["state"] != "up")

    clock.set(0, True)
    clock_is(gateway, "synced")
    device.publish("d/a", ["40"])
    times.append(time.time())
    gate["open"] = gate["acknowledges"] = True
    ledger = gateway.wait_drained()
    late = of_upstream(script)[3:]
    found = resolve(late)
    fg.equal(values(found, "d/a"), list(range(41)), "the values, in order")
    fg.check(not any(mark for *_, mark in found), f"marked though it waited: {found}")
    stamps = [when for d, _, _, when, _ in found if d == "d/a"]
    fg.equal(stamps, sorted(stamps), "the times, in order")
    for when, true in zip(stamps, times):
        fg.check(abs(when - true) < 1, f"{when} instead of {true}")
    own = {f[1]: f for f in found if f[0] == "b"}
    fg.check(begun - 61 < own["ago"][3] < ended - 59, own)
    fg.equal(own["known"][3:], (1700000000, False), "the device's own time")
    # the file had them at once, and says that it does not know
    fg.check(all(mark for d, _, v, _, mark in resolve(fg.file_lines("local.jsonl"))
                 if d == "d/a" and v < 40), "not marked in the file")
    for packs in (late, fg.file_lines("local.jsonl")):
        fg.audit(packs, fg.until(ledger))
    fg.equal(ledger["accepted"], 44, "accepted")
    gateway.stop()


def looks(path):
    """The board's uptime at each look at it, which a timer brings about."""
    return [f[2] for f in resolve(fg.file_lines(path)) if f[:2] == ("board", "uptime")]


def test_jumps():
    """An hour, ten years, back to 1970, a thousand small ones: nothing is lost, reordered or late."""
    clock = Clock(0, True)
    broker, port = fg.Broker("field"), fg.free_port(2)
    local = os.path.abspath("local.jsonl")
    gateway = gateway_at(clock, {
        "drivers": {"field": {"type": "mqtt", "url": broker.url, "subscribe": ["d/+"],
                              "interval": "5m"},
                    "things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"},
                    "own": {"type": "board", "interval": "200ms"}},
        "profiles": {"looks": {"match": "board", "format": "json", "points": {"uptime": {}}}},
        "bridges": {"local": {"type": "file", "path": local, "batch": {"linger": "10ms"}},
                    "dead": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{fg.free_port()}"}}})
    gateway.start()
    broker.wait_subscribed("gw-field")
    device, thing = fg.Mqtt(broker.port, "device"), fg.Coap(port)
    begun, sent = time.time(), 0
    jumps = [HOUR, -HOUR, 10 * YEAR, 60 - begun, 0.9, 0]
    jumps += [n % 7 * 0.3 - 1 for n in range(1000)]
    for n, jump in enumerate(jumps):
        clock.set(jump, False)
        if n < 6 or n % 100 == 0:
            device.publish("d/a", [str(sent)])
            fg.equal(thing.post("t", str(sent), 0)[0], "2.04", f"CoAP after {jump} s")
            sent += 1
            fg.wait_for("the pack", lambda s=sent: len(values(resolve(fg.file_lines(local)),
                                                              "t")) == s)
        if n < 6:
            have = len(looks(local))
            fg.wait_for(f"looks after {jump} s", lambda h=have: len(looks(local)) >= h + 2)
    age = gateway.account("dead")["oldest_s"]
    fg.check(0 <= age < time.time() - begun + 5, f"what waits is {age} s old")
    clock.set(0, True)
    clock_is(gateway, "synced")
    device.publish("d/a", [str(sent)])
    fg.wait_for("the last", lambda: sent in values(resolve(fg.file_lines(local)), "d/a"))
    found = resolve(fg.file_lines(local))
    fg.equal(values(found, "d/a"), list(range(sent + 1)), "the values, in order")
    for name in ("d/a", "t"):
        stamps = [when for d, _, _, when, _ in found if d == name]
        fg.equal(stamps, sorted(stamps), f"the times of {name}, in order")
        fg.check(all(begun - 1 < when < time.time() + 1 for when in stamps), f"{name}: {stamps}")
    marks = [mark for d, _, _, _, mark in found if d == "d/a"]
    fg.equal(marks, [True] * sent + [False], "the marks")
    state = gateway.status()
    fg.equal(state["states"], {"online": 3, "late": 0, "offline": 0}, "who is silent")
    fg.check(state["clock_steps"] > 3, state["clock_steps"])
    fg.check(abs(state["since"] - begun) < 30, "since when it runs")
    fg.check("stall" not in gateway.said(), gateway.said())
    uptimes = looks(local)
    fg.equal(uptimes, sorted(uptimes), "when it was looked at the board")
    fg.check(len(uptimes) <= (uptimes[-1] - uptimes[0] + 2) / 0.2, f"too many looks: {uptimes}")
    ledger = gateway.wait_drained("local")
    fg.audit(fg.file_lines(local), fg.until(ledger))
    # who trusts the clock always is told what it says: no mark, and a step back is a step back
    gateway.config["clock"] = {"trust": "always"}
    gateway.reload()
    clock.set(-HOUR, False)
    device.publish("d/a", ["-1"])
    fg.wait_for("the step", lambda: values(resolve(fg.file_lines(local)), "d/a")[-1] == -1)
    last = [f for f in resolve(fg.file_lines(local)) if f[0] == "d/a"][-1]
    fg.check(abs(last[3] - (time.time() - HOUR)) < 5 and not last[4], last)
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_boots():
    """What an earlier boot has left: true times if its clock ever was right, marked for ever if
    not."""
    clock = Clock(300 - time.time())
    broker, script = fg.Broker("field"), fg.Script()
    up = {"type": "mqtt", "url": script.url, "start": "oldest", "batch": {"linger": "10ms"}}
    gateway = gateway_at(clock, {
        "drivers": {"field": {"type": "mqtt", "url": broker.url, "subscribe": ["d/+"]}},
        "bridges": {}})
    gateway.start()
    device = fg.Mqtt(broker.port, "device")
    times = []

    def say(value):
        before = gateway.ledger()["accepted"]
        times.append(time.time())
        device.publish("d/a", [str(value)])
        fg.wait_for("the record", lambda: gateway.ledger()["accepted"] == before + 1)

    broker.wait_subscribed("gw-field")
    say(0)
    gateway.kill()
    clock.boot("22222222")
    clock.set(600 - time.time(), False)
    gateway.start()
    say(1)
    clock.set(0, True)
    clock_is(gateway, "synced")
    say(2)
    gateway.kill()
    clock.boot("33333333")
    clock.set(900 - time.time(), False)
    gateway.start()
    say(3)
    shown = resolve(fg.fieldgate("spool", "--cat", gateway.spool).out.splitlines())
    gateway.config["bridges"]["up"] = up
    gateway.reload()
    ledger = gateway.wait_drained()
    for found in (resolve(of_upstream(script)), shown):
        found = [(v, when, mark) for d, _, v, when, mark in found if d == "d/a"]
        fg.equal([(v, mark) for v, _, mark in found],
                 [(0, True), (1, False), (2, False), (3, True)], "values and marks")
        for n in (1, 2):
            fg.check(abs(found[n][1] - times[n]) < 2, f"{found[n]}, not at {times[n]}")
    fg.audit(of_upstream(script), fg.until(ledger), want=(0, 1))
    gateway.stop()
    fg.fieldgate("spool", "--verify", gateway.spool)


def test_told_by_another():
    """A gateway that may not ask the kernel hears it from who may."""
    clock = Clock()
    path = os.path.abspath("synchronised")
    asks = dict(os.environ, **clock.env())

    def said():
        done = subprocess.run([fg.FIELDGATE, "clock"], env=asks, capture_output=True, check=False)
        return done.returncode, done.stdout
    fg.equal(said(), (1, b"not synchronised\n"), "fieldgate clock")
    watch = subprocess.Popen([fg.FIELDGATE, "clock", "--watch", path], env=asks)
    gateway = fg.Gateway({"clock": {"trust": "kernel"}, "bridges": {
        "out": {"type": "file", "path": os.path.abspath("out.jsonl")}}},
        env=dict(clock.env(), FAKE_CLOCK_FILE=path)).start()
    clock_is(gateway, "unsynced")
    clock.set(0, True)
    fg.equal(said()[0], 0, "fieldgate clock")
    fg.wait_for("the file", lambda: os.path.exists(path))
    clock.set(0, True)    # whoever sets it makes the gateway look
    clock_is(gateway, "synced")
    clock.set(0, False)
    fg.wait_for("the file to go", lambda: not os.path.exists(path))
    clock.set(0, True)
    fg.wait_for("the file", lambda: os.path.exists(path))
    watch.terminate()
    fg.equal(watch.wait(), 0, "exit status")
    fg.check(not os.path.exists(path), "the file outlives who keeps it")
    clock.set(0, True)
    clock_is(gateway, "unsynced")
    ledger = gateway.ledger()
    gateway.stop()
    fg.audit(fg.file_lines("out.jsonl"), fg.until(ledger) if ledger["last"] else None)


fg.main(globals())
