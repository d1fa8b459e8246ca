#!/usr/bin/python3
# run-on: release
"""fieldgate plan: a gateway at its limits stays below what was planned for it, and not absurdly so;
what does not fit is said, for one configuration and for a fleet."""
import glob
import json
import os
import re
import socket
import struct

import fg

DEVICES, ROUNDS = 1000, 3


def post(port, device, number):
    """One reading of 16 points, confirmable, by a client of its own; True if it was kept."""
    values = {f"p{i:02}": f"{device}-{number}-" + "x" * 24 if i % 2 else number * 100 + i + 0.5
              for i in range(16)}
    path = b"".join(bytes([first | len(part)]) + part
                    for first, part in ((0xb0, device.encode()), (0x00, b"data")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(("127.0.0.1", port))
        sock.send(struct.pack(">BBH", 0x40, 2, number) + path + bytes([0x11, 50, 0xff])
                  + json.dumps(values).encode())
        return sock.recv(64)[1] == 0x44


def test_at_its_limits():
    port = fg.free_port(socket.SOCK_DGRAM)
    gateway = fg.Gateway({
        "limits": {"devices": DEVICES, "payload": "2KiB"},
        "spool": {"limit": "1MiB", "segment": "128KiB"},
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}",
                               "clients": DEVICES}},
        "bridges": {"away": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{fg.free_port()}",
                             "batch": {"bytes": "16KiB"}, "window": 4, "dead_limit": "4KiB"},
                    "local": {"type": "file", "path": f"{os.getcwd()}/records.jsonl",
                              "rotate": {"size": "256KiB", "keep": 2}}}})
    plan = json.loads(fg.fieldgate("plan", "-c", gateway.conf, "--rate", 1, "--json").out)
    plan = plan["gateways"][0]
    fg.check(plan["fits"] and plan["gateway"] == "gw", str(plan))
    gateway.start()
    for number in range(1, ROUNDS + 1):
        for i in range(DEVICES):
            fg.check(post(port, f"d{i:04}", number), f"d{i:04} {number} was not kept")
    callers = []
    for _ in range(16):
        callers.append(socket.socket(socket.AF_UNIX))
        callers[-1].connect(gateway.config["run"]["socket"])
    fds = fg.wait_for("16 callers", lambda: (n := len(os.listdir(f"/proc/{gateway.pid()}/fd"))) > 24
                      and n)
    for caller in callers:
        caller.close()
    status = fg.read(f"/proc/{gateway.pid()}/status")
    measured = {"memory": int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024,
                "descriptors": fds,
                "disk": sum(os.stat(path).st_blocks * 512 for path in
                            glob.glob("gateway.spool/**", recursive=True)
                            + glob.glob("records.jsonl*"))}
    for what, have in measured.items():
        fg.check(have <= plan[what] <= 4 * have, f"{what}: {have} measured, {plan[what]} planned")
    gateway.stop()
    ledger = json.loads(fg.fieldgate("ledger", "--spool", gateway.spool).out)
    away = ledger["bridges"]["away"]
    fg.check(away["dropped"].get("spool-full"), f"the spool was never full: {away}")
    for name, row in ledger["bridges"].items():
        fg.equal(row["acknowledged"] + row["sent"] + row["waiting"] + row["dead"]
                 + sum(row["dropped"].values()), ledger["accepted"], name)
    fg.check(plan["outage_s"] <= away["waiting"] <= 4 * plan["outage_s"],
             f"{away['waiting']} wait, {plan['outage_s']} planned")
    return ", ".join(f"{what} {have} of {plan[what]}" for what, have in measured.items())


def test_what_does_not_fit_is_said():
    gateway = fg.Gateway({"bridges": {"local": {"type": "file"}}})
    fg.equal(fg.fieldgate("plan", "-c", gateway.conf, "--memory", "1GiB", "--disk", "1GiB").err, "",
             "it fits")
    done = fg.fieldgate("plan", "-c", gateway.conf, "--memory", "8MiB", want=(1,))
    fg.check(re.search(r"^gw: does not fit: \d+ MiB of memory at worst, 8192 KiB given; most of it, "
                       r"\d+ MiB, is devices$", done.err, re.M), done.err)
    done = fg.fieldgate("plan", "-c", gateway.conf, "--disk", "1MiB", "--json", want=(1,))
    fg.check("of disk at worst" in done.err and not json.loads(done.out)["gateways"][0]["fits"],
             done.err)
    for args in (["--rate", "0"], ["--rate", "x"], ["--memory", "5"], ["--memory", "0B"],
                 ["fleet", "--config", gateway.conf], ["a", "b", "c"]):
        fg.fieldgate("plan", *args, want=(2,))
    fg.fieldgate("plan", "-c", "nowhere.json", want=(3,))
    fg.fieldgate("plan", "nowhere", want=(3,))


def test_more_limits_cost_more():
    def cost(**config):
        gateway = fg.Gateway({"bridges": {"local": {"type": "file", "path": "/tmp/x"}}, **config})
        done = fg.fieldgate("plan", "-c", gateway.conf, "--rate", 10, "--json")
        return json.loads(done.out)["gateways"][0]

    base = cost()
    fg.check(cost(limits={"devices": 20000})["memory"] > base["memory"], "devices")
    fg.check(cost(limits={"payload": "1MiB"})["memory"] > base["memory"], "payload")
    longer = cost(spool={"limit": "32MiB"})
    fg.check(longer["disk"] >= base["disk"] + (16 << 20), "spool.limit")
    fg.check(longer["outage_s"] > 1.9 * base["outage_s"], "hours")
    bridge = {"type": "file", "path": "/tmp/x", "window": 64, "batch": {"bytes": "1MiB"}}
    fg.check(cost(bridges={"local": bridge})["memory"] > base["memory"] + (64 << 20), "window")


def test_a_fleet():
    folder = f"{fg.SOURCE_DIR}/board/fleet"
    ids = sorted(name.removesuffix(".json") for name in os.listdir(f"{folder}/gateways"))
    lines = fg.fieldgate("plan", folder, "--rate", 5).out.splitlines()
    fg.equal([line.split()[0] for line in lines], ["GATEWAY"] + ids, "a line for each gateway")
    every = json.loads(fg.fieldgate("plan", folder, "--rate", 5, "--json").out)["gateways"]
    alone = json.loads(fg.fieldgate("plan", folder, ids[0], "--rate", 5, "--json").out)["gateways"]
    fg.equal(alone, every[:1], "one of them")
    done = fg.fieldgate("plan", folder, "--memory", "1MiB", want=(1,))
    fg.equal(done.err.count("does not fit"), len(ids), "each says so")
    fg.fieldgate("plan", folder, "nobody", want=(3,))


if __name__ == "__main__":
    fg.main(globals())
