// What came of an identifier: its state, its endpoints, its record, its other names, its meaning.

import { link, make, pairs, section } from "./elements.js";
import { pick, text } from "./texts.js";

const COLOURS = { active: "good", retired: "bad", refused: "bad" };
const WIDE = 2; // spaces of an indentation

/** The words of states and fields, as the program has them: {states, fields}. */
export const words = fetch("/page/words.json")
  .then((answer) => answer.json())
  .catch(() => ({ states: {}, fields: {} }));

/** The state of what was found, in words. */
export function stateOf(found, known) {
  if (!found.state) return text("noRecord");
  return known.states[found.state] ? pick(known.states[found.state]) : found.state;
}

/** The section of what it resolves to. */
export function resolved(found, known, from) {
  const endpoints = (found.endpoints ?? []).map((one) => make("li", {}, link(one.uri ?? one)));
  return section(
    "found",
    text("found"),
    from === null ? null : make("p", {}, text("leads", { from, to: found.identifier })),
    found.stale ? make("p", { class: "warn" }, text("stale")) : null,
    make("p", { class: `word ${COLOURS[found.state] ?? "warn"}` }, stateOf(found, known)),
    make("h3", {}, text("endpoints")),
    endpoints.length ? make("ol", {}, ...endpoints) : make("p", {}, text("noEndpoints")),
    make("h3", {}, text("record")),
    pairs(
      ...facts(found.record ?? {}, known),
      [text("ttl"), found.ttl === undefined ? null : text("seconds", { n: found.ttl })],
      [text("authority"), found.authority ? plain(found.authority) : null],
    ),
    make("h3", {}, text("forms")),
    pairs(
      ...["identifier", "dns", "handle"].map((form) => [
        text(form),
        found[form] ? make("code", {}, found[form]) : null,
      ]),
    ),
    make(
      "details",
      {},
      make("summary", {}, text("whole")),
      make("pre", { tabindex: "0" }, JSON.stringify(found, null, WIDE)),
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
  const said = pick(row);
  const at = said.search(/[：:]/);
  const [name, what] = row.part && at > 0 ? [said.slice(0, at), said.slice(at + 1).trim()] : [said, ""];
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
    .map(([name, value]) => [known.fields[name] ? pick(known.fields[name]) : name, plain(value)]);
}

function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (value !== null && typeof value === "object")
    return Object.entries(value)
      .map(([name, one]) => `${name} ${plain(one)}`)
      .join(", ");
  return String(value);
}
