"""The space of cases that a decision table divides among its rules.

Every column becomes a handful of sample values: each constant that its cells speak of, something between two neighbours,
something below and above, a text that no cell names. A cell is then the set of samples that pass it (the tests themselves
say so), a rule is a box, and overlaps and gaps are found by comparing boxes. Cells that look at other variables cannot be
judged so; they are taken to pass everything when gaps are sought, and nothing is said about overlaps that hang on them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any

from engine import feel
from engine.dmn.tables import Clause, Table
from engine.feel.compiler import Compiler, Run, Scope, speaks_of
from engine.feel.grammar import Node
from engine.feel.inference import sample as sample_of
from engine.feel.moments import NANO, Date, DateTime, DaysTime, Time, YearsMonths, clock_time, from_days, from_nanos
from engine.feel.types import Type
from engine.feel.values import Function, Range, kind_of, literal

#: the searches of one table give up after so many steps, and after so many seconds
MOST_STEPS = 200_000
MOST_SECONDS = 3.0
OTHER = "(any other text)"
#: samples of a column that nothing is known of
ANYTHING = (object(),)
MISSING = object()


@dataclass(frozen=True)
class Axis:
    """A column: its samples, and for each rule the samples that pass (bits) or None when that cannot be told."""

    samples: tuple[Any, ...]
    passes: tuple[int | None, ...]
    #: the bit of null, where no cell asks for it: then a case without a value is no gap and no overlap
    missing: int = 0

    @property
    def all(self) -> int:
        return (1 << len(self.samples)) - 1

    def mask(self, rule: int) -> int:
        found = self.passes[rule]
        return self.all if found is None else found


@dataclass(frozen=True)
class Said:
    """Any value for which a cell holds that cannot be judged."""

    text: str


class Space:
    """All columns of a table."""

    def __init__(self, table: Table):
        self.table = table
        run = checking()
        self.axes = [axis(clause, run) for clause in table.clauses]
        self.rules = len(table.rules)
        self.patience = Patience()

    def overlap(self, one: int, other: int) -> tuple[Any, ...] | None:
        """A case that both rules hit, or None; also None when it hangs on a cell that cannot be judged."""
        point = [self._both(place, one, other) for place in range(len(self.axes))]
        return None if MISSING in point else tuple(point)

    def _both(self, place: int, one: int, other: int) -> Any:
        """A value of a column that both rules take."""
        held = self.axes[place]
        untold = [rule for rule in (one, other) if held.passes[rule] is None]
        if len(untold) == 2 and self.cell(place, one) != self.cell(place, other):
            return MISSING
        if untold and self.cell(place, one) != self.cell(place, other):
            return Said(self.cell(place, untold[0])) if self._any(place, one, other) else MISSING
        both = held.mask(one) & held.mask(other) & ~held.missing
        if untold:
            return Said(self.cell(place, one))
        return held.samples[best(both, held.samples)] if both else MISSING

    def _any(self, place: int, *rules: int) -> bool:
        """Whether one of the cells takes everything."""
        tests = [self.table.clauses[place].tests[rule] for rule in rules]
        return any(one is not None and one.any_value for one in tests)

    def cell(self, place: int, rule: int) -> str:
        tests = self.table.clauses[place].tests[rule]
        return tests.text if tests else ""

    def is_empty(self, rule: int) -> bool:
        """Whether no case at all passes the rule."""
        return any(held.samples and held.mask(rule) == 0 for held in self.axes)

    def uncovered(self, rules: list[int], within: int | None = None, missing: bool = False) -> tuple[Any, ...] | None:
        """A case that none of the rules hits (of those that rule `within` hits), or None when there is none.

        `missing` says that values may be missing although no cell asks for null.
        """
        region = [held.all if within is None else held.mask(within) for held in self.axes]
        if not missing:
            region = [mask & ~held.missing for mask, held in zip(region, self.axes, strict=True)]
        found = _Search(self.axes, region, self.patience).point(0, rules)
        return found if found is None else tuple(found)

    def told(self, point: tuple[Any, ...]) -> str:
        """A case in words: column = value."""
        names = [clause.label or clause.text for clause in self.table.clauses]
        return ", ".join(
            f"{name} {value.text}" if isinstance(value, Said) else f"{name} = {value if value == OTHER else literal(value)}"
            for name, value, held in zip(names, point, self.axes, strict=True)
            if held.samples != ANYTHING or isinstance(value, Said)
        )


class Patience:
    """How long the searches of one table may go on; `is_over` once one of them gave up."""

    def __init__(self):
        self.steps = MOST_STEPS
        self.until = time.monotonic() + MOST_SECONDS
        self.is_over = False

    def wears(self) -> bool:
        self.steps -= 1
        late = self.steps % 256 == 0 and time.monotonic() > self.until
        self.is_over = self.is_over or self.steps < 0 or late
        return self.is_over


class _Search:
    """Looks for a case outside of all boxes, column by column; samples that the same rules pass are one."""

    def __init__(self, axes: list[Axis], region: list[int], patience: Patience):
        self.axes = axes
        self.patience = patience
        self.region = region
        self.known: set[tuple[int, tuple[int, ...]]] = set()

    def point(self, place: int, rules: list[int]) -> list[Any] | None:
        if not rules:
            return [self.any_of(axis, mask) for axis, mask in zip(self.axes[place:], self.region[place:], strict=True)]
        if place == len(self.axes) or (place, tuple(rules)) in self.known:
            return None
        if self.patience.wears():
            return None
        held = self.axes[place]
        for sample, left in self.groups(place, rules):
            rest = self.point(place + 1, left)
            if rest is not None:
                return [held.samples[sample] if held.samples else None, *rest]
        self.known.add((place, tuple(rules)))
        return None

    def groups(self, place: int, rules: list[int]) -> Iterator[tuple[int, list[int]]]:
        held, seen = self.axes[place], set()
        for sample in sorted(range(len(held.samples)), key=lambda one: strangeness(held.samples[one])):
            if not self.region[place] >> sample & 1:
                continue
            left = tuple(rule for rule in rules if held.mask(rule) >> sample & 1)
            if left not in seen:
                seen.add(left)
                yield sample, list(left)

    @staticmethod
    def any_of(held: Axis, mask: int) -> Any:
        return held.samples[best(mask, held.samples)] if held.samples and mask else None


def best(mask: int, samples: tuple[Any, ...]) -> int:
    """The most ordinary of the samples in a set."""
    chosen = [place for place in range(len(samples)) if mask >> place & 1]
    return min(chosen, key=lambda place: strangeness(samples[place])) if chosen else 0


def strangeness(value: Any) -> int:
    if value is None:
        return 3
    return 2 if value == OTHER else int(isinstance(value, Decimal) and value != value.to_integral_value())


def is_ordinary(point: tuple[Any, ...]) -> bool:
    """Whether a case could well occur: whole numbers, texts that the table knows."""
    return all(strangeness(value) != 1 for value in point)


# --- samples ----------------------------------------------------------------------------------
def checking() -> Run:
    """A run for looking at one table; a cell that takes more than this is not looked at. Whoever uses it may see Exhausted."""
    return Run(budget=feel.Budget(steps=300_000, seconds=1.5))


def axis(clause: Clause, run: Run) -> Axis:
    judged = [tests is not None and can_be_judged(tests, clause) for tests in clause.tests]
    samples = [one for one in samples_of(clause, judged, run) if allowed(clause, one, run)]
    asked = None in samples
    held = (tuple(samples) if asked else (*samples, None)) if samples else ANYTHING
    masks = tuple(_mask(tests, ok, held, run) for tests, ok in zip(clause.tests, judged, strict=True))
    return Axis(held, masks, 0 if asked or not samples else 1 << len(samples))


def allowed(clause: Clause, value: Any, run: Run) -> bool:
    """Whether the value may come in; null may where a cell asks for it."""
    if value is None:
        return True
    said = "\x00other" if value == OTHER else value
    if clause.type is not None and clause.type.allows is not None and not clause.type.allows(said):
        return False
    return clause.allowed is None or passes(clause.allowed, value, run)


def _mask(tests: feel.Tests | None, judged: bool, samples: tuple[Any, ...], run: Run) -> int | None:
    if tests is None or not judged:
        return None
    if tests.any_value or samples == ANYTHING:
        return (1 << len(samples)) - 1
    return sum(1 << place for place, one in enumerate(samples) if passes(tests, one, run))


def passes(tests: feel.Tests, value: Any, run: Run) -> bool:
    return tests.run("\x00other" if value == OTHER else value, Scope({}, None, run)) is True


# --- which cells the samples can judge --------------------------------------------------------
def can_be_judged(tests: feel.Tests, clause: Clause) -> bool:
    """Whether all values between two neighbouring samples fare alike: the cell only compares the value with constants."""
    if tests.any_value:
        return True
    lists = clause.type is not None and clause.type.kind in ("list", "context")
    return not tests.reads and not lists and all(_compares(one) for one in tests.node[0].parts[0].parts)


def _compares(node: Node) -> bool:
    if not speaks_of(node, "?"):
        return True
    if node.kind in ("conjunction", "disjunction"):
        return all(_compares(one) for one in node.parts)
    if node.kind in ("comparison", "between", "in_test"):
        return all(_is_value(one) or not speaks_of(one, "?") for one in node.parts if isinstance(one, Node))
    if node.kind == "in_":
        return _is_value(node.parts[0]) and not speaks_of(node.parts[1], "?")
    if node.kind == "call" and node.parts[0].kind == "name" and node.parts[0].parts[0][1] == "not":
        return node.parts[1] is not None and all(_compares(one) for one in node.parts[1].parts if isinstance(one, Node))
    return False


def _is_value(node: Node) -> bool:
    return node.kind == "name" and node.parts[0][1] == "?"


HELD = ("some_test", "test_list", "half_range", "list", "bracket", "half", "range")
#: what only says whether something is so: the values that it compares are constants of the column where `?` is one side
SAYS = ("comparison", "between", "in_", "in_test", "conjunction", "disjunction")


def constants_in(node: Node, run: Run) -> Iterator[Any]:
    """The values that a cell compares with: bounds of ranges, items of lists, constants; null where it is asked for."""
    if node.kind in HELD or speaks_of(node, "?"):
        for part in node.parts:
            if isinstance(part, Node) and not _is_value(part) and part.kind != "name":
                yield from constants_in(part, run)
    elif node.kind == "null":
        yield None
    elif node.kind == "call" and node.parts[0].kind == "name" and node.parts[0].parts[0][1] == "not":
        yield from constants_in(node.parts[1], run) if node.parts[1] is not None else ()
    elif node.kind not in ("any_value", *SAYS):
        yield from _value_of(node, run)


def _value_of(node: Node, run: Run) -> Iterator[Any]:
    """The value of a node that reads nothing; nothing for others."""
    found = Compiler("")
    try:
        made = found.make(node)
        value = None if found.reads or found.perhaps else made(Scope({}, None, run))
    except feel.Exhausted:
        raise
    except feel.FeelError:
        return
    if isinstance(value, Range):
        yield from (end for end in (value.low, value.high) if end is not None)
    elif value is not None and not isinstance(value, Function | dict):
        yield from value if isinstance(value, list) else [value]


# --- the samples of a column ------------------------------------------------------------------
def samples_of(clause: Clause, judged: list[bool], run: Run) -> list[Any]:
    cells = [tests for tests, ok in zip(clause.tests, judged, strict=True) if ok and tests is not None]
    bounds = [clause.allowed] if clause.allowed is not None else []
    bounds += getattr(clause.type.allows, "tests", ()) if clause.type is not None else ()
    constants = [value for tests in (*cells, *bounds) for value in constants_in(tests.node[0], run)]
    fitting = [one for one in constants if one is None or _fits(one, clause.type)]
    kinds = dict.fromkeys(type(one) for one in fitting)
    if not kinds and clause.type is not None and clause.type.kind == "boolean":
        return [True, False]
    if Date in kinds and DateTime in kinds:
        return []
    if [*kinds] == [type(None)]:
        return [None, *_anything_of(clause.type)]
    ordered = any(_orders(tests.node[0]) for tests in cells)
    return [value for kind in kinds for value in _of_kind(kind, [one for one in fitting if type(one) is kind], ordered)]


def _anything_of(kind: Type | None) -> list[Any]:
    """Some value of a column whose cells only ask for null."""
    if kind is not None and kind.kind == "boolean":
        return [True, False]
    return [OTHER] if kind is None or kind.kind not in SIMPLE or kind.kind == "string" else [sample_of(kind)]


def _orders(node: Node) -> bool:
    return node.kind in ORDERING or any(_orders(part) for part in node.parts if isinstance(part, Node))


ORDERING = ("half", "range", "comparison", "between", "in_test")


def _fits(value: Any, kind: Type | None) -> bool:
    return kind is None or kind.kind not in SIMPLE or kind_of(value) == kind.kind or "date" in kind.kind


SIMPLE = ("number", "string", "boolean", "time", "date", "date and time", "days and time duration",
          "years and months duration")  # fmt: skip


def _of_kind(kind: type, constants: list[Any], ordered: bool) -> list[Any]:
    if kind is bool:
        return [True, False]
    if kind is str:
        return _texts(constants) if ordered else [*dict.fromkeys(constants), OTHER]
    if kind in NEIGHBOURS:
        return _with_neighbours(constants, *NEIGHBOURS[kind])
    return constants[:1] if kind is type(None) else []


def _texts(constants: list[str]) -> list[str]:
    """Each text, one right behind it, the empty one before all, and one that no cell names."""
    named = sorted(dict.fromkeys(constants))
    return list(dict.fromkeys([*constants, OTHER, "", *(f"{one} " for one in named)]))


def _with_neighbours(constants: list[Any], measure: Any, back: Any, step: Any) -> list[Any]:
    """Each constant, something between each two, and something before and after all."""
    points = sorted({measure(one) for one in constants})
    between = [_between(low, high) if step is None else (low + high) // 2 for low, high in pairwise(points)]
    wide = step or 1
    whole = sorted({*points, *between, points[0] - wide, points[-1] + wide})
    like = constants[0]
    return [made for one in whole if (made := back(one, like)) is not None]


def _between(low: Decimal, high: Decimal) -> Decimal:
    """A whole number where there is one."""
    whole = low.to_integral_value(ROUND_FLOOR) + 1
    return whole if whole < high else (low + high) / 2


def _clock(nanos: int, like: Time) -> Time | None:
    return clock_time(nanos, like.offset, like.zone) if 0 <= nanos < 86_400 * NANO else None


#: type -> how far a value lies, the value at that distance (like another one), the smallest step (None: there is none)
NEIGHBOURS: dict[type, tuple[Any, Any, Any]] = {
    Decimal: (lambda v: v, lambda n, _: n, None),
    Date: (lambda v: v.days, lambda n, _: from_days(n), 1),
    DateTime: (lambda v: v.local, lambda n, like: from_nanos(n, like.time.offset, like.time.zone), NANO),
    Time: (lambda v: v.clock, _clock, NANO),
    DaysTime: (lambda v: v.nanos, lambda n, _: DaysTime(n), NANO),
    YearsMonths: (lambda v: v.months, lambda n, _: YearsMonths(n), 1),
}
