"""How ranges and points lie to each other (table 78, after Allen), and `range()` (table 66).

Each relation is written for two ranges; a point is a range that begins and ends with itself. An end that is missing is
open: nothing lies before or after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine.feel.builtins.registry import Nothing, builtin
from engine.feel.values import Range, kind_of, order


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1. Raises Nothing when the two have no order."""
    found = order(one, other)
    if found is None:
        raise Nothing("A %(one)s and a %(other)s have no order.", one=kind_of(one), other=kind_of(other))
    return found


def span(value: Any) -> Range:
    return value if isinstance(value, Range) else Range(value, value, True, True)


def starts(one: Range, other: Range) -> int:
    """Which of two starts comes first: -1, 0 or 1. A missing start comes before all."""
    if one.low is None or other.low is None:
        return (one.low is not None) - (other.low is not None)
    return compare(one.low, other.low) or (other.low_closed - one.low_closed)


def ends(one: Range, other: Range) -> int:
    if one.high is None or other.high is None:
        return (one.high is None) - (other.high is None)
    return compare(one.high, other.high) or (one.high_closed - other.high_closed)


def gap(one: Range, other: Range) -> int | None:
    """Where the end of one lies to the start of the other: -1 before, 0 both hold the same point, 1 beyond; None open."""
    if one.high is None or other.low is None:
        return None
    found = compare(one.high, other.low)
    return found if found or (one.high_closed and other.low_closed) else -1


def before(one: Range, other: Range) -> bool:
    return gap(one, other) == -1


def meets(one: Range, other: Range) -> bool:
    return gap(one, other) == 0


def overlaps(one: Range, other: Range) -> bool:
    return gap(one, other) in (0, 1, None) and gap(other, one) in (0, 1, None)


def overlaps_before(one: Range, other: Range) -> bool:
    """Begins first, reaches into the other and ends no later."""
    return starts(one, other) < 0 and gap(one, other) in (0, 1) and ends(one, other) <= 0


def overlaps_after(one: Range, other: Range) -> bool:
    return starts(one, other) > 0 and gap(other, one) in (0, 1) and ends(one, other) >= 0


def finishes(one: Range, other: Range) -> bool:
    return ends(one, other) == 0 and starts(one, other) >= 0 and one.high is not None


def includes(one: Range, other: Range) -> bool:
    return starts(one, other) <= 0 and ends(one, other) >= 0


def begins(one: Range, other: Range) -> bool:
    return starts(one, other) == 0 and ends(one, other) <= 0 and one.low is not None


def coincides(one: Range, other: Range) -> bool:
    return starts(one, other) == 0 and ends(one, other) == 0


def swapped(relation: Callable[[Range, Range], bool]) -> Callable[[Range, Range], bool]:
    return lambda one, other: relation(other, one)


#: name -> relation, and which pairs it takes: r is a range, p a point
RELATIONS: dict[str, tuple[Callable[[Range, Range], bool], tuple[str, ...]]] = {
    "before": (before, ("pp", "pr", "rp", "rr")),
    "after": (swapped(before), ("pp", "pr", "rp", "rr")),
    "meets": (meets, ("rr",)),
    "met by": (swapped(meets), ("rr",)),
    "overlaps": (overlaps, ("rr",)),
    "overlaps before": (overlaps_before, ("rr",)),
    "overlaps after": (overlaps_after, ("rr",)),
    "finishes": (finishes, ("pr", "rr")),
    "finished by": (swapped(finishes), ("rp", "rr")),
    "includes": (includes, ("rp", "rr")),
    "during": (swapped(includes), ("pr", "rr")),
    "starts": (begins, ("pr", "rr")),
    "started by": (swapped(begins), ("rp", "rr")),
    "coincides": (coincides, ("pp", "rr")),
}


def relate(name: str, relation: Callable[[Range, Range], bool], pair: str) -> None:
    first, second = ("range" if letter == "r" else "point" for letter in pair)
    names = (f"{first}1", f"{second}2") if first == second else (first, second)

    @builtin(f"{name}({names[0]}: {pair[0]}, {names[1]}: {pair[1]})")
    def body(_run, one: Any, other: Any) -> bool:
        return relation(span(one), span(other))


for said, (found, pairs) in RELATIONS.items():
    for letters in pairs:
        relate(said, found, letters)

# --- range("[1..3]") --------------------------------------------------------------------------
ENDPOINT = r"""(?:@?"(?:[^"\\]|\\.)*"|[\w ]+\(\s*"(?:[^"\\]|\\.)*"\s*\)|-?[\d.]*\d(?:[eE][+-]?\d+)?|true|false|null)?"""
RANGE = re.compile(rf"\s*([\[\](])\s*({ENDPOINT})\s*\.\.\s*({ENDPOINT})\s*([\])\[])\s*", re.DOTALL)


@builtin("range(from: s)")
def make_range(run, text: str) -> Range:
    """The range that the text writes; its ends are literals or calls of date, time, … with a literal."""
    found = RANGE.fullmatch(text) if len(text) < 2000 else None
    if not found or not (found[2] or found[3]):
        raise Nothing('"%(text)s" is no range.', text=text[:40])
    low_closed, high_closed = found[1] == "[", found[4] == "]"
    if (not found[2] and low_closed) or (not found[3] and high_closed):
        raise Nothing("An end that is open to infinity cannot be included.")
    made = Range(endpoint(run, found[2]), endpoint(run, found[3]), low_closed, high_closed)
    if (made.low is None) and (made.high is None):
        raise Nothing("A range has one end at least.")
    if made.low is not None and made.high is not None:
        if type(made.low) is not type(made.high):
            raise Nothing("Both ends of a range are of one type.")
        if compare(made.low, made.high) > 0:
            raise Nothing("A range begins before it ends.")
    return made


ALLOWED = {"date", "time", "date and time", "duration", ""}


def endpoint(run, text: str) -> Any:
    from engine.feel import compile as compile_text  # the language reads itself here

    if not text or text == "null":
        return None
    name = text.partition("(")[0].strip() if text.endswith(")") else ""
    if " ".join(name.split()) not in ALLOWED:
        raise Nothing("The end of a range is a literal.")
    made = compile_text(text).evaluate({}, now=run.now, zone=run.zone, budget=run.budget)
    if made is None or isinstance(made, bool):
        raise Nothing("The end of a range is a number, text, date, time or duration.")
    return made
