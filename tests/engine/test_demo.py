"""The demo organisation has somebody for every role and nobody who may do too much alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from engine import demo, people
from engine.errors import NotAllowed
from engine.schema import event
from engine.schema import person as person_table
from tests.engine.rooms import actor, opened, rows


@pytest.fixture
def room(tmp_path):
    for platform in opened(tmp_path / "var"):
        organise(platform)
        yield platform


def organise(platform) -> dict[str, str]:
    with platform.work(people.SYSTEM) as work:
        return demo.organise(work)


def test_it_may_be_made_again_and_changes_nothing(room):
    before = rows(room, select(func.count().label("n")).select_from(event))[0]["n"]
    first = organise(room)
    assert rows(room, select(func.count().label("n")).select_from(event))[0]["n"] == before
    assert set(first) == {row["login"] for row in rows(room, select(person_table))}


def test_what_was_changed_since_is_left_as_it_is(room):
    with room.work(people.SYSTEM) as work:
        people.change_person(work, people.resolve(work, "anna"), name="Anna, married")
        people.leave(work, people.resolve(work, "fiona"), "finance")
        people.change_department(work, "sales", head_id=people.resolve(work, "clara"))
    organise(room)
    with room.read(people.SYSTEM) as work:
        assert people.by_login(work, "anna")["name"] == "Anna, married"
        assert "finance" not in people.groups_of(work, people.resolve(work, "fiona"))
        assert people.head_of(work, "sales") == people.resolve(work, "clara")


def test_every_role_has_somebody(room):
    with room.read(people.SYSTEM) as work:
        empty = [key for key in work.policies.access.groups if not people.members(work, key)]
    assert empty == []


def test_nobody_holds_roles_that_exclude_each_other(room):
    for login in (*demo.EMPLOYEES, *demo.GUESTS):
        assert room.policies.access.conflicts(actor(room, login).groups) == [], login


def test_everybody_but_who_leads_the_company_has_somebody_above(room):
    with room.read(people.SYSTEM) as work:
        alone = {login for login in demo.EMPLOYEES if not people.manager_of(work, people.resolve(work, login))}
        assert alone == {"eva"}
        assert people.manager_of(work, people.resolve(work, "anna")) == people.resolve(work, "bert")
        assert people.manager_of(work, people.resolve(work, "bert")) == people.resolve(work, "eva")


def test_names_say_that_they_are_examples_and_mails_reach_nobody(room):
    for row in rows(room, select(person_table)):
        assert row["name"].startswith("示例"), row["login"]
        assert row["email"].endswith(".example")


def test_nobody_can_sign_in_before_she_is_given_a_password(room):
    with pytest.raises(NotAllowed), room.work(people.SYSTEM) as work:
        people.authenticate(work, "anna", "")
    assert {row["password_hash"] for row in rows(room, select(person_table))} == {None}


def test_guests_come_with_an_end_and_without_a_view_of_the_house(room):
    for login in demo.GUESTS:
        guest = actor(room, login)
        assert guest.permissions == frozenset()
        assert guest.clearance == {"public"}
    room.clock.now += timedelta(days=366)
    with pytest.raises(NotAllowed, match="ended"):
        actor(room, "paula")
