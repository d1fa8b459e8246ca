#!/usr/bin/python3
"""fieldgate audit reads by itself what NATS and MQTT upstreams hold."""
import json
import os
import random
import shutil
import subprocess

import fg
import nats_world as nats

E = "9f3c2a7105d1e6b4"


def pack(first, last, gateway="gw", epoch=E):
    records = [{"bn": f"{gateway}/d/", "n": "a", "v": n} for n in range(first, last + 1)]
    records[0].update(epoch=epoch, first=first, last=last)
    return json.dumps(records)


def read(*args, want=(0,), env=None):
    done = subprocess.run([fg.FIELDGATE, "audit", *args], capture_output=True, text=True,
                          timeout=fg.DEADLINE_S, check=False, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **(env or {})))
    fg.check(not fg.SANITIZER.search(done.stderr), done.stderr)
    fg.check(done.returncode in want, f"{args}: {done.returncode}: {done.stderr}")
    return done if done.returncode > 1 else json.loads(done.stdout)


def test_stream():
    """All of it, or a part; as many as there were when the reading began; a gap is found."""
    server = nats.Server()
    client = server.client()
    client.make_stream(subjects=["fieldgate.*.records", "more.>"])
    fg.equal(read("--nats", server.url)["gateways"], {}, "of an empty stream")
    order = list(range(300))
    random.Random(1).shuffle(order)
    for n in order:
        for gateway in ("a", "b"):
            client.publish(f"fieldgate.{gateway}.records", pack(n * 10 + 1, n * 10 + 10, gateway))
    fg.wait_for("all to be stored", lambda: client.stream()["state"]["messages"] == 600)
    answer = read("--nats", server.url)
    for gateway in ("a", "b"):
        fg.equal(fg.total(answer, gateway=gateway), 3000, f"records of {gateway}")
    answer = read("--nats", f"nats://127.0.0.1:1,{server.url}", "--subject", "fieldgate.b.records",
                  "--until", f"{E}:3000")
    fg.equal(list(answer["gateways"]), ["b"], "gateways")
    read("--nats", server.url, "--subject", "fieldgate.b.records", "--until", f"{E}:3001", want=(1,))
    client.publish("more.x", "no pack")
    fg.wait_for("it to be stored", lambda: client.stream()["state"]["messages"] == 601)
    fg.equal(read("--nats", server.url, want=(1,))["complete"], False, "what is no pack")
    client.api("STREAM.MSG.DELETE.FIELDGATE", {"seq": 77})
    answer = read("--nats", server.url, "--subject", "fieldgate.*.records", want=(1,))
    gaps = [e["gaps"] for g in answer["gateways"].values() for e in g["epochs"].values()]
    fg.equal(sorted(len(g) for g in gaps), [0, 1], "gaps")
    # nothing is left behind on the server
    fg.equal(client.stream()["state"]["consumer_count"], 0, "consumers")


def test_headers_of_others():
    """A message may have a header that servers use: it is a message all the same."""
    server = nats.Server()
    client = server.client()
    client.make_stream()
    for n in range(3):
        head, body = b"NATS/1.0\r\nStatus: 100\r\n\r\n", pack(n * 5 + 1, n * 5 + 5).encode()
        client.write(b"HPUB fieldgate.gw.records %d %d\r\n%s%s\r\n" % (
            len(head), len(head + body), head, body))
    fg.wait_for("all to be stored", lambda: client.stream()["state"]["messages"] == 3)
    fg.equal(fg.total(read("--nats", server.url, "--until", f"{E}:15")), 15, "records")


def test_stream_of_a_gateway():
    """JSON and CBOR, much of it."""
    server, field = nats.Server(), fg.Script()
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {
            "json": {"type": "nats", "url": server.url, "create": True,
                     "batch": {"records": 3, "linger": "5ms"}},
            "cbor": {"type": "nats", "url": server.url, "create": True, "stream": "CBOR",
                     "subject": "cbor.{gateway}", "format": "senml+cbor",
                     "batch": {"records": 3, "linger": "5ms"}}}}).start()
    for n in range(2000):
        field.give("d/a", json.dumps({"seq": n, "text": "x" * 200, "on": True}))
    fg.wait_for("all to be kept", lambda: len(field.kept) == 2000)
    ledger = gateway.wait_drained("json", "cbor")
    for stream in ("FIELDGATE", "CBOR"):
        answer = read("--nats", server.url, "--stream", stream, "--until", fg.until(ledger))
        fg.equal((fg.total(answer), fg.total(answer, "duplicates")), (6000, 0), stream)
    gateway.stop()


def test_users_and_tls():
    fg.certificates()
    more = (f'tls {{ cert_file: "{os.path.abspath("server.crt")}", '
            f'key_file: "{os.path.abspath("server.key")}", ca_file: "{os.path.abspath("ca.crt")}", '
            'verify: true, timeout: 10 }\nauthorization { user: u, password: p }')
    server = nats.Server(more=more)
    client = server.client(connect={"user": "u", "pass": "p"},
                           tls=nats.tls_client("ca.crt", "client.crt", "client.key"))
    client.make_stream()
    client.publish("fieldgate.gw.records", pack(1, 5))
    fg.wait_for("it to be stored", lambda: client.stream()["state"]["messages"] == 1)
    url = f"tls://127.0.0.1:{server.port}"
    tls = ("--ca", "ca.crt", "--cert", "client.crt", "--key", "client.key")
    read("--nats", url, *tls, want=(3,))
    read("--nats", url, *tls, env={"FIELDGATE_USERNAME": "u", "FIELDGATE_PASSWORD": "x"}, want=(3,))
    read("--nats", url.replace("//", "//u:p@"), "--ca", "ca.crt", want=(3,))
    read("--nats", url.replace("//", "//u:p@"), *tls[2:], want=(3,))
    fg.equal(fg.total(read("--nats", url.replace("//", "//u:p@"), *tls)), 5, "records")
    env = {"FIELDGATE_USERNAME": "u", "FIELDGATE_PASSWORD": "p"}
    fg.equal(fg.total(read("--nats", url, *tls, env=env)), 5, "records")


def test_what_cannot_be_read():
    server = nats.Server()
    said = read("--nats", server.url, want=(3,)).stderr
    fg.check("stream not found" in said, said)
    said = read("--nats", "nats://127.0.0.1:1", want=(3,)).stderr
    fg.check("cannot connect" in said, said)
    said = read("--mqtt", "mqtt://127.0.0.1:1", want=(3,)).stderr
    fg.check("cannot connect" in said, said)
    for args in (("--mqtt", "http://x"), ("--nats", server.url, "--stream", "a b"),
                 ("--nats", server.url, "--subject", 'x"y')):
        read(*args, want=(3,))
    for args in (("--nats", "x", "--mqtt", "y"), ("--topic", "x"), ("--stream", "x"),
                 ("--mqtt", "x", "--wait", "soon"), ("--nats", server.url, "--cert", "y")):
        read(*args, want=(2,))
    for url in ("garbage", "", "http://a:1", "nats://", "nats://a:1,b", "nats://a:1,", "nats://u@"):
        said = read("--nats", url, want=(2,)).stderr
        fg.check("--nats takes nats://HOST:PORT" in said, said)


def test_topic():
    """What a session kept, once; what comes while it reads; TLS and users."""
    fg.certificates()
    with open("users", "w", encoding="utf-8") as file:
        file.write("u:p\n")
    subprocess.run(["mosquitto_passwd", "-U", "users"], check=True)
    if os.getuid() == 0:
        shutil.chown("users", "root")
    broker = fg.Broker(more=f"cafile {os.path.abspath('ca.crt')}\ncertfile "
                       f"{os.path.abspath('server.crt')}\nkeyfile {os.path.abspath('server.key')}\n"
                       f"allow_anonymous false\npassword_file {os.path.abspath('users')}\n",
                       local=os.path.abspath("local.sock"), start=False)
    with open(broker.name + ".conf", "r+", encoding="utf-8") as conf:
        text = conf.read()
        conf.seek(0)
        conf.write("per_listener_settings true\n" + text)
    broker.start()
    url = f"mqtts://u:p@127.0.0.1:{broker.port}"
    local = f"unix://{os.path.abspath('local.sock')}"
    args = ("--mqtt", url, "--ca", "ca.crt", "--client-id", "auditor", "--wait", "500ms")
    fg.equal(read(*args)["gateways"], {}, "nothing yet, but a session")
    writer = fg.Mqtt(os.path.abspath("local.sock"), "writer")
    writer.publish("fieldgate/gw/records", [pack(n * 5 + 1, n * 5 + 5) for n in range(100)])
    answer = read(*args, "--until", f"{E}:500")
    fg.equal(fg.total(answer), 500, "records")
    read(*args, "--until", f"{E}:500", want=(1,))    # they are the session's no more
    # what comes while it reads, on another topic, as another user; --until ends it
    reader = subprocess.Popen([fg.FIELDGATE, "audit", "--mqtt", local, "--topic", "other/#", "--wait",
                               "30s", "--until", f"{E}:50"], stdout=subprocess.PIPE)
    fg.wait_for("a subscription", lambda: " other/#" in broker.log())
    writer.publish("other/x", [pack(n * 5 + 1, n * 5 + 5) for n in range(10)])
    fg.equal(json.loads(reader.communicate(timeout=20)[0])["complete"], True, "complete")
    said = read("--mqtt", url.replace("u:p", "u:x"), "--ca", "ca.crt", want=(3,)).stderr
    fg.check("refuse" in said.lower() or "authori" in said.lower(), said)
    read("--mqtt", url, want=(3,))


if __name__ == "__main__":
    fg.need("nats-server", "openssl", "mosquitto", "mosquitto_passwd")
    fg.main(globals())
