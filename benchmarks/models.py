"""The models that are measured: the same drawing for us and for the peers.

`chain` is a case of ten user tasks with a decision between each two; `loop` goes round one user task as
often as it is told; `votes` is a multi-instance task. Peers get the same elements in their own dialect:
SpiffWorkflow reads conditions as Python.
"""

from __future__ import annotations

HEAD = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'id="bench" targetNamespace="https://bizday.example/bench">'
    '<bpmn:process id="{id}" name="{id}" isExecutable="true">{body}</bpmn:process></bpmn:definitions>'
)
TASKS = 10


def _flow(source: str, target: str, condition: str = "") -> str:
    inner = f'<bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">{condition}</bpmn:conditionExpression>'
    return (
        f'<bpmn:sequenceFlow id="{source}_{target}" sourceRef="{source}" targetRef="{target}">'
        f"{inner if condition else ''}</bpmn:sequenceFlow>"
    )


def _task(key: str, ours: bool, loop: str = "") -> str:
    who = '<bpmn:extensionElements><zeebe:assignmentDefinition assignee="bench"/></bpmn:extensionElements>'
    return f'<bpmn:userTask id="{key}" name="{key}">{who if ours else ""}{loop}</bpmn:userTask>'


def chain(*, ours: bool) -> bytes:
    """Ten user tasks; after each an exclusive gateway asks whether the case goes on."""
    condition = "=go = true" if ours else "go == True"
    body = '<bpmn:startEvent id="start"/><bpmn:endEvent id="end"/><bpmn:endEvent id="stopped"/>' + _flow("start", "t0")
    for n in range(TASKS):
        following = f"t{n + 1}" if n + 1 < TASKS else "end"
        body += _task(f"t{n}", ours) + f'<bpmn:exclusiveGateway id="g{n}" default="g{n}_stopped"/>'
        body += _flow(f"t{n}", f"g{n}") + _flow(f"g{n}", following, condition) + _flow(f"g{n}", "stopped")
    return HEAD.format(id="bench_chain", body=body).encode()


def loop(*, ours: bool) -> bytes:
    """One user task that is done again until `go` is false."""
    condition = "=go = true" if ours else "go == True"
    body = (
        '<bpmn:startEvent id="start"/><bpmn:exclusiveGateway id="again"/><bpmn:endEvent id="end"/>'
        + _task("work", ours)
        + '<bpmn:exclusiveGateway id="more" default="more_end"/>'
        + _flow("start", "again") + _flow("again", "work") + _flow("work", "more")
        + _flow("more", "again", condition) + _flow("more", "end")
    )  # fmt: skip
    return HEAD.format(id="bench_loop", body=body).encode()


def votes() -> bytes:
    """As many votes as `voters` has entries, all at once."""
    characteristics = (
        "<bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements>"
        '<zeebe:loopCharacteristics inputCollection="=voters" inputElement="voter" outputCollection="votes" '
        'outputElement="=vote"/></bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>'
    )
    body = (
        '<bpmn:startEvent id="start"/><bpmn:endEvent id="end"/>'
        + _task("vote", True, characteristics) + _flow("start", "vote") + _flow("vote", "end")
    )  # fmt: skip
    return HEAD.format(id="bench_votes", body=body).encode()
