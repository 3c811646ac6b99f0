"""The worklist and every verb that moves a person.

A task row is what waits for people: it appears when the engine waits for a user task and closes when
the engine no longer does. Here live claim, release, transfer (转办), delegate (委派) and hand back, drafts,
comments and urging (催办), the lists that people open in the morning, and the time limits: a reminder
before a task is due, the escalation at its end and the last act after it.
Signers who are added to an approval have tasks of their own (see `signers`). What moves the token, such
as completing or returning a task, lives in `runtime`. `MOVES` says from which state each verb leads where.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, insert, or_, select, update

from engine import access, forms, jobs, people
from engine.errors import Conflict, Invalid, NotFound, Refused
from engine.hot import Hot
from engine.schema import candidate, comment, copy, draft, event, instance, saved_filter, task

#: verb -> (states it may start from, state it leads to)
MOVES = {
    "claim": ({"open"}, "claimed"),
    "release": ({"claimed"}, "open"),
    "transfer": ({"open", "claimed"}, "claimed"),
    "delegate": ({"claimed"}, "claimed"),
    "hand_back": ({"claimed"}, "claimed"),
    "complete": ({"open", "claimed"}, "completed"),
    "return": ({"open", "claimed"}, "completed"),
    "urge": ({"open", "claimed"}, None),
    "add_signer": ({"claimed"}, None),
    "remove_signer": ({"claimed", "signing"}, None),
    "answer": ({"claimed"}, "completed"),
}
LIVE = ("open", "claimed")
VIEWS = ("mine", "group", "done", "started", "drafts", "all")
#: who urges again before this has passed is asked to wait
URGE_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Page:
    """One page of a list: its rows, how many there are in all, and the counts beside the other views."""

    rows: list
    total: int
    page: int
    size: int
    counts: dict[str, int]

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))


@dataclass(frozen=True)
class Verb:
    """What a person may do with a task now; when she may not, `why` says it in a sentence."""

    name: str
    allowed: bool
    why: Refused | None = None


# --- reading ----------------------------------------------------------------------------------
def get(work, task_id: str):
    """The task with its case's number and title, when this person may see it.

    Raises NotFound, and Conflict when she was asked to do it but another did.
    """
    row = find(work, task_id)
    if not access.may(work, "see", row, "task"):
        raise _unseen(work, row)
    return row


def find(work, task_id: str):
    """The task's row whoever asks; verbs ask `access` themselves. Raises NotFound."""
    row = _FIND(work, {"id": task_id}).one()
    if row is None:
        raise NotFound("There is no such task.")
    return row


_FIND = Hot(
    select(
        task,
        instance.c.number,
        instance.c.title,
        instance.c.started_by,
        instance.c.starter_department,
        instance.c.state.label("instance_state"),
    )
    .join(instance, instance.c.id == task.c.instance_id)
    .where(task.c.id == bindparam("id"))
)

SORTS = {
    "due": (task.c.due_at.is_(None), task.c.due_at, task.c.id),
    "created": (task.c.created_at.desc(), task.c.id.desc()),
    "priority": (task.c.priority.desc(), task.c.due_at, task.c.id),
    "name": (task.c.name, task.c.id),
    "closed": (task.c.closed_at.desc(), task.c.id.desc()),
}


def inbox(work, view="mine", *, search="", sort="due", process=None, late=None, page=1, size=50) -> Page:
    """One of VIEWS. `late` true keeps what is overdue. Rows carry the task, its case and who holds it."""
    if view not in VIEWS:
        raise Invalid("There is no list named '%(view)s'.", view=view)
    if view in ("started", "drafts"):
        return _cases_started(work, search, process, page, size) if view == "started" else _drafts(work, page, size)
    where = [_VIEW[view](work)]
    if process:
        where.append(task.c.process_key == process)
    if late:
        where.append(task.c.due_at < work.now)
    if search:
        where.append(_matching(search))
    order = SORTS["closed" if view == "done" and sort == "due" else sort if sort in SORTS else "due"]
    rows = work.all(_LIST.where(*where).order_by(*order).limit(size).offset((page - 1) * size))
    total = len(rows) if page == 1 and len(rows) < size else _count(work, where)
    return Page(rows, total, page, size, counts(work))


def counts(work) -> dict[str, int]:
    """How many wait for me, for my groups, how many drafts I have, and how many copies I have not read."""
    mine = select(func.count()).select_from(task).where(_mine(work)).scalar_subquery()
    group = select(func.count()).select_from(task).where(_group(work)).scalar_subquery()
    late = select(func.count()).select_from(task).where(_mine(work), task.c.due_at < work.now).scalar_subquery()
    drafts = select(func.count()).select_from(draft).where(draft.c.person_id == work.actor.id).scalar_subquery()
    unread = (copy.c.person_id == _me(work), copy.c.read_at.is_(None))
    copies = select(func.count()).select_from(copy).where(*unread).scalar_subquery()
    row = work.execute(
        select(
            mine.label("mine"), group.label("group"), late.label("late"), drafts.label("drafts"), copies.label("copies")
        )
    ).one()
    return dict(row._mapping)


def verbs(work, row) -> list[Verb]:
    """Every verb of MOVES for this person and task, each allowed or with the reason why not."""
    return [Verb(name, (why := refusal(work, name, row)) is None, why) for name in MOVES]


def refusal(work, verb: str, row) -> Refused | None:
    """Why this person may not do `verb` with the task now; None when she may."""
    states, _ = MOVES[verb]
    if verb == "claim" and row["state"] == "claimed":
        return Conflict("Task '%(task)s' is already claimed by %(person)s.", **_holder(work, row))
    if row["state"] not in states:
        return Conflict(_WRONG_STATE[row["state"]] if verb != "release" else NOT_CLAIMED, task=row["name"])
    if row["instance_state"] == "suspended":
        return Conflict(RESTS)
    if verb in ("complete", "return") and row["owner_id"] and work.actor.kind != "system":
        return Conflict("Task '%(task)s' was delegated to you: hand it back instead.", task=row["name"])
    if verb == "delegate" and row["owner_id"]:
        return Conflict("Task '%(task)s' is already delegated.", task=row["name"])
    if verb == "hand_back" and not row["owner_id"]:
        return Conflict("Task '%(task)s' was not delegated to you.", task=row["name"])
    return _unsigned(work, verb, row) or access.why_not(work, _ASKS.get(verb, verb), "task", row)


def _unsigned(work, verb: str, row) -> Refused | None:
    """What added signers change: theirs is to agree or not, and who asked them before her waits for them."""
    if row["added"]:
        return None if verb in ("answer", "transfer", "urge") else Conflict(ASKED_TO_SIGN, task=row["name"])
    if verb == "answer":
        return Conflict("Nobody was asked to sign by task '%(task)s'.", task=row["name"])
    if verb == "add_signer":
        return access.why_not_signed(work, row)
    asks = verb in ("complete", "return") and work.actor.kind != "system"
    if asks and access.is_approval(work, row) and _asked_before(work, row):
        return Conflict("Task '%(task)s' waits for the signers whom you asked; wait, or take them out.", task=row["name"])
    return None


def _asked_before(work, row) -> bool:
    pending = (task.c.parent_id == row["id"], task.c.added == "before", task.c.state.in_(access.PENDING))
    return work.execute(select(task.c.id).where(*pending).limit(1)).first() is not None


RESTS = "The case is suspended; it must be resumed first."
ASKED_TO_SIGN = "You were asked to sign '%(task)s': agree or disagree."
NOT_CLAIMED = "Task '%(task)s' is not claimed."
_WRONG_STATE = {
    "open": "Claim task '%(task)s' first.",
    "claimed": "Task '%(task)s' is already claimed.",
    "completed": "Task '%(task)s' is already done.",
    "cancelled": "Task '%(task)s' is no longer needed: the case has moved on.",
    "signing": "Task '%(task)s' is decided and waits for those who were asked to sign it.",
    "queued": "It is not your turn yet to sign '%(task)s'.",
}
#: what `access` calls a verb when that differs
_ASKS = {"hand_back": "release"}


def candidates(work, task_id: str) -> list:
    return work.all(select(candidate).where(candidate.c.task_id == task_id))


def opinions(work, root_id: str) -> list:
    """The decisions of a case so far: who, for whom, what and why, oldest first."""
    return work.all(
        select(event, task.c.name)
        .join(task, task.c.id == event.c.task_id)
        .where(event.c.root_id == root_id, event.c.type.in_(("task.completed", "task.returned", "signer.answered")))
        .order_by(event.c.at, event.c.seq)
    )


def next_for(work, instance_root: str | None = None) -> str | None:
    """The task to open next: mine, most urgent first, the same case before others."""
    return _NEXT(work, {"me": _me(work), "root": instance_root or ""}).scalar()


_NEXT = Hot(
    select(task.c.id)
    .where(task.c.assignee_id == bindparam("me"), or_(task.c.state == "open", task.c.state == "claimed"))
    .order_by(task.c.root_id != bindparam("root"), *SORTS["due"])
    .limit(1)
)


# --- verbs ------------------------------------------------------------------------------------
def claim(work, task_id: str):
    """Take an open task. Of two who claim at once one wins and the other is told by whom."""
    row = _for(work, "claim", task_id)
    change(work, row, state="claimed", assignee_id=_me(work), claimed_at=work.now)
    work.record("task.claimed", **place(row))
    return find(work, task_id)


def release(work, task_id: str):
    """Give a claimed task back to those who may claim it."""
    row = _for(work, "release", task_id)
    if not candidates(work, task_id):
        raise Conflict("Nobody else could claim '%(task)s'; transfer it instead.", task=row["name"])
    change(work, row, state="open", assignee_id=None, claimed_at=None)
    work.record("task.released", data={"old": row["assignee_id"]}, **place(row))
    return find(work, task_id)


def transfer(work, task_id: str, person_id: str, reason: str):
    """Hand the task over for good (转办); the new person must be one who may do it."""
    row = _for(work, "transfer", task_id)
    need_reason(reason)
    _fit(work, row, person_id)
    change(work, row, state="claimed", assignee_id=person_id, owner_id=None, claimed_at=work.now)
    work.record(
        "task.transferred", reason=reason, data={"old": row["assignee_id"], "new": person_id}, **place(row)
    )
    return find(work, task_id)


def delegate(work, task_id: str, person_id: str, reason: str):
    """Let somebody else work on it and get it back (委派): the owner stays the one who completes it."""
    row = _for(work, "delegate", task_id)
    need_reason(reason)
    _fit(work, row, person_id)
    change(work, row, assignee_id=person_id, owner_id=row["assignee_id"])
    work.record("task.delegated", reason=reason, data={"old": row["assignee_id"], "new": person_id}, **place(row))
    return find(work, task_id)


def hand_back(work, task_id: str, note: str = ""):
    """Return a delegated task to its owner, with what she entered as the draft."""
    row = _for(work, "hand_back", task_id)
    change(work, row, assignee_id=row["owner_id"], owner_id=None)
    said = forms.unclassified(work, row["root_id"], row["draft"] or {})
    work.record(
        "task.handed-back",
        reason=note or None,
        data={"old": row["assignee_id"], "new": row["owner_id"], "draft": said},
        **place(row),
    )
    return find(work, task_id)


def save_draft(work, task_id: str, answers: dict[str, Any]):
    """Keep a half-filled form; nothing is checked but that its fields are the form's."""
    row = get(work, task_id)
    if row["instance_state"] == "suspended":
        raise Conflict(RESTS)
    if row["state"] not in LIVE or row["assignee_id"] != _me(work):
        raise Conflict("Only who holds task '%(task)s' can save a draft of it.", task=row["name"])
    kept = forms.cut(forms.load(work, row["form_digest"]), answers) if row["form_digest"] else {}
    work.execute(update(task).where(task.c.id == task_id).values(draft=kept, draft_at=work.now))
    return work.now


def add_comment(work, instance_row, text: str, task_id: str | None = None) -> str:
    """Say something about a case to those who work on it."""
    access.require(work, "comment", "instance", instance_row)
    text = text.strip()
    if not text:
        raise Invalid("Write something before you send a comment.")
    if len(text) > 10_000:
        raise Invalid("A comment may have at most 10,000 characters.")
    new = {
        "id": work.new_id(), "instance_id": instance_row["id"], "root_id": instance_row["root_id"],
        "task_id": task_id, "by_id": work.actor.id, "at": work.now, "text": text,
    }  # fmt: skip
    work.execute(insert(comment), new)
    work.record(
        "comment.added", instance_id=instance_row["id"], root_id=instance_row["root_id"],
        task_id=task_id, data={"comment": new["id"], "text": text},
    )  # fmt: skip
    return new["id"]


def urge(work, task_id: str, text: str = ""):
    """Ask whoever holds it to get on with it (催办); once an hour is enough."""
    row = _for(work, "urge", task_id)
    if row["urged_at"] and work.now - row["urged_at"] < URGE_PAUSE:
        raise Conflict("Task '%(task)s' was urged less than an hour ago.", task=row["name"])
    work.execute(update(task).where(task.c.id == task_id).values(urged_at=work.now))
    work.record("task.urged", reason=text or None, data={"assignee": row["assignee_id"]}, **place(row))


def keep_start_draft(work, process_key: str, answers: dict, draft_id: str | None = None) -> str:
    """A half-filled start form; returns the draft's id."""
    if draft_id:
        changed = work.execute(
            update(draft)
            .where(draft.c.id == draft_id, draft.c.person_id == work.actor.id)
            .values(answers=answers, at=work.now)
        )
        if changed.rowcount:
            return draft_id
    new = {"id": work.new_id(), "person_id": work.actor.id, "process_key": process_key, "answers": answers}
    work.execute(insert(draft), new | {"at": work.now})
    return new["id"]


def start_draft(work, draft_id: str):
    """My draft of a start form. Raises NotFound."""
    row = work.one(select(draft).where(draft.c.id == draft_id, draft.c.person_id == work.actor.id))
    if row is None:
        raise NotFound("There is no such draft.")
    return row


def drop_draft(work, draft_id: str) -> None:
    work.execute(delete(draft).where(draft.c.id == draft_id, draft.c.person_id == work.actor.id))


def save_filter(work, page: str, name: str, query: str) -> str:
    """Keep the state of a list under a name of one's own."""
    if not name.strip():
        raise Invalid("Give the filter a name.")
    new = {"id": work.new_id(), "person_id": work.actor.id, "page": page, "name": name.strip(), "query": query}
    work.execute(insert(saved_filter), new)
    return new["id"]


def filters(work, page: str) -> list:
    return work.all(
        select(saved_filter)
        .where(saved_filter.c.person_id == work.actor.id, saved_filter.c.page == page)
        .order_by(saved_filter.c.name)
    )


def drop_filter(work, filter_id: str) -> None:
    work.execute(
        delete(saved_filter).where(saved_filter.c.id == filter_id, saved_filter.c.person_id == work.actor.id)
    )


# --- for runtime: rows follow what the engine waits for ----------------------------------------
def open_all(work, row, process, waits: list, form_of) -> list[str]:
    """Insert a task for each of `waits` of the instance `row`; returns their ids.

    `form_of(form_key)` gives the digest of the form that the task is opened with.
    """
    new, asked, due = [], [], []
    for wait in waits:
        one = _task_row(work, row, wait, form_of)
        new.append(one)
        asked += _candidate_rows(work, one["id"], wait)
        if one["remind_at"] or one["due_at"]:
            due.append(limit_job(work, one, "remind" if one["remind_at"] else "escalate"))
        work.record("task.created", data=_created(one, wait), **place(one))
    _INSERT(work, new)
    if asked:
        _INSERT_CANDIDATE(work, asked)
    jobs.schedule_all(work, due)
    return [one["id"] for one in new]


_INSERT, _INSERT_CANDIDATE = Hot(insert(task)), Hot(insert(candidate))


def close(work, row, answers: dict[str, Any], outcome: str | None) -> None:
    """Mark a task done by this person; the version that was read must still stand."""
    for_id = work.actor.for_id or row["owner_id"]
    change(
        work, row, state="completed", closed_at=work.now, closed_by=work.actor.id, closed_for=for_id,
        outcome=outcome, draft=None, assignee_id=row["assignee_id"] or work.actor.id,
    )  # fmt: skip


def cancel_all(work, instance_id: str, tokens: list[int]) -> None:
    """What the engine no longer waits for disappears from the inbox."""
    work.execute(_CANCEL, [{"of": instance_id, "on": token, "moment": work.now} for token in tokens])


_CANCEL = (
    update(task)
    .where(task.c.instance_id == bindparam("of"), task.c.token == bindparam("on"))
    .where(or_(*(task.c.state == state for state in access.PENDING)))  # many at once cannot say IN
    .values(state="cancelled", closed_at=bindparam("moment"))
)


def rename(work, instance_id: str, definition_id: str, elements: dict[str, Any]) -> None:
    """Open tasks of a case that was moved to another version stand at that version's elements."""
    for row in work.all(select(task).where(task.c.instance_id == instance_id, task.c.state.in_(access.PENDING))):
        element = elements.get(row["element_id"])
        if element is not None:
            values = {"element_id": element.id, "name": element.name or element.id, "definition_id": definition_id}
            work.execute(update(task).where(task.c.id == row["id"]).values(**values))


def choices(work, row) -> list[tuple[str, str]]:
    """What may be begun at an ad-hoc task: (element id, name); empty at any other task."""
    element = work.platform.element(work, row["definition_id"], row["element_id"])
    if element is None or element.kind != "adHocSubProcess":
        return []
    return [(one.id, one.name or one.id) for one in element.starts]


def on_time(work, task_id: str, act: str) -> str | None:
    """A time limit has come: remind, escalate, or name the last act ("reassign" or "decide") that is due.

    Schedules the next limit. Returns "decide" when `runtime` is to complete the task by policy.
    """
    row = find(work, task_id)
    if row["state"] not in LIVE:
        return None
    return _ACTS[act](work, row, work.policies.sla_of(row["process_key"], row["element_id"]))


def _remind(work, row, sla) -> None:
    work.execute(update(task).where(task.c.id == row["id"]).values(reminded_at=work.now))
    work.record("task.reminded", data={"assignee": row["assignee_id"]}, **place(row))
    if row["due_at"]:
        jobs.schedule_all(work, [limit_job(work, row, "escalate")])


def _escalate(work, row, sla) -> None:
    to = _above(work, row, sla.escalate_to)
    work.execute(update(task).where(task.c.id == row["id"]).values(escalated_at=work.now))
    work.record("task.escalated", data={"assignee": row["assignee_id"], "to": to}, **place(row))
    if row["last_act_at"]:
        jobs.schedule_all(work, [limit_job(work, row, "last")])


def _last(work, row, sla) -> str | None:
    work.execute(update(task).where(task.c.id == row["id"]).values(last_acted_at=work.now))
    if sla.last_act == "decide":
        return "decide"
    if sla.last_act == "reassign":
        _reassign(work, row, sla)
    return None


def _reassign(work, row, sla) -> None:
    """Give an overdue task to whoever policy names, as long as she may do it at all."""
    wanted = _above(work, row, sla.reassign_to or sla.escalate_to)
    to = next((p for p in wanted if p != row["assignee_id"] and not _unfit(work, row, p)), None)
    if to is None:
        work.record("task.stuck", data={"assignee": row["assignee_id"], "tried": wanted}, **place(row))
        return
    change(work, row, state="claimed", assignee_id=to, owner_id=None, claimed_at=work.now)
    work.record("task.reassigned", data={"old": row["assignee_id"], "new": to}, **place(row))


_ACTS = {"remind": _remind, "escalate": _escalate, "last": _last}


def compute_again(work) -> list[str]:
    """Compute time limits anew that were provisional, by the calendar of today; returns the ids of the tasks.

    Done once a day, so that holidays that are published meanwhile count (clause 3.2.2).
    """
    old = (task.c.provisional, task.c.calendar_version != work.calendar.version, task.c.remind_at.is_not(None))
    rows = work.all(select(task).where(task.c.state.in_(LIVE), *old))
    for row in rows:
        _compute_again(work, row)
    return [row["id"] for row in rows]


def _compute_again(work, row) -> None:
    sla, working = work.policies.sla_of(row["process_key"], row["element_id"]), timedelta(minutes=row["working_minutes"])
    due = work.calendar.add(row["created_at"], working)
    values = {"due_at": due.at, "remind_at": work.calendar.add(row["created_at"], working * sla.remind_at).at}
    if row["last_act_at"]:
        values["last_act_at"] = work.calendar.add(due.at, sla.grace).at
    kept = {"calendar_version": due.version, "provisional": due.provisional}
    work.execute(update(task).where(task.c.id == row["id"]).values(**values, **kept))
    jobs.move_limits(work, row["id"], {act: values[name] for act, name in _MOMENTS.items() if name in values})
    said = {"old": row["due_at"].isoformat(), "new": due.at.isoformat(), "calendar": due.version}
    work.record("task.rescheduled", data=said, **place(row))


# --- helpers ----------------------------------------------------------------------------------
def _for(work, verb: str, task_id: str):
    row = find(work, task_id)
    refuse_unless_allowed(work, verb, row)
    return row


def require(work, verb: str, row) -> None:
    """Raise why this person may not do `verb` with the task now."""
    why = refusal(work, verb, row)
    if why is not None:
        raise why


def change(work, row, **values) -> None:
    """Change a task's row; the version that was read must still stand. Raises Conflict."""
    moved = _MOVE(work, {"of": row["id"], "was": row["version"], "version": row["version"] + 1, **values})
    if moved.rowcount != 1:
        raise Conflict("Task '%(task)s' has just been changed by somebody else; load it again.", task=row["name"])


_MOVE = Hot(update(task).where(task.c.id == bindparam("of"), task.c.version == bindparam("was")))


def _me(work) -> str:
    return work.actor.for_id or work.actor.id


def _holder(work, row) -> dict[str, str]:
    holder = people.get(work, row["assignee_id"])
    return {"task": row["name"], "person": holder["name"] if holder else row["assignee_id"]}


def place(row) -> dict[str, Any]:
    """Where a task stands, for the log."""
    return {name: row[name] for name in ("instance_id", "root_id", "element_id", "token")} | {"task_id": row["id"]}


def need_reason(reason: str) -> None:
    if not (reason or "").strip():
        raise Invalid("Please say why.")


def _fit(work, row, person_id: str) -> None:
    why = _unfit(work, row, person_id)
    if why is not None:
        raise why


def _unfit(work, row, person_id: str) -> Refused | None:
    """Why this person cannot be given the task: gone, the same, or kept apart by separation of duties."""
    if person_id == row["assignee_id"]:
        return Conflict("Task '%(task)s' is already with that person.", task=row["name"])
    person = people.get(work, person_id)
    if person is None or not person["active"]:
        return NotFound("There is no such person, or she has left.")
    return access.why_unfit(work, row, person_id)


def _task_row(work, row, wait, form_of) -> dict[str, Any]:
    assignee = people.resolve(work, wait.assignee) if wait.assignee else None
    limits = _limits(work, row["process_key"], wait)
    return {
        "id": work.new_id(), "instance_id": row["id"], "root_id": row["root_id"], "token": wait.token,
        "element_id": wait.element_id, "name": wait.name or wait.element_id, "process_key": row["process_key"],
        "definition_id": row["definition_id"], "form_key": wait.form_key,
        "form_digest": form_of(wait.form_key) if wait.form_key else None,
        "state": "claimed" if assignee else "open", "assignee_id": assignee, "owner_id": None,
        "priority": wait.priority if wait.priority is not None else 50, "created_at": work.now,
        "claimed_at": work.now if assignee else None, "follow_up_at": wait.follow_up, "version": 1,
        "parent_id": None, "added": None, "turn": None, **limits,
    }  # fmt: skip


def _limits(work, process_key: str, wait) -> dict[str, Any]:
    """When to remind, when it is due and when the last act follows, in working time (clause 3.2.2)."""
    sla = work.policies.sla_of(process_key, wait.element_id)
    key = ("limits", sla.working, sla.remind_at, sla.grace)
    if wait.due is None and key in work.memory:
        return work.memory[key]
    due = work.calendar.add(work.now, sla.working)
    found = {
        "due_at": wait.due or due.at,
        "remind_at": None if wait.due else work.calendar.add(work.now, sla.working * sla.remind_at).at,
        "last_act_at": work.calendar.add(wait.due or due.at, sla.grace).at if sla.last_act != "none" else None,
        "working_minutes": int(sla.working.total_seconds() // 60),
        "calendar_version": due.version,
        "provisional": due.provisional,
    }
    if wait.due is None:
        work.memory[key] = found
    return found


def _candidate_rows(work, task_id: str, wait) -> list[dict]:
    groups = [{"task_id": task_id, "kind": "group", "ref": key} for key in dict.fromkeys(wait.candidate_groups)]
    named = dict.fromkeys(filter(None, (people.resolve(work, who) for who in wait.candidate_users)))
    return groups + [{"task_id": task_id, "kind": "person", "ref": person_id} for person_id in named]


def _created(row, wait) -> dict[str, Any]:
    due = row["due_at"].isoformat() if row["due_at"] else None
    said = {"name": row["name"], "assignee": row["assignee_id"], "due": due, "calendar": row["calendar_version"]}
    return said | {"groups": list(wait.candidate_groups), "users": list(wait.candidate_users)}


_MOMENTS = {"remind": "remind_at", "escalate": "due_at", "last": "last_act_at"}


def limit_job(work, row, act: str) -> dict[str, Any]:
    return jobs.row(
        work, "sla", row[_MOMENTS[act]], instance_id=row["instance_id"], task_id=row["id"],
        element_id=row["element_id"], payload={"act": act},
    )  # fmt: skip


def _above(work, row, to: str) -> list[str]:
    """The persons whom "manager", "head" or a group's key means for this task."""
    if to not in ("manager", "head"):
        return [person["id"] for person in people.members(work, to)]
    holder = row["assignee_id"]
    if holder is None:
        return _heads_of_candidates(work, row)
    above = people.manager_of(work, holder)
    return [above] if above else []


def _heads_of_candidates(work, row) -> list[str]:
    """Nobody holds it yet: the managers of those who could have claimed it."""
    able = []
    for one in candidates(work, row["id"]):
        able += [one["ref"]] if one["kind"] == "person" else [p["id"] for p in people.members(work, one["ref"])]
    above = (people.manager_of(work, person_id) for person_id in able)
    return list(dict.fromkeys(filter(None, above)))


def _mine(work):
    return (task.c.assignee_id == _me(work)) & task.c.state.in_(LIVE)


def _group(work):
    groups = sorted(work.actor.for_groups if work.actor.for_id else work.actor.groups)
    able = or_(
        (candidate.c.kind == "group") & candidate.c.ref.in_(groups),
        (candidate.c.kind == "person") & (candidate.c.ref == _me(work)),
    )
    asked = exists().where(candidate.c.task_id == task.c.id, able)
    return (task.c.state == "open") & task.c.assignee_id.is_(None) & asked


def _done(work):
    return task.c.closed_by == work.actor.id


def _all(work):
    return access.visible_tasks(work) & task.c.state.in_(LIVE)


_VIEW = {"mine": _mine, "group": _group, "done": _done, "all": _all}

_LIST = select(task, instance.c.number, instance.c.title, instance.c.started_by, instance.c.started_at).join(
    instance, instance.c.id == task.c.instance_id
)


def _matching(search: str):
    like = f"%{search.strip()}%"
    return or_(task.c.name.ilike(like), instance.c.title.ilike(like), instance.c.number.ilike(like))


def _count(work, where: list) -> int:
    counted = select(func.count()).select_from(task).join(instance, instance.c.id == task.c.instance_id)
    return work.execute(counted.where(*where)).scalar()


def _cases_started(work, search: str, process: str | None, page: int, size: int) -> Page:
    where = [instance.c.started_by == work.actor.id, instance.c.parent_id.is_(None)]
    if process:
        where.append(instance.c.process_key == process)
    if search:
        like = f"%{search.strip()}%"
        where.append(or_(instance.c.title.ilike(like), instance.c.number.ilike(like)))
    rows = work.all(
        select(instance)
        .where(*where)
        .order_by(instance.c.started_at.desc())
        .limit(size)
        .offset((page - 1) * size)
    )
    total = work.execute(select(func.count()).select_from(instance).where(*where)).scalar()
    return Page(rows, total, page, size, counts(work))


def _drafts(work, page: int, size: int) -> Page:
    where = draft.c.person_id == work.actor.id
    rows = work.all(select(draft).where(where).order_by(draft.c.at.desc()).limit(size).offset((page - 1) * size))
    total = work.execute(select(func.count()).select_from(draft).where(where)).scalar()
    return Page(rows, total, page, size, counts(work))


def done_before(work, instance_id: str, but: str | None = None) -> list:
    """The human steps of an instance that were completed, oldest first: {"element_id", "name"}."""
    earlier = work.all(
        select(task.c.element_id, func.max(task.c.name).label("name"), func.min(task.c.created_at).label("at"))
        .where(task.c.instance_id == instance_id, task.c.state == "completed", task.c.element_id != (but or ""))
        .group_by(task.c.element_id)
        .order_by("at")
    )
    return [{"element_id": one["element_id"], "name": one["name"]} for one in earlier]


def refuse_unless_allowed(work, verb: str, row) -> None:
    """`require`, hiding the task's existence from those who may not see it."""
    why = refusal(work, verb, row)
    if why is not None:
        raise why if access.may(work, "see", row, "task") else _unseen(work, row)


def _unseen(work, row) -> Refused:
    """What is said to those who may not see a task: who was asked for it too is told who was faster."""
    if row["state"] in LIVE or not access.was_asked(work, row):
        return NotFound("There is no such task.")
    if row["state"] == "completed" and (by := people.get(work, row["closed_by"])):
        return Conflict("Task '%(task)s' was already done by %(person)s.", task=row["name"], person=by["name"])
    return Conflict(_WRONG_STATE[row["state"]], task=row["name"])
