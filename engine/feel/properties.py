"""The properties that values have after a dot (DMN 1.5, table 65): years of a date, ends of a range and so on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.feel.moments import DAY, NANO, Date, DateTime, DaysTime, Time, YearsMonths
from engine.feel.values import Range


def property_of(value: Any, name: str) -> tuple[Any, bool]:
    """(the property, True), or (None, False) when values of that type have none of that name."""
    found = PROPERTIES.get(type(value), {}).get(name)
    return (found(value), True) if found else (None, False)


def _offset(value: Time | DateTime) -> DaysTime | None:
    seconds = value.offset_on(None) if isinstance(value, Time) else value.offset
    return None if seconds is None else DaysTime(seconds * NANO)


def _part(unit: int, modulo: int) -> Callable[[DaysTime], Decimal]:
    """Whole units of a duration, towards zero and with its sign."""

    def part(value: DaysTime) -> Decimal:
        found = abs(value.nanos) // NANO // unit
        found = found % modulo if modulo else found
        return Decimal(-found if value.nanos < 0 else found)

    return part


def _months(take: Callable[[int], int]) -> Callable[[YearsMonths], Decimal]:
    return lambda value: Decimal(take(abs(value.months)) * (-1 if value.months < 0 else 1))


def seconds_of(value: Time) -> Decimal:
    return Decimal(value.second) + Decimal(value.nanos) / NANO


DAYS: dict[str, Callable[[Date], Any]] = {
    "year": lambda v: Decimal(v.year),
    "month": lambda v: Decimal(v.month),
    "day": lambda v: Decimal(v.day),
    "weekday": lambda v: Decimal(v.weekday),
}
CLOCKS: dict[str, Callable[[Time], Any]] = {
    "hour": lambda v: Decimal(v.hour),
    "minute": lambda v: Decimal(v.minute),
    "second": lambda v: Decimal(v.second),
}
ZONES: dict[str, Callable[[Any], Any]] = {
    "time offset": _offset,
    "timezone": lambda v: v.zone if isinstance(v, Time) else v.time.zone,
}


def _of_date(action: Callable[[Date], Any]) -> Callable[[DateTime], Any]:
    return lambda value: action(value.date)


def _of_time(action: Callable[[Time], Any]) -> Callable[[DateTime], Any]:
    return lambda value: action(value.time)


PROPERTIES: dict[type, dict[str, Callable[[Any], Any]]] = {
    Date: DAYS,
    Time: CLOCKS | ZONES,
    DateTime: {name: _of_date(action) for name, action in DAYS.items()}
    | {name: _of_time(action) for name, action in CLOCKS.items()}
    | ZONES,
    YearsMonths: {"years": _months(lambda m: m // 12), "months": _months(lambda m: m % 12)},
    DaysTime: {
        "days": _part(DAY, 0),
        "hours": _part(3600, 24),
        "minutes": _part(60, 60),
        "seconds": _part(1, 60),
    },
    Range: {
        "start": lambda v: v.low,
        "end": lambda v: v.high,
        "start included": lambda v: v.low_closed,
        "end included": lambda v: v.high_closed,
    },
}
