// Elements of the page. What is said stands in them as text, never as markup: strangers write it.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children, which are elements or texts. */
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of a picture. */
export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((one) => one !== null));
  return element;
}

/** A part of the page under a heading. */
export function section(id, heading, ...children) {
  const title = make("h2", { id: `${id}-heading` }, heading);
  return make("section", { id, "aria-labelledby": title.id }, title, ...children);
}

/** Pairs of a name and what it is; those that are null are left out. */
export function pairs(...rows) {
  const list = make("dl");
  for (const [name, value] of rows) {
    if (value === null || value === undefined) continue;
    list.append(make("dt", {}, name), make("dd", {}, value));
  }
  return list;
}

/** Where a resource is reached; a link if a browser can go there. */
export function link(uri) {
  const isWeb = /^https?:\/\//.test(uri);
  return isWeb ? make("a", { href: uri, rel: "noreferrer noopener" }, uri) : make("code", {}, uri);
}
