/* Drivers and bridges: state, faults, what is in flight, and the letters that an upstream refused. */
import { h } from "./dom.js";
import { backlog, bridge_out, driver_records, sum } from "./figures.js";
import { ask, card, failed, name, note, state } from "./parts.js";
import { ago, bytes, count, json, moment, number, plain, rate, span } from "./words.js";

export class Links {
	constructor(app) {
		this.app = app;
		this.letters = new Map();	/* bridge -> { page } or { error } */
		this.outcome = new Map();	/* bridge -> what a requeue or discard came to */
	}

	title() {
		return "Links";
	}

	async read(bridge) {
		try {
			this.letters.set(bridge, { page: await this.app.call(`api/v1/dead?${new URLSearchParams({ bridge, limit: "100" })}`) });
		} catch (error) {
			this.letters.set(bridge, { error });
		}
		this.app.draw();
	}

	async act(what, bridge, dead) {
		const discard = what === "discard";
		const sure = await ask(discard ? `Discard the dead letters of ${plain(bridge)}?` : `Put the dead letters of ${plain(bridge)} back in line?`,
			discard ? `${count(dead, "record")} will be gone for good: counted as dropped, and announced upstream as lost.`
				: `${count(dead, "record")} will be sent again. What the upstream refuses again comes back here.`,
			discard ? "Discard" : "Requeue");
		if (!sure)
			return;
		try {
			const { records } = await this.app.call(`api/v1/dead/${what}`, { method: "POST", body: JSON.stringify({ bridge }) });
			this.outcome.set(bridge, `${count(records, "record")} ${discard ? "discarded" : "put back in line"}.`);
			this.letters.delete(bridge);
		} catch (error) {
			this.outcome.set(bridge, `The gateway did not do it: ${plain(error.message)}.`);
		}
		this.app.say(this.outcome.get(bridge));
		this.app.draw();
	}

	draw() {
		const { history, status } = this.app;
		const drivers = Object.entries(status.drivers), bridges = Object.entries(status.links);

		return [h("h1", { tabindex: "-1" }, "Links"),
			h("h2", { class: "group" }, "Drivers"),
			drivers.length ? h("div", { class: "cards" }, drivers.map(([who, d]) => driver(history, who, d))) : note("None is configured."),
			h("h2", { class: "group" }, "Bridges"),
			bridges.length ? h("div", { class: "cards" }, bridges.map(([who, b]) => this.bridge(history, who, b))) : note("None is configured.")];
	}

	bridge(history, who, b) {
		const account = history.status.ledger.bridges[who] ?? { waiting: 0, dead: 0, dropped: {} };
		const log = history.status.ledger.bridges[who] ? backlog(history, who) : { kind: "none", waiting: 0 };
		const dropped = Object.entries(account.dropped).map(([why, n]) => `${number(n)} ${plain(why)}`).join(", ");
		const holds = history.status.spool.holder === who && log.kind !== "none";

		return link(who, b, [["Out", `${rate(history.rate(bridge_out(who)))} records/s`],
			["Acknowledged", number(account.acknowledged)],
			account.sent > 0 && ["Sent", number(account.sent)],
			["In flight", count(b.in_flight, "pack")],
			["Waiting", log.waiting ? `${number(log.waiting)}, the oldest ${ago(log.oldest_s)}` : "none"],
			["Packs", `${number(b.packs)}, ${bytes(b.bytes)}`],
			["Dropped", sum(account.dropped) ? dropped : "none"],
			["Dead letters", account.dead ? count(account.dead, "record") : "none"],
			holds && ["Spool", "this bridge holds it"]], this.dead(who, account.dead));
	}

	dead(who, dead) {
		const read = this.letters.get(who);
		const parts = [h("p", { class: "done", key: "outcome" }, this.outcome.get(who) ?? "")];

		if (dead > 0)
			parts.push(h("div", { class: "row", key: "acts" },
				h("button", { type: "button", onclick: () => this.read(who) }, read ? "Read again" : "Read letters"),
				h("button", { type: "button", onclick: () => this.act("requeue", who, dead) }, "Requeue…"),
				h("button", { type: "button", class: "danger", onclick: () => this.act("discard", who, dead) }, "Discard…")));
		if (read?.error)
			parts.push(failed(read.error));
		if (read?.page)
			parts.push(h("ul", { class: "letters", key: "letters" }, read.page.letters.map((l) => letter(l))),
				read.page.more && note("There are more: fieldgate dead lists all."));
		return parts;
	}
}

function letter(l) {
	const pack = typeof l.pack === "string" ? l.pack : json(l.pack, 1);

	return h("li", {}, h("p", {}, h("strong", {}, plain(l.why)), h("span", { class: "soft" },
		` ${count(l.records, "record")}${l.time ? `, ${moment(l.time * 1000)}` : ""}`)),
	pack && h("details", {}, h("summary", {}, "Pack"), h("pre", { tabindex: "0" }, pack.split("\n").map((line) => `${plain(line, 2000)}\n`).join(""))));
}

function driver(history, who, d) {
	return link(who, d, [["In", `${rate(history.rate(driver_records(who)))} records/s`],
		["Payloads", number(d.payloads)], ["Records", number(d.records)], ["Rejected", number(d.rejected)]]);
}

function link(who, what, rows, more) {
	const up = what.state === "up";

	return h("section", { key: who, class: `card link ${up ? "" : "down"}`, "aria-label": plain(who) },
		h("div", { class: "card-head" }, h("h3", {}, name(who), h("small", {}, ` ${plain(what.type, 20)}`)), h("span", {}, state(what.state),
		Number.isFinite(what.state_s) && h("small", {}, ` ${up ? "for" : "not up for"} ${span(what.state_s)}`))),
		what.fault && h("p", { class: up ? "fault past" : "fault" }, up ? "Last fault, over now: " : "Fault: ", h("bdi", {}, plain(what.fault)),
			h("span", { class: "soft" }, ` (${count(what.faults, "fault")} in all)`)),
		h("dl", {}, rows.filter(Boolean).map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])), more);
}
