#!/usr/bin/python3
# run-on: release
"""What the console costs: nothing where it is not configured, a MiB at most for ten viewers, no more
for viewers that read nothing."""
import json
import os
import re
import socket
import sys

import console_world as world
import fg

if os.geteuid() != 0:
    print("skipped: only root may read what memory a process takes")
    sys.exit(77)


def load(gateway, count):
    done = fg.fieldgate("simulate", "--coap", f"coap://127.0.0.1:{gateway.coap}", "--devices", 50,
                        "--count", count, "--rate", 0)
    fg.equal(json.loads(done.out)["coap"]["acknowledged"], count, "the field")


def left_out(gateway):
    metrics = world.ask(gateway.port, "GET", "/metrics").text
    return int(re.search(r"^fieldgate_console_left_out_total (\d+)$", metrics, re.M)[1])


def test_ten_viewers():
    gateway = world.gateway().start()
    load(gateway, 5000)
    world.ask(gateway.port, "GET", "/metrics")
    before = gateway.pss_kib()
    viewers = [world.Viewer(gateway.port, "?device=*") for _ in range(10)]
    load(gateway, 5000)
    fg.wait_for("status", lambda: all(len(v.of("status")) > 3 for v in viewers))
    grown = gateway.pss_kib() - before
    fg.check(grown <= 1024, f"{grown} KiB more with ten viewers")
    for viewer in viewers:
        viewer.close()
    fg.check_ledger(gateway.wait_drained("local"))
    gateway.stop()
    return f"{grown} KiB more with ten viewers"


def test_dead_viewers():
    gateway = world.gateway().start()
    load(gateway, 5000)
    dead = []
    for _ in range(10):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", gateway.port))
        sock.sendall(b"GET /api/v1/stream?device=* HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        dead.append(sock)
    load(gateway, 5000)
    fg.check(left_out(gateway) > 0, "nothing was left out")
    before = gateway.pss_kib()
    load(gateway, 20000)
    grown = gateway.pss_kib() - before
    fg.check(grown <= 1024, f"{grown} KiB more with ten dead viewers and 20000 readings")
    for sock in dead:
        sock.close()
    fg.check_ledger(gateway.wait_drained("local"))
    gateway.stop()
    return f"{grown} KiB more with ten dead viewers"


def test_not_there():
    """The same gateway with and without a console, at rest."""
    with_one = world.gateway().start()
    load(with_one, 1000)
    there = with_one.pss_kib()
    with_one.stop()
    os.mkdir("bare")
    os.chdir("bare")
    bare = world.gateway()
    del bare.config["console"]
    bare.write()
    bare.start()
    load(bare, 1000)
    without = bare.pss_kib()
    maps = fg.read(f"/proc/{bare.pid()}/maps")
    bare.stop()
    os.chdir("..")
    if os.path.exists(f"{os.environ.get('BUILD_DIR', '')}/modules/fg_console_http.so"):
        fg.check("microhttpd" not in maps and "gnutls" not in maps, "its libraries are carried")
    fg.check(there - without < 3072, f"{there - without} KiB for a console at rest")
    return f"{there - without} KiB for a console at rest"


if __name__ == "__main__":
    fg.main(globals())
