#!/usr/bin/python3
"""The process: what it gives up, what it does not leave behind, and the watchdog that its loop
feeds."""
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess

import fg

UNITS = [fg.SOURCE_DIR + f"/board/systemd/{name}.service" for name in
         ("fieldgate", "fieldgate-clock")]
EXPOSURE_MOST = 1.5
WATCHDOG_S = 2


def gateway_with(env=None, **run):
    port = fg.free_port(socket.SOCK_DGRAM)
    folder = os.getcwd()
    gateway = fg.Gateway({
        "run": dict({"socket": f"{folder}/run/control.sock"}, **run),
        "spool": {"dir": f"{folder}/spool"},
        "drivers": {"things": {"type": "coap", "listen": f"coap://127.0.0.1:{port}"}},
        "bridges": {"local": {"type": "file", "path": f"{folder}/spool/records.jsonl"}}}, env=env)
    return gateway, fg.Coap(port)


def post(device, count):
    for n in range(count):
        fg.equal(device.post("room/seq", str(n))[0], "2.04", "POST")


def complete(gateway, count):
    ledger = gateway.wait_drained("local")
    fg.equal(ledger["accepted"], count, "accepted")
    gateway.stop()
    fg.audit(fg.file_lines(gateway.spool + "/records.jsonl"), fg.until(ledger))


def field(pid, name):
    return re.search(rf"^{name}:\s*(.*)$", fg.read(f"/proc/{pid}/status"), re.M)[1].split()


def test_unit():
    if not shutil.which("systemd-analyze"):
        return "skipped: no systemd-analyze"
    said = []
    for unit in UNITS:
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", unit], text=True,
                              capture_output=True, check=False)
        level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        fg.check(level, done.stdout[-500:] + done.stderr)
        fg.check(float(level[1]) <= EXPOSURE_MOST, level[0])
        said.append(level[0])
    return ", ".join(said)


def test_user():
    """Root becomes run.user before it opens anything."""
    if os.getuid() != 0:
        return "skipped: not root"
    nobody = pwd.getpwnam("nobody")
    os.chmod("..", 0o711)
    gateway, device = gateway_with(user="nobody")
    os.chown(".", nobody.pw_uid, nobody.pw_gid)
    gateway.start()
    fg.equal(set(field(gateway.pid(), "Uid")), {str(nobody.pw_uid)}, "user")
    fg.equal(set(field(gateway.pid(), "Gid")), {str(nobody.pw_gid)}, "group")
    fg.equal(int(field(gateway.pid(), "CapPrm")[0], 16), 0, "capabilities")
    fg.check("runs as root" not in gateway.said(), gateway.said())
    for path, mode in (("spool", 0o750), ("run", 0o750), ("run/control.sock", 0o660)):
        st = os.stat(path)
        fg.equal((st.st_uid, oct(st.st_mode & 0o777)), (nobody.pw_uid, oct(mode)), path)
    for name in os.listdir("spool"):
        fg.equal(os.stat("spool/" + name).st_mode & 0o007, 0, f"{name}, for others")
    reader = ["setpriv", f"--reuid={nobody.pw_uid}", "--clear-groups", "cat",
              f"/proc/{gateway.pid()}/environ"]
    if shutil.which("setpriv"):
        done = subprocess.run(reader, capture_output=True, check=False)
        fg.check(done.returncode != 0, "the same user reads its environment")
    post(device, 3)
    gateway.reload()
    complete(gateway, 3)
    gateway.config["run"]["user"] = "no-such-user"
    gateway.write()
    said = fg.fieldgate("run", "-c", gateway.conf, want=(3,)).err
    fg.check("no-such-user" in said, said)
    return None


def abort_in(folder, start):
    """Whether a process that is aborted there leaves a file."""
    before = set(os.listdir(folder))
    pid = start()
    os.kill(pid.pid, signal.SIGABRT)
    pid.wait()
    return sorted(n for n in set(os.listdir(folder)) - before if n.startswith("core"))


def test_closed_streams():
    """Nothing of the gateway's own stands where a log line or a pack of stdout is written to, and what
    nobody has does not count as sent."""
    gateway, device = gateway_with()
    gateway.config["bridges"]["out"] = {"type": "file", "path": "-"}
    gateway.write()
    process = subprocess.Popen(["bash", "-c", f"exec {fg.FIELDGATE} run -c {gateway.conf} <&- >&- 2>&-"])
    fg.wait_for("the socket", lambda: os.path.exists("run/control.sock"))

    def answers():
        return fg.fieldgate("ledger", "-c", gateway.conf, want=None).out

    def waiting():
        ledger = json.loads(answers())
        return {n: b["waiting"] for n, b in fg.check_ledger(ledger)["bridges"].items()}
    fg.wait_for("an answer", answers)
    for fd in range(3):
        fg.equal(os.readlink(f"/proc/{process.pid}/fd/{fd}"), "/dev/null", f"descriptor {fd}")
    post(device, 3)
    fg.wait_for("all of it", lambda: waiting()["local"] == 0)
    fg.equal(waiting()["out"], 3, "what waits for stdout")
    fg.equal(gateway.status()["links"]["out"]["fault"], "cannot open: Bad file descriptor", "fault")
    process.terminate()
    fg.equal(process.wait(), 0, "its status")
    with open("out", "wb") as out:
        process = subprocess.Popen([fg.FIELDGATE, "run", "-c", gateway.conf], stdout=out)
    fg.wait_for("an answer", answers)
    fg.wait_for("what has waited", lambda: waiting()["out"] == 0)
    process.terminate()
    fg.equal(process.wait(), 0, "its status")
    ledger = fg.check_ledger(json.loads(fg.fieldgate("ledger", "--spool", gateway.spool).out))
    fg.equal(ledger["accepted"], 3, "accepted")
    fg.audit(fg.file_lines("out"), fg.until(ledger))


def test_no_core():
    pattern = fg.read("/proc/sys/kernel/core_pattern").strip()
    if pattern.startswith("|") or "/" in pattern or not pattern.startswith("core"):
        return f"skipped: core files go to {pattern}"
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if not abort_in(".", lambda: subprocess.Popen(["sleep", "60"])):    # pylint: disable=R1732
        return "skipped: no core file of another program either"
    for core in [n for n in os.listdir(".") if n.startswith("core")]:
        os.unlink(core)
    gateway, _ = gateway_with()
    gateway.start()
    fg.equal(field(gateway.pid(), "NoNewPrivs"), ["1"], "no new privileges")
    fg.equal(abort_in(".", lambda: gateway.process), [], "core files")
    fg.Gateway.running.remove(gateway)
    return None


def test_secrets_stay():
    """What is secret is in no log, answer or file of the gateway's; nor is what somebody wrote in
    clear where a secret's name belongs."""
    fg.need("mosquitto", "openssl")
    names = ("field", "cloud", "psk")
    secrets = {name: f"canary-{name}-{os.urandom(6).hex()}" for name in names}
    os.mkdir("credentials", 0o700)
    for name, text in secrets.items():
        with open("credentials/" + name, "w", encoding="utf-8") as file:
            file.write(text)
    fg.certificates()
    canaries = list(secrets.values()) + fg.read("client.key").splitlines()[1:-1]
    field, cloud, port = fg.Broker("field"), fg.Broker("cloud"), fg.free_port(socket.SOCK_DGRAM)
    dead, folder = fg.free_port(), os.getcwd()
    os.environ["CREDENTIALS_DIRECTORY"] = folder + "/credentials"
    gateway = fg.Gateway({
        "run": {"socket": folder + "/control.sock", "log": "debug"},
        "drivers": {
            "field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"], "username": "u",
                      "password": {"secret": "field"}},
            "things": {"type": "coap", "listen": f"coaps://127.0.0.1:{port}",
                       "psk": {"one": {"secret": "psk"}}}},
        "bridges": {
            "up": {"type": "mqtt", "url": cloud.url, "username": "u",
                   "password": {"secret": "cloud"}},
            "tls": {"type": "mqtt", "url": f"mqtts://127.0.0.1:{dead}", "required": False,
                    "tls": {"ca": folder + "/ca.crt", "cert": folder + "/client.crt",
                            "key": folder + "/client.key"},
                    "password": {"secret": "cloud"}, "username": "u"}}})
    del os.environ["CREDENTIALS_DIRECTORY"]
    gateway.start()
    field.wait_subscribed("gw-field")
    fg.Mqtt(field.port, "device").publish("d/a", [b'{"seq":1}'])
    fg.wait_for("the record", lambda: gateway.ledger()["accepted"] == 1)
    gateway.wait_drained("up")
    gateway.config["drivers"]["field"]["keepalive"] = "30s"
    gateway.reload()
    told = [fg.fieldgate(*call, "-c", gateway.conf, want=None)
            for call in (("status",), ("status", "--json"), ("status", "--devices"), ("ledger",),
                         ("check",), ("dead",))]
    gateway.stop()
    said = gateway_text(told) + fg.read(gateway.log_path)
    for path, _, files in os.walk(gateway.spool):
        for name in files:
            with open(path + "/" + name, "rb") as file:
                said += file.read().decode("latin-1")
    fg.equal([c for c in canaries if c in said], [], "secrets that were told")
    return f"{len(canaries)} canaries, {clear_is_not_shown()} in clear"


def gateway_text(answers):
    return "".join(answer.out + answer.err for answer in answers)


def clear_is_not_shown():
    canary, up = "canary-in-clear-7316", {"type": "mqtt", "url": "mqtt://127.0.0.1:1"}
    wrong = ({"bridges": {"up": dict(up, password=canary)}},
             {"bridges": {"up": dict(up, password={"secret": "x", "value": canary})}},
             {"bridges": {"up": dict(up, password={"value": canary})}},
             {"bridges": {"up": dict(up, url=f"mqtt://user:{canary}@127.0.0.1:1")}},
             {"drivers": {"t": {"type": "coap", "listen": "coaps://127.0.0.1:1",
                                "psk": {"one": canary}}}})
    for config in wrong:
        with open("wrong.json", "w", encoding="utf-8") as file:
            json.dump(dict(config, gateway={"id": "gw"}), file)
        told = [fg.fieldgate(call, "-c", "wrong.json", want=None) for call in ("check", "run")]
        fg.equal([answer.returncode for answer in told], [1, 1], f"status of {config}")
        fg.check(canary not in gateway_text(told), f"{config}: {gateway_text(told)}")
    return len(wrong)


class Manager:
    """What systemd is to a service."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("notify")
        self.env = {"NOTIFY_SOCKET": os.path.abspath("notify"),
                    "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}

    def hears(self, text, seconds):
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(4096) != text:
                pass
            return True
        except TimeoutError:
            return False


def test_watchdog():
    """A loop that stands still is noticed and killed; nothing is lost."""
    manager = Manager()
    gateway, device = gateway_with(env=manager.env)
    gateway.start()
    fg.check(manager.hears(b"READY=1", fg.DEADLINE_S), "READY=1")
    post(device, 20)
    fg.check(manager.hears(b"WATCHDOG=1", fg.DEADLINE_S), "it is fed")
    os.kill(gateway.pid(), signal.SIGSTOP)
    while manager.hears(b"WATCHDOG=1", WATCHDOG_S):
        pass    # what was said before
    os.kill(gateway.pid(), signal.SIGABRT)
    gateway.kill()
    gateway.start()
    fg.check(manager.hears(b"READY=1", fg.DEADLINE_S), "READY=1 again")
    post(device, 5)
    complete(gateway, 25)


def test_watchdog_of_another():
    manager = Manager()
    gateway, _ = gateway_with(env=dict(manager.env, WATCHDOG_PID="1"))
    gateway.start()
    fg.check(manager.hears(b"READY=1", fg.DEADLINE_S), "READY=1")
    fg.check(not manager.hears(b"WATCHDOG=1", WATCHDOG_S), "fed, though it is not asked")
    gateway.stop()


if __name__ == "__main__":
    fg.main(globals())
