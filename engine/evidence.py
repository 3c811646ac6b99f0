"""Evidence: what a compliance officer asks, answered from what ran.

For a clause of the regulation: which processes, elements, policies and pages carry it out, in which
version, and how often they did so in the last year. For a case: which clauses it fulfilled, whether its
executed path is one that its model allows, and what people changed by hand on the way. For the company:
who did what when, searched in the log and cut to what the reader may see. Everything here only reads;
the one thing that it writes down is that the log was verified, and with what result.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select

from engine import access, cases, history, people, repository
from engine.errors import NotFound, Problem
from engine.policies import Clause
from engine.schema import event, instance, person, task
from engine.tasks import Page

#: evidence of a clause is counted over this time
YEAR = timedelta(days=365)
#: records by which a person with a role and a reason left what the model would have done by itself
BY_HAND = ("token.moved", "task.returned", "case.migrated", "variables.corrected", "incident.resolved")


# --- clauses ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ProcessEvidence:
    """How a process carried a clause out since `since`."""

    key: str
    name: str
    #: newest version; None when it is not deployed
    version: int | None
    definition_id: str | None
    running: int
    ended: int
    #: tasks of people that were done, and those of them that were done in time
    tasks: int
    in_time: int

    @property
    def share(self) -> float | None:
        """Share of tasks done in time, in per cent; None when none was done."""
        return 100 * self.in_time / self.tasks if self.tasks else None


@dataclass(frozen=True)
class ElementEvidence:
    """How often an element of a model did its work."""

    process_key: str
    element_id: str
    name: str
    done: int
    last: datetime | None
    #: whether the newest version of the model still has it
    exists: bool


@dataclass(frozen=True)
class ClauseEvidence:
    """A clause with what carries it out."""

    clause: Clause
    since: datetime
    processes: tuple[ProcessEvidence, ...]
    elements: tuple[ElementEvidence, ...]
    #: file name -> version, None for a file that is not there
    policies: dict[str, str | None]


def clause(work, clause_id: str) -> ClauseEvidence:
    """One clause with its live evidence. Raises NotFound, and NotAllowed for who may not read policies."""
    access.require(work, "see", "policy", None)
    found = work.policies.clause(clause_id)
    if found is None:
        raise NotFound("The regulation has no clause %(clause)s.", clause=clause_id)
    since, control = work.now - YEAR, found.control
    named = {one.partition(":")[0] for one in control["elements"]}
    deployed = _deployed(work, {*control["processes"], *named})
    return ClauseEvidence(
        found, since, tuple(_of_processes(work, control["processes"], deployed, since)),
        tuple(_of_elements(work, control["elements"], deployed, since)),
        {name: work.policies.versions.get(name) for name in control["policies"]},
    )  # fmt: skip


def _deployed(work, keys: Iterable[str]) -> dict[str, Any]:
    return {row["key"]: row for row in repository.definitions(work) if row["key"] in set(keys)}


def _of_processes(work, keys: tuple[str, ...], deployed: dict, since: datetime) -> Iterator[ProcessEvidence]:
    counted = {row["process_key"]: row for row in work.all(_instances(keys, since))}
    done = {row["process_key"]: row for row in work.all(_tasks(keys, since))}
    for key in keys:
        row, cases_, tasks_ = deployed.get(key), counted.get(key), done.get(key)
        policy = work.policies.processes.get(key)
        yield ProcessEvidence(
            key, policy.name if policy else key, row["version"] if row else None, row["id"] if row else None,
            int(cases_["running"] or 0) if cases_ else 0, int(cases_["ended"] or 0) if cases_ else 0,
            tasks_["done"] if tasks_ else 0, int(tasks_["in_time"] or 0) if tasks_ else 0,
        )  # fmt: skip


def _instances(keys: Iterable[str], since: datetime):
    running = func.sum(case((instance.c.ended_at.is_(None), 1), else_=0)).label("running")
    ended = func.sum(case((instance.c.ended_at >= since, 1), else_=0)).label("ended")
    return (
        select(instance.c.process_key, running, ended)
        .where(instance.c.process_key.in_(list(keys)))
        .group_by(instance.c.process_key)
    )


def _tasks(keys: Iterable[str], since: datetime):
    kept = or_(task.c.due_at.is_(None), task.c.closed_at <= task.c.due_at)
    return (
        select(task.c.process_key, func.count().label("done"), func.sum(case((kept, 1), else_=0)).label("in_time"))
        .where(task.c.process_key.in_(list(keys)), task.c.state == "completed", task.c.closed_at >= since)
        .group_by(task.c.process_key)
    )


def _of_elements(work, named: tuple[str, ...], deployed: dict, since: datetime) -> Iterator[ElementEvidence]:
    pairs = [tuple(one.split(":", 1)) for one in named]
    counted = {(row["process_key"], row["element_id"]): row for row in work.all(_completions(pairs, since))}
    for key, element_id in pairs:
        row = deployed.get(key)
        element = repository.element(work, row["id"], element_id) if row else None
        told = counted.get((key, element_id))
        yield ElementEvidence(
            key, element_id, (element.name or element_id) if element else element_id,
            told["done"] if told else 0, told["last"] if told else None, element is not None,
        )  # fmt: skip


def _completions(pairs: list, since: datetime):
    return (
        select(instance.c.process_key, event.c.element_id, func.count().label("done"),
               func.max(event.c.at).label("last"))
        .join(instance, instance.c.id == event.c.stream)
        .where(event.c.type == "element.completed", event.c.at >= since)
        .where(event.c.element_id.in_([element for _, element in pairs]))
        .group_by(instance.c.process_key, event.c.element_id)
    )  # fmt: skip


# --- policies -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class PolicyFile:
    """A policy as it stands in its file, and whether that is what the platform works by."""

    name: str
    text: str
    #: what the platform read when it was opened
    version: str
    #: False when the file was changed since: it holds from the next start on
    in_force: bool


def policy(work, name: str) -> PolicyFile:
    """The text of one policy file. Raises NotFound for a name that is none."""
    access.require(work, "see", "policy", None)
    version = work.policies.versions.get(name)
    if version is None:
        raise NotFound("There is no policy file '%(file)s'.", file=name)
    data = (work.platform.settings.home / "policies" / name).read_bytes()
    return PolicyFile(name, data.decode("utf-8"), version, hashlib.sha256(data).hexdigest().startswith(version))


# --- the log ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Asked:
    """What is looked for in the log."""

    who: str | None = None
    #: a type "task.completed", or a subject with its dot: "task."
    what: str = ""
    case_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def trail(work, asked: Asked, *, page: int = 1, size: int = 100) -> Page:
    """Who did what when, newest first: the platform's own records, and those of the cases that this person may see.

    Raises NotAllowed for who may not read the log.
    """
    access.require(work, "verify", "platform", None)
    where = [_readable(work), *_asked(asked)]
    doer, other = person.alias("doer"), person.alias("other")
    rows = work.all(
        select(event, instance.c.number, doer.c.name.label("actor_name"), other.c.name.label("for_name"),
               task.c.name.label("task_name"))
        .outerjoin(instance, instance.c.id == event.c.stream)
        .outerjoin(doer, doer.c.id == event.c.actor_id)
        .outerjoin(other, other.c.id == event.c.for_id)
        .outerjoin(task, task.c.id == event.c.task_id)
        .where(*where)
        .order_by(event.c.at.desc(), event.c.stream.desc(), event.c.seq.desc())
        .limit(size).offset((page - 1) * size)
    )  # fmt: skip
    counted = select(func.count()).select_from(event.outerjoin(instance, instance.c.id == event.c.stream))
    return Page(rows, work.execute(counted.where(*where)).scalar(), page, size, {})


def _readable(work):
    return or_(event.c.stream == history.PLATFORM, instance.c.id.is_not(None) & access.visible_instances(work))


def _asked(asked: Asked) -> Iterator:
    if asked.who:
        yield or_(event.c.actor_id == asked.who, event.c.for_id == asked.who)
    if asked.what.endswith("."):
        yield event.c.type.startswith(asked.what, autoescape=True)
    elif asked.what:
        yield event.c.type == asked.what
    if asked.case_id:
        yield event.c.root_id == asked.case_id
    if asked.since:
        yield event.c.at >= asked.since
    if asked.until:
        yield event.c.at <= asked.until


def verified(work, report: history.Report, scope: str) -> None:
    """Write down that the log was verified; `scope` is "platform" or a case's number."""
    access.require(work, "verify", "platform", None)
    said = {"scope": scope, "chains": report.streams, "records": report.events, "faults": len(report.faults)}
    work.record("log.verified", data=said)


def verifications(work, limit: int = 10) -> list:
    """When the log was sealed or verified last, by whom and with what result."""
    access.require(work, "verify", "platform", None)
    return work.all(
        select(event.c.at, event.c.type, event.c.data, person.c.name.label("actor_name"))
        .outerjoin(person, person.c.id == event.c.actor_id)
        .where(event.c.stream == history.PLATFORM, event.c.type.in_(("log.sealed", "log.verified")))
        .order_by(event.c.seq.desc()).limit(limit)
    )  # fmt: skip


def numbers(work, streams: Iterable[str]) -> dict[str, Any]:
    """Instance id -> its row, for those of some chains that belong to cases this person may see."""
    wanted = instance.c.id.in_(list(streams))
    return {row["id"]: row for row in work.all(select(instance).where(wanted, access.visible_instances(work)))}


def verify_case(work, root_id: str) -> history.Report:
    """Walk the chains of a case and of everything that it called. Raises NotAllowed."""
    access.require(work, "verify", "instance", cases.one(work, root_id))
    reports = [history.verify(work, row["id"]) for row in cases.family(work, root_id)]
    faults = tuple(fault for report in reports for fault in report.faults)
    return history.Report(len(reports), sum(report.events for report in reports), faults)


# --- conformance --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Conformance:
    """Whether an instance went where its model leads (clause 2.3.1)."""

    instance: Any
    #: "conforms", "by hand" when people left the model with a role and a reason, "deviates" when nothing explains it
    verdict: str
    #: steps of the path that were checked
    steps: int
    #: what no arrow of the model and no record of a person explains
    problems: tuple[Problem, ...]
    #: records of people who left the model
    by_hand: tuple[Any, ...]


def conformance(work, root_id: str) -> list[Conformance]:
    """Each instance of a case replayed on the version of the model that it ran on. Raises NotFound."""
    cases.one(work, root_id)
    return [_replayed(work, row) for row in cases.family(work, root_id)]


def _replayed(work, row) -> Conformance:
    told = work.all(
        select(event, person.c.name.label("actor_name"))
        .outerjoin(person, person.c.id == event.c.actor_id)
        .where(event.c.stream == row["id"], event.c.type.in_((*history.PATH, *BY_HAND)))
        .order_by(event.c.seq)
    )
    by_hand = tuple(one for one in told if one["type"] in BY_HAND)
    first = next((one["data"]["old"] for one in told if one["type"] == "case.migrated"), row["definition_id"])
    replay = Replay(repository.process(work, first))
    for one in told:
        if one["type"] == "case.migrated":
            replay.change_model(repository.process(work, one["data"]["new"]), one["data"].get("mapping") or {})
        else:
            replay.take(one)
    verdict = "deviates" if replay.problems else "by hand" if by_hand else "conforms"
    return Conformance(row, verdict, replay.steps, tuple(replay.problems), by_hand)


@dataclass
class Replay:
    """The path of an instance walked again on its model: every step must have been led to."""

    process: Any
    steps: int = 0
    problems: list[Problem] = field(default_factory=list)
    #: element -> how often an arrow or a person led to it, and how often it was done
    led: Counter = field(default_factory=Counter)
    done: Counter = field(default_factory=Counter)
    #: elements that were done, from which arrows may be taken
    seen: set[str] = field(default_factory=set)

    def take(self, record) -> None:
        """One record of the path."""
        kind, element_id = record["type"], record["element_id"]
        if kind in ("token.moved", "task.returned"):
            self._led_by_hand(record["data"].get("to"))
        elif kind == "flow.taken":
            self._flow(record, element_id)
        elif kind in ("element.activated", "element.completed"):
            self._element(record, element_id, kind)

    def change_model(self, process, mapping: dict[str, str]) -> None:
        """From here on the case ran on another version; elements may have another name there."""
        self.process = process
        self.led = Counter({mapping.get(key, key): count for key, count in self.led.items()})
        self.done = Counter({mapping.get(key, key): count for key, count in self.done.items()})
        self.seen = {mapping.get(key, key) for key in self.seen}

    def _led_by_hand(self, element_id: str) -> None:
        """A person led the case here; what stands inside a sub-process is entered through it."""
        element = self.process.elements.get(element_id)
        while element is not None:
            self.led[element.id] += 1
            element = element.parent

    def _flow(self, record, source_id: str) -> None:
        self.steps += 1
        flow = self.process.flows.get(record["data"].get("flow"))
        if flow is None:
            self._wrong(record, "conformance.no-arrow", "The model has no such arrow: '%(flow)s'.",
                        flow=str(record["data"].get("flow")))  # fmt: skip
            return
        if flow.source.id != source_id:
            self._wrong(record, "conformance.arrow", "This arrow does not begin at this element.")
        elif source_id not in self.seen:
            self._wrong(record, "conformance.left", "It was left before it was done.")
        self.led[flow.target.id] += 1

    def _element(self, record, element_id: str, kind: str) -> None:
        self.steps += 1
        element = self.process.elements.get(element_id)
        if element is None:
            self._wrong(record, "conformance.no-element", "The model has no such element.")
            return
        repeated = "loopCounter" in record["data"] or "compensation" in record["data"]
        if kind == "element.completed":
            self.seen.add(element_id)
            self.done[element_id] += 0 if repeated else 1
        if element.incoming and not repeated and self.led[element_id] < max(1, self.done[element_id]):
            self._wrong(record, "conformance.not-led", "No arrow was taken to it and nobody moved the case here.")

    def _wrong(self, record, rule: str, sentence: str, **params: str) -> None:
        said = {"seq": str(record["seq"]), **params}
        self.problems.append(Problem(record["element_id"] or "", rule, sentence, params=tuple(said.items())))


def fulfilled(work, root_id: str) -> list[tuple[Clause, list[str]]]:
    """Clauses that a case fulfilled so far, each with the elements of it that did so (their ids)."""
    family = {row["id"]: row["process_key"] for row in cases.family(work, root_id)}
    done = work.execute(
        select(event.c.stream, event.c.element_id).distinct()
        .where(event.c.root_id == root_id, event.c.type == "element.completed")
    )  # fmt: skip
    went = {f"{family[row.stream]}:{row.element_id}" for row in done if row.stream in family}
    processes = set(family.values())
    found = []
    for one in work.policies.regulation:
        elements = [name for name in one.control["elements"] if name in went]
        whole = processes.intersection(one.control["processes"]) and not one.control["elements"]
        if elements or whole:
            found.append((one, elements))
    return found


def owner_name(work, clause_: Clause) -> str:
    """The name of the group that answers for a clause (clause 5.1.2)."""
    group = work.policies.access.groups.get(clause_.owner)
    return group.name if group else clause_.owner


def owners(work, clause_: Clause) -> list:
    """Who is in that group now."""
    access.require(work, "see", "policy", None)
    return people.members(work, clause_.owner)
