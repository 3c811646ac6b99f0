"""What we ask of the way a model flows, beyond what makes it run.

That it begins and ends where one can see it, that every element can be reached, that nothing is split or
joined by accident, and that splits are joined by their like. The last is read from dominators: the
element that every token must pass before a join tells how many tokens can arrive there.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.bpmn.model import Element, Process
from engine.lint import dominators
from engine.lint.look import EVENTS, GATEWAYS, Look, edges, name_of, reached, scopes_of


# --- beginning and ending -----------------------------------------------------------------------
def one_process_is_executable(look: Look) -> None:
    for process in look.processes:
        if not process.executable and process.elements:
            look.say(
                process.id,
                "model.not-executable",
                "Process '%(name)s' is not marked as executable: it can be drawn and looked at, but not started.",
                "warning",
                "Set isExecutable to true.",
                name=process.name or process.id,
            )


def a_process_has_one_plain_start(look: Look) -> None:
    for process in look.processes:
        plain = [one for one in process.root.children if one.kind == "startEvent" and not one.events]
        for one in plain[1:]:
            look.say(
                one.id,
                "flow.several-starts",
                "'%(name)s' is another start event without a trigger; people begin at '%(first)s' unless they name this one.",
                "warning",
                "Keep one of them, or give each its own trigger.",
                name=name_of(one),
                first=name_of(plain[0]),
            )


def a_process_begins_somewhere(look: Look) -> None:
    """Without a start event a token stands on all that nothing leads to (BPMN 2.0, 10.5.2)."""
    for process in look.processes:
        if not process.elements:
            look.say(
                process.id,
                "flow.empty",
                "Process '%(name)s' is empty.",
                "error" if process.executable else "warning",
                name=process.name or process.id,
            )
        elif not process.starts:
            look.say(
                process.id,
                "flow.no-begin",
                "Process '%(name)s' has nothing to begin with.",
                name=process.name or process.id,
            )
        elif not any(one.kind == "startEvent" or one.instantiate for one in process.root.children):
            look.say(
                process.id,
                "flow.no-start",
                "Process '%(name)s' has no start event.",
                "warning",
                "Draw a start event before its first element.",
                name=process.name or process.id,
            )


def a_scope_has_an_end(look: Look) -> None:
    for process in look.processes:
        for scope in scopes_of(process):
            ends = any(one.kind == "endEvent" for one in scope.children)
            if scope.children and not ends and scope.kind != "adHocSubProcess":
                look.say(
                    scope.id,
                    "flow.no-end",
                    "'%(name)s' has no end event.",
                    "warning",
                    "Draw an end event behind its last element.",
                    name=name_of(scope),
                )


def nothing_ends_unseen(look: Look) -> None:
    for element in look.elements:
        if not element.outgoing and not _may_be_last(element):
            look.say(
                element.id,
                "flow.dead-end",
                "No flow leaves '%(name)s', so its path ends there without an end event.",
                "warning",
                "Draw a flow from it to what comes next, or to an end event.",
                name=name_of(element),
            )


def _may_be_last(element: Element) -> bool:
    if element.kind == "endEvent" or element.for_compensation or element.triggered_by_event:
        return True
    return element.event in ("link", "compensation") or element.parent.kind == "adHocSubProcess"


def everything_can_be_reached(look: Look) -> None:
    for process in look.processes:
        found = reached(process) | {process.id}
        lost = [one for one in process.elements.values() if one.id not in found and one.parent.id in found]
        for element in _heads(lost):
            look.say(
                element.id,
                "flow.unreachable",
                "Nothing leads to '%(name)s', so it is never done.",
                "warning",
                "Draw a flow to it, or remove it.",
                name=name_of(element),
            )


def _heads(lost: list[Element]) -> Iterable[Element]:
    """The first of each group of lost elements: those behind it are lost because it is."""
    told: set[str] = set()
    for element in sorted(lost, key=lambda one: bool(one.incoming) or one.attached_to is not None):
        if element.id not in told:
            yield element
            told |= _behind(element)


def _behind(element: Element) -> set[str]:
    found: set[str] = set()
    rest = [element]
    while rest:
        one = rest.pop()
        if one.id not in found:
            found.add(one.id)
            rest.extend(edges(one))
    return found


def every_path_can_end(look: Look) -> None:
    """One problem for each scope in which a token can be caught for ever."""
    for process in look.processes:
        found = reached(process)
        for scope in scopes_of(process):
            free = _can_end(scope)
            caught = [one for one in scope.children if one.id in found and one.id not in free]
            if caught:
                first = _first_in_circle(caught)
                look.say(
                    first.id,
                    "flow.no-way-out",
                    "From '%(name)s' no end can ever be reached.",
                    "warning",
                    "Draw a way out of the loop.",
                    name=name_of(first),
                )


def _first_in_circle(caught: list[Element]) -> Element:
    """The first that is no mere way into the circle: what leads to it is taken away piece by piece."""
    ways = dict.fromkeys((one.id for one in caught), 0)
    for one in caught:
        for other in edges(one):
            ways[other.id] = ways.get(other.id, 0) + 1
    rest = [one for one in caught if not ways[one.id]]
    while rest:
        for other in edges(rest.pop()):
            ways[other.id] -= 1
            if not ways[other.id]:
                rest.append(other)
    return next((one for one in caught if ways[one.id]), caught[0])


def _can_end(scope: Element) -> set[str]:
    """Ids of elements from which the end of a path can be reached."""
    before: dict[str, list[Element]] = {}
    last: list[Element] = []
    for one in scope.children:
        following = list(edges(one))
        for other in following:
            before.setdefault(other.id, []).append(one)
        if not any(other for other in following if other.attached_to is not one):
            last.append(one)
    found: set[str] = set()
    while last:
        one = last.pop()
        if one.id not in found:
            found.add(one.id)
            last.extend(before.get(one.id, ()))
    return found


# --- splitting and joining ----------------------------------------------------------------------
def joins_are_drawn(look: Look) -> None:
    for element in look.elements:
        if element.kind not in (*GATEWAYS, "endEvent") and len(element.incoming) > 1:
            look.say(
                element.id,
                "flow.fake-join",
                "%(count)s flows lead into '%(name)s' without a gateway; it is done anew for each token that arrives.",
                "warning",
                "Draw a gateway that joins them before it.",
                name=name_of(element),
                count=len(element.incoming),
            )


def splits_are_drawn(look: Look) -> None:
    for element in look.elements:
        plain = [flow for flow in element.outgoing if flow.condition is None and flow.id != element.default]
        if element.kind not in GATEWAYS and len(element.outgoing) > 1 and plain:
            look.say(
                element.id,
                "flow.fake-split",
                "%(count)s flows leave '%(name)s' at once without a gateway.",
                "warning",
                "Draw a parallel gateway behind it.",
                name=name_of(element),
                count=len(element.outgoing),
            )


def gateways_do_something(look: Look) -> None:
    for element in look.elements:
        if element.kind in GATEWAYS and len(element.incoming) <= 1 and len(element.outgoing) <= 1:
            look.say(
                element.id,
                "gateway.superfluous",
                "Gateway '%(name)s' neither splits nor joins.",
                "warning",
                "Remove it and connect what stands before and behind it.",
                name=name_of(element),
            )


def gateways_do_one_thing(look: Look) -> None:
    for element in look.elements:
        if element.kind in GATEWAYS and len(element.incoming) > 1 and len(element.outgoing) > 1:
            look.say(
                element.id,
                "gateway.joins-and-splits",
                "Gateway '%(name)s' joins and splits at once.",
                "warning",
                "Draw two gateways, one that joins and one that splits.",
                name=name_of(element),
            )


def a_choice_has_a_default(look: Look) -> None:
    for element in look.elements:
        if element.kind not in ("exclusiveGateway", "inclusiveGateway") or len(element.outgoing) < 2:
            continue
        if element.default is None and all(flow.condition is not None for flow in element.outgoing):
            look.say(
                element.id,
                "gateway.no-default",
                "Gateway '%(name)s' has no default flow: when none of its conditions is true, the case stops there.",
                "warning",
                "Make one of its flows the default.",
                name=name_of(element),
            )


def a_default_has_no_condition(look: Look) -> None:
    for element in look.elements:
        for flow in element.outgoing:
            if flow.id == element.default and flow.condition is not None:
                look.say(
                    flow.id,
                    "gateway.default-condition",
                    "The condition of default flow '%(name)s' is never asked.",
                    "warning",
                    "Remove the condition.",
                    name=flow.name or flow.id,
                )


def branches_differ(look: Look) -> None:
    for element in look.elements:
        seen: dict[str, str] = {}
        for flow in element.outgoing if element.kind == "exclusiveGateway" else ():
            text = flow.condition.text if flow.condition is not None else None
            if text in seen:
                look.say(
                    flow.id,
                    "gateway.same-condition",
                    "Flow '%(name)s' has the same condition as '%(other)s' before it.",
                    "warning",
                    name=flow.name or flow.id,
                    other=seen[text],
                )
            elif text is not None:
                seen[text] = flow.name or flow.id


def splits_are_joined_by_their_like(look: Look) -> None:
    for process in look.processes:
        for scope in scopes_of(process):
            _joined(look, process, scope)


def _joined(look: Look, process: Process, scope: Element) -> None:
    joins = [one for one in scope.children if len(one.incoming) > 1]
    before = dominators.immediate(scope) if joins else {}
    for join in joins:
        split = process.elements.get(before.get(join.id, ""))
        if split is None or len(split.outgoing) < 2:
            continue
        if join.kind == "parallelGateway" and split.kind in ("exclusiveGateway", "eventBasedGateway"):
            look.say(
                join.id,
                "gateway.waits-for-ever",
                "'%(name)s' waits for all its flows, but '%(split)s' before it takes only one of them.",
                "warning",
                "Join the branches with an exclusive gateway.",
                name=name_of(join),
                split=name_of(split),
            )
        elif join.kind == "exclusiveGateway" and split.kind in ("parallelGateway", "inclusiveGateway"):
            if not _all_lead_to(split, join):
                continue
            look.say(
                join.id,
                "gateway.not-joined",
                "'%(name)s' lets each branch of '%(split)s' through, so that what follows is done several times.",
                "warning",
                "Join the branches with a gateway of the same kind.",
                name=name_of(join),
                split=name_of(split),
            )


def _all_lead_to(split: Element, join: Element) -> bool:
    """Whether no path from a split ends before it comes to the join."""
    rest, found = list(edges(split)), {join.id, split.id}
    while rest:
        one = rest.pop()
        if one.id not in found:
            found.add(one.id)
            following = list(edges(one))
            if not following:
                return False
            rest.extend(following)
    return True


# --- events that never happen -------------------------------------------------------------------
def boundaries_come_to_listen(look: Look) -> None:
    for element in look.elements:
        host = element.attached_to
        if host is None or host.loop is not None or not getattr(host.node, "immediate", False):
            continue
        if element.node.listens:
            look.say(
                element.id,
                "event.never-listens",
                "'%(host)s' is done as soon as it is reached, so event '%(name)s' at it never happens.",
                "warning",
                name=name_of(element),
                host=name_of(host),
            )


# --- names --------------------------------------------------------------------------------------
def elements_have_names(look: Look) -> None:
    """Gateways that only join, and parallel ones, say enough by their sign."""
    for element in look.elements:
        quiet = element.kind in GATEWAYS and (element.kind == "parallelGateway" or len(element.outgoing) < 2)
        if not element.name and not quiet:
            kind = (
                "event" if element.kind in EVENTS else "gateway" if element.kind in GATEWAYS else "activity"
            )
            look.say(element.id, "name.missing", _NAMELESS[kind], "warning", id=element.id)


_NAMELESS = {
    "event": "Event '%(id)s' has no name: nobody can see what happens there.",
    "gateway": "Gateway '%(id)s' has no name: nobody can see what is asked there.",
    "activity": "Activity '%(id)s' has no name: nobody can see what is done there.",
}


def processes_have_names(look: Look) -> None:
    for process in look.processes:
        if not process.name and process.elements:
            look.say(process.id, "name.process", "Process '%(id)s' has no name.", "warning", id=process.id)


RULES = (
    one_process_is_executable, a_process_has_one_plain_start, a_process_begins_somewhere, a_scope_has_an_end,
    nothing_ends_unseen, everything_can_be_reached, every_path_can_end, joins_are_drawn, splits_are_drawn,
    gateways_do_something, gateways_do_one_thing, a_choice_has_a_default, a_default_has_no_condition, branches_differ,
    splits_are_joined_by_their_like, boundaries_come_to_listen, elements_have_names, processes_have_names,
)  # fmt: skip
