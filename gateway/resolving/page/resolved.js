// What came of an identifier: its state, its endpoints, its record, its other names, its meaning.

import { link, make, pairs, section } from "./elements.js";
import { pick, text } from "./texts.js";

const COLOURS = { active: "good", retired: "bad", refused: "bad" };
const WIDE = 2; // spaces of an indentation

/** The names of the fields of a record, as the program has them: {field: {zh, en}}. */
export const fields = fetch("/page/fields.json")
  .then((answer) => answer.json())
  .catch(() => ({}));

/** The section of what an identifier resolves to. `from`: the alias that led to it, or null. */
export function resolved(found, from, known) {
  const endpoints = found.endpoints.map((one) => make("li", {}, link(one.uri)));
  return section(
    "found",
    text("found"),
    from === null ? null : make("p", {}, text("leads", { from, to: found.alias_of ?? found.identifier })),
    found.stale ? make("p", { class: "warn" }, text("stale")) : null,
    make("p", { class: `word ${COLOURS[found.state] ?? "warn"}` }, found.state_text),
    make("h3", {}, text("endpoints")),
    endpoints.length ? make("ol", {}, ...endpoints) : make("p", {}, text("noEndpoints")),
    make("h3", {}, text("record")),
    pairs(
      ...facts(found.record ?? {}, known),
      [text("ttl"), text("seconds", { n: found.ttl })],
      [text("zone"), found.authority?.zone],
      [text("server"), found.authority?.server],
    ),
    make("h3", {}, text("forms")),
    pairs(
      ...["identifier", "dns", "handle"].map((form) => [
        text(form),
        make("code", {}, found[form]),
      ]),
    ),
    make(
      "details",
      {},
      make("summary", {}, text("whole")),
      make("pre", { tabindex: "0", role: "group", "aria-label": text("whole") }, JSON.stringify(found, null, WIDE)),
    ),
  );
}

/** The section of what each segment means. */
export function meant(rows) {
  return section(
    "meaning",
    text("meaning"),
    make(
      "table",
      {},
      make("caption", { class: "unseen" }, text("meaningOf")),
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          ...["segment", "written", "means"].map((key) => make("th", { scope: "col" }, text(key))),
        ),
      ),
      make("tbody", {}, ...rows.map(meaning)),
    ),
  );
}

function meaning(row) {
  // Of a part: its title, a colon, and what it means.
  const at = row.part ? row.text.search(/[：:]/) : -1;
  const [name, what] =
    at < 0 ? [row.text, ""] : [row.text.slice(0, at), row.text.slice(at + 1).trim()];
  return make(
    "tr",
    { class: row.part ? "part" : "whole" },
    make("th", { scope: "row" }, name),
    make("td", {}, make("code", {}, row.code)),
    make("td", {}, what),
  );
}

/** The fields of a record by their names; endpoints and the state stand above them. */
function facts(record, known) {
  return Object.entries(record)
    .filter(([name]) => name !== "endpoints" && name !== "state")
    .map(([name, value]) => [known[name] ? pick(known[name]) : name, plain(value)]);
}

function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (value !== null && typeof value === "object")
    return Object.entries(value)
      .map(([name, one]) => `${name} ${plain(one)}`)
      .join(", ");
  return String(value);
}
