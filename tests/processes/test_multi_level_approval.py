"""Approval by levels: who votes, how, when a level ends, what follows from it, and what no vote may lack."""

from __future__ import annotations

import pytest

from engine import people, runtime, tasks
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.processes.walk import (
    AROUND,
    BACK,
    NO,
    NOTHING,
    WITHDRAW,
    YES,
    Paper,
    Story,
    Walk,
    at,
    branches,
    local,
)

KEY = "multi_level_approval"
SMALL = {
    "subject": "Chairs", "kind": "purchase", "amount": 5000, "risk": "low", "summary": "Twelve chairs for the office.",
}  # fmt: skip
DEPARTMENT = SMALL | {"amount": 10_000}
FINANCE = SMALL | {"amount": 100_000}
CONTRACT = SMALL | {"kind": "contract"}
RISKY = SMALL | {"kind": "other", "risk": "high"}
HUGE = SMALL | {"kind": "service", "amount": 1_000_000}
REVISED = {"amount": 4000, "risk": "low", "summary": "Ten chairs, and cheaper ones."}
VOTE, TURN, CLOSE = "vote_together", "vote_in_turn", "confirm_closing"


def leaves(work, login: str) -> None:
    people.deactivate(work, people.resolve(work, login))


def joins(work, login: str, group: str) -> None:
    people.join(work, people.resolve(work, login), group)


STORIES = {
    "approved by the manager": Story("anna", SMALL, (("bert", VOTE, YES), ("anna", CLOSE, YES)), "approved"),
    "returned, revised and approved": Story(
        "anna", SMALL,
        (("bert", VOTE, BACK), ("anna", "revise_request", REVISED), ("bert", VOTE, YES), ("anna", CLOSE, YES)),
        "approved",
    ),
    "all of finance, in which one abstains": Story(
        "anna", FINANCE | {"documents": [Paper("offer.txt")]},
        (("bert", VOTE, YES), ("bert", VOTE, YES), ("frank", VOTE, NOTHING), ("fiona", VOTE, YES), ("anna", CLOSE, YES)),
        "approved",
    ),
    "one after the other, of whom the second rejects": Story(
        "anna", RISKY, (("bert", VOTE, YES), ("carl", TURN, YES), ("cora", TURN, NO), ("anna", CLOSE, YES)), "rejected"
    ),
    "executives stand in for a head who asks herself": Story(
        "hanna", DEPARTMENT, (("eva", VOTE, YES), ("emil", VOTE, YES), ("hanna", CLOSE, YES)), "approved"
    ),
    "nobody is above her, so an administrator names who votes": Story(
        "eva", SMALL,
        (
            ("ada", "name_voters", {"persons": ["emil", "hanna"], "reason": "They know the matter."}),
            ("hanna", VOTE, YES), ("eva", CLOSE, YES),
        ),
        "approved",
    ),
}  # fmt: skip
CALLED = Story(
    "anna",
    {"title": "Chairs", "kind": "purchase", "amount": 5000, "risk": "low", "description": "Twelve chairs for the office."},
    (("bert", VOTE, YES), ("fiona", "do_work", {"result": "Bought them.", "hours": 1}), ("anna", CLOSE, YES)),
    "done",
)


@pytest.mark.parametrize("name", STORIES)
def test_story(walked, name):
    walk = walked(KEY, STORIES[name])
    assert walk.row()["number"].startswith("MA")
    assert walk.variables()["approval"]["result"] == STORIES[name].outcome


def test_a_case_that_calls_it_closes_itself(walked):
    walk = walked("case_initiation", CALLED)
    assert [row["process_key"] for row in walk.family()].count("case_closing") == 1


def test_every_branch_is_walked(walked):
    walks = [walked(KEY, story) for story in STORIES.values()] + [walked("case_initiation", CALLED)]
    assert branches(KEY) - set().union(*(walk.taken(KEY) for walk in walks)) == set()


# --- opinion and reason (clause 3.2.3) -----------------------------------------------------------
@pytest.mark.parametrize("said", [YES, NO, BACK, NOTHING], ids=lambda said: said["decision"])
@pytest.mark.parametrize("field", ["opinion", "reason"])
@pytest.mark.parametrize("silence", [None, "", "  "], ids=repr)
def test_no_vote_without_opinion_and_reason_be_it_yes_or_no(demo, said, field, silence):
    walk = Walk(demo).start("anna", KEY, SMALL)
    assert walk.refused("bert", VOTE, said | {field: silence}) == [field]


def test_a_vote_is_one_of_four(demo):
    assert Walk(demo).start("anna", KEY, SMALL).refused("bert", VOTE, YES | {"decision": "perhaps"}) == ["decision"]


def test_opinions_and_reasons_stay_with_the_result(walked):
    walk = walked(KEY, STORIES["one after the other, of whom the second rejects"])
    levels = walk.variables()["approval"]["levels"]
    assert [(one["name"], one["result"]) for one in levels] == [("Manager", "approved"), ("Compliance", "rejected")]
    assert [vote["reason"] for vote in levels[1]["votes"]] == [YES["reason"], NO["reason"]]
    assert levels[1]["votes"][1]["by"] == walk.id_of("cora")
    with walk.platform.read(people.SYSTEM) as work:
        assert [row["reason"] for row in tasks.opinions(work, walk.id)][:3] == [YES["reason"], YES["reason"], NO["reason"]]


# --- start ----------------------------------------------------------------------------------------
def test_a_start_is_refused_by_the_name_of_the_condition(demo):
    with pytest.raises(Invalid, match="cannot be started") as refused:
        Walk(demo).start("anna", KEY, SMALL | {"summary": "Chairs"})
    assert [problem.where for problem in refused.value.problems] == ["summary"]


@pytest.mark.parametrize("login", ["paula", "viktor"])
def test_only_staff_ask_for_an_approval_of_its_own(demo, login):
    with pytest.raises(NotAllowed):
        Walk(demo).start(login, KEY, SMALL)


# --- levels ---------------------------------------------------------------------------------------
def test_levels_are_decided_one_after_the_other(demo):
    walk = Walk(demo).start("anna", KEY, FINANCE | {"kind": "contract", "risk": "high"})
    asked = [
        (VOTE, {"bert"}, 1), (VOTE, {"bert"}, 1), (VOTE, {"fiona", "frank"}, 2), (VOTE, {"lars", "lena"}, 1),
        (TURN, {"carl"}, 1), (TURN, {"cora"}, 1),
    ]  # fmt: skip
    for element, holders, votes in asked:
        assert set(walk.waiting()) == {element}
        assert walk.holders(element) == holders
        for login in sorted(holders)[:votes]:
            walk.step(login, element, YES)
    assert [one["name"] for one in walk.variables()["approval"]["levels"]] == [
        "Manager", "Department", "Finance", "Legal", "Compliance",
    ]  # fmt: skip
    walk.through([("anna", CLOSE, YES)]).ended("approved")
    walk.intact()


def test_a_level_that_rejects_is_the_last_one(demo):
    walk = Walk(demo).start("anna", KEY, FINANCE).through([("bert", VOTE, YES), ("bert", VOTE, NO)])
    assert walk.waiting() == {CLOSE: 1}
    assert [one["result"] for one in walk.variables()["approval"]["levels"]] == ["approved", "rejected"]


def test_of_one_the_first_who_decides_is_enough_and_the_other_need_not(demo):
    walk = Walk(demo).start("anna", KEY, CONTRACT).through([("bert", VOTE, YES)])
    assert walk.holders(VOTE) == {"lars", "lena"}
    walk.step("lena", VOTE, NOTHING)
    assert walk.holders(VOTE) == {"lars"}
    walk.step("lars", VOTE, YES)
    assert walk.waiting() == {CLOSE: 1}
    assert walk.variables()["approval"]["levels"][1]["abstained"] == 1


def test_of_all_one_rejection_ends_the_level_at_once(demo):
    walk = Walk(demo).start("anna", KEY, FINANCE).through([("bert", VOTE, YES), ("bert", VOTE, YES)])
    walk.step("frank", VOTE, NO)
    assert walk.waiting() == {CLOSE: 1}
    assert (walk.variables()["approval"]["result"], walk.variables()["approval"]["levels"][2]["not_asked"]) == ("rejected", 1)
    with pytest.raises(AssertionError, match="nothing waits"):
        walk.do("fiona", VOTE, YES)


def test_two_thirds_of_two_are_both(demo):
    walk = Walk(demo).start("anna", KEY, HUGE).through([("bert", VOTE, YES), ("eva", VOTE, YES)])
    assert walk.holders(VOTE) == {"emil"}
    walk.step("emil", VOTE, NO)
    assert walk.variables()["approval"]["result"] == "rejected"


def test_an_abstention_lowers_what_two_thirds_are(demo):
    walk = Walk(demo).start("anna", KEY, HUGE).through([("bert", VOTE, YES), ("eva", VOTE, NOTHING)])
    walk.step("emil", VOTE, YES)
    assert walk.variables()["approval"]["result"] == "approved"


def test_the_vote_of_the_head_weighs_as_the_table_says(demo):
    """Emil's head is Eva: her two votes of three are two thirds, whatever Clara would say."""
    walk = Walk(demo).through([(AROUND, joins, ("clara", "executives"))]).start("emil", KEY, HUGE)
    walk.step("eva", VOTE, YES)
    assert walk.holders(VOTE) == {"clara", "eva"}
    walk.step("clara", VOTE, NOTHING)
    assert walk.waiting() == {VOTE: 1}
    walk.step("eva", VOTE, YES)
    level = walk.variables()["approval"]["levels"][1]
    assert (level["result"], level["yes"], level["abstained"]) == ("approved", 2, 1)


def test_the_weight_of_the_head_ends_a_level_early(demo):
    walk = Walk(demo).through([(AROUND, joins, ("clara", "executives"))]).start("emil", KEY, HUGE)
    walk.through([("eva", VOTE, YES), ("eva", VOTE, YES)])
    assert walk.waiting() == {CLOSE: 1}
    assert walk.variables()["approval"]["levels"][1]["not_asked"] == 1


ABSTAINED = [
    (CONTRACT, (("bert", VOTE, YES), ("lars", VOTE, NOTHING), ("lena", VOTE, NOTHING)), {"revise_request": 1}),
    (FINANCE, (("bert", VOTE, YES), ("bert", VOTE, YES), ("frank", VOTE, NOTHING), ("fiona", VOTE, NOTHING)), {CLOSE: 1}),
]


@pytest.mark.parametrize(("asked", "steps", "waiting"), ABSTAINED, ids=["returns", "rejects"])
def test_where_all_abstain_the_table_says_what_follows(demo, asked, steps, waiting):
    assert Walk(demo).start("anna", KEY, asked).through(steps).waiting() == waiting


def test_each_in_the_sequence_sees_what_those_before_her_decided(demo):
    walk = Walk(demo).start("anna", KEY, RISKY).through([("bert", VOTE, YES)])
    assert walk.holders(TURN) == {"carl"}
    walk.step("carl", TURN, NOTHING)
    assert walk.holders(TURN) == {"cora"}
    with demo.read(walk.actor("cora")) as work:
        row = tasks.get(work, walk.task_at(TURN)["id"])
        seen = runtime.load(work, row["instance_id"]).execution.visible(row["token"])
    assert [vote["decision"] for vote in seen["votes"] if vote] == ["abstain"]
    assert f"{NOTHING['decision']}: {NOTHING['opinion']}" in walk.shown("cora", TURN)["before"]


# --- returned and revised -----------------------------------------------------------------------
def test_a_manager_who_rejects_returns_it_and_all_levels_decide_anew(demo):
    walk = Walk(demo).start("anna", KEY, DEPARTMENT | {"kind": "contract"})
    walk.through([("bert", VOTE, YES), ("bert", VOTE, YES), ("lars", VOTE, NO)])
    assert walk.holders("revise_request") == {"anna"}
    assert NO["reason"] in walk.shown("anna", "revise_request")["objections"]
    walk.step("anna", "revise_request", REVISED)
    assert walk.holders(VOTE) == {"bert"}
    walk.through([("bert", VOTE, YES), ("lena", VOTE, YES), ("anna", CLOSE, YES)]).ended("approved")
    said = walk.variables()["approval"]
    assert [one["name"] for one in said["levels"]] == ["Manager", "Legal"]
    assert [[one["result"] for one in round_] for round_ in said["earlier"]] == [["approved", "approved", "returned"]]
    assert (said["amount"], said["summary"]) == (REVISED["amount"], REVISED["summary"])


def test_a_higher_risk_after_revision_asks_more_levels(demo):
    walk = Walk(demo).start("anna", KEY, SMALL).through([("bert", VOTE, BACK)])
    walk.through([("anna", "revise_request", REVISED | {"risk": "high"}), ("bert", VOTE, YES)])
    assert walk.holders(TURN) == {"carl"}


def test_she_gives_up_instead_of_revising(demo):
    walk = Walk(demo).start("anna", KEY, SMALL).through([("bert", VOTE, BACK), (WITHDRAW, "anna", "Too dear.")])
    assert (walk.row()["state"], walk.waiting()) == ("cancelled", {})
    with pytest.raises(Conflict, match="already ended"):
        walk.withdraw("anna")
    walk.intact()


# --- who votes ----------------------------------------------------------------------------------
def test_the_starter_never_votes_though_she_has_the_role(demo):
    walk = Walk(demo).start("fiona", KEY, FINANCE).through([("hanna", VOTE, YES), ("hanna", VOTE, YES)])
    assert walk.holders(VOTE) == {"frank"}


def test_executives_stand_in_where_nobody_of_the_role_is_left(demo):
    walk = Walk(demo).through([(AROUND, leaves, ("frank",))]).start("fiona", KEY, FINANCE)
    walk.through([("hanna", VOTE, YES), ("hanna", VOTE, YES)])
    assert walk.holders(VOTE) == {"emil", "eva"}


def test_whoever_stands_in_for_a_voter_cannot_decide_her_own_request(demo):
    with demo.work(people.SYSTEM) as work:
        bert, anna = people.resolve(work, "bert"), people.resolve(work, "anna")
        people.substitute(work, bert, anna, work.now, at("2026-03-20 18:00"))
    walk = Walk(demo).start("anna", KEY, SMALL)
    with demo.read(people.SYSTEM) as work:
        acting = people.actor(work, anna, acting_for=bert)
    with pytest.raises(NotAllowed, match="her own request"), demo.work(acting) as work:
        runtime.complete(work, walk.task_at(VOTE)["id"], YES)
    assert walk.waiting() == {VOTE: 1}


def test_whoever_stands_in_for_a_voter_votes_in_her_name(demo):
    with demo.work(people.SYSTEM) as work:
        bert, clara = people.resolve(work, "bert"), people.resolve(work, "clara")
        people.substitute(work, bert, clara, work.now, at("2026-03-20 18:00"))
    walk = Walk(demo).start("anna", KEY, SMALL)
    with demo.read(people.SYSTEM) as work:
        acting = people.actor(work, clara, acting_for=bert)
    with demo.work(acting) as work:
        runtime.complete(work, walk.task_at(VOTE)["id"], YES)
    (said,) = walk.events("task.completed")
    assert (said["actor_id"], said["for_id"]) == (clara, bert)
    assert walk.variables()["approval"]["levels"][0]["votes"][0]["by"] == bert


def test_a_vote_is_not_passed_on_to_the_starter(demo):
    walk = Walk(demo).start("anna", KEY, SMALL)
    for verb in (tasks.transfer, tasks.delegate):
        with pytest.raises(NotAllowed, match="own request"), demo.work(walk.actor("bert")) as work:
            verb(work, walk.task_at(VOTE)["id"], walk.id_of("anna"), "You know it best.")


def test_whom_nobody_asked_cannot_vote(demo):
    walk = Walk(demo).start("anna", KEY, SMALL)
    with pytest.raises((NotAllowed, NotFound)), demo.work(walk.actor("clara")) as work:
        runtime.complete(work, walk.task_at(VOTE)["id"], YES)


def adds(walk: Walk, login: str, element_id: str, other: str, when: str) -> None:
    """Whoever holds a vote asks somebody else to vote too."""
    row = walk.task_of(walk.actor(login), element_id)
    with walk.platform.work(walk.actor(login)) as work:
        runtime.add_signers(work, row["id"], [walk.id_of(other)], "She knows the matter.", when)


FINANCE_VOTES = (("bert", VOTE, YES), ("bert", VOTE, YES))


def test_an_added_voter_weighs_one_and_a_level_of_all_waits_for_her(demo):
    walk = Walk(demo).start("anna", KEY, FINANCE | {"documents": [Paper("offer.txt")]}).through(FINANCE_VOTES)
    adds(walk, "fiona", VOTE, "dora", "too")
    walk.through([("fiona", VOTE, YES), ("frank", VOTE, YES)])
    assert walk.holders(VOTE) == {"dora"}
    walk.step("dora", VOTE, NO)
    level = walk.variables()["approval"]["levels"][-1]
    assert (level["yes"], level["rejected"], level["not_asked"]) == (2, 1, 0)
    walk.intact()


def test_where_one_is_enough_the_added_voter_need_not_and_the_next_level_begins_with_fresh_voices(demo):
    walk = Walk(demo).start("anna", KEY, FINANCE | {"documents": [Paper("offer.txt")]})
    adds(walk, "bert", VOTE, "dora", "too")
    assert walk.holders(VOTE) == {"bert", "dora"}
    walk.through(FINANCE_VOTES)
    assert walk.holders(VOTE) == {"fiona", "frank"}


def test_in_turn_an_added_voter_comes_next_and_the_starter_never(demo):
    walk = Walk(demo).start("anna", KEY, RISKY).through([("bert", VOTE, YES)])
    with pytest.raises(NotAllowed, match="started the case"):
        adds(walk, "carl", TURN, "anna", "next")
    adds(walk, "carl", TURN, "dora", "next")
    walk.step("carl", TURN, YES)
    assert walk.holders(TURN) == {"dora"}
    walk.step("dora", TURN, YES)
    assert walk.holders(TURN) == {"cora"}
    walk.through([("cora", TURN, YES), ("anna", CLOSE, YES)]).ended("approved")
    walk.intact()


def test_an_administrator_does_not_name_the_starter(demo):
    walk = Walk(demo).start("eva", KEY, SMALL)
    assert walk.waiting() == {"name_voters": 1}
    assert walk.refused("ada", "name_voters", {"persons": ["eva", "emil"], "reason": "She knows."}) == ["persons"]
    assert walk.refused("ada", "name_voters", {"persons": [], "reason": "Nobody."}) == ["persons"]
    assert walk.refused("ada", "name_voters", {"persons": ["emil"], "reason": ""}) == ["reason"]


def test_an_administrator_who_asks_for_an_approval_does_not_name_its_voters(demo):
    walk = Walk(demo)
    with demo.work(people.SYSTEM) as work:
        for key in ("operations", "company"):
            people.change_department(work, key, head_id=None)
    walk.start("ada", KEY, SMALL)
    assert walk.waiting() == {"name_voters": 1}
    with pytest.raises(NotAllowed, match="own request"):
        walk.do("ada", "name_voters", {"persons": ["emil"], "reason": "He may."})
    walk.step("alex", "name_voters", {"persons": ["emil"], "reason": "He may."})
    assert walk.holders(VOTE) == {"emil"}


# --- time limits (clause 3.2.2) -------------------------------------------------------------------
def test_a_vote_that_is_not_cast_in_time_is_an_abstention_by_policy(demo, beat):
    walk = Walk(demo).start("anna", KEY, CONTRACT).through([("bert", VOTE, YES)])
    demo.clock.set(at("2026-03-03 09:00"))
    walk.step("lars", VOTE, NOTHING)
    row = walk.task_at(VOTE)
    assert [local(row[name]) for name in ("remind_at", "due_at", "last_act_at")] == [
        "2026-03-03 14:30", "2026-03-04 09:30", "2026-03-05 09:30",
    ]  # fmt: skip
    for moment, kind, login in [("2026-03-03 14:31", "task_reminder", "lena"), ("2026-03-04 09:31", "task_escalated", "hanna")]:
        demo.clock.set(at(moment))
        beat()
        assert kind in walk.told(login)
    demo.clock.set(at("2026-03-05 09:31"))
    beat()
    assert ("system", VOTE, "abstain") in walk.decisions()
    assert walk.holders("revise_request") == {"anna"}
    walk.intact()


def test_naming_voters_passes_to_the_executives_when_no_administrator_does_it(demo, beat):
    with demo.work(people.SYSTEM) as work:
        for key in ("office", "company"):
            people.change_department(work, key, head_id=None)
    walk = Walk(demo).start("fiona", KEY, SMALL)
    demo.clock.set(walk.task_at("name_voters")["last_act_at"])
    beat(), beat()
    assert walk.holders("name_voters") <= {"emil", "eva"}
    walk.step(walk.holder("name_voters"), "name_voters", {"persons": ["hanna"], "reason": "She may."})
    assert walk.holders(VOTE) == {"hanna"}
