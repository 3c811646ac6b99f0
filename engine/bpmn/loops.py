"""Activities that are done many times: multi-instance, in parallel or one after the other, and loops.

The token of the activity opens a body: a scope that holds the counters, and a child token for each
time. Results stand in a row of their own until the body ends, so that the hundredth completion costs
what the first did; in memory they are together one list. After each child the completion condition is
asked in that child's scope. The five counters are variables of the body: loopCounter of the child, and
numberOfInstances, numberOfActiveInstances, numberOfCompletedInstances and numberOfTerminatedInstances.

A running multi-instance activity can be done once more for an item that was not thought of (`add_child`), and
an added item that was not done yet can be taken out again (`remove_child`). Both keep the collection, the
counters, the places of the results and the order of a sequence as if the activity had been entered so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.bpmn import compensation
from engine.bpmn.limits import ElementError, LimitExceeded
from engine.bpmn.model import Loop
from engine.bpmn.scopes import Scope, View, put

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution
    from engine.bpmn.machine import Token

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

__all__ = [
    "add_child", "added", "child_done", "given_names", "hand_over", "open_body", "put", "remaining", "remove_child",
    "restore_body",
]


def open_body(run: Execution, token: Token) -> bool | None:
    """Open the body and its first children. None: it waits for them; an empty one ends at once."""
    loop = token.element.loop
    items = None if loop.kind == "standard" else _items(run, token, loop)
    body = run.open_scope(token.scope, token.element, {"owner": token.id, "body": loop.kind})
    token.memo["scope"] = body.id
    run.say("element.activated", token)
    if loop.kind == "standard":
        return _open_standard(run, token, body, loop)
    total = len(items)
    body.data |= {"total": total, "begun": 0, "ended": 0}
    if loop.output_collection:
        body.derived[loop.output_collection] = [None] * total
    _count(body)
    if total == 0:
        return _end_soon(run, token)
    if loop.sequential:
        body.data["items"] = _keep_items(run, token, body, items)
        _begin_child(run, body, token.element, 0, items[0])
    else:
        for number, item in enumerate(items):
            _begin_child(run, body, token.element, number, item)
    return None


def given_names(element) -> tuple[str, ...]:
    """The variables that each child is given."""
    return ("loopCounter", *(name for name in (element.loop.element_variable, _result_name(element.loop)) if name))


def _result_name(loop: Loop) -> str | None:
    """The variable that a child's result is, or is a part of: each child has its own, as in Camunda 8."""
    said = loop.output_element.text.removeprefix("=").strip() if loop.output_element else ""
    return said.partition(".")[0] if _PATH.fullmatch(said) else None


def child_done(run: Execution, child: Token) -> None:
    """One time is over: keep its result, ask whether that is enough, begin the next or end."""
    body, element, loop = child.scope, child.element, child.element.loop
    own, number = run.inner(child), child.memo["child"]
    enough = _count_in(run, body, own, loop, number)
    if compensation.can_be_undone(own, element):
        compensation.keep(run, body, own, element.id)
    run.silence(child)
    _close_child(run, child, own)
    run.remove(child)
    run.say("element.completed", child, {"loopCounter": number + 1})
    try:
        _go_on(run, body, element, loop, number, enough)
    except ElementError as error:
        run.stop(run.owner(body), error.kind, error.sentence, retry="finish")


def hand_over(run: Execution, token: Token, body: Scope) -> None:
    """The body ends: its list of results goes outward."""
    name = token.element.loop.output_collection
    if name and name in body.derived:
        run.write(token.scope, {name: body.derived[name]}, token.element.id)


def restore_body(run: Execution, body: Scope) -> None:
    """Put the list of results together again after loading."""
    loop = run.process.elements[body.element_id].loop
    parts = [scope for scope in run.scopes.values() if scope.parent is body and "part" in scope.data]
    body.rows = [scope.id for scope in parts]
    if loop is None or not loop.output_collection or "total" not in body.data:
        return
    results: list[Any] = [None] * body.data["total"]
    for scope in parts:
        if scope.data["part"] != "items":
            results[scope.data["part"]] = scope.variables["value"]
    body.derived[loop.output_collection] = results


# --- adding and taking out --------------------------------------------------------------------------
def add_child(run: Execution, token: Token, item: Any, note: dict[str, Any], next_: bool = False) -> None:
    """Do the activity of `token`, one of its children, once more for `item`.

    In a sequence it comes last, or next after the child that is being done. The item joins the collection, when
    that is one variable, so that who counts over it counts it too. `note` is kept with it (see `added`).
    """
    body, element, loop = token.scope, token.element, token.element.loop
    _refuse_many(run, token, body.data["total"] + 1)
    place = body.data["begun"] if next_ and loop.sequential else body.data["total"]
    body.data["total"] += 1
    body.data["added"] = [*body.data.get("added", ()), {"item": item, "note": note}]
    _results(body, loop).insert(place, None)
    _change_collection(run, body, loop, lambda items: items.insert(place, item))
    run.scope_changed(body)
    if loop.sequential:
        _change_items(run, body, lambda items: items.insert(place, item))
        _count(body)
    else:
        _begin_child(run, body, element, place, item)


def remove_child(run: Execution, token: Token, item: Any) -> bool:
    """Take an added `item` out again that is not done yet; False when there is none.

    The completion condition is asked again: fewer who are still asked may be enough.
    """
    body, element, loop = token.scope, token.element, token.element.loop
    place = _place_of(run, body, loop, item)
    if place is None:
        return False
    body.data["added"] = [one for one in body.data["added"] if one["item"] != item]
    body.data["total"] -= 1
    del _results(body, loop)[place : place + 1]
    _change_collection(run, body, loop, lambda items: _take_out(items, place, item))
    begun = _drop_child(run, body, place)
    if loop.sequential:
        _change_items(run, body, lambda items: items.pop(place))
    _count(body)
    run.scope_changed(body)
    _go_on_without(run, body, element, loop, place, begun)
    return True


def added(token: Token) -> list[dict[str, Any]]:
    """What was added to the activity of `token` and not taken out: [{"item", "note"}], in the order of adding."""
    return token.scope.data.get("added", [])


def remaining(run: Execution, token: Token) -> list[Any]:
    """The items that are not done yet, those that are being done first."""
    body, loop = token.scope, token.element.loop
    here = [_item_of(run, run.tasks[one], loop) for one in sorted(body.tokens)]
    if not loop.sequential:
        return here
    items = run.scopes[body.data["items"]].variables["value"]
    return items[body.data["begun"] - len(here) :]


def _place_of(run: Execution, body: Scope, loop: Loop, item: Any) -> int | None:
    """Where an added item that is not done yet stands among all."""
    if item not in [one["item"] for one in body.data.get("added", ())]:
        return None
    for one in sorted(body.tokens):
        if _item_of(run, run.tasks[one], loop) == item:
            return run.tasks[one].memo["child"]
    if not loop.sequential:
        return None
    items, begun = run.scopes[body.data["items"]].variables["value"], body.data["begun"]
    return begun + items[begun:].index(item) if item in items[begun:] else None


def _item_of(run: Execution, child: Token, loop: Loop) -> Any:
    given = child.memo.get("given") or run.inner(child).variables
    return given.get(loop.element_variable)


def _results(body: Scope, loop: Loop) -> list[Any]:
    return body.derived.get(loop.output_collection or "", [])


def _change_collection(run: Execution, body: Scope, loop: Loop, change: Callable[[list], Any]) -> None:
    """Change the variable that the activity was opened over; what is computed stays as it is."""
    name, outside = loop.collection_variable, body.parent
    said = View(outside).get(name) if name and outside is not None else None
    if isinstance(said, list):
        items = list(said)
        change(items)
        run.write(outside, {name: items}, body.element_id)


def _change_items(run: Execution, body: Scope, change: Callable[[list], Any]) -> None:
    kept = run.scopes[body.data["items"]]
    items = list(kept.variables["value"])
    change(items)
    kept.variables["value"] = items
    run.scope_changed(kept)


def _take_out(items: list[Any], place: int, item: Any) -> None:
    """From where it was put, or, when somebody has changed the list meanwhile, from where it is."""
    if place < len(items) and items[place] == item:
        items.pop(place)
    elif item in items:
        items.remove(item)


def _drop_child(run: Execution, body: Scope, place: int) -> bool:
    """Cancel the child at a place; those behind it move up. True when there was one."""
    children = {run.tasks[one].memo["child"]: run.tasks[one] for one in sorted(body.tokens)}
    if place in children:
        run.drop(children[place])
        body.data["begun"] -= 1
    for number, child in children.items():
        if number > place:
            child.memo["child"] = number - 1
            run.touch(child)
    for row in (run.scopes[one] for one in body.rows):
        if row.data["part"] != "items" and row.data["part"] > place:
            row.data["part"] -= 1
            run.scope_changed(row)
    return place in children


def _go_on_without(run: Execution, body: Scope, element, loop: Loop, place: int, begun: bool) -> None:
    if body.data["ended"] >= body.data["total"] or _is_enough(run, body, loop):
        _end(run, body)
    elif loop.sequential and begun:
        _begin_child(run, body, element, place, run.scopes[body.data["items"]].variables["value"][place])


def _is_enough(run: Execution, body: Scope, loop: Loop) -> bool:
    """The completion condition without a child that has just ended: one that asks for that child's own variables
    cannot be told here and is asked again at the next end."""
    try:
        return loop.completion is not None and body.data["ended"] > 0 and loop.completion.truth(View(body), run.world)
    except ElementError:
        return False


# --- opening --------------------------------------------------------------------------------------
def _items(run: Execution, token: Token, loop: Loop) -> list[Any]:
    view, name = View(token.scope), token.element.name or token.element.id
    if loop.collection is not None:
        said = loop.collection.json(view, run.world)
        if not isinstance(said, list):
            raise ElementError(f"The collection of '{name}' is {type(said).__name__}, not a list.")
    else:
        count = loop.cardinality.json(view, run.world) if loop.cardinality else None
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ElementError(f"The cardinality of '{name}' is {count!r}, not a whole number from 0.")
        _refuse_many(run, token, count)
        said = [None] * count
    _refuse_many(run, token, len(said))
    return said


def _refuse_many(run: Execution, token: Token, count: int) -> None:
    if count > run.limits.children:
        raise LimitExceeded(
            token.element.id, f"It would be done {count} times; at most {run.limits.children} are allowed."
        )


def _open_standard(run: Execution, token: Token, body: Scope, loop: Loop) -> bool | None:
    body.data |= {"begun": 0, "ended": 0}
    if loop.test_before and not _goes_on(run, View(body, {"loopCounter": 0}), loop, 0):
        return _end_soon(run, token)
    _begin_child(run, body, token.element, 0, None)
    return None


def _end_soon(run: Execution, token: Token) -> None:
    run.attempt(token, "finish")


def _keep_items(run: Execution, token: Token, body: Scope, items: list[Any]) -> int:
    """What is still to be done, in a row that never changes."""
    return _keep_part(run, body, token.element, "items", items)


def _keep_part(run: Execution, body: Scope, element, part: int | str, value: Any) -> int:
    kept = run.open_scope(body, element, {"part": part})
    kept.variables["value"] = value
    body.rows.append(kept.id)
    return kept.id


def _begin_child(run: Execution, body: Scope, element, number: int, item: Any) -> None:
    given: dict[str, Any] = dict.fromkeys(given_names(element)) | {"loopCounter": number + 1}
    if element.loop.element_variable:
        given[element.loop.element_variable] = item
    body.data["begun"] += 1
    _count(body)
    run.begin(element, body, {"child": number, "given": given})


# --- going on -------------------------------------------------------------------------------------
def _count_in(run: Execution, body: Scope, own: Scope, loop: Loop, number: int) -> bool:
    """Count a child's end and keep its result. True when the completion condition says that this is enough.

    When an expression fails nothing of it is kept.
    """
    value = loop.output_element.json(View(own), run.world) if loop.output_element else None
    results = body.derived.get(loop.output_collection or "")
    body.data["ended"] += 1
    _count(body)
    if results is not None:
        results[number] = value
    try:
        enough = loop.completion is not None and loop.completion.truth(View(own), run.world)
    except ElementError:
        body.data["ended"] -= 1
        _count(body)
        if results is not None:
            results[number] = None
        raise
    run.scope_changed(body)
    if results is not None:
        _keep_part(run, body, run.process.elements[body.element_id], number, value)
    return enough


def _close_child(run: Execution, child: Token, own: Scope) -> None:
    child.memo.pop("scope", None)
    if own is not child.scope and "kept" not in own.data:
        run.close_scope(own)


def _go_on(run: Execution, body: Scope, element, loop: Loop, number: int, enough: bool) -> None:
    if loop.kind == "standard":
        over = not _goes_on(run, View(body, {"loopCounter": number + 1}), loop, number + 1)
    else:
        over = enough or body.data["ended"] >= body.data["total"]
    if over:
        _end(run, body)
    elif loop.kind == "standard":
        _begin_child(run, body, element, number + 1, None)
    elif loop.sequential:
        items = run.scopes[body.data["items"]].variables["value"]
        _begin_child(run, body, element, number + 1, items[number + 1])


def _goes_on(run: Execution, view: View, loop: Loop, done: int) -> bool:
    if loop.maximum is not None and done >= loop.maximum:
        return False
    if loop.condition is None:
        return loop.maximum is not None
    return loop.condition.truth(view, run.world)


def _end(run: Execution, body: Scope) -> None:
    body.data["terminated"] = len(body.tokens)
    _count(body)
    run.empty(body)
    run.attempt(run.owner(body), "finish")


def _count(body: Scope) -> None:
    """The counters, as variables that expressions read."""
    if body.data["body"] == "standard":
        return
    ended, gone = body.data["ended"], body.data.get("terminated", 0)
    body.variables |= {
        "numberOfInstances": body.data["total"], "numberOfCompletedInstances": ended,
        "numberOfActiveInstances": body.data["begun"] - ended - gone, "numberOfTerminatedInstances": gone,
    }  # fmt: skip
