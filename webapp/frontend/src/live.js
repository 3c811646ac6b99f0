/* Parts of a page that follow the world: polled with an ETag, replaced without losing focus or place. */
import { poll } from "./net.js";

function mark(part) {
  const active = document.activeElement;
  return part.contains(active) && (active.id || active.dataset.row) ? { id: active.id, row: active.dataset.row } : null;
}

/* Nothing is taken from under somebody who types or selects. */
function busy(part) {
  return part.querySelector("tbody input[type=checkbox]:checked") !== null
    || [...part.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue)
    || part.contains(document.activeElement) && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
}

function put(part, html, enhance) {
  const kept = mark(part);
  const open = [...part.querySelectorAll("details[id][open]")].map((node) => node.id);
  const row = part.querySelector("[data-row].bd-current")?.dataset.row;
  part.innerHTML = html;
  for (const id of open) part.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
  if (row) part.querySelector(`[data-row="${CSS.escape(row)}"]`)?.classList.add("bd-current");
  const again = kept && (kept.id ? document.getElementById(kept.id) : part.querySelector(`[data-row="${CSS.escape(kept.row)}"]`));
  again?.focus({ preventScroll: true });
  const title = part.querySelector("[data-live-title]");
  if (title) document.title = title.textContent.trim();
  enhance(part);
}

export function live(root, enhance) {
  for (const part of root.querySelectorAll("[data-live]:not([data-live-on])")) {
    part.dataset.liveOn = "1";
    let first = true;
    poll(() => part.dataset.live, Number(part.dataset.every || 15), async (answer) => {
      const html = await answer.text();
      // the page already shows what the first answer says: only its ETag is wanted
      // (but where things move within a second, it may say more already)
      if ((!first || "anew" in part.dataset) && !busy(part)) put(part, html, enhance);
      first = false;
    });
  }
}
