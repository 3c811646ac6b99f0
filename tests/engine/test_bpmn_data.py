"""Data objects, their associations, and processes that begin with a condition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from engine import bpmn, people, runtime
from engine.errors import Invalid
from engine.schema import data_store, event
from tests.engine.rooms import BOTH
from tests.engine.small import Room, flow, model, path, task_of
from tests.models.case import Case

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


def test_assignments_write_parts_and_a_transformation_the_whole():
    parts = (
        '<bpmn:assignment><bpmn:from>order.net * 2</bpmn:from><bpmn:to>wanted.gross</bpmn:to></bpmn:assignment>'
        '<bpmn:assignment><bpmn:from>"new"</bpmn:from><bpmn:to>wanted.state</bpmn:to></bpmn:assignment>'
    )
    back = '<bpmn:assignment><bpmn:from>made</bpmn:from><bpmn:to>order.gross</bpmn:to></bpmn:assignment>'
    task = task_of("a", more=IN + arrow("Input", "r", "in").replace("</bpmn:dataI", parts + "</bpmn:dataI")
                   + arrow("Output", "out", "r").replace("</bpmn:dataO", back + "</bpmn:dataO"))  # fmt: skip
    run = begun(path(ORDER, task, ids=("a",)), {"order": {"net": 4}})
    (token,) = run.waits
    assert run.visible(token)["wanted"] == {"gross": 8, "state": "new"}
    run.complete(token, {"made": 8})
    run.advance()
    assert run.variables()["order"] == {"net": 4, "gross": 8}


@pytest.mark.parametrize("to", ["elsewhere", "/order/total", "order[1]"])
def test_an_assignment_to_anything_but_its_target_is_refused(to):
    said = f'<bpmn:assignment><bpmn:from>1</bpmn:from><bpmn:to>{to}</bpmn:to></bpmn:assignment>'
    task = task_of("a", more=IN + arrow("Input", "r", "in").replace("</bpmn:dataI", said + "</bpmn:dataI"))
    problems = bpmn.parse(model(path(ORDER, task, ids=("a",)))).problems
    assert [(p.where, p.rule) for p in problems] == [("a", "bpmn.data-assignment")]


def test_data_inputs_and_outputs_of_the_process_are_variables_that_arrows_may_use():
    of_process = '<bpmn:ioSpecification><bpmn:dataInput id="pi" name="given"/><bpmn:dataOutput id="po" name="result"/></bpmn:ioSpecification>'
    task = task_of("a", more=IN + arrow("Input", "pi", "in") + arrow("Output", "out", "po"))
    run = begun(of_process + path(task, ids=("a",)), {"given": 3})
    assert run.visible(next(iter(run.waits)))["wanted"] == 3
    run.complete(next(iter(run.waits)), {"made": 9})
    run.advance()
    assert run.completed and run.variables() == {"given": 3, "result": 9, "made": 9}


def test_states_and_the_mark_of_a_collection_are_documentation():
    marked = ORDER.replace('name="order"', 'name="order" isCollection="true"').replace(
        'name="the order"/>', 'name="the order"><bpmn:dataState name="paid"/></bpmn:dataObjectReference>'
    )
    assert begun(path(marked, task_of("a"), ids=("a",))).variables() == {"order": None}


# --- data stores --------------------------------------------------------------------------------
STORE = '<bpmn:dataStore id="stock" name="Stock of parts"/>'
SHELF = '<bpmn:dataStoreReference id="shelf" name="shelf" dataStoreRef="stock"/>'


def storing(transformation: str = "", key: str = "small") -> bytes:
    """Sees what the store holds as `wanted` and puts `made` there, or what the transformation says."""
    task = task_of("a", more=IN + arrow("Input", "shelf", "in") + arrow("Output", "out", "shelf", transformation))
    return model(SHELF + path(task, ids=("a",)), key=key, roots=STORE)


def sees(room, case: str) -> dict:
    with room.platform.read(people.SYSTEM) as work:
        run = runtime.load(work, case).execution
        return run.visible(next(iter(run.waits)))


def held(room) -> dict[str, object]:
    with room.platform.work(people.SYSTEM) as work:
        return {row["name"]: (row["value"], row["version"]) for row in work.all(select(data_store))}


def finish(room, case: str, **values) -> None:
    with room.platform.work(people.SYSTEM) as work:
        loaded = runtime.load(work, case)
        loaded.execution.complete(next(iter(loaded.execution.waits)), values)
        runtime.settle(work, loaded)


@pytest.mark.element("userTask")
def test_a_data_store_is_shared_by_processes_and_outlives_their_cases(shared):
    shared.deploy(small=storing(), other=storing(key="other"))
    first, late = shared.start(), shared.start("other")
    assert sees(shared, first)["wanted"] is None
    finish(shared, first, made={"bolts": 7})
    assert shared.row(first)["state"] == "completed" and held(shared) == {"Stock of parts": ({"bolts": 7}, 1)}
    assert sees(shared, late)["wanted"] is None and sees(shared, shared.start("other"))["wanted"] == {"bolts": 7}


def test_what_is_put_into_a_data_store_may_be_made_of_what_it_holds_and_is_written_in_the_log(shared):
    shared.deploy(small=storing("get or else(shelf, 0) + made"))
    cases = [shared.start() for _ in range(3)]
    for case in cases:
        finish(shared, case, made=2)
    assert held(shared) == {"Stock of parts": (6, 3)}
    with shared.platform.read(people.SYSTEM) as work:
        said = [row["data"] for row in work.all(select(event).where(event.c.type == "data.stored").order_by(event.c.at))]
    assert said == [{"store": "Stock of parts", "version": n} for n in (1, 2, 3)]


def test_cases_that_add_to_one_data_store_at_the_same_time_lose_nothing(shared):
    shared.deploy(small=storing("get or else(shelf, 0) + made"))
    cases = [shared.start() for _ in range(12)]
    with ThreadPoolExecutor(4) as many:
        list(many.map(lambda case: finish(shared, case, made=1), cases))
    assert held(shared) == {"Stock of parts": (12, 12)}


def test_a_step_that_is_rolled_back_leaves_the_data_store_as_it_was(shared):
    shared.deploy(small=storing())
    case = shared.start()
    with pytest.raises(RuntimeError), shared.platform.work(people.SYSTEM) as work:
        loaded = runtime.load(work, case)
        loaded.execution.complete(next(iter(loaded.execution.waits)), {"made": 1})
        runtime.settle(work, loaded)
        raise RuntimeError("The machine stops.")
    assert held(shared)["Stock of parts"] == (None, 0)


def test_a_step_that_cannot_be_left_stores_once_although_it_is_tried_again():
    task = task_of("a", more=IN + arrow("Output", "out", "shelf", "get or else(shelf, 0) + made"))
    ends = '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>' + flow("s", "a") + flow("a", "e", "go")
    case = Case(model(SHELF + task + ends, key="p", roots=STORE), {"go": None}).do("a", made=1)
    assert case.incidents == ["a"]
    assert case.set(go=True).verb("retry", "a").completed and case.world.stores == {"Stock of parts": 1}


def test_events_read_and_write_data_stores_too():
    caught = (
        '<bpmn:intermediateCatchEvent id="c" name="c"><bpmn:dataOutput id="out" name="x"/>' + arrow("Output", "out", "shelf")
        + '<bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>'
    )  # fmt: skip
    thrown = (
        '<bpmn:intermediateThrowEvent id="t" name="t"><bpmn:dataInput id="in" name="payload"/>' + arrow("Input", "shelf", "in")
        + '<bpmn:signalEventDefinition signalRef="g"/></bpmn:intermediateThrowEvent>'
    )  # fmt: skip
    case = Case(model(SHELF + path(caught, thrown, ids=("c", "t")), key="p", roots=STORE + '<bpmn:signal id="g" name="G"/>'))
    case.fire("c", x=4)
    assert case.completed and case.world.stores == {"Stock of parts": 4}
    assert [one.variables for one in case.thrown] == [{"payload": 4}]


def test_each_child_of_a_repeated_activity_stores_once():
    loop = '<bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>3</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>'
    task = task_of("a", more=IN + arrow("Output", "out", "shelf", "get or else(shelf, 0) + made") + loop)
    case = Case(model(SHELF + path(task, ids=("a",)), key="p", roots=STORE))
    case.do("a", made=1).do("a", made=2).do("a", made=3)
    assert case.completed and case.world.stores == {"Stock of parts": 6}


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


@pytest.fixture(params=BOTH)
def shared(request, tmp_path):
    database = ""
    if request.param == "postgresql":
        from tests.services import fresh_postgresql

        database = fresh_postgresql()
    one = Room(tmp_path / "var", database)
    yield one
    one.close()


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


@pytest.mark.parametrize("inside", [False, True])
def test_a_plain_start_event_writes_its_outputs(inside):
    body = (
        '<startEvent id="s"><extensionElements><zeebe:ioMapping><zeebe:output source="=a + 1" target="b"/></zeebe:ioMapping>'
        '</extensionElements></startEvent><userTask id="t"/><sequenceFlow id="f" sourceRef="s" targetRef="t"/>'
    )
    outer = f'<startEvent id="o"/><subProcess id="u">{body}</subProcess><sequenceFlow id="g" sourceRef="o" targetRef="u"/>'
    data = (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
        f'targetNamespace="t"><process id="p" isExecutable="true">{outer if inside else body}</process></definitions>'
    )
    assert Case(data.encode(), {"a": 1}).variables == {"a": 1, "b": 2}
