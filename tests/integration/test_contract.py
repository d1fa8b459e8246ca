#!/usr/bin/python3
# run-first
"""The outside of the program, row by row: what every command answers to --help, --version and to what
it does not know; each option of the configuration with its default, its bounds, and its name nearly
right. What stands in TABLE is promised to users: it may grow, nothing in it may change."""
import copy
import json
import os
import re
import shutil
import subprocess

import fg

COMMANDS = ("run reload apply check schema normalise ledger audit spool dead status health tail send render plan "
            "clock simulate").split()

MQTT = {"type": "mqtt", "url": "mqtt://127.0.0.1:1883"}
BASES = {
    "gateway": {}, "run": {}, "spool": {}, "clock": {}, "limits": {}, "liveness": {}, "fleet": {},
    "driver mqtt": {**MQTT, "subscribe": ["a/+"]},
    "driver coap": {"type": "coap", "listen": "coap://127.0.0.1:5683"},
    "driver serial": {"type": "serial", "port": "/dev/ttyS0", "framer_options": {"max": "1MiB"}},
    "driver modbus": {"type": "modbus", "url": "tcp://127.0.0.1:502", "devices": {}},
    "driver gpio": {"type": "gpio", "lines": {}},
    "driver board": {"type": "board"},
    "bridge mqtt": MQTT,
    "bridge file": {"type": "file", "path": "/tmp/records.jsonl"},
    "bridge http": {"type": "http", "url": "http://127.0.0.1:8080/records"},
    "bridge sqlite": {"type": "sqlite", "path": "/tmp/records.db"},
}

# where, option: default (None: none is told), values that are good, values that are not
TLS = [("tls.ca", None, ["/etc/ca.pem"], [1]), ("tls.cert", None, [], [1]), ("tls.key", None, [], [1]),
       ("tls.server_name", None, ["broker.example"], [1]), ("tls.version", "1.2", ["1.2", "1.3"], ["1.1", 1.5]),
       ("tls.insecure", "false", [True, False], ["yes", 1])]
MQTT_BOTH = [
    ("url", None, ["mqtt://h", "mqtts://h:1", "unix:///tmp/s"], ["http://h", "h:1883", 5, ""]),
    ("version", "5", ["3.1.1", "5", 5], ["3", 4, "3.1"]), ("client_id", "{gateway}-{name}", ["x"], [1]),
    ("username", None, ["u"], [1]), ("password", None, [{"secret": "n"}], ["plain", {"secrets": "n"}]),
    ("keepalive", "60s", ["60s", "1m"], [60, "60"]), ("session_expiry", "1d", ["1d", "0s"], [86400, "1w"]), *TLS]
TABLE = {
    "gateway": [("id", None, ["plant-7-line-2", "a", "A:b.c_d", "0" * 64], ["", "-a", "a/b", "a b", "0" * 65, 5])],
    "run": [("socket", "/run/fieldgate/control.sock", ["x.sock"], [1, ""]),
            ("log", "info", ["debug", {"mqtt": "debug", "*": "warn"}], ["loud", {"mqtt": 1}]),
            ("processes", "1", [1], [0, "1", 1.5])],
    "spool": [("dir", "/var/lib/fieldgate", ["spool"], [1, ""]),
              ("limit", "64MiB", ["64MiB", "1GiB"], [67108864, "64MB", "64 MiB", "-1MiB"]),
              ("segment", "4MiB", ["4MiB"], [1]), ("commit", "1s", ["each", "never", "200ms", "1s"], ["sometimes", 1]),
              ("when_full", "drop-oldest", ["drop-oldest", "refuse"], ["drop-newest", True])],
    "clock": [("trust", "kernel", ["kernel", "always"], ["never"])],
    "limits": [("devices", "10000", [1], ["10", 0]), ("payload", "256KiB", ["1KiB"], [262144]),
               ("depth", "32", [32, 64], [0, 65, "32"])],
    "driver mqtt": [*MQTT_BOTH, ("subscribe", None, [["a/+", "b/#"]], ["a", [1], ["a/#/b"]]),
                    ("qos", "1", [0, 1], [2, "1"]), ("share", None, ["g"], [1, "a/b"]),
                    ("retained", "ignore", ["ignore", "take"], ["keep"]),
                    ("profile", None, [], ["nope"]), ("enabled", "true", [True, False], ["no"])],
    "driver coap": [("listen", None, ["coap://127.0.0.1", "coap://[::1]:9"], ["mqtt://h", "", 5]),
                    ("psk", None, [{"id": {"secret": "n"}}], [{"id": "plain"}, "x"]), ("open", "false", [True], [1]),
                    ("body", "64KiB", ["1KiB"], [65536]), ("clients", "10000", [1], [0])],
    "driver serial": [("port", None, ["/dev/ttyUSB0"], [1]), ("baud", "9600", [9600, 115200], [115201, 0]),
                      ("mode", "8N1", ["7E1", "8N2"], ["9N1", "8X1"]),
                      ("flow", "none", ["none", "rtscts", "xonxoff"], ["both"]),
                      ("framer", None, ["line", "delimiter", "length", "idle", "slip", "cobs"], ["lines"]),
                      ("framer_options.delimiter", None, [], [1]), ("framer_options.length", None, [], ["x"]),
                      ("framer_options.idle", None, [], [5]), ("framer_options.max", "4KiB", ["1KiB"], [4096]),
                      ("checksum", None, ["none", "sum8", "xor8", "crc8", "crc16-modbus", "crc16-ccitt", "crc32"],
                       ["md5"])],
    "bridge mqtt": [
        *MQTT_BOTH, ("topic", "fieldgate/{gateway}/records", ["x/{gateway}"], [1, "a/+"]), ("qos", "1", [0, 1], [2]),
        ("format", "senml+json", ["senml+json", "senml+cbor"], ["xml"]), ("batch.records", "100", [1], [0, "1"]),
        ("batch.bytes", "64KiB", ["1KiB"], [1024]), ("batch.linger", "200ms", ["0s"], [0]),
        ("window", "16", [1], [0]), ("stall", "30s", ["1m"], [30]),
        ("match", None, [["+/temperature", "hall/#"]], ["a", ["#/a"]]),
        ("order", "oldest-first", ["oldest-first", "live-first"], ["newest"]),
        ("start", "now", ["now", "oldest"], ["then"]), ("required", "true", [False], ["no"]),
        ("rate", None, [0.5, 100], [-1, "fast"]), ("dead_limit", "1MiB", ["0B"], [1]),
        ("commands", "false", [True], ["x"])],
    "bridge file": [("path", "-", ["-", "records.jsonl"], [1]), ("rotate.size", "16MiB", ["1MiB"], [1]),
                    ("rotate.keep", "4", [0], [-1, "4"])],
}

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
         "d": 86400 * 10**9, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def amount(text):
    number, unit = re.match(r"(\d+)(\w+)$", text).groups()
    return int(number) * UNITS[unit]


def config_with(where, path, value):
    """A configuration in which that option has that value; and the pointer to it."""
    options = copy.deepcopy(BASES[where])
    *above, last = path.split(".")
    at = options
    for step in above:
        at = at.setdefault(step, {})
    at[last] = value
    if " " not in where:
        return {where: options}, "/" + "/".join([where, *above, last])
    kind, _ = where.split(" ")
    return {kind + "s": {"x": options}}, "/" + "/".join([kind + "s", "x", *above, last])


def check(config):
    with open("gateway.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return fg.fieldgate("check", "-c", "gateway.json", want=(0, 1))


def faults(config):
    done = check(config)
    found = [line for line in done.err.splitlines() if line.startswith("/")]
    fg.equal(done.returncode, 1 if found else 0, f"exit status of {config}: {done.err}")
    return found


def accepted(where, path, value):
    config, pointer = config_with(where, path, value)
    # what belongs to another option (a delimiter to its framer) is said there
    wrong = [line for line in faults(config) if line.startswith(pointer + ": ")]
    fg.check(not wrong, f"{where} {path} = {value!r}: {wrong}")


def refused(where, path, value):
    config, pointer = config_with(where, path, value)
    found = faults(config)
    fg.check(any(re.match(re.escape(pointer) + r"(/[^:]*)?: .{8}", line) for line in found),
             f"{where} {path} = {value!r} is taken, or the fault does not name it: {found}")


def reference():
    """Of `schema --markdown`: by section, by option, its value and default."""
    text = fg.fieldgate("schema", "--markdown").out
    found = {}
    for title, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.M | re.S):
        rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| ", body, re.M)
        found[title.replace("`", "").lower()] = {name: (value, default.strip("`")) for name, value, default in rows}
    return found


def section(where, told):
    """The options of an instance are those of its type and those of any."""
    if " " not in where:
        return told[where]
    kind, _ = where.split(" ")
    if where not in told:
        return None
    return {**told[f"{kind}s, each"], **told[where]}


def test_commands():
    top = fg.fieldgate("--help")
    fg.check(not top.err, top.err)
    for command in COMMANDS + ["fleet check", "fleet diff"]:
        name = command.split()
        fg.check(re.search(rf"^  {name[0]} ", top.out, re.M), f"{command} in {top.out}")
        said = fg.fieldgate(*name, "--help")
        fg.check(said.out.startswith(f"usage: fieldgate {command}") and not said.err, said.out + said.err)
        said = fg.fieldgate(*name, "--version")
        fg.check(re.fullmatch(r"fieldgate \d+\.\d+\.\d+\n", said.out) and not said.err, said.out)
        said = fg.fieldgate(*name, "--jsno", want=(2,))
        fg.check("unknown option --jsno" in said.err and not said.out, said.err)
        if '--json' in fg.fieldgate(*name, "--help").out:
            fg.check('did you mean "--json"?' in said.err, said.err)
        said = fg.fieldgate(*name, *"abcdefgh", want=(2,))
        fg.check("too many arguments" in said.err and not said.out, said.err)
    for args in ((), ("-c", "x"), ("--nonsense",), ("fleet",), ("fleet", "chekc")):
        done = fg.fieldgate(*args, want=(2,))
        fg.check(done.err and not done.out, f"{args}: {done.out}")
    fg.check('unknown option "--verison", did you mean "--version"?' in fg.fieldgate("--verison", want=(2,)).err,
             "an option instead of a command")


def said(status, *args, text=None, out=""):
    """On stderr, by a call that has to end so."""
    done = fg.fieldgate(*args, text=text, want=(status,))
    fg.equal(done.out, out, f"{args}: standard output")
    return done.err


def test_mistakes():
    """What a person is told who names the wrong thing."""
    os.makedirs("other/folder")
    for args in (["spool", "other"], ["spool", "other", "--json"], ["spool", "--verify", "other"],
                 ["ledger", "--spool", "other"], ["ledger", "--table", "--spool", "other"]):
        fg.check("other: no spool" in said(3, *args), args)
    fg.check("nowhere: No such file" in said(3, "spool", "nowhere"), "a folder that is not there")
    fg.check("takes a driver's type" in said(3, "normalise", "-d", "mqqt", "-a", "x", text="1"), "no driver")
    nothing = said(0, "audit", text="", out='{"complete":true,"gateways":{}}\n')
    fg.check("no pack was read" in nothing, nothing)
    gateway = fg.Gateway({}).start()
    fg.check('no bridge "x"' in said(1, "dead", "--discard", "x", "-c", gateway.conf), "a bridge that is not there")
    if os.geteuid() == 0 and shutil.which("setpriv"):
        os.chmod(os.getcwd(), 0o755)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", fg.FIELDGATE, "status",
                               "--socket", gateway.config["run"]["socket"]], capture_output=True, text=True,
                              check=False)
        if done.returncode not in (126, 127):    # the program stands where only root may go
            fg.equal((done.returncode, done.stdout), (3, ""), f"somebody else: {done.stderr}")
            fg.check("only who may write to that socket may ask" in done.stderr, done.stderr)
    gateway.stop()
    fg.check_ledger(gateway.ledger())


def test_promised_options():
    told = reference()
    for where, rows in TABLE.items():
        known = section(where, told)
        if known is None:
            print(f"{where}: not in this build")
            continue
        for path, default, good, bad in rows:
            fg.check(path in known, f"{where} {path} is not in the reference")
            said = known[path][1]
            if default is not None:
                same = said == default or (re.match(r"\d+[a-z]", default) and amount(said) == amount(default))
                fg.check(same, f"{where} {path}: the default is {said!r}, not {default!r}")
            for value in good:
                accepted(where, path, value)
            for value in bad:
                refused(where, path, value)


def test_names_nearly_right():
    told = reference()
    for where in TABLE:
        for path, *_ in TABLE[where] if section(where, told) else ():
            last = path.split(".")[-1]
            wrong = path[:-len(last)] + last[:-1] + ("q" if len(last) > 2 else last[-1] * 2)
            config, pointer = config_with(where, wrong, None)
            fg.check(any(line.startswith(f"{pointer}: unknown key, did you mean ") for line in faults(config)),
                     f"{pointer}: {faults(config)}")
    found = faults({"drivers": {"x": {"typ": "coap"}}})
    fg.check('/drivers/x/typ: unknown key, did you mean "type"?' in found, found)
    found = faults({"brigdes": {}, "drivers": {"x": {"type": "mqqt"}}})
    fg.check('/brigdes: unknown key, did you mean "bridges"?' in found, found)
    fg.check(any(line.startswith("/drivers/x/type: ") and "mqtt" in line for line in found), found)


def edges(value):
    """Of "integer, 1 to 64" and the like: the least and the most, and what is just beyond; what no
    number can be beyond is left out."""
    found = re.search(r"(integer|size|duration), (\S+) to (\S+?)$", value)
    if not found:
        return [], []
    kind, least, most = found.groups()
    if kind == "integer":
        return [int(least), int(most)], [int(least) - 1, int(most) + 1]
    smallest = "B" if kind == "size" else "ns"
    low, high = amount(least), amount(most)
    below = [f"{low - 1}{smallest}"] if low else []
    # numbers so large are compared as doubles
    return [least, most], below + [f"{high + 1 + (high >> 50)}{smallest}"]


def test_bounds():
    told = reference()
    tried = 0
    for where in BASES:
        for path, (value, _) in (section(where, told) or {}).items():
            if "NAME" in path:
                continue
            inside, outside = edges(value)
            for one in inside:
                accepted(where, path, one)
            for one in outside:
                refused(where, path, one)
            tried += len(inside) + len(outside)
    fg.check(tried > 60, f"only {tried} bounds were tried")


if __name__ == "__main__":
    fg.main(globals())
