"""Copies of a case (抄送): who is to know of it without having to do anything.

Whoever may comment on a case may send it to employees; a model sends it when a task with the property
`bizday:copyTo` is done. A copy lets its reader see the case, within her clearance, comment on it and send it
on; it gives no other verb. Sent again, it is unread again. Opening the case marks the copy as read, which the
log keeps once, so that the case's page can say who knows of it (已阅) and who does not (未阅).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from engine import access, people, tasks
from engine.bpmn.limits import ElementError
from engine.errors import Invalid, NotFound
from engine.schema import copy, instance, person
from engine.tasks import Page

#: to how many persons one act may send a copy
MANY = 50
NOTE = 2000


# --- verbs --------------------------------------------------------------------------------------
def send(work, instance_row, person_ids: Iterable[str], note: str = "", task_id: str | None = None) -> list[str]:
    """Send copies of a case to employees; returns their ids.

    Raises NotAllowed for who may not see the case, NotFound for who has left, and Invalid for none, too many,
    partners and visitors.
    """
    access.require(work, "copy", "instance", instance_row)
    wanted, note = list(dict.fromkeys(person_ids)), (note or "").strip()
    if not wanted:
        raise Invalid("Choose at least one person who is to get a copy.")
    if len(wanted) > MANY:
        raise Invalid("A copy can be sent to at most %(limit)s persons at once.", limit=MANY)
    if len(note) > NOTE:
        raise Invalid("A note may have at most %(limit)s characters.", limit=NOTE)
    _refuse_strangers(work, wanted)
    _keep(work, instance_row, wanted, note, task_id, work.actor.id)
    return wanted


def send_by_model(work, instance_row, task_row, named: Any) -> list[str]:
    """Send the copies that a model asks for at a task; returns the ids of who got one.

    `named` is what its expression gave: logins, ids and keys of groups; null is nobody. Who has left is passed
    over, and so are partners, visitors and who has just done the task. Raises ElementError for what names nobody
    or too many.
    """
    said = [one.strip() for one in named.split(",")] if isinstance(named, str) else named or []
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise ElementError(f"The copies of '{task_row['name']}' go to {named!r}, which is not a list of names.")
    found = dict.fromkeys(person_id for one in said if one for person_id in _meant(work, task_row, one))
    live = _employees(work, found)
    wanted = [one for one in found if one in live and one not in (work.actor.id, work.actor.for_id)]
    if len(wanted) > MANY:
        raise ElementError(f"The copies of '{task_row['name']}' go to {len(wanted)} persons; at most {MANY} are allowed.")
    if wanted:
        _keep(work, instance_row, wanted, "", task_row["id"], None)
    return wanted


def mark_read(work, root_id: str) -> bool:
    """The reader herself has opened the case: True when her copy was unread. A substitute does not read for her."""
    if work.actor.for_id is not None:
        return False
    mine = (copy.c.root_id == root_id, copy.c.person_id == work.actor.id)
    changed = work.execute(update(copy).where(*mine, copy.c.read_at.is_(None)).values(read_at=work.now))
    if changed.rowcount:
        work.record("copy.read", instance_id=root_id, root_id=root_id)
    return bool(changed.rowcount)


# --- reading ------------------------------------------------------------------------------------
def is_unread(work, root_id: str) -> bool:
    """Whether a copy of the case waits to be read by this person herself."""
    mine = (copy.c.root_id == root_id, copy.c.person_id == work.actor.id, copy.c.read_at.is_(None))
    return work.actor.for_id is None and work.execute(select(copy.c.at).where(*mine)).first() is not None


def of_case(work, root_id: str) -> list:
    """Who got a copy of a case, by whom, when, with which note, and when she read it; oldest first."""
    sender = person.alias("sender")
    return work.all(
        select(copy, person.c.name.label("person_name"), sender.c.name.label("by_name"))
        .join(person, person.c.id == copy.c.person_id)
        .outerjoin(sender, sender.c.id == copy.c.by_id)
        .where(copy.c.root_id == root_id)
        .order_by(copy.c.at, person.c.name)
    )


def list_(work, *, search: str = "", unread: bool = False, page: int = 1, size: int = 50) -> Page:
    """One page of the copies that I got, unread ones first, then the newest.

    Rows are the copy's with `number`, `title`, `process_key`, `state` and `outcome` of its case, and the names of
    its sender and starter.
    """
    where = [copy.c.person_id == (work.actor.for_id or work.actor.id), access.visible_instances(work)]
    if unread:
        where.append(copy.c.read_at.is_(None))
    if search.strip():
        like = f"%{search.strip()}%"
        where.append(or_(instance.c.title.ilike(like), instance.c.number.ilike(like), copy.c.note.ilike(like)))
    rows = work.all(_LIST.where(*where).order_by(*_NEWEST).limit(size).offset((page - 1) * size))
    counted = select(func.count()).select_from(copy).join(instance, instance.c.id == copy.c.root_id)
    return Page(rows, work.execute(counted.where(*where)).scalar(), page, size, tasks.counts(work))


_sender, _starter = person.alias("sender"), person.alias("starter")
_LIST = (
    select(
        copy, instance.c.number, instance.c.title, instance.c.process_key, instance.c.state, instance.c.outcome,
        _sender.c.name.label("by_name"), _starter.c.name.label("starter_name"),
    )
    .join(instance, instance.c.id == copy.c.root_id)
    .outerjoin(_sender, _sender.c.id == copy.c.by_id)
    .outerjoin(_starter, _starter.c.id == instance.c.started_by)
)  # fmt: skip
_NEWEST = (copy.c.read_at.is_not(None), copy.c.at.desc(), copy.c.root_id)


# --- helpers ------------------------------------------------------------------------------------
def _refuse_strangers(work, person_ids: list[str]) -> None:
    live = _employees(work, person_ids)
    for person_id in person_ids:
        if person_id in live:
            continue
        row = people.get(work, person_id)
        if row is None or not people.is_live(work, row):
            raise NotFound("There is no such person, or she has left.")
        raise Invalid("%(person)s is no employee: partners and visitors see only what is shared with them.",
                      person=row["name"])  # fmt: skip


def _employees(work, person_ids: Iterable[str]) -> set[str]:
    rows = work.all(select(person).where(person.c.id.in_(list(person_ids)), person.c.kind == "employee"))
    return {row["id"] for row in rows if people.is_live(work, row)}


def _meant(work, task_row, name: str) -> list[str]:
    """The persons whom the key of a group, a login or an id means."""
    if name in work.policies.access.groups:
        return [one["id"] for one in people.members(work, name)]
    person_id = people.resolve(work, name)
    if person_id is None:
        raise ElementError(f"The copies of '{task_row['name']}' go to '{name}', which is neither a person nor a group.")
    return [person_id]


def _keep(work, instance_row, person_ids: list[str], note: str, task_id: str | None, by_id: str | None) -> None:
    root_id = instance_row["root_id"]
    values = {"instance_id": instance_row["id"], "task_id": task_id, "by_id": by_id, "at": work.now, "note": note,
              "read_at": None}  # fmt: skip
    mine = (copy.c.root_id == root_id, copy.c.person_id.in_(person_ids))
    again = set(work.execute(update(copy).where(*mine).values(**values).returning(copy.c.person_id)).scalars())
    new = [{"root_id": root_id, "person_id": one, **values} for one in person_ids if one not in again]
    if new:
        work.execute(insert(copy), new)
    work.record(
        "case.copied", instance_id=instance_row["id"], root_id=root_id, task_id=task_id, reason=note or None,
        data={"persons": person_ids, "by_model": by_id is None},
    )  # fmt: skip
