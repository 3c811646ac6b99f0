"""One verb on many cases: chosen once, done by the worker, told case by case.

`begin` writes down the verb, the reason and the chosen cases; a job of the worker does them in portions, each
case in a transaction of its own together with the mark that it was done, so that a crash repeats and loses
nothing and one refusal undoes none of the others. Every verb asks `access` in the name of who began it, with
the rights that she has at that moment. `stop` lets the rest be, `go_on` takes it up again, the refused ones too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import and_, func, insert, select, update

from engine import access, jobs, people, runtime, tasks
from engine.errors import Conflict, Invalid, NotFound, Problem, Refused
from engine.schema import batch, batch_item, definition, instance, person

log = structlog.get_logger("bizday.batches")

#: verb(work, instance id, reason, definition id, mapping)
VERBS: dict[str, Callable] = {
    "suspend": lambda work, one, reason, to, mapping: runtime.suspend(work, one, reason),
    "resume": lambda work, one, reason, to, mapping: runtime.resume(work, one, reason),
    "cancel": lambda work, one, reason, to, mapping: runtime.cancel(work, one, reason),
    "migrate": lambda work, one, reason, to, mapping: runtime.migrate(work, one, to or "", reason, mapping or {}),
}
#: what `access` calls the verb
_RIGHT = {"migrate": "repair"}
#: in which states cases are that a verb on a whole version means
_STATES = {"suspend": ("active",), "resume": ("suspended",)}
LIVE = ("active", "suspended")
#: a portion ends after so many cases or so much time, that other jobs have their turn
PORTION = 100
SECONDS = 20.0
#: how often a case is tried that somebody else is changing at the same moment
TRIES = 3


# --- choosing -----------------------------------------------------------------------------------
def chosen(work, verb: str, *, definition_id: str | None = None, process_key: str | None = None) -> list[str]:
    """Ids of the cases that `verb` would be done on, of one version or of every version, as far as seen.

    A called instance rests and goes on with the case that it belongs to; it is ended and moved by itself.
    """
    where = _of(verb, definition_id, process_key)
    id = instance.c.root_id if verb in ("suspend", "resume") else instance.c.id
    return list(work.execute(select(id).where(*where, access.visible_instances(work)).distinct().order_by(id)).scalars())


def _of(verb: str, definition_id: str | None, process_key: str | None) -> list:
    of = instance.c.definition_id == definition_id if definition_id else instance.c.process_key == process_key
    return [of, instance.c.state.in_(_STATES.get(verb, LIVE))]


def how_many(work, **of) -> dict[str, int]:
    """verb -> on how many cases it would be done now."""
    return {verb: len(chosen(work, verb, **of)) for verb in VERBS}


# --- the verbs ----------------------------------------------------------------------------------
def begin(work, verb: str, instance_ids: list[str], reason: str, *, definition_id: str | None = None,
          mapping: dict[str, str] | None = None) -> str:  # fmt: skip
    """Have `verb` done on each of the cases. Returns the batch's id.

    Raises NotAllowed, and Invalid without a reason, without a case, or for a verb that is none of `VERBS`.
    """
    if verb not in VERBS:
        raise Invalid("Choose what is to be done with the cases.")
    access.require(work, _RIGHT.get(verb, verb), "instance", None)
    tasks.need_reason(reason)
    ids = list(dict.fromkeys(instance_ids))
    if not ids:
        raise Invalid("There is no case to which this could be done.")
    new = {
        "id": work.new_id(), "verb": verb, "reason": reason, "definition_id": definition_id, "mapping": mapping or {},
        "by_id": None if work.actor.kind == "system" else work.actor.id, "for_id": work.actor.for_id,
        "total": len(ids), "state": "running", "created_at": work.now,
    }  # fmt: skip
    work.execute(insert(batch), new)
    work.execute(insert(batch_item), [
        {"batch_id": new["id"], "position": n, "instance_id": one, "state": "waiting"} for n, one in enumerate(ids)
    ])  # fmt: skip
    _say(work, "batch.begun", new, reason, {"count": len(ids), "definition": definition_id, "mapping": mapping or {}})
    _have_done(work, new["id"])
    return new["id"]


def stop(work, batch_id: str, reason: str) -> None:
    """Leave the cases alone that were not yet come to. Raises Conflict when nothing is left."""
    row = _mine(work, batch_id, reason)
    if row["state"] != "running":
        raise Conflict("Nothing is being done there any more.")
    _end(work, row, "stopped")
    _say(work, "batch.stopped", row, reason)


def go_on(work, batch_id: str, reason: str) -> None:
    """Take up what was stopped, and try again what was refused. Raises Conflict when nothing is left to do."""
    row = _mine(work, batch_id, reason)
    again = work.execute(
        update(batch_item)
        .where(batch_item.c.batch_id == batch_id, batch_item.c.state == "refused")
        .values(state="waiting", why=None, params=None, problems=None)
    ).rowcount
    if row["state"] == "running":
        raise Conflict("It is still being done.")
    if not again and not _left(work, batch_id):
        raise Conflict("Everything there is done.")
    work.execute(update(batch).where(batch.c.id == batch_id).values(state="running", ended_at=None))
    _say(work, "batch.resumed", row, reason)
    _have_done(work, batch_id)


def _mine(work, batch_id: str, reason: str):
    row = one(work, batch_id)
    access.require(work, _RIGHT.get(row["verb"], row["verb"]), "instance", None)
    tasks.need_reason(reason)
    return row


def _have_done(work, batch_id: str) -> None:
    jobs.schedule(work, "batch", work.now, payload={"batch": batch_id})


def _say(work, event: str, row, reason: str | None, more: dict[str, Any] | None = None) -> None:
    work.record(event, reason=reason, data={"batch": row["id"], "verb": row["verb"], **(more or {})})


# --- what the worker does -------------------------------------------------------------------------
def do(platform, claimed: jobs.Job) -> None:
    """One portion; a new job follows as long as something is left."""
    batch_id = claimed.payload["batch"]
    portion(platform, batch_id)
    with platform.work(people.SYSTEM) as work:
        jobs.done(work, claimed)
        if close(work, batch_id):
            _have_done(work, batch_id)


def close(work, batch_id: str) -> bool:
    """True when there is more to do; writes down that it has ended when there is nothing left."""
    row = work.one(select(batch).where(batch.c.id == batch_id))
    if row is None or row["state"] != "running":
        return False
    if _left(work, batch_id):
        return True
    _end(work, row, "done")
    _say(work, "batch.ended", row, row["reason"], counts(work, [batch_id])[batch_id])
    return False


def portion(platform, batch_id: str) -> bool:
    """Do the next cases of a batch, as many as may be done at a time; False when none is left."""
    until = time.monotonic() + SECONDS
    for _ in range(PORTION):
        if not _next(platform, batch_id):
            return False
        if time.monotonic() > until:
            break
    return True


def _next(platform, batch_id: str) -> bool:
    """The next case of a batch; False when there is none, or when it was stopped."""
    with platform.read(people.SYSTEM) as work:
        row = work.one(select(batch).where(batch.c.id == batch_id))
        item = work.one(
            select(batch_item)
            .where(batch_item.c.batch_id == batch_id, batch_item.c.state == "waiting")
            .order_by(batch_item.c.position)
            .limit(1)
        )
    if row is None or item is None or row["state"] != "running":
        return False
    for attempt in range(1, TRIES + 1):
        try:
            _one(platform, row, item)
            return True
        except Conflict as busy:
            if attempt == TRIES or isinstance(busy, runtime.Stuck):
                _refused(platform, item, busy)
                return True
        except Refused as why:
            _refused(platform, item, why)
            return True
        except Exception as error:  # one broken case must not hold up the others; the log keeps what it was
            log.warning("case of a batch failed", batch=batch_id, instance=item["instance_id"], error=repr(error))
            _refused(platform, item, Conflict("The platform could not do it; its own log says why."))
            return True
    return True


def _one(platform, row, item) -> None:
    with platform.read(people.SYSTEM) as work:
        actor = people.actor(work, row["by_id"], acting_for=row["for_id"]) if row["by_id"] else people.SYSTEM
    with platform.work(actor, reason=row["reason"]) as work:
        if _mark(work, item, state="done"):
            VERBS[row["verb"]](work, item["instance_id"], row["reason"], row["definition_id"], row["mapping"])


def _refused(platform, item, why: Refused) -> None:
    with platform.work(people.SYSTEM) as work:
        params = {name: str(value) for name, value in why.params.items()}
        said = [{"where": p.where, "rule": p.rule, "sentence": p.sentence, "params": dict(p.params)} for p in why.problems]
        _mark(work, item, state="refused", why=why.message, params=params, problems=said)


def _mark(work, item, **values) -> bool:
    """True for the one worker that comes first."""
    this = and_(batch_item.c.batch_id == item["batch_id"], batch_item.c.position == item["position"])
    marked = work.execute(update(batch_item).where(this, batch_item.c.state == "waiting").values(at=work.now, **values))
    return marked.rowcount == 1


def _left(work, batch_id: str) -> int:
    return counts(work, [batch_id])[batch_id]["waiting"]


def _end(work, row, state: str) -> None:
    work.execute(update(batch).where(batch.c.id == row["id"]).values(state=state, ended_at=work.now))


# --- as people read them --------------------------------------------------------------------------
_LIST = select(batch, person.c.name.label("by_name"), definition.c.version.label("to_version")).outerjoin(
    person, person.c.id == batch.c.by_id
).outerjoin(definition, definition.c.id == batch.c.definition_id)  # fmt: skip


def list_(work, limit: int = 100) -> list[dict[str, Any]]:
    """The newest batches, each with how many cases are done, refused and waiting. Raises NotAllowed."""
    _may_look(work)
    rows = work.all(_LIST.order_by(batch.c.created_at.desc(), batch.c.id.desc()).limit(limit))
    found = counts(work, [row["id"] for row in rows])
    return [{**row, **found[row["id"]]} for row in rows]


def one(work, batch_id: str) -> dict[str, Any]:
    """One of them. Raises NotAllowed and NotFound."""
    _may_look(work)
    row = work.one(_LIST.where(batch.c.id == batch_id))
    if row is None:
        raise NotFound("There is no such batch.")
    return {**row, **counts(work, [batch_id])[batch_id]}


def items(work, batch_id: str, state: str, limit: int = 200, after: int = -1) -> list[dict[str, Any]]:
    """Cases of a batch in one state (waiting, done, refused), in order, each with `why` as a Conflict or None.

    Numbers and titles of cases that this person may not see are None.
    """
    one(work, batch_id)
    seen = and_(instance.c.id == batch_item.c.instance_id, access.visible_instances(work))
    rows = work.all(
        select(batch_item, instance.c.number, instance.c.title)
        .outerjoin(instance, seen)
        .where(batch_item.c.batch_id == batch_id, batch_item.c.state == state, batch_item.c.position > after)
        .order_by(batch_item.c.position)
        .limit(limit)
    )
    return [{**row, "why": _why(row)} for row in rows]


def _why(row) -> Conflict | None:
    if row["why"] is None:
        return None
    problems = [Problem(p["where"], p["rule"], p["sentence"], params=tuple(p["params"].items())) for p in row["problems"]]
    return Conflict(row["why"], problems, **row["params"])


def counts(work, batch_ids: list[str]) -> dict[str, dict[str, int]]:
    """id -> {"waiting", "done", "refused"}."""
    found = {one: {"waiting": 0, "done": 0, "refused": 0} for one in batch_ids}
    for batch_id, state, count in work.execute(
        select(batch_item.c.batch_id, batch_item.c.state, func.count())
        .where(batch_item.c.batch_id.in_(batch_ids))
        .group_by(batch_item.c.batch_id, batch_item.c.state)
    ):
        found[batch_id][state] = count
    return found


def _may_look(work) -> None:
    if not any(access.may(work, _RIGHT.get(verb, verb), None, "instance") for verb in VERBS):
        access.require(work, "suspend", "instance", None)
