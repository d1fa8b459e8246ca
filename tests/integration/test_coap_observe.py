#!/usr/bin/python3
"""CoAP Observe both ways: libcoap's client observes the gateway's last values, and the gateway
observes and polls libcoap's server."""
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse

import fg


def program(name):
    found = shutil.which(name) or shutil.which(name + "-openssl") or shutil.which(name + "-notls")
    if not found:
        fg.need(name)
    return found


def gateway(**more):
    port = fg.free_port(socket.SOCK_DGRAM)
    config = {"drivers": {"things": dict({"type": "coap",
                                          "listen": f"coap://127.0.0.1:{port}"}, **more)},
              "bridges": {"out": {"type": "file", "path": os.path.abspath("out.jsonl"),
                                  "start": "oldest", "batch": {"linger": "10ms"}}}}
    started = fg.Gateway(config).start()
    started.port = port
    return started


def end(started):
    started.wait_drained()
    started.stop()
    ledger = fg.check_ledger(started.ledger())
    fg.audit(fg.file_lines("out.jsonl"), fg.until(ledger))


def values(device, point):
    return [v for d, p, v in fg.records(fg.file_lines("out.jsonl")) if (d, p) == (device, point)]


def test_a_client_observes():
    client = program("coap-client")
    started = gateway()
    device = fg.Coap(started.port)
    fg.equal(device.post("hall/temperature", "1")[0], "2.04", "the first value")
    with open("seen", "wb") as seen, subprocess.Popen(
            [client, "-s", "60", "-m", "get", f"coap://127.0.0.1:{started.port}/hall/temperature"],
            stdout=seen, stderr=subprocess.DEVNULL) as observer:
        try:
            for value in range(1, 9):
                fg.equal(device.post("hall/temperature", str(value))[0], "2.04", "a value")
                fg.wait_for(f"notification of {value}", lambda v=value: f'"v":{v}}}' in fg.read("seen"))
            fg.equal(device.post("hall/other", "5")[0], "2.04", "what nobody observes")
        finally:
            observer.send_signal(signal.SIGKILL)
    fg.check("other" not in fg.read("seen"), "only what is observed is told")
    end(started)


def test_a_path_is_read_as_it_is_written():
    """Whatever is in it: what a device POSTs to is what it is read, observed and listed by."""
    client = program("coap-client")
    started = gateway()
    device = fg.Coap(started.port)
    for n, path in enumerate(["my dev/te mp", "my_x20_dev/te mp", "höhe/2", "fieldgate/t"]):
        fg.equal(device.post(path, str(70 + n))[0], "2.04", f"POST {path}")
        fg.check(f'"v":{70 + n}}}'.encode() in (device.get(path) or b""), f"GET {path}")
    links = re.findall("<(.*?)>", (device.get(".well-known/core") or b"").decode())
    fg.equal(sorted(links), sorted(["/my%20dev", "/my_x20_dev", "/h%C3%B6he",
                                   "/fieldgate"]), "links")
    for link in links:
        fg.check(device.get(urllib.parse.unquote(link)[1:]), f"GET {link}")
    with open("seen", "wb") as seen, subprocess.Popen(
            [client, "-s", "60", "-m", "get",
             f"coap://127.0.0.1:{started.port}/my%20dev/te%20mp"],
            stdout=seen, stderr=subprocess.DEVNULL) as observer:
        try:
            fg.wait_for("the first value", lambda: '"v":70}' in fg.read("seen"))
            fg.equal(device.post("my dev/te mp", "80")[0], "2.04", "the next")
            fg.wait_for("its notification", lambda: '"v":80}' in fg.read("seen"))
        finally:
            observer.send_signal(signal.SIGKILL)
    end(started)


class Server:
    """libcoap's."""

    def __init__(self, port=None):
        self.port = port or fg.free_port(socket.SOCK_DGRAM)
        self.url = f"coap://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [program("coap-server"), "-A", "127.0.0.1", "-p", str(self.port), "-d", "10"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def put(self, path, text):
        done = subprocess.run([program("coap-client"), "-B", "5", "-m", "put", "-e", text,
                               self.url + path], capture_output=True, timeout=20, check=False)
        fg.equal(done.returncode, 0, f"PUT {path}")

    def stop(self):
        self.process.kill()
        self.process.wait()


def test_the_gateway_observes():
    server = Server()
    try:
        server.put("/example_data", "10")
        started = gateway(
            observe={"boiler": {"url": server.url + "/example_data"},
                     "nobody": {"url": f"coap://127.0.0.1:{fg.free_port(socket.SOCK_DGRAM)}/x"}},
            poll={"clock": {"url": server.url + "/time?ticks", "device": "watch",
                            "interval": "1s"}})
        fg.wait_for("the first value", lambda: values("boiler", "example_data") == [10])
        for value in (11, 12, 13):
            server.put("/example_data", str(value))
            fg.wait_for(f"the value {value}", lambda v=value: v in values("boiler", "example_data"))
        fg.wait_for("two polls", lambda: len(set(values("watch", "time"))) >= 2)
        fg.check("of=nobody" in started.said(), "who cannot be reached is named")
        end(started)
    finally:
        server.stop()


def test_what_was_refused_is_asked_for_again():
    """A notification comes while the spool refuses: its value comes in when there is room again,
    and the observing goes on."""
    server, upstream = Server(), fg.Broker("upstream")
    first = upstream.collector()
    upstream.stop()
    try:
        server.put("/example_data", "10")
        port = fg.free_port(socket.SOCK_DGRAM)
        started = fg.Gateway({
            "run": {"log": "debug"},
            "spool": {"limit": "1MiB", "segment": "128KiB", "when_full": "refuse"},
            "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}",
                                   "observe": {"boiler": {"url": server.url + "/example_data"}}}},
            "bridges": {"up": {"type": "mqtt", "url": upstream.url, "start": "oldest"}}}).start()
        fg.wait_for("the first value",
                    lambda: started.ledger()["accepted"] == 1)
        device, count = fg.Coap(port), 1
        while device.post("filler", '"' + 1000 * "x" + '"')[0] == "2.04":
            count += 1
        server.put("/example_data", "11")
        fg.wait_for("the refusal", lambda: "reading waits" in started.said())
        fg.equal(started.ledger()["accepted"], count, "accepted while there is no room")
        upstream.start()
        collectors = [first, upstream.collector()]    # of one session

        def packs():
            return [p for c in collectors for p in c.payloads()]

        def seen():
            return [v for d, _, v in fg.records(packs()) if d == "boiler"]
        fg.wait_for("what was refused", lambda: seen()[-1:] == [11])
        server.put("/example_data", "12")
        fg.wait_for("the next value", lambda: seen()[-1:] == [12])
        ledger = started.wait_drained()
        fg.audit(packs(), fg.until(ledger))
        started.stop()
        fg.check_ledger(started.ledger())
    finally:
        server.stop()


def test_large_answers_come_in_blocks():
    server = Server()
    try:
        text = "[" + ",".join(str(n) for n in range(600)) + "]"
        with open("large", "w", encoding="utf-8") as file:
            file.write(text)
        server.put("/example_data", "1")
        done = subprocess.run([program("coap-client"), "-B", "10", "-m", "put", "-b", "1024", "-t",
                               "50", "-f", "large", server.url + "/example_data"],
                              capture_output=True, timeout=20, check=False)
        fg.equal(done.returncode, 0, "PUT in blocks")
        started = gateway(poll={"big": {"url": server.url + "/example_data", "interval": "1s"}})
        fg.wait_for("the last of them", lambda: 599 in values("big", "example_data/599"))
        end(started)
    finally:
        server.stop()


if __name__ == "__main__":
    fg.main(globals())
