"""Dates, times and durations: making them (table 66), `now` and `today`, and the calendar functions (tables 75 to 77)."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from engine.feel.builtins.registry import Nothing, builtin
from engine.feel.builtins.texts import whole
from engine.feel.moments import (
    NANO,
    Date,
    DateTime,
    DaysTime,
    Time,
    YearsMonths,
    at_zone,
    from_python,
    is_zone,
    make_date,
    month_length,
    months_between,
    read_date,
    read_duration,
    read_moment,
    read_time,
    to_days,
)
from engine.feel.values import MIDNIGHT, UTC_MIDNIGHT

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def wanted(value: Any, sentence: str, **params: Any) -> Any:
    """The value; Nothing when there is none."""
    if value is None:
        raise Nothing(sentence, "value", **params)
    return value


@builtin("cycle(repetitions: n!, interval: D)", added=True)
@builtin("cycle(interval: D)", added=True)
def cycle(_run, *said: Any) -> str:
    """Camunda's: `cycle(3, duration("PT1H"))` is the text R3/PT1H; without a number it goes on for ever."""
    times = whole(said[0]) if len(said) == 2 and said[0] is not None else ""
    if times != "" and times < 0:
        raise Nothing("A cycle is repeated 0 times or more often.", "value")
    return f"R{times}/{said[-1]}"


@builtin("date(from: s)")
def date_from_text(_run, text: str) -> Date:
    return wanted(read_date(text), '"%(text)s" is no date.', text=text[:40])


@builtin("date(from: x)")
def date_from_moment(_run, value: Date | DateTime) -> Date:
    return value.date if isinstance(value, DateTime) else value


@builtin("date(year: n, month: n, day: n)")
def date_from_parts(_run, year: Decimal, month: Decimal, day: Decimal) -> Date:
    return wanted(make_date(whole(year), whole(month), whole(day)), "The calendar has no such day.")


@builtin("time(from: s)")
def time_from_text(_run, text: str) -> Time:
    return wanted(read_time(text), '"%(text)s" is no time.', text=text[:40])


@builtin("time(from: y)")
def time_from_moment(_run, value: Date | DateTime | Time) -> Time:
    if isinstance(value, Date):
        return UTC_MIDNIGHT
    return value.time if isinstance(value, DateTime) else value


@builtin("time(hour: n, minute: n, second: n, offset: S!?)")
def time_from_parts(_run, hour: Decimal, minute: Decimal, second: Decimal, offset: DaysTime | None = None) -> Time:
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second < 60):
        raise Nothing("There is no such time of day.", "value")
    full = int(second.to_integral_value(ROUND_DOWN))
    nanos = int((second - full) * NANO)
    return Time(whole(hour), whole(minute), full, nanos, _offset(offset))


def _offset(offset: DaysTime | None) -> int | None:
    if offset is None:
        return None
    if abs(offset.nanos) > 18 * 3600 * NANO:
        raise Nothing("An offset is at most 18 hours.", "value")
    return int(offset.nanos / NANO)


@builtin("date and time(from: s)")
def moment_from_text(_run, text: str) -> DateTime:
    day = read_date(text)
    return DateTime(day, MIDNIGHT) if day else wanted(read_moment(text), '"%(text)s" is no date and time.', text=text[:40])


@builtin("date and time(date: x, time: t)")
def moment_from_both(_run, day: Date | DateTime, clock: Time) -> DateTime:
    return DateTime(day.date if isinstance(day, DateTime) else day, clock)


@builtin("date and time(date: x, timezone: s)", added=True)
def moment_in_zone(_run, value: Date | DateTime, zone: str) -> DateTime:
    if not is_zone(zone):
        raise Nothing('"%(text)s" is no time zone.', "value", text=zone[:40])
    moment = value if isinstance(value, DateTime) else DateTime(value, UTC_MIDNIGHT)
    return wanted(at_zone(moment.instant, zone), "The calendar has no such day.")


@builtin("duration(from: s)")
def duration_from_text(_run, text: str) -> DaysTime | YearsMonths:
    return wanted(read_duration(text), '"%(text)s" is no duration.', text=text[:40])


@builtin("years and months duration(from: x, to: x)")
def months_from(_run, start: Date | DateTime, end: Date | DateTime) -> YearsMonths:
    """Whole months between the two days."""
    return YearsMonths(months_between(_day(start), _day(end)))


@builtin("now()")
def now(run) -> DateTime:
    return from_python(run.moment())


@builtin("today()")
def today(run) -> Date:
    return from_python(run.moment()).date


def _day(value: Date | DateTime) -> Date:
    return value.date if isinstance(value, DateTime) else value


@builtin("day of year(date: x)")
def day_of_year(_run, value: Date | DateTime) -> Decimal:
    day = _day(value)
    return Decimal(day.days - to_days(day.year, 1, 1) + 1)


@builtin("day of week(date: x)")
def day_of_week(_run, value: Date | DateTime) -> str:
    return WEEKDAYS[_day(value).weekday - 1]


@builtin("month of year(date: x)")
def month_of_year(_run, value: Date | DateTime) -> str:
    return MONTHS[_day(value).month - 1]


@builtin("week of year(date: x)")
def week_of_year(_run, value: Date | DateTime) -> Decimal:
    """The week of ISO 8601: the one that holds Thursday counts for its year."""
    day = _day(value)
    thursday = day.days + 4 - day.weekday
    year = day.year
    if thursday < to_days(year, 1, 1):
        year -= 1
    elif thursday >= to_days(year + 1, 1, 1):
        year += 1
    return Decimal((thursday - to_days(year, 1, 1)) // 7 + 1)


@builtin("last day of month(date: x)", added=True)
def last_day_of_month(_run, value: Date | DateTime) -> Date:
    day = _day(value)
    return Date(day.year, day.month, month_length(day.year, day.month))


