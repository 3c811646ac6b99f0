"""Who is who, who is above whom, who stands in for whom, and how a person proves who she is."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from engine import people
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from engine.schema import api_token, event, session
from engine.schema import person as person_table
from tests.engine.rooms import actor, opened, person, rows

PASSWORD = "nine green bottles on a wall"
OTHER = "eight blue bottles in a hall"


@pytest.fixture
def room(tmp_path):
    yield from opened(tmp_path / "var")


@pytest.fixture
def anna(room):
    return person(room, "anna", "staff", password=PASSWORD)


def events(room, *types: str) -> list:
    return rows(room, select(event).where(event.c.type.in_(types)).order_by(event.c.seq))


def sign_in(room, login: str, password: str, address: str = "10.0.0.1"):
    with room.work(people.SYSTEM) as work:
        return people.authenticate(work, login, password, address)


def refused(room, login: str, password: str) -> str:
    with pytest.raises(NotAllowed) as caught:
        sign_in(room, login, password)
    return str(caught.value)


# --- passwords and lock-out ---------------------------------------------------------------------
def test_the_right_password_opens_and_the_row_shows_no_secret(room, anna):
    row = sign_in(room, " Anna ", PASSWORD)
    assert row["id"] == anna
    assert not {"password_hash", "failed_sign_ins", "locked_until"} & set(row.keys())


def test_every_refusal_is_the_same_sentence_whatever_the_cause(room, anna):
    person(room, "gone", password=OTHER)
    person(room, "nopassword")
    with room.work(people.SYSTEM) as work:
        people.deactivate(work, people.resolve(work, "gone"))
    said = {
        refused(room, "anna", "a wrong one"), refused(room, "nobody", PASSWORD), refused(room, "gone", OTHER),
        refused(room, "nopassword", PASSWORD), refused(room, "", PASSWORD), refused(room, "anna", ""),
    }  # fmt: skip
    assert said == {people.NOT_PROVEN}
    why = [row["data"]["why"] for row in events(room, "sign-in.failed")]
    assert why == ["password", "unknown", "ended", "password", "unknown", "password"]


def test_an_unknown_name_takes_as_long_as_a_known_one(room, anna):
    """With the parameters of production, so that the time is the hash's and not the noise."""
    room.cache["hasher"] = PasswordHasher(time_cost=3, memory_cost=16384, parallelism=1)
    with room.work(people.SYSTEM) as work:
        people.set_password(work, anna, PASSWORD)
    refused(room, "nobody", PASSWORD)  # the first one also makes the hash to compare with

    def seconds(login: str) -> float:
        taken = []
        for _ in range(4):
            began = time.perf_counter()
            refused(room, login, "a wrong one")
            taken.append(time.perf_counter() - began)
        return min(taken)

    known, unknown = seconds("anna"), seconds("nobody")
    assert 0.5 < unknown / known < 2


def test_after_five_failures_the_account_rests_and_the_right_password_does_not_help(room, anna):
    for _ in range(people.TRIES):
        refused(room, "anna", "a wrong one")
    assert refused(room, "anna", PASSWORD) == people.NOT_PROVEN
    assert [row["data"]["person"] for row in events(room, "person.locked")] == [anna]
    room.clock.move(minutes=16)
    assert sign_in(room, "anna", PASSWORD)["id"] == anna


def test_knocking_at_a_locked_account_does_not_lock_it_for_longer(room, anna):
    """Otherwise anybody could keep anybody out for ever."""
    for _ in range(people.TRIES):
        refused(room, "anna", "a wrong one")
    for _ in range(10):
        room.clock.move(minutes=1)
        refused(room, "anna", "a wrong one")
    room.clock.move(minutes=6)
    assert sign_in(room, "anna", PASSWORD)


def test_a_success_begins_the_count_again(room, anna):
    for _ in range(people.TRIES - 1):
        refused(room, "anna", "a wrong one")
    sign_in(room, "anna", PASSWORD)
    for _ in range(people.TRIES - 1):
        refused(room, "anna", "a wrong one")
    assert sign_in(room, "anna", PASSWORD)


def test_a_failure_is_counted_although_what_was_asked_is_rolled_back(room, anna):
    refused(room, "anna", "a wrong one")
    kept = rows(room, select(person_table.c.failed_sign_ins).where(person_table.c.id == anna))
    assert kept[0]["failed_sign_ins"] == 1


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa", "I am Anna and I know it", "x" * 201, "ab ab ab ab ab"])
def test_a_weak_password_is_refused(room, anna, weak):
    with pytest.raises(Invalid), room.work(people.SYSTEM) as work:
        people.set_password(work, anna, weak)
    assert sign_in(room, "anna", PASSWORD)


def test_changing_a_password_needs_the_old_one_and_ends_the_other_sessions(room, anna):
    here, there = open_session(room, anna), open_session(room, anna, "10.0.0.2")
    me = actor(room, "anna")
    with pytest.raises(NotAllowed, match="old password"), room.work(me) as work:
        people.change_password(work, "a wrong one", OTHER)
    with room.work(me) as work:
        people.change_password(work, PASSWORD, OTHER, keep=here)
    assert session_actor(room, here).id == anna
    assert session_actor(room, there) is None
    assert sign_in(room, "anna", OTHER)
    refused(room, "anna", PASSWORD)


def test_only_who_may_change_people_gives_others_a_password(room, anna):
    bert = person(room, "bert", "staff")
    with pytest.raises(NotAllowed), room.work(actor(room, "anna")) as work:
        people.set_password(work, bert, OTHER)


# --- sessions -----------------------------------------------------------------------------------
def open_session(room, person_id: str, address: str = "10.0.0.1") -> str:
    with room.work(people.SYSTEM) as work:
        return people.open_session(work, person_id, address, "a browser")


def session_actor(room, secret):
    with room.read(people.SYSTEM) as work:
        return people.session_actor(work, secret)


def test_a_session_stands_for_its_person_and_its_secret_is_nowhere_kept(room, anna):
    secret = open_session(room, anna)
    assert session_actor(room, secret).login == "anna"
    assert session_actor(room, secret[:-1]) is None
    assert session_actor(room, None) is None
    kept = rows(room, select(session))[0]
    assert secret not in map(str, kept.values())


def test_a_session_ends_when_nobody_uses_it_and_lives_on_while_somebody_does(room, anna):
    used, idle = open_session(room, anna), open_session(room, anna)
    for _ in range(5):
        room.clock.move(minutes=40)
        assert session_actor(room, used)
    assert session_actor(room, idle) is None


def test_no_session_outlives_half_a_day_however_busy(room, anna):
    secret = open_session(room, anna)
    for _ in range(18):
        room.clock.move(minutes=39)
        assert session_actor(room, secret)
    room.clock.move(minutes=39)
    assert session_actor(room, secret) is None


def test_a_person_sees_her_sessions_and_ends_one_from_the_list(room, anna):
    here, there = open_session(room, anna), open_session(room, anna, "10.0.0.2")
    me = actor(room, "anna")
    with room.work(me) as work:
        other = next(one for one in people.sessions(work, anna) if one["address"] == "10.0.0.2")
        people.end_session(work, other["id"])
    assert session_actor(room, here)
    assert session_actor(room, there) is None


def test_nobody_sees_or_ends_the_sessions_of_another(room, anna):
    person(room, "bert", "staff")
    open_session(room, anna)
    theirs = rows(room, select(session.c.token_hash))[0]["token_hash"]
    with room.work(actor(room, "bert")) as work:
        with pytest.raises(NotAllowed):
            people.sessions(work, anna)
        with pytest.raises(NotFound):
            people.end_session(work, theirs)


def test_a_second_place_at_once_is_told_and_the_same_place_is_not(room, anna):
    open_session(room, anna)
    open_session(room, anna)
    assert events(room, "sign-in.alerted") == []
    open_session(room, anna, "10.9.9.9")
    told = events(room, "sign-in.alerted")
    assert [(row["data"]["address"], row["data"]["others"]) for row in told] == [("10.9.9.9", ["10.0.0.1"])]


def test_signing_out_ends_the_session_and_a_second_time_does_nothing(room, anna):
    secret = open_session(room, anna)
    for _ in range(2):
        with room.work(people.SYSTEM) as work:
            people.close_session(work, secret)
    assert session_actor(room, secret) is None
    assert len(events(room, "person.signed-out")) == 1


def test_who_leaves_loses_every_session_and_token_at_once(room, anna):
    secret = open_session(room, anna)
    with room.work(actor(room, "anna")) as work:
        token = people.issue_token(work, anna, "script", ["read"], 30)
    with room.work(people.SYSTEM) as work:
        people.deactivate(work, anna)
    assert session_actor(room, secret) is None
    assert token_actor(room, token) is None
    with pytest.raises(NotAllowed, match="ended"):
        actor(room, "anna")


def test_the_account_of_a_guest_ends_by_itself_with_its_session(room):
    paula = person(room, "paula", "partners", kind="partner", ends_at=room.clock.now + timedelta(hours=1))
    secret = open_session(room, paula)
    assert session_actor(room, secret)
    room.clock.move(minutes=61)
    assert session_actor(room, secret) is None


@pytest.mark.parametrize("kind", people.GUESTS)
def test_a_guest_without_an_end_is_refused(room, kind):
    with pytest.raises(Invalid, match="needs an end"):
        person(room, "guest", kind=kind)


# --- tokens -------------------------------------------------------------------------------------
def token_actor(room, secret):
    with room.read(people.SYSTEM) as work:
        return people.token_actor(work, secret)


def test_a_token_stands_for_its_owner_with_its_scopes_until_it_ends(room, anna):
    with room.work(actor(room, "anna")) as work:
        secret = people.issue_token(work, anna, "script", ["write", "read"], 30)
    who, scopes = token_actor(room, secret)
    assert (who.login, scopes) == ("anna", {"read", "write"})
    assert secret not in map(str, rows(room, select(api_token))[0].values())
    room.clock.move(days=31)
    assert token_actor(room, secret) is None


def test_a_revoked_token_is_nobodys(room, anna):
    with room.work(actor(room, "anna")) as work:
        secret = people.issue_token(work, anna, "script", ["read"], 30)
        people.revoke_token(work, people.tokens(work, anna)[0]["id"])
    assert token_actor(room, secret) is None


@pytest.mark.parametrize(
    ("scopes", "days", "name"),
    [([], 30, "t"), (["root"], 30, "t"), (["read"], 0, "t"), (["read"], 366, "t"), (["read"], 30, " ")],
)
def test_a_token_without_name_scope_or_end_is_refused(room, anna, scopes, days, name):
    with pytest.raises(Invalid), room.work(actor(room, "anna")) as work:
        people.issue_token(work, anna, name, scopes, days)


def test_a_token_is_issued_only_in_ones_own_name_and_revoked_only_by_its_owner(room, anna):
    person(room, "bert", "staff")
    with pytest.raises(NotAllowed), room.work(actor(room, "bert")) as work:
        people.issue_token(work, anna, "script", ["read"], 30)
    with room.work(actor(room, "anna")) as work:
        people.issue_token(work, anna, "script", ["read"], 30)
        token_id = people.tokens(work, anna)[0]["id"]
    with pytest.raises(NotFound), room.work(actor(room, "bert")) as work:
        people.revoke_token(work, token_id)


def test_a_token_does_not_outlive_the_account_of_a_guest(room):
    ends = room.clock.now + timedelta(days=10)
    paula = person(room, "paula", "partners", kind="partner", ends_at=ends)
    with room.work(actor(room, "paula")) as work:
        people.issue_token(work, paula, "script", ["read"], 300)
    assert rows(room, select(api_token.c.ends_at))[0]["ends_at"] == ends


# --- groups and separation ----------------------------------------------------------------------
def test_a_membership_gives_its_permissions_at_once_and_takes_them_at_its_end(room, anna):
    assert not actor(room, "anna").may("log:query")
    with room.work(people.SYSTEM) as work:
        people.join(work, anna, "auditors", until=room.clock.now + timedelta(days=1))
    assert actor(room, "anna").may("log:query")
    assert "confidential" in actor(room, "anna").clearance
    room.clock.move(days=2)
    assert not actor(room, "anna").may("log:query")


def test_who_runs_the_accounts_cannot_come_to_audit_them(room):
    ada = person(room, "ada", "staff", "administrators")
    with pytest.raises(Conflict, match="must not audit"), room.work(people.SYSTEM) as work:
        people.join(work, ada, "auditors")
    assert actor(room, "ada").groups == {"staff", "administrators"}


def test_a_role_that_has_ended_keeps_nobody_from_another(room, anna):
    with room.work(people.SYSTEM) as work:
        people.join(work, anna, "auditors", until=room.clock.now + timedelta(hours=1))
    room.clock.move(hours=2)
    with room.work(people.SYSTEM) as work:
        assert people.conflicts_of(work, anna, "administrators") == []
        people.join(work, anna, "administrators")


def test_joining_a_second_time_moves_the_end(room, anna):
    with room.work(people.SYSTEM) as work:
        people.join(work, anna, "finance", until=room.clock.now + timedelta(days=1))
        people.join(work, anna, "finance")
    room.clock.move(days=2)
    assert "finance" in actor(room, "anna").groups


def test_nobody_gives_herself_a_role_not_even_an_administrator(room):
    ada = person(room, "ada", "staff", "administrators")
    me = actor(room, "ada")
    for verb in (
        lambda work: people.join(work, ada, "finance"),
        lambda work: people.grant(work, ada, "log", "query"),
        lambda work: people.leave(work, ada, "staff"),
    ):
        with pytest.raises(NotAllowed, match="own permissions"), room.work(me) as work:
            verb(work)


def test_nobody_gives_a_role_to_the_one_she_acts_for(room):
    ada, alex = person(room, "ada", "administrators"), person(room, "alex", "administrators")
    with room.work(people.SYSTEM) as work:
        people.substitute(work, ada, alex, work.now, work.now + timedelta(days=1))
    with pytest.raises(NotAllowed, match="own permissions"), room.work(actor(room, "alex", "ada")) as work:
        people.join(work, ada, "finance")


def test_a_single_permission_is_given_and_taken_back(room, anna):
    with room.work(people.SYSTEM) as work:
        people.grant(work, anna, "cases", "query")
    assert actor(room, "anna").may("cases:query")
    with room.work(people.SYSTEM) as work:
        assert people.revoke(work, anna, "cases", "query")
        assert not people.revoke(work, anna, "cases", "query")
    assert not actor(room, "anna").may("cases:query")


@pytest.mark.parametrize(("resource", "verb"), [("cases", "see"), ("nothing", "query"), ("cases:query", "enter")])
def test_a_permission_that_does_not_exist_cannot_be_given(room, anna, resource, verb):
    with pytest.raises(NotFound), room.work(people.SYSTEM) as work:
        people.grant(work, anna, resource, verb)


def test_a_permission_that_has_ended_already_cannot_be_given(room, anna):
    with pytest.raises(Invalid, match="past"), room.work(people.SYSTEM) as work:
        people.join(work, anna, "finance", until=work.now)


def test_staff_without_a_role_for_it_change_nobody(room, anna):
    bert = person(room, "bert", "staff")
    me = actor(room, "anna")
    for verb in (
        lambda work: people.add_person(work, "carl", "Carl"),
        lambda work: people.change_person(work, bert, name="Berta"),
        lambda work: people.change_person(work, anna, department_key=None, kind="employee"),
        lambda work: people.deactivate(work, bert),
        lambda work: people.join(work, bert, "finance"),
        lambda work: people.add_department(work, "sales", "Sales"),
    ):
        with pytest.raises(NotAllowed), room.work(me) as work:
            verb(work)


def test_everybody_changes_her_own_mail_and_language(room, anna):
    with room.work(actor(room, "anna")) as work:
        people.change_person(work, anna, email="anna@bizday.example")
        people.change_locale(work, "en")
    assert actor(room, "anna").locale == "en"
    told = [row["data"] for row in events(room, "person.changed")]
    assert told[0]["old"] == {"email": None}
    assert told[0]["new"] == {"email": "anna@bizday.example"}


# --- who is above whom --------------------------------------------------------------------------
@pytest.fixture
def company(room):
    """eva heads the company; bert heads sales below it, with anna and clara; clara is managed by anna."""
    with room.work(people.SYSTEM) as work:
        people.add_department(work, "company", "The company")
        people.add_department(work, "sales", "Sales", parent_key="company")
    made = {login: person(room, login, "staff", department_key=key) for login, key in (
        ("eva", "company"), ("bert", "sales"), ("anna", "sales"), ("clara", "sales"))}  # fmt: skip
    with room.work(people.SYSTEM) as work:
        people.change_department(work, "company", head_id=made["eva"])
        people.change_department(work, "sales", head_id=made["bert"])
        people.change_person(work, made["clara"], manager_id=made["anna"])
    return made


def manager(room, person_id):
    with room.read(people.SYSTEM) as work:
        return people.manager_of(work, person_id)


def test_the_next_above_is_the_manager_else_the_head_else_the_head_above(room, company):
    assert manager(room, company["clara"]) == company["anna"]
    assert manager(room, company["anna"]) == company["bert"]
    assert manager(room, company["bert"]) == company["eva"]
    assert manager(room, company["eva"]) is None


def test_a_manager_who_has_left_is_passed_over(room, company):
    with room.work(people.SYSTEM) as work:
        people.deactivate(work, company["anna"])
    assert manager(room, company["clara"]) == company["bert"]
    with room.work(people.SYSTEM) as work:
        people.deactivate(work, company["bert"])
    assert manager(room, company["clara"]) == company["eva"]


def test_everyone_below_is_found_and_nobody_else(room, company):
    person(room, "otto", "staff")
    with room.read(people.SYSTEM) as work:
        below = {boss: set(work.execute(people.subordinates(work, company[boss])).scalars()) for boss in company}
    assert below["eva"] == {company["bert"], company["anna"], company["clara"]}
    assert below["bert"] == {company["anna"], company["clara"]}
    assert below["anna"] == {company["clara"]}
    assert below["clara"] == set()


def test_nobody_becomes_her_own_manager_not_through_others_either(room, company):
    for who, above in (("anna", "anna"), ("anna", "clara")):
        with pytest.raises(Invalid, match="own manager"), room.work(people.SYSTEM) as work:
            people.change_person(work, company[who], manager_id=company[above])


def test_a_department_is_not_put_below_itself(room, company):
    with pytest.raises(Invalid, match="above itself"), room.work(people.SYSTEM) as work:
        people.change_department(work, "company", parent_key="sales")


def test_a_login_is_taken_once_and_case_does_not_matter(room, anna):
    with pytest.raises(Conflict, match="taken"):
        person(room, "ANNA")
    with pytest.raises(Invalid):
        person(room, "anna smith")


# --- standing in --------------------------------------------------------------------------------
def stand_in(room, absent: str, other: str, days: int = 5, process_key: str | None = None) -> str:
    with room.work(people.SYSTEM) as work:
        return people.substitute(
            work, people.resolve(work, absent), people.resolve(work, other), work.now,
            work.now + timedelta(days=days), process_key,
        )  # fmt: skip


def test_a_substitute_acts_for_the_absent_during_the_time_and_not_after(room, company):
    stand_in(room, "bert", "anna", days=2)
    seen = actor(room, "anna", "bert")
    assert (seen.for_id, seen.for_processes) == (company["bert"], None)
    room.clock.move(days=3)
    with pytest.raises(NotAllowed, match="stand in"):
        actor(room, "anna", "bert")


def test_a_substitute_gets_the_groups_of_the_absent_but_keeps_her_own_permissions(room):
    ada = person(room, "ada", "staff", "administrators")
    person(room, "anna", "staff")
    stand_in(room, "ada", "anna")
    seen = actor(room, "anna", "ada")
    assert "administrators" in seen.for_groups
    assert not seen.may("people:modify")
    assert ada == seen.for_id


def test_a_substitution_for_one_process_covers_only_that_one(room, company):
    stand_in(room, "bert", "anna", process_key="leave")
    assert actor(room, "anna", "bert").for_processes == {"leave"}
    stand_in(room, "bert", "anna")
    assert actor(room, "anna", "bert").for_processes is None


def test_nobody_takes_the_place_of_another_by_herself(room, company):
    with pytest.raises(NotAllowed), room.work(actor(room, "clara")) as work:
        people.substitute(work, company["bert"], company["clara"], work.now, work.now + timedelta(days=1))


def test_who_is_above_may_name_a_substitute_and_either_may_end_it(room, company):
    with room.work(actor(room, "bert")) as work:
        made = people.substitute(work, company["clara"], company["anna"], work.now, work.now + timedelta(days=9))
    with room.work(actor(room, "anna")) as work:
        assert [row["id"] for row in people.acting_for(work, company["anna"])] == [company["clara"]]
        people.end_substitution(work, made)
    with pytest.raises(NotAllowed):
        actor(room, "anna", "clara")


@pytest.mark.parametrize(("other", "begins", "ends"), [("bert", 0, 1), ("anna", 2, 1), ("anna", -3, -1)])
def test_a_substitution_of_oneself_or_backwards_or_over_is_refused(room, company, other, begins, ends):
    with pytest.raises(Invalid), room.work(actor(room, "bert")) as work:
        people.substitute(
            work, company["bert"], company[other], work.now + timedelta(days=begins), work.now + timedelta(days=ends)
        )


# --- finding ------------------------------------------------------------------------------------
def test_people_are_found_by_part_of_name_login_or_mail_and_a_percent_sign_finds_nobody(room, company):
    with room.work(people.SYSTEM) as work:
        people.change_person(work, company["clara"], email="c.smith@bizday.example")
    with room.read(people.SYSTEM) as work:
        assert [row["login"] for row in people.find(work, "ANN")] == ["anna"]
        assert [row["login"] for row in people.find(work, "smith")] == ["clara"]
        assert people.find(work, "%") == []
        assert len(people.find(work)) == 4


def test_who_has_left_is_in_no_group_and_not_found(room, anna):
    with room.work(people.SYSTEM) as work:
        assert [row["id"] for row in people.members(work, "staff")] == [anna]
        people.deactivate(work, anna)
        assert people.members(work, "staff") == []
        assert people.find(work, "anna") == []


def test_of_equals_the_one_who_is_away_comes_last(room):
    fiona, frank = person(room, "fiona", "finance"), person(room, "frank", "finance")
    with room.read(people.SYSTEM) as work:
        assert people.least_loaded(work, "finance") == fiona
        assert people.least_loaded(work, "legal") is None
    stand_in(room, "fiona", "frank")
    with room.read(people.SYSTEM) as work:
        assert people.least_loaded(work, "finance") == frank


def test_what_was_changed_by_hand_in_the_database_is_read_at_once(room, anna):
    """An actor is read afresh for each Work: a lock takes effect without anybody signing out."""
    with room.work(people.SYSTEM) as work:
        work.execute(update(person_table).where(person_table.c.id == anna).values(active=False))
    with pytest.raises(NotAllowed):
        actor(room, "anna")
