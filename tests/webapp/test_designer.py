"""The designer's page: who may draw, what a check answers, what a mend does, publishing, and the canvas itself."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from engine import people, repository
from tests.engine.small import flow, model, path, task_of
from tests.webapp.visitor import MODEL, Visitor
from webapp import create_app

HOME = Path(__file__).resolve().parents[2]
LOOSE = model(path(task_of("a"), ids=("a",)) + '<bpmn:sequenceFlow id="loose" sourceRef="a" targetRef="gone"/>')
CHOICE = model(
    '<bpmn:startEvent id="s" name="s"/><bpmn:exclusiveGateway id="g" name="Which?"/><bpmn:endEvent id="e" name="e"/>'
    '<bpmn:endEvent id="f" name="f"/>' + flow("s", "g") + flow("g", "e", "=1 = 1") + flow("g", "f")
)


@pytest.fixture
def app(demo):
    return create_app(demo)


@pytest.fixture
def dirk(app):
    return Visitor(app, "dirk")


def asked(visitor: Visitor, address: str, status: int = 200, **body) -> dict:
    """What the server answers to a script of the page."""
    page = visitor.get("/designer")
    token = page.one('meta[name="csrf-token"]').get("content")
    answer = visitor.client.post(address, json=body, headers={"X-CSRFToken": token, "Accept": "application/json"})
    assert answer.status_code == status, answer.text
    return answer.json


def test_only_who_publishes_processes_may_draw(app, dirk):
    assert dirk.get("/designer").one("[data-modeler]") is not None
    Visitor(app, "anna").get("/designer", 403)


def test_a_version_is_the_beginning_of_the_next(demo, dirk):
    with demo.read(people.SYSTEM) as work:
        row = repository.latest(work, "case_closing")
    page = dirk.get(f"/designer/{row['id']}")
    assert 'id="case_closing"' in page.one("#designer-xml").text_content()
    dirk.get("/designer/nonsense", 404)


def test_a_check_names_each_problem_at_its_element_and_offers_what_is_safe(dirk):
    said = asked(dirk, "/designer/check", xml=LOOSE.decode(), name="x.bpmn")
    assert ("loose", "bpmn.loose-flow", "error") in {(p["where"], p["rule"], p["severity"]) for p in said["problems"]}
    assert [m["where"] for m in said["mends"] if m["rule"] == "bpmn.loose-flow"] == ["loose"]


def test_a_mend_changes_that_one_thing_and_only_when_it_is_asked_for(dirk):
    before = asked(dirk, "/designer/check", xml=CHOICE.decode(), name="x.bpmn")
    offered = next(m for m in before["mends"] if m["rule"] == "bpmn.no-condition")
    mended = asked(dirk, "/designer/mend", xml=CHOICE.decode(), name="x.bpmn", number=offered["number"])["xml"]
    assert 'default="g-f"' in mended
    after = asked(dirk, "/designer/check", xml=mended, name="x.bpmn")
    assert "bpmn.no-condition" not in {p["rule"] for p in after["problems"]}
    asked(dirk, "/designer/mend", 422, xml=CHOICE.decode(), name="x.bpmn", number=99)


@pytest.mark.parametrize("body", [{}, {"xml": 5}, {"xml": "x" * (5 * 1024 * 1024 + 1)}])
def test_what_is_no_draft_gets_one_sentence(dirk, body):
    assert asked(dirk, "/designer/check", 422, **body)["sentence"]


def test_a_hostile_draft_is_named_and_never_read(dirk):
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    problems = asked(dirk, "/designer/check", xml=bomb, name="x.bpmn")["problems"]
    assert problems and "document type" in problems[0]["sentence"]


def test_a_sound_draft_is_published_and_a_wrong_one_comes_back_with_its_problems(demo, dirk):
    page = dirk.get("/designer")
    said = page.form("/designer")
    refused = dirk.post("/designer", {**said, "name": "x.bpmn", "xml": LOOSE.decode()}, 422)
    assert 'id="loose"' in refused.one("#designer-xml").text_content()
    sound = MODEL.replace("leave/start", "case_initiation/start").replace("leave/decide", "multi_level_approval/vote")
    sound = sound.replace("leave/note", "case_initiation/do_work").replace('id="leave"', 'id="drawn"').replace('"leave"', '"drawn"')
    answer = dirk.post("/designer", {**said, "name": "drawn.bpmn", "xml": sound})
    assert answer.location == "/processes/drawn"
    with demo.read(people.SYSTEM) as work:
        assert repository.latest(work, "drawn")["version"] == 1


# --- trying -------------------------------------------------------------------------------------
def tried(visitor: Visitor, status: int = 200, page: str = "/designer/try", **fields):
    """The page after an expression or a table was tried in the form of `page`."""
    token = visitor.get(page).one('form[action="/designer/try"] input[name="csrf_token"]').get("value")
    return visitor.client.post("/designer/try", data={"csrf_token": token, **fields}, content_type="multipart/form-data")


def test_an_expression_is_tried_against_values_and_null_is_explained_with_its_place(dirk):
    said = tried(dirk, what="expression", expression="=amount * 2 > 9", values='{"amount": 5}')
    assert said.status_code == 200 and '<code class="bd-feel">true</code>' in said.text
    said = tried(dirk, what="expression", expression='gone + "a"', values="{due: @\"2026-03-02\"}")
    assert "null" in said.text and "<mark>gone</mark>" in said.text and "'gone'" in said.text.replace("&#39;", "'")
    assert "<mark>)</mark>" in tried(dirk, what="expression", expression="count(1))", values="").text


def test_a_decision_is_tried_and_so_is_a_file_that_is_not_published(demo, dirk):
    said = tried(dirk, what="table", decision="approval_levels", values='{"kind": "purchase", "amount": 5000, "risk": "low"}')
    assert said.status_code == 200 and "bd-chip-good" in said.text
    data = (HOME / "processes/permission_change/permission_risk.dmn").read_bytes()
    said = tried(dirk, what="table", values="{}", table=(BytesIO(data), "x.dmn"))
    assert said.status_code == 200 and "<code class=\"bd-feel\">" in said.text
    assert tried(dirk, what="table", decision="nonsense", values="{}").status_code == 404
    assert tried(dirk, what="table", values="{}", table=(BytesIO(b"<x/>"), "x.dmn")).status_code == 422
    assert tried(dirk, what="table", values="{}").status_code == 422


@pytest.mark.parametrize("values", ["[1]", "nonsense", '"x"', "{"])
def test_values_that_are_no_object_are_refused_in_a_sentence(dirk, values):
    assert tried(dirk, what="expression", expression="1", values=values).status_code == 422


def test_trying_is_for_who_draws_with_a_token_and_within_a_budget(app, dirk):
    Visitor(app, "anna").get("/designer/try", 403)
    assert dirk.client.post("/designer/try", data={"what": "expression", "expression": "1"}).status_code == 400
    said = tried(dirk, what="expression", expression="for i in 1..10**9 return i", values="{}")
    assert said.status_code == 200 and "<code class=\"bd-feel\">null</code>" in said.text
    page = tried(dirk, what="expression", expression='"<script>" + s', values='{"s": "<b>"}').text
    assert "<script>&" not in page and "&lt;script&gt;&lt;b&gt;" in page


def test_a_check_shows_the_expression_and_the_place_in_it(dirk):
    wrong = CHOICE.replace(b"=1 = 1", b"=1 = cuont([1])")
    found = asked(dirk, "/designer/check", xml=wrong.decode(), name="x.bpmn")["problems"]
    (one,) = [p for p in found if p["rule"] == "feel.unknown-function"]
    assert (one["before"], one["word"], one["behind"], "count" in one["sentence"]) == ("1 = ", "cuont", "([1])", True)


def test_only_who_may_draft_opens_files_and_a_file_that_is_no_model_is_said_so(app):
    for login, status in (("dirk", 200), ("anna", 403)):
        visitor = Visitor(app, login)
        token = visitor.get("/inbox").one('meta[name="csrf-token"]').get("content")
        answer = visitor.client.post("/designer/open", data=b"<mxfile/>", headers={"X-CSRFToken": token, "Accept": "application/json"})
        assert answer.status_code == status
    assert visitor.client.post("/designer/open", data=LOOSE).status_code in (400, 403)
