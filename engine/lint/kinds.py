"""What we ask of the types in expressions: that what is compared, reckoned and called can go together.

Types come from the forms (their JSON Schema) and from the expressions that write a variable. A variable that several
places write with different types, or that something from outside may write, has none, and nothing is said about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine import feel
from engine.bpmn.model import Element, Formula, Process
from engine.feel.errors import Diagnosis
from engine.feel.inference import Seen, common, told
from engine.feel.inference import look as infer
from engine.feel.types import Type
from engine.lint.look import Look
from engine.lint.references import formulas

#: how often the types that expressions write are read again from each other
ROUNDS = 3
SIMPLE = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}
#: findings of one expression beyond these are not told
MOST = 5


def types_of(schema: Any) -> dict[str, Type]:
    """name of a field of a form (its JSON Schema) -> type of its value; fields that take several are left out."""
    fields = schema.get("properties") if isinstance(schema, dict) else None
    asked = {name: one for name, one in fields.items() if not _is_shown_only(one)} if isinstance(fields, dict) else {}
    found = {name: _of_schema(one) for name, one in asked.items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def _is_shown_only(one: Any) -> bool:
    """Its answer is never taken, so the variable of its name is another's."""
    return isinstance(one, dict) and one.get("x-widget") in ("readonly", "hidden")


def _of_schema(one: Any, deep: int = 0) -> Type | None:
    kind = one.get("type") if isinstance(one, dict) else None
    if deep > 10 or not isinstance(kind, str):
        return None
    if kind == "array":
        return Type("list", item=_of_schema(one.get("items"), deep + 1))
    if kind == "object":
        parts = one.get("properties") if isinstance(one.get("properties"), dict) else {}
        kinds = ((name, _of_schema(part, deep + 1)) for name, part in parts.items())
        return Type("context", parts=tuple((name, part) for name, part in kinds if part is not None))
    return Type(SIMPLE[kind]) if kind in SIMPLE else None


# --- the types of variables ---------------------------------------------------------------------
def known_types(process: Process, look: Look) -> dict[str, Type]:
    """Variables whose type is the same wherever they are written."""
    known: dict[str, Type | None] = {}
    for _ in range(ROUNDS):
        found: dict[str, list[Type | None]] = {}
        for element in process.elements.values():
            for name, kind in _written(element, look, known):
                found.setdefault(name, []).append(kind)
        before, known = known, {name: common(kinds) for name, kinds in found.items()}
        if before == known:
            break
    return {name: kind for name, kind in known.items() if kind is not None}


def _written(element: Element, look: Look, known: Mapping[str, Type | None]) -> Iterator[tuple[str, Type | None]]:
    """(variable, type) of all that one element writes."""
    kinds = look.known.shapes.get(element.form_key or "", {})
    for name in look.known.fields.get(element.form_key or "", {}):
        yield name, kinds.get(name)
    for target, formula in (*element.inputs, *element.outputs, *element.data_outputs):
        whole = "." not in target
        yield target.partition(".")[0], _type_of(formula, known) if whole and target not in formula.reads else None
    if element.result_variable:
        yield element.result_variable, _type_of(element.script, known)
    if element.loop is not None:
        yield from ((name, None) for name in (element.loop.element_variable, element.loop.output_collection) if name)


def _type_of(formula: Formula | None, known: Mapping[str, Type | None]) -> Type | None:
    """The type as the variable keeps it: plain JSON knows no dates and durations, they become text."""
    if formula is None:
        return None
    if formula.expression is None:
        return Type("string")
    found = seen(formula, known).type
    return found if told(found) in ("number", "string", "boolean") else None


# --- expressions --------------------------------------------------------------------------------
def seen(formula: Formula, known: Mapping[str, Type | None]) -> Seen:
    """What can be seen in an expression whose variables have these types."""
    try:
        return infer(formula.expression.text, known)
    except feel.FeelError:
        return Seen()


def everywhere(process: Process) -> Iterator[tuple[str, Formula]]:
    """(where it stands, expression) of every expression of a process."""
    for element in process.elements.values():
        found = [*formulas(element), *(formula for _, formula in element.data_outputs)]
        if element.loop is not None:
            loop = element.loop
            found += [loop.collection, loop.cardinality, loop.condition, loop.output_element, loop.completion]
        yield from ((element.id, one) for one in found if one is not None)
    yield from ((flow.id, flow.condition) for flow in process.flows.values() if flow.condition is not None)


def place(formula: Formula, at: int) -> dict[str, str]:
    """An expression and a place in it, as parameters of a problem; pages mark the place."""
    text = formula.expression.text
    return {"text": text[:2000], "at": str(max(at, 0)), "line": str(text.count("\n", 0, max(at, 0)) + 1)}


def types_match(look: Look) -> None:
    """What is null whatever the case: wrong arguments stop a deployment, types that cannot match are told."""
    for process in look.processes:
        known = known_types(process, look)
        for where, formula in everywhere(process):
            if formula.expression is not None:
                for finding in seen(formula, known).findings[:MOST]:
                    _say(look, where, formula, finding)


def _say(look: Look, where: str, formula: Formula, finding: Diagnosis) -> None:
    is_call = finding.kind == "argument" and "%(type)s" not in finding.sentence
    look.say(
        where, "feel.argument" if finding.kind == "argument" else "feel.type", finding.sentence,
        "error" if is_call else "warning", **dict(finding.params), **place(formula, finding.position),
    )  # fmt: skip


def conditions_can_hold(look: Look) -> None:
    """A condition whose type is neither true nor false."""
    for process in look.processes:
        known = known_types(process, look)
        for where, formula in _conditions(process):
            if formula.expression is None or not (formula.reads or formula.expression.calls):
                continue
            kind = told(seen(formula, known).type)
            if kind not in ("", "boolean", "Null"):
                look.say(
                    where, "feel.not-a-condition", "The condition '%(text)s' is a %(type)s, never true or false.",
                    "warning", "Compare it with something.", type=kind, **place(formula, 0),
                )  # fmt: skip


def _conditions(process: Process) -> Iterator[tuple[str, Formula]]:
    yield from ((flow.id, flow.condition) for flow in process.flows.values() if flow.condition is not None)
    for element in process.elements.values():
        asked = [element.completion, element.activation]
        asked += [element.loop.completion, element.loop.condition] if element.loop is not None else []
        asked += [event.formula for event in element.events if event.kind == "conditional"]
        yield from ((element.id, one) for one in asked if one is not None)


RULES = (types_match, conditions_can_hold)
