#!/usr/bin/python3
"""The n-th call of a kind fails (faulty.c), for every n that a small load reaches: the program does not
crash; nothing is acknowledged that is not kept; work goes on when the fault is over; and where it
cannot even start, it says so. FAULTY is the library to be preloaded. FG_FAULTS: how many calls of each
kind are tried at most, spread over all (default 12; 0: every one), FG_SEED where they begin. The
arguments name scenarios, "alloc:17,18" only those numbers of one."""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests/integration"))
import fg  # noqa: E402  pylint: disable=wrong-import-position

FAULTY = os.environ["FAULTY"]
MOST = int(os.environ.get("FG_FAULTS", "12"))
SEED = int(os.environ.get("FG_SEED", "1"))
WORKERS = int(os.environ.get("FG_WORKERS", str(min(2, os.cpu_count()))))
# A machine that is busy with others is no finding: between two looks at most LOOK_S count, so that a
# deadline is reached by looking in vain often enough, and grows with how late we come to look.
PATIENCE_S, LOOK_S, END_S = 40, 0.02, 600
EIO, EINTR, ENOMEM, EAGAIN, EMFILE, ENOSPC, PART = 5, 4, 12, 11, 24, 28, 0
COUNT, IN_VAIN = 12, 30
# libcoap's hash tables (uthash) call exit(-1) where there is no memory for them
UTHASH_FATAL = 255

# name: kind, error, how many in a row, whose calls
SCENARIOS = {
    "alloc": ("alloc", ENOMEM, 1, "own"),
    "alloc-stretch": ("alloc", ENOMEM, 20, "own"),
    "alloc-library": ("alloc", ENOMEM, 1, "lib"),
    "write-full": ("write", ENOSPC, 1, "own"),
    "write-full-stretch": ("write", ENOSPC, 6, "own"),
    "write-error": ("write", EIO, 1, "own"),
    "write-interrupted": ("write", EINTR, 1, "own"),
    "write-short": ("write", PART, 1, "own"),
    "read-error": ("read", EIO, 1, "own"),
    "read-interrupted": ("read", EINTR, 1, "own"),
    "read-short": ("read", PART, 1, "own"),
    "sync-error": ("sync", EIO, 1, "own"),
    "sync-stretch": ("sync", EIO, 4, "own"),
    "sync-full": ("sync", ENOSPC, 1, "own"),
    "room-full": ("room", ENOSPC, 1, "own"),
    "room-interrupted": ("room", EINTR, 1, "own"),
    "name-error": ("name", EIO, 1, "own"),
    "name-full": ("name", ENOSPC, 3, "own"),
    "fd": ("fd", EMFILE, 1, "own"),
    "fd-stretch": ("fd", EMFILE, 10, "own"),
    "fd-library": ("fd", EMFILE, 1, "lib"),
    "fd-interrupted": ("fd", EINTR, 1, "own"),
    "send-interrupted": ("send", EINTR, 1, "any"),
    "send-short": ("send", PART, 1, "any"),
    "send-again": ("send", EAGAIN, 3, "any"),
    "recv-interrupted": ("recv", EINTR, 1, "any"),
    "recv-short": ("recv", PART, 1, "any"),
    "other-interrupted": ("other", EINTR, 1, "any"),
    "wait-interrupted": ("wait", EINTR, 1, "own"),
    "thread": ("thread", EAGAIN, 1, "any"),
}


class Patience:
    def __init__(self, what):
        self.what, self.begun = what, time.monotonic()
        self.left, self.last = PATIENCE_S, self.begun

    def look(self, more=0.0):
        """Before each look but the first, which `more` seconds of waiting went before."""
        now = time.monotonic()
        self.left -= min(now - self.last, LOOK_S + more)
        self.last = now
        if self.left < 0 or now - self.begun > END_S:
            raise fg.Failed(f"{self.what}: not within {now - self.begun:.0f} s")


def config(folder, field, upstream, host, ports, commit):
    return {
        "gateway": {"id": "gw"}, "run": {"socket": f"{folder}/sock"},
        "clock": {"trust": "always"},
        "spool": {"dir": f"{folder}/spool", "limit": "1MiB", "segment": "64KiB", "commit": commit},
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]},
            "things": {"type": "coap", "listen": f"coap://{host}:{ports[0]}"},
            "secure": {"type": "coap", "listen": f"coaps://{host}:{ports[1]}",
                       "psk": {"one": {"secret": "k"}}},
        },
        "bridges": {
            "up": {"type": "mqtt", "url": upstream.url, "window": 2,
                   "batch": {"records": 4, "linger": "5ms"}},
            "local": {"type": "file", "path": f"{folder}/records.jsonl",
                      "batch": {"records": 4, "linger": "5ms"}},
        },
    }


class Run:
    """One life of the gateway with a fault, and one without."""

    def __init__(self, folder, fault, number, worker=0):
        self.folder, self.fault, self.number = folder, fault, number
        # an address of its own: no client's socket takes its port while the program is not there
        pid = os.getpid()
        self.host = f"127.{64 + pid // 256 % 128}.{pid % 256}.{worker + 1}"
        os.makedirs(folder)
        self.field, self.upstream = fg.Script(), fg.Script()
        self.port, secure = fg.free_port(2), fg.free_port(2)
        self.commit = ("20ms", "each")[number & 1]
        self.conf = f"{folder}/gateway.json"
        with open(self.conf, "w", encoding="utf-8") as file:
            json.dump(config(folder, self.field, self.upstream, self.host, (self.port, secure),
                             self.commit), file)
        with open(f"{folder}/k", "w", opener=lambda p, f: os.open(p, f, 0o600),
                  encoding="utf-8") as file:
            file.write("secretkey")
        self.taken, self.process = 0, None

    def log(self):
        return fg.read(f"{self.folder}/log")

    def begin(self, **env):
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(
                [fg.FIELDGATE, "run", "-c", self.conf], stdin=subprocess.DEVNULL, stderr=log,
                env=dict(os.environ, CREDENTIALS_DIRECTORY=self.folder, **env))

    def wait_for(self, what, condition):
        """What it is in the end; False: the program has ended."""
        patience = Patience(what)
        while not (got := condition()):
            if self.process.poll() is not None:
                return False
            time.sleep(0.003)
            patience.look()
        return got

    def load(self):
        """Payloads from both sides, some of them at once; True if all were acknowledged."""
        thing = fg.Coap(self.port, self.host)
        for n in range(COUNT):
            self.field.give("d/a", f'{{"seq":{n},"pad":"{"x" * 300}"}}')
        patience, timeout = Patience("CoAP"), 0.1
        while self.taken < COUNT // 3:
            code, _ = thing.post("t", f'{{"seq":{self.taken}}}', 50, tries=1, timeout=timeout)
            if code == "2.04":
                self.taken += 1
                timeout = 0.1
                continue
            if self.process.poll() is not None:
                return False
            patience.look(timeout)
            if code is None:
                time.sleep(0.005)
                # who answers late is asked less often, not given up
                timeout = min(2 * timeout, 4)
        return self.wait_for("all to be acknowledged", lambda: len(self.field.kept) == COUNT)

    def ledger(self):
        try:
            return json.loads(fg.fieldgate("ledger", "-c", self.conf, want=None).out)
        except ValueError:
            return None

    def asked(self, check):
        ledger = self.ledger()
        return ledger and check(ledger)

    def drained(self):
        """The ledger when nothing waits any more."""
        ledger = self.ledger()
        return ledger and ledger["accepted"] >= self.taken + len(self.field.kept) and \
            all(b["waiting"] == 0 for b in ledger["bridges"].values()) and ledger

    def stop(self, signo=signal.SIGTERM, want=(0,)):
        self.process.send_signal(signo)
        patience = Patience(f"the end after signal {signo}")
        while (status := self.process.poll()) is None:
            time.sleep(0.003)
            patience.look()
        fg.check(status in want, f"exit status {status} after signal {signo}")

    def ended_well(self):
        """It could not start: it has to say so, and with the right status."""
        status = self.process.poll()
        lines = [line for line in self.log().splitlines() if not line.startswith("faulty: ")]
        # a library that remembers a failed start: the process ends, for systemd to start it anew
        if status == 3 and "beyond repair" in self.log():
            return
        # one that ends it on its own: what it had acknowledged is looked for in the next life
        if status == UTHASH_FATAL and self.fault.endswith(":lib"):
            return
        fg.check(status in (1, 3) and lines and "ready" not in self.log(),
                 f"ended with status {status}")

    def faulty_life(self):
        self.begin(LD_PRELOAD=FAULTY, FAULT=self.fault, FAULT_REPORT=f"{self.folder}/report")
        if not self.load():
            self.ended_well()
            return False
        if self.number % 3 == 0:
            self.stop(signal.SIGKILL, (-9,))
            return True
        if "no control socket" in self.log():
            self.stop()
            return True
        self.wait_for("everything upstream", self.drained)
        fg.check(self.process.poll() is None, f"ended with status {self.process.poll()}")
        # the fault may be in the answer
        self.wait_for("an answer", lambda: self.asked(fg.check_ledger))
        self.stop()
        return True

    def good_life(self):
        kept = set(self.field.kept)
        self.begin()
        if len(self.field.given) < COUNT:
            self.taken = 0
        fg.check(self.wait_for("ready", lambda: self.log().count(' msg="ready"') >= 1 and
                               self.ledger()), "ended without a fault")
        fg.check(self.wait_for("the rest to be acknowledged",
                               lambda: len(self.field.kept) == len(self.field.given)), "ended")
        ledger = self.wait_for("everything upstream", self.drained)
        fg.check(ledger, "ended")
        fg.check_ledger(ledger)
        self.stop()
        after = json.loads(fg.fieldgate("ledger", "--spool", f"{self.folder}/spool").out)
        fg.equal(fg.check_ledger(after)["accepted"], ledger["accepted"], "after the stop")
        return kept, ledger

    def arrived(self, lines, kept, ledger, where):
        answer = fg.audit(lines, fg.until(ledger), want=(0, 1))
        gaps = [e["gaps"] for e in answer["gateways"]["gw"]["epochs"].values() if e["gaps"]]
        fg.equal((gaps, fg.lost(answer)), ([], {}), f"lost on the way to {where}")
        values = fg.series(lines)
        first = fg.first_times(values.get("d/a", []))
        missing = [n for n in kept if n not in first]
        fg.equal(missing, [], f"acknowledged by MQTT, not in {where}")
        fg.equal([n for n in first if n < COUNT], list(range(len(self.field.given))),
                 f"the order in {where}")
        first = fg.first_times(values.get("t", []))
        fg.equal(first[:self.taken], list(range(self.taken)), f"what CoAP sent, in {where}")

    def go(self):
        self.faulty_life()
        kept, ledger = self.good_life()
        lines = [m["payload"].decode() for m in self.upstream.packs()]
        self.arrived(lines, kept, ledger, "the broker")
        self.arrived(fg.file_lines(f"{self.folder}/records.jsonl"), kept, ledger, "the file")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.field.close()
        self.upstream.close()


def count_calls():
    """How many calls of each kind the load makes: {kind: (own, lib)}."""
    run = Run(os.path.abspath("count"), "", 1)
    try:
        run.go()
        return {kind: (int(own), int(lib)) for kind, own, lib in
                (line.split() for line in fg.read(f"{run.folder}/report").splitlines())}
    finally:
        run.close()


def one(job, worker):
    """What failed, or None; and whether there was such a call at all: how often the program is asked for
    its account, and so how much it does, differs from run to run. Where IN_VAIN numbers of a kind were
    too high one behind the other, those behind them are too."""
    name, n = job
    kind, error, count, whose = SCENARIOS[name]
    fault = f"{kind}:{error}:{n}:{count}" + ("" if whose == "any" else f":{whose}")
    folder = os.path.abspath(f"{name}-{n}")
    run = Run(folder, fault, n, worker)
    try:
        run.go()
        struck = "faulty: " in run.log()
        subprocess.run(["rm", "-rf", folder], check=True)
        return None, struck
    # whatever it is: a worker that dies of it would leave the jobs behind it undone
    except Exception as failure:  # pylint: disable=broad-except
        said = [line for line in run.log().splitlines() if line.startswith("faulty: ")]
        return (f"FAILED  {name} {n} ({fault}): {failure!r}\n  {said[:1]}\n  "
                + "\n  ".join(run.log().splitlines()[-12:])), bool(said)
    finally:
        run.close()


def jobs_of(names, calls):
    rng = random.Random(SEED)
    jobs = []
    for name, _, only in (name.partition(":") for name in names):
        if only:
            jobs += [(name, int(n)) for n in only.split(",")]
            continue
        kind, _, _, whose = SCENARIOS[name]
        own, lib = calls[kind]
        total = own if whose == "own" else lib if whose == "lib" else own + lib
        numbers = range(1, total + 1)
        # most of what libraries allocate is OpenSSL's start
        most = MOST or (1000 if name == "alloc-library" else 0)
        if most and total > most:
            numbers = sorted(rng.sample(numbers, most))
        jobs += [(name, n) for n in numbers]
    return jobs


def main():
    left_out = os.environ.get("FG_LEAVE_OUT", "").split()
    names = sys.argv[1:] or [name for name in SCENARIOS if name not in left_out]
    calls = count_calls()
    print("calls of the program and of its libraries: " +
          ", ".join(f"{k} {a}+{b}" for k, (a, b) in calls.items()), flush=True)
    jobs, lock, bad = jobs_of(names, calls), threading.Lock(), []
    total, done, missed = len(jobs), [], dict.fromkeys(SCENARIOS, 0)
    jobs.reverse()

    def work(worker):
        while True:
            with lock:
                if not jobs:
                    return
                job = jobs.pop()
            failure, struck = (None, False) if missed[job[0]] >= IN_VAIN else one(job, worker)
            missed[job[0]] = 0 if struck else missed[job[0]] + 1
            done.append(struck)
            if failure:
                with lock:
                    bad.append(failure)
                    print(failure, flush=True)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{sum(done)} faults of {len(names)} kinds, {len(bad)} of them not borne, seed {SEED} (and "
          f"{total - sum(done)} calls that were not reached again)")
    sys.exit(1 if bad or len(done) != total else 0)


main()
