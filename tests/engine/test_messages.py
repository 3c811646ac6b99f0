"""Messages and signals between instances: who gets one, how long it waits, and what a suspended case finds later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from engine import bpmn, people, repository, runtime
from engine.errors import Conflict
from engine.schema import incident, instance, task
from tests.engine.small import Room, flow, message, model, path, task_of

GO = message("m", "Go")


@pytest.fixture
def room(tmp_path):
    one = Room(tmp_path / "var")
    yield one
    one.close()


def event(tag: str, key: str, inner: str, more: str = "") -> str:
    return f'<bpmn:{tag} id="{key}" name="{key}" {more}>{inner}</bpmn:{tag}>'


MESSAGE = '<bpmn:messageEventDefinition messageRef="m"/>'
SIGNAL = '<bpmn:signalEventDefinition signalRef="g"/>'
CATCH = model(path(event("intermediateCatchEvent", "c", MESSAGE), task_of("a"), ids=("c", "a")), roots=GO)
ROOTS = GO + '<bpmn:signal id="g" name="Fire"/>'
LISTENS = model(
    path(task_of("w"), event("boundaryEvent", "b", MESSAGE, 'attachedToRef="w" cancelActivity="false"'), task_of("a"), ids=("w",)) + flow("b", "a"),
    roots=ROOTS,
)  # fmt: skip
HEARS = model(path(event("intermediateCatchEvent", "c", SIGNAL), task_of("a"), ids=("c", "a")), roots=ROOTS)


def publish(room, key: str | None = "k", **more):
    with room.platform.work(people.SYSTEM) as work:
        return runtime.publish(work, "Go", key, more.pop("variables", {}), **more)


def broadcast(room):
    with room.platform.work(people.SYSTEM) as work:
        return runtime.broadcast(work, "Fire", {"heard": True})


def rest(room, case: str, verb) -> None:
    with room.platform.work(room.actor("ada")) as work:
        verb(work, case, "The office is closed.")


def waiting(room, case: str) -> list[str]:
    with room.platform.read(people.SYSTEM) as work:
        return sorted(w.element_id for w in runtime.load(work, case).execution.waits.values() if w.kind == "user")


def test_a_message_to_a_suspended_case_is_delivered_when_it_goes_on(room):
    room.deploy(small=CATCH)
    case = room.start(variables={"key": "k"})
    rest(room, case, runtime.suspend)
    assert publish(room, variables={"x": 1})["correlated"] == [case]
    room.beat(days=30)
    assert waiting(room, case) == []
    rest(room, case, runtime.resume)
    room.beat()
    assert waiting(room, case) == ["a"] and room.variables(case)["x"] == 1


def test_a_signal_that_a_suspended_case_would_have_heard_is_heard_when_it_goes_on(room):
    room.deploy(small=HEARS)
    case = room.start()
    rest(room, case, runtime.suspend)
    assert broadcast(room) == [case]
    rest(room, case, runtime.resume)
    room.beat()
    assert waiting(room, case) == ["a"] and room.variables(case)["heard"] is True


def test_each_message_to_a_suspended_case_comes_through_and_none_twice(room):
    room.deploy(small=LISTENS)
    case = room.start(variables={"key": "k"})
    rest(room, case, runtime.suspend)
    for n in range(3):
        publish(room, message_id=f"n{n}", ttl=timedelta(days=1))
    publish(room, message_id="n1", ttl=timedelta(days=1))
    rest(room, case, runtime.resume)
    for _ in range(5):
        room.beat()
    assert waiting(room, case) == ["a", "a", "a", "w"]


def test_what_a_suspended_case_no_longer_waits_for_when_it_goes_on_is_dropped(room):
    room.deploy(small=LISTENS)
    case = room.start(variables={"key": "k"})
    rest(room, case, runtime.suspend)
    publish(room)
    with room.platform.work(room.actor("ada")) as work:
        runtime.cancel(work, case, "It is no longer needed.")
    room.beat()
    assert room.row(case)["state"] == "cancelled"


def test_an_event_that_does_not_interrupt_takes_every_message_that_was_kept_for_it(room):
    room.deploy(small=LISTENS)
    for n in range(3):
        publish(room, message_id=f"n{n}")
    case = room.start(variables={"key": "k"})
    for _ in range(5):
        room.beat()
    assert waiting(room, case) == ["a", "a", "a", "w"]


def test_a_message_waits_for_its_time_to_live_and_no_longer(room):
    room.deploy(small=CATCH)
    publish(room, ttl=timedelta(minutes=5))
    room.beat(minutes=6)
    late = room.start(variables={"key": "k"})
    room.beat()
    assert waiting(room, late) == []
    publish(room, ttl=timedelta(0), key="other")
    other = room.start(variables={"key": "other"})
    room.beat()
    assert waiting(room, other) == []


def test_a_message_with_the_id_of_an_earlier_one_is_dropped(room):
    room.deploy(small=CATCH)
    assert publish(room, message_id="once")["message"]
    assert publish(room, message_id="once") == {"message": None, "correlated": []}


def test_a_message_goes_to_one_case_of_each_process_and_begins_none_of_a_process_that_has_it(room):
    begins = model(
        event("startEvent", "s", MESSAGE) + event("intermediateCatchEvent", "c", MESSAGE) + task_of("a") + flow("s", "c") + flow("c", "a"),
        roots=GO,
    )  # fmt: skip
    room.deploy(small=begins, other=model(CATCH.decode().split("isExecutable=\"true\">")[1].split("</bpmn:process>")[0], key="other", roots=GO))
    first = publish(room, variables={"key": "k"})["correlated"]
    waits = room.start("other", {"key": "k"})
    room.beat()
    assert len(first) == 1 and waiting(room, waits) == []
    assert sorted(publish(room)["correlated"]) == sorted([*first, waits])


def test_a_start_event_that_waits_for_several_messages_begins_one_case_with_all_of_them(room):
    both = model(
        event("startEvent", "s", MESSAGE + '<bpmn:messageEventDefinition messageRef="n"/>', 'parallelMultiple="true"')
        + task_of("a") + flow("s", "a"),
        roots='<bpmn:message id="m" name="Go"/><bpmn:message id="n" name="Now"/>',
    )  # fmt: skip
    room.deploy(small=both)
    (case,) = publish(room, key=None, variables={"x": 1})["correlated"]
    assert waiting(room, case) == []
    with room.platform.work(people.SYSTEM) as work:
        assert runtime.publish(work, "Now", None, {"y": 2})["correlated"] == [case]
    assert waiting(room, case) == ["a"] and {"x": 1, "y": 2}.items() <= room.variables(case).items()


def test_a_process_that_calls_itself_twice_ends_at_the_limit(room, monkeypatch):
    monkeypatch.setattr(runtime, "INSTANCES", 100)
    call = '<bpmn:callActivity id="{0}" name="{0}"><bpmn:extensionElements><zeebe:calledElement processId="small"/></bpmn:extensionElements></bpmn:callActivity>'
    twice = path(call.format("x"), ids=("x",)) + call.format("y") + flow("s", "y") + flow("y", "e")
    room.deploy(small=model(twice))
    with pytest.raises(Conflict, match="100 instances"):
        room.start()


def test_people_may_begin_at_any_start_event_without_a_trigger_and_at_no_other(room):
    several = path(task_of("a"), ids=("a",)) + event("startEvent", "s2", "") + task_of("b") + flow("s2", "b")
    several += event("startEvent", "s3", MESSAGE) + flow("s3", "b") + flow("b", "e")
    room.deploy(small=model(several, roots=GO))
    with room.platform.work(room.actor("ada")) as work:
        second = runtime.start(work, "small", {}, element_id="s2")["id"]
        first = runtime.start(work, "small", {})["id"]
    assert waiting(room, first) == ["a"] and waiting(room, second) == ["b"]
    with pytest.raises(Exception, match="cannot begin"), room.platform.work(room.actor("ada")) as work:
        runtime.start(work, "small", {}, element_id="s3")


# --- pools --------------------------------------------------------------------------------------
ORDER = (
    '<bpmn:message id="order" name="Order"><bpmn:extensionElements><zeebe:subscription correlationKey="=number"/>'
    "</bpmn:extensionElements></bpmn:message>"
)


def pools(buyer: str, seller: str, flows: str, executable: str = "true") -> bytes:
    """Two processes in one file, joined by message flows."""
    collaboration = (
        '<bpmn:collaboration id="c"><bpmn:participant id="p1" processRef="buyer"/><bpmn:participant id="p2" processRef="seller"/>'
        f"{flows}</bpmn:collaboration>"
    )
    other = f'<bpmn:process id="seller" name="seller" isExecutable="{executable}">{seller}</bpmn:process>'
    return model(buyer, key="buyer", roots=ORDER + GO + collaboration).replace(b"</bpmn:definitions>", f"{other}</bpmn:definitions>".encode())


def message_flow(source: str, target: str, ref: str = "") -> str:
    return f'<bpmn:messageFlow id="{source}_{target}" sourceRef="{source}" targetRef="{target}"{ref}/>'


SENDS = path(event("intermediateThrowEvent", "t", '<bpmn:messageEventDefinition/>', ""), ids=("t",))
NAMED = '<bpmn:messageEventDefinition messageRef="order"/>'


def begins(trigger: str) -> str:
    return event("startEvent", "begin", trigger) + task_of("serve") + event("endEvent", "stop", "") + flow("begin", "serve") + flow("serve", "stop")


@pytest.mark.parametrize(("seller", "ref"), [(begins(NAMED), ""), (begins("<bpmn:messageEventDefinition/>"), ' messageRef="order"')])
def test_a_message_flow_from_a_throw_begins_the_process_of_another_pool(room, seller, ref):
    room.deploy(both=pools(SENDS, seller, message_flow("t", "begin", ref)))
    room.start("buyer", {"number": "7"})
    room.beat()
    assert set(room.open_tasks()) == {"serve"}


def test_a_conversation_of_two_pools_goes_to_the_case_that_it_is_about(room):
    buyer = path(
        event("sendTask", "t", "", 'messageRef="order"').replace('name="t"', 'name="t"'),
        event("receiveTask", "answer", ""), task_of("pay"), ids=("t", "answer", "pay"),
    )  # fmt: skip
    buyer = buyer.replace('<bpmn:sendTask id="t" name="t" messageRef="order"></bpmn:sendTask>', (
        '<bpmn:sendTask id="t" name="t" messageRef="order"><bpmn:extensionElements><zeebe:ioMapping><zeebe:input source="=key" target="key"/>'
        "</zeebe:ioMapping></bpmn:extensionElements></bpmn:sendTask>"
    ))  # fmt: skip
    seller = event("startEvent", "begin", NAMED) + task_of("serve") + event("endEvent", "told", MESSAGE) + flow("begin", "serve") + flow("serve", "told")
    room.deploy(both=pools(buyer, seller, message_flow("t", "begin") + message_flow("told", "answer")))
    first, second = (room.start("buyer", {"number": n, "key": n}) for n in ("1", "2"))
    room.beat()
    with room.platform.read(people.SYSTEM) as work:
        serving = next(r for r in work.all(select(task)) if r["element_id"] == "serve" and sees_key(work, r) == "2")
    room.complete("serve", root_id=serving["root_id"])
    for _ in range(3):
        room.beat()
    assert waiting(room, first) == [] and waiting(room, second) == ["pay"]


def sees_key(work, row) -> str:
    return runtime.load(work, row["instance_id"]).execution.variables()["key"]


def test_a_message_flow_that_joins_different_messages_is_refused(room):
    thrown = path(event("intermediateThrowEvent", "t", MESSAGE), ids=("t",))
    found = bpmn.parse(pools(thrown, begins(NAMED), message_flow("t", "begin"))).problems
    assert [(p.where, p.rule) for p in found if p.severity == "error"] == [("t_begin", "bpmn.message-flow")]
    drawn = bpmn.parse(pools(thrown, begins(NAMED), message_flow("t", "begin"), executable="false")).problems
    assert [p.rule for p in drawn if p.severity == "error"] == []


def test_a_message_flow_to_a_pool_or_to_nothing_moves_nothing(room):
    assert not [p for p in bpmn.parse(pools(path(task_of("a"), ids=("a",)), begins(NAMED), message_flow("a", "p2") + message_flow("a", "gone"))).problems
                if p.severity == "error"]  # fmt: skip


# --- who begins, who is asked -------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["message", "signal"])
def test_a_process_that_was_retired_is_begun_by_nothing_any_more(room, kind):
    room.deploy(small=model(begins(MESSAGE if kind == "message" else SIGNAL), roots=ROOTS))
    with room.platform.work(room.actor("ada")) as work:
        repository.retire(work, repository.latest(work, "small")["id"], "It was replaced.")
    assert (publish(room)["correlated"] if kind == "message" else broadcast(room)) == []


def test_one_event_may_throw_the_same_message_to_two_receivers(room):
    two = '<bpmn:message id="m2" name="Go"><bpmn:extensionElements><zeebe:subscription correlationKey="=other"/></bpmn:extensionElements></bpmn:message>'
    thrown = event("intermediateThrowEvent", "t", MESSAGE + MESSAGE.replace('"m"', '"m2"'))
    listens = path(event("intermediateCatchEvent", "c", MESSAGE), task_of("a"), ids=("c", "a"))
    room.deploy(small=model(path(thrown, ids=("t",)), roots=GO + two), other=model(listens, key="other", roots=GO))
    waits = [room.start("other", {"key": key}) for key in ("1", "2")]
    room.start(variables={"key": "1", "other": "2"})
    room.beat()
    assert [waiting(room, case) for case in waits] == [["a"], ["a"]]


def test_an_error_goes_outward_through_every_caller_until_one_catches_it(room):
    call = '<bpmn:callActivity id="c" name="c"><bpmn:extensionElements><zeebe:calledElement processId="{}"/></bpmn:extensionElements></bpmn:callActivity>'
    error = '<bpmn:errorEventDefinition errorRef="x"/>'
    fails = model(event("startEvent", "s", "") + event("endEvent", "e", error) + flow("s", "e"), key="inner", roots='<bpmn:error id="x" errorCode="X"/>')
    outer = path(call.format("middle"), ids=("c",)) + event("boundaryEvent", "b", error, 'attachedToRef="c"') + task_of("mend") + flow("b", "mend")
    room.deploy(
        inner=fails, middle=model(path(call.format("inner"), ids=("c",)), key="middle"),
        small=model(outer + flow("mend", "e"), roots='<bpmn:error id="x" errorCode="X"/>'),
    )  # fmt: skip
    case = room.start()
    assert waiting(room, case) == ["mend"]
    with room.platform.read(people.SYSTEM) as work:
        states = {row["process_key"]: row["state"] for row in work.all(select(instance))}
        assert states == {"small": "active", "middle": "cancelled", "inner": "cancelled"}
        assert work.all(select(incident)) == []
