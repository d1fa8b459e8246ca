/* Commands to one device: a form, and what became of each. */
import { h } from "./dom.js";
import { card, name } from "./parts.js";
import { moment, plain, unit, value } from "./words.js";

const TIMEOUT_S = 10, KEPT = 10;
const MEANS = {
	done: ["ok", "done", "confirmed"],
	failed: ["bad", "failed", "the device said no"],
	expired: ["warn", "expired", "its time was over before it was confirmed"],
	unreachable: ["bad", "unreachable", "nobody answered: it may or may not have been carried out"],
	refused: ["warn", "refused", "by the gateway; nothing was sent"],
};

/* What is typed, as JSON: a number, true or false is that unless it is to be a text. The digits stay as
 * they are typed, for there are whole numbers that no double holds. */
export function to_json(typed, as_text) {
	const text = typed.trim();

	if (!as_text && (/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text) || text === "true" || text === "false"))
		return text;
	return JSON.stringify(as_text ? typed : text);
}

export class Commands {
	constructor(app, device) {
		this.app = app;
		this.device = device;
		this.sent = [];		/* the newest first */
		this.point = null;
	}

	async send(e) {
		e.preventDefault();
		const form = e.target;
		const point = form.elements.point.value, json = to_json(form.elements.value.value, form.elements.text.checked);
		const entry = { at: Date.now(), point, value: JSON.parse(json), json, outcome: null, why: null };

		this.sent = [entry, ...this.sent].slice(0, KEPT);
		this.app.draw();
		try {
			const answer = await this.app.call("api/v1/command", { method: "POST", patience_ms: (TIMEOUT_S + 10) * 1000,
				body: `{"device":${JSON.stringify(this.device)},"point":${JSON.stringify(point)},` +
					`"value":${json},"timeout_s":${TIMEOUT_S}}` });
			entry.outcome = answer.outcome;
			entry.why = answer.why;
		} catch (error) {
			entry.outcome = error.status === 0 ? "unknown" : "refused";
			entry.why = error.message;
		}
		this.app.say(`${plain(point)}: ${entry.outcome}${entry.why ? `, ${plain(entry.why)}` : ""}`);
		this.app.draw();
	}

	draw(points) {
		const writable = points.filter((p) => p.writable).sort((a, b) => a.point < b.point ? -1 : 1);

		if (writable.length === 0)
			return null;
		const chosen = writable.find((p) => p.point === this.point) ?? writable[0];
		return card("Send a command", { class: "command" },
			h("form", { class: "row", onsubmit: (e) => this.send(e) },
				h("label", {}, h("span", {}, "Point"), h("select", { name: "point", onchange: (e) => {
					this.point = e.target.value;
					this.app.draw();
				} }, writable.map((p) => h("option", { value: p.point, key: p.point, selected: p === chosen }, plain(p.point, 60))))),
				h("label", { class: "grow" }, h("span", {}, `Value${chosen.unit ? `, ${unit(chosen.unit)}` : ""}`),
					h("input", { name: "value", type: "text", required: true, autocomplete: "off", spellcheck: "false",
						placeholder: `now ${value(chosen.value).slice(0, 40)}` })),
				h("label", { class: "check" }, h("input", { type: "checkbox", name: "text" }), "as text"),
				h("button", { type: "submit", class: "main" }, "Send")),
			this.sent.length > 0 && h("ol", { class: "outcomes" }, this.sent.map((s) => outcome(s))));
	}
}

function outcome(s) {
	const [level, word, means] = MEANS[s.outcome] ?? ["warn", s.outcome ? "outcome unknown" : "sent", s.outcome ? "" : "waiting for its outcome"];

	return h("li", { key: `${s.at} ${s.point}` }, h("time", {}, moment(s.at)), " ", name(s.point), " = ",
		h("bdi", {}, plain(s.json, 80)), " ", h("span", { class: `state ${level}` }, h("span", { class: "sign", "aria-hidden": "true" }), word),
		h("span", { class: "soft" }, ` ${s.why ? plain(s.why) : means}`));
}
