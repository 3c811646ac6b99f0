"""FEEL, the expression language of DMN 1.5 (chapter 10), as this platform speaks it.

`compile(text)` reads an expression once and keeps it; `Expression.evaluate(variables)` answers its value, `explain`
also why something became null. `compile_tests` does the same for the cells of a decision table. Variables are plain
JSON and `to_json` makes plain JSON again. Only a text that is no FEEL raises (`FeelError`), and one that uses up its
`Budget` (`Exhausted`); everything else that goes wrong is null, as the standard says. No expression reaches Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from engine.feel.builtins import ADDED, BUILTINS
from engine.feel.compiler import Compiler, Run, Scope, make_tests
from engine.feel.errors import Budget, Diagnosis, Exhausted, FeelError
from engine.feel.grammar import Node, parse
from engine.feel.lexer import STRING, Names, without_comments
from engine.feel.moments import (
    Date,
    DateTime,
    DaysTime,
    Time,
    YearsMonths,
    from_python,
    read_duration,
    read_moment,
    to_python,
)
from engine.feel.types import Type
from engine.feel.values import (
    UTC_MIDNIGHT,
    Function,
    Range,
    from_json,
    lift,
    literal,
    read_literal,
    to_json,
    told,
)

__all__ = [
    "ADDED", "BUILTINS", "Budget", "Date", "DateTime", "DaysTime", "Diagnosis", "Exhausted", "Expression", "FeelError",
    "Function", "Range", "Tests", "Time", "YearsMonths", "compile", "compile_tests", "cycle", "duration", "evaluate",
    "from_json", "literal", "moment", "read_literal_of", "reads", "to_json", "told",
]  # fmt: skip

#: every expression may speak of these
LANGUAGE_NAMES = Names([*BUILTINS, "time offset", "start included", "end included"])


class Expression:
    """A text that was read. Immutable and shared between threads."""

    __slots__ = ("_run", "calls", "maybe", "reads", "text")

    def __init__(self, text: str, run: Callable[[Scope], Any], found: Compiler):
        self.text = text
        #: variables it reads, outermost names, entries of the items of a filter among them
        self.reads = frozenset(found.reads | found.perhaps)
        #: those of `reads` that stand only inside filters and so may be entries of the items
        self.maybe = frozenset(found.perhaps - found.reads)
        #: functions it calls by name
        self.calls = frozenset(found.calls)
        self._run = run

    def evaluate(
        self,
        variables: Mapping[str, Any],
        *,
        now: datetime | None = None,
        zone: tzinfo | None = None,
        budget: Budget | None = None,
    ) -> Any:
        """The value, as FEEL: Decimal, str, bool, None, list, dict, or a type of this package. Raises Exhausted."""
        return self.run(Scope(variables, None, Run(now, zone, budget), True))

    def explain(
        self,
        variables: Mapping[str, Any],
        *,
        now: datetime | None = None,
        zone: tzinfo | None = None,
        budget: Budget | None = None,
    ) -> tuple[Any, tuple[Diagnosis, ...]]:
        """(the value, why something became null on the way). Raises Exhausted."""
        run = Run(now, zone, budget)
        value = self.run(Scope(variables, None, run, True))
        return value, tuple(run.notes)

    def run(self, scope: Scope) -> Any:
        """The value in a scope that the caller made."""
        try:
            return self._run(scope)
        except RecursionError:
            raise Exhausted("The expression is nested too deeply.") from None


class Tests:
    """The unary tests of one cell. Immutable and shared between threads."""

    __slots__ = ("_run", "any_value", "calls", "maybe", "node", "reads", "text")

    def __init__(self, text: str, run: Callable[[Any, Scope], bool | None], found: Compiler, node: Node, negated: bool):
        self.text = text
        self.reads = frozenset((found.reads | found.perhaps) - {"?"})
        self.maybe = frozenset(found.perhaps - found.reads - {"?"})
        self.calls = frozenset(found.calls)
        #: whether it is `-`
        self.any_value = node.kind == "any_value"
        #: (tree, whether not(...) stands around it), for those who compare cells
        self.node = (node, negated)
        self._run = run

    def matches(
        self,
        value: Any,
        variables: Mapping[str, Any],
        now: datetime | None = None,
        zone: tzinfo | None = None,
        budget: Budget | None = None,
    ) -> bool | None:
        """Whether the value passes; None when it cannot be told. Raises Exhausted."""
        return self.run(lift(value), Scope(variables, None, Run(now, zone, budget), True))

    def run(self, value: Any, scope: Scope) -> bool | None:
        """The same for a FEEL value in a scope that the caller made."""
        try:
            return self._run(value, Scope({"?": value}, scope, scope.run))
        except RecursionError:
            raise Exhausted("The test is nested too deeply.") from None


def build(text: str, names: Iterable[str] = (), types: Callable[[str], Type | None] | None = None) -> Expression:
    """Read a text without keeping it; `types` knows the types of a model by name. Raises FeelError."""
    _refuse_what_is_no_text(text)
    found = Compiler(text, types)
    return Expression(text, found.make(parse(without_comments(text), _known(names))), found)


def build_tests(text: str, names: Iterable[str] = (), types: Callable[[str], Type | None] | None = None) -> Tests:
    """Read unary tests without keeping them. Raises FeelError."""
    _refuse_what_is_no_text(text)
    bare = without_comments(text)
    inner = _inside_not(bare)
    found = Compiler(text, types)
    node = parse(bare if inner is None else inner, _known(names), "tests")
    return Tests(text, make_tests(found, node, inner is not None), found, node, inner is not None)


@lru_cache(maxsize=5000)
def _compile(text: str, names: frozenset[str]) -> Expression:
    return build(text, names)


@lru_cache(maxsize=5000)
def _compile_tests(text: str, names: frozenset[str]) -> Tests:
    return build_tests(text, names)


def compile(text: str, names: Iterable[str] = ()) -> Expression:
    """Read an expression (without the "=" before it); `names` may hold blanks and signs. Raises FeelError."""
    return _compile(text, frozenset(names))


def compile_tests(text: str, names: Iterable[str] = ()) -> Tests:
    """Read the unary tests of a cell. Raises FeelError."""
    return _compile_tests(text, frozenset(names))


def evaluate(text: str, variables: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Read and evaluate at once. Raises FeelError."""
    return compile(text).evaluate(variables or {}, **options)


def reads(text: str) -> frozenset[str]:
    """The variables that an expression reads. Raises FeelError."""
    return compile(text).reads


def _refuse_what_is_no_text(text: Any) -> None:
    if not isinstance(text, str):
        raise FeelError("An expression is a text.")


def _known(names: Iterable[str]) -> Names:
    return Names(names, LANGUAGE_NAMES)


NOT = re.compile(r"\s*not\s*\(")
PIECE = re.compile(STRING.pattern + r'|[()]|[^()"]+|"', re.DOTALL)


def _inside_not(text: str) -> str | None:
    """What stands in `not(...)` when that is the whole cell. Blanks keep the places of the signs."""
    begun = NOT.match(text)
    if not begun:
        return None
    deep = 1
    for piece in PIECE.finditer(text, begun.end()):
        deep += {"(": 1, ")": -1}.get(piece[0], 0)
        if deep == 0:
            rest = text[piece.end() :]
            return None if rest.strip() else " " * begun.end() + text[begun.end() : piece.start()]
    return None


def read_literal_of(text: str, kind: type) -> Any:
    """The date, time, date and time or duration that a text writes; None when it writes no value of that kind."""
    found = read_literal(text)
    if isinstance(found, Date) and kind is DateTime:
        return DateTime(found, UTC_MIDNIGHT)
    return found if isinstance(found, kind) else None


# --- moments for timers -----------------------------------------------------------------------
def duration(text: str) -> DaysTime | YearsMonths:
    """An ISO 8601 duration (`PT5M`, `-P1D`, `P1Y6M`); `moment + duration` works with datetime. Raises FeelError."""
    found = read_duration(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise FeelError("This is no duration of ISO 8601, such as PT5M or P1D.")
    return found


def moment(text: str, zone: tzinfo | None = None) -> datetime:
    """An ISO 8601 date and time as an aware datetime; without an offset it is one of `zone` (or UTC). Raises FeelError."""
    found = read_moment(text.strip()) if isinstance(text, str) else None
    try:
        return to_python(found, zone) if found else _no_moment()
    except (ValueError, OverflowError):
        return _no_moment()


def _no_moment() -> datetime:
    raise FeelError("This is no date and time of ISO 8601, such as 2026-03-02T09:30:00Z.")


CYCLE = re.compile(r"R(\d{0,9})/(?:([^/]+)/)?(-?P[^/]+)", re.ASCII)


def cycle(text: str, zone: tzinfo | None = None) -> tuple[int | None, datetime | None, DaysTime | YearsMonths]:
    """`R3/PT1H` or `R/2026-03-02T09:30:00Z/P1D` as (times or None for ever, start or None, duration). Raises FeelError."""
    found = CYCLE.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise FeelError("This is no repetition of ISO 8601, such as R3/PT1H.")
    start = moment(found[2], zone) if found[2] else None
    return (int(found[1]) if found[1] else None), start, duration(found[3])


def as_moment(value: Any, zone: tzinfo | None = None) -> datetime:
    """A FEEL value (date and time, date, or their text) as an aware datetime. Raises FeelError."""
    if isinstance(value, str):
        return moment(value if "T" in value else f"{value}T00:00:00", zone)
    if isinstance(value, datetime):
        value = from_python(value)
    if isinstance(value, Date):
        value = DateTime(value, Time(0, 0, 0))
    try:
        return to_python(value, zone) if isinstance(value, DateTime) else _no_moment()
    except (ValueError, OverflowError):
        return _no_moment()


