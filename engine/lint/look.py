"""What a rule gets to see: the model, its tree, what the platform has besides, and a place to say what is wrong.

`Known` is what a model may name: groups and limits of the policies, decisions, forms with their fields,
services, other processes. What nobody knows is None, and the rules that would ask for it are silent, so
that any file of any tool can be looked at alone. A rule is a function of a `Look`; it says and changes
nothing. `edges` and `reached` are the two walks over the drawing that several rules share; neither recurses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.bpmn.model import Element, Model, Process
from engine.bpmn.parser import SCOPES
from engine.errors import Problem
from engine.feel.types import Type
from engine.policies import Policies

GATEWAYS = frozenset({
    "exclusiveGateway", "parallelGateway", "inclusiveGateway", "complexGateway", "eventBasedGateway",
})  # fmt: skip
EVENTS = frozenset({
    "startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent",
})  # fmt: skip
#: what waits for a person
HUMAN = frozenset({"userTask", "manualTask"})


@dataclass(frozen=True)
class Known:
    """What the platform has besides the model. None: nobody knows."""

    policies: Policies | None = None
    #: ids of decisions
    decisions: Collection[str] | None = None
    #: keys of forms, "<process>/<form>"
    forms: Collection[str] | None = None
    #: key of a form -> name of a field -> whether it must be filled in
    fields: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    #: types of services that are registered
    services: Collection[str] | None = None
    #: ids of processes that a call may name, besides those of the file itself
    processes: Collection[str] | None = None
    #: key of a form -> name of a field -> type of its value, where it has one
    shapes: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)


@dataclass
class Look:
    """One file that is looked at."""

    model: Model
    #: the root of its tree
    root: Any
    known: Known
    problems: list[Problem] = field(default_factory=list)

    def say(
        self, where: str, rule: str, sentence: str, severity: str = "error", mend: str = "", **params: Any
    ) -> None:
        """One thing that is wrong, at the element `where`."""
        self.problems.append(
            Problem(where, rule, sentence, severity, mend, tuple((k, str(v)) for k, v in params.items()))
        )

    @property
    def processes(self) -> Iterable[Process]:
        return self.model.processes.values()

    @property
    def elements(self) -> Iterator[Element]:
        """Every element of every process."""
        for process in self.processes:
            yield from process.elements.values()


def name_of(element: Element) -> str:
    return element.name or element.id


def scopes_of(process: Process) -> list[Element]:
    """The process itself and every sub-process in it."""
    return [process.root, *(one for one in process.elements.values() if one.kind in SCOPES)]


def edges(element: Element) -> Iterator[Element]:
    """Where a token may stand next in the same scope: along flows, links and boundary events."""
    for flow in element.outgoing:
        yield flow.target
    yield from element.boundaries
    if element.handler is not None:
        yield element.handler
    if element.kind == "intermediateThrowEvent" and element.event == "link":
        yield from _link_targets(element)


def _link_targets(element: Element) -> Iterator[Element]:
    name = element.events[0].name
    for one in element.siblings:
        if one.kind == "intermediateCatchEvent" and one.event == "link" and name and one.events[0].name:
            if one.events[0].name.text == name.text:
                yield one


def entries(scope: Element) -> list[Element]:
    """Where a token may begin in a scope: its start events, what an event starts, else what nothing leads to."""
    starting = [one for one in scope.children if one.kind == "startEvent" or one.instantiate]
    begun = starting or [one for one in scope.children if one.is_entry]
    if scope.kind == "adHocSubProcess":
        begun = [one for one in scope.children if not one.incoming]
    return [*begun, *scope.event_subprocesses]


def reached(process: Process) -> set[str]:
    """Ids of the elements that a token can reach."""
    rest = entries(process.root)
    found: set[str] = set()
    while rest:
        element = rest.pop()
        if element.id in found:
            continue
        found.add(element.id)
        rest.extend(edges(element))
        if element.kind in SCOPES:
            rest.extend(entries(element))
    return found
