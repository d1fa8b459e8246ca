#!/usr/bin/python3
# run-first
"""Three nats-servers on loopback as one cluster, gateways under load: the stream's leader is killed, a
node is cut off, all three are killed, the gateway is. The stream holds each record once.

FG_ROUNDS: how often all of it; without it once, and less (tests/proof/run cluster)."""
import os
import queue
import signal
import threading
import time

import fg
import nats_world as nats

RATE = 200    # readings a second
SILENCE_S = 10    # of a stream that is read: far longer than it takes to hand out all of it
ROUNDS = int(os.environ.get("FG_ROUNDS", "0"))


class Load:
    """Readings into the field broker, evenly, until it is told to stop."""

    def __init__(self, field):
        self.field, self.count, self.going = field, 0, True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        begin = time.monotonic()
        while self.going:
            due = int((time.monotonic() - begin) * RATE)
            while self.count < due:
                self.field.give("d/a", f'{{"seq":{self.count}}}')
                self.count += 1
            time.sleep(0.02)

    def stop(self):
        self.going = False
        self.thread.join()


def anyone(nodes):
    """A client of a node that answers."""
    def first():
        for node in nodes:
            try:
                return node.client()
            except (OSError, ValueError, IndexError, fg.Failed):
                pass
        return None
    return fg.wait_for("a node that answers", first)


def leader(nodes):
    """The node that leads the stream, as soon as one does."""
    client = anyone(nodes)
    try:
        name = fg.wait_for("a leader", client.leader)
    finally:
        client.close()
    return next(n for n in nodes if n.name == name)


def whole(nodes):
    """All of them have the whole stream. One that has just come back makes no majority yet: to lose
    another then would be to lose two."""
    client = anyone(nodes)

    def current():
        replicas = client.stream().get("cluster", {}).get("replicas", [])
        return len(replicas) == len(nodes) - 1 and all(r.get("current") for r in replicas)
    try:
        fg.wait_for("all replicas", current, 120)
    finally:
        client.close()


def connected(nodes):
    """The node that the gateway is connected to, by the ports of its process."""
    pid = fg.Gateway.running[0].pid()
    ports = {n.port: n for n in nodes}
    own = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            own.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    for line in fg.read("/proc/net/tcp").splitlines()[1:]:
        words = line.split()
        port = int(words[2].split(":")[1], 16)
        if f"socket:[{words[9]}]" in own and port in ports and words[3] == "01":
            return ports[port]
    return None


def step_down(nodes):
    client = anyone(nodes)
    try:
        client.api("STREAM.LEADER.STEPDOWN.FIELDGATE")
    finally:
        client.close()


def growing(gateway):
    """It gets acknowledgements again."""
    before = gateway.account("up")["acknowledged"]
    fg.wait_for("acknowledgements", lambda: gateway.account("up")["acknowledged"] > before + RATE)


def disturb_connection(nodes, gateway):
    """The same with the node that the gateway is connected to, leader or not."""
    print("  the node that the gateway is connected to is killed", flush=True)
    whole(nodes)
    node = fg.wait_for("a connection", lambda: connected(nodes))
    node.kill()
    growing(gateway)
    node.start()
    whole(nodes)
    print("  the node that the gateway is connected to is cut off", flush=True)
    node = fg.wait_for("a connection", lambda: connected(nodes))
    node.signal(signal.SIGSTOP)
    growing(gateway)
    node.signal(signal.SIGCONT)
    growing(gateway)


def disturb(nodes, gateway):
    """One round. Each fault ends when the gateway has made its way round it, or, where nothing can,
    when it has seen it."""
    print("  the leader is killed", flush=True)
    whole(nodes)
    node = leader(nodes)
    node.kill()
    growing(gateway)
    node.start()
    whole(nodes)
    print("  the leader is cut off: it stands still", flush=True)
    node = leader(nodes)
    node.signal(signal.SIGSTOP)
    growing(gateway)
    node.signal(signal.SIGCONT)
    growing(gateway)
    whole(nodes)
    print("  the gateway is killed, and cuts other packs then", flush=True)
    gateway.kill()
    batch = gateway.config["bridges"]["up"]["batch"]
    batch["records"] = {10: 37, 37: 10}[batch["records"]]
    gateway.write()
    gateway.start()
    growing(gateway)
    print("  all three are killed, the gateway too", flush=True)
    for node in nodes:
        node.kill()
    waiting = gateway.account("up")["waiting"]
    fg.wait_for("a backlog", lambda: gateway.account("up")["waiting"] > waiting + 2 * RATE)
    gateway.kill()
    gateway.start()
    for node in nodes:
        node.start(wait=False)
    for node in nodes:
        node.wait()
    growing(gateway)


def read_back(nodes, ledger):
    """A server that has led the stream a moment ago may not know the last of it yet. And after all
    three were killed the replica of one may lack for good what two have, and be the one that leads,
    or count what it does not hand out (nats-server 2.9.10): then another one has to."""
    def complete():
        client = anyone(nodes)
        try:
            stored = client.stored(seconds=SILENCE_S)
        except queue.Empty:
            stored = []
        finally:
            client.close()
        packs = [data for _, _, data in stored]
        if fg.audit(packs, fg.until(ledger), want=(0, 1))["complete"]:
            return stored, packs
        print(f"  {leader(nodes).name} lacks something: another one has to lead", flush=True)
        step_down(nodes)
        return None
    # once round all of them, at least
    return fg.wait_for("the stream to be complete", complete, 4 * SILENCE_S + fg.DEADLINE_S)


def test_cluster():
    nodes, field = nats.cluster(), fg.Script()
    client = anyone(nodes)
    gateway = fg.Gateway({
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"up": {"type": "nats", "url": [n.url for n in nodes], "create": True,
                           "replicas": 3, "batch": {"records": 10, "linger": "20ms"},
                           "timeout": "2s"}}}).start()
    fg.wait_for("the stream", lambda: "error" not in client.stream())
    client.close()
    load = Load(field)
    growing(gateway)
    for _ in range(max(ROUNDS, 1)):
        disturb(nodes, gateway)
        if ROUNDS:
            disturb_connection(nodes, gateway)
    load.stop()
    fg.wait_for("all to be kept", lambda: len(field.kept) == len(field.given))
    ledger = gateway.wait_drained("up")
    stored, packs = read_back(nodes, ledger)
    names = nats.ids(stored)
    answer = fg.audit(packs, fg.until(ledger))
    values = fg.series(packs)["d/a"]
    faults = gateway.status()["links"]["up"]["faults"]
    print(f"  {load.count} readings, {len(packs)} packs, {fg.total(answer)} records, "
          f"{fg.total(answer, 'duplicates')} twice, {faults} faults", flush=True)
    fg.equal(fg.total(answer, "duplicates"), 0, "records that came twice")
    fg.equal(len(set(names)), len(names), "ids")
    fg.equal((fg.total(answer), fg.lost(answer)), (ledger["accepted"], {}), "records")
    fg.equal(ledger["bridges"]["up"]["acknowledged"], ledger["accepted"], "acknowledged")
    fg.equal(sorted(set(values)), list(range(load.count)), "readings")
    gateway.stop()


if __name__ == "__main__":
    fg.need("nats-server")
    fg.main(globals())
