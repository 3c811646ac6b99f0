"""What is due when.

A job is a row: a timer of a model, a call of a service, a message to deliver, a time limit of a task,
a mail. Any number of workers claim due rows with a lease, each claim raising the row's fence; whoever
comes back after his lease ran out finds another fence and is refused. A job that fails is tried again
with growing pauses and becomes an incident at the end. This room never runs a job: `worker` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from engine import access
from engine.errors import Conflict, NotFound
from engine.hot import Hot
from engine.schema import job

LEASE = timedelta(minutes=2)
#: how long a job rests that met a Conflict
CONFLICT_PAUSE = timedelta(seconds=5)
#: pauses before the second, third, … attempt
BACK_OFF = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))


@dataclass(frozen=True)
class Job:
    """A claimed job, as its worker holds it."""

    id: str
    kind: str
    due_at: datetime
    instance_id: str | None
    token: int | None
    task_id: str | None
    definition_id: str | None
    element_id: str | None
    payload: dict[str, Any]
    attempts: int
    max_attempts: int
    #: number of the claim; every write of the worker names it
    fence: int


_FIELDS = ("kind", "due_at", "instance_id", "token", "task_id", "definition_id", "element_id")
_INSERT = Hot(insert(job))


def row(work, kind: str, due_at: datetime, **more) -> dict[str, Any]:
    """The row of a new job, for those who insert many at once with `schedule_all`."""
    return {
        "id": work.new_id(), "kind": kind, "due_at": due_at, "state": "open", "created_at": work.now,
        "instance_id": None, "token": None, "task_id": None, "definition_id": None, "element_id": None,
        "payload": {}, "attempts": 0, "max_attempts": 5, "fence": 0, **more,
    }  # fmt: skip


def schedule(work, kind: str, due_at: datetime, **more) -> str:
    """A job of `kind` at `due_at`; returns its id. `more` are columns of the row."""
    new = row(work, kind, due_at, **more)
    schedule_all(work, [new])
    return new["id"]


def schedule_all(work, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    _INSERT(work, rows)
    first = min(r["due_at"] for r in rows)
    work.after_commit(lambda: work.platform.wake(first))


def postpone(work, instance_id: str, token: int, kind: str, due_at: datetime, **more) -> bool:
    """Move an instance's open (or, while it rests, held) job to another moment; False when there is none."""
    moved = work.execute(
        update(job)
        .where(job.c.instance_id == instance_id, job.c.token == token, job.c.kind == kind)
        .where(job.c.state.in_(("open", "held")))
        .values(due_at=due_at, attempts=0, lease_until=None, fence=job.c.fence + 1, **more)
    )
    if moved.rowcount:
        work.after_commit(lambda: work.platform.wake(due_at))
    return moved.rowcount > 0


def move_limits(work, task_id: str, moments: dict[str, datetime]) -> None:
    """Move a task's open time limit to the new moment of what it is to do: act -> moment."""
    for waiting in work.all(select(job).where(job.c.task_id == task_id, job.c.kind == "sla", job.c.state == "open")):
        due_at = moments[waiting["payload"]["act"]]
        work.execute(update(job).where(job.c.id == waiting["id"]).values(due_at=due_at, fence=job.c.fence + 1))
        work.after_commit(lambda moment=due_at: work.platform.wake(moment))


def cancel(work, instance_id: str, tokens: list[int]) -> None:
    """What no longer waits is no longer due."""
    work.execute(_CANCEL, [{"of": instance_id, "on": token} for token in tokens])


_CANCEL = (
    update(job)
    .where(job.c.instance_id == bindparam("of"), job.c.token == bindparam("on"), job.c.state.in_(("open", "held")))
    .values(state="cancelled")
)


def claim_due(platform, actor, worker: str, limit: int = 20) -> list[Job]:
    """Up to `limit` due jobs, each leased to `worker`; another worker passes over them until the lease ends."""
    with platform.work(actor) as work:
        free = or_(job.c.lease_until.is_(None), job.c.lease_until < work.now)
        due = work.all(
            select(job)
            .where(job.c.state == "open", job.c.due_at <= work.now, free)
            .order_by(job.c.due_at, job.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [claimed for row in due if (claimed := _claim(work, row, worker))]


def _claim(work, row, worker: str) -> Job | None:
    taken = work.execute(
        update(job)
        .where(job.c.id == row["id"], job.c.fence == row["fence"], job.c.state == "open")
        .values(fence=row["fence"] + 1, lease_until=work.now + LEASE, worker=worker, attempts=row["attempts"] + 1)
    )
    if taken.rowcount != 1:
        return None
    return Job(
        id=row["id"], payload=row["payload"], attempts=row["attempts"] + 1, fence=row["fence"] + 1,
        max_attempts=row["max_attempts"], **{name: row[name] for name in _FIELDS},
    )  # fmt: skip


def held(work, instance_id: str, token: int, kind: str) -> bool:
    """Whether a job of this kind rests for a token of a suspended instance."""
    of = (job.c.instance_id == instance_id, job.c.token == token, job.c.kind == kind, job.c.state == "held")
    return work.execute(select(job.c.id).where(*of).limit(1)).first() is not None


def done(work, claimed: Job) -> None:
    """Mark it done in the Work that does what it asks. Raises Conflict when it is no longer this worker's."""
    ended = work.execute(
        update(job)
        .where(job.c.id == claimed.id, job.c.fence == claimed.fence, job.c.state == "open")
        .values(state="done", done_at=work.now, lease_until=None, error=None)
    )
    if ended.rowcount != 1:
        raise Conflict("This job was taken over by another worker.")


def failed(work, claimed: Job, why: str, *, for_good: bool = False) -> bool:
    """Keep why it failed. True: it will be tried again; False: that was the last attempt."""
    again = claimed.attempts < claimed.max_attempts and not for_good
    pause = BACK_OFF[min(claimed.attempts, len(BACK_OFF)) - 1]
    values: dict[str, Any] = {"error": why[:2000], "lease_until": None}
    values |= {"due_at": work.now + pause} if again else {"state": "failed"}
    work.execute(
        update(job)
        .where(job.c.id == claimed.id, job.c.fence == claimed.fence, job.c.state == "open")
        .values(**values)
    )
    return again


def give_back(work, claimed: Job, pause: timedelta = CONFLICT_PAUSE) -> None:
    """Let go of a job that met a Conflict, so that a later beat looks at it again; not this one, in a circle."""
    work.execute(
        update(job)
        .where(job.c.id == claimed.id, job.c.fence == claimed.fence, job.c.state == "open")
        .values(lease_until=work.now + pause if pause else None, attempts=job.c.attempts - 1)
    )


def retry(work, job_id: str) -> None:
    """Open a failed job again with fresh attempts. Raises NotFound."""
    opened = work.execute(
        update(job)
        .where(job.c.id == job_id, job.c.state == "failed")
        .values(state="open", attempts=0, due_at=work.now, lease_until=None, fence=job.c.fence + 1)
    )
    if opened.rowcount != 1:
        raise NotFound("There is no failed job of that name.")
    work.after_commit(lambda: work.platform.wake(work.now))


def open_again(work, job_id: str) -> None:
    """The same, by a person who runs the platform. Raises NotAllowed and NotFound."""
    access.require(work, "retry", "job", None)
    retry(work, job_id)
    work.record("job.retried", data={"job": job_id})


def next_due(work) -> datetime | None:
    """The moment at which something is due next; None when nothing is."""
    free = or_(job.c.lease_until.is_(None), job.c.lease_until < work.now)
    return work.execute(select(func.min(job.c.due_at)).where(job.c.state == "open", free)).scalar()


def of_instance(work, instance_id: str) -> list:
    """An instance's jobs, for its page."""
    return work.all(select(job).where(job.c.instance_id == instance_id).order_by(job.c.due_at))


def waiting(work) -> dict[str, int]:
    """How many jobs are open, overdue and failed, for metrics and readiness."""
    overdue = select(func.count()).where(job.c.state == "open", job.c.due_at < work.now).scalar_subquery()
    opened = select(func.count()).where(job.c.state == "open").scalar_subquery()
    broken = select(func.count()).where(job.c.state == "failed").scalar_subquery()
    found = work.execute(select(opened.label("open"), overdue.label("overdue"), broken.label("failed"))).one()
    return dict(found._mapping)


def troubled(work, limit: int = 100) -> list:
    """Jobs that were given up or are overdue, the oldest first, for those who run the platform."""
    late = and_(job.c.state == "open", job.c.due_at < work.now)
    return work.all(select(job).where(or_(job.c.state == "failed", late)).order_by(job.c.due_at).limit(limit))


def cancel_starts(work, definition_ids: list[str]) -> None:
    """Timer start events of replaced versions start nothing any more."""
    if definition_ids:
        work.execute(
            update(job)
            .where(job.c.kind == "start", job.c.definition_id.in_(definition_ids), job.c.state == "open")
            .values(state="cancelled")
        )
