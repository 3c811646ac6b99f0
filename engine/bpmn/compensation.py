"""Undoing: compensation as the model draws it, and returning a case to an earlier step.

What completes and can be compensated is noted in its scope, in order. A throw undoes one activity or all
of its scope in reverse order of completion, one handler after the other, each in the scope in which its
activity ran; scopes of completed sub-processes are kept for that. The throwing token waits until all is
undone, or goes on where the model says so (`waitForCompletion`). Returning to an earlier step cancels what
lies behind it, undoes what was completed there, gives joins back what other branches had brought, and only
then enters the step again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.bpmn.machine import READY, STARTED, WAITING
from engine.bpmn.model import Element
from engine.bpmn.scopes import Scope
from engine.errors import Conflict

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution
    from engine.bpmn.machine import Token


def note(run: Execution, token: Token) -> None:
    """Write down that an activity has completed, if the model says how to undo it or what was done in it."""
    own = run.inner(token)
    handler = _handler(token.element)
    if handler is not None:
        _add(run, token.scope, {"of": token.element.id, "handler": handler.id})
    elif own is not token.scope and can_be_undone(own, token.element):
        keep(run, token.scope, own, token.element.id)


def can_be_undone(own: Scope, element: Element) -> bool:
    """Whether there is anything to undo in a scope that has completed, or it says itself how."""
    return bool(own.data.get("done")) or ("body" not in own.data and _undoing(element) is not None)


def keep(run: Execution, scope: Scope, own: Scope, element_id: str) -> None:
    """Keep a completed sub-process's scope, since what was done in it may have to be undone."""
    own.data["kept"] = True
    own.data.pop("owner", None)
    run.scope_changed(own)
    _add(run, scope, {"of": element_id, "scope": own.id})


def throw(run: Execution, token: Token, activity: str | None) -> bool:
    """Undo `activity`, or all of the scope that the throw stands in. True when there is nothing to undo."""
    scope = _scope_of_throw(run, token)
    records = _take(run, scope, None if activity is None else {activity})
    return begin(run, token, scope, records, "finish")


def throw_beside(run: Execution, token: Token, activity: str | None) -> None:
    """The same, while the thrower goes on: a token of its own waits for the handlers and keeps the scope alive."""
    scope = _scope_of_throw(run, token)
    records = _take(run, scope, None if activity is None else {activity})
    if records:
        begin(run, _standing(run, token.element, token.scope), scope, records, "vanish")


def _standing(run: Execution, element: Element, scope: Scope) -> Token:
    """A new token that stands at an element and does not enter it yet."""
    token = run.begin(element, scope)
    run.queue.remove(token)
    token._set_state(STARTED)
    return token


def begin(run: Execution, token: Token, scope: Scope, records: list[dict], then: str) -> bool:
    """Undo `records` one by one on behalf of `token`, which does `then` afterwards. True when there are none."""
    if not records:
        return True
    token.memo["undo"] = [record | {"in": scope.id} for record in reversed(records)]
    token.memo["then"] = then
    next_one(run, token)
    return False


def next_one(run: Execution, token: Token) -> None:
    """Begin the next handler; when there is none left, the token goes on with what it was to do then."""
    todo = token.memo["undo"]
    while todo:
        record = todo.pop(0)
        run.touch(token)
        if "handler" in record:
            handler = run.process.elements[record["handler"]]
            started = {"starts": handler.starter.id, "fired": {}} if handler.triggered_by_event else {}
            run.begin(handler, run.scopes[record["in"]], {"for": token.id} | started)
            return
        if "close" in record:
            run.close_scope(run.scopes[record["close"]])
            continue
        inner = run.scopes[record["scope"]]
        token.memo["undo"] = todo = [*_within(run, inner), {"close": inner.id}, *todo]
    del token.memo["undo"]
    _then(run, token, token.memo.pop("then"))


def give_up(run: Execution, token: Token) -> None:
    """Whoever asked to undo is cancelled: the handler that runs for it ends, and what was kept for it is let go."""
    for one in [t for t in run.tasks.values() if t.memo.get("for") == token.id]:
        run.drop(one)
    for record in token.memo.pop("undo"):
        kept = record.get("scope", record.get("close"))
        if kept in run.scopes:
            run.close_scope(run.scopes[kept])


def handled(run: Execution, token: Token) -> None:
    """A handler is done: whoever asked for it goes on."""
    asked = run.tasks.get(token.memo["for"])
    run.remove(token)
    run.say("element.completed", token, {"compensation": True})
    if asked is not None:
        next_one(run, asked)


def cancel_transaction(run: Execution, token: Token) -> bool | None:
    """A cancel end event: everything in the transaction stops and is undone, then its cancel boundary is taken."""
    scope = token.scope
    for one in sorted(scope.tokens | scope.listeners):
        if one != token.id and one in run.tasks:
            run.drop(run.tasks[one])
    if begin(run, token, scope, _take(run, scope, None), "cancel"):
        _then(run, token, "cancel")
    return None


# --- returning to an earlier step ---------------------------------------------------------------------
def way_back(run: Execution, token: Token, target: Element) -> tuple[Token, Element, set[str]]:
    """Who returns to what, and what lies behind that. Raises Conflict when the case did not come from there."""
    if target.kind == "boundaryEvent" or target.triggered_by_event or target.for_compensation:
        raise Conflict("The case cannot return to '%(element)s' from here.", element=target.name or target.id)
    here, target = _common(run, token, target)
    reach = _reachable(target)
    if here.element is not target and here.element.id not in reach:
        raise Conflict("The case did not come here from '%(element)s'.", element=target.name or target.id)
    return here, target, reach


def send_back(run: Execution, token: Token, target: Element) -> None:
    """Cancel what lies behind `target` on the way to `token`, undo it, and enter `target` again."""
    here, target, reach = way_back(run, token, target)
    scope = here.scope
    for one in sorted(scope.tokens):
        other = run.tasks.get(one)
        if other is not None and other is not here and _lies_behind(other, target, reach):
            run.drop(other)
    run.drop(here)
    _give_back_to_joins(run, scope, target, reach)
    records = _take(run, scope, reach | {target.id})
    if records:
        begin(run, _standing(run, target, scope), scope, records, "enter")
    else:
        run.begin(target, scope)


def _common(run: Execution, token: Token, target: Element) -> tuple[Token, Element]:
    """The token around `token` and the element around `target` that stand in the same scope, innermost first."""
    while True:
        here = run.upward(token, target.parent)
        if here is not None:
            return here, target
        if target.parent is run.process.root:
            raise Conflict("The case cannot return to '%(element)s' from here.", element=target.name or target.id)
        target = target.parent


def _lies_behind(token: Token, target: Element, reach: set[str]) -> bool:
    """Whether a token came, or may have come, through `target`; one that waits at a join is judged by its flow."""
    if token.state == WAITING and "via" in token.memo:
        source = next(f.source for f in token.element.incoming if f.id == token.memo["via"])
        return source is target or source.id in reach
    return token.element is target or token.element.id in reach


def _give_back_to_joins(run: Execution, scope: Scope, target: Element, reach: set[str]) -> None:
    """A parallel join that has fired gets back the tokens of the branches that are not walked again."""
    for join_id in list(scope.data.get("fired", ())):
        join = run.process.elements[join_id]
        if join_id not in reach:
            continue
        for flow in join.incoming:
            comes_again = flow.source is target or flow.source.id in reach
            if not comes_again and not _will_come(run, scope, join, flow):
                run.begin(join, scope, via=flow)
        scope.data["fired"] = [one for one in scope.data["fired"] if one != join_id]
        run.scope_changed(scope)


def _will_come(run: Execution, scope: Scope, join: Element, flow) -> bool:
    waiting = run.joining.get((scope.id, join.id), {})
    if waiting.get(flow.id):
        return True
    live = (run.tasks[one].element for one in scope.tokens if one in run.tasks)
    return any(one is flow.source or flow.source.id in _reachable(one) for one in live if one is not join)


def _reachable(start: Element) -> set[str]:
    """Ids of the elements that lie behind `start` in its own scope."""
    found: set[str] = set()
    rest = [start]
    while rest:
        one = rest.pop()
        after = [flow.target for flow in one.outgoing] + _linked(one)
        after += [flow.target for boundary in one.boundaries for flow in boundary.outgoing] + one.boundaries
        for other in after:
            if other.id not in found:
                found.add(other.id)
                rest.append(other)
    return found


def _linked(throw: Element) -> list[Element]:
    """The link to which a link throw leads."""
    if throw.kind != "intermediateThrowEvent" or throw.event != "link":
        return []
    catching = (s for s in throw.siblings if s.kind == "intermediateCatchEvent" and s.event == "link")
    return [s for s in catching if throw in s.node.throwers]


# --- helpers ------------------------------------------------------------------------------------------
def _handler(element: Element) -> Element | None:
    return next((one.handler for one in element.boundaries if one.event == "compensation" and one.handler), None)


def _add(run: Execution, scope: Scope, record: dict) -> None:
    scope.data.setdefault("done", []).append(record)
    run.scope_changed(scope)


def _take(run: Execution, scope: Scope, wanted: set[str] | None) -> list[dict]:
    """The records of these activities, in order of completion; they are taken out, since nothing is undone twice."""
    done = scope.data.get("done", [])
    taken = [record for record in done if wanted is None or record["of"] in wanted]
    scope.data["done"] = [record for record in done if record not in taken]
    run.scope_changed(scope)
    return taken


def _within(run: Execution, inner: Scope) -> list[dict]:
    """What undoing a completed sub-process means: its own compensation event sub-process, else each in reverse."""
    element = run.process.elements[inner.element_id]
    own = _undoing(element)
    if own is not None and "body" not in inner.data:
        return [{"of": own.id, "handler": own.id, "in": inner.id}]
    return [record | {"in": inner.id} for record in reversed(_take(run, inner, None))]


def _undoing(element: Element) -> Element | None:
    """The event sub-process that says how a scope is undone."""
    return next((s for s in element.event_subprocesses if s.starter and s.starter.event == "compensation"), None)


def _scope_of_throw(run: Execution, token: Token) -> Scope:
    """Where the throw looks: its own scope; from within an event sub-process the one around it."""
    owner = run.owner(token.scope)
    if owner is not None and owner.element.triggered_by_event:
        return owner.scope
    return token.scope


def _then(run: Execution, token: Token, then: str) -> None:
    if then == "finish":
        run.attempt(token, "finish")
    elif then == "enter":
        token._set_state(READY)
        run.queue.append(token)
    elif then == "vanish":
        run.remove(token)
        run.settle(token.scope)
    else:
        _leave_cancelled(run, token)


def _leave_cancelled(run: Execution, token: Token) -> None:
    owner = run.owner(token.scope)
    while "child" in owner.memo:  # one child cancels them all
        owner = run.owner(owner.scope)
    boundary = next((one for one in owner.element.boundaries if one.event == "cancel"), None)
    if boundary is None:
        run.stop(
            token,
            "error",
            f"'{owner.element.name or owner.element.id}' was cancelled, but has no cancel boundary event.",
        )
        return
    scope = owner.scope
    run.say("element.completed", token)
    run.drop(owner)
    run.begin(boundary, scope, {"fired": {}})
