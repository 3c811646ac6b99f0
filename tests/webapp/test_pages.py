"""Every page answers for the right people and refuses the others, without scripts, in one clear sentence."""

from __future__ import annotations

import io
import json
import re

import pytest
from lxml import html

from engine import cases, people, repository, runtime, tasks
from engine.errors import NotFound
from tests.engine.small import flow, model
from tests.webapp import visitor
from tests.webapp.visitor import KEY, LEAVE, PASSWORD, Visitor, pick
from webapp import create_app


@pytest.fixture
def app(demo):
    visitor.deploy_leave(demo)
    return create_app(demo)


@pytest.fixture
def case(app, demo) -> str:
    return visitor.ask_for_leave(demo)


@pytest.fixture
def task(demo, case) -> str:
    """The decision that waits for Bert."""
    return visitor.task_of(demo, "bert")


@pytest.fixture
def anna(app):
    return Visitor(app, "anna")


@pytest.fixture
def bert(app):
    return Visitor(app, "bert")


# --- who comes in -----------------------------------------------------------------------------
INSIDE = ("/inbox", "/start", "/cases", "/processes", "/incidents", "/me", "/search?q=x", "/inbox/fragment")


@pytest.mark.parametrize("path", INSIDE)
def test_without_signing_in_every_page_leads_to_the_sign_in_page(app, path):
    answer = Visitor(app).get(path, 303)
    assert answer.location.startswith("/sign-in")


def test_sign_in_leads_to_the_page_that_was_asked_for(app, demo):
    with demo.work(people.SYSTEM) as work:
        people.set_password(work, people.by_login(work, "anna")["id"], PASSWORD)
    guest = Visitor(app)
    page = guest.follow(guest.get("/cases?q=leave", 303))
    said = page.form("/sign-in")
    assert said["next"] == "/cases?q=leave"
    answer = guest.post("/sign-in", {**said, "login": "anna", "password": PASSWORD})
    assert answer.location == "/cases?q=leave"
    assert "示例·安娜 Anna" in guest.get("/inbox").text


def test_a_wrong_password_gets_one_sentence_and_the_name_back(app):
    answer = Visitor(app).post("/sign-in", {"login": "anna", "password": "wrong"}, 403)
    assert answer.told == ["Name or password is wrong, or the account is locked for a while."]
    assert answer.one("#login").get("value") == "anna"
    assert answer.one("#password").get("aria-invalid") == "true"
    assert not answer.one("#password").get("value")


def test_sign_in_never_redirects_to_another_site(app, demo):
    with demo.work(people.SYSTEM) as work:
        people.set_password(work, people.by_login(work, "anna")["id"], PASSWORD)
    said = {"login": "anna", "password": PASSWORD, "next": "//elsewhere.example/"}
    assert Visitor(app).post("/sign-in", said).location == "/inbox"


def test_signing_out_ends_the_session(app, anna):
    assert anna.post("/sign-out").location == "/sign-in"
    anna.get("/inbox", 303)


def test_a_form_without_its_token_is_refused_and_the_page_says_what_to_do(anna):
    answer = anna.post("/inbox/filters", {"name": "x"}, 400, token=False)
    assert "Load it again and repeat what you did." in answer.text
    assert answer.all("nav.bd-nav"), "the page still knows who asks"


def test_a_page_that_is_not_there_says_so(anna):
    assert "There is no such page, or it is not for you." in anna.get("/nowhere", 404).text


# --- for whom each page is -----------------------------------------------------------------------
OWN = ("/inbox", "/inbox?view=group", "/inbox?view=done", "/inbox?view=started", "/inbox?view=drafts", "/start",
       f"/start/{KEY}", f"/start/{KEY}/upload", "/cases", "/processes", f"/processes/{KEY}", "/incidents",
       "/incidents?state=resolved", "/me", "/help")  # fmt: skip
CASE = ("", "?tab=path", "?tab=data", "?tab=papers")


@pytest.mark.parametrize("path", OWN)
def test_pages_answer_for_an_employee(app, case, anna, path):
    anna.get(path)


@pytest.mark.parametrize("tab", CASE)
def test_a_case_opens_for_its_starter_and_for_who_works_on_it(app, case, anna, bert, tab):
    for person in (anna, bert):
        assert "3 days of leave" in person.get(f"/cases/{case}{tab}").text


@pytest.mark.parametrize("path", ["", "?tab=data", "/fragment", "/state.json", "/model.bpmn"])
def test_a_case_is_not_there_for_those_whom_it_does_not_concern(app, case, path):
    clara = Visitor(app, "clara")
    clara.get(f"/cases/{case}{path}", 404)


def test_a_task_is_not_there_for_those_whom_it_does_not_concern(app, task):
    clara = Visitor(app, "clara")
    clara.get(f"/tasks/{task}", 404)
    clara.post(f"/tasks/{task}/complete", {"decision": "approve", "opinion": "Mine."}, 404)
    clara.post(f"/tasks/{task}/comments", {"text": "Hello"}, 404)


def test_only_operators_see_the_technical_side_of_a_case(app, case, anna):
    assert "tab=technical" not in anna.get(f"/cases/{case}").raw
    anna.get(f"/cases/{case}?tab=technical", 403)
    operator = Visitor(app, "olga")
    assert "What waits in the engine" in operator.get(f"/cases/{case}?tab=technical").text


def test_partners_see_no_models(app):
    partner = Visitor(app, "paula")
    assert "Your role does not allow this." in partner.get("/processes", 403).text
    assert "/processes" not in {one.get("href") for one in partner.get("/inbox").all("nav a")}


def test_publishing_is_for_designers(app, anna):
    page = anna.get("/processes")
    assert page.all("button[disabled][aria-describedby]")
    assert "Your role does not allow to publish processes." in page.text
    anna.get("/processes/deploy", 403)
    Visitor(app, "dirk").get("/processes/deploy")


def test_the_navigation_shows_only_what_a_person_may_use(app, anna):
    links = {one.get("href") for one in anna.get("/inbox").all("nav.bd-nav a")}
    assert "/inbox" in links and "/incidents" not in links
    assert "/incidents" in {one.get("href") for one in Visitor(app, "olga").get("/inbox").all("nav.bd-nav a")}


ROLES = "anna bert eva dora olga ada dirk sara cora uwe paula viktor".split()


@pytest.mark.parametrize("login", ROLES)
def test_whatever_the_navigation_offers_opens(app, login):
    person = Visitor(app, login)
    for link in person.get("/inbox").all("nav.bd-nav a"):
        answer = person.client.get(link.get("href"), follow_redirects=True)
        assert answer.status_code == 200, link.get("href")
        assert link.get("href") == _current(answer)


def _current(answer) -> str:
    return pick(html.document_fromstring(answer.get_data(as_text=True)), "nav.bd-nav a[aria-current]")[0].get("href")


# --- the list of what waits ------------------------------------------------------------------------
def test_what_waits_is_listed_with_its_working_time_left_and_counted_on_the_tab(app, task, bert):
    page = bert.get("/inbox")
    row = page.one("tr[data-row]")
    assert row.get("data-row") == task
    assert "2 d left" in " ".join(row.text_content().split())
    assert page.all("nav.bd-tabs a[aria-current] .bd-count")[0].text_content() == "1"


def test_a_late_task_says_so_in_words(app, demo, task, bert):
    demo.clock.move(days=9)
    late = Visitor(app, "bert").get("/inbox")  # her session has ended meanwhile
    assert "over" in late.one(".bd-due-late").text_content()
    assert "1 of them is late" in late.text


def test_lists_can_be_searched_and_a_filter_kept_under_a_name(app, task, bert):
    assert not bert.get("/inbox?q=unicorn").all("tr[data-row]")
    assert "Nothing fits this filter." in bert.get("/inbox?q=unicorn").text
    bert.post("/inbox/filters", {"name": "Leaves", "query": "view=mine&q=leave", "back": "/inbox"})
    page = bert.get("/inbox")
    link = next(one for one in page.all(".bd-saved-one a") if "Leaves" in one.text_content())
    assert bert.get(link.get("href")).all("tr[data-row]")


def test_a_filter_needs_a_name(app, bert):
    answer = bert.post("/inbox/filters", {"name": " ", "query": "", "back": "/inbox"})
    assert bert.follow(answer).told == ["Give the filter a name."]


def test_the_fragment_is_sent_once_and_then_only_when_something_changed(app, demo, task, bert):
    first = bert.get("/inbox/fragment")
    again = bert.get("/inbox/fragment", 304, **{"If-None-Match": first.headers["ETag"]})
    assert not again.raw
    visitor.ask_for_leave(demo, "anna", days=4)
    assert bert.get("/inbox/fragment", 200, **{"If-None-Match": first.headers["ETag"]}).raw.count("data-row") == 2


def test_a_case_fragment_holds_no_token_and_stays_the_same(app, case, anna):
    first = anna.get(f"/cases/{case}/fragment")
    assert "csrf" not in first.raw
    anna.get(f"/cases/{case}/fragment", 304, **{"If-None-Match": first.headers["ETag"]})


def test_a_task_of_ones_group_is_claimed_in_one_click_and_the_list_stays(app, demo, case):
    visitor.decided(demo)
    fiona, frank = Visitor(app, "fiona"), Visitor(app, "frank")
    page = fiona.get("/inbox?view=group")
    button = page.one("button[data-claim]")
    said = {"then": "list", "back": "/inbox?view=group"}
    answer = fiona.post(button.get("formaction"), said)
    assert answer.location == "/inbox?view=group"
    assert fiona.follow(answer).told == ["The task is yours."]
    late = frank.post(button.get("formaction"), said)
    assert "is already claimed by 示例·菲奥娜 Fiona" in frank.follow(late).told[0]


def test_several_are_claimed_at_once_and_each_refusal_is_told(app, demo, case):
    visitor.decided(demo)
    fiona = Visitor(app, "fiona")
    mine = visitor.task_of(demo, "fiona", "group")
    page = fiona.follow(fiona.post("/inbox/claim", {"task": [mine, "nothing"], "back": "/inbox"}))
    assert page.told == ["1 tasks are yours now.", "There is no such task."]


def test_anything_is_found_by_its_number_or_title(app, demo, case, anna):
    found = anna.client.get("/search?q=leave").get_json()["results"]
    assert {"title": "3 days of leave", "url": f"/cases/{case}"}.items() <= found[0].items()
    assert not Visitor(app, "clara").client.get("/search?q=leave").get_json()["results"]


# --- a task ---------------------------------------------------------------------------------------
def test_the_form_stands_beside_what_the_case_is_about(app, task, bert):
    page = bert.get(f"/tasks/{task}")
    assert "The sea is calling." in page.one("aside").text_content()
    assert {one.get("value") for one in page.all("input[name=decision]")} == {"approve", "reject"}
    assert all(one.get("type") == "radio" for one in page.all("input[name=decision]"))


def test_an_empty_form_comes_back_with_a_sentence_at_each_field(app, task, bert):
    page = bert.post(f"/tasks/{task}/complete", {"opinion": "I have read it."}, 422)
    assert page.one("#f-opinion").text_content().strip() == "I have read it."
    wrong = page.one("[data-field=decision]")
    assert "is required" in wrong.text_content()
    assert page.all("#form-errors a[href='#f-decision']")
    described = page.one("fieldset#f-decision").get("aria-describedby").split()[0]
    assert page.one(f"#{described}").text_content().strip()


def test_a_wrong_text_is_marked_for_screen_readers(app, task, bert):
    page = bert.post(f"/tasks/{task}/complete", {"decision": "approve", "opinion": "x"}, 422)
    field = page.one("#f-opinion")
    assert field.get("aria-invalid") == "true"
    assert page.one(f"#{field.get('aria-describedby').split()[0]}").text_content().strip()


def test_completing_leads_to_the_next_task_or_back_to_the_list(app, demo, task, bert):
    visitor.ask_for_leave(demo, "anna", days=5)
    answers = {"decision": "approve", "opinion": "Go."}
    answer = bert.post(f"/tasks/{task}/complete", answers)
    assert re.fullmatch(r"/tasks/\w+", answer.location) and task not in answer.location
    following = answer.location
    assert bert.follow(answer).told[0].startswith("Done: Decide on the leave")
    assert bert.post(f"{following}/complete", {**answers, "then": "list"}).location == "/inbox"


def test_the_repeat_of_a_form_does_nothing_twice(app, demo, task, bert):
    said = bert.get(f"/tasks/{task}").form(f"/tasks/{task}/complete") | {"decision": "approve", "opinion": "Go."}
    first, second = bert.post(f"/tasks/{task}/complete", said), bert.post(f"/tasks/{task}/complete", said)
    assert first.location == second.location
    with demo.read(people.SYSTEM) as work:
        root = tasks.find(work, task)["root_id"]
        assert [one["type"] for one in cases.timeline(work, root)].count("task.completed") == 1


def test_a_task_that_is_done_shows_who_did_it_and_no_form(app, demo, task, bert):
    visitor.decided(demo)
    page = bert.get(f"/tasks/{task}")
    assert "Done by 示例·贝特 Bert" in page.told[0]
    assert not page.all("#task-form")
    again = bert.post(f"/tasks/{task}/complete", {"decision": "reject", "opinion": "No."}, 303)
    assert "is already done" in bert.follow(again).told[0]


def test_who_was_asked_too_is_told_who_was_faster_and_others_learn_nothing(app, demo, task):
    visitor.decided(demo)
    with demo.work(visitor.actor(demo, "fiona")) as work:
        note = tasks.inbox(work, "group").rows[0]["id"]
        runtime.complete(work, note, {"remark": "It is noted."})
    frank, clara = Visitor(app, "frank"), Visitor(app, "clara")
    sentence = "Task 'Note the leave' was already done by 示例·菲奥娜 Fiona."
    assert frank.follow(frank.get(f"/tasks/{note}", 303)).told == [sentence]
    assert frank.follow(frank.post(f"/tasks/{note}/complete", {"remark": "Noted."}, 303)).told == [sentence]
    assert "There is no such task." in clara.get(f"/tasks/{note}", 404).text
    assert "There is no such task." in clara.post(f"/tasks/{note}/complete", {"remark": "Noted."}, 404).text
    with pytest.raises(NotFound), demo.work(visitor.actor(demo, "clara")) as work:
        runtime.complete(work, note, {"remark": "Noted."})


def test_the_starter_sees_the_decision_but_cannot_take_it_and_is_told_why(app, task, anna):
    page = anna.get(f"/tasks/{task}")
    assert not page.all("#task-form")
    assert "This task is not yours to do." in page.text
    assert "It is with 示例·贝特 Bert." in page.text
    refused = anna.post(f"/tasks/{task}/complete", {"decision": "approve", "opinion": "Yes."}, 403)
    assert "This task is not yours to do." in refused.text


def test_what_is_possible_is_a_button_and_what_is_not_says_why(app, task, anna, bert):
    own = bert.get(f"/tasks/{task}")
    assert {"verb-transfer", "verb-delegate"} <= {one.get("id") for one in own.all("details.bd-verb")}
    others = anna.get(f"/tasks/{task}")
    assert "verb-transfer" not in {one.get("id") for one in others.all("details.bd-verb")}
    assert "Only who holds this task may delegate it." in others.one("#verb-why-not").text_content()


def test_a_task_is_passed_on_with_a_reason(app, demo, task, bert):
    emil = visitor.actor(demo, "emil")
    bert.get(f"/tasks/{task}")
    missing = bert.post(f"/tasks/{task}/transfer", {"person_id": emil.id, "reason": ""}, 303)
    assert bert.follow(missing).told == ["Please say why."]
    answer = bert.post(f"/tasks/{task}/transfer", {"person_id": "emil", "reason": "He knows the team."})
    assert bert.follow(answer).told == ["The task is with 示例·埃米尔 Emil now."]
    assert task in Visitor(app, "emil").get("/inbox").raw


def test_a_task_is_not_passed_on_to_whom_the_model_keeps_apart(app, task, bert):
    answer = bert.post(f"/tasks/{task}/transfer", {"person_id": "anna", "reason": "She knows best."}, 403)
    assert "nobody decides on her own request" in answer.text


def test_a_delegated_task_is_handed_back_with_a_word(app, task, bert):
    bert.post(f"/tasks/{task}/delegate", {"person_id": "emil", "reason": "Look at it, please."})
    emil = Visitor(app, "emil")
    page = emil.get(f"/tasks/{task}")
    assert "Delegated by 示例·贝特 Bert" in page.text and page.all("#verb-hand-back")
    emil.post(f"/tasks/{task}/hand-back", {"reason": "Looks fine."})
    assert "Looks fine." in bert.get(f"/tasks/{task}").text


def test_a_copy_is_sent_from_the_case_or_the_task_and_is_unread_until_it_is_opened(app, demo, case, task, anna, bert):
    clara, otto = visitor.actor(demo, "clara"), visitor.actor(demo, "otto")
    assert anna.get(f"/cases/{case}").one("#verb-copy summary").text_content().strip() == "Send a copy"
    assert bert.get(f"/tasks/{task}").one("#verb-copy summary").text_content().strip() == "Send a copy"
    anna.get(f"/cases/{case}")
    answer = anna.post(f"/cases/{case}/copies", {"persons": [clara.id, otto.id], "note": "For your files."})
    assert anna.follow(answer).told == ["Copies sent: 2."]
    reader = Visitor(app, "clara")
    inbox = reader.get("/inbox?view=copies")
    assert "For your files." in inbox.text and "unread: 3 days of leave" in inbox.text
    assert [one.text_content() for one in inbox.all("a[aria-current] .bd-count")] == ["1"]
    assert case in reader.get("/inbox?view=copies&q=files").raw
    assert "Nothing fits this filter." in reader.get("/inbox?view=copies&q=elsewhere").text
    said = reader.get(f"/cases/{case}").one(".bd-case-form").text_content()
    assert said.count("not read yet") == 1 and "from 示例·安娜 Anna" in said
    assert "unread: " not in reader.get("/inbox?view=copies").text
    assert "Nothing fits this filter." in reader.get("/inbox?view=copies&unread=1").text
    bert.get(f"/tasks/{task}")
    answer = bert.post(f"/tasks/{task}/copies", {"persons": "clara, emil"})
    page = bert.follow(answer)
    assert page.told == ["Copies sent: 2."]
    assert "Emil" in page.one("#timeline").text_content()
    assert "unread: 3 days of leave" in reader.get("/inbox?view=copies").text


def test_a_copy_to_nobody_or_to_a_partner_is_one_sentence(app, case, anna):
    anna.get(f"/cases/{case}")
    assert "at least one person" in anna.follow(anna.post(f"/cases/{case}/copies", {"note": "x"}, 303)).told[0]
    assert "is no employee" in anna.follow(anna.post(f"/cases/{case}/copies", {"persons": "paula"}, 303)).told[0]
    assert "paula" not in anna.get(f"/cases/{case}").one("#copy-to").text_content()


def sign(visitor_, task_id: str, said: str, reason: str = "I looked."):
    visitor_.get(f"/tasks/{task_id}")
    return visitor_.post(f"/tasks/{task_id}/answer", {"agrees": said, "reason": reason})


def test_signers_are_asked_before_the_decision_and_answer_on_a_page_of_their_own(app, demo, bert):
    task = visitor.signed_leave(demo)
    clara, dirk = visitor.actor(demo, "clara"), visitor.actor(demo, "dirk")
    page = bert.get(f"/tasks/{task}")
    assert {one.get("value") for one in page.all("#verb-add-signer input[type=radio]")} == {"before", "after"}
    said = {"persons": [clara.id, dirk.id], "when": "before", "reason": "I want to be sure."}
    page = bert.follow(bert.post(f"/tasks/{task}/signers", said))
    assert page.told[0] == "They were asked to sign."
    assert "waits for the signers" in page.text
    assert "2" in page.one("#signers-title").text_content()
    reader = Visitor(app, "clara")
    assert "to be signed" in reader.get("/inbox").text
    with demo.read(visitor.actor(demo, "bert")) as work:
        case = tasks.find(work, task)["root_id"]
    assert reader.get(f"/cases/{case}").one(".bd-now-list").text_content().count("to be signed") == 2
    hers = visitor.task_of(demo, "clara")
    page = reader.get(f"/tasks/{hers}")
    assert "asks you to sign" in page.text and not page.all("#task-form")
    assert "Say whether you agree." in reader.follow(sign(reader, hers, "")).told
    assert "Please say why." in reader.follow(sign(reader, hers, "no", "")).told
    assert reader.follow(sign(reader, hers, "no", "Too long.")).told == ["Your answer was kept."]
    out = {"persons": [dirk.id], "reason": "He is away."}
    bert.get(f"/tasks/{task}")
    page = bert.follow(bert.post(f"/tasks/{task}/signers/remove", out))
    assert "Too long." in page.one("#signers").text_content() and "taken out" in page.one("#signers").text_content()
    assert "verb-remove-signer" not in {one.get("id") for one in page.all("details.bd-verb")}
    assert page.all("#task-form")
    timeline = page.one("#timeline").text_content()
    assert "asked to sign" in timeline and "Not agreed" in timeline


def test_a_decision_that_others_sign_says_so_and_shows_them_what_was_decided(app, demo, bert):
    task = visitor.signed_leave(demo)
    bert.get(f"/tasks/{task}")
    bert.post(f"/tasks/{task}/signers", {"persons": "clara", "when": "after", "reason": "Four eyes."})
    bert.get(f"/tasks/{task}")
    bert.post(f"/tasks/{task}/complete", visitor.AGREED)
    page = bert.get(f"/tasks/{task}")
    assert "it goes on when those who were asked to sign agree" in page.text
    assert "To be signed" in page.one(".bd-head-state").text_content()
    reader = Visitor(app, "clara")
    hers = visitor.task_of(demo, "clara")
    assert "Go, and enjoy it." in reader.get(f"/tasks/{hers}").one("#form").text_content()
    sign(reader, hers, "no", "Too long.")
    page = bert.get(f"/tasks/{task}")
    assert "Go, and enjoy it." in page.one("#task-form").text_content()
    bert.post(f"/tasks/{task}/complete", visitor.AGREED | {"decision": "reject"})
    assert visitor.task_of(demo, "fiona", "group")


def test_a_draft_is_saved_without_scripts_and_comes_back(app, task, bert):
    answer = bert.post(f"/tasks/{task}/draft", {"opinion": "Half a thought"})
    page = bert.follow(answer)
    assert page.told == ["The draft was saved."]
    assert page.one("#f-opinion").text_content().strip() == "Half a thought"
    assert bert.get("/inbox").all("tr[data-row] .bi-pencil")


def test_comments_and_papers_are_added_on_the_page_of_the_task(app, task, bert):
    bert.post(f"/tasks/{task}/comments", {"text": "<b>When</b> exactly?"})
    bert.post(f"/tasks/{task}/documents", {"file": (io.BytesIO(b"a plan"), "plan.txt")})
    page = bert.get(f"/tasks/{task}")
    assert "<b>When</b> exactly?" in page.one("#comments").text_content()
    link = next(one for one in page.all("#documents a") if "plan.txt" in one.text_content())
    answer = bert.get(link.get("href"))
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_an_empty_comment_or_no_file_is_one_sentence(app, task, bert):
    for path, sentence in (("comments", "Write something before you send a comment."), ("documents", "Choose a file first.")):
        answer = bert.post(f"/tasks/{task}/{path}", {"back": f"/tasks/{task}"})
        assert bert.follow(answer).told == [sentence]


def test_a_starter_urges_and_is_asked_to_wait_an_hour(app, task, anna):
    assert anna.follow(anna.post(f"/tasks/{task}/urge", {"reason": "Tomorrow!", "back": "/inbox"})).told == ["They were urged."]
    again = anna.post(f"/tasks/{task}/urge", {"back": "/inbox"})
    assert "was urged less than an hour ago" in anna.follow(again).told[0]


def test_a_case_goes_back_to_an_earlier_step_with_a_reason(app, demo, case):
    visitor.decided(demo)
    fiona = Visitor(app, "fiona")
    note = visitor.task_of(demo, "fiona", "group")
    page = fiona.get(f"/tasks/{note}")
    assert [one.get("value") for one in page.all("#return-element option")] == ["decide"]
    fiona.post(f"/tasks/{note}/return", {"element": "decide", "reason": "The days are wrong."})
    assert "The days are wrong." in Visitor(app, "bert").get(f"/tasks/{visitor.task_of(demo, 'bert')}").text


# --- starting -------------------------------------------------------------------------------------
def test_a_case_is_started_by_its_form_and_opens(app, anna):
    said = anna.get(f"/start/{KEY}").form(f"/start/{KEY}")
    answer = anna.post(f"/start/{KEY}", {**said, "days": "2", "why": "A wedding."})
    page = anna.follow(answer)
    assert page.told[0].startswith("Case ") and page.told[0].endswith(" was started.")
    assert "A wedding." in page.text and "Decide on the leave" in page.text


def test_a_start_form_that_is_wrong_keeps_what_was_typed(app, anna):
    page = anna.post(f"/start/{KEY}", {"days": "99", "why": "A long trip."}, 422)
    assert page.one("#f-days").get("value") == "99"
    assert page.one("#f-days").get("aria-invalid") == "true"
    assert page.one("#f-why").text_content().strip() == "A long trip."


def test_a_file_is_not_lost_when_the_form_is_refused(app, anna):
    page = anna.post(f"/start/{KEY}", {"papers.files": (io.BytesIO(b"an invitation"), "invitation.txt")}, 422)
    assert "invitation.txt" in page.one("[data-field=papers]").text_content()
    kept = page.one("[data-field=papers] input[type=checkbox]")
    said = page.form(f"/start/{KEY}") | {"days": "1", "why": "A wedding.", "papers": kept.get("value")}
    page = anna.follow(anna.post(f"/start/{KEY}", said))
    case_id = re.search(r"/cases/(\w+)/fragment", page.raw)[1]
    assert "invitation.txt" in anna.get(f"/cases/{case_id}?tab=papers").text


def test_a_draft_of_a_start_form_is_found_again_and_deleted(app, anna):
    page = anna.follow(anna.post(f"/start/{KEY}/draft", {"why": "Perhaps."}))
    assert page.one("#f-why").text_content().strip() == "Perhaps."
    link = anna.get("/inbox?view=drafts").one("tr[data-row] a")
    assert "Leave" in link.text_content()
    draft = link.get("href").rsplit("/", 1)[1]
    anna.post(f"/drafts/{draft}/delete", {"back": "/inbox?view=drafts"})
    assert "You have no drafts." in anna.get("/inbox?view=drafts").text


def test_a_draft_is_its_authors_alone(app, anna):
    draft = anna.post(f"/start/{KEY}/draft", {"why": "Secret."}).location
    Visitor(app, "clara").get(draft, 404)


def test_many_cases_start_from_a_spreadsheet_or_none_does(app, anna):
    def sheet(*rows: str):
        return {"file": (io.BytesIO("\n".join(("days,why", *rows)).encode()), "leaves.csv")}

    wrong = anna.post(f"/start/{KEY}/upload", sheet("2,A wedding.", "77,Too long."), 422)
    assert "1 row cannot start a case." in wrong.told[0] and "Nothing was started." in wrong.told[0]
    assert wrong.one("tbody th").text_content() == "3"
    good = anna.post(f"/start/{KEY}/upload", sheet("2,A wedding.", "3,A move."), 200)
    assert "2 cases were started." in good.told[0]


def test_a_file_of_another_kind_is_refused_in_one_sentence(app, anna):
    answer = anna.post(f"/start/{KEY}/upload", {"file": (io.BytesIO(b"x"), "leaves.pdf"), "back": f"/start/{KEY}/upload"})
    assert anna.follow(answer).told == ["'leaves.pdf' is neither a .csv nor an .xlsx file."]


# --- a case ----------------------------------------------------------------------------------------
def test_the_page_of_a_case_shows_its_stamp_who_has_it_and_what_was_said(app, demo, case, anna):
    visitor.decided(demo)
    page = anna.get(f"/cases/{case}")
    assert "Running" in page.one(".bd-stamp").text_content()
    assert "Note the leave" in page.one(".bd-now-list").text_content()
    assert "Go." in page.one(".bd-timeline").text_content()
    assert page.one("[data-diagram]").get("data-state-url") == f"/cases/{case}/state.json"


def test_a_case_is_withdrawn_by_its_starter_with_a_reason(app, case, anna, bert):
    missing = anna.post(f"/cases/{case}/withdraw", {"reason": "", "back": f"/cases/{case}"})
    assert anna.follow(missing).told == ["Please say why."]
    assert "Only who started the case may withdraw it." in bert.post(f"/cases/{case}/withdraw", {"reason": "No."}, 403).text
    page = anna.follow(anna.post(f"/cases/{case}/withdraw", {"reason": "I stay."}))
    assert "I stay." in page.one(".bd-timeline").text_content()
    assert not page.all("#verb-withdraw")


def test_a_suspended_case_says_so_on_its_tasks(app, task, case, bert):
    Visitor(app, "ada").post(f"/cases/{case}/suspend", {"reason": "An inquiry."})
    assert "The case is suspended; it must be resumed first." in bert.get(f"/tasks/{task}").text


def test_the_log_of_a_case_is_checked_on_its_page(app, case, anna):
    page = anna.follow(anna.post(f"/cases/{case}/verify"))
    assert re.search(r"\d+ records were checked; none was altered\.", page.told[0])


def test_the_list_of_cases_is_filtered_and_taken_along_as_a_file(app, case, anna):
    assert "3 days of leave" in anna.get(f"/cases?process={KEY}&state=active").text
    assert "Nothing fits this filter." in anna.get(f"/cases?process={KEY}&state=completed").text
    answer = anna.get("/cases.csv")
    assert answer.headers["Content-Type"].startswith("text/csv") and "3 days of leave" in answer.raw


def test_data_is_corrected_by_an_operator_only(app, demo, case, anna):
    said = {"name": "days", "value": "9", "scope": "0", "reason": "A slip of the pen."}
    anna.post(f"/cases/{case}/variables", said, 403)
    operator = Visitor(app, "olga")
    page = operator.follow(operator.post(f"/cases/{case}/variables", said))
    assert page.told == ["'days' was corrected."]
    row = next(one for one in page.all("#data tbody tr") if pick(one, "code")[0].text_content() == "days")
    assert pick(row, "td")[0].text_content() == "9"
    assert "3" in page.one("#corrections del").text_content() and "A slip of the pen." in page.text


def test_a_correction_is_refused_when_the_value_is_another_one_by_now_or_reads_as_nothing(app, demo, case):
    operator = Visitor(app, "olga")
    said = operator.get(f"/cases/{case}?tab=data").form(f"/cases/{case}/variables") | {"reason": "A slip."}
    assert json.loads(said["was"]) is not None
    wrong = {"name": "days", "scope": "0", "was": "7", "type": "json", "value": "9", "reason": "A slip."}
    assert "was changed meanwhile" in operator.follow(operator.post(f"/cases/{case}/variables", wrong)).told[0]
    unread = wrong | {"was": "3", "value": "nine"}
    assert "does not read as JSON" in operator.follow(operator.post(f"/cases/{case}/variables", unread)).told[0]
    text = wrong | {"was": "3", "type": "text"}
    operator.post(f"/cases/{case}/variables", text)
    with demo.read(people.SYSTEM) as work:
        assert runtime.load(work, case).execution.variables()["days"] == "9"


# --- processes and incidents ------------------------------------------------------------------------
def test_a_model_that_is_wrong_is_not_published_and_says_where(app):
    dirk = Visitor(app, "dirk")
    broken = LEAVE[f"{KEY}.bpmn"].replace(b'sourceRef="note" targetRef="noted"', b'sourceRef="note" targetRef="nowhere"')
    page = dirk.post("/processes/deploy", {"files": (io.BytesIO(broken), "leave.bpmn"), "act": "deploy"}, 422)
    assert page.told and page.all(".bd-problem")
    assert [one["version"] for one in _versions(app)] == [1]


def test_a_sound_model_is_checked_without_being_kept_and_published_on_demand(app):
    dirk = Visitor(app, "dirk")
    changed = LEAVE[f"{KEY}.bpmn"].replace(b'name="Leave"', b'name="Leave of absence"')
    dirk.post("/processes/deploy", {"files": (io.BytesIO(changed), "leave.bpmn"), "act": "check"}, 200)
    assert len(_versions(app)) == 1
    answer = dirk.post("/processes/deploy", {"files": (io.BytesIO(changed), "leave.bpmn"), "act": "deploy"})
    assert dirk.follow(answer).told == ["Leave of absence is published as version 2."]
    assert len(_versions(app)) == 2


def _versions(app):
    from engine import repository

    with app.extensions["platform"].read(people.SYSTEM) as work:
        return repository.versions(work, KEY)


def test_a_version_is_retired_with_a_reason(app, demo):
    alex = Visitor(app, "alex")
    definition = _versions(app)[0]["id"]
    missing = alex.post(f"/definitions/{definition}/retire", {"reason": "", "back": f"/processes/{KEY}"})
    assert alex.follow(missing).told == ["Please say why."]
    page = alex.follow(alex.post(f"/definitions/{definition}/retire", {"reason": "Nobody goes on leave any more."}))
    assert "Retired" in page.one(".bd-head-end").text_content()


def test_what_an_incident_stopped_may_go_on_with_what_it_would_have_brought(app, demo):
    body = '<bpmn:startEvent id="s" name="s"/><bpmn:exclusiveGateway id="g" name="Enough?"/><bpmn:endEvent id="e" name="e"/>'
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"odd.bpmn": model(body + flow("s", "g") + flow("g", "e", "=amount > 5"), key="odd")})
        case = runtime.start_by(work, repository.latest(work, "odd"), "s", {"amount": 1})["id"]
    ada = Visitor(app, "ada")
    page = ada.get(f"/cases/{case}?tab=technical")
    form = next(one for one in page.tree.iter("form") if "/resolve" in one.get("action", ""))
    said = {"action": "skip", "reason": "It was seven.", "variables": "seven"}
    assert "JSON object" in ada.follow(ada.post(form.get("action"), said)).told[-1]
    ada.post(form.get("action"), said | {"variables": '{"amount": 7}'})
    with demo.read(people.SYSTEM) as work:
        assert runtime.load(work, case).execution.variables()["amount"] == 7
        assert runtime.load(work, case).row["state"] == "completed"


def test_an_incident_is_shown_and_settled_with_a_reason(app, demo, case):
    with demo.work(people.SYSTEM) as work:
        runtime.raise_incident(work, case, "service", "The service does not answer.")
    olga = Visitor(app, "olga")
    page = olga.get("/incidents")
    assert "The service does not answer." in page.text
    box = page.one("input[name=incident]")
    answer = olga.post("/incidents/resolve", {"incident": box.get("value"), "action": "retry", "reason": "It is back."})
    assert "settled" in olga.follow(answer).told[-1]
    assert "It is back." in olga.get("/incidents?state=resolved").text


# --- my own page -------------------------------------------------------------------------------------
def test_a_substitute_is_named_and_acts_in_the_others_name(app, demo, task, bert):
    today = demo.clock().astimezone(demo.calendar.zone).date().isoformat()
    bert.post("/me/substitute", {"person_id": "emil", "from": today, "until": "2026-03-20"})
    emil = Visitor(app, "emil")
    button = next(one for one in emil.get("/inbox").all("button[name=person_id]") if "Bert" in one.text_content())
    page = emil.follow(emil.post("/acting-for", {"person_id": button.get("value")}))
    assert "You act for 示例·贝特 Bert." in page.told[0]
    assert task in page.raw
    emil.post("/acting-for", {"person_id": ""})
    assert not emil.get("/inbox").all("tr[data-row]")


def test_nobody_acts_for_who_did_not_name_her(app, demo, anna):
    anna.post("/acting-for", {"person_id": visitor.actor(demo, "bert").id}, 403)


def test_a_token_is_shown_once_and_revoked(app, anna):
    page = anna.post("/me/tokens", {"name": "Reports", "scopes": "read", "days": "10"}, 200)
    assert page.one("#secret").get("value").startswith("bd_")
    mine = anna.get("/me")
    assert page.one("#secret").get("value") not in mine.raw
    revoke = next(one.get("action") for one in mine.all("form") if "/revoke" in one.get("action", ""))
    assert anna.follow(anna.post(revoke)).told == ["The token was revoked."]


def test_a_session_elsewhere_is_ended_and_this_one_is_marked(app, anna):
    Visitor(app, "anna")
    page = anna.get("/me")
    others = [one.get("value") for one in page.all("button[name=session]")]
    assert len(others) == 1 and "This one" in page.one("#sessions").text_content()
    assert anna.follow(anna.post("/me/sessions/end", {"session": others[0]})).told == ["The session has ended."]


def test_wrong_dates_of_a_substitution_are_one_sentence(app, anna):
    answer = anna.post("/me/substitute", {"person_id": "bert", "from": "soon", "until": "2026-03-20", "back": "/me"})
    assert anna.follow(answer).told == ["'soon' is not a date."]


# --- language, safety, no scripts ----------------------------------------------------------------------
def test_the_language_is_switched_on_every_page(app, anna):
    assert anna.get("/inbox").one("html").get("lang") == "en"
    anna.post("/language", {"locale": "zh_Hans_CN", "back": "/inbox"})
    assert anna.get("/inbox").one("html").get("lang") == "zh-CN"


ALL = (*OWN, "/nowhere")


@pytest.mark.parametrize("path", ALL)
def test_scripts_carry_the_nonce_of_the_page_and_nothing_stands_inline(app, case, anna, path):
    page = anna.get(path, 404 if path == "/nowhere" else 200)
    policy = page.headers["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)[1]
    assert {one.get("nonce") for one in page.all("script")} == {nonce}
    assert not [one for one in page.all("*") for name in one.attrib if name.startswith("on") or name == "style"]
    assert ("unsafe-inline" in policy) == bool(page.all("[data-diagram]"))


@pytest.mark.parametrize("path", OWN)
def test_every_form_works_without_scripts(app, case, anna, path):
    page = anna.get(path)
    for form in page.all("form"):
        hidden = {one.get("name") for one in pick(form, "input[type=hidden]")}
        assert form.get("method") == "get" or "csrf_token" in hidden, form.get("action")
    for button in page.all("button[type=button]"):
        helper = {"data-show-element", "data-copy", "disabled"} & set(button.attrib)
        assert helper, f"nothing happens without scripts: {button.text_content()}"


@pytest.mark.parametrize("path", OWN)
def test_pages_are_built_for_those_who_do_not_see_them(app, case, anna, path):
    page = anna.get(path)
    assert len(page.all("h1")) == 1 and len(page.all("main")) == 1
    assert page.one("a.bd-skip").get("href") == "#main"
    ids = [one.get("id") for one in page.all("[id]")]
    assert len(ids) == len(set(ids)), sorted(one for one in set(ids) if ids.count(one) > 1)
    for place in page.all("input:not([type=hidden]), select, textarea"):
        labelled = page.all(f"label[for='{place.get('id')}']") if place.get("id") else []
        assert labelled or place.get("aria-label"), place.get("name")
    for table in page.all("table"):
        assert pick(table, "caption") and pick(table, "th[scope]")


def test_the_canvas_speaks_chinese_and_the_file_stays_as_it_was_published(demo, app):
    with demo.read(people.SYSTEM) as work:
        definition_id = repository.latest(work, "multi_level_approval")["id"]
        published = repository.xml(work, definition_id)
    chinese = Visitor(app, "dirk", locale="zh_Hans_CN").client
    drawn = chinese.get(f"/definitions/{definition_id}/model.bpmn?drawn=1").get_data(as_text=True)
    assert 'name="计票"' in drawn and 'name="Count the votes"' not in drawn
    assert chinese.get(f"/definitions/{definition_id}/model.bpmn").data == published


def test_what_a_table_says_is_missing_is_said_in_chinese_too(demo, app):
    said = {"title": "Chairs", "kind": "purchase", "description": "ten chairs", "amount": 500, "party": "Example Ltd", "risk": "low"}
    with demo.work(visitor.actor(demo, "anna")) as work:
        runtime.start(work, "case_initiation", said)
    task_id = visitor.task_of(demo, "anna")
    page = Visitor(app, "anna", locale="zh_Hans_CN").get(f"/tasks/{task_id}")
    assert "请用至少 20 个字说明事项。" in page.text and "Describe the matter" not in page.text
