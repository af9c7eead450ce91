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
    this.since = 0; // when it was heard
    this.word = "unknown";
    this.stopping = new AbortController();
    this.clock = setInterval(() => this.show(), SECOND);
    this.show();
    this.begin(announce);
  }

  async begin() {
    const path = `/v1/identifiers/${written(this.identifier)}/status`;
    try {
      const answer = await fetch(path, { signal: this.stopping.signal });
      if (!answer.ok) return; // there is no status here, so nothing to follow
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
    this.since = performance.now();
    this.show();
  }

  /** The seconds since it was taken, by the clock of who told it and the time passed here. */
  age() {
    return (this.status.age ?? 0) + (performance.now() - this.since) / SECOND;
  }

  holds() {
    if (this.status === null || this.status.status === "unknown") return false;
    const { taken, until } = this.status;
    if (taken === undefined || until === undefined) return true;
    return this.age() < (Date.parse(until) - Date.parse(taken)) / SECOND;
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
          [text("load"), holds && status.load !== undefined ? percent(status.load) : null],
          ...free.map(([kind, amount]) => [text("freeOf", { kind: word(kind) }), String(amount)]),
          [text("age"), this.status?.age === undefined ? null : seconds(this.age())],
          [text("source"), status.source ?? null],
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

function seconds(n) {
  return text("seconds", { n: Math.floor(n) });
}
