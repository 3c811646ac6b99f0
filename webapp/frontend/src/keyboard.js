/* One-letter keys for lists and pages. Typing in a field is never touched, nor are keys with Ctrl, Alt or Meta
 * (Ctrl+K excepted), nor anything inside a diagram editor. */
import { goTo, help } from "./dialogs.js";

const rows = () => [...document.querySelectorAll("[data-list] [data-row]")];
const current = () => document.querySelector("[data-row].bd-current");

function choose(row) {
  if (!row) return;
  for (const other of rows()) { other.classList.remove("bd-current"); other.removeAttribute("aria-current"); }
  row.classList.add("bd-current");
  row.setAttribute("aria-current", "true");
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  choose(at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[Math.min(Math.max(at + step, 0), all.length - 1)]);
}

function open() {
  const row = current();
  (row?.querySelector("[data-open]") ?? row?.querySelector("a[href]"))?.click();
}

function claim() {
  const place = current()?.querySelector("[data-claim]") ?? document.querySelector("[data-claim]:not([data-row] *)");
  if (place?.tagName === "FORM") place.requestSubmit(); else place?.click();
}

/* A page names more keys itself: data-key="t" on a button or on a folded verb. */
function ofPage(key) {
  const place = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!place) return null;
  return () => (place.tagName === "DETAILS" ? place.querySelector("summary") : place).click();
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(), "?": help,
  j: () => move(1), k: () => move(-1), o: open, c: claim, a: () => document.querySelector(".bd-decision input")?.focus(),
};

function typing(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest("[data-modeler], .djs-container, dialog");
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-open-goto]") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  goTo();
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    goTo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  if (event.key === "Enter" && event.target.matches("[data-row]")) { event.preventDefault(); open(); }
  const act = KEYS[event.key] ?? ofPage(event.key);
  if (act) { event.preventDefault(); act(); }
});
