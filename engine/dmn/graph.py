"""Evaluates a requirement graph: what an element requires first, each only once, then the element itself.

An element sees by name what it requires, those of an imported model behind the import's name. Variables of the caller
that no input of the model stands for are seen too, because a table drawn for a process often names them only in its
cells. Knowledge models and services become functions; a service runs in a session of its own, with nothing but its inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from engine.dmn.model import Decision, Decisions, Input, Knowledge, Service
from engine.dmn.tables import Hit, as_typed
from engine.feel.compiler import Run, Scope, body_of, external, typed_result
from engine.feel.errors import Budget, Exhausted
from engine.feel.types import ANY, Type
from engine.feel.values import Function, lift

#: how long a chain of requirements may be
DEEPEST = 100


class Evaluation(Run):
    """A run that also remembers which rules hit."""

    __slots__ = ("hits",)

    def __init__(self, now: datetime | None, zone: tzinfo | None, budget: Budget | None):
        super().__init__(now, zone, budget)
        self.hits: list[Hit] = []


class Outside(Mapping):
    """The caller's variables without those that stand for an input which the element does not require."""

    def __init__(self, variables: Mapping[str, Any], hidden: frozenset[str]):
        self._variables = variables
        self._hidden = hidden

    def __contains__(self, name: object) -> bool:
        return name not in self._hidden and name in self._variables

    def __getitem__(self, name: str) -> Any:
        if name in self._hidden:
            raise KeyError(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._variables if name not in self._hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Session:
    """The values that one evaluation has come to."""

    def __init__(self, run: Evaluation, variables: Mapping[str, Any], active: list | None = None):
        self.run = run
        self.variables = variables
        self.values: dict[tuple[int, str], Any] = {}
        #: what is being worked out, to see what requires itself
        self.active: list[tuple[int, int, str]] = [] if active is None else active
        self.imported: dict[str, Session] = {}

    def through(self, alias: str) -> Session:
        """The session of an imported model: its inputs are given in a context by the name of the import, or beside ours."""
        if alias not in self.imported:
            held = self.variables[alias] if alias in self.variables else None
            inner = held if isinstance(held, Mapping) else self.variables
            self.imported[alias] = Session(self.run, inner, self.active)
        return self.imported[alias]

    def value(self, model: Decisions, element: Any) -> Any:
        """The value of a decision, service, input or knowledge model, worked out once."""
        place = (id(model), element.id)
        if place not in self.values:
            if (id(self), *place) in self.active:
                return self.run.note("graph", "'%(name)s' requires itself.", name=element.name)
            if len(self.active) > DEEPEST:
                raise Exhausted("Decisions require each other too deeply.")
            self.active.append((id(self), *place))
            self.values[place] = VALUES[type(element)](self, model, element)
            self.active.pop()
        return self.values[place]

    def scope(self, model: Decisions, element: Any) -> Scope:
        """What an element sees: what it requires, around that the caller's variables."""
        here: dict[str, Any] = {}
        for href in element.requires:
            found = model.at(href)
            if found is None:
                self.run.note("graph", "'%(name)s' requires '%(href)s', which is not there.", name=element.name, href=href)
                continue
            self._place(here, model, *found)
        known = {one.name for one in model.inputs.values()} | {one.name for one in model.decisions.values()}
        hidden = frozenset(known - here.keys()) if model.inputs else frozenset()
        outside = Outside(self.variables, hidden) if hidden else self.variables
        return Scope(here, Scope(outside, None, self.run, True), self.run)

    def _place(self, here: dict[str, Any], model: Decisions, owner: Decisions, element: Any) -> None:
        """Bind an element: by its name (a decision by its id too), and behind the names of the imports that lead to it."""
        session, around = self, here
        route = model.route(owner)
        for alias in route:
            around = around.setdefault(alias, session.beside(alias))
            session = session.through(alias)
        value = session.value(owner, element)
        around[element.name] = value
        here.setdefault(element.name, value)
        if not route and isinstance(element, Decision):
            here.setdefault(element.id, value)

    def beside(self, alias: str) -> dict[str, Any]:
        """What the caller gives for an imported model, as the beginning of its context."""
        held = self.variables[alias] if alias in self.variables else None
        return lift(dict(held)) if isinstance(held, Mapping) else {}

    def input(self, _model: Decisions, element: Input) -> Any:
        return self.given(element)

    def given(self, element: Input | Decision) -> Any:
        """What the caller gives for an input, or for a decision that has no logic of its own."""
        name = element.name if element.name in self.variables else element.id
        if name not in self.variables:
            return self.run.note("graph", "Nothing was given for '%(name)s'.", name=element.name)
        return typed_result(self.run, read_as(lift(self.variables[name]), element.type), element.type)

    def decision(self, model: Decisions, element: Decision) -> Any:
        if element.logic is None:
            return self.given(element)
        scope = self.scope(model, element)
        return typed_result(self.run, element.logic.run(scope), element.type)

    def knowledge(self, model: Decisions, element: Knowledge) -> Any:
        logic = element.logic
        if logic is None:
            return self.run.note("graph", "The knowledge '%(name)s' has no logic.", name=element.name)
        if logic.foreign:
            return external(logic.parameters)
        here: dict[str, Any] = {}
        scope = Scope(here, None, self.run)
        made = Function(element.name, logic.parameters, body_of(logic.run, logic.parameters, scope), logic.types,
                        _result_of(element.type) or logic.result)  # fmt: skip
        here[element.name] = made
        for href in element.requires:
            found = model.at(href)
            if found and found[1] is not element:
                self._place(here, model, *found)
        return made

    def service(self, model: Decisions, element: Service) -> Any:
        """As a function; asked for as such, a service is called with the caller's variables."""
        made = self.service_function(model, element)
        if len(self.active) > 1:
            return made
        found = [one for href in service_inputs(element) if (one := model.at(href))]
        return made.body(self.run, [self.handed(*one) for one in found])

    def handed(self, model: Decisions, element: Any) -> Any:
        """What a caller hands to a service; an input decision that she does not hand is worked out."""
        return self.given(element) if element.name in self.variables else self.value(model, element)

    def service_function(self, model: Decisions, element: Service) -> Function:
        found = [model.at(href) for href in service_inputs(element)]
        known = [one for one in found if one]

        def answer(run: Evaluation, args: list) -> Any:
            inner = Session(run, {}, [*self.active, (0, 0, "")])
            for (owner, part), value in zip(known, args, strict=True):
                inner.values[(id(owner), part.id)] = value
            return typed_result(run, inner.outputs(model, element), _result_of(element.type))

        names = tuple(part.name for _, part in known)
        types = tuple(part.type for _, part in known)
        return Function(element.name, names, answer, types, _result_of(element.type))

    def outputs(self, model: Decisions, element: Service) -> Any:
        found = [one for href in element.outputs if (one := model.at(href))]
        if len(found) == 1:
            return self.value(*found[0])
        return {part.name: self.value(owner, part) for owner, part in found}


VALUES = {
    Decision: Session.decision,
    Input: Session.input,
    Knowledge: Session.knowledge,
    Service: Session.service,
}


def service_inputs(element: Service) -> tuple[str, ...]:
    """The parameters of a service in their order: input decisions after input data, as it stands in 10.4."""
    return element.inputs + element.input_decisions


def _result_of(kind: Type | None) -> Type | None:
    """What a function answers: its variable may name the type of the function or of the result."""
    return kind.result if kind is not None and kind.kind == "function" else kind


def read_as(value: Any, kind: Type | None) -> Any:
    """Plain JSON as the dates and durations that a type asks for, inside lists and contexts too."""
    if kind is None or kind.kind == ANY.kind:
        return value
    if isinstance(value, list) and kind.kind == "list":
        return [read_as(one, kind.item) for one in value]
    if isinstance(value, dict) and kind.parts:
        parts = dict(kind.parts)
        return {name: read_as(one, parts.get(name)) for name, one in value.items()}
    return as_typed(value, kind)
