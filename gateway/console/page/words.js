/* How things are written for people: numbers, times, sizes, and text from outside. */

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function number(n) {
	return typeof n === "bigint" || Number.isFinite(n) ? whole.format(n) : "–";
}

/* "1 record", "2 records" */
export function count(n, one, many = one + "s") {
	return `${number(n)} ${n === 1 ? one : many}`;
}

/* per second */
export function rate(n) {
	if (!Number.isFinite(n))
		return "–";
	return n > 0 && n < 9.95 ? tenth.format(n) : whole.format(n);
}

export function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;

	if (!Number.isFinite(n))
		return "–";
	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return `${i === 0 || n >= 100 || Number.isInteger(n) ? whole.format(n) : tenth.format(n)} ${units[i]}`;
}

/* milliseconds, for what is far below a second */
export function ms(n) {
	if (!Number.isFinite(n))
		return "–";
	if (n < 1)
		return `${whole.format(n * 1000)} µs`;
	return `${n < 10 ? n.toFixed(1) : whole.format(n)} ms`;
}

/* a length of time, in the two units that matter */
export function span(s) {
	if (!Number.isFinite(s))
		return "–";
	if (s < 1)
		return "under 1 s";
	if (s < 60)
		return `${Math.floor(s)} s`;
	for (const [big, big_s, small, small_s] of [
		["min", 60, "s", 1], ["h", 3600, "min", 60], ["d", 86400, "h", 3600]]) {
		if (big !== "d" && s >= (big === "min" ? 3600 : 86400))
			continue;
		const rest = Math.floor((s % big_s) / small_s);
		return `${Math.floor(s / big_s)} ${big}${rest ? ` ${rest} ${small}` : ""}`;
	}
}

export function ago(s) {
	return s < 1 ? "now" : `${span(s)} ago`;
}

/* a moment; the day too if it is not today's */
export function moment(time_ms, now_ms = Date.now()) {
	const date = new Date(time_ms);

	if (!Number.isFinite(date.getTime()))
		return "–";
	const time = date.toLocaleTimeString("en-GB");
	if (new Date(now_ms).toDateString() === date.toDateString())
		return time;
	const year = new Date(now_ms).getFullYear() === date.getFullYear() ? undefined : "numeric";
	return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year })} ${time}`;
}

/* What would not be seen, or would turn the text around it: shown by its code. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const LONGEST = 400;

/* Text from outside, as text that can be shown. */
export function plain(text, longest = LONGEST) {
	let shown = String(text).replace(UNSEEN,
		(c) => `\u27e8${c.codePointAt(0).toString(16).toUpperCase().padStart(2, "0")}\u27e9`);

	if (shown.length > longest)
		shown = `${shown.slice(0, longest)}… (${number(String(text).length)} characters)`;
	return shown;
}

/* A value as the gateway holds it: every digit, no grouping. */
export function value(v) {
	if (v === null || v === undefined)
		return "–";
	return plain(typeof v === "object" ? json(v) : v);
}

const UNITS = {
	Cel: "°C", "%RH": "% RH", degC: "°C", "m/s2": "m/s²", m2: "m²", m3: "m³", "m3/s": "m³/s",
	Ohm: "Ω", "/": "", "%EL": "%", lat: "° lat", lon: "° lon", "kg/m3": "kg/m³", "W/m2": "W/m²",
	"ug/m3": "µg/m³", deg: "°",
};

/* JSON again, with the digits of whole numbers that no double holds */
export function json(v, indent) {
	return JSON.stringify(v, (key, inner) => typeof inner === "bigint"
		? JSON.rawJSON?.(String(inner)) ?? String(inner) : inner, indent);
}

/* a SenML unit as people write it */
export function unit(u) {
	return u === null || u === undefined ? "" : UNITS[u] ?? plain(u, 40);
}

/* encodeURIComponent that takes any string: half a surrogate pair has no UTF-8 */
export function encode(text) {
	return encodeURIComponent(String(text).toWellFormed?.() ?? String(text));
}
