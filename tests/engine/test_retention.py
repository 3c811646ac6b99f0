"""What is past its time is cleaned away where policy lets it, listed where people decide, and else kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from engine import history, people, retention
from engine.errors import NotAllowed
from engine.schema import batch, batch_item, draft, event, job, request
from tests.engine.rooms import actor, opened, person, rows


@pytest.fixture
def room(tmp_path):
    yield from opened(tmp_path / "var")


def count(room, table) -> int:
    return rows(room, select(func.count().label("n")).select_from(table))[0]["n"]


def sweep(room) -> dict:
    with room.work(people.SYSTEM) as work:
        return retention.sweep(work)


def some_rows(room) -> None:
    with room.work(people.SYSTEM, key="k1", fingerprint="f") as work:
        work.execute(insert(draft), {"id": "d", "person_id": "p", "process_key": "k", "answers": {}, "at": work.now})
        for n, state in enumerate(("done", "open", "failed")):
            done_at = work.now if state == "done" else None
            work.execute(insert(job), {
                "id": f"j{n}", "kind": "test", "due_at": work.now, "state": state, "payload": {}, "attempts": 0,
                "max_attempts": 5, "fence": 0, "created_at": work.now, "done_at": done_at,
            })  # fmt: skip
        work.record("note.made")


def test_nothing_goes_before_its_time(room):
    some_rows(room)
    room.clock.move(days=29)
    assert sweep(room) == {}


def test_what_may_go_by_itself_goes_at_its_time_and_the_log_says_so(room):
    some_rows(room)
    room.clock.move(days=31)
    assert sweep(room) == {"requests": 1}
    room.clock.move(days=150)
    assert sweep(room) == {"jobs": 1}
    assert count(room, request) == 0
    told = rows(room, select(event.c.data).where(event.c.type == "records.swept").order_by(event.c.seq))
    assert [row["data"] for row in told] == [{"requests": 1}, {"jobs": 1}]


def test_a_job_that_is_open_or_failed_is_never_cleaned_away(room):
    some_rows(room)
    room.clock.move(days=36_000)
    sweep(room)
    assert sorted(row["state"] for row in rows(room, select(job.c.state))) == ["failed", "open"]


def test_what_people_decide_about_is_listed_and_stays(room):
    some_rows(room)
    room.clock.move(days=400)
    sweep(room)
    with room.read(people.SYSTEM) as work:
        due = {one.policy.key: one.count for one in retention.due(work)}
    assert due["start_drafts"] == 1
    assert count(room, draft) == 1


def test_the_log_is_whole_after_any_number_of_years(room):
    some_rows(room)
    before = count(room, event)
    room.clock.move(days=36_000)
    sweep(room)
    assert count(room, event) == before + 1
    with room.read(people.SYSTEM) as work:
        assert history.verify(work).faults == ()


def test_cleaning_a_second_time_finds_nothing_and_says_nothing(room):
    some_rows(room)
    room.clock.move(days=31)
    sweep(room)
    assert sweep(room) == {}
    assert count(room, event) == 2


def test_only_who_administers_the_platform_may_clean_it(room):
    person(room, "anna", "staff")
    for verb in (retention.sweep, retention.due):
        with pytest.raises(NotAllowed), room.work(actor(room, "anna")) as work:
            verb(work)
    room.clock.move(hours=1)
    assert timedelta(0) < room.clock.now - rows(room, select(event.c.at).limit(1))[0]["at"]


def test_an_act_on_many_cases_goes_with_its_list_when_it_has_ended_and_not_before(room):
    with room.work(people.SYSTEM) as work:
        for state, ended in (("done", work.now), ("stopped", work.now), ("running", None)):
            work.execute(insert(batch), {
                "id": state, "verb": "suspend", "reason": "r", "mapping": {}, "total": 1, "state": state,
                "created_at": work.now, "ended_at": ended,
            })  # fmt: skip
            work.execute(insert(batch_item), {"batch_id": state, "position": 0, "instance_id": "i", "state": "waiting"})
    room.clock.move(days=399)
    assert "batches" not in sweep(room)
    room.clock.move(days=2)
    assert sweep(room)["batches"] == 2
    assert [row["id"] for row in rows(room, select(batch.c.id))] == ["running"]
    assert [row["batch_id"] for row in rows(room, select(batch_item.c.batch_id))] == ["running"]
