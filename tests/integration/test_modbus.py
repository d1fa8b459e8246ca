#!/usr/bin/python3
"""The Modbus driver against libmodbus: units over TCP and on a line, one that is dead, one that is
busy, registers that are not there, a server that is killed; what was read arrives complete."""
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import threading
import tty

from fg import (Gateway, Reader, audit, check, check_ledger, equal, fieldgate, file_lines, free_port, main,
                records, total, until, wait_for)

PEER = os.environ["BUILD_DIR"] + "/tests/integration/modbus_peer"
POINTS = {
    "voltage": {"field": {"at": "input:0", "type": "float32"}, "unit": "V"},
    "power": {"field": {"at": "input:12", "type": "float32"}, "unit": "W"},
    "frequency": {"field": {"at": "input:70", "type": "float32", "order": "cdab"}, "unit": "Hz"},
    "alarm": {"field": {"at": "holding:10", "type": "u16", "bit": 15}},
    "setpoint": {"field": {"at": "holding:11", "type": "i16"}, "scale": 0.1, "unit": "Cel"},
    "energy": {"field": {"at": "holding:150", "type": "u32"}, "scale": 0.01, "unit": "kWh"},
    "pump": {"field": {"at": "coil:3"}},
    "door": {"field": {"at": "discrete:9"}},
}
FULL = {"voltage": 230.1, "power": -12.5, "frequency": 50.02, "alarm": True, "setpoint": 21.5,
        "energy": 1000, "pump": True, "door": True}
PROFILES = {
    "full": {"format": "registers", "points": POINTS,
             "write": {"setpoint": {"timeout": "5s"}, "pump": {}, "energy": {}, "door": {}}},
    "small": {"format": "registers", "points": {
        "here": {"field": {"at": "holding:2", "type": "u16"}},
        "gone": {"field": {"at": "holding:10", "type": "u16"}}}},
}


class Peer:
    def __init__(self, kind, where, name="peer"):
        self.args, self.log = [PEER, kind, str(where)], os.path.abspath(name + ".out")
        self.start()

    def start(self):
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(self.args, stdout=out, stdin=subprocess.DEVNULL)
        wait_for("the peer", lambda: "listening" in self.said())

    def said(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def requests(self, unit):
        """(function, address, count) of what a unit was asked, in order."""
        return [tuple(map(int, line.split()[1:])) for line in self.said().splitlines()
                if re.fullmatch(rf"{unit}( \d+){{3}}", line)]

    def kill(self):
        self.process.kill()
        self.process.wait()


def gateway(driver, name="gateway", **more):
    return Gateway({"drivers": {"bus": dict({"type": "modbus", "interval": "100ms"}, **driver)},
                    "profiles": PROFILES,
                    "bridges": {"local": {"type": "file", "path": os.path.abspath(name + ".jsonl"),
                                          "batch": {"linger": "1ms"}}}, **more}, name=name)


def values(gw, device):
    """All values of a device by point, in order."""
    found = {}
    for owner, point, value in records(file_lines(gw.config["bridges"]["local"]["path"])):
        if owner == device:
            found.setdefault(point, []).append(value)
    return found


def finish(gw):
    gw.stop()
    ledger = check_ledger(gw.ledger())
    answer = audit(file_lines(gw.config["bridges"]["local"]["path"]), until(ledger))
    equal(total(answer), ledger["accepted"], "records in the file")
    return ledger


def check_full(gw, device, least=3):
    wait_for(f"{least} rounds of {device}",
             lambda: len(values(gw, device).get("door", [])) >= least)
    for point, value in FULL.items():
        got = values(gw, device)[point]
        equal(got, [value] * len(got), point)


def test_tcp():
    port = free_port()
    peer = Peer("tcp", port)
    gw = gateway({"url": f"tcp://localhost:{port}", "timeout": "200ms", "devices": {
        "meter": {"unit": 1, "profile": "full"}, "small": {"unit": 2, "profile": "small"},
        "busy": {"unit": 3, "profile": "small"}, "dead": {"unit": 9, "profile": "full"}}})
    gw.start()
    check_full(gw, "meter")
    wait_for("the small one", lambda: len(values(gw, "small").get("here", [])) >= 5)
    equal(set(values(gw, "small")["here"]), {22}, "here")
    equal((values(gw, "busy"), values(gw, "dead")), ({}, {}), "of those that give nothing")
    # merged as far as the gap goes, apart where it was refused, and then never again
    asked = peer.requests(1)
    equal(sorted(set(asked)), [(1, 3, 1), (2, 9, 1), (3, 10, 2), (3, 150, 2), (4, 0, 2), (4, 12, 2),
                               (4, 70, 2)], "reads of unit 1")
    asked = peer.requests(2)
    equal(asked[:3], [(3, 2, 9), (3, 2, 1), (3, 10, 1)], "first reads of unit 2")
    equal(set(asked[3:]), {(3, 2, 1)}, "all others of unit 2")
    check("a register that the device has not got" in gw.said(), "not said")
    check(len(peer.requests(9)) * 4 < len(asked), "the dead one is asked as often as the others")
    check("device=\"dead\"" in gw.said(), "not said that it is dead")
    peer.kill()
    wait_for("the fault", lambda: "fault" in gw.said())
    before = len(values(gw, "meter")["door"])
    peer.start()
    check_full(gw, "meter", before + 3)
    finish(gw)
    peer.kill()


def test_rtu():
    """Two pseudo-terminals with a cable between them."""
    ends = [pty.openpty() for _ in range(2)]
    for _, slave in ends:
        tty.setraw(slave)
    cable = subprocess.Popen([sys.executable, "-c", CABLE, str(ends[0][0]), str(ends[1][0])],
                             pass_fds=[ends[0][0], ends[1][0]])
    peer = Peer("rtu", os.ttyname(ends[1][1]), "rtu")
    gw = gateway({"port": os.ttyname(ends[0][1]), "baud": 115200, "timeout": "200ms", "devices": {
        "line/meter": {"unit": 1, "profile": "full"}, "dead": {"unit": 9, "profile": "full"}}},
                 "line")
    gw.start()
    check_full(gw, "line/meter")
    ledger = finish(gw)
    # the cable lengthens one answer in ten
    check(set(ledger["rejected"]) <= {"checksum", "frame"}, str(ledger["rejected"]))
    peer.kill()
    cable.kill()
    cable.wait()


# Hands bytes from one to the other; puts noise in front of every tenth answer, spoils every
# fifteenth. libmodbus takes what follows a request to another unit for that one's answer (3.1.6), so
# it hears none.
CABLE = """
import os, select, sys
a, b = int(sys.argv[1]), int(sys.argv[2])
n = 0
while True:
    for fd in select.select([a, b], [], [])[0]:
        data = os.read(fd, 512)
        if fd == a and data[0] != 1:
            continue
        if fd == b:
            n += 1
            if n % 10 == 0:
                data = b"\\x00" + data
            if n % 15 == 0:
                data = data[:-1] + bytes([data[-1] ^ 1])
        os.write(a + b - fd, data)
"""


def test_commands():
    port = free_port()
    peer = Peer("tcp", port, "written")
    gw = gateway({"url": f"tcp://127.0.0.1:{port}", "timeout": "200ms", "devices": {
        "meter": {"unit": 1, "profile": "full"}, "dead": {"unit": 9, "profile": "full"}}}, "down")
    gw.start()
    check_full(gw, "meter", 1)

    def send(device, point, value, want=0):
        done = fieldgate("send", "-c", gw.conf, device, point, value, want=(want,))
        return done.out + done.err

    send("meter", "setpoint", "-3.5")
    send("meter", "pump", "false")
    send("meter", "energy", "70000.01")
    wait_for("what was written to be read", lambda: values(gw, "meter")["setpoint"][-1] == -3.5 and
             values(gw, "meter")["pump"][-1] is False and
             values(gw, "meter")["energy"][-1] == 70000.01)
    wrote = [r for r in peer.requests(1) if r[0] in (5, 6, 16)]
    equal(wrote, [(6, 11, 0x10000 - 35), (5, 3, 0), (16, 150, 2)], "writes")
    check("refused" in send("meter", "setpoint", "99999", 1), "too large is refused")
    check("refused" in send("meter", "door", "true", 1), "an input is refused")
    check("unreachable" in send("dead", "pump", "true", 1), "a dead unit is unreachable")
    finish(gw)
    peer.kill()


def test_normalise():
    """A block as the driver makes it, through the profile; and what check says."""
    conf = {"gateway": {"id": "gw"}, "profiles": PROFILES, "drivers": {"bus": {
        "type": "modbus", "url": "tcp://127.0.0.1", "devices": {"m": {"profile": "full"}}}}}

    def write():
        with open("n.json", "w", encoding="utf-8") as file:
            json.dump(conf, file)
        return "n.json"

    out = fieldgate("normalise", "-c", write(), "-d", "bus", "-a", "m",
                    text=b"\x03\x00\x0b\x00\x01\x00\xd7").out
    equal(records([out]), [("m", "setpoint", 21.5)], "normalised")
    fieldgate("normalise", "-c", "n.json", "-d", "bus", "-a", "m", text=b"\x03\x00", want=(1,))
    bus = conf["drivers"]["bus"]
    for change, said in (
            ({"devices": {"m": {"profile": "ful"}}}, "/drivers/bus/devices/m/profile: unknown"),
            ({"devices": {"m": {"unit": 256, "profile": "full"}}}, "/drivers/bus/devices/m/unit: "),
            ({"url": "tcp://host:0"}, "/drivers/bus/url: "),
            ({"url": None}, "/drivers/bus/url: "),
            ({"port": "/dev/ttyS0"}, "/drivers/bus/port: has no use with a url")):
        conf["drivers"]["bus"] = dict(bus, **change)
        done = fieldgate("check", "-c", write(), want=(1,))
        check(said in done.err + done.out, f"{said}: {done.err}{done.out}")


class Hostile:
    """A server that answers each request as it is told: bytes to send back at once, given the
    request's transaction, unit and PDU; None closes the connection."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sock, _ = self.server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock:
                try:
                    self.serve(Reader(sock), sock)
                except (EOFError, OSError):
                    pass

    def serve(self, reader, sock):
        while True:
            number, _, size = struct.unpack(">HHH", reader.take(6))
            body = reader.take(size)
            self.asked.append(body)
            answers = self.answer(len(self.asked), number, body[0], body[1:])
            if answers is None:
                return
            for answer in answers:
                sock.sendall(answer)


def mbap(number, unit, pdu, protocol=0):
    return struct.pack(">HHHB", number, protocol, len(pdu) + 1, unit) + pdu


def test_hostile():
    """Answers that are late, split, of others, damaged: none of them becomes a value."""
    good = b"\x03\x12" + b"\0\x2a" * 9
    bad = b"\x03\x12" + b"\xff\xff" * 9

    def answer(n, number, unit, pdu):
        whole = mbap(number, unit, good)
        return {
            # late ones before it, all in one piece; byte by byte; of another unit before it
            2: [mbap(number - 1, unit, bad) + mbap(number - 1, unit, bad) + whole],
            3: [whole[i:i + 1] for i in range(len(whole))],
            4: [mbap(number, unit + 1, bad), whole],
            # wrong function, wrong count, a refusal that is none: asked again
            5: [mbap(number, unit, b"\x04" + bad[1:])], 7: [mbap(number, unit, bad[:-2])],
            9: [mbap(number, unit, b"\x83")  + b""],
            # not Modbus at all; too long; gone
            11: [mbap(number, unit, good, 1)],
            12: [struct.pack(">HHHB", number, 0, 300, unit) + bytes(299)], 13: None,
        }.get(n, [whole])

    server = Hostile(answer)
    gw = gateway({"url": f"tcp://127.0.0.1:{server.port}", "interval": "20ms", "timeout": "300ms",
                  "devices": {"d": {"profile": "small"}}}, "hostile")
    gw.start()
    wait_for("it to come through", lambda: len(server.asked) > 16 and len(values(gw, "d")["gone"]) > 8)
    for point, got in values(gw, "d").items():
        equal(set(got), {42}, point)
    ledger = finish(gw)
    equal(ledger["rejected"].get("frame", 0), 5, f"bad frames in {ledger['rejected']}")


if __name__ == "__main__":
    if not os.path.exists(PEER):
        print("skipped: built without libmodbus")
        sys.exit(77)
    main(globals())
