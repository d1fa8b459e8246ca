#!/usr/bin/python3
"""A broker that sends small publications at QoS 0 without a pause: the gateway takes them to the
last one. A piece of a packet that waits in the socket must not keep the rest of it from coming."""
import socket
import threading

import fg

EACH, BURSTS = 2000, 40


class Field:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self.listener.getsockname()[1]}"
        self.version, self.sock = 5, None

    def accept(self):
        self.sock, _ = self.listener.accept()
        reader = fg.Reader(self.sock)
        reader.packet()
        self.sock.sendall(b"\x20\x03\x00\x00\x00")
        _, body = reader.packet()
        self.sock.sendall(b"\x90\x04" + body[:2] + b"\x00\x00")

    def flood(self):
        burst = b"".join(fg.packet(0x30, fg.text16(f"devices/d{n % 100:04d}/telemetry") + b"\0"
                                   + b'{"temperature":%d.5,"humidity":40.2,"battery":93,"seq":%d}'
                                   % (n % 30, 100000 + n))
                         for n in range(EACH))
        for _ in range(BURSTS):
            self.sock.sendall(burst)


def test_flood():
    field = Field()
    gateway = fg.Gateway({
        "spool": {"limit": "64MiB", "segment": "4MiB"},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["devices/#"],
                              "qos": 0}},
        "bridges": {"out": {"type": "file", "path": "/dev/null"}}})
    accept = threading.Thread(target=field.accept)
    accept.start()
    gateway.start()
    accept.join()
    flood = threading.Thread(target=field.flood, daemon=True)
    flood.start()
    fg.wait_for("all of it", lambda: gateway.ledger()["accepted"] == EACH * BURSTS * 4)
    gateway.wait_drained()
    gateway.stop()
    ledger = fg.check_ledger(gateway.ledger())
    return f"{ledger['accepted']} records"


fg.main(globals())
