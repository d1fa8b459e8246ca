#!/usr/bin/python3
"""fieldgate check: where faults go, what they say, and what the exit status is."""
import json
import os
import subprocess
import unittest

FIELDGATE = os.environ["FIELDGATE"]


def check(config, *options):
    text = config if isinstance(config, str) else json.dumps(config)
    with open("gateway.json", "w", encoding="utf-8") as file:
        file.write(text)
    return subprocess.run([FIELDGATE, "check", "-c", "gateway.json", *options],
                          capture_output=True, text=True, check=False)


class Check(unittest.TestCase):
    def test_valid(self):
        done = check({})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn("valid", done.stderr)

    def test_warnings_keep_the_exit_status(self):
        done = check({"spool": {"limit": "1MiB"}})
        self.assertEqual(done.returncode, 0)
        self.assertIn("warning: /bridges: no bridge", done.stderr)

    def test_one_broker_for_both(self):
        for field, up, one in (("mqtt://127.0.0.1", "mqtt://127.0.0.1:1883", True),
                               ("mqtt://localhost:1883", "mqtt://127.0.0.1", True),
                               ("mqtt://127.0.0.1", "mqtt://127.0.0.1:1884", False)):
            done = check({"drivers": {"field": {"type": "mqtt", "url": field, "subscribe": ["a"]}},
                          "bridges": {"cloud": {"type": "mqtt", "url": up}}})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("the same broker as /drivers/field" in done.stderr, one, (field, up))

    def test_every_fault_is_a_line(self):
        done = check({"gatway": {}, "spool": {"limit": 5, "comit": "1s"}, "run": {"log": "loud"}})
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(sorted(line for line in done.stderr.splitlines()
                                if not line.startswith("warning: ")), [
            '/gatway: unknown key, did you mean "gateway"?',
            '/run/log: expected error, warn, info, debug, or an object of component: level, '
            'got "loud"',
            '/spool/comit: unknown key, did you mean "commit"?',
            '/spool/limit: expected a size in KiB, MiB or GiB such as "64KiB", got 5 (a bare number has no unit)',
        ])

    def test_where_a_command_goes(self):
        for to, good in (("y/{device}/{point}/set/{value}", True), ("y/{dev}/set", False),
                         ("y/{", False), ("y/{device", False)):
            done = check({"profiles": {"p": {"format": "json", "match": "x/{device}",
                                             "points": {"*": {}},
                                             "write": {"q": {"to": to, "payload": "{val}"}}}},
                          "drivers": {}, "bridges": {}})
            self.assertEqual(done.returncode, 0 if good else 1, (to, done.stderr))
            self.assertEqual("/profiles/p/write/q/to: expected {device}, {point}" in done.stderr,
                             not good, done.stderr)

    def test_json(self):
        done = check({"spool": {"limit": 5}}, "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "")
        faults = json.loads(done.stdout)
        self.assertEqual([(f["severity"], f["pointer"]) for f in faults],
                         [("fault", "/spool/limit")])
        self.assertEqual([f["severity"] for f in json.loads(check({}, "--json").stdout)],
                         ["warning", "warning"])

    def test_not_json(self):
        for text, place in (("{", "line 1, column 2"), ('{"a":\n 01}', "line 2, column"),
                            ("", "line 1, column 1"), ('{} {}', "line 1, column 4")):
            done = check(text)
            self.assertEqual(done.returncode, 1, text)
            self.assertIn(place, done.stderr)

    def test_habits(self):
        for text, hint in (('{"run":{},}', "the comma before it is one too many"),
                           ('{"bridges":{"a":[1, ]}}', "the comma before it is one too many"),
                           ("{ // what\n}", "there are no comments"), ("# x\n{}", "there are no comments"),
                           ("{'run':{}}", "double quotes"), ("\ufeff{}", "byte order mark")):
            done = check(text)
            self.assertEqual(done.returncode, 1, text)
            self.assertIn(hint, done.stderr)
        self.assertNotIn("comma before", check('{"run":{}]').stderr)

    def test_secret_in_the_configuration_is_not_repeated(self):
        driver = {"type": "mqtt", "url": "mqtt://127.0.0.1", "subscribe": ["a"],
                  "password": "hunter2"}
        done = check({"drivers": {"field": driver}})
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("hunter2", done.stderr)
        if "not in this build" not in done.stderr:
            self.assertIn('/drivers/field/password: expected {"secret": "NAME"}', done.stderr)

    def test_filters_that_overlap(self):
        for filters, twice in (
                (["a/#", "a"], True), (["a/+", "a/b"], True), (["#", "x/+/y"], True),
                (["a/b", "+/b"], True), (["a", "a"], True), (["+/+/#", "a/b/c"], True),
                (["a/+", "a/b/c"], False), (["a/+", "+/b"], False), (["a", "b"], False),
                (["#", "$SYS/x"], False), (["+/b", "$SYS/b"], False), (["a/+", "a/#"], True),
                (["a/b", "a/bc"], False), (["a/b/#", "a"], False), (["+", "/a"], False)):
            done = check({"drivers": {"field": {"type": "mqtt", "url": "mqtt://127.0.0.1",
                                                "subscribe": filters}}, "bridges": {}})
            if "not in this build" in done.stderr:
                return
            self.assertEqual(done.returncode, 0, filters)
            self.assertEqual("/drivers/field/subscribe: " in done.stderr
                             and "it comes twice" in done.stderr, twice, (filters, done.stderr))

    def test_no_session_to_refuse_by(self):
        for full, expiry, said in (("refuse", "0s", True), ("refuse", "1999ms", True),
                                   ("refuse", "2s", False), ("drop-oldest", "0s", False)):
            done = check({"spool": {"when_full": full}, "bridges": {}, "drivers": {
                "field": {"type": "mqtt", "url": "mqtt://127.0.0.1", "subscribe": ["a"],
                          "session_expiry": expiry}}})
            if "not in this build" in done.stderr:
                return
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("warning: /drivers/field/session_expiry: a full spool means leaving"
                             in done.stderr, said, (full, expiry, done.stderr))

    def bridges(self, conf, **instances):
        """What check says of bridges, the status first; None: that bridge is not in this build."""
        done = check({"bridges": {name: {**conf, **more} for name, more in instances.items()}})
        if "not in this build" in done.stderr:
            return None, ""
        return done.returncode, done.stderr

    def test_bridges_that_meet(self):
        """Two that write to one place upstream: both are named."""
        nats = {"type": "nats", "url": "nats://127.0.0.1:4222"}
        status, said = self.bridges(nats, a={}, b={})
        if status is not None:
            self.assertEqual(status, 1)
            self.assertIn("\n/bridges/b/subject: /bridges/a already has this place", "\n" + said)
            status, said = self.bridges(nats, a={"url": ["nats://x:1", "nats://y:1"]},
                                        b={"url": ["nats://z:1", "nats://x:1"], "stream": "OTHER"})
            self.assertEqual(status, 1, said)
            for one, other in (({"subject": "a.{name}"}, {"subject": "a.{name}"}),
                               ({"subject": "a.b"}, {"subject": "a.c"})):
                status, said = self.bridges(nats, a=one, b=other)
                self.assertEqual(status, 0)
                self.assertNotIn("/bridges/b", said)
            self.assertEqual(self.bridges(nats, a={"subject": "a.b"}, b={"subject": "a.{name}"})[0], 1)
            status, said = self.bridges(nats, a={"username": "x"}, b={"username": "y"})
            self.assertEqual(status, 0, said)   # it may be in another account
            status, said = self.bridges(nats, a={}, b={"url": "nats://other:4222"})
            self.assertEqual(status, 0)
            self.assertIn("warning: /bridges/b/subject: the same as that of /bridges/a", said)
        mqtt = {"type": "mqtt", "url": "mqtt://127.0.0.1:1883"}
        status, said = self.bridges(mqtt, a={}, b={})
        if status is not None:
            self.assertEqual(status, 0)
            self.assertIn("warning: /bridges/b/topic: the same topic at the same broker as /bridges/a", said)
            for one, other in (({"topic": "a/{name}"}, {"topic": "a/{name}"}), ({}, {"topic": "x"}),
                               ({}, {"url": "mqtt://127.0.0.1:1884"})):
                self.assertNotIn("/bridges/b", self.bridges(mqtt, a=one, b=other)[1])
            status, said = self.bridges(mqtt, a={"client_id": "x"}, b={"client_id": "x", "topic": "x"})
            self.assertEqual(status, 1)
            self.assertIn("/bridges/b/client_id: /bridges/a already has this client_id", said)
        spark = {"type": "mqtt", "url": "mqtt://127.0.0.1:1883", "format": "sparkplug-b", "group": "g"}
        status, said = self.bridges(spark, a={}, b={})
        if status is not None:
            self.assertEqual(status, 1)
            self.assertIn("/bridges/b/node: /bridges/a already has this edge node", said)
            self.assertEqual(self.bridges(spark, a={}, b={"group": "h"})[0], 0)

    def test_a_file_without_a_name(self):
        status, said = self.bridges({"type": "file", "path": ""}, local={})
        if status is not None:
            self.assertEqual(status, 1)
            self.assertIn("/bridges/local/path: expected a file's path", said)

    def test_exit_status(self):
        def run(*args):
            return subprocess.run([FIELDGATE, *args], capture_output=True, text=True, check=False)

        self.assertEqual(run("check", "-c", "none.json").returncode, 3)
        self.assertEqual(run("check", "-c").returncode, 2)
        self.assertEqual(run("check", "--frobnicate").returncode, 2)
        self.assertEqual(run("check", "one", "two").returncode, 2)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("chekc").returncode, 2)
        self.assertIn('did you mean "check"', run("chekc").stderr)

    def test_help_and_version_everywhere(self):
        for command in ((), ("check",), ("schema",)):
            for option in ("--help", "--version"):
                done = subprocess.run([FIELDGATE, *command, option], capture_output=True,
                                      text=True, check=False)
                self.assertEqual(done.returncode, 0, (command, option))
                self.assertIn("fieldgate", done.stdout)
                self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
