"""Item definitions: the types that a model makes for itself, with the values they allow.

A definition names a base type with allowed values, a structure of components, a collection of either, or a function.
`Types.of` reads the `typeRef` of an element, whatever prefix its version of the standard writes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine import feel
from engine.dmn.xml import child, children, name_of, place_of, text_of
from engine.errors import Problem
from engine.feel.compiler import Run, Scope
from engine.feel.types import ANY, Type, resolve, scan_type, simple


class Types:
    """The types of one model by name; those of imported models behind their alias and a dot."""

    def __init__(self):
        self._definitions: dict[str, Any] = {}
        self._made: dict[str, Type | None] = {}
        self._making: set[str] = set()
        self._imported: dict[str, Types] = {}
        self._problems: list[Problem] = []

    def read(self, root: Any, imported: dict[str, Types], problems: list[Problem]) -> None:
        self._imported = imported
        self._problems = problems
        self._definitions = {name_of(one): one for one in children(root, "itemDefinition")}
        for name in self._definitions:
            self.named(name)

    def entry_names(self) -> Iterator[str]:
        """The names of all components."""
        for definition in self._definitions.values():
            for one in definition.iter():
                if isinstance(one.tag, str) and one.tag.endswith("itemComponent"):
                    yield name_of(one)
        for held in self._imported.values():
            yield from held.entry_names()

    def of(self, element: Any) -> Type | None:
        """The type that an element refers to by attribute or child `typeRef`; None when it names none."""
        text = element.get("typeRef") or text_of(child(element, "typeRef"))
        if not text:
            return None
        found = self.named(text)
        if found is None:
            where = place_of(element)
            self._problems.append(
                Problem(where, "dmn.type", "There is no type '%(type)s'.", params=(("type", text),))
            )
        return found

    def named(self, text: str) -> Type | None:
        """A type by the name a model or expression gives it."""
        text = " ".join(text.split())
        if text in self._definitions:
            return self._own(text)
        alias, _, rest = text.partition(".")
        if rest and alias in self._imported:
            return self._imported[alias].named(rest)
        if "<" in text:
            return self._generic(text)
        found = simple(text)
        if found is None and ":" in text:
            return self.named(text.rpartition(":")[2])
        return found or self._from_any_import(text)

    def _generic(self, text: str) -> Type | None:
        """A type written as FEEL writes it: `list<number>`, `context<a: string>`."""
        try:
            kind, end = scan_type(text, 0)
        except feel.FeelError:
            return None
        return None if text[end:].strip() else resolve(kind, self.named)

    def _from_any_import(self, text: str) -> Type | None:
        return next((found for held in self._imported.values() if (found := held.named(text))), None)

    def _own(self, name: str) -> Type | None:
        if name in self._made:
            return self._made[name]
        if name in self._making:  # a type that holds itself: below, anything goes
            return ANY
        self._making.add(name)
        self._made[name] = self._make(self._definitions[name], name)
        self._making.discard(name)
        return self._made[name]

    def _make(self, element: Any, name: str) -> Type | None:
        made = self._structure(element)
        if made is None:
            return None
        allowed = self._allowed(child(element, "allowedValues"))
        constraint = self._allowed(child(element, "typeConstraint"))
        if element.get("isCollection") == "true":
            item = _restricted(made, allowed)
            return _restricted(Type("list", name, item), constraint)
        return _restricted(_restricted(_called(made, name), allowed), constraint)

    def _structure(self, element: Any) -> Type | None:
        parts = children(element, "itemComponent")
        if parts:
            held = [(name_of(part), self._make(part, "") or ANY) for part in parts]
            return Type("context", parts=tuple(held))
        function = child(element, "functionItem")
        if function is not None:
            return self._function(function)
        return self.of(element) if child(element, "typeRef") is not None or element.get("typeRef") else ANY

    def _function(self, element: Any) -> Type:
        parts = tuple((name_of(one), self.of(one) or ANY) for one in children(element, "parameters"))
        text = element.get("outputTypeRef")
        return Type("function", parts=parts, result=(self.named(text) if text else None) or ANY)

    def _allowed(self, element: Any) -> Callable[[Any], bool] | None:
        text = text_of(element)
        if not text:
            return None
        try:
            tests = feel.build_tests(text)
        except feel.FeelError as error:
            self._problems.append(expression_problem(place_of(element), error, text))
            return None

        def allows(value: Any) -> bool:
            return value is None or tests.run(value, Scope({}, None, _short_run())) is True

        allows.tests = (tests,)  # for those who look for cases
        return allows


def _short_run() -> Run:
    return Run(budget=feel.Budget(steps=10_000, seconds=0.2))


def expression_problem(where: str, error: feel.FeelError, text: str) -> Problem:
    """A text that is no FEEL, as something to mend in the model."""
    params = (("text", text[:200]), ("why", str(error)), ("column", str(error.column)), ("line", str(error.line)))
    return Problem(
        where, "dmn.expression", "'%(text)s' cannot be read: %(why)s (line %(line)s, column %(column)s)", params=params
    )


def _called(made: Type, name: str) -> Type:
    return Type(made.kind, name or made.name, made.item, made.parts, made.result, made.allows)


def _restricted(made: Type, allows: Callable[[Any], bool] | None) -> Type:
    if allows is None:
        return made
    before = made.allows
    both = allows if before is None else _both(before, allows)
    return Type(made.kind, made.name, made.item, made.parts, made.result, both)


def _both(one: Callable[[Any], bool], other: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def allows(value: Any) -> bool:
        return one(value) and other(value)

    allows.tests = getattr(one, "tests", ()) + getattr(other, "tests", ())
    return allows
