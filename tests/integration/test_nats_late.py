#!/usr/bin/python3
"""Packs that the NATS bridge sends again while the connection takes nothing, and answers to their first
sending that come right then: what still goes out has the bytes that its id names."""
import json
import socket
import threading

import fg

INFO = (b'INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"jetstream":true,'
        b'"max_payload":8388608}\r\n')
STREAM = {"config": {"subjects": ["fieldgate.*.records"], "duplicate_window": 120 * 10**9},
          "state": {"first_seq": 1, "last_seq": 1}}
NONE = {"error": {"code": 404, "err_code": 10037, "description": "no message found"}}
TOO_LARGE = {"error": {"code": 400, "err_code": 10054,
                       "description": "message size exceeds maximum allowed"}}
FULL = {"error": {"code": 400, "err_code": 10077, "description": "maximum messages exceeded"}}
WINDOW = 16


class Late:
    """A stream that keeps what it is told to keep, and once is late: the answers to a whole window
    leave when the first of these packs comes again, and from there on nothing is read until `go`.
    `refused` are answers other than an acknowledgement, by the place in that window."""

    def __init__(self, refused):
        self.refused, self.late, self.stopped, self.go = refused, [], False, threading.Event()
        self.stored, self.wrong = {}, []
        self.server = socket.socket()
        # more than fits between the two has to wait in the gateway
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.server.bind(("127.0.0.1", 0))
        self.url = "nats://127.0.0.1:%d" % self.server.getsockname()[1]

    def listen(self):
        self.server.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        file = sock.makefile("rb")
        sid = b"1"

        def say(*answers):
            data = b""
            for to, what in answers:
                body = json.dumps(what).encode()
                data += b"MSG %s %s %d\r\n%s\r\n" % (to, sid, len(body), body)
            sock.sendall(data)

        try:
            sock.sendall(INFO)
            for line in file:
                words = line.split()
                if words[0] == b"PING":
                    sock.sendall(b"PONG\r\n")
                elif words[0] == b"SUB" and words[1].startswith(b"_INBOX"):
                    sid = words[2]
                elif words[0] == b"PUB":
                    file.read(int(words[-1]) + 2)
                    say((words[2], STREAM if b".INFO." in words[1] else NONE))
                elif words[0] == b"HPUB":
                    data = file.read(int(words[-1]) + 2)[:-2]
                    head, pack = data[:int(words[-2])].decode(), data[int(words[-2]):]
                    self.came(head.split("Nats-Msg-Id: ")[1].split("\r\n")[0], pack, words[2], say)
        except (OSError, ValueError):
            pass    # the gateway has gone, or killed

    def came(self, name, pack, reply, say):
        """The very first pack is acknowledged at once, so that more than one is sent."""
        again = name in [n for n, *_ in self.late]
        if not self.stopped and again:
            self.stopped = True
            # at once: who reads them for the library waits behind who writes, before the next
            say(*[(to, self.refused.get(at) or self.keep(first, body))
                  for at, (first, body, to) in enumerate(self.late)])
            fg.check(self.go.wait(fg.DEADLINE_S), "nobody says go")
        if self.stopped or not self.stored:
            say((reply, self.keep(name, pack)))
        else:
            self.late.append((name, pack, reply))

    def keep(self, name, pack):
        try:
            first = json.loads(pack)[0]
            if not name.endswith(f"/{first['epoch']}:{first['first']}-{first['last']}"):
                self.wrong.append((name, first))
        except ValueError as error:
            self.wrong.append((name, str(error)))
        known = name in self.stored
        self.stored.setdefault(name, pack.decode(errors="replace"))
        answer = {"stream": "FIELDGATE", "seq": list(self.stored).index(name) + 2}
        return dict(answer, duplicate=True) if known else answer


def late_answers(refused):
    server, field = Late(refused), fg.Script()
    gateway = fg.Gateway({
        "limits": {"payload": "1MiB"},
        "drivers": {"field": {"type": "mqtt", "url": field.url, "subscribe": ["d/+"]}},
        "bridges": {"up": {"type": "nats", "url": server.url, "timeout": "3s", "window": WINDOW,
                           "batch": {"records": 2, "bytes": "1MiB", "linger": "5ms"}}}}).start()
    count = 1 + 2 * WINDOW
    for n in range(count):
        # each a pack of its own, none as long as another
        field.give("d/a", json.dumps({"seq": n, "text": f"{n:03}" * (170000 - 1000 * n)}))
    fg.wait_for("all to be kept", lambda: len(field.kept) == count)
    # from here on a window is sent in one turn, and so is what of it is sent again
    server.listen()
    fg.wait_for("a pack to come again", lambda: server.stopped)
    fg.wait_for("what stood in the window to have left it", lambda: (
        gateway.account("up")["acknowledged"] >= 2 + 2 * (min(refused) if refused else WINDOW)))
    server.go.set()
    ledger = gateway.wait_drained("up")
    account = ledger["bridges"]["up"]
    fg.equal((account["acknowledged"], account["dead"], account["dropped"]), (2 * count, 0, {}),
             "the account")
    fg.equal(server.wrong, [], "packs under an id that is not theirs")
    answer = fg.audit(server.stored.values(), fg.until(ledger))
    fg.equal((fg.total(answer), fg.total(answer, "duplicates")), (2 * count, 0), "records")
    fg.equal(sorted(fg.series(server.stored.values())["d/a"]), list(range(count)), "readings")
    gateway.stop()


def test_acknowledged():
    """The places of the window have other packs by then."""
    late_answers({})


def test_refused():
    """Too large: it is cut in halves where it stood. Or full: it goes a third time."""
    late_answers({9: TOO_LARGE, 11: FULL, 14: TOO_LARGE})


if __name__ == "__main__":
    fg.main(globals())
