"""Added signers (加签) of an approval, and taking them out again (减签).

Who holds an approval may ask others to sign. Before her (前加签) they say whether they agree, and she decides
when all have answered; after her (后加签) her decision is kept and the case goes on when all have agreed, while
the first who does not brings it back to her. Each of them has a task of her own on the same token, so that
whatever ends the approval ends it too; in turn, the later ones are `queued`. A vote (会签) gets further voters
instead, whose tasks are the model's own. Nobody is given two voices: who decides at the step, has decided
there, or is kept out by the model cannot be added. What moves the token is `runtime`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import insert, select, update

from engine import access, jobs, people, tasks
from engine.bpmn.limits import ElementError
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from engine.schema import event, person, task

#: how many may be asked in one act
MANY = 20
#: kind of approval -> when an added signer may come
WHEN = {"single": ("before", "after"), "vote": ("too",), "turn": ("last", "next")}


# --- reading ------------------------------------------------------------------------------------
def kind(work, row) -> str:
    """ "vote" for one of several tasks of the same step, "turn" when they come one after the other, else "single"."""
    element = _element(work, row)
    loop = element.loop if element is not None else None  # of a task that is done the model may have gone
    if loop is None or loop.kind != "multi":
        return "single"
    return "turn" if loop.sequential else "vote"


def of_task(work, task_id: str) -> list:
    """Who was asked to sign an approval, in the order of asking, with her name, state, outcome and reason."""
    why = select(event.c.reason).where(event.c.task_id == task.c.id, event.c.type == "signer.answered")
    return work.all(
        select(task, person.c.name.label("person_name"), why.limit(1).scalar_subquery().label("reason"))
        .outerjoin(person, person.c.id == task.c.assignee_id)
        .where(task.c.parent_id == task_id)
        .order_by(task.c.id)
    )


def pending(work, task_id: str, when: str | None = None) -> list:
    """Those who have not answered yet."""
    asked = (task.c.parent_id == task_id, task.c.state.in_(access.PENDING))
    rows = work.all(select(task).where(*asked).order_by(task.c.id))
    return [row for row in rows if when in (None, row["added"])]


# --- asking -------------------------------------------------------------------------------------
def check(work, row, person_ids: Iterable[str], reason: str, when: str, voters: set[str] = frozenset()) -> list[str]:
    """The persons who may be added; `voters` are those who have a voice already.

    Raises Invalid without a reason, for nobody, too many and strangers, NotFound for who has left, and NotAllowed
    for who is kept apart or has a voice.
    """
    tasks.need_reason(reason)
    wanted = list(dict.fromkeys(person_ids))
    if when not in WHEN[kind(work, row)]:
        known = ", ".join(WHEN[kind(work, row)])
        raise Invalid("Here a signer comes %(known)s, not '%(when)s'.", known=known, when=when)
    if not wanted:
        raise Invalid("Choose who is to sign.")
    if len(wanted) > MANY:
        raise Invalid("At most %(limit)s signers can be added at once.", limit=MANY)
    heard = access.voices(work, row) | voters | {row["assignee_id"], row["owner_id"], work.actor.id}
    for person_id in wanted:
        _refuse_unfit(work, row, person_id, heard)
    return wanted


def ask(work, row, person_ids: list[str], reason: str, when: str, in_turn: bool = False) -> None:
    """Give each a task of her own beside the approval; those who come later wait for their turn."""
    tasks.change(work, row)  # of two who act on the approval at once, one is told to look again
    said(work, row, "signer.added", reason, persons=person_ids, when=when, in_turn=in_turn)
    now = when == "before" and not (in_turn and pending(work, row["id"], "before"))
    for number, one in enumerate(person_ids):
        new = _asked(work, row, one, when, number if in_turn else None, now and not (in_turn and number))
        work.execute(insert(task), new)
        if new["state"] == "claimed":
            _tell(work, new, reason)


def ask_next(work, row, when: str) -> None:
    """Whoever's turn it is now is asked: the next in turn, or all of those who sign together."""
    waiting = pending(work, row["id"], when)
    if any(one["state"] == "claimed" for one in waiting):
        return
    for number, one in enumerate(waiting):
        if number and one["turn"] is not None:
            return
        tasks.change(work, one, state="claimed", claimed_at=work.now)
        _tell(work, one, None)


def withdraw(work, row, person_ids: Iterable[str], reason: str) -> None:
    """Take signers out who have not answered. Raises Conflict for who has, or was never asked."""
    tasks.change(work, row)
    waiting = {one["assignee_id"]: one for one in pending(work, row["id"])}
    wanted = list(dict.fromkeys(person_ids))
    for person_id in wanted:
        if person_id not in waiting:
            refuse_missing(work, person_id)
        tasks.change(work, waiting[person_id], state="cancelled", closed_at=work.now)
    said(work, row, "signer.removed", reason, persons=wanted)


def drop(work, row) -> None:
    """The approval is over: nobody needs to sign it any more."""
    asked = (task.c.parent_id == row["id"], task.c.state.in_(access.PENDING))
    work.execute(update(task).where(*asked).values(state="cancelled", closed_at=work.now))


# --- answering ----------------------------------------------------------------------------------
def answer(work, row, parent, agrees: bool, reason: str) -> None:
    """An added signer agrees or does not, and says why."""
    tasks.need_reason(reason)
    tasks.change(work, parent)  # the last two to answer must not both believe that the other is still to come
    outcome = "agree" if agrees else "disagree"
    tasks.close(work, row, {}, outcome)
    work.record(
        "signer.answered", reason=reason, **tasks.place(row),
        data={"outcome": outcome, "parent": parent["id"], "asked_by": parent["assignee_id"]},
    )  # fmt: skip


def sign(work, row, values: dict[str, Any], told: dict[str, Any], outcome: str | None) -> None:
    """Who holds the approval has decided; those after her are asked now."""
    tasks.change(
        work, row, state="signing", draft=values, draft_at=work.now, closed_by=work.actor.id,
        closed_for=work.actor.for_id or row["owner_id"], outcome=outcome, assignee_id=row["assignee_id"] or work.actor.id,
    )  # fmt: skip
    work.record("task.signed", reason=values.get("reason"), data=told, **tasks.place(row))
    ask_next(work, row, "after")


def give_back(work, row) -> None:
    """One did not agree: the approval is its holder's again, with her answers as a draft."""
    tasks.change(work, row, state="claimed", closed_by=None, closed_for=None, outcome=None)
    drop(work, row)


# --- votes --------------------------------------------------------------------------------------
def item_of(work, row, person_id: str, variables: dict[str, Any], world) -> Any:
    """What a new voter becomes in the collection of the vote. Raises Invalid."""
    try:
        return _element(work, row).add_signer.json({**variables, "person": person_id}, world)
    except ElementError as error:
        raise Invalid("Nobody can be added to '%(task)s': %(why)s", task=row["name"], why=error.sentence) from error


def voter_of(work, row, item: Any, variables: dict[str, Any], world) -> str | None:
    """Who votes for an item of the collection: the person to whom its task would be given."""
    element = _element(work, row)
    if element.assignee is None:
        return None
    who = element.assignee.json({**variables, element.loop.element_variable: item}, world)
    return people.resolve(work, who) if isinstance(who, str) else None


# --- helpers ------------------------------------------------------------------------------------
def said(work, row, type_: str, reason: str, **data) -> None:
    work.record(type_, reason=reason, data=data, **tasks.place(row))


def refuse_missing(work, person_id: str) -> None:
    found = people.get(work, person_id)
    name = found["name"] if found else person_id
    raise Conflict("%(person)s has answered already or was never added by you.", person=name)


def _refuse_unfit(work, row, person_id: str, heard: set[str | None]) -> None:
    found = people.get(work, person_id)
    if found is None or not people.is_live(work, found):
        raise NotFound("There is no such person, or she has left.")
    if found["kind"] != "employee":
        raise Invalid("%(person)s is no employee: partners and visitors see only what is shared with them.",
                      person=found["name"])  # fmt: skip
    if person_id in heard:
        raise NotAllowed(access.ONE_VOICE)
    if why := access.why_unfit(work, row, person_id):
        raise why


def _asked(work, row, person_id: str, when: str, turn: int | None, now: bool) -> dict[str, Any]:
    """The row of an added signer's task: beside the approval, due with it."""
    taken = ("instance_id", "root_id", "token", "element_id", "name", "process_key", "definition_id", "priority", "due_at",
             "working_minutes", "calendar_version", "provisional")  # fmt: skip
    return {name: row[name] for name in taken} | {
        "id": work.new_id(), "parent_id": row["id"], "added": when, "state": "claimed" if now else "queued",
        "assignee_id": person_id, "created_at": work.now, "claimed_at": work.now if now else None,
        "turn": turn, "version": 1,
    }  # fmt: skip


def _tell(work, row, reason: str | None) -> None:
    """She is asked now, and told; when her time is over, so are those above her."""
    why = reason or _reason_of(work, row)
    work.record("signer.asked", reason=why, data={"assignee": row["assignee_id"]}, **tasks.place(row))
    if row["due_at"]:
        jobs.schedule_all(work, [tasks.limit_job(work, row, "escalate")])


def _reason_of(work, row) -> str | None:
    """Why she was asked, when that was said before her turn came."""
    told = select(event.c.reason).where(event.c.task_id == row["parent_id"], event.c.type == "signer.added")
    return work.execute(told.order_by(event.c.seq.desc()).limit(1)).scalar()


def _element(work, row):
    return work.platform.element(work, row["definition_id"], row["element_id"])
