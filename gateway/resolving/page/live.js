// The live status of an identifier: as it is when asked for, then as it changes. What is past its
// validity is unknown, whatever was said last, also where nobody says anything any more.

import { make, pairs, section } from "./elements.js";
import { text, word } from "./texts.js";

const COLOURS = { free: "good", busy: "warn", down: "bad" };
const SECOND = 1_000;
const AGAIN = 5 * SECOND; // the TTL of a status

/** Follows one status until it is stopped, as long as the page is seen: of what is told to this
 *  gateway each change, of what others were told by asking again.
 */
export class Live {
  /** What is said aloud when the word changes goes to `announce`. */
  constructor(identifier, announce) {
    this.identifier = identifier;
    this.element = section("live", text("live"), make("div", {}));
    this.announce = announce;
    this.status = null;
    this.ahead = 0; // milliseconds that the gateway's clock is ahead of this one
    this.word = "unknown";
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    document.addEventListener("visibilitychange", () => this.follow(), { signal });
    this.clock = setInterval(() => this.show(), SECOND);
    this.show();
    this.follow();
  }

  stop() {
    this.stopping.abort();
    clearInterval(this.clock);
    this.rest();
  }

  /** Hear nothing more; a browser has few connections for all pages that are open. */
  rest() {
    clearInterval(this.asking);
    this.stream?.close();
    this.stream = null;
  }

  async follow() {
    this.rest();
    if (document.hidden || !(await this.ask()) || document.hidden) return;
    if (this.stopping.signal.aborted || this.stream !== null) return;
    this.asking = setInterval(() => this.ask(), AGAIN);
    const where = `/v1/status/stream?prefix=${encodeURIComponent(this.identifier)}`;
    this.stream = new EventSource(where);
    this.stream.addEventListener("status", (event) => this.hear(JSON.parse(event.data)));
  }

  /** Ask for the status; whether there may be one. */
  async ask() {
    const path = `/v1/identifiers/${written(this.identifier)}/status`;
    try {
      const answer = await fetch(path, { cache: "no-store", signal: this.stopping.signal });
      if (!answer.ok) return answer.status !== 404;
      // What holds is told by the gateway's clock; a second is cut off there, and counts as over.
      const there = Date.parse(answer.headers.get("Date") ?? "");
      if (!Number.isNaN(there)) this.ahead = there + SECOND - Date.now();
      this.hear(await answer.json());
    } catch {
      // Stopped, or cut off: it holds for as long as was said.
    }
    return true;
  }

  hear(status) {
    const of = status.identifier ?? this.identifier;
    const isOlder = Date.parse(status.taken) < Date.parse(this.status?.taken);
    if (of !== this.identifier || isOlder) return;
    this.status = status;
    this.show();
  }

  now() {
    return Date.now() + this.ahead;
  }

  holds() {
    const { status, until } = this.status ?? {};
    return status !== undefined && status !== "unknown" && this.now() < Date.parse(until);
  }

  show() {
    const status = this.status ?? {};
    const holds = this.holds();
    const said = holds ? status.status : "unknown";
    const free = holds ? Object.entries(status.free ?? {}) : [];
    this.element.lastChild.replaceWith(
      make(
        "div",
        {},
        make("p", { class: `word ${COLOURS[said] ?? ""}` }, word(said)),
        holds ? null : make("p", {}, text("unknownWhy")),
        pairs(
          [text("health"), holds && status.health ? word(status.health) : null],
          [text("load"), holds && typeof status.load === "number" ? percent(status.load) : null],
          ...free.map(([kind, amount]) => [text("freeOf", { kind: word(kind) }), String(amount)]),
          [text("age"), status.taken ? seconds(this.now() - Date.parse(status.taken)) : null],
          [text("source"), status.source || null],
          [text("by"), status.by || null],
        ),
      ),
    );
    if (said !== this.word) this.announce(text("heard", { word: word(said) }));
    this.word = said;
  }
}

/** An identifier in a path; its slashes stand as they are. */
export function written(identifier) {
  return identifier.split("/").map(encodeURIComponent).join("/");
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}

function seconds(milliseconds) {
  return text("seconds", { n: Math.max(0, Math.floor(milliseconds / SECOND)) });
}
