/* Shows a decision model: the requirement graph and each table, with the rules that hit marked. */
import DmnViewer from "dmn-js/lib/NavigatedViewer";
import "./decision.css";
import { make } from "./dialogs.js";
import { say } from "./words.js";

function tabs(viewer, place, hits) {
  const bar = make("div", { className: "nav nav-tabs mb-2", role: "group" });
  const draw = () => bar.replaceChildren(...viewer.getViews().map((view) => {
    const active = viewer.getActiveView() === view;
    const button = make("button", { type: "button", className: `nav-link ${active ? "active" : ""}` }, view.name || view.id);
    button.setAttribute("aria-pressed", String(active));
    button.addEventListener("click", async () => { await viewer.open(view); draw(); mark(viewer, place, hits); });
    return button;
  }));
  draw();
  viewer.on("views.changed", () => { draw(); mark(viewer, place, hits); });
  return bar;
}

function mark(viewer, place, hits) {
  const element = viewer.getActiveView()?.element;
  for (const rule of hits[element?.id] ?? []) {
    place.querySelector(`[data-row-id="${CSS.escape(rule)}"]`)?.closest("tr")?.classList.add("bd-hit");
  }
}

async function mount(place) {
  const hits = JSON.parse(place.dataset.hits ?? "{}");
  const box = make("div", { className: "bd-decision-box" });
  const viewer = new DmnViewer({ container: box, drd: { zoomScroll: { enabled: false } } });
  place.append(box);
  const answer = await fetch(place.dataset.xmlUrl, { credentials: "same-origin" });
  await viewer.importXML(await answer.text());
  box.before(tabs(viewer, place, hits));
  const first = viewer.getViews().find((view) => hits[view.element.id] || view.element.id === place.dataset.decisionId);
  if (first) await viewer.open(first);
  mark(viewer, place, hits);
  place.dataset.ready = "1";
}

for (const place of document.querySelectorAll("[data-decision]")) mount(place).catch((error) => {
  console.error(error);
  place.dataset.ready = "failed";
  place.append(make("p", { className: "alert alert-warning", role: "status" }, say("no_diagram")));
});
