"""Moving an instance to another version of its process, where it stands.

Every token and scope is looked up in the new model, by the mapping or under the same id. `check` says
beforehand what cannot be mapped and why; `migrate` gives an execution of the new version with the same
tokens, variables, drafts and due moments. Boundary events and event sub-processes that are new begin to
listen, those that are gone listen no more, and a wait for a message or signal that the new version calls
otherwise waits for the new name. SpiffWorkflow 3.2.0 would restart timers and lose what was half filled in.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.bpmn.execution import Execution
from engine.bpmn.limits import LIMITS, Limits
from engine.bpmn.machine import STARTED, Token
from engine.bpmn.model import Element, Process
from engine.bpmn.rows import ScopeRow, State, TokenRow
from engine.bpmn.scopes import Scope
from engine.errors import Invalid, Problem

#: what of a token names a flow: on which it came to a join, behind which arm of a gateway it listens
_FLOWS = frozenset({"via", "flow"})


def suggest(old: Process, new: Process) -> dict[str, str]:
    """element of the old version -> of the new one, for those whose id is gone: the only one of their kind and name."""
    found = {}
    for element in old.elements.values():
        if element.id in new.elements or not element.name or element is old.root:
            continue
        alike = [o.id for o in new.elements.values() if (o.kind, o.name) == (element.kind, element.name)]
        if len(alike) == 1 and alike[0] not in old.elements:
            found[element.id] = alike[0]
    return found


def check(state: State, old: Process, new: Process, mapping: Mapping[str, str]) -> list[Problem]:
    """What of an instance has no place in the new version; empty when it can be migrated."""
    here = {row.element_id for row in state.tokens} | {row.element_id for row in state.scopes if row.id != 0}
    problems = [p for one in sorted(here) if (p := _misfit(old.elements[one], new, mapping)) is not None]
    for row in state.tokens:
        if any(key in row.data and _flow(row.data[key], old, new, mapping) is None for key in _FLOWS):
            problems.append(
                Problem(
                    row.element_id, "migration.flow",
                    "A token waits at '%(name)s' on a flow that the new version does not have.",
                    params=(("name", old.elements[row.element_id].name or row.element_id),),
                )
            )  # fmt: skip
    late = {(key, flow) for row in state.scopes for key, flows in row.data.get("complex", {}).items() for flow in flows}
    for element_id, flow_id in sorted(late):
        if element_id in old.elements and _flow(flow_id, old, new, mapping) is None:
            problems.append(
                Problem(
                    element_id, "migration.flow",
                    "'%(name)s' still expects a token on a flow that the new version does not have.",
                    params=(("name", old.elements[element_id].name or element_id),),
                )
            )  # fmt: skip
    return problems


def renamed(state: State, old: Process, new: Process, mapping: Mapping[str, str]) -> list[Problem]:
    """Of an instance that can be migrated, each message and signal that it will wait for under another name."""
    told = {}
    for row in state.tokens:
        wait = row.data.get("wait", {})
        target = new.elements.get(mapping.get(row.element_id, row.element_id))
        if wait.get("kind") not in _RENAMED or target is None:
            continue
        now, then = wait[f"{wait['kind']}_name"], _fixed_name(target, row.data)
        if then is not None and then != now:
            name = old.elements[row.element_id].name or row.element_id
            params = (("name", name), ("old", now), ("new", then))
            told[row.element_id, now] = Problem(
                row.element_id, "migration.renamed", _RENAMED[wait["kind"]], "info", params=params
            )
    return [told[key] for key in sorted(told)]


_RENAMED = {
    "message": "'%(name)s' waits for message '%(old)s' now and for '%(new)s' afterwards; "
    "one that is called '%(old)s' no longer reaches it.",
    "signal": "'%(name)s' waits for signal '%(old)s' now and for '%(new)s' afterwards; "
    "one that is called '%(old)s' no longer reaches it.",
}


def _fixed_name(element: Element, memo: Mapping) -> str | None:
    """The name that an element waits for, unless its model computes it."""
    arm = memo.get("arm", 0)
    name = element.events[arm].name if arm < len(element.events) else None
    return name.fixed if name is not None else None


def migrate(
    state: State, old: Process, new: Process, world, mapping: Mapping[str, str], limits: Limits = LIMITS
) -> Execution:
    """The instance on the new version. Raises Invalid with what cannot be mapped."""
    problems = check(state, old, new, mapping)
    if problems:
        raise Invalid("The case cannot be moved to that version: %(first)s", problems, first=str(problems[0]))
    run = Execution(new, world, limits)
    run.restore(_mapped(state, old, new, mapping))
    for token in list(run.tasks.values()):
        run.touch(token)
        _align(run, token)
    for scope in list(run.scopes.values()):
        run.scope_changed(scope)
        _align_scope(run, scope)
    return run


def _misfit(element: Element, new: Process, mapping: Mapping[str, str]) -> Problem | None:
    wanted = mapping.get(element.id, element.id)
    target = new.elements.get(wanted)
    name = element.name or element.id
    if target is None:
        return _problem(element.id, "The new version has no '%(target)s' for '%(name)s'.", name, wanted)
    if target.kind != element.kind or (target.loop is None) != (element.loop is None):
        return _problem(element.id, "'%(name)s' is of another kind than '%(target)s'.", name, wanted)
    if mapping.get(element.parent.id, element.parent.id) != target.parent.id and element.parent.parent is not None:
        return _problem(element.id, "'%(target)s' stands in another sub-process than '%(name)s'.", name, wanted)
    return None


def _problem(where: str, sentence: str, name: str, target: str) -> Problem:
    return Problem(where, "migration.element", sentence, params=(("name", name), ("target", target)))


def _flow(flow_id: str, old: Process, new: Process, mapping: Mapping[str, str]) -> str | None:
    """The flow of the new version between the mapped ends of an old one."""
    flow = old.flows[flow_id]
    ends = (mapping.get(flow.source.id, flow.source.id), mapping.get(flow.target.id, flow.target.id))
    same = new.flows.get(flow_id)
    if same is not None and (same.source.id, same.target.id) == ends:
        return flow_id
    return next((f.id for f in new.flows.values() if (f.source.id, f.target.id) == ends), None)


def _mapped(state: State, old: Process, new: Process, mapping: Mapping[str, str]) -> State:
    def name(element_id: str) -> str:
        return new.id if element_id == old.id else mapping.get(element_id, element_id)

    def undoing(records: list[dict]) -> list[dict]:
        return [record | {key: name(record[key]) for key in ("of", "handler") if key in record} for record in records]

    def memo(row: TokenRow) -> dict:
        said = dict(row.data)
        for key in _FLOWS & said.keys():
            said[key] = _flow(said[key], old, new, mapping)
        if "undo" in said:
            said["undo"] = undoing(said["undo"])
        for key in ("of_event", "starts"):
            if key in said:
                said[key] = name(said[key])
        return said

    def data(row: ScopeRow) -> dict:
        said = dict(row.data)
        if "fired" in said:
            said["fired"] = [name(one) for one in said["fired"]]
        if "done" in said:
            said["done"] = undoing(said["done"])
        if "complex" in said:
            late = {key: [_flow(flow, old, new, mapping) for flow in flows] for key, flows in said["complex"].items()}
            said["complex"] = {name(key): [flow for flow in flows if flow] for key, flows in late.items() if any(flows)}
        return said

    return State(
        state.next_token,
        [TokenRow(r.id, r.scope_id, name(r.element_id), r.state, memo(r)) for r in state.tokens],
        [ScopeRow(r.id, r.parent_id, name(r.element_id), r.variables, data(r)) for r in state.scopes],
    )


def _align(run: Execution, token: Token) -> None:
    """Boundary events of an activity as the new version draws them; waits under their new names."""
    if token.id not in run.tasks:
        return
    wait = run.waits.get(token.id)
    if wait is not None and wait.kind in ("message", "signal"):
        _listen_anew(run, token, wait)
    if token.state != STARTED or "child" in token.memo or token.memo.get("listens"):
        return
    listening = {run.tasks[one].element.id: one for one in token.memo.get("listeners", ()) if one in run.tasks}
    for boundary in token.element.boundaries:
        if boundary.node.listens and boundary.id not in listening:
            one = run.begin(boundary, token.scope, {"host": token.id}, listening=True)
            token.memo.setdefault("listeners", []).append(one.id)
    hosted = {boundary.id for boundary in token.element.boundaries}
    if token.element.kind != "eventBasedGateway":
        for element_id, one in listening.items():
            if element_id not in hosted and element_id != token.element.id:
                run.drop(run.tasks[one])


def _listen_anew(run: Execution, token: Token, wait) -> None:
    events = token.element.events
    if not events:
        return
    kept = wait.message_name if wait.kind == "message" else wait.signal_name
    name = _fixed_name(token.element, token.memo)
    if name is not None and name != kept:
        run.unwait(token)
        token.task_spec.wait_for(run, token, events[token.memo.get("arm", 0)])


def _align_scope(run: Execution, scope: Scope) -> None:
    """Event sub-processes of a live scope as the new version draws them."""
    if "body" in scope.data or "kept" in scope.data or "part" in scope.data or not scope.tokens:
        return
    if any(_interrupts(run.tasks[one]) for one in scope.tokens):
        return
    element = run.process.root if scope.id == 0 else run.process.elements[scope.element_id]
    listening = {run.tasks[one].memo.get("of_event") for one in scope.listeners if one in run.tasks}
    for one in element.event_subprocesses:
        start = one.starter
        if start is not None and start.node.listens and one.id not in listening:
            run.begin(start, scope, {"of_event": one.id}, listening=True)


def _interrupts(token: Token) -> bool:
    """Whether an event sub-process or a cancelled transaction's undoing is all that goes on in a scope.

    Such a scope listens to nothing any more.
    """
    element = token.element
    if token.memo.get("then") == "cancel":
        return True
    return bool(element.triggered_by_event and "for" not in token.memo and element.starter.interrupting)
