#!/usr/bin/python3
"""fieldgate simulate: what its devices say, and that it ends only when all of it is acknowledged."""
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import tty
import unittest

FIELDGATE = os.environ["FIELDGATE"]
MOSQUITTO = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
DEADLINE = 30


def simulate(*args):
    return subprocess.Popen([FIELDGATE, "simulate", *args], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def expected(seqs, devices):
    """(device, seq) of the first readings, dealt to the devices in turn."""
    return {(f"d{n % devices:04}", n // devices + 1) for n in range(seqs)}


def packets(connection):
    """First byte and body of each MQTT packet that comes."""
    stream = connection.makefile("rb")
    while True:
        first = stream.read(1)
        if not first:
            return
        length, shift = 0, 0
        while True:
            byte = stream.read(1)[0]
            length |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                break
        yield first[0], stream.read(length)


def published(body):
    """Topic, packet id and text of a PUBLISH at QoS 1."""
    end = 2 + struct.unpack(">H", body[:2])[0]
    return body[2:end].decode(), body[end:end + 2], body[end + 2:]


class Subscriber:
    """Takes what is published on a broker's Unix socket, at QoS 1."""

    def __init__(self, path, topic):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.socket.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02me")
        self.packets = packets(self.socket)
        assert next(self.packets) == (0x20, b"\x00\x00")
        topic = topic.encode()
        body = b"\x00\x01" + struct.pack(">H", len(topic)) + topic + b"\x01"
        self.socket.sendall(bytes([0x82, len(body)]) + body)
        assert next(self.packets) == (0x90, b"\x00\x01\x01")

    def __iter__(self):
        for first, body in self.packets:
            if first & 0xf0 == 0x30:
                topic, mid, text = published(body)
                self.socket.sendall(b"\x40\x02" + mid)
                yield topic, text


class Broker:
    def __init__(self, path):
        self.path = path
        conf = path + ".conf"
        with open(conf, "w") as f:
            f.write(f"listener 0 {path}\nallow_anonymous true\nmax_queued_messages 0\n")
            if os.geteuid() == 0:
                f.write("user root\n")
        self.process = subprocess.Popen([MOSQUITTO, "-c", conf], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if " running" in line:
                break
        self.drain = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.drain.start()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.drain.join()
        self.process.stderr.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


class Fake(threading.Thread):
    """An MQTT broker on a Unix socket that reads whole packets and asks `act` what to do."""

    def __init__(self, path, act):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.act = act
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                for first, body in packets(connection):
                    if first == 0x10:
                        connection.sendall(b"\x20\x02\x00\x00")
                    elif first & 0xf0 == 0x30 and not self.act(connection, first, body):
                        break


class Mqtt(unittest.TestCase):
    def test_real_broker(self):
        broker = Broker(os.path.abspath("broker.sock"))
        self.addCleanup(broker.stop)
        sub = Subscriber(broker.path, "devices/#")
        self.addCleanup(sub.socket.close)
        status, out, _ = finish(simulate("--mqtt", "unix://" + broker.path, "--devices", "7",
                                         "--count", "700", "--rate", "0"))
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(out)["mqtt"],
                         {"sent": 700, "acknowledged": 700, "refused": 0, "repeated": 0})
        got = []
        for topic, text in sub:
            payload = json.loads(text)
            self.assertEqual(set(payload), {"temperature", "humidity", "battery", "seq"})
            self.assertEqual(topic.split("/")[2], "telemetry")
            got.append((topic.split("/")[1], payload["seq"]))
            if len(got) == 700:
                break
        self.assertEqual(set(got), expected(700, 7))

    def test_lost_connection_repeats_what_was_not_acknowledged(self):
        seen, cut = [], []

        def act(connection, first, body):
            topic, mid, text = published(body)
            payload = json.loads(text)
            device = topic.split("/")[1]
            if not cut and len(seen) == 10:
                cut.append((device, payload["seq"]))
                return False
            seen.append(((device, payload["seq"]), bool(first & 8)))
            connection.sendall(b"\x40\x02" + mid)
            return True

        Fake(os.path.abspath("fake.sock"), act)
        status, out, err = finish(simulate("--mqtt", "unix://" + os.path.abspath("fake.sock"),
                                           "--count", "50", "--rate", "0", "--devices", "3"))
        self.assertEqual(status, 0, err)
        self.assertEqual({reading for reading, _ in seen}, expected(50, 3))
        self.assertIn((cut[0], True), seen)
        summary = json.loads(out)["mqtt"]
        self.assertEqual((summary["sent"], summary["acknowledged"]), (50, 50))
        self.assertGreaterEqual(summary["repeated"], 1)

    def test_interrupted_without_acknowledgement_is_a_no(self):
        begun = threading.Event()

        def act(*_):
            begun.set()
            return True

        Fake(os.path.abspath("mute.sock"), act)
        process = simulate("--mqtt", "unix://" + os.path.abspath("mute.sock"), "--rate", "0")
        self.assertTrue(begun.wait(DEADLINE))
        process.send_signal(signal.SIGINT)
        status, out, _ = finish(process)
        self.assertEqual(status, 1)
        self.assertEqual(json.loads(out)["mqtt"]["acknowledged"], 0)


def coap_options(data):
    """Options of a message behind its token, and the payload."""
    options, number, at = [], 0, 0
    while at < len(data) and data[at] != 0xff:
        delta, length = data[at] >> 4, data[at] & 15
        number += delta
        options.append((number, data[at + 1:at + 1 + length]))
        at += 1 + length
    return options, data[at + 1:]


class CoapServer(threading.Thread):
    """Asks `act` for the datagrams to send back; collects the readings that were answered 2.04."""

    def __init__(self, act):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"coap://127.0.0.1:{self.socket.getsockname()[1]}"
        self.act, self.seen, self.acks = act, [], []
        self.start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(2048)
            if data[1] == 0:
                self.acks.append(data)
                continue
            mid, token = data[2:4], data[4:4 + (data[0] & 15)]
            options, payload = coap_options(data[4 + len(token):])
            self.seen.append((data, options, payload))
            for answer in self.act(len(self.seen), mid, token):
                self.socket.sendto(answer, peer)


def answer(kind, code, mid, token=b"", more=b""):
    return bytes([0x40 | kind << 4 | len(token), code]) + mid + token + more


ACK, CON = 2, 0
CHANGED, FORBIDDEN, UNAVAILABLE = 0x44, 0x83, 0xa3


class Coap(unittest.TestCase):
    def run_one(self, act, *args, status=0):
        server = CoapServer(act)
        got, out, err = finish(simulate("--coap", server.url, "--rate", "0", *args))
        self.assertEqual(got, status, err)
        return server, json.loads(out)["coap"]

    def test_piggybacked(self):
        server, summary = self.run_one(
            lambda n, mid, token: [answer(ACK, CHANGED, mid, token)],
            "--devices", "100", "--count", "500")
        self.assertEqual((summary["sent"], summary["acknowledged"]), (500, 500))
        got = set()
        for data, options, payload in server.seen:
            self.assertEqual(data[0] >> 4, 4)       # version 1, confirmable
            self.assertEqual(data[1], 2)            # POST
            path = [value.decode() for number, value in options if number == 11]
            self.assertIn((12, b"\x32"), options)   # application/json
            got.add((path[0], json.loads(payload)["seq"]))
        self.assertEqual(len(got), 500)

    def test_lost_request_is_sent_again_unchanged(self):
        server, summary = self.run_one(
            lambda n, mid, token: [answer(ACK, CHANGED, mid, token)] if n > 1 else [],
            "--devices", "1", "--count", "1")
        self.assertEqual(server.seen[0][0], server.seen[1][0])
        self.assertEqual(summary["repeated"], 1)

    def test_separate_response_is_acknowledged(self):
        # an empty ACK alone settles nothing; the response does, and gets an ACK of its own
        def act(n, mid, token):
            return [answer(ACK, 0, mid), answer(CON, CHANGED, b"\x12\x34", token)]

        server, summary = self.run_one(act, "--devices", "1", "--count", "3")
        self.assertEqual((summary["acknowledged"], summary["repeated"]), (3, 0))
        self.assertEqual(set(server.acks), {answer(ACK, 0, b"\x12\x34")})

    def test_late_answer_settles_nothing_else(self):
        # the answer to the first reading, once more, comes right before the second's refusal
        tokens = []

        def act(n, mid, token):
            tokens.append(token)
            if n == 1:
                return [answer(ACK, CHANGED, mid, token)]
            return [answer(CON, CHANGED, b"\x00\x01", tokens[0]),
                    answer(ACK, FORBIDDEN, mid, token)]

        _, summary = self.run_one(act, "--devices", "1", "--count", "2", status=1)
        self.assertEqual((summary["acknowledged"], summary["refused"]), (1, 1))

    def test_unavailable_is_tried_again_after_max_age(self):
        def act(n, mid, token):
            if n == 1:
                return [answer(ACK, UNAVAILABLE, mid, token, b"\xd1\x01\x01")]  # Max-Age: 1
            return [answer(ACK, CHANGED, mid, token)]

        server, summary = self.run_one(act, "--devices", "1", "--count", "1")
        self.assertEqual(summary, {"sent": 1, "acknowledged": 1, "refused": 0, "repeated": 1})
        self.assertNotEqual(server.seen[0][0][2:4], server.seen[1][0][2:4])
        self.assertEqual(server.seen[0][2], server.seen[1][2])


class Serial(unittest.TestCase):
    def read_lines(self, fd, count):
        text = b""
        while text.count(b"\n") < count:
            self.assertTrue(select.select([fd], [], [], DEADLINE)[0], "no line came")
            text += os.read(fd, 4096)
        return [json.loads(line) for line in text.splitlines()]

    def test_waits_for_its_reader_and_stays(self):
        process = simulate("--serial", "--count", "300", "--rate", "0")
        path = process.stdout.readline().strip()
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        lines = self.read_lines(fd, 300)
        self.assertEqual([line["seq"] for line in lines], list(range(1, 301)))
        self.assertEqual(json.loads(process.stdout.readline()), {"serial": {"sent": 300}})
        self.assertIsNone(process.poll())
        os.close(fd)
        process.terminate()
        self.assertEqual(finish(process)[0], 0)

    def test_lingers_as_long_as_told(self):
        process = simulate("--serial", "--count", "1", "--linger", "10ms")
        fd = os.open(process.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, fd)
        status, out, _ = finish(process)
        self.assertEqual((status, json.loads(out)), (0, {"serial": {"sent": 1}}))


class Usage(unittest.TestCase):
    def test_wrong_usage(self):
        for args in ([], ["--mqtt", "http://x"], ["--mqtt", "mqtt://x:0"], ["--coap", "x"],
                     ["--serial", "--devices", "0"], ["--serial", "--count", "-1"],
                     ["--serial", "--rate", "fast"], ["--serial", "--linger", "5"],
                     ["--serial", "more"], ["--nonsense"]):
            with self.subTest(args):
                status, out, err = finish(simulate(*args))
                self.assertEqual((status, out), (2, ""))
                self.assertTrue(err)

    def test_help(self):
        status, out, _ = finish(simulate("--help"))
        self.assertEqual(status, 0)
        self.assertIn("--mqtt URL", out)


if __name__ == "__main__":
    if not MOSQUITTO:
        print("skipped: no mosquitto here")
        sys.exit(77)
    unittest.main(verbosity=2)
