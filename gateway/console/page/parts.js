/* Pieces that several views are made of. */
import { h } from "./dom.js";
import { plain } from "./words.js";

export function card(title, { aside, class: more = "" } = {}, ...kids) {
	const id = `card-${title.toLowerCase().replace(/\W+/g, "-")}`;

	return h("section", { class: `card ${more}`, "aria-labelledby": id },
		h("div", { class: "card-head" }, h("h2", { id }, title), aside), kids);
}

/* Columns: [[heading, class, cell(row)]...]; on a phone each row is a block of its own, its cells
 * under their headings. key(row) names a row from one update to the next. */
export function table(caption, columns, rows, key) {
	return h("table", {}, h("caption", { class: "unseen" }, caption),
		h("thead", {}, h("tr", {}, columns.map(([heading, cls]) =>
			h("th", { scope: "col", class: cls }, heading)))),
		h("tbody", {}, rows.map((row) => h("tr", { key: key(row) }, columns.map(([heading, cls, cell], i) =>
			h(i ? "td" : "th", { class: cls, scope: i ? null : "row", "data-label": heading }, cell(row)))))));
}

const STATES = {
	up: ["ok", "up"], online: ["ok", "online"], retrying: ["bad", "retrying"], opening: ["warn", "opening"],
	closing: ["warn", "closing"], away: ["warn", "away"], late: ["warn", "late"], offline: ["bad", "offline"],
};

/* a state as a sign and a word: the colour is never all that tells */
export function state(name) {
	const [level, word] = STATES[name] ?? ["warn", plain(name, 30)];

	return h("span", { class: `state ${level}` }, h("span", { class: "sign", "aria-hidden": "true" }), word);
}

/* a name from outside, kept apart from the direction of the text around it */
export function name(text) {
	return h("bdi", { class: "name" }, plain(text));
}

export function figure(label, number, unit, ...below) {
	return h("div", { class: "figure" }, h("div", { class: "label" }, label),
		h("div", { class: "number" }, number, unit && h("span", { class: "unit" }, ` ${unit}`)),
		below.length ? h("div", { class: "below" }, below) : null);
}

export function note(text) {
	return h("p", { class: "note" }, text);
}

export function failed(error) {
	return h("p", { class: "failed", role: "alert" }, `The gateway did not answer this: ${plain(error.message)}.`);
}

function element(tag, props, ...kids) {
	const el = Object.assign(document.createElement(tag), props);

	el.append(...kids);
	return el;
}

/* A question that must be answered before it is done; resolves to true or false. */
export function ask(title, text, yes) {
	return new Promise((resolve) => {
		const no = element("button", { type: "button", textContent: "Cancel" });
		const go = element("button", { type: "button", textContent: yes, className: "danger" });
		const box = element("dialog", {},
			element("h2", { id: "ask", textContent: title }), element("p", { textContent: text }),
			element("div", { className: "row end" }, no, go));

		box.setAttribute("aria-labelledby", "ask");
		no.onclick = () => box.close("");
		go.onclick = () => box.close("yes");
		box.onclose = () => {
			box.remove();
			resolve(box.returnValue === "yes");
		};
		document.body.append(box);
		box.showModal();
		no.focus();
	});
}
