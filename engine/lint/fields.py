"""What we ask of the expressions in a form: functions that exist, arguments and types that go together.

A form knows the types of its own fields; other names are variables of the case, of which a form alone knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from engine import feel
from engine.errors import Problem
from engine.feel.inference import look, told
from engine.lint.kinds import MOST, types_of


def check_form(schema: Any) -> list[Problem]:
    """What is wrong with the FEEL of a form (its JSON Schema); what cannot be read is told by `forms`."""
    known = types_of(schema)
    return [
        problem for where, text, asks in _expressions(schema)
        for problem in _looked_at(where, text, asks, known if asks else {})  # a source is asked before there are answers
    ]  # fmt: skip


def _expressions(schema: Any) -> Iterator[tuple[str, str, bool]]:
    """(field, FEEL, whether it is a condition)"""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return
    for name, one in schema["properties"].items():
        for keyword in ("x-source", "x-when"):
            if isinstance(one, dict) and isinstance(one.get(keyword), str):
                yield name, one[keyword], keyword == "x-when"
    rules = schema.get("x-rules")
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and isinstance(rule.get("when"), str):
            yield str(rule.get("field") or ""), rule["when"], True


def _looked_at(where: str, text: str, asks: bool, known: dict) -> Iterator[Problem]:
    try:
        expression, seen = feel.compile(text), look(text, known)
    except feel.FeelError:
        return
    for name in sorted(expression.calls - feel.BUILTINS.keys()):
        near = next(iter(get_close_matches(name, feel.BUILTINS, 1, 0.7)), "")
        sentence = "There is no function '%(function)s'."
        if near:
            sentence = "There is no function '%(function)s'; is '%(near)s' meant?"
        yield _problem(where, "unknown-function", sentence, "error", text, seen.places.get(name, 0), function=name, near=near)
    for one in seen.findings[:MOST]:
        is_call = one.kind == "argument" and "%(type)s" not in one.sentence
        kind = "argument" if one.kind == "argument" else "type"
        yield _problem(where, kind, one.sentence, "error" if is_call else "warning", text, one.position, **dict(one.params))
    if asks and told(seen.type) not in ("", "boolean", "Null"):
        sentence = "The condition '%(text)s' is a %(type)s, never true or false."
        yield _problem(where, "not-a-condition", sentence, "warning", text, 0, type=told(seen.type))


def _problem(where: str, rule: str, sentence: str, severity: str, text: str, at: int, **params: str) -> Problem:
    held = {**params, "text": text[:2000], "at": str(max(at, 0))}
    return Problem(where, f"feel.{rule}", sentence, severity, params=tuple(held.items()))
