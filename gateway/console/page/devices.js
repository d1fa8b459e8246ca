/* All devices: looked for, by state, a page at a time; asked anew every few seconds. */
import { h } from "./dom.js";
import { failed, name, note, state, table } from "./parts.js";
import { ago, count, encode, number, span } from "./words.js";

const PAGE = 200, EACH_S = 3;
const by_name = new Intl.Collator("en", { numeric: true });
const STATES = [["", "All"], ["online", "Online"], ["late", "Late"], ["offline", "Offline"]];

export class Devices {
	constructor(app, params) {
		this.app = app;
		this.search = params.get("search") ?? "";
		this.state = params.get("state") ?? "";
		this.from = params.get("from") ?? "";
		this.back = [];		/* where the pages before this one began */
		this.page = null;
		this.fault = null;
		this.age_s = 0;
		this.asked = 0;
	}

	title() {
		return "Devices";
	}

	/* the same view, for another search or page: what is typed keeps its focus */
	stays(params) {
		const now = [params.get("search") ?? "", params.get("state") ?? "", params.get("from") ?? ""];

		if (now.join("\n") !== [this.search, this.state, this.from].join("\n")) {
			[this.search, this.state, this.from] = now;
			if (!this.from)
				this.back = [];
			this.load();
		}
		return true;
	}

	enter() {
		this.load();
	}

	leave() {
		clearTimeout(this.typing);
		this.asked++;
	}

	again() {
		this.load();
	}

	tick() {
		/* a slow answer is waited for, else none would ever count */
		if (++this.age_s >= EACH_S && !this.pending && !this.app.live.stale())
			this.load();
	}

	async load() {
		const mine = ++this.asked;
		this.pending = true;
		const query = new URLSearchParams({ limit: String(PAGE) });

		for (const [key, value] of [["search", this.search], ["state", this.state], ["from", this.from]])
			if (value)
				query.set(key, value);
		try {
			const page = await this.app.call(`api/v1/devices?${query}`);
			if (mine !== this.asked)
				return;
			const told = this.page && page.total !== this.page.total && this.told !== this.search + this.state;
			page.devices.sort((a, b) => by_name.compare(a.device, b.device));	/* pages come in no order */
			this.page = page;
			this.fault = null;
			this.age_s = 0;
			if (told && page.total !== null)
				this.app.say(count(page.total, "device"));
			this.told = this.search + this.state;
		} catch (error) {
			if (mine !== this.asked)
				return;
			this.fault = error;
		}
		this.pending = false;
		this.app.draw();
	}

	to(changes) {
		const query = new URLSearchParams();
		const all = { search: this.search, state: this.state, from: "", ...changes };

		for (const [key, value] of Object.entries(all))
			if (value)
				query.set(key, value);
		return `#/devices${query.size ? `?${query}` : ""}`;
	}

	typed(text) {
		clearTimeout(this.typing);
		this.typing = setTimeout(() => location.replace(this.to({ search: text })), 250);
	}

	draw() {
		const s = this.app.status.states;
		const counts = { "": this.app.status.devices, ...s };

		return [h("h1", { tabindex: "-1" }, "Devices"),
			h("form", { class: "filter", role: "search", onsubmit: (e) => {
				e.preventDefault();
				clearTimeout(this.typing);
				location.replace(this.to({ search: document.getElementById("search").value }));
			} },
			h("label", { for: "search", class: "unseen" }, "Search devices"),
			h("input", { id: "search", type: "search", placeholder: "Search by name", value: this.search,
				autocomplete: "off", spellcheck: "false", oninput: (e) => this.typed(e.target.value) }),
			h("div", { class: "tabs", role: "group", "aria-label": "State" }, STATES.map(([to, text]) =>
				h("a", { href: this.to({ state: to }), "aria-current": this.state === to ? "true" : null },
					text, h("small", {}, ` ${number(counts[to] ?? 0)}`))))),
			this.fault && failed(this.fault), this.page ? this.list() : !this.fault && note("Asking…")];
	}

	list() {
		const { devices, next, total } = this.page;

		if (devices.length === 0 && !next)
			return h("div", { class: "card empty" }, h("p", {}, this.search || this.state
				? "No device fits." : "No device has been heard yet."),
			(this.search || this.state) && h("a", { href: "#/devices" }, "Show all"));
		return h("div", { class: "card" }, table("Devices", [
			["Device", "", (d) => h("a", { href: `#/device/${encode(d.device)}` }, name(d.device))],
			["State", "", (d) => state(d.state)],
			["Heard", "num", (d) => ago(d.silent_s + this.age_s)],
			["Interval", "num", (d) => d.interval_s ? [span(d.interval_s), h("small", {}, ` ${d.interval}`)]
				: h("small", {}, "not known yet")],
			["Silence", "silence", (d) => silence(d, this.age_s)],
		], devices, (d) => d.device), this.pager(next, devices.length, total));
	}

	pager(next, shown, total) {
		return h("div", { class: "pager" }, h("span", { class: "soft" }, total === null
			? `${number(shown)} found so far` : `${number(shown)} of ${count(total, "device")}`),
			h("span", { class: "row" }, h("button", { type: "button", disabled: !this.from, onclick: () => {
				location.hash = this.to({ from: this.back.pop() ?? "" }).slice(1);
			} }, "Back"),
			h("button", { type: "button", disabled: !next, onclick: () => {
				this.back.push(this.from);
				location.hash = this.to({ from: next }).slice(1);
			} }, "Next")));
	}
}

/* the silence in terms of the interval: late after 2, offline after 5 (unless liveness says otherwise) */
function silence(d, age_s) {
	if (!d.interval_s)
		return null;
	const times = (d.silent_s + age_s) / d.interval_s;
	const text = `${times < 10 ? times.toFixed(1) : number(times)} intervals`;

	return h("span", { class: `meter small ${{ late: "warn", offline: "bad" }[d.state] ?? ""}`, role: "img",
		"aria-label": text, title: text }, h("span", { style: { width: `${Math.min(100, times / 5 * 100)}%` } }));
}
