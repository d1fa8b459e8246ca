#!/usr/bin/python3
"""Every subcommand: exit status (0 done, 1 no, 2 wrong usage, 3 not possible), what goes to stdout
and what to stderr; and the rules by which `normalise` makes records of payloads."""
import json
import os
import re

import fg

COMMANDS = ("run", "reload", "check", "schema", "normalise", "ledger", "audit", "spool", "dead",
            "status", "tail", "simulate")


SENML = ("--content-format", "110")
ROOM = {"driver": "coap", "address": "room"}


def normalise(payload, *args, driver="mqtt", address="d", want=0):
    done = fg.fieldgate("normalise", "-d", driver, "-a", address, *args, text=payload,
                        want=(want,))
    if want:
        fg.check(not done.out and done.err.strip(), f"{payload}: {done.out}{done.err}")
        return done.err
    lines = done.out.splitlines()
    fg.check(len(lines) == 1, f"not one line: {done.out}")
    return json.loads(lines[0])


def points(payload, *args, **more):
    return [(n, v) for _, n, v in fg.records([normalise(payload, *args, **more)])]


def test_usage():
    done = fg.fieldgate(want=(2,))
    fg.check(done.err and not done.out, "usage goes to stderr")
    fg.check("did you mean" in fg.fieldgate("leger", want=(2,)).err, "no suggestion")
    version = fg.fieldgate("--version").out
    fg.check(re.fullmatch(r"fieldgate \d+\.\d+\S*\n", version), version)
    for command in COMMANDS:
        fg.check(command in fg.fieldgate("--help").out, f"--help does not name {command}")
        done = fg.fieldgate(command, "--help")
        fg.check(done.out and not done.err, f"{command} --help")
        fg.equal(fg.fieldgate(command, "--version").out, version, f"{command} --version")
        done = fg.fieldgate(command, "--no-such-flag", want=(2,))
        fg.check(done.err and not done.out, f"{command}: usage goes to stderr")
    for command in ("run", "check", "reload", "ledger", "status", "tail", "dead"):
        fg.check("nowhere.json" in fg.fieldgate(command, "-c", "nowhere.json", want=(3,)).err,
                 f"{command}: which file")
    fg.fieldgate("normalise", "-d", "none", "-a", "x", text="1", want=(2, 3))
    fg.fieldgate("spool", want=(2,))
    fg.fieldgate("spool", "nowhere", want=(3,))
    fg.fieldgate("ledger", "--spool", "nowhere", want=(3,))
    fg.fieldgate("audit", "--until", "x", text="", want=(2,))


def test_schema():
    done = fg.fieldgate("schema")
    schema = json.loads(done.out)
    fg.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "$schema")
    fg.check({"gateway", "run", "spool", "clock", "limits", "drivers", "profiles", "bridges"}
             <= set(schema["properties"]), f"{list(schema['properties'])}")

    def pointers(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from pointers(child)
        elif isinstance(node, list):
            for child in node:
                yield from pointers(child)
    for ref in set(pointers(schema)):
        at = schema
        for step in ref.removeprefix("#/").split("/"):
            fg.check(step in at, f"{ref} leads nowhere")
            at = at[step]


def test_second_run():
    gateway = fg.Gateway({"drivers": {}, "bridges": {}}).start()
    done = fg.fieldgate("run", "-c", gateway.conf, want=(3,))
    fg.check("in use" in done.err and gateway.spool in done.err, done.err)
    fg.equal(gateway.status()["state"], "online", "the first one")
    gateway.stop()
    gateway.config["drivers"] = {"x": {"type": "serial", "port": "/dev/x", "baud": 115201}}
    gateway.write()
    for command in ("run", "check"):
        done = fg.fieldgate(command, "-c", gateway.conf, want=(1,))
        fg.check(re.search(r"^/drivers/x/baud: 115201 ", done.err + done.out, re.M), done.err)


def test_plain_payloads():
    for payload, wanted in (
            ("21.5", 21.5), ("true", True), ("false", False), ("-7", -7), ("on", "on"),
            ("Größe", "Größe"), ("x" * 256, "x" * 256), ('"21.5"', "21.5"),
            ("9223372036854775807", 9223372036854775807), ("1e400", "1e400")):
        fg.equal(points(payload)[0][0], "value", payload)
        if payload != "1e400":
            fg.equal(points(payload), [("value", wanted)], payload)
    for payload in ("x" * 257, b"\xff\xfe", b"a\x00b", '{"a":1', "[1", '"x'):
        normalise(payload, want=1)
    for payload in ("{}", "[]", '{"a":null}', '{"a":{}}'):
        fg.equal(normalise(payload), [], payload)


def test_json_leaves():
    fg.equal(points('{"a":{"b":[1,{"c":true}],"d":null},"e":"21.5"}'),
             [("a/b/0", 1), ("a/b/1/c", True), ("e", "21.5")], "leaves")
    names = [n for n, _ in points('{"a b":1,"a/b":2,"\\u00e4":3,"a_x20_b":4}')]
    fg.equal(names[:3], ["a_x20_b", "a_x2F_b", "_xC3__xA4_"], "names")
    fg.equal(len(set(names)), 4, "names collide")
    fg.check(all(re.fullmatch(r"[A-Za-z0-9:./_-]+", n) for n in names), f"{names}")
    out = fg.fieldgate("normalise", "-d", "mqtt", "-a", "a/b", text=
                       '{"i":9007199254740993,"u":18446744073709551615,"d":0.1,"e":1.0e2}').out
    fg.check('"v":9007199254740993' in out and '"v":18446744073709551615' in out
             and '"v":0.1,' in out and '"v":100' in out, out)
    fg.check('"bn":"gw/a/b/"' in out, out)


def test_senml():
    got = normalise('[{"n":"t","u":"Cel","v":21.5},{"n":"door","vb":true}]', *SENML, **ROOM)
    fg.equal([(r["n"], r.get("u")) for r in got], [("t", "Cel"), ("door", None)], "SenML")
    normalise('[{"n":"a","v":1},{"v":', *SENML, want=1, **ROOM)
    normalise('[{"n":"a","v":1},{"n":"b","v":"x"}]', *SENML, want=1, **ROOM)
    cbor = bytes.fromhex("a16161fb4035800000000000")    # {"a": 21.5}
    fg.equal(points(cbor, "--content-format", "60", **ROOM),
             [("a", 21.5)], "CBOR")
    normalise(cbor[:-1], "--content-format", "60", want=1, **ROOM)
    normalise("1", "--content-format", "9999", want=1, **ROOM)
    fg.equal(points("21.5", "--content-format", "0", driver="coap", address="room/t")[0][1], 21.5,
             "a plain value")


def test_frames():
    def frames(data, *args, want=0):
        done = fg.fieldgate("normalise", "-d", "serial", "-a", "", "--frames", *args, text=data,
                            want=(want,))
        return [fg.records([line]) for line in done.out.splitlines()]
    fg.equal(frames(b'{"a":1}\r\n{"a":\n{"a":2}\n'),
             [[("serial", "a", 1)], [("serial", "a", 2)]], "frames")
    fg.equal(frames(b'{"a":\n', "-p", "json", want=1), [], "not one good frame")
    fg.equal(frames(b'{"a":\n', want=1), [], "a line proves nothing")
    fg.equal(frames(b"", want=1), [], "nothing")
    with open("slip.json", "w", encoding="utf-8") as file:
        json.dump({"drivers": {"serial": {"type": "serial", "port": "/dev/null", "framer": "slip"}},
                   "bridges": {}}, file)
    fg.equal(frames(b"\xc0\x01\x02\xc0", "-c", "slip.json"), [], "a frame that nothing reads")


def test_with_configuration():
    with open("conf.json", "w", encoding="utf-8") as file:
        json.dump({
            "gateway": {"id": "plant-7"},
            "drivers": {"field": {"type": "mqtt", "url": "mqtt://127.0.0.1", "subscribe": ["#"]},
                        "meter": {"type": "serial", "port": "/dev/null", "profile": "kv"}},
            "profiles": {
                "z": {"match": "z/{device}", "format": "json", "points": {
                    "temperature": {"from": "/t", "unit": "Cel", "scale": 0.1, "offset": 1},
                    "state": {"from": "/s", "map": {"ON": True, "OFF": False}},
                    "n": {"from": "/n", "type": "number"}},
                    "time": {"from": "/ts", "as": "unix-ms"}},
                "deep": {"match": "deep/{device...}/x", "format": "value", "points": {"*": {}}}},
            "bridges": {}}, file)
    text = '{"t":200,"s":"ON","n":"4.5","other":1,"ts":1700000000250}'
    got = normalise(text, "-c", "conf.json", driver="field", address="z/one")
    fg.equal(got[0]["bn"], "plant-7/one/", "bn")
    fg.equal(got[0]["bt"], 1700000000.25, "time")
    fg.equal({r["n"]: (r.get("u"), r.get("v", r.get("vb"))) for r in got},
             {"temperature": ("Cel", 21), "state": (None, True), "n": (None, 4.5)}, "points")
    got = normalise("5", "-c", "conf.json", driver="field", address="deep/a/b/x")
    fg.equal(got[0]["bn"], "plant-7/a/b/", "levels")
    got = normalise("a=1,b=x", "-c", "conf.json", driver="meter", address="")
    fg.equal(got[0]["bn"], "plant-7/meter/", "a line's device")
    got = normalise("7", "-c", "conf.json", "-p", "value", driver="field", address="z/one")
    fg.equal(got[0]["v"], 7, "a profile by name")
    normalise("[", "-c", "conf.json", driver="field", address="z/one", want=1)
    for topic in ("fieldgate/plant-7/records", "fieldgate/plant-7/command/one/t"):
        fg.check("the gateway's own" in normalise("5", "-c", "conf.json", driver="field",
                                                  address=topic, want=1), topic)
    for topic in ("fieldgate/plant-7", "fieldgate/plant-77/records", "fieldgate/other/records"):
        normalise("5", "-c", "conf.json", driver="field", address=topic)


def test_check():
    port = fg.free_port()
    config = {"drivers": {"a": {"type": "coap", "listen": "coap://0.0.0.0:5683"},
                          "b": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}",
                                "subscribe": ["#"]}},
              "bridges": {"c": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}"}}}

    def checked(want):
        with open("conf.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        return fg.fieldgate("check", "-c", "conf.json", want=(want,))
    fg.check("/drivers/a/listen" in checked(1).err, "open CoAP port without \"open\"")
    config["drivers"]["a"]["open"] = True
    fg.check(checked(0).err.strip(), "an open port and one broker for both are no doubts")
    config["drivers"]["a"]["lisen"] = "x"
    config["spool"] = {"commit": "5", "limit": 5}
    err = checked(1).err
    for pointer in ("/drivers/a/lisen", "/spool/commit", "/spool/limit"):
        fg.check(re.search(rf"^{pointer}: ", err, re.M), f"no {pointer} in {err}")
    fg.check("listen" in err.split("/drivers/a/lisen", 1)[1].split("\n", 1)[0], "no suggestion")


def test_tail_and_status():
    port = fg.free_port(2)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {"local": {"type": "file", "path": os.path.abspath("r.jsonl"),
                              "batch": {"linger": "10ms"}}}}).start()
    thing = fg.Coap(port)
    tail = fg.subprocess.Popen([fg.FIELDGATE, "tail", "-n", "2", "-c", gateway.conf],
                               stdout=fg.subprocess.PIPE, stderr=fg.subprocess.PIPE)
    n = 0
    while tail.poll() is None:    # it sees what comes after it has reached the gateway
        fg.equal(thing.post("room", f'{{"seq":{n}}}', 50)[0], "2.04", "a reading")
        n += 1
    out, err = tail.communicate()
    fg.equal(tail.returncode, 0, f"tail: {err}")
    seen = fg.series(out.decode().splitlines())["room"]
    fg.equal(seen, [seen[0], seen[0] + 1], "tail")
    ledger = gateway.wait_drained()
    fg.equal(ledger["accepted"], n, "accepted")
    state = gateway.status()
    fg.equal((state["drivers"]["things"]["payloads"], state["links"]["local"]["state"]),
             (n, "up"), "status")
    fg.check("things" in fg.fieldgate("status", "-c", gateway.conf).out, "status for people")
    gateway.stop()
    done = fg.fieldgate("spool", "--cat", "-c", gateway.conf, gateway.spool)
    fg.equal(fg.series(done.out.splitlines())["room"], list(range(n)), "spool --cat")
    fg.equal(fg.total(fg.audit(done.out.splitlines(), fg.until(ledger))), n, "its audit")
    fg.fieldgate("spool", "--verify", gateway.spool)
    segment = next(f for f in os.listdir(gateway.spool) if f.endswith(".seg"))
    with open(f"{gateway.spool}/{segment}", "r+b") as file:
        data = file.read()
        at = data.rfind(b"seq")
        file.seek(at)
        file.write(b"sEq")
    fg.fieldgate("spool", "--verify", gateway.spool, want=(1,))


fg.main(globals())
