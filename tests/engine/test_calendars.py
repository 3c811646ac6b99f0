"""Working time: only inside the hours, only on working days, and always the same way back (clause 3.2.2)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.calendars import Calendar, qingming
from engine.policies import CalendarPolicy

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = ((time(9), time(12)), (time(13), time(18)))
FIXED = ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))


def calendar(**said) -> Calendar:
    policy = {"zone": SHANGHAI, "hours": HOURS, "weekend": (6, 7), "fixed_holidays": FIXED} | said
    return Calendar(CalendarPolicy(**policy))


CHINA = calendar()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def due(start: str, hours: float, of: Calendar = CHINA) -> str:
    return of.add(at(start), timedelta(hours=hours)).at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


# --- single days ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-02 09:30", 1, "2026-03-02 10:30"),
        ("2026-03-02 09:00", 3, "2026-03-02 12:00"),
        ("2026-03-02 11:30", 1, "2026-03-02 13:30"),
        ("2026-03-02 12:30", 1, "2026-03-02 14:00"),
        ("2026-03-02 09:00", 8, "2026-03-02 18:00"),
        ("2026-03-02 09:00", 8.5, "2026-03-03 09:30"),
        ("2026-03-02 07:00", 1, "2026-03-02 10:00"),
        ("2026-03-02 22:00", 1, "2026-03-03 10:00"),
        ("2026-03-06 17:00", 2, "2026-03-09 10:00"),
        ("2026-03-07 12:00", 0, "2026-03-09 09:00"),
        ("2026-03-02 09:30", 0, "2026-03-02 09:30"),
        ("2026-03-02 12:10", 0, "2026-03-02 13:00"),
    ],
)
def test_time_passes_only_within_the_hours(start, hours, end):
    assert due(start, hours) == end


def test_the_end_of_a_day_belongs_to_it_and_not_to_the_next_morning():
    assert due("2026-03-02 17:00", 1) == "2026-03-02 18:00"


def test_spring_festival_stops_the_time_and_make_up_days_let_it_run():
    # 2026: off from Sunday 15 to Monday 23 February, made up on the Saturdays 14 and 28 February
    assert not CHINA.is_working_day(date(2026, 2, 17))
    assert CHINA.is_working_day(date(2026, 2, 14))
    assert CHINA.is_working_day(date(2026, 2, 28))
    assert due("2026-02-13 17:00", 2) == "2026-02-14 10:00"
    assert due("2026-02-14 17:00", 2) == "2026-02-24 10:00"
    assert due("2026-02-27 17:00", 2) == "2026-02-28 10:00"


def test_a_saturday_that_is_made_up_is_a_whole_working_day():
    assert CHINA.between(at("2026-02-28 00:00"), at("2026-03-01 00:00")) == timedelta(hours=8)


def test_national_day_week_counts_nothing():
    assert CHINA.between(at("2026-09-30 18:00"), at("2026-10-08 09:00")) == timedelta(0)


def test_the_companys_own_days_override_the_published_ones():
    off, on = frozenset({date(2026, 3, 3)}), frozenset({date(2026, 2, 17)})
    own = calendar(extra_holidays=off, extra_workdays=on)
    assert not own.is_working_day(date(2026, 3, 3))
    assert own.is_working_day(date(2026, 2, 17))
    assert due("2026-03-02 17:00", 2, own) == "2026-03-04 10:00"


def test_without_public_holidays_only_weekends_and_own_days_are_off():
    plain = calendar(public_holidays="none", fixed_holidays=(), qingming=False)
    assert plain.is_working_day(date(2026, 2, 17))
    assert not plain.is_working_day(date(2026, 2, 28))
    assert not plain.add(at("2030-03-04 09:00"), timedelta(hours=8)).provisional


# --- years that are not published yet ----------------------------------------------------------
def test_what_is_due_in_an_unpublished_year_is_provisional():
    assert not CHINA.add(at("2026-03-02 09:00"), timedelta(hours=8)).provisional
    assert CHINA.add(at("2030-03-04 09:00"), timedelta(hours=8)).provisional
    assert CHINA.is_provisional(date(2030, 3, 4))


def test_a_limit_that_runs_into_an_unpublished_year_is_provisional_too():
    found = CHINA.add(at("2026-12-31 09:00"), timedelta(hours=40))
    assert found.at.astimezone(SHANGHAI).year == 2027
    assert found.provisional


def test_an_unpublished_year_knows_its_fixed_holidays_and_qingming():
    assert not CHINA.is_working_day(date(2030, 1, 1))
    assert not CHINA.is_working_day(date(2030, 10, 2))
    assert not CHINA.is_working_day(date(2030, 4, 5))
    assert CHINA.is_working_day(date(2030, 4, 4))


def test_qingming_agrees_with_every_published_year():
    import chinese_calendar.constants as known

    named = {day for day, name in known.holidays.items() if name == "Tomb-sweeping Day"}
    published = {day for day in named if day.year >= 2008}
    for year in sorted({day.year for day in published}):
        assert date(year, 4, qingming(year)) in published, year


# --- there and back ---------------------------------------------------------------------------
moments = st.datetimes(datetime(2024, 1, 1), datetime(2031, 12, 31)).map(lambda m: m.replace(tzinfo=UTC))
spans = st.integers(0, 400 * 60).map(lambda minutes: timedelta(minutes=minutes))


@given(moments, spans)
@example(datetime(2026, 2, 13, 10, 0, tzinfo=UTC), timedelta(hours=8))
def test_between_gives_back_what_add_was_given(start, working):
    assert CHINA.between(start, CHINA.add(start, working).at) == working


@given(moments, spans)
def test_a_due_moment_lies_on_a_working_day_and_within_its_hours(start, working):
    local = CHINA.add(start, working).at.astimezone(SHANGHAI)
    assert CHINA.is_working_day(local.date())
    assert any(begin <= local.time().replace(tzinfo=None) <= end for begin, end in HOURS)


@given(moments, spans, spans)
def test_two_limits_one_after_the_other_are_one_long_one(start, first, second):
    assume(second > timedelta(0))
    twice = CHINA.add(CHINA.add(start, first).at, second).at
    assert twice == CHINA.add(start, first + second).at


@given(moments, moments)
def test_time_backwards_is_the_same_time_with_a_minus(one, other):
    assert CHINA.between(one, other) == -CHINA.between(other, one)


@given(moments, moments, moments)
def test_time_adds_up_over_any_moment_between(one, two, three):
    first, middle, last = sorted((one, two, three))
    assert CHINA.between(first, middle) + CHINA.between(middle, last) == CHINA.between(first, last)


@given(moments, spans)
def test_nothing_is_due_before_it_begins(start, working):
    assert CHINA.add(start, working).at >= start


# --- refusals and versions --------------------------------------------------------------------
def test_working_time_does_not_run_backwards():
    with pytest.raises(ValueError, match="backwards"):
        CHINA.add(at("2026-03-02 09:00"), timedelta(hours=-1))


def test_a_company_that_never_works_is_told_so_instead_of_waiting_for_ever():
    never = calendar(weekend=(1, 2, 3, 4, 5, 6, 7), public_holidays="none")
    with pytest.raises(ValueError, match="working"):
        never.add(at("2026-03-02 09:00"), timedelta(hours=1))


def test_the_version_changes_with_the_policy_and_only_with_it():
    assert calendar().version == CHINA.version
    assert calendar(extra_holidays=frozenset({date(2026, 3, 3)})).version != CHINA.version
    assert CHINA.add(at("2026-03-02 09:00"), timedelta(hours=1)).version == CHINA.version


def test_summer_time_of_another_zone_neither_adds_nor_loses_an_hour():
    zone = ZoneInfo("Europe/Berlin")
    berlin = calendar(zone=zone, public_holidays="none", fixed_holidays=(), qingming=False)
    before = datetime(2026, 3, 27, 9, tzinfo=zone)  # clocks go forward on the 29th
    found = berlin.add(before, timedelta(hours=16)).at
    assert found == datetime(2026, 3, 30, 18, tzinfo=zone).astimezone(UTC)
    assert berlin.between(before, found) == timedelta(hours=16)
