"""Random models from a seed.

`random_model(seed)` draws blocks inside blocks; the same seed gives the same model for ever. What could
make the outcome depend on the order in which branches run is not drawn: variables that conditions read are
written by people alone, counters of loops belong to the nearest sub-process, and what ends other things
stands behind a task of a person. `wider` draws more kinds; what is drawn here never changes, since
seeds that once failed are named in the tests.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.models.blocks import (
    NAMES,
    OBJECT,
    And,
    Block,
    Catch,
    Catcher,
    End,
    Event,
    EventSub,
    Loop,
    Many,
    Model,
    Or,
    Race,
    Seq,
    Sub,
    Task,
    Test,
    Throw,
    Xor,
    begins_with,
)  # fmt: skip

POOL = ("v0", "v1", "v2")
FEATURES = (
    "xor", "and", "or", "loop", "race", "sub", "many", "boundary", "event_sub", "error", "escalation", "signal",
    "compensation", "transaction", "terminate", "conditional", "timer", "message", "link", "dead",
)  # fmt: skip


def random_model(seed: int) -> Model:
    return Generator(seed).model()


@dataclass(frozen=True)
class Place:
    """What may be drawn somewhere."""

    depth: int
    #: whether the way may end here: never between a fork and its join
    may_die: bool = True
    #: no gateways, no counters: several tokens may be on the way at once
    plain: bool = False
    #: inside an activity that is done many times or an event sub-process
    repeated: bool = False
    in_transaction: bool = False
    #: inside a loop of flows
    turns: bool = False

    def deeper(self, **changes) -> Place:
        return replace(self, depth=self.depth - 1, **changes)


class Generator:
    def __init__(self, seed: int):
        self.seed = seed
        self.chance = random.Random(seed)
        self.count = 0
        self.on = {one for one in FEATURES if self.chance.random() < 0.6}
        if "compensation" in self.on:  # what is undone first would depend on which of two signals came first
            self.on -= {"signal"}
        #: counters and results of the scope that is being drawn
        self.locals: list[dict[str, str]] = []

    def id(self, head: str) -> str:
        self.count += 1
        return f"{head}{self.count}"

    def one_in(self, number: int) -> bool:
        return self.chance.randrange(number) == 0

    # --- scopes -----------------------------------------------------------------------------------
    def model(self) -> Model:
        place = Place(self.chance.randint(1, 4))
        body, locals = self.scoped(lambda: self.seq(place))
        event_subs = self.event_subs(place)
        variables = {name: self.chance.randint(0, 9) for name in POOL} | begins_with(locals)
        return Model(body, event_subs, variables, self.seed, [one for one, said in locals.items() if said == OBJECT])

    def scoped(self, draw) -> tuple[Block, dict[str, str]]:
        self.locals.append({})
        return draw(), self.locals.pop()

    def event_subs(self, place: Place) -> list[EventSub]:
        if "event_sub" not in self.on or place.depth < 1:
            return []
        return [self.event_sub(place) for _ in range(self.chance.choice((0, 0, 1, 1, 2)))]

    def event_sub(self, place: Place) -> EventSub:
        event = _any(self.caught({"error", "escalation"}))
        interrupting = event.kind == "error" or self.one_in(2)
        body, locals = self.scoped(lambda: self.seq(place.deeper(may_die=True, plain=False, repeated=True, in_transaction=False, turns=False)))
        id = self.id("es")
        if not interrupting and event.kinds & {"conditional", "signal"}:  # one that interrupts may happen at the same moment
            body = Seq([Task(f"t{id}", "user"), body])
        return EventSub(id, self.cycling(event, interrupting), interrupting, body, locals)

    # --- blocks -----------------------------------------------------------------------------------
    def seq(self, place: Place) -> Seq:
        parts: list[Block] = []
        for _ in range(self.chance.randint(1, 3 if place.depth > 0 else 2)):
            parts.append(self.block(place))
        if place.may_die and self.one_in(4) and (end := self.end(place)) is not None:
            parts += [self.person(), end]
        return Seq(parts)

    def block(self, place: Place) -> Block:
        kinds = ["task", "task", "task"]
        if place.depth > 0:
            kinds += ["sub", "sub"] if "sub" in self.on else []
            kinds += [k for k in ("xor", "and", "or", "loop", "race") if k in self.on and not place.plain] * 2
        kinds += ["thrown"] if self.on & {"signal", "escalation", "compensation", "message"} else []
        kinds += ["catch"] if self.on & {"timer", "message", "signal", "conditional"} else []
        kinds += ["link"] if "link" in self.on and not place.plain else []
        return getattr(self, self.chance.choice(kinds))(place)

    def task(self, place: Place) -> Task:
        kind = self.chance.choice(
            ("user", "user", "user", "manual", "service", "service", "call", "receive", "script", "script", "task", "send")
        )
        one = Task(self.id("t"), kind)
        if "many" in self.on and self.one_in(4) and kind != "receive":
            one.many = self.many(place, enough=kind not in ("script", "task", "send"))
        if kind not in ("script", "task", "send"):
            one.catchers = self.catchers(place)
        if kind in ("user", "service") and one.many is None and self.one_in(4):
            one.mapped = True
        if "compensation" in self.on and kind in ("user", "service", "manual") and not one.many and self.one_in(2):
            one.undo = Task(self.id("undo"), self.chance.choice(("user", "script", "service")), undoes=one.id)
        return one

    def person(self) -> Task:
        return Task(self.id("t"), self.chance.choice(("user", "service")))

    def sub(self, place: Place) -> Sub:
        transaction = "transaction" in self.on and self.one_in(3)
        many = self.many(place, enough=True) if "many" in self.on and self.one_in(3) else None
        inner = place.deeper(may_die=True, plain=False, repeated=place.repeated or many is not None, in_transaction=transaction, turns=False)
        body, locals = self.scoped(lambda: self.seq(inner))
        if many is not None and many.until is not None:  # each child ends by what a person does
            body = Seq([body, self.person()]) if not _dies(body) else body
            many = replace(many, until=None) if _dies(body) or _ways(body) else many
        one = Sub(self.id("s"), body, locals, many=many, transaction=transaction)
        if self.one_in(3):
            one.locals |= {self.chance.choice(POOL): str(self.chance.randint(0, 9))}
        if self.one_in(3):
            one.locals["acc"], one.sums = str(self.chance.randint(1, 9)), f"sum_{one.id}"
        one.catchers = self.catchers(place, self.chance.choice(("error", "escalation", None)))
        if transaction:
            one.catchers.append(Catcher(self.id("b"), Event("cancel"), True, self.handler(place, True)))
        one.event_subs = self.event_subs(inner) if many is None or many.until is None else []
        return one

    def many(self, place: Place, *, enough: bool) -> Many:
        kind = self.chance.choice(("parallel", "parallel", "sequential", "loop"))
        items = tuple(self.chance.randint(0, 9) for _ in range(self.chance.choice((0, 1, 2, 3)) if kind != "loop" else 2))
        if kind == "loop":
            return Many(kind, items)
        until = self.chance.randint(1, 2) if enough and items and self.one_in(3) else None
        results = None
        if self.one_in(2):
            results = self.id("r")
            self.locals[-1][results] = "null"
        return Many(kind, items, until, results if not place.plain else None)

    def xor(self, place: Place) -> Xor:
        id = self.id("x")
        branches = [(self.test(), self.seq(place.deeper())) for _ in range(self.chance.randint(1, 2))]
        branches.insert(self.chance.randint(0, len(branches)), (None, self.seq(place.deeper())))
        return Xor(id, branches)

    def and_(self, place: Place) -> And:
        return And(self.id("g"), [self.seq(place.deeper(may_die=False)) for _ in range(self.chance.randint(2, 3))])

    def or_(self, place: Place) -> Or:
        id = self.id("o")
        branches = [(self.test(), self.seq(place.deeper())) for _ in range(self.chance.randint(1, 3))]
        return Or(id, [*branches, (None, self.seq(place.deeper()))])

    def loop(self, place: Place) -> Loop:
        one = Loop(self.id("l"), self.seq(place.deeper(turns=True)), self.chance.randint(1, 3))
        self.locals[-1][one.variable] = "0"
        return one

    def race(self, place: Place) -> Block:
        events = [self.event(kind) for kind in ("timer", "message", "signal") if kind in self.on]
        if len(events) < 2:
            return self.task(place)
        return Race(self.id("e"), [(self.id("c"), event, self.seq(place.deeper())) for event in events])

    def catch(self, place: Place) -> Catch:
        return Catch(self.id("c"), self.caught(set()))

    def thrown(self, place: Place) -> Seq:
        kind = self.chance.choice(sorted(self.on & {"signal", "escalation", "compensation", "message"}))
        return Seq([self.person(), Throw(self.id("w"), self.event(kind))])

    def link(self, place: Place) -> Throw:
        return Throw(self.id("k"), Event("link"))

    def end(self, place: Place) -> End | None:
        kinds = [kind for kind in ("error", "escalation", "signal", "compensation", "terminate") if kind in self.on]
        kinds += ["none"] if "dead" in self.on else []
        kinds += ["cancel", "cancel"] if place.in_transaction else []
        return End(self.id("z"), self.event(self.chance.choice(kinds))) if kinds else None

    # --- events -----------------------------------------------------------------------------------
    def catchers(self, place: Place, sure: str | None = None) -> list[Catcher]:
        found = []
        if sure is not None and sure in self.on:
            found.append(self.catcher(place, self.event(sure)))
        if "boundary" in self.on:
            found += [self.catcher(place, self.caught({"error", "escalation"})) for _ in range(self.chance.choice((0, 0, 1, 2)))]
        return list({(one.event.kind, one.event.name): one for one in found}.values())

    def catcher(self, place: Place, event: Event) -> Catcher:
        interrupting = event.kind == "error" or self.one_in(2)
        return Catcher(self.id("b"), self.cycling(_any(event), interrupting), interrupting, self.handler(place, interrupting))

    def handler(self, place: Place, interrupting: bool) -> Block:
        """What follows a boundary: anything when it goes on behind the host, else something that many tokens may pass."""
        if interrupting and place.depth > 0:
            return self.seq(place.deeper(may_die=False))
        return self.seq(Place(0 if not interrupting else place.depth - 1, may_die=False, plain=True, repeated=True))

    def caught(self, more: set[str]) -> Event:
        kinds = (self.on & ({"timer", "message", "signal", "conditional"} | more)) or {"message"}
        return self.event(self.chance.choice(sorted(kinds)))

    def cycling(self, event: Event, interrupting: bool) -> Event:
        if event.kind == "timer" and not interrupting:
            return replace(event, times=self.chance.choice((None, 1, 2, 3)))
        return event

    def event(self, kind: str) -> Event:
        if kind == "conditional":
            return Event(kind, test=self.test())
        name = self.chance.choice(NAMES)
        if kind in ("error", "escalation") and self.one_in(4):
            name = "C"
        return Event(kind, name)

    def test(self) -> Test:
        return Test(self.chance.choice(POOL), self.chance.choice("<>"), self.chance.randint(1, 8))


for _name in ("and", "or"):
    setattr(Generator, _name, getattr(Generator, f"{_name}_"))


def _any(event: Event) -> Event:
    """Who would catch the third name catches every name."""
    return replace(event, name=None) if event.kind in ("error", "escalation") and event.name == "C" else event


def _dies(block: Block) -> bool:
    return isinstance(block, Seq) and bool(block.parts) and isinstance(block.parts[-1], End)


def _ways(block: Block) -> bool:
    """Whether more than one way may be open in it, or something in it ends on its own."""
    if isinstance(block, Seq):
        return any(_ways(part) for part in block.parts)
    return not (
        isinstance(block, Task) and block.kind in ("user", "service", "script", "task") and not block.catchers and not block.many
    )
