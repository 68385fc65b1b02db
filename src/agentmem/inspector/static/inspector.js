// @ts-check
/**
 * Brings the inspector's pages to life. The pages are whole without it, but for the chat and waiting: it loads more
 * rows, shows originals, moves sliders, copies ids and streams the chat. What to do stands in data attributes.
 */
import { receive } from "/static/receive.js";

const $ = (/** @type {string} */ id) => document.getElementById(id);

/** @param {string} tag @param {string} [text] @param {string} [name] */
function made(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

/** @param {string} text */
function toast(text) {
  const shown = $("toast");
  if (!shown) return;
  shown.textContent = text;
  shown.classList.add("on");
  clearTimeout(Number(shown.dataset.timer));
  shown.dataset.timer = String(setTimeout(() => shown.classList.remove("on"), 1800));
}

/** Fetches a part of a page, which the server has escaped. @param {string} url */
async function part(url) {
  const response = await fetch(url);
  const text = await response.text();
  const template = document.createElement("template");
  template.innerHTML = text;
  return template.content;
}

/** @param {Element} target @param {string} url */
async function fill(target, url) {
  target.setAttribute("aria-busy", "true");
  try {
    target.replaceChildren(await part(url));
  } catch {
    target.replaceChildren(made("p", "The inspector does not answer. Is it still running?", "notice"));
  }
  target.removeAttribute("aria-busy");
  watch(target);
}

// ---- what comes into sight

const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      const element = /** @type {HTMLElement} */ (entry.target);
      if (element.dataset.load) fill(element, element.dataset.load);
      if (element.dataset.more) more(element);
    }
  },
  { rootMargin: "600px" },
);

/** Replaces the button that ends a list by the next rows. @param {HTMLElement} button */
async function more(button) {
  const url = button.dataset.more;
  const row = button.closest("li");
  if (!url || !row) return;
  delete button.dataset.more;
  button.setAttribute("aria-busy", "true");
  try {
    const rows = await part(url);
    const parent = row.parentElement;
    row.replaceWith(rows);
    if (parent) watch(parent);
  } catch {
    button.dataset.more = url;
    toast("The inspector does not answer.");
  }
}

/** @param {ParentNode} within */
function watch(within) {
  for (const element of within.querySelectorAll("[data-load], [data-more]")) seen.observe(element);
  markFailed();
}

/** Marks the messages whose extraction failed. */
function markFailed() {
  for (const failed of document.querySelectorAll("[data-failed-event]")) {
    if (!(failed instanceof HTMLElement)) continue;
    const event = CSS.escape(failed.dataset.failedEvent ?? "");
    for (const message of document.querySelectorAll(`.message[data-event="${event}"]:not([data-failed])`)) {
      message.setAttribute("data-failed", "");
      message.querySelector("header")?.append(made("span", "extraction failed", "am-chip am-chip-bad"));
    }
  }
}

// ---- clicks

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (!button) return;
  const { copy, fetch: url, into } = button.dataset;
  if (copy !== undefined) await copied(copy, "Copied.");
  else if (button.dataset.share !== undefined) await copied(location.href, "The link is copied. It carries no token.");
  else if (button.dataset.more) more(button);
  else if (button.dataset.themeSwitch !== undefined) switchTheme();
  else if (url && into) {
    const target = $(into);
    if (!target) return;
    hidePeek();
    const replaces = target.classList.contains("blocks");
    if (target.childNodes.length && !replaces) target.replaceChildren();
    else {
      await fill(target, url);
      if (replaces) button.remove();
    }
  }
});

/** @param {string} text @param {string} said */
async function copied(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not allow copying.");
  }
}

function switchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("agentmem-theme", next);
}

// ---- originals on hover and focus

let peeking = 0;
/** @type {Map<string, Promise<DocumentFragment>>} */
const peeked = new Map();

/** @param {Event} event */
function startPeek(event) {
  const element = event.target instanceof HTMLElement ? event.target.closest("[data-peek]") : null;
  if (!(element instanceof HTMLElement) || !element.dataset.peek) return;
  const url = element.dataset.peek;
  clearTimeout(peeking);
  peeking = setTimeout(async () => {
    const box = $("peek");
    if (!box) return;
    if (!peeked.has(url)) peeked.set(url, part(url));
    try {
      const content = await peeked.get(url);
      if (!content || !element.matches(":hover, :focus")) return;
      box.replaceChildren(content.cloneNode(true));
      for (const details of box.querySelectorAll("details")) details.open = true;
      box.hidden = false;
      const at = element.getBoundingClientRect();
      const below = at.bottom + 8 + box.offsetHeight < innerHeight;
      box.style.setProperty("top", `${below ? at.bottom + 8 : Math.max(at.top - box.offsetHeight - 8, 8)}px`);
      box.style.setProperty("left", `${Math.max(Math.min(at.left, innerWidth - box.offsetWidth - 16), 8)}px`);
    } catch {
      peeked.delete(url);
    }
  }, 250);
}

function hidePeek() {
  clearTimeout(peeking);
  const box = $("peek");
  if (box) box.hidden = true;
}

document.addEventListener("pointerover", startPeek);
document.addEventListener("focusin", startPeek);
document.addEventListener("pointerout", hidePeek);
document.addEventListener("focusout", hidePeek);
addEventListener("scroll", hidePeek, { passive: true });
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hidePeek();
});

// ---- sliders

let sliding = 0;
document.addEventListener("input", (event) => {
  const slider = event.target;
  if (!(slider instanceof HTMLInputElement)) return;
  const output = slider.dataset.shows ? $(slider.dataset.shows) : null;
  if (slider.dataset.slider) {
    if (output) output.textContent = slider.value;
    clearTimeout(sliding);
    sliding = setTimeout(() => {
      const url = `${slider.dataset.slider}&version=${slider.value}`;
      const target = $(slider.dataset.into ?? "");
      if (target) fill(target, url);
      const address = new URL(location.href);
      address.searchParams.set("version", slider.value);
      history.replaceState(null, "", address);
    }, 120);
  }
  if (slider.dataset.threshold) {
    if (output) output.textContent = Number(slider.value).toFixed(2);
    applyThreshold(slider);
  }
});

/** @param {HTMLInputElement} slider */
function applyThreshold(slider) {
  const rows = [...document.querySelectorAll(`#${slider.dataset.threshold} > li`)];
  let shown = 0;
  for (const row of rows) {
    if (!(row instanceof HTMLElement)) continue;
    row.hidden = Number(row.dataset.score) < Number(slider.value);
    if (!row.hidden) shown += 1;
  }
  const count = $("found-count");
  if (count) count.textContent = `${shown} of ${rows.length} records`;
}

// ---- forms

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  if (form.dataset.into) {
    event.preventDefault();
    const target = $(form.dataset.into);
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) query.set(name, String(value));
    if (target) await fill(target, `${form.getAttribute("action")}?${query}`);
  } else if (form.dataset.do) {
    event.preventDefault();
    await act(form);
  } else if (form.dataset.chat) {
    event.preventDefault();
    await say(form);
  }
});

/** @param {string} url @param {Record<string, string>} body */
async function post(url, body) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({ message: response.statusText }));
  return { ok: response.ok, message: String(answer.message ?? "") };
}

/** Asks, and changes the memory when the answer is yes. @param {HTMLFormElement} form */
async function act(form) {
  const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  const { do: url, ask, askFirst, askType, then } = form.dataset;
  if (!url) return;
  if (ask) {
    const told = askFirst ? await post(askFirst, fields) : { ok: true, message: "" };
    if (!told.ok) return toast(told.message);
    if (!(await confirmed(ask, told.message, askType ?? ""))) return toast("Nothing was changed.");
  }
  const done = await post(url, fields);
  toast(done.message);
  if (done.ok) setTimeout(() => (then ? (location.href = then) : location.reload()), 700);
}

/** @param {string} question @param {string} detail @param {string} typed What has to be typed, if anything. */
function confirmed(question, detail, typed) {
  const dialog = /** @type {HTMLDialogElement} */ ($("ask"));
  const title = made("h2", question);
  title.id = "ask-title";
  const yes = /** @type {HTMLButtonElement} */ (made("button", "Yes", "danger"));
  const no = /** @type {HTMLButtonElement} */ (made("button", "No"));
  const row = made("div", "", "inline");
  row.append(no, yes);
  dialog.replaceChildren(title, made("p", detail));
  if (typed) {
    const label = made("label", `Type ${typed} to go on: `);
    const input = document.createElement("input");
    input.autocomplete = "off";
    label.append(input);
    dialog.append(label);
    yes.disabled = true;
    input.addEventListener("input", () => (yes.disabled = input.value !== typed));
  }
  dialog.append(row);
  dialog.showModal();
  no.focus();
  return new Promise((resolve) => {
    yes.addEventListener("click", () => dialog.close("yes"));
    no.addEventListener("click", () => dialog.close("no"));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.returnValue = "";
  });
}

// ---- waiting for records

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-wait]") : null;
  if (!(button instanceof HTMLButtonElement) || !button.dataset.wait) return;
  const target = $(button.dataset.into ?? "");
  const stop = document.querySelector("[data-wait-stop]");
  if (!target || !(stop instanceof HTMLButtonElement)) return;
  const control = new AbortController();
  stop.onclick = () => control.abort();
  stop.hidden = false;
  button.disabled = true;
  target.replaceChildren(made("p", "Looking…"));
  try {
    for await (const one of receive(button.dataset.wait, { signal: control.signal })) {
      if (one.type === "error") target.replaceChildren(made("p", one.message, "notice"));
      if (one.type !== "metadata") continue;
      const { elapsed, polls, records } = one.data;
      if (records) {
        const list = made("ul");
        for (const record of records) list.append(made("li", record.text));
        target.replaceChildren(made("p", records.length ? `${records.length} new:` : "Nothing new came."), list);
      } else target.replaceChildren(made("p", `Waiting for ${Number(elapsed).toFixed(0)} s, look ${polls}.`));
    }
  } catch {
    target.replaceChildren(made("p", control.signal.aborted ? "Stopped." : "The connection was lost."));
  }
  stop.hidden = true;
  button.disabled = false;
});

// ---- chat

/** @param {HTMLFormElement} form */
async function say(form) {
  const log = $("conversation");
  const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  const prompt = form.querySelector("textarea");
  const send = form.querySelector("button[type=submit]");
  const stop = form.querySelector("[data-chat-stop]");
  if (!log || !prompt || !(send instanceof HTMLButtonElement) || !(stop instanceof HTMLButtonElement)) return;
  const exchange = made("div", "", "exchange");
  const answer = made("div", "", "answer");
  const list = made("ul");
  const doings = made("div", "", "doings");
  doings.append(list);
  exchange.append(made("div", fields.prompt, "asked"), answer, doings);
  log.append(exchange);
  exchange.scrollIntoView({ block: "nearest" });
  prompt.value = "";
  const control = new AbortController();
  stop.onclick = () => control.abort();
  stop.hidden = false;
  send.disabled = true;
  const tell = (/** @type {string} */ text, /** @type {string} */ name = "") => list.append(made("li", text, name));
  try {
    const options = { body: fields, signal: control.signal, onReconnect: () => tell("the connection was resumed") };
    for await (const event of receive(form.dataset.chat ?? "", options)) {
      if (event.type === "message") answer.append(event.content);
      if (event.type === "tool_use") tell(`called ${event.tool_name}`);
      if (event.type === "tool_result" && event.status === "error") tell("a tool failed", "failed");
      if (event.type === "error") answer.append(made("p", event.message, "failed"));
      if (event.type === "metadata") report(event.data, tell);
    }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    answer.append(made("p", control.signal.aborted ? "Stopped." : said, "failed"));
  }
  exchange.dataset.done = "true";
  stop.hidden = true;
  send.disabled = false;
  prompt.focus();
}

/** Tells what memory did in a turn. @param {Record<string, any>} data @param {(text: string, name?: string) => void} tell */
function report(data, tell) {
  const memory = data.memory ?? {};
  for (const one of memory.records ?? []) tell(`shown (${Number(one.score).toFixed(2)}): ${statement(one.text)}`);
  for (const one of memory.compactions ?? []) {
    const sizes = `${one.tokens_before.toLocaleString("en")} to ${one.tokens_after.toLocaleString("en")} tokens`;
    tell(`compacted: ${sizes}, ${one.folded} folded, ${one.shortened} shortened`);
  }
  for (const one of memory.recalls ?? []) tell(`recalled: ${one.query ?? one.handle ?? ""}`);
  const saving = memory.saving ?? {};
  if (saving.error) tell(`not saved yet: ${saving.pending} messages (${saving.error})`, "failed");
  else if (memory.saving) tell("saved");
  const tokens = data.inputTokens === undefined ? "" : `, ${data.inputTokens.toLocaleString("en")} tokens in`;
  tell(`${data.modelCalls} model ${data.modelCalls === 1 ? "call" : "calls"}${tokens}, ${data.durationMs} ms`);
}

/** Reads a record: of a preference, which is JSON, what it states. @param {string} text */
function statement(text) {
  try {
    return String(JSON.parse(text).preference ?? text);
  } catch {
    return text;
  }
}

document.addEventListener("keydown", (event) => {
  const typed = event.target;
  if (!(typed instanceof HTMLTextAreaElement) || typed.dataset.lines !== undefined || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  typed.form?.requestSubmit();
});

watch(document);
for (const slider of document.querySelectorAll("[data-threshold]")) {
  if (slider instanceof HTMLInputElement) applyThreshold(slider);
}
document.documentElement.dataset.ready = "true";
