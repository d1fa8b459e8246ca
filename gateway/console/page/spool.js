/* The spool: its segments from the oldest to the newest, and where each bridge stands in it. */
import { h } from "./dom.js";
import { card, failed, name, note, table } from "./parts.js";
import { ago, bytes, count, number, plain } from "./words.js";

const EACH_S = 3, SHOWN = 100;

export class Spool {
	constructor(app) {
		this.app = app;
		this.spool = null;
		this.fault = null;
		this.age_s = 0;
	}

	title() {
		return "Spool";
	}

	enter() {
		this.load();
	}

	again() {
		this.load();
	}

	tick() {
		if (++this.age_s % EACH_S === 0 && !this.app.live.stale())
			this.load();
	}

	async load() {
		try {
			this.spool = await this.app.call("api/v1/spool");
			this.fault = null;
		} catch (error) {
			this.fault = error;
		}
		this.app.draw();
	}

	draw() {
		const s = this.spool;

		if (!s)
			return [h("h1", { tabindex: "-1" }, "Spool"), this.fault ? failed(this.fault) : note("Asking…")];
		const cursors = Object.entries(s.cursors).sort(([, a], [, b]) => a.position - b.position);
		const held = cursors.filter(([, c]) => c.holds).map(([bridge]) => bridge);

		return [h("h1", { tabindex: "-1" }, "Spool"), this.fault && failed(this.fault),
			h("p", { class: "facts" }, h("span", {}, `${bytes(s.bytes)}${s.limit ? ` of ${bytes(s.limit)}` : ""}`),
				h("span", {}, count(s.segments.length, "segment")), h("span", {}, `${number(s.accepted)} accepted, ${number(s.committed)} on the disk`),
				h("code", {}, plain(s.dir))),
			card("From the oldest to the newest", { aside: h("span", { class: "aside" }, held.length
				? ["held by ", name(held[0])] : "nothing is held") }, map(s, cursors)),
			card("Cursors", {}, table("Cursors", [["Bridge", "", ([bridge]) => name(bridge)],
				["Acknowledged up to", "num", ([, c]) => number(c.position)],
				["Waiting", "num", ([, c]) => number(c.waiting)],
				["Oldest", "num", ([, c]) => c.waiting ? ago(c.oldest_s) : "–"],
				["Holds the spool", "", ([, c]) => c.holds ? h("span", { class: "state warn" }, h("span", { class: "sign", "aria-hidden": "true" }), "yes") : "no"]],
			cursors, ([bridge]) => bridge)),
			card("Segments", {}, table("Segments", [["File", "", (g) => h("code", {}, plain(g.file))],
				["First", "num", (g) => number(g.first)], ["Last", "num", (g) => number(g.last)],
				["Records", "num", (g) => number(Math.max(0, g.last - g.first + 1))], ["Size", "num", (g) => bytes(g.bytes)]],
			s.segments.slice(-SHOWN).reverse(), (g) => g.file),
			s.segments.length > SHOWN && note(`The newest ${SHOWN} of ${number(s.segments.length)}.`))];
	}
}

/* positions as a strip, with a flag for each bridge */
function map(s, cursors) {
	const from = Math.min(s.oldest, s.accepted), span = Math.max(1, s.accepted - from + 1);
	const at = (position) => `${Math.min(100, Math.max(0, (position - from + 1) / span * 100))}%`;
	const segments = s.segments.filter((g) => g.last >= g.first && g.last >= from).slice(-400);

	return h("div", { class: "strip" },
		h("div", { class: "segments", role: "img", "aria-label": `${count(s.segments.length, "segment")}, positions ${number(s.oldest)} to ${number(s.accepted)}` },
			segments.map((g) => h("span", { key: g.file, title: g.file, style: { "flex-grow": String((g.last - Math.max(from, g.first) + 1) / span) } }))),
		h("ul", { class: "flags" }, cursors.map(([bridge, c]) => h("li", { key: bridge, class: c.holds ? "holds" : null },
			h("span", { class: "track", "aria-hidden": "true" }, h("span", { style: { left: at(c.position) } })),
			h("span", {}, name(bridge), h("small", {}, c.waiting ? ` ${number(c.waiting)} behind` : " at the end"))))),
		h("div", { class: "ends" }, h("span", {}, number(s.oldest)), h("span", {}, number(s.accepted))));
}
