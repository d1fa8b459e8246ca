#!/usr/bin/python3
"""A serial line end to end: from a pseudo-terminal through the running gateway into a file."""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tty
import unittest

FIELDGATE = os.environ["FIELDGATE"]
DEADLINE = 30


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        select.select([], [], [], 0.02)
    raise AssertionError(f"{what}: not within {DEADLINE} s")


class Port:
    """A pseudo-terminal behind a path that stays, as /dev/serial/by-id does."""

    def __init__(self, path):
        self.path, self.master = path, None

    def plug_in(self):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        os.symlink(os.ttyname(slave), self.path + ".new")
        os.rename(self.path + ".new", self.path)
        os.close(slave)

    def unplug(self):
        os.unlink(self.path)
        os.close(self.master)
        self.master = None

    def say(self, data):
        os.write(self.master, data)


class Gateway:
    def __init__(self, folder, driver):
        self.records = os.path.join(folder, "records.jsonl")
        self.conf = os.path.join(folder, "gateway.json")
        self.log = os.path.join(folder, "log")
        with open(self.conf, "w") as file:
            json.dump({
                "gateway": {"id": "gw"},
                "run": {"socket": os.path.join(folder, "control.sock")},
                "spool": {"dir": os.path.join(folder, "spool")},
                "drivers": {"meter": dict(driver, type="serial")},
                "bridges": {"local": {"type": "file", "path": self.records,
                                      "batch": {"linger": "1ms"}}},
            }, file)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([FIELDGATE, "run", "-c", self.conf], stderr=log)
        wait_for("ready", lambda: self.process.poll() is not None or "ready" in self.said())

    def said(self):
        with open(self.log) as file:
            return file.read()

    def values(self):
        """(name, value) of every record that has arrived, in order."""
        found = []
        if not os.path.exists(self.records):
            return found
        with open(self.records) as file:
            for line in file:
                if not line.endswith("\n"):
                    break
                base = ""
                for record in json.loads(line):
                    base = record.get("bn", base)
                    value = [record[key] for key in ("v", "vs", "vb") if key in record]
                    found += [(base + record.get("n", ""), value[0])] if value else []
        return found

    def ledger(self):
        out = subprocess.run([FIELDGATE, "ledger", "-c", self.conf], capture_output=True,
                             text=True, timeout=DEADLINE)
        if out.returncode == 3 and "this firmware has no" in out.stderr:
            raise unittest.SkipTest("no ledger in this build")
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE)
        return self.process.returncode


class SerialLine(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.abspath(self.id().split(".")[-1])
        os.mkdir(self.folder)
        self.port = Port(os.path.join(self.folder, "port"))

    def run_gateway(self, **driver):
        gateway = Gateway(self.folder, dict(driver, port=self.port.path))
        self.addCleanup(gateway.stop)
        self.assertIsNone(gateway.process.poll(), gateway.said())
        return gateway

    def test_lines(self):
        self.port.plug_in()
        gateway = self.run_gateway(baud=115200)
        self.port.say(b'{"temperature":21.5,"on":true}\r\n{"temperat')
        self.port.say(b'ure":22}\n{"broken\n{"temperature":23}\n')
        wait_for("records", lambda: len(gateway.values()) >= 4)
        self.assertEqual(gateway.values(), [
            ("gw/meter/temperature", 21.5), ("gw/meter/on", True),
            ("gw/meter/temperature", 22), ("gw/meter/temperature", 23)])
        ledger = gateway.ledger()
        self.assertEqual(ledger["accepted"], 4)
        self.assertEqual(sum(ledger["rejected"].values()), 1)
        self.assertEqual(gateway.stop(), 0)

    def test_plugged_in_late_and_again(self):
        gateway = self.run_gateway()
        self.port.plug_in()
        self.port.say(b"1\n")
        wait_for("the first", lambda: gateway.values() == [("gw/meter/value", 1)])
        self.port.unplug()
        self.port.plug_in()
        self.port.say(b"2\n")
        wait_for("the second", lambda: gateway.values() == [
            ("gw/meter/value", 1), ("gw/meter/value", 2)])
        self.assertEqual(gateway.stop(), 0)

    def test_checksum(self):
        self.port.plug_in()
        gateway = self.run_gateway(framer="delimiter", checksum="xor8",
                                   framer_options={"delimiter": "\\r\\n", "max": "16B"})
        self.port.say(b"42\x06\r\n43\x06\r\n" + b"x" * 64 + b"\r\n44\x00\r\n")
        wait_for("records", lambda: len(gateway.values()) >= 2)
        self.assertEqual([value for _, value in gateway.values()], [42, 44])
        self.assertEqual(gateway.ledger()["rejected"], {"checksum": 1, "too-large": 1})


def runs():
    """False in a build without the parts that a gateway needs."""
    out = subprocess.run([FIELDGATE, "run", "--help"], capture_output=True, text=True)
    return out.returncode == 0


if __name__ == "__main__":
    if not runs():
        print("skipped: this program cannot run a gateway")
        sys.exit(77)
    unittest.main(verbosity=2)
