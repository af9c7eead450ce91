// What the page says, in Chinese and in English; the terms are those of docs/glossary.md.

const TEXTS = {
  title: ["算力标识解析", "Compute identifiers"],
  skip: ["跳至解析结果", "Skip to the results"],
  label: ["标识、域名或 Handle", "Identifier, DNS name or Handle"],
  resolve: ["解析", "Resolve"],
  hint: ["例如", "For instance"],
  interface: ["程序接口（OpenAPI）", "The interface for programs (OpenAPI)"],
  empty: ["请输入标识、域名或 Handle。", "Type or paste an identifier, a DNS name or a Handle."],
  asking: ["正在解析……", "Resolving…"],
  noGateway: ["无法连接网关，请稍后再试。", "The gateway cannot be reached; try again in a moment."],
  again: ["请在 {seconds} 秒后重试。", "Ask again in {seconds} s."],

  found: ["解析结果", "What it resolves to"],
  state: ["状态", "State"],
  noRecord: ["名称存在，没有记录", "The name is there, without a record"],
  leads: ["{from} 是别名，指向 {to}。", "{from} is an alias; it leads to {to}."],
  done: ["{identifier}：{state}。", "{identifier}: {state}."],
  forms: ["三种写法", "Ways to write it"],
  identifier: ["标识", "Identifier"],
  dns: ["域名", "DNS name"],
  handle: ["Handle", "Handle"],
  endpoints: ["接入地址", "Endpoints"],
  noEndpoints: ["未声明", "none declared"],
  record: ["记录", "Record"],
  ttl: ["缓存时间", "TTL"],
  seconds: ["{n} 秒", "{n} s"],
  zone: ["所在区", "Zone"],
  server: ["主服务器", "Primary"],
  stale: [
    "权威服务器无应答，以下为此前的应答。",
    "No authority answers; this is what was known before.",
  ],
  whole: ["全部数据（JSON）", "All of it (JSON)"],

  meaning: ["逐段释义", "What it means"],
  meaningOf: ["标识各段的含义", "What each segment of the identifier means"],
  written: ["写作", "Written"],
  means: ["含义", "Means"],
  segment: ["段", "Segment"],

  live: ["实时状态", "Live status"],
  free: ["空闲", "free"],
  busy: ["占满", "busy"],
  down: ["不可用", "down"],
  unknown: ["未知", "unknown"],
  heard: ["实时状态：{word}", "Live status: {word}"],
  age: ["报告距今", "Age"],
  source: ["来源", "Source"],
  by: ["报告者", "Told by"],
  health: ["健康", "Health"],
  ok: ["正常", "ok"],
  degraded: ["降级", "degraded"],
  failed: ["故障", "failed"],
  maintenance: ["维护", "maintenance"],
  load: ["负载", "Load"],
  freeOf: ["可用{kind}", "Free: {kind}"],
  chips: ["芯片", "chips"],
  vcpu: ["核数", "vCPU"],
  memory_gib: ["内存（GiB）", "memory, GiB"],
  unknownWhy: ["没有仍然有效的报告。", "No report that still holds."],

  path: ["自根逐级解析", "The path from the root"],
  pathPicture: ["逐级解析示意图，共 {n} 步", "Picture of the walk, {n} steps"],
  pathText: ["每一步", "Step by step"],
  gateway: ["本网关", "this gateway"],
  root: ["根", "root"],
  step: [
    "向 {server}（{zone}）查询 {asked}：{said}，{ms} 毫秒",
    "asked {server} ({zone}) for {asked}: {said}, {ms} ms",
  ],
  referral: ["转介", "referral"],
  answer: ["应答", "answer"],
  alias: ["别名", "alias"],
  lame: ["无效委派", "lame"],
  "no data": ["无此记录", "no such record"],
  NXDOMAIN: ["名称不存在", "no such name"],
  "no answer": ["无应答", "no answer"],
};

const CHOSEN = "csid-language";

export let language = "en"; // that is shown: zh or en

/** A text in the language that is shown, its holes filled in. */
export function text(key, holes = {}) {
  const said = TEXTS[key][language === "zh" ? 0 : 1];
  return said.replace(/\{(\w+)\}/g, (_, name) => String(holes[name]));
}

/** The same of a word that programs say; the word itself where there is no text. */
export function word(key) {
  return Object.hasOwn(TEXTS, key) ? text(key) : key;
}

/** One of what is known in both languages. */
export function pick(words) {
  return language === "zh" ? words.zh : words.en;
}

/** The language that was chosen before, else the first one of the browser's that there is. */
export function preferred() {
  let chosen = null;
  try {
    chosen = localStorage.getItem(CHOSEN);
  } catch {
    // Nothing is kept where storage is forbidden.
  }
  const wanted = [chosen, ...(navigator.languages ?? [navigator.language])];
  const known = wanted.map((one) => (one ?? "").slice(0, 2).toLowerCase());
  return known.find((one) => one === "zh" || one === "en") ?? "en";
}

/** Show all that stands in the page in a language from now on. */
export function speak(wanted, isChosen = false) {
  language = wanted;
  document.documentElement.lang = wanted === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = text(one.dataset.text);
  for (const one of document.querySelectorAll("[data-language]"))
    one.setAttribute("aria-pressed", String(one.dataset.language === wanted));
  if (!isChosen) return;
  try {
    localStorage.setItem(CHOSEN, wanted);
  } catch {
    // As above.
  }
}
