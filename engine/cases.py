"""Cases as people read them.

Lists for managers, one case with its timeline, the diagram's state, variables by clearance, documents,
comments, jobs and incidents. Everything here reads rows and the log and changes nothing; which cases a
person gets to see is `access.visible_instances`, put into the SQL itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select

from engine import access, forms, people, repository, runtime
from engine.errors import NotFound
from engine.schema import (
    comment,
    definition,
    document,
    event,
    incident,
    instance,
    job,
    person,
    task,
    token,
)
from engine.tasks import LIVE, Page

STATES = ("active", "suspended", "completed", "cancelled")
#: records that tell people what happened, in the timeline
TOLD = (
    "case.started", "case.completed", "case.cancelled", "case.withdrawn", "case.suspended", "case.resumed",
    "task.completed", "task.returned", "task.claimed", "task.released", "task.transferred", "task.delegated",
    "task.handed-back", "task.reminded", "task.escalated", "task.reassigned", "task.urged", "task.stuck",
    "comment.added", "document.attached", "document.removed", "incident.raised", "incident.resolved",
    "token.moved", "variables.corrected", "decision.made", "share.issued", "share.used", "share.expired",
    "share.revoked", "permission.granted", "permission.revoked", "membership.granted", "membership.revoked",
    "case.migrated", "case.archived", "case.copied",
    "signer.added", "signer.removed", "signer.answered", "task.signed",
)  # fmt: skip

#: a cell that begins with one of these would be run as a formula by a spreadsheet
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def list_(work, *, search="", process=None, state=None, late=False, stuck=False, department=None, starter=None,
          sort="started", page=1, size=50) -> Page:  # fmt: skip
    """Cases that this person may see, newest first, each with its open step, owner and due moment."""
    where = _where(work, search, process, state, late, stuck, department, starter)
    order = _ORDER.get(sort, _ORDER["started"])
    rows = work.all(_LIST.where(*where).order_by(*order).limit(size).offset((page - 1) * size))
    total = work.execute(select(func.count()).select_from(instance).where(*where)).scalar()
    return Page(_with_steps(work, rows), total, page, size, counts(work))


def counts(work) -> dict[str, int]:
    """How many running cases this person sees, how many are late and how many are stuck."""
    seen = and_(instance.c.parent_id.is_(None), instance.c.state == "active", access.visible_instances(work))
    row = work.execute(
        select(
            func.count().label("active"),
            func.sum(case((_is_late(work), 1), else_=0)).label("late"),
            func.sum(case((_is_stuck(), 1), else_=0)).label("stuck"),
        ).where(seen)
    ).one()
    return {name: int(value or 0) for name, value in row._mapping.items()}


def one(work, instance_id: str):
    """The instance's row with its definition's name and version and its starter. Raises NotFound."""
    row = work.one(_ONE.where(instance.c.id == instance_id))
    if row is None or not access.may(work, "see", row, "instance"):
        raise NotFound("There is no such case.")
    return row


def by_number(work, number: str):
    """A case by the number that people say. Raises NotFound."""
    found = work.execute(select(instance.c.id).where(instance.c.number == number)).scalar()
    if found is None:
        raise NotFound("There is no such case.")
    return one(work, found)


def timeline(work, root_id: str) -> list:
    """What people did in a case and with what opinion and reason, oldest first, with their names."""
    doer, other = person.alias("doer"), person.alias("other")
    return work.all(
        select(
            event, doer.c.name.label("actor_name"), other.c.name.label("for_name"), task.c.name.label("task_name")
        )
        .outerjoin(doer, doer.c.id == event.c.actor_id)
        .outerjoin(other, other.c.id == event.c.for_id)
        .outerjoin(task, task.c.id == event.c.task_id)
        .where(event.c.root_id == root_id, event.c.type.in_(TOLD))
        .order_by(event.c.at, event.c.stream, event.c.seq)
    )


def open_steps(work, root_id: str) -> list:
    """Tasks of a case that wait for people now, with who holds them."""
    return work.all(
        select(task, person.c.name.label("assignee_name"))
        .outerjoin(person, person.c.id == task.c.assignee_id)
        .where(task.c.root_id == root_id, task.c.state.in_(LIVE))
        .order_by(task.c.created_at)
    )


def family(work, root_id: str) -> list:
    """All instances of a case: itself and what it called, in the order in which they started."""
    return work.all(_ONE.where(instance.c.root_id == root_id).order_by(instance.c.started_at, instance.c.id))


def diagram(work, instance_id: str) -> dict[str, Any]:
    """What to paint on the model: {"tokens": element -> n, "done": element -> n, "flows": [ids], "incidents": {…}}."""
    one(work, instance_id)
    done: dict[str, int] = {}
    flows: list[str] = []
    for row in work.all(
        select(event.c.type, event.c.element_id, event.c.data)
        .where(event.c.stream == instance_id, event.c.type.in_(("element.completed", "flow.taken")))
        .order_by(event.c.seq)
    ):
        if row["type"] == "flow.taken":
            flows.append(row["data"].get("flow") or row["element_id"])
        elif row["element_id"]:
            done[row["element_id"]] = done.get(row["element_id"], 0) + 1
    tokens: dict[str, int] = {}
    for wait in runtime.load(work, instance_id).execution.waits.values():
        tokens[wait.element_id] = tokens.get(wait.element_id, 0) + 1
    return {
        "tokens": tokens, "done": done, "flows": list(dict.fromkeys(flows)),
        "incidents": {row["element_id"]: row["message"] for row in incidents(work, instance_id=instance_id)},
    }  # fmt: skip


def standing(work, definition_id: str) -> dict[str, int]:
    """element -> how many running cases of this version stand there now, each once however many tokens it has there."""
    rows = work.execute(
        select(token.c.element_id, func.count(token.c.instance_id.distinct()))
        .join(instance, instance.c.id == token.c.instance_id)
        .where(instance.c.definition_id == definition_id, instance.c.state.in_(("active", "suspended")))
        .where(token.c.state != "ready")
        .group_by(token.c.element_id)
    )
    return {element_id: count for element_id, count in rows}


def called(work, instance_id: str) -> dict[str, str]:
    """call activity -> the id of the instance that it called last."""
    child = instance.alias("child")
    rows = work.execute(
        select(event.c.element_id, child.c.id)
        .join(child, (child.c.parent_id == event.c.stream) & (child.c.parent_token == event.c.token))
        .where(event.c.stream == instance_id, event.c.type == "element.activated")
        .order_by(child.c.started_at, child.c.id)
    )
    return {element_id: child_id for element_id, child_id in rows}


def variables(work, instance_id: str) -> list[dict[str, Any]]:
    """Variables of every scope, each masked for those without clearance; reading a classified one is logged.

    Rows: {"scope", "element_id", "name", "value", "classification", "masked"}.
    """
    row = one(work, instance_id)
    classes = forms.classes(work, row["root_id"])
    state = runtime.load(work, instance_id).execution.state()
    found = []
    for scope in sorted(state.scopes, key=lambda s: s.id):
        for name, value in sorted(scope.variables.items()):
            kind = classes.get(name, "internal")
            masked = not access.cleared(work.actor, kind)
            found.append({
                "scope": scope.id, "element_id": scope.element_id, "name": name, "masked": masked,
                "value": None if masked else value, "classification": kind,
            })  # fmt: skip
    _log_reads(work, row, found)
    return found


def corrections(work, instance_id: str) -> list[dict[str, Any]]:
    """What was corrected by hand, oldest first: {"at", "by", "reason", "name", "old", "new", "masked"}.

    Of a classified variable the log keeps that it was corrected, not what it was: both are masked for everybody.
    """
    classes = forms.classes(work, one(work, instance_id)["root_id"])
    rows = work.all(
        select(event.c.at, event.c.reason, event.c.data, person.c.name.label("by"))
        .outerjoin(person, person.c.id == event.c.actor_id)
        .where(event.c.stream == instance_id, event.c.type == "variables.corrected")
        .order_by(event.c.seq)
    )
    return [
        {"at": row["at"], "by": row["by"], "reason": row["reason"], "name": name, "old": row["data"]["old"].get(name),
         "new": new, "masked": new == forms.HIDDEN or not access.cleared(work.actor, classes.get(name))}
        for row in rows for name, new in row["data"]["new"].items()
    ]  # fmt: skip


def documents(work, root_id: str) -> list:
    return work.all(
        select(document, person.c.name.label("by_name"))
        .outerjoin(person, person.c.id == document.c.by_id)
        .where(document.c.root_id == root_id, document.c.removed_at.is_(None))
        .order_by(document.c.at)
    )


def comments(work, root_id: str) -> list:
    return work.all(
        select(comment, person.c.name.label("by_name"))
        .outerjoin(person, person.c.id == comment.c.by_id)
        .where(comment.c.root_id == root_id)
        .order_by(comment.c.at)
    )


def jobs_of(work, root_id: str) -> list:
    """What is due when in a case, for those who run the platform."""
    return work.all(
        select(job)
        .join(instance, instance.c.id == job.c.instance_id)
        .where(instance.c.root_id == root_id)
        .order_by(job.c.due_at)
        .limit(200)
    )


def incidents(work, *, instance_id=None, root_id=None, state="open", limit=200) -> list:
    """Incidents of cases that this person may see, newest first."""
    statement = (
        select(incident, instance.c.number, instance.c.title, instance.c.process_key)
        .join(instance, instance.c.id == incident.c.instance_id)
        .where(access.visible_instances(work))
        .order_by(incident.c.created_at.desc())
        .limit(limit)
    )
    if state:
        statement = statement.where(incident.c.state == state)
    if instance_id:
        statement = statement.where(incident.c.instance_id == instance_id)
    if root_id:
        statement = statement.where(incident.c.root_id == root_id)
    return work.all(statement)


def csv_rows(work, **filters) -> Iterator[str]:
    """The filtered list as CSV text, line by line; formulas are made harmless."""
    head = ("number", "title", "process", "version", "state", "outcome", "starter", "started", "due", "step", "owner",
            "late", "stuck")  # fmt: skip
    yield _line(head)
    page = 1
    while True:
        found = list_(work, page=page, size=500, **filters)
        for row in found.rows:
            yield _line(_cells(row))
        if page >= found.pages:
            return
        page += 1


_LIST = (
    select(
        instance,
        definition.c.name.label("definition_name"),
        definition.c.version.label("definition_version"),
        person.c.name.label("starter_name"),
    )
    .join(definition, definition.c.id == instance.c.definition_id)
    .outerjoin(person, person.c.id == instance.c.started_by)
)
_ONE = _LIST
_ORDER = {
    "started": (instance.c.started_at.desc(), instance.c.id.desc()),
    "number": (instance.c.number,),
    "title": (instance.c.title, instance.c.id),
    "state": (instance.c.state, instance.c.started_at.desc()),
}


def _where(work, search, process, state, late, stuck, department, starter) -> list:
    where = [instance.c.parent_id.is_(None), access.visible_instances(work)]
    exact = {"process_key": process, "state": state, "starter_department": department, "started_by": starter}
    where += [instance.c[name] == value for name, value in exact.items() if value]
    if late:
        where.append(_is_late(work))
    if stuck:
        where.append(_is_stuck())
    if search.strip():
        like = f"%{search.strip()}%"
        where.append(or_(instance.c.title.ilike(like), instance.c.number.ilike(like)))
    return where


def _is_late(work):
    return exists().where(task.c.root_id == instance.c.id, task.c.state.in_(LIVE), task.c.due_at < work.now)


def _is_stuck():
    """A case is stuck when an incident is open in it or nobody can be found for one of its tasks."""
    return exists().where(incident.c.root_id == instance.c.id, incident.c.state == "open")


def _with_steps(work, rows) -> list[dict[str, Any]]:
    """The rows with what waits in each: one more query for the whole page."""
    ids = [row["id"] for row in rows]
    steps: dict[str, list] = {}
    for row in work.all(
        select(task.c.root_id, task.c.id, task.c.name, task.c.due_at, task.c.assignee_id, person.c.name.label("owner"))
        .outerjoin(person, person.c.id == task.c.assignee_id)
        .where(task.c.root_id.in_(ids), task.c.state.in_(LIVE))
        .order_by(task.c.due_at)
    ):
        steps.setdefault(row["root_id"], []).append(row)
    broken = set(
        work.execute(
            select(incident.c.root_id).where(incident.c.root_id.in_(ids), incident.c.state == "open")
        ).scalars()
    )
    return [_with_step(work, row, steps.get(row["id"], []), row["id"] in broken) for row in rows]


def _with_step(work, row, steps: list, stuck: bool) -> dict[str, Any]:
    due = steps[0]["due_at"] if steps else None
    late = due is not None and due < work.now
    return {**row, "steps": steps, "due_at": due, "late": late, "stuck": stuck}


def _cells(row) -> tuple:
    steps = row["steps"]
    moment = [value.isoformat(timespec="minutes") if value else "" for value in (row["started_at"], row["due_at"])]
    return (
        row["number"], row["title"], row["definition_name"], row["definition_version"], row["state"],
        row["outcome"] or "", row["starter_name"] or "", *moment, "; ".join(s["name"] for s in steps),
        "; ".join(s["owner"] or "" for s in steps), "yes" if row["late"] else "", "yes" if row["stuck"] else "",
    )  # fmt: skip


def _line(cells) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([harmless(cell) for cell in cells])
    return out.getvalue()


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _log_reads(work, row, found: list[dict[str, Any]]) -> None:
    """Clause 2.3.3: every read of a classified value leaves a record (in a Work that writes)."""
    read = sorted({f["name"] for f in found if not f["masked"] and f["classification"] in ("confidential", "secret")})
    if read and work.writes:
        work.record("field.read", instance_id=row["id"], root_id=row["root_id"], data={"fields": read})


def name_of(work, person_id: str | None) -> str:
    """A person's name for a sentence; the platform itself has one too."""
    found = people.get(work, person_id) if person_id else None
    return found["name"] if found else ""


def model_xml(work, instance_id: str) -> bytes:
    """The model in the version that the case runs on."""
    return repository.xml(work, one(work, instance_id)["definition_id"])
