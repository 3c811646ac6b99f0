"""Who may do what with which thing.

`RULES` is the whole of it: for each kind of thing and each verb the conditions of which one must hold.
Verbs ask here themselves (`require`), pages ask beforehand (`may`, `why_not`), and lists are cut by
`visible_tasks` and `visible_instances` as conditions in SQL, which are also what "see" means for a
single row, so that a list and a page can never disagree. Separation of duties is read from the log and
not from roles: whoever started a case, decided earlier in it or is its subject is kept from the tasks
whose model says so, whether she comes herself, through a substitute or for somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import and_, exists, false, or_, select, true

from engine import people
from engine.errors import Conflict, Misconfigured, NotAllowed, Refused
from engine.schema import candidate, copy, department, document, event, instance, scope, task

LIVE = ("open", "claimed")
#: what tells in a model who may not decide; lint knows these words too
SEPARATION = "bizday:separation"
WORDS = ("not-starter", "not-subject", "not-previous", "not-same-level")
#: records that make somebody a decider
DECIDED = ("task.completed", "task.returned", "task.handed-back", "task.signed", "signer.answered")
#: an approval may be given to further signers, unless the model says "none"
APPROVAL, ADD_SIGNER = "bizday:approval", "bizday:addSigner"
#: states of a task from which somebody may still decide
PENDING = ("open", "claimed", "signing", "queued")


# --- asking -------------------------------------------------------------------------------------
def may(work, verb: str, thing: Any, kind: str | None = None) -> bool:
    """Whether this person may do `verb` with `thing`; `kind` is needed where the thing does not say it."""
    return why_not(work, verb, kind or _kind(thing), thing) is None


def require(work, verb: str, kind: str, thing: Any) -> None:
    """Raise NotAllowed when this person may not do `verb` with `thing`."""
    why = why_not(work, verb, kind, thing)
    if why is not None:
        raise why


def why_not(work, verb: str, kind: str, thing: Any) -> Refused | None:
    """Why this person may not do `verb` with `thing`, as the refusal to raise; None when she may."""
    rule = RULES.get((kind, verb))
    if rule is None:
        raise LookupError(f"no rule says who may {verb} a {kind}")
    if work.actor.kind == "system":
        return None
    conditions, sentence = rule
    if not any(condition(work, thing) for condition in conditions):
        return NotAllowed(sentence)
    if kind == "task" and verb in KEPT_APART:
        return _outside(work, thing) or _separated(work, thing, _hands(work))
    return None


def allowed(actor: people.Actor, permission: str) -> bool:
    """Whether a role of this person allows "resource:verb" (clause 2.2.1)."""
    return actor.may(permission)


def cleared(actor: people.Actor, classification: str | None) -> bool:
    """Whether this person may read fields of that class (clause 2.3.3)."""
    return actor.kind == "system" or (classification or "internal") in actor.clearance


def why_unfit(work, row, person_id: str) -> Refused | None:
    """Why a person may not be given a task: separation of duties, read for her as if she came herself."""
    if _is_signed(work, row) and person_id in voices(work, row):
        return NotAllowed(ONE_VOICE)
    return _separated(work, row, {person_id}, of="other")


def is_approval(work, row) -> bool:
    """Whether the model says that the task is an approval."""
    return _property(work, row, APPROVAL) == "true"


def why_not_signed(work, row) -> Refused | None:
    """Why nobody can be added as a signer of this task, whoever asks; None when the model allows it."""
    if row["added"]:
        return Conflict("Who was asked to sign cannot ask others in turn.")
    if not is_approval(work, row):
        return Conflict("'%(task)s' is no approval; signers are added to approvals only.", task=row["name"])
    if _property(work, row, ADD_SIGNER) == "none":
        return Conflict("The model allows no added signers at '%(task)s'.", task=row["name"])
    element = work.platform.element(work, row["definition_id"], row["element_id"])
    if element.loop is not None and element.loop.kind == "multi" and element.add_signer is None:
        return Conflict("The model does not say what an added voter of '%(task)s' counts for.", task=row["name"])
    return None


def voices(work, row) -> set[str]:
    """Who has a say at the same step besides this task: who decided there, and who still has a task of it."""
    here = task.c.element_id == row["element_id"] if _is_vote(work, row) else task.c.token == row["token"]
    others = select(task.c.assignee_id, task.c.owner_id).where(
        task.c.instance_id == row["instance_id"], here, task.c.id != row["id"], task.c.state.in_(PENDING)
    )
    return _persons([], work.execute(others)) | _decided_here(work, row)


# --- lists --------------------------------------------------------------------------------------
def visible_instances(work, table=instance):
    """The cases that this person may see, as a condition over `instance` (or an alias of it)."""
    if work.actor.kind == "system" or work.actor.may("cases:query"):
        return true()
    me = _me(work)
    ways = [table.c.started_by == me, _took_part(work, table)]
    if work.actor.kind == "employee":  # partners and visitors see only what is shared with them (clause 1.2)
        ways.append(exists().where(copy.c.root_id == table.c.root_id, copy.c.person_id == me).correlate(table))
    if _leads(work, me):
        ways.append(table.c.started_by.in_(people.subordinates(work, me)))
    owned = _owned_processes(work)
    if owned:
        ways.append(table.c.process_key.in_(owned))
    return _within_substitution(work, table, or_(*ways))


def visible_tasks(work):
    """The tasks that this person may see, as a condition over `task`: those of the cases that she may see."""
    if work.actor.kind == "system" or work.actor.may("cases:query") or work.actor.may("tasks:query"):
        return true()
    of = instance.alias("instance_of_task")
    return exists().where(of.c.id == task.c.instance_id, visible_instances(work, of)).correlate(task)


def _took_part(work, table):
    """A task of the case is or was hers, or waits for somebody like her."""
    one, asked, me = task.alias("task_of_case"), candidate.alias("asked"), _me(work)
    hers = or_(one.c.assignee_id == me, one.c.owner_id == me, one.c.closed_by == me, one.c.closed_for == me)
    able = exists().where(asked.c.task_id == one.c.id, _is_asked(work, asked))
    waits = and_(one.c.state.in_(LIVE), able)
    return exists().where(one.c.root_id == table.c.root_id, or_(hers, waits)).correlate(table)


def _is_asked(work, table):
    groups = sorted(work.actor.for_groups if work.actor.for_id else work.actor.groups)
    by_group = and_(table.c.kind == "group", table.c.ref.in_(groups)) if groups else false()
    return or_(by_group, and_(table.c.kind == "person", table.c.ref == _me(work)))


def _within_substitution(work, table, condition):
    """A substitute for one process sees nothing of the others."""
    processes = work.actor.for_processes
    if work.actor.for_id is None or processes is None:
        return condition
    of_process = table.c.process_key.in_(sorted(processes))
    roots = instance.alias("root_of_case")
    called = exists().where(roots.c.id == table.c.root_id, roots.c.process_key.in_(sorted(processes)))
    return and_(condition, or_(of_process, called.correlate(table)))


def _leads(work, me: str) -> bool:
    """Whether anyone may be below her at all, so that others are spared the question."""
    key = ("access.leads", me)
    if key not in work.memory:
        heads = select(department.c.key).where(department.c.head_id == me)
        manages = select(people.person.c.id).where(people.person.c.manager_id == me)
        work.memory[key] = bool(work.execute(heads.limit(1)).first() or work.execute(manages.limit(1)).first())
    return work.memory[key]


def _owned_processes(work) -> list[str]:
    return [key for key, one in work.policies.processes.items() if one.owner in work.actor.groups]


# --- conditions: (work, thing) -> bool ----------------------------------------------------------
Condition = Callable[[Any, Any], bool]


def holds(work, row) -> bool:
    """The task is hers."""
    return row["assignee_id"] is not None and row["assignee_id"] == _me(work)


def is_candidate(work, row) -> bool:
    """Nobody has the task yet and she is one of those who may claim it."""
    return row["assignee_id"] is None and was_asked(work, row)


def was_asked(work, row) -> bool:
    """She is one of those whom the task was offered to, whoever has it now."""
    asked = select(candidate.c.ref).where(candidate.c.task_id == row["id"], _is_asked(work, candidate))
    return work.execute(asked.limit(1)).first() is not None


def owns_delegated(work, row) -> bool:
    """She delegated the task and waits for it to come back."""
    return row["owner_id"] is not None and row["owner_id"] == _me(work)


def sees_task(work, row) -> bool:
    if holds(work, row):
        return True
    return work.execute(select(task.c.id).where(task.c.id == row["id"], visible_tasks(work))).first() is not None


def sees_instance(work, row) -> bool:
    if row["started_by"] is not None and row["started_by"] == _me(work) and work.actor.for_id is None:
        return True
    seen = select(instance.c.id).where(instance.c.id == row["id"], visible_instances(work))
    return work.execute(seen).first() is not None


def sees_case_of(work, row) -> bool:
    """For what hangs on a case: comments, incidents, documents."""
    case_id = row["instance_id"] or row["root_id"]
    if not case_id:
        return False
    seen = select(instance.c.id).where(instance.c.id == case_id, visible_instances(work))
    return work.execute(seen).first() is not None


def started(work, row) -> bool:
    """The case of this task or instance is hers."""
    by = row["started_by"] if "started_by" in row.keys() else _starter(work, row["instance_id"])
    return by is not None and by == _me(work) and _covers(work, row)


def leads_starter(work, row) -> bool:
    """She is above whoever started the case."""
    by = row["started_by"] if "started_by" in row.keys() else _starter(work, row["instance_id"])
    return by is not None and people.subordinate(work, _me(work), by)


def works_on(work, row) -> bool:
    """An open task of the case is hers or may become hers."""
    able = exists().where(candidate.c.task_id == task.c.id, _is_asked(work, candidate))
    hers = or_(task.c.assignee_id == _me(work), task.c.owner_id == _me(work), able)
    open_one = select(task.c.id).where(task.c.root_id == row["root_id"], task.c.state.in_(LIVE), hers)
    return work.execute(open_one.limit(1)).first() is not None


def may_start(work, process_key: str) -> bool:
    """Policy names a group of hers as one that starts it; a process without policy is for who enters cases."""
    policy = work.policies.processes.get(process_key)
    if policy is None:
        return work.actor.may("cases:enter")
    groups = work.actor.for_groups if work.actor.for_id else work.actor.groups
    processes = work.actor.for_processes
    return bool(groups.intersection(policy.groups)) and (processes is None or process_key in processes)


def is_self(work, row) -> bool:
    return row is not None and row["id"] == work.actor.id


def is_inside(work, thing) -> bool:
    """An employee; partners and visitors see only what is shared with them (clause 1.2)."""
    return work.actor.kind == "employee"


def made_it(work, row) -> bool:
    return row["by_id"] == work.actor.id


def made_draft(work, row) -> bool:
    """A paper that hangs on no case yet is its author's alone."""
    return made_it(work, row) and row["root_id"] is None


def owns_data(work, data_set) -> bool:
    return data_set.owner in work.actor.groups or data_set.owner == work.actor.login


def anyone(work, thing) -> bool:
    return True


def role(permission: str) -> Condition:
    """A condition: a role of hers allows "resource:verb"."""

    def has_role(work, thing) -> bool:
        return work.actor.may(permission)

    return has_role


# --- the rules ----------------------------------------------------------------------------------
_NOT_YOURS = "This task is not yours to do."
_NOT_SEEN = "This case is not one that you may see."
_NOT_ROLE = "Your role does not allow this."

#: (kind, verb) -> (conditions of which one must hold, what to say when none does)
RULES: dict[tuple[str, str], tuple[tuple[Condition, ...], str]] = {
    ("task", "see"): ((sees_task,), "This task is not one that you may see."),
    ("task", "claim"): ((is_candidate,), "You are not one of those who may claim this task."),
    ("task", "complete"): ((holds, is_candidate), _NOT_YOURS),
    ("task", "return"): ((holds, is_candidate), _NOT_YOURS),
    ("task", "release"): ((holds, role("tasks:modify")), _NOT_YOURS),
    ("task", "transfer"): ((holds, owns_delegated, role("tasks:modify")), "Only who holds this task may pass it on."),
    ("task", "delegate"): ((holds,), "Only who holds this task may delegate it."),
    ("task", "add_signer"): ((holds,), "Only who holds this task may add signers to it."),
    ("task", "remove_signer"): ((holds, role("tasks:modify")), "Only who holds this task may take signers out again."),
    ("task", "answer"): ((holds,), "Nobody asked you to sign this."),
    ("task", "comment"): ((sees_task,), _NOT_SEEN),
    ("task", "attach"): ((holds, is_candidate, started), "Only who works on this task or started it may attach to it."),
    ("task", "urge"): (
        (started, leads_starter, owns_delegated, role("tasks:modify")),
        "Only who started the case or is above her may urge.",
    ),
    ("instance", "see"): ((sees_instance,), _NOT_SEEN),
    ("instance", "comment"): ((sees_instance,), _NOT_SEEN),
    ("instance", "copy"): ((sees_instance,), _NOT_SEEN),
    ("instance", "attach"): ((started, works_on), "Only who started the case or works on it may attach to it."),
    ("instance", "export"): ((role("cases:query"), started), "Only who started the case or may query all may export it."),
    ("instance", "withdraw"): ((started,), "Only who started the case may withdraw it."),
    ("instance", "cancel"): ((role("cases:delete"),), "Your role does not allow to end cases of others."),
    ("instance", "suspend"): ((role("cases:modify"),), "Your role does not allow to suspend cases."),
    ("instance", "resume"): ((role("cases:modify"),), "Your role does not allow to resume cases."),
    ("instance", "repair"): ((role("incidents:modify"),), "Your role does not allow to repair cases."),
    ("instance", "verify"): ((role("log:query"), sees_instance), _NOT_SEEN),
    ("process", "start"): ((may_start,), "You may not start this kind of case."),
    ("process", "see"): ((anyone,), _NOT_ROLE),
    ("definition", "see"): ((is_inside,), _NOT_ROLE),
    ("definition", "deploy"): ((role("definitions:enter"),), "Your role does not allow to publish processes."),
    ("definition", "draft"): ((role("definitions:enter"),), "Your role does not allow to draw processes."),
    ("definition", "retire"): ((role("definitions:modify"),), "Your role does not allow to retire processes."),
    ("document", "see"): ((made_draft, sees_case_of), "This document is not one that you may see."),
    ("document", "remove"): ((made_it, role("cases:delete")), "Only who attached the document may remove it."),
    ("comment", "see"): ((sees_case_of,), _NOT_SEEN),
    ("incident", "see"): ((role("incidents:query"), sees_case_of), _NOT_SEEN),
    ("incident", "resolve"): ((role("incidents:modify"),), "Your role does not allow to settle incidents."),
    ("job", "see"): ((role("jobs:query"),), _NOT_ROLE),
    ("job", "retry"): ((role("jobs:modify"),), _NOT_ROLE),
    ("person", "see"): ((is_self, is_inside, role("people:query")), _NOT_ROLE),
    ("person", "add"): ((role("people:enter"),), _NOT_ROLE),
    ("person", "change"): ((role("people:modify"),), _NOT_ROLE),
    ("person", "deactivate"): ((role("people:delete"),), _NOT_ROLE),
    ("person", "grant"): ((role("groups:modify"),), _NOT_ROLE),
    ("organisation", "see"): ((role("people:query"),), _NOT_ROLE),
    ("organisation", "change"): ((role("people:modify"),), _NOT_ROLE),
    ("platform", "see"): ((role("platform:query"),), _NOT_ROLE),
    ("platform", "administer"): ((role("platform:modify"),), _NOT_ROLE),
    ("platform", "publish"): ((role("messages:enter"),), "Your role does not allow to send messages to cases."),
    ("platform", "announce"): ((role("platform:enter"),), _NOT_ROLE),
    ("platform", "verify"): ((role("log:query"),), "Your role does not allow to read the log."),
    ("platform", "seal"): ((role("log:enter"),), _NOT_ROLE),
    ("platform", "report"): ((role("reports:query"),), "Your role does not allow to see reports."),
    ("policy", "see"): ((role("policies:query"),), _NOT_ROLE),
    ("data_set", "see"): ((is_inside, role("data-sets:query")), _NOT_ROLE),
    ("data_set", "request"): ((anyone,), _NOT_ROLE),
    ("data_set", "decide"): ((owns_data,), "Only the owner of the data decides about it."),
}

#: verbs on a task from which the model may keep people apart
KEPT_APART = frozenset({"claim", "complete", "return", "delegate", "answer"})


# --- separation of duties -----------------------------------------------------------------------
def separation_of(work, row) -> tuple[str, ...]:
    """What the model says of who may not decide this task; the element's properties come from the repository."""
    return tuple(word.strip() for word in _property(work, row, SEPARATION).split(",") if word.strip())


def _property(work, row, name: str) -> str:
    element = work.platform.element(work, row["definition_id"], row["element_id"])
    return (element.properties.get(name) or "") if element is not None else ""


def _separated(work, row, hands: set[str], of: str = "self") -> Refused | None:
    """Why one of `hands` (who comes, and for whom) may not decide this task; None when all may."""
    for word in separation_of(work, row):
        name, _, argument = word.partition("=")
        if name not in _KEPT:
            raise Misconfigured(
                "Element '%(element)s' has '%(word)s' for %(property)s; known are: %(known)s.",
                element=row["element_id"], word=word, property=SEPARATION, known=", ".join(WORDS),
            )  # fmt: skip
        keep_out, own, other = _KEPT[name]
        if hands & keep_out(work, row, argument):
            return NotAllowed(own if of == "self" else other)
    return _twice(work, row, hands)


ONE_VOICE = "That person decides at this step already; nobody has two voices."


def _twice(work, row, hands: set[str]) -> Refused | None:
    """Where signers were added nobody decides a second time, and nobody signs what she asked others to sign."""
    if not _is_signed(work, row):
        return None
    if hands & _decided_here(work, row):
        return NotAllowed(_KEPT["not-same-level"][1])
    if row["parent_id"]:
        asked = select(task.c.assignee_id, task.c.owner_id).where(task.c.id == row["parent_id"])
        if hands & _persons([], work.execute(asked)):
            return NotAllowed("Nobody signs what she asked others to sign, nor for whom she asked.")
    return None


def _is_signed(work, row) -> bool:
    """Whether somebody was added at this step since it was last entered."""
    if row["added"]:
        return True
    if not is_approval(work, row):
        return False
    told = select(event.c.seq).where(*_here(work, row), event.c.type == "signer.added")
    return work.execute(told.limit(1)).first() is not None


def _decided_here(work, row) -> set[str]:
    """Who decided another task of the step that is open now, in whose name, and who worked on it for her."""
    told = select(event.c.actor_id, event.c.for_id).where(
        *_here(work, row), event.c.type.in_(DECIDED), event.c.task_id != row["id"]
    )
    return _persons([], work.execute(told))


def _here(work, row) -> list:
    """Records of the step that is open now, as conditions: a vote's since it was opened, else those of its token."""
    if not _is_vote(work, row):
        return [event.c.stream == row["instance_id"], event.c.token == row["token"]]
    at = (event.c.stream == row["instance_id"], event.c.element_id == row["element_id"])
    ended = select(event.c.seq, event.c.data).where(*at, event.c.type == "element.completed").order_by(event.c.seq.desc())
    before = next((one.seq for one in work.execute(ended) if "loopCounter" not in one.data), 0)  # not of a single vote
    return [*at, event.c.seq > max(before, _entered(work, row))]


def _is_vote(work, row) -> bool:
    element = work.platform.element(work, row["definition_id"], row["element_id"])
    return element is not None and element.loop is not None and element.loop.kind == "multi"


def _entered(work, row) -> int:
    """The record after which the step was last entered: the last return of its case."""
    returned = select(event.c.seq).where(event.c.stream == row["instance_id"], event.c.type == "task.returned")
    return work.execute(returned.order_by(event.c.seq.desc()).limit(1)).scalar() or 0


def _starters(work, row, argument: str) -> set[str]:
    """Who started the case, in whose name, and who did it for her."""
    root = row["root_id"]
    by = work.execute(select(instance.c.started_by).where(instance.c.id.in_([root, row["instance_id"]]))).scalars()
    told = select(event.c.actor_id, event.c.for_id).where(
        event.c.stream == root, event.c.type == "case.started"
    )
    return _persons([*by], work.execute(told))


def _subjects(work, row, argument: str) -> set[str]:
    """Whom the case is about: the variable `subject`, a person's id or a list of them."""
    variables = work.execute(
        select(scope.c.variables).where(scope.c.instance_id == row["instance_id"], scope.c.id == 0)
    ).scalar()
    subject = (variables or {}).get("subject")
    return set(subject) if isinstance(subject, list) else {subject} - {None}


def _deciders(work, row, element_id: str) -> set[str]:
    """Who decided at an earlier element of the case, in whose name, and who worked on it for her."""
    told = select(event.c.actor_id, event.c.for_id).where(
        event.c.root_id == row["root_id"], event.c.element_id == element_id, event.c.type.in_(DECIDED)
    )
    return _persons([], work.execute(told))


def _same_level(work, row, argument: str) -> set[str]:
    """Who decided another task of the same element since it was last entered: one voice each."""
    if row["state"] not in LIVE:
        return set()
    since = _entered(work, row)
    told = select(event.c.actor_id, event.c.for_id).where(
        event.c.stream == row["instance_id"], event.c.element_id == row["element_id"], event.c.seq > since,
        event.c.type.in_(DECIDED), event.c.task_id != row["id"],
    )  # fmt: skip
    return _persons([], work.execute(told))


#: word -> (who is kept out, what she is told, what is told of somebody else)
_KEPT = {
    "not-starter": (
        _starters,
        "Nobody decides on her own request: you started this case or act for who did.",
        "That person started the case; nobody decides on her own request.",
    ),
    "not-subject": (
        _subjects,
        "Nobody decides about herself: this case is about you or about whom you act for.",
        "The case is about that person; nobody decides about herself.",
    ),
    "not-previous": (
        _deciders,
        "You or whom you act for decided in this case before; the second decision is somebody else's.",
        "That person decided in this case before; the second decision is somebody else's.",
    ),
    "not-same-level": (
        _same_level,
        "You or whom you act for have already decided at this level.",
        "That person has already decided at this level.",
    ),
}


# --- helpers ------------------------------------------------------------------------------------
def _kind(thing: Any) -> str:
    """A row that has a form is a task, one that has a process and a number is a case."""
    keys = thing.keys() if hasattr(thing, "keys") else ()
    for kind, column in (("task", "form_digest"), ("instance", "business_key"), ("document", "digest")):
        if column in keys:
            return kind
    raise LookupError("say which kind of thing this is")


def _me(work) -> str:
    """In whose name she comes."""
    return work.actor.for_id or work.actor.id


def _hands(work) -> set[str]:
    """Everybody whose hands are in this: she herself, and whom she acts for."""
    return _persons([], [(work.actor.id, work.actor.for_id)])


def _persons(some: list, pairs) -> set[str]:
    found = {person_id for pair in pairs for person_id in pair} | set(some)
    return found - {None, people.SYSTEM.id}


def _starter(work, instance_id: str) -> str | None:
    return work.execute(select(instance.c.started_by).where(instance.c.id == instance_id)).scalar()


def _covers(work, row) -> bool:
    """Whether the substitution, if she acts for somebody, is for this process."""
    processes = work.actor.for_processes
    if work.actor.for_id is None or processes is None or row["process_key"] in processes:
        return True
    root = select(instance.c.process_key).where(instance.c.id == row["root_id"])
    return work.execute(root).scalar() in processes


def _outside(work, row) -> Refused | None:
    if _covers(work, row):
        return None
    return NotAllowed("You do not stand in for that person in this process.")


def document_row(work, document_id: str):
    """A document's row whoever asks; rooms above ask the rules themselves."""
    return work.one(select(document).where(document.c.id == document_id))
