"""What we ask of expressions: that they speak of variables that exist, call functions that exist, and are not null.

Who writes which variable is read from the whole process: forms, results, outputs, inputs, loops, and
`case` and `starter` which the platform gives. Where something may bring any variable (a service without
outputs, a message, a call that hands everything over, a process that others start) nothing is certain,
and only a name that is nearly a known one is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice, product

from engine import feel
from engine.bpmn.model import Element, Formula, Process
from engine.lint.kinds import everywhere, place, seen
from engine.lint.look import Look, name_of
from engine.lint.people import constant
from engine.lint.references import formulas

#: what the platform gives to each case and to whoever completes a task
GIVEN = frozenset({"case", "starter", "completedBy", "called", "activities", "done"})
COUNTERS = frozenset(
    {
        "loopCounter",
        "numberOfInstances",
        "numberOfActiveInstances",
        "numberOfCompletedInstances",
        "numberOfTerminatedInstances",
        "activationCount",
        "waitingForStart",
    }
)
GIVEN_NAMES = GIVEN | COUNTERS
#: with how many values a condition is tried
TRIALS = 300
#: for how many unknown names of a process a similar one is looked for
GUESSES = 100
#: what brings results whose names no model says
BRINGS = frozenset({"serviceTask", "sendTask", "receiveTask", "callActivity"})


# --- who writes what ----------------------------------------------------------------------------
def written(process: Process, look: Look) -> tuple[set[str], bool]:
    """(variables that something in the process writes, whether others may come from where nobody can see)."""
    found = set(GIVEN | COUNTERS)
    is_open = not any(one.form_key for one in process.root.children if one.kind == "startEvent")
    for element in (process.root, *process.elements.values()):
        found |= written_by(element)
        fields = look.known.fields.get(element.form_key) if element.form_key else {}
        is_open = is_open or fields is None or brings_anything(element)
        found |= set(fields or ())
    return found, is_open


def written_by(element: Element) -> set[str]:
    names = [target for target, _ in (*element.inputs, *element.outputs, *element.data_outputs)]
    names += [*element.data_objects, element.output_collection]
    names += [element.result_variable] if element.result_variable else []
    names += ["result"] if element.decision is not None and not element.result_variable else []
    if element.loop is not None:
        names += [element.loop.element_variable, element.loop.output_collection]
    return {name.partition(".")[0] for name in names if name}


def brings_anything(element: Element) -> bool:
    if element.outputs:
        return False
    if element.kind in BRINGS or (element.service_type is not None):
        return element.kind != "callActivity" or element.propagate_all_child
    caught = element.kind in ("startEvent", "intermediateCatchEvent", "boundaryEvent")
    return caught and any(
        event.kind in ("message", "signal", "error", "escalation") for event in element.events
    )


# --- who reads what -----------------------------------------------------------------------------
def expressions(process: Process) -> Iterator[tuple[str, Formula]]:
    """(where it stands, expression) of all whose variables come from the process."""
    for element in process.elements.values():
        own = {id(formula) for _, formula in element.outputs} if _hands_results(element) else set()
        for formula in formulas(element):
            if id(formula) not in own:
                yield element.id, formula
        yield from ((element.id, formula) for formula in _of_loop(element))
    for flow in process.flows.values():
        if flow.condition is not None:
            yield flow.id, flow.condition


def _hands_results(element: Element) -> bool:
    """Its outputs speak of results whose names no model says."""
    caught = element.kind in ("startEvent", "intermediateCatchEvent", "boundaryEvent")
    return element.kind in BRINGS or caught or element.service_type is not None


def _of_loop(element: Element) -> list[Formula]:
    loop = element.loop
    if loop is None:
        return []
    found = [loop.collection, loop.cardinality, loop.condition]
    found += [] if _hands_results(element) else [loop.output_element, loop.completion]
    return [one for one in found if one is not None]


def variables_are_written(look: Look) -> None:
    for process in look.processes:
        known, is_open = written(process, look)
        near: dict[str, str | None] = {}
        for where, formula in expressions(process):
            for name in sorted(reads(formula) - known - _given_at(process, where, formula)):
                if name not in near:
                    near[name] = _nearest(name, known) if len(near) < GUESSES else None
                _say_unknown(look, where, formula, name, near[name], is_open)


def _given_at(process: Process, where: str, formula: Formula) -> set[str]:
    """What the platform gives to a single expression: who is added, to the one that says what she counts for."""
    element = process.elements.get(where)
    return {"person"} if element is not None and formula is element.add_signer else set()


def _nearest(name: str, known: set[str]) -> str | None:
    alike = [one for one in known if abs(len(one) - len(name)) <= 2]
    return next(iter(get_close_matches(name, alike, 1, 0.8)), None)


def _say_unknown(look: Look, where: str, formula: Formula, name: str, near: str | None, is_open: bool) -> None:
    if near is None and is_open:
        return
    sentence = "Nothing writes variable '%(variable)s'."
    if near is not None:
        sentence = "Nothing writes variable '%(variable)s'; is '%(near)s' meant?"
    look.say(where, "feel.unknown-variable", sentence, "warning", variable=name, near=near or "", **place_of(formula, name))


def reads(formula: Formula) -> set[str]:
    """Variables that it reads and does not itself take for possibly missing."""
    expression = formula.expression
    return set(expression.reads - expression.maybe) if expression is not None else set()


def functions_exist(look: Look) -> None:
    for process in look.processes:
        for where, formula in everywhere(process):
            for name in sorted((formula.expression.calls if formula.expression else set()) - feel.BUILTINS.keys()):
                near = next(iter(get_close_matches(name, feel.BUILTINS, 1, 0.7)), None)
                sentence = "There is no function '%(function)s'."
                if near is not None:
                    sentence = "There is no function '%(function)s'; is '%(near)s' meant?"
                look.say(where, "feel.unknown-function", sentence, function=name, near=near or "", **place_of(formula, name))


def place_of(formula: Formula, name: str) -> dict[str, str]:
    """Where a name stands in an expression."""
    return place(formula, seen(formula, {}).places.get(name, 0))


# --- conditions ---------------------------------------------------------------------------------
def conditions_are_true_or_false(look: Look) -> None:
    for where, formula in _conditions(look):
        if formula.expression is not None and not formula.reads and not formula.expression.calls:
            said = constant(formula)
            if not isinstance(said, bool):
                look.say(
                    where,
                    "feel.not-a-condition",
                    "The condition '%(text)s' is never true or false.",
                    text=formula.text[:120],
                )


def conditions_are_not_null(look: Look) -> None:
    """A condition over an answer that may be left empty stops the case when it is."""
    for process in look.processes:
        optional = _optional(process, look)
        for flow in process.flows.values():
            empty = sorted(reads(flow.condition) & optional) if flow.condition is not None else []
            if empty and is_null_without(flow.condition, set(empty)):
                look.say(
                    flow.id, "feel.may-be-null",
                    "When '%(variable)s' is left empty, the condition '%(text)s' is null and the case stops there.", "warning",
                    "Make the field required, or ask for null first: %(variable)s != null and (%(text)s).",
                    variable=empty[0], **place_of(flow.condition, empty[0]),
                )  # fmt: skip


def _conditions(look: Look) -> Iterator[tuple[str, Formula]]:
    for process in look.processes:
        for flow in process.flows.values():
            if flow.condition is not None:
                yield flow.id, flow.condition
        for element in process.elements.values():
            asked = [element.completion, element.activation]
            asked += [element.loop.completion, element.loop.condition] if element.loop is not None else []
            asked += [event.formula for event in element.events if event.kind == "conditional"]
            yield from ((element.id, one) for one in asked if one is not None)


def _optional(process: Process, look: Look) -> set[str]:
    """Variables that nothing writes but fields which may be left empty."""
    asked: dict[str, bool] = {}
    other: set[str] = set()
    for element in process.elements.values():
        other |= written_by(element)
        for name, required in look.known.fields.get(element.form_key or "", {}).items():
            asked[name] = asked.get(name, False) or required
    return {name for name, required in asked.items() if not required} - other


def is_null_without(formula: Formula, missing: set[str]) -> bool:
    """Whether a condition is null without these variables, though true or false with them, for some values of the others."""
    others = sorted(formula.reads - missing)
    if not others:
        return not _is_truth(formula, dict.fromkeys(missing))
    samples = _samples(formula.expression.text)
    for values in islice(product(samples, repeat=len(others)), TRIALS):
        given = dict(zip(others, values, strict=True))
        if not _is_truth(formula, given | dict.fromkeys(missing)):
            if any(_is_truth(formula, given | dict.fromkeys(missing, one), True) for one in samples):
                return True
    return False


def _is_truth(formula: Formula, values: dict, cleanly: bool = False) -> bool:
    """Whether it is true or false; `cleanly`: and nothing in it is null, so that the values are of the types it wants."""
    try:
        said, why = formula.expression.explain(values, budget=feel.Budget(steps=1000, seconds=0.05))
    except feel.FeelError:
        return not cleanly
    return isinstance(said, bool) and not (cleanly and why)


def _samples(text: str) -> list:
    """Values of several types, the constants of an expression among them."""
    texts = re.findall(r'"([^"]*)"', text)[:3]
    numbers = [int(one) for one in re.findall(r"(?<![\w.])\d{1,9}(?![\w.])", text)[:3]]
    return [0, 10**6, *numbers, "other", *texts, True, False]


def decisions_have_something_to_do(look: Look) -> None:
    """A script whose result is kept nowhere does nothing."""
    for element in look.elements:
        if element.script is not None and not element.result_variable and not element.outputs:
            look.say(
                element.id,
                "feel.result-lost",
                "The result of '%(name)s' is kept nowhere.",
                "warning",
                "Name a result variable.",
                name=name_of(element),
            )


RULES = (
    variables_are_written, functions_exist, conditions_are_true_or_false, conditions_are_not_null,
    decisions_have_something_to_do,
)  # fmt: skip
