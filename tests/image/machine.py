"""A virtual machine with an image: its console, its ports, its disk, and its plug.

The disk is honest: what the guest writes is recorded together with its flushes (QEMU's blklogwrites), and
pull_the_plug() leaves on the disk what had been flushed, and of the later writes a random part, torn
between sectors, in any order. The instant of the cut is chosen in that record, in the midst of writing;
what has to survive is what somebody was told before `mark()` was taken."""
import json
import os
import random
import socket
import struct
import subprocess

import fg

ENTRY_FLUSH, ENTRY_FUA, ENTRY_DISCARD = 1, 2, 4
CPUS = {"arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"],
        "armhf": ["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15"]}
BOOT_S = 400    # an emulated processor, on a machine that does other things too


def no_gaps(packs):
    """Whatever does not arrive was announced: by a power cut, that of the last epoch is not known."""
    answer = fg.audit(packs, want=(0, 1))
    gaps = [e["gaps"] for e in answer["gateways"]["gw"]["epochs"].values() if e["gaps"]]
    fg.equal(gaps, [], "records that are missing, and nobody said so")


class Disk:
    def __init__(self, path):
        self.path, self.log = path, path + ".writes"
        self.before = path + ".before"

    def begin(self):
        subprocess.run(["cp", "--sparse=always", self.path, self.before], check=True)
        with open(self.log, "wb") as file:
            file.truncate(16 << 30)

    def arguments(self):
        return ["-blockdev", f"driver=file,filename={self.path},node-name=disk",
                "-blockdev", f"driver=file,filename={self.log},node-name=log",
                "-blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,"
                "log-super-update-interval=1",
                "-device", "virtio-blk-pci,drive=logged,write-cache=on"]

    def writes(self, mark):
        """(offset, data) of each write, None for each flush, as the guest made them; "mark" behind
        so many entries."""
        with open(self.log, "rb") as file:
            magic, _, entries, size = struct.unpack("<QQQI", file.read(28))
            fg.check(magic == 0x6a736677736872, "a log of writes")
            at = size
            for number in range(entries):
                if number == mark:
                    yield "mark"
                file.seek(at)
                sector, count, flags, _ = struct.unpack("<QQQQ", file.read(32))
                at += size
                if flags & ENTRY_FLUSH:
                    yield None
                if count and flags & ENTRY_DISCARD:
                    yield sector * size, bytes(count * size) if count * size < 1 << 24 else b""
                elif count:
                    file.seek(at)
                    yield sector * size, file.read(count * size)
                    at += count * size
                if flags & ENTRY_FUA:
                    yield None
            if mark >= entries:
                yield "mark"

    def mark(self):
        """How many entries the record has: a cut behind them leaves what was flushed until now."""
        with open(self.log, "rb") as file:
            return struct.unpack("<QQQI", file.read(28))[2]

    def written(self, offset, count):
        """Whether so many bytes behind an offset are not what they were."""
        with open(self.path, "rb") as now, open(self.before, "rb") as then:
            now.seek(offset + count)
            then.seek(offset + count)
            return now.read(65536) != then.read(65536)

    def cut(self, seed, mark, to=None):
        """What a cut in the midst of writing leaves, at a random instant after `mark`: in the file
        `to`, or on the disk itself. Returns (writes flushed, not flushed, of them kept)."""
        dice, written = random.Random(seed), list(self.writes(mark))
        begin = written.index("mark")
        del written[begin]
        instants = [i for i in range(begin, len(written)) if written[i]]
        fg.check(instants, "nothing was written after the mark")
        written = written[:dice.choice(instants) + 1]
        last = max((i for i, w in enumerate(written) if w is None), default=-1)
        safe = [w for w in written[:last + 1] if w]
        late = [w for w in written[last + 1:] if w]
        kept = dice.sample(late, dice.randint(0, len(late)))
        if to:
            subprocess.run(["cp", "--sparse=always", self.before, to], check=True)
        with open(to or self.before, "r+b") as file:
            for offset, data in safe + [(o, d[:dice.randint(0, len(d) // 512) * 512])
                                        for o, d in kept]:
                file.seek(offset)
                file.write(data)
        if not to:
            os.replace(self.before, self.path)
        return len(safe), len(late), len(kept)


class Machine:
    """tcp, udp: names of ports on this side -> ports of the guest. image: of the folder's initramfs.
    reboots: the guest may restart by itself; append: to the kernel's command line."""

    def __init__(self, arch, folder, disk, tcp, udp, image="ram.img", reboots=False, append=""):
        self.append = append
        self.arch, self.folder, self.disk, self.image = arch, folder, disk, image
        self.ports = {n: fg.free_port() for n in tcp}
        self.ports.update({n: fg.free_port(socket.SOCK_DGRAM) for n in udp})
        self.forwards = [f"hostfwd=tcp:127.0.0.1:{self.ports[n]}-:{p}" for n, p in tcp.items()]
        self.forwards += [f"hostfwd=udp:127.0.0.1:{self.ports[n]}-:{p}" for n, p in udp.items()]
        self.process, self.serial, self.console = None, None, os.path.abspath("console.log")
        self.more = [] if reboots else ["-no-reboot"]
        self.begin, self.qmp, self.sticks = 0, None, 0

    def start(self):
        self.disk.begin()
        self.begin = len(fg.read(self.console))
        with open(self.console, "ab") as console:
            self.process = subprocess.Popen(
                [*CPUS[self.arch], "-m", "512", "-nographic", "-nodefaults", *self.more,
                 "-serial", "stdio", "-kernel", f"{self.folder}/vmlinuz",
                 "-initrd", f"{self.folder}/{self.image}",
                 "-append", "console=ttyAMA0 quiet panic=5 systemd.show_status=error " + self.append,
                 "-netdev", "user,id=n0," + ",".join(self.forwards),
                 "-device", "virtio-net-pci,netdev=n0,romfile=",
                 "-device", "qemu-xhci", "-device", "i6300esb", "-action", "watchdog=reset",
                 "-chardev", "socket,id=line,path=line.sock,server=on,wait=off",
                 "-device", "usb-serial,chardev=line,always-plugged=on",
                 "-qmp", "unix:qmp.sock,server=on,wait=off", *self.disk.arguments()],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        fg.wait_for("the serial line's socket", self.plug_line)
        return self

    def plug_line(self):
        self.look()
        self.serial = socket.socket(socket.AF_UNIX)
        return self.serial.connect_ex("line.sock") == 0

    def look(self):
        if self.process.poll() is not None:
            raise fg.Failed(f"the machine ended: {fg.read(self.console)[-3000:]}")

    def said(self):
        """On the console since it was switched on, or since `forget()`."""
        return fg.read(self.console)[self.begin:]

    def forget(self):
        self.begin = len(fg.read(self.console))

    def wait_said(self, text, seconds=BOOT_S):
        self.wait_for(f'"{text}"', lambda: text in self.said(), seconds)

    def wait_for(self, what, condition, seconds=BOOT_S):
        def look_too():
            self.look()
            return condition()
        try:
            return fg.wait_for(what, look_too, seconds)
        except fg.Failed as failed:
            raise fg.Failed(f"{failed}\n{fg.read(self.console)[-3000:]}") from failed

    def ask(self, what, **arguments):
        """One command of QEMU's own."""
        if not self.qmp:
            self.qmp = socket.socket(socket.AF_UNIX)
            self.qmp.connect("qmp.sock")
            self.qmp = self.qmp.makefile("rw", encoding="utf-8")
            self.qmp.readline()
            self.ask("qmp_capabilities")
        self.qmp.write(json.dumps({"execute": what, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "event" not in answer:
                fg.check("return" in answer, f"{what}: {answer}")
                return answer["return"]

    def plug_stick(self, path):
        """A USB stick with the contents of a file; stays until the next."""
        if self.sticks:
            self.ask("device_del", id=f"stick{self.sticks}")
        self.sticks += 1
        name = f"stick{self.sticks}"
        self.ask("blockdev-add", driver="file", filename=os.path.abspath(path),
                 **{"node-name": name, "read-only": True})
        self.ask("device_add", driver="usb-storage", id=name, drive=name)

    def pull_the_plug(self, seed, mark):
        self.kill()
        return self.disk.cut(seed, mark)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.serial.close()
        self.qmp, self.sticks = None, 0
        for name in ("line.sock", "qmp.sock"):
            if os.path.exists(name):
                os.unlink(name)
