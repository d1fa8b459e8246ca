#!/usr/bin/python3
"""What a record costs in the steady state, in figures that a busy machine does not change:
instructions and allocations (callgrind), system calls (strace), bytes sent upstream.

    counts.py PATHS-PROGRAM [--keep]

Each path is driven in lockstep: a burst of payloads, then everything they cause, then the next. It is
done twice, with few and with many bursts; the difference is the steady state, without start and end.
The figures are compared with counts.json beside this file; costing more than the tolerance fails,
--keep writes them down instead. On another system than the file's they are only printed.

Runs in the folder of tests/integration/run (FIELDGATE, SOURCE_DIR)."""
import argparse
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import tty

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

KEPT = os.path.join(os.environ["SOURCE_DIR"], "tests/bench/counts.json")
POINTS = 4
FEW, MANY = 2000, 6000  # payloads
STEPS = {"json-read": 1, "normalise": 1, "senml-json": 1, "senml-cbor": 1, "spool-append": 1,
         "spool-read": 1}
MALLOCS = {"malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"}
# so that the C library takes the same ways on any processor
SAME_LIBC = "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS,-FSRM"


# -- the peers --

class Socket:
    """A broker's end of one connection of the gateway, read when the script asks for it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sock, self.data, self.bytes, self.packs, self.acks = None, b"", 0, 0, 0
        self.version = self.filters = 0

    def accept(self):
        self.sock, _ = self.listener.accept()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pump(self):
        """Takes what is there and answers it."""
        if not self.sock or not select.select([self.sock], [], [], 0)[0]:
            return
        more = self.sock.recv(1 << 20)
        fg.check(more, "the gateway hung up")
        self.bytes += len(more)
        self.data += more
        answers = b""
        while (taken := self.packet()) is not None:
            answers += self.answer(*taken)
        if answers:
            self.sock.sendall(answers)

    def packet(self):
        size, shift, at = 0, 0, 1
        while at < len(self.data):
            size |= (self.data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if self.data[at - 1] < 128:
                break
        else:
            return None
        if len(self.data) < at + size:
            return None
        head, body = self.data[0], self.data[at:at + size]
        self.data = self.data[at + size:]
        return head, body

    def answer(self, head, body):
        kind = head >> 4
        if kind == 1:
            self.version = body[6]
            return b"\x20\x03\x00\x00\x00" if self.version == 5 else b"\x20\x02\x00\x00"
        if kind == 8:
            self.filters += 1
            tail = b"\x00\x01" if self.version == 5 else b"\x01"
            return bytes([0x90, 2 + len(tail)]) + body[:2] + tail
        if kind == 12:
            return b"\xd0\x00"
        if kind == 4:
            self.acks += 1
        if kind == 3:
            topic, at = fg.take16(body, 0)
            self.packs += topic.endswith(b"/records")
            if head >> 1 & 3:
                return b"\x40\x02" + body[at:at + 2]
        return b""


def payload(number):
    return (b'{"temperature":%d.%d,"humidity":%d.%d,"battery":%d,"seq":%d}'
            % (15 + number % 17, number % 10, 30 + number % 40, number % 7, 100 - number % 60,
               100000 + number))


class MqttField:
    """The gateway subscribes at it."""

    burst = 200

    def __init__(self, qos):
        self.qos, self.broker, self.mid = qos, Socket(), 0
        self.driver = {"type": "mqtt", "url": self.broker.url, "subscribe": ["devices/#"],
                       "qos": qos}

    def open(self, step):
        self.broker.accept()
        until("the subscription", lambda: step() or self.broker.filters)

    def pump(self):
        self.broker.pump()

    def send(self, gateway, begin):
        out = []
        for number in range(begin, begin + self.burst):
            body = fg.text16(f"devices/d{number % 100:04d}/telemetry")
            if self.qos:
                self.mid = self.mid % 65000 + 1
                body += self.mid.to_bytes(2, "big")
            if self.broker.version == 5:
                body += b"\x00"
            out.append(fg.packet(0x30 | self.qos << 1, body + payload(number)))
        self.broker.sock.sendall(b"".join(out))

    def answered(self, sent):
        return not self.qos or self.broker.acks == sent


class CoapField:
    """As many clients as a burst has payloads; all of a burst are there before it is looked at."""

    burst = 50

    def __init__(self):
        self.port = fg.free_port(socket.SOCK_DGRAM)
        self.driver = {"type": "coap", "listen": f"coap://127.0.0.1:{self.port}"}
        self.socks, self.replies = [], 0

    def open(self, step):
        for _ in range(self.burst):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(("127.0.0.1", self.port))
            sock.setblocking(False)
            self.socks.append(sock)

    def pump(self):
        for sock in select.select(self.socks, [], [], 0)[0]:
            fg.equal(sock.recv(1500)[1], 0x44, "the answer's code")
            self.replies += 1

    def send(self, gateway, begin):
        os.kill(gateway.pid(), signal.SIGSTOP)
        until("the stop", lambda: stopped(gateway.pid()))
        for n, sock in enumerate(self.socks):
            mid = (begin + n) & 0xffff
            sock.send(b"\x42\x02" + mid.to_bytes(2, "big") + b"\x01" + bytes([n])
                      + b"\xb9telemetry\x11\x32\xff" + payload(begin + n))
        os.kill(gateway.pid(), signal.SIGCONT)

    def answered(self, sent):
        return self.replies == sent


class SerialField:
    burst = 50

    def __init__(self):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.driver = {"type": "serial", "port": os.ttyname(slave), "baud": 115200,
                       "framer": "line"}
        self.slave = slave

    def open(self, step):
        pass

    def pump(self):
        pass

    def send(self, gateway, begin):
        os.write(self.master, b"".join(payload(n) + b"\n" for n in range(begin, begin + self.burst)))

    def answered(self, sent):
        return True


PATHS = {
    "mqtt-qos1": (lambda: MqttField(1), 1),
    "mqtt-qos0": (lambda: MqttField(0), 0),
    "coap": (CoapField, 1),
    "serial": (SerialField, 1),
}


def until(what, condition):
    """fg.wait_for, but for what takes a millisecond and is asked a thousand times."""
    end = time.monotonic() + fg.DEADLINE_S
    while not (got := condition()):
        fg.check(time.monotonic() < end, f"{what}: not within {fg.DEADLINE_S} s")
        time.sleep(0.0005)
    return got


# -- the gateway below a tool --

class Tooled(fg.Gateway):
    def start_below(self, tool):
        env = dict(self.env, GLIBC_TUNABLES=SAME_LIBC)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(tool + [fg.FIELDGATE, "run", "-c", self.conf],
                                            stderr=log, stdin=subprocess.DEVNULL, env=env)
        fg.Gateway.running.append(self)


def state(pid):
    return fg.read(f"/proc/{pid}/stat").rpartition(") ")[2][:1]


def stopped(pid):
    """The signal has been taken, not only sent: what traces it stops it often, for a moment."""
    pending = re.search(r"^ShdPnd:\t([0-9a-f]+)", fg.read(f"/proc/{pid}/status"), re.M)[1]
    return not int(pending, 16) >> signal.SIGSTOP - 1 & 1 and state(pid) in "Tt"


def drive(tool, payloads, make_field, qos, form="senml+json"):
    """One run; returns bytes that went upstream from the first burst to the last."""
    field, upstream = make_field(), Socket()
    gateway = Tooled({
        "spool": {"commit": "never", "limit": "64MiB", "segment": "4MiB"},
        "drivers": {"field": field.driver},
        "bridges": {"up": {"type": "mqtt", "url": upstream.url, "qos": qos, "format": form,
                           "batch": {"records": field.burst * POINTS, "linger": "10s"}}}})
    gateway.start_below(tool)

    def step():
        field.pump()
        upstream.pump()

    def idle():
        step()
        return state(gateway.pid()) == "S"

    upstream.accept()
    field.open(step)
    until("ready", lambda: step() or gateway.is_ready())
    until("quiet", idle)
    begin = upstream.bytes
    for n in range(0, payloads, field.burst):
        field.send(gateway, n)
        until("the burst", lambda: step() or (
            field.answered(n + field.burst) and  # noqa: B023
            upstream.packs == n // field.burst + 1))  # noqa: B023
        until("quiet", idle)
    sent = upstream.bytes - begin
    gateway.process.send_signal(signal.SIGTERM)
    until("the end", lambda: step_quietly(step) or gateway.process.poll() is not None)
    gateway._gone()  # pylint: disable=protected-access
    ledger = fg.check_ledger(gateway.ledger())
    fg.equal(ledger["accepted"], payloads * POINTS, "records accepted")
    subprocess.run(["rm", "-rf", gateway.spool], check=True)
    return sent


def step_quietly(step):
    try:
        step()
    except (OSError, fg.Failed):
        pass    # it is going away


# -- the tools --

def callgrind(name):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={name}", "--quiet"]


def read_callgrind(name, program):
    """Instructions, allocations, and those of them that the program's own code asked for."""
    names, objects, instructions, calls, own = {}, {}, 0, 0, 0
    here = callee = ""
    with open(name, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, rest = line.rstrip("\n").partition("=")
            if key in ("ob", "cob"):
                ident, _, text = rest.partition(" ")
                if text:
                    objects[ident] = text
                if key == "ob":
                    here = objects[ident]
            elif key in ("fn", "cfn"):
                ident, _, text = rest.partition(" ")
                if text:
                    names[ident] = text
                if key == "cfn":
                    callee = names[ident]
            elif key == "calls" and callee.partition("'")[0] in MALLOCS:
                count = int(rest.split()[0])
                inside = "/libc.so" in here or "/ld-linux" in here or not here
                calls += 0 if inside else count
                own += count if here == program else 0
            elif line.startswith(("totals:", "summary:")):
                instructions = max(instructions, int(line.split()[1]))
    return instructions, calls, own


def read_strace(name):
    def written():
        return re.search(r"^ *100\.00 .*?(\d+) +(?:\d+ +)?total$", fg.read(name), re.M)
    return int(until("strace's table", written)[1])


def differ(few, many, each):
    return [abs(m - f) / ((MANY - FEW) * each) for f, m in zip(few, many)]


def measure_path(name):
    make_field, qos = PATHS[name]
    program = os.path.realpath(fg.FIELDGATE)
    found, calls, sent = [], [], []
    for payloads in (FEW, MANY):
        drive(callgrind("callgrind.out"), payloads, make_field, qos)
        found.append(read_callgrind("callgrind.out", program))
        sent.append(drive(["strace", "-D", "-f", "-c", "-o", "strace.out"], payloads, make_field, qos))
        calls.append(read_strace("strace.out"))
        os.unlink("strace.out")
    instructions, mallocs, own = differ(*found, 1)
    return {"instructions_per_record": round(instructions / POINTS, 1),
            "allocations_per_payload": round(mallocs, 2),
            "own_allocations_per_payload": round(own, 2),
            "syscalls_per_payload": round(differ(calls[:1], calls[1:], 1)[0], 2),
            "upstream_bytes_per_record": round(differ(sent[:1], sent[1:], POINTS)[0], 1)}


def measure_step(program, step):
    """One step by itself, in the program paths.c."""
    found = []
    for count in (2048, 10240):
        folder = f"step-{step}-{count}"
        os.mkdir(folder)
        subprocess.run(callgrind("step.out") + [program, folder, step, str(count)], check=True,
                       env=dict(os.environ, GLIBC_TUNABLES=SAME_LIBC))
        found.append(read_callgrind("step.out", os.path.realpath(program)))
        subprocess.run(["rm", "-rf", folder], check=True)
    few, many = found
    instructions, mallocs, _ = [(m - f) / 8192 for f, m in zip(few, many)]
    return {"instructions_per_record": round(instructions / POINTS, 1),
            "allocations_per_payload": round(mallocs, 2)}


# -- what became of it --

def system():
    text = fg.read("/etc/os-release")
    return {"debian": (re.search(r'^VERSION_ID="?([\d.]+)', text, re.M) or ["", ""])[1],
            "machine": os.uname().machine}


# libmosquitto makes five calls a message at QoS 1 (three to read it, one to tell itself, one to
# acknowledge it); nothing of ours is made for each
LIMITS = {"mqtt-qos1": {"syscalls_per_payload": 5.1}}


# the driver asks libcoap for as many datagrams as came in the turns before, and where that settles
# differs from run to run
SLACK = {("coap", "syscalls_per_payload"): 0.7, ("coap", "instructions_per_record"): 100,
         # in how many pieces a line's bytes come is the machine's
         ("serial", "syscalls_per_payload"): 0.05}


def compare(kept, found):
    """Prints the table; returns what costs more than it may."""
    faults, tolerance = [], kept["tolerance"]
    for path, figures in found.items():
        for key, value in figures.items():
            was = kept["paths"].get(path, {}).get(key)
            change = f"{value / was - 1:+.1%}" if was else ""
            print(f"{path:<14}{key:<30}{value:>10}  {change}")
            slack = SLACK.get((path, key), 0.02 if "_per_payload" in key else 0)
            if was is not None and value > was * (1 + tolerance) + slack:
                faults.append(f"{path}: {key} {value}, was {was}")
            limit = 0.02 if key == "own_allocations_per_payload" else LIMITS.get(path, {}).get(key)
            if limit is not None and value > limit:
                faults.append(f"{path}: {key} {value}, at most {limit}")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("paths_program")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    fg.need("valgrind", "strace")
    kept = json.loads(fg.read(KEPT) or '{"tolerance": 0.03, "paths": {}}')
    wanted = args.names or [*PATHS, *STEPS]
    found = {name: measure_path(name) if name in PATHS else
             measure_step(args.paths_program, name) for name in wanted}
    faults = compare(kept, found)
    if args.keep:
        kept["system"] = system()
        kept["paths"].update(found)
        with open(KEPT, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
            file.write("\n")
        return 0
    if kept.get("system") != system():
        print(f"not compared: counts.json is of {kept.get('system')}, this is {system()}")
        return 0
    for fault in faults:
        print("costs more:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
