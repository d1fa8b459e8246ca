/* The way to the gateway: calls of its API, and the stream that is opened anew whenever it ends. */

const PATIENCE_MS = 15000;	/* for the answer to a call */
const SILENT_MS = 5000;		/* the status comes each second: without it, what is shown is old */
const DEAD_MS = 20000;		/* and this long without it, the stream is given up */
const POLL_MS = 3000;		/* where no stream is to be had */
const LONGEST_WAIT_MS = 15000;

export class Refused extends Error {
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}

/* JSON whose whole numbers keep every digit where the browser lets us see them. */
export function read_json(text) {
	return JSON.parse(text, (key, value, context) =>
		typeof value === "number" && !Number.isSafeInteger(value) &&
		/^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value);
}

/* One call; throws Refused with the gateway's own words, or with status 0 if nobody answered. */
export async function call(path, { method = "GET", body, patience_ms = PATIENCE_MS } = {}) {
	let answer, text, json = null;

	try {
		answer = await fetch(path, {
			method, body, cache: "no-store", credentials: "same-origin",
			headers: body === undefined ? {} : { "Content-Type": "application/json" },
			signal: AbortSignal.timeout(patience_ms),
		});
		text = await answer.text();
	} catch (error) {
		throw new Refused(0, error.name === "TimeoutError" ? "it did not answer in time"
			: "it does not answer");
	}
	try {
		json = text === "" ? {} : read_json(text);
	} catch {
		if (answer.ok)
			throw new Refused(answer.status, "its answer is not JSON");
	}
	if (!answer.ok)
		throw new Refused(answer.status, String(json?.error ?? `status ${answer.status}`));
	return json;
}

/* state: "connecting", "live", "polling" (no stream free: asked every few seconds), "lost", or
 * "signed-out". `hooks`: status(object), packs(array), left_out(n), changed(). */
export class Live {
	constructor(hooks) {
		this.hooks = hooks;
		this.state = "connecting";
		this.why = "";
		this.device = null;	/* whose readings are wanted too */
		this.last = 0;		/* when the last status came */
		this.lost_at = 0;
		this.retry_at = 0;
		this.attempts = 0;	/* that nobody answered */
		this.refusals = 0;	/* that the gateway answered, but gave no stream */
		this.opened = 0;
		this.source = null;
		this.timer = 0;
	}

	silent_ms() {
		return this.last ? Date.now() - this.last : 0;
	}

	/* what is shown is not from now */
	stale() {
		return this.last > 0 && (this.state === "lost" || this.state === "signed-out" ||
			this.silent_ms() > SILENT_MS);
	}

	set(state, why = "") {
		if (state === "live" || state === "polling") {
			this.attempts = 0;
			this.lost_at = 0;
		} else if (state === "lost" && !this.lost_at) {
			this.lost_at = Date.now();
		}
		this.state = state;
		this.why = why;
		this.hooks.changed();
	}

	watch(device) {
		if (device === this.device)
			return;
		this.device = device;
		if (this.source)
			this.open();
	}

	close() {
		clearTimeout(this.timer);
		this.source?.close();
		this.source = null;
	}

	open() {
		this.close();
		const source = new EventSource("api/v1/stream" +
			(this.device === null ? "" : `?device=${encodeURIComponent(this.device)}`));
		const hear = (name, act) => source.addEventListener(name, (message) => {
			if (source !== this.source)
				return;
			try {
				act(read_json(message.data));
			} catch (error) {
				console.warn("unreadable", name, error);
			}
		});

		this.source = source;
		this.opened = Math.max(Date.now(), this.opened + 1);
		hear("status", (status) => {
			this.refusals = 0;
			this.took(status, "live");
		});
		hear("reading", (pack) => this.hooks.packs(pack));
		hear("left_out", (n) => this.hooks.left_out(Number(n)));
		source.onerror = () => source === this.source && this.ended();
	}

	took(status, how) {
		this.last = Date.now();
		if (this.state !== how)
			this.set(how);
		this.hooks.status(status);
	}

	/* The browser does not say why a stream ended; the status call does, and is of use itself. */
	async ended() {
		this.close();
		const opened = this.opened;
		try {
			const status = await call("api/v1/status");
			if (opened === this.opened)
				this.without_stream(status);
		} catch (error) {
			if (opened === this.opened)
				this.without_gateway(error);
		}
	}

	/* It is there: the stream broke on the way, or there are as many viewers as it serves. */
	without_stream(status) {
		const often = this.refusals++ > 0;

		this.took(status, often ? "polling" : this.state === "live" ? "live" : "connecting");
		this.later(often ? POLL_MS : 300);
	}

	without_gateway(error) {
		if (error.status === 401) {
			this.set("signed-out");
			return;
		}
		this.set("lost", error.message);
		this.later(Math.min(500 * 2 ** this.attempts++, LONGEST_WAIT_MS));
	}

	/* a random part, so that many pages do not come back in one moment */
	later(wait_ms) {
		const ms = wait_ms * (0.75 + Math.random() / 2);

		this.retry_at = Date.now() + ms;
		this.timer = setTimeout(() => this.open(), ms);
		this.hooks.changed();
	}

	/* once a second: a stream that is open and says nothing */
	look() {
		if (this.source && Date.now() - Math.max(this.last, this.opened) > DEAD_MS)
			this.ended();
	}
}
