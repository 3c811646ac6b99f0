"""What we ask of a model beyond the standard's schema: one short function per rule.

`check` is asked before a deployment; it knows what the platform has. `inspect` looks at any file of any
tool and never refuses: it tells whether the file opens as a draft, whether it could be deployed, and what
is wrong at which element. `mends` proposes changes that cannot change what a model means, and `apply` makes
one of them when a person asks for it; nothing is mended by itself. A rule is a function of a `Look` that
says `Problem`s; to add one, write it in the file of its kind and name it in that file's `RULES`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine import bpmn, xmlgate
from engine.errors import Invalid, Problem
from engine.feel.types import Type
from engine.lint import drawing, flow, kinds, paths, people, references, variables
from engine.lint.fields import check_form
from engine.lint.kinds import types_of
from engine.lint.look import Known, Look
from engine.lint.mending import Mend, apply, mends
from engine.lint.people import APPROVAL, SEPARATION, WORDS
from engine.policies import Policies

__all__ = [
    "APPROVAL", "RULES", "SEPARATION", "WORDS", "Known", "Look", "Mend", "Report", "apply", "check", "check_form",
    "fields_of", "inspect", "mends", "types_of",
]  # fmt: skip

RULES = (*drawing.RULES, *flow.RULES, *people.RULES, *references.RULES, *variables.RULES, *kinds.RULES, *paths.RULES)
NOTHING = Known()


@dataclass(frozen=True)
class Report:
    """What is to be said of one file."""

    #: whether it is BPMN that can be opened as a draft
    opens: bool
    #: whether it could be deployed as it is: a process of it is executable and nothing in it is an error
    deployable: bool
    problems: tuple[Problem, ...]


def check(
    data: bytes, *, policies: Policies | None = None, decisions: Collection[str] | None = None,
    forms: Collection[str] | None = None, fields: Mapping[str, Mapping[str, bool]] | None = None,
    services: Collection[str] | None = None, processes: Collection[str] | None = None,
    shapes: Mapping[str, Mapping[str, Type]] | None = None,
) -> list[Problem]:  # fmt: skip
    """All that is wrong with a model; None is what nobody knows, see `Known`. Raises Invalid for what is no BPMN."""
    return _look(data, Known(policies, decisions, forms, fields or {}, services, processes, shapes or {})).problems


def inspect(data: bytes, known: Known = NOTHING) -> Report:
    """What is to be said of any file. Never raises."""
    try:
        look = _look(data, known)
    except Invalid as refused:
        return Report(False, False, tuple(refused.problems) or (_refusal(refused),))
    except (
        Exception
    ) as error:  # a rule or the parser met what nobody thought of: that is a problem too, and not an end
        return Report(_opens(data), False, (_unfinished(error),))
    executable = any(process.executable for process in look.processes)
    sound = all(problem.severity != "error" for problem in look.problems)
    return Report(True, executable and sound, tuple(look.problems))


def fields_of(schema: Any) -> dict[str, bool]:
    """name of a field of a form (its JSON Schema) -> whether it must always be filled in."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return {}
    required = schema.get("required") if isinstance(schema.get("required"), list) else []
    return {
        name: name in required and not (isinstance(one, dict) and "x-when" in one)
        for name, one in schema["properties"].items()
    }


# --- helpers ------------------------------------------------------------------------------------
def _look(data: bytes, known: Known) -> Look:
    """All rules over a file. The engine's own refusals come first."""
    model = bpmn.parse(data)
    look = Look(model, xmlgate.read(data), known, list(model.problems))
    for rule in RULES:
        rule(look)
    return look


def _refusal(refused: Invalid) -> Problem:
    return Problem("", "file", refused.message, params=tuple((k, str(v)) for k, v in refused.params.items()))


def _unfinished(error: Exception) -> Problem:
    return Problem("", "lint.unfinished", "The file could not be checked to the end (%(kind)s).",
                   params=(("kind", type(error).__name__),))  # fmt: skip


def _opens(data: bytes) -> bool:
    try:
        return xmlgate.read(data).tag.endswith("}definitions")
    except Exception:
        return False
