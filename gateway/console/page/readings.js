/* Readings as they come: SenML packs, and the last of them of one point. */

const KEPT = 4000, KEPT_MS = 15 * 60 * 1000, TEXTS = 12;

/* The records of a pack, resolved (RFC 8428, 4.6): [{ name, value, unit, time, unsynced }...] */
export function read_pack(pack) {
	let base = "", time = 0, unit = null;
	const found = [];

	for (const r of Array.isArray(pack) ? pack : []) {
		base = r.bn ?? base;
		time = r.bt ?? time;
		unit = r.bu ?? unit;
		const value = r.v ?? r.vs ?? r.vb ?? r.vd;
		if (value === undefined)
			continue;
		found.push({ name: base + (r.n ?? ""), value, unit: r.u ?? unit, time: time + (r.t ?? 0),
			unsynced: r.clock === "unsynced" });
	}
	return found;
}

function as_number(v) {
	return typeof v === "boolean" ? Number(v) : typeof v === "bigint" ? Number(v)
		: typeof v === "number" ? v : null;
}

/* The last values of one point, in the order of their times. */
export class Series {
	constructor() {
		this.values = [];	/* { at, value }; value null: a gap */
	}

	get last() {
		return this.values.findLast((v) => v.value !== null);
	}

	get numeric() {
		return as_number(this.last?.value) !== null;
	}

	/* on and off, and the like: hold until the next */
	get steps() {
		return typeof this.last?.value === "boolean";
	}

	add(at, value) {
		if (!Number.isFinite(at) || value === null || value === undefined)
			return;
		let i = this.values.length;
		while (i > 0 && this.values[i - 1].at > at)
			i--;
		if (i > 0 && this.values[i - 1].at === at && this.values[i - 1].value !== null)
			this.values[i - 1].value = value;
		else
			this.values.splice(i, 0, { at, value });
		const oldest = this.values.at(-1).at - KEPT_MS;
		while (this.values.length > KEPT || this.values[0].at < oldest)
			this.values.shift();
	}

	/* nothing was heard for a while: no line across it */
	gap() {
		if (this.last)
			this.values.push({ at: this.values.at(-1).at, value: null });
	}

	line(from) {
		let i = this.values.findIndex((v) => v.at >= from);

		if (i < 0)
			i = this.values.length;
		return this.values.slice(Math.max(0, i - 1)).map((v) => [v.at, v.value === null ? null : as_number(v.value)]);
	}

	near(at) {
		let best = null;

		for (const v of this.values)
			if (v.value !== null && (!best || Math.abs(v.at - at) < Math.abs(best.at - at)))
				best = v;
		return best;
	}

	/* the moment of the value before or after the one nearest to `at` */
	beside(at, by, line) {
		const times = line.filter(([, v]) => v !== null).map(([t]) => t);
		const here = times.indexOf(this.near(at)?.at);

		return times[Math.min(times.length - 1, Math.max(0, here + by))] ?? null;
	}

	texts() {
		return this.values.filter((v) => v.value !== null).slice(-TEXTS).reverse().map((v) => [v.at, v.value]);
	}
}
