"""What is due when: claimed once, tried again, given up at last, whoever and how many work on it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from engine import jobs, people
from engine.errors import Conflict, NotFound
from engine.schema import job
from tests.engine.rooms import BOTH, opened_on, rows


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    yield from opened_on(request.param, tmp_path / "var")


def plan(room, kind: str = "test", minutes: float = 0, **more) -> str:
    with room.work(people.SYSTEM) as work:
        return jobs.schedule(work, kind, work.now + timedelta(minutes=minutes), **more)


def claim(room, worker: str = "one", limit: int = 20) -> list[jobs.Job]:
    return jobs.claim_due(room, people.SYSTEM, worker, limit)


def finish(room, claimed: jobs.Job) -> None:
    with room.work(people.SYSTEM) as work:
        jobs.done(work, claimed)


def fail(room, claimed: jobs.Job, why: str = "it broke") -> bool:
    with room.work(people.SYSTEM) as work:
        return jobs.failed(work, claimed, why)


def state(room, job_id: str):
    return rows(room, select(job).where(job.c.id == job_id))[0]


# --- claiming -----------------------------------------------------------------------------------
def test_what_is_not_due_yet_is_not_claimed(room):
    later, now = plan(room, minutes=5), plan(room)
    claimed = claim(room)
    assert [one.id for one in claimed] == [now]
    finish(room, claimed[0])
    room.clock.move(minutes=5)
    assert [one.id for one in claim(room)] == [later]


def test_overdue_jobs_come_in_the_order_in_which_they_were_due(room):
    third, first, second = plan(room, minutes=3), plan(room, minutes=1), plan(room, minutes=2)
    room.clock.move(hours=1)
    assert [one.id for one in claim(room)] == [first, second, third]


def test_a_second_worker_passes_over_what_the_first_holds(room):
    plan(room)
    assert len(claim(room, "one")) == 1
    assert claim(room, "two") == []


def test_when_a_worker_dies_its_jobs_are_taken_over_after_the_lease(room):
    job_id = plan(room)
    lost = claim(room, "one")[0]
    room.clock.move(seconds=jobs.LEASE.total_seconds() + 1)
    taken = claim(room, "two")[0]
    assert taken.id == job_id
    assert taken.fence == lost.fence + 1
    assert taken.attempts == 2


def test_who_comes_back_after_his_lease_finds_another_fence_and_is_refused(room):
    job_id = plan(room)
    late = claim(room, "one")[0]
    room.clock.move(minutes=3)
    taken = claim(room, "two")[0]
    with pytest.raises(Conflict, match="taken over"):
        finish(room, late)
    fail(room, late, "too late to say so")
    assert state(room, job_id)["error"] is None
    finish(room, taken)
    assert state(room, job_id)["state"] == "done"


def test_a_late_worker_cannot_finish_even_when_the_other_has_finished(room):
    job_id = plan(room)
    late = claim(room, "one")[0]
    room.clock.move(minutes=3)
    finish(room, claim(room, "two")[0])
    with pytest.raises(Conflict):
        finish(room, late)
    with room.work(people.SYSTEM) as work:
        jobs.give_back(work, late)
    assert state(room, job_id)["state"] == "done"


def test_many_workers_at_once_do_every_job_exactly_once(room):
    wanted = {plan(room) for _ in range(40)}
    done, start = [], threading.Barrier(4)

    def work_off(name: str):
        start.wait()
        while batch := claim(room, name, 5):
            for one in batch:
                finish(room, one)
                done.append(one.id)

    threads = [threading.Thread(target=work_off, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(wanted)


def test_a_job_that_is_done_together_with_its_effect_is_not_done_without_it(room):
    job_id = plan(room)
    claimed = claim(room)[0]
    with pytest.raises(ZeroDivisionError), room.work(people.SYSTEM) as work:
        jobs.done(work, claimed)
        raise ZeroDivisionError
    assert state(room, job_id)["state"] == "open"


# --- failing ------------------------------------------------------------------------------------
def test_pauses_grow_from_try_to_try_and_the_last_failure_is_the_end(room):
    job_id, pauses = plan(room, max_attempts=6), []
    for _ in range(5):
        assert fail(room, claim(room)[0])
        pause = state(room, job_id)["due_at"] - room.clock.now
        pauses.append(pause)
        assert claim(room) == []
        room.clock.move(seconds=pause.total_seconds())
    assert pauses == [*jobs.BACK_OFF, jobs.BACK_OFF[-1]]
    assert not fail(room, claim(room)[0], "for good")
    row = state(room, job_id)
    assert (row["state"], row["error"]) == ("failed", "for good")
    room.clock.move(days=9)
    assert claim(room) == []


def test_a_failed_job_is_opened_again_by_hand_with_fresh_tries(room):
    job_id = plan(room, max_attempts=1)
    assert not fail(room, claim(room)[0])
    with room.work(people.SYSTEM) as work:
        jobs.retry(work, job_id)
    again = claim(room)[0]
    assert (again.id, again.attempts) == (job_id, 1)


def test_what_cannot_succeed_is_not_tried_again(room):
    job_id = plan(room)
    claimed = claim(room)[0]
    with room.work(people.SYSTEM) as work:
        assert not jobs.failed(work, claimed, "never", for_good=True)
    assert state(room, job_id)["state"] == "failed"


def test_only_a_failed_job_can_be_opened_again(room):
    job_id = plan(room)
    with pytest.raises(NotFound), room.work(people.SYSTEM) as work:
        jobs.retry(work, job_id)


def test_a_conflict_costs_no_try_and_a_later_beat_looks_again_not_the_same_one_in_a_circle(room):
    plan(room)
    for _ in range(20):
        claimed = claim(room)[0]
        assert claimed.attempts == 1
        with room.work(people.SYSTEM) as work:
            jobs.give_back(work, claimed)
        assert claim(room) == []
        room.clock.move(seconds=6)


# --- moving and cancelling ----------------------------------------------------------------------
def test_a_cancelled_job_is_never_claimed_and_a_claimed_one_no_longer_counts(room):
    plan(room, instance_id="i", token=1)
    held = claim(room)[0]
    with room.work(people.SYSTEM) as work:
        jobs.cancel(work, "i", [1])
    with pytest.raises(Conflict):
        finish(room, held)
    room.clock.move(days=1)
    assert claim(room) == []


def test_a_timer_that_is_moved_fires_at_the_new_moment_only(room):
    job_id = plan(room, "timer", minutes=10, instance_id="i", token=1)
    with room.work(people.SYSTEM) as work:
        assert jobs.postpone(work, "i", 1, "timer", work.now + timedelta(minutes=30))
        assert not jobs.postpone(work, "i", 2, "timer", work.now)
    room.clock.move(minutes=10)
    assert claim(room) == []
    room.clock.move(minutes=20)
    assert [one.id for one in claim(room)] == [job_id]


def test_who_held_a_timer_that_was_moved_meanwhile_is_refused(room):
    plan(room, "timer", instance_id="i", token=1)
    held = claim(room)[0]
    with room.work(people.SYSTEM) as work:
        jobs.postpone(work, "i", 1, "timer", work.now + timedelta(minutes=30))
    with pytest.raises(Conflict):
        finish(room, held)


def test_timer_starts_of_replaced_versions_start_nothing(room):
    plan(room, "start", definition_id="old")
    kept = plan(room, "start", definition_id="new")
    with room.work(people.SYSTEM) as work:
        jobs.cancel_starts(work, ["old"])
    assert [one.id for one in claim(room)] == [kept]


# --- clocks -------------------------------------------------------------------------------------
def test_a_clock_that_is_set_back_fires_nothing_twice(room):
    plan(room)
    finish(room, claim(room)[0])
    room.clock.move(hours=-2)
    assert claim(room) == []
    room.clock.move(hours=4)
    assert claim(room) == []


def test_a_timer_far_in_the_future_waits_and_one_far_in_the_past_fires_once(room):
    plan(room, minutes=60 * 24 * 365 * 50)
    past = plan(room, minutes=-60 * 24 * 365)
    assert [one.id for one in claim(room)] == [past]
    assert claim(room) == []


def test_the_loop_is_woken_for_what_is_planned_after_it_is_kept(room):
    woken = []
    room.on_wake(woken.append)
    with pytest.raises(ZeroDivisionError), room.work(people.SYSTEM) as work:
        jobs.schedule(work, "test", work.now)
        raise ZeroDivisionError
    assert woken == []
    plan(room, minutes=3)
    assert woken == [room.clock.now + timedelta(minutes=3)]


# --- figures ------------------------------------------------------------------------------------
def test_the_next_moment_is_that_of_the_first_job_that_nobody_holds(room):
    with room.read(people.SYSTEM) as work:
        assert jobs.next_due(work) is None
    plan(room)
    plan(room, minutes=7)
    claim(room)
    with room.read(people.SYSTEM) as work:
        assert jobs.next_due(work) == room.clock.now + timedelta(minutes=7)


def test_open_overdue_and_failed_jobs_are_counted(room):
    plan(room, minutes=-1)
    plan(room, minutes=1)
    plan(room, minutes=-2, max_attempts=1)
    fail(room, claim(room, limit=1)[0])
    with room.read(people.SYSTEM) as work:
        assert jobs.waiting(work) == {"open": 2, "overdue": 1, "failed": 1}
