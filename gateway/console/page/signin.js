/* The door: where the gateway wants its token. */
import { h } from "./dom.js";
import { call } from "./live.js";
import { plain } from "./words.js";

export class SignIn {
	constructor(app) {
		this.app = app;
		this.fault = "";
		this.busy = false;
	}

	title() {
		return "Sign in";
	}

	enter() {
		requestAnimationFrame(() => document.getElementById("token")?.focus());
	}

	async send(e) {
		e.preventDefault();
		if (this.busy)
			return;
		const field = document.getElementById("token");

		this.busy = true;
		this.fault = "";
		this.app.draw();
		try {
			await call("api/v1/session", { method: "POST", body: JSON.stringify({ token: field.value }) });
			sessionStorage.setItem("signed-in", "1");
			field.value = "";
			this.app.signed_in();
		} catch (error) {
			this.fault = error.status === 401 || error.status === 403 ? "That is not the token."
				: `It could not be asked: ${plain(error.message)}.`;
			this.busy = false;
			this.app.draw_now();
			field.select();
		}
	}

	draw() {
		return [h("form", { class: "card door", onsubmit: (e) => this.send(e) },
			h("h1", { tabindex: "-1" }, "Sign in"),
			h("p", { class: "note" }, "This gateway shows itself to those who know its console token."),
			h("label", { for: "token" }, "Token"),
			h("input", { id: "token", type: "password", autocomplete: "current-password", required: true,
				"aria-describedby": "token-fault", "aria-invalid": this.fault ? "true" : null }),
			h("p", { id: "token-fault", class: "failed", role: "alert" }, this.fault),
			h("button", { type: "submit", class: "main", disabled: this.busy }, this.busy ? "Asking…" : "Sign in"))];
	}
}
