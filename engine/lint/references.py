"""What a model names and the platform must have: decisions, forms, services, processes; and what it brings along.

A name that is an expression is known only while a case runs and is left alone. What the `zeebe:` dialect
has and this engine does not do is refused here, so that it is never skipped silently.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.bpmn import timers
from engine.bpmn.limits import ElementError
from engine.bpmn.model import Element, Formula
from engine.bpmn.parser import BPMN, ZEEBE, local
from engine.lint.look import Look, name_of
from engine.lint.people import constant

#: extension elements of Camunda 8 that change what happens and are not done here
UNSUPPORTED = frozenset({"executionListeners", "taskListeners"})
#: kinds that a service does when they name one
SERVED = frozenset({"serviceTask", "sendTask", "businessRuleTask", "scriptTask"})
#: extension elements that are read, or that say nothing about what happens
READ = frozenset(
    {
        "formDefinition",
        "assignmentDefinition",
        "taskSchedule",
        "priorityDefinition",
        "taskDefinition",
        "taskHeaders",
        "calledDecision",
        "calledElement",
        "script",
        "ioMapping",
        "properties",
        "adHoc",
        "userTask",
        "subscription",
        "publishMessage",
        "loopCharacteristics",
        "versionTag",
        "userTaskForm",
        "modelerTemplate",
        "linkedResources",
    }
)
#: a cycle that is faster than this is a mistake
SENSIBLE = timedelta(minutes=1)


def decisions_exist(look: Look) -> None:
    for element in look.elements:
        key = _fixed(element.decision)
        if key and look.known.decisions is not None and key not in look.known.decisions:
            look.say(
                element.id,
                "decision.missing",
                "'%(name)s' asks decision '%(key)s', which does not exist.",
                mend="Deploy the decision together with the model, or name another one.",
                name=name_of(element),
                key=key,
            )


def _fixed(formula: Formula | None) -> str | None:
    """What a formula names whatever the case is."""
    if formula is None:
        return None
    said = formula.fixed if formula.expression is None else constant(formula)
    return said if isinstance(said, str) else None


def forms_exist(look: Look) -> None:
    for element in look.elements:
        if element.form_key and look.known.forms is not None and element.form_key not in look.known.forms:
            look.say(
                element.id,
                "form.missing",
                "'%(name)s' opens form '%(key)s', which does not exist.",
                mend="Deploy the form together with the model, or name another one.",
                name=name_of(element),
                key=element.form_key,
            )


def services_exist(look: Look) -> None:
    for element in look.elements:
        key = _fixed(element.service_type)
        if key and look.known.services is not None and key not in look.known.services:
            look.say(
                element.id,
                "service.unknown",
                "'%(name)s' calls service '%(key)s', which is not registered.",
                mend="Name one of the registered services.",
                name=name_of(element),
                key=key,
            )


def called_processes_exist(look: Look) -> None:
    known = look.known.processes
    for element in look.elements:
        key = _fixed(element.called)
        if key and known is not None and key not in known and key not in look.model.processes:
            look.say(
                element.id,
                "process.missing",
                "'%(name)s' calls process '%(key)s', which does not exist.",
                mend="Deploy the process together with the model, or name another one.",
                name=name_of(element),
                key=key,
            )


def extensions_are_done(look: Look) -> None:
    for node in look.root.iter(f"{BPMN}extensionElements"):
        for one in node:
            if isinstance(one.tag, str) and one.tag.startswith(ZEEBE) and local(one) not in READ:
                severity = "error" if local(one) in UNSUPPORTED else "warning"
                look.say(
                    owner(node),
                    "model.extension",
                    "Extension '%(kind)s' is not done by this engine.",
                    severity,
                    "Remove it.",
                    kind=local(one),
                )


def services_stand_where_they_are_called(look: Look) -> None:
    """A service that another kind of element names would never be called."""
    for element in look.elements:
        if element.service_type is not None and element.kind not in SERVED:
            look.say(
                element.id,
                "service.place",
                "'%(name)s' names a service, but an element of kind '%(kind)s' calls none.",
                mend="Use a service task.",
                name=name_of(element),
                kind=element.kind,
            )


def owner(node) -> str:
    """The id of the nearest element around a node, itself included, that stands in the drawing."""
    while node is not None:
        if node.get("bpmnElement"):
            return node.get("bpmnElement").rpartition(":")[2]
        if node.get("id") and not (isinstance(node.tag, str) and node.tag.endswith("EventDefinition")):
            return node.get("id")
        node = node.getparent()
    return ""


def timers_are_not_too_fast(look: Look) -> None:
    for element in look.elements:
        for event in element.events:
            said = _fixed(event.formula) if event.timer == "cycle" else None
            every = _every(said) if said else None
            if every is not None and every < SENSIBLE:
                look.say(
                    element.id,
                    "timer.fast",
                    "The timer of '%(name)s' fires every %(seconds)s seconds.",
                    "warning",
                    "Let it fire once a minute at most.",
                    name=name_of(element),
                    seconds=max(1, int(every.total_seconds())),
                )


def _every(text: str) -> timedelta | None:
    """How long the shorter of two turns of a cycle is; None when it is none."""
    try:
        found = timers.cycle(f"R/{text}" if text.startswith("P") else text, UTC)
        start = datetime(2026, 3, 2, tzinfo=UTC)
        one = timers.after(start, found.every, UTC)
        return min(one - start, timers.after(one, found.every, UTC) - one)
    except ElementError:
        return None


def texts_have_no_expressions_left(look: Look) -> None:
    """`${…}` inside a text means nothing here; a whole `${…}` has been translated."""
    for element in look.elements:
        for formula in formulas(element):
            if formula.fixed is not None and ("${" in formula.fixed or "#{" in formula.fixed):
                look.say(
                    element.id,
                    "import.left-over",
                    "'%(name)s' has '%(text)s', in which ${…} is not evaluated here.",
                    mend='Write it as FEEL, for example = "Case " + case.number.',
                    name=name_of(element),
                    text=formula.fixed[:120],
                )


def translations_are_told(look: Look) -> None:
    """`${…}` in conditions and timers was read as FEEL; attributes are told by the parser."""
    kinds = ("conditionExpression", "condition", "timeDate", "timeDuration", "timeCycle", "completionCondition")
    for node in look.root.iter(*(f"{BPMN}{kind}" for kind in kinds)):
        text = "".join(node.itertext()).strip()
        if text.startswith(("${", "#{")) and text.endswith("}"):
            where = owner(node.getparent())
            look.say(where, "import.translated", "'%(text)s' was read as FEEL.", "info", text=text[:120])


#: fields of an element that hold a formula
FORMULAS = (
    "assignee",
    "candidate_groups",
    "candidate_users",
    "due",
    "follow_up",
    "copy_to",
    "add_signer",
    "priority",
    "service_type",
    "retries",
    "decision",
    "script",
    "called",
    "activation",
    "completion",
    "active_elements",
    "output_element",
)


def formulas(element: Element) -> list[Formula]:
    """Every formula of an element but those of its loop and flows."""
    found = [getattr(element, name) for name in FORMULAS]
    found += [formula for _, formula in (*element.inputs, *element.outputs, *element.data_outputs, *element.store_outputs)]
    for event in element.events:
        found += [event.name, event.correlation_key, event.formula, event.ttl, event.message_id]
    return [one for one in found if one is not None]


RULES = (
    decisions_exist, forms_exist, services_exist, services_stand_where_they_are_called, called_processes_exist,
    extensions_are_done, timers_are_not_too_fast, texts_have_no_expressions_left, translations_are_told,
)  # fmt: skip
