"""One verb on many cases: each in a transaction of its own, so that one refusal undoes none of the others.

`act` does it and says of each case whether it was done, or why not; the API and the pages for operators
tell that in their own way. `VERBS` are the four verbs that may be asked for many cases at once. Nothing
here decides who may do it: every verb asks `access` for every case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from flask import current_app, g

from engine import cases, runtime
from engine.errors import Refused


@dataclass(frozen=True)
class Result:
    """What came of one case; `why` is None when it was done."""

    instance_id: str
    why: Refused | None = None


#: verb(work, instance id, reason, definition id, mapping)
VERBS: dict[str, Callable] = {
    "suspend": lambda work, one, reason, definition, mapping: runtime.suspend(work, one, reason),
    "resume": lambda work, one, reason, definition, mapping: runtime.resume(work, one, reason),
    "cancel": lambda work, one, reason, definition, mapping: runtime.cancel(work, one, reason),
    "migrate": lambda work, one, reason, definition, mapping: runtime.migrate(
        work, one, definition or "", reason, mapping or {}
    ),
}  # fmt: skip


#: in which states cases are that a verb on a whole version means
STATES = {"suspend": ("active",), "resume": ("suspended",)}


def running(work, name: str, definition_id: str) -> list[str]:
    """Ids of the cases of one version that the verb `name` would be done on, as far as this person sees them."""
    return cases.running_of(work, definition_id, states=STATES.get(name, ("active", "suspended")))


def act(name: str, instance_ids: Iterable[str], reason: str, definition_id: str | None = None,
        mapping: dict[str, str] | None = None, *, opened: Callable | None = None) -> list[Result]:  # fmt: skip
    """Do the verb `name` on each case in the name of who asks. Results stand in the order of the ids.

    `opened(instance_id)` may give the Work of one case, for instance one that knows an idempotency key.
    """
    opened = opened or (lambda _one: current_app.extensions["platform"].work(g.actor))
    verb = partial(VERBS[name], reason=reason, definition=definition_id, mapping=mapping)
    return [_one(opened, verb, instance_id) for instance_id in dict.fromkeys(instance_ids)]


def _one(opened: Callable, verb: Callable, instance_id: str) -> Result:
    try:
        with opened(instance_id) as work:
            if work.answered is None:
                verb(work, instance_id)
                work.answer(True)
    except Refused as why:
        return Result(instance_id, why)
    return Result(instance_id)
