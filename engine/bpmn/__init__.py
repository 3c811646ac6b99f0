"""The one package that knows SpiffWorkflow: BPMN 2.0 executed as it is drawn.

`parse` reads a file into a `Model` with its problems. `start` begins an `Execution`, `load` makes one from
rows; its verbs move tokens, `advance` runs until all wait, and `take` hands over what changed. `machine`
holds what of SpiffWorkflow 3.2.0 is used and what is put right; `activities`, `loops`, `gateways`, `events`
and `compensation` hold what each kind of element does; `scopes` holds variables. No Python of a model is
ever evaluated: expressions are FEEL.
"""

from __future__ import annotations

from typing import Any

from engine.bpmn import migration
from engine.bpmn.execution import Execution
from engine.bpmn.layout import with_picture
from engine.bpmn.limits import LIMITS, ElementError, LimitExceeded, Limits
from engine.bpmn.model import Element, Flow, Formula, Model, Process, Start
from engine.bpmn.parser import NODES, parse
from engine.bpmn.rows import Changes, ScopeRow, State, Step, Thrown, TokenRow, Wait
from engine.bpmn.starting import first_start, next_start
from engine.errors import NotFound

__all__ = [
    "LIMITS", "NODES", "Changes", "Element", "ElementError", "Execution", "Flow", "Formula", "LimitExceeded",
    "Limits", "Model", "Process", "ScopeRow", "Start", "State", "Step", "Thrown", "TokenRow", "Wait",
    "first_start", "load", "migration", "next_start", "parse", "start", "with_picture",
]  # fmt: skip


def start(process: Process, world, variables: dict[str, Any], *, element_id: str | None = None,
          trigger: str | None = None, limits: Limits = LIMITS) -> Execution:  # fmt: skip
    """A new instance with a token at its start event, or at `element_id`, and nothing run yet.

    `trigger` is the name of the message or signal that came, where the start event waits for several together.
    """
    element = None
    if element_id is not None:
        element = process.elements.get(element_id)
        if element is None:
            raise NotFound("The process has no element '%(element)s'.", element=element_id)
    run = Execution(process, world, limits)
    run.begin_at(element, variables, trigger)
    return run


def load(process: Process, state: State, world, limits: Limits = LIMITS) -> Execution:
    """An instance from its rows."""
    run = Execution(process, world, limits)
    run.restore(state)
    return run
