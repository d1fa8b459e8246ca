#!/usr/bin/python3
"""What devices, brokers and strangers may send wrong, among what is right: counted by reason, never
forwarded, never a crash, and what is right is unharmed. FG_LIES: how many lies of a
broker for each version of MQTT, instead of 48 and 112."""
import json
import os
import pathlib
import random
import socket

import fg

fg.need("mosquitto")

# collected from other brokers' test suites; beside the tree, and not everywhere
CASES = pathlib.Path(os.environ.get("FG_CASES") or os.environ["SOURCE_DIR"] + "/../shared/cases")

BAD_JSON = [
    b'{', b'{"a":}', b'{"a":1', b'{"a":1}}', b'[1,2', b'"open', b'{"a":01}', b'{"a":1.}',
    b'{"a":+1}', b'{"a":.5}', b"{'a':1}", b'{"a":1,}', b'[1,]', b'{"a":tru}', b'{"a":"\xff\xfe"}',
    b'{"a":"\x01"}', b'{"a":"\\x"}', b'{"a":"\\ud800"}', b'{"a":NaN}',
    b'{"a":1} {"b":2}', b'{"a" 1}', b'{1:2}', b'[' * 5000 + b']' * 5000, b'{"a":' * 40 + b'1' +
    b'}' * 40, b'[\x00]',
]
BAD_BARE = [b'\xff\xfe\xfd', b'\x00\x01\x02\x03', b'x' * 257, b'a\tb\x07']


def test_every_driver():
    field, line, port = fg.Broker("field"), fg.Line().plug_in(), fg.free_port(2)
    local = os.path.abspath("records.jsonl")
    gateway = fg.Gateway({
        "limits": {"payload": "16KiB"},
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]},
            "things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"},
            "meter": {"type": "serial", "port": line.path, "framer": "line", "profile": "json",
                      "framer_options": {"max": "512B"}},
        },
        "profiles": {"octets": {"match": "raw/{device}", "format": "value",
                                "points": {"seq": {"from": ""}}}},
        "bridges": {"local": {"type": "file", "path": local, "batch": {"linger": "10ms"}}},
    }).start()
    field.wait_subscribed("gw-field")
    fg.wait_for("the line", lambda: gateway.status()["drivers"]["meter"]["state"] == "up")
    device, thing, good, malformed = fg.Mqtt(field.port, "device"), fg.Coap(port), 0, 0
    bad = BAD_JSON + BAD_BARE
    line.say(b'{"seq":-1}\n')    # whatever had begun before the port was opened ends here
    for payload in bad:
        mqtt = [f'{{"seq":{good}}}'.encode(), payload]
        device.publish("d/a", mqtt)
        fg.equal(thing.post("t", f'{{"seq":{good}}}', 50)[0], "2.04", "CoAP, good")
        if len(payload) < 1000:
            fg.equal(thing.post("t", payload, 50)[0], "4.00", f"CoAP, {payload}")
            malformed += 1
        malformed += 1
        line.say(f'{{"seq":{good}}}\n')
        if b"\n" not in payload and len(payload) < 500:
            line.say(payload + b"\r\n")
            malformed += 1
        good += 1
    device.publish("d/a", [b'{"a":"' + b"x" * 20000 + b'"}'])
    line.say(b'{"a":"' + b"y" * 2000 + b'"}\n{"seq":%d}\n' % good)
    fg.equal(thing.post("t", "1", 9999)[0], "4.15", "an unknown content format")
    fg.equal(thing.post("t", "1", 42)[0], "4.15", "octets, and no profile that reads them")
    fg.equal(thing.post("raw/o", str(good), 42)[0], "2.04", "octets, and one that does")
    fg.equal(thing.post("t", b"\xa1\x61", 60)[0], "4.00", "CBOR cut short")
    malformed += 1
    fg.wait_for("all of the line", lambda: fg.series(fg.file_lines(local)).get("meter", [0])[-1]
                == good)
    fg.wait_for("all of MQTT", lambda: len(fg.series(fg.file_lines(local)).get("d/a", [])) == good)
    fg.wait_for("the account", lambda: gateway.ledger()["rejected"].get("too-large"))
    ledger = gateway.wait_drained()
    fg.equal(ledger["rejected"], {"malformed": malformed, "too-large": 2, "content-format": 2}, "rejected")
    values = fg.series(fg.file_lines(local))
    fg.equal(values["d/a"], list(range(good)), "what MQTT brought")
    fg.equal(values["t"], list(range(good)), "what CoAP brought")
    fg.equal([v for v in values["meter"] if v >= 0], list(range(good + 1)), "what the line brought")
    fg.equal({n for _, n, _ in fg.records(fg.file_lines(local))}, {"seq"}, "points")
    fg.equal(values["o"], [good], "what came as octets")
    fg.audit(fg.file_lines(local), fg.until(ledger))
    gateway.stop()


def test_empty_and_null():
    """Good payloads that hold no value: no record, nothing rejected."""
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {}}).start()
    thing = fg.Coap(port)
    fg.equal(thing.post("empty", '{"a":""}', 50)[0], "2.04", "an empty string")
    fg.equal(gateway.ledger()["accepted"], 1, "an empty string is a value")
    for payload in ("{}", "[]", '{"a":null}', '{"a":{},"b":[]}', "null"):
        fg.equal(thing.post("t", payload, 50)[0], "2.04", payload)
    ledger = gateway.ledger()
    fg.equal((ledger["accepted"], ledger["rejected"]), (1, {}), "the account")
    fg.check(gateway.status()["nulls"] >= 4, "what is null is not counted")
    fg.equal(thing.post("t", '{"a":null,"b":1}', 50)[0], "2.04", "one of two")
    fg.equal(gateway.ledger()["accepted"], 2, "the rest stands")
    gateway.stop()


def test_device_limit():
    field = fg.Broker("field")
    local = os.path.abspath("records.jsonl")
    gateway = fg.Gateway({
        "limits": {"devices": 10},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"local": {"type": "file", "path": local, "batch": {"linger": "10ms"}}},
    }).start()
    field.wait_subscribed("gw-field")
    client = fg.Mqtt(field.port, "device")
    for n in range(30):
        client.publish(f"d/{n}", ["1"])
    client.publish("d/3", ["2"])
    fg.wait_for("all of it", lambda: gateway.ledger()["accepted"] == 11)
    ledger = gateway.wait_drained()
    fg.equal(ledger["rejected"], {"device-limit": 20}, "rejected")
    fg.equal({d for d, _, _ in fg.records(fg.file_lines(local))}, {f"d/{n}" for n in range(10)},
             "devices")
    fg.audit(fg.file_lines(local), fg.until(ledger))
    gateway.stop()


def test_garbage_datagrams():
    port, rng = fg.free_port(2), random.Random(7)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {"local": {"type": "file", "path": os.path.abspath("records.jsonl"),
                              "batch": {"linger": "10ms"}}}}).start()
    thing = fg.Coap(port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", port))
        for n in range(100):
            for _ in range(20):
                size = rng.choice((0, 1, 3, 4, 5, 9, 60, 1200, 1472, 9000))
                data = bytearray(rng.randbytes(size))
                if rng.random() < 0.7 and size > 4:    # so that it gets past the first check
                    data[0] = 0x40 | rng.choice((0, 0x10)) | rng.randrange(9)
                    data[1] = rng.choice((1, 2, 3, 4))
                if rng.random() < 0.3:    # a good one with a few bytes changed
                    data = bytearray(thing.request("junk", b'{"a":1}', 50))
                    for _ in range(rng.randrange(1, 4)):
                        data[rng.randrange(len(data))] = rng.randrange(256)
                try:
                    stranger.send(data)
                except ConnectionRefusedError:
                    pass
            fg.equal(thing.post("good/seq", str(n), 0)[0], "2.04", "a good one")
    ledger = gateway.wait_drained()
    lines = fg.file_lines("records.jsonl")
    fg.equal(fg.series(lines)["good"], list(range(100)), "the good ones")
    fg.audit(lines, fg.until(ledger))
    gateway.stop()


def lying_broker(lies):
    """To each connection it sends a good CONNACK and the next lie; when there are none left, it is
    an honest broker."""
    left = list(lies)

    def on_connack(sock, client):
        if not left:
            return True
        sock.sendall(left.pop())
        sock.settimeout(0.1)
        try:
            while sock.recv(4096):
                pass
        except (TimeoutError, OSError):
            pass
        return False
    return fg.Script(on_connack=on_connack, forgetful=True)


def lies_collected(version):
    """From real test suites what is no answer of a broker, or none at that moment."""
    if not (CASES / "mqtt-robustness/cases.json").exists():
        return []
    with open(CASES / "mqtt-robustness/cases.json", encoding="utf-8") as file:
        cases = json.load(file)
    cases = cases["cases"] if isinstance(cases, dict) else cases
    return [bytes.fromhex(c["hex"]) for c in cases
            if c["address"]["transport"] == "mqtt-raw" and c.get("hex")
            and c["address"].get("protocol_version") in (version, None)]


def lies_invented(version, count):
    """What a broker says, spoilt: bytes changed, cut off, run together; no two of them the same."""
    dice, v5 = random.Random(f"lies {version}"), version == 5
    said = [fg.packet(head, body) for head, body in (
        (0x20, b"\0\0" + (b"\3\x21\0\x14" if v5 else b"")),
        (0x30, fg.text16("d/lie") + (b"\0" if v5 else b"") + b"1"),
        (0x32, fg.text16("d/lie") + b"\0\1" + (b"\5\x02\0\0\0\x3c" if v5 else b"") + b"2"),
        (0x34, fg.text16("d/lie") + b"\0\2" + (b"\0" if v5 else b"") + b"3"),
        (0x40, b"\0\1" + (b"\x10\0" if v5 else b"")), (0x50, b"\0\1"), (0x62, b"\0\1"),
        (0x70, b"\0\1"), (0x90, b"\0\1" + (b"\0" if v5 else b"") + b"\1"),
        (0xb0, b"\0\1" + (b"\0\0" if v5 else b"")), (0xd0, b""),
        (0xe0, b"\x8b\0" if v5 else b""), (0xf0, b"\x18\0" if v5 else b""))]
    found = set()
    while len(found) < count:
        lie = bytearray(b"".join(dice.choices(said, k=dice.choice((1, 1, 1, 2, 3)))))
        for _ in range(dice.choice((1, 1, 2, 4))):
            lie[dice.choice((0, 1, dice.randrange(len(lie))))] = dice.randrange(256)
        if dice.random() < 0.3:
            del lie[dice.randrange(1, len(lie) + 1):]
        found.add(bytes(lie))
    return sorted(found)


def lies_of(version, count):
    packets = lies_collected(version)
    more = ("30ffffffff01 32020009 40021234 9003000180 20020000 e000 f000 30050003642fff31"
            " 300400020061 32060002642f0000 36070002642f000131 900300010f b00200ff")
    packets += [bytes.fromhex(m) for m in more.split()]
    packets = random.Random(version).sample(packets, min(count, len(packets)))
    return packets + lies_invented(version, count - len(packets))


def test_lying_brokers():
    """Whatever a broker sends behind a good CONNACK, as field or as upstream: no crash, and the
    gateway comes back, each time a little later."""
    each, drivers, bridges, scripts, wants, count = 4, {}, {}, {}, {}, 0
    for version, wanted in ((4, 48), (5, 112)):
        lies = lies_of(version, int(os.environ.get("FG_LIES", wanted)))
        count += len(lies)
        for at in range(0, len(lies), each):
            name = f"v{version}-{at}"
            conf = {"type": "mqtt", "version": "5" if version == 5 else "3.1.1"}
            for side in ("d", "b"):
                scripts[side + name] = lying_broker(lies[at:at + each])
                wants[side + name] = len(lies[at:at + each]) + 1
            drivers["d" + name] = dict(conf, url=scripts["d" + name].url, subscribe=["d/+"])
            bridges["b" + name] = dict(conf, url=scripts["b" + name].url, stall="2s",
                                       batch={"linger": "10ms"})
    gateway = fg.Gateway({
        "run": {"socket": os.path.abspath("gateway.sock"), "log": "error"},
        "drivers": drivers, "bridges": bridges},
        # libmosquitto leaks the properties that it has read when the next one is bad
        env={"LSAN_OPTIONS": "suppressions=" + os.path.abspath("lsan.supp")})
    with open("lsan.supp", "w", encoding="utf-8") as file:
        file.write("leak:libmosquitto\n")
    gateway.start(ready=False)
    fg.wait_for("the gateway to come back after each lie",
                lambda: all(len(s.connects) >= wants[n] for n, s in scripts.items()),
                300 if "FG_LIES" in os.environ else fg.DEADLINE_S)
    for name in drivers:
        fg.wait_for(f"the subscription of {name}", lambda n=name: scripts[n].subscribes)
    before = fg.check_ledger(gateway.ledger())
    given = [(scripts[n], scripts[n].give("d/x", "true")) for n in drivers]
    fg.wait_for("acknowledgements", lambda: all(at in s.kept for s, at in given))
    fg.equal(gateway.ledger()["accepted"] - before["accepted"], len(given), "behind it all")
    gateway.wait_drained()
    for name in bridges:
        had = [r for p in scripts[name].packs() for r in fg.records([p["payload"]])]
        fg.check(had.count(("d/x", "value", True)) >= len(given), f"{name} had {had}")
        fg.equal([d for d, _, _ in had if "_x2B_" in d or "_x23_" in d], [], "of illegal topics")
    gateway.stop()
    return (f"{count} lies, {len(lies_collected(4)) and 'collected and invented' or 'invented'}, each "
            "to a driver and to a bridge")


fg.main(globals())
