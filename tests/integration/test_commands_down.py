#!/usr/bin/python3
"""Commands on their way down: from the upstream broker and from CoAP peers, to devices behind a
broker, to CoAP devices and to a serial line. Each has exactly one outcome."""
import json
import os
import select
import socket
import struct
import subprocess
import time

import fg

PROFILES = {
    "lamp": {"match": "lamps/{device}", "format": "json", "points": {"*": {}},
             "write": {"power": {"to": "lamps/{device}/set", "payload": "{\"power\":{json}}",
                                 "map": {"true": "ON", "false": "OFF"}}}},
    "pump": {"match": "pumps/{device}", "format": "json", "points": {"*": {}},
             "write": {"speed": {"timeout": "20s", "content_format": 0},
                       "lost": {"timeout": "5s"}}},
    "sleeper": {"match": "sleepers/{device}", "format": "json", "points": {"*": {}},
                "write": {"rate": {"to": "/config/rate", "sleeps": True}}},
    "meter": {"format": "kv", "points": {"*": {}}, "write": {"relay": {"payload": "RELAY={value}"}}},
}


class Device:
    """A CoAP device: reports from one socket, and answers requests on it as told."""

    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.mid, self.asked = 100, []

    def report(self, path, payload):
        self.mid += 1
        data = bytes([0x41, 2]) + struct.pack(">H", self.mid) + b"t"
        for at, part in enumerate(path.split("/")):
            data += bytes([(0 if at else 0xb0) | len(part)]) + part.encode()
        data += b"\xff" + payload
        self.sock.send(data)
        reply = self.until(lambda d: d[2:4] == data[2:4] and d[1] == 0x44)
        fg.check(reply, "2.04")

    def until(self, wanted):
        end = time.monotonic() + fg.DEADLINE_S
        while time.monotonic() < end:
            if select.select([self.sock], [], [], 0.1)[0]:
                data = self.sock.recv(2048)
                if wanted(data):
                    return data
        raise fg.Failed("the device has waited in vain")

    def answer(self, code=0x44):
        """Takes the next PUT and answers it: (path, payload)."""
        data = self.until(lambda d: d[1] == 3)
        at, number, path = 4 + (data[0] & 15), 0, []
        while at < len(data) and data[at] != 0xff:
            number, size = number + (data[at] >> 4), data[at] & 15
            if number == 11:
                path.append(data[at + 1:at + 1 + size].decode())
            at += 1 + size
        self.sock.send(bytes([0x60 | data[0] & 15, code]) + data[2:4 + (data[0] & 15)])
        return "/".join(path), data[at + 1:]


class World:
    def __init__(self, only=None, **coap):
        self.field, self.cloud = fg.Broker("field"), fg.Broker("cloud")
        self.line = fg.Line().plug_in()
        self.coap = fg.free_port(socket.SOCK_DGRAM)
        self.gateway = fg.Gateway({
            "drivers": {
                "field": {"type": "mqtt", "url": self.field.url, "subscribe": ["lamps/+"]},
                "things": dict({"type": "coap", "listen": f"coap://127.0.0.1:{self.coap}"}, **coap),
                "meter": {"type": "serial", "port": self.line.path, "profile": "meter",
                          "framer": "line", "checksum": "none"}},
            "profiles": PROFILES,
            "bridges": {"cloud": {"type": "mqtt", "url": self.cloud.url, "commands": True,
                                  "start": "oldest", "batch": {"linger": "10ms"}}},
        })
        if only:
            drivers = self.gateway.config["drivers"]
            self.gateway.config["drivers"] = {only: drivers[only]}
            self.gateway.write()
        self.records = self.cloud.collector()
        self.outcomes = self.cloud.collector("fieldgate/gw/outcome", "asker")
        self.gateway.start()
        self.cloud.wait_subscribed("gw-cloud")
        self.field.wait_subscribed("gw-field")

    def command(self, path, payload, retain=False):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.outcomes.wait_acked(
            self.outcomes.send(f"fieldgate/gw/command/{path}", text, retain=retain))

    def outcome(self, ident):
        def found():
            return [o for o in map(json.loads, self.outcomes.payloads("fieldgate/gw/outcome"))
                    if o["id"] == ident]
        got = fg.wait_for(f"the outcome of {ident}", found)
        return got[0]["outcome"], got[0].get("why")

    def end(self):
        """Nothing was lost meanwhile, and no command has two outcomes."""
        self.gateway.wait_drained()
        self.gateway.stop()
        ids = [json.loads(o).get("id") for o in self.outcomes.payloads("fieldgate/gw/outcome")]
        fg.equal(len(ids), len(set(ids)), f"one outcome each, in {ids}")
        ledger = fg.check_ledger(self.gateway.ledger())
        answer = fg.audit(self.records.payloads(), fg.until(ledger))
        fg.equal(fg.total(answer), ledger["accepted"], "records that arrived")


def test_mqtt_device():
    fg.need("mosquitto_rr")
    world = World()
    lamp = world.field.collector("lamps/l1/set", "l1")
    world.field.collector("none", "reporter").publish("lamps/l1", ["{\"power\":\"OFF\"}"])
    fg.wait_for("the lamp", lambda: world.gateway.ledger()["accepted"] == 1)
    world.command("l1/power", {"id": "a", "value": True})
    fg.equal(world.outcome("a"), ("done", None), "the lamp is on")
    # "done" is that the broker has it, which may not have passed it on yet
    fg.wait_for("the lamp to be told", lambda: lamp.payloads() == ['{"power":"ON"}'])
    world.command("l1/power", {"id": "a", "value": True})
    world.command("l1/power", {"id": "b", "value": "purple"})
    fg.equal(world.outcome("b")[0], "refused", "not in the map")
    world.command("l1/colour", {"id": "c", "value": 1})
    fg.equal(world.outcome("c")[0], "refused", "not writable")
    world.command("l1/power", {"id": "d", "value": True, "expires": 1})
    fg.equal(world.outcome("d")[0], "expired", "long ago")
    world.command("l1/power", {"id": "e", "value": True}, retain=True)
    fg.equal(world.outcome("e")[0], "refused", "retained")
    world.command("l1/power", {"id": "h"})
    fg.equal(world.outcome("h")[0], "refused", "no value")
    world.command("lamps/hall/power", '{"id":"long","value":"' + "x" * 70000 + '"}')
    fg.wait_for("the outcome of one that is too long", lambda: [
        o for o in map(json.loads, world.outcomes.payloads("fieldgate/gw/outcome"))
        if o["outcome"] == "refused" and "64 KiB" in o.get("why", "")])
    world.command("l1/power", "", retain=True)
    world.command("l1/power", {"id": "f", "value": False})
    fg.equal(world.outcome("f")[0], "done", "the lamp is off")
    fg.wait_for("no more than that",
                lambda: lamp.payloads() == ['{"power":"ON"}', '{"power":"OFF"}'])
    for correlation in ("seven", "eight"):    # the second time it is told what became of it
        done = subprocess.run(
            ["mosquitto_rr", "-V", "5", "-p", str(world.cloud.port), "-q", "1", "-W", "20", "-t",
             "fieldgate/gw/command/l1/power", "-e", "answers/here", "-m", '{"id":"g","value":true}',
             "-D", "publish", "correlation-data", correlation, "-F", "%D %p"],
            capture_output=True, text=True, timeout=60, check=False)
        fg.check(done.stdout.startswith(correlation + " "), f"correlation: {done.stdout} {done.stderr}")
        answer = json.loads(done.stdout[6:])
        fg.equal((answer["id"], answer["outcome"]), ("g", "done"), "on the response topic")
    fg.wait_for("what it was told last", lambda: len(lamp.payloads()) >= 3)
    fg.equal(len(lamp.payloads()), 3, "it was carried out once")
    world.end()


def test_mqtt_stored_and_waiting():
    """What the broker had stored is refused; what came while the gateway was away is carried out;
    what nobody takes is unreachable; the gateway's own topics are not commands' business."""
    world = World(only="field")
    world.field.collector("none", "reporter").publish("lamps/l1", ["{\"power\":\"OFF\"}"])
    fg.wait_for("the lamp", lambda: world.gateway.ledger()["accepted"] == 1)
    world.command("l1/power", {"id": "nobody", "value": True})
    fg.equal(world.outcome("nobody")[0], "unreachable", "nobody has subscribed")
    world.gateway.stop()
    lamp = world.field.collector("lamps/l1/set", "l1")
    world.command("l1/power", {"id": "stored", "value": True}, retain=True)
    world.command("l1/power", {"id": "waited", "value": True})
    world.gateway.start()
    fg.equal(world.outcome("waited")[0], "done", "the session was kept")
    fg.equal(world.outcome("stored")[0], "refused", "a stored command")
    fg.wait_for("the lamp to be told", lamp.payloads)
    fg.equal(len(lamp.payloads()), 1, "what the lamp was told")
    world.command("l1/power", "", retain=True)
    world.end()


def test_mqtt_broker_was_left():
    """A full spool that refuses has the driver leave its broker: a command that comes meanwhile is
    sent when it is back."""
    field, cloud = fg.Broker("field"), fg.Broker("cloud")
    records = cloud.collector()
    cloud.stop()
    gateway = fg.Gateway({
        "spool": {"limit": "64KiB", "segment": "16KiB", "when_full": "refuse"},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["lamps/+"]}},
        "profiles": {"lamp": PROFILES["lamp"]},
        "bridges": {"cloud": {"type": "mqtt", "url": cloud.url, "start": "oldest"}}}).start()
    lamp = field.collector("lamps/l1/set", "l1")
    reporter = field.collector("none", "reporter")
    reporter.publish("lamps/l1", ["{\"power\":\"OFF\"}"])
    count = 1

    def left():
        nonlocal count    # a few at a time: what the broker keeps shall find room at once
        reporter.publish("lamps/fill", ['{"t":"' + "x" * 1000 + '"}'] * 5)
        count += 5
        return gateway.status()["drivers"]["field"]["state"] == "away"
    fg.wait_for("the driver to leave", left)
    with subprocess.Popen([fg.FIELDGATE, "send", "-c", gateway.conf, "l1", "power", "true",
                           "--expires", "60s"]) as asker:
        fg.wait_for("the command", lambda: gateway.status()["commands"]["waiting"] == 1)
        cloud.start()
        old, records = records, cloud.collector()
        fg.equal(asker.wait(fg.DEADLINE_S), 0, "it is done")
    fg.wait_for("the lamp to be told", lamp.payloads)
    fg.equal(lamp.payloads(), ['{"power":"ON"}'], "what the lamp was told")
    fg.wait_for("all records", lambda: gateway.ledger()["accepted"] == count)
    fg.equal(gateway.status()["drivers"]["field"]["state"], "up", "the driver")
    gateway.wait_drained()
    gateway.stop()
    ledger = fg.check_ledger(gateway.ledger())
    answer = fg.audit(old.payloads() + records.payloads(), fg.until(ledger))
    fg.equal(fg.total(answer), count, "records that arrived")


def test_coap_device():
    world = World(commands=True)
    pump = Device(world.coap)
    pump.report("pumps/pump1", b'{"speed":3}')
    world.command("pump1/speed", {"id": "a", "value": 7})
    fg.equal(pump.answer(), ("speed", b"7"), "what the pump was told")
    fg.equal(world.outcome("a"), ("done", None), "2.04")
    world.command("pump1/speed", {"id": "b", "value": 8})
    pump.answer(code=0x85)
    outcome, why = world.outcome("b")
    fg.equal((outcome, why[:4]), ("failed", "4.05"), "4.05")
    world.command("pump1/lost", {"id": "c", "value": 8})
    fg.equal(world.outcome("c")[0], "unreachable", "no answer")
    while select.select([pump.sock], [], [], 0)[0]:
        pump.sock.recv(2048)
    # the peer that asks over CoAP
    asker = fg.Coap(world.coap)
    asker.sock.send(asker.request("fieldgate/command/pump1/speed", b"9"))
    fg.equal(pump.answer(), ("speed", b"9"), "asked for by CoAP")
    asker.sock.settimeout(fg.DEADLINE_S)
    codes = []
    while not codes or codes[-1] == 0:
        codes.append(asker.sock.recv(2048)[1])
    fg.equal(codes[-1], 0x44, "the response, maybe behind an empty acknowledgement")
    fg.equal(asker.post("fieldgate/command/pump1/nothing", "9")[0], "4.03", "not writable")
    fg.equal(asker.post("fieldgate/command/pump1/speed", '{"id":"a","value":7}')[0], "2.04",
             "what became of an id that came before")
    fg.check(not select.select([pump.sock], [], [], 0)[0], "it is not carried out again")
    world.end()


def test_sleeping_device():
    world = World()
    sleeper = Device(world.coap)
    sleeper.report("sleepers/sleeper", b'{"rate":1}')
    world.command("sleeper/rate", {"id": "a", "value": 60})
    world.command("sleeper/rate", {"id": "late", "value": 61, "expires": "1s"})
    fg.equal(world.outcome("late")[0], "expired", "it slept longer")
    fg.check(not select.select([sleeper.sock], [], [], 0)[0], "a sleeping device is left alone")
    sleeper = Device(world.coap)
    sleeper.report("sleepers/sleeper", b'{"rate":2}')
    fg.equal(sleeper.answer(), ("config/rate", b"60"), "where it was heard last")
    fg.equal(world.outcome("a")[0], "done", "when it woke up")
    world.end()


def test_serial_device():
    world = World()
    # its profile matches no address: no CoAP or MQTT device could have it
    world.command("meter/relay", {"id": "unheard", "value": 2})
    fg.equal(world.outcome("unheard")[0], "done", "a line is one device, heard or not")
    fg.check(select.select([world.line.master], [], [], fg.DEADLINE_S)[0], "the line is silent")
    fg.equal(os.read(world.line.master, 100), b"RELAY=2\n", "the frame")
    world.line.say("volts=230\n")
    fg.wait_for("the meter", lambda: world.gateway.ledger()["accepted"] == 1)
    world.command("meter/relay", {"id": "a", "value": 1})
    fg.equal(world.outcome("a")[0], "done", "all bytes are out")
    fg.check(select.select([world.line.master], [], [], fg.DEADLINE_S)[0], "the line is silent")
    fg.equal(os.read(world.line.master, 100), b"RELAY=1\n", "the frame")
    world.end()


def test_outcomes_wait_for_the_upstream():
    world = World()
    lamp = world.field.collector("lamps/l1/set", "l1")
    pump = Device(world.coap)
    pump.report("pumps/pump1", b'{"speed":3}')
    fg.wait_for("the pump", lambda: world.gateway.ledger()["accepted"] == 1)
    world.command("pump1/speed", {"id": "a", "value": 7})
    data = pump.until(lambda d: d[1] == 3)
    world.cloud.stop()
    fg.wait_for("the bridge to notice", lambda: "name=cloud msg=\"fault\"" in world.gateway.said())
    pump.sock.send(bytes([0x60 | data[0] & 15, 0x44]) + data[2:4 + (data[0] & 15)])
    fg.wait_for("the outcome", lambda: "outcome=done" in world.gateway.said())
    world.cloud.start()
    world.outcomes = world.cloud.collector("fieldgate/gw/outcome", "asker")
    world.records.close()
    old = world.records.payloads()
    world.records = world.cloud.collector()
    fg.equal(world.outcome("a")[0], "done", "told when the upstream was back")
    world.records.messages[:0] = [{"topic": "fieldgate/gw/records", "payload": p.encode()}
                                  for p in old]
    fg.equal(lamp.payloads(), [], "nobody else was told anything")
    world.end()


if __name__ == "__main__":
    fg.main(globals())
