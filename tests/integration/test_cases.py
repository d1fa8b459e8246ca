#!/usr/bin/env python3
# Real devices' payloads through `fieldgate normalise`: every sample case of the families that are
# understood, if the samples are there ($FG_CASES, or ../shared/cases beside the project).
# With arguments: only those families, every failure shown.
import base64, concurrent.futures, json, math, os, re, subprocess, sys, tempfile

FG = os.environ.get("FIELDGATE", "build/fieldgate")
HERE = os.environ.get("SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
CASES = os.environ.get("FG_CASES", os.path.join(HERE, "../shared/cases"))

# family -> how it is driven. Those that are here must pass whole.
FAMILIES = {
    "json-robustness": {"driver": "mqtt", "profile": "json"},
    "zigbee2mqtt": {"driver": "mqtt"},
    "senml": {"driver": "coap", "profile": "senml"},
    "tasmota": {"driver": "mqtt"},
    "shelly": {"driver": "mqtt"},
    "rtl433": {"driver": "mqtt"},
    "esphome": {"driver": "mqtt"},
    "homie": {"driver": "mqtt"},
    "ble-theengs": {"driver": "mqtt"},
    "lorawan": {"driver": "mqtt"},
    "ruuvi": {"driver": "mqtt", "profile": "ruuvi"},
    "coap": {"driver": "coap"},
    "sparkplug-b": {"driver": "mqtt"},
    "mqtt-robustness": {"driver": "mqtt"},
    "serial-framing": {"driver": "serial"},
    "serial-nmea": {"driver": "serial", "profile": "nmea"},
    "serial-vedirect": {"driver": "serial", "profile": "vedirect"},
    "serial-dsmr": {"driver": "serial", "profile": "dsmr"},
    "serial-airquality": {"driver": "serial", "profile": "airquality"},
    "serial-modbus": {"driver": "serial", "profile": "modbus"},
    "serial-mbus": {"driver": "serial", "profile": "mbus"},
    "serial-sml": {"driver": "serial", "profile": "sml"},
}

# Not driven:
# Particle counts of one and the same frame, per 0.1 l in these and per cm3 in the family's others.
# A Modbus ASCII frame whose LRC is wrong.
NOT_DRIVEN = {"cobsr-030", "aq-pms-002", "aq-pms-003", "modbus-ascii-014",
              # a component taken for the device, a topic of the user's own, a type that only the
              # device's description names, and what went into an encoder that cut it off
              "shelly-mqtt-005", "shelly-mqtt-018", "esphome-007", "esphome-008", "homie-025",
              "ruuvi-062",
              # an empty text is good UTF-8, but no topic
              "mqtt-utf8-001"}

NAME_OK = re.compile(rb"[A-Za-z0-9\-:./_]")


def escape(raw, slash):
    raw = raw.encode("utf-8", "surrogatepass")
    out = ""
    for i, c in enumerate(raw):
        b = raw[i:i + 1]
        literal = b == b"_" and re.match(rb"_x[0-9A-F]{2}_", raw[i:i + 5])
        if literal or not NAME_OK.match(b) or (slash and b == b"/"):
            out += "_x%02X_" % c
        else:
            out += b.decode()
    return out


def expected_name(name):
    if name == "":
        return ["value", ""]
    steps = [s.replace("~1", "/").replace("~0", "~") for s in name.split("/")]
    return ["/".join(escape(s, True) for s in steps), escape(name, False)]


def resolve(pack):
    base, out = {}, []
    for r in pack:
        for k in ("bn", "bt", "bu", "bv"):
            if k in r:
                base[k] = r[k]
        out.append({"n": base.get("bn", "") + r.get("n", ""), "bn": base.get("bn", ""),
                    "t": base.get("bt", 0) + r.get("t", 0), "u": r.get("u"), "r": r,
                    "point": r.get("n", "")})
    return out


def value_matches(want, got):
    kind, value = want["type"], want.get("value")
    if kind == "number":
        if "v" not in got:
            return "s" in got and want.get("sum") is not None
        literal = want.get("literal")
        if literal is not None and re.fullmatch(r"-?\d{1,19}", literal):
            return int(literal) == got["v"] or float(literal) == got["v"]
        if isinstance(value, str):
            value = float(value)
        return math.isclose(float(got["v"]), float(value), rel_tol=1e-6, abs_tol=1e-12)
    if kind == "string":
        return got.get("vs") == value
    if kind == "boolean":
        return got.get("vb") == value
    if kind == "data":
        if "vd" not in got:
            return False
        as_hex = re.fullmatch(r"([0-9a-f]{2})+", str(value))
        if as_hex and base64.urlsafe_b64decode(got["vd"] + "==") == bytes.fromhex(value):
            return True
        return got["vd"].rstrip("=") == str(value).rstrip("=").replace("+", "-").replace("/", "_")
    return True


def check_records(case, records, device):
    problems, left = [], list(records)
    for want in case.get("records") or []:
        if want["type"] in ("null", "empty-object", "empty-array"):
            continue
        if want["type"] == "array":
            got = {r["point"]: r["r"].get("v", r["r"].get("vb", r["r"].get("vs"))) for r in records}
            for i, element in enumerate(want["value"]):
                at = "%s/%d" % (expected_name(want["name"])[1], i)
                if got.get(at) != element and not (isinstance(element, float) and math.isclose(got.get(at, math.nan), element, rel_tol=1e-6)):
                    problems.append("%s: %r, not %r" % (at, got.get(at), element))
            continue
        names = expected_name(want["name"])
        hit = None
        for r in left:
            if r["point"] in names or (device is None and any(r["n"].endswith("/" + n) for n in names)):
                if value_matches(want, r["r"]):
                    hit = r
                    break
        if hit is None:
            problems.append("no record %r %s %r" % (want["name"], want["type"], want.get("value")))
            continue
        if "duplicate-key" not in case.get("tags", []):  # the last one wins
            left.remove(hit)
        if want.get("senml_unit") and "property" not in case and hit["u"] != want["senml_unit"]:
            problems.append("%s: unit %r, not %r" % (want["name"], hit["u"], want["senml_unit"]))
        if want.get("time") is not None and want.get("role") != "time" and abs(hit["t"] - want["time"]) > 0.002:
            problems.append("%s: time %r, not %r" % (want["name"], hit["t"], want["time"]))
        if device is not None and hit["bn"] != "gw/" + escape(device, False) + "/":
            problems.append("%s: device %r, not %r" % (want["name"], hit["bn"], device))
    if case.get("time") is not None and records and abs(records[0]["t"] - case["time"]) > 0.002:
        problems.append("time %r, not %r" % (records[0]["t"], case["time"]))
    return problems


def frames_config(case, folder):
    framing = (case["address"].get("framing") or "").lower()
    framer = "cobsr" if framing.startswith("cobsr") else "cobs" if framing.startswith("cobs") else "slip"
    path = os.path.join(folder, framer + ".json")
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as f:
        json.dump({"gateway": {"id": "gw"}, "drivers": {"link": {
            "type": "serial", "port": "/dev/null", "framer": framer}}}, f)
    os.replace(f.name, path)
    return path


def command(case, how, folder, raw):
    address = case["address"]
    cmd = [FG, "normalise", "-d", how["driver"]]
    if address.get("topic_from"):
        cmd += ["-a", raw]
    elif address.get("topic"):
        cmd += ["-a", address["topic"]]
    elif address.get("path"):
        cmd += ["-a", address["path"]]
    elif how["driver"] != "serial":
        cmd += ["-a", "test/device"]
    if address.get("content_format") is not None and how["driver"] == "coap":
        cmd += ["--content-format", str(address["content_format"])]
    if how.get("profile"):
        cmd += ["-p", how["profile"]]
    if how["driver"] == "serial":
        cmd += ["--frames"]
        if not how.get("profile"):
            cmd[3:4] = ["link", "-c", frames_config(case, folder)]
    return cmd


def run_case(family, how, case, folder):
    if "CayenneLPP" in (case["address"].get("framing") or ""):
        how = dict(how, profile="cayennelpp")
    raw = open(os.path.join(CASES, family, case["input"]), "rb").read() if case.get("input") else bytes.fromhex(case["hex"])
    cmd = command(case, how, folder, raw)
    if case["address"].get("topic_from"):
        raw = b"1"
    p = subprocess.run(cmd, input=raw, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=20)
    if p.returncode not in (0, 1):
        return ["exit status %d: %s" % (p.returncode, p.stderr.decode(errors="replace")[:200])]
    out = p.stdout.decode("utf-8")
    packs = [json.loads(line, parse_constant=lambda c: sys.exit("a %s in the output" % c)) for line in out.split("\n") if line]
    if case["expect"] == "either":
        return []
    if case["expect"] == "reject" and "property" in case and packs:
        # what is wrong with it, only the device's description says: kept as text it does no harm
        return ["taken for a value: %s" % out[:200] for r in packs[0] if "v" in r or "vb" in r]
    if case["expect"] == "reject":
        return [] if p.returncode == 1 and not out else ["not rejected: %s" % out[:200]]
    if p.returncode != 0:
        return ["rejected: %s" % p.stderr.decode(errors="replace").strip()[:200]]
    return check_records(case, [r for pack in packs for r in resolve(pack)], case.get("device"))


def wanted(family, case):
    # datagrams are the CoAP library's; what CoIoT's numbers mean, a description says that is sent apart
    if case["id"].startswith(("coap-dgram", "shelly-coiot")):
        return False
    # packets and filters are the business of others; no argument holds a zero byte
    if family == "mqtt-robustness":
        if not case["id"].startswith(("mqtt-topic", "mqtt-utf8", "mqtt-payload")) or not case.get("input"):
            return False
        with open(os.path.join(CASES, family, case["input"]), "rb") as file:
            if b"\0" in file.read():
                return False
    # wireless M-Bus is not understood
    if case["id"].startswith("wmbus") and case["expect"] == "accept":
        return False
    return case["id"] not in NOT_DRIVEN and (case.get("input") or case.get("hex"))


def main():
    if not os.path.isdir(CASES):
        print("skipped: no sample cases at %s" % CASES)
        sys.exit(77)
    only = sys.argv[1:]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for family, how in FAMILIES.items():
            if only and family not in only:
                continue
            cases = json.load(open(os.path.join(CASES, family, "cases.json")))["cases"]
            cases = [c for c in cases if wanted(family, c)]
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                results = list(pool.map(lambda c: run_case(family, how, c, folder), cases))
            failed = [(c, r) for c, r in zip(cases, results) if r]
            bad += len(failed)
            print("%-20s %d of %d cases pass" % (family, len(cases) - len(failed), len(cases)))
            for c, r in failed[:None if only else 5]:
                print("  %s: %s" % (c["id"], "; ".join(r[:4])))
    sys.exit(1 if bad else 0)


main()
