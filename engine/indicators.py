"""The measures of chapter 7, computed from what was measured.

`facts` counts what happened in a period: in the log, in tasks, jobs and incidents, for the whole company,
one department or one person. `measure` puts the facts into the FEEL formulas of policies/indicators.toml.
A measure without anything to measure is null and neither met nor missed. Nothing is estimated, nothing is
kept, and nothing is changed; the same period gives the same figures again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, exists, func, select

from engine import access, feel
from engine.errors import Invalid, Misconfigured
from engine.policies import Indicator
from engine.schema import event, incident, instance, job, person, task

#: what the platform does within this time was done when it was due
PUNCTUAL = timedelta(minutes=1)
#: the names that a formula of policies/indicators.toml may use
FACTS = frozenset(
    "jobs_done jobs_punctual jobs_failed tasks_closed tasks_in_time tasks_hours decisions approvals cases_started "
    "cases_ended cases_completed cases_withdrawn cases_sent_back cases_corrected incidents incidents_resolved "
    "incident_hours sign_ins sign_ins_refused accounts_locked".split()
)
#: answers that decide, and those of them that say yes
DECISIONS = ("approve", "reject", "return")
YES = "approve"


@dataclass(frozen=True)
class Scope:
    """Of whom and of when: `since` <= moment < `until`."""

    since: datetime
    until: datetime
    department: str | None = None
    person_id: str | None = None

    def during(self, column):
        return and_(column >= self.since, column < self.until)


@dataclass(frozen=True)
class Measure:
    """One indicator of one period."""

    indicator: Indicator
    #: None when there was nothing to measure
    value: float | None
    #: whether the target was reached; None when there was nothing to measure
    met: bool | None
    #: the facts that the formula read
    facts: dict[str, float]


def measure(work, since: datetime, until: datetime, *, department: str | None = None,
            person_id: str | None = None) -> list[Measure]:  # fmt: skip
    """Every indicator of policy, for `since` <= moment < `until` (aware). Raises NotAllowed and Invalid."""
    access.require(work, "report", "platform", None)
    known = facts(work, since, until, department=department, person_id=person_id)
    return [_measure(work, one, known) for one in work.policies.indicators.values()]


def facts(work, since: datetime, until: datetime, *, department: str | None = None,
          person_id: str | None = None) -> dict[str, float]:  # fmt: skip
    """What was counted in a period; with `department` or `person_id` only what they did or started."""
    if until <= since:
        raise Invalid("The period must end after it begins.")
    scope = Scope(since, until, department, person_id)
    found: dict[str, float] = {}
    for count in (_jobs, _tasks, _decisions, _cases, _incidents, _sign_ins):
        found |= count(work, scope)
    return found


def _measure(work, one: Indicator, known: dict[str, float]) -> Measure:
    read = {name: known[name] for name in one.facts if name in known}
    said = feel.to_json(feel.compile(one.formula).evaluate(dict(known), now=work.now))
    if isinstance(said, bool) or not isinstance(said, int | float):
        return Measure(one, None, None, read)
    met = said >= one.target if one.better == "higher" else said <= one.target
    return Measure(one, float(said), met, read)


# --- what is counted ----------------------------------------------------------------------------
def _jobs(work, scope: Scope) -> dict[str, float]:
    """What the platform had to do; it belongs to nobody, so a department has none."""
    if scope.department or scope.person_id:
        return {"jobs_done": 0, "jobs_punctual": 0, "jobs_failed": 0}
    done = work.execute(
        select(job.c.due_at, job.c.done_at).where(job.c.state == "done", scope.during(job.c.done_at))
    ).all()
    failed = select(func.count()).where(job.c.state == "failed", scope.during(job.c.due_at))
    punctual = sum(1 for due_at, done_at in done if done_at - due_at <= PUNCTUAL)
    return {"jobs_done": len(done), "jobs_punctual": punctual, "jobs_failed": work.execute(failed).scalar()}


def _tasks(work, scope: Scope) -> dict[str, float]:
    """Tasks that were done, in time or late, and the working hours they took."""
    rows = work.execute(
        select(task.c.created_at, task.c.closed_at, task.c.due_at).where(
            task.c.state == "completed", scope.during(task.c.closed_at), _by(scope, task.c.closed_by)
        )
    ).all()
    spent = sum((work.calendar.between(row.created_at, row.closed_at) for row in rows), timedelta(0))
    return {
        "tasks_closed": len(rows),
        "tasks_in_time": sum(1 for row in rows if row.due_at is None or row.closed_at <= row.due_at),
        "tasks_hours": _hours(spent),
    }


def _decisions(work, scope: Scope) -> dict[str, float]:
    said = and_(task.c.state == "completed", task.c.outcome.in_(DECISIONS), scope.during(task.c.closed_at))
    yes = func.sum(case((task.c.outcome == YES, 1), else_=0))
    row = work.execute(select(func.count(), yes).where(said, _by(scope, task.c.closed_by))).one()
    return {"decisions": row[0], "approvals": int(row[1] or 0)}


def _cases(work, scope: Scope) -> dict[str, float]:
    whole = and_(instance.c.parent_id.is_(None), _started_by(scope))
    begun = and_(whole, scope.during(instance.c.started_at))
    ended = and_(whole, scope.during(instance.c.ended_at))
    return {
        "cases_started": _count(work, begun),
        "cases_ended": _count(work, ended),
        "cases_completed": _count(work, ended, instance.c.state == "completed"),
        "cases_withdrawn": _count(work, ended, instance.c.outcome == "withdrawn"),
        "cases_sent_back": _count(work, begun, _sent_back()),
        "cases_corrected": _count(work, begun, _corrected()),
    }


def _incidents(work, scope: Scope) -> dict[str, float]:
    of = select(incident.c.created_at, incident.c.resolved_at)
    of = of.join(instance, instance.c.id == incident.c.root_id)
    raised = work.execute(of.where(scope.during(incident.c.created_at), _started_by(scope))).all()
    resolved = work.execute(of.where(scope.during(incident.c.resolved_at), _started_by(scope))).all()
    spent = sum((work.calendar.between(row.created_at, row.resolved_at) for row in resolved), timedelta(0))
    return {"incidents": len(raised), "incidents_resolved": len(resolved), "incident_hours": _hours(spent)}


def _sign_ins(work, scope: Scope) -> dict[str, float]:
    """From the log; of a department or person only those that succeeded have a name."""
    types = {
        "person.signed-in": "sign_ins",
        "sign-in.failed": "sign_ins_refused",
        "person.locked": "accounts_locked",
    }
    rows = work.execute(
        select(event.c.type, func.count())
        .where(event.c.type.in_(types), scope.during(event.c.at), _by(scope, event.c.actor_id))
        .group_by(event.c.type)
    ).all()
    return dict.fromkeys(types.values(), 0) | {types[row[0]]: row[1] for row in rows}


# --- helpers ------------------------------------------------------------------------------------
def _by(scope: Scope, column):
    """Done by the person, or by somebody of the department."""
    if scope.person_id:
        return column == scope.person_id
    if scope.department:
        return column.in_(select(person.c.id).where(person.c.department_key == scope.department))
    return True


def _started_by(scope: Scope):
    if scope.person_id:
        return instance.c.started_by == scope.person_id
    return instance.c.starter_department == scope.department if scope.department else True


def _count(work, *where) -> int:
    return work.execute(select(func.count()).select_from(instance).where(*where)).scalar()


def _sent_back():
    """A task of the case was returned, or decided as a return."""
    return exists().where(task.c.root_id == instance.c.id, task.c.outcome == "return").correlate(instance)


def _corrected():
    """Data of the case was corrected by hand."""
    told = exists().where(event.c.root_id == instance.c.id, event.c.type == "variables.corrected")
    return told.correlate(instance)


def _hours(spent: timedelta) -> float:
    return round(spent.total_seconds() / 3600, 4)


def check(policies) -> None:
    """Raise Misconfigured for a formula over something that nobody counts."""
    for one in policies.indicators.values():
        for name in one.facts:
            if name not in FACTS:
                raise Misconfigured(
                    "indicators.toml, '%(key)s': nobody counts '%(fact)s'; known are %(known)s.",
                    key=one.key, fact=name, known=", ".join(sorted(FACTS)),
                )  # fmt: skip


def series(work, periods: list[tuple[datetime, datetime]], **scope: Any) -> list[list[Measure]]:
    """`measure` for each of several periods, for a line over time."""
    return [measure(work, since, until, **scope) for since, until in periods]
