#!/usr/bin/python3
"""Through a real broker: nothing is lost over kill -9 and a broker that goes away, retained messages
are not input, a resumed session is not subscribed again, the status says what is so."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

FIELDGATE = os.environ["FIELDGATE"]
MOSQUITTO = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
DEADLINE_S = 30

if not MOSQUITTO or not shutil.which("mosquitto_pub"):
    print("skipped: mosquitto and its clients are not installed")
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


PORT = free_port()


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise SystemExit(f"{what}: not within {DEADLINE_S} s")


def listens():
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", PORT)) == 0


def start_broker():
    broker = subprocess.Popen([MOSQUITTO, "-v", "-c", "mosquitto.conf"],
                              stdout=open("mosquitto.log", "a"), stderr=subprocess.STDOUT)
    wait_for("broker", listens)
    return broker


def start_gateway():
    begin = os.path.getsize("gateway.log") if os.path.exists("gateway.log") else 0
    gateway = subprocess.Popen([FIELDGATE, "run", "-c", "gateway.json"],
                               stderr=open("gateway.log", "a"))

    def ready():
        if gateway.poll() is not None:
            raise SystemExit(f"the gateway ended with {gateway.returncode}")
        with open("gateway.log") as log:
            log.seek(begin)
            return "ready" in log.read()
    wait_for("ready", ready)
    return gateway


def publish(topic, lines, *more):
    subprocess.run(["mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", topic, "-l", *more],
                   input="".join(line + "\n" for line in lines), text=True, check=True)


def packs():
    with open("packs.jsonl", "rb") as file:
        text = file.read()
    return [json.loads(line) for line in text[:text.rfind(b"\n") + 1].splitlines()]


def values():
    """What arrived of point `seq`, in order, and the devices it is from."""
    found, devices = [], set()
    for pack in packs():
        base = pack[0]["bn"]
        for record in pack:
            if record.get("n") == "seq":
                found.append(record["v"])
                devices.add(base)
    return found, devices


def numbers(begin, end):
    return [json.dumps({"seq": n}) for n in range(begin, end)]


def have(end):
    return wait_for(f"records up to {end}", lambda: set(values()[0]) >= set(range(end)))


def broker_log():
    with open("mosquitto.log") as log:
        return log.read()


def status():
    out = subprocess.run(["mosquitto_sub", "-p", str(PORT), "-t", "fieldgate/gw/status", "-C", "1",
                          "-W", "5"], capture_output=True, text=True)
    return json.loads(out.stdout)["state"] if out.stdout else None


with open("mosquitto.conf", "w") as conf:
    conf.write(f"listener {PORT} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
               f"persistence true\npersistence_location {os.getcwd()}/\n")
    if os.getuid() == 0:
        conf.write("user root\n")
with open("gateway.json", "w") as conf:
    json.dump({
        "gateway": {"id": "gw"},
        "run": {"socket": os.getcwd() + "/control.sock"},
        "spool": {"dir": os.getcwd() + "/spool", "limit": "16MiB", "segment": "1MiB"},
        "drivers": {"field": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{PORT}",
                              "subscribe": ["tele/+", "fieldgate/#"]}},
        "bridges": {"up": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{PORT}", "topic": "up/{gateway}",
                           "batch": {"records": 100, "linger": "20ms"}}},
    }, conf)

broker = start_broker()
publish("tele/old", ['{"seq": -1}'], "-r")
upstream = subprocess.Popen(["mosquitto_sub", "-p", str(PORT), "-q", "1", "-i", "upstream", "-c",
                             "-t", "up/gw"], stdout=open("packs.jsonl", "wb"))
wait_for("the upstream's subscription", lambda: "upstream 1 up/gw" in broker_log())

gateway = start_gateway()
wait_for("the driver's subscription", lambda: "gw-field 1 tele/+" in broker_log())
wait_for("online", lambda: status() == "online")
publish("tele/a", numbers(0, 2000))
have(2000)

# killed in the middle; the session keeps what comes meanwhile
sender = subprocess.Popen(["mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", "tele/a", "-l"],
                          stdin=subprocess.PIPE, text=True)
sender.stdin.write("".join(n + "\n" for n in numbers(2000, 6000)))
sender.stdin.flush()
wait_for("some of them", lambda: len(values()[0]) > 2500)
gateway.kill()
gateway.wait()
sender.stdin.close()
assert sender.wait() == 0
wait_for("the will", lambda: status() == "offline")
gateway = start_gateway()
have(6000)

# a broker that goes away
broker.send_signal(signal.SIGTERM)
broker.wait()
broker = start_broker()
subscribed = broker_log().count("gw-field 1 tele/+")
wait_for("the driver is back", lambda: broker_log().count("as gw-field") >= 3)
publish("tele/a", numbers(6000, 6500))
have(6500)
assert broker_log().count("gw-field 1 tele/+") == subscribed, "a resumed session was subscribed again"

found, devices = values()
assert -1 not in found, "a retained message was taken"
assert devices == {"gw/tele/a/"}, devices
gateway.send_signal(signal.SIGTERM)
assert gateway.wait(timeout=DEADLINE_S) == 0
assert status() == "offline"
audit = subprocess.run([FIELDGATE, "audit"], stdin=open("packs.jsonl"), capture_output=True, text=True)
if "not in this build" not in audit.stderr:
    assert audit.returncode == 0, audit.stdout + audit.stderr
print(f"{len(found)} values, {len(found) - 6500} of them twice")
upstream.terminate()
broker.terminate()
