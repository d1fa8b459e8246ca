#!/usr/bin/env python3
"""The shipped profiles: what a payload on a device's topic becomes, without any configuration."""
import json
import os
import subprocess
import unittest

FG = os.environ.get("FIELDGATE", "build/fieldgate")

# topic, payload, device, records (name: (value, unit)), time or None
CASES = [
    ("tele/pump/SENSOR",
     '{"Time":"2024-03-01T12:00:00+01:00","SI7021":{"Temperature":21.5,"Humidity":40},"TempUnit":"C"}',
     "pump", {"SI7021/Temperature": (21.5, "Cel"), "SI7021/Humidity": (40, "%RH"), "TempUnit": ("C", None)},
     1709290800),
    ("tele/pump/SENSOR", '{"Time":"2024-03-01T12:00:00","DS18B20":{"Temperature":70},"TempUnit":"F"}',
     "pump", {"DS18B20/Temperature": (70, None)}, None),
    ("tele/mast/SENSOR", '{"TX20":{"Speed":{"Act":3.5},"Dir":{"Deg":90}},"SpeedUnit":"m/s"}',
     "mast", {"TX20/Speed/Act": (3.5, "m/s"), "TX20/Dir/Deg": (90, None)}, None),
    ("tele/pump/LWT", "Offline", "pump", {"LWT": ("Offline", None)}, None),
    ("stat/pump/POWER2", "ON", "pump", {"POWER2": ("ON", None)}, None),
    ("stat/pump/STATUS8", '{"StatusSNS":{"Time":"2024-03-01T11:00:00Z","ENERGY":{"Power":12,"Voltage":[230,231]}}}',
     "pump", {"StatusSNS/ENERGY/Power": (12, "W"), "StatusSNS/ENERGY/Voltage/1": (231, "V")}, 1709290800),
    ("shellies/shelly1pm-AABBCC/relay/0/power", "3.50", "shelly1pm-AABBCC", {"relay/0/power": (3.5, "W")}, None),
    ("shellies/shellyht-AABBCC/sensor/temperature", "19.25", "shellyht-AABBCC",
     {"sensor/temperature": (19.25, "Cel")}, None),
    ("shellyplus1pm-a1b2c3d4e5f6/events/rpc",
     '{"src":"shellyplus1pm-a1b2c3d4e5f6","method":"NotifyStatus","params":{"ts":1709290800.25,'
     '"switch:0":{"apower":7.5,"temperature":{"tC":40.1,"tF":104.2}}}}',
     "shellyplus1pm-a1b2c3d4e5f6",
     {"params/switch:0/apower": (7.5, "W"), "params/switch:0/temperature/tC": (40.1, "Cel"),
      "params/switch:0/temperature/tF": (104.2, None)}, 1709290800.25),
    ("shellyplusht-a1b2c3d4e5f6/status/humidity:0", '{"id":0,"rh":51.5}', "shellyplusht-a1b2c3d4e5f6",
     {"rh": (51.5, "%RH")}, None),
    ("porch/sensor/outside/state", "-3.5", "porch", {"sensor/outside": (-3.5, None)}, None),
    ("porch/status", "online", "porch", {"status": ("online", None)}, None),
    ("homie/5/barn/climate/humidity", "61", "barn", {"climate/humidity": (61, None)}, None),
    ("homie/barn/$state", "ready", "barn", {"_x24_state": ("ready", None)}, None),
    ("home/attic/BTtoMQTT/C0FFEE000001", '{"tempc":18.5,"hum":"52.5","batt":90,"weight":4,"unit":"lb"}', "C0FFEE000001",
     {"tempc": (18.5, "Cel"), "hum": ("52.5", "%RH"), "batt": (90, "%EL"), "weight": (4, None)}, None),
    ("rtl_433/roof/events", '{"model":"Acme-Rain","id":77,"channel":"A","rain_rate_mm_h":1.5,"wind_avg_mi_h":2}',
     "Acme-Rain/77/A", {"rain_rate_mm_h": (1.5, "mm/h"), "wind_avg_mi_h": (2, None)}, None),
    ("application/7/device/0011223344556677/event/up",
     '{"time":"2024-03-01T11:00:00.5Z","deviceInfo":{"devEui":"0011223344556677"},"object":{"level":3}}',
     "0011223344556677", {"object/level": (3, None)}, 1709290800.5),
    ("v3/farm@ttn/devices/trough-1/up", '{"received_at":"2024-03-01T11:00:00Z","uplink_message":{"f_cnt":9}}',
     "trough-1", {"uplink_message/f_cnt": (9, None)}, 1709290800),
    # others' topics stay as they are
    ("devices/boiler/temperature", "55", "devices/boiler/temperature", {"value": (55, None)}, None),
    ("sensors/a/b/state", "1", "sensors/a/b/state", {"value": (1, None)}, None),
]


def normalise(*args, payload):
    return subprocess.run([FG, "normalise", *args], input=payload, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=20, check=False)


def resolve(pack):
    base, records = {}, {}
    for record in pack:
        base.update({k: v for k, v in record.items() if k in ("bn", "bt", "bu")})
        value = next(record[k] for k in ("v", "vs", "vb", "vd") if k in record)
        records[record["n"]] = (value, record.get("u"), base.get("bt", 0) + record.get("t", 0))
    return base["bn"], records


class Devices(unittest.TestCase):
    def test_topics(self):
        for topic, payload, device, wanted, time in CASES:
            with self.subTest(topic=topic, payload=payload):
                run = normalise("-d", "mqtt", "-a", topic, payload=payload.encode())
                self.assertEqual(run.returncode, 0, run.stderr)
                name, records = resolve(json.loads(run.stdout))
                self.assertEqual(name, "gw/%s/" % device)
                for point, (value, unit) in wanted.items():
                    self.assertEqual(records[point][:2], (value, unit), point)
                    if time is not None:
                        self.assertAlmostEqual(records[point][2], time, 2)

    def test_rejected(self):
        for args, payload in (
            (("-d", "mqtt", "-a", "tele/pump/SENSOR"), b'{"Time":"2024-03-01T12:00:00"'),
            (("-d", "mqtt", "-a", "homie/5/barn/climate/humidity"), b""),
            (("-d", "mqtt", "-a", "spBv1.0/g/DDATA/n/d"), b"\x12"),
            (("-d", "mqtt", "-a", "x", "-p", "ruuvi"), b"\x05\x00"),
            (("-d", "coap", "-a", "/3/0", "--content-format", "11542"), b"\xc1\x09"),
        ):
            with self.subTest(args=args):
                run = normalise(*args, payload=payload)
                self.assertEqual((run.returncode, run.stdout), (1, b""))
                self.assertTrue(run.stderr)

    def test_paths_of_lwm2m(self):
        run = normalise("-d", "coap", "-a", "/3/0", "--content-format", "11542", payload=b"\xc1\x09\x5a")
        name, records = resolve(json.loads(run.stdout))
        self.assertEqual((name, list(records)), ("gw/3/", ["0/9"]))


if __name__ == "__main__":
    unittest.main()
