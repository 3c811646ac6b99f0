"""Arithmetic, comparison and logic between values (DMN 1.5, 10.3.2.3 to 10.3.2.5, tables 42 to 57).

Each function takes two values and answers one, or None when the two do not go together; the caller writes down why.
Numbers are reckoned in decimal128, local and zoned moments are never mixed in a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.feel.moments import (
    DAY,
    MOST_MONTHS,
    MOST_SECONDS,
    NANO,
    Date,
    DateTime,
    DaysTime,
    Time,
    YearsMonths,
    add_months,
    add_nanos,
    clock_time,
    from_days,
)
from engine.feel.values import NUMBERS, UTC_MIDNIGHT, negated, order, same, time_value

DAY_NANOS = DAY * NANO


def finite(value: Decimal) -> Decimal | None:
    return value if value.is_finite() else None


def months(count: int) -> YearsMonths | None:
    return YearsMonths(count) if abs(count) <= MOST_MONTHS else None


def nanos(count: int) -> DaysTime | None:
    return DaysTime(count) if abs(count) <= MOST_SECONDS * NANO else None


# --- addition and subtraction -----------------------------------------------------------------
def plus(one: Any, other: Any) -> Any:
    if type(one) is Decimal and type(other) is Decimal:
        return finite(NUMBERS.add(one, other))
    found = PLUS.get((type(one), type(other)))
    return found(one, other) if found else None


def minus(one: Any, other: Any) -> Any:
    if type(one) is Decimal and type(other) is Decimal:
        return finite(NUMBERS.subtract(one, other))
    found = MINUS.get((type(one), type(other)))
    return found(one, other) if found else None


def _date_months(day: Date, by: YearsMonths) -> Date | None:
    return add_months(day, by.months)


def _moment_months(moment: DateTime, by: YearsMonths) -> DateTime | None:
    day = add_months(moment.date, by.months)
    return day and DateTime(day, moment.time)


def _date_nanos(day: Date, by: DaysTime) -> Date | None:
    """The date of its midnight moved by the duration."""
    return from_days(day.days + by.nanos // DAY_NANOS)


def _moment_nanos(moment: DateTime, by: DaysTime) -> DateTime | None:
    return add_nanos(moment, by.nanos)


def _time_nanos(clock: Time, by: DaysTime) -> Time:
    return clock_time((clock.clock + by.nanos) % DAY_NANOS, clock.offset, clock.zone)


def _between_moments(one: DateTime, other: DateTime) -> DaysTime | None:
    if (one.offset is None) != (other.offset is None):
        return None
    return nanos(one.instant - other.instant)


def _between_times(one: Time, other: Time) -> DaysTime | None:
    if (one.offset_on(None) is None) != (other.offset_on(None) is None):
        return None
    return DaysTime(time_value(one) - time_value(other))


def _swapped(action: Callable) -> Callable:
    return lambda one, other: action(other, one)


def _backwards(action: Callable) -> Callable:
    return lambda one, other: action(one, -other)


def _at_midnight(day: Date) -> DateTime:
    return DateTime(day, UTC_MIDNIGHT)


MOVES = {
    (Date, YearsMonths): _date_months,
    (DateTime, YearsMonths): _moment_months,
    (Date, DaysTime): _date_nanos,
    (DateTime, DaysTime): _moment_nanos,
    (Time, DaysTime): _time_nanos,
}
PLUS: dict[tuple[type, type], Callable] = {
    (str, str): lambda a, b: a + b,
    (YearsMonths, YearsMonths): lambda a, b: months(a.months + b.months),
    (DaysTime, DaysTime): lambda a, b: nanos(a.nanos + b.nanos),
    **MOVES,
    **{(b, a): _swapped(action) for (a, b), action in MOVES.items()},
}
MINUS: dict[tuple[type, type], Callable] = {
    (YearsMonths, YearsMonths): lambda a, b: months(a.months - b.months),
    (DaysTime, DaysTime): lambda a, b: nanos(a.nanos - b.nanos),
    (Date, Date): lambda a, b: nanos((a.days - b.days) * DAY_NANOS),
    (DateTime, DateTime): _between_moments,
    (Date, DateTime): lambda a, b: _between_moments(_at_midnight(a), b),
    (DateTime, Date): lambda a, b: _between_moments(a, _at_midnight(b)),
    (Time, Time): _between_times,
    **{kinds: _backwards(action) for kinds, action in MOVES.items()},
}


# --- multiplication, division, powers ---------------------------------------------------------
def times(one: Any, other: Any) -> Any:
    if type(one) is Decimal and type(other) is Decimal:
        return finite(NUMBERS.multiply(one, other))
    if type(one) is Decimal:
        one, other = other, one
    return _scaled(one, other) if type(other) is Decimal else None


def _scaled(duration: Any, by: Decimal) -> Any:
    if type(duration) is YearsMonths:
        return months(_whole(NUMBERS.multiply(duration.months, by)))
    if type(duration) is DaysTime:
        return nanos(_whole(NUMBERS.multiply(duration.nanos, by)))
    return None


def _whole(value: Decimal) -> int:
    """Towards zero; what no duration can hold becomes one that is refused."""
    return int(value) if value.is_finite() and value.adjusted() < 40 else 10**40


def over(one: Any, other: Any) -> Any:
    if type(other) is Decimal:
        return _divided(one, other) if other != 0 else None
    if type(one) is not type(other):
        return None
    if type(one) is YearsMonths and other.months:
        return NUMBERS.divide(Decimal(one.months), Decimal(other.months))
    if type(one) is DaysTime and other.nanos:
        return NUMBERS.divide(Decimal(one.nanos), Decimal(other.nanos))
    return None


def _divided(one: Any, by: Decimal) -> Any:
    if type(one) is Decimal:
        return finite(NUMBERS.divide(one, by))
    if type(one) is YearsMonths:
        return months(_whole(NUMBERS.divide(Decimal(one.months), by)))
    if type(one) is DaysTime:
        return nanos(_whole(NUMBERS.divide(Decimal(one.nanos), by)))
    return None


def power(one: Any, other: Any) -> Any:
    if type(one) is not Decimal or type(other) is not Decimal:
        return None
    if one == 0 and other == 0:
        return Decimal(1)
    return finite(NUMBERS.power(one, other))


def opposite(value: Any) -> Any:
    if type(value) is Decimal:
        return NUMBERS.minus(value)
    return -value if isinstance(value, YearsMonths | DaysTime) else None


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": plus, "-": minus, "*": times, "/": over, "**": power,
}  # fmt: skip


# --- comparison -------------------------------------------------------------------------------
def less(one: Any, other: Any) -> bool | None:
    if type(one) is Decimal and type(other) is Decimal:
        return one < other
    found = order(one, other)
    return None if found is None else found < 0


def at_most(one: Any, other: Any) -> bool | None:
    if type(one) is Decimal and type(other) is Decimal:
        return one <= other
    found = order(one, other)
    return None if found is None else found <= 0


COMPARISONS: dict[str, Callable[[Any, Any], bool | None]] = {
    "=": same,
    "!=": lambda a, b: negated(same(a, b)),
    "<": less,
    "<=": at_most,
    ">": lambda a, b: less(b, a),
    ">=": lambda a, b: at_most(b, a),
}
