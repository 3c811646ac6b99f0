"""Small models for tests of the runtime, and a platform that they run on.

`model` wraps a body into a BPMN file, `flow` and `task` write the pieces that every body has; `room` is a
platform of its own with two people, `deploy` makes a model the newest version.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from sqlalchemy import select

from engine import people, repository, runtime, tasks
from engine.assembly import open_platform
from engine.platform import Settings
from engine.schema import task
from engine.worker import Worker
from tests.engine.rooms import SECRET, Clock

HEAD = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'id="d" targetNamespace="https://bizday.example/tests">{roots}'
    '<bpmn:process id="{id}" name="{id}" isExecutable="true">{body}</bpmn:process></bpmn:definitions>'
)


def model(body: str, key: str = "small", roots: str = "") -> bytes:
    return HEAD.format(id=key, body=body, roots=roots).encode()


def flow(source: str, target: str, condition: str = "") -> str:
    inner = f'<bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">{condition}</bpmn:conditionExpression>'
    inner = inner if condition else ""
    return f'<bpmn:sequenceFlow id="{source}-{target}" sourceRef="{source}" targetRef="{target}">{inner}</bpmn:sequenceFlow>'


def task_of(key: str, who: str = "anna", more: str = "") -> str:
    return (
        f'<bpmn:userTask id="{key}" name="{key}"><bpmn:extensionElements>'
        f'<zeebe:assignmentDefinition assignee="{who}"/></bpmn:extensionElements>{more}</bpmn:userTask>'
    )


def path(*pieces: str, ids: tuple[str, ...]) -> str:
    """`pieces` between a start and an end, `ids` in the order in which they are walked."""
    way = ("s", *ids, "e")
    flows = "".join(flow(one, other) for one, other in itertools.pairwise(way))
    return '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>' + "".join(pieces) + flows


def message(key: str, name: str, correlation: str = "=key") -> str:
    return (
        f'<bpmn:message id="{key}" name="{name}"><bpmn:extensionElements>'
        f'<zeebe:subscription correlationKey="{correlation}"/></bpmn:extensionElements></bpmn:message>'
    )


class Room:
    """A platform with anna and bert, and the verbs that tests use."""

    def __init__(self, var: Path, database: str = ""):
        settings = Settings(var=var, database=database, secret=SECRET)
        self.platform = open_platform(settings, clock=Clock(), chance=random.Random(11))
        self.platform.create_tables()
        self.worker = Worker(self.platform, "test")
        with self.platform.work(people.SYSTEM) as work:
            self.ids = {who: people.add_person(work, who, f"{who.title()} Example") for who in ("anna", "bert", "ada")}
            for group in ("staff", "administrators"):
                people.join(work, self.ids["ada"], group)

    def actor(self, who: str):
        with self.platform.read(people.SYSTEM) as work:
            return people.actor(work, self.ids[who])

    def deploy(self, **models: bytes) -> None:
        with self.platform.work(people.SYSTEM) as work:
            repository.deploy(work, {f"{name}.bpmn": data for name, data in models.items()})

    def start(self, key: str = "small", variables=None, at: str = "s", who=None) -> str:
        with self.platform.work(who or people.SYSTEM) as work:
            return runtime.start_by(work, repository.latest(work, key), at, variables or {})["id"]

    def open_tasks(self, root_id: str | None = None) -> dict[str, str]:
        """element id -> task id of what waits for people."""
        statement = select(task).where(task.c.state.in_(("open", "claimed")))
        if root_id:
            statement = statement.where(task.c.root_id == root_id)
        with self.platform.read(people.SYSTEM) as work:
            return {row["element_id"]: row["id"] for row in work.all(statement)}

    def complete(self, element_id: str, who: str = "anna", root_id: str | None = None):
        with self.platform.work(self.actor(who)) as work:
            return runtime.complete(work, self.open_tasks(root_id)[element_id], {})

    def row(self, instance_id: str):
        with self.platform.read(people.SYSTEM) as work:
            return dict(runtime.load(work, instance_id).row)

    def variables(self, instance_id: str) -> dict:
        with self.platform.read(people.SYSTEM) as work:
            return runtime.load(work, instance_id).execution.variables()

    def beat(self, **by) -> int:
        if by:
            self.platform.clock.move(**by)
        return self.worker.beat()

    def find_task(self, task_id: str):
        with self.platform.read(people.SYSTEM) as work:
            return tasks.find(work, task_id)

    def close(self) -> None:
        self.platform.close()
