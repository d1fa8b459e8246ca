#!/usr/bin/python3
"""Fleet files: what a gateway's configuration becomes and where each key is from, faults told once,
what changes between two fleets, and that the example that comes with the product is sound."""
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fg  # noqa: E402  pylint: disable=wrong-import-position

EXAMPLE = os.path.join(fg.SOURCE_DIR, "board/fleet")


def write(path, value):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))


def render(fleet, gateway):
    return json.loads(fg.fieldgate("render", fleet, gateway).out)


def small(name="fleet", **files):
    write(f"{name}/fleet.json", {"bridges": {"out": {"type": "file", "path": "/tmp/x.jsonl"}}})
    for path, value in files.items():
        write(f"{name}/{path.replace('__', '/')}.json", value)
    return name


def test_the_example_is_sound():
    done = fg.fieldgate("fleet", "check", EXAMPLE)
    fg.equal(done.err.count("\n"), 1, f"lines of {done.err}")
    for name in os.listdir(f"{EXAMPLE}/gateways"):
        gateway = name.removesuffix(".json")
        config = render(EXAMPLE, gateway)
        fg.equal(config["gateway"]["id"], gateway, "its id")
        write(f"{gateway}.json", config)
        fg.fieldgate("check", "-c", os.path.abspath(f"{gateway}.json"))


def test_layers_and_origin():
    fleet = small(
        groups__a={"spool": {"limit": "1MiB"}, "limits": {"depth": 5}},
        groups__b={"spool": {"limit": "2MiB"}, "bridges": {"out": {"path": "/tmp/b.jsonl"}}},
        gateways__one={"groups": ["a", "b"], "limits": None},
        gateways__two={"groups": ["b", "a"], "gateway": {"id": "zwei"}})
    one, two = render(fleet, "one"), render(fleet, "two")
    fg.equal(one["spool"]["limit"], "2MiB", "the last group counts")
    fg.equal(two["spool"]["limit"], "1MiB", "the last group counts")
    fg.check("limits" not in one and two["limits"]["depth"] == 5, "null takes away")
    fg.check("groups" not in one, "groups are no configuration")
    fg.equal((one["gateway"]["id"], two["gateway"]["id"]), ("one", "zwei"), "ids")
    both = json.loads(fg.fieldgate("render", "--origin", "--json", fleet, "one").out)
    fg.equal(both["config"], one, "the configuration beside its origins")
    fg.equal(both["origin"]["/spool/limit"], "groups/b.json", "origin")
    fg.equal(both["origin"]["/bridges/out/type"], "fleet.json", "origin")
    fg.equal(both["origin"]["/bridges/out/path"], "groups/b.json", "origin")
    table = fg.fieldgate("render", "--origin", fleet, "two").out
    fg.check("/gateway/id" in table and "gateways/two.json" in table, table)
    done = fg.fieldgate("render", fleet, "oen", want=(3,))
    fg.check('did you mean "one"' in done.err, done.err)
    fg.fieldgate("render", "nowhere", "one", want=(3,))
    fg.fieldgate("render", fleet, want=(2,))


def test_faults_once():
    fleet = small(groups__a={"spool": {"limt": "1MiB"}}, groups__lonely={},
                  **{f"gateways__g{n}": {"groups": ["a"]} for n in range(20)},
                  gateways__broken='{"groups": [}', gateways__lost={"groups": ["b"]},
                  gateways__wrong={"drivers": {"x": {"type": "mqt"}}})
    done = fg.fieldgate("fleet", "check", fleet, want=(1,))
    lines = done.err.splitlines()
    fg.equal(sum("/spool/limt" in line for line in lines), 1, f"once in {done.err}")
    line = next(line for line in lines if "/spool/limt" in line)
    fg.check(line.startswith("groups/a.json: /spool/limt: ") and "limit" in line
             and "20 gateways" in line, line)
    for begin in ("gateways/broken.json: ", "gateways/lost.json: /groups/0: ",
                  "gateways/wrong.json: /drivers/x/type: ", "warning: groups/lonely.json: "):
        fg.check(any(line.startswith(begin) for line in lines), f"{begin} in {done.err}")
    found = json.loads(fg.fieldgate("fleet", "check", "--json", fleet, want=(1,)).out)
    one = next(f for f in found if f["pointer"] == "/spool/limt")
    fg.equal((one["file"], one["severity"], one["gateways"]), ("groups/a.json", "fault", 20), "it")
    fg.fieldgate("fleet", "check", "nowhere", want=(3,))
    fg.fieldgate("fleet", "chekc", fleet, want=(2,))
    os.makedirs("empty")
    fg.fieldgate("fleet", "check", "empty", want=(3,))


def test_a_thousand():
    fleet = "big"
    shutil.copytree(EXAMPLE, fleet)
    for n in range(1000):
        write(f"{fleet}/gateways/n{n:04}.json", {"groups": [("farm", "plant", "house")[n % 3]],
                                                 "gateway": {"id": f"site-{n}"}})
    begun = time.monotonic()
    fg.fieldgate("fleet", "check", fleet)
    took = time.monotonic() - begun
    write(f"{fleet}/gateways/twin.json", {"groups": ["farm"], "gateway": {"id": "site-500"}})
    done = fg.fieldgate("fleet", "check", fleet, want=(1,))
    fg.check("/gateway/id" in done.err and "n0500" in done.err, done.err)
    return f"1,000 gateways checked in {took:.2f} s"


def test_differences():
    old, new = "old", "new"
    shutil.copytree(EXAMPLE, old)
    shutil.copytree(EXAMPLE, new)
    fg.equal(json.loads(fg.fieldgate("fleet", "diff", "--json", old, new).out), [], "no change")

    def edit(path, change):
        with open(f"{new}/{path}.json", encoding="utf-8") as file:
            value = json.load(file)
        change(value)
        write(f"{new}/{path}.json", value)
    edit("groups/plant", lambda v: v["drivers"]["bus"].update(baud=38400))
    edit("groups/house", lambda v: v.update(spool={"dir": "/data/spool"}))
    edit("gateways/farm-north", lambda v: v.update(limits={"depth": 16}))
    edit("gateways/farm-south", lambda v: v["drivers"].update(
        scale=None, x={"type": "mqtt", "url": "mqtt://x", "subscribe": ["a"], "qos": 9}))
    os.unlink(f"{new}/gateways/house-12.json")
    done = fg.fieldgate("fleet", "diff", "--json", old, new, want=(1,))
    got = {c["gateway"]: c for c in json.loads(done.out)}
    fg.equal({name: c.get("takes", c["change"]) for name, c in got.items()},
             {"plant-7-line-1": "reopen", "plant-7-line-2": "reopen", "house-12": "removed",
              "house-14": "restart", "farm-north": "reload", "farm-south": "invalid"}, "takes")
    fg.equal(got["plant-7-line-1"]["drivers"], ["bus"], "reopened")
    fg.equal(got["plant-7-line-1"]["changes"],
             [{"pointer": "/drivers/bus/baud", "old": 19200, "new": 38400}], "changes")
    text = fg.fieldgate("fleet", "diff", old, new, want=(1,)).out
    fg.check("plant-7-line-1, plant-7-line-2: a reload; reopens driver bus\n" in text, text)
    fg.check("  /drivers/bus/baud: 19200 -> 38400\n" in text, text)


def test_what_is_promised_holds():
    """A change that is said to be a reload is one, with everything accounted for."""
    fleet = small(gateways__gw={"groups": ["site"], "gateway": {"id": "gw"}},
                  groups__site={"drivers": {"things": {
                      "type": "coap", "listen": f"coap://127.0.0.1:{fg.free_port(2)}"}}})
    config = render(fleet, "gw")
    config["bridges"]["out"]["path"] = os.path.abspath("out.jsonl")
    gateway = fg.Gateway(config).start()
    port = int(config["drivers"]["things"]["listen"].rpartition(":")[2])
    fg.equal(fg.Coap(port).post("lamp", '{"on":true}', 50)[0], "2.04", "answer")
    shutil.copytree(fleet, "before")
    write(f"{fleet}/groups/site.json", {"drivers": config["drivers"], "limits": {"depth": 9}})
    (change,) = json.loads(fg.fieldgate("fleet", "diff", "--json", "before", fleet).out)
    fg.equal((change["takes"], change["drivers"], change["bridges"]), ("reload", [], []), "takes")
    gateway.config.update(limits=render(fleet, "gw")["limits"])
    gateway.reload()
    fg.check("same=2 changed=0" in gateway.said(), gateway.said())
    fg.equal(fg.Coap(port).post("lamp", '{"on":false}', 50)[0], "2.04", "answer after the reload")
    ledger = gateway.wait_drained()
    fg.equal(gateway.status()["generation"], 2, "generation")
    gateway.stop()
    fg.audit(fg.file_lines("out.jsonl"), fg.until(ledger))


fg.main(globals())
