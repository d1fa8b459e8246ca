#!/usr/bin/python3
"""fieldgate health: a gateway before and after a restart, with what may break in between."""
import json
import os

import fg

fg.need("mosquitto")


def health(gateway, *args, want=(0,)):
    return json.loads(fg.fieldgate("health", "--json", "-c", gateway.conf, *args, want=want).out)


def bad(answer):
    """The names of the checks that say no."""
    fg.equal(answer["healthy"], all(c["ok"] for c in answer["checks"].values()), "healthy")
    return {name for name, check in answer["checks"].items() if not check["ok"]}


def start():
    field, upstream = fg.Broker("field"), fg.Broker("upstream")
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["s/+", "q/+"],
                              "interval": "1h"}},
        "profiles": {"quick": {"match": "q/{device}", "format": "json", "interval": "500ms"},
                     "slow": {"match": "s/{device}", "format": "json"}},
        "bridges": {"cloud": {"type": "mqtt", "url": upstream.url, "batch": {"linger": "10ms"}}}})
    gateway.start()
    field.wait_subscribed("gw-field")
    return field, upstream, gateway


def test_before_and_after():
    field, upstream, gateway = start()
    collector = upstream.collector()
    source = fg.Mqtt(field.port, "source")
    source.publish("q/quick", ['{"t":1}'])
    source.publish("s/slow", ['{"t":1}'])
    fg.equal(bad(health(gateway, "--deadline", "30s")), set(), "in order")
    fg.wait_for("a snapshot with the quick one in it", lambda: (
        source.publish("q/quick", ['{"t":2}']),
        fg.fieldgate("health", "--save", "before", "-c", gateway.conf),
        "quick" in json.loads(fg.read("before"))["devices"])[-1])
    fg.equal(json.loads(fg.read("before"))["devices"], {"quick": 0.5, "slow": 3600}, "online")
    gateway.wait_drained()

    gateway.stop()
    fg.equal(health(gateway, "--since", "before", want=(1,)), {
        "healthy": False, "checks": {"gateway": {"ok": False, "text": "no gateway answers"}}},
             "without a gateway")
    gateway.start()
    field.wait_subscribed("gw-field")
    fg.equal(bad(health(gateway, "--since", "before", "--deadline", "2s", want=(1,))), {"devices"},
             "nothing heard")
    # the slow one is not waited for, the quick one is
    fg.wait_for("the quick one", lambda: (
        source.publish("q/quick", ['{"t":3}']),
        not bad(health(gateway, "--since", "before", "--deadline", "1s", want=(0, 1))))[-1])

    upstream.stop()
    fg.wait_for("the bridge to be missed", lambda: "bridges" in bad(
        health(gateway, "--since", "before", want=(0, 1))))
    table = fg.fieldgate("health", "-c", gateway.conf, want=(1,)).out
    fg.check("bridges" in table and "NO" in table, table)
    # it was away before, too: that is no fault of what changed
    fg.fieldgate("health", "--save", "away", "-c", gateway.conf)
    fg.check("bridges" not in bad(health(gateway, "--since", "away", want=(0, 1))), "was away")
    packs = collector.payloads()
    upstream.start()
    collector = upstream.collector(client_id="collector")
    source.publish("s/slow", ['{"t":4}'])
    ledger = gateway.wait_drained()
    fg.audit(packs + collector.payloads(), fg.until(ledger))
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    fg.fieldgate("spool", "--verify", gateway.spool)


def test_wrong_files():
    with open("text", "w", encoding="utf-8") as file:
        file.write("{}")
    socket = os.path.abspath("none.sock")
    for args, status in ((("--since", "none"), 3), (("--since", "text"), 3), ((), 1),
                         (("--save", "snapshot"), 3), (("--deadline", "soon"), 2),
                         (("--save", "snapshot", "--since", "text"), 2)):
        fg.fieldgate("health", "--socket", socket, *args, want=(status,))
    fg.equal(os.listdir("."), ["text"], "files")


fg.main(globals())
