// The path from the root, as a list and as a picture: who was asked what, and what was said.

import { draw, make, section } from "./elements.js";
import { text, word } from "./texts.js";

const WIDTH = 640;
const GATEWAY = 90; // where its line stands
const SERVER = 440; // where the boxes of servers begin
const ROW = 76; // of a step
const TOP = 40;
const LETTERS = 34; // of a text in the picture; the list has all of it
const IN_VAIN = ["lame", "no answer"];

/** The section of a walk, whose steps are those of `csid resolve --trace --json`. */
export function walked(steps) {
  // Of the way to the name itself; addresses of name servers are looked up beside it.
  const main = steps.filter((one) => one.depth === 0);
  return section(
    "path",
    text("path"),
    make("div", { class: "wide" }, picture(main)),
    make("h3", {}, text("pathText")),
    make("ol", {}, ...steps.map((one) => make("li", {}, told(one)))),
  );
}

function told(step) {
  const name = step.server_name === null ? "" : `${step.server_name} `;
  return text("step", {
    server: `${name}${step.server}`,
    zone: zoneOf(step),
    asked: asked(step),
    said: step.said === step.outcome ? word(step.outcome) : step.said,
    ms: rounded(step.milliseconds),
  });
}

function picture(steps) {
  const height = TOP + steps.length * ROW;
  return draw(
    "svg",
    {
      class: "walk",
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: "img",
      "aria-label": text("pathPicture", { n: steps.length }),
    },
    draw("text", { x: GATEWAY, y: 18, "text-anchor": "middle" }, text("gateway")),
    draw("line", { x1: GATEWAY, y1: 26, x2: GATEWAY, y2: height - 12 }),
    ...steps.map((step, at) => drawn(step, TOP + at * ROW)),
  );
}

function drawn(step, top) {
  const there = top + 20;
  const back = top + 46;
  const middle = (GATEWAY + SERVER) / 2;
  return draw(
    "g",
    IN_VAIN.includes(step.outcome) ? { class: "vain" } : {},
    draw("rect", { x: SERVER, y: top + 4, width: WIDTH - SERVER - 4, height: 56, rx: 5 }),
    draw("text", { x: SERVER + 10, y: top + 27 }, short(zoneOf(step), 22)),
    draw("text", { x: SERVER + 10, y: top + 47, class: "faint" }, short(step.server, 24)),
    arrow(GATEWAY, SERVER, there),
    draw("text", { x: middle, y: there - 5, "text-anchor": "middle" }, short(asked(step))),
    arrow(SERVER, GATEWAY, back),
    draw(
      "text",
      { x: middle, y: back + 15, "text-anchor": "middle", class: "faint" },
      `${word(step.outcome)} · ${rounded(step.milliseconds)} ms`,
    ),
  );
}

function arrow(from, to, y) {
  const back = from < to ? -8 : 8;
  return draw(
    "g",
    {},
    draw("line", { x1: from, y1: y, x2: to, y2: y }),
    draw("path", { d: `M${to} ${y}l${back} -4v8z` }),
  );
}

function asked(step) {
  return `${step.name} ${step.type}`;
}

function zoneOf(step) {
  return step.zone === "." ? text("root") : step.zone;
}

function rounded(ms) {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
}

function short(whole, letters = LETTERS) {
  const half = Math.floor((letters - 1) / 2);
  return whole.length <= letters ? whole : `${whole.slice(0, half)}…${whole.slice(-half)}`;
}
