/* The page in a real browser, served by the real program, with real brokers and simulated devices. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Broker, Browser, FIELDGATE, Gateway, ILL, check_ledger, digits, done, end, free_port, low_contrast,
	picky_server, run, sees, text_of, until } from "./harness.js";

const VIEWS = ["", "devices", "device/press", "links", "spool", "config"];
const LARGEST = 120 * 1024;
const SHOTS = process.env.SHOTS;	/* a folder for pictures of what was tested */

let browser, field, cloud, server, gateway, devices;

async function shot(page, name, options = { fullPage: true }) {
	if (SHOTS)
		await page.screenshot({ path: join(SHOTS, `${name}.png`), ...options });
}

before(async () => {
	const folder = mkdtempSync(join(tmpdir(), "fieldgate-brokers."));

	if (SHOTS)
		mkdirSync(SHOTS, { recursive: true });
	browser = await new Browser().start();
	field = await new Broker(folder, "field", await free_port()).start();
	cloud = await new Broker(folder, "cloud", await free_port()).start();
	server = await picky_server();
	gateway = new Gateway({
		console: { listen: `http://127.0.0.1:${await free_port()}` },
		drivers: { field: { type: "mqtt", url: field.url, subscribe: ["devices/#", "plant/#"] },
			things: { type: "coap", listen: `coap://127.0.0.1:${await free_port()}` } },
		profiles: { sim: { match: "devices/{device}/telemetry", format: "json",
			points: { temperature: { from: "/temperature", unit: "Cel" }, "*": {} } },
		press: { match: "plant/{device}/state", format: "json", points: { setpoint: { from: "/setpoint", unit: "Cel" }, "*": {} },
			write: { setpoint: { to: "plant/{device}/set", min: 5, max: 80 } } } },
		bridges: { cloud: { type: "mqtt", url: cloud.url, password: { secret: "cloud" }, username: "line-2", rate: 1000 },
			local: { type: "file", path: join(folder, "records.jsonl") },
			history: { type: "http", url: `http://127.0.0.1:${server.address().port}/`, match: ["press/+"] } },
	});
	gateway.secret("cloud", "not-to-be-seen");
	await gateway.start();
	devices = run(FIELDGATE, ["simulate", "--mqtt", field.url, "--devices", "240", "--rate", "80"]);
	press();
	await until("the devices to be heard", async () => (await (await fetch(`${gateway.url}/api/v1/status`)).json()).devices >= 241);
});

after(async () => {
	await browser?.stop();
	await end(devices);
	await cloud?.start();
	if (server)
		server.refuses = false;
	if (gateway) {
		await until("all to be acknowledged", () => Object.values(check_ledger(gateway.ledger()).bridges).every((b) => b.waiting === 0));
		await gateway.stop();
	}
	await cloud?.stop();
	await field?.stop();
	server?.closeAllConnections?.();
});

/* a device that takes commands says how it is */
function press() {
	field.publish("plant/press/state", JSON.stringify({ setpoint: 21.5, mode: ILL, energy: 1 }));
}

/* a view, once it shows what it is about */
async function open(view = "", options) {
	const page = await browser.open(`${gateway.url}/#/${view}`, options);

	await sees(page, /Live/, ".connection");
	await until(`${view} to be there`, async () => !/Asking/.test(await text_of(page, "main")));
	return page;
}

async function sign_in(page, token) {
	await page.getByLabel("Token").fill(token);
	await page.getByRole("button", { name: "Sign in" }).click();
}

describe("the page", () => {
	test("it is small, comes from one host, and its policy allows nothing else", async () => {
		const page = await open();
		const answer = await fetch(`${gateway.url}/`);

		assert.match(answer.headers.get("content-security-policy"), /default-src 'none'/);
		assert.doesNotMatch(answer.headers.get("content-security-policy"), /unsafe|\*|http/);
		for (const view of VIEWS)
			await page.goto(`${gateway.url}/#/${view}`);
		await until("all files", () => page.files.size >= 15);
		const size = [...page.files.values()].reduce((a, b) => a + b, 0);
		assert.ok(size > 10000 && size <= LARGEST, `${size} bytes in ${page.files.size} files`);
		await done(page);
	});

	test("the overview shows rates, the account adds up to the eye, and it moves", async () => {
		const page = await open();
		const term = async (n) => digits(await page.locator(".account").first().locator(".term b").nth(n).innerText());
		const terms = () => page.locator(".account").first().locator(".term b").allInnerTexts();

		const [total, ...parts] = (await terms()).map(digits);
		assert.ok(total > 0);
		assert.equal(parts.length, 5);
		assert.equal(total, parts.reduce((a, b) => a + b, 0));
		await sees(page, /adds up/, ".account");
		await until("a rate", async () => digits(await text_of(page, ".figure .number")) > 50);
		await until("the account to move", async () => await term(0) > total);
		await sees(page, /timers[\s\S]*poll[\s\S]*check/, ".phases");
		const rates = await page.locator(".flow .per b").allInnerTexts();
		assert.equal(rates.length, 5);
		await shot(page, "overview-well");
		await done(page);
	});

	test("devices are searched, filtered and turned over page by page", async () => {
		const page = await open("devices");
		const rows = () => page.locator("tbody tr").count();
		/* a page ends with a bucket of the gateway's table: it may have some more than were asked for */
		const is_first = (n) => n >= 200 && n < 230;

		await until("a page of them", async () => is_first(await rows()));
		await page.getByRole("button", { name: "Next" }).click();
		await until("the rest", async () => await rows() > 10 && await rows() < 100);
		await page.getByRole("button", { name: "Back" }).click();
		await until("the first page", async () => is_first(await rows()));
		await page.getByRole("searchbox").fill("d0017");
		await until("one", async () => await rows() === 1);
		assert.match(page.url(), /search=d0017/);
		await sees(page, /d0017/, "tbody tr");
		await page.getByRole("link", { name: /^Offline/ }).click();
		await sees(page, /No device fits/);
		await page.getByRole("link", { name: "Show all" }).click();
		await until("all again", async () => is_first(await rows()));
		assert.equal(await page.getByRole("searchbox").inputValue(), "");
		await shot(page, "devices");
		await page.locator("tbody a").nth(3).click();
		await sees(page, /Last values/);
		await done(page);
	});

	test("a device shows values with units, and the chart goes on", async () => {
		const page = await open("device/d0001?point=temperature");
		const drawn = async () => (await page.locator(".steer path.line:not(.dots)").getAttribute("d")).length;

		await sees(page, /°C/, ".readout");
		const begin = await drawn();
		await until("more of the line", async () => await drawn() > begin + 10);
		await page.getByRole("button", { name: "1 min" }).click();
		await until("it is pressed", async () => await page.getByRole("button", { name: "1 min" }).getAttribute("aria-pressed") === "true");
		const now = await text_of(page, ".readout");
		await page.locator(".steer").focus();
		await page.keyboard.press("ArrowLeft");
		await page.keyboard.press("ArrowLeft");
		await until("an older value", async () => await text_of(page, ".readout") !== now && await page.locator(".mark").count() === 1);
		await sees(page, /at \d\d:\d\d/, "#say");
		await page.getByRole("link", { name: "humidity" }).click();
		await sees(page, /humidity/, "section[aria-label=Chart] h2");
		await shot(page, "device");
		await done(page);
	});

	test("commands are sent, and what became of them is said", async () => {
		const page = await open("device/press");
		const send = async (text) => {
			await page.getByRole("textbox", { name: "Value" }).fill(text);
			await page.getByRole("button", { name: "Send" }).click();
		};

		await send("25.5");
		await sees(page, /setpoint = 25\.5 done/, ".outcomes li");
		assert.match(await text_of(page, "#say"), /setpoint: done/);
		await send("900");
		await sees(page, /setpoint = 900 refused.*more than/, ".outcomes li");
		await send("warm");
		await sees(page, /setpoint = "warm" refused/, ".outcomes li");
		assert.equal(await page.locator(".outcomes li").count(), 3);
		await shot(page, "command");
		await done(page);
	});

	test("what a device says is text", async () => {
		field.publish(`plant/${ILL.replaceAll(/[+#/]/g, "")}/state`, JSON.stringify({ note: ILL, [ILL]: "\u202eturned" }));
		const page = await open("devices?search=img");

		await page.locator("tbody a").click();
		await until("its values", async () => (await page.locator("td.value").allInnerTexts()).some((t) => t.includes(ILL)));
		await sees(page, /⟨202E⟩turned/, "tbody");
		await page.getByRole("link", { name: "note" }).click();
		await until("it in the list", async () => (await text_of(page, ".texts")).includes(ILL));
		await done(page);
	});

	test("dead letters are read, put back in line, and discarded, but not by mistake", async () => {
		const page = await open("links");
		const card = page.locator("section[aria-label=history]");

		await until("a letter", async () => /Dead letters\s+[1-9]/.test(await card.innerText()));
		await card.getByRole("button", { name: "Read letters" }).click();
		await until("its reason", async () => (await card.locator(".letters").innerText()).includes("422"));
		await card.locator("summary").first().click();
		await until("its pack", async () => (await card.locator("pre").first().innerText()).includes("plant-7/press/"));
		await card.getByRole("button", { name: "Discard…" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
		assert.equal(await page.getByRole("dialog").count(), 0);
		await until("still there", async () => /Dead letters\s+[1-9]/.test(await card.innerText()));
		server.refuses = false;
		await card.getByRole("button", { name: "Requeue…" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Requeue" }).click();
		await until("word of it", async () => /put back in line/.test(await card.innerText()));
		await until("none", async () => /Dead letters\s+none/.test(await card.innerText()));
		server.refuses = true;
		field.publish("plant/press/state", '{"setpoint":1}');
		await until("another", async () => /Dead letters\s+1 record/.test(await card.innerText()));
		await card.getByRole("button", { name: "Discard…" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
		await until("none again", async () => /Dropped\s+1 refused/.test(await card.innerText()));
		check_ledger(gateway.ledger());
		await shot(page, "links");
		await done(page);
	});

	test("the configuration shows where each key comes from, and no secret", async () => {
		const page = await open("config");
		const row = (key) => page.locator("tbody tr", { has: page.locator(`code:text-is("${key}")`) });

		await until("its rows", async () => await page.locator("tbody tr").count() > 20);
		assert.match(await row("/bridges/cloud/url").innerText(), /mqtt:\/\/127[\s\S]*file/);
		assert.match(await row("/spool/when_full").innerText(), /drop-oldest[\s\S]*default/);
		assert.match(await page.locator("main").innerText(), /secret/);
		assert.doesNotMatch(await page.content(), /not-to-be-seen/);
		const all = await page.locator("tbody tr").count();
		await page.getByLabel("without defaults").check();
		await until("fewer", async () => await page.locator("tbody tr").count() < all);
		await page.getByRole("searchbox").fill("cloud url");
		await until("one", async () => await page.locator("tbody tr").count() === 1);
		assert.equal(await page.getByText("This is not in force").count(), 0);
		gateway.config.spool.commit = "2s";
		gateway.write();
		await page.reload();
		await sees(page, /This is not in force/);
		await page.getByRole("button", { name: "Reload…" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Reload" }).click();
		await until("a report", async () => await page.locator("[aria-label=Report]").count() === 1);
		await until("the new one", async () => await page.getByText("This is not in force").count() === 0);
		assert.match(await row("/spool/commit").innerText(), /2s[\s\S]*file/);
		await done(page);
	});

	test("the spool shows segments and where each bridge stands", async () => {
		const page = await open("spool");

		for (const bridge of [/cloud/, /local/, /history/])
			await sees(page, bridge, "tbody");
		assert.ok(await page.locator(".segments span").count() >= 1);
		assert.equal(await page.locator(".flags li").count(), 3);
		await shot(page, "spool");
		await done(page);
	});
});

describe("in trouble", () => {
	test("an upstream that is away is told in words; its backlog grows, and drains in a time that is said", async () => {
		const page = await open();
		const waiting = async () => digits(await page.locator(".backlogs li", { hasText: "cloud" }).locator("b").innerText());

		await cloud.stop("SIGKILL");
		await sees(page, /Bridge cloud \(mqtt\) is not connected[\s\S]*Since \d\d:\d\d:\d\d[\s\S]*records? waits? on the disk, [^;]*; none is lost[\s\S]*tried again by itself/, ".troubles");
		run(FIELDGATE, ["simulate", "--mqtt", field.url, "--devices", "60", "--rate", "0", "--count", "5000"]);
		await until("a backlog", async () => await waiting() > 18000);
		await sees(page, /waits for the upstream/, ".backlogs");
		await shot(page, "trouble");
		await shot(page, "trouble-top", {});
		const late = await open();	/* since when is what the gateway says, not what this page saw */
		await sees(late, /Bridge cloud[^.]*\. Since \d\d:\d\d:\d\d\./, ".troubles");
		await late.goto(`${gateway.url}/#/links`);
		await sees(late, /retrying not up for/, "section[aria-label=cloud]");
		await shot(late, "links-down");
		await done(late);
		await cloud.start();
		await sees(page, /drained in \d+ (s|min)/, ".figures");
		await sees(page, /held by cloud/, "main");
		await shot(page, "draining");
		await until("it to be drained", async () => await waiting() < 1000);
		await until("the trouble to be over", async () => !/Bridge cloud/.test(await page.locator("main").innerText()));
		check_ledger(gateway.ledger());
		await done(page);
	});

	test("a gateway that is killed: what is shown is shown as old, and goes on when it is back", async () => {
		const page = await open();

		await gateway.kill();
		await sees(page, /No contact with the gateway since \d\d:\d\d.*Next attempt|No contact.*Trying now/, "#contact");
		await sees(page, /What you see is from/, "#contact");
		assert.ok(await page.locator("main.stale").count());
		assert.match(await text_of(page, "#say"), /No contact/);
		await sees(page, /No contact/, ".connection");
		await shot(page, "lost", {});
		await gateway.start();
		await sees(page, /Live/, ".connection");
		await sees(page, /In contact with the gateway again/, "#say");
		assert.equal(await page.locator("main.stale").count(), 0);
		assert.equal(await page.locator("#contact > *").count(), 0);
		press();
		await until("a rate", async () => digits(await text_of(page, ".figure .number")) > 50);
		assert.doesNotMatch(await page.locator("main").innerText(), /NaN|undefined|null/);
		await done(page);
	});
});

describe("for everybody", () => {
	test("by keyboard alone", async () => {
		const page = await open();
		const key = async (...keys) => {
			for (const k of keys)
				await page.keyboard.press(k);
		};
		const focused = () => page.evaluate(() => document.activeElement.innerText || document.activeElement.id);
		const to = async (name) => {
			for (let i = 0; i < 60 && !name.test(await focused()); i++)
				await key("Tab");
			assert.match(await focused(), name);
			/* it can be seen where one is */
			assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
		};

		await key("Tab");
		assert.equal(await focused(), "Skip to the content");
		await key("Enter");
		assert.equal(await page.evaluate(() => document.activeElement.id), "main");
		await page.evaluate(() => document.activeElement.blur());
		await to(/^Devices/);
		await key("Enter");
		await until("the list", async () => await page.evaluate(() => document.activeElement.localName) === "h1");
		await to(/^search$/);
		await page.keyboard.type("press");
		await until("one", async () => await page.locator("tbody tr").count() === 1);
		assert.equal(await focused(), "search", "typing keeps the focus");
		await to(/^press$/);
		await key("Enter");
		await until("the device", async () => await page.locator(".command").count() === 1);
		for (let i = 0; i < 60 && await page.evaluate(() => document.activeElement.name) !== "value"; i++)
			await key("Tab");
		await page.keyboard.type("30");
		await key("Enter");
		await sees(page, /setpoint = 30 done/, ".outcomes li");
		await done(page);
	});

	test("landmarks, one heading of the first rank, names for what can be done", async () => {
		const page = await open();

		for (const view of VIEWS) {
			await page.goto(`${gateway.url}/#/${view}`);
			await until(view, async () => !/Asking/.test(await text_of(page, "main")));
			assert.deepEqual(await page.evaluate(() => ["header", "nav", "main", "footer", "h1"].map((t) =>
				document.querySelectorAll(t).length)), [1, 1, 1, 1, 1], view);
			const nameless = await page.evaluate(() => [...document.querySelectorAll("button, a, input, select")].filter((e) =>
				!(e.innerText || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML));
			assert.deepEqual(nameless, [], view);
		}
		await done(page);
	});

	for (const [name, options] of [["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }],
		["phone", { viewport: { width: 320, height: 640 }, colorScheme: "dark", hasTouch: true, isMobile: true, deviceScaleFactor: 2 }]])
		test(`each view is read well: ${name}`, async () => {
			const page = await open("", options);

			for (const view of VIEWS) {
				await page.goto(`${gateway.url}/#/${view}`);
				await until(view, async () => !/Asking/.test(await text_of(page, "main")));
				assert.deepEqual(await page.evaluate(low_contrast), [], view);
				/* not innerWidth: on a phone that grows with what is too wide */
				const wide = await page.evaluate(() => document.documentElement.scrollWidth);
				assert.ok(wide <= page.viewportSize().width, `${view}: ${wide} wide`);
				await shot(page, `${name}-${view.split("/")[0] || "overview"}`);
			}
			await done(page);
		});
});

describe("with a token", () => {
	let closed;

	before(async () => {
		closed = new Gateway({
			console: { listen: `http://127.0.0.1:${await free_port()}`, token: { secret: "console" } },
			drivers: { things: { type: "coap", listen: `coap://127.0.0.1:${await free_port()}` } }, bridges: {},
		});
		closed.secret("console", "open-sesame-open-7");
		await closed.start();
	});

	after(() => closed?.stop());

	test("nothing is shown before, a wrong one is said to be, and the way out is a way out", async () => {
		const page = await browser.open(`${closed.url}/#/config`);

		await sees(page, /Sign in/, "main");
		assert.equal(await page.locator("nav").count(), 0);
		await shot(page, "sign-in");
		await sign_in(page, "open-sesame-open-8");
		await sees(page, /That is not the token/, "main");
		await sign_in(page, "open-sesame-open-7");
		await sees(page, /Configuration/, "h1");
		await sees(page, /Live/, ".connection");
		await page.reload();
		await sees(page, /Configuration/, "h1");
		assert.doesNotMatch(await page.evaluate(() => document.cookie + JSON.stringify({ ...sessionStorage, ...localStorage })), /sesame/);
		await page.getByRole("button", { name: "Sign out" }).click();
		await sees(page, /Sign in/, "main");
		await page.reload();
		await sees(page, /Sign in/, "main");
		await done(page);
	});

	test("after a restart the door is shown again, and leads back to where one was", async () => {
		const page = await browser.open(`${closed.url}/#/spool`);

		await sees(page, /Sign in/, "main");
		await sign_in(page, "open-sesame-open-7");
		await sees(page, /Spool/, "h1");
		await closed.kill();
		await sees(page, /No contact/, "#contact");
		await closed.start();
		await sees(page, /Sign in/, "main");
		await sign_in(page, "open-sesame-open-7");
		await sees(page, /Spool/, "h1");
		await done(page);
	});
});

describe("over TLS, where others can reach it", () => {
	test("signing in and the stream are as without, and the cookie goes no other way", async () => {
		const port = await free_port(), far = new Gateway({
			console: { listen: `https://0.0.0.0:${port}`, token: { secret: "console" }, tls: {} },
			drivers: { things: { type: "coap", listen: `coap://127.0.0.1:${await free_port()}` } }, bridges: {} });

		far.url = `https://127.0.0.1:${port}`;
		far.config.console.tls = { cert: join(far.folder, "cert.pem"), key: join(far.folder, "key.pem") };
		execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
			"-subj", "/CN=127.0.0.1", "-keyout", far.config.console.tls.key, "-out", far.config.console.tls.cert], { stdio: "ignore" });
		far.secret("console", "open-sesame-open-7");
		process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";	/* of this test's own questions */
		await far.start();
		const page = await browser.open(far.url, { ignoreHTTPSErrors: true });
		await sign_in(page, "open-sesame-open-7");
		await sees(page, /Live/, ".connection");
		await sees(page, /All well|things/);
		const [cookie] = await page.context().cookies();
		assert.deepEqual([cookie.name, cookie.secure, cookie.httpOnly, cookie.sameSite], ["fieldgate", true, true, "Strict"]);
		await done(page);
		await far.stop();
	});
});

describe("names of ill will", () => {
	/* the gateway escapes them before they come here; the page does not count on it */
	test("are text in every view", async () => {
		const port = await free_port(), url = `http://127.0.0.1:${port}`;
		const mock = await run(process.execPath, [fileURLToPath(new URL("mock.js", import.meta.url)), port],
			{ ready: async () => (await fetch(url)).ok });
		const page = await browser.open(url);
		const ill = "<img src=x onerror=alert(1)>";

		await until("a fault", async () => (await text_of(page, ".troubles")).includes(ill));
		await page.goto(`${url}/#/devices`);
		await until("a device", async () => (await text_of(page, "tbody")).includes(ill));
		await page.getByRole("link", { name: ill }).click();
		await until("its name", async () => (await text_of(page, "h1")).includes(ill));
		await page.getByRole("link", { name: "mode" }).click();
		await until("its value", async () => (await text_of(page, ".texts")).includes(ill));
		await page.goto(`${url}/#/links`);
		await page.getByRole("button", { name: "Read letters" }).click();
		await until("a reason", async () => (await text_of(page, ".letters")).includes(ill));
		await done(page);
		await end(mock);
	});
});

describe("more viewers than it serves", () => {
	let small;

	before(async () => {
		small = await new Gateway({ console: { listen: `http://127.0.0.1:${await free_port()}`, viewers: 1 }, drivers: {}, bridges: {} }).start();
	});

	after(() => small?.stop());

	test("the second asks every few seconds, and takes the place of the first when that goes", async () => {
		const first = await browser.open(small.url);

		await sees(first, /Live/, ".connection");
		const second = await browser.open(small.url);
		await sees(second, /Every 3 s/, ".connection");
		await sees(second, /No driver is configured/);
		await done(first);
		await sees(second, /Live/, ".connection");
		await done(second);
	});
});
