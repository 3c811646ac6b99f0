"""A picture for a model that was saved without one: elements in columns along their flows, pools below each other.

`with_picture` changes nothing of what a model means; it adds the diagram of BPMN 2.0, chapter 12, so that a
canvas can open the file. Each scope is laid out for itself: its elements stand in the column behind those
that lead to them, in the row of the first of these where that is free. Boundary events sit at the lower
edge of their hosts, flows that lead back run below. Lanes are not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from engine import xmlgate
from engine.bpmn.parser import BPMN, NODES, SCOPES, local

DI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DD = "http://www.omg.org/spec/DD/20100524/DI"
BESIDE = {"dataObjectReference": (36, 50), "dataStoreReference": (50, 50), "textAnnotation": (160, 60)}
GAP, EDGE = 60, 40
Place = tuple[float, float, float, float]


@dataclass
class _Scope:
    """One process or sub-process laid out from (0, 0)."""

    #: id -> (x, y, width, height)
    places: dict[str, Place] = field(default_factory=dict)
    #: id of a flow -> its points
    ways: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    width: float = 0
    height: float = 0

    def take(self, other: _Scope, x: float, y: float) -> None:
        self.places |= {id: (a + x, b + y, w, h) for id, (a, b, w, h) in other.places.items()}
        self.ways |= {id: [(a + x, b + y) for a, b in way] for id, way in other.ways.items()}


def with_picture(data: bytes) -> bytes:
    """The file with a diagram, as UTF-8; as it is when it has one. Raises Invalid for what is no XML."""
    root = xmlgate.read(data, whole=True)
    if any(True for _ in root.iter(f"{{{DI}}}BPMNShape")) or not any(True for _ in root.iter(*(BPMN + tag for tag in NODES))):
        return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")
    for old in root.findall(f"{{{DI}}}BPMNDiagram"):
        root.remove(old)
    pools = root.find(f"{BPMN}collaboration")
    if pools is not None and pools.find(f"{BPMN}participant") is not None:
        _write(root, pools.get("id"), _pools(root, pools))
    else:
        for process in sorted(root.findall(f"{BPMN}process"), key=lambda one: one.get("isExecutable") != "true"):
            _write(root, process.get("id"), _scope(process))
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")


# --- a scope ------------------------------------------------------------------------------------
def _scope(node: Any) -> _Scope:
    made, inner = _Scope(), {}
    nodes = {one.get("id"): one for one in node if isinstance(one.tag, str) and local(one) in NODES and one.get("id")}
    plain = {id for id, one in nodes.items() if not one.get("attachedToRef")}
    hosts = {id: host for id, one in nodes.items() if (host := one.get("attachedToRef")) in plain}
    flows = [one for one in node.findall(f"{BPMN}sequenceFlow") if {one.get("sourceRef"), one.get("targetRef")} <= nodes.keys()]
    standing = [id for id in nodes if id not in hosts]
    for id in standing:
        if local(nodes[id]) in SCOPES:
            inner[id] = _scope(nodes[id])
    sizes = {id: _size(nodes[id], inner.get(id)) for id in standing}
    edges = [tuple(hosts.get(id := one.get(end), id) for end in ("sourceRef", "targetRef")) for one in flows]
    made.places = _grid(sizes, _cells(standing, edges))
    for id, below in inner.items():
        made.take(below, made.places[id][0] + EDGE, made.places[id][1] + EDGE)
    _attach(made, hosts)
    bottom = max((y + h for _, y, _, h in made.places.values()), default=0)
    _beside(made, node, bottom + GAP)
    for number, flow in enumerate(flows):
        ends, below = (flow.get("sourceRef"), flow.get("targetRef")), bottom + 20 + number % 4 * 8
        made.ways[flow.get("id") or ""] = _way(made.places, *ends, hosts, below)
    _straight(made, node.findall(f"{BPMN}association"))
    made.width = max((x + w for x, _, w, _ in made.places.values()), default=100)
    made.height = max([y + h for _, y, _, h in made.places.values()] + [y for way in made.ways.values() for _, y in way] + [60])
    return made


def _size(node: Any, inner: _Scope | None) -> tuple[float, float]:
    if inner is not None:
        return inner.width + 2 * EDGE, inner.height + 2 * EDGE
    tag = local(node)
    return (36, 36) if tag.endswith("Event") else (50, 50) if tag.endswith("Gateway") else (100, 80)


def _cells(ids: list[str], edges: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """id -> (column, row). What closes a circle does not count for the column."""
    after: dict[str, list[str]] = {id: [] for id in ids}
    before: dict[str, list[str]] = {id: [] for id in ids}
    for source, target in edges:
        if source != target:
            after[source].append(target)
            before[target].append(source)
    open_, cells, taken = {id: len(before[id]) for id in ids}, {}, set()
    ready, rest = [id for id in ids if not before[id]], iter(ids)
    while len(cells) < len(ids):
        id = ready.pop(0) if ready else next(one for one in rest if one not in cells)
        if id in cells:
            continue
        known = [cells[one] for one in before[id] if one in cells]
        column, row = max((one[0] + 1 for one in known), default=0), known[0][1] if known else 0
        while (column, row) in taken:
            row += 1
        cells[id] = (column, row)
        taken.add((column, row))
        for one in after[id]:
            open_[one] -= 1
            if open_[one] == 0:
                ready.append(one)
    return cells


def _grid(sizes: dict[str, tuple[float, float]], cells: dict[str, tuple[int, int]]) -> dict[str, Place]:
    wide: dict[int, float] = {}
    high: dict[int, float] = {}
    for id, (column, row) in cells.items():
        wide[column], high[row] = max(wide.get(column, 0), sizes[id][0]), max(high.get(row, 80), sizes[id][1])
    left, top = _sums(wide), _sums(high)
    return {
        id: (
            left[column] + max(min(wide[column], 100) - sizes[id][0], 0) / 2,
            top[row] + (high[row] - sizes[id][1]) / 2,
            *sizes[id],
        )
        for id, (column, row) in cells.items()
    }  # fmt: skip


def _sums(extents: dict[int, float]) -> dict[int, float]:
    found, at = {}, 0.0
    for number in sorted(extents):
        found[number] = at
        at += extents[number] + GAP
    return found


def _attach(made: _Scope, hosts: dict[str, str]) -> None:
    """Boundary events side by side at the lower edge of their hosts; what is attached to one of them is beside it."""
    count: dict[str, int] = {}
    for id, host in hosts.items():
        x, y, w, h = made.places.get(host, (0, 0, 100, 80))
        number = count[host] = count.get(host, -1) + 1
        made.places[id] = (x + min(10 + 42 * number, max(w - 36, 0)), y + h - 18, 36, 36)


def _beside(made: _Scope, node: Any, y: float) -> None:
    x = 0.0
    for one in node:
        size = BESIDE.get(local(one)) if isinstance(one.tag, str) else None
        if size and one.get("id"):
            made.places[one.get("id")] = (x, y, *size)
            x += size[0] + GAP


# --- flows ----------------------------------------------------------------------------------------
def _way(places: dict[str, Place], source: str, target: str, hosts: dict[str, str], below: float) -> list[tuple[float, float]]:
    x, y, w, h = places[source]
    u, v, width, height = places[target]
    turn = u - 25 if width >= 100 else u - 42  # in the gap before the column
    if source in hosts:
        low = y + h + 16
        return [(x + w / 2, y + h), (x + w / 2, low), (turn, low), (turn, v + height / 2), (u, v + height / 2)]
    begin, end = (x + w, y + h / 2), (u, v + height / 2)
    if end[0] <= begin[0]:
        return [(x + w / 2, y + h), (x + w / 2, below), (u + width / 2, below), (u + width / 2, v + height)]
    if end[0] - begin[0] > 2 * GAP + 100 and begin[1] == end[1]:
        return [(x + w / 2, y + h), (x + w / 2, below), (turn, below), (turn, end[1]), end]
    return [begin, end] if begin[1] == end[1] else [begin, (turn, begin[1]), (turn, end[1]), end]


def _straight(made: _Scope, lines: list) -> None:
    """From the middle of one to the middle of the other, where both are drawn."""
    for one in lines:
        ends = [made.places.get(one.get(side) or "") for side in ("sourceRef", "targetRef")]
        if None not in ends and one.get("id"):
            made.ways[one.get("id")] = [(x + w / 2, y + h / 2) for x, y, w, h in ends]


def _pools(root: Any, collaboration: Any) -> _Scope:
    made, y = _Scope(), 0.0
    processes = {one.get("id"): _scope(one) for one in root.findall(f"{BPMN}process")}
    width = max([one.width for one in processes.values()] + [500]) + 2 * EDGE + 30
    for one in collaboration.findall(f"{BPMN}participant"):
        inner = processes.pop((one.get("processRef") or "").rpartition(":")[2], None)
        height = inner.height + 2 * EDGE if inner else 60
        if one.get("id"):
            made.places[one.get("id")] = (0, y, width, height)
        if inner:
            made.take(inner, EDGE + 30, y + EDGE)
        y += height + GAP
    _straight(made, collaboration.findall(f"{BPMN}messageFlow"))
    return made


# --- writing ----------------------------------------------------------------------------------------
def _write(root: Any, plane_of: str | None, made: _Scope) -> None:
    spaces = {"bpmndi": DI, "dc": DC, "di": DD}
    diagram = etree.SubElement(root, f"{{{DI}}}BPMNDiagram", nsmap=spaces)
    plane = etree.SubElement(diagram, f"{{{DI}}}BPMNPlane", bpmnElement=plane_of or "")
    wide = {one.get("id") for one in root.iter(*(BPMN + tag for tag in SCOPES))}
    for id, (x, y, w, h) in made.places.items():
        shape = etree.SubElement(plane, f"{{{DI}}}BPMNShape", bpmnElement=id)
        if id in wide:
            shape.set("isExpanded", "true")
        etree.SubElement(shape, f"{{{DC}}}Bounds", x=_n(x + 150), y=_n(y + 100), width=_n(w), height=_n(h))
    for id, way in made.ways.items():
        edge = etree.SubElement(plane, f"{{{DI}}}BPMNEdge", bpmnElement=id)
        for x, y in way:
            etree.SubElement(edge, f"{{{DD}}}waypoint", x=_n(x + 150), y=_n(y + 100))


def _n(number: float) -> str:
    return f"{number:g}" if number < 1e5 else f"{number:.0f}"
