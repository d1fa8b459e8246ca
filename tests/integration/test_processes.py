#!/usr/bin/python3
# run-first
"""run.processes: several processes take what one would, each with its own spool and epoch, and one
account stands for all of them. One of them that is killed, or their parent, loses nothing; fewer of
them after a restart leave nothing behind."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

import fg
import test_commands_down as down

fg.need("mosquitto")

LIMIT = {"limit": "64MiB", "segment": "1MiB"}


class Things(threading.Thread):
    """CoAP devices, each with a socket of its own: posts its count until it is answered."""

    def __init__(self, port, name, count=None):
        super().__init__(daemon=True)
        self.coap, self.name_, self.count, self.taken, self.end = fg.Coap(port), name, count, 0, False
        self.start()

    def run(self):
        while not self.end and self.taken != self.count:
            code, _ = self.coap.post(self.name_, f'{{"seq":{self.taken}}}', 50, tries=1, timeout=0.5)
            if code == "2.04":
                self.taken += 1


class Publisher(threading.Thread):
    """MQTT devices: publishes at QoS 1 until told to end; `sent` is what the broker has."""

    def __init__(self, broker, devices=4, count=None):
        super().__init__(daemon=True)
        self.client = fg.Mqtt(broker.port, "devices")
        self.devices, self.count, self.sent, self.end = devices, count, 0, False
        self.start()

    def run(self):
        while not self.end and self.sent != self.count:
            waiting = [self.client.send(f"tele/d{d}", f'{{"seq":{self.sent}}}')
                       for d in range(self.devices)]
            for mid in waiting:
                self.client.wait_acked(mid)
            self.sent += 1


def join(*threads):
    for thread in threads:
        thread.join(fg.DEADLINE_S)
        fg.check(not thread.is_alive(), f"{type(thread).__name__} has not ended")


class World:
    """A field broker, an upstream that counts, and a gateway between them."""

    def __init__(self, processes, serial=0, field=True, coap=True, **more):
        self.field, self.cloud = fg.Broker("field"), fg.Broker("cloud")
        self.port = fg.free_port(socket.SOCK_DGRAM)
        self.collector = self.cloud.collector()
        self.lines = [fg.Line(f"line{n}").plug_in() for n in range(serial)]
        drivers = {f"line{n}": {"type": "serial", "port": line.path, "framer": "line"}
                   for n, line in enumerate(self.lines)}
        if field:
            drivers["field"] = {"type": "mqtt", "url": self.field.url, "subscribe": ["tele/+"],
                                "keepalive": "5s"}
        if coap:
            drivers["things"] = {"type": "coap", "listen": f"coap://127.0.0.1:{self.port}"}
        self.gateway = fg.Gateway({
            "run": {"socket": os.path.abspath("gateway.sock"), "processes": processes},
            "spool": dict(LIMIT), "drivers": drivers,
            "bridges": {"cloud": {"type": "mqtt", "url": self.cloud.url},
                        "local": {"type": "file", "path": os.path.abspath("records.jsonl")}},
            **more})

    def processes(self):
        return {p["process"]: p for p in self.gateway.status()["processes"]}

    def wait_up(self, *indices):
        fg.wait_for("the processes", lambda: all(
            self.processes()[i]["state"] == "up" for i in indices))

    def use(self, processes):
        self.gateway.config["run"]["processes"] = processes
        self.gateway.write()

    def finish(self, duplicates=False):
        """Drained, the account adds up, what arrived is complete; returns the records' series."""
        ledger = self.gateway.wait_drained()
        fg.wait_for("the packs", lambda: len(self.records()) >= ledger["accepted"])
        lines = [m.decode() if isinstance(m, bytes) else m for m in self.collector.payloads()]
        for process in ledger.get("processes", [ledger]):
            if process["last"]:
                answer = fg.audit(lines, until=fg.until(process))
        fg.equal(answer["complete"], True, "complete")
        if not duplicates:
            fg.equal(fg.total(answer, "duplicates"), 0, "records that came twice")
        fg.equal(len(answer["gateways"]["gw"]["epochs"]) >= len(
            [p for p in ledger.get("processes", [ledger]) if p["last"]]), True, "epochs")
        fg.equal(fg.total(answer) >= ledger["accepted"] - fg.total(answer, "duplicates"), True,
                 "all that was accepted is there")
        return ledger, fg.series(lines)

    def records(self):
        return [r for m in self.collector.payloads() for r in json.loads(m)]


def check_series(series, name, count, what):
    """All values from 0 on are there, in any order."""
    missing = set(range(count)) - set(series.get(name, ()))
    fg.equal(sorted(missing)[:10], [], f"{what}: of {name}'s {count} values, those that are missing")


def take_from_all(processes):
    world = World(processes, serial=3)
    world.gateway.start()
    publisher = Publisher(world.field, count=150)
    things = [Things(world.port, f"t{n}", 40) for n in range(8)]
    for n, line in enumerate(world.lines):
        for seq in range(60):
            line.say(f'{{"seq":{seq}}}\n')
    join(publisher)
    join(*things)
    wanted = 4 * 150 + 8 * 40 + 3 * 60
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] >= wanted)
    ledger, series = world.finish()
    fg.equal(ledger["accepted"], wanted, "accepted by all processes")
    for d in range(4):
        check_series(series, f"tele/d{d}", 150, "MQTT")
    for n in range(8):
        check_series(series, f"t{n}", 40, "CoAP")
    for n in range(3):
        fg.equal(series[f"line{n}"], list(range(60)), f"the order of line {n}")
    shares = [p["last"] for p in ledger["processes"]]
    fg.equal(len(shares), processes, "processes in the ledger")
    fg.equal(sum(shares), wanted, "the sum of the processes' numbers")
    fg.check(min(shares) > 100, f"the work is shared: {shares}")
    files = [fg.file_lines(f) for f in os.listdir(".") if f.startswith("records")]
    fg.equal(len(files), processes, "files of the file bridge")
    fg.equal(fg.total(fg.audit(sum(files, []))), wanted, "records in the files")
    world.gateway.stop()
    fg.equal(world.gateway.ledger()["accepted"], wanted, "accepted, by the files")
    fg.check_ledger(world.gateway.ledger())
    return f"shares {shares}"


def test_two():
    return take_from_all(2)


def test_three():
    return take_from_all(3)


def test_one_has_no_parent():
    world = World(1)
    world.gateway.start()
    children = fg.read(f"/proc/{world.gateway.pid()}/task/{world.gateway.pid()}/children")
    fg.equal(children, "", "children of a gateway with one process")
    fg.check("processes" not in world.gateway.ledger(), "one process is not listed")
    fg.check(not os.path.exists("gateway.sock.1"), "nor has it a second socket")
    join(Publisher(world.field, count=20))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 80)
    world.finish()
    world.gateway.stop()


def test_kill_one_of_them():
    world = World(2)
    world.gateway.start()
    publisher = Publisher(world.field)
    things = [Things(world.port, f"t{n}") for n in range(6)]
    for n in range(6):
        before = world.gateway.ledger()["accepted"]
        victim = n % 2 + 1
        pid = world.processes()[victim]["pid"]
        fg.wait_for("load", lambda: world.gateway.ledger()["accepted"] > before + 100)
        os.kill(pid, signal.SIGKILL)
        fg.wait_for("another in its place", lambda: (
            world.processes()[victim]["pid"] not in (0, pid)
            and world.processes()[victim]["state"] == "up"))
    publisher.end = True
    join(publisher)
    for thing in things:
        thing.end = True
    join(*things)
    wanted = 4 * publisher.sent + sum(t.taken for t in things)
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] >= wanted)
    fg.equal(sum(p["starts"] for p in world.processes().values()), 8, "starts")
    _, series = world.finish(duplicates=True)
    for d in range(4):
        check_series(series, f"tele/d{d}", publisher.sent, "MQTT")
    for n, thing in enumerate(things):
        check_series(series, f"t{n}", thing.taken, "CoAP")
    world.gateway.stop()
    fg.check_ledger(world.gateway.ledger())
    return f"{wanted} taken, 6 kills"


def alive(pid):
    return os.path.exists(f"/proc/{pid}") and " Z " not in fg.read(f"/proc/{pid}/stat")


def test_kill_the_parent():
    world = World(2)
    world.gateway.start()
    publisher = Publisher(world.field)
    things = [Things(world.port, f"t{n}") for n in range(4)]
    for _ in range(3):
        before = world.gateway.ledger()["accepted"]
        fg.wait_for("load", lambda: world.gateway.ledger()["accepted"] > before + 100)
        pids = [p["pid"] for p in world.processes().values()]
        world.gateway.kill()
        world.gateway.start()
        fg.equal([p for p in pids if alive(p)], [], "processes of a parent that was killed")
    publisher.end = True
    join(publisher)
    for thing in things:
        thing.end = True
    join(*things)
    wanted = 4 * publisher.sent + sum(t.taken for t in things)
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] >= wanted)
    _, series = world.finish(duplicates=True)
    for d in range(4):
        check_series(series, f"tele/d{d}", publisher.sent, "MQTT")
    for n, thing in enumerate(things):
        check_series(series, f"t{n}", thing.taken, "CoAP")
    world.gateway.stop()


def test_stop_is_clean():
    world = World(3)
    world.gateway.start()
    status = world.cloud.collector("fieldgate/gw/status", "watcher")
    join(Publisher(world.field, count=50))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 200)
    epochs = [p["epoch"] for p in world.gateway.ledger()["processes"]]
    pids = [p["pid"] for p in world.processes().values()]
    world.gateway.stop()
    fg.equal([p for p in pids if alive(p)], [], "processes after the stop")
    said = json.loads(status.payloads()[-1])
    fg.equal((said["state"], said["ledger"]["accepted"]), ("offline", 200), "the last status")
    fg.equal([p["epoch"] for p in said["processes"]], epochs, "the epochs it names")
    fg.equal(fg.check_ledger(said["ledger"])["bridges"]["cloud"]["waiting"], 0, "waiting")
    world.gateway.start()
    fg.equal([p["epoch"] for p in world.gateway.ledger()["processes"]], epochs,
             "the epochs go on after a clean end")
    world.finish()
    world.gateway.stop(signo=signal.SIGINT)


def test_fewer_leave_nothing_behind():
    world = World(3)
    world.gateway.start()
    join(Publisher(world.field, count=50))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 200)
    world.finish()
    # what a spool still has, and what the broker still holds for the sessions of all three
    world.cloud.stop()
    join(Publisher(world.field, count=50))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 400)
    world.gateway.stop()
    join(Publisher(world.field, count=50))
    world.use(1)
    world.cloud.start()
    world.collector = world.cloud.collector()
    world.gateway.start()
    fg.wait_for("the others to finish", lambda: not os.path.exists("gateway.spool/process-3")
                and not os.path.exists("gateway.spool/process-2"))
    ledger = world.gateway.wait_drained()
    fg.equal(ledger["accepted"], 600, "accepted by those that were, and the one that is")
    fg.equal([(p["process"], p["state"]) for p in ledger["processes"]][0], (1, "up"), "the first")
    fg.equal(sorted(p["process"] for p in ledger["processes"] if p["state"] == "finished"), [2, 3],
             "those that are finished")
    # no session of theirs: nothing is queued, and nothing is dealt to them
    join(Publisher(world.field, count=20))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 680)
    for index in (2, 3):
        client = fg.Mqtt(world.field.port, f"gw-field-{index}", clean=False)
        fg.equal(client.payloads(), [], f"what the broker held for process {index}")
        client.close()
    connack = [line for line in world.field.log().splitlines()
               if "Sending CONNACK to gw-field-" in line][-2:]
    fg.check(all("(0, 0)" in line for line in connack), f"no session was there: {connack}")
    world.gateway.stop()
    fg.equal(world.gateway.ledger()["accepted"], 680, "accepted, by the files")
    # alone from here on, without a parent, and still with the account of all
    world.gateway.start()
    children = fg.read(f"/proc/{world.gateway.pid()}/task/{world.gateway.pid()}/children")
    fg.equal(children, "", "children of a gateway with one process")
    join(Publisher(world.field, count=10))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 720)
    world.gateway.wait_drained()
    world.gateway.stop()
    lines = [m.decode() if isinstance(m, bytes) else m for m in world.collector.payloads()]
    first = fg.file_lines("records.jsonl")
    fg.check(len(lines) > 0 and len(first) > 0, "packs")


def test_left_over_keeps_what_waits():
    """Who stops a process that was left over has not given back what it had: it is started anew."""
    world = World(2)
    world.gateway.start()
    world.cloud.stop()
    join(Publisher(world.field, count=50))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 200)
    world.gateway.stop()
    world.use(1)
    world.gateway.start()
    pid = fg.wait_for("the second", lambda: world.processes().get(2, {}).get("pid"))
    os.kill(pid, signal.SIGTERM)
    fg.wait_for("another", lambda: world.processes().get(2, {}).get("pid") not in (None, 0, pid))
    world.cloud.start()
    world.collector = world.cloud.collector()
    fg.wait_for("it to finish", lambda: not os.path.exists("gateway.spool/process-2"))
    ledger = world.gateway.wait_drained()
    fg.equal(ledger["bridges"]["cloud"]["acknowledged"], 200, "acknowledged")
    world.gateway.stop()


def test_more_share_the_session():
    """From one to two: what is in the first one's session comes once."""
    world = World(1, coap=False)
    world.gateway.start()
    join(Publisher(world.field, count=20))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 80)
    world.gateway.stop()
    join(Publisher(world.field, count=20))    # waits in the session
    world.use(2)
    world.gateway.start()
    join(Publisher(world.field, count=200))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] >= 960)
    ledger, _ = world.finish()
    fg.equal(ledger["accepted"], 960, "accepted: nothing twice")
    fg.check(all(p["last"] > 100 for p in ledger["processes"]), f"shared: {ledger['processes']}")
    world.gateway.stop()


def test_reload():
    world = World(2, serial=2)
    world.gateway.start()
    join(Publisher(world.field, count=10))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 40)
    pids = [p["pid"] for p in world.processes().values()]
    world.gateway.config["bridges"]["more"] = {"type": "file", "start": "oldest",
                                               "path": os.path.abspath("more.jsonl")}
    del world.gateway.config["drivers"]["line1"]
    done = world.gateway.reload()
    fg.check("1 added, 1 removed" in done.err, done.err)
    join(Publisher(world.field, count=10))
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 80)
    status = world.gateway.status()
    fg.equal(sorted(status["links"]), ["cloud", "local", "more"], "bridges")
    fg.equal(sorted(status["drivers"]), ["field", "line0", "things"], "drivers")
    fg.equal([p["pid"] for p in world.processes().values()], pids, "the processes stay")
    world.gateway.config["run"]["processes"] = 3
    done = world.gateway.reload(want=(1,))
    fg.check("/run/processes: a change from 2 needs a restart" in done.err, done.err)
    world.gateway.config["run"]["processes"] = 2
    world.gateway.config["bridges"]["more"]["path"] = 7
    done = world.gateway.reload(want=(1,))
    fg.check("/bridges/more/path" in done.err, done.err)
    del world.gateway.config["bridges"]["more"]
    world.gateway.write()
    world.gateway.process.send_signal(signal.SIGHUP)
    fg.wait_for("the reload", lambda: sorted(world.gateway.status()["links"]) == ["cloud", "local"])
    world.gateway.wait_drained("cloud", "local")
    world.gateway.stop()


def of_two(test):
    """A test of a gateway that runs alone, with two."""
    alone = fg.Gateway.__init__

    def begin(self, config, *args, **more):
        alone(self, config, *args, **more)
        self.config["run"]["processes"] = 2
        self.write()
    fg.Gateway.__init__ = begin
    try:
        test()
    finally:
        fg.Gateway.__init__ = alone


def test_commands_by_mqtt():
    of_two(down.test_mqtt_stored_and_waiting)


def test_commands_to_coap():
    of_two(down.test_coap_device)


def test_commands_to_a_line():
    of_two(down.test_serial_device)


def test_devices_and_tail():
    world = World(2)
    world.gateway.start()
    with open("tail.out", "wb") as out:
        tail = subprocess.Popen([fg.FIELDGATE, "tail", "-c", world.gateway.conf], stdout=out)
    things = [Things(world.port, f"t{n}", 20) for n in range(6)]
    publisher = Publisher(world.field, count=30)
    join(publisher, *things)
    fg.wait_for("all to be accepted", lambda: world.gateway.ledger()["accepted"] == 240)
    lamp, posted = fg.Mqtt(world.field.port, "more"), fg.Coap(world.port)

    def seen():
        """Of MQTT each process has every other one."""
        lamp.publish("tele/d0", ["1", "2"])
        posted.post("t0", "3")
        text = fg.read("tail.out")
        return all(f'"v":{v}' in text for v in (1, 2, 3))
    fg.wait_for("the tail", seen)
    tail.terminate()
    tail.wait()
    listed = fg.fieldgate("status", "--devices", "--json", "-c", world.gateway.conf).out
    names = re.findall(r'^"([^"]+)":', listed, re.M)
    fg.equal(sorted(names), sorted([f"t{n}" for n in range(6)] + [f"tele/d{n}" for n in range(4)]),
             "every device once")
    world.finish()
    world.gateway.stop()


def test_dead_letters():
    """A bridge that refuses: each process has its own letters, the commands deal with all."""
    world = World(2, coap=False)
    script = fg.Script(answer=lambda n: 0x99)
    world.gateway.config["bridges"]["cloud"]["url"] = f"mqtt://127.0.0.1:{script.port}"
    world.gateway.config["bridges"]["cloud"]["batch"] = {"records": 1}
    world.gateway.write()
    world.gateway.start()
    join(Publisher(world.field, count=10))
    fg.wait_for("all to be refused", lambda: world.gateway.account("cloud")["dead"] == 40)
    letters = json.loads(fg.fieldgate("dead", "--json", "-c", world.gateway.conf).out)
    fg.equal(sum(x["records"] for x in letters["bridges"]["cloud"]), 40, "dead letters listed")
    done = json.loads(fg.fieldgate("dead", "--discard", "--json", "-c", world.gateway.conf).out)
    fg.equal(done["bridges"]["cloud"]["records"], 40, "discarded")
    fg.equal(world.gateway.account("cloud")["dropped"], {"refused": 40}, "the account")
    fg.check_ledger(world.gateway.ledger())
    world.gateway.stop()
    spools = json.loads(fg.fieldgate("spool", "--json", "gateway.spool").out)
    fg.equal(sorted(spools["processes"]), ["2"], "spools below the first one")
    shares = spools["accepted"] + spools["processes"]["2"]["accepted"]
    fg.equal(shares, 40, "accepted, as the spools have it")
    cat = fg.fieldgate("spool", "--cat", "gateway.spool").out.splitlines()
    fg.equal(len(fg.records(cat)), 40, "records in the spools")
    fg.fieldgate("spool", "--verify", "gateway.spool")


def test_what_does_not_start():
    world = World(2)
    world.gateway.config["bridges"]["cloud"]["password"] = {"secret": "missing-of-processes"}
    world.gateway.config["bridges"]["cloud"]["username"] = "u"
    world.gateway.write()
    world.gateway.start(ready=False)
    status = world.gateway.process.wait(timeout=fg.DEADLINE_S)
    world.gateway._gone()    # pylint: disable=protected-access
    fg.equal(status, 1, "exit status without a secret")
    fg.check("missing-of-processes" in fg.read("gateway.log"), "and the reason")


def test_what_cannot_be_shared():
    socket_path = "/tmp/" + "s" * 98
    config = {"gateway": {"id": "gw"}, "run": {"processes": 4, "socket": socket_path},
              "spool": {"dir": "spool", "limit": "128KiB"},
              "fleet": {"remote": True, "keys": ["key.pem"]},
              "bridges": {"out": {"type": "file"},
                          "stream": {"type": "nats", "url": "nats://127.0.0.1:1"},
                          "plant": {"type": "mqtt", "url": "mqtt://127.0.0.1:1",
                                    "format": "sparkplug-b"},
                          "cloud": {"type": "mqtt", "url": "mqtt://127.0.0.1:1"}}}
    with open("shared.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    err = fg.fieldgate("check", "-c", "shared.json", want=(1,)).err
    for pointer in ("/run/socket", "/spool/limit", "/fleet/remote", "/bridges/out", "/bridges/stream",
                    "/bridges/plant"):
        fg.check(re.search(f"^{pointer}: ", err, re.M), f"{pointer} in {err}")


def test_apply():
    """What comes up in all processes is kept; what does not, goes back, in all of them."""
    world = World(2)
    gateway = world.gateway
    gateway.start()
    pids = [p["pid"] for p in world.processes().values()]
    good = fg.read(gateway.conf)
    wanted = json.loads(good)
    wanted["bridges"]["more"] = {"type": "file", "path": os.path.abspath("more.jsonl")}
    with open("new.json", "w", encoding="utf-8") as file:
        json.dump(wanted, file)
    done = fg.fieldgate("apply", "-c", gateway.conf, "new.json")
    fg.check("applied: generation 2" in done.err, done.err)
    fg.equal(sorted(gateway.status()["links"]), ["cloud", "local", "more"], "bridges")
    fg.equal(gateway.status()["applied"]["outcome"], "done", "what became of it")
    better = fg.read(gateway.conf)
    fg.equal(better, fg.read("new.json"), "the file")
    wanted["bridges"]["away"] = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{fg.free_port()}"}
    with open("new.json", "w", encoding="utf-8") as file:
        json.dump(wanted, file)
    done = fg.fieldgate("apply", "--deadline", "1s", "-c", gateway.conf, "new.json", want=(1,))
    fg.check("away is not up" in done.err, done.err)
    fg.equal(fg.read(gateway.conf), better, "the file is what it was")
    fg.wait_for("the one before", lambda: sorted(gateway.status()["links"]) == [
        "cloud", "local", "more"])
    fg.equal(gateway.status()["applied"]["outcome"], "returned", "what became of it")
    fg.check(not os.path.exists(gateway.conf + ".trial"), "nothing is on trial")
    fg.equal([p["pid"] for p in world.processes().values()], pids, "the processes stay")
    join(Publisher(world.field, count=10))
    fg.wait_for("all to be accepted", lambda: gateway.ledger()["accepted"] == 40)
    gateway.wait_drained("cloud", "local")
    gateway.stop()


def test_start_on_trial():
    """One that is put in place for the next start is judged then."""
    world = World(2)
    gateway = world.gateway
    gateway.start()
    wanted = json.loads(fg.read(gateway.conf))
    wanted["run"]["processes"] = 3
    with open("new.json", "w", encoding="utf-8") as file:
        json.dump(wanted, file)
    done = fg.fieldgate("apply", "-c", gateway.conf, "new.json", want=(1,))
    fg.check("/run/processes: a change from 2 needs a restart" in done.err, done.err)
    fg.fieldgate("apply", "--restart", "-c", gateway.conf, "new.json")
    gateway.stop()
    gateway.start()
    fg.wait_for("it to be kept", lambda: not os.path.exists(gateway.conf + ".trial"))
    fg.equal(len(gateway.status()["processes"]), 3, "processes")
    fg.equal(gateway.status()["applied"]["outcome"], "done", "what became of it")
    # and one that cannot start: the last good one returns with the same start
    wanted["bridges"]["cloud"].update(username="u", password={"secret": "missing-of-processes"})
    with open("new.json", "w", encoding="utf-8") as file:
        json.dump(wanted, file)
    good = fg.read(gateway.conf)
    fg.fieldgate("apply", "--restart", "-c", gateway.conf, "new.json")
    gateway.stop()
    gateway.start()
    fg.equal(fg.read(gateway.conf), good, "the file is what it was")
    fg.equal(len(gateway.status()["processes"]), 3, "processes")
    gateway.stop()


def test_plan():
    """One more process is as much memory again, and no more disk for the spool."""
    def plan(processes):
        config = {"gateway": {"id": "gw"}, "run": {"processes": processes},
                  "spool": {"dir": "spool", "limit": "64MiB"},
                  "drivers": {"things": {"type": "coap", "listen": "coap://127.0.0.1:5683"}},
                  "bridges": {"cloud": {"type": "mqtt", "url": "mqtt://127.0.0.1:1"}}}
        with open("plan.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        done = fg.fieldgate("plan", "-c", "plan.json", "--rate", 1, "--json")
        return json.loads(done.out)["gateways"][0]
    one, two = plan(1), plan(2)
    fg.check(1.8 < two["memory"] / one["memory"] < 2.5, f"memory: {one} and {two}")
    fg.check(one["disk"] <= two["disk"] < 1.2 * one["disk"], f"disk: {one} and {two}")


if __name__ == "__main__":
    fg.main(globals())
