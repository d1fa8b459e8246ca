#!/usr/bin/python3
"""fieldgate apply: what is good stays, what does not come up goes back, and whatever ends in the
middle leaves the old file or the new one. No record is lost on the way."""
import copy
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess

import fg
from apply_world import Load, World, dead_url

fg.need("mosquitto")


def apply(gateway, config, *args, want=(0,), text=None):
    with open("next.json", "w", encoding="utf-8") as file:
        file.write(text if text is not None else json.dumps(config, indent=1))
    return fg.fieldgate("apply", "-c", gateway.conf, *args, "next.json", want=want)


def beside(gateway):
    """The files of FILE, by what follows its name."""
    return sorted(path[len(gateway.conf):] for path in glob.glob(gateway.conf + "*"))


def test_good_under_load():
    world = World()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    os.chmod(gateway.conf, 0o604)
    config = copy.deepcopy(gateway.config)
    config["bridges"]["local"] = {"type": "file", "path": os.path.abspath("records.jsonl")}
    config["bridges"]["up"]["window"] = 4
    done = apply(gateway, config)
    fg.check("1 changed" in done.err and "1 added" in done.err, f"what it says: {done.err}")
    fg.equal(fg.read(gateway.conf), fg.read("next.json"), "the file")
    fg.equal(fg.read(gateway.conf + ".last-good"), old, "the last good one")
    fg.equal(os.stat(gateway.conf).st_mode & 0o7777, 0o604, "its mode")
    fg.equal(beside(gateway), ["", ".last-good"], "files")
    fg.equal(gateway.status()["applied"]["outcome"], "done", "outcome")
    fg.wait_for("the status topic", lambda: world.told() and world.told()["outcome"] == "done")
    fg.check("no change" in apply(gateway, config).err, "the same again")
    fg.equal(gateway.status()["generation"], 2, "generation")
    fg.equal(fg.read(gateway.conf + ".last-good"), old, "the last good one, still")
    # edited in place, there is nothing to go back to
    gateway.config = dict(config, limits={"payload": "90KiB"})
    gateway.write()
    fg.check("fieldgate reload" in apply(gateway, None, text=fg.read(gateway.conf), want=(1,)).err,
             "what it says")
    gateway.reload()
    world.finish("local")


def test_bad_returns():
    world = World()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    config = copy.deepcopy(gateway.config)
    config["bridges"]["up"]["url"] = dead_url()
    config["limits"] = {"payload": "100KiB"}
    done = apply(gateway, config, "--deadline", "2s", want=(1,))
    fg.check(re.search("up is not up", done.err), f"why: {done.err}")
    fg.equal(fg.read(gateway.conf), old, "the file")
    fg.equal(beside(gateway), ["", ".last-good"], "files")
    fg.equal(gateway.status()["applied"]["outcome"], "returned", "outcome")
    fg.check("\nreturned configuration (" in fg.fieldgate("status", "-c", gateway.conf).out, "shown")
    fg.wait_for("the status topic", lambda: world.told() and world.told()["outcome"] == "returned")
    world.gateway_is_up()
    # what is new has to be up, unless that is not asked
    config = copy.deepcopy(gateway.config)
    config["bridges"]["new"] = {"type": "mqtt", "url": dead_url(), "required": False}
    fg.check("new is not up" in apply(gateway, config, "--deadline", "1s", want=(1,)).err, "why")
    apply(gateway, config, "--deadline", "1s", "--lenient")
    # and what was down before may stay so
    config["drivers"]["field"]["keepalive"] = "50s"
    apply(gateway, config, "--deadline", "10s")
    apply(gateway, gateway.config, "--deadline", "10s")
    # what is not valid is not even put in place
    fg.check("/spool/limit" in apply(gateway, dict(config, spool={"limit": 3}), want=(1,)).err,
             "its fault")
    fg.equal(apply(gateway, None, text="{", want=(1,)).out, "", "no JSON")
    os.unlink("next.json")
    fg.fieldgate("apply", "-c", gateway.conf, "next.json", want=(3,))
    fg.fieldgate("apply", "-c", gateway.conf, want=(2,))
    fg.equal(json.loads(fg.read(gateway.conf)), gateway.config, "the file")
    world.finish("new")


def test_restart():
    """Another spool is for the next start; if that fails, the one after it begins with the last
    good one again."""
    world = World()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    config = copy.deepcopy(gateway.config)
    config["spool"]["dir"] = os.path.abspath("other.spool")
    fg.check("a restart is needed" in apply(gateway, config, want=(1,)).err, "why")
    fg.equal(fg.read(gateway.conf), old, "the file")
    config["bridges"]["up"]["url"] = dead_url()
    apply(gateway, config, "--restart", "--deadline", "1s")
    fg.equal(json.loads(fg.read(gateway.conf)), config, "in place")
    world.load.stop()
    gateway.wait_drained("up")
    gateway.stop()
    gateway.start()    # watches it, gives it up, and begins anew in the same process
    fg.wait_for("the last good one", lambda: "given up" in gateway.said()
                and len(re.findall(r"\bready\b", gateway.said())) == 2)
    fg.equal(fg.read(gateway.conf), old, "the file")
    fg.equal(gateway.status()["applied"]["outcome"], "returned", "outcome")
    fg.check("up is not up" in gateway.status()["applied"]["why"], "why")
    world.load = Load(world.field)
    world.load.stop()
    ledger = gateway.wait_drained("up")
    fg.audit(world.collector.payloads(), fg.until(ledger))
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_no_gateway():
    world = World()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    sent = world.load.stop()
    gateway.wait_drained()
    gateway.stop()
    config = copy.deepcopy(gateway.config)
    config["bridges"]["up"]["password"] = {"secret": "nowhere"}
    fg.check("no gateway runs" in apply(gateway, config).err, "what it says")
    fg.equal(json.loads(fg.read(gateway.conf)), config, "in place")
    gateway.start()    # cannot, so the last good one starts
    fg.check("the last good one returns" in gateway.said(), gateway.said())
    fg.equal(fg.read(gateway.conf), old, "the file")
    # one that is torn from outside, too
    text = '{"gateway"'
    shutil.copy(gateway.conf, gateway.conf + ".last-good")
    with open(gateway.conf, "w", encoding="utf-8") as file:
        file.write(text)
    sha = subprocess.run(["sha256sum"], input=text.encode(), capture_output=True,
                         check=True).stdout.decode().split()[0]
    with open(gateway.conf + ".trial", "w", encoding="utf-8") as file:
        json.dump({"sha256": sha, "deadline_ms": 1000}, file)
    gateway.stop()
    gateway.start()
    fg.equal(fg.read(gateway.conf), old, "the file")
    # good this time
    config = copy.deepcopy(gateway.config)
    config["limits"] = {"payload": "100KiB"}
    gateway.stop()
    apply(gateway, config)
    fg.equal(beside(gateway), ["", ".last-good", ".trial"], "files")
    gateway.start()
    fg.wait_for("it to be kept", lambda: gateway.status()["applied"]["outcome"] == "done")
    fg.wait_for("the trial to end", lambda: beside(gateway) == ["", ".last-good"])
    world.load = Load(world.field)
    more = world.load.stop()
    fg.wait_for("all to be taken", lambda: gateway.ledger()["accepted"] >= sent + more)
    ledger = gateway.wait_drained()
    fg.audit(world.collector.payloads(), fg.until(ledger))
    gateway.stop()


def test_killed_gateway():
    """Between the apply and its end: each start goes on with it, the last gives it up; and the
    command that waits says so."""
    world = World()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    config = copy.deepcopy(gateway.config)
    config["bridges"]["up"]["url"] = dead_url()
    with open("next.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    command = subprocess.Popen([fg.FIELDGATE, "apply", "-c", gateway.conf, "--deadline", "20s",
                                "next.json"], stderr=subprocess.PIPE)
    for starts in range(4):
        fg.wait_for("the trial", lambda n=starts: f"starts={n}" in gateway.said())
        gateway.kill()
        gateway.start(ready=False)
    fg.wait_for("the last good one", lambda: gateway.is_ready())
    fg.check("did not stay up" in gateway.said(), gateway.said())
    err = command.communicate(timeout=fg.DEADLINE_S)[1].decode()
    fg.equal(command.returncode, 1, f"exit status; {err}")
    fg.check("did not stay up" in err, f"why: {err}")
    fg.equal(fg.read(gateway.conf), old, "the file")
    fg.equal(beside(gateway), ["", ".last-good"], "files")
    world.finish()


# -- the steps --

CALLS = "openat,write,fchmod,fsync,renameat,unlinkat,close"


# who is traced cannot look for leaks
UNLEAKED = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")


def traced(gateway, *options):
    return subprocess.run(["strace", "-f", "-qq", "-y", "-xx", "-s", "100000", "-o", "trace",
                           *options, fg.FIELDGATE, "apply", "-c", gateway.conf, "next.json"],
                          capture_output=True, check=False, timeout=fg.DEADLINE_S, env=UNLEAKED)


def old_and_new():
    gateway = fg.Gateway({"drivers": {}, "bridges": {
        "local": {"type": "file", "path": os.path.abspath("records.jsonl")}}})
    config = dict(gateway.config, limits={"payload": "100KiB"})
    with open("next.json", "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    for path in glob.glob(gateway.conf + ".*"):
        os.unlink(path)
    return gateway, fg.read(gateway.conf), fg.read("next.json")


def calls_before_reading(gateway, call):
    """How many such calls the program makes before it looks at next.json: libraries are loaded."""
    fg.equal(traced(gateway, "-e", f"trace=openat,{call}").returncode, 0, "exit status")
    name = "".join(f"\\x{ord(c):02x}" for c in "next.json")
    before = fg.read("trace").split(name)[0]
    fg.check(len(before) < len(fg.read("trace")), "it is not read")
    # the last line is the look at it
    return sum(f" {call}(" in line for line in before.splitlines()[:-1])


def test_killed_at_every_step():
    gateway, old, new = old_and_new()
    seen = set()
    for call in CALLS.split(","):
        gateway, old, new = old_and_new()
        begin = calls_before_reading(gateway, call) + 1
        for n in range(begin, begin + 60):
            gateway, old, new = old_and_new()
            done = traced(gateway, "-e", f"trace={call}", "-e",
                          f"inject={call}:signal=KILL:when={n}")
            got = fg.read(gateway.conf)
            fg.check(got in (old, new), f"killed at {call} {n}: {got}")
            seen.add(got)
            if done.returncode == 0:
                break
            if n % 5 == 0 or got == new:
                gateway.start()
                fg.equal(json.loads(fg.read(gateway.conf)), json.loads(got), "what it runs with")
                gateway.stop()
    fg.equal(len(seen), 2, "what was seen")
    apply(gateway, json.loads(old))
    fg.equal(beside(gateway), ["", ".last-good", ".trial"], "what was left behind")
    gateway.start().stop()
    fg.check_ledger(gateway.ledger())


class Disk:
    """One folder as a power cut finds it, from a trace: the content of a file is there when it was
    synced, a name when its folder was; of what was not, any part."""

    def __init__(self, files):
        self.inodes, self.synced = dict(enumerate(files.values())), {}
        self.synced = dict(self.inodes)
        self.names = dict(zip(files, self.inodes))
        self.pending, self.fds, self.states = [], {}, 0

    def do(self, operation):
        self.pending.append(operation)

    @staticmethod
    def done(names, operations):
        names = dict(names)
        for kind, *args in operations:
            if kind == "link":
                names[args[0]] = args[1]
            elif kind == "unlink":
                names.pop(args[0], None)
            elif args[0] in names:
                names[args[1]] = names.pop(args[0])
        return names

    def now(self):
        return self.done(self.names, self.pending)

    def cut(self, look):
        for bits in range(1 << len(self.pending)):
            names = self.done(self.names, [o for i, o in enumerate(self.pending) if bits >> i & 1])
            for keep in (0, 0.5, 1):
                content = {}
                for name, inode in names.items():
                    synced, all_ = self.synced.get(inode, b""), self.inodes[inode]
                    whole = synced + all_[len(synced):]
                    content[name] = whole[:len(synced) + int(keep * (len(all_) - len(synced)))]
                self.states += 1
                look(content)

    def line(self, line):
        text = re.sub(r'"((?:\\x[0-9a-f]{2})*)"',
                      lambda m: '"' + bytes.fromhex(m[1].replace("\\x", "")).decode("latin-1")
                      .replace("\n", "\x01") + '"', line)
        m = re.search(r'(\w+)\((.*)\) += (-?\d+)', text)
        if not m or int(m[3]) < 0:
            return False
        call, args, result = m[1], m[2], int(m[3])
        fd = int(re.match(r"(\d+)|AT_FDCWD", args)[1] or -100)
        quoted = re.findall(r'"([^"]*)"', args)
        if call == "openat" and "O_CREAT" in args:
            inode = len(self.inodes)
            self.inodes[inode] = b""
            self.fds[result] = inode
            self.do(("link", quoted[0], inode))
        elif call == "openat" and fd != -100 or call == "openat" and "O_DIRECTORY" in args:
            self.fds[result] = "folder" if "O_DIRECTORY" in args else self.now().get(quoted[0])
        elif call == "write" and isinstance(self.fds.get(fd), int):
            data = args.split('"', 1)[1].rsplit('"', 1)[0]
            self.inodes[self.fds[fd]] += data.replace("\x01", "\n").encode("latin-1")
        elif call == "fsync" and self.fds.get(fd) == "folder":
            self.names, self.pending = self.now(), []
        elif call == "fsync":
            self.synced[self.fds[fd]] = self.inodes[self.fds[fd]]
        elif call == "renameat":
            self.do(("rename", quoted[0], quoted[1]))
        elif call == "unlinkat":
            self.do(("unlink", quoted[0]))
        elif call == "close":
            self.fds.pop(fd, None)
        else:
            return False
        return True


def cuts(trace, files, good):
    disk, bad = Disk(files), []

    def look(content):
        if not good(content):
            bad.append(content)
    for line in trace:
        if disk.line(line):
            disk.cut(look)
    return disk.states, bad


def test_power_cut_at_every_step():
    gateway, old, new = old_and_new()
    name = os.path.basename(gateway.conf)
    files = {name: old.encode()}
    fg.equal(traced(gateway, "-e", f"trace={CALLS}").returncode, 0, "exit status")
    trace = fg.read("trace").splitlines()

    def good(content):
        """The old one; or the new, and then it is known to be on trial, with a way back."""
        if content.get(name) == old.encode():
            return True
        trial = content.get(name + ".trial", b"")
        return (content.get(name) == new.encode() and content.get(name + ".last-good") ==
                old.encode() and trial.endswith(b"}\n"))
    states, bad = cuts(trace, files, good)
    fg.equal(bad[:1], [], "states with neither")
    fg.check(states > 100, f"{states} states")
    fg.equal(json.loads(fg.read(gateway.conf)), json.loads(new), "the file")
    # it sees what it has to: without any sync but those behind what nobody needs any more
    syncs = [i for i, line in enumerate(trace) if "fsync(" in line]
    fg.equal(len(syncs), 6, "syncs")
    for i in (syncs[0], *syncs[2:5]):
        fg.check(cuts(trace[:i] + trace[i + 1:], files, good)[1], f"without sync {trace[i][:80]}")
    # the way back, by a start that cannot be made with it
    files = {name + end: fg.read(gateway.conf + end).encode() for end in ("", ".last-good")}
    text = new.replace('"limits"', '"limit"').encode()
    files[name] = text
    files[name + ".trial"] = json.dumps({"sha256": hashlib.sha256(text).hexdigest(),
                                         "deadline_ms": 1000}).encode() + b"}\n"[1:]
    for path, data in files.items():
        with open(path, "wb") as file:
            file.write(data)
    new = text.decode()
    run = subprocess.Popen(["strace", "-f", "-qq", "-y", "-xx", "-s", "100000", "-o", "back", "-e",
                            f"trace={CALLS}", fg.FIELDGATE, "run", "-c", gateway.conf],
                           stderr=subprocess.DEVNULL, env=UNLEAKED)
    fg.wait_for("the last good one", lambda: fg.read(gateway.conf) == old and
                not os.path.exists(gateway.conf + ".trial"))
    fg.wait_for("the gateway", lambda: os.path.exists(gateway.config["run"]["socket"]))
    subprocess.run(["pkill", "-TERM", "-P", str(run.pid)], check=True)
    run.wait()
    trace = fg.read("back").splitlines()
    end = next(i for i, line in enumerate(trace) if "unlinkat(" in line
               and b".trial".hex("x")[1:].replace("x", "\\x") in line)
    more, bad = cuts(trace[:end + 3], files, good)
    fg.equal(bad[:1], [], "states with neither, on the way back")
    fg.check(more > 50, f"{more} states")
    print(f"{states + more} states after a power cut, none with neither")


fg.main(globals())
