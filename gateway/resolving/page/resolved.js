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
  const code = make("code", {}, row.code);
  if (row.part === "")
    return make(
      "tr",
      { class: "whole" },
      make("th", { scope: "row" }, row.text),
      make("td", { colspan: "2" }, code),
    );
  const at = row.text.search(/[：:]/); // between the title of a part and what it means
  return make(
    "tr",
    { class: "part" },
    make("th", { scope: "row" }, row.text.slice(0, at)),
    make("td", {}, code),
    make("td", {}, row.text.slice(at + 1).trim()),
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
