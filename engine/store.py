"""An instance as rows.

`load` turns the rows of an instance into an execution of the engine, `create` begins one, `save`
writes what the step changed and nothing else: tokens and scopes that it touched, and the instance's
row with its version raised by one. The version is checked by that write, so the loser of a race is
refused and nothing of his is kept. Executions that were just saved stay in a small cache keyed by
version; a cached one is taken out while a step uses it, so that two threads never share one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from engine import bpmn, history, schema
from engine.errors import NotFound
from engine.hot import Hot

CACHED = 2_000

_INSTANCE = Hot(select(schema.instance).where(schema.instance.c.id == bindparam("id")).with_for_update())
_TOKENS = select(schema.token).where(schema.token.c.instance_id == bindparam("id"))
_SCOPES = select(schema.scope).where(schema.scope.c.instance_id == bindparam("id"))


@dataclass
class Loaded:
    """An instance in the hands of one Work."""

    row: dict[str, Any]
    execution: bpmn.Execution
    #: what waits on each token, as the rows outside the engine know it
    kinds: dict[int, str] = field(default_factory=dict)
    #: ids that have a row
    tokens: set[int] = field(default_factory=set)
    scopes: set[int] = field(default_factory=set)

    @property
    def id(self) -> str:
        return self.row["id"]


class Cache:
    """The last executions that were saved, by instance; `take` hands one out only at the version asked for."""

    def __init__(self, size: int = CACHED):
        self._size = size
        self._kept: OrderedDict[str, tuple[int, Loaded]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, instance_id: str, version: int) -> Loaded | None:
        with self._lock:
            kept = self._kept.pop(instance_id, None)
        return kept[1] if kept and kept[0] == version else None

    def put(self, loaded: Loaded) -> None:
        with self._lock:
            self._kept[loaded.id] = (loaded.row["version"], loaded)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def load(work, instance_id: str, world_of) -> Loaded:
    """The instance, locked by its version for this Work. `world_of(work, row)` gives (process, world).

    Raises NotFound when there is none.
    """
    held = work.memory.setdefault("store", {})
    if instance_id in held:
        return held[instance_id]
    row = _INSTANCE(work, {"id": instance_id}).one()
    if row is None:
        raise NotFound("There is no such case.")
    loaded = _cache(work).take(instance_id, row["version"]) if work.writes else None
    process, world = world_of(work, row)
    if loaded is None:
        loaded = _read(work, row, process, world)
    else:
        loaded.row = row
        loaded.execution.world = world
    work.heads[instance_id] = history.Head(row["log_seq"], row["log_mac"], row["version"])
    held[instance_id] = loaded
    return loaded


def states(work, instance_ids: list[str]) -> Iterator[tuple[str, bpmn.State]]:
    """Many instances as rows, for looking at only: two queries for every few hundred of them."""
    for start in range(0, len(instance_ids), 300):
        some = instance_ids[start : start + 300]
        tokens, scopes = {one: [] for one in some}, {one: [] for one in some}
        for row in work.execute(select(schema.token).where(schema.token.c.instance_id.in_(some))):
            tokens[row.instance_id].append(_token(row))
        for row in work.execute(select(schema.scope).where(schema.scope.c.instance_id.in_(some))):
            scopes[row.instance_id].append(_scope(row))
        yield from ((one, bpmn.State(0, tokens[one], scopes[one])) for one in some)


def create(work, row: dict[str, Any], execution: bpmn.Execution) -> Loaded:
    """A new instance's row; its tokens follow with the first `save`."""
    row |= {"version": 1, "next_token": 0, "log_seq": 0, "log_mac": "", "log_head": ""}
    work.execute(insert(schema.instance), row)
    work.heads[row["id"]] = history.Head(0, "", 1)
    loaded = Loaded(row, execution)
    work.memory.setdefault("store", {})[row["id"]] = loaded
    return loaded


def save(work, loaded: Loaded, changes: bpmn.Changes) -> None:
    """Write the rows that a step changed. The instance's own row follows when `Work` commits."""
    _write(work, schema.token, loaded.id, changes.tokens, loaded.tokens, _token_row)
    _write(work, schema.scope, loaded.id, changes.scopes, loaded.scopes, _scope_row)
    work.heads[loaded.id].values["next_token"] = changes.next_token


def change(work, loaded: Loaded, **values) -> None:
    """Set columns of the instance's own row, written when `Work` commits."""
    loaded.row.update(values)
    work.heads[loaded.id].values.update(values)


def keep(work, loaded: Loaded) -> None:
    """Put the execution into the cache once the transaction has been kept."""

    def put() -> None:
        loaded.row["version"] = work.heads[loaded.id].version + 1
        _cache(work).put(loaded)

    if loaded.row["state"] in ("active", "suspended"):
        work.after_commit(put)


def forget(work) -> None:
    """Drop what this Work holds, after a step that must not be kept."""
    work.memory.pop("store", None)


def _cache(work) -> Cache:
    return work.platform.cache.setdefault("store", Cache())


def _read(work, row, process, world) -> Loaded:
    tokens = [_token(r) for r in work.execute(_TOKENS, {"id": row["id"]})]
    scopes = [_scope(r) for r in work.execute(_SCOPES, {"id": row["id"]})]
    state = bpmn.State(row["next_token"], tokens, scopes)
    execution = bpmn.load(process, state, world)
    kinds = {token: wait.kind for token, wait in execution.waits.items()}
    return Loaded(row, execution, kinds, {t.id for t in tokens}, {s.id for s in scopes})


def _token(row) -> bpmn.TokenRow:
    return bpmn.TokenRow(row.id, row.scope_id, row.element_id, row.state, row.data)


def _scope(row) -> bpmn.ScopeRow:
    return bpmn.ScopeRow(row.id, row.parent_id, row.element_id, row.variables, row.data)


def _token_row(row) -> dict:
    return {"scope_id": row.scope_id, "element_id": row.element_id, "state": row.state, "data": row.data}


def _scope_row(row) -> dict:
    return {
        "parent_id": row.parent_id,
        "element_id": row.element_id,
        "variables": row.variables,
        "data": row.data,
    }


def _statements(table) -> tuple:
    of = (table.c.instance_id == bindparam("of"), table.c.id == bindparam("row"))
    return Hot(insert(table)), Hot(update(table).where(*of)), Hot(delete(table).where(*of))


_STATEMENTS = {table.name: _statements(table) for table in (schema.token, schema.scope)}


def _write(work, table, instance_id: str, changed: dict, known: set[int], shape) -> None:
    new, old, gone = [], [], []
    for number, row in changed.items():
        if row is None:
            if number in known:
                gone.append({"of": instance_id, "row": number})
                known.discard(number)
        elif number in known:
            old.append({"of": instance_id, "row": number, **shape(row)})
        else:
            new.append({"instance_id": instance_id, "id": number, **shape(row)})
            known.add(number)
    for statement, rows in zip(_STATEMENTS[table.name], (new, old, gone), strict=True):
        if rows:
            statement(work, rows)
