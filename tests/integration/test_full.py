#!/usr/bin/python3
# run-first
"""A spool at its limit and a disk that is full: what is dropped is counted and announced exactly,
what is refused is not acknowledged, and all goes on by itself once there is room."""
import os
import shutil
import subprocess
import sys

import fg

fg.need("mosquitto")

PAD = "x" * 1000


def reading(n):
    return f'{{"seq":{n},"pad":"{PAD}"}}'


def config(field, upstream, port, when_full, bridges=None, **spool):
    return {
        "spool": dict({"limit": "1MiB", "segment": "128KiB", "when_full": when_full}, **spool),
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]},
            "things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"},
        },
        "bridges": dict({"up": {"type": "mqtt", "url": upstream.url}}, **bridges or {}),
    }


def give(field, first, last):
    for n in range(first, last):
        field.give("d/a", reading(n))


def test_drop_oldest():
    field, upstream = fg.Script(), fg.Broker("upstream")
    collector = upstream.collector()
    upstream.stop()
    local = os.path.abspath("records.jsonl")
    gateway = fg.Gateway(config(field, upstream, fg.free_port(2), "drop-oldest", {
        "local": {"type": "file", "path": local, "rotate": {"size": "1GiB"},
                  "batch": {"linger": "10ms"}}})).start()
    count = 3000
    give(field, 0, count)
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == count)
    ledger = gateway.wait_drained("local")
    dropped = ledger["bridges"]["up"]["dropped"]["spool-full"]
    fg.check(dropped > count, f"{dropped} dropped of {2 * count}, with room for a sixth")
    fg.equal(dropped % 2, 0, "a payload is dropped whole")
    fg.equal(ledger["bridges"]["up"]["waiting"], 2 * count - dropped, "waiting")
    fg.equal(ledger["bridges"]["local"]["dropped"], {}, "dropped for the one that keeps up")
    gateway.stop()
    fg.equal(fg.check_ledger(gateway.ledger())["bridges"]["up"]["dropped"],
             {"spool-full": dropped}, "dropped, after the stop")
    gateway.start()
    upstream.start()
    collectors = [collector, upstream.collector()]
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["dropped"], {"spool-full": dropped}, "dropped, at the end")

    def lines():
        return [p for c in collectors for p in c.payloads()]
    fg.wait_for("the last pack", lambda: (fg.series(lines()).get("d/a") or [0])[-1] == count - 1)
    answer = fg.audit(lines(), fg.until(ledger), want=(1,))
    fg.equal(fg.lost(answer), {"spool-full": dropped}, "announced as lost")
    fg.equal([e["gaps"] for e in answer["gateways"]["gw"]["epochs"].values()], [[]], "gaps")
    fg.equal(fg.series(lines())["d/a"], list(range(dropped // 2, count)), "what arrived")
    fg.equal(fg.series(fg.file_lines(local))["d/a"], list(range(count)), "the file")
    gateway.stop()


def test_refuse():
    field, upstream = fg.Script(), fg.Broker("upstream")
    collector = upstream.collector()
    upstream.stop()
    port, count = fg.free_port(2), 1500
    gateway = fg.Gateway(config(field, upstream, port, "refuse")).start()
    thing = fg.Coap(port)
    fg.equal(thing.post("t", '{"first":1}', 50)[0], "2.04", "an empty spool")
    fg.equal(gateway.ledger()["accepted"], 1, "accepted")
    give(field, 0, count)
    fg.wait_for("the spool to be full", lambda: thing.post("x", "", 50)[0] == "5.03"
                or thing.post("t", '{"full":1}', 50)[0] == "5.03")
    kept = len(field.kept)
    fg.check(0 < kept < count, f"{kept} acknowledged of {count}")
    ledger = fg.check_ledger(gateway.ledger())
    fg.equal(ledger["bridges"]["up"]["dropped"], {}, "dropped")
    gateway.kill()    # what it has not acknowledged is still the broker's
    gateway.start()
    fg.equal(thing.post("t", '{"full":2}', 50)[0], "5.03", "full after the restart")
    fg.check(len(field.kept) < count, "all acknowledged although it is full")
    upstream.start()
    collectors = [collector, upstream.collector()]
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == count)
    fg.wait_for("CoAP has room again", lambda: thing.post("t", '{"last":1}', 50)[0] == "2.04")
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["dropped"], {}, "dropped")

    def lines():
        return [p for c in collectors for p in c.payloads()]
    fg.wait_for("all packs", lambda: len(set(fg.series(lines()).get("d/a", []))) == count)
    fg.wait_for("the last", lambda: fg.series(lines(), "last"))
    fg.audit(lines(), fg.until(ledger))
    fg.equal(fg.first_times(fg.series(lines())["d/a"]), list(range(count)), "the order")
    gateway.stop()


def test_refuse_for_longer_than_a_session_lasts():
    """Full until the broker has given up the session of another client, which lasted as long and
    began to run out no sooner. The gateway's is kept, with all that waits in it."""
    field, upstream, count = fg.Broker("field"), fg.Broker("upstream"), 1500
    collector = upstream.collector()
    upstream.stop()
    conf = config(field, upstream, fg.free_port(2), "refuse")
    conf["drivers"]["field"]["session_expiry"] = "5s"
    gateway = fg.Gateway(conf).start()
    field.wait_subscribed("gw-field")
    device = fg.Mqtt((field.host, field.port), "device")
    device.publish("d/a", [reading(n) for n in range(count)])
    fg.wait_for("the driver to be away", lambda: gateway.status()["drivers"]["field"]["state"] == "away")
    subprocess.run(["mosquitto_sub", "-p", str(field.port), "-V", "5", "-c", "-x", "5", "-i",
                    "witness", "-q", "1", "-t", "none", "-E"], check=True)
    fg.wait_for("that session to expire", lambda: "Expiring client witness" in field.log())
    fg.check("Expiring client gw-field" not in field.log(), "the gateway's session has expired")
    ledger = fg.check_ledger(gateway.ledger())
    fg.check(0 < ledger["accepted"] < 2 * count, f"{ledger['accepted']} records of {2 * count}")
    fg.equal(gateway.status()["drivers"]["field"]["state"], "away", "the driver after that")
    upstream.start()
    collectors = [collector, upstream.collector()]

    def lines():
        return [p for c in collectors for p in c.payloads()]
    fg.wait_for("all packs", lambda: len(set(fg.series(lines()).get("d/a", []))) == count)
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["dropped"], {}, "dropped")
    fg.audit(lines(), fg.until(ledger))
    fg.equal(fg.first_times(fg.series(lines())["d/a"]), list(range(count)), "the order")
    gateway.stop()


def memo(gateway):
    return fg.read(gateway.spool + "/memo/field").strip("0\n")


def test_refuse_before_suback():
    """Another list, and a backlog of more than there is room for, which comes before the broker says
    that it has taken the list: the driver is away, not opening for ever, and which list the broker
    has is not believed to be known, whenever the process ends."""
    field, upstream, count = fg.Script(window=1500), fg.Script(), 1500
    answers = upstream.answer
    upstream.answer = lambda message: None
    gateway = fg.Gateway(config(field, upstream, fg.free_port(2), "refuse")).start()
    fg.wait_for("the list to be known", lambda: memo(gateway))
    gateway.stop()
    give(field, 0, count)
    gateway.config["drivers"]["field"]["subscribe"].append("e/+")
    gateway.write()
    gateway.start()
    fg.wait_for("the driver to be away", lambda: gateway.status()["drivers"]["field"]["state"] == "away")
    fg.check(0 < len(field.kept) < count, f"{len(field.kept)} acknowledged of {count}")
    fg.equal(memo(gateway), "", "what is known of the broker's list")
    fg.check_ledger(gateway.ledger())
    gateway.kill()
    gateway.config["drivers"]["field"]["subscribe"].pop()
    gateway.write()
    upstream.answer = answers
    gateway.start()
    fg.wait_for("the list to be known", lambda: memo(gateway))
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == count)
    field.give("e/a", reading(count))
    fg.wait_for("the last to be acknowledged", lambda: len(field.kept) == count + 1)
    ledger = gateway.wait_drained("up")
    lines = [m["payload"].decode() for m in upstream.packs()]
    fg.audit(lines, fg.until(ledger))
    fg.equal(fg.first_times(fg.series(lines)["d/a"]), list(range(count)), "the order")
    fg.check("e/a" not in fg.series(lines), "what is not subscribed was taken")
    gateway.stop()


def not_refused(bridges, removed=None):
    """What no required bridge has still to get never makes the spool refuse."""
    field, up, slow = fg.Script(), fg.Script(), fg.Script(
        answer=lambda m: None if m["topic"].endswith("/records") else 0)
    every = {"up": {"type": "mqtt", "url": up.url},
             "slow": {"type": "mqtt", "url": slow.url, "required": False},
             "quick": {"type": "mqtt", "url": up.url, "required": False}}
    gateway = fg.Gateway({
        "spool": {"limit": "1MiB", "segment": "128KiB", "when_full": "refuse"},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {name: every[name] for name in bridges}}).start()
    give(field, 0, 10)
    fg.wait_for("the first to be acknowledged", lambda: len(field.kept) == 10)
    if removed:
        gateway.stop()
        del gateway.config["bridges"][removed]
        gateway.write()
        gateway.start()
    give(field, 10, 2500)
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == 2500)
    fg.check_ledger(gateway.ledger())
    gateway.stop()


def test_optional_alone():
    not_refused(["quick"])


def test_optional_that_is_away():
    not_refused(["slow"])


def test_optional_that_was_removed():
    not_refused(["up", "slow"], removed="slow")


def mount_tmpfs():
    os.mkdir("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", "disk"], check=True)
    return lambda: subprocess.run(["mount", "-o", "remount,size=16m", "disk"], check=True)


def mount_ext4():
    """A file system with a journal, of which another's file has left some 4 MiB."""
    os.mkdir("disk")
    with open("disk.img", "wb") as image:
        image.truncate(24 << 20)
    mkfs = shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/usr/sbin")
    if not mkfs:
        return None
    subprocess.run([mkfs, "-q", "-m", "0", "disk.img"], check=True)
    if subprocess.run(["mount", "-o", "loop", "disk.img", "disk"], check=False).returncode != 0:
        return None
    room = os.statvfs("disk")
    with open("disk/other", "wb") as other:
        os.posix_fallocate(other.fileno(), 0, room.f_bavail * room.f_frsize - (4 << 20))
    return lambda: os.unlink("disk/other")


def full_disk(when_full, commit, mount=mount_tmpfs):
    """A disk that others have filled. drop-oldest is about `limit`: it gives nothing up here."""
    if os.getuid() != 0 or not os.environ.get("OWN_MOUNTS"):
        return "SKIPPED, only root can mount a small file system"
    make_room = mount()
    if not make_room:
        return "SKIPPED, no loop device can be mounted here"
    field, upstream = fg.Script(), fg.Broker("upstream")
    collector = upstream.collector()
    upstream.stop()
    port, count = fg.free_port(2), 4000
    gateway = fg.Gateway(config(field, upstream, port, when_full, limit="16MiB", segment="512KiB",
                                dir=os.path.abspath("disk/spool"), commit=commit)).start()
    with open("disk/filler", "wb") as filler:
        filler.write(b"x" * (1 << 20))
        filler.flush()
        os.fsync(filler.fileno())
    thing = fg.Coap(port)
    give(field, 0, count)
    fg.wait_for("the disk to be full", lambda: thing.post("t", '{"full":1}', 50, tries=1)[0]
                not in ("2.04", None))
    fg.check(0 < len(field.kept) < count, f"{len(field.kept)} acknowledged of {count}")
    before = fg.check_ledger(gateway.ledger())
    fg.check(before["accepted"] >= 2 * len(field.kept), "acknowledged, but not accepted")
    os.unlink("disk/filler")    # room for some more of it, without a word to the gateway
    kept = len(field.kept)
    fg.wait_for("more to be acknowledged", lambda: len(field.kept) > kept)
    make_room()
    fg.wait_for("all to be acknowledged", lambda: len(field.kept) == count)
    upstream.start()
    collectors = [collector, upstream.collector()]
    ledger = gateway.wait_drained()
    fg.equal(ledger["bridges"]["up"]["dropped"], {}, "dropped")

    def lines():
        return [p for c in collectors for p in c.payloads()]
    fg.wait_for("the last pack", lambda: (fg.series(lines()).get("d/a") or [0])[-1] == count - 1)
    fg.audit(lines(), fg.until(ledger))
    fg.equal(fg.first_times(fg.series(lines())["d/a"]), list(range(count)), "what arrived")
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    return (f"{kept} of {count} acknowledged when it was full, {before['accepted']} records kept; "
            f"at the end {ledger['accepted']} accepted and upstream, 0 lost, 0 dropped")


def test_full_disk_refuse():
    return full_disk("refuse", "1s")


def test_full_disk_refuse_each():
    return full_disk("refuse", "each")


def test_full_disk_drop_oldest():
    return full_disk("drop-oldest", "1s")


def test_full_ext4_refuse_each():
    return full_disk("refuse", "each", mount_ext4)


def test_full_ext4_drop_oldest():
    return full_disk("drop-oldest", "1s", mount_ext4)


if os.getuid() == 0 and not os.environ.get("OWN_MOUNTS") and \
        subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0:
    os.environ["OWN_MOUNTS"] = "1"    # what is mounted is gone with this process
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
fg.main(globals())
