"""One transaction, one actor, one moment: what `Work` keeps, gives back and repeats; what settings are refused."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from engine import history, people
from engine.errors import Conflict, Misconfigured
from engine.platform import DEVELOPMENT_SECRET, Platform, Settings, fingerprint
from engine.schema import counter, event, request
from tests.engine.rooms import SECRET, Clock, opened, rows

LONG = "x" * 32


@pytest.fixture
def room(tmp_path):
    yield from opened(tmp_path / "var")


def bump(work) -> int:
    """A change that a test can count."""
    found = work.execute(
        update(counter).where(counter.c.key == "n").values(value=counter.c.value + 1).returning(counter.c.value)
    ).scalar()
    if found is None:
        work.execute(insert(counter), {"key": "n", "value": 1})
    work.record("counter.bumped")
    return found or 1


def count(room) -> int:
    found = rows(room, select(counter.c.value))
    return found[0]["value"] if found else 0


# --- one transaction ----------------------------------------------------------------------------
def test_a_change_and_its_record_land_together(room):
    with room.work(people.SYSTEM, reason="a test") as work:
        bump(work)
    assert count(room) == 1
    told = rows(room, select(event))
    assert [(row["type"], row["actor_id"], row["reason"], row["at"]) for row in told] == [
        ("counter.bumped", "system", "a test", room.clock.now)
    ]


def test_what_fails_leaves_neither_change_nor_record_nor_effect(room):
    done = []
    with pytest.raises(ZeroDivisionError), room.work(people.SYSTEM) as work:
        bump(work)
        work.after_commit(lambda: done.append("mail sent"))
        raise ZeroDivisionError
    assert (count(room), rows(room, select(event)), done) == (0, [], [])


def test_effects_leave_only_when_all_is_kept(room):
    seen = []
    with room.work(people.SYSTEM) as work:
        bump(work)
        work.before_commit(lambda own: seen.append(("before", bump(own))))
        work.after_commit(lambda: seen.append(("after", count(room))))
    assert seen == [("before", 2), ("after", 2)]


def test_a_reading_work_keeps_nothing(room):
    with room.read(people.SYSTEM) as work:
        bump(work)
    assert count(room) == 0


def test_the_moment_does_not_move_while_a_work_lasts(room):
    with room.work(people.SYSTEM) as work:
        began = work.now
        room.clock.move(hours=1)
        assert work.now == began
        bump(work)
    assert rows(room, select(event.c.at))[0]["at"] == began


def test_who_acts_for_somebody_is_told_with_her(room):
    stand_in = people.Actor("p1", "anna", "Anna", "employee", for_id="p2")
    with room.work(stand_in) as work:
        bump(work)
    row = rows(room, select(event))[0]
    assert (row["actor_id"], row["for_id"]) == ("p1", "p2")


def test_a_row_that_two_insert_at_once_is_a_conflict_for_the_second(room):
    with room.work(people.SYSTEM) as work:
        bump(work)
    with pytest.raises(Conflict, match="Somebody else"), room.work(people.SYSTEM) as work:
        work.before_commit(lambda own: own.execute(insert(counter), {"key": "n", "value": 1}))
    assert count(room) == 1


def test_writers_wait_for_each_other_and_none_is_lost(room):
    def write():
        with room.work(people.SYSTEM) as work:
            bump(work)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(room) == 8
    with room.read(people.SYSTEM) as work:
        assert history.verify(work).faults == ()


def test_a_reader_does_not_wait_for_a_writer(room):
    with room.work(people.SYSTEM) as work:
        bump(work)
        assert count(room) == 0  # the other connection answers at once with what was kept before


# --- a request and its repeat -------------------------------------------------------------------
def order(room, key: str | None, what: str = "a chair", actor=people.SYSTEM):
    """A request as the API makes it: its repeat gets the first answer."""
    with room.work(actor, key=key, fingerprint=fingerprint("order", what)) as work:
        if work.answered is not None:
            return work.answered
        return work.answer({"number": bump(work), "what": what})


def test_the_repeat_of_a_request_gets_the_first_answer_and_does_nothing(room):
    first = order(room, "k1")
    assert order(room, "k1") == first == {"number": 1, "what": "a chair"}
    assert count(room) == 1
    assert len(rows(room, select(event))) == 1


def test_another_key_is_another_request(room):
    assert (order(room, "k1")["number"], order(room, "k2")["number"]) == (1, 2)


def test_without_a_key_every_request_counts(room):
    assert (order(room, None)["number"], order(room, None)["number"]) == (1, 2)


def test_one_key_does_not_stand_for_two_requests(room):
    order(room, "k1")
    with pytest.raises(Conflict, match="used for another request"):
        order(room, "k1", "a table")
    assert count(room) == 1


def test_a_key_is_its_owners_alone(room):
    """Somebody who guesses another's key gets no answer of hers."""
    order(room, "k1")
    other = people.Actor("p1", "anna", "Anna", "employee")
    assert order(room, "k1", actor=other)["number"] == 2


def test_a_request_that_failed_may_be_made_again_with_its_key(room):
    with pytest.raises(ZeroDivisionError), room.work(people.SYSTEM, key="k1", fingerprint="f") as work:
        bump(work)
        raise ZeroDivisionError
    assert rows(room, select(func.count().label("n")).select_from(request))[0]["n"] == 0
    assert order(room, "k1")["number"] == 1


def test_the_same_request_twice_at_once_is_done_once(room):
    answers, start = [], threading.Barrier(4)

    def ask():
        start.wait()
        try:
            answers.append(order(room, "k1")["number"])
        except Conflict:
            answers.append("conflict")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(room) == 1
    assert set(answers) <= {1, "conflict"} and 1 in answers


# --- ids, keys, words ---------------------------------------------------------------------------
def test_ids_sort_by_the_moment_at_which_they_were_drawn_even_when_the_clock_stands(room):
    drawn = [room.new_id() for _ in range(1000)]
    assert drawn == sorted(set(drawn))
    assert {len(one) for one in drawn} == {32}


def test_ids_go_on_rising_when_the_clock_is_set_back(room):
    before = room.new_id()
    room.clock.move(hours=-1)
    assert room.new_id() > before


def test_each_purpose_has_a_key_of_its_own_and_the_secret_is_none_of_them(room):
    keys = {room.key(purpose) for purpose in ("history", "cookies", "shares")}
    assert len(keys) == 3
    assert all(len(key) == 32 and SECRET.encode() not in key for key in keys)


def test_a_text_without_a_translation_is_said_in_english(room):
    said = room.translate("xx", "Task '%(task)s' is not claimed.", task="Sign")
    assert said == "Task 'Sign' is not claimed."
    assert room.translate("zh_Hans_CN", "") == ""


def test_whoever_wants_to_be_woken_is_told_the_moment(room):
    heard = []
    room.on_wake(heard.append)
    room.wake(room.clock.now)
    assert heard == [room.clock.now]


# --- settings -----------------------------------------------------------------------------------
def test_settings_come_from_the_environment_over_the_file(tmp_path):
    file = tmp_path / "bizday.toml"
    file.write_text('port = 9000\nsecret = "a secret that is long enough for anyone"\n', "utf-8")
    settings = Settings.read({"BIZDAY_PORT": "9001", "PATH": "/bin"}, file)
    assert settings.port == 9001
    assert settings.secret == "a secret that is long enough for anyone"
    assert Settings.read({"BIZDAY_CONFIG": str(file)}).port == 9000


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"BIZDAY_PORTT": "9000"}, "'portt' is not a setting"),
        ({"BIZDAY_PORT": "many"}, "'port' must be a whole number"),
        ({"BIZDAY_SECRET": "short"}, "too short"),
        ({"BIZDAY_ENVIRONMENT": "test"}, "must be development or production"),
        ({"BIZDAY_ENVIRONMENT": "production"}, "a secret of your own"),
        ({"BIZDAY_ENVIRONMENT": "production", "BIZDAY_SECRET": DEVELOPMENT_SECRET}, "a secret of your own"),
        ({"BIZDAY_CONFIG": "no-such-file.toml"}, "cannot be read"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(environ, sentence):
    with pytest.raises(Misconfigured) as caught:
        Settings.read(environ)
    assert sentence in str(caught.value)


def test_a_settings_file_that_is_not_toml_is_refused(tmp_path):
    file = tmp_path / "bizday.toml"
    file.write_text("port 9000", "utf-8")
    with pytest.raises(Misconfigured, match="not TOML"):
        Settings.read({}, file)


def test_production_starts_with_a_secret_of_its_own():
    assert Settings.read({"BIZDAY_ENVIRONMENT": "production", "BIZDAY_SECRET": LONG}).environment == "production"


def test_an_address_of_postgresql_is_read_with_psycopg():
    assert Settings(database="postgresql://u@h/d").url.drivername == "postgresql+psycopg"
    assert Settings(var=Path("v")).url.database == "v/bizday.sqlite"


def test_the_address_in_mails_is_what_people_type():
    assert Settings().address == "http://127.0.0.1:8000"
    assert Settings(public_url="https://bizday.example").address == "https://bizday.example"


def test_the_platform_does_not_open_with_a_wrong_policy(tmp_path):
    (tmp_path / "policies").mkdir()
    with pytest.raises(Misconfigured, match=r"calendar\.toml is missing"):
        Platform.open(Settings(home=tmp_path, var=tmp_path / "var", secret=SECRET))


def test_a_moment_without_a_zone_is_never_kept(room):
    with pytest.raises(Exception, match="without a zone"), room.work(people.SYSTEM) as work:
        work.execute(insert(request), {"key": "k", "fingerprint": "f", "answer": None, "at": datetime(2026, 3, 2)})
    assert rows(room, select(request)) == []


def test_moments_come_back_aware_and_in_utc(tmp_path):
    clock = Clock(datetime.fromisoformat("2026-03-02T09:30:00.123456+08:00"))
    platform = Platform.open(Settings(var=tmp_path, secret=SECRET), clock=clock, chance=random.Random(1))
    platform.create_tables()
    with platform.work(people.SYSTEM) as work:
        bump(work)
    found = rows(platform, select(event.c.at))[0]["at"]
    assert found == clock.now
    assert found.tzinfo is UTC
    platform.close()
