"""The measures of chapter 7 say what was counted, of the period and of the people that were asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from engine import indicators, people
from engine.errors import Invalid, NotAllowed
from engine.schema import content, definition, deployment, incident, instance, job, task
from tests.engine.rooms import actor, opened, person

MARCH = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
MONDAY = datetime(2026, 3, 2, 1, tzinfo=UTC)  # 09:00 in Shanghai


@pytest.fixture
def room(tmp_path):
    for platform in opened(tmp_path / "var"):
        with platform.work(people.SYSTEM) as work:
            people.add_department(work, "sales", "Sales")
            work.execute(insert(content), {"digest": "0" * 64, "bytes": b"model"})
            work.execute(insert(deployment), {"id": "dep", "at": work.now, "by_id": "system", "files": {}})
            work.execute(
                insert(definition),
                {"id": "def", "key": "k", "version": 1, "name": "K", "digest": "0" * 64, "deployment_id": "dep",
                 "state": "active", "startable": True, "deployed_at": work.now},
            )  # fmt: skip
        person(platform, "anna", "staff", department_key="sales")
        person(platform, "eva", "staff", "executives")
        yield platform


def a_case(room, name: str, *, started=MONDAY, ended=None, state="active", outcome=None, department=None) -> None:
    with room.work(people.SYSTEM) as work:
        work.execute(insert(instance), {
            "id": name, "number": name, "title": name, "process_key": "k", "definition_id": "def", "root_id": name,
            "state": state, "outcome": outcome, "starter_department": department, "started_at": started,
            "ended_at": ended, "version": 1, "next_token": 0,
        })  # fmt: skip


def a_task(room, name: str, case: str, *, hours: float, late=False, outcome=None, by=None, closed=None) -> None:
    closed = closed or MONDAY + timedelta(hours=hours)
    with room.work(people.SYSTEM) as work:
        work.execute(insert(task), {
            "id": name, "instance_id": case, "root_id": case, "token": 1, "element_id": "e", "name": "E",
            "process_key": "k", "definition_id": "def", "state": "completed", "created_at": MONDAY,
            "due_at": closed + timedelta(hours=-1 if late else 1), "closed_at": closed, "closed_by": by,
            "outcome": outcome, "version": 1,
        })  # fmt: skip


def facts(room, *period, **scope) -> dict:
    with room.read(people.SYSTEM) as work:
        return indicators.facts(work, *(period or MARCH), **scope)


def values(room, **scope) -> dict:
    with room.read(people.SYSTEM) as work:
        return {one.indicator.key: one for one in indicators.measure(work, *MARCH, **scope)}


def test_where_nothing_happened_nothing_is_met_and_nothing_missed(room):
    found = values(room)
    assert {(one.value, one.met) for one in found.values()} == {(None, None)}


def test_exactly_the_facts_that_are_promised_are_counted(room):
    assert set(facts(room)) == indicators.FACTS


def test_tasks_in_time_and_the_working_hours_that_they_took(room):
    a_case(room, "c1")
    a_task(room, "t1", "c1", hours=2)
    a_task(room, "t2", "c1", hours=3, late=True)
    a_task(room, "t3", "c1", hours=24)  # one working day, although a day and a night passed
    found = values(room)
    assert found["in_time"].value == pytest.approx(100 * 2 / 3)
    assert found["in_time"].met is False
    assert found["handling_time"].value == pytest.approx((2 + 3 + 8) / 3)
    assert found["handling_time"].met is True
    assert found["handling_time"].facts == {"tasks_closed": 3, "tasks_hours": 13}


def test_decisions_are_what_says_yes_no_or_back(room):
    a_case(room, "c1")
    for n, outcome in enumerate(("approve", "approve", "approve", "reject", "return", "abstain", None)):
        a_task(room, f"t{n}", "c1", hours=1, outcome=outcome)
    found = values(room)["approved"]
    assert (found.value, found.met) == (60, False)


def test_cases_that_were_completed_withdrawn_or_sent_back(room):
    end = MONDAY + timedelta(days=1)
    a_case(room, "c1", ended=end, state="completed")
    a_case(room, "c2", ended=end, state="cancelled", outcome="withdrawn")
    a_case(room, "c3")
    a_task(room, "t1", "c3", hours=1, outcome="return")
    found = facts(room)
    wanted = {"cases_started": 3, "cases_ended": 2, "cases_completed": 1, "cases_withdrawn": 1, "cases_sent_back": 1}
    assert {name: found[name] for name in wanted} == wanted
    assert values(room)["completeness"].value == pytest.approx(100 * 2 / 3)


def test_a_correction_by_hand_is_counted_once_for_its_case(room):
    a_case(room, "c1")
    a_case(room, "c2")
    for _ in range(2):
        with room.work(people.SYSTEM) as work:
            work.head("c1")
            work.record("variables.corrected", instance_id="c1")
    assert values(room)["quality"].value == 50


def test_incidents_and_how_quickly_they_were_met_in_working_hours(room):
    a_case(room, "c1")
    friday, monday = MONDAY + timedelta(days=4, hours=8), MONDAY + timedelta(days=7, hours=1)
    with room.work(people.SYSTEM) as work:
        work.execute(insert(incident), {
            "id": "i1", "instance_id": "c1", "root_id": "c1", "kind": "service", "message": "m", "state": "resolved",
            "created_at": friday, "resolved_at": monday,
        })  # fmt: skip
    found = values(room)
    assert found["incident_rate"].value == 100
    assert found["incident_response"].value == 2  # the last hour of Friday and the first of Monday
    assert found["incident_response"].met is True


def test_due_work_counts_as_punctual_within_a_minute(room):
    with room.work(people.SYSTEM) as work:
        for n, seconds in enumerate((0, 60, 61, 3600)):
            work.execute(insert(job), {
                "id": f"j{n}", "kind": "timer", "due_at": MONDAY, "state": "done", "payload": {}, "attempts": 1,
                "max_attempts": 5, "fence": 1, "created_at": MONDAY, "done_at": MONDAY + timedelta(seconds=seconds),
            })  # fmt: skip
    assert values(room)["punctuality"].value == 50
    assert values(room, department="sales")["punctuality"].value is None


def test_sign_ins_come_from_the_log(room):
    for login in ("anna", "anna", "nobody"):
        with pytest.raises(people.SignInRefused), room.work(people.SYSTEM) as work:
            people.authenticate(work, login, "a wrong one")
    with room.work(people.SYSTEM) as work:
        people.open_session(work, people.resolve(work, "anna"))
    assert values(room)["refused_sign_ins"].value == 75


def test_a_period_holds_its_first_moment_and_not_its_last(room):
    a_case(room, "c1", started=MARCH[0])
    a_case(room, "c2", started=MARCH[1])
    assert facts(room)["cases_started"] == 1
    assert facts(room, MARCH[1], MARCH[1] + timedelta(days=1))["cases_started"] == 1


def test_a_department_and_a_person_are_measured_by_what_is_theirs(room):
    anna = actor(room, "anna").id
    a_case(room, "c1", department="sales")
    a_case(room, "c2")
    a_task(room, "t1", "c1", hours=1, by=anna)
    a_task(room, "t2", "c1", hours=1, by=actor(room, "eva").id)
    assert facts(room, department="sales")["cases_started"] == 1
    assert facts(room, department="sales")["tasks_closed"] == 1
    assert facts(room, person_id=anna)["tasks_closed"] == 1


def test_a_period_backwards_is_refused(room):
    with pytest.raises(Invalid, match="end after it begins"):
        facts(room, MARCH[1], MARCH[0])


def test_figures_are_for_those_whose_role_is_to_see_them(room):
    with pytest.raises(NotAllowed, match="reports"), room.read(actor(room, "anna")) as work:
        indicators.measure(work, *MARCH)
    with room.read(actor(room, "eva")) as work:
        assert indicators.measure(work, *MARCH)


def test_a_line_over_time_has_one_point_for_each_period(room):
    a_case(room, "c1")
    with room.read(people.SYSTEM) as work:
        points = indicators.series(work, [MARCH, (MARCH[1], MARCH[1] + timedelta(days=30))])
    assert [point[0].facts for point in points] == [{"jobs_done": 0, "jobs_punctual": 0}] * 2
