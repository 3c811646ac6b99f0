"""Working time: which days and hours count, and when something is due that takes so much of them.

A `Calendar` comes from policies/calendar.toml and from China's published holidays and make-up days.
`add` and `between` are each other's inverse: working time passes only inside the hours, and a due
moment never lies outside them. A year whose holidays are not published yet is computed from weekends and
from the holidays whose date is known, and what is due in it is marked provisional, so that it can be
computed again. The version names the policy and the holiday data that a due date was computed with.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.metadata import version

import chinese_calendar
from chinese_calendar.constants import holidays as _published

from engine.policies import CalendarPolicy

NOTHING = timedelta(0)
#: no working time is ever added up over more years than this
FURTHEST = 200


@dataclass(frozen=True)
class Due:
    """When something is due."""

    #: aware, UTC
    at: datetime
    #: true when a year on the way has no published holidays yet
    provisional: bool
    #: of the calendar that computed it
    version: str


class Calendar:
    """Working days and hours of one policy. Immutable; shared by threads."""

    def __init__(self, policy: CalendarPolicy):
        self.policy = policy
        self.zone = policy.zone
        self.hours_per_day = policy.day
        self.version = _version(policy)
        self._spans = [(_since_midnight(start), _since_midnight(end)) for start, end in policy.hours]
        self._days = lru_cache(maxsize=FURTHEST * 2)(self._working_days)

    def is_working_day(self, day: date) -> bool:
        """Whether people work on that day, make-up days included."""
        if day in self.policy.extra_workdays:
            return True
        if day in self.policy.extra_holidays:
            return False
        return self._is_published_working_day(day) if self._follows(day.year) else self._is_usual_working_day(day)

    def is_provisional(self, day: date) -> bool:
        """Whether the holidays of that day's year are not published yet."""
        return self.policy.public_holidays == "china" and not self._follows(day.year)

    def add(self, start: datetime, working: timedelta) -> Due:
        """The moment at which `working` time has passed since `start` (aware). Raises ValueError if negative.

        Nothing to wait for is due at once, or when the hours next begin.
        """
        if working < NOTHING:
            raise ValueError(f"working time cannot run backwards: {working}")
        local = start.astimezone(self.zone)
        at = self._next_open(local) if working == NOTHING else self._after(local, working)
        provisional = any(self.is_provisional(date(year, 1, 1)) for year in range(local.year, at.year + 1))
        return Due(at.astimezone(UTC), provisional, self.version)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Working time from `start` to `end` (both aware); negative when `end` comes first."""
        if end < start:
            return -self.between(end, start)
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        days = self._count(first.date(), last.date())
        return days * self.hours_per_day + self._worked(last) - self._worked(first)

    def next_working_day(self, day: date) -> date:
        """The first working day on or after `day`."""
        for year in range(day.year, day.year + FURTHEST):
            days = self._days(year)
            index = bisect_left(days, day.toordinal())
            if index < len(days):
                return date.fromordinal(days[index])
        raise ValueError(f"no working day after {day}")

    # --- helpers ------------------------------------------------------------------------------
    def _after(self, local: datetime, working: timedelta) -> datetime:
        """Whole days first, then the rest within a day; the end of a day belongs to it, not to the next."""
        total = self._worked(local) + working
        days, rest = divmod(total, self.hours_per_day)
        if rest == NOTHING:
            days, rest = days - 1, self.hours_per_day
        return self._at(self._nth(local.date(), days), rest)

    def _nth(self, day: date, count: int) -> date:
        """The working day that has `count` working days between it and `day`, `day` counted if it is one."""
        year, days = day.year, self._days(day.year)
        index = bisect_left(days, day.toordinal()) + count
        while index >= len(days):
            index -= len(days)
            year += 1
            if year > day.year + FURTHEST:
                raise ValueError(f"working time beyond {FURTHEST} years")
            days = self._days(year)
        return date.fromordinal(days[index])

    def _count(self, first: date, last: date) -> int:
        """Working days from `first` up to, and without, `last`."""
        if first.year == last.year:
            days = self._days(first.year)
            return bisect_left(days, last.toordinal()) - bisect_left(days, first.toordinal())
        between = sum(len(self._days(year)) for year in range(first.year, last.year))
        before = bisect_left(self._days(first.year), first.toordinal())
        return between - before + bisect_left(self._days(last.year), last.toordinal())

    def _worked(self, local: datetime) -> timedelta:
        """How much of its day has been worked at a moment; nothing on a day off."""
        if not self._is_open_day(local.date()):
            return NOTHING
        now = _since_midnight(local)
        return sum((min(now, end) - start for start, end in self._spans if now > start), NOTHING)

    def _at(self, day: date, worked: timedelta) -> datetime:
        """The moment of a working day at which that much of it has been worked."""
        for start, end in self._spans:
            if worked <= end - start:
                return self._moment(day, start + worked)
            worked -= end - start
        return self._moment(day, self._spans[-1][1])

    def _next_open(self, local: datetime) -> datetime:
        """The moment itself inside the hours, else when they next begin."""
        if self._is_open_day(local.date()):
            now = _since_midnight(local)
            for start, end in self._spans:
                if now <= end:
                    return local if now >= start else self._moment(local.date(), start)
        return self._moment(self.next_working_day(local.date() + timedelta(days=1)), self._spans[0][0])

    def _moment(self, day: date, since: timedelta) -> datetime:
        return (datetime.combine(day, datetime.min.time()) + since).replace(tzinfo=self.zone)

    def _is_open_day(self, day: date) -> bool:
        days = self._days(day.year)
        index = bisect_right(days, day.toordinal()) - 1
        return index >= 0 and days[index] == day.toordinal()

    def _working_days(self, year: int) -> tuple[int, ...]:
        """The working days of a year as ordinals: a table made once, so that sums are look-ups."""
        first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
        return tuple(n for n in range(first, last + 1) if self.is_working_day(date.fromordinal(n)))

    def _follows(self, year: int) -> bool:
        return self.policy.public_holidays == "china" and year in _published_years()

    def _is_published_working_day(self, day: date) -> bool:
        off, name = chinese_calendar.get_holiday_detail(day)
        return not off if name is not None else not self._is_weekend(day)

    def _is_usual_working_day(self, day: date) -> bool:
        if self._is_weekend(day) or (day.month, day.day) in self.policy.fixed_holidays:
            return False
        return not (self.policy.qingming and (day.month, day.day) == (4, qingming(day.year)))

    def _is_weekend(self, day: date) -> bool:
        return day.isoweekday() in self.policy.weekend


def qingming(year: int) -> int:
    """The day of April on which Qingming falls, by the usual approximation for the 21st century."""
    short = year % 100
    return int(short * 0.2422 + 4.81) - short // 4


@lru_cache(maxsize=1)
def _published_years() -> frozenset[int]:
    """The years whose holidays and make-up days the library knows."""
    return frozenset(range(min(_published).year, max(_published).year + 1))


def _since_midnight(moment) -> timedelta:
    return timedelta(
        hours=moment.hour, minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond
    )


def _version(policy: CalendarPolicy) -> str:
    said = [
        str(policy.zone), policy.hours, policy.weekend, policy.public_holidays, sorted(policy.extra_holidays),
        sorted(policy.extra_workdays), policy.fixed_holidays, policy.qingming, version("chinesecalendar"),
    ]  # fmt: skip
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]
