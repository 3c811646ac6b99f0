"""What the engine hands over: rows to write, what waits outside, what was thrown, the path taken.

Frozen values between the engine and the rooms above it. `State` is a whole instance as rows; `Changes`
is what one step touched and nothing else, so that writing costs what changed and not what there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token: where it is and what its element must remember."""

    id: int
    scope_id: int
    element_id: str
    #: SpiffWorkflow's task states in small letters: ready waiting started error
    state: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """A scope and its variables; 0 is the process."""

    id: int
    parent_id: int | None
    element_id: str
    variables: dict[str, Any]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """A whole instance as rows, in any order."""

    next_token: int
    tokens: list[TokenRow]
    scopes: list[ScopeRow]


@dataclass(slots=True)
class Wait:
    """What a token waits for, with everything that the outside needs to bring it."""

    #: user manual adhoc service timer message signal condition call incident
    kind: str
    token: int
    element_id: str
    name: str = ""
    # --- people
    form_key: str | None = None
    assignee: str | None = None
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()
    priority: int | None = None
    due: datetime | None = None
    follow_up: datetime | None = None
    #: of an ad-hoc sub-process: (element id, name) of what may be begun
    choices: tuple[tuple[str, str], ...] = ()
    # --- machines
    service_type: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] | None = None
    retries: int | None = None
    process_key: str | None = None
    binding: str = "latest"
    version_tag: str | None = None
    propagate_all_child_variables: bool = True
    # --- events
    message_name: str | None = None
    correlation_key: str | None = None
    signal_name: str | None = None
    # --- what went wrong
    incident_kind: str | None = None
    sentence: str | None = None
    error_code: str | None = None
    error_variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thrown:
    """A message, signal or escalation that leaves the instance."""

    kind: str
    name: str
    token: int
    element_id: str
    variables: dict[str, Any]
    correlation_key: str | None = None
    message_id: str | None = None
    #: seconds that a message waits for its receiver; None leaves it to the platform
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened on the path, for the log."""

    #: element.activated element.completed element.cancelled flow.taken decision.made error.thrown …
    type: str
    element_id: str
    token: int | None
    data: dict[str, Any]


@dataclass(slots=True)
class Changes:
    """What happened since the last `take`."""

    #: id -> row, or None when it is gone
    tokens: dict[int, TokenRow | None]
    scopes: dict[int, ScopeRow | None]
    next_token: int
    trail: list[Step]
    opened: list[Wait]
    #: (token, kind) of waits that ended
    closed: list[tuple[int, str]]
    thrown: list[Thrown]
