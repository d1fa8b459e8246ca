"""What the tests of exchanged configurations share: a gateway between two brokers, under load."""
import json
import threading

import fg


def dead_url():
    return f"mqtt://127.0.0.1:{fg.free_port()}"


class Load(threading.Thread):
    """Publishes one device's numbers until it is stopped."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.client, self.count = fg.Mqtt(broker.port, "device"), 0
        self.end = threading.Event()
        self.start()

    def run(self):
        while not self.end.is_set():
            some = [f'{{"seq":{n}}}' for n in range(self.count, self.count + 20)]
            self.client.publish("d/a", some)
            self.count += 20
            self.end.wait(0.02)

    def stop(self):
        self.end.set()
        self.join()
        return self.count


class World:
    """A gateway between two brokers, under load."""

    def __init__(self, **more):
        self.field, self.up = fg.Broker("field"), fg.Broker("up")
        self.collector = self.up.collector()
        self.status = self.up.collector("fieldgate/gw/status", "status")
        self.gateway = fg.Gateway(dict({
            "drivers": {"field": {"type": "mqtt", "url": self.field.url, "subscribe": ["d/+"]}},
            "bridges": {"up": {"type": "mqtt", "url": self.up.url,
                               "batch": {"linger": "10ms"}}}}, **more)).start()
        self.field.wait_subscribed("gw-field")
        self.load = Load(self.field)
        self.gateway_is_up()

    def gateway_is_up(self):
        def up():
            status = self.gateway.status()
            return all(one["state"] == "up"
                       for one in (*status["drivers"].values(), *status["links"].values()))
        fg.wait_for("all to be up", up)

    def told(self):
        """What the status topic said last."""
        got = self.status.payloads()
        return json.loads(got[-1]).get("applied") if got else None

    def drained(self):
        fg.wait_for("all to be acknowledged", lambda: self.gateway.account("up")["waiting"] == 0)
        return self.gateway.ledger()

    def finish(self, *later):
        """All that was acknowledged to the device arrives, and the account adds up. `later`: bridges
        that were begun later, and are due less."""
        sent = self.load.stop()
        fg.check(sent > 0, "nothing was sent")
        fg.wait_for("all to be taken", lambda: self.gateway.ledger()["accepted"] >= sent)
        ledger = self.drained()
        fg.audit(self.collector.payloads(), fg.until(ledger))
        fg.equal(fg.first_times(fg.series(self.collector.payloads())["d/a"]), list(range(sent)),
                 "what arrived")
        self.gateway.stop()
        ledger = self.gateway.ledger()
        due = {b: sum(sum(n.values()) if isinstance(n, dict) else n
                      for key, n in ledger["bridges"][b].items() if key != "oldest_s")
               for b in later}
        fg.check_ledger(ledger, due=due)
