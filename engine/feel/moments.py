"""Dates, times and durations as FEEL means them.

Python's own types end at the year 9999, know no time with only an offset beyond a day's arithmetic and mix the
two kinds of duration, so FEEL has its own: `Date`, `Time`, `DateTime`, `DaysTime` and `YearsMonths`, all immutable.
Years run from -999999999 to 999999999 in the proleptic Gregorian calendar, seconds carry nanoseconds, zones are
offsets or names of the IANA database. The `read_*` functions take ISO 8601 text strictly and answer None for
anything else. `to_python` and `from_python` are the doors to datetime; rounding happens only there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

DAY = 86_400
NANO = 1_000_000_000
LAST_YEAR = 999_999_999
#: the longest duration in months and in seconds that can be told
MOST_MONTHS = LAST_YEAR * 12 * 2
MOST_SECONDS = LAST_YEAR * 2 * 366 * DAY
MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_length(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else MONTH_LENGTHS[month - 1]


def to_days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    y = year - (month <= 2)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468


def from_days(days: int) -> Date | None:
    """The date so many days after 1970-01-01, or None beyond the calendar."""
    z = days + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + (3 if mp < 10 else -9)
    return make_date(yoe + era * 400 + (month <= 2), month, doy - (153 * mp + 2) // 5 + 1)


@dataclass(frozen=True, slots=True)
class YearsMonths:
    """A duration of years and months."""

    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        said = (f"{years}Y" if years else "") + (f"{months}M" if months or not years else "")
        return ("-P" if self.months < 0 else "P") + said

    def __neg__(self) -> YearsMonths:
        return YearsMonths(-self.months)

    def after(self, moment: datetime) -> datetime:
        """The moment moved by this duration on the calendar; a day that the month lacks becomes its last."""
        moved = add_months(Date(moment.year, moment.month, moment.day), self.months)
        if moved is None or not 1 <= moved.year <= 9999:
            raise OverflowError("A date beyond the calendar.")
        return moment.replace(year=moved.year, month=moved.month, day=moved.day)

    __radd__ = after


@dataclass(frozen=True, slots=True)
class DaysTime:
    """A duration of days, hours, minutes and seconds, kept in nanoseconds."""

    nanos: int

    @property
    def seconds(self) -> Decimal:
        return Decimal(self.nanos) / NANO

    def __str__(self) -> str:
        seconds, nanos = divmod(abs(self.nanos), NANO)
        days, seconds = divmod(seconds, DAY)
        hours, seconds = divmod(seconds, 3600)
        minutes, seconds = divmod(seconds, 60)
        clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
        if seconds or nanos:
            clock += f"{seconds}{fraction(nanos)}S"
        said = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
        return ("-P" if self.nanos < 0 else "P") + (said or "T0S")

    def __neg__(self) -> DaysTime:
        return DaysTime(-self.nanos)

    def timedelta(self) -> timedelta:
        return timedelta(microseconds=self.nanos // 1000)

    def after(self, moment: datetime) -> datetime:
        return moment + self.timedelta()

    __radd__ = after


def fraction(nanos: int) -> str:
    return f".{nanos:09d}".rstrip("0") if nanos else ""


@dataclass(frozen=True, slots=True)
class Date:
    year: int
    month: int
    day: int

    def __str__(self) -> str:
        sign = "-" if self.year < 0 else ""
        return f"{sign}{abs(self.year):04d}-{self.month:02d}-{self.day:02d}"

    @property
    def days(self) -> int:
        return to_days(self.year, self.month, self.day)

    @property
    def weekday(self) -> int:
        """1 is Monday, 7 is Sunday."""
        return (self.days + 3) % 7 + 1


def make_date(year: int, month: int, day: int) -> Date | None:
    """A date, or None when the calendar has no such day."""
    if abs(year) > LAST_YEAR or not 1 <= month <= 12 or not 1 <= day <= month_length(year, month):
        return None
    return Date(year, month, day)


@dataclass(frozen=True, slots=True)
class Time:
    hour: int
    minute: int
    second: int
    nanos: int = 0
    #: seconds east of UTC, or None when local or named by `zone`
    offset: int | None = None
    zone: str | None = None

    def __str__(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}:{self.second:02d}{fraction(self.nanos)}{self.where()}"

    def where(self) -> str:
        """Z, +hh:mm[:ss], @Area/City or nothing."""
        if self.zone:
            return f"@{self.zone}"
        return "" if self.offset is None else offset_text(self.offset)

    @property
    def clock(self) -> int:
        """Nanoseconds since midnight on this clock."""
        return (self.hour * 3600 + self.minute * 60 + self.second) * NANO + self.nanos

    def offset_on(self, day: Date | None) -> int | None:
        """Seconds east of UTC on that day, None for a local time."""
        if self.zone:
            return zone_offset(self.zone, day or Date(1970, 1, 1), self)
        return self.offset


def offset_text(offset: int) -> str:
    if offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    said = f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return said + (f":{seconds:02d}" if seconds else "")


@dataclass(frozen=True, slots=True)
class DateTime:
    date: Date
    time: Time

    def __str__(self) -> str:
        return f"{self.date}T{self.time}"

    @property
    def offset(self) -> int | None:
        return self.time.offset_on(self.date)

    @property
    def local(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00 on this clock."""
        return self.date.days * DAY * NANO + self.time.clock

    @property
    def instant(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00Z; a local one counts as UTC."""
        return self.local - (self.offset or 0) * NANO


def from_nanos(nanos: int, offset: int | None, zone: str | None) -> DateTime | None:
    """The clock reading so many nanoseconds after 1970-01-01T00:00:00 of the same clock."""
    days, rest = divmod(nanos, DAY * NANO)
    day = from_days(days)
    return day and DateTime(day, clock_time(rest, offset, zone))


def clock_time(nanos: int, offset: int | None, zone: str | None) -> Time:
    seconds, nanos = divmod(nanos, NANO)
    return Time(seconds // 3600, seconds // 60 % 60, seconds % 60, nanos, offset, zone)


# --- zones ------------------------------------------------------------------------------------
@cache
def known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=200)
def zone_named(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    return name in known_zones()


def zone_offset(name: str, day: Date, clock: Time) -> int:
    """Offset of a named zone; years that Python lacks use the rules of a like year of its own calendar."""
    year = day.year if 1 < day.year < 9999 else 2000 + day.year % 400
    at = datetime(year, day.month, day.day, clock.hour, clock.minute, clock.second)
    found = zone_named(name).utcoffset(at)
    return int(found.total_seconds()) if found is not None else 0


# --- arithmetic -------------------------------------------------------------------------------
def add_months(day: Date, months: int) -> Date | None:
    """Months on the calendar; a day that the month lacks becomes its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if abs(year) > LAST_YEAR:
        return None
    return Date(year, month + 1, min(day.day, month_length(year, month + 1)))


def add_nanos(moment: DateTime, nanos: int) -> DateTime | None:
    """Time that passes: in a named zone through UTC, so that a change of the clock counts."""
    if not moment.time.zone:
        return from_nanos(moment.local + nanos, moment.time.offset, None)
    return at_zone(moment.instant + nanos, moment.time.zone)


def at_zone(instant: int, zone: str) -> DateTime | None:
    """What the clock of a named zone shows at that instant."""
    utc = from_nanos(instant, 0, None)
    if utc is None:
        return None
    year = utc.date.year if 2 < utc.date.year < 9998 else 2000 + utc.date.year % 400
    at = datetime(year, utc.date.month, utc.date.day, utc.time.hour, utc.time.minute, utc.time.second, tzinfo=UTC)
    shift = at.astimezone(zone_named(zone)).utcoffset()
    return from_nanos(instant + int(shift.total_seconds()) * NANO, None, zone)


def months_between(start: Date, end: Date) -> int:
    """Whole months from start to end, towards zero."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        return months - 1
    return months + 1 if months < 0 and end.day > start.day else months


# --- reading text -----------------------------------------------------------------------------
DATE = r"(?P<year>-?(?:[1-9]\d{4,8}|\d{4}))-(?P<month>\d\d)-(?P<day>\d\d)"
WHERE = r"(?P<offset>Z|z|[+-]\d\d:\d\d(?::\d\d)?)?(?:@(?P<zone>[A-Za-z][A-Za-z0-9_+/-]*))?"
CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<nanos>\d+))?" + WHERE
IS_DATE = re.compile(DATE, re.ASCII)
IS_TIME = re.compile(CLOCK, re.ASCII)
IS_MOMENT = re.compile(f"{DATE}T{CLOCK}", re.ASCII)
IS_MONTHS = re.compile(r"(-)?P(?=\d)(?:(\d+)Y)?(?:(\d+)M)?", re.ASCII)
IS_SECONDS = re.compile(
    r"(-)?P(?=\d|T\d)(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d*))?S)?)?", re.ASCII
)


def read_date(text: str) -> Date | None:
    found = IS_DATE.fullmatch(text) if len(text) < 30 else None
    return _date_of(found) if found else None


def read_time(text: str) -> Time | None:
    found = IS_TIME.fullmatch(text) if len(text) < 120 else None
    return _time_of(found) if found else None


def read_moment(text: str) -> DateTime | None:
    """`yyyy-mm-ddThh:mm:ss[.fff][Z|±hh:mm|@Zone]`, or None. 24:00:00 is the beginning of the next day."""
    found = IS_MOMENT.fullmatch(text) if len(text) < 150 else None
    day = found and _date_of(found)
    if not day:
        return None
    if found["hour"] == "24":
        clock, day = _midnight(found), from_days(day.days + 1)
    else:
        clock = _time_of(found)
    return DateTime(day, clock) if clock and day else None


def _date_of(found: re.Match) -> Date | None:
    return make_date(int(found["year"]), int(found["month"]), int(found["day"]))


def _midnight(found: re.Match) -> Time | None:
    if int(found["minute"]) or int(found["second"]) or int(found["nanos"] or 0):
        return None
    return _where(Time(0, 0, 0), found)


def _time_of(found: re.Match) -> Time | None:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if hour > 23 or minute > 59 or second > 59:
        return None
    nanos = int((found["nanos"] or "0")[:9].ljust(9, "0"))
    return _where(Time(hour, minute, second, nanos), found)


def _where(clock: Time, found: re.Match) -> Time | None:
    offset, zone = found["offset"], found["zone"]
    if (offset and zone) or (zone and not is_zone(zone)):
        return None
    seconds = read_offset(offset) if offset else None
    if offset and seconds is None:
        return None
    return Time(clock.hour, clock.minute, clock.second, clock.nanos, seconds, zone)


def read_offset(text: str) -> int | None:
    """Z or ±hh:mm[:ss] up to 18 hours, in seconds."""
    if text in "Zz":
        return 0
    parts = [int(part) for part in text[1:].split(":")]
    hours, minutes, seconds = [*parts, 0][:3]
    if minutes > 59 or seconds > 59:
        return None
    total = hours * 3600 + minutes * 60 + seconds
    return None if total > 18 * 3600 else (-total if text[0] == "-" else total)


def read_duration(text: str) -> YearsMonths | DaysTime | None:
    """ISO 8601: `P1Y2M` or `P3DT4H5M6.7S`, with a leading minus; not both kinds in one, never weeks."""
    if len(text) > 120:
        return None
    return _read_months(text) or _read_seconds(text)


def _read_months(text: str) -> YearsMonths | None:
    found = IS_MONTHS.fullmatch(text)
    if not found or not (found[2] or found[3]):
        return None
    months = int(found[2] or 0) * 12 + int(found[3] or 0)
    return YearsMonths(-months if found[1] else months) if months <= MOST_MONTHS else None


def _read_seconds(text: str) -> DaysTime | None:
    found = IS_SECONDS.fullmatch(text)
    if not found or not any(found.group(2, 3, 4, 5)):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.group(2, 3, 4, 5))
    total = days * DAY + hours * 3600 + minutes * 60 + seconds
    if total > MOST_SECONDS:
        return None
    nanos = total * NANO + int((found[6] or "0")[:9].ljust(9, "0"))
    return DaysTime(-nanos if found[1] else nanos)


# --- Python's types ---------------------------------------------------------------------------
def from_python(value: datetime | date | time | timedelta) -> DateTime | Date | Time | DaysTime:
    if isinstance(value, datetime):
        return DateTime(Date(value.year, value.month, value.day), _clock_from(value))
    if isinstance(value, date):
        return Date(value.year, value.month, value.day)
    if isinstance(value, time):
        return _clock_from(value)
    return DaysTime((value.days * DAY + value.seconds) * NANO + value.microseconds * 1000)


def _clock_from(value: datetime | time) -> Time:
    zone = getattr(value.tzinfo, "key", None)
    zone = zone if zone and is_zone(zone) else None
    shift = value.utcoffset()
    offset = None if zone or shift is None else int(shift.total_seconds())
    return Time(value.hour, value.minute, value.second, value.microsecond * 1000, offset, zone)


def to_python(value: DateTime, zone: tzinfo | None = None) -> datetime:
    """An aware datetime; a local time is one of `zone` (or UTC). Raises ValueError beyond the year 9999."""
    where = zone or UTC
    if value.time.zone:
        where = zone_named(value.time.zone)
    elif value.time.offset is not None:
        where = timezone(timedelta(seconds=value.time.offset))
    day, clock = value.date, value.time
    return datetime(
        day.year, day.month, day.day, clock.hour, clock.minute, clock.second, clock.nanos // 1000, tzinfo=where
    )
