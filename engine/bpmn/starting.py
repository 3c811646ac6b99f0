"""Timer start events: when a definition starts an instance by itself.

The platform's jobs start instances, each firing one, and the next counts from the due moment of the last;
SpiffWorkflow 3.2.0 would run all repetitions of a cycle inside one instance.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from engine.bpmn import timers
from engine.bpmn.limits import ElementError
from engine.bpmn.model import Start
from engine.errors import Invalid


class _Outside:
    """The world of an expression that stands outside of any instance."""

    def __init__(self, now: datetime, zone: tzinfo):
        self.now = now
        self.zone = zone


def first_start(start: Start, now: datetime, zone: tzinfo) -> tuple[datetime, dict[str, Any]]:
    """(moment, payload of the job) of a timer start event; a date that has passed is due at once, as in Camunda 8.

    Raises Invalid.
    """
    try:
        value = start.formula.value({}, _Outside(now, zone)) if start.formula else None
        due, memo = timers.due(start.timer, value, now, zone)
    except ElementError as error:
        raise Invalid(
            "The timer of '%(element)s' is wrong: %(why)s", element=start.element_id, why=error.sentence
        ) from error
    return max(due, now) if start.timer == "date" else due, memo


def next_start(
    payload: dict[str, Any], was_due: datetime, now: datetime, zone: tzinfo
) -> tuple[datetime | None, dict[str, Any]]:
    """The following moment and payload, counted from when it was due; (None, {}) when it was the last."""
    return timers.again(payload, was_due, now, zone) or (None, {})
