"""A virtual machine with an image: its console, its ports, its disk, and its plug.

The disk is honest: what the guest writes is recorded together with its flushes (QEMU's blklogwrites), and
pull_the_plug() leaves on the disk what had been flushed, and of the later writes a random part, torn
between sectors, in any order."""
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

    def writes(self):
        """(offset, data) of each write, None for each flush, as the guest made them."""
        with open(self.log, "rb") as file:
            magic, _, entries, size = struct.unpack("<QQQI", file.read(28))
            fg.check(magic == 0x6a736677736872, "a log of writes")
            at = size
            for _ in range(entries):
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

    def cut(self, seed):
        """What a cut at this instant leaves. Returns (writes flushed, not flushed, of them kept)."""
        dice, written = random.Random(seed), list(self.writes())
        last = max((i for i, w in enumerate(written) if w is None), default=-1)
        safe = [w for w in written[:last + 1] if w]
        late = [w for w in written[last + 1:] if w]
        kept = dice.sample(late, dice.randint(0, len(late)))
        with open(self.before, "r+b") as file:
            for offset, data in safe + [(o, d[:dice.randint(0, len(d) // 512) * 512])
                                        for o, d in kept]:
                file.seek(offset)
                file.write(data)
        os.replace(self.before, self.path)
        return len(safe), len(late), len(kept)


class Machine:
    """tcp, udp: names of ports on this side -> ports of the guest."""

    def __init__(self, arch, folder, disk, tcp, udp):
        self.arch, self.folder, self.disk = arch, folder, disk
        self.ports = {n: fg.free_port() for n in tcp}
        self.ports.update({n: fg.free_port(socket.SOCK_DGRAM) for n in udp})
        self.forwards = [f"hostfwd=tcp:127.0.0.1:{self.ports[n]}-:{p}" for n, p in tcp.items()]
        self.forwards += [f"hostfwd=udp:127.0.0.1:{self.ports[n]}-:{p}" for n, p in udp.items()]
        self.process, self.serial, self.console = None, None, os.path.abspath("console.log")

    def start(self):
        self.disk.begin()
        with open(self.console, "ab") as console:
            self.process = subprocess.Popen(
                [*CPUS[self.arch], "-m", "512", "-nographic", "-no-reboot", "-nodefaults",
                 "-serial", "stdio", "-kernel", f"{self.folder}/vmlinuz",
                 "-initrd", f"{self.folder}/ram.img",
                 "-append", "console=ttyAMA0 quiet panic=-1",
                 "-netdev", "user,id=n0," + ",".join(self.forwards),
                 "-device", "virtio-net-pci,netdev=n0,romfile=",
                 "-device", "qemu-xhci",
                 "-chardev", "socket,id=line,path=line.sock,server=on,wait=off",
                 "-device", "usb-serial,chardev=line,always-plugged=on", *self.disk.arguments()],
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

    def wait_for(self, what, condition, seconds=BOOT_S):
        def look_too():
            self.look()
            return condition()
        try:
            return fg.wait_for(what, look_too, seconds)
        except fg.Failed as failed:
            raise fg.Failed(f"{failed}\n{fg.read(self.console)[-3000:]}") from failed

    def pull_the_plug(self, seed):
        self.kill()
        return self.disk.cut(seed)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.serial.close()
        if os.path.exists("line.sock"):
            os.unlink("line.sock")
