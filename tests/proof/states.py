#!/usr/bin/python3
"""The program itself, started on disks that lost power and on spoilt spools. The states, and what
must hold of each, come from the stages `power-cut` and `damage` (--keep); FG_STATES (100) of each,
from FG_SEED (1) on; STATES_BUILD: where their programs are."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

STATES = int(os.environ.get("FG_STATES", "100"))
SEED = os.environ.get("FG_SEED", "1")
BUILD = os.environ["STATES_BUILD"]
AT_ONCE = 10
NEW, NEW_FIRST = 3, 1 << 30    # records that are made on each, and their serials


class Facts:
    """What the recorded life says."""

    def __init__(self, folder):
        self.told, self.had, self.spoilt, self.no_lock = {}, View(), "", False
        for line in fg.read(folder + "/facts").splitlines():
            word, *rest = line.split(" ")
            if word == "conf":
                self.limit, self.when_full, self.commit = int(rest[0]), rest[1], rest[2]
                self.dropping = "dropping" in rest
            elif word == "told":
                self.told[(rest[0], int(rest[1]))] = (int(rest[2]), rest[3])
            elif word == "got":
                self.had.got.append(((rest[0], int(rest[1])), int(rest[2])))
            elif word == "range":
                prev = None if rest[3].strip("0") == "" else (rest[3], int(rest[4]))
                self.had.ranges.append((rest[0], int(rest[1]), int(rest[2]), prev,
                                        None if rest[5] == "-" else rest[5], rest[6] != "-"))
            else:
                self.no_lock = rest[0] == "lock"
                self.spoilt = " ".join(rest)


class View:
    """What an upstream has: records as ((epoch, number), serial), ranges as (epoch, first, last,
    (previous epoch, its end) or None, why lost or None, whether nobody could count them)."""

    def __init__(self):
        self.got, self.ranges, self.fresh = [], [], {}

    def pack(self, line):
        pack = json.loads(line)
        head = pack[0]
        prev = head.get("prev")
        prev = prev and (prev.split(":")[0], int(prev.split(":")[1]))
        self.ranges.append((head["epoch"], head["first"], head["last"], prev, head.get("why"),
                            head.get("vs") == "unknown"))
        if "why" in head:
            return
        fg.equal(head["last"] - head["first"] + 1, len(pack), f"records of {head}")
        for n, record in enumerate(pack):
            serial = int(str(record.get("vs", record.get("v"))).split()[0])
            where = (head["epoch"], head["first"] + n)
            if serial >= NEW_FIRST:
                self.fresh[serial] = where
            else:
                self.got.append((where, serial))

    def lost(self, epoch, number):
        """Why a number was announced as lost, or None."""
        for e, first, last, _, why, unknown in self.ranges:
            if why and e == epoch and first <= number and (unknown or number <= last):
                return why
        return None

    def reaches(self, epoch):
        """How far an epoch's numbers are covered from 1 on."""
        end = 0
        for e, first, last, _, _, unknown in sorted(self.ranges, key=lambda r: r[1]):
            if e == epoch and not unknown and first <= end + 1:
                end = max(end, last)
        return end


def judge_view(facts, view, name, ledger):
    for where, serial in view.got:
        fg.equal(facts.told.get(where, (None,))[0], serial, f"{name}: record at {where}")
    has = {where for where, _ in view.got}
    missing = 0
    for where, (serial, word) in facts.told.items():
        if where in has or word == "known":
            continue
        missing += 1
        why = view.lost(*where)
        if why == "refused" or (why == "spool-full" and facts.dropping):
            continue
        fg.check(word != "must", f"{name}: lost: {where}, record {serial}, announced as {why}")
        fg.check(why or facts.commit == "each" or facts.no_lock,
                 f"{name}: lost and not announced: {where}, record {serial}")
    fg.equal(sorted(view.fresh), list(range(NEW_FIRST, NEW_FIRST + NEW)), f"{name}: new records")
    fg.check(not set(view.fresh.values()) & set(facts.told), f"{name}: a number is used twice")
    fg.equal(view.reaches(ledger["epoch"]), ledger["last"], f"{name}: the end of the epoch")
    return missing


def judge_files(facts, folder, ledger):
    """The old and new lines of the bridge to a file, by `audit` too; and what the other upstream
    had and got."""
    up, kept = View(), View()
    up.got, up.ranges = list(facts.had.got), list(facts.had.ranges)
    for line in fg.file_lines(f"{folder}/out/up.jsonl"):
        up.pack(line)
    lines = [line for path in glob.glob(f"{folder}/out/records.jsonl*")
             for line in fg.file_lines(path)]
    for line in lines:
        kept.pack(line)
    answer = fg.audit(lines, fg.until(ledger), want=(0, 1))
    if not facts.no_lock:
        for epoch in answer["gateways"]["gw"]["epochs"].values():
            fg.equal(epoch["gaps"], [], "gaps")
    return max(judge_view(facts, up, "up", ledger), judge_view(facts, kept, "file", ledger))


def drained(facts, gateway):
    """The ledger when nothing waits any more."""
    def account():
        ledger = gateway.ledger()
        return not any(b["waiting"] for b in ledger["bridges"].values()) and ledger
    return judge_ledger(facts, fg.wait_for("everything to be acknowledged", account))


def judge_ledger(facts, ledger):
    due = {}
    if re.search(r" up\d@", facts.spoilt):    # a cursor that is spoilt has forgotten what was due
        up = ledger["bridges"]["up"]
        due["up"] = sum(up[k] for k in ("acknowledged", "sent", "waiting", "dead"))
        due["up"] += sum(up["dropped"].values())
        fg.check(due["up"] <= ledger["accepted"], f"{ledger}")
    return fg.check_ledger(ledger, due)


class State:
    """One of them, and the gateway that is started on it."""
    ports = set()

    def __init__(self, folder):
        self.name, self.folder = os.path.basename(folder), folder
        self.facts, self.port = Facts(folder), fg.free_port(2)
        while self.port in State.ports:    # of one that has not begun to listen
            self.port = fg.free_port(2)
        State.ports.add(self.port)
        bridge = {"type": "file", "batch": {"records": 5, "linger": "10ms"}}
        self.gateway = fg.Gateway({
            "spool": {"dir": f"{folder}/var/spool", "limit": f"{self.facts.limit // 1024}KiB",
                      "segment": "16KiB", "commit": self.facts.commit,
                      "when_full": self.facts.when_full},
            "drivers": {"new": {"type": "coap", "listen": f"coap://127.0.0.1:{self.port}"}},
            "bridges": {"up": dict(bridge, path=f"{folder}/out/up.jsonl"),
                        "file": dict(bridge, path=f"{folder}/out/records.jsonl")}},
            name=f"gateway-{self.name}")
        self.ledger = None

    def start(self):
        self.gateway.start()

    def drained(self):
        return drained(self.facts, self.gateway)

    def append(self):
        device = fg.Coap(self.port)
        for n in range(NEW):
            fg.equal(device.post("new/p", str(NEW_FIRST + n), 0)[0], "2.04", "POST")

    def stop(self):
        self.ledger = self.drained()
        self.gateway.stop()
        self.same(judge_ledger(self.facts, self.gateway.ledger()), "stopped")

    def judge(self):
        return judge_files(self.facts, self.folder, self.ledger)

    def again(self):
        """A clean end was one."""
        if int(self.name) % 5 == 0:
            self.gateway.start()
            self.same(self.drained(), "started once more")
            self.gateway.stop()

    def same(self, ledger, when):
        for key in ("accepted", "epoch", "last"):
            fg.equal(ledger[key], self.ledger[key], f"{key}, {when}")

    def remove(self):
        for path in (self.gateway.log_path, self.gateway.conf):
            os.remove(path)
        shutil.rmtree(self.folder)


def step(states, what):
    """The same with each of them, so that they wait together."""
    results = []
    for state in states:
        try:
            results.append(getattr(state, what)())
        except fg.Failed as error:
            raise fg.Failed(f"state {state.name} of seed {SEED} ({state.facts.spoilt}), {what}: "
                            f"{error}") from error
    return results


def run_all(program, *count):
    folder = os.path.abspath("states")
    os.mkdir(folder)
    subprocess.run([f"{BUILD}/tests/proof/{program}", *count, str(STATES), "--seed", SEED, "--keep",
                    folder], check=True, stdout=subprocess.DEVNULL,
                   env={k: v for k, v in os.environ.items() if k != "TMPDIR"})
    names = sorted(os.listdir(folder), key=int)
    fg.equal(len(names), STATES, "states")
    records = lost = 0
    while names:
        states = [State(f"{folder}/{name}") for name in names[:AT_ONCE]]
        del names[:AT_ONCE]
        for what in ("start", "drained", "append", "stop"):
            step(states, what)
        lost += sum(step(states, "judge"))
        records += sum(len(state.facts.told) for state in states)
        step(states, "again")
        step(states, "remove")
    return (f"{STATES} states, {records} records, {lost} lost where that may be; ledgers and audits "
            "hold")


def test_power_cuts():
    return run_all("proof_power_cut", "--states")


def test_damage():
    return run_all("proof_damage", "--spools")


fg.main(globals())
