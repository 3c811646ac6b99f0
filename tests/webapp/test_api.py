"""The REST API: every address answers as it is described, refuses in one sentence, and does nothing twice.

`Caller` is a program with a token; each answer that it gets is held against the description (OpenAPI) of
its address. What holds for every address (tokens, scopes, unknown ids, wrong types) is tested for every
address of the description, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import request
from jsonschema import Draft202012Validator
from sqlalchemy import func, select

from engine import people, repository, runtime, sharing
from engine.schema import content, deployment, incident, instance
from engine.worker import Worker
from tests.engine.small import flow, message, model, path, task_of
from tests.webapp import visitor
from webapp import create_app

#: (method, address) that answered well, and (shape, field) that was in an answer, while this file runs
PASSED: set[tuple[str, str]] = set()
SEEN: set[tuple[str, str]] = set()
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
        rule = _rule(self.app, method, f"/api/v1{address}")
        if status < 400:
            PASSED.add((method.lower(), rule))
        else:
            assert answer.json["detail"] and answer.json["status"] == status
        if rule is not None:
            is_as_described(self.app, answer, method.lower(), rule)
        return answer.json if "json" in answer.mimetype else answer

    def get(self, address: str, status: int = 200, **more):
        return self("GET", address, status, **more)

    def post(self, address: str, body=None, status: int = 200, **more):
        return self("POST", address, status, json=body if body is not None else {}, **more)

    def put(self, address: str, body, status: int = 200):
        return self("PUT", address, status, json=body)


def _rule(app, method: str, address: str) -> str | None:
    """The address as it is described; None when there is none of that method."""
    with app.test_request_context(address, method=method):
        return request.url_rule and re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", request.url_rule.rule)


def description(app) -> dict:
    """The OpenAPI document; made once for an application."""
    if "description" not in app.extensions:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # apispec names two variants of a shape with a number
            app.extensions["description"] = app.test_client().get("/api/v1/openapi.json").json
    return app.extensions["description"]


def is_as_described(app, answer, method: str, rule: str) -> None:
    """The status, the content type and the shape of an answer are those of the description."""
    spec = description(app)
    responses = spec["paths"][rule][method]["responses"]
    said = responses["default"] if answer.status_code >= 400 else responses[str(answer.status_code)]
    if answer.mimetype.endswith("json"):
        shape = said["content"][answer.mimetype]["schema"]
        Draft202012Validator({**shape, "components": spec["components"]}).validate(answer.json)
        note(spec, shape, answer.json)
    else:
        assert next(iter(said["content"].values()))["schema"]["format"] == "binary"


def note(spec: dict, shape: dict, value) -> None:
    """Remember which fields of which shape were in an answer."""
    name = shape.get("$ref", "").rpartition("/")[2]
    shape = spec["components"]["schemas"][name] if name else shape
    for item in value if isinstance(value, list) else ():
        note(spec, shape.get("items", {}), item)
    for field, inner in shape.get("properties", {}).items():
        if isinstance(value, dict) and field in value:
            SEEN.add((name.rstrip("1"), field))
            note(spec, inner, value[field])


def operations(app) -> list[tuple[str, str, dict]]:
    """(method, address below /api/v1, operation) of everything that is described."""
    return [
        (method.upper(), address.removeprefix("/api/v1"), operation)
        for address, found in description(app)["paths"].items() for method, operation in found.items()
    ]  # fmt: skip


def sample(app, shape: dict):
    """The least that fits a shape, with a reason where one may be given."""
    if "$ref" in shape:
        return sample(app, description(app)["components"]["schemas"][shape["$ref"].rpartition("/")[2]])
    if "enum" in shape:
        return shape["enum"][0]
    if shape.get("format") == "binary":
        return (io.BytesIO(LOOP), "small.bpmn")
    kind = shape["type"]
    if kind == "object" and "properties" in shape:
        return {name: sample(app, one) for name, one in shape["properties"].items() if name in (*shape.get("required", ()), "reason")}
    return {"object": {"x": 1}, "array": [], "integer": 1, "string": "x", "boolean": True}[kind]


def body_of(app, operation: dict) -> dict:
    """The least that an address reads, as arguments of a request."""
    for kind, said in operation.get("requestBody", {}).get("content", {}).items():
        found = sample(app, said["schema"])
        return {"json": found} if kind == "application/json" else {"data": found}
    return {}


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


def test_a_copy_of_a_case_is_sent_listed_and_read_when_the_case_is_opened(app, anna):
    case, clara = begun(anna), Caller(app, "clara")
    clara.get(f"/instances/{case['id']}", 404)
    sent = anna.post(f"/instances/{case['id']}/copies", {"persons": ["clara"], "note": "For your files."}, 201)
    assert [(one["note"], one["read_at"]) for one in sent] == [("For your files.", None)]
    (mine,) = clara.get("/copies?unread=true")["items"]
    assert (mine["root_id"], mine["number"]) == (case["id"], case["number"])
    assert clara.get(f"/instances/{case['id']}")["id"] == case["id"]
    assert clara.get("/copies?unread=true")["items"] == []
    assert anna.get(f"/instances/{case['id']}/copies")[0]["read_at"]
    anna.post(f"/instances/{case['id']}/copies", {"persons": ["paula"]}, 422)
    anna.post(f"/instances/{case['id']}/copies", {"persons": ["nobody"]}, 404)


def test_signers_are_added_answer_and_are_taken_out_by_programs(app, demo, anna, bert):
    task_id = visitor.signed_leave(demo)
    said = {"persons": ["clara", "dirk"], "reason": "I want to be sure.", "when": "before"}
    assert [one["state"] for one in bert.post(f"/tasks/{task_id}/signers", said, 201)] == ["claimed", "claimed"]
    bert.post(f"/tasks/{task_id}/signers", said, 403)
    clara = Caller(app, "clara")
    mine = clara.get(f"/tasks/{first_task(clara)}")
    assert mine["parent_id"] == task_id and "answer" in {one["name"] for one in mine["verbs"] if one["allowed"]}
    clara.post(f"/tasks/{mine['id']}/answer", {"agrees": False, "reason": "Too long."})
    bert.post(f"/tasks/{task_id}/signers/remove", {"persons": ["dirk"], "reason": "He is away."})
    found = bert.get(f"/tasks/{task_id}/signers")
    assert [(one["added"], one["state"], one["outcome"], one["reason"]) for one in found] == [
        ("before", "completed", "disagree", "Too long."), ("before", "cancelled", None, None),
    ]  # fmt: skip
    done = bert.post(f"/tasks/{task_id}/complete", {"answers": visitor.AGREED})
    assert anna.get(f"/instances/{done['instance']['id']}/diagram")["tokens"] == {"note": 1}


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
    assert answer["value"] == "high"
    assert [(hit["table"], hit["rule"]) for hit in answer["hits"]] == [("upgrade_risk_table", 1)]
    assert all(hit["rule_id"] for hit in answer["hits"])
    said_less = anna.post("/decisions/upgrade_risk/evaluate", {"variables": {}})
    assert "There is no variable 'can_be_undone'." in [one["sentence"] for one in said_less["diagnoses"]]


def test_an_expression_is_tried_by_who_draws_and_says_why_it_is_null(app, dirk, anna):
    asks = {"expression": "=amount + gone", "variables": {"amount": 5}}
    said = dirk.post("/expressions/evaluate", asks)
    assert (said["value"], said["hits"]) == (None, [])
    assert said["diagnoses"][0] == {"sentence": "There is no variable 'gone'.", "position": 9}
    dirk.post("/expressions/evaluate", {"expression": ""}, 422)
    anna.post("/expressions/evaluate", asks, 403)
    Caller(app, "dirk", ("write",)).post("/expressions/evaluate", asks, 403)


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
    stale = {"values": {"days": 5}, "was": {"days": 3}, "reason": "A slip."}
    assert "was changed meanwhile" in ada.put(f"/instances/{case['id']}/variables", stale, 409)["detail"]
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
    with demo.read(people.SYSTEM) as work:
        return work.execute(select(func.count()).select_from(content)).scalar() + work.execute(
            select(func.count()).select_from(deployment)
        ).scalar()


# --- more of what programs do ---------------------------------------------------------------------------
def test_a_program_verifies_the_log_of_a_case(anna, ada):
    case = begun(anna)
    sound = anna.post(f"/instances/{case['id']}/verify")
    assert (sound["streams"], sound["faults"]) == (1, []) and sound["events"] > 2
    with anna.app.extensions["platform"].engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE event SET reason = 'nothing' WHERE stream = '{case['id']}' AND seq = 2")
    (fault,) = ada.post(f"/instances/{case['id']}/verify")["faults"]
    assert (fault["stream"], fault["seq"], fault["kind"]) == (case["id"], 2, "changed")


def test_a_program_chooses_what_comes_next_in_an_ad_hoc_step(demo, anna):
    ad_hoc = (
        '<bpmn:adHocSubProcess id="h" name="h"><bpmn:extensionElements><zeebe:assignmentDefinition assignee="anna"/>'
        f"</bpmn:extensionElements>{task_of('x')}{task_of('y')}</bpmn:adHocSubProcess>"
    )
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"h.bpmn": model(path(ad_hoc, ids=("h",)))})
        case = runtime.start_by(work, repository.latest(work, "small"), "s", {})["id"]
    task_id = first_task(anna)
    assert [one["element_id"] for one in anna.get(f"/tasks/{task_id}")["choices"]] == ["x", "y"]
    anna.post(f"/tasks/{task_id}/complete", {"answers": {"activities": ["nonsense"]}}, 422)
    done = anna.post(f"/tasks/{task_id}/complete", {"answers": {"activities": ["y"]}})
    named = {one["element_id"]: one["id"] for one in anna.get("/tasks")["items"]}
    assert set(named) == {"h", "y"} and done["next"] in named.values()
    anna.post(f"/tasks/{named['y']}/complete", {"answers": {}})
    anna.post(f"/tasks/{named['h']}/complete", {"answers": {"done": True}})
    with demo.read(people.SYSTEM) as work:
        assert work.execute(select(instance.c.state).where(instance.c.id == case)).scalar() == "completed"


def test_a_task_without_a_form_is_completed_with_no_answers_and_names_the_next(demo, anna):
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"small.bpmn": LOOP})
        runtime.start_by(work, repository.latest(work, "small"), "s", {})
    next_id = anna.post(f"/tasks/{first_task(anna)}/complete", {"answers": {}})["next"]
    assert anna.get(f"/tasks/{next_id}")["element_id"] == "b"
    assert anna.get(f"/tasks/{next_id}/form")["schema"] is None
    assert anna.post(f"/tasks/{next_id}/complete", {"answers": {}})["next"] is None


def test_a_partner_fetches_what_is_shared_with_him_and_nothing_else(demo, app, anna):
    case = begun(anna)
    with demo.work(people.SYSTEM) as work:
        paula = people.by_login(work, "paula")["id"]
        made = sharing.issue(
            work, instance_id=case["id"], recipient=paula, max_uses=1, expires_at=work.now + timedelta(days=7),
            data_set="staff_directory", fields=["name"], purpose="Invitations to the open day.",
        )  # fmt: skip
    partner = Caller(app, "paula")
    (shared,) = _items(partner.get("/shares"))
    assert (shared["id"], shared["fields"], shared["uses"]) == (made["id"], ["name"], 0)
    file = partner.get(f"/shares/{made['id']}/file")
    assert file.mimetype == "text/csv" and file.data
    partner.get(f"/shares/{made['id']}/file", 409)
    anna.get(f"/shares/{made['id']}/file", 404)
    partner.get("/tasks", 403)


def test_a_step_that_runs_into_a_limit_is_told_once_and_leaves_one_incident(demo, anna):
    loop = (
        '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/><bpmn:manualTask id="m" name="m"/>'
        '<bpmn:scriptTask id="x" name="x"><bpmn:extensionElements><zeebe:script expression="=1" resultVariable="n"/>'
        '</bpmn:extensionElements></bpmn:scriptTask><bpmn:exclusiveGateway id="g" name="On?" default="g-x"/>'
        + task_of("a") + flow("s", "a") + flow("a", "x") + flow("x", "g") + flow("g", "x") + flow("g", "e", "=n &gt; 1")
    ).replace('<bpmn:manualTask id="m" name="m"/>', "")
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"small.bpmn": model(loop)})
        runtime.start_by(work, repository.latest(work, "small"), "s", {})
    assert "limit" in anna.post(f"/tasks/{first_task(anna)}/complete", {"answers": {}}, 409)["detail"]
    with demo.read(people.SYSTEM) as work:
        assert work.execute(select(func.count()).select_from(incident)).scalar() == 1


def test_a_repeat_of_many_at_once_does_nothing_twice_and_means_the_same_cases(anna, ada):
    cases_ = [begun(anna)["id"] for _ in range(2)]
    head = {"Idempotency-Key": "many"}
    said = {"act": "suspend", "of_definition": anna.get(f"/instances/{cases_[0]}")["definition_id"], "reason": "Wait."}
    first = ada.post("/instances/acts", said, head=head)
    assert [one["done"] for one in first["results"]] == [True, True]
    assert ada.post("/instances/acts", said, head=head) == first
    assert ada.post("/instances/acts", said)["results"] == []
    ada.post("/instances/acts", {**said, "reason": "Another."}, 409, head=head)


def test_a_repeat_of_many_says_of_the_refused_ones_too_what_was_said_first(anna, ada):
    case, head = begun(anna)["id"], {"Idempotency-Key": "refused"}
    said = {"act": "resume", "instances": [case], "reason": "Go on."}
    first = ada.post("/instances/acts", said, head=head)
    assert first["results"][0]["why"].endswith("is not suspended; it is running.")
    ada.post(f"/instances/{case}/suspend", {"reason": "An inquiry."})
    assert ada.post("/instances/acts", said, head=head) == first
    assert anna.get(f"/instances/{case}")["state"] == "suspended"


def test_any_number_of_cases_is_a_batch_of_the_worker_that_tells_how_far_it_is(demo, anna, ada):
    found, head = [begun(anna) for _ in range(2)], {"Idempotency-Key": "batch"}
    ada.post(f"/instances/{found[0]['id']}/suspend", {"reason": "An inquiry."})
    said = {"act": "suspend", "instances": [one["id"] for one in found], "reason": "The law changed."}
    batch = ada.post("/batches", said, 201, head=head)
    assert ada.post("/batches", said, 201, head=head) == batch and batch["waiting"] == 2
    address = f"/batches/{batch['id']}"
    assert ada.post(f"{address}/stop", {"reason": "Not now."})["state"] == "stopped"
    assert ada.post(f"{address}/go-on", {"reason": "Now."})["state"] == "running"
    Worker(demo).beat()
    told = ada.get(address)
    assert (told["state"], told["done"], told["refused"]) == ("done", 1, 1)
    (refused,) = ada.get(f"{address}/cases?state=refused")
    assert refused["instance"] == found[0]["id"] and refused["why"].endswith("is already suspended.")
    assert [one["done"] for one in ada.get(f"{address}/cases?state=done")] == [True]
    assert [one["id"] for one in ada.get("/batches")] == [batch["id"]]
    anna.get(address, 403)
    resumed = ada.post("/batches", {"act": "resume", "of_process": "leave", "reason": "It is clear."}, 201)
    assert resumed["total"] == 2
    ada.post("/batches", {"act": "cancel", "of_process": "nonsense", "reason": "None."}, 422)


def test_many_that_cannot_move_say_what_has_no_place(demo, anna, ada):
    case = begun(anna)
    with demo.work(people.SYSTEM) as work:
        repository.deploy(work, {"leave.bpmn": visitor.MODEL.replace('"decide"', '"judge"').encode()})
        newest = repository.latest(work, "leave")["id"]
    said = {"act": "migrate", "instances": [case["id"]], "definition": newest, "reason": "The new rule."}
    (result,) = ada.post("/instances/acts", said)["results"]
    assert not result["done"] and [one["where"] for one in result["problems"]] == ["decide"]
    assert [one["where"] for one in ada.post(f"/instances/{case['id']}/migration-check", {"definition": newest})["problems"]] == ["decide"]
    (moved,) = ada.post("/instances/acts", {**said, "mapping": {"decide": "judge"}})["results"]
    assert moved == {"instance": case["id"], "done": True, "why": None, "problems": []}


def test_an_upload_is_the_same_request_only_when_its_files_are_the_same(dirk):
    def sent(data: bytes, status: int):
        files = {"files": (io.BytesIO(data), "small.bpmn")}
        return dirk("POST", "/deployments", status, data=files, head={"Idempotency-Key": "once"})

    first = sent(LOOP, 201)
    assert sent(LOOP, 201) == first
    sent(LOOP.replace(b'name="a"', b'name="A"'), 409)


# --- what is hostile ------------------------------------------------------------------------------------
DEEP = b"[" * 100_000 + b"]" * 100_000
HOSTILE = {
    "deep": (b'{"process": "leave", "answers": {"why": ' + DEEP + b"}}", 400),
    "fifty levels": (b'{"process": "leave", "answers": {"why": ' + b"[" * 50 + b"]" * 50 + b"}}", 400),
    "half a character": (rb'{"process": "leave", "answers": {}, "title": "a\ud800"}', 422),
    "half a character as a name": (rb'{"process": "leave", "answers": {"\ud800": 1}}', 422),
    "a zero byte": (rb'{"process": "leave", "answers": {}, "title": "a\u0000"}', 422),
    "no number": (b'{"process": "leave", "answers": {"days": NaN}}', 400),
    "a boundless number": (b'{"process": "leave", "answers": {"days": 1e999}}', 422),
    "four thousand digits": (b'{"process": "leave", "answers": {"days": ' + b"9" * 4000 + b"}}", 422),
    "five thousand digits": (b'{"process": "leave", "answers": {"days": ' + b"9" * 5000 + b"}}", 400),
    "no UTF-8": (b'{"process": "leave\xff"}', 400),
    "three megabytes": (b'{"process": "leave", "answers": {"why": "' + b"x" * 3_000_000 + b'"}}', 413),
    "sixty megabytes": (b'{"process": "leave", "answers": {"why": "' + b"x" * 60_000_000 + b'"}}', 413),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_gets_one_sentence_and_nothing_is_kept(anna, name):
    body, status = HOSTILE[name]
    refused = anna("POST", "/instances", status, data=body, head={"Content-Type": "application/json"})
    assert "wrong on our side" not in refused["detail"]
    assert anna.get("/instances")["total"] == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_type_is_refused_by_its_type(anna, kind):
    refused = anna("POST", "/instances", 415, data=b'{"process": "leave"}', head={"Content-Type": kind})
    assert refused["detail"] == "Send the body as application/json."


def test_files_sent_as_json_are_refused_by_their_type(dirk):
    assert "multipart/form-data" in dirk.post("/deployments", {"files": "x"}, 415)["detail"]


@pytest.mark.parametrize("address", ["/instances/a%00b", "/instances?search=%00", "/tasks?process=%00"])
def test_a_zero_byte_in_an_address_is_refused(anna, address):
    anna.get(address, 400)


TRAVERSAL = [("../../../etc/small.bpmn", 201), ("..\\..\\small.bpmn", 201), ("../small.json", 422), ("a\0b.bpmn", 422),
             ("x" * 300 + ".bpmn", 422), ("..", 422), ("small\n.bpmn", 422)]  # fmt: skip


@pytest.mark.parametrize(("name", "status"), TRAVERSAL, ids=lambda value: ascii(value)[:20])
def test_the_name_of_a_file_is_never_a_place(demo, dirk, name, status):
    before = _kept(demo)
    dirk("POST", "/deployments", status, data={"files": (io.BytesIO(LOOP), name)})
    with demo.read(people.SYSTEM) as work:
        kept = {key for files in work.execute(select(deployment.c.files)).scalars() for key in files}
    assert not [key for key in kept if {"", ".", ".."} & set(re.split(r"[\\/]", key))]
    assert (_kept(demo) > before) == (status == 201)


def test_two_files_of_one_name_are_refused_and_neither_is_kept(demo, dirk):
    before = _kept(demo)
    files = [(io.BytesIO(LOOP), "small.bpmn"), (io.BytesIO(LOOP), "other/small.bpmn")]
    dirk("POST", "/deployments", 422, data={"files": files})
    assert _kept(demo) == before


@pytest.mark.parametrize("data", [DEEP, b"[5]", b"[{", bytes(range(256)) * 50, b"days,why\n1," + b"x" * 200_000], ids=range(5))
def test_a_file_of_rows_that_is_none_is_refused_whole(anna, data):
    anna("POST", "/instances/bulk", 422, data={"process": "leave", "file": (io.BytesIO(data), "rows.csv")})
    assert anna.get("/instances")["total"] == 0


def test_a_row_that_cannot_be_kept_holds_up_no_other(anna):
    rows = json.dumps([{"days": 2, "why": "A rest."}, {"days": 2, "why": "\ud800"}, {"days": 2, "why": [[[]]]}])
    said = anna("POST", "/instances/bulk", data={"process": "leave", "file": (io.BytesIO(rows.encode()), "rows.json")})
    assert ([one["row"] for one in said["started"]], [one["row"] for one in said["refused"]]) == ([1], [2, 3])


def test_operators_are_refused_what_is_not_there(anna, ada):
    case = begun(anna)
    ada.put(f"/instances/{case['id']}/variables", {"scope": 77, "values": {"days": 1}, "reason": "A slip."}, 404)
    ada.put(f"/instances/{case['id']}/variables", {"values": {}, "reason": "A slip."}, 422)
    ada.post(f"/instances/{case['id']}/move", {"token": 99, "element": "note", "reason": "Try."}, 404)
    ada.post(f"/instances/{case['id']}/migrate", {"definition": "nonsense", "reason": "Try."}, 404)
    ada.get("/definitions/nonsense/versions", 404)
    assert anna.get(f"/instances/{case['id']}")["state"] == "active"


def test_whoever_guesses_tokens_is_told_to_wait(app):
    stranger = Caller(app, None)
    for _ in range(30):
        stranger.get("/me", 401, head={"Authorization": "Bearer guess"})
    stranger.get("/me", 429, head={"Authorization": "Bearer guess"})


def test_what_the_web_itself_refuses_is_a_problem_too(anna):
    anna.get("/nowhere", 404)
    assert "GET" in anna.client.delete("/api/v1/instances", headers=anna.head).headers["Allow"]
    chinese = {"Accept-Language": "zh-CN"}
    for said in (
        anna("DELETE", "/instances", 405, head=chinese),
        anna("POST", "/instances", 415, data=b"x", head={**chinese, "Content-Type": "text/plain"}),
        anna.get("/instances?size=0", 422, head=chinese),
        anna.post("/instances", {"answers": 5, "title": "x" * 401, "more": 1}, 422, head=chinese),
    ):
        sentences = [said["title"], said["detail"], *(one["sentence"] for one in said.get("problems", ()))]
        assert all(re.search(r"[\u4e00-\u9fff]", one) for one in sentences), sentences


def test_a_cookie_neither_helps_nor_is_a_csrf_token_asked_for(app, anna):
    client = visitor.Visitor(app, "anna").client
    assert client.post("/api/v1/instances", json={"process": "leave"}).status_code == 401
    body = {"process": "leave", "answers": {"days": 3, "why": "A rest."}}
    answer = client.post("/api/v1/instances", json=body, headers=anna.head)  # no CSRF token, and the bearer counts
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers


# --- every address --------------------------------------------------------------------------------------
def filled(address: str) -> str:
    return re.sub(r"\{\w+\}", "nonsense", address)


def test_every_address_wants_a_token(app):
    stranger = Caller(app, None)
    app.extensions["api_gate"].counters.storage.reset()
    for method, address, operation in operations(app):
        stranger(method, filled(address), 401, **body_of(app, operation))
        app.extensions["api_gate"].counters.storage.reset()


def test_every_write_wants_a_scope_of_its_own(app):
    """A token that only reads can only read; one that writes does not administer."""
    reader, writer = Caller(app, "ada", scopes=("read",)), Caller(app, "ada", scopes=("read", "write"))
    asks, administers = {"check", "evaluate", "verify"}, set()
    for method, address, operation in operations(app):
        if method != "GET" and address.rpartition("/")[2] not in asks:
            reader(method, filled(address), 403, **body_of(app, operation))
            answer = writer.client.open(
                f"/api/v1{filled(address)}", method=method, headers=writer.head, **body_of(app, operation)
            )
            if answer.status_code == 403 and "scope" in answer.json["detail"]:
                administers.add(address)
    assert administers == {
        "/definitions/{definition_id}/retire", "/definitions/{definition_id}/activate", "/deployments",
        "/instances/acts", "/instances/{instance_id}/variables", "/instances/{instance_id}/migration-check",
        "/instances/{instance_id}/migrate", "/instances/{instance_id}/move", "/observations",
        "/incidents/{incident_id}/resolve", "/batches", "/batches/{batch_id}/stop", "/batches/{batch_id}/go-on",
    }  # fmt: skip


def test_every_address_is_closed_to_guests_but_for_their_shares(app):
    partner, open_ = Caller(app, "paula"), set()
    for method, address, operation in operations(app):
        answer = partner.client.open(
            f"/api/v1{filled(address)}", method=method, headers=partner.head, **body_of(app, operation)
        )
        if answer.status_code != 403:
            open_.add(address)
    assert open_ == {"/me", "/shares", "/shares/{share_id}/file"}


def test_every_address_says_when_there_is_no_such_thing(app, ada):
    for method, address, operation in operations(app):
        if "{" in address:
            ada(method, filled(address), 404, **body_of(app, operation))


def test_every_address_of_a_case_or_a_task_is_closed_to_those_whom_it_does_not_concern(app, anna, bert):
    case, clara = begun(anna), Caller(app, "clara")
    task_id, before = first_task(bert), bert.get(f"/instances/{case['id']}/history")
    for method, address, operation in operations(app):
        foreign = address.replace("{instance_id}", case["id"]).replace("{task_id}", task_id)
        if foreign != address:
            clara(method, foreign, 404, **body_of(app, operation))
    assert bert.get(f"/instances/{case['id']}/history") == before


def test_every_body_of_the_wrong_types_is_named_field_by_field(app, ada):
    wrong = {"string": 5, "integer": "many", "object": 7, "array": 7, "boolean": "perhaps"}
    for method, address, operation in operations(app):
        found = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if found:
            shape = description(app)["components"]["schemas"][found["schema"]["$ref"].rpartition("/")[2]]
            body = {name: wrong[_kind(one)] for name, one in shape["properties"].items()}
            refused = ada(method, filled(address), 422, json={**body, "more": 1})
            assert {one["where"] for one in refused["problems"]} == {*body, "more"}, address
            ada(method, filled(address), 422, json=[])


def _kind(shape: dict) -> str:
    return shape["type"] if isinstance(shape["type"], str) else shape["type"][0]


def test_every_write_takes_an_idempotency_key_and_every_list_of_cases_and_tasks_pages(app):
    for method, address, operation in operations(app):
        named = {one["name"] for one in operation.get("parameters", ())}
        assert ("Idempotency-Key" in named) == (method != "GET"), address
        assert {"page", "size"} <= named or address not in ("/tasks", "/instances") or method != "GET"


# --- the description ------------------------------------------------------------------------------------
def test_the_description_is_sound_openapi_3_1(app):
    spec = description(app)
    assert spec["openapi"].startswith("3.1.") and spec["info"]["title"] == "bizday" and spec["info"]["version"]
    assert spec["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    for shape in spec["components"]["schemas"].values():
        Draft202012Validator.check_schema(shape)
    names = [operation["operationId"] for _method, _address, operation in operations(app)]
    assert len(names) == len(set(names))
    assert {tag for *_, operation in operations(app) for tag in operation["tags"]} == {one["name"] for one in spec["tags"]}
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(spec)):
        found = spec
        for step in reference.split("/"):
            found = found[step]


def test_every_operation_says_what_it_reads_and_answers_and_names_what_stands_in_its_address(app):
    for method, address, operation in operations(app):
        where = f"{method} {address}"
        assert operation["summary"] and operation["security"] == [{"bearer": []}], where
        in_path = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path" and one["required"]}
        assert in_path == set(re.findall(r"\{(\w+)\}", address)), where
        assert set(operation["responses"]) in ({"200", "default"}, {"201", "default"}), where
        assert all(one["content"] and one["description"] for one in operation["responses"].values()), where


def ran_whole(session) -> bool:
    """Whether every test of this file is part of the run, so that what was called can be counted."""
    tests = {name for name in globals() if name.startswith("test_")}
    return tests <= {one.originalname for one in session.items if one.path.name == "test_api.py"}


def test_every_address_of_the_description_was_called_above_and_answered_well(app, request):
    if not ran_whole(request.session):
        pytest.skip("only a part of this file runs")
    described = {(method.lower(), f"/api/v1{address}") for method, address, _ in operations(app)}
    assert described - PASSED == set()


#: fields of what goes in, and of what only goes wrong
IN = {"Acts", "AddSigners", "Answers", "Broadcast", "BulkStart", "Evaluate", "Expression", "Files", "Handover", "Migrate", "Move",
      "NewBatch", "Note", "Observed", "Publish", "Reason", "RemoveSigners", "Resolve", "Return", "SendCopies", "Sign", "Start",
      "Upload", "Values"}  # fmt: skip


def test_every_field_of_every_answer_was_given_above(app, request):
    """A field that is described and that no answer ever holds is a promise that is not kept."""
    if not ran_whole(request.session):
        pytest.skip("only a part of this file runs")
    shapes = description(app)["components"]["schemas"]
    described = {(name.rstrip("1"), field) for name, one in shapes.items() if name not in IN for field in one["properties"]}
    assert described - SEEN == set()


def test_its_page_is_served_from_here(app):
    page = app.test_client().get("/api/docs")
    assert page.status_code == 200 and "https://" not in page.text.replace("https://bizday", "")


def test_health_and_readiness(app):
    client = app.test_client()
    assert client.get("/healthz").json == {"status": "alive"}
    not_migrated = client.get("/readyz")  # tests make their tables without the history of migrations
    assert not_migrated.status_code == 503 and "bizday init" in not_migrated.json["wrong"][0]


def test_metrics_are_for_the_machine_itself_and_for_those_who_run_it(app, anna, ada):
    client, afar = app.test_client(), {"X-Forwarded-For": "203.0.113.9"}
    begun(anna)
    said = client.get("/metrics").text
    assert 'bizday_cases{state="active"} 1.0' in said and 'endpoint="api.start"' in said
    assert "anna" not in said
    assert client.get("/metrics", headers=afar).status_code == 404
    assert client.get("/metrics", headers={**anna.head, **afar}).status_code == 404
    assert client.get("/metrics", headers={**ada.head, **afar}).status_code == 200
