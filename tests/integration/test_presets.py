#!/usr/bin/python3
"""docs/presets.md: each configuration as it stands there, judged by `check`, run against a broker or a
server of our own, and every topic and payload held against the published rules of the cloud."""
import json
import os
import re
import socket
import urllib.parse

import fg
from test_http import Server

fg.need("mosquitto", "openssl")

with open(f"{fg.SOURCE_DIR}/docs/presets.md", encoding="utf-8") as page:
    PAGE = page.read()
KIB = 1024


def section(title):
    """The JSON blocks of a section."""
    text = re.split(r"^## ", PAGE, flags=re.M)
    text = next(t for t in text if t.startswith(title + "\n"))
    return [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", text, re.M | re.S)]


def checked(title):
    """The configuration of a section, which `check` must take as it is."""
    config = section(title)[0]
    with open("preset.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    fg.fieldgate("check", "-c", "preset.json")
    return config


def wait_local(broker):
    def listens():
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(broker.local) == 0
    fg.wait_for("the local socket", listens)


def broker_with_tls(mutual):
    fg.certificates()
    folder = os.getcwd()
    broker = fg.Broker("cloud", local=f"{folder}/cloud.sock", more=(
        f"allow_anonymous true\ncafile {folder}/ca.crt\ncertfile {folder}/server.crt\n"
        f"keyfile {folder}/server.key\nrequire_certificate {'true' if mutual else 'false'}\n"))
    wait_local(broker)
    return broker


def secrets(**values):
    os.makedirs("secrets", exist_ok=True)
    for name, value in values.items():
        with open(f"secrets/{name}", "w", encoding="utf-8") as file:
            file.write(value)
        os.chmod(f"secrets/{name}", 0o600)
    return {"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")}


def run(config, env=None, **changes):
    """The preset with a field in front of it, and only its address and files changed."""
    field = fg.Broker("field")
    for bridge in config["bridges"].values():
        bridge.update(changes)
        bridge.setdefault("batch", {})["linger"] = "5ms"
    gateway = fg.Gateway(dict(config, liveness={"enabled": False}, drivers={
        "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/#"]}}, profiles={
            "any": {"match": "d/{device...}", "format": "json",
                    "points": {"temperature": {"from": "/temperature", "unit": "Cel"}, "*": {}}}}),
        env=env).start()
    field.wait_subscribed("plant-7-field")
    return gateway, fg.Mqtt(field.port, "source")


def feed(source, more=0):
    """Some values; `more`: so many long ones. Returns how many records."""
    source.publish("d/barn/th1", ['{"temperature":%d.5,"humidity":%d,"on":true,"mode":"eco"}' % (n, n)
                                  for n in range(20)])
    source.publish("d/barn/th2", ['{"temperature":%d}' % n for n in range(20)])
    source.publish("d/long", ['{"text":"%s"}' % ("x" * 900) for _ in range(more)])
    return 20 * 4 + 20 + more


def tls(config, **more):
    given = next(iter(config["bridges"].values()))["tls"]
    files = {"ca": "ca.crt", "cert": "client.crt", "key": "client.key"}
    return {"tls": {k: os.path.abspath(files[k]) for k in set(given) | set(more)}}


def connected_as(broker, client):
    """What mosquitto's log says of the connection: version, keep-alive, user."""
    found = re.search(rf"as {re.escape(client)} \(p(\d), c\d, k(\d+)(?:, u'(.*?)')?\)", broker.log())
    fg.check(found, f"{client} has not connected")
    return int(found[1]), int(found[2]), found[3]


def test_aws():
    config = checked("AWS IoT Core")
    bridge = config["bridges"]["aws"]
    fg.check(bridge["url"].endswith(":8883"), "ALPN is for 443 alone")
    fg.equal(sorted(bridge["tls"]), ["ca", "cert", "key"], "mutual TLS")
    fg.check(bridge["window"] <= 100, "in flight")
    cloud = broker_with_tls(mutual=True)
    fg.Mqtt(cloud.local, "ear", clean=False).subscribe("#").close()
    # away at first, so that packs are as large as they may be
    cloud.stop()
    gateway, source = run(config, url=f"mqtts://127.0.0.1:{cloud.port}", **tls(config))
    count = feed(source, more=600)
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == count)
    cloud.start()
    wait_local(cloud)
    ear = fg.Mqtt(cloud.local, "ear", clean=False)
    fg.equal(gateway.wait_drained()["bridges"]["aws"]["acknowledged"], count, "acknowledged")
    gateway.stop()
    fg.wait_for("the parting word", lambda: ear.payloads("fieldgate/plant-7/status")[-1:] and
                '"offline"' in ear.payloads("fieldgate/plant-7/status")[-1])
    _, keepalive, _ = connected_as(cloud, "plant-7")
    fg.check(30 <= keepalive <= 1200, f"keep-alive {keepalive}")
    packs = ear.payloads("fieldgate/plant-7/records")
    for m in ear.messages:
        fg.check(m["topic"].count("/") <= 7 and len(m["topic"].encode()) <= 256, m["topic"])
        fg.check(not m["topic"].startswith("$"), m["topic"])
        fg.check(len(m["payload"]) <= 128 * KIB, f"{len(m['payload'])} bytes")
        fg.check(m["qos"] <= 1, "QoS")
    fg.equal({m["topic"] for m in ear.messages},
             {"fieldgate/plant-7/records", "fieldgate/plant-7/status"}, "topics")
    fg.check(max(map(len, packs)) > 64 * KIB, "no pack was large")
    answer = fg.audit(packs, fg.until(gateway.ledger()))
    fg.equal(fg.total(answer, gateway="plant-7"), count, "records")


def azure(config, **more):
    cloud = broker_with_tls(mutual="cert" in more.get("tls", {}))
    ear = fg.Mqtt(cloud.local, "ear").subscribe("#")
    gateway, source = run(config, url=f"mqtts://127.0.0.1:{cloud.port}", **more,
                          env=secrets(azure="SharedAccessSignature sr=x&sig=y&se=1"))
    count = feed(source, more=400)
    fg.equal(gateway.wait_drained()["bridges"]["azure"]["acknowledged"], count, "acknowledged")
    gateway.kill()
    fg.wait_for("the end", lambda: re.search(r"Client plant-7 .*(closed|disconnected)", cloud.log()))
    version, keepalive, user = connected_as(cloud, "plant-7")
    fg.check(version != 5, "MQTT 3.1.1")
    fg.check(keepalive < 1767, "keep-alive")
    fg.equal(user, "EXAMPLE.azure-devices.net/plant-7/?api-version=2021-04-12", "user name")
    ear.wait_acked(ear.send("end", "x"))
    fg.wait_for("the last message", lambda: ear.payloads("end"))
    found = 0
    for m in ear.messages[:-1]:
        fixed, bag = m["topic"].rsplit("/", 1)
        fg.equal(fixed, "devices/plant-7/messages/events", "topic")
        fg.equal(urllib.parse.parse_qs(bag), {"$.ct": ["application/json"], "$.ce": ["utf-8"]},
                 "property bag")
        fg.check(not m["retain"] and m["qos"] <= 1, "retained, or QoS 2")
        fg.check(len(m["payload"]) <= 256 * KIB, f"{len(m['payload'])} bytes")
        found += len(json.loads(m["payload"].decode()))
    fg.equal(found, count, "records")
    fg.check_ledger(gateway.ledger())


def test_azure():
    config = checked("Azure IoT Hub")
    fg.certificates()
    azure(config, **tls(config, ca=True))


def test_azure_by_signature():
    config = checked("Azure IoT Hub")
    azure(config, tls={"ca": os.path.abspath("ca.crt")}, password={"secret": "azure"})


def telemetry(text):
    """ThingsBoard's reader: of two members of one name the last counts, so there must be none."""
    def pairs(found):
        fg.equal(len({k for k, _ in found}), len(found), f"names come twice in {found}")
        return dict(found)
    found = []
    for device, items in json.loads(text, object_pairs_hook=pairs).items():
        fg.check(isinstance(items, list), f"{device}: {items}")
        for item in items:
            fg.check(set(item) <= {"ts", "values"} and item["values"], item)
            fg.check(isinstance(item["ts"], int) and 1.6e12 < item["ts"] < 4e12, item["ts"])
            for key, value in item["values"].items():
                fg.check(isinstance(value, (bool, int, float, str)), f"{key}: {value}")
                found.append((device, key, value))
    return found


def test_thingsboard_mqtt():
    config = checked("ThingsBoard, by MQTT")
    cloud = broker_with_tls(mutual=False)
    ear = fg.Mqtt(cloud.local, "ear").subscribe("#")
    gateway, source = run(config, url=f"mqtts://127.0.0.1:{cloud.port}",
                          tls={"ca": os.path.abspath("ca.crt")}, env=secrets(thingsboard="pw"))
    others = [fg.Mqtt(int(gateway.config["drivers"]["field"]["url"].rsplit(":", 1)[1]), f"s{n}")
              for n in range(3)]
    for n in range(50):     # devices in turn, and one in each other's middle
        for i, other in enumerate(others):
            other.send(f"d/turn{i}", '{"a":%d,"b":%d}' % (n, n), qos=0)
    count = feed(source) + 50 * 3 * 2
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == count)
    fg.equal(gateway.wait_drained()["bridges"]["thingsboard"]["acknowledged"], count, "acknowledged")
    fg.equal({m["topic"] for m in ear.messages}, {"v1/gateway/telemetry"}, "topics")
    fg.check(not any(m["retain"] for m in ear.messages), "retained")
    found = [record for text in ear.payloads() for record in telemetry(text)]
    fg.equal(len(found), count, "records")
    fg.equal([v for d, p, v in found if (d, p) == ("turn1", "b")], list(range(50)), "in order")
    fg.equal([v for d, p, v in found if (d, p) == ("barn/th1", "temperature")],
             [n + 0.5 for n in range(20)], "in order")
    fg.equal(connected_as(cloud, "plant-7")[2], "plant-7", "user name")
    gateway.stop()
    fg.equal({m["topic"] for m in ear.messages}, {"v1/gateway/telemetry"}, "topics at the end")


def test_thingsboard_http():
    server = Server()
    gateway, source = run(checked("ThingsBoard, by HTTP"), url=server.url, env=secrets(thingsboard="key-1"))
    count = feed(source)
    fg.equal(gateway.wait_drained()["bridges"]["thingsboard"]["acknowledged"], count, "acknowledged")
    found = 0
    for request in server.kept:
        fg.equal((request["method"], request["headers"]["Content-Type"], request["headers"]["X-Key"]),
                 ("POST", "application/json", "key-1"), "request")
        for record in json.loads(request["body"]):
            fg.check({"device", "point", "time", "value"} <= set(record), record)
            found += 1
    fg.equal(found, count, "records")
    server.close()


def render(template, text, state):
    """As Home Assistant does; what it needs of Jinja, by Jinja itself where that is installed."""
    value = json.loads(text)
    try:
        import jinja2  # pylint: disable=import-outside-toplevel
        this = type("State", (), {"state": state})
        return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(
            value_json=value, this=this)
    except ImportError:
        pass
    match = re.fullmatch(r"\{\{ value_json \| selectattr\('device', 'eq', '(.*?)'\) \| "
                         r"selectattr\('point', 'eq', '(.*?)'\) \| map\(attribute='value'\) \| list "
                         r"\| last \| default\(this\.state\) \}\}", template)
    if not match:
        fg.equal(template, "{{ value_json.state }}", "a template")
        return value["state"]
    found = [r["value"] for r in value if (r["device"], r["point"]) == match.groups()]
    return str(found[-1] if found else state)


def test_home_assistant():
    config = checked("Home Assistant")
    discovery = section("Home Assistant")[1]
    topic = re.search(r"-t (homeassistant/\S+)", PAGE)[1]
    fg.check(re.fullmatch(r"homeassistant/sensor/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config", topic), topic)
    fg.check({"unique_id", "state_topic", "device"} <= set(discovery), discovery)
    fg.check(discovery["device"]["identifiers"], "a device")
    cloud = fg.Broker("cloud")
    ear = cloud.collector("#", "ear")
    ear.wait_acked(ear.send(topic, json.dumps(discovery), retain=True))
    gateway, source = run(config, url=cloud.url, env=secrets(home="pw"))
    count = feed(source)
    fg.equal(gateway.wait_drained()["bridges"]["home"]["acknowledged"], count, "acknowledged")
    states, state = [], "unknown"
    for text in ear.payloads(discovery["state_topic"]):
        state = render(discovery["value_template"], text, state)
        states.append(state)
    fg.equal(state, "19.5", "the entity's state at the end")
    fg.check(set(states) <= {"unknown", *(str(n + 0.5) for n in range(20))}, states)
    def available():
        return [render(discovery["availability_template"], text, "")
                for text in ear.payloads(discovery["availability_topic"])]
    fg.equal(available()[-1], "online", "availability")
    gateway.kill()
    fg.wait_for("the last will", lambda: available()[-1] == "offline")
    late = cloud.collector("#", "late")
    fg.wait_for("what is stored", lambda: len(late.messages) == 2)
    fg.equal({m["topic"] for m in late.messages}, {topic, discovery["availability_topic"]}, "stored")
    fg.equal(json.loads(late.payloads(discovery["availability_topic"])[0])["state"], "offline",
             "what is stored of it")
    fg.check_ledger(gateway.ledger())


if __name__ == "__main__":
    fg.main(globals())
