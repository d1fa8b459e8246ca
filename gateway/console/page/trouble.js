/* What is wrong, in words: what, since when, what it means, what to do. The worst comes first. */
import { backlog, room, account_sum, sum } from "./figures.js";
import { bytes, count, moment, number, plain, span } from "./words.js";

const LEVELS = ["bad", "warn", "note"];
const RECENT_MS = 5 * 60 * 1000;

/* Remembers when each trouble was first seen: the gateway says of few things since when. */
export class Watch {
	constructor() {
		this.seen = new Map();
	}

	/* the list for the newest status; each with `key`, `level`, `what`, `since`, `means`, `todo`, `go` */
	look(history, now = Date.now()) {
		const first = history.samples.length <= 2;
		const found = [...driver_troubles(history, now), ...bridge_troubles(history, now),
			...spool_troubles(history), ...rest(history)];
		const keys = new Set(found.map((t) => t.key));

		for (const key of this.seen.keys())
			if (!keys.has(key))
				this.seen.delete(key);
		for (const t of found) {
			if (!this.seen.has(t.key))
				this.seen.set(t.key, { at: now, first });
			t.since ??= this.since(t.key, now);
		}
		return found.sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
	}

	since(key, now) {
		const { at, first } = this.seen.get(key);

		return first ? "since before this page was opened"
			: `since ${moment(at, now)}`;
	}
}

/* since when it is not up, where the gateway says so */
function since_state(link, now) {
	return Number.isFinite(link.state_s) ? `since ${moment(now - link.state_s * 1000, now)}` : undefined;
}

function driver_troubles(history, now) {
	const found = [];

	for (const [name, d] of Object.entries(history.status.drivers ?? {})) {
		if (d.state !== "up")
			found.push({
				key: `driver ${name}`, level: "bad", go: "#/links",
				what: `Driver ${plain(name)} (${plain(d.type)}) is not up` +
					`${d.fault ? `: ${plain(d.fault)}` : ""}.`,
				since: since_state(d, now),
				means: "Nothing comes in over it. Devices that are answered only when their " +
					"reading is kept hold it back or send it again.",
				todo: "It is tried again by itself. See whether what it connects to is there: " +
					"its broker, its port, its line.",
			});
		const rejected = grown(history, (s) => s.drivers[name]?.rejected);
		if (rejected > 0)
			found.push({
				key: `rejected ${name}`, level: "warn",
				what: `Driver ${plain(name)} rejected ${count(rejected, "payload")} in the last 5 minutes.`,
				means: `They could not be read (${reasons(history.status.ledger.rejected)} since the ` +
					"spool began). Nothing of them was kept.",
				todo: "The log has the reason and the first bytes of each; try one with " +
					"“fieldgate normalise”.",
			});
	}
	return found;
}

/* by how much a count has grown in the last minutes */
function grown(history, pick) {
	const seen = history.window(RECENT_MS).filter((s) => pick(s) !== undefined);

	return seen.length ? pick(seen.at(-1)) - pick(seen[0]) : 0;
}

function reasons(counts) {
	return Object.entries(counts ?? {}).map(([why, n]) => `${number(n)} ${plain(why)}`).join(", ");
}

function bridge_troubles(history, now) {
	const found = [];

	for (const [name, account] of Object.entries(history.status.ledger.bridges ?? {})) {
		const link = history.status.links?.[name];
		if (link && link.state !== "up")
			found.push(down(history, name, link, account, now));
		else if (stalled(history, name, account))
			found.push({
				key: `stalled ${name}`, level: "bad", go: "#/links",
				what: `Bridge ${plain(name)} is up, but nothing has been acknowledged for 30 s.`,
				means: `${count(account.waiting, "record waits", "records wait")} on the disk.`,
				todo: "It connects anew by itself. See what the upstream does with what it gets.",
			});
		found.push(...losses(history, name, account));
		const { holds, before, total } = account_sum(history, name);
		if (!holds)
			found.push({
				key: `account ${name}`, level: "bad",
				what: `The account of ${plain(name)} does not add up: ${number(total)} against ` +
					`${number(total + before)} accepted.`,
				means: "This must not be: it is a fault of the gateway.",
				todo: "Keep the log and the spool folder, and report it.",
			});
	}
	return found;
}

function stalled(history, name, account) {
	const seen = history.window(35000);

	return account.waiting > 0 && account.oldest_s > 30 && seen.length > 1 &&
		seen.at(-1).at - seen[0].at > 29000 &&
		seen[0].bridges[name]?.out === seen.at(-1).bridges[name]?.out;
}

function down(history, name, link, account, now) {
	const { full_s, share } = room(history);
	const left = Number.isFinite(full_s) && full_s < 30 * 86400
		? ` At this rate the spool has room for about ${span(full_s)} more.` : "";

	return {
		key: `bridge ${name}`, level: share > 0.9 ? "bad" : "warn", go: "#/links",
		what: `Bridge ${plain(name)} (${plain(link.type)}) is not connected` +
			`${link.fault ? `: ${plain(link.fault)}` : ""}.`,
		since: since_state(link, now),
		means: account.waiting > 0
			? `${count(account.waiting, "record waits", "records wait")} on the disk, the oldest from ` +
				`${moment(now - account.oldest_s * 1000, now)}; none is lost.${left}`
			: `What comes in will wait on the disk.${left}`,
		todo: "It is tried again by itself, and goes on where it stopped. See whether the upstream runs " +
			"and can be reached from the gateway.",
	};
}

function losses(history, name, account) {
	const dropped = sum(account.dropped);
	const found = [];

	if (dropped > 0) {
		const now = grown(history, (s) => s.bridges[name]?.dropped);
		found.push({
			key: `dropped ${name}${now > 0 ? " now" : ""}`, level: now > 0 ? "bad" : "note", go: "#/links",
			what: now > 0 ? `Bridge ${plain(name)} is losing records: ${number(now)} in the last 5 minutes.`
				: `Bridge ${plain(name)} has lost records: ${reasons(account.dropped)}.`,
			since: now > 0 ? undefined : "none of them in the time that this page has seen",
			means: "They are gone. Each range of numbers is announced upstream, with the reason.",
			todo: account.dropped["spool-full"]
				? "The outage was longer than the spool holds: end it, or make spool.limit larger."
				: account.dropped.damaged ? "The disk lost them: fieldgate spool DIR --verify says where."
					: "See the bridge's faults and dead letters.",
		});
	}
	if (account.dead > 0)
		found.push({
			key: `dead ${name}`, level: "warn", go: "#/links",
			what: `The upstream of ${plain(name)} refused ${count(account.dead, "record")} for good.`,
			means: "They are kept aside as dead letters; the rest goes on.",
			todo: "Read why under Links. When the cause is gone, put them back in line there.",
		});
	return found;
}

function spool_troubles(history) {
	const { share, full_s } = room(history);
	const held = Object.keys(history.status.ledger.bridges ?? {}).map((name) =>
		backlog(history, name)).some((b) => b.kind !== "none");
	const holder = history.status.spool?.holder;

	if (!(share > 0.75) || !held)
		return [];
	return [{
		key: "spool", level: share > 0.9 ? "bad" : "warn", go: "#/spool",
		what: `The spool is ${Math.floor(share * 100)} % full (${bytes(history.status.spool.bytes)} of ` +
			`${bytes(history.status.spool.limit)})${holder ? `, held by bridge ${plain(holder)}` : ""}.`,
		means: "When it is full, the oldest records are given up, or no more are taken, as " +
			`spool.when_full says.${full_s < 30 * 86400 ? ` At this rate: in ${span(full_s)}.` : ""}`,
		todo: holder ? `Bring the upstream of ${plain(holder)} back, or make spool.limit larger.`
			: "Bring the upstreams back, or make spool.limit larger.",
	}];
}

function rest(history) {
	const status = history.status, found = [];
	const { late = 0, offline = 0 } = status.states ?? {};
	const lag = status.loop?.lag_p99_ms;

	if (offline + late > 0)
		found.push({
			key: "devices", level: offline ? "warn" : "note",
			go: offline ? "#/devices?state=offline" : "#/devices?state=late",
			what: [offline && `${count(offline, "device is", "devices are")} offline`,
				late && `${count(late, "device is", "devices are")} late`].filter(Boolean).join(", ") + ".",
			means: "They have been silent for several of their intervals.",
			todo: "If all are behind one broker or line, look there first; else at their power and radio.",
		});
	if (status.clock === "unsynced")
		found.push({
			key: "clock", level: "note",
			what: "The gateway's clock is not known to be right.",
			means: "Times are marked so; records of this start that still wait get their true time when it is.",
			todo: "See that the machine's time service runs and reaches its servers.",
		});
	if (lag > 250)
		found.push({
			key: "lag", level: "warn",
			what: `The loop is slow: one turn in a hundred begins ${number(lag)} ms late.`,
			means: "Devices are answered later than they might be.",
			todo: "See what else the machine does, and whether its disk is slow.",
		});
	return found;
}
