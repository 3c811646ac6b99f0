"""Random days of a whole platform, against a second telling of what must have happened.

Cases listen for messages, signals and a timer, call other processes in one version or the newest, call themselves, and
talk between two pools of one file. People suspend and resume them at any moment. After every step the open tasks and the
states of all instances must be those of `Day`, which knows neither engine nor database; at the end each message was
delivered once or has expired, every case is completed, and the log holds.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine import history, people, runtime
from engine.errors import Refused
from engine.schema import instance, message, task
from tests.engine.small import Room, flow, model, path, task_of
from tests.engine.small import message as message_of

SEEDS, STEPS = 40, 18
MORE = int(os.environ.get("FUZZ", "0"))
ROOTS = "".join(message_of(key, name) for key, name in (("go", "Go"), ("order", "Order"), ("answer", "Answer")))
ROOTS += '<bpmn:signal id="fire" name="Fire"/>'


def event(tag: str, key: str, inner: str, more: str = "") -> str:
    return f'<bpmn:{tag} id="{key}" name="{key}" {more}>{inner}</bpmn:{tag}>'


def hears(ref: str) -> str:
    return f'<bpmn:messageEventDefinition messageRef="{ref}"/>'


def call(key: str, process: str, more: str = "", mapping: str = "") -> str:
    said = f'<zeebe:calledElement processId="{process}" {more}/>{mapping}'
    return f'<bpmn:callActivity id="{key}" name="{key}"><bpmn:extensionElements>{said}</bpmn:extensionElements></bpmn:callActivity>'


def gives(name: str, formula: str) -> str:
    return f'<zeebe:ioMapping><zeebe:input source="={formula}" target="{name}"/></zeebe:ioMapping>'


HOUR = "<bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>"
LISTENER = path(
    event("intermediateCatchEvent", "t", HOUR), task_of("w"), task_of("z"), task_of("a"),
    event("boundaryEvent", "b", hears("go"), 'attachedToRef="w" cancelActivity="false"'), flow("b", "a"),
    event("intermediateCatchEvent", "f", '<bpmn:signalEventDefinition signalRef="fire"/>'), ids=("t", "w", "f", "z"),
)  # fmt: skip
CALLER = path(
    call("newest", "called", 'bindingType="latest"'), call("bound", "called", 'bindingType="deployment"'), task_of("thank"),
    ids=("newest", "bound", "thank"),
)  # fmt: skip
DOWN = (
    path(task_of("leaf"), event("exclusiveGateway", "x", "", 'default="x-leaf"'), ids=("x", "leaf"))
    + call("deeper", "down", mapping=gives("n", "n - 1")) + flow("x", "deeper", "=n &gt; 0") + flow("deeper", "e")
)  # fmt: skip
SENDS = f"<bpmn:extensionElements>{gives('key', 'key')}</bpmn:extensionElements>"
BUYER = path(
    event("sendTask", "send", SENDS, 'messageRef="order"'), event("intermediateCatchEvent", "wait", hears("answer")), task_of("pay"),
    ids=("send", "wait", "pay"),
)  # fmt: skip
SELLER = event("startEvent", "begin", hears("order")) + task_of("serve") + event("endEvent", "told", hears("answer"))
SELLER += flow("begin", "serve") + flow("serve", "told")
POOLS = (
    '<bpmn:collaboration id="c"><bpmn:participant id="p1" processRef="buyer"/><bpmn:participant id="p2" processRef="seller"/>'
    '<bpmn:messageFlow id="m1" sourceRef="send" targetRef="begin"/><bpmn:messageFlow id="m2" sourceRef="told" targetRef="wait"/>'
    "</bpmn:collaboration>"
)
BOTH = model(BUYER, "buyer", ROOTS + POOLS).replace(
    b"</bpmn:definitions>", f'<bpmn:process id="seller" name="seller" isExecutable="true">{SELLER}</bpmn:process></bpmn:definitions>'.encode()
)


def called(version: int) -> bytes:
    return model(path(task_of(f"do{version}"), ids=(f"do{version}",)), "called")


# --- what must have happened --------------------------------------------------------------------
@dataclass
class Told:
    """One case of the day: where it stands, and what came while it rested."""

    process: str
    key: str
    at: str
    due: float = 0
    #: tasks that messages began
    more: int = 0
    #: how often a process that calls itself did
    depth: int = 0
    #: which call of a caller is under way
    call: int = 1
    resting: bool = False
    held: set[str] = field(default_factory=set)

    @property
    def tasks(self) -> Counter[str]:
        waits = {"t", "f", "wait", "over"}
        return Counter({self.at: int(self.at not in waits), "a": self.more}) + Counter()

    @property
    def done(self) -> bool:
        return self.at == "over" and not self.more

    @property
    def instances(self) -> Counter[tuple[str, str]]:
        state = "completed" if self.done else "suspended" if self.resting else "active"
        found = Counter({(self.process, state): 1 + self.depth})
        if self.process == "caller":
            found["called", "completed"] += min(self.call, 3) - 1
            found["called", state] += self.call < 3
        return found + Counter()


class Day:
    """All cases and all messages that nobody has got yet."""

    def __init__(self):
        self.now, self.version = 0.0, 1
        self.cases: list[Told] = []
        #: (key, until when) of messages that are kept
        self.kept: list[tuple[str, float]] = []

    def start(self, process: str, key: str, depth: int = 0) -> Told:
        at = {"listener": "t", "caller": f"do{self.version}", "down": "leaf", "buyer": "wait", "seller": "serve"}[process]
        one = Told(process, key, at, due=self.now + 60, depth=depth)
        self.cases.append(one)
        if process == "buyer":
            self.start("seller", key)
        return one

    def complete(self, one: Told, element: str) -> None:
        if element == "a":
            one.more -= 1
        elif one.process == "caller":
            one.at = {1: "do1", 2: "thank"}.get(one.call, "over")
            one.call += 1
        else:
            one.at = {"w": "f"}.get(element, "over")
        if element == "serve":
            self.bring(next(c for c in self.cases if (c.process, c.key) == ("buyer", one.key)), "answer")
        self.settle()

    def publish(self, key: str, ttl: float) -> None:
        one = next((c for c in self.cases if (c.process, c.key, c.at) == ("listener", key, "w")), None)
        if one is None or (one.resting and "go" in one.held):
            self.kept.append((key, self.now + ttl))
        else:
            self.bring(one, "go")

    def broadcast(self) -> None:
        for one in [c for c in self.cases if c.at == "f"]:
            self.bring(one, "fire")

    def bring(self, one: Told, what: str) -> None:
        if one.resting:
            one.held.add(what)
        elif what == "go":
            one.more += 1
        else:
            one.at = {"fire": "z", "answer": "pay"}[what]

    def resume(self, one: Told) -> None:
        one.resting, held = False, one.held
        one.held = set()
        for what in held:
            self.bring(one, what)
        self.settle()

    def pass_time(self, minutes: float) -> None:
        self.now += minutes
        self.settle()

    def settle(self) -> None:
        """Whoever does not rest takes what is due and what is kept for her and still fresh."""
        for one in [c for c in self.cases if c.process == "listener" and not c.resting]:
            if one.at == "t" and one.due <= self.now:
                one.at = "w"
            if one.at == "w":
                mine = [kept for kept in self.kept if kept[0] == one.key and kept[1] > self.now]
                one.more += len(mine)
                self.kept = [kept for kept in self.kept if kept not in mine]


# --- the same on a platform -----------------------------------------------------------------------
class Walk:
    def __init__(self, room: Room, seed: int):
        self.room, self.chance, self.day = room, random.Random(f"cases {seed}"), Day()
        self.roots: dict[str, Told] = {}
        room.deploy(
            listener=model(LISTENER, "listener", ROOTS), caller=model(CALLER, "caller"), called=called(1), both=BOTH, down=model(DOWN, "down"),
        )  # fmt: skip

    def step(self) -> tuple:
        verb = self.chance.choice(("start", "start", "complete", "complete", "complete", "publish", "publish", "broadcast", "time", "rest", "rest", "deploy"))
        said = getattr(self, verb)()
        self.room.beat()
        self.compare()
        return verb, said

    def start(self) -> str:
        process = self.chance.choice(("listener", "listener", "listener", "caller", "down", "buyer"))
        key, depth = f"k{len(self.day.cases)}", self.chance.randint(0, 3) if process == "down" else 0
        root = self.room.start(process, {"key": key, "n": depth})
        self.roots[root] = self.day.start(process, key, depth)
        return process

    def complete(self):
        """Anything that is open; what rests cannot be completed."""
        self.meet()
        able = [(root, element) for root, one in self.roots.items() for element in sorted(one.tasks)]
        if not able:
            return None
        root, element = self.chance.choice(able)
        if self.roots[root].resting:
            with pytest.raises(Refused):
                self.room.complete(element, root_id=root)
        else:
            self.room.complete(element, root_id=root)
            self.day.complete(self.roots[root], element)
        return element

    def publish(self) -> tuple:
        listening = [one.key for one in self.day.cases if one.process == "listener"] or ["k0"]
        key, ttl = self.chance.choice(listening), self.chance.choice((0, 10, 50, 200))
        with self.room.platform.work(people.SYSTEM) as work:
            runtime.publish(work, "Go", key, {}, ttl=timedelta(minutes=ttl))
        self.day.publish(key, ttl)
        return key, ttl

    def broadcast(self) -> None:
        with self.room.platform.work(people.SYSTEM) as work:
            runtime.broadcast(work, "Fire", {})
        self.day.broadcast()

    def time(self) -> int:
        minutes = self.chance.choice((5, 30, 60))
        self.room.platform.clock.move(minutes=minutes)
        self.day.pass_time(minutes)
        return minutes

    def rest(self):
        self.meet()
        able = [root for root, one in self.roots.items() if not one.done]
        if not able:
            return None
        root = self.chance.choice(able)
        self.turn(root)
        return root

    def turn(self, root: str) -> None:
        """Suspend what runs, resume what rests."""
        one = self.roots[root]
        with self.room.platform.work(self.room.actor("ada")) as work:
            (runtime.resume if one.resting else runtime.suspend)(work, root, "The office moves.")
        if one.resting:
            self.day.resume(one)
        else:
            one.resting = True

    def deploy(self) -> None:
        if self.day.version == 1:
            self.day.version = 2
            self.room.deploy(called=called(2))

    def meet(self) -> None:
        """Find the cases that messages began."""
        with self.room.platform.read(people.SYSTEM) as work:
            for row in work.all(select(instance).where(instance.c.process_key == "seller")):
                if row["id"] not in self.roots:
                    key = runtime.load(work, row["id"]).execution.variables()["key"]
                    self.roots[row["id"]] = next(c for c in self.day.cases if (c.process, c.key) == ("seller", key))

    def compare(self) -> None:
        self.meet()
        with self.room.platform.read(people.SYSTEM) as work:
            open_ones = work.all(select(task).where(task.c.state.in_(("open", "claimed"))))
            states = Counter((row["process_key"], row["state"]) for row in work.all(select(instance)))
        said = Counter((self.roots[row["root_id"]].key, row["element_id"]) for row in open_ones)
        meant = Counter({(one.key, element): n for one in self.day.cases for element, n in one.tasks.items()})
        assert said == meant
        assert states == sum((one.instances for one in self.day.cases), Counter())

    def end(self) -> None:
        """Everybody goes on until all is done; then the messages are counted and the log is proved."""
        self.meet()
        for root in [root for root, one in self.roots.items() if one.resting]:
            self.turn(root)
        self.room.beat()
        self.compare()
        self.room.platform.clock.move(minutes=300)
        self.day.pass_time(300)
        self.room.beat()
        while not all(one.done for one in self.day.cases):
            self.broadcast()
            self.complete()
            self.room.beat()
            self.compare()
        with self.room.platform.read(people.SYSTEM) as work:
            never = work.execute(select(func.count()).where(message.c.name == "Go", message.c.correlated_at.is_(None))).scalar()
            report = history.verify(work)
        assert never == len(self.day.kept), "each message is delivered once or has expired"
        assert report.events > 10 and not report.faults, report.faults


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_day_of_many_cases_goes_as_it_must(tmp_path, seed):
    whole_day(tmp_path / "var", seed)


@pytest.mark.fuzz
@pytest.mark.skipif(not MORE, reason="FUZZ says how many")
def test_many_more_days_go_as_they_must(tmp_path):
    first = date.today().toordinal() * 1000
    for seed in range(first, first + MORE):
        whole_day(tmp_path / str(seed), seed)


def whole_day(var: Path, seed: int) -> None:
    room, steps = Room(var), []
    try:
        walk = Walk(room, seed)
        for _ in range(STEPS):
            steps.append(walk.step())
        walk.end()
    except Exception as error:
        raise AssertionError(f"seed {seed} after {steps}: {type(error).__name__}: {error}") from error
    finally:
        room.close()
