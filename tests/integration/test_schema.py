#!/usr/bin/python3
"""fieldgate schema: a valid JSON Schema that agrees with `check`, and docs/options.md made of the
same tables."""
import json
import os
import re
import subprocess
import sys
import unittest

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)

FIELDGATE = os.environ["FIELDGATE"]
SOURCE_DIR = os.environ["SOURCE_DIR"]


def bridge(**options):
    return {"bridges": {"b": {"type": "mqtt", "url": "mqtt://127.0.0.1:1883", **options}}}


def mqtt(**options):
    return {"drivers": {"d": {"type": "mqtt", "url": "mqtt://127.0.0.1:1883", "subscribe": ["a"],
                              **options}}}


def serial(**options):
    return {"drivers": {"d": {"type": "serial", "port": "/dev/ttyS0", **options}}}


def point(**options):
    return {"profiles": {"p": {"match": "a/{device}", "points": {"t": options}}}}


# what both must take, and what both must refuse
GOOD = [
    {}, {"$schema": "https://example.org/x"},
    {"gateway": {"id": "plant-7:line.2"}},
    {"run": {"log": "debug"}}, {"run": {"log": {"*": "warn", "mqtt": "debug"}}},
    {"spool": {"commit": "each"}}, {"spool": {"commit": "500ms"}}, {"spool": {"commit": "never"}},
    {"spool": {"limit": "64MiB", "segment": "4MiB", "when_full": "refuse"}},
    {"limits": {"devices": 5, "payload": "1KiB", "depth": 8}}, {"clock": {"trust": "always"}},
    {"fleet": {"remote": False, "keys": ["/etc/fieldgate/fleet.pub"], "deadline": "10s"}},
    {"liveness": {"enabled": False}}, {"liveness": {"floor": "5s", "late": 1.5, "offline": 3}},
    mqtt(interval="10s"), {"profiles": {"p": {"match": "a/{device}", "interval": "1m"}}},
    mqtt(), mqtt(qos=0, version=5, keepalive="30s"), mqtt(version="3.1.1"),
    mqtt(password={"secret": "pw"}), mqtt(enabled=False),
    serial(), serial(baud=19200), serial(baud="19200", framer_options={"max": "1KiB"}),
    {"drivers": {"d": {"type": "coap", "listen": "coap://127.0.0.1:5683"}}},
    bridge(), bridge(batch={"records": 10, "linger": "1s"}, window=64, rate=0.5),
    bridge(match=["+/temperature"], order="live-first", start="oldest", required=False),
    bridge(format="thingsboard", status=""),
    bridge(format="sparkplug-b", group="plant", node="{gateway}", host="scada", known="1MiB"),
    point(), point(unit="Cel", scale=0.1, offset=-3, type="number"), point(**{"from": "/a~1b"}),
    point(map={"ON": True, "2": 2, "x": "y"}), point(report={"deadband": 0.5}),
    point(report={"deadband": "2%", "max_interval": "1h"}),
    {"profiles": {"p": {"time": {"from": "/ts", "as": "iso8601", "zone": "UTC"}}}},
]
BAD = [
    bridge(group="plant"), bridge(format="sparkplug-b", topic="x"),
    {"fleet": {"deadline": 5}}, {"fleet": {"keys": "a"}}, {"fleet": {"remot": True}},
    [], None, {"gatway": {}}, {"gateway": {"id": ""}}, {"gateway": {"id": "a b"}},
    {"gateway": {"id": 5}}, {"run": {"log": "loud"}}, {"run": {"log": {"mqtt": "loud"}}},
    {"run": {"processes": 0}}, {"spool": {"commit": "often"}}, {"spool": {"commit": 1}},
    {"spool": {"limit": 1048576}}, {"spool": {"limit": "1MB"}}, {"spool": {"when_full": "drop"}},
    {"limits": {"devices": 1.5}}, {"limits": {"devices": 0}}, {"clock": []},
    {"liveness": {"late": 0.5}}, {"liveness": {"floor": 5}}, mqtt(interval=10),
    {"drivers": []}, {"drivers": {"d": {}}}, {"drivers": {"d": {"type": "mqqt"}}},
    {"drivers": {"a/b": {"type": "coap"}}}, {"drivers": {"d": 5}},
    mqtt(qos=2), mqtt(keepalive=60), mqtt(password="plain"), mqtt(version="4"), mqtt(ulr="x"),
    mqtt(subscribe="a"), mqtt(password={"secret": "a", "more": 1}), mqtt(enabled="yes"),
    mqtt(password={"secret": "../x"}),
    serial(baud=115201), serial(baud=True), serial(framer="slipp"),
    {"drivers": {"d": {"type": "serial"}}},
    bridge(window=65), bridge(batch={"record": 1}), bridge(rate=-1), bridge(match="a"),
    bridge(format="xml"), {"bridges": {"b": {"type": "mqtt"}}},
    point(scale="2"), point(type="float"), point(map={"a": None}), point(**{"from": "a"}),
    point(report={"deadband": True}), {"profiles": {"p": {"time": {"from": "/ts"}}}},
    {"profiles": {"a b": {}}},
]


def run(*args):
    return subprocess.run([FIELDGATE, *args], capture_output=True, text=True, check=False)


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = run("schema")
        assert done.returncode == 0, done.stderr
        cls.schema = json.loads(done.stdout)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def takes(self, config):
        with open("gateway.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        done = run("check", "-c", "gateway.json")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0, done.stderr

    def in_build(self, config):
        """A build without a driver knows nothing of its options."""
        for kind, one in (("drivers", "driver"), ("bridges", "bridge")):
            named = config.get(kind) if isinstance(config, dict) else None
            for item in named.values() if isinstance(named, dict) else ():
                name = item.get("type") if isinstance(item, dict) else None
                known = self.schema["$defs"][one]["properties"]["type"]["enum"]
                if name in ("mqtt", "coap", "serial", "file") and name not in known:
                    return False
        return True

    def test_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_good(self):
        for config in filter(self.in_build, GOOD):
            with self.subTest(config=config):
                taken, why = self.takes(config)
                self.assertTrue(taken, why)
                self.assertEqual([e.message for e in self.validator.iter_errors(config)], [])

    def test_bad(self):
        for config in filter(self.in_build, BAD):
            with self.subTest(config=config):
                self.assertFalse(self.takes(config)[0])
                self.assertFalse(self.validator.is_valid(config))

    def test_defaults_are_valid(self):
        """A default that its own row would refuse is a fault of the table."""
        def walk(schema):
            if not isinstance(schema, dict):
                return
            if "default" in schema:
                rest = {**schema, "$defs": self.schema["$defs"]}
                self.assertTrue(jsonschema.Draft202012Validator(rest).is_valid(schema["default"]),
                                schema)
            for part in schema.values():
                if isinstance(part, list):
                    for item in part:
                        walk(item)
                walk(part)

        walk(self.schema)

    def test_no_object_is_open(self):
        def walk(schema, path):
            if not isinstance(schema, dict):
                return
            if "properties" in schema and schema.get("type") == "object" and "allOf" not in schema:
                self.assertIs(schema.get("additionalProperties"), False, path)
            for key, part in schema.items():
                walk(part, f"{path}/{key}")

        walk(self.schema, "")


def sections(text):
    parts = re.split(r"^## ", text, flags=re.M)
    return {part.split("\n", 1)[0]: part.strip() for part in parts[1:]}


class Reference(unittest.TestCase):
    def test_committed_file_is_what_the_program_prints(self):
        """A build may lack drivers that the file tells of; what it has, the file must say."""
        with open(os.path.join(SOURCE_DIR, "docs/options.md"), encoding="utf-8") as file:
            committed = file.read()
        printed = run("schema", "--markdown").stdout
        self.assertEqual(committed.split("\n## ")[0], printed.split("\n## ")[0])
        told = sections(committed)
        for title, text in sections(printed).items():
            if title.startswith("`limits`"):
                continue    # its defaults are the build's
            self.assertEqual(told.get(title), text, "make docs/options.md with "
                             "fieldgate schema --markdown")


if __name__ == "__main__":
    unittest.main()
