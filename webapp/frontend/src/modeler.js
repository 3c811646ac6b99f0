/* Draws and corrects a draft in the dialect that the platform runs (BPMN with zeebe elements). What is drawn is checked
 * by the server shortly after each change: the same lint as at deployment, painted on the elements. Nothing is
 * deployed from here; the form around the canvas does that. */
import Modeler from "bpmn-js/lib/Modeler";
import { BpmnPropertiesPanelModule, BpmnPropertiesProviderModule, ZeebePropertiesProviderModule } from "bpmn-js-properties-panel";
import SimulationModule from "bpmn-js-token-simulation";
import ZeebeBehaviors from "camunda-bpmn-js-behaviors/lib/camunda-cloud";
import MinimapModule from "diagram-js-minimap";
import zeebe from "zeebe-bpmn-moddle/resources/zeebe.json";
import "./modeler.css";
import { inChinese, simulationInChinese } from "./chinese.js";
import { make } from "./dialogs.js";
import { postFile, postJson } from "./net.js";
import { painter } from "./paint.js";
import { say } from "./words.js";

const EMPTY = `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
  xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" id="Definitions_1" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="new_process" name="New process" isExecutable="true"><bpmn:startEvent id="Start" /></bpmn:process>
  <bpmndi:BPMNDiagram id="Diagram_1"><bpmndi:BPMNPlane id="Plane_1" bpmnElement="new_process">
    <bpmndi:BPMNShape id="Start_di" bpmnElement="Start"><dc:Bounds x="180" y="160" width="36" height="36" /></bpmndi:BPMNShape>
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</bpmn:definitions>`;

const isChinese = document.documentElement.lang.startsWith("zh");

function create(form) {
  return new Modeler({
    container: form.querySelector("[data-modeler-canvas]"),
    propertiesPanel: { parent: form.querySelector("[data-modeler-properties]") },
    additionalModules: [BpmnPropertiesPanelModule, BpmnPropertiesProviderModule, ZeebePropertiesProviderModule,
      ZeebeBehaviors, MinimapModule, SimulationModule, ...(isChinese ? [inChinese] : [])],
    moddleExtensions: { zeebe },
    exporter: { name: "bizday", version: "1" },
  });
}

async function xmlOf(form) {
  if (form.dataset.xml) return document.getElementById(form.dataset.xml).textContent.trim() || EMPTY;
  if (!form.dataset.xmlUrl) return EMPTY;
  const answer = await fetch(form.dataset.xmlUrl, { credentials: "same-origin" });
  return answer.ok ? answer.text() : EMPTY;
}

function save(name, text, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

function listProblems(form, modeler, problems, mends = []) {
  const place = form.querySelector("[data-modeler-problems]");
  if (!place) return;
  const rows = problems.map((problem) => {
    const button = make("button", { type: "button", className: "btn btn-link p-0" }, problem.sentence);
    button.addEventListener("click", () => select(modeler, problem.where));
    const mend = mends.find((one) => one.where === problem.where && one.rule === problem.rule);
    return make("li", { className: `bd-problem-${problem.severity}` }, button, problem.mend ? ` ${problem.mend}` : "",
      ...excerpt(problem), ...(mend ? [" ", mendButton(form, modeler, mend)] : []));
  });
  place.replaceChildren(...(rows.length ? rows : [make("li", {}, say("sound"))]));
}

/* The expression that a problem speaks of, its place marked, and the way to try it. */
function excerpt({ text, before, word, behind }) {
  if (!text) return [];
  const code = make("code", { className: "bd-feel" }, before, make("mark", {}, word || "␣"), behind);
  const again = make("button", { type: "button", className: "btn btn-link btn-sm p-0" }, say("try_it"));
  again.addEventListener("click", () => {
    const place = document.getElementById("try-expression");
    place.value = text;
    place.focus();
    place.scrollIntoView({ block: "center" });
  });
  return [" ", code, " ", again];
}

/* Trying answers beside the form, so that the drawing stays. Without scripts the form opens a page of its own. */
function answerHere(form) {
  const answer = document.querySelector("[data-try-answer]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = await fetch(form.action, {
      method: "POST", credentials: "same-origin", body: new FormData(form, event.submitter), headers: { "X-Part": "answer" },
    });
    answer.innerHTML = await said.text();
    answer.scrollIntoView({ block: "nearest" });
  });
}

/* A safe mend is made by the server on the draft as it is now, and only when it is asked for. */
function mendButton(form, modeler, mend) {
  const button = make("button", { type: "button", className: "btn btn-outline-primary btn-sm" }, mend.sentence);
  button.addEventListener("click", async () => {
    const { xml } = await modeler.saveXML({ format: true });
    const mended = await postJson(form.dataset.mendUrl, { xml, name: form.dataset.name, number: mend.number });
    await modeler.importXML(mended.xml);
  });
  return button;
}

/* All of the drawing, beside the palette and not under it. */
const PALETTE = 120;
function show(canvas) {
  const { inner, outer } = canvas.viewbox();
  const scale = Math.min(1, (outer.width - PALETTE - 20) / inner.width, (outer.height - 120) / inner.height);
  if (!(scale > 0)) return canvas.zoom("fit-viewport", "auto");
  const [width, height] = [outer.width / scale, outer.height / scale];
  canvas.viewbox({ x: inner.x - PALETTE / scale, y: inner.y - (height - inner.height) / 2, width, height });
}

function select(modeler, id) {
  const element = modeler.get("elementRegistry").get(id);
  if (!element) return;
  modeler.get("selection").select(element);
  modeler.get("canvas").scrollToElement(element, 80);
}

async function lint(form, modeler, hand) {
  const { xml } = await modeler.saveXML({ format: true });
  const { problems, mends } = await postJson(form.dataset.lintUrl, { xml, name: form.dataset.name ?? "draft.bpmn" });
  hand.paint({ problems });
  listProblems(form, modeler, problems, mends);
}

/* A file of any tool: the server reads it whatever its encoding, and draws it where it has no picture. */
async function open(form, modeler, input) {
  const [file] = input.files;
  input.value = "";
  if (!file) return;
  const answer = await postFile(form.dataset.openUrl, file);
  if (!answer.xml) return listProblems(form, modeler, answer.problems);
  form.dataset.name = form.elements.name.value = file.name;
  await modeler.importXML(answer.xml);
  show(modeler.get("canvas"));
}

function buttons(form, modeler) {
  const on = (name, kind, act) => form.querySelector(`[data-modeler-${name}]`)?.addEventListener(kind, act);
  const file = (ending) => (form.dataset.name ?? "draft.bpmn").replace(/\.bpmn$/, ending);
  on("open", "change", (event) => open(form, modeler, event.target));
  on("download", "click", async () => save(file(".bpmn"), (await modeler.saveXML({ format: true })).xml, "application/xml"));
  on("svg", "click", async () => save(file(".svg"), (await modeler.saveSVG()).svg, "image/svg+xml"));
  on("simulate", "click", () => modeler.get("toggleMode").toggleMode());
}

/* The model goes with the form as text; serialising is asynchronous, so the submit waits for it. */
function submitWithXml(form, modeler) {
  let ready = false;
  form.addEventListener("submit", async (event) => {
    if (ready) return;
    event.preventDefault();
    form.querySelector("[data-modeler-xml]").value = (await modeler.saveXML({ format: true })).xml;
    ready = true;
    form.requestSubmit(event.submitter ?? undefined);
    ready = false;
  });
}

async function mount(form) {
  const modeler = create(form);
  await modeler.importXML(await xmlOf(form));
  show(modeler.get("canvas"));
  if (isChinese) simulationInChinese(form.querySelector("[data-modeler-canvas]"));
  const hand = painter(modeler);
  buttons(form, modeler);
  submitWithXml(form, modeler);
  let timer;
  const later = () => { clearTimeout(timer); timer = setTimeout(() => lint(form, modeler, hand).catch(console.error), 800); };
  if (form.dataset.lintUrl) { modeler.on("commandStack.changed", later); modeler.on("import.done", later); later(); }
  form.bdModeler = modeler;
  form.dataset.ready = "1";
}

if (document.querySelector("[data-try-answer]")) document.querySelectorAll("[data-try]").forEach(answerHere);

for (const form of document.querySelectorAll("[data-modeler]")) mount(form).catch((error) => {
  console.error(error);
  form.dataset.ready = "failed";
});
