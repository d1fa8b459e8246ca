/* What the page reckons and writes, without a page. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { module_of } from "./harness.js";

const { History, account_sum, backlog, bridge_out, accepted, room } = await module_of("figures.js");
const { Watch } = await module_of("trouble.js");
const { moment, plain, rate, span, value, unit, bytes, ms } = await module_of("words.js");
const { read_pack, Series } = await module_of("readings.js");
const { to_json } = await module_of("commands.js");
const { leaves, origin_of } = await module_of("config.js");
const { ticks } = await module_of("chart.js");
const { read_json } = await module_of("live.js");

function status(n, { waiting = 0, oldest_s = 0, state = "up", dead = 0, dropped = {}, due = n, ...more } = {}) {
	const lost = Object.values(dropped).reduce((a, b) => a + b, 0);

	return { since: 1, epoch: "e", ledger: { gateway: "g", accepted: n, received: n, suppressed: 0, rejected: {}, bridges: {
		cloud: { acknowledged: due - waiting - dead - lost, sent: 0, waiting, dead, dropped, oldest_s } } },
	drivers: { field: { type: "mqtt", state: "up", payloads: n, records: n, rejected: 0, faults: 0, fault: null } },
	links: { cloud: { type: "nats", state, state_s: 80, fault: state === "up" ? null : "Connection refused" } },
	states: { online: 1, late: 0, offline: 0 }, clock: "synced", loop: { lag_p99_ms: 1 },
	spool: { bytes: 1e6, limit: 1e7, oldest: 1, segments: 1 }, ...more };
}

/* statuses a second apart */
function history(...statuses) {
	const h = new History();

	statuses.forEach((s, i) => h.add(s, 1e12 + i * 1000));
	return h;
}

test("rates are those of the last seconds, and none is known from one status", () => {
	assert.ok(Number.isNaN(history(status(10)).rate(accepted)));
	assert.equal(history(status(0), status(100), status(200)).rate(accepted), 100);
	const slower = history(...Array.from({ length: 30 }, (_, i) => status(i < 15 ? i * 100 : 1400 + (i - 14) * 10)));
	assert.equal(slower.rate(accepted), 10);
});

test("a new run of the gateway begins the rates anew", () => {
	const h = history(status(5000), status(5100), status(20, { since: 2 }));

	assert.ok(Number.isNaN(h.rate(accepted)));
	h.add(status(50, { since: 2 }), 1e12 + 3000);
	assert.equal(h.rate(accepted), 30);
	assert.ok(h.course(accepted).every(([, v]) => v === null || v >= 0));
});

test("a backlog that shrinks has a time by which it is drained", () => {
	const log = backlog(history(status(9000, { waiting: 9000, oldest_s: 60 }), status(9100, { waiting: 8500, oldest_s: 60 }),
		status(9200, { waiting: 8000, oldest_s: 59 })), "cloud");

	assert.deepEqual([log.kind, log.per_s, log.eta_s], ["drains", 500, 16]);
});

test("a backlog drains from the moment that its bridge is up again", () => {
	const h = history(...[1000, 5000, 9000].map((n) => status(n, { waiting: n, oldest_s: 60, state: "retrying" })),
		status(9100, { waiting: 9000, oldest_s: 60 }), status(9200, { waiting: 8000, oldest_s: 60 }));
	const log = backlog(h, "cloud");

	assert.deepEqual([log.kind, log.eta_s], ["drains", 8]);
});

test("a backlog grows, stands, is held, or is none", () => {
	const kind = (a, b) => backlog(history(a, b), "cloud").kind;

	assert.equal(kind(status(100, { waiting: 100, oldest_s: 60 }), status(200, { waiting: 200, oldest_s: 61 })), "grows");
	assert.equal(kind(status(100, { waiting: 100, oldest_s: 60 }), status(200, { waiting: 100, oldest_s: 60 })), "steady");
	assert.equal(kind(status(100), status(200, { waiting: 100, oldest_s: 1, state: "retrying" })), "held");
	assert.equal(kind(status(100), status(200, { waiting: 90, oldest_s: 0.3 })), "none");
	assert.equal(backlog(history(status(100, { waiting: 100, oldest_s: 60 })), "cloud").kind, "measuring");
});

test("an account adds up, and of a bridge begun later to what it was due", () => {
	assert.deepEqual(account_sum(history(status(100, { waiting: 40, dead: 3, dropped: { "spool-full": 7 } })), "cloud"),
		{ total: 100, before: 0, holds: true });
	assert.deepEqual(account_sum(history(status(100, { due: 60 }), status(200, { due: 160 })), "cloud"),
		{ total: 160, before: 40, holds: true });
	assert.equal(account_sum(history(status(100, { due: 60 }), status(200, { due: 150 })), "cloud").holds, false);
	assert.equal(account_sum(history(status(100, { due: 101 })), "cloud").holds, false);
});

test("the time until the spool is full", () => {
	const { share, full_s } = room(history(status(10000), status(10100)));

	assert.equal(share, 0.1);
	assert.ok(Math.abs(full_s - (1e7 - 1.01e6) / 1e4) < 20, String(full_s));
});

test("troubles are told in words, the worst first, with their begin", () => {
	const watch = new Watch();
	const well = history(status(1), status(2), status(3));

	assert.deepEqual(watch.look(well), []);
	well.add(status(900, { waiting: 700, oldest_s: 90, state: "retrying", dead: 5,
		drivers: { field: { type: "mqtt", state: "retrying", fault: "no \u202eroute", rejected: 0 } },
		states: { online: 0, late: 0, offline: 2 } }), 1e12 + 3000);
	const found = watch.look(well, 1e12 + 3000);
	assert.deepEqual(found.map((t) => t.level), ["bad", "warn", "warn", "warn"]);
	assert.equal(found[0].what, "Driver field (mqtt) is not up: no ⟨202E⟩route.");
	assert.match(found[0].since, /^since \d/);
	assert.match(found[1].what, /^Bridge cloud \(nats\) is not connected: Connection refused/);
	assert.equal(found[1].since, `since ${moment(1e12 - 77000, 1e12)}`);
	assert.match(found[1].means, /^700 records wait on the disk, the oldest from .*; none is lost/);
	assert.ok(found.every((t) => t.means && t.todo));
});

test("records that are being lost are worse than those that were", () => {
	const look = (h) => new Watch().look(h).find((t) => t.key.startsWith("dropped")).level;

	assert.equal(look(history(status(90, { dropped: { damaged: 5 } }), status(91, { dropped: { damaged: 5 } }))), "note");
	assert.equal(look(history(status(90, { dropped: { damaged: 5 } }), status(91, { dropped: { damaged: 6 } }))), "bad");
});

test("a bridge that is up and gets nothing acknowledged", () => {
	const h = history(...Array.from({ length: 40 }, (_, i) => status(1000 + i, { waiting: 900 + i, oldest_s: 40 + i, due: 1000 + i })));

	assert.ok(new Watch().look(h).some((t) => t.key === "stalled cloud"));
	assert.equal(h.slope(bridge_out("cloud")), 0);
});

test("numbers, times and sizes as people write them", () => {
	assert.deepEqual([0.4, 59.9, 60, 200, 3600, 7500, 90000, NaN].map(span),
		["under 1 s", "59 s", "1 min", "3 min 20 s", "1 h", "2 h 5 min", "1 d 1 h", "–"]);
	assert.deepEqual([0, 0.32, 9.94, 9.96, 1234.5].map(rate), ["0", "0.3", "9.9", "10", "1,235"]);
	assert.deepEqual([0, 1023, 1536, 4194304, 67108864].map(bytes), ["0 B", "1,023 B", "1.5 KiB", "4 MiB", "64 MiB"]);
	assert.deepEqual([0.004, 1.26, 20.4].map(ms), ["4 µs", "1.3 ms", "20 ms"]);
	assert.deepEqual(["Cel", "W", null, "x\ny"].map(unit), ["°C", "W", "", "x⟨0A⟩y"]);
});

test("text that would hide or turn what is around it is shown by its codes", () => {
	assert.equal(plain("a\u0000b\u202ec\u2066d\u200be\u001b[31m"), "a⟨00⟩b⟨202E⟩c⟨2066⟩d⟨200B⟩e⟨1B⟩[31m");
	assert.equal(plain("grüße 温度 🙂"), "grüße 温度 🙂");
	assert.equal(plain("x".repeat(1000)), `${"x".repeat(400)}… (1,000 characters)`);
	assert.equal(value(9007199254740993n), "9007199254740993");
});

test("a pack is resolved as RFC 8428 says", () => {
	assert.deepEqual(read_pack([{ bn: "g/d/", bt: 100, bu: "Cel", n: "a", v: 1 }, { n: "b", t: 2, u: "W", vb: false, clock: "unsynced" },
		{ n: "gone" }, { n: "c", vs: "x" }]), [
		{ name: "g/d/a", value: 1, unit: "Cel", time: 100, unsynced: false },
		{ name: "g/d/b", value: false, unit: "W", time: 102, unsynced: true },
		{ name: "g/d/c", value: "x", unit: "Cel", time: 100, unsynced: false }]);
	assert.deepEqual(read_pack(null), []);
});

test("a series stays in the order of its times, and in bounds", () => {
	const s = new Series();

	for (const at of [3000, 1000, 2000])
		s.add(at, at);
	assert.deepEqual(s.line(0).map(([at]) => at), [1000, 2000, 3000]);
	assert.equal(s.beside(2000, 1, s.line(0)), 3000);
	for (let i = 0; i < 10000; i++)
		s.add(4000 + i, i);
	assert.equal(s.values.length, 4000);
	s.gap();
	s.add(20000, 1);
	assert.deepEqual(s.line(13999).map(([, v]) => v).slice(-2), [null, 1]);
});

test("what is typed becomes the JSON that was meant, digit by digit", () => {
	assert.deepEqual(["21.5", " -3e2 ", "true", "eco", "007", "9007199254740993", "NaN"].map((t) => to_json(t, false)),
		["21.5", "-3e2", "true", '"eco"', '"007"', "9007199254740993", '"NaN"']);
	assert.equal(to_json("21.5", true), '"21.5"');
});

test("each key of the configuration has the origin of the nearest that is named", () => {
	const rows = leaves({ a: { "b/c": 1, "~": [1, 2] }, e: {} });

	assert.deepEqual(rows, [["/a/b~1c", 1], ["/a/~0", [1, 2]], ["/e", {}]]);
	assert.equal(origin_of({ "/a": "file", "/a/b~1c": "default" }, "/a/b~1c"), "default");
	assert.equal(origin_of({ "/a": "file" }, "/a/b/c"), "file");
	assert.equal(origin_of({}, "/toString"), "");
});

test("an axis has round numbers", () => {
	assert.deepEqual(ticks(0, 1), [0, 0.5, 1]);
	assert.deepEqual(ticks(19.7, 23.2), [20, 21, 22, 23]);
});

test("whole numbers keep their digits where the platform shows them", (t) => {
	if (JSON.parse("1", (k, v, c) => typeof c) !== "object")
		return t.skip("this Node.js has no JSON.parse with source text");
	assert.equal(read_json('{"a":9007199254740993}').a, 9007199254740993n);
	return undefined;
});
