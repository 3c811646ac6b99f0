"""Data is asked for, decided by its class, taken with limits and marks, and ended by time or by revocation."""

from __future__ import annotations

import csv
import io

import pytest

from engine import people, sharing
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.processes.walk import BACK, CLOCK, MESSAGE, NO, WITHDRAW, YES, Story, Walk, at, branches, local

KEY = "data_sharing_request"
INSIDE = {
    "data_set": "staff_directory", "fields": ["name", "department"], "purpose": "Invitations to the open day.",
    "recipient": "clara", "days": 30, "max_uses": 3,
}  # fmt: skip
MAILS = INSIDE | {"fields": ["name", "email"], "days": 365, "max_uses": 1000}
OUTSIDE = INSIDE | {"recipient": "paula"}
SECRET = INSIDE | {"data_set": "incidents", "fields": ["kind", "sentence"], "recipient": "paula"}
OWNER, SECURITY, LEGAL, CLOSE = "decide_owner", "decide_security", "decide_legal", "confirm_closing"
AGREED = ("dora", OWNER, YES)
A_MONTH = (CLOCK, "", {"days": 30})
REVOKED = (MESSAGE, "share.revoke", {"revoke_reason": "The open day is off."})

STORIES = {
    "inside: the owner alone, until its time is over": Story(
        "anna", INSIDE, (AGREED, A_MONTH, ("anna", CLOSE, YES)), "expired"
    ),
    "confidential inside: owner and security, revoked": Story(
        "anna", MAILS, (AGREED, ("sara", SECURITY, YES), REVOKED, ("anna", CLOSE, YES)), "revoked"
    ),
    "outside: owner, security and legal": Story(
        "anna", OUTSIDE,
        (AGREED, ("lena", LEGAL, YES), ("sven", SECURITY, YES), A_MONTH, ("anna", CLOSE, YES)), "expired",
    ),
    "outside: one no is enough": Story(
        "anna", OUTSIDE, (AGREED, ("sara", SECURITY, YES), ("lars", LEGAL, NO), ("anna", CLOSE, YES)), "refused"
    ),
    "refused by the owner": Story("anna", INSIDE, (("dora", OWNER, NO), ("anna", CLOSE, YES)), "refused"),
    "returned and revised": Story(
        "anna", MAILS,
        (("dora", OWNER, BACK), ("anna", "revise_sharing", INSIDE), AGREED, A_MONTH, ("anna", CLOSE, YES)), "expired",
    ),
    "secret data never leaves": Story("anna", SECRET, (("anna", CLOSE, YES),), "refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_story(walked, name):
    walk = walked(KEY, STORIES[name])
    assert walk.row()["number"].startswith("DS")
    with walk.platform.read(people.SYSTEM) as work:
        shares = [(row["ended_why"], row["uses"]) for row in sharing.of_case(work, walk.id)]
    assert shares == ([] if STORIES[name].outcome == "refused" else [(STORIES[name].outcome, 0)])


def test_every_branch_is_walked(walked):
    assert branches(KEY) - set().union(*(walked(KEY, story).taken(KEY) for story in STORIES.values())) == set()


# --- start ----------------------------------------------------------------------------------------
def test_a_start_is_refused_by_the_name_of_the_condition(demo):
    with pytest.raises(Invalid, match="cannot be started") as refused:
        Walk(demo).start("anna", KEY, INSIDE | {"purpose": "Because."})
    assert [problem.where for problem in refused.value.problems] == ["purpose"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fields": []}, "fields"), ({"fields": ["salary"]}, "fields"), ({"days": 366}, "days"), ({"days": 0}, "days"),
        ({"data_set": "wages"}, "data_set"), ({"recipient": "nobody"}, "recipient"), ({"purpose": ""}, "purpose"),
    ],
)  # fmt: skip
def test_the_form_refuses_what_cannot_be_shared(demo, change, field):
    with pytest.raises(Invalid) as refused:
        Walk(demo).start("anna", KEY, INSIDE | change)
    assert field in {problem.where for problem in refused.value.problems}


def test_a_visitor_asks_for_no_data(demo):
    with pytest.raises(NotAllowed):
        Walk(demo).start("viktor", KEY, INSIDE)


# --- who decides --------------------------------------------------------------------------------
WHO = [
    (INSIDE | {"fields": ["name"]}, {}),
    (INSIDE, {}),
    (MAILS, {SECURITY: 1}),
    (OUTSIDE, {SECURITY: 1, LEGAL: 1}),
    (SECRET | {"recipient": "clara"}, {SECURITY: 1, LEGAL: 1}),
]


@pytest.mark.parametrize(("asked", "waiting"), WHO, ids=["public", "internal", "mails", "outside", "secret"])
def test_the_class_of_the_fields_chooses_who_agrees_besides_the_owner(demo, asked, waiting):
    walk = Walk(demo).start("anna", KEY, asked)
    assert walk.waiting() == {OWNER: 1}
    walk.step("dora", OWNER, YES)
    assert walk.waiting() == waiting


def test_secret_data_for_a_partner_is_asked_of_nobody(demo):
    walk = Walk(demo).start("anna", KEY, SECRET)
    assert walk.waiting() == {CLOSE: 1}
    assert "sharing_refused" in walk.told("anna")


WHY_NOT = [
    ("refused by the owner", NO["reason"]),
    ("outside: one no is enough", NO["reason"]),
    ("secret data never leaves", "Secret data is not shared outside the company."),
]


@pytest.mark.parametrize(("name", "sentence"), WHY_NOT)
def test_whoever_is_refused_is_told_why(walked, name, sentence):
    assert [one["sentence"] for one in walked(KEY, STORIES[name]).notices("anna", "sharing_refused")] == [sentence]


def test_who_decides_is_shown_what_the_owner_thought(demo):
    walk = Walk(demo).start("anna", KEY, MAILS).through([AGREED])
    shown = walk.shown("sara", SECURITY)
    assert shown["owner_shown"] == f"{YES['opinion']} - {YES['reason']}"
    assert (shown["class_shown"], shown["limits_shown"]) == ("confidential", "90 days, 20 downloads")


def test_an_owner_does_not_decide_on_her_own_request(demo):
    walk = Walk(demo).start("dora", KEY, INSIDE)
    with pytest.raises(NotAllowed, match="own request"):
        walk.do("dora", OWNER, YES)


def test_who_owns_the_data_does_not_decide_for_security_too(demo):
    with demo.work(people.SYSTEM) as work:
        people.join(work, people.resolve(work, "dora"), "security_officers")
    walk = Walk(demo).start("anna", KEY, MAILS).through([AGREED])
    with pytest.raises(NotAllowed, match="decided in this case before"):
        walk.do("dora", SECURITY, YES)
    walk.step("sara", SECURITY, YES)
    assert walk.waiting() == {}


SAID = [(OWNER, "dora", YES), (OWNER, "dora", NO), (OWNER, "dora", BACK), (SECURITY, "sara", YES), (SECURITY, "sara", NO),
        (LEGAL, "lena", YES), (LEGAL, "lena", NO)]  # fmt: skip


@pytest.mark.parametrize("field", ["opinion", "reason"])
@pytest.mark.parametrize(("where", "login", "said"), SAID, ids=lambda one: one["decision"] if isinstance(one, dict) else one)
def test_everybody_states_opinion_and_reason(demo, where, login, said, field):
    walk = Walk(demo).start("anna", KEY, OUTSIDE).through([] if where == OWNER else [AGREED])
    assert walk.refused(login, where, said | {field: " "}) == [field]


# --- what is shared -----------------------------------------------------------------------------
def share_of(walk):
    with walk.platform.read(people.SYSTEM) as work:
        (row,) = sharing.of_case(work, walk.id)
        return row


def take(walk, login: str) -> list[list[str]]:
    with walk.platform.work(walk.actor(login)) as work:
        _, data = sharing.download(work, share_of(walk)["id"])
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_recipient_takes_the_fields_that_were_approved_and_a_mark(demo):
    walk = Walk(demo).start("anna", KEY, INSIDE).through([AGREED])
    assert "share_issued" in walk.told("clara")
    rows = take(walk, "clara")
    head, body = rows[:4], rows[5:]
    assert {len(row) for row in body} == {3}  # name, department, mark
    assert len(body) == 25
    assert ["sales"] in [row[1:2] for row in body]
    assert not any("@" in cell for row in rows for cell in row)
    (mark,) = {row[2] for row in body}
    assert mark in head[3][0]
    assert INSIDE["purpose"] in head[2][0]
    (used,) = walk.events("share.used")
    assert (used["data"]["purpose"], used["data"]["fields"]) == (INSIDE["purpose"], INSIDE["fields"])
    with demo.read(walk.actor("sara")) as work:
        assert sharing.trace(work, mark)[0]["id"] == share_of(walk)["id"]


def test_it_is_taken_so_often_and_not_once_more(demo):
    walk = Walk(demo).start("anna", KEY, INSIDE | {"max_uses": 2}).through([AGREED])
    take(walk, "clara"), take(walk, "clara")
    with pytest.raises(Conflict, match="used up"):
        take(walk, "clara")
    assert (share_of(walk)["uses"], len(walk.events("share.used"))) == (2, 2)


@pytest.mark.parametrize("login", ["anna", "dora", "bert", "ada", "paula"])
def test_nobody_but_the_recipient_takes_it(demo, login):
    walk = Walk(demo).start("anna", KEY, INSIDE).through([AGREED])
    with pytest.raises(NotFound):
        take(walk, login)
    assert share_of(walk)["uses"] == 0


def test_the_table_allows_less_than_was_asked_for(demo):
    walk = Walk(demo).start("anna", KEY, MAILS).through([AGREED, ("sara", SECURITY, YES)])
    row = share_of(walk)
    assert row["max_uses"] == 20
    assert (row["expires_at"] - row["issued_at"]).days == 90


def test_at_its_end_the_timer_ends_it(demo, beat):
    walk = Walk(demo).start("anna", KEY, INSIDE).through([AGREED])
    end = share_of(walk)["expires_at"]
    assert local(end)[:10] == "2026-04-01"
    demo.clock.set(end)
    demo.clock.move(seconds=-1)
    beat()
    take(walk, "clara")
    demo.clock.set(end)
    with pytest.raises(Conflict, match="time of this share is over"):
        take(walk, "clara")  # even before anybody has ended it
    beat()
    assert share_of(walk)["ended_why"] == "expired"
    walk.through([("anna", CLOSE, YES)]).ended("expired")
    walk.intact()


# --- revocation ---------------------------------------------------------------------------------
WHEN = {
    "while the owner decides": (MAILS, ()),
    "while security and legal decide": (OUTSIDE, (AGREED,)),
    "when one of them has decided": (OUTSIDE, (AGREED, ("lena", LEGAL, YES))),
    "while it is revised": (INSIDE, (("dora", OWNER, BACK),)),
    "when it is in use": (INSIDE, (AGREED,)),
}


@pytest.mark.parametrize("when", WHEN)
def test_it_is_revoked_at_any_time(demo, when):
    asked, steps = WHEN[when]
    walk = Walk(demo).start("anna", KEY, asked).through([*steps, REVOKED])
    assert walk.waiting() == {CLOSE: 1}
    assert "share_ended" in walk.told("anna")
    walk.through([("anna", CLOSE, YES), A_MONTH]).ended("revoked")
    walk.intact()


def test_what_was_revoked_gives_nothing_any_more(demo):
    walk = Walk(demo).start("anna", KEY, INSIDE).through([AGREED])
    take(walk, "clara")
    walk.step(*REVOKED)
    with pytest.raises(Conflict, match="revoked"):
        take(walk, "clara")
    (ended,) = walk.events("share.revoked")
    assert ended["reason"] == "The open day is off."
    assert "share_ended" in walk.told("clara")


def test_the_owner_recalls_it_and_the_case_goes_to_its_end(demo):
    walk = Walk(demo).start("anna", KEY, INSIDE).through([AGREED])
    with pytest.raises(NotAllowed), demo.work(walk.actor("bert")) as work:
        sharing.recall(work, share_of(walk)["id"], "I do not like it.")
    with demo.work(walk.actor("dora")) as work:
        sharing.recall(work, share_of(walk)["id"], "It was passed on.")
    walk.step(CLOCK, "", {"minutes": 1})
    walk.through([("anna", CLOSE, YES)]).ended("revoked")
    walk.intact()


def test_a_case_that_is_closing_is_not_revoked_again(demo):
    walk = Walk(demo).start("anna", KEY, INSIDE).through([AGREED, REVOKED])
    with pytest.raises(AssertionError, match="nobody waits"):
        walk.step(*REVOKED)


# --- withdrawing and time limits ------------------------------------------------------------------
def test_she_withdraws_until_it_is_issued(demo):
    walk = Walk(demo).start("anna", KEY, OUTSIDE).through([AGREED, (WITHDRAW, "anna", "Not needed.")])
    assert (walk.row()["outcome"], walk.waiting()) == ("withdrawn", {})
    issued = Walk(demo).start("anna", KEY, INSIDE).through([AGREED])
    with pytest.raises(Conflict, match="can no longer be withdrawn"):
        issued.withdraw("anna")


@pytest.mark.parametrize(("asked", "where"), [(MAILS, SECURITY), (OUTSIDE, LEGAL)])
def test_what_nobody_examines_is_not_shared(demo, beat, asked, where):
    walk = Walk(demo).start("anna", KEY, asked).through([AGREED])
    demo.clock.set(walk.task_at(where)["last_act_at"])
    beat()
    demo.clock.set(at("2026-03-06 18:00"))
    beat()
    assert ("system", where, "reject") in walk.decisions()
    assert walk.waiting() == {CLOSE: 1}
    walk.through([("anna", CLOSE, YES)]).ended("refused")


def test_the_owner_is_reminded_her_superior_told_and_it_is_given_to_her(demo, beat):
    walk = Walk(demo).start("anna", KEY, INSIDE)
    row = walk.task_at(OWNER)
    assert [local(row[name]) for name in ("remind_at", "due_at", "last_act_at")] == [
        "2026-03-03 14:30", "2026-03-04 09:30", "2026-03-05 09:30",
    ]  # fmt: skip
    for name, kind, login in [("remind_at", "task_reminder", "dora"), ("due_at", "task_escalated", "bert")]:
        demo.clock.set(row[name])
        beat()
        assert kind in walk.told(login)
    assert walk.holders(OWNER) == set()
    demo.clock.set(row["last_act_at"])
    beat()
    assert walk.holders(OWNER) == {"dora"}


def test_where_only_the_starter_could_decide_it_is_said_that_nobody_can(demo, beat):
    walk = Walk(demo).start("dora", KEY, INSIDE)
    for name in ("remind_at", "due_at", "last_act_at"):
        demo.clock.set(walk.task_at(OWNER)[name])
        beat()
    assert walk.events("task.stuck")
    assert walk.holders(OWNER) == set()
