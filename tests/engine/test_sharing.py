"""Shared data: only what was approved, only for whom it was approved, counted, marked and written down."""

from __future__ import annotations

import csv
import io
import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from engine import people, sharing
from engine.errors import Conflict, Invalid, Misconfigured, NotAllowed, NotFound
from engine.policies import DataField, DataSet
from engine.schema import event, incident, share
from tests.engine.rooms import actor, opened, person, rows
from tests.engine.test_history import CASE, a_case

WISH = {"data_set": "staff_directory", "fields": ["name", "email"], "purpose": "Invitations to the open day."}


@pytest.fixture
def room(tmp_path):
    for platform in opened(tmp_path / "var"):
        person(platform, "anna", "staff", email="anna@example.org", phone="110")
        person(platform, "dora", "staff", "data_owners")
        person(platform, "cora", "staff", "compliance_officers")
        ends = platform.clock() + timedelta(days=300)
        person(platform, "paula", "partners", kind="partner", ends_at=ends, locale="en", email="p@example.org")
        with platform.work(people.SYSTEM) as work:
            a_case(work, CASE, "C-1")
        yield platform


def issue(platform, by=people.SYSTEM, **change) -> dict:
    with platform.work(by) as work:
        given = {"recipient": "paula", "max_uses": 2, "expires_at": work.now + timedelta(days=7), **WISH, **change}
        return sharing.issue(work, instance_id=CASE, **given)


def download(platform, share_id: str, login: str = "paula") -> list[list[str]]:
    with platform.work(actor(platform, login)) as work:
        _name, data = sharing.download(work, share_id)
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def told(platform, kind: str) -> list:
    return rows(platform, select(event).where(event.c.type == kind).order_by(event.c.seq))


# --- before a decision --------------------------------------------------------------------------
def classify(platform, *wish):
    with platform.read(people.SYSTEM) as work:
        return sharing.classify(work, *wish)


def test_the_strictest_class_among_the_fields_counts(room):
    found = classify(room, "staff_directory", ["name", "login", "email"], "paula")
    assert (found.highest, found.recipient_kind, found.unknown) == ("confidential", "partner", ())
    assert (found.owner_group, found.owner_person) == ("data_owners", None)
    assert classify(room, "staff_directory", ["name"], "anna").highest == "public"


def test_what_nobody_knows_counts_as_secret_and_for_a_stranger(room):
    found = classify(room, "no_such_set", ["a"], "nobody")
    assert (found.highest, found.unknown, found.recipient_kind) == ("secret", ("a",), "visitor")
    assert classify(room, "staff_directory", ["name", "password_hash"], "anna").unknown == ("password_hash",)


# --- issuing ------------------------------------------------------------------------------------
def test_issuing_is_written_into_the_case(room):
    row = issue(room)
    (said,) = told(room, "share.issued")
    assert said["stream"] == CASE
    assert said["data"]["share"] == row["id"]
    assert said["data"]["fields"] == ["name", "email"]
    assert said["data"]["recipient"] == actor(room, "paula").id


def test_nobody_shares_past_the_process(room):
    for login in ("anna", "dora", "paula"):
        with pytest.raises(NotAllowed):
            issue(room, by=actor(room, login))
    assert rows(room, select(share)) == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"fields": []}, Invalid), ({"fields": ["password_hash"]}, Invalid), ({"data_set": "salaries"}, NotFound),
        ({"purpose": " "}, Invalid), ({"max_uses": 0}, Invalid), ({"max_uses": 1001}, Invalid),
        ({"recipient": "nobody"}, NotFound),
    ],
)  # fmt: skip
def test_a_share_that_makes_no_sense_is_not_issued(room, change, refusal):
    with pytest.raises(refusal):
        issue(room, **change)


def test_a_share_ends_in_the_future(room):
    with pytest.raises(Invalid):
        issue(room, expires_at=room.clock())


def test_no_policy_can_share_a_secret_column_or_one_that_is_not_there(room):
    for column in ("password_hash", "no_such_column"):
        field = DataField("it", column, "It", "public")
        room.policies.data_sets["trap"] = DataSet("trap", "Trap", "person", "data_owners", {"it": field})
        with pytest.raises(Misconfigured, match=column):
            issue(room, data_set="trap", fields=["it"])


# --- downloading --------------------------------------------------------------------------------
def test_the_file_holds_the_approved_fields_and_a_mark_in_every_row(room):
    lines = download(room, issue(room)["id"])
    head, names, body = lines[:4], lines[4], lines[5:]
    mark = told(room, "share.used")[0]["data"]["mark"]
    assert "C-1" in head[0][0]
    assert head[1][0].startswith("Only for Paula (paula), until 2026-03-09 09:30")
    assert head[2] == ["Purpose: Invitations to the open day."]
    assert mark in head[3][0]
    assert names == ["Name", "Mail address", "Watermark"]
    assert [one[0] for one in body] == ["Anna", "Dora", "Cora"]  # Paula is no employee and not in the directory
    assert body[0][1] == "anna@example.org"
    assert {one[2] for one in body} == {mark}
    assert "110" not in str(lines)


def test_every_download_counts_and_is_written_down_with_its_purpose(room):
    row = issue(room)
    first, second = download(room, row["id"]), download(room, row["id"])
    assert first != second  # each has a mark of its own
    used = told(room, "share.used")
    assert [(one["data"]["use"], one["data"]["rows"], one["data"]["fields"]) for one in used] == [
        (1, 3, ["name", "email"]), (2, 3, ["name", "email"]),
    ]  # fmt: skip
    assert {one["data"]["purpose"] for one in used} == {"Invitations to the open day."}
    assert {one["actor_id"] for one in used} == {actor(room, "paula").id}
    with pytest.raises(Conflict, match="used up"):
        download(room, row["id"])
    assert len(told(room, "share.used")) == 2


def test_two_at_once_for_the_last_use_get_one(room):
    row, paula, outcomes = issue(room, max_uses=1), actor(room, "paula"), []

    def take() -> None:
        try:
            with room.work(paula) as work:
                sharing.download(work, row["id"])
            outcomes.append("taken")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["refused"] * 3 + ["taken"]


def test_it_is_for_the_recipient_alone(room):
    row = issue(room)
    for login in ("anna", "dora", "cora"):
        with pytest.raises(NotFound):
            download(room, row["id"], login)
    with room.work(people.SYSTEM) as work, pytest.raises(NotFound):
        sharing.download(work, row["id"])
    with room.read(actor(room, "paula")) as work:
        assert [one["id"] for one in sharing.mine(work)] == [row["id"]]
    with room.read(actor(room, "anna")) as work:
        assert sharing.mine(work) == []


def test_who_stands_in_for_the_recipient_gets_nothing(room):
    row = issue(room, recipient="anna")
    with room.work(people.SYSTEM) as work:
        who = [people.resolve(work, login) for login in ("anna", "dora")]
        people.substitute(work, *who, work.now - timedelta(days=1), work.now + timedelta(days=1))
    with room.work(actor(room, "dora", "anna")) as work, pytest.raises(NotFound):
        sharing.download(work, row["id"])


def test_a_share_whose_time_is_over_gives_nothing_before_anybody_ends_it(room):
    row = issue(room)
    room.clock.move(days=7)
    with pytest.raises(Conflict, match="time of this share is over"):
        download(room, row["id"])


def test_nothing_is_given_out_where_it_cannot_be_written_down(room):
    row = issue(room)
    with room.read(actor(room, "paula")) as work, pytest.raises(Misconfigured):
        sharing.download(work, row["id"])
    assert rows(room, select(share))[0]["uses"] == 0


def test_formulas_are_made_harmless(room):
    with room.work(people.SYSTEM) as work:
        for number, text in enumerate(("=HYPERLINK(1)", "+1", "@SUM(A1)", "-2", "fine")):
            work.execute(insert(incident), {
                "id": f"i{number}", "instance_id": CASE, "kind": text, "message": "m", "state": "open",
                "created_at": work.now,
            })  # fmt: skip
    row = issue(room, data_set="incidents", fields=["kind", "raised"], purpose="=cmd|' /C calc'!A0")
    lines = download(room, row["id"])
    assert [one[0] for one in lines[5:]] == ["'=HYPERLINK(1)", "'+1", "'@SUM(A1)", "'-2", "fine"]
    assert lines[5][1] == "2026-03-02 09:30"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for line in lines for cell in line)


def test_a_column_that_policy_withdrew_is_no_longer_given_out(room):
    row = issue(room)
    with room.work(people.SYSTEM) as work:
        work.execute(update(share).where(share.c.id == row["id"]).values(fields=["name", "salary"]))
    with pytest.raises(Invalid):
        download(room, row["id"])


# --- ending -------------------------------------------------------------------------------------
def test_an_ended_share_gives_nothing_and_ends_once(room):
    row = issue(room)
    with room.work(people.SYSTEM) as work:
        assert sharing.expire(work, row["id"]) is True
        assert sharing.expire(work, row["id"]) is False
        assert sharing.revoke(work, row["id"], "late") is False
    with pytest.raises(Conflict, match="time of this share is over"):
        download(room, row["id"])
    assert len(told(room, "share.expired")) == 1


def test_the_owner_of_the_data_may_revoke_and_others_may_not(room):
    row = issue(room)
    for login in ("anna", "paula", "cora"):
        with room.work(actor(room, login)) as work, pytest.raises(NotAllowed):
            sharing.revoke(work, row["id"], "I want to")
    with room.work(actor(room, "dora")) as work:
        assert sharing.revoke(work, row["id"], "It was passed on.")
    (said,) = told(room, "share.revoked")
    assert (said["reason"], said["stream"]) == ("It was passed on.", CASE)
    with pytest.raises(Conflict, match="revoked"):
        download(room, row["id"])


# --- marks --------------------------------------------------------------------------------------
def test_a_mark_leads_to_the_download_and_cannot_be_made_up(room):
    row = issue(room)
    download(room, row["id"])
    lines = download(room, row["id"])
    mark = lines[-1][-1]
    with room.read(actor(room, "cora")) as work:
        found, use = sharing.trace(work, f" {mark} ")
        assert (found["id"], found["recipient_id"], use) == (row["id"], actor(room, "paula").id, 2)
        for forged in (mark[:-1] + "0", mark.replace("-2-", "-1-"), "", "x-1-y", f"{row['id']}-²-00"):
            if forged != mark:
                with pytest.raises(NotFound):
                    sharing.trace(work, forged)
    with room.read(actor(room, "anna")) as work, pytest.raises(NotAllowed):
        sharing.trace(work, mark)
