#!/usr/bin/python3
"""The commands that reach the running gateway: ledger, status, tail, reload, dead."""
import json
import os
import select
import socket
import stat
import subprocess

import fg


def gateway_with(bridges, **more):
    port = fg.free_port(socket.SOCK_DGRAM)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": bridges, **more}).start()
    return gateway, fg.Coap(port)


def file_bridge():
    return {"local": {"type": "file", "path": os.path.abspath("records.jsonl")}}


def post(device, path, value):
    fg.equal(device.post(path, json.dumps(value), 50)[0], "2.04", f"POST {path}")


def test_ledger_and_status():
    gateway, device = gateway_with(file_bridge())
    for n in range(5):
        post(device, "room", {"t": n, "h": 1})
    ledger = gateway.wait_drained("local")
    fg.equal((ledger["gateway"], ledger["accepted"], ledger["last"]), ("gw", 10, 10), "ledger")
    fg.equal(ledger["bridges"]["local"]["acknowledged"], 10, "acknowledged")
    state = gateway.status()
    fg.equal((state["state"], state["drivers"]["things"]["records"]), ("online", 10), "status")
    text = fg.fieldgate("status", "-c", gateway.conf).out
    for word in ("gateway gw", "things", "coap", "local", "file", "10 accepted"):
        fg.check(word in text, f"{word} in {text}")
    by_socket = fg.fieldgate("ledger", "--socket", gateway.config["run"]["socket"]).out
    fg.equal(json.loads(by_socket)["accepted"], 10, "by its socket")
    # its files tell the same while it runs
    files = json.loads(fg.fieldgate("ledger", "--spool", gateway.spool, "-c", gateway.conf).out)
    fg.equal(files["bridges"]["local"], gateway.account("local"), "the account of the files")
    gateway.stop()
    fg.check(not os.path.exists(gateway.config["run"]["socket"]), "the socket's file has gone")


def test_nobody_there():
    gateway, _ = gateway_with(file_bridge())
    gateway.kill()
    fg.check(os.path.exists(gateway.config["run"]["socket"]), "a killed one leaves its socket")
    for command in ("ledger", "status", "tail", "reload"):
        done = fg.fieldgate(command, "-c", gateway.conf, want=(3,))
        fg.check("no gateway answers" in done.err and not done.out, done.err)
    fg.fieldgate("status", "-c", "nowhere.json", want=(3,))
    fg.fieldgate("status", "--nonsense", want=(2,))
    gateway.start()
    fg.equal(gateway.status()["state"], "online", "the stale socket is replaced")
    mode = os.stat(gateway.config["run"]["socket"]).st_mode
    fg.equal((stat.S_ISSOCK(mode), stat.S_IMODE(mode)), (True, 0o660), "mode")
    gateway.stop()


def test_without_a_socket():
    with open("file", "w", encoding="utf-8"):
        pass
    gateway, device = gateway_with(file_bridge(), run={"socket": os.path.abspath("file/c.sock")})
    fg.check("no control socket" in gateway.said(), gateway.said())
    post(device, "room", 1)
    fg.wait_for("the record", lambda: fg.file_lines("records.jsonl"))
    gateway.stop()


def tail(gateway, *args):
    return subprocess.Popen([fg.FIELDGATE, "tail", "-c", gateway.conf, *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_tail():
    gateway, device = gateway_with(file_bridge())
    everything, some = tail(gateway), tail(gateway, "+", "--count", "2")
    other = tail(gateway, "b2")

    def listening():
        post(device, "b2", {"x": 0})     # who listens, has had this
        return all(select.select([p.stdout], [], [], 0.1)[0] for p in (everything, some, other))

    fg.wait_for("all three to listen", listening)
    post(device, "a1", {"x": 1})
    post(device, "b2", {"x": 2, "y": "z"})
    gateway.stop()
    packs = {}
    for name, process in (("everything", everything), ("some", some), ("other", other)):
        out, err = process.communicate(timeout=fg.DEADLINE_S)
        fg.equal(process.returncode, 0, f"{name}: exit status; {err}")
        packs[name] = [json.loads(line) for line in out.splitlines()]
    fg.equal(fg.records(packs["everything"])[-3:], [("a1", "x", 1), ("b2", "x", 2), ("b2", "y", "z")],
             "all devices")
    fg.equal(len(packs["some"]), 2, "as many as were asked for")
    fg.equal({d for d, _, _ in fg.records(packs["other"])}, {"b2"}, "one device")
    fg.equal(fg.records(packs["other"])[-1], ("b2", "y", "z"), "to the end")


def test_reload():
    gateway, device = gateway_with(file_bridge())
    done = gateway.reload()
    fg.check("generation 2" in done.err and not done.out, done.err)
    gateway.config["bridges"]["local"]["batch"] = {"recrods": 1}
    done = gateway.reload(want=(1,))
    fg.check("/bridges/local/batch/recrods: " in done.err, done.err)
    refused = json.loads(fg.fieldgate("reload", "--json", "-c", gateway.conf, want=(1,)).out)
    fg.equal(refused["faults"][0]["pointer"], "/bridges/local/batch/recrods", "as JSON")
    post(device, "room", 1)
    gateway.wait_drained("local")
    fg.equal(gateway.status()["generation"], 2, "the one before stays")
    del gateway.config["bridges"]["local"]["batch"]
    gateway.config["gateway"]["id"] = "another"
    done = gateway.reload(want=(1,))
    fg.check("/gateway/id: " in done.err, done.err)
    with open(gateway.conf, "w", encoding="utf-8") as file:
        file.write("{ no")
    fg.fieldgate("reload", "-c", gateway.conf, want=(1,))
    fg.fieldgate("status", "--socket", gateway.config["run"]["socket"])
    gateway.stop()


def test_dead_letters():
    refuse = [True]
    script = fg.Script(answer=lambda m: 0x99 if refuse[0] and m["topic"].endswith("/records") else 0)
    gateway, device = gateway_with({"cloud": {"type": "mqtt", "url": script.url, "version": "5",
                                              "batch": {"linger": "1ms"}}})
    for n in range(3):
        post(device, "room", {"t": n})
    fg.wait_for("all to be refused", lambda: gateway.account("cloud")["dead"] == 3)
    listed = json.loads(fg.fieldgate("dead", "--json", "-c", gateway.conf).out)
    letters = listed["bridges"]["cloud"]
    fg.equal(sum(letter["records"] for letter in letters), 3, "records in letters")
    fg.equal([v for _, _, v in fg.records([letter["pack"] for letter in letters])], [0, 1, 2],
             "what they hold")
    table = fg.fieldgate("dead", "-c", gateway.conf)
    fg.check("cloud" in table.out and letters[0]["why"] in table.out, table.out)
    fg.equal(fg.fieldgate("dead", "other", "-c", gateway.conf).out, "", "another bridge's")
    none = fg.fieldgate("dead", "--spool", "nowhere", want=(3,))
    fg.check("nowhere: No such file" in none.err, none.err)

    done = fg.fieldgate("dead", "--requeue", "nobody", "-c", gateway.conf, want=(1,))
    fg.check("nobody" in done.err, done.err)
    fg.fieldgate("dead", "--requeue", "--discard", "-c", gateway.conf, want=(2,))
    refuse[0] = False
    done = fg.fieldgate("dead", "--requeue", "--json", "-c", gateway.conf)
    fg.equal(json.loads(done.out), {"bridges": {"cloud": {"records": 3}}}, "requeue")
    fg.wait_for("all to be taken", lambda: gateway.account("cloud")["acknowledged"] == 3)
    fg.check_ledger(gateway.ledger())
    fg.equal(json.loads(fg.fieldgate("dead", "--json", "-c", gateway.conf).out), {"bridges": {}},
             "no letters left")

    refuse[0] = True
    post(device, "room", {"t": 3})
    fg.wait_for("it to be refused", lambda: gateway.account("cloud")["dead"] == 1)
    fg.fieldgate("dead", "--discard", "cloud", "-c", gateway.conf)
    account = gateway.account("cloud")
    fg.equal((account["dead"], account["dropped"]), (0, {"refused": 1}), "discarded")
    fg.check_ledger(gateway.ledger())
    gateway.stop()
    fg.equal(fg.fieldgate("dead", "-c", gateway.conf).out, "", "nothing to list")


def test_clients_are_bounded():
    gateway, device = gateway_with(file_bridge())
    clients = []
    for _ in range(16):
        client = socket.socket(socket.AF_UNIX)
        client.connect(gateway.config["run"]["socket"])
        client.sendall(b'{"call":"tail"}\n')
        clients.append(client)
    done = fg.fieldgate("status", "-c", gateway.conf, want=(3,))
    fg.check("too many clients" in done.err, done.err)
    for n in range(200):
        post(device, "room", {"t": n})
    clients.pop().close()
    fg.wait_for("a place", lambda: fg.fieldgate("status", "-c", gateway.conf,
                                                want=None).returncode == 0)
    gateway.wait_drained("local")
    gateway.stop()
    for client in clients:
        client.close()


if __name__ == "__main__":
    fg.main(globals())
