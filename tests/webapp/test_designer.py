"""The designer's page: who may draw, what a check answers, what a mend does, publishing, and the canvas itself."""

from __future__ import annotations

import pytest

from engine import people, repository
from tests.engine.small import flow, model, path, task_of
from tests.webapp.visitor import MODEL, Visitor
from webapp import create_app

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
