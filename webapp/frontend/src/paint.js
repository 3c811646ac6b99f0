/* Painting state on a bpmn-js canvas: tokens, the path taken, incidents, problems, counts, heat, differences.
 * `paint` first takes off all that an earlier call put on, so that it can be called with each new state. */
import { say } from "./words.js";

function badge(kind, text, title) {
  const node = document.createElement("div");
  node.className = `bd-badge bd-badge-${kind}`;
  node.textContent = text;
  if (title) node.title = title;
  return node;
}

export function painter(viewer) {
  const canvas = viewer.get("canvas");
  const overlays = viewer.get("overlays");
  const registry = viewer.get("elementRegistry");
  let marked = [];

  function mark(id, name) {
    if (!registry.get(id)) return;
    canvas.addMarker(id, name);
    marked.push([id, name]);
  }

  function put(id, position, html) {
    if (registry.get(id)) overlays.add(id, "bd", { position, html });
  }

  function wipe() {
    overlays.remove({ type: "bd" });
    for (const [id, name] of marked) if (registry.get(id)) canvas.removeMarker(id, name);
    marked = [];
  }

  const each = (table, act) => Object.entries(table ?? {}).forEach(([id, value]) => act(id, value));

  function problems(list) {
    for (const problem of list ?? []) {
      const severity = problem.severity ?? "error";
      const text = [problem.sentence, problem.mend].filter(Boolean).join(" ");
      mark(problem.where, `bd-problem-${severity}`);
      put(problem.where, { top: -10, right: 14 }, badge(severity, severity === "info" ? "i" : "!", text));
    }
  }

  function links(table) {
    each(table, (id) => mark(id, "bd-link"));
  }

  function paint(state) {
    wipe();
    each(state.heat, (id, share) => mark(id, `bd-heat-${Math.min(5, Math.max(1, Math.ceil(share * 5)))}`));
    each(state.done, (id) => mark(id, "bd-is-done"));
    for (const id of state.flows ?? []) mark(id, "bd-flow-done");
    each(state.tokens, (id, count) => {
      mark(id, "bd-is-now");
      put(id, { bottom: 12, left: -10 }, badge("now", count, say("running_here", { count })));
    });
    each(state.counts, (id, count) => put(id, { bottom: 12, right: 14 }, badge("count", count)));
    each(state.incidents, (id, sentence) => {
      mark(id, "bd-has-incident");
      put(id, { top: -10, left: -10 }, badge("incident", "!", sentence));
    });
    each(state.notes, (id, text) => {
      const node = document.createElement("div");
      node.className = "bd-note";
      node.textContent = text;
      put(id, { bottom: -4, left: 0 }, node);
    });
    problems(state.problems);
    links(state.links);
    for (const kind of ["added", "removed", "changed", "moved"]) for (const id of state.changes?.[kind] ?? []) mark(id, `bd-${kind}`);
    if (state.element) show(state.element);
  }

  function show(id) {
    const element = registry.get(id);
    if (!element) return;
    for (const other of registry.getAll()) canvas.removeMarker(other.id, "bd-shown");
    canvas.addMarker(id, "bd-shown");
    canvas.scrollToElement(element, 80);
  }

  return { paint, show, wipe };
}
