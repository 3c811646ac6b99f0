"""Data objects, their associations, and processes that begin with a condition."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine import bpmn, people, runtime
from engine.errors import Invalid
from tests.engine.small import Room, flow, model, path, task_of

ORDER = (
    '<bpmn:dataObject id="o" name="order"/><bpmn:dataObjectReference id="r" dataObjectRef="o" name="the order"/>'
    '<bpmn:dataStoreReference id="store" name="Archive"/>'
)
IN = (
    '<bpmn:ioSpecification><bpmn:dataInput id="in" name="wanted"/><bpmn:dataOutput id="out" name="made"/>'
    '<bpmn:inputSet><bpmn:dataInputRefs>in</bpmn:dataInputRefs></bpmn:inputSet>'
    '<bpmn:outputSet><bpmn:dataOutputRefs>out</bpmn:dataOutputRefs></bpmn:outputSet></bpmn:ioSpecification>'
)


def arrow(kind: str, source: str, target: str, transformation: str = "") -> str:
    inner = f"<bpmn:transformation>{transformation}</bpmn:transformation>" if transformation else ""
    return (
        f"<bpmn:data{kind}Association><bpmn:sourceRef>{source}</bpmn:sourceRef><bpmn:targetRef>{target}</bpmn:targetRef>"
        f"{inner}</bpmn:data{kind}Association>"
    )


class World:
    now = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    zone = UTC


def begun(body: str, variables=None) -> bpmn.Execution:
    parsed = bpmn.parse(model(body))
    assert not [p for p in parsed.problems if p.severity == "error"], [str(p) for p in parsed.problems]
    run = bpmn.start(parsed.processes["small"], World(), variables or {})
    run.advance()
    return run


def test_a_data_object_is_a_variable_of_its_scope_and_null_at_first():
    assert begun(path(ORDER, task_of("a"), ids=("a",))).variables() == {"order": None}


def test_an_input_association_fills_the_input_and_an_output_association_writes_back():
    task = task_of("a", more=IN + arrow("Input", "r", "in", "order + 1") + arrow("Output", "out", "r"))
    run = begun(path(ORDER, task, ids=("a",)), {"order": 4})
    (token,) = run.waits
    assert run.visible(token)["wanted"] == 5
    run.complete(token, {"made": 9})
    run.advance()
    assert run.completed and run.variables()["order"] == 9


def test_an_arrow_that_ends_at_no_declared_input_moves_nothing():
    task = task_of("a", more='<bpmn:property id="p" name="__targetRef_placeholder"/>' + arrow("Input", "r", "p"))
    run = begun(path(ORDER, task, ids=("a",)), {"order": 4})
    assert run.visible(next(iter(run.waits))) == {"order": 4}


def test_data_that_would_move_to_a_store_is_refused_by_name():
    task = task_of("a", more=IN + arrow("Output", "out", "store"))
    problems = bpmn.parse(model(path(ORDER, task, ids=("a",)))).problems
    assert [(p.where, p.rule) for p in problems] == [("a", "bpmn.data-store")]


def test_an_object_in_a_sub_process_ends_with_it():
    inner = '<bpmn:startEvent id="is" name="is"/>' + task_of("a", more=IN + arrow("Output", "out", "r")) + flow("is", "a")
    run = begun(path(f'<bpmn:subProcess id="p" name="p">{ORDER}{inner}</bpmn:subProcess>', ids=("p",)))
    run.complete(next(iter(run.waits)), {"made": 1})
    run.advance()
    assert run.completed and "order" not in run.variables()


HOT = (
    '<bpmn:startEvent id="s" name="s"><bpmn:conditionalEventDefinition><bpmn:condition>=temperature &gt; 30</bpmn:condition>'
    '</bpmn:conditionalEventDefinition></bpmn:startEvent><bpmn:endEvent id="e" name="e"/>' + task_of("a") + flow("s", "a") + flow("a", "e")
)  # fmt: skip


@pytest.fixture
def room(tmp_path):
    one = Room(tmp_path / "var")
    yield one
    one.close()


@pytest.mark.element("startEvent.conditional")
def test_a_process_begins_when_what_was_observed_makes_its_condition_true(room):
    room.deploy(small=model(HOT))
    with room.platform.work(people.SYSTEM) as work:
        assert runtime.observe(work, {"temperature": 20}) == []
        (case,) = runtime.observe(work, {"temperature": 35})
    assert room.variables(case)["temperature"] == 35 and set(room.open_tasks()) == {"a"}


def test_a_condition_that_cannot_be_answered_is_said_and_starts_nothing(room):
    room.deploy(small=model(HOT))
    with pytest.raises(Invalid, match="not clear"), room.platform.work(people.SYSTEM) as work:
        runtime.observe(work, {"pressure": 1})
    assert not room.open_tasks()
