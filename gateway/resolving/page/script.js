// The page: what is asked for stands in its address (/?q=…), so that an answer can be passed on.

import { Live, written } from "./live.js";
import { meant, resolved, stateOf, words } from "./resolved.js";
import { language, preferred, speak, text } from "./texts.js";
import { walked } from "./walk.js";

const part = (id) => document.getElementById(id);
const form = part("ask");
const input = part("q");

let newest = 0; // question; what an older one comes to is not shown
let shown = null; // what came of it, to be said in another language
let live = null;

/** Resolve a text and show what comes of it. */
async function ask(given) {
  const number = ++newest;
  forget();
  input.value = given;
  if (given === "") return;
  say(text("asking"));
  const came = await got(`/v1/identifiers/${written(given)}`);
  if (number !== newest) return;
  const identifier = came.body?.identifier ?? null;
  shown = { given, ...came, known: await words, steps: null };
  if (number !== newest) return;
  show();
  if (identifier === null || !came.isFound) return;
  live = new Live(identifier, (what) => (part("heard").textContent = what));
  show();
  const walk = await got(`/v1/identifiers/${written(identifier)}/trace`);
  if (number !== newest || !walk.isFound) return;
  shown.steps = Array.isArray(walk.body) ? walk.body : (walk.body.steps ?? null);
  show();
}

/** What a call came to: {status, body, isFound, isMoved, wait}; without a status nobody answered. */
async function got(path) {
  try {
    const answer = await fetch(path, {
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

function forget() {
  live?.stop();
  live = null;
  shown = null;
  say("");
  fault("");
  part("heard").textContent = "";
  part("results").replaceChildren();
}

/** Show what is known of the question. */
function show() {
  const { given, status, body, isFound, isMoved, wait, known, steps } = shown;
  const meanings = body?.explanation ?? [];
  const found = [];
  if (isFound) {
    found.push(resolved(body, known, isMoved ? given : null));
    if (live !== null) found.push(live.element);
    say(text("done", { identifier: body.identifier, state: stateOf(body, known) }));
  } else {
    const reason = status === 0 ? text("noGateway") : (body?.detail ?? `HTTP ${status}`);
    const title = body === null ? "" : ((language === "zh" ? body.title_zh : body.title) ?? "");
    const later = wait === null ? "" : text("again", { seconds: wait });
    fault([title, reason, later].filter(Boolean).join(language === "zh" ? "。" : ". "));
  }
  if (meanings.length) found.push(meant(meanings));
  if (steps?.length) found.push(walked(steps));
  part("results").replaceChildren(...found);
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

/** What is asked for by the address of the page. */
function wanted() {
  return (new URLSearchParams(location.search).get("q") ?? "").trim();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = input.value.trim();
  if (given === "") {
    forget();
    fault(text("empty"));
    input.focus();
    return;
  }
  history.pushState(null, "", `/?${new URLSearchParams({ q: given })}`);
  ask(given);
});
window.addEventListener("popstate", () => ask(wanted()));
for (const one of document.querySelectorAll("[data-language]"))
  one.addEventListener("click", () => {
    speak(one.dataset.language, true);
    if (shown !== null) ask(shown.given);
  });

speak(preferred());
ask(wanted());
if (wanted() === "") input.focus();
