"""A model as the engine reads it: elements, flows, events, loops, all frozen after parsing.

A `Model` is one file; a `Process` is one executable process of it with every element of every scope by
its id. An `Element` says what stands in the drawing and nothing of any running case; what it does is its
`node`, a task specification of SpiffWorkflow. A `Formula` is a text that is either fixed or FEEL. One
parsed process is shared by all instances of its version and by all threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import feel
from engine.bpmn.limits import ElementError
from engine.errors import Problem


class Formula:
    """A text of a model: FEEL when it begins with "=", fixed otherwise. Compiled once."""

    __slots__ = ("expression", "fixed", "text")

    def __init__(self, text: str, *, always_feel: bool = False):
        """Raises feel.FeelError when the FEEL in it cannot be read."""
        self.text = text.strip()
        is_feel = self.text.startswith("=")
        self.expression = feel.compile(self.text.removeprefix("=")) if is_feel or always_feel else None
        self.fixed = None if self.expression else self.text

    @property
    def reads(self) -> frozenset[str]:
        """Variables that it reads freely."""
        return self.expression.reads if self.expression else frozenset()

    def value(self, variables: Mapping[str, Any], world) -> Any:
        """A FEEL value. Raises ElementError when it uses more than its budget."""
        if self.expression is None:
            return self.fixed
        try:
            return self.expression.evaluate(variables, now=world.now, zone=world.zone)
        except feel.FeelError as error:
            raise ElementError(f"The expression '{self.text[:200]}' cannot be evaluated: {error}") from error

    def json(self, variables: Mapping[str, Any], world) -> Any:
        """The value as plain JSON, as variables are kept."""
        return feel.to_json(self.value(variables, world))

    def truth(self, variables: Mapping[str, Any], world) -> bool:
        """A condition's value. Anything but true and false is an error that shows why, never taken for false."""
        said = self.value(variables, world)
        if isinstance(said, bool):
            return said
        raise ElementError(
            f"The condition '{self.text[:200]}' is {feel.to_json(said)!r}, not true or false.{self._why(variables, world)}"
        )

    def _why(self, variables: Mapping[str, Any], world) -> str:
        if self.expression is None:
            return ""
        _, diagnoses = self.expression.explain(variables, now=world.now, zone=world.zone)
        return "".join(f" {one}" for one in diagnoses[:3])


@dataclass(slots=True, eq=False)
class Flow:
    """A sequence flow."""

    id: str
    name: str
    source: Element = None  # type: ignore[assignment]  # set while linking
    target: Element = None  # type: ignore[assignment]
    condition: Formula | None = None


@dataclass(slots=True)
class EventDefinition:
    """One thing that an event throws or waits for."""

    #: none timer message signal error escalation conditional link compensation cancel terminate
    kind: str
    id: str = ""
    #: message name, signal name, error or escalation code, link name
    name: Formula | None = None
    correlation_key: Formula | None = None
    #: date duration cycle
    timer: str = ""
    formula: Formula | None = None
    #: id of the activity that a compensation throw names; None means all of its scope
    activity: str | None = None
    wait_for_completion: bool = True
    #: of a condition: it is asked again only when one of these variables was written, and in one of these ways
    only_variables: frozenset[str] = frozenset()
    only_changes: frozenset[str] = frozenset()
    ttl: Formula | None = None
    message_id: Formula | None = None


@dataclass(slots=True)
class Loop:
    """Multi-instance or standard loop characteristics."""

    #: multi standard
    kind: str
    sequential: bool = False
    collection: Formula | None = None
    cardinality: Formula | None = None
    element_variable: str | None = None
    output_collection: str | None = None
    output_element: Formula | None = None
    completion: Formula | None = None
    #: standard loop
    condition: Formula | None = None
    test_before: bool = False
    maximum: int | None = None

    @property
    def collection_variable(self) -> str | None:
        """The variable that it is done over; None when the collection is computed."""
        name = self.collection.text.removeprefix("=").strip() if self.collection is not None else ""
        return name if name and self.collection.reads == {name} else None


@dataclass(slots=True)
class Start:
    """A way in which a process begins."""

    #: none message signal timer conditional
    kind: str
    element_id: str
    name: str | None = None
    #: of a timer: date duration cycle, and its text
    timer: str = ""
    formula: Formula | None = None


@dataclass(slots=True, eq=False)
class Element:
    """One flow node or scope of the drawing."""

    id: str
    kind: str
    name: str = ""
    documentation: str = ""
    #: the sub-process or process that it stands in; None for the process itself
    parent: Element | None = None
    incoming: list[Flow] = field(default_factory=list)
    outgoing: list[Flow] = field(default_factory=list)
    default: str | None = None
    events: tuple[EventDefinition, ...] = ()
    parallel_multiple: bool = False
    interrupting: bool = True
    attached_to: Element | None = None
    boundaries: list[Element] = field(default_factory=list)
    #: of a compensation boundary: the activity that undoes
    handler: Element | None = None
    for_compensation: bool = False
    triggered_by_event: bool = False
    loop: Loop | None = None
    inputs: tuple[tuple[str, Formula], ...] = ()
    outputs: tuple[tuple[str, Formula], ...] = ()
    #: written to data objects besides, when it completes
    data_outputs: tuple[tuple[str, Formula], ...] = ()
    #: put into data stores when it completes: (store, formula)
    store_outputs: tuple[tuple[str, Any], ...] = ()
    #: variables of the data objects that stand in this scope
    data_objects: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    lane: str = ""
    # --- people
    form_key: str | None = None
    assignee: Formula | None = None
    candidate_groups: Formula | None = None
    candidate_users: Formula | None = None
    due: Formula | None = None
    follow_up: Formula | None = None
    priority: Formula | None = None
    #: who gets a copy of the case when the task is done: logins, ids or keys of groups
    copy_to: Formula | None = None
    #: what item of the collection a `person` becomes who is added to a running vote
    add_signer: Formula | None = None
    # --- machines
    service_type: Formula | None = None
    retries: Formula | None = None
    headers: dict[str, str] = field(default_factory=dict)
    decision: Formula | None = None
    script: Formula | None = None
    result_variable: str | None = None
    called: Formula | None = None
    binding: str = "latest"
    version_tag: str | None = None
    propagate_all_parent: bool = True
    propagate_all_child: bool = True
    # --- scopes and gateways
    children: list[Element] = field(default_factory=list)
    #: sub-processes that an event of this scope starts
    event_subprocesses: list[Element] = field(default_factory=list)
    instantiate: bool = False
    #: of an event-based gateway that begins a process: every event behind it is due, the first one begins
    all_events: bool = False
    activation: Formula | None = None
    completion: Formula | None = None
    ordering: str = "Parallel"
    cancel_remaining: bool = True
    active_elements: Formula | None = None
    #: of an ad-hoc sub-process: the list of what each thing that was begun came to, and what that is
    output_collection: str | None = None
    output_element: Formula | None = None
    line: int = 0
    #: what it does: a task specification of SpiffWorkflow
    node: Any = None

    @property
    def event(self) -> str:
        """Kind of its only event definition, "none" without one, "multiple" with several."""
        if len(self.events) > 1:
            return "multiple"
        return self.events[0].kind if self.events else "none"

    @property
    def starts(self) -> list[Element]:
        """Where a token begins when this scope is entered: start events without trigger, else what nothing leads to."""
        none = [c for c in self.children if c.kind == "startEvent" and c.event == "none"]
        return none[:1] or [c for c in self.children if c.is_entry]

    @property
    def starter(self) -> Element | None:
        """The start event of an event sub-process."""
        return next((c for c in self.children if c.kind == "startEvent"), None)

    @property
    def siblings(self) -> list[Element]:
        """Everything that stands in the same scope, itself included."""
        return self.parent.children if self.parent else []

    @property
    def is_entry(self) -> bool:
        """Nothing leads to it, so a scope without a start event begins here (BPMN 2.0, 10.5.2)."""
        begins = self.kind not in ("boundaryEvent", "startEvent") and not self.triggered_by_event
        linked = self.kind == "intermediateCatchEvent" and self.event == "link"
        return begins and not linked and not self.incoming and not self.for_compensation


@dataclass(slots=True, eq=False)
class Process:
    """One process of a file."""

    id: str
    name: str
    executable: bool
    version_tag: str | None
    documentation: str
    #: every element of every scope, the process itself excluded
    elements: dict[str, Element]
    flows: dict[str, Flow]
    starts: list[Start]
    #: the process as the outermost scope
    root: Element
    #: the specification that SpiffWorkflow runs
    spec: Any = None

    @property
    def startable(self) -> bool:
        """Whether people may start it: it has a start event without a trigger, or none at all."""
        return any(start.kind == "none" for start in self.starts)


@dataclass(slots=True)
class Model:
    """One file: its processes by id, and what is wrong with it."""

    processes: dict[str, Process]
    problems: tuple[Problem, ...] = ()
