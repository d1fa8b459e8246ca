/* Lines over time, as SVG that stretches with its box; the texts beside it are HTML, so they do not.
 * A line is [[ms, number or null]...]; a null is a gap. */
import { h } from "./dom.js";

const W = 1000, H = 100;	/* the viewBox; not pixels */

function path(line, x, y, floor, step) {
	const parts = [], areas = [];
	let run = [], dots = "";

	const close = () => {
		if (run.length > 1)
			parts.push(`M${run.join("L")}`);
		if (run.length > 1) {
			const from = run[0].split(" ")[0], to = run.at(-1).split(" ")[0];
			areas.push(`M${from} ${floor}L${run.join("L")}L${to} ${floor}Z`);
		}
		run = [];
	};
	for (const [at, v] of line) {
		if (v === null || !Number.isFinite(v)) {
			close();
			continue;
		}
		if (step && run.length)
			run.push(`${x(at)} ${run.at(-1).split(" ")[1]}`);
		run.push(`${x(at)} ${y(v)}`);
		dots += `M${x(at)} ${y(v)}l0 0`;	/* round ends make it a dot */
	}
	close();
	return [parts.join(""), areas.join(""), dots];
}

const fixed = (n) => Math.round(n * 100) / 100;

function scale(from, to, size) {
	const span = to - from || 1;

	return (v) => fixed((v - from) / span * size);
}

function drawing(lines, { from, to, low, high, step }) {
	const x = scale(from, to, W), up = scale(low, high, H - 4);
	const y = (v) => fixed(H - 2 - up(v));

	return h("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", "aria-hidden": "true" },
		lines.map(({ line, cls, area, dotted }) => {
			const [stroke, fill, dots] = path(line.filter(([at]) => at >= from - (to - from) / 50),
				x, y, H, step);
			return [area && h("path", { class: `area ${cls}`, d: fill }),
				h("path", { class: `line ${cls}`, d: stroke, "vector-effect": "non-scaling-stroke" }),
				dotted && h("path", { class: `line dots ${cls}`, d: dots, "vector-effect": "non-scaling-stroke" })];
		}));
}

function extent(lines) {
	let low = Infinity, high = -Infinity;

	for (const { line } of lines)
		for (const [, v] of line)
			if (v !== null && Number.isFinite(v)) {
				low = Math.min(low, v);
				high = Math.max(high, v);
			}
	return low > high ? [0, 1] : [low, high];
}

/* a small line without axes, from zero; the newest point at the right edge */
export function spark(line, { cls = "accent", ms = 5 * 60 * 1000, least_ms = 60 * 1000 } = {}) {
	const to = line.at(-1)?.[0] ?? 0;
	const from = Math.min(to - least_ms, Math.max(to - ms, line[0]?.[0] ?? 0));
	const high = Math.max(1, extent([{ line }])[1]);

	return h("span", { class: "spark" },
		drawing([{ line, cls, area: true }], { from, to, low: 0, high }));
}

/* a step of 1, 2 or 5 times a power of ten that gives about `n` of them */
function nice_step(span, n) {
	const raw = span / n, power = 10 ** Math.floor(Math.log10(raw));

	return power * [1, 2, 5, 10].find((m) => m * power >= raw);
}

export function ticks(low, high, n = 4) {
	const step = nice_step(high - low || 1, n), found = [];

	for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
		found.push(Number((i * step).toPrecision(12)));
	return found;
}

const TIME_STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600];

function time_ticks(from, to) {
	const step = 1000 * (TIME_STEPS_S.find((s) => (to - from) / 1000 / s <= 6) ?? 86400);
	const found = [];

	/* none so near an end that its text would be cut */
	for (let at = Math.ceil(from / step) * step; at <= to; at += step)
		if (at - from > (to - from) * 0.03 && to - at > (to - from) * 0.03)
			found.push(at);
	return found;
}

function time_text(at, span_ms) {
	const text = new Date(at).toLocaleTimeString("en-GB");

	return span_ms > 6 * 60 * 1000 ? text.slice(0, 5) : text;
}

/* A chart with axes. lines: [{ line, cls, area, dotted }]; options: from, to (ms), zero (the scale
 * begins there), step (values hold until the next), format(v), label (said for those who do not see
 * it), mark (a moment to point out), onmark(ms or null). */
export function chart(lines, { from, to, zero, step, format = String, label, mark, onmark }) {
	let [low, high] = extent(lines);

	if (zero)
		low = Math.min(0, low);
	if (step)
		[low, high] = [0, 1];
	if (low === high) {
		const spread = Math.abs(low) * 0.05 || 1;
		[low, high] = [zero ? low : low - spread, high + spread];
	}
	const pad = (high - low) * 0.06;
	[low, high] = [zero && low === 0 ? 0 : low - pad, high + pad];
	const marks = step ? [0, 1] : ticks(low, high);	/* what holds is on or off */
	const left = (at) => `${fixed((at - from) / (to - from) * 100)}%`;
	const bottom = (v) => `${fixed(2 + (v - low) / (high - low) * 96)}%`;
	const at_pointer = (e) => {
		const box = e.currentTarget.getBoundingClientRect();
		onmark(from + (e.clientX - box.left) / box.width * (to - from));
	};

	return h("div", { class: "chart", role: "img", "aria-label": label },
		h("div", { class: "plot", onpointermove: onmark && at_pointer, onpointerdown: onmark && at_pointer,
			onpointerleave: onmark && ((e) => e.pointerType === "mouse" && onmark(null)) },
		marks.map((v) => h("div", { class: "grid", style: { bottom: bottom(v) } })),
		drawing(lines, { from, to, low, high, step }),
		mark && mark >= from && mark <= to && h("div", { class: "mark", style: { left: left(mark) } })),
		h("div", { class: "axis-y" }, marks.map((v) =>
			h("span", { style: { bottom: bottom(v) } }, format(v)))),
		h("div", { class: "axis-x" }, time_ticks(from, to).map((at) =>
			h("span", { style: { left: left(at) } }, time_text(at, to - from)))));
}
