"""What a service task may call: functions that were registered under a name, and nothing else.

A model names a type (`zeebe:taskDefinition`); `find` gives the handler that was registered for it with
`@service`, or refuses. A handler that acts on the platform itself is `within` the worker's Work and gets it;
every other one runs outside any transaction, and may be called again after a crash: it then sees the same
`Context.key`. A handler answers with variables, raises `BpmnError` for what the model may catch, and anything
else for what is worth another try. The handlers themselves live in `handlers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Misconfigured, NotFound


class BpmnError(Exception):
    """A business error of a service: a boundary event with this error code catches it (BPMN 2.0, 10.5.1)."""

    def __init__(self, code: str, message: str = "", variables: Mapping[str, Any] | None = None):
        super().__init__(message or code)
        self.code = code
        #: what the model gets to know where it catches the error
        self.variables = dict(variables or {})


@dataclass(frozen=True)
class Context:
    """What a handler knows of the step that calls it."""

    instance_id: str
    #: the case; None outside a Work
    root_id: str | None
    token: int
    element_id: str
    #: the same for every try of the same step: for idempotency keys of others
    key: str
    #: `zeebe:taskHeaders` of the model
    headers: Mapping[str, str]
    settings: Any
    policies: Any


@dataclass(frozen=True)
class Service:
    """A registered handler."""

    type: str
    #: (work, variables, context) within a Work, else (variables, context); answers variables or None
    call: Callable[..., dict[str, Any] | None]
    within: bool


_SERVICES: dict[str, Service] = {}


def service(type: str, *, within: bool = False) -> Callable[[Callable], Callable]:
    """Register the decorated function under `type`. Raises Misconfigured when another one has that name."""

    def register(function: Callable) -> Callable:
        if type in _SERVICES:
            raise Misconfigured("Two services are called '%(type)s'.", type=type)
        _SERVICES[type] = Service(type, function, within)
        return function

    return register


def find(type: str | None) -> Service:
    """The handler of that type. Raises NotFound."""
    found = _SERVICES.get(type or "")
    if found is None:
        raise NotFound("There is no service '%(type)s'.", type=type or "")
    return found


def known() -> frozenset[str]:
    """Every type that a model may name."""
    return frozenset(_SERVICES)
