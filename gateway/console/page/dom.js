/* A view is a function that says how the page should be: a tree made by h(). patch() changes what
 * differs, so that focus, selection and scrolling survive an update each second. Whatever a string
 * holds, it becomes a text node or an attribute's value, never markup. */

const SVG = "http://www.w3.org/2000/svg";
const mine = new WeakMap();	/* element -> the props that it was given */

export function h(tag, props, ...kids) {
	return { tag, props: props ?? {}, kids };
}

/* nested lists flat, without what is not to be there */
function there(kids) {
	return kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false && k !== "");
}

function set(el, name, value) {
	if (name.startsWith("on")) {
		el[name] = value ?? null;
	} else if (name === "value") {
		el.value = value ?? "";
	} else if (name === "checked" || name === "selected" || name === "disabled") {
		el[name] = Boolean(value);
	} else if (name === "style") {
		for (const [key, v] of Object.entries(value ?? {}))
			el.style.setProperty(key, v);
	} else if (value === null || value === undefined || value === false) {
		el.removeAttribute(name);
	} else {
		el.setAttribute(name, value === true ? "" : value);
	}
}

function same(a, b) {
	if (a === b)
		return true;
	return a && b && typeof a === "object" && JSON.stringify(a) === JSON.stringify(b);
}

function set_all(el, props) {
	const before = mine.get(el) ?? {};

	for (const name of Object.keys(before))
		if (!(name in props) && name !== "key")
			set(el, name, null);
	for (const [name, value] of Object.entries(props))
		if (name !== "key" && !same(before[name], value))
			set(el, name, value);
	mine.set(el, props);
}

function fits(node, kid) {
	if (typeof kid !== "object")
		return node.nodeType === Node.TEXT_NODE;
	return node.nodeType === Node.ELEMENT_NODE && node.localName === kid.tag &&
		(mine.get(node)?.key ?? null) === (kid.props.key ?? null);
}

function make(kid, svg) {
	if (typeof kid !== "object")
		return document.createTextNode("");
	return svg ? document.createElementNS(SVG, kid.tag) : document.createElement(kid.tag);
}

function fill(node, kid, svg) {
	if (typeof kid !== "object") {
		const text = String(kid);
		if (node.data !== text)
			node.data = text;
		return;
	}
	patch(node, kid.kids, svg && kid.tag !== "foreignObject");
	set_all(node, kid.props);	/* after the children: a select's value needs its options */
}

/* Makes the children of `parent` be `kids`. */
export function patch(parent, kids, svg = false) {
	const keyed = new Map();
	let at = parent.firstChild;

	for (let node = at; node; node = node.nextSibling) {
		const key = mine.get(node)?.key;
		if (key !== undefined && key !== null)
			keyed.set(key, node);
	}
	for (const kid of there(kids)) {
		const in_svg = svg || kid.tag === "svg";
		const known = keyed.get(kid.props?.key);
		let node = at && fits(at, kid) ? at : known && fits(known, kid) ? known : null;

		if (!node)
			node = make(kid, in_svg);
		if (node === at)
			at = at.nextSibling;
		else
			parent.insertBefore(node, at);
		fill(node, kid, in_svg);
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}
