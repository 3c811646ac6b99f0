"""What every model of the project keeps: it can be read, checked, filled in, seen, explained and run without Python."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations

import pytest
from lxml import etree

from engine import bpmn, dmn, feel, forms, people, policies, repository, services
from engine.bpmn.parser import SCOPES
from engine.lint import APPROVAL, fields_of
from engine.lint.look import HUMAN
from tests.processes.walk import HOME, model

KEYS = sorted(folder.name for folder in (HOME / "processes").iterdir() if folder.is_dir())
FORMS = sorted((HOME / "forms").glob("*/*.json"))
NS = {
    "bpmn": "http://www.omg.org/spec/BPMN/20100524/MODEL", "bpmndi": "http://www.omg.org/spec/BPMN/20100524/DI",
    "dc": "http://www.omg.org/spec/DD/20100524/DC", "di": "http://www.omg.org/spec/DD/20100524/DI",
    "zeebe": "http://camunda.org/schema/zeebe/1.0", "modeler": "http://camunda.org/schema/modeler/1.0",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}  # fmt: skip
BPMN, ZEEBE, XSI = (f"{{{NS[prefix]}}}" for prefix in ("bpmn", "zeebe", "xsi"))
RULES = policies.load(HOME / "policies")

for_each_process = pytest.mark.parametrize("key", KEYS)
for_each_form = pytest.mark.parametrize("file", FORMS, ids=lambda file: f"{file.parent.name}/{file.stem}")


@cache
def source(key: str) -> bytes:
    return (HOME / "processes" / key / f"{key}.bpmn").read_bytes()


@cache
def tree(key: str):
    return etree.fromstring(source(key))


@cache
def process(key: str):
    return model(key)


def human(key: str) -> list:
    return [element for element in process(key).elements.values() if element.kind in HUMAN]


def schema(form_key: str) -> dict:
    return json.loads((HOME / "forms" / f"{form_key}.json").read_text())


# --- reading and checking -----------------------------------------------------------------------
@for_each_process
def test_it_is_read_without_a_problem(key):
    parsed = bpmn.parse(source(key))
    assert (list(parsed.processes), parsed.problems) == ([key], ())
    assert process(key).executable


def test_lint_has_nothing_to_say_of_any_of_them(platform):
    files: dict[str, bytes] = {}
    for key in KEYS:
        files |= repository.read_folder(HOME / "processes" / key, HOME / "forms" / key)
    with platform.read(people.SYSTEM) as work:
        assert [str(problem) for problem in repository.check(work, files)] == []


@for_each_process
def test_everything_has_a_name(key):
    assert [one.id for one in process(key).elements.values() if not one.name.strip()] == []
    assert process(key).name
    assert process(key).documentation


@for_each_process
def test_every_way_out_of_a_decision_says_when_it_is_taken(key):
    unnamed = [
        flow.id
        for element in process(key).elements.values()
        if element.kind in ("exclusiveGateway", "inclusiveGateway") and len(element.outgoing) > 1
        for flow in element.outgoing
        if not tree(key).xpath(f"//bpmn:sequenceFlow[@id='{flow.id}']/@name", namespaces=NS)
    ]
    assert unnamed == []


@for_each_process
def test_policy_knows_who_answers_for_it_and_what_it_fulfils(key):
    policy = RULES.processes[key]
    assert policy.owner in RULES.access.groups
    assert policy.clauses
    assert set(policy.clauses) <= {clause.id for clause in RULES.regulation}
    assert bool(policy.groups) is (policy.kind == "case")


def test_policy_speaks_of_no_process_that_is_not_there():
    assert set(RULES.processes) == set(KEYS)
    assert {key for key, _ in RULES.sla} <= {*KEYS, "default"}


# --- people -------------------------------------------------------------------------------------
@for_each_process
def test_every_human_task_has_a_form_a_time_limit_and_somebody(key):
    assert human(key)
    for element in human(key):
        assert (HOME / "forms" / f"{element.form_key}.json").is_file(), element.id
        assert (key, element.id) in RULES.sla, element.id
        assert element.assignee or element.candidate_groups or element.candidate_users, element.id


@for_each_process
def test_every_time_limit_belongs_to_a_task(key):
    assert {element for of, element in RULES.sla if of == key} == {element.id for element in human(key)}


@for_each_process
def test_answers_that_policy_gives_are_ones_that_the_form_takes(key):
    for element in human(key):
        limit = RULES.sla[key, element.id]
        if limit.last_act == "decide":
            assert fields_of(schema(element.form_key)).keys() >= limit.decide.keys(), element.id
            assert {name for name, needed in fields_of(schema(element.form_key)).items() if needed} <= limit.decide.keys()
            for name, value in limit.decide.items():
                assert value in schema(element.form_key)["properties"][name].get("enum", [value]), (element.id, name)


@for_each_process
def test_every_decision_asks_for_opinion_and_reason(key):
    for element in human(key):
        fields, properties = fields_of(schema(element.form_key)), schema(element.form_key)["properties"]
        if "decision" not in fields:
            assert element.properties.get(APPROVAL) != "true"
            continue
        assert [fields[name] for name in ("decision", "opinion", "reason")] == [True, True, True], element.id
        assert min(properties[name]["minLength"] for name in ("opinion", "reason")) >= 2
        assert element.properties.get(APPROVAL) == "true" or element.id == "confirm_closing"


# --- forms --------------------------------------------------------------------------------------
@for_each_form
def test_a_form_can_be_used(file):
    form = forms.parse(file.read_bytes(), f"{file.parent.name}/{file.stem}")
    assert form.title
    assert all(one.title for one in form.fields)


def test_every_form_is_opened_somewhere():
    opened = {one.form_key for key in KEYS for one in process(key).elements.values() if one.form_key}
    assert {f"{file.parent.name}/{file.stem}" for file in FORMS} == opened


# --- drawing ------------------------------------------------------------------------------------
Box = tuple[float, float, float, float]


@cache
def shapes(key: str) -> dict[str, Box]:
    """element -> left, top, right, bottom."""
    found = {}
    for node in tree(key).iter(f"{{{NS['bpmndi']}}}BPMNShape"):
        bounds = node.find("dc:Bounds", NS)
        x, y, width, height = (float(bounds.get(name)) for name in ("x", "y", "width", "height"))
        assert node.get("bpmnElement") not in found, f"{node.get('bpmnElement')} is drawn twice"
        found[node.get("bpmnElement")] = (x, y, x + width, y + height)
    return found


@cache
def lines(key: str) -> dict[str, list[tuple[float, float]]]:
    return {
        node.get("bpmnElement"): [(float(point.get("x")), float(point.get("y"))) for point in node.findall("di:waypoint", NS)]
        for node in tree(key).iter(f"{{{NS['bpmndi']}}}BPMNEdge")
    }


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def touches(point: tuple[float, float], box: Box, slack: float = 1.0) -> bool:
    """On the border or inside."""
    return box[0] - slack <= point[0] <= box[2] + slack and box[1] - slack <= point[1] <= box[3] + slack


def inside(box: Box, around: Box) -> bool:
    return around[0] <= box[0] and around[1] <= box[1] and box[2] <= around[2] and box[3] <= around[3]


def crosses(one: tuple[float, float], other: tuple[float, float], box: Box) -> bool:
    """Whether an upright or level piece of a line runs through a box, its border left out."""
    left, right = sorted((one[0], other[0]))
    top, bottom = sorted((one[1], other[1]))
    return left < box[2] - 1 and right > box[0] + 1 and top < box[3] - 1 and bottom > box[1] + 1


@for_each_process
def test_every_element_has_a_shape_and_every_flow_an_edge(key):
    assert shapes(key).keys() == process(key).elements.keys()
    associations = {node.get("id") for node in tree(key).iter(f"{BPMN}association")}
    assert lines(key).keys() == process(key).flows.keys() | associations


@for_each_process
def test_no_shape_covers_another(key):
    """But for what stands inside a sub-process and for events at the border of their activity."""
    for scope in {element.parent.id for element in process(key).elements.values()}:
        there = [one for one in process(key).elements.values() if one.parent.id == scope and one.kind != "boundaryEvent"]
        covered = [(a.id, b.id) for a, b in combinations(there, 2) if overlap(shapes(key)[a.id], shapes(key)[b.id])]
        assert covered == []


@for_each_process
def test_what_is_inside_a_sub_process_is_drawn_inside(key):
    for element in process(key).elements.values():
        if element.parent.kind in SCOPES and element.parent.id in shapes(key):
            assert inside(shapes(key)[element.id], shapes(key)[element.parent.id]), element.id
        if element.attached_to is not None:
            host = shapes(key)[element.attached_to.id]
            assert overlap(shapes(key)[element.id], host), element.id
            assert not inside(shapes(key)[element.id], host), element.id


@for_each_process
def test_every_edge_runs_from_its_source_to_its_target(key):
    for flow in process(key).flows.values():
        points = lines(key)[flow.id]
        assert touches(points[0], shapes(key)[flow.source.id]), flow.id
        assert touches(points[-1], shapes(key)[flow.target.id]), flow.id


@for_each_process
def test_no_edge_runs_through_a_shape(key):
    through = [
        (flow.id, element.id)
        for flow in process(key).flows.values()
        for element in process(key).elements.values()
        if element.id not in (flow.source.id, flow.target.id) and element.parent is flow.source.parent
        for one, other in zip(lines(key)[flow.id], lines(key)[flow.id][1:], strict=False)
        if crosses(one, other, shapes(key)[element.id])
    ]
    assert through == []


# --- story --------------------------------------------------------------------------------------
@for_each_process
def test_its_folder_tells_its_story_in_about_ten_lines(key):
    lines_ = [line for line in (HOME / "processes" / key / "README.md").read_text().splitlines() if line.strip()]
    assert lines_[0] == f"# {process(key).name}"
    assert 8 <= len(lines_) <= 15
    assert all(len(line) <= 320 for line in lines_)


# --- no Python ----------------------------------------------------------------------------------
def test_beside_models_tables_and_stories_nothing_lies_in_the_folders():
    kinds = {path.suffix for path in (HOME / "processes").rglob("*") if path.is_file()}
    assert kinds == {".bpmn", ".dmn", ".md"}
    assert {path.suffix for path in (HOME / "forms").rglob("*") if path.is_file()} == {".json"}


@for_each_process
def test_it_speaks_only_the_standard_and_the_dialect_of_camunda_8(key):
    spaces = {etree.QName(node).namespace for node in tree(key).iter(etree.Element)}
    attributes = {etree.QName(name).namespace for node in tree(key).iter(etree.Element) for name in node.attrib}
    assert spaces <= set(NS.values())
    assert attributes - {None} <= {NS["modeler"], NS["xsi"]}
    assert [node.tag for node in tree(key).iter(f"{BPMN}script")] == []
    assert tree(key).xpath("//@scriptFormat") == []


def formulas(key: str) -> list[str]:
    """Everything of a model that is worked out: conditions, timers, scripts, mappings, assignments, loops."""
    found = [node.text for node in tree(key).iter() if node.get(f"{XSI}type") == "bpmn:tFormalExpression"]
    for node in tree(key).iter():
        if isinstance(node.tag, str) and node.tag.startswith(ZEEBE):
            found += [value for value in node.attrib.values() if value.startswith("=")]
            found += [node.get(name) for name in ("inputElement", "outputCollection") if node.get(name)]
    return [text.strip().removeprefix("=").strip() for text in found]


@for_each_process
def test_whatever_is_worked_out_is_feel(key):
    assert formulas(key)
    for formula in formulas(key):
        feel.compile(formula)  # raises for what is not FEEL


@for_each_process
def test_what_it_calls_is_there(key):
    called = set(tree(key).xpath("//zeebe:taskDefinition/@type", namespaces=NS))
    assert called <= set(services.known())
    assert set(tree(key).xpath("//zeebe:calledElement/@processId", namespaces=NS)) <= set(KEYS)
    tables = [dmn.parse(file.read_bytes()) for file in (HOME / "processes").glob("*/*.dmn")]
    asked = set(tree(key).xpath("//zeebe:calledDecision/@decisionId", namespaces=NS)) | {RULES.processes[key].start_decision}
    assert asked - {None, ""} <= {name for one in tables for name in one.decisions}


def test_every_table_is_asked_by_somebody():
    asked = {RULES.processes[key].start_decision for key in KEYS}
    for key in KEYS:
        asked |= set(tree(key).xpath("//zeebe:calledDecision/@decisionId", namespaces=NS))
    for file in (HOME / "processes").glob("*/*.dmn"):
        assert set(dmn.parse(file.read_bytes()).decisions) & asked, file.name
