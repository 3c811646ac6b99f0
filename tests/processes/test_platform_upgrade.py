"""A version goes from plan to use: approval, test, change window, watch, verification, and the way back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from engine import documents, people
from engine.errors import Conflict, Invalid, NotAllowed
from engine.schema import announcement
from tests.processes.walk import (
    BACK,
    CLOCK,
    NO,
    WITHDRAW,
    YES,
    Paper,
    Story,
    Walk,
    at,
    branches,
    local,
)

KEY = "platform_upgrade"
PLAN = {
    "version": "2.4.0", "content": "Faster lists and a new calendar.", "downtime_minutes": 10, "users_affected": "few",
    "window_start": "2026-03-05T20:00:00+08:00", "window_end": "2026-03-05T23:00:00+08:00", "changes_data": False,
    "can_be_undone": True, "rollback_plan": "Stop, restore the backup, start the old version.",
}  # fmt: skip
MEDIUM = PLAN | {"changes_data": True}
HIGH = PLAN | {"can_be_undone": False}
LATER = PLAN | {
    "version": "2.4.1", "window_start": "2026-03-09T20:00:00+08:00", "window_end": "2026-03-09T23:00:00+08:00",
}  # fmt: skip
VOTE, TEST, BACKUP, INSTALL, WATCH = "vote_together", "test_upgrade", "take_backup", "install_version", "watch_system"
VERIFY, PUT_BACK, RESTORE, REVIEW = "verify_upgrade", "restore_version", "restore_backup", "review_failure"
PASSED = {"test_result": "pass", "test_summary": "All 214 cases passed.", "evidence": [Paper("protocol.txt")]}
FAILED = PASSED | {"test_result": "fail", "test_summary": "Lists show nothing."}
SAVED = {"backup_place": "vault 3", "backup_checked": True}
INSTALLED = {"steps_done": "20:10 stopped, 20:20 installed, 20:25 started."}
CALM = {"watch_result": "calm", "watch_notes": "Nothing to be seen."}
TROUBLE = {"watch_result": "trouble", "watch_notes": "Errors at 20:15."}
VERIFIED = {
    "services_up": True, "data_intact": True, "functions_work": True, "performance_normal": True,
    "verification_notes": "All is well.",
}  # fmt: skip
BROKEN = VERIFIED | {"functions_work": False, "verification_notes": "Nobody can sign in."}
WENT_BACK = (
    ("olga", PUT_BACK, {"put_back_note": "21:00 old version started."}),
    ("olga", RESTORE, {"restored_note": "21:20 restored and read."}),
)
APPROVED = ("omar", VOTE, YES)
TESTED = ("tina", TEST, PASSED)
OPENS = (CLOCK, "", {"days": 3, "hours": 11})
TO_WINDOW = (APPROVED, TESTED, OPENS)
IN_WINDOW = (("olga", BACKUP, SAVED), ("omar", INSTALL, INSTALLED), ("ada", WATCH, CALM))
IN_PLACE = (*IN_WINDOW, ("tom", VERIFY, VERIFIED))
CLOSED = ("olga", "confirm_closing", YES)

STORIES = {
    "upgraded in its window": Story("olga", PLAN, (*TO_WINDOW, *IN_PLACE, CLOSED), "upgraded"),
    "upgraded after its window": Story(
        "olga", PLAN, (*TO_WINDOW, IN_WINDOW[0], (CLOCK, "", {"hours": 4}), *IN_PLACE[1:], CLOSED), "upgraded"
    ),
    "rejected by security": Story("ada", MEDIUM, (APPROVED, ("sara", VOTE, NO), ("ada", "confirm_closing", YES)), "rejected"),
    "trouble stops the installation, and it is given up": Story(
        "olga", PLAN,
        (
            APPROVED, ("tina", TEST, FAILED), ("olga", "revise_plan", PLAN), *TO_WINDOW, IN_WINDOW[0],
            ("ada", WATCH, TROUBLE), WENT_BACK[1], ("eva", REVIEW, NO), CLOSED,
        ),
        "rolled_back",
    ),
    "not verified, rolled back and planned again": Story(
        "olga", PLAN,
        (
            *TO_WINDOW, *IN_WINDOW, ("tom", VERIFY, BROKEN), *WENT_BACK, ("emil", REVIEW, YES),
            ("olga", "revise_plan", LATER), APPROVED, TESTED, (CLOCK, "", {"days": 4}), *IN_PLACE, CLOSED,
        ),
        "upgraded",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_story(walked, name):
    walk = walked(KEY, STORIES[name])
    assert walk.row()["number"].startswith("PU")
    assert announced(walk) == (1 if STORIES[name].outcome == "upgraded" else 0)


def test_every_branch_is_walked(walked):
    assert branches(KEY) - set().union(*(walked(KEY, story).taken(KEY) for story in STORIES.values())) == set()


def announced(walk) -> int:
    with walk.platform.read(people.SYSTEM) as work:
        return len(work.all(select(announcement).where(announcement.c.instance_id == walk.id)))


# --- plan ---------------------------------------------------------------------------------------
REFUSED = [
    ({"window_start": "2026-03-02T20:00:00+08:00", "window_end": "2026-03-02T22:00:00+08:00"}, ["window_start"]),
    ({"window_end": "2026-03-05T19:00:00+08:00"}, ["window_end"]),
    ({"window_end": "2026-03-06T20:00:00+08:00"}, ["window_end"]),
    ({"rollback_plan": "None."}, ["rollback_plan"]),
]


@pytest.mark.parametrize(("change", "conditions"), REFUSED)
def test_a_plan_is_refused_by_the_name_of_each_condition(demo, change, conditions):
    with pytest.raises(Invalid, match="cannot be started") as refused:
        Walk(demo).start("olga", KEY, PLAN | change)
    assert [problem.where for problem in refused.value.problems] == conditions


@pytest.mark.parametrize("login", ["anna", "tina", "paula", "viktor"])
def test_only_who_runs_the_platform_plans_an_upgrade(demo, login):
    with pytest.raises(NotAllowed):
        Walk(demo).start(login, KEY, PLAN)


def test_the_risk_chooses_the_levels_of_approval(demo):
    walk = Walk(demo).start("ada", KEY, HIGH)
    assert walk.holders(VOTE) == {"olga", "omar"}
    walk.step("olga", VOTE, YES)  # one of two is the share that is asked for
    assert walk.holders(VOTE) == {"sara", "sven"}
    walk.through([("sara", VOTE, YES), ("sven", VOTE, YES)])
    assert walk.holders(VOTE) == {"emil", "eva"}
    walk.through([("eva", VOTE, YES), ("emil", VOTE, YES)])
    assert walk.waiting() == {TEST: 1}


def test_a_plan_that_operations_returns_is_mended_within_the_approval(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([("omar", VOTE, BACK)])
    assert walk.holders("revise_request") == {"olga"}
    walk.through([("olga", "revise_request", {"amount": 0, "risk": "low", "summary": "Fewer changes at once."}), APPROVED])
    assert walk.waiting() == {TEST: 1}


# --- test ---------------------------------------------------------------------------------------
def test_no_test_without_evidence(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([APPROVED])
    assert walk.refused("tina", TEST, PASSED | {"evidence": []}) == ["evidence"]
    walk.step("tina", TEST, PASSED)
    with demo.read(walk.actor("olga")) as work:
        assert [row["name"] for row in documents.list_(work, walk.id)] == ["protocol.txt"]


def test_who_plans_it_does_not_test_it(demo):
    with demo.work(people.SYSTEM) as work:
        people.join(work, people.resolve(work, "ada"), "testers")
    walk = Walk(demo).start("ada", KEY, PLAN).through([APPROVED])
    with pytest.raises(NotAllowed, match="own request"):
        walk.do("ada", TEST, PASSED | {"evidence": ["none"]})


def test_a_failed_test_goes_back_to_the_plan_and_all_is_approved_anew(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([APPROVED, ("tina", TEST, FAILED)])
    assert walk.holders("revise_plan") == {"olga"}
    walk.step("olga", "revise_plan", MEDIUM)
    assert walk.holders(VOTE) == {"omar"}
    walk.step(*APPROVED)
    assert walk.holders(VOTE) == {"sara", "sven"}


def test_a_revised_plan_does_not_open_its_window_in_the_past(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([APPROVED, ("tina", TEST, FAILED)])
    past = PLAN | {"window_start": "2026-03-01T20:00:00+08:00", "window_end": "2026-03-01T23:00:00+08:00"}
    assert walk.refused("olga", "revise_plan", past) == [""]
    assert walk.refused("olga", "revise_plan", PLAN | {"window_end": PLAN["window_start"]}) == [""]


# --- window -------------------------------------------------------------------------------------
def test_nothing_is_done_before_the_window_opens(demo, beat):
    walk = Walk(demo).start("olga", KEY, PLAN).through([APPROVED, TESTED])
    demo.clock.set(at("2026-03-05 19:59"))
    beat()
    assert walk.waiting() == {}
    beat(minutes=1)
    assert walk.waiting() == {BACKUP: 1}


def test_she_withdraws_until_the_window_opens(demo):
    early = Walk(demo).start("olga", KEY, PLAN).through([APPROVED, TESTED, (WITHDRAW, "olga", "Too early.")])
    assert (early.row()["outcome"], early.waiting()) == ("withdrawn", {})
    early.step(*OPENS)
    assert early.waiting() == {}
    early.intact()
    late = Walk(demo)
    late.start("olga", KEY, LATER).through([APPROVED, TESTED, (CLOCK, "", {"days": 5})])
    with pytest.raises(Conflict, match="can no longer be withdrawn"):
        late.withdraw("olga")


def test_a_backup_that_nobody_has_read_is_none(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through(TO_WINDOW)
    assert walk.refused("olga", BACKUP, SAVED | {"backup_checked": False}) == ["backup_checked"]


def test_it_is_installed_and_watched_at_once(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, IN_WINDOW[0]])
    assert walk.waiting() == {INSTALL: 1, WATCH: 1}
    walk.step("ada", WATCH, CALM)
    assert walk.waiting() == {INSTALL: 1}
    walk.step("omar", INSTALL, INSTALLED)
    assert walk.waiting() == {VERIFY: 1}


def test_who_installed_it_does_not_verify_it(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, *IN_WINDOW])
    with demo.work(people.SYSTEM) as work:
        people.leave(work, walk.id_of("omar"), "operators")
        people.join(work, walk.id_of("omar"), "testers")
    with pytest.raises(NotAllowed, match="decided in this case before"):
        walk.do("omar", VERIFY, VERIFIED)


def test_when_the_window_ends_too_early_starter_and_manager_are_told_and_the_work_goes_on(demo, beat):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, IN_WINDOW[0]])
    demo.clock.set(at("2026-03-05 22:59"))
    beat()
    assert "upgrade_window_over" not in walk.told("olga") + walk.told("otto")
    beat(minutes=1)
    assert ("upgrade_window_over" in walk.told("olga"), "upgrade_window_over" in walk.told("otto")) == (True, True)
    assert walk.waiting() == {INSTALL: 1, WATCH: 1}
    walk.through([*IN_PLACE[1:], CLOSED]).ended("upgraded")


def test_an_upgrade_that_is_done_in_time_tells_nobody_that_its_window_is_over(walked):
    walk = walked(KEY, STORIES["upgraded in its window"])
    walk.step(CLOCK, "", {"days": 1})
    assert "upgrade_window_over" not in walk.told("olga")


# --- trouble ------------------------------------------------------------------------------------
def test_trouble_stops_the_installation_at_once_and_undoes_only_what_was_done(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, IN_WINDOW[0], ("ada", WATCH, TROUBLE)])
    assert walk.waiting() == {RESTORE: 1}
    with pytest.raises(AssertionError, match="nothing waits"):
        walk.do("omar", INSTALL, INSTALLED)
    walk.step(*WENT_BACK[1])
    assert walk.waiting() == {REVIEW: 1}
    walk.intact()


def test_trouble_after_the_installation_undoes_it_too(demo):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, *IN_WINDOW[:2], ("ada", WATCH, TROUBLE)])
    walk.through(WENT_BACK)
    assert walk.waiting() == {REVIEW: 1}
    walk.intact()


@pytest.mark.parametrize("unticked", ["services_up", "data_intact", "functions_work", "performance_normal"])
def test_whatever_is_unticked_rolls_back_in_reverse_order(demo, unticked):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, *IN_WINDOW, ("tom", VERIFY, VERIFIED | {unticked: False})])
    assert walk.waiting() == {PUT_BACK: 1}
    walk.step(*WENT_BACK[0])
    assert walk.waiting() == {RESTORE: 1}
    walk.step(*WENT_BACK[1])
    assert walk.waiting() == {REVIEW: 1}
    undone = [where for _, where, _ in walk.decisions() if where in (PUT_BACK, RESTORE)]
    assert undone == [PUT_BACK, RESTORE]


@pytest.mark.parametrize("field", ["opinion", "reason"])
@pytest.mark.parametrize("said", [YES, NO], ids=lambda said: said["decision"])
def test_the_review_states_opinion_and_reason(demo, said, field):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, IN_WINDOW[0], ("ada", WATCH, TROUBLE), WENT_BACK[1]])
    assert walk.refused("eva", REVIEW, said | {field: ""}) == [field]


def test_a_second_window_undoes_only_what_was_done_in_it(demo):
    first = [*TO_WINDOW, *IN_WINDOW, ("tom", VERIFY, BROKEN), *WENT_BACK, ("eva", REVIEW, YES)]
    again = [("olga", "revise_plan", LATER), APPROVED, TESTED, (CLOCK, "", {"days": 4}), IN_WINDOW[0]]
    walk = Walk(demo).start("olga", KEY, PLAN).through([*first, *again])
    assert walk.waiting() == {INSTALL: 1, WATCH: 1}  # what was watched the first time stops nothing now
    walk.step("ada", WATCH, TROUBLE)
    assert walk.waiting() == {RESTORE: 1}
    walk.through([WENT_BACK[1], ("eva", REVIEW, NO), CLOSED]).ended("rolled_back")
    walk.intact()


def test_who_reviews_and_who_plans_again_see_what_went_wrong_this_time(demo):
    first = [*TO_WINDOW, *IN_WINDOW, ("tom", VERIFY, BROKEN), *WENT_BACK]
    walk = Walk(demo).start("olga", KEY, PLAN).through(first)
    shown = walk.shown("eva", REVIEW)
    assert (shown["watch_shown"], shown["verification_shown"]) == (CALM["watch_notes"], BROKEN["verification_notes"])
    walk.step("eva", REVIEW, YES)
    assert walk.shown("olga", "revise_plan")["why_shown"] == f"{YES['opinion']} - {YES['reason']}"
    walk.through([("olga", "revise_plan", LATER), APPROVED, ("tina", TEST, FAILED)])
    assert walk.shown("olga", "revise_plan")["why_shown"] == FAILED["test_summary"]
    walk.through([("olga", "revise_plan", LATER), APPROVED, TESTED, (CLOCK, "", {"days": 4}), IN_WINDOW[0]])
    walk.through([("ada", WATCH, TROUBLE), WENT_BACK[1]])
    assert walk.shown("eva", REVIEW)["watch_shown"] == TROUBLE["watch_notes"]
    assert "verification_shown" not in walk.shown("eva", REVIEW)


# --- success ------------------------------------------------------------------------------------
def test_success_is_announced_to_everybody(walked):
    walk = walked(KEY, STORIES["upgraded in its window"])
    with walk.platform.read(people.SYSTEM) as work:
        (row,) = work.all(select(announcement))
    assert (row["title"], row["text"]) == ("Upgraded to 2.4.0", PLAN["content"])
    assert "announcement" in walk.told("anna")
    assert walk.events("announcement.made")


# --- time limits --------------------------------------------------------------------------------
def test_a_watcher_who_says_nothing_counts_as_trouble(demo, beat):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, IN_WINDOW[0]])
    row = walk.task_at(WATCH)
    assert [local(row[name]) for name in ("due_at", "last_act_at")] == ["2026-03-06 14:00", "2026-03-06 16:00"]
    for name in ("remind_at", "due_at", "last_act_at"):
        demo.clock.set(row[name])
        beat()
    assert ("system", WATCH, None) in walk.decisions()
    assert walk.waiting() == {RESTORE: 1}


def test_a_failure_that_nobody_reviews_is_not_planned_again(demo, beat):
    walk = Walk(demo).start("olga", KEY, PLAN).through([*TO_WINDOW, IN_WINDOW[0], ("ada", WATCH, TROUBLE), WENT_BACK[1]])
    demo.clock.set(walk.task_at(REVIEW)["last_act_at"])
    beat(), beat()
    assert ("system", REVIEW, "reject") in walk.decisions()
    walk.through([CLOSED]).ended("rolled_back")


def test_a_test_that_nobody_takes_is_given_to_a_tester(demo, beat):
    walk = Walk(demo).start("olga", KEY, PLAN | LATER).through([APPROVED])
    for name in ("remind_at", "due_at", "last_act_at"):
        demo.clock.set(walk.task_at(TEST)[name])
        beat()
    assert walk.holders(TEST) <= {"tina", "tom"}
    assert walk.holders(TEST)
