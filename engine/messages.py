"""Messages and signals between instances, and from outside.

A wait for a message is a row of `subscription`, kept equal to what the engine waits for. `publish`
finds the one subscription with the same name and correlation key, or keeps the message for its time
to live; a new subscription takes the oldest message that was kept for it. A signal goes to everyone
who waits for it. This room finds who is meant; the delivery itself is `runtime.deliver`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update

from engine import jobs
from engine.schema import message, subscription

#: how long a message waits for its receiver when the sender says nothing (Camunda 8 defaults to none at all)
TIME_TO_LIVE = timedelta(hours=1)

_CLOSE = delete(subscription).where(
    subscription.c.instance_id == bindparam("of"), subscription.c.token == bindparam("on")
)


def subscribe(work, rows: list[dict[str, Any]]) -> None:
    """Insert subscriptions (`kind name correlation_key instance_id token element_id`) and look for kept messages."""
    base = {"correlation_key": None, "instance_id": None, "token": None, "definition_id": None}
    work.execute(insert(subscription), [{**base, "id": work.new_id(), **row} for row in rows])
    for row in rows:
        if row.get("instance_id"):
            _correlate_soon(work, row)


def unsubscribe(work, instance_id: str, tokens: list[int]) -> None:
    work.execute(_CLOSE, [{"of": instance_id, "on": token} for token in tokens])


def replace_starts(work, key: str, definition_ids: list[str], rows: list[dict[str, Any]]) -> None:
    """The start events of a definition's newest version replace those of its older ones."""
    if definition_ids:
        work.execute(delete(subscription).where(subscription.c.definition_id.in_(definition_ids)))
    if rows:
        subscribe(work, rows)


def keep(work, name: str, key: str | None, variables: dict, ttl: timedelta | None, message_id: str | None) -> str | None:
    """Write a message down; None when its sender's id was seen before."""
    if message_id and work.execute(
        select(message.c.id).where(message.c.message_id == message_id, message.c.name == name)
    ).first():
        return None
    new = work.new_id()
    work.execute(
        insert(message),
        {
            "id": new, "name": name, "correlation_key": key, "variables": variables, "message_id": message_id,
            "at": work.now, "expires_at": work.now + (TIME_TO_LIVE if ttl is None else ttl),
        },
    )  # fmt: skip
    work.record("message.published", data={"name": name, "correlation_key": key, "message": new})
    return new


def receivers(work, name: str, key: str | None) -> list:
    """Instance subscriptions for a message of this name and key, oldest first."""
    return work.all(
        select(subscription)
        .where(subscription.c.kind == "message", subscription.c.name == name)
        .where(subscription.c.instance_id.is_not(None), subscription.c.correlation_key == key)
        .order_by(subscription.c.id)
    )


def starters(work, kind: str, name: str) -> list:
    """Start events of definitions for a message or signal of this name."""
    return work.all(
        select(subscription).where(
            subscription.c.kind == kind, subscription.c.name == name, subscription.c.definition_id.is_not(None)
        )
    )


def conditional_starts(work) -> list:
    """Start events that begin an instance when their condition comes true."""
    return work.all(select(subscription).where(subscription.c.kind == "cond").order_by(subscription.c.id))


def listeners(work, name: str, except_instance: str | None = None) -> list:
    """Everyone who waits for a signal, but for the instance that threw it (the engine told that one itself)."""
    statement = select(subscription).where(subscription.c.kind == "signal", subscription.c.name == name)
    if except_instance:
        statement = statement.where(subscription.c.instance_id.is_distinct_from(except_instance))
    return work.all(statement)


def waiting_for(work, instance_id: str, token: int):
    """The subscription of a token, or None."""
    return work.one(
        select(subscription).where(subscription.c.instance_id == instance_id, subscription.c.token == token)
    )


def kept_for(work, wanted) -> Any:
    """The oldest message that was kept for a subscription, or None."""
    return _kept(work, wanted)


def look_again(work, instance_id: str, token: int) -> None:
    """A token that got a message and still waits may take the next that was kept for it."""
    wanted = waiting_for(work, instance_id, token)
    if wanted is not None:
        _correlate_soon(work, wanted)


def _correlate_soon(work, wanted) -> None:
    if wanted["kind"] == "message" and _kept(work, wanted):
        jobs.schedule(work, "correlate", work.now, instance_id=wanted["instance_id"], token=wanted["token"])


def used(work, message_id: str) -> bool:
    """Mark a kept message as correlated; False when somebody was faster."""
    taken = work.execute(
        update(message)
        .where(message.c.id == message_id, message.c.correlated_at.is_(None))
        .values(correlated_at=work.now)
    )
    return taken.rowcount == 1


def _kept(work, wanted) -> Any:
    fits = and_(message.c.name == wanted["name"], message.c.correlation_key == wanted["correlation_key"])
    return work.one(
        select(message)
        .where(fits, message.c.correlated_at.is_(None), message.c.expires_at > work.now)
        .order_by(message.c.at, message.c.id)
        .limit(1)
    )
