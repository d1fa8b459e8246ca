#!/usr/bin/python3
"""What people see: status --watch on terminals and in pipes, tail's filters and its records for people,
ledger --table, and the progress of long work, which only terminals are shown."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios

import fg

CODES = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")
BEGIN, END = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def gateway_with(**bridges):
    port = fg.free_port(socket.SOCK_DGRAM)
    bridges = bridges or {"local": {"type": "file", "path": os.path.abspath("records.jsonl")}}
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": bridges}).start()
    return gateway, fg.Coap(port)


def post(device, path, value):
    fg.equal(device.post(path, json.dumps(value), 50)[0], "2.04", f"POST {path}")


class Terminal:
    """A program on a terminal of its own (its controlling one: Ctrl-C reaches it). `only_stderr`: the
    rest of it are pipes and files, as a shell redirects them."""

    def __init__(self, *args, columns=80, rows=24, only_stderr=False, stdin=None, stdout=None, term="xterm",
                 program=fg.FIELDGATE):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.size(columns, rows)
        self.was = termios.tcgetattr(slave)
        self.text = ""
        self.process = subprocess.Popen(
            [program, *args], start_new_session=True, stderr=slave,
            stdin=stdin if only_stderr else slave, stdout=stdout if only_stderr else slave,
            env=dict(os.environ, TERM=term, FIELDGATE_PROGRESS="1"),
            preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0))

    def size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")
        return self.text

    def shows(self, what):
        """Something that comes from now on."""
        begin = len(self.text)
        return fg.wait_for(f"the terminal to show {what}",
                           lambda: re.search(what, CODES.sub("", self.read()[begin:])))

    def end(self, want=0):
        ended = fg.wait_for("it to end", lambda: self.read() is None or self.process.poll() is not None)
        fg.check(ended, "ended")
        self.read()
        fg.equal(self.process.returncode, want, f"exit status; {self.text[-2000:]}")
        fg.check(not fg.SANITIZER.search(self.text), self.text)
        fg.equal(termios.tcgetattr(self.slave), self.was, "the terminal's settings")
        os.close(self.master)
        os.close(self.slave)
        return self.text


def until(process, what, also=lambda said: None):
    """Lines of a program in a pipe, until something stands in them."""
    said = [""]

    def there():
        also(said[0])
        while select.select([process.stdout], [], [], 0)[0]:
            more = os.read(process.stdout.fileno(), 65536).decode()
            fg.check(more, f"it ended: {said[0]}")
            said[0] += more
        return re.search(what, said[0])
    fg.wait_for(what, there)
    return said[0]


def frames(text):
    """What was drawn, by its lines."""
    return [[CODES.sub("", line) for line in frame.replace("\r", "").split("\n")]
            for frame in text.split("\x1b[H")[1:]]


# -- status --watch --

def test_watch_in_a_pipe():
    gateway, device = gateway_with(
        local={"type": "file", "path": os.path.abspath("records.jsonl")},
        cloud={"type": "mqtt", "url": f"mqtt://127.0.0.1:{fg.free_port()}"})

    def once(said):
        if "PER SECOND" in said and gateway.ledger()["accepted"] == 0:
            post(device, "room", {"t": 1, "h": 2})
    with subprocess.Popen([fg.FIELDGATE, "status", "-c", gateway.conf, "--watch=0.1"],
                          stdout=subprocess.PIPE) as watch:
        said = until(watch, r"\nthings +coap +up +1 +2 ", once)
        said += until(watch, r"\ncloud .*Connection refused")
        watch.send_signal(signal.SIGINT)
        said += watch.stdout.read().decode()
        fg.equal(watch.wait(), 0, "exit status")
    fg.check("\x1b" not in said, "a pipe gets no codes")
    fg.check("due = acknowledged + sent + waiting + dead + dropped" in said, said)
    fg.equal(len(re.findall(r"^\S+Z, every 0.1s$", said, re.M)), len(re.findall(r"^gateway gw", said, re.M)),
             "each state has its time")
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_watch_as_json():
    gateway, device = gateway_with()
    with subprocess.Popen([fg.FIELDGATE, "status", "--json", "-w", "0.1", "-c", gateway.conf],
                          stdout=subprocess.PIPE, text=True) as watch:
        states = [json.loads(watch.stdout.readline()) for _ in range(3)]
        watch.stdout.close()    # as head does
        fg.equal(watch.wait(), 0, "exit status when nobody reads any more")
    fg.equal([s["state"] for s in states], ["online"] * 3, "states")
    with tail(gateway, "--pretty") as reader:
        fg.wait_for("a line", lambda: post(device, "room", 1) or select.select([reader.stdout], [], [], 0.1)[0])
        reader.stdout.close()
        fg.wait_for("it to end", lambda: post(device, "room", 1) or reader.poll() is not None)
        fg.equal((reader.returncode, reader.stderr.read()), (0, ""), "tail when nobody reads any more")
    gateway.stop()


def test_watch_on_a_terminal():
    gateway, device = gateway_with()
    term = Terminal("status", "-c", gateway.conf, "--watch", "0.1", columns=60, rows=12)
    term.shows("DRIVER")
    fg.check(term.text.startswith(BEGIN), f"the other screen: {term.text[:40]!r}")
    post(device, "room", 1)
    term.shows(r"things +up +1 ")
    for lines in frames(term.text)[:-1]:
        fg.check(len(lines) <= 12 and max(map(len, lines)) <= 60, f"larger than the screen: {lines}")
    term.size(120, 40)
    term.shows("TYPE .*LAST FAULT")
    gateway.kill()
    term.shows("no gateway answers on .*; asking again every 0.1s")
    gateway.start()
    term.shows("memory ")
    os.write(term.master, b"\x03")
    text = term.end()
    fg.equal(text.count(END), 1, "the screen is given back")
    fg.check("gateway gw" in text[text.index(END):], "with the last state on it")
    gateway.stop()


def test_watch_stopped_and_continued():
    gateway, _ = gateway_with()
    term = Terminal("status", "-c", gateway.conf, "--watch=0.1")
    term.shows("gateway gw")
    os.write(term.master, b"\x1a")

    def stopped():
        term.read()
        return os.waitpid(term.process.pid, os.WUNTRACED | os.WNOHANG)[0]
    fg.wait_for("it to stop", stopped)
    term.read()
    fg.check(term.text.endswith(END), f"the screen is given back: {term.text[-60:]!r}")
    term.process.send_signal(signal.SIGCONT)
    term.shows("gateway gw")
    term.process.send_signal(signal.SIGTERM)
    text = term.end()
    fg.equal((text.count(BEGIN), text.count(END)), (2, 2), "screens")
    gateway.stop()


def test_watch_without_a_gateway():
    term = Terminal("status", "--socket", os.path.abspath("nobody.sock"), "--watch")
    text = term.end(want=3)
    fg.check("no gateway answers on " in text[text.index(END):] or "no gateway answers" in text, text)
    for args in (["--watch=0"], ["--watch", "1e9"], ["--watch=x"], ["--watch", "--devices"]):
        done = fg.fieldgate("status", *args, want=(2,))
        fg.check("--watch" in done.err and not done.out, done.err)


def test_backlog_drains():
    """The rate is measured by itself: a broker that comes back late."""
    broker = fg.Broker()
    gateway, device = gateway_with(cloud={"type": "mqtt", "url": broker.url, "rate": 20,
                                          "batch": {"records": 5, "linger": "1ms"}})
    broker.stop()
    for n in range(60):
        post(device, "room", {"a": n, "b": n, "c": n})
    with subprocess.Popen([fg.FIELDGATE, "status", "-c", gateway.conf, "--watch=0.2"],
                          stdout=subprocess.PIPE) as watch:
        until(watch, r"\ncloud .* 180 .* stands ")
        broker.start()
        until(watch, r"\ndraining  cloud \[[#-]+\] \d+ of 180, \S+ left\n")
        watch.send_signal(signal.SIGINT)
        watch.stdout.read()
        fg.equal(watch.wait(), 0, "exit status")
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    broker.stop()


# -- tail --

def tail(gateway, *args):
    return subprocess.Popen([fg.FIELDGATE, "tail", "-c", gateway.conf, *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_tail_filters():
    port = fg.free_port(socket.SOCK_DGRAM)
    other_port = fg.free_port(socket.SOCK_DGRAM)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"},
                    "others": {"type": "coap", "listen": f"coap://127.0.0.1:{other_port}"}},
        "bridges": {"local": {"type": "file", "path": os.path.abspath("records.jsonl")}}}).start()
    thing, other = fg.Coap(port), fg.Coap(other_port)
    tails = {"point": tail(gateway, "--point", "t"), "below": tail(gateway, "-p", "deep/+", "hall"),
             "driver": tail(gateway, "--driver", "others"), "pretty": tail(gateway, "--pretty"),
             "nothing": tail(gateway, "-p", "nothing", "-n", "1")}
    waiting = [t.stdout for n, t in tails.items() if n != "nothing"]

    def listening():
        post(thing, "hall", {"t": 0, "deep": {"x": 0}})
        post(other, "yard", {"t": 0})
        return len(select.select(waiting, [], [], 0.1)[0]) == len(waiting)
    fg.wait_for("all of them to listen", listening)
    post(thing, "hall", {"t": 21.5, "h": 40, "deep": {"x": True, "y": "z"}})
    post(other, "yard", {"t": 9007199254740993, "h": 3})
    post(thing, "hall", {"nothing": 1})
    fg.equal(tails["nothing"].wait(timeout=fg.DEADLINE_S), 0, "one that waits for a point")
    gateway.stop()
    out = {}
    for name, process in tails.items():
        out[name], err = process.communicate(timeout=fg.DEADLINE_S)
        fg.equal(process.returncode, 0, f"{name}: exit status; {err}")

    def records(name):
        return fg.records([json.loads(line) for line in out[name].splitlines()])
    fg.equal(records("point")[-2:], [("hall", "t", 21.5), ("yard", "t", 9007199254740993)], "by point")
    fg.equal({p for _, p, _ in records("point")}, {"t"}, "points")
    fg.equal(records("below")[-2:], [("hall", "deep/x", True), ("hall", "deep/y", "z")], "device and point")
    fg.equal(records("driver")[-2:], [("yard", "t", 9007199254740993), ("yard", "h", 3)], "by driver")
    fg.equal({d for d, _, _ in records("driver")}, {"yard"}, "devices")
    fg.equal(records("nothing"), [("hall", "nothing", 1)], "nothing else")
    lines = out["pretty"].splitlines()
    fg.check(re.match(r"TIME +DEVICE +POINT +VALUE$", lines[0]), lines[0])
    for pattern in (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z +hall +t +21\.5$", r".* hall +deep/x +true$",
                    r".* hall +deep/y +z$", r".* yard +t +9007199254740993$"):
        fg.check(any(re.match(pattern, line) for line in lines), f"{pattern} in {lines[-8:]}")
    fg.check_ledger(gateway.ledger())


def test_tail_refusals():
    gateway, _ = gateway_with()
    for args, status, word in ((["--driver", "thingz"], 1, 'no driver "thingz"'),
                               (["--point", "a#"], 2, "the point pattern"), (["a#"], 2, "the device pattern"),
                               (["-n", "0"], 2, "--count"), (["--pretty=1"], 2, "takes no value"),
                               (["-p", "x" * 5000], 2, "too long")):
        done = fg.fieldgate("tail", "-c", gateway.conf, *args, want=(status,))
        fg.check(word in done.err and not done.out, done.err)
    gateway.stop()


# -- ledger --

def test_ledger_as_a_table():
    gateway, device = gateway_with()
    post(device, "room", {"t": 1, "h": 2})
    device.post("room", "{", 50)
    gateway.wait_drained("local")
    for args in (["-c", gateway.conf], ["--spool", gateway.spool]):
        out = fg.fieldgate("ledger", "--table", *args).out
        fg.check("2 received = 2 accepted + 0 suppressed; rejected 1" in out, out)
        fg.check(re.search(r"^rejected  1 malformed$", out, re.M), out)
        fg.check(re.search(r"^local +2 += 2 +\+ 0 +\+ 0 +\+ 0 +\+ 0 +0s$", out, re.M), out)
        json.loads(fg.fieldgate("ledger", "--json", *args).out)
    gateway.stop()
    fg.check_ledger(gateway.ledger())


# -- progress --

def packs(count):
    return b"".join(b'[{"bn":"gw/d/","n":"a","v":1,"epoch":"9f3c2a7105d1e6b4","first":%d,"last":%d}]\n' % (n, n)
                    for n in range(1, count + 1))


def has_hooks():
    """Only there a test may ask the bar to show itself at once."""
    built = fg.read(os.path.join(os.path.dirname(fg.FIELDGATE), "generated/autoconf.h"))
    return "CONFIG_TEST_HOOKS 1" in built or print("skipped: a build without hooks for tests")


def test_progress_of_audit():
    if not has_hooks():
        return
    with open("packs", "wb") as file:
        file.write(packs(3000) + b"no pack\n" + packs(3000))
    with open("packs", "rb") as stdin:
        term = Terminal("audit", only_stderr=True, stdin=stdin, stdout=subprocess.PIPE, columns=100)
        text = term.end(want=1)
    fg.check(re.search(r"\raudit  \[#+-*\] +\d+ %  \S+ \S+ of \S+ KiB, \S+ \S+/s, \S+ left\x1b\[K", text), text[:400])
    fg.check(re.search(r"\r\x1b\[Kline 3001: ", text), "what is said does not stand behind it")
    fg.check(re.search(r"\r\x1b\[K9?[^\r]*gw epoch ", text), "it is taken away at the end")
    report = json.loads(term.process.stdout.read())
    fg.equal(report["gateways"]["gw"]["epochs"]["9f3c2a7105d1e6b4"]["duplicates"], 3000, "twice")
    # of a pipe nobody knows the size; somewhere else than on a terminal there is nothing at all
    with subprocess.Popen(["cat", "packs"], stdout=subprocess.PIPE) as pipe:
        text = Terminal("audit", only_stderr=True, stdin=pipe.stdout, stdout=subprocess.DEVNULL).end(want=1)
    fg.check(re.search(r"\raudit  \d\S* \S+, \S+ \S+/s\x1b", text), text[:400])
    with open("packs", "rb") as stdin:
        text = Terminal("audit", only_stderr=True, stdin=stdin, stdout=subprocess.DEVNULL, term="dumb").end(want=1)
    fg.check("\x1b" not in text and "audit  " not in text, text)
    os.environ["FIELDGATE_PROGRESS"] = "1"
    try:
        with open("packs", "rb") as file:
            done = fg.fieldgate("audit", text=file.read(), want=(1,))
    finally:
        del os.environ["FIELDGATE_PROGRESS"]
    fg.check("\r" not in done.err and "\x1b" not in done.err, done.err)


def test_progress_of_spool():
    if not has_hooks():
        return
    gateway, device = gateway_with()
    for n in range(30):
        post(device, "room", {"t": n})
    gateway.wait_drained("local")
    text = Terminal("spool", gateway.spool, "--verify", only_stderr=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, columns=100).end()
    fg.check(re.search(r"\rverify  \[", text) and re.search(r"\r\x1b\[K30 entries are sound", text), text)
    term = Terminal("spool", gateway.spool, "--cat", only_stderr=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, columns=100)
    text = term.end()
    fg.check(re.search(r"\rcat  \[#+\] 100 %  30 of 30 records, ", text), text)
    fg.check(text.endswith("\r\x1b[K"), text)
    fg.equal(len(term.process.stdout.read().splitlines()), 30, "packs")
    text = Terminal("spool", gateway.spool, "--cat").end()
    fg.check("\x1b" not in text, "where the records go by, there is no room for it")
    gateway.stop()
    fg.check_ledger(gateway.ledger())


SCRIPT = """#!/bin/bash
. "$SOURCE_DIR/cmake/steps.sh"
steps steps.json "$(realpath "$0")" "$@"
plan one "step two"
step one
echo first
read -r _ <hold
step "step two"
echo second >&2
printf 'unfinished'
exit "$1"
"""


def test_progress_of_scripts():
    with open("script", "w", encoding="utf-8") as file:
        file.write(SCRIPT)
    os.chmod("script", 0o755)
    os.mkfifo("hold")

    def run(status, expected):
        term = Terminal(str(status), columns=90, program="./script")
        term.shows("first")
        term.shows(expected)
        with open("hold", "w", encoding="utf-8") as file:
            file.write("on\n")
        text = term.end(want=status)
        fg.check("\r\x1b[Ksecond\r\n" in text and text.endswith("unfinished"), f"what it says: {text!r}")
    # only what went well is worth comparing with
    run(3, r"\[-+\] 1 of 2  one \d+s  \d+s, nothing to compare with yet")
    fg.check(not os.path.exists("steps.json"), "a failure tells nothing of times")
    run(0, r"nothing to compare with yet")
    run(0, r"\[#*-*\] 1 of 2  one \d+s  \d+s, about \d+s left")
    with open("steps.json", encoding="utf-8") as file:
        fg.equal(sorted(json.load(file)), ["one", "step two"], "steps")
    with subprocess.Popen(["./script", "4"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        with open("hold", "w", encoding="utf-8") as file:
            file.write("on\n")
        fg.equal((*script.communicate(), script.returncode), ("first\nunfinished", "second\n", 4), "in a pipe")


if __name__ == "__main__":
    fg.main(globals())
