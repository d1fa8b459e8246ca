#!/usr/bin/python3
"""Reload under load: what did not change keeps its connection, what did is opened anew, what is
faulty changes nothing, and no record is lost on the way."""
import copy
import json
import os
import re
import signal
import threading

import fg

fg.need("mosquitto")

PAD = "x" * 800


class Load(threading.Thread):
    """Keeps a scripted field broker's session supplied, never far ahead."""

    def __init__(self, field, device):
        super().__init__(daemon=True)
        self.field, self.device, self.end = field, device, threading.Event()
        self.start()

    def run(self):
        n = 0
        while not self.end.is_set():
            if len(self.field.given) - len(self.field.kept) < 200:
                for _ in range(10):
                    self.field.give(self.device, f'{{"seq":{n}}}')
                    n += 1
            self.end.wait(0.01)

    def stop(self):
        self.end.set()
        self.join()


def mqtt(script, **more):
    return dict({"type": "mqtt", "url": script.url}, **more)


def texts(script, client=None):
    return [p["payload"].decode() for p in script.packs() if client in (None, p["client"])]


def test_under_load():
    field, extra, later = fg.Script(), fg.Script(), fg.Script()
    up, local = fg.Script(), os.path.abspath("records.jsonl")
    gateway = fg.Gateway({
        "drivers": {"field": mqtt(field, subscribe=["d/+"]),
                    "extra": mqtt(extra, subscribe=["e/+"])},
        "bridges": {"up": mqtt(up, batch={"records": 20, "linger": "10ms"}),
                    "local": {"type": "file", "path": local, "batch": {"linger": "10ms"}}},
    }).start()
    loads = [Load(field, "d/a"), Load(extra, "e/a")]
    config = gateway.config

    def go_on():
        before = [len(s.kept) for s in (field, extra)], len(up.packs())
        fg.wait_for("the load to go on", lambda: len(field.kept) > before[0][0]
                    and len(up.packs()) > before[1]
                    and (not extra.active or len(extra.kept) > before[0][1]))

    def connects():
        return {n: len(s.connects) for n, s in
                (("field", field), ("extra", extra), ("later", later), ("up", up))}
    go_on()
    fg.equal(connects(), {"field": 1, "extra": 1, "later": 0, "up": 1}, "connections")

    fg.check("0 changed" in gateway.reload().out + gateway.reload().err, "nothing changed")
    go_on()
    config["drivers"]["later"] = mqtt(later, subscribe=["l/+"])
    gateway.reload()
    fg.wait_for("the added driver", lambda: later.subscribes)
    loads.append(Load(later, "l/a"))
    go_on()
    fg.equal(connects(), {"field": 1, "extra": 1, "later": 1, "up": 1}, "after an addition")

    config["drivers"]["extra"]["subscribe"] = ["e/+", "f/+"]
    gateway.write()
    gateway.process.send_signal(signal.SIGHUP)
    fg.wait_for("the changed driver", lambda: len(extra.subscribes) == 2)
    go_on()
    fg.equal(connects(), {"field": 1, "extra": 2, "later": 1, "up": 1}, "after a change")

    loads.pop().stop()
    fg.wait_for("what it had", lambda: len(later.kept) == len(later.given))
    del config["drivers"]["later"]
    gateway.reload()
    fg.wait_for("the removed driver to leave", lambda: not later.active)
    config["bridges"]["up"]["batch"]["records"] = 7
    gateway.reload()
    fg.wait_for("the changed bridge", lambda: len(up.connects) == 2)
    go_on()
    fg.equal(connects(), {"field": 1, "extra": 2, "later": 1, "up": 2}, "after another")

    good = copy.deepcopy(config)
    for spoil, pointer in ((lambda c: c["drivers"]["field"].update(qos=2), "/drivers/field/qos"),
                           (lambda c: c["bridges"].update(x={"type": "none"}), "/bridges/x/type"),
                           (lambda c: c["gateway"].update(id="other"), "/gateway/id"),
                           (lambda c: c["spool"].update(dir="/nowhere"), "/spool/dir")):
        spoil(config)
        done = gateway.reload(want=(1,))
        fg.check(pointer in done.err, f"no {pointer} in {done.err}")
        gateway.config = config = copy.deepcopy(good)
    with open(gateway.conf, "w", encoding="utf-8") as file:
        file.write('{"gateway":')
    fg.fieldgate("reload", "-c", gateway.conf, "--socket", config["run"]["socket"], want=(1,))
    refused = gateway.said().count("reload refused")
    gateway.process.send_signal(signal.SIGHUP)
    fg.wait_for("SIGHUP to be refused",
                lambda: gateway.said().count("reload refused") > refused)
    gateway.write()
    go_on()
    fg.equal(connects(), {"field": 1, "extra": 2, "later": 1, "up": 2}, "after refusals")

    for load in loads:
        load.stop()
    fg.wait_for("all to be acknowledged", lambda: all(
        len(s.kept) == len(s.given) for s in (field, extra)))
    ledger = gateway.wait_drained()
    wanted = {"d/a": len(field.given), "e/a": len(extra.given), "l/a": len(later.given)}
    for name, lines in (("up", texts(up)), ("file", fg.file_lines(local))):
        answer = fg.audit(lines, fg.until(ledger))
        values = fg.series(lines)
        for device, count in wanted.items():
            fg.equal(fg.first_times(values[device]), list(range(count)), f"{name}, {device}")
        fg.check(fg.total(answer, "duplicates") <= 16 * 20, f"{name}: {answer}")
    gateway.stop()
    return f"{sum(wanted.values())} readings"


def begin_of(lines):
    return [h for h in (json.loads(line)[0] for line in lines) if h.get("begin")]


def test_new_bridges():
    """One begins now, one with the oldest that is there."""
    field, up, now, whole = fg.Script(), fg.Script(), fg.Script(), fg.Script()
    gateway = fg.Gateway({
        "drivers": {"field": mqtt(field, subscribe=["d/+"])},
        "bridges": {"up": mqtt(up, batch={"linger": "10ms"})}}).start()
    for n in range(300):
        field.give("d/a", f'{{"seq":{n}}}')
    fg.wait_for("the first part", lambda: len(field.kept) == 300)
    gateway.wait_drained()
    gateway.config["bridges"]["now"] = mqtt(now, batch={"linger": "10ms"})
    gateway.config["bridges"]["whole"] = mqtt(whole, batch={"linger": "10ms"}, start="oldest")
    gateway.reload()
    fg.wait_for("the new bridges", lambda: now.connects and whole.connects)
    for n in range(300, 500):
        field.give("d/a", f'{{"seq":{n}}}')
    fg.wait_for("the second part", lambda: len(field.kept) == 500)
    fg.wait_for("everything to be acknowledged", lambda: not any(
        b["waiting"] for b in gateway.ledger()["bridges"].values()))
    ledger = fg.check_ledger(gateway.ledger(), due={"now": 200})
    for script, name, first in ((up, "up", 0), (now, "now", 300), (whole, "whole", 0)):
        lines = texts(script)
        fg.equal(fg.series(lines)["d/a"], list(range(first, 500)), name)
        fg.equal(fg.total(fg.audit(lines, fg.until(ledger))), 500 - first, name)
    fg.equal([(h["first"], h.get("prev")) for h in begin_of(texts(now))], [(301, None)], "begin")
    fg.equal(begin_of(texts(whole)) + begin_of(texts(up)), [], "other marks")
    gateway.stop()
    fg.check_ledger(gateway.ledger(), due={"now": 200})


def test_removed_bridge():
    """Its cursor stays, and the spool keeps what it has not had: over the reload, over a restart,
    while the other one goes on; then it comes back, and again with another target."""
    field, away, up = fg.Script(), fg.Script(answer=lambda message: None), fg.Script()
    gateway = fg.Gateway({
        "spool": {"segment": "128KiB", "limit": "16MiB"},
        "drivers": {"field": mqtt(field, subscribe=["d/+"])},
        "profiles": {"p": {"match": "d/{device}", "format": "json", "points": {"*": {}}}},
        "bridges": {"up": mqtt(up), "away": mqtt(away)}}).start()

    def feed(first, last):
        for n in range(first, last):
            field.give("d/a", f'{{"seq":{n},"pad":"{PAD}"}}')
        fg.wait_for("all to be acknowledged", lambda: len(field.kept) == last)
        return gateway.wait_drained("up")
    feed(0, 800)
    fg.equal(gateway.account("away")["waiting"], 1600, "waiting")
    conf = gateway.config["bridges"].pop("away")
    gateway.reload()
    fg.wait_for("it to leave", lambda: not away.active)
    ledger = feed(800, 1600)
    fg.equal(fg.check_ledger(ledger)["bridges"]["away"]["waiting"], 3200, "of one removed")
    gateway.stop()
    fg.equal(fg.check_ledger(gateway.ledger())["bridges"]["away"]["waiting"], 3200, "stopped")
    gateway.start()
    fg.equal(gateway.account("away")["waiting"], 3200, "after the restart")
    half = fg.Script(answer=lambda message: 0 if len(half.packs()) < 12 else None)
    gateway.config["bridges"]["away"] = dict(conf, url=half.url)
    gateway.reload()
    fg.wait_for("a part", lambda: len(half.packs()) >= 12)
    fg.wait_for("its cursor", lambda: gateway.account("away")["acknowledged"] > 0)
    last = fg.Script()
    gateway.config["bridges"]["away"] = dict(conf, url=last.url)
    gateway.reload()
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["away"]["acknowledged"], 3200, "acknowledged")
    lines = texts(half) + texts(last)
    fg.equal(fg.first_times(fg.series(lines)["a"]), list(range(1600)), "the order")
    fg.audit(lines, fg.until(ledger))
    gateway.stop()


def test_limits_and_profiles():
    """What has no connection counts from the reload on."""
    field, up = fg.Script(), fg.Script()
    gateway = fg.Gateway({"drivers": {"field": mqtt(field, subscribe=["d/+"])},
                          "bridges": {"up": mqtt(up, batch={"linger": "10ms"})}}).start()
    field.give("d/a", '{"t":1,"u":2}')
    fg.wait_for("the first", lambda: gateway.ledger()["accepted"] == 2)
    gateway.config["profiles"] = {"p": {"match": "d/{device}", "format": "json",
                                        "points": {"temp": {"from": "/t", "unit": "Cel"}}}}
    gateway.config["limits"] = {"payload": "64B", "devices": 2}
    gateway.reload()
    field.give("d/a", '{"t":2,"u":2}')
    field.give("d/a", '{"t":3,"u":"' + "x" * 64 + '"}')
    field.give("d/b", '{"t":4}')
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == 4)
    ledger = gateway.wait_drained()
    fg.equal(ledger["rejected"], {"too-large": 1, "device-limit": 1}, "rejected")
    fg.equal(fg.records(texts(up)), [("d/a", "t", 1), ("d/a", "u", 2), ("a", "temp", 2)],
             "records")
    fg.equal(len(field.connects), 1, "connections")
    gateway.stop()


def test_back_to_a_broker():
    """A broker that still has the session of another list is not taken for one that has this list."""
    first, second, up = fg.Broker("first"), fg.Broker("second"), fg.Script()
    gateway = fg.Gateway({"drivers": {"field": mqtt(first, subscribe=["a/#"])},
                          "bridges": {"up": mqtt(up, batch={"linger": "10ms"})}}).start()
    first.wait_subscribed("gw-field")
    gateway.config["drivers"]["field"] = mqtt(second, subscribe=["b/#"])
    gateway.reload()
    second.wait_subscribed("gw-field")
    gateway.config["drivers"]["field"] = mqtt(first, subscribe=["b/#"])
    gateway.reload()
    fg.wait_for("its new list", lambda: re.search(r"^\d+: gw-field \d b/#", first.log(), re.M))
    device = fg.Mqtt((first.host, first.port), "device")
    device.publish("b/x", ['{"t":1}'])
    fg.wait_for("the reading", lambda: gateway.ledger()["accepted"] == 1)
    gateway.wait_drained()
    fg.equal(fg.records(texts(up)), [("b/x", "t", 1)], "records")
    gateway.stop()


def test_framing_by_profile():
    """A line has its framer from its profile: it opens anew when that is another one, and only
    then."""
    line, up = fg.Line().plug_in(), fg.Script()
    profile = {"format": "value", "framer": "delimiter", "framer_options": {"delimiter": ";"}}
    gateway = fg.Gateway({"drivers": {"meter": {"type": "serial", "port": line.path,
                                                "profile": "p"}},
                          "profiles": {"p": profile},
                          "bridges": {"up": mqtt(up, batch={"linger": "10ms"})}}).start()
    accepted = 0

    def reload(said, change, data, count):
        nonlocal accepted
        profile.update(change)
        gateway.config["profiles"]["p"] = copy.deepcopy(profile)
        fg.check(said in gateway.reload().err, f"{change}: {said}")
        fg.wait_for("the line", lambda: gateway.status()["drivers"]["meter"]["state"] == "up")
        line.say(data)
        accepted += count
        fg.wait_for(f"what came by {change}", lambda: gateway.ledger()["accepted"] == accepted)

    reload("2 as before, 0 changed", {}, "1;2;", 2)
    reload("1 as before, 1 changed", {"framer_options": {"delimiter": "|"}}, "3|4|", 2)
    reload("2 as before, 0 changed", {"points": {"*": {}}}, "5|", 1)
    reload("1 as before, 1 changed", {"checksum": "sum8"}, "6\x36|", 1)
    reload("1 as before, 1 changed", {"framer": "line", "checksum": "none",
                                      "framer_options": {}}, "7\n", 1)
    gateway.wait_drained()
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    fg.equal([value for _, _, value in fg.records(texts(up))], [1, 2, 3, 4, 5, 6, 7], "values")


def test_new_secret():
    """A new secret behind an old name is a change: its instance connects anew, the others stay."""
    os.mkdir("secrets", 0o700)

    def secret(text):
        with open("secrets/cloud", "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)

    secret("first")
    field, up = fg.Script(), fg.Script()
    gateway = fg.Gateway({"drivers": {"field": mqtt(field, subscribe=["d/+"])},
                          "bridges": {"up": mqtt(up, username="u", password={"secret": "cloud"},
                                                 batch={"linger": "10ms"})}},
                         env={"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")}).start()
    field.give("d/a", '{"t":1}')
    fg.wait_for("the first", lambda: len(up.packs()) == 1)
    fg.check("2 as before" in gateway.reload().err, "nothing changed")
    secret("second")
    said = gateway.reload().err
    fg.check("1 as before, 1 changed" in said, said)
    fg.wait_for("a new connection", lambda: len(up.connects) == 2)
    field.give("d/a", '{"t":2}')
    gateway.wait_drained()
    fg.equal(len(field.connects), 1, "connections of the field")
    fg.equal(fg.records(texts(up)), [("d/a", "t", 1), ("d/a", "t", 2)], "records")
    gateway.stop()


def retained_taken(version):
    """What a broker has kept comes when `retained` becomes `take`, and once."""
    broker, local = fg.Broker("field-" + version), os.path.abspath(version)
    device = fg.Mqtt(broker.port, "device")
    device.wait_acked(device.send("d/old", '{"seq":0}', retain=True))
    gateway = fg.Gateway({
        "drivers": {"field": mqtt(broker, subscribe=["d/+"], version=version)},
        "bridges": {"local": {"type": "file", "path": local}}}, "gateway-" + version).start()
    broker.wait_subscribed("gw-field")

    def then(**options):
        said = broker.log().count("Sending CONNACK to gw-field")
        gateway.config["drivers"]["field"].update(options)
        gateway.reload()
        fg.wait_for("the changed driver", lambda: broker.log().count(
            "Sending CONNACK to gw-field") > said)

    def has(count):
        device.publish("d/new", [f'{{"seq":{count}}}'])
        fg.wait_for(f"{count} records", lambda: gateway.ledger()["accepted"] >= count)
        fg.equal(gateway.ledger()["accepted"], count, "accepted")
    has(1)
    then(retained="take")
    fg.wait_for("the old one", lambda: gateway.ledger()["accepted"] == 2)
    has(3)
    then(keepalive="30s")
    has(4)
    then(subscribe=["d/+", "e/+"])
    has(5)
    ledger = gateway.wait_drained("local")
    gateway.stop()
    fg.audit(fg.file_lines(local), fg.until(ledger))
    fg.equal(fg.series(fg.file_lines(local)), {"d/new": [1, 3, 4, 5], "d/old": [0]}, "records")


def test_retained_taken_5():
    retained_taken("5")


def test_retained_taken_3():
    retained_taken("3.1.1")


fg.main(globals())
