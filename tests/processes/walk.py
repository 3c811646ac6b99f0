"""Walks a case as its people would: each completes what waits for her, by login.

A walk is a table of steps `(who, where, what)`: a login, an element id and the answers. `CLOCK` as the who
moves time by `what`; `MESSAGE` publishes the message that `where` names with `what`. After each step the
worker does all that is due. A walk remembers the sequence flows that were taken, so that a test can ask
whether every branch of a model was walked.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from engine import bpmn, people, runtime, tasks
from engine.schema import candidate, event, incident, instance, task
from engine.worker import Worker
from sqlalchemy import select

HOME = Path(__file__).resolve().parent.parent.parent
CLOCK, MESSAGE, WITHDRAW = "the clock", "a message", "withdraws"
YES = {"decision": "approve", "opinion": "It may be done.", "reason": "It follows the rule."}
NO = {"decision": "reject", "opinion": "It may not be done.", "reason": "It breaks the rule."}
BACK = {"decision": "return", "opinion": "Not like this.", "reason": "Something is missing."}
NOTHING = {"decision": "abstain", "opinion": "I have no view.", "reason": "It is not my field."}


class Walk:
    """One case on the real runtime, from its start to wherever the table leads."""

    def __init__(self, platform):
        self.platform = platform
        self.worker = Worker(platform, "walk")
        self.id = None

    # --- steps --------------------------------------------------------------------------------
    def start(self, login: str, process_key: str, answers: dict[str, Any]) -> Walk:
        with self.platform.work(self.actor(login)) as work:
            self.id = runtime.start(work, process_key, answers)["id"]
        self.worker.beat()
        return self

    def through(self, steps) -> Walk:
        for who, where, what in steps:
            self.step(who, where, what)
        return self

    def step(self, who: str, where: str, what: dict[str, Any]) -> None:
        if who == CLOCK:
            self.platform.clock.move(**what)
        elif who == MESSAGE:
            with self.platform.work(people.SYSTEM) as work:
                reached = runtime.publish(work, where, self.row()["number"], what)
            assert reached["correlated"], f"nobody waits for {where}"
        else:
            self.do(who, where, what)
        self.worker.beat()

    def do(self, login: str, element_id: str, answers: dict[str, Any]) -> None:
        """Complete the task at `element_id` that `login` holds or may claim."""
        actor = self.actor(login)
        row = self.task_of(actor, element_id)
        with self.platform.work(actor) as work:
            if row["state"] == "open":
                tasks.claim(work, row["id"])
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

    def holders(self, element_id: str) -> set[str]:
        """Logins of those who hold a task at `element_id`."""
        with self.platform.read(people.SYSTEM) as work:
            held = [r["assignee_id"] for r in self.open_tasks() if r["element_id"] == element_id and r["assignee_id"]]
            return {people.get(work, one)["login"] for one in held}

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

    def taken(self) -> set[str]:
        """Every sequence flow that the case took, in itself and in what it called."""
        return {row["data"]["flow"] for row in self.events("flow.taken")}

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


def model(process_key: str):
    """The parsed process of the project's own file."""
    parsed = bpmn.parse((HOME / "processes" / process_key / f"{process_key}.bpmn").read_bytes())
    return parsed.processes[process_key]


def branches(process_key: str) -> set[str]:
    return set(model(process_key).flows)
