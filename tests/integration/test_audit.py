#!/usr/bin/python3
"""fieldgate audit and fieldgate spool, as their users call them."""
import json
import os

import fg

E, F = "00000000000000e1", "00000000000000f2"


def pack(epoch, first, last, **head):
    records = [{"epoch": epoch, "first": first, "last": last, **head, "bn": "gw/d/", "n": "p1",
                "v": 1}]
    records += [{"n": f"p{i}", "v": i} for i in range(2, last - first + 2)]
    return json.dumps(records)


def lost(epoch, first, last, why, value):
    said = {"vs": value} if isinstance(value, str) else {"v": value}
    return json.dumps([{"epoch": epoch, "first": first, "last": last, "why": why,
                        "bn": "gw/fieldgate/", "n": "lost", **said}])


def answer(epochs, complete=True):
    return {"complete": complete, "gateways": {"gw": {"epochs": epochs}}}


def epoch(first, last, records, duplicates=0, lost=None, gaps=()):  # pylint: disable=redefined-outer-name
    return {"first": first, "last": last, "records": records, "duplicates": duplicates,
            "lost": lost or {}, "gaps": list(gaps)}


def test_complete():
    lines = [pack(E, 1, 3), pack(F, 1, 2, prev=f"{E}:5"), pack(E, 4, 5), pack(E, 4, 5)]
    fg.equal(fg.audit(lines, f"{F}:2"), answer({E: epoch(1, 5, 5, 2), F: epoch(1, 2, 2)}), "audit")
    done = fg.fieldgate("audit", text="\n".join(lines))
    fg.check("complete" in done.err, done.err)
    fg.equal(done.out.count("\n"), 1, "lines of JSON")


def test_nothing():
    fg.equal(fg.audit([]), {"complete": True, "gateways": {}}, "nothing asked, nothing missing")
    fg.equal(fg.audit(["", " "], f"{E}:1", want=(1,)), {"complete": False, "gateways": {}},
             "nothing came")


def test_what_is_missing():
    fg.equal(fg.audit([pack(E, 3, 4), pack(E, 8, 8)], f"{E}:10", want=(1,)),
             answer({E: epoch(3, 8, 3, gaps=[[1, 2], [5, 7], [9, 10]])}, False), "gaps")
    fg.equal(fg.audit([pack(E, 1, 4), lost(E, 5, 9, "spool-full", 5)], want=(1,)),
             answer({E: epoch(1, 9, 4, lost={"spool-full": 5})}, False), "announced")
    fg.equal(fg.audit([pack(E, 1, 4), lost(E, 5, 4, "power-cut", "unknown")], want=(1,)),
             answer({E: epoch(1, 4, 4, lost={"power-cut": 0})}, False), "nobody could count")
    fg.equal(fg.audit([pack(E, 7, 9, begin=True)]), answer({E: epoch(7, 9, 3)}), "begun later")


def test_malformed():
    lines = [pack(E, 1, 1), "{", "", pack(E, 2, 2)[:-1], pack(E, 2, 2)]
    done = fg.fieldgate("audit", text="\n".join(lines), want=(1,))
    fg.equal(json.loads(done.out), answer({E: epoch(1, 2, 2)}, False), "the rest")
    fg.check(done.err.startswith("line 2: ") and "\nline 4: " in done.err, done.err)
    for line in ("[]", "[1]", '[{"n":"gw/d/p","v":1}]', pack(E, 1, 1).replace("gw/d/", "gw"),
                 pack(E, 1, 2).replace('"last": 2', '"last": 1'), pack("e1", 1, 1), "\0"):
        done = fg.fieldgate("audit", text=line, want=(1,))
        fg.check(done.err.startswith("line 1: "), f"{line}: {done.err}")


def test_topics_before_packs():
    line = "fieldgate/gw/records " + pack(E, 1, 2)
    fg.equal(fg.audit([line]), answer({E: epoch(1, 2, 2)}), "mosquitto_sub -v")


def test_long_lines():
    line = pack(E, 1, 40000)
    fg.check(len(line) > 1 << 19, "long")
    fg.equal(fg.audit([line, line, pack(E, 40001, 40001)]),
             answer({E: epoch(1, 40001, 40001, 40000)}), "long lines")


def test_usage():
    for bad in ("x", f"{E}", f"{E}:", f"{E[1:]}:1", f"{E}:-1", f"{E}:1x"):
        fg.fieldgate("audit", "--until", bad, text="", want=(2,))
    fg.fieldgate("audit", "more", text="", want=(2,))


def test_spool_of_a_real_gateway():
    port = fg.free_port(fg.socket.SOCK_DGRAM)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {"local": {"type": "file", "path": os.path.abspath("records.jsonl")}}}).start()
    device = fg.Coap(port)
    for n in range(20):
        fg.equal(device.post("dev", json.dumps({"a": n, "b": [n, True]}), 50)[0], "2.04", "POST")
    gateway.wait_drained()
    running = fg.fieldgate("spool", gateway.spool, "--cat", "-c", gateway.conf).out.splitlines()
    fg.equal(len(running), 20, "entries, while it runs")
    gateway.stop()
    ledger = gateway.ledger()
    fg.equal((ledger["accepted"], ledger["last"]), (60, 60), "the account of the files")
    fg.equal(ledger["bridges"]["local"]["acknowledged"], 60, "acknowledged")

    cat = fg.fieldgate("spool", gateway.spool, "--cat", "-c", gateway.conf).out.splitlines()
    fg.equal(cat, running, "the same when it has stopped")
    fg.equal(fg.total(fg.audit(cat, fg.until(ledger))), 60, "records in the spool")
    fg.equal(fg.total(fg.audit(fg.file_lines("records.jsonl"), fg.until(ledger))), 60, "arrived")
    fg.equal(fg.records(cat), fg.records(fg.file_lines("records.jsonl")), "the same records")
    fg.audit(cat[:7] + cat[8:], want=(1,))

    listed = json.loads(fg.fieldgate("spool", "--json", gateway.spool).out)
    fg.equal(listed["last"], 60, "last")
    fg.equal(listed["segments"][-1]["last"], 60, "the last segment's last")
    fg.equal(listed["cursors"]["local"]["number"], 60, "cursor")
    table = fg.fieldgate("spool", gateway.spool).out
    fg.check("local" in table and listed["segments"][0]["file"] in table, table)
    fg.fieldgate("spool", gateway.spool, "--verify")

    # one byte is damaged: verify says where, cat says which numbers are gone
    path = os.path.join(gateway.spool, listed["segments"][0]["file"])
    data = bytearray(open(path, "rb").read())
    at = data.index(b"dev", len(data) // 2) + 4
    data[at] ^= 0xff
    open(path, "wb").write(data)
    bad = json.loads(fg.fieldgate("spool", "--json", "--verify", gateway.spool, want=(1,)).out)
    fg.check(len(bad["damaged"]) == 1, str(bad))
    here = bad["damaged"][0]
    fg.check(here["offset"] <= at < here["offset"] + here["bytes"], f"{at} in {here}")
    fg.fieldgate("spool", "--verify", gateway.spool, want=(1,))
    cat = fg.fieldgate("spool", gateway.spool, "--cat", "-c", gateway.conf).out.splitlines()
    answered = fg.audit(cat, fg.until(ledger), want=(1,))
    fg.equal((fg.total(answered), fg.lost(answered)), (57, {"damaged": 3}), "what is left")


def test_no_spool():
    fg.fieldgate("spool", "nowhere", want=(3,))
    fg.fieldgate("spool", want=(2,))
    fg.fieldgate("spool", "a", "b", want=(2,))
    fg.fieldgate("spool", ".", "--cat", "--verify", want=(2,))
    fg.fieldgate("ledger", "--spool", "nowhere", want=(3,))


if __name__ == "__main__":
    fg.main(globals())
