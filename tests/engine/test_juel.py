"""Expressions of older engines: what is written again as FEEL means the same, all else is refused."""

from __future__ import annotations

import pytest

from engine import bpmn, feel, lint
from engine.bpmn import juel, legacy

OLDER = 'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:flowable="http://flowable.org/bpmn"'


def model(element: str, *, condition: str = "") -> bytes:
    return f"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" {OLDER} targetNamespace="t">
<process id="p" isExecutable="true"><startEvent id="s"/>{element}<endEvent id="e"/>
<sequenceFlow id="f" sourceRef="s" targetRef="x"/>
<sequenceFlow id="f2" sourceRef="x" targetRef="e">{condition}</sequenceFlow></process></definitions>""".encode()


@pytest.mark.parametrize(
    ("code", "variables", "value"),
    [
        ("empty a", {"a": ""}, True), ("empty a", {"a": None}, True), ("empty a", {"a": []}, True), ("empty a", {"a": 5}, False),
        ("!empty a", {"a": None}, False), ("not empty a", {"a": [1]}, True), ("empty(a.b)", {"a": {"b": "x"}}, False),
        ("!a", {"a": None}, True), ("!(a && (b || c))", {"a": True, "b": False, "c": True}, False),
        ("!a == b", {"a": False, "b": True}, True), ("a == null", {"a": None}, True), ("a eq 'x' and b ne 'y'", {"a": "x", "b": "z"}, True),
        ("a ? 'yes' : b ? 'maybe' : 'no'", {"a": False, "b": True}, "maybe"), ("a - b - 1", {"a": 5, "b": 2}, 2),
        ("a-b", {"a": 5, "b": 2}, 3), ("(a + b) * 2 / 4", {"a": 1, "b": 3}, 2), ("-a le 0", {"a": 1}, True),
        (r"'it\'s \"x\"'", {}, 'it\'s "x"'), ("a.b.c gt 2", {"a": {"b": {"c": 3}}}, True), ("loopCounter == 0", {"loopCounter": 1}, True),
        ("nrOfCompletedInstances/nrOfInstances >= 0.6", {"nrOfCompletedInstances": 2, "nrOfInstances": 3}, True),
        ("金额 > 100", {"金额": 101}, True),
    ],
)  # fmt: skip
def test_what_is_translated_means_the_same(code, variables, value):
    assert feel.evaluate(juel.translated(code), variables) == value


@pytest.mark.parametrize(
    "code",
    ["a.getB()", "execution.getVariable('x')", "a['k']", "list[0]", "a % 2", "a mod 2", "fn:length(a)", "now()", "", " ", "a === b",
     "a < b == c", "a < b < c", "x -> x", "a; b", "a = b", "execution.id", "task.assignee", "if", "for", "'a' + b", "a ? b", "a b", "(a",
     "1.5e3", "a.", "'open", "!" * 20_000 + "a", "(" * 20_000 + "a", "a ?" * 5_000],
)  # fmt: skip
def test_what_cannot_be_said_with_the_same_meaning_is_refused(code):
    with pytest.raises(feel.FeelError):
        juel.translated(code)


CODE = "${service.find(a)}"


@pytest.mark.parametrize(
    "data",
    [
        model(f'<userTask id="x" camunda:assignee="{CODE}"/>'),
        model(f'<userTask id="x" camunda:dueDate="{CODE}"/>'),
        model(f'<userTask id="x"><multiInstanceLoopCharacteristics camunda:collection="{CODE}"/></userTask>'),
        model(f'<task id="x"><multiInstanceLoopCharacteristics><loopCardinality>{CODE}</loopCardinality></multiInstanceLoopCharacteristics></task>'),
        model(f'<intermediateCatchEvent id="x"><timerEventDefinition><timeDuration>{CODE}</timeDuration></timerEventDefinition></intermediateCatchEvent>'),
        model('<exclusiveGateway id="x"/>', condition=f"<conditionExpression>{CODE}</conditionExpression>"),
        model('<task id="x"/>', condition='<conditionExpression language="groovy">a</conditionExpression>'),
        model(f'<task id="x"><extensionElements><camunda:inputOutput><camunda:inputParameter name="a">{CODE}</camunda:inputParameter></camunda:inputOutput></extensionElements></task>'),
        model(f'<task id="x"><extensionElements><camunda:inputOutput><camunda:inputParameter name="a"><camunda:list><camunda:value>{CODE}</camunda:value></camunda:list></camunda:inputParameter></camunda:inputOutput></extensionElements></task>'),
        model('<task id="x"><extensionElements><camunda:inputOutput><camunda:inputParameter name="a"><camunda:script scriptFormat="groovy">1</camunda:script></camunda:inputParameter></camunda:inputOutput></extensionElements></task>'),
        model('<callActivity id="x" calledElement="q"><extensionElements><camunda:in businessKey="#{execution.processBusinessKey}"/></extensionElements></callActivity>'),
        model('<callActivity id="x" calledElement="q" camunda:calledElementBinding="version" camunda:calledElementVersion="3"/>'),
        model('<businessRuleTask id="x" camunda:decisionRef="d" camunda:resultVariable="r"/>'),
        model('<userTask id="x" flowable:skipExpression="${a}"/>'),
    ],
    ids=range(14),
)  # fmt: skip
def test_what_would_run_otherwise_is_refused_with_its_element(data):
    report = lint.inspect(data)
    assert report.opens
    assert not report.deployable
    assert {p.where for p in report.problems if p.severity == "error"} & {"x", "f2"}
    assert "lint.unfinished" not in {p.rule for p in report.problems}


def test_the_version_that_is_called_is_taken_over():
    called = '<callActivity id="x" calledElement="q" camunda:calledElementBinding="{}" camunda:calledElementVersionTag="v2"/>'
    element = bpmn.parse(model(called.format("versionTag"))).processes["p"].elements["x"]
    assert (element.binding, element.version_tag) == ("versionTag", "v2")
    element = bpmn.parse(model(called.format("deployment"))).processes["p"].elements["x"]
    assert element.binding == "deployment"


def test_a_text_that_is_no_older_expression_stays_as_it_is():
    assert [legacy.expression(text) for text in ("ada", "=a > 1", "${a} and ${b}")] == ["ada", "=a > 1", "${a} and ${b}"]
