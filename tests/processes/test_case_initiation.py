"""A case from the wish to the archive: completeness, route, approval before or after, work with reports, closing."""

from __future__ import annotations

import pytest

from engine import archive, cases, documents, people, runtime, tasks
from engine.errors import Conflict, Invalid, NotAllowed
from tests.processes.walk import CLOCK, HOLDER, NO, WITHDRAW, YES, Paper, Story, Walk, at, branches, local

KEY = "case_initiation"
SMALL = {
    "title": "Chairs", "kind": "purchase", "description": "Twelve chairs for the new office.", "amount": 500,
    "party": "Chairs Ltd", "risk": "low",
}  # fmt: skip
MEDIUM = SMALL | {"amount": 5000}
LARGE = SMALL | {"amount": 20_000, "documents": [Paper("quotation.txt")]}
REPAIR = {
    "title": "Repair", "kind": "service", "description": "The printer of the third floor.", "amount": 12_000,
    "risk": "high", "measures": "A second printer is lent.",
}  # fmt: skip
DONE = {"result": "It was delivered and put up.", "hours": 3, "documents": [Paper("invoice.txt")]}
REPORT = {"percent": 40, "report": "Half of it has come.", "problems": "The rest is late."}
WORK, VOTE, CLOSE = "do_work", "vote_together", "confirm_closing"

STORIES = {
    "without approval": Story("anna", SMALL, ((HOLDER, WORK, DONE), ("anna", CLOSE, YES)), "done"),
    "approval before, with a progress report": Story(
        "anna", MEDIUM | {"risk": "medium"},
        (
            ("bert", VOTE, YES), (CLOCK, "", {"days": 7}), (HOLDER, "report_progress", REPORT),
            ("fiona", WORK, DONE), ("fiona", CLOSE, YES),
        ),
        "done",
    ),
    "the plan is rejected": Story(
        "anna", LARGE, (("bert", VOTE, YES), ("bert", VOTE, NO), ("anna", CLOSE, YES)), "rejected"
    ),
    "incomplete until all is there": Story(
        "anna", SMALL | {"description": "Chairs"},
        (
            ("anna", "complete_details", SMALL | {"description": "More chairs"}), ("anna", "complete_details", SMALL),
            (HOLDER, WORK, DONE), ("anna", CLOSE, YES),
        ),
        "done",
    ),
    "the result is rejected and done again": Story(
        "anna", REPAIR,
        (
            (HOLDER, WORK, DONE), ("bert", VOTE, YES), ("carl", "vote_in_turn", NO),
            (HOLDER, WORK, DONE | {"result": "It was done once more."}), ("bert", VOTE, YES),
            ("carl", "vote_in_turn", YES), ("cora", "vote_in_turn", YES), ("anna", CLOSE, YES),
        ),
        "done",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_story(walked, name):
    walk = walked(KEY, STORIES[name])
    assert walk.row()["number"].startswith("CI")
    assert walk.visited() >= {"choose_route", "find_person_in_charge", "archive_case"}


def test_every_branch_is_walked(walked):
    assert branches(KEY) - set().union(*(walked(KEY, story).taken(KEY) for story in STORIES.values())) == set()


# --- start --------------------------------------------------------------------------------------
REFUSED = [
    ("anna", {"amount": 0}, ["amount"]),
    ("anna", {"wanted_by": "2026-03-01"}, ["wanted_by"]),
    ("anna", {"kind": "contract", "party": ""}, ["party"]),
    ("anna", {"amount": 1_000_000}, ["large_amount"]),
    ("anna", {"amount": 0, "wanted_by": "2026-03-01"}, ["amount", "wanted_by"]),
    ("paula", {}, ["partner"]),
]


@pytest.mark.parametrize(("login", "change", "conditions"), REFUSED)
def test_a_start_is_refused_by_the_name_of_each_condition(demo, login, change, conditions):
    with pytest.raises(Invalid, match="cannot be started") as refused:
        Walk(demo).start(login, KEY, SMALL | change)
    assert [problem.where for problem in refused.value.problems] == conditions
    with demo.read(people.SYSTEM) as work:
        assert cases.list_(work).total == 0


def test_who_has_no_part_in_it_cannot_start_at_all(demo):
    with pytest.raises(NotAllowed):
        Walk(demo).start("viktor", KEY, SMALL)


def test_a_partner_starts_a_service_and_a_head_a_large_amount(demo):
    assert Walk(demo).start("paula", KEY, REPAIR | {"amount": 100, "risk": "low"}).waiting() == {WORK: 1}
    assert Walk(demo).start("bert", KEY, LARGE | {"amount": 2_000_000}).waiting() == {VOTE: 1}


def test_the_form_refuses_what_is_missing_or_of_the_wrong_kind(demo):
    with pytest.raises(Invalid) as refused:
        Walk(demo).start("anna", KEY, {"title": "X", "kind": "party", "risk": "low"})
    assert {problem.where for problem in refused.value.problems} == {"title", "kind", "description"}


# --- completeness -------------------------------------------------------------------------------
def test_an_incomplete_case_returns_to_its_starter_with_the_list_of_what_is_missing(demo):
    walk = Walk(demo).start("anna", KEY, SMALL | {"description": "Chairs", "risk": "high", "amount": 20_000})
    assert walk.holders("complete_details") == {"anna"}
    assert [one["item"] for one in walk.variables()["missing"]] == ["description", "documents", "measures"]
    walk.step("anna", "complete_details", LARGE | {"risk": "high", "documents": []})
    assert [one["item"] for one in walk.variables()["missing"]] == ["documents", "measures"]
    walk.step("anna", "complete_details", LARGE | {"risk": "high", "measures": "A second supplier."})
    assert walk.waiting() == {VOTE: 1}
    walk.intact()


# --- work ---------------------------------------------------------------------------------------
def test_the_least_loaded_of_the_group_is_in_charge(demo):
    first, second = Walk(demo).start("anna", KEY, SMALL), Walk(demo).start("anna", KEY, SMALL)
    assert first.holders(WORK) | second.holders(WORK) == {"fiona", "frank"}


def test_progress_is_reported_at_intervals_beside_the_work(demo):
    walk = Walk(demo).start("anna", KEY, MEDIUM | {"risk": "medium"}).through([("bert", VOTE, YES)])
    work = walk.task_at(WORK)["id"]
    for week in (1, 2, 3):
        walk.step(CLOCK, "", {"days": 7})
        assert walk.waiting() == {WORK: 1, "report_progress": 1}
        walk.step(HOLDER, "report_progress", REPORT | {"percent": 20 * week})
        assert walk.told("bert").count("progress_reported") == week
    assert walk.task_at(WORK)["id"] == work
    assert walk.variables()["progress"] == REPORT | {"percent": 60}


def test_the_end_of_the_work_takes_an_open_report_and_its_cycle_along(demo):
    walk = Walk(demo).start("anna", KEY, MEDIUM | {"risk": "medium"})
    walk.through([("bert", VOTE, YES), (CLOCK, "", {"days": 7}), (HOLDER, WORK, DONE)])
    assert walk.waiting() == {CLOSE: 1}
    walk.through([("anna", CLOSE, YES), (CLOCK, "", {"days": 60})])
    assert walk.told("bert").count("progress_reported") == 0
    walk.ended("done")
    walk.intact()


def test_the_work_can_be_returned_to_the_details_with_a_reason(demo):
    walk = Walk(demo).start("anna", KEY, SMALL | {"description": "Chairs"})
    walk.step("anna", "complete_details", SMALL)
    task_id, actor = walk.task_at(WORK)["id"], walk.actor(walk.holder(WORK))
    with pytest.raises(Invalid, match="say why"), demo.work(actor) as work:
        runtime.send_back(work, task_id, "complete_details", " ")
    with demo.work(actor) as work:
        runtime.send_back(work, task_id, "complete_details", "Which colour?")
    assert walk.waiting() == {"complete_details": 1}
    assert [row["reason"] for row in walk.events("task.returned")] == ["Which colour?"]
    walk.through([("anna", "complete_details", SMALL), (HOLDER, WORK, DONE), ("anna", CLOSE, YES)])
    walk.ended("done")


def test_papers_and_comments_stay_with_the_case_and_its_archive(demo):
    walk = Walk(demo).start("anna", KEY, LARGE).through([("bert", VOTE, YES), ("bert", VOTE, YES)])
    with demo.work(walk.actor("fiona")) as work:
        (paper,) = documents.list_(work, walk.id)
        with documents.open(work, paper["id"])[1] as file:
            assert file.read() == Paper().text.encode()
        tasks.add_comment(work, runtime.load(work, walk.id).row, "It comes on Friday.", walk.task_at(WORK)["id"])
    with demo.work(walk.actor("anna")) as work:
        tasks.add_comment(work, runtime.load(work, walk.id).row, "Good.")
    walk.through([(HOLDER, WORK, DONE), ("anna", CLOSE, YES)])
    walk.ended("done")
    with demo.read(walk.actor("anna")) as work:
        kept = archive.get(work, walk.id)["manifest"]
        assert [one["name"] for one in kept["documents"]] == ["quotation.txt", "invoice.txt"]
        assert archive.verify(work, walk.id) == []


def test_a_group_of_which_nobody_is_there_waits_for_whoever_joins_it(demo):
    with demo.work(people.SYSTEM) as work:
        for login in ("fiona", "frank"):
            people.deactivate(work, people.resolve(work, login))
    walk = Walk(demo).start("anna", KEY, SMALL)
    assert (walk.waiting(), walk.holders(WORK)) == ({WORK: 1}, set())
    with demo.work(people.SYSTEM) as work:
        people.join(work, people.resolve(work, "clara"), "finance")
    walk.through([("clara", WORK, DONE), ("anna", CLOSE, YES)]).ended("done")
    walk.intact()


def test_a_report_for_who_has_nobody_above_her_goes_to_nobody(demo):
    walk = Walk(demo).start("eva", KEY, SMALL)
    walk.through([(CLOCK, "", {"days": 14}), (HOLDER, "report_progress", REPORT)])
    assert (walk.waiting(), walk.troubles()) == ({WORK: 1}, [])


def test_who_does_the_work_anew_reads_why_it_was_not_good_enough(demo):
    walk = Walk(demo).start("anna", KEY, REPAIR)
    walk.through([(HOLDER, WORK, DONE), ("bert", VOTE, YES), ("carl", "vote_in_turn", NO)])
    assert NO["reason"] in walk.shown(walk.holder(WORK), WORK)["objections"]


# --- withdrawing --------------------------------------------------------------------------------
@pytest.mark.parametrize("steps", [(), (("bert", VOTE, YES),), (("bert", VOTE, YES), (HOLDER, WORK, DONE))], ids=len)
def test_the_starter_withdraws_until_the_archive_is_written(demo, steps):
    walk = Walk(demo).start("anna", KEY, MEDIUM).through([*steps, (WITHDRAW, "anna", "The office moves.")])
    assert (walk.row()["state"], walk.row()["outcome"]) == ("cancelled", "withdrawn")
    assert walk.waiting() == {}
    assert {row["state"] for row in walk.family()} <= {"cancelled", "completed"}
    walk.intact()


def test_a_closed_case_is_not_withdrawn_any_more(walked):
    walk = walked(KEY, STORIES["without approval"])
    with pytest.raises(Conflict, match="already ended"):
        walk.withdraw("anna")


def test_nobody_else_withdraws_and_nobody_without_a_reason(demo):
    walk = Walk(demo).start("anna", KEY, SMALL)
    with pytest.raises(NotAllowed):
        walk.withdraw("bert")
    with pytest.raises(Invalid, match="say why"):
        walk.withdraw("anna", "")
    assert walk.waiting() == {WORK: 1}


# --- time limits --------------------------------------------------------------------------------
def test_late_work_is_reminded_of_escalated_and_given_to_the_manager_in_working_time(demo, beat):
    walk = Walk(demo).start("anna", KEY, SMALL)  # Monday 09:30; 80 working hours are ten working days
    row = walk.task_at(WORK)
    assert [local(row[name]) for name in ("remind_at", "due_at", "last_act_at")] == [
        "2026-03-11 14:30", "2026-03-16 09:30", "2026-03-18 09:30",
    ]  # fmt: skip
    for moment, kind, login in [
        ("2026-03-11 14:30", "task_reminder", "fiona"),
        ("2026-03-16 09:30", "task_escalated", "hanna"),
        ("2026-03-18 09:30", "task_reassigned", "hanna"),
    ]:
        demo.clock.set(at(moment))
        demo.clock.move(seconds=-1)
        beat()
        assert kind not in walk.told(login)
        beat(seconds=1)
        assert kind in walk.told(login)
    assert walk.holders(WORK) == {"hanna"}
    walk.through([("hanna", WORK, DONE), ("fiona", CLOSE, YES)])
    walk.ended("done")
    walk.intact()


def test_a_report_that_nobody_gives_is_given_by_policy(demo, beat):
    walk = Walk(demo).start("anna", KEY, MEDIUM | {"risk": "medium"}).through([("bert", VOTE, YES)])
    walk.step(CLOCK, "", {"days": 7})  # Monday 09:30 again: due in one working day, decided two later
    assert local(walk.task_at("report_progress")["due_at"]) == "2026-03-10 09:30"
    demo.clock.set(at("2026-03-12 09:31"))
    beat()
    assert walk.waiting() == {WORK: 1}
    assert ("system", "report_progress", None) in walk.decisions()
    assert walk.told("bert").count("progress_reported") == 1


def test_details_wait_for_their_starter_and_only_her_manager_is_told(demo, beat):
    """Nobody else can complete them, so the policy names no last act; a make-up Saturday counts, a Sunday does not."""
    demo.clock.set(at("2026-10-08 14:00"))
    walk = Walk(demo).start("anna", KEY, SMALL | {"description": "Chairs"})
    row = walk.task_at("complete_details")
    assert (local(row["due_at"]), row["last_act_at"]) == ("2026-10-12 14:00", None)
    demo.clock.set(row["due_at"])
    beat(days=30)
    assert "task_escalated" in walk.told("bert")
    assert walk.holders("complete_details") == {"anna"}
