/* What follows from the statuses seen so far: rates, the time that a backlog will take, how full
 * the spool will be when. No page in here: tests/console/figures.test.js asks it directly. */

const KEPT_MS = 15 * 60 * 1000;
const FRESH_S = 5;		/* records younger than this are on their way, no backlog */

function sample_of(status, at) {
	const ledger = status.ledger ?? {};
	const sample = { at, accepted: ledger.accepted ?? 0, drivers: {}, bridges: {} };

	for (const [name, d] of Object.entries(status.drivers ?? {}))
		sample.drivers[name] = { records: d.records, payloads: d.payloads,
			rejected: d.rejected, faults: d.faults };
	for (const [name, b] of Object.entries(ledger.bridges ?? {}))
		sample.bridges[name] = { state: status.links?.[name]?.state, waiting: b.waiting, out: b.acknowledged + b.sent,
			dropped: sum(b.dropped), dead: b.dead };
	return sample;
}

export function sum(counts) {
	return Object.values(counts ?? {}).reduce((a, b) => a + b, 0);
}

/* The statuses of the last minutes, a sample each. A new run of the gateway begins anew what counts
 * from its start: `breaks` says where. */
export class History {
	constructor() {
		this.samples = [];
		this.status = null;
		this.run = null;
	}

	add(status, at = Date.now()) {
		const run = `${status.since} ${status.epoch}`;
		const sample = sample_of(status, at);

		sample.broken = this.run !== null && (run !== this.run ||
			at - this.samples.at(-1).at > 10000);
		this.run = run;
		this.status = status;
		this.samples.push(sample);
		while (this.samples[0].at < at - KEPT_MS)
			this.samples.shift();
	}

	/* the samples of the last `ms`, none from before a break */
	window(ms) {
		const from = (this.samples.at(-1)?.at ?? 0) - ms;
		let i = this.samples.length;

		while (i > 0 && this.samples[i - 1].at >= from) {
			i--;
			if (this.samples[i].broken)
				break;
		}
		return this.samples.slice(i);
	}

	/* How fast pick(sample) changes, per second, over the last `ms`, or since like(sample) is what it is
	 * now; NaN if that is not known. */
	slope(pick, ms = 10000, like = null) {
		const all = this.window(ms).filter((s) => pick(s) !== undefined);
		const unlike = like ? all.findLastIndex((s) => like(s) !== like(all.at(-1))) : -1;
		const seen = all.slice(unlike + 1);
		const first = seen[0], last = seen.at(-1);

		if (!first || last.at - first.at < 900)
			return NaN;
		return (pick(last) - pick(first)) / ((last.at - first.at) / 1000);
	}

	/* the same of a count that only grows; a reload may begin it anew */
	rate(pick, ms) {
		const slope = this.slope(pick, ms);

		return slope < 0 ? NaN : slope;
	}

	/* [[at, per second or null]...]: a rate in the course of the last `ms`, for a line */
	course(pick, ms = 5 * 60 * 1000, over = 3) {
		const from = (this.samples.at(-1)?.at ?? 0) - ms;
		const line = [];

		for (let i = over; i < this.samples.length; i++) {
			const a = this.samples[i - over], b = this.samples[i];
			if (b.at < from)
				continue;
			const rate = (pick(b) - pick(a)) / ((b.at - a.at) / 1000);
			if (b.at - a.at < over * 500)
				continue;
			const whole = this.samples.slice(i - over + 1, i + 1).every((s) => !s.broken);
			line.push([b.at, whole && rate >= 0 ? rate : null]);
		}
		return line;
	}

	/* [[at, value]...] as it was */
	values(pick, ms = 5 * 60 * 1000) {
		const from = (this.samples.at(-1)?.at ?? 0) - ms;

		return this.samples.filter((s) => s.at >= from).map((s) => [s.at, pick(s) ?? null]);
	}
}

export const driver_records = (name) => (s) => s.drivers[name]?.records;
export const bridge_out = (name) => (s) => s.bridges[name]?.out;
export const bridge_waiting = (name) => (s) => s.bridges[name]?.waiting;
export const accepted = (s) => s.accepted;

/* The backlog of a bridge: { kind, waiting, oldest_s, per_s, eta_s }.
 * kind: "none" (what waits is on its way), "drains" (in eta_s), "grows", "steady", "held" (the
 * bridge is not up), "measuring". per_s: how fast it shrinks or grows. */
export function backlog(history, name) {
	const account = history.status.ledger.bridges[name];
	const link = history.status.links?.[name];
	const found = { kind: "none", waiting: account.waiting, oldest_s: account.oldest_s,
		per_s: NaN, eta_s: NaN };

	if (account.waiting === 0 || (account.oldest_s < FRESH_S && (!link || link.state === "up")))
		return found;
	/* not across the end of an outage: what grew until then drains now */
	const slope = history.slope(bridge_waiting(name), 15000, (s) => s.bridges[name]?.state);
	found.per_s = Math.abs(slope);
	if (link && link.state !== "up") {
		found.kind = "held";
	} else if (Number.isNaN(slope)) {
		found.kind = "measuring";
	} else if (slope < -0.5) {
		found.kind = "drains";
		found.eta_s = account.waiting / -slope;
	} else {
		found.kind = slope > 0.5 ? "grows" : "steady";
	}
	return found;
}

/* How full the spool is, and the seconds until it is full if records come in as they do now and none
 * is freed: { share, full_s }. Bytes a record from what lies in it. */
export function room(history) {
	const spool = history.status.spool ?? {};
	const inside = (history.status.ledger.accepted ?? 0) - (spool.oldest ?? 1) + 1;
	const found = { share: NaN, full_s: NaN };

	if (!(spool.limit > 0))
		return found;
	found.share = spool.bytes / spool.limit;
	const per_s = history.rate(accepted, 60000);
	const each = inside > 2000 ? spool.bytes / inside : 100;
	if (per_s > 0)
		found.full_s = Math.max(0, spool.limit - inside * each) / (per_s * each);
	return found;
}

/* Whether an account adds up. A bridge that was begun later is due less than what was accepted: the
 * part from before its begin must then stay the same. { total, before, holds } */
export function account_sum(history, name) {
	const account = history.status.ledger.bridges[name];
	const total = account.acknowledged + account.sent + account.waiting + account.dead +
		sum(account.dropped);
	const before = history.status.ledger.accepted - total;
	const earlier = (s) => s.bridges[name] && s.accepted - s.bridges[name].out -
		s.bridges[name].waiting - s.bridges[name].dead - s.bridges[name].dropped;

	return { total, before, holds: before >= 0 && history.window(60000).every((s) =>
		earlier(s) === undefined || earlier(s) === before) };
}
