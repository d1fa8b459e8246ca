/* The first view: is it well, what comes in, what goes out, what waits and for how long. */
import { h } from "./dom.js";
import { account_sum, accepted, backlog, bridge_out, bridge_waiting, driver_records, room, sum } from "./figures.js";
import { chart, spark } from "./chart.js";
import { card, figure, name, note, state } from "./parts.js";
import { ago, bytes, count, moment, ms, number, plain, rate, span } from "./words.js";

const SHOWN_MS = 5 * 60 * 1000, LEAST_MS = 60 * 1000;
const SERIES = ["s0", "s1", "s2", "s3", "s4", "s5"];
const PHASES = ["timers", "pending", "idle", "prepare", "poll", "check", "close"];

export class Overview {
	constructor(app) {
		this.app = app;
	}

	title() {
		return "Overview";
	}

	draw() {
		const { history, status, troubles } = this.app;

		return [h("h1", { tabindex: "-1", class: "unseen" }, "Overview"), trouble_list(troubles, history),
			figures(history), h("div", { class: "two" }, drivers(history), bridges(history)),
			waiting(history), ledger(history), h("div", { class: "two" }, loop(status), process(status))];
	}
}

function trouble_list(troubles, history) {
	const { drivers: in_all, links } = history.status;

	if (troubles.length === 0) {
		const behind = Object.keys(links).filter((b) => history.status.ledger.bridges[b] &&
			backlog(history, b).kind !== "none").map((b) => plain(b, 40));
		return h("p", { class: "well" }, h("span", { class: "state ok" }, h("span", { class: "sign", "aria-hidden": "true" }), "All well"),
			` ${count(Object.keys(in_all).length, "driver")} and ${count(Object.keys(links).length, "bridge")} are up, ` +
			`nothing is lost, no device is missing${behind.length ? `; ${behind.join(", ")} still behind` : ""}.`);
	}
	return h("section", { class: "troubles", "aria-label": "What to look at" }, h("ul", {}, troubles.map((t) =>
		h("li", { key: t.key, class: `trouble ${t.level}` },
			h("h2", {}, h("span", { class: "unseen" }, { bad: "Fault: ", warn: "Warning: ", note: "Note: " }[t.level]),
				t.go ? h("a", { href: t.go }, t.what) : t.what),
			h("p", {}, h("span", { class: "since" }, `${t.since[0].toUpperCase()}${t.since.slice(1)}.`), ` ${t.means} `,
				h("span", { class: "todo" }, h("span", { "aria-hidden": "true" }, "→ "), t.todo))))));
}

function figures(history) {
	const { ledger, states, devices } = history.status;
	const logs = Object.keys(ledger.bridges).map((b) => [b, backlog(history, b)]).filter(([, b]) => b.kind !== "none");
	const [worst, log] = logs.sort(([, a], [, b]) => b.waiting - a.waiting)[0] ?? [];
	const out = Object.keys(ledger.bridges).map((b) => history.rate(bridge_out(b)));

	return h("div", { class: "figures" },
		figure("In", rate(history.rate(accepted)), "records/s", spark(history.course(accepted))),
		figure("Out", rate(out.length ? out.reduce((a, b) => a + b, 0) : NaN), "records/s, all bridges",
			spark(history.course((s) => Object.values(s.bridges).reduce((n, b) => n + b.out, 0)), { cls: "s1" })),
		figure("Backlog", log ? number(log.waiting) : "none", log && "records", log
			? [`of ${plain(worst, 40)}, the oldest ${ago(log.oldest_s)}`, h("strong", { class: "eta" }, drain_text(log))]
			: "every bridge has what came in"),
		figure("Devices", number(devices), null, h("a", { href: "#/devices" }, states.late + states.offline
			? `${number(states.online)} online, ${number(states.late)} late, ${number(states.offline)} offline`
			: "all online")));
}

function drain_text(log) {
	switch (log.kind) {
	case "drains":
		return `drained in ${span(log.eta_s)}`;
	case "grows":
		return `grows by ${rate(log.per_s)}/s`;
	case "held":
		return "waits for the upstream";
	case "steady":
		return "neither grows nor drains";
	default:
		return "measuring…";
	}
}

function drivers(history) {
	const rows = Object.entries(history.status.drivers);

	return card("In, by driver", { aside: h("a", { href: "#/links" }, "Links") }, rows.length
		? h("ul", { class: "flow" }, rows.map(([driver, d]) => flow(driver, d, history.rate(driver_records(driver)),
			history.course(driver_records(driver)), "accent")))
		: note("No driver is configured: nothing can come in."));
}

function bridges(history) {
	const rows = Object.entries(history.status.links);

	return card("Out, by bridge", { aside: h("a", { href: "#/links" }, "Links") }, rows.length
		? h("ul", { class: "flow" }, rows.map(([bridge, b], i) => flow(bridge, b, history.rate(bridge_out(bridge)),
			history.course(bridge_out(bridge)), SERIES[i % SERIES.length])))
		: note("No bridge is configured: the spool keeps what it can."));
}

function flow(who, what, per_s, line, cls) {
	return h("li", { key: who }, h("span", { class: "who" }, name(who), h("small", {}, `${plain(what.type, 20)} `,
		what.state === "up" ? h("span", { class: "unseen" }, "up") : state(what.state))),
		spark(line, { cls }), h("span", { class: "per" }, h("b", {}, rate(per_s)), "/s"));
}

function waiting(history) {
	const { spool, ledger } = history.status;
	const names = Object.keys(ledger.bridges), to = history.samples.at(-1).at;
	const { share, full_s } = room(history);
	const lines = names.map((b, i) => ({ line: history.values(bridge_waiting(b)), area: true,
		cls: SERIES[i % SERIES.length] }));

	if (names.length === 0)
		return null;
	return card("Backlog", { aside: h("span", { class: "aside" },
		ledger.bridges[spool.holder] && backlog(history, spool.holder).kind !== "none"
			? ["the spool is held by ", name(spool.holder)] : "no bridge holds the spool") },
	h("div", { class: "split" },
		h("ul", { class: "backlogs" }, names.map((b, i) => backlog_row(b, backlog(history, b), SERIES[i % SERIES.length]))),
		chart(lines, { from: Math.min(to - LEAST_MS, Math.max(to - SHOWN_MS, history.samples[0].at)), to, zero: true, format: short,
			label: `Records that wait, the last 5 minutes: ${names.map((b) =>
				`${plain(b)} ${number(ledger.bridges[b].waiting)}`).join(", ")}` })),
	h("div", { class: "room" }, meter(share, "of the spool's space is in use"),
		h("span", {}, `Spool: ${bytes(spool.bytes)}${spool.limit ? ` of ${bytes(spool.limit)}` : ""} in ` +
			`${count(spool.segments, "segment")}`),
		h("span", { class: "soft" }, full_s < 365 * 86400
			? `room for an outage of ${span(full_s)} more at this rate` : "")));
}

function short(n) {
	return n >= 1e6 ? `${n / 1e6} M` : n >= 1e4 ? `${n / 1e3} k` : number(n);
}

function meter(share, label) {
	const percent = Number.isFinite(share) ? Math.min(100, share * 100) : 0;

	return h("div", { class: `meter ${percent > 90 ? "bad" : percent > 75 ? "warn" : ""}`, role: "img",
		"aria-label": `${percent.toFixed(0)} % ${label}` }, h("span", { style: { width: `${percent}%` } }));
}

function backlog_row(bridge, log, cls) {
	return h("li", { key: bridge }, h("span", { class: `key ${cls}`, "aria-hidden": "true" }), name(bridge),
		h("b", {}, number(log.waiting)), h("span", { class: "soft" }, log.kind === "none"
			? (log.waiting ? "on their way" : "up to date") : [`oldest ${ago(log.oldest_s)}; `, h("strong", {}, drain_text(log)),
				log.kind === "drains" ? `, by ${rate(log.per_s)}/s` : log.kind === "held" && log.per_s > 0.5
					? `, grows by ${rate(log.per_s)}/s` : ""]));
}

const PARTS = ["acknowledged", "sent", "waiting", "dead", "dropped"];

function ledger(history) {
	const { ledger: l } = history.status;

	return card("Ledger", { aside: h("span", { class: "aside" }, "accepted = acknowledged + sent + waiting + dead + dropped") },
		h("div", { class: "accounts" }, Object.entries(l.bridges).map(([bridge, account]) =>
			equation(history, bridge, account, l.accepted))),
		h("p", { class: "soft" }, `${number(l.received)} received = ${number(l.accepted)} accepted + ` +
			`${number(l.suppressed)} suppressed. Payloads rejected: ${number(sum(l.rejected))}` +
			`${sum(l.rejected) ? ` (${Object.entries(l.rejected).map(([why, n]) => `${number(n)} ${plain(why)}`).join(", ")})` : ""}.`));
}

function equation(history, bridge, account, all) {
	const { total, before, holds } = account_sum(history, bridge);
	const parts = PARTS.map((p) => [p, p === "dropped" ? sum(account.dropped) : account[p]]);
	const due = before > 0 ? "due" : "accepted";

	return h("div", { key: bridge, class: "account" },
		h("h3", {}, name(bridge), h("span", { class: `sum state ${holds ? "ok" : "bad"}` },
			h("span", { class: "sign", "aria-hidden": "true" }), holds ? "adds up" : "does not add up")),
		h("p", { class: "equation" }, h("span", { class: "term" }, h("b", {}, number(holds ? total : all)), h("small", {}, due)),
			parts.map(([part, n], i) => h("span", { class: `term ${part} ${n ? "" : "zero"}` },
				h("span", { class: "op" }, i ? " + " : " = "), h("b", {}, number(n)), h("small", {}, ` ${part}`)))),
		h("div", { class: "bar", "aria-hidden": "true" }, parts.filter(([, n]) => n > 0).map(([part, n]) =>
			h("span", { key: part, class: part, style: { "flex-grow": String(n / (total || 1)) } }))),
		before > 0 && note(`Begun later than the spool: ${number(before)} of the ${number(all)} accepted were before it.`));
}

function loop(status) {
	const { loop: l } = status;
	const phases = l.phases ? PHASES.filter((p) => l.phases[p]).map((p) => [p, l.phases[p]]) : [];
	/* a decade is a step: what matters lies between a microsecond and a second */
	const share = (n) => n > 0 ? Math.min(100, Math.max(2, (Math.log10(n) + 3) / 6 * 100)) : 0;

	return card("Loop lag", { aside: h("span", { class: "aside" }, "by phase; bars are logarithmic") },
		h("table", { class: "phases plain" }, h("thead", {}, h("tr", {}, ["Phase", "p50", "", "p99"].map((t) =>
			t ? h("th", { scope: "col" }, t) : h("td", {})))),
		h("tbody", {}, phases.map(([phase, p]) => h("tr", { key: phase }, h("th", { scope: "row" }, phase),
			h("td", {}, ms(p.p50_ms)), h("td", { class: "bars", "aria-hidden": "true" },
				h("span", { class: "p99", style: { width: `${share(p.p99_ms)}%` } }),
				h("span", { class: "p50", style: { width: `${share(p.p50_ms)}%` } })), h("td", {}, ms(p.p99_ms)))))),
		h("p", { class: "soft" }, `Turns begin ${ms(l.lag_p50_ms)} late (p50), ${ms(l.lag_p99_ms)} (p99); ` +
			`the longest took ${ms(l.longest_turn_ms)}.`));
}

function process(status) {
	const c = status.commands ?? {};
	const done = ["done", "failed", "expired", "unreachable", "refused"].filter((k) => c[k])
		.map((k) => `${number(c[k])} ${k}`).join(", ");
	const rows = [["State", `${plain(status.state)}, since ${moment(status.since * 1000)}`],
		["Memory", bytes(status.memory_kib * 1024)],
		["Clock", status.clock === "synced" ? "known to be right" : "not known to be right"],
		["Numbers", `epoch ${plain(status.epoch)}, last ${number(status.last)}`],
		["On the disk", `${number(status.spool.committed)} of ${number(status.ledger.accepted)} accepted`],
		["Commands", c.requests ? `${number(c.requests)}: ${done || "none ended yet"}${c.waiting ? `, ${number(c.waiting)} waiting` : ""}` : "none yet"],
		["Configuration", `${status.generation}, ${plain(status.config).slice(0, 12)}`]];

	return card("Process", {}, h("dl", {}, rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])));
}
