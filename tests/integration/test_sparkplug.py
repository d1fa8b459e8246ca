#!/usr/bin/python3
# run-first
"""The gateway as an edge node of Sparkplug B: each message held against the specification's rules by
a reader of its own (sparkplug_host.py), through births, deaths, outages and kills; every record is
said once in data, and the account adds up."""
import json
import os

import fg
from sparkplug_host import Host, fields, ncmd

fg.need("mosquitto")


def world(bridge=None, broker=None, **more):
    """A field broker, an upstream one with somebody who hears all of it, and the gateway."""
    field = fg.Broker("field")
    cloud = broker or fg.Broker("cloud")
    ear = cloud.collector("spBv1.0/#", "host", clean=True)
    gateway = fg.Gateway(dict({
        "liveness": {"enabled": False},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/#"]}},
        "profiles": {"any": {"match": "d/{device...}", "format": "json", "points": {
            "temperature": {"from": "/temperature", "unit": "Cel"}, "*": {}}}},
        "bridges": {"scada": dict({
            "type": "mqtt", "url": cloud.url, "format": "sparkplug-b",
            "batch": {"records": 20, "linger": "5ms"}}, **(bridge or {}))}}, **more)).start()
    field.wait_subscribed("gw-field")
    return field, cloud, ear, gateway, fg.Mqtt(field.port, "source")


def heard(ear, host, what, condition):
    def look():
        with ear.lock:
            host.read(ear.messages)
        return condition(host)
    fg.wait_for(what, look)
    return host


def test_session():
    _, cloud, ear, gateway, source = world()
    host = Host()
    heard(ear, host, "the birth", lambda h: h.births == 1)
    source.publish("d/hall/th1", ['{"temperature":21,"n":1}', '{"temperature":21.5,"n":2}',
                                  '{"temperature":22,"n":3}'])
    source.publish("d/pump", ['{"on":true,"mode":"eco","count":9223372036854775807}',
                              '{"on":false,"mode":"","count":18446744073709551615,"extra":-5}'])
    wanted = [("hall_x2F_th1", "temperature", 21), ("hall_x2F_th1", "n", 1),
              ("hall_x2F_th1", "temperature", 21.5), ("hall_x2F_th1", "n", 2),
              ("hall_x2F_th1", "temperature", 22), ("hall_x2F_th1", "n", 3),
              ("pump", "on", True), ("pump", "mode", "eco"), ("pump", "count", 2**63 - 1),
              ("pump", "on", False), ("pump", "mode", ""), ("pump", "count", 2**64 - 1),
              ("pump", "extra", -5)]
    heard(ear, host, "all of it", lambda h: len(h.values()) >= len(wanted))
    fg.equal(sorted(host.values(), key=str), sorted(wanted, key=str), "what was said")
    fg.equal(host.units, {("hall_x2F_th1", "temperature"): "Cel"}, "units of the births")
    # a metric that is new, and one that is of another type now: born once more
    source.publish("d/pump", ['{"later":"x","extra":0.5}'])
    heard(ear, host, "more", lambda h: len(h.values()) == len(wanted) + 2)
    fg.equal(host.devices["pump"]["extra"], (10, -5), "what was said last, as a Double now")
    fg.equal(host.kinds.count(("DBIRTH", "pump")), 2, "births of it")
    account = gateway.wait_drained()["bridges"]["scada"]
    fg.equal((account["sent"], account["acknowledged"]), (len(wanted) + 2, 0), "sent")
    gateway.stop()
    heard(ear, host, "the parting", lambda h: h.bdseq is None and len(h.deaths) == 2)
    fg.equal(sorted(q for _, q in host.deaths), [0, 1], "one death said, and the will (MQTT 5)")
    gateway.start()
    heard(ear, host, "the second session", lambda h: h.births == 2)
    source.publish("d/pump", ['{"on":true}'])
    heard(ear, host, "its data", lambda h: h.values()[-1] == ("pump", "on", True))
    fg.check_ledger(gateway.wait_drained())
    del cloud


def test_old_mqtt():
    _, _, ear, gateway, source = world({"version": "3.1.1", "group": "plant 7", "node": "edge-{gateway}"})
    host = Host("plant 7", "edge-gw")
    source.publish("d/a", ['{"n":1}'])
    heard(ear, host, "data", lambda h: h.values() == [("a", "n", 1)])
    gateway.stop()
    heard(ear, host, "its death", lambda h: h.bdseq is None)
    fg.equal(host.deaths, [(host.last_bdseq, 0)], "said in parting, and no will behind it")
    fg.check_ledger(gateway.ledger())


def test_rebirth():
    """More devices than messages may be under way, and more messages than there are numbers."""
    cloud = fg.Broker("cloud")
    # stored: it asks for nothing
    asker = fg.Mqtt(cloud.port, "asker")
    asker.wait_acked(asker.send("spBv1.0/fieldgate/NCMD/gw", ncmd(), retain=True))
    _, _, ear, gateway, source = world(broker=cloud)
    host = Host()
    for n in range(300):
        source.send(f"d/dev{n}", '{"n":%d,"text":"t%d"}' % (n, n), qos=0)
    heard(ear, host, "all devices", lambda h: len(h.values()) == 600)
    fg.equal((host.births, len(host.devices)), (1, 300), "births")
    for nonsense in (b"", b"\xff\xff\xff", b"\x12\x7f\x0a", ncmd("Node Control/Reboot"),
                     ncmd(value=False), ncmd()[:-3], b"\0" * 200):
        asker.publish("spBv1.0/fieldgate/NCMD/gw", [nonsense])
    asker.publish("spBv1.0/fieldgate/NCMD/other", [ncmd()])
    asker.publish("spBv1.0/fieldgate/NCMD/gw", [ncmd()])
    heard(ear, host, "the rebirth", lambda h: h.births == 2 and len(h.devices) == 300)
    at = len(host.kinds) - 1 - host.kinds[::-1].index(("NBIRTH", None))
    fg.equal([k for k, _ in host.kinds[at:at + 301]], ["NBIRTH"] + ["DBIRTH"] * 300,
             "births, and no data among them")
    fg.equal(host.devices["dev7"]["text"], (12, "t7"), "a birth says what was said last")
    source.publish("d/dev7", ['{"n":8}'])
    heard(ear, host, "data again", lambda h: h.values()[-1] == ("dev7", "n", 8))
    fg.equal(len(host.values()), 601, "each record once in data")
    fg.check_ledger(gateway.wait_drained())


def test_rebirths_are_seldom():
    """Many commands make no flood of births; none is forgotten either."""
    _, cloud, ear, gateway, source = world()
    asker = fg.Mqtt(cloud.port, "asker")
    host = Host()
    source.publish("d/a", ['{"n":1}'])
    heard(ear, host, "data", lambda h: h.values() == [("a", "n", 1)])
    for births in (2, 3):
        for _ in range(20):
            asker.publish("spBv1.0/fieldgate/NCMD/gw", [ncmd()])
        heard(ear, host, f"birth {births}", lambda h, births=births: h.births >= births)
    with ear.lock:
        times = [next(value for number, _, value in fields(m["payload"]) if number == 1)
                 for m in ear.messages if "/NBIRTH/" in m["topic"]]
    apart = [b - a for a, b in zip(times[1:], times[2:])]
    # as the gateway's clock has it
    fg.check(apart and min(apart) >= 4900, f"births by command, milliseconds apart: {apart}")
    source.publish("d/a", ['{"n":2}'])
    heard(ear, host, "data again", lambda h: h.values()[-1] == ("a", "n", 2))
    fg.check_ledger(gateway.wait_drained())


def test_device_deaths():
    _, _, ear, gateway, source = world(
        liveness={"enabled": True}, profiles={"any": {
            "match": "d/{device...}", "format": "json", "interval": "300ms", "points": {"*": {}}}})
    host = Host()
    source.publish("d/a/b", ['{"n":1}'])
    heard(ear, host, "the death", lambda h: ("DDEATH", "a_x2F_b") in h.kinds)
    heard(ear, host, "the record of it", lambda h: any(
        d[:3] == ("fieldgate", "devices/a/b/state", "offline") for d in h.data))
    source.publish("d/a/b", ['{"n":2}'])
    heard(ear, host, "its return", lambda h: h.values()[-1:] == [("a_x2F_b", "n", 2)])
    fg.equal(host.kinds.count(("DBIRTH", "a_x2F_b")), 2, "births")
    fg.check_ledger(gateway.wait_drained())


def test_outage_and_history():
    _, cloud, ear, gateway, source = world()
    host = Host()
    source.publish("d/a", ['{"n":1}'])
    heard(ear, host, "the first", lambda h: h.values() == [("a", "n", 1)])
    ear.close()
    cloud.stop()
    source.publish("d/a", ['{"n":%d}' % n for n in range(2, 60)])
    fg.wait_for("the first of them to be old",
                lambda: gateway.account("scada")["oldest_s"] > 11)
    cloud.start()
    ear = cloud.collector("spBv1.0/#", "host", clean=True)
    host.seen, host.bdseq, host.last_bdseq = 0, None, None
    heard(ear, host, "a birth", lambda h: h.births >= 2)
    source.publish("d/a", ['{"n":60}'])
    heard(ear, host, "all", lambda h: h.values()[-1:] == [("a", "n", 60)])
    gateway.wait_drained()
    fg.equal([v for _, _, v in host.values()], list(range(1, 61)), "each once, in order")
    fg.equal([v for _, _, v in host.values(historical=True)], list(range(2, 60)), "history")
    fg.check_ledger(gateway.ledger())


def test_killed():
    """What was written has arrived, since the broker lives: nothing is missing, repeats are few."""
    _, cloud, ear, gateway, source = world()
    host = Host()
    given = 0
    for _ in range(3):
        source.publish("d/a", ['{"n":%d}' % n for n in range(given, given + 200)])
        given += 200
        gateway.kill()
        gateway.start()
    gateway.wait_drained()
    heard(ear, host, "all", lambda h: {v for _, _, v in h.values()} == set(range(given)))
    fg.check(host.births >= 4, f"{host.births} births")
    heard(ear, host, "wills", lambda h: len(h.deaths) >= 3)
    fg.equal({qos for _, qos in host.deaths}, {1}, "will QoS 1")
    fg.check(len(host.values()) - given <= 3 * 16 * 20, "more than a window twice")
    account = fg.check_ledger(gateway.ledger())["bridges"]["scada"]
    fg.equal(account["dropped"], {}, "dropped")
    late = cloud.collector("#", "late", clean=True)
    late.wait_acked(late.send("mark", "x"))
    fg.wait_for("the mark", lambda: late.payloads("mark"))
    fg.equal([m["topic"] for m in late.messages], ["mark"], "nothing is stored, the will neither")


def test_acknowledged():
    """QoS 1 is ours: the broker acknowledges records, and check says what that is."""
    cloud = fg.Broker("cloud", more="allow_anonymous true\nmax_inflight_messages 5\n")
    _, _, ear, gateway, source = world({"qos": 1}, broker=cloud)
    said = fg.fieldgate("check", "-c", gateway.conf)
    fg.check("/bridges/scada/qos" in said.out + said.err, said.out + said.err)
    host = Host(qos=1)
    for n in range(100):
        source.send(f"d/dev{n}", '{"n":%d}' % n, qos=0)
    heard(ear, host, "all", lambda h: len(h.values()) == 100)
    account = gateway.wait_drained()["bridges"]["scada"]
    fg.equal((account["acknowledged"], account["sent"]), (100, 0), "acknowledged")


def test_little_memory():
    """More metrics than may be known: the edge node is born anew, and nothing is lost."""
    _, _, ear, gateway, source = world({"known": "64KiB", "batch": {"records": 1000}})
    host = Host()
    for n in range(1500):
        source.send(f"d/dev{n}", '{"a":%d,"b":"x"}' % n, qos=0)
    heard(ear, host, "all", lambda h: len(h.values()) == 3000)
    fg.check(host.births > 1, "it was never full")
    fg.equal(sorted(v for _, m, v in host.values() if m == "a"), list(range(1500)), "values")
    source.publish("d/large", [json.dumps({f"point{n}": n for n in range(1000)})])
    heard(ear, host, "more than fits at once", lambda h: len(h.values()) == 4000)
    account = fg.check_ledger(gateway.wait_drained())["bridges"]["scada"]
    fg.equal(account["dead"], 0, "dead letters")


def test_primary_host():
    cloud = fg.Broker("cloud")
    boss = fg.Mqtt(cloud.port, "boss")
    boss.publish("spBv1.0/STATE/boss", ["nonsense", '{"online":1}', "[]"])
    _, _, ear, gateway, source = world({"host": "boss"}, broker=cloud)
    host = Host()
    source.publish("d/a", ['{"n":1}'])
    fg.wait_for("the fault", lambda: "primary host is not online" in gateway.said())
    fg.equal(host.read(ear.messages).births, 0, "births without a host")
    boss.send("spBv1.0/STATE/boss", '{"online":true,"timestamp":1700000000000}', retain=True)
    heard(ear, host, "data", lambda h: h.values() == [("a", "n", 1)])
    boss.send("spBv1.0/STATE/boss", '{"online":false,"timestamp":1600000000000}')
    source.publish("d/a", ['{"n":2}'])
    heard(ear, host, "more: the word of an earlier session counts for nothing",
          lambda h: h.values()[-1] == ("a", "n", 2))
    fg.equal(host.births, 1, "births")
    boss.send("spBv1.0/STATE/boss", '{"online":false,"timestamp":1700000000001}', retain=True)
    heard(ear, host, "the end of the session", lambda h: h.bdseq is None)
    source.publish("d/a", ['{"n":3}'])
    fg.equal(gateway.account("scada")["waiting"], 1, "kept for the host")
    boss.send("spBv1.0/STATE/boss", '{"online":true,"timestamp":1700000000002}', retain=True)
    heard(ear, host, "what waited", lambda h: h.values()[-1] == ("a", "n", 3))
    fg.check_ledger(gateway.wait_drained())


def test_filter():
    """Epochs that end with what was not for this bridge: that nothing of it is lost is not said."""
    _, _, ear, gateway, source = world({"match": ["a/#"]})
    host = Host()
    for n in range(3):
        source.publish("d/a", ['{"n":%d}' % n])
        source.publish("d/b", ['{"n":1}'] * 50)
        heard(ear, host, "its record", lambda h, n=n: h.values()[-1:] == [("a", "n", n)])
        gateway.kill()
        gateway.start()
    fg.wait_for("all passed", lambda: gateway.account("scada")["waiting"] == 0)
    heard(ear, host, "what there is", lambda h: h.births >= 4)
    fg.equal([d for d in host.data if d[1] == "lost"], [], "losses")
    fg.check_ledger(gateway.ledger())


def test_round_trip():
    """Our own reader of Sparkplug gives the same records back."""
    _, cloud, _, gateway, source = world()
    back = fg.Gateway({
        "gateway": {"id": "back"}, "liveness": {"enabled": False},
        "drivers": {"cloud": {"type": "mqtt", "url": cloud.url,
                              "subscribe": ["spBv1.0/+/DDATA/#"]}},
        "bridges": {"out": {"type": "file", "path": os.path.abspath("back.jsonl"),
                            "batch": {"linger": "5ms"}}}}, name="back").start()
    cloud.wait_subscribed("back-cloud")
    source.publish("d/a", ['{"temperature":20.25,"on":true,"text":"\u00fc","big":9007199254740993}'])
    fg.wait_for("all back", lambda: len(fg.records(fg.file_lines("back.jsonl"), "back")) == 4)
    fg.equal(sorted(fg.records(fg.file_lines("back.jsonl"), "back")),
             [("fieldgate/gw/a", "big", 9007199254740993), ("fieldgate/gw/a", "on", True),
              ("fieldgate/gw/a", "temperature", 20.25), ("fieldgate/gw/a", "text", "\u00fc")], "records")
    fg.check_ledger(gateway.wait_drained())
    fg.check_ledger(back.wait_drained())


def test_bad_configurations():
    def said(bridge, type_="mqtt"):
        gateway = fg.Gateway({"bridges": {"b": dict({
            "type": type_, "url": "mqtt://127.0.0.1:1", "format": "sparkplug-b"}, **bridge)}})
        done = fg.fieldgate("check", "-c", gateway.conf, want=None)
        return done.returncode, done.out + done.err
    fg.equal(said({})[0], 0, "the least of it")
    for bridge, place in (({"group": "a/b"}, "/bridges/b/group"), ({"node": "+"}, "/bridges/b/node"),
                          ({"topic": "x"}, "/bridges/b/topic"), ({"host": ""}, "/bridges/b/host")):
        status, text = said(bridge)
        fg.check(status != 0 and place in text, f"{bridge}: {status} {text}")
    status, text = said({"url": "http://127.0.0.1/"}, "http")
    fg.check(status != 0 and "only a bridge of type mqtt speaks sparkplug-b" in text, text)
    fg.check(json.loads(fg.fieldgate("schema").out), "schema")


if __name__ == "__main__":
    fg.main(globals())
