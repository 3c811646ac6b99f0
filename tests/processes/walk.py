"""Walks a case as its people would: each completes what waits for her, by login.

A walk is a table of steps `(who, where, what)`: a login, an element id and the answers; `HOLDER` as the who is
whoever holds the task. `CLOCK` moves time by `what`; `MESSAGE` publishes the message that `where` names with
`what`; `WITHDRAW` takes the case back for the login `where` with the reason `what`, `SAYS` is a comment of hers;
`AROUND` calls `where(work, *what)` as the platform, for what changes around a case. A `Paper` among the answers is
attached to the task and its id put in its place. Each step takes a second, and after it the worker does all that
is due. A walk remembers the sequence flows that were taken, so that a test can ask whether every branch of a model
was walked; `intact` asks whether its log is whole and whether it went where its models lead.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from engine import bpmn, documents, evidence, forms, history, people, runtime, tasks
from engine.errors import Invalid
from engine.schema import candidate, event, incident, instance, notification, task
from engine.worker import Worker

HOME = Path(__file__).resolve().parent.parent.parent
CLOCK, MESSAGE, WITHDRAW, AROUND, HOLDER = "the clock", "a message", "withdraws", "around it", "whoever holds it"
SAYS = "says"
YES = {"decision": "approve", "opinion": "It may be done.", "reason": "It follows the rule."}
NO = {"decision": "reject", "opinion": "It may not be done.", "reason": "It breaks the rule."}
BACK = {"decision": "return", "opinion": "Not like this.", "reason": "Something is missing."}
SYSTEM = {"login": "system"}
NOTHING = {"decision": "abstain", "opinion": "I have no view.", "reason": "It is not my field."}


@dataclass(frozen=True)
class Paper:
    """A document that is to be attached where it stands among the answers."""

    name: str = "paper.txt"
    text: str = "What is written here."


@dataclass(frozen=True)
class Story:
    """A case from its start to its outcome: who starts it with which answers, and the table of steps."""

    login: str
    answers: dict[str, Any]
    steps: tuple
    outcome: str
    #: steps before the start, all of them AROUND
    before: tuple = ()


class Walk:
    """One case on the real runtime, from its start to wherever the table leads."""

    def __init__(self, platform):
        self.platform = platform
        self.worker = Worker(platform, "walk")
        self.id = None

    # --- steps --------------------------------------------------------------------------------
    def start(self, login: str, process_key: str, answers: dict[str, Any]) -> Walk:
        with self.platform.work(self.actor(login)) as work:
            draft_id = tasks.keep_start_draft(work, process_key, {}) if _has_papers(answers) else None
            answers = _with_papers(work, answers, draft_id=draft_id)
            self.id = runtime.start(work, process_key, answers, draft_id=draft_id)["id"]
        self.worker.beat()
        return self

    def tell(self, story: Story, process_key: str) -> Walk:
        """Walk a whole story; at its end it has come to its outcome and nothing is wrong with it."""
        self.through(story.before).start(story.login, process_key, story.answers).through(story.steps)
        self.ended(story.outcome)
        self.intact()
        return self

    def through(self, steps) -> Walk:
        for who, where, what in steps:
            self.step(who, where, what)
        return self

    def step(self, who: str, where: Any, what: Any) -> None:
        self.platform.clock.move(seconds=1)
        if who == CLOCK:
            self.platform.clock.move(**what)
        elif who == MESSAGE:
            with self.platform.work(people.SYSTEM) as work:
                reached = runtime.publish(work, where, self.row()["number"], what)
            assert reached["correlated"], f"nobody waits for {where}"
        elif who == WITHDRAW:
            self.withdraw(where, what)
        elif who == SAYS:
            with self.platform.work(self.actor(where)) as work:
                tasks.add_comment(work, runtime.load(work, self.id).row, what)
        elif who == AROUND:
            with self.platform.work(people.SYSTEM) as work:
                where(work, *what)
        else:
            self.do(who, where, what)
        self.worker.beat()

    def do(self, login: str, element_id: str, answers: dict[str, Any]) -> None:
        """Complete the task at `element_id` that `login` holds or may claim."""
        actor = self.actor(self.holder(element_id) if login == HOLDER else login)
        row = self.task_of(actor, element_id)
        with self.platform.work(actor) as work:
            if row["state"] == "open":
                tasks.claim(work, row["id"])
            answers = _with_papers(work, answers, task_id=row["id"])
            runtime.complete(work, row["id"], answers)

    def withdraw(self, login: str, reason: str = "It is no longer needed.") -> None:
        with self.platform.work(self.actor(login)) as work:
            runtime.withdraw(work, self.id, reason)
        self.worker.beat()

    # --- what can be seen ---------------------------------------------------------------------
    def actor(self, login: str):
        with self.platform.read(people.SYSTEM) as work:
            return people.actor(work, people.by_login(work, login)["id"])

    def id_of(self, login: str) -> str:
        return self.actor(login).id

    def row(self):
        return self._one(select(instance).where(instance.c.id == self.id))

    def waiting(self) -> Counter:
        """How many open tasks wait at each element of the whole case."""
        return Counter(row["element_id"] for row in self.open_tasks())

    def open_tasks(self) -> list:
        return self._all(select(task).where(task.c.root_id == self.id, task.c.state.in_(("open", "claimed"))))

    def task_at(self, element_id: str):
        """The one open task at `element_id`."""
        (row,) = (row for row in self.open_tasks() if row["element_id"] == element_id)
        return row

    def refused(self, login: str, element_id: str, answers: dict[str, Any]) -> list[str]:
        """The fields for which the form at `element_id` refuses these answers; the task still waits then."""
        try:
            self.do(login, element_id, answers)
        except Invalid as refused:
            assert self.waiting()[element_id]
            return [problem.where for problem in refused.problems]
        raise AssertionError(f"{answers} were not refused")

    def holders(self, element_id: str) -> set[str]:
        """Logins of those who hold a task at `element_id`."""
        with self.platform.read(people.SYSTEM) as work:
            held = [r["assignee_id"] for r in self.open_tasks() if r["element_id"] == element_id and r["assignee_id"]]
            return {people.get(work, one)["login"] for one in held}

    def holder(self, element_id: str) -> str:
        held = self.holders(element_id)
        assert held, f"nobody holds {element_id}; waiting: {dict(self.waiting())}, {self.troubles()}"
        return sorted(held)[0]

    def task_of(self, actor, element_id: str):
        rows = [row for row in self.open_tasks() if row["element_id"] == element_id]
        assert rows, f"nothing waits at {element_id}; waiting: {dict(self.waiting())}, {self.troubles()}"
        mine = [row for row in rows if row["assignee_id"] == actor.id] or [r for r in rows if self._may_claim(actor, r)]
        assert mine, f"{actor.login} has no task at {element_id}; it is with {self.holders(element_id)}"
        return mine[0]

    def variables(self) -> dict[str, Any]:
        with self.platform.read(people.SYSTEM) as work:
            return runtime.load(work, self.id).execution.variables()

    def events(self, *types: str) -> list:
        rows = self._all(select(event).where(event.c.root_id == self.id).order_by(event.c.at, event.c.seq))
        return [row for row in rows if not types or row["type"] in types]

    def taken(self, process_key: str | None = None) -> set[str]:
        """Every sequence flow that the case took, in itself and in what it called; of one process if it is named."""
        own = {row["id"] for row in self.family() if process_key in (None, row["process_key"])}
        return {row["data"]["flow"] for row in self.events("flow.taken") if row["stream"] in own}

    def family(self) -> list:
        """The case and every instance that it called."""
        return self._all(select(instance).where(instance.c.root_id == self.id).order_by(instance.c.id))

    def shown(self, login: str, element_id: str) -> dict[str, Any]:
        """What the form at `element_id` shows to `login` when she opens it."""
        row = self.task_of(self.actor(login), element_id)
        with self.platform.read(self.actor(login)) as work:
            seen = runtime.load(work, row["instance_id"]).execution.visible(row["token"])
            return forms.prefill(forms.load(work, row["form_digest"]), seen, now=work.now, zone=work.calendar.zone)

    def notices(self, login: str, kind: str) -> list[dict[str, Any]]:
        """What she was told in her notices of one kind, oldest first."""
        mine = select(notification).where(notification.c.person_id == self.id_of(login), notification.c.kind == kind)
        return [row["params"] for row in self._all(mine.order_by(notification.c.at))]

    def told(self, login: str) -> list[str]:
        """Kinds of all notices that a person was given, oldest first."""
        mine = notification.c.person_id == self.id_of(login)
        return [row["kind"] for row in self._all(select(notification).where(mine).order_by(notification.c.at))]

    def decisions(self) -> list[tuple[str, str, str | None]]:
        """(login, element, outcome) of what was completed, in order; what policy decided is by "system"."""
        with self.platform.read(people.SYSTEM) as work:
            return [
                ((people.get(work, row["actor_id"]) or SYSTEM)["login"], row["element_id"], row["data"]["outcome"])
                for row in self.events("task.completed")
            ]

    def visited(self) -> set[str]:
        return {row["element_id"] for row in self.events("element.completed")}

    def troubles(self) -> list[str]:
        rows = self._all(select(incident).where(incident.c.root_id == self.id, incident.c.state == "open"))
        return [f"{row['element_id']}: {row['message']}" for row in rows]

    def ended(self, outcome: str) -> None:
        """The case came to its end with `outcome`, nothing is left and nothing went wrong on the way."""
        row = self.row()
        assert not self.troubles(), self.troubles()
        assert (row["state"], row["outcome"]) == ("completed", outcome), f"waiting: {dict(self.waiting())}"
        assert not self.open_tasks()

    def intact(self) -> None:
        """The whole log is what was written, and every instance of the case went where its model leads."""
        with self.platform.read(people.SYSTEM) as work:
            assert history.verify(work).faults == ()
            for one in evidence.conformance(work, self.id):
                assert one.verdict == "conforms", [str(problem) for problem in one.problems]

    # --- helpers ------------------------------------------------------------------------------
    def _may_claim(self, actor, row) -> bool:
        if row["state"] != "open":
            return False
        asked = self._all(select(candidate).where(candidate.c.task_id == row["id"]))
        return any(c["ref"] == actor.id if c["kind"] == "person" else c["ref"] in actor.groups for c in asked)

    def _one(self, stmt):
        with self.platform.read(people.SYSTEM) as work:
            return work.one(stmt)

    def _all(self, stmt) -> list:
        with self.platform.read(people.SYSTEM) as work:
            return list(work.all(stmt))


def _has_papers(answers: dict[str, Any]) -> bool:
    return any(isinstance(one, Paper) for said in answers.values() if isinstance(said, list) for one in said)


def _with_papers(work, answers: dict[str, Any], **place) -> dict[str, Any]:
    """The answers with the id of an attached document in the place of each `Paper`."""
    return {
        name: [_attached(work, one, name, place) for one in said] if isinstance(said, list) else said
        for name, said in answers.items()
    }


def _attached(work, one: Any, field: str, place: dict[str, Any]) -> Any:
    if not isinstance(one, Paper):
        return one
    return documents.attach(work, io.BytesIO(one.text.encode()), one.name, field=field, **place)["id"]


def model(process_key: str):
    """The parsed process of the project's own file."""
    parsed = bpmn.parse((HOME / "processes" / process_key / f"{process_key}.bpmn").read_bytes())
    return parsed.processes[process_key]


def branches(process_key: str) -> set[str]:
    return set(model(process_key).flows)


def local(moment) -> str:
    """A moment as the clock on the wall of the office shows it."""
    return moment.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M")


def at(text: str) -> datetime:
    """The moment at which the clock on the wall of the office shows this."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
