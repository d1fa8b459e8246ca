#!/usr/bin/python3
# run-first
"""Upstreams that are away, that accept and never acknowledge, that refuse a pack for good: nothing
is lost, what is refused is kept aside and announced, the rest flows in order."""
import json
import os

import fg

fg.need("mosquitto")

READINGS = 4000


def gateway_for(field, bridges, **more):
    return fg.Gateway(dict({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": bridges}, **more))


def feed(field, first, last, device="d/a"):
    client = fg.Mqtt(field.port, "device", version=5)
    client.publish(device, [f'{{"seq":{n}}}' for n in range(first, last)], window=200)
    client.close()


def feed_and_wait(gateway, field, first, last):
    feed(field, first, last)
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == last)


def test_upstream_away():
    """Away from the start and again in the middle; the gateway is stopped and started meanwhile."""
    field, upstream = fg.Broker("field"), fg.Broker("upstream")
    collector = upstream.collector()
    upstream.stop()
    local = os.path.abspath("records.jsonl")
    gateway = gateway_for(field, {
        "up": {"type": "mqtt", "url": upstream.url},
        "local": {"type": "file", "path": local},
    }).start()
    field.wait_subscribed("gw-field")
    feed_and_wait(gateway, field, 0, READINGS)
    ledger = gateway.wait_drained("local")
    fg.equal(ledger["bridges"]["up"]["waiting"], READINGS, "waiting")
    fg.check(ledger["bridges"]["up"]["oldest_s"] > 0, "oldest_s")
    gateway.stop()
    gateway.start()
    fg.equal(gateway.account("up")["waiting"], READINGS, "waiting after a restart")
    upstream.start()
    collectors = [collector, upstream.collector()]

    def lines():
        """Without what the broker itself repeats to a collector whose PUBACK it has not seen."""
        found = {}
        for message in [m for c in collectors for m in list(c.messages)]:
            seen = found.setdefault(message["payload"].decode(), [])
            if not (message["dup"] and seen):
                seen.append(message)
        return [payload for payload, seen in found.items() for _ in seen]
    fg.wait_for("a part of it", lambda: len(fg.records(lines())) > 0)
    upstream.stop()
    feed_and_wait(gateway, field, READINGS, READINGS + 500)
    upstream.start()
    collectors.append(upstream.collector())
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["acknowledged"], READINGS + 500, "acknowledged")
    fg.wait_for("all packs", lambda: len(set(fg.series(lines()).get("d/a", []))) ==
                READINGS + 500)
    fg.equal(fg.first_times(fg.series(lines())["d/a"]), list(range(READINGS + 500)), "the order")
    answer = fg.audit(lines(), fg.until(ledger))
    fg.equal(fg.total(answer), READINGS + 500, "records")
    # what was in flight at the second cut may have come twice; the window bounds it
    fg.check(fg.total(answer, "duplicates") <= 16 * 100, "more twice than a window")
    fg.equal(fg.series(fg.file_lines(local))["d/a"], list(range(READINGS + 500)), "the file")
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_never_acknowledges():
    """It takes packs and says nothing: after `stall` the connection is made anew, and the packs
    are sent again, as they were cut."""
    field, silent = fg.Broker("field"), fg.Script(answer=lambda message: None)
    gateway = gateway_for(field, {
        "up": {"type": "mqtt", "url": silent.url, "stall": "1s", "window": 4,
               "batch": {"records": 10, "linger": "10ms"}},
        "other": {"type": "file", "path": os.path.abspath("records.jsonl")}}).start()
    field.wait_subscribed("gw-field")
    feed_and_wait(gateway, field, 0, 300)
    gateway.wait_drained("other")
    fg.wait_for("a second connection", lambda: len(silent.connects) >= 2)
    fg.wait_for("its packs", lambda: len(silent.packs()) >= 8)
    packs = silent.packs()
    ports = list(dict.fromkeys(p["connection"] for p in packs))
    groups = [[p["payload"] for p in packs if p["connection"] == port] for port in ports[:2]]
    fg.check(0 < len(groups[0]) <= 4, f"{len(groups[0])} packs in flight, of a window of 4")
    fg.equal(groups[1][:len(groups[0])], groups[0], "what was sent again")
    fg.equal(gateway.account("up")["waiting"], 300, "waiting")
    fg.check("acknowledged" in json.dumps(gateway.status()["links"]["up"]["fault"]) or
             gateway.status()["links"]["up"]["faults"] >= 1, "no fault is shown")
    silent.answer = lambda message: 0
    ledger = gateway.wait_drained()
    lines = [p["payload"].decode() for p in silent.packs()]
    fg.equal(fg.first_times(fg.series(lines)["d/a"]), list(range(300)), "the order")
    fg.equal(fg.total(fg.audit(lines, fg.until(ledger))), 300, "records")
    gateway.stop()


def refuse_value(values, reason):
    def answer(message):
        if not message["topic"].endswith("/records"):
            return 0
        had = [r[2] for r in fg.records([message["payload"]])]
        return reason if any(v in values for v in had) else 0
    return answer


def test_refused_pack():
    """One pack refused for good: a dead letter and an announcement, the rest flows; then --requeue
    brings it, or --discard gives it up."""
    field, script = fg.Broker("field"), fg.Script(answer=refuse_value({55}, 0x99))
    gateway = gateway_for(field, {"up": {"type": "mqtt", "url": script.url,
                                         "batch": {"records": 10, "linger": "2s"}}}).start()
    field.wait_subscribed("gw-field")
    feed_and_wait(gateway, field, 0, 200)
    ledger = gateway.wait_drained()
    fg.equal({k: ledger["bridges"]["up"][k] for k in ("acknowledged", "dead", "dropped")},
             {"acknowledged": 190, "dead": 10, "dropped": {}}, "the account")
    acknowledged = [p["payload"].decode() for p in script.packs() if script.answer(p) == 0]
    answer = fg.audit(acknowledged, fg.until(ledger), want=(1,))
    fg.equal((fg.total(answer), fg.lost(answer)), (190, {"refused": 10}), "the audit")
    fg.equal([e["gaps"] for e in answer["gateways"]["gw"]["epochs"].values()], [[]], "gaps")
    said = [json.loads(line) for line in acknowledged if '"lost"' in line]
    fg.equal([(p[0]["bn"], p[0]["n"], p[0]["v"], p[0]["why"], p[0]["last"] - p[0]["first"] + 1)
              for p in said], [("gw/fieldgate/", "lost", 10, "refused", 10)], "the announcement")

    listed = json.loads(fg.fieldgate("dead", "--json", "-c", gateway.conf).out)
    fg.check("0x99" in json.dumps(listed) or "format" in json.dumps(listed).lower(),
             f"no reason in {listed}")
    fg.check("up" in fg.fieldgate("dead", "-c", gateway.conf).out, "dead for people")
    letters = fg.file_lines(gateway.spool + "/dead/up.jsonl")
    fg.equal(len(letters), 1, "letters")
    fg.equal([r[2] for r in fg.records([json.loads(letters[0])["pack"]])], list(range(50, 60)),
             "the letter's records")

    # again, and refused again: it stays a dead letter
    before = len(script.packs())
    fg.fieldgate("dead", "--requeue", "up", "-c", gateway.conf)
    fg.wait_for("the letter once more", lambda: len(script.packs()) > before)
    fg.wait_for("it is dead again", lambda: gateway.account("up")["dead"] == 10
                and len(fg.file_lines(gateway.spool + "/dead/up.jsonl")) == 1)
    fg.check_ledger(gateway.ledger())
    script.answer = lambda message: 0
    fg.fieldgate("dead", "--requeue", "up", "-c", gateway.conf)
    fg.wait_for("it is taken", lambda: gateway.account("up")["dead"] == 0)
    ledger = fg.check_ledger(gateway.ledger())
    fg.equal(ledger["bridges"]["up"]["acknowledged"], 200, "acknowledged")
    acknowledged.append(script.packs()[-1]["payload"].decode())
    answer = fg.audit(acknowledged, fg.until(ledger))
    fg.equal((fg.total(answer), fg.lost(answer)), (200, {}), "the audit")

    script.answer = refuse_value({210}, 0x87)
    feed_and_wait(gateway, field, 200, 220)
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["dead"], 10, "dead")
    fg.fieldgate("dead", "--discard", "up", "-c", gateway.conf)
    ledger = fg.check_ledger(gateway.ledger())
    fg.equal({k: ledger["bridges"]["up"][k] for k in ("acknowledged", "dead", "dropped")},
             {"acknowledged": 210, "dead": 0, "dropped": {"refused": 10}}, "after --discard")
    gateway.stop()
    fg.equal(fg.check_ledger(gateway.ledger())["bridges"]["up"]["dropped"], {"refused": 10},
             "after the stop")


def test_too_large_for_upstream():
    """Reason 0x95: the pack is halved until it fits; a record that never fits is a dead letter."""
    def answer(message):
        if not message["topic"].endswith("/records"):
            return 0
        had = fg.records([message["payload"]])
        return 0x95 if len(had) > 6 or any(r[2] == 33 for r in had) else 0
    field, script = fg.Broker("field"), fg.Script(answer=answer)
    gateway = gateway_for(field, {"up": {"type": "mqtt", "url": script.url,
                                         "batch": {"records": 50, "linger": "2s"}}}).start()
    field.wait_subscribed("gw-field")
    feed_and_wait(gateway, field, 0, 100)
    ledger = gateway.wait_drained()
    fg.equal((ledger["bridges"]["up"]["acknowledged"], ledger["bridges"]["up"]["dead"]), (99, 1),
             "acknowledged, dead")
    lines = [p["payload"].decode() for p in script.packs() if answer(p) == 0]
    answered = fg.audit(lines, fg.until(ledger), want=(1,))
    fg.equal((fg.total(answered), fg.lost(answered)), (99, {"refused": 1}), "the audit")
    fg.equal(sorted(set(fg.series(lines)["d/a"]) | {33}), list(range(100)), "the values")
    gateway.stop()


def test_upstream_that_hangs_up():
    """MQTT 3.1.1 has no word for too large: mosquitto ends the connection. What passes is found out,
    and everything arrives."""
    field = fg.Broker("field")
    upstream = fg.Broker("upstream", more="allow_anonymous true\nmax_packet_size 20000\n")
    collector = upstream.collector()
    gateway = gateway_for(field, {"up": {"type": "mqtt", "url": upstream.url, "version": "3.1.1",
                                         "batch": {"records": 1000}}}).start()
    field.wait_subscribed("gw-field")
    upstream.stop()
    feed_and_wait(gateway, field, 0, READINGS)
    upstream.start()
    ledger = gateway.wait_drained(seconds=2 * fg.DEADLINE_S)
    account = ledger["bridges"]["up"]
    fg.equal((account["acknowledged"], account["dead"], account["dropped"]), (READINGS, 0, {}),
             "the account")
    collector = upstream.collector()
    lines = collector.payloads
    fg.wait_for("all packs", lambda: len(set(fg.series(lines()).get("d/a", []))) == READINGS)
    fg.equal(fg.total(fg.audit(lines(), fg.until(ledger))), READINGS, "records")
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_upstream_that_says_too_large_and_leaves():
    """DISCONNECT with reason 0x95: as if that pack had been refused so, and no other suffers."""
    def answer(message):
        if len(message["payload"]) > 3000:
            script.active["gw-up"].sendall(fg.packet(0xe0, b"\x95"))
            raise EOFError
        return 0
    field, script = fg.Broker("field"), fg.Script(answer=answer)
    gateway = gateway_for(field, {"up": {"type": "mqtt", "url": script.url,
                                         "batch": {"records": 200, "linger": "2s"}}}).start()
    field.wait_subscribed("gw-field")
    feed(field, 0, 100)
    client = fg.Mqtt(field.port, "device", version=5)
    client.publish("d/a", [json.dumps({"long": "x" * 4000})])
    client.close()
    feed(field, 100, 200)
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == 201)
    ledger = gateway.wait_drained()
    fg.equal((ledger["bridges"]["up"]["acknowledged"], ledger["bridges"]["up"]["dead"]), (200, 1),
             "acknowledged, dead")
    lines = [p["payload"].decode() for p in script.packs() if len(p["payload"]) <= 3000]
    answered = fg.audit(lines, fg.until(ledger), want=(1,))
    fg.equal((fg.total(answered), fg.lost(answered)), (200, {"refused": 1}), "the audit")
    fg.equal(sorted(set(fg.series(lines)["d/a"])), list(range(200)), "the values")
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_upstream_that_states_its_limit():
    """Maximum Packet Size: what is larger is never sent, to the byte; packs find their size, in
    order."""
    limit = 3000
    field = fg.Broker("field")
    upstream = fg.Broker("upstream", more=f"allow_anonymous true\nmax_packet_size {limit}\n")
    collector = upstream.collector()
    gateway = gateway_for(field, {"up": {"type": "mqtt", "url": upstream.url,
                                         "batch": {"records": 100, "linger": "2s"}}}).start()
    field.wait_subscribed("gw-field")
    feed_and_wait(gateway, field, 0, READINGS)
    gateway.wait_drained()
    lines = collector.payloads
    fg.wait_for("all packs", lambda: len(fg.series(lines()).get("d/a", [])) == READINGS)
    fg.equal(fg.series(lines())["d/a"], list(range(READINGS)), "in order")
    # a record a pack, each a byte longer
    gateway.config["bridges"]["up"]["batch"] = {"records": 1}
    gateway.write()
    fg.equal(fg.fieldgate("reload", "-c", gateway.conf).returncode, 0, "reload")
    client = fg.Mqtt(field.port, "device", version=5)
    sizes = range(limit - 250, limit)
    for size in sizes:
        client.publish("d/a", [json.dumps({"text": "x" * size})])
    client.close()
    fg.wait_for("all to be accepted",
                lambda: gateway.ledger()["accepted"] == READINGS + len(sizes))
    ledger = gateway.wait_drained()
    account = ledger["bridges"]["up"]
    fg.equal(account["acknowledged"] + account["dead"], READINGS + len(sizes), "the account")
    texts = fg.wait_for("all texts", lambda: len(got := [t for t in lines() if "xxx" in t]) ==
                        account["acknowledged"] - READINGS and got)
    # fixed header, topic, packet identifier, properties
    head = 3 + 2 + len("fieldgate/gw/records") + 2 + 1 + 3 + len("application/senml+json")
    fg.equal(max(len(t) for t in texts) + head, limit, "the largest packet")
    answered = fg.audit(lines(), fg.until(ledger), want=(1,))
    fg.equal((fg.total(answered), fg.lost(answered)),
             (account["acknowledged"], {"refused": account["dead"]}), "the audit")
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_busy_upstream():
    """Reasons that pass (busy, quota): tried again, nothing is dead."""
    left = [3]

    def answer(message):
        if message["topic"].endswith("/records") and left[0]:
            left[0] -= 1
            return 0x97
        return 0
    field, script = fg.Broker("field"), fg.Script(answer=answer, receive_max=2)
    gateway = gateway_for(field, {"up": {"type": "mqtt", "url": script.url,
                                         "batch": {"records": 10, "linger": "10ms"}}}).start()
    field.wait_subscribed("gw-field")
    feed_and_wait(gateway, field, 0, 100)
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["acknowledged"], 100, "acknowledged")
    answered = fg.audit([p["payload"].decode() for p in script.packs()], fg.until(ledger))
    fg.equal(fg.total(answered), 100, "records")
    gateway.stop()


fg.main(globals())
