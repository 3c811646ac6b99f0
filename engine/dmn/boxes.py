"""Boxed expressions (DMN 1.5, 7.3 and 10.2): each becomes a closure that takes a scope and answers a value.

Literal expressions, contexts, lists, relations, invocations, functions, conditionals, iterators, filters and decision
tables stand in each other as they please. What cannot be read is written to the problems of the model and answers null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine import feel
from engine.dmn.tables import Table
from engine.dmn.types import Types, expression_problem
from engine.dmn.xml import child, children, local, name_of, place_of, text_of
from engine.errors import Problem
from engine.feel.compiler import (
    Closure,
    Run,
    Scope,
    as_list,
    body_of,
    chosen,
    domain,
    external,
    filtered,
    gathered,
    invoke_named,
    named,
    or_nothing,
    quantify,
    typed_result,
)
from engine.feel.types import Type
from engine.feel.values import Function


@dataclass(frozen=True)
class Logic:
    """How an element comes to its value: a closure, and what it is made of for those who check it."""

    run: Closure
    #: of knowledge: its parameters and their types
    parameters: tuple[str, ...] = ()
    types: tuple[Type | None, ...] = ()
    result: Type | None = None
    tables: tuple[Table, ...] = ()
    #: (place, expression or tests, names bound around it) of every text
    texts: tuple[tuple[str, Any, frozenset[str]], ...] = field(default=())
    #: functions of another language answer null
    foreign: bool = False


class Boxes:
    """Reads the boxes of one decision or knowledge model."""

    def __init__(self, types: Types, names: frozenset[str], problems: list[Problem], owner: str):
        self.types = types
        self.names = names
        self.problems = problems
        self.owner = owner
        self.tables: list[Table] = []
        self.texts: list[tuple[str, Any, frozenset[str]]] = []
        self.bound: list[frozenset[str]] = []

    # --- the two things that have logic ---
    def decision(self, element: Any) -> Logic | None:
        inner = next((one for one in children(element) if local(one) in BOXES), None)
        if inner is None:
            return None
        run = self.box(inner)
        return Logic(run, tables=tuple(self.tables), texts=tuple(self.texts))

    def knowledge(self, element: Any) -> Logic | None:
        inner = child(element, "encapsulatedLogic")
        if inner is None:
            return None
        names, types, body, foreign = self.function_parts(inner)
        result = self.types.of(inner)
        return Logic(body, names, types, result, tuple(self.tables), tuple(self.texts), foreign)

    # --- texts ---
    def expression(self, text: str, element: Any) -> Closure:
        refused = self.refused_language(element)
        if refused:
            return self.unreadable(refused, text, element)
        try:
            made = feel.build(text, self.names, self.types.named)
        except feel.FeelError as error:
            return self.unreadable(error, text, element)
        self.note(element, made)
        return made.run

    def tests(self, text: str, element: Any) -> feel.Tests | None:
        refused = self.refused_language(element)
        try:
            made = None if refused else feel.build_tests(text or "-", self.names, self.types.named)
        except feel.FeelError as error:
            refused = error
        if refused:
            self.unreadable(refused, text, element)
            return None
        self.note(element, made)
        return made

    def values(self, text: str, element: Any) -> tuple[Any, ...]:
        """The constants that a list of values writes; () when it cannot be read or reckons too much."""
        made = self.expression(f"[{text}]", element)
        try:
            return tuple(made(Scope({}, None, Run(budget=feel.Budget(steps=10_000, seconds=0.2)))) or ())
        except feel.Exhausted as error:
            self.unreadable(error, text, element)
            return ()

    def note(self, element: Any, made: Any) -> None:
        self.texts.append((place_of(element), made, frozenset().union(*self.bound)))

    def unreadable(self, error: feel.FeelError, text: str, element: Any) -> Closure:
        self.problems.append(expression_problem(place_of(element), error, text))
        return lambda scope: scope.run.note("expression", "'%(text)s' cannot be read: %(why)s", -1, text=text[:60], why=error)

    # --- boxes ---
    def box(self, element: Any) -> Closure:
        """The closure of any box, its result brought to the type that the box names."""
        made = BOXES[local(element)](self, element)
        return _as_type(made, self.types.of(element), local(element) == "functionDefinition")

    def inner(self, element: Any | None, *more: str) -> Closure:
        """The box inside an element such as `then` or `in`."""
        found = next((one for one in children(element) if local(one) in BOXES), None) if element is not None else None
        if found is None:
            return lambda scope: scope.run.note("expression", "A box is empty.")
        return self.box(found)

    def within(self, names: frozenset[str], element: Any | None) -> Closure:
        self.bound.append(names)
        made = self.inner(element)
        self.bound.pop()
        return made

    def literal(self, element: Any) -> Closure:
        text = text_of(element)
        return self.expression(text, element) if text else (lambda _scope: None)

    def refused_language(self, element: Any) -> feel.FeelError | None:
        """Why a text is not read: it, or else the whole model, names a language that is not FEEL."""
        root = element.getroottree().getroot()
        named = element.get("expressionLanguage") or root.get("expressionLanguage") or "FEEL"
        if "feel" in named.lower():
            return None
        return feel.FeelError("Only FEEL is read here, not '%(text)s'.", text=named)

    def context(self, element: Any) -> Closure:
        entries: list[tuple[str | None, Closure]] = []
        known: set[str] = set()
        for entry in children(element, "contextEntry"):
            variable = child(entry, "variable")
            name = name_of(variable) if variable is not None else None
            is_function = child(entry, "functionDefinition") is not None
            made = self.within(frozenset(known | ({name} if is_function and name else set())), entry)
            kind = self.types.of(variable) if variable is not None else None
            entries.append((name, _as_type(made, kind, is_function)))
            known.add(name or "")
        return _gather(entries)

    def list(self, element: Any) -> Closure:
        parts = [self.box(one) for one in children(element) if local(one) in BOXES]
        return lambda scope: [part(scope) for part in parts]

    def relation(self, element: Any) -> Closure:
        columns = [name_of(one) for one in children(element, "column")]
        rows = [
            [self.box(one) for one in children(row) if local(one) in BOXES] for row in children(element, "row")
        ]
        return lambda scope: [
            {name: cell(scope) for name, cell in zip(columns, row, strict=False)} for row in rows
        ]

    def invocation(self, element: Any) -> Closure:
        target = self.inner(element)
        bindings = [(name_of(child(one, "parameter")), self.inner(one)) for one in children(element, "binding")]

        def call(scope: Scope) -> Any:
            function = target(scope)
            return invoke_named(scope.run, function, [(name, part(scope)) for name, part in bindings])

        return call

    def function(self, element: Any) -> Closure:
        names, types, body, foreign = self.function_parts(element)
        if foreign:
            return lambda _scope: external(names)
        return lambda scope: Function("", names, body_of(body, names, scope), types)

    def function_parts(self, element: Any) -> tuple[tuple[str, ...], tuple[Type | None, ...], Closure, bool]:
        """(parameters, their types, the body, whether it is written in another language)."""
        parameters = children(element, "formalParameter")
        names = tuple(name_of(one) for one in parameters)
        types = tuple(self.types.of(one) for one in parameters)
        if element.get("kind", "FEEL").upper() != "FEEL":
            sentence = "Functions of other languages are not called here."
            return names, types, (lambda scope: scope.run.note("external", sentence)), True
        return names, types, self.within(frozenset(names), element), False

    def conditional(self, element: Any) -> Closure:
        test, yes, no = (self.inner(child(element, name)) for name in ("if", "then", "else"))
        return lambda scope: chosen(test(scope), yes, no, scope)

    def iterator(self, element: Any) -> tuple[str, Closure, Any]:
        name = " ".join(element.get("iteratorVariable", "item").split())
        return name, self.inner(child(element, "in")), child(element, "return", "satisfies")

    def for_(self, element: Any) -> Closure:
        name, source, body = self.iterator(element)
        before = len(self.texts)
        made = self.within(frozenset({name, "partial"}), body)
        keeps = any("partial" in text.reads for _, text, _ in self.texts[before:])

        def collect(scope: Scope) -> list:
            here: dict[str, Any] = {"partial": []}
            around = Scope(here, scope, scope.run)

            def turn(one: Any) -> Any:
                scope.run.budget.spend()
                return made(Scope({name: one}, around, scope.run))

            return gathered(map(turn, domain(source(scope), None, False, scope.run, -1)), here, keeps, scope.run)

        return or_nothing(collect, -1)

    def quantified(self, stops: bool) -> Callable[[Any], Closure]:
        def make(element: Any) -> Closure:
            name, source, body = self.iterator(element)
            made = self.within(frozenset({name}), body)

            def decide(scope: Scope) -> bool | None:
                found = domain(source(scope), None, False, scope.run, -1)
                return quantify((made(Scope({name: one}, scope, scope.run)) for one in found), stops)

            return or_nothing(decide, -1)

        return make

    def filter(self, element: Any) -> Closure:
        source = self.inner(child(element, "in"))
        test = self.within(frozenset({"item"}), child(element, "match"))
        return lambda scope: filtered(as_list(source(scope)), test, scope, -1)

    def table(self, element: Any) -> Closure:
        made = Table.read(self, element)
        self.tables.append(made)
        return made.run


def _as_type(made: Closure, kind: Type | None, is_function: bool = False) -> Closure:
    """The closure, its value brought to the type. One beside a function that is no function type is that of its result."""
    if kind is None:
        return made
    if is_function and kind.kind not in ("function", "Any"):
        return lambda scope: answering(made(scope), kind)
    return lambda scope: typed_result(scope.run, made(scope), kind)


def answering(value: Any, kind: Type) -> Any:
    """A function whose results are brought to the type."""
    if not isinstance(value, Function):
        return value
    return Function(value.name, value.parameters, value.body, value.types, kind, value.builtin)


def _gather(entries: list[tuple[str | None, Closure]]) -> Closure:
    """A context; when its last entry has no name, that one is the result."""

    def gather(scope: Scope) -> Any:
        made: dict[str, Any] = {}
        inner = Scope(made, scope, scope.run)
        for name, entry in entries:
            value = entry(inner)
            if name is None:
                return value
            made[name] = named(value, name)
        return made

    return gather


BOXES: dict[str, Callable[[Boxes, Any], Closure]] = {
    "literalExpression": Boxes.literal,
    "context": Boxes.context,
    "list": Boxes.list,
    "relation": Boxes.relation,
    "invocation": Boxes.invocation,
    "functionDefinition": Boxes.function,
    "conditional": Boxes.conditional,
    "for": Boxes.for_,
    "some": lambda self, element: self.quantified(True)(element),
    "every": lambda self, element: self.quantified(False)(element),
    "filter": Boxes.filter,
    "decisionTable": Boxes.table,
}
