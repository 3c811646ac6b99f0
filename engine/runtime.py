"""Verbs that move the token.

Each finds what it acts on, asks `access`, checks the form, lets the engine run until all wait, and
makes the rows outside equal to what now waits: tasks, jobs, subscriptions, called instances and
incidents. That comparison (`_reconcile`) is the only place where they change, so an interruption, a
cancellation and a crash need no code of their own. All of it lands in the caller's `Work` or not at
all. `complete` is the verb to read first: the others are its siblings.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, insert, select, update

from engine import (
    access,
    bpmn,
    copies,
    datastores,
    dmn,
    feel,
    forms,
    jobs,
    messages,
    people,
    repository,
    signers,
    store,
    tasks,
)
from engine.errors import Conflict, Invalid, NotAllowed, NotFound, Problem
from engine.schema import counter, document, incident, instance, job, subscription
from engine.services import BpmnError

#: variables that every case starts with and that no called process hands back
GIVEN = ("case", "starter")
CALL_DEPTH = 20
#: instances that one step may move; a process that calls itself twice would double them at each depth
INSTANCES = 5_000


class World:
    """What an instance asks of the outside while it advances: the moment, decisions, working time, data stores."""

    def __init__(self, work, definition_id: str, instance_id: str = ""):
        self._work = work
        self._definition_id = definition_id
        self._instance_id = instance_id
        self.now: datetime = work.now
        self.zone = work.calendar.zone

    def decide(self, decision_id: str, binding: str, variables: dict[str, Any]) -> dmn.Answer:
        return repository.decide(self._work, self._definition_id, decision_id, binding, variables)

    def read_store(self, name: str) -> Any:
        return datastores.read(self._work, name)

    def write_store(self, name: str, value: Any) -> int:
        return datastores.write(self._work, name, value, self._instance_id)

    def working_time(self, start: datetime, duration: timedelta) -> datetime:
        return self._work.calendar.add(start, duration).at


class Stuck(Conflict):
    """A step was rolled back; what is to be kept all the same is kept by `afterwards(platform)`."""

    def __init__(self, message: str, afterwards, **params):
        super().__init__(message, **params)
        self.afterwards = afterwards


# --- the life of a case -----------------------------------------------------------------------
def start(work, process_key: str, answers: dict[str, Any] | None = None, *, business_key=None, title=None,
          draft_id: str | None = None, element_id: str | None = None):  # fmt: skip
    """Start a case by its form, at `element_id` where it has several such start events. Returns its row.

    Raises NotAllowed for who may not start it, Invalid with the fields that are wrong, and Invalid with
    the conditions that are not met (clause 3.1.1).
    """
    row = repository.latest(work, process_key)
    access.require(work, "start", "process", process_key)
    form, _ = repository.start_form(work, row["id"])
    known = {"starter": starter(work)}
    values = forms.check(form, answers or {}, context=known, work=work) if form else dict(answers or {})
    _conditions(work, process_key, values)
    _refuse_other_starts(work, row["id"], element_id)
    loaded = _begin(work, row, values, business_key=business_key, title=title, element_id=element_id)
    if draft_id:
        _take_over_documents(work, loaded, draft_id)
        tasks.drop_draft(work, draft_id)
    settle(work, loaded)
    return loaded.row


def _refuse_other_starts(work, definition_id: str, element_id: str | None) -> None:
    begins = {s.element_id for s in repository.process(work, definition_id).starts if s.kind == "none"}
    if element_id is not None and element_id not in begins:
        raise NotFound("People cannot begin this process at '%(element)s'.", element=element_id)


def start_by(work, definition_row, element_id: str, variables: dict[str, Any], *, trigger: str | None = None):
    """Start an instance at a message, signal or timer start event. Returns the instance's row."""
    loaded = _begin(work, definition_row, variables, element_id=element_id, trigger=trigger)
    settle(work, loaded)
    return loaded.row


def complete(work, task_id: str, answers: dict[str, Any]) -> dict[str, Any]:
    """Complete a user task: the reference verb.

    Returns {"task": row, "instance": row, "next": id of the task to open next, or None}. Raises NotFound,
    NotAllowed, Conflict when somebody was faster, and Invalid with the fields that are wrong.
    """
    row = tasks.find(work, task_id)
    tasks.refuse_unless_allowed(work, "complete", row)
    loaded = load(work, row["instance_id"])
    form = forms.load(work, row["form_digest"]) if row["form_digest"] else None
    values = _values(work, loaded, row, form, answers)
    outcome = values.get(form.decision) if form else None
    if not _wait_for_signers(work, row, form, values, outcome):
        tasks.close(work, row, values, outcome)
        work.record(
            "task.completed", reason=values.get("reason"), data=_said(form, values, outcome), **tasks.place(row)
        )
        _go_on(work, loaded, row, values, outcome, work.actor.for_id or work.actor.id)
    return {"task": row, "instance": loaded.row, "next": tasks.next_for(work, row["root_id"])}


def send_back(work, task_id: str, element_id: str, reason: str):
    """Return a case to an earlier human step (退回): what followed it is undone or compensated."""
    row = tasks.find(work, task_id)
    tasks.refuse_unless_allowed(work, "return", row)
    tasks.need_reason(reason)
    found = next((one for one in _ways_back(work, row) if one[2]["element_id"] == element_id), None)
    if found is None:
        raise Conflict("Task '%(task)s' cannot be returned to that step.", task=row["name"])
    where, token, step = found
    loaded = load(work, row["instance_id"])
    tasks.close(work, row, {}, "return")
    if access.is_approval(work, row):
        signers.drop(work, row)
    loaded.kinds.pop(row["token"], None)
    work.record("task.returned", reason=reason, data={"to": element_id, "name": step["name"]}, **tasks.place(row))
    where.execution.send_back(token, element_id)
    settle(work, where)
    return loaded.row


def returnable(work, row) -> list[dict[str, str]]:
    """The earlier human steps to which a task may be returned, here first and then outward in what called it."""
    return [step for _, _, step in _ways_back(work, row)]


def _ways_back(work, row) -> list[tuple[store.Loaded, int, dict[str, str]]]:
    """(the instance, its token that returns, the step); a step of a caller ends what it called."""
    found: dict[str, tuple] = {}
    at, token, but = load(work, row["instance_id"]), row["token"], row["element_id"]
    while True:
        for step in tasks.done_before(work, at.id, but):
            if step["element_id"] not in found and at.execution.may_return(token, step["element_id"]):
                found[step["element_id"]] = (at, token, step)
        if not at.row["parent_id"]:
            return list(found.values())
        token, but, at = at.row["parent_token"], None, load(work, at.row["parent_id"])


def add_signers(work, task_id: str, person_ids: list[str], reason: str, when: str, in_turn: bool = False) -> None:
    """Ask others to sign an approval (加签): "before" or "after" its holder.

    In a vote they vote "too"; where it goes in turn, "last" or "next".

    Raises what `signers.check` says, and Conflict when the model does not allow it.
    """
    row = tasks.find(work, task_id)
    tasks.refuse_unless_allowed(work, "add_signer", row)
    loaded = load(work, row["instance_id"])
    wanted = signers.check(work, row, person_ids, reason, when, _voters(work, loaded, row))
    if signers.kind(work, row) == "single":
        signers.ask(work, row, wanted, reason, when, in_turn)
        return
    signers.said(work, row, "signer.added", reason, persons=wanted, when=when)
    seen, world = loaded.execution.visible(row["token"]), _world_of(work, loaded.row)[1]
    for person_id in reversed(wanted) if when == "next" else wanted:
        item = signers.item_of(work, row, person_id, seen, world)
        note = {"person": person_id, "by": work.actor.for_id or work.actor.id}
        loaded.execution.add_child(row["token"], item, note, when == "next")
    settle(work, loaded)


def remove_signers(work, task_id: str, person_ids: list[str], reason: str) -> None:
    """Take added signers out again who have not answered (减签); what the others said stands."""
    row = tasks.find(work, task_id)
    tasks.refuse_unless_allowed(work, "remove_signer", row)
    tasks.need_reason(reason)
    if not person_ids:
        raise Invalid("Choose who is not to sign any more.")
    if signers.kind(work, row) == "single":
        signers.withdraw(work, row, person_ids, reason)
        _signers_moved(work, row["id"])
        return
    loaded = load(work, row["instance_id"])
    signers.said(work, row, "signer.removed", reason, persons=person_ids)
    for person_id in person_ids:
        _take_out(work, loaded, row, person_id)
    settle(work, loaded)


def answer_signer(work, task_id: str, agrees: bool, reason: str):
    """An added signer agrees or does not. Returns her task's row."""
    row = tasks.find(work, task_id)
    tasks.refuse_unless_allowed(work, "answer", row)
    parent = tasks.find(work, row["parent_id"])
    signers.answer(work, row, parent, agrees, reason)
    if row["added"] == "after" and not agrees:
        signers.give_back(work, tasks.find(work, parent["id"]))
    else:
        _signers_moved(work, parent["id"])
    return tasks.find(work, task_id)


def signers_of(work, row) -> list[dict[str, Any]]:
    """Who was added to an approval: {"person_id", "added", "state", "outcome", "reason", "task_id"} in order.

    Of a vote only those who have not voted yet and can be taken out again; the others are voters like all.
    """
    if row["state"] not in access.PENDING or signers.kind(work, row) == "single":
        names = ("added", "state", "outcome", "reason")
        found = signers.of_task(work, row["id"])
        return [{name: one[name] for name in names} | {"person_id": one["assignee_id"], "task_id": one["id"]} for one in found]
    execution = load(work, row["instance_id"]).execution
    open_, nothing = execution.remaining(row["token"]), dict.fromkeys(("outcome", "reason", "task_id"))
    waiting = [one["note"]["person"] for one in execution.added(row["token"]) if one["item"] in open_]
    return [{"person_id": one, "added": "vote", "state": "claimed", **nothing} for one in waiting]


def withdraw(work, instance_id: str, reason: str):
    """The starter takes her case back (撤回) while nothing irreversible has happened."""
    loaded = _live(work, instance_id)
    access.require(work, "withdraw", "instance", loaded.row)
    if loaded.row["parent_id"]:
        raise Conflict("Only the whole case can be withdrawn.")
    if loaded.row["irreversible"]:
        raise Conflict("The case can no longer be withdrawn: something was done that cannot be undone.")
    return _stop(work, loaded, "case.withdrawn", reason, "withdrawn")


def cancel(work, instance_id: str, reason: str):
    """End a case before its time."""
    loaded = _live(work, instance_id)
    access.require(work, "cancel", "instance", loaded.row)
    return _stop(work, loaded, "case.cancelled", reason, "cancelled")


def suspend(work, instance_id: str, reason: str) -> None:
    """Let a case and all that it called rest: nobody can act on it and no job of it runs."""
    _rest(work, instance_id, reason, "active", "suspended", "open", "held")


def resume(work, instance_id: str, reason: str) -> None:
    """Go on with a suspended case; timers that came due meanwhile fire once."""
    _rest(work, instance_id, reason, "suspended", "active", "held", "open")


def move(work, instance_id: str, token: int, element_id: str, reason: str):
    """Put a token before another element, by hand and with a reason."""
    loaded = _repairable(work, instance_id, reason)
    loaded.execution.move(token, element_id)
    name = loaded.execution.process.elements[element_id].name
    _say(work, loaded, "token.moved", reason, token=token, data={"to": element_id, "name": name or element_id})
    settle(work, loaded)
    return loaded.row


def set_variables(work, instance_id: str, scope_id: int, values: dict[str, Any], reason: str,
                  was: dict[str, Any] | None = None) -> None:  # fmt: skip
    """Correct variables by hand, keeping what they were.

    `was`: name -> the value that whoever corrects has seen; Conflict when it is another one by now.
    NotAllowed for a variable of a class that she may not read: she would correct what she cannot know.
    """
    loaded = _repairable(work, instance_id, reason)
    _refuse_uncleared(work, loaded, values)
    before = loaded.execution.variables(scope_id)
    for name, seen in (was or {}).items():
        if before.get(name) != seen:
            raise Conflict("'%(name)s' was changed meanwhile. Look at its new value, then correct it again.", name=name)
    loaded.execution.set_variables(scope_id, values)
    old = {name: before.get(name) for name in values}
    said = {key: forms.unclassified(work, loaded.row["root_id"], one) for key, one in (("old", old), ("new", values))}
    _say(work, loaded, "variables.corrected", reason, data={"scope": scope_id, **said})
    settle(work, loaded)


def _refuse_uncleared(work, loaded: store.Loaded, values: dict[str, Any]) -> None:
    known = forms.classes(work, loaded.row["root_id"])
    for name in values:
        if not access.cleared(work.actor, known.get(name)):
            raise NotAllowed("You are not cleared for '%(name)s', so you cannot set it either.", name=name)


def misfits(work, instance_id: str, definition_id: str, mapping: dict[str, str] | None = None) -> list[Problem]:
    """What of a case has no place in another version of its process; empty when `migrate` would do it.

    Raises NotFound, NotAllowed, and Conflict for a case that has ended or a version of another process.
    """
    loaded = _live(work, instance_id)
    access.require(work, "repair", "instance", loaded.row)
    old, new = _versions(work, loaded, definition_id)
    return bpmn.migration.check(loaded.execution.state(), old, new, mapping or {})


def misfits_of(work, instance_ids: list[str], before: str, to: str, mapping: dict[str, str]) -> dict[str, list[Problem]]:
    """The same for many instances of version `before` at once: id -> what has no place, for those that do not fit."""
    access.require(work, "repair", "instance", None)
    old, new = repository.process(work, before), repository.process(work, to)
    checked = ((one, bpmn.migration.check(state, old, new, mapping)) for one, state in store.states(work, instance_ids))
    return {one: problems for one, problems in checked if problems}


def places_taken(work, before: str, to: str) -> dict[str, str]:
    """Which step of another version most likely takes the place of one that is gone, by kind and name."""
    return bpmn.migration.suggest(repository.process(work, before), repository.process(work, to))


def migrate(work, instance_id: str, definition_id: str, reason: str, mapping: dict[str, str] | None = None):
    """Move a running case to another version of its process; tasks keep their drafts, timers their moments.

    Raises Invalid with everything that cannot be mapped; nothing is changed then.
    """
    loaded = _repairable(work, instance_id, reason)
    old, new = _versions(work, loaded, definition_id)
    mapping = mapping or {}
    before = loaded.row["definition_id"]
    loaded.execution = bpmn.migration.migrate(
        loaded.execution.state(), old, new, World(work, definition_id, instance_id), mapping
    )
    store.change(work, loaded, definition_id=definition_id)
    names = {key: mapping.get(key, key) for key in old.elements}
    tasks.rename(work, instance_id, definition_id, {key: new.elements[to] for key, to in names.items() if to in new.elements})
    _rename(work, instance_id, mapping)
    _say(work, loaded, "case.migrated", reason, data={
        "old": before, "new": definition_id, "mapping": mapping,
        "versions": [repository.get(work, one)["version"] for one in (before, definition_id)],
    })  # fmt: skip
    settle(work, loaded)
    return loaded.row


def _rename(work, instance_id: str, mapping: dict[str, str]) -> None:
    """What else waits for a case that was moved stands at the elements of its new version."""
    for table in (job, subscription, incident) if mapping else ():
        mine = table.c.instance_id == instance_id, table.c.element_id.in_(mapping)
        new = case(mapping, value=table.c.element_id)
        work.execute(update(table).where(*mine).values(element_id=new))


def changes_told(work, instance_ids: list[str], before: str, to: str, mapping: dict[str, str]) -> dict[str, list[Problem]]:
    """What will be another for many instances though they can be moved: id -> the messages and signals they wait for."""
    access.require(work, "repair", "instance", None)
    old, new = repository.process(work, before), repository.process(work, to)
    told = ((one, bpmn.migration.renamed(state, old, new, mapping)) for one, state in store.states(work, instance_ids))
    return {one: said for one, said in told if said}


def resolve(work, incident_id: str, action: str, reason: str, variables: dict[str, Any] | None = None) -> None:
    """Settle an incident: "retry" what failed, or "skip" it as if it were done with `variables`."""
    row = work.one(select(incident).where(incident.c.id == incident_id))
    if row is None:
        raise NotFound("There is no such incident.")
    access.require(work, "resolve", "incident", row)
    if row["state"] != "open":
        raise Conflict("The incident is already resolved.")
    if action not in ("retry", "skip"):
        raise Invalid("Say whether the incident is to be retried or skipped.")
    loaded = _repairable(work, row["instance_id"], reason)
    _refuse_uncleared(work, loaded, variables or {})
    work.execute(
        update(incident)
        .where(incident.c.id == incident_id)
        .values(state="resolved", resolved_at=work.now, resolved_by=work.actor.id, reason=reason)
    )
    _say(work, loaded, "incident.resolved", reason, token=row["token"], data={"action": action, "incident": row["id"]})
    _mend(work, loaded, row, action, variables or {})
    settle(work, loaded)


# --- what the worker and the outside bring ----------------------------------------------------
def fire(work, claimed: jobs.Job) -> None:
    """A timer is due. One that no longer waits is dropped quietly."""
    jobs.done(work, claimed)
    loaded = _if_live(work, claimed.instance_id)
    if loaded is not None and loaded.execution.fire(claimed.token):
        settle(work, loaded)


def finish_service(work, claimed: jobs.Job, result: dict[str, Any] | None) -> None:
    """A service has answered: its result goes into the case, which moves on."""
    jobs.done(work, claimed)
    loaded = _if_live(work, claimed.instance_id)
    if loaded is not None and claimed.token in loaded.execution.waits:
        loaded.execution.complete(claimed.token, result or {})
        settle(work, loaded)


def fail_service(work, claimed: jobs.Job, error: BpmnError) -> None:
    """A service reports a business error, which the model may catch."""
    jobs.done(work, claimed)
    loaded = _if_live(work, claimed.instance_id)
    if loaded is not None and claimed.token in loaded.execution.waits:
        loaded.execution.throw_error(claimed.token, error.code, str(error), error.variables)
        settle(work, loaded)


def raise_incident(work, instance_id: str, kind: str, sentence: str, *, token=None, element_id=None, job_id=None):
    """Write down that something of a case needs a person. Returns the incident's id."""
    root_id = work.execute(select(instance.c.root_id).where(instance.c.id == instance_id)).scalar()
    new = {
        "id": work.new_id(), "instance_id": instance_id, "root_id": root_id, "token": token,
        "element_id": element_id, "job_id": job_id, "kind": kind, "message": sentence, "state": "open",
        "created_at": work.now,
    }  # fmt: skip
    work.execute(insert(incident), new)
    work.record(
        "incident.raised", instance_id=instance_id, root_id=root_id, element_id=element_id, token=token,
        data={"incident": new["id"], "kind": kind, "sentence": sentence},
    )  # fmt: skip
    return new["id"]


def act_on_time(work, claimed: jobs.Job) -> None:
    """A task's time limit has come: remind, escalate, reassign, or decide by policy (clause 3.2.2)."""
    jobs.done(work, claimed)
    if tasks.on_time(work, claimed.task_id, claimed.payload["act"]) != "decide":
        return
    row = tasks.find(work, claimed.task_id)
    sla = work.policies.sla_of(row["process_key"], row["element_id"])
    complete(work, claimed.task_id, dict(sla.decide))


def publish(work, name: str, correlation_key: str | None = None, variables: dict[str, Any] | None = None, *,
            ttl: timedelta | None = None, message_id: str | None = None) -> dict[str, Any]:  # fmt: skip
    """Send a message: to whoever waits for it now, once per process, or to who will within `ttl`.

    Returns {"message": id or None for a repeat, "correlated": [instance ids]}.
    """
    variables = variables or {}
    kept = messages.keep(work, name, correlation_key, variables, ttl, message_id)
    if kept is None:
        return {"message": None, "correlated": []}
    reached, met = _deliver_to_waiting(work, name, correlation_key, variables)
    for one in messages.starters(work, "message", name):
        begun = repository.get(work, one["definition_id"])
        if begun["state"] == "active" and begun["key"] not in met:
            reached.append(start_by(work, begun, one["element_id"], variables, trigger=name)["id"])
            met.add(begun["key"])
    if reached:
        messages.used(work, kept)
    return {"message": kept, "correlated": reached}


def broadcast(work, name: str, variables: dict[str, Any] | None = None, *, thrown_by: str | None = None) -> list[str]:
    """Throw a signal to everyone who waits for it. Returns the ids of the instances that it reached."""
    reached = []
    for one in messages.listeners(work, name, except_instance=thrown_by):
        if one["definition_id"]:
            begun = repository.get(work, one["definition_id"])
            if begun["state"] == "active":
                reached.append(start_by(work, begun, one["element_id"], variables or {}, trigger=name)["id"])
        elif deliver(work, one, variables or {}):
            reached.append(one["instance_id"])
    return reached


def observe(work, variables: dict[str, Any]) -> list[str]:
    """Tell conditional start events of what has been observed: each whose condition is true starts an instance.

    Returns the ids of the instances. Raises Invalid when a condition is neither true nor false.
    """
    access.require(work, "publish", "platform", None)
    started = []
    for one in messages.conditional_starts(work):
        definition_row = repository.get(work, one["definition_id"])
        if definition_row["state"] == "active" and _has_come_true(work, one, variables):
            started.append(start_by(work, definition_row, one["element_id"], variables)["id"])
    return started


def _has_come_true(work, wanted, variables: dict[str, Any]) -> bool:
    start = next(s for s in repository.process(work, wanted["definition_id"]).starts if s.element_id == wanted["element_id"])
    try:
        return start.formula.truth(variables, World(work, wanted["definition_id"]))
    except bpmn.ElementError as error:
        where = wanted["element_id"]
        raise Invalid("The condition of '%(element)s' is not clear: %(why)s", element=where, why=error.sentence) from error


def deliver(work, subscription, variables: dict[str, Any]) -> bool:
    """Hand a message or signal to the token that waits for it; False when it no longer does.

    A suspended instance gets it when it goes on; of messages one at a time, since the first may be all it wants.
    """
    instance_id, token = subscription["instance_id"], subscription["token"]
    loaded = load(work, instance_id)
    if loaded.row["state"] == "suspended":
        return _hold(work, subscription, variables)
    if loaded.row["state"] != "active" or not loaded.execution.fire(token, variables):
        return False
    settle(work, loaded)
    if subscription["kind"] == "message":
        messages.look_again(work, instance_id, token)
    return True


def _hold(work, subscription, variables: dict[str, Any]) -> bool:
    instance_id, token = subscription["instance_id"], subscription["token"]
    if subscription["kind"] == "message" and jobs.held(work, instance_id, token, "deliver"):
        return False
    jobs.schedule(
        work, "deliver", work.now, instance_id=instance_id, token=token, element_id=subscription["element_id"],
        payload={"variables": variables}, state="held",
    )  # fmt: skip
    return True


def deliver_held(work, claimed: jobs.Job) -> None:
    """What came while the instance was suspended. What is no longer waited for is dropped quietly."""
    jobs.done(work, claimed)
    wanted = messages.waiting_for(work, claimed.instance_id, claimed.token)
    if wanted is not None:
        deliver(work, wanted, claimed.payload["variables"])


def correlate_kept(work, claimed: jobs.Job) -> None:
    """A new subscription found a message that was kept for it."""
    jobs.done(work, claimed)
    wanted = messages.waiting_for(work, claimed.instance_id, claimed.token)
    kept = messages.kept_for(work, wanted) if wanted else None
    if kept is not None and deliver(work, wanted, kept["variables"]):
        messages.used(work, kept["id"])


# --- the step ---------------------------------------------------------------------------------
def load(work, instance_id: str) -> store.Loaded:
    """The instance in the hands of this Work. Raises NotFound."""
    return store.load(work, instance_id, _world_of)


def settle(work, loaded: store.Loaded) -> None:
    """Let the engine run until all wait, here and in every instance that this moves, and write what changed."""
    queue = deque([loaded])
    touched: dict[str, store.Loaded] = {}
    while queue:
        one = queue.popleft()
        touched[one.id] = one
        _advance(work, one)
        changes = one.execution.take()
        store.save(work, one, changes)
        _log(work, one, changes)
        _reconcile(work, one, changes, queue)
        if one.execution.completed and one.row["state"] in ("active", "suspended"):
            _end(work, one, queue)
        if len(touched) > INSTANCES:
            store.forget(work)
            limit = bpmn.LimitExceeded("", f"One step moved more than {INSTANCES} instances.")
            raise _stuck(loaded.id, limit)
    for one in touched.values():
        if one.row["state"] == "suspended":
            _hold_jobs(work, one.id, "open", "held")  # what a repair made due waits until the case goes on
        store.keep(work, one)


def _versions(work, loaded: store.Loaded, definition_id: str) -> tuple[bpmn.Process, bpmn.Process]:
    wanted = repository.get(work, definition_id)
    if wanted["key"] != loaded.row["process_key"]:
        raise Conflict("A case can only be moved to another version of its own process.")
    return repository.process(work, loaded.row["definition_id"]), repository.process(work, definition_id)


def _world_of(work, row) -> tuple[bpmn.Process, World]:
    return repository.process(work, row["definition_id"]), World(work, row["definition_id"], row.get("id", ""))


def _advance(work, one: store.Loaded) -> None:
    try:
        one.execution.advance()
    except bpmn.LimitExceeded as limit:
        store.forget(work)
        raise _stuck(one.id, limit) from limit


def _stuck(instance_id: str, limit: bpmn.LimitExceeded) -> Stuck:
    def afterwards(platform) -> None:
        with platform.work(people.SYSTEM) as work:
            if work.one(select(instance.c.id).where(instance.c.id == instance_id)):
                raise_incident(work, instance_id, "limit", limit.sentence, element_id=limit.element_id)

    return Stuck(
        "Nothing was changed: at '%(element)s' the case ran into a limit (%(why)s).",
        afterwards, element=limit.element_id, why=limit.sentence,
    )  # fmt: skip


def _log(work, one: store.Loaded, changes: bpmn.Changes) -> None:
    policy = work.policies.processes.get(one.row["process_key"])
    final = policy.irreversible_after if policy else ()
    for step in changes.trail:
        work.record(
            step.type, instance_id=one.id, root_id=one.row["root_id"], element_id=step.element_id,
            token=step.token, data=step.data,
        )  # fmt: skip
        if step.element_id in final and step.type == "element.completed":
            _no_way_back(work, one)


def _no_way_back(work, one: store.Loaded) -> None:
    store.change(work, one, irreversible=True)
    if one.row["parent_id"]:
        work.execute(update(instance).where(instance.c.id == one.row["root_id"]).values(irreversible=True))


def _reconcile(work, one: store.Loaded, changes: bpmn.Changes, queue: deque) -> None:
    """Make the rows outside equal to what now waits on the tokens that this step touched."""
    gone: dict[str, list[int]] = {}
    for token, _ in changes.closed:
        kind = one.kinds.pop(token, None)
        if kind:
            gone.setdefault(kind, []).append(token)
    for kind, tokens in gone.items():
        _CLOSE[kind](work, one, tokens, queue)
    came: dict[str, list[bpmn.Wait]] = {}
    for wait in changes.opened:
        came.setdefault(wait.kind, []).append(wait)
    for kind, waits in came.items():
        _OPEN[kind](work, one, waits, queue)
        one.kinds.update((wait.token, kind) for wait in waits)
    for thrown in changes.thrown:
        _THROW[thrown.kind](work, one, thrown, queue)


def _open_tasks(work, one, waits, queue) -> None:
    process = repository.process(work, one.row["definition_id"])
    tasks.open_all(work, one.row, process, waits, lambda key: repository.form_digest(work, None, key))


def _open_services(work, one, waits, queue) -> None:
    jobs.schedule_all(work, [_service_job(work, one, wait) for wait in waits])


def _service_job(work, one, wait) -> dict[str, Any]:
    payload = {"type": wait.service_type, "variables": wait.variables, "headers": dict(wait.headers or {})}
    return jobs.row(
        work, "service", work.now, instance_id=one.id, token=wait.token, element_id=wait.element_id,
        payload=payload, max_attempts=(wait.retries or 3) + 1,
    )  # fmt: skip


def _open_timers(work, one, waits, queue) -> None:
    new = []
    for wait in waits:
        armed = one.kinds.get(wait.token) == "timer"
        if not armed or not jobs.postpone(work, one.id, wait.token, "timer", wait.due):
            new.append(
                jobs.row(work, "timer", wait.due, instance_id=one.id, token=wait.token, element_id=wait.element_id)
            )
    jobs.schedule_all(work, new)


def _open_subscriptions(work, one, waits, queue) -> None:
    messages.subscribe(
        work,
        [
            {
                "kind": wait.kind, "instance_id": one.id, "token": wait.token, "element_id": wait.element_id,
                "name": wait.message_name if wait.kind == "message" else wait.signal_name,
                "correlation_key": wait.correlation_key if wait.kind == "message" else None,
            }
            for wait in waits
        ],
    )  # fmt: skip


def _open_calls(work, one, waits, queue) -> None:
    for wait in waits:
        if one.row["depth"] >= CALL_DEPTH:
            one.execution.fail(wait.token, "This call goes deeper than the platform allows.")
            queue.append(one)
            continue
        try:
            called = repository.called(work, one.row["definition_id"], wait.process_key, wait.binding, wait.version_tag)
        except NotFound as missing:
            one.execution.fail(wait.token, str(missing))
            queue.append(one)
            continue
        queue.append(_begin(work, called, dict(wait.variables), caller=one, token=wait.token))


def _open_incidents(work, one, waits, queue) -> None:
    for wait in waits:
        if wait.incident_kind == "error" and _hand_up(work, one, wait, queue):
            continue
        raise_incident(work, one.id, wait.incident_kind, wait.sentence, token=wait.token, element_id=wait.element_id)


def _hand_up(work, one, wait, queue) -> bool:
    """An error that a called process does not catch is thrown at its call activity, and outward to where it is caught."""
    while one.row["parent_id"]:
        token, one = one.row["parent_token"], load(work, one.row["parent_id"])
        if one.execution.throw_error(token, wait.error_code, wait.sentence, wait.error_variables, or_incident=False):
            queue.append(one)
            return True
    return False


def _nothing(work, one, waits, queue) -> None:
    """A condition waits inside the engine; nothing outside has to know."""


_OPEN = {
    "user": _open_tasks, "manual": _open_tasks, "adhoc": _open_tasks, "service": _open_services,
    "timer": _open_timers, "message": _open_subscriptions, "signal": _open_subscriptions, "call": _open_calls,
    "incident": _open_incidents, "condition": _nothing,
}  # fmt: skip


def _close_tasks(work, one, tokens, queue) -> None:
    tasks.cancel_all(work, one.id, tokens)


def _close_jobs(work, one, tokens, queue) -> None:
    jobs.cancel(work, one.id, tokens)


def _close_subscriptions(work, one, tokens, queue) -> None:
    messages.unsubscribe(work, one.id, tokens)


def _close_calls(work, one, tokens, queue) -> None:
    """Instances that were called on tokens that are gone end too."""
    left = work.execute(
        select(instance.c.id)
        .where(instance.c.parent_id == one.id, instance.c.parent_token.in_(tokens))
        .where(instance.c.state.in_(("active", "suspended")))
    ).scalars()
    for child_id in list(left):
        child = load(work, child_id)
        if child.row["state"] in ("active", "suspended"):
            child.execution.cancel()
            _say(work, child, "case.cancelled", work.reason, data={"because": "its caller moved on"})
            _ended(work, child, "cancelled", None)
            queue.append(child)


def _close_incidents(work, one, tokens, queue) -> None:
    work.execute(
        update(incident)
        .where(incident.c.instance_id == one.id, incident.c.token.in_(tokens), incident.c.state == "open")
        .values(state="resolved", resolved_at=work.now, resolved_by=work.actor.id)
    )


_CLOSE = {
    "user": _close_tasks, "manual": _close_tasks, "adhoc": _close_tasks, "service": _close_jobs,
    "timer": _close_jobs, "message": _close_subscriptions, "signal": _close_subscriptions, "call": _close_calls,
    "incident": _close_incidents, "condition": _nothing,
}  # fmt: skip


def _throw_message(work, one, thrown, queue) -> None:
    payload = {
        "name": thrown.name, "correlation_key": thrown.correlation_key, "variables": thrown.variables,
        "message_id": thrown.message_id, "ttl": thrown.ttl,
    }  # fmt: skip
    jobs.schedule(work, "publish", work.now, element_id=thrown.element_id, payload=payload)


def _throw_signal(work, one, thrown, queue) -> None:
    payload = {"name": thrown.name, "variables": thrown.variables, "thrown_by": one.id}
    jobs.schedule(work, "broadcast", work.now, element_id=thrown.element_id, payload=payload)


def _throw_escalation(work, one, thrown, queue) -> None:
    if one.row["parent_id"]:
        caller = load(work, one.row["parent_id"])
        caller.execution.escalate(one.row["parent_token"], thrown.name, thrown.variables)
        queue.append(caller)


_THROW = {"message": _throw_message, "signal": _throw_signal, "escalation": _throw_escalation}


def _end(work, one: store.Loaded, queue: deque) -> None:
    variables = one.execution.variables()
    outcome = variables.get("outcome")
    _ended(work, one, "completed", outcome if isinstance(outcome, str) else None)
    _say(work, one, "case.completed", None, data={"ends": list(one.execution.ended_by), "outcome": one.row["outcome"]})
    if one.row["parent_id"]:
        caller = load(work, one.row["parent_id"])
        token = one.row["parent_token"]
        if token in caller.execution.waits:
            wait = caller.execution.waits[token]
            kept = {k: v for k, v in variables.items() if k not in GIVEN} if wait.propagate_all_child_variables else {}
            caller.execution.complete(token, kept)
            queue.append(caller)


def _ended(work, one: store.Loaded, state: str, outcome: str | None) -> None:
    store.change(work, one, state=state, ended_at=work.now, outcome=outcome[:40] if outcome else None)


# --- helpers ----------------------------------------------------------------------------------
def _conditions(work, process_key: str, values: dict[str, Any]) -> None:
    """Ask the decision that says whether this business may be started; each hit names a condition that is not met."""
    policy = work.policies.processes.get(process_key)
    if policy is None or not policy.start_decision:
        return
    asked = {**values, "starter": starter(work)}
    found = repository.decide(work, None, policy.start_decision, "latest", asked).json or []
    unmet = found if isinstance(found, list) else [found]
    if unmet:
        problems = [Problem(str(c.get("condition", "")), "start.condition", str(c.get("sentence", ""))) for c in unmet]
        raise Invalid("The case cannot be started: %(first)s", problems, first=str(problems[0]))


def starter(work) -> dict[str, Any] | None:
    """What a model knows of the person who starts a case; None when the platform itself does."""
    if work.actor.kind == "system":
        return None
    person = people.get(work, work.actor.for_id or work.actor.id)
    return {
        "id": person["id"], "name": person["name"], "login": person["login"], "kind": person["kind"],
        "department": person["department_key"], "manager": people.manager_of(work, person["id"]),
        "head": people.head_of(work, person["department_key"]) if person["department_key"] else None,
        "groups": sorted(work.actor.groups),
    }  # fmt: skip


def _begin(work, definition_row, variables: dict[str, Any], *, business_key=None, title=None, element_id=None,
           trigger: str | None = None, caller: store.Loaded | None = None, token: int | None = None) -> store.Loaded:  # fmt: skip
    new_id = work.new_id()
    process, world = _world_of(work, {"definition_id": definition_row["id"], "id": new_id})
    number = _number_within(work, caller) if caller else _number(work, definition_row["key"])
    row = _row(work, definition_row, new_id, number, business_key, caller, token)
    given = {"case": {"id": row["root_id"], "number": number.split("/")[0]}}
    given["starter"] = variables.get("starter") if caller else starter(work)
    row["title"] = title or _title(work, definition_row, {**variables, **given})
    execution = bpmn.start(process, world, {**variables, **given}, element_id=element_id, trigger=trigger)
    loaded = store.create(work, row, execution)
    _say(work, loaded, "case.started", None, data={
        "process": definition_row["key"], "version": definition_row["version"], "number": number,
        "variables": _unclassified(work, loaded, variables), "caller": caller.id if caller else None,
    })  # fmt: skip
    return loaded


def _row(work, definition_row, new_id, number, business_key, caller, token) -> dict[str, Any]:
    by_system = work.actor.kind == "system"
    by = caller.row["started_by"] if caller else None if by_system else work.actor.for_id or work.actor.id
    department = caller.row["starter_department"] if caller else work.actor.department_key
    return {
        "id": new_id, "number": number, "title": "", "process_key": definition_row["key"],
        "definition_id": definition_row["id"], "root_id": caller.row["root_id"] if caller else new_id,
        "parent_id": caller.id if caller else None, "parent_token": token,
        "depth": caller.row["depth"] + 1 if caller else 0, "state": caller.row["state"] if caller else "active",
        "outcome": None,
        "business_key": business_key, "started_by": by, "starter_department": department,
        "started_at": work.now, "ended_at": None, "due_at": None, "irreversible": False,
    }  # fmt: skip


def _number(work, process_key: str) -> str:
    """A number that people can say: the process's prefix, the local day, and a count within it."""
    policy = work.policies.processes.get(process_key)
    day = work.now.astimezone(work.calendar.zone).strftime("%Y%m%d")
    key = f"{policy.number_prefix if policy and policy.number_prefix else 'C'}{day}"
    bumped = work.execute(
        update(counter).where(counter.c.key == key).values(value=counter.c.value + 1).returning(counter.c.value)
    ).scalar()
    if bumped is None:
        work.execute(insert(counter), {"key": key, "value": 1})
        bumped = 1
    return f"{key}-{bumped:04d}"


def _number_within(work, caller: store.Loaded) -> str:
    """The number of a called instance: its case's, and which one of the case it is."""
    count = select(func.count()).where(instance.c.root_id == caller.row["root_id"])
    return f"{caller.row['number'].split('/')[0]}/{work.execute(count).scalar()}"


def _title(work, definition_row, variables: dict[str, Any]) -> str:
    policy = work.policies.processes.get(definition_row["key"])
    if policy and policy.title:
        said = feel.compile(policy.title).evaluate(variables, now=work.now)
        if isinstance(said, str) and said.strip():
            return said.strip()[:200]
    return definition_row["name"]


def _values(work, loaded: store.Loaded, row, form, answers: dict[str, Any]) -> dict[str, Any]:
    """The answers as the form allows them; of an ad-hoc choice what is to be begun next, or that all is done."""
    values = forms.check(form, answers, context=loaded.execution.visible(row["token"]), work=work) if form else {}
    wait = loaded.execution.waits.get(row["token"])
    if wait is not None and wait.kind == "adhoc":
        known = {element_id for element_id, _ in tasks.choices(work, row)}
        picked = [one for one in answers.get("activities") or [] if one in known]
        if not picked and answers.get("done") is not True:
            raise Invalid("Choose what is to be done next, or say that all is done.")
        values |= {"done": True} if answers.get("done") is True else {"activities": picked}
    return values


def _unclassified(work, loaded: store.Loaded, variables: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in variables.items() if name not in GIVEN}
    return forms.unclassified(work, loaded.row["root_id"], kept) if kept else kept


def _said(form, values: dict[str, Any], outcome: str | None) -> dict[str, Any]:
    """What the log keeps of an answer: everything but classified fields, of which it keeps that they were given."""
    hidden = {field.name for field in form.fields if field.classification in forms.CLASSIFIED} if form else set()
    answers = {name: forms.HIDDEN if name in hidden else value for name, value in values.items()}
    return {"answers": answers, "outcome": outcome, "opinion": values.get("opinion")}


def _by_whom(values: dict[str, Any], outcome: str | None, by: str) -> dict[str, Any]:
    """The answer with who gave it, so that models can tell one voter from another."""
    return values | {"completedBy": by} if outcome is not None else values


def _go_on(work, loaded: store.Loaded, row, values: dict[str, Any], outcome: str | None, by: str) -> None:
    """The decision stands: the token moves."""
    loaded.kinds.pop(row["token"], None)
    _copy(work, loaded, row, values)
    loaded.execution.complete(row["token"], _by_whom(values, outcome, by))
    settle(work, loaded)


def _wait_for_signers(work, row, form, values: dict[str, Any], outcome: str | None) -> bool:
    """Whether others are to sign after this decision. When time has run out, policy decides without them."""
    if not access.is_approval(work, row):
        return False
    if work.actor.kind == "system":
        signers.drop(work, row)
        return False
    if not signers.pending(work, row["id"], "after"):
        return False
    signers.sign(work, row, values, _said(form, values, outcome), outcome)
    return True


def _signers_moved(work, task_id: str) -> None:
    """One has answered or was taken out: the next is asked, and when all have signed the case goes on."""
    row = tasks.find(work, task_id)
    when = "after" if row["state"] == "signing" else "before"
    if signers.pending(work, task_id, when):
        signers.ask_next(work, row, when)
    elif row["state"] == "signing":
        _signed(work, row)


def _signed(work, row) -> None:
    """All have signed a decision that was made before: it is recorded in the name of who made it."""
    loaded = load(work, row["instance_id"])
    form = forms.load(work, row["form_digest"]) if row["form_digest"] else None
    values = row["draft"] or {}
    tasks.change(work, row, state="completed", closed_at=work.now, draft=None)
    work.record(
        "task.completed", actor_id=row["closed_by"], for_id=row["closed_for"], reason=values.get("reason"),
        data=_said(form, values, row["outcome"]), **tasks.place(row),
    )  # fmt: skip
    _go_on(work, loaded, row, values, row["outcome"], row["closed_for"] or row["closed_by"])


def _voters(work, loaded: store.Loaded, row) -> set[str | None]:
    """Who has still to vote beside this task, those in turn whose task is not open yet among them."""
    if signers.kind(work, row) == "single":
        return set()
    seen, world = loaded.execution.visible(row["token"]), _world_of(work, loaded.row)[1]
    return {signers.voter_of(work, row, item, seen, world) for item in loaded.execution.remaining(row["token"])}


def _take_out(work, loaded: store.Loaded, row, person_id: str) -> None:
    me, any_ = work.actor.for_id or work.actor.id, work.actor.may("tasks:modify")
    if row["token"] not in loaded.execution.waits:  # the vote is decided without the one who was taken out first
        return
    for one in loaded.execution.added(row["token"]):
        hers = one["note"]["person"] == person_id and (any_ or one["note"]["by"] == me)
        if hers and loaded.execution.remove_child(row["token"], one["item"]):
            return
    signers.refuse_missing(work, person_id)


def _copy(work, loaded: store.Loaded, row, values: dict[str, Any]) -> None:
    """Send the copies that the model asks for; when nobody can tell to whom, the decision stands all the same."""
    element = work.platform.element(work, row["definition_id"], row["element_id"])
    if element is None or element.copy_to is None:
        return
    variables = {**loaded.execution.visible(row["token"]), **values}
    try:
        copies.send_by_model(work, loaded.row, row, element.copy_to.json(variables, _world_of(work, loaded.row)[1]))
    except bpmn.ElementError as error:
        raise_incident(work, loaded.id, "expression", error.sentence, element_id=row["element_id"])


def _take_over_documents(work, loaded: store.Loaded, draft_id: str) -> None:
    work.execute(
        update(document)
        .where(document.c.draft_id == draft_id, document.c.by_id == work.actor.id)
        .values(instance_id=loaded.id, root_id=loaded.row["root_id"], draft_id=None)
    )


def _live(work, instance_id: str) -> store.Loaded:
    loaded = load(work, instance_id)
    if not access.may(work, "see", loaded.row, "instance"):
        raise NotFound("There is no such case.")
    if loaded.row["state"] not in ("active", "suspended"):
        raise Conflict("Case %(number)s has already ended.", number=loaded.row["number"])
    return loaded


def _if_live(work, instance_id: str | None) -> store.Loaded | None:
    """The instance if it is active; None when it has ended or is gone, for what comes late."""
    try:
        loaded = load(work, instance_id)
    except NotFound:
        return None
    return loaded if loaded.row["state"] == "active" else None


def _repairable(work, instance_id: str, reason: str) -> store.Loaded:
    tasks.need_reason(reason)
    loaded = _live(work, instance_id)
    access.require(work, "repair", "instance", loaded.row)
    return loaded


def _stop(work, loaded: store.Loaded, event_type: str, reason: str, outcome: str):
    tasks.need_reason(reason)
    loaded.execution.cancel()
    _say(work, loaded, event_type, reason)
    _ended(work, loaded, "cancelled", outcome)
    settle(work, loaded)
    _tell_caller(work, loaded)
    return loaded.row


def _tell_caller(work, ended: store.Loaded) -> None:
    """What called a process that was ended by hand would wait for ever: it becomes an incident there."""
    if ended.row["parent_id"]:
        caller = load(work, ended.row["parent_id"])
        if ended.row["parent_token"] in caller.execution.waits:
            caller.execution.fail(ended.row["parent_token"], "The called process was cancelled.")
            settle(work, caller)


#: whole sentences, so that no word of the database stands in a translated one
_RESTS = "Case %(number)s is already suspended."
_RUNS = "Case %(number)s is not suspended; it is running."


def _rest(work, instance_id, reason, was, becomes, job_was, job_becomes) -> None:
    loaded = _live(work, instance_id)
    verb = "suspend" if becomes == "suspended" else "resume"
    access.require(work, verb, "instance", loaded.row)
    tasks.need_reason(reason)
    if loaded.row["state"] != was:
        raise Conflict(_RESTS if becomes == "suspended" else _RUNS, number=loaded.row["number"])
    root = loaded.row["root_id"]
    for child_id in work.execute(
        select(instance.c.id).where(instance.c.root_id == root, instance.c.state == was)
    ).scalars():
        child = load(work, child_id)
        store.change(work, child, state=becomes)
        _say(work, child, f"case.{becomes if becomes == 'suspended' else 'resumed'}", reason)
        _hold_jobs(work, child_id, job_was, job_becomes)
    work.after_commit(lambda: work.platform.wake(work.now))


def _hold_jobs(work, instance_id: str, was: str, becomes: str) -> None:
    work.execute(update(job).where(job.c.instance_id == instance_id, job.c.state == was).values(state=becomes))


def _mend(work, loaded: store.Loaded, row, action: str, variables: dict[str, Any]) -> None:
    token = row["token"]
    if row["job_id"] and action == "retry":
        jobs.retry(work, row["job_id"])
    elif token is None or token not in loaded.execution.waits:
        return
    elif action == "skip" and row["job_id"]:
        loaded.execution.complete(token, variables)
    elif action == "skip":
        loaded.execution.skip(token, variables)
    else:
        loaded.execution.retry(token)


def _say(work, loaded: store.Loaded, event_type: str, reason: str | None, *, token=None, data=None) -> None:
    work.record(
        event_type, instance_id=loaded.id, root_id=loaded.row["root_id"], reason=reason, token=token, data=data
    )


def _deliver_to_waiting(
    work, name: str, correlation_key: str | None, variables: dict[str, Any]
) -> tuple[list[str], set[str]]:
    """(instances that got it, keys of their processes), one of each process."""
    reached: list[str] = []
    met: set[str] = set()
    for one in messages.receivers(work, name, correlation_key):
        key = load(work, one["instance_id"]).row["process_key"]
        if key not in met and deliver(work, one, variables):
            met.add(key)
            reached.append(one["instance_id"])
    return reached, met
