"""What gateways do: choosing, forking and joining.

Conditions are asked in the order of the document, which is the order in which Camunda asks them, and never
by where the drawing puts a line. A join counts tokens by the flow on which they came: a parallel one takes one of
each; an inclusive one waits as long as a token somewhere may still come on a flow that has none (BPMN 2.0,
13.4.3), and asks that only when all else waits; a complex one goes on when its condition says so and then
takes what comes late before it begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.bpmn.limits import ElementError
from engine.bpmn.machine import WAITING, Node, Token
from engine.bpmn.scopes import Scope, View

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution


class ExclusiveGateway(Node):
    """One way: the first whose condition is true."""

    def choose(self, run: Execution, token: Token) -> list:
        element = self.element
        if len(element.outgoing) < 2 and all(f.condition is None for f in element.outgoing):
            return element.outgoing
        view = run.view(token)
        for flow in element.outgoing:
            if flow.id == element.default:
                continue
            if flow.condition is None:
                raise ElementError(f"Flow '{flow.name or flow.id}' has no condition and is not the default.")
            if flow.condition.truth(view, run.world):
                return [flow]
        if not self.default():
            raise ElementError(
                f"No condition of '{element.name or element.id}' is true and there is no default flow."
            )
        return self.default()


class Join(Node):
    """A gateway that may have to wait for several tokens."""

    def may_run(self, run: Execution, token: Token) -> bool:
        if "via" not in token.memo:
            return True
        return self.arrive(run, token, run.join(token))

    def arrive(self, run: Execution, token: Token, place: dict[str, list[Token]]) -> bool:
        return False

    def merge(self, run: Execution, tokens: list[Token]) -> Token:
        """Of the tokens that came together one goes on; the others are no more."""
        *others, last = sorted(tokens, key=lambda one: one.id)
        for one in others:
            run.remove(one)
        run.leave_join(last)
        last.memo.pop("via", None)
        return last


class ParallelGateway(Join):
    """Joins one token of each incoming flow, forks on all outgoing."""

    def choose(self, run: Execution, token: Token) -> list:
        return self.element.outgoing

    def arrive(self, run: Execution, token: Token, place: dict[str, list[Token]]) -> bool:
        if len(place) < len(self.element.incoming):
            return False
        last = self.merge(run, [place[flow.id][0] for flow in self.element.incoming])
        fired = token.scope.data.setdefault("fired", [])
        if self.element.id not in fired:
            fired.append(self.element.id)
            run.scope_changed(token.scope)
        if last is token:
            return True
        last._ready()
        return False


class InclusiveGateway(Join):
    """Forks on every condition that is true; joins what may still come."""

    def reconsider(self, run: Execution, scope: Scope, place: dict[str, list[Token]]) -> bool:
        if not self.may_join(run, scope, place):
            return False
        self.merge(run, [queue[0] for queue in list(place.values())])._ready()
        return True

    def may_join(self, run: Execution, scope: Scope, place: dict[str, list[Token]]) -> bool:
        """Whether no token elsewhere can come on an empty flow, unless it could come on one that has a token as well."""
        here, full = self.element, set(place)
        empty = {flow.id for flow in here.incoming} - full
        if not empty:
            return True
        for token_id in scope.tokens:
            element = run.tasks[token_id].element
            if element is here:
                continue
            reached = self.ways.get(element.id, frozenset())
            if reached & empty and not reached & full:
                return False
        return True

    @property
    def ways(self) -> dict[str, frozenset[str]]:
        """element -> incoming flows of this gateway that a token there can still come on, not through the gateway."""
        if not hasattr(self, "_ways"):
            found: dict[str, set[str]] = {}
            for flow in self.element.incoming:
                for element_id in _before(flow, self.element):
                    found.setdefault(element_id, set()).add(flow.id)
            self._ways = {key: frozenset(flows) for key, flows in found.items()}
        return self._ways


def _before(flow, gateway) -> set[str]:
    """Ids of elements from which `flow` can be reached without going through `gateway`."""
    found: set[str] = set()
    rest = [flow.source]
    while rest:
        one = rest.pop()
        if one is gateway or one.id in found:
            continue
        found.add(one.id)
        rest += [back.source for back in one.incoming]
        if one.attached_to is not None:
            rest.append(one.attached_to)
        if one.kind == "intermediateCatchEvent" and one.event == "link":
            rest += one.node.throwers
    return found


class ComplexGateway(InclusiveGateway):
    """Goes on when its activation condition is true, then waits for what is late and begins anew (BPMN 2.0, 13.4.5).

    Late tokens are consumed when each flow that brought none has brought one or no longer can. They go on only where a
    condition of an outgoing flow is true while `waitingForStart` is false; a flow without a condition is taken once.
    """

    def arrive(self, run: Execution, token: Token, place: dict[str, list[Token]]) -> bool:
        if self._late(token.scope) is not None:
            return False
        counts = {flow.id: len(place.get(flow.id, ())) for flow in self.element.incoming}
        view = View(token.scope, counts | {"activationCount": sum(counts.values()), "waitingForStart": True})
        try:
            enough = self.element.activation.truth(view, run.world)
        except ElementError as error:
            run.leave_join(token)
            run.stop(token, error.kind, error.sentence)
            return False
        return enough and self.activate(run, token, place)

    def activate(self, run: Execution, token: Token, place: dict[str, list[Token]]) -> bool:
        """One token of each flow that has one goes on as one."""
        came = [queue[0] for queue in place.values()]
        rest = sorted({flow.id for flow in self.element.incoming} - set(place))
        last = self.merge(run, came)
        self.remember(run, token.scope, rest)
        if last is token:
            return True
        last._ready()
        return False

    def reconsider(self, run: Execution, scope: Scope, place: dict[str, list[Token]]) -> bool:
        """Nothing else moves: is all that is late here, or can it no longer come? Then the gateway begins anew."""
        late = self._late(scope)
        if late is None or not self.may_join(run, scope, dict.fromkeys(set(self._flows) - set(late) | set(place))):
            return False
        self.remember(run, scope, [])
        came = [place[flow][0] for flow in late if place.get(flow)]
        if came:
            self.reset(run, self.merge(run, came))
        for waiting in [one for queue in list(place.values()) for one in queue]:
            if waiting.id in run.tasks and waiting.state == WAITING and self._late(scope) is None:
                run.leave_join(waiting)
                waiting.task_spec._update(waiting)
        return True

    def reset(self, run: Execution, token: Token) -> None:
        if any(flow.condition is not None for flow in self.element.outgoing):
            token.memo["reset"] = True
            token._ready()
        else:
            run.remove(token)
            run.settle(token.scope)

    def choose(self, run: Execution, token: Token) -> list:
        if not token.memo.get("reset"):
            return super().choose(run, token)
        return self.true_ones(run, token)

    def seen(self, run: Execution, token: Token) -> View:
        return run.view(token, {"waitingForStart": not token.memo.get("reset", False)})

    def remember(self, run: Execution, scope: Scope, rest: list[str]) -> None:
        """The flows on which a late token is still due; none: the gateway begins anew."""
        state = dict(scope.data.get("complex", {}))
        state[self.element.id] = rest
        if rest:
            run.late.add((scope.id, self.element.id))
        else:
            del state[self.element.id]
            run.late.discard((scope.id, self.element.id))
        scope.data["complex"] = state
        run.scope_changed(scope)

    def _late(self, scope: Scope) -> list[str] | None:
        return scope.data.get("complex", {}).get(self.element.id)

    @property
    def _flows(self) -> list[str]:
        return [flow.id for flow in self.element.incoming]


class EventBasedGateway(Node):
    """The first of the events behind it decides the way."""

    def enter(self, run: Execution, token: Token) -> bool | None:
        run.silence(token)
        for flow in self.element.outgoing:
            arm = run.begin(flow.target, token.scope, {"race": token.id, "flow": flow.id}, listening=True)
            token.memo.setdefault("listeners", []).append(arm.id)
        run.say("element.activated", token)
        return None

    def won(self, run: Execution, token: Token, arm: Token, variables: dict) -> None:
        """One event has happened: the others are no longer waited for."""
        flow = next(f for f in self.element.outgoing if f.id == arm.memo["flow"])
        run.silence(token)
        run.remove(token)
        run.say("element.completed", token)
        run.say("flow.taken", token, {"flow": flow.id})
        run.begin(flow.target, token.scope, {"fired": variables})
