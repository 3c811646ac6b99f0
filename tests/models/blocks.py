"""What a random model is made of: blocks inside blocks, each of which is entered once and left once.

A block says what is drawn and nothing about how it runs: `generator` draws it as BPMN, `reference` says
what it means. Conditions compare one variable with a number. Whatever ends other things at once (errors,
escalations, signals, termination, compensation) stands right behind a task of a person, so that nothing
else is under way when it happens and the order in which branches run does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass
from typing import Any

#: names of errors, escalations, signals and messages
NAMES = ("A", "B")


@dataclass(frozen=True)
class Test:
    """`variable op number`, as FEEL and as what it means."""

    __test__ = False
    variable: str
    op: str
    number: int

    @property
    def feel(self) -> str:
        return f"{self.variable} {self.op} {self.number}"

    def holds(self, see: Callable[[str], Any]) -> bool:
        value = see(self.variable)
        return value > self.number if self.op == ">" else value < self.number


@dataclass(frozen=True)
class Event:
    """timer message signal error escalation conditional compensation terminate cancel none link; `multiple` has parts."""

    kind: str
    name: str | None = None
    #: of a timer: how often; None is once
    times: int | None = None
    test: Test | None = None
    parts: tuple[Event, ...] = ()
    #: of a multiple one: whether all its parts must happen
    all: bool = False
    #: of a compensation: nobody waits for its handlers
    beside: bool = False
    #: of a condition: it is asked again only when one of these was written, and in this way
    only: tuple[str, ...] = ()
    change: str = ""

    @property
    def kinds(self) -> set[str]:
        return {one.kind for one in self.parts} or {self.kind}


#: data stores of all processes
STORES = ("D1", "D2")
#: what a local variable of a scope begins with: text of a FEEL number, "null", or that it is a data object
OBJECT = "object"


def begins_with(locals: dict[str, str]) -> dict[str, int | None]:
    return {name: int(said) if said.isdigit() else None for name, said in locals.items()}


@dataclass
class Catcher:
    """A boundary event and what follows it: back to behind its host when it interrupts, else to an end of its own."""

    id: str
    event: Event
    interrupting: bool
    handler: Block


@dataclass
class EventSub:
    """An event sub-process."""

    id: str
    event: Event
    interrupting: bool
    body: Block
    locals: dict[str, str] = field(default_factory=dict)
    event_subs: list[EventSub] = field(default_factory=list)

    @property
    def start(self) -> str:
        return f"{self.id}_on"


@dataclass(frozen=True)
class Many:
    """Many times: `parallel`, `sequential` or `loop` (standard)."""

    kind: str
    items: tuple[int, ...]
    #: as many as are enough
    until: int | None = None
    results: str | None = None
    #: a number of times instead of a list
    counted: bool = False
    #: the counter that says what is enough: completed, active or terminated
    by: str = "completed"
    #: of a loop: its condition is asked before the first time, and it is done at most so often
    before: bool = False
    most: int | None = None


class Block:
    """Any block."""


@dataclass
class Seq(Block):
    parts: list[Block]


@dataclass
class Task(Block):
    """user manual service call receive script rule task send"""

    id: str
    kind: str
    many: Many | None = None
    catchers: list[Catcher] = field(default_factory=list)
    #: the task that undoes it
    undo: Task | None = None
    #: of such a task: whom
    undoes: str | None = None
    #: whether it reads v0 + 1 as w and writes w to v1
    mapped: bool = False
    #: the data object that it reads and writes one more to
    stored: str | None = None
    #: the data store that it reads and writes one more to
    kept: str | None = None


@dataclass
class Sub(Block):
    id: str
    body: Block
    #: variable -> FEEL number
    locals: dict[str, str] = field(default_factory=dict)
    #: variable that takes what `acc` came to
    sums: str | None = None
    many: Many | None = None
    catchers: list[Catcher] = field(default_factory=list)
    event_subs: list[EventSub] = field(default_factory=list)
    transaction: bool = False
    #: the event sub-process that undoes it once it is done
    undone_by: EventSub | None = None


@dataclass
class Xor(Block):
    id: str
    branches: list[tuple[Test | None, Block]]


@dataclass
class And(Block):
    id: str
    branches: list[Block]
    #: the activity that forks when no gateway does
    host: Task | None = None


@dataclass
class Or(Block):
    id: str
    branches: list[tuple[Test | None, Block]]
    #: the activity whose flows have the conditions when no gateway does
    host: Task | None = None


@dataclass
class Some(Block):
    """All branches begin; behind a complex gateway it goes on when `enough` have come, and the others come late."""

    id: str
    branches: list[Block]
    enough: int
    #: what follows when all that was late has come
    late: Block | None = None


@dataclass
class AdHoc(Block):
    """A person picks what is done, as often as she likes, until she or the condition says that it is over."""

    id: str
    #: each begins with its first task, the others follow
    items: list[list[Task]]
    one_at_a_time: bool
    until: Test | None
    cancels: bool
    catchers: list[Catcher] = field(default_factory=list)
    many: None = None
    #: variable that takes what each way came to
    results: str | None = None
    #: what an expression begins instead of a person
    begins: tuple[str, ...] | None = None


@dataclass
class Loop(Block):
    """As often as `times` says, counted in a variable."""

    id: str
    body: Block
    times: int

    @property
    def variable(self) -> str:
        return f"i_{self.id}"


@dataclass
class Race(Block):
    """An event-based gateway."""

    id: str
    arms: list[tuple[str, Event, Block]]


@dataclass
class Catch(Block):
    id: str
    event: Event


@dataclass
class Throw(Block):
    """signal escalation message compensation link none; `multiple` has parts"""

    id: str
    event: Event


@dataclass
class End(Block):
    """The way ends here: none error terminate escalation signal cancel compensation"""

    id: str
    event: Event


def never_left(block: Block) -> bool:
    """Whether every way through a block ends in it."""
    if isinstance(block, Seq):
        return any(never_left(part) for part in block.parts)
    if isinstance(block, (Xor, Or)):
        return all(never_left(branch) for _, branch in block.branches)
    if isinstance(block, Race):
        return all(never_left(branch) for *_, branch in block.arms)
    return isinstance(block, End) or (isinstance(block, Loop) and never_left(block.body))


@dataclass
class Model:
    """A process: its body, its event sub-processes and the variables it begins with."""

    body: Block
    event_subs: list[EventSub]
    variables: dict[str, Any]
    seed: int
    objects: list[str] = field(default_factory=list)
    #: how it may begin: (start event, what it waits for)
    starts: list[tuple[str, Event]] = field(default_factory=list)
    #: the start by which it does begin
    at: str | None = None
    #: whether an event-based gateway begins it
    raced: bool = False


def sequences(drawn: Any) -> list[Seq]:
    """Every sequence in a model that a way is left by, outermost first."""
    if isinstance(drawn, (list, tuple)):
        return [found for one in drawn for found in sequences(one)]
    if not is_dataclass(drawn):
        return []
    own = [drawn] if isinstance(drawn, Seq) and not never_left(drawn) else []
    return own + [found for one in vars(drawn).values() for found in sequences(one)]


def ids_in(drawn: Any) -> set[str]:
    """Ids of all that stands in some blocks."""
    if isinstance(drawn, (list, tuple)):
        return {found for one in drawn for found in ids_in(one)}
    if not is_dataclass(drawn):
        return set()
    own = {drawn.id} if hasattr(drawn, "id") else set()
    return own | {found for one in vars(drawn).values() for found in ids_in(one)}
