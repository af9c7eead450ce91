// The live status of an identifier: as it is when asked for, then as it changes. What is past its
// validity is unknown, whatever was said last, also where nobody says anything any more.

import { make, pairs, section } from "./elements.js";
import { text, word } from "./texts.js";

const COLOURS = { free: "good", busy: "warn", down: "bad" };
const SECOND = 1_000;

/** Follows one status until it is stopped. */
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
    this.clock = setInterval(() => this.show(), SECOND);
    this.show();
    this.begin();
  }

  async begin() {
    const path = `/v1/identifiers/${written(this.identifier)}/status`;
    try {
      const answer = await fetch(path, { signal: this.stopping.signal });
      if (!answer.ok) return; // there is no status here, so nothing to follow
      // What holds is told by the gateway's clock; a second is cut off there, and counts as over.
      const there = Date.parse(answer.headers.get("Date") ?? "");
      if (!Number.isNaN(there)) this.ahead = there + SECOND - Date.now();
      this.hear(await answer.json());
    } catch {
      return; // stopped, or cut off: unknown
    }
    if (this.stopping.signal.aborted) return;
    const where = `/v1/status/stream?prefix=${encodeURIComponent(this.identifier)}`;
    this.stream = new EventSource(where);
    const take = (event) => {
      try {
        this.hear(JSON.parse(event.data));
      } catch {
        // Not JSON: a remark, and no status.
      }
    };
    this.stream.addEventListener("message", take);
    this.stream.addEventListener("status", take);
  }

  stop() {
    this.stopping.abort();
    clearInterval(this.clock);
    this.stream?.close();
  }

  hear(status) {
    const of = status.identifier;
    if (of !== undefined && of !== this.identifier) return;
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
