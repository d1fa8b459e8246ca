#!/usr/bin/python3
"""What makers of MQTT devices document, as one table (tests/data/families/mqtt.json): topic and
payload through `fieldgate normalise`, and the device, names, values, units and time they become.

A row names what must be there ("want": point to [value] or [value, unit]), not all that is; without
"time" the time must be that of arrival."""
import json
import os
import subprocess
import time

TABLE = os.path.join(os.environ["SOURCE_DIR"], "tests/data/families/mqtt.json")


def run(row):
    raw = bytes.fromhex(row["hex"]) if "hex" in row else row["payload"].encode()
    return subprocess.run([os.environ["FIELDGATE"], "normalise", "-d", "mqtt", "-a", row["topic"]],
                          input=raw, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)


def value_of(record):
    return next((record[k] for k in ("v", "vs", "vb", "vd") if k in record), None)


def fault_of_value(records, point, want):
    if point not in records:
        return f"no {point} among {sorted(records)}"
    record = records[point]
    got = [value_of(record)] + ([record["u"]] if "u" in record else [])
    if got != want or [type(v) for v in got] != [type(v) for v in want]:
        return f"{point}: {got}, not {want}"
    return None


def faults(row):
    done = run(row)
    if row.get("reject"):
        return [] if done.returncode == 1 and not done.stdout else [f"taken: {done.stdout}"]
    if done.returncode:
        return [f"exit status {done.returncode}: {done.stderr.decode()}"]
    pack = json.loads(done.stdout)
    records = {record["n"]: record for record in pack}
    found = [fault_of_value(records, *want) for want in row["want"].items()]
    if pack[0]["bn"] != f"gw/{row['device']}/":
        found.append(f"device {pack[0]['bn']}")
    arrived = abs(pack[0]["bt"] - time.time()) < 3600
    if arrived if "time" in row else not arrived:
        found.append(f"time {pack[0]['bt']}")
    elif "time" in row and abs(pack[0]["bt"] - row["time"]) > 0.001:
        found.append(f"time {pack[0]['bt']}, not {row['time']}")
    return [fault for fault in found if fault]


def main():
    with open(TABLE, encoding="utf-8") as file:
        rows = json.load(file)
    bad = 0
    for row in rows:
        for fault in faults(row):
            bad += 1
            print(f"{row['topic']} {row.get('payload', row.get('hex'))}: {fault}")
    print(f"{len(rows)} rows, {bad} faults")
    raise SystemExit(1 if bad or not rows else 0)


main()
