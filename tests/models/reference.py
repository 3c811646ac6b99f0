"""What a random model means, told a second time and as simply as can be, without tokens and without the engine.

A block runs by being entered with a continuation: what to do when it is left. A scope counts the ways
that are open in it and ends with the last one. An activity that runs is a `Run`; to end it is to end all
that hangs on it. `Reference` offers what the outside may do: `waits` says what is waited for and its
verbs are `complete`, `pick`, `fire`, `fail`, `escalate` and `retry`. Nothing here knows engine.bpmn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.models import blocks
from tests.models.blocks import AdHoc, Catcher, Event, EventSub, Model, Seq, Sub, Task, Throw, begins_with, ids_in

Then = Callable[[], None]
WAITED_FOR = {"timer": "timer", "message": "message", "signal": "signal", "conditional": "condition"}
#: tasks that are done as soon as they are reached
IMMEDIATE = ("script", "rule", "task", "send")


class Scope:
    """Variables, and the ways that are open."""

    def __init__(self, machine: Reference, parent: Scope | None, owner: Run | None, block: Any):
        self.machine, self.parent, self.owner, self.block = machine, parent, owner, block
        self.variables: dict[str, Any] = {}
        self.ways = 0
        self.runs: list[Run] = []
        self.listeners: list[Wait] = []
        #: what can be undone: (task, scope) or a scope that has ended
        self.done: list[tuple[Task, Scope] | Scope] = []
        self.alive = True
        #: a body of many does not end by itself, and nothing in it catches
        self.is_body = False

    def holder(self, name: str) -> Scope:
        scope = self
        while scope.parent is not None and name not in scope.variables:
            scope = scope.parent
        return scope

    def see(self, name: str) -> Any:
        return self.holder(name).variables.get(name)

    def write(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            holder = self.holder(name)
            self.machine.written.append((holder, name, "update" if name in holder.variables else "create"))
            holder.variables[name] = value

    @property
    def undone_by(self) -> EventSub | None:
        return None if self.is_body else getattr(self.block, "undone_by", None)

    def chain(self) -> list[Scope]:
        return [self, *(self.parent.chain() if self.parent else ())]

    def listen(self, event_subs: list[EventSub]) -> None:
        for one in event_subs:
            expect(self.machine, self, one.start, one.event, self._starter(one), None, lambda: self.listeners)

    def _starter(self, one: EventSub) -> Callable[[Wait, dict], None]:
        def fired(wait: Wait, values: dict[str, Any]) -> None:
            if not one.interrupting:
                wait.again()
            self.start(one, values)

        return fired

    def start(self, one: EventSub, values: dict[str, Any]) -> None:
        """An event sub-process begins."""
        if one.interrupting:
            self.clear()
            self.ways = 0
        self.ways += 1
        Run(self.machine, self, one, self.way_ended).enter_event_sub(values)

    def clear(self) -> None:
        """Everything in it is over."""
        for one in list(self.runs):
            one.cancel()
        for wait in self.listeners:
            wait.close()
        self.listeners = []

    def way_ended(self) -> None:
        self.ways -= 1
        if self.ways == 0 and self.alive and not self.is_body:
            self.alive = False
            self.clear()
            if self.owner is None:
                self.machine.completed = True
            else:
                self.owner.finish({})

    def counters(self) -> tuple[int, ...]:
        """Which child of which loop, outermost first."""
        own = (self.variables["loopCounter"],) if "loopCounter" in self.variables else ()
        return (self.parent.counters() if self.parent else ()) + own

    def place(self) -> tuple[int, ...]:
        """When each activity around it began, outermost first."""
        return () if self.owner is None else (*self.owner.scope.place(), self.owner.number)


class Wait:
    """Something that the outside may bring."""

    def __init__(
        self, machine: Reference, scope: Scope, id: str, event: Event | None, fired, kind: str = "", host: Run | None = None
    ):
        self.machine, self.scope, self.id, self.event, self.fired = machine, scope, id, event, fired
        self.kind = kind or WAITED_FOR[event.kind]
        self.host = host
        self.left = event.times if event is not None else None
        self.was = False
        #: how much had been written when its condition was asked last
        self.asked: int | None = None
        #: begins to wait anew for all parts of a parallel multiple event
        self.anew: Then | None = None
        self.number = machine.number()
        self.place = (*scope.place(), host.number if host else 0, self.number)
        machine.waits.append(self)

    def close(self) -> None:
        if self in self.machine.waits:
            self.machine.waits.remove(self)

    def again(self) -> None:
        """What does not interrupt waits for its next time; a timer only while there is one."""
        if self.anew is not None:
            self.anew()
        elif self.kind == "timer":
            if self.left is None or self.left <= 1:
                self.close()
            else:
                self.left -= 1

    @property
    def name(self) -> tuple[str, str, tuple[int, ...]]:
        return self.id, self.kind, self.scope.counters()


def expect(machine: Reference, scope: Scope, id: str, event: Event, fired, host: Run | None, into) -> None:
    """Begin to wait for an event, with a wait for each of its parts; `into()` is the list of who listens."""
    if event.all:
        _expect_all(machine, scope, id, event, fired, host, into)
        return
    for part in event.parts or (event,):
        if part.kind in WAITED_FOR:
            into().append(Wait(machine, scope, id, part, fired, host=host))


def _expect_all(machine: Reference, scope: Scope, id: str, event: Event, fired, host: Run | None, into) -> None:
    missing = len(event.parts)

    def one_came(wait: Wait, values: dict[str, Any]) -> None:
        nonlocal missing
        missing -= 1
        wait.close()
        scope.write(values)
        if missing == 0:
            fired(wait, values)

    for part in event.parts:
        into().append(one := Wait(machine, scope, id, part, one_came, host=host))
        one.anew = lambda: _expect_all(machine, scope, id, event, fired, host, into)


class Run:
    """One activity under way."""

    def __init__(self, machine: Reference, scope: Scope, block, then: Then, died: Then | None = None, child: int | None = None):
        self.machine, self.scope, self.block, self.then, self.died = machine, scope, block, then, died or _nothing
        self.child = child
        self.waits: list[Wait] = []
        self.own: Scope | None = None
        #: handlers that run on behalf of a throw
        self.undoing: Run | None = None
        #: the sequence that it stands in, as which part, and how to begin any of its parts
        self.at: tuple[Seq, int, Callable[[int], None]] | None = None
        #: of an ad-hoc sub-process: nothing more is begun
        self.over = False
        #: of one where one thing is done at a time: what is next
        self.next: list[list[Task]] = []
        self.results: list[Any] = []
        self.alive = True
        self.number = machine.number()
        scope.runs.append(self)

    def cancel(self) -> None:
        self.gone()
        for inner in (self.own,):
            if inner is not None:
                inner.alive = False
                inner.clear()
        if self.undoing is not None:
            self.undoing.cancel()

    def gone(self) -> None:
        self.alive = False
        self.silence()
        if self in self.scope.runs:
            self.scope.runs.remove(self)

    def silence(self) -> None:
        for wait in self.waits:
            wait.close()
        self.waits = []

    def wait(self, kind: str, event: Event | None = None, fired=None) -> None:
        self.waits.append(Wait(self.machine, self.own or self.scope, self.block.id, event, fired, kind, self))

    # --- beginning --------------------------------------------------------------------------------
    def enter(self) -> None:
        block = self.block
        immediate = isinstance(block, Task) and block.kind in IMMEDIATE
        if self.child is None and (block.many or not immediate):
            self.listen()
        if block.many is not None and self.child is None:
            self.open_body()
        elif isinstance(block, Sub):
            self.enter_sub()
        elif isinstance(block, AdHoc):
            self.localise({})
            if block.begins is None:
                self.offer()
            else:
                self.begin_all(list(block.begins))
        else:
            self.enter_task()

    def listen(self) -> None:
        for one in self.block.catchers:
            expect(self.machine, self.scope, one.id, one.event, self._boundary(one), self, lambda: self.waits)

    def _boundary(self, one: Catcher):
        def fired(wait: Wait, values: dict[str, Any]) -> None:
            if not one.interrupting:
                wait.again()
            self.trigger(one, values)

        return fired

    def trigger(self, one: Catcher, values: dict[str, Any]) -> None:
        """A boundary event has happened."""
        scope, machine = self.scope, self.machine
        if one.interrupting:
            self.cancel()
            scope.write(values)
            machine.enter(one.handler, scope, self.then, self.died)
        else:
            scope.ways += 1
            scope.write(values)
            machine.enter(one.handler, scope, scope.way_ended)

    def localise(self, values: dict[str, Any]) -> Scope:
        self.own = Scope(self.machine, self.scope, self, self.block)
        self.own.variables |= values
        return self.own

    def given(self) -> dict[str, Any]:
        if self.child is None:
            return {}
        many, counter = self.block.many, {"loopCounter": self.child + 1}
        return counter if many.kind == "loop" or many.counted else counter | {"item": many.items[self.child]}

    def enter_sub(self) -> None:
        block = self.block
        scope = self.localise(self.given() | begins_with(block.locals))
        scope.listen(block.event_subs)
        scope.ways = 1
        self.machine.enter(block.body, scope, scope.way_ended)

    def enter_event_sub(self, values: dict[str, Any]) -> None:
        block = self.block
        scope = self.localise(begins_with(block.locals))
        scope.listen(block.event_subs)
        scope.ways = 1
        scope.write(values)
        self.machine.enter(block.body, scope, scope.way_ended)

    def enter_task(self) -> None:
        block = self.block
        given = self.given()
        if block.mapped:
            given["w"] = self.scope.see("v0") + 1
        if block.stored:
            given["held"] = self.scope.see(block.stored)
        if block.kept:
            given["held"] = self.machine.stores.get(block.kept)
        if given:
            self.localise(given)
        if block.kind == "rule":
            (self.own or self.scope).write({f"n_{block.id}": self.scope.see("v0") * 2})
        if block.kind == "script":
            name = f"n_{block.id}"
            (self.own or self.scope).write({name: (self.scope.see(name) or 0) + 1})
        if block.kind == "send":
            self.machine.thrown.append(("message", f"m_{block.id}"))
        if block.kind in IMMEDIATE:
            self.finish({})
        elif block.kind == "receive":
            self.wait("message", fired=lambda wait, values: self.finish(values))
        else:
            self.wait(block.kind)

    # --- many times -------------------------------------------------------------------------------
    def open_body(self) -> None:
        many = self.block.many
        body = self.localise({})
        body.is_body = True
        self.begun, self.ended, self.times = 0, 0, self.how_often()
        self.results = [None] * self.times
        for _ in range(self.times if many.kind == "parallel" else min(self.times, 1)):
            self.next_child()
        if not self.times:
            self.finish({})

    def how_often(self) -> int:
        many = self.block.many
        if many.kind != "loop":
            return len(many.items)
        wanted = len(many.items) if many.most is None else min(len(many.items), many.most)
        return wanted if many.before else max(wanted, 1)

    def next_child(self) -> None:
        child = Run(self.machine, self.own, self.block, lambda: None, child=self.begun)
        self.begun += 1
        child.enter()

    def child_ended(self, child: Run) -> None:
        many = self.block.many
        self.ended += 1
        if many.results:
            first = self.times if many.counted else child.own.see("item")
            self.results[child.child] = first * 10 + child.own.see("loopCounter")
        if child.own.done or getattr(self.block, "undone_by", None):
            self.own.done.append(child.own)
        if (many.until is not None and self.ended >= many.until) or self.ended >= self.times:
            for one in list(self.own.runs):
                one.cancel()
            self.finish({})
        elif many.kind != "parallel":
            self.next_child()

    # --- ad hoc -----------------------------------------------------------------------------------
    def offer(self) -> None:
        """A person may pick, unless she did and it is one at a time."""
        if self.next and not self.own.ways:
            self.own.ways += 1
            self.begin(self.next.pop(0), 0)
        elif self.block.begins is None and not any(wait.kind == "adhoc" for wait in self.waits) and not (self.block.one_at_a_time and self.own.ways):
            self.wait("adhoc")

    def pick(self, wait: Wait, picked: list[str]) -> None:
        """Begin what was picked; nothing was: it is over."""
        wait.close()
        self.waits.remove(wait)
        if not picked:
            self.over = True
            self.review()
            return
        self.begin_all(picked)
        if self.alive and not self.over:
            self.offer()

    def begin_all(self, picked: list[str]) -> None:
        """At once, or one after the other; when an expression says nothing it is over."""
        chosen = [next(item for item in self.block.items if item[0].id == one) for one in picked]
        if not chosen:
            self.review()
        elif self.block.one_at_a_time:
            self.next += chosen
            self.offer()
        else:
            self.own.ways += len(chosen)
            for item in chosen:
                if self.alive:
                    self.begin(item, 0)

    def begin(self, item: list[Task], number: int) -> None:
        def ended() -> None:
            last = number + 1 == len(item)
            self.own.ways -= last
            if last:
                self.results.append(self.own.see("v0"))
            self.review(None if last else lambda: self.begin(item, number + 1))

        Run(self.machine, self.own, item[number], ended).enter()

    def review(self, then: Then | None = None) -> None:
        """Whenever something was done: is that all?"""
        until = self.block.until
        done = self.block.begins is not None and then is None and not self.own.ways and not self.next
        self.over = self.over or done or (until is not None and until.holds(self.own.see))
        if self.over and (self.block.cancels or not self.own.ways):
            self.own.clear()
            self.silence()
            self.finish({})
            return
        if then is not None:
            then()
        if self.over:
            for wait in [one for one in self.waits if one.kind == "adhoc"]:
                wait.close()
                self.waits.remove(wait)
        else:
            self.offer()

    # --- ending -----------------------------------------------------------------------------------
    def finish(self, values: dict[str, Any]) -> None:
        """Done: what it came to goes outward, and the way goes on."""
        block = self.block
        is_body = self.own is not None and self.own.is_body
        if is_body:
            if block.many.results:
                self.scope.write({block.many.results: self.results})
        elif isinstance(block, Sub) and block.sums:
            self.scope.write({block.sums: (self.own.see(block.sums) or 0) + self.own.see("acc")})
        elif isinstance(block, AdHoc) and block.results:
            self.scope.write({block.results: self.results})
        elif isinstance(block, Task) and block.mapped:
            self.scope.write({"v1": values.get("w", self.own.see("w"))})
        else:
            (self.own or self.scope).write(values)
        if not is_body and getattr(block, "stored", None):
            self.scope.write({block.stored: (self.own.see("held") or 0) + 1})
        if not is_body and getattr(block, "kept", None):
            self.machine.stores[block.kept] = (self.own.see("held") or 0) + 1
        if self.child is not None:
            self.gone()
            self.scope.owner.child_ended(self)
            return
        self.note()
        self.machine.done[block.id] += 1
        self.gone()
        self.then()

    def note(self) -> None:
        """What can be undone is remembered in the scope around."""
        undo = getattr(self.block, "undo", None)
        if undo is not None:
            self.scope.done.append((undo, self.scope))
        elif self.own is not None and self.machine.completed is False and (self.own.done or self.own.undone_by):
            self.scope.done.append(self.own)


class Reference:
    """A model that runs, and what the outside may do to it."""

    def __init__(self, model: Model):
        self.waits: list[Wait] = []
        self.thrown: list[tuple[str, str]] = []
        self.done: Counter[str] = Counter()
        self.stores: dict[str, int] = {}
        #: (scope, variable, create or update) of all that was written
        self.written: list[tuple[Scope, str, str]] = []
        self.completed = False
        self._count = 0
        self._at: tuple[Seq, int, Callable[[int], None]] | None = None
        self.root = Scope(self, None, None, model)
        self.root.variables |= model.variables
        self.root.listen(model.event_subs)
        self.root.ways = 1
        self.enter(model.body, self.root, self.root.way_ended)
        self.settle()

    def number(self) -> int:
        self._count += 1
        return self._count

    # --- from outside -----------------------------------------------------------------------------
    def complete(self, wait: Wait, values: dict[str, Any]) -> None:
        wait.host.silence()
        wait.host.finish(values)
        self.settle()

    def fire(self, wait: Wait, values: dict[str, Any]) -> None:
        wait.fired(wait, values)
        self.settle()

    def fail(self, wait: Wait, code: str, values: dict[str, Any]) -> None:
        if not self.throw("error", code, wait.host.scope, wait.host, values):
            wait.kind = "incident"
        self.settle()

    def escalate(self, wait: Wait, code: str, values: dict[str, Any]) -> None:
        self.throw("escalation", code, wait.host.scope, wait.host, values)
        self.settle()

    def pick(self, wait: Wait, picked: list[str]) -> None:
        wait.host.pick(wait, picked)
        self.settle()

    def retry(self, wait: Wait) -> None:
        wait.host.cancel()
        again = Run(self, wait.host.scope, wait.host.block, wait.host.then, wait.host.died, wait.host.child)
        again.enter()
        self.settle()

    # --- repairs ----------------------------------------------------------------------------------
    def ways_to(self, wait: Wait) -> tuple[list[str], list[str]]:
        """(to what of its sequence a token may be moved, to what it may be sent back).

        Moved back never before a gateway, which might still expect what was forked; sent back only where nothing
        else is under way in the scope and no loop can lead there.
        """
        run = wait.host
        if run is None or run.at is None or wait.event is not None or isinstance(run.block, (Sub, AdHoc)):
            return [], []
        seq, number, _ = run.at
        alone = run.scope.block.body is seq and run.scope.ways == 1
        ids = [(place, part.id) for place, part in enumerate(seq.parts) if isinstance(part, (Task, Sub, AdHoc))]
        plain = next((n for n in range(number, -1, -1) if not isinstance(seq.parts[n], (Task, Sub, AdHoc))), -1)
        along = [id for place, id in ids if place > number or plain < place < number]
        return along, [id for place, id in ids if place < number and alone]

    def move(self, wait: Wait, id: str) -> None:
        number, step = self._drop(wait, id)
        step(number)
        self.settle()

    def send_back(self, wait: Wait, id: str) -> None:
        """What was done from there on is undone first."""
        scope, seq = wait.host.scope, wait.host.at[0]
        number, step = self._drop(wait, id)
        behind = ids_in(seq.parts[number:])
        found = [one for one in scope.done if (one.block.id if isinstance(one, Scope) else one[0].undoes) in behind]
        scope.done = [one for one in scope.done if one not in found]
        keeper = Run(self, scope, seq.parts[number], _nothing)

        def undone() -> None:
            keeper.gone()
            step(number)

        self._undo(keeper, self._each(found), undone)
        self.settle()

    def _drop(self, wait: Wait, id: str) -> tuple[int, Callable[[int], None]]:
        seq, _, step = wait.host.at
        wait.host.cancel()
        return next(number for number, part in enumerate(seq.parts) if getattr(part, "id", None) == id), step

    def set(self, values: dict[str, Any]) -> None:
        self.root.write(values)
        self.settle()

    def settle(self) -> None:
        """Conditions that have become true happen, until none does."""
        while any(self._look(wait) for wait in list(self.waits) if wait.kind == "condition"):
            pass

    def _look(self, wait: Wait) -> bool:
        if wait not in self.waits:
            return False
        scope = wait.host.own or wait.scope if wait.host else wait.scope
        if not self._concerns(wait, scope):
            return False
        wait.asked = len(self.written)
        before, wait.was = wait.was, wait.event.test.holds(scope.see)
        if wait.was and not before:
            wait.fired(wait, {})
            return True
        return False

    def _concerns(self, wait: Wait, scope: Scope) -> bool:
        """A condition with a filter is asked at first, and when something that the filter names was written."""
        only, change = wait.event.only, wait.event.change
        if wait.asked is None or not (only or change):
            return True
        new = [(name, how) for where, name, how in self.written[wait.asked :] if where in scope.chain()]
        return any((not only or name in only) and (not change or how in change) for name, how in new)

    # --- blocks -----------------------------------------------------------------------------------
    def enter(self, block: blocks.Block, scope: Scope, then: Then, died: Then | None = None) -> None:
        getattr(self, "_" + type(block).__name__.lower())(block, scope, then, died or _nothing)

    def _seq(self, block, scope: Scope, then: Then, died: Then) -> None:
        if blocks.never_left(block):  # nobody need wait for it
            died()
            died = _nothing

        def step(number: int) -> None:
            if number == len(block.parts):
                then()
            else:
                self._at = block, number, step
                self.enter(block.parts[number], scope, lambda: step(number + 1), died)

        step(0)

    def _task(self, block, scope: Scope, then: Then, died: Then) -> None:
        run = Run(self, scope, block, then, died)
        if self._at is not None and self._at[0].parts[self._at[1]] is block:
            run.at = self._at
        run.enter()

    _sub = _adhoc = _task

    def _xor(self, block, scope: Scope, then: Then, died: Then) -> None:
        for test, branch in block.branches:
            if test is not None and test.holds(scope.see):
                return self.enter(branch, scope, then, died)
        return self.enter(next(b for test, b in block.branches if test is None), scope, then, died)

    def _and(self, block, scope: Scope, then: Then, died: Then) -> None:
        self._behind(block.host, scope, lambda: self._fork(block, scope, then, died))

    def _or(self, block, scope: Scope, then: Then, died: Then) -> None:
        self._behind(block.host, scope, lambda: self._split(block, scope, then, died))

    def _behind(self, host: Task | None, scope: Scope, then: Then) -> None:
        """What an activity forks, it forks when it is done."""
        if host is None:
            then()
        else:
            Run(self, scope, host, then).enter()

    def _fork(self, block, scope: Scope, then: Then, died: Then) -> None:
        missing = len(block.branches)
        scope.ways += missing - 1

        def arrived() -> None:
            nonlocal missing
            missing -= 1
            if missing == 0:
                scope.ways -= len(block.branches) - 1
                then()

        for branch in block.branches:
            self.enter(branch, scope, arrived, died)

    def _some(self, block, scope: Scope, then: Then, died: Then) -> None:
        came = 0
        scope.ways += len(block.branches) - 1

        def arrived() -> None:
            nonlocal came
            came += 1
            if came == block.enough:
                scope.ways -= came - 1
                then()
            elif came > block.enough and (block.late is None or came < len(block.branches)):
                scope.way_ended()
            elif came > block.enough:
                self.enter(block.late, scope, scope.way_ended)

        for branch in block.branches:
            self.enter(branch, scope, arrived, died)

    def _split(self, block, scope: Scope, then: Then, died: Then) -> None:
        chosen = [b for test, b in block.branches if test is not None and test.holds(scope.see)]
        chosen = chosen or [b for test, b in block.branches if test is None]
        came, missing = 0, len(chosen)
        scope.ways += missing - 1

        def one_less(arrived: bool) -> None:
            nonlocal came, missing
            came, missing = came + arrived, missing - 1
            if missing == 0 and came:
                scope.ways -= came - 1
                then()
            elif missing == 0:
                died()

        for branch in chosen:
            self.enter(branch, scope, lambda: one_less(True), lambda: one_less(False))

    def _loop(self, block, scope: Scope, then: Then, died: Then) -> None:
        scope.write({block.variable: 0})

        def again() -> None:
            scope.write({block.variable: scope.see(block.variable) + 1})
            if scope.see(block.variable) < block.times:
                self.enter(block.body, scope, again, died)
            else:
                then()

        self.enter(block.body, scope, again, died)

    def _race(self, block, scope: Scope, then: Then, died: Then) -> None:
        run = Run(self, scope, block, then, died)

        def arm(branch):
            def fired(wait: Wait, values: dict[str, Any]) -> None:
                run.gone()
                scope.write(values)
                self.enter(branch, scope, then, died)

            return fired

        run.waits = [Wait(self, scope, id, event, arm(branch), host=run) for id, event, branch in block.arms]

    def _catch(self, block, scope: Scope, then: Then, died: Then) -> None:
        run = Run(self, scope, block, then, died)

        def fired(wait: Wait, values: dict[str, Any]) -> None:
            run.gone()
            scope.write(values)
            then()

        expect(self, scope, block.id, block.event, fired, run, lambda: run.waits)

    # --- throwing ---------------------------------------------------------------------------------
    def _throw(self, block: Throw, scope: Scope, then: Then, died: Then) -> None:
        run = Run(self, scope, block, then, died)

        def over() -> None:
            run.gone()
            then()

        self._happen(run, scope, over)

    def _end(self, block, scope: Scope, then: Then, died: Then) -> None:
        run = Run(self, scope, block, then, died)

        def over() -> None:
            run.gone()
            scope.way_ended()

        if block.event.kind == "error":
            if not self.throw("error", block.event.name, scope, None, {}):
                run.then = over
                run.wait("incident")
        elif block.event.kind == "terminate":
            run.gone()
            scope.clear()
            scope.ways = 1
            scope.way_ended()
        elif block.event.kind == "cancel":
            self._cancel(run, scope)
        else:
            self._happen(run, scope, over)

    def _happen(self, run: Run, scope: Scope, over: Then) -> None:
        """All that a throw throws, one after the other, as long as it is not interrupted."""
        parts = run.block.event.parts or (run.block.event,)

        def step(number: int) -> None:
            if not run.alive:
                return
            if number == len(parts):
                over()
            elif parts[number].kind == "compensation":
                self._compensate(run, scope, parts[number], lambda: step(number + 1))
            else:
                self._happens(parts[number], scope)
                step(number + 1)

        step(0)

    def _compensate(self, run: Run, scope: Scope, event: Event, then: Then) -> None:
        records = self._take(scope, event.name)
        if event.beside and records:
            beside = Run(self, scope, run.block, _nothing)
            scope.ways += 1

            def undone() -> None:
                beside.gone()
                scope.way_ended()

            self._undo(beside, records, undone)
            then()
        else:
            self._undo(run, records, then)

    def _happens(self, event: Event, scope: Scope) -> None:
        if event.kind == "escalation":
            self.throw("escalation", event.name, scope, None, {})
        elif event.kind == "signal":
            self.thrown.append(("signal", event.name))
            for wait in [w for w in self.waits if w.kind == "signal" and w.event.name == event.name]:
                if wait in self.waits:
                    wait.fired(wait, {})
        elif event.kind == "message":
            self.thrown.append(("message", f"m_{event.name}"))

    def throw(self, kind: str, code: str, scope: Scope, here: Run | None, values: dict[str, Any]) -> bool:
        """An error or escalation goes outward to the nearest that catches it."""
        for run, place, catcher in self._around(scope, here):
            found = _fitting(catcher, kind, code)
            if found is not None and run is not None:
                run.trigger(found, values)
                return True
            if found is not None:
                place.start(found, values)
                return True
        if kind == "escalation":
            self.thrown.append(("escalation", code))
        return False

    def _around(self, scope: Scope, here: Run | None) -> Iterator[tuple[Run | None, Scope, list]]:
        """(activity or None, scope, what may catch there), outward."""
        while True:
            if here is not None and here.child is None:
                yield here, scope, getattr(here.block, "catchers", [])
            if not scope.is_body:
                inside = here.block if here is not None and isinstance(here.block, EventSub) else None
                if inside is None or not inside.interrupting:
                    yield (
                        None,
                        scope,
                        [one for one in scope.block.event_subs if one is not inside]
                        if hasattr(scope.block, "event_subs")
                        else [],
                    )
            here = scope.owner
            if here is None:
                return
            scope = here.scope

    # --- undoing ----------------------------------------------------------------------------------
    def _take(self, scope: Scope, aimed: str | None) -> list[tuple[Task | EventSub, Scope]]:
        """What was done in a scope, last first; from an event sub-process, of the scope around it."""
        if aimed is not None and aimed not in blocks.NAMES:
            found = [one for one in scope.done if aimed == (one.block.id if isinstance(one, Scope) else one[0].undoes)]
            scope.done = [one for one in scope.done if one not in found]
            return self._each(found)
        if scope.owner is not None and isinstance(scope.owner.block, EventSub):
            scope = scope.owner.scope
        return self._records(scope)

    def _records(self, scope: Scope) -> list[tuple[Task | EventSub, Scope]]:
        done, scope.done = scope.done, []
        return self._each(done)

    def _each(self, done: list[tuple[Task, Scope] | Scope]) -> list[tuple[Task | EventSub, Scope]]:
        """Last first; a sub-process that says itself how it is undone is undone in no other way."""
        found: list[tuple[Task | EventSub, Scope]] = []
        for one in reversed(done):
            if isinstance(one, Scope):
                found += [(one.undone_by, one)] if one.undone_by else self._records(one)
            else:
                found.append(one)
        return found

    def _undo(self, run: Run, records: list[tuple[Task | EventSub, Scope]], then: Then) -> None:
        def step(number: int) -> None:
            run.undoing = None
            if number == len(records):
                then()
                return
            handler, scope = records[number]
            run.undoing = Run(self, scope, handler, lambda: step(number + 1))
            if isinstance(handler, EventSub):
                run.undoing.enter_event_sub({})
            else:
                run.undoing.enter()

        step(0)

    def _cancel(self, run: Run, scope: Scope) -> None:
        """A transaction is cancelled: all else stops, all is undone, its cancel boundary goes on."""
        run.gone()
        scope.clear()
        keeper = Run(self, scope, run.block, lambda: None)
        host = scope.owner
        while host.child is not None:  # one child cancels them all
            host = host.scope.owner

        def over() -> None:
            host.trigger(next(one for one in host.block.catchers if one.event.kind == "cancel"), {})

        self._undo(keeper, self._records(scope), over)


def _nothing() -> None:
    """Nobody waits for this way."""


def _fitting(catchers: list, kind: str, code: str | None):
    fits = [one for one in catchers if one.event.kind == kind]
    named = [one for one in fits if one.event.name == code]
    return (named or [one for one in fits if one.event.name is None] or [None])[0]
