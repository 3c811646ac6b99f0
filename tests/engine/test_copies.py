"""Copies of a case (抄送): who may send and get one, what it opens, and who has read it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from engine import access, cases, copies, notifications, people, repository, runtime, tasks
from engine.errors import Invalid, NotAllowed, NotFound
from engine.lint import inspect
from engine.schema import event, incident, instance
from tests.engine.rooms import actor, person, rows
from tests.engine.small import model, path
from tests.engine.test_access import FOUR_EYES, decide, open_task, sees, stand_in, start


@pytest.fixture
def room(on_both):
    """anna asks, finance decides, clara and otto have nothing to do with it; paula is a partner, gerd has left."""
    for login, *groups in (("anna",), ("clara",), ("otto",), ("fiona", "finance"), ("frank", "finance")):
        person(on_both, login, "staff", *groups)
    person(on_both, "paula", "partners", kind="partner", ends_at=on_both.clock.now + timedelta(days=90))
    gone = person(on_both, "gerd", "staff")
    with on_both.work(people.SYSTEM) as work:
        people.deactivate(work, gone)
        repository.deploy(work, {"four_eyes.bpmn": FOUR_EYES})
    return on_both


def ids(room, *logins: str) -> list[str]:
    with room.read(people.SYSTEM) as work:
        return [people.by_login(work, login)["id"] for login in logins]


def send(room, case_id: str, by: str, *to: str, note: str = "") -> list[str]:
    with room.work(actor(room, by)) as work:
        return copies.send(work, cases.one(work, case_id), ids(room, *to), note)


def mine(room, login: str, acting_for: str | None = None, **asked):
    with room.read(actor(room, login, acting_for)) as work:
        return copies.list_(work, **asked)


def read(room, case_id: str, login: str, acting_for: str | None = None) -> bool:
    with room.work(actor(room, login, acting_for)) as work:
        return copies.mark_read(work, case_id)


def said(room, *types: str) -> list:
    return rows(room, select(event).where(event.c.type.in_(types)).order_by(event.c.seq))


def told(room, login: str, kind: str) -> list:
    notifications.catch_up(room)
    with room.read(actor(room, login)) as work:
        return [row for row in notifications.list_(work).rows if row["kind"] == kind]


# --- what a copy opens ------------------------------------------------------------------------------
def test_a_copy_opens_the_case_to_read_and_comment_and_nothing_else(room):
    case_id = start(room)
    assert not sees(room, case_id, "clara")
    send(room, case_id, "anna", "clara")
    assert sees(room, case_id, "clara")
    assert not sees(room, case_id, "otto")
    with room.work(actor(room, "clara")) as work:
        row = cases.one(work, case_id)
        assert [one["id"] for one in cases.list_(work).rows] == [case_id]
        tasks.add_comment(work, row, "Thank you.")
        able = {verb for kind, verb in access.RULES if kind == "instance" and access.may(work, verb, row, "instance")}
        assert able == {"see", "comment", "copy", "verify"}
        assert not [verb.name for verb in tasks.verbs(work, tasks.find(work, open_task(room, case_id)["id"])) if verb.allowed]
    with pytest.raises(NotAllowed), room.work(actor(room, "clara")) as work:
        runtime.complete(work, open_task(room, case_id)["id"], {})


def test_who_got_a_copy_may_send_it_on_and_who_sees_nothing_may_not(room):
    case_id = start(room)
    with room.read(people.SYSTEM) as work:
        row = cases.one(work, case_id)
    with pytest.raises(NotAllowed, match="not one that you may see"), room.work(actor(room, "clara")) as work:
        copies.send(work, row, ids(room, "clara"))
    send(room, case_id, "anna", "clara")
    send(room, case_id, "clara", "otto")
    assert sees(room, case_id, "otto")


def test_a_copy_is_no_part_in_the_decision_and_keeps_nobody_from_it(room):
    case_id = start(room)
    send(room, case_id, "anna", "fiona")
    decide(room, case_id, "fiona")
    assert open_task(room, case_id)["element_id"] == "second"


def test_a_substitute_sees_the_copies_of_whom_she_stands_in_for_but_does_not_read_them_for_her(room):
    case_id = start(room)
    send(room, case_id, "anna", "clara")
    stand_in(room, "clara", "otto")
    assert [row["root_id"] for row in mine(room, "otto", "clara").rows] == [case_id]
    assert read(room, case_id, "otto", "clara") is False
    assert mine(room, "clara").counts["copies"] == 1


# --- whom it may go to ------------------------------------------------------------------------------
def test_partners_visitors_and_who_has_left_get_no_copy_and_neither_does_anybody_with_them(room):
    case_id = start(room)
    with pytest.raises(Invalid, match="Paula is no employee"):
        send(room, case_id, "anna", "clara", "paula")
    with pytest.raises(NotFound, match="has left"):
        send(room, case_id, "anna", "clara", "gerd")
    assert not sees(room, case_id, "clara")
    assert not said(room, "case.copied")


def test_an_employee_who_becomes_a_partner_no_longer_sees_by_her_old_copies(room):
    case_id = start(room)
    send(room, case_id, "anna", "clara")
    with room.work(people.SYSTEM) as work:
        work.execute(people.person.update().where(people.person.c.login == "clara").values(kind="partner"))
    assert not sees(room, case_id, "clara")
    assert mine(room, "clara").rows == []


def test_nobody_is_no_answer_and_fifty_are_enough(room):
    case_id = start(room)
    with pytest.raises(Invalid, match="at least one"):
        send(room, case_id, "anna")
    many = [person(room, f"p{number}", "staff") for number in range(51)]
    with room.read(people.SYSTEM) as work:
        row = cases.one(work, case_id)
    with pytest.raises(Invalid, match="at most 50"), room.work(actor(room, "anna")) as work:
        copies.send(work, row, many)
    with room.work(actor(room, "anna")) as work:
        assert len(copies.send(work, row, [*many[:50], many[0]])) == 50


# --- reading ----------------------------------------------------------------------------------------
def test_a_copy_is_unread_until_it_is_opened_and_the_log_keeps_that_once(room):
    case_id = start(room)
    send(room, case_id, "anna", "clara", note="Please have a look.")
    assert mine(room, "clara").counts["copies"] == 1
    room.clock.move(minutes=5)
    assert [read(room, case_id, "clara"), read(room, case_id, "clara")] == [True, False]
    assert mine(room, "clara").counts["copies"] == 0
    assert len(said(room, "copy.read")) == 1
    with room.read(actor(room, "anna")) as work:
        (row,) = copies.of_case(work, case_id)
    assert (row["person_name"], row["by_name"], row["note"]) == ("Clara", "Anna", "Please have a look.")
    assert row["read_at"] - row["at"] == timedelta(minutes=5)


def test_sent_again_it_is_unread_again_with_the_new_note_and_stays_one_copy(room):
    case_id = start(room)
    send(room, case_id, "anna", "clara", note="First.")
    read(room, case_id, "clara")
    send(room, case_id, "anna", "clara", "otto", note="Second.")
    assert [(row["note"], row["read_at"]) for row in mine(room, "clara").rows] == [("Second.", None)]
    assert mine(room, "otto").total == 1
    assert [row["data"]["persons"] for row in said(room, "case.copied")] == [
        ids(room, "clara"), ids(room, "clara", "otto"),
    ]  # fmt: skip


def test_the_list_puts_the_unread_first_and_can_be_searched_and_leafed_through(room):
    made = []
    for number in range(3):
        room.clock.move(minutes=1)
        made.append(start(room))
        send(room, made[-1], "anna", "clara", note=f"note {number}")
    read(room, made[2], "clara")
    assert [row["root_id"] for row in mine(room, "clara").rows] == [made[1], made[0], made[2]]
    assert [row["root_id"] for row in mine(room, "clara", search="note 2").rows] == [made[2]]
    assert [row["root_id"] for row in mine(room, "clara", unread=True).rows] == [made[1], made[0]]
    second = mine(room, "clara", page=2, size=2)
    assert ([row["root_id"] for row in second.rows], second.total, second.pages) == ([made[2]], 3, 2)


def test_who_gets_a_copy_is_told_with_the_note(room):
    case_id = start(room)
    send(room, case_id, "anna", "clara", note="Please have a look.")
    (notice,) = told(room, "clara", "case_copied")
    assert "Please have a look." in notice["text"]
    assert notice["link"] == f"/cases/{case_id}"
    assert told(room, "anna", "case_copied") == []


def test_an_ended_case_can_still_be_copied(room):
    case_id = start(room)
    decide(room, case_id, "fiona")
    decide(room, case_id, "frank")
    assert rows(room, select(instance.c.state).where(instance.c.id == case_id))[0]["state"] == "completed"
    send(room, case_id, "anna", "clara")
    assert sees(room, case_id, "clara")


# --- by the model -----------------------------------------------------------------------------------
def copying(to: str, kind: str = "userTask") -> bytes:
    step = (
        f'<bpmn:{kind} id="a" name="Look"><bpmn:extensionElements><zeebe:userTask/>'
        '<zeebe:assignmentDefinition assignee="anna"/><zeebe:properties>'
        f'<zeebe:property name="bizday:copyTo" value="{to}"/></zeebe:properties></bpmn:extensionElements></bpmn:{kind}>'
    )
    return model(path(step, ids=("a",)), "copying")


def run(room, to: str, **variables) -> str:
    with room.work(people.SYSTEM) as work:
        repository.deploy(work, {"copying.bpmn": copying(to)})
        case_id = runtime.start_by(work, repository.latest(work, "copying"), "s", variables)["id"]
    with room.work(actor(room, "anna")) as work:
        runtime.complete(work, open_task(room, case_id)["id"], {})
    return case_id


def test_a_model_sends_copies_to_persons_and_groups_when_the_task_is_done(room):
    case_id = run(room, "=[who, &quot;finance&quot;, &quot;anna&quot;]", who="clara")
    with room.read(people.SYSTEM) as work:
        assert {row["person_name"]: row["by_name"] for row in copies.of_case(work, case_id)} == {
            "Clara": None, "Fiona": None, "Frank": None,
        }  # fmt: skip
    assert "Look" in told(room, "clara", "case_copied_by_model")[0]["text"]
    assert not sees(room, case_id, "otto")


@pytest.mark.parametrize("to", ["=null", "=[]", "=if who = &quot;x&quot; then [&quot;finance&quot;] else []"])
def test_a_model_may_say_that_nobody_gets_a_copy(room, to):
    run(room, to, who="clara")
    assert not said(room, "case.copied", "incident.raised")


def test_a_model_passes_over_partners_and_who_has_left(room):
    case_id = run(room, "paula, gerd, otto")
    with room.read(people.SYSTEM) as work:
        assert [row["person_name"] for row in copies.of_case(work, case_id)] == ["Otto"]


@pytest.mark.parametrize(("to", "why"), [("=[who]", "neither a person nor a group"), ("=7", "not a list of names")])
def test_a_copy_to_nobody_known_raises_an_incident_and_the_decision_stands(room, to, why):
    case_id = run(room, to, who="nobody-here")
    assert rows(room, select(instance.c.state).where(instance.c.id == case_id))[0]["state"] == "completed"
    (row,) = rows(room, select(incident).where(incident.c.root_id == case_id))
    assert why in row["message"]


def found(data: bytes) -> dict[str, str]:
    return {problem.rule: problem.sentence for problem in inspect(data).problems}


def test_lint_reads_the_property_like_every_other_expression():
    assert "cannot be read" in str(found(copying("=[who")))
    assert found(copying("=nofunction(1)"))["feel.unknown-function"]
    assert "never sent" in found(copying("=[]", "manualTask"))["task.copy-to"]
    assert "task.copy-to" not in found(copying("=[]"))
