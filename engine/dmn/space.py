"""The space of cases that a decision table divides among its rules.

Every column becomes a handful of sample values: each constant that its cells speak of, something between two neighbours,
something below and above, a text that no cell names. A cell is then the set of samples that pass it (the tests themselves
say so), a rule is a box, and overlaps and gaps are found by comparing boxes. Cells that look at other variables cannot be
judged so; they are taken to pass everything when gaps are sought, and nothing is said about overlaps that hang on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from engine import feel
from engine.dmn.tables import Clause, Table
from engine.feel.compiler import Compiler, Run, Scope
from engine.feel.grammar import Node
from engine.feel.moments import NANO, Date, DateTime, DaysTime, Time, YearsMonths, clock_time, from_days, from_nanos
from engine.feel.values import Function, Range, literal

#: the search for a gap gives up after so many steps
MOST_STEPS = 50_000
OTHER = "(any other text)"


@dataclass(frozen=True)
class Axis:
    """A column: its samples, and for each rule the samples that pass (bits) or None when that cannot be told."""

    samples: tuple[Any, ...]
    passes: tuple[int | None, ...]

    @property
    def all(self) -> int:
        return (1 << len(self.samples)) - 1

    def mask(self, rule: int) -> int:
        found = self.passes[rule]
        return self.all if found is None else found


class Space:
    """All columns of a table."""

    def __init__(self, table: Table):
        self.table = table
        run = checking()
        self.axes = [axis(clause, run) for clause in table.clauses]
        self.rules = len(table.rules)

    def overlap(self, one: int, other: int) -> tuple[Any, ...] | None:
        """A case that both rules hit, or None; also None when it hangs on a cell that cannot be judged."""
        point = []
        for place, held in enumerate(self.axes):
            if held.passes[one] is None or held.passes[other] is None:
                if self.cell(place, one) != self.cell(place, other):
                    return None
            both = held.mask(one) & held.mask(other)
            if not both:
                return None
            point.append(held.samples[best(both, held.samples)])
        return tuple(point)

    def cell(self, place: int, rule: int) -> str:
        tests = self.table.clauses[place].tests[rule]
        return tests.text if tests else ""

    def is_empty(self, rule: int) -> bool:
        """Whether no case at all passes the rule."""
        return any(held.samples and held.mask(rule) == 0 for held in self.axes)

    def uncovered(self, rules: list[int], within: int | None = None) -> tuple[Any, ...] | None:
        """A case that none of the rules hits (of those that rule `within` hits), or None when there is none."""
        region = [held.all if within is None else held.mask(within) for held in self.axes]
        found = _Search(self.axes, region).point(0, rules)
        return found if found is None else tuple(found)

    def told(self, point: tuple[Any, ...]) -> str:
        """A case in words: column = value."""
        names = [clause.label or clause.text for clause in self.table.clauses]
        return ", ".join(
            f"{name} = {value if value == OTHER else literal(value)}"
            for name, value in zip(names, point, strict=True)
            if value is not None
        )


class _Search:
    """Looks for a case outside of all boxes, column by column; samples that the same rules pass are one."""

    def __init__(self, axes: list[Axis], region: list[int]):
        self.axes = axes
        self.region = region
        self.known: set[tuple[int, tuple[int, ...]]] = set()
        self.steps = 0

    def point(self, place: int, rules: list[int]) -> list[Any] | None:
        if not rules:
            return [self.any_of(axis, mask) for axis, mask in zip(self.axes[place:], self.region[place:], strict=True)]
        if place == len(self.axes) or (place, tuple(rules)) in self.known:
            return None
        self.steps += 1
        if self.steps > MOST_STEPS:
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
    return 2 if value == OTHER else int(isinstance(value, Decimal) and value != value.to_integral_value())


def is_ordinary(point: tuple[Any, ...]) -> bool:
    """Whether a case could well occur: whole numbers, texts that the table knows."""
    return all(strangeness(value) != 1 for value in point)


# --- samples ----------------------------------------------------------------------------------
def checking() -> Run:
    """A run for looking at one table; a cell that takes more than this is not looked at. Whoever uses it may see Exhausted."""
    return Run(budget=feel.Budget(steps=300_000, seconds=1.5))


def axis(clause: Clause, run: Run) -> Axis:
    constants = [value for tests in clause.tests if tests for value in constants_in(tests.node[0], run)]
    samples = samples_of(constants, clause, run)
    if clause.allowed is not None:
        samples = [one for one in samples if passes(clause.allowed, one, run)]
    if not samples:
        samples = [None]
    return Axis(tuple(samples), tuple(_mask(tests, samples, run) for tests in clause.tests))


def _mask(tests: feel.Tests | None, samples: list[Any], run: Run) -> int | None:
    if tests is None or tests.reads:
        return None
    if tests.any_value or samples == [None]:
        return (1 << len(samples)) - 1
    return sum(1 << place for place, one in enumerate(samples) if passes(tests, one, run))


def passes(tests: feel.Tests, value: Any, run: Run) -> bool:
    return tests.run("\x00other" if value == OTHER else value, Scope({}, None, run)) is True


def constants_in(node: Node, run: Run) -> Iterator[Any]:
    """The values that a cell compares with: bounds of ranges, items of lists, constants."""
    if node.kind in ("some_test", "test_list", "half_range", "list", "bracket"):
        for part in node.parts:
            yield from constants_in(part, run)
    elif node.kind == "half":
        yield from constants_in(node.parts[1], run)
    elif node.kind == "range":
        yield from constants_in(node.parts[0], run)
        yield from constants_in(node.parts[1], run)
    elif node.kind != "any_value":
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
    if value is not None and not isinstance(value, Range | Function | dict):
        yield from value if isinstance(value, list) else [value]


def samples_of(constants: list[Any], clause: Clause, run: Run) -> list[Any]:
    if clause.allowed is not None:
        constants = [*constants, *constants_in(clause.allowed.node[0], run)]
    kinds = {type(one) for one in constants}
    if kinds <= {bool} and (kinds or (clause.type is not None and clause.type.kind == "boolean")):
        return [True, False]
    if kinds == {str}:
        return [*dict.fromkeys(constants), OTHER]
    if len(kinds) == 1 and next(iter(kinds)) in NEIGHBOURS:
        return _with_neighbours(constants, *NEIGHBOURS[next(iter(kinds))])
    return list(constants) if len(kinds) == 1 else []


def _with_neighbours(constants: list[Any], measure: Any, back: Any, step: Any) -> list[Any]:
    """Each constant, something between each two, and something before and after all."""
    points = sorted({measure(one) for one in constants})
    between = [(low + high) / 2 if step is None else (low + high) // 2 for low, high in pairwise(points)]
    wide = step or 1
    whole = sorted({*points, *between, points[0] - wide, points[-1] + wide})
    return [made for one in whole if (made := back(one)) is not None]


def _number(value: Decimal) -> Decimal:
    return value


#: type -> how far a value lies, the value at that distance, the smallest step (None: there is none)
NEIGHBOURS: dict[type, tuple[Any, Any, Any]] = {
    Decimal: (_number, _number, None),
    Date: (lambda v: v.days, from_days, 1),
    DateTime: (lambda v: v.local, lambda n: from_nanos(n, None, None), NANO),
    Time: (lambda v: v.clock, lambda n: clock_time(n, None, None) if 0 <= n < 86_400 * NANO else None, NANO),
    DaysTime: (lambda v: v.nanos, DaysTime, NANO),
    YearsMonths: (lambda v: v.months, YearsMonths, 1),
}
