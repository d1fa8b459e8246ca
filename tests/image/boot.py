#!/usr/bin/python3
"""The image in memory boots and does its job: MQTT, CoAP and serial input from outside the machine, records
at a broker outside; then, while that broker is away, the plug is pulled, and nothing committed is lost.

IMAGE_ARCH and IMAGE_DIR say which image, FG_SEED what the power cut takes."""
import json
import os
import shutil
import subprocess

import fg
import machine

fg.need("mosquitto", "mke2fs")
ARCH, FOLDER = os.environ["IMAGE_ARCH"], os.environ["IMAGE_DIR"]
SEED = int(os.environ.get("FG_SEED", "1"))
CUTS = 25
ENTRIES = 40    # in the record of writes and flushes, so many until the machine is killed
OUTSIDE = "10.0.2.2"    # this machine, as the guest's network calls it


def config(upstream, field):
    return {
        "gateway": {"id": "gw"}, "clock": {"trust": "always"},
        "run": {"socket": "/run/fieldgate/control.sock", "user": "fieldgate"},
        "spool": {"dir": "/data/spool", "limit": "16MiB", "segment": "1MiB", "commit": "each"},
        "drivers": {
            "here": {"type": "mqtt", "url": "mqtt://127.0.0.1:1883", "subscribe": ["d/+"]},
            "there": {"type": "mqtt", "url": f"mqtt://{OUTSIDE}:{field.port}",
                      "subscribe": ["e/+"]},
            "things": {"type": "coap", "listen": "coap://0.0.0.0:5683", "open": True},
            "meter": {"type": "serial", "port": "/dev/ttyUSB0", "baud": 115200, "framer": "line",
                      "profile": "kv"}},
        "bridges": {"cloud": {"type": "mqtt", "url": f"mqtt://{OUTSIDE}:{upstream.port}",
                              "batch": {"linger": "50ms"}}}}


def make_disk(conf):
    os.makedirs("data/etc")
    with open("data/etc/gateway.json", "w", encoding="utf-8") as file:
        json.dump(conf, file)
    with open("data/etc/mosquitto.conf", "w", encoding="utf-8") as file:
        file.write("listener 1883 0.0.0.0\nallow_anonymous true\nuser mosquitto\n")
    fg.fieldgate("check", "-c", "data/etc/gateway.json")
    with open("disk.img", "wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "data", "disk.img"], check=True)
    return machine.Disk(os.path.abspath("disk.img"))


def spool_of(path):
    """The spool's files, from the disk of a machine that is off; the journal is replayed first."""
    done = subprocess.run(["e2fsck", "-fp", path], check=False, capture_output=True)
    fg.check(done.returncode in (0, 1), f"e2fsck: {done.stdout}{done.stderr}")
    shutil.rmtree("spool", ignore_errors=True)
    subprocess.run(["debugfs", "-R", "rdump /spool .", path], check=True, capture_output=True)
    return "spool"


def connect(port):
    try:
        return fg.Mqtt(port, "device")
    except (EOFError, OSError):    # the forwarding takes a connection that nobody in there wants
        return None


def values(lines, device):
    return {v for d, _, v in fg.records(lines) if d == device}


def look_at_cuts(disk, mark):
    """What other cuts of the same minute leave, without booting each: all that was told before the
    mark is in the spool."""
    torn = 0
    for n in range(CUTS):
        _, late, kept = disk.cut(SEED * 1000 + n, mark, "cut.img")
        fg.check(late > 0, "nothing was on its way to the disk")
        torn += kept
        packs = fg.fieldgate("spool", "--cat", spool_of("cut.img")).out.splitlines()
        for device in ("fridge", "e/far"):
            lost = set(range(100, 160)) - values(packs, device)
            fg.equal(lost, set(), f"lost of {device} by cut {n}, {late} writes not flushed")
    fg.check(torn, "no cut has left a part of what was not flushed")
    os.unlink("cut.img")
    print(f"{CUTS} cuts in the midst of writing: 0 lost, {torn} writes kept that were not flushed")


def test_boot_and_power_cut():
    upstream, field = fg.Broker("upstream"), fg.Broker("field", host="127.0.0.1")
    collector = upstream.collector()
    disk = make_disk(config(upstream, field))
    guest = machine.Machine(ARCH, FOLDER, disk, {"mqtt": 1883}, {"coap": 5683}).start()
    guest.wait_for("the gateway at the outer brokers",
                   lambda: "gw-there" in field.log() and "gw-cloud" in upstream.log())
    field.wait_subscribed("gw-there")
    thing = fg.Coap(guest.ports["coap"])
    device = guest.wait_for("the broker in the guest", lambda: connect(guest.ports["mqtt"]))
    far = fg.Mqtt(field.port, "far")

    def arrived(device_id, wanted):
        return lambda: wanted <= values(collector.payloads(), device_id)
    for n in range(20):
        fg.equal(thing.post("fridge", str(n), 0, timeout=10)[0], "2.04", "the answer over CoAP")
    far.publish("e/far", [str(n) for n in range(20)])
    # again and again: the gateway may not be at its own broker or at the line yet
    guest.wait_for("MQTT into the guest", lambda: (
        device.publish("d/near", ["7"]), 7 in values(collector.payloads(), "d/near"))[1])
    guest.wait_for("the serial line", lambda: (
        guest.serial.sendall(b"power=5\n"), 5 in values(collector.payloads(), "meter"))[1])
    guest.wait_for("CoAP", arrived("fridge", set(range(20))))
    guest.wait_for("MQTT", arrived("e/far", set(range(20))))

    upstream.stop()
    for n in range(100, 160):
        fg.equal(thing.post("fridge", str(n), 0, timeout=10)[0], "2.04", "the answer over CoAP")
    far.publish("e/far", [str(n) for n in range(100, 160)])
    guest.wait_for("the field's broker to be told", lambda: field.log().count(
        "Received PUBACK from gw-there") >= 80)
    # the power goes in the midst of writing something else: what was told before the mark is kept
    mark = disk.mark()
    guest.wait_for("a stream to be written", lambda: (
        device.send("d/near", json.dumps({"text": "x" * 2000})), disk.mark() > mark + ENTRIES)[1])
    guest.kill()
    look_at_cuts(disk, mark)
    safe, late, kept = disk.cut(SEED, mark)
    print(f"the plug is pulled: {safe} writes flushed, {late} not, of which {kept} are kept")
    upstream.start()
    packs = collector.payloads()
    collector = upstream.collector(client_id="collector")
    guest.start()
    guest.wait_for("what CoAP devices were told is kept", arrived("fridge", set(range(100, 160))))
    guest.wait_for("what the broker outside was told is kept",
                   arrived("e/far", set(range(100, 160))))
    packs += collector.payloads()
    # of what was being written some is lost, and announced
    machine.no_gaps(packs)
    guest.kill()
    spool = spool_of(disk.path)
    fg.fieldgate("spool", "--verify", spool)
    ledger = fg.check_ledger(json.loads(fg.fieldgate("ledger", "--spool", spool).out))
    print(f"{ARCH}: {ledger['accepted']} accepted, 0 lost; {ledger['bridges']}")


fg.main(globals())
