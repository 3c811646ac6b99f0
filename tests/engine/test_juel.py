"""Expressions of older engines: what is written again as FEEL means the same, all else is refused."""

from __future__ import annotations

import pytest

from engine import bpmn, feel, lint
from engine.bpmn import juel, legacy
from tests.models.case import Case

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


# --- what stands in the drawing and would change what happens -----------------------------------------
def within(kind: str, inner: str, element: str = "userTask", **attributes: str) -> str:
    more = "".join(f" {name.replace('__', ':')}='{value}'" for name, value in attributes.items())
    return f'<{element} id="x"{more}><extensionElements>{inner}</extensionElements>{kind}</{element}>'


FIELD = '<camunda:formField id="amount" type="long"><camunda:validation><camunda:constraint name="required"/></camunda:validation></camunda:formField>'
LISTENER = '<extensionElements><camunda:executionListener class="a.B" event="take"/></extensionElements>'
ERROR = '<serviceTask id="x" camunda:topic="t"/><boundaryEvent id="b" attachedToRef="x"><errorEventDefinition {}/></boundaryEvent>'
CHANGING = {
    "a form's fields": ("x", model(within("", f"<camunda:formData>{FIELD}</camunda:formData>"))),
    "fields of the older kind": ("x", model(within("", '<flowable:formProperty id="amount" required="true"/>'))),
    "a task listener": ("x", model(within("", '<camunda:taskListener class="a.B" event="create"/>'))),
    "a listener of a flow": ("f2", model('<task id="x"/>', condition=LISTENER)),
    "a listener of the process": ("p", model('<task id="x"/>').replace(b"<startEvent", LISTENER.encode() + b"<startEvent")),
    "the code of an error": ("b", model(ERROR.format('camunda:errorCodeVariable="code"'))),
    "the number of a child": ("x", model('<task id="x"><multiInstanceLoopCharacteristics flowable:collection="a" flowable:elementIndexVariable="i"/></task>')),
    "who sent the message": ("s", model('<task id="x"/>').replace(b'<startEvent id="s"/>', b'<startEvent id="s" camunda:initiator="i"><timerEventDefinition><timeDate>2030-01-01T00:00:00Z</timeDate></timerEventDefinition></startEvent>')),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGING)
def test_what_would_change_what_happens_is_refused_where_it_stands(name):
    where, data = CHANGING[name]
    report = lint.inspect(data)
    assert report.opens and not report.deployable
    assert [p.where for p in report.problems if p.rule == "import.not-translated" and p.severity == "error"] == [where]


IDLE = {
    "when it is committed": model('<task id="x" camunda:asyncBefore="true" camunda:asyncAfter="true" camunda:exclusive="false"/>'),
    "what runs first": model('<task id="x" camunda:jobPriority="5"/>'),
    "how often it is tried": model(within("", "<camunda:failedJobRetryTimeCycle>R5/PT10M</camunda:failedJobRetryTimeCycle>", "task")),
    "a form that ours replaces": model(within("", f"<camunda:formData>{FIELD}</camunda:formData>", camunda__formKey="q/ask")),
    "how long history is kept": model('<task id="x"/>').replace(b"isExecutable", b'camunda:historyTimeToLive="5" isExecutable'),
}  # fmt: skip


@pytest.mark.parametrize("name", IDLE)
def test_what_changes_nothing_of_the_outcome_is_said_at_most(name):
    report = lint.inspect(IDLE[name])
    assert report.deployable
    assert {p.severity for p in report.problems if p.rule.startswith("import.")} <= {"info"}


def element(data: bytes, id: str = "x"):
    return bpmn.parse(data).processes["p"].elements[id]


def test_tries_are_taken_over():
    cycle = "<camunda:failedJobRetryTimeCycle>R5/PT10M</camunda:failedJobRetryTimeCycle>"
    assert element(model(within("", cycle, "serviceTask", camunda__topic="t"))).retries.text == "5"


def test_who_started_is_known_by_the_name_that_the_start_event_gives():
    asked = model('<userTask id="x" camunda:assignee="${who}"/>').replace(b'id="s"/>', b'id="s" camunda:initiator="who"/>')
    assert lint.inspect(asked).deployable
    case = Case(bpmn.parse(asked).processes["p"], {"starter": {"login": "ada"}})
    assert case.variables["who"] == "ada"
    assert [wait.assignee for wait in case.waits.values()] == ["ada"]


def test_a_condition_looks_at_the_variables_that_the_older_dialect_names():
    event = '<intermediateCatchEvent id="x"><conditionalEventDefinition camunda:variableName="a" camunda:variableEvents="update"><condition>${a}</condition></conditionalEventDefinition></intermediateCatchEvent>'
    (found,) = element(model(event)).events
    assert (found.only_variables, found.only_changes) == ({"a"}, {"update"})


@pytest.mark.parametrize(("said", "both"), [("", (False, False)), ('flowable:inheritVariables="true"', (True, False))])
def test_a_call_of_the_older_dialect_hands_over_what_it_names_and_no_more(said, both):
    called = element(model(f'<callActivity id="x" calledElement="q" {said}/>'))
    assert (called.propagate_all_parent, called.propagate_all_child) == both


def test_a_call_of_no_dialect_hands_over_everything():
    plain = model('<callActivity id="x" calledElement="q"/>').replace(OLDER.encode(), b"")
    assert element(plain).propagate_all_parent and element(plain).propagate_all_child
