/* Folded menus and verbs (<details>) behave like menus: one at a time, closed by Esc or a click beside them, and the
 * first field of an opened verb is ready to be typed into. Without this file they simply fold. */
const MENUS = "details.bd-menu, details.bd-verb";

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof HTMLDetailsElement) || !menu.matches(MENUS) || !menu.open) return;
  for (const other of document.querySelectorAll(MENUS)) if (other !== menu) other.open = false;
  if (menu.matches(".bd-verb")) menu.querySelector(".bd-verb-panel :is(input:not([type=hidden]), select, textarea)")?.focus();
}, true);

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(MENUS)) if (menu.open && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest?.(MENUS) ?? document.querySelector("details.bd-menu[open], details.bd-verb[open]");
  if (!menu?.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
