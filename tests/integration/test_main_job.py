#!/usr/bin/python3
"""The main job with real parts: MQTT, CoAP and a serial line in, MQTT and a file out; every kind of
link to a broker; the status and the last will; a start with nothing there yet."""
import json
import os

import fg

fg.need("mosquitto", "openssl")


def bridge_to(broker, **more):
    return dict({"type": "mqtt", "url": broker.url, "batch": {"linger": "10ms"}}, **more)


def status_of(client):
    """What the retained status topic says now."""
    seen = [json.loads(p) for p in client.payloads("fieldgate/gw/status") if p]
    return seen[-1] if seen else {}


def test_all_at_once():
    broker, upstream = fg.Broker("field"), fg.Broker("upstream")
    collector = upstream.collector()
    line, coap_port = fg.Line().plug_in(), fg.free_port(2)
    gateway = fg.Gateway({
        "drivers": {
            "field": {"type": "mqtt", "url": broker.url, "subscribe": ["tele/+/SENSOR"]},
            "loose": {"type": "mqtt", "url": broker.url, "subscribe": ["loose/+"], "qos": 0,
                      "version": "3.1.1"},
            "group": {"type": "mqtt", "url": broker.url, "subscribe": ["shared/#"],
                      "share": "gateways"},
            "things": {"type": "coap", "listen": f"coap://127.0.0.1:{coap_port}"},
            "meter": {"type": "serial", "port": line.path, "framer": "line", "profile": "kv"},
        },
        "profiles": {"tasmota": {
            "match": "tele/{device}/SENSOR", "format": "json",
            "points": {"temperature": {"from": "/DS/Temperature", "unit": "Cel"}, "*": {}}}},
        "bridges": {
            "cloud": bridge_to(upstream),
            "old": bridge_to(upstream, version="3.1.1", topic="old/{gateway}"),
            "loose": bridge_to(upstream, qos=0, topic="loose/{gateway}"),
            "local": {"type": "file", "path": os.path.abspath("records.jsonl"),
                      "batch": {"linger": "10ms"}},
        }})
    others = [upstream.collector(t, t[:3]) for t in ("old/gw", "loose/gw")]
    gateway.start()
    for name in ("field", "loose", "group"):
        broker.wait_subscribed(f"gw-{name}")
    fg.wait_for("the line", lambda: gateway.status()["drivers"]["meter"]["state"] == "up")
    fg.wait_for("the bridges", lambda: all(b["state"] == "up"
                                           for b in gateway.status()["links"].values()))

    device = fg.Mqtt(broker.port, "device", version=5)
    device.publish("tele/plug1/SENSOR", [
        json.dumps({"DS": {"Temperature": 20 + n / 10}, "n": n}) for n in range(50)])
    device.publish("loose/a", [str(n) for n in range(20)], qos=0)
    device.publish("shared/b/c", ['{"on":true,"big":9007199254740993,"text":"21.5"}'])
    thing = fg.Coap(coap_port)
    fg.equal([thing.post("fridge", '{"t":4.5,"gone":null}', 50),
              thing.post("fridge/door", "false", 0),
              thing.post("senml", '[{"bn":"x/","n":"p","u":"Pa","v":1e5}]', 110),
              thing.post("bad", '{"t":', 50)[:1]],
             [("2.04", None), ("2.04", None), ("2.04", None), ("4.00",)], "CoAP answers")
    line.say("power=230.5,energy=12\n")
    wanted = [("plug1", "temperature", 20 + n / 10) for n in range(50)]
    wanted += [("plug1", "n", n) for n in range(50)]
    wanted += [("loose/a", "value", n) for n in range(20)]
    wanted += [("shared/b/c", "on", True), ("shared/b/c", "big", 9007199254740993),
               ("shared/b/c", "text", "21.5"), ("fridge", "t", 4.5), ("fridge", "door", False),
               ("senml", "x/p", 100000), ("meter", "power", 230.5), ("meter", "energy", 12)]

    def key(record):
        return str(record)
    fg.wait_for("all records", lambda: gateway.ledger()["accepted"] >= len(wanted))
    ledger = gateway.wait_drained()
    fg.equal(ledger["accepted"], len(wanted), "accepted")
    fg.equal(ledger["rejected"], {"malformed": 1}, "rejected")
    fg.equal({n: (b["acknowledged"], b["sent"]) for n, b in ledger["bridges"].items()},
             {"cloud": (len(wanted), 0), "old": (len(wanted), 0), "loose": (0, len(wanted)),
              "local": (len(wanted), 0)}, "the account")
    for lines in (lambda: collector.payloads("fieldgate/gw/records"),
                  lambda: others[0].payloads("old/gw"), lambda: others[1].payloads("loose/gw"),
                  lambda: fg.file_lines("records.jsonl")):
        fg.wait_for("all packs", lambda: len(fg.records(lines())) >= len(wanted))
        fg.equal(sorted(fg.records(lines()), key=key), sorted(wanted, key=key), "records")
        answer = fg.audit(lines(), fg.until(ledger))
        fg.equal((fg.total(answer), fg.total(answer, "duplicates")), (len(wanted), 0), "audit")
    fg.equal(fg.series(collector.payloads(), "n")["plug1"], list(range(50)), "the order")
    units = {r.get("u") for p in collector.payloads() for r in json.loads(p)
             if r["n"] == "temperature"}
    fg.equal(units, {"Cel"}, "the unit")
    gateway.stop()
    fg.equal(fg.check_ledger(gateway.ledger())["accepted"], len(wanted), "after the stop")
    fg.fieldgate("spool", "--verify", gateway.spool)


def test_content_type():
    upstream, script = fg.Broker("field"), fg.Script()
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": upstream.url, "subscribe": ["a/+"]}},
        "bridges": {"up": bridge_to(script), "cbor": bridge_to(script, format="senml+cbor"),
                    "flat": bridge_to(script, format="json"),
                    "influx": bridge_to(script, format="influx-line")},
    }).start()
    upstream.wait_subscribed("gw-field")
    fg.Mqtt(upstream.port, "device").publish("a/b", ["1", "2"])
    gateway.wait_drained()
    kinds = {m["client"]: m["props"][m["props"].find(b"\x03") + 3:].decode()
             for m in script.packs()}
    fg.equal(kinds, {"gw-up": "application/senml+json", "gw-cbor": "application/senml+cbor",
                     "gw-flat": "application/json", "gw-influx": "text/plain; charset=utf-8"},
             "content types")
    packs = {client: [m["payload"].decode() for m in script.packs() if m["client"] == client]
             for client in ("gw-flat", "gw-influx")}
    flat = [record for pack in packs["gw-flat"] for record in json.loads(pack)]
    fg.equal([(r["gateway"], r["device"], r["point"], r["value"]) for r in flat],
             [("gw", "a/b", "value", 1), ("gw", "a/b", "value", 2)], "flat objects")
    lines = "".join(packs["gw-influx"]).splitlines()
    fg.equal([line.rpartition(" ")[0] for line in lines],
             ["value,device=a/b,gateway=gw value=1", "value,device=a/b,gateway=gw value=2"], "lines")
    for line, record in zip(lines, flat):
        fg.check(abs(int(line.rpartition(" ")[2]) / 1e9 - record["time"]) < 1e-3, (line, record))
    fg.check_ledger(gateway.ledger())
    gateway.stop()


def test_links():
    """Password, TLS, mutual TLS, Unix socket, each way; and credentials that are wrong."""
    fg.certificates()
    os.mkdir("secrets")
    for name, text in (("good", "s3cret"), ("bad", "nonsense")):
        with open(f"secrets/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    with open("passwd", "w", encoding="utf-8") as file:
        file.write("gateway:s3cret\n")
    fg.subprocess.run(["mosquitto_passwd", "-U", "passwd"], check=True)
    local = os.path.abspath("broker.sock")
    folder = os.getcwd()
    tls = f"cafile {folder}/ca.crt\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key\n"
    password = fg.Broker("password", f"allow_anonymous false\npassword_file {folder}/passwd\n")
    secure = fg.Broker("secure", tls + "allow_anonymous true\n")
    mutual = fg.Broker("mutual", tls + "require_certificate true\nuse_identity_as_username true\n"
                       "allow_anonymous true\n")
    plain = fg.Broker("plain", local=local)
    login = {"username": "gateway", "password": {"secret": "good"}}
    trust = {"ca": folder + "/ca.crt"}
    identity = dict(trust, cert=folder + "/client.crt", key=folder + "/client.key")
    links = {
        "password": {"url": password.url, **login},
        "secure": {"url": f"mqtts://127.0.0.1:{secure.port}", "tls": trust},
        "mutual": {"url": f"mqtts://127.0.0.1:{mutual.port}", "tls": identity, "version": "3.1.1"},
        "local": {"url": "unix://" + local},
    }
    gateway = fg.Gateway({
        "drivers": dict({f"in-{n}": dict(o, type="mqtt", subscribe=["d/+"])
                         for n, o in links.items()},
                        intruder=dict(links["password"], type="mqtt", subscribe=["d/+"],
                                      password={"secret": "bad"}),
                        nobody=dict(links["mutual"], type="mqtt", subscribe=["d/+"], tls=trust),
                        stranger=dict(links["secure"], type="mqtt", subscribe=["d/+"], tls={})),
        "bridges": {f"out-{n}": dict(o, type="mqtt", batch={"linger": "10ms"})
                    for n, o in links.items()},
    }, env={"CREDENTIALS_DIRECTORY": folder + "/secrets"}).start()
    context = fg.tls_context("ca.crt")
    context.load_cert_chain("client.crt", "client.key")
    ends = {"password": {"address": password.port, "username": "gateway", "password": "s3cret"},
            "secure": {"address": secure.port, "tls": context},
            "mutual": {"address": mutual.port, "tls": context}, "local": {"address": local}}
    for broker, name in ((password, "password"), (secure, "secure"), (mutual, "mutual"),
                         (plain, "local")):
        broker.wait_subscribed(f"gw-in-{name}")
    clients = {name: fg.Mqtt(client_id="c", **end).subscribe("fieldgate/gw/records")
               for name, end in ends.items()}
    fg.wait_for("the bridges", lambda: all(b["state"] == "up"
                                           for b in gateway.status()["links"].values()))
    for name, client in clients.items():
        client.publish("d/" + name, [str(n) for n in range(10)])
    fg.wait_for("all records", lambda: gateway.ledger()["accepted"] == 40)
    ledger = gateway.wait_drained()
    for name, client in clients.items():
        fg.wait_for("all packs", lambda c=client: len(fg.records(c.payloads())) >= 40)
        fg.equal(fg.series(client.payloads(), "value"),
                 {f"d/{n}": list(range(10)) for n in links}, name)
        fg.audit(client.payloads(), fg.until(ledger))
    drivers = gateway.status()["drivers"]
    for name in ("intruder", "nobody", "stranger"):
        fg.check(drivers[name]["state"] != "up" and drivers[name]["faults"], f"{name}: {drivers}")
    gateway.stop()
    fg.check("s3cret" not in fg.read(gateway.log_path), "a secret in the log")


def test_status_and_will():
    upstream = fg.Broker("upstream")
    gateway = fg.Gateway({"drivers": {}, "bridges": {"up": bridge_to(upstream)}}).start()
    watcher = upstream.collector("fieldgate/gw/status", "watcher")
    fg.wait_for("online", lambda: status_of(watcher).get("state") == "online")
    said, ledger = status_of(watcher), gateway.ledger()
    fg.equal({k: said[k] for k in ("epoch", "last", "generation")},
             {"epoch": ledger["epoch"], "last": 0, "generation": 1}, "the status")
    for key in ("version", "config", "since", "ledger"):
        fg.check(key in said, f"no {key} in {said}")
    fg.equal(len(said["config"]), 64, "SHA-256 digits")
    fg.check_ledger(said["ledger"])
    gateway.kill()
    fg.wait_for("the will", lambda: status_of(watcher).get("state") == "offline")
    later = upstream.collector("fieldgate/gw/status", "later")
    fg.wait_for("the retained will", lambda: status_of(later).get("state") == "offline")
    fg.check(later.messages[0]["retain"], "the will is not retained")
    gateway.start()
    fg.wait_for("online again", lambda: status_of(watcher).get("state") == "online")
    fg.check(status_of(watcher)["epoch"] != said["epoch"], "the same epoch after kill -9")
    gateway.stop()
    fg.wait_for("offline", lambda: status_of(watcher).get("state") == "offline")
    epoch = gateway.ledger()["epoch"]
    gateway.start().stop(signo=fg.signal.SIGINT)
    fg.equal(gateway.ledger()["epoch"], epoch, "the epoch after a clean end")


def test_nothing_there():
    """Brokers and tty appear only after the gateway is ready."""
    broker, upstream = fg.Broker("field", start=False), fg.Broker("upstream")
    collector = upstream.collector()    # its session stays with the broker
    upstream.stop()
    line = fg.Line()
    gateway = fg.Gateway({
        "drivers": {
            "field": {"type": "mqtt", "url": broker.url, "subscribe": ["a/+"]},
            "meter": {"type": "serial", "port": line.path, "framer": "line"},
            "nowhere": {"type": "mqtt", "url": "mqtt://no-such-host.invalid", "subscribe": ["#"]},
        },
        "bridges": {"up": bridge_to(upstream),
                    "local": {"type": "file", "path": os.path.abspath("no-folder/records.jsonl")},
                    "secure": {"type": "mqtt", "url": f"mqtts://127.0.0.1:{fg.free_port()}"}},
    }).start()
    state = gateway.status()
    up = [n for part in ("drivers", "links") for n, i in state[part].items() if i["state"] == "up"]
    fg.equal(up, [], "up, with nothing there")
    broker.start()
    line.plug_in()
    broker.wait_subscribed("gw-field")
    fg.wait_for("the line", lambda: gateway.status()["drivers"]["meter"]["state"] == "up")
    fg.Mqtt(broker.port, "device").publish("a/b", [str(n) for n in range(10)])
    line.say("42\n")
    fg.wait_for("the records", lambda: gateway.ledger()["accepted"] == 11)
    upstream.start()
    collectors = [collector, upstream.collector()]
    os.mkdir("no-folder")
    ledger = gateway.wait_drained("up", "local")
    fg.check_ledger(ledger)
    for lines in (lambda: [p for c in collectors for p in c.payloads()],
                  lambda: fg.file_lines("no-folder/records.jsonl")):
        fg.wait_for("all packs", lambda: len(fg.records(lines())) >= 11)
        fg.equal(fg.series(lines(), "value"), {"a/b": list(range(10)), "meter": [42]}, "records")
        fg.audit(lines(), fg.until(ledger))
    fg.equal(ledger["bridges"]["secure"]["waiting"], 11, "what waits for the third")
    gateway.stop()


fg.main(globals())
