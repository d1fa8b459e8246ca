#!/usr/bin/python3
"""The console: every path and status of docs/api/openapi.json, metrics that promtool takes, live
events, sessions, and what a reload does to it."""
import gzip
import json
import os
import re
import socket
import subprocess
import sys

import console_world as world
import fg
from console_world import ask, bearer

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)

with open(f"{fg.SOURCE_DIR}/docs/api/openapi.json", encoding="utf-8") as openapi:
    OPENAPI = json.load(openapi)
API = "/api/v1"
VALID = {"bridges": {"x": {"type": "file", "path": "/tmp/x.jsonl"}}}
FOREIGN = {"Origin": "https://elsewhere.example"}


class Watch:
    """Asks, and holds every answer against the file; notes which of its answers were seen."""

    def __init__(self, port):
        self.port, self.seen = port, set()

    def __call__(self, method, target, want, body=None, headers=None):
        answer = ask(self.port, method, target, body, headers)
        path = target.split("?")[0]
        self.note(method, path, answer.status, want, answer)
        return answer

    def note(self, method, path, status, want, answer=None):
        fg.equal(status, want, f"{method} {path}: {answer.text[:300] if answer else ''}")
        told = OPENAPI["paths"][path][method.lower()]["responses"]
        fg.check(str(status) in told, f"{method} {path}: {status} is not in the file")
        self.seen.add((method, path, str(status)))
        if not answer:
            return
        (kind, content), = told[str(status)]["content"].items()
        fg.equal(answer.headers["Content-Type"].split(";")[0], kind, f"type of {path}")
        if kind == "application/json":
            schema = dict(content["schema"], components=OPENAPI["components"])
            jsonschema.validate(answer.json, schema,
                                cls=jsonschema.Draft202012Validator)

    def rest(self):
        listed = {(method.upper(), path, status) for path, item in OPENAPI["paths"].items()
                  for method, operation in item.items() for status in operation["responses"]}
        return sorted(listed - self.seen)


def post_lamp(gateway, text=b'{"power":"on","level":7.5,"name":"hall"}'):
    peer = fg.Coap(gateway.coap)
    peer.post("lamps/hall", text, 50)
    return peer


def everybody_may_not(watch, signed):
    """No token, the wrong one, and another site: for all paths that ask for one."""
    for path, item in OPENAPI["paths"].items():
        for method, operation in item.items():
            if operation.get("security") == []:
                continue
            body = {} if method == "post" else None
            watch(method.upper(), path, 401, body)
            watch(method.upper(), path, 401, body, bearer("not the token that it is"))
            watch(method.upper(), path, 403, body, dict(signed, **FOREIGN))
            watch(method.upper(), path, 403, body, dict(signed, **{"Sec-Fetch-Site": "cross-site"}))
            if method == "post":
                watch("POST", path, 400, body, dict(signed, **{"Content-Type": "text/plain"}))
                watch("POST", path, 413, "[" + "0," * 150000 + "0]", signed)


def look(watch, signed):
    for path in ("/metrics", "openapi.json", "status", "ledger", "devices?limit=1", "spool",
                 "device?id=hall", "dead?bridge=local", "config"):
        watch("GET", path if path[0] == "/" else f"{API}/{path}", 200, headers=signed)
    watch("GET", f"{API}/devices?search=a&search=b", 400, headers=signed)
    for query, name in (("devices?from=x", "from"), ("devices?limit=abc", "limit"),
                        ("devices?limit=-1", "limit"), ("devices?limit=0", "limit"),
                        ("devices?limit=", "limit"), ("devices?limit=1001", "limit"),
                        ("devices?limit=99999999999999999999", "limit"),
                        ("devices?state=nope", "state"), ("dead", "bridge"),
                        ("dead?bridge=local&limit=1e3", "limit")):
        said = watch("GET", f"{API}/{query}", 400, headers=signed).json["error"]
        fg.check(said.startswith(f'"{name}": expected '), f"{query}: {said}")
    watch("GET", f"{API}/device?id=nobody", 404, headers=signed)
    watch("GET", f"{API}/device?id=%zz", 400, headers=signed)
    watch("GET", f"{API}/dead?bridge=../../etc/passwd", 404, headers=signed)
    for path in ("/healthz", "/readyz"):
        watch("GET", path, 200)


def change(watch, signed, gateway):
    watch("POST", f"{API}/command", 200, {"device": "hall", "point": "nothing", "value": 1},
          signed)
    watch("POST", f"{API}/command", 400, {"device": "hall"}, signed)
    for path in ("requeue", "discard"):
        watch("POST", f"{API}/dead/{path}", 200, {"bridge": "local"}, signed)
        watch("POST", f"{API}/dead/{path}", 404, {"bridge": "nobody"}, signed)
        watch("POST", f"{API}/dead/{path}", 400, {}, signed)
    watch("POST", f"{API}/config/check", 200, VALID, signed)
    watch("POST", f"{API}/config/apply", 200, "{", signed)
    watch("POST", f"{API}/reload", 200, "", signed)
    reloads(watch, signed, gateway)


def reloads(watch, signed, gateway):
    """One a second: all beyond that are refused, and nothing is done for them."""
    before, taken, refused = gateway.status()["generation"], 0, 0

    def reload():
        answer = ask(watch.port, "POST", f"{API}/reload", "", signed)
        watch.note("POST", f"{API}/reload", answer.status,
                   answer.status if answer.status in (422, 429) else 200, answer)
        if answer.status == 429:
            fg.equal(answer.headers["Retry-After"], "1", "when to ask again")
        return answer.status

    while taken < 2 or refused < 5:
        status = reload()
        taken, refused = taken + (status == 200), refused + (status == 429)
        fg.check(taken <= 50, f"{taken} reloads at once, {refused} refused")
    fg.equal(gateway.status()["generation"], before + taken, "reloads that were done")
    with open(gateway.conf, "a", encoding="utf-8") as file:
        file.write("}")
    fg.wait_for("a reload that is taken, and refused", lambda: reload() == 422)
    gateway.write()


def apply_to_the_console(watch, signed, gateway):
    """It ends the console that it came by: no outcome, but a word of where it can be seen."""
    config = dict(gateway.config, console=dict(gateway.config["console"], viewers=2))
    answer = watch("POST", f"{API}/config/apply", 503, config, signed)
    fg.check("look at /api/v1/config" in answer.json["error"], answer.text)

    def told():
        try:
            return ask(watch.port, "GET", f"{API}/config", headers=signed).json
        except ConnectionError:
            return None

    fg.wait_for("it is in force", lambda: (now := told()) and now["in_force"] and
                now["effective"]["console"]["viewers"] == 2)


def sessions(watch, signed):
    watch("POST", f"{API}/session", 401, {"token": "not the token that it is"})
    watch("POST", f"{API}/session", 400, {"tokens": 1})
    watch("POST", f"{API}/session", 403, {"token": world.TOKEN}, FOREIGN)
    watch("POST", f"{API}/session", 413, {"token": "x" * 20000})
    answer = watch("POST", f"{API}/session", 200, {"token": world.TOKEN})
    cookie = answer.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
        fg.check(word in cookie, cookie)
    fg.check(world.TOKEN not in cookie, cookie)
    held = {"Cookie": "other=1; " + cookie.split(";")[0]}
    watch("GET", f"{API}/status", 200, headers=held)
    watch("DELETE", f"{API}/session", 403, headers=dict(held, **FOREIGN))
    watch("DELETE", f"{API}/session", 200, headers=held)
    watch("GET", f"{API}/status", 401, headers=held)
    watch("GET", f"{API}/status", 200, headers=signed)


def streams(watch, signed):
    watch("GET", f"{API}/stream?device=%23/x", 400, headers=signed)
    viewer = world.Viewer(watch.port, headers=signed)
    watch.note("GET", f"{API}/stream", viewer.status, 200)
    watch("GET", f"{API}/stream", 503, headers=signed)
    viewer.close()


def refusing(watch):
    """A spool that takes no more: not ready, and it says why."""
    gateway = world.gateway(spool={"limit": "64KiB", "segment": "16KiB", "when_full": "refuse"},
                            bridges={"away": {"type": "mqtt",
                                              "url": f"mqtt://127.0.0.1:{fg.free_port()}"}})
    gateway.start()
    peer = fg.Coap(gateway.coap)
    codes = {"2.04"}
    while codes == {"2.04"}:
        codes = {peer.post("lamps/hall", json.dumps({"text": "x" * 900}).encode(), 50)[0]}
    fg.equal(codes, {"5.03"}, "what a full spool answers")
    watch.port = gateway.port
    answer = watch("GET", "/readyz", 503)
    fg.check("full" in answer.json["why"], answer.text)
    for path in ("/healthz", "/readyz"):    # without a token, only by a name of loopback
        watch("GET", path, 403, headers={"Host": "elsewhere.example"})
    fg.check_ledger(gateway.ledger())
    status = gateway.status()
    fg.equal(status["spool"]["holder"], "away", "who holds the spool")
    gateway.stop()


def test_interface():
    gateway = world.gateway({"viewers": 1, "apply": True}, token=True).start()
    post_lamp(gateway)
    watch, signed = Watch(gateway.port), bearer()
    everybody_may_not(watch, signed)
    look(watch, signed)
    change(watch, signed, gateway)
    sessions(watch, signed)
    streams(watch, signed)
    apply_to_the_console(watch, signed, gateway)
    gateway.wait_drained("local")
    gateway.stop()
    os.mkdir("refusing")
    os.chdir("refusing")
    refusing(watch)
    os.chdir("..")
    fg.equal(watch.rest(), [], "answers of the file that were never seen")


def test_what_is_told():
    """The interface says what the commands say."""
    gateway = world.gateway().start()
    post_lamp(gateway)
    gateway.wait_drained("local")
    status = ask(gateway.port, "GET", f"{API}/status").json
    fg.equal(set(status), set(gateway.status()), "members of the status")
    fg.equal(ask(gateway.port, "GET", f"{API}/ledger").json, gateway.ledger(), "the ledger")
    found = ask(gateway.port, "GET", f"{API}/devices?search=HALL&state=online").json
    fg.equal([d["device"] for d in found["devices"]], ["hall"], "found")
    fg.equal((found["total"], found["next"]), (1, None), "all of them")
    fg.equal(ask(gateway.port, "GET", f"{API}/devices?search=cellar").json["total"], 0, "none")
    device = ask(gateway.port, "GET", f"{API}/device?id=hall").json
    points = {p["point"]: p for p in device["points"]}
    fg.equal({n: (p["value"], p["writable"], p["unsynced"]) for n, p in points.items()},
             {"power": ("on", True, False), "level": (7.5, False, False),
              "name": ("hall", False, False)}, "points")
    fg.equal(device["source"], "things", "source")
    spool = ask(gateway.port, "GET", f"{API}/spool").json
    fg.equal(spool["cursors"]["local"]["position"], 3, "cursor")
    fg.equal((spool["accepted"], spool["cursors"]["local"]["holds"]), (3, False), "spool")
    gateway.stop()


def test_pages_of_devices():
    gateway = world.gateway().start()
    fg.fieldgate("simulate", "--coap", f"coap://127.0.0.1:{gateway.coap}", "--devices", 250,
                 "--count", 250, "--rate", 0)
    names, start, pages = [], "", 0
    while start is not None:
        page = ask(gateway.port, "GET", f"{API}/devices?limit=40&from={start}").json
        names += [d["device"] for d in page["devices"]]
        fg.equal(page["total"], 250, "total")
        start, pages = page["next"], pages + 1
    fg.check(pages > 2, f"{pages} pages")
    fg.equal((len(names), len(set(names))), (250, 250), "each device once")
    gateway.wait_drained("local")
    gateway.stop()


def test_command():
    """A command by HTTP has the device's outcome."""
    gateway = world.gateway(drivers={"things": {"type": "mqtt", "subscribe": ["lamps/+"]}})
    broker = fg.Broker()
    gateway.config["drivers"]["things"]["url"] = f"mqtt://127.0.0.1:{broker.port}"
    gateway.config["profiles"] = {"lamp": {
        "match": "lamps/{device}", "format": "json", "points": {"*": {}},
        "write": {"power": {"to": "lamps/{device}/set"}}}}
    gateway.write()
    gateway.start()
    broker.wait_subscribed("gw-things")
    lamp = fg.Mqtt(("127.0.0.1", broker.port), "lamp")
    lamp.subscribe("lamps/hall/set")
    lamp.publish("lamps/hall", [b'{"power":"off"}'])
    gateway.wait_drained("local")
    answer = ask(gateway.port, "POST", f"{API}/command",
                 {"device": "hall", "point": "power", "value": 12345678901234567890}).json
    fg.equal((answer["outcome"], answer["device"], answer["point"]), ("done", "hall", "power"),
             "outcome")
    fg.wait_for("the command", lambda: lamp.payloads("lamps/hall/set"))
    fg.equal(lamp.payloads("lamps/hall/set"), ["12345678901234567890"], "value, with all digits")
    gateway.stop()
    broker.stop()


def test_configuration():
    gateway = world.gateway({"apply": True}, token=True).start()
    post_lamp(gateway)
    signed = bearer()
    told = ask(gateway.port, "GET", f"{API}/config", headers=signed).json
    fg.equal(told["in_force"], True, "the file")
    fg.equal(told["effective"]["console"]["token"], {"secret": "console"}, "a secret by name")
    fg.check(world.TOKEN not in json.dumps(told), "the secret itself")
    fg.equal([told["origin"][p] for p in ("/console/token", "/bridges/local/path", "/bridges/local/window",
                                          "/spool/commit", "/profiles/lamp/match")],
             ["secret", "file", "default", "default", "file"], "origins")
    fg.equal((told["effective"]["bridges"]["local"]["window"], told["effective"]["spool"]["commit"]),
             (16, "1s"), "defaults")
    bad = dict(gateway.config, bridges={"local": {"type": "fil"}})
    answer = ask(gateway.port, "POST", f"{API}/config/check", bad, signed).json
    fg.equal(answer["valid"], False, "what check says")
    with open("bad.json", "w", encoding="utf-8") as file:
        json.dump(bad, file)
    said = fg.fieldgate("check", "-c", "bad.json", want=(1,)).err
    fg.check(answer["faults"] and all(fault in said for fault in answer["faults"]), answer["faults"])
    before = fg.read(gateway.conf)
    answer = ask(gateway.port, "POST", f"{API}/config/apply", bad, signed).json
    fg.equal((answer["applied"], fg.read(gateway.conf)), (False, before), "what check would not take")
    good = dict(gateway.config, limits={"devices": 77})
    answer = ask(gateway.port, "POST", f"{API}/config/apply", good, signed).json
    fg.equal((answer["applied"], answer["faults"]), (True, []), str(answer))
    fg.equal(json.loads(fg.read(gateway.conf))["limits"], {"devices": 77}, "the file")
    good["bridges"] = dict(good["bridges"], away={"type": "mqtt", "stall": "1s",
                                                  "url": f"mqtt://127.0.0.1:{fg.free_port()}"})
    good["fleet"] = {"deadline": "1s"}
    ask(gateway.port, "POST", f"{API}/config/apply", dict(gateway.config, fleet=good["fleet"]), signed)
    answer = ask(gateway.port, "POST", f"{API}/config/apply", good, signed).json
    fg.equal((answer["applied"], "away" in answer["why"]), (False, True), f"it returns: {answer}")
    fg.check("away" not in fg.read(gateway.conf), "the file that returned")
    gateway.wait_drained("local", due={"away": 0})
    gateway.stop()


def test_apply_is_off():
    gateway = world.gateway().start()
    answer = ask(gateway.port, "POST", f"{API}/config/apply", VALID)
    fg.equal(answer.status, 403, "apply")
    gateway.stop()


def test_what_must_not_be():
    """Faults of `check`: beyond loopback it needs token and TLS."""
    tls = {"cert": "server.crt", "key": "server.key"}
    token = {"secret": "console"}
    for console, fault in (
            ({"listen": "http://0.0.0.0:8080"}, "/console/token: missing"),
            ({"listen": "http://[::]:8080", "token": token}, "/console/listen: an address beyond"),
            ({"listen": "https://0.0.0.0:8080", "token": token}, "/console/tls/cert: missing"),
            ({"listen": "https://192.0.2.1:8080", "tls": tls}, "/console/token: missing"),
            ({"listen": "http://127.0.0.1:8080", "tls": tls}, "/console/tls: counts only"),
            ({"listen": "http://example.org:8080"}, "/console/listen: expected a numeric"),
            ({"listen": "http://127.0.0.1"}, "/console/listen: expected a port"),
            ({"listen": "http://127.0.0.1:80/x"}, "/console/listen: expected a port"),
            ({"listen": "http://127.0.0.1:70000"}, "/console/listen: expected a port"),
            ({"listen": "mqtt://127.0.0.1:80"}, "/console/listen: expected http"),
            ({"viewers": 0}, "/console/viewers"), ({"port": 80}, "/console/port: unknown")):
        with open("c.json", "w", encoding="utf-8") as file:
            json.dump({"console": console}, file)
        said = fg.fieldgate("check", "-c", "c.json", want=(1,)).err
        fg.check(fault in said, f"{console}: {said}")
    for console in ({}, {"listen": "http://[::1]:8080"}, {"listen": "https://0.0.0.0:8443", "token": token,
                                                          "tls": tls}):
        with open("c.json", "w", encoding="utf-8") as file:
            json.dump({"console": console}, file)
        fg.fieldgate("check", "-c", "c.json")


def test_what_cannot_open():
    """`check` says what keeps a console from opening, as far as it can be known beforehand."""
    port = fg.free_port()
    gateway = world.gateway({"listen": f"https://127.0.0.1:{port}",
                             "tls": {"cert": "/nowhere/server.crt", "key": "/nowhere/server.key"}},
                            token=True)
    said = gateway_check(gateway)
    for name, file in (("cert", "server.crt"), ("key", "server.key")):
        fg.check(f"warning: /console/tls/{name}: /nowhere/{file}: No such file" in said, said)
    with open("secrets/console", "w", encoding="ascii") as file:
        file.write("x" * 15 + "\n")
    wanted = '/console/token: secret "console": expected at least 16 bytes, got 15'
    fg.check(wanted in gateway_check(gateway, 1).splitlines(), "a short token")
    done = fg.fieldgate("run", "-c", gateway.conf, want=None, env=gateway.env)
    fg.check(done.returncode != 0 and wanted in done.err, f"{done.returncode} {done.err}")
    os.unlink("secrets/console")
    fg.check("warning: /console/token: secret" in gateway_check(gateway), "one that cannot be read")


def gateway_check(gateway, want=0):
    return fg.fieldgate("check", "-c", gateway.conf, want=(want,), env=gateway.env).err


def samples(text):
    """name -> labels -> value of every sample; each series once, and of a metric that is declared."""
    found, types = {}, {}
    for line in text.splitlines():
        head = re.match(r"# TYPE (\w+) (\w+)$", line)
        if head:
            fg.check(head[1] not in types, f"{head[1]} is declared twice")
            types[head[1]] = head[2]
        if line.startswith("#"):
            continue
        name, labels, value = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line).groups()
        fg.check(name in types, f"{name} is not declared")
        fg.check((types[name] == "counter") == name.endswith("_total"), f"{name} is a {types[name]}")
        fg.check(labels not in found.setdefault(name, {}), f"{line}: is there twice")
        found[name][labels] = float(value)
    return found


def promtool():
    done = subprocess.run([f"{fg.SOURCE_DIR}/tests/promtool"], capture_output=True, check=False)
    if done.returncode == 77:
        print("not checked by promtool: " + done.stderr.decode().strip())
        return None
    fg.equal(done.returncode, 0, done.stderr.decode())
    return done.stdout.decode().strip()


def test_metrics():
    gateway = world.gateway().start()
    post_lamp(gateway)
    post_lamp(gateway, b"no JSON")
    gateway.wait_drained("local")
    viewer = world.Viewer(gateway.port)
    # of a loop that has something to do: an idle one may take less than can be said
    fg.wait_for("phases", lambda: ask(gateway.port, "GET", "/readyz") and viewer.of("status") and any(
        p["p99_ms"] > 0 for p in viewer.of("status")[-1]["loop"]["phases"].values()))
    answer = ask(gateway.port, "GET", "/metrics")
    fg.equal(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "type")
    found, ledger = samples(answer.text), gateway.ledger()
    fg.equal(found["fieldgate_records_accepted_total"][None], ledger["accepted"], "accepted")
    fg.equal(found["fieldgate_ledger_acknowledged_total"]['bridge="local"'], 3, "acknowledged")
    fg.equal(found["fieldgate_rejected_total"]['reason="malformed"'], 1, "rejected")
    fg.equal(found["fieldgate_console_viewers"][None], 1, "viewers")
    for name in ("fieldgate_driver_up", "fieldgate_bridge_up", "fieldgate_clock_synced"):
        fg.equal(list(found[name].values()), [1], name)
    fg.equal(len(found["fieldgate_loop_phase_seconds"]), 14, "phases")
    fg.check(found["fieldgate_memory_resident_bytes"][None] > 1e6, "memory")
    viewer.close()
    program = promtool()
    if program:
        done = subprocess.run([program, "check", "metrics"], input=answer.body, check=False,
                              capture_output=True)
        fg.equal((done.returncode, done.stdout, done.stderr), (0, b"", b""), "promtool")
    gateway.stop()


def test_dashboard():
    """The dashboard names only metrics that there are."""
    with open(f"{fg.SOURCE_DIR}/docs/grafana/fieldgate.json", encoding="utf-8") as file:
        board = json.load(file)
    gateway = world.gateway(spool={"limit": "64KiB", "segment": "16KiB"},
                            bridges={"away": {"type": "mqtt",
                                              "url": f"mqtt://127.0.0.1:{fg.free_port()}"}}).start()
    peer = post_lamp(gateway)
    post_lamp(gateway, b"no JSON")
    while not gateway.account("away")["dropped"]:
        for _ in range(50):
            peer.post("lamps/hall", json.dumps({"text": "x" * 900}).encode(), 50)
    ask(gateway.port, "GET", "/metrics")
    found = fg.wait_for("all metrics", lambda: (f := samples(ask(gateway.port, "GET", "/metrics").text))
                        and "fieldgate_loop_phase_seconds" in f and f)
    expressions = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
    fg.check(len(expressions) > 10, f"{len(expressions)} expressions")
    for expression in expressions:
        for name in re.findall(r"fieldgate_\w+", expression):
            fg.check(name in found, f"{name} is no metric")
    fg.check_ledger(gateway.ledger())
    gateway.stop()


def test_live():
    """The status each second, and the readings of the devices that were asked for."""
    gateway = world.gateway().start()
    all_of, one = world.Viewer(gateway.port, "?device=*"), world.Viewer(gateway.port, "?device=%2B")
    only = world.Viewer(gateway.port, "?device=cellar")
    fg.wait_for("three tails", lambda: all(v.of("status") for v in (all_of, one, only)))
    post_lamp(gateway)
    for viewer in (all_of, one):
        pack = fg.wait_for("a reading", lambda v=viewer: v.of("reading"))[0]
        fg.equal((pack[0]["bn"], len(pack)), ("gw/hall/", 3), "the pack")
    fg.wait_for("more of the status", lambda: len(only.of("status")) > 2)
    fg.equal(only.of("reading"), [], "readings of another device")
    first = only.of("status")
    fg.check(first[-1]["ledger"]["accepted"] == 3, "the newest status")
    gateway.wait_drained("local")
    gateway.stop()
    for viewer in (all_of, one, only):
        viewer.thread.join(fg.DEADLINE_S)
        fg.check(not viewer.thread.is_alive(), "a viewer that was told of no end")


def test_tls():
    fg.certificates()
    port = fg.free_port()
    here = os.getcwd()
    gateway = world.gateway({"listen": f"https://127.0.0.1:{port}",
                             "tls": {"cert": f"{here}/server.crt", "key": f"{here}/server.key"}},
                            token=True).start()
    answer = ask(port, "POST", f"{API}/session", {"token": world.TOKEN}, tls=True)
    fg.check("Secure" in answer.headers["Set-Cookie"], answer.headers["Set-Cookie"])
    held = {"Cookie": answer.headers["Set-Cookie"].split(";")[0],
            "Origin": f"https://127.0.0.1:{port}"}
    fg.equal(ask(port, "POST", f"{API}/reload", "", held, tls=True).status, 200, "same origin")
    held["Origin"] = f"http://127.0.0.1:{port}"
    fg.equal(ask(port, "POST", f"{API}/reload", "", held, tls=True).status, 403, "another scheme")
    viewer = world.Viewer(port, headers=bearer(), tls=True)
    fg.wait_for("status", lambda: viewer.of("status"))
    viewer.close()
    gateway.stop()


def test_renewed_certificate():
    """A reload shows it; one that finds it as it was, or a file missing, leaves the console alone."""
    fg.certificates()
    port, here = fg.free_port(), os.getcwd()
    gateway = world.gateway({"listen": f"https://127.0.0.1:{port}",
                             "tls": {"cert": f"{here}/server.crt", "key": f"{here}/server.key"}},
                            token=True).start()

    def listened():
        return gateway.said().count("component=console msg=\"listens\"")

    fg.equal(ask(port, "GET", "/healthz", tls=True).status, 200, "with the first")
    gateway.reload()
    os.rename("server.key", "away.key")
    gateway.reload()
    fg.equal((listened(), ask(port, "GET", "/healthz", tls=True).status), (1, 200), "nothing was renewed")
    os.rename("away.key", "server.key")
    fg.certificates()    # all anew: who trusts the new authority does not trust the old certificate
    gateway.reload()
    fg.wait_for("it is opened anew", lambda: listened() == 2)
    fg.equal(ask(port, "GET", "/healthz", tls=True).status, 200, "with the second")
    gateway.reload()
    fg.equal((listened(), ask(port, "GET", "/healthz", tls=True).status), (2, 200), "as it was")
    gateway.stop()


def test_reload():
    """It is opened, exchanged and closed by a reload, and what it has not to do with goes on."""
    gateway = world.gateway()
    console = gateway.config.pop("console")
    gateway.write()
    gateway.start()
    post_lamp(gateway)
    with open(f"/proc/{gateway.pid()}/maps", encoding="ascii") as maps:
        carried = "microhttpd" in maps.read()
    if os.path.exists(f"{os.environ.get('BUILD_DIR', '')}/modules/fg_console_http.so"):
        fg.check(not carried, "a gateway without a console carries its library")
    gateway.config["console"] = console
    gateway.reload()
    fg.equal(ask(gateway.port, "GET", "/healthz").status, 200, "opened")
    viewer = world.Viewer(gateway.port)
    other = fg.free_port()
    gateway.config["console"] = {"listen": f"http://127.0.0.1:{other}"}
    gateway.reload()
    fg.wait_for("the other port", lambda: "listens\" address=http://127.0.0.1:%d" % other in gateway.said())
    fg.equal(ask(other, "GET", "/healthz").status, 200, "exchanged")
    viewer.thread.join(fg.DEADLINE_S)
    fg.check(not viewer.thread.is_alive(), "the viewer of the one before")
    with socket.socket() as sock:
        fg.check(sock.connect_ex(("127.0.0.1", gateway.port)) != 0, "the one before still listens")
    gateway.reload()
    fg.equal(gateway.said().count("component=console msg=\"listens\""), 2, "exchanged for nothing")
    del gateway.config["console"]
    gateway.reload()
    fg.wait_for("it is closed", lambda: socket.socket().connect_ex(("127.0.0.1", other)) != 0)
    status = gateway.status()
    fg.equal((status["drivers"]["things"]["faults"], status["links"]["local"]["faults"]), (0, 0),
             "what the reload has not to do with")
    gateway.wait_drained("local")
    gateway.stop()


def test_plan():
    """What it costs at worst is part of the plan, and viewers and TLS count."""
    def console(**conf):
        gateway = world.gateway(conf)
        made = json.loads(fg.fieldgate("plan", "-c", gateway.conf, "--rate", 1, "--json").out)
        return [p for p in made["gateways"][0]["parts"] if p["part"] == "console"][0]
    few, many = console(viewers=1), console(viewers=100)
    fg.check(few["memory"] < many["memory"] and few["descriptors"] < many["descriptors"], f"{few} {many}")
    secure = console(viewers=1, listen="https://127.0.0.1:8443",
                     tls={"cert": "server.crt", "key": "server.key"})
    fg.check(few["memory"] < secure["memory"], f"{few} {secure}")


def test_port_in_use():
    """Without its port the gateway does its work all the same, and has it as soon as it is free."""
    gateway = world.gateway()
    with socket.create_server(("127.0.0.1", gateway.port)):
        gateway.start()
        fg.wait_for("said", lambda: "no console" in gateway.said())
        post_lamp(gateway)
    fg.wait_for("it listens", lambda: "component=console msg=\"listens\"" in gateway.said())
    fg.equal(ask(gateway.port, "GET", "/readyz").status, 200, "ready")
    gateway.wait_drained("local")
    gateway.stop()


def test_pages():
    """The page comes packed, is asked for again only if it has changed, and may load nothing else."""
    gateway = world.gateway(token=True).start()
    answer = ask(gateway.port, "GET", "/")
    page = gzip.decompress(answer.body).decode()
    fg.check("<!doctype html>" in page.lower(), page[:100])
    policy = answer.headers["Content-Security-Policy"]
    fg.check("default-src 'none'" in policy and "unsafe" not in policy, policy)
    fg.equal(answer.headers["X-Frame-Options"], "DENY", "frames")
    fg.check(not re.search(r"(src|href)=[\"']?(https?:)?//", page), "an outside address")
    again = ask(gateway.port, "GET", "/", headers={"If-None-Match": answer.headers["ETag"]})
    fg.equal((again.status, again.body), (304, b""), "asked again")
    fg.equal(ask(gateway.port, "HEAD", "/healthz").body, b"", "HEAD")
    fg.equal(ask(gateway.port, "PUT", f"{API}/status", "x", bearer()).status, 405, "PUT")
    fg.equal(ask(gateway.port, "GET", "/nothing").status, 404, "nothing")
    gateway.stop()


if __name__ == "__main__":
    fg.main(globals())
