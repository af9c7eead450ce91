// The page: what is asked for stands in its address (/?q=…), so that an answer can be passed on.

import { Live, written } from "./live.js";
import { fields, meant, resolved } from "./resolved.js";
import { language, preferred, speak, text } from "./texts.js";
import { walked } from "./walk.js";

const part = (id) => document.getElementById(id);
const form = part("ask");
const input = part("q");

let newest = 0; // question; what an older one comes to is not shown
let given = ""; // that it asks for
let live = null;

/** Resolve a text, and show what comes of it as it comes. */
async function ask(wanted) {
  const number = ++newest;
  const isOld = () => number !== newest;
  given = wanted;
  live?.stop();
  live = null;
  fault("");
  say(wanted === "" ? "" : text("asking"));
  part("heard").textContent = "";
  part("results").replaceChildren();
  document.title = wanted === "" ? text("title") : `${wanted} – ${text("title")}`;
  if (wanted === "") return;

  const came = await got(`/v1/identifiers/${written(wanted)}`);
  const known = await fields;
  if (isOld()) return;
  if (came.isFound) {
    const { identifier, state_text: state, alias_of: other, explanation } = came.body;
    say(text("done", { identifier, state: state ?? text("noRecord") }));
    live = new Live(identifier, (what) => (part("heard").textContent = what));
    const from = came.isMoved ? wanted : other === null ? null : identifier;
    part("results").append(resolved(came.body, from, known), live.element, meant(explanation));
  } else {
    fault(reason(came));
    if (came.status === 400) return;
    const rows = await got(`/v1/identifiers/${written(wanted)}/explanation`);
    if (isOld()) return;
    if (rows.isFound) part("results").append(meant(rows.body));
  }
  const walk = await got(`/v1/identifiers/${written(wanted)}/trace`);
  if (!isOld() && walk.isFound && walk.body.length) part("results").append(walked(walk.body));
}

/** What a call came to; its status is 0 if nobody answered. */
async function got(path) {
  try {
    const answer = await fetch(path, {
      cache: "no-store", // of what a browser keeps, the TTL would be that of then
      headers: { Accept: "application/json", "Accept-Language": language },
    });
    const body = await answer.json().catch(() => null);
    return {
      status: answer.status,
      body,
      isFound: (answer.ok || answer.status === 410) && body !== null,
      isMoved: answer.redirected,
      wait: answer.headers.get("Retry-After"),
    };
  } catch {
    return { status: 0, body: null, isFound: false, isMoved: false, wait: null };
  }
}

/** Why nothing was found, in words. */
function reason({ status, body, wait }) {
  if (status === 0) return text("noGateway");
  const title = language === "zh" ? body?.title_zh : body?.title;
  const later = wait === null ? "" : text("again", { seconds: wait });
  const said = [title ?? `HTTP ${status}`, body?.detail, later].filter(Boolean);
  return said.join(language === "zh" ? "。" : ". ");
}

function say(what) {
  part("message").textContent = what;
}

function fault(what) {
  part("fault").textContent = what;
  if (what === "") input.removeAttribute("aria-invalid");
  else {
    say("");
    input.setAttribute("aria-invalid", "true");
  }
}

/** What the address of the page asks for. */
function addressed() {
  return (new URLSearchParams(location.search).get("q") ?? "").trim();
}

function follow() {
  input.value = addressed();
  ask(input.value);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = input.value.trim();
  if (wanted === "") {
    ask("");
    fault(text("empty"));
    input.focus();
    return;
  }
  history.pushState(null, "", `/?${new URLSearchParams({ q: wanted })}`);
  ask(wanted);
});
window.addEventListener("popstate", follow);
for (const one of document.querySelectorAll("[data-language]"))
  one.addEventListener("click", () => {
    speak(one.dataset.language, true);
    ask(given); // again, as some of what is shown was said in the other language
  });

speak(preferred());
follow();
if (given === "") input.focus();
