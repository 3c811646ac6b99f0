"""The heartbeat under strain: slow work, a step that runs into a limit, holidays that were published meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from engine import calendars, history, mailbox, notifications, people, repository, runtime
from engine.assembly import prepare
from engine.schema import event, incident, job, task
from engine.worker import Worker
from tests.engine.rooms import person, rows
from tests.engine.test_access import HEAD, OTHER, start

#: an hour after its start the case goes round and round without ever waiting
CIRCLE = f"""{HEAD}<bpmn:process id="circle" name="Circle" isExecutable="true">
  <bpmn:startEvent id="begin" name="Begin" />
  <bpmn:intermediateCatchEvent id="wait" name="Wait"><bpmn:timerEventDefinition id="t">
    <bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>
  <bpmn:exclusiveGateway id="again" name="Again?" default="out" />
  <bpmn:scriptTask id="count" name="Count"><bpmn:extensionElements>
    <zeebe:script expression="=n + 1" resultVariable="n" /></bpmn:extensionElements></bpmn:scriptTask>
  <bpmn:endEvent id="end" name="End" />
  <bpmn:sequenceFlow id="f1" sourceRef="begin" targetRef="wait" />
  <bpmn:sequenceFlow id="f2" sourceRef="wait" targetRef="again" />
  <bpmn:sequenceFlow id="f3" sourceRef="again" targetRef="count">
    <bpmn:conditionExpression>=n &gt;= 0</bpmn:conditionExpression></bpmn:sequenceFlow>
  <bpmn:sequenceFlow id="f4" sourceRef="count" targetRef="again" />
  <bpmn:sequenceFlow id="out" name="No" sourceRef="again" targetRef="end" />
</bpmn:process></bpmn:definitions>""".encode()


@pytest.fixture
def room(platform):
    person(platform, "anna", "staff", email="anna@bizday.example")
    person(platform, "fiona", "staff", "finance")
    with platform.work(people.SYSTEM) as work:
        prepare(work)
        repository.deploy(work, {"circle.bpmn": CIRCLE, "other.bpmn": OTHER})
    return platform


def test_work_that_takes_long_is_not_done_a_second_time_by_another_worker(room, monkeypatch):
    """Each mail takes 70 seconds; a lease lasts two minutes, and eight mails were claimed at once."""
    sent: list[str] = []
    other = Worker(room, "two")

    def slowly(settings, letter):
        sent.append(letter["Message-ID"])
        room.clock.move(seconds=70)
        if len(sent) == 2:
            other.beat()

    monkeypatch.setattr(mailbox, "post", slowly)
    with room.work(people.SYSTEM) as work:
        for n in range(8):
            notifications.tell(work, ["anna"], "case_completed", {"number": f"C-{n}"})
    Worker(room, "one").beat()
    assert len(sent) == len(set(sent)) == 8
    assert {row["attempts"] for row in rows(room, select(job).where(job.c.kind == "mail"))} == {1}


def test_a_timer_that_leads_into_a_circle_ends_in_an_incident_and_not_in_a_circle_of_the_worker(room):
    case_id = start(room, "anna", "circle", n=1)
    room.clock.move(hours=2)
    worker = Worker(room, "one")
    for _ in range(5):
        worker.beat()
        room.clock.move(minutes=5)
    raised = rows(room, select(incident).where(incident.c.instance_id == case_id))
    assert sorted(row["kind"] for row in raised) == ["limit", "timer"]
    timer = rows(room, select(job).where(job.c.kind == "timer"))[0]
    assert (timer["state"], timer["attempts"]) == ("failed", 1)


def test_a_case_that_ran_into_a_limit_goes_on_after_its_data_was_corrected(room):
    case_id = start(room, "anna", "circle", n=1)
    room.clock.move(hours=2)
    Worker(room, "one").beat()
    raised = {row["kind"]: row["id"] for row in rows(room, select(incident))}
    with room.work(people.SYSTEM) as work:
        runtime.set_variables(work, case_id, 0, {"n": -1}, "It counted for ever.")
        runtime.resolve(work, raised["timer"], "retry", "The number is right now.")
    Worker(room, "one").beat()
    with room.read(people.SYSTEM) as work:
        assert runtime.load(work, case_id).row["state"] == "completed"


def test_holidays_that_are_published_meanwhile_move_what_was_provisional(room):
    room.clock.now = datetime(2030, 3, 4, 1, 30, tzinfo=UTC)  # a Monday of a year that is not published
    with room.work(people.SYSTEM) as work:
        work.execute(update(job).values(due_at=work.now + timedelta(hours=1)))
    start(room, "anna", "other")
    before = rows(room, select(task))[0]
    assert (before["provisional"], before["due_at"]) == (True, datetime(2030, 3, 6, 1, 30, tzinfo=UTC))
    off = frozenset({date(2030, 3, 4), date(2030, 3, 5)})
    room.calendar = calendars.Calendar(replace(room.policies.calendar, extra_holidays=off))
    room.clock.move(hours=2)
    Worker(room, "one").beat()
    after = rows(room, select(task))[0]
    assert after["due_at"] == datetime(2030, 3, 7, 10, tzinfo=UTC)  # two days later, to the end of the second one
    assert after["calendar_version"] == room.calendar.version
    waiting = rows(room, select(job).where(job.c.kind == "sla", job.c.state == "open"))
    assert [one["due_at"] for one in waiting] == [after["remind_at"]]
    told = rows(room, select(event).where(event.c.type == "task.rescheduled"))
    assert [row["data"]["new"] for row in told] == [after["due_at"].isoformat()]


def test_what_is_not_provisional_stays_as_it_was_promised(room):
    start(room, "anna", "other")
    before = rows(room, select(task))[0]
    off = frozenset({date(2026, 3, 3)})
    room.calendar = calendars.Calendar(replace(room.policies.calendar, extra_holidays=off))
    room.clock.move(days=1)
    Worker(room, "one").beat()
    assert rows(room, select(task))[0]["due_at"] == before["due_at"]


def test_the_log_is_sealed_every_day_and_a_day_without_a_worker_is_made_up_once(room):
    worker = Worker(room, "one")
    for days in (1, 1, 3):
        room.clock.move(days=days, minutes=1)
        worker.beat()
    seals = rows(room, select(event.c.at).where(event.c.type == "log.sealed"))
    assert len(seals) >= 3
    opened = rows(room, select(job.c.kind, job.c.due_at).where(job.c.state == "open", job.c.kind.in_(("seal", "sweep"))))
    assert sorted(row["kind"] for row in opened) == ["seal", "sweep"]
    assert all(row["due_at"] > room.clock.now for row in opened)
    with room.read(people.SYSTEM) as work:
        assert history.verify(work).faults == ()


def test_preparing_a_second_time_plans_nothing_twice(room):
    with room.work(people.SYSTEM) as work:
        prepare(work)
    planned = rows(room, select(job.c.kind).where(job.c.state == "open"))
    assert sorted(row["kind"] for row in planned) == ["seal", "sweep"]


def test_three_workers_at_once_do_everything_once(room):
    for _ in range(6):
        start(room, "anna", "other")
    room.clock.move(days=2)
    workers = [Worker(room, f"w{n}") for n in range(3)]
    threads = [threading.Thread(target=worker.beat) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reminded = rows(room, select(event.c.task_id).where(event.c.type == "task.reminded"))
    assert len(reminded) == len({row["task_id"] for row in reminded}) == 6
    past = rows(room, select(job.c.state).where(job.c.kind == "seal", job.c.due_at < room.clock.now))
    assert {row["state"] for row in past} == {"done"}
