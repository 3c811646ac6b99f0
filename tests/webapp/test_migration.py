"""Operators move cases to another version and let a whole version rest: checked beforehand, case by case."""

from __future__ import annotations

import pytest

from engine import cases, people, repository, runtime
from engine.worker import Worker
from tests.engine import small
from tests.webapp import visitor
from tests.webapp.visitor import KEY, MODEL, Visitor, ask_for_leave
from webapp import create_app


@pytest.fixture
def app(demo):
    visitor.deploy_leave(demo)
    return create_app(demo)


def newer(demo, model: str) -> tuple[str, str]:
    """Deploys the next version of the small process; the ids of the version before it and of it."""
    with demo.work(people.SYSTEM) as work:
        before = repository.latest(work, KEY)["id"]
        repository.deploy(work, {f"{KEY}.bpmn": model.encode()})
        return before, repository.latest(work, KEY)["id"]


RENAMED = MODEL.replace('"decide"', '"judge"').replace('name="Decide on the leave"', 'name="Judge the leave"')
SAME = MODEL.replace('name="Decide on the leave"', 'name="Judge the leave"')


def row_of(demo, case: str):
    with demo.read(people.SYSTEM) as work:
        return cases.one(work, case)


def test_what_has_no_place_is_shown_and_a_chosen_step_takes_it_before_anything_moves(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    before, after = newer(demo, RENAMED)
    page = ada.get(f"/cases/{case}/migration")
    assert "The new version has no 'decide' for 'Decide on the leave'." in page.text
    assert not page.all("#reason-migrate")
    assert row_of(demo, case)["definition_id"] == before
    chosen = ada.get(f"/cases/{case}/migration?to={after}&map:decide=judge")
    assert "Everything has its place in version 2." in chosen.text
    hidden = {one.get("name"): one.get("value") for one in chosen.all("main form input[type=hidden]")}
    assert hidden["map:decide"] == "judge"
    ada.post(f"/cases/{case}/migration", {"to": after, "map:decide": "judge", "reason": "The new rule."})
    assert row_of(demo, case)["definition_id"] == after
    assert "moved the case to another version" in ada.get(f"/cases/{case}").text


def test_a_move_that_does_not_fit_says_why_and_changes_nothing(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    before, after = newer(demo, RENAMED)
    ada.get(f"/cases/{case}/migration")
    refused = ada.post(f"/cases/{case}/migration", {"to": after, "reason": "Try."}, 422)
    assert "The new version has no 'decide'" in refused.text
    again = ada.follow(ada.post(f"/cases/{case}/migration", {"to": after, "map:decide": "judge", "reason": " "}))
    assert again.told == ["Please say why."]
    assert row_of(demo, case)["definition_id"] == before


def test_all_cases_of_a_version_move_and_each_stands_for_itself(demo, app):
    stays, *others = [ask_for_leave(demo, days=days) for days in (2, 3, 4)]
    _before, after = newer(demo, SAME)
    ada = Visitor(app, "ada")
    ada.post(f"/cases/{stays}/cancel", {"reason": "Not needed."})
    page = ada.get(f"/definitions/{_before}/migration")
    assert "Move 2 cases to version 2" in page.text
    begun = ada.post(f"/definitions/{_before}/migration", {"to": after, "reason": "The new rule."})
    assert "0 done, 0 refused, 2 left of 2" in ada.follow(begun).text
    Worker(demo).beat()
    assert "2 done, 0 refused, 0 left of 2" in ada.follow(begun).text
    assert {row_of(demo, one)["definition_id"] for one in others} == {after}
    assert row_of(demo, stays)["definition_id"] == _before


def test_what_cannot_move_is_told_with_its_number_while_nothing_else_waits_for_it(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    before, after = newer(demo, RENAMED)
    page = ada.get(f"/definitions/{before}/migration?to={after}")
    assert row_of(demo, case)["number"] in page.text and not page.all("#reason-migrate")
    begun = ada.post(f"/definitions/{before}/migration", {"to": after, "reason": "All of them."})
    Worker(demo).beat()
    told = ada.follow(begun).text
    assert row_of(demo, case)["number"] in told and "The case cannot be moved to that version" in told
    assert row_of(demo, case)["definition_id"] == before


def test_a_whole_version_rests_and_goes_on(demo, app):
    found = [ask_for_leave(demo) for _ in range(2)]
    definition, ada = row_of(demo, found[0])["definition_id"], Visitor(app, "ada")
    assert "Suspend all" in ada.get(f"/processes/{KEY}").text
    ada.post(f"/cases/{found[0]}/suspend", {"reason": "An inquiry."})
    assert "Suspend all (1)" in ada.get(f"/processes/{KEY}").text
    begun = ada.post(f"/definitions/{definition}/cases/suspend", {"reason": "The law changed."})
    Worker(demo).beat()
    assert "1 done, 0 refused, 0 left of 1" in ada.follow(begun).text
    assert {row_of(demo, one)["state"] for one in found} == {"suspended"}
    ada.post(f"/definitions/{definition}/cases/resume", {"reason": "It is clear now."})
    Worker(demo).beat()
    assert {row_of(demo, one)["state"] for one in found} == {"active"}


def test_without_a_reason_nothing_is_done(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    definition = row_of(demo, case)["definition_id"]
    ada.get(f"/processes/{KEY}")
    assert "Please say why." in ada.follow(ada.post(f"/definitions/{definition}/cases/suspend", {"reason": " "})).told
    assert row_of(demo, case)["state"] == "active"


def test_only_operators_get_there(demo, app):
    case = ask_for_leave(demo)
    definition = row_of(demo, case)["definition_id"]
    anna, clara = Visitor(app, "anna"), Visitor(app, "clara")
    anna.get(f"/cases/{case}/migration", 403)
    clara.get(f"/cases/{case}/migration", 404)
    anna.get(f"/definitions/{definition}/migration", 403)
    assert "Suspend all" not in anna.get(f"/processes/{KEY}").text
    refused = anna.post(f"/definitions/{definition}/cases/suspend", {"reason": "I want to."}, 403)
    assert "Your role does not allow to suspend cases." in refused.text
    anna.get("/batches", 403)
    anna.post("/batches", {"verb": "suspend", "case": case, "reason": "I want to."}, 403)
    assert row_of(demo, case)["state"] == "active"


def test_a_selection_of_the_list_is_suspended_and_what_cannot_be_is_told_with_the_reason(demo, app):
    found = [ask_for_leave(demo) for _ in range(2)]
    ada = Visitor(app, "ada")
    assert {one.get("value") for one in ada.get("/cases").all("input[name=case]")} >= set(found)
    ada.post(f"/cases/{found[0]}/suspend", {"reason": "An inquiry."})
    begun = ada.post("/batches", {"verb": "suspend", "case": found, "reason": "The law changed."})
    Worker(demo).beat()
    page = ada.follow(begun)
    assert "1 done, 1 refused, 0 left of 2" in page.text and "is already suspended." in page.text
    chinese = Visitor(app, "ada", "zh_Hans_CN").get(page_of(begun))
    assert "已经挂起" in chinese.text and "suspended" not in chinese.one("main").text_content()
    assert "The law changed." in ada.get("/batches").text
    assert "The law changed." in ada.get(f"/cases/{found[1]}").text


def page_of(answer) -> str:
    return answer.location


def test_a_batch_is_stopped_and_goes_on_from_its_page(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    ada.get("/cases")
    begun = ada.post("/batches", {"verb": "suspend", "case": case, "reason": "The law changed."})
    ada.get(page_of(begun))
    ada.post(f"{page_of(begun)}/stop", {"reason": "Not now."})
    Worker(demo).beat()
    assert row_of(demo, case)["state"] == "active" and "Go on" in ada.get(page_of(begun)).text
    ada.post(f"{page_of(begun)}/go_on", {"reason": "Now."})
    running = ada.get(f"{page_of(begun)}/fragment")
    assert "What is done stays done" in running.text
    Worker(demo).beat()
    assert row_of(demo, case)["state"] == "suspended"
    ended = ada.get(f"{page_of(begun)}/fragment")
    assert ended.text.count("1 done") == 1
    assert "What is done stays done" not in ended.text, "what is done cannot be stopped, without a reload too"


def test_a_step_that_was_only_given_another_id_is_proposed_by_its_name(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    _before, after = newer(demo, MODEL.replace('"decide"', '"judge"'))
    page = ada.get(f"/cases/{case}/migration?to={after}")
    assert "Everything has its place in version 2." in page.text
    assert {one.get("name"): one.get("value") for one in page.all("main form[method=post] input")}["map:decide"] == "judge"


def test_what_does_not_fit_is_counted_by_reason_for_many_cases(demo, app):
    for _ in range(3):
        ask_for_leave(demo)
    before, after = newer(demo, RENAMED)
    page = Visitor(app, "ada").get(f"/definitions/{before}/migration?to={after}")
    assert "0 cases fit, 3 do not and would stay where they are:" in page.text


def test_a_case_that_has_ended_and_a_process_of_one_version_say_so(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    assert "There is no other version of this process." in ada.get(f"/cases/{case}/migration").text
    ada.post(f"/cases/{case}/cancel", {"reason": "Not needed."})
    ada.get(f"/cases/{case}/migration", 409)


def test_a_message_that_will_be_called_otherwise_is_told_before_the_move(demo, app):
    def drawn(name: str) -> bytes:
        body = (
            '<bpmn:startEvent id="s"/><bpmn:endEvent id="e"/><bpmn:intermediateCatchEvent id="c" name="Wait for it">'
            '<bpmn:messageEventDefinition messageRef="m"/></bpmn:intermediateCatchEvent>'
        )
        return small.model(body + small.flow("s", "c") + small.flow("c", "e"), "waits", small.message("m", name, "=case.id"))

    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"waits.bpmn": drawn("Old name")})
        case = runtime.start_by(work, repository.latest(work, "waits"), "s", {})["id"]
        repository.deploy(work, {"waits.bpmn": drawn("New name")})
    ada = Visitor(app, "ada")
    for page in (ada.get(f"/cases/{case}/migration"), ada.get(f"/definitions/{row_of(demo, case)['definition_id']}/migration")):
        assert "waits for message &#39;Old name&#39; now and for &#39;New name&#39; afterwards" in page.text or (
            "waits for message 'Old name' now and for 'New name' afterwards" in page.text
        )
        assert page.all("#reason-migrate")


def test_a_token_is_offered_only_the_places_to_which_it_may_be_moved(demo, app):
    case, ada = ask_for_leave(demo), Visitor(app, "ada")
    page = ada.get(f"/cases/{case}?tab=technical")
    offered = [one.get("value") for one in page.all("select[name=element] option")]
    assert offered == ["", "decide", "note", "noted"]
    with demo.read(people.SYSTEM) as work:
        (token,) = [one.token for one in runtime.load(work, case).execution.waits.values()]
    ada.post(f"/cases/{case}/move", {"token": token, "element": "note", "reason": "Decided on paper."})
    with demo.read(people.SYSTEM) as work:
        assert [one.element_id for one in runtime.load(work, case).execution.waits.values()] == ["note"]


def test_who_starts_a_process_with_several_beginnings_chooses_one(demo, app):
    body = "".join(
        f'<bpmn:startEvent id="s{n}" name="By {n}"/>' + small.task_of(f"t{n}", "ada") + small.flow(f"s{n}", f"t{n}")
        + f'<bpmn:endEvent id="e{n}"/>' + small.flow(f"t{n}", f"e{n}") for n in ("post", "phone")
    )  # fmt: skip
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"ways.bpmn": small.model(body, "ways")})
    ada = Visitor(app, "ada")
    assert [one.get("value") for one in ada.get("/start/ways").all("select[name=begin_at] option")] == ["spost", "sphone"]
    begun = ada.post("/start/ways", {"begin_at": "sphone"})
    case = page_of(begun).rsplit("/", 1)[-1]
    with demo.read(people.SYSTEM) as work:
        assert [one.element_id for one in runtime.load(work, case).execution.waits.values()] == ["tphone"]
    ada.post("/start/ways", {"begin_at": "tphone"}, 404)
