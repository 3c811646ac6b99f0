"""Data objects and the arrows between them and activities (BPMN 2.0, 10.4).

A data object is a variable of the scope that it stands in, null until something is written. An input
association fills a data input of an activity or throwing event from it, through its transformation where it
has one; an output association writes a data output back. An arrow that ends at no declared input or output,
as drawing tools make them, is documentation and moves nothing. A data store lies outside of the process:
only a service reaches it, so an association that would move data to or from one is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.bpmn.model import Element

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_NAME = re.compile(r"[^\W\d]\w*")


def declare(parser, node, scope: Element) -> None:
    """The data objects of a scope: id of object or reference -> variable."""
    references = {one.get("id"): one for one in node.iterfind(f"{BPMN}dataObjectReference") if one.get("id")}
    called = {one.get("dataObjectRef"): one.get("name") for one in references.values() if one.get("name")}
    for one in node.iterfind(f"{BPMN}dataObject"):
        key = one.get("id")
        if key:
            name = _variable(one.get("name") or called.get(key), key)
            parser.data_objects[key] = name
            scope.data_objects.append(name)
    for key, one in references.items():
        if one.get("dataObjectRef") in parser.data_objects:
            parser.data_objects[key] = parser.data_objects[one.get("dataObjectRef")]
    parser.data_stores |= {one.get("id") for one in node.iterfind(f"{BPMN}dataStoreReference")}


def associate(parser, element: Element, node) -> None:
    """The arrows of one activity or event, once every data object is known."""
    inputs, outputs = _declared(node, "dataInput"), _declared(node, "dataOutput")
    for arrow in node.iterfind(f"{BPMN}dataInputAssociation"):
        source, target = _text(arrow, "sourceRef"), _text(arrow, "targetRef")
        if target in inputs and _is_object(parser, element, source):
            formula = _formula(parser, element, arrow, parser.data_objects[source])
            element.inputs += ((inputs[target], formula),) if formula else ()
    for arrow in node.iterfind(f"{BPMN}dataOutputAssociation"):
        source, target = _text(arrow, "sourceRef"), _text(arrow, "targetRef")
        if source in outputs and _is_object(parser, element, target):
            formula = _formula(parser, element, arrow, outputs[source])
            element.data_outputs += ((parser.data_objects[target], formula),) if formula else ()


def refer_loop(parser, element: Element, node, multi, loop) -> None:
    """The list that a repeated activity walks and the one that it fills, named by the standard's references (13.3.7)."""
    source = _drawn(parser, node, _text(multi, "loopDataInputRef"), "Input")
    if source and loop.collection is None:
        loop.collection = parser.formula(element.id, f"={source}")
    target = _drawn(parser, node, _text(multi, "loopDataOutputRef"), "Output")
    item = multi.find(f"{BPMN}outputDataItem")
    if target and loop.output_collection is None:
        loop.output_collection = target
        if item is not None and loop.output_element is None:
            loop.output_element = parser.formula(element.id, f"={_variable(item.get('name'), item.get('id'))}")


def _drawn(parser, node, ref: str, side: str) -> str | None:
    """The variable of a data object, or of the one that an arrow joins with a data input or output."""
    ends = ("targetRef", "sourceRef") if side == "Input" else ("sourceRef", "targetRef")
    arrows = node.iterfind(f"{BPMN}data{side}Association")
    joined = next((_text(one, ends[1]) for one in arrows if _text(one, ends[0]) == ref), ref)
    return parser.data_objects.get(joined)


def _declared(node, kind: str) -> dict[str, str]:
    """Data inputs or outputs of an activity or event: id -> variable."""
    found = [*node.iterfind(f"{BPMN}ioSpecification/{BPMN}{kind}"), *node.iterfind(f"{BPMN}{kind}")]
    return {one.get("id"): _variable(one.get("name"), one.get("id")) for one in found if one.get("id")}


def _is_object(parser, element: Element, ref: str) -> bool:
    if ref in parser.data_stores:
        parser.problem(
            element.id, "bpmn.data-store", "'%(name)s' reads or writes a data store; only a service can reach one.",
            name=element.name or element.id,
        )  # fmt: skip
        return False
    return ref in parser.data_objects


def _formula(parser, element: Element, arrow, variable: str):
    said = arrow.find(f"{BPMN}transformation")
    text = "".join(said.itertext()).strip() if said is not None else ""
    if arrow.find(f"{BPMN}assignment") is not None:
        parser.problem(
            element.id, "bpmn.data-assignment",
            "The data association of '%(name)s' has assignments; write them as a transformation.",
            name=element.name or element.id,
        )  # fmt: skip
        return None
    return parser.formula(element.id, text or f"={variable}", always=True)


def _text(node, tag: str) -> str:
    found = node.find(f"{BPMN}{tag}")
    return (found.text or "").strip() if found is not None else ""


def _variable(name: str | None, key: str) -> str:
    """Its name where that can be a variable's, else its id."""
    return name if name and _NAME.fullmatch(name) else key
