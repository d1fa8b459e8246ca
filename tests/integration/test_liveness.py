#!/usr/bin/python3
"""Devices that fall silent: late, offline and online again are records of the gateway's own, in the
account and in the proof like any other."""
import json
import os

import fg

fg.need("mosquitto")


def states(lines):
    """{device: [states]} that the gateway told, in order."""
    found, base = {}, None
    for line in lines:
        for record in json.loads(line):
            base = record.get("bn", base)
            if base == "gw/fieldgate/" and record["n"].startswith("devices/"):
                device = record["n"][len("devices/"):-len("/state")]
                found.setdefault(device, []).append(record["vs"])
    return found


def devices(gateway):
    return json.loads(fg.fieldgate("status", "--devices", "--json", "-c", gateway.conf).out)


def test_silence():
    broker = fg.Broker("field")
    gateway = fg.Gateway({
        "drivers": {
            "field": {"type": "mqtt", "url": broker.url, "subscribe": ["s/+", "free/+"]},
            "quick": {"type": "mqtt", "url": broker.url, "subscribe": ["q/+"],
                      "interval": "300ms"}},
        "profiles": {"sensor": {"match": "s/{device}", "format": "json", "interval": "400ms"},
                     "quick": {"match": "q/{device}", "format": "json"}},
        "bridges": {
            "local": {"type": "file", "path": os.path.abspath("all.jsonl"),
                      "batch": {"linger": "10ms"}},
            "states": {"type": "file", "path": os.path.abspath("states.jsonl"),
                       "match": ["fieldgate/#"], "batch": {"linger": "10ms"}}}}).start()
    broker.wait_subscribed("gw-field")
    broker.wait_subscribed("gw-quick")
    source = fg.Mqtt(broker.port, "source")
    source.publish("s/kitchen", ['{"t":1}'])
    source.publish("s/attic", ['{"t":1}'])
    source.publish("q/door", ['{"t":1}'])
    source.publish("free/x", ["1"] * 20)
    fg.wait_for("all offline", lambda: gateway.status()["states"]["offline"] == 3)
    fg.equal(gateway.status()["states"], {"online": 1, "late": 0, "offline": 3}, "the states")
    fg.equal(gateway.status()["devices"], 4, "devices")
    known = devices(gateway)
    fg.equal({d: (i["state"], i["interval_s"], i["interval"]) for d, i in known.items()},
             {"kitchen": ("offline", 0.4, "declared"), "attic": ("offline", 0.4, "declared"),
              "door": ("offline", 0.3, "declared"), "free/x": ("online", None, None)},
             "the devices")
    fg.check(all(0 <= i["silent_s"] < 60 and i["heard"] > 1.6e9 for i in known.values()), known)
    table = fg.fieldgate("status", "--devices", "-c", gateway.conf).out
    fg.check("kitchen" in table and "offline" in table, table)
    fg.check("3 offline" in fg.fieldgate("status", "-c", gateway.conf).out, "no count for people")

    # one comes back, with a payload that holds no value
    source.publish("s/kitchen", ["null"])
    fg.wait_for("online", lambda: devices(gateway)["kitchen"]["state"] != "offline")
    # off: nothing more is said
    gateway.config["liveness"] = {"enabled": False}
    gateway.reload()
    source.publish("s/attic", ['{"t":2}'])
    fg.wait_for("the last", lambda: fg.series(fg.file_lines("all.jsonl"), "t")["attic"] == [1, 2])
    ledger = gateway.wait_drained()
    told = states(fg.file_lines("all.jsonl"))
    # a slow look may find one offline that it never saw late
    changes = {d: [s for s in told[d] if s != "late"] for d in told}
    fg.equal({d: s[:2] for d, s in changes.items()},
             {"kitchen": ["offline", "online"], "attic": ["offline"], "door": ["offline"]},
             "told")
    fg.equal(states(fg.file_lines("states.jsonl")), told, "told to who wants only that")
    extra = sum(len(s) for s in told.values())
    fg.equal(ledger["accepted"], 3 + 20 + 1 + extra, "accepted")
    fg.audit(fg.file_lines("all.jsonl"), fg.until(ledger))
    fg.audit(fg.file_lines("states.jsonl"))    # behind its last record it has nothing to cover
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    fg.fieldgate("spool", "--verify", gateway.spool)


def test_storm_and_no_room():
    """Many at once, while the spool refuses; what could not be said is said when there is room."""
    count = 1500
    broker, script = fg.Broker("field"), fg.Script(answer=lambda message: None)
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": broker.url, "subscribe": ["s/+"],
                              "interval": "1s"}},
        "spool": {"limit": "256KiB", "segment": "16KiB", "when_full": "refuse"},
        "bridges": {"up": {"type": "mqtt", "url": script.url, "batch": {"linger": "10ms"}}},
        "limits": {"devices": 2000}}).start()
    broker.wait_subscribed("gw-field")
    source = fg.Mqtt(broker.port, "source")
    for n in range(count):
        source.send(f"s/{n}", "1")
    fg.wait_for("the devices", lambda: gateway.status()["devices"] >= count / 3)
    fg.wait_for("silence", lambda: gateway.status()["states"]["offline"] >= count / 3)
    fg.check_ledger(gateway.ledger())
    script.answer = lambda message: 0
    script.drop_clients()
    fg.wait_for("all", lambda: gateway.status()["devices"] == count)

    def all_told():
        """Whoever was never heard late has never been told of; else the last word is offline."""
        told = states(m["payload"] for m in script.packs())
        return (len(told) == count and all(s[-1] == "offline" for s in told.values()))
    fg.wait_for("all to be told", all_told)
    fg.equal(gateway.status()["states"], {"online": 0, "late": 0, "offline": count}, "states")
    ledger = gateway.wait_drained()
    answer = fg.audit([m["payload"].decode() for m in script.packs()], fg.until(ledger))
    fg.equal(fg.total(answer), ledger["accepted"], "records that arrived")
    fg.equal(ledger["received"], ledger["accepted"], "received")
    gateway.stop()


fg.main(globals())
