/* What the tests of the page share: a browser that watches for what must not be, a gateway with real
 * brokers and devices, a way to wait for a condition. Nothing here waits for a time. */
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { createServer as create_http } from "node:http";
import { createServer } from "node:net";
import { cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const PAGE = join(ROOT, "gateway/console/page");
export const FIELDGATE = resolve(process.env.FIELDGATE ?? join(ROOT, "build/fieldgate"));
const DEADLINE_MS = Number(process.env.DEADLINE_S ?? 40) * 1000;
const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export const ILL = '<img src=x onerror="window.hit=1">';

export async function until(what, condition, ms = DEADLINE_MS) {
	const end = Date.now() + ms;
	let got, fault;

	for (;;) {
		try {
			got = await condition();
			fault = null;
		} catch (error) {
			got = null;
			fault = error;
		}
		if (got)
			return got;
		if (Date.now() > end)
			throw new Error(`${what}: not within ${ms / 1000} s${fault ? `: ${fault.message}` : ""}`);
		await new Promise((done) => setTimeout(done, 50));
	}
}

export function free_port() {
	return new Promise((done) => {
		const server = createServer().listen(0, "127.0.0.1", () => {
			const { port } = server.address();
			server.close(() => done(port));
		});
	});
}

/* The page's modules, for what can be asked without a page; a copy that says that they are modules. */
export async function module_of(name) {
	const folder = mkdtempSync(join(tmpdir(), "fieldgate-page."));

	cpSync(PAGE, folder, { recursive: true });
	writeFileSync(join(folder, "package.json"), '{"type":"module"}');
	return import(pathToFileURL(join(folder, name)));
}

/* -- processes -- */

export function run(program, args, { log, ready } = {}) {
	const out = log ? openSync(log, "a") : "ignore";
	const child = spawn(program, args, { stdio: ["ignore", out, out] });

	running.add(child);
	child.ended = new Promise((done) => child.on("exit", (code, signal) => {
		running.delete(child);
		done(code ?? signal);
	}));
	child.on("error", () => {});
	return ready ? until(`${program} to be ready`, ready).then(() => child) : child;
}

export async function end(child, signal = "SIGTERM") {
	if (!child || !running.has(child))
		return null;
	child.kill(signal);
	return child.ended;
}

function answers(port) {
	return new Promise((done) => {
		import("node:net").then(({ connect }) => {
			const socket = connect(port, "127.0.0.1", () => {
				socket.destroy();
				done(true);
			}).on("error", () => done(false));
		});
	});
}

export class Broker {
	constructor(folder, name, port) {
		Object.assign(this, { name, port, url: `mqtt://127.0.0.1:${port}`, conf: join(folder, `${name}.conf`) });
		writeFileSync(this.conf, `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
	}

	async start() {
		if (!running.has(this.child))
			this.child = await run("/usr/sbin/mosquitto", ["-c", this.conf], { ready: () => answers(this.port) });
		return this;
	}

	stop(signal) {
		return end(this.child, signal);
	}

	publish(topic, payload) {
		execFileSync("mosquitto_pub", ["-p", this.port, "-q", "1", "-t", topic, "-m", payload]);
	}
}

/* An HTTP server that takes packs, or refuses them with words of ill will. */
export async function picky_server() {
	const server = create_http((req, res) => {
		req.resume().on("end", () => {
			res.statusCode = server.refuses ? 422 : 204;
			res.end(server.refuses ? `no such measurement ${ILL}` : "");
		});
	});

	await new Promise((done) => server.listen(0, "127.0.0.1", done));
	server.refuses = true;
	server.unref();
	return server;
}

export class Gateway {
	constructor(config) {
		this.folder = mkdtempSync(join(tmpdir(), "fieldgate-console."));
		this.conf = join(this.folder, "gateway.json");
		this.log = join(this.folder, "gateway.log");
		this.secrets = join(this.folder, "secrets");
		mkdirSync(this.secrets);
		this.config = { gateway: { id: "plant-7" }, clock: { trust: "always" },
			run: { socket: join(this.folder, "control.sock") },
			spool: { dir: join(this.folder, "spool"), limit: "16MiB", segment: "1MiB" }, ...config };
	}

	secret(name, text) {
		writeFileSync(join(this.secrets, name), text, { mode: 0o600 });
	}

	get url() {
		return this.address ?? this.config.console.listen;
	}

	set url(address) {
		this.address = address;
	}

	write() {
		writeFileSync(this.conf, JSON.stringify(this.config, null, 1));
	}

	async start() {
		this.write();
		process.env.CREDENTIALS_DIRECTORY = this.secrets;
		this.child = run(FIELDGATE, ["run", "-c", this.conf], { log: this.log });
		await until("the gateway to be ready", async () => {
			assert(running.has(this.child), `the gateway ended: ${this.said()}`);
			return (await fetch(`${this.url}/healthz`)).ok;
		});
		return this;
	}

	said() {
		return readFileSync(this.log, "utf8").slice(-3000);
	}

	ask(...args) {
		return execFileSync(FIELDGATE, [...args, "-c", this.conf], { encoding: "utf8" });
	}

	ledger() {
		return JSON.parse(this.ask("ledger"));
	}

	kill() {
		return end(this.child, "SIGKILL");
	}

	async stop() {
		const status = await end(this.child);

		assert.ok(status === 0 || status === null, `the gateway ended with ${status}: ${this.said()}`);
		assert.doesNotMatch(readFileSync(this.log, "utf8"), /Sanitizer|runtime error:/);
	}
}

/* accepted = acknowledged + sent + waiting + dead + dropped, for each bridge */
export function check_ledger(ledger) {
	for (const [name, b] of Object.entries(ledger.bridges)) {
		const dropped = Object.values(b.dropped).reduce((a, n) => a + n, 0);
		assert.equal(b.acknowledged + b.sent + b.waiting + b.dead + dropped, ledger.accepted, `the account of ${name}`);
	}
	return ledger;
}

/* -- the browser -- */

export class Browser {
	async start() {
		this.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true,
			args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync"] });
		return this;
	}

	/* A page in a browser of its own. What must never be is collected in page.wrongs. */
	async open(url, options = {}) {
		const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
		const page = await context.newPage();

		page.setDefaultTimeout(DEADLINE_MS);
		page.wrongs = [];
		page.files = new Map();
		page.on("pageerror", (error) => page.wrongs.push(`error: ${error.message}`));
		/* the browser's own word on a status or a connection that failed is no fault of the page */
		page.on("console", (m) => ["error", "warning"].includes(m.type()) && !/^Failed to load resource/.test(m.text()) &&
			page.wrongs.push(`console: ${m.text()}`));
		page.on("dialog", (dialog) => {
			page.wrongs.push(`dialog: ${dialog.message()}`);
			dialog.dismiss();
		});
		page.on("request", (request) => {
			if (new URL(request.url()).origin !== new URL(url).origin)
				page.wrongs.push(`request: ${request.url()}`);
		});
		page.on("response", async (response) => {
			const { pathname } = new URL(response.url());
			if (!pathname.startsWith("/api/") && response.status() === 200)
				page.files.set(pathname, (await response.body().catch(() => "")).length);
		});
		await page.goto(url, { waitUntil: "load" });
		return page;
	}

	stop() {
		return this.browser?.close();
	}
}

export async function done(page) {
	assert.equal(await page.evaluate(() => window.hit), undefined, "no text from outside has run");
	assert.equal(await page.locator("img:not([src='favicon.svg'])").count(), 0);
	assert.deepEqual(page.wrongs, []);
	await page.context().close();
}

export function text_of(page, selector) {
	return page.locator(selector).first().innerText();
}

/* a text that comes in time */
export function sees(page, pattern, selector = "main") {
	return until(`${pattern} in ${selector}`, async () => {
		const text = (await text_of(page, selector)).replace(/\s+/g, " ");
		assert.match(text, pattern);
		return true;
	});
}

export const digits = (text) => Number(text.replace(/[^\d.-]/g, ""));

/* In the page: every text whose contrast with what is behind it is too low (WCAG 2.2, 1.4.3). */
export function low_contrast() {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = (colour) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = colour;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		return [r, g, b, a / 255];
	};
	const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
	const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (el) => {
		const layers = [];
		for (let e = el; e; e = e.parentElement)
			layers.push(rgba(getComputedStyle(e).backgroundColor));
		return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
	};
	const found = new Set();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);

	while (walker.nextNode()) {
		const el = walker.currentNode.parentElement, style = getComputedStyle(el);
		if (!walker.currentNode.data.trim() || el.closest(".unseen, :disabled, noscript, option") || !el.checkVisibility())
			continue;
		const behind = ground(el), text = over(rgba(style.color), behind);
		const [a, b] = [light(text), light(behind)].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < (large ? 3 : 4.5))
			found.add(`${ratio.toFixed(2)} ${el.localName}.${el.className} “${walker.currentNode.data.slice(0, 30)}”`);
	}
	return [...found];
}
