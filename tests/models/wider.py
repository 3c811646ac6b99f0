"""Random models of every element: what `generator` draws, and what was added after its seeds had been named in tests.

Ad-hoc sub-processes, complex gateways, activities that split, events with several definitions, event
sub-processes inside event sub-processes, data objects, decisions, compensation of one activity, loops that
ask first or have a limit, numbers of times, and several ways to begin; compensation that nobody waits for
or that a sub-process brings itself, data stores, results of ad-hoc work and work that an expression begins,
filtered conditions, several throws in one, and what follows when all that was late has come. What comes late at a complex gateway
would come again in a loop, so none stands in one.
"""

from __future__ import annotations

from dataclasses import replace

from tests.models.blocks import (
    NAMES,
    OBJECT,
    STORES,
    AdHoc,
    And,
    Block,
    Catcher,
    End,
    Event,
    EventSub,
    Many,
    Model,
    Or,
    Seq,
    Some,
    Sub,
    Task,
    Throw,
    begins_with,
)
from tests.models.generator import POOL, Generator, Place

MORE = (
    "adhoc", "some", "split", "multiple", "nested", "objects", "rule", "aimed", "none", "starts", "counted",
    "beside", "stores", "collected", "expressed", "filtered", "late", "several", "undoes", "mapped",
)  # fmt: skip


def wide_model(seed: int) -> Model:
    return Wider(seed).model()


def long_model(seed: int) -> Model:
    """A long way of tasks and sub-processes, many of which can be undone: what people return cases on."""
    one = Wider(seed)
    one.on = (one.on | {"compensation", "undoes", "sub"}) - {"signal", "event_sub", "starts"}
    place = Place(1, may_die=False)
    draws = [one.chance.choice((one.task, one.task, one.task, one.sub, one.block)) for _ in range(7)]
    body, locals = one.scoped(lambda: Seq([draw(place) for draw in draws]))
    variables = {name: one.chance.randint(0, 9) for name in POOL} | begins_with(locals)
    return Model(body, [], variables, seed, [name for name, said in locals.items() if said == OBJECT])


class Wider(Generator):
    def __init__(self, seed: int):
        super().__init__(seed)
        self.on |= {one for one in MORE if self.chance.random() < 0.5}
        #: data objects of the scopes that are being drawn
        self.objects: list[list[str]] = []
        #: tasks of these scopes that a throw may aim at; none of an event sub-process, which undoes what is around it
        self.undoable: list[list[str] | None] = []
        self.beside = False

    # --- scopes -----------------------------------------------------------------------------------
    def scoped(self, draw) -> tuple[Block, dict[str, str]]:
        self.objects.append([])
        self.undoable.append(None if self.beside else [])
        self.beside = False
        body, locals = super().scoped(draw)
        self.undoable.pop()
        return body, locals | dict.fromkeys(self.objects.pop(), OBJECT)

    def model(self) -> Model:
        model = super().model()
        if "starts" in self.on:
            events = [self.event(kind) for kind in ("message", "signal", "timer") if self.one_in(2)]
            model.raced = len(events) > 1 and self.one_in(3)
            events += [] if model.raced else [Event("none"), self.event("conditional")]
            model.starts = [(self.id("begin"), event) for event in events]
            model.at = self.chance.choice(model.starts)[0]
        return model

    def event_subs(self, place: Place) -> list[EventSub]:
        """Of one scope at most one waits for a condition: which of two that come true at once is told first is open."""
        kept: list[EventSub] = []
        for one in super().event_subs(place):
            if not any("conditional" in one.event.kinds & other.event.kinds for other in kept):
                kept.append(one)
        return kept

    def event_sub(self, place: Place) -> EventSub:
        self.beside = True
        one = super().event_sub(place)
        if "nested" in self.on and place.depth > 1:
            one.event_subs = self.event_subs(Place(1, repeated=True))
        return one

    # --- blocks -----------------------------------------------------------------------------------
    def block(self, place: Place) -> Block:
        kinds = ["adhoc"] if "adhoc" in self.on else []
        if place.depth > 0 and not place.plain:
            kinds += ["split", "split"] if "split" in self.on else []
            kinds += ["some", "some"] if "some" in self.on and not place.turns else []
        kinds += ["nothing"] if "none" in self.on else []
        if kinds and self.one_in(4):
            return getattr(self, self.chance.choice(kinds))(place)
        return super().block(place)

    def task(self, place: Place) -> Task:
        one = super().task(place)
        if "rule" in self.on and one.kind == "script" and self.one_in(2):
            one.kind = "rule"
        if one.kind == "call" and one.many is None and self.one_in(3):
            one.mapped = True
        if "mapped" in self.on and one.many and one.kind in ("user", "service", "call") and self.one_in(2):
            one.mapped = True
        if "objects" in self.on and one.kind in ("user", "service", "manual") and not one.many and not one.mapped:
            one.stored = self.object()
        if "stores" in self.on and one.kind in ("user", "service", "manual") and not (one.many or one.mapped or one.stored):
            one.kept = self.chance.choice((None, *STORES))
        if one.undo is not None and self.undoable[-1] is not None:
            self.undoable[-1].append(one.id)
        return one

    def sub(self, place: Place) -> Sub:
        one = super().sub(place)
        if {"undoes", "compensation"} <= self.on and self.one_in(2):
            one.undone_by = self.undoing()
            if self.undoable[-1] is not None:
                self.undoable[-1].append(one.id)
        return one

    def undoing(self) -> EventSub:
        """A sub-process's own way of being undone; what was done in it is undone only where this says so."""
        body: list[Block] = [Task(self.id("undo"), self.chance.choice(("user", "script", "service")))]
        if self.one_in(2):
            body.append(Throw(self.id("w"), Event("compensation", beside=self.one_in(2))))
        return EventSub(self.id("es"), Event("compensation"), True, Seq(body))

    def object(self) -> str | None:
        here = self.objects[-1]
        if not self.one_in(2):
            return None
        if not here or self.one_in(3):
            here.append(self.id("d"))
        return self.chance.choice(here)

    def many(self, place: Place, *, enough: bool) -> Many:
        one = super().many(place, enough=enough)
        if "counted" not in self.on or self.one_in(3):
            return one
        if one.kind == "loop":
            most = self.chance.choice((None, 1, 2, 3))
            return replace(one, items=(0,) * self.chance.randint(0, 3), before=self.one_in(2), most=most)
        return replace(one, counted=True, by=self.chance.choice(self.counters(one)))

    def counters(self, one: Many) -> tuple[str, ...]:
        """One after the other none is active when it is asked."""
        return ("completed", "active", "terminated") if one.kind == "parallel" else ("completed", "terminated")

    def adhoc(self, place: Place) -> AdHoc:
        items = [[self.inner() for _ in range(self.chance.choice((1, 1, 2)))] for _ in range(self.chance.randint(1, 3))]
        until = self.test() if self.one_in(2) else None
        one = AdHoc(self.id("s"), items, self.one_in(2), until, self.one_in(2), self.catchers(place))
        if "collected" in self.on and self.one_in(2) and not place.plain:
            one.results = self.id("r")
            self.locals[-1][one.results] = "null"
        if "expressed" in self.on and self.one_in(2):
            one.until, one.begins = None, tuple(self.chance.choices([item[0].id for item in items], k=self.chance.randint(0, 3)))
        return one

    def inner(self) -> Task:
        return Task(self.id("t"), self.chance.choice(("user", "user", "service", "script")))

    def some(self, place: Place) -> Some:
        branches = [self.seq(place.deeper(may_die=False)) for _ in range(self.chance.randint(2, 3))]
        late = self.handler(place, False) if "late" in self.on and self.one_in(2) else None
        return Some(self.id("j"), branches, self.chance.randint(1, len(branches)), late)

    def split(self, place: Place) -> And | Or:
        one = self.and_(place) if self.one_in(2) else self.or_(place)
        one.host = Task(self.id("t"), self.chance.choice(("user", "service", "script", "task")))
        return one

    def nothing(self, place: Place) -> Throw:
        return Throw(self.id("w"), Event("none"))

    def thrown(self, place: Place) -> Seq:
        seq = super().thrown(place)
        throw = seq.parts[-1]
        seq.parts[-1] = Throw(throw.id, self.happening(throw.event, {"message", "escalation", "signal", "compensation"}))
        return seq

    def end(self, place: Place) -> End | None:
        end = super().end(place)
        if end is not None and end.event.kind in ("escalation", "signal", "compensation"):
            end.event = self.happening(end.event, {"message", "escalation", "signal"})
        return end

    def happening(self, event: Event, more: set[str]) -> Event:
        """What is thrown, perhaps with something else, perhaps at one activity, perhaps beside."""
        if event.kind == "compensation" and "aimed" in self.on and self.undoable[-1] and self.one_in(2):
            event = replace(event, name=self.chance.choice(self.undoable[-1]))
        if event.kind == "compensation" and "beside" in self.on:
            event = replace(event, beside=self.one_in(2))
        if event.kind in ("signal", "escalation"):
            more = more & {"message", "compensation"}
        if "several" not in self.on or self.one_in(2) or not (more := sorted(more & self.on - {event.kind})):
            return event
        parts = [event, self.event(self.chance.choice(more))]  # one of them at most moves other tokens
        self.chance.shuffle(parts)
        return Event("multiple", parts=tuple(parts))

    # --- events -----------------------------------------------------------------------------------
    def catchers(self, place: Place, sure: str | None = None) -> list[Catcher]:
        """No two of them catch the same, or it would matter which was told first."""
        kept: list[Catcher] = []
        for one in super().catchers(place, sure):
            if not any(_same(one.event) & _same(other.event) for other in kept):
                kept.append(one)
        return kept

    def handler(self, place: Place, interrupting: bool) -> Block:
        """What stands in it is aimed at from there alone: of two boundaries for one event only one is kept."""
        before = self.undoable[-1]
        self.undoable[-1] = before if before is None else list(before)
        handler = super().handler(place, interrupting)
        self.undoable[-1] = before
        return handler

    def caught(self, more: set[str]) -> Event:
        event = super().caught(more)
        if event.kind == "conditional" and "filtered" in self.on and self.one_in(2):
            only = tuple(self.chance.sample(POOL, self.chance.randint(0, 2)))
            return replace(event, only=only, change=self.chance.choice(("", "update", "create", "create, update")))
        if "multiple" not in self.on or event.kind in ("error", "escalation") or self.one_in(2):
            return event
        whole = self.one_in(2)
        parts = [Event("message", name) for name in NAMES]
        parts += [self.event(kind) for kind in ("signal", "timer") if kind in self.on]
        parts += [self.event("conditional")] if "conditional" in self.on and not whole else []
        return Event("multiple", parts=tuple(self.chance.sample(parts, 2)), all=whole)


def _same(event: Event) -> set[tuple[str, str | None]]:
    return {(one.kind, one.name) for one in event.parts or (event,)}
