#!/usr/bin/python3
# run-first
"""Configurations that come by the retained topic: who signed them, which version they are, and
that one which cuts off the way it came by goes back and says so."""
import base64
import copy
import json
import os
import re
import subprocess

import fg
from apply_world import World, dead_url

fg.need("mosquitto")

TOPIC = "fieldgate/gw/config"


def key_pair(name):
    """Paths of a private and a public key."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", name + ".key"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", name + ".key", "-pubout", "-out", name + ".pub"],
                   check=True, capture_output=True)
    return os.path.abspath(name + ".key"), os.path.abspath(name + ".pub")


class Remote(World):
    def __init__(self):
        (self.key, public), (self.next_key, next_public) = key_pair("a"), key_pair("b")
        super().__init__(fleet={"remote": True, "keys": [public, next_public],
                                "deadline": "2s"})
        self.publisher = fg.Mqtt(self.up.port, "publisher")

    def up_is_up(self):
        fg.wait_for("the bridge to be up",
                    lambda: self.gateway.status()["links"]["up"]["state"] == "up")

    def sign(self, config, version, gateway="gw", key=None):
        with open("sign.json", "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else json.dumps(config))
        return fg.fieldgate("fleet", "sign", "-k", key or self.key, "-g", gateway, "-n", version,
                            "sign.json").out

    def publish(self, envelope):
        self.publisher.wait_acked(self.publisher.send(TOPIC, envelope, retain=True))

    def wait_told(self, outcome, version, why=""):
        def told():
            got = self.told()
            return got and (got["outcome"], got["version"]) == (outcome, version) and \
                re.search(why, got["why"]) and got
        try:
            return fg.wait_for(f"{outcome} {version} {why}", told)
        except fg.Failed as error:
            raise fg.Failed(f"{error}; told {self.told()}") from error


def sealed(config, version, key, gateway="gw"):
    """As openssl does it."""
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    with open("signed", "wb") as file:
        file.write(f"fieldgate config 1\n{gateway}\n{version}\n".encode() + text)
    subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", "signed",
                    "-out", "signature"], check=True, capture_output=True)
    with open("signature", "rb") as file:
        signature = file.read()
    return json.dumps({"version": version, "gateway": gateway,
                       "config": base64.b64encode(text).decode(),
                       "signature": base64.b64encode(signature).decode()})


def test_good_live():
    world = Remote()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    config = copy.deepcopy(gateway.config)
    config["bridges"]["local"] = {"type": "file", "path": os.path.abspath("records.jsonl")}
    world.publish(world.sign(config, 5))
    told = world.wait_told("done", 5)
    fg.equal(json.loads(fg.read(gateway.conf)), config, "the file")
    fg.equal(fg.read(gateway.conf + ".last-good"), old, "the last good one")
    fg.equal(gateway.status()["config"], told["sha256"], "the hash")
    # any gateway's, by the other key, as openssl writes it; only the version is new
    world.publish(sealed(fg.read("sign.json").encode(), 6, world.next_key, "*"))
    world.wait_told("done", 6)
    fg.equal(gateway.status()["generation"], 2, "generation")
    # it comes again with each connection, and with each start
    world.load.stop()
    world.drained()
    gateway.stop()
    gateway.start()
    fg.equal(gateway.status()["applied"]["version"], 6, "version after a start")
    # a rotation: the new key has to sign for what knows only the new key
    config["fleet"]["keys"] = config["fleet"]["keys"][1:]
    world.publish(world.sign(config, 7))
    world.wait_told("refused", 7, "by the keys that it names")
    world.publish(world.sign(config, 7, key=world.next_key))
    world.wait_told("done", 7)
    world.publish(world.sign(dict(config, limits={"payload": "100KiB"}), 8))
    world.wait_told("refused", None, "signed by none of the keys")
    fg.equal(json.loads(fg.read(gateway.conf)), config, "the file")
    world.finish("local")


def test_bad_returns():
    """It cuts the very bridge it came by; which hears it again when it is back, and leaves it."""
    world = Remote()
    gateway = world.gateway
    gateway.config["fleet"]["bridge"] = "up"
    gateway.config["bridges"]["spare"] = {"type": "mqtt", "url": dead_url(), "required": False}
    gateway.reload()
    old = fg.read(gateway.conf)
    config = copy.deepcopy(gateway.config)
    config["bridges"]["up"]["url"] = dead_url()
    envelope = world.sign(config, 3)
    world.publish(envelope)
    world.wait_told("returned", 3, "up is not up")
    fg.equal(fg.read(gateway.conf), old, "the file")
    world.up_is_up()
    generation = gateway.status()["generation"]
    world.publish(envelope)
    # the next one says that this one has been looked at
    config["bridges"]["up"]["url"] = gateway.config["bridges"]["up"]["url"]
    config["bridges"]["other"] = dict(config["bridges"]["up"], url=dead_url())
    del config["bridges"]["up"]
    config["fleet"]["bridge"] = "other"
    world.publish(world.sign(config, 4))
    world.wait_told("returned", 4, "other is not up")
    fg.equal(gateway.status()["generation"], generation + 2, "generation")
    fg.equal(fg.read(gateway.conf), old, "the file")
    world.up_is_up()
    # what was down may stay down, but is no way for the next one to come
    config = copy.deepcopy(gateway.config)
    config["fleet"]["bridge"] = "spare"
    world.publish(world.sign(config, 5))
    world.wait_told("returned", 5, "spare is not up")
    config = copy.deepcopy(gateway.config)
    config["limits"] = {"payload": "100KiB"}
    world.publish(world.sign(config, 6))
    world.wait_told("done", 6)
    world.finish("other", "spare")


def test_refused():
    world = Remote()
    gateway, old = world.gateway, fg.read(world.gateway.conf)
    config = copy.deepcopy(gateway.config)
    config["limits"] = {"payload": "100KiB"}
    good = world.sign(config, 10)
    key_pair("foreign")
    parts = json.loads(good)

    def refused(envelope, why, version=None):
        world.publish(envelope if isinstance(envelope, (str, bytes)) else json.dumps(envelope))
        world.wait_told("refused", version, why)
        fg.equal(fg.read(gateway.conf), old, f"the file, after: {why}")
    refused({k: v for k, v in parts.items() if k != "signature"}, "not signed")
    refused(world.sign(config, 10, key=os.path.abspath("foreign.key")), "none of the keys")
    refused(good[:len(good) // 2], "not JSON")
    refused(dict(parts, signature=parts["signature"][:40]), "64 bytes")
    refused(dict(parts, version=11), "none of the keys")
    refused(dict(parts, gateway="*"), "none of the keys")
    refused(dict(parts, version=-1), "whole number")
    refused(dict(parts, config=parts["config"][:-8]), "none of the keys")
    refused(world.sign(config, 10, gateway="gw2"), "another gateway")
    refused(b"\xff\xfe" * 50, "not JSON")
    refused("x" * (7 << 20), "too long")
    refused(sealed({"limits": {"depth": "x"}}, 10, world.key), "^/limits/depth", 10)
    refused(sealed(dict(config, fleet={}), 10, world.key), "turned off", 10)
    refused(sealed(dict(config, gateway={"id": "other"}), 10, world.key), "^/gateway/id", 10)
    with open(gateway.conf, "a", encoding="utf-8") as file:
        file.write("\n")
    old += "\n"
    refused(good, "changed and not reloaded", 10)
    fg.fieldgate("reload", "-c", gateway.conf)
    world.publish(good)
    world.wait_told("done", 10)
    # a replay, and another one with the same number
    old = fg.read(gateway.conf)
    config["limits"] = {"payload": "90KiB"}
    refused(world.sign(config, 9), "older than version 10", 9)
    refused(world.sign(config, 10), "another configuration", 10)
    world.load.stop()
    world.drained()
    gateway.kill()
    gateway.start()
    fg.wait_for("it to hear of it again", lambda: gateway.status()["applied"]["outcome"] ==
                "refused")
    refused(world.sign(config, 8), "older than version 10", 8)
    # what signs does not sign what nobody takes
    with open("sign.json", "w", encoding="utf-8") as file:
        file.write('{"drivers": 3}')
    fg.fieldgate("fleet", "sign", "-k", world.key, "-g", "gw", "sign.json", want=(1,))
    fg.fieldgate("fleet", "sign", "-k", "a.pub", "-g", "gw", gateway.conf, want=(3,))
    fg.fieldgate("fleet", "sign", "-g", "gw", gateway.conf, want=(2,))
    for faulty in ({"remote": True}, {"remote": True, "keys": ["a"], "bridge": "none"}):
        with open("faulty.json", "w", encoding="utf-8") as file:
            json.dump(dict(gateway.config, fleet=faulty), file)
        fg.check("/fleet/" in fg.fieldgate("check", "-c", "faulty.json", want=(1,)).err, "fault")
    world.finish()


def test_killed_at_every_step():
    """At each exchange of a file: the old one or the new is there, and the next start ends it."""
    world = Remote()
    gateway = world.gateway
    sent = world.load.stop()
    world.drained()
    gateway.stop()
    environment = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "")
                       + ":detect_leaks=0")    # who is traced cannot look for them
    for step in range(1, 6):
        old = fg.read(gateway.conf)
        config = dict(gateway.config, limits={"payload": f"{100 + step}KiB"})
        world.publish(world.sign(config, step))
        new = fg.read("sign.json")
        if step < 5:
            killed = subprocess.run(
                ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=renameat", "-e",
                 f"inject=renameat:signal=KILL:when={step}", fg.FIELDGATE, "run", "-c",
                 gateway.conf], capture_output=True, check=False, timeout=fg.DEADLINE_S,
                env=environment)
            fg.equal(killed.returncode, -9, f"killed at {step}: {killed.stderr[-500:]}")
        else:
            gateway.start()
            for there in (True, False):
                fg.wait_for("the trial", lambda want=there:
                            os.path.exists(gateway.conf + ".trial") == want)
            gateway.kill()
        fg.check(fg.read(gateway.conf) in (old, new), f"killed at {step}: neither")
        gateway.start()
        fg.wait_for("the end of it", lambda: gateway.status().get("applied") ==
                    {"version": step, "sha256": gateway.status()["config"], "outcome": "done",
                     "why": ""})
        fg.equal(fg.read(gateway.conf), new, "the file")
        ledger = world.drained()
        fg.audit(world.collector.payloads(), fg.until(ledger))
        gateway.stop()
    fg.equal(fg.first_times(fg.series(world.collector.payloads())["d/a"]), list(range(sent)),
             "what arrived")
    fg.check_ledger(gateway.ledger())


fg.main(globals())
