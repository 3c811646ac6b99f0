"""Data objects, data stores, and the arrows between them and activities (BPMN 2.0, 10.4).

A data object is a variable of the scope that it stands in, null until something is written; so are the data
inputs and outputs of the process itself. A data store is shared by all processes and outlives their cases;
it is known by its name. An input association fills a data input of an activity or throwing event, through
its transformation or by its assignments where it has some; an output association writes a data output back.
States and the mark of a collection are documentation. An arrow that ends at no declared input or output, as
drawing tools make them, is documentation too and moves nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.bpmn.limits import weigh
from engine.bpmn.model import Formula

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution
    from engine.bpmn.machine import Token
    from engine.bpmn.model import Element
    from engine.bpmn.scopes import View

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_NAME = re.compile(r"[^\W\d]\w*")
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Stored(Formula):
    """A formula that sees what a data store holds, under the name that the drawing gives it."""

    __slots__ = ("_store", "_variable")

    def __init__(self, store: str, variable: str, formula: Formula):
        super().__init__(formula.text, always_feel=True)
        self._store, self._variable = store, variable

    @property
    def reads(self) -> frozenset[str]:
        return super().reads - {self._variable}

    def json(self, variables: View, world) -> Any:
        return super().json(variables.beside({self._variable: world.read_store(self._store)}), world)


def store_values(run: Execution, element: Element, view: View) -> dict[str, Any]:
    """What an activity or event puts into data stores: store -> value; nothing is written yet."""
    found = {store: formula.json(view, run.world) for store, formula in element.store_outputs}
    for store, value in found.items():
        weigh(element.id, store, value)
    return found


def store(run: Execution, token: Token, values: dict[str, Any]) -> None:
    """Write them, last of all, so that a step that fails and is repeated does not write twice."""
    for name, value in values.items():
        version = run.world.write_store(name, value)
        run.say("data.stored", token, {"store": name, "version": version})


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
    for side in ("dataInput", "dataOutput"):
        for one in node.iterfind(f"{BPMN}ioSpecification/{BPMN}{side}") if scope is parser.root else ():
            parser.data_objects[one.get("id")] = _variable(one.get("name"), one.get("id"))
            scope.data_objects.append(parser.data_objects[one.get("id")])
    for one in node.iterfind(f"{BPMN}dataStoreReference"):
        parser.data_stores[one.get("id")] = _store(parser, one)


def _store(parser, reference) -> tuple[str, str]:
    """(name of the store for all processes, variable that formulas of the drawing see it as)."""
    stores = {one.get("id"): one for one in parser.file.root.iterfind(f"{BPMN}dataStore")}
    drawn = stores.get((reference.get("dataStoreRef") or "").rpartition(":")[2], reference)
    name = drawn.get("name") or drawn.get("id")
    return " ".join(name.split()), _variable(reference.get("name"), reference.get("id"))


def associate(parser, element: Element, node) -> None:
    """The arrows of one activity or event, once every data object is known."""
    inputs, outputs = _declared(node, "dataInput"), _declared(node, "dataOutput")
    for arrow in node.iterfind(f"{BPMN}dataInputAssociation"):
        source, target = _text(arrow, "sourceRef"), _text(arrow, "targetRef")
        if target in inputs:
            element.inputs += _filled(parser, element, arrow, source, inputs[target])
    for arrow in node.iterfind(f"{BPMN}dataOutputAssociation"):
        source, target = _text(arrow, "sourceRef"), _text(arrow, "targetRef")
        if source in outputs and target in parser.data_objects:
            element.data_outputs += _moved(parser, element, arrow, outputs[source], parser.data_objects[target])
        elif source in outputs and target in parser.data_stores:
            element.store_outputs += _put_away(parser, element, arrow, outputs[source], *parser.data_stores[target])


def _filled(parser, element: Element, arrow, source: str, target: str) -> tuple:
    if source in parser.data_objects:
        return _moved(parser, element, arrow, parser.data_objects[source], target)
    if source in parser.data_stores:
        store, variable = parser.data_stores[source]
        return tuple((to, Stored(store, variable, said)) for to, said in _moved(parser, element, arrow, variable, target))
    return ()


def _put_away(parser, element: Element, arrow, source: str, store: str, variable: str) -> tuple:
    if arrow.find(f"{BPMN}assignment") is not None:
        parser.problem(
            element.id, "bpmn.data-assignment",
            "'%(name)s' changes a part of a data store by an assignment; write the whole of it as a transformation.",
            name=element.name or element.id,
        )  # fmt: skip
        return ()
    return tuple((store, Stored(store, variable, said)) for _, said in _moved(parser, element, arrow, source, store))


def _moved(parser, element: Element, arrow, source: str, target: str) -> tuple:
    """What an arrow writes: (variable or path into one, formula) of each."""
    said = arrow.find(f"{BPMN}transformation")
    text = "".join(said.itertext()).strip() if said is not None else ""
    assignments = arrow.findall(f"{BPMN}assignment")
    whole = [(target, parser.formula(element.id, text or f"={source}", always=True))] if text or not assignments else []
    found = whole + [_assigned(parser, element, one, target) for one in assignments]
    return tuple((to, formula) for to, formula in found if formula is not None)


def _assigned(parser, element: Element, assignment, target: str) -> tuple[str, Formula | None]:
    """`from` a FEEL expression `to` the target or a part of it, such as `order.total`."""
    to = "".join(assignment.find(f"{BPMN}to").itertext()).strip().lstrip("= ")
    if not _PATH.fullmatch(to) or to.partition(".")[0] != target:
        parser.problem(
            element.id, "bpmn.data-assignment",
            "An assignment of '%(name)s' writes to '%(to)s'; it can write to '%(target)s' or a part of it.",
            name=element.name or element.id, to=to, target=target,
        )  # fmt: skip
        return to, None
    return to, parser.formula(element.id, "".join(assignment.find(f"{BPMN}from").itertext()), always=True)


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


def _text(node, tag: str) -> str:
    found = node.find(f"{BPMN}{tag}")
    return (found.text or "").strip() if found is not None else ""


def _variable(name: str | None, key: str) -> str:
    """Its name where that can be a variable's, else its id."""
    return name if name and _NAME.fullmatch(name) else key
