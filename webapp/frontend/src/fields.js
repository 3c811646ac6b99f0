/* Fields that help: lookups, dependent fields, file drops, selections, copy buttons, relative times. */
import { make } from "./dialogs.js";
import { getJson, postForm } from "./net.js";
import { say } from "./words.js";

let count = 0;

// --- lookup: an ARIA combobox over a server search ---------------------------------------------
function option(row, box, hidden, list, index) {
  const item = make("li", { className: "bd-option", id: `${list.id}-${index}`, role: "option" },
    row.title, make("small", { className: "text-body-secondary ms-2" }, row.hint ?? ""));
  item.addEventListener("mousedown", (event) => { event.preventDefault(); take(item, box, hidden, list); });
  item.dataset.value = row.value;
  item.dataset.title = row.title;
  return item;
}

function take(item, box, hidden, list) {
  hidden.value = item.dataset.value;
  box.value = item.dataset.title;
  close(box, list);
  hidden.dispatchEvent(new Event("change", { bubbles: true }));
}

function close(box, list) {
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function step(box, list, by) {
  const items = [...list.children];
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  const next = items[(at + by + items.length) % items.length];
  for (const item of items) item.setAttribute("aria-selected", String(item === next));
  if (next) { box.setAttribute("aria-activedescendant", next.id); next.scrollIntoView({ block: "nearest" }); }
}

function lookup(place) {
  const hidden = place.querySelector("input[type=hidden]");
  const box = place.querySelector("input[type=search], input[type=text]");
  const list = make("ul", { className: "bd-options list-unstyled", id: `bd-options-${++count}`, role: "listbox", hidden: true });
  list.setAttribute("aria-label", box.getAttribute("aria-label") ?? box.labels?.[0]?.textContent.trim() ?? "");
  place.append(list);
  for (const [name, value] of Object.entries({ role: "combobox", autocomplete: "off", "aria-autocomplete": "list",
    "aria-controls": list.id, "aria-expanded": "false" })) box.setAttribute(name, value);
  let timer;
  box.addEventListener("input", () => { hidden.value = ""; clearTimeout(timer); timer = setTimeout(fill, 200); });
  box.addEventListener("blur", () => close(box, list));
  box.addEventListener("keydown", (event) => keys(event, box, hidden, list));
  async function fill() {
    if (!box.value.trim()) return close(box, list);
    const { results } = await getJson(`${place.dataset.url}?q=${encodeURIComponent(box.value.trim())}`);
    list.replaceChildren(...results.map((row, index) => option(row, box, hidden, list, index)));
    list.hidden = !results.length;
    box.setAttribute("aria-expanded", String(!list.hidden));
  }
}

function keys(event, box, hidden, list) {
  if (list.hidden) return;
  const chosen = list.querySelector('[aria-selected="true"]');
  if (event.key === "ArrowDown") { event.preventDefault(); step(box, list, 1); }
  if (event.key === "ArrowUp") { event.preventDefault(); step(box, list, -1); }
  if (event.key === "Escape") close(box, list);
  if (event.key === "Enter" && chosen) { event.preventDefault(); take(chosen, box, hidden, list); }
}

// --- fields that the server shows or hides ------------------------------------------------------
function depend(form) {
  let timer;
  async function look() {
    const answer = await postForm(form, form.dataset.whenUrl);
    if (!answer.ok) return;
    const shown = new Set((await answer.json()).shown);
    for (const field of form.querySelectorAll("[data-field][data-when]")) {
      field.hidden = !shown.has(field.dataset.field);
      for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = field.hidden;
    }
  }
  form.addEventListener("change", () => { clearTimeout(timer); timer = setTimeout(look, 150); });
  look();
}

// --- files --------------------------------------------------------------------------------------
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function drop(input) {
  const list = make("ul", { className: "small mb-0" });
  const zone = make("div", { className: "bd-drop" }, make("span", { className: "text-body-secondary small" }, say("choose_files")));
  input.before(zone);
  zone.append(input, make("div", { role: "status" }, list));
  for (const name of ["dragover", "dragleave", "drop"]) zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.toggle("bd-over", name === "dragover");
    if (name === "drop") { input.files = event.dataTransfer.files; input.dispatchEvent(new Event("change", { bubbles: true })); }
  });
  input.addEventListener("change", () => list.replaceChildren(
    ...[...input.files].map((file) => make("li", {}, `${file.name} (${size(file.size)})`))));
}

// --- the fields of a data set stand with the choice of the set ------------------------------------
function sets(select) {
  const groups = [...(select.form ?? document).querySelectorAll("[data-of-set]")];
  function look() {
    for (const group of groups) {
      group.hidden = group.dataset.ofSet !== select.value;
      for (const input of group.querySelectorAll("input")) input.disabled = group.hidden;
    }
  }
  select.addEventListener("change", look);
  look();
}

// --- selections ---------------------------------------------------------------------------------
function selectable(table) {
  const boxes = () => [...table.querySelectorAll("tbody input[type=checkbox]")];
  const all = table.querySelector("input[data-all]");
  function tell() {
    const chosen = boxes().filter((box) => box.checked).length;
    for (const node of document.querySelectorAll("[data-selected-count]")) node.textContent = chosen;
    for (const node of document.querySelectorAll("[data-needs-selection]")) node.disabled = !chosen;
    if (all) { all.checked = chosen > 0 && chosen === boxes().length; all.indeterminate = chosen > 0 && !all.checked; }
  }
  table.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes()) box.checked = all.checked;
    tell();
  });
  tell();
}

// --- relative times -----------------------------------------------------------------------------
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function relative(moment, now, language) {
  const seconds = (moment - now) / 1000;
  const [unit, length] = UNITS.find(([, span]) => Math.abs(seconds) >= span) ?? UNITS[2];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }).format(Math.trunc(seconds / length), unit);
}

function times() {
  for (const node of document.querySelectorAll("time[datetime][data-relative]")) {
    if (!node.title) node.title = node.textContent.trim();
    node.textContent = relative(new Date(node.dateTime), new Date(), document.documentElement.lang || "en");
  }
}
setInterval(times, 60_000);

// --- all of it ----------------------------------------------------------------------------------
const KINDS = {
  "[data-lookup]": lookup, "form[data-when-url]": depend, "input[type=file][data-drop]": drop, "table[data-selectable]": selectable,
  "select[data-chooses-set]": sets,
};

export function fields(root) {
  for (const [selector, enhance] of Object.entries(KINDS)) {
    for (const node of root.querySelectorAll(selector)) {
      if (node.dataset.bdOn) continue;
      node.dataset.bdOn = "1";
      enhance(node);
    }
  }
  times();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const before = button.textContent;
  button.textContent = say("copied");
  setTimeout(() => { button.textContent = before; }, 1500);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submit], input[data-submit]")) event.target.form.requestSubmit();
});

// a second click sends nothing twice; the page that comes back starts fresh
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  const button = event.submitter;
  if (button) setTimeout(() => { button.disabled = true; setTimeout(() => { button.disabled = false; }, 5000); });
});
