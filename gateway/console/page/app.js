/* The console's page: what is in it, which view is shown, and the frame around it. */
import { h, patch } from "./dom.js";
import { Live, call } from "./live.js";
import { History } from "./figures.js";
import { Watch } from "./trouble.js";
import { moment, plain, span } from "./words.js";
import { Overview } from "./overview.js";
import { Devices } from "./devices.js";
import { Device } from "./device.js";
import { Links } from "./links.js";
import { Spool } from "./spool.js";
import { Config } from "./config.js";
import { SignIn } from "./signin.js";

const VIEWS = { "": Overview, devices: Devices, device: Device, links: Links, spool: Spool, config: Config };
const NAV = [["", "Overview"], ["devices", "Devices"], ["links", "Links"], ["spool", "Spool"],
	["config", "Config"]];

const at = (id) => document.getElementById(id);

/* what the views see of the page around them */
class App {
	constructor() {
		this.history = new History();
		this.troubles = [];
		this.watch = new Watch();
		this.view = null;
		this.drawn = false;
		this.live = new Live({
			status: (status) => this.took(status),
			packs: (pack) => this.view?.pack?.(pack),
			left_out: (n) => this.view?.left_out?.(n),
			changed: () => this.contact_changed(),
		});
	}

	get status() {
		return this.history.status;
	}

	start() {
		window.onhashchange = () => this.go();
		document.querySelector(".skip").onclick = (e) => {
			e.preventDefault();
			at("main").focus();
		};
		setInterval(() => this.tick(), 1000);
		this.go();
		this.live.open();
	}

	took(status) {
		this.history.add(status);
		this.troubles = this.watch.look(this.history);
		this.view?.status?.();
		this.draw();
	}

	contact_changed() {
		const { state, why } = this.live;

		if (state === this.said)
			return;
		if (state === "lost")
			this.say(`No contact with the gateway: ${why}.`);
		else if (this.said === "lost" && (state === "live" || state === "polling"))
			this.say("In contact with the gateway again.");
		else if (state === "signed-out" && !(this.view instanceof SignIn))
			this.show(new SignIn(this));
		if (this.said === "lost" && state === "live")
			this.view?.again?.();
		this.said = state;
		this.draw();
	}

	/* said once to those who listen to the page */
	say(text) {
		at("say").textContent = text;
	}

	tick() {
		this.live.look();
		this.view?.tick?.();
		this.draw();
	}

	/* a call of the API; being signed out shows the door */
	async call(path, options) {
		try {
			return await call(path, options);
		} catch (error) {
			if (error.status === 401 && this.live.state !== "signed-out") {
				this.live.close();
				this.live.set("signed-out");
			}
			throw error;
		}
	}

	signed_in() {
		this.live.set("connecting");
		this.live.open();
		this.go();
	}

	async sign_out() {
		try {
			await call("api/v1/session", { method: "DELETE" });
		} catch { /* then there is no session either */ }
		sessionStorage.removeItem("signed-in");
		location.reload();
	}

	/* the view that the address names */
	go() {
		if (this.live.state === "signed-out")
			return;
		const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
		const [name, ...rest] = path.split("/");
		const params = new URLSearchParams(query);
		const View = VIEWS[name] ?? Overview;

		params.set("id", decode(rest.join("/")));
		if (this.view instanceof View && this.view.stays?.(params)) {
			this.draw();
			return;
		}
		this.show(new View(this, params));
	}

	show(view) {
		const first = this.view === null;

		this.view?.leave?.();
		this.view = view;
		this.live.watch(view.device ?? null);
		view.enter?.();
		this.drawn = false;
		this.draw_now();
		document.title = `${view.title()} · ${this.gateway()}`;
		if (!first) {
			window.scrollTo(0, 0);
			document.querySelector("#main h1")?.focus();
		}
	}

	gateway() {
		return plain(this.status?.ledger?.gateway ?? "Fieldgate", 60);
	}

	/* soon: all that changes in one turn is drawn once */
	draw() {
		if (this.asked)
			return;
		this.asked = true;
		requestAnimationFrame(() => {
			this.asked = false;
			this.draw_now();
		});
	}

	draw_now() {
		const stale = this.live.stale();

		patch(at("head"), this.head());
		patch(at("contact"), this.contact());
		patch(at("main"), this.body());
		patch(at("foot"), this.foot());
		at("main").classList.toggle("stale", stale && !(this.view instanceof SignIn));
		document.title = `${this.troubles.some((t) => t.level === "bad") ? "⚠ " : ""}${this.view.title()} · ` +
			this.gateway();
	}

	body() {
		if (!(this.view instanceof SignIn) && !this.status)
			return [h("h1", { tabindex: "-1" }, this.view.title()), h("p", { class: "note" },
				this.live.state === "lost" ? "Nothing has been heard from the gateway yet." : "Asking the gateway…")];
		return this.view.draw();
	}

	head() {
		const here = location.hash.replace(/^#\/?/, "").split(/[/?]/)[0].replace(/^device$/, "devices");
		const bad = this.troubles.filter((t) => t.level !== "note").length;
		const open = this.live.state !== "signed-out";

		return [h("a", { class: "brand", href: "#/" }, h("img", { src: "favicon.svg", alt: "", width: "28", height: "28" }),
			h("bdi", {}, this.gateway())),
		open && h("nav", { "aria-label": "Views" }, NAV.map(([to, text]) => h("a", { href: `#/${to}`,
			"aria-current": here === to ? "page" : null }, text,
		to === "" && bad > 0 && h("span", { class: "bubble" }, h("span", { "aria-hidden": "true" }, bad),
			h("span", { class: "unseen" }, ` (${bad} to look at)`))))),
		this.connection()];
	}

	connection() {
		const words = { connecting: "Connecting", live: "Live", polling: "Every 3 s", lost: "No contact",
			"signed-out": "Signed out" };
		const silent = this.live.state === "live" && this.live.stale();
		const level = { live: "ok", polling: "ok", lost: "bad" }[this.live.state] ?? "warn";

		return h("div", { class: "connection" },
			h("span", { class: `state ${silent ? "warn" : level} ${this.live.state === "live" && !silent ? "beats" : ""}` },
				h("span", { class: "sign", "aria-hidden": "true" }), silent ? "Silent" : words[this.live.state]),
			sessionStorage.getItem("signed-in") && this.live.state !== "signed-out" &&
				h("button", { class: "quiet", type: "button", onclick: () => this.sign_out() }, "Sign out"));
	}

	/* above everything: that what is shown is old */
	contact() {
		const { live } = this;

		if (live.state === "signed-out" || live.state === "connecting" || (live.state !== "lost" && !live.stale()))
			return [];
		const wait = Math.max(0, Math.ceil((live.retry_at - Date.now()) / 1000));
		const text = live.state !== "lost"
			? `The gateway has said nothing for ${span(live.silent_ms() / 1000)}.`
			: `No contact with the gateway since ${moment(live.lost_at)}: ${live.why}. ` +
				(wait ? `Next attempt in ${wait} s.` : "Trying now.");

		return [h("div", { class: "contact" }, h("p", {}, h("strong", {}, text),
			live.last ? ` What you see is from ${moment(live.last)}, ${span(Math.max(1, live.silent_ms() / 1000))} ago.` : ""),
		live.state === "lost" && h("button", { type: "button", onclick: () => live.open() }, "Try now"))];
	}

	foot() {
		const s = this.status;

		if (!s || this.live.state === "signed-out")
			return [];
		return [h("span", {}, `Fieldgate ${plain(s.version, 30)}`), h("span", {}, `up since ${moment(s.since * 1000)}`),
			h("span", {}, `configuration ${s.generation} `, h("code", {}, plain(s.config, 12).slice(0, 12))),
			h("span", {}, "epoch ", h("code", {}, plain(s.epoch, 16)))];
	}
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

new App().start();
