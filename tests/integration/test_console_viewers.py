#!/usr/bin/python3
"""Who looks on: slow, dead, gone, too many, many at once; and a gateway that stops meanwhile."""
import json
import re
import socket
import threading

import console_world as world
import fg
from console_world import ask

API = "/api/v1"


def head(*lines):
    return "\r\n".join((*lines, "", "")).encode()


def test_slow_viewers():
    """Viewers that read nothing: their readings are left out and counted, and the field and the
    one who does read notice nothing."""
    gateway = world.gateway().start()
    dead = []
    for _ in range(10):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", gateway.port))
        sock.sendall(head("GET /api/v1/stream?device=* HTTP/1.1", "Host: 127.0.0.1"))
        dead.append(sock)
    viewer = world.Viewer(gateway.port, "?device=*")
    fg.wait_for("status", lambda: viewer.of("status"))
    fg.fieldgate("simulate", "--coap", f"coap://127.0.0.1:{gateway.coap}", "--devices", 50,
                 "--count", 3000, "--rate", 0)
    done = fg.fieldgate("simulate", "--coap", f"coap://127.0.0.1:{gateway.coap}", "--devices", 50,
                        "--count", 10000, "--rate", 0)
    fg.equal(json.loads(done.out)["coap"]["acknowledged"], 10000, "the field")
    metrics = ask(gateway.port, "GET", "/metrics").text
    left_out = int(re.search(r"^fieldgate_console_left_out_total (\d+)$", metrics, re.M)[1])
    fg.check(left_out > 10000, f"{left_out} left out")
    fg.wait_for("it is told", lambda: viewer.of("left_out"))
    fg.wait_for("the dead are found", lambda: re.search(
        r"^fieldgate_console_viewers 1$", ask(gateway.port, "GET", "/metrics").text, re.M))
    for sock in dead:
        sock.close()
    ledger = gateway.wait_drained("local")
    fg.equal(ledger["accepted"], 4 * 13000, "accepted")
    told, seen = sum(viewer.of("left_out")), len(viewer.of("reading"))
    fg.check(told + seen <= 13000 and told > 0, f"{told} left out and {seen} seen of 13000")
    viewer.close()
    gateway.stop()
    return f"{left_out} readings left out"


def test_viewers_that_go():
    """Those that close, or are too many, leave nothing behind."""
    gateway = world.gateway({"viewers": 4}).start()
    for _ in range(3):
        viewers = [world.Viewer(gateway.port, "?device=*") for _ in range(4)]
        fg.wait_for("status", lambda v=viewers: all(x.of("status") for x in v))
        fg.equal(world.Viewer(gateway.port).status, 503, "one more")
        for viewer in viewers:
            viewer.close()
        fg.wait_for("none", lambda: "\nfieldgate_console_viewers 0\n" in ask(gateway.port, "GET",
                                                                             "/metrics").text)
    gateway.stop()


def test_busy_end():
    """A gateway that stops while commands, streams and requests are under way."""
    gateway = world.gateway().start()
    fg.Coap(gateway.coap).post("lamps/hall", b'{"power":"on"}', 50)
    viewer = world.Viewer(gateway.port, "?device=*")
    answers = []

    def command():
        try:
            answers.append(ask(gateway.port, "POST", f"{API}/command",
                               {"device": "hall", "point": "power", "value": 1, "timeout_s": 60}).status)
        except (OSError, Exception) as error:  # pylint: disable=broad-except
            answers.append(error)
    threads = [threading.Thread(target=command) for _ in range(5)]
    half = socket.create_connection(("127.0.0.1", gateway.port))
    half.sendall(b"GET /api/v1/st")
    for thread in threads:
        thread.start()
    fg.wait_for("commands", lambda: gateway.status()["commands"]["waiting"] > 0)
    fg.wait_for("status", lambda: viewer.of("status"))
    gateway.stop()
    for thread in threads:
        thread.join(fg.DEADLINE_S)
        fg.check(not thread.is_alive(), "a request that got no end")
    half.close()
    fg.check_ledger(gateway.ledger())


def test_parallel():
    """Many honest clients at once, on connections that are kept."""
    gateway = world.gateway().start()
    faults = []

    def client():
        try:
            connection = world.connect(gateway.port)
            for path in ("status", "ledger", "config", "devices", "spool", "dead?bridge=local") * 5:
                connection.request("GET", f"{API}/{path}")
                answer = world.Answer(connection.getresponse())
                if answer.status != 200 or not answer.json:
                    faults.append(answer.text)
            connection.close()
        except Exception as error:  # pylint: disable=broad-except
            faults.append(repr(error))
    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(fg.DEADLINE_S)
    fg.equal(faults, [], "what went wrong")
    gateway.stop()


if __name__ == "__main__":
    fg.main(globals())
