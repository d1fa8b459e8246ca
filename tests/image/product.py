#!/usr/bin/python3
"""The product image: it boots and does its job, and takes updates that cannot lie. Devices send all the
time; whatever is done to the machine, the records arrive, and at the end the account adds up.

IMAGE_ARCH, IMAGE_BOARD and IMAGE_DIR say which image, FG_SEED what the power cut takes."""
import json
import os
import shutil
import struct
import subprocess
import threading

import fg
import machine

fg.need("mosquitto", "mke2fs", "mksquashfs", "mkdosfs", "mcopy", "rauc")
ARCH, FOLDER, BOARD = (os.environ[n] for n in ("IMAGE_ARCH", "IMAGE_DIR", "IMAGE_BOARD"))
SEED = int(os.environ.get("FG_SEED", "1"))
OUTSIDE = "10.0.2.2"    # this machine, as the guest's network calls it
TOOLS = os.environ["SOURCE_DIR"] + "/board/image/product"
FALSE = "[Service]\nExecStart=\nExecStart=/bin/false\n"
DEAF = "[Service]\nPrivateNetwork=yes\n"


def config(upstream, field):
    return {
        "gateway": {"id": "gw"}, "clock": {"trust": "always"},
        "spool": {"dir": "/var/lib/fieldgate/spool", "limit": "16MiB", "segment": "1MiB",
                  "commit": "each"},
        "drivers": {
            "far": {"type": "mqtt", "url": f"mqtt://{OUTSIDE}:{field.port}", "subscribe": ["e/+"],
                    "interval": "5s"},
            "things": {"type": "coap", "listen": "coap://0.0.0.0:5683", "open": True},
            "meter": {"type": "serial", "port": "/dev/ttyUSB0", "baud": 115200, "framer": "line",
                      "profile": "kv"}},
        "bridges": {"cloud": {"type": "mqtt", "url": f"mqtt://{OUTSIDE}:{upstream.port}",
                              "batch": {"linger": "50ms"}}}}


# -- the disk --

def partitions(path):
    """{name: (offset, length)} in bytes."""
    found = {}
    with open(path, "rb") as file:
        file.seek(512 + 72)
        table, count, size = struct.unpack("<QII", file.read(16))
        for n in range(count):
            file.seek(table * 512 + n * size)
            entry = file.read(size)
            first, last = struct.unpack_from("<QQ", entry, 32)
            name = entry[56:128].decode("utf-16-le").rstrip("\0")
            if name:
                found[name] = first * 512, (last - first + 1) * 512
    return found


def copy_part(source, target, skip=0, seek=0, count=None):
    with open(source, "rb") as read, open(target, "r+b") as write:
        read.seek(skip)
        write.seek(seek)
        while count is None or count > 0:
            data = read.read(min(1 << 20, (1 << 20) if count is None else count))
            if not data:
                break
            write.write(data)
            count = count - len(data) if count is not None else None


def make_disk(conf):
    """The image, with a configuration on its data partition."""
    subprocess.run(["cp", "--sparse=always", f"{FOLDER}/disk.img", "disk.img"], check=True)
    os.makedirs("data/fieldgate/etc")
    with open("data/fieldgate/etc/gateway.json", "w", encoding="utf-8") as file:
        json.dump(conf, file)
    with open("data/fieldgate/etc/update.conf", "w", encoding="utf-8") as file:
        file.write("DEADLINE=90s\n")
    offset, size = partitions("disk.img")["data"]
    with open("data.ext4", "wb") as file:
        file.truncate(size)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", "data", "data.ext4"],
                   check=True)
    copy_part("data.ext4", "disk.img", seek=offset)
    return machine.Disk(os.path.abspath("disk.img"))


def data_of(disk, *names):
    """Files of the data partition of a machine that is off; the journal is replayed first."""
    offset, size = partitions(disk.path)["data"]
    with open("data.ext4", "wb") as file:
        file.truncate(size)
    copy_part(disk.path, "data.ext4", skip=offset, count=size)
    done = subprocess.run(["e2fsck", "-fp", "data.ext4"], check=False, capture_output=True)
    fg.check(done.returncode in (0, 1), f"e2fsck: {done.stdout}{done.stderr}")
    for name in names:
        shutil.rmtree(os.path.basename(name), ignore_errors=True)
        subprocess.run(["debugfs", "-R", f"rdump {name} .", "data.ext4"], check=True,
                       capture_output=True)


# -- bundles --

def variant(version, name, change=None):
    """A stick with a bundle of the image's root, with another version and something changed."""
    root = f"root-{name}"
    subprocess.run(["cp", "-a", f"{FOLDER}/root", root], check=True)
    with open(f"{root}/usr/lib/fieldgate/image-version", "w", encoding="utf-8") as file:
        file.write(version + "\n")
    if change:
        change(root)
    subprocess.run(["mksquashfs", root, f"{name}.squashfs", "-quiet", "-no-progress", "-noappend",
                    "-all-root", "-no-xattrs", "-comp", "zstd", "-Xcompression-level", "3"],
                   check=True)
    shutil.rmtree(root)
    return bundle(version, name)


def bundle(version, name, squashfs=None, env=None):
    subprocess.run([f"{TOOLS}/bundle", BOARD, os.path.abspath(squashfs or f"{name}.squashfs"), version,
                    os.path.abspath(f"{name}.raucb")], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, **(env or {})))
    return stick(name)


def stick(name):
    with open(f"{name}.img", "wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkdosfs", "-n", "FGUPDATE", f"{name}.img"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", f"{name}.img", f"{name}.raucb", "::update.raucb"], check=True)
    os.unlink(f"{name}.raucb")
    return f"{name}.img"


def unit_with(text):
    def change(root):
        folder = f"{root}/usr/lib/systemd/system/fieldgate.service.d"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/zz.conf", "w", encoding="utf-8") as file:
            file.write(text)
    return change


def tampered(version, name):
    """One byte of the payload is another."""
    variant(version, "honest")
    os.rename("honest.img", f"{name}.img")
    subprocess.run(["mcopy", "-i", f"{name}.img", "::update.raucb", f"{name}.raucb"], check=True)
    with open(f"{name}.raucb", "r+b") as file:
        file.seek(5 << 20)
        byte = file.read(1)[0]
        file.seek(5 << 20)
        file.write(bytes([byte ^ 1]))
    return stick(name)


def foreign(version, name):
    """Signed with a key that the image does not know."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                    "/CN=somebody else", "-keyout", "foreign-key.pem", "-out", "foreign-cert.pem"],
                   check=True, capture_output=True)
    return bundle(version, name, "honest.squashfs", {"CERT": os.path.abspath("foreign-cert.pem"),
                                                     "KEY": os.path.abspath("foreign-key.pem")})


# -- the field --

class Field:
    """A device that sends a number every second, to a broker that keeps it for the gateway."""

    def __init__(self, broker):
        self.broker, self.next, self.over = broker, 0, threading.Event()
        self.client = fg.Mqtt(broker.port, "far")
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.wait(1.0):
            self.client.send("e/far", str(self.next))
            self.next += 1

    def stop(self):
        self.over.set()
        self.thread.join()


class Site:
    """The machine and everything around it."""

    def __init__(self, append=""):
        self.upstream, self.field = fg.Broker("upstream"), fg.Broker("field")
        self.collector, self.before = self.upstream.collector(), []
        self.disk = make_disk(config(self.upstream, self.field))
        self.guest = machine.Machine(ARCH, FOLDER, self.disk, {}, {"coap": 5683}, "initrd.img", True,
                                     append)
        self.device = Field(self.field)
        self.note = []

    def packs(self):
        return self.before + self.collector.payloads()

    def values(self, device="e/far"):
        return {v for d, _, v in fg.records(self.packs()) if d == device}

    def wait_runs(self, slot, version):
        """The slot is the one, and what is sent from now on arrives."""
        self.guest.wait_said(f"slot {slot}, version {version}, ")
        n = self.device.next
        self.guest.wait_for(f"records from slot {slot}", lambda: max(self.values(), default=-1) >= n)

    def wait_started(self):
        """All three ways in, and the way out."""
        self.guest.wait_said("slot A, version 1.0.0, is the one that stays")
        self.device.thread.start()
        self.wait_runs("A", "1.0.0")
        thing = fg.Coap(self.guest.ports["coap"])
        fg.equal(thing.post("fridge", "4", 0, timeout=10)[0], "2.04", "the answer over CoAP")
        self.guest.wait_for("CoAP", lambda: 4 in self.values("fridge"))
        self.guest.wait_for("the serial line", lambda: (
            self.guest.serial.sendall(b"power=5\n"), 5 in self.values("meter"))[1])
        self.seen("the image boots: MQTT, CoAP and serial input arrive outside")

    def finish(self):
        """Everything that was sent has arrived, and the account adds up."""
        self.device.stop()
        wanted = set(range(self.device.next))
        self.guest.wait_for("all that was sent", lambda: wanted <= self.values())
        machine.no_gaps(self.packs())
        self.guest.kill()
        data_of(self.disk, "/fieldgate/lib", "/update")
        fg.fieldgate("spool", "--verify", "lib/spool")
        ledger = fg.check_ledger(json.loads(fg.fieldgate("ledger", "--spool", "lib/spool").out))
        self.seen(f"{len(wanted)} numbers sent, 0 lost; {ledger['accepted']} accepted; "
                  f"slots: {' '.join(fg.read('update/slots').split())}")

    def seen(self, text):
        self.note.append(text)
        print(f"  {text}", flush=True)


def test_boot_and_power_cut():
    """With the upstream away; what the field's broker was told is kept, and what was not told yet."""
    site = Site()
    site.guest.start()
    site.wait_started()
    site.upstream.stop()
    n = site.device.next + 10
    site.guest.wait_for("more", lambda: site.device.next > n)
    site.device.stop()
    site.guest.wait_for("the field's broker to be told", lambda: site.field.log().count(
        "Received PUBACK from gw-far") >= site.device.next)
    mark, thing = site.disk.mark(), fg.Coap(site.guest.ports["coap"])
    site.guest.wait_for("something to be written", lambda: (
        thing.post("cellar", "1", 0, timeout=10), site.disk.mark() > mark + 20)[1])
    safe, late, kept = site.guest.pull_the_plug(SEED, mark)
    site.seen(f"power cut: {safe} writes flushed, {late} not, of which {kept} kept")
    site.before = site.collector.payloads()
    site.upstream.start()
    site.collector = site.upstream.collector(client_id="collector")
    site.guest.start()
    site.finish()


def refuse_bundles(site):
    """None of them gets as far as to be written."""
    for path, text in ((tampered("2.0.0", "tampered"), "FAULT: update refused:"),
                       (foreign("2.0.0", "foreign"), "FAULT: update refused:"),
                       (variant("0.9.0", "older"), "version 0.9.0 is refused")):
        site.guest.forget()
        site.guest.plug_stick(path)
        site.guest.wait_said(text)
        site.guest.wait_said("FAULT: update refused:")
        why = site.guest.said().split("update refused: ")[-1].split("\n")[0].strip()
        site.seen(f"{path[:-4]} bundle: refused ({why})")


def give_up(site, version, name, change, reason):
    """Installed, started, found wanting, and the old one is back by itself."""
    path = variant(version, name, change)
    site.guest.forget()
    site.guest.plug_stick(path)
    site.guest.wait_said(f"version {version} is installed, restarting")
    site.guest.wait_said(f"slot B, version {version}, ")
    site.guest.wait_said(reason)
    site.guest.wait_said("slot A, version 1.0.0, is the one that stays")
    # the stick is still there
    site.guest.wait_said(f"version {version} was given up before, it is not tried again")
    site.wait_runs("A", "1.0.0")
    site.seen(f"{name} bundle: installed, given up ({reason}), the old slot is back, "
              "and does not try it again")


def cut_while_installing(site, path):
    """The power goes while the other slot is being written: the one that runs is what comes back."""
    guest, offset = site.guest, partitions(site.disk.path)["rootfsB"][0]
    guest.forget()
    guest.plug_stick(path)
    guest.wait_said("version 2.1.0 is being installed")
    guest.wait_for("the slot to be half written", lambda: site.disk.written(offset, 10 << 20))
    mark = site.disk.mark()
    guest.wait_for("more of it", lambda: site.disk.mark() > mark + 20)
    safe, late, kept = guest.pull_the_plug(SEED, mark)
    guest.start()
    guest.wait_said("slot A, version 1.0.0, is the one that stays")
    site.wait_runs("A", "1.0.0")
    site.seen(f"power cut while installing: {safe} writes flushed, {late} not, of which {kept} kept; "
              "the old slot runs")


def no_root(root):
    os.unlink(f"{root}/usr/lib/systemd/systemd")


def test_updates():
    site = Site()
    guest = site.guest.start()
    site.wait_started()
    refuse_bundles(site)
    give_up(site, "2.0.1", "deaf", unit_with(DEAF), "version 2.0.1 is given up")
    give_up(site, "2.0.2", "dead", unit_with(FALSE), "version 2.0.2 is given up")
    give_up(site, "2.0.3", "rootless", no_root, "slot B was never found good, back to the other")
    cut_while_installing(site, variant("2.1.0", "good"))
    guest.plug_stick("good.img")
    guest.wait_said("version 2.1.0 is kept")
    site.wait_runs("B", "2.1.0")
    site.seen("good bundle: installed, judged, kept")
    guest.kill()
    guest.start()
    guest.wait_said("slot B, version 2.1.0, is the one that stays")
    site.wait_runs("B", "2.1.0")
    site.finish()


def unjudged(root):
    os.unlink(f"{root}/etc/systemd/system/multi-user.target.wants/fieldgate-confirm.service")


def test_an_update_that_never_judges_itself():
    """Three boots of half an hour each, here of half a minute; the rest is as it was."""
    site = Site("fieldgate.trial=30")
    site.guest.start()
    site.wait_started()
    give_up(site, "2.0.4", "unjudged", unjudged, "slot B was never found good, back to the other")
    fg.equal(site.guest.said().count("slot B was not found good in time, restarting"), 3, "boots")
    site.finish()


def test_no_data_partition():
    """Nothing is taken from devices into a spool in memory, and the console says why."""
    upstream, field = fg.Broker("upstream"), fg.Broker("field")
    disk = make_disk(config(upstream, field))
    with open(disk.path, "r+b") as file:
        file.seek(partitions(disk.path)["data"][0])
        file.write(bytes(1 << 20))
    guest = machine.Machine(ARCH, FOLDER, disk, {}, {"coap": 5683}, "initrd.img", True).start()
    guest.wait_said("FAULT: the data partition cannot be mounted")
    guest.wait_said("slot A, version 1.0.0, ")
    guest.wait_said("FAULT: /data is not mounted: the gateway does not start")
    guest.wait_said("Dependency failed for fieldgate.service")
    fg.equal(fg.Coap(guest.ports["coap"]).post("fridge", "4", 0, tries=2), (None, None),
             "the answer over CoAP")
    guest.kill()
    fg.check("gw-" not in field.log() + upstream.log(), "a gateway came")
    print("  no data partition: said on the console, the gateway is not started")


fg.main(globals())
