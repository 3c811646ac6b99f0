"""Data that is shared on approval (clauses 4.3.1 to 4.3.3).

What may be shared stands in policies/sharing.toml; a process decides and then calls `issue`, which nobody else
may. The recipient alone takes the data with `download`: only the fields that were approved, only until the
end, only so often, and each time with a mark of its own in the head of the file and in every row of it, by
which `trace` finds out who took a file that turned up elsewhere. Every download is recorded with its purpose.
`expire` and `revoke` end a share for good; one whose time is over gives nothing even before anybody ends it.
"""

from __future__ import annotations

import csv
import hmac
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from engine import access, people, runtime, schema
from engine.cases import harmless
from engine.errors import Conflict, Invalid, Misconfigured, NotAllowed, NotFound
from engine.policies import CLASSES, DataSet
from engine.schema import instance, person, share


def N_(text: str) -> str:
    """Marks a text for the catalogue; it is translated when it is said."""
    return text


#: a file with more rows than this is refused rather than cut short
MOST_ROWS = 100_000
MOST_USES = 1000
#: columns that no policy can share
NEVER = ("password_hash", "token_hash")
#: message by which a case that shares data is told that it shall stop; its key is the case's number
REVOCATION = "share.revoke"
#: whoever does not wait for it now shall never get it
NO_TIME = timedelta(0)


# --- before a decision --------------------------------------------------------------------------
@dataclass(frozen=True)
class Classification:
    """What a process must know of a wish for data before it chooses who decides."""

    #: the strictest class among the fields: public internal confidential secret
    highest: str
    #: fields that the data set does not have
    unknown: tuple[str, ...]
    #: field -> class
    classes: dict[str, str]
    #: who decides about the data: a person's id, or a group
    owner_person: str | None
    owner_group: str | None
    #: employee partner visitor
    recipient_kind: str


def classify(work, data_set: str, fields: list[str], recipient: str | None) -> Classification:
    """Look a wish up in the policy. An unknown data set has none of the fields and counts as secret."""
    found = work.policies.data_sets.get(data_set)
    known = found.fields if found else {}
    classes = {name: known[name].classification for name in fields if name in known}
    kind = (people.get(work, people.resolve(work, recipient)) or {"kind": "visitor"})["kind"]
    is_group = found is not None and found.owner in work.policies.access.groups
    return Classification(
        highest=max(classes.values(), key=CLASSES.index, default="secret"),
        unknown=tuple(name for name in fields if name not in known),
        classes=classes,
        owner_person=people.resolve(work, found.owner) if found and not is_group else None,
        owner_group=found.owner if found and is_group else None,
        recipient_kind=kind if kind in people.KINDS else "visitor",
    )


# --- the life of a share ------------------------------------------------------------------------
def issue(work, *, instance_id: str, data_set: str, fields: list[str], purpose: str, recipient: str,
          max_uses: int, expires_at: datetime) -> dict[str, Any]:  # fmt: skip
    """Share fields of a data set with one person until a moment (aware). Returns the share's row.

    Only a process may: it has heard those who decide. Raises NotAllowed, NotFound and Invalid.
    """
    if work.actor.kind != "system":
        raise NotAllowed("Data is shared by its process alone; ask for it.")
    found = _data_set(work, data_set)
    _columns(found, fields)
    if not purpose.strip():
        raise Invalid("State the purpose for which the data is shared.")
    if not 1 <= max_uses <= MOST_USES or expires_at <= work.now:
        raise Invalid("A share has an end that lies ahead and between 1 and %(limit)s downloads.", limit=MOST_USES)
    reader = people.get(work, people.resolve(work, recipient))
    if reader is None or not people.is_live(work, reader):
        raise NotFound("There is no such person, or she has left.")
    row = {
        "id": work.new_id(), "instance_id": instance_id, "data_set": data_set, "fields": list(dict.fromkeys(fields)),
        "purpose": purpose.strip(), "recipient_id": reader["id"], "issued_at": work.now, "expires_at": expires_at,
        "max_uses": max_uses, "uses": 0, "ended_at": None, "ended_why": None,
    }  # fmt: skip
    work.execute(insert(share), row)
    said = {name: row[name] for name in ("data_set", "fields", "purpose", "max_uses")}
    _say(work, "share.issued", row, said | {"recipient": reader["id"], "until": expires_at.isoformat()})
    return row


def expire(work, share_id: str) -> bool:
    """End a share whose time is over; False when it had ended before."""
    if work.actor.kind != "system":
        raise NotAllowed("Data is shared by its process alone; ask for it.")
    return _end(work, find(work, share_id), "expired", None)


def revoke(work, share_id: str, reason: str) -> bool:
    """End a share before its time: its process, and whoever decides about the data. False when it had ended before."""
    row = find(work, share_id)
    access.require(work, "decide", "data_set", _data_set(work, row["data_set"]))
    return _end(work, row, "revoked", reason.strip() or None)


def of_case(work, instance_id: str) -> list:
    """The shares that a case has issued, oldest first."""
    return work.all(select(share).where(share.c.instance_id == instance_id).order_by(share.c.issued_at, share.c.id))


def mine(work) -> list:
    """What is or was shared with this person herself, newest first."""
    return work.all(select(share).where(share.c.recipient_id == work.actor.id).order_by(share.c.issued_at.desc()))


def decided(work) -> list:
    """Shares of the data sets about which this person decides, newest first, with the recipient and the case."""
    sets = decides(work)
    return work.all(
        select(share, person.c.name.label("recipient_name"), instance.c.number)
        .join(person, person.c.id == share.c.recipient_id)
        .join(instance, instance.c.id == share.c.instance_id)
        .where(share.c.data_set.in_(sets))
        .order_by(share.c.issued_at.desc(), share.c.id.desc()).limit(500)
    )  # fmt: skip


def decides(work) -> list[str]:
    """Keys of the data sets about which this person decides."""
    return [key for key, one in work.policies.data_sets.items() if access.may(work, "decide", one, "data_set")]


def recall(work, share_id: str, reason: str) -> None:
    """Revoke a share by hand: it gives nothing from now on, and its case is told and goes on to its end.

    Raises NotFound, NotAllowed, Invalid without a reason, and Conflict when it has ended.
    """
    row = find(work, share_id)
    if not reason.strip():
        raise Invalid("Give a reason; it stands in the log.")
    if not revoke(work, share_id, reason):
        raise Conflict(_WHY_NOT[row["ended_why"]])
    number = work.execute(select(instance.c.number).where(instance.c.id == row["instance_id"])).scalar()
    runtime.publish(work, REVOCATION, number, {"revoke_reason": reason.strip()}, ttl=NO_TIME)


def find(work, share_id: str):
    """A share's row whoever asks. Raises NotFound."""
    row = work.one(select(share).where(share.c.id == share_id))
    if row is None:
        raise NotFound("There is no such share.")
    return row


def download(work, share_id: str) -> tuple[str, bytes]:
    """(name, CSV in UTF-8 with a byte order mark) of what is shared; counts as one use and leaves a record.

    For the recipient alone, and only in a Work that writes. Raises NotFound, and Conflict when the share is over.
    """
    row = find(work, share_id)
    if row["recipient_id"] != work.actor.id or work.actor.for_id is not None:
        raise NotFound("There is no such share.")
    if not work.writes:
        raise Misconfigured("Shared data is only given out where its use can be recorded.")
    data_set = _data_set(work, row["data_set"])
    use = _use(work, row)
    mark = mark_of(work.platform, share_id, use)
    found = _rows(work, data_set, row["fields"])
    data = _file(work, row, data_set, found, use, mark)
    said = {"data_set": row["data_set"], "fields": row["fields"], "purpose": row["purpose"]}
    _say(work, "share.used", row, said | {"rows": len(found), "use": use, "of": row["max_uses"], "mark": mark})
    return f"{row['data_set']}-{row['issued_at']:%Y%m%d}-{use}.csv", data


# --- marks --------------------------------------------------------------------------------------
def mark_of(platform, share_id: str, use: int) -> str:
    """The mark of one download: share, number of the use, and a signature that nobody else can make."""
    signature = hmac.digest(platform.key("sharing"), f"{share_id}|{use}".encode(), "sha256").hex()
    return f"{share_id}-{use}-{signature[:20]}"


def trace(work, mark: str) -> tuple[Any, int]:
    """(the share's row, number of the use) of a mark that was found in a file. Raises NotFound for a made-up one."""
    access.require(work, "verify", "platform", None)
    share_id, _, rest = mark.strip().partition("-")
    use = rest.partition("-")[0]
    if not use.isascii() or not use.isdigit() or len(use) > 6:
        raise NotFound("This mark was not made by the platform.")
    if not hmac.compare_digest(mark_of(work.platform, share_id, int(use)).encode(), mark.strip().encode()):
        raise NotFound("This mark was not made by the platform.")
    return find(work, share_id), int(use)


# --- helpers ------------------------------------------------------------------------------------
def _data_set(work, key: str) -> DataSet:
    found = work.policies.data_sets.get(key)
    if found is None:
        raise NotFound("There is no such data set.")
    return found


def _columns(data_set: DataSet, fields: list[str]) -> list:
    """The columns of these fields. Raises Invalid for an unknown field, Misconfigured for a wrong policy."""
    if not fields or not set(fields) <= set(data_set.fields):
        raise Invalid("The data set does not have all of these fields.")
    table = schema.metadata.tables.get(data_set.table)
    names = [data_set.fields[name].column for name in fields]
    for name in (*names, *data_set.where):
        if table is None or name not in table.c or name in NEVER:
            raise Misconfigured(
                "The data set '%(data_set)s' speaks of '%(table)s.%(column)s', which cannot be shared.",
                data_set=data_set.key, table=data_set.table, column=name,
            )  # fmt: skip
    return [table.c[name].label(f"field_{place}") for place, name in enumerate(names)]


def _end(work, row, why: str, reason: str | None) -> bool:
    live = update(share).where(share.c.id == row["id"], share.c.ended_at.is_(None))
    ended = work.execute(live.values(ended_at=work.now, ended_why=why))
    if ended.rowcount:
        _say(work, f"share.{why}", row, {"data_set": row["data_set"], "uses": row["uses"]}, reason)
    return ended.rowcount > 0


def _use(work, row) -> int:
    """Count one use; of two at once for the last one, one is refused. Returns its number."""
    used = work.execute(
        update(share)
        .where(share.c.id == row["id"], share.c.ended_at.is_(None), share.c.expires_at > work.now)
        .where(share.c.uses < share.c.max_uses)
        .values(uses=share.c.uses + 1)
        .returning(share.c.uses)
    ).scalar()
    if used is None:
        raise Conflict(_WHY_NOT[row["ended_why"]] if row["ended_at"] else _over(work, row))
    return used


_WHY_NOT = {"expired": "The time of this share is over.", "revoked": "This share was revoked."}


def _over(work, row) -> str:
    return _WHY_NOT["expired"] if row["expires_at"] <= work.now else "All downloads of this share are used up."


def _rows(work, data_set: DataSet, fields: list[str]) -> list:
    table = schema.metadata.tables.get(data_set.table)
    columns = _columns(data_set, fields)
    belongs = [table.c[name] == value for name, value in data_set.where.items()]
    found = work.execute(select(*columns).where(*belongs).order_by(*table.primary_key).limit(MOST_ROWS + 1)).all()
    if len(found) > MOST_ROWS:
        raise Conflict("The data set has more than %(limit)s rows; ask for a smaller one.", limit=MOST_ROWS)
    return found


def _file(work, row, data_set: DataSet, found: list, use: int, mark: str) -> bytes:
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerows([harmless(text)] for text in _head(work, row, data_set, use, mark))
    labels = [_say_in(work, data_set.fields[name].label) for name in row["fields"]]
    lines.writerow([*map(harmless, labels), _say_in(work, N_("Watermark"))])
    lines.writerows([*(_cell(work, value) for value in one), mark] for one in found)
    return ("\ufeff" + out.getvalue()).encode()


def _head(work, row, data_set: DataSet, use: int, mark: str) -> list[str]:
    """What a reader of the file must know before she reads on."""
    number = work.execute(select(instance.c.number).where(instance.c.id == row["instance_id"])).scalar() or ""
    reader = work.one(select(person.c.name, person.c.login).where(person.c.id == row["recipient_id"]))
    until = row["expires_at"].astimezone(work.calendar.zone).strftime("%Y-%m-%d %H:%M")
    return [
        _say_in(work, N_("%(data_set)s, shared by case %(number)s"), data_set=_say_in(work, data_set.name), number=number),
        _say_in(work, N_("Only for %(person)s (%(login)s), until %(until)s"), person=reader["name"], login=reader["login"],
                until=until),
        _say_in(work, N_("Purpose: %(purpose)s"), purpose=row["purpose"]),
        _say_in(work, N_("Download %(use)s of %(max)s, marked %(mark)s"), use=use, max=row["max_uses"], mark=mark),
    ]  # fmt: skip


def _say_in(work, text: str, **params: Any) -> str:
    return work.platform.translate(work.actor.locale, text, **params)


def _cell(work, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(work.calendar.zone).strftime("%Y-%m-%d %H:%M")
    return "" if value is None else harmless(value if isinstance(value, int | float) else str(value))


def _say(work, event_type: str, row, said: dict[str, Any], reason: str | None = None) -> None:
    """Into the chain of the case that issued the share."""
    root = work.execute(select(instance.c.root_id).where(instance.c.id == row["instance_id"])).scalar()
    work.record(
        event_type, instance_id=row["instance_id"], root_id=root, reason=reason, data={"share": row["id"], **said}
    )
