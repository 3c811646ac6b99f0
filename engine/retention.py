"""What is kept for how long, and cleaned away when its time is over (clauses 4.2.3, 6.1.3).

policies/retention.toml says it, one row per kind of record. `sweep` deletes what may go by itself, once a
day, and says in the log how much that was; `due` lists what waits for a decision of people and deletes
nothing. The log itself, and the chains' heads, are never touched, whatever a policy says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select

from engine import access
from engine.errors import Misconfigured
from engine.policies import Retention
from engine.schema import batch_item, metadata

#: tables from which nothing is ever cleaned away
KEPT = frozenset({
    "event", "chain", "archive", "person", "definition", "decision", "form", "content", "deployment", "meta",
})  # fmt: skip

#: rows that are nothing without the one that they belong to, and go with it
PARTS = {"batch": batch_item.c.batch_id}


@dataclass(frozen=True)
class Overdue:
    """How many records of a kind are past their time."""

    policy: Retention
    count: int


def due(work) -> list[Overdue]:
    """How many records of each kind of policy are past their time now."""
    access.require(work, "administer", "platform", None)
    found = []
    for one in work.policies.retention.values():
        table, over = _over(work, one)
        counted = select(func.count()).select_from(table).where(*over)
        found.append(Overdue(one, work.execute(counted).scalar()))
    return found


def sweep(work) -> dict[str, int]:
    """Delete what is past its time and may go by itself; returns how many records of each kind that were."""
    access.require(work, "administer", "platform", None)
    gone = {}
    for key, one in work.policies.retention.items():
        if one.act == "delete":
            table, over = _over(work, one)
            if one.table in PARTS:
                part = PARTS[one.table]
                work.execute(delete(part.table).where(part.in_(select(table.c.id).where(*over))))
            gone[key] = work.execute(delete(table).where(*over)).rowcount
    swept = {key: count for key, count in gone.items() if count}
    if swept:
        work.record("records.swept", data=swept)
    return swept


def check(policies) -> None:
    """Raise Misconfigured for a policy that names a table or column that is not there or must stay."""
    for one in policies.retention.values():
        _table(one)


def _over(work, one: Retention):
    table = _table(one)
    until = work.now - timedelta(days=one.days)
    fits = [table.c[name].in_(values) for name, values in one.where.items()]
    return table, [table.c[one.since] < until, *fits]


def _table(one: Retention):
    table = metadata.tables.get(one.table)
    if table is None or one.table in KEPT:
        raise Misconfigured(
            "retention.toml, '%(key)s': nothing can be cleaned away from '%(table)s'.",
            key=one.key, table=one.table,
        )  # fmt: skip
    for name in (one.since, *one.where):
        if name not in table.c:
            raise Misconfigured(
                "retention.toml, '%(key)s': '%(table)s' has no column '%(column)s'.",
                key=one.key, table=one.table, column=name,
            )  # fmt: skip
    return table
