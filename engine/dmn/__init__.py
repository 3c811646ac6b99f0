"""DMN: decision tables, requirement graphs and boxed expressions, evaluated and checked.

`parse` reads a .dmn file of DMN 1.1 to 1.5 into `Decisions`; `evaluate` answers one decision (or decision service) by its
id with the value, which rules hit and why anything became null; `check` says before the deployment what is wrong with a
model: expressions that cannot be read, unknown names, misused hit policies, rules that overlap or are never reached and
cases that no rule covers, each with an example. Everything inside a box is FEEL; no other language runs here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from engine.dmn.check import check
from engine.dmn.graph import Evaluation, Session
from engine.dmn.model import Decision, Decisions, Input, Knowledge, Service, read_model
from engine.dmn.tables import Hit
from engine.errors import NotFound
from engine.feel.errors import Budget, Diagnosis
from engine.feel.values import to_json

__all__ = [
    "Answer", "Decision", "Decisions", "Hit", "Input", "Knowledge", "Service", "check", "evaluate", "parse",
]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a decision came to."""

    #: as FEEL: Decimal, str, bool, None, list, dict, dates and durations
    value: Any
    #: the rules that hit, in the order of evaluation, required decisions first
    hits: tuple[Hit, ...]
    #: why something became null on the way
    diagnoses: tuple[Diagnosis, ...]

    @property
    def json(self) -> Any:
        """The value as plain JSON."""
        return to_json(self.value)


def parse(data: bytes, others: Iterable[Decisions] = ()) -> Decisions:
    """Read a model. `others` are models that it may import. Raises Invalid when it is no DMN."""
    return read_model(data, tuple(others))


def evaluate(
    decisions: Decisions,
    key: str,
    variables: Mapping[str, Any],
    *,
    now: datetime | None = None,
    zone: tzinfo | None = None,
    budget: Budget | None = None,
) -> Answer:
    """Evaluate a decision, or a decision service, by its id (or name). Raises NotFound, feel.Exhausted."""
    found = decisions.find(key)
    if found is None:
        raise NotFound("There is no decision '%(key)s'.", key=key)
    run = Evaluation(now, zone, budget or Budget(seconds=5))
    value = Session(run, variables).value(decisions, found)
    return Answer(value, tuple(run.hits), tuple(run.notes))
