"""What events do: starting, catching, throwing, ending.

A token before a catching event waits with what it waits for; several definitions have an arm each. When
the event happens, `fired` says what that means here: an intermediate event is done, a boundary event
ends its host or lets it go on, a start event opens its event sub-process, an arm of an event-based gateway
wins. What does not interrupt listens on. Links, compensation, cancellation and termination never wait
for the outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.bpmn import compensation, data, errors, timers
from engine.bpmn.activities import Activity, SendTask, _text, throw_message
from engine.bpmn.limits import ElementError
from engine.bpmn.machine import Node, Token
from engine.bpmn.model import Element, EventDefinition
from engine.bpmn.rows import Thrown
from engine.bpmn.scopes import View

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution

#: kinds that wait for something to come
CAUGHT = ("timer", "message", "signal", "conditional")


class Catch(Node):
    """Waits for an event, wherever it stands."""

    @property
    def listens(self) -> bool:
        return any(event.kind in CAUGHT for event in self.element.events)

    def enter(self, run: Execution, token: Token) -> bool | None:
        if "fired" in token.memo:
            run.attempt(token, "finish", token.memo.pop("fired"))
            return None
        if not self.element.events:
            return True
        run.silence(token)
        if "arm" in token.memo:
            self.wait_for(run, token, self.element.events[token.memo["arm"]])
        elif len(self.element.events) == 1:
            self.wait_for(run, token, self.element.events[0])
        else:
            self.open_arms(run, token)
        return None

    def receive(self, run: Execution, token: Token, variables: dict[str, Any]) -> None:
        """What came with the event, through the outputs where there are some."""
        if self.element.outputs:
            view = View(token.scope, variables)
            said = {target: formula.json(view, run.world) for target, formula in self.element.outputs}
            run.write(token.scope, said, self.element.id)
        elif variables:
            run.write(token.scope, variables, self.element.id)
        if self.element.data_outputs:
            view = View(token.scope, variables)
            said = {target: formula.json(view, run.world) for target, formula in self.element.data_outputs}
            run.write(token.scope, said, self.element.id)
        data.store(run, token, data.store_values(run, self.element, View(token.scope, variables)))

    # --- waiting --------------------------------------------------------------------------------
    def wait_for(self, run: Execution, token: Token, event: EventDefinition) -> None:
        view = run.view(token)
        if event.kind == "timer":
            due, memo = timers.due(
                event.timer, event.formula.value(view, run.world), run.world.now, run.world.zone, self.working(run)
            )
            token.memo["cycle"] = memo
            run.wait(token, "timer", due=due)
        elif event.kind == "message":
            key = event.correlation_key.json(view, run.world) if event.correlation_key else None
            run.wait(token, "message", message_name=_needed(event, view, run), correlation_key=_key(event, key))
        elif event.kind == "signal":
            run.wait(token, "signal", signal_name=_needed(event, view, run))
        elif event.kind == "conditional":
            run.wait(token, "condition")
        else:
            raise ElementError(f"An event of kind '{event.kind}' cannot be waited for here.")

    def working(self, run: Execution):
        """Durations in working time, where the element says so."""
        return run.world.working_time if self.element.properties.get("bizday:time") == "working" else None

    def open_arms(self, run: Execution, token: Token) -> None:
        names = [event.name.fixed if event.name else None for event in self.element.events]
        first = token.memo.get("first")
        came = names.index(first) if first in names and first is not None else None
        for number, event in enumerate(self.element.events):
            if event.kind not in CAUGHT or number == came:
                continue
            arm = run.begin(self.element, token.scope, {"arm": number, "of": token.id}, listening=True)
            token.memo.setdefault("listeners", []).append(arm.id)
        run.touch(token)
        if not token.memo.get("listens"):
            run.say("element.activated", token)

    # --- happening ------------------------------------------------------------------------------
    def fired(self, run: Execution, token: Token, variables: dict[str, Any]) -> None:
        """What the token waited for has happened."""
        main = run.tasks.get(token.memo["of"]) if "of" in token.memo else token
        if main is not token and not self.has_all(run, main, token, variables):
            return
        memo = main.memo
        if "race" in memo:
            gateway = run.tasks[memo["race"]]
            gateway.task_spec.won(run, gateway, main, variables)
        elif "host" in memo:
            self.happened_at_host(run, main, token, variables)
        elif "of_event" in memo:
            self.happened_in_scope(run, main, token, variables)
        else:
            if main is not token:
                run.silence(main)
            run.unwait(main)
            run.attempt(main, "finish", variables)

    def finish(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        self.receive(run, token, values)
        self.go_on(token)

    def has_all(self, run: Execution, main: Token, arm: Token, variables: dict[str, Any]) -> bool:
        """Whether the event as a whole has happened: with one of several, or with all of a parallel multiple."""
        if not self.element.parallel_multiple:
            return True
        run.unwait(arm)
        arm.memo["happened"] = True
        if variables:
            self.receive(run, arm, variables)
        arms = [run.tasks[one] for one in main.memo.get("listeners", ()) if one in run.tasks]
        return all(one.memo.get("happened") for one in arms)

    def happened_at_host(self, run: Execution, main: Token, arm: Token, variables: dict[str, Any]) -> None:
        host = run.tasks[main.memo["host"]]
        if not self.element.interrupting:
            self.listen_on(run, main, arm)
        errors.trigger_boundary(run, host, self.element, variables)

    def happened_in_scope(self, run: Execution, main: Token, arm: Token, variables: dict[str, Any]) -> None:
        scope = main.scope
        if not self.element.interrupting:
            self.listen_on(run, main, arm)
        errors.start_subprocess(run, scope, self.element, variables)

    def listen_on(self, run: Execution, main: Token, arm: Token) -> None:
        """What does not interrupt listens for the next time: a cycle for its next moment, a date no more."""
        if self.element.parallel_multiple:
            run.silence(main)
            self.open_arms(run, main)
            return
        wait = run.waits.get(arm.id)
        if wait is None or wait.kind != "timer":
            return
        following = timers.again(arm.memo["cycle"], wait.due, run.world.now, run.world.zone)
        run.unwait(arm)
        if following is not None:
            due, arm.memo["cycle"] = following
            run.wait(arm, "timer", due=due)

    def reconsider_condition(self, run: Execution, token: Token) -> bool:
        """Variables have changed: has the condition become true? It happens once each time it does."""
        event = self.element.events[token.memo.get("arm", 0)]
        now = event.formula.truth(run.view(token), run.world)
        before = token.memo.get("was", False)
        if now != before or "was" not in token.memo:
            token.memo["was"] = now
            run.touch(token)
        if not now or before:
            return False
        self.fired(run, token, {})
        return True


class StartEvent(Catch):
    """Where a process or sub-process begins."""

    def enter(self, run: Execution, token: Token) -> bool | None:
        if token.memo.keys() & {"of_event", "fired", "arm"}:
            return super().enter(run, token)
        if "first" in token.memo:
            self.open_arms(run, token)
            return None
        if self.element.outputs:
            run.attempt(token, "finish", {})
            return None
        return True


class IntermediateCatch(Catch):
    """Waits on the way; a link is arrived at by its throw."""

    @property
    def throwers(self) -> list[Element]:
        """The link throws that lead to this link."""
        name = self.element.events[0].name.fixed
        around = self.element.siblings
        return [one for one in around if one.kind == "intermediateThrowEvent" and one.event == "link"
                and one.events[0].name.fixed == name]  # fmt: skip


class BoundaryEvent(Catch):
    """Happens while its host is active."""


class ReceiveTask(Activity, Catch):
    """An activity that waits for a message."""

    immediate = False
    listens = True

    def enter(self, run: Execution, token: Token) -> bool | None:
        if "fired" in token.memo:
            run.attempt(token, "finish", token.memo.pop("fired"))
            return None
        if "race" in token.memo:
            return Catch.enter(self, run, token)
        return Activity.enter(self, run, token)

    def work(self, run: Execution, token: Token) -> None:
        self.wait_for(run, token, self.element.events[0])

    finish = Activity.finish


class Throw(SendTask):
    """An event that happens when it is reached: on the way, or at the end."""

    @property
    def immediate(self) -> bool:
        return True

    def work(self, run: Execution, token: Token) -> bool | None:
        if self.element.service_type is not None:
            return super().work(run, token)
        return self.throw_from(run, token, 0)

    def throw_from(self, run: Execution, token: Token, first: int) -> bool | None:
        """Throw what is drawn from number `first` on. None: something is undone first, or this token is no more."""
        for number, event in enumerate(self.element.events[first:], first + 1):
            if len(self.element.events) > 1:
                token.memo["rest"] = number
            done = _THROWS[event.kind](run, token, event)
            if done is None or token.id not in run.tasks:
                return None
        token.memo.pop("rest", None)
        return True

    def finish(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        """What was still to be thrown when something had to be undone is thrown before the token goes on."""
        if "rest" not in token.memo or self.throw_from(run, token, token.memo.pop("rest")):
            super().finish(run, token, values)


class EndEvent(Throw):
    """The end of a way."""

    def finish(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        if token.scope.id == 0:
            run.ended_by.append(self.element.id)
        super().finish(run, token, values)


def _throw_nothing(run: Execution, token: Token, event: EventDefinition) -> bool:
    return True


def _throw_message(run: Execution, token: Token, event: EventDefinition) -> bool:
    throw_message(run, token, event)
    return True


def _throw_signal(run: Execution, token: Token, event: EventDefinition) -> bool:
    payload = dict(run.inner(token).variables) if token.element.inputs else {}
    run.throw(Thrown("signal", _needed(event, run.view(token), run), token.id, token.element.id, payload))
    return True


def _throw_error(run: Execution, token: Token, event: EventDefinition) -> None:
    code = _text(event.name, run.view(token), run.world)
    name = token.element.name or token.element.id
    payload = dict(run.inner(token).variables) if token.element.inputs else {}
    if token.scope.id == 0:
        run.ended_by.append(token.element.id)
    run.throw_error(token.id, code, f"The error '{code}' at '{name}' is caught by nothing.", payload)


def _throw_escalation(run: Execution, token: Token, event: EventDefinition) -> bool | None:
    payload = dict(run.inner(token).variables) if token.element.inputs else {}
    errors.escalate(run, token, _text(event.name, run.view(token), run.world), payload)
    return True if token.id in run.tasks else None


def _throw_compensation(run: Execution, token: Token, event: EventDefinition) -> bool | None:
    if event.wait_for_completion:
        return True if compensation.throw(run, token, event.activity) else None
    compensation.throw_beside(run, token, event.activity)
    return True


def _throw_link(run: Execution, token: Token, event: EventDefinition) -> None:
    catch = next(
        one for one in token.element.siblings
        if one.kind == "intermediateCatchEvent" and one.event == "link" and one.events[0].name.fixed == event.name.fixed
    )  # fmt: skip
    scope = token.scope
    run.begin(catch, scope, {"fired": {}})
    run.remove(token)
    run.say("element.completed", token)


def _throw_cancel(run: Execution, token: Token, event: EventDefinition) -> bool | None:
    return compensation.cancel_transaction(run, token)


def _throw_terminate(run: Execution, token: Token, event: EventDefinition) -> bool:
    """Everything else of the scope ends; the scope itself ends as usual."""
    scope = token.scope
    for one in sorted(scope.tokens | scope.listeners):
        if one != token.id and one in run.tasks:
            run.drop(run.tasks[one])
    return True


_THROWS = {
    "none": _throw_nothing, "message": _throw_message, "signal": _throw_signal, "error": _throw_error,
    "escalation": _throw_escalation, "compensation": _throw_compensation, "link": _throw_link,
    "cancel": _throw_cancel, "terminate": _throw_terminate,
}  # fmt: skip


def _needed(event: EventDefinition, view, run: Execution) -> str:
    name = _text(event.name, view, run.world)
    if name is None:
        raise ElementError(f"The name of the {event.kind} is empty.")
    return name


def _key(event: EventDefinition, key: Any) -> str | None:
    """A correlation key is text; one that is null where the model wants one is an error."""
    if event.correlation_key is None:
        return None
    if key in (None, ""):
        raise ElementError(f"The correlation key '{event.correlation_key.text}' is empty.")
    return str(key)
