"""The end of every case: what is still open, who confirms, and a record that proves later what was done."""

from __future__ import annotations

import io
import shutil
import zipfile

import pytest
from sqlalchemy import text

from engine import archive, documents, people, repository, runtime
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.conftest import open_at
from tests.processes.walk import (
    AROUND,
    BACK,
    CLOCK,
    HOLDER,
    SAYS,
    WITHDRAW,
    YES,
    Paper,
    Story,
    Walk,
    at,
    branches,
    local,
)

KEY, CASE = "case_closing", "case_initiation"
SMALL = {
    "title": "Chairs", "kind": "purchase", "description": "Twelve chairs for the new office.", "amount": 500,
    "party": "Chairs Ltd", "risk": "low", "documents": [Paper("quotation.txt")],
}  # fmt: skip
WORK, SETTLE, CLOSE = "do_work", "settle_open_points", "confirm_closing"
DONE = (HOLDER, WORK, {"result": "They were delivered.", "hours": 2, "documents": [Paper("invoice.txt")]})
LOOK = {"action": "look_again", "reason": "It was answered."}
ANYWAY = {"action": "close_anyway", "reason": "It does not matter here."}
ASKED = (SAYS, "bert", "Where is the invoice?")

STORIES = {
    "nothing is open": Story("anna", SMALL, (DONE, ("anna", CLOSE, YES)), "done"),
    "not confirmed, settled and looked at again": Story(
        "anna", SMALL, (DONE, ("anna", CLOSE, BACK), ("fiona", SETTLE, LOOK), ("fiona", CLOSE, YES)), "done"
    ),
    "closed in spite of a comment that nobody answered": Story(
        "anna", SMALL, (ASKED, DONE, ("anna", SETTLE, ANYWAY), ("anna", CLOSE, YES)), "done"
    ),
}  # fmt: skip


def closing(walk) -> dict:
    """What the case knows of its closing."""
    return walk.variables()["closing"]


def open_points(walk) -> list[str]:
    with walk.platform.read(people.SYSTEM) as work:
        (row,) = [row for row in walk.family() if row["process_key"] == KEY]
        return [one["item"] for one in runtime.load(work, row["id"]).execution.variables()["open_points"]]


@pytest.mark.parametrize("name", STORIES)
def test_story(walked, name):
    walk = walked(CASE, STORIES[name])
    assert closing(walk)["confirmed"] is True
    with walk.platform.read(walk.actor("anna")) as work:
        assert archive.verify(work, walk.id) == []


def test_every_branch_is_walked(walked):
    assert branches(KEY) - set().union(*(walked(CASE, story).taken(KEY) for story in STORIES.values())) == set()


def test_nobody_starts_it_by_hand(demo):
    with pytest.raises(NotAllowed):
        Walk(demo).start("ada", KEY, {"outcome": "done"})


# --- the checklist ------------------------------------------------------------------------------
def test_a_comment_without_an_answer_is_an_open_point_until_it_is_answered(demo):
    walk = Walk(demo).start("anna", CASE, SMALL).through([ASKED, DONE])
    assert (walk.waiting(), open_points(walk)) == ({SETTLE: 1}, ["comments"])
    walk.step("anna", SETTLE, LOOK)
    assert (walk.waiting(), open_points(walk)) == ({SETTLE: 1}, ["comments"])
    walk.through([(SAYS, "fiona", "It is attached."), ("anna", SETTLE, LOOK)])
    assert (walk.waiting(), open_points(walk)) == ({CLOSE: 1}, [])


def test_a_paper_of_a_task_that_nobody_finished_is_an_open_point(demo):
    walk = Walk(demo).start("anna", CASE, SMALL | {"amount": 5000, "risk": "medium"})
    walk.through([("bert", "vote_together", YES), (CLOCK, "", {"days": 7})])
    with demo.work(walk.actor("fiona")) as work:
        task_id = walk.task_at("report_progress")["id"]
        paper = documents.attach(work, io.BytesIO(b"Half of it."), "list.txt", task_id=task_id, field="report")
    walk.step(*DONE)
    assert (walk.waiting(), open_points(walk)) == ({SETTLE: 1}, ["documents"])
    with demo.work(walk.actor("fiona")) as work:
        documents.remove(work, paper["id"], "It was only a draft.")
    walk.step("fiona", SETTLE, LOOK)
    assert walk.waiting() == {CLOSE: 1}


def raised(work, case_id: str) -> None:
    runtime.raise_incident(work, case_id, "error", "The supplier's system does not answer.")


def test_an_open_incident_is_an_open_point_until_somebody_settles_it(demo):
    walk = Walk(demo).start("anna", CASE, SMALL)
    walk.through([(AROUND, raised, (walk.id,)), DONE])
    assert (walk.waiting(), open_points(walk)) == ({SETTLE: 1}, ["incidents"])
    (incident,) = walk.events("incident.raised")
    with demo.work(walk.actor("olga")) as work:
        runtime.resolve(work, incident["data"]["incident"], "retry", "It answers again.")
    walk.through([("anna", SETTLE, LOOK), ("anna", CLOSE, YES)]).ended("done")


def test_who_does_not_confirm_makes_her_reason_an_open_point(demo):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE, ("anna", CLOSE, BACK)])
    assert (walk.waiting(), open_points(walk)) == ({SETTLE: 1}, ["objection"])
    walk.through([("anna", SETTLE, LOOK), ("anna", CLOSE, YES)]).ended("done")
    assert (closing(walk)["open_points"], closing(walk)["settling"]) == ([], LOOK)


def test_what_is_closed_in_spite_of_is_kept_with_its_reason(walked):
    walk = walked(CASE, STORIES["closed in spite of a comment that nobody answered"])
    assert [one["item"] for one in closing(walk)["open_points"]] == ["comments"]
    assert closing(walk)["settling"] == ANYWAY
    with walk.platform.read(walk.actor("anna")) as work:
        assert archive.get(work, walk.id)["manifest"]["closing"] == closing(walk)


# --- who confirms -------------------------------------------------------------------------------
@pytest.mark.parametrize("login", ["anna", "fiona"])
def test_starter_or_person_in_charge_confirms(demo, login):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE, (login, CLOSE, YES)])
    walk.ended("done")
    assert walk.decisions()[-1] == (login, CLOSE, "approve")


@pytest.mark.parametrize("login", ["bert", "hanna", "ada", "cora", "eva"])
def test_nobody_else_confirms(demo, login):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE])
    with pytest.raises(AssertionError, match="has no task"):
        walk.do(login, CLOSE, YES)
    with pytest.raises((NotAllowed, NotFound)), demo.work(walk.actor(login)) as work:
        runtime.complete(work, walk.task_at(CLOSE)["id"], YES)
    assert walk.waiting() == {CLOSE: 1}


def test_compliance_confirms_where_the_platform_itself_started_it_and_nobody_is_in_charge(demo):
    asked = {"subject": "Chairs", "kind": "other", "amount": 0, "risk": "low", "summary": "A yearly check of chairs."}
    with demo.work(people.SYSTEM) as work:
        definition = repository.latest(work, "multi_level_approval")
        row = runtime.start_by(work, definition, "approval_asked", asked)
    walk = Walk(demo)
    walk.id = row["id"]
    walk.step(CLOCK, "", {"minutes": 1})
    walk.through([
        ("ada", "name_voters", {"persons": ["bert"], "reason": "He knows."}), ("bert", "vote_together", YES),
        ("cora", CLOSE, YES),
    ])  # fmt: skip
    walk.ended("approved")
    walk.intact()


@pytest.mark.parametrize("field", ["opinion", "reason"])
@pytest.mark.parametrize("said", [YES, BACK], ids=lambda said: said["decision"])
def test_opinion_and_reason_are_stated(demo, said, field):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE])
    assert walk.refused("anna", CLOSE, said | {field: ""}) == [field]


def test_settling_says_why(demo):
    walk = Walk(demo).start("anna", CASE, SMALL).through([ASKED, DONE])
    assert walk.refused("anna", SETTLE, ANYWAY | {"reason": " "}) == ["reason"]


# --- withdrawing --------------------------------------------------------------------------------
def test_she_withdraws_while_it_waits_to_be_confirmed_and_not_when_it_is_archived(demo):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE, (WITHDRAW, "anna", "We do it anew.")])
    assert (walk.row()["outcome"], walk.waiting()) == ("withdrawn", {})
    with demo.read(walk.actor("anna")) as work, pytest.raises(NotFound, match="no archive record"):
        archive.get(work, walk.id)
    archived = Walk(demo).start("anna", CASE, SMALL).through([DONE, ("anna", CLOSE, YES)])
    assert archived.row()["irreversible"]
    with pytest.raises(Conflict):
        archived.withdraw("anna")


# --- time limits --------------------------------------------------------------------------------
def test_a_closing_to_which_nobody_objects_in_time_counts_as_confirmed(demo, beat):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE])
    row = walk.task_at(CLOSE)
    assert [local(row[name]) for name in ("remind_at", "due_at", "last_act_at")] == [
        "2026-03-04 11:30", "2026-03-05 09:30", "2026-03-10 09:30",
    ]  # fmt: skip
    for name in ("remind_at", "due_at"):
        demo.clock.set(row[name])
        beat()
    assert {"task_escalated"} <= set(walk.told("bert")) & set(walk.told("hanna"))
    demo.clock.set(at("2026-03-10 09:29"))
    beat()
    assert walk.waiting() == {CLOSE: 1}
    demo.clock.set(row["last_act_at"])
    beat()
    walk.ended("done")
    assert walk.decisions()[-1] == ("system", CLOSE, "approve")
    assert closing(walk)["opinion"] == "Nobody objected in time."
    walk.intact()


def test_open_points_that_nobody_settles_go_to_a_manager(demo, beat):
    walk = Walk(demo).start("anna", CASE, SMALL).through([ASKED, DONE])
    for name in ("remind_at", "due_at", "last_act_at"):
        demo.clock.set(walk.task_at(SETTLE)[name])
        beat()
    (holder,) = walk.holders(SETTLE)
    assert holder in {"bert", "hanna"}
    walk.through([(holder, SETTLE, ANYWAY), ("anna", CLOSE, YES)]).ended("done")


# --- the record ---------------------------------------------------------------------------------
def test_the_record_names_models_papers_and_decisions(walked):
    walk = walked(CASE, STORIES["nothing is open"])
    with walk.platform.read(walk.actor("anna")) as work:
        manifest = archive.get(work, walk.id)["manifest"]
    assert {one["process"] for one in manifest["instances"]} == {CASE, KEY}
    assert [one["name"] for one in manifest["documents"]] == ["quotation.txt", "invoice.txt"]
    assert [one["element"] for one in manifest["decisions"] if one["element"] == CLOSE] == [CLOSE]
    assert (manifest["case"]["number"], manifest["case"]["outcome"]) == (walk.row()["number"], "done")


TAMPERED = {
    "a reason": "UPDATE event SET reason = 'Because I say so.' WHERE type = 'task.completed'",
    "a removed decision": "DELETE FROM event WHERE type = 'task.completed'",
    "the record": "UPDATE archive SET manifest = json_set(manifest, '$.case.outcome', 'rejected')",
    "the model": "UPDATE content SET bytes = X'00' WHERE digest IN (SELECT digest FROM definition)",
}


@pytest.fixture
def forger(demo_files, tmp_path):
    """A platform whose database somebody reaches past the application."""
    shutil.copytree(demo_files, tmp_path / "forged")
    opened = open_at(tmp_path / "forged")
    yield opened
    opened.close()


@pytest.mark.parametrize("what", TAMPERED)
def test_whatever_is_altered_afterwards_shows(forger, what):
    walk = Walk(forger).start("anna", CASE, SMALL).through([DONE, ("anna", CLOSE, YES)])
    with forger.read(walk.actor("anna")) as work:
        assert archive.verify(work, walk.id) == []
    with forger.engine.begin() as connection:
        assert connection.execute(text(TAMPERED[what])).rowcount
    with forger.read(walk.actor("anna")) as work:
        assert archive.verify(work, walk.id)


def test_the_record_is_taken_away_and_verified_without_the_platform(demo):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE, ("anna", CLOSE, YES)])
    with demo.work(walk.actor("anna")) as work:
        data = archive.bundle(work, walk.id)
    assert archive.verify_bundle(data, demo.key("archive")) == []
    assert archive.verify_bundle(data, b"another key")
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(forged, "w") as out:
        for name in packed.namelist():
            content = packed.read(name)
            out.writestr(name, content.replace(b"What is written", b"What was written") if "invoice" in name else content)
    assert "invoice.txt" in str(archive.verify_bundle(forged.getvalue(), demo.key("archive"))[0])


def test_a_form_without_answers_is_no_confirmation(demo):
    walk = Walk(demo).start("anna", CASE, SMALL).through([DONE])
    with pytest.raises(Invalid):
        walk.do("anna", CLOSE, {})
    assert walk.waiting() == {CLOSE: 1}
