/* mock.js [PORT] [TOKEN]: a gateway that is none, for work on the page: the console's HTTP interface
 * with data that moves. An upstream that goes away and comes back, letters that were refused, devices that
 * fall silent, names and values of ill will. The page is read from the tree with each request. */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";

const PAGE = new URL("../../gateway/console/page/", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
const ILL = "<img src=x onerror=alert(1)>";
const CYCLE_S = 120, AWAY_S = 60;	/* of each cycle the cloud is away this long */
const BEGUN = Date.now();

const port = Number(process.argv[2] ?? 8081), token = process.argv[3];
const sessions = new Set(), streams = new Set();
const letters = Array.from({ length: 7 }, (_, i) => ({ why: i % 2 ? "413 payload too large" : `${ILL} bad value`,
	time: BEGUN / 1000 - 300 * i, records: 12, pack: [{ bn: "mock/press/", n: "force", v: i, epoch: "9f3c2a7105d1e6b4", first: i, last: i + 11 }] }));

const world = { second: 0, accepted: 0, field: 0, things: 0, cloud: 0, local: 0, dead: 84, faults: 0, rejected: 3,
	values: new Map(), commands: { requests: 0, waiting: 0, done: 0, failed: 0, expired: 0, unreachable: 0, refused: 0, repeated: 0 } };
const devices = ["hall-lamp", "press", ILL, "line/2/oven", "\u202egnp.exe",
	...Array.from({ length: 120 }, (_, i) => `sensor-${String(i).padStart(3, "0")}`)];

function away() {
	return world.second % CYCLE_S >= CYCLE_S - AWAY_S;
}

function live_state(i) {
	return i % 41 === 7 ? "offline" : i % 29 === 5 ? "late" : "online";
}

function turn() {
	const n = Math.round(350 + 60 * Math.sin(world.second / 7) + 30 * Math.random());

	world.second++;
	world.accepted += n;
	world.field += Math.round(n * 0.7);
	world.things += n - Math.round(n * 0.7);
	world.local = world.accepted;
	if (away())
		world.faults++;
	else
		world.cloud = Math.min(world.accepted - world.dead, world.cloud + 1400);
	world.rejected += Math.random() < 0.02 ? 1 : 0;
}

function account(out, dead) {
	const waiting = world.accepted - out - dead;

	return { acknowledged: out, sent: 0, waiting, dead, dropped: {}, oldest_s: waiting > 0 ? waiting / 350 : 0 };
}

function status() {
	const down = away(), noise = () => 0.5 + Math.random();
	const phase = (p50, p99) => ({ p50_ms: p50 * noise(), p99_ms: p99 * noise() });
	const links = (type, n, up, fault, faults) => ({ type, state: up ? "up" : "retrying", packs: Math.ceil(n / 100),
		records: n, delivered: n, bytes: n * 61, in_flight: up ? 3 : 0, faults, fault,
		state_s: world.second });

	return {
		state: "online", version: "0.1.0", generation: 4, config: "d1bf018073e0b0924c609d3c1390acffe638648d77dcecac2e9869feed05fe81",
		since: Math.floor(BEGUN / 1000) - 86400, epoch: "9f3c2a7105d1e6b4", last: world.accepted,
		ledger: { gateway: "mock-7-line-2", epoch: "9f3c2a7105d1e6b4", last: world.accepted, received: world.accepted + 1200,
			suppressed: 1200, rejected: { malformed: world.rejected }, accepted: world.accepted,
			bridges: { cloud: account(world.cloud, world.dead), local: account(world.local, 0) } },
		drivers: { field: { type: "mqtt", state: "up", payloads: world.field >> 2, records: world.field, rejected: world.rejected, faults: 0, fault: null, state_s: world.second },
			things: { type: "coap", state: "up", payloads: world.things >> 2, records: world.things, rejected: 0, faults: 0, fault: null },
			meter: { type: "serial", state: "retrying", payloads: 0, records: 0, rejected: 0, faults: 812, fault: `/dev/ttyUSB0: No such file or directory ${ILL}` } },
		links: { cloud: links("nats", world.cloud, !down, world.faults ? "Connection refused" : null, world.faults),
			local: links("file", world.local, true, null, 0) },
		commands: world.commands, devices: devices.length,
		states: devices.reduce((n, _, i) => ({ ...n, [live_state(i)]: n[live_state(i)] + 1 }), { online: 0, late: 0, offline: 0 }),
		payloads: world.accepted >> 2, clock: world.second % 60 < 50 ? "synced" : "unsynced", clock_steps: 0,
		loop: { turns: world.second * 40, lag_p50_ms: 0.048, lag_p99_ms: 0.64, longest_turn_ms: 3.78, phases: {
			timers: phase(0.004, 0.05), pending: phase(0.001, 0.01), idle: phase(0, 0), prepare: phase(0.002, 0.02),
			poll: phase(0.06, 0.6), check: phase(0.11, 1.9), close: phase(0, 0) } },
		memory_kib: 4212, spool: { bytes: 4194304 * spool().segments.length, segments: spool().segments.length, committed: world.accepted - 40,
			oldest: spool().oldest, limit: 67108864, holder: spool().segments.length > 1 ? "cloud" : null },
	};
}

function spool() {
	const each = 8000, first = Math.floor(world.cloud / each), last = Math.floor(world.accepted / each);
	const segments = Array.from({ length: last - first + 1 }, (_, i) => ({ file: `${((first + i) * each + 1).toString(16).padStart(16, "0")}.seg`,
		first: (first + i) * each + 1, last: Math.min(world.accepted, (first + i + 1) * each), bytes: 4194304 }));
	const cursor = (out, holds) => ({ position: out, waiting: world.accepted - out, oldest_s: (world.accepted - out) / 350, holds });

	return { dir: "/var/lib/fieldgate", bytes: segments.length * 4194304, limit: 67108864, segments, oldest: first * each + 1,
		accepted: world.accepted, committed: world.accepted - 40, cursors: { cloud: cursor(world.cloud, segments.length > 1), local: cursor(world.local, false) } };
}

function points(device) {
	const now = Date.now() / 1000, i = Math.max(0, devices.indexOf(device));
	const wave = Math.round((21 + i % 7 + 3 * Math.sin(now / 20 + i) + Math.random() / 2) * 10) / 10;

	return [["temperature", "Cel", wave, false], ["humidity", "%RH", Math.round(40 + 8 * Math.cos(now / 33 + i)), false],
		["energy", "kWh", 9007199254740993 + i, false], ["occupied", null, Math.sin(now / 15) > 0, false],
		["mode", null, i % 2 ? "eco" : ILL, true], ["setpoint", "Cel", world.values.get(device) ?? 21.5, true]]
		.map(([point, unit, value, writable]) => ({ point, unit, value, time: now, unsynced: point === "humidity", writable }));
}

function liveness(device, i) {
	const state = live_state(i), silent_s = { online: 2 * Math.random(), late: 170, offline: 4000 }[state];

	return { device, state, heard: Date.now() / 1000 - silent_s, silent_s, interval_s: i % 3 ? 60 : null, interval: i % 3 ? "learned" : null };
}

function config() {
	return { path: "/etc/fieldgate/gateway.json", sha256: status().config, effective: {
		gateway: { id: "mock-7-line-2" }, spool: { dir: "/var/lib/fieldgate", limit: "64MiB", commit: "1s", when_full: "drop-oldest" },
		drivers: { field: { type: "mqtt", url: "mqtt://127.0.0.1:1883", subscribe: ["zigbee2mqtt/+", "tele/+/SENSOR"], qos: 1 } },
		bridges: { cloud: { type: "nats", url: "nats://nats.example:4222", token: { secret: "cloud" }, window: 16 } } },
	origin: { "/gateway/id": "file", "/spool/dir": "default", "/spool/limit": "file", "/spool/commit": "default", "/spool/when_full": "default",
		"/drivers/field": "file", "/drivers/field/qos": "default", "/bridges/cloud": "file", "/bridges/cloud/token": "secret", "/bridges/cloud/window": "default" } };
}

function list(query) {
	const search = query.get("search") ?? "", state = query.get("state") ?? "", from = query.get("from") ?? "";
	const limit = Number(query.get("limit") ?? 100);
	const all = devices.map((d, i) => liveness(d, i)).filter((d) => d.device.includes(search) && (!state || d.state === state))
		.sort((a, b) => a.device < b.device ? -1 : 1);
	const rest = all.filter((d) => d.device >= from);

	return { devices: rest.slice(0, limit), next: rest[limit]?.device ?? null, total: all.length };
}

async function command({ device, point, value }) {
	const answer = (outcome, why = null) => {
		world.commands.requests++;
		world.commands[outcome]++;
		return { id: String(Date.now()), device, point, outcome, why };
	};

	await new Promise((resolve) => setTimeout(resolve, 400));
	if (point !== "setpoint")
		return answer("unreachable", "the device did not confirm it in time");
	if (typeof value !== "number" || value > 80)
		return answer("refused", "more than the point's greatest value");
	world.values.set(device, value);
	return answer("done");
}

function let_go(records) {
	world.dead = 0;
	letters.length = 0;
	return { records };
}

const GET = {
	status, spool, config, ledger: () => status().ledger, devices: list,
	device: (q) => devices.includes(q.get("id")) ? { ...liveness(q.get("id"), devices.indexOf(q.get("id"))), source: "field", points: points(q.get("id")) } : null,
	dead: (q) => ({ bridge: q.get("bridge"), letters: q.get("bridge") === "cloud" ? letters : [], more: false }),
};
const POST = {
	command, reload: () => ({ report: "nothing differs", faults: [] }),
	"dead/requeue": () => let_go(world.dead), "dead/discard": () => let_go(world.dead),
};

function send(res, code, body, headers = {}) {
	res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
	res.end(JSON.stringify(body));
}

function stream(req, res, device) {
	const viewer = { res, device };

	res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
	streams.add(viewer);
	res.on("close", () => streams.delete(viewer));
	tell(viewer);
}

function tell({ res, device }) {
	res.write(`event: status\ndata: ${JSON.stringify(status())}\n\n`);
	if (device === null)
		return;
	const records = points(device).map(({ point, unit, value, unsynced }) => ({ n: point, ...(unit && { u: unit }),
		[{ number: "v", string: "vs", boolean: "vb" }[typeof value]]: value, ...(unsynced && { clock: "unsynced" }) }));
	records[0] = { bn: `mock-7-line-2/${device}/`, bt: Date.now() / 1000, ...records[0] };
	res.write(`event: reading\ndata: ${JSON.stringify(records)}\n\n`);
}

async function body_of(req) {
	let text = "";

	for await (const part of req)
		text += part;
	return JSON.parse(text || "{}");
}

function known(req) {
	return !token || [...sessions].some((s) => req.headers.cookie?.includes(`fieldgate=${s}`));
}

async function session(req, res) {
	if (req.method === "DELETE")
		return send(res, 200, {}, { "Set-Cookie": "fieldgate=; Max-Age=0" });
	if ((await body_of(req)).token !== token)
		return send(res, 401, { error: "not the token" });
	const id = String(Math.random()).slice(2);
	sessions.add(id);
	return send(res, 200, {}, { "Set-Cookie": `fieldgate=${id}; HttpOnly; SameSite=Strict` });
}

async function api(req, res, url) {
	const name = url.pathname.slice("/api/v1/".length);

	if (name === "session")
		return session(req, res);
	if (!known(req))
		return send(res, 401, { error: "a token is needed" });
	if (name === "stream")
		return stream(req, res, url.searchParams.get("device"));
	const act = (req.method === "POST" ? POST : GET)[name];
	const answer = act && await act(req.method === "POST" ? await body_of(req) : url.searchParams);
	return answer ? send(res, 200, answer) : send(res, 404, { error: "no such thing" });
}

async function page(res, path) {
	const file = path === "/" ? "index.html" : path.slice(1);

	try {
		if (!/^[\w.-]+$/.test(file))
			throw new Error("no such file");
		const bytes = await readFile(new URL(file, PAGE));
		res.writeHead(200, { "Content-Type": TYPES[file.split(".").at(-1)], "Content-Security-Policy": CSP, "Cache-Control": "no-cache" });
		res.end(bytes);
	} catch {
		send(res, 404, { error: "no such file" });
	}
}

for (let i = 0; i < 70; i++)
	turn();
setInterval(() => {
	turn();
	for (const viewer of streams)
		tell(viewer);
}, 1000);
createServer((req, res) => {
	const url = new URL(req.url, "http://mock");
	(url.pathname.startsWith("/api/") ? api(req, res, url) : page(res, url.pathname)).catch((error) => send(res, 400, { error: error.message }));
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/`));
