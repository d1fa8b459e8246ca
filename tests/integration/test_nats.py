#!/usr/bin/python3
# run-first
"""Packs to a real nats-server: the stream holds each record once, whoever is killed and however packs
are cut afterwards; who may and who may not; commands; what a server refuses, or says that makes no
sense."""
import json
import os
import signal
import socket
import threading

import fg
import nats_world as nats


def gateway_for(field, bridge, env=None, name="gateway", **more):
    bridge = dict({"type": "nats", "batch": {"records": 10, "linger": "5ms"}, "timeout": "2s"},
                  **bridge)
    return fg.Gateway(dict({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"up": bridge}}, **more), name, env=env)


def feed(field, first, last, text='{{"seq":{}}}', topic="d/a", kept=True):
    for n in range(first, last):
        field.give(topic.format(n), text.format(n))
    if kept:
        wait_kept(field)


def wait_kept(field):
    fg.wait_for("all to be kept", lambda: len(field.kept) == len(field.given))


def check_once(gateway, client, count, in_order=True, killed=False):
    """The account, the numbers, and that the stream holds each record once. Where the gateway was
    killed, the field sends again what had not been acknowledged, so a reading may be two records."""
    ledger = gateway.wait_drained("up")
    account = ledger["bridges"]["up"]
    fg.equal((account["dead"], account["dropped"]), (0, {}), "dead and dropped")
    stored = client.stored()
    names = nats.ids(stored)
    fg.equal(len(set(names)), len(names), "ids")
    packs = [data for _, _, data in stored]
    answer = fg.audit(packs, fg.until(ledger))
    fg.equal(fg.total(answer, "duplicates"), 0, "records that came twice")
    fg.equal((fg.total(answer), fg.lost(answer)), (ledger["accepted"], {}), "records")
    values = fg.series(packs)["d/a"]
    fg.equal(len(set(values)), count, "different readings in the stream")
    if not killed:
        fg.equal(len(values), count, "readings in the stream")
    if in_order:
        values = fg.first_times(values)
        fg.equal(values, sorted(values), "the order")
    return ledger


def test_once():
    """Made by the gateway, with what its headers say; then killed with packs on their way, cut in
    another way, killed again."""
    server, field = nats.Server(), fg.Script()
    gateway = gateway_for(field, {"url": server.url, "create": True, "max_bytes": "64MiB",
                                  "max_age": "7d", "duplicates": "1m"}).start()
    feed(field, 0, 200)
    client = server.client()
    ledger = check_once(gateway, client, 200)
    config = client.stream()["config"]
    fg.equal((config["subjects"], config["max_bytes"], config["duplicate_window"],
              config["num_replicas"]), (["fieldgate.*.records"], 64 << 20, 60 * 10**9, 1), "config")
    subject, head, _ = client.stored()[0]
    fg.equal(subject, "fieldgate.gw.records", "subject")
    fg.check(f"Nats-Msg-Id: gw/up/{ledger['epoch']}:1-" in head, head)
    fg.check("Content-Type: application/senml+json" in head, head)
    count = 200
    for records in (7, 64, 1, 13, 100):
        feed(field, count, count + 150, kept=False)
        fg.wait_for("some to be stored", lambda: client.stream()["state"]["messages"])
        gateway.kill()
        gateway.config["bridges"]["up"]["batch"]["records"] = records
        gateway.write()
        gateway.start()
        count += 150
    wait_kept(field)
    check_once(gateway, client, count, killed=True)
    gateway.stop()


def test_acknowledgements_that_never_came():
    """The worst of it: the stream has everything that was in flight, in one packing, and the gateway
    does not know; its next life cuts in another way."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    relay = Relay(server.port)
    gateway = gateway_for(field, {"url": relay.url, "window": 8}).start()
    feed(field, 0, 50)
    gateway.wait_drained("up")
    relay.deaf = True
    feed(field, 50, 130)
    # 8 packs at most, of 10 at most; those that linger may be smaller
    fg.wait_for("the window to be full",
                lambda: sink(gateway)["in_flight"] == 8)
    fg.wait_for("it to be stored", lambda: stored_last(client) == last_in_flight(relay))
    waiting = gateway.account("up")["waiting"]
    fg.check(waiting >= 8, f"{waiting} wait")
    gateway.kill()
    relay.close()
    gateway.config["bridges"]["up"]["batch"]["records"] = 33
    gateway.config["bridges"]["up"]["url"] = server.url
    gateway.write()
    gateway.start()
    feed(field, 130, 200)
    check_once(gateway, client, 200)
    gateway.stop()


class Relay:
    """Between gateway and server; `deaf`: nothing comes back any more; `loses`: so many packs of those
    that come next get lost on the way."""

    def __init__(self, port):
        self.to, self.deaf, self.open, self.loses = port, False, [], 0
        self.sent = b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.server.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self.open += [near, far]
            threading.Thread(target=self.pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, False), daemon=True).start()

    def pump(self, one, other, up):
        rest = b""
        try:
            while data := one.recv(65536):
                if up:
                    data, rest = self.frames(rest + data)
                    self.sent += data
                if up or not self.deaf:
                    other.sendall(data)
        except OSError:
            pass
        for sock in (one, other):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def frames(self, data):
        """What of it goes on, and what is not whole yet."""
        out, at = b"", 0
        while (end := data.find(b"\r\n", at)) >= 0:
            words = data[at:end].split()
            size = int(words[-1]) + 2 if words[0] in (b"PUB", b"HPUB") else 0
            end += 2 + size
            if end > len(data):
                break
            lose = self.loses and words[1].endswith(b".records")
            self.loses -= bool(lose)
            out += b"" if lose else data[at:end]
            at = end
        return out, data[at:]

    def cut(self):
        for sock in self.open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()
        self.cut()


def last_in_flight(relay):
    return relay.sent.rsplit(b"Nats-Msg-Id: ", 1)[1].split(b"\r\n")[0].decode()


def stored_last(client):
    names = nats.ids(client.stored())
    return names[-1] if names else None


def test_server_killed():
    """kill -9 of the server under load, several times: the same packs come again with the same ids,
    and are known."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    gateway = gateway_for(field, {"url": ["nats://127.0.0.1:1", server.url]}).start()
    count = 0
    for _ in range(4):
        feed(field, count, count + 200, kept=False)
        fg.wait_for("the stream to grow",
                    lambda: client.stream()["state"]["messages"] > count / 20)
        server.kill()
        feed(field, count + 200, count + 300)
        count += 300
        server.start()
        client = server.client()
        gateway.wait_drained("up")
    check_once(gateway, client, count)
    # the process has not been told anew what it had, only what it did not know
    gateway.stop()


def test_relay_cut():
    """Connections that end while acknowledgements are on their way back."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream(duplicate_window=10**9)
    relay = Relay(server.port)
    gateway = gateway_for(field, {"url": relay.url}).start()
    for n in range(6):
        relay.deaf = True
        feed(field, n * 60, n * 60 + 60)
        fg.wait_for("all that is in flight to be stored",
                    lambda: relay.sent.count(b"Nats-Msg-Id: ") > 0
                    and stored_last(client) == last_in_flight(relay))
        relay.deaf = False
        relay.cut()
        gateway.wait_drained("up")
    check_once(gateway, client, 360)
    gateway.stop()


def test_first_pack_says_behind_what():
    """What the stream has got since it was asked, and before the first pack of a connection: it is
    refused, the stream is asked anew, and it comes once."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    relay = Relay(server.port)
    gateway = gateway_for(field, {"url": relay.url}).start()
    gateway_up(gateway)
    answer = client.request("fieldgate.gw.records", "[]")[3]
    fg.equal(json.loads(answer), {"stream": "FIELDGATE", "seq": 1}, "stored by hand")
    feed(field, 0, 60)
    gateway.wait_drained("up")
    fg.check("the stream holds more than it has told" in gateway.said(), "it was not refused")
    packs = relay.sent.split(b"HPUB fieldgate.gw.records ")[1:]
    after = [b"Nats-Expected-Last-Subject-Sequence: " in pack for pack in packs]
    # of each connection the first one, and no other
    fg.equal(after, [True, True] + [False] * (len(packs) - 2), "packs that say so")
    fg.check(b"Last-Subject-Sequence: 0\r\n" in packs[0], "behind none")
    fg.check(b"Last-Subject-Sequence: 1\r\n" in packs[1], "behind the one by hand")
    stored = client.stored()
    fg.equal(fg.series([data for _, _, data in stored[1:]])["d/a"], list(range(60)), "readings")
    gateway.stop()


def test_packs_lost_on_the_way():
    """What comes behind a pack that got lost is stored, and says nothing of that one: with another
    process, and other packs, each comes once."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    relay = Relay(server.port)
    gateway = gateway_for(field, {"url": relay.url, "timeout": "30s"}).start()
    feed(field, 0, 20)
    gateway.wait_drained("up")
    relay.deaf, relay.loses = True, 2
    feed(field, 20, 140)
    fg.wait_for("what is in flight to be stored",
                lambda: relay.sent.count(b"Nats-Msg-Id: ") > 5
                and stored_last(client) == last_in_flight(relay))
    fg.equal(relay.loses, 0, "packs lost")
    gateway.kill()
    relay.close()
    gateway.config["bridges"]["up"].update(url=server.url, batch={"records": 9, "linger": "5ms"})
    gateway.write()
    gateway.start()
    feed(field, 140, 200)
    check_once(gateway, client, 200, in_order=False)
    gateway.stop()


def test_duplicate_window_too_short():
    """What was not acknowledged for longer than the stream remembers is asked for, not sent."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream(duplicate_window=100 * 10**6)
    relay = Relay(server.port)
    gateway = gateway_for(field, {"url": relay.url, "timeout": "300ms"}).start()
    gateway_up(gateway)
    relay.deaf = True
    feed(field, 0, 60)
    fg.wait_for("a fault", lambda: gateway.said().count('msg="fault"') >= 2)
    relay.deaf = False
    relay.cut()
    check_once(gateway, client, 60)
    gateway.stop()


def sink(gateway):
    return gateway.status()["links"]["up"]


def gateway_up(gateway):
    fg.wait_for("up", lambda: sink(gateway)["state"] == "up")


def test_live_first():
    """An order in which what is stored has gaps: they are filled, and nothing comes twice."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    gateway = gateway_for(field, {"url": server.url, "order": "live-first", "window": 4}).start()
    feed(field, 0, 20)
    gateway.wait_drained("up")
    for n in range(3):
        at = 20 + n * 440
        server.kill()
        feed(field, at, at + 400)
        server.start()
        client = server.client()
        feed(field, at + 400, at + 440)
        fg.wait_for("some of it", lambda: gateway.account("up")["waiting"] < 430)
        gateway.kill()
        gateway.config["bridges"]["up"]["batch"]["records"] = 7 + n * 20
        gateway.write()
        gateway.start()
    check_once(gateway, client, 20 + 3 * 440, in_order=False, killed=True)
    gateway.stop()


def test_many_write_to_one_stream():
    """What is ours stands far apart; foreign and odd messages on our subject are nobody's."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    gateway = gateway_for(field, {"url": server.url, "window": 4})
    gateway.start()
    feed(field, 0, 60)
    gateway.wait_drained("up")
    for n in range(700):
        client.publish(f"fieldgate.other{n % 5}.records", "[]")
    fg.equal(client.request("fieldgate.gw.records", "by hand")[3][:10], b'{"stream":', "stored")
    relay = Relay(server.port)
    gateway.config["bridges"]["up"]["url"] = relay.url
    gateway.reload()
    gateway_up(gateway)
    relay.deaf = True
    feed(field, 60, 120)
    fg.wait_for("it to be stored", lambda: relay.sent.count(b"Nats-Msg-Id: ") > 0
                and stored_last(client) == last_in_flight(relay))
    gateway.kill()
    relay.close()
    for n in range(700):
        client.publish(f"fieldgate.other{n % 5}.records", "[]")
    gateway.config["bridges"]["up"].update(url=server.url, batch={"records": 3, "linger": "5ms"})
    gateway.write()
    gateway.start()
    ledger = gateway.wait_drained("up")
    packs = [d for s, _, d in client.stored() if s == "fieldgate.gw.records" and d != "by hand"]
    answer = fg.audit(packs, fg.until(ledger))
    fg.equal(fg.total(answer, "duplicates"), 0, "records that came twice")
    gateway.stop()


def test_purged_and_made_anew():
    """The stream is emptied, and made anew, under the gateway: it goes on."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    gateway = gateway_for(field, {"url": server.url, "create": True, "timeout": "500ms"}).start()
    feed(field, 0, 60)
    gateway.wait_drained("up")
    client.api("STREAM.PURGE.FIELDGATE")
    feed(field, 60, 100)
    gateway.wait_drained("up")
    fg.equal(fg.series(client.packs())["d/a"], list(range(60, 100)), "readings behind the purge")
    client.api("STREAM.DELETE.FIELDGATE")
    feed(field, 100, 130)
    gateway.wait_drained("up")
    fg.equal(fg.series(client.packs())["d/a"], list(range(100, 130)), "readings of the new one")
    gateway.stop()


def test_streams_that_do_not_fit():
    """No JetStream, no stream, one of another subject, one that is another's: a fault that says so,
    and nothing is lost."""
    plain, field = nats.Server("plain", jetstream=False), fg.Script()
    server = nats.Server()
    client = server.client()
    client.make_stream("OTHER", ["other.>"])
    client.make_stream("TAKEN", ["fieldgate.*.records"])
    gateway = gateway_for(field, {"url": plain.url, "timeout": "500ms"}).start()
    feed(field, 0, 30)
    up = gateway.config["bridges"]["up"]
    fg.wait_for("no JetStream", lambda: "nobody answers for JetStream" in gateway.said())
    for stream, text in (("NONE", "there is no stream NONE"),
                         ("OTHER", "stream OTHER does not take the subject fieldgate.gw.records")):
        up.update(url=server.url, stream=stream)
        gateway.reload()
        fg.wait_for(text, lambda t=text: t in gateway.said())
    # two streams may not take one subject: the server refuses to make it
    up.update(stream="MINE", create=True)
    gateway.reload()
    fg.wait_for("overlap", lambda: "subjects overlap with an existing stream" in gateway.said())
    up.update(stream="TAKEN")
    gateway.reload()
    ledger = gateway.wait_drained("up")
    fg.audit(client.packs("TAKEN"), fg.until(ledger))
    gateway.stop()


def test_too_large_and_full():
    """What the server or the stream finds too large goes in halves, then to the dead letters; a stream
    that is full is waited for."""
    server, field = nats.Server(more="max_payload: 4096"), fg.Script()
    client = server.client()
    client.make_stream(max_msg_size=2048)
    gateway = gateway_for(field, {"url": server.url,
                                  "batch": {"records": 200, "linger": "50ms"}}).start()
    feed(field, 0, 150, '{{"seq":{}}}')
    field.give("d/big", json.dumps({"text": "x" * 3000}))
    field.give("d/bigger", json.dumps({"text": "y" * 6000}))
    feed(field, 150, 300)
    ledger = gateway.wait_drained("up")
    fg.equal(ledger["bridges"]["up"]["dead"], 2, "dead")
    answer = fg.audit(client.packs(), fg.until(ledger), want=(1,))
    fg.equal(fg.lost(answer), {"refused": 2}, "lost")
    fg.equal(sorted(fg.series(client.packs())["d/a"]), list(range(300)), "readings")
    letters = fg.fieldgate("dead", "-c", gateway.conf).out
    fg.check("larger than the server takes" in letters and "message size exceeds" in letters, letters)
    config = client.stream()["config"]
    config.update(max_msgs=client.stream()["state"]["messages"], discard="new")
    fg.check("error" not in client.api("STREAM.UPDATE.FIELDGATE", config), "update")
    feed(field, 300, 400)
    fg.wait_for("it to be full", lambda: 'msg="not now" why="maximum messages' in gateway.said())
    config.update(max_msgs=-1)
    client.api("STREAM.UPDATE.FIELDGATE", config)
    gateway.wait_drained("up")
    fg.equal(sorted(fg.series(client.packs())["d/a"]), list(range(400)), "readings")
    gateway.stop()


def secrets(**values):
    os.makedirs("secrets", exist_ok=True)
    for name, value in values.items():
        with open(f"secrets/{name}", "w", encoding="utf-8") as file:
            file.write(value)
    return {"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")}


def authorised(way, more, good, bad, env, connect=None):
    """One way to say who one is: refused with the wrong one, then taken with the right one."""
    server, field = nats.Server(way, more), fg.Script()
    gateway = gateway_for(field, dict({"url": server.url, "create": True}, **bad), env, way).start()
    feed(field, 0, 30)
    fg.wait_for("a refusal", lambda: "uthorization" in gateway.said()
                or "uthentication" in gateway.said())
    up = gateway.config["bridges"]["up"]
    for key in bad:
        del up[key]
    up.update(good)
    gateway.reload()
    ledger = gateway.wait_drained("up")
    fg.equal(ledger["bridges"]["up"]["acknowledged"], 30, "acknowledged")
    if connect:
        fg.audit(server.client(connect=connect).packs(), fg.until(ledger))
    gateway.stop()
    server.kill()


def test_users():
    key, other = nats.Key("U"), nats.Key("U")
    env = secrets(pw="geheim", wrong="wrong", token="t0ken", seed=key.secret, other=other.secret)
    authorised('user', 'authorization { user: gw, password: geheim }',
               {"username": "gw", "password": {"secret": "pw"}},
               {"username": "gw", "password": {"secret": "wrong"}}, env,
               {"user": "gw", "pass": "geheim"})
    authorised('token', 'authorization { token: "t0ken" }', {"token": {"secret": "token"}},
               {"token": {"secret": "wrong"}}, env, {"auth_token": "t0ken"})
    authorised("nkey", f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}",
               {"nkey": {"secret": "seed"}}, {"nkey": {"secret": "other"}}, env)
    lines = nats.credentials("good.creds")
    nats.credentials("bad.creds")
    authorised('creds', lines, {"credentials": os.path.abspath("good.creds")},
               {"credentials": os.path.abspath("bad.creds")}, env)


def test_rights():
    """A user who may not publish there: a fault that says so, and it waits."""
    more = ('authorization { users: [ { user: gw, password: a, permissions: { publish: '
            '["$JS.API.>", "fieldgate.gw.outcome"], subscribe: "_INBOX.>" } }, '
            '{ user: root, password: b } ] }')
    server, field = nats.Server(more=more), fg.Script()
    root = server.client(connect={"user": "root", "pass": "b"})
    root.make_stream()
    gateway = gateway_for(field, {"url": server.url, "username": "gw",
                                  "password": {"secret": "a"}}, env=secrets(a="a", b="b")).start()
    feed(field, 0, 30)
    fg.wait_for("the reason", lambda: "Permissions Violation for Publish to 'fieldgate.gw.records'"
                in gateway.said())
    fg.equal(gateway.account("up")["waiting"], 30, "waiting")
    gateway.config["bridges"]["up"].update(username="root", password={"secret": "b"})
    gateway.reload()
    check_once(gateway, root, 30)
    gateway.stop()


def test_credentials_that_come_later():
    """A file that is missing is a doubt, and a fault of this bridge until it is there."""
    lines = nats.credentials("later.creds")
    os.rename("later.creds", "away")
    server, field = nats.Server(more=lines), fg.Script()
    gateway = gateway_for(field, {"url": server.url, "create": True,
                                  "credentials": os.path.abspath("later.creds")})
    gateway.start()
    said = fg.fieldgate("check", "-c", gateway.conf)
    fg.check("later.creds: No such file" in said.out + said.err, said)
    feed(field, 0, 30)
    fg.wait_for("a fault", lambda: 'msg="fault"' in gateway.said())
    fg.equal(gateway.account("up")["waiting"], 30, "waiting")
    os.rename("away", "later.creds")
    ledger = gateway.wait_drained("up")
    fg.equal(ledger["bridges"]["up"]["acknowledged"], 30, "acknowledged")
    gateway.stop()


def test_reply_subjects_that_are_not_permitted():
    """Who names one, whatever it looks like, does not take the bridge down."""
    more = ('authorization { users: [ { user: gw, password: a, permissions: { publish: '
            '["$JS.API.>", "fieldgate.>", "good.>"] } }, { user: root, password: b } ] }')
    server, field = nats.Server(more=more), fg.Script()
    root = server.client(connect={"user": "root", "pass": "b"})
    gateway = gateway_for(field, {"url": server.url, "create": True, "username": "gw",
                                  "password": {"secret": "a"}, "commands": True},
                          env=secrets(a="a")).start()
    gateway_up(gateway)
    good = root.subscribe("good.>")
    for n, evil in enumerate(("evil.ubscription", "_INBOX.x", "x.$JS.x", "x.fieldgate.gw.records")):
        root.publish("fieldgate.gw.command.a.b", "1", reply=evil)
        fg.wait_for(evil, lambda e=evil: f"Permissions Violation for Publish to '{e}'" in gateway.said())
        root.publish("fieldgate.gw.command.a.b", "1", reply=f"good.{n}")
        fg.equal(good.get(timeout=fg.DEADLINE_S)[0], f"good.{n}", "the next one")
    fg.check('msg="fault"' not in gateway.said(), "the bridge is down")
    feed(field, 0, 30)
    check_once(gateway, root, 30)
    gateway.stop()


def test_tls():
    """Servers that prove nothing, or somebody else's name, are refused; one that wants to know us
    refuses us, until we have a certificate."""
    fg.certificates()
    files = {k: os.path.abspath(v) for k, v in (("ca", "ca.crt"), ("cert", "client.crt"),
                                                ("key", "client.key"))}
    more = (f'tls {{ cert_file: "{os.path.abspath("server.crt")}", '
            f'key_file: "{os.path.abspath("server.key")}", ca_file: "{files["ca"]}", '
            'verify: true, timeout: 10 }')
    server, field = nats.Server(more=more), fg.Script()
    url = server.url.replace("nats://", "tls://")
    gateway = gateway_for(field, {"url": url, "create": True, "timeout": "3s"}).start()
    feed(field, 0, 30)
    up = gateway.config["bridges"]["up"]

    def refused(text, tls):
        up["tls"] = tls
        gateway.reload()
        before = gateway.said().count('msg="fault"')
        fg.wait_for(text, lambda: text in gateway.said()
                    and gateway.said().count('msg="fault"') > before)
        fg.equal(gateway.account("up")["waiting"], 30, "waiting")

    fg.wait_for("one unknown", lambda: "self-signed certificate" in gateway.said()
                or "unable to get local issuer" in gateway.said())
    refused("ostname mismatch", dict(files, server_name="elsewhere.example"))
    refused("SSL", {"ca": files["ca"]})
    up["tls"] = files
    gateway.reload()
    tls = nats.tls_client("ca.crt", "client.crt", "client.key")
    check_once(gateway, server.client(tls=tls), 30)
    up["tls"] = dict(files, server_name="localhost")
    gateway.reload()
    feed(field, 30, 60)
    gateway.wait_drained("up")
    # the system's own list of those to trust, if none is named
    gateway.stop()
    del up["tls"]
    up["tls"] = {"cert": files["cert"], "key": files["key"]}
    gateway.env["SSL_CERT_FILE"] = files["ca"]
    gateway.write()
    gateway.start()
    feed(field, 60, 90)
    check_once(gateway, server.client(tls=tls), 90)
    # nats:// to a server that wants TLS, tls:// to one that has none
    up.pop("tls")
    up["url"] = server.url
    gateway.reload()
    fg.wait_for("a fault", lambda: gateway.said().count('msg="fault"') > 1)
    gateway.stop()


class Hung:
    """Accepts, says INFO (and that TLS is wanted), and then nothing."""

    def __init__(self, info):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port, self.open = self.server.getsockname()[1], []
        threading.Thread(target=self.accept, args=(info,), daemon=True).start()

    def accept(self, info):
        while True:
            try:
                sock, _ = self.server.accept()
                self.open.append(sock)
                sock.sendall(info)
            except OSError:
                return


INFO = b'INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576%s}\r\n'


def test_servers_that_hang():
    """Servers that accept and say nothing, or begin TLS and never end it, do not hold up the loop, nor
    the next server, nor the end."""
    fg.certificates()
    hung = [Hung(b""), Hung(INFO % b',"tls_required":true'), Hung(INFO % b"")]
    server, field = nats.Server(), fg.Script()
    urls = [f"nats://127.0.0.1:{h.port}" for h in hung] + [server.url]
    gateway = gateway_for(field, {"url": urls, "create": True, "timeout": "300ms"}).start()
    feed(field, 0, 60)
    client = server.client()
    check_once(gateway, client, 60)
    gateway.config["bridges"]["up"].update(
        url=f"tls://127.0.0.1:{hung[1].port}", tls={"ca": os.path.abspath("ca.crt")})
    gateway.reload()
    fg.wait_for("connections", lambda: len(hung[1].open) >= 3)
    feed(field, 60, 90)
    gateway.config["bridges"]["up"]["timeout"] = "60s"
    before = len(hung[1].open)
    gateway.reload()
    fg.wait_for("one more", lambda: len(hung[1].open) > before)
    gateway.stop()    # and does not wait for that minute


def test_hung_server():
    """SIGSTOP of the server: what it had taken is known again when it goes on."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream()
    gateway = gateway_for(field, {"url": server.url, "timeout": "500ms"}).start()
    feed(field, 0, 100)
    gateway_up(gateway)
    server.signal(signal.SIGSTOP)
    feed(field, 100, 300)
    fg.wait_for("a fault", lambda: "does not answer" in gateway.said())
    server.signal(signal.SIGCONT)
    check_once(gateway, client, 300)
    gateway.stop()


class Liar:
    """A server of the tests' own: JetStream's answers are what `say(subject, body)` gives: bytes, a
    dict, or None for none."""

    def __init__(self, say):
        self.say, self.asked = say, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = "nats://127.0.0.1:%d" % self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        file, sid = sock.makefile("rb"), b"1"
        try:
            sock.sendall(INFO % b"")
            for line in file:
                parts = line.split()
                if parts[0] == b"PING":
                    sock.sendall(b"PONG\r\n")
                elif parts[0] == b"SUB" and parts[1].startswith(b"_INBOX"):
                    sid = parts[2]
                elif parts[0] in (b"PUB", b"HPUB"):
                    body = file.read(int(parts[-1]) + 2)[:-2]
                    self.asked.append((parts[1].decode(), body))
                    said = self.say(parts[1].decode(), body)
                    if isinstance(said, dict):
                        said = json.dumps(said).encode()
                    if said is not None:
                        sock.sendall(b"MSG %s %s %d\r\n%s\r\n" % (parts[2], sid, len(said), said))
        except (OSError, ValueError, IndexError):
            pass
        sock.close()


STREAM = {"config": {"subjects": ["fieldgate.*.records"], "duplicate_window": 10**11},
          "state": {"first_seq": 1, "last_seq": 9}}
NONE = {"error": {"code": 404, "err_code": 10037, "description": "no message found"}}


def test_nonsense():
    """Whatever a server answers to whatever it is asked: faults, nothing is lost, and nothing counts
    as acknowledged."""
    good = {"INFO": STREAM, "GET": NONE, "records": {"stream": "FIELDGATE", "seq": 7}}
    wrong = {
        "INFO": [b"", b"nonsense", b"[]", {}, {"config": {}}, b"\xff\xff", b"{" * 2000,
                 {"error": 7}, {"error": {"err_code": "x"}}, {"error": {"code": 10**15}},
                 {"config": {"duplicate_window": -1}, "state": {}}],
        "GET": [b"", b"null", {}, {"message": 1}, {"message": {"seq": 0}},
                {"message": {"seq": "x", "hdrs": "!!!"}}, {"message": {"seq": 5, "hdrs": "&&&&"}}],
        "records": [b"", b"0", b"+ACK", {}, {"stream": "OTHER", "seq": 7},
                    {"stream": "FIELDGATE"}, {"stream": "FIELDGATE", "seq": 0},
                    {"error": {"code": 400, "err_code": 10060, "description": "x" * 5000}},
                    {"error": {"code": 400, "err_code": 10060, "description": '"\n\x07'}}],
    }
    field = fg.Script()
    state = {"at": None, "wrong": None}

    def say(subject, _):
        for part, answer in good.items():
            if part in subject:
                return state["wrong"] if state["at"] == part else answer
        return None

    liar = Liar(say)
    gateway = gateway_for(field, {"url": liar.url, "timeout": "2s"}).start()
    count = 0
    for part, answers in wrong.items():
        for answer in answers:
            state.update(at=part, wrong=answer)
            # a connection that is up would not ask
            gateway.config["bridges"]["up"]["timeout"] = f"{2001 + count}ms"
            gateway.reload()
            feed(field, count, count + 1)
            count += 1
            fg.wait_for(f"a fault by {part}: {str(answer)[:60]}",
                        lambda: sink(gateway)["faults"] > 0)
            fg.equal(gateway.account("up")["acknowledged"], 0, f"acknowledged by {answer}")
    state["at"] = None
    ledger = gateway.wait_drained("up")
    fg.equal(ledger["bridges"]["up"]["acknowledged"], count, "acknowledged")
    gateway.stop()


WRITABLE = {"lamp": {"match": "d/{device}", "format": "json",
                     "points": {"brightness": {"from": "/seq"}},
                     "write": {"brightness": {"to": "set/{device}"}}}}


def test_commands():
    """By request and reply; by subject and by name; what has no reply subject, or a bad one, ends on
    the outcome subject; an outcome that ends without a connection waits."""
    server, field = nats.Server(), fg.Script()
    gateway = gateway_for(field, {"url": server.url, "create": True, "commands": True},
                          profiles=WRITABLE, gateway={"id": "gw.1"}).start()
    client = server.client()
    outcomes = client.subscribe("fieldgate.gw_x2E_1.outcome")
    other = client.subscribe("fieldgate.other.records")
    feed(field, 0, 3, topic="d/lamp.1")
    gateway_up(gateway)
    base = "fieldgate.gw_x2E_1.command"

    def ask(subject, body):
        return json.loads(client.request(subject, json.dumps(body).encode())[3])

    said = ask(base + ".lamp_x2E_1.brightness", {"id": "a1", "value": 5})
    fg.equal(said, {"id": "a1", "device": "lamp.1", "point": "brightness", "outcome": "done"}, "done")
    said = ask(base, {"device": "lamp.1", "point": "brightness", "value": 6, "id": 7})
    fg.equal((said["id"], said["outcome"]), (7, "done"), "by name")
    # carried out once; whoever asks again has a reply of its own to wait for
    told = [m for m in field.taken if m["topic"].startswith("set/")]
    again = ask(base + ".lamp_x2E_1.brightness", {"id": 7, "value": 6})
    fg.equal((again["id"], again["outcome"]), (7, "done"), "the same id once more")
    fg.equal([m for m in field.taken if m["topic"].startswith("set/")], told, "what the lamp was told")
    for subject, body in ((base + ".lamp_x2E_1.nothing", 1), (base, {"value": 1}), (base, 5), (base + ".x", [1])):
        fg.equal(ask(subject, body)["outcome"], "refused", f"{subject} {body}")
    client.publish(base + ".lamp_x2E_1.brightness", "7")
    fg.equal(json.loads(outcomes.get(timeout=40)[3])["outcome"], "done", "without a reply subject")
    client.publish(base + ".lamp_x2E_1.brightness", "8", reply="fieldgate.other.records")
    fg.equal(json.loads(outcomes.get(timeout=40)[3])["outcome"], "done", "with a bad one")
    client.publish(base + ".lamp_x2E_1.brightness", "8", reply="$JS.API.STREAM.DELETE.FIELDGATE")
    fg.equal(json.loads(outcomes.get(timeout=40)[3])["outcome"], "done", "with a worse one")
    fg.check(other.empty(), "nothing on somebody's subject")
    fg.check("error" not in client.stream(), "the stream is still there")
    gateway.wait_drained("up")
    gateway.stop()


def test_replies_are_not_stored():
    """With a subject and a stream of one's own: a reply subject that the stream takes is none."""
    server, field = nats.Server(), fg.Script()
    client = server.client()
    client.make_stream(subjects=["plant.packs", "plant.*.more"])
    outcomes = client.subscribe("fieldgate.gw.outcome")
    gateway = gateway_for(field, {"url": server.url, "subject": "plant.packs",
                                  "commands": True}).start()
    gateway_up(gateway)
    for reply in ("plant.packs", "plant.x.more"):
        client.publish("fieldgate.gw.command.a.b", "1", reply=reply)
        fg.equal(json.loads(outcomes.get(timeout=fg.DEADLINE_S)[3])["outcome"], "refused", reply)
    feed(field, 0, 20)
    check_once(gateway, client, 20)
    gateway.stop()


def test_commands_in_a_burst():
    """More at once than any queue holds: each is answered once, and records go on meanwhile."""
    server, field = nats.Server(), fg.Script()
    gateway = gateway_for(field, {"url": server.url, "create": True, "commands": True},
                          profiles=WRITABLE).start()
    client = server.client()
    feed(field, 0, 3, topic="d/lamp")
    gateway_up(gateway)
    for count in (400, 3000):
        box = client.subscribe(f"answers{count}")
        for n in range(count):
            # both kinds of subject: what is refused at once, and what has to be read for it
            name = {"device": "lamp", "point": "nothing"} if n % 2 else {}
            subject = "fieldgate.gw.command" + ("" if n % 2 else ".lamp.nothing")
            client.publish(subject, json.dumps(dict(name, id=count + n, value=1)),
                           reply=f"answers{count}")
        feed(field, count, count + 100)
        said = [json.loads(box.get(timeout=fg.DEADLINE_S)[3]) for _ in range(count)]
        fg.equal({s["outcome"] for s in said}, {"refused"}, "outcomes")
        fg.equal(sorted(s["id"] for s in said), list(range(count, 2 * count)), "each once")
    gateway.wait_drained("up")
    fg.check("given up" not in gateway.said(), "an outcome was given up")
    gateway.stop()


if __name__ == "__main__":
    fg.need("nats-server", "openssl")
    fg.main(globals())
