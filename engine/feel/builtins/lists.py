"""List functions (table 71): count, sum, sort, remove, union, median and so on. A value alone is a list of one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from engine.feel.builtins.registry import Nothing, builtin
from engine.feel.builtins.texts import whole
from engine.feel.moments import DaysTime, YearsMonths
from engine.feel.operators import ARITHMETIC, plus, times
from engine.feel.values import NUMBERS, Function, order, same


@builtin("list contains(list: l, element: a)")
def list_contains(run, held: list, element: Any) -> bool:
    run.budget.spend(len(held))
    return any(same(one, element) is True for one in held)


@builtin("count(list: l)")
def count(_run, held: list) -> Decimal:
    return Decimal(len(held))


@builtin("is empty(list: l)", added=True)
def is_empty(_run, held: list) -> bool:
    return not held


def extreme(name: str, sign: int) -> None:
    @builtin(f"{name}(list: l)")
    def of_list(_run, held: list) -> Any:
        return _extreme(held, sign)

    @builtin(f"{name}(c: p*)")
    def of_values(_run, *held: Any) -> Any:
        return _extreme(list(held), sign)


def _extreme(held: list, sign: int) -> Any:
    if not held:
        return None
    best = held[0]
    for one in held:
        found = order(one, best)
        if found is None:
            raise Nothing("Only values of one type with an order have a least and a greatest.")
        best = one if found == sign else best
    return best


extreme("min", -1)
extreme("max", 1)


def over_numbers(name: str, *, durations: bool = False) -> Callable[[Callable], Callable]:
    """Register a function over numbers under its two signatures: of a list, of values."""

    def register(body: Callable) -> Callable:
        def of_list(run, held: list) -> Any:
            run.budget.spend(len(held))
            return body(only_numbers(held, durations))

        builtin(f"{name}(list: l)")(of_list)
        builtin(f"{name}(n: {'q' if durations else 'n'}*)")(lambda run, *held: of_list(run, list(held)))
        return body

    return register


def only_numbers(held: list, durations: bool) -> list:
    kinds = {type(one) for one in held}
    if kinds <= {Decimal} or (durations and len(kinds) == 1 and kinds <= {DaysTime, YearsMonths}):
        return held
    raise Nothing("Every item must be a number.")


@over_numbers("sum", durations=True)
def sum_(held: list) -> Any:
    return _folded(held, plus)


def _folded(held: list, action: Callable) -> Any:
    if not held:
        return None
    total = held[0]
    for one in held[1:]:
        total = action(total, one)
        if total is None:
            raise Nothing("The number is too large.")
    return total


@over_numbers("mean", durations=True)
def mean(held: list) -> Any:
    total = _folded(held, plus)
    return None if total is None else ARITHMETIC["/"](total, Decimal(len(held)))


@over_numbers("product")
def product(held: list) -> Decimal | None:
    return _folded(held, times)


@over_numbers("median")
def median(held: list) -> Decimal | None:
    if not held:
        return None
    held = sorted(held)
    middle = len(held) // 2
    if len(held) % 2:
        return held[middle]
    return NUMBERS.divide(NUMBERS.add(held[middle - 1], held[middle]), Decimal(2))


@over_numbers("stddev")
def standard_deviation(held: list) -> Decimal | None:
    """Of a sample: the squares are divided by one less than there are numbers."""
    if len(held) < 2:
        raise Nothing("A standard deviation needs two numbers at least.")
    average = mean(held)
    squares = [NUMBERS.power(NUMBERS.subtract(one, average), Decimal(2)) for one in held]
    return NUMBERS.sqrt(NUMBERS.divide(_folded(squares, plus), Decimal(len(held) - 1)))


@over_numbers("mode")
def mode(held: list) -> list:
    if not held:
        return []
    times_seen: dict[Decimal, int] = {}
    for one in held:
        times_seen[one] = times_seen.get(one, 0) + 1
    most = max(times_seen.values())
    return sorted(one for one, seen in times_seen.items() if seen == most)


def connected(name: str, stops: bool) -> None:
    """all and any: three-valued, over a list or over values."""

    def of_list(_run, held: list) -> bool | None:
        if any(one is stops for one in held):
            return stops
        if not all(one is None or isinstance(one, bool) for one in held):
            raise Nothing("'%(name)s' takes booleans.", name=name)
        return None if any(one is None for one in held) else not stops

    builtin(f"{name}(list: l)")(of_list)
    builtin(f"{name}(b: b!*)")(lambda run, *held: of_list(run, list(held)))


for names, stops_at in ((("all", "and"), False), (("any", "or"), True)):
    connected(names[0], stops_at)


@builtin("sublist(list: l, start position: n, length: n?)")
def sublist(_run, held: list, start: Decimal, length: Decimal | None = None) -> list:
    begin = position(held, start)
    if length is None:
        return held[begin:]
    size = whole(length)
    if size < 1 or begin + size > len(held):
        raise Nothing("The part reaches beyond the list.")
    return held[begin : begin + size]


def position(held: list, at: Decimal) -> int:
    """The place of a position from 1, or from the end when negative, counted from 0. Raises Nothing outside the list."""
    if at != at.to_integral_value() or not 1 <= abs(at) <= len(held):
        raise Nothing("The list of %(count)s has no position %(position)s.", "index", count=len(held), position=at)
    return int(at) - 1 if at > 0 else len(held) + int(at)


@builtin("append(list: l, item: a*)")
def append(run, held: list, *items: Any) -> list:
    run.budget.room(len(held) + len(items))
    return [*held, *items]


@builtin("concatenate(list: l*)")
def concatenate(run, *lists: list) -> list:
    run.budget.room(sum(map(len, lists)))
    return [one for held in lists for one in held]


@builtin("insert before(list: l, position: n, newItem: a)")
def insert_before(_run, held: list, at: Decimal, item: Any) -> list:
    place = position(held, at)
    return [*held[:place], item, *held[place:]]


@builtin("remove(list: l, position: n)")
def remove(_run, held: list, at: Decimal) -> list:
    place = position(held, at)
    return [*held[:place], *held[place + 1 :]]


@builtin("list replace(list: l, position: n, newItem: a)")
def list_replace_at(_run, held: list, at: Decimal, item: Any) -> list:
    place = position(held, at)
    return [*held[:place], item, *held[place + 1 :]]


@builtin("list replace(list: l, match: f, newItem: a)")
def list_replace_where(run, held: list, match: Function, item: Any) -> list:
    said = [run.call(match, [one, item]) for one in held]
    if not all(isinstance(one, bool) for one in said):
        raise Nothing("The function of 'list replace' answers true or false.")
    return [item if found else one for one, found in zip(held, said, strict=True)]


@builtin("reverse(list: l)")
def reverse(_run, held: list) -> list:
    return held[::-1]


@builtin("index of(list: l, match: a)")
def index_of(run, held: list, match: Any) -> list[Decimal]:
    run.budget.spend(len(held))
    return [Decimal(place) for place, one in enumerate(held, 1) if same(one, match) is True]


@builtin("union(list: l*)")
def union(run, *lists: list) -> list:
    return distinct(run, concatenate(run, *lists))


@builtin("distinct values(list: l)")
def distinct(run, held: list) -> list:
    kept: list = []
    seen: set = set()
    for one in held:
        if isinstance(one, str | Decimal | bool):  # these compare as they hash
            mark = (type(one), one)
            if mark in seen:
                continue
            seen.add(mark)
        else:
            run.budget.spend(len(kept) + 1)
            if any(same(one, other) is True for other in kept):
                continue
        kept.append(one)
    return kept


@builtin("duplicate values(list: l)", added=True)
def duplicates(run, held: list) -> list:
    run.budget.spend(len(held) ** 2)
    twice = [one for one in held if sum(same(one, other) is True for other in held) > 1]
    return distinct(run, twice)


@builtin("flatten(list: l)")
def flatten(run, held: list) -> list:
    flat: list = []
    waiting = [iter(held)]
    while waiting:
        for one in waiting[-1]:
            run.budget.spend()
            if isinstance(one, list):
                waiting.append(iter(one))
                break
            flat.append(one)
        else:
            waiting.pop()
    return flat


@builtin("partition(list: l, size: n)", added=True)
def partition(_run, held: list, size: Decimal) -> list:
    step = whole(size)
    if step < 1:
        raise Nothing("The parts of a list hold one item at least.")
    return [held[place : place + step] for place in range(0, len(held), step)]


@builtin("sort(list: l, precedes: f?)")
def sort(run, held: list, precedes: Function | None = None) -> list:
    if precedes is None:
        return _sorted_by_order(held)

    def comes_first(one: Any, other: Any) -> bool:
        said = run.call(precedes, [one, other])
        if not isinstance(said, bool):
            raise Nothing("The function of 'sort' answers true or false.")
        return said

    def compare(one: Any, other: Any) -> int:
        return -1 if comes_first(one, other) else int(comes_first(other, one))

    run.budget.spend(len(held))
    return sorted(held, key=cmp_to_key(compare))


def _sorted_by_order(held: list) -> list:
    made = sorted(held, key=cmp_to_key(lambda one, other: order(one, other) or 0))
    if any(order(one, other) is None for one, other in pairwise(made)):
        raise Nothing("Only values of one type with an order can be sorted.")
    return made
