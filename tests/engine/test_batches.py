"""One verb on many cases: each in its own transaction, done by the worker, told case by case."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from engine import batches, history, people
from engine.errors import Conflict, Invalid, NotAllowed
from engine.schema import batch_item, event, instance, job
from tests.engine.rooms import BOTH
from tests.engine.small import Room, model, path, task_of


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    database = ""
    if request.param == "postgresql":
        from tests.services import fresh_postgresql

        database = fresh_postgresql()
    one = Room(tmp_path / "var", database)
    one.deploy(small=model(path(task_of("a"), ids=("a",))))
    yield one
    one.close()


def begun(room: Room, verb: str, ids: list[str], reason: str = "An inquiry.", who: str = "ada", **more) -> str:
    with room.platform.work(room.actor(who)) as work:
        return batches.begin(work, verb, ids, reason, **more)


def seen(room: Room, batch_id: str) -> tuple[str, int, int, int]:
    """(state, done, refused, waiting)"""
    with room.platform.read(room.actor("ada")) as work:
        row = batches.one(work, batch_id)
    return row["state"], row["done"], row["refused"], row["waiting"]


def states(room: Room, ids: list[str]) -> list[str]:
    return [room.row(one)["state"] for one in ids]


def test_each_case_stands_for_itself_and_a_refusal_is_told_with_its_reason(room):
    ids = [room.start() for _ in range(3)]
    first = begun(room, "suspend", ids[:1])
    room.beat()
    second = begun(room, "suspend", [*ids, "nonsense", ids[2]])
    assert seen(room, first) == ("done", 1, 0, 0) and seen(room, second) == ("running", 0, 0, 4)
    room.beat()
    assert seen(room, second) == ("done", 2, 2, 0) and states(room, ids) == ["suspended"] * 3
    with room.platform.read(room.actor("ada")) as work:
        whys = [str(one["why"]) for one in batches.items(work, second, "refused")]
    assert whys == [f"Case {room.row(ids[0])['number']} is already suspended.", "There is no such case."]


def test_the_log_of_each_case_says_who_did_it_and_why(room):
    case = room.start()
    begun(room, "suspend", [case], "The law changed.")
    room.beat()
    with room.platform.read(people.SYSTEM) as work:
        (said,) = work.all(select(event).where(event.c.root_id == case, event.c.type == "case.suspended"))
        kinds = set(work.execute(select(event.c.type).where(event.c.type.like("batch.%"))).scalars())
        assert history.verify(work).faults == ()
    assert (said["actor_id"], said["reason"]) == (room.actor("ada").id, "The law changed.")
    assert kinds == {"batch.begun", "batch.ended"}


def test_portions_give_other_jobs_their_turn_and_come_to_an_end(room, monkeypatch):
    monkeypatch.setattr(batches, "PORTION", 2)
    ids = [room.start() for _ in range(5)]
    one = begun(room, "cancel", ids)
    room.beat()
    assert seen(room, one) == ("done", 5, 0, 0) and states(room, ids) == ["cancelled"] * 5
    with room.platform.read(people.SYSTEM) as work:
        assert work.execute(select(func.count()).where(job.c.kind == "batch", job.c.state == "done")).scalar() == 3


def test_what_was_stopped_is_left_alone_until_it_goes_on(room):
    ids = [room.start() for _ in range(2)]
    one = begun(room, "suspend", ids)
    with room.platform.work(room.actor("ada")) as work:
        batches.stop(work, one, "Not now.")
    room.beat()
    assert seen(room, one) == ("stopped", 0, 0, 2) and states(room, ids) == ["active"] * 2
    with room.platform.work(room.actor("ada")) as work:
        batches.go_on(work, one, "Now.")
    room.beat()
    assert seen(room, one) == ("done", 2, 0, 0) and states(room, ids) == ["suspended"] * 2
    with pytest.raises(Conflict), room.platform.work(room.actor("ada")) as work:
        batches.go_on(work, one, "Once more.")


def test_what_was_refused_can_be_tried_again_and_what_was_done_is_not(room):
    ids = [room.start() for _ in range(2)]
    begun(room, "suspend", ids[:1])
    room.beat()
    one = begun(room, "suspend", ids)
    room.beat()
    begun(room, "resume", ids[:1])
    room.beat()
    with room.platform.work(room.actor("ada")) as work:
        batches.go_on(work, one, "The first one runs again.")
    room.beat()
    assert seen(room, one) == ("done", 2, 0, 0) and states(room, ids) == ["suspended"] * 2
    with room.platform.read(people.SYSTEM) as work:
        told = select(func.count()).where(event.c.root_id == ids[1], event.c.type == "case.suspended")
        assert work.execute(told).scalar() == 1


def test_a_worker_that_died_in_a_portion_is_followed_by_another_and_nothing_is_done_twice(room, monkeypatch):
    ids = [room.start() for _ in range(3)]
    one = begun(room, "suspend", ids)
    real, count = batches._one, []

    def dies(*of):
        count.append(of)
        if len(count) == 2:
            raise KeyboardInterrupt
        return real(*of)

    monkeypatch.setattr(batches, "_one", dies)
    with pytest.raises(KeyboardInterrupt):
        room.beat()
    monkeypatch.setattr(batches, "_one", real)
    assert seen(room, one) == ("running", 1, 0, 2)
    room.beat(minutes=5)
    assert seen(room, one) == ("done", 3, 0, 0)


def test_a_broken_case_holds_up_no_other(room, monkeypatch):
    ids = [room.start() for _ in range(2)]
    one = begun(room, "suspend", ids)
    real = batches.VERBS["suspend"]

    def breaks(work, instance_id, *more):
        if instance_id == ids[0]:
            raise RuntimeError("boom")
        real(work, instance_id, *more)

    monkeypatch.setitem(batches.VERBS, "suspend", breaks)
    room.beat()
    assert seen(room, one) == ("done", 1, 1, 0) and states(room, ids) == ["active", "suspended"]
    with room.platform.read(room.actor("ada")) as work:
        (broken,) = batches.items(work, one, "refused")
    assert "boom" not in str(broken["why"])


def test_only_who_may_do_it_to_one_may_do_it_to_many_and_with_a_reason(room):
    case = room.start()
    with pytest.raises(NotAllowed):
        begun(room, "suspend", [case], who="anna")
    for wrong in ({"ids": [case], "reason": " "}, {"ids": []}, {"ids": [case], "verb": "burn"}):
        with pytest.raises(Invalid):
            begun(room, **{"verb": "suspend", **wrong})
    one = begun(room, "suspend", [case])
    with pytest.raises(NotAllowed), room.platform.read(room.actor("anna")) as work:
        batches.one(work, one)


def test_rights_are_those_of_the_moment_in_which_a_case_is_come_to(room):
    case = room.start()
    one = begun(room, "suspend", [case])
    with room.platform.work(people.SYSTEM) as work:
        people.deactivate(work, room.ids["ada"])
    room.beat()
    assert states(room, [case]) == ["active"]
    with room.platform.read(people.SYSTEM) as work:
        (item,) = work.all(select(batch_item).where(batch_item.c.batch_id == one))
    assert item["state"] == "refused"


def test_cases_are_chosen_by_version_or_by_process_and_a_called_one_rests_with_its_case(room):
    call = (
        '<bpmn:callActivity id="call" name="call"><bpmn:extensionElements><zeebe:calledElement processId="small"/>'
        "</bpmn:extensionElements></bpmn:callActivity>"
    )
    room.deploy(outer=model(path(call, ids=("call",)), "outer"))
    single, whole = room.start(), room.start("outer")
    with room.platform.read(people.SYSTEM) as work:
        child = work.execute(select(instance.c.id).where(instance.c.parent_id == whole)).scalar()
    version = room.row(single)["definition_id"]
    with room.platform.read(room.actor("ada")) as work:
        assert set(batches.chosen(work, "suspend", definition_id=version)) == {single, whole}
        assert set(batches.chosen(work, "migrate", process_key="small")) == {single, child}
        assert batches.chosen(work, "resume", process_key="small") == []
        assert batches.how_many(work, process_key="outer") == {"suspend": 1, "resume": 0, "cancel": 1, "migrate": 1}


def test_a_case_that_somebody_else_changes_at_that_moment_is_tried_again(room, monkeypatch):
    case = room.start()
    one = begun(room, "suspend", [case])
    real, tries = batches.VERBS["suspend"], []

    def meets(work, instance_id, *more):
        tries.append(instance_id)
        real(work, instance_id, *more)
        if len(tries) == 1:
            raise Conflict("Somebody else was faster.")

    monkeypatch.setitem(batches.VERBS, "suspend", meets)
    room.beat()
    assert seen(room, one) == ("done", 1, 0, 0) and len(tries) == 2


def test_a_batch_that_is_gone_is_no_trouble_for_the_worker(room):
    one = begun(room, "suspend", [room.start()])
    with room.platform.work(people.SYSTEM) as work:
        work.execute(update(batch_item).where(batch_item.c.batch_id == one).values(state="done"))
    room.beat()
    assert seen(room, one)[0] == "done"
