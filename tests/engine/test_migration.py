"""Moving an instance to another version: tokens, drafts and due moments stay, what has no place is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine import bpmn
from engine.errors import Invalid

HEAD = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">{roots}'
    '<bpmn:process id="p" isExecutable="true">{body}</bpmn:process></bpmn:definitions>'
)


class World:
    now = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    zone = UTC


def flow(source: str, target: str) -> str:
    return f'<bpmn:sequenceFlow id="{source}-{target}" sourceRef="{source}" targetRef="{target}"/>'


def process(body: str, roots: str = "") -> bpmn.Process:
    model = bpmn.parse(HEAD.format(body=body, roots=roots).encode())
    assert not [p for p in model.problems if p.severity == "error"], [str(p) for p in model.problems]
    return model.processes["p"]


def begun(one: bpmn.Process, variables=None) -> bpmn.Execution:
    run = bpmn.start(one, World(), variables or {})
    run.advance()
    run.take()
    return run


def moved(run: bpmn.Execution, new: bpmn.Process, mapping=None) -> bpmn.Execution:
    again = bpmn.migration.migrate(run.state(), run.process, new, World(), mapping or {})
    again.advance()
    return again


def waiting(run: bpmn.Execution) -> list[tuple[str, str]]:
    return sorted((wait.kind, wait.element_id) for wait in run.waits.values())


SIMPLE = '<bpmn:startEvent id="s"/><bpmn:userTask id="a"/><bpmn:endEvent id="e"/>' + flow("s", "a") + flow("a", "e")
TIMER = (
    '<bpmn:boundaryEvent id="late" attachedToRef="a" cancelActivity="false"><bpmn:timerEventDefinition>'
    "<bpmn:timeDuration>PT{hours}H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>"
    '<bpmn:endEvent id="told"/>' + flow("late", "told")
)


def test_a_waiting_task_stays_the_same_token_and_goes_the_new_way():
    run = begun(process(SIMPLE))
    (token,) = run.waits
    longer = '<bpmn:startEvent id="s"/><bpmn:userTask id="a"/><bpmn:userTask id="b"/><bpmn:endEvent id="e"/>'
    again = moved(run, process(longer + flow("s", "a") + flow("a", "b") + flow("b", "e")))
    assert list(again.waits) == [token]
    again.complete(token, {})
    again.advance()
    assert waiting(again) == [("user", "b")]


def test_a_task_that_is_gone_is_refused_by_name_beforehand_and_mapped_when_asked():
    run = begun(process(SIMPLE))
    other = process(SIMPLE.replace('"a"', '"z"'))
    problems = bpmn.migration.check(run.state(), run.process, other, {})
    assert [(p.where, p.rule) for p in problems] == [("a", "migration.element")]
    with pytest.raises(Invalid, match="cannot be moved"):
        moved(run, other)
    assert waiting(moved(run, other, {"a": "z"})) == [("user", "z")]


def test_a_task_cannot_become_something_else():
    run = begun(process(SIMPLE))
    other = process(SIMPLE.replace('<bpmn:userTask id="a"/>', '<bpmn:manualTask id="a"/>'))
    assert [p.rule for p in bpmn.migration.check(run.state(), run.process, other, {})] == ["migration.element"]


def test_a_timer_keeps_its_moment_though_the_new_version_says_another():
    run = begun(process(SIMPLE + TIMER.format(hours=2)))
    due = [wait.due for wait in run.waits.values() if wait.kind == "timer"]
    again = moved(run, process(SIMPLE + TIMER.format(hours=9)))
    assert [wait.due for wait in again.waits.values() if wait.kind == "timer"] == due


def test_a_new_boundary_event_begins_to_listen_and_one_that_is_gone_stops():
    run = begun(process(SIMPLE))
    again = moved(run, process(SIMPLE + TIMER.format(hours=2)))
    assert waiting(again) == [("timer", "late"), ("user", "a")]
    assert [wait.kind for wait in again.take().opened] == ["timer"]


def test_a_message_that_is_called_otherwise_is_waited_for_under_its_new_name():
    body = (
        '<bpmn:startEvent id="s"/><bpmn:intermediateCatchEvent id="c"><bpmn:messageEventDefinition messageRef="m"/>'
        '</bpmn:intermediateCatchEvent><bpmn:endEvent id="e"/>' + flow("s", "c") + flow("c", "e")
    )
    root = (
        '<bpmn:message id="m" name="{name}"><bpmn:extensionElements><zeebe:subscription correlationKey="=key"/>'
        "</bpmn:extensionElements></bpmn:message>"
    )
    run = begun(process(body, root.format(name="old")), {"key": "1"})
    again = moved(run, process(body, root.format(name="new")))
    changes = again.take()
    assert changes.closed and [wait.message_name for wait in changes.opened] == ["new"]
    assert [wait.correlation_key for wait in again.waits.values()] == ["1"]


def test_a_token_at_a_join_keeps_the_flow_that_it_came_on():
    body = (
        '<bpmn:startEvent id="s"/><bpmn:parallelGateway id="f"/><bpmn:userTask id="a"/><bpmn:userTask id="b"/>'
        '<bpmn:parallelGateway id="j"/><bpmn:endEvent id="e"/>'
        + flow("s", "f") + flow("f", "a") + flow("f", "b") + flow("a", "j") + flow("b", "j") + flow("j", "e")
    )  # fmt: skip
    run = begun(process(body))
    first = next(t for t, wait in run.waits.items() if wait.element_id == "a")
    run.complete(first, {})
    run.advance()
    renamed = process(body.replace('id="a-j"', 'id="other"'))
    again = moved(run, renamed)
    assert waiting(again) == [("user", "b")]
    again.complete(next(iter(again.waits)), {})
    again.advance()
    assert again.completed


def test_votes_that_were_cast_are_kept():
    vote = (
        '<bpmn:startEvent id="s"/><bpmn:userTask id="v"><bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements>'
        '<zeebe:loopCharacteristics inputCollection="=[1, 2, 3]" inputElement="n" outputCollection="votes" '
        'outputElement="=said"/></bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics></bpmn:userTask>'
        '<bpmn:endEvent id="e"/>' + flow("s", "v") + flow("v", "e")
    )
    run = begun(process(vote), {"said": None})
    run.complete(next(iter(run.waits)), {"said": "yes"})
    run.advance()
    again = moved(run, process(vote.replace('id="v"', 'id="v" name="Vote"')))
    while again.waits:
        again.complete(next(iter(again.waits)), {"said": "no"})
        again.advance()
    assert again.variables()["votes"] == ["yes", "no", "no"]


def test_a_scope_that_an_event_sub_process_has_interrupted_listens_to_nothing_in_the_new_version_either():
    def taken_over(id: str, name: str) -> str:
        start = f'<bpmn:startEvent id="{id}-on"><bpmn:signalEventDefinition signalRef="{name}"/></bpmn:startEvent>'
        body = f'{start}<bpmn:userTask id="{id}-do"/>{flow(f"{id}-on", f"{id}-do")}'
        return f'<bpmn:subProcess id="{id}" triggeredByEvent="true">{body}</bpmn:subProcess>'

    roots = '<bpmn:signal id="M" name="M"/><bpmn:signal id="N" name="N"/>'
    body = f'<bpmn:startEvent id="s"/><bpmn:userTask id="a"/>{flow("s", "a")}{taken_over("one", "M")}'
    run = begun(process(body, roots))
    run.fire(next(token for token, wait in run.waits.items() if wait.kind == "signal"), {})
    run.advance()
    assert waiting(run) == [("user", "one-do")]
    assert waiting(moved(run, process(body, roots))) == [("user", "one-do")]
    assert waiting(moved(run, process(body + taken_over("two", "N"), roots))) == [("user", "one-do")]
