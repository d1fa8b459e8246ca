/* picture.js: docs/console/overview.png anew: a gateway whose upstream was away, a minute later. Real
 * brokers, simulated devices. */
import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Broker, Browser, FIELDGATE, Gateway, ROOT, digits, end, free_port, run, sees, until } from "./harness.js";

const folder = mkdtempSync(join(tmpdir(), "fieldgate-picture."));
const seconds = (n) => new Promise((done) => setTimeout(done, n * 1000));
const field = await new Broker(folder, "field", await free_port()).start();
const cloud = await new Broker(folder, "cloud", await free_port()).start();
const coap = `coap://127.0.0.1:${await free_port()}`;
const gateway = await new Gateway({
	gateway: { id: "plant-7-line-2" },
	console: { listen: `http://127.0.0.1:${await free_port()}` },
	drivers: { field: { type: "mqtt", url: field.url, subscribe: ["devices/#"] }, things: { type: "coap", listen: coap } },
	profiles: { sim: { match: "devices/{device}/telemetry", format: "json", points: { "*": {} } } },
	bridges: { cloud: { type: "mqtt", url: cloud.url, rate: 1500 },
		history: { type: "sqlite", path: join(folder, "history.db") },
		local: { type: "file", path: join(folder, "records.jsonl") } },
}).start();
const devices = [run(FIELDGATE, ["simulate", "--mqtt", field.url, "--devices", "84", "--rate", "120"]),
	run(FIELDGATE, ["simulate", "--coap", coap, "--devices", "24", "--rate", "40"])];
const browser = await new Browser().start();
const page = await browser.open(gateway.url, { viewport: { width: 1280, height: 1200 } });

await seconds(30);
await cloud.stop("SIGKILL");
await seconds(60);
await cloud.start();
await sees(page, /drained in/, ".figures");
await seconds(Number(process.argv[2] ?? 14));
await until("it to be drained in a while", async () => digits(await page.locator(".backlogs b").first().innerText()) > 5000);
const path = join(ROOT, "docs/console/overview.png");
const ledger = await page.locator("section", { has: page.locator("#card-ledger") }).boundingBox();
await page.screenshot({ path, clip: { x: 0, y: 0, width: 1280, height: Math.round(ledger.y + ledger.height + 10) } });
console.log(`${path}: ${statSync(path).size} bytes`);
await browser.stop();
for (const child of devices)
	await end(child);
await gateway.stop();
await cloud.stop();
await field.stop();
