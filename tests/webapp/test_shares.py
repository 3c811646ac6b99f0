"""Shared data: what the recipient may take and how often, and how those who decide take it back."""

from __future__ import annotations

import re

import pytest

from engine import history, people, runtime, sharing, tasks
from engine.worker import Worker
from tests.webapp import visitor
from tests.webapp.visitor import Visitor
from webapp import create_app
from webapp.shares import SHARING


@pytest.fixture
def app(demo):
    return create_app(demo)


@pytest.fixture
def key(demo) -> str:
    """The process by which data is asked for."""
    return next(key for key, one in demo.policies.processes.items() if SHARING in one.clauses)


@pytest.fixture
def share(demo, key) -> str:
    """Anna may take the staff directory three times; Dora, who decides about it, has agreed."""
    with demo.work(visitor.actor(demo, "anna")) as work:
        said = {"data_set": "staff_directory", "fields": ["name", "department"], "recipient": work.actor.id,
                "purpose": "Plan the summer party.", "days": 30, "max_uses": 3}  # fmt: skip
        runtime.start(work, key, said)
    worker = Worker(demo, "test")
    worker.beat()
    with demo.work(visitor.actor(demo, "dora")) as work:
        answer = {"decision": "approve", "opinion": "A good purpose.", "reason": "Internal data stays inside."}
        runtime.complete(work, tasks.inbox(work, "group").rows[0]["id"], answer)
    for _ in range(3):
        worker.beat()
    with demo.read(visitor.actor(demo, "anna")) as work:
        return sharing.mine(work)[0]["id"]


@pytest.fixture
def anna(app):
    return Visitor(app, "anna")


@pytest.fixture
def dora(app):
    """An owner of data."""
    return Visitor(app, "dora")


def case_of(platform, share_id: str):
    with platform.read(people.SYSTEM) as work:
        row = sharing.find(work, share_id)
        return history.events(work, root_id=row["instance_id"]), row


def test_the_recipient_sees_purpose_fields_end_and_how_often(anna, share, key):
    page = anna.get("/shares")
    tile = " ".join(page.one(".bd-tile").text_content().split())
    assert "Plan the summer party." in tile and "0 of 3 used" in tile and "04-01" in tile
    assert "Department" in tile and "Telephone" not in tile
    assert page.all(f"a[href='/start/{key}']")


def test_a_download_is_a_marked_file_and_counts(anna, demo, share):
    answer = anna.post(f"/shares/{share}/file", status=200)
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "Plan the summer party." in answer.raw and "Bert" in answer.raw and "@bizday.example" not in answer.raw
    assert "1 of 3 used" in anna.get("/shares").text
    told, _row = case_of(demo, share)
    assert [one["data"]["purpose"] for one in told if one["type"] == "share.used"] == ["Plan the summer party."]


def test_following_a_link_takes_nothing(anna, demo, share):
    anna.get(f"/shares/{share}/file", 405)
    assert case_of(demo, share)[1]["uses"] == 0


def test_when_all_downloads_are_used_there_is_no_button_and_no_file(anna, share):
    for _ in range(3):
        anna.post(f"/shares/{share}/file", status=200)
    page = anna.get("/shares")
    assert "Used up" in page.text and not page.all(f"form[action='/shares/{share}/file']")
    refused = anna.follow(anna.post(f"/shares/{share}/file", {"back": "/shares"}))
    assert refused.told == ["All downloads of this share are used up."]


def test_after_its_end_a_share_is_only_remembered(anna, demo, share):
    demo.clock.move(days=31)
    anna = Visitor(anna.client.application, "anna")
    page = anna.get("/shares")
    assert "Expired" in page.text and not page.all(f"form[action='/shares/{share}/file']")


def test_nobody_else_takes_what_was_shared(app, share):
    assert "Nothing is shared with you." in Visitor(app, "clara").get("/shares").text
    for login in ("clara", "ada", "dora", "paula"):
        Visitor(app, login).post(f"/shares/{share}/file", status=404)


def test_who_decides_sees_every_share_of_her_data_and_others_see_none(app, dora, share):
    row = dora.get("/shares").one(".bd-list tbody tr").text_content()
    assert "Anna" in row and "Plan the summer party." in row
    assert "Data about which you decide" not in Visitor(app, "clara").get("/shares").text


def test_a_recalled_share_gives_nothing_and_its_case_goes_on_to_its_end(anna, dora, demo, share):
    page = dora.follow(dora.post(f"/shares/{share}/recall", {"reason": "The party is cancelled."}))
    assert page.told == ["The share was revoked; it gives nothing any more."]
    refused = anna.follow(anna.post(f"/shares/{share}/file", {"back": "/shares"}))
    assert refused.told == ["This share was revoked."]
    for _ in range(3):
        Worker(demo, "test").beat()
    told, row = case_of(demo, share)
    assert row["ended_why"] == "revoked"
    assert [one["reason"] for one in told if one["type"] == "share.revoked"] == ["The party is cancelled."]
    assert any(one["element_id"] == "revoke_share" and one["type"] == "element.completed" for one in told)


def test_recalling_needs_a_reason_and_the_right_to_decide(app, dora, demo, share):
    page = dora.follow(dora.post(f"/shares/{share}/recall", {"reason": " ", "back": "/shares"}))
    assert page.told == ["Give a reason; it stands in the log."]
    Visitor(app, "ada").post(f"/shares/{share}/recall", {"reason": "I want to."}, 403)
    assert case_of(demo, share)[1]["ended_at"] is None


def test_a_share_is_recalled_once(dora, share):
    dora.post(f"/shares/{share}/recall", {"reason": "The party is cancelled."})
    page = dora.follow(dora.post(f"/shares/{share}/recall", {"reason": "Again.", "back": "/shares"}))
    assert page.told == ["This share was revoked."]


def test_the_mark_of_a_file_that_turned_up_tells_who_took_it(app, anna, share):
    raw = anna.post(f"/shares/{share}/file", status=200).raw
    mark = re.search(rf"{share}-1-[0-9a-f]+", raw).group()
    cora = Visitor(app, "cora")
    page = cora.post("/compliance/log/trace", {"mark": mark}, 200)
    assert "Anna took it as download 1 of 3." in page.told[0]
    assert "This mark was not made by the platform." in cora.post(
        "/compliance/log/trace", {"mark": mark[:-1] + "x"}, 404
    ).text
