"""Context functions (table 74): read, make, change and merge contexts; and what Camunda adds for missing values."""

from __future__ import annotations

import json
from typing import Any

from engine.feel.builtins.registry import Nothing, builtin
from engine.feel.values import lift, to_json


@builtin("get value(m: c, key: s)")
def get_value(_run, held: dict, key: str) -> Any:
    return held.get(key)


@builtin("get value(context: c, keys: l)", added=True)
def get_value_deep(_run, held: dict, keys: list) -> Any:
    found: Any = held
    for key in keys:
        found = found.get(key) if isinstance(found, dict) and isinstance(key, str) else None
    return found if keys else None


@builtin("get entries(m: c)")
def get_entries(_run, held: dict) -> list[dict]:
    return [{"key": key, "value": value} for key, value in held.items()]


@builtin("context(entries: l)")
def context(_run, entries: list) -> dict:
    made: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("key"), str) or "value" not in entry:
            raise Nothing("Every entry of a context has a key, which is a text, and a value.")
        if entry["key"] in made:
            raise Nothing("The context has two entries '%(entry)s'.", entry=entry['key'])
        made[entry["key"]] = entry["value"]
    return made


@builtin("context put(context: c, key: s, value: a)")
def context_put(_run, held: dict, key: str, value: Any) -> dict:
    return {**held, key: value}


@builtin("context put(context: c, keys: l, value: a)")
def context_put_deep(_run, held: dict, keys: list, value: Any) -> dict:
    if not keys or not all(isinstance(key, str) for key in keys):
        raise Nothing("The keys of 'context put' are texts.")
    return _put(held, keys, value)


def _put(held: Any, keys: list[str], value: Any) -> dict:
    if len(keys) == 1:
        return {**held, keys[0]: value}
    inner = held.get(keys[0])
    if not isinstance(inner, dict):
        raise Nothing("The entry '%(entry)s' is no context.", entry=keys[0])
    return {**held, keys[0]: _put(inner, keys[1:], value)}


@builtin("context merge(contexts: l)")
def context_merge(_run, contexts: list) -> dict:
    if not all(isinstance(one, dict) for one in contexts):
        raise Nothing("'context merge' takes a list of contexts.")
    made: dict[str, Any] = {}
    for one in contexts:
        made.update(one)
    return made


@builtin("get or else(value: a, default: a)", added=True)
def get_or_else(_run, value: Any, default: Any) -> Any:
    return default if value is None else value


@builtin("is defined(value: a)", added=True)
def is_defined(_run, value: Any) -> bool:
    return value is not None


@builtin("assert(value: a, condition: a)", "assert(value: a, condition: a, cause: s)", added=True)
def assert_(_run, value: Any, condition: Any, cause: str = "The condition of an assertion is not fulfilled.") -> Any:
    if condition is not True:
        raise Nothing(cause, "value")
    return value


@builtin("from json(value: s)", added=True)
def from_json(run, text: str) -> Any:
    run.budget.spend(len(text) // 100 + 1)
    try:
        return lift(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Nothing("The text is no JSON.", "value") from error


@builtin("to json(value: a)", added=True)
def as_json(run, value: Any) -> str:
    said = json.dumps(to_json(value), ensure_ascii=False)
    run.budget.room(len(said))
    return said
