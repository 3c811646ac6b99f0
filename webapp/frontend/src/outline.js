/* The diagram in words: the steps as a nested list, in the order of the flow, with their state. A screen reader
 * and a keyboard reach everything here that the picture shows. */
import { make } from "./dialogs.js";
import { say, words } from "./words.js";

const isNode = (element) => !/SequenceFlow|DataObject|DataStore/.test(element.$type);

function inOrder(container) {
  const nodes = (container.flowElements ?? []).filter(isNode);
  const starts = nodes.filter((node) => !(node.incoming ?? []).length && node.$type !== "bpmn:BoundaryEvent");
  const order = [];
  const seen = new Set();
  const queue = [...starts, ...nodes];
  while (queue.length) {
    const node = queue.shift();
    if (seen.has(node.id)) continue;
    seen.add(node.id);
    order.push(node);
    const attached = nodes.filter((other) => other.attachedToRef === node);
    const next = (node.outgoing ?? []).map((flow) => flow.targetRef).filter(Boolean);
    queue.unshift(...attached, ...next);
  }
  return order;
}

function stateOf(id, state) {
  const parts = [];
  if (state.tokens?.[id]) parts.push(say("running_here", { count: state.tokens[id] }));
  else if (state.done?.[id]) parts.push(say("done"));
  if (state.counts?.[id]) parts.push(String(state.counts[id]));
  if (state.notes?.[id]) parts.push(state.notes[id]);
  if (state.incidents?.[id]) parts.push(`${say("incident")}: ${state.incidents[id]}`);
  for (const problem of state.problems ?? []) if (problem.where === id) parts.push(`${say("problem")}: ${problem.sentence}`);
  for (const kind of ["added", "removed", "changed", "moved"]) if (state.changes?.[kind]?.includes(id)) parts.push(say(kind));
  return parts.join("; ");
}

function row(node, state) {
  const kind = words()[`kind_${node.$type.slice(5)}`] ?? node.$type.slice(5);
  const label = node.name ? `${node.name} (${kind})` : kind;
  const where = stateOf(node.id, state);
  const item = make("li", {}, make("button", { type: "button", "data-show-element": node.id }, label), where ? ` – ${where}` : "");
  if (state.links?.[node.id]) item.append(" ", make("a", { href: state.links[node.id] }, "→"));
  if (node.flowElements) item.append(list(node, state));
  return item;
}

function list(container, state) {
  return make("ul", {}, ...inOrder(container).map((node) => row(node, state)));
}

export function outline(definitions, state) {
  const processes = definitions.rootElements.filter((root) => root.$type === "bpmn:Process");
  return make("div", {}, ...processes.map((process) => list(process, state)));
}
