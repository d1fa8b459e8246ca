#!/usr/bin/python3
"""What a record costs the flash: bytes written to a block device with a small ext4 of its own (the
sectors of /sys/block/loopN/stat) for 100 records a second of 200 bytes each, after a start of which
nothing is counted; and that nothing is written while nothing comes. SECONDS_EACH (60), BLOCK (bytes
of a block of the file system; by default what mkfs.ext4 takes for such a size)."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

fg.need("mkfs.ext4", "losetup")

SECONDS = int(os.environ.get("SECONDS_EACH", "60"))
BLOCK = os.environ.get("BLOCK")
RATE = 100
PAYLOAD = 200
LIMITS = {"100ms": 600, "1s": 300}


def disk():
    """A folder on an ext4 of its own, and what counts its sectors."""
    with open("disk.img", "wb") as image:
        image.truncate(256 << 20)
    os.mkdir("disk")
    subprocess.run(["mkfs.ext4", "-q", *(["-b", BLOCK] if BLOCK else []), "disk.img"], check=True)
    done = subprocess.run(["losetup", "-f", "--show", "disk.img"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        return None
    device = done.stdout.strip()
    done = subprocess.run(["mount", device, "disk"], check=False)
    # it goes with its last user, which is the mount
    subprocess.run(["losetup", "-d", device], check=True)
    return f"/sys/block/{os.path.basename(device)}/stat" if done.returncode == 0 else None


def written(stat):
    os.sync()
    with open(stat, encoding="ascii") as file:
        return int(file.read().split()[6]) * 512


def publish(field, seconds):
    """RATE payloads a second, evenly; each one record."""
    begun, n = time.monotonic(), 0
    while n < RATE * seconds:
        end = begun + n / RATE
        fg.wait_for("the next", lambda e=end: time.monotonic() >= e)
        text = f'{{"v":"{n:08}'
        field.give("d/a", text + "x" * (PAYLOAD - len(text) - 2) + '"}')
        n += 1
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == len(field.given))
    return n


def wear(commit, when_full="drop-oldest"):
    stat = disk()
    if not stat:
        return "SKIPPED, no loop device can be mounted here"
    field, upstream = fg.Script(), fg.Script()
    gateway = fg.Gateway({
        "spool": {"commit": commit, "dir": os.path.abspath("disk/spool"), "limit": "64MiB",
                  "segment": "4MiB", "when_full": when_full},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"up": {"type": "mqtt", "url": upstream.url}}}).start()
    publish(field, 3)
    before = written(stat)
    count = publish(field, SECONDS)
    each = (written(stat) - before) / count
    ledger = gateway.wait_drained()
    fg.equal(ledger["accepted"], len(field.given), "accepted")
    settle(stat)
    before = written(stat)
    end = time.monotonic() + SECONDS / 6
    fg.wait_for("the idle time", lambda: time.monotonic() >= end)
    idle = written(stat) - before
    gateway.stop()
    fg.audit([m["payload"].decode() for m in upstream.packs()], fg.until(ledger))
    subprocess.run(["umount", "disk"], check=True)
    fg.check(each <= LIMITS[commit], f"{each:.0f} bytes a record, more than {LIMITS[commit]}")
    fg.equal(idle, 0, "bytes written while idle")
    return f"{each:.0f} bytes a record over {SECONDS} s, {idle} while idle"


def settle(stat):
    """The last commit and the file system's own afterthoughts (its journal, its superblock)."""
    seen, since = written(stat), time.monotonic()
    while time.monotonic() - since < 3:
        end = time.monotonic() + 0.5
        fg.wait_for("a while", lambda e=end: time.monotonic() >= e)
        now = written(stat)
        if now != seen:
            seen, since = now, time.monotonic()


def test_100ms():
    return wear("100ms")


def test_1s():
    return wear("1s")


if os.getuid() != 0:
    print("skipped: only root can mount a file system")
    sys.exit(77)
if not os.environ.get("OWN_MOUNTS") and \
        subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0:
    os.environ["OWN_MOUNTS"] = "1"    # what is mounted is gone with this process
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
fg.main(globals())
