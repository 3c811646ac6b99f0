"""What people are told: each record once, in their own language, by notice and by mail, and never twice."""

from __future__ import annotations

import email
import socket
import socketserver
import threading
from datetime import timedelta
from email.policy import default as MODERN

import pytest
from sqlalchemy import func, insert, select, update

from engine import history, jobs, notifications, people
from engine.errors import Misconfigured, NotAllowed
from engine.schema import chain, content, definition, deployment, event, instance, job, notification, task
from tests.engine.rooms import BOTH, actor, opened_on, person, rows
from tests.processes.walk import YES, Walk

CASE = "c" * 32
PASSWORD = "nine green bottles on a wall"


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    yield from opened_on(request.param, tmp_path / "var")


@pytest.fixture
def anna(room):
    return person(room, "anna", "staff", email="anna@bizday.example", locale="en")


@pytest.fixture
def bert(room):
    return person(room, "bert", "staff", email="bert@bizday.example", locale="en")


def a_case(room, case_id: str, starter: str) -> None:
    """The row of a case whose chain the tests write to; what the engine would do in it is not asked here."""
    number = "C-c" if case_id == CASE else f"C-{case_id[-2:]}"
    with room.work(people.SYSTEM) as work:
        if work.one(select(content.c.digest)) is None:
            work.execute(insert(content), {"digest": "0" * 64, "bytes": b"model"})
            work.execute(insert(deployment), {"id": "dep", "at": work.now, "by_id": "system", "files": {}})
            work.execute(insert(definition), {
                "id": "def", "key": "k", "version": 1, "name": "K", "digest": "0" * 64, "deployment_id": "dep",
                "state": "active", "startable": True, "deployed_at": work.now,
            })  # fmt: skip
        work.execute(insert(instance), {
            "id": case_id, "number": number, "title": "Twelve chairs", "process_key": "k",
            "definition_id": "def", "root_id": case_id, "state": "active", "started_by": starter,
            "started_at": work.now, "version": 1, "next_token": 0,
        })  # fmt: skip


def a_task(room, task_id: str, assignee: str | None = None, case_id: str = CASE) -> None:
    with room.work(people.SYSTEM) as work:
        work.execute(insert(task), {
            "id": task_id, "instance_id": case_id, "root_id": case_id, "token": 1, "element_id": "sign",
            "name": "Sign", "process_key": "k", "definition_id": "def", "state": "claimed" if assignee else "open",
            "assignee_id": assignee, "created_at": work.now, "due_at": work.now + timedelta(hours=3), "version": 1,
        })  # fmt: skip


def say(room, kind: str, *, by=people.SYSTEM, case_id: str | None = CASE, **more) -> None:
    with room.work(by) as work:
        if case_id:
            work.head(case_id)
        work.record(kind, instance_id=case_id, **more)


def told(room, login: str) -> list[str]:
    """Subjects of what a person was told, oldest first."""
    with room.read(actor(room, login)) as work:
        return [row["subject"] for row in reversed(notifications.list_(work).rows)]


def catch_up(room) -> int:
    return notifications.catch_up(room)


def letters(room) -> list:
    """Do the mails that are due and read what was written, by name of the file."""
    for claimed in jobs.claim_due(room, people.SYSTEM, "test", 100):
        if claimed.kind == "mail":
            notifications.send(room, claimed.payload)
        with room.work(people.SYSTEM) as work:
            jobs.done(work, claimed)
    files = sorted((room.settings.var / "mail").glob("*.eml"))
    return [email.message_from_bytes(file.read_bytes(), policy=MODERN) for file in files]


# --- each record once ---------------------------------------------------------------------------
def test_a_record_becomes_one_notice_however_often_one_looks(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", bert)
    say(room, "task.created", task_id="t1", data={"assignee": bert})
    assert [catch_up(room) for _ in range(3)] == [1, 0, 0]
    assert told(room, "bert") == ["New task: Sign"]


def test_what_is_said_later_is_told_from_where_reading_stopped(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", bert)
    for n in range(3):
        say(room, "task.urged", task_id="t1", by=actor(room, "anna"), reason=f"please {n}")
        assert catch_up(room) == 1
    with room.read(actor(room, "bert")) as work:
        said = [row["text"].split(". ")[-1] for row in notifications.list_(work).rows]
    assert said == ["please 2", "please 1", "please 0"]


def test_a_record_that_is_kept_late_is_told_although_a_later_one_was_told_before(room, anna, bert):
    """Its Work began first and ended last, so that its moment lies before what was already read."""
    a_case(room, CASE, anna)
    a_case(room, "d" * 32, anna)
    late = room.work(people.SYSTEM)
    room.clock.move(minutes=30)
    say(room, "case.suspended", case_id="d" * 32)
    assert catch_up(room) == 1
    with late as work:
        work.head(CASE)
        work.record("case.suspended", instance_id=CASE)
    moments = rows(room, select(event.c.at).where(event.c.type == "case.suspended").order_by(event.c.at))
    assert moments[0]["at"] < moments[1]["at"]
    assert catch_up(room) == 1
    assert len(told(room, "anna")) == 2


def test_a_clock_that_was_set_back_hides_nothing(room, anna):
    a_case(room, CASE, anna)
    say(room, "case.suspended")
    catch_up(room)
    room.clock.move(days=-3)
    say(room, "case.resumed")
    assert catch_up(room) == 1


def test_when_telling_fails_nothing_is_told_and_the_mark_does_not_move(room, anna, monkeypatch):
    a_case(room, CASE, anna)
    say(room, "case.suspended")
    broken = {**notifications.RULES, "case.suspended": lambda *a: 1 / 0}
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(notifications, "RULES", broken)
        catch_up(room)
    assert told(room, "anna") == []
    assert catch_up(room) == 1


def test_many_workers_at_once_tell_everything_once(room, anna):
    for n in range(12):
        a_case(room, f"{n:032d}", anna)
        say(room, "case.suspended", case_id=f"{n:032d}")
    start, made = threading.Barrier(4), []

    def look():
        start.wait()
        made.append(catch_up(room))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catch_up(room)
    assert len(told(room, "anna")) == 12


def test_more_chains_than_one_batch_holds_are_all_read(room, anna, monkeypatch):
    monkeypatch.setattr(notifications, "BATCH", 3)
    for n in range(8):
        a_case(room, f"{n:032d}", anna)
        say(room, "case.suspended", case_id=f"{n:032d}")
    assert catch_up(room) == 8


def test_telling_leaves_the_chains_as_they_were(room, anna):
    a_case(room, CASE, anna)
    say(room, "case.suspended")
    catch_up(room)
    say(room, "case.resumed")
    with room.read(people.SYSTEM) as work:
        assert history.verify(work).faults == ()


def test_finding_what_is_untold_looks_at_an_index_of_untold_chains_alone(room, anna):
    """So that a beat costs as much as there is to tell, and not as much as there ever was."""
    a_case(room, CASE, anna)
    if room.engine.dialect.name != "sqlite":
        pytest.skip("on a table of one row PostgreSQL reads the table")
    asked = select(instance.c.id).where(instance.c.log_seq > instance.c.told_seq).order_by(instance.c.id)
    with room.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.compile(room.engine)}").all()
    assert "ix_instance_untold" in str(plan)


# --- who is told what ---------------------------------------------------------------------------
def test_nobody_is_told_what_she_did_herself(room, anna):
    a_case(room, CASE, anna)
    a_task(room, "t1", anna)
    say(room, "task.created", task_id="t1", by=actor(room, "anna"), data={"assignee": anna})
    assert catch_up(room) == 0


def test_the_starter_hears_of_a_decision_and_of_a_return_in_other_words(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", bert)
    by = actor(room, "bert")
    say(room, "task.completed", task_id="t1", by=by, reason="It fits.", data={"outcome": "approve"})
    say(room, "task.completed", task_id="t1", by=by, reason="A quote is missing.", data={"outcome": "return"})
    say(room, "task.completed", task_id="t1", by=by, data={"outcome": None})
    catch_up(room)
    assert told(room, "anna") == ["Sign: decided in your case", "Sent back: C-c Twelve chairs"]


def test_when_the_time_is_over_both_the_holder_and_who_is_above_are_told(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", bert)
    say(room, "task.escalated", task_id="t1", data={"assignee": bert, "to": [anna]})
    catch_up(room)
    assert told(room, "bert") == ["Overdue: Sign"]
    with room.read(actor(room, "anna")) as work:
        row = notifications.list_(work).rows[0]
    assert row["text"] == "'Sign' of case C-c (Twelve chairs) was due 2026-03-02 12:30; it is with Bert."
    assert row["link"] == "/tasks/t1"


def test_a_reassigned_task_is_told_to_whom_it_came_and_from_whom_it_went(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", anna)
    say(room, "task.reassigned", task_id="t1", data={"old": bert, "new": anna})
    catch_up(room)
    assert told(room, "anna") == ["Given to you because it was late: Sign"]
    assert told(room, "bert") == ["No longer yours: Sign"]


def test_an_incident_is_told_to_those_who_may_settle_it(room, anna):
    person(room, "olga", "staff", "operators")
    a_case(room, CASE, anna)
    say(room, "incident.raised", element_id="count", data={"sentence": "A number is missing."})
    catch_up(room)
    assert told(room, "olga") and not told(room, "anna")


def test_a_closed_part_of_a_case_is_not_told_as_its_end(room, anna):
    a_case(room, CASE, anna)
    a_case(room, "d" * 32, anna)
    with room.work(people.SYSTEM) as work:
        work.execute(update(instance).where(instance.c.id == "d" * 32).values(root_id=CASE, parent_id=CASE))
    say(room, "case.completed", case_id="d" * 32, root_id=CASE)
    assert catch_up(room) == 0
    say(room, "case.completed")
    assert catch_up(room) == 1


def test_a_new_role_a_second_place_and_a_new_password_are_told_to_the_person(room, anna):
    room.clock.move(days=1)
    with room.work(people.SYSTEM) as work:
        people.set_password(work, anna, PASSWORD)
        people.join(work, anna, "finance", until=work.now + timedelta(days=30))
        people.open_session(work, anna, "10.0.0.1")
        people.open_session(work, anna, "10.0.0.2")
    catch_up(room)
    with room.read(actor(room, "anna")) as work:
        said = {row["kind"]: row["text"] for row in notifications.list_(work).rows}
    assert said["permission_granted"].startswith("You were given 'Finance', until 2026-04-02")
    assert "10.0.0.2" in said["sign_in_elsewhere"]
    assert "password_changed" in said


def test_what_comes_with_a_new_account_is_no_news(room):
    """A password and roles given in the moment in which the account was opened are expected."""
    person(room, "clara", "staff", "finance", password=PASSWORD)
    assert catch_up(room) == 0


def test_an_announcement_reaches_everybody_inside_and_only_who_may_makes_one(room, anna):
    person(room, "olga", "staff", "operators")
    ends = room.clock.now + timedelta(days=9)
    person(room, "paula", "partners", kind="partner", ends_at=ends)
    with pytest.raises(NotAllowed), room.work(actor(room, "anna")) as work:
        notifications.announce(work, "Party", "On Friday.")
    with room.work(actor(room, "olga")) as work:
        notifications.announce(work, "Upgrade on Friday", "The platform rests from 20:00.")
    catch_up(room)
    assert told(room, "anna") == ["Upgrade on Friday"]
    assert told(room, "paula") == told(room, "olga") == []


def test_who_has_left_is_told_nothing(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", bert)
    say(room, "task.created", task_id="t1", data={"assignee": bert})
    with room.work(people.SYSTEM) as work:
        people.deactivate(work, bert)
    assert catch_up(room) == 0


# --- the page -----------------------------------------------------------------------------------
def some_notices(room, person_id: str, count: int) -> None:
    with room.work(people.SYSTEM) as work:
        for n in range(count):
            room.clock.move(seconds=1)
            notifications.tell(work, [person_id], "announcement", {"title": f"News {n}", "news": "…"})


def test_unread_notices_are_counted_and_marked_only_for_oneself(room, anna, bert):
    some_notices(room, anna, 3)
    some_notices(room, bert, 2)
    with room.work(actor(room, "anna")) as work:
        assert len(notifications.unread(work)) == 3
        theirs = work.execute(select(notification.c.id).where(notification.c.person_id == bert)).scalars().all()
        assert notifications.mark_read(work, theirs) == 0
        assert notifications.mark_read(work, [notifications.unread(work)[0]["id"]]) == 1
        page = notifications.list_(work)
        assert (page.total, page.counts) == (3, {"unread": 2})
        assert notifications.list_(work, only_unread=True).total == 2
        assert notifications.mark_read(work) == 2
    with room.read(actor(room, "bert")) as work:
        assert len(notifications.unread(work)) == 2


def test_a_long_list_comes_in_pages(room, anna):
    some_notices(room, anna, 7)
    with room.read(actor(room, "anna")) as work:
        page = notifications.list_(work, page=2, size=3)
    assert (len(page.rows), page.total, page.pages) == (3, 7, 3)


def test_a_model_tells_only_kinds_that_have_words(room, anna):
    with pytest.raises(Misconfigured, match="no kind 'gossip'"), room.work(people.SYSTEM) as work:
        notifications.tell(work, [anna], "gossip", {})


def test_a_model_may_name_its_readers_by_login_twice_or_not_at_all(room, anna):
    with room.work(people.SYSTEM) as work:
        assert notifications.tell(work, ["anna", anna, None, "nobody"], "case_completed", {"number": "C-1"}) == 1


def test_what_a_text_asks_for_and_nobody_said_is_left_empty(room, anna):
    with room.work(people.SYSTEM) as work:
        notifications.tell(work, [anna], "permission_granted", {"permission": "Finance", "until": None})
        notifications.tell(work, [anna], "task_urged", {"task": "100% sure"})
    with room.read(actor(room, "anna")) as work:
        said = {row["kind"]: (row["subject"], row["text"]) for row in notifications.list_(work).rows}
    assert said["permission_granted"][1] == "You were given 'Finance', until further notice."
    assert said["task_urged"][0] == "Please get on with: 100% sure"


# --- mails --------------------------------------------------------------------------------------
def test_a_mail_says_what_and_where(room, anna, bert):
    a_case(room, CASE, anna)
    a_task(room, "t1", bert)
    say(room, "task.created", task_id="t1", data={"assignee": bert})
    catch_up(room)
    letter = letters(room)[0]
    assert letter["To"] == "bert@bizday.example"
    assert letter["Subject"] == "New task: Sign"
    assert "due 2026-03-02 12:30" in letter.get_content()
    assert "http://127.0.0.1:8000/tasks/t1" in letter.get_content()


def test_a_mail_that_is_sent_again_is_the_same_letter(room, anna):
    a_case(room, CASE, anna)
    say(room, "case.suspended")
    catch_up(room)
    payload = rows(room, select(job.c.payload).where(job.c.kind == "mail"))[0]["payload"]
    assert notifications.send(room, payload) and notifications.send(room, payload)
    assert len(letters(room)) == 1


def test_what_was_read_meanwhile_is_not_mailed(room, anna):
    a_case(room, CASE, anna)
    say(room, "case.suspended")
    catch_up(room)
    with room.work(actor(room, "anna")) as work:
        notifications.mark_read(work)
    assert letters(room) == []


def test_comments_of_a_day_come_in_one_mail_on_the_next_working_morning(room, anna, bert):
    a_case(room, CASE, anna)
    for n in range(3):
        say(room, "comment.added", by=actor(room, "bert"), data={"text": f"remark {n}"})
        catch_up(room)
    say(room, "comment.added", by=actor(room, "bert"), data={"text": "remark 3"})
    say(room, "comment.added", by=actor(room, "bert"), data={"text": "remark 4"})
    catch_up(room)
    assert letters(room) == []
    assert len(rows(room, select(job.c.id).where(job.c.kind == "mail"))) == 1
    room.clock.move(days=1)
    letter = letters(room)[0]
    assert letter["Subject"] == "5 notices for you"
    assert all(f"remark {n}" in letter.get_content() for n in range(5))


def test_a_digest_over_the_weekend_waits_for_monday(room, anna, bert):
    room.clock.move(days=4, hours=12)  # Friday evening
    a_case(room, CASE, anna)
    say(room, "comment.added", by=actor(room, "bert"), data={"text": "on a Friday"})
    catch_up(room)
    due = rows(room, select(job.c.due_at).where(job.c.kind == "mail"))[0]["due_at"]
    assert due.astimezone(room.calendar.zone).strftime("%A %H:%M") == "Monday 09:00"


def test_a_line_break_in_a_title_does_not_add_a_header_to_the_mail(room, anna):
    a_case(room, CASE, anna)
    with room.work(people.SYSTEM) as work:
        title = "Chairs\r\nBcc: everybody@bizday.example"
        work.execute(update(instance).where(instance.c.id == CASE).values(title=title))
    say(room, "case.suspended")
    catch_up(room)
    letter = letters(room)[0]
    assert letter["Bcc"] is None
    assert letter["Subject"] == "Suspended: C-c Chairs Bcc: everybody@bizday.example"


def test_who_has_no_address_finds_the_notice_on_the_page_only(room):
    clara = person(room, "clara", "staff")
    a_case(room, CASE, clara)
    say(room, "case.suspended")
    assert catch_up(room) == 1
    assert rows(room, select(func.count().label("n")).where(job.c.kind == "mail"))[0]["n"] == 0


class Smtp(socketserver.StreamRequestHandler):
    """A mail server that takes everything and remembers it."""

    def handle(self):
        self.answer("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            self.server.heard.append(line)
            if verb == "DATA":
                self.answer("354 go on")
                self.server.letters.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            self.answer("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def answer(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def smtp():
    with socketserver.TCPServer(("127.0.0.1", 0), Smtp) as server:
        server.heard, server.letters = [], []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(timeout=5)


def with_smtp(room, url: str) -> None:
    object.__setattr__(room.settings, "smtp_url", url)


def a_letter(room, anna) -> dict:
    with room.work(people.SYSTEM) as work:
        notifications.tell(work, [anna], "case_completed", {"number": "C-1", "title": "椅子"}, "/cases/c1")
    return rows(room, select(job.c.payload).where(job.c.kind == "mail"))[0]["payload"]


def test_a_mail_server_gets_the_letter(room, anna, smtp):
    with_smtp(room, f"smtp://127.0.0.1:{smtp.server_address[1]}")
    assert notifications.send(room, a_letter(room, anna))
    letter = email.message_from_bytes(smtp.letters[0], policy=MODERN)
    assert letter["Subject"] == "Completed: C-1 椅子"
    assert not (room.settings.var / "mail").exists()


def test_a_mail_server_that_does_not_answer_leaves_the_job_to_be_tried_again(room, anna):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with_smtp(room, f"smtp://127.0.0.1:{port}")
    with pytest.raises(OSError):
        notifications.send(room, a_letter(room, anna))


def test_a_password_is_not_sent_in_the_clear_to_another_machine(room, anna, smtp, monkeypatch):
    from engine import mailbox

    monkeypatch.setattr(mailbox, "LOCAL", ())
    with_smtp(room, f"smtp://bizday:secret@127.0.0.1:{smtp.server_address[1]}")
    with pytest.raises(Misconfigured, match="TLS"):
        notifications.send(room, a_letter(room, anna))
    assert not any("secret" in line or line.upper().startswith("AUTH") for line in smtp.heard)


def test_a_mail_address_that_is_no_smtp_is_refused(room, anna):
    with_smtp(room, "https://mail.example")
    with pytest.raises(Misconfigured, match="smtp_url"):
        notifications.send(room, a_letter(room, anna))


def test_the_mark_of_the_platforms_own_chain_moves_too(room, anna):
    catch_up(room)
    row = rows(room, select(chain))[0]
    assert row["told_seq"] == row["seq"]


# --- whole cases --------------------------------------------------------------------------------
PURCHASE = {
    "kind": "purchase", "amount": 500, "risk": "low", "title": "Twelve chairs", "party": "Example Ltd",
    "description": "Twelve chairs for the new office.", "wanted_by": None, "documents": [],
}  # fmt: skip


def kinds(platform, login: str, link: str | None = None) -> list[str]:
    """What a person was told, oldest first; with `link` only about that one thing."""
    with platform.read(actor(platform, login)) as work:
        said = reversed(notifications.list_(work).rows)
        return [row["kind"] for row in said if link in (None, row["link"])]


@pytest.fixture
def walk(demo):
    return Walk(demo).start("anna", "case_initiation", PURCHASE)


def test_a_task_that_is_let_lie_is_told_reminded_overdue_and_taken_away(demo, walk, beat):
    holder, link = walk.holders("do_work").pop(), f"/tasks/{walk.open_tasks()[0]['id']}"
    assert kinds(demo, holder, link) == ["task_assigned"]
    for _ in range(18):
        beat(days=1)
    assert kinds(demo, holder, link) == ["task_assigned", "task_reminder", "task_overdue", "task_taken_away"]
    above = walk.holders("do_work").pop()
    assert kinds(demo, above, link) == ["task_escalated", "task_reassigned"]


def test_who_worked_on_a_case_that_is_withdrawn_is_told_why(demo, walk):
    holder = walk.holders("do_work").pop()
    walk.withdraw("anna", "We found chairs in the cellar.")
    assert kinds(demo, holder) == ["task_assigned", "case_withdrawn"]
    with demo.read(actor(demo, holder)) as work:
        assert "We found chairs in the cellar." in notifications.list_(work).rows[0]["text"]


def test_a_role_that_a_case_granted_is_told_to_whom_it_was_given_and_to_nobody_twice(demo, beat):
    asked = {
        "subject": actor(demo, "anna").id, "action": "grant", "what": "group", "group": "testers", "resource": None,
        "verb": None, "until": "2026-06-30", "purpose": "To test the new forms.",
    }  # fmt: skip
    demo.clock.move(hours=1)
    walk = Walk(demo).start("anna", "permission_change", asked)
    walk.step("bert", "decide_department", YES)
    for _ in range(3):
        beat()
    said = kinds(demo, "anna")
    assert said.count("permission_granted") == 1
    assert said.count("task_decided") == 1
    assert "testers" in actor(demo, "anna").groups
    assert kinds(demo, "bert") == ["task_assigned"]


def test_every_mail_of_a_case_is_written_once(demo, walk, beat):
    for _ in range(3):
        beat()
    mails = rows(demo, select(job.c.state).where(job.c.kind == "mail"))
    assert {row["state"] for row in mails} == {"done"}
    assert len(list((demo.settings.var / "mail").glob("*.eml"))) == len(mails) >= 1
