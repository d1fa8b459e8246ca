#!/usr/bin/python3
"""The board's own state, from a sysfs of the test's own: what each kind of board tells, and what is
not there or is no number is left out."""
import json
import os

from fg import Gateway, audit, check, check_ledger, equal, file_lines, main, total, until, wait_for

PI = {
    "class/thermal/thermal_zone0/type": "gpu-thermal", "class/thermal/thermal_zone0/temp": "50000",
    "class/thermal/thermal_zone1/type": "cpu-thermal", "class/thermal/thermal_zone1/temp": "48312",
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
    "devices/platform/soc/soc:firmware/get_throttled": "50005",
    "devices/system/clocksource/clocksource0/current_clocksource": "arch_sys_counter",
    "class/rtc/rtc0/since_epoch": "1000",
    "block/mmcblk0/stat": " 10 0 80 5 20 0 4096 7 0 0 0",
    "block/mmcblk0/device/life_time": "0x01 0x03", "block/mmcblk0/device/pre_eol_info": "0x02",
    "block/mmcblk0boot0/stat": "1 1 1 1 1 1 1", "block/loop0/stat": "1 1 1 1 1 1 1",
}
OTHER = {
    "class/thermal/thermal_zone0/temp": "-1500",
    "class/thermal/cooling_device0/type": "cpufreq-cpu0", "class/thermal/cooling_device0/cur_state": "2",
    "class/hwmon/hwmon0/name": "rpi_volt", "class/hwmon/hwmon0/in0_lcrit_alarm": "1",
    "class/power_supply/BAT0/capacity": "87", "class/power_supply/BAT0/status": "Discharging",
    "class/power_supply/AC/online": "0",
    "block/mmcblk1/stat": "nonsense", "block/mmcblk1/device/life_time": "0x00 0x00",
    "block/mmcblk1/device/pre_eol_info": "9",
}


def sysfs(name, files):
    for path, text in files.items():
        path = os.path.join(name, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    return os.path.abspath(name)


def sample(name, files):
    """(values, units) by point of the first look."""
    out = os.path.abspath(name + ".jsonl")
    gw = Gateway({"drivers": {"own": {"type": "board", "sys": sysfs(name, files), "interval": "100ms"}},
                  "bridges": {"local": {"type": "file", "path": out, "batch": {"linger": "1ms"}}}},
                 name=name + "-gw")
    gw.start()
    wait_for("three looks", lambda: len(file_lines(out)) >= 3)
    gw.stop()
    ledger = check_ledger(gw.ledger())
    equal(total(audit(file_lines(out), until(ledger))), ledger["accepted"], "records in the file")
    pack = json.loads(file_lines(out)[0])
    equal(pack[0]["bn"], "gw/board/", "its device")
    return ({r["n"]: next(r[k] for k in ("v", "vs", "vb") if k in r) for r in pack},
            {r["n"]: r["u"] for r in pack if "u" in r})


def test_pi():
    values, units = sample("pi", PI)
    check(values.pop("uptime") > 0 and values.pop("load") >= 0, "uptime, load")
    check(values.pop("rtc_ahead") < -1e9, "an RTC that stands in 1970")
    equal(values, {
        "cpu_temperature": 48.312, "cpu_frequency": 1500000000, "undervoltage": True,
        "frequency_capped": False, "throttled": True, "temperature_limited": False,
        "undervoltage_since_boot": True, "throttled_since_boot": True,
        "clock_source": "arch_sys_counter", "rtc": True, "storage_mmcblk0_worn": 30,
        "storage_mmcblk0_end_of_life": "warning", "storage_mmcblk0_written": 4096 * 512}, "values")
    equal(units, {"cpu_temperature": "Cel", "cpu_frequency": "Hz", "rtc_ahead": "s", "uptime": "s"},
          "units")


def test_other():
    values, _ = sample("other", OTHER)
    del values["uptime"], values["load"]
    equal(values, {
        "cpu_temperature": -1.5, "undervoltage": True, "throttled": True, "rtc": False,
        "supply_AC_online": False, "supply_BAT0_capacity": 87,
        "supply_BAT0_status": "Discharging"}, "values")


main(globals())
