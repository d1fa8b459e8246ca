"""A host of Sparkplug B that believes nothing: it reads raw protobuf by itself, holds each message
against the compliance rules of the specification (3.0, tck-id-...) and says which one is broken."""
import struct

import fg

INT64, UINT64, DOUBLE, BOOLEAN, STRING = 4, 8, 10, 11, 12
VALUE_FIELD = {INT64: 11, UINT64: 11, DOUBLE: 13, BOOLEAN: 14, STRING: 15}


def fields(data):
    """(number, wire type, value) of each field of one protobuf message."""
    at = 0

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                return n

    while at < len(data):
        key = varint()
        wire = key & 7
        if wire == 0:
            value = varint()
        elif wire == 1:
            value, at = data[at:at + 8], at + 8
        elif wire == 2:
            n = varint()
            fg.check(at + n <= len(data), "a length beyond the message")
            value, at = data[at:at + n], at + n
        else:
            raise fg.Failed(f"wire type {wire}")
        yield key >> 3, wire, value


def properties(data):
    keys, values = [], []
    for number, _, value in fields(data):
        if number == 1:
            keys.append(value.decode())
        else:
            inner = {n: v for n, _, v in fields(value)}
            fg.check(1 in inner, "tck-id-payloads-metric-propertyvalue-type-req")
            values.append(inner[8].decode() if inner[1] == STRING
                          else struct.unpack("<d", inner[6])[0])
    fg.equal(len(keys), len(values), "keys and values of properties")
    return dict(zip(keys, values))


def metric(data):
    m = {"type": None, "time": None, "historical": False, "null": False, "properties": {}}
    for number, _, value in fields(data):
        if number == 1:
            m["name"] = value.decode()
        elif number == 2:
            m["alias"] = value
        elif number == 3:
            m["time"] = value
        elif number == 4:
            m["type"] = value
        elif number == 5:
            m["historical"] = bool(value)
        elif number == 7:
            m["null"] = bool(value)
        elif number == 9:
            m["properties"] = properties(value)
        else:
            fg.check("field" not in m, "two values")
            m["field"], m["raw"] = number, value
    return m


def value_of(m, datatype):
    if m["null"]:
        fg.check("field" not in m, "is_null with a value (data-publish-dbirth-values)")
        return None
    fg.equal(m.get("field"), VALUE_FIELD[datatype], f"field of the value of {m['name']}")
    raw = m["raw"]
    if datatype == INT64:
        return raw - (1 << 64) if raw >> 63 else raw
    if datatype == DOUBLE:
        return struct.unpack("<d", raw)[0]
    if datatype == BOOLEAN:
        return bool(raw)
    return raw.decode() if datatype == STRING else raw


def payload(data):
    p = {"metrics": [], "seq": None, "time": None}
    for number, _, value in fields(data):
        if number == 1:
            p["time"] = value
        elif number == 2:
            p["metrics"].append(metric(value))
        elif number == 3:
            p["seq"] = value
        else:
            raise fg.Failed(f"field {number} of a payload")
    return p


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def ncmd(name="Node Control/Rebirth", value=True, time_ms=1_700_000_000_000):
    inner = b"\x0a" + varint(len(name)) + name.encode() + b"\x20" + varint(BOOLEAN)
    inner += b"\x70" + bytes([value])
    return b"\x08" + varint(time_ms) + b"\x12" + varint(len(inner)) + inner


class Host:
    """Takes what a subscriber of spBv1.0/# received, in order."""

    def __init__(self, group="fieldgate", node="gw", qos=0):
        self.group, self.node, self.qos = group, node, qos
        self.seen = 0                   # messages read
        self.kinds = []                 # (type, device) in order
        self.bdseq = self.seq = None    # None: no session
        self.last_bdseq = None
        self.deaths = []                # (bdSeq, QoS)
        self.births = 0                 # NBIRTHs
        self.devices = {}               # born: device -> {metric: (type, value)}
        self.units = {}
        self.newest = {}
        self.data = []                  # (device, metric, value, historical, time)

    def read(self, messages):
        for m in messages[self.seen:]:
            self.seen += 1
            parts = m["topic"].split("/")
            fg.equal(parts[0], "spBv1.0", "namespace")
            if parts[1] == "STATE" or parts[2] == "NCMD":
                continue
            fg.equal((parts[1], parts[3]), (self.group, self.node), "group and edge node")
            self.take(parts[2], parts[4:], m)
        return self

    def take(self, kind, rest, m):
        p = payload(m["payload"])
        device = rest[0] if rest else None
        self.kinds.append((kind, device))
        fg.equal(len(rest), 1 if kind in ("DBIRTH", "DDEATH", "DDATA") else 0,
                 f"{kind}: device-id-associated-message-types")
        fg.check(not m["retain"], f"{kind} is retained")
        fg.check(p["time"] and 1.6e12 < p["time"] < 4.1e12, f"{kind}: {p['time']} is no time in ms")
        if kind == "NDEATH":
            self.take_node_death(p, m["qos"])
            return
        fg.equal(m["qos"], self.qos, f"QoS of {kind}")
        self.take_seq(kind, p["seq"])
        for one in p["metrics"]:
            fg.check(one.get("name"), "tck-id-payloads-name-requirement")
            fg.check("alias" not in one, "an alias")
            fg.check(one["time"] and 1.4e12 < one["time"] < 4.2e12,
                     f"tck-id-payloads-name-birth-data-requirement: {one}")
        if kind == "NBIRTH":
            self.take_node_birth(p)
        elif kind == "DBIRTH":
            self.take_device_birth(device, p)
        elif kind == "DDATA":
            self.take_device_data(device, p)
        elif kind == "DDEATH":
            fg.check(device in self.devices, f"DDEATH of {device}, which is not born")
            del self.devices[device]
        else:
            raise fg.Failed(f"{kind}: not what this edge node says")

    def take_seq(self, kind, seq):
        if kind == "NBIRTH":
            fg.equal(seq, 0, "tck-id-topics-nbirth-seq-num")
        else:
            fg.check(self.bdseq is not None, f"{kind} outside of a session (nbirth-wait)")
            fg.equal(seq, (self.seq + 1) % 256, f"{kind}: tck-id-payloads-*-seq-inc")
        self.seq = seq

    def take_node_death(self, p, qos):
        fg.equal(p["seq"], None, "tck-id-topics-ndeath-seq")
        fg.equal([m["name"] for m in p["metrics"]], ["bdSeq"], "tck-id-topics-ndeath-payload")
        fg.equal(p["metrics"][0]["type"], INT64, "type of bdSeq")
        bdseq = value_of(p["metrics"][0], INT64)
        self.deaths.append((bdseq, qos))
        if self.bdseq is None:      # the will after what was said in parting
            fg.equal(bdseq, self.last_bdseq, "bdSeq of a second death")
            return
        fg.equal(bdseq, self.bdseq, "tck-id-payloads-ndeath-bdseq")
        self.bdseq, self.devices = None, {}

    def take_node_birth(self, p):
        named = {m["name"]: m for m in p["metrics"]}
        fg.equal(sorted(named), ["Node Control/Rebirth", "bdSeq"], "metrics of the node")
        bdseq = named["bdSeq"]
        fg.equal(bdseq["type"], INT64, "type of bdSeq")
        bdseq = value_of(bdseq, INT64)
        rebirth = named["Node Control/Rebirth"]
        fg.equal((rebirth["type"], value_of(rebirth, BOOLEAN)), (BOOLEAN, False),
                 "tck-id-topics-nbirth-rebirth-metric")
        if self.bdseq is not None:
            fg.equal(bdseq, self.bdseq, "a rebirth: data-commands-rebirth-action-3")
        elif self.last_bdseq is not None:
            fg.equal(bdseq, (self.last_bdseq + 1) % 256, "tck-id-topics-nbirth-bdseq-increment")
        if self.bdseq is None:
            self.newest = {}        # what comes twice after an end comes here
        self.bdseq = self.last_bdseq = bdseq
        self.births += 1
        self.devices = {}

    def take_device_birth(self, device, p):
        born = {}
        for m in p["metrics"]:
            fg.check(m["type"] in VALUE_FIELD, f"{m}: tck-id-payloads-metric-datatype-req")
            fg.check(m["name"] not in born, f"{m['name']} twice in a birth")
            fg.check(not m["historical"], f"{m['name']}: history in a birth")
            born[m["name"]] = (m["type"], value_of(m, m["type"]))
            if "engUnit" in m["properties"]:
                self.units[device, m["name"]] = m["properties"]["engUnit"]
        fg.check(born, "a birth without metrics")
        self.devices[device] = born

    def take_device_data(self, device, p):
        fg.check(device in self.devices, f"DDATA of {device}, which is not born")
        fg.check(p["metrics"], "DDATA without metrics")
        for m in p["metrics"]:
            fg.equal(m["type"], None, "tck-id-payloads-metric-datatype-not-req")
            fg.check(m["name"] in self.devices[device], f"{device}: {m['name']} was not born")
            value = value_of(m, self.devices[device][m["name"]][0])
            key = device, m["name"]
            if not m["historical"]:
                fg.check(m["time"] >= self.newest.get(key, 0), f"{key}: not in time order")
                self.newest[key] = m["time"]
            self.data.append((*key, value, m["historical"], m["time"]))

    def values(self, historical=None):
        """(device, metric, value) without what the gateway says itself."""
        return [d[:3] for d in self.data if d[0] != "fieldgate"
                and historical in (None, d[3])]
