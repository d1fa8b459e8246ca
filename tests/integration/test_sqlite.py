#!/usr/bin/python3
"""The history in a database: each record once, whatever is killed, full, locked or damaged; what is
too old or too much is taken out; what was lost is told."""
import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time

import fg

SEED = int(os.environ.get("FG_SEED", random.randrange(1 << 32)))


def config(field, match=None, spool=None, **bridge):
    bridge = dict({"type": "sqlite", "path": os.path.abspath("history.db"), "commit": "20ms",
                   "batch": {"records": 20, "linger": "5ms"}, "window": 4}, **bridge)
    if match:
        bridge["match"] = match
    return {"spool": spool or {},
            "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
            "bridges": {"history": bridge}}


def ask(sql, *args, path="history.db"):
    db = sqlite3.connect(f"file:{os.path.abspath(path)}?mode=ro", uri=True, timeout=20)
    with contextlib.closing(db):
        return db.execute(sql, args).fetchall()


def give(field, first, last, extra=""):
    for n in range(first, last):
        field.give(f"d/d{n % 3}", f'{{"seq":{n}{extra}}}')


def check_ranges():
    """The ranges of an epoch tile it: no gap, no overlap."""
    for (epoch,) in ask("SELECT DISTINCT epoch FROM pack"):
        at = 1
        for first, last in ask("SELECT first, last FROM pack WHERE epoch = ? AND last >= first "
                               "ORDER BY first", epoch):
            fg.equal(first, at, f"where the next range of {epoch} begins")
            at = last + 1


def check_once(gateway, count, numbers=None):
    """Every record is there, once, in the order of its device. `numbers`: they are more than the
    records, since the bridge has a filter."""
    ledger = gateway.wait_drained("history")
    rows = ask("SELECT device, value FROM records WHERE point = 'seq' ORDER BY id")
    fg.equal(sorted(v for _, v in rows), list(range(count)), "each once")
    for device in {d for d, _ in rows}:
        seqs = [v for d, v in rows if d == device]
        fg.equal(seqs, sorted(seqs), f"the order of {device}")
    have = ask("SELECT sum(records) FROM pack")[0][0]
    fg.equal(have, ask("SELECT count(*) FROM value")[0][0], "values, by the packs")
    account = ledger["bridges"]["history"]
    fg.equal(numbers or have, account["acknowledged"], "records, by the ledger")
    fg.equal(account["dropped"], {}, "dropped")
    check_ranges()


def killed(match=None):
    dice = random.Random(SEED)
    field = fg.Script()
    gateway = fg.Gateway(config(field, match)).start()
    count, kills = 4000, 8
    for k in range(kills):
        give(field, count * k // kills, count * (k + 1) // kills, ',"v":1.5')
        kept = len(field.kept)
        fg.wait_for("some to be kept", lambda: len(field.kept) > kept + dice.randrange(1, 200))
        gateway.kill()
        gateway.start()
    fg.wait_for("all to be kept", lambda: len(field.kept) == count)
    # what the field's broker did not hear of comes again, as a record of its own
    ledger = gateway.wait_drained("history")
    fg.equal(ask("SELECT count(DISTINCT value) FROM records WHERE point = 'seq'")[0][0], count,
             "readings")
    total = ask("SELECT count(*) FROM value")[0][0]
    if not match:
        fg.equal(total, ledger["bridges"]["history"]["acknowledged"], "records, by the ledger")
    numbers = ask("SELECT sum(last - first + 1) FROM pack WHERE last >= first")[0][0]
    fg.equal(numbers, ledger["accepted"], "numbers that the packs cover")
    check_ranges()
    fg.equal(ask("SELECT sum(records) FROM pack")[0][0], total, "values, by the packs")
    fg.equal(ask("PRAGMA integrity_check"), [("ok",)], "the file")
    if match:
        fg.equal(ask("SELECT DISTINCT point FROM records"), [("seq",)], "what passes the filter")
    gateway.stop()
    return f"{kills} kills, {total} records, seed {SEED}"


def test_kill():
    return killed()


def test_kill_filtered():
    return killed(["d/+/seq"])


def test_again():
    """The cursor is gone and all comes again, cut in another way: nothing is twice."""
    again()


def test_again_filtered():
    """The same where no pack says which numbers its records have: nothing is missing either."""
    again(',"v":1.5', 2, match=["d/+/seq"])


def again(extra="", numbers=1, **more):
    field = fg.Script()
    gateway = fg.Gateway(config(field, start="oldest", **more))
    # one that is away, for whose sake the spool keeps all
    gateway.config["bridges"]["away"] = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{fg.free_port()}"}
    gateway.write()
    gateway.start()
    give(field, 0, 500, extra)
    fg.wait_for("all to be kept", lambda: len(field.kept) == 500)
    check_once(gateway, 500, 500 * numbers)
    gateway.stop()
    # more that is not in the database, so that a pack can begin in what is and end behind it
    history = gateway.config["bridges"].pop("history")
    gateway.write()
    gateway.start()
    give(field, 500, 520, extra)
    fg.wait_for("all to be kept", lambda: len(field.kept) == 520)
    gateway.stop()
    cursors = [os.path.join(folder, name) for folder, _, names in os.walk(gateway.spool)
               for name in names if "history" in os.path.join(folder, name)]
    fg.check(cursors, "no cursor of it in the spool")
    for path in cursors:
        os.unlink(path)
    history["batch"]["records"] = 33
    gateway.config["bridges"]["history"] = history
    gateway.write()
    gateway.start()
    fg.equal(gateway.account("history")["dropped"], {}, "given up, at the start")
    check_once(gateway, 520, 520 * numbers)
    gateway.stop()


def test_values():
    """What people find in it."""
    field = fg.Script()
    gateway = fg.Gateway(config(field, format="senml+cbor")).start()
    before = time.time()
    field.give("d/a", '{"i":9007199254740993,"d":21.5,"b":true,"s":"é\\"x"}')
    fg.wait_for("it to be kept", lambda: len(field.kept) == 1)
    gateway.wait_drained()
    rows = ask("SELECT point, value, typeof(value), device FROM records ORDER BY id")
    fg.equal(rows, [("i", 9007199254740993, "integer", "d/a"), ("d", 21.5, "real", "d/a"),
                    ("b", "true", "text", "d/a"), ("s", 'é"x', "text", "d/a")], "the records")
    at = ask("SELECT time FROM value LIMIT 1")[0][0] / 1e6
    fg.check(before - 5 < at < time.time() + 5, f"its time: {at}")
    fg.check(ask("SELECT time FROM records LIMIT 1")[0][0].endswith("Z"), "readable time")
    gateway.stop()
    fg.check(not os.path.exists("history.db-wal"), "the log stays after a clean stop")
    fg.equal(os.stat("history.db").st_mode & 0o777, 0o640, "who may read it")


def test_locked():
    field = fg.Script()
    gateway = fg.Gateway(config(field)).start()
    give(field, 0, 10)
    fg.wait_for("the first", lambda: len(field.kept) == 10)
    gateway.wait_drained()
    other = sqlite3.connect("history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    give(field, 10, 300)
    fg.wait_for("all to be kept", lambda: len(field.kept) == 300)
    fg.wait_for("the bridge to have to wait", lambda: gateway.account("history")["waiting"] > 0)
    fg.equal(ask("SELECT count(*) FROM value"), [(10,)], "while another holds it")
    other.execute("ROLLBACK")
    check_once(gateway, 300)
    # held when it starts
    gateway.stop()
    other.close()
    other = sqlite3.connect("history.db", isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    gateway.start(ready=False)
    give(field, 300, 310)
    fg.wait_for("it to say who is in the way", lambda: "holds the database" in gateway.said())
    other.close()
    fg.wait_for("all to be kept", lambda: len(field.kept) == 310)
    check_once(gateway, 310)
    gateway.stop()


def test_damaged():
    field = fg.Script()
    with open("history.db", "wb") as file:
        file.write(b"no database " * 1000)
    gateway = fg.Gateway(config(field)).start()
    give(field, 0, 50)
    fg.wait_for("all to be kept", lambda: len(field.kept) == 50)
    check_once(gateway, 50)
    fg.check("put aside" in gateway.said(), "it does not say so")
    fg.equal(ask("SELECT value FROM meta WHERE key = 'set_aside'"), [(1,)], "counted")
    fg.equal(fg.read("history.db.damaged-1")[:11], "no database", "what was there")
    gateway.stop()
    with open("history.db", "r+b") as file:     # its schema
        file.seek(100)
        file.write(b"\xff" * 2000)
    gateway.start()
    give(field, 50, 60)
    fg.wait_for("all to be kept", lambda: len(field.kept) == 60)
    gateway.wait_drained()
    fg.equal(sorted(v for (v,) in ask("SELECT value FROM records WHERE point = 'seq'")),
             list(range(50, 60)), "begun anew")
    fg.equal(ask("SELECT value FROM meta WHERE key = 'set_aside'"), [(2,)], "counted")
    gateway.stop()


def test_foreign():
    """Another program's database is left alone."""
    with contextlib.closing(sqlite3.connect("history.db")) as db:
        db.execute("CREATE TABLE theirs(x)")
    whole = open("history.db", "rb").read()
    field = fg.Script()
    gateway = fg.Gateway(config(field)).start()
    fg.wait_for("it to say so", lambda: "another program" in gateway.said())
    fg.equal(open("history.db", "rb").read(), whole, "the file")
    gateway.stop()


def test_retention():
    field = fg.Script()
    gateway = fg.Gateway(config(field, size="256KiB", window=16)).start()
    count = 6000
    give(field, 0, count, ',"pad":"' + "x" * 100 + '"')
    fg.wait_for("all to be kept", lambda: len(field.kept) == count)
    ledger = gateway.wait_drained()
    pages = ask("PRAGMA page_count")[0][0] - ask("PRAGMA freelist_count")[0][0]
    fg.check(pages * 4096 < 400 << 10, f"{pages} pages in use")
    left = [v for (v,) in ask("SELECT value FROM records WHERE point = 'seq' ORDER BY id")]
    fg.equal(left, list(range(count - len(left), count)), "the newest are there")
    fg.check(50 < len(left) < count, f"{len(left)} left")
    covered = ask("SELECT sum(last - first + 1), sum(records) FROM pack")[0]
    fg.equal(covered, (ledger["accepted"],) * 2, "what was there, by the packs")
    fg.equal(len(ask("SELECT id FROM pack WHERE NOT kept")), 1, "ranges of what is gone")
    gateway.stop()
    gateway.config["bridges"]["history"]["keep"] = "1s"
    gateway.write()
    gateway.start()

    def aged():
        field.give("d/late", '{"seq":-1}')
        return ask("SELECT min(value) FROM records WHERE point = 'seq' AND value >= 0")[0][0] is None
    fg.wait_for("what is old to go", aged)
    fg.wait_for("all to be kept", lambda: len(field.kept) == len(field.given))
    fg.check_ledger(gateway.wait_drained())
    gateway.stop()


def test_lost():
    """The folder comes late: what the spool had to give up is told in the database."""
    field = fg.Script()
    gateway = fg.Gateway(config(field, path=os.path.abspath("later/history.db"),
                                spool={"limit": "256KiB", "segment": "32KiB"})).start()
    count = 2000
    give(field, 0, count, ',"pad":"' + "x" * 500 + '"')
    fg.wait_for("all to be kept", lambda: len(field.kept) == count)
    os.mkdir("later")
    ledger = gateway.wait_drained()
    dropped = ledger["bridges"]["history"]["dropped"]["spool-full"]
    rows = ask("SELECT sum(records), why FROM lost GROUP BY why", path="later/history.db")
    fg.equal(rows, [(dropped, "spool-full")], "lost")
    fg.equal(ask("SELECT count(*) FROM value", path="later/history.db")[0][0],
             ledger["bridges"]["history"]["acknowledged"], "values")
    gateway.stop()


def test_full_disk():
    if os.getuid() != 0 or not os.environ.get("OWN_MOUNTS"):
        return "SKIPPED, only root can mount a small file system"
    os.mkdir("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "disk"], check=True)
    field = fg.Script()
    gateway = fg.Gateway(config(field, path=os.path.abspath("disk/history.db"))).start()
    count = 4000
    give(field, 0, count, ',"pad":"' + "x" * 300 + '"')
    fg.wait_for("all to be kept", lambda: len(field.kept) == count)
    fg.wait_for("the disk to be full", lambda: gateway.status()["links"]["history"]["fault"])
    fg.check(gateway.account("history")["waiting"] > 0, "nothing waits")
    subprocess.run(["mount", "-o", "remount,size=32m", "disk"], check=True)
    ledger = gateway.wait_drained()
    seqs = ask("SELECT value FROM records WHERE point = 'seq' ORDER BY id", path="disk/history.db")
    fg.equal([v for (v,) in seqs], list(range(count)), "each once, in order")
    fg.equal(ledger["bridges"]["history"]["dropped"], {}, "dropped")
    gateway.stop()
    return f"{count} through a full disk"


if os.getuid() == 0 and not os.environ.get("OWN_MOUNTS") and \
        subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0:
    os.environ["OWN_MOUNTS"] = "1"    # what is mounted is gone with this process
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
fg.main(globals())
