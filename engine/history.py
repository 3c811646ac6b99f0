"""The one log: a keyed hash chain per instance, and one for the platform.

Every change that somebody makes is one row of `event`, appended in the transaction of the change
itself. A row's `mac` is an HMAC-SHA256 over the row and the mac before it, so that a changed, removed
or reordered row shows; the head of a chain is signed too, so that a cut tail shows; and the heads of
all chains are sealed into the platform's chain once a day and can be kept outside the database. The
executed path of a case is read from here. Nobody else writes to `event`, and nothing ever changes it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from engine.errors import Conflict
from engine.hot import Hot
from engine.schema import chain, event, instance

PLATFORM = "platform"

#: what makes up the executed path of an instance
PATH = ("element.activated", "element.completed", "element.cancelled", "flow.taken")


@dataclass
class Head:
    """The end of an instance's chain as this Work sees it, and what else is to change in the instance's row."""

    seq: int
    mac: str
    #: the value of `instance.version` that must still stand, when the instance itself changes
    version: int | None = None
    #: other columns of `instance` that change with it
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """One place where the log is not what was written."""

    stream: str
    seq: int
    #: changed | removed | cut | forged
    kind: str
    sentence: str


@dataclass(frozen=True)
class Report:
    """What `verify` found."""

    streams: int
    events: int
    faults: tuple[Fault, ...]


def read_head(work, instance_id: str) -> Head:
    """The head of an instance's chain; locks the row where the database can."""
    row = work.execute(
        select(instance.c.log_seq, instance.c.log_mac).where(instance.c.id == instance_id).with_for_update()
    ).first()
    if row is None:
        raise Conflict("The case is gone; load the page again.")
    return Head(row.log_seq, row.log_mac)


def append(work, records: list[dict]) -> None:
    """Chain `records` and write them, and with them every changed instance row. Called by `Work` alone."""
    key = work.platform.log_key
    rows: list[dict] = []
    for stream, group in _by_stream(records).items():
        head = _platform_head(work) if stream == PLATFORM else work.head(stream)
        seq, mac = head.seq, head.mac
        for record in group:
            seq += 1
            record["seq"], mac = seq, seal_of(key, mac, record, seq)
            record["mac"] = mac
            rows.append(record)
        if stream == PLATFORM:
            _move_platform_head(work, head, seq, mac)
        else:
            head.values |= {"log_seq": seq, "log_mac": mac, "log_head": head_of(key, stream, seq, mac)}
    if rows:
        _INSERT(work, rows)
    for instance_id, head in work.heads.items():
        if head.values:
            _save_head(work, instance_id, head)


def seal_of(key: bytes, before: str, record: dict, seq: int) -> str:
    """The mac of one record that follows the mac `before`."""
    at: datetime = record["at"]
    said = [
        before, record["stream"], seq, record["root_id"], at.astimezone(UTC).isoformat(timespec="microseconds"),
        record["type"], record["actor_id"], record["for_id"], record["element_id"], record["token"],
        record["task_id"], record["reason"], record["data"],
    ]  # fmt: skip
    return hmac.digest(key, _canonical(said).encode(), "sha256").hex()


def head_of(key: bytes, stream: str, seq: int, mac: str) -> str:
    """The signature of a chain's head: without the key nobody can say that an earlier record was the last."""
    return hmac.digest(key, f"head|{stream}|{seq}|{mac}".encode(), "sha256").hex()


def verify(work, stream: str | None = None) -> Report:
    """Walk every chain (or one) and name each record that was changed, removed, reordered or cut."""
    key = work.platform.log_key
    heads = _heads(work, stream)
    faults: list[Fault] = []
    seen: set[str] = set()
    count = 0
    for name, rows in _streams(work, stream):
        seen.add(name)
        walked = _walk(key, name, rows, faults)
        count += walked[0]
        _check_head(key, name, walked, heads.get(name), faults)
    for name in heads.keys() - seen:
        if heads[name][0] > 0:
            faults.append(Fault(name, heads[name][0], "cut", "All records of this chain are gone."))
    faults += _check_seals(work, heads) if stream is None else []
    return Report(len(seen), count, tuple(faults))


def seal(work) -> dict:
    """Record the heads of all instance chains in the platform's chain, so that cutting one shows later."""
    heads = {name: [seq, mac] for name, (seq, mac, _) in _heads(work, None).items() if name != PLATFORM and seq}
    digest = hmac.digest(work.platform.log_key, _canonical(heads).encode(), "sha256").hex()
    work.record("log.sealed", data={"heads": heads, "digest": digest})
    return {"streams": len(heads), "digest": digest}


def events(work, *, root_id=None, instance_id=None, types=None, after=None, limit: int = 1000) -> list:
    """Records of one case or instance in the order in which they were made, newest last."""
    statement = select(event).order_by(event.c.at, event.c.stream, event.c.seq).limit(limit)
    if root_id is not None:
        statement = statement.where(event.c.root_id == root_id)
    if instance_id is not None:
        statement = statement.where(event.c.stream == instance_id)
    if types is not None:
        statement = statement.where(event.c.type.in_(types))
    if after is not None:
        statement = statement.where(event.c.at > after)
    return work.all(statement)


def path(work, instance_id: str) -> list:
    """The executed path of an instance: elements entered, left and cancelled, and flows taken, in order."""
    return work.all(
        select(event).where(event.c.stream == instance_id, event.c.type.in_(PATH)).order_by(event.c.seq)
    )


def _by_stream(records: Iterable[dict]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for record in records:
        groups.setdefault(record["stream"], []).append(record)
    return groups


_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode


def _canonical(value: Any) -> str:
    return _ENCODE(value)


_INSERT = Hot(insert(event))
_SAVE_FREE = Hot(
    update(instance).where(instance.c.id == bindparam("of"), instance.c.log_seq == bindparam("seq_was"))
)
_SAVE_LOCKED = Hot(
    update(instance).where(instance.c.id == bindparam("of"), instance.c.version == bindparam("version_was"))
)


def _save_head(work, instance_id: str, head: Head) -> None:
    """One UPDATE writes the engine's new version and the chain's new head; the loser of a race gets Conflict."""
    if head.version is None:
        result = _SAVE_FREE(work, {"of": instance_id, "seq_was": head.seq, **head.values})
    else:
        values = {"version": head.version + 1, **head.values}
        result = _SAVE_LOCKED(work, {"of": instance_id, "version_was": head.version, **values})
    if result.rowcount != 1:
        raise Conflict("The case has moved on since you loaded it; load it again.")


def _platform_head(work) -> Head:
    row = work.execute(select(chain).where(chain.c.stream == PLATFORM).with_for_update()).first()
    return Head(row.seq, row.mac) if row else Head(0, "")


def _move_platform_head(work, head: Head, seq: int, mac: str) -> None:
    values = {"seq": seq, "mac": mac, "head": head_of(work.platform.log_key, PLATFORM, seq, mac)}
    if head.seq == 0:
        work.execute(insert(chain), {"stream": PLATFORM, **values})
        return
    moved = work.execute(
        update(chain).where(chain.c.stream == PLATFORM, chain.c.seq == head.seq).values(**values)
    )
    if moved.rowcount != 1:
        raise Conflict("The platform is busy just now; please try again.")


def _heads(work, stream: str | None) -> dict[str, tuple[int, str, str]]:
    instances = select(instance.c.id, instance.c.log_seq, instance.c.log_mac, instance.c.log_head)
    others = select(chain.c.stream, chain.c.seq, chain.c.mac, chain.c.head)
    if stream is not None:
        instances, others = instances.where(instance.c.id == stream), others.where(chain.c.stream == stream)
    rows = [*work.execute(instances), *work.execute(others)]
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _streams(work, stream: str | None) -> Iterator[tuple[str, list]]:
    statement = select(event).order_by(event.c.stream, event.c.seq)
    if stream is not None:
        statement = statement.where(event.c.stream == stream)
    name, rows = None, []
    for row in work.execute(statement).mappings():
        if row["stream"] != name:
            if name is not None:
                yield name, rows
            name, rows = row["stream"], []
        rows.append(row)
    if name is not None:
        yield name, rows


def _walk(key: bytes, name: str, rows: list, faults: list[Fault]) -> tuple[int, int, str]:
    """Count, last number and last mac of a chain; a broken record is named once and the walk goes on from it."""
    expected, before = 1, ""
    for row in rows:
        if row["seq"] != expected:
            faults.append(
                Fault(name, expected, "removed", f"Record {expected} is missing; {row['seq']} follows.")
            )
            before = None
        if before is not None and seal_of(key, before, dict(row), row["seq"]) != row["mac"]:
            faults.append(Fault(name, row["seq"], "changed", f"Record {row['seq']} is not what was written."))
        expected, before = row["seq"] + 1, row["mac"]
    return len(rows), expected - 1, before or ""


def _check_head(key: bytes, name: str, walked: tuple[int, int, str], head, faults: list[Fault]) -> None:
    _, seq, mac = walked
    if head is None:
        faults.append(Fault(name, seq, "removed", "The owner of this chain is gone."))
    elif head[2] != head_of(key, name, head[0], head[1]):
        faults.append(Fault(name, head[0], "forged", "The head of this chain was not signed by the platform."))
    elif head[0] != seq or head[1] != mac:
        faults.append(Fault(name, seq, "cut", f"The chain ends at record {seq}, but {head[0]} were written."))


def _check_seals(work, heads: dict[str, tuple[int, str, str]]) -> list[Fault]:
    """A chain that is shorter than when it was last sealed was cut and its old head put back."""
    sealed = work.all(
        select(event).where(event.c.stream == PLATFORM, event.c.type == "log.sealed").order_by(event.c.seq)
    )
    last: dict[str, list] = {}
    for row in sealed:
        last |= row["data"].get("heads", {})
    faults = []
    for name, (seq, mac) in last.items():
        now = heads.get(name)
        if now is None or now[0] < seq:
            faults.append(Fault(name, seq, "cut", f"Record {seq} was sealed, but the chain ends before it."))
        elif work.execute(
            select(event.c.mac).where(event.c.stream == name, event.c.seq == seq)
        ).scalar() != mac:
            faults.append(Fault(name, seq, "changed", f"Record {seq} differs from what was sealed."))
    return faults
