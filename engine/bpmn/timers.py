"""When timers are due.

A timer of a model is a date, a duration or a cycle, written as ISO 8601 or as FEEL that gives a date and
time, a duration or ISO 8601 text; a cycle may also be a cron text of six fields. Everything is checked
when the model is deployed and again when it is evaluated. A cycle counts from its due moment and not
from when it was fired, so it does not drift. SpiffWorkflow 3.2.0 evaluates timers as Python, reads -PT1S
as a second from now and takes naive times for the server's zone; none of its timer code runs here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar

from dateutil.relativedelta import relativedelta

from engine import feel
from engine.bpmn.limits import ElementError

if TYPE_CHECKING:
    from engine.bpmn.model import Formula

#: nothing is planned further ahead than this
FURTHEST = timedelta(days=366 * 100)
#: a cycle is never faster than this
SHORTEST = timedelta(seconds=1)

_DURATION = re.compile(
    r"(-)?P(?=\d|T\d)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})(?:[.,](\d{1,6})\d*)?S)?)?"
)
_CYCLE = re.compile(r"R(\d{0,9})/(.+)")


@dataclass(frozen=True)
class Cycle:
    """Repetitions of a cycle: `left` None means for ever."""

    left: int | None
    #: ISO 8601 duration, or six cron fields
    every: str
    first: datetime | None = None


def duration(text: str) -> relativedelta:
    """An ISO 8601 duration. Raises ElementError for anything else, also for an empty or a negative one."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[1]:
        raise ElementError(f"'{text[:80]}' is not an ISO 8601 duration such as PT5M or P1D.", "timer")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:8])
    micros = int((match[9] or "0").ljust(6, "0"))
    return relativedelta(
        years=years, months=months, days=days + 7 * weeks, hours=hours, minutes=minutes, seconds=seconds,
        microseconds=micros,
    )  # fmt: skip


def moment(text: str, zone: tzinfo) -> datetime:
    """An ISO 8601 date or date and time, also with FEEL's `@Europe/Berlin`; one without an offset is in `zone`."""
    try:
        said = feel.moment(text, zone) if "@" in text else datetime.fromisoformat(text.strip())
    except (ValueError, feel.FeelError) as error:
        raise ElementError(f"'{text[:80]}' is not an ISO 8601 date and time.", "timer") from error
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=zone).astimezone(UTC)


def cycle(text: str, zone: tzinfo) -> Cycle:
    """R3/PT1H, R/2026-01-01T00:00:00Z/P1D, or cron text such as "0 0 9 * * MON-FRI"."""
    said = text.strip()
    match = _CYCLE.fullmatch(said)
    if match is None:
        Cron(said)
        return Cycle(None, said)
    parts = match[2].split("/")
    if len(parts) > 2:
        raise ElementError(f"'{said[:80]}' is not a cycle such as R3/PT1H.", "timer")
    duration(parts[-1])
    if match[1] and int(match[1]) == 0:
        raise ElementError(f"The cycle '{said[:80]}' is repeated no times.", "timer")
    first = moment(parts[0], zone) if len(parts) == 2 else None
    return Cycle(int(match[1]) if match[1] else None, parts[-1], first)


def is_cron(text: str) -> bool:
    return not text.startswith("P")


def after(start: datetime, every: str, zone: tzinfo) -> datetime:
    """One repetition after `start`, in wall-clock time of `zone`. Raises ElementError when it is too fast or too far."""
    if is_cron(every):
        return Cron(every).after(start, zone)
    due = _plus(start, duration(every), zone)
    if due - start < SHORTEST:
        raise ElementError(f"The cycle '{every}' is faster than one second.", "timer")
    return due


def due(kind: str, value: Any, now: datetime, zone: tzinfo, working=None) -> tuple[datetime, dict[str, Any]]:
    """(moment, what a timer must remember) of a timer of `kind` whose formula gave `value`.

    `working(start, timedelta)` is given for timers that count working time.
    """
    if value is None or value == "":
        raise ElementError("The timer's expression gives nothing.", "timer")
    if kind == "date":
        return _near(_moment_of(value, zone), now), {}
    if kind == "duration":
        return _near(_after_duration(value, now, zone, working), now), {}
    found = cycle(_cycle_text(value), zone)
    first = _not_past(found, now, zone)[0] if found.first else after(now, found.every, zone)
    return _near(first, now), {"left": found.left, "every": found.every}


def _not_past(found: Cycle, now: datetime, zone: tzinfo) -> tuple[datetime, int]:
    """The first moment of a cycle that has not passed, and which one it is, counted from 0.

    As in Camunda 8, what was before is not made up for.
    """
    first, span = found.first, duration(found.every)
    length = after(first, found.every, zone) - first
    passed = (now - first - timedelta(hours=2)) / length
    count = max(0, int(passed * (0.88 if span.months or span.years else 1)))  # months differ in length
    while first < now:
        count += 1
        first = _plus(found.first, span * count, zone)
    return first, count


def again(memo: dict[str, Any], was_due: datetime, now: datetime, zone: tzinfo) -> tuple[datetime, dict[str, Any]] | None:
    """The next moment of a cycle that was due at `was_due`, counted from there; None when it is over.

    Moments that have passed meanwhile (a case that rested, an outage) have happened with the one of `was_due`.
    """
    if "every" not in memo:
        return None
    every, left = memo["every"], memo["left"]
    at, passed = after(was_due, every, zone), 1
    if at <= now and is_cron(every):
        at = after(now, every, zone)
    elif at <= now:
        at, passed = _not_past(Cycle(left, every, was_due), now + timedelta(microseconds=1), zone)
    if left is not None and left <= passed:
        return None
    return at, {"left": None if left is None else left - passed, "every": every}


class _Someday:
    """The world of a timer that is only looked at."""

    now = datetime(2026, 1, 1, tzinfo=UTC)
    zone = UTC


def check(kind: str, formula: Formula) -> None:
    """Refuse what is no timer of `kind`: a fixed text, or FEEL that reads no variable. Raises ElementError."""
    due(kind, formula.value({}, _Someday), _Someday.now, UTC)


def _near(at: datetime, now: datetime) -> datetime:
    if at - now > FURTHEST:
        raise ElementError("The timer is due more than a hundred years from now.", "timer")
    return at


def _moment_of(value: Any, zone: tzinfo) -> datetime:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.min, zone).astimezone(UTC)
    return moment(_text(value), zone)


def _after_duration(value: Any, now: datetime, zone: tzinfo, working) -> datetime:
    if working is not None:
        return working(now, _fixed(value))
    span = value if isinstance(value, timedelta) else duration(_text(value))
    if isinstance(span, timedelta) and span < timedelta(0):
        raise ElementError("The timer's duration is negative.", "timer")
    return _plus(now, span, zone)


def _fixed(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    said = duration(_text(value))
    if said.years or said.months:
        raise ElementError("Working time is given in days, hours and minutes.", "timer")
    return timedelta(days=said.days, hours=said.hours, minutes=said.minutes, seconds=said.seconds)


def _plus(start: datetime, span, zone: tzinfo) -> datetime:
    try:
        if isinstance(span, timedelta):
            return start + span
        local = start.astimezone(zone)
        return (local + span).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ElementError("The timer is due more than a hundred years from now.", "timer") from error


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    said = feel.to_json(value)
    if isinstance(said, str):
        return said
    raise ElementError(f"A timer cannot be made of {said!r}.", "timer")


def _cycle_text(value: Any) -> str:
    said = _text(value)
    return f"R/{said}" if said.startswith("P") else said


class Cron:
    """Six fields (second minute hour day month weekday) as Spring and Camunda read them, or five without seconds."""

    _NAMES: ClassVar = {name: n for n, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)}
    _DAYS: ClassVar = {name: n for n, name in enumerate("SUN MON TUE WED THU FRI SAT".split())}
    _RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    _SHORT: ClassVar = {
        "@yearly": "0 0 0 1 1 *", "@annually": "0 0 0 1 1 *", "@monthly": "0 0 0 1 * *",
        "@weekly": "0 0 0 * * 0", "@daily": "0 0 0 * * *", "@midnight": "0 0 0 * * *", "@hourly": "0 0 * * * *",
    }  # fmt: skip

    def __init__(self, text: str):
        fields = self._SHORT.get(text.strip(), text).split()
        fields = ["0", *fields] if len(fields) == 5 else fields
        if len(fields) != 6:
            raise ElementError(
                f"'{text[:80]}' is neither an ISO 8601 cycle such as R3/PT1H nor a cron text.", "timer"
            )
        try:
            self._sets = [self._field(said.upper(), n) for n, said in enumerate(fields)]
        except ValueError as error:
            raise ElementError(f"'{text[:80]}' is not a cron text: {error}.", "timer") from error
        self._days = {d % 7 for d in self._sets[5]}
        self._any_day, self._any_weekday = fields[3] in "*?", fields[5] in "*?"

    def _field(self, said: str, n: int) -> set[int]:
        least, most = self._RANGES[n]
        found: set[int] = set()
        for part in said.split(","):
            span, _, step = part.partition("/")
            if span in ("*", "?"):
                low, high = least, most
            else:
                first, _, last = span.partition("-")
                low = self._number(first, n)
                high = self._number(last, n) if last else (most if step else low)
            if not (least <= low <= high <= most) or (step and int(step) < 1):
                raise ValueError(f"'{part}' is out of range")
            found |= set(range(low, high + 1, int(step) if step else 1))
        return found

    def _number(self, said: str, n: int) -> int:
        names = self._NAMES if n == 4 else self._DAYS if n == 5 else {}
        return names[said] if said in names else int(said)

    def after(self, start: datetime, zone: tzinfo) -> datetime:
        """The first moment after `start` that fits, in wall-clock time of `zone`."""
        seconds, minutes, hours = (sorted(s) for s in self._sets[:3])
        local = start.astimezone(zone).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
        day = local.date()
        for _ in range(366 * 30):
            if self._fits(day):
                since = local.time() if day == local.date() else time.min
                for hour in hours:
                    for minute in minutes:
                        for second in seconds:
                            at = time(hour, minute, second)
                            if at >= since:
                                return datetime.combine(day, at, zone).astimezone(UTC)
            day += timedelta(days=1)
        raise ElementError("The cron text fits no day of the next thirty years.", "timer")

    def _fits(self, day: date) -> bool:
        if day.month not in self._sets[4]:
            return False
        by_day, by_weekday = day.day in self._sets[3], (day.isoweekday() % 7) in self._days
        if self._any_day or self._any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday
