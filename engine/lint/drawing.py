"""What we ask of the drawing and of the file: that it keeps the standard's schema, and that all of it can be seen.

Messages of the schema are said in plain words at the element where they belong. A model that is not
executable may break the schema and is still opened as a draft.
"""

from __future__ import annotations

import re
import threading

from engine import xmlgate
from engine.bpmn.model import Element, Process
from engine.bpmn.parser import BPMN, SCOPES
from engine.lint.look import Look, name_of
from engine.lint.references import owner

DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
#: problems of the schema that are told of one file
MOST = 50
#: what libxml2 says -> what we say; groups: tag, attribute or value
_SAID = (
    (
        re.compile(r"Element '(?P<tag>[^']*)': This element is not expected"),
        "A '%(tag)s' may not stand at this place.",
    ),
    (
        re.compile(
            r"Element '(?P<tag>[^']*)', attribute '(?P<attribute>[^']*)': The attribute .* is not allowed"
        ),
        "A '%(tag)s' has no attribute '%(attribute)s' in BPMN.",
    ),
    (
        re.compile(r"Element '(?P<tag>[^']*)': The attribute '(?P<attribute>[^']*)' is required but missing"),
        "A '%(tag)s' must have the attribute '%(attribute)s'.",
    ),
    (
        re.compile(
            r"Element '(?P<tag>[^']*)', attribute '(?P<attribute>[^']*)': .*'(?P<value>[^']*)' is not a valid value"
        ),
        "'%(value)s' may not stand for attribute '%(attribute)s' of a '%(tag)s'.",
    ),
    (
        re.compile(r"Element '(?P<tag>[^']*)': Missing child element"),
        "A '%(tag)s' lacks something that BPMN wants inside it.",
    ),
)
_ONE_AT_A_TIME = threading.Lock()


# --- the schema ---------------------------------------------------------------------------------
def the_schema_is_kept(look: Look) -> None:
    """BPMN 2.0's schema; an error where the model is to be executed."""
    severity = "error" if any(process.executable for process in look.processes) else "warning"
    for where, line, why in _breaches(look.root):
        sentence, params = _plainly(why)
        look.say(where, "bpmn.schema", sentence, severity, line=line, **params)


def _breaches(root) -> list[tuple[str, int, str]]:
    """(element id, line, message) of each place that breaks the schema; its log is shared by all threads."""
    schema = xmlgate.bpmn_schema()
    with _ONE_AT_A_TIME:
        if schema.validate(root):
            return []
        log = [(one.path, one.line, one.message) for one in list(schema.error_log)[:MOST]]
    spaces = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    return [(_where(root, path, spaces), line, why) for path, line, why in log]


def _where(root, path: str | None, spaces: dict[str, str]) -> str:
    try:
        found = root.getroottree().xpath(path, namespaces=spaces) if path else []
    except Exception:  # a path with a prefix that only an inner element declares
        return ""
    return owner(found[0]) if found else ""


def _plainly(why: str) -> tuple[str, dict[str, str]]:
    why = re.sub(r"\{[^}]*\}", "", why)
    for pattern, sentence in _SAID:
        if match := pattern.search(why):
            return sentence, match.groupdict()
    return "The file breaks the schema of BPMN: %(why)s", {"why": why[:300]}


# --- the diagram --------------------------------------------------------------------------------
def everything_is_drawn(look: Look) -> None:
    shapes = _drawn(look, "BPMNShape") | _drawn(look, "BPMNEdge")
    if not any(process.elements for process in look.processes):
        return
    if not shapes:
        look.say(
            "",
            "drawing.none",
            "The file has no diagram: its elements cannot be seen.",
            "warning",
            "Open it in a diagram editor, arrange it and save it.",
        )
        return
    for process in look.processes:
        _undrawn(look, process, shapes)


def _drawn(look: Look, tag: str) -> set[str]:
    return {(node.get("bpmnElement") or "").rpartition(":")[2] for node in look.root.iter(f"{DI}{tag}")}


def _undrawn(look: Look, process: Process, shapes: set[str]) -> None:
    for element in process.elements.values():
        if element.id not in shapes:
            look.say(
                element.id,
                "drawing.no-shape",
                "'%(name)s' is not drawn, so nobody can see it.",
                "warning",
                name=name_of(element),
            )
    for flow in process.flows.values():
        if flow.id not in shapes:
            look.say(
                flow.id,
                "drawing.no-edge",
                "The flow from '%(source)s' to '%(target)s' is not drawn.",
                "warning",
                source=name_of(flow.source),
                target=name_of(flow.target),
            )


def elements_stand_in_lanes(look: Look) -> None:
    """Where a process has lanes, each of its elements stands in one; what is inside a sub-process need not."""
    for node in look.root.iterfind(f"{BPMN}process"):
        process = look.model.processes.get(node.get("id") or "")
        if process is None or node.find(f"{BPMN}laneSet/{BPMN}lane") is None:
            continue
        for element in process.root.children:
            if not element.lane and not _goes_along(element):
                look.say(
                    element.id,
                    "drawing.no-lane",
                    "'%(name)s' stands in no lane.",
                    "warning",
                    "Move it into a lane.",
                    name=name_of(element),
                )


def _goes_along(element: Element) -> bool:
    """Stands where something else stands: at its host, or in its scope."""
    return element.kind == "boundaryEvent" or (element.kind in SCOPES and element.triggered_by_event)


RULES = (the_schema_is_kept, everything_is_drawn, elements_stand_in_lanes)
