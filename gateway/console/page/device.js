/* One device: its last values, one of them as a chart that goes on, commands to it. */
import { h } from "./dom.js";
import { chart } from "./chart.js";
import { Commands } from "./commands.js";
import { read_pack, Series } from "./readings.js";
import { card, failed, name, note, state } from "./parts.js";
import { ago, count, encode, moment, number, plain, span, unit, value } from "./words.js";

const EACH_S = 10, LEAST_MS = 60 * 1000, DOTTED = 80;
const SPANS = [[60, "1 min"], [300, "5 min"], [900, "15 min"]];

export class Device {
	constructor(app, params) {
		this.app = app;
		this.device = params.get("id");
		this.chosen = params.get("point");
		this.span_s = 300;
		this.series = new Map();	/* point -> Series */
		this.points = new Map();
		this.info = null;
		this.fault = null;
		this.left = 0;
		this.age_s = 0;
		this.skew_ms = 0;		/* the gateway's clock less ours */
		this.mark = null;
		this.commands = new Commands(app, this.device);
	}

	title() {
		return plain(this.device, 60);
	}

	stays(params) {
		if (params.get("id") !== this.device)
			return false;
		this.chosen = params.get("point") ?? this.chosen;
		this.mark = null;
		return true;
	}

	enter() {
		this.load();
	}

	again() {
		for (const series of this.series.values())
			series.gap();
		this.load();
	}

	leave() {
		this.gone = true;
	}

	tick() {
		this.age_s++;
		if (this.age_s % EACH_S === 0 && !this.app.live.stale())
			this.load();
	}

	async load() {
		try {
			const info = await this.app.call(`api/v1/device?id=${encode(this.device)}`);
			if (this.gone)
				return;
			this.info = info;
			this.fault = null;
			this.age_s = 0;
			this.skew_ms = (info.heard + info.silent_s) * 1000 - Date.now();
			for (const point of info.points)
				this.take(point);
			this.chosen ??= info.points.find((p) => typeof p.value === "number")?.point ?? info.points[0]?.point;
		} catch (error) {
			this.fault = error;
		}
		this.app.draw();
	}

	/* a value, from either way; the older of two that crossed does not count */
	take(point) {
		const known = this.points.get(point.point);

		if (known && point.time < known.time && point.writable === undefined)
			return;
		this.points.set(point.point, { ...known, ...point });
		if (!this.series.has(point.point))
			this.series.set(point.point, new Series());
		this.series.get(point.point).add(point.time * 1000, point.value);
	}

	pack(pack) {
		for (const { name: full, ...reading } of read_pack(pack)) {
			const base = `${this.app.status?.ledger?.gateway}/${this.device}/`;
			if (!full.startsWith(base))
				continue;
			this.take({ ...reading, point: full.slice(base.length) });
			if (this.info) {
				this.info.silent_s = -this.age_s;
				this.info.state = "online";
			}
		}
		this.app.draw();
	}

	left_out(n) {
		this.left += n;
	}

	draw() {
		const head = h("div", { class: "title" }, h("a", { href: "#/devices", class: "up" }, "Devices"),
			h("h1", { tabindex: "-1" }, name(this.device)));

		if (this.fault?.status === 404)
			return [head, h("div", { class: "card empty" }, h("p", {}, "The gateway knows no such device. It is known once it is heard."))];
		if (!this.info)
			return [head, this.fault ? failed(this.fault) : note("Asking…")];
		return [head, this.fault && failed(this.fault), this.facts(), this.plot(), this.values(), this.commands.draw([...this.points.values()])];
	}

	facts() {
		const i = this.info, silent = i.silent_s + this.age_s;

		return h("p", { class: "facts" }, state(i.state), h("span", {}, `heard ${ago(Math.max(0, silent))}`),
			h("span", {}, i.interval_s ? `every ${span(i.interval_s)} (${plain(i.interval)})` : "its interval is not known yet"),
			i.source && h("span", {}, "by ", name(i.source)));
	}

	plot() {
		const point = this.points.get(this.chosen), series = this.series.get(this.chosen);

		if (!point)
			return null;
		const to = Date.now() + this.skew_ms;
		const from = Math.min(to - LEAST_MS, Math.max(to - this.span_s * 1000, series.values[0]?.at ?? to));
		const line = series.line(from), u = unit(point.unit);
		const seen = line.filter(([at, v]) => v !== null && at >= from).map(([, v]) => v);
		const marked = this.mark === null ? null : series.near(this.mark);
		const spans = h("div", { class: "tabs", role: "group", "aria-label": "Time shown" }, SPANS.map(([s, text]) =>
			h("button", { type: "button", "aria-pressed": String(this.span_s === s), onclick: () => {
				this.span_s = s;
				this.app.draw();
			} }, text)));

		return h("section", { class: "card", "aria-label": "Chart" }, h("div", { class: "card-head" },
			h("h2", {}, name(this.chosen), u && h("small", {}, ` ${u}`)), spans),
		h("p", { class: "readout" }, h("b", {}, value(marked ? marked.value : point.value)), u && ` ${u}`,
			h("span", { class: "soft" }, ` at ${moment((marked ? marked.at : point.time * 1000))}`)),
		series.numeric ? h("div", { class: "steer", tabindex: "0", role: "group",
			"aria-label": "Chart; left and right arrow keys go through its values",
			onkeydown: (e) => this.step(e, series, line) },
		chart([{ line, cls: "accent", dotted: seen.length <= DOTTED }], { from, to, step: series.steps, mark: marked?.at,
			format: (v) => series.steps ? String(v === 1) : value(v),
			label: seen.length ? `${plain(this.chosen)}: ${count(seen.length, "value")} shown, from ` +
				`${Math.min(...seen)} to ${Math.max(...seen)} ${u}` : `${plain(this.chosen)}: no value in this time`,
			onmark: (at) => {
				this.mark = at;
				this.app.draw();
			} }))
			: h("ol", { class: "texts" }, series.texts().map(([at, text]) => h("li", {},
				h("time", {}, moment(at)), " ", h("bdi", {}, value(text))))),
		this.left > 0 && note(`${count(this.left, "reading")} left out here: more came than the page is sent. The records are not affected.`));
	}

	/* through the values by the keyboard */
	step(e, series, line) {
		const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];

		if (e.key === "Escape")
			this.mark = null;
		else if (by)
			this.mark = series.beside(this.mark ?? line.at(-1)?.[0] ?? 0, by, line);
		else
			return;
		e.preventDefault();
		const marked = this.mark === null ? null : series.near(this.mark);
		if (marked)
			this.app.say(`${value(marked.value)} at ${moment(marked.at)}`);
		this.app.draw();
	}

	values() {
		const now = (Date.now() + this.skew_ms) / 1000;
		const rows = [...this.points.values()].sort((a, b) => a.point < b.point ? -1 : 1);
		const href = (p) => `#/device/${encode(this.device)}?point=${encodeURIComponent(p.point)}`;

		return card("Last values", { aside: h("span", { class: "aside" }, count(rows.length, "point")) },
			h("table", {}, h("caption", { class: "unseen" }, "Last values"),
				h("thead", {}, h("tr", {}, ["Point", "Value", "Time", "Quality"].map((t) => h("th", { scope: "col",
					class: t === "Value" ? "num" : null }, t)))),
				h("tbody", {}, rows.map((p) => h("tr", { key: p.point, class: p.point === this.chosen ? "chosen" : null },
					h("th", { scope: "row", "data-label": "Point" }, h("a", { href: href(p),
						"aria-current": p.point === this.chosen ? "true" : null }, name(p.point)),
					p.writable && h("small", { class: "tag" }, "writable")),
					h("td", { class: "num value", "data-label": "Value" }, h("bdi", {}, value(p.value)), " ",
						h("span", { class: "unit" }, unit(p.unit))),
					h("td", { "data-label": "Time" }, p.time ? [moment(p.time * 1000), h("small", {}, ` ${ago(Math.max(0, now - p.time))}`)] : "–"),
					h("td", { "data-label": "Quality" }, p.unsynced ? h("span", { class: "state warn" },
						h("span", { class: "sign", "aria-hidden": "true" }), "clock not synced") : p.time ? "good" : "–"))))),
			rows.length === 0 && note(`No value yet. ${number(0)} points.`));
	}
}
