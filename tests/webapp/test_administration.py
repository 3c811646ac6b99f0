"""Administration: accounts, roles, departments, substitutes, messages and the state, each for those it is for."""

from __future__ import annotations

import re

import pytest

from engine import history, notifications, people
from tests.webapp import visitor
from tests.webapp.visitor import Visitor, pick
from webapp import create_app


@pytest.fixture
def app(demo):
    return create_app(demo)


@pytest.fixture
def ada(app):
    """An administrator."""
    return Visitor(app, "ada")


def person_id(platform, login: str) -> str:
    with platform.read(people.SYSTEM) as work:
        return people.by_login(work, login)["id"]


def recorded(platform, kind: str) -> list:
    with platform.read(people.SYSTEM) as work:
        return history.events(work, instance_id=history.PLATFORM, types=[kind])


def groups_of(platform, login: str) -> frozenset[str]:
    with platform.read(people.SYSTEM) as work:
        return people.groups_of(work, people.by_login(work, login)["id"])


# --- who comes in -----------------------------------------------------------------------------
PAGES = ("", "/people/new", "/departments", "/groups", "/substitutions", "/messages", "/announcements", "/data-stores", "/platform")


@pytest.mark.parametrize("page", PAGES)
def test_staff_open_no_page_of_administration(app, page):
    Visitor(app, "anna").get(f"/administration{page}", 403)


@pytest.mark.parametrize("page", PAGES)
def test_an_administrator_opens_every_page_of_it(ada, page):
    assert ada.get(f"/administration{page}").one("h1").text_content().strip()


def test_who_may_see_only_the_platform_comes_straight_to_its_state(app):
    olga = Visitor(app, "olga")
    page = olga.follow(olga.get("/administration", 302))
    words = [one.text_content() for one in page.all(".bd-tabs a")]
    assert "People" not in words and "State of the platform" in words


def test_a_head_sees_people_but_is_told_why_she_cannot_change_them(app, demo):
    page = Visitor(app, "hanna").get(f"/administration/people/{person_id(demo, 'anna')}")
    assert "Your role does not allow this." in page.text
    assert "Draw a new password" not in page.text and "Grant directly" not in page.text


# --- people -----------------------------------------------------------------------------------
def test_people_are_found_by_name_role_and_department(ada):
    def logins(query: str) -> list[str]:
        return [one.text_content().split()[-1] for one in ada.get(f"/administration?{query}").all("a.bd-title")]

    assert logins("q=clara") == ["Clara"]
    assert logins("group=testers") == ["Tom", "Tina"] or sorted(logins("group=testers")) == ["Tina", "Tom"]
    assert sorted(logins("department=sales")) == ["Anna", "Bert", "Clara", "Dora"]


def test_opening_an_account_shows_a_password_once_that_opens_it(app, ada):
    said = {"login": "nora", "name": "Nora", "kind": "employee", "locale": "en", "department_key": "sales",
            "email": "nora@bizday.example"}  # fmt: skip
    page = ada.post("/administration/people", said, 200)
    password = page.one("#secret").get("value")
    guest = Visitor(app)
    assert guest.post("/sign-in", {"login": "nora", "password": password}).location == "/inbox"


def test_a_partner_without_an_end_is_refused_in_one_sentence(ada, demo):
    said = {"login": "petra", "name": "Petra", "kind": "partner", "locale": "en", "back": "/administration/people/new"}
    page = ada.follow(ada.post("/administration/people", said))
    assert page.told == ["The account of a partner or visitor needs an end."]
    assert not [row for row in recorded(demo, "person.added") if row["data"]["login"] == "petra"]


def test_a_change_of_details_keeps_the_old_ones_in_the_log(ada, demo):
    clara = person_id(demo, "clara")
    said = {"name": "Clara Neu", "kind": "employee", "locale": "en", "department_key": "office"}
    page = ada.follow(ada.post(f"/administration/people/{clara}", said))
    assert page.told == ["The account was changed."]
    told = recorded(demo, "person.changed")[-1]["data"]
    assert told["old"]["department_key"] == "sales" and told["new"]["department_key"] == "office"


def test_a_new_password_ends_every_session(app, ada, demo):
    clara = Visitor(app, "clara")
    clara.get("/inbox")
    ada.post(f"/administration/people/{person_id(demo, 'clara')}/password", status=200)
    assert clara.get("/inbox", 303).location.startswith("/sign-in")


def test_sessions_of_somebody_can_be_ended_one_by_one_or_all(app, ada, demo):
    clara, other = Visitor(app, "clara"), Visitor(app, "clara")
    path = f"/administration/people/{person_id(demo, 'clara')}"
    named = ada.get(path).all("button[name=session]")
    assert len(named) == 2
    ada.post(f"{path}/sessions/end", {"session": named[0].get("value")})
    ada.post(f"{path}/sessions/end")
    clara.get("/inbox", 303)
    other.get("/inbox", 303)
    assert len(recorded(demo, "session.ended")) == 2


def test_a_closed_account_opens_nothing_until_it_is_opened_again(app, ada, demo):
    path = f"/administration/people/{person_id(demo, 'clara')}"
    clara = Visitor(app, "clara")
    ada.post(f"{path}/deactivate")
    clara.get("/inbox", 303)
    assert "ended" in ada.get("/administration?state=ended&q=clara").text
    ada.post(f"{path}/activate")
    Visitor(app, "clara").get("/inbox")


def test_nobody_closes_her_own_account(ada, demo):
    path = f"/administration/people/{person_id(demo, 'ada')}"
    page = ada.follow(ada.post(f"{path}/deactivate", {"back": path}))
    assert page.told == ["Nobody closes her own account."]


def test_a_locked_account_says_so_and_can_be_unlocked(app, ada, demo):
    path = f"/administration/people/{person_id(demo, 'clara')}"
    password = ada.post(f"{path}/password", status=200).one("#secret").get("value")
    guest = Visitor(app)
    for _ in range(people.TRIES):
        guest.post("/sign-in", {"login": "clara", "password": "wrong wrong wrong"}, 403)
    guest.post("/sign-in", {"login": "clara", "password": password}, 403)
    assert "Locked until" in ada.get(path).text
    ada.post(f"{path}/unlock")
    assert guest.post("/sign-in", {"login": "clara", "password": password}).location == "/inbox"


# --- roles and permissions --------------------------------------------------------------------
def test_a_direct_grant_needs_a_reason_and_carries_its_end(ada, demo):
    path = f"/administration/people/{person_id(demo, 'clara')}"
    said = {"group": "testers", "until": "2026-04-01", "back": path}
    assert ada.follow(ada.post(f"{path}/groups", said)).told == ["Give a reason; it stands in the log."]
    page = ada.follow(ada.post(f"{path}/groups", said | {"reason": "She tests in March."}))
    assert page.told == ["The role was granted."] and "until 04-01 23:59" in page.text
    told = recorded(demo, "membership.granted")[-1]
    assert told["reason"] == "She tests in March." and told["data"]["group"] == "testers"
    demo.clock.move(days=60)
    assert "testers" not in groups_of(demo, "clara")


def test_what_nobody_may_hold_together_is_refused(ada, demo):
    path = f"/administration/people/{person_id(demo, 'uwe')}"
    said = {"group": "administrators", "reason": "Just so.", "back": path}
    page = ada.follow(ada.post(f"{path}/groups", said))
    assert "Who runs the accounts must not audit them." in page.told[0]
    assert "administrators" not in groups_of(demo, "uwe")


def test_an_administrator_does_not_grant_to_herself(ada, demo):
    path = f"/administration/people/{person_id(demo, 'ada')}"
    page = ada.get(path)
    assert "Nobody changes her own permissions" in page.text and not page.all(f"form[action='{path}/groups']")
    ada.post(f"{path}/groups", {"group": "testers", "reason": "For me."}, 403)


def test_roles_and_permissions_are_taken_back(ada, demo):
    path = f"/administration/people/{person_id(demo, 'tina')}"
    ada.post(f"{path}/groups/end", {"group": "testers", "reason": "She moved on."})
    assert "testers" not in groups_of(demo, "tina")
    ada.post(f"{path}/permissions", {"resource": "reports", "verb": "query", "reason": "For the audit."})
    assert "Reports and indicators: query" in ada.get(path).text
    ada.post(f"{path}/permissions/end", {"resource": "reports", "verb": "query", "reason": "The audit is over."})
    assert "reports:query" not in visitor.actor(demo, "tina").permissions


def test_each_person_page_leads_to_the_process_that_changes_permissions(ada, demo):
    page = ada.get(f"/administration/people/{person_id(demo, 'clara')}")
    key = next(key for key, one in demo.policies.processes.items() if "2.2.2" in one.clauses)
    assert page.all(f"a[href='/start/{key}']")


def test_the_page_of_roles_names_who_holds_them_and_what_goes_apart(ada):
    page = ada.get("/administration/groups")
    assert "Who installs a version must not be the one who tests it." in page.text
    tile = next(one for one in page.all(".bd-tile") if "Testers" in one.text_content())
    assert {"Tina", "Tom"} <= set(re.findall(r"\w+", tile.text_content()))


# --- departments and substitutes --------------------------------------------------------------
def test_a_department_is_added_below_another_and_gets_a_head(ada, demo):
    said = {"key": "export", "name": "Export", "parent_key": "sales", "head_id": "clara"}
    page = ada.follow(ada.post("/administration/departments", said))
    row = next(one for one in page.all(".bd-tree li") if pick(one, "strong")[0].text_content() == "Export")
    assert row.get("class") == "bd-depth-2" and "Clara" in row.find('div').text_content()


def test_a_department_cannot_come_to_stand_above_itself(ada):
    said = {"name": "The company", "parent_key": "sales", "back": "/administration/departments"}
    page = ada.follow(ada.post("/administration/departments/company", said))
    assert page.told == ["A department cannot be above itself."]


def test_a_head_names_a_substitute_for_her_people_but_not_for_others(app, demo):
    bert = Visitor(app, "bert")
    said = {"absent": "anna", "substitute": "clara", "from": "2026-03-02", "until": "2026-03-06"}
    bert.post("/administration/substitutions", said)
    assert "Clara" in bert.get("/administration/substitutions").text
    bert.post("/administration/substitutions", said | {"absent": "olga"}, 403)
    with demo.read(people.SYSTEM) as work:
        assert [row["login"] for row in people.acting_for(work, person_id(demo, "clara"))] == ["anna"]


# --- messages, announcements, state -----------------------------------------------------------
def test_a_message_for_nobody_is_kept_and_the_page_says_so(ada, demo):
    form = ada.get("/administration/messages").form("/administration/messages")
    said = {**form, "kind": "message", "name": "nobody.waits", "key": "X-1", "variables": '{"a": 1}', "minutes": "5"}
    page = ada.post("/administration/messages", said, 200)
    assert "No case waits for it now; it is kept for the time you gave." in page.told[0]
    ada.post("/administration/messages", said, 200)  # the repeat of the same form sends nothing again
    assert len(recorded(demo, "message.published")) == 1


@pytest.mark.parametrize("text", ["[1, 2]", "{", "5"])
def test_variables_that_are_no_object_are_refused(ada, demo, text):
    said = {"kind": "message", "name": "x", "variables": text, "minutes": "5", "back": "/administration/messages"}
    page = ada.follow(ada.post("/administration/messages", said))
    assert "must be a JSON object" in page.told[0] and not recorded(demo, "message.published")


def test_an_announcement_reaches_everybody_inside(ada, app, demo):
    said = {"title": "Rest on Friday", "text": "From six to seven."}
    assert "Rest on Friday" in ada.follow(ada.post("/administration/announcements", said)).text
    notifications.catch_up(demo)
    anna = Visitor(app, "anna").get("/notifications")
    assert "Rest on Friday" in [one.text_content().split(": ")[-1] for one in anna.all(".bd-notice strong")]


def test_an_announcement_without_words_is_refused(ada):
    said = {"title": " ", "text": "x", "back": "/administration/announcements"}
    page = ada.follow(ada.post("/administration/announcements", said))
    assert page.told == ["An announcement needs a title and a text."]


def test_the_state_shows_no_secret(ada, demo):
    page = ada.get("/administration/platform")
    assert demo.settings.secret not in page.raw and "secret" not in [one.text_content() for one in page.all("dt code")]
    assert "access.toml" in page.text and demo.policies.versions["access.toml"] in page.text


def test_passwords_within_addresses_of_the_settings_are_left_out(demo):
    from engine.platform import Settings
    from webapp.administration import _settings

    secret = "postgresql://bizday:hush-hush@db/bizday"
    shown = dict(_settings(Settings(var=demo.settings.var, database=secret, smtp_url="smtp://me:hush-hush@mail:25")))
    assert "hush-hush" not in str(shown) and shown["smtp_url"] == "smtp://mail:25"


def test_a_failed_job_without_a_case_can_be_tried_again(ada, demo):
    from engine import jobs
    from engine.worker import Worker

    with demo.work(people.SYSTEM) as work:
        job_id = jobs.schedule(work, "mail", work.now, payload={}, max_attempts=1)
    Worker(demo, "test").beat()
    page = ada.get("/administration/platform")
    assert page.all(f"form[action='/administration/jobs/{job_id}/retry']")
    ada.post(f"/administration/jobs/{job_id}/retry")
    assert recorded(demo, "job.retried")[-1]["data"] == {"job": job_id}


# --- notices ----------------------------------------------------------------------------------
def test_opening_a_notice_marks_it_as_read_and_leads_to_its_case(app, demo):
    visitor.deploy_leave(demo)
    case_id = visitor.ask_for_leave(demo)
    visitor.decided(demo)
    notifications.catch_up(demo)
    anna = Visitor(app, "anna")
    page = anna.get("/notifications")
    form = page.one(".bd-notice-new form")
    answer = anna.post(form.get("action"), {"to": pick(form, "input[name=to]")[0].get("value")})
    assert answer.location == f"/cases/{case_id}"
    assert not anna.get("/notifications").all(".bd-notice-new")


def test_a_notice_leads_nowhere_outside(app):
    answer = Visitor(app, "anna").post("/notifications/x/open", {"to": "//elsewhere.example/"})
    assert answer.location == "/notifications"


def test_all_notices_are_marked_as_read_at_once(app, demo):
    visitor.deploy_leave(demo)
    for _ in range(2):
        visitor.ask_for_leave(demo)
    notifications.catch_up(demo)
    bert = Visitor(app, "bert")
    assert len(bert.get("/notifications?show=unread").all(".bd-notice")) == 2
    bert.post("/notifications/read")
    assert "Nothing is unread." in bert.get("/notifications?show=unread").text


def test_nobody_marks_the_notices_of_others(app, demo):
    visitor.deploy_leave(demo)
    visitor.ask_for_leave(demo)
    notifications.catch_up(demo)
    bert = Visitor(app, "bert")
    action = bert.get("/notifications").one(".bd-notice-new form").get("action")
    Visitor(app, "anna").post(action, {"to": ""})
    assert bert.get("/notifications").all(".bd-notice-new")
