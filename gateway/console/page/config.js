/* The configuration as the file says it, with all defaults, each key with where it comes from. */
import { h } from "./dom.js";
import { ask, failed, note, table } from "./parts.js";
import { count, json, plain } from "./words.js";

const SHOWN = 1000;
const ORIGINS = { file: ["ok", "file"], default: ["", "default"], secret: ["warn", "secret"] };

/* [[pointer, value]...] of all leaves; a list is one, for it is replaced as one */
export function leaves(value, pointer = "", found = []) {
	if (value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length)
		for (const [key, inner] of Object.entries(value))
			leaves(inner, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`, found);
	else
		found.push([pointer || "/", value]);
	return found;
}

/* the origin of a key, or of what it is part of */
export function origin_of(origin, pointer) {
	for (let p = pointer; p; p = p.slice(0, p.lastIndexOf("/")))
		if (Object.hasOwn(origin, p))
			return origin[p];
	return "";
}

export class Config {
	constructor(app) {
		this.app = app;
		this.config = null;
		this.fault = null;
		this.search = "";
		this.only = false;
		this.report = null;
		this.generation = null;
	}

	title() {
		return "Configuration";
	}

	enter() {
		this.load();
	}

	/* a reload by anyone is seen here */
	status() {
		if (this.app.status.generation !== this.generation)
			this.load();
	}

	async load() {
		this.generation = this.app.status?.generation ?? null;
		try {
			const config = await this.app.call("api/v1/config");
			const rows = leaves(config.effective).map(([pointer, value]) => ({ pointer, value: json(value),
				origin: origin_of(config.origin, pointer) }));
			this.config = { ...config, rows };
			this.fault = null;
		} catch (error) {
			this.fault = error;
		}
		this.app.draw();
	}

	async reload() {
		if (!await ask("Read the configuration again?", "What differs in the file is closed and opened anew; the rest keeps its " +
			"connections. A file with faults changes nothing.", "Reload"))
			return;
		try {
			this.report = await this.app.call("api/v1/reload", { method: "POST", body: "{}", patience_ms: 60000 });
		} catch (error) {
			this.report = { report: `The gateway did not do it: ${error.message}`, faults: [] };
		}
		this.app.say(plain(this.report.faults?.length ? count(this.report.faults.length, "fault") : this.report.report));
		this.load();
	}

	draw() {
		return [h("h1", { tabindex: "-1" }, "Configuration"), this.fault && failed(this.fault),
			this.config ? this.rows() : !this.fault && note("Asking…")];
	}

	rows() {
		const { path, sha256, rows } = this.config;
		const words = this.search.toLowerCase().split(/\s+/).filter(Boolean);
		const fit = rows.filter((r) => (!this.only || r.origin !== "default") &&
			words.every((w) => `${r.pointer} ${r.value}`.toLowerCase().includes(w)));

		return [h("p", { class: "facts" }, h("code", {}, plain(path)), h("span", {}, "sha256 ", h("code", {}, plain(sha256).slice(0, 16))),
			h("button", { type: "button", onclick: () => this.reload() }, "Reload…")),
		this.config.in_force === false && h("p", { class: "trouble warn" }, h("strong", {}, "This is not in force. "),
			"The file has changed since the gateway read it: what is shown here counts from the next reload."),
		this.report && h("div", { class: "card", role: "group", "aria-label": "Report" }, h("p", {}, plain(text_of(this.report.report), 2000)),
			this.report.faults?.length > 0 && h("ul", { class: "faults" }, this.report.faults.map((f) => h("li", {}, plain(f))))),
		h("div", { class: "filter" }, h("label", { for: "key", class: "unseen" }, "Search keys and values"),
			h("input", { id: "key", type: "search", placeholder: "Search keys and values", autocomplete: "off", spellcheck: "false",
				oninput: (e) => {
					this.search = e.target.value;
					this.app.draw();
				} }),
			h("label", { class: "check" }, h("input", { type: "checkbox", checked: this.only, onchange: (e) => {
				this.only = e.target.checked;
				this.app.draw();
			} }), "without defaults"), h("span", { class: "soft" }, count(fit.length, "key"))),
		h("div", { class: "card" }, table("Configuration", [
			["Key", "", (r) => h("code", { class: "pointer" }, plain(r.pointer))],
			["Value", "", (r) => h("code", {}, plain(r.value, 300))],
			["From", "", (r) => h("span", { class: `origin ${ORIGINS[r.origin]?.[0] ?? ""}` }, ORIGINS[r.origin]?.[1] ?? plain(r.origin || "–"))]],
		fit.slice(0, SHOWN), (r) => r.pointer), fit.length > SHOWN && note(`The first ${SHOWN}; search for the rest.`))];
	}
}

function text_of(report) {
	return typeof report === "string" ? report : json(report ?? "");
}
