"""What activities do: tasks of people and of machines, sub-processes, calls.

An activity has a life: its inputs are evaluated into a scope of its own, its boundary events begin to
listen, it does its work or waits, its outputs are written outward, and it is left. `Activity` is that
life, each kind only says what its work is. A looped activity is opened as a body with children, which
`loops` does. What can be compensated is noted when it completes.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.bpmn import compensation, data, loops, timers
from engine.bpmn.limits import ElementError
from engine.bpmn.machine import Node, Token
from engine.bpmn.model import Formula
from engine.bpmn.rows import Thrown
from engine.bpmn.scopes import View, write_local

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution


class Activity(Node):
    """The life that all activities share. Here: an abstract task, which is done as soon as it is reached."""

    #: done at once, so that boundary events never come to listen
    immediate = True
    #: has a scope of its own even without inputs
    scoped = False

    def enter(self, run: Execution, token: Token) -> bool | None:
        self.begin_anew(run, token)
        if self.element.loop is not None and "child" not in token.memo:
            self.listen(run, token)
            return loops.open_body(run, token)
        self.localise(run, token)
        if not self.immediate and "child" not in token.memo:
            self.listen(run, token)
        return self.work(run, token)

    def work(self, run: Execution, token: Token) -> bool | None:
        """What this kind of activity does. True: done. None: it waits."""
        return True

    def begin_anew(self, run: Execution, token: Token) -> None:
        """Nothing of an earlier try may be left."""
        run.silence(token)
        own = run.scopes.get(token.memo.pop("scope", None))
        if own is None:
            return
        if "child" in token.memo:
            token.memo["given"] = {name: own.variables.get(name) for name in loops.given_names(self.element)}
        run.empty(own)
        run.close_scope(own)

    def localise(self, run: Execution, token: Token) -> None:
        """Inputs, and what a child of a loop is given, into a scope of its own."""
        given = dict(token.memo.get("given", {}))
        view = View(token.scope, given)
        for target, formula in self.element.inputs:
            value = formula.json(view, run.world)
            loops.put(given, target, value)
            view = View(token.scope, given)
        given = dict.fromkeys(self.element.data_objects) | given
        if given or self.scoped or "child" in token.memo:
            scope = run.open_scope(token.scope, self.element, {"owner": token.id})
            write_local(scope, given, self.element.id, run.scope_changed)
            token.memo["scope"] = scope.id
            token.memo.pop("given", None)

    def listen(self, run: Execution, token: Token) -> None:
        """Boundary events that wait for something begin to."""
        for boundary in self.element.boundaries:
            if boundary.node.listens:
                one = run.begin(boundary, token.scope, {"host": token.id}, listening=True)
                token.memo.setdefault("listeners", []).append(one.id)

    def finish(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        own = run.inner(token)
        if "body" in own.data:
            loops.hand_over(run, token, own)
        elif self.element.outputs:
            self.map_out(run, token, values)
        elif values:
            run.write(own, values, self.element.id)
        stored: dict[str, Any] = {}
        if "body" not in own.data:
            self.write_objects(run, token, own, values)
            stored = data.store_values(run, self.element, View(own, values))
        if "child" in token.memo:
            loops.child_done(run, token)
            data.store(run, token, stored)
            return
        if "for" not in token.memo:
            compensation.note(run, token)
        self.end_scope(run, token)
        run.silence(token)
        data.store(run, token, stored)
        if "for" in token.memo:
            compensation.handled(run, token)
        else:
            self.go_on(token)

    def map_out(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        """Outputs, each seeing the activity's own variables and what it was given."""
        view = View(run.inner(token), values)
        said = {target: formula.json(view, run.world) for target, formula in self.element.outputs}
        run.write(token.scope, said, self.element.id)

    def write_objects(self, run: Execution, token: Token, own, values: dict[str, Any]) -> None:
        """Data outputs into the data objects that they are drawn to."""
        if self.element.data_outputs:
            view = View(own, values)
            said = {target: formula.json(view, run.world) for target, formula in self.element.data_outputs}
            run.write(token.scope, said, self.element.id)

    def end_scope(self, run: Execution, token: Token) -> None:
        own = token.memo.pop("scope", None)
        if own in run.scopes and "kept" not in run.scopes[own].data:
            run.close_scope(run.scopes[own])


# --- people ---------------------------------------------------------------------------------------
class UserTask(Activity):
    """A person does it with a form."""

    immediate = False
    kind = "user"

    def work(self, run: Execution, token: Token) -> None:
        element, view, world = self.element, run.view(token), run.world
        run.wait(
            token, self.kind, form_key=element.form_key, assignee=_text(element.assignee, view, world),
            candidate_groups=_texts(element.candidate_groups, view, world),
            candidate_users=_texts(element.candidate_users, view, world),
            priority=_whole(element.priority, view, world), due=_moment(element.due, view, world),
            follow_up=_moment(element.follow_up, view, world),
        )  # fmt: skip


class ManualTask(UserTask):
    """A person does it without the platform and says so."""

    kind = "manual"


# --- machines -------------------------------------------------------------------------------------
class ServiceTask(Activity):
    """The platform or a system outside does it."""

    immediate = False

    def work(self, run: Execution, token: Token) -> bool | None:
        element, view = self.element, run.view(token)
        own = run.inner(token)
        given = dict(own.variables) if element.inputs else view.flat()
        run.wait(
            token, "service", service_type=str(element.service_type.json(view, run.world)), variables=given,
            headers=dict(element.headers), retries=_whole(element.retries, view, run.world),
        )  # fmt: skip
        return None


class BusinessRuleTask(ServiceTask):
    """A decision gives the result; a job where the model names a service instead."""

    @property
    def immediate(self) -> bool:
        return self.element.decision is not None

    def work(self, run: Execution, token: Token) -> bool | None:
        element = self.element
        if element.decision is None:
            return super().work(run, token)
        view = run.view(token)
        key = str(element.decision.json(view, run.world))
        answer = run.world.decide(key, element.binding, view.flat())
        run.say("decision.made", token, {"decision": key, "hits": [asdict(hit) for hit in answer.hits], "result": answer.json})
        return self.keep(run, token, answer.json)

    def keep(self, run: Execution, token: Token, result: Any) -> bool | None:
        run.attempt(token, "finish", {self.element.result_variable or "result": result})
        return None


class ScriptTask(BusinessRuleTask):
    """A FEEL expression gives the result."""

    @property
    def immediate(self) -> bool:
        return self.element.script is not None

    def work(self, run: Execution, token: Token) -> bool | None:
        element = self.element
        if element.script is None:
            return ServiceTask.work(self, run, token)
        result = element.script.json(run.view(token), run.world)
        return self.keep(run, token, result) if element.result_variable else True


class SendTask(ServiceTask):
    """A message leaves the instance; a job where the model names a service instead."""

    @property
    def immediate(self) -> bool:
        return self.element.service_type is None

    def work(self, run: Execution, token: Token) -> bool | None:
        if self.element.service_type is not None:
            return super().work(run, token)
        throw_message(run, token, self.element.events[0])
        return True


def throw_message(run: Execution, token: Token, event) -> None:
    """A message with the inputs of its element as its payload."""
    view = run.view(token)
    payload = dict(run.inner(token).variables) if token.element.inputs else {}
    run.throw(
        Thrown(
            "message", _text(event.name, view, run.world) or "", token.id, token.element.id, payload,
            _text(event.correlation_key, view, run.world), _text(event.message_id, view, run.world),
            _seconds(event.ttl, view, run.world),
        )
    )  # fmt: skip


# --- scopes ---------------------------------------------------------------------------------------
class SubProcess(Activity):
    """A process inside the process, with variables of its own."""

    immediate = False
    scoped = True

    def work(self, run: Execution, token: Token) -> None:
        scope = run.scopes[token.memo["scope"]]
        run.say("element.activated", token)
        run.listen(scope, self.element)
        self.open(run, token, scope)
        run.settle(scope)

    def open(self, run: Execution, token: Token, scope) -> None:
        started = token.memo.get("starts")
        if started is not None:
            run.begin(run.process.elements[started], scope, {"fired": token.memo.get("fired", {})})
            return
        for one in self.element.starts:
            run.begin(one, scope)


class AdHocSubProcess(SubProcess):
    """What is in it is begun in no fixed order: by an expression, or by a person who picks."""

    reviews = True

    def work(self, run: Execution, token: Token) -> None:
        scope = run.scopes[token.memo["scope"]]
        run.say("element.activated", token)
        run.listen(scope, self.element)
        self.open(run, token, scope)
        if not scope.tokens and token.id not in run.waits:
            run.settle(scope)

    def open(self, run: Execution, token: Token, scope) -> None:
        if self.element.output_collection:
            write_local(scope, {self.element.output_collection: []}, self.element.id, run.scope_changed)
        if self.element.active_elements is None:
            self.offer(run, token, scope)
            return
        wanted = self.element.active_elements.json(run.view(token), run.world)
        if not isinstance(wanted, list):
            raise ElementError(f"'{self.element.active_elements.text}' is {wanted!r}, not a list of activities.")
        self.start_all(run, scope, wanted)

    def start_all(self, run: Execution, scope, wanted: list) -> None:
        """Begin what is wanted; where one at a time is the rule, the others wait for their turn."""
        known = {one.id: one for one in self.element.starts}
        for key in wanted:
            if key not in known:
                raise ElementError(
                    f"'{key}' is not an activity that '{self.element.name or self.element.id}' may begin with."
                )
        if self.element.ordering == "Sequential":
            scope.data["next"] = [*scope.data.get("next", ()), *wanted]
            self.start_next(run, scope)
        else:
            for key in wanted:
                run.begin(known[key], scope)

    def start_next(self, run: Execution, scope) -> bool:
        """Begin what waits for its turn when nothing runs. True when something runs."""
        if not scope.tokens and scope.data.get("next"):
            first, *scope.data["next"] = scope.data["next"]
            run.scope_changed(scope)
            run.begin(next(one for one in self.element.starts if one.id == first), scope)
        return bool(scope.tokens)

    def collect(self, run: Execution, token: Token, scope) -> None:
        """What one way came to, into the list of results."""
        element = self.element
        if element.output_collection and element.output_element:
            said = element.output_element.json(View(scope), run.world)
            results = [*(scope.variables.get(element.output_collection) or []), said]
            write_local(scope, {element.output_collection: results}, element.id, run.scope_changed)

    def offer(self, run: Execution, token: Token, scope) -> None:
        """A person picks what comes next, unless one at a time is the rule and one is running."""
        if self.element.ordering == "Sequential" and self.start_next(run, scope):
            return
        view, world, element = View(scope), run.world, self.element
        run.wait(
            token, "adhoc", form_key=element.form_key, assignee=_text(element.assignee, view, world),
            candidate_groups=_texts(element.candidate_groups, view, world),
            candidate_users=_texts(element.candidate_users, view, world),
            choices=tuple((one.id, one.name or one.id) for one in element.starts),
        )  # fmt: skip

    def finish(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        """The person has picked, or says that it is done; what she picked is done before the condition is asked."""
        scope = run.inner(token)
        if "body" in scope.data:
            Activity.finish(self, run, token, values)
            return
        if values.get("done") is not True and isinstance(picked := values.get("activities"), list) and picked:
            self.start_all(run, scope, picked)
            self.go_further(run, token, scope)
            return
        if values.get("done") is True:
            self.call_it_over(run, scope)
        self.review(run, token, scope)

    def call_it_over(self, run: Execution, scope) -> None:
        """From now on nothing more is begun."""
        scope.data["over"] = True
        run.scope_changed(scope)

    def review(self, run: Execution, token: Token, scope) -> None:
        """After each thing that was done: is that all, and if not, what comes next?"""
        if not self.is_over(run, scope):
            self.go_further(run, token, scope)
            return
        self.call_it_over(run, scope)
        run.unwait(token)
        if self.element.cancel_remaining:
            run.empty(scope)
        if not scope.tokens:
            run.empty(scope)
            self.hand_over(run, token, scope)
            Activity.finish(self, run, token, {})

    def hand_over(self, run: Execution, token: Token, scope) -> None:
        """The list of results goes outward, unless outputs say what does."""
        name = self.element.output_collection
        if name and not self.element.outputs and "child" not in token.memo:
            run.write(token.scope, {name: scope.variables.get(name)}, self.element.id)

    def is_over(self, run: Execution, scope) -> bool:
        """The person said so, the completion condition is true, or what an expression began has ended."""
        condition = self.element.completion
        if scope.data.get("over") or (condition is not None and condition.truth(View(scope), run.world)):
            return True
        if self.element.active_elements is None or condition is not None:
            return False
        return not scope.tokens and not scope.data.get("next")

    def go_further(self, run: Execution, token: Token, scope) -> None:
        if self.element.active_elements is None:
            if token.id not in run.waits:
                self.offer(run, token, scope)
        elif not self.start_next(run, scope):
            raise ElementError("Nothing is left to do, but the completion condition is not true.")


class CallActivity(Activity):
    """Another process does it, in an instance of its own."""

    immediate = False

    @property
    def takes_all(self) -> bool:
        """Whether the caller is handed every variable of the called; with outputs it is, and keeps what they name."""
        return self.element.propagate_all_child or bool(self.element.outputs)

    def work(self, run: Execution, token: Token) -> bool | None:
        element, view = self.element, run.view(token)
        key = _text(element.called, view, run.world)
        if not key:
            raise ElementError("The call names no process.")
        given = view.flat() if element.propagate_all_parent else self.own_variables(run, token)
        run.wait(
            token, "call", process_key=key, binding=element.binding, version_tag=element.version_tag,
            variables=given, propagate_all_child_variables=self.takes_all,
        )  # fmt: skip
        return None

    def own_variables(self, run: Execution, token: Token) -> dict[str, Any]:
        """Inputs and what a child of a loop is given; without a scope of its own a call has none."""
        own = run.inner(token)
        return {} if own is token.scope else dict(own.variables)


# --- values ---------------------------------------------------------------------------------------
def _text(formula: Formula | None, view, world) -> str | None:
    if formula is None:
        return None
    said = formula.json(view, world)
    return None if said in (None, "") else str(said)


def _texts(formula: Formula | None, view, world) -> tuple[str, ...]:
    """A list, or a text with commas."""
    said = formula.json(view, world) if formula is not None else None
    parts = said if isinstance(said, list) else str(said).split(",") if said not in (None, "") else []
    return tuple(str(part).strip() for part in parts if part not in (None, "") and str(part).strip())


def _whole(formula: Formula | None, view, world) -> int | None:
    said = formula.json(view, world) if formula is not None else None
    if said in (None, ""):
        return None
    try:
        return int(said)
    except (TypeError, ValueError) as error:
        raise ElementError(f"'{formula.text}' is {said!r}, not a whole number.") from error


def _moment(formula: Formula | None, view, world) -> datetime | None:
    said = formula.value(view, world) if formula is not None else None
    if said in (None, ""):
        return None
    return timers.due("date", said, world.now, world.zone)[0]


def _seconds(formula: Formula | None, view, world) -> float | None:
    said = formula.value(view, world) if formula is not None else None
    if said in (None, ""):
        return None
    return (timers.due("duration", said, world.now, world.zone)[0] - world.now).total_seconds()
