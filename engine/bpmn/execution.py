"""One running instance: its tokens, scopes and waits, and every verb that moves it.

An `Execution` is a workflow of SpiffWorkflow. Verbs such as `complete`, `fire` and `throw_error` put tokens
in motion, `advance` runs until all wait, and `take` hands over what changed since it was asked last: rows,
waits that came and went, what was thrown, the path. Nothing here knows a database or a person. An element
that cannot go on stops its own token as an incident; a limit that is met ends the whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from engine.bpmn import compensation, errors, loops
from engine.bpmn.limits import LIMITS, ElementError, LimitExceeded, Limits
from engine.bpmn.machine import ERROR, READY, STARTED, STATE_NAMES, STATES, WAITING, Machine, Token
from engine.bpmn.model import Element, Flow, Process
from engine.bpmn.rows import Changes, ScopeRow, State, Step, Thrown, TokenRow, Wait
from engine.bpmn.scopes import Scope, View, write, write_local
from engine.errors import Conflict, NotFound, Refused


def _noting_limits(verb: Callable) -> Callable:
    """A verb that meets a limit keeps it for `advance` to raise, where whoever runs a step looks for it."""

    @wraps(verb)
    def noted(self, *args, **kwargs):
        try:
            return verb(self, *args, **kwargs)
        except LimitExceeded as limit:
            self.over = self.over or limit
            return False

    return noted


class Execution(Machine):
    """An instance in memory. `world` gives it the moment, decisions and working time; it may be replaced."""

    def __init__(self, process: Process, world, limits: Limits = LIMITS):
        super().__init__(process.spec)
        self.process = process
        self.world = world
        self.limits = limits
        self.scopes: dict[int, Scope] = {}
        #: what waits outside, by token
        self.waits: dict[int, Wait] = {}
        #: ids of the end events that were reached
        self.ended_by: list[str] = []
        self.next_id = 0
        #: (scope, element) -> flow -> tokens that wait at a join
        self.joining: dict[tuple[int, str], dict[str, list[Token]]] = {}
        #: (scope, element) of complex gateways that have gone on and still wait for what is late
        self.late: set[tuple[int, str]] = set()
        self._dirty_tokens: set[int] = set()
        self._dirty_scopes: set[int] = set()
        self._announced: dict[int, Wait] = {}
        self._moved_waits: set[int] = set()
        self._trail: list[Step] = []
        self._thrown: list[Thrown] = []
        self._conditions: set[int] = set()
        self._look_again = False
        #: (scope, variable, "create" or "update") of what was written since conditions were asked last
        self._written: set[tuple[int, str, str]] = set()
        #: a limit that a verb has met
        self.over: LimitExceeded | None = None

    # --- the life of an instance ----------------------------------------------------------------
    @_noting_limits
    def begin_at(self, element: Element | None, variables: dict[str, Any], trigger: str | None = None) -> None:
        """Open the process and put a token at its start, or at `element`, which `trigger` (a name) has reached."""
        root = self.open_scope(None, self.process.root, {})
        self.next_id = max(self.next_id, 1)
        given = dict.fromkeys(self.process.root.data_objects) | variables
        write_local(root, given, self.process.id, self.scope_changed)
        self.listen(root, self.process.root)
        if element is not None:
            self.begin(element, root, {"first": trigger} if element.parallel_multiple else {"fired": {}})
            for flow in element.incoming:
                self._begin_others(flow, root)
            return
        for one in self.process.root.starts:
            self.begin(one, root)

    def _begin_others(self, flow: Flow, root: Scope) -> None:
        """A parallel event-based gateway has begun the process with one of its events: it waits for the others."""
        if flow.source.all_events:
            for other in flow.source.outgoing:
                if other is not flow:
                    self.begin(other.target, root)

    def advance(self) -> None:
        """Run until all wait. Raises LimitExceeded when the step uses more than an instance may."""
        if self.over is not None:
            raise self.over
        steps = 0
        while True:
            while self.queue:
                token = self.queue.popleft()
                if token.state == READY and token.id in self.tasks:
                    steps += 1
                    self._refuse_endless(steps, token)
                    self._run_one(token)
            if not self._wake():
                return

    def take(self) -> Changes:
        """What changed since the last time."""
        changes = Changes(
            {id: self._token_row(id) for id in self._dirty_tokens},
            {id: self.scopes[id].row() if id in self.scopes else None for id in self._dirty_scopes},
            self.next_id, self._trail, *self._moved(), self._thrown,
        )  # fmt: skip
        self._dirty_tokens, self._dirty_scopes = set(), set()
        self._trail, self._thrown = [], []
        return changes

    def state(self) -> State:
        """The whole instance as rows."""
        return State(
            self.next_id, [self._token_row(id) for id in sorted(self.tasks)],
            [self.scopes[id].row() for id in sorted(self.scopes)],
        )  # fmt: skip

    # --- verbs from outside ---------------------------------------------------------------------
    @_noting_limits
    def complete(self, token_id: int, values: Mapping[str, Any]) -> None:
        """What a token waited for is done and gave `values`. Raises NotFound when it no longer waits."""
        token = self._waiting(token_id)
        self.unwait(token)
        self.attempt(token, "finish", dict(values))

    @_noting_limits
    def fire(self, token_id: int, variables: Mapping[str, Any] | None = None) -> bool:
        """A timer, message, signal or condition has come. False when the token no longer waits for one."""
        wait = self.waits.get(token_id)
        if wait is None or wait.kind not in ("timer", "message", "signal", "condition"):
            return False
        token = self.tasks[token_id]
        token.task_spec.fired(self, token, dict(variables or {}))
        return True

    def throw_error(
        self, token_id: int, code: str | None, message: str = "", variables=None, or_incident=True
    ) -> bool:
        """Throw an error at a token: caught by the nearest handler outward, else an incident. True when caught."""
        token = self.tasks.get(token_id)
        if token is None:
            return False
        if errors.throw(self, token, code, message, dict(variables or {})):
            return True
        if or_incident:
            self.stop(token, "error", message or f"Error {code} is not caught.", code, dict(variables or {}))
        return False

    @_noting_limits
    def escalate(self, token_id: int, code: str | None, variables=None) -> bool:
        """Throw an escalation at a token. True when something caught it."""
        token = self.tasks.get(token_id)
        return token is not None and errors.escalate(self, token, code, dict(variables or {}))

    def fail(self, token_id: int, sentence: str) -> None:
        """What a token waits for can never come: an incident."""
        token = self._waiting(token_id)
        self.unwait(token)
        self.stop(token, "call", sentence, retry="enter")

    def cancel(self) -> None:
        """End the instance before its time."""
        root = self.scopes[0]
        self.empty(root)
        self.close_scope(root)
        self.completed = True
        self.success = False

    # --- repairs --------------------------------------------------------------------------------
    @_noting_limits
    def retry(self, token_id: int) -> None:
        """Try again what an incident stopped."""
        token = self._stopped(token_id)
        phase, values = token.memo.pop("retry", "enter"), token.memo.pop("values", None)
        self.unwait(token)
        if phase == "enter":
            self._ready_again(token)
        else:
            token._set_state(STARTED)
            self.attempt(token, phase, values or {})

    @_noting_limits
    def skip(self, token_id: int, variables: Mapping[str, Any]) -> None:
        """Go on behind what an incident stopped, as if it had been done and given `variables`."""
        token = self._stopped(token_id)
        for key in ("retry", "values"):
            token.memo.pop(key, None)
        self.unwait(token)
        token._set_state(STARTED)
        if token.memo.get("listens"):
            token.task_spec.fired(self, token, dict(variables))
        else:
            self.attempt(token, "finish", dict(variables))

    @_noting_limits
    def move(self, token_id: int, element_id: str) -> None:
        """Take a token out and put one before another element of the same scope or of one around it."""
        token, target = self._moving(token_id, element_id)
        here = self.upward(token, target.parent)
        if here is None or not _may_be_entered(target):
            raise Conflict("A token cannot be moved from here to '%(element)s'.", element=element_id)
        self.drop(here)
        self.begin(target, here.scope)

    def may_move_to(self, token_id: int) -> list[str]:
        """Ids of the elements to which `move` would bring a token; none for an event that listens beside an activity."""
        places = [one for one in self.process.elements.values() if one is not self.process.root and _may_be_entered(one)]
        try:
            token, _ = self._moving(token_id, places[0].id)
        except Conflict:
            return []
        return [one.id for one in places if self.upward(token, one.parent) is not None]

    @_noting_limits
    def send_back(self, token_id: int, element_id: str) -> None:
        """Return to an earlier element: what followed it is cancelled, and compensated where the model says how."""
        token, target = self._moving(token_id, element_id)
        compensation.send_back(self, token, target)

    def may_return(self, token_id: int, element_id: str) -> bool:
        """Whether `send_back` would lead there."""
        try:
            compensation.way_back(self, *self._moving(token_id, element_id))
        except (Conflict, NotFound):
            return False
        return True

    # --- a running vote ---------------------------------------------------------------------------
    @_noting_limits
    def add_child(self, token_id: int, item: Any, note: dict[str, Any], next_: bool = False) -> None:
        """Do a multi-instance activity once more, for `item`; `token_id` is one of its children that wait."""
        loops.add_child(self, self._child(token_id), item, note, next_)

    @_noting_limits
    def remove_child(self, token_id: int, item: Any) -> bool:
        """Take an added item out again. False when it is done already or was never added."""
        return loops.remove_child(self, self._child(token_id), item)

    def added(self, token_id: int) -> list[dict[str, Any]]:
        """What was added to a running multi-instance activity: [{"item", "note"}]."""
        return loops.added(self._child(token_id))

    def remaining(self, token_id: int) -> list[Any]:
        """The items of a running multi-instance activity that are not done yet."""
        return loops.remaining(self, self._child(token_id))

    def _child(self, token_id: int) -> Token:
        token = self._waiting(token_id)
        if token.scope.data.get("body") != "multi":
            raise Conflict("This step is not one of several.")
        return token

    def _moving(self, token_id: int, element_id: str) -> tuple[Token, Element]:
        """A token and where it is to go. An arm of an event-based gateway stands for its gateway."""
        token, target = self.tasks.get(token_id), self.process.elements.get(element_id)
        if token is None or target is None:
            raise NotFound("There is no such token or no such element.")
        token = self.tasks.get(token.memo.get("of"), token)
        token = self.tasks.get(token.memo.get("race"), token)
        if token.memo.get("listens"):
            raise Conflict("A token cannot be moved from here to '%(element)s'.", element=element_id)
        return token, target

    @_noting_limits
    def set_variables(self, scope_id: int, values: Mapping[str, Any]) -> None:
        """Set variables of one scope by hand. Raises NotFound."""
        if scope_id not in self.scopes:
            raise NotFound("There is no such scope.")
        write_local(self.scopes[scope_id], values, self.scopes[scope_id].element_id, self.scope_changed)

    # --- looking --------------------------------------------------------------------------------
    def variables(self, scope_id: int = 0) -> dict[str, Any]:
        """The variables of one scope; those of the process when nothing is said. Raises NotFound."""
        if scope_id not in self.scopes:
            raise NotFound("There is no such scope.")
        scope = self.scopes[scope_id]
        return scope.variables | scope.derived

    def visible(self, token_id: int) -> dict[str, Any]:
        """Every variable that a token sees, outward from its own scope."""
        token = self.tasks.get(token_id)
        return self.view(token).flat() if token else self.variables()

    def view(self, token: Token, local: dict[str, Any] | None = None) -> View:
        """What expressions at a token see; a boundary event sees what its host sees."""
        host = self.tasks.get(token.memo.get("host"))
        return View(self.inner(host or token), local)

    def inner(self, token: Token) -> Scope:
        """The token's own scope if it has one, else the one that it lives in."""
        own = token.memo.get("scope")
        return self.scopes[own] if own is not None and own in self.scopes else token.scope

    def upward(self, token: Token, parent: Element) -> Token | None:
        """The token itself, or the one around it, that lives directly in `parent`. Nobody leads out of a handler."""
        here: Token | None = token
        while here is not None and "for" not in here.memo:
            if here.scope.element_id == parent.id and "body" not in here.scope.data:
                return here
            here = self.owner(here.scope)
        return None

    def owner(self, scope: Scope) -> Token | None:
        """The token of the activity that a scope belongs to."""
        return self.tasks.get(scope.data.get("owner"))

    # --- for the elements: tokens ---------------------------------------------------------------
    def begin(self, element: Element, scope: Scope, memo: dict[str, Any] | None = None, *, via: Flow | None = None,
              listening: bool = False) -> Token:  # fmt: skip
        """A new token before an element. A listening one does not keep its scope alive."""
        memo = {} if memo is None else memo
        if via is not None and len(element.incoming) > 1:
            memo["via"] = via.id
        if listening:
            memo["listens"] = True
        token = Token(self, element.node, scope, self.new_id(), memo)
        (scope.listeners if listening else scope.tokens).add(token.id)
        self._dirty_tokens.add(token.id)
        if len(self.tasks) > self.limits.tokens:
            raise LimitExceeded(element.id, f"The case has more than {self.limits.tokens} tokens.")
        element.node._update(token)
        return token

    def pass_on(self, token: Token, flows: list[Flow]) -> None:
        """An element was left: its token goes, one comes on each flow that is taken."""
        owner = self.owner(token.scope)
        if not flows and owner is not None and not token.element.triggered_by_event:
            owner.task_spec.collect(self, owner, token.scope)
        self.remove(token)
        self.say("element.completed", token)
        for flow in flows:
            self._trail.append(Step("flow.taken", flow.source.id, token.id, {"flow": flow.id}))
            self.begin(flow.target, token.scope, via=flow)
        if not flows or (owner is not None and owner.task_spec.reviews):
            self.settle(token.scope)

    def remove(self, token: Token) -> None:
        """The token is no more."""
        self.tasks.pop(token.id, None)
        token.scope.tokens.discard(token.id)
        token.scope.listeners.discard(token.id)
        self._dirty_tokens.add(token.id)
        self.unwait(token)
        if token.state == WAITING:
            self.leave_join(token)

    def drop(self, token: Token) -> None:
        """Cancel a token with all that hangs on it: its listeners, its scope, its wait."""
        if token.id not in self.tasks:
            return
        self.silence(token)
        if "undo" in token.memo:
            compensation.give_up(self, token)
        own = token.memo.get("scope")
        if own in self.scopes:
            self.empty(self.scopes[own])
            self.close_scope(self.scopes[own])
        entered = token.state in (STARTED, ERROR) and not token.memo.get("listens")
        self.remove(token)
        token.cancel()
        if entered:
            self.say("element.cancelled", token)

    def silence(self, token: Token) -> None:
        """Boundary events and arms of a token listen no longer."""
        for one in token.memo.pop("listeners", ()):
            if one in self.tasks:
                self.drop(self.tasks[one])

    def attempt(self, token: Token, phase: str, values: dict[str, Any] | None = None) -> None:
        """Do one phase of an element (`finish` or `leave`); an error of the element becomes an incident."""
        try:
            if phase == "finish":
                token.task_spec.finish(self, token, values or {})
            elif phase == "review":
                token.task_spec.review(self, token, self.inner(token))
            else:
                token.complete()
        except ElementError as error:
            self.stop(token, error.kind, error.sentence, retry=token.memo.pop("phase", phase), values=values)

    def stop(self, token: Token, kind: str, sentence: str, code=None, variables=None, *, retry="enter", values=None):
        """A token cannot go on: it waits for a person as an incident."""
        if token.id not in self.tasks:
            return
        token.memo["retry"] = retry
        if values:
            token.memo["values"] = values
        token._set_state(ERROR)
        self.wait(
            token, "incident", incident_kind=kind, sentence=sentence, error_code=code, error_variables=variables or {}
        )

    # --- for the elements: scopes ---------------------------------------------------------------
    def open_scope(self, parent: Scope | None, element: Element, data: dict[str, Any]) -> Scope:
        """A new scope inside `parent`."""
        if parent is not None and parent.depth >= self.limits.depth:
            raise LimitExceeded(element.id, f"Scopes are nested deeper than {self.limits.depth} levels.")
        scope = Scope(self.new_id(), parent, element.id, None, data)
        self.scopes[scope.id] = scope
        self._dirty_scopes.add(scope.id)
        return scope

    def close_scope(self, scope: Scope) -> None:
        """A scope ends with what was kept in it for compensation."""
        for record in scope.data.get("done", ()):
            if record.get("scope") in self.scopes:
                self.close_scope(self.scopes[record["scope"]])
        for row in scope.rows:
            self._forget_scope(row)
        if scope.id == 0:  # what the process came to stays readable
            for id in [id for id in self.scopes if id != 0]:
                self._forget_scope(id)
        else:
            self._forget_scope(scope.id)

    def _forget_scope(self, scope_id: int) -> None:
        gone = self.scopes.pop(scope_id, None)
        if gone is not None and "complex" in gone.data:
            self.late -= {(scope_id, element_id) for element_id in gone.data["complex"]}
        self._dirty_scopes.add(scope_id)

    def empty(self, scope: Scope) -> None:
        """Cancel every token in a scope, listeners too."""
        for one in sorted(scope.tokens | scope.listeners):
            if one in self.tasks:
                self.drop(self.tasks[one])

    def listen(self, scope: Scope, element: Element) -> None:
        """Event sub-processes of a scope begin to listen."""
        for one in element.event_subprocesses:
            for start in one.children:
                if start.kind == "startEvent" and start.node.listens:
                    self.begin(start, scope, {"of_event": one.id}, listening=True)

    def settle(self, scope: Scope) -> None:
        """A scope without tokens has ended: its activity goes on behind it."""
        if scope.id not in self.scopes or "kept" in scope.data or "body" in scope.data:
            return
        owner = self.owner(scope)
        if owner is not None and owner.task_spec.reviews:
            self.attempt(owner, "review")
        elif not scope.tokens:
            self.empty(scope)
            self._ended(scope, owner)

    def _ended(self, scope: Scope, owner: Token | None) -> None:
        if scope.id == 0:
            self.close_scope(scope)
            self.completed = True
        elif owner is not None:
            self.attempt(owner, "finish")

    def scope_changed(self, scope: Scope, name: str | None = None, how: str = "update") -> None:
        """Something of a scope changed; when it was a variable, `how` says whether it is new."""
        self._dirty_scopes.add(scope.id)
        self._look_again = bool(self._conditions)
        if name is not None and self._conditions:
            self._written.add((scope.id, name, how))

    def write(self, scope: Scope, values: Mapping[str, Any], element_id: str) -> None:
        """Write variables from `scope` outward."""
        write(scope, values, element_id, self.scope_changed)

    # --- for the elements: waiting, throwing, telling -------------------------------------------
    def wait(self, token: Token, kind: str, **more) -> None:
        """The outside is to bring something to a token."""
        wait = Wait(kind, token.id, token.element.id, token.element.name, **more)
        self.waits[token.id] = wait
        token.memo["wait"] = _remembered(wait)
        self._moved_waits.add(token.id)
        self._dirty_tokens.add(token.id)
        if kind == "condition":
            self._conditions.add(token.id)
            self._look_again = True
        if not token.memo.get("told") and not token.memo.get("listens") and kind != "incident":
            token.memo["told"] = True
            self.say("element.activated", token)

    def unwait(self, token: Token) -> None:
        if self.waits.pop(token.id, None) is not None:
            token.memo.pop("wait", None)
            self._moved_waits.add(token.id)
            self._dirty_tokens.add(token.id)
            self._conditions.discard(token.id)

    def throw(self, thrown: Thrown) -> None:
        """Something leaves the instance. A signal is heard inside first."""
        self._thrown.append(thrown)
        if thrown.kind == "signal":
            for token_id, wait in sorted(self.waits.items()):  # in the order in which they came, also after loading
                if wait.kind == "signal" and wait.signal_name == thrown.name:
                    self.fire(token_id, thrown.variables)

    def say(self, type: str, token: Token, data: dict[str, Any] | None = None) -> None:
        """One thing for the path."""
        self._trail.append(Step(type, token.element.id, token.id, data or {}))

    def touch(self, token: Token) -> None:
        self._dirty_tokens.add(token.id)

    def new_id(self) -> int:
        given = self.next_id
        self.next_id += 1
        return given

    # --- joins ----------------------------------------------------------------------------------
    def join(self, token: Token) -> dict[str, list[Token]]:
        """A token has come to a join; what waits there now, by flow."""
        token._set_state(WAITING)
        place = self.joining.setdefault((token.scope.id, token.element.id), {})
        place.setdefault(token.memo["via"], []).append(token)
        return place

    def leave_join(self, token: Token) -> None:
        key = (token.scope.id, token.element.id)
        place = self.joining.get(key, {})
        queue = place.get(token.memo.get("via"), [])
        if token in queue:
            queue.remove(token)
        if not queue:
            place.pop(token.memo.get("via"), None)
        if not place:
            self.joining.pop(key, None)

    # --- running --------------------------------------------------------------------------------
    def _run_one(self, token: Token) -> None:
        try:
            done = token.task_spec._run(token)
        except ElementError as error:
            self.stop(token, error.kind, error.sentence)
        except Refused as refused:
            self.stop(token, "expression", str(refused))
        else:
            if done is None:
                if token.id in self.tasks and token.state == READY:
                    token._set_state(STARTED)
            elif token.id in self.tasks:
                token._set_state(STARTED)
                self.attempt(token, "finish")

    def _ready_again(self, token: Token) -> None:
        token.memo.pop("told", None)
        token.task_spec._update(token)

    def _refuse_endless(self, steps: int, token: Token) -> None:
        if steps > self.limits.steps:
            raise LimitExceeded(token.element.id, f"One step ran through more than {self.limits.steps} elements.")

    def _wake(self) -> bool:
        """When all wait: joins that need wait no longer, then conditions that have come true. True if anything moved."""
        moved = False
        for key in [*self.joining, *sorted(self.late - self.joining.keys())]:
            place, (scope_id, element_id) = self.joining.get(key, {}), key
            if scope_id in self.scopes and (place or key in self.late):
                moved |= self.process.elements[element_id].node.reconsider(self, self.scopes[scope_id], place)
        if self._look_again and not moved:
            self._look_again = False
            written, self._written = self._written, set()
            for token_id in sorted(self._conditions):
                if token_id in self.waits and self._concerns(self.tasks[token_id], written):
                    moved |= self._reconsider_condition(self.tasks[token_id])
        return moved or bool(self.queue)

    def _concerns(self, token: Token, written: set[tuple[int, str, str]]) -> bool:
        """Whether a condition is to be asked: at first, and whenever something that its filter names was written."""
        event = token.element.events[token.memo.get("arm", 0)]
        if not (event.only_variables or event.only_changes) or "was" not in token.memo:
            return True
        seen = {scope.id for scope in self.inner(self.tasks.get(token.memo.get("host"), token)).chain()}
        return any(
            scope_id in seen
            and (not event.only_variables or name in event.only_variables)
            and (not event.only_changes or how in event.only_changes)
            for scope_id, name, how in written
        )

    def _reconsider_condition(self, token: Token) -> bool:
        try:
            return token.task_spec.reconsider_condition(self, token)
        except ElementError as error:
            self.unwait(token)
            self.stop(token, error.kind, error.sentence)
            return False

    # --- rows -----------------------------------------------------------------------------------
    def _token_row(self, token_id: int) -> TokenRow | None:
        token = self.tasks.get(token_id)
        if token is None:
            return None
        return TokenRow(token_id, token.scope.id, token.element.id, STATE_NAMES[token.state], dict(token.memo))

    def _moved(self) -> tuple[list[Wait], list[tuple[int, str]]]:
        opened, closed = [], []
        for token_id in sorted(self._moved_waits):
            before, now = self._announced.get(token_id), self.waits.get(token_id)
            if before is now:
                continue
            if before is not None:
                closed.append((token_id, before.kind))
                del self._announced[token_id]
            if now is not None:
                opened.append(now)
                self._announced[token_id] = now
        self._moved_waits = set()
        return opened, closed

    def _waiting(self, token_id: int) -> Token:
        if token_id not in self.waits:
            raise NotFound("This step no longer waits.")
        return self.tasks[token_id]

    def _stopped(self, token_id: int) -> Token:
        if self.waits.get(token_id) is None or self.waits[token_id].kind != "incident":
            raise Conflict("There is no incident at this step any more.")
        return self.tasks[token_id]

    def restore(self, state: State) -> None:
        """Become what the rows say; their order means nothing."""
        rows = {row.id: row for row in state.scopes}
        for row in state.scopes:
            self._restore_scope(row, rows)
        for row in sorted(state.tokens, key=lambda one: one.id):
            self._restore_token(row)
        self.next_id = state.next_token
        self._dirty_tokens, self._dirty_scopes, self._moved_waits = set(), set(), set()
        self.completed = not self.tasks
        for scope in self.scopes.values():
            body = self.process.elements.get(scope.element_id)
            if "body" in scope.data and body is not None:
                loops.restore_body(self, scope)

    def _restore_scope(self, row: ScopeRow, rows: dict[int, ScopeRow]) -> Scope:
        if row.id in self.scopes:
            return self.scopes[row.id]
        parent = None if row.parent_id is None else self._restore_scope(rows[row.parent_id], rows)
        scope = self.scopes[row.id] = Scope(row.id, parent, row.element_id, dict(row.variables), dict(row.data))
        self.late |= {(scope.id, element_id) for element_id in scope.data.get("complex", ())}
        return scope

    def _restore_token(self, row: TokenRow) -> None:
        element = self.process.elements[row.element_id]
        token = Token(self, element.node, self.scopes[row.scope_id], row.id, dict(row.data))
        token._state = STATES[row.state]
        (token.scope.listeners if token.memo.get("listens") else token.scope.tokens).add(row.id)
        if token.state == READY:
            self.queue.append(token)
        elif token.state == WAITING and "via" in token.memo:
            self.join(token)
        if "wait" in token.memo:
            wait = _recalled(token)
            self.waits[row.id] = self._announced[row.id] = wait
            if wait.kind == "condition":
                self._conditions.add(row.id)


def _may_be_entered(element: Element) -> bool:
    return element.kind not in ("startEvent", "boundaryEvent") and not element.triggered_by_event


#: what a wait must be remembered with; the rest stands in the model or was used when it was opened
_KEPT = ("message_name", "signal_name", "correlation_key", "incident_kind", "sentence", "error_code", "process_key")


def _remembered(wait: Wait) -> dict[str, Any]:
    kept = {name: value for name in _KEPT if (value := getattr(wait, name)) is not None}
    return {"kind": wait.kind, **kept} | ({"due": wait.due.isoformat()} if wait.due else {})


def _recalled(token: Token) -> Wait:
    said = dict(token.memo["wait"])
    due = datetime.fromisoformat(said.pop("due")) if "due" in said else None
    wait = Wait(said.pop("kind"), token.id, token.element.id, token.element.name, due=due, **said)
    wait.propagate_all_child_variables = token.element.node.takes_all if wait.kind == "call" else True
    return wait
