"""The log tells of every hand laid on it: what was changed, removed, reordered, cut or forged is located."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, insert, select, update

from engine import history, people
from engine.errors import Conflict
from engine.schema import chain, content, definition, deployment, event, instance
from tests.engine.rooms import BOTH, opened_on, rows

CASE, OTHER = "c" * 32, "d" * 32


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    for platform in opened_on(request.param, tmp_path / "var"):
        with platform.work(people.SYSTEM) as work:
            a_case(work, CASE, "C-1")
            a_case(work, OTHER, "C-2")
        for n in range(1, 6):
            say(platform, CASE, f"step {n}")
        say(platform, OTHER, "another case")
        say(platform, None, "the platform itself")
        yield platform


def a_case(work, case_id: str, number: str) -> None:
    """A row of a case without an engine behind it: the log needs no more."""
    if work.one(select(content.c.digest)) is None:
        work.execute(insert(content), {"digest": "0" * 64, "bytes": b"model"})
        work.execute(insert(deployment), {"id": "dep", "at": work.now, "by_id": "system", "files": {}})
        work.execute(
            insert(definition),
            {"id": "def", "key": "k", "version": 1, "name": "K", "digest": "0" * 64, "deployment_id": "dep",
             "state": "active", "startable": True, "deployed_at": work.now},
        )  # fmt: skip
    work.execute(
        insert(instance),
        {"id": case_id, "number": number, "title": number, "process_key": "k", "definition_id": "def",
         "root_id": case_id, "state": "active", "started_at": work.now, "version": 1, "next_token": 0},
    )  # fmt: skip


def say(platform, stream: str | None, what: str) -> None:
    platform.clock.move(minutes=1)
    with platform.work(people.SYSTEM) as work:
        if stream:
            work.head(stream)
        work.record("note.made", instance_id=stream, data={"what": what})


def tamper(platform, *statements) -> None:
    """Somebody with a database client and without the key."""
    with platform.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def faults(platform, stream: str | None = None) -> list[tuple[str, int, str]]:
    with platform.read(people.SYSTEM) as work:
        return [(fault.stream, fault.seq, fault.kind) for fault in history.verify(work, stream).faults]


def of_case(seq: int):
    return (event.c.stream == CASE) & (event.c.seq == seq)


# --- an honest log ----------------------------------------------------------------------------
def test_an_untouched_log_has_no_fault_and_counts_everything(room):
    with room.read(people.SYSTEM) as work:
        report = history.verify(work)
    assert report.faults == ()
    assert (report.streams, report.events) == (3, 7)


def test_records_are_numbered_in_each_chain_and_chained_to_the_one_before(room):
    made = rows(room, select(event).where(event.c.stream == CASE).order_by(event.c.seq))
    assert [row["seq"] for row in made] == [1, 2, 3, 4, 5]
    before = ""
    for row in made:
        assert row["mac"] == history.seal_of(room.log_key, before, dict(row), row["seq"])
        before = row["mac"]


def test_a_record_is_written_with_what_it_tells_of_or_not_at_all(room):
    with pytest.raises(RuntimeError), room.work(people.SYSTEM) as work:
        work.head(CASE)
        work.record("note.made", instance_id=CASE)
        raise RuntimeError("the change failed")
    assert rows(room, select(func.count().label("n")).select_from(event))[0]["n"] == 7
    assert faults(room) == []


def test_two_who_write_to_one_chain_at_once_do_not_both_win(room):
    """The second read the head before the first wrote, as it can on a database that does not lock it."""
    mac = rows(room, select(event.c.mac).where(of_case(4)))[0]["mac"]
    with pytest.raises(Conflict), room.work(people.SYSTEM) as work:
        work.heads[CASE] = history.Head(4, mac)
        work.record("note.made", instance_id=CASE)
    assert faults(room) == []


# --- hands laid on it -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        {"data": {"what": "something else"}}, {"actor_id": "somebody"}, {"reason": "a reason"},
        {"type": "note.lost"}, {"element_id": "elsewhere"}, {"for_id": "another"}, {"task_id": "t"},
        {"token": 7}, {"root_id": OTHER}, {"at": None},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_changed_column_is_found_in_its_record(room, change):
    if "at" in change:
        change = {"at": room.clock.move(days=1)}
    tamper(room, update(event).where(of_case(3)).values(**change))
    assert faults(room) == [(CASE, 3, "changed")]


def test_a_removed_record_is_missed_at_its_place(room):
    tamper(room, delete(event).where(of_case(3)))
    assert faults(room) == [(CASE, 3, "removed")]


def test_a_record_removed_and_the_rest_renumbered_shows_where_it_was(room):
    tamper(room, delete(event).where(of_case(3)), update(event).where(of_case(4)).values(seq=3),
           update(event).where(of_case(5)).values(seq=4))  # fmt: skip
    found = faults(room)
    assert (CASE, 3, "changed") in found
    assert (CASE, 4, "cut") in found


def test_two_records_that_changed_places_are_both_found(room):
    for old, new in ((2, 99), (3, 2), (99, 3)):
        tamper(room, update(event).where(of_case(old)).values(seq=new))
    found = faults(room)
    assert {(CASE, 2, "changed"), (CASE, 3, "changed")} <= set(found)


def test_a_record_put_in_by_hand_is_found(room):
    """Copied from another record, with the number that comes next."""
    copied = dict(rows(room, select(event).where(of_case(5)))[0]) | {"seq": 6}
    tamper(room, insert(event).values(**copied))
    assert (CASE, 6, "changed") in faults(room)


def test_a_cut_tail_shows(room):
    tamper(room, delete(event).where((event.c.stream == CASE) & (event.c.seq > 3)))
    assert faults(room) == [(CASE, 3, "cut")]


def test_a_chain_that_is_gone_altogether_shows(room):
    tamper(room, delete(event).where(event.c.stream == CASE))
    assert faults(room) == [(CASE, 5, "cut")]


def test_a_case_whose_row_is_gone_leaves_a_chain_without_an_owner(room):
    tamper(room, delete(instance).where(instance.c.id == CASE))
    assert faults(room) == [(CASE, 5, "removed")]


def test_a_cut_tail_with_a_head_to_match_was_not_signed_by_the_platform(room):
    mac = rows(room, select(event.c.mac).where(of_case(3)))[0]["mac"]
    tamper(room, delete(event).where((event.c.stream == CASE) & (event.c.seq > 3)),
           update(instance).where(instance.c.id == CASE).values(log_seq=3, log_mac=mac))  # fmt: skip
    assert faults(room) == [(CASE, 3, "forged")]


def test_a_chain_computed_anew_with_another_key_is_found(room):
    made, before = rows(room, select(event).where(event.c.stream == CASE).order_by(event.c.seq)), ""
    key, changed = b"a key of the forger's own", []
    for row in made:
        new = dict(row) | {"data": {"what": "nothing happened"}}
        before = history.seal_of(key, before, new, row["seq"])
        changed.append(update(event).where(of_case(row["seq"])).values(data=new["data"], mac=before))
    head = {"log_mac": before, "log_head": history.head_of(key, CASE, 5, before)}
    tamper(room, *changed, update(instance).where(instance.c.id == CASE).values(**head))
    found = faults(room)
    assert (CASE, 1, "changed") in found
    assert (CASE, 5, "forged") in found


def test_the_platforms_own_chain_is_watched_too(room):
    tamper(room, update(event).where(event.c.stream == history.PLATFORM).values(reason="none"))
    assert faults(room) == [(history.PLATFORM, 1, "changed")]


def test_one_chain_can_be_asked_for_alone(room):
    tamper(room, update(event).where(of_case(3)).values(reason="none"))
    assert faults(room, OTHER) == []
    assert faults(room, CASE) == [(CASE, 3, "changed")]


# --- after the seal ---------------------------------------------------------------------------
def seal(platform) -> dict:
    with platform.work(people.SYSTEM) as work:
        return history.seal(work)


def test_putting_an_old_head_back_shows_against_the_seal(room):
    """The forger kept a true copy of the head from when the chain was shorter: only the seal betrays it."""
    old = dict(rows(room, select(instance.c.log_seq, instance.c.log_mac, instance.c.log_head).where(
        instance.c.id == CASE))[0])  # fmt: skip
    say(room, CASE, "what must not be known")
    assert seal(room)["streams"] == 2
    tamper(room, delete(event).where(of_case(6)), update(instance).where(instance.c.id == CASE).values(**old))
    assert faults(room) == [(CASE, 6, "cut")]


def test_a_case_that_disappears_after_the_seal_is_missed(room):
    seal(room)
    tamper(room, delete(event).where(event.c.stream == CASE), delete(instance).where(instance.c.id == CASE))
    assert faults(room) == [(CASE, 5, "cut")]


def test_a_head_that_was_sealed_and_then_rewritten_with_the_key_itself_still_differs_from_the_seal(room):
    """Whoever has the key can write a chain anew, but not the seal that was kept of it."""
    seal(room)
    row = dict(rows(room, select(event).where(of_case(5)))[0]) | {"data": {"what": "invented"}}
    before = rows(room, select(event.c.mac).where(of_case(4)))[0]["mac"]
    mac = history.seal_of(room.log_key, before, row, 5)
    head = {"log_mac": mac, "log_head": history.head_of(room.log_key, CASE, 5, mac)}
    tamper(room, update(event).where(of_case(5)).values(data=row["data"], mac=mac),
           update(instance).where(instance.c.id == CASE).values(**head))  # fmt: skip
    assert faults(room) == [(CASE, 5, "changed")]


def test_a_seal_that_was_changed_is_found_in_the_platforms_chain(room):
    seal(room)
    tamper(room, update(event).where(event.c.type == "log.sealed").values(data={"heads": {}, "digest": ""}))
    assert (history.PLATFORM, 2, "changed") in faults(room)


def test_a_chain_goes_on_after_its_seal_without_a_fault(room):
    seal(room)
    say(room, CASE, "more")
    seal(room)
    assert faults(room) == []


def test_a_head_that_is_missing_altogether_is_a_fault_of_the_platforms_chain(room):
    tamper(room, delete(chain))
    assert faults(room) == [(history.PLATFORM, 1, "removed")]


# --- reading ----------------------------------------------------------------------------------
def test_records_of_a_case_come_in_the_order_in_which_they_were_made(room):
    with room.read(people.SYSTEM) as work:
        said = [row["data"]["what"] for row in history.events(work, root_id=CASE)]
    assert said == [f"step {n}" for n in range(1, 6)]


def test_the_path_holds_only_what_the_engine_did(room):
    with room.work(people.SYSTEM) as work:
        work.head(CASE)
        for kind, element in (("element.activated", "a"), ("flow.taken", "f"), ("task.claimed", "a")):
            work.record(kind, instance_id=CASE, element_id=element)
    with room.read(people.SYSTEM) as work:
        assert [row["element_id"] for row in history.path(work, CASE)] == ["a", "f"]
