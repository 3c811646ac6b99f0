"""People, departments, groups, who stands in for whom, and how a person proves who she is.

An `Actor` is a person as a verb sees her: her groups and permissions as they are valid at this moment,
read afresh for each Work, so that a change takes effect at once. Groups and single permissions are
granted and taken back here, with an end where there is one and never against the separation of duties;
substitutions say who may act for whom and when. Passwords are Argon2id; sessions and API tokens are
random secrets of which only the SHA-256 is kept. Who fails to sign in hears the same sentence after the
same time whatever the cause, and after five failures the account rests for a quarter of an hour.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import and_, bindparam, delete, exists, func, insert, literal, not_, null, or_, select, union_all, update

from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from engine.hot import Hot
from engine.policies import CLASSES
from engine.schema import (
    api_token,
    department,
    instance,
    membership,
    permission,
    person,
    session,
    substitution,
    task,
)

KINDS = ("employee", "partner", "visitor")
#: kinds whose accounts carry an end (clause 1.2)
GUESTS = ("partner", "visitor")
LOCALES = ("zh_Hans_CN", "en")
SCOPES = ("read", "write", "admin")

TRIES = 5
LOCKED_FOR = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
SESSION_IDLE = timedelta(hours=2)
#: a session's or token's last use is written down again only after this
TOUCH_EVERY = timedelta(minutes=2)
TOKEN_DAYS = 366
PASSWORD_LENGTH = (12, 200)
#: one sentence for a wrong name, a wrong password, an ended account and a locked one
NOT_PROVEN = "Name or password is wrong, or the account is locked for a while."

_HASHER = PasswordHasher()


@dataclass(frozen=True)
class Actor:
    """A person as a verb sees her, at one moment."""

    id: str
    login: str
    name: str
    #: employee partner visitor system
    kind: str
    department_key: str | None = None
    groups: frozenset[str] = frozenset()
    #: "resource:verb", her groups' and her own
    permissions: frozenset[str] = frozenset()
    locale: str = "zh_Hans_CN"
    #: whom she acts for, and the groups whose tasks she therefore sees
    for_id: str | None = None
    for_groups: frozenset[str] = frozenset()
    #: the processes that the substitution is for; None: all of them
    for_processes: frozenset[str] | None = None
    #: classes of fields that she may read
    clearance: frozenset[str] = frozenset({"public", "internal"})

    def may(self, permission: str) -> bool:
        """Whether her role allows "resource:verb" (clause 2.2.1)."""
        return self.kind == "system" or permission in self.permissions


SYSTEM = Actor("system", "system", "bizday", "system", clearance=frozenset(CLASSES))

#: what rows of people show; the password's hash and the lock stay in this room
_SHOWN = [c for c in person.c if c.name not in ("password_hash", "failed_sign_ins", "locked_until")]


# --- finding people -----------------------------------------------------------------------------
def actor(work, person_id: str, *, acting_for: str | None = None) -> Actor:
    """The person as an actor now. Raises NotFound, and NotAllowed when she may not act (for that person)."""
    row = get(work, person_id)
    if row is None:
        raise NotFound("There is no such person.")
    if not is_live(work, row):
        raise NotAllowed("The account of %(person)s has ended.", person=row["name"])
    groups, permissions = _rights(work, person_id)
    clearance = _clearance(work, row, groups)
    standing = _standing(work, person_id, acting_for) if acting_for and acting_for != person_id else {}
    return Actor(
        row["id"], row["login"], row["name"], row["kind"], row["department_key"], groups, permissions,
        row["locale"], clearance=clearance, **standing,
    )  # fmt: skip


def get(work, person_id: str | None):
    """A person's row without her secrets, or None."""
    return _GET(work, {"id": person_id}).one() if person_id else None


_GET = Hot(select(*_SHOWN).where(person.c.id == bindparam("id")))


def by_login(work, login: str | None):
    """The same by login, or None."""
    return work.one(select(*_SHOWN).where(person.c.login == _login(login))) if login else None


def resolve(work, text: str | None) -> str | None:
    """The id of the person that `text` names by id or login; None when there is nobody."""
    if not text:
        return None
    if text in (work.actor.id, work.actor.for_id):
        return text
    return _RESOLVE(work, {"text": text, "login": _login(text)}).scalar()


_RESOLVE = Hot(
    select(person.c.id)
    .where(or_(person.c.id == bindparam("text"), person.c.login == bindparam("login")))
    .order_by(person.c.id != bindparam("text"))
    .limit(1)
)


def find(work, text: str = "", limit: int = 50) -> list:
    """Active people whose name, login or mail contains `text`, by name."""
    statement = select(*_SHOWN).where(_is_live(work))
    if text.strip():
        columns = (person.c.name, person.c.login, person.c.email)
        statement = statement.where(or_(*(c.icontains(text.strip(), autoescape=True) for c in columns)))
    return work.all(statement.order_by(person.c.name, person.c.id).limit(limit))


def search(work, text: str = "", *, state: str = "active", department_key: str | None = None,
           group_key: str | None = None, page: int = 1, size: int = 50) -> tuple[list, int]:  # fmt: skip
    """One page of accounts by name, ended ones too, and how many fit; `state` is "active", "ended" or "".

    Raises NotAllowed for who may not query people.
    """
    _need(work, "people:query")
    where = []
    if text.strip():
        columns = (person.c.name, person.c.login, person.c.email)
        where.append(or_(*(c.icontains(text.strip(), autoescape=True) for c in columns)))
    if state:
        where.append(_is_live(work) if state == "active" else not_(_is_live(work)))
    if department_key:
        where.append(person.c.department_key == department_key)
    if group_key:
        held = select(membership.c.person_id).where(membership.c.group_key == group_key, _valid(membership, work.now))
        where.append(person.c.id.in_(held))
    rows = work.all(
        select(*_SHOWN, department.c.name.label("department_name"))
        .outerjoin(department, department.c.key == person.c.department_key)
        .where(*where).order_by(person.c.name, person.c.id).limit(size).offset((page - 1) * size)
    )  # fmt: skip
    return rows, work.execute(select(func.count()).select_from(person).where(*where)).scalar()


def names(work, person_ids: Iterable[str]) -> dict[str, str]:
    """id -> name of people, also of those who have left; ids that mean nobody are left out."""
    rows = work.execute(select(person.c.id, person.c.name).where(person.c.id.in_(sorted(person_ids))))
    return {row.id: row.name for row in rows}


def members(work, group_key: str) -> list:
    """Active people who are in the group now, by login."""
    return work.all(
        select(*_SHOWN)
        .join(membership, membership.c.person_id == person.c.id)
        .where(membership.c.group_key == group_key, _valid(membership, work.now), _is_live(work))
        .order_by(person.c.login)
    )


def least_loaded(work, group_key: str) -> str | None:
    """The member with the fewest open tasks; of equals who has waited longest, and who is away comes last."""
    held = _tasks_of(task.c.state.in_(("open", "claimed")))
    away = exists().where(
        substitution.c.person_id == person.c.id, substitution.c.process_key.is_(None), _lasts(work.now)
    )
    latest = select(func.max(task.c.created_at)).where(task.c.assignee_id == person.c.id).scalar_subquery()
    return work.execute(
        select(person.c.id)
        .join(membership, membership.c.person_id == person.c.id)
        .where(membership.c.group_key == group_key, _valid(membership, work.now), _is_live(work))
        .order_by(away, held, latest.is_not(None), latest, person.c.login)
        .limit(1)
    ).scalar()


def is_live(work, row) -> bool:
    """Whether the account may be used now: active, and not past its end."""
    return bool(row["active"]) and (row["ends_at"] is None or row["ends_at"] > work.now)


# --- who is above whom --------------------------------------------------------------------------
def manager_of(work, person_id: str) -> str | None:
    """Who is next above a person: her manager, else the head of her department or of one above it.

    Somebody who has left is passed over; nobody is her own manager.
    """
    row = get(work, person_id)
    if row is None:
        return None
    if row["manager_id"] and row["manager_id"] != person_id:
        manager = get(work, row["manager_id"])
        if manager is not None:
            return manager["id"] if is_live(work, manager) else manager_of_left(work, manager, person_id)
    return head_of(work, row["department_key"], besides=person_id)


def manager_of_left(work, left, person_id: str) -> str | None:
    """Her manager has left: the manager's own manager, once, else the head of her department."""
    above = get(work, left["manager_id"])
    if above is not None and is_live(work, above) and above["id"] != person_id:
        return above["id"]
    return head_of(work, get(work, person_id)["department_key"], besides=person_id)


def head_of(work, department_key: str | None, *, besides: str | None = None) -> str | None:
    """The head of a department, or of the nearest one above it that has a head (other than `besides`)."""
    seen: set[str] = set()
    while department_key and department_key not in seen:
        seen.add(department_key)
        row = work.one(select(department).where(department.c.key == department_key))
        if row is None:
            return None
        head = get(work, row["head_id"])
        if head is not None and head["id"] != besides and is_live(work, head):
            return head["id"]
        department_key = row["parent_key"]
    return None


def subordinates(work, boss_id: str):
    """A SELECT of the ids of everyone below a person: whom she manages, whose department she heads, and theirs."""
    led = select(department.c.key).where(department.c.head_id == boss_id).cte("led", recursive=True)
    led = led.union(select(department.c.key).join(led, department.c.parent_key == led.c.key))
    below = (
        select(person.c.id)
        .where(or_(person.c.manager_id == boss_id, person.c.department_key.in_(select(led.c.key))))
        .cte("below", recursive=True)
    )
    headed = select(department.c.head_id, department.c.key).subquery("headed")
    below = below.union(
        select(person.c.id)
        .select_from(below)
        .outerjoin(headed, headed.c.head_id == below.c.id)
        .join(person, or_(person.c.manager_id == below.c.id, person.c.department_key == headed.c.key))
    )
    return select(below.c.id).where(below.c.id != boss_id)


def subordinate(work, boss_id: str, person_id: str) -> bool:
    """Whether `person_id` works, directly or not, under `boss_id`."""
    return work.execute(
        select(person.c.id).where(person.c.id == person_id, person.c.id.in_(subordinates(work, boss_id)))
    ).first() is not None


# --- people and departments ---------------------------------------------------------------------
_FIELDS = (
    "email", "phone", "kind", "department_key", "manager_id", "locale", "active", "ends_at", "preferences",
)  # fmt: skip
#: what everyone may change of herself
_OWN_FIELDS = frozenset({"email", "phone", "locale", "preferences"})


def add_person(work, login: str, name: str, **fields) -> str:
    """Open an account; returns its id. It has no password yet, so nobody can sign in with it.

    Raises Invalid, and Conflict when the login is taken.
    """
    _need(work, "people:enter")
    login = _login(login)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._@-]{0,119}", login):
        raise Invalid("A login has only small letters, digits and . _ @ -, not '%(login)s'.", login=login)
    if resolve(work, login):
        raise Conflict("The login '%(login)s' is taken.", login=login)
    row = {"kind": "employee", "locale": "zh_Hans_CN", "preferences": {}} | _checked(work, {"name": name, **fields})
    _need_end(row)
    row |= {"id": work.new_id(), "login": login, "created_at": work.now, "active": True}
    work.execute(insert(person), row)
    work.record("person.added", data={"person": row["id"], "login": login, "kind": row["kind"]})
    return row["id"]


def change_person(work, person_id: str, **fields) -> None:
    """Change a person's details, keeping the old ones in the log. Of herself everyone may change a few."""
    if not (person_id == work.actor.id and fields.keys() <= _OWN_FIELDS):
        _need(work, "people:modify")
    before = _someone(work, person_id)
    values = _checked(work, fields, person_id)
    _need_end(dict(before) | values)
    changed = {name: value for name, value in values.items() if before[name] != value}
    if not changed:
        return
    work.execute(update(person).where(person.c.id == person_id).values(**changed))
    work.record("person.changed", data={"person": person_id, "old": _plain(before, changed), "new": _plain(changed)})


def change_locale(work, locale: str) -> None:
    """The language of one's own pages and mails."""
    change_person(work, work.actor.id, locale=locale)


def deactivate(work, person_id: str) -> None:
    """Close an account: its sessions and tokens end at once, what it did stays."""
    _need(work, "people:delete")
    _someone(work, person_id)
    work.execute(update(person).where(person.c.id == person_id).values(active=False))
    _end_everything(work, person_id)
    work.record("person.deactivated", data={"person": person_id})


def add_department(work, key: str, name: str, *, head_id: str | None = None, parent_key: str | None = None) -> str:
    """A department; returns its key."""
    _need(work, "people:modify")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", key):
        raise Invalid("The key of a department has only small letters, digits and _, not '%(key)s'.", key=key)
    if work.one(select(department.c.key).where(department.c.key == key)):
        raise Conflict("There is a department '%(key)s' already.", key=key)
    work.execute(insert(department), {"key": key, "name": name, "head_id": head_id, "parent_key": parent_key})
    work.record("department.added", data={"department": key, "name": name, "head": head_id, "parent": parent_key})
    return key


def change_department(work, key: str, **fields) -> None:
    """Change a department's `name`, `head_id` or `parent_key`."""
    _need(work, "people:modify")
    before = work.one(select(department).where(department.c.key == key))
    if before is None:
        raise NotFound("There is no such department.")
    _only(fields, ("name", "head_id", "parent_key"))
    if fields.get("head_id"):
        _someone(work, fields["head_id"])
    if "parent_key" in fields:
        _refuse_loop(work, key, fields["parent_key"])
    work.execute(update(department).where(department.c.key == key).values(**fields))
    old = {name: before[name] for name in fields}
    work.record("department.changed", data={"department": key, "old": old, "new": dict(fields)})


def departments(work) -> list:
    """All departments with the names of their heads, by name."""
    return work.all(
        select(department, person.c.name.label("head_name"))
        .outerjoin(person, person.c.id == department.c.head_id)
        .order_by(department.c.name)
    )


# --- groups and permissions ---------------------------------------------------------------------
def join(work, person_id: str, group_key: str, until: datetime | None = None, instance_id: str | None = None) -> None:
    """Make a person a member of a group, until a moment if one is given; a second time moves that moment.

    Raises Conflict when she holds a group that nobody may hold together with it.
    """
    _need_grant(work, "groups:modify", person_id)
    if group_key not in work.policies.access.groups:
        raise NotFound("There is no group '%(group)s'.", group=group_key)
    row = _someone(work, person_id)
    conflicts = conflicts_of(work, person_id, group_key)
    if conflicts:
        raise Conflict("%(person)s cannot join: %(why)s", person=row["name"], why=" ".join(conflicts))
    _future(work, until)
    _keep(work, membership, {"person_id": person_id, "group_key": group_key}, until, instance_id)
    _say(work, "membership.granted", instance_id, {"person": person_id, "group": group_key, "until": _iso(until)})


def leave(work, person_id: str, group_key: str, instance_id: str | None = None) -> bool:
    """End a membership; False when there was none."""
    _need_grant(work, "groups:modify", person_id)
    had = _drop(work, membership, {"person_id": person_id, "group_key": group_key})
    if had:
        _say(work, "membership.revoked", instance_id, {"person": person_id, "group": group_key})
    return had


def grant(work, person_id: str, resource: str, verb: str, until: datetime | None = None,
          instance_id: str | None = None) -> None:  # fmt: skip
    """Give a single permission beside those of the groups (clause 2.2.1)."""
    _need_grant(work, "groups:modify", person_id)
    known = work.policies.access.resources
    if resource not in known or verb not in ("query", "enter", "modify", "delete"):
        raise NotFound("There is no permission '%(permission)s'.", permission=f"{resource}:{verb}")
    _someone(work, person_id)
    _future(work, until)
    key = {"person_id": person_id, "resource": resource, "verb": verb}
    _keep(work, permission, key, until, instance_id)
    said = {"person": person_id, "resource": resource, "verb": verb, "until": _iso(until)}
    _say(work, "permission.granted", instance_id, said)


def revoke(work, person_id: str, resource: str, verb: str, instance_id: str | None = None) -> bool:
    """Take a single permission back; False when there was none."""
    _need_grant(work, "groups:modify", person_id)
    key = {"person_id": person_id, "resource": resource, "verb": verb}
    had = _drop(work, permission, key)
    if had:
        _say(work, "permission.revoked", instance_id, {"person": person_id, "resource": resource, "verb": verb})
    return had


def groups_of(work, person_id: str) -> frozenset[str]:
    """The groups that a person is in now."""
    return _rights(work, person_id)[0]


def conflicts_of(work, person_id: str, group_key: str) -> list[str]:
    """Why this person may not also hold that group: one sentence for each group that keeps her from it."""
    held = groups_of(work, person_id) - {group_key}
    known = work.policies.access
    return [why for why in known.conflicts({*held, group_key}) if why not in known.conflicts(held)]


def rights(work, person_id: str) -> dict[str, list]:
    """A person's memberships and single permissions with their ends, also those that are over, for her page."""
    return {
        "memberships": work.all(
            select(membership).where(membership.c.person_id == person_id).order_by(membership.c.group_key)
        ),
        "permissions": work.all(
            select(permission)
            .where(permission.c.person_id == person_id)
            .order_by(permission.c.resource, permission.c.verb)
        ),
    }


def held(work) -> dict[str, list]:
    """Every membership and single permission that is valid now, with the names of their holders.

    Raises NotAllowed for who may not query people.
    """
    _need(work, "people:query")

    def of(table, *order) -> list:
        held_by = select(table, person.c.name, person.c.login).join(person, person.c.id == table.c.person_id)
        return work.all(held_by.where(_valid(table, work.now), _is_live(work)).order_by(*order, person.c.name))

    return {
        "memberships": of(membership, membership.c.group_key),
        "permissions": of(permission, permission.c.resource, permission.c.verb),
    }


# --- standing in for somebody -------------------------------------------------------------------
def substitute(work, person_id: str, substitute_id: str, starts_at: datetime, ends_at: datetime,
               process_key: str | None = None) -> str:  # fmt: skip
    """Let somebody act for a person during a time, in one process or in all. Returns the substitution's id.

    It is for the person herself, for who is above her, and for who may change people.
    """
    if not _may_arrange(work, person_id):
        raise NotAllowed("Only the person herself or who is above her names her substitute.")
    _someone(work, person_id)
    other = _someone(work, substitute_id)
    if person_id == substitute_id:
        raise Invalid("Nobody is her own substitute; choose somebody else.")
    if not is_live(work, other):
        raise Invalid("%(person)s cannot stand in: the account has ended.", person=other["name"])
    if ends_at <= starts_at or ends_at <= work.now:
        raise Invalid("The substitution must end after it begins, and not in the past.")
    row = {
        "id": work.new_id(), "person_id": person_id, "substitute_id": substitute_id, "starts_at": starts_at,
        "ends_at": ends_at, "process_key": process_key or None, "created_by": work.actor.id, "created_at": work.now,
    }  # fmt: skip
    work.execute(insert(substitution), row)
    work.record("substitution.added", data=_plain(row, ("person_id", "substitute_id", "starts_at", "ends_at",
                                                        "process_key")) | {"substitution": row["id"]})  # fmt: skip
    return row["id"]


def end_substitution(work, substitution_id: str) -> None:
    """End a substitution now; one that has not begun never will."""
    row = work.one(select(substitution).where(substitution.c.id == substitution_id))
    if row is None or not (row["substitute_id"] == work.actor.id or _may_arrange(work, row["person_id"])):
        raise NotFound("There is no such substitution.")
    if row["ends_at"] <= work.now:
        return
    values = {"ends_at": work.now, "starts_at": min(row["starts_at"], work.now)}
    work.execute(update(substitution).where(substitution.c.id == substitution_id).values(**values))
    work.record("substitution.ended", data={"substitution": substitution_id, "person_id": row["person_id"]})


def substitutions(work, person_id: str) -> list:
    """Substitutions by and for a person that are not over, with both names, the next first."""
    absent, other = person.alias("absent"), person.alias("other")
    return work.all(
        select(substitution, absent.c.name.label("person_name"), other.c.name.label("substitute_name"))
        .join(absent, absent.c.id == substitution.c.person_id)
        .join(other, other.c.id == substitution.c.substitute_id)
        .where(or_(substitution.c.person_id == person_id, substitution.c.substitute_id == person_id))
        .where(substitution.c.ends_at > work.now)
        .order_by(substitution.c.starts_at, substitution.c.id)
    )


def all_substitutions(work) -> list:
    """Everybody's substitutions that are not over. Raises NotAllowed for who may not query people."""
    _need(work, "people:query")
    absent, other = person.alias("absent"), person.alias("other")
    return work.all(
        select(substitution, absent.c.name.label("person_name"), other.c.name.label("substitute_name"))
        .join(absent, absent.c.id == substitution.c.person_id)
        .join(other, other.c.id == substitution.c.substitute_id)
        .where(substitution.c.ends_at > work.now)
        .order_by(substitution.c.starts_at, substitution.c.id)
    )


def acting_for(work, person_id: str) -> list:
    """The people whom this person may act for now, by name."""
    wanted = select(substitution.c.person_id).where(substitution.c.substitute_id == person_id, _lasts(work.now))
    return work.all(select(*_SHOWN).where(person.c.id.in_(wanted), _is_live(work)).order_by(person.c.name))


# --- signing in ---------------------------------------------------------------------------------
class SignInRefused(NotAllowed):
    """Somebody did not prove who she is. What is to be kept of it is kept when the refused Work is over."""

    def __init__(self, person_id: str | None, address: str | None, why: str, message: str = NOT_PROVEN):
        super().__init__(message)
        self._kept = (person_id, address, why)

    def afterwards(self, platform) -> None:
        """Called by the Work that was rolled back: the count and the record must outlive the refusal."""
        person_id, address, why = self._kept
        with platform.work(SYSTEM) as work:
            work.record("sign-in.failed", data={"person": person_id, "address": address, "why": why})
            if person_id and why == "password":
                _count_failure(work, person_id)


def authenticate(work, login: str, password: str, address: str | None = None):
    """The row of the person who has just proven who she is.

    Raises NotAllowed with the same sentence, after the same time, for whatever reason; the failure is
    counted and recorded although this Work is rolled back, so let the exception leave the Work.
    """
    found = select(person).where(person.c.login == _login(login)).with_for_update()
    row = work.one(found) if login else None
    proven = _verify(work, row["password_hash"] if row else None, password)
    why = _why_not_in(work, row, proven)
    if why is not None:
        raise SignInRefused(row["id"] if row else None, address, why)
    values: dict[str, Any] = {"failed_sign_ins": 0, "locked_until": None}
    if _hasher(work).check_needs_rehash(row["password_hash"]):
        values["password_hash"] = _hasher(work).hash(password)
    work.execute(update(person).where(person.c.id == row["id"]).values(**values))
    return get(work, row["id"])


def set_password(work, person_id: str, password: str) -> None:
    """Give an account a password; its sessions end. For who may change people; see `change_password`."""
    _need(work, "people:modify")
    _replace_password(work, _someone(work, person_id), password, keep=None)


def change_password(work, old: str, new: str, *, keep: str | None = None) -> None:
    """Change one's own password. Every session ends, but the one whose secret is `keep`."""
    row = work.one(select(person).where(person.c.id == work.actor.id))
    if row is None:
        raise NotFound("There is no such person.")
    proven = _verify(work, row["password_hash"], old)
    why = _why_not_in(work, row, proven)
    if why is not None:
        raise SignInRefused(row["id"], None, why, "The old password is wrong, or the account is locked for a while.")
    _replace_password(work, row, new, keep=keep)


def open_session(work, person_id: str, address: str | None = None, agent: str | None = None) -> str:
    """A new session for a person who has proven who she is; returns its secret, which is nowhere kept.

    A live session at another address is told to her at once (clause 2.1.3).
    """
    row = _someone(work, person_id)
    if not is_live(work, row):
        raise NotAllowed(NOT_PROVEN)
    work.execute(delete(session).where(session.c.person_id == person_id, ~_is_open(work.now)))
    others = {one["address"] for one in _live_sessions(work, person_id)} - {address}
    secret = secrets.token_urlsafe(32)
    work.execute(
        insert(session),
        {
            "token_hash": _digest(secret), "person_id": person_id, "created_at": work.now, "seen_at": work.now,
            "ends_at": work.now + SESSION_LIFE, "address": address, "agent": (agent or "")[:200],
        },
    )  # fmt: skip
    work.record("person.signed-in", actor_id=person_id, data={"person": person_id, "address": address})
    if others:
        said = {"person": person_id, "address": address, "others": sorted(filter(None, others))}
        work.record("sign-in.alerted", actor_id=person_id, data=said)
    return secret


def session_actor(work, secret: str | None) -> Actor | None:
    """Who this session's secret stands for; None when it has ended, was idle too long, or never was."""
    if not secret:
        return None
    row = work.one(select(session).where(session.c.token_hash == _digest(secret), _is_open(work.now)))
    found = _actor_or_none(work, row["person_id"]) if row else None
    if found is not None and work.now - row["seen_at"] >= TOUCH_EVERY:
        _touch(work, update(session).where(session.c.token_hash == row["token_hash"]).values(seen_at=work.now))
    return found


def close_session(work, secret: str | None) -> None:
    """Sign out."""
    row = work.one(select(session).where(session.c.token_hash == _digest(secret))) if secret else None
    if row is not None:
        _close(work, row, "person.signed-out")


def end_session(work, session_id: str) -> None:
    """End one of one's own sessions from its list (or anybody's, for who may change people)."""
    row = work.one(select(session).where(session.c.token_hash == session_id))
    if row is None or not (row["person_id"] == work.actor.id or work.actor.may("people:modify")):
        raise NotFound("There is no such session.")
    _close(work, row, "session.ended")


def end_sessions(work, person_id: str) -> int:
    """End every session of a person; returns how many there were. For who may change people."""
    _need(work, "people:modify")
    _someone(work, person_id)
    found = _live_sessions(work, person_id)
    for row in found:
        _close(work, row, "session.ended")
    return len(found)


def locked_until(work, person_id: str) -> datetime | None:
    """Until when an account rests after too many failures; None when it does not. For who may change people."""
    _need(work, "people:modify")
    until = work.execute(select(person.c.locked_until).where(person.c.id == person_id)).scalar()
    return until if until is not None and until > work.now else None


def unlock(work, person_id: str) -> None:
    """Let a person try again before her account has rested to the end. For who may change people."""
    if locked_until(work, person_id) is None:
        raise Conflict("The account is not locked.")
    work.execute(update(person).where(person.c.id == person_id).values(failed_sign_ins=0, locked_until=None))
    work.record("person.unlocked", data={"person": person_id})


def sessions(work, person_id: str) -> list:
    """A person's live sessions, last used first; `id` is what `end_session` takes."""
    _need_own(work, person_id)
    return _live_sessions(work, person_id)


def issue_token(work, person_id: str, name: str, scopes: Iterable[str], days: int) -> str:
    """A token for the API in one's own name; returns its secret, which is shown this one time."""
    if work.actor.kind != "system" and person_id != work.actor.id:
        raise NotAllowed("A token is issued only in one's own name.")
    row, scopes = _someone(work, person_id), sorted(set(scopes))
    if not name.strip():
        raise Invalid("Give the token a name, so that you know it again.")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise Invalid("Choose what the token is for: read, write or admin.")
    if not 1 <= days < TOKEN_DAYS:
        raise Invalid("A token lasts between 1 and 365 days.")
    ends_at = min(filter(None, (work.now + timedelta(days=days), row["ends_at"])))
    secret = f"bd_{secrets.token_urlsafe(32)}"
    new = {
        "id": work.new_id(), "token_hash": _digest(secret), "person_id": person_id, "name": name.strip()[:120],
        "scopes": scopes, "created_at": work.now, "ends_at": ends_at,
    }  # fmt: skip
    work.execute(insert(api_token), new)
    work.record("token.issued", data={"token": new["id"], "person": person_id, "scopes": scopes})
    return secret


def token_actor(work, secret: str | None) -> tuple[Actor, frozenset[str]] | None:
    """Who an API token stands for and its scopes; None when it has ended, was revoked, or never was."""
    if not secret:
        return None
    row = _TOKEN(work, {"digest": _digest(secret), "now": work.now}).one()
    found = _actor_or_none(work, row["person_id"]) if row else None
    if found is None:
        return None
    if row["used_at"] is None or work.now - row["used_at"] >= TOUCH_EVERY:
        _touch(work, update(api_token).where(api_token.c.id == row["id"]).values(used_at=work.now))
    return found, frozenset(row["scopes"])


_TOKEN = Hot(
    select(api_token).where(
        api_token.c.token_hash == bindparam("digest"),
        api_token.c.revoked_at.is_(None),
        api_token.c.ends_at > bindparam("now", type_=api_token.c.ends_at.type),
    )
)


def revoke_token(work, token_id: str) -> None:
    row = work.one(select(api_token).where(api_token.c.id == token_id))
    if row is None or not (row["person_id"] == work.actor.id or work.actor.may("people:modify")):
        raise NotFound("There is no such token.")
    if row["revoked_at"] is None:
        work.execute(update(api_token).where(api_token.c.id == token_id).values(revoked_at=work.now))
        work.record("token.revoked", data={"token": token_id, "person": row["person_id"]})


def tokens(work, person_id: str) -> list:
    """A person's tokens without their hashes, newest first."""
    _need_own(work, person_id)
    shown = [c for c in api_token.c if c.name != "token_hash"]
    return work.all(
        select(*shown).where(api_token.c.person_id == person_id).order_by(api_token.c.created_at.desc())
    )


# --- helpers: rights ----------------------------------------------------------------------------
def _rights(work, person_id: str) -> tuple[frozenset[str], frozenset[str]]:
    """Groups valid now, and the permissions that they and single grants give: one query by two indexes."""
    rows = _RIGHTS(work, {"person": person_id, "now": work.now}).rows
    known = work.policies.access.groups
    groups = frozenset(row["key"] for row in rows if row["verb"] is None)
    own = {f"{row['key']}:{row['verb']}" for row in rows if row["verb"] is not None}
    return groups, frozenset(own.union(*(known[key].permissions for key in groups if key in known)))


def _clearance(work, row, groups: frozenset[str]) -> frozenset[str]:
    """Employees read what is internal; everything above that comes with a group (clause 2.3.3)."""
    usual = {"public"} if row["kind"] in GUESTS else {"public", "internal"}
    cleared = work.policies.access.clearance
    return frozenset(usual.union(*(cleared.get(key, ()) for key in groups)))


def _standing(work, person_id: str, for_id: str) -> dict[str, Any]:
    """What acting for somebody adds to an actor. Raises NotAllowed without a substitution that lasts."""
    processes = work.execute(
        select(substitution.c.process_key).where(
            substitution.c.person_id == for_id, substitution.c.substitute_id == person_id, _lasts(work.now)
        )
    ).scalars().all()
    absent = get(work, for_id)
    if not processes or absent is None or not is_live(work, absent):
        raise NotAllowed("You do not stand in for that person now.")
    return {
        "for_id": for_id,
        "for_groups": groups_of(work, for_id),
        "for_processes": None if None in processes else frozenset(processes),
    }


def _actor_or_none(work, person_id: str) -> Actor | None:
    try:
        return actor(work, person_id)
    except (NotFound, NotAllowed):
        return None  # whoever holds a secret of an ended account is nobody


def _valid(table, now):
    return or_(table.c.until.is_(None), table.c.until > now)


_NOW = bindparam("now", type_=membership.c.until.type)
_RIGHTS = Hot(
    union_all(
        select(membership.c.group_key.label("key"), null().label("verb")).where(
            membership.c.person_id == bindparam("person"), _valid(membership, _NOW)
        ),
        select(permission.c.resource, permission.c.verb).where(
            permission.c.person_id == bindparam("person"), _valid(permission, _NOW)
        ),
    )
)


def _lasts(now: datetime):
    return and_(substitution.c.starts_at <= now, substitution.c.ends_at > now)


def _is_live(work):
    return and_(person.c.active, or_(person.c.ends_at.is_(None), person.c.ends_at > work.now))


def _tasks_of(condition):
    return select(func.count(task.c.id)).where(task.c.assignee_id == person.c.id, condition).scalar_subquery()


def _keep(work, table, key: dict[str, str], until: datetime | None, instance_id: str | None) -> None:
    """Insert, or move the end of what is there: one row per grant."""
    values = {"until": until, "granted_at": work.now, "instance_id": instance_id}
    changed = work.execute(update(table).where(_is(table, key)).values(**values))
    if changed.rowcount == 0:
        work.execute(insert(table), key | values)


def _drop(work, table, key: dict[str, str]) -> bool:
    valid = work.one(select(literal(1)).where(_is(table, key), _valid(table, work.now)))
    work.execute(delete(table).where(_is(table, key)))
    return valid is not None


def _is(table, key: dict[str, str]):
    return and_(*(table.c[name] == value for name, value in key.items()))


def _say(work, event_type: str, instance_id: str | None, data: dict[str, Any]) -> None:
    """Into the chain of the case that granted or took back, else into the platform's."""
    root = select(instance.c.root_id).where(instance.c.id == instance_id)
    root_id = work.execute(root).scalar() if instance_id else None
    work.record(event_type, instance_id=instance_id, root_id=root_id, data=data)


# --- helpers: who may change whom ---------------------------------------------------------------
def _need(work, permission_: str) -> None:
    if not work.actor.may(permission_):
        raise NotAllowed("Your role does not allow this: it needs '%(permission)s'.", permission=permission_)


def _need_grant(work, permission_: str, person_id: str) -> None:
    """Nobody changes her own rights, whatever her role (clause 2.2.2)."""
    _need(work, permission_)
    if person_id in (work.actor.id, work.actor.for_id):
        raise NotAllowed("Nobody changes her own permissions; ask for them.")


def _need_own(work, person_id: str) -> None:
    if person_id != work.actor.id and not work.actor.may("people:modify"):
        raise NotAllowed("That is for the person herself.")


def _may_arrange(work, person_id: str) -> bool:
    if person_id == work.actor.id or work.actor.may("people:modify"):
        return True
    return subordinate(work, work.actor.id, person_id)


def _someone(work, person_id: str):
    row = get(work, person_id)
    if row is None:
        raise NotFound("There is no such person.")
    return row


def _checked(work, fields: dict[str, Any], person_id: str | None = None) -> dict[str, Any]:
    """The details as they are kept. Raises Invalid or NotFound."""
    _only(fields, (*_FIELDS, "name"))
    if "name" in fields and not (fields["name"] or "").strip():
        raise Invalid("A person needs a name.")
    if fields.get("kind", "employee") not in KINDS:
        raise Invalid("A person is an employee, a partner or a visitor.")
    if fields.get("locale", "en") not in LOCALES:
        raise Invalid("The languages are %(known)s.", known=", ".join(LOCALES))
    if fields.get("department_key") and fields["department_key"] not in {d["key"] for d in departments(work)}:
        raise NotFound("There is no such department.")
    if fields.get("manager_id"):
        _refuse_own_manager(work, person_id, fields["manager_id"])
    return fields | ({"name": fields["name"].strip()} if "name" in fields else {})


def _refuse_own_manager(work, person_id: str | None, manager_id: str) -> None:
    _someone(work, manager_id)
    seen = {person_id}
    above: str | None = manager_id
    while above and person_id:
        if above in seen:
            raise Invalid("Nobody can be her own manager, not through others either.")
        seen.add(above)
        above = work.execute(select(person.c.manager_id).where(person.c.id == above)).scalar()


def _refuse_loop(work, key: str, parent_key: str | None) -> None:
    seen = {key}
    while parent_key:
        if parent_key in seen:
            raise Invalid("A department cannot be above itself.")
        seen.add(parent_key)
        row = work.one(select(department).where(department.c.key == parent_key))
        if row is None:
            raise NotFound("There is no such department.")
        parent_key = row["parent_key"]


def _need_end(row) -> None:
    if row["kind"] in GUESTS and row.get("ends_at") is None:
        raise Invalid("The account of a partner or visitor needs an end.")


def _only(fields: dict[str, Any], known: Iterable[str]) -> None:
    for name in fields:
        if name not in known:
            raise Invalid("'%(name)s' cannot be changed here.", name=name)


def _future(work, until: datetime | None) -> None:
    if until is not None and until <= work.now:
        raise Invalid("The end lies in the past.")


def _login(login: str) -> str:
    return login.strip().lower()


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _plain(row, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Values for the log as plain JSON."""
    picked = {name: row[name] for name in (row if names is None else names)}
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in picked.items()}


# --- helpers: proofs ----------------------------------------------------------------------------
def _hasher(work) -> PasswordHasher:
    """Argon2id with the library's parameters; tests may lend a cheaper one to their platform."""
    return work.platform.cache.get("hasher") or _HASHER


def _verify(work, kept: str | None, password: str) -> bool:
    """Whether the password fits; without one to compare with the same work is done for nothing."""
    hasher = _hasher(work)
    if kept is None:
        kept, password = _dummy(work, hasher), "x" + password
    try:
        return hasher.verify(kept, password[: PASSWORD_LENGTH[1]])
    except (VerificationError, InvalidHashError):
        return False


def _dummy(work, hasher: PasswordHasher) -> str:
    cache = work.platform.cache
    if "dummy-hash" not in cache:
        cache["dummy-hash"] = hasher.hash(secrets.token_hex(16))
    return cache["dummy-hash"]


def _why_not_in(work, row, proven: bool) -> str | None:
    """Why this proof does not open the account, for the log alone."""
    if row is None:
        return "unknown"
    if row["locked_until"] is not None and row["locked_until"] > work.now:
        return "locked"
    if not proven:
        return "password"
    return None if is_live(work, row) else "ended"


def _count_failure(work, person_id: str) -> None:
    """One more failure; at the fifth in a row the account rests and the count begins again."""
    failed = work.execute(
        update(person)
        .where(person.c.id == person_id)
        .values(failed_sign_ins=person.c.failed_sign_ins + 1)
        .returning(person.c.failed_sign_ins)
    ).scalar()
    if failed >= TRIES:
        values = {"failed_sign_ins": 0, "locked_until": work.now + LOCKED_FOR}
        work.execute(update(person).where(person.c.id == person_id).values(**values))
        work.record("person.locked", data={"person": person_id, "until": _iso(values["locked_until"])})


def _replace_password(work, row, password: str, keep: str | None) -> None:
    _refuse_weak(row, password)
    values = {"password_hash": _hasher(work).hash(password), "failed_sign_ins": 0, "locked_until": None}
    work.execute(update(person).where(person.c.id == row["id"]).values(**values))
    others = session.c.token_hash != _digest(keep) if keep else literal(True)
    work.execute(delete(session).where(session.c.person_id == row["id"], others))
    work.record("password.changed", data={"person": row["id"]})


def _refuse_weak(row, password: str) -> None:
    least, most = PASSWORD_LENGTH
    if not least <= len(password) <= most:
        raise Invalid("A password has between %(least)s and %(most)s characters.", least=least, most=most)
    if row["login"] in password.lower() or len(set(password)) < 5:
        raise Invalid("This password is too easy to guess; use several words that have nothing to do with you.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_open(now: datetime):
    return and_(session.c.ends_at > now, session.c.seen_at > now - SESSION_IDLE)


def _live_sessions(work, person_id: str) -> list:
    return work.all(
        select(session, session.c.token_hash.label("id"))
        .where(session.c.person_id == person_id, _is_open(work.now))
        .order_by(session.c.seen_at.desc())
    )


def _touch(work, statement) -> None:
    """Note a last use: in this Work when it writes, else in one of its own after it, so that reading never waits."""
    if work.writes:
        work.execute(statement)
        return

    def later() -> None:
        with work.platform.work(SYSTEM) as own:
            own.execute(statement)

    work.after_commit(later)


def _close(work, row, event_type: str) -> None:
    work.execute(delete(session).where(session.c.token_hash == row["token_hash"]))
    work.record(event_type, actor_id=row["person_id"] if work.actor.kind == "system" else None,
                data={"person": row["person_id"], "address": row["address"]})  # fmt: skip


def _end_everything(work, person_id: str) -> None:
    work.execute(delete(session).where(session.c.person_id == person_id))
    work.execute(
        update(api_token)
        .where(api_token.c.person_id == person_id, api_token.c.revoked_at.is_(None))
        .values(revoked_at=work.now)
    )
