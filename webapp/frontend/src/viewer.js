/* Shows a model and paints on it where a case stands. The XML has passed the gate of the server; the picture is drawn
 * by bpmn.io, whose mark stays visible. The wheel scrolls the page, not the canvas; zoom is on buttons and Ctrl+wheel. */
import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";
import "./viewer.css";
import { make } from "./dialogs.js";
import { poll } from "./net.js";
import { outline } from "./outline.js";
import { painter } from "./paint.js";
import { say } from "./words.js";

async function xmlOf(place) {
  if (place.dataset.xml) return document.getElementById(place.dataset.xml).textContent.trim();
  const answer = await fetch(place.dataset.xmlUrl, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.text();
}

function zoomButtons(viewer) {
  const button = (sign, word, act) => {
    const node = make("button", { type: "button", "aria-label": say(word), title: say(word) }, sign);
    node.addEventListener("click", act);
    return node;
  };
  return make("div", { className: "bd-zoom" },
    button("+", "zoom_in", () => viewer.get("zoomScroll").stepZoom(1)),
    button("−", "zoom_out", () => viewer.get("zoomScroll").stepZoom(-1)),
    button("⤢", "fit", () => fit(viewer)));
}

function fit(viewer) {
  const canvas = viewer.get("canvas");
  canvas.zoom("fit-viewport", "auto");
  if (canvas.zoom() > 1) canvas.zoom(1, "auto");
}

/* A wide model is first shown at a size that can be read, at the step where the case stands; "fit" shows it all. */
const READABLE = 0.75;

function begin(viewer, box, state) {
  const canvas = viewer.get("canvas");
  const { inner, outer } = canvas.viewbox();
  const scale = Math.max(Math.min(1, outer.width / (inner.width + 40)), READABLE);
  box.style.height = `${Math.max(220, Math.min(outer.height, inner.height * scale + 80))}px`;
  canvas.resized();
  fit(viewer);
  if (canvas.zoom() >= READABLE) return;
  const asked = state.element ?? Object.keys(state.incidents ?? {})[0];
  const here = (asked ? [asked] : Object.keys(state.tokens ?? {})).map((id) => viewer.get("elementRegistry").get(id)).filter(Boolean);
  const steps = here.filter((one) => !one.type.endsWith("Event"));
  canvas.viewbox(around(steps.length ? steps : here, inner, { width: outer.width / READABLE, height: canvas.getSize().height / READABLE }));
}

/* The part of the model to begin with: its upper left, or that in the middle of which the elements stand; what is
 * beyond the edge of the model is kept out. Elements that are too far apart leave it at the first. */
function around(elements, inner, size) {
  const along = (axis, length) => {
    const first = inner[axis] - 20;
    if (!elements.length) return first;
    const [low, high] = [Math.min(...elements.map((one) => one[axis])), Math.max(...elements.map((one) => one[axis] + one[length]))];
    const middle = high - low <= size[length] ? (low + high) / 2 : elements[0][axis] + elements[0][length] / 2;
    const last = Math.max(first, inner[axis] + inner[length] + 20 - size[length]);
    return Math.min(Math.max(middle - size[length] / 2, first), last);
  };
  return { x: along("x", "width"), y: along("y", "height"), ...size };
}

function frame(place) {
  const box = make("div", { className: "bd-canvas" });
  box.style.height = `${place.dataset.height ?? 480}px`;
  place.append(box);
  place.setAttribute("role", "group");
  return box;
}

function showOutline(place, definitions, state) {
  const given = document.querySelector("[data-outline-for]");
  if (given) return;
  let details = place.querySelector("details.bd-outline");
  if (!details) {
    details = make("details", { className: "bd-outline mt-2" }, make("summary", {}, say("outline")));
    place.append(details);
  }
  details.querySelector("div")?.remove();
  details.append(outline(definitions, state));
}

async function mount(place) {
  const box = frame(place);
  const viewer = new NavigatedViewer({ container: box, zoomScroll: { enabled: false } });
  const { warnings } = await viewer.importXML(await xmlOf(place));
  if (warnings.length) console.info("model:", warnings.map((warning) => warning.message));
  let begun = false;
  box.append(zoomButtons(viewer));
  const hand = painter(viewer);
  let state = JSON.parse(place.dataset.state ?? "{}");
  const take = (next) => {
    state = { element: place.dataset.element, changes: JSON.parse(place.dataset.changes ?? "null"), ...next };
    hand.paint(state);
    if (!begun) begin(viewer, box, state);
    begun = true;
    showOutline(place, viewer.getDefinitions(), state);
  };
  if (!place.dataset.stateUrl) take(state);
  viewer.on("element.click", ({ element }) => { if (state.links?.[element.id]) location.assign(state.links[element.id]); });
  place.bdShow = hand.show;
  if (place.dataset.stateUrl) poll(place.dataset.stateUrl, Number(place.dataset.every ?? 0), async (answer) => take(await answer.json()));
  place.dataset.ready = "1";
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-show-element]");
  if (!button) return;
  for (const place of document.querySelectorAll("[data-diagram]")) place.bdShow?.(button.dataset.showElement);
});

for (const place of document.querySelectorAll("[data-diagram]")) {
  mount(place).catch((error) => {
    console.error(error);
    place.dataset.ready = "failed";
    place.append(make("p", { className: "alert alert-warning mt-2", role: "status" }, say("no_diagram")));
  });
}
