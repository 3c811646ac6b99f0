/* Dialogs: confirm before a submit, help, go to. <dialog> gives focus, Esc and the backdrop. */
import { getJson } from "./net.js";
import { say, words } from "./words.js";

export function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in node && name !== "list") node[name] = value; else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function openDialog(title, body, buttons = []) {
  const head = make("h2", { className: "h5 mb-3", id: "bd-dialog-title" }, title);
  const foot = make("div", { className: "d-flex gap-2 justify-content-end mt-3" }, ...buttons);
  const dialog = make("dialog", { className: "bd-dialog", "aria-labelledby": "bd-dialog-title" }, head, body, foot);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function ask(sentence, yes) {
  return new Promise((resolve) => {
    const no = make("button", { type: "button", className: "btn btn-outline-secondary" }, say("cancel"));
    const go = make("button", { type: "button", className: "btn btn-primary" }, yes || say("confirm"));
    const dialog = openDialog(yes || say("confirm"), make("p", { className: "mb-0" }, sentence), [no, go]);
    let answer = false;
    no.addEventListener("click", () => dialog.close());
    go.addEventListener("click", () => { answer = true; dialog.close(); });
    dialog.addEventListener("close", () => resolve(answer));
    go.focus();
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const source = event.submitter?.dataset.confirm ? event.submitter : form;
  if (!source.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await ask(source.dataset.confirm, source.dataset.confirmYes)) {
    form.dataset.confirmed = "1";
    form.requestSubmit(event.submitter ?? undefined);
    delete form.dataset.confirmed;
  }
}, true);

const KEYS = [["/", "keys_search"], ["?", "keys_help"], ["j", "keys_next"], ["k", "keys_previous"],
  ["o", "keys_open"], ["c", "keys_claim"], ["Ctrl+K", "keys_goto"], ["Esc", "close"]];

function helpBody() {
  const given = document.getElementById("bd-help");
  if (given) return given.content.cloneNode(true);
  const list = make("dl", { className: "bd-keys mb-0" });
  for (const place of document.querySelectorAll("[data-key][data-key-label]")) {
    list.append(make("dt", {}, make("kbd", {}, place.dataset.key)), make("dd", {}, place.dataset.keyLabel));
  }
  for (const [key, word] of KEYS) list.append(make("dt", {}, make("kbd", {}, key)), make("dd", {}, say(word)));
  return list;
}

export function help() {
  const close = make("button", { type: "button", className: "btn btn-primary" }, say("close"));
  const dialog = openDialog(say("help"), helpBody(), [close]);
  close.addEventListener("click", () => dialog.close());
  close.focus();
}

function pageLinks() {
  const seen = new Map();
  for (const link of document.querySelectorAll("nav a[href], a[data-goto]")) {
    const title = link.textContent.trim().replace(/\s+/g, " ");
    if (title && !link.getAttribute("href").startsWith("#")) seen.set(link.href, { title, url: link.href });
  }
  return [...seen.values()];
}

async function results(text) {
  const near = pageLinks().filter((row) => row.title.toLowerCase().includes(text.toLowerCase()));
  const url = document.body.dataset.gotoUrl;
  if (!url || !text) return near;
  try {
    const found = await getJson(`${url}?q=${encodeURIComponent(text)}`);
    return [...near, ...found.results];
  } catch { return near; }
}

export function goTo() {
  const input = make("input", { type: "search", className: "form-control", "aria-label": words().go_to, autocomplete: "off" });
  const list = make("ul", { className: "list-unstyled bd-goto mb-0" });
  const dialog = openDialog(say("go_to"), make("div", {}, input, list));
  let turn = 0;
  async function fill() {
    const mine = ++turn;
    const rows = await results(input.value.trim());
    if (mine !== turn) return;
    list.replaceChildren(...rows.slice(0, 12).map((row) => make("li", {},
      make("a", { href: row.url }, row.title, make("small", { className: "text-body-secondary ms-2" }, row.hint ?? "")))));
    if (!rows.length) list.replaceChildren(make("li", { className: "text-body-secondary" }, say("nothing_found")));
  }
  input.addEventListener("input", fill);
  dialog.addEventListener("keydown", (event) => moveInList(event, input, list));
  fill();
  input.focus();
}

function moveInList(event, input, list) {
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "Enter" && document.activeElement === input && links[0]) { event.preventDefault(); links[0].click(); }
  if (event.key === "ArrowDown" && links.length) { event.preventDefault(); (links[at + 1] ?? links[0]).focus(); }
  if (event.key === "ArrowUp") { event.preventDefault(); (links[at - 1] ?? input).focus(); }
}
