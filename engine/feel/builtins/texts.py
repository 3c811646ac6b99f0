"""Conversion and text functions (tables 66 to 70): string, number, substring, split, matches, replace and so on."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any

from engine.feel import regex
from engine.feel.builtins.registry import Nothing, builtin
from engine.feel.values import number, told

NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
GROUPS = {" ", ",", "."}
DECIMALS = {",", "."}


@builtin("string(from: a)")
def string(run, value: Any) -> str | None:
    said = told(value)
    run.budget.room(len(said or ""))
    return said


@builtin("number(from: s)", "number(from: s, grouping separator: s!, decimal separator: s!?)")
def to_number(_run, text: str, grouping: str | None = None, point: str | None = None) -> Decimal:
    wrong = (grouping is not None and grouping not in GROUPS) or (point is not None and point not in DECIMALS)
    if wrong or (grouping is not None and grouping == point):
        raise Nothing("The separators of a number are a blank, a comma or a dot, and differ.")
    if grouping is not None:
        text = text.replace(grouping, "")
    if point is not None and point != ".":
        text = text.replace(".", "?").replace(point, ".")
    if len(text) > 200 or not NUMBER.fullmatch(text):
        raise Nothing('"%(text)s" is no number.', text=text[:40])
    found = number(text)
    if found is None:
        raise Nothing("The number is too large.")
    return found


@builtin("not(negand: a)")
def not_(_run, value: Any) -> bool | None:
    return (not value) if isinstance(value, bool) else None


@builtin("is(value1: a, value2: a)")
def is_(_run, one: Any, other: Any) -> bool:
    """The same value of the same type; moments are the same with the same offset or zone only."""
    return type(one) is type(other) and one == other


@builtin("substring(string: s, start position: n, length: n?)")
def substring(_run, text: str, start: Decimal, length: Decimal | None = None) -> str:
    begin = whole(start)
    if begin == 0 or abs(begin) > len(text):
        raise Nothing("The start position lies outside the text.")
    if length is not None and whole(length) < 1:
        raise Nothing("The length of a part is at least 1.")
    begin = begin - 1 if begin > 0 else len(text) + begin
    return text[begin:] if length is None else text[begin : begin + whole(length)]


def whole(value: Decimal) -> int:
    """A whole number, cut towards zero, that is no larger than any list or text."""
    return int(max(min(value, Decimal(10**12)), Decimal(-(10**12))))


@builtin("string length(string: s)")
def string_length(_run, text: str) -> Decimal:
    return Decimal(len(text))


@builtin("upper case(string: s)")
def upper_case(_run, text: str) -> str:
    return text.upper()


@builtin("lower case(string: s)")
def lower_case(_run, text: str) -> str:
    return text.lower()


@builtin("substring before(string: s, match: s)")
def substring_before(_run, text: str, match: str) -> str:
    return text.partition(match)[0] if match and match in text else ""


@builtin("substring after(string: s, match: s)")
def substring_after(_run, text: str, match: str) -> str:
    return text.partition(match)[2] if match else text


@builtin("contains(string: s, match: s)")
def contains(_run, text: str, match: str) -> bool:
    return match in text


@builtin("starts with(string: s, match: s)")
def starts_with(_run, text: str, match: str) -> bool:
    return text.startswith(match)


@builtin("ends with(string: s, match: s)")
def ends_with(_run, text: str, match: str) -> bool:
    return text.endswith(match)


@builtin("matches(input: s, pattern: s, flags: s!?)")
def matches(run, text: str, pattern: str, flags: str | None = None) -> bool:
    return regex.search(pattern, flags or "", text, run.budget)


@builtin("replace(input: s, pattern: s, replacement: s, flags: s!?)")
def replace(run, text: str, pattern: str, replacement: str, flags: str | None = None) -> str:
    return regex.replace(pattern, flags or "", text, replacement, run.budget)


@builtin("split(string: s, delimiter: s)")
def split(run, text: str, delimiter: str) -> list[str]:
    return regex.split(delimiter, text, run.budget)


@builtin("extract(string: s, pattern: s)", added=True)
def extract(run, text: str, pattern: str) -> list[str]:
    return regex.find_all(pattern, text, run.budget)


@builtin("trim(string: s)", added=True)
def trim(_run, text: str) -> str:
    return text.strip()


@builtin("is blank(string: s)", added=True)
def is_blank(_run, text: str) -> bool:
    return not text.strip()


@builtin("to base64(value: s)", added=True)
def to_base64(run, text: str) -> str:
    """Of the text in UTF-8."""
    run.budget.room(len(text) * 2)
    return base64.b64encode(text.encode()).decode()


@builtin("string join(list: l, delimiter: s!?)")
def string_join(run, parts: list, delimiter: str | None = None) -> str:
    return joined(run, parts, delimiter or "")


@builtin("string join(list: l, delimiter: s!, prefix: s!, suffix: s!)", added=True)
def string_join_around(run, parts: list, delimiter: str | None, prefix: str | None, suffix: str | None) -> str:
    return (prefix or "") + joined(run, parts, delimiter or "") + (suffix or "")


def joined(run, parts: list, delimiter: str) -> str:
    if not all(part is None or isinstance(part, str) for part in parts):
        raise Nothing("'string join' takes a list of texts.")
    said = [part for part in parts if part is not None]
    run.budget.room(sum(len(part) for part in said) + len(delimiter) * len(said))
    return delimiter.join(said)
