#!/usr/bin/python3
"""Lines of a chip that is faked (fake_gpio.c): what they are at first, edges, edges that the kernel
lost, commands, a line that is taken, a chip that goes away."""
import json
import os
import struct

from fg import (Gateway, audit, check, check_ledger, equal, fieldgate, file_lines, main, records, total, until,
                wait_for)

RISING, FALLING = 1, 2
OUTPUT, ACTIVE_LOW = 1 << 3, 1 << 1


class Chip:
    def __init__(self, name):
        self.path = os.path.abspath(name)
        os.mkdir(self.path)
        self.chip = os.path.join(self.path, "chip")
        open(self.chip, "w", encoding="utf-8").close()
        self.seen, self.fifos = {}, {}
        for line in range(8):
            path = os.path.join(self.path, f"{line}.edges")
            os.mkfifo(path)
            self.fifos[line] = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def env(self):
        asan = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": os.path.join(os.environ["BUILD_DIR"],
                                           "tests/integration/fake_gpio.so"),
                "FAKE_GPIO": self.path, "ASAN_OPTIONS": asan + ":verify_asan_link_order=0"}

    def level(self, line, level=None):
        path = os.path.join(self.path, f"{line}.level")
        if level is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(str(level))
        with open(path, encoding="utf-8") as file:
            return int(file.read())

    def config(self, line):
        with open(os.path.join(self.path, f"{line}.config"), encoding="utf-8") as file:
            return file.read().splitlines()

    def edge(self, line, kind, skip=0):
        self.seen[line] = self.seen.get(line, 0) + 1 + skip
        os.write(self.fifos[line], struct.pack("=QIIII24x", 0, kind, line, self.seen[line],
                                               self.seen[line]))


def gateway(chip, lines, name="gateway", **more):
    return Gateway({"drivers": {"io": dict({"type": "gpio", "chip": chip.chip, "device": "cabinet",
                                            "lines": lines}, **more)},
                    "bridges": {"local": {"type": "file", "path": os.path.abspath(name + ".jsonl"),
                                          "batch": {"linger": "1ms"}}}}, name=name, env=chip.env())


def values(gw, point):
    return [v for device, p, v in records(file_lines(gw.config["bridges"]["local"]["path"]))
            if device == "cabinet" and p == point]


def said(process):
    return (process.stdout + process.stderr).decode()


def finish(gw):
    gw.stop()
    ledger = check_ledger(gw.ledger())
    answer = audit(file_lines(gw.config["bridges"]["local"]["path"]), until(ledger))
    equal(total(answer), ledger["accepted"], "records in the file")
    return ledger


def test_inputs():
    chip = Chip("in")
    chip.level(0, 1)
    chip.level(7, 1)
    gw = gateway(chip, {"door": {"line": 0, "debounce": "5ms"},
                        "leak": {"line": "GPIO7", "active": "low", "bias": "pull-up"}}, "in-gw")
    gw.start()
    wait_for("the state at first", lambda: values(gw, "door") == [True])
    equal(values(gw, "leak"), [False], "a line that is active when low")
    equal(chip.config(0)[0].split(" ")[1], "debounce=5000", "debounce, in microseconds")
    for _ in range(20):
        chip.edge(0, FALLING)
        chip.edge(0, RISING)
    chip.edge(7, RISING)
    wait_for("every edge", lambda: values(gw, "door") == [True] + [False, True] * 20)
    wait_for("the other line's", lambda: values(gw, "leak") == [False, True])
    chip.edge(0, FALLING, skip=3)
    wait_for("the edge behind those that were lost", lambda: len(values(gw, "door")) == 42)
    ledger = finish(gw)
    equal(ledger["rejected"], {"overrun": 3}, "edges that the kernel had no room for")


def test_outputs():
    chip = Chip("out")
    chip.level(1, 1)
    chip.level(2, 1)
    chip.level(3, 0)
    gw = gateway(chip, {"pump": {"line": 1, "direction": "output"},
                        "lamp": {"line": 2, "direction": "output", "initial": "off"},
                        "valve": {"line": 3, "direction": "output", "active": "low"},
                        "door": {"line": 4}}, "out-gw")
    gw.start()
    wait_for("the state at first", lambda: len(values(gw, "valve")) == 1)
    equal([values(gw, p)[0] for p in ("pump", "lamp", "valve")], [True, False, True], "states")
    equal([chip.level(n) for n in (1, 2, 3)], [1, 0, 0], "levels: kept, off, kept")
    check(int(chip.config(1)[0], 16) & OUTPUT == 0, "driven before its level was known")
    check(int(chip.config(1)[-1], 16) & OUTPUT, "not driven")
    fieldgate("send", "-c", gw.conf, "cabinet", "lamp", "true")
    fieldgate("send", "-c", gw.conf, "cabinet", "valve", "0")
    equal([chip.level(2), chip.level(3)], [1, 1], "levels after the commands")
    wait_for("what they are now", lambda: (values(gw, "lamp"), values(gw, "valve")) ==
             ([False, True], [True, False]))
    for point, value, why in (("door", "true", "input"), ("lamp", "2", "true or false"),
                              ("horn", "true", "no such")):
        answer = said(fieldgate("send", "-c", gw.conf, "cabinet", point, value, want=(1,)))
        check(why in answer, f"{point}: {answer}")
    fieldgate("send", "-c", gw.conf, "basement", "lamp", "true", want=(1,))
    finish(gw)


def test_faults():
    chip = Chip("faults")
    gw = gateway(chip, {"door": {"line": 0}, "taken": {"line": 6}}, "faults-gw")
    gw.start()
    wait_for("the fault", lambda: "the line cannot be taken" in gw.said())
    gw.config["drivers"]["io"]["lines"] = {"door": {"line": 9}}
    gw.write()
    gw.reload()
    wait_for("the other fault", lambda: "the chip has no such line" in gw.said())
    gw.config["drivers"]["io"]["lines"] = {"door": {"line": 5}}
    gw.write()
    gw.reload()
    wait_for("a good line", lambda: values(gw, "door"))
    finish(gw)


def faults(lines):
    with open("check.json", "w", encoding="utf-8") as file:
        json.dump({"drivers": {"io": {"type": "gpio", "lines": lines}}}, file)
    return said(fieldgate("check", "-c", "check.json", want=(1,)))


def test_check():
    lines = {"a": {"line": 1}, "c/d": {"line": 2}}
    text = faults(lines)
    check("expected 1 to 64 of" in text, text)
    lines = {"a": {"line": 1, "direction": "output", "debounce": "1ms"}, "b": {"line": "1"},
             "e": {"line": 3, "initial": "on"}}
    text = faults(lines)
    for fault in ("/drivers/io/lines/a: debounce is for an input",
                  "/drivers/io/lines/b/line: line 1 is 'a' already",
                  "/drivers/io/lines/e: initial is for an output"):
        check(fault in text, f"{fault} not in {text}")


main(globals())
