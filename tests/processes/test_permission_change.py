"""A permission is asked for, decided, granted in the running system and taken back; what it opens is tried out."""

from __future__ import annotations

import pytest

from engine import access, cases, copies, people, runtime
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.processes.walk import (
    AROUND,
    BACK,
    CLOCK,
    MESSAGE,
    NO,
    WITHDRAW,
    YES,
    Story,
    Walk,
    at,
    branches,
    local,
)

KEY = "permission_change"
ROLE = {
    "subject": "anna", "action": "grant", "what": "group", "group": "finance", "until": "2026-03-31",
    "purpose": "She helps out in finance in March.",
}  # fmt: skip
SINGLE = {
    "subject": "anna", "action": "grant", "what": "permission", "resource": "cases", "verb": "query",
    "until": "2026-03-31", "purpose": "She prepares the audit.",
}  # fmt: skip
STRONG = ROLE | {"group": "operators", "until": None}
DEPARTMENT, SECURITY, CLOSE = "decide_department", "decide_security", "confirm_closing"
MARCH_IS_OVER = (CLOCK, "", {"days": 30})


def joins(work, login: str, group: str) -> None:
    people.join(work, people.resolve(work, login), group)


STORIES = {
    "granted until the timer takes it back": Story(
        "anna", ROLE, ((DEPT := ("bert", DEPARTMENT, YES)), MARCH_IS_OVER, ("anna", CLOSE, YES)), "ended"
    ),
    "granted and taken back early by message": Story(
        "anna", ROLE, (DEPT, (MESSAGE, "permission.revoke", {}), ("bert", CLOSE, YES)), "ended"
    ),
    "of high risk, decided twice, without an end": Story(
        "anna", STRONG, (DEPT, ("sara", SECURITY, YES), ("anna", CLOSE, YES)), "granted"
    ),
    "of high risk, which security refuses": Story(
        "anna", STRONG, (DEPT, ("sven", SECURITY, NO), ("anna", CLOSE, YES)), "refused"
    ),
    "returned and revised": Story(
        "anna", ROLE,
        (
            ("bert", DEPARTMENT, BACK), ("anna", "revise_permission", ROLE | {"until": "2026-03-04"}), DEPT,
            (CLOCK, "", {"days": 3}), ("anna", CLOSE, YES),
        ),
        "ended",
    ),
    "refused by the department": Story("anna", ROLE, (("bert", DEPARTMENT, NO), ("anna", CLOSE, YES)), "refused"),
    "taken away from a subordinate": Story(
        "otto", STRONG | {"subject": "olga", "action": "revoke"},
        (("emil", DEPARTMENT, YES), ("otto", CLOSE, YES)), "revoked",
    ),
    "against separation of duties, which nobody is asked": Story(
        "olga", ROLE | {"subject": "olga", "group": "auditors"}, (("olga", CLOSE, YES),), "refused"
    ),
    "against a role that came in between": Story(
        "anna", ROLE, ((AROUND, joins, ("anna", "auditors")), DEPT, ("anna", CLOSE, YES)), "refused"
    ),
}  # fmt: skip


def has_role(platform, login: str, group: str) -> bool:
    with platform.read(people.SYSTEM) as work:
        return group in people.groups_of(work, people.resolve(work, login))


@pytest.mark.parametrize("name", STORIES)
def test_story(walked, name):
    walk = walked(KEY, STORIES[name])
    asked, outcome = STORIES[name].answers, STORIES[name].outcome
    assert walk.row()["number"].startswith("PC")
    assert has_role(walk.platform, asked["subject"], asked["group"]) is (outcome == "granted")


def test_every_branch_is_walked(walked):
    assert branches(KEY) - set().union(*(walked(KEY, story).taken(KEY) for story in STORIES.values())) == set()


# --- what it opens --------------------------------------------------------------------------------
def sees(platform, login: str, case_id: str) -> bool:
    with platform.read(people.SYSTEM) as work:
        actor = people.actor(work, people.resolve(work, login))
    with platform.read(actor) as work:
        try:
            return cases.one(work, case_id)["id"] == case_id
        except NotFound:
            return False


def test_what_she_could_not_do_before_she_can_until_the_end_of_the_day(demo, beat):
    other = Walk(demo).start("olga", KEY, ROLE | {"subject": "olga"})
    walk = Walk(demo).start("anna", KEY, SINGLE)
    assert not sees(demo, "anna", other.id)
    walk.step("bert", DEPARTMENT, YES)
    assert sees(demo, "anna", other.id)
    assert not sees(demo, "clara", other.id)
    assert walk.waiting() == {}
    demo.clock.set(at("2026-03-31 23:59"))
    beat()
    assert sees(demo, "anna", other.id)
    beat(minutes=1)
    assert not sees(demo, "anna", other.id)
    with demo.read(people.SYSTEM) as work:
        assert people.rights(work, walk.id_of("anna"))["permissions"] == []
    assert walk.events("permission.revoked")
    walk.through([("anna", CLOSE, YES)]).ended("ended")
    walk.intact()


def test_an_early_revocation_closes_what_was_open_at_once(demo):
    other = Walk(demo).start("olga", KEY, ROLE | {"subject": "olga"})
    walk = Walk(demo).start("anna", KEY, SINGLE).through([("bert", DEPARTMENT, YES)])
    assert sees(demo, "anna", other.id)
    walk.step(MESSAGE, "permission.revoke", {})
    assert not sees(demo, "anna", other.id)
    walk.through([("anna", CLOSE, YES), MARCH_IS_OVER]).ended("ended")
    assert len(walk.events("permission.revoked")) == 1


def test_a_role_opens_what_the_role_may(demo):
    walk = Walk(demo).start("anna", KEY, STRONG)
    assert not walk.actor("anna").may("incidents:modify")
    walk.through([DEPT, ("sara", SECURITY, YES)])
    with demo.read(walk.actor("anna")) as work:
        assert access.may(work, "start", "platform_upgrade", "process")
    assert walk.actor("anna").may("incidents:modify")


def test_taking_a_role_away_closes_what_it_opened(demo):
    walk = Walk(demo).start("otto", KEY, STRONG | {"subject": "olga", "action": "revoke"})
    assert walk.actor("olga").may("incidents:modify")
    walk.step("emil", DEPARTMENT, YES)
    assert not walk.actor("olga").may("incidents:modify")


# --- start ----------------------------------------------------------------------------------------
REFUSED = [
    ("anna", {"until": "2026-03-01"}, ["until"]),
    ("anna", {"until": "2027-12-31"}, ["until"]),
    ("paula", {"subject": "paula", "until": None}, ["until"]),
    ("viktor", {"subject": "anna"}, ["visitor"]),
]


@pytest.mark.parametrize(("login", "change", "conditions"), REFUSED)
def test_a_start_is_refused_by_the_name_of_each_condition(demo, login, change, conditions):
    with pytest.raises(Invalid, match="cannot be started") as refused:
        Walk(demo).start(login, KEY, ROLE | change)
    assert [problem.where for problem in refused.value.problems] == conditions


def test_the_form_wants_what_the_kind_of_permission_needs(demo):
    with pytest.raises(Invalid) as refused:
        Walk(demo).start("anna", KEY, SINGLE | {"resource": None, "verb": "drop"})
    assert {problem.where for problem in refused.value.problems} == {"resource", "verb"}


def test_for_strangers_nobody_asks(demo):
    walk = Walk(demo).start("anna", KEY, ROLE | {"subject": "clara"})
    assert walk.waiting() == {CLOSE: 1}
    assert walk.told("anna").count("permission_refused") == 1
    assert len(walk.variables()["separation"]["conflicts"]) == 1


# --- who decides --------------------------------------------------------------------------------
@pytest.mark.parametrize("field", ["opinion", "reason"])
@pytest.mark.parametrize("said", [YES, NO, BACK], ids=lambda said: said["decision"])
def test_the_department_states_opinion_and_reason(demo, said, field):
    assert Walk(demo).start("anna", KEY, ROLE).refused("bert", DEPARTMENT, said | {field: ""}) == [field]


@pytest.mark.parametrize("field", ["opinion", "reason"])
@pytest.mark.parametrize("said", [YES, NO], ids=lambda said: said["decision"])
def test_security_states_opinion_and_reason(demo, said, field):
    walk = Walk(demo).start("anna", KEY, STRONG).through([DEPT])
    assert walk.refused("sara", SECURITY, said | {field: None}) == [field]


def test_at_high_risk_neither_head_nor_security_is_enough_alone(demo):
    walk = Walk(demo).start("anna", KEY, STRONG)
    assert (walk.waiting(), walk.holders(DEPARTMENT)) == ({DEPARTMENT: 1}, {"bert"})
    walk.step("bert", DEPARTMENT, YES)
    assert walk.waiting() == {SECURITY: 1}
    assert not has_role(demo, "anna", "operators")
    walk.step("sara", SECURITY, YES)
    assert has_role(demo, "anna", "operators")
    assert walk.decisions() == [("bert", DEPARTMENT, "approve"), ("sara", SECURITY, "approve")]


def test_a_head_does_not_decide_on_her_own_request_nor_on_one_that_she_makes_for_others(demo):
    for subject in ("bert", "clara"):
        walk = Walk(demo).start("bert", KEY, ROLE | {"subject": subject})
        assert walk.holders(DEPARTMENT) == set()
        walk.step("eva", DEPARTMENT, YES)
        assert has_role(demo, subject, "finance")


def test_an_executive_who_asks_does_not_decide_herself(demo):
    walk = Walk(demo).start("emil", KEY, ROLE | {"subject": "emil"})
    assert walk.holders(DEPARTMENT) == {"eva"}
    walk = Walk(demo).start("eva", KEY, ROLE | {"subject": "eva"})
    with pytest.raises(NotAllowed, match="own request"):
        walk.do("eva", DEPARTMENT, YES)
    walk.step("emil", DEPARTMENT, YES)
    assert has_role(demo, "eva", "finance")


def test_a_security_officer_does_not_decide_on_her_own_request(demo):
    walk = Walk(demo).start("sara", KEY, STRONG | {"subject": "sara"}).through([("hanna", DEPARTMENT, YES)])
    with pytest.raises(NotAllowed, match="own request"):
        walk.do("sara", SECURITY, YES)
    walk.step("sven", SECURITY, YES)
    assert has_role(demo, "sara", "operators")


def test_nobody_decides_about_herself_though_her_head_asks_for_it(demo):
    walk = Walk(demo).through([(AROUND, joins, ("clara", "security_officers"))])
    walk.start("bert", KEY, STRONG | {"subject": "clara"}).through([("eva", DEPARTMENT, YES)])
    with pytest.raises(NotAllowed, match="about herself"):
        walk.do("clara", SECURITY, YES)
    walk.step("sara", SECURITY, YES)


def test_nobody_decides_twice(demo):
    walk = Walk(demo).through([(AROUND, joins, ("bert", "security_officers"))])
    walk.start("anna", KEY, STRONG).through([DEPT])
    with pytest.raises(NotAllowed, match="decided in this case before"):
        walk.do("bert", SECURITY, YES)
    assert walk.waiting() == {SECURITY: 1}


def test_a_partner_who_has_no_department_is_for_an_executive_and_for_security(demo):
    asked = SINGLE | {"subject": "paula", "resource": "policies"}
    walk = Walk(demo).start("paula", KEY, asked).through([("emil", DEPARTMENT, YES), ("sven", SECURITY, YES)])
    assert walk.actor("paula").may("policies:query")
    demo.clock.set(at("2026-04-01 00:00"))
    assert not walk.actor("paula").may("policies:query")  # the end of the grant is the second lock


# --- copies -----------------------------------------------------------------------------------------
def test_security_officers_get_a_copy_of_what_the_department_agrees_to(demo):
    walk = Walk(demo).start("anna", KEY, ROLE)
    walk.step("bert", DEPARTMENT, YES)
    with demo.read(people.SYSTEM) as work:
        got = {row["person_id"] for row in copies.of_case(work, walk.id)}
        officers = {row["id"] for row in people.members(work, "security_officers")}
    assert got == officers != set()
    assert walk.told("sara").count("case_copied_by_model") == 1


def test_nobody_gets_a_copy_of_what_the_department_refuses(demo):
    walk = Walk(demo).start("anna", KEY, ROLE).through([("bert", DEPARTMENT, NO)])
    with demo.read(people.SYSTEM) as work:
        assert copies.of_case(work, walk.id) == []


# --- separation of duties -----------------------------------------------------------------------
def test_a_role_that_came_in_between_is_caught_at_the_grant_and_told(demo):
    walk = Walk(demo).start("anna", KEY, ROLE)
    with demo.work(people.SYSTEM) as work:
        people.join(work, walk.id_of("anna"), "auditors")
    walk.step("bert", DEPARTMENT, YES)
    assert walk.variables()["separation"]["conflicts"] == ["Who handles money must not audit it."]
    assert not has_role(demo, "anna", "finance")
    assert "permission_refused" in walk.told("anna")
    assert walk.troubles() == []


def test_who_has_left_meanwhile_is_granted_nothing(demo):
    walk = Walk(demo).start("bert", KEY, ROLE | {"subject": "clara"})
    with demo.work(people.SYSTEM) as work:
        people.deactivate(work, walk.id_of("clara"))
    walk.step("eva", DEPARTMENT, YES)
    assert walk.variables()["separation"]["conflicts"] == ["The account has ended."]
    walk.through([("bert", CLOSE, YES)]).ended("refused")


def test_what_a_later_case_granted_anew_is_not_taken_back_by_the_first(demo):
    first = Walk(demo).start("anna", KEY, ROLE | {"until": "2026-03-04"}).through([DEPT])
    second = Walk(demo).start("anna", KEY, ROLE).through([DEPT, (CLOCK, "", {"days": 4})])
    assert first.waiting() == {CLOSE: 1}
    assert has_role(demo, "anna", "finance")
    second.step(*MARCH_IS_OVER)
    assert not has_role(demo, "anna", "finance")


WHY_NOT = [
    ("refused by the department", [NO["reason"]]),
    ("of high risk, which security refuses", [NO["reason"]]),
    ("against separation of duties, which nobody is asked", ["Who runs the platform must not audit it."]),
    ("against a role that came in between", ["Who handles money must not audit it."]),
]


@pytest.mark.parametrize(("name", "sentences"), WHY_NOT)
def test_whoever_is_refused_is_told_why(walked, name, sentences):
    walk = walked(KEY, STORIES[name])
    assert [one["sentences"] for one in walk.notices(STORIES[name].login, "permission_refused")] == [sentences]


# --- returning and withdrawing ------------------------------------------------------------------
def test_a_revised_request_is_checked_and_decided_anew(demo):
    walk = Walk(demo).start("anna", KEY, ROLE).through([("bert", DEPARTMENT, BACK)])
    assert walk.holders("revise_permission") == {"anna"}
    assert walk.shown("anna", "revise_permission")["objection"] == f"{BACK['opinion']} - {BACK['reason']}"
    assert walk.refused("anna", "revise_permission", ROLE | {"until": "2026-03-01"}) == [""]
    walk.through([("anna", "revise_permission", STRONG), DEPT])
    assert walk.waiting() == {SECURITY: 1}


def test_she_withdraws_until_it_is_granted(demo):
    walk = Walk(demo).start("anna", KEY, STRONG).through([DEPT, (WITHDRAW, "anna", "Not needed.")])
    assert (walk.row()["outcome"], walk.waiting()) == ("withdrawn", {})
    granted = Walk(demo).start("anna", KEY, ROLE).through([DEPT])
    with pytest.raises(Conflict, match="can no longer be withdrawn"):
        granted.withdraw("anna")
    assert has_role(demo, "anna", "finance")


def test_it_is_not_withdrawn_any_more_when_something_was_taken_away(demo):
    walk = Walk(demo).start("otto", KEY, STRONG | {"subject": "olga", "action": "revoke"})
    walk.step("eva", DEPARTMENT, YES)
    with pytest.raises(Conflict, match="can no longer be withdrawn"):
        walk.withdraw("otto")


# --- time limits --------------------------------------------------------------------------------
def test_an_executive_decides_when_the_head_does_not(demo, beat):
    walk = Walk(demo).start("anna", KEY, ROLE)
    row = walk.task_at(DEPARTMENT)
    assert [local(row[name]) for name in ("remind_at", "due_at", "last_act_at")] == [
        "2026-03-03 14:30", "2026-03-04 09:30", "2026-03-05 09:30",
    ]  # fmt: skip
    for name in ("remind_at", "due_at", "last_act_at"):
        demo.clock.set(row[name])
        beat()
    assert walk.told("bert")[-3:] == ["task_reminder", "task_overdue", "task_taken_away"]
    (holder,) = walk.holders(DEPARTMENT)
    assert holder in {"eva", "emil"}
    walk.step(holder, DEPARTMENT, YES)
    assert has_role(demo, "anna", "finance")


def test_a_high_risk_that_nobody_examines_is_refused_by_policy(demo, beat):
    walk = Walk(demo).start("anna", KEY, STRONG).through([DEPT])
    demo.clock.set(walk.task_at(SECURITY)["last_act_at"])
    beat()
    assert ("system", SECURITY, "reject") in walk.decisions()
    walk.through([("anna", CLOSE, YES)]).ended("refused")
    assert not has_role(demo, "anna", "operators")


def test_a_suspended_case_takes_a_permission_back_when_it_goes_on(demo, beat):
    walk = Walk(demo).start("anna", KEY, ROLE).through([DEPT])
    with demo.work(walk.actor("ada")) as work:
        runtime.suspend(work, walk.id, "An inquiry.")
    demo.clock.set(at("2026-04-02 10:00"))
    beat()
    with demo.work(walk.actor("ada")) as work:
        runtime.resume(work, walk.id, "It is over.")
    beat()
    assert walk.events("membership.revoked")
    walk.through([("anna", CLOSE, YES)]).ended("ended")
