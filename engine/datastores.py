"""Data stores: what processes share and what outlives their cases (BPMN 2.0, 10.4.1).

A data store of a drawing is one value of plain JSON, known to all processes by its name. A case reads and
writes it within the step that it takes, so that both are kept together or not at all. Whoever touches a
store holds its row until his transaction ends: of two cases that add to one number none is lost. That a
store was written stands in the log of the case, with its version; what was written stands here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from engine import access
from engine.schema import data_store

_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def read(work, name: str) -> Any:
    """What the store holds, null at first; nobody else changes it before this Work ends."""
    return _held(work, name)["value"]


def write(work, name: str, value: Any, instance_id: str) -> int:
    """Put `value` in its place. Returns its version."""
    version = _held(work, name)["version"] + 1
    work.execute(
        update(data_store)
        .where(data_store.c.name == name)
        .values(value=value, version=version, at=work.now, instance_id=instance_id)
    )
    return version


def all_of(work) -> list:
    """Every store with what it holds, for those who run the platform. Raises NotAllowed."""
    access.require(work, "see", "platform", None)
    return work.all(select(data_store).order_by(data_store.c.name))


def _held(work, name: str):
    """The store's row, locked; made when nobody has used it before."""
    wanted = select(data_store).where(data_store.c.name == name).with_for_update()
    found = work.one(wanted)
    if found is None:
        made = _INSERTS[work.connection.dialect.name](data_store).on_conflict_do_nothing()
        work.execute(made, {"name": name, "value": None, "version": 0, "at": work.now, "instance_id": None})
        found = work.one(wanted)
    return found
