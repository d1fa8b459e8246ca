#!/usr/bin/python3
"""Five bridges at once, each with its own format, filter and order: one that is away for long and one
that is slow delay no other; the spool gives back what all have had, and says who holds it."""
import json
import os
import time

import fg
from sparkplug_host import Host
from test_http import Server

fg.need("mosquitto")

READINGS = 3000     # of each of two devices; two values each
TOTAL = READINGS * 2 * 2


def slow_server():
    def answer(_):
        time.sleep(0.01)    # this is what it is to be slow, nothing waits for it
        return 204, {}, b""
    return Server(answer)


def gateway_for(field, cloud, near, server):
    batch = {"records": 50, "linger": "5ms"}
    return fg.Gateway({
        "spool": {"limit": "16MiB", "segment": "32KiB"},
        "liveness": {"enabled": False},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "profiles": {"any": {"match": "d/{device}", "format": "json"}},
        "bridges": {
            "cloud": {"type": "mqtt", "url": cloud.url, "batch": batch, "window": 4},
            "live": {"type": "mqtt", "url": near.url, "batch": batch, "order": "live-first",
                     "match": ["a/#"]},
            "scada": {"type": "mqtt", "url": near.url, "format": "sparkplug-b", "batch": batch,
                      "match": ["+/seq"]},
            "slow": {"type": "http", "url": server.url, "format": "influx-line", "window": 2,
                     "batch": {"records": 20, "linger": "5ms"}},
            "file": {"type": "file", "path": os.path.abspath("all.jsonl"), "format": "json",
                     "batch": batch}}}).start()


def feed(field, first, last):
    clients = {d: fg.Mqtt(field.port, f"source-{d}") for d in "ab"}
    for at in range(first, last, 100):
        for device, client in clients.items():
            client.publish(f"d/{device}", ['{"seq":%d,"other":%d}' % (n, n)
                                           for n in range(at, min(at + 100, last))])
    for client in clients.values():
        client.close()


def spool(gateway):
    return gateway.status()["spool"]


def test_five_bridges():
    field, cloud, near = fg.Broker("field"), fg.Broker("cloud"), fg.Broker("near")
    ears = [cloud.collector()]
    live = near.collector()
    scada = near.collector("spBv1.0/#", "host", clean=True)
    server = slow_server()
    gateway = gateway_for(field, cloud, near, server)
    field.wait_subscribed("gw-field")
    cloud.stop()
    feed(field, 0, READINGS // 2)

    # the others have all of it while one is away, and the slow one is on its way
    half = TOTAL // 2
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == half)
    gateway.wait_drained("live", "scada", "file")
    fg.check_ledger(gateway.ledger())
    gateway.wait_drained("live", "scada", "file", "slow")
    account = gateway.account("cloud")
    fg.equal((account["waiting"], account["acknowledged"]), (half, 0), "of the one that is away")
    held = spool(gateway)
    fg.equal(held["holder"], "cloud", "who holds the spool")
    fg.check(held["oldest"] == 1 and held["segments"] > 3, held)

    # a restart in the middle changes nothing of it
    gateway.kill()
    gateway.start()
    feed(field, READINGS // 2, READINGS)
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == TOTAL)
    gateway.wait_drained("live", "scada", "file", "slow")
    fg.equal(spool(gateway)["holder"], "cloud", "who holds the spool")

    cloud.start()
    ears.append(cloud.collector())
    ledger = gateway.wait_drained()
    fg.equal({name: (b["acknowledged"], b["sent"], b["dead"], b["dropped"])
              for name, b in ledger["bridges"].items()},
             {name: (0, TOTAL, 0, {}) if name == "scada" else (TOTAL, 0, 0, {})
              for name in ledger["bridges"]}, "the accounts")
    fg.equal(spool(gateway)["holder"], None, "who holds the spool")
    fg.wait_for("the spool to be given back", lambda: spool(gateway)["segments"] <= 2)

    # what arrived: the proof where packs carry ranges, else the records themselves
    everything = list(range(READINGS))
    packs = list(dict.fromkeys(p for ear in ears for p in ear.payloads()))
    fg.equal(fg.total(fg.audit(packs, fg.until(ledger))), TOTAL, "records in the cloud")
    # its filter leaves the last numbers out, so its ranges need not reach them
    fg.audit(live.payloads())
    found = fg.series(live.payloads())
    fg.equal(list(found), ["a"], "its filter")
    fg.equal(sorted(set(found["a"])), everything, "the live one")
    lines = [r for line in fg.file_lines("all.jsonl") for r in json.loads(line)]
    fg.equal([r["value"] for r in lines if (r["device"], r["point"]) == ("b", "seq")][:READINGS // 2],
             everything[:READINGS // 2], "the file, in order")
    fg.equal({(r["device"], r["point"], r["value"]) for r in lines},
             {(d, p, n) for d in "ab" for p in ("seq", "other") for n in everything}, "the file")
    written = {line.rsplit(" ", 1)[0] for body in server.bodies() for line in body.splitlines()}
    fg.equal(written, {f"{p},device={d},gateway=gw value={n}" for d in "ab"
                       for p in ("seq", "other") for n in everything}, "the slow one")
    host = Host()
    with scada.lock:
        host.read(scada.messages)
    fg.equal(set(host.values()), {(d, "seq", n) for d in "ab" for n in everything}, "Sparkplug")
    server.close()


def test_who_holds():
    """One that is not required holds nothing; one that was removed still does."""
    field, near = fg.Broker("field"), fg.Broker("near")
    nowhere = f"mqtt://127.0.0.1:{fg.free_port()}"
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"gone": {"type": "mqtt", "url": nowhere, "required": False},
                    "up": {"type": "mqtt", "url": near.url, "batch": {"linger": "5ms"}}}}).start()
    field.wait_subscribed("gw-field")
    feed(field, 0, 50)
    gateway.wait_drained("up")
    fg.equal(spool(gateway)["holder"], None, "one that is not required")
    gateway.config["bridges"]["gone"]["required"] = True
    gateway.reload()
    fg.wait_for("it to hold", lambda: spool(gateway)["holder"] == "gone")
    del gateway.config["bridges"]["gone"]
    gateway.reload()
    fg.wait_for("its removal", lambda: "gone" not in gateway.status()["links"])
    fg.equal(spool(gateway)["holder"], "gone", "one that was removed")
    fg.check_ledger(gateway.ledger())


if __name__ == "__main__":
    fg.main(globals())
