"""Errors and escalations find who catches them.

Both go outward from where they were thrown: first the boundary events of the activity, then the event
sub-processes of the scope that it stands in, then the activity around that scope, and so on. The nearest
wins; a catcher that names the code goes before one that catches all. An event sub-process never catches
what was thrown inside itself. SpiffWorkflow 3.2.0 hands an error to every sibling that would catch it
and ends an instance with an uncaught one as a success.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.bpmn.model import Element
from engine.bpmn.rows import Thrown

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution
    from engine.bpmn.machine import Token
    from engine.bpmn.scopes import Scope


def throw(run: Execution, token: Token, code: str | None, message: str, variables: dict[str, Any]) -> bool:
    """Hand an error to the nearest catcher. False when nothing in this instance catches it."""
    for here, catcher, scope in _catchers(run, token, "error", code):
        run.say("error.thrown", token, {"code": code, "message": message, "caught_by": catcher.id})
        if here is None:
            start_subprocess(run, scope, catcher, variables)
        else:
            trigger_boundary(run, here, catcher, variables)
        return True
    return False


def escalate(run: Execution, token: Token, code: str | None, variables: dict[str, Any]) -> bool:
    """Hand an escalation to the nearest catcher; one that nothing catches goes to the caller and is else forgotten."""
    for here, catcher, scope in _catchers(run, token, "escalation", code):
        run.say("escalation.thrown", token, {"code": code, "caught_by": catcher.id})
        if here is None:
            start_subprocess(run, scope, catcher, variables)
        else:
            trigger_boundary(run, here, catcher, variables)
        return True
    run.throw(Thrown("escalation", code or "", token.id, token.element.id, variables))
    return False


def trigger_boundary(run: Execution, host: Token, boundary: Element, variables: dict[str, Any]) -> None:
    """A boundary event has happened: its host ends when it interrupts, and a token leaves the boundary."""
    scope = host.scope
    if boundary.interrupting:
        run.drop(host)
    run.begin(boundary, scope, {"fired": variables})


def start_subprocess(run: Execution, scope: Scope, start: Element, variables: dict[str, Any]) -> None:
    """The start event of an event sub-process has happened in `scope`."""
    if start.interrupting:
        run.empty(scope)
    run.begin(start.parent, scope, {"starts": start.id, "fired": variables})


def _catchers(
    run: Execution, token: Token, kind: str, code: str | None
) -> Iterator[tuple[Token | None, Element, Scope]]:
    """(host or None for an event sub-process, its catching event, scope), outward."""
    here: Token | None = token
    while here is not None:
        if "child" not in here.memo:
            boundary = _fitting(here.element.boundaries, kind, code)
            if boundary is not None:
                yield here, boundary, here.scope
        if "body" not in here.scope.data:
            start = _fitting(_starts(run, here), kind, code)
            if start is not None:
                yield None, start, here.scope
        here = run.owner(here.scope)


def _starts(run: Execution, here: Token) -> list[Element]:
    """Event sub-processes that may still start where a token is: none where one has ended all else, and not itself."""
    inside = here.element if here.element.triggered_by_event else None
    if inside is not None and inside.starter.interrupting:
        return []
    around = run.process.elements.get(here.scope.element_id, run.process.root)
    return [one.starter for one in around.event_subprocesses if one is not inside and one.starter is not None]


def _fitting(events: list[Element], kind: str, code: str | None) -> Element | None:
    """The event that names the code, else the one that catches all."""
    every = None
    for one in events:
        for event in one.events:
            if event.kind == kind and event.name is None:
                every = every or one
            elif event.kind == kind and event.name.fixed == code:
                return one
    return every
