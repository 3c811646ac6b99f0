"""The REST API: every address answers as it is described, refuses in one sentence, and does nothing twice."""

from __future__ import annotations

import io
import json
import re
import warnings

import pytest

from engine import people, repository, runtime
from tests.engine.small import flow, message, model, path, task_of
from tests.webapp import visitor
from webapp import create_app

PASSED: set[tuple[str, str]] = set()
LOOP = model(path(task_of("a", "anna"), task_of("b", "anna"), ids=("a", "b")))


class Caller:
    """A program with a token."""

    def __init__(self, app, login: str | None, scopes=("read", "write", "admin")):
        self.app, self.client, self.head = app, app.test_client(), {"Accept-Language": "en"}
        platform = app.extensions["platform"]
        if login:
            with platform.work(people.SYSTEM) as work:
                person_id = people.by_login(work, login)["id"]
            with platform.read(people.SYSTEM) as work:
                actor = people.actor(work, person_id)
            with platform.work(actor) as work:
                self.secret = people.issue_token(work, person_id, "test", list(scopes), 30)
            self.head["Authorization"] = f"Bearer {self.secret}"

    def __call__(self, method: str, address: str, status: int = 200, *, head=None, **more):
        answer = self.client.open(f"/api/v1{address}", method=method, headers={**self.head, **(head or {})}, **more)
        assert answer.status_code == status, f"{method} {address}: {answer.status_code} {answer.text[:600]}"
        if status < 400:
            PASSED.add((method.lower(), _rule(self.app, method, f"/api/v1{address}")))
        if status >= 400:
            assert answer.mimetype == "application/problem+json", answer.mimetype
            assert answer.json["detail"] and answer.json["status"] == status
        return answer.json if "json" in answer.mimetype else answer

    def get(self, address: str, status: int = 200, **more):
        return self("GET", address, status, **more)

    def post(self, address: str, body=None, status: int = 200, **more):
        return self("POST", address, status, json=body if body is not None else {}, **more)

    def put(self, address: str, body, status: int = 200):
        return self("PUT", address, status, json=body)


def _rule(app, method: str, address: str) -> str:
    with app.test_request_context(address, method=method):
        from flask import request

        return re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", request.url_rule.rule)


@pytest.fixture
def app(demo):
    visitor.deploy_leave(demo)
    return create_app(demo)


@pytest.fixture
def anna(app):
    return Caller(app, "anna")


@pytest.fixture
def bert(app):
    return Caller(app, "bert")


@pytest.fixture
def ada(app):
    return Caller(app, "ada")


@pytest.fixture
def dirk(app):
    return Caller(app, "dirk")


def begun(caller: Caller, **more) -> dict:
    return caller.post("/instances", {"process": "leave", "answers": {"days": 3, "why": "A rest."}, **more}, 201)


def first_task(caller: Caller, view: str = "mine") -> str:
    return caller.get(f"/tasks?view={view}")["items"][0]["id"]


# --- the ordinary way ---------------------------------------------------------------------------------
def test_a_case_is_started_decided_and_finished_by_programs(app, anna, bert):
    case = begun(anna)
    assert case["state"] == "active" and case["number"]
    task = bert.get(f"/tasks/{first_task(bert)}")
    assert task["name"] == "Decide on the leave" and {"name", "allowed", "why"} <= set(task["verbs"][0])
    form = bert.get(f"/tasks/{task['id']}/form")
    assert form["schema"]["properties"]["decision"]
    bert.put(f"/tasks/{task['id']}/draft", {"answers": {"opinion": "Half said"}})
    assert bert.get(f"/tasks/{task['id']}/form")["draft"] == {"opinion": "Half said"}
    done = bert.post(f"/tasks/{task['id']}/complete", {"answers": {"decision": "approve", "opinion": "Go."}})
    assert done["task"]["state"] == "completed" and "next" in done
    fiona = Caller(app, "fiona")
    last = first_task(fiona, "group")
    assert fiona.post(f"/tasks/{last}/claim")["state"] == "claimed"
    assert fiona.post(f"/tasks/{last}/release")["state"] == "open"
    fiona.post(f"/tasks/{last}/claim")
    fiona.post(f"/tasks/{last}/complete", {"answers": {"remark": "Noted."}})
    assert anna.get(f"/instances/{case['id']}")["state"] == "completed"
    history = anna.get(f"/instances/{case['id']}/history")
    assert "task.completed" in {row["type"] for row in _items(history)}
    steps = anna.get(f"/instances/{case['id']}/path")
    assert "decide" in json.dumps(steps)
    assert anna.get(f"/instances/{case['id']}/diagram")["done"]["decide"] == 1


def test_a_task_is_passed_on_delegated_handed_back_urged_and_sent_back(app, anna, bert):
    begun(anna)
    task_id = first_task(bert)
    hanna, otto = Caller(app, "hanna"), Caller(app, "otto")
    anna.post(f"/tasks/{task_id}/urge", {"text": "Please."})
    bert.post(f"/tasks/{task_id}/delegate", {"person": "otto", "reason": "You know better."})
    otto.post(f"/tasks/{task_id}/hand-back", {"text": "Done my part."})
    bert.post(f"/tasks/{task_id}/transfer", {"person": "hanna", "reason": "I am away."})
    assert hanna.get(f"/tasks/{task_id}")["assignee_id"]
    hanna.post(f"/tasks/{task_id}/complete", {"answers": {"decision": "approve", "opinion": "Go."}})
    fiona = Caller(app, "fiona")
    last = first_task(fiona, "group")
    fiona.post(f"/tasks/{last}/claim")
    fiona.post(f"/tasks/{last}/return", {"element": "decide", "reason": "The days are wrong."})
    assert bert.get(f"/tasks/{first_task(bert)}")["element_id"] == "decide"


def test_words_and_papers_of_a_case(anna, bert):
    case = begun(anna)
    task_id = first_task(bert)
    anna.post(f"/instances/{case['id']}/comments", {"text": "It is urgent."}, 201)
    bert.post(f"/tasks/{task_id}/comments", {"text": "I see."}, 201)
    assert [one["text"] for one in _items(anna.get(f"/instances/{case['id']}/comments"))] == ["It is urgent.", "I see."]
    paper = {"file": (io.BytesIO(b"%PDF-1.4 a paper"), "../../etc/plan.pdf")}
    kept = bert("POST", f"/tasks/{task_id}/documents", 201, data=paper)
    assert kept["name"] == "plan.pdf"
    assert [one["id"] for one in _items(anna.get(f"/instances/{case['id']}/documents"))] == [kept["id"]]
    file = anna.get(f"/documents/{kept['id']}")
    assert file.data == b"%PDF-1.4 a paper" and "attachment" in file.headers["Content-Disposition"]


def _items(found):
    return found["items"] if isinstance(found, dict) else found


def test_definitions_are_listed_read_deployed_checked_retired_and_activated(anna, dirk):
    rows = _items(anna.get("/definitions"))
    leave = next(row for row in rows if row["key"] == "leave")
    assert anna.get(f"/definitions/{leave['id']}")["version"] == 1
    assert _items(anna.get("/definitions/leave/versions"))[0]["id"] == leave["id"]
    assert anna.get(f"/definitions/{leave['id']}/form")["schema"]["properties"]["days"]
    assert b"<bpmn:process" in anna.get(f"/definitions/{leave['id']}/model").data
    files = {"files": (io.BytesIO(LOOP), "small.bpmn")}
    assert dirk("POST", "/deployments/check", data=files)["problems"] is not None
    made = dirk("POST", "/deployments", 201, data={"files": (io.BytesIO(LOOP), "small.bpmn")})
    (small,) = made["definitions"]
    dirk.post(f"/definitions/{small['id']}/retire", {"reason": "It was a try."})
    dirk.post(f"/definitions/{small['id']}/activate", {"reason": "It is wanted after all."})


def test_decisions_are_listed_and_say_which_rules_hit(anna):
    assert "upgrade_risk" in {row["key"] for row in _items(anna.get("/decisions"))}
    said = {"can_be_undone": False, "changes_data": True, "downtime_minutes": 5, "users_affected": "few"}
    answer = anna.post("/decisions/upgrade_risk/evaluate", {"variables": said})
    assert answer["hits"] and answer["value"] == "high"


def test_who_am_i_and_whom_do_i_find(anna):
    assert anna.get("/me")["login"] == "anna"
    assert [row["login"] for row in _items(anna.get("/people?search=bert"))] == ["bert"]
    assert _items(anna.get("/shares")) == []


# --- those who run it ---------------------------------------------------------------------------------
def test_operators_suspend_resume_move_correct_and_cancel(anna, ada):
    case = begun(anna)
    ada.post(f"/instances/{case['id']}/suspend", {"reason": "Wait."})
    ada.post(f"/instances/{case['id']}/resume", {"reason": "Go on."})
    assert ada.get(f"/instances/{case['id']}/variables")
    ada.put(f"/instances/{case['id']}/variables", {"values": {"days": 4}, "reason": "A slip."})
    with anna.app.extensions["platform"].read(people.SYSTEM) as work:
        (token,) = [wait.token for wait in runtime.load(work, case["id"]).execution.waits.values() if wait.kind == "user"]
    ada.post(f"/instances/{case['id']}/move", {"token": token, "element": "note", "reason": "Bert has left."})
    assert ada.get(f"/instances/{case['id']}/diagram")["tokens"] == {"note": 1}
    ada.post(f"/instances/{case['id']}/cancel", {"reason": "Not needed."})
    assert ada.get(f"/instances/{case['id']}")["state"] == "cancelled"


def test_a_starter_takes_her_case_back(anna):
    case = begun(anna)
    anna.post(f"/instances/{case['id']}/withdraw", {"reason": "I stay."})
    assert [row["outcome"] for row in _items(anna.get("/instances?state=cancelled"))] == ["withdrawn"]


def test_cases_move_to_another_version_one_or_many_and_what_cannot_is_said_beforehand(demo, anna, ada):
    visitor_model = visitor.MODEL
    cases = [begun(anna) for _ in range(3)]
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"leave.bpmn": visitor_model.replace('name="Decide on the leave"', 'name="Decide"').encode()})
        newest = repository.latest(work, "leave")["id"]
    assert ada.post(f"/instances/{cases[0]['id']}/migration-check", {"definition": newest})["problems"] == []
    ada.post(f"/instances/{cases[0]['id']}/migrate", {"definition": newest, "reason": "The new rule."})
    said = {"act": "migrate", "of_definition": cases[1]["definition_id"], "definition": newest, "reason": "All of them."}
    results = ada.post("/instances/acts", said)["results"]
    assert sorted(one["instance"] for one in results) == sorted(one["id"] for one in cases[1:])
    assert all(one["done"] for one in results)
    again = ada.post("/instances/acts", {"act": "resume", "instances": [cases[0]["id"], "nonsense"], "reason": "Try."})
    assert [one["done"] for one in again["results"]] == [False, False] and all(one["why"] for one in again["results"])


def test_messages_signals_and_observations_reach_their_cases(demo, ada):
    waits = path(
        '<bpmn:intermediateCatchEvent id="c" name="c"><bpmn:messageEventDefinition messageRef="m"/></bpmn:intermediateCatchEvent>',
        ids=("c",),
    )
    hot = (
        '<bpmn:startEvent id="s" name="s"><bpmn:conditionalEventDefinition><bpmn:condition>=heat &gt; 9</bpmn:condition>'
        '</bpmn:conditionalEventDefinition></bpmn:startEvent><bpmn:endEvent id="e" name="e"/>' + flow("s", "e")
    )
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"w.bpmn": model(waits, roots=message("m", "paid")), "h.bpmn": model(hot, "hot")})
        case = runtime.start_by(work, repository.latest(work, "small"), "s", {"key": "7"})["id"]
    assert ada.post("/messages", {"name": "paid", "correlation_key": "7"})["correlated"] == [case]
    assert ada.post("/signals", {"name": "nobody listens"})["reached"] == []
    assert len(ada.post("/observations", {"variables": {"heat": 12}})["started"]) == 1


def test_incidents_are_listed_and_settled(demo, ada):
    gate = (
        '<bpmn:startEvent id="s" name="s"/><bpmn:exclusiveGateway id="g" name="Large?" default="g-e"/><bpmn:endEvent id="e" name="e"/>'
        '<bpmn:endEvent id="f" name="f"/>' + flow("s", "g") + flow("g", "f", "=amount &gt; 1") + flow("g", "e")
    )
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"g.bpmn": model(gate)})
        runtime.start_by(work, repository.latest(work, "small"), "s", {})
    (found,) = _items(ada.get("/incidents"))
    assert found["element_id"] == "g"
    ada.post(f"/incidents/{found['id']}/resolve", {"action": "skip", "reason": "It is small.", "variables": {"amount": 0}})
    assert _items(ada.get("/incidents")) == []


def test_many_cases_start_from_one_file_and_each_row_stands_for_itself(anna):
    rows = b"days,why\n2,A rest.\nmany,Wrong.\n"
    said = anna("POST", "/instances/bulk", data={"process": "leave", "file": (io.BytesIO(rows), "rows.csv")})
    assert len(said["started"]) == 1 and len(said["refused"]) == 1
    assert anna.get("/instances?process=leave")["total"] == 1


# --- what is refused ----------------------------------------------------------------------------------
def test_without_a_valid_token_nobody_comes_in(app, demo, anna):
    stranger = Caller(app, None)
    stranger.get("/me", 401)
    stranger.get("/me", 401, head={"Authorization": "Bearer nonsense"})
    with demo.work(people.SYSTEM) as work:
        for one in people.tokens(work, people.by_login(work, "anna")["id"]):
            people.revoke_token(work, one["id"])
    anna.get("/me", 401)


def test_a_token_ends(demo, anna):
    demo.clock.move(days=31)
    anna.get("/me", 401)


def test_a_cookie_opens_no_address_of_the_api(app):
    with_cookie = visitor.Visitor(app, "anna").client
    assert with_cookie.get("/api/v1/me").status_code == 401


def test_a_token_does_only_what_its_scopes_say(app, anna):
    reader = Caller(app, "anna", scopes=("read",))
    assert reader.get("/tasks")["items"] == []
    reader.post("/instances", {"process": "leave"}, 403)
    Caller(app, "ada", scopes=("read", "write")).post("/observations", {"variables": {}}, 403)


def test_what_belongs_to_others_is_not_there(app, anna, bert):
    case = begun(anna)
    clara = Caller(app, "clara")
    task_id = first_task(bert)
    for address in (f"/instances/{case['id']}", f"/tasks/{task_id}", f"/tasks/{task_id}/form", "/instances/nonsense"):
        clara.get(address, 404)
    clara.post(f"/tasks/{task_id}/complete", {"answers": {}}, 404)
    clara.get("/documents/nonsense", 404)
    clara.post(f"/instances/{case['id']}/withdraw", {"reason": "x"}, 404)


def test_wrong_answers_name_each_field(anna):
    refused = anna.post("/instances", {"process": "leave", "answers": {"days": "many"}}, 422)
    assert {"days", "why"} <= {one["where"] for one in refused["problems"]}
    assert anna.get("/instances")["total"] == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"{" * 20_000, b'{"process": 5}', b'{"process": "leave", "answers": 7}'])
def test_a_body_that_is_not_in_shape_gets_one_sentence(anna, body):
    answer = anna.client.post("/api/v1/instances", data=body, headers={**anna.head, "Content-Type": "application/json"})
    assert answer.status_code in (400, 415, 422), answer.text
    assert answer.json["detail"]


def test_a_task_that_is_done_cannot_be_done_again(anna, bert):
    begun(anna)
    task_id = first_task(bert)
    said = {"answers": {"decision": "approve", "opinion": "Go."}}
    bert.post(f"/tasks/{task_id}/complete", said)
    assert "already done" in bert.post(f"/tasks/{task_id}/complete", said, 409)["detail"]


def test_a_repeat_with_its_key_gets_the_first_answer_and_another_request_is_told(anna):
    head = {"Idempotency-Key": "k1"}
    body = {"process": "leave", "answers": {"days": 3, "why": "A rest."}}
    first = anna.post("/instances", body, 201, head=head)
    assert anna.post("/instances", body, 201, head=head) == first
    assert anna.get("/instances")["total"] == 1
    anna.post("/instances", {**body, "title": "Another"}, 409, head=head)
    anna.post("/instances", body, 422, head={"Idempotency-Key": "k" * 101})


def test_lists_come_in_pages(anna):
    for _ in range(3):
        begun(anna)
    page = anna.get("/instances?size=2&page=2")
    assert (len(page["items"]), page["total"], page["pages"]) == (1, 3, 2)
    anna.get("/instances?size=0", 422)
    anna.get("/instances?page=x", 422)


def test_too_many_calls_are_told_to_wait(demo):
    from dataclasses import replace

    demo.settings = replace(demo.settings, api_calls=3)
    caller = Caller(create_app(demo), "anna")
    for _ in range(3):
        caller.get("/me")
    assert caller.client.get("/api/v1/me", headers=caller.head).headers["Retry-After"] == "60"


def test_refusals_speak_the_callers_language(anna):
    said = anna.get("/instances/nonsense", 404, head={"Accept-Language": "zh-CN"})["detail"]
    assert re.search(r"[\u4e00-\u9fff]", said), said


XXE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><bpmn:definitions>&a;</bpmn:definitions>'


@pytest.mark.parametrize(("name", "data"), [("x.bpmn", XXE), ("x.bpmn", b"no xml"), ("x.exe", b"MZ"), ("x.json", b"{}")])
def test_a_hostile_or_wrong_deployment_is_refused_and_nothing_is_stored(demo, dirk, name, data):
    before = _kept(demo)
    refused = dirk("POST", "/deployments", 422, data={"files": (io.BytesIO(data), name)})
    assert "passwd" not in json.dumps(refused)
    assert _kept(demo) == before


def _kept(demo) -> int:
    from sqlalchemy import func, select

    from engine.schema import content, deployment

    with demo.read(people.SYSTEM) as work:
        return work.execute(select(func.count()).select_from(content)).scalar() + work.execute(
            select(func.count()).select_from(deployment)
        ).scalar()


# --- the description ----------------------------------------------------------------------------------
#: addresses whose answer is tested with what they belong to
ELSEWHERE = {("get", "/"), ("get", "/api/v1/shares/{share_id}/file")}


def test_the_description_is_openapi_3_1_and_every_address_of_it_was_called_above(app):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = app.test_client().get("/api/v1/openapi.json").json
    assert spec["openapi"].startswith("3.1") and spec["info"]["title"] == "bizday"
    described = {
        (method, address) for address, operations in spec["paths"].items() for method in operations if method in ("get", "post", "put")
    }
    assert all("responses" in operation for ops in spec["paths"].values() for operation in ops.values() if isinstance(operation, dict))
    if len(PASSED) > 20:  # the whole file ran, not one test of it
        assert described - PASSED - ELSEWHERE == set()


def test_its_page_is_served_from_here(app):
    page = app.test_client().get("/api/docs")
    assert page.status_code == 200 and "https://" not in page.text.replace("https://bizday", "")


def test_health_readiness_and_metrics(app):
    client = app.test_client()
    assert client.get("/healthz").json == {"status": "alive"}
    assert client.get("/readyz").status_code in (200, 503)
    assert b"bizday_cases" in client.get("/metrics").data
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404
