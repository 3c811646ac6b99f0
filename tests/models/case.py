"""One instance walked by hand, named by element ids; saved as JSON and loaded again after every single step.

`Case(model(...))` starts it; `do` completes what waits at an element, `fire` brings what it waits for,
`fail` throws an error at it. After each step the rows that the engine handed over as changed are compared
with the whole instance, and the next step is done by an instance that was made from them alone. So every
test of an element is a test of its persistence as well.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from engine import bpmn
from engine.bpmn.machine import READY, WAITING

MONDAY = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
EVENTS = ("timer", "message", "signal", "condition")


class World:
    """A moment that stands still, one zone, decisions from a table, data stores, and working time that is all time."""

    def __init__(self, decisions: dict[str, Any] | None = None):
        self.now = MONDAY
        self.zone = SHANGHAI
        self.decisions = decisions or {}
        self.stores: dict[str, Any] = {}

    def decide(self, key: str, binding: str, variables) -> SimpleNamespace:
        said = self.decisions[key]
        return SimpleNamespace(json=said(variables) if callable(said) else said, hits=())

    def read_store(self, name: str) -> Any:
        return self.stores.get(name)

    def write_store(self, name: str, value: Any) -> int:
        self.stores[name] = value
        return 1

    def working_time(self, start: datetime, duration: timedelta) -> datetime:
        return start + duration


def process_of(data: bytes, id: str = "p") -> bpmn.Process:
    """The process of a file that has no mistake."""
    parsed = bpmn.parse(data)
    wrong = [f"{one.where}: {one}" for one in parsed.problems if one.severity == "error"]
    assert not wrong, wrong
    return parsed.processes[id]


def refusals(data: bytes) -> set[tuple[str, str]]:
    """(element, rule) of each mistake of a file."""
    return {(one.where, one.rule) for one in bpmn.parse(data).problems if one.severity == "error"}


class Case:
    """An instance that waits whenever a test looks at it."""

    def __init__(self, data: bytes | bpmn.Process, variables: dict[str, Any] | None = None, *, at: str | None = None,
                 trigger: str | None = None, world: World | None = None, limits: bpmn.Limits = bpmn.LIMITS, reload: bool = True):  # fmt: skip
        self.process = process_of(data) if isinstance(data, bytes) else data
        self.world = world or World()
        self.limits = limits
        self.reload = reload
        self.trail: list[bpmn.Step] = []
        self.thrown: list[bpmn.Thrown] = []
        self.ended_by: list[str] = []
        self.waits: dict[int, bpmn.Wait] = {}
        self._rows: tuple[dict, dict] = ({}, {})
        self.run = bpmn.start(self.process, self.world, dict(variables or {}), element_id=at, trigger=trigger, limits=limits)
        self.settle()

    # --- steps --------------------------------------------------------------------------------
    def do(self, element_id: str, **values) -> Case:
        """Complete the first that waits at an element."""
        return self.do_token(self.at(element_id)[0], **values)

    def do_token(self, token: int, **values) -> Case:
        self.run.complete(token, values)
        return self.settle()

    def fire(self, element_id: str, **values) -> Case:
        """What an element waits for has come."""
        return self.fire_token(next(t for t in self.at(element_id) if self.waits[t].kind in EVENTS), **values)

    def fire_token(self, token: int, **values) -> Case:
        assert self.run.fire(token, values)
        return self.settle()

    def fail(self, element_id: str, code: str | None, **values) -> Case:
        """Throw an error at an element that waits."""
        self.run.throw_error(self.at(element_id)[0], code, "It failed.", values)
        return self.settle()

    def escalate(self, element_id: str, code: str | None, **values) -> Case:
        self.run.escalate(self.at(element_id)[0], code, values)
        return self.settle()

    def verb(self, name: str, element_id: str, *more) -> Case:
        """Any other verb of an execution on what waits at an element: retry, skip, move, send_back."""
        getattr(self.run, name)(self.at(element_id)[0], *more)
        return self.settle()

    def migrate(self, process: bpmn.Process, mapping: dict[str, str] | None = None) -> Case:
        """Go on in another version; raises Invalid with what has no place there."""
        self.run = bpmn.migration.migrate(self.run.state(), self.process, process, self.world, mapping or {}, self.limits)
        self.process = process
        return self.settle()

    def set(self, **values) -> Case:
        self.run.set_variables(0, values)
        return self.settle()

    # --- looking ------------------------------------------------------------------------------
    @property
    def waiting(self) -> list[str]:
        """Ids of the elements that wait for anything but an event that was only listened for, in alphabetical order."""
        return sorted(self.waits[t].element_id for t in self.waits if not self._listens(t))

    @property
    def listening(self) -> list[str]:
        return sorted(self.waits[t].element_id for t in self.waits if self._listens(t))

    @property
    def incidents(self) -> list[str]:
        return sorted(one.element_id for one in self.waits.values() if one.kind == "incident")

    @property
    def completed(self) -> bool:
        return self.run.completed

    @property
    def variables(self) -> dict[str, Any]:
        return self.run.variables()

    @property
    def done(self) -> list[str]:
        """Ids of the elements that were completed, in order."""
        return [one.element_id for one in self.trail if one.type == "element.completed"]

    @property
    def flows(self) -> list[str]:
        return [one.data["flow"] for one in self.trail if one.type == "flow.taken"]

    def times(self, element_id: str) -> int:
        return self.done.count(element_id)

    def at(self, element_id: str) -> list[int]:
        """Tokens that wait at an element, in the order in which they came."""
        return sorted(token for token, one in self.waits.items() if one.element_id == element_id)

    def wait(self, element_id: str) -> bpmn.Wait:
        return self.waits[self.at(element_id)[0]]

    def sees(self, element_id: str) -> dict[str, Any]:
        """The variables that are visible where an element waits."""
        return self.run.visible(self.at(element_id)[0])

    def _listens(self, token: int) -> bool:
        return bool(self.run.tasks[token].memo.get("listens"))

    # --- saving and loading ---------------------------------------------------------------------
    def settle(self) -> Case:
        self.run.advance()
        changes = self.run.take()
        self.trail += changes.trail
        self.thrown += changes.thrown
        self.ended_by += self.run.ended_by
        self.run.ended_by = []
        for token, _ in changes.closed:
            del self.waits[token]
        self.waits |= {one.token: one for one in changes.opened}
        assert self.waits.keys() == self.run.waits.keys()
        nothing_is_lost(self.run)
        if self.reload:
            self._save(changes)
        return self

    def _save(self, changes: bpmn.Changes) -> None:
        """Keep the rows as a database would, and go on with an instance that is made from them."""
        for kept, changed in zip(self._rows, (changes.tokens, changes.scopes), strict=True):
            for id, row in changed.items():
                kept[id] = json.dumps(asdict(row)) if row is not None else None
        tokens = {id: text for id, text in self._rows[0].items() if text is not None}
        scopes = {id: text for id, text in self._rows[1].items() if text is not None}
        whole = self.run.state()
        assert tokens == {row.id: json.dumps(asdict(row)) for row in whole.tokens}
        assert scopes == {row.id: json.dumps(asdict(row)) for row in whole.scopes}
        chance = random.Random(len(self.trail))
        state = bpmn.State(
            changes.next_token, [bpmn.TokenRow(**json.loads(text)) for text in _shuffled(tokens, chance)],
            [bpmn.ScopeRow(**json.loads(text)) for text in _shuffled(scopes, chance)],
        )  # fmt: skip
        self.run = bpmn.load(self.process, state, self.world, self.limits)
        assert self.run.waits.keys() == self.waits.keys()


def nothing_is_lost(run: bpmn.Execution) -> None:
    """Whatever is alive has something that keeps it alive, and something that will let it go on."""
    for token in run.tasks.values():
        name = f"token {token.id} at {token.element.id}"
        assert token.state != READY, f"{name} was not run"
        for key in ("host", "for", "of", "race"):
            assert token.memo.get(key) is None or token.memo[key] in run.tasks, f"{name} outlives what it belongs to"
        assert all(one in run.tasks for one in token.memo.get("listeners", ())), f"{name} has listeners that are gone"
        own = run.scopes.get(token.memo.get("scope"))
        lives = (own is not None and own.tokens) or token.memo.keys() & {"undo", "listeners", "happened"}
        lives = lives or (token.memo.get("listens") and not token.element.interrupting)  # it has happened for the last time
        assert token.id in run.waits or token.state == WAITING or lives, f"{name} waits for nothing"
        undone_by = [one for one in run.tasks.values() if one.memo.get("for") == token.id]
        assert len(undone_by) == ("undo" in token.memo), f"{name} waits for a handler that does not run"
        for scope in token.scope.chain():
            assert run.scopes.get(scope.id) is scope, f"{name} lives in a scope that has ended"
    for scope in run.scopes.values():
        kept = scope.id == 0 or scope.data.keys() & {"kept", "part"}
        assert kept or scope.data["owner"] in run.tasks, f"scope {scope.id} of {scope.element_id} outlives its activity"


def _shuffled(rows: dict[int, str], chance: random.Random) -> list[str]:
    texts = list(rows.values())
    chance.shuffle(texts)
    return texts
