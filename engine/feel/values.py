"""The values of FEEL and how they are compared, told and brought in and out of plain JSON.

A number is a Decimal of 34 digits, a list is a list, a context a dict with text keys; text, true, false and null are
Python's. Dates, times and durations come from `moments`; `Range` and `Function` stand here. `same` and `order` are the
three-valued comparisons of table 42 and 43 of DMN 1.5: None says that the two cannot be compared. Values are never
changed in place once they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from engine.feel.errors import Exhausted
from engine.feel.moments import (
    NANO,
    Date,
    DateTime,
    DaysTime,
    Time,
    YearsMonths,
    from_python,
    read_date,
    read_duration,
    read_moment,
    read_time,
)

#: decimal128 of IEEE 754: 34 digits, half even; what overflows becomes infinite and is then told as null
NUMBERS = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, traps=[])
MIDNIGHT = Time(0, 0, 0)
UTC_MIDNIGHT = Time(0, 0, 0, 0, 0)
#: how deep lists and contexts may stand in each other
DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Range:
    """All values between two ends. An end that is None is open to infinity when `operator` says so."""

    low: Any
    high: Any
    low_closed: bool
    high_closed: bool
    #: "<", "<=", ">", ">=", "=" or "!=" when it was written as a unary test
    operator: str = ""

    def __contains__(self, value: Any) -> bool:
        return self.holds(value) is True

    def holds(self, value: Any) -> bool | None:
        """Whether the value lies inside; None when it cannot be compared."""
        if self.operator == "!=":
            return negated(same(value, self.low))
        if value is None or (not self.operator and (self.low is None or self.high is None)):
            return None
        above = True if self.low is None else at_least(value, self.low, self.low_closed)
        below = True if self.high is None else at_least(self.high, value, self.high_closed)
        if above is None or below is None:
            return None
        return above and below

    def __str__(self) -> str:
        if self.operator:
            return f"({self.operator}{literal(self.high if self.low is None else self.low)})"
        ends = ("[" if self.low_closed else "(") + "%s..%s" + ("]" if self.high_closed else ")")
        return ends % (literal(self.low), literal(self.high))


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """Something that can be called: a built-in, a function of the text, a model's knowledge or service."""

    name: str
    parameters: tuple[str, ...]
    #: takes the values in the order of the parameters (and the run) and answers a value
    body: Callable[..., Any]
    #: types of the parameters, or None where any will do
    types: tuple[Any, ...] = ()
    result: Any = None
    #: a built-in has several ways to be called
    builtin: Any = field(default=None)

    def __str__(self) -> str:
        return f"function {self.name}({', '.join(self.parameters)})"


# --- in and out -------------------------------------------------------------------------------
def number(value: int | float | str | Decimal) -> Decimal | None:
    """A FEEL number of 34 digits, or None when it is not finite."""
    made = NUMBERS.create_decimal(repr(value) if isinstance(value, float) else value)
    return made if made.is_finite() else None


def lift(value: Any, deep: int = 0) -> Any:
    """Plain JSON (and datetime's types) as FEEL: numbers become Decimal, everything else stays what it is."""
    kind = type(value)
    if kind is str or kind is bool or value is None or kind is Decimal:
        return value
    if kind is int or kind is float:
        return number(value)
    if deep > DEEPEST:
        raise Exhausted("A value is nested too deeply.")
    if kind is list or kind is tuple:
        return [lift(one, deep + 1) for one in value]
    if isinstance(value, Mapping):
        return {str(key): lift(one, deep + 1) for key, one in value.items()}
    if isinstance(value, datetime | date | time | timedelta):
        return from_python(value)
    return value


from_json = lift


def to_json(value: Any, deep: int = 0) -> Any:
    """Plain JSON: whole numbers as int, others as float, dates and durations as ISO 8601, ranges and functions as text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Decimal):
        return _json_number(value)
    if deep > DEEPEST:
        return None
    if isinstance(value, list | tuple):
        return [to_json(one, deep + 1) for one in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(one, deep + 1) for key, one in value.items()}
    return value if isinstance(value, int | float) else str(value)


def _json_number(value: Decimal) -> int | float | str:
    if abs(value.adjusted()) > 300:
        return str(value)
    return int(value) if value == value.to_integral_value() else float(value)


def plain(value: Decimal) -> str:
    """A number as FEEL writes it: no exponent while it stays readable."""
    if value == 0:
        return "0"
    value = value.normalize(NUMBERS)
    return f"{value:f}" if -40 < value.adjusted() < 40 else str(value)


def told(value: Any) -> str | None:
    """What string() answers: text as it is, null as null, all else as it would be written."""
    if value is None or isinstance(value, str):
        return value
    return literal(value, at="")


def literal(value: Any, at: str = "@", deep: int = 0) -> str:
    """The value as it would be written in an expression; `at` stands before dates and durations."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(literal(one, "", deep + 1) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key_text(k)}: {literal(v, '', deep + 1)}" for k, v in value.items()) + "}"
    if isinstance(value, Range | Function):
        return str(value)
    return f'@"{value}"' if at else str(value)


def key_text(key: str) -> str:
    return key if key.replace("_", "a").replace(" ", "a").isalnum() else literal(key)


# --- kinds ------------------------------------------------------------------------------------
KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    Decimal: "number",
    str: "string",
    list: "list",
    dict: "context",
    Date: "date",
    Time: "time",
    DateTime: "date and time",
    YearsMonths: "years and months duration",
    DaysTime: "days and time duration",
    Range: "range",
    Function: "function",
}


def kind_of(value: Any) -> str:
    return KINDS.get(type(value), "unknown")


# --- comparing --------------------------------------------------------------------------------
def negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def same(one: Any, other: Any) -> bool | None:
    """Equality of DMN 1.5, 10.3.2.13: null only equals null, different kinds cannot be compared (None)."""
    if one is None or other is None:
        return one is other
    kind = type(one)
    if kind is not type(other):
        return _same_moment(one, other)
    if kind is list:
        return len(one) == len(other) and _all_same(zip(one, other, strict=True))
    if kind is dict:
        return one.keys() == other.keys() and _all_same((one[key], other[key]) for key in one)
    compare = SAME.get(kind)
    return compare(one, other) if compare else one == other


def _all_same(pairs) -> bool:
    return all(same(one, other) is True for one, other in pairs)


def _same_moment(one: Any, other: Any) -> bool | None:
    """A date stands for its midnight in UTC beside a date and time."""
    pair = as_moments(one, other)
    return SAME[DateTime](*pair) if pair else None


def as_moments(one: Any, other: Any) -> tuple[DateTime, DateTime] | None:
    if type(one) is Date and type(other) is DateTime:
        return DateTime(one, UTC_MIDNIGHT), other
    if type(one) is DateTime and type(other) is Date:
        return one, DateTime(other, UTC_MIDNIGHT)
    return None


def _same_range(one: Range, other: Range) -> bool:
    ends = (one.low_closed, one.high_closed, one.operator) == (other.low_closed, other.high_closed, other.operator)
    return ends and same(one.low, other.low) is True and same(one.high, other.high) is True


def time_value(value: Time) -> int:
    """Nanoseconds since midnight UTC; a local time counts as UTC."""
    return value.clock - (value.offset_on(None) or 0) * NANO


#: equality of moments looks at whole seconds, as the value functions of 10.3.2.3.4 ff. do
SAME: dict[type, Callable[[Any, Any], bool]] = {
    Time: lambda a, b: time_value(a) // NANO == time_value(b) // NANO,
    DateTime: lambda a, b: a.instant // NANO == b.instant // NANO,
    Range: _same_range,
    Function: lambda a, b: a is b,
}
MEASURES: dict[type, Callable[[Any], Any]] = {
    Decimal: lambda v: v,
    str: lambda v: v,
    Date: lambda v: (v.year, v.month, v.day),
    Time: time_value,
    DateTime: lambda v: v.instant,
    YearsMonths: lambda v: v.months,
    DaysTime: lambda v: v.nanos,
}


def order(one: Any, other: Any) -> int | None:
    """-1, 0 or 1; None when the two have no order."""
    kind = type(one)
    if kind is not type(other):
        pair = as_moments(one, other)
        if not pair:
            return None
        one, other = pair
        kind = DateTime
    measure = MEASURES.get(kind)
    if measure is None:
        return None
    a, b = measure(one), measure(other)
    return (a > b) - (a < b)


def at_least(value: Any, bound: Any, closed: bool) -> bool | None:
    """value >= bound (or > when not closed)."""
    found = order(value, bound)
    if found is None:
        return None
    return found >= 0 if closed else found > 0


def contained(value: Any, tests: Any) -> bool | None:
    """`value in tests`: a range holds it, a list has it or one of its ranges or lists does, else equality."""
    if isinstance(tests, Range):
        return tests.holds(value)
    if isinstance(tests, list):
        return _in_list(value, tests)
    return same(value, tests)


def _in_list(value: Any, tests: list) -> bool | None:
    if isinstance(value, list) and same(value, tests):
        return True
    found: bool | None = False
    for test in tests:
        said = test.holds(value) if isinstance(test, Range) and not isinstance(value, Range) else same(value, test)
        if said:
            return True
    return found


def read_literal(text: str) -> Any:
    """What `@"text"` means: a date, time, date and time or duration; None for anything else."""
    for read in (read_date, read_moment, read_time, read_duration):
        found = read(text)
        if found is not None:
            return found
    return None
