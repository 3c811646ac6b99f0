"""One verb on some cases while somebody waits for the answer: each in a transaction of its own.

`act` does it and says of each case whether it was done, or why not; the API tells that at once. Thousands are
a batch, which the worker does (`engine.batches`). Nothing here decides who may do it: every verb asks `access`
for every case. With an idempotency key a repeat gets what was said first, of the refused cases too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from flask import current_app, g

from engine import batches
from engine.errors import Conflict, Problem, Refused

#: what is kept under the key of a case that was done
DONE = {"why": None}


@dataclass(frozen=True)
class Result:
    """What came of one case; `why` is None when it was done."""

    instance_id: str
    why: Refused | None = None


def act(name: str, instance_ids: Iterable[str], reason: str, definition_id: str | None = None,
        mapping: dict[str, str] | None = None, *, opened: Callable | None = None) -> list[Result]:  # fmt: skip
    """Do the verb `name` on each case in the name of who asks. Results stand in the order of the ids.

    `opened(instance_id)` may give the Work of one case, for instance one that knows an idempotency key.
    """
    opened = opened or (lambda _one: current_app.extensions["platform"].work(g.actor))
    verb = partial(batches.VERBS[name], reason=reason, to=definition_id, mapping=mapping)
    return [_one(opened, verb, instance_id) for instance_id in dict.fromkeys(instance_ids)]


def _one(opened: Callable, verb: Callable, instance_id: str) -> Result:
    try:
        with opened(instance_id) as work:
            if work.answered is None:
                verb(work, instance_id)
            return _said(instance_id, work.answered or work.answer(DONE))
    except Refused as why:
        with opened(instance_id) as work:
            return _said(instance_id, work.answered or work.answer(_kept(why)))


def _kept(why: Refused) -> dict:
    problems = [{"where": p.where, "rule": p.rule, "sentence": p.sentence, "params": dict(p.params)} for p in why.problems]
    return {"why": why.message, "params": {name: str(value) for name, value in why.params.items()}, "problems": problems}


def _said(instance_id: str, kept: dict) -> Result:
    if not kept.get("why"):
        return Result(instance_id)
    problems = [Problem(p["where"], p["rule"], p["sentence"], params=tuple(p["params"].items())) for p in kept["problems"]]
    return Result(instance_id, Conflict(kept["why"], problems, **kept["params"]))
